//! Whole waves: what the journal on disk costs, how a wave grows, how much memory large answers take, and how far more
//! processes go.

use std::time::Duration;

use serde_json::{Value, json};
use shipbatch::{Journal, Order, OrderId, Polling, Report, sandbox::Sandbox, smartsend, xps};

use crate::{
    Result,
    measure::{CLIENT, Client, Moment, Server, figure, keep_to, median, run, start},
    table::Table,
};

const DATABASE: &str = "SHIPBATCH_TEST_DATABASE_URL";

/// What the journal on disk takes, against one in memory.
pub(crate) fn journal(table: &mut Table) -> Result {
    const ORDERS: &str = "10000";
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        for (place, on_disk) in [true, false].into_iter().enumerate() {
            let figures = wave(ORDERS, on_disk)?;
            rates[place].push(ORDERS.parse::<f64>()? / figure(&figures, "seconds")?);
        }
    }
    let [disk, memory] = rates.map(median);
    let what = format!("a wave of {ORDERS}, 64 at a time, journal in SQLite with `synchronous = FULL`");
    let measured = format!("{disk:.0} orders/s: {:.2} of its rate", disk / memory);
    table.line(&what, &measured, &format!("{memory:.0} orders/s, journal in memory"), "0.5", disk / memory >= 0.5);
    Ok(())
}

/// What a larger wave takes for each order.
pub(crate) fn growth(table: &mut Table) -> Result {
    let mut first = None;
    // Small waves more often: chance weighs more.
    for (orders, rounds) in [("1000", 5), ("10000", 3), ("100000", 1)] {
        let (mut times, mut peaks) = (Vec::new(), Vec::new());
        let count: f64 = orders.parse()?;
        for _ in 0..rounds {
            let figures = wave(orders, true)?;
            times.push(figure(&figures, "seconds")? / count * 1e6);
            peaks.push(figure(&figures, "megabytes")?);
        }
        let (time, peak) = (median(times), median(peaks));
        let base = *first.get_or_insert(time);
        let bound = 60.0 + count / 1000.0;
        let measured = format!("{time:.0} µs an order: {:.2}; {peak:.0} MB", time / base);
        let is_met = time / base < 1.15 && peak < bound;
        table.line(
            &format!("the same wave, {orders} orders"),
            &measured,
            &format!("{base:.0} µs"),
            &format!("1.15, and {bound:.0} MB"),
            is_met,
        );
    }
    Ok(())
}

/// A wave at Smart Send against a sandbox of its own.
fn wave(orders: &str, on_disk: bool) -> Result<Value> {
    let server = Server::start(&["sandbox", "0"])?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("wave.db");
    let journal = if on_disk { file.to_string_lossy() } else { "memory".into() };
    run(&["wave", "smartsend", &server.url, &journal, orders, "64"])
}

/// The memory of a wave whose answers are large.
pub(crate) fn answers(table: &mut Table) -> Result {
    let server = Server::start(&["large"])?;
    let figures = run(&["wave", "xps", &server.url, "memory", "10000", "4"])?;
    let peak = figure(&figures, "megabytes")?;
    let what = "XPS, 20 units of 500 orders, 4 at a time, answers of 25 MB";
    table.line(what, &format!("{peak:.0} MB"), "", "under 80 MB", peak < 80.0);
    Ok(())
}

/// What four processes do that share a journal, against one.
pub(crate) fn workers(table: &mut Table) -> Result {
    let Ok(server) = std::env::var(DATABASE) else {
        println!("no row of PostgreSQL: {DATABASE} is not set; `cargo xtask bench` starts a server");
        return Ok(());
    };
    let (one, four) = (fleet(&server, 1)?, fleet(&server, 4)?);
    let what = "PostgreSQL, 4 processes, 50 ms a call, 16 orders at a time each";
    let measured = format!("{four:.0} orders/s: {:.2} times", four / one);
    table.line(what, &measured, &format!("{one:.0} orders/s, 1 process"), "3.5 times", four / one >= 3.5);
    Ok(())
}

/// The orders a second of so many processes that share a wave, from the first's start to the last's end.
fn fleet(database: &str, processes: usize) -> Result<f64> {
    const ORDERS: &str = "8000";
    let server = Server::start(&["sandbox", "50"])?;
    let database = fresh(database)?;
    let begun = std::time::Instant::now();
    let role = ["wave", "smartsend", server.url.as_str(), database.as_str(), ORDERS, "16"];
    let clients: Vec<Client> = (0..processes).map(|_| start(&role)).collect::<Result<_>>()?;
    clients.into_iter().try_for_each(|client| client.figures().map(drop))?;
    Ok(ORDERS.parse::<f64>()? / begun.elapsed().as_secs_f64())
}

/// A database of its own on a server. It stays there: the server goes with the command.
fn fresh(server: &str) -> Result<String> {
    let name = format!("bench_{}", uuid::Uuid::now_v7().simple());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        use sqlx::Connection;
        sqlx::any::install_default_drivers();
        let mut connection = sqlx::AnyConnection::connect(server).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        connection.close().await
    })?;
    let mut address: reqwest::Url = server.parse()?;
    address.set_path(&name);
    Ok(address.into())
}

/// Books a wave, all of it.
pub(crate) fn client(vendor: &str, url: &str, journal: &str, orders: u32, at_a_time: usize) -> Result<Value> {
    let is_shared = journal.starts_with("postgres");
    if !is_shared {
        keep_to(CLIENT)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let journal = match journal {
            "memory" => Journal::in_memory().await?,
            location => Journal::open(location).await?,
        };
        let begun = Moment::now()?;
        let report = match vendor {
            "xps" => xps_wave(&format!("{url}/restapi/v1"), &journal, orders, at_a_time).await?,
            _ => smartsend_wave(&format!("{url}/api/v2"), &journal, orders, at_a_time).await?,
        };
        let figures = begun.since()?;
        if report.all_booked() { Ok(figures) } else { Err(format!("{}", report.counts()).into()) }
    })
}

/// A vendor that is done as soon as it is asked: what is measured is not to be the wait.
fn polling() -> Polling {
    Polling { first: Duration::from_millis(1), ..Polling::default() }
}

/// The orders are made as they are asked for, as a program reads them that has too many to hold.
async fn smartsend_wave(url: &str, journal: &Journal, orders: u32, at_a_time: usize) -> Result<Report> {
    let client = smartsend::Client::builder("team-7").token(Sandbox::TOKEN).base_url(url).build()?;
    let template = smartsend_order(0)?;
    let orders = (0..orders).map(|number| {
        let mut order = template.clone();
        order.shipment.reference = Some(number.to_string());
        Order::new(id(number), order.shipment)
    });
    Ok(client.book(orders, journal).concurrency(at_a_time).polling(polling()).run().await?)
}

async fn xps_wave(url: &str, journal: &Journal, orders: u32, at_a_time: usize) -> Result<Report> {
    let client = xps::Client::builder("TEST00002").token(Sandbox::TOKEN).base_url(url).build()?;
    let template: xps::types::QuoteShipment = serde_json::from_value(xps_shipment())?;
    let orders = (0..orders).map(|number| Order::new(id(number), template.clone()));
    Ok(client.book(orders, journal).concurrency(at_a_time).polling(polling()).run().await?)
}

/// An id that is surely one.
#[expect(clippy::expect_used, reason = "an iterator cannot fail")]
fn id(number: u32) -> OrderId {
    OrderId::new(format!("order-{number}")).expect("letters and digits")
}

/// An order at Smart Send, of 2 kB.
pub(crate) fn smartsend_order(number: u32) -> Result<Order<smartsend::types::ShipmentRequest>> {
    let item = |number: u32| {
        json!({
            "reference": null, "identifier": format!("item-{number}"), "sku": format!("SKU-{number}"),
            "name": "A pair of socks, wool", "description": "A pair of socks, wool", "tariff_code": "61159400",
            "country_of_origin": "DK", "quantity": 2, "total_net_amount": 19.9, "tax_amount": 4.98, "net_weight": 200,
        })
    };
    let shipment = json!({
        "currency": "DKK", "weight_unit": "g", "dimension_unit": "cm", "invoice_number": format!("INV-{number}"),
        "reference": number.to_string(), "identifier": null,
        "delivery": {"carrier": "postnord", "service": "postnord_agent", "addons": null},
        "parties": {"receiver": {
            "address": {"address_lines": ["Vesterbrogade 142", "lgh. 2"], "postal_code": "1620", "city": "København V", "country": "DK"},
            "contact": {"name_lines": ["Anne Marie Østergaard"], "company": "Østergaard og Sønner", "email": "anne@example.com", "phone": "+4520123456"},
        }},
        "parcels": [{"gross_weight": 1200, "length": 30, "width": 20, "height": 10, "total_net_amount": 119.4, "tax_amount": 29.88,
            "items": [item(1), item(2), item(3)]}],
        "total_net_amount": 119.4, "tax_amount": 29.88, "shipping_net_amount": 5.9, "shipping_tax_amount": 1.48,
    });
    Ok(Order::new(id(number), serde_json::from_value(shipment)?))
}

fn xps_shipment() -> Value {
    let address = |name: &str| {
        json!({
            "name": name, "company": "", "address1": "42 Pine Street", "address2": "", "city": "Provo", "state": "UT",
            "zip": "84601", "country": "US", "phone": "8015550100",
        })
    };
    json!({
        "carrierCode": "ups", "serviceCode": "ups_ground", "packageTypeCode": "ups_custom_package",
        "shipmentDate": "2026-11-21", "sender": address("Warehouse"), "receiver": address("Jo Park"),
        "weightUnit": "lb", "dimUnit": "in", "currency": "USD", "billing": {"party": "sender"},
        "pieces": [{"weight": "2.5", "length": "10", "width": "8", "height": "4"}],
    })
}
