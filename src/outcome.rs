//! What became of each order, and of the wave as a whole.
//!
//! ```no_run
//! # async fn run(report: shipbatch::Report) {
//! use shipbatch::Outcome;
//!
//! for (order, outcome) in report.iter() {
//!     match outcome {
//!         Outcome::Booked(booked) => println!("{order}: {:?} {:?}", booked.tracking, booked.cost),
//!         Outcome::Rejected(error) => eprintln!("{order}: fix it, then book again: {error}"),
//!         Outcome::Unknown(error) => eprintln!("{order}: ask the vendor before booking again: {error}"),
//!         _ => eprintln!("{order}: run the same program again"),
//!     }
//! }
//! println!("{}", report.counts());
//! # }
//! ```

use std::{collections::BTreeMap, fmt};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Error, OrderId, Vendor};

/// An amount of money, exact, as the vendor states it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Money {
    /// In the currency's main unit, as the vendor writes it.
    pub amount: Decimal,
    /// The currency's ISO 4217 code, where the vendor names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

impl Money {
    /// An amount in a currency, or in whichever the vendor does not name.
    pub fn new(amount: Decimal, currency: Option<String>) -> Self {
        Self { amount, currency }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.currency {
            Some(currency) => write!(f, "{} {currency}", self.amount),
            None => write!(f, "{}", self.amount),
        }
    }
}

/// A label that was bought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Booked {
    /// The vendor's id: the shipment's UUID at Smart Send, the book number at XPS, the batch item's id at Deftship.
    pub shipment: String,
    /// The vendor's batch, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The carrier's tracking numbers, one for each parcel where the vendor gives them apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<String>,
    /// What was charged, where the vendor says it with the booking. Smart Send and Deftship don't.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
    /// The id of the request that booked, to name to the vendor's support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The vendor's answer does not name the order: it was matched by its place in the batch (Deftship).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub matched_by_position: bool,
    /// It may go abroad, and customs papers may belong to its label (Deftship, whose merged labels may lack them).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub customs: bool,
    /// The order was booked in an earlier run and is only reported here.
    #[serde(skip)]
    pub earlier: bool,
    /// The order was booked with another payload than the one given now, in an earlier run or by the rest of one. What is
    /// booked stays as it was.
    #[serde(skip)]
    pub changed: bool,
}

/// What became of an order.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It is booked and paid for, once.
    Booked(Booked),
    /// The vendor refused it: nothing was paid. Repair it, then run again.
    Rejected(Error),
    /// It was surely not booked, and the order is not to blame. Run again.
    Failed(Error),
    /// Whether it was booked cannot be found out through the vendor's API. Ask the vendor before anything else; running
    /// again only asks the API once more.
    Unknown(Error),
    /// Nothing that could cost money was sent for it. Run again.
    NotSent(Error),
}

impl Outcome {
    /// The name in journals and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Booked(_) => "booked",
            Self::Rejected(_) => "rejected",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::NotSent(_) => "not_sent",
        }
    }

    /// The booking, if it is one.
    pub fn booked(&self) -> Option<&Booked> {
        match self {
            Self::Booked(booked) => Some(booked),
            _ => None,
        }
    }

    /// The same, its error naming the order.
    #[cfg(feature = "sqlite")]
    pub(crate) fn of(self, order: &OrderId) -> Self {
        match self {
            Self::Booked(booked) => Self::Booked(booked),
            Self::Rejected(error) => Self::Rejected(error.for_order(order)),
            Self::Failed(error) => Self::Failed(error.for_order(order)),
            Self::Unknown(error) => Self::Unknown(error.for_order(order)),
            Self::NotSent(error) => Self::NotSent(error.for_order(order)),
        }
    }

    /// Why it is not booked, if it is not.
    pub fn error(&self) -> Option<&Error> {
        match self {
            Self::Booked(_) => None,
            Self::Rejected(error) | Self::Failed(error) | Self::Unknown(error) | Self::NotSent(error) => Some(error),
        }
    }
}

/// How many orders came to which end. They add up to the orders given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Booked and paid for, in this run or an earlier one.
    pub booked: usize,
    /// Refused by the vendor.
    pub rejected: usize,
    /// Surely not booked.
    pub failed: usize,
    /// Not to be found out.
    pub unknown: usize,
    /// Nothing sent.
    pub not_sent: usize,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Booked(_) => self.booked += 1,
            Outcome::Rejected(_) => self.rejected += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Unknown(_) => self.unknown += 1,
            Outcome::NotSent(_) => self.not_sent += 1,
        }
    }

    /// All orders that have an end.
    pub fn total(&self) -> usize {
        self.booked + self.rejected + self.failed + self.unknown + self.not_sent
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} booked", self.booked)?;
        for (count, name) in [
            (self.rejected, "rejected"),
            (self.failed, "failed"),
            (self.unknown, "unknown"),
            (self.not_sent, "not sent"),
        ] {
            if count > 0 {
                write!(f, ", {count} {name}")?;
            }
        }
        Ok(())
    }
}

/// What became of a wave: one outcome for each order, in the caller's order.
#[must_use = "it says which orders are not booked"]
#[derive(Debug)]
pub struct Report {
    vendor: Vendor,
    account: String,
    rows: Vec<(OrderId, Outcome)>,
    stopped: bool,
}

impl Report {
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only the engine makes reports"))]
    pub(crate) fn new(vendor: Vendor, account: &str, rows: Vec<(OrderId, Outcome)>, stopped: bool) -> Self {
        Self { vendor, account: account.to_owned(), rows, stopped }
    }

    /// Where the wave was booked.
    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// For whom.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whether the run was stopped, or met its deadline, before all orders were sent.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Each order with its outcome, in the caller's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&OrderId, &Outcome)> {
        self.rows.iter().map(|(order, outcome)| (order, outcome))
    }

    /// The outcome of one order.
    pub fn get(&self, order: &OrderId) -> Option<&Outcome> {
        self.rows.iter().find(|(id, _)| id == order).map(|(_, outcome)| outcome)
    }

    /// How many orders came to which end.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in &self.rows {
            counts.add(outcome);
        }
        counts
    }

    /// Whether every order is booked.
    pub fn all_booked(&self) -> bool {
        self.rows.iter().all(|(_, outcome)| outcome.booked().is_some())
    }

    /// What the booked orders cost, by currency, as far as the vendor says it. The empty name is a currency that it
    /// does not name.
    pub fn cost(&self) -> BTreeMap<String, Decimal> {
        let mut cost = BTreeMap::new();
        for money in self.rows.iter().filter_map(|(_, outcome)| outcome.booked()?.cost.as_ref()) {
            *cost.entry(money.currency.clone().unwrap_or_default()).or_default() += money.amount;
        }
        cost
    }
}
