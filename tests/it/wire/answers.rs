//! What a client makes of each kind of answer. Here the typed mocks pay: they know the documented statuses.

use std::time::Duration;

use httpmock::MockServer;
use serde_json::json;
use shipbatch::{
    Builder, IdempotencyKey, RetryPolicy, deftship,
    smartsend::{self, BookAnswer, types},
};
use uuid::Uuid;

use crate::mocks::{deftship::MockServerExt as _, smartsend::MockServerExt as _};

const HTML: &str = "<html><body>Oops</body></html>";

/// A client that takes each answer as it comes: no test waits for a second one.
fn once<C: shipbatch::Account>(builder: Builder<C>, server: &MockServer) -> C {
    let policy = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    builder.token("t0ken").base_url(server.base_url()).retry(policy).build().unwrap()
}

async fn book(server: &MockServer) -> shipbatch::Result<BookAnswer> {
    let key: IdempotencyKey = "order-4521_first-try".parse().unwrap();
    once(smartsend::Client::builder("team-7"), server).book_shipment(Uuid::nil(), &key).await
}

fn booked() -> types::ShipmentEnvelope {
    let shipment = types::Shipment { state: Some(types::ShipmentState::Booked), ..Default::default() };
    types::ShipmentEnvelope { data: shipment }
}

#[tokio::test]
async fn a_booking_that_is_done() {
    let server = MockServer::start();
    let mock = server.book_shipment(|when, then| {
        when.team(&"team-7".parse().unwrap()).prefer(types::Prefer::RespondAsync);
        then.ok(&booked());
    });
    assert_eq!(book(&server).await.unwrap(), BookAnswer::Done(Box::new(booked().data)));
    mock.assert();
}

#[tokio::test]
async fn a_booking_that_is_accepted() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        let operation = serde_json::from_value(json!({"data": {"id": "op-1"}})).unwrap();
        then.accepted(&operation).into_inner().header("location", "/operations/op-1").header("retry-after", "7");
    });
    let BookAnswer::Accepted(accepted) = book(&server).await.unwrap() else { panic!("not accepted") };
    assert_eq!(accepted.operation, json!({"data": {"id": "op-1"}}));
    assert_eq!(accepted.location.as_deref(), Some("/operations/op-1"));
    assert_eq!(accepted.retry_after, Some(Duration::from_secs(7)));
}

/// Its body is not documented, so it may be any, or none.
#[tokio::test]
async fn a_booking_that_is_accepted_without_a_body() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        then.into_inner().status(202);
    });
    let BookAnswer::Accepted(accepted) = book(&server).await.unwrap() else { panic!("not accepted") };
    assert_eq!(accepted.operation, json!(null));
}

/// The vendors hardly document statuses: another success must not hide what was booked.
#[tokio::test]
async fn a_success_of_another_status_decodes() {
    let server = MockServer::start();
    server.create_batch(|_, then| {
        then.into_inner().status(201).json_body(json!({"success": true, "data": {"id": "1", "status": "validating"}}));
    });
    let client = once(deftship::Client::builder("w"), &server);
    let answer = client.raw().create_batch(&Default::default()).await.unwrap().into_inner();
    assert_eq!(answer.data.unwrap().status, deftship::types::BatchStatus::Validating);
}

#[tokio::test]
async fn a_booking_that_is_done_under_another_status_decodes() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        then.into_inner().status(201).json_body_obj(&booked());
    });
    assert_eq!(book(&server).await.unwrap(), BookAnswer::Done(Box::new(booked().data)));
}

/// A proxy may call it whatever it likes.
#[tokio::test]
async fn a_success_of_another_type_decodes() {
    for kind in ["Application/JSON", "text/html", "application/vnd.api+json", ""] {
        let server = MockServer::start();
        let typed = |then: httpmock::Then, body| {
            if kind.is_empty() {
                then.body(body)
            } else {
                then.header("content-type", kind).body(body)
            };
        };
        server.book_shipment(|_, then| typed(then.into_inner().status(200), serde_json::to_string(&booked()).unwrap()));
        assert_eq!(book(&server).await.unwrap(), BookAnswer::Done(Box::new(booked().data)), "{kind}");
        let list = json!({"data": [], "meta": {"current_page": 1, "last_page": 1}});
        server.list_shipments(|_, then| typed(then.into_inner().status(200), list.to_string()));
        let client = once(smartsend::Client::builder("team-7"), &server);
        assert!(client.shipments().pages().next().await.is_none(), "{kind}");
    }
}

#[tokio::test]
async fn a_refusal_says_which_fields_are_wrong() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        let problem = types::Problem {
            message: Some("The given data was invalid.".into()),
            errors: Some([("parcels.0.weight".to_owned(), vec!["must be above 0".to_owned()])].into()),
            ..Default::default()
        };
        then.unprocessable_entity(&problem).into_inner().header("request-id", "r-1");
    });
    let error = book(&server).await.unwrap_err();
    assert!(error.is_rejected() && !error.may_have_booked());
    assert_eq!(error.message(), "The given data was invalid; parcels.0.weight: must be above 0");
    assert_eq!((error.status(), error.request_id()), (Some(422), Some("r-1")));
}

#[tokio::test]
async fn an_answer_in_html_still_has_its_status() {
    for (status, text) in [
        (422, "HTTP 422 Unprocessable Entity"),
        (429, "HTTP 429 Too Many Requests"),
        (500, "HTTP 500 Internal Server Error"),
    ] {
        let server = MockServer::start();
        server.book_shipment(|_, then| {
            then.into_inner().status(status).header("content-type", "text/html").body(HTML);
        });
        let error = book(&server).await.unwrap_err();
        assert_eq!((error.status(), error.message()), (Some(status), text));
        assert_eq!(error.is_rejected(), status == 422);
        assert_eq!(error.is_throttled(), status == 429);
        assert_eq!(error.may_have_booked(), status == 500);
    }
}

/// A page in place of an answer, as from a proxy: the booking may well have been done.
#[tokio::test]
async fn a_success_that_is_no_json_leaves_a_doubt() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        then.into_inner().status(200).header("content-type", "text/html").body(HTML);
    });
    assert!(book(&server).await.unwrap_err().may_have_booked());
}

#[tokio::test]
async fn throttling_says_how_long() {
    let server = MockServer::start();
    server.book_shipment(|_, then| {
        then.too_many_requests(&types::Problem::default()).into_inner().header("retry-after", "7");
    });
    let error = book(&server).await.unwrap_err();
    assert!(error.is_throttled() && !error.may_have_booked());
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn deftship_refuses_under_any_status() {
    let server = MockServer::start();
    server.get_batch(|when, then| {
        when.batch_id(&"12345678".parse().unwrap());
        let refusal = deftship::types::BatchDetailEnvelope {
            success: false,
            message: Some("Batch not found.".into()),
            data: None,
        };
        then.ok(&refusal);
    });
    let error = once(deftship::Client::builder("w"), &server).batch("12345678").await.unwrap_err();
    assert!(error.is_rejected() && !error.may_have_booked());
    assert_eq!(error.message(), "Batch not found.");
}
