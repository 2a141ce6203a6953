//! Booking batches: many shipments, booked together in the background.

use serde_json::Value;
use uuid::Uuid;

use super::{Client, types};
use crate::{
    Error, IdempotencyKey, Poller, Result, Vendor,
    poll::{self, Stage},
    vendor::Builder,
};

impl Builder<Client> {
    /// The last part of the address that dispatches a booking batch. The vendor documents the call and not its address;
    /// `dispatch` is inferred, and used unless set.
    pub fn dispatch_path(mut self, segment: impl Into<String>) -> Self {
        self.dispatch = Some(segment.into());
        self
    }
}

impl Client {
    /// Creates a booking batch, empty and open: no money moves. `reference` is for people, `identifier` for the
    /// caller's own system.
    ///
    /// # Errors
    /// If the vendor refuses it, or cannot be reached.
    pub async fn create_booking_batch(
        &self,
        reference: Option<String>,
        identifier: Option<String>,
        key: &IdempotencyKey,
    ) -> Result<types::BookingBatch> {
        let request = types::BookingBatchRequest { reference, identifier };
        let call = self.raw.create_booking_batch(&self.team, None, Some(key), None, &request);
        Ok(self.answer("create_booking_batch", call).await?.value.data)
    }

    /// Adds shipments to an open booking batch: no money moves. The vendor takes all of them or none. What it answers is
    /// not documented, and given as it is.
    ///
    /// # Errors
    /// If the vendor refuses one of them, if the batch is not open, or if the vendor cannot be reached.
    pub async fn add_to_booking_batch(
        &self,
        batch: Uuid,
        shipments: Vec<types::ShipmentRequest>,
        key: &IdempotencyKey,
    ) -> Result<Value> {
        let request = types::AddShipmentsRequest { data: shipments };
        let call = self.raw.add_shipments_to_booking_batch(&self.team, &batch, None, Some(key), None, &request);
        let added = self.answer("add_shipments_to_booking_batch", call).await?.value;
        serde_json::to_value(added).map_err(|error| Error::input(error.to_string()))
    }

    /// Closes a booking batch and has all its shipments booked in the background: **this costs money**. Under the same
    /// key it is dispatched once. The address is inferred; see [`dispatch_path`](Builder::dispatch_path).
    ///
    /// # Errors
    /// If the batch is not open or is empty; or, where [`Error::may_have_booked`] says so, without knowing whether it
    /// was dispatched.
    pub async fn dispatch_booking_batch(&self, batch: Uuid, key: &IdempotencyKey) -> Result<types::BookingBatch> {
        let call = self.raw.dispatch_booking_batch(&self.team, &batch, None, Some(key), None);
        Ok(self.answer("dispatch_booking_batch", call).await?.value.data)
    }

    /// A booking batch as it is now, with its counts and its progress in percent.
    ///
    /// # Errors
    /// If there is none of this id, or the vendor cannot be reached.
    pub async fn booking_batch(&self, batch: Uuid) -> Result<types::BookingBatch> {
        let call = self.raw.get_booking_batch(&self.team, &batch, None, None);
        Ok(self.answer("get_booking_batch", call).await?.value.data)
    }

    /// Looks at a booking batch until all its shipments were tried. `completed` does not say that all are booked: look
    /// at `failed_count`.
    pub fn watch_booking_batch(&self, batch: Uuid) -> Poller<'_, types::BookingBatch> {
        let token = poll::token(Vendor::SmartSend, self.team(), "booking-batch", batch);
        Poller::new(token, stage, move || self.booking_batch(batch))
    }

    /// Goes on with a [`Poller`] of a booking batch whose token was stored.
    ///
    /// # Errors
    /// If the token is for something else.
    pub fn resume_booking_batch(&self, token: &str) -> Result<Poller<'_, types::BookingBatch>> {
        let id = poll::id_in(token, Vendor::SmartSend, self.team(), "booking-batch")?;
        let batch = id.parse().map_err(|_| Error::input(format!("token {token:?}: {id:?} is no booking batch")))?;
        Ok(self.watch_booking_batch(batch))
    }
}

fn stage(batch: &types::BookingBatch) -> Stage {
    match batch.state {
        Some(types::BookingBatchState::Completed) => Stage::Done,
        Some(types::BookingBatchState::Failed) => Stage::Failed,
        _ => Stage::Busy,
    }
}
