//! The four phases at Smart Send: a unit is one shipment, and its commit is keyed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use progenitor_client::ClientInfo;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BookAnswer, Client, types};
use crate::{
    Booked, Booking, Error, IdempotencyKey, Journal, Order, Outcome, Result, Vendor,
    booking::{Committed, Doubt, Draft, Phases, Prepared, Reconciled, Waits},
    error::Kind,
    journal::Unit,
    vendor::{Answer, handle, handled},
};

/// How long a repeat under the same key is surely the same call. The vendor keeps keys for 24 hours (its page on
/// idempotency); an hour is left for clocks that differ and calls that take long.
const KEY_KEPT: SignedDuration = SignedDuration::from_hours(23);
/// How far a clock may have been set back since. An intent from further in the future has no age that can be trusted.
const CLOCK_SLIP: SignedDuration = SignedDuration::from_mins(-5);

/// Whether the vendor still knows the key of a unit's commit.
pub(super) fn key_kept(unit: &Unit) -> bool {
    let age = Timestamp::now().duration_since(unit.intent_at);
    (CLOCK_SLIP..KEY_KEPT).contains(&age)
}

/// A commit is answered at once, and the work is done in the background. Should one come later all the same, its key
/// makes it a repeat.
const COMMIT_TAKES: Duration = Duration::from_secs(60);

impl Client {
    /// Books a wave of orders. See [`Booking`].
    ///
    /// Where an order's shipment has no `identifier`, it gets the order's id, so that it can be found at the vendor.
    pub fn book<'a, I>(&self, orders: I, journal: &'a Journal) -> Booking<'a, Self, I>
    where
        I: IntoIterator<IntoIter: Clone + Send>,
        I::Item: std::borrow::Borrow<Order<types::ShipmentRequest>> + Send + Sync,
    {
        Booking::new(self.clone(), journal, orders)
    }
}

/// What the journal keeps of a unit.
#[derive(Serialize, Deserialize)]
struct Handle {
    shipment: Uuid,
    /// The key of the commit.
    key: IdempotencyKey,
}

impl Phases for Client {
    type Shipment = types::ShipmentRequest;

    const LIMIT: usize = 1;

    fn vendor(&self) -> Vendor {
        Vendor::SmartSend
    }

    fn account(&self) -> &str {
        self.team()
    }

    fn commit_takes(&self) -> Duration {
        self.raw.inner().longest_write().min(COMMIT_TAKES)
    }

    async fn prepare(&self, _: &str, orders: &[Draft<'_, Self::Shipment>], _: &Waits) -> Result<Prepared> {
        let Some(Draft { order, revision, shipment }) = orders.first() else { return Ok(Prepared::default()) };
        let (shipment, key) = self.created(order, *revision, shipment).await?;
        let handle = Handle { shipment, key };
        Ok(Prepared { handle: handled(&handle)?, ties: vec![shipment.to_string()], ended: Vec::new() })
    }

    async fn commit(&self, unit: &Unit) -> Committed {
        let Handle { shipment, key } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Committed::Ended(error),
        };
        match self.book_answer(shipment, &key, Some(types::Prefer::RespondAsync)).await {
            // The answer to the same key for another shipment of this order, booked elsewhere.
            Ok(Answer { value: BookAnswer::Done(other), .. }) if other.uuid.is_some_and(|uuid| uuid != shipment) => {
                let text = format!("the key of shipment {shipment} was used for another one");
                Committed::Doubt(Error::new(Kind::Doubt, text).at(Vendor::SmartSend, "book_shipment"))
            }
            Ok(Answer { value: BookAnswer::Done(shipment), request_id }) => match end(&shipment, request_id.clone()) {
                Some(outcome) => Committed::Settled(vec![(0, outcome)]),
                None => Committed::Accepted(request_id),
            },
            Ok(Answer { value: BookAnswer::Accepted(_), request_id }) => Committed::Accepted(request_id),
            // The first call under this key still runs.
            Err(error) if error.status() == Some(409) && error.retry_after().is_some() => Committed::Underway,
            Err(error) => error.into(),
        }
    }

    async fn settle(&self, unit: &Unit, waits: &Waits) -> Result<Vec<(usize, Outcome)>> {
        let Handle { shipment, .. } = handle(unit)?;
        let seen = waits.watch(self.watch_shipment(shipment)).until_done().await.seen()?;
        Ok(end(&seen, None).map(|outcome| (0, outcome)).into_iter().collect())
    }

    async fn abandon(&self, unit: &Unit) -> Result<()> {
        let Handle { shipment, .. } = handle(unit)?;
        // A shipment that is not found is not gone: it may be the address that is wrong.
        let call = self.raw.delete_shipment(&self.team, &shipment, None, None);
        self.answer("delete_shipment", call).await.map(drop)
    }

    async fn reconcile(&self, unit: &Unit, doubt: Doubt, _: &Waits) -> Reconciled {
        let Handle { shipment, .. } = match handle(unit) {
            Ok(handle) => handle,
            Err(error) => return Reconciled::Unknown(error),
        };
        match self.shipment(shipment).await {
            Ok(read) => match (&read.state, end(&read, None)) {
                (_, Some(outcome)) => Reconciled::Settled(vec![(0, outcome)]),
                // `open` right after a call may still become `queued`: under the same key a repeat is that call. A day
                // later, when the key is forgotten, it is what it says: never booked.
                (Some(types::ShipmentState::Open), None) => Reconciled::NotBegun,
                (Some(types::ShipmentState::Queued), None) => Reconciled::Accepted,
                (state, None) => {
                    let state = state.as_ref().map_or("no state", types::ShipmentState::as_str);
                    Reconciled::Unknown(Error::new(Kind::Doubt, format!("shipment {shipment} is in state {state:?}")))
                }
            },
            Err(error) if key_kept(unit) && doubt == Doubt::InFlight => {
                Reconciled::Repeatable(error.with_kind(Kind::Doubt))
            }
            Err(error) => Reconciled::Unknown(error.with_kind(Kind::Doubt)),
        }
    }
}

/// The end that a shipment's state stands for, if it is one.
pub(super) fn end(shipment: &types::Shipment, request_id: Option<String>) -> Option<Outcome> {
    let failed = |text: &str| Outcome::Failed(Error::new(Kind::Failed, text).at(Vendor::SmartSend, "book_shipment"));
    match shipment.state.as_ref()? {
        types::ShipmentState::Booked => Some(Outcome::Booked(booked(shipment, request_id))),
        types::ShipmentState::Failed => Some(failed("the carrier did not take the shipment")),
        types::ShipmentState::Cancelled => Some(failed("the shipment was cancelled")),
        _ => None,
    }
}

fn booked(shipment: &types::Shipment, request_id: Option<String>) -> Booked {
    let parcels = shipment.parcels.iter().flatten();
    Booked {
        shipment: shipment.uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        tracking: parcels.filter_map(|parcel| parcel.tracking_code.clone()).collect(),
        request_id,
        ..Booked::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Polling, RetryPolicy, journal::Stage};

    fn unit(age: SignedDuration) -> Unit {
        let key = IdempotencyKey::derive("book_shipment", "team-7", "4521", 0, &()).unwrap();
        Unit {
            id: "unit".to_owned(),
            vendor: Vendor::SmartSend,
            account: "team-7".to_owned(),
            state: Stage::Intent,
            handle: handled(&Handle { shipment: Uuid::nil(), key }).unwrap(),
            intent_at: Timestamp::now() - age,
            fence: 1,
            slots: Vec::new(),
        }
    }

    /// A day after the intent the vendor may have forgotten the key: then a repeat would be a second booking.
    #[tokio::test]
    async fn a_call_is_repeated_unseen_only_while_its_key_is_kept() {
        let retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
        let client = Client::builder("team-7").token("t").base_url("http://127.0.0.1:1").retry(retry).build().unwrap();
        let waits = Waits::new(Polling::default(), None);
        let hours = SignedDuration::from_hours;
        for (age, repeatable) in [
            (hours(0), true),
            (SignedDuration::from_mins(23 * 60 - 1), true),
            (hours(23), false),
            (hours(48), false),
            // A clock that was set back a little, and one that cannot be trusted.
            (SignedDuration::from_mins(-4), true),
            (hours(-1), false),
        ] {
            let reconciled = client.reconcile(&unit(age), Doubt::InFlight, &waits).await;
            assert_eq!(matches!(reconciled, Reconciled::Repeatable(_)), repeatable, "{age}: {reconciled:?}");
            // After a refusal there is nothing to repeat.
            let reconciled = client.reconcile(&unit(age), Doubt::Refused, &waits).await;
            assert!(matches!(reconciled, Reconciled::Unknown(_)), "{age}: {reconciled:?}");
        }
    }
}
