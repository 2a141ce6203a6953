//! One element of `batch_shipments`: its form is checked with the request, its content later and in the background.

use std::iter;

use rust_decimal::Decimal;
use serde_json::Value;

use super::faults::{Faults, Kind, is_blank};

/// Shipments in a batch at most, by the documents.
pub(super) const CAPACITY: usize = 1000;

/// The postcode of a receiver whose label cannot be bought: the shipment is valid, shipping it fails.
const UNDELIVERABLE: &str = "00000";

/// Hundredths of a dollar for each pound: with the weight grows the price, so that a test can overdraw the account.
const CENTS_PER_POUND: i64 = 45;

/// Pounds in a kilogram, in thousandths.
const MILLIPOUNDS_PER_KILOGRAM: i64 = 2205;

/// A shipment as it came: its form is known to be right, its members are read where they are needed.
pub(super) struct Shipment(Value);

impl Shipment {
    /// Takes the shipments out of a request, noting what is wrong with their form. They are of use only if that is
    /// nothing.
    pub(super) fn take(body: &mut Value, faults: &mut Faults) -> Vec<Self> {
        const FIELD: &str = "batch_shipments";
        let list = faults.required(body, "", FIELD, Kind::List).and_then(Value::as_array);
        if list.is_some_and(|list| list.len() > CAPACITY) {
            faults.add(FIELD, format!("The {FIELD} field must not have more than {CAPACITY} items."));
        } else {
            for (index, shipment) in list.into_iter().flatten().enumerate() {
                check_form(shipment, &format!("{FIELD}.{index}"), faults);
            }
        }
        match body.get_mut(FIELD).map(Value::take) {
            Some(Value::Array(list)) => list.into_iter().map(Self).collect(),
            _ => Vec::new(),
        }
    }

    /// What is wrong with the content, texts by field; null if nothing is.
    pub(super) fn errors(&self) -> Value {
        let mut faults = Faults::default();
        if self.0["from_address_id"].is_null() {
            check_address(&self.0["from_address"], "from_address", &mut faults);
        }
        check_address(&self.0["to_address"], "to_address", &mut faults);
        for (index, package) in self.packages().enumerate() {
            let insured = package["insurance"] == true;
            if (insured || self.is_international()) && is_blank(&package["items"]) {
                let field = format!("package_list.{index}.items");
                faults.add(field, "The goods must be listed for international and for insured shipments.");
            }
        }
        faults.into_value()
    }

    /// The caller's own name for it.
    pub(super) fn reference(&self) -> Option<&str> {
        self.0["package_list"][0]["reference_1"].as_str().filter(|reference| !reference.is_empty())
    }

    /// A member of the receiver's address.
    pub(super) fn receiver(&self, member: &str) -> &str {
        self.0["to_address"][member].as_str().unwrap_or_default()
    }

    /// Whether no label can be bought for it, valid as it is.
    pub(super) fn is_undeliverable(&self) -> bool {
        self.receiver("zip") == UNDELIVERABLE
    }

    /// Whether it leaves the sender's country. A saved address, which only an id stands for, is in the United States.
    pub(super) fn is_international(&self) -> bool {
        let from = match &self.0["from_address_id"] {
            Value::Null => self.0["from_address"]["country"].as_str().unwrap_or_default(),
            _ => "US",
        };
        from != self.receiver("country")
    }

    /// The package that each piece is one of.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Value> {
        self.packages().flat_map(|package| {
            let count = package["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
            iter::repeat_n(package, count)
        })
    }

    /// The price of all pieces, each of which costs this much and something for its weight.
    pub(super) fn price(&self, piece: Decimal) -> Decimal {
        let pound = match self.0["weight_unit"].as_str() {
            Some("KG") => Decimal::new(CENTS_PER_POUND * MILLIPOUNDS_PER_KILOGRAM, 5),
            _ => Decimal::new(CENTS_PER_POUND, 2),
        };
        let prices = self.pieces().map(|package| {
            let weight = decimal(&package["weight"]).saturating_mul(pound);
            piece.saturating_add(weight).round_dp(2)
        });
        prices.fold(Decimal::ZERO, Decimal::saturating_add)
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.0["package_list"].as_array().into_iter().flatten()
    }
}

/// A number of a request. What is too large for a price is the largest there is.
fn decimal(number: &Value) -> Decimal {
    let text = number.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).unwrap_or(Decimal::MAX)
}

fn check_form(shipment: &Value, path: &str, faults: &mut Faults) {
    if faults.optional(shipment, path, "from_address_id", Kind::Integer).is_none() {
        check_address_form(shipment, path, "from_address", faults);
    }
    faults.optional(shipment, path, "return_address_id", Kind::Integer);
    check_address_form(shipment, path, "to_address", faults);
    faults.optional(shipment, path, "weight_unit", Kind::OneOf(&["LBS", "KG"]));
    faults.optional(shipment, path, "length_unit", Kind::OneOf(&["IN", "CM"]));
    let packages = faults.required(shipment, path, "package_list", Kind::List).and_then(Value::as_array);
    for (index, package) in packages.into_iter().flatten().enumerate() {
        check_package_form(package, &format!("{path}.package_list.{index}"), faults);
    }
    let extras = faults.optional(shipment, path, "extra_services", Kind::List).and_then(Value::as_array);
    for (index, extra) in extras.into_iter().flatten().enumerate() {
        let path = format!("{path}.extra_services.{index}");
        for name in EXTRA_SERVICES {
            faults.optional(extra, &path, name, Kind::Flag);
        }
    }
    if let Some(customs) = faults.optional(shipment, path, "customs_details", Kind::Object) {
        let path = format!("{path}.customs_details");
        faults.optional(customs, &path, "bill_type", Kind::OneOf(&["DDU", "DDP"]));
        faults.optional(customs, &path, "tax_id_type", Kind::OneOf(&["VAT", "EIN", "SSN"]));
    }
}

const EXTRA_SERVICES: [&str; 5] =
    ["saturday_delivery", "certified_mail", "return_receipt", "return_receipt_electronic", "restricted_delivery"];

fn check_address_form(shipment: &Value, path: &str, name: &str, faults: &mut Faults) {
    let Some(address) = faults.required(shipment, path, name, Kind::Object) else { return };
    let path = format!("{path}.{name}");
    for name in ["name", "street_1", "city", "zip", "country", "telephone"] {
        faults.required(address, &path, name, Kind::Text);
    }
    for name in ["attention", "street_2", "street_3", "state", "email"] {
        faults.optional(address, &path, name, Kind::Text);
    }
}

fn check_package_form(package: &Value, path: &str, faults: &mut Faults) {
    faults.required(package, path, "count", Kind::Count);
    for name in ["length", "width", "height", "weight"] {
        faults.required(package, path, name, Kind::Measure);
    }
    for name in ["box_type", "reference_1", "reference_2"] {
        faults.optional(package, path, name, Kind::Text);
    }
    for name in ["insurance", "is_hazmat"] {
        faults.optional(package, path, name, Kind::Flag);
    }
    faults.optional(package, path, "signature", Kind::OneOf(&["no_signature", "adult_signature", "signature"]));
    let items = faults.optional(package, path, "items", Kind::List).and_then(Value::as_array);
    for (index, item) in items.into_iter().flatten().enumerate() {
        let path = format!("{path}.items.{index}");
        faults.optional(item, &path, "quantity", Kind::Integer);
        faults.optional(item, &path, "price", Kind::Measure);
        for name in ["country_of_manufacture", "sku", "hs_code", "description"] {
            faults.optional(item, &path, name, Kind::Text);
        }
        faults.optional(item, &path, "content_type", Kind::OneOf(&["Merchandise", "Gift", "Documents", "Sample"]));
    }
}

fn check_address(address: &Value, path: &str, faults: &mut Faults) {
    check_place(address, path, faults);
    let digits = address["telephone"].as_str().unwrap_or_default().chars().filter(char::is_ascii_digit).count();
    if !(10..=15).contains(&digits) {
        faults.add(format!("{path}.telephone"), "The telephone number must have 10 to 15 digits.");
    }
}

/// What an address needs in its country.
fn check_place(address: &Value, path: &str, faults: &mut Faults) {
    let country = address["country"].as_str().unwrap_or_default();
    if needs_state(country) {
        faults.required(address, path, "state", Kind::Text);
    }
    if country == "US" && !is_us_zip(address["zip"].as_str().unwrap_or_default()) {
        faults.add(format!("{path}.zip"), "The postcode must have 5 or 9 digits.");
    }
}

/// Whether addresses there have a state.
pub(super) fn needs_state(country: &str) -> bool {
    matches!(country, "US" | "CA")
}

/// Whether it is 5 digits, or 9 with or without a hyphen.
pub(super) fn is_us_zip(zip: &str) -> bool {
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match zip.split_once('-') {
        Some((area, street)) => area.len() == 5 && street.len() == 4 && are_digits(area) && are_digits(street),
        None => matches!(zip.len(), 5 | 9) && are_digits(zip),
    }
}
