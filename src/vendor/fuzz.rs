//! A fuzz target: what comes of an answer, whatever is in it.

use std::time::Duration;

use futures_util::FutureExt;
use progenitor_client::Error as Raw;
use reqwest::{StatusCode, header::HeaderMap};
use serde::{Serialize, de::DeserializeOwned};

use super::{Vendor, deftship, smartsend, xps};
use crate::Error;

/// How much of a text an error shows: some hundred characters of the vendor's, and what we say around them.
const LONGEST: usize = 600;

/// Reads an answer of this kind: what is wrong with it, if anything is.
type Read = fn(&[u8]) -> Result<(), serde_json::Error>;

macro_rules! answers {
    ($($vendor:ident ($name:ident): $($answer:ident)*;)*) => {
        &[$($((Vendor::$name, stringify!($answer), read::<$vendor::types::$answer>),)*)*]
    };
}

/// Every type that a success is decoded as.
const ANSWERS: &[(Vendor, &str, Read)] = answers! {
    smartsend (SmartSend):
        AddedShipments BookingBatchEnvelope BookingBatchList Deleted OperationEnvelope ShipmentEnvelope ShipmentList;
    xps (Xps):
        Batch BatchBookResponse BatchErrors BatchLabels BatchList BatchQuoteResponse BatchSummary BookedShipment
        LabelImages OkResponse ServiceList Shipment ShipmentList;
    deftship (Deftship):
        AddressValidationEnvelope BalanceEnvelope BatchDetailEnvelope BatchEnvelope BatchWithResultsEnvelope
        MergedLabelsEnvelope ParcelEnvelope;
};

/// As generated code does it. What is read can be written, too.
fn read<T: DeserializeOwned + Serialize>(body: &[u8]) -> Result<(), serde_json::Error> {
    let answer: T = serde_json::from_slice(body)?;
    assert!(serde_json::to_vec(&answer).is_ok());
    Ok(())
}

fn is_presentable(error: &Error) {
    let text = error.to_string();
    assert!(text.chars().count() <= LONGEST, "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// The first byte names the kind of answer, the second one a status to refuse with.
#[test]
fn an_answer_is_read_or_an_error_that_can_be_shown() {
    bolero::check!(name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/answers"))
        .with_iterations(100)
        .with_test_time(Duration::MAX)
        .for_each(|bytes: &[u8]| {
            let [kind, status, body @ ..] = bytes else { return };
            let (vendor, _, read) = ANSWERS[usize::from(*kind) % ANSWERS.len()];
            if let Err(error) = read(body) {
                let raw: Raw<()> = Raw::InvalidResponsePayload(body.to_vec().into(), error);
                is_presentable(&Error::from_raw(vendor, "an_operation", raw).now_or_never().unwrap());
            }
            let status = StatusCode::from_u16(300 + u16::from(*status)).unwrap();
            is_presentable(&Error::from_answer(status, &HeaderMap::new(), body).at(vendor, "an_operation"));
        });
}

/// A schema that a success leads to, and that is missing here, would not be fuzzed.
#[test]
fn every_answer_of_the_specs_is_there() {
    for vendor in Vendor::ALL {
        let text = std::fs::read_to_string(format!("{}/openapi/{vendor}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let mut wanted = successes(&text);
        let listed = ANSWERS.iter().filter(|(of, ..)| *of == vendor).map(|(_, name, _)| (*name).to_owned());
        wanted.sort();
        wanted.dedup();
        assert_eq!(wanted, listed.collect::<Vec<_>>(), "{vendor}");
    }
}

/// The names of the schemas of all successes in JSON.
fn successes(spec: &str) -> Vec<String> {
    let spec: openapiv3::OpenAPI = serde_saphyr::from_str(spec).unwrap();
    let operations = spec.operations().map(|(_, _, operation)| operation);
    let answers = operations.flat_map(|operation| &operation.responses.responses);
    let answers = answers.filter(|(status, _)| status.to_string().starts_with('2'));
    let media = answers.filter_map(|(_, answer)| answer.as_item()?.content.get("application/json")?.schema.as_ref());
    media
        .filter_map(|schema| match schema {
            openapiv3::ReferenceOr::Reference { reference } => reference.rsplit('/').next().map(str::to_owned),
            openapiv3::ReferenceOr::Item(_) => None,
        })
        .collect()
}
