//! The command line, as a user has it: the real binary, run against its own sandbox.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg_attr(not(unix), allow(dead_code, reason = "elsewhere nothing sends a Ctrl-C"))]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

mod help;
mod journal;
mod plan;
mod sheet;

const VENDORS: [&str; 3] = ["smartsend", "xps", "deftship"];
/// What may never be shown.
const TOKEN: &str = "q7-very-secret-token";

/// A folder for one test, in which the command runs.
pub(crate) struct Desk(TempDir);

/// What a command left, as text.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder whose journals cost no time.
    pub(crate) fn in_memory() -> Self {
        Self(crate::scratch::folder())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// The command with these arguments, and none of the developer's own credentials.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("shipbatch"));
        command.args(arguments.split_whitespace()).current_dir(self.path());
        let ours =
            |name: &str| ["SMARTSEND_", "XPS_", "DEFTSHIP_", "RUST_LOG"].iter().any(|ours| name.starts_with(ours));
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, arguments: &str) -> Ended {
        self.command(arguments).stdin(Stdio::null()).output().unwrap().into()
    }

    /// Writes sample orders into `orders.jsonl`, one of them spoilt.
    pub(crate) fn sample(&self, vendor: &str, count: usize, spoil: impl Fn(usize, &mut Value)) {
        let ended = self.run(&format!("sample --vendor {vendor} --count {count} --seed 7"));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let mut lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), count);
        lines.iter_mut().enumerate().for_each(|(place, line)| spoil(place, &mut line["shipment"]));
        self.write("orders.jsonl", lines.iter().map(|line| format!("{line}\n")).collect::<String>());
    }

    /// Books `orders.jsonl` in a sandbox of its own.
    fn book(&self, vendor: &str, more: &str) -> Ended {
        self.run(&format!("book orders.jsonl --vendor {vendor} --journal wave.db --sandbox --report r.jsonl {more}"))
    }

    fn rows(&self) -> Vec<Value> {
        self.read("r.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ended {
    /// That it stopped before anything was done, and what it said.
    pub(crate) fn refused(self) -> String {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{}", self.stderr);
        self.stderr
    }
}

/// `shipbatch sandbox` in a process of its own, stopped with the test.
struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    addresses: Vec<(String, String)>,
}

impl Served {
    fn new(desk: &Desk, more: &str) -> Self {
        let mut command = desk.command(&format!("sandbox --listen 127.0.0.1:0 {more}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let addresses = (0..4)
            .map(|_| {
                let mut line = String::new();
                stdout.read_line(&mut line).unwrap();
                let (name, value) = line.trim().split_once(' ').unwrap();
                (name.to_owned(), value.trim().to_owned())
            })
            .collect();
        Self { child, stdout, addresses }
    }

    fn address(&self, name: &str) -> &str {
        &self.addresses.iter().find(|(vendor, _)| vendor == name).unwrap().1
    }

    /// Ends it with Ctrl-C; what it says then.
    fn end(mut self) -> String {
        interrupt(&self.child);
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        assert!(self.child.wait().unwrap().success());
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Ctrl-C does to a process.
fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn set(shipment: &mut Value, pointer: &str, value: Value) {
    *shipment.pointer_mut(pointer).unwrap() = value;
}

/// Books 30 orders of which the 17th is bad, and checks all that is told of them.
fn one_bad_order(vendor: &str, outcome: &str, words: &str, spoil: impl Fn(&mut Value)) {
    let desk = Desk::new();
    desk.sample(vendor, 30, |place, shipment| {
        if place == 16 {
            spoil(shipment)
        }
    });
    let ended = desk.book(vendor, "");
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);

    for (place, row) in desk.rows().iter().enumerate() {
        assert_eq!(row["order_id"], format!("WAVE-{:06}", place + 1));
        assert_eq!(row["outcome"], if place == 16 { outcome } else { "booked" }, "{row}");
        assert_eq!(row["shipment"].is_string(), place != 16, "{row}");
        assert_eq!(row["tracking"].as_str().unwrap().is_empty(), place == 16, "{row}");
        assert_eq!(row["error"].is_string(), place == 16, "{row}");
    }
    let error = desk.rows()[16]["error"].as_str().unwrap().to_owned();
    assert!(error.contains(words), "{error}");
    assert!(ended.stdout.contains(&format!("{outcome}: {error}")), "{}", ended.stdout);
    assert!(ended.stdout.contains("\n  1 order: WAVE-000017\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nsandbox ledger: 29 orders charged once\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("book orders.jsonl --vendor"), "{}", ended.stdout);
    assert_eq!(ended.stderr.lines().last(), Some(&*format!("30 of 30: 29 booked, 1 {outcome}")));
}

#[test]
fn an_order_that_smartsend_refuses_to_create_stops_no_other() {
    one_bad_order("smartsend", "rejected", "country", |shipment| {
        set(shipment, "/parties/receiver/address/country", "Denmark".into());
    });
}

#[test]
fn an_order_that_smartsend_fails_to_book_stops_no_other() {
    one_bad_order("smartsend", "failed", "", |shipment| {
        set(shipment, "/parties/receiver/address/postal_code", "00000".into());
    });
}

#[test]
fn an_order_that_xps_does_not_quote_stops_no_other() {
    one_bad_order("xps", "rejected", "zip", |shipment| set(shipment, "/receiver/zip", "1".into()));
}

#[test]
fn an_order_that_xps_does_not_book_stops_no_other() {
    one_bad_order("xps", "rejected", "The carrier refused the address", |shipment| {
        set(shipment, "/receiver/zip", "00000".into());
    });
}

#[test]
fn an_order_that_deftship_finds_invalid_stops_no_other() {
    one_bad_order("deftship", "rejected", "state", |shipment| {
        shipment["to_address"].as_object_mut().unwrap().remove("state");
    });
}

#[test]
fn an_order_that_deftship_cannot_ship_stops_no_other() {
    one_bad_order("deftship", "failed", "could not ship", |shipment| {
        set(shipment, "/to_address/zip", "00000".into());
    });
}

#[test]
fn a_thousand_orders_are_booked_and_never_again() {
    for vendor in VENDORS {
        let desk = Desk::new();
        desk.sample(vendor, 1000, |_, _| {});
        let first = desk.book(vendor, "--concurrency 32");
        assert_eq!(first.code, Some(0), "{}{}", first.stdout, first.stderr);
        assert!(first.stdout.contains("\nsandbox ledger: 1000 orders charged once\n"), "{}", first.stdout);
        assert!(!first.stdout.contains("to go on"), "{}", first.stdout);
        let rows = desk.rows();
        assert_eq!(rows.len(), 1000);
        assert!(rows.iter().all(|row| row["outcome"] == "booked"));

        // The sandbox of the second run is a new one: whatever it charged was charged twice.
        let second = desk.book(vendor, "");
        assert_eq!(second.code, Some(0), "{}{}", second.stdout, second.stderr);
        assert!(second.stdout.contains("\n1000 orders booked in an earlier run"), "{}", second.stdout);
        assert!(second.stdout.contains("\nsandbox ledger: 0 orders charged once\n"), "{}", second.stdout);
        assert_eq!(desk.rows(), rows);
    }
}

#[test]
fn smartsend_can_book_by_batches_and_any_vendor_at_a_rate() {
    let desk = Desk::new();
    desk.sample("smartsend", 30, |_, _| {});
    let ended = desk.book("smartsend", "--via-batches --unit-size 10");
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("\nsandbox ledger: 30 orders charged once\n"), "{}", ended.stdout);

    let desk = Desk::new();
    desk.sample("xps", 4, |_, _| {});
    // Three calls, one every 100 ms.
    let started = std::time::Instant::now();
    assert_eq!(desk.book("xps", "--rate 600").code, Some(0));
    assert!(started.elapsed() >= std::time::Duration::from_millis(200));
    let refused = desk.book("xps", "--via-batches").refused();
    insta::assert_snapshot!(refused, @"error: --via-batches: xps books by batches as it is");
}

#[test]
fn a_lost_booking_is_looked_for_as_long_as_it_is_doubted() {
    for (doubt, least) in [("100ms", 100), ("600ms", 600)] {
        let desk = Desk::new();
        desk.sample("xps", 3, |_, _| {});
        let started = std::time::Instant::now();
        let ended = desk.book("xps", &format!("--faults xps.book_batch:drop-before@1 --doubt {doubt} --poll 5ms"));
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("\nsandbox ledger: 3 orders charged once\n"), "{}", ended.stdout);
        // The looks are spread over all of the time, and the last of them ends it.
        let took = started.elapsed().as_millis();
        assert!((least..least + 5000).contains(&took), "{doubt}: {took} ms");
    }
}

#[test]
fn a_repaired_order_is_booked_by_the_next_run() {
    for vendor in ["xps", "deftship"] {
        let desk = Desk::new();
        let zip = if vendor == "xps" { "/receiver/zip" } else { "/to_address/zip" };
        desk.sample(vendor, 5, |place, shipment| {
            if place == 2 {
                set(shipment, zip, "1".into())
            }
        });
        assert_eq!(desk.book(vendor, "").code, Some(2));
        desk.sample(vendor, 5, |_, _| {});
        let ended = desk.book(vendor, "");
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("sandbox ledger: 1 order charged once"), "{}", ended.stdout);
    }
}

#[test]
fn the_labels_are_one_file_whose_pages_the_report_names() {
    for vendor in VENDORS {
        let desk = Desk::new();
        desk.sample(vendor, 12, |_, _| {});
        let ended = desk.book(vendor, "--labels labels.pdf");
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains("\nlabels: labels.pdf (12 orders)\n"), "{}", ended.stdout);
        assert!(fs::read(desk.path().join("labels.pdf")).unwrap().starts_with(b"%PDF"));
        let pages: Vec<u64> = desk.rows().iter().map(|row| row["page"].as_u64().unwrap()).collect();
        assert!(pages[0] == 1 && pages.is_sorted(), "{pages:?}");
    }
}

#[test]
fn labels_that_cannot_be_written_are_told_after_the_report() {
    let desk = Desk::new();
    desk.sample("xps", 3, |_, _| {});
    fs::create_dir(desk.path().join("labels.pages.csv")).unwrap();
    let ended = desk.book("xps", "--labels labels.pdf");
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("3 orders at xps: 3 booked") && ended.stdout.contains("report: r.jsonl"));
    assert!(ended.stderr.lines().last().unwrap().starts_with("error: "), "{}", ended.stderr);
    assert!(desk.rows().iter().all(|row| row["outcome"] == "booked"));
}

#[test]
fn a_report_in_csv_has_the_documented_columns() {
    let desk = Desk::new();
    desk.sample("xps", 3, |_, _| {});
    let ended = desk.run("book orders.jsonl --vendor xps --journal wave.db --sandbox --report r.csv");
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let report = desk.read("r.csv");
    assert_eq!(report.lines().next(), Some("order_id,outcome,shipment,tracking,cost,currency,page,error,request_id"));
    assert_eq!(report.lines().count(), 4);
    assert!(report.lines().skip(1).all(|row| row.contains(",booked,") && row.contains(",USD,")), "{report}");
    let left: Vec<_> = fs::read_dir(desk.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn json_is_one_event_per_line_and_the_last_has_the_end() {
    let desk = Desk::new();
    desk.sample("xps", 20, |place, shipment| {
        if place == 3 {
            set(shipment, "/receiver/zip", "1".into())
        }
    });
    let ended = desk.book("xps", "--json");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    let events: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (end, progress) = events.split_last().unwrap();
    assert!(progress.iter().all(|event| event["event"] == "progress"));
    assert_eq!((&end["event"], &end["orders"]), (&json!("end"), &json!(20)));
    assert_eq!((&end["booked"], &end["rejected"], &end["failed"]), (&json!(19), &json!(1), &json!(0)));
    assert_eq!(end["sandbox"], json!({"orders": 19, "charged_twice": 0}));
    assert!(end["cost"]["USD"].is_string() && end["seconds"].is_number(), "{end}");
}

#[test]
fn orders_come_from_standard_input_too() {
    let desk = Desk::new();
    desk.sample("xps", 3, |_, _| {});
    let mut command = desk.command("book - --vendor xps --journal wave.db --sandbox");
    let orders = fs::File::open(desk.path().join("orders.jsonl")).unwrap();
    let ended = Ended::from(command.stdin(orders).output().unwrap());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn a_wrong_token_is_one_line_and_is_not_shown() {
    let desk = Desk::new();
    let sandbox = Served::new(&desk, "");
    for (vendor, token, account) in [
        ("smartsend", "SMARTSEND_TOKEN", "SMARTSEND_TEAM"),
        ("xps", "XPS_API_KEY", "XPS_CUSTOMER_ID"),
        ("deftship", "DEFTSHIP_TOKEN", "DEFTSHIP_ACCOUNT"),
    ] {
        desk.sample(vendor, 3, |_, _| {});
        let arguments = format!("book orders.jsonl --vendor {vendor} --journal {vendor}.db");
        let mut command = desk.command(&format!("{arguments} --base-url {}", sandbox.address(vendor)));
        command.env(token, TOKEN).env(account, "team-7").stdin(Stdio::null());
        let stderr = Ended::from(command.output().unwrap()).refused();
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with(&format!("error: {vendor} ")) && stderr.contains("(HTTP 401)"), "{stderr}");

        let logged = Ended::from(command.env("RUST_LOG", "trace").output().unwrap());
        assert!(logged.stderr.lines().count() > 1);
        assert!(!stderr.contains(TOKEN) && !logged.stderr.contains(TOKEN), "{}", logged.stderr);
    }
}

/// `shipbatch book` at a served sandbox, under way: its first line of progress was read.
#[cfg(unix)]
fn under_way(desk: &Desk, sandbox: &Served, more: &str) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = desk.command(&format!("book orders.jsonl --vendor smartsend --journal wave.db {more}"));
    command.env("SMARTSEND_TOKEN", sandbox.address("token")).env("SMARTSEND_TEAM", "sandbox");
    command.env("SMARTSEND_BASE_URL", sandbox.address("smartsend"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let first = stderr.next().unwrap();
    assert!(first.contains(" booked"), "{first}");
    (child, stderr)
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_wave_and_the_next_run_goes_on() {
    let desk = Desk::new();
    let sandbox = Served::new(&desk, "--latency 20");
    desk.sample("smartsend", 120, |_, _| {});
    let (child, stderr) = under_way(&desk, &sandbox, "--concurrency 4");
    interrupt(&child);
    let rest: Vec<String> = stderr.collect();
    assert!(rest[0].starts_with("stopping: nothing new is sent") && rest[1].starts_with("to go on: "), "{rest:?}");
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(2), "{}{rest:?}", ended.stdout);
    assert!(ended.stdout.contains(" not sent") && ended.stdout.contains("\nto go on: "), "{}", ended.stdout);

    let (child, _) = under_way(&desk, &sandbox, "--concurrency 64");
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let said = sandbox.end();
    assert!(said.contains("sandbox ledger: 120 orders charged once\n"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_at_once_and_the_next_run_pays_nothing_twice() {
    let desk = Desk::new();
    // Longer than the pause between two lines, so that the first comes while the money calls are on their way.
    let sandbox = Served::new(&desk, "--latency 1100");
    desk.sample("smartsend", 3, |_, _| {});
    let (mut child, mut stderr) = under_way(&desk, &sandbox, "");
    interrupt(&child);
    assert!(stderr.any(|line| line.starts_with("stopping: ")));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));

    let (child, _) = under_way(&desk, &sandbox, "");
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    let said = sandbox.end();
    assert!(said.contains("sandbox ledger: 3 orders charged once\n"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_sandbox_says_how_it_is_reached() {
    let desk = Desk::new();
    let mut sandbox = Served::new(&desk, "");
    assert!(sandbox.address("smartsend").ends_with("/api/v2"));
    assert!(sandbox.address("xps").ends_with("/restapi/v1"));
    assert!(sandbox.address("deftship").starts_with("http://127.0.0.1:"));
    let mut lines = (&mut sandbox.stdout).lines().map(Result::unwrap);
    assert_eq!(lines.next().as_deref(), Some(""));
    let exports: Vec<String> = lines.take(3).collect();
    for name in
        ["SMARTSEND_BASE_URL", "SMARTSEND_TEAM", "SMARTSEND_TOKEN", "XPS_CUSTOMER_ID", "XPS_API_KEY", "DEFTSHIP_TOKEN"]
    {
        assert!(exports.iter().any(|line| line.contains(&format!(" {name}="))), "{name}: {exports:?}");
    }
    let said = sandbox.end();
    assert!(said.ends_with("sandbox ledger: 0 orders charged once\n"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_sample_whose_reader_leaves_ends_quietly() {
    let desk = Desk::new();
    let mut command = desk.command("sample --vendor xps --count 100000");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with(r#"{"order_id":"WAVE-000001","#), "{line}");
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn bad_lines_are_all_named_and_nothing_is_sent() {
    let desk = Desk::new();
    desk.sample("smartsend", 4, |place, shipment| match place {
        0 => set(shipment, "/parcels/0/gross_weight", "heavy".into()),
        1 => drop(shipment["parties"]["receiver"]["address"].as_object_mut().unwrap().remove("city")),
        2 => shipment["parties"]["receiver"]["adress"] = "x".into(),
        _ => {}
    });
    let good = desk.read("orders.jsonl").lines().last().unwrap().to_owned();
    let typo = good.replacen("\"shipment\"", "\"shipmnt\"", 1);
    desk.write("orders.jsonl", format!("{}\n{{\"order_id\": \n{typo}\n{good}\n", desk.read("orders.jsonl")));
    insta::assert_snapshot!(desk.book("smartsend", "").refused(), @r#"
    error: orders.jsonl: 6 bad lines; nothing was sent
      line 1: shipment.parcels[0].gross_weight: invalid value: string "heavy", expected a number, or a string that holds one
      line 2: shipment.parties.receiver.address: missing field `city`
      line 3: shipment.parties.receiver.adress: the vendor's request has no such field
      line 6: EOF while parsing a value (column 12)
      line 7: shipmnt: unknown field `shipmnt`, expected `order_id` or `shipment`
      line 8: order_id: WAVE-000004 is also in line 4
    "#);
    assert!(!desk.path().join("wave.db").exists());
}

#[test]
fn many_bad_lines_are_counted() {
    let desk = Desk::new();
    desk.write("orders.jsonl", "order_id,receiver.zip\n".repeat(80));
    let stderr = desk.book("xps", "").refused();
    assert_eq!((stderr.lines().count(), stderr.lines().last()), (52, Some("  … and 30 more")), "{stderr}");
}

#[test]
fn an_empty_file_is_an_error() {
    let desk = Desk::new();
    desk.write("orders.jsonl", "\n  \n");
    insta::assert_snapshot!(desk.book("xps", "").refused(), @"error: orders.jsonl: it holds no order");
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let stderr = Desk::new().book("xps", "").refused();
    insta::assert_snapshot!(stderr, @"error: orders.jsonl: No such file or directory (os error 2)");
}

#[test]
fn deftship_orders_need_a_shipper_and_a_service() {
    let desk = Desk::new();
    desk.sample("deftship", 1, |_, _| {});
    let bare = desk.read("orders.jsonl").replace("\"shipper_id\":123", "\"shipper_id\":null");
    desk.write("orders.jsonl", bare);
    insta::assert_snapshot!(desk.book("deftship", "").refused(), @"
    error: orders.jsonl: 1 bad line; nothing was sent
      line 1: shipper_id: neither in the line nor given by --shipper-id
    ");
    let stderr = desk.book("xps", "--shipper-id 5").refused();
    insta::assert_snapshot!(stderr, @"error: --shipper-id and --service: xps takes none");
}

#[test]
fn a_credential_that_is_not_set_is_named() {
    let desk = Desk::new();
    let run = |vendor| desk.run(&format!("book orders.jsonl --vendor {vendor} --journal wave.db")).refused();
    insta::assert_snapshot!(VENDORS.map(run).concat(), @"
    error: SMARTSEND_TOKEN is not set
    error: XPS_API_KEY is not set
    error: DEFTSHIP_TOKEN is not set
    ");
    let mut command = desk.command("book orders.jsonl --vendor xps --journal wave.db");
    let stderr = Ended::from(command.env("XPS_API_KEY", TOKEN).output().unwrap()).refused();
    insta::assert_snapshot!(stderr, @"error: XPS_CUSTOMER_ID is not set");
}

#[test]
fn an_address_that_is_none_is_an_error() {
    let desk = Desk::new();
    let mut command = desk.command("book orders.jsonl --vendor xps --journal wave.db --base-url xpsshipper.com");
    let stderr = Ended::from(command.env("XPS_API_KEY", TOKEN).env("XPS_CUSTOMER_ID", "c").output().unwrap()).refused();
    insta::assert_snapshot!(stderr, @r#"error: xps: "xpsshipper.com" is not the address of an API"#);
}

#[test]
fn files_are_checked_before_anything_is_sent() {
    let desk = Desk::new();
    desk.sample("xps", 1, |_, _| {});
    let run = |files: &str| {
        desk.run(&format!("book orders.jsonl --vendor xps --journal wave.db --sandbox {files}")).refused()
    };
    let said = [
        run("--report report.xlsx"),
        run("--report nowhere/report.csv"),
        run("--labels labels.zpl"),
        run("--labels nowhere/labels.pdf"),
        run("--labels wave.pdf --report wave.pages.csv"),
    ];
    insta::assert_snapshot!(said.concat(), @"
    error: --report report.xlsx: not a .csv, .jsonl or .html file
    error: --report nowhere/report.csv: there is no folder nowhere
    error: --labels labels.zpl: not a .pdf file
    error: --labels nowhere/labels.pdf: there is no folder nowhere
    error: --report wave.pages.csv: the index of the labels is written there
    ");
}

#[test]
fn a_journal_that_is_none_is_an_error() {
    let desk = Desk::new();
    desk.sample("xps", 1, |_, _| {});
    let stderr = desk.run("book orders.jsonl --vendor xps --journal x://y --sandbox").refused();
    insta::assert_snapshot!(stderr, @r#"error: journal "x://y": not a path, and neither a plain sqlite: nor a postgres: address"#);
}

#[test]
fn wrong_flags_stop_the_run() {
    let desk = Desk::new();
    for arguments in [
        "book",
        "book orders.jsonl --vendor ups --journal wave.db",
        "book orders.jsonl --vendor xps --journal wave.db --sandbox --base-url http://x",
        "book orders.jsonl --vendor xps --journal wave.db --concurrency 0",
        "sail",
    ] {
        assert!(desk.run(arguments).refused().starts_with("error: "), "{arguments}");
    }
    for flag in ["doubt", "poll"] {
        let refused = desk.run(&format!("book orders.jsonl --vendor xps --journal wave.db --{flag} 0s")).refused();
        assert!(refused.contains(&format!("'--{flag} <TIME>': not above zero")), "{refused}");
    }
    let deadline = "book orders.jsonl --vendor xps --journal wave.db --sandbox --deadline soon";
    insta::assert_snapshot!(desk.run(deadline).refused(), @"
    error: invalid value 'soon' for '--deadline <TIME>': not a time such as 90s, 10m or 1h

    For more information, try '--help'.
    ");
    assert_eq!(desk.run("--help").code, Some(0));
}

#[test]
fn a_sandbox_with_faults_is_booked_in_all_the_same() {
    let desk = Desk::new();
    desk.sample("xps", 5, |_, _| {});
    let ended = desk.book("xps", "--faults xps.book_batch:drop-after@1,*:429(0)@2");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(desk.rows().iter().filter(|row| row["outcome"] == "booked").count(), 5);
    let ended = desk.run("book orders.jsonl --vendor xps --journal other.db --faults *:500");
    assert!(ended.stderr.contains("--sandbox"), "{}", ended.stderr);
    let ended = desk.run("sandbox --faults *:explode");
    insta::assert_snapshot!(ended.stderr, @r#"
    error: invalid value '*:explode' for '--faults <SPEC>': fault "*:explode": there is no fault "explode"; there are drop-before, drop-after, 429, 429(SECONDS), 429-date(SECONDS), 500, 500-after, slow(MS), hang, truncate, stuck, new-enum, missing-label, expired, html

    For more information, try '--help'.
    "#);
}
