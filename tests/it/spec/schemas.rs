//! Every schema of a spec's components.

use serde_json::Value;

use super::members;
use crate::lower;

/// What the type's name tells, or prose. Any other key of a schema is shown, those that nobody has used yet, too.
const NOT_SHOWN: [&str; 14] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "description",
    "example",
    "externalDocs",
    "format",
    "items",
    "nullable",
    "properties",
    "required",
    "type",
    "x-reason",
    "x-source",
];

pub(crate) fn table(spec: &Value) -> String {
    let schemas = members(&spec["components"]["schemas"]);
    schemas.into_iter().map(|(name, schema)| block(name, schema)).collect::<Vec<_>>().join("\n")
}

/// `string(uuid)`, `[Parcel]`, `{string: [string]}`, `Shipment`.
pub(crate) fn type_name(schema: &Value) -> String {
    let all_of = schema["allOf"].as_array().map_or(&[][..], Vec::as_slice);
    match (schema["$ref"].as_str(), all_of, schema["type"].as_str()) {
        (Some(reference), ..) => lower::last(reference).to_owned(),
        (_, [only], _) => type_name(only),
        (_, [], Some("array")) => format!("[{}]", type_name(&schema["items"])),
        (_, [], Some("object")) if is_map(schema) => {
            format!("{{string: {}}}", type_name(&schema["additionalProperties"]))
        }
        (_, [], Some(kind)) => match schema["format"].as_str() {
            Some(format) => format!("{kind}({format})"),
            None => kind.to_owned(),
        },
        (_, [], None) => "any".to_owned(),
        _ => panic!("no name for {schema}"),
    }
}

/// A type with all that the spec says of it: `integer(int32) | null, minimum=1 (page)`.
pub(super) fn full_type(schema: &Value) -> String {
    let null = if schema["nullable"] == true { " | null" } else { "" };
    let facts = members(schema).into_iter().filter(|(key, _)| !NOT_SHOWN.contains(key));
    let facts: String = facts.map(|(key, value)| format!(", {key}={value}")).collect();
    format!("{}{null}{facts}{}", type_name(schema), source(schema))
}

/// The source mark of whatever bears one.
pub(super) fn source(marked: &Value) -> String {
    marked["x-source"].as_str().map(|source| format!(" ({source})")).unwrap_or_default()
}

fn block(name: &str, schema: &Value) -> String {
    let fields = members(&schema["properties"]).into_iter().map(|(field, property)| {
        let optional = if requires(schema, field) { "" } else { "?" };
        format!("  {field}{optional}: {}\n", full_type(property))
    });
    let rest = if schema["additionalProperties"] == true && !is_map(schema) { "  *: any\n" } else { "" };
    format!("{name}: {}\n{}{rest}", full_type(schema), fields.collect::<String>())
}

/// Whether an object has no fields but those that come.
fn is_map(schema: &Value) -> bool {
    let more = &schema["additionalProperties"];
    (more.is_object() || more == true) && schema["properties"].is_null()
}

/// Whether an object must have this field.
pub(crate) fn requires(schema: &Value, field: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == field))
}
