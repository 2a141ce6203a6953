//! Every call that the tests make, shown to Prism's mock, which answers with a problem what the spec does not allow.
//!
//! The tests run with a proxy in their environment, so nothing of this is in them. They have to pass, and to call each
//! operation: what was not sent was not looked at.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    net::SocketAddr,
};

use serde_json::Value;

use super::{
    FOLDER, Server,
    recorder::{Call, Recorder},
};
use crate::{
    Result,
    ci::FEATURES,
    lower::{self, Entry},
    program, root, run, shown, spec,
};

/// The type of Prism's answer where an answer is at fault, and not only a request.
const OWN_FAULT: &str = "https://stoplight.io/prism/errors#VIOLATIONS";

/// What a test sends although the spec has no such path, by what is in its path and how that ends: the address of this
/// operation is inferred, and the test sets another.
const OTHER_DISPATCH: [&str; 2] = ["/booking-batches/", "/booking"];

/// How the tests are run.
const TESTS: [&str; 6] = ["test", "--quiet", "--features", FEATURES, "--test", "it"];
/// What they say.
const LOG: &str = "target/contract/tests.log";

/// Where the sandbox has the files that its answers lead to. They are of no spec.
const FILES: &str = "/files/";

/// Tests of what a proxy hides. It accepts the connection that is to be refused; and it ends each connection after a
/// call, where a page is fetched ahead of the reader on the one that is there.
const NOT_BEHIND_A_PROXY: [&str; 4] = [
    "wire::pages::pages_that_are_dropped_ask_for_nothing_more",
    "wire::pages::the_next_page_is_fetched_while_this_one_is_used_and_no_further",
    "wire::replay::what_cannot_reach_the_vendor_was_not_sent",
    "wire::replay::what_did_not_reach_the_vendor_is_repeated_in_every_class",
];

/// Operations that no test calls. All but the first are of no use to the facade: the generated clients alone have them.
/// The first gives up a booking batch that was filled and not dispatched, and the tests run into no such batch.
const UNCALLED: [(&str, &[&str]); 3] = [
    ("smartsend", &["cancel_booking_batch"]),
    (
        "xps",
        &[
            "list_services",
            "add_quotes",
            "remove_quote",
            "delete_batch",
            "get_batch_errors",
            "list_shipments",
            "book_shipment",
            "void_shipment",
            "search_shipments",
            "get_label_in_format",
            "get_labels",
        ],
    ),
    ("deftship", &["add_batch_items", "get_parcel", "merge_labels", "get_balance", "validate_address"]),
];

/// Headers that are new with almost every call.
const MARKS: [&str; 2] = ["request-id", "idempotency-key"];

/// Records the calls of all tests, and shows them to Prism.
pub(super) fn all(prism: &str) -> Result {
    let recorder = Recorder::start().map_err(|error| format!("a port to record at: {error}"))?;
    record(&recorder)?;
    let calls: Vec<Call> = recorder.calls().into_iter().filter(is_of_api).collect();
    let mut problems = Vec::new();
    for vendor in lower::VENDORS {
        let calls: Vec<&Call> = calls.iter().filter(|call| self::vendor(call) == vendor).collect();
        problems.extend(against_spec(prism, vendor, &calls)?);
    }
    if problems.is_empty() { Ok(()) } else { Err(format!("against the specs:\n  {}", problems.join("\n  "))) }
}

/// What is wrong with the calls to a vendor: those against its spec, and the operations that none is of.
fn against_spec(prism: &str, vendor: &str, calls: &[&Call]) -> Result<Vec<String>> {
    let spec = spec::read(vendor)?;
    let entries = lower::entries(&spec);
    let starts = starts(&entries);
    let distinct: BTreeSet<Call> = calls.iter().map(|&call| plain(below_base(call.clone(), &starts))).collect();
    let mock = Server::prism(
        program(prism, &["mock", &super::for_prism(vendor)?, "--errors"]),
        &format!("{FOLDER}/{vendor}-mock.log"),
    )?;
    let mut found: Vec<String> = distinct.iter().filter_map(|call| problem(call, mock.address)).collect();
    let (calls, kinds, wrong) = (calls.len(), distinct.len(), found.len());
    eprintln!("{vendor}: the tests make {calls} calls, {kinds} of them distinct, {wrong} of these against the spec");
    found.extend(uncalled(vendor, &entries, &distinct));
    found.extend(unseen(vendor, &entries, &distinct, mock.address));
    Ok(found)
}

/// Runs the tests of the clients and of the command. One that has little time may miss it here, beside the others and
/// behind the proxy: by itself it has to pass.
fn record(recorder: &Recorder) -> Result {
    run(program("cargo", &TESTS).arg("--no-run"))?;
    let skipped: Vec<&str> = NOT_BEHIND_A_PROXY.iter().flat_map(|test| ["--skip", test]).collect();
    let failed = test(recorder, &skipped)?;
    if failed.is_empty() {
        return Ok(());
    }
    let again: Vec<&str> = ["--test-threads", "1"].into_iter().chain(failed.iter().map(String::as_str)).collect();
    let failed = test(recorder, &again)?;
    if failed.is_empty() { Ok(()) } else { Err(format!("{LOG}: behind the recorder fail\n  {}", failed.join("\n  "))) }
}

/// Runs tests behind the recorder: the names of those that failed.
fn test(recorder: &Recorder, arguments: &[&str]) -> Result<Vec<String>> {
    let wrong = |error: io::Error| format!("{LOG}: {error}");
    let file = File::create(root().join(LOG)).map_err(wrong)?;
    let mut command = program("cargo", &TESTS);
    command
        .args(["--", "--exact"])
        .args(arguments)
        .env("INSTA_UPDATE", "no")
        .env("HTTP_PROXY", recorder.url())
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .stderr(file.try_clone().map_err(wrong)?)
        .stdout(file);
    eprintln!("$ HTTP_PROXY={} {} > {LOG}", recorder.url(), shown(&command));
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        return Ok(Vec::new());
    }
    // The names come last. Without them, the tests did not come to their end.
    let said = String::from_utf8_lossy(&fs::read(root().join(LOG)).map_err(wrong)?).into_owned();
    let Some((_, end)) = said.rsplit_once("\nfailures:\n") else {
        let why = said.rsplit("error: ").next().unwrap_or_default().trim_end();
        return Err(format!("{LOG}: the tests broke off: {why}"));
    };
    Ok(end.lines().map_while(|line| line.strip_prefix("    ")).map(str::to_owned).collect())
}

/// Whether it is a call to a vendor's API, as all are that go neither to a file nor to the address that a test sets.
fn is_of_api(call: &Call) -> bool {
    let other = call.target.contains(OTHER_DISPATCH[0]) && call.target.ends_with(OTHER_DISPATCH[1]);
    !call.target.contains(FILES) && !other
}

/// What the paths of a spec begin with.
fn starts(operations: &[Entry]) -> BTreeSet<String> {
    operations.iter().filter_map(|operation| Some(format!("/{}", operation.path.split('/').nth(1)?))).collect()
}

/// The path as the spec has it: where a server puts the API is its own business.
fn below_base(mut call: Call, starts: &BTreeSet<String>) -> Call {
    if let Some(place) = starts.iter().filter_map(|start| call.target.find(start)).min() {
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

/// The call less what differs each time and means nothing: the sandbox's port, and the letters and digits of the marks.
/// The patterns of these take any letter where they take one, and any digit.
fn plain(mut call: Call) -> Call {
    for (name, value) in &mut call.headers {
        match name.as_str() {
            "host" => "localhost".clone_into(value),
            name if MARKS.contains(&name) => *value = value.replace(|sign: char| sign.is_ascii_alphanumeric(), "0"),
            _ => {}
        }
    }
    call
}

/// The operations that none of the calls is of, although one should be.
fn uncalled(vendor: &str, operations: &[Entry], calls: &BTreeSet<Call>) -> Vec<String> {
    let is_known = |id: &str| UNCALLED.iter().any(|(known, ids)| *known == vendor && ids.contains(&id));
    let missing = operations.iter().filter(|entry| !calls.iter().any(|call| is_of(call, entry)));
    let missing = missing.filter(|entry| !is_known(&entry.id));
    missing.map(|entry| format!("{vendor}: no test calls {}", entry.id)).collect()
}

/// The operations whose bodies Prism does not look at: it is silent where it cannot compile a schema.
fn unseen(vendor: &str, operations: &[Entry], calls: &BTreeSet<Call>, prism: SocketAddr) -> Vec<String> {
    let is_seen = |entry: &Entry| {
        let call = calls.iter().find(|call| !call.body.is_empty() && is_of(call, entry));
        // A list is what no operation takes; as long as the body was, for the header says so.
        let list = |call: &Call| format!("{:<1$}", "[]", call.body.len()).into_bytes();
        call.is_none_or(|call| problem(&Call { body: list(call), ..call.clone() }, prism).is_some())
    };
    let unseen = operations.iter().filter(|entry| !is_seen(entry));
    unseen.map(|entry| format!("{vendor}: Prism takes any body of {}", entry.id)).collect()
}

/// Whether a call is of an operation.
fn is_of(call: &Call, operation: &Entry) -> bool {
    let path = call.target.split('?').next().unwrap_or_default().split('/');
    let template = operation.path.split('/');
    call.method == operation.method
        && path.clone().count() == template.clone().count()
        && path.zip(template).all(|(word, part)| word == part || part.starts_with('{'))
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
