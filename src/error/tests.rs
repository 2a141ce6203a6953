use std::{net::TcpListener, thread};

use insta::assert_snapshot;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::*;

/// Every kind: [`example`] does not compile without the last one.
const KINDS: [Kind; 17] = [
    Kind::Input,
    Kind::NotSent,
    Kind::TimedOut,
    Kind::Lost,
    Kind::Rejected,
    Kind::KeyReused,
    Kind::Auth,
    Kind::NotFound,
    Kind::Conflict,
    Kind::Throttled,
    Kind::Server,
    Kind::Unreadable,
    Kind::Failed,
    Kind::Doubt,
    Kind::Journal,
    Kind::Io,
    Kind::Stopped,
];

fn answer(status: u16, body: &str) -> Error {
    let headers = HeaderMap::from_iter([("request-id".parse().unwrap(), "0198c3f2".parse().unwrap())]);
    Error::from_answer(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

fn refusal(status: u16, body: &Value) -> Error {
    answer(status, &body.to_string())
}

/// What a request to this address fails with, if an answer must come within 50 ms.
async fn failure(listener: &TcpListener) -> Error {
    let url = format!("http://{}/shipments/secret-id", listener.local_addr().unwrap());
    let request = reqwest::Client::new().get(url).timeout(Duration::from_millis(50));
    Error::from_transport(request.send().await.unwrap_err())
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An error of this kind, made the way the crate makes it.
async fn example(kind: Kind) -> Error {
    let booking = |error: Error| error.at(Vendor::SmartSend, "book_shipment");
    match kind {
        Kind::Input => "21 characters - & more".parse::<crate::IdempotencyKey>().unwrap_err(),
        Kind::NotSent => {
            let error = reqwest::Client::new().get("http://127.0.0.1:0/").send().await.unwrap_err();
            booking(Error::from_transport(error)).after(5, false)
        }
        Kind::TimedOut => booking(failure(&listener()).await).after(2, false),
        Kind::Lost => {
            let listener = listener();
            let server = listener.try_clone().unwrap();
            let hang_up = thread::spawn(move || drop(server.accept().unwrap()));
            let error = failure(&listener).await;
            hang_up.join().unwrap();
            booking(error).after(1, false)
        }
        Kind::Rejected => booking(refusal(
            422,
            &json!({
                "message": "The given data was invalid.",
                "errors": {"parcels.0.weight": ["must be above 0", "must be a number"], "currency": ["is required"]},
            }),
        ))
        .after(1, false),
        Kind::KeyReused => booking(refusal(
            422,
            &json!({
                "message": "The given data was invalid.",
                "errors": {"Idempotency-Key": ["was used before for another request"]},
            }),
        ))
        .after(3, false),
        Kind::Auth => refusal(401, &json!({"success": false, "message": "Unauthenticated."}))
            .at(Vendor::Deftship, "ship_batch")
            .after(1, false),
        Kind::NotFound => {
            refusal(404, &json!({"error": "Batch not found"})).at(Vendor::Xps, "get_batch").after(1, false)
        }
        Kind::Conflict => booking(refusal(409, &json!({"message": "The shipment is booked already."}))).after(1, false),
        Kind::Throttled => booking(refusal(429, &json!({"message": "Too Many Attempts."}))).after(5, false),
        Kind::Server => booking(answer(500, "<html><h1>Whoops</h1></html>")).after(5, false),
        Kind::Unreadable => {
            let wrong = serde_json::from_str::<u32>(r#""Jane \"JD\" Doe, 1 Elm Street""#).unwrap_err();
            let raw: progenitor_client::Error = progenitor_client::Error::InvalidResponsePayload("{}".into(), wrong);
            Error::from_raw(Vendor::Xps, "book_batch", raw).await.after(1, false)
        }
        Kind::Failed => Error::new(kind, "the carrier refused the address").at(Vendor::SmartSend, "book_shipment"),
        Kind::Doubt => Error::new(kind, "batch 42 is still processing"),
        Kind::Journal => Error::new(kind, "journal wave.db: another process is using it"),
        Kind::Io => Error::new(kind, "labels.pdf: no space left on device"),
        Kind::Stopped => Error::new(kind, "the run ended before it was sent"),
    }
}

async fn examples() -> Vec<Error> {
    let mut errors = Vec::new();
    for kind in KINDS {
        let error = example(kind).await;
        assert_eq!(error.0.kind, kind, "{error:?}");
        errors.push(error);
    }
    errors
}

#[tokio::test]
async fn the_text_of_every_kind() {
    let texts: Vec<String> = examples().await.iter().map(|error| format!("{:?}: {error}", error.0.kind)).collect();
    assert_snapshot!(texts.join("\n"), @r#"
    Input: idempotency key: ' ' is not one of A-Z a-z 0-9 . _ -
    NotSent: smartsend book_shipment: the vendor could not be reached after 5 attempts
    TimedOut: smartsend book_shipment: no answer came in time after 2 attempts
    Lost: smartsend book_shipment: the connection broke before the answer was whole
    Rejected: smartsend book_shipment: The given data was invalid; currency: is required; parcels.0.weight: must be above 0, must be a number (HTTP 422) [request 0198c3f2]
    KeyReused: smartsend book_shipment: The given data was invalid; Idempotency-Key: was used before for another request (HTTP 422) after 3 attempts [request 0198c3f2]
    Auth: deftship ship_batch: Unauthenticated. (HTTP 401) [request 0198c3f2]
    NotFound: xps get_batch: Batch not found (HTTP 404) [request 0198c3f2]
    Conflict: smartsend book_shipment: The shipment is booked already. (HTTP 409) [request 0198c3f2]
    Throttled: smartsend book_shipment: Too Many Attempts. (HTTP 429) after 5 attempts [request 0198c3f2]
    Server: smartsend book_shipment: HTTP 500 Internal Server Error after 5 attempts [request 0198c3f2]
    Unreadable: xps book_batch: the answer is not what the vendor documents: invalid type: string "…", expected u32 at line 1 column 31
    Failed: smartsend book_shipment: the carrier refused the address
    Doubt: batch 42 is still processing
    Journal: journal wave.db: another process is using it
    Io: labels.pdf: no space left on device
    Stopped: the run ended before it was sent
    "#);
}

#[tokio::test]
async fn what_every_kind_means_for_money() {
    let rows = examples().await;
    let rows: Vec<String> = rows
        .iter()
        .map(|error| {
            let (sent, refused) = (error.was_sent(), error.is_rejected());
            assert!(!(error.may_have_booked() && (!sent || refused)), "{error:?}");
            let kind = format!("{:?}", error.0.kind);
            let word = |holds, word| if holds { word } else { "" };
            let words =
                [word(sent, "sent"), word(refused, "rejected"), word(error.may_have_booked(), "may have booked")];
            format!("{kind:<10}  {:<4}  {:<8}  {}", words[0], words[1], words[2]).trim_end().to_owned()
        })
        .collect();
    assert_snapshot!(rows.join("\n"), @r"
    Input
    NotSent
    TimedOut    sent            may have booked
    Lost        sent            may have booked
    Rejected    sent  rejected
    KeyReused   sent  rejected
    Auth        sent  rejected
    NotFound    sent  rejected
    Conflict    sent  rejected
    Throttled   sent
    Server      sent            may have booked
    Unreadable  sent            may have booked
    Failed      sent
    Doubt       sent            may have booked
    Journal
    Io
    Stopped
    ");
}

#[tokio::test]
async fn no_error_shows_a_body_or_an_address() {
    let mut errors = examples().await;
    errors.push(answer(500, "<p>Jane Doe</p>"));
    errors.push(refusal(422, &json!({"message": "No.", "receiver": {"name": "Jane Doe"}})));
    for error in errors {
        let text = format!("{error} {error:?}");
        assert!(!["Jane", "Elm", "Whoops", "secret-id"].iter().any(|body| text.contains(body)), "{text}");
    }
}

#[test]
fn debug_shows_the_kind_and_the_text() {
    let error = refusal(404, &json!({"error": "Batch not found"})).at(Vendor::Xps, "get_batch");
    assert_snapshot!(format!("{error:?}"), @"Error { kind: NotFound, text: xps get_batch: Batch not found (HTTP 404) [request 0198c3f2], source: None }");
}

#[test]
fn an_answer_without_words_says_its_status() {
    for (status, body, text) in [
        (500, "<html><h1>Whoops</h1></html>", "HTTP 500 Internal Server Error"),
        (502, "", "HTTP 502 Bad Gateway"),
        (503, "null", "HTTP 503 Service Unavailable"),
        (500, r#"{"message": ""}"#, "HTTP 500 Internal Server Error"),
        (401, "Unauthorized", "HTTP 401 Unauthorized"),
        (422, "[]", "HTTP 422 Unprocessable Entity"),
        (499, "", "HTTP 499"),
    ] {
        let error = answer(status, body);
        assert_eq!((error.message(), error.status()), (text, Some(status)), "{body}");
        assert_eq!(error.to_string(), format!("{text} [request 0198c3f2]"));
        assert_eq!(error.may_have_booked(), status >= 500);
        assert_eq!(error.is_auth(), status == 401);
    }
}

#[tokio::test]
async fn a_refusal_with_a_status_of_success_is_a_refusal() {
    for (body, text) in [
        (r#"{"success": false, "message": "Insufficient balance."}"#, "Insufficient balance."),
        (r#"{"success": false}"#, "refused without a reason"),
    ] {
        let wrong = serde_json::from_str::<u32>(body).unwrap_err();
        let raw: progenitor_client::Error = progenitor_client::Error::InvalidResponsePayload(body.into(), wrong);
        let error = Error::from_raw(Vendor::Deftship, "ship_batch", raw).await;
        assert_eq!(error.to_string(), format!("deftship ship_batch: {text}"));
        assert!(error.is_rejected() && !error.may_have_booked());
    }
}

#[test]
fn a_reused_key_is_told_from_other_refusals() {
    for body in [
        json!({"errors": {"Idempotency-Key": ["was used before"]}}),
        json!({"errors": {"idempotency_key": "was used before"}}),
        json!({"message": "This IDEMPOTENCY key belongs to another request."}),
    ] {
        let error = refusal(422, &body);
        assert!(error.is_key_reused() && error.is_rejected() && !error.may_have_booked(), "{error:?}");
        assert!(!refusal(409, &body).is_key_reused(), "409: the first one is still running");
    }
    for body in [
        json!({"message": "The given data was invalid.", "errors": {"currency": ["is required"]}}),
        json!({"errors": {"parties.receiver.company": ["Idempotency Ltd is too long"]}}),
        json!("Idempotency"),
    ] {
        let error = refusal(422, &body);
        assert!(error.is_rejected() && !error.is_key_reused(), "{error:?}");
    }
}

#[test]
fn an_answer_says_how_long_to_wait() {
    let headers = HeaderMap::from_iter([(RETRY_AFTER, "5".parse().unwrap())]);
    let error = Error::from_answer(StatusCode::TOO_MANY_REQUESTS, &headers, b"");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
    assert_eq!(answer(429, "").retry_after(), None);
}

#[test]
fn a_long_text_is_cut() {
    let error = refusal(400, &json!({"message": "ø".repeat(100_000)}));
    assert_eq!(error.message().chars().count(), TEXT_LIMIT + 1);
    assert!(error.message().ends_with("ø…"));
}

#[test]
fn the_order_is_told_but_not_in_the_text() {
    let error = refusal(404, &json!({"error": "Batch not found"})).at(Vendor::Xps, "get_batch");
    assert_eq!(error.order(), None);
    let (text, order) = (error.to_string(), OrderId::new("4521").unwrap());
    let error = error.for_order(&order);
    assert_eq!((error.order(), error.to_string()), (Some(&order), text));
}

#[cfg(any(feature = "sqlite", feature = "labels"))]
#[tokio::test]
async fn a_record_is_the_same_error() {
    for error in examples().await {
        let copy = error.copy();
        assert_eq!(copy, error);
        assert_eq!((copy.status(), copy.attempts()), (error.status(), error.attempts()));
        assert_eq!(copy.request_id(), error.request_id());
    }
}

/// A vendor's text stands in tables, logs and terminals, whichever answer it came in.
#[test]
fn a_vendors_text_has_no_control_characters() {
    let refused = refusal(422, &json!({"message": "Wrong\r\nzip", "errors": {"a\u{1b}[31m": ["b\tc"]}}));
    for error in [refused, Error::new(Kind::Rejected, "Insufficient\nbalance\u{7}")] {
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
}
