//! What was charged, order by order.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::Vendor;

/// Every charge that the sandbox made: what tests hold a wave's report against.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    charges: Vec<Charge>,
}

/// One charge: a label was bought.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Charge {
    /// Where.
    pub vendor: Vendor,
    /// For whom: the team, the customer; at Deftship, which has no name for it, empty.
    pub account: String,
    /// The caller's reference: `identifier` at Smart Send, `shipmentReference` at XPS, `reference_1` at Deftship.
    pub order: String,
    /// How much, in the account's currency.
    pub amount: Decimal,
}

impl Ledger {
    pub(super) fn charge(&mut self, vendor: Vendor, account: &str, order: &str, amount: Decimal) {
        self.charges.push(Charge { vendor, account: account.to_owned(), order: order.to_owned(), amount });
    }

    /// The charges, in the order in which they were made.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    /// How often each order was charged at a vendor.
    pub fn by_order(&self, vendor: Vendor) -> BTreeMap<&str, usize> {
        let mut times = BTreeMap::new();
        for charge in self.charges.iter().filter(|charge| charge.vendor == vendor) {
            *times.entry(charge.order.as_str()).or_default() += 1;
        }
        times
    }

    /// How many orders were charged, at any vendor.
    pub fn orders(&self) -> usize {
        Vendor::ALL.iter().map(|vendor| self.by_order(*vendor).len()).sum()
    }

    /// How many orders were charged more than once: what must never happen.
    pub fn charged_twice(&self) -> usize {
        Vendor::ALL.iter().map(|vendor| self.by_order(*vendor).values().filter(|times| **times > 1).count()).sum()
    }
}
