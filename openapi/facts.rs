//! What a spec says, fact by fact, and where each of them is from.
//!
//! A mark holds for all within, until a nearer one says otherwise. What stands behind a `$ref` has its own: it is
//! shared, and nothing around it speaks for it.

use openapiv3::OpenAPI;
use serde_json::Value;

use super::{Entry, SOURCE, entries};

/// One thing that a spec says.
pub(crate) struct Fact {
    /// The operation or the schema that it is part of, or `access`.
    pub(crate) owner: String,
    /// Which part: `query page`, `202 Retry-After`, or a field's name.
    pub(crate) name: String,
    /// The mark that holds for it.
    pub(crate) mark: Mark,
}

/// An `x-source` with its `x-reason`; empty, where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Mark {
    /// One of [`SOURCE`].
    pub(crate) source: String,
    /// Why it is believed, if it is inferred.
    pub(crate) reason: String,
}

impl Mark {
    /// What a thing bears itself.
    fn on(thing: &Value) -> Self {
        let word = |name: &str| thing[name].as_str().unwrap_or_default().to_owned();
        Self { source: word("x-source"), reason: word("x-reason") }
    }

    /// What holds for a thing that stands within: its own mark, or this one.
    fn within(&self, thing: &Value) -> Self {
        if thing.get("x-source").is_some() { Self::on(thing) } else { self.clone() }
    }

    /// The same for what may stand elsewhere.
    fn behind<'a>(&self, spec: &'a Value, given: &'a Value) -> (&'a Value, Self) {
        match target(spec, given) {
            Some(target) => (target, Self::on(target)),
            None => (given, self.within(given)),
        }
    }
}

/// Every fact: how the API is reached, its operations, its schemas, in the spec's order.
pub(crate) fn facts(spec: &OpenAPI) -> Vec<Fact> {
    let tree = tree(spec);
    let mut facts = owned("access", access(&tree));
    for entry in entries(spec) {
        let Entry { id, method, path, operation } = &entry;
        let operation = serde_json::to_value(operation).unwrap_or_default();
        facts.extend(owned(&format!("{id}, {method} {path}"), call(&tree, &operation)));
    }
    for name in spec.components.iter().flat_map(|components| components.schemas.keys()) {
        let schema = &tree["components"]["schemas"][name];
        let mut parts = Vec::new();
        fields("", schema, &Mark::on(schema), &mut parts);
        if parts.is_empty() {
            let whole = if schema.get("enum").is_some() { "values" } else { "type" };
            parts.push((whole.to_owned(), Mark::on(schema)));
        }
        facts.extend(owned(name, parts));
    }
    facts
}

/// What is wrong with the marks of a spec: each definition bears one, and none is unknown or lacks its reason.
pub(crate) fn unsound(spec: &OpenAPI) -> Vec<String> {
    let tree = tree(spec);
    let mut wrong = Vec::new();
    for (place, definition) in definitions(&tree) {
        if definition.get("x-source").is_none() && target(&tree, definition).is_none() {
            wrong.push(format!("{place}: x-source must be one of {}", SOURCE.join(", ")));
        }
    }
    marks("", &tree, &mut wrong);
    wrong
}

type Part = (String, Mark);

fn owned(owner: &str, parts: Vec<Part>) -> Vec<Fact> {
    parts.into_iter().map(|(name, mark)| Fact { owner: owner.to_owned(), name, mark }).collect()
}

fn access(tree: &Value) -> Vec<Part> {
    let servers = list(&tree["servers"]).map(|server| (format!("server {}", word(server, "url")), Mark::on(server)));
    let schemes = members(&tree["components"]["securitySchemes"]).into_iter();
    servers.chain(schemes.map(|(name, scheme)| (format!("security {name}"), Mark::on(scheme)))).collect()
}

fn call(tree: &Value, operation: &Value) -> Vec<Part> {
    let mark = Mark::on(operation);
    let mut parts = vec![("call".to_owned(), mark.clone())];
    for given in list(&operation["parameters"]) {
        let (parameter, mark) = mark.behind(tree, given);
        parts.push((format!("{} {}", word(parameter, "in"), word(parameter, "name")), mark));
    }
    if let Some(given) = operation.get("requestBody") {
        let (body, mark) = mark.behind(tree, given);
        parts.extend(content("body", body, &mark));
    }
    for (status, given) in members(&operation["responses"]) {
        let (response, mark) = mark.behind(tree, given);
        parts.push((status.to_owned(), mark.clone()));
        parts.extend(content(&format!("{status} body"), response, &mark));
        let headers = members(&response["headers"]).into_iter();
        parts.extend(headers.map(|(name, given)| (format!("{status} {name}"), mark.behind(tree, given).1)));
    }
    parts
}

/// What comes as a body; by its media types, if there are several.
fn content(name: &str, owner: &Value, mark: &Mark) -> Vec<Part> {
    let media = members(&owner["content"]);
    let several = media.len() > 1;
    let name = |kind: &str| if several { format!("{name} {kind}") } else { name.to_owned() };
    media.iter().map(|(kind, media)| (name(kind), mark.within(media))).collect()
}

/// The fields of a schema, and of those written out inside it.
fn fields(place: &str, schema: &Value, mark: &Mark, parts: &mut Vec<Part>) {
    for (name, field) in members(&schema["properties"]) {
        let (place, mark) = (format!("{place}{name}"), mark.within(field));
        parts.push((place.clone(), mark.clone()));
        fields(&format!("{place}."), field, &mark, parts);
    }
    let inside = ["items", "additionalProperties"].into_iter().filter_map(|key| schema.get(key));
    let choices = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| list(&schema[key]));
    for inner in inside.chain(choices) {
        fields(place, inner, &mark.within(inner), parts);
    }
}

/// All that is written down to be shared or called, hence stands in nothing that could speak for it.
fn definitions(tree: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (index, server) in list(&tree["servers"]).enumerate() {
        found.push((format!("/servers/{index}"), server));
    }
    for (path, item) in members(&tree["paths"]) {
        let operations = members(item).into_iter().filter(|(_, operation)| operation.get("responses").is_some());
        found.extend(operations.map(|(method, operation)| (format!("/paths/{path}/{method}"), operation)));
    }
    for (kind, shared) in members(&tree["components"]) {
        let shared = members(shared).into_iter();
        found.extend(shared.map(|(name, definition)| (format!("/components/{kind}/{name}"), definition)));
    }
    found
}

/// Looks at each mark, wherever it stands.
fn marks(place: &str, value: &Value, wrong: &mut Vec<String>) {
    if let Some(source) = value.get("x-source") {
        let Mark { source: known, reason } = Mark::on(value);
        if !SOURCE.contains(&known.as_str()) {
            wrong.push(format!("{place}: x-source is {source}, and must be one of {}", SOURCE.join(", ")));
        }
        if known == "inferred" && reason.is_empty() {
            wrong.push(format!("{place}: inferred, and no x-reason"));
        }
    } else if value.get("x-reason").is_some() {
        wrong.push(format!("{place}: an x-reason, and no x-source"));
    }
    for (key, inner) in members(value) {
        marks(&format!("{place}/{key}"), inner, wrong);
    }
    for (index, inner) in list(value).enumerate() {
        marks(&format!("{place}/{index}"), inner, wrong);
    }
}

fn tree(spec: &OpenAPI) -> Value {
    serde_json::to_value(spec).unwrap_or_default()
}

fn target<'a>(tree: &'a Value, given: &Value) -> Option<&'a Value> {
    tree.pointer(given["$ref"].as_str()?.trim_start_matches('#'))
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The members of an object by name, whichever order serde_json keeps.
fn members(object: &Value) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = object.as_object().into_iter().flatten().map(|(name, value)| (&**name, value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}
