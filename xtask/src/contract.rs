//! The specs against what is sent and what is answered, by tools that others wrote and that know nothing of us.
//!
//! Prism stands between the command and the sandbox for whole waves, and lets through only what the spec allows, in both
//! directions. It is then shown every call that the tests make. Schemathesis makes calls of its own to the sandbox, from
//! the spec alone, and looks at the answers.

use std::fs;

use serde_json::Value;

use crate::{Result, demo, lower, program, root, run, spec, tools};

mod calls;
mod recorder;
mod server;

use server::Server;

/// Prism, by its package and version.
const PRISM: (&str, &str) = ("@stoplight/prism-cli", "5.16.0");
/// Schemathesis, by its package and version.
const SCHEMATHESIS: (&str, &str) = ("schemathesis", "4.32.5");
/// What the sandbox takes as a token.
const TOKEN: &str = "sandbox";
/// Orders in a wave through Prism.
const ORDERS: usize = 12;
/// The ways to book: a vendor, and the flags of a way of its own.
const WAYS: [(&str, &[&str]); 4] =
    [("smartsend", &[]), ("smartsend", &["--via-batches"]), ("xps", &[]), ("deftship", &[])];
/// Where the files of the waves go.
const FOLDER: &str = "target/contract";
/// What is looked at in the sandbox's answers. Whether it refuses what the spec does not allow is its own business.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// How many calls of each kind Schemathesis makes up for an operation.
const EXAMPLES: &str = "15";

/// All three.
pub(crate) fn all() -> Result {
    demo::build()?;
    let prism = format!("{}/prism", tools::node(PRISM.0, PRISM.1)?);
    let schemathesis = format!("{}/schemathesis", tools::python(SCHEMATHESIS.0, SCHEMATHESIS.1)?);
    let _ = fs::remove_dir_all(root().join(FOLDER));
    fs::create_dir_all(root().join(FOLDER)).map_err(|error| format!("{FOLDER}: {error}"))?;
    let sandbox = Server::sandbox()?;
    WAYS.into_iter().try_for_each(|(vendor, flags)| wave(&prism, &sandbox, vendor, flags))?;
    lower::VENDORS.into_iter().try_for_each(|vendor| answers(&schemathesis, &sandbox, vendor))?;
    calls::all(&prism)
}

/// Books a wave at the sandbox behind Prism, with its labels.
fn wave(prism: &str, sandbox: &Server, vendor: &str, flags: &[&str]) -> Result {
    let [orders, journal, labels, log] =
        ["jsonl", "db", "pdf", "log"].map(|kind| format!("{FOLDER}/{vendor}{}.{kind}", flags.concat()));
    demo::sample(vendor, ORDERS, &orders)?;
    let proxy = program(prism, &["proxy", &for_prism(vendor)?, &base(sandbox, vendor), "--errors"]);
    let proxy = Server::prism(proxy, &log)?;
    let url = format!("http://{}", proxy.address);
    let book = ["book", &orders, "--vendor", vendor, "--journal", &journal, "--labels", &labels, "--base-url", &url];
    let tokens = ["SMARTSEND_TOKEN", "XPS_API_KEY", "XPS_CUSTOMER_ID", "DEFTSHIP_TOKEN"].map(|name| (name, TOKEN));
    // Each way has a team of its own: the other one's orders are booked.
    let team = format!("team{}", flags.concat());
    run(program(&demo::binary(), &book).args(flags).envs(tokens).env("SMARTSEND_TEAM", team))
        .map_err(|error| format!("{error}\nwhat Prism found against the spec is in {log}"))?;
    // A read that was refused may have been repeated, and the wave be booked all the same.
    let said = fs::read_to_string(root().join(&log)).map_err(|error| format!("{log}: {error}"))?;
    match said.lines().find(|line| line.contains("terminated with error")) {
        Some(line) => Err(format!("{log}: {line}")),
        None => Ok(()),
    }
}

/// Schemathesis over the sandbox's answers; what the waves left there is in its lists.
fn answers(schemathesis: &str, sandbox: &Server, vendor: &str) -> Result {
    let scheme = if vendor == "xps" { "RSIS" } else { "Bearer" };
    let [spec, schemathesis] = [&spec::path(vendor), schemathesis].map(|file| root().join(file).display().to_string());
    let url = base(sandbox, vendor);
    let token = format!("Authorization: {scheme} {TOKEN}");
    let what = ["run", &spec, "--url", &url, "--header", &token, "--checks", CHECKS, "--max-examples", EXAMPLES];
    // The same calls on every run. How much of what it makes up is of use is not asked.
    let how = ["--generation-deterministic", "--suppress-health-check", "all", "--warnings", "off", "--no-color"];
    // It leaves files where it runs.
    run(program(&schemathesis, &what).args(how).current_dir(root().join(FOLDER)))
}

/// A copy of a spec without extensions, which Prism cannot merge where there is an `allOf`, and then looks at nothing. And
/// it says in each enum itself that it may be null: Prism does not see it in what stands beside `allOf`. (Schemathesis
/// does. The words of OpenAPI 3.0 leave it open.)
fn for_prism(vendor: &str) -> Result<String> {
    let mut copy =
        serde_json::to_value(spec::read(vendor)?).map_err(|error| format!("{}: {error}", spec::path(vendor)))?;
    plain(&mut copy);
    let schemas = copy["components"]["schemas"].clone();
    with_null(&mut copy, &schemas);
    let file = format!("{FOLDER}/{vendor}.json");
    fs::write(root().join(&file), copy.to_string()).map_err(|error| format!("{file}: {error}"))?;
    Ok(file)
}

fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.starts_with("x-"));
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn with_null(value: &mut Value, schemas: &Value) {
    let named = value["allOf"][0]["$ref"].as_str().map(|reference| &schemas[lower::last(reference)]);
    if value["nullable"] == true
        && let Some(mut own) = named.cloned()
        && own["enum"].is_array()
    {
        own["nullable"] = true.into();
        *value = own;
        return;
    }
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| with_null(field, schemas)),
        Value::Array(items) => items.iter_mut().for_each(|item| with_null(item, schemas)),
        _ => {}
    }
}

/// Where an API of the sandbox begins.
fn base(sandbox: &Server, vendor: &str) -> String {
    let path = match vendor {
        "smartsend" => "/api/v2",
        "xps" => "/restapi/v1",
        _ => "",
    };
    format!("http://{}{path}", sandbox.address)
}
