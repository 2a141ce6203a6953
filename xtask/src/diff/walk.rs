//! The way through two documents at once, and what every part of them has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    change::{Change, Changes, Level, Subject, difference},
    document::Document,
};
use crate::lower;

/// Two references, whether a caller sends what they lead to, and whether it reaches one at all.
pub(super) type Seen<'a> = (&'a str, &'a str, (bool, bool), bool);

/// Two documents on their way to a list of changes.
pub(super) struct Walk<'a> {
    pub(super) old: &'a Document,
    pub(super) new: &'a Document,
    /// The module of the crate, if it is known.
    pub(super) module: &'a str,
    /// Whether one document alone is curated. Then names of types, texts and marks differ everywhere, and tell nothing.
    pub(super) foreign: bool,
    /// The schemas that bear another name now, old to new.
    pub(super) renamed: BTreeMap<&'a str, &'a str>,
    /// The pairs of schemas that were compared, so that a circle ends.
    pub(super) seen: BTreeSet<Seen<'a>>,
    /// Whether the named structs have a `Default`, old and new.
    pub(super) defaults: (BTreeMap<&'a str, bool>, BTreeMap<&'a str, bool>),
    pub(super) changes: Changes,
}

/// Where a comparison is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) subject: Subject,
    /// Inside the subject: `body parties.receiver`.
    pub(super) path: String,
    /// The generated item that is touched.
    pub(super) rust: String,
    /// What an inline schema is called here in Rust.
    pub(super) name: String,
    /// Whether a caller sends it, in the old document and in the new one. Then its limits stay when it is lowered.
    pub(super) sent: (bool, bool),
    /// Whether nothing here reaches a caller.
    pub(super) quiet: bool,
}

impl Place {
    /// A place further in.
    pub(super) fn within(&self, part: &str) -> Self {
        let path = if self.path.is_empty() { part.to_owned() } else { format!("{} {part}", self.path) };
        Self { path, ..self.clone() }
    }

    /// Whether a caller sends it or sent it, so that what the vendor demands is the caller's to give.
    pub(super) fn is_sent(&self) -> bool {
        self.sent.0 || self.sent.1
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(old: &'a Document, new: &'a Document, module: &'a str) -> Self {
        let foreign = old.curated != new.curated;
        let (renamed, seen, defaults, changes) = Default::default();
        Self { old, new, module, foreign, renamed, seen, defaults, changes }
    }

    /// Whichever of the two is of the curated document, whose names are those of the generated code.
    pub(super) fn ours<T>(&self, old: T, new: T) -> T {
        if self.new.curated && !self.old.curated { new } else { old }
    }

    /// A generated item with its module.
    pub(super) fn item(&self, path: &str) -> String {
        if self.module.is_empty() { path.to_owned() } else { format!("{}::{path}", self.module) }
    }

    pub(super) fn push(&mut self, level: Level, at: &Place, text: impl AsRef<str>) {
        let text =
            if at.path.is_empty() { text.as_ref().to_owned() } else { format!("{}: {}", at.path, text.as_ref()) };
        let level = if at.quiet { Level::Note } else { level };
        self.changes.all.push(Change { level, subject: at.subject.clone(), text, rust: at.rust.clone() });
    }

    pub(super) fn leave_out(&mut self, what: &str) {
        *self.changes.left_out.entry(what.to_owned()).or_default() += 1;
    }

    /// The server and the document's own texts.
    pub(super) fn document(&mut self) {
        let at = Place {
            subject: Subject::Document,
            path: String::new(),
            rust: String::new(),
            name: String::new(),
            sent: (false, false),
            quiet: true,
        };
        let urls = |document: &Document| {
            let servers = document.json["servers"].as_array().cloned().unwrap_or_default();
            json!({"servers": servers.iter().map(|server| &server["url"]).collect::<Vec<_>>()})
        };
        let known = if self.foreign { &["version", "title", "contact", "license", "termsOfService"][..] } else { &[] };
        self.facts(&urls(self.old), &urls(self.new), &[], &at);
        self.facts(&self.old.json["info"], &self.new.json["info"], known, &at);
        let (before, after) = (&self.old.lost, &self.new.lost);
        let places: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for place in places.into_iter().filter(|place| before.get(*place) != after.get(*place)) {
            self.leave_out(lower::last(place));
        }
    }

    /// Whatever two things say that has no comparison of its own: texts, marks, defaults, and keys not thought of.
    pub(super) fn facts(&mut self, old: &Value, new: &Value, known: &[&str], at: &Place) {
        for key in keys(old).union(&keys(new)).filter(|key| !known.contains(key)) {
            let (before, after) = (&old[key], &new[key]);
            let difference = difference(before, after);
            if before == after || difference.is_empty() || (is_unset(key, before) && is_unset(key, after)) {
                continue;
            }
            let text = ["description", "summary", "title", "example", "examples", "externalDocs", "tags"].contains(key);
            if self.foreign && (text || key.starts_with("x-")) {
                self.leave_out(key);
                continue;
            }
            let (level, why) = weight(key, before, after, at.is_sent());
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            self.push(level, at, format!("{key} {difference}{why}"));
        }
    }
}

/// What a change of a key does to a caller, and why. Where money may move, what is sent a second time weighs most: a
/// call that is repeated now and was not may pay twice, and one no longer repeated fails where it did not.
fn weight(key: &str, old: &Value, new: &Value, sent: bool) -> (Level, &'static str) {
    let was_and_is = !old.is_null() && !new.is_null();
    match key {
        "x-replay" => (Level::Breaking, "another rule for what is sent twice"),
        "x-open" => (Level::Breaking, "another kind of enum"),
        "default" if sent && was_and_is => (Level::Breaking, "left out, it means something else"),
        "servers" => (Level::Note, "the client's own is written by hand"),
        _ => (Level::Note, ""),
    }
}

/// Absent, or what absent means.
pub(super) fn is_unset(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        _ if ["default", "explode"].contains(&key) => false,
        Value::Bool(set) => !set,
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The members of an object by name, whichever order serde_json keeps.
pub(super) fn members(object: &Value) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = object.as_object().into_iter().flatten().map(|(name, value)| (&**name, value)).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

/// The names of an object's members.
pub(super) fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// What went and came with one shape alone on either side: most likely the same thing under another name.
pub(super) fn renamed<'a>(
    gone: impl Iterator<Item = (&'a str, &'a Value)>,
    came: impl Iterator<Item = (&'a str, &'a Value)>,
) -> BTreeMap<&'a str, &'a str> {
    let mut shapes: BTreeMap<String, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for (name, schema) in gone {
        shapes.entry(shape(schema)).or_default().0.push(name);
    }
    for (name, schema) in came {
        shapes.entry(shape(schema)).or_default().1.push(name);
    }
    let pairs = shapes.into_values().filter_map(|pair| match (pair.0.as_slice(), pair.1.as_slice()) {
        ([from], [to]) => Some((*from, *to)),
        _ => None,
    });
    pairs.collect()
}

/// A schema less its texts and marks, and those of the schemas inside.
pub(super) fn shape(schema: &Value) -> String {
    let mark = |key: &str| key.starts_with("x-") || ["description", "example", "title"].contains(&key);
    let joined = |parts: Vec<String>| parts.join(", ");
    match schema {
        Value::Object(_) => {
            let facts = members(schema).into_iter().filter(|(key, _)| !mark(key)).map(|(key, value)| match key {
                "properties" => {
                    let fields = members(value).into_iter().map(|(name, field)| format!("{name}: {}", shape(field)));
                    format!("{key}: {{{}}}", joined(fields.collect()))
                }
                _ => format!("{key}: {}", shape(value)),
            });
            format!("{{{}}}", joined(facts.collect()))
        }
        Value::Array(values) => format!("[{}]", joined(values.iter().map(shape).collect())),
        value => value.to_string(),
    }
}
