//! What is wrong with the form of a request: lists of texts by field, the fields dotted (`batch_shipments.3.to_address`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Refusal;

/// Pieces of one package at most. No limit is published; the sandbox needs an end to the labels it prints.
const PIECES: u64 = 100;

/// All that was found wrong.
#[derive(Default)]
pub(super) struct Faults(BTreeMap<String, Vec<String>>);

/// What a member has to be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Integer,
    Count,
    Measure,
    Flag,
    List,
    Object,
    OneOf(&'static [&'static str]),
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Count => value.as_u64().is_some_and(|count| (1..=PIECES).contains(&count)),
            Self::Measure => value.as_f64().is_some_and(|measure| measure > 0.0),
            Self::Flag => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::OneOf(known) => value.as_str().is_some_and(|value| known.contains(&value)),
        }
    }

    fn complaint(self, field: &str) -> String {
        let demand = match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Count => return format!("The {field} field must be an integer between 1 and {PIECES}."),
            Self::Measure => "a number greater than 0",
            Self::Flag => "true or false",
            Self::List => "an array",
            Self::Object => "an object",
            Self::OneOf(_) => return format!("The selected {field} is invalid."),
        };
        format!("The {field} field must be {demand}.")
    }
}

impl Faults {
    pub(super) fn add(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(text.into());
    }

    /// The member if it is there and as it has to be; otherwise that is a fault. As with the framework, an empty text
    /// and an empty list are not there.
    pub(super) fn required<'a>(&mut self, of: &'a Value, path: &str, name: &str, kind: Kind) -> Option<&'a Value> {
        let value = &of[name];
        if is_blank(value) {
            let field = field(path, name);
            let text = format!("The {field} field is required.");
            self.add(field, text);
            return None;
        }
        self.fitting(value, path, name, kind)
    }

    /// The member if it is there; a fault if it is there and not as it has to be.
    pub(super) fn optional<'a>(&mut self, of: &'a Value, path: &str, name: &str, kind: Kind) -> Option<&'a Value> {
        let value = &of[name];
        if is_blank(value) { None } else { self.fitting(value, path, name, kind) }
    }

    fn fitting<'a>(&mut self, value: &'a Value, path: &str, name: &str, kind: Kind) -> Option<&'a Value> {
        if kind.fits(value) {
            return Some(value);
        }
        let field = field(path, name);
        let text = kind.complaint(&field);
        self.add(field, text);
        None
    }

    /// Goes on if nothing was found.
    pub(super) fn into_result(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(self.into()) }
    }

    /// The texts by field; null if nothing was found.
    pub(super) fn into_value(self) -> Value {
        if self.0.is_empty() { Value::Null } else { json!(self.0) }
    }
}

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        Refusal::new(422, "Some of the data sent is not acceptable.").data(faults.into_value())
    }
}

pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn field(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
