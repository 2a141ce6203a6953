//! Idempotency keys, derived so that the same work has the same key wherever and whenever it is done.
//!
//! Smart Send answers a second request with the same `Idempotency-Key` and the same payload, within 24 hours, with the
//! first answer, and does nothing again (its page on idempotency). A key that is derived from the work needs no
//! storing: a program that was killed derives it again.
//!
//! ```
//! use shipbatch::IdempotencyKey;
//!
//! let key = IdempotencyKey::derive("book_shipment", "team-7", "order 4521", 0, &serde_json::Value::Null)?;
//! assert_eq!(key, IdempotencyKey::derive("book_shipment", "team-7", "order 4521", 0, &serde_json::Value::Null)?);
//! assert!(key.as_str().starts_with("order-4521_"));
//!
//! let own: IdempotencyKey = "order-4521_first-try".parse()?;
//! # Ok::<(), shipbatch::Error>(())
//! ```

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, canonical};

/// The fewest characters of a key, as Smart Send documents it.
const SHORTEST: usize = 16;
/// The most characters of a key, as Smart Send documents it.
const LONGEST: usize = 128;
/// How much of an order id a key shows. The hash tells orders apart, so this is for people who read logs.
const SHOWN: usize = 48;

/// A key under which a vendor does a write once, however often it arrives: 16 to 128 of `A-Z a-z 0-9 . _ -`,
/// case-sensitive, kept for 24 hours (Smart Send's page on idempotency).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Derives the key of one piece of work: the order id, made legal and cut, and a SHA-256 over all five parts.
    ///
    /// The payload counts by its canonical JSON (RFC 8785), so the order of its fields and the spelling of its numbers
    /// make no difference. `revision` tells a new try at an order that was refused, then repaired, from a repeat of
    /// the old one: without it the vendor would answer with the stored refusal for 24 hours.
    ///
    /// # Errors
    /// If the payload is not JSON: a map whose keys are not strings, or a field that occurs twice. A number that is not
    /// finite counts as null, which is what is sent for it.
    pub fn derive<P: Serialize + ?Sized>(
        operation: &str,
        account: &str,
        order: &str,
        revision: u32,
        payload: &P,
    ) -> Result<Self, Error> {
        let payload = payload_hash(payload)?;
        let mut hash = Sha256::new();
        for part in [operation.as_bytes(), account.as_bytes(), order.as_bytes(), &revision.to_be_bytes(), &payload] {
            // Each part with its length, so that no two lists of parts give the same bytes.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut key = String::with_capacity(SHOWN + 1 + 2 * Sha256::output_size());
        key.extend(legal(order));
        key.push('_');
        push_hex(&mut key, &hash.finalize());
        Ok(Self(key))
    }

    /// The key as it goes into the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first characters of an order id, with a `-` for each that a key may not hold.
fn legal(order: &str) -> impl Iterator<Item = char> {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    order.chars().take(SHOWN).map(plain)
}

/// SHA-256 of the canonical JSON (RFC 8785) of a payload: equal for equal payloads, on any platform.
pub(crate) fn payload_hash<P: Serialize + ?Sized>(payload: &P) -> Result<[u8; 32], Error> {
    let canonical = canonical::json(payload).map_err(|error| Error::input(format!("payload: {error}")))?;
    Ok(Sha256::digest(&canonical).into())
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

impl FromStr for IdempotencyKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self, Error> {
        Self::try_from(key.to_owned())
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = Error;

    /// Takes a key of the caller's own making.
    ///
    /// # Errors
    /// If it is shorter than 16 or longer than 128 characters, or holds one that is not allowed.
    fn try_from(key: String) -> Result<Self, Error> {
        if let Some(letter) = key.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"._-".contains(*letter)) {
            return Err(Error::input(format!("idempotency key: {letter:?} is not one of A-Z a-z 0-9 . _ -")));
        }
        // All of it is ASCII, so bytes are characters.
        match key.len() {
            SHORTEST..=LONGEST => Ok(Self(key)),
            length => Err(Error::input(format!("idempotency key: {length} characters, not {SHORTEST} to {LONGEST}"))),
        }
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn key(order: &str) -> IdempotencyKey {
        IdempotencyKey::derive("book_shipment", "team-7", order, 0, &json!({"a": 1, "b": [1.0, "x"]})).unwrap()
    }

    /// An object whose fields are written in this order.
    #[derive(Debug)]
    struct Fields(Vec<(String, Value)>);

    impl Serialize for Fields {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
        }
    }

    /// Any string of up to so many characters, from the whole of Unicode.
    fn text(longest: usize) -> impl Strategy<Value = String> {
        prop::collection::vec(any::<char>(), 0..=longest).prop_map(String::from_iter)
    }

    /// An object twice, its fields in two orders.
    fn two_orders() -> impl Strategy<Value = (Fields, Fields)> {
        let value =
            prop_oneof![any::<i32>().prop_map(Value::from), text(8).prop_map(Value::from), Just(json!([null, {}]))];
        let fields = prop::collection::hash_map(text(4), value, 0..12).prop_map(Vec::from_iter);
        fields
            .prop_flat_map(|fields| (Just(fields.clone()), Just(fields).prop_shuffle()))
            .prop_map(|(fields, shuffled)| (Fields(fields), Fields(shuffled)))
    }

    /// The five parts of a key; short, so that they are often equal and often share letters.
    type Parts = (String, String, String, u32, String);

    fn parts() -> impl Strategy<Value = Parts> {
        ("[ab/]{0,3}", "[ab/]{0,3}", "[ab/]{0,3}", 0..3u32, "[ab/]{0,3}")
    }

    fn of_parts((operation, account, order, revision, payload): &Parts) -> IdempotencyKey {
        IdempotencyKey::derive(operation, account, order, *revision, payload).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_order_id_gives_a_legal_key(order in text(10_000)) {
            let key = key(&order);
            prop_assert_eq!(key.as_str().parse::<IdempotencyKey>().unwrap(), key);
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_fields_makes_no_difference((fields, shuffled) in two_orders()) {
            let derive = |payload| IdempotencyKey::derive("create_shipment", "team-7", "1", 0, payload).unwrap();
            prop_assert_eq!(derive(&fields), derive(&shuffled));
        }

        #[test]
        fn the_spelling_of_a_number_makes_no_difference(whole in any::<i32>(), hundredths in 0..100u8) {
            let derive = |number: &str| {
                let payload: Value = serde_json::from_str(&format!(r#"{{"weight": {number}}}"#)).unwrap();
                IdempotencyKey::derive("create_shipment", "team-7", "1", 0, &payload).unwrap()
            };
            let key = derive(&format!("{whole}"));
            for spelling in [format!("{whole}.0"), format!("{whole}.00"), format!("{whole}0e-1"), format!("{whole}E+0")] {
                prop_assert_eq!(derive(&spelling), key.clone(), "{}", spelling);
            }
            let decimal = format!("{whole}.{hundredths:02}");
            prop_assert_eq!(derive(&decimal), derive(&format!("{decimal}0")));
            prop_assert_eq!(derive(&decimal) == key, hundredths == 0);
        }

        #[test]
        fn every_part_counts(parts in parts(), other in parts()) {
            let changed = [
                (other.0, parts.1.clone(), parts.2.clone(), parts.3, parts.4.clone()),
                (parts.0.clone(), other.1, parts.2.clone(), parts.3, parts.4.clone()),
                (parts.0.clone(), parts.1.clone(), other.2, parts.3, parts.4.clone()),
                (parts.0.clone(), parts.1.clone(), parts.2.clone(), other.3, parts.4.clone()),
                (parts.0.clone(), parts.1.clone(), parts.2.clone(), parts.3, other.4),
            ];
            let key = of_parts(&parts);
            for changed in changed {
                prop_assert_eq!(of_parts(&changed) == key, changed == parts, "{:?}", changed);
            }
        }

        #[test]
        fn no_two_lists_of_parts_have_the_same_key(parts in parts(), other in parts()) {
            prop_assert_eq!(of_parts(&parts) == of_parts(&other), parts == other);
        }

        #[test]
        fn a_key_survives_json(letters in "[A-Za-z0-9._-]{16,128}") {
            let key: IdempotencyKey = letters.parse().unwrap();
            let json = serde_json::to_string(&key).unwrap();
            prop_assert_eq!(&json, &format!("\"{letters}\""));
            prop_assert_eq!(serde_json::from_str::<IdempotencyKey>(&json).unwrap(), key);
        }

        #[test]
        fn a_key_of_another_length_is_refused_with_its_length(length in prop_oneof![0..16usize, 129..300usize]) {
            let error = "x".repeat(length).parse::<IdempotencyKey>().unwrap_err();
            prop_assert!(error.is_input());
            prop_assert_eq!(error.message(), format!("idempotency key: {length} characters, not 16 to 128"));
        }

        #[test]
        fn a_letter_that_a_key_may_not_hold_is_named(
            before in "[A-Za-z0-9._-]{0,64}",
            letter in any::<char>().prop_filter("legal", |letter| !legal(&letter.to_string()).eq([*letter])),
            after in "[A-Za-z0-9._-]{0,64}",
        ) {
            let error = format!("{before}{letter}{after}").parse::<IdempotencyKey>().unwrap_err();
            prop_assert!(error.is_input());
            prop_assert_eq!(
                error.message(),
                format!("idempotency key: {letter:?} is not one of A-Z a-z 0-9 . _ -")
            );
        }
    }

    #[test]
    fn what_is_no_json_has_no_key() {
        let payload = std::collections::HashMap::from([((1, 2), 3)]);
        let error = IdempotencyKey::derive("create_shipment", "team-7", "1", 0, &payload).unwrap_err();
        assert!(error.is_input() && error.message().starts_with("payload: "), "{error}");
    }

    #[test]
    fn json_that_is_no_key_is_refused() {
        let error = serde_json::from_str::<IdempotencyKey>(r#""order 4521, first try""#).unwrap_err();
        assert!(error.to_string().contains("idempotency key: ' ' is not one of"), "{error}");
    }

    /// A key that changes between versions breaks users: a wave that was begun under the old version and resumed under
    /// the new one would book again what was booked.
    #[test]
    fn golden_vectors() {
        assert_eq!(
            key("order/4521").as_str(),
            "order-4521_0bdfd1d24b6b8edd498335c7dff91d5cfcbb6d3ab8f85a9dd7244b43c8a2b78d"
        );
    }
}
