#![doc = include_str!("../README.md")]

// Generated code names the crate by its name, so that the test helpers can use the same code from outside.
extern crate self as shipbatch;

#[cfg(feature = "sqlite")]
mod booking;
mod canonical;
#[cfg(feature = "labels")]
mod download;
mod error;
mod gate;
#[cfg(feature = "sqlite")]
mod journal;
mod key;
#[cfg(feature = "labels")]
mod label;
mod number;
mod open_enum;
mod order;
mod outcome;
mod page;
mod permit;
mod poll;
mod repeat;
mod retry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod sieve;
#[cfg(feature = "labels")]
mod spool;
mod transport;
mod vendor;

#[cfg(feature = "sqlite")]
pub use booking::{Booking, Phases, Progress};
pub use error::{Error, Result};
#[cfg(feature = "sqlite")]
pub use journal::{Entry, Journal, Stage};
pub use key::IdempotencyKey;
#[cfg(feature = "labels")]
pub use label::{Label, LabelIndex, LabelSource, Labels};
pub use number::Number;
pub use order::{Order, OrderId};
pub use outcome::{Booked, Counts, Money, Outcome, Report};
pub use page::Pages;
pub use poll::{Ended, Poller, Polling};
pub use repeat::Repeats;
pub use retry::{Operation, Replay, RetryPolicy};
pub use transport::{Timeouts, Transport};
pub use vendor::{Account, Builder, Vendor, deftship, smartsend, xps};

pub(crate) use open_enum::open_enum;
