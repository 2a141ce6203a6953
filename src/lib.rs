#![doc = include_str!("../README.md")]

extern crate self as shipbatch;

mod error;
mod key;
mod number;
mod open_enum;
mod retry;
#[cfg(feature = "sandbox")]
pub mod sandbox;
mod transport;
mod vendor;

pub use error::{Error, Result};
pub use key::IdempotencyKey;
pub use number::Number;
pub use retry::{Operation, Replay, RetryPolicy};
pub use transport::{Timeouts, Transport};
pub use vendor::{Account, Builder, Vendor, deftship, smartsend, xps};

pub(crate) use open_enum::open_enum;
