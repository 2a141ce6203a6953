//! What is told from the journal alone: `status`, `report` and `labels`.

use super::*;

/// A wave at XPS of which two orders are refused, for different reasons.
fn two_refused() -> Desk {
    let desk = Desk::in_memory();
    desk.sample("xps", 6, |place, shipment| match place {
        1 => set(shipment, "/receiver/zip", "1".into()),
        4 => set(shipment, "/receiver/zip", "00000".into()),
        _ => {}
    });
    assert_eq!(desk.book("xps", "").code, Some(2));
    desk
}

/// A text whose times and path are always the same.
pub(super) fn steady(text: &str) -> String {
    let text = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC").unwrap().replace_all(text, "[time]");
    regex::Regex::new(r"\S*/shipbatch ").unwrap().replace_all(&text, "shipbatch ").into_owned()
}

#[test]
fn status_says_how_far_a_wave_is_and_what_to_type_next() {
    let desk = two_refused();
    let ended = desk.run("status --journal wave.db");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    insta::assert_snapshot!(steady(&ended.stdout), @"
    xps, account sandbox: 6 orders in 1 unit
            4 booked
            2 rejected
    began [time], last moved [time]
    cost: 59.93 USD
    rejected: The carrier refused the address.
      1 order: WAVE-000005
    rejected: receiver.zip must have 5 or 9 digits.
      1 order: WAVE-000002
    to go on, when the rejected orders are repaired: shipbatch book ORDERS --vendor xps --journal wave.db
    ");

    let ended = desk.run("status --journal wave.db --json");
    let status: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&status["orders"], &status["booked"], &status["rejected"]), (&json!(6), &json!(4), &json!(2)));
    assert_eq!(status["under_way"], json!({"claimed": 0, "intent": 0, "accepted": 0}));
    assert!(status["began"].is_string() && status["cost"]["USD"].is_string(), "{status}");

    desk.sample("xps", 6, |_, _| {});
    assert_eq!(desk.book("xps", "").code, Some(0));
    let ended = desk.run("status --journal wave.db");
    assert_eq!(ended.code, Some(0));
    insta::assert_snapshot!(steady(ended.stdout.lines().last().unwrap()), @"for the labels: shipbatch labels --journal wave.db --vendor xps --account sandbox --output labels.pdf");
}

#[test]
fn a_wave_that_was_killed_is_told_as_it_stands() {
    let desk = Desk::new();
    let sandbox = Served::new(&desk, "--faults xps.book_batch:hang@1");
    desk.sample("xps", 3, |_, _| {});
    let mut command = desk.command("book orders.jsonl --vendor xps --journal wave.db");
    command.env("XPS_API_KEY", sandbox.address("token")).env("XPS_CUSTOMER_ID", "sandbox");
    let mut child = command.env("XPS_BASE_URL", sandbox.address("xps")).stderr(Stdio::null()).spawn().unwrap();
    let intent = || {
        let journal = format!("sqlite:{}", desk.path().join("wave.db").display());
        // The file is the wave's until it is killed, and is read past its lock here.
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            use sqlx::{Connection, Row};
            let mut connection = sqlx::SqliteConnection::connect(&journal).await.ok()?;
            let rows = sqlx::query("SELECT state FROM unit").fetch_all(&mut connection).await.ok()?;
            rows.first()?.try_get::<String, _>(0).ok()
        })
    };
    let begun = std::time::Instant::now();
    while intent().as_deref() != Some("intent") {
        assert!(begun.elapsed().as_secs() < 60);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let busy = desk.run("status --journal wave.db").refused();
    assert!(busy.ends_with("another process is using it\n"), "{busy}");
    child.kill().unwrap();
    child.wait().unwrap();

    let ended = desk.run("status --journal wave.db");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    insta::assert_snapshot!(steady(&ended.stdout), @"
    xps, account sandbox: 3 orders in 1 unit
            3 under way (intent): whose booking may be on its way
    began [time], last moved [time]
    unknown: it is under way
      3 orders: WAVE-000001, WAVE-000002, WAVE-000003
    booking again asks the vendor what became of the unknown ones, and sends none of them twice
    to go on: shipbatch book ORDERS --vendor xps --journal wave.db
    ");
    let ended = desk.run("report --journal wave.db");
    insta::assert_snapshot!(ended.stdout, @"
    order_id     outcome  shipment  tracking  cost  error
    WAVE-000001  unknown                            it is under way
    WAVE-000002  unknown                            it is under way
    WAVE-000003  unknown                            it is under way
    ");
}

#[test]
fn report_is_a_table_csv_json_lines_or_a_page() {
    let desk = two_refused();
    let ended = desk.run("report --journal wave.db");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ended.stdout, @"
    order_id     outcome   shipment  tracking                cost       error
    WAVE-000001  booked    2292848   1Z999AA10229284857      18.12 USD
    WAVE-000002  rejected                                               receiver.zip must have 5 or 9 digits.
    WAVE-000003  booked    2292849   9405511488034602292849  17.00 USD
    WAVE-000004  booked    2292850   1Z999AA10229285072      14.76 USD
    WAVE-000005  rejected                                               The carrier refused the address.
    WAVE-000006  booked    2292851   9405511665398302292851  10.05 USD
    ");

    // The same rows as the wave's own report.
    let ended = desk.run("report --journal wave.db --format jsonl");
    assert_eq!(ended.stdout, desk.read("r.jsonl"));
    let ended = desk.run("report --journal wave.db --output again.csv");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let report = desk.read("again.csv");
    assert_eq!(report.lines().next(), Some("order_id,outcome,shipment,tracking,cost,currency,page,error,request_id"));
    assert_eq!(report.lines().count(), 7);
    let refused = desk.run("report --journal wave.db --output again.xlsx").refused();
    insta::assert_snapshot!(refused, @"error: --output again.xlsx: not a .csv, .jsonl or .html file");
}

#[test]
fn the_page_needs_nothing_else_and_runs_nothing_of_a_vendor() {
    let desk = Desk::in_memory();
    desk.sample("smartsend", 30, |place, shipment| {
        if place == 3 {
            set(shipment, "/parties/receiver/address/country", "Denmark".into())
        }
    });
    let orders = desk.read("orders.jsonl").replace("WAVE-000005", "<b>\\\"5\\\"&");
    desk.write("orders.jsonl", orders);
    let ended = desk.run("book orders.jsonl --vendor smartsend --journal wave.db --sandbox --report wave.html");
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    let ended = desk.run("report --journal wave.db --output again.html");
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for page in [desk.read("wave.html"), desk.read("again.html")] {
        assert!(page.starts_with("<!DOCTYPE html>"));
        for never in ["<script", "<b>\"5", "http://", "https://", " src=", " href=", "url(", "@import"] {
            assert!(!page.contains(never), "{never}");
        }
        assert!(page.contains("&lt;b&gt;&quot;5&quot;&amp;"));
        assert!(page.contains("<svg") && page.matches("<title>").count() == 31, "a bar for each unit");
        assert!(page.contains("What went wrong") && page.contains("<b>29</b> booked"));
        assert_eq!(page.matches("<tr>").count(), 31);
    }
}

#[test]
fn labels_are_fetched_from_the_journal_alone() {
    for (vendor, token, account) in [
        ("smartsend", "SMARTSEND_TOKEN", "SMARTSEND_TEAM"),
        ("xps", "XPS_API_KEY", "XPS_CUSTOMER_ID"),
        ("deftship", "DEFTSHIP_TOKEN", "DEFTSHIP_ACCOUNT"),
    ] {
        let desk = Desk::in_memory();
        let sandbox = Served::new(&desk, "");
        let address = format!("--base-url {}", sandbox.address(vendor));
        let run = |arguments: &str| {
            let mut command = desk.command(&format!("{arguments} --journal wave.db {address}"));
            Ended::from(command.env(token, sandbox.address("token")).env(account, "team-7").output().unwrap())
        };
        desk.sample(vendor, 7, |_, _| {});
        let ended = run(&format!("book orders.jsonl --vendor {vendor}"));
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
        fs::remove_file(desk.path().join("orders.jsonl")).unwrap();

        let ended = run("labels --output labels.pdf");
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        assert_eq!(ended.stdout, "labels: labels.pdf (7 orders)\n");
        assert!(fs::read(desk.path().join("labels.pdf")).unwrap().starts_with(b"%PDF"));
        assert!(desk.path().join("labels.pages.csv").exists());

        let mut command = desk.command("labels --journal wave.db --output labels.pdf");
        let refused = Ended::from(command.env(token, TOKEN).env(account, "another").output().unwrap()).refused();
        assert_eq!(refused, format!("error: {account} is \"another\", and the journal's account is \"team-7\"\n"));
        let refused = desk.run("labels --journal wave.db --output labels.pdf").refused();
        assert_eq!(refused, format!("error: {token} is not set\n"));
    }
}

#[test]
fn a_journal_of_several_accounts_wants_a_choice() {
    let desk = Desk::in_memory();
    for vendor in ["xps", "deftship"] {
        desk.sample(vendor, 2, |_, _| {});
        assert_eq!(desk.book(vendor, "").code, Some(0));
    }
    let ended = desk.run("status --journal wave.db");
    assert_eq!(ended.stdout.matches(" booked\n").count(), 2, "{}", ended.stdout);
    let ended = desk.run("status --journal wave.db --vendor deftship");
    assert!(ended.stdout.starts_with("deftship, account sandbox: 2 orders in 1 unit\n"), "{}", ended.stdout);
    assert_eq!(desk.run("report --journal wave.db --vendor xps").code, Some(0));
    let said = [
        desk.run("report --journal wave.db").refused(),
        desk.run("report --journal wave.db --vendor smartsend").refused(),
        desk.run("status --journal wave.db --account nobody").refused(),
        desk.run("status --journal none.db").refused(),
        desk.run("labels --journal wave.db --output labels.zpl").refused(),
    ];
    assert!(!desk.path().join("none.db").exists());
    insta::assert_snapshot!(said.concat(), @r#"
    error: the journal holds orders of deftship "sandbox", xps "sandbox": choose by --vendor, --account
    error: the journal holds orders of deftship "sandbox", xps "sandbox" only
    error: the journal holds orders of deftship "sandbox", xps "sandbox" only
    error: journal "none.db": there is none
    error: --output labels.zpl: not a .pdf file
    "#);
}

#[tokio::test]
async fn the_time_between_two_runs_takes_no_room() {
    use sqlx::Connection;

    let desk = Desk::in_memory();
    desk.sample("xps", 2, |_, _| {});
    assert_eq!(desk.book("xps", "").code, Some(0));
    // As if it had been yesterday.
    let journal = format!("sqlite:{}", desk.path().join("wave.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&journal).await.unwrap();
    for sql in
        ["UPDATE unit SET claimed_at = claimed_at - 86400000", "UPDATE booking SET updated_at = updated_at - 86400000"]
    {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    desk.sample("xps", 4, |_, _| {});
    assert_eq!(desk.book("xps", "").code, Some(0));
    assert_eq!(desk.run("report --journal wave.db --output wave.html").code, Some(0));
    let page = desk.read("wave.html");
    assert_eq!((page.matches("<svg").count(), page.matches("<title>").count()), (2, 3), "{page}");
}

#[test]
fn the_page_tells_which_calls_were_repeated() {
    let desk = Desk::new();
    desk.sample("xps", 3, |_, _| {});
    let faults = "--sandbox --faults quote_batch:429(0)@1,get_label:500@1,create_batch:500@1";
    let book = format!("book orders.jsonl --vendor xps --journal wave.db --report wave.html {faults}");
    let ended = desk.run(&book);
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    let again = desk.run("report --journal wave.db --output again.html");
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    for page in ["wave.html", "again.html"] {
        let page = desk.read(page);
        assert!(page.contains("<h2>Waits and repeats</h2>"), "{page}");
        assert!(page.contains("<td>quote_batch</td><td>429</td>"), "{page}");
    }
}

#[test]
fn orders_that_a_run_did_not_come_to_are_not_forgotten() {
    let desk = Desk::new();
    desk.sample("xps", 30, |_, _| {});
    let book = "book orders.jsonl --vendor xps --journal wave.db --sandbox --unit-size 5 --concurrency 1";
    desk.run(&format!("{book} --deadline 1ms"));
    let status = desk.run("status --journal wave.db --json");
    let status: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
    // So early that perhaps no order was known yet: then there is nothing to tell of.
    if status.is_object() {
        assert!(status["not_begun"].as_u64().unwrap() > 0, "{status}");
    }
    assert_eq!(desk.run(book).code, Some(0));
    assert_eq!(desk.run("status --journal wave.db").code, Some(0));
}

#[test]
fn what_is_read_is_never_written_over() {
    let desk = two_refused();
    for (output, said) in [("wave.db", "the journal is there"), ("./wave.db.lock", "the journal is there")] {
        let ended = desk.run(&format!("report --journal wave.db --format csv --output {output}"));
        let refusal = ended.refused();
        assert!(refusal.contains(said), "{refusal}");
    }
    std::os::unix::fs::symlink(desk.path().join("orders.jsonl"), desk.path().join("link.jsonl")).unwrap();
    let before = desk.read("orders.jsonl");
    let ended = desk.run("book orders.jsonl --vendor xps --journal other.db --sandbox --report link.jsonl");
    let refusal = ended.refused();
    assert!(refusal.contains("the orders are there"), "{refusal}");
    assert_eq!(desk.read("orders.jsonl"), before);
}

/// To read is to leave no trace, in a database of others, too.
#[tokio::test]
async fn what_is_no_journal_is_not_made_one() {
    use sqlx::{AnyConnection, Connection};
    let desk = Desk::new();
    sqlx::any::install_default_drivers();
    let address = format!("sqlite://{}?mode=rwc", desk.path().join("foreign.db").display());
    let mut connection = AnyConnection::connect(&address).await.unwrap();
    sqlx::raw_sql("CREATE TABLE mine (x)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(desk.path().join("foreign.db")).unwrap();
    for command in ["status", "report"] {
        let ended = desk.run(&format!("{command} --journal foreign.db"));
        let refusal = ended.refused();
        assert!(refusal.contains("there is none"), "{refusal}");
    }
    assert_eq!(std::fs::read(desk.path().join("foreign.db")).unwrap(), before);
    assert!(!desk.path().join("foreign.db.lock").exists());
}
