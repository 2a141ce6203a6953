//! What a journal holds: units, the orders in them, and what came of each.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use sqlx::{Row, any::AnyRow};

use crate::{Booked, Error, OrderId, Outcome, Vendor, error::Kind, key::push_hex};

/// How much of a row's SHA-256 it carries: it guards against damage, not against forgers.
const SEAL: usize = 8;
/// The outcome of an order whose unit was made harmless before anything came of it: it goes out anew.
const WITHDRAWN: &str = "withdrawn";

/// How far a unit is, and each order in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A run has taken it, and no money can move yet.
    Claimed,
    /// Its booking may be on its way to the vendor.
    Intent,
    /// The vendor took the booking and works on it.
    Accepted,
    /// Each order has its end.
    Settled,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Claimed, Self::Intent, Self::Accepted, Self::Settled];

    /// The name in the journal.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Intent => "intent",
            Self::Accepted => "accepted",
            Self::Settled => "settled",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A unit as the journal holds it.
#[derive(Clone, Debug)]
pub struct Unit {
    pub(crate) id: String,
    pub(crate) vendor: Vendor,
    pub(crate) account: String,
    pub(crate) state: Stage,
    /// The vendor's ids, as JSON.
    pub(crate) handle: String,
    pub(crate) intent_at: jiff::Timestamp,
    /// The number under which its worker may write.
    pub(crate) fence: i64,
    pub(crate) slots: Vec<Slot>,
}

impl Unit {
    pub(super) fn seal(&self) -> String {
        let (orders, at) = (self.slots.len().to_string(), self.intent_at.as_millisecond().to_string());
        seal(&[&self.id, self.vendor.name(), &self.account, self.state.name(), &self.handle, &orders, &at])
    }
}

/// An order's place in a unit.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) order: OrderId,
    pub(crate) revision: u32,
    /// Its place among the orders that the run was given.
    pub(crate) place: i64,
    pub(crate) tie: String,
    pub(crate) payload_hash: String,
    pub(crate) outcome: Option<Recorded>,
}

impl Slot {
    /// The seal of its row.
    pub(super) fn seal(&self, vendor: &str, account: &str, unit: &str, position: i64) -> String {
        let (name, detail) = match &self.outcome {
            Some(outcome) => (outcome.name.as_str(), outcome.detail.as_str()),
            None => ("", ""),
        };
        let [revision, position, place] =
            [i64::from(self.revision), position, self.place].map(|number| number.to_string());
        let (order, tie, hash) = (self.order.as_str(), self.tie.as_str(), self.payload_hash.as_str());
        seal(&[vendor, account, order, &revision, unit, &position, &place, tie, hash, name, detail])
    }

    /// The columns that [`of`](Self::of) reads, in its order.
    pub(super) const COLUMNS: &'static str =
        "order_id, revision, unit, position, place, tie, payload_hash, outcome, detail, booking.seal";

    /// Reads a row that begins with [`COLUMNS`](Self::COLUMNS). Nothing, if it is not as it was written.
    pub(super) fn of(row: &AnyRow, vendor: &str, account: &str) -> Result<Option<Self>, sqlx::Error> {
        let (name, detail): (Option<String>, Option<String>) = (row.try_get(7)?, row.try_get(8)?);
        let outcome = name.map(|name| Recorded { name, detail: detail.unwrap_or_default() });
        let order: String = row.try_get(0)?;
        let (Ok(order), Ok(revision)) = (OrderId::new(order), u32::try_from(row.try_get::<i64, _>(1)?)) else {
            return Ok(None);
        };
        let (place, tie, payload_hash) = (row.try_get(4)?, row.try_get(5)?, row.try_get(6)?);
        let slot = Self { order, revision, place, tie, payload_hash, outcome };
        let (unit, seal): (String, String) = (row.try_get(2)?, row.try_get(9)?);
        Ok((slot.seal(vendor, account, &unit, row.try_get(3)?) == seal).then_some(slot))
    }
}

/// An outcome as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recorded {
    pub(super) name: String,
    pub(super) detail: String,
}

impl Recorded {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let detail = match outcome {
            Outcome::Booked(booked) => serde_json::to_string(booked).unwrap_or_default(),
            Outcome::Rejected(error) | Outcome::Failed(error) | Outcome::Unknown(error) | Outcome::NotSent(error) => {
                error.to_record()
            }
        };
        Self { name: outcome.name().to_owned(), detail }
    }

    /// Not sent, and to be sent as the next revision.
    pub(crate) fn withdrawn() -> Self {
        let error = Error::new(Kind::Stopped, "it was withdrawn, to be sent as it is asked for now");
        Self { name: WITHDRAWN.to_owned(), detail: error.to_record() }
    }

    /// Whether the order is booked, surely and for good.
    pub(crate) fn is_booked(&self) -> bool {
        self.name == "booked"
    }

    /// Whether nothing was sent: it may go out as the next revision, whoever else is at work.
    pub(crate) fn is_not_sent(&self) -> bool {
        self.name == "not_sent" || self.name == WITHDRAWN
    }

    /// Whether nothing more will come of it: all but `unknown`.
    pub(crate) fn is_final(&self) -> bool {
        self.name != "unknown"
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let error = || Error::from_record(&self.detail);
        match self.name.as_str() {
            "booked" => match serde_json::from_str::<Booked>(&self.detail) {
                Ok(booked) => Outcome::Booked(booked),
                // It is booked all the same; only what is known of it is lost.
                Err(_) => Outcome::Booked(Booked::default()),
            },
            "rejected" => Outcome::Rejected(error()),
            "failed" => Outcome::Failed(error()),
            "not_sent" | WITHDRAWN => Outcome::NotSent(error()),
            _ => Outcome::Unknown(error()),
        }
    }
}

/// The newest of what the journal knows of an order.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) unit: String,
    pub(crate) revision: u32,
    pub(crate) payload_hash: String,
    pub(crate) outcome: Option<Recorded>,
    /// The wave that worked on it last.
    pub(crate) wave: String,
    /// Whether a worker has its unit, or had it when it died.
    pub(crate) in_hand: bool,
}

/// A hash over the parts of a row, each with its length.
pub(super) fn seal(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut text = String::with_capacity(2 * SEAL);
    push_hex(&mut text, &hash.finalize()[..SEAL]);
    text
}

/// `($1, $2, …), (…), …`: so many rows of so many columns, the last of each what `last` says.
pub(super) fn places(rows: usize, columns: usize, last: &str) -> String {
    let mut text = String::new();
    for row in 0..rows {
        text.push_str(if row > 0 { ", (" } else { "(" });
        for column in 1..=columns {
            // Writing to a string does not fail.
            let _ = write!(text, "${}, ", row * columns + column);
        }
        text.push_str(last);
        text.push(')');
    }
    text
}
