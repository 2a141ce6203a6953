//! What is to be booked: a shipment under the caller's own order id.
//!
//! ```
//! use shipbatch::{Order, OrderId};
//!
//! let order = Order::new(OrderId::new("4521")?, "the vendor's own request goes here");
//! assert_eq!(order.id.as_str(), "4521");
//! assert!(OrderId::new("").is_err());
//! # Ok::<(), shipbatch::Error>(())
//! ```

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The most bytes of an order id. XPS takes 255 characters for a name; no vendor documents a longer reference.
const LONGEST: usize = 255;

/// The caller's own id of an order: unique for one account at one vendor, for ever. An order that was booked under its
/// id is never booked again under it. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(Arc<str>);

impl OrderId {
    /// Takes an id as it is: case and spaces count.
    ///
    /// # Errors
    /// If it is empty, longer than 255 bytes, or holds a control character.
    pub fn new(id: impl AsRef<str>) -> Result<Self> {
        let id = id.as_ref();
        if id.is_empty() || id.len() > LONGEST {
            return Err(Error::input(format!("order id: {} bytes, not 1 to {LONGEST}", id.len())));
        }
        if id.chars().any(char::is_control) {
            return Err(Error::input(format!("order id {id:?}: it holds a control character")));
        }
        Ok(Self(id.into()))
    }

    /// The id as the caller gave it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OrderId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self> {
        Self::new(id)
    }
}

impl TryFrom<String> for OrderId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self> {
        Self::new(id)
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A shipment to be booked, `S` being the vendor's own request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Order<S> {
    /// The caller's id.
    pub id: OrderId,
    /// What to book.
    pub shipment: S,
}

impl<S> Order<S> {
    /// An order of this id.
    pub fn new(id: OrderId, shipment: S) -> Self {
        Self { id, shipment }
    }
}
