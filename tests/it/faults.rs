//! Whole waves against a sandbox in which things go wrong: nobody is charged twice, and what the report says is true.

use std::{collections::BTreeSet, time::Duration};

use shipbatch::{
    Account, Builder, Journal, Report, RetryPolicy, Timeouts, Vendor, deftship,
    sandbox::{Faults, Sandbox},
    smartsend, xps,
};

use crate::waves::{deftship_shipment, orders, polling, smartsend_shipment, xps_shipment};

const ORDERS: usize = 20;

/// The ways to book, each with its money call.
const WAYS: [(Way, &str); 4] = [
    (Way::SmartSend, "smartsend.book_shipment"),
    (Way::SmartSendBatches, "smartsend.dispatch_booking_batch"),
    (Way::Xps, "xps.book_batch"),
    (Way::Deftship, "deftship.ship_batch"),
];

#[derive(Clone, Copy, Debug)]
enum Way {
    SmartSend,
    SmartSendBatches,
    Xps,
    Deftship,
}

impl Way {
    fn vendor(self) -> Vendor {
        match self {
            Self::SmartSend | Self::SmartSendBatches => Vendor::SmartSend,
            Self::Xps => Vendor::Xps,
            Self::Deftship => Vendor::Deftship,
        }
    }

    async fn book(self, sandbox: &Sandbox, journal: &Journal) -> Report {
        let (url, polling) = (sandbox.base_url(self.vendor()), polling());
        match self {
            Self::SmartSend => {
                let client = eager(smartsend::Client::builder("team-7"), url).build().unwrap();
                let orders = orders(ORDERS, |_| smartsend_shipment("5000"));
                client.book(&orders, journal).polling(polling).run().await.unwrap()
            }
            Self::SmartSendBatches => {
                let client = eager(smartsend::Client::builder("team-7"), url).build().unwrap().via_batches();
                let orders = orders(ORDERS, |_| smartsend_shipment("5000"));
                client.book(&orders, journal).unit_size(8).polling(polling).run().await.unwrap()
            }
            Self::Xps => {
                let client = eager(xps::Client::builder("TEST00002"), url).build().unwrap();
                let orders = orders(ORDERS, |_| xps_shipment("84601"));
                client.book(&orders, journal).unit_size(8).polling(polling).run().await.unwrap()
            }
            Self::Deftship => {
                let client = eager(deftship::Client::builder("main"), url).build().unwrap();
                let orders = orders(ORDERS, |_| deftship_shipment("90001", "5559876543"));
                client.book(&orders, journal).unit_size(8).polling(polling).run().await.unwrap()
            }
        }
    }
}

/// Repeats at once, and does not wait for long: the sandbox is on this machine.
fn eager<C: Account>(builder: Builder<C>, url: String) -> Builder<C> {
    let retry =
        RetryPolicy { attempts: 5, first_delay: Duration::from_millis(1), budget: 10_000, ..RetryPolicy::default() };
    let timeouts = Timeouts { write: Duration::from_secs(1), ..Timeouts::default() };
    builder.token(Sandbox::TOKEN).base_url(url).retry(retry).timeouts(timeouts)
}

/// Books a wave with these faults. Whatever they are, the report is true.
async fn wave(way: Way, faults: &str, seed: u64) -> (Sandbox, Journal, Report) {
    let faults: Faults = faults.parse().unwrap();
    let sandbox = Sandbox::builder().seed(seed).faults(faults.clone()).start().await.unwrap();
    let journal = Journal::in_memory().await.unwrap();
    let report = way.book(&sandbox, &journal).await;
    assert_true(way, &faults, &sandbox, &report);
    (sandbox, journal, report)
}

/// Booked is what was charged, once, and nothing is left open.
fn assert_true(way: Way, faults: &Faults, sandbox: &Sandbox, report: &Report) {
    let (ledger, scenario) = (sandbox.ledger(), format!("{way:?} under {faults}"));
    let charged = ledger.by_order(way.vendor());
    assert!(charged.values().all(|times| *times == 1), "{scenario}: charged twice: {charged:?}");
    let booked: BTreeSet<&str> =
        report.iter().filter(|(_, outcome)| outcome.booked().is_some()).map(|(order, _)| order.as_str()).collect();
    let charged: BTreeSet<&str> = charged.into_keys().collect();
    let odd = report.iter().find(|(_, outcome)| outcome.booked().is_none());
    assert_eq!(report.counts().unknown, 0, "{scenario}: {odd:?}");
    assert_eq!(booked, charged, "{scenario}: {odd:?}");
    assert_eq!(report.counts().total(), ORDERS, "{scenario}");
}

/// The wave meets the fault in its money call, and all of it is booked none the less.
async fn every_way_books_all(fault: &str) {
    for (way, call) in WAYS {
        let (sandbox, _, report) = wave(way, &format!("{call}:{fault}"), 7).await;
        assert!(sandbox.faults_injected() > 0, "{way:?} under {fault}: nothing went wrong");
        let odd = report.iter().find(|(_, outcome)| outcome.booked().is_none());
        assert!(report.all_booked(), "{way:?} under {fault}: {odd:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_work() {
    every_way_books_all("drop-after@1").await;
}

#[tokio::test]
async fn every_answer_is_lost_after_the_work() {
    every_way_books_all("drop-after").await;
}

#[tokio::test]
async fn a_call_that_is_lost_before_the_work() {
    every_way_books_all("drop-before@1").await;
}

#[tokio::test]
async fn an_answer_of_500_after_the_work() {
    every_way_books_all("500-after@1").await;
}

#[tokio::test]
async fn every_answer_is_a_500_after_the_work() {
    every_way_books_all("500-after").await;
}

#[tokio::test]
async fn a_vendor_that_never_answers_after_the_work() {
    every_way_books_all("hang@1").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    every_way_books_all("truncate").await;
}

#[tokio::test]
async fn a_call_that_fails_before_the_work() {
    every_way_books_all("500@1").await;
}

#[tokio::test]
async fn a_vendor_that_is_busy_for_a_third_of_the_calls() {
    for seed in 0..3 {
        for (way, _) in WAYS {
            let (sandbox, journal, _) = wave(way, "*:429(0)@30%", seed).await;
            // Another run, or a few, books what is left.
            for _ in 0..5 {
                let report = way.book(&sandbox, &journal).await;
                assert_true(way, &Faults::default(), &sandbox, &report);
                if report.all_booked() {
                    break;
                }
            }
            assert_eq!(sandbox.ledger().orders(), ORDERS, "{way:?}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn any_call_is_lost_now_and_then() {
    for fault in ["drop-before@10%", "drop-after@10%", "500-after@10%", "truncate@10%", "drop-after@40%"] {
        let mut injected = 0;
        for (way, _) in WAYS {
            for seed in 0..2 {
                let (sandbox, ..) = wave(way, &format!("*:{fault}"), seed).await;
                injected += sandbox.faults_injected();
            }
        }
        assert!(injected > 0, "{fault}: nothing went wrong");
    }
}
