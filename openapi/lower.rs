// The step between the curated specs and the generator, shared by build.rs, xtask and the tests.
//
// The specs say what a vendor documents, even where progenitor cannot take it. Nothing is bent for the generator in
// the specs themselves: each function below takes one thing away from a copy, and says why. `check` holds the rules
// that the specs keep so that this works.

use std::{collections::BTreeSet, mem};

use indexmap::IndexMap;
use openapiv3::{
    MediaType, OpenAPI, Operation, Parameter, ParameterData, ParameterSchemaOrContent, ReferenceOr, Response, Schema,
    SchemaData, SchemaKind, StatusCode, Type, VariantOrUnknownOrEmpty,
};

pub(crate) mod facts;

/// The vendors' names: `openapi/<name>.yaml`, and the module of the same name.
pub(crate) const VENDORS: [&str; 3] = ["smartsend", "xps", "deftship"];

/// How often an operation may be sent, as `x-replay` says it.
pub(crate) const REPLAY: [&str; 4] = ["safe", "keyed", "guarded", "never"];

/// Where a fact is from, as `x-source` says it.
pub(crate) const SOURCE: [&str; 3] = ["document", "page", "inferred"];

/// A path segment of one or two dots would climb out of the account's part of the path.
const NOT_DOTS: &str = r"^(?!\.{1,2}$)";

/// Reads a spec. `NO` and `on` are words here, as in YAML 1.2, not booleans.
pub(crate) fn read(yaml: &str) -> Result<OpenAPI, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| error.to_string())
}

/// What progenitor gets: the spec less whatever it cannot take or would take wrongly.
pub(crate) fn lower(mut spec: OpenAPI) -> OpenAPI {
    primary_success_only(&mut spec);
    bytes_where_kinds_differ(&mut spec);
    tolerant_responses(&mut spec);
    exact_decimals(&mut spec);
    defaults_left_to_the_vendor(&mut spec);
    no_dots_in_paths(&mut spec);
    inferred_in_the_docs(&mut spec);
    spec
}

/// progenitor panics where an operation has two kinds of success or of error, and a typed error loses status and
/// headers as soon as the body is not that JSON. So one success stays; the facade reads all other answers itself, by
/// their status. Where the vendor documents one success alone, any 2xx will do for it: the vendors hardly document
/// status codes, and a 201 in place of a 200 must not hide what was booked.
pub(crate) fn primary_success_only(spec: &mut OpenAPI) {
    for operation in operations_mut(spec) {
        let responses = &mut operation.responses;
        let mut successes: Vec<u16> = responses.responses.keys().filter_map(success).collect();
        successes.sort_unstable();
        responses.default = None;
        responses.responses.retain(|code, _| success(code).is_some() && success(code) == successes.first().copied());
        if successes.len() == 1 {
            let any = StatusCode::Range(2);
            responses.responses = responses.responses.drain(..).map(|(_, response)| (any.clone(), response)).collect();
        }
    }
}

/// A label is a PDF or JSON by the format asked for: only the bytes can be handed out.
pub(crate) fn bytes_where_kinds_differ(spec: &mut OpenAPI) {
    for operation in operations_mut(spec) {
        for response in operation.responses.responses.values_mut().filter_map(item) {
            if response.content.len() > 1 {
                response.content.retain(|kind, _| !kind.contains("json"));
            }
        }
    }
}

/// An answer must decode even where the vendor breaks its own rules: by then money may have moved. So whatever only
/// answers hold keeps its types and loses its bounds, patterns and lengths; an optional field may be null.
pub(crate) fn tolerant_responses(spec: &mut OpenAPI) {
    let sent = reachable(spec, Side::Request);
    let Some(components) = spec.components.as_mut() else { return };
    for (_, schema) in components.schemas.iter_mut().filter(|(name, _)| !sent.contains(*name)) {
        let Some(schema) = item(schema) else { continue };
        visit(schema, &mut |schema| match &mut schema.schema_kind {
            SchemaKind::Type(Type::String(text)) => {
                text.pattern = None;
                text.min_length = None;
                text.max_length = None;
            }
            SchemaKind::Type(Type::Number(number)) => {
                number.minimum = None;
                number.maximum = None;
            }
            SchemaKind::Type(Type::Integer(number)) => {
                number.minimum = None;
                number.maximum = None;
            }
            SchemaKind::Type(Type::Array(array)) => {
                array.min_items = None;
                array.max_items = None;
            }
            SchemaKind::Type(Type::Object(object)) => {
                let required = object.required.clone();
                for (name, property) in &mut object.properties {
                    if let (ReferenceOr::Item(property), false) = (property, required.contains(name)) {
                        property.schema_data.nullable = true;
                    }
                }
            }
            _ => {}
        });
    }
}

/// progenitor converts `format: decimal` only where nothing else constrains the schema, and `Decimal` checks itself.
pub(crate) fn exact_decimals(spec: &mut OpenAPI) {
    every_schema(spec, &mut |schema| match &mut schema.schema_kind {
        SchemaKind::Type(Type::String(text)) if is_decimal(&text.format) => text.pattern = None,
        SchemaKind::Type(Type::Number(number)) if is_decimal(&number.format) => {
            number.minimum = None;
            number.maximum = None;
            number.exclusive_minimum = false;
        }
        _ => {}
    });
}

/// A documented default is the vendor's to apply. Generated code would send it with every request.
pub(crate) fn defaults_left_to_the_vendor(spec: &mut OpenAPI) {
    every_schema(spec, &mut |schema| schema.schema_data.default = None);
}

/// Generated code escapes `/` in a path parameter but not `..`. Each string in a path gets a pattern against it.
pub(crate) fn no_dots_in_paths(spec: &mut OpenAPI) {
    let names: Vec<String> = path_parameters(spec)
        .into_iter()
        .filter_map(|data| match &data.format {
            ParameterSchemaOrContent::Schema(ReferenceOr::Reference { reference }) => Some(last(reference).to_owned()),
            _ => None,
        })
        .collect();
    let Some(components) = spec.components.as_mut() else { return };
    for name in names {
        if let Some(ReferenceOr::Item(schema)) = components.schemas.get_mut(&name)
            && let SchemaKind::Type(Type::String(text)) = &mut schema.schema_kind
            && text.pattern.is_none()
            && text.enumeration.is_empty()
        {
            text.pattern = Some(NOT_DOTS.to_owned());
            text.min_length = text.min_length.or(Some(1));
        }
    }
}

/// Whoever reads the documentation alone must see what no vendor says: an inferred operation, parameter, type or field
/// tells so there, with the reason. A field that is nothing but a `$ref` has no place for it, so it becomes an `allOf`.
pub(crate) fn inferred_in_the_docs(spec: &mut OpenAPI) {
    for operation in operations_mut(spec) {
        tell(&mut operation.description, "\n\n", note(&operation.extensions).as_deref());
    }
    let Some(components) = spec.components.as_mut() else { return };
    for parameter in components.parameters.values_mut().filter_map(item) {
        // The generator makes a list of them, where a paragraph would end it.
        let data = parameter_data_mut(parameter);
        tell(&mut data.description, " ", note(&data.extensions).as_deref());
    }
    for schema in components.schemas.values_mut().filter_map(item) {
        tell_within(schema, None);
    }
}

/// Tells it in a schema and its fields. `around`: what holds where the schema bears no mark of its own.
fn tell_within(schema: &mut Schema, around: Option<&str>) {
    let marks = &schema.schema_data.extensions;
    let own = if marks.contains_key("x-source") { note(marks) } else { around.map(str::to_owned) };
    tell(&mut schema.schema_data.description, "\n\n", own.as_deref());
    let SchemaKind::Type(Type::Object(object)) = &mut schema.schema_kind else { return };
    for property in object.properties.values_mut() {
        if let (ReferenceOr::Reference { reference }, Some(_)) = (&mut *property, &own) {
            let all_of = vec![ReferenceOr::Reference { reference: mem::take(reference) }];
            let schema = Schema { schema_data: SchemaData::default(), schema_kind: SchemaKind::AllOf { all_of } };
            *property = ReferenceOr::Item(Box::new(schema));
        }
        if let ReferenceOr::Item(property) = property {
            tell_within(property, own.as_deref());
        }
    }
}

fn tell(description: &mut Option<String>, gap: &str, note: Option<&str>) {
    let Some(note) = note else { return };
    *description = Some(match description {
        Some(text) => format!("{}{gap}{note}", text.trim_end()),
        None => note.to_owned(),
    });
}

/// What the documentation says of something inferred; nothing, if it is not.
fn note(marks: &Extensions) -> Option<String> {
    let inferred = word(marks, "x-source") == "inferred";
    inferred.then(|| format!("_Inferred, not documented by the vendor:_ {}", word(marks, "x-reason")))
}

/// What is wrong with a spec by our own rules, one line each. A spec which breaks one does not build.
pub(crate) fn check(spec: &OpenAPI) -> Vec<String> {
    let mut wrong = facts::unsound(spec);
    for (path, item) in &spec.paths.paths {
        if item.as_item().is_some_and(|item| !item.parameters.is_empty()) {
            wrong.push(format!("{path}: parameters of a path; give them to its operations"));
        }
    }
    for entry in entries(spec) {
        let id = &entry.id;
        if id.is_empty() {
            wrong.push(format!("{} {}: no operationId", entry.method, entry.path));
        }
        if !REPLAY.contains(&word(&entry.operation.extensions, "x-replay")) {
            wrong.push(format!("{id}: x-replay must be one of {}", REPLAY.join(", ")));
        }
        for parameter in &entry.operation.parameters {
            if let ReferenceOr::Item(parameter) = parameter {
                wrong.push(format!("{id}: parameter {} is not in components", parameter.parameter_data_ref().name));
            }
        }
    }
    let Some(components) = &spec.components else { return wrong };
    let answered = reachable(spec, Side::Response);
    for (name, schema) in &components.schemas {
        let ReferenceOr::Item(schema) = schema else { continue };
        let open = schema.schema_data.extensions.get("x-open") == Some(&true.into());
        if is_enum(schema) && answered.contains(name) && !open {
            wrong.push(format!("{name}: an enum in an answer needs x-open, an unknown value must decode"));
        }
        let mut first = true;
        visit(&mut schema.clone(), &mut |inner| {
            if !first && is_enum(inner) {
                wrong.push(format!("{name}: an enum inside; give it a name in components"));
            }
            first = false;
        });
    }
    for data in path_parameters(spec) {
        if let ParameterSchemaOrContent::Schema(ReferenceOr::Item(schema)) = &data.format
            && let SchemaKind::Type(Type::String(text)) = &schema.schema_kind
            && !matches!(&text.format, VariantOrUnknownOrEmpty::Unknown(format) if format == "uuid")
        {
            wrong.push(format!("path parameter {}: its schema must be in components", data.name));
        }
    }
    wrong
}

/// An operation with its place.
pub(crate) struct Entry<'a> {
    /// The operation's `operationId`, in snake case as generated.
    pub(crate) id: String,
    /// In capitals.
    pub(crate) method: &'static str,
    /// The template, as the spec has it.
    pub(crate) path: &'a str,
    /// The operation itself.
    pub(crate) operation: &'a Operation,
}

/// All operations, in the spec's order.
pub(crate) fn entries(spec: &OpenAPI) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    for (path, item) in &spec.paths.paths {
        let ReferenceOr::Item(item) = item else { continue };
        let methods = [
            ("GET", &item.get),
            ("POST", &item.post),
            ("PUT", &item.put),
            ("PATCH", &item.patch),
            ("DELETE", &item.delete),
        ];
        for (method, operation) in methods {
            if let Some(operation) = operation {
                let id = operation.operation_id.clone().unwrap_or_default();
                entries.push(Entry { id, method, path, operation });
            }
        }
    }
    entries
}

/// An enum that stays open.
pub(crate) struct OpenEnum<'a> {
    /// Its name in the spec.
    pub(crate) name: &'a str,
    /// What the spec says of it.
    pub(crate) description: &'a str,
    /// The documented values.
    pub(crate) values: Vec<&'a str>,
}

/// The enums that stay open.
pub(crate) fn open_enums(spec: &OpenAPI) -> Vec<OpenEnum<'_>> {
    let Some(components) = &spec.components else { return Vec::new() };
    components
        .schemas
        .iter()
        .filter_map(|(name, schema)| match schema {
            ReferenceOr::Item(Schema { schema_data, schema_kind: SchemaKind::Type(Type::String(text)) })
                if schema_data.extensions.get("x-open") == Some(&true.into()) =>
            {
                let values = text.enumeration.iter().flatten().map(String::as_str).collect();
                Some(OpenEnum { name, description: schema_data.description.as_deref().unwrap_or_default(), values })
            }
            _ => None,
        })
        .collect()
}

/// The named schemas that are decimals written as strings.
pub(crate) fn decimals(spec: &OpenAPI) -> Vec<&str> {
    let Some(components) = &spec.components else { return Vec::new() };
    components
        .schemas
        .iter()
        .filter_map(|(name, schema)| match &schema.as_item()?.schema_kind {
            SchemaKind::Type(Type::String(text)) if is_decimal(&text.format) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

/// The value of a mark, or the empty string.
pub(crate) fn word<'a>(marks: &'a Extensions, name: &str) -> &'a str {
    marks.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
}

type Extensions = IndexMap<String, serde_json::Value>;

/// Which side of a call a schema is looked for on.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    /// Bodies and parameters.
    Request,
    /// Answers, of any status.
    Response,
}

/// The names of the schemas that one side of the operations leads to.
pub(crate) fn reachable(spec: &OpenAPI, side: Side) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in entries(spec) {
        let operation = entry.operation;
        match side {
            Side::Request => {
                for parameter in operation.parameters.iter().filter_map(|parameter| resolve_parameter(spec, parameter))
                {
                    if let ParameterSchemaOrContent::Schema(schema) = &parameter.parameter_data_ref().format {
                        follow(spec, schema, &mut found);
                    }
                }
                let body = operation.request_body.as_ref().and_then(ReferenceOr::as_item);
                follow_media(spec, body.map(|body| &body.content), &mut found);
            }
            Side::Response => {
                let responses = operation.responses.responses.values().chain(&operation.responses.default);
                for response in responses.filter_map(|response| resolve_response(spec, response)) {
                    follow_media(spec, Some(&response.content), &mut found);
                }
            }
        }
    }
    found
}

fn follow_media(spec: &OpenAPI, content: Option<&IndexMap<String, MediaType>>, found: &mut BTreeSet<String>) {
    for schema in content.into_iter().flatten().filter_map(|(_, media)| media.schema.as_ref()) {
        follow(spec, schema, found);
    }
}

fn follow(spec: &OpenAPI, schema: &ReferenceOr<Schema>, found: &mut BTreeSet<String>) {
    match schema {
        ReferenceOr::Reference { reference } => follow_name(spec, last(reference), found),
        ReferenceOr::Item(schema) => {
            for name in references(schema) {
                follow_name(spec, &name, found);
            }
        }
    }
}

fn follow_name(spec: &OpenAPI, name: &str, found: &mut BTreeSet<String>) {
    if found.insert(name.to_owned())
        && let Some(schema) = spec.components.as_ref().and_then(|components| components.schemas.get(name))
    {
        follow(spec, schema, found);
    }
}

/// The names that a schema refers to, itself or anywhere inside.
fn references(schema: &Schema) -> Vec<String> {
    fn collect(value: &serde_json::Value, names: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        serde_json::Value::String(target) if key == "$ref" => names.push(last(target).to_owned()),
                        value => collect(value, names),
                    }
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
            _ => {}
        }
    }
    let mut names = Vec::new();
    collect(&serde_json::to_value(schema).unwrap_or_default(), &mut names);
    names
}

fn resolve_parameter<'a>(spec: &'a OpenAPI, parameter: &'a ReferenceOr<Parameter>) -> Option<&'a Parameter> {
    match parameter {
        ReferenceOr::Item(parameter) => Some(parameter),
        ReferenceOr::Reference { reference } => spec.components.as_ref()?.parameters.get(last(reference))?.as_item(),
    }
}

/// The response itself, wherever it stands.
pub(crate) fn resolve_response<'a>(spec: &'a OpenAPI, response: &'a ReferenceOr<Response>) -> Option<&'a Response> {
    match response {
        ReferenceOr::Item(response) => Some(response),
        ReferenceOr::Reference { reference } => spec.components.as_ref()?.responses.get(last(reference))?.as_item(),
    }
}

fn path_parameters(spec: &OpenAPI) -> Vec<&ParameterData> {
    let Some(components) = &spec.components else { return Vec::new() };
    components
        .parameters
        .values()
        .filter_map(|parameter| match parameter.as_item()? {
            Parameter::Path { parameter_data, .. } => Some(parameter_data),
            _ => None,
        })
        .collect()
}

fn operations_mut(spec: &mut OpenAPI) -> Vec<&mut Operation> {
    let items = spec.paths.paths.iter_mut().filter_map(|(_, path)| item(path));
    items
        .flat_map(|item| [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete])
        .filter_map(Option::as_mut)
        .collect()
}

/// Every schema, of components and parameters, inner ones too.
fn every_schema(spec: &mut OpenAPI, change: &mut dyn FnMut(&mut Schema)) {
    let Some(components) = spec.components.as_mut() else { return };
    for schema in components.schemas.values_mut().filter_map(item) {
        visit(schema, change);
    }
    for parameter in components.parameters.values_mut().filter_map(item) {
        let data = parameter_data_mut(parameter);
        if let ParameterSchemaOrContent::Schema(ReferenceOr::Item(schema)) = &mut data.format {
            visit(schema, change);
        }
    }
}

fn parameter_data_mut(parameter: &mut Parameter) -> &mut ParameterData {
    match parameter {
        Parameter::Query { parameter_data, .. }
        | Parameter::Header { parameter_data, .. }
        | Parameter::Path { parameter_data, .. }
        | Parameter::Cookie { parameter_data, .. } => parameter_data,
    }
}

/// A schema and all inside it, outermost first; references are not followed.
fn visit(schema: &mut Schema, change: &mut dyn FnMut(&mut Schema)) {
    change(schema);
    match &mut schema.schema_kind {
        SchemaKind::Type(Type::Object(object)) => {
            for property in object.properties.values_mut().filter_map(item) {
                visit(property, change);
            }
            if let Some(openapiv3::AdditionalProperties::Schema(inner)) = &mut object.additional_properties
                && let Some(inner) = item(inner)
            {
                visit(inner, change);
            }
        }
        SchemaKind::Type(Type::Array(array)) => {
            if let Some(items) = array.items.as_mut().and_then(item) {
                visit(items, change);
            }
        }
        SchemaKind::AllOf { all_of: inner }
        | SchemaKind::OneOf { one_of: inner }
        | SchemaKind::AnyOf { any_of: inner } => {
            for schema in inner.iter_mut().filter_map(item) {
                visit(schema, change);
            }
        }
        _ => {}
    }
}

fn item<T>(reference: &mut ReferenceOr<T>) -> Option<&mut T> {
    match reference {
        ReferenceOr::Item(item) => Some(item),
        ReferenceOr::Reference { .. } => None,
    }
}

/// A success code as a number, a range after all codes that it holds.
fn success(code: &StatusCode) -> Option<u16> {
    match code {
        StatusCode::Code(code @ 200..=299) => Some(*code),
        StatusCode::Range(2) => Some(299),
        _ => None,
    }
}

fn is_enum(schema: &Schema) -> bool {
    matches!(&schema.schema_kind, SchemaKind::Type(Type::String(text)) if !text.enumeration.is_empty())
}

fn is_decimal<T>(format: &VariantOrUnknownOrEmpty<T>) -> bool {
    matches!(format, VariantOrUnknownOrEmpty::Unknown(name) if name == "decimal")
}

/// The name at the end of a reference.
pub(crate) fn last(reference: &str) -> &str {
    reference.rsplit('/').next().unwrap_or(reference)
}
