//! The rate of `book_shipment`: by hand, by the generated client alone, and by the facade with a key of its own for each.

use futures_util::{StreamExt, stream};
use progenitor_client::{ClientHooks, ClientInfo};
use serde_json::Value;
use shipbatch::{IdempotencyKey, smartsend};
use uuid::Uuid;

use crate::{
    Result,
    measure::{CLIENT, Moment, Server, figure, keep_to, median, run},
    table::Table,
};

/// The client as progenitor generates it, without this crate's hooks.
#[allow(missing_docs, unreachable_pub, dead_code, unused_imports, clippy::all)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::exhaustive_enums, clippy::future_not_send)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/smartsend.rs"));
}

impl ClientHooks<shipbatch::Transport> for generated::Client {}

const AT_A_TIME: usize = 16;
const CALLS: &str = "40000";
const ROUNDS: usize = 9;
/// Until all connections stand.
const WARM_UP: usize = 1000;

pub(crate) fn row(table: &mut Table) -> Result {
    let mut rates = [Vec::new(), Vec::new(), Vec::new()];
    let mut costs = rates.clone();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        for (place, way) in ["hand", "generated", "facade"].into_iter().enumerate() {
            let server = Server::start(&["fixed", "0", "0"])?;
            let figures = run(&["calls", way, &server.url, CALLS])?;
            let calls: f64 = CALLS.parse()?;
            rates[place].push(calls / figure(&figures, "seconds")?);
            costs[place].push(figure(&figures, "cpu")? / calls * 1e6);
        }
        // Of one round: a machine has faster minutes and slower ones.
        ratios.extend(rates[2].last().zip(rates[1].last()).map(|(facade, generated)| facade / generated));
    }
    let [hand, generated, facade] = rates.map(median);
    let ratio = median(ratios);
    let [hand_cost, generated_cost, facade_cost] = costs.map(median);
    let shown = |rate: f64, cost: f64| format!("{rate:.0} calls/s, {cost:.1} µs CPU each");
    let what = "`book_shipment` with a derived key, 16 at a time, against the generated client alone";
    let measured = format!("{}: {ratio:.2} of its rate", shown(facade, facade_cost));
    let against =
        format!("{} (reqwest and serde_json by hand: {})", shown(generated, generated_cost), shown(hand, hand_cost));
    table.line(what, &measured, &against, "0.85", ratio >= 0.85);
    Ok(())
}

pub(crate) fn client(way: &str, url: &str, calls: usize) -> Result<Value> {
    keep_to(CLIENT)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match way {
            "hand" => {
                let http = reqwest::Client::new();
                measured(calls, |_| by_hand(&http, url)).await
            }
            "generated" => {
                let client = smartsend::Client::builder("team-7").token("t").base_url(url).build()?;
                // As it comes: with a timeout for each call, as anyone has who waits for a vendor.
                let client = generated::Client::new(url, client.raw().inner().clone());
                let team = "team-7".parse()?;
                let key = "order-4521_0123456789abcdef".parse()?;
                let prefer = Some(generated::types::Prefer::RespondAsync);
                measured(calls, |_| async {
                    client.book_shipment(&team, &Uuid::nil(), None, Some(&key), prefer, None).await?;
                    Ok(())
                })
                .await
            }
            "facade" => {
                let client = smartsend::Client::builder("team-7").token("t").base_url(url).build()?;
                measured(calls, |number| {
                    let client = &client;
                    async move {
                        let order = format!("order-{number}");
                        let key = IdempotencyKey::derive("book_shipment", client.team(), &order, 0, &())?;
                        let _ = client.book_shipment(Uuid::nil(), &key).await?;
                        Ok(())
                    }
                })
                .await
            }
            _ => Err(format!("calls {way}").into()),
        }
    })
}

/// What a user would write without any of this.
async fn by_hand(http: &reqwest::Client, url: &str) -> Result {
    let url = format!("{url}/team/team-7/shipments/{}/book", Uuid::nil());
    let call = http.post(url).bearer_auth("t").header("idempotency-key", "order-4521_0123456789abcdef");
    let answer = call.header("prefer", "respond-async").send().await?.error_for_status()?;
    let _: smartsend::types::ShipmentEnvelope = serde_json::from_slice(&answer.bytes().await?)?;
    Ok(())
}

async fn measured<F: Future<Output = Result> + Send>(calls: usize, call: impl Fn(usize) -> F + Sync) -> Result<Value> {
    all(0..WARM_UP, &call).await?;
    let begun = Moment::now()?;
    all(0..calls, &call).await?;
    begun.since()
}

async fn all<F: Future<Output = Result> + Send>(
    numbers: std::ops::Range<usize>,
    call: &(impl Fn(usize) -> F + Sync),
) -> Result {
    let mut calls = stream::iter(numbers).map(call).buffer_unordered(AT_A_TIME);
    while let Some(done) = calls.next().await {
        done?;
    }
    Ok(())
}
