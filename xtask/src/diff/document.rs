//! An OpenAPI document as it is compared: as 3.0, whatever it was written as, with references to schemas alone.
//!
//! openapiv3 reads 3.0 and oas3 3.1, so that a document which is none is refused with their words. Two models would
//! need two comparisons, hence a 3.1 document is then said in the words of 3.0; what compares goes by the JSON.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use openapiv3::OpenAPI;
use serde_json::{Map, Value, json};

use super::{
    merged::Merged,
    walk::{is_unset, members},
};
use crate::{Result, lower};

/// How long a chain of references may be before it counts as a circle.
const CHAIN: usize = 16;
/// The members of a path that are operations.
pub(crate) const METHODS: [&str; 8] = ["get", "post", "put", "patch", "delete", "head", "options", "trace"];

/// A document that can be compared.
pub(crate) struct Document {
    /// The document itself.
    pub(crate) json: Value,
    /// The schemas that requests lead to. The others keep their types alone when they are lowered.
    pub(crate) sent: BTreeSet<String>,
    /// Whether it bears our marks: one of ours, not the vendor's own.
    pub(crate) curated: bool,
    /// What it says that 3.0 has no word for, by its place.
    pub(crate) lost: BTreeMap<String, Value>,
}

/// What a reference is called: the name of a schema of the components; all of it, where it leads elsewhere.
pub(crate) fn name(reference: &str) -> &str {
    reference.strip_prefix("#/components/schemas/").filter(|name| !name.contains('/')).unwrap_or(reference)
}

impl Document {
    /// The schema that a reference leads to; nothing where it leads out of the document or in a circle.
    pub(crate) fn target<'a>(&'a self, reference: &'a str) -> Option<&'a Value> {
        let mut reference = reference;
        for _ in 0..CHAIN {
            let target = self.json.pointer(reference.strip_prefix('#')?)?;
            match target["$ref"].as_str() {
                Some(next) => reference = next,
                None => return Some(target),
            }
        }
        None
    }

    /// A schema itself, wherever it stands.
    pub(crate) fn behind<'a>(&'a self, schema: &'a Value) -> Option<&'a Value> {
        schema["$ref"].as_str().map_or(Some(schema), |reference| self.target(reference))
    }

    /// The schemas that have a name.
    pub(crate) fn schemas(&self) -> &Value {
        &self.json["components"]["schemas"]
    }
}

/// Reads a file, or `REV:path` as `git show` takes it. A file that exists wins.
pub(crate) fn read(folder: &Path, source: &str) -> Result<Document> {
    parse(&text(folder, source)?).map_err(|error| format!("{source}: {}", one_line(&error)))
}

fn text(folder: &Path, source: &str) -> Result<String> {
    let path = folder.join(source);
    if path.exists() || !source.contains(':') {
        return fs::read_to_string(&path).map_err(|error| format!("{source}: {error}"));
    }
    let mut git = Command::new("git");
    git.current_dir(folder).args(["--no-pager", "show", "--end-of-options", source]);
    let shown = git.output().map_err(|error| format!("{source}: git: {error}"))?;
    if !shown.status.success() {
        return Err(format!("{source}: git: {}", one_line(&String::from_utf8_lossy(&shown.stderr))));
    }
    String::from_utf8(shown.stdout).map_err(|error| format!("{source}: {error}"))
}

/// The first line, which says what is wrong; parsers add pictures of the text.
fn one_line(error: &str) -> &str {
    error.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given")
}

/// Reads a document, JSON or YAML.
pub(crate) fn parse(text: &str) -> Result<Document> {
    let mut json: Value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())?
    } else {
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())?
    };
    let version = json["openapi"].as_str().map_or_else(|| json["openapi"].to_string(), str::to_owned);
    // Unquoted, which is common, it is a number.
    if let Some(version @ Value::Number(_)) = json.pointer_mut("/info/version") {
        *version = json!(version.to_string());
    }
    let newer = version.starts_with("3.1");
    if newer {
        checked::<oas3::OpenApiV3Spec>(&json)?;
        json.as_object_mut().map(|document| document.entry("paths").or_insert_with(|| json!({})));
    } else if !version.starts_with("3.0") {
        return Err(format!("its `openapi` is neither 3.0 nor 3.1, but {version}"));
    }
    stand_alone(&mut json);
    if newer {
        every_schema(&mut json, &mut |schema, _| visit(schema, older));
    }
    let spec: OpenAPI = checked(&json)?;
    let written = json;
    let mut json = serde_json::to_value(&spec).map_err(|error| error.to_string())?;
    let mut lost = BTreeMap::new();
    lose(&written, &json, "", &mut lost);
    let whole = json.clone();
    let mut merged = Merged::of(&whole);
    every_schema(&mut json, &mut |schema, reference| merged.named(schema, reference));
    let curated = lower::entries(&spec).iter().any(|entry| entry.operation.extensions.contains_key("x-replay"));
    Ok(Document { sent: lower::reachable(&spec, lower::Side::Request), json, curated, lost })
}

/// Collects what was written and is not in the model.
fn lose(written: &Value, kept: &Value, place: &str, lost: &mut BTreeMap<String, Value>) {
    for (key, value) in members(written) {
        let place = format!("{place}/{key}");
        match kept.get(key) {
            Some(kept) => lose(value, kept, &place, lost),
            None if is_unset(key, value) => {}
            None => {
                lost.insert(place, value.clone());
            }
        }
    }
    for (index, value) in written.as_array().into_iter().flatten().enumerate() {
        lose(value, &kept[index], &format!("{place}/{index}"), lost);
    }
}

/// Reads the JSON into a model, or says where it does not fit.
fn checked<T: serde::de::DeserializeOwned>(json: &Value) -> Result<T> {
    serde_path_to_error::deserialize(json).map_err(|error| format!("{}: {}", error.path(), error.inner()))
}

/// Puts everything but schemas where it is referred to, and the parameters and servers of a path into its operations.
fn stand_alone(document: &mut Value) {
    let whole = document.clone();
    let resolve = |value: &mut Value| {
        for _ in 0..CHAIN {
            let target = value["$ref"].as_str().and_then(|target| whole.pointer(target.strip_prefix('#')?));
            let Some(target) = target else { return };
            *value = target.clone();
        }
    };
    for (_, item) in members_mut(&mut document["paths"]) {
        resolve(item);
        let servers = item.as_object_mut().and_then(|item| item.remove("servers"));
        let mut shared = item.as_object_mut().and_then(|item| item.remove("parameters")).unwrap_or_default();
        entries_mut(&mut shared).for_each(resolve);
        for (_, operation) in members_mut(item).filter(|(method, _)| METHODS.contains(&method.as_str())) {
            let Value::Object(operation) = operation else { continue };
            operation.remove("callbacks");
            if let Some(servers) = &servers {
                operation.entry("servers").or_insert_with(|| servers.clone());
            }
            let own = operation.entry("parameters").or_insert_with(|| json!([]));
            entries_mut(own).for_each(resolve);
            for parameter in shared.as_array().into_iter().flatten() {
                let same = |other: &Value| other["name"] == parameter["name"] && other["in"] == parameter["in"];
                if let Value::Array(own) = own
                    && !own.iter().any(same)
                {
                    own.push(parameter.clone());
                }
            }
            operation.get_mut("requestBody").into_iter().for_each(resolve);
            for (_, response) in operation.get_mut("responses").into_iter().flat_map(members_mut) {
                resolve(response);
                response.get_mut("headers").into_iter().flat_map(members_mut).for_each(|(_, header)| resolve(header));
            }
        }
    }
}

/// Says a schema of 3.1 in the words of 3.0.
fn older(schema: &mut Value) {
    if schema.is_boolean() {
        *schema = if *schema == true { json!({}) } else { json!({"not": {}}) };
    }
    let Value::Object(map) = schema else { return };
    if let Some(only) = map.remove("const") {
        if only.is_string() {
            map.entry("type").or_insert_with(|| json!("string"));
        }
        map.insert("enum".to_owned(), json!([only]));
    }
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let Some(bound @ Value::Number(_)) = map.get(exclusive).cloned() else { continue };
        let (inside, outside) = (map.get(limit).and_then(Value::as_f64), bound.as_f64());
        // The tighter one of the two holds.
        if inside.is_none() || inside == outside || (inside < outside) == (limit == "minimum") {
            map.insert(limit.to_owned(), bound);
            map.insert(exclusive.to_owned(), json!(true));
        } else {
            map.remove(exclusive);
        }
    }
    if without_null(map) {
        map.insert("nullable".to_owned(), json!(true));
    }
    if map.len() > 1
        && let Some(reference) = map.remove("$ref")
    {
        add_part(map, json!({"$ref": reference}));
    }
}

fn add_part(map: &mut Map<String, Value>, part: Value) {
    if let Value::Array(parts) = map.entry("allOf").or_insert_with(|| json!([])) {
        parts.push(part);
    }
}

/// Takes null out of the types, the members and the variants, and says whether it was there.
fn without_null(map: &mut Map<String, Value>) -> bool {
    let mut found = false;
    for key in ["type", "enum", "oneOf", "anyOf"] {
        if !map.get(key).is_some_and(Value::is_array) {
            continue;
        }
        let values: Vec<Value> = entries_mut(&mut map.remove(key).unwrap_or_default()).map(Value::take).collect();
        let count = values.len();
        let is_null = |value: &Value| value.is_null() || value == "null" || value["type"] == "null";
        let values: Vec<Value> = values.into_iter().filter(|value| !is_null(value)).collect();
        let null = values.len() < count;
        found |= null;
        let (key, value) = match (key, values.as_slice()) {
            ("type", [only]) => (key, only.clone()),
            ("type", kinds) => ("anyOf", kinds.iter().map(|kind| json!({"type": kind})).collect()),
            ("oneOf" | "anyOf", [only]) if null => {
                add_part(map, only.clone());
                continue;
            }
            _ => (key, json!(values)),
        };
        map.insert(key.to_owned(), value);
    }
    found
}

/// The schemas with their references: those of the components, and those in the operations, which have none.
fn every_schema(document: &mut Value, change: &mut dyn FnMut(&mut Value, String)) {
    for (name, schema) in document.pointer_mut("/components/schemas").into_iter().flat_map(members_mut) {
        change(schema, format!("#/components/schemas/{name}"));
    }
    let mut change = |schema: Option<&mut Value>| schema.into_iter().for_each(|schema| change(schema, String::new()));
    for (_, item) in members_mut(&mut document["paths"]) {
        for (_, operation) in members_mut(item).filter(|(method, _)| METHODS.contains(&method.as_str())) {
            operation
                .get_mut("parameters")
                .into_iter()
                .flat_map(entries_mut)
                .for_each(|it| change(it.get_mut("schema")));
            let body = operation.pointer_mut("/requestBody/content").into_iter().flat_map(members_mut);
            body.for_each(|(_, media)| change(media.get_mut("schema")));
            for (_, response) in operation.get_mut("responses").into_iter().flat_map(members_mut) {
                for part in ["headers", "content"] {
                    let parts = response.get_mut(part).into_iter().flat_map(members_mut);
                    parts.for_each(|(_, part)| change(part.get_mut("schema")));
                }
            }
        }
    }
}

/// A schema and all inside it, outermost first.
fn visit(schema: &mut Value, change: fn(&mut Value)) {
    change(schema);
    inner(schema).into_iter().for_each(|schema| visit(schema, change));
}

/// The schemas right inside a schema.
pub(super) fn inner(schema: &mut Value) -> Vec<&mut Value> {
    let mut found = Vec::new();
    for (key, value) in members_mut(schema) {
        match key.as_str() {
            "properties" => found.extend(members_mut(value).map(|(_, property)| property)),
            "allOf" | "oneOf" | "anyOf" => found.extend(entries_mut(value)),
            "items" | "not" => found.push(value),
            "additionalProperties" if value.is_object() => found.push(value),
            _ => {}
        }
    }
    found
}

fn members_mut(value: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    value.as_object_mut().into_iter().flatten()
}

fn entries_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}
