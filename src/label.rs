//! The labels of a wave: one PDF, in the caller's order.
//!
//! ```no_run
//! # async fn run(report: shipbatch::Report, client: shipbatch::xps::Client) -> shipbatch::Result<()> {
//! let index = report.labels(&client).write_pdf("labels.pdf").await?; // and labels.csv: page, order id, tracking number
//! for (order, why) in index.missing() {
//!     eprintln!("{order} has no label: {why}");
//! }
//! # Ok(()) }
//! ```

use std::{fmt, path::Path};

use crate::{Account, Error, OrderId, Report, Result};

/// The labels of the booked orders of a report: made by [`Report::labels`].
#[must_use = "no label is fetched until it is asked for"]
pub struct Labels<'a, C> {
    report: &'a Report,
    client: &'a C,
}

/// Where the labels are in a PDF, and which are missing.
#[derive(Debug, Default)]
pub struct LabelIndex {
    pages: Vec<(OrderId, usize, usize)>,
    missing: Vec<(OrderId, Error)>,
}

impl LabelIndex {
    /// Each order with the number of its first page, from 1, and of its pages, in the PDF's order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&OrderId, usize, usize)> {
        self.pages.iter().map(|(order, page, pages)| (order, *page, *pages))
    }

    /// The booked orders without a label, and why. They are booked and paid for all the same.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = (&OrderId, &Error)> {
        self.missing.iter().map(|(order, error)| (order, error))
    }
}

impl Report {
    /// The labels of the booked orders, fetched with this client: the one that booked, or another of the same account.
    pub fn labels<'a, C: LabelSource>(&'a self, client: &'a C) -> Labels<'a, C> {
        Labels { report: self, client }
    }
}

/// A vendor's labels. Sealed.
pub trait LabelSource: Account + Send + Sync {}
impl LabelSource for crate::smartsend::Client {}
impl LabelSource for crate::xps::Client {}
impl LabelSource for crate::deftship::Client {}

impl<C: LabelSource> Labels<'_, C> {
    /// Writes one PDF with all labels in the caller's order, and an index beside it.
    ///
    /// # Errors
    /// If a file cannot be written. A label that cannot be had is no error: it is in the index's `missing`.
    pub async fn write_pdf(&self, _path: impl AsRef<Path>) -> Result<LabelIndex> {
        let _ = (self.report, self.client);
        Err(Error::input("labels: not yet"))
    }
}

impl<C> fmt::Debug for Labels<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labels").finish_non_exhaustive()
    }
}
