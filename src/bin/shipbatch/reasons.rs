//! Why orders are not booked: the reasons, each with its orders.

use std::collections::BTreeMap;

use shipbatch::{OrderId, Outcome, Report};

use crate::words::counted;

/// How many orders are named for each.
const NAMED: usize = 5;

/// What is wrong, and with which orders: the most frequent first.
pub(crate) type Reasons<'a> = Vec<(String, Vec<&'a OrderId>)>;

/// What is wrong with the orders of a report.
pub(crate) fn of(report: &Report) -> Reasons<'_> {
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

/// Orders by what is wrong with them.
pub(crate) fn grouped<'a>(problems: impl Iterator<Item = (&'a OrderId, String)>) -> Reasons<'a> {
    let mut groups: BTreeMap<String, Vec<&OrderId>> = BTreeMap::new();
    for (order, reason) in problems {
        groups.entry(reason).or_default().push(order);
    }
    let mut groups: Reasons<'_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, orders)| std::cmp::Reverse(orders.len()));
    groups
}

/// The first of some orders.
pub(crate) fn named(orders: &[&OrderId]) -> String {
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
