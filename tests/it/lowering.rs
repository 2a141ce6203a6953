//! The lowering, function by function, on specs of a few lines.

use openapiv3::OpenAPI;
use serde_json::{Value, json};

use crate::lower;

fn spec(rest: &str) -> OpenAPI {
    lower::read(&format!("openapi: 3.0.3\ninfo: {{title: t, version: v1}}\n{rest}")).unwrap()
}

/// A spec with one operation that answers so.
fn answering(responses: &str) -> OpenAPI {
    spec(&format!("paths: {{/things: {{get: {{operationId: get, responses: {{{responses}}}}}}}}}"))
}

/// A spec that sends a `Sent`, is answered an `Answered`, and has these schemas.
fn talking(schemas: &str) -> OpenAPI {
    spec(&format!(
        r"
paths:
  /things:
    post:
      operationId: send
      x-replay: safe
      x-source: page
      requestBody: {{content: {{application/json: {{schema: {{$ref: '#/components/schemas/Sent'}}}}}}}}
      responses:
        '200': {{description: '', content: {{application/json: {{schema: {{$ref: '#/components/schemas/Answered'}}}}}}}}
components:
  schemas: {{{schemas}}}
"
    ))
}

fn lowered(mut spec: OpenAPI, function: fn(&mut OpenAPI)) -> Value {
    function(&mut spec);
    serde_json::to_value(spec).unwrap()
}

fn statuses(spec: &Value) -> Vec<&String> {
    spec["paths"]["/things"]["get"]["responses"].as_object().unwrap().keys().collect()
}

#[test]
fn of_two_successes_the_lowest_stays() {
    let two = answering("'202': {description: ''}, '200': {description: ''}, '404': {description: ''}");
    assert_eq!(statuses(&lowered(two, lower::primary_success_only)), ["200"]);
}

#[test]
fn a_single_success_stands_for_any() {
    let one = answering("'201': {description: ''}, '422': {description: ''}, default: {description: ''}");
    assert_eq!(statuses(&lowered(one, lower::primary_success_only)), ["2XX"]);
}

#[test]
fn a_pdf_or_json_becomes_bytes() {
    let label = answering("'200': {description: '', content: {application/json: {}, application/pdf: {}}}");
    let label = lowered(label, lower::bytes_where_kinds_differ);
    assert_eq!(label["paths"]["/things"]["get"]["responses"]["200"]["content"], json!({"application/pdf": {}}));
}

#[test]
fn json_alone_stays_json() {
    let plain = answering("'200': {description: '', content: {application/json: {}}}");
    let plain = lowered(plain, lower::bytes_where_kinds_differ);
    assert_eq!(plain["paths"]["/things"]["get"]["responses"]["200"]["content"], json!({"application/json": {}}));
}

#[test]
fn answers_lose_their_limits_and_requests_keep_them() {
    let bounds = "
        Sent: {type: object, properties: {code: {type: string, maxLength: 3}, own: {$ref: '#/components/schemas/Own'}}},
        Own: {type: array, maxItems: 2, items: {type: string}},
        Answered: {type: object, required: [text, whole, list, real], properties: {
          text: {type: string, minLength: 1, maxLength: 3, pattern: '^a'},
          whole: {type: integer, minimum: 1, maximum: 2},
          real: {type: number, minimum: 1, maximum: 2},
          list: {type: array, minItems: 1, maxItems: 2, items: {type: string, maxLength: 3}}}}";
    let spec = lowered(talking(bounds), lower::tolerant_responses);
    let schemas = &spec["components"]["schemas"];
    assert_eq!(schemas["Sent"]["properties"]["code"]["maxLength"], 3);
    assert_eq!(schemas["Own"]["maxItems"], 2);
    let expected = json!({
        "text": {"type": "string"},
        "whole": {"type": "integer"},
        "real": {"type": "number"},
        "list": {"type": "array", "items": {"type": "string"}},
    });
    assert_eq!(schemas["Answered"]["properties"], expected);
}

#[test]
fn optional_fields_of_answers_become_nullable() {
    let fields = "{type: object, required: [must], properties: {must: {type: string}, may: {type: string}}}";
    let spec = lowered(talking(&format!("Sent: {fields}, Answered: {fields}")), lower::tolerant_responses);
    let nullable =
        |schema: &str, field: &str| spec["components"]["schemas"][schema]["properties"][field]["nullable"] == true;
    assert!(nullable("Answered", "may"));
    assert!(!nullable("Answered", "must"));
    assert!(!nullable("Sent", "may"));
}

#[test]
fn decimals_lose_what_hides_them_from_the_generator() {
    let decimals = "
        Sent: {type: string, format: decimal, pattern: '^[0-9]+$'},
        Answered: {type: number, format: decimal, minimum: 0, maximum: 9, exclusiveMinimum: true},
        Name: {type: string, pattern: '^[a-z]+$'}";
    let spec = lowered(talking(decimals), lower::exact_decimals);
    let expected = json!({
        "Sent": {"type": "string", "format": "decimal"},
        "Answered": {"type": "number", "format": "decimal"},
        "Name": {"type": "string", "pattern": "^[a-z]+$"},
    });
    assert_eq!(spec["components"]["schemas"], expected);
}

#[test]
fn defaults_are_dropped_wherever_they_stand() {
    let defaults = spec(
        "
paths: {}
components:
  schemas: {Package: {type: object, properties: {insurance: {type: boolean, default: false}}}}
  parameters: {Page: {name: page, in: query, schema: {type: integer, default: 1}}}",
    );
    let spec = lowered(defaults, lower::defaults_left_to_the_vendor);
    assert!(!spec.to_string().contains("default"), "{spec}");
}

#[test]
fn strings_in_a_path_refuse_dots() {
    let parameters = spec(
        "
paths: {}
components:
  schemas: {Team: {type: string}, Format: {type: string, enum: [PDF]}, Filter: {type: string}}
  parameters:
    Team: {name: team, in: path, required: true, schema: {$ref: '#/components/schemas/Team'}}
    Format: {name: format, in: path, required: true, schema: {$ref: '#/components/schemas/Format'}}
    Filter: {name: filter, in: query, schema: {$ref: '#/components/schemas/Filter'}}",
    );
    let spec = lowered(parameters, lower::no_dots_in_paths);
    let schemas = &spec["components"]["schemas"];
    assert_eq!(schemas["Team"], json!({"type": "string", "minLength": 1, "pattern": r"^(?!\.{1,2}$)"}));
    assert_eq!(schemas["Format"], json!({"type": "string", "enum": ["PDF"]}));
    assert_eq!(schemas["Filter"], json!({"type": "string"}));
}

/// A spec with an inferred operation and type, and a page's type that has an inferred field.
fn guessing() -> OpenAPI {
    spec(
        "
paths:
  /things: {get: {operationId: get, description: Gets., x-source: inferred, x-reason: A guess., responses: {}}}
components:
  parameters:
    Page: {name: page, in: query, schema: {type: integer}, description: From 1., x-source: inferred, x-reason: Usual.}
    Size: {name: size, in: query, schema: {type: integer}, description: Of a page., x-source: page}
  schemas:
    Guess: {type: object, x-source: inferred, x-reason: A hunch., properties: {
      id: {type: string}, known: {type: string, description: Seen., x-source: page}, own: {$ref: '#/components/schemas/Fact'}}}
    Fact: {type: object, description: A fact., x-source: page, properties: {
      id: {type: string, description: Its id.}, colour: {type: string, x-source: inferred, x-reason: By its name.}}}",
    )
}

#[test]
fn what_is_inferred_says_so_in_its_documentation() {
    let note = |reason: &str| format!("_Inferred, not documented by the vendor:_ {reason}");
    let spec = lowered(guessing(), lower::inferred_in_the_docs);
    assert_eq!(spec["paths"]["/things"]["get"]["description"], format!("Gets.\n\n{}", note("A guess.")));
    let parameters = &spec["components"]["parameters"];
    assert_eq!(parameters["Page"]["description"], format!("From 1. {}", note("Usual.")));
    let schemas = &spec["components"]["schemas"];
    assert_eq!(schemas["Guess"]["description"], note("A hunch."));
    assert_eq!(schemas["Guess"]["properties"]["id"]["description"], note("A hunch."));
    assert_eq!(schemas["Fact"]["properties"]["colour"]["description"], note("By its name."));
    let own = json!({"description": note("A hunch."), "allOf": [{"$ref": "#/components/schemas/Fact"}]});
    assert_eq!(schemas["Guess"]["properties"]["own"], own);
}

#[test]
fn what_is_documented_stays_as_it_is() {
    let before = serde_json::to_value(guessing()).unwrap();
    let after = lowered(guessing(), lower::inferred_in_the_docs);
    for place in [
        "/components/parameters/Size",
        "/components/schemas/Guess/properties/known",
        "/components/schemas/Fact/description",
        "/components/schemas/Fact/properties/id",
    ] {
        assert_eq!(after.pointer(place).unwrap(), before.pointer(place).unwrap(), "{place}");
    }
}

/// `NO` is Norway and `on` a word.
#[test]
fn words_of_yaml_1_1_stay_words() {
    let spec = talking("Sent: {type: string, enum: [NO, on]}, Answered: {type: object}");
    assert_eq!(serde_json::to_value(spec).unwrap()["components"]["schemas"]["Sent"]["enum"], json!(["NO", "on"]));
}

mod check {
    use super::*;

    /// What is wrong with an operation that has these keys besides its id and its answer.
    fn operation(keys: &str) -> Vec<String> {
        lower::check(&spec(&format!(
            "paths: {{/things: {{get: {{operationId: get, {keys}, responses: {{'200': {{description: ''}}}}}}}}}}"
        )))
    }

    /// What is wrong with an `Answered` that is this.
    fn answered(schema: &str) -> Vec<String> {
        lower::check(&talking(&format!("Sent: {{type: object, x-source: page}}, Answered: {schema}")))
    }

    #[test]
    fn each_spec_of_ours_is_in_order() {
        for vendor in lower::VENDORS {
            let spec = lower::read(&crate::spec::yaml(vendor)).unwrap();
            assert_eq!(lower::check(&spec), [""; 0], "{vendor}");
        }
    }

    #[test]
    fn an_operation_says_whether_it_may_be_repeated() {
        let wrong = ["get: x-replay must be one of safe, keyed, guarded, never"];
        assert_eq!(operation("x-source: page"), wrong);
        assert_eq!(operation("x-source: page, x-replay: sometimes"), wrong);
    }

    /// All that is defined and not merely used: what stands there, and where.
    const DEFINITIONS: [(&str, &str, &str); 7] = [
        ("servers: [", "{url: 'https://a.example'}", "]"),
        ("components: {securitySchemes: {key: ", "{type: http, scheme: bearer}", "}}"),
        ("components: {parameters: {Page: ", "{name: page, in: query, schema: {type: integer}}", "}}"),
        ("components: {headers: {Wait: ", "{schema: {type: string}}", "}}"),
        ("components: {responses: {Gone: ", "{description: ''}", "}}"),
        ("components: {requestBodies: {Thing: ", "{content: {}}", "}}"),
        ("components: {schemas: {Thing: ", "{type: object}", "}}"),
    ];

    /// What is wrong with each of the definitions if it has these keys too.
    fn definitions(keys: &str) -> Vec<String> {
        DEFINITIONS
            .iter()
            .flat_map(|(before, definition, after)| {
                let (head, tail) = definition.rsplit_once('}').unwrap();
                lower::check(&spec(&format!("paths: {{}}\n{before}{head}{keys}}}{tail}{after}")))
            })
            .collect()
    }

    /// What is wrong with marks inside an operation: on a body, a status, a header, a media type.
    fn inside(mark: &str) -> Vec<String> {
        let body = format!("requestBody: {{{mark}, content: {{}}}}");
        let media = format!("content: {{application/json: {{{mark}}}}}");
        let status =
            format!("'200': {{description: '', {mark}, headers: {{Wait: {{schema: {{}}, {mark}}}}}, {media}}}");
        let operation = format!("operationId: get, x-replay: safe, x-source: page, {body}, responses: {{{status}}}");
        lower::check(&spec(&format!("paths: {{/things: {{get: {{{operation}}}}}}}")))
    }

    #[test]
    fn an_operation_says_how_we_know_it() {
        let wrong = ["/paths//things/get: x-source must be one of document, page, inferred"];
        assert_eq!(operation("x-replay: safe"), wrong);
    }

    #[test]
    fn each_definition_says_how_we_know_it() {
        let places = [
            "/servers/0",
            "/components/securitySchemes/key",
            "/components/parameters/Page",
            "/components/headers/Wait",
            "/components/responses/Gone",
            "/components/requestBodies/Thing",
            "/components/schemas/Thing",
        ];
        let wrong = |what: &str| places.map(|place| format!("{place}: {what}"));
        assert_eq!(definitions(""), wrong("x-source must be one of document, page, inferred"));
        let unknown = "x-source is \"hearsay\", and must be one of document, page, inferred";
        assert_eq!(definitions(", x-source: hearsay"), wrong(unknown));
        assert_eq!(definitions(", x-source: inferred"), wrong("inferred, and no x-reason"));
        assert_eq!(definitions(", x-source: inferred, x-reason: so"), [""; 0]);
        assert_eq!(definitions(", x-source: page"), [""; 0]);
    }

    #[test]
    fn what_is_inferred_has_a_reason() {
        assert_eq!(operation("x-replay: safe, x-source: inferred"), ["/paths//things/get: inferred, and no x-reason"]);
        assert_eq!(operation("x-replay: safe, x-source: inferred, x-reason: so"), [""; 0]);
        let field = "{type: object, x-source: page, properties: {a: {type: string, x-source: inferred}}}";
        assert_eq!(answered(field), ["/components/schemas/Answered/properties/a: inferred, and no x-reason"]);
    }

    #[test]
    fn marks_inside_an_operation_are_sound() {
        let places =
            ["requestBody", "responses/200", "responses/200/content/application/json", "responses/200/headers/Wait"];
        let wrong = |what: &str| places.map(|place| format!("/paths//things/get/{place}: {what}"));
        assert_eq!(inside("x-source: inferred"), wrong("inferred, and no x-reason"));
        let unknown = "x-source is \"hearsay\", and must be one of document, page, inferred";
        assert_eq!(inside("x-source: hearsay"), wrong(unknown));
        assert_eq!(inside("x-source: inferred, x-reason: so"), [""; 0]);
    }

    #[test]
    fn a_reason_goes_with_a_source() {
        let field = "{type: object, x-source: page, properties: {a: {type: string, x-reason: so}}}";
        assert_eq!(answered(field), ["/components/schemas/Answered/properties/a: an x-reason, and no x-source"]);
    }

    #[test]
    fn an_enum_in_an_answer_is_open() {
        let wrong = ["Answered: an enum in an answer needs x-open, an unknown value must decode"];
        assert_eq!(answered("{type: string, enum: [open], x-source: page}"), wrong);
        assert_eq!(answered("{type: string, enum: [open], x-source: page, x-open: true}"), [""; 0]);
    }

    #[test]
    fn an_enum_has_a_name() {
        let inline = "{type: object, x-source: page, properties: {state: {type: string, enum: [open]}}}";
        assert_eq!(answered(inline), ["Answered: an enum inside; give it a name in components"]);
    }

    #[test]
    fn a_parameter_has_a_name() {
        let inline = "x-replay: safe, x-source: page, parameters: [{name: page, in: query, schema: {type: integer}}]";
        assert_eq!(operation(inline), ["get: parameter page is not in components"]);
    }

    #[test]
    fn a_path_has_no_parameters_of_its_own() {
        let path = "paths: {/things: {parameters: [{$ref: '#/components/parameters/Page'}]}}";
        assert_eq!(lower::check(&spec(path)), ["/things: parameters of a path; give them to its operations"]);
    }

    #[test]
    fn a_string_in_a_path_has_a_name() {
        let inline = "
paths: {}
components: {parameters: {Team: {name: team, in: path, required: true, x-source: page, schema: {type: string}}}}";
        assert_eq!(lower::check(&spec(inline)), ["path parameter team: its schema must be in components"]);
    }
}
