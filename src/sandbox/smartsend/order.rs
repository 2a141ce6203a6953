//! What callers send: validated by hand, field by field, as the vendor would name the errors.
//!
//! Documented: the enums and the length of the currency; that a batch must be sent both its fields, null or not.
//! Inferred: what a shipment must have, and the type of each field from its answers. Unknown fields pass.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Answer;

/// What is wrong, by the path of the field.
#[derive(Default)]
pub(super) struct Errors(BTreeMap<String, Vec<String>>);

/// The complaint about a value, if any. A missing field is judged as null.
type Rule = fn(&Value) -> Option<&'static str>;

const SHIPMENT: &[(&str, Rule)] = &[
    ("currency", currency),
    ("weight_unit", weight_unit),
    ("dimension_unit", dimension_unit),
    ("invoice_number", text),
    ("reference", text),
    ("identifier", text),
    ("uri", text),
    ("delivery", object),
    ("delivery.carrier", text),
    ("delivery.service", text),
    ("delivery.addons", list),
    ("delivery.incoterm", text),
    ("parties.receiver", object),
    ("parties.receiver.reference", text),
    ("parties.receiver.identifier", text),
    ("parties.receiver.uri", text),
    ("parties.receiver.address.address_lines", list),
    ("parties.receiver.address.postal_code", text),
    ("parties.receiver.address.city", city),
    ("parties.receiver.address.country", country),
    ("parties.receiver.address.administrative_area", text),
    ("parties.receiver.contact.name_lines", names),
    ("parties.receiver.contact.company", text),
    ("parties.receiver.contact.email", text),
    ("parties.receiver.contact.phone", text),
    ("parcels", parcels),
    ("total_net_amount", amount),
    ("tax_amount", amount),
    ("duty_amount", amount),
    ("shipping_net_amount", amount),
    ("shipping_tax_amount", amount),
];

const PARCEL: &[(&str, Rule)] = &[
    ("reference", text),
    ("identifier", text),
    ("tracking_url", text),
    ("freetext", text),
    ("gross_weight", measure),
    ("length", measure),
    ("width", measure),
    ("height", measure),
    ("total_net_amount", amount),
    ("tax_amount", amount),
    ("duty_amount", amount),
    ("items", list),
];

/// A shipment to be made, found at this path of the request ("" for the whole).
pub(super) fn shipment(body: &Value, path: &str, errors: &mut Errors) {
    errors.check(body, path, SHIPMENT);
    for (index, parcel) in body["parcels"].as_array().into_iter().flatten().enumerate() {
        errors.check(parcel, &format!("{path}parcels.{index}."), PARCEL);
    }
}

/// A batch to be made: both fields, null or not.
pub(super) fn batch(body: &Value) -> Result<(), Answer> {
    let mut errors = Errors::default();
    for name in ["reference", "identifier"] {
        if body.get(name).is_none() {
            errors.add(name, "must be present");
        }
        errors.check(body, "", &[(name, text)]);
    }
    errors.none()
}

/// The body of a request, which must be an object.
pub(super) fn object_of(body: &[u8]) -> Result<Value, Answer> {
    let value = serde_json::from_slice(body).ok().filter(Value::is_object);
    value.ok_or_else(|| Answer::problem(422, "The request body must be a JSON object."))
}

impl Errors {
    /// The answer to a single error.
    pub(super) fn one(path: &str, complaint: &str) -> Answer {
        let mut errors = Self::default();
        errors.add(path, complaint);
        errors.answer()
    }

    pub(super) fn add(&mut self, path: &str, complaint: &str) {
        self.0.entry(path.to_owned()).or_default().push(format!("The {path} field {complaint}."));
    }

    pub(super) fn none(self) -> Result<(), Answer> {
        if self.0.is_empty() { Ok(()) } else { Err(self.answer()) }
    }

    fn answer(self) -> Answer {
        Answer { status: 422, body: json!({ "message": "The given data was invalid.", "errors": self.0 }) }
    }

    fn check(&mut self, body: &Value, path: &str, rules: &[(&str, Rule)]) {
        for (name, rule) in rules {
            if let Some(complaint) = rule(name.split('.').fold(body, |value, name| &value[name])) {
                self.add(&format!("{path}{name}"), complaint);
            }
        }
    }
}

fn required(value: &Value, good: bool, complaint: &'static str) -> Option<&'static str> {
    if value.is_null() { Some("is required") } else { (!good).then_some(complaint) }
}

fn nullable(value: &Value, good: bool, complaint: &'static str) -> Option<&'static str> {
    (!value.is_null() && !good).then_some(complaint)
}

/// Whether this is a text of so many characters of one kind.
fn spelled(value: &Value, length: usize, kind: fn(&u8) -> bool) -> bool {
    value.as_str().is_some_and(|text| text.len() == length && text.as_bytes().iter().all(kind))
}

fn text(value: &Value) -> Option<&'static str> {
    nullable(value, value.is_string(), "must be a string")
}

fn list(value: &Value) -> Option<&'static str> {
    nullable(value, value.is_array(), "must be an array")
}

fn amount(value: &Value) -> Option<&'static str> {
    nullable(value, value.is_number(), "must be a number")
}

fn measure(value: &Value) -> Option<&'static str> {
    nullable(value, value.as_f64().is_some_and(|number| number > 0.0), "must be a number greater than 0")
}

fn weight_unit(value: &Value) -> Option<&'static str> {
    let known = value.as_str().is_some_and(|unit| ["g", "kg", "lb", "oz"].contains(&unit));
    nullable(value, known, "must be one of g, kg, lb, oz")
}

fn dimension_unit(value: &Value) -> Option<&'static str> {
    let known = value.as_str().is_some_and(|unit| ["mm", "cm", "m", "in"].contains(&unit));
    nullable(value, known, "must be one of mm, cm, m, in")
}

fn currency(value: &Value) -> Option<&'static str> {
    required(value, spelled(value, 3, u8::is_ascii_alphabetic), "must be 3 letters")
}

fn country(value: &Value) -> Option<&'static str> {
    required(value, spelled(value, 2, u8::is_ascii_uppercase), "must be 2 capital letters")
}

fn city(value: &Value) -> Option<&'static str> {
    required(value, value.as_str().is_some_and(|city| !city.is_empty()), "must be a string that is not empty")
}

fn object(value: &Value) -> Option<&'static str> {
    required(value, value.is_object(), "must be an object")
}

fn names(value: &Value) -> Option<&'static str> {
    let names = value.as_array().is_some_and(|names| !names.is_empty() && names.iter().all(Value::is_string));
    required(value, names, "must be an array of strings that is not empty")
}

fn parcels(value: &Value) -> Option<&'static str> {
    let parcels = value.as_array().is_some_and(|parcels| !parcels.is_empty() && parcels.iter().all(Value::is_object));
    required(value, parcels, "must be an array of objects that is not empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::smartsend::tests::{Api, order, send};

    #[tokio::test]
    async fn each_bad_field_is_named() {
        let api = Api::start().await;
        for (path, value) in [
            ("currency", json!(null)),
            ("currency", json!("EURO")),
            ("weight_unit", json!("t")),
            ("dimension_unit", json!("ft")),
            ("identifier", json!(5)),
            ("delivery", json!(null)),
            ("delivery.addons", json!("x")),
            ("parties.receiver.address.city", json!("")),
            ("parties.receiver.address.country", json!("Denmark")),
            ("parties.receiver.address.country", json!("dk")),
            ("parties.receiver.address.postal_code", json!(8000)),
            ("parties.receiver.contact.name_lines", json!([])),
            ("parcels", json!([])),
            ("parcels.0.gross_weight", json!(0)),
            ("parcels.0.items", json!("x")),
            ("tax_amount", json!("1.50")),
        ] {
            let mut order = order("A");
            let pointer = format!("/{}", path.replace('.', "/"));
            match order.pointer_mut(&pointer) {
                Some(field) => *field = value,
                None => {
                    let (parent, name) = pointer.rsplit_once('/').unwrap();
                    order.pointer_mut(parent).unwrap()[name] = value;
                }
            }
            let reply = api.post("shipments", &order).await;
            assert_eq!(reply.complaints(), [path]);
            assert!(reply.body["errors"][path][0].is_string() && reply.body["message"].is_string());
        }
        assert_eq!(api.get("shipments").await.body["meta"]["total"], 0);
    }

    #[tokio::test]
    async fn everything_that_is_missing_is_named_at_once() {
        let api = Api::start().await;
        let reply = api.post("shipments", &json!({ "unknown": 1 })).await;
        let required = [
            "currency",
            "delivery",
            "parcels",
            "parties.receiver",
            "parties.receiver.address.city",
            "parties.receiver.address.country",
            "parties.receiver.contact.name_lines",
        ];
        assert_eq!(reply.complaints(), required);
    }

    #[tokio::test]
    async fn a_body_must_be_an_object() {
        let api = Api::start().await;
        for body in ["", "{", "[]", "null"] {
            let reply = send(api.call(reqwest::Method::POST, "shipments").body(body)).await;
            assert_eq!((reply.status, reply.body.get("errors")), (422, None), "{body}");
        }
    }

    #[tokio::test]
    async fn a_batch_needs_both_fields_null_or_not() {
        let api = Api::start().await;
        assert_eq!(api.post("booking-batches", &json!({})).await.complaints(), ["identifier", "reference"]);
        let reply = api.post("booking-batches", &json!({ "reference": 1, "identifier": null })).await;
        assert_eq!(reply.complaints(), ["reference"]);
        let reply = api.post("booking-batches", &json!({ "reference": null, "identifier": null })).await;
        assert_eq!(reply.status, 201);
    }
}
