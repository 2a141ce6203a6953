//! A report as one HTML page: no script, nothing fetched, and every word of a vendor escaped.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use rust_decimal::Decimal;
use shipbatch::{Counts, OrderId, Repeats};

use crate::{
    reasons,
    table::{Row, Rows},
    words::{counted, currency, moment},
};

mod timeline;

const STYLE: &str = include_str!("page/style.css");
/// Whatever slips in, a browser fetches nothing and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// How many orders of a reason are shown unasked.
const SHOWN: usize = 20;

/// The page of a report.
pub(crate) fn of(rows: &Rows<'_>) -> String {
    let report = rows.report;
    let title = format!("{}, account {}", report.vendor(), report.account());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (heading(rows))
                (outcomes(&report.counts()))
                @if !rows.story.entries.is_empty() {
                    h2 { "Timeline" }
                    (timeline::of(&rows.story.entries))
                }
                (repeats(&rows.story.repeats))
                (failures(rows))
                h2 { "Orders" }
                (orders(rows))
            }
        }
    };
    page.into_string()
}

fn heading(rows: &Rows<'_>) -> Markup {
    let began = rows.story.entries.iter().map(|entry| entry.claimed_at).min();
    let moved = rows.story.entries.iter().map(|entry| entry.updated_at).max();
    html! {
        p.facts {
            span { (counted(rows.report.iter().len(), "order")) }
            @if let (Some(began), Some(moved)) = (began, moved) {
                span { "began " (moment(began)) }
                span { "last moved " (moment(moved)) }
            }
            @for (name, amount) in rows.report.cost() { (cost(amount, &name)) }
        }
    }
}

fn cost(amount: Decimal, name: &str) -> Markup {
    html! { span { "cost " b { (amount.to_string()) " " (currency(name)) } } }
}

/// How many orders came to which end: a bar, and the numbers.
fn outcomes(counts: &Counts) -> Markup {
    let shares = [
        ("booked", counts.booked),
        ("rejected", counts.rejected),
        ("failed", counts.failed),
        ("unknown", counts.unknown),
        ("not_sent", counts.not_sent),
    ];
    let there = || shares.into_iter().filter(|(_, count)| *count > 0);
    html! {
        div.bar { @for (name, count) in there() { div class=(name) style={ "flex-grow:" (count) } {} } }
        ul.legend {
            @for (name, count) in there() {
                li { i class=(name) {} b { (count) } " " (name.replace('_', " ")) }
            }
        }
    }
}

/// The calls that were sent again, and what that cost in time.
fn repeats(repeats: &[Repeats]) -> Markup {
    html! {
        @if !repeats.is_empty() {
            h2 { "Waits and repeats" }
            table {
                thead {
                    tr {
                        th { "Call" }
                        th { "Answer" }
                        th.number { "Repeats" }
                        th.number { "Waited" }
                        th { "First" }
                        th { "Last" }
                    }
                }
                tbody {
                    @for repeats in repeats {
                        tr {
                            td { (repeats.operation) }
                            td { (repeats.status.map_or("none".to_owned(), |status| status.to_string())) }
                            td.number { (repeats.times) }
                            td.number { (format!("{:.1} s", repeats.waited.as_secs_f64())) }
                            td { (moment(repeats.first_at)) }
                            td { (moment(repeats.last_at)) }
                        }
                    }
                }
            }
        }
    }
}

fn failures(rows: &Rows<'_>) -> Markup {
    let reasons = reasons::of(rows.report);
    html! {
        @if !reasons.is_empty() { h2 { "What went wrong" } }
        @for (reason, orders) in &reasons {
            section.reason {
                h3 { (reason) span { (counted(orders.len(), "order")) } }
                (names(&orders[..orders.len().min(SHOWN)]))
                @if orders.len() > SHOWN {
                    details { summary { "and " (orders.len() - SHOWN) " more" } (names(&orders[SHOWN..])) }
                }
            }
        }
    }
}

fn names(orders: &[&OrderId]) -> Markup {
    html! { p.names { @for order in orders { code { (order.as_str()) } " " } } }
}

/// A column: its name, its class, and what stands in it.
type Column = (&'static str, &'static str, fn(&Row<'_>) -> String);

const COLUMNS: [Column; 6] = [
    ("Shipment", "id", |row| row.shipment.unwrap_or_default().to_owned()),
    ("Tracking", "", |row| row.tracking.clone()),
    ("Cost", "number", |row| [row.cost.as_deref(), row.currency].map(Option::unwrap_or_default).join(" ")),
    ("Page", "number", |row| row.page.map(|page| page.to_string()).unwrap_or_default()),
    ("Error", "", |row| row.error.unwrap_or_default().to_owned()),
    ("Request", "id", |row| row.request_id.unwrap_or_default().to_owned()),
];

/// The orders, without the columns in which nothing stands.
fn orders(rows: &Rows<'_>) -> Markup {
    let used = |(_, _, text): &Column| rows.iter().any(|row| !text(&row).trim().is_empty());
    let columns: Vec<Column> = COLUMNS.into_iter().filter(used).collect();
    html! {
        table {
            thead {
                tr {
                    th { "Order" }
                    th { "Outcome" }
                    @for (name, class, _) in &columns { th class=(class) { (name) } }
                }
            }
            tbody {
                @for row in rows.iter() {
                    tr {
                        td { (row.order_id.as_str()) }
                        td { span.outcome.(row.outcome) { (row.outcome.replace('_', " ")) } }
                        @for (_, class, text) in &columns { td class=(class) { (text(&row)) } }
                    }
                }
            }
        }
    }
}
