//! Every call that the tests make, shown to Prism's mock, which answers with a problem what the spec does not allow.
//!
//! The tests run with a proxy in their environment, so nothing of this is in them. That they pass is not asked here: one
//! that wants a connection to be refused cannot have that through a proxy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read},
    net::SocketAddr,
    process::Stdio,
};

use openapiv3::OpenAPI;
use serde_json::Value;

use super::{
    FOLDER, Server,
    recorder::{Call, Recorder},
};
use crate::{Result, ci::FEATURES, lower, program, root, run, shown};

/// The type of Prism's answer where an answer is at fault, and not only a request.
const OWN_FAULT: &str = "https://stoplight.io/prism/errors#VIOLATIONS";

/// What a test sends although the spec has no such path, by what is in its path and how that ends: the address of this
/// operation is inferred, and the test sets another.
const OTHER_DISPATCH: [&str; 2] = ["/booking-batches/", "/booking"];

/// Records the calls of all tests, and shows each kind of them to Prism.
pub(super) fn all(prism: &str) -> Result {
    let recorder = Recorder::start().map_err(|error| format!("a port to record at: {error}"))?;
    record(&recorder)?;
    let calls: Vec<Call> = recorder.calls().into_iter().filter(is_of_api).collect();
    let mut problems = Vec::new();
    for vendor in lower::VENDORS {
        let spec = super::read(vendor)?;
        let calls = calls.iter().filter(|call| self::vendor(call) == vendor).cloned();
        let calls: Vec<Call> = calls.map(|call| below_base(call, &spec)).collect();
        let kinds = kinds(&calls);
        if kinds.is_empty() {
            return Err(format!("{vendor}: the tests made no call that could be recorded"));
        }
        let mock = Server::prism(
            program(prism, &["mock", &super::for_prism(vendor)?, "--errors"]),
            &format!("{FOLDER}/{vendor}-mock.log"),
        )?;
        let found: Vec<String> = kinds.iter().filter_map(|call| problem(call, mock.address)).collect();
        let (calls, kinds, wrong) = (calls.len(), kinds.len(), found.len());
        eprintln!("{vendor}: the tests make {calls} calls of {kinds} kinds, {wrong} of them against the spec");
        problems.extend(found);
    }
    if problems.is_empty() { Ok(()) } else { Err(format!("against the specs:\n  {}", problems.join("\n  "))) }
}

/// Runs the tests of the clients and of the command.
fn record(recorder: &Recorder) -> Result {
    let tests = ["test", "--quiet", "--features", FEATURES, "--test", "it"];
    run(program("cargo", &tests).arg("--no-run"))?;
    let log = format!("{FOLDER}/tests.log");
    let file = File::create(root().join(&log)).map_err(|error| format!("{log}: {error}"))?;
    let mut command = program("cargo", &tests);
    command
        .env("INSTA_UPDATE", "no")
        .env("HTTP_PROXY", recorder.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stdout(file);
    eprintln!("$ HTTP_PROXY={} {} > {log}", recorder.url(), shown(&command));
    command.stderr(Stdio::null()).status().map(drop).map_err(|error| format!("cargo: {error}"))
}

/// Whether it is a call of our client to a vendor's API. Files at signed addresses take no token.
fn is_of_api(call: &Call) -> bool {
    let ours = call.header("user-agent").is_some_and(|agent| agent.starts_with("shipbatch/"));
    let other = call.target.contains(OTHER_DISPATCH[0]) && call.target.ends_with(OTHER_DISPATCH[1]);
    ours && call.header("authorization").is_some() && !other
}

/// The path as the spec has it: where a server puts the API is its own business.
fn below_base(mut call: Call, spec: &OpenAPI) -> Call {
    let starts =
        lower::entries(spec).into_iter().filter_map(|entry| Some(format!("/{}", entry.path.split('/').nth(1)?)));
    if let Some(place) = starts.filter_map(|start| call.target.find(&start)).min() {
        call.target.replace_range(..place, "");
    }
    call
}

fn vendor(call: &Call) -> &'static str {
    if call.header("authorization").is_some_and(|value| value.starts_with("RSIS")) {
        "xps"
    } else if call.header("request-id").is_some() {
        "smartsend"
    } else {
        "deftship"
    }
}

/// Those of the calls that have something which none before them had. A validator would say the same of the others.
fn kinds(calls: &[Call]) -> Vec<&Call> {
    let mut known = BTreeSet::new();
    let is_new = |call: &&Call| {
        let before = known.len();
        known.extend(features(call));
        known.len() > before
    };
    calls.iter().filter(is_new).collect()
}

/// What a validator looks at: where the call goes, which headers and fields are there, and what is in each field.
fn features(call: &Call) -> BTreeSet<String> {
    let (path, query) = call.target.split_once('?').unwrap_or((&call.target, ""));
    let place = format!("{} {}?{query}", call.method, class(path));
    let mut fields = BTreeMap::new();
    if let Ok(body) = serde_json::from_slice(&call.body) {
        collect("", &body, &mut fields);
    }
    let headers = call.headers.iter().map(|(name, _)| name.as_str());
    let names: BTreeSet<&str> = headers.chain(fields.keys().map(String::as_str)).collect();
    let whole = format!("{place} {names:?}");
    let values = fields.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name} {value}")));
    values.map(|value| format!("{place} {value}")).chain([whole]).collect()
}

/// The fields of a body, and what each holds, wherever it occurs.
fn collect(path: &str, value: &Value, fields: &mut BTreeMap<String, BTreeSet<String>>) {
    let kind = match value {
        Value::Object(inner) => {
            return inner.iter().for_each(|(name, value)| collect(&format!("{path}.{name}"), value, fields));
        }
        Value::Array(items) if !items.is_empty() => return items.iter().for_each(|item| collect(path, item, fields)),
        Value::String(text) => class(text),
        Value::Number(number) => class(&number.to_string()),
        Value::Bool(_) | Value::Null | Value::Array(_) => value.to_string(),
    };
    fields.entry(path.to_owned()).or_default().insert(kind);
}

/// A text by what a pattern or a list of words sees in it: the signs and the words in small letters, not the numbers.
fn class(text: &str) -> String {
    let is_sign = |letter: char| !letter.is_alphanumeric();
    let parts = text.split_inclusive(is_sign).map(|part| {
        let word = part.trim_end_matches(is_sign);
        let kind = match word {
            word if word.contains(|letter: char| letter.is_ascii_digit()) => "0",
            word if word.contains(char::is_uppercase) => "A",
            word => word,
        };
        format!("{kind}{}", &part[word.len()..])
    });
    parts.collect()
}

/// What Prism finds wrong with a call, if anything: then it does not answer with a success. It may find fault with the
/// success that it makes up, too: it knows no patterns when it makes one.
fn problem(call: &Call, prism: SocketAddr) -> Option<String> {
    let answer = answer(call, prism).unwrap_or_else(|error| error.to_string());
    if answer.starts_with("HTTP/1.1 2") {
        return None;
    }
    let body = answer.split_once("\r\n\r\n").map_or(answer.as_str(), |(_, body)| body);
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    let mut places = problem["validation"].as_array().into_iter().flatten().map(|found| &found["location"][0]);
    if problem["type"] == OWN_FAULT && places.all(|place| place == "response") {
        return None;
    }
    let violations = answer.lines().find(|line| line.starts_with("sl-violations")).unwrap_or(body);
    Some(format!("{} {}: {violations}\n    {}", call.method, call.target, String::from_utf8_lossy(&call.body)))
}

fn answer(call: &Call, server: SocketAddr) -> io::Result<String> {
    let mut answer = Vec::new();
    call.send(server)?.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
