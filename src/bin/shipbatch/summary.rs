//! The end of a wave, for people and for machines.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use serde_json::{Value, json};
use shipbatch::{LabelIndex, OrderId, Outcome, Report, sandbox::Ledger};

use crate::{ledger, meter::with_counts, words::counted};

/// How many reasons are told; the report file has all.
const REASONS: usize = 20;
/// How many orders are named for each.
const NAMED: usize = 5;

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
            writeln!(f, "cost: {amount} {}", if currency.is_empty() { "(currency not named)" } else { &currency })?;
        }
        Ok(())
    }

    fn fmt_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = reasons(self.report);
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
            writeln!(f, "labels: {} ({})", path.display(), counted(index.iter().len(), "order"))?;
            let missing = grouped(index.missing().map(|(order, error)| (order, error.message().to_owned())));
            for (reason, orders) in missing.iter().take(REASONS) {
                writeln!(f, "no label: {reason}\n  {}", named(orders))?;
            }
        }
        match self.table {
            Some(table) => writeln!(f, "report: {}", table.display()),
            None => Ok(()),
        }
    }

    fn fmt_again(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.report.counts();
        if self.report.all_booked() {
            return Ok(());
        }
        // A rejected order is sent again as it is: it must be repaired first.
        let only_rejected = counts.booked + counts.rejected == counts.total();
        let when = if only_rejected { ", when the rejected orders are repaired" } else { "" };
        writeln!(f, "to go on{when}: {}", self.again)
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

type Reasons<'a> = Vec<(String, Vec<&'a OrderId>)>;

/// What is wrong, and with which orders: the most frequent first.
fn reasons(report: &Report) -> Reasons<'_> {
    grouped(report.iter().filter_map(|(order, outcome)| Some((order, reason(outcome)?))))
}

/// What is wrong with an order, in words that other orders share: the ids of requests differ.
fn reason(outcome: &Outcome) -> Option<String> {
    if outcome.booked().is_some_and(|booked| booked.changed) {
        return Some("booked before with other content, and left as it was".to_owned());
    }
    let error = outcome.error()?;
    let status =
        error.status().filter(|_| !error.message().starts_with("HTTP ")).map(|status| format!(" (HTTP {status})"));
    Some(format!("{}: {}{}", outcome.name().replace('_', " "), error.message(), status.unwrap_or_default()))
}

fn grouped<'a>(problems: impl Iterator<Item = (&'a OrderId, String)>) -> Reasons<'a> {
    let mut groups: BTreeMap<String, Vec<&OrderId>> = BTreeMap::new();
    for (order, reason) in problems {
        groups.entry(reason).or_default().push(order);
    }
    let mut groups: Reasons<'_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, orders)| std::cmp::Reverse(orders.len()));
    groups
}

/// The first of some orders.
fn named(orders: &[&OrderId]) -> String {
    let names: Vec<&str> = orders.iter().take(NAMED).map(|order| order.as_str()).collect();
    let more = orders.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}: {}{more}", counted(orders.len(), "order"), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_reason_comes_first_and_names_a_few_orders() {
        let orders: Vec<OrderId> = (1..=9).map(|number| OrderId::new(format!("A-{number}")).unwrap()).collect();
        let problems = orders
            .iter()
            .enumerate()
            .map(|(place, order)| (order, if place < 2 { "bad zip" } else { "no" }.to_owned()));
        let lines: Vec<String> =
            grouped(problems).iter().map(|(reason, orders)| format!("{reason}: {}", named(orders))).collect();
        assert_eq!(lines, ["no: 7 orders: A-3, A-4, A-5, A-6, A-7 and 2 more", "bad zip: 2 orders: A-1, A-2"]);
    }
}
