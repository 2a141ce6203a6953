//! Every operation of a spec: how it is called, how often it may be, and what it answers.

use serde_json::Value;

use super::{
    members, resolve,
    schemas::{full_type, source, type_name},
};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub(super) fn table(spec: &Value) -> String {
    let mut blocks = vec![access(spec)];
    for (path, item) in members(&spec["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                blocks.push(block(spec, method, path, operation));
            }
        }
    }
    blocks.join("\n")
}

/// Where the API is, and what it asks for.
fn access(spec: &Value) -> String {
    let servers = spec["servers"].as_array().unwrap().iter().map(server);
    let schemes = members(&spec["components"]["securitySchemes"]).into_iter().map(|(name, scheme)| {
        let facts = members(scheme).into_iter().filter(|(key, _)| !["description", "x-source"].contains(key));
        let facts: String = facts.map(|(key, value)| format!(", {key}={value}")).collect();
        format!("security {name}{facts}{}\n", source(scheme))
    });
    servers.chain(schemes).collect()
}

fn server(server: &Value) -> String {
    let variables = members(&server["variables"]).into_iter();
    let variables: String = variables.map(|(name, variable)| format!(", {name}={}", variable["default"])).collect();
    format!("server {}{variables}{}\n", server["url"], source(server))
}

fn block(spec: &Value, method: &str, path: &str, operation: &Value) -> String {
    let text = |key: &str| operation[key].as_str().unwrap_or("MISSING");
    let mut lines = vec![
        format!("{} {path}", method.to_uppercase()),
        format!("{}: replay {}{}", text("operationId"), text("x-replay"), source(operation)),
    ];
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    lines.extend(parameters.map(|given| parameter(resolve(spec, given))));
    lines.extend(operation.get("requestBody").map(|given| body(resolve(spec, given))));
    for (status, given) in members(&operation["responses"]) {
        lines.extend(response(spec, status, resolve(spec, given)));
    }
    lines.join("\n  ") + "\n"
}

fn parameter(parameter: &Value) -> String {
    let (place, name) = (parameter["in"].as_str().unwrap(), parameter["name"].as_str().unwrap());
    let optional = if parameter["required"] == true { "" } else { "?" };
    format!("{place} {name}{optional}: {}{}", full_type(&parameter["schema"]), source(parameter))
}

fn body(body: &Value) -> String {
    let optional = if body["required"] == true { "" } else { "?" };
    format!("body{optional}{}: {}", source(body), content(body))
}

/// A status with its schema, and a line for each of its headers.
fn response(spec: &Value, status: &str, response: &Value) -> Vec<String> {
    let mut lines = vec![format!("{status}{}: {}", source(response), content(response))];
    for (name, header) in members(&response["headers"]) {
        let header = resolve(spec, header);
        lines.push(format!("  {name}: {}{}", full_type(&header["schema"]), source(header)));
    }
    lines
}

fn content(owner: &Value) -> String {
    let media = members(&owner["content"]).into_iter();
    let kinds: Vec<String> =
        media.map(|(kind, media)| format!("{kind} {}{}", type_name(&media["schema"]), source(media))).collect();
    if kinds.is_empty() { "no body".to_owned() } else { kinds.join(" or ") }
}
