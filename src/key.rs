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

use crate::Error;

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
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Derives the key of one piece of work: the order id, made legal and cut, and a SHA-256 over all five parts.
    ///
    /// The payload counts by its canonical JSON (RFC 8785), so the order of its fields and the spelling of its numbers
    /// make no difference. `revision` tells a new try at an order that was refused, then repaired, from a repeat of
    /// the old one: without it the vendor would answer with the stored refusal for 24 hours.
    ///
    /// # Errors
    /// If the payload is not JSON: a map whose keys are not strings, or a number that is not finite.
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
        let mut key = legal(order);
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
fn legal(order: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' };
    order.chars().take(SHOWN).map(plain).collect()
}

/// SHA-256 of the canonical JSON (RFC 8785) of a payload: equal for equal payloads, on any platform.
pub(crate) fn payload_hash<P: Serialize + ?Sized>(payload: &P) -> Result<[u8; 32], Error> {
    let canonical =
        serde_json_canonicalizer::to_vec(&payload).map_err(|error| Error::input(format!("payload: {error}")))?;
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
        if !(SHORTEST..=LONGEST).contains(&key.len()) {
            return Err(Error::input(format!(
                "idempotency key: {} characters, not {SHORTEST} to {LONGEST}",
                key.len()
            )));
        }
        match key.chars().find(|letter| !letter.is_ascii_alphanumeric() && !"._-".contains(*letter)) {
            Some(letter) => Err(Error::input(format!("idempotency key: {letter:?} is not one of A-Z a-z 0-9 . _ -"))),
            None => Ok(Self(key)),
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
    use serde_json::json;

    use super::*;

    fn key(order: &str) -> IdempotencyKey {
        IdempotencyKey::derive("book_shipment", "team-7", order, 0, &json!({"a": 1, "b": [1.0, "x"]})).unwrap()
    }

    #[test]
    fn every_order_id_gives_a_legal_key() {
        for order in ["1001", "", "å/ø ü", "💥", " ", &"x".repeat(10_000)] {
            key(order).as_str().parse::<IdempotencyKey>().unwrap();
        }
    }

    #[test]
    fn the_spelling_of_a_payload_makes_no_difference() {
        let derive = |json: &str| {
            let payload: serde_json::Value = serde_json::from_str(json).unwrap();
            IdempotencyKey::derive("create_shipment", "team-7", "1", 0, &payload).unwrap()
        };
        assert_eq!(derive(r#"{"a":1,"b":2.50}"#), derive(r#"{ "b": 2.5, "a": 1.0 }"#));
        assert_ne!(derive(r#"{"a":1}"#), derive(r#"{"a":2}"#));
    }

    #[test]
    fn every_part_counts() {
        let derive = IdempotencyKey::derive::<str>;
        let keys = [
            derive("a", "b", "c", 0, "d"),
            derive("ab", "", "c", 0, "d"),
            derive("a", "bc", "", 0, "d"),
            derive("a", "b", "c", 1, "d"),
            derive("a", "b", "c", 0, "e"),
        ]
        .map(Result::unwrap);
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key}");
        }
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
