//! Labels that are on this machine already: the journal knows which are in which file.

use std::{collections::HashSet, path::Path, sync::Arc};

use super::{Label, LabelIndex, Labels};

/// The labels that are on this machine.
#[derive(Default)]
pub(super) struct Known {
    /// Those of the report's orders, in its order.
    pub(super) labels: Vec<Label>,
    /// The files with labels of other orders.
    others: HashSet<Arc<Path>>,
}

impl Known {
    /// Whether a file holds the labels of all so many booked orders, one after the other, and no other.
    pub(super) fn is_all_of(&self, path: &Path, booked: usize) -> bool {
        let mut next = 1;
        let in_turn = |label: &Label| {
            let is_next = *label.path == *path && label.page == next;
            next += label.pages;
            is_next
        };
        booked > 0 && self.labels.len() == booked && !self.others.contains(path) && self.labels.iter().all(in_turn)
    }
}

#[cfg(not(feature = "sqlite"))]
impl<C: Sync> Labels<'_, C> {
    pub(super) async fn known(&self) -> Known {
        Known::default()
    }

    pub(super) async fn note(&self, _: &LabelIndex) {}
}

#[cfg(feature = "sqlite")]
mod noted {
    use std::{
        collections::HashMap,
        fs,
        io::{BufRead, BufReader},
    };

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{Journal, key::push_hex, label::blocking};

    impl<'a, C> Labels<'a, C> {
        /// Notes in a journal which labels are in which file, and takes from there what is on this machine already, if
        /// the file is still as it was written: only the others are fetched. A journal that cannot be read or written
        /// costs calls, and no label.
        pub fn journal(mut self, journal: &'a Journal) -> Self {
            self.journal = Some(journal);
            self
        }
    }

    impl<C: Sync> Labels<'_, C> {
        /// The labels that are on this machine, as the journal has them.
        pub(in crate::label) async fn known(&self) -> Known {
            let Some(journal) = self.journal else { return Known::default() };
            let mut noted = match journal.labels(self.report.vendor(), self.report.account()).await {
                Ok(noted) => noted,
                Err(error) => {
                    tracing::warn!(%error, "labels that are there are fetched again");
                    return Known::default();
                }
            };
            let booked = self.report.iter().filter(|(_, outcome)| outcome.booked().is_some());
            let labels = booked.filter_map(|(order, _)| noted.remove(order)).collect();
            let others = noted.into_values().map(|label| label.path).collect();
            blocking(move || Ok(Known { labels: still_there(labels), others })).await.unwrap_or_default()
        }

        pub(in crate::label) async fn note(&self, index: &LabelIndex) {
            let Some(journal) = self.journal else { return };
            if let Err(error) = journal.note_labels(self.report.vendor(), self.report.account(), &index.labels).await {
                tracing::warn!(%error, "labels that are written will be fetched again");
            }
        }
    }

    /// Those labels whose file is as it was written. Each file is read once.
    fn still_there(mut labels: Vec<Label>) -> Vec<Label> {
        let mut hashes: HashMap<Arc<Path>, Option<String>> = HashMap::new();
        labels.retain(|label| {
            let hash = hashes.entry(label.path.clone()).or_insert_with(|| sha256(&label.path).ok());
            hash.as_deref() == Some(&*label.sha256)
        });
        labels
    }

    /// The SHA-256 of a file, in hex.
    fn sha256(path: &Path) -> std::io::Result<String> {
        let (mut file, mut hash, mut text) = (BufReader::new(fs::File::open(path)?), Sha256::new(), String::new());
        loop {
            let bytes = file.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            hash.update(bytes);
            let read = bytes.len();
            file.consume(read);
        }
        push_hex(&mut text, &hash.finalize());
        Ok(text)
    }
}
