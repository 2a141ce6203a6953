//! Random JSON of a curated schema, with what must be left of it once it was read and written.

use std::{collections::BTreeSet, ops::RangeInclusive};

use openapiv3::OpenAPI;
use proptest::{collection, option, prelude::*, strategy::BoxedStrategy, string::string_regex};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::{
    lower::{self, Side},
    spec::{self, schemas::requires},
};

/// How many references are followed before what may be missing is.
const DEPTH: usize = 8;
const LONGEST_LIST: usize = 3;
const LONGEST_TEXT: usize = 24;

#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) given: Value,
    pub(super) kept: Value,
}

impl Sample {
    fn kept(given: Value) -> Self {
        Self { kept: given.clone(), given }
    }
}

type Values = BoxedStrategy<Sample>;

/// The samples of a vendor's schemas.
pub(super) struct Samples {
    spec: Value,
    /// What is in requests: the rest is only answered, hence read more tolerantly.
    sent: BTreeSet<String>,
    /// What is put into paths.
    in_paths: BTreeSet<String>,
}

impl Samples {
    pub(super) fn of(spec: OpenAPI) -> Self {
        let sent = lower::reachable(&spec, Side::Request);
        let spec = serde_json::to_value(spec).unwrap();
        let parameters = spec::members(&spec["components"]["parameters"]).into_iter();
        let paths = parameters.filter(|(_, parameter)| parameter["in"] == "path");
        let in_paths = paths.filter_map(|(_, parameter)| parameter["schema"]["$ref"].as_str());
        Self { sent, in_paths: in_paths.map(|path| lower::last(path).to_owned()).collect(), spec }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        spec::members(&self.spec["components"]["schemas"]).into_iter().map(|(name, _)| name)
    }

    pub(super) fn component(&self, name: &str) -> Values {
        self.named(name, DEPTH)
    }

    fn named(&self, name: &str, depth: usize) -> Values {
        let schema = &self.spec["components"]["schemas"][name];
        let values = self.values(schema, self.sent.contains(name), depth);
        if self.in_paths.contains(name) {
            // What would climb out of its place in the path is refused, see `no_dots_in_paths`.
            values
                .prop_filter("no place in a path", |sample| !["", ".", ".."].map(Value::from).contains(&sample.given))
                .boxed()
        } else {
            values
        }
    }

    fn values(&self, schema: &Value, sent: bool, depth: usize) -> Values {
        let values = if let Some(reference) = schema["$ref"].as_str() {
            self.named(lower::last(reference), depth.saturating_sub(1))
        } else if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
            self.values(only, sent, depth)
        } else {
            match schema["type"].as_str() {
                None => any_json().prop_map(Sample::kept).boxed(),
                Some("object") if schema["properties"].is_object() => self.object(schema, sent, depth),
                Some("object") => self.map(schema, sent, depth),
                Some("array") => self.array(schema, sent, depth),
                Some("boolean") => any::<bool>().prop_map(|yes| Sample::kept(yes.into())).boxed(),
                Some("integer") => integer(schema).prop_map(|number| Sample::kept(number.into())).boxed(),
                Some("number") => number(schema),
                Some("string") => text(schema, sent).prop_map(|text| Sample::kept(text.into())).boxed(),
                Some(kind) => panic!("no values of type {kind}"),
            }
        };
        if schema["nullable"] == true { or_null(values) } else { values }
    }

    /// An object with all that it must have, some of what it may, and some that nobody knows.
    fn object(&self, schema: &Value, sent: bool, depth: usize) -> Values {
        let fields: Vec<BoxedStrategy<Option<Sample>>> = spec::members(&schema["properties"])
            .into_iter()
            .map(|(name, field)| self.field(field, requires(schema, name), sent, depth))
            .collect();
        let names: Vec<(String, bool, bool)> = spec::members(&schema["properties"])
            .into_iter()
            .map(|(name, field)| (name.to_owned(), requires(schema, name), is_plain_list(field)))
            .collect();
        let unknown = collection::vec(("x_[a-z]{4}", any_json()), 0..2);
        let whole = (fields, unknown).prop_map(move |(fields, unknown)| {
            let (mut given, mut kept) = (Map::from_iter(unknown), Map::new());
            for ((name, required, plain_list), field) in names.iter().zip(fields) {
                let Some(field) = field else { continue };
                given.insert(name.clone(), field.given);
                // A null says no more than that the field is missing; nor does an empty list, where null is not sent.
                let nothing = field.kept.is_null() || (sent && *plain_list && field.kept == json!([]));
                if *required || !nothing {
                    kept.insert(name.clone(), field.kept);
                }
            }
            Sample { given: given.into(), kept: kept.into() }
        });
        whole.boxed()
    }

    fn field(&self, field: &Value, required: bool, sent: bool, depth: usize) -> BoxedStrategy<Option<Sample>> {
        match (required, sent) {
            (true, _) => self.values(field, sent, depth).prop_map(Some).boxed(),
            (false, _) if depth == 0 => Just(None).boxed(),
            (false, true) => option::of(self.values(field, sent, depth)).boxed(),
            // A null is not documented, and tolerated in answers.
            (false, false) => option::of(or_null(self.values(field, sent, depth))).boxed(),
        }
    }

    fn map(&self, schema: &Value, sent: bool, depth: usize) -> Values {
        let values = match &schema["additionalProperties"] {
            Value::Bool(true) => any_json().prop_map(Sample::kept).boxed(),
            inner => self.values(inner, sent, depth),
        };
        let whole = collection::btree_map("(?s).{0,8}", values, 0..LONGEST_LIST).prop_map(|members| {
            let given = members.iter().map(|(name, member)| (name.clone(), member.given.clone())).collect();
            let kept = members.iter().map(|(name, member)| (name.clone(), member.kept.clone())).collect();
            Sample { given, kept }
        });
        whole.boxed()
    }

    fn array(&self, schema: &Value, sent: bool, depth: usize) -> Values {
        let least = length(schema, "minItems").unwrap_or(0);
        let most = if depth == 0 { least } else { length(schema, "maxItems").unwrap_or(usize::MAX).min(LONGEST_LIST) };
        if most == 0 {
            return Just(Sample::kept(json!([]))).boxed();
        }
        let whole = collection::vec(self.values(&schema["items"], sent, depth), least..=most).prop_map(|items| {
            let given = items.iter().map(|item| item.given.clone()).collect();
            let kept = items.iter().map(|item| item.kept.clone()).collect();
            Sample { given, kept }
        });
        whole.boxed()
    }
}

fn or_null(values: Values) -> Values {
    prop_oneof![1 => Just(Sample::kept(Value::Null)), 4 => values].boxed()
}

fn is_plain_list(schema: &Value) -> bool {
    schema["type"] == "array" && schema["nullable"] != true
}

fn integer(schema: &Value) -> RangeInclusive<i64> {
    let (least, most) = match schema["format"].as_str() {
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    };
    schema["minimum"].as_i64().unwrap_or(least)..=schema["maximum"].as_i64().unwrap_or(most)
}

/// Up to 15 digits, as many as every reader of JSON keeps.
fn number(schema: &Value) -> Values {
    assert_eq!(schema["format"], "decimal", "a number that nothing makes exact");
    let digits = -999_999_999_999_999_i64..=999_999_999_999_999;
    let exact = (digits, 0..=6_u32).prop_map(|(digits, scale)| Decimal::new(digits, scale).normalize().to_string());
    exact.prop_map(|text| Sample::kept(serde_json::from_str(&text).unwrap())).boxed()
}

fn text(schema: &Value, sent: bool) -> BoxedStrategy<String> {
    if let Some(values) = schema["enum"].as_array() {
        return word(values, schema["x-open"] == true);
    }
    match (schema["format"].as_str(), schema["pattern"].as_str()) {
        (Some("decimal"), _) => decimal(),
        (Some("date-time"), _) => {
            (0..4_102_444_800_000_i64).prop_map(|at| jiff::Timestamp::from_millisecond(at).unwrap().to_string()).boxed()
        }
        (Some("date"), _) => (2000..2100_i16, 1..=12_i8, 1..=28_i8)
            .prop_map(|(year, month, day)| jiff::civil::date(year, month, day).to_string())
            .boxed(),
        (Some("uuid"), _) => any::<u128>().prop_map(|bits| uuid::Uuid::from_u128(bits).to_string()).boxed(),
        (Some("byte"), _) => matching("([A-Za-z0-9+/]{4}){0,6}"),
        (Some("email"), _) => matching("[a-z]{1,8}@[a-z]{1,8}\\.example"),
        (Some("uri"), _) => matching("https://[a-z]{1,8}\\.example/[a-z0-9/]{0,8}"),
        (Some(format), _) => panic!("no values of format {format}"),
        // A vendor may break its own rules in an answer, which must be read for all that.
        (None, Some(pattern)) if !sent => prop_oneof![matching(pattern), matching("(?s).{0,24}")].boxed(),
        (None, Some(pattern)) => matching(pattern),
        (None, None) => {
            let least = length(schema, "minLength").unwrap_or(0);
            let most = length(schema, "maxLength").unwrap_or(usize::MAX).min(least + LONGEST_TEXT);
            matching(&format!("(?s).{{{least},{most}}}"))
        }
    }
}

/// A documented value; of an open enum, others too.
fn word(values: &[Value], open: bool) -> BoxedStrategy<String> {
    let values: Vec<String> = values.iter().map(|value| value.as_str().unwrap().to_owned()).collect();
    let known = proptest::sample::select(values);
    if open { prop_oneof![2 => known, 1 => "(?s).{0,12}"].boxed() } else { known.boxed() }
}

/// As vendors write money: no sign, no exponent, trailing zeros kept.
fn decimal() -> BoxedStrategy<String> {
    (0..=999_999_999_999_999_999_i64, 0..=8_u32)
        .prop_map(|(digits, scale)| Decimal::new(digits, scale).to_string())
        .boxed()
}

/// Patterns are those of ECMAScript: of the whole text only if they say so, and with ASCII digits.
fn matching(pattern: &str) -> BoxedStrategy<String> {
    let whole = pattern.trim_start_matches('^').trim_end_matches('$').replace(r"\d", "[0-9]");
    string_regex(&whole).unwrap_or_else(|error| panic!("{pattern}: {error}")).boxed()
}

fn any_json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(?s).{0,8}".prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            collection::btree_map("[a-z]{0,4}", inner, 0..3).prop_map(|members| members.into_iter().collect()),
        ]
    });
    nested.boxed()
}

fn length(schema: &Value, name: &str) -> Option<usize> {
    schema[name].as_u64().and_then(|length| usize::try_from(length).ok())
}
