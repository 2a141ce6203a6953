//! Canonical JSON (RFC 8785): the same bytes for equal values, whatever the order of their fields and the spelling of their
//! numbers. Each shipment of a wave is written so twice, hence in one buffer and without a copy where the fields are in
//! order already, as those of generated types mostly are.
//!
//! ```
//! use shipbatch::IdempotencyKey;
//!
//! let key = |payload: &str| {
//!     let payload: serde_json::Value = serde_json::from_str(payload)?;
//!     IdempotencyKey::derive("create_shipment", "team-7", "4521", 0, &payload)
//!         .map_err(|error| Box::<dyn std::error::Error>::from(error))
//! };
//! assert_eq!(key(r#"{"a": 1, "b": "é"}"#)?, key(r#"{"b": "\u00e9", "a": 1.0e0}"#)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    cell::RefCell,
    cmp::Ordering,
    io::{self, Error, ErrorKind},
};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CompactFormatter, Formatter},
};

/// The largest whole number up to which all have a double of their own: RFC 8785 knows no other numbers.
const EXACT: u64 = 1 << 53;

/// A value as canonical JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let text = RefCell::new(Vec::with_capacity(1024));
    let canonical = Canonical { text: &text, fields: Vec::new(), objects: Vec::new() };
    value.serialize(&mut Serializer::with_formatter(Writer(&text), canonical))?;
    Ok(text.into_inner())
}

/// Where serde_json writes to.
struct Writer<'a>(&'a RefCell<Vec<u8>>);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What differs from serde_json's own form: numbers, and the order of fields.
struct Canonical<'a> {
    text: &'a RefCell<Vec<u8>>,
    /// The fields of all objects that are open.
    fields: Vec<Field>,
    /// For each open object, how many fields those around it have so far.
    objects: Vec<usize>,
}

/// Where a field stands in the text: its name in quotes, and all of it.
#[derive(Clone, Copy, Default)]
struct Field {
    start: usize,
    name_end: usize,
    end: usize,
}

impl Canonical<'_> {
    fn position(&self) -> usize {
        self.text.borrow().len()
    }

    fn double<W: io::Write + ?Sized>(&self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(ryu_js::Buffer::new().format_finite(value).as_bytes())
    }
}

/// Puts the fields of the object that ends the text into their order.
fn order(text: &mut Vec<u8>, fields: &mut [Field]) -> io::Result<()> {
    let Some(first) = fields.first().map(|field| field.start) else { return Ok(()) };
    if fields.windows(2).all(|pair| compare(text, pair[0], pair[1]).is_lt()) {
        return Ok(());
    }
    fields.sort_by(|one, other| compare(text, *one, *other));
    if fields.windows(2).any(|pair| compare(text, pair[0], pair[1]).is_eq()) {
        return Err(Error::new(ErrorKind::InvalidData, "a field occurs twice"));
    }
    let mut ordered = Vec::with_capacity(text.len() - first);
    for field in fields {
        if !ordered.is_empty() {
            ordered.push(b',');
        }
        ordered.extend_from_slice(&text[field.start..field.end]);
    }
    text.truncate(first);
    text.append(&mut ordered);
    Ok(())
}

/// Which of two fields comes first: by the UTF-16 of their names.
fn compare(text: &[u8], one: Field, other: Field) -> Ordering {
    let [one, other] = [one, other].map(|field| &text[field.start + 1..field.name_end - 1]);
    let is_plain = |name: &[u8]| name.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
    if is_plain(one) && is_plain(other) {
        return one.cmp(other);
    }
    let [one, other] = [one, other].map(|name| {
        // It was written a moment ago, so it can be read.
        let name: String = serde_json::from_slice(&[b"\"", name, b"\""].concat()).unwrap_or_default();
        name.encode_utf16().collect::<Vec<u16>>()
    });
    one.cmp(&other)
}

impl Formatter for Canonical<'_> {
    fn write_i64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: i64) -> io::Result<()> {
        if value.unsigned_abs() <= EXACT {
            CompactFormatter.write_i64(writer, value)
        } else {
            self.double(writer, value as f64)
        }
    }

    fn write_u64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: u64) -> io::Result<()> {
        if value <= EXACT { CompactFormatter.write_u64(writer, value) } else { self.double(writer, value as f64) }
    }

    fn write_i128<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: i128) -> io::Result<()> {
        self.double(writer, value as f64)
    }

    fn write_u128<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: u128) -> io::Result<()> {
        self.double(writer, value as f64)
    }

    fn write_f32<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.double(writer, value.into())
    }

    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        self.double(writer, value)
    }

    /// With serde_json's `arbitrary_precision`, which another crate may have switched on.
    fn write_number_str<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: &str) -> io::Result<()> {
        let value: f64 = value.parse().map_err(|_| Error::new(ErrorKind::InvalidData, "not a number"))?;
        if value.is_finite() {
            self.double(writer, value)
        } else {
            Err(Error::new(ErrorKind::InvalidData, "too large a number"))
        }
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.objects.push(self.fields.len());
        writer.write_all(b"{")
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        self.fields.push(Field { start: self.position(), ..Field::default() });
        Ok(())
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let position = self.position();
        if let Some(field) = self.fields.last_mut() {
            field.name_end = position;
        }
        Ok(())
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        let position = self.position();
        if let Some(field) = self.fields.last_mut() {
            field.end = position;
        }
        Ok(())
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let around = self.objects.pop().unwrap_or_default();
        order(&mut self.text.borrow_mut(), &mut self.fields[around..])?;
        self.fields.truncate(around);
        writer.write_all(b"}")
    }

    fn write_raw_fragment<W: io::Write + ?Sized>(&mut self, _: &mut W, _: &str) -> io::Result<()> {
        Err(Error::new(ErrorKind::InvalidData, "raw JSON, which has no canonical form"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, value::RawValue};

    use super::*;

    fn text<T: Serialize + ?Sized>(value: &T) -> String {
        String::from_utf8(json(value).unwrap()).unwrap()
    }

    /// What another implementation makes of it.
    fn expected<T: Serialize + ?Sized>(value: &T) -> String {
        String::from_utf8(serde_json_canonicalizer::to_vec(&value).unwrap()).unwrap()
    }

    /// An object whose fields are written in this order.
    #[derive(Clone, Debug)]
    enum Json {
        Plain(Value),
        List(Vec<Self>),
        Object(Vec<(String, Self)>),
    }

    impl Serialize for Json {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Plain(value) => value.serialize(serializer),
                Self::List(values) => values.serialize(serializer),
                Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
            }
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let words = prop_oneof![
            prop::collection::vec(any::<char>(), 0..5).prop_map(String::from_iter),
            // Where bytes and UTF-16 differ, and what is escaped.
            "[a-c\"\\\\\n\u{1}é\u{ffff}\u{1f600}]{0,3}",
        ];
        let number = prop_oneof![
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i16>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::from),
        ];
        let words = words.boxed();
        let plain = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            words.clone().prop_map(Value::from),
            number
        ];
        plain.prop_map(Json::Plain).prop_recursive(4, 40, 6, move |inner| {
            let fields = prop::collection::btree_map(words.clone(), inner.clone(), 0..6).prop_map(Vec::from_iter);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Json::List),
                fields.prop_shuffle().prop_map(Json::Object)
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_what_others_make_of_it(value in any_json()) {
            prop_assert_eq!(text(&value), expected(&value));
        }
    }

    /// Of RFC 8785, sections 3.2.2 and 3.2.3.
    #[test]
    fn the_examples_of_the_standard() {
        let sample: Value = serde_json::from_str(
            r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
        )
        .unwrap();
        assert_eq!(
            text(&sample),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        let names = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
        let object = Json::Object(names.map(|name| (name.to_owned(), Json::Plain(Value::Null))).into());
        let order = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
        let fields: Vec<String> = order.map(|name| format!("\"{name}\":null")).into();
        assert_eq!(text(&object), format!("{{{}}}", fields.join(",")));
    }

    #[test]
    fn whole_numbers_are_doubles() {
        let numbers = [9_007_199_254_740_991_u64, 9_007_199_254_740_993, u64::MAX];
        assert_eq!(text(&numbers), "[9007199254740991,9007199254740992,18446744073709552000]");
        assert_eq!(text(&[-1_i64, i64::MIN]), "[-1,-9223372036854776000]");
        assert_eq!(text(&(u128::MAX, -0.0, 1.0_f32)), "[3.402823669209385e+38,0,1]");
    }

    #[test]
    fn keys_of_a_map_may_be_numbers() {
        assert_eq!(text(&BTreeMap::from([(2, 'b'), (10, 'a')])), r#"{"10":"a","2":"b"}"#);
    }

    #[test]
    fn what_has_no_canonical_form_is_refused() {
        let twice = Json::Object(["b", "a", "b"].map(|name| (name.to_owned(), Json::List(Vec::new()))).into());
        assert!(json(&twice).unwrap_err().to_string().starts_with("a field occurs twice"));
        let raw = serde_json::from_str::<&RawValue>("{ }").unwrap();
        assert!(json(raw).unwrap_err().to_string().starts_with("raw JSON"));
    }
}
