//! Operations, their parameters, bodies and answers, compared.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase;
use serde_json::{Map, Value};

use super::{
    change::{Level, Subject, shown},
    document::{Document, METHODS},
    rust,
    walk::{Place, Walk, keys, members, renamed},
};

/// What is compared on its own, the rest as it is written.
const OPERATION: [&str; 5] = ["operationId", "parameters", "requestBody", "responses", "security"];
const PARAMETER: [&str; 4] = ["name", "in", "required", "schema"];
const BODY: [&str; 2] = ["content", "required"];
const RESPONSE: [&str; 2] = ["content", "headers"];
const MEDIA: [&str; 3] = ["schema", "example", "examples"];

/// An operation with its place.
struct Call<'a> {
    /// `operationId`, as the generated function is named.
    id: String,
    /// `GET /things/{thing}`.
    place: String,
    /// The same behind the server's path.
    full: String,
    json: &'a Value,
}

impl<'a> Call<'a> {
    fn all(document: &'a Document) -> Vec<Self> {
        let mut calls = Vec::new();
        for (path, item) in members(&document.json["paths"]) {
            for (method, json) in members(item).into_iter().filter(|(method, _)| METHODS.contains(method)) {
                let method = method.to_uppercase();
                let id = json["operationId"].as_str().unwrap_or_default().to_snake_case();
                let servers = json.get("servers").unwrap_or(&document.json["servers"]);
                let base = base(&servers[0]);
                calls.push(Self {
                    id,
                    place: format!("{method} {path}"),
                    full: format!("{method} {base}{path}"),
                    json,
                });
            }
        }
        calls
    }

    /// What the caller knows it by.
    fn name(&self) -> &str {
        if self.id.is_empty() { &self.place } else { &self.id }
    }

    /// By place and name: those in the path by their order, as the generated function takes them.
    fn parameters(&self) -> BTreeMap<String, &'a Value> {
        let names: Vec<&str> = self.place.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        let parameters = self.json["parameters"].as_array().into_iter().flatten();
        let keyed = parameters.map(|parameter| {
            let name = parameter["name"].as_str().unwrap_or_default();
            match (parameter["in"].as_str().unwrap_or_default(), names.iter().position(|other| *other == name)) {
                ("path", Some(position)) => (format!("path {}", position + 1), parameter),
                ("header", _) => (format!("header {}", name.to_lowercase()), parameter),
                (place, _) => (format!("{place} {name}"), parameter),
            }
        });
        keyed.collect()
    }
}

/// The path of a server's address, variables left open.
fn base(server: &Value) -> String {
    let url = server["url"].as_str().unwrap_or_default();
    let path = url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
    path.trim_end_matches('/').to_owned()
}

/// A path whatever its parameters are called.
fn erased(path: &str) -> String {
    let parts = path.split('{').enumerate();
    let parts: String =
        parts.map(|(at, part)| if at == 0 { part } else { part.find('}').map_or(part, |end| &part[end..]) }).collect();
    parts.trim_end_matches('/').to_owned()
}

impl<'a> Walk<'a> {
    /// Pairs the operations by their place, else by their whole address, else by their name, and compares them.
    pub(super) fn operations(&mut self) {
        let (mut old, mut new) = (Call::all(self.old), Call::all(self.new));
        let by: [fn(&Call<'_>) -> String; 3] =
            [|call| erased(&call.place), |call| erased(&call.full), |call| call.id.clone()];
        for key in by {
            for call in std::mem::take(&mut old) {
                let same = |other: &Call<'_>| !key(&call).is_empty() && key(other) == key(&call);
                match new.iter().position(same) {
                    Some(at) => self.operation(&call, &new.remove(at)),
                    None => old.push(call),
                }
            }
        }
        for (call, level, what) in old
            .iter()
            .map(|call| (call, Level::Breaking, "removed"))
            .chain(new.iter().map(|call| (call, Level::Addition, "added")))
        {
            self.push(level, &self.call(call), format!("{what}: {}", call.place));
        }
    }

    fn call(&self, call: &Call<'_>) -> Place {
        let rust = if call.id.is_empty() { String::new() } else { self.item(&format!("raw::Client::{}", call.id)) };
        Place {
            subject: Subject::Operation(call.name().to_owned()),
            path: String::new(),
            rust,
            name: rust::type_name(&[&call.id]),
            sent: (true, true),
            quiet: false,
        }
    }

    fn operation(&mut self, old: &Call<'a>, new: &Call<'a>) {
        let at = self.call(self.ours(old, new));
        if old.id != new.id && self.foreign {
            self.leave_out("operationId");
        } else if old.id != new.id {
            self.push(Level::Breaking, &at, format!("renamed {} -> {}", old.name(), new.name()));
        }
        let elsewhere = erased(&old.place) != erased(&new.place) && erased(&old.full) != erased(&new.full);
        if old.place != new.place && !self.foreign {
            self.push(Level::Note, &at, format!("moved {} -> {}", old.place, new.place));
        } else if elsewhere && self.foreign {
            self.push(Level::Breaking, &at, format!("moved {} -> {}: one of them is not there", old.place, new.place));
        }
        self.facts(old.json, new.json, &OPERATION, &at);
        self.parameters(old, new, &at);
        self.body(&old.json["requestBody"], &new.json["requestBody"], &at);
        self.responses(&old.json["responses"], &new.json["responses"], &at);
        let (before, after) = (security(self.old, old.json), security(self.new, new.json));
        if before != after {
            self.push(Level::Breaking, &at, format!("security {before} -> {after}: calls are authorised by hand"));
        } else {
            self.facts(&schemes(self.old, old.json), &schemes(self.new, new.json), &[], &at);
        }
    }

    /// The generated functions take parameters by position, so each that comes or goes breaks their callers.
    fn parameters(&mut self, old: &Call<'a>, new: &Call<'a>, at: &Place) {
        let (old, new) = (old.parameters(), new.parameters());
        let gone: Vec<_> = old.iter().filter(|(key, _)| !new.contains_key(*key)).collect();
        let came: Vec<_> = new.iter().filter(|(key, _)| !old.contains_key(*key)).collect();
        let pairs = renamed(
            gone.iter().map(|(key, parameter)| (key.as_str(), &parameter["schema"])),
            came.iter().map(|(key, parameter)| (key.as_str(), &parameter["schema"])),
        );
        for (key, parameter) in &gone {
            let renamed = pairs.get(key.as_str()).and_then(|to| new.get(*to));
            let text = match renamed {
                Some(to) => format!("renamed? {} -> {}", called(parameter), called(to)),
                None => "removed".to_owned(),
            };
            self.push(Level::Breaking, &at.within(&called(parameter)), text);
        }
        for (_, parameter) in came.iter().filter(|(key, _)| !pairs.values().any(|to| to == key)) {
            let must = if parameter["required"] == true { "required" } else { "optional" };
            let text = format!("added, {must}: the function takes one more argument");
            self.push(Level::Breaking, &at.within(&called(parameter)), text);
        }
        for (key, before) in &old {
            let after = new.get(key).or_else(|| new.get(*pairs.get(key.as_str())?));
            let Some(after) = after else { continue };
            let parameter = self.ours(before, after);
            let name = rust::type_name(&[&at.name, parameter["name"].as_str().unwrap_or_default()]);
            let at = Place { name, ..at.within(&called(parameter)) };
            self.facts(before, after, &PARAMETER, &at);
            let required = |parameter: &Value| parameter["required"] == true;
            self.slot((&before["schema"], required(before)), (&after["schema"], required(after)), &at);
        }
    }

    fn body(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let at = Place { name: rust::type_name(&[&at.name, "body"]), ..at.within("body") };
        match (old.is_null(), new.is_null()) {
            (true, true) => return,
            (true, false) => return self.push(Level::Breaking, &at, "added: the function takes one more argument"),
            (false, true) => return self.push(Level::Breaking, &at, "removed"),
            (false, false) => {}
        }
        self.facts(old, new, &BODY, &at);
        if (old["required"] == true) != (new["required"] == true) {
            let now = if new["required"] == true { "required" } else { "optional" };
            self.push(Level::Note, &at, format!("{now} now: the function takes one either way"));
        }
        let (before, after) = (keys(&old["content"]), keys(&new["content"]));
        if !before.is_subset(&after) {
            self.push(Level::Breaking, &at, format!("{} -> {}", list(&before), list(&after)));
        } else if before != after {
            self.push(Level::Addition, &at, format!("{} -> {}", list(&before), list(&after)));
        }
        self.media(&old["content"], &new["content"], &at);
    }

    /// The schemas of the kinds of content that both have.
    fn media(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        for (kind, before) in members(old) {
            let Some(after) = new.get(kind) else { continue };
            self.facts(before, after, &MEDIA, at);
            match (before.get("schema"), after.get("schema")) {
                (Some(before), Some(after)) => self.slot((before, true), (after, true), at),
                (Some(_), None) => self.push(Level::Breaking, at, "schema removed"),
                (None, Some(_)) => self.push(Level::Breaking, at, "schema added"),
                (None, None) => {}
            }
        }
    }

    /// One success stays when a spec is lowered; errors are read by their status, whatever their body.
    fn responses(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let (before, after) = (keys(old), keys(new));
        let successes = |codes: &BTreeSet<&'a str>| -> BTreeSet<&'a str> {
            codes.iter().copied().filter(|code| code.starts_with('2')).collect()
        };
        let (was, is) = (successes(&before), successes(&after));
        if was != is && was.len() == 1 && is.len() == 1 {
            let text = format!("status {} -> {}: any 2xx is a success either way", list(&was), list(&is));
            self.push(Level::Note, at, text);
        } else if was != is {
            let text = format!("status {} -> {}: other answers are taken for a success", list(&was), list(&is));
            self.push(Level::Breaking, at, text);
        }
        for code in before.symmetric_difference(&after).filter(|code| !code.starts_with('2')) {
            let what = if before.contains(code) { "removed" } else { "added" };
            self.push(Level::Note, at, format!("status {code}: {what}"));
        }
        if let (Some(was), Some(is)) = (was.first(), is.first())
            && was != is
        {
            self.response(&old[was], &new[is], &Place { sent: (false, false), ..at.within(is) });
        }
        for code in before.intersection(&after) {
            let error = !code.starts_with('2');
            self.response(&old[code], &new[code], &Place { sent: (false, false), quiet: error, ..at.within(code) });
        }
    }

    fn response(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        self.facts(old, new, &RESPONSE, at);
        let at = Place { name: rust::type_name(&[&at.name, "response"]), ..at.clone() };
        let (before, after) = (keys(&old["content"]), keys(&new["content"]));
        if before != after {
            self.push(Level::Breaking, &at, format!("{} -> {}", list(&before), list(&after)));
        }
        self.media(&old["content"], &new["content"], &at);
        self.headers(&old["headers"], &new["headers"], &at);
    }

    /// Generated code hands out headers as they come.
    fn headers(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        for name in keys(old).union(&keys(new)) {
            let at = Place { quiet: true, ..at.within(&format!("header {name}")) };
            let (before, after) = (&old[name], &new[name]);
            match (before.is_null(), after.is_null()) {
                (true, _) => self.push(Level::Note, &at, "added"),
                (_, true) => self.push(Level::Note, &at, "removed"),
                _ => {
                    self.facts(before, after, &["schema"], &at);
                    self.slot((&before["schema"], true), (&after["schema"], true), &at);
                }
            }
        }
    }
}

/// `header Idempotency-Key`.
fn called(parameter: &Value) -> String {
    ["in", "name"].map(|key| parameter[key].as_str().unwrap_or_default()).join(" ")
}

fn list(names: &BTreeSet<&str>) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.iter().copied().collect::<Vec<_>>().join(" + ") }
}

/// How an operation is authorised, by what the schemes are, not by what they are called.
fn security(document: &Document, operation: &Value) -> String {
    let scheme = |(name, _): (&str, &Value)| {
        let scheme = &document.json["components"]["securitySchemes"][name];
        let words: Vec<&str> =
            ["type", "scheme", "in", "name"].iter().filter_map(|key| scheme[*key].as_str()).collect();
        if words.is_empty() { name.to_owned() } else { words.join(" ") }
    };
    let ways: Vec<String> = needs(document, operation)
        .map(|need| members(need).into_iter().map(scheme).collect::<Vec<_>>().join(" with "))
        .collect();
    if ways.is_empty() { shown(&Value::Null) } else { ways.join(" or ") }
}

/// What the schemes of an operation say beyond their kind.
fn schemes(document: &Document, operation: &Value) -> Value {
    let needs: Vec<(&str, &Value)> = needs(document, operation).flat_map(members).collect();
    let scheme = |name: &str| &document.json["components"]["securitySchemes"][name];
    let mut said = Map::new();
    for key in ["bearerFormat", "flows", "openIdConnectUrl"] {
        said.insert(key.to_owned(), needs.iter().filter_map(|(name, _)| scheme(name).get(key)).cloned().collect());
    }
    let scopes = needs.iter().flat_map(|(_, scopes)| scopes.as_array().into_iter().flatten());
    said.insert("scopes".to_owned(), scopes.cloned().collect());
    Value::Object(said)
}

/// The ways to authorise an operation.
fn needs<'a>(document: &'a Document, operation: &'a Value) -> impl Iterator<Item = &'a Value> {
    let own = operation.get("security").unwrap_or(&document.json["security"]);
    own.as_array().into_iter().flatten()
}
