//! A list of 100,000 shipments, entry by entry: the stream against the loop that one writes by hand.

use serde_json::Value;
use shipbatch::smartsend::{self, types};

use crate::{
    Result,
    measure::{CLIENT, Moment, Server, figure, keep_to, median, run},
    server::LISTED,
    table::Table,
};

const ROUNDS: usize = 5;
/// Entries of a page, as the vendor sends unless asked otherwise.
const PER_PAGE: &str = "100";
/// And the most that it sends: fewer pages, so that the latency of each is worth a minute.
const MOST: &str = "1000";
/// Of the server, in milliseconds.
const LATENCY: &str = "50";

pub(crate) fn rows(table: &mut Table) -> Result {
    let (mut rates, mut peaks) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for (place, way) in ["hand", "stream"].into_iter().enumerate() {
            let server = Server::start(&["fixed", "0", "0"])?;
            let figures = run(&["list", way, &server.url, PER_PAGE])?;
            rates[place].push(figure(&figures, "entries")? / figure(&figures, "seconds")?);
            peaks[place].push(figure(&figures, "megabytes")?);
        }
    }
    let ([hand, stream], [hand_peak, stream_peak]) = (rates.map(median), peaks.map(median));
    let what = format!("`shipments()` over {LISTED}, {PER_PAGE} a page, against a loop by hand");
    let measured = format!("{stream:.0}/s: {:.2} of its rate; {stream_peak:.1} MB", stream / hand);
    let against = format!("{hand:.0}/s; {hand_peak:.1} MB");
    let is_met = stream >= hand && stream_peak <= hand_peak + 4.0;
    table.line(&what, &measured, &against, "1.0, and at most 4 MB more", is_met);

    let server = Server::start(&["fixed", LATENCY, "0"])?;
    let figures = run(&["list", "stream", &server.url, MOST])?;
    let seconds = figure(&figures, "seconds")?;
    let ideal = LISTED as f64 / MOST.parse::<f64>()? * LATENCY.parse::<f64>()? / 1000.0;
    let what = format!("the same with {LATENCY} ms of latency, {MOST} a page");
    let measured = format!("{seconds:.2} s: {:.2} of pages × latency", seconds / ideal);
    table.line(&what, &measured, &format!("{ideal:.2} s"), "under 1.15", seconds / ideal < 1.15);
    Ok(())
}

pub(crate) fn client(way: &str, url: &str, per_page: u32) -> Result<Value> {
    keep_to(CLIENT)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Moment::now()?;
    let entries = runtime.block_on(async {
        match way {
            "hand" => by_hand(url, per_page).await,
            _ => stream(url, per_page).await,
        }
    })?;
    if entries != LISTED {
        return Err(format!("{entries} entries").into());
    }
    let mut figures = begun.since()?;
    figures["entries"] = entries.into();
    Ok(figures)
}

async fn stream(url: &str, per_page: u32) -> Result<usize> {
    let client = smartsend::Client::builder("team-7").token("t").base_url(url).build()?;
    let mut shipments = client.shipments().per_page(per_page).pages();
    let mut entries = 0;
    while let Some(shipment) = shipments.next().await {
        entries += usize::from(shipment?.uuid.is_some());
    }
    Ok(entries)
}

async fn by_hand(url: &str, per_page: u32) -> Result<usize> {
    let http = reqwest::Client::new();
    let mut entries = 0;
    for page in 1.. {
        let call = http.get(format!("{url}/team/team-7/shipments?page={page}&per_page={per_page}")).bearer_auth("t");
        let list: types::ShipmentList = call.send().await?.error_for_status()?.json().await?;
        entries += list.data.iter().filter(|shipment| shipment.uuid.is_some()).count();
        if list.meta.last_page.is_none_or(|last| page >= last) {
            break;
        }
    }
    Ok(entries)
}
