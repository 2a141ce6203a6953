//! What must hold of every wave, whatever went wrong: one checker for all tests that break things.
//!
//! It holds three witnesses against each other: what the vendor charged, what the journal says, and what the report
//! says. The journal is read from outside, by its address, as a user would query it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use serde_json::Value;
use shipbatch::{OrderId, Report, Vendor, sandbox::Sandbox};
use sqlx::{AnyConnection, Connection, Row as _};

/// The states of a unit whose commit may have been sent.
const MEANT: [&str; 3] = ["intent", "accepted", "settled"];

/// What is known of a wave apart from its report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    /// How often the vendor charged each order.
    charged: BTreeMap<String, usize>,
    /// What the journal holds, older revisions first.
    rows: Vec<Row>,
}

/// An order as one unit in the journal holds it.
#[derive(Clone, Debug)]
struct Row {
    order: String,
    state: String,
    outcome: Option<String>,
}

/// What a report says of each order, and the sum of its counts.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    rows: Vec<(String, String)>,
    counted: usize,
    /// The run ended early, on purpose: it wrote nothing of the orders that it did not come to.
    stopped: bool,
}

/// The orders whose truth the faults of a scenario may hide, so that `Unknown` is the right answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknowable {
    None,
    Any,
}

/// The rules that were broken, each with the order that it was broken for.
#[must_use = "it may hold violations"]
#[derive(Clone, Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Evidence {
    /// From a sandbox and a journal. The ledger is read first: what it holds is in the journal by then, even while calls
    /// are still on their way.
    pub(crate) async fn gather(sandbox: &Sandbox, vendor: Vendor, journal: &str) -> Self {
        let ledger = sandbox.ledger();
        let charged = ledger.by_order(vendor).into_iter().map(|(order, times)| (order.to_owned(), times)).collect();
        Self { charged, rows: rows(vendor, journal).await }
    }

    /// What must hold at any moment, and so after a crash at any moment.
    pub(crate) fn at_a_stop(&self) -> Violations {
        let mut found = Violations::default();
        for (order, times) in &self.charged {
            if *times > 1 {
                found.add(order, format!("it was charged {times} times"));
            }
            let mut rows = self.rows.iter().filter(|row| row.order == *order);
            if !rows.any(Row::may_be_charged) {
                let rows: Vec<&Row> = self.rows.iter().filter(|row| row.order == *order).collect();
                found.add(
                    order,
                    format!("it was charged, and the journal holds no open or booked intent of it: {rows:?}"),
                );
            }
        }
        for row in self.rows.iter().filter(|row| row.outcome.as_deref() == Some("booked")) {
            if !self.charged.contains_key(&row.order) {
                found.add(&row.order, "the journal says booked, and it was never charged");
            }
        }
        found
    }

    /// What must hold when a run has ended by itself.
    pub(crate) fn at_the_end(&self, given: &[OrderId], told: &Told, unknowable: Unknowable) -> Violations {
        let mut found = self.at_a_stop();
        if told.counted != given.len() {
            found.add("all", format!("the counts add up to {} for {} orders", told.counted, given.len()));
        }
        let given: BTreeSet<&str> = given.iter().map(OrderId::as_str).collect();
        for order in &given {
            let times = told.rows.iter().filter(|(told, _)| told == order).count();
            if times != 1 {
                found.add(order, format!("it has {times} outcomes in the report"));
            }
        }
        for order in self.charged.keys().filter(|order| !given.contains(order.as_str())) {
            found.add(order, "it was charged and never given");
        }
        for (order, outcome) in &told.rows {
            if !given.contains(order.as_str()) {
                found.add(order, "it is in the report and was never given");
            }
            self.compare(order, outcome, unknowable, &mut found);
            if !(told.stopped && matches!(outcome.as_str(), "not_sent" | "unknown")) {
                self.compare_journal(order, outcome, &mut found);
            }
        }
        found
    }

    /// Holds the report of one order against the ledger.
    fn compare(&self, order: &str, outcome: &str, unknowable: Unknowable, found: &mut Violations) {
        let charged = self.charged.contains_key(order);
        match outcome {
            "booked" if !charged => found.add(order, "the report says booked, and it was never charged"),
            "unknown" if unknowable == Unknowable::None => {
                let truth = if charged { "charged" } else { "not charged" };
                found.add(order, format!("the report says unknown, and it can be known to be {truth}"));
            }
            "booked" | "unknown" => {}
            _ if charged => found.add(order, format!("the report says {outcome}, and it was charged")),
            _ => {}
        }
    }

    /// Holds the report of one order against the journal.
    fn compare_journal(&self, order: &str, outcome: &str, found: &mut Violations) {
        let newest =
            self.rows.iter().rfind(|row| row.order == order).map(|row| row.outcome.as_deref().unwrap_or("none"));
        if newest != Some(outcome) {
            let newest = newest.unwrap_or("nothing");
            found.add(order, format!("the report says {outcome}, and the journal's newest revision {newest}"));
        }
    }
}

impl Row {
    /// Whether a charge of the order may come from here: it was meant, and has no end that says otherwise.
    fn may_be_charged(&self) -> bool {
        let open = matches!(self.outcome.as_deref(), None | Some("booked" | "unknown"));
        MEANT.contains(&self.state.as_str()) && open
    }
}

impl Told {
    /// A report that the command line wrote as JSON Lines, with its last event.
    pub(crate) fn read(report: &Path, event: &Value) -> Self {
        let text = fs::read_to_string(report).unwrap();
        let rows = text.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("order_id"), text("outcome"))
        });
        let counts = ["booked", "rejected", "failed", "unknown", "not_sent"];
        let counted = counts.iter().map(|name| event[name].as_u64().unwrap() as usize).sum();
        Self { rows: rows.collect(), counted, stopped: event["stopped"] == true }
    }

    /// The orders that came to this outcome.
    pub(crate) fn count(&self, outcome: &str) -> usize {
        self.rows.iter().filter(|(_, told)| told == outcome).count()
    }

    /// The outcomes, in the order of the report.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(_, outcome)| outcome.as_str())
    }
}

impl From<&Report> for Told {
    fn from(report: &Report) -> Self {
        let rows = report.iter().map(|(order, outcome)| (order.to_string(), outcome.name().to_owned()));
        Self { rows: rows.collect(), counted: report.counts().total(), stopped: report.stopped() }
    }
}

impl Violations {
    fn add(&mut self, order: &str, what: impl fmt::Display) {
        self.0.push(format!("{order}: {what}"));
    }

    /// Fails with all of them, if there are any.
    #[track_caller]
    pub(crate) fn assert_none(self, scenario: &str) {
        assert!(self.0.is_empty(), "{scenario}: {} violations\n  {}", self.0.len(), self.0.join("\n  "));
    }
}

/// The journal's rows. A journal that was not made yet has none.
async fn rows(vendor: Vendor, journal: &str) -> Vec<Row> {
    sqlx::any::install_default_drivers();
    let is_file = !journal.contains("://");
    if is_file && !Path::new(journal).exists() {
        return Vec::new();
    }
    let address = if is_file { format!("sqlite://{journal}?mode=ro") } else { journal.to_owned() };
    let mut connection = AnyConnection::connect(&address).await.unwrap();
    let sql = "SELECT booking.order_id, unit.state, booking.outcome FROM booking JOIN unit ON unit.id = booking.unit \
               WHERE booking.vendor = $1 ORDER BY booking.revision";
    let rows = match sqlx::query(sql).bind(vendor.name()).fetch_all(&mut connection).await {
        Ok(rows) => rows,
        Err(error) if error.to_string().contains("no such table") => Vec::new(),
        Err(error) => panic!("{journal}: {error}"),
    };
    connection.close().await.unwrap();
    rows.iter().map(|row| Row { order: row.get(0), state: row.get(1), outcome: row.get(2) }).collect()
}

/// One order `a`, charged so often, with these rows in the journal.
fn evidence(times: usize, rows: &[(&str, Option<&str>)]) -> Evidence {
    let row = |(state, outcome): &(&str, Option<&str>)| Row {
        order: "a".to_owned(),
        state: (*state).to_owned(),
        outcome: outcome.map(str::to_owned),
    };
    let charged = (times > 0).then(|| ("a".to_owned(), times)).into_iter().collect();
    Evidence { charged, rows: rows.iter().map(row).collect() }
}

fn told(rows: &[(&str, &str)]) -> Told {
    let own = |(order, outcome): &(&str, &str)| ((*order).to_owned(), (*outcome).to_owned());
    Told { rows: rows.iter().map(own).collect(), counted: rows.len(), stopped: false }
}

#[test]
fn a_sound_stop_breaks_no_rule() {
    for state in MEANT {
        for outcome in [None, Some("booked"), Some("unknown")] {
            evidence(1, &[("settled", Some("rejected")), (state, outcome)]).at_a_stop().assert_none(state);
        }
    }
    evidence(0, &[("claimed", None)]).at_a_stop().assert_none("claimed");
}

#[test]
fn each_rule_of_a_stop_is_seen_broken() {
    let said: Vec<String> = [
        evidence(2, &[("settled", Some("booked"))]),
        evidence(1, &[]),
        evidence(1, &[("claimed", None)]),
        evidence(1, &[("settled", Some("failed"))]),
        evidence(0, &[("settled", Some("booked"))]),
    ]
    .into_iter()
    .flat_map(|evidence| evidence.at_a_stop().0)
    .collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    a: it was charged 2 times
    a: it was charged, and the journal holds no open or booked intent of it: []
    a: it was charged, and the journal holds no open or booked intent of it: [Row { order: "a", state: "claimed", outcome: None }]
    a: it was charged, and the journal holds no open or booked intent of it: [Row { order: "a", state: "settled", outcome: Some("failed") }]
    a: the journal says booked, and it was never charged
    "#);
}

#[test]
fn a_sound_end_breaks_no_rule() {
    let given = [OrderId::new("a").unwrap()];
    let sound = |times, outcome, unknowable| {
        let rows = [("settled", Some("failed")), ("settled", Some(outcome))];
        evidence(times, &rows).at_the_end(&given, &told(&[("a", outcome)]), unknowable).assert_none(outcome);
    };
    sound(1, "booked", Unknowable::None);
    for outcome in ["rejected", "failed", "not_sent"] {
        sound(0, outcome, Unknowable::None);
    }
    sound(0, "unknown", Unknowable::Any);
    sound(1, "unknown", Unknowable::Any);
}

#[test]
fn each_rule_of_an_end_is_seen_broken() {
    let given = [OrderId::new("a").unwrap()];
    let booked = |times| evidence(times, &[("settled", Some("booked"))]);
    let end = |evidence: Evidence, rows: &[(&str, &str)]| evidence.at_the_end(&given, &told(rows), Unknowable::None);
    let said: Vec<String> = [
        end(booked(2), &[("a", "booked")]),
        end(booked(1), &[]),
        end(booked(1), &[("a", "booked"), ("a", "booked")]),
        end(booked(1), &[("a", "booked"), ("b", "rejected")]),
        booked(1).at_the_end(&[], &told(&[]), Unknowable::None),
        end(evidence(0, &[("intent", None)]), &[("a", "booked")]),
        end(evidence(1, &[("intent", Some("unknown"))]), &[("a", "unknown")]),
        end(evidence(0, &[("intent", Some("unknown"))]), &[("a", "unknown")]),
        end(evidence(1, &[("intent", None)]), &[("a", "failed")]),
        end(evidence(0, &[]), &[("a", "rejected")]),
        end(evidence(1, &[("settled", Some("booked")), ("settled", Some("failed"))]), &[("a", "booked")]),
    ]
    .into_iter()
    .flat_map(|violations| violations.0)
    .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    a: it was charged 2 times
    all: the counts add up to 0 for 1 orders
    a: it has 0 outcomes in the report
    all: the counts add up to 2 for 1 orders
    a: it has 2 outcomes in the report
    all: the counts add up to 2 for 1 orders
    b: it is in the report and was never given
    b: the report says rejected, and the journal's newest revision nothing
    a: it was charged and never given
    a: the report says booked, and it was never charged
    a: the report says booked, and the journal's newest revision none
    a: the report says unknown, and it can be known to be charged
    a: the report says unknown, and it can be known to be not charged
    a: the report says failed, and it was charged
    a: the report says failed, and the journal's newest revision none
    a: the report says rejected, and the journal's newest revision nothing
    a: the report says booked, and the journal's newest revision failed
    ");
}

#[test]
#[should_panic(expected = "seed 7: 1 violations\n  a: it was charged 2 times")]
fn a_failure_names_the_scenario_and_the_order() {
    evidence(2, &[("settled", Some("booked"))]).at_a_stop().assert_none("seed 7");
}

/// The checker against a true wave: it reads the journal that the engine wrote.
#[tokio::test]
async fn a_wave_is_read_from_its_journal() {
    let (scratch, sandbox) = (crate::scratch::Scratch::new(), crate::waves::sandbox().await);
    let (way, wave) = (crate::ways::Way::Xps, crate::ways::Wave::of(3));
    let address = scratch.journal("wave.db");
    let journal = shipbatch::Journal::open(&address).await.unwrap();
    let report = way.agent(&sandbox, wave.timeout).book(&wave, &journal).await.unwrap();
    let evidence = Evidence::gather(&sandbox, way.vendor(), &address).await;
    assert_eq!((evidence.charged.len(), evidence.rows.len()), (3, 3));
    evidence.at_the_end(&wave.ids(), &Told::from(&report), Unknowable::None).assert_none("a wave");
    let elsewhere = Evidence::gather(&sandbox, way.vendor(), &scratch.journal("none.db")).await;
    assert_eq!(elsewhere.at_a_stop().0.len(), 3);
}
