//! What a vendor is to the engine, and what its four phases take and give.

use std::{future::Future, time::Duration};

use serde::Serialize;

use super::Waits;
use crate::{
    Error, OrderId, Outcome, Result, Vendor,
    journal::{Recorded, Slot, Unit},
    vendor::sealed::Sealed,
};

/// What a vendor is to the engine: four phases and a limit. Sealed: the clients of this crate.
pub trait Phases: Sealed + Send + Sync {
    /// The vendor's own request for one order.
    type Shipment: Serialize + Send + Sync;

    /// How many orders the vendor takes in one unit.
    #[doc(hidden)]
    const LIMIT: usize;

    /// A unit of which one order is refused is refused whole: then it is halved, until the order stands alone.
    #[doc(hidden)]
    const ALL_OR_NONE: bool = false;

    #[doc(hidden)]
    fn vendor(&self) -> Vendor;

    #[doc(hidden)]
    fn account(&self) -> &str;

    /// Orders of different groups cannot share a unit.
    #[doc(hidden)]
    fn group(_: &Self::Shipment) -> String {
        String::new()
    }

    /// How long a commit may take in all: for so long no other machine looks at its unit.
    #[doc(hidden)]
    fn commit_takes(&self) -> Duration;

    #[doc(hidden)]
    fn prepare(
        &self,
        unit: &str,
        orders: &[Draft<'_, Self::Shipment>],
        waits: &Waits,
    ) -> impl Future<Output = Result<Prepared>> + Send;

    #[doc(hidden)]
    fn commit(&self, unit: &Unit) -> impl Future<Output = Committed> + Send;

    #[doc(hidden)]
    fn settle(&self, unit: &Unit, waits: &Waits) -> impl Future<Output = Result<Vec<(usize, Outcome)>>> + Send;

    #[doc(hidden)]
    fn reconcile(&self, unit: &Unit, doubt: Doubt, waits: &Waits) -> impl Future<Output = Reconciled> + Send;

    /// Makes sure that a commit which may still be on its way finds nothing to do, so that the unit's orders can go into
    /// another one. An error leaves the doubt.
    #[doc(hidden)]
    fn abandon(&self, unit: &Unit) -> impl Future<Output = Result<()>> + Send;
}

/// An order on its way into a unit.
#[derive(Debug)]
pub struct Draft<'a, S> {
    pub(crate) order: &'a OrderId,
    pub(crate) revision: u32,
    pub(crate) shipment: &'a S,
}

/// What prepare leaves: the vendor's ids, and the orders that ended already.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The vendor's ids for the later phases, as JSON.
    pub(crate) handle: String,
    /// For each order, the vendor's id by which its answer is found.
    pub(crate) ties: Vec<String>,
    /// The orders that the vendor refused, by their place.
    pub(crate) ended: Vec<(usize, Outcome)>,
}

/// How a commit ended.
#[derive(Debug)]
pub enum Committed {
    /// The answer holds the orders' ends.
    Settled(Vec<(usize, Outcome)>),
    /// The vendor took it and works on it. The id of the request, where the vendor has one.
    Accepted(Option<String>),
    /// An earlier sending of the same commit is at work. What comes of it is not sure.
    Underway,
    /// The vendor did nothing: all orders of the unit share this end.
    Ended(Error),
    /// The vendor refused. Its state is read all the same: an earlier commit may be the reason.
    Refused(Error),
    /// It may or may not have been done.
    Doubt(Error),
}

impl From<Error> for Committed {
    fn from(error: Error) -> Self {
        if !error.was_sent() || error.is_throttled() {
            Self::Ended(error)
        } else if error.may_have_booked() {
            Self::Doubt(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Why a unit is reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A commit may be on its way, or at work, even now.
    InFlight,
    /// The vendor answered the commit and refused it.
    Refused,
}

/// What the vendor's state says of a commit.
#[derive(Debug)]
pub enum Reconciled {
    /// It surely had no effect: it may be sent (again).
    NotBegun,
    /// It cannot be read, but a repeat is the same call: it may be sent (again), and nothing else may be done.
    Repeatable(Error),
    /// The vendor is at work.
    Accepted,
    /// The orders have their ends.
    Settled(Vec<(usize, Outcome)>),
    /// It cannot be found out.
    Unknown(Error),
}

/// The places of a unit whose orders have no end yet.
pub(crate) fn open(unit: &Unit) -> impl Iterator<Item = usize> + '_ {
    let ended = |slot: &Slot| slot.outcome.as_ref().is_some_and(Recorded::is_final);
    unit.slots.iter().enumerate().filter(move |(_, slot)| !ended(slot)).map(|(place, _)| place)
}
