//! Lists, page after page: what is asked for, when, and what is made of the answers.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_core::Stream;
use httpmock::{HttpMockResponse, MockServer};
use serde_json::{Value, json};
use shipbatch::{
    Account, Builder, Pages, Result, RetryPolicy, Timeouts,
    smartsend::{
        self,
        types::{BookingBatchState, Shipment, ShipmentState},
    },
    xps,
};

/// A server that answers by the page asked for, and keeps what was asked.
struct Lister {
    server: MockServer,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Lister {
    fn new(answer: impl Fn(u32) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let server = MockServer::start();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        server.mock(|_, then| {
            then.respond_with(move |request| {
                let target = request.uri().path_and_query().unwrap().to_string();
                let page = request.query_params().into_iter().find(|(name, _)| name == "page").unwrap().1;
                let (status, body) = answer(page.parse().unwrap());
                sink.lock().unwrap().push(target);
                HttpMockResponse::builder()
                    .status(status)
                    .header("content-type", "application/json")
                    .body(body.to_string())
                    .build()
            });
        });
        Self { server, seen }
    }

    /// Shipments on these pages.
    fn shipments(pages: &'static [&'static [&'static str]]) -> Self {
        Self::new(move |page| (200, shipments(pages, page)))
    }

    /// A client that takes each answer as it comes.
    fn client<C: Account>(&self, builder: Builder<C>) -> C {
        let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        builder.token("t0ken").base_url(self.server.base_url()).retry(policy).build().unwrap()
    }

    fn smartsend(&self) -> smartsend::Client {
        self.client(smartsend::Client::builder("team-7"))
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many requests have come, then long enough for one too many. The pages are not polled meanwhile.
    async fn settled(&self, requests: usize) {
        for _ in 0..1000 {
            if self.seen().len() >= requests {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(self.seen().len(), requests, "{:?}", self.seen());
    }
}

fn shipments(pages: &[&[&str]], page: u32) -> Value {
    let entries = pages.get(page as usize - 1).copied().unwrap_or_default();
    let data: Vec<Value> = entries.iter().map(|identifier| json!({ "identifier": identifier })).collect();
    json!({"data": data, "meta": {"current_page": page, "last_page": pages.len()}})
}

fn name(shipment: Result<Shipment>) -> String {
    shipment.unwrap().identifier.unwrap()
}

async fn names(mut pages: Pages<Shipment>) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(shipment) = pages.next().await {
        names.push(name(shipment));
    }
    names
}

#[tokio::test]
async fn entries_come_in_order_across_the_pages() {
    let lister = Lister::shipments(&[&["a", "b"], &["c", "d"], &["e"]]);
    assert_eq!(names(lister.smartsend().shipments().pages()).await, ["a", "b", "c", "d", "e"]);
    let path = "/team/team-7/shipments";
    assert_eq!(lister.seen(), [1, 2, 3].map(|page| format!("{path}?page={page}")));
}

#[tokio::test]
async fn the_filters_are_sent_with_every_page() {
    let lister = Lister::shipments(&[&["a"], &["b"], &["c"]]);
    let list = lister.smartsend().shipments().carrier("postnord").service("postnord_agent").tracking_number("00 1/2");
    assert_eq!(names(list.state(ShipmentState::Booked).per_page(500).from_page(2).pages()).await, ["b", "c"]);
    let filters = "service=postnord_agent&state=booked&tracking_number=00+1%2F2";
    let target = |page| format!("/team/team-7/shipments?carrier=postnord&page={page}&per_page=500&{filters}");
    assert_eq!(lister.seen(), [2, 3].map(target));
}

#[tokio::test]
async fn a_size_that_cannot_be_is_brought_within_the_limits() {
    let lister = Lister::shipments(&[&[]]);
    let client = lister.smartsend();
    for size in [0, 1001] {
        assert!(names(client.shipments().per_page(size).from_page(0).pages()).await.is_empty());
    }
    let path = "/team/team-7/shipments?page=1&per_page=";
    assert_eq!(lister.seen(), [1, 1000].map(|size| format!("{path}{size}")));
}

#[tokio::test]
async fn booking_batches_are_listed_by_state() {
    let lister = Lister::new(|page| {
        (200, json!({"data": [{"reference": format!("batch {page}")}], "meta": {"current_page": page, "last_page": 2}}))
    });
    let mut batches = lister.smartsend().booking_batches().state(BookingBatchState::Open).per_page(1).pages();
    let mut references = Vec::new();
    while let Some(batch) = batches.next().await {
        references.push(batch.unwrap().reference.unwrap());
    }
    assert_eq!(references, ["batch 1", "batch 2"]);
    let target = |page| format!("/team/team-7/booking-batches?page={page}&per_page=1&state=open");
    assert_eq!(lister.seen(), [1, 2].map(target));
}

#[tokio::test]
async fn xps_batches_end_by_their_total() {
    let lister = Lister::new(|page| {
        let batch = json!({
            "batchId": page, "name": "wave", "status": "open", "quoteCount": 0, "bookedCount": 0, "errorCount": 0,
            "createdAt": "2026-11-21T03:00:00Z", "updatedAt": "2026-11-21T03:00:00Z", "processedAt": null,
        });
        let batches = if page == 2 { json!([]) } else { json!([batch]) };
        (200, json!({"batches": batches, "total": 3, "page": page, "limit": 1}))
    });
    let mut batches = lister.client(xps::Client::builder("TEST00002")).batches().per_page(1).pages();
    let mut ids = Vec::new();
    while let Some(batch) = batches.next().await {
        ids.push(batch.unwrap().batch_id);
    }
    assert_eq!(ids, [1, 3]);
    assert_eq!(lister.seen(), [1, 2, 3].map(|page| format!("/customers/TEST00002/batch?limit=1&page={page}")));
}

#[tokio::test]
async fn an_empty_page_in_the_middle_is_not_the_end() {
    let lister = Lister::shipments(&[&["a"], &[], &["b"]]);
    assert_eq!(names(lister.smartsend().shipments().pages()).await, ["a", "b"]);
    assert_eq!(lister.seen().len(), 3);
}

#[tokio::test]
async fn without_a_last_page_an_empty_one_is_the_end() {
    let lister = Lister::new(|page| {
        let data = if page < 3 { json!([{"identifier": "a"}]) } else { json!([]) };
        (200, json!({"data": data, "meta": {}}))
    });
    assert_eq!(names(lister.smartsend().shipments().pages()).await, ["a", "a"]);
    assert_eq!(lister.seen().len(), 3);
}

#[tokio::test]
async fn an_error_is_the_end_and_the_list_goes_on_from_its_page() {
    let broken = Arc::new(Mutex::new(true));
    let breaks = Arc::clone(&broken);
    let lister = Lister::new(move |page| {
        if page == 2 && *breaks.lock().unwrap() {
            return (500, json!({"message": "Server Error"}));
        }
        (200, shipments(&[&["a", "b"], &["c"], &["d"]], page))
    });
    let client = lister.smartsend();
    let mut pages = client.shipments().pages();
    assert_eq!([name(pages.next().await.unwrap()), name(pages.next().await.unwrap())], ["a", "b"]);
    let error = pages.next().await.unwrap().unwrap_err();
    assert_eq!((error.status(), error.attempts(), pages.page()), (Some(500), 1, 2));
    assert!(pages.next().await.is_none() && pages.next().await.is_none());
    lister.settled(2).await;

    *broken.lock().unwrap() = false;
    assert_eq!(names(client.shipments().from_page(pages.page()).pages()).await, ["c", "d"]);
}

#[tokio::test]
async fn nothing_is_sent_until_an_entry_is_asked_for() {
    let lister = Lister::shipments(&[&["a"]]);
    let _pages = lister.smartsend().shipments().pages();
    lister.settled(0).await;
}

#[tokio::test]
async fn the_next_page_is_fetched_while_this_one_is_used_and_no_further() {
    let lister = Lister::shipments(&[&["a", "b", "c"], &["d"], &["e"]]);
    let mut pages = lister.smartsend().shipments().pages();
    assert_eq!(name(pages.next().await.unwrap()), "a");
    lister.settled(2).await;
    // Page 2 has come by now; page 3 waits until page 2 is begun.
    assert_eq!([name(pages.next().await.unwrap()), name(pages.next().await.unwrap())], ["b", "c"]);
    lister.settled(2).await;
    assert_eq!((name(pages.next().await.unwrap()), pages.page()), ("d".to_owned(), 3));
    lister.settled(3).await;
    assert_eq!(name(pages.next().await.unwrap()), "e");
    assert!(pages.next().await.is_none());
    lister.settled(3).await;
}

#[tokio::test]
async fn pages_that_are_dropped_ask_for_nothing_more() {
    let lister = Lister::shipments(&[&["a", "b"], &["c"], &["d"]]);
    let mut pages = lister.smartsend().shipments().pages();
    assert_eq!(name(pages.next().await.unwrap()), "a");
    lister.settled(2).await;
    drop(pages);
    lister.settled(2).await;
}

/// The answer lies there all the time, but nobody polled for longer than a read may take.
#[tokio::test]
async fn a_caller_who_takes_long_over_an_entry_loses_no_page() {
    let lister = Lister::shipments(&[&["a"], &["b"]]);
    let timeouts = Timeouts { read: Duration::from_millis(300), ..Timeouts::default() };
    let client = lister.client(smartsend::Client::builder("team-7").timeouts(timeouts));
    let mut pages = client.shipments().pages();
    assert_eq!(name(pages.next().await.unwrap()), "a");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(name(pages.next().await.unwrap()), "b");
    assert!(pages.next().await.is_none());
}

#[tokio::test]
async fn they_are_a_stream() {
    async fn first<S: Stream + Unpin>(mut stream: S) -> Option<S::Item> {
        poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await
    }
    let lister = Lister::shipments(&[&["a"]]);
    assert_eq!(name(first(lister.smartsend().shipments().pages()).await.unwrap()), "a");
}

#[cfg(feature = "sandbox")]
#[tokio::test]
async fn the_sandbox_lists_what_was_created() {
    use shipbatch::{Vendor, sandbox::Sandbox};

    let sandbox = Sandbox::builder().start().await.unwrap();
    let builder = smartsend::Client::builder("team-7").token(Sandbox::TOKEN);
    let client = builder.base_url(sandbox.base_url(Vendor::SmartSend)).build().unwrap();
    let identifiers: Vec<String> = (0..25).map(|number| format!("order-{number}")).collect();
    for identifier in &identifiers {
        let shipment = json!({
            "currency": "DKK",
            "identifier": identifier,
            "delivery": {"carrier": "postnord", "service": "postnord_home"},
            "parties": {"receiver": {
                "address": {"address_lines": ["Nørregade 1"], "postal_code": "5000", "city": "Odense", "country": "DK"},
                "contact": {"name_lines": ["Ane Juul"]},
            }},
            "parcels": [{"gross_weight": 800}],
        });
        let key = format!("{identifier}_created-once").parse().unwrap();
        client.create_shipment(&serde_json::from_value(shipment).unwrap(), &key).await.unwrap();
    }
    let mut pages = client.shipments().carrier("postnord").state(ShipmentState::Open).per_page(10).pages();
    let mut listed = Vec::new();
    while let Some(shipment) = pages.next().await {
        listed.push(name(shipment));
    }
    assert_eq!((listed, pages.page()), (identifiers.clone(), 3));
    assert_eq!(names(client.shipments().per_page(10).from_page(3).pages()).await, identifiers[20..]);
    assert!(names(client.shipments().state(ShipmentState::Booked).pages()).await.is_empty());
}
