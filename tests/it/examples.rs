//! The vendors' own examples, read and written again without loss.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shipbatch::{deftship, smartsend, xps};

use crate::{
    lower,
    spec::{
        self,
        schemas::{requires, type_name},
    },
    types,
};

mod documents;

fn round_trip<T: Serialize + DeserializeOwned>(json: &Value) -> Value {
    types::round_trip::<T>(json).unwrap()
}

/// Every `example:` of the specs.
mod specs {
    use super::*;

    #[test]
    fn are_kept() {
        for vendor in lower::VENDORS {
            let spec = spec::read(vendor);
            for Example { place, name, schema, value } in &examples(&spec) {
                let wire =
                    types::wire(vendor, name).unwrap_or_else(|| panic!("{vendor} {place}: {name} is not in the table"));
                let kept = (wire.round_trip)(value).unwrap_or_else(|error| panic!("{vendor} {place}: {error}"));
                assert_eq!(kept, without_optional_nulls(&spec, schema, value), "{vendor} {place}");
            }
        }
    }

    #[test]
    fn are_all_found() {
        let example = regex::Regex::new(r"(?m)(^ *|[{,] )example:").unwrap();
        for vendor in lower::VENDORS {
            let written = example.find_iter(&spec::yaml(vendor)).count();
            assert_eq!(examples(&spec::read(vendor)).len(), written, "{vendor}");
        }
    }

    #[test]
    fn may_lose_nothing_but_optional_nulls() {
        let spec = spec::read("smartsend");
        let kept = |schema: &str, value| {
            without_optional_nulls(&spec, &json!({"$ref": format!("#/components/schemas/{schema}")}), &value)
        };
        let required = json!({"reference": null, "identifier": null});
        assert_eq!(kept("BookingBatchRequest", required.clone()), required);
        assert_eq!(
            kept("BookingBatchEnvelope", json!({"data": {"uuid": null, "progress": 1}})),
            json!({"data": {"progress": 1}})
        );
    }

    struct Example<'a> {
        place: String,
        name: String,
        schema: &'a Value,
        value: &'a Value,
    }

    fn examples(spec: &Value) -> Vec<Example<'_>> {
        let mut found = Vec::new();
        collect("", spec, &mut found);
        found
    }

    /// An example stands beside its schema, or in it.
    fn collect<'a>(place: &str, value: &'a Value, found: &mut Vec<Example<'a>>) {
        if let Some(example) = value.get("example") {
            let schema = value.get("schema").unwrap_or(value);
            let named = place.strip_prefix("/components/schemas/").filter(|name| !name.contains('/'));
            let name = named.map_or_else(|| type_name(schema), str::to_owned);
            found.push(Example { place: place.to_owned(), name, schema, value: example });
        }
        for (key, inner) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != "example") {
            collect(&format!("{place}/{key}"), inner, found);
        }
    }

    /// The one thing that may get lost: a null of a field that may just as well be missing.
    fn without_optional_nulls(spec: &Value, schema: &Value, value: &Value) -> Value {
        let schema = spec::resolve(spec, schema);
        let schema = schema["allOf"].get(0).map_or(schema, |only| spec::resolve(spec, only));
        match value {
            Value::Object(members) => {
                let kept = members.iter().filter(|(name, member)| !member.is_null() || requires(schema, name));
                kept.map(|(name, member)| {
                    (name.clone(), without_optional_nulls(spec, &schema["properties"][name], member))
                })
                .collect()
            }
            Value::Array(values) => {
                values.iter().map(|value| without_optional_nulls(spec, &schema["items"], value)).collect()
            }
            value => value.clone(),
        }
    }
}

/// A vendor adds a value, adds a field, or leaves one out: by then money may have moved, so the answer must decode.
mod answers {
    use super::*;

    #[test]
    fn keep_an_enum_value_that_is_new() {
        let shipment = json!({"state": "teleported", "delivery": {"incoterm": "ZZZ"}});
        assert_eq!(round_trip::<smartsend::types::Shipment>(&shipment), shipment);
        let result = json!({"quoteId": 1, "status": "postponed"});
        assert_eq!(round_trip::<xps::types::BatchBookResult>(&result), result);
        let batch = json!({"id": "1", "status": "paused"});
        assert_eq!(round_trip::<deftship::types::Batch>(&batch), batch);
    }

    #[test]
    fn tolerate_a_field_that_is_new() {
        let known = json!({"quoteId": 1, "status": "success"});
        let mut more = known.clone();
        more["carbon"] = json!({"grams": 12});
        assert_eq!(round_trip::<xps::types::BatchBookResult>(&more), known);
    }

    #[test]
    fn tolerate_the_lack_of_optional_fields() {
        assert_eq!(round_trip::<smartsend::types::Shipment>(&json!({})), json!({}));
        assert_eq!(round_trip::<deftship::types::ErrorBody>(&json!({})), json!({}));
        let batch = json!({"results": [], "labelsPdf": ""});
        assert_eq!(round_trip::<xps::types::BatchBookResponse>(&batch), batch);
    }

    #[test]
    fn tolerate_null_in_optional_fields() {
        let result = json!({"quoteId": 1, "status": "error", "bookNumber": null, "totalShippingCost": null});
        let known = json!({"quoteId": 1, "status": "error"});
        assert_eq!(round_trip::<xps::types::BatchBookResult>(&result), known);
    }
}

#[test]
fn a_required_null_is_written() {
    let request = smartsend::types::BookingBatchRequest::default();
    assert_eq!(serde_json::to_value(request).unwrap(), json!({"reference": null, "identifier": null}));
}

#[test]
fn money_is_exact_and_stays_as_it_was_written() {
    for price in [json!("99,725.40"), json!("0.10"), json!(12.34), json!(100), json!("1234567890123456.78")] {
        let parcel = json!({"final_price": price});
        assert_eq!(round_trip::<deftship::types::Parcel>(&parcel), parcel);
    }
    let parcel: deftship::types::Parcel = serde_json::from_str(r#"{"final_price": "99,725.40"}"#).unwrap();
    assert_eq!(parcel.final_price.unwrap().value().to_string(), "99725.40");
}

#[test]
fn money_of_xps_is_a_string_both_ways() {
    for cost in ["16.27", "0.10", "100", "1234567890123456.78"] {
        let result = json!({"quoteId": 1, "status": "success", "totalShippingCost": cost});
        assert_eq!(round_trip::<xps::types::BatchBookResult>(&result), result);
    }
}
