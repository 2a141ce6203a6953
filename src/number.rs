//! Numbers as the vendors write them, never through a float of ours.
//!
//! Deftship documents `final_price` as a number and shows it as a string, and its balance as `"99,725.40"`. A [`Number`]
//! reads all of these, gives the exact value, and writes back what was read.
//!
//! ```
//! use shipbatch::Number;
//!
//! let balance: Number = serde_json::from_str(r#""99,725.40""#)?;
//! assert_eq!(balance.value().to_string(), "99725.40");
//! assert_eq!(serde_json::to_string(&balance)?, r#""99,725.40""#);
//! assert_eq!(serde_json::to_string(&Number::from(12))?, "12");
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::{fmt, str::FromStr};

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A decimal number that a vendor writes as a JSON number or as a string.
///
/// Two numbers are equal if their values are, however they are written. A JSON number is exact to the 15 significant
/// digits that every JSON reader keeps; a string is exact to the 28 of [`Decimal`].
#[derive(Clone, Debug, Default)]
pub struct Number {
    value: Decimal,
    /// The text, where the number came as a string.
    text: Option<String>,
}

impl Number {
    /// The exact value.
    pub fn value(&self) -> Decimal {
        self.value
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Number {}

impl From<Decimal> for Number {
    fn from(value: Decimal) -> Self {
        Self { value, text: None }
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Decimal::from(value).into()
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Decimal::from(value).into()
    }
}

impl FromStr for Number {
    type Err = rust_decimal::Error;

    /// Reads `2.5` as the number 2.5, to be sent as a JSON number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Decimal::from_str(text).map(Self::from)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(text) = &self.text {
            return serializer.serialize_str(text);
        }
        // `12.0` is written as `12`: the same number, and the form that vendors use in their examples.
        if let Some(whole) = self.value.to_i64().filter(|_| self.value.is_integer()) {
            return serializer.serialize_i64(whole);
        }
        let float = self.value.to_f64();
        serializer.serialize_f64(float.ok_or_else(|| serde::ser::Error::custom("a number that JSON cannot hold"))?)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a string that holds one")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Decimal::from(value).into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        // The shortest text of a float is the text that the vendor wrote, up to 15 digits.
        let text = value.to_string();
        Decimal::from_str(&text).map(Number::from).map_err(|_| E::custom(format_args!("{text} is out of range")))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        let plain = text.trim().replace(',', "");
        let value = Decimal::from_str(&plain).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))?;
        Ok(Number { value, text: Some(text.to_owned()) })
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Number {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number" })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_it_was_read() {
        for json in ["8.75", "123", "0.1", r#""16.27""#, r#""99,725.40""#, "-3", "1234567890123.45"] {
            let number: Number = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&number).unwrap(), json);
        }
    }

    #[test]
    fn refuses_what_is_no_number() {
        for json in [r#""abc""#, r#""""#, "true", "[1]", "1e300"] {
            assert!(serde_json::from_str::<Number>(json).is_err(), "{json}");
        }
    }
}
