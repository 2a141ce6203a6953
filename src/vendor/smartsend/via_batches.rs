//! The second way to book a wave at Smart Send: a unit is a booking batch.
//!
//! Far fewer calls for a big wave, the same four phases, the same promise. It is opt-in, since the address of the call
//! that dispatches a batch is inferred.

use std::{borrow::Borrow, collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Client,
    lists::PER_PAGE,
    phases::{end, key_kept},
    types,
};
use crate::{
    Booking, Error, IdempotencyKey, Journal, Order, Outcome, Result, Vendor,
    booking::{Committed, Doubt, Draft, Phases, Prepared, Reconciled, Waits, open},
    error::Kind,
    journal::Unit,
    vendor::{answer_as_is, handle, handled, sealed::Sealed},
};

/// Shipments in a batch. No limit is documented; this keeps a request at about a megabyte.
const LIMIT: usize = 500;

/// A client that books waves by booking batches: made by [`Client::via_batches`].
#[derive(Clone, Debug)]
pub struct ViaBatches(Client);

impl Client {
    /// Books waves by booking batches, up to 500 orders at a time, instead of one by one.
    ///
    /// The address of the call that dispatches a batch is inferred, hence this is opt-in; see
    /// [`dispatch_path`](crate::Builder::dispatch_path). Orders are found again by their shipment's `identifier`, which
    /// must be unique for the team; where the caller leaves it empty, it is the order's id. The keys are the batches' own:
    /// an order that is also booked one by one, elsewhere, is not recognised.
    ///
    /// ```no_run
    /// # use shipbatch::{Journal, Order, smartsend};
    /// # async fn run(client: smartsend::Client, orders: Vec<Order<smartsend::types::ShipmentRequest>>, journal: Journal)
    /// # -> shipbatch::Result<()> {
    /// let report = client.via_batches().book(&orders, &journal).unit_size(200).run().await?;
    /// # Ok(()) }
    /// ```
    pub fn via_batches(&self) -> ViaBatches {
        ViaBatches(self.clone())
    }
}

impl ViaBatches {
    /// Books a wave of orders. See [`Booking`].
    pub fn book<'a, I>(&self, orders: I, journal: &'a Journal) -> Booking<'a, Self, I>
    where
        I: IntoIterator<IntoIter: Clone + Send>,
        I::Item: Borrow<Order<types::ShipmentRequest>> + Send + Sync,
    {
        Booking::new(self.clone(), journal, orders)
    }

    fn key<P: Serialize>(&self, operation: &str, unit: &str, payload: &P) -> Result<IdempotencyKey> {
        IdempotencyKey::derive(operation, self.0.team(), unit, 0, payload)
    }

    /// The ends of a batch's orders, found in the list of all shipments by their identifier.
    ///
    /// A shipment that is older than the batch is not of it. Where two that are booked could be the order's, or where there
    /// are more or fewer failures than the batch counts, nothing is said of them.
    async fn find(&self, unit: &Unit, batch: &types::BookingBatch, id: Uuid) -> Result<Vec<(usize, Outcome)>> {
        let wanted: HashMap<&str, usize> = open(unit).map(|place| (unit.slots[place].tie.as_str(), place)).collect();
        let mut found: HashMap<usize, Vec<types::Shipment>> = HashMap::new();
        let mut shipments = self.0.shipments().per_page(PER_PAGE).pages();
        while let Some(shipment) = shipments.next().await {
            let shipment = shipment?;
            let older = shipment.created_at.zip(batch.created_at).is_some_and(|(shipment, batch)| shipment < batch);
            let place = shipment.identifier.as_deref().and_then(|identifier| wanted.get(identifier));
            if let (Some(place), false) = (place, older) {
                let same = found.entry(*place).or_default();
                // An entry that moves to another page while the list is read comes twice.
                if same.iter().all(|other| other.uuid != shipment.uuid) {
                    same.push(shipment);
                }
            }
        }
        let mut ends = Vec::with_capacity(found.len());
        for (place, shipments) in found {
            let Some(shipment) = decisive(&shipments) else { continue };
            match end(shipment, None) {
                Some(Outcome::Booked(mut booked)) => {
                    booked.batch = Some(id.to_string());
                    ends.push((place, Outcome::Booked(booked)));
                }
                Some(failed) => ends.push((place, failed)),
                None => {}
            }
        }
        let failed = ends.iter().filter(|(_, end)| end.booked().is_none()).count();
        if batch.failed_count.is_some_and(|count| usize::try_from(count) != Ok(failed)) {
            ends.retain(|(_, end)| end.booked().is_some());
        }
        Ok(ends)
    }
}

/// Of an order's shipments the one that says what became of it. Those of earlier tries may be as young as the batch, whose
/// time is in whole seconds: drafts that were left behind, which have no end, and failures. Of two that are booked none is
/// surely the order's.
fn decisive(shipments: &[types::Shipment]) -> Option<&types::Shipment> {
    let mut booked = shipments.iter().filter(|shipment| matches!(end(shipment, None), Some(Outcome::Booked(_))));
    match (booked.next(), booked.next()) {
        (Some(shipment), None) => Some(shipment),
        (None, _) => shipments.iter().find(|shipment| end(shipment, None).is_some()),
        (Some(_), Some(_)) => None,
    }
}

/// What the journal keeps of a unit.
#[derive(Serialize, Deserialize)]
struct Handle {
    batch: Uuid,
    /// The key of the commit.
    key: IdempotencyKey,
}

impl Sealed for ViaBatches {}

impl Phases for ViaBatches {
    type Shipment = types::ShipmentRequest;

    const LIMIT: usize = LIMIT;

    const ALL_OR_NONE: bool = true;

    fn vendor(&self) -> Vendor {
        Vendor::SmartSend
    }

    fn account(&self) -> &str {
        self.0.team()
    }

    fn commit_takes(&self) -> Duration {
        Phases::commit_takes(&self.0)
    }

    async fn prepare(&self, unit: &str, orders: &[Draft<'_, Self::Shipment>], _: &Waits) -> Result<Prepared> {
        let mut ties: Vec<String> = Vec::with_capacity(orders.len());
        let mut shipments = Vec::with_capacity(orders.len());
        for draft in orders {
            let mut shipment = draft.shipment.clone();
            let identifier = shipment.identifier.get_or_insert_with(|| draft.order.as_str().to_owned());
            if identifier.contains(char::is_control) {
                return Err(Error::input(format!("identifier {identifier:?}: it holds a control character")));
            }
            if ties.contains(identifier) {
                return Err(Error::input(format!("identifier {identifier:?}: two shipments of a batch have it")));
            }
            ties.push(identifier.clone());
            shipments.push(shipment);
        }
        let key = self.key("create_booking_batch", unit, &())?;
        let batch = self.0.create_booking_batch(None, Some(unit.to_owned()), &key).await?;
        let batch = batch.uuid.ok_or_else(|| {
            Error::new(Kind::Unreadable, "the batch has no uuid").at(Vendor::SmartSend, "create_booking_batch")
        })?;
        let key = self.key("add_shipments_to_booking_batch", unit, &shipments)?;
        self.0.add_to_booking_batch(batch, shipments, &key).await?;
        let handle = Handle { batch, key: self.key("dispatch_booking_batch", unit, &())? };
        Ok(Prepared { handle: handled(&handle)?, ties, ended: Vec::new() })
    }

    async fn commit(&self, unit: &Unit) -> Committed {
        let dispatch = async {
            let Handle { batch, key } = handle(unit)?;
            let call = self.0.raw.dispatch_booking_batch(&self.0.team, &batch, None, Some(&key), None);
            self.0.answer("dispatch_booking_batch", call).await
        };
        match dispatch.await {
            Ok(answer) => Committed::Accepted(answer.request_id),
            // The first call under this key still runs.
            Err(error) if error.status() == Some(409) && error.retry_after().is_some() => Committed::Underway,
            Err(error) => error.into(),
        }
    }

    async fn settle(&self, unit: &Unit, waits: &Waits) -> Result<Vec<(usize, Outcome)>> {
        let Handle { batch, .. } = handle(unit)?;
        let seen = waits.watch(self.0.watch_booking_batch(batch)).until_done().await.seen()?;
        self.find(unit, &seen, batch).await
    }

    async fn abandon(&self, unit: &Unit) -> Result<()> {
        let Handle { batch, .. } = handle(unit)?;
        let call = self.0.raw.cancel_booking_batch(&self.0.team, &batch, None, None);
        answer_as_is(Vendor::SmartSend, "cancel_booking_batch", call).await.map(drop)
    }

    async fn reconcile(&self, unit: &Unit, doubt: Doubt, _: &Waits) -> Reconciled {
        let Handle { batch, .. } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Reconciled::Unknown(error),
        };
        match self.0.booking_batch(batch).await.map(|batch| batch.state) {
            // Under the same key a repeat is the same call; a day later an open batch was never dispatched.
            Ok(Some(types::BookingBatchState::Open)) => Reconciled::NotBegun,
            Ok(Some(
                types::BookingBatchState::Queued
                | types::BookingBatchState::Processing
                | types::BookingBatchState::Completed
                | types::BookingBatchState::Failed,
            )) => Reconciled::Accepted,
            Ok(state) => {
                let state = state.map_or_else(|| "no state".to_owned(), |state| state.to_string());
                Reconciled::Unknown(Error::new(Kind::Doubt, format!("batch {batch} is in state {state:?}")))
            }
            Err(error) if key_kept(unit) && doubt == Doubt::InFlight => {
                Reconciled::Repeatable(error.with_kind(Kind::Doubt))
            }
            Err(error) => Reconciled::Unknown(error.with_kind(Kind::Doubt)),
        }
    }
}
