//! The four phases at XPS: a unit is a batch of quotes, and its commit is never sent twice on a guess.

use std::collections::{BTreeSet, HashMap};

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Client, types};
use crate::{
    Booked, Booking, Error, Journal, Money, Order, Outcome, Result, Vendor,
    booking::{Committed, Doubt, Draft, Phases, Prepared, Reconciled, Waits, open},
    error::Kind,
    journal::Unit,
    vendor::handle,
};

/// Quotes in a batch (the vendor's page on batch book).
const LIMIT: usize = 500;
/// How often a batch that is `open` after a lost answer is read again before the call counts as never begun: it may
/// still be on its way through the vendor's front.
const OPEN_LOOKS: u32 = 4;
/// Batches on a page of the list, the most that the vendor gives.
const PAGE: u32 = 100;
/// How many pages of the list are searched for a batch whose creation was not answered.
const PAGES: u32 = 50;
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

    /// Quotes the orders of a unit: each by its place, with a quote or a refusal.
    async fn quote(&self, orders: &[Draft<'_, types::QuoteShipment>]) -> Result<Vec<types::QuoteResult>> {
        let shipments = orders.iter().map(|draft| {
            let mut shipment = draft.shipment.clone();
            shipment.shipment_reference.get_or_insert_with(|| draft.order.as_str().to_owned());
            shipment
        });
        let request = types::BatchQuoteRequest { shipments: shipments.collect() };
        let call = self.raw.quote_batch(&self.customer, &request);
        let results = self.answer("quote_batch", call).await?.value.results;
        // The answer is not documented to name its shipments, so their number is what ties them by place.
        if results.len() != orders.len() {
            let text = format!("{} quotes for {} shipments", results.len(), orders.len());
            return Err(Error::new(Kind::Unreadable, text).at(Vendor::Xps, "quote_batch"));
        }
        Ok(results)
    }

    /// Makes a batch of these quotes. Where the answer is lost, the batch is looked for under its name, which is ours.
    async fn create_batch(&self, name: &str, quotes: Vec<i64>) -> Result<i64> {
        let name = name.to_owned();
        let typed = name.clone().try_into().map_err(|_| Error::input(format!("batch name {name:?}")))?;
        let request = types::CreateBatchRequest { name: typed, quote_ids: quotes };
        let call = self.raw.create_batch(&self.customer, &request);
        match self.answer("create_batch", call).await {
            Ok(answer) => Ok(answer.value.batch_id),
            Err(error) if error.may_have_booked() => match self.find_batch(&name).await {
                Ok(Some(batch)) => Ok(batch),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn find_batch(&self, name: &str) -> Result<Option<i64>> {
        for page in 1..=PAGES {
            let call = self.raw.list_batches(&self.customer, PAGE.try_into().ok(), page.try_into().ok());
            let list = self.answer("list_batches", call).await?.value;
            if let Some(batch) = list.batches.iter().find(|batch| batch.name == name) {
                return Ok(Some(batch.batch_id));
            }
            let seen = i64::from(page) * i64::from(list.limit.max(1));
            if list.batches.is_empty() || seen >= i64::from(list.total) {
                break;
            }
        }
        Ok(None)
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

    async fn prepare(&self, unit: &str, orders: &[Draft<'_, Self::Shipment>], _: &Waits) -> Result<Prepared> {
        let mut prepared = Prepared::default();
        let mut quotes = Vec::with_capacity(orders.len());
        let mut currencies = BTreeSet::new();
        for (place, result) in self.quote(orders).await?.into_iter().enumerate() {
            match (&result.status, result.quote_id) {
                (types::ResultStatus::Success, Some(quote)) => {
                    quotes.push(quote);
                    currencies.insert(result.currency.unwrap_or_else(|| orders[place].shipment.currency.clone()));
                    prepared.ties.push(quote.to_string());
                }
                _ => {
                    let text = result.error.unwrap_or_else(|| "no quote, and no reason".to_owned());
                    let error = Error::new(Kind::Rejected, text).at(Vendor::Xps, "quote_batch");
                    prepared.ended.push((place, Outcome::Rejected(error)));
                    prepared.ties.push(String::new());
                }
            }
        }
        if !quotes.is_empty() {
            let batch = self.create_batch(unit, quotes).await?;
            let currency = currencies.pop_first().filter(|_| currencies.is_empty());
            let handle = Handle { batch, currency };
            prepared.handle = serde_json::to_string(&handle).map_err(|error| Error::input(error.to_string()))?;
        }
        Ok(prepared)
    }

    async fn commit(&self, unit: &Unit) -> Committed {
        let Handle { batch, currency } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Committed::Ended(error),
        };
        let request = types::BatchBookRequest { batch_id: batch };
        let answer = match self.answer("book_batch", self.raw.book_batch(&self.customer, &request)).await {
            Ok(answer) => answer,
            Err(error) => return error.into(),
        };
        let mut results: HashMap<String, types::BatchBookResult> =
            answer.value.results.into_iter().map(|result| (result.quote_id.to_string(), result)).collect();
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

    async fn reconcile(&self, unit: &Unit, doubt: Doubt, waits: &Waits) -> Reconciled {
        let Handle { batch, .. } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Reconciled::Unknown(error),
        };
        let looks = if doubt == Doubt::InFlight { OPEN_LOOKS } else { 1 };
        let open = |batch: &types::Batch| batch.status == types::BatchStatus::Open;
        match waits.read_again(self.watch_batch(batch), looks, open).await {
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

/// What the answer says of one quote, or nothing if it does not say it clearly.
fn outcome(result: types::BatchBookResult, batch: i64, currency: Option<String>) -> Option<Outcome> {
    match (result.status, result.book_number) {
        (types::ResultStatus::Success, Some(number)) => {
            let last_mile = result.last_mile_tracking_number.filter(|number| !number.is_empty());
            Some(Outcome::Booked(Booked {
                shipment: number,
                batch: Some(batch.to_string()),
                tracking: result.tracking_number.into_iter().chain(last_mile).collect(),
                cost: result.total_shipping_cost.map(|amount| Money::new(amount, currency)),
                ..Booked::default()
            }))
        }
        (types::ResultStatus::Error, None) => Some(refused(result.error)),
        _ => None,
    }
}

fn refused(text: Option<String>) -> Outcome {
    let text = text.unwrap_or_else(|| "the vendor did not book it and does not say why".to_owned());
    Outcome::Rejected(Error::new(Kind::Rejected, text).at(Vendor::Xps, "book_batch"))
}
