//! The parts of the engine by hand, against the sandbox: one order, a batch, a wait that goes on elsewhere.

use shipbatch::{
    Ended, IdempotencyKey, Order, Polling, Vendor,
    smartsend::{BookAnswer, types::ShipmentState},
};

use crate::waves::{
    deftship_client, deftship_shipment, orders, polling, sandbox, smartsend_client, smartsend_shipment, xps_client,
    xps_shipment,
};

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::derive("test", "team-7", text, 0, &()).unwrap()
}

#[tokio::test]
async fn one_order_is_booked_once_however_often_it_is_asked_for() {
    let sandbox = sandbox().await;
    let client = smartsend_client(&sandbox);
    let order: Order<_> = orders(1, |_| smartsend_shipment("5000")).remove(0);
    let mut shipments = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let BookAnswer::Accepted(accepted) = client.book_order(&order, 0).await.unwrap() else { panic!("not async") };
        let team = "team-7".parse().unwrap();
        let created = client.raw().list_shipments(&team, None, None, None, None, None, None, None, None);
        let shipment = created.await.unwrap().into_inner().data[0].uuid.unwrap();
        let ended = client.watch_accepted(shipment, &accepted).polling(&polling()).until_done().await;
        assert_eq!(ended.done().unwrap().state, Some(ShipmentState::Booked));
        shipments.insert(shipment);
    }
    assert_eq!((shipments.len(), sandbox.ledger().charges().len()), (1, 1));
}

#[tokio::test]
async fn an_order_that_is_refused_names_itself_and_is_booked_under_a_new_revision() {
    let sandbox = sandbox().await;
    let client = smartsend_client(&sandbox);
    let mut order: Order<_> = orders(1, |_| smartsend_shipment("00000")).remove(0);
    let refused = client.book_order_now(&order, 0).await.unwrap_err();
    assert!(refused.is_rejected() && !refused.may_have_booked(), "{refused}");
    assert_eq!(refused.order().map(|order| order.as_str()), Some("order-0"));
    order.shipment = orders(1, |_| smartsend_shipment("5000")).remove(0).shipment;
    let BookAnswer::Done(booked) = client.book_order_now(&order, 1).await.unwrap() else { panic!("not at once") };
    assert_eq!((booked.state, sandbox.ledger().charges().len()), (Some(ShipmentState::Booked), 1));
}

#[tokio::test]
async fn a_booking_that_is_waited_for_is_done_when_it_is_answered() {
    let sandbox = sandbox().await;
    let client = smartsend_client(&sandbox);
    let order = orders(1, |_| smartsend_shipment("5000")).remove(0);
    let shipment = client.create_shipment(&order.shipment, &key("create")).await.unwrap().uuid.unwrap();
    let BookAnswer::Done(booked) = client.book_shipment_now(shipment, &key("book")).await.unwrap() else {
        panic!("not at once")
    };
    assert_eq!(booked.state, Some(ShipmentState::Booked));
    let error = client.book_shipment_now(shipment, &key("another")).await.unwrap_err();
    assert!(error.is_rejected() && !error.may_have_booked(), "{error}");
}

#[tokio::test]
async fn a_booking_batch_is_filled_dispatched_and_watched() {
    let sandbox = sandbox().await;
    let client = smartsend_client(&sandbox);
    let shipments = orders(7, |number| {
        let mut shipment = smartsend_shipment("5000");
        shipment["identifier"] = format!("order-{number}").into();
        shipment
    });
    let batch = client.create_booking_batch(Some("Friday".to_owned()), None, &key("create")).await.unwrap();
    let batch = batch.uuid.unwrap();
    let shipments = shipments.into_iter().map(|order| order.shipment).collect();
    client.add_to_booking_batch(batch, shipments, &key("add")).await.unwrap();
    client.dispatch_booking_batch(batch, &key("dispatch")).await.unwrap();
    let mut poller = client.watch_booking_batch(batch).polling(&polling());
    let token = poller.token();
    let first = poller.next().await.unwrap().unwrap();
    assert!(first.progress.unwrap().value() < 100.into(), "it takes more than one look");
    drop(poller);
    // Another process goes on with nothing but the token.
    let other = smartsend_client(&sandbox);
    let done = other.resume_booking_batch(&token).unwrap().polling(&polling()).until_done().await.done().unwrap();
    assert_eq!((done.total_count, done.completed_count, done.failed_count), (Some(7), Some(7), Some(0)));
    assert_eq!(sandbox.ledger().orders(), 7);
    assert!(other.resume(&token).is_err(), "a batch is no shipment");
}

#[tokio::test]
async fn the_address_of_the_dispatch_can_be_set() {
    let sandbox = sandbox().await;
    let builder = shipbatch::smartsend::Client::builder("team-7").token(shipbatch::sandbox::Sandbox::TOKEN);
    let client = builder.base_url(sandbox.base_url(Vendor::SmartSend)).dispatch_path("booking").build().unwrap();
    let batch = client.create_booking_batch(None, None, &key("create")).await.unwrap().uuid.unwrap();
    let error = client.dispatch_booking_batch(batch, &key("dispatch")).await.unwrap_err();
    assert!(error.is_not_found(), "the sandbox knows only `dispatch`: {error}");
}

#[tokio::test]
async fn xps_quotes_and_books_by_order() {
    let sandbox = sandbox().await;
    let client = xps_client(&sandbox);
    let zips = ["84601", "1", "00000", "90001"];
    let orders = orders(4, |number| xps_shipment(zips[number]));
    let (quoted, refused): (Vec<_>, Vec<_>) = client.quote(&orders).await.unwrap().into_iter().partition(Result::is_ok);
    let refused = refused.into_iter().filter_map(Result::err).next().unwrap();
    assert_eq!(refused.order().unwrap().as_str(), "order-1");
    let quoted: Vec<_> = quoted.into_iter().flatten().collect();
    let ends = client.book_quoted("by hand", &quoted).await.unwrap();
    let ends: Vec<_> = ends.iter().map(|(order, end)| (order.as_str(), end.name())).collect();
    assert_eq!(ends, [("order-0", "booked"), ("order-2", "rejected"), ("order-3", "booked")]);
    assert_eq!(sandbox.ledger().charges().len(), 2);
}

#[tokio::test]
async fn deftship_creates_ships_and_waits() {
    let sandbox = sandbox().await;
    let client = deftship_client(&sandbox);
    let mut orders = orders(3, |_| deftship_shipment("90001", "5559876543"));
    let batch = client.create_batch(&orders).await.unwrap().id;
    let token = client.watch_batch(&batch).token();
    let validated = client.resume(&token).unwrap().polling(&polling()).until_done().await.done().unwrap();
    assert_eq!(validated.status.as_str(), "ready");
    client.ship_batch(&batch).await.unwrap();
    let done = client.watch_shipping(&batch).polling(&polling()).until_done().await.done().unwrap();
    assert_eq!((done.status.as_str(), sandbox.ledger().orders()), ("completed", 3));
    let error = client.ship_batch(&batch).await.unwrap_err();
    assert!(error.is_rejected() && !error.may_have_booked(), "{error}");

    orders[2].shipment.service = "USPS-1".to_owned();
    let error = client.create_batch(&orders).await.unwrap_err();
    assert_eq!(error.to_string(), "order order-2: a batch has one shipper and one service");
}

#[tokio::test]
async fn a_batch_that_is_never_done_times_out() {
    let sandbox = shipbatch::sandbox::Sandbox::builder().reads(u32::MAX).start().await.unwrap();
    let client = deftship_client(&sandbox);
    let orders = orders(1, |_| deftship_shipment("90001", "5559876543"));
    let batch = client.create_batch(&orders).await.unwrap().id;
    let short = Polling { patience: std::time::Duration::from_millis(100), ..polling() };
    match client.watch_batch(&batch).polling(&short).until_done().await {
        Ended::TimedOut { last: Some(Ok(seen)), looks, .. } => {
            assert_eq!(seen.status.as_str(), "validating");
            assert!(looks > 1);
        }
        ended => panic!("{ended:?}"),
    }
}
