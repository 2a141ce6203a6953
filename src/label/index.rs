//! Which order's label is where.

use std::{collections::HashMap, path::Path, sync::Arc};

use crate::{Booked, Error, OrderId, Result, error::Kind};

/// Where the label of an order is: pages of a file that is complete and on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// Whose it is.
    pub order: OrderId,
    /// The file.
    pub path: Arc<Path>,
    /// The first of its pages in the file, from 1.
    pub page: usize,
    /// How many pages it has: customs papers and the labels of all parcels.
    pub pages: usize,
    /// The SHA-256 of the whole file, in hex: whether it is still the file that was written.
    pub sha256: Arc<str>,
}

/// Where the labels are, and which are missing: in the caller's order.
#[derive(Debug, Default)]
pub struct LabelIndex {
    pub(super) labels: Vec<Label>,
    pub(super) missing: Vec<(OrderId, Error)>,
}

impl LabelIndex {
    /// The labels that were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Label> {
        self.labels.iter()
    }

    /// The booked orders without a label, and why. They are booked and paid for all the same: ask for the labels again,
    /// and never book again for a label.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = (&OrderId, &Error)> {
        self.missing.iter().map(|(order, error)| (order, error))
    }

    /// The index as CSV: the first page of each order, its id, its tracking numbers; and the file, where each order has
    /// its own.
    pub(super) fn table(&self, booked: &[(OrderId, Booked)], with_file: bool) -> Result<Vec<u8>> {
        let booked: HashMap<&OrderId, &Booked> = booked.iter().map(|(order, booked)| (order, booked)).collect();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = ["page", "order_id", "tracking", "file"];
        let shown = if with_file { columns.len() } else { columns.len() - 1 };
        writer.write_record(&columns[..shown]).map_err(|error| unwritten(&error))?;
        for label in &self.labels {
            let tracking = booked.get(&label.order).map(|booked| booked.tracking.join(" ")).unwrap_or_default();
            let file = label.path.file_name().unwrap_or_default().to_string_lossy();
            let row = [&label.page.to_string(), label.order.as_str(), &tracking, &file];
            writer.write_record(&row[..shown]).map_err(|error| unwritten(&error))?;
        }
        writer.into_inner().map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &dyn std::fmt::Display) -> Error {
    Error::new(Kind::Io, format!("the index of the labels: {error}"))
}
