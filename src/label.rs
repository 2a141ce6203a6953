//! The labels of a wave: one PDF, in the caller's order.
//!
//! XPS and Deftship give the labels of a whole batch as PDFs of many pages, Smart Send an address for each parcel's.
//! A page of a batch's PDF is tied to its order by the tracking number that is printed on it; where the pages hold no
//! text, by its place, if there is exactly one page for each label; else each label is fetched by itself.
//!
//! ```no_run
//! # async fn run(report: shipbatch::Report, client: shipbatch::xps::Client) -> shipbatch::Result<()> {
//! let index = report.labels(&client).write_pdf("labels.pdf").await?; // beside it labels.pages.csv, its index
//! for (order, why) in index.missing() {
//!     eprintln!("{order} has no label: {why}");
//! }
//! # Ok(()) }
//! ```

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use lopdf::{Document, Object, ObjectId, dictionary};

use crate::{Account, Booked, Error, OrderId, Report, Result, error::Kind};

/// How many batches' labels are fetched at a time.
const GROUPS_AT_ONCE: usize = 2;
/// Orders that share no batch are fetched this many together.
const GROUP: usize = 50;
/// What a page is taken to measure where its file does not say: 4 by 6 inches, a parcel label.
const PAGE: [i64; 4] = [0, 0, 288, 432];
/// What a page may inherit from the tree above it, which is left behind when files are merged.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];

/// The labels of the booked orders of a report: made by [`Report::labels`].
#[must_use = "no label is fetched until it is asked for"]
pub struct Labels<'a, C> {
    report: &'a Report,
    client: &'a C,
}

impl Report {
    /// The labels of the booked orders, fetched with this client: the one that booked, or another of the same account.
    pub fn labels<'a, C: LabelSource>(&'a self, client: &'a C) -> Labels<'a, C> {
        Labels { report: self, client }
    }
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

/// A vendor's labels. Sealed: the clients of this crate.
pub trait LabelSource: Account + Send + Sync {
    /// Fetches the labels of some orders: of one batch, where the vendor has batches.
    #[doc(hidden)]
    fn fetch(&self, wanted: &[Wanted<'_>]) -> impl Future<Output = Vec<(usize, Result<Vec<Bytes>>)>> + Send;
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
        let path = path.as_ref();
        let rows: Vec<(&OrderId, &Booked)> =
            self.report.iter().filter_map(|(order, outcome)| Some((order, outcome.booked()?))).collect();
        let mut merger = Merger::new();
        let mut sheets: HashMap<usize, Result<Vec<ObjectId>>> = HashMap::new();
        let groups = groups(&rows);
        let fetches = groups.iter().map(|group| self.client.fetch(group)).collect::<Vec<_>>();
        let mut fetched = stream::iter(fetches).buffer_unordered(GROUPS_AT_ONCE);
        while let Some(labels) = fetched.next().await {
            for (place, files) in labels {
                sheets.insert(place, files.and_then(|files| merger.add_all(&files)));
            }
        }
        let mut index = LabelIndex::default();
        let mut kids = Vec::new();
        for (place, (order, _)) in rows.iter().enumerate() {
            match sheets.remove(&place).unwrap_or_else(|| Err(missing("the vendor gave no label"))) {
                Ok(pages) => {
                    index.pages.push(((*order).clone(), kids.len() + 1, pages.len()));
                    kids.extend(pages);
                }
                Err(error) => index.missing.push(((*order).clone(), error)),
            }
        }
        if kids.is_empty() {
            // Nothing to print: what an earlier run fetched stays.
            return Ok(index);
        }
        let pdf = merger.finish(kids)?;
        replace(path, &pdf)?;
        replace(&path.with_extension("pages.csv"), &table(&index, &rows)?)?;
        Ok(index)
    }
}

impl<C> fmt::Debug for Labels<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labels").finish_non_exhaustive()
    }
}

/// The orders by their batch, in the report's order; those without a batch in groups of their own.
fn groups<'a>(rows: &[(&OrderId, &'a Booked)]) -> Vec<Vec<Wanted<'a>>> {
    let mut groups: Vec<Vec<Wanted<'a>>> = Vec::new();
    let mut batches: HashMap<&str, usize> = HashMap::new();
    let mut loose: Option<usize> = None;
    for (place, (_, booked)) in rows.iter().enumerate() {
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

/// The index as CSV.
fn table(index: &LabelIndex, rows: &[(&OrderId, &Booked)]) -> Result<Vec<u8>> {
    let tracking: HashMap<&OrderId, &Booked> = rows.iter().copied().collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| Error::new(Kind::Io, format!("the index of the labels: {error}"));
    writer.write_record(["page", "order_id", "tracking"]).map_err(failed)?;
    for (order, page, _) in index.iter() {
        let tracking = tracking.get(order).map(|booked| booked.tracking.join(" ")).unwrap_or_default();
        writer.write_record([&page.to_string(), order.as_str(), &tracking]).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Error::new(Kind::Io, format!("the index of the labels: {error}")))
}

/// Writes a file beside its place, then puts it there: whoever looks sees all of it or nothing.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Error::new(Kind::Io, format!("{}: {error}", path.display()))
    })
}

pub(crate) fn missing(why: impl Into<String>) -> Error {
    Error::new(Kind::NotFound, why)
}

/// One PDF out of many.
struct Merger {
    document: Document,
    pages: ObjectId,
}

impl Merger {
    fn new() -> Self {
        let mut document = Document::with_version("1.5");
        let pages = document.new_object_id();
        Self { document, pages }
    }

    /// Takes in the files of one order. The ids of its pages.
    fn add_all(&mut self, files: &[Bytes]) -> Result<Vec<ObjectId>> {
        let mut pages = Vec::new();
        for file in files {
            pages.extend(self.add(file)?);
        }
        if pages.is_empty() { Err(missing("the label has no page")) } else { Ok(pages) }
    }

    fn add(&mut self, file: &[u8]) -> Result<Vec<ObjectId>> {
        let mut file = load(file)?;
        file.renumber_objects_with(self.document.max_id + 1);
        let pages: Vec<ObjectId> = file.page_iter().collect();
        let mut own = Vec::with_capacity(pages.len());
        for page in &pages {
            let inherited: Vec<_> =
                INHERITED.into_iter().filter_map(|key| Some((key, inherited(&file, *page, key)?))).collect();
            let mut dictionary = file.get_dictionary(*page).map_err(unreadable)?.clone();
            for (key, value) in inherited {
                dictionary.set(key, value);
            }
            dictionary.set("Parent", self.pages);
            own.push((*page, Object::Dictionary(dictionary)));
        }
        self.document.max_id = file.max_id;
        let tree = |object: &Object| object.type_name().is_ok_and(|name| name == b"Catalog" || name == b"Pages");
        self.document.objects.extend(file.objects.into_iter().filter(|(_, object)| !tree(object)));
        self.document.objects.extend(own);
        Ok(pages)
    }

    /// The PDF, with these pages in this order.
    fn finish(mut self, pages: Vec<ObjectId>) -> Result<Vec<u8>> {
        let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let kids: Vec<Object> = pages.into_iter().map(Object::from).collect();
        let size: Vec<Object> = PAGE.into_iter().map(Object::from).collect();
        self.document.objects.insert(
            self.pages,
            dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count, "MediaBox" => size }.into(),
        );
        let catalog = self.document.add_object(dictionary! { "Type" => "Catalog", "Pages" => self.pages });
        self.document.trailer.set("Root", catalog);
        let mut bytes = Vec::new();
        self.document.save_to(&mut bytes).map_err(|error| Error::new(Kind::Io, format!("the labels: {error}")))?;
        Ok(bytes)
    }
}

/// What a page has of its own or from the tree above it.
fn inherited(file: &Document, page: ObjectId, key: &[u8]) -> Option<Object> {
    let mut node = file.get_dictionary(page).ok()?;
    // A damaged tree may lead in a circle.
    for _ in 0..64 {
        if let Ok(value) = node.get(key) {
            return Some(value.clone());
        }
        node = file.get_dictionary(node.get(b"Parent").ok()?.as_reference().ok()?).ok()?;
    }
    None
}

fn load(file: &[u8]) -> Result<Document> {
    Document::load_mem(file).map_err(unreadable)
}

fn unreadable(error: lopdf::Error) -> Error {
    Error::new(Kind::Unreadable, format!("the label is no readable PDF: {error}"))
}

/// Cuts a batch's PDF files into one-page files, one for each of `names`, in their order, if it can be told which page
/// is whose: by a name printed on the page (a tracking number), or by place where no page holds a name.
pub(crate) fn cut(files: &[Bytes], names: &[&str]) -> Option<Vec<Bytes>> {
    let mut pages = Vec::new();
    for file in files {
        let document = load(file).ok()?;
        for (number, id) in document.get_pages() {
            pages.push((text(&document, number), single(&document, id)?));
        }
    }
    if pages.len() != names.len() {
        return None;
    }
    let owners: Vec<Option<usize>> = pages.iter().map(|(text, _)| owner(text, names)).collect();
    let order: Vec<usize> = if owners.iter().all(Option::is_none) {
        (0..pages.len()).collect()
    } else {
        owners.into_iter().collect::<Option<_>>()?
    };
    let mut cut: Vec<Option<Bytes>> = vec![None; names.len()];
    for ((_, page), place) in pages.into_iter().zip(order) {
        if cut[place].replace(page).is_some() {
            return None;
        }
    }
    cut.into_iter().collect()
}

/// The letters and digits on a page: carriers print their numbers in groups.
fn text(document: &Document, page: u32) -> String {
    let text = document.extract_text(&[page]).unwrap_or_default();
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Whose page it is, if exactly one name stands on it.
fn owner(text: &str, names: &[&str]) -> Option<usize> {
    let mut found = (0..names.len()).filter(|place| !names[*place].is_empty() && text.contains(names[*place]));
    found.next().filter(|_| found.next().is_none())
}

/// One page as a file of its own.
fn single(document: &Document, page: ObjectId) -> Option<Bytes> {
    let mut own = Document::with_version("1.5");
    let pages = (document.max_id + 1, 0);
    own.max_id = document.max_id + 1;
    let mut dictionary = document.get_dictionary(page).ok()?.clone();
    for key in INHERITED {
        if let Some(value) = inherited(document, page, key) {
            dictionary.set(key, value);
        }
    }
    dictionary.set("Parent", pages);
    let mut wanted = references(&Object::Dictionary(dictionary.clone()));
    own.objects.insert(page, Object::Dictionary(dictionary));
    while let Some(id) = wanted.pop() {
        if id == pages || own.objects.contains_key(&id) {
            continue;
        }
        let Ok(object) = document.get_object(id) else { continue };
        wanted.extend(references(object));
        own.objects.insert(id, object.clone());
    }
    let kids: Vec<Object> = vec![page.into()];
    own.objects.insert(pages, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => 1 }.into());
    let catalog = own.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    own.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    own.save_to(&mut bytes).ok()?;
    Some(bytes.into())
}

fn references(object: &Object) -> Vec<ObjectId> {
    match object {
        Object::Reference(id) => vec![*id],
        Object::Array(values) => values.iter().flat_map(references).collect(),
        Object::Dictionary(values) => values.iter().flat_map(|(_, value)| references(value)).collect(),
        Object::Stream(stream) => stream.dict.iter().flat_map(|(_, value)| references(value)).collect(),
        _ => Vec::new(),
    }
}
