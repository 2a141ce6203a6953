//! The one hook through which every generated call goes.
//!
//! It adds the credentials and the request id, keeps to the configured host, bounds the time and the size of every
//! answer, repeats what may be repeated ([`Replay`]), and tells [`tracing`] of each attempt: operation, status, request
//! id, duration; never a body, an address or a token.
//!
//! ```
//! use std::time::Duration;
//! use shipbatch::{Timeouts, smartsend};
//!
//! let timeouts = Timeouts { read: Duration::from_secs(20), ..Timeouts::default() };
//! let client = smartsend::Client::builder("team-7").token("secret").timeouts(timeouts).build()?;
//! assert!(!format!("{client:?}").contains("secret"));
//! # Ok::<(), shipbatch::Error>(())
//! ```

use std::{
    cell::Cell,
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http_body_util::Limited;
use progenitor_client::{Error as Raw, OperationInfo};
use reqwest::{
    Method, Request, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    Builder, Error, Result, Vendor,
    gate::Gate,
    permit, repeat,
    retry::{Attempt, Budget, Decision, Operation, Replay, RetryPolicy},
    sieve::Held,
};

/// Correlates a request between client and server; Smart Send echoes it (its page on debugging).
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// progenitor sends it with every request; no vendor asks for it.
const API_VERSION: HeaderName = HeaderName::from_static("api-version");
/// JSON first: a PHP framework answers errors as HTML or by a redirect where JSON is not asked for.
const JSON_OR_FILE: HeaderValue = HeaderValue::from_static("application/json, */*;q=0.5");

/// The one operation whose address is inferred and can be set.
const DISPATCH: &str = "dispatch_booking_batch";
/// The most bytes of an answer: XPS sends the labels of 500 shipments in one, tens of megabytes.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// How long calls may take, each time that they are sent. A call that moves money has one long bound of its own: cutting
/// it short would leave the question whether it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands. 10 s unless set.
    pub connect: Duration,
    /// A whole read, from the request to the last byte. 60 s unless set.
    pub read: Duration,
    /// A whole write. XPS books up to 500 shipments in one call before it answers, and documents no bound: 15 minutes
    /// unless set.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), read: Duration::from_secs(60), write: Duration::from_secs(900) }
    }
}

/// What every call of one account goes through: credentials, host, timeouts, retries. Made by a vendor's builder;
/// clones share it. Its `Debug` shows no credentials.
#[derive(Clone)]
pub struct Transport(Arc<Inner>);

struct Inner {
    vendor: Vendor,
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
    timeouts: Timeouts,
    retry: RetryPolicy,
    budget: Budget,
    gate: Gate,
    dispatch: Option<String>,
    operations: &'static [Operation],
}

tokio::task_local! {
    /// The call that this task is making, for the facade to know what became of it.
    static CALL: Call;
}

/// What is noted of a call.
#[derive(Default)]
struct Call {
    sent: Cell<Sent>,
    /// Its success, where the facade reads that itself.
    aside: Option<Cell<Option<Unread>>>,
}

/// How a call was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// How often.
    pub(crate) times: u32,
    /// Whether a write may have been done by one of them that had no answer. The next one may fail in another way, which
    /// does not take that back.
    pub(crate) in_doubt: bool,
}

/// A success, whole and unread.
pub(crate) struct Unread {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Runs a generated call, and notes how it is sent.
#[cfg(any(feature = "labels", feature = "sqlite"))]
pub(crate) fn counted<T>(call: impl Future<Output = T>) -> impl Future<Output = (T, Sent)> {
    let call = Box::pin(call);
    CALL.scope(Call::default(), async move { (call.await, CALL.with(|call| call.sent.get())) })
}

/// Makes a generated call as [`counted`] does, and puts its success aside, unread. The facade reads it faster than the
/// generated code does, and when there is time: a page while the next one is on its way.
///
/// Boxed at once, as in [`counted`], and so is any other result: both are kilobytes large, and each layer around them
/// would copy them.
pub(crate) fn unread<T>(call: impl Future<Output = T>) -> impl Future<Output = (Result<Unread, Box<T>>, Sent)> {
    let call = Box::pin(call);
    let call = async move {
        let result = call.await;
        CALL.with(|call| (call.aside.as_ref().and_then(Cell::take).ok_or_else(|| Box::new(result)), call.sent.get()))
    };
    CALL.scope(Call { aside: Some(Cell::default()), ..Call::default() }, call)
}

/// Whether the task reads the success of its call itself, whatever the vendor calls its type.
fn is_wanted() -> bool {
    CALL.try_with(|call| call.aside.is_some()).unwrap_or_default()
}

/// Gives back what nobody wants to be put aside.
fn put_aside(unread: Unread) -> Option<Unread> {
    let mut unread = Some(unread);
    let _ = CALL.try_with(|call| call.aside.as_ref().map(|place| place.set(unread.take())));
    unread
}

impl Transport {
    pub(crate) fn new<C>(
        vendor: Vendor,
        base: Url,
        mut authorization: HeaderValue,
        builder: &Builder<C>,
        operations: &'static [Operation],
    ) -> Result<Self> {
        authorization.set_sensitive(true);
        let (timeouts, retry) = (builder.timeouts.clone(), builder.retry.clone());
        let http = reqwest::Client::builder()
            .user_agent(&builder.user_agent)
            .connect_timeout(timeouts.connect)
            // A redirect would take the token elsewhere, or turn a POST into a GET.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Error::input("the HTTP client could not be set up").with_source(error))?;
        let (budget, gate) = (Budget::new(&retry), Gate::new(builder.rate));
        let dispatch = builder.dispatch.clone();
        let inner = Inner { vendor, http, base, authorization, timeouts, retry, budget, gate, dispatch, operations };
        Ok(Self(Arc::new(inner)))
    }

    /// The HTTP client under the generated one.
    pub(crate) fn http(&self) -> reqwest::Client {
        self.0.http.clone()
    }

    /// How long a call that writes may take, from the first byte to the last.
    #[cfg(feature = "sqlite")]
    pub(crate) fn longest_write(&self) -> Duration {
        self.0.timeouts.write
    }

    /// Whether this request may be sent twice. Without its key a keyed one has no protection: the vendor never
    /// deduplicates it (Smart Send's page on idempotency).
    fn replay(&self, request: &Request, operation: &str) -> Replay {
        let known = self.0.operations.iter().find(|known| known.id == operation);
        let unknown = if request.method() == Method::GET { Replay::Safe } else { Replay::Never };
        match known.map_or(unknown, |known| known.replay) {
            Replay::Keyed if !request.headers().contains_key(IDEMPOTENCY_KEY) => Replay::Never,
            replay => replay,
        }
    }

    #[expect(clippy::result_large_err, reason = "the error of the generated hook")]
    pub(crate) fn pre<E>(&self, request: &mut Request, info: &OperationInfo) -> Result<(), Raw<E>> {
        if !same_host(request.url(), &self.0.base) || !request.url().path().starts_with(self.0.base.path()) {
            return Err(Raw::Custom(format!("{}: the request would leave the configured host", info.operation_id)));
        }
        if let Some(segment) = self.0.dispatch.as_deref().filter(|_| info.operation_id == DISPATCH) {
            let mut url = request.url().clone();
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop().push(segment);
            }
            *request.url_mut() = url;
        }
        let timeout = match self.replay(request, info.operation_id) {
            Replay::Safe => self.0.timeouts.read,
            Replay::Keyed | Replay::Guarded | Replay::Never => self.0.timeouts.write,
        };
        *request.timeout_mut() = Some(timeout);
        let headers = request.headers_mut();
        headers.remove(API_VERSION);
        headers.insert(AUTHORIZATION, self.0.authorization.clone());
        headers.entry(ACCEPT).or_insert(JSON_OR_FILE);
        if self.0.vendor == Vendor::SmartSend && !headers.contains_key(REQUEST_ID) {
            let id = HeaderValue::from_str(mark().hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
            headers.insert(REQUEST_ID, id.map_err(|error| Raw::Custom(error.to_string()))?);
        }
        Ok(())
    }

    pub(crate) fn exec(
        &self,
        http: &reqwest::Client,
        request: Request,
        info: &OperationInfo,
    ) -> impl Future<Output = reqwest::Result<Response>> {
        let replay = self.replay(&request, info.operation_id);
        // All waits together have the time of one attempt. The attempts do not count, nor does the row at the gate: one
        // that timed out, or that others held up, would leave nothing for its repeat.
        let mut patience = request.timeout().copied().unwrap_or(self.0.timeouts.write);
        let mut sent = Sent::default();
        // Boxed, as its copy: both live as long as the call, and a future of more than a kilobyte is slow to allocate.
        let mut request = Box::new(request);
        async move {
            loop {
                sent.times += 1;
                self.0.gate.pass().await;
                if replay != Replay::Safe {
                    permit::wait(&mut request).await;
                }
                let again = request.try_clone().map(Box::new);
                let mut request_id = request.headers().get(REQUEST_ID).cloned();
                let started = Instant::now();
                let result = answer(http.execute(*request), &mut request_id).await;
                self.trace(info.operation_id, sent.times, request_id, &result, started);
                let attempt = Attempt::of(&result, replay, SystemTime::now);
                // "The first one is still running" is an answer, and leaves the same doubt.
                let status = result.as_ref().map_or(0, |response| response.status().as_u16());
                let waits = status == 409 && matches!(attempt, Attempt::Wait(_));
                sent.in_doubt |= replay != Replay::Safe && (waits || matches!(attempt, Attempt::Doubt(_)));
                // Outside of `counted` nobody asks.
                let _ = CALL.try_with(|call| call.sent.set(sent));
                let chance = if attempt == Attempt::Answered { 0.0 } else { chance() };
                let decision = self.0.retry.decide(replay, sent.times, attempt, patience, chance);
                self.heed(status, attempt, decision).await;
                match (decision, again) {
                    (Decision::Repeat(delay), Some(again)) if self.0.budget.take(attempt) => {
                        repeat::note(info.operation_id, status, delay);
                        tokio::time::sleep(delay).await;
                        patience = patience.saturating_sub(delay);
                        request = again;
                    }
                    _ => return result,
                }
            }
        }
    }

    /// What an attempt means for the other calls of the account.
    async fn heed(&self, status: u16, attempt: Attempt, decision: Decision) {
        match (status, attempt, decision) {
            (_, Attempt::Answered, _) => self.0.budget.refill(),
            // These speak to the account; a 409 that asks to wait speaks of one key.
            (429 | 503, Attempt::Wait(Some(asked)) | Attempt::Doubt(Some(asked)), _) => {
                self.0.gate.pause(asked.min(self.0.retry.longest_retry_after)).await;
            }
            // Asked to slow down, but not for how long: all wait as long as this call does.
            (429, Attempt::Wait(None), Decision::Repeat(delay)) => self.0.gate.pause(delay).await,
            _ => {}
        }
    }

    /// Reads what an answer named by its address. The token goes to the configured host alone: another is refused.
    pub(crate) async fn read(&self, operation: &'static str, address: &str) -> Result<Bytes> {
        let url = self.0.base.join(address).map_err(|error| Error::input(format!("address in an answer: {error}")))?;
        let mut request = Request::new(Method::GET, url);
        let info = OperationInfo { operation_id: operation };
        self.pre::<()>(&mut request, &info).map_err(|_| Error::input("an answer names an address of another host"))?;
        let response = self.exec(&self.0.http, request, &info).await.map_err(Error::from_transport)?;
        if !response.status().is_success() {
            return Err(Error::from_response(response).await);
        }
        response.bytes().await.map_err(Error::from_transport)
    }

    /// Sends a request for a file by a client that knows no token. What the account's own host serves is one of the
    /// account's calls: it waits at the gate, and a 429 pauses all of them.
    #[cfg(feature = "labels")]
    pub(crate) async fn fetch(&self, http: &reqwest::Client, request: Request) -> (reqwest::Result<Response>, Attempt) {
        let own = same_host(request.url(), &self.0.base);
        if own {
            self.0.gate.pass().await;
        }
        let result = http.execute(request).await;
        let attempt = Attempt::of(&result, Replay::Safe, SystemTime::now);
        if own {
            let status = result.as_ref().map_or(0, |response| response.status().as_u16());
            self.heed(status, attempt, Decision::Stop).await;
        }
        (result, attempt)
    }

    /// How calls are repeated.
    #[cfg(feature = "labels")]
    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.0.retry
    }

    /// How long calls may take.
    #[cfg(feature = "labels")]
    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.0.timeouts
    }

    fn trace(
        &self,
        operation: &str,
        attempt: u32,
        request_id: Option<HeaderValue>,
        result: &reqwest::Result<Response>,
        started: Instant,
    ) {
        let status = result.as_ref().map_or(0, |response| response.status().as_u16());
        // Only where somebody listens is anything of this worked out.
        tracing::debug!(
            vendor = %self.0.vendor,
            operation,
            attempt,
            status,
            request_id = request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default(),
            ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "{}",
            if status == 0 { "no answer" } else { "answered" },
        );
    }
}

/// The answer to a request: a success with all of its body, where the facade reads it or it is JSON, since one that breaks
/// off is no answer, and is repeated or not as such. Files are left to be read as they come.
async fn answer(
    sent: impl Future<Output = reqwest::Result<Response>>,
    request_id: &mut Option<HeaderValue>,
) -> reqwest::Result<Response> {
    let mut response = bounded(sent.await?);
    if let Some(echoed) = response.headers().get(REQUEST_ID) {
        *request_id = Some(echoed.clone());
    }
    if !response.status().is_success() || !(is_wanted() || is_json(&response)) {
        return Ok(response);
    }
    let body = match Held::of_call() {
        // Boxed: few calls hold anything back, and all would be larger by kilobytes.
        Some(held) => Box::pin(held.read(&mut response)).await?,
        None => read(&mut response).await?,
    };
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    Ok(match put_aside(Unread { status, headers, body }) {
        // Nothing is left of it, and nobody looks at what the generated code makes of that.
        None => response,
        Some(Unread { headers, body, .. }) => {
            *response.headers_mut() = headers;
            let answer: http::Response<reqwest::Body> = response.into();
            answer.map(|_| reqwest::Body::from(body)).into()
        }
    })
}

fn is_json(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("application/json"))
}

/// All of a body. One that came in one piece is not copied.
async fn read(response: &mut Response) -> reqwest::Result<Bytes> {
    let first = response.chunk().await?.unwrap_or_default();
    let Some(second) = response.chunk().await? else { return Ok(first) };
    let mut body = BytesMut::from(first);
    body.extend_from_slice(&second);
    while let Some(piece) = response.chunk().await? {
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}

/// An answer that breaks off at the limit. One that states a length within it cannot be longer.
fn bounded(response: Response) -> Response {
    let stated = response.content_length().and_then(|length| usize::try_from(length).ok());
    if stated.is_some_and(|length| length <= ANSWER_LIMIT) {
        return response;
    }
    let answer: http::Response<reqwest::Body> = response.into();
    answer.map(|body| reqwest::Body::wrap(Limited::new(body, ANSWER_LIMIT))).into()
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("vendor", &self.0.vendor)
            .field("base", &self.0.base.as_str())
            .finish_non_exhaustive()
    }
}

/// Whether two addresses have their origin in common.
fn same_host(one: &Url, other: &Url) -> bool {
    let origin = |url| (Url::scheme(url), Url::host_str(url), Url::port_or_known_default(url));
    origin(one) == origin(other)
}

/// The id of a request, to name to the vendor's support.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get(REQUEST_ID)?.to_str().ok().map(str::to_owned)
}

/// A number in 0..1, other for each call.
pub(crate) fn chance() -> f64 {
    f64::from((random() >> 96) as u32) / f64::from(u32::MAX)
}

/// A mark for a request: of version 7, so that marks sort by time.
fn mark() -> uuid::Uuid {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or_default();
    let random = random().to_be_bytes();
    let (random, _) = random.split_first_chunk().unwrap_or((&[0; 10], &[]));
    uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
}

/// A number, other for each call. Spreading waits and telling requests apart needs no better randomness than the standard
/// library has for its hash maps, and no call into the kernel.
fn random() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let state = RandomState::new();
    u128::from(state.hash_one(0)) << 64 | u128::from(state.hash_one(1))
}

/// The hooks of a generated client: all of them go through its [`Transport`].
macro_rules! hooks {
    ($client:ty) => {
        impl ::progenitor_client::ClientHooks<$crate::Transport> for $client {
            async fn pre<E>(
                &self,
                request: &mut ::reqwest::Request,
                info: &::progenitor_client::OperationInfo,
            ) -> Result<(), ::progenitor_client::Error<E>> {
                ::progenitor_client::ClientInfo::inner(self).pre(request, info)
            }

            async fn exec(
                &self,
                request: ::reqwest::Request,
                info: &::progenitor_client::OperationInfo,
            ) -> ::reqwest::Result<::reqwest::Response> {
                use ::progenitor_client::ClientInfo;
                self.inner().exec(self.client(), request, info).await
            }
        }
    };
}

pub(crate) use hooks;

#[cfg(test)]
mod tests {
    use super::*;

    /// For the log, whose reader asks the vendor.
    #[tokio::test]
    async fn a_request_is_called_what_the_vendor_calls_it() {
        for (status, id) in [(200, Some("theirs")), (500, Some("theirs")), (200, None)] {
            let mut answered = http::Response::builder().status(status);
            answered.headers_mut().unwrap().extend(id.map(|id| (REQUEST_ID, HeaderValue::from_static(id))));
            let mut request_id = Some(HeaderValue::from_static("ours"));
            let answered = std::future::ready(Ok(answered.body("{}").unwrap().into()));
            let (unread, _) = unread(answer(answered, &mut request_id)).await;
            assert_eq!((unread.is_ok(), request_id.unwrap().to_str().unwrap()), (status == 200, id.unwrap_or("ours")));
        }
    }

    #[test]
    fn marks_differ_and_sort_by_time() {
        let marks: Vec<uuid::Uuid> = (0..1000).map(|_| mark()).collect();
        assert_eq!(marks.iter().collect::<std::collections::HashSet<_>>().len(), marks.len());
        assert!(marks.iter().all(|mark| mark.get_version_num() == 7));
        let times: Vec<_> = marks.iter().map(|mark| mark.get_timestamp().unwrap().to_unix()).collect();
        assert!(times.is_sorted());
    }
}
