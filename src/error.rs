//! What went wrong, and above all: may money have moved?
//!
//! One [`Error`] for the whole crate, boxed, with predicates in place of variants. The important one is
//! [`Error::may_have_booked`]: while it is false, doing the same again cannot pay twice.
//!
//! ```
//! # async fn run(client: shipbatch::smartsend::Client, id: uuid::Uuid, key: shipbatch::IdempotencyKey) {
//! match client.book_shipment(id, &key).await {
//!     Ok(answer) => println!("{answer:?}"),
//!     Err(error) if error.is_rejected() => println!("repair the shipment: {error}"),
//!     Err(error) if error.may_have_booked() => println!("ask the vendor before a second try: {error}"),
//!     Err(error) => println!("nothing was booked: {error}"),
//! }
//! # }
//! ```

use std::{error::Error as StdError, fmt, time::Duration};

use reqwest::{StatusCode, header::HeaderMap};
use serde::{Deserialize, Serialize};

use crate::{OrderId, Vendor, retry};

/// How much of an answer is read to find out what a vendor says is wrong.
const BODY_LIMIT: usize = 256 * 1024;
/// How much of a vendor's text an error shows.
const TEXT_LIMIT: usize = 500;

/// An error of any part of this crate: small, boxed, told apart by its predicates.
///
/// Its text names what failed and holds no token, no body and no personal data beyond what the vendor put into its
/// own message.
pub struct Error(Box<Inner>);

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Serialize, Deserialize)]
struct Inner {
    kind: Kind,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vendor: Option<Vendor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// The order is no part of a record: the journal has it beside it.
    #[serde(skip)]
    order: Option<OrderId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// How often the call was sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    sent: u32,
    /// An earlier attempt of the call had no answer.
    #[serde(skip)]
    in_doubt: bool,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The caller's input or setting; nothing was sent.
    Input,
    /// The vendor was not reached.
    NotSent,
    /// The request went out, and no answer came in time.
    TimedOut,
    /// The request went out, and the connection broke.
    Lost,
    /// The vendor understood and refused.
    Rejected,
    /// The vendor refused, for it knows the idempotency key from another payload.
    KeyReused,
    /// The credentials are wrong, or not for this account.
    Auth,
    /// No such thing at the vendor.
    NotFound,
    /// The state at the vendor does not allow it.
    Conflict,
    /// The vendor asks to slow down.
    Throttled,
    /// The vendor failed, and may have done it all the same.
    Server,
    /// An answer that is not what the vendor documents.
    Unreadable,
    /// The vendor took it and could not do it.
    Failed,
    /// What became of it cannot be found out through the vendor's API.
    Doubt,
    /// The journal could not be read or written.
    Journal,
    /// A file could not be read or written.
    Io,
    /// The run ended before this was begun.
    Stopped,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            // Much of it is a vendor's: no line break or escape of theirs reaches a terminal, a table or a log.
            message: message.into().replace(char::is_control, " "),
            vendor: None,
            operation: None,
            order: None,
            status: None,
            request_id: None,
            sent: 0,
            in_doubt: false,
            retry_after: None,
            source: None,
        }))
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn at(mut self, vendor: Vendor, operation: &str) -> Self {
        self.0.vendor = Some(vendor);
        self.0.operation = Some(operation.to_owned());
        self
    }

    pub(crate) fn for_order(mut self, order: &OrderId) -> Self {
        self.0.order = Some(order.clone());
        self
    }

    /// What came of a call that was sent so often. One attempt of a write that had no answer may have done it, whatever
    /// a later one failed with; only a refusal of the same request under the same key says that none did.
    pub(crate) fn after(mut self, sent: u32, in_doubt: bool) -> Self {
        (self.0.sent, self.0.in_doubt) = (sent, in_doubt);
        let says_nothing =
            matches!(self.0.kind, Kind::NotSent | Kind::Throttled | Kind::Auth | Kind::Conflict | Kind::NotFound);
        if in_doubt && says_nothing {
            self.0.kind = Kind::Doubt;
        }
        self
    }

    /// Whether an earlier attempt of the call had no answer, and may be at work even now.
    #[cfg(feature = "sqlite")]
    pub(crate) fn in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn with_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Whether the request may have reached the vendor. False means that it surely did not: repeating is free.
    pub fn was_sent(&self) -> bool {
        !matches!(self.0.kind, Kind::Input | Kind::NotSent | Kind::Journal | Kind::Io | Kind::Stopped)
    }

    /// Whether money may have moved although there is no answer to show for it. Never book again on such an error
    /// before the vendor was asked, unless under the same idempotency key.
    pub fn may_have_booked(&self) -> bool {
        matches!(self.0.kind, Kind::TimedOut | Kind::Lost | Kind::Server | Kind::Unreadable | Kind::Doubt)
    }

    /// The vendor understood the request and refused it: nothing was booked, and the same request will be refused again.
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.kind, Kind::Rejected | Kind::KeyReused | Kind::NotFound | Kind::Conflict | Kind::Auth)
    }

    /// The idempotency key was used before for another payload: nothing was booked by this call, but something may
    /// have been under that key. Look at what the key belongs to; a new key only for what is sure to be new.
    ///
    /// Smart Send documents the status, 422, and no code for it (its page on idempotency): it is told from other
    /// refusals by its naming the key.
    pub fn is_key_reused(&self) -> bool {
        self.0.kind == Kind::KeyReused
    }

    /// The credentials are missing, wrong, or not for this account: nothing was booked.
    pub fn is_auth(&self) -> bool {
        self.0.kind == Kind::Auth
    }

    /// The vendor asked to slow down and did nothing.
    pub fn is_throttled(&self) -> bool {
        self.0.kind == Kind::Throttled
    }

    /// No answer came in time. The vendor may have done what was asked.
    pub fn is_timeout(&self) -> bool {
        self.0.kind == Kind::TimedOut
    }

    /// The state at the vendor does not allow the request, as when a batch was booked before: nothing new was booked.
    pub fn is_conflict(&self) -> bool {
        self.0.kind == Kind::Conflict
    }

    /// There is no such thing at the vendor: nothing was booked by this request.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// The caller's own input is at fault: nothing was sent.
    pub fn is_input(&self) -> bool {
        self.0.kind == Kind::Input
    }

    /// The run ended before this was begun: nothing was sent.
    pub fn is_stopped(&self) -> bool {
        self.0.kind == Kind::Stopped
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The vendor's own words, or ours where it said nothing.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The id of the request, to name to the vendor's support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The order that it is about, where it is about one.
    pub fn order(&self) -> Option<&OrderId> {
        self.0.order.as_ref()
    }

    /// How often the call was sent before this came of it. The client's [`RetryPolicy`](crate::RetryPolicy) has had its
    /// say: whoever gets this error need not try the same at once again.
    pub fn attempts(&self) -> u32 {
        self.0.sent
    }

    /// How long the vendor asks to wait, where it does.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// As JSON for the journal: all but the source.
    #[cfg(any(feature = "sqlite", feature = "labels"))]
    pub(crate) fn to_record(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    #[cfg(any(feature = "sqlite", feature = "labels"))]
    pub(crate) fn from_record(record: &str) -> Self {
        match serde_json::from_str(record) {
            Ok(inner) => Self(inner),
            Err(error) => Self::new(Kind::Journal, format!("a recorded error cannot be read: {error}")),
        }
    }

    /// The same error once more, for each order that shares it; its source stays with the first.
    #[cfg(any(feature = "sqlite", feature = "labels"))]
    pub(crate) fn copy(&self) -> Self {
        Self::from_record(&self.to_record())
    }

    /// What a generated call failed with, as one of ours: the only place that knows progenitor's errors.
    pub(crate) async fn from_raw<E>(vendor: Vendor, operation: &str, raw: progenitor_client::Error<E>) -> Self {
        use progenitor_client::Error as Raw;
        let error = match raw {
            Raw::InvalidRequest(message) | Raw::Custom(message) => Self::input(message),
            Raw::CommunicationError(error) | Raw::InvalidUpgrade(error) => Self::from_transport(error),
            Raw::ResponseBodyError(error) => Self::from_transport(error),
            Raw::InvalidResponsePayload(body, error) => Self::unreadable(&body, &error),
            Raw::ErrorResponse(answer) => {
                let mut error = Self::new(kind_of(answer.status()), says_status(answer.status()));
                error.0.status = Some(answer.status().as_u16());
                error
            }
            Raw::UnexpectedResponse(response) => Self::from_response(response).await,
        };
        error.at(vendor, operation)
    }

    /// A success whose body is not what the vendor documents; some vendors refuse so.
    pub(crate) fn unreadable(body: &[u8], error: &serde_json::Error) -> Self {
        refusal_with_success_status(body).unwrap_or_else(|| {
            let why = without_values(&error.to_string());
            Self::new(Kind::Unreadable, format!("the answer is not what the vendor documents: {why}"))
        })
    }

    /// A call that ended without a whole answer.
    pub(crate) fn from_transport(error: reqwest::Error) -> Self {
        let (kind, message) = if !retry::was_sent(&error) {
            (Kind::NotSent, "the vendor could not be reached")
        } else if error.is_timeout() {
            (Kind::TimedOut, "no answer came in time")
        } else {
            (Kind::Lost, "the connection broke before the answer was whole")
        };
        // The address can hold ids of shipments; the operation's name says enough.
        Self::new(kind, message).with_source(error.without_url())
    }

    /// An answer that is not a success.
    pub(crate) async fn from_response(mut response: reqwest::Response) -> Self {
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_LIMIT {
                break;
            }
        }
        Self::from_answer(status, &headers, &body)
    }

    pub(crate) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let message = says_body(body).unwrap_or_else(|| says_status(status));
        let kind = if status == StatusCode::UNPROCESSABLE_ENTITY && blames_key(body) {
            Kind::KeyReused
        } else {
            kind_of(status)
        };
        let mut error = Self::new(kind, message);
        error.0.status = Some(status.as_u16());
        error.0.retry_after = retry::retry_after(headers, std::time::SystemTime::now());
        error.0.request_id = crate::transport::request_id(headers);
        error
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(sent: &u32) -> bool {
    *sent == 0
}

fn kind_of(status: StatusCode) -> Kind {
    match status.as_u16() {
        401 | 403 => Kind::Auth,
        404 | 410 => Kind::NotFound,
        409 => Kind::Conflict,
        // The server gave up waiting for the request: it may have had all of it.
        408 => Kind::TimedOut,
        429 => Kind::Throttled,
        400..=499 => Kind::Rejected,
        500..=599 => Kind::Server,
        _ => Kind::Unreadable,
    }
}

/// Deftship may answer 200 to what it refuses; then the body says `"success": false`.
fn refusal_with_success_status(body: &[u8]) -> Option<Error> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let refused = json.get("success") == Some(&serde_json::Value::Bool(false));
    refused
        .then(|| Error::new(Kind::Rejected, says_body(body).unwrap_or_else(|| "refused without a reason".to_owned())))
}

/// Whether a refusal is about the idempotency key. A key that is no key never leaves this crate, so what is wrong with
/// it can only be that it was used before.
fn blames_key(body: &[u8]) -> bool {
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let names_key = |text: &str| text.to_ascii_lowercase().contains("idempotency");
    body.get("message").and_then(serde_json::Value::as_str).is_some_and(names_key)
        || body.get("errors").and_then(serde_json::Value::as_object).is_some_and(|fields| {
            // Not the problems: they may repeat what the caller sent.
            fields.keys().any(|field| names_key(field))
        })
}

/// What serde says is wrong, but not the value, which it quotes: it may be somebody's name or street.
fn without_values(text: &str) -> String {
    // Strings stand in quotes, numbers and variants in backticks; the place at the end stays.
    match (text.find(['"', '`']), text.rfind(['"', '`'])) {
        (Some(open), Some(close)) if open < close => format!("{}…{}", &text[..=open], &text[close..]),
        _ => text.to_owned(),
    }
}

fn says_status(status: StatusCode) -> String {
    format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

/// Adds what a vendor finds wrong with each field: a text, or a list of them.
pub(crate) fn add_problems<'a>(text: &mut String, fields: impl Iterator<Item = (&'a String, &'a serde_json::Value)>) {
    for (field, problems) in fields {
        let problems: Vec<&str> = match problems {
            serde_json::Value::Array(problems) => problems.iter().filter_map(|problem| problem.as_str()).collect(),
            serde_json::Value::String(problem) => vec![problem],
            _ => continue,
        };
        let open = if text.is_empty() { "" } else { "; " };
        text.truncate(text.trim_end_matches('.').len());
        text.push_str(&format!("{open}{field}: {}", problems.join(", ")));
    }
}

/// The vendor's words in an error body: `message` (Smart Send, Deftship) or `error` (XPS), then the fields at fault.
fn says_body(body: &[u8]) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let message = ["message", "error"].iter().find_map(|name| body.get(name)?.as_str()).unwrap_or_default();
    let fields = ["errors", "data"].iter().find_map(|name| body.get(name)?.as_object());
    let mut text = message.trim().to_owned();
    add_problems(&mut text, fields.into_iter().flatten());
    if let Some((cut, _)) = text.char_indices().nth(TEXT_LIMIT) {
        text.truncate(cut);
        text.push('…');
    }
    (!text.is_empty()).then_some(text)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        if let (Some(vendor), Some(operation)) = (inner.vendor, &inner.operation) {
            write!(f, "{vendor} {operation}: ")?;
        }
        f.write_str(&inner.message)?;
        if let Some(status) = inner.status.filter(|_| !inner.message.starts_with("HTTP ")) {
            write!(f, " (HTTP {status})")?;
        }
        if inner.sent > 1 {
            write!(f, " after {} attempts", inner.sent)?;
        }
        if let Some(id) = &inner.request_id {
            write!(f, " [request {id}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &format_args!("{self}"))
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Two errors are equal if they say the same; what caused them underneath does not count.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string() && self.0.kind == other.0.kind
    }
}

#[cfg(test)]
mod tests;
