//! Many workers, one journal: a wave is done once, whoever dies. These need a server, named by
//! `SHIPBATCH_TEST_DATABASE_URL`; `cargo xtask postgres` starts one for a command.

mod fleet;
mod simulation;

use std::{
    io::Write,
    sync::Once,
    time::{Duration, Instant},
};

use futures_util::future;
use shipbatch::{
    Booking, Journal, Order, Outcome, Report, Vendor, deftship,
    sandbox::{Faults, Sandbox},
    smartsend, xps,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use crate::waves::{
    deftship_client, deftship_shipment, orders, polling, smartsend_client, smartsend_shipment, xps_client, xps_shipment,
};

/// A database of its own for one test, gone with it. Nothing, where no server is named.
pub(crate) async fn with_database<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let Ok(server) = std::env::var("SHIPBATCH_TEST_DATABASE_URL") else {
        static TOLD: Once = Once::new();
        // Past the test harness, which shows only what a failed test printed.
        TOLD.call_once(|| {
            let _ = writeln!(std::io::stderr(), "PostgreSQL tests are skipped: SHIPBATCH_TEST_DATABASE_URL is not set");
        });
        return;
    };
    sqlx::any::install_default_drivers();
    let name = format!("shipbatch_{}", uuid::Uuid::now_v7().simple());
    let admin = async |sql: String| {
        let mut connection = AnyConnection::connect(&server).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    admin(format!("CREATE DATABASE {name}")).await;
    let mut address: reqwest::Url = server.parse().unwrap();
    address.set_path(&name);
    test(address.into()).await;
    admin(format!("DROP DATABASE {name} WITH (FORCE)")).await;
}

async fn journal(address: &str) -> Journal {
    Journal::open(address).await.unwrap()
}

/// All is booked, once, whichever worker did it.
fn assert_done(sandbox: &Sandbox, reports: &[Report]) {
    let ledger = sandbox.ledger();
    assert_eq!(ledger.charged_twice(), 0);
    for report in reports {
        let odd = report.iter().find(|(_, outcome)| outcome.booked().is_none());
        assert!(report.all_booked(), "{:?}: {odd:?}", report.counts());
        assert_eq!(ledger.by_order(report.vendor()).len(), report.iter().len());
    }
}

#[tokio::test]
async fn three_workers_do_a_wave_once_at_each_vendor() {
    with_database(async |address| {
        let sandbox = Sandbox::builder().latency(Duration::from_millis(1)).start().await.unwrap();
        let wave: Vec<Order<smartsend::types::ShipmentRequest>> = orders(60, |_| smartsend_shipment("5000"));
        let client = smartsend_client(&sandbox);
        assert_done(&sandbox, &three(&address, |journal| client.book(&wave, journal)).await);
        let wave: Vec<Order<xps::types::QuoteShipment>> = orders(60, |_| xps_shipment("84601"));
        let client = xps_client(&sandbox);
        assert_done(&sandbox, &three(&address, |journal| client.book(&wave, journal).unit_size(7)).await);
        let wave: Vec<Order<deftship::Shipment>> = orders(60, |_| deftship_shipment("90001", "5559876543"));
        let client = deftship_client(&sandbox);
        assert_done(&sandbox, &three(&address, |journal| client.book(&wave, journal).unit_size(7)).await);
    })
    .await;
}

/// The same wave, by three workers at a time, each with a connection of its own.
async fn three<'a, C, S>(
    address: &str,
    book: impl for<'j> Fn(&'j Journal) -> Booking<'j, C, &'a Vec<Order<S>>> + Sync,
) -> Vec<Report>
where
    C: shipbatch::Phases<Shipment = S>,
    S: Send + Sync + 'a,
{
    let run = async || {
        let journal = journal(address).await;
        book(&journal).polling(polling()).lease(Duration::from_secs(1)).run().await.unwrap()
    };
    future::join_all([run(), run(), run()]).await
}

#[tokio::test]
async fn what_a_worker_that_died_had_in_hand_is_done_by_another() {
    with_database(async |address| {
        let faults: Faults = "book_batch:slow(300)@1".parse().unwrap();
        let sandbox = Sandbox::builder().faults(faults).start().await.unwrap();
        let wave: Vec<Order<xps::types::QuoteShipment>> = orders(20, |_| xps_shipment("84601"));
        let client = xps::Client::builder("TEST00002")
            .token(Sandbox::TOKEN)
            .base_url(sandbox.base_url(Vendor::Xps))
            .timeouts(shipbatch::Timeouts { write: Duration::from_millis(800), ..Default::default() })
            .build()
            .unwrap();
        let lease = Duration::from_millis(300);
        // It dies when it has sent its first commit.
        let dies = async {
            let journal = journal(&address).await;
            let booking = client.book(&wave, &journal).unit_size(5).concurrency(1).polling(polling()).lease(lease);
            let sent = async {
                while sandbox.ledger().orders() == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let died = tokio::select! { _ = booking.run() => false, () = sent => true };
            assert!(died);
        };
        dies.await;
        let journal = journal(&address).await;
        let started = Instant::now();
        let booking = client.book(&wave, &journal).unit_size(5).polling(polling()).lease(lease);
        assert_done(&sandbox, &[booking.run().await.unwrap()]);
        assert!(started.elapsed() > Duration::from_millis(400), "the call's own time was waited for");
    })
    .await;
}

#[tokio::test]
async fn a_wave_that_ends_early_does_not_speak_for_other_workers() {
    with_database(async |address| {
        let faults: Faults = "book_batch:slow(400)@1".parse().unwrap();
        let sandbox = Sandbox::builder().faults(faults).start().await.unwrap();
        let wave: Vec<Order<xps::types::QuoteShipment>> = orders(1, |_| xps_shipment("84601"));
        let client = xps_client(&sandbox);
        let (first, second) = (journal(&address).await, journal(&address).await);
        let books = client.book(&wave, &first).polling(polling()).run();
        let watches = async {
            while sandbox.ledger().orders() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let booking = client.book(&wave, &second).polling(polling()).deadline(Duration::from_millis(100));
            booking.run().await.unwrap()
        };
        let (booked, watched) = future::join(books, watches).await;
        assert!(booked.unwrap().all_booked());
        assert!(watched.stopped());
        let (_, outcome) = watched.iter().next().unwrap();
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
        assert_eq!(sandbox.ledger().charges().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_pause_holds_back_all_workers() {
    with_database(async |address| {
        let faults: Faults = "get_shipment:429(1)@1".parse().unwrap();
        let sandbox = Sandbox::builder().faults(faults).start().await.unwrap();
        let wave: Vec<Order<smartsend::types::ShipmentRequest>> = orders(1, |_| smartsend_shipment("5000"));
        // Two programs: nothing in the process is shared.
        let (told, other) = (smartsend_client(&sandbox), smartsend_client(&sandbox));
        let (first, second) = (journal(&address).await, journal(&address).await);
        let mut later: Vec<Order<smartsend::types::ShipmentRequest>> = orders(1, |_| smartsend_shipment("8000"));
        later[0].id = shipbatch::OrderId::new("later").unwrap();
        let paused = told.book(&wave, &first).polling(polling()).run();
        let held_back = async {
            while sandbox.faults_injected() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let started = Instant::now();
            let report = other.book(&later, &second).polling(polling()).run().await.unwrap();
            (report, started.elapsed())
        };
        let (paused, (later, waited)) = future::join(paused, held_back).await;
        assert_done(&sandbox, &[]);
        assert!(paused.unwrap().all_booked() && later.all_booked());
        assert!(waited > Duration::from_millis(700), "{waited:?}");
    })
    .await;
}

#[tokio::test]
async fn a_rate_is_that_of_all_workers_together() {
    with_database(async |address| {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let wave: Vec<Order<xps::types::QuoteShipment>> = orders(24, |_| xps_shipment("84601"));
        let client = || {
            let builder = xps::Client::builder("TEST00002").token(Sandbox::TOKEN);
            builder.base_url(sandbox.base_url(Vendor::Xps)).rate(1800).build().unwrap()
        };
        let run = async || {
            let (client, journal) = (client(), journal(&address).await);
            let report = client.book(&wave, &journal).unit_size(1).polling(polling()).run().await.unwrap();
            assert!(report.all_booked());
        };
        let started = Instant::now();
        future::join_all([run(), run(), run()]).await;
        // Three calls for each order, 33 ms apart.
        let least = Duration::from_millis(24 * 3 * 33);
        assert!(started.elapsed() > least, "{:?} for {least:?}", started.elapsed());
        assert_eq!(sandbox.ledger().charged_twice(), 0);
    })
    .await;
}

/// A password that the server does not take, or a server that is not there.
#[tokio::test]
async fn a_server_that_cannot_be_had_is_one_clear_error() {
    let address = "postgres://desk:secret@127.0.0.1:1/wave?sslmode=disable";
    let error = Journal::open(address).await.unwrap_err().to_string();
    assert!(error.starts_with("journal postgres://desk@127.0.0.1:1/wave: "), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

/// The row at the gate is none of the time for which a unit is held.
#[tokio::test]
async fn a_call_may_wait_its_turn_for_longer_than_it_may_take() {
    with_database(async |address| {
        let sandbox = Sandbox::builder().start().await.unwrap();
        let wave: Vec<Order<deftship::Shipment>> = orders(30, |_| deftship_shipment("90001", "5559876543"));
        let timeouts = shipbatch::Timeouts { write: Duration::from_millis(200), ..Default::default() };
        let client = deftship::Client::builder("main").token(Sandbox::TOKEN).timeouts(timeouts).rate(6000);
        let client = client.base_url(sandbox.base_url(Vendor::Deftship)).build().unwrap();
        let journal = journal(&address).await;
        let booking = client.book(&wave, &journal).unit_size(1).concurrency(30).polling(polling());
        assert_done(&sandbox, &[booking.run().await.unwrap()]);
    })
    .await;
}

#[tokio::test]
async fn a_machine_that_is_cut_off_ends_nothing_for_the_others() {
    with_database(async |address| {
        let sandbox = Sandbox::builder().latency(Duration::from_millis(5)).start().await.unwrap();
        let wave: Vec<Order<smartsend::types::ShipmentRequest>> = orders(80, |_| smartsend_shipment("5000"));
        let retry = shipbatch::RetryPolicy { attempts: 1, ..Default::default() };
        let lost = smartsend::Client::builder("team-7").token(Sandbox::TOKEN).base_url("http://127.0.0.1:1");
        let (lost, healthy) = (lost.retry(retry).build().unwrap(), smartsend_client(&sandbox));
        let (first, second) = (journal(&address).await, journal(&address).await);
        let (cut_off, healthy) = future::join(
            lost.book(&wave, &first).polling(polling()).run(),
            healthy.book(&wave, &second).polling(polling()).run(),
        )
        .await;
        assert!(cut_off.unwrap().counts().not_sent > 0);
        assert_done(&sandbox, &[healthy.unwrap()]);
    })
    .await;
}
