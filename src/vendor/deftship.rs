//! Deftship: batches of up to 1,000 shipments (beta, with the account's own USPS integration).
//!
//! A batch is created, validated in the background, and shipped in one call, which is when money moves. The vendor's
//! answers name no order, so an order is tied to its item by its place; see [`Booked`](crate::Booked).
//!
//! ```no_run
//! # async fn run(orders: Vec<shipbatch::Order<shipbatch::deftship::Shipment>>) -> shipbatch::Result<()> {
//! use shipbatch::{Journal, deftship};
//!
//! let client = deftship::Client::builder("warehouse-2").token("…").build()?;
//! let report = client.book(&orders, &Journal::open("wave.db").await?).run().await?;
//! println!("{}", report.counts());
//! # Ok(()) }
//! ```

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Operation, Order, OrderId, Poller, Result, Transport, Vendor,
    error::Kind,
    poll::{self, Stage},
    vendor::{Account, Answer, Builder, answer, generated, sealed::Sealed},
};

#[cfg(feature = "labels")]
mod labels;
#[cfg(feature = "sqlite")]
mod phases;

generated!("deftship", "Deftship", "BatchStatus");

/// A shipment with the shipper and the service that it goes by. A batch has one of each, so orders that name different
/// ones go into different batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Shipment {
    /// The vendor's id of the shipper.
    pub shipper_id: i64,
    /// The service's code, such as `USPS-3`.
    pub service: String,
    /// The shipment itself.
    pub shipment: types::BatchShipment,
}

impl Shipment {
    /// A shipment by this shipper and service.
    pub fn new(shipper_id: i64, service: impl Into<String>, shipment: types::BatchShipment) -> Self {
        Self { shipper_id, service: service.into(), shipment }
    }
}

/// A client of one account. Cloning is cheap, and clones share connections.
#[derive(Clone)]
pub struct Client {
    account: String,
    raw: raw::Client,
}

impl Client {
    /// A client for an account. The API knows accounts by their token alone, so the name is the caller's own: it tells
    /// accounts apart in the journal, and stays the same when the token changes.
    pub fn builder(account: impl Into<String>) -> Builder<Self> {
        Builder::new(account.into())
    }

    /// The generated client, for every operation that this crate has no method of its own for.
    ///
    /// This vendor may answer 200 to what it refuses: look at the envelope's `success`.
    pub fn raw(&self) -> &raw::Client {
        &self.raw
    }

    /// The caller's own name for the account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Creates a batch of up to 1,000 orders, which must share their shipper and service: no money moves. The vendor
    /// validates its items in the background: [`watch_batch`](Self::watch_batch) shows when it is done.
    ///
    /// Where an order's first package has no `reference_1`, it gets the order's id. A lost answer leaves a batch that no
    /// call can find again; it costs nothing, and only a batch whose id is known can be shipped.
    ///
    /// # Errors
    /// If there is no order, if they differ in shipper or service, or if the vendor refuses the batch.
    pub async fn create_batch(&self, orders: &[Order<Shipment>]) -> Result<types::Batch> {
        self.created(orders.iter().map(|order| (&order.id, &order.shipment))).await
    }

    pub(crate) async fn created<'a>(
        &self,
        orders: impl Iterator<Item = (&'a OrderId, &'a Shipment)> + Clone + Send,
    ) -> Result<types::Batch> {
        let Some((_, first)) = orders.clone().next() else { return Err(Error::input("a batch without orders")) };
        let Shipment { shipper_id, service, .. } = first;
        let mut batch_shipments = Vec::new();
        for (order, consignment) in orders {
            if (consignment.shipper_id, &consignment.service) != (*shipper_id, service) {
                return Err(Error::input(format!("order {order}: a batch has one shipper and one service")));
            }
            let mut shipment = consignment.shipment.clone();
            if let Some(package) = shipment.package_list.first_mut() {
                package.reference_1.get_or_insert_with(|| order.as_str().to_owned());
            }
            batch_shipments.push(shipment);
        }
        let request = types::CreateBatchRequest { shipper_id: *shipper_id, service: service.clone(), batch_shipments };
        let envelope = self.answer("create_batch", self.raw.create_batch(&request)).await?.value;
        data("create_batch", envelope.success, envelope.message, envelope.data)
    }

    /// Ships a batch that is `ready`: **this costs money**, for all its items. It is sent once; a batch that was shipped
    /// refuses a second call. The vendor works on it in the background: [`watch_shipping`](Self::watch_shipping).
    ///
    /// # Errors
    /// If the batch is not ready, holds invalid items, or costs more than the balance. Where [`Error::may_have_booked`]
    /// says so, look at the batch before anything else: `processing` and `completed` say that it was shipped.
    pub async fn ship_batch(&self, batch: &str) -> Result<types::BatchWithResults> {
        let id = batch_id(batch)?;
        let envelope = self.answer("ship_batch", self.raw.ship_batch(&id)).await?.value;
        data("ship_batch", envelope.success, envelope.message, envelope.data)
    }

    /// A batch as it is now, with the first page of its items.
    ///
    /// # Errors
    /// If there is none of this id, or the vendor cannot be reached.
    pub async fn batch(&self, batch: &str) -> Result<types::BatchDetail> {
        self.batch_page(batch, 1).await
    }

    /// Looks at a new batch until it is validated: done when it is `ready`, failed when it holds invalid items.
    pub fn watch_batch(&self, batch: impl Into<String>) -> Poller<'_, types::BatchDetail> {
        self.watch("batch", validated, batch.into())
    }

    /// Looks at a batch that was shipped until it is `completed`: all its items were tried, and their labels are there.
    pub fn watch_shipping(&self, batch: impl Into<String>) -> Poller<'_, types::BatchDetail> {
        self.watch("shipping", shipped, batch.into())
    }

    fn watch(
        &self,
        what: &str,
        stage: fn(&types::BatchDetail) -> Stage,
        batch: String,
    ) -> Poller<'_, types::BatchDetail> {
        Poller::new(poll::token(Vendor::Deftship, &self.account, what, &batch), stage, move || {
            let batch = batch.clone();
            async move { self.batch(&batch).await }
        })
    }

    /// Goes on with a [`Poller`] whose token was stored.
    ///
    /// # Errors
    /// If the token is for something else.
    pub fn resume(&self, token: &str) -> Result<Poller<'_, types::BatchDetail>> {
        let id = |what| poll::id_in(token, Vendor::Deftship, &self.account, what);
        id("shipping")
            .map(|batch| self.watch_shipping(batch))
            .or_else(|_| id("batch").map(|batch| self.watch_batch(batch)))
    }

    pub(crate) async fn batch_page(&self, batch: &str, page: u32) -> Result<types::BatchDetail> {
        let id = batch_id(batch)?;
        let call = self.raw.get_batch(&id, page.try_into().ok(), None);
        let envelope = self.answer("get_batch", call).await?.value;
        data("get_batch", envelope.success, envelope.message, envelope.data)
    }

    /// All items of a batch, in the vendor's order, from its first page on.
    #[cfg(any(feature = "sqlite", feature = "labels"))]
    pub(crate) async fn items(&self, first: types::BatchDetail) -> Result<Vec<types::Item>> {
        let id = first.id.clone();
        let mut items = Vec::new();
        let mut page = 1;
        let mut next = Some(first);
        while let Some(list) = next.take().and_then(|batch| batch.items) {
            items.extend(list.data.into_iter().flatten());
            if list.next_page_url.is_some() {
                page += 1;
                next = Some(self.batch_page(&id, page).await?);
            }
        }
        Ok(items)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<progenitor_client::ResponseValue<T>, progenitor_client::Error<()>>>,
    ) -> impl Future<Output = Result<Answer<T>>> {
        answer(Vendor::Deftship, operation, call)
    }
}

fn validated(batch: &types::BatchDetail) -> Stage {
    match batch.status {
        types::BatchStatus::Validating | types::BatchStatus::Other(_) => Stage::Busy,
        types::BatchStatus::Invalid => Stage::Failed,
        _ => Stage::Done,
    }
}

fn shipped(batch: &types::BatchDetail) -> Stage {
    match batch.status {
        types::BatchStatus::Completed => Stage::Done,
        // `ready` too: right after the call it may not have changed yet.
        _ => Stage::Busy,
    }
}

/// An id in the form that can stand in an address.
fn batch_id(batch: &str) -> Result<types::BatchId> {
    types::BatchId::try_from(batch).map_err(|error| Error::input(format!("batch {batch:?}: {error}")))
}

/// What an envelope holds. One that says `"success": false` is a refusal, whatever the status.
fn data<T>(operation: &str, success: bool, message: Option<String>, data: Option<T>) -> Result<T> {
    let error = match (success, data) {
        (true, Some(data)) => return Ok(data),
        (true, None) => Error::new(Kind::Unreadable, "the answer holds no data"),
        (false, _) => Error::new(Kind::Rejected, message.unwrap_or_else(|| "refused without a reason".to_owned())),
    };
    Err(error.at(Vendor::Deftship, operation))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("deftship::Client").field("account", &self.account).finish_non_exhaustive()
    }
}

impl Sealed for Client {}

impl Account for Client {
    const VENDOR: Vendor = Vendor::Deftship;
    const BASE_URL: &'static str = "https://api.deftship.com";
    const SCHEME: &'static str = "Bearer";
    const OPERATIONS: &'static [Operation] = raw::OPERATIONS;

    fn assemble(account: String, base_url: &str, transport: Transport) -> Result<Self> {
        Ok(Self { account, raw: raw::Client::new_with_client(base_url, transport.http(), transport) })
    }
}
