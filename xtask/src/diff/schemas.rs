//! Schemas compared, the named ones and those inside.

use serde_json::Value;

use super::{
    change::{Level, Subject, shown},
    document::{self, Document},
    rust,
    walk::{Place, Walk, keys, members, renamed, shape},
};

/// What is compared on its own, limits aside; all else is compared as it is written.
const KEYS: [&str; 11] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "enum",
    "format",
    "items",
    "nullable",
    "oneOf",
    "properties",
    "required",
    "type",
];

/// Limits, and whether a greater value takes more.
const LIMITS: [(&str, Option<bool>); 13] = [
    ("exclusiveMaximum", None),
    ("exclusiveMinimum", None),
    ("maxItems", Some(true)),
    ("maxLength", Some(true)),
    ("maxProperties", Some(true)),
    ("maximum", Some(true)),
    ("minItems", Some(false)),
    ("minLength", Some(false)),
    ("minProperties", Some(false)),
    ("minimum", Some(false)),
    ("multipleOf", None),
    ("pattern", None),
    ("uniqueItems", None),
];

const TAKES_MORE: &str = "takes more";
const REFUSES: &str = "refuses what it took";

impl<'a> Walk<'a> {
    /// The named schemas that the operations did not lead to under two names.
    pub(super) fn schemas(&mut self) {
        let (old, new) = (keys(self.old.schemas()), keys(self.new.schemas()));
        for name in old.intersection(&new) {
            self.named(name, name);
        }
        let lost = old.iter().filter(|name| !new.contains(*name) && !self.renamed.contains_key(*name));
        let found = new.iter().filter(|name| !old.contains(*name) && !self.renamed.values().any(|to| to == *name));
        let lost = lost.map(|name| (Level::Breaking, "removed", *name));
        let unpaired: Vec<_> = lost.chain(found.map(|name| (Level::Addition, "added", *name))).collect();
        for (level, what, name) in unpaired {
            if self.foreign {
                self.leave_out("schemas without a match");
            } else {
                let at = self.place_of(name, name);
                self.push(level, &at, what);
            }
        }
    }

    fn place_of(&self, old: &str, new: &str) -> Place {
        let name = rust::type_name(&[self.ours(old, new)]);
        let subject = if old == new { old.to_owned() } else { format!("{old} -> {new}") };
        Place {
            subject: Subject::Schema(subject),
            path: String::new(),
            rust: self.item(&format!("types::{name}")),
            name,
            sent: (self.old.sent.contains(old), self.new.sent.contains(new)),
            quiet: false,
        }
    }

    fn named(&mut self, old: &'a str, new: &'a str) {
        let at = self.place_of(old, new);
        if self.seen.insert((old, new, at.sent, at.quiet)) {
            self.slot((&self.old.schemas()[old], true), (&self.new.schemas()[new], true), &at);
        }
    }

    /// A schema where it stands: whether it must be there, whether it may be null, and what it is.
    pub(super) fn slot(&mut self, (old, was): (&'a Value, bool), (new, is): (&'a Value, bool), at: &Place) {
        let null = |schema: &Value| schema["nullable"] == true;
        // The three steps from the old type to the new one, each a line if it changes the type.
        let first = self.old.is_option(old, was, null(old), at.sent.0);
        let second = self.old.is_option(old, is, null(old), at.sent.0);
        let third = self.old.is_option(old, is, null(new), at.sent.0);
        let fourth = self.new.is_option(new, is, null(new), at.sent.1);
        let plain = self.old.generated(old, &at.name, at.sent.0);
        let shown = |option| if option { format!("Option<{plain}>") } else { plain.clone() };
        let both = |from, to| {
            if from == to { format!("{} still", shown(to)) } else { format!("{} -> {}", shown(from), shown(to)) }
        };
        if was != is {
            let now = if is { "required" } else { "optional" };
            let (level, why) = match (first != second, at.is_sent(), is) {
                (false, true, true) => (Level::Breaking, "the vendor refuses a request without it".to_owned()),
                (false, true, false) => (Level::Addition, both(first, second)),
                (changed, ..) => (Level::of(changed), both(first, second)),
            };
            self.push(level, at, format!("{now} now: {why}"));
        }
        if null(old) != null(new) {
            let now = if null(new) { "may be null" } else { "never null" };
            self.push(Level::of(second != third), at, format!("{now} now: {}", both(second, third)));
        }
        if third != fourth && at.sent.0 != at.sent.1 {
            let now = if at.sent.1 { "sent now" } else { "no longer sent" };
            self.push(Level::Breaking, at, format!("{now}: {}", both(third, fourth)));
        }
        self.schema(old, new, at);
    }

    fn schema(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let known: Vec<&str> = KEYS.into_iter().chain(LIMITS.map(|(key, _)| key)).collect();
        self.facts(old, new, &known, at);
        let name = |schema: &'a Value| schema["$ref"].as_str().map(document::name);
        match (name(old), name(new)) {
            (None, None) => self.shape(old, new, at),
            (Some(from), Some(to)) if from == to => self.named(from, to),
            (Some(from), Some(to)) if self.is_renamed(from, to) => {
                if self.renamed.insert(from, to).is_none() {
                    self.rename(from, to);
                }
                self.named(from, to);
            }
            _ if self.foreign => self.resolved(old, new, at),
            _ => {
                let (from, to) = (rust::documented(old), rust::documented(new));
                let was = self.old.generated(old, &at.name, at.sent.0);
                let is = self.new.generated(new, &at.name, at.sent.1);
                let text = format!("type {from} -> {to}: {was} -> {is}");
                self.push(Level::of(was != is), at, text);
            }
        }
    }

    /// Whether one name stands in the old document alone and the other in the new one, and neither is paired.
    fn is_renamed(&self, from: &str, to: &str) -> bool {
        let (old, new) = (self.old.schemas(), self.new.schemas());
        let both = !old[from].is_null() && !new[to].is_null();
        let paired = self.renamed.iter().find(|(old, new)| **old == from || **new == to);
        both && new[from].is_null() && old[to].is_null() && paired.is_none_or(|(old, new)| (*old, *new) == (from, to))
    }

    fn rename(&mut self, from: &str, to: &str) {
        if self.foreign {
            return self.leave_out("names of schemas");
        }
        let at = self.place_of(from, to);
        self.push(Level::Breaking, &at, format!("renamed? {from} -> {to}"));
    }

    /// Only what it is counts where the names are not ours; what it touches is ours.
    fn resolved(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let (from, to) = (old["$ref"].as_str(), new["$ref"].as_str());
        let mut at = at.clone();
        if let Some(ours) = self.ours(from, to).map(document::name) {
            at.name = rust::type_name(&[ours]);
            at.rust = self.item(&format!("types::{}", at.name));
            let sent = self.ours(self.old, self.new).sent.contains(ours);
            at.sent = (sent, sent);
        }
        let circle = from.zip(to).is_some_and(|(from, to)| !self.seen.insert((from, to, at.sent, at.quiet)));
        match (self.old.behind(old), self.new.behind(new)) {
            (Some(old), Some(new)) if !circle => self.schema(old, new, &at),
            (Some(_), Some(_)) => {}
            _ => self.leave_out("references out of the document"),
        }
    }

    fn shape(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        self.limits(old, new, at);
        let generated = |document: &Document, schema: &Value, sent: bool| match schema["type"].as_str() {
            Some("array") => "Vec".to_owned(),
            _ => document.generated(schema, &at.name, sent && !self.foreign),
        };
        let (before, after) = (rust::documented(old), rust::documented(new));
        let (was, is) = (generated(self.old, old, at.sent.0), generated(self.new, new, at.sent.1));
        if was != is {
            let documented = if before == after { String::new() } else { format!("{before} -> {after}: ") };
            return self.push(Level::Breaking, at, format!("type {documented}{was} -> {is}"));
        }
        if before != after && was != "Vec" {
            self.push(Level::Note, at, format!("type {before} -> {after}: {was} still"));
        }
        self.members(old, new, at);
        self.fields(old, new, at);
        self.others(old, new, at);
        self.variants(old, new, at);
        if was == "Vec" {
            let at = Place { path: format!("{}[]", at.path), name: rust::type_name(&[&at.name, "item"]), ..at.clone() };
            self.slot((&old["items"], true), (&new["items"], true), &at);
        }
    }

    /// A value that was taken and is refused now breaks its sender. An answer loses its limits when it is lowered.
    fn limits(&mut self, old: &Value, new: &Value, at: &Place) {
        for (key, greater_takes_more) in LIMITS {
            let (before, after) = (limit(old, key), limit(new, key));
            if before == after || (before.is_f64() != after.is_f64() && before.as_f64() == after.as_f64()) {
                continue;
            }
            let greater = after.as_f64() > before.as_f64();
            let looser = after.is_null() || (!before.is_null() && greater_takes_more == Some(greater));
            let (level, why) = match (at.is_sent(), looser) {
                (false, _) => (Level::Note, "answers are read without limits"),
                (true, true) => (Level::Addition, TAKES_MORE),
                (true, false) => (Level::Breaking, REFUSES),
            };
            self.push(level, at, format!("{key} {} -> {}: {why}", shown(&before), shown(&after)));
        }
    }

    /// A member that goes takes its variant along. One that comes is an addition also to a closed enum, which only
    /// requests have: callers make its values, and whoever matches on their own requests is told by the compiler.
    fn members(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let (before, after) = (&old["enum"], &new["enum"]);
        if before.is_null() != after.is_null() {
            let (level, why) = if after.is_null() { (Level::Addition, TAKES_MORE) } else { (Level::Breaking, REFUSES) };
            return self.push(level, at, format!("enum {} -> {}: {why}", shown(before), shown(after)));
        }
        let values = |schema: &'a Value| schema["enum"].as_array().into_iter().flatten();
        let open = old["x-open"] == true || new["x-open"] == true;
        for (level, what, members, others) in
            [(Level::Breaking, "removed", old, new), (Level::Addition, "added", new, old)]
        {
            for member in values(members).filter(|member| !values(others).any(|other| other == *member)) {
                let variant = member.as_str().map(|member| rust::variant(member, open));
                let item = variant.map(|variant| self.item(&format!("types::{}::{variant}", at.name)));
                let at = Place { rust: item.unwrap_or_else(|| at.rust.clone()), ..at.clone() };
                self.push(level, &at, format!("member {} {what}", shown(member)));
            }
        }
    }

    fn fields(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let (before, after) = (&old["properties"], &new["properties"]);
        let gone: Vec<&str> = keys(before).difference(&keys(after)).copied().collect();
        let came: Vec<&str> = keys(after).difference(&keys(before)).copied().collect();
        let pairs =
            renamed(gone.iter().map(|name| (*name, &before[name])), came.iter().map(|name| (*name, &after[name])));
        for name in &gone {
            let text = match pairs.get(name) {
                Some(to) => format!("renamed? {name} -> {to}"),
                None => "removed".to_owned(),
            };
            self.push(Level::Breaking, &self.field(at, name), text);
        }
        for name in came.iter().filter(|name| !pairs.values().any(|to| to == *name)) {
            let must = if requires(new, name) { "required" } else { "optional" };
            let (level, why) = match (at.is_sent(), requires(new, name)) {
                (true, true) => (Level::Breaking, "the vendor refuses a request without it"),
                _ => (Level::Addition, "a struct literal without `..` needs it"),
            };
            self.push(level, &self.field(at, name), format!("added, {must}: {why}"));
        }
        for (name, property) in members(before) {
            let to = pairs.get(name).copied().unwrap_or(name);
            if !after[to].is_null() {
                let at = self.field(at, self.ours(name, to));
                self.slot((property, requires(old, name)), (&after[to], requires(new, to)), &at);
            }
        }
        let had_default = self.old.has_default(old, at.sent.0, &mut self.defaults.0);
        match (had_default, self.new.has_default(new, at.sent.1, &mut self.defaults.1)) {
            _ if self.foreign => {}
            (true, false) => self.push(Level::Breaking, at, "no `Default` any more"),
            (false, true) => self.push(Level::Addition, at, "has a `Default`"),
            _ => {}
        }
    }

    fn field(&self, at: &Place, name: &str) -> Place {
        let path = if at.path.is_empty() { name.to_owned() } else { format!("{}.{name}", at.path) };
        let rust = self.item(&format!("types::{}.{}", at.name, rust::field(name)));
        Place { path, rust, name: rust::type_name(&[&at.name, name]), ..at.clone() }
    }

    /// What else an object may hold.
    fn others(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let (before, after) = (&old["additionalProperties"], &new["additionalProperties"]);
        let unset = |value: &Value| value.is_null() || *value == true;
        if before.is_object() && after.is_object() {
            let at = Place { name: rust::type_name(&[&at.name, "value"]), ..at.within("{}") };
            self.slot((before, true), (after, true), &at);
        } else if before != after && !(unset(before) && unset(after)) {
            let text = format!("additionalProperties {} -> {}", shown(before), shown(after));
            let strict = *after == false || before.is_object() || after.is_object();
            self.push(if strict { Level::Breaking } else { Level::Note }, at, text);
        }
    }

    /// Variants pair by what is written, else by what that leads to. The generated enum of `oneOf` and `anyOf` is closed:
    /// one more variant in an answer is one more to match.
    fn variants(&mut self, old: &'a Value, new: &'a Value, at: &Place) {
        let all = |schema: &'a Value| -> Vec<&'a Value> {
            ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten().collect()
        };
        let (mut gone, mut came) = (all(old), all(new));
        let by: [fn(&Document, &Value) -> String; 2] =
            [|_, variant| shape(variant), |document, variant| document.behind(variant).map(shape).unwrap_or_default()];
        for key in by {
            for variant in std::mem::take(&mut gone) {
                let written = key(self.old, variant);
                match came.iter().position(|other| key(self.new, other) == written) {
                    Some(same) => self.slot((variant, true), (came.remove(same), true), at),
                    None => gone.push(variant),
                }
            }
        }
        if let (true, ([before], [after])) = (self.foreign, (gone.as_slice(), came.as_slice())) {
            return self.slot((before, true), (after, true), at);
        }
        let level = if at.is_sent() { Level::Addition } else { Level::Breaking };
        for (level, what, variant) in gone
            .into_iter()
            .map(|variant| (Level::Breaking, "removed", variant))
            .chain(came.into_iter().map(|variant| (level, "added", variant)))
        {
            self.push(level, at, format!("variant {} {what}", rust::documented(variant)));
        }
    }
}

/// A limit; nothing, if all keep to it.
fn limit(schema: &Value, key: &str) -> Value {
    let value = &schema[key];
    let none = *value == false || (*value == 0 && ["minItems", "minLength", "minProperties"].contains(&key));
    if none { Value::Null } else { value.clone() }
}

fn requires(schema: &Value, field: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == field))
}
