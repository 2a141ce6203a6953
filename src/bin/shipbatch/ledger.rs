//! What the sandbox charged, in words.

use shipbatch::sandbox::Ledger;

use crate::words::counted;

/// One line for people: how many orders were charged once, and whether any was charged twice.
pub(crate) fn line(ledger: &Ledger) -> String {
    let (orders, twice) = (ledger.orders(), ledger.charged_twice());
    let mut line = format!("sandbox ledger: {} charged once", counted(orders - twice, "order"));
    if twice > 0 {
        line.push_str(&format!(", {twice} charged twice"));
    }
    line
}
