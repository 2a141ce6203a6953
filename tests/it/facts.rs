//! Where facts are from, as the report of `cargo xtask facts` and the documentation of the generated code tell it.

use crate::{
    lower::{
        self,
        facts::{Fact, Mark, facts},
    },
    spec,
};

mod docs;

/// `owner name: source, reason` of each fact of a spec of a few lines.
fn told(rest: &str) -> Vec<String> {
    let spec = lower::read(&format!("openapi: 3.0.3\ninfo: {{title: t, version: v1}}\n{rest}")).unwrap();
    let line = |Fact { owner, name, mark }| format!("{owner} {name}: {}, {}", mark.source, mark.reason);
    facts(&spec).into_iter().map(line).collect()
}

#[test]
fn a_mark_holds_for_all_within_until_a_nearer_one() {
    let told = told(
        "
paths:
  /things:
    get:
      operationId: get
      x-source: page
      requestBody: {content: {text/plain: {}}}
      responses:
        '200':
          description: ''
          x-source: inferred
          x-reason: A guess.
          headers: {Wait: {schema: {type: string}}}
          content: {application/json: {x-source: document}, application/pdf: {}}
        '404': {description: ''}
components:
  schemas:
    Thing: {type: object, x-source: inferred, x-reason: A hunch., properties: {
      id: {type: string, x-source: page},
      parts: {type: array, items: {type: object, properties: {size: {type: integer}}}}}}
    Colour: {type: string, enum: [red], x-source: document}
    Free: {type: object, x-source: page}",
    );
    let expected = [
        "get, GET /things call: page, ",
        "get, GET /things body: page, ",
        "get, GET /things 200: inferred, A guess.",
        "get, GET /things 200 body application/json: document, ",
        "get, GET /things 200 body application/pdf: inferred, A guess.",
        "get, GET /things 200 Wait: inferred, A guess.",
        "get, GET /things 404: page, ",
        "Thing id: page, ",
        "Thing parts: inferred, A hunch.",
        "Thing parts.size: inferred, A hunch.",
        "Colour values: document, ",
        "Free type: page, ",
    ];
    assert_eq!(told, expected);
}

/// It is shared: the operation that uses it says nothing of it.
#[test]
fn what_is_referred_to_speaks_for_itself() {
    let told = told(
        "
servers: [{url: /, x-source: document}]
paths:
  /things:
    get:
      operationId: get
      x-source: page
      parameters: [{$ref: '#/components/parameters/Page'}]
      responses: {'404': {$ref: '#/components/responses/Gone'}}
components:
  securitySchemes: {key: {type: http, scheme: bearer, x-source: page}}
  headers: {Wait: {schema: {type: string}}}
  parameters: {Page: {name: page, in: query, schema: {type: integer}, x-source: inferred, x-reason: Usual.}}
  responses: {Gone: {description: '', x-source: document, headers: {Wait: {$ref: '#/components/headers/Wait'}}}}",
    );
    let expected = [
        "access server /: document, ",
        "access security key: page, ",
        "get, GET /things call: page, ",
        "get, GET /things query page: inferred, Usual.",
        "get, GET /things 404: document, ",
        "get, GET /things 404 Wait: , ",
    ];
    assert_eq!(told, expected);
}

#[test]
fn every_fact_of_ours_has_a_source_and_what_is_inferred_a_reason() {
    for vendor in lower::VENDORS {
        for Fact { owner, name, mark } in facts(&lower::read(&spec::yaml(vendor)).unwrap()) {
            assert!(lower::SOURCE.contains(&mark.source.as_str()), "{vendor} {owner} {name}: {mark:?}");
            assert_eq!(mark.source == "inferred", !mark.reason.is_empty(), "{vendor} {owner} {name}: {mark:?}");
        }
    }
}

/// What is written beside a `$ref`, or where OpenAPI has no place for it, is lost when a spec is read.
#[test]
fn marks_are_all_read() {
    for (vendor, key) in lower::VENDORS.into_iter().flat_map(|vendor| ["x-source", "x-reason"].map(|key| (vendor, key)))
    {
        let written = spec::yaml(vendor).matches(&format!("{key}:")).count();
        assert_eq!(spec::read(vendor).to_string().matches(&format!("\"{key}\":")).count(), written, "{vendor} {key}");
    }
}

/// The generated code says of each type, field, method and argument whether it is inferred, and why.
#[test]
fn rustdoc_tells_what_is_inferred() {
    let generated = [
        ("smartsend", include_str!(concat!(env!("OUT_DIR"), "/smartsend.rs"))),
        ("xps", include_str!(concat!(env!("OUT_DIR"), "/xps.rs"))),
        ("deftship", include_str!(concat!(env!("OUT_DIR"), "/deftship.rs"))),
    ];
    for (vendor, generated) in generated {
        let told = docs::of(generated);
        for (place, mark) in documented(vendor) {
            let text = told.get(&place).unwrap_or_else(|| panic!("{vendor} {place}: nothing generated"));
            let note = format!("_Inferred, not documented by the vendor:_ {}", mark.reason);
            let inferred = mark.source == "inferred";
            assert_eq!((text.contains(&note), text.contains("_Inferred,")), (inferred, inferred), "{place}: {text}");
        }
    }
}

/// The facts that have a place in the generated code, by that place, and the schemas as such.
fn documented(vendor: &str) -> Vec<(String, Mark)> {
    let spec = lower::read(&spec::yaml(vendor)).unwrap();
    let arguments = ["path ", "query ", "header "];
    let mut found: Vec<(String, Mark)> = Vec::new();
    for Fact { owner, name, mark } in facts(&spec) {
        match owner.split_once(", ") {
            Some((id, _)) if name == "call" => found.push((format!("{id}()"), mark)),
            Some((id, _)) => {
                let argument = arguments.into_iter().find_map(|kind| name.strip_prefix(kind));
                found.extend(argument.map(|argument| (format!("{id}({})", snake(argument)), mark)));
            }
            None if owner == "access" || matches!(name.as_str(), "type" | "values") => {}
            None => found.push((format!("{owner}.{name}"), mark)),
        }
    }
    for (name, schema) in spec::members(&spec::read(vendor)["components"]["schemas"]) {
        // What rust_decimal and this crate's own key stand for has no generated type.
        if schema["format"] != "decimal" && name != "IdempotencyKey" {
            let word = |key: &str| schema[key].as_str().unwrap_or_default().to_owned();
            found.push((name.to_owned(), Mark { source: word("x-source"), reason: word("x-reason") }));
        }
    }
    found
}

/// An argument's name, as generated: `minBookNumber` as `min_book_number`, `Request-ID` as `request_id`.
fn snake(name: &str) -> String {
    let hump = regex::Regex::new("([a-z])([A-Z])").unwrap();
    hump.replace_all(name, "${1}_$2").replace('-', "_").to_lowercase()
}
