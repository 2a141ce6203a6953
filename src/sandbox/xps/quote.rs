//! Quotes: what a shipment is checked for, and what it costs.

use std::sync::Arc;

use axum::{
    extract::{self, Path},
    response::Response,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::sandbox::{Shared, json as answer, lock, number};

use super::{
    Answer, CATEGORY, MOST, Payload, Refusal, State, next, now,
    service::{Package, Service},
    shipment::Shipment,
    stamp,
};

/// How long a quote is said to hold.
const LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Beyond this a decimal is refused: no parcel is so heavy or so dear, and no sum of them can overflow.
const LARGEST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// A shipment as it was asked for, found good, with its price: what is quoted, and what is booked.
#[derive(Debug)]
pub(super) struct Order {
    shipment: Value,
    pub(super) price: Decimal,
    pub(super) zone: String,
}

/// An order that can be booked by its number.
#[derive(Debug)]
pub(super) struct Quote {
    pub(super) customer: String,
    pub(super) order: Arc<Order>,
    pub(super) created: Timestamp,
    /// The batch that it is in: one at most.
    pub(super) batch: Option<u64>,
    /// The book number, once it is booked.
    pub(super) booked: Option<u64>,
    /// Why its booking failed; it stays active all the same.
    pub(super) error: Option<&'static str>,
}

pub(super) async fn create(
    extract::State(world): Shared,
    Path(customer): Path<String>,
    Payload(mut body): Payload,
) -> Answer<Response> {
    let Some(Value::Array(shipments)) = body.get_mut("shipments").map(Value::take) else {
        return Err(Refusal::new(422, "shipments must be an array."));
    };
    if shipments.is_empty() || shipments.len() > MOST {
        return Err(Refusal::new(422, format!("shipments must have 1 to {MOST} entries.")));
    }
    let seed = world.settings.seed;
    let orders: Vec<_> = shipments.into_iter().map(|shipment| Order::new(shipment, seed)).collect();
    let mut state = lock(&world.xps);
    let results: Vec<Value> = orders
        .into_iter()
        .map(|order| match order {
            Ok(order) => state.quote(seed, &customer, order),
            Err(error) => json!({ "status": "error", "error": error, "errorCategory": CATEGORY }),
        })
        .collect();
    Ok(answer(200, json!({ "results": results })))
}

impl State {
    /// Keeps a quote, and gives the entry that answers it.
    fn quote(&mut self, seed: u64, customer: &str, order: Order) -> Value {
        let id = next(&mut self.last_quote, seed, "xps quote", 1_000);
        let created = now();
        let entry = json!({
            "status": "success",
            "quoteId": id,
            "shipmentReference": order["shipmentReference"],
            "carrierCode": order["carrierCode"],
            "serviceCode": order["serviceCode"],
            "packageTypeCode": order["packageTypeCode"],
            "totalAmount": order.price.to_string(),
            "currency": order["currency"],
            "expiresAt": stamp(created + LIFE),
        });
        let order = Arc::new(order);
        let customer = customer.to_owned();
        self.quotes.insert(id, Quote { customer, order, created, batch: None, booked: None, error: None });
        entry
    }
}

impl Quote {
    /// As it stands in its batch.
    pub(super) fn json(&self, id: u64, shipment: Option<&Shipment>) -> Value {
        let order = &self.order;
        json!({
            "quoteId": id,
            "carrierCode": order["carrierCode"],
            "serviceCode": order["serviceCode"],
            "packageTypeCode": order["packageTypeCode"],
            "totalAmount": order.price.to_string(),
            "currency": order["currency"],
            "status": if self.booked.is_some() { "booked" } else { "active" },
            "bookNumber": self.booked.map(|number| number.to_string()),
            "trackingNumber": shipment.map(|shipment| &shipment.tracking),
            "bookingError": self.error,
            "createdAt": stamp(self.created),
            "expiresAt": stamp(self.created + LIFE),
        })
    }
}

impl Order {
    /// The shipment, if nothing is wrong with it; else what is. The price follows from it and from the seed.
    pub(super) fn new(shipment: Value, seed: u64) -> Result<Self, String> {
        let (service, package) = service(&shipment)?;
        if !text(&shipment, "shipmentDate").is_ok_and(is_date) {
            return Err("shipmentDate must be a date, as in 2026-04-15.".to_owned());
        }
        if !text(&shipment, "currency").is_ok_and(|code| is(code, 3, u8::is_ascii_uppercase)) {
            return Err("currency must be three capital letters.".to_owned());
        }
        if !matches!(shipment["shipmentReference"], Value::Null | Value::String(_)) {
            return Err("shipmentReference must be a string.".to_owned());
        }
        check_address(&shipment, "sender")?;
        check_address(&shipment, "receiver")?;
        let (pounds, insured) = pieces(&shipment, package)?;
        let route = format!("{} to {}", shipment["sender"]["zip"], shipment["receiver"]["zip"]);
        let zone = 2 + number(seed, &route) % 7;
        let mut price = service.price(pounds, zone) + insured * Decimal::new(1, 2);
        price.rescale(2);
        Ok(Self { shipment, price, zone: zone.to_string() })
    }

    /// The caller's own mark.
    pub(super) fn reference(&self) -> Option<&str> {
        self["shipmentReference"].as_str().filter(|reference| !reference.is_empty())
    }

    /// Text of the receiver's.
    pub(super) fn receiver(&self, field: &str) -> &str {
        self["receiver"][field].as_str().unwrap_or_default()
    }
}

/// A field of the shipment; null if it has none of this name.
impl std::ops::Index<&str> for Order {
    type Output = Value;

    fn index(&self, field: &str) -> &Value {
        &self.shipment[field]
    }
}

fn service(shipment: &Value) -> Result<(&'static Service, &'static Package), String> {
    let (carrier, code) = (text(shipment, "carrierCode")?, text(shipment, "serviceCode")?);
    let service = Service::named(carrier, code).ok_or_else(|| format!("The service {carrier}/{code} is unknown."))?;
    let code = text(shipment, "packageTypeCode")?;
    let package = service.package(code).ok_or_else(|| format!("The package type {code} is unknown."))?;
    Ok((service, package))
}

fn check_address(shipment: &Value, side: &str) -> Result<(), String> {
    let address = &shipment[side];
    for field in ["name", "address1", "city"] {
        text(address, field).map_err(|error| format!("{side}.{error}"))?;
    }
    let [country, state, zip] = ["country", "state", "zip"].map(|field| address[field].as_str().unwrap_or_default());
    if !is(country, 2, u8::is_ascii_uppercase) {
        return Err(format!("{side}.country must be two capital letters."));
    }
    if matches!(country, "US" | "CA") && !is(state, 2, u8::is_ascii_alphabetic) {
        return Err(format!("{side}.state must be two letters."));
    }
    if country == "US" && !is_us_zip(zip) {
        return Err(format!("{side}.zip must have 5 or 9 digits."));
    }
    Ok(())
}

/// The weight of all pieces in pounds, and the value that they are insured for.
fn pieces(shipment: &Value, package: &Package) -> Result<(Decimal, Decimal), String> {
    let pounds = match shipment["weightUnit"].as_str() {
        Some("lb") => Decimal::ONE,
        Some("oz") => Decimal::new(625, 4),
        Some("kg") => Decimal::new(220_462, 5),
        Some("g") => Decimal::new(220_462, 8),
        _ => return Err("weightUnit must be lb, oz, kg or g.".to_owned()),
    };
    let measured = match &shipment["dimUnit"] {
        Value::String(unit) if unit == "in" || unit == "cm" => true,
        Value::Null if package.is_preset() => false,
        _ => return Err("dimUnit must be in or cm, or null for preset dimensions.".to_owned()),
    };
    let pieces = shipment["pieces"].as_array().filter(|pieces| !pieces.is_empty());
    let mut sum = (Decimal::ZERO, Decimal::ZERO);
    for piece in pieces.ok_or("pieces must have at least one entry.")? {
        for side in ["length", "width", "height"] {
            decimal(piece, side, !measured)?;
        }
        decimal(piece, "declaredValue", true)?;
        sum.0 += decimal(piece, "weight", false)? * pounds;
        sum.1 += decimal(piece, "insuranceAmount", true)?;
    }
    Ok(sum)
}

/// A field that must be there and say something.
fn text<'a>(thing: &'a Value, field: &str) -> Result<&'a str, String> {
    thing[field].as_str().filter(|text| !text.is_empty()).ok_or_else(|| format!("{field} is required."))
}

/// A decimal of the documented form, `^[0-9]+(\.[0-9]+)?$`: a string, never a JSON number. Null counts as zero.
fn decimal(piece: &Value, field: &str, nullable: bool) -> Result<Decimal, String> {
    if nullable && piece[field].is_null() {
        return Ok(Decimal::ZERO);
    }
    let text = piece[field].as_str().filter(|text| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        [whole, fraction].iter().all(|part| is(part, part.len().max(1), u8::is_ascii_digit))
    });
    let decimal = text.and_then(|text| text.parse().ok()).filter(|decimal| *decimal < LARGEST);
    decimal.ok_or_else(|| format!("pieces.{field} must be a decimal in a string."))
}

/// Whether a text is so long, and all of one kind.
fn is(text: &str, length: usize, kind: fn(&u8) -> bool) -> bool {
    text.len() == length && text.bytes().all(|byte| kind(&byte))
}

fn is_date(text: &str) -> bool {
    // jiff reads other forms, too, but none of ten characters.
    text.len() == 10 && text.parse::<Date>().is_ok()
}

/// 5 digits, or 9 with a hyphen or without.
fn is_us_zip(zip: &str) -> bool {
    let (five, four) = zip.split_once('-').unwrap_or_else(|| zip.split_at_checked(5).unwrap_or_default());
    let hyphen_alone = zip.ends_with('-');
    is(five, 5, u8::is_ascii_digit) && (is(four, 4, u8::is_ascii_digit) || (four.is_empty() && !hyphen_alone))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{
        Sandbox,
        xps::tests::{Api, refused, shipment},
    };

    #[tokio::test]
    async fn each_rule_refuses_its_shipment_alone() {
        let wrong = [
            ("/carrierCode", json!(null), "carrierCode"),
            ("/carrierCode", json!("usps"), "usps/ups_ground"),
            ("/serviceCode", json!(""), "serviceCode"),
            ("/packageTypeCode", json!("ups_tube"), "ups_tube"),
            ("/shipmentDate", json!("20260415"), "shipmentDate"),
            ("/shipmentDate", json!("2026-02-30"), "shipmentDate"),
            ("/shipmentReference", json!(1), "shipmentReference"),
            ("/currency", json!("usd"), "currency"),
            ("/sender", json!(null), "sender.name"),
            ("/receiver/city", json!(""), "receiver.city"),
            ("/receiver/country", json!("us"), "receiver.country"),
            ("/receiver/country", json!("USA"), "receiver.country"),
            ("/receiver/state", json!("Utah"), "receiver.state"),
            ("/receiver/zip", json!("8409"), "receiver.zip"),
            ("/receiver/zip", json!("84098-12"), "receiver.zip"),
            ("/receiver/zip", json!("84098-"), "receiver.zip"),
            ("/receiver/zip", json!(84098), "receiver.zip"),
            ("/weightUnit", json!("lbs"), "weightUnit"),
            ("/dimUnit", json!("IN"), "dimUnit"),
            ("/dimUnit", json!(null), "dimUnit"),
            ("/pieces", json!([]), "pieces"),
            ("/pieces/0/weight", json!(2.5), "weight"),
            ("/pieces/0/weight", json!(".5"), "weight"),
            ("/pieces/0/weight", json!("-1"), "weight"),
            ("/pieces/0/weight", json!("1e3"), "weight"),
            ("/pieces/0/weight", json!("1."), "weight"),
            ("/pieces/0/weight", json!("99999999999999999999999999999999"), "weight"),
            ("/pieces/0/length", json!(null), "length"),
            ("/pieces/0/insuranceAmount", json!(100), "insuranceAmount"),
            ("/pieces/0/declaredValue", json!(""), "declaredValue"),
        ];
        let mut shipments = vec![shipment("first")];
        for (place, value, _) in &wrong {
            let mut shipment = shipment("wrong");
            *shipment.pointer_mut(place).unwrap() = value.clone();
            shipments.push(shipment);
        }
        shipments.extend([json!("a shipment"), shipment("last")]);
        let api = Api::start(Sandbox::builder()).await;
        let (status, body) = api.post("batch-quote", json!({ "shipments": shipments })).await;
        let results = body["results"].as_array().unwrap();
        assert_eq!((status, results.len()), (200, shipments.len()));
        for ((place, value, expected), result) in wrong.iter().zip(&results[1..]) {
            assert_eq!(result["status"], "error", "{place} {value}");
            assert_eq!(result["errorCategory"], "INVALID_REQUEST");
            assert!(result["error"].as_str().unwrap().contains(expected), "{place} {value}: {result}");
            assert!(result.get("quoteId").is_none());
        }
        assert_eq!(results[wrong.len() + 1]["status"], "error");
        for (result, reference) in [(&results[0], "first"), (&results[wrong.len() + 2], "last")] {
            assert_eq!((&result["status"], &result["shipmentReference"]), (&json!("success"), &json!(reference)));
        }
    }

    #[tokio::test]
    async fn what_is_allowed_is_quoted() {
        let right = [
            ("/receiver/zip", json!("84098-1234")),
            ("/receiver/zip", json!("840981234")),
            ("/packageTypeCode", json!("ups_large_box")),
            ("/shipmentReference", json!(null)),
            ("/pieces/0/weight", json!("0.25")),
            ("/pieces/0/declaredValue", json!("10")),
        ];
        let mut shipments: Vec<_> = right
            .into_iter()
            .map(|(place, value)| {
                let mut shipment = shipment("right");
                *shipment.pointer_mut(place).unwrap() = value;
                shipment
            })
            .collect();
        let mut abroad = shipment("abroad");
        for (field, value) in [("country", json!("HK")), ("state", json!("")), ("zip", json!(null))] {
            abroad["receiver"][field] = value;
        }
        let mut preset = shipment("preset");
        preset["packageTypeCode"] = "ups_large_box".into();
        preset["dimUnit"] = Value::Null;
        for side in ["length", "width", "height"] {
            preset["pieces"][0][side] = Value::Null;
        }
        shipments.extend([abroad, preset]);
        let api = Api::start(Sandbox::builder()).await;
        assert_eq!(api.quote(shipments).await.len(), 8);
    }

    #[tokio::test]
    async fn a_quote_has_a_price_and_thirty_days() {
        let api = Api::start(Sandbox::builder()).await;
        let mut heavy = shipment("heavy");
        heavy["pieces"][0]["weight"] = "12.5".into();
        let mut insured = shipment("insured");
        insured["pieces"][0]["insuranceAmount"] = "1000".into();
        let shipments = [shipment("light"), heavy, insured];
        let (_, body) = api.post("batch-quote", json!({ "shipments": shipments })).await;
        let price = |n: usize| body["results"][n]["totalAmount"].as_str().unwrap().parse::<Decimal>().unwrap();
        // 10 lb more by ups_ground; 1 % of 1,000.
        assert_eq!([price(1) - price(0), price(2) - price(0)], [Decimal::new(700, 2), Decimal::new(1_000, 2)]);
        assert_eq!(price(0).scale(), 2);

        let quote = &body["results"][0];
        let (_, batch) = api.post("batch", json!({ "name": "wave", "quoteIds": [quote["quoteId"]] })).await;
        let (_, batch) = api.get(&format!("batch/{}", batch["batchId"])).await;
        let mut in_batch = batch["quotes"][0].clone();
        let time = |field: &str| {
            let text = in_batch[field].as_str().unwrap();
            jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).unwrap()
        };
        assert_eq!(time("createdAt").duration_until(time("expiresAt")), LIFE);
        assert_eq!(in_batch["expiresAt"], quote["expiresAt"]);
        for field in ["createdAt", "expiresAt"] {
            in_batch.as_object_mut().unwrap().remove(field);
        }
        let expected = json!({
            "quoteId": quote["quoteId"], "carrierCode": "ups", "serviceCode": "ups_ground",
            "packageTypeCode": "ups_custom_package", "totalAmount": quote["totalAmount"], "currency": "USD",
            "status": "active", "bookNumber": null, "trackingNumber": null, "bookingError": null,
        });
        assert_eq!(in_batch, expected);
    }

    #[tokio::test]
    async fn one_to_five_hundred_shipments_are_quoted() {
        let api = Api::start(Sandbox::builder()).await;
        refused(api.post("batch-quote", json!({})).await, 422, "shipments");
        refused(api.post("batch-quote", json!([])).await, 422, "shipments");
        refused(api.post("batch-quote", json!({ "shipments": [] })).await, 422, "1 to 500");
        let many = |count: usize| json!({ "shipments": vec![shipment("order"); count] });
        refused(api.post("batch-quote", many(501)).await, 422, "1 to 500");
        let (status, body) = api.post("batch-quote", many(500)).await;
        assert_eq!((status, body["results"].as_array().unwrap().len()), (200, 500));
    }
}
