//! What each change of a document is called.

use std::{collections::BTreeMap, fs, process::ExitCode};

use serde_json::Value;

use super::{
    Changes, between,
    change::Level,
    command, compare,
    document::{Document, parse, read},
    rust,
};
use crate::{lower, root, spec};

mod foreign;
mod sources;

/// The curated spec of a vendor.
fn spec(vendor: &str) -> Document {
    read(&root(), &spec::path(vendor)).unwrap()
}

/// The fields that a schema's struct is generated with, as the snapshots show them.
fn fields(document: &Document, name: &str, schema: &Value) -> Vec<String> {
    let sent = document.sent.contains(name);
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut fields: Vec<String> = properties
        .map(|(field, property)| {
            let required = schema["required"].as_array().is_some_and(|names| names.iter().any(|name| name == field));
            let nullable = property["nullable"] == true;
            let inner = document.generated(property, &rust::type_name(&[name, field]), sent);
            let inner = inner.trim_start_matches("struct ").trim_start_matches("enum ").to_owned();
            let option = document.is_option(property, required, nullable, sent);
            format!("    {}: {}", rust::field(field), if option { format!("Option<{inner}>") } else { inner })
        })
        .collect();
    fields.sort();
    fields
}

#[test]
fn the_types_told_are_those_generated() {
    for vendor in lower::VENDORS {
        let document = spec(vendor);
        let snapshot = fs::read_to_string(root().join(format!("tests/it/snapshots/{vendor}_signatures.snap"))).unwrap();
        for (name, schema) in document.schemas().as_object().unwrap() {
            let open = schema["x-open"] == true;
            for member in schema["enum"].as_array().into_iter().flatten() {
                let variant = rust::variant(member.as_str().unwrap(), open);
                let variant = if open { format!(" {variant} = {member}") } else { format!(" {variant}") };
                assert!(snapshot.contains(&variant), "{vendor}: {name}: {variant}");
            }
            if schema["properties"].is_object() {
                let default = document.has_default(schema, document.sent.contains(name), &mut BTreeMap::new());
                let default = if default { ": Default" } else { "" };
                let heading = format!("\npub struct types::{}{default}\n", rust::type_name(&[name]));
                let block = snapshot.split_once(&heading).map(|(_, block)| block);
                let block = block.unwrap_or_else(|| panic!("{vendor}: {heading}"));
                let mut generated: Vec<&str> = block.lines().take_while(|line| line.starts_with("    ")).collect();
                generated.sort();
                assert_eq!(generated, fields(&document, name, schema), "{vendor}: {heading}");
            }
        }
    }
}

/// A document that sends a `Sent` and is answered an `Answered`; anything in it can be replaced.
const TALK: &str = "
openapi: 3.0.3
info: {title: t, version: v1}
servers: [{url: 'https://example.com/v1'}]
security: [{key: []}]
paths:
  /things/{thing}:
    post:
      operationId: sendThing
      x-replay: keyed
      parameters:
        - {name: thing, in: path, required: true, schema: {type: string}}
        - {name: page, in: query, schema: {type: integer, minimum: 1}}
      requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Sent'}}}}
      responses:
        '200':
          description: ok
          headers: {Retry-After: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/Answered'}}}
        '404': {description: none}
components:
  securitySchemes: {key: {type: http, scheme: bearer}}
  schemas: {Sent: {type: object}, Answered: {type: object}}
";

fn document(text: &str) -> Document {
    parse(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a change is told as, breaking first.
fn told(old: &str, new: &str) -> Vec<String> {
    let changes = compare(&document(old), &document(new), "");
    let mut lines: Vec<_> = changes.all.iter().map(|change| (change.level, &change.text)).collect();
    lines.sort();
    lines.into_iter().map(|(level, text)| format!("{} {text}", level.word())).collect()
}

/// What an edit of `TALK` is told as.
fn edited(from: &str, to: &str) -> Vec<String> {
    assert!(TALK.contains(from), "{from}");
    told(TALK, &TALK.replace(from, to))
}

/// What a change of a schema is, where it is sent and where it is answered: the gravest line of each.
fn sides(old: &str, new: &str) -> [Option<Level>; 2] {
    ["Sent", "Answered"].map(|name| {
        let with =
            |schema: &str| document(&TALK.replace(&format!("{name}: {{type: object}}"), &format!("{name}: {schema}")));
        compare(&with(old), &with(new), "").all.iter().map(|change| change.level).min()
    })
}

#[test]
fn a_change_weighs_by_the_side_it_is_on() {
    use Level::{Addition, Breaking, Note};
    let cases = [
        // Fields.
        ("", "{type: string}", "", "", Addition, Addition),
        ("", "{type: string}", "", "f", Breaking, Addition),
        ("{type: string}", "", "", "", Breaking, Breaking),
        ("", "{type: string, format: uuid}", "", "f", Breaking, Breaking),
        // Required or not.
        ("{type: string}", "{type: string}", "", "f", Breaking, Breaking),
        ("{type: string}", "{type: string}", "f", "", Breaking, Breaking),
        ("{type: string, nullable: true}", "{type: string, nullable: true}", "", "f", Breaking, Note),
        ("{type: string, nullable: true}", "{type: string, nullable: true}", "f", "", Addition, Note),
        ("{type: array, items: {type: string}}", "{type: array, items: {type: string}}", "f", "", Addition, Breaking),
        // Null or not.
        ("{type: string}", "{type: string, nullable: true}", "f", "f", Breaking, Breaking),
        ("{type: string, nullable: true}", "{type: string}", "", "", Note, Note),
        ("{type: array, items: {}}", "{type: array, items: {}, nullable: true}", "", "", Breaking, Note),
        // Types.
        ("{type: string}", "{type: integer}", "", "", Breaking, Breaking),
        ("{type: string}", "{type: string, format: date}", "", "", Breaking, Breaking),
        ("{type: string}", "{type: string, format: email}", "", "", Note, Note),
        ("{type: integer}", "{type: integer, format: int32}", "", "", Breaking, Breaking),
        ("{type: integer}", "{type: integer, minimum: 1}", "", "", Breaking, Note),
        ("{type: array, items: {type: string}}", "{type: array, items: {type: integer}}", "", "", Breaking, Breaking),
        ("{type: object, properties: {}}", "{$ref: '#/components/schemas/Other'}", "", "", Breaking, Breaking),
        // Limits.
        ("{type: string, maxLength: 9}", "{type: string, maxLength: 8}", "", "", Breaking, Note),
        ("{type: string, maxLength: 8}", "{type: string, maxLength: 9}", "", "", Addition, Note),
        ("{type: string, minLength: 8}", "{type: string, minLength: 9}", "", "", Breaking, Note),
        ("{type: string, pattern: a, maxLength: 9}", "{type: string, maxLength: 9}", "", "", Addition, Note),
        ("{type: string}", "{type: string, maxLength: 8}", "", "", Breaking, Note),
        ("{type: array, items: {}, maxItems: 8}", "{type: array, items: {}}", "", "", Addition, Note),
        // Members, defaults, texts, marks.
        ("{type: string, enum: [A, NO]}", "{type: string, enum: [A]}", "", "", Breaking, Breaking),
        ("{type: string, enum: [A]}", "{type: string, enum: [A, NO]}", "", "", Addition, Addition),
        ("{type: string, enum: [A]}", "{type: string, enum: [A], x-open: true}", "", "", Breaking, Breaking),
        ("{type: boolean, default: false}", "{type: boolean, default: true}", "", "", Breaking, Note),
        ("{type: boolean}", "{type: boolean, default: true}", "", "", Note, Note),
        ("{type: string, description: a}", "{type: string, description: b}", "", "", Note, Note),
        ("{type: string, x-source: page}", "{type: string, x-source: inferred}", "", "", Note, Note),
    ];
    for (old, new, was, is, request, answer) in cases {
        let object = |field: &str, required: &str| {
            let field = if field.is_empty() { String::new() } else { format!("f: {field}, ") };
            format!("{{type: object, required: [{required}], properties: {{{field}g: {{}}}}}}, Other: {{}}")
        };
        assert_eq!(sides(&object(old, was), &object(new, is)), [Some(request), Some(answer)], "{old} -> {new}");
    }
}

#[test]
fn a_change_of_a_call_is_told() {
    let header = "      parameters:\n        - {name: to, in: header, schema: {type: string}}\n";
    let cases = [
        ("operationId: sendThing", "operationId: putThing", "breaking renamed send_thing -> put_thing"),
        ("/things/{thing}:", "/items/{thing}:", "note moved POST /things/{thing} -> POST /items/{thing}"),
        (
            "x-replay: keyed",
            "x-replay: safe",
            r#"breaking x-replay "keyed" -> "safe": another rule for what is sent twice"#,
        ),
        ("name: page", "name: sheet", "breaking query page: renamed? query page -> query sheet"),
        (
            "in: query,",
            "in: query, required: true,",
            "breaking query page: required now: Option<NonZeroU64> -> NonZeroU64",
        ),
        ("      parameters:\n", header, "breaking header to: added, optional: the function takes one more argument"),
        (
            "Body: {content: {application/json",
            "Body: {content: {text/xml",
            "breaking body: application/json -> text/xml",
        ),
        ("'200':", "'201':", "note status 200 -> 201: any 2xx is a success either way"),
        (
            "'404':",
            "'202':",
            "breaking status 200 -> 200 + 202: other answers are taken for a success\nnote status 404: removed",
        ),
        ("'404':", "'422':", "note status 404: removed\nnote status 422: added"),
        (
            "{schema: {type: string}}}",
            "{schema: {type: integer}}, Age: {schema: {}}}",
            "note 200 header Age: added\nnote 200 header Retry-After: type string -> integer: String -> i64",
        ),
        ("bearer", "basic", "breaking security http bearer -> http basic: calls are authorised by hand"),
        (
            "https://example.com/v1",
            "/v2",
            r#"note servers ["https://example.com/v1"] -> ["/v2"]: the client's own is written by hand"#,
        ),
        ("schemas: {Sent:", "schemas: {More: {type: string}, Sent:", "addition added"),
        ("Answered", "Told", "breaking renamed? Answered -> Told"),
        ("schema: {$ref: '#/components/schemas/Sent'}", "", "breaking body: schema removed"),
        ("schema: {$ref: '#/components/schemas/Answered'}", "", "breaking 200: schema removed"),
        (
            "'#/components/schemas/Answered'",
            "'other.yaml#/Answered'",
            "breaking 200: type Answered -> other.yaml#/Answered: Answered -> OtherYamlAnswered",
        ),
        ("{Retry-After: {", "{Retry-After: {required: true, ", "note 200 header Retry-After: required none -> true"),
        ("in: query,", "in: query, explode: false,", "note query page: explode none -> false"),
        (
            "    post:",
            "    servers: [{url: /a}]\n    post:",
            "note servers none -> [{\"url\":\"/a\"}]: the client's own is written by hand",
        ),
        ("    post:", "    head: {responses: {}}\n    post:", "addition added: HEAD /things/{thing}"),
        ("bearer}", "bearer, bearerFormat: JWT}", r#"note bearerFormat [] -> ["JWT"]"#),
        ("security: [{key: []}]", "security: [{key: [write]}]", r#"note scopes [] -> ["write"]"#),
    ];
    for (from, to, expected) in cases {
        assert_eq!(edited(from, to).join("\n"), expected);
    }
}

/// `TALK` with something else in place of the `Sent`, and with schemas to refer to.
fn sending(version: &str, schema: &str) -> String {
    let schemas = "
    Base: {type: object, properties: {a: {type: string}}}
    Twin: {type: object, properties: {a: {type: string}}}
    Name: {type: string, maxLength: 9}
    Alias: {description: a, allOf: [{$ref: '#/components/schemas/Name'}]}";
    let sent = format!("\n    Sent: {schema}{schemas}\n    Answered: {{type: object}}\n");
    TALK.replace("3.0.3", version).replace("{Sent: {type: object}, Answered: {type: object}}", &sent)
}

#[test]
fn nothing_that_a_schema_says_is_lost() {
    let base = "$ref: '#/components/schemas/Base'";
    let name = "$ref: '#/components/schemas/Name'";
    let twin = "$ref: '#/components/schemas/Twin'";
    let field = |schema: &str| format!("{{type: object, properties: {{n: {schema}}}}}");
    let cases = [
        // Beside a reference.
        (
            "3.0.3",
            format!("{{allOf: [{{{base}}}]}}"),
            format!("{{allOf: [{{{base}}}, {{required: [a]}}]}}"),
            "breaking type Base -> object: Base -> struct Sent [types::Sent]",
        ),
        (
            "3.0.3",
            field(&format!("{{allOf: [{{{name}}}], description: a}}")),
            field(&format!("{{allOf: [{{{name}}}], nullable: true}}")),
            "note n: description \"a\" -> none [types::Sent.n]\n\
             note n: may be null now: Option<Name> still [types::Sent.n]",
        ),
        (
            "3.1.0",
            field(&format!("{{{name}, maxLength: 8}}")),
            field(&format!("{{{name}, maxLength: 3}}")),
            "breaking n: maxLength 8 -> 3: refuses what it took [types::Sent.n]",
        ),
        (
            "3.1.0",
            field(&format!("{{anyOf: [{{{base}, description: a}}, {{type: 'null'}}]}}")),
            field(&format!("{{{base}, description: b}}")),
            "note n: description \"a\" -> \"b\" [types::Sent.n]\n\
             note n: never null now: Option<Base> still [types::Sent.n]",
        ),
        (
            "3.0.3",
            field("{type: string, maxLength: 4}"),
            field("{allOf: [{$ref: '#/components/schemas/Alias'}], maxLength: 3}"),
            "breaking n: maxLength 4 -> 3: refuses what it took [types::Sent.n]\n\
             breaking type String -> Name [types::Name]\n\
             note n: description none -> \"a\" [types::Sent.n]",
        ),
        (
            "3.1.0",
            format!("{{{base}, allOf: [{{properties: {{b: {{type: string}}}}}}]}}"),
            format!("{{{base}, allOf: [{{properties: {{b: {{type: integer}}}}}}]}}"),
            "breaking b: type string -> integer: String -> i64 [types::Sent.b]",
        ),
        (
            "3.1.0",
            format!("{{allOf: [{{{base}}}], oneOf: [{{type: object, properties: {{b: {{}}}}}}, {{type: 'null'}}]}}"),
            format!("{{allOf: [{{{base}}}], oneOf: [{{type: object, properties: {{c: {{}}}}}}, {{type: 'null'}}]}}"),
            "breaking b: renamed? b -> c [types::Sent.b]",
        ),
        // Limits, whichever is the tighter.
        (
            "3.1.0",
            "{type: integer, minimum: 10, exclusiveMinimum: 5}".to_owned(),
            "{type: integer, minimum: 8, exclusiveMinimum: 5}".to_owned(),
            "addition minimum 10 -> 8: takes more [types::Sent]",
        ),
        (
            "3.1.0",
            "{type: integer, maximum: 10, exclusiveMaximum: 8}".to_owned(),
            "{type: integer, maximum: 9, exclusiveMaximum: 7}".to_owned(),
            "breaking maximum 8 -> 7: refuses what it took [types::Sent]",
        ),
        ("3.0.3", "{type: array, items: {}}".to_owned(), "{type: array, items: {}, minItems: 0}".to_owned(), ""),
        (
            "3.0.3",
            "{type: string}".to_owned(),
            "{type: string, minLength: 0}".to_owned(),
            "breaking type String -> Sent [types::Sent]",
        ),
        (
            "3.0.3",
            "{type: number, minimum: 2.0}".to_owned(),
            "{type: integer, minimum: 2}".to_owned(),
            "breaking type number -> integer: f64 -> i64 [types::Sent]",
        ),
        // Members that are no variants.
        (
            "3.0.3",
            field("{type: integer}"),
            field("{type: integer, enum: [1, 2]}"),
            "breaking n: enum none -> [1,2]: refuses what it took [types::Sent.n]",
        ),
        (
            "3.0.3",
            field("{type: integer, enum: [1, 2]}"),
            field("{type: integer}"),
            "addition n: enum [1,2] -> none: takes more [types::Sent.n]",
        ),
        (
            "3.0.3",
            field("{type: integer, enum: [1]}"),
            field("{type: integer, enum: [1, 2]}"),
            "addition n: member 2 added [types::Sent.n]",
        ),
        // Variants.
        (
            "3.0.3",
            format!("{{oneOf: [{{{base}}}, {{type: object, properties: {{title: {{description: a}}}}}}]}}"),
            format!("{{oneOf: [{{{base}}}, {{type: object, properties: {{title: {{description: b}}}}}}]}}"),
            "note title: description \"a\" -> \"b\" [types::Sent.title]",
        ),
        (
            "3.0.3",
            format!("{{oneOf: [{{{base}}}, {{type: object, properties: {{title: {{}}}}}}]}}"),
            format!("{{oneOf: [{{{base}}}, {{type: object, properties: {{example: {{}}}}}}]}}"),
            "breaking variant object removed [types::Sent]\naddition variant object added [types::Sent]",
        ),
        ("3.0.3", format!("{{oneOf: [{{{base}}}, {{{twin}}}]}}"), format!("{{oneOf: [{{{twin}}}, {{{base}}}]}}"), ""),
        (
            "3.0.3",
            format!("{{oneOf: [{{{base}}}, {{{name}}}], discriminator: {{propertyName: a}}}}"),
            format!("{{oneOf: [{{{base}}}, {{{name}}}], discriminator: {{propertyName: b}}}}"),
            r#"note discriminator {"propertyName":"a"} -> {"propertyName":"b"} [types::Sent]"#,
        ),
        // What is nothing, and what is not.
        ("3.0.3", "{type: object}".to_owned(), "{type: object, deprecated: false, required: []}".to_owned(), ""),
        (
            "3.0.3",
            field("{type: boolean}"),
            field("{type: boolean, default: false}"),
            "note n: default none -> false [types::Sent.n]",
        ),
        // What 3.0 has no word for.
        ("3.1.0", "{prefixItems: [{}]}".to_owned(), "{prefixItems: [{}]}".to_owned(), ""),
        (
            "3.1.0",
            "{patternProperties: {a: {}}, properties: {b: {contentEncoding: base64}}}".to_owned(),
            "{patternProperties: {b: {}}, properties: {b: {}}}".to_owned(),
            "not compared: 1 contentEncoding, 1 patternProperties",
        ),
    ];
    for (version, old, new, expected) in cases {
        let changes = compare(&document(&sending(version, &old)), &document(&sending(version, &new)), "");
        assert_eq!(listed(&changes), expected, "{old} -> {new}");
    }
}

/// Each change with its item, and what is not compared.
fn listed(changes: &Changes) -> String {
    let mut all: Vec<_> = changes.all.iter().collect();
    all.sort_by_key(|change| (change.level, &change.text));
    let lines = all.into_iter().map(|change| format!("{} {} [{}]", change.level.word(), change.text, change.rust));
    let text = changes.text();
    let left_out = text.lines().filter(|line| line.starts_with("not compared: ")).map(str::to_owned);
    lines.chain(left_out).collect::<Vec<_>>().join("\n")
}

/// Some take a minute, or all of the stack, where each schema is looked at each time that it is met.
#[test]
fn many_schemas_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let of = |count: usize, schema: fn(usize) -> String, last: &str| {
        let schemas: String = (0..count).map(|at| format!("\n    S{at}: {}", schema(at + 1))).collect();
        sending("3.0.3", &format!("{{$ref: '#/components/schemas/S0'}}{schemas}\n    S{count}: {last}"))
    };
    let chain = |to| format!("{{type: object, properties: {{a: {{$ref: '#/components/schemas/S{to}'}}}}}}");
    let fields = |to| {
        let field = format!("{{$ref: '#/components/schemas/S{to}'}}");
        format!("{{type: object, required: [a, b], properties: {{a: {field}, b: {field}}}}}")
    };
    let parts =
        |to| format!("{{allOf: [{{$ref: '#/components/schemas/S{to}'}}, {{$ref: '#/components/schemas/S{to}'}}]}}");
    let cases = [(2000, chain as fn(usize) -> String), (40, fields), (40, parts)];
    for (count, schema) in cases {
        for (name, field) in [("old", "z"), ("new", "y")] {
            let last = format!("{{type: object, properties: {{{field}: {{}}}}}}");
            fs::write(folder.path().join(name), of(count, schema, &last)).unwrap();
        }
        let text = between(folder.path(), "old", "new").unwrap().text();
        assert!(text.contains("z: renamed? z -> y"), "{text}");
    }
}

#[test]
fn circles_end() {
    let circle = |field: &str| {
        TALK.replace(
            "Answered: {type: object}",
            &format!(
                "Answered: {{allOf: [{{$ref: '#/components/schemas/B'}}, {{type: object, properties: {{a: {field}}}}}]}},
                 B: {{allOf: [{{$ref: '#/components/schemas/Answered'}}, {{type: object, properties: {{b: {{}}}}}}]}},
                 C: {{$ref: '#/components/schemas/C'}}"
            ),
        )
        .replace("'404': {description: none}", "'404': {$ref: '#/components/responses/R'}")
        .replace("components:", "components:\n  responses: {R: {$ref: '#/components/responses/R'}}")
    };
    let within = "{$ref: '#/components/schemas/Answered'}";
    assert!(told(&circle(within), &circle(within)).is_empty());
    assert_eq!(told(&circle(within), &circle("{type: string}")).len(), 2);
    let alias = circle(within).replace("schemas/Sent'", "schemas/C'");
    let vendor = circle("{type: string}").replace("      x-replay: keyed\n", "");
    assert_eq!(told(&alias, &vendor).len(), 2);
}

#[test]
fn equal_documents_differ_in_nothing() {
    for vendor in lower::VENDORS {
        let changes = compare(&spec(vendor), &spec(vendor), vendor);
        assert_eq!(changes.text(), "0 breaking, 0 additions, 0 notes");
    }
    assert!(told(TALK, &TALK.replace("description: none", "description: ' none '")).is_empty());
    let members =
        |members: &str| TALK.replace("Sent: {", &format!("Country: {{type: string, enum: [{members}]}}, Sent: {{"));
    assert!(told(&members("NO, on, SE"), &members("'NO', 'on', 'SE'")).is_empty());
    let json = serde_json::to_string(&document(TALK).json).unwrap();
    assert!(told(TALK, &json).is_empty());
}

#[test]
fn a_pull_request_gets_the_notes_folded() {
    let new = TALK.replace("description: none", "description: <none>").replace("x-replay: keyed", "x-replay: never");
    insta::assert_snapshot!(compare(&document(TALK), &document(&new), "xps").markdown("a → b"), @r#"
    ## a → b

    **1 breaking, 0 additions, 1 note**

    ### Breaking

    - **operation send_thing**: x-replay "keyed" -> "never": another rule for what is sent twice — `xps::raw::Client::send_thing`

    <details><summary>Notes</summary>

    - **operation send_thing**: 404: description "none" -> "\<none>" — `xps::raw::Client::send_thing`

    </details>
    "#);
}

#[test]
fn the_exit_code_says_whether_something_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let code = |new: &str| {
        let paths = ["old", "new"].map(|name| folder.path().join(name).display().to_string());
        fs::write(&paths[0], TALK).unwrap();
        fs::write(&paths[1], new).unwrap();
        format!("{:?}", command(&[&paths[0], &paths[1]]))
    };
    let codes = [code(TALK), code(&TALK.replace("keyed", "safe")), code("{}")];
    assert_eq!(codes, [ExitCode::SUCCESS, ExitCode::from(2), ExitCode::FAILURE].map(|code| format!("{code:?}")));
}
