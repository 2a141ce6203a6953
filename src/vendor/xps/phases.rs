//! The four phases at XPS: a unit is a batch of quotes, and its commit is never sent twice on a guess.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use progenitor_client::ClientInfo;
use serde::{Deserialize, Serialize};

use super::{
    Client,
    batches::{outcome, refused},
    types,
};
use crate::{
    Booked, Booking, Error, Journal, Money, Order, Outcome, Result, Vendor,
    booking::{Committed, Doubt, Draft, Phases, Prepared, Reconciled, Waits, open},
    error::Kind,
    journal::Unit,
    vendor::{handle, handled},
};

/// Quotes in a batch (the vendor's page on batch book).
const LIMIT: usize = 500;
/// How many shipments are asked for their price at a time, where the answer that held it was lost.
const PRICES_AT_ONCE: usize = 8;

impl Client {
    /// Books a wave of orders. See [`Booking`].
    ///
    /// Where an order's shipment has no `shipmentReference`, it gets the order's id, so that it can be found at the
    /// vendor.
    pub fn book<'a, I>(&self, orders: I, journal: &'a Journal) -> Booking<'a, Self, I>
    where
        I: IntoIterator<IntoIter: Clone + Send>,
        I::Item: std::borrow::Borrow<Order<types::QuoteShipment>> + Send + Sync,
    {
        Booking::new(self.clone(), journal, orders)
    }

    /// The ends of a batch that was booked, from what the batch itself says.
    async fn rebuild(&self, unit: &Unit, batch: &types::Batch) -> Vec<(usize, Outcome)> {
        let quotes: HashMap<String, &types::BatchQuote> =
            batch.quotes.iter().map(|quote| (quote.quote_id.to_string(), quote)).collect();
        let mut rebuilt = Vec::new();
        for place in open(unit) {
            if let Some(quote) = quotes.get(&unit.slots[place].tie).copied() {
                rebuilt.push(async move { (place, self.rebuilt(batch, quote).await) });
            }
        }
        stream::iter(rebuilt).buffered(PRICES_AT_ONCE).collect().await
    }

    async fn rebuilt(&self, batch: &types::Batch, quote: &types::BatchQuote) -> Outcome {
        let Some(number) = &quote.book_number else {
            return match (&batch.status, &quote.status) {
                (types::BatchStatus::Cancelled, _) => {
                    Outcome::Failed(Error::new(Kind::Failed, "the batch was cancelled").at(Vendor::Xps, "book_batch"))
                }
                // What failed stays `active` (the vendor's page on get batch).
                (_, types::QuoteStatus::Active | types::QuoteStatus::Expired) => refused(quote.booking_error.clone()),
                (_, status) => {
                    let text = format!("quote {} is {:?} and has no book number", quote.quote_id, status.as_str());
                    Outcome::Unknown(Error::new(Kind::Doubt, text))
                }
            };
        };
        Outcome::Booked(Booked {
            shipment: number.clone(),
            batch: Some(batch.batch_id.to_string()),
            tracking: quote.tracking_number.iter().cloned().collect(),
            cost: self.price(number).await.map(|amount| Money::new(amount, quote.currency.clone())),
            ..Booked::default()
        })
    }

    /// What a booked shipment cost. It is booked whether or not this can be read.
    async fn price(&self, number: &str) -> Option<rust_decimal::Decimal> {
        let number = number.parse().ok()?;
        let shipment = self.raw.get_shipment(&self.customer, &number).await.ok()?.into_inner();
        shipment.total_shipping_cost.map(|cost| cost.value())
    }
}

/// What the journal keeps of a unit.
#[derive(Serialize, Deserialize)]
struct Handle {
    batch: i64,
    /// The currency of all quotes: the answer to the booking does not name it.
    currency: Option<String>,
}

impl Phases for Client {
    type Shipment = types::QuoteShipment;

    const LIMIT: usize = LIMIT;

    fn vendor(&self) -> Vendor {
        Vendor::Xps
    }

    fn account(&self) -> &str {
        self.customer()
    }

    fn commit_takes(&self) -> Duration {
        self.raw.inner().longest_write()
    }

    async fn prepare(&self, unit: &str, orders: &[Draft<'_, Self::Shipment>], _: &Waits) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        let mut quotes = Vec::with_capacity(orders.len());
        let mut currencies = BTreeSet::new();
        let quoted = self.quotes(orders.iter().map(|draft| (draft.order, draft.shipment))).await?;
        for (place, quoted) in quoted.into_iter().enumerate() {
            match quoted {
                Ok(quoted) => {
                    let currency = quoted.result.currency.as_ref().unwrap_or(&orders[place].shipment.currency);
                    if quotes.contains(&quoted.quote) {
                        let text = format!("quote {} was given for two shipments", quoted.quote);
                        return Err(Error::new(Kind::Failed, text).at(Vendor::Xps, "quote_batch"));
                    }
                    currencies.insert(currency.clone());
                    quotes.push(quoted.quote);
                    prepared.ties.push(quoted.quote.to_string());
                }
                Err(error) => {
                    prepared.ended.push((place, Outcome::Rejected(error)));
                    prepared.ties.push(String::new());
                }
            }
        }
        if !quotes.is_empty() {
            let batch = self.create_batch(unit, &quotes).await?;
            let currency = currencies.pop_first().filter(|_| currencies.is_empty());
            let handle = Handle { batch, currency };
            prepared.handle = handled(&handle)?;
        }
        Ok(prepared)
    }

    async fn commit(&self, unit: &Unit) -> Committed {
        let Handle { batch, currency } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Committed::Ended(error),
        };
        let answer = match self.book_without_labels(batch).await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        let mut results: HashMap<String, types::BatchBookResult> =
            answer.results.into_iter().map(|result| (result.quote_id.to_string(), result)).collect();
        let outcomes: Option<Vec<_>> = open(unit)
            .map(|place| {
                let result = results.remove(&unit.slots[place].tie)?;
                Some((place, outcome(result, batch, currency.clone())?))
            })
            .collect();
        // An answer that leaves one quote open is read back: the batch knows more.
        outcomes.map_or_else(
            || {
                let error = Error::new(Kind::Unreadable, "the answer does not say what became of each quote");
                Committed::Doubt(error.at(Vendor::Xps, "book_batch"))
            },
            Committed::Settled,
        )
    }

    async fn settle(&self, unit: &Unit, waits: &Waits) -> Result<Vec<(usize, Outcome)>> {
        let Handle { batch, .. } = handle(unit)?;
        let seen = waits.watch(self.watch_batch(batch)).until_done().await.seen()?;
        Ok(self.rebuild(unit, &seen).await)
    }

    async fn abandon(&self, unit: &Unit) -> Result<()> {
        let Handle { batch, .. } = handle(unit)?;
        self.cancel_batch(batch).await.map(drop)
    }

    async fn reconcile(&self, unit: &Unit, doubt: Doubt, waits: &Waits) -> Reconciled {
        let Handle { batch, .. } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Reconciled::Unknown(error),
        };
        let open = |batch: &types::Batch| batch.status == types::BatchStatus::Open;
        match waits.read_again(self.watch_batch(batch), doubt, open).await {
            Ok(None) => Reconciled::NotBegun,
            Ok(Some(read)) => match &read.status {
                types::BatchStatus::Processing => Reconciled::Accepted,
                status if is_over(status) => Reconciled::Settled(self.rebuild(unit, &read).await),
                status => {
                    let text = format!("batch {batch} is in status {:?}", status.as_str());
                    Reconciled::Unknown(Error::new(Kind::Doubt, text))
                }
            },
            Err(error) => Reconciled::Unknown(error),
        }
    }
}

/// Whether nothing more will happen to a batch's quotes.
fn is_over(status: &types::BatchStatus) -> bool {
    matches!(status, types::BatchStatus::Completed | types::BatchStatus::Failed | types::BatchStatus::Cancelled)
}
