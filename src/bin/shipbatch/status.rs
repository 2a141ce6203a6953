//! `shipbatch status`: how far a wave is, from its journal alone.

use std::{collections::BTreeSet, fmt, process::ExitCode};

use serde_json::{Value, json};
use shipbatch::{Entry, OrderId, Outcome, Report, Stage};

use crate::{
    Failure, again,
    journal::Source,
    meter::with_counts,
    reasons::{self, named},
    words::{self, counted, moment},
};

/// How many reasons are told; the report has all.
const REASONS: usize = 20;

const EXAMPLES: &str = "\
Examples:
  shipbatch status --journal wave.db
  shipbatch status --journal wave.db --json

Exit codes: 0 all orders are booked, 2 some are not, 1 an error.";

/// What `shipbatch status` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// Write one JSON object for each account
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let journal = self.source.open().await?;
        let mut all_booked = true;
        let mut text = String::new();
        for (vendor, account) in self.source.accounts(&journal).await? {
            let entries = journal.entries(vendor, &account).await?;
            let report = journal.report(vendor, &account).await?;
            let given = journal.given(vendor, &account).await?;
            let status = Status { report: &report, entries: &entries, given, journal: self.source.location() };
            all_booked &= status.all_booked();
            if self.json {
                text.push_str(&format!("{}\n", status.event()));
            } else {
                text.push_str(&format!("{}{status}", if text.is_empty() { "" } else { "\n" }));
            }
        }
        journal.close().await?;
        words::print(&text)?;
        Ok(crate::code(all_booked))
    }
}

/// How far the orders of an account are.
struct Status<'a> {
    report: &'a Report,
    entries: &'a [Entry],
    /// How many orders the last run was given.
    given: usize,
    journal: &'a str,
}

impl Status<'_> {
    fn event(&self) -> Value {
        let cost = self.report.cost().into_iter().map(|(currency, amount)| (currency, amount.to_string().into()));
        let mut event = json!({
            "vendor": self.report.vendor(),
            "account": self.report.account(),
            "orders": self.entries.len(),
            "not_begun": self.not_begun(),
            "units": self.units(),
            "began": self.began(),
            "moved": self.moved(),
            "cost": Value::Object(cost.collect()),
            "next": self.next().1,
        });
        with_counts(&mut event, &self.report.counts());
        for stage in [Stage::Claimed, Stage::Intent, Stage::Accepted] {
            event["under_way"][stage.name()] = self.at(stage).len().into();
        }
        event
    }

    /// The orders that the last run did not come to.
    fn not_begun(&self) -> usize {
        self.given.saturating_sub(self.entries.len())
    }

    fn all_booked(&self) -> bool {
        self.not_begun() == 0 && self.report.all_booked()
    }

    fn units(&self) -> usize {
        self.entries.iter().map(|entry| &entry.unit).collect::<BTreeSet<_>>().len()
    }

    fn began(&self) -> Option<jiff::Timestamp> {
        self.entries.iter().map(|entry| entry.claimed_at).min()
    }

    fn moved(&self) -> Option<jiff::Timestamp> {
        self.entries.iter().map(|entry| entry.updated_at).max()
    }

    /// The orders that are under way, and how far.
    fn at(&self, stage: Stage) -> Vec<&OrderId> {
        let there = |entry: &&Entry| entry.outcome.is_none() && entry.stage == stage;
        self.entries.iter().filter(there).map(|entry| &entry.order).collect()
    }

    /// What to type next, and when.
    fn next(&self) -> (&'static str, String) {
        let (vendor, account) = (self.report.vendor().name(), self.report.account());
        let when = if self.not_begun() > 0 { Some("to go on") } else { again::when(&self.report.counts()) };
        match when {
            Some(when) => (when, again::with(&["book", "ORDERS", "--vendor", vendor, "--journal", self.journal])),
            None => {
                let labels = ["labels", "--journal", self.journal, "--vendor", vendor, "--account", account];
                ("for the labels", again::with(&[&labels[..], &["--output", "labels.pdf"]].concat()))
            }
        }
    }

    fn fmt_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["booked", "rejected", "failed", "unknown", "not_sent"];
        let ended = names.map(|name| {
            let here = |entry: &&Entry| entry.outcome.as_ref().map(Outcome::name) == Some(name);
            (name, self.entries.iter().filter(here).count())
        });
        for (name, count) in ended.into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{count:>9} {}", name.replace('_', " "))?;
        }
        if self.not_begun() > 0 {
            writeln!(f, "{:>9} not begun", self.not_begun())?;
        }
        let stages = [
            (Stage::Claimed, "in preparation, nothing sent that costs"),
            (Stage::Intent, "whose booking may be on its way"),
            (Stage::Accepted, "at work at the vendor"),
        ];
        for (stage, text) in stages {
            let orders = self.at(stage);
            if !orders.is_empty() {
                writeln!(f, "{:>9} under way ({}): {text}", orders.len(), stage.name())?;
            }
        }
        Ok(())
    }

    fn fmt_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (reason, orders) in reasons::of(self.report).iter().take(REASONS) {
            writeln!(f, "{reason}\n  {}", named(orders))?;
        }
        Ok(())
    }
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (orders, units) = (counted(self.entries.len(), "order"), counted(self.units(), "unit"));
        writeln!(f, "{}, account {}: {orders} in {units}", self.report.vendor(), self.report.account())?;
        self.fmt_counts(f)?;
        if let (Some(began), Some(moved)) = (self.began(), self.moved()) {
            writeln!(f, "began {}, last moved {}", moment(began), moment(moved))?;
        }
        for (currency, amount) in self.report.cost() {
            writeln!(f, "cost: {amount} {}", words::currency(&currency))?;
        }
        self.fmt_problems(f)?;
        if self.report.counts().unknown > 0 {
            writeln!(f, "booking again asks the vendor what became of the unknown ones, and sends none of them twice")?;
        }
        let (when, next) = self.next();
        writeln!(f, "{when}: {next}")
    }
}
