//! What a vendor's pages say of an order beyond the types of its fields: what must not be empty, and what goes together.

use serde_json::Value;
use shipbatch::Vendor;

/// What a vendor would refuse in an order's line.
pub(crate) fn broken(vendor: Vendor, shipment: &Value) -> Vec<String> {
    let mut broken = Broken(Vec::new());
    match vendor {
        Vendor::SmartSend => broken.smartsend(shipment),
        Vendor::Xps => broken.xps(shipment),
        Vendor::Deftship => broken.deftship(&shipment["shipment"]),
        _ => {}
    }
    broken.0
}

struct Broken(Vec<String>);

impl Broken {
    fn smartsend(&mut self, shipment: &Value) {
        let receiver = &shipment["parties"]["receiver"];
        self.filled(&receiver["address"], "parties.receiver.address", &["city"]);
        self.country(&receiver["address"], "parties.receiver.address");
        self.some(&receiver["contact"]["name_lines"], "parties.receiver.contact.name_lines");
        self.some(&shipment["parcels"], "parcels");
    }

    fn xps(&mut self, shipment: &Value) {
        for side in ["sender", "receiver"] {
            let address = &shipment[side];
            self.filled(address, side, &["name", "address1", "city"]);
            self.country(address, side);
            self.state(address, side, "two letters", is_two_letters);
            if address["country"] == "US" && !is_us_zip(text(&address["zip"])) {
                self.add(&format!("{side}.zip"), "5 or 9 digits in the US");
            }
        }
        self.filled(shipment, "", &["carrierCode", "serviceCode", "packageTypeCode"]);
        if !is(text(&shipment["currency"]), 3, u8::is_ascii_uppercase) {
            self.add("currency", "three capital letters");
        }
        for (place, piece) in self.some(&shipment["pieces"], "pieces").iter().enumerate() {
            for field in ["weight", "length", "width", "height", "insuranceAmount", "declaredValue"] {
                if text(&piece[field]).starts_with('-') {
                    self.add(&format!("pieces.{place}.{field}"), "no negative number");
                }
            }
        }
    }

    fn deftship(&mut self, shipment: &Value) {
        let (from, to) = (&shipment["from_address"], &shipment["to_address"]);
        if from.is_null() == shipment["from_address_id"].is_null() {
            self.add("from_address", "either it or from_address_id");
        }
        for (side, address) in [("from_address", from), ("to_address", to)].into_iter().filter(|(_, it)| !it.is_null())
        {
            self.filled(address, side, &["name", "street_1", "city", "zip"]);
            self.country(address, side);
            self.state(address, side, "the state or province", |state| !state.is_empty());
            let digits = text(&address["telephone"]).bytes().filter(u8::is_ascii_digit).count();
            if !(10..=15).contains(&digits) {
                self.add(&format!("{side}.telephone"), "10 to 15 digits");
            }
        }
        let abroad = !from.is_null() && from["country"] != to["country"];
        for (place, package) in self.some(&shipment["package_list"], "package_list").iter().enumerate() {
            let items = package["items"].as_array().is_some_and(|items| !items.is_empty());
            if !items && (abroad || package["insurance"] == true) {
                let why = if abroad { "abroad" } else { "for an insured package" };
                self.add(&format!("package_list.{place}.items"), &format!("at least one {why}"));
            }
            for field in ["count", "weight", "length", "width", "height"] {
                if package[field].as_f64().is_some_and(|number| number <= 0.0) {
                    self.add(&format!("package_list.{place}.{field}"), "above zero");
                }
            }
        }
    }

    fn add(&mut self, field: &str, expected: &str) {
        self.0.push(format!("{field}: required: {expected}"));
    }

    fn filled(&mut self, thing: &Value, path: &str, fields: &[&str]) {
        for field in fields.iter().filter(|field| text(&thing[**field]).trim().is_empty()) {
            let path = if path.is_empty() { (*field).to_owned() } else { format!("{path}.{field}") };
            self.add(&path, "a text that is not empty");
        }
    }

    /// A list that must have something in it.
    fn some<'a>(&mut self, list: &'a Value, path: &str) -> &'a [Value] {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        if list.is_empty() {
            self.add(path, "at least one");
        }
        list
    }

    fn country(&mut self, address: &Value, path: &str) {
        if !is(text(&address["country"]), 2, u8::is_ascii_uppercase) {
            self.add(&format!("{path}.country"), "two capital letters, such as US");
        }
    }

    fn state(&mut self, address: &Value, path: &str, expected: &str, is_good: fn(&str) -> bool) {
        if (address["country"] == "US" || address["country"] == "CA") && !is_good(text(&address["state"])) {
            self.add(&format!("{path}.state"), &format!("{expected}, in the US and Canada"));
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is(text: &str, length: usize, kind: fn(&u8) -> bool) -> bool {
    text.len() == length && text.bytes().all(|byte| kind(&byte))
}

fn is_two_letters(text: &str) -> bool {
    is(text, 2, u8::is_ascii_alphabetic)
}

fn is_us_zip(zip: &str) -> bool {
    let digits = zip.replacen('-', "", 1);
    is(&digits, 5, u8::is_ascii_digit) || is(&digits, 9, u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sample;

    #[test]
    fn no_sample_breaks_a_rule() {
        for vendor in Vendor::ALL {
            for number in 1..=300 {
                let line = sample::line(vendor, number);
                let shipment = if vendor == Vendor::Deftship { &line } else { &line["shipment"] };
                assert!(broken(vendor, shipment).is_empty(), "{line}: {:?}", broken(vendor, shipment));
            }
        }
    }

    #[test]
    fn what_goes_together_is_checked() {
        let mut line = sample::line(Vendor::Deftship, 1);
        let shipment = &mut line["shipment"];
        shipment["to_address"]["country"] = "CA".into();
        shipment["to_address"]["state"] = Value::Null;
        shipment["to_address"]["telephone"] = "555".into();
        shipment["from_address"]["country"] = "US".into();
        shipment["from_address_id"] = 7.into();
        shipment["package_list"][0]["items"] = json!([]);
        shipment["package_list"][0]["weight"] = 0.into();
        insta::assert_snapshot!(broken(Vendor::Deftship, &line).join("\n"), @"
        from_address: required: either it or from_address_id
        to_address.state: required: the state or province, in the US and Canada
        to_address.telephone: required: 10 to 15 digits
        package_list.0.items: required: at least one abroad
        package_list.0.weight: required: above zero
        ");
    }
}
