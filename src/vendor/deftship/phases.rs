//! The four phases at Deftship: a unit is a batch, whose state refuses to be shipped twice.

use std::{collections::HashMap, time::Duration};

use progenitor_client::ClientInfo;
use serde::{Deserialize, Serialize};

use super::{Client, Shipment, batch_id, data, types};
use crate::{
    Booked, Booking, Error, Journal, Order, Outcome, Result, Vendor,
    booking::{Committed, Doubt, Draft, Phases, Prepared, Reconciled, Waits, open},
    error::{Kind, add_problems},
    journal::Unit,
    vendor::{handle, handled},
};

/// Items in a batch (the vendor's page on create batch).
const LIMIT: usize = 1000;

/// A commit is answered at once, and the work is done in the background. Should one come later all the same, the batch's
/// state refuses it.
const COMMIT_TAKES: Duration = Duration::from_secs(60);

impl Client {
    /// Books a wave of orders. See [`Booking`].
    ///
    /// Where an order's first package has no `reference_1`, it gets the order's id, so that it stands on the label.
    pub fn book<'a, I>(&self, orders: I, journal: &'a Journal) -> Booking<'a, Self, I>
    where
        I: IntoIterator<IntoIter: Clone + Send>,
        I::Item: std::borrow::Borrow<Order<Shipment>> + Send + Sync,
    {
        Booking::new(self.clone(), journal, orders)
    }

    /// Removes the items that the vendor found invalid. What it did not remove would be shipped.
    async fn keep_valid(&self, batch: &str, invalid: Vec<String>, valid: usize, waits: &Waits) -> Result<()> {
        let left = self.remove(batch, invalid).await?;
        if let Some(total) = left.results.and_then(|results| results.total_count)
            && usize::try_from(total) != Ok(valid)
        {
            let text = format!("batch {batch} holds {total} items in place of {valid}; it was not shipped");
            return Err(Error::new(Kind::Failed, text).at(Vendor::Deftship, "remove_batch_items"));
        }
        if left.status == types::BatchStatus::Validating {
            waits.watch(self.watch_batch(batch)).until_done().await.seen()?;
        }
        Ok(())
    }

    async fn remove(&self, batch: &str, items: Vec<String>) -> Result<types::BatchWithResults> {
        let id = batch_id(batch)?;
        let request = types::RemoveBatchItemsRequest { batch_shipment_ids: items };
        let call = self.raw.remove_batch_items(&id, &request);
        let envelope = self.answer("remove_batch_items", call).await?.value;
        data("remove_batch_items", envelope.success, envelope.message, envelope.data)
    }
}

/// What the journal keeps of a unit.
#[derive(Serialize, Deserialize)]
struct Handle {
    batch: String,
    /// The places of the orders that may go abroad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    abroad: Vec<usize>,
}

impl Phases for Client {
    type Shipment = Shipment;

    const LIMIT: usize = LIMIT;

    fn vendor(&self) -> Vendor {
        Vendor::Deftship
    }

    fn account(&self) -> &str {
        &self.account
    }

    fn group(shipment: &Shipment) -> String {
        format!("{} {}", shipment.shipper_id, shipment.service)
    }

    fn commit_takes(&self) -> Duration {
        self.raw.inner().longest_write().min(COMMIT_TAKES)
    }

    async fn prepare(&self, _: &str, orders: &[Draft<'_, Shipment>], waits: &Waits) -> Result<Prepared> {
        let batch = self.created(orders.iter().map(|draft| (draft.order, draft.shipment))).await?.id;
        let validated = waits.watch(self.watch_batch(&batch)).until_done().await.seen()?;
        let items = self.items(validated).await?;
        // Nothing in an item names its order. Their number, and the order in which they were sent, is the only tie;
        // where it does not hold, nothing is shipped.
        if items.len() != orders.len() {
            let text =
                format!("batch {batch} lists {} items for {} orders; it was not shipped", items.len(), orders.len());
            return Err(Error::new(Kind::Failed, text).at(Vendor::Deftship, "get_batch"));
        }
        let mut prepared = Prepared::default();
        let mut invalid = Vec::new();
        for (place, item) in items.into_iter().enumerate() {
            // Without an id it could be neither removed nor found again once it was paid for.
            let id = item.id.clone().filter(|id| !id.is_empty()).ok_or_else(|| {
                let text = format!("batch {batch} lists an item without an id; it was not shipped");
                Error::new(Kind::Failed, text).at(Vendor::Deftship, "get_batch")
            })?;
            if prepared.ties.contains(&id) {
                let text = format!("batch {batch} lists an item twice; it was not shipped");
                return Err(Error::new(Kind::Failed, text).at(Vendor::Deftship, "get_batch"));
            }
            if item.status != Some(types::ItemStatus::Valid) {
                prepared.ended.push((place, Outcome::Rejected(problem(&item))));
                invalid.push(id.clone());
            }
            prepared.ties.push(id);
        }
        if invalid.len() < orders.len() {
            if !invalid.is_empty() {
                let valid = orders.len() - invalid.len();
                self.keep_valid(&batch, invalid, valid, waits).await?;
            }
            let abroad = (0..orders.len()).filter(|place| is_abroad(orders[*place].shipment)).collect();
            let handle = Handle { batch, abroad };
            prepared.handle = handled(&handle)?;
        }
        Ok(prepared)
    }

    async fn commit(&self, unit: &Unit) -> Committed {
        let batch = match handle::<Handle>(unit) {
            Ok(handle) => handle.batch,
            Err(error) => return Committed::Ended(error),
        };
        match self.ship_batch(&batch).await {
            Ok(_) => Committed::Accepted(None),
            Err(error) => error.into(),
        }
    }

    async fn settle(&self, unit: &Unit, waits: &Waits) -> Result<Vec<(usize, Outcome)>> {
        let Handle { batch, abroad } = handle(unit)?;
        let shipped = waits.watch(self.watch_shipping(&batch)).until_done().await.seen()?;
        let items = self.items(shipped).await?;
        let mut items: HashMap<String, types::Item> =
            items.into_iter().filter_map(|item| Some((item.id.clone()?, item))).collect();
        let ends = open(unit).filter_map(|place| {
            let item = items.remove(&unit.slots[place].tie)?;
            Some((place, outcome(&item, &batch, abroad.contains(&place))?))
        });
        Ok(ends.collect())
    }

    async fn abandon(&self, unit: &Unit) -> Result<()> {
        let Handle { batch, .. } = handle(unit)?;
        // There is no call to cancel a batch: one without items is the nearest thing to it.
        let items = open(unit).map(|place| unit.slots[place].tie.clone()).collect();
        let left = self.remove(&batch, items).await?.results.and_then(|results| results.total_count);
        // What it did not remove would be shipped by a call that is on its way.
        if left != Some(0) {
            let text = format!("batch {batch} holds {left:?} items in place of none");
            return Err(Error::new(Kind::Doubt, text).at(Vendor::Deftship, "remove_batch_items"));
        }
        Ok(())
    }

    async fn reconcile(&self, unit: &Unit, doubt: Doubt, waits: &Waits) -> Reconciled {
        let Handle { batch, .. } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Reconciled::Unknown(error),
        };
        match waits.read_again(self.watch_batch(&batch), doubt, not_shipped).await {
            Ok(None) => Reconciled::NotBegun,
            Ok(Some(read)) => match read.status {
                types::BatchStatus::Processing | types::BatchStatus::Completed => Reconciled::Accepted,
                status => {
                    let text = format!("batch {batch} is in status {:?}", status.as_str());
                    Reconciled::Unknown(Error::new(Kind::Doubt, text))
                }
            },
            Err(error) => Reconciled::Unknown(error),
        }
    }
}

/// Only a `ready` batch can be shipped: in these states it was not, and a call that is on its way is refused.
fn not_shipped(batch: &types::BatchDetail) -> bool {
    use types::BatchStatus::{Invalid, Ready, Validating};
    matches!(batch.status, Ready | Validating | Invalid)
}

/// Whether a shipment may go abroad. Where a saved address is is not known here; the vendor is in the United States.
fn is_abroad(shipment: &Shipment) -> bool {
    let shipment = &shipment.shipment;
    let from = match (&shipment.from_address_id, &shipment.from_address) {
        (None, Some(from)) => from.country.as_str(),
        _ => "US",
    };
    shipment.customs_details.is_some() || from != shipment.to_address.country
}

/// The end of an item of a completed batch, if it has one.
fn outcome(item: &types::Item, batch: &str, customs: bool) -> Option<Outcome> {
    match item.status.as_ref()? {
        types::ItemStatus::Completed => Some(Outcome::Booked(Booked {
            shipment: item.id.clone().unwrap_or_default(),
            batch: Some(batch.to_owned()),
            tracking: item.shipment_order.iter().filter_map(|order| order.main_tracking_number.clone()).collect(),
            matched_by_position: true,
            customs,
            ..Booked::default()
        })),
        types::ItemStatus::Failed => {
            let text = "the vendor could not ship it and does not say why";
            Some(Outcome::Failed(Error::new(Kind::Failed, text).at(Vendor::Deftship, "ship_batch")))
        }
        _ => None,
    }
}

/// Why an item is not valid, in the vendor's words.
fn problem(item: &types::Item) -> Error {
    let mut text = String::new();
    add_problems(&mut text, item.errors.iter().flat_map(|errors| errors.iter()));
    if text.is_empty() {
        text = "the vendor found it invalid and does not say why".to_owned();
    }
    Error::new(Kind::Rejected, text).at(Vendor::Deftship, "get_batch")
}
