//! The table of DESIGN.md, "may this call be sent twice?", each row of it for each class and vendor.

use std::time::Duration;

use futures_util::future::join_all;
use progenitor_client::Error as Raw;
use serde_json::{Value, json};
use shipbatch::{Account, Builder, Error, IdempotencyKey, Replay, RetryPolicy, Timeouts, deftship, smartsend, xps};
use uuid::Uuid;

use super::script::{Closed, Request, Script, Step, answer};

/// How often each call is sent at most.
const ATTEMPTS: u32 = 3;
const KEY: &str = "order-4521_first-try";
/// Long enough that no answer is late, for the tests that wait for none.
const PATIENT: Duration = Duration::from_secs(60);
/// For the tests that wait for an answer that does not come.
const IMPATIENT: Duration = Duration::from_millis(200);

/// A call of each class that a vendor has.
#[derive(Clone, Copy, Debug)]
enum Call {
    SmartSendGet,
    SmartSendCreate,
    SmartSendBook,
    SmartSendBookWithoutKey,
    SmartSendDelete,
    XpsGet,
    XpsBook,
    XpsCancel,
    DeftshipGet,
    DeftshipCreate,
    DeftshipShip,
}

/// What a call failed with, through the facade or, where it has no method yet, through the generated client.
#[derive(Debug)]
enum Failure {
    Facade(Error),
    Raw(Raw<()>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Facade(error)
    }
}

impl From<Raw<()>> for Failure {
    fn from(error: Raw<()>) -> Self {
        Self::Raw(error)
    }
}

impl Call {
    const ALL: [Self; 11] = [
        Self::SmartSendGet,
        Self::SmartSendCreate,
        Self::SmartSendBook,
        Self::SmartSendBookWithoutKey,
        Self::SmartSendDelete,
        Self::XpsGet,
        Self::XpsBook,
        Self::XpsCancel,
        Self::DeftshipGet,
        Self::DeftshipCreate,
        Self::DeftshipShip,
    ];

    fn replay(self) -> Replay {
        match self {
            Self::SmartSendGet | Self::XpsGet | Self::DeftshipGet => Replay::Safe,
            Self::SmartSendCreate | Self::SmartSendBook => Replay::Keyed,
            Self::SmartSendDelete | Self::XpsCancel | Self::DeftshipShip => Replay::Guarded,
            // Without its key the vendor never deduplicates it.
            Self::SmartSendBookWithoutKey | Self::XpsBook | Self::DeftshipCreate => Replay::Never,
        }
    }

    fn is_repeated_in_doubt(self) -> bool {
        matches!(self.replay(), Replay::Safe | Replay::Keyed)
    }

    /// By what the server knows it.
    fn line(self) -> &'static str {
        match self {
            Self::SmartSendGet => "GET /team/team-7/shipments/00000000-0000-0000-0000-000000000001 HTTP/1.1",
            Self::SmartSendCreate => "POST /team/team-7/shipments HTTP/1.1",
            Self::SmartSendBook => "POST /team/team-7/shipments/00000000-0000-0000-0000-000000000001/booking HTTP/1.1",
            Self::SmartSendBookWithoutKey => {
                "POST /team/team-7/shipments/00000000-0000-0000-0000-000000000002/booking HTTP/1.1"
            }
            Self::SmartSendDelete => "DELETE /team/team-7/shipments/00000000-0000-0000-0000-000000000001 HTTP/1.1",
            Self::XpsGet => "GET /customers/TEST00002/batch/42 HTTP/1.1",
            Self::XpsBook => "POST /customers/TEST00002/batch-book HTTP/1.1",
            Self::XpsCancel => "POST /customers/TEST00002/batch/42/cancel HTTP/1.1",
            Self::DeftshipGet => "GET /batches/1?page=1 HTTP/1.1",
            Self::DeftshipCreate => "POST /batches HTTP/1.1",
            Self::DeftshipShip => "POST /batches/1/ship HTTP/1.1",
        }
    }

    async fn make(self, clients: &Clients) -> Result<(), Failure> {
        let Clients { smartsend, xps, deftship } = clients;
        let (team, customer) = ("team-7".parse().unwrap(), "TEST00002".parse().unwrap());
        let key: IdempotencyKey = KEY.parse().unwrap();
        let (keyed, keyless) = (Uuid::from_u128(1), Uuid::from_u128(2));
        match self {
            Self::SmartSendGet => drop(smartsend.shipment(keyed).await?),
            Self::SmartSendCreate => drop(smartsend.create_shipment(&shipment(), &key).await?),
            Self::SmartSendBook => drop(smartsend.book_shipment(keyed, &key).await?),
            Self::SmartSendBookWithoutKey => {
                drop(smartsend.raw().book_shipment(&team, &keyless, None, None, None, None).await?);
            }
            Self::SmartSendDelete => drop(smartsend.raw().delete_shipment(&team, &keyed, None, None).await?),
            Self::XpsGet => drop(xps.batch(42).await?),
            Self::XpsBook => {
                drop(xps.raw().book_batch(&customer, &xps::types::BatchBookRequest { batch_id: 42 }).await?);
            }
            Self::XpsCancel => drop(xps.raw().cancel_batch(&customer, 42).await?),
            Self::DeftshipGet => drop(deftship.batch("1").await?),
            Self::DeftshipCreate => drop(deftship.raw().create_batch(&Default::default()).await?),
            Self::DeftshipShip => drop(deftship.raw().ship_batch(&"1".parse().unwrap()).await?),
        }
        Ok(())
    }
}

/// The answer of a vendor that has done it: all that any of the calls must find in it.
fn done() -> Step {
    let batch = json!({
        "batchId": 42, "name": "wave", "status": "open", "quoteCount": 1, "bookedCount": 0, "errorCount": 0,
        "createdAt": "2026-11-21 08:00:00", "updatedAt": "2026-11-21 08:00:00", "processedAt": null, "quotes": [],
        "results": [], "labelsPdf": "", "success": true, "data": {"id": "1", "status": "ready"},
    });
    answer(200, &batch)
}

/// A client of each vendor, all of one server.
struct Clients {
    smartsend: smartsend::Client,
    xps: xps::Client,
    deftship: deftship::Client,
}

impl Clients {
    /// Under the policy of these tests, with which none waits long.
    fn new(server: &Script) -> Self {
        Self::under(policy(), &server.url(), PATIENT)
    }

    fn under(policy: RetryPolicy, url: &str, timeout: Duration) -> Self {
        Self {
            smartsend: set_up(smartsend::Client::builder("team-7"), &policy, url, timeout),
            xps: set_up(xps::Client::builder("TEST00002"), &policy, url, timeout),
            deftship: set_up(deftship::Client::builder("w"), &policy, url, timeout),
        }
    }

    /// Makes every call, all at once.
    async fn make_all(&self) -> Vec<(Call, Result<(), Failure>)> {
        join_all(Call::ALL.map(|call| async move { (call, call.make(self).await) })).await
    }
}

fn set_up<C: Account>(builder: Builder<C>, policy: &RetryPolicy, url: &str, timeout: Duration) -> C {
    let timeouts = Timeouts { read: timeout, write: timeout, ..Timeouts::default() };
    builder.token("t0ken").base_url(url).retry(policy.clone()).timeouts(timeouts).build().unwrap()
}

fn policy() -> RetryPolicy {
    let (first_delay, longest_retry_after) = (Duration::from_millis(1), Duration::from_millis(4999));
    RetryPolicy { attempts: ATTEMPTS, first_delay, longest_retry_after, ..RetryPolicy::default() }
}

fn shipment() -> smartsend::types::ShipmentRequest {
    let address = json!({"city": "Søborg", "country": "DK"});
    let receiver = json!({"address": address, "contact": {"name_lines": ["Jane Doe"]}});
    let shipment = json!({"currency": "DKK", "delivery": {}, "parcels": [{}], "parties": {"receiver": receiver}});
    serde_json::from_value(shipment).unwrap()
}

/// What the vendor, or the network, does to a call: the columns of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    NotSent,
    Throttled,
    TimedOut,
    Broken,
    /// After a head that says success.
    BrokenOff,
    Failed(u16),
}

impl Fault {
    fn step(self) -> Step {
        match self {
            Self::NotSent => panic!("a server has no part in it"),
            Self::Throttled => answer(429, &Value::Null).header("retry-after", "0"),
            Self::TimedOut => Step::Hang,
            Self::Broken => Step::Drop,
            Self::BrokenOff => Step::BreakOff,
            Self::Failed(status) => answer(status, &Value::Null),
        }
    }

    /// Whether nobody knows then if it was done.
    fn leaves_doubt(self) -> bool {
        !matches!(self, Self::NotSent | Self::Throttled)
    }

    /// Whether this fault is what the call failed with, after so many attempts.
    fn check(self, failure: &Failure, attempts: u32) {
        match failure {
            Failure::Facade(error) => {
                assert_eq!(error.attempts(), attempts, "{error:?}");
                assert_eq!(error.was_sent(), self != Self::NotSent, "{error:?}");
                assert_eq!(error.may_have_booked(), self.leaves_doubt(), "{error:?}");
                assert_eq!(error.is_throttled(), self == Self::Throttled, "{error:?}");
                assert_eq!(error.is_timeout(), self == Self::TimedOut, "{error:?}");
                assert!(!error.is_rejected(), "{error:?}");
            }
            Failure::Raw(Raw::CommunicationError(error)) => {
                assert_eq!(error.is_connect(), self == Self::NotSent, "{error:?}");
                assert_eq!(error.is_timeout(), self == Self::TimedOut, "{error:?}");
                assert!(matches!(self, Self::NotSent | Self::TimedOut | Self::Broken | Self::BrokenOff), "{error:?}");
            }
            Failure::Raw(Raw::UnexpectedResponse(response)) => {
                let status = response.status().as_u16();
                assert_eq!(self, if status == 429 { Self::Throttled } else { Self::Failed(status) });
            }
            Failure::Raw(other) => panic!("{other:?}"),
        }
    }
}

/// What the server has seen: of each call so many sendings of one request, the same to the last byte.
#[track_caller]
fn assert_sent(server: &Script, times: impl Fn(Call) -> u32) {
    let requests = server.requests();
    for call in Call::ALL {
        let sent: Vec<&Request> = requests.iter().filter(|request| request.line() == call.line()).collect();
        assert_eq!(sent.len(), times(call) as usize, "{call:?}");
        let key = (call.replay() == Replay::Keyed).then_some(KEY);
        for request in &sent {
            assert_eq!(request.header("idempotency-key"), key, "{call:?}");
            assert_eq!((&request.head, &request.body), (&sent[0].head, &sent[0].body), "{call:?}");
        }
    }
    assert_eq!(requests.len(), Call::ALL.into_iter().map(times).sum::<u32>() as usize);
}

#[track_caller]
fn assert_done(results: Vec<(Call, Result<(), Failure>)>) {
    for (call, result) in results {
        assert!(result.is_ok(), "{call:?}: {result:?}");
    }
}

#[tokio::test]
async fn what_did_not_reach_the_vendor_is_repeated_in_every_class() {
    let delay = Duration::from_millis(5);
    let endless = RetryPolicy {
        attempts: u32::MAX,
        budget: u32::MAX,
        first_delay: delay,
        longest_delay: delay,
        ..RetryPolicy::default()
    };
    let address = Closed::new();
    let clients = Clients::under(endless, &address.url(), PATIENT);
    let opened = async {
        tokio::time::sleep(20 * delay).await;
        address.open([done()])
    };
    let (results, server) = tokio::join!(clients.make_all(), opened);
    assert_done(results);
    assert_sent(&server, |_| 1);
}

#[tokio::test]
async fn what_cannot_reach_the_vendor_was_not_sent() {
    let address = Closed::new();
    for (_, result) in Clients::under(policy(), &address.url(), PATIENT).make_all().await {
        Fault::NotSent.check(&result.unwrap_err(), ATTEMPTS);
    }
}

#[tokio::test]
async fn what_was_throttled_is_repeated_in_every_class() {
    let throttled = Fault::Throttled;
    let server = Script::new([throttled.step(), throttled.step(), done()]);
    let clients = Clients::new(&server);
    assert_done(clients.make_all().await);
    assert_sent(&server, |_| 3);

    server.play([throttled.step()]);
    for (_, result) in clients.make_all().await {
        throttled.check(&result.unwrap_err(), ATTEMPTS);
    }
    assert_sent(&server, |_| ATTEMPTS);
}

/// The last column: what may have been done is repeated only where that is harmless, and no more often than any other.
async fn in_doubt(fault: Fault, timeout: Duration) {
    let server = Script::new([fault.step(), done()]);
    let clients = Clients::under(policy(), &server.url(), timeout);
    for (call, result) in clients.make_all().await {
        if call.is_repeated_in_doubt() {
            assert!(result.is_ok(), "{call:?}: {result:?}");
        } else {
            fault.check(&result.unwrap_err(), 1);
        }
    }
    assert_sent(&server, |call| if call.is_repeated_in_doubt() { 2 } else { 1 });

    let attempts = |call: Call| if call.is_repeated_in_doubt() { ATTEMPTS } else { 1 };
    server.play([fault.step()]);
    for (call, result) in clients.make_all().await {
        fault.check(&result.unwrap_err(), attempts(call));
    }
    assert_sent(&server, attempts);
}

#[tokio::test]
async fn after_a_timeout_only_what_is_harmless_is_repeated() {
    in_doubt(Fault::TimedOut, IMPATIENT).await;
}

#[tokio::test]
async fn after_a_broken_connection_only_what_is_harmless_is_repeated() {
    in_doubt(Fault::Broken, PATIENT).await;
}

#[tokio::test]
async fn after_a_failure_of_the_vendor_only_what_is_harmless_is_repeated() {
    for status in [500, 502, 503] {
        in_doubt(Fault::Failed(status), PATIENT).await;
    }
}

/// Its head says success, but nobody can read what was done.
#[tokio::test]
async fn after_an_answer_that_breaks_off_only_what_is_harmless_is_repeated() {
    in_doubt(Fault::BrokenOff, PATIENT).await;
}

/// "The first one is still running": Smart Send's page on idempotency.
#[tokio::test]
async fn a_409_that_says_how_long_is_repeated_where_there_is_a_key() {
    let busy = answer(409, &json!({"message": "Still running."})).header("retry-after", "0");
    let server = Script::new([busy, done()]);
    for (call, result) in Clients::new(&server).make_all().await {
        assert_eq!(result.is_ok(), call.replay() == Replay::Keyed, "{call:?}: {result:?}");
    }
    assert_sent(&server, |call| if call.replay() == Replay::Keyed { 2 } else { 1 });
}

#[tokio::test]
async fn a_409_that_does_not_is_final() {
    let server = Script::new([answer(409, &json!({"message": "Booked already."})), done()]);
    for (call, result) in Clients::new(&server).make_all().await {
        match result.unwrap_err() {
            Failure::Facade(error) => {
                assert!(error.is_conflict() && error.is_rejected() && !error.may_have_booked(), "{call:?}: {error:?}");
            }
            Failure::Raw(error) => assert_eq!(error.status().map(|status| status.as_u16()), Some(409), "{call:?}"),
        }
    }
    assert_sent(&server, |_| 1);
}

#[tokio::test]
async fn a_503_on_a_read_is_waited_for_as_long_as_it_asks() {
    let down = |seconds| answer(503, &Value::Null).header("retry-after", seconds);
    let server = Script::new([down("0"), done()]);
    let Clients { smartsend, .. } = Clients::new(&server);
    smartsend.shipment(Uuid::nil()).await.unwrap();
    assert_eq!(server.requests().len(), 2);

    // Longer than the policy allows: had the header not been heeded, the call would have been repeated.
    server.play([down("5"), done()]);
    let error = smartsend.shipment(Uuid::nil()).await.unwrap_err();
    assert_eq!((error.status(), error.retry_after()), (Some(503), Some(Duration::from_secs(5))));
    assert_eq!(server.requests().len(), 1);
}

/// Another SDK took the seconds for milliseconds. The policy waits for almost five seconds at most: five are too many,
/// and five milliseconds were not.
#[tokio::test]
async fn retry_after_of_five_waits_five_seconds_not_milliseconds() {
    let server = Script::new([answer(429, &Value::Null).header("retry-after", "5"), done()]);
    let Clients { smartsend, .. } = Clients::new(&server);
    let error = smartsend.book_shipment(Uuid::nil(), &KEY.parse().unwrap()).await.unwrap_err();
    assert!(error.is_throttled());
    assert_eq!((error.retry_after(), error.attempts()), (Some(Duration::from_secs(5)), 1));
    assert_eq!(server.requests().len(), 1);
}

/// Another SDK looked for a header of another name.
#[tokio::test]
async fn the_header_is_called_retry_after() {
    let five = Some(Duration::from_secs(5));
    let names = ["RetryAfter", "Retry_After", "X-Retry-After", "X-RateLimit-Reset"].map(|name| (name, None));
    for (name, wait) in names.into_iter().chain([("Retry-After", five)]) {
        let server = Script::new([answer(429, &Value::Null).header(name, "5")]);
        let deftship = set_up(deftship::Client::builder("w"), &policy(), &server.url(), PATIENT);
        let error = deftship.batch("1").await.unwrap_err();
        assert_eq!(error.retry_after(), wait, "{name}");
        assert_eq!(error.attempts(), if wait.is_some() { 1 } else { ATTEMPTS }, "{name}");
    }
}

/// Another SDK repeated reads alone.
#[tokio::test]
async fn a_post_answered_429_is_repeated() {
    let server = Script::new([Fault::Throttled.step(), done()]);
    let Clients { smartsend, .. } = Clients::new(&server);
    let _ = smartsend.book_shipment(Uuid::nil(), &KEY.parse().unwrap()).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| request.line().starts_with("POST ")), "{requests:?}");
}

#[tokio::test]
async fn a_key_of_another_payload_is_its_own_kind_of_refusal() {
    let body = json!({
        "message": "The given data was invalid.",
        "errors": {"Idempotency-Key": ["was used before for another request"]},
    });
    let server = Script::new([answer(422, &body), done()]);
    let Clients { smartsend, .. } = Clients::new(&server);
    let error = smartsend.book_shipment(Uuid::nil(), &KEY.parse().unwrap()).await.unwrap_err();
    assert!(error.is_key_reused() && error.is_rejected() && !error.may_have_booked(), "{error:?}");
    assert_eq!(server.requests().len(), 1);
}

/// The first attempt may have booked: what the next one fails with does not take that back, unless the vendor refuses
/// the same request under the same key.
#[tokio::test]
async fn an_unanswered_attempt_leaves_a_doubt_whatever_the_next_fails_with() {
    let later = [
        (answer(429, &Value::Null).header("retry-after", "0"), true),
        (answer(401, &json!({"message": "Unauthenticated."})), true),
        (answer(409, &json!({"message": "Busy."})), true),
        (answer(422, &json!({"message": "The address is wrong."})), false),
    ];
    for (step, doubt) in later {
        let server = Script::new([Step::Drop, step.clone()]);
        let Clients { smartsend, .. } = Clients::new(&server);
        let error = smartsend.book_shipment(Uuid::nil(), &KEY.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.may_have_booked(), doubt, "{error:?}");
        assert_eq!(error.is_rejected(), !doubt, "{error:?}");

        server.play([Step::Drop, step]);
        let error = smartsend.shipment(Uuid::nil()).await.unwrap_err();
        assert!(!error.may_have_booked(), "a read books nothing: {error:?}");
    }
}
