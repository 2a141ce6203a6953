//! A vendor's own document beside the curated one.

use super::{super::compare, TALK, document, listed, sending};

/// `TALK` as the vendor might write it, in 3.1: other names, the server's path in the paths, types in lists.
const VENDOR: &str = "
openapi: 3.1.0
info: {title: Vendor, version: '7'}
servers: [{url: 'https://example.com'}]
security: [{Token: []}]
paths:
  /v1/things/{id}:
    parameters: [{$ref: '#/components/parameters/Id'}]
    post:
      operationId: ThingsController_send
      description: The vendor's own words.
      parameters: [{name: page, in: query, schema: {type: integer, exclusiveMinimum: 0}}]
      requestBody: {$ref: '#/components/requestBodies/Thing'}
      responses:
        '200':
          description: fine
          headers: {Retry-After: {schema: {type: string}}}
          content: {application/json: {schema: {$ref: '#/components/schemas/ThingResponse'}}}
        '404': {$ref: '#/components/responses/None'}
components:
  parameters: {Id: {name: id, in: path, required: true, schema: {type: string}}}
  requestBodies: {Thing: {content: {application/json: {schema: {$ref: '#/components/schemas/ThingDto'}}}}}
  responses: {None: {description: gone}}
  securitySchemes: {Token: {type: http, scheme: bearer}}
  schemas:
    ThingDto: {type: object, properties: {kind: {const: a}, note: {type: [string, 'null']}}}
    ThingResponse:
      allOf:
        - {$ref: '#/components/schemas/Base'}
        - {type: object, properties: {next: {anyOf: [{$ref: '#/components/schemas/ThingResponse'}, {type: 'null'}]}}}
    Base: {type: object, required: [id], properties: {id: {type: string, format: uuid}, any: true}}
";

/// `TALK` with what `VENDOR` says.
fn curated() -> String {
    TALK.replace("minimum: 1", "minimum: 0, exclusiveMinimum: true").replace(
        "{Sent: {type: object}, Answered: {type: object}}",
        "
    Sent: {type: object, properties: {kind: {type: string, enum: [a]}, note: {type: string, nullable: true}}}
    Answered:
      type: object
      required: [id]
      properties:
        id: {type: string, format: uuid}
        any: {}
        next: {nullable: true, allOf: [{$ref: '#/components/schemas/Answered'}]}",
    )
}

#[test]
fn a_vendors_own_document_is_compared_by_what_it_says_of_the_wire() {
    let text = |vendor: &str| compare(&document(&curated()), &document(vendor), "").text();
    insta::assert_snapshot!(text(VENDOR), @r#"
    document
      note      servers ["https://example.com/v1"] -> ["https://example.com"]: the client's own is written by hand

    not compared: 3 description, 2 names of schemas, 1 operationId, 1 schemas without a match, 1 x-replay
    0 breaking, 0 additions, 1 note
    "#);
    let changed = VENDOR.replace("[string, 'null']", "integer").replace("format: uuid", "format: date");
    insta::assert_snapshot!(text(&changed), @r#"
    schema Answered -> ThingResponse
      breaking  id: type string(uuid) -> string(date): Uuid -> Date  [types::Answered.id]

    schema Sent -> ThingDto
      breaking  note: type string -> integer: String -> i64  [types::Sent.note]
      note      note: never null now: Option<String> still  [types::Sent.note]

    document
      note      servers ["https://example.com/v1"] -> ["https://example.com"]: the client's own is written by hand

    not compared: 3 description, 2 names of schemas, 1 operationId, 1 schemas without a match, 1 x-replay
    2 breaking, 0 additions, 2 notes
    "#);
    let back = compare(&document(VENDOR), &document(&curated()), "");
    assert_eq!((back.counts().as_str(), back.breaking()), ("0 breaking, 0 additions, 1 note", false));
}

/// What the vendor's own document is told as, which is a curated one less its marks, edited.
fn foreign(curated: &str, edits: &[(&str, &str)]) -> String {
    let mut vendor = curated.replace("      x-replay: keyed\n", "");
    for (from, to) in edits {
        assert!(vendor.contains(from), "{from}");
        vendor = vendor.replace(from, to);
    }
    let listed = listed(&compare(&document(curated), &document(&vendor), ""));
    listed.lines().filter(|line| !line.starts_with("not compared: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_call_that_is_elsewhere_at_the_vendor_breaks() {
    let moved = "breaking moved POST /things/{thing} -> ";
    let told = |to: &str| format!("{moved}{to}: one of them is not there [raw::Client::send_thing]");
    assert_eq!(foreign(TALK, &[("/things/{thing}", "/items/{thing}")]), told("POST /items/{thing}"));
    assert_eq!(foreign(TALK, &[("post:", "put:")]), told("PUT /things/{thing}"));
    let base = [("/things/{thing}", "/v1/things/{id}"), ("example.com/v1", "example.com"), ("name: thing", "name: id")];
    assert!(foreign(TALK, &base).starts_with("note servers "), "{}", foreign(TALK, &base));
}

#[test]
fn what_differs_at_the_vendor_touches_our_items() {
    let ours = sending("3.0.3", "{type: object, properties: {n: {type: string, maxLength: 9}}}");
    let inline = "schema: {type: object, properties: {n: {type: string, maxLength: 3}}}";
    let told = foreign(&ours, &[("schema: {$ref: '#/components/schemas/Sent'}", inline)]);
    assert_eq!(told, "breaking body.n: maxLength 9 -> 3: refuses what it took [types::Sent.n]");

    // What is both sent and answered counts as sent.
    let name = "{type: object, properties: {n: {$ref: '#/components/schemas/Name'}}}";
    let both = sending("3.0.3", name).replace("Answered: {type: object}", &format!("Answered: {name}"));
    let inline = "Answered: {type: object, properties: {n: {type: string, maxLength: 8}}}";
    let told = foreign(&both, &[(&format!("Answered: {name}"), inline)]);
    assert_eq!(told, "breaking n: maxLength 9 -> 8: refuses what it took [types::Name]");

    let variants =
        sending("3.0.3", "{oneOf: [{$ref: '#/components/schemas/Base'}, {$ref: '#/components/schemas/Name'}]}");
    let names = [("Base", "BaseDto"), ("Name", "NameDto")];
    assert_eq!(foreign(&variants, &names), "");
    let inline = [("{$ref: '#/components/schemas/Name'}", "{type: string, maxLength: 9}")];
    assert_eq!(foreign(&variants, &inline), "");
}

/// What is answered first may be sent after, by another name for the same.
#[test]
fn a_pair_met_in_an_error_is_compared_where_it_counts() {
    let ours = TALK
        .replace("{description: none}", "{description: no, content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}")
        .replace("{type: object}, Answered: {type: object}", "{type: object}, Answered: {type: object, properties: {a: {$ref: '#/components/schemas/A'}}}, A: {type: object, properties: {n: {type: string}}}");
    let other = |to: &str| {
        format!(
            "A: {{type: object, properties: {{n: {{type: string}}}}}}, Other: {{type: object, properties: {{n: {{type: {to}}}}}}}"
        )
    };
    let a = "A: {type: object, properties: {n: {type: string}}}";
    let told = foreign(&ours, &[(a, &other("integer")), ("schemas/A'", "schemas/Other'")]);
    assert!(told.contains("breaking a.n: type string -> integer: String -> i64 [types::A.n]"), "{told}");
    assert!(told.contains("note 404.n: type string -> integer: String -> i64 [types::A.n]"), "{told}");
}
