//! Faults on purpose: lost answers, refusals, slow and broken ones.
//!
//! A plan is a list of rules with commas between, each `OPERATION:FAULT`, `OPERATION:FAULT@N` or `OPERATION:FAULT@P%`:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> shipbatch::Result<()> {
//! use shipbatch::sandbox::{Faults, Sandbox};
//!
//! let faults: Faults = "book_batch:drop-after@1,*:429@5%,get_batch:slow(2000)@3".parse()?;
//! let sandbox = Sandbox::builder().seed(7).faults(faults).start().await?;
//! assert_eq!(sandbox.faults_injected(), 0);
//! # Ok(()) }
//! ```
//!
//! The operation is an `operationId` of the specs in `openapi/`, `get_file` for the files that answers link to, or `*`
//! for all; `xps.*` and `xps.get_batch` are those of one vendor. `@N` is the Nth call that the rule concerns, from 1;
//! `@P%` a share of them, drawn by the sandbox's seed: the same calls in the same order meet the same faults. Without
//! either it is every call. Of several rules that are due the first counts.
//!
//! | fault | what happens | is the work done? |
//! |---|---|---|
//! | `drop-before` | the connection is closed without an answer | no |
//! | `drop-after` | the connection is closed without an answer | yes |
//! | `429`, `429(SECONDS)` | 429 with `Retry-After` in seconds, 1 unless given | no |
//! | `429-date(SECONDS)` | 429 with `Retry-After` as a date so far ahead | no |
//! | `500` | 500 with a page of HTML | no |
//! | `500-after` | 500 with a page of HTML | yes |
//! | `slow(MS)` | the answer comes so much later | yes |
//! | `hang` | the connection stays open, and no answer comes | yes |
//! | `truncate` | the connection is closed in the middle of the answer's body | yes |
//! | `stuck` | a batch or shipment that has come to rest still shows as under way | yes |
//! | `new-enum` | a batch or shipment has the status `brand_new` | yes |
//! | `missing-label` | the last page is missing from a PDF of labels | yes |
//! | `expired` | 403 for a file, as a store answers to an address that has ended | no |
//! | `html` | 200 with a page of HTML in place of a file | no |
//!
//! The last five concern only those calls whose answer has what they change.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use axum::{
    body::{self, Body},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use lopdf::Document;
use serde_json::{Value, json};

use super::{Shared, lock, number, server::NoAnswer};

mod operations;
mod plan;

use operations::{Answer, Operation};
pub use plan::Faults;
use plan::{What, When};

/// A plan at work.
pub(super) struct Injector {
    plan: Mutex<Plan>,
    seed: u64,
    injected: AtomicU64,
}

/// What goes wrong now.
struct Plan {
    faults: Faults,
    /// How many calls each rule has met.
    calls: Vec<u64>,
}

impl Plan {
    fn new(faults: Faults) -> Self {
        Self { calls: vec![0; faults.0.len()], faults }
    }
}

impl Injector {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        Self { plan: Mutex::new(Plan::new(faults)), seed: number(seed, "faults"), injected: AtomicU64::new(0) }
    }

    /// From now on other things go wrong.
    pub(super) fn change(&self, faults: Faults) {
        *lock(&self.plan) = Plan::new(faults);
    }

    /// How many calls had a fault.
    pub(super) fn injected(&self) -> u64 {
        self.injected.load(Ordering::Relaxed)
    }

    /// What is to go wrong with this call. Every rule that it concerns counts it.
    fn draw(&self, operation: &Operation) -> Option<What> {
        let mut due = None;
        let mut plan = lock(&self.plan);
        let Plan { faults, calls } = &mut *plan;
        for (place, (rule, calls)) in faults.0.iter().zip(calls).enumerate() {
            if rule.concerns(operation) {
                *calls += 1;
                if due.is_none() && rule.when.is_due(*calls, chance(self.seed, place as u64, *calls)) {
                    due = Some(rule.what);
                }
            }
        }
        due
    }
}

impl When {
    /// Whether the nth call has the fault, by a number in 0..1 that was drawn for it.
    fn is_due(self, call: u64, chance: f64) -> bool {
        match self {
            Self::Always => true,
            Self::Nth(nth) => call == nth,
            Self::Share(share) => chance * 100.0 < share,
        }
    }
}

/// Lets go wrong what is due.
pub(super) async fn inject(State(world): Shared, request: Request, next: Next) -> Response {
    let operation = operations::find(request.method(), request.uri().path());
    let due = operation.and_then(|operation| Some((operation, world.faults.draw(operation)?)));
    let Some((operation, what)) = due else { return next.run(request).await };
    let change = match what {
        What::Stuck => unsettle,
        What::NewEnum => rename,
        What::MissingLabel => lose_label,
        _ => {
            world.faults.injected.fetch_add(1, Ordering::Relaxed);
            return fail(what, request, next).await;
        }
    };
    let (parts, body) = next.run(request).await.into_parts();
    let bytes = whole(body).await;
    let changed = if parts.status.is_success() { change(operation, &bytes) } else { None };
    let Some(changed) = changed else { return Response::from_parts(parts, bytes.into()) };
    world.faults.injected.fetch_add(1, Ordering::Relaxed);
    let mut response = Response::from_parts(parts, changed.into());
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
}

/// The faults that leave the work alone, or the answer's meaning.
async fn fail(what: What, request: Request, next: Next) -> Response {
    match what {
        What::DropBefore | What::Busy(_) | What::BusyUntil(_) | What::ErrorBefore | What::Expired | What::Html => {
            // The caller has sent all of it, so that it is not cut short while it still writes.
            whole(request.into_body()).await;
            match what {
                What::Busy(seconds) => busy(seconds.into()),
                What::BusyUntil(seconds) => busy(date(seconds)),
                What::ErrorBefore => broken(),
                What::Expired => expired(),
                What::Html => Html("<!DOCTYPE html>\n<title>Sign in</title>\n<h1>Sign in</h1>\n").into_response(),
                _ => NoAnswer.into_response(),
            }
        }
        _ => {
            let response = next.run(request).await;
            match what {
                What::Truncate => cut(response).await,
                What::ErrorAfter => broken(),
                What::Slow(milliseconds) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
                    response
                }
                What::Hang => future::pending().await,
                What::DropAfter => NoAnswer.into_response(),
                _ => response,
            }
        }
    }
}

/// All of a body, as far as it came.
async fn whole(body: Body) -> Bytes {
    body::to_bytes(body, usize::MAX).await.unwrap_or_default()
}

fn busy(retry_after: HeaderValue) -> Response {
    let headers = [(header::RETRY_AFTER, retry_after)];
    (StatusCode::TOO_MANY_REQUESTS, headers, axum::Json(json!({"message": "Too Many Requests"}))).into_response()
}

/// A date so many seconds ahead, at least: it has no fractions.
fn date(seconds: u32) -> HeaderValue {
    let date = SystemTime::now() + Duration::from_secs(u64::from(seconds) + 1);
    HeaderValue::try_from(httpdate::fmt_http_date(date)).unwrap_or_else(|_| seconds.into())
}

/// What a proxy says for a server that failed.
fn broken() -> Response {
    let page = "<!DOCTYPE html>\n<title>500 Internal Server Error</title>\n<h1>Internal Server Error</h1>\n";
    (StatusCode::INTERNAL_SERVER_ERROR, Html(page)).into_response()
}

/// What a file store says to an address whose signature is too old.
fn expired() -> Response {
    let body =
        "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>\n";
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// The answer up to the middle of its body, with the length of all of it.
async fn cut(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut bytes = whole(body).await;
    parts.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    bytes.truncate(bytes.len() / 2);
    let half = stream::once(future::ready(Ok(bytes)));
    let end = stream::once(async {
        // What there is so far leaves first.
        tokio::task::yield_now().await;
        Err(io::Error::other("the answer is cut"))
    });
    Response::from_parts(parts, Body::from_stream(half.chain(end)))
}

/// What has come to rest, as under way.
fn unsettle(operation: &Operation, bytes: &[u8]) -> Option<Vec<u8>> {
    with_status(operation, bytes, |status| match (operation.id, status) {
        ("get_shipment", "booked" | "failed") => Some("queued"),
        ("get_batch", "ready" | "invalid") => Some("validating"),
        ("get_batch" | "get_booking_batch", "completed" | "failed") => Some("processing"),
        _ => None,
    })
}

/// A status that nobody has heard of.
fn rename(operation: &Operation, bytes: &[u8]) -> Option<Vec<u8>> {
    with_status(operation, bytes, |_| Some("brand_new"))
}

fn with_status(
    operation: &Operation,
    bytes: &[u8],
    other: impl FnOnce(&str) -> Option<&'static str>,
) -> Option<Vec<u8>> {
    let Answer::Status(place) = operation.answer else { return None };
    let mut answer: Value = serde_json::from_slice(bytes).ok()?;
    let status = answer.pointer_mut(place)?;
    *status = other(status.as_str()?)?.into();
    serde_json::to_vec(&answer).ok()
}

/// Labels without the last one.
fn lose_label(operation: &Operation, bytes: &[u8]) -> Option<Vec<u8>> {
    match operation.answer {
        Answer::File => without_last_page(bytes),
        Answer::Labels(place) => {
            let mut answer: Value = serde_json::from_slice(bytes).ok()?;
            let labels = answer.pointer_mut(place)?;
            let pdf = without_last_page(&BASE64_STANDARD.decode(labels.as_str()?).ok()?)?;
            *labels = BASE64_STANDARD.encode(pdf).into();
            serde_json::to_vec(&answer).ok()
        }
        Answer::Plain | Answer::Status(_) => None,
    }
}

fn without_last_page(pdf: &[u8]) -> Option<Vec<u8>> {
    let mut document = Document::load_mem(pdf).ok()?;
    let last = document.get_pages().into_keys().next_back()?;
    document.delete_pages(&[last]);
    let mut pdf = Vec::new();
    document.save_to(&mut pdf).ok()?;
    Some(pdf)
}

/// A number in 0..1 for a rule's nth call, well spread (the end of SplitMix64).
fn chance(seed: u64, rule: u64, call: u64) -> f64 {
    let mut bits = seed ^ rule.rotate_left(32) ^ call;
    for factor in [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_mul(factor);
    }
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests;
