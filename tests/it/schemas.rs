//! The JSON Schema that is derived from each generated type, against the curated schema that the type is made from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    lower, spec,
    spec::schemas::{requires, type_name},
    types,
};

/// What is compared of a schema and of each of its fields.
type Facets = BTreeMap<&'static str, String>;

const FACETS: [&str; 4] = ["type", "null", "required", "values"];

/// One facet that differs.
struct Difference {
    place: String,
    facet: &'static str,
    curated: String,
    derived: String,
    /// Whether the curated schema lets the field be null.
    nullable: bool,
    /// Whether the curated schema requires the field.
    required: bool,
}

/// A kind of difference that is meant.
struct Meant {
    reason: &'static str,
    applies: fn(&Difference) -> bool,
}

const MEANT: [Meant; 5] = [
    Meant {
        reason: "an optional field is an Option: a null in an answer reads as if it were missing, and is never sent",
        applies: |it| it.is("null", "false", "true") && !it.required,
    },
    Meant {
        reason: "a field that may be null reads as null where it is missing, though it is always sent",
        applies: |it| it.is("required", "true", "false") && it.nullable,
    },
    Meant {
        reason: "text that no type of ours stands for stays text",
        applies: |it| it.facet == "type" && without(&it.curated, &["byte", "email", "uri"]) == it.derived,
    },
    Meant {
        reason: "Decimal is written as text, and reads a number too",
        applies: |it| ["string(decimal)", "Decimal"].iter().any(|curated| it.is("type", curated, "number or string")),
    },
    Meant {
        reason: "Number says that it is a number; how exact it is has no place in a derived schema",
        applies: |it| it.is("type", "number(decimal)", "number"),
    },
];

impl Difference {
    fn is(&self, facet: &str, curated: &str, derived: &str) -> bool {
        self.facet == facet && self.curated == curated && self.derived == derived
    }

    fn told(&self) -> String {
        format!("{}: {} is {:?}, and derived {:?}", self.place, self.facet, self.curated, self.derived)
    }
}

#[test]
fn derived_schemas_say_what_the_curated_ones_say() {
    let all: Vec<Difference> = lower::VENDORS.into_iter().flat_map(differences).collect();
    let unmeant = all.iter().filter(|it| !MEANT.iter().any(|meant| (meant.applies)(it)));
    let unmeant: Vec<String> = unmeant.map(Difference::told).collect();
    assert!(unmeant.is_empty(), "{}", unmeant.join("\n"));
    for Meant { reason, applies } in MEANT {
        assert!(all.iter().any(applies), "no longer so: {reason}");
    }
}

fn differences(vendor: &str) -> Vec<Difference> {
    let spec = spec::read(vendor);
    let named = &spec["components"]["schemas"];
    let mut found = Vec::new();
    for (name, schema) in spec::members(named) {
        let wire = types::wire(vendor, name).unwrap_or_else(|| panic!("{vendor} {name} is not in the table"));
        let root = (wire.schema)();
        let (curated, derived) = (curated(schema), Derived { root: &root, named }.facets());
        let places: BTreeSet<&String> = curated.keys().chain(derived.keys()).collect();
        for (place, facet) in places.into_iter().flat_map(|place| FACETS.map(|facet| (place, facet))) {
            let of = |facets: &BTreeMap<String, Facets>, facet| {
                facets.get(place).and_then(|facets| facets.get(facet)).cloned().unwrap_or_default()
            };
            let (required, nullable) = (of(&curated, "required") == "true", of(&curated, "null") == "true");
            let (curated, derived) = (of(&curated, facet), of(&derived, facet));
            if curated != derived {
                let place = format!("{vendor} {name}{place}");
                found.push(Difference { place, facet, curated, derived, nullable, required });
            }
        }
    }
    found
}

/// The facets of a curated schema, by `` for itself and `.field`.
fn curated(schema: &Value) -> BTreeMap<String, Facets> {
    let facets = |schema: &Value| {
        assert!(schema.get("properties").is_none(), "an object inside, which nothing compares: {schema}");
        Facets::from([("type", type_name(schema)), ("null", (schema["nullable"] == true).to_string())])
    };
    let mut found = fields(schema, facets);
    let mut whole = Facets::from([("type", type_name(schema))]);
    if let Some(values) = schema["enum"].as_array() {
        let openness = if schema["x-open"] == true { "open" } else { "closed" };
        whole.insert("values", format!("{openness}: {}", words(values)));
    }
    found.insert(String::new(), whole);
    found
}

/// A derived schema, beside the curated ones by their names.
struct Derived<'a> {
    root: &'a Value,
    named: &'a Value,
}

impl Derived<'_> {
    /// The same facets of what is derived.
    fn facets(&self) -> BTreeMap<String, Facets> {
        let mut found = fields(self.root, |schema| {
            let (shape, null) = self.shape(schema);
            Facets::from([("type", shape), ("null", null.to_string())])
        });
        let mut whole = Facets::from([("type", self.shape(self.root).0)]);
        for (key, openness) in [("enum", "closed"), ("examples", "open")] {
            if let Some(values) = self.root[key].as_array() {
                whole.insert("values", format!("{openness}: {}", words(values)));
            }
        }
        found.insert(String::new(), whole);
        found
    }

    /// What a derived schema holds, as `type_name` would call it, and whether it may be null.
    fn shape(&self, schema: &Value) -> (String, bool) {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = lower::last(reference);
            return match (self.named.get(name), &self.root["$defs"][name]) {
                (Some(_), _) => (name.to_owned(), false),
                // Text with limits of its own has a type of its own, which the spec has no name for.
                (None, inner) => self.shape(inner),
            };
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let (nulls, others): (Vec<&Value>, Vec<&Value>) =
                choices.iter().partition(|choice| choice["type"] == "null");
            assert_eq!(others.len(), 1, "{schema}");
            return (self.shape(others[0]).0, !nulls.is_empty());
        }
        let (kinds, null) = kinds(schema);
        let name = match (kinds.as_slice(), schema["format"].as_str()) {
            (["array"], _) => format!("[{}]", self.shape(&schema["items"]).0),
            (["object"], _) if schema.get("properties").is_none() => {
                let inner =
                    schema.get("additionalProperties").map_or_else(|| "any".to_owned(), |inner| self.shape(inner).0);
                format!("{{string: {inner}}}")
            }
            ([], _) => "any".to_owned(),
            ([kind], Some(format)) => format!("{kind}({format})"),
            (kinds, _) => kinds.join(" or "),
        };
        (name, null)
    }
}

/// What a derived schema has as its type, and whether that is null too.
fn kinds(schema: &Value) -> (Vec<&str>, bool) {
    let all: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let mut kinds: Vec<&str> = all.iter().copied().filter(|kind| *kind != "null").collect();
    kinds.sort_unstable();
    let null = kinds.len() < all.len();
    (kinds, null)
}

fn fields(schema: &Value, facets: impl Fn(&Value) -> Facets) -> BTreeMap<String, Facets> {
    let fields = spec::members(&schema["properties"]).into_iter().map(|(name, field)| {
        let mut facets = facets(field);
        facets.insert("required", requires(schema, name).to_string());
        (format!(".{name}"), facets)
    });
    fields.collect()
}

fn words(values: &[Value]) -> String {
    let mut words: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    words.sort_unstable();
    words.join(", ")
}

/// A type's name without these formats.
fn without(name: &str, formats: &[&str]) -> String {
    formats.iter().fold(name.to_owned(), |name, format| name.replace(&format!("({format})"), ""))
}
