//! Smart Send, REST API v2 (beta).
//!
//! An order is a shipment that is created, then booked with the carrier. Both calls take an idempotency key, which the
//! vendor keeps for 24 hours: within them a lost answer is fetched by the same call again.
//!
//! ```no_run
//! # async fn run(orders: Vec<shipbatch::Order<shipbatch::smartsend::types::ShipmentRequest>>) -> shipbatch::Result<()> {
//! use shipbatch::{Journal, smartsend};
//!
//! let client = smartsend::Client::builder("team-7").token("…").build()?;
//! let report = client.book(&orders, &Journal::open("wave.db").await?).run().await?;
//! println!("{}", report.counts());
//! # Ok(()) }
//! ```

use std::{fmt, time::Duration};

use progenitor_client::{ClientInfo, Error as Raw, ResponseValue};
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, LOCATION},
};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    Error, IdempotencyKey, Operation, Order, OrderId, Poller, Result, Transport, Vendor,
    error::Kind,
    poll::{self, Stage},
    retry,
    transport::{Unread, request_id, unread},
    vendor::{Account, Answer, Builder, answer, answered, generated, read, sealed::Sealed},
};

mod batches;
#[cfg(feature = "labels")]
mod labels;
mod lists;
#[cfg(feature = "sqlite")]
mod phases;
#[cfg(feature = "sqlite")]
mod via_batches;

pub use lists::{BookingBatches, Shipments};

generated!("smartsend", "Smart Send", "ShipmentState");

#[cfg(feature = "sqlite")]
pub use via_batches::ViaBatches;

/// Where some servers say that an operation can be looked at; the vendor documents neither this nor `Location`.
const OPERATION_LOCATION: HeaderName = HeaderName::from_static("operation-location");

/// A client of one team. Cloning is cheap, and clones share connections.
#[derive(Clone)]
pub struct Client {
    team: types::TeamId,
    raw: raw::Client,
}

/// What "book a shipment" answers.
///
/// A server is free to book at once although it was asked not to, so both answers must be handled.
#[must_use = "202 is not booked yet, and 200 may say `failed`"]
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BookAnswer {
    /// 200: the shipment, as booking left it. Its `state` says whether it is booked.
    Done(Box<types::Shipment>),
    /// 202: the vendor books in the background. Ask for the shipment until its state is `booked` or `failed`.
    Accepted(Accepted),
}

/// A booking that the vendor works on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Accepted {
    /// The vendor's operation object. Its fields are not documented.
    pub operation: serde_json::Value,
    /// The place to ask, where the answer names one.
    pub location: Option<String>,
    /// How long to wait before asking, where the answer says so.
    pub retry_after: Option<Duration>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl Client {
    /// A client for this team: the id or name that stands in the API's addresses after `/team/`.
    pub fn builder(team: impl Into<String>) -> Builder<Self> {
        Builder::new(team.into())
    }

    /// The generated client, for every operation that this crate has no method of its own for.
    pub fn raw(&self) -> &raw::Client {
        &self.raw
    }

    /// The team.
    pub fn team(&self) -> &str {
        &self.team
    }

    /// Creates a shipment, without booking it: no money moves. Repeated under the same key, it is created once.
    ///
    /// # Errors
    /// If the vendor refuses the shipment, or cannot be reached.
    pub async fn create_shipment(
        &self,
        shipment: &types::ShipmentRequest,
        key: &IdempotencyKey,
    ) -> Result<types::Shipment> {
        let call = self.raw.create_shipment(&self.team, None, Some(key), None, shipment);
        Ok(self.answer("create_shipment", call).await?.value.data)
    }

    /// A shipment as it is now.
    ///
    /// # Errors
    /// If there is none of this id, or the vendor cannot be reached.
    pub async fn shipment(&self, shipment: Uuid) -> Result<types::Shipment> {
        let call = self.raw.get_shipment(&self.team, &shipment, None, None);
        Ok(self.answer("get_shipment", call).await?.value.data)
    }

    /// Deletes a shipment that is not booked. Gone already counts as deleted.
    ///
    /// # Errors
    /// If the vendor refuses it, as when it is booked, or cannot be reached.
    pub async fn delete_shipment(&self, shipment: Uuid) -> Result<()> {
        let call = self.raw.delete_shipment(&self.team, &shipment, None, None);
        match self.answer("delete_shipment", call).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Looks at a shipment until it is booked, or the carrier refused it.
    pub fn watch_shipment(&self, shipment: Uuid) -> Poller<'_, types::Shipment> {
        let token = poll::token(Vendor::SmartSend, self.team(), "shipment", shipment);
        Poller::new(token, stage, move || self.shipment(shipment))
    }

    /// Looks at a shipment that the vendor accepted for booking: at the place that its answer names, if that is on the
    /// configured host and shows the shipment; else at the shipment itself, which is the documented way.
    pub fn watch_accepted(&self, shipment: Uuid, accepted: &Accepted) -> Poller<'_, types::Shipment> {
        let token = poll::token(Vendor::SmartSend, self.team(), "shipment", shipment);
        let location = accepted.location.clone();
        let poller = Poller::new(token, stage, move || {
            let location = location.clone();
            async move {
                if let Some(seen) = self.seen_at(location, shipment).await {
                    return Ok(seen);
                }
                self.shipment(shipment).await
            }
        });
        poller.not_before(accepted.retry_after)
    }

    /// The shipment, if the place that an answer named shows it.
    async fn seen_at(&self, location: Option<String>, shipment: Uuid) -> Option<types::Shipment> {
        let body = self.raw.inner().read("get_operation", &location?).await.ok()?;
        let envelope: types::ShipmentEnvelope = serde_json::from_slice(&body).ok()?;
        Some(envelope.data).filter(|seen| seen.uuid == Some(shipment) && seen.state.is_some())
    }

    /// Goes on with a [`Poller`] of a shipment whose token was stored.
    ///
    /// # Errors
    /// If the token is for something else.
    pub fn resume(&self, token: &str) -> Result<Poller<'_, types::Shipment>> {
        let id = poll::id_in(token, Vendor::SmartSend, self.team(), "shipment")?;
        let shipment = id.parse().map_err(|_| Error::input(format!("token {token:?}: {id:?} is no shipment")))?;
        Ok(self.watch_shipment(shipment))
    }

    /// Creates a shipment and books it in the background: **this costs money**. Both calls have keys that are derived
    /// from the order, so the same order is booked once however often this is called within 24 hours; after a refusal, a
    /// new `revision` tells a new try from a repeat. A wave that books one by one has the same keys, but
    /// its journal does not know of this.
    ///
    /// # Errors
    /// As [`create_shipment`](Self::create_shipment) and [`book_shipment`](Self::book_shipment).
    pub async fn book_order(&self, order: &Order<types::ShipmentRequest>, revision: u32) -> Result<BookAnswer> {
        self.create_and_book(order, revision, Some(types::Prefer::RespondAsync)).await
    }

    /// Creates a shipment and books it, and waits for the carrier's answer: **this costs money**. Otherwise as
    /// [`book_order`](Self::book_order), and under the same keys.
    ///
    /// # Errors
    /// As [`create_shipment`](Self::create_shipment) and [`book_shipment`](Self::book_shipment).
    pub async fn book_order_now(&self, order: &Order<types::ShipmentRequest>, revision: u32) -> Result<BookAnswer> {
        self.create_and_book(order, revision, None).await
    }

    async fn create_and_book(
        &self,
        order: &Order<types::ShipmentRequest>,
        revision: u32,
        prefer: Option<types::Prefer>,
    ) -> Result<BookAnswer> {
        let booked = async {
            let (shipment, key) = self.created(&order.id, revision, &order.shipment).await?;
            self.book_answer(shipment, &key, prefer).await
        };
        booked.await.map(|answer| answer.value).map_err(|error| error.for_order(&order.id))
    }

    /// Creates an order's shipment. Its id, and the key to book it under.
    pub(crate) async fn created(
        &self,
        order: &OrderId,
        revision: u32,
        shipment: &types::ShipmentRequest,
    ) -> Result<(Uuid, IdempotencyKey)> {
        let key = |operation, payload: Option<&types::ShipmentRequest>| {
            IdempotencyKey::derive(operation, self.team(), order.as_str(), revision, &payload)
        };
        let mut request = shipment.clone();
        request.identifier.get_or_insert_with(|| order.as_str().to_owned());
        let created = self.create_shipment(&request, &key("create_shipment", Some(&request))?).await?;
        let uuid = created.uuid.ok_or_else(|| {
            Error::new(Kind::Unreadable, "the shipment has no uuid").at(Vendor::SmartSend, "create_shipment")
        })?;
        Ok((uuid, key("book_shipment", None)?))
    }

    /// Books a shipment with the carrier: **this costs money**. Asks the vendor to do it in the background.
    ///
    /// Under the same key it is booked once, however often this is called within 24 hours of the first call.
    ///
    /// # Errors
    /// If the vendor refuses; or, where [`Error::may_have_booked`] says so, without knowing whether it was booked.
    pub async fn book_shipment(&self, shipment: Uuid, key: &IdempotencyKey) -> Result<BookAnswer> {
        self.book_answer(shipment, key, Some(types::Prefer::RespondAsync)).await.map(|answer| answer.value)
    }

    /// Books a shipment with the carrier and waits for the carrier's answer: **this costs money**.
    ///
    /// # Errors
    /// As [`book_shipment`](Self::book_shipment).
    pub async fn book_shipment_now(&self, shipment: Uuid, key: &IdempotencyKey) -> Result<BookAnswer> {
        self.book_answer(shipment, key, None).await.map(|answer| answer.value)
    }

    pub(crate) async fn book_answer(
        &self,
        shipment: Uuid,
        key: &IdempotencyKey,
        prefer: Option<types::Prefer>,
    ) -> Result<Answer<BookAnswer>> {
        let call = self.raw.book_shipment(&self.team, &shipment, None, Some(key), prefer, None);
        match unread(call).await {
            (Ok(Unread { status, headers, body }), _) if status == StatusCode::ACCEPTED => {
                Ok(accepted(&headers, &body))
            }
            // The vendor documents no status but 202: a 201 in place of the 200 must not hide what was booked.
            (Ok(Unread { headers, body, .. }), sent) => {
                let booked: Booked = read(Vendor::SmartSend, "book_shipment", &body)
                    .map_err(|error| error.after(sent.times, sent.in_doubt))?;
                Ok(Answer { value: BookAnswer::Done(booked.data), request_id: request_id(&headers) })
            }
            (Err(result), sent) => {
                let answer = Box::pin(answered(Vendor::SmartSend, "book_shipment", *result, sent)).await?;
                let value = BookAnswer::Done(Box::new(answer.value.data));
                Ok(Answer { value, request_id: answer.request_id })
            }
        }
    }

    fn answer<T: DeserializeOwned>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<ResponseValue<T>, Raw<()>>>,
    ) -> impl Future<Output = Result<Answer<T>>> {
        answer(Vendor::SmartSend, operation, call)
    }
}

fn stage(shipment: &types::Shipment) -> Stage {
    match shipment.state {
        Some(types::ShipmentState::Booked) => Stage::Done,
        Some(types::ShipmentState::Failed | types::ShipmentState::Cancelled) => Stage::Failed,
        // `open` too: right after a 202 it may not have changed yet.
        _ => Stage::Busy,
    }
}

/// A [`types::ShipmentEnvelope`] whose kilobyte stays where it is read to.
#[derive(Deserialize)]
struct Booked {
    data: Box<types::Shipment>,
}

/// A 202 counts as accepted whatever its body says: its shape is not documented.
fn accepted(headers: &HeaderMap, body: &[u8]) -> Answer<BookAnswer> {
    let text = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let accepted = Accepted {
        operation: serde_json::from_slice(body).unwrap_or_default(),
        location: text(OPERATION_LOCATION).or_else(|| text(LOCATION)),
        retry_after: retry::retry_after(headers, std::time::SystemTime::now()),
        request_id: request_id(headers),
    };
    Answer { request_id: accepted.request_id.clone(), value: BookAnswer::Accepted(accepted) }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("smartsend::Client").field("team", &self.team.as_str()).finish_non_exhaustive()
    }
}

impl Sealed for Client {}

impl Account for Client {
    const VENDOR: Vendor = Vendor::SmartSend;
    const BASE_URL: &'static str = "https://app.smartsend.io/api/v2";
    const SCHEME: &'static str = "Bearer";
    const OPERATIONS: &'static [Operation] = raw::OPERATIONS;

    fn assemble(account: String, base_url: &str, transport: Transport) -> Result<Self> {
        let team = types::TeamId::try_from(account).map_err(|error| Error::input(format!("team: {error}")))?;
        Ok(Self { team, raw: raw::Client::new_with_client(base_url, transport.http(), transport) })
    }
}
