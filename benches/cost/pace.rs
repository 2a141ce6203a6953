//! How closely a wave keeps to a rate that is set, and to pauses that the vendor asks for.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use shipbatch::{IdempotencyKey, RetryPolicy, smartsend};
use uuid::Uuid;

use crate::{
    Failure, Result,
    measure::{CLIENT, Moment, Server, figure, keep_to, median, run},
    table::Table,
};

/// Calls a minute.
const RATE: u32 = 600;
/// Of each so many calls one is answered 429.
const EVERY: &str = "50";
const PAUSE: f64 = 1.0;
/// How long a call that left before the 429 was heard may take to arrive, on one machine.
const UNDER_WAY: f64 = 0.02;

pub(crate) fn rate(table: &mut Table) -> Result {
    const ORDERS: usize = 300;
    let mut server = Server::start(&["fixed", "0", "0"])?;
    let figures = run(&["pace", &server.url, &ORDERS.to_string(), "64", &RATE.to_string()])?;
    let (seconds, calls) = (figure(&figures, "seconds")?, calls(&mut server)?);
    // The first leaves at once.
    let ideal = (ORDERS - 1) as f64 * 60.0 / f64::from(RATE);
    let busiest = busiest_second(&calls);
    let what = format!("{ORDERS} orders at {RATE} a minute");
    let measured =
        format!("{seconds:.2} s: {:+.1} %; {busiest} calls in the busiest second", (seconds / ideal - 1.0) * 100.0);
    let is_met = calls.len() == ORDERS && (seconds / ideal - 1.0).abs() < 0.03 && busiest <= RATE as usize / 60;
    table.line(&what, &measured, &format!("{ideal:.2} s"), "3 %, and 10 calls in any second", is_met);
    Ok(())
}

pub(crate) fn pauses(table: &mut Table) -> Result {
    const ORDERS: usize = 500;
    const ROUNDS: usize = 5;
    let mut undisturbed = Server::start(&["fixed", "0", "0"])?;
    let plain = figure(&run(&["pace", &undisturbed.url, &ORDERS.to_string(), "64", "0"])?, "seconds")?;
    drop(calls(&mut undisturbed)?);
    let (mut pauses, mut at_first, mut later, mut sent, mut over) = (0, vec![], vec![], 0, vec![]);
    for _ in 0..ROUNDS {
        let mut server = Server::start(&["fixed", "0", EVERY])?;
        let seconds = figure(&run(&["pace", &server.url, &ORDERS.to_string(), "64", "0"])?, "seconds")?;
        let round = Paused::of(&calls(&mut server)?);
        pauses += round.under_way.len();
        // The first pause finds all those under way that began together.
        at_first.push(round.under_way[0] as f64);
        later.push(round.under_way[1..].iter().copied().max().unwrap_or_default() as f64);
        sent += round.sent;
        over.push(seconds / (plain + round.under_way.len() as f64 * PAUSE) - 1.0);
    }
    let (at_first, later, over) = (median(at_first), median(later), median(over));
    let what = format!("a 429 with `Retry-After: 1` on every {EVERY}th call, 64 at a time");
    let measured = format!(
        "{pauses} pauses: {at_first} calls under way at the first, at most {later} at each further one, {sent} sent in one; \
         {:+.1} %",
        over * 100.0
    );
    let is_met = later <= 1.0 && sent == 0 && over < 0.1;
    table.line(&what, &measured, "the calls and the pauses alone", "1 under way, none sent, 10 %", is_met);
    Ok(())
}

/// What a server that asks for pauses saw of a wave.
struct Paused {
    /// The calls that came in each pause.
    under_way: Vec<usize>,
    /// Those of all pauses that left although the client knew.
    sent: usize,
}

impl Paused {
    fn of(calls: &[(f64, bool)]) -> Self {
        let mut pauses: Vec<f64> = calls.iter().filter(|(_, is_refused)| *is_refused).map(|(at, _)| *at).collect();
        // Of those under way when a 429 comes another may be refused: that is the same pause.
        pauses.dedup_by(|later, first| *later < *first + PAUSE);
        let inside = |from: f64, until: f64| calls.iter().filter(|(at, _)| *at > from && *at < until).count();
        Self {
            under_way: pauses.iter().map(|from| inside(*from, from + PAUSE)).collect(),
            sent: pauses.iter().map(|from| inside(from + UNDER_WAY, from + PAUSE)).sum(),
        }
    }
}

/// When each call came, in seconds, and whether it was answered 429.
fn calls(server: &mut Server) -> Result<Vec<(f64, bool)>> {
    let calls: Vec<(u64, bool)> = serde_json::from_value(server.log()?)?;
    Ok(calls.into_iter().map(|(micros, is_refused)| (micros as f64 / 1e6, is_refused)).collect())
}

/// The most calls in any second, wherever it begins.
fn busiest_second(calls: &[(f64, bool)]) -> usize {
    let within = |from: usize| calls[from..].iter().take_while(|(at, _)| *at < calls[from].0 + 1.0).count();
    (0..calls.len()).map(within).max().unwrap_or_default()
}

/// Books so many shipments; a rate of 0 is none.
pub(crate) fn client(url: &str, calls: usize, at_a_time: usize, rate: u32) -> Result<Value> {
    keep_to(CLIENT)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A wave's calls may be told to wait again and again; how often is not what is measured.
    let retry = RetryPolicy { attempts: 100, ..RetryPolicy::default() };
    let timeouts = shipbatch::Timeouts { write: Duration::from_secs(900), ..shipbatch::Timeouts::default() };
    let mut builder = smartsend::Client::builder("team-7").token("t").base_url(url).retry(retry).timeouts(timeouts);
    if rate > 0 {
        builder = builder.rate(rate);
    }
    let client = builder.build()?;
    runtime.block_on(async {
        let begun = Moment::now()?;
        let book = |number| {
            let client = &client;
            async move {
                let key = IdempotencyKey::derive("book_shipment", client.team(), &format!("order-{number}"), 0, &())?;
                let _ = client.book_shipment(Uuid::nil(), &key).await?;
                Ok::<(), Failure>(())
            }
        };
        let mut bookings = stream::iter(0..calls).map(book).buffer_unordered(at_a_time);
        while let Some(booked) = bookings.next().await {
            booked?;
        }
        begun.since()
    })
}
