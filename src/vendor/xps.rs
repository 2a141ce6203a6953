//! XPS Ship and its white labels, `restapi/v1`.
//!
//! Up to 500 shipments are quoted, put into a batch, and booked in one call that answers when all of them are booked.
//! That call has no idempotency key: it is never sent again unless the batch, read back, is still `open`.
//!
//! ```no_run
//! # async fn run(orders: Vec<shipbatch::Order<shipbatch::xps::types::QuoteShipment>>) -> shipbatch::Result<()> {
//! use shipbatch::{Journal, xps};
//!
//! let client = xps::Client::builder("TEST00002").token("…").base_url("https://prostarparcel.com/restapi/v1").build()?;
//! let report = client.book(&orders, &Journal::open("wave.db").await?).run().await?;
//! println!("{}", report.counts());
//! # Ok(()) }
//! ```

use std::fmt;

use serde::de::DeserializeOwned;

use crate::{
    Error, Operation, Poller, Result, Transport, Vendor,
    poll::{self, Stage},
    vendor::{Account, Answer, Builder, answer, generated, sealed::Sealed},
};

mod batches;
#[cfg(feature = "labels")]
mod labels;
mod lists;
#[cfg(feature = "sqlite")]
mod phases;

pub use lists::Batches;

generated!("xps", "XPS", "BatchStatus");

pub use batches::Quoted;
#[cfg(feature = "labels")]
pub use labels::BookedBatch;

/// A client of one customer. Cloning is cheap, and clones share connections.
#[derive(Clone)]
pub struct Client {
    customer: types::CustomerId,
    raw: raw::Client,
}

impl Client {
    /// A client for this customer id. The token is the API key of the Webship settings.
    ///
    /// The brands have hosts of their own: set [`base_url`](Builder::base_url) to yours.
    pub fn builder(customer: impl Into<String>) -> Builder<Self> {
        Builder::new(customer.into())
    }

    /// The generated client, for every operation that this crate has no method of its own for.
    pub fn raw(&self) -> &raw::Client {
        &self.raw
    }

    /// The customer.
    pub fn customer(&self) -> &str {
        &self.customer
    }

    /// A batch with its quotes, as it is now.
    ///
    /// # Errors
    /// If there is none of this id, or the vendor cannot be reached.
    pub async fn batch(&self, batch: i64) -> Result<types::Batch> {
        let call = self.raw.get_batch(&self.customer, batch);
        Ok(self.answer("get_batch", call).await?.value)
    }

    /// Looks at a batch until it is booked.
    pub fn watch_batch(&self, batch: i64) -> Poller<'_, types::Batch> {
        let token = poll::token(Vendor::Xps, self.customer(), "batch", batch);
        Poller::new(token, stage, move || self.batch(batch))
    }

    /// Goes on with a [`Poller`] of a batch whose token was stored.
    ///
    /// # Errors
    /// If the token is for something else.
    pub fn resume(&self, token: &str) -> Result<Poller<'_, types::Batch>> {
        let id = poll::id_in(token, Vendor::Xps, self.customer(), "batch")?;
        let batch = id.parse().map_err(|_| Error::input(format!("token {token:?}: {id:?} is no batch")))?;
        Ok(self.watch_batch(batch))
    }

    fn answer<T: DeserializeOwned>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<progenitor_client::ResponseValue<T>, progenitor_client::Error<()>>>,
    ) -> impl Future<Output = Result<Answer<T>>> {
        answer(Vendor::Xps, operation, call)
    }
}

fn stage(batch: &types::Batch) -> Stage {
    match batch.status {
        types::BatchStatus::Completed => Stage::Done,
        types::BatchStatus::Failed | types::BatchStatus::Cancelled => Stage::Failed,
        _ => Stage::Busy,
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("xps::Client").field("customer", &self.customer.as_str()).finish_non_exhaustive()
    }
}

impl Sealed for Client {}

impl Account for Client {
    const VENDOR: Vendor = Vendor::Xps;
    const BASE_URL: &'static str = "https://xpsshipper.com/restapi/v1";
    const SCHEME: &'static str = "RSIS";
    const OPERATIONS: &'static [Operation] = raw::OPERATIONS;

    fn assemble(account: String, base_url: &str, transport: Transport) -> Result<Self> {
        let customer =
            types::CustomerId::try_from(account).map_err(|error| Error::input(format!("customer: {error}")))?;
        Ok(Self { customer, raw: raw::Client::new_with_client(base_url, transport.http(), transport) })
    }
}
