//! The end of a wave, for people and for machines.

use std::{fmt, path::Path, time::Duration};

use serde_json::{Value, json};
use shipbatch::{LabelIndex, Report, sandbox::Ledger};

use crate::{
    again, ledger,
    meter::with_counts,
    reasons::{self, grouped, named},
    words::{self, counted},
};

/// How many reasons are told; the report file has all.
const REASONS: usize = 20;

/// All that is told when a wave has ended.
pub(crate) struct Summary<'a> {
    pub(crate) report: &'a Report,
    pub(crate) took: Duration,
    /// The file of labels, and what is in it.
    pub(crate) labels: Option<(&'a Path, &'a LabelIndex)>,
    /// The file of the report.
    pub(crate) table: Option<&'a Path>,
    /// What the sandbox charged, if it was the sandbox.
    pub(crate) ledger: Option<Ledger>,
    /// The command to go on.
    pub(crate) again: String,
}

impl Summary<'_> {
    /// The last event.
    pub(crate) fn event(&self) -> Value {
        let cost = self.report.cost().into_iter().map(|(currency, amount)| (currency, amount.to_string().into()));
        let mut event = json!({
            "event": "end",
            "vendor": self.report.vendor(),
            "account": self.report.account(),
            "orders": self.report.iter().len(),
            "cost": Value::Object(cost.collect()),
            "seconds": (self.took.as_secs_f64() * 1000.0).round() / 1000.0,
            "stopped": self.report.stopped(),
        });
        with_counts(&mut event, &self.report.counts());
        if let Some(table) = self.table {
            event["report"] = table.display().to_string().into();
        }
        if let Some((path, index)) = self.labels {
            event["labels"] = json!({
                "file": path.display().to_string(), "orders": index.iter().len(), "missing": index.missing().len(),
            });
        }
        if let Some(ledger) = &self.ledger {
            event["sandbox"] = json!({"orders": ledger.orders(), "charged_twice": ledger.charged_twice()});
        }
        if !self.report.all_booked() {
            event["again"] = self.again.as_str().into();
        }
        event
    }

    fn fmt_orders(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (orders, seconds) = (counted(self.report.iter().len(), "order"), self.took.as_secs_f64());
        writeln!(f, "{orders} at {}: {} ({seconds:.1} s)", self.report.vendor(), self.report.counts())?;
        let earlier = self.report.iter().filter(|(_, outcome)| outcome.booked().is_some_and(|booked| booked.earlier));
        match earlier.count() {
            0 => Ok(()),
            orders => writeln!(f, "{} booked in an earlier run, and not again", counted(orders, "order")),
        }
    }

    fn fmt_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (currency, amount) in self.report.cost() {
            writeln!(f, "cost: {amount} {}", words::currency(&currency))?;
        }
        Ok(())
    }

    fn fmt_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = reasons::of(self.report);
        for (reason, orders) in reasons.iter().take(REASONS) {
            writeln!(f, "{reason}\n  {}", named(orders))?;
        }
        match reasons.len().saturating_sub(REASONS) {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more: --report lists every order"),
        }
    }

    fn fmt_files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((path, index)) = self.labels {
            labels(&mut *f, path, index)?;
        }
        match self.table {
            Some(table) => writeln!(f, "report: {}", table.display()),
            None => Ok(()),
        }
    }

    fn fmt_again(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match again::when(&self.report.counts()) {
            Some(when) => writeln!(f, "{when}: {}", self.again),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_orders(f)?;
        self.fmt_cost(f)?;
        self.fmt_problems(f)?;
        self.fmt_files(f)?;
        if let Some(ledger) = &self.ledger {
            writeln!(f, "{}", ledger::line(ledger))?;
        }
        self.fmt_again(f)
    }
}

/// Tells of a file of labels, and which labels are not in it.
pub(crate) fn labels(mut f: impl fmt::Write, path: &Path, index: &LabelIndex) -> fmt::Result {
    writeln!(f, "labels: {} ({})", path.display(), counted(index.iter().len(), "order"))?;
    let missing = grouped(index.missing().map(|(order, error)| (order, error.message().to_owned())));
    for (reason, orders) in missing.iter().take(REASONS) {
        writeln!(f, "no label: {reason}\n  {}", named(orders))?;
    }
    Ok(())
}
