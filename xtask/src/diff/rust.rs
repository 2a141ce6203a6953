//! What a schema is in the generated Rust: the names, and the types less the `Option` around them.

use std::collections::BTreeMap;

use heck::{ToSnakeCase, ToUpperCamelCase};
use serde_json::Value;

use super::document::{self, Document};

/// What limits a string. In a request, it makes a type of its own that checks them.
const CHECKED: [&str; 3] = ["minLength", "maxLength", "pattern"];

/// The types that build.rs knows to have a `Default`.
const WITH_DEFAULT: [&str; 9] = ["Vec", "BTreeMap", "Map", "String", "bool", "i32", "i64", "Number", "Decimal"];

/// The words that stand as names of fields in APIs.
const KEYWORDS: [&str; 12] =
    ["as", "box", "default", "enum", "for", "in", "match", "move", "ref", "return", "type", "use"];

/// The name of a type, or of an inline one after where it stands: `Shipment`, `ShipmentPartiesItem`.
pub(crate) fn type_name(parts: &[&str]) -> String {
    parts.iter().map(|part| part.to_upper_camel_case()).collect()
}

/// The name of a function or of a field.
pub(crate) fn field(name: &str) -> String {
    let name = name.to_snake_case();
    if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name }
}

/// The variant of an enum's member. Open enums are ours, closed ones the generator's.
pub(crate) fn variant(member: &str, open: bool) -> String {
    if !open {
        return member.to_upper_camel_case();
    }
    let words = member.split(['_', '-', ' ']).map(str::chars);
    words.flat_map(|mut word| word.next().into_iter().flat_map(char::to_uppercase).chain(word)).collect()
}

/// The type in the document's words: `string(uuid)`, `[Parcel]`, `Shipment`.
pub(crate) fn documented(schema: &Value) -> String {
    let variants = ["oneOf", "anyOf"].into_iter().find(|key| schema[key].is_array());
    match (schema["$ref"].as_str(), schema["type"].as_str(), variants) {
        (Some(reference), ..) => document::name(reference).to_owned(),
        (_, Some("array"), _) => format!("[{}]", documented(&schema["items"])),
        (_, Some("string"), _) if schema["enum"].is_array() => "string enum".to_owned(),
        (_, Some(kind), _) => match schema["format"].as_str() {
            Some(format) => format!("{kind}({format})"),
            None => kind.to_owned(),
        },
        (_, None, Some(variants)) => variants.to_owned(),
        (_, None, None) if schema["properties"].is_object() => "object".to_owned(),
        _ => "any".to_owned(),
    }
}

impl Document {
    /// The generated type. `name` is what an inline one gets here; `sent` says whether its limits stay.
    pub(crate) fn generated(&self, schema: &Value, name: &str, sent: bool) -> String {
        let kind = schema["type"].as_str();
        let format = schema["format"].as_str().unwrap_or_default();
        let plain = match (kind, format) {
            _ if schema["$ref"].is_string() => return self.referred(schema["$ref"].as_str().unwrap_or_default()),
            (Some("string"), _) if schema["enum"].is_array() => return format!("enum {name}"),
            (Some("string"), "uuid") => "Uuid",
            (Some("string"), "date-time") => "Timestamp",
            (Some("string"), "date") => "Date",
            (Some("string"), "decimal") => "Decimal",
            (Some("string"), "ip" | "ipv4" | "ipv6") => "IpAddr",
            (Some("string"), _) if sent && CHECKED.iter().any(|limit| !schema[limit].is_null()) => name,
            (Some("string"), _) => "String",
            (Some("boolean"), _) => "bool",
            (Some("integer"), _) => return integer(schema, format, sent),
            (Some("number"), "decimal") => "Number",
            (Some("number"), "float") => "f32",
            (Some("number"), _) => "f64",
            (Some("array"), _) => {
                return format!("Vec<{}>", self.inside(&schema["items"], &type_name(&[name, "item"]), sent));
            }
            _ if schema["oneOf"].is_array() || schema["anyOf"].is_array() => return format!("enum {name}"),
            _ if schema["properties"].is_object() => return format!("struct {name}"),
            (Some("object"), _) => match &schema["additionalProperties"] {
                more @ Value::Object(_) => {
                    return format!("BTreeMap<String, {}>", self.inside(more, &type_name(&[name, "value"]), sent));
                }
                _ => "Map<String, Value>",
            },
            _ => "Value",
        };
        plain.to_owned()
    }

    /// A named decimal is no type of its own.
    fn referred(&self, reference: &str) -> String {
        let decimal = |schema: &&Value| schema["type"] == "string" && schema["format"] == "decimal";
        match self.target(reference).filter(decimal) {
            Some(_) => "Decimal".to_owned(),
            None => type_name(&[document::name(reference)]),
        }
    }

    fn inside(&self, schema: &Value, name: &str, sent: bool) -> String {
        let generated = self.generated(schema, name, sent);
        if schema["nullable"] == true { format!("Option<{generated}>") } else { generated }
    }

    /// Whether the struct of an object has a `Default`, as build.rs derives it. `known` is what was found of the named
    /// ones; one that is being looked at holds itself, and has none.
    pub(crate) fn has_default<'a>(
        &'a self,
        object: &'a Value,
        sent: bool,
        known: &mut BTreeMap<&'a str, bool>,
    ) -> bool {
        let required =
            |name: &str| object["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
        let mut fields = object["properties"].as_object().into_iter().flatten();
        fields.all(|(name, field)| {
            self.is_option(field, required(name), field["nullable"] == true, sent)
                || self.generated(field, "", sent).split('<').next().is_some_and(|kind| WITH_DEFAULT.contains(&kind))
                || self.holds_default(field, sent, known)
        })
    }

    /// The same of a field that is itself a struct.
    fn holds_default<'a>(&'a self, field: &'a Value, sent: bool, known: &mut BTreeMap<&'a str, bool>) -> bool {
        let Some(reference) = field["$ref"].as_str() else {
            return field["properties"].is_object() && self.has_default(field, sent, known);
        };
        if let Some(has) = known.get(reference) {
            return *has;
        }
        known.insert(reference, false);
        let target = self.target(reference).filter(|target| target["properties"].is_object());
        let sent = self.sent.contains(document::name(reference));
        let has = target.is_some_and(|target| self.has_default(target, sent, known));
        known.insert(reference, has);
        has
    }

    /// Whether a field or a parameter is an `Option`. A list or map that a caller may leave out of a struct is empty
    /// instead; answers may have null for it, since whatever may be missing in them may also be null.
    pub(crate) fn is_option(&self, schema: &Value, required: bool, nullable: bool, sent: bool) -> bool {
        let generated = self.generated(schema, "", sent);
        let list = ["Vec<", "Map<", "BTreeMap<"].iter().any(|list| generated.starts_with(list));
        nullable || !(required || sent && list)
    }
}

fn integer(schema: &Value, format: &str, sent: bool) -> String {
    let bits = if format.ends_with("32") { "32" } else { "64" };
    match schema["minimum"].as_f64().filter(|_| sent) {
        Some(1.0) => format!("NonZeroU{bits}"),
        Some(0.0) => format!("u{bits}"),
        _ if format.starts_with('u') => format!("u{bits}"),
        _ => format!("i{bits}"),
    }
}
