//! The labels of a wave: one PDF in the caller's order, or a file for each order.
//!
//! XPS and Deftship give the labels of a whole batch as PDFs of many pages, Smart Send an address for each parcel's.
//! A page of a batch's PDF is tied to its order by the tracking number that is printed on it; where no page holds one, by
//! its place, if there is exactly one page for each label. What is missing, or cannot be told apart, is fetched by
//! itself; what cannot be had at all is named with the reason, and asked for again by the next call. Files go to disk while
//! they are read, and are merged one after the other: memory holds the pages of one file at most, and that of one batch
//! is the largest that a vendor gives.
//!
//! ```no_run
//! # async fn run(report: shipbatch::Report, client: shipbatch::xps::Client) -> shipbatch::Result<()> {
//! let index = report.labels(&client).write_pdf("labels.pdf").await?; // beside it labels.pages.csv, its index
//! for label in index.iter() {
//!     println!("{}: {} pages from page {} on", label.order, label.pages, label.page);
//! }
//! for (order, why) in index.missing() {
//!     eprintln!("{order} has no label: {why}"); // it is booked and paid for: ask for its label again
//! }
//! report.labels(&client).write_dir("labels").await?; // labels/4521.pdf and so on, and labels/pages.csv
//!
//! // The journal knows which labels are where: the next call fetches only what is missing.
//! let journal = shipbatch::Journal::open("2026-11-21.db").await?;
//! report.labels(&client).journal(&journal).write_pdf("labels.pdf").await?;
//! # Ok(()) }
//! ```

use std::{collections::HashMap, fmt, future::Future, path::Path, sync::Arc};

use futures_util::{StreamExt, stream};

use crate::{Account, Booked, Error, OrderId, Report, Result, error::Kind};

mod folder;
mod index;
mod known;
mod merger;
mod name;
mod sheet;
mod shelf;

pub(crate) use folder::{Folder, put};
pub use index::{Label, LabelIndex};
use known::Known;
use merger::{Merger, PageNumber};
pub(crate) use sheet::{Sheet, sort};
use shelf::Shelf;

/// How many batches' labels are fetched at a time.
const GROUPS_AT_ONCE: usize = 2;
/// Orders that share no batch are fetched this many together.
const GROUP: usize = 50;
/// Orders of a batch that are so few are fetched one by one: a batch's PDF may hold hundreds of labels.
const FEW: usize = 4;
/// The index in a folder of labels, and the end of the name of that beside a PDF.
const INDEX: &str = "pages.csv";

/// The labels of the booked orders of a report: made by [`Report::labels`].
#[must_use = "no label is fetched until it is asked for"]
pub struct Labels<'a, C> {
    report: &'a Report,
    client: &'a C,
    /// Where it is noted which labels are where.
    #[cfg(feature = "sqlite")]
    journal: Option<&'a crate::Journal>,
}

impl Report {
    /// The labels of the booked orders, fetched with this client: the one that booked, or another of the same account.
    pub fn labels<'a, C: LabelSource>(&'a self, client: &'a C) -> Labels<'a, C> {
        Labels {
            report: self,
            client,
            #[cfg(feature = "sqlite")]
            journal: None,
        }
    }
}

/// A vendor's labels. Sealed: the clients of this crate.
pub trait LabelSource: Account + Send + Sync {
    /// Fetches the labels of some orders into files: of one batch, where the vendor has batches.
    #[doc(hidden)]
    fn fetch(
        &self,
        wanted: &[Wanted<'_>],
        folder: &Folder,
    ) -> impl Future<Output = Vec<(usize, Result<Vec<Sheet>>)>> + Send;
}

/// A booked order whose label is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its place in the report.
    pub(crate) place: usize,
    pub(crate) booked: &'a Booked,
}

impl<C: LabelSource> Labels<'_, C> {
    /// Writes one PDF with all labels in the caller's order, and its index beside it, `labels.pages.csv` beside
    /// `labels.pdf`: page, order id, tracking numbers. Each file is complete or not there at all; without a single label,
    /// nothing is written.
    ///
    /// # Errors
    /// If a file cannot be written. A label that cannot be had is no error: it is in the index's `missing`.
    pub async fn write_pdf(&self, path: impl AsRef<Path>) -> Result<LabelIndex> {
        let path = folder::absolute(path.as_ref())?;
        let known = self.known().await;
        if known.is_all_of(&path, self.report.counts().booked) && path.with_extension(INDEX).exists() {
            return Ok(LabelIndex { labels: known.labels, missing: Vec::new() });
        }
        let folder = Folder::beside(&path)?;
        let fetched = self.fetch(known, &folder).await;
        let index = blocking(move || one_file(&fetched, &folder, &path)).await?;
        self.note(&index).await;
        Ok(index)
    }

    /// Writes a PDF for each order into a folder, made where there is none, and an index, `pages.csv`: page, order id,
    /// tracking numbers, file. A file is named by its order's id; where that is no safe name, or two are alike, by as much
    /// of it as is safe and some of its hash. Each file is complete or not there at all; others in the folder stay.
    ///
    /// # Errors
    /// If a file cannot be written. A label that cannot be had is no error: it is in the index's `missing`.
    pub async fn write_dir(&self, path: impl AsRef<Path>) -> Result<LabelIndex> {
        let path = folder::make(&folder::absolute(path.as_ref())?)?;
        let folder = Folder::within(&path)?;
        let fetched = self.fetch(self.known().await, &folder).await;
        let index = blocking(move || a_file_each(&fetched, &folder, &path)).await?;
        self.note(&index).await;
        Ok(index)
    }

    /// The labels of all booked orders, in the caller's order: in files that are there, and in files of this folder.
    async fn fetch(&self, known: Known, folder: &Folder) -> Fetched {
        let rows = self.report.iter().filter_map(|(order, outcome)| Some((order.clone(), outcome.booked()?.clone())));
        let rows: Vec<(OrderId, Booked)> = rows.collect();
        let mut known: HashMap<&OrderId, &Label> = known.labels.iter().map(|label| (&label.order, label)).collect();
        let known = rows.iter().map(|(order, _)| known.remove(order).and_then(Sheet::of).map(|sheet| Ok(vec![sheet])));
        let mut sheets: Vec<Option<Result<Vec<Sheet>>>> = known.collect();
        let groups = groups(rows.iter().enumerate().filter(|(place, _)| sheets[*place].is_none()));
        let fetches: Vec<_> = groups.iter().map(|group| self.client.fetch(group, folder)).collect();
        let mut groups = stream::iter(fetches).buffer_unordered(GROUPS_AT_ONCE);
        while let Some(group) = groups.next().await {
            group.into_iter().for_each(|(place, label)| sheets[place] = Some(label));
        }
        drop(groups);
        let none = || Err(missing("the vendor gave no label"));
        Fetched { sheets: sheets.into_iter().map(|sheets| sheets.unwrap_or_else(none)).collect(), rows }
    }
}

impl<C> fmt::Debug for Labels<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labels").finish_non_exhaustive()
    }
}

/// The booked orders, and for each the pages of its label.
struct Fetched {
    rows: Vec<(OrderId, Booked)>,
    sheets: Vec<Result<Vec<Sheet>>>,
}

impl Fetched {
    /// The index, from what became of each order: its pages in which file, or why there are none.
    fn index(&self, written: Vec<Result<Filed>>) -> LabelIndex {
        let mut index = LabelIndex::default();
        for ((order, _), written) in self.rows.iter().zip(written) {
            match written {
                Ok(Filed { path, page, pages, sha256 }) => {
                    index.labels.push(Label { order: order.clone(), path, page, pages, sha256 });
                }
                Err(error) => index.missing.push((order.clone(), error.for_order(order))),
            }
        }
        index
    }

    /// The places of the orders, those that share a file one after the other: so each file is read once.
    fn by_file(&self) -> Vec<usize> {
        let mut seen: HashMap<&Path, usize> = HashMap::new();
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(self.sheets.len());
        for (place, sheets) in self.sheets.iter().enumerate() {
            let file =
                sheets.as_ref().ok().and_then(|sheets| sheets.first()).map_or(Path::new(""), |sheet| &sheet.file);
            let next = seen.len();
            places.push((*seen.entry(file).or_insert(next), place));
        }
        places.sort_unstable();
        places.into_iter().map(|(_, place)| place).collect()
    }
}

/// Where an order's label was written.
struct Filed {
    path: Arc<Path>,
    page: usize,
    pages: usize,
    sha256: Arc<str>,
}

/// All labels in one file.
fn one_file(fetched: &Fetched, folder: &Folder, path: &Path) -> Result<LabelIndex> {
    let (merged, mut shelf) = (folder.file(), Shelf::default());
    let mut merger = Merger::create(&merged)?;
    let mut labels: Vec<Option<Result<Vec<PageNumber>>>> = fetched.rows.iter().map(|_| None).collect();
    for place in fetched.by_file() {
        labels[place] = Some(shelf.copy(&fetched.sheets[place], &mut merger)?);
    }
    let mut all = Vec::new();
    let ranges: Vec<Result<(usize, usize)>> = labels
        .into_iter()
        .flatten()
        .map(|label| {
            label.map(|pages| {
                all.extend_from_slice(&pages);
                (all.len() - pages.len() + 1, pages.len())
            })
        })
        .collect();
    let sha256: Arc<str> = merger.finish(&all)?.into();
    let whole: Arc<Path> = path.into();
    let filed = |(page, pages)| Filed { path: whole.clone(), page, pages, sha256: sha256.clone() };
    let index = fetched.index(ranges.into_iter().map(|range| range.map(filed)).collect());
    // Nothing to print: what an earlier run fetched stays.
    if !all.is_empty() {
        let table = folder.write(&index.table(&fetched.rows, false)?)?;
        put(&merged, path)?;
        put(&table, &path.with_extension(INDEX))?;
    }
    Ok(index)
}

/// Each label in a file of its own.
fn a_file_each(fetched: &Fetched, folder: &Folder, path: &Path) -> Result<LabelIndex> {
    let names = name::names(&fetched.rows.iter().map(|(order, _)| order).collect::<Vec<_>>());
    let mut shelf = Shelf::default();
    let mut written: Vec<Option<Result<Filed>>> = fetched.rows.iter().map(|_| None).collect();
    for place in fetched.by_file() {
        let own = folder.file();
        let mut merger = Merger::create(&own)?;
        written[place] = Some(match shelf.copy(&fetched.sheets[place], &mut merger)? {
            Ok(pages) => {
                let sha256 = merger.finish(&pages)?.into();
                let path = path.join(format!("{}.pdf", names[place]));
                put(&own, &path)?;
                Ok(Filed { path: path.into(), page: 1, pages: pages.len(), sha256 })
            }
            Err(error) => Err(error),
        });
    }
    let index = fetched.index(written.into_iter().flatten().collect());
    if !index.labels.is_empty() {
        put(&folder.write(&index.table(&fetched.rows, true)?)?, &path.join(INDEX))?;
    }
    Ok(index)
}

/// Reading and writing PDFs takes a processor for long: not on the thread of others' tasks.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Error::new(Kind::Io, format!("the labels could not be merged: {error}"))))
}

/// The orders by their batch, in the report's order; those without a batch in groups of their own.
fn groups<'a>(rows: impl Iterator<Item = (usize, &'a (OrderId, Booked))>) -> Vec<Vec<Wanted<'a>>> {
    let mut groups: Vec<Vec<Wanted<'_>>> = Vec::new();
    let mut batches: HashMap<&str, usize> = HashMap::new();
    let mut loose: Option<usize> = None;
    for (place, (_, booked)) in rows {
        let group = match &booked.batch {
            Some(batch) => *batches.entry(batch).or_insert(groups.len()),
            None => loose.filter(|group| groups[*group].len() < GROUP).unwrap_or(groups.len()),
        };
        if group == groups.len() {
            groups.push(Vec::new());
        }
        if booked.batch.is_none() {
            loose = Some(group);
        }
        groups[group].push(Wanted { place, booked });
    }
    groups
}

/// The first of the orders, if they are so many that their batch is fetched as a whole.
pub(crate) fn many<'a, 'w>(wanted: &'w [Wanted<'a>]) -> Option<&'w Wanted<'a>> {
    wanted.first().filter(|_| wanted.len() > FEW)
}

pub(crate) fn missing(why: impl Into<String>) -> Error {
    Error::new(Kind::NotFound, why)
}
