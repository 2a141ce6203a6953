//! Whole waves against the sandbox: what the report says is what the sandbox charged.

use std::time::Duration;

use serde_json::{Value, json};
use shipbatch::{
    Journal, Order, OrderId, Outcome, Polling, Report, Vendor, deftship, sandbox::Sandbox, smartsend, xps,
};

use crate::labels::assert_labels;

/// Fast looks: the sandbox works by looks, not by time.
pub(crate) fn polling() -> Polling {
    Polling {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(5),
        doubt: Duration::from_millis(20),
        ..Polling::default()
    }
}

pub(crate) async fn sandbox() -> Sandbox {
    Sandbox::builder().seed(7).start().await.unwrap()
}

pub(crate) fn orders<S: serde::de::DeserializeOwned>(count: usize, shipment: impl Fn(usize) -> Value) -> Vec<Order<S>> {
    (0..count)
        .map(|number| {
            let shipment = serde_json::from_value(shipment(number)).unwrap();
            Order::new(OrderId::new(format!("order-{number}")).unwrap(), shipment)
        })
        .collect()
}

pub(crate) fn smartsend_client(sandbox: &Sandbox) -> smartsend::Client {
    let builder = smartsend::Client::builder("team-7").token(Sandbox::TOKEN);
    builder.base_url(sandbox.base_url(Vendor::SmartSend)).build().unwrap()
}

pub(crate) fn xps_client(sandbox: &Sandbox) -> xps::Client {
    let builder = xps::Client::builder("TEST00002").token(Sandbox::TOKEN);
    builder.base_url(sandbox.base_url(Vendor::Xps)).build().unwrap()
}

pub(crate) fn deftship_client(sandbox: &Sandbox) -> deftship::Client {
    let builder = deftship::Client::builder("main").token(Sandbox::TOKEN);
    builder.base_url(sandbox.base_url(Vendor::Deftship)).build().unwrap()
}

pub(crate) fn smartsend_shipment(postal_code: &str) -> Value {
    json!({
        "currency": "DKK",
        "weight_unit": "g",
        "dimension_unit": "cm",
        "delivery": {"carrier": "postnord", "service": "postnord_home"},
        "parties": {"receiver": {
            "address": {"address_lines": ["Nørregade 1"], "postal_code": postal_code, "city": "Odense", "country": "DK"},
            "contact": {"name_lines": ["Ane Juul"], "phone": "+4560000000"},
        }},
        "parcels": [{"gross_weight": 800, "items": [{"sku": "A-1", "quantity": 2, "total_net_amount": 19.95}]}],
    })
}

pub(crate) fn xps_shipment(zip: &str) -> Value {
    let address = |name: &str, zip: &str| {
        json!({
            "name": name, "company": "", "address1": "42 Pine Street", "address2": "", "city": "Provo", "state": "UT",
            "zip": zip, "country": "US", "phone": "8015550100",
        })
    };
    json!({
        "carrierCode": "ups", "serviceCode": "ups_ground", "packageTypeCode": "ups_custom_package",
        "shipmentDate": "2026-11-21", "sender": address("Warehouse", "84601"), "receiver": address("Jo Park", zip),
        "weightUnit": "lb", "dimUnit": "in", "currency": "USD", "billing": {"party": "sender"},
        "pieces": [{"weight": "2.5", "length": "10", "width": "8", "height": "4"}],
    })
}

pub(crate) fn deftship_shipment(zip: &str, telephone: &str) -> Value {
    json!({
        "shipper_id": 123, "service": "USPS-3",
        "shipment": {
            "from_address_id": 1387235969,
            "to_address": {
                "name": "Jane Smith", "street_1": "456 Oak Ave", "city": "Los Angeles", "state": "CA", "zip": zip,
                "country": "US", "telephone": telephone,
            },
            "package_list": [{"count": 1, "length": 10, "width": 8, "height": 4, "weight": 1}],
        },
    })
}

/// Every order is booked, and charged once.
fn assert_charged_once(sandbox: &Sandbox, report: &Report) {
    let ledger = sandbox.ledger();
    let charged = ledger.by_order(report.vendor());
    assert!(charged.values().all(|times| *times == 1), "charged twice: {charged:?}");
    let booked: Vec<&str> =
        report.iter().filter(|(_, outcome)| outcome.booked().is_some()).map(|(order, _)| order.as_str()).collect();
    assert_eq!(booked.len(), charged.len());
    assert!(booked.iter().all(|order| charged.contains_key(order)));
    assert_eq!(report.counts().total(), report.iter().len());
}

/// The one order that is not booked.
fn odd_one_out(report: &Report) -> (&str, &Outcome) {
    let mut others = report.iter().filter(|(_, outcome)| outcome.booked().is_none());
    let (order, outcome) = others.next().unwrap();
    assert!(others.next().is_none(), "{:?}", report.counts());
    (order.as_str(), outcome)
}

#[tokio::test]
async fn smartsend_books_a_wave() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(40, |_| smartsend_shipment("5000"));
    let client = smartsend_client(&sandbox);
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", report.iter().find(|(_, outcome)| outcome.booked().is_none()));
    assert_charged_once(&sandbox, &report);
}

#[tokio::test]
async fn xps_books_a_wave_in_several_units() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(40, |_| xps_shipment("84601"));
    let client = xps_client(&sandbox);
    let report = client.book(&orders, &journal).unit_size(15).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", report.iter().find(|(_, outcome)| outcome.booked().is_none()));
    assert_charged_once(&sandbox, &report);
    let batches: std::collections::BTreeSet<_> =
        report.iter().filter_map(|(_, outcome)| outcome.booked()?.batch.clone()).collect();
    assert_eq!(batches.len(), 3);
    assert_eq!(report.cost().keys().collect::<Vec<_>>(), ["USD"]);
}

#[tokio::test]
async fn deftship_books_a_wave_by_shipper_and_service() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(40, |number| {
        let mut shipment = deftship_shipment("90001", "5559876543");
        shipment["service"] = format!("USPS-{}", 1 + number % 2).into();
        shipment
    });
    let client = deftship_client(&sandbox);
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", report.iter().find(|(_, outcome)| outcome.booked().is_none()));
    assert_charged_once(&sandbox, &report);
    let batches: std::collections::BTreeSet<_> =
        report.iter().filter_map(|(_, outcome)| outcome.booked()?.batch.clone()).collect();
    assert_eq!(batches.len(), 2);
}

#[tokio::test]
async fn smartsend_refuses_one_of_thirty() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(30, |number| {
        let mut shipment = smartsend_shipment("5000");
        if number == 17 {
            shipment["parties"]["receiver"]["address"]["country"] = "Denmark".into();
        }
        shipment
    });
    let client = smartsend_client(&sandbox);
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    let (order, outcome) = odd_one_out(&report);
    assert_eq!((order, outcome.name()), ("order-17", "rejected"));
    let text = outcome.error().unwrap().to_string();
    assert!(text.contains("parties.receiver.address.country"), "{text}");
    assert_charged_once(&sandbox, &report);
}

#[tokio::test]
async fn xps_refuses_one_of_thirty_when_quoting_or_when_booking() {
    for (zip, said) in [("1", "zip"), ("00000", "The carrier refused the address.")] {
        let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
        let orders = orders(30, |number| xps_shipment(if number == 17 { zip } else { "84601" }));
        let client = xps_client(&sandbox);
        let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
        let (order, outcome) = odd_one_out(&report);
        assert_eq!((order, outcome.name()), ("order-17", "rejected"));
        let text = outcome.error().unwrap().to_string();
        assert!(text.contains(said), "{text}");
        assert_charged_once(&sandbox, &report);
    }
}

#[tokio::test]
async fn deftship_refuses_one_of_thirty() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(30, |number| deftship_shipment("90001", if number == 17 { "55" } else { "5559876543" }));
    let client = deftship_client(&sandbox);
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    let (order, outcome) = odd_one_out(&report);
    assert_eq!((order, outcome.name()), ("order-17", "rejected"));
    let text = outcome.error().unwrap().to_string();
    assert!(text.contains("telephone"), "{text}");
    assert_charged_once(&sandbox, &report);
}

#[tokio::test]
async fn a_second_run_books_nothing_again_and_tells_what_changed() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let client = xps_client(&sandbox);
    let orders: Vec<Order<_>> = orders(10, |_| xps_shipment("84601"));
    assert!(client.book(&orders, &journal).polling(polling()).run().await.unwrap().all_booked());
    let mut again = orders.clone();
    again[3].shipment.pieces[0].weight = "9".parse().unwrap();
    let report = client.book(&again, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked());
    assert_charged_once(&sandbox, &report);
    let changed: Vec<&str> = report
        .iter()
        .filter(|(_, outcome)| outcome.booked().is_some_and(|booked| booked.earlier && booked.changed))
        .map(|(order, _)| order.as_str())
        .collect();
    assert_eq!(changed, ["order-3"]);
}

#[tokio::test]
async fn a_repaired_order_is_booked_by_the_next_run() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let client = smartsend_client(&sandbox);
    let wave =
        |code: &'static str| orders(5, move |number| smartsend_shipment(if number == 2 { code } else { "5000" }));
    let report = client.book(&wave("00000"), &journal).polling(polling()).run().await.unwrap();
    let (order, outcome) = odd_one_out(&report);
    assert_eq!((order, outcome.name()), ("order-2", "failed"));
    let report = client.book(&wave("8000"), &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", odd_one_out(&report));
    assert_charged_once(&sandbox, &report);
}

#[tokio::test]
async fn a_wave_that_is_stopped_sends_nothing_more() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let client = deftship_client(&sandbox);
    let orders = orders(10, |_| deftship_shipment("90001", "5559876543"));
    let stopped = client.book(&orders, &journal).until(std::future::ready(())).polling(polling()).run().await.unwrap();
    assert!(stopped.stopped());
    assert_eq!((stopped.counts().not_sent, sandbox.ledger().orders()), (10, 0));
    let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked());
    assert_charged_once(&sandbox, &report);
}

#[tokio::test]
async fn a_wrong_token_and_a_doubled_order_stop_the_run_before_anything_is_sent() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let mut orders = orders(3, |_| xps_shipment("84601"));
    let stranger = xps::Client::builder("TEST00002").token("wrong").base_url(sandbox.base_url(Vendor::Xps));
    let error = stranger.build().unwrap().book(&orders, &journal).run().await.unwrap_err();
    assert!(error.is_auth() && !error.may_have_booked(), "{error}");
    orders.push(orders[0].clone());
    let error = xps_client(&sandbox).book(&orders, &journal).run().await.unwrap_err();
    assert!(error.is_input());
    assert_eq!(error.to_string(), "order order-0: it occurs twice");
    assert_eq!(sandbox.ledger().orders(), 0);
}

#[tokio::test]
async fn progress_adds_up() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let seen = std::sync::Mutex::new(Vec::new());
    let orders = orders(12, |_| xps_shipment("84601"));
    let client = xps_client(&sandbox);
    let booking = client.book(&orders, &journal).unit_size(5).polling(polling());
    let report = booking.on_progress(|progress| seen.lock().unwrap().push(*progress)).run().await.unwrap();
    assert!(report.all_booked());
    let seen = seen.into_inner().unwrap();
    let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
    assert_eq!((first.orders, first.prepared, first.committed, first.ended.total()), (12, 0, 0, 0));
    assert_eq!((last.orders, last.prepared, last.committed, last.ended.total()), (12, 12, 12, 12));
}

#[tokio::test]
async fn smartsend_books_a_wave_by_booking_batches() {
    let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
    let orders = orders(40, |_| smartsend_shipment("5000"));
    let client = smartsend_client(&sandbox).via_batches();
    let report = client.book(&orders, &journal).unit_size(15).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", report.iter().find(|(_, outcome)| outcome.booked().is_none()));
    assert_charged_once(&sandbox, &report);
    let batches: std::collections::BTreeSet<_> =
        report.iter().filter_map(|(_, outcome)| outcome.booked()?.batch.clone()).collect();
    assert_eq!(batches.len(), 3);
    assert_labels(&report, &smartsend_client(&sandbox)).await;
}

#[tokio::test]
async fn smartsend_refuses_one_of_thirty_in_a_booking_batch() {
    for (country, code, name) in [("Denmark", "5000", "rejected"), ("DK", "00000", "failed")] {
        let (sandbox, journal) = (sandbox().await, Journal::in_memory().await.unwrap());
        let orders = orders(30, |number| {
            let mut shipment = smartsend_shipment(if number == 17 { code } else { "5000" });
            if number == 17 {
                shipment["parties"]["receiver"]["address"]["country"] = country.into();
            }
            shipment
        });
        let client = smartsend_client(&sandbox).via_batches();
        let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
        let (order, outcome) = odd_one_out(&report);
        assert_eq!((order, outcome.name()), ("order-17", name), "{outcome:?}");
        assert_charged_once(&sandbox, &report);
    }
}

#[tokio::test]
async fn a_wave_runs_in_a_spawned_task() {
    let sandbox = sandbox().await;
    let client = smartsend_client(&sandbox);
    let wave = tokio::spawn(async move {
        let journal = Journal::in_memory().await.unwrap();
        let orders: Vec<Order<_>> = orders(3, |_| smartsend_shipment("5000"));
        let report = client.book(&orders, &journal).polling(polling()).run().await.unwrap();
        report.all_booked()
    });
    assert!(wave.await.unwrap());
}

/// A proxy that knows nothing, or a wrong address: no answer of it says that an order is not booked.
#[tokio::test]
async fn a_host_that_finds_nothing_proves_nothing() {
    let faults = "smartsend.book_shipment:hang@1".parse().unwrap();
    let sandbox = Sandbox::builder().faults(faults).start().await.unwrap();
    let journal = Journal::in_memory().await.unwrap();
    let nowhere = httpmock::MockServer::start_async().await;
    nowhere.mock_async(|_, then| drop(then.status(404))).await;
    let mut wave: Vec<Order<smartsend::types::ShipmentRequest>> = orders(1, |_| smartsend_shipment("5000"));
    let client = smartsend_client(&sandbox);
    let sent = async {
        while sandbox.faults_injected() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = sent => {}
        ended = client.book(&wave, &journal).run() => panic!("{ended:?}"),
    }

    let lost = smartsend::Client::builder("team-7").token(Sandbox::TOKEN).base_url(nowhere.base_url()).build().unwrap();
    for postal_code in ["5000", "8000"] {
        // As it was, and as it was changed meanwhile.
        wave[0].shipment = serde_json::from_value(smartsend_shipment(postal_code)).unwrap();
        let report = lost.book(&wave, &journal).polling(polling()).run().await.unwrap();
        let (_, outcome) = odd_one_out(&report);
        assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    }
    let report = client.book(&wave, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", odd_one_out(&report));
    assert_charged_once(&sandbox, &report);
}

/// An order that was changed before anything came of its booking is booked as it is now; one that is asked for no more is
/// not booked at all.
#[tokio::test]
async fn what_was_not_begun_is_booked_as_it_is_asked_for_now() {
    let faults = "xps.book_batch:drop-before,xps.get_batch:500".parse().unwrap();
    let sandbox = Sandbox::builder().faults(faults).start().await.unwrap();
    let journal = Journal::in_memory().await.unwrap();
    let mut wave: Vec<Order<xps::types::QuoteShipment>> = orders(4, |_| xps_shipment("84601"));
    let retry = shipbatch::RetryPolicy { attempts: 1, ..Default::default() };
    let client = xps::Client::builder("TEST00002").token(Sandbox::TOKEN).base_url(sandbox.base_url(Vendor::Xps));
    let client = client.retry(retry).build().unwrap();
    let hasty = Polling { patience: Duration::from_millis(50), ..polling() };
    let report = client.book(&wave, &journal).polling(hasty).run().await.unwrap();
    assert_eq!(report.counts().unknown, 4);

    sandbox.set_faults(shipbatch::sandbox::Faults::default());
    wave.remove(3);
    wave[1].shipment.pieces[0].weight = "9".parse().unwrap();
    let report = client.book(&wave, &journal).polling(polling()).run().await.unwrap();
    assert!(report.all_booked(), "{:?}", odd_one_out(&report));
    assert_charged_once(&sandbox, &report);
    assert_eq!(sandbox.ledger().orders(), 3);
    let as_now = report.iter().all(|(_, outcome)| outcome.booked().is_some_and(|booked| !booked.changed));
    assert!(as_now, "nothing was booked as it was");
}
