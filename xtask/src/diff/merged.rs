//! `allOf` resolved: one reference with remarks becomes a reference with remarks, all else one schema.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::document::inner;

/// What may stand beside a reference without making another schema of it; `x-` marks too.
const REMARKS: [&str; 10] = [
    "default",
    "deprecated",
    "description",
    "example",
    "externalDocs",
    "nullable",
    "readOnly",
    "title",
    "type",
    "writeOnly",
];

/// Schemas that are resolved one after the other.
pub(super) struct Merged<'a> {
    whole: &'a Value,
    /// The schemas that are being resolved around it, where a circle ends.
    open: Vec<String>,
    /// Those that are, each in whole: many may refer to one.
    done: BTreeMap<String, Value>,
    /// How often a circle was cut. What was cut is not whole.
    circles: usize,
}

impl<'a> Merged<'a> {
    /// Those of a document.
    pub(super) fn of(whole: &'a Value) -> Self {
        Self { whole, open: Vec::new(), done: BTreeMap::new(), circles: 0 }
    }

    /// Resolves a schema with its reference, which is empty for one that has none.
    pub(super) fn named(&mut self, schema: &mut Value, reference: String) {
        self.open = vec![reference];
        self.merge(schema);
    }

    fn merge(&mut self, schema: &mut Value) {
        if let Value::Object(map) = schema
            && let Some(Value::Array(parts)) = map.remove("allOf")
        {
            let mut references = Vec::new();
            for mut part in parts {
                self.merge(&mut part);
                references.extend(without_reference(&mut part));
                absorb(map, part);
            }
            let remarks = map.keys().all(|key| REMARKS.contains(&key.as_str()) || key.starts_with("x-"));
            if let ([only], true) = (references.as_slice(), remarks) {
                map.remove("type");
                map.insert("$ref".to_owned(), json!(only));
                return;
            }
            for reference in references {
                absorb(map, self.target(&reference));
            }
        }
        for schema in inner(schema) {
            self.merge(schema);
        }
    }

    /// The schema that a reference leads to, resolved itself; nothing in a circle.
    fn target(&mut self, reference: &str) -> Value {
        if let Some(target) = self.done.get(reference) {
            return target.clone();
        }
        if self.open.iter().any(|open| open == reference) {
            self.circles += 1;
            return Value::Null;
        }
        let target = reference.strip_prefix('#').and_then(|pointer| self.whole.pointer(pointer));
        let (mut target, circles) = (target.cloned().unwrap_or_default(), self.circles);
        self.open.push(reference.to_owned());
        self.merge(&mut target);
        if let Some(next) = without_reference(&mut target)
            && let Value::Object(map) = &mut target
        {
            absorb(map, self.target(&next));
        }
        self.open.pop();
        if self.circles == circles {
            self.done.insert(reference.to_owned(), target.clone());
        }
        target
    }
}

/// Takes the reference out of a schema.
fn without_reference(schema: &mut Value) -> Option<String> {
    let reference = schema.as_object_mut()?.remove("$ref")?;
    reference.as_str().map(str::to_owned)
}

/// Adds what a part of an `allOf` says to what is there.
fn absorb(map: &mut Map<String, Value>, part: Value) {
    let Value::Object(part) = part else { return };
    for (key, value) in part {
        match (map.get_mut(&key), value) {
            (Some(Value::Object(fields)), Value::Object(more)) if key == "properties" => fields.extend(more),
            (Some(Value::Array(names)), Value::Array(more)) if key == "required" => names.extend(more),
            (Some(_), _) => {}
            (None, value) => {
                map.insert(key, value);
            }
        }
    }
}
