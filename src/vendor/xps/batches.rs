//! Quotes and batches by hand, with the results tied to the caller's order ids.

use std::collections::HashMap;

use super::{Client, lists::PER_PAGE, types};
use crate::{Booked, Error, Money, Order, OrderId, Outcome, Result, Vendor, error::Kind, sieve};

/// The name of the string that holds the labels of a batch in an answer.
pub(super) const LABELS: &str = "labelsPdf";

/// An order with its quote.
#[derive(Debug)]
#[non_exhaustive]
pub struct Quoted {
    /// The order.
    pub order: OrderId,
    /// The quote's id, by which it is booked. It expires after 30 days.
    pub quote: i64,
    /// What the vendor says of it, the price among it.
    pub result: types::QuoteResult,
}

impl Client {
    /// Quotes up to 500 orders: no money moves. For each, in their order, its quote or the vendor's refusal.
    ///
    /// Where an order's shipment has no `shipmentReference`, it gets the order's id. The answer is not documented to
    /// name its shipments: it is tied to the orders by its length and order.
    ///
    /// # Errors
    /// If the vendor refuses the whole request, or gives another number of quotes than there are orders.
    pub async fn quote(&self, orders: &[Order<types::QuoteShipment>]) -> Result<Vec<Result<Quoted>>> {
        self.quotes(orders.iter().map(|order| (&order.id, &order.shipment))).await
    }

    pub(crate) async fn quotes<'a>(
        &self,
        orders: impl ExactSizeIterator<Item = (&'a OrderId, &'a types::QuoteShipment)> + Clone + Send,
    ) -> Result<Vec<Result<Quoted>>> {
        let shipments = orders.clone().map(|(order, shipment)| {
            let mut shipment = shipment.clone();
            shipment.shipment_reference.get_or_insert_with(|| order.as_str().to_owned());
            shipment
        });
        let request = types::BatchQuoteRequest { shipments: shipments.collect() };
        let call = self.raw.quote_batch(&self.customer, &request);
        let results = self.answer("quote_batch", call).await?.value.results;
        if results.len() != orders.len() {
            let text = format!("{} quotes for {} shipments", results.len(), orders.len());
            return Err(Error::new(Kind::Unreadable, text).at(Vendor::Xps, "quote_batch"));
        }
        Ok(orders.zip(results).map(|((order, _), result)| quoted(order, result)).collect())
    }

    /// Makes a batch of quotes: no money moves. Up to 255 characters of a name and 500 quotes.
    ///
    /// Where the answer is lost, the batch is looked for under its name, so give it one that no other batch has.
    ///
    /// # Errors
    /// If a quote is not active or is in another batch; or if the answer was lost and the batch is not in the list.
    pub async fn create_batch(&self, name: &str, quotes: &[i64]) -> Result<i64> {
        let typed = name.parse().map_err(|error| Error::input(format!("batch name {name:?}: {error}")))?;
        let request = types::CreateBatchRequest { name: typed, quote_ids: quotes.to_vec() };
        match self.answer("create_batch", self.raw.create_batch(&self.customer, &request)).await {
            Ok(answer) => Ok(answer.value.batch_id),
            Err(error) if error.may_have_booked() => match self.find_batch(name).await {
                Ok(Some(batch)) => Ok(batch),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn find_batch(&self, name: &str) -> Result<Option<i64>> {
        let mut batches = self.batches().per_page(PER_PAGE).pages();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            if batch.name == name {
                return Ok(Some(batch.batch_id));
            }
        }
        Ok(None)
    }

    /// Books all quotes of an open batch: **this costs money**, and nothing protects it from being done twice but the
    /// batch's status. It is sent once. The answer comes when all are booked, which may take minutes. It holds all labels,
    /// tens of megabytes for 500: `book_batch_to` writes them to a file instead.
    ///
    /// # Errors
    /// If the batch is not open or is empty. Where [`Error::may_have_booked`] says so, [`watch_batch`](Self::watch_batch)
    /// shows what became of it; never call this again while the batch is not seen `open`.
    pub async fn book_batch(&self, batch: i64) -> Result<types::BatchBookResponse> {
        let request = types::BatchBookRequest { batch_id: batch };
        Ok(self.answer("book_batch", self.raw.book_batch(&self.customer, &request)).await?.value)
    }

    /// Books a batch as [`book_batch`](Self::book_batch), and drops the labels while they come: they can be had later.
    pub(super) async fn book_without_labels(&self, batch: i64) -> Result<types::BatchBookResponse> {
        sieve::without(LABELS, self.book_batch(batch)).await
    }

    /// Cancels a batch that is `open`: no money moves. What is processing or booked cannot be cancelled.
    ///
    /// # Errors
    /// If the batch is not open, or the vendor cannot be reached.
    pub async fn cancel_batch(&self, batch: i64) -> Result<types::BatchSummary> {
        Ok(self.answer("cancel_batch", self.raw.cancel_batch(&self.customer, batch)).await?.value)
    }

    /// Makes a batch of quoted orders and books it: **this costs money**; see [`book_batch`](Self::book_batch). What
    /// became of each order, in their order. A wave does the same with a journal, and survives a crash.
    ///
    /// # Errors
    /// As [`create_batch`](Self::create_batch) and [`book_batch`](Self::book_batch). Where money may have moved there is no
    /// error: each order is then `Unknown`, and its error names the batch to watch.
    pub async fn book_quoted(&self, name: &str, quoted: &[Quoted]) -> Result<Vec<(OrderId, Outcome)>> {
        let quotes: Vec<i64> = quoted.iter().map(|quoted| quoted.quote).collect();
        let batch = self.create_batch(name, &quotes).await?;
        let (results, why) = match self.book_without_labels(batch).await {
            Ok(answer) => (answer.results, "the answer does not say what became of it".to_owned()),
            Err(error) if error.may_have_booked() => (Vec::new(), error.to_string()),
            Err(error) => return Err(error),
        };
        let mut results: HashMap<i64, types::BatchBookResult> =
            results.into_iter().map(|result| (result.quote_id, result)).collect();
        let ends = quoted.iter().map(|quoted| {
            let currency = quoted.result.currency.clone();
            let end = results.remove(&quoted.quote).and_then(|result| outcome(result, batch, currency));
            let unclear = || Error::new(Kind::Doubt, format!("batch {batch}: {why}")).for_order(&quoted.order);
            (quoted.order.clone(), end.unwrap_or_else(|| Outcome::Unknown(unclear())))
        });
        Ok(ends.collect())
    }
}

fn quoted(order: &OrderId, result: types::QuoteResult) -> Result<Quoted> {
    match (&result.status, result.quote_id) {
        (types::ResultStatus::Success, Some(quote)) => Ok(Quoted { order: order.clone(), quote, result }),
        _ => {
            let text = result.error.unwrap_or_else(|| "no quote, and no reason".to_owned());
            Err(Error::new(Kind::Rejected, text).at(Vendor::Xps, "quote_batch").for_order(order))
        }
    }
}

/// What the answer says of one quote, or nothing if it does not say it clearly.
pub(super) fn outcome(result: types::BatchBookResult, batch: i64, currency: Option<String>) -> Option<Outcome> {
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

/// The end of an order whose quote was not booked.
pub(super) fn refused(text: Option<String>) -> Outcome {
    let text = text.unwrap_or_else(|| "the vendor did not book it and does not say why".to_owned());
    Outcome::Rejected(Error::new(Kind::Rejected, text).at(Vendor::Xps, "book_batch"))
}
