//! Smart Send, REST API v2.

use std::fmt;

use crate::{
    Error, IdempotencyKey, Operation, Result, Transport, Vendor,
    vendor::{Account, Builder, generated, sealed::Sealed},
};

generated!("smartsend.rs", "Smart Send");

/// A client of one team.
#[derive(Clone)]
pub struct Client {
    team: types::TeamId,
    account: String,
    raw: raw::Client,
}
