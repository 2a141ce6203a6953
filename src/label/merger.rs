//! One PDF out of many, written object by object: neither the files nor the result are ever all in memory.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
};

use lopdf::{Dictionary, Document, Object, ObjectId, Writer, dictionary};
use sha2::{Digest, Sha256};

use crate::{Error, Result, error::Kind};

/// What a page is taken to measure where its file does not say: 4 by 6 inches, a parcel label.
const PAGE: [i64; 4] = [0, 0, 288, 432];
/// What a page may inherit from the tree above it, which is left behind.
const INHERITED: [&[u8]; 4] = [b"Resources", b"MediaBox", b"CropBox", b"Rotate"];
/// The objects that the merged file has of its own.
const CATALOG: u32 = 1;
const TREE: u32 = 2;
/// A header of a version that knows all that labels have, and a line that marks the file as binary.
const HEADER: &[u8] = b"%PDF-1.7\n%\xE2\xE3\xCF\xD3\n";

/// A PDF that is being written.
pub(crate) struct Merger {
    file: BufWriter<File>,
    hash: Sha256,
    length: u64,
    /// Where each object begins, by its number; 0 is none.
    places: Vec<u64>,
    /// The file that was copied from last, and what of it has which number: labels of one file share fonts and pictures.
    from: Option<Arc<Path>>,
    numbers: HashMap<ObjectId, u32>,
}

/// The number of a page in the merged file.
pub(crate) type PageNumber = u32;

impl Merger {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = BufWriter::new(File::create(path).map_err(unwritten)?);
        let places = vec![0; TREE as usize + 1];
        let mut merger = Self { file, hash: Sha256::new(), length: 0, places, from: None, numbers: HashMap::new() };
        merger.put(HEADER)?;
        Ok(merger)
    }

    /// Copies these pages of a file, with all that they need; for each its number here.
    pub(crate) fn copy(&mut self, path: &Arc<Path>, file: &Document, wanted: &[ObjectId]) -> Result<Vec<PageNumber>> {
        if self.from.as_ref() != Some(path) {
            self.from = Some(path.clone());
            self.numbers.clear();
        }
        let mut copy =
            Copy { file, numbers: std::mem::take(&mut self.numbers), next: self.places.len(), queue: vec![] };
        let pages: Vec<PageNumber> = wanted.iter().map(|page| copy.number(*page)).collect();
        copy.queue.clear();
        for (page, number) in wanted.iter().zip(&pages) {
            let mut page = copy.moved_all(page_alone(file, *page));
            page.set("Parent", Object::Reference((TREE, 0)));
            self.write(*number, &page.into())?;
        }
        while let Some((id, number)) = copy.queue.pop() {
            let object = copy.moved(file.objects.get(&id).cloned().unwrap_or(Object::Null));
            self.write(number, &object)?;
        }
        self.numbers = copy.numbers;
        Ok(pages)
    }

    fn write(&mut self, number: u32, object: &Object) -> Result<()> {
        let place = number as usize;
        if self.places.len() <= place {
            self.places.resize(place + 1, 0);
        }
        self.places[place] = self.length;
        let mut bytes = format!("{number} 0 obj\n").into_bytes();
        Writer::write_object(&mut bytes, object).map_err(unwritten)?;
        bytes.extend_from_slice(b"\nendobj\n");
        self.put(&bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        self.file.write_all(bytes).map_err(unwritten)
    }

    /// Ends the file, with these of its pages, in this order. Its SHA-256, in hex.
    pub(crate) fn finish(mut self, pages: &[PageNumber]) -> Result<String> {
        let kids: Vec<Object> = pages.iter().map(|page| Object::Reference((*page, 0))).collect();
        let size: Vec<Object> = PAGE.into_iter().map(Object::from).collect();
        let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let tree = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count, "MediaBox" => size };
        self.write(TREE, &tree.into())?;
        let catalog = dictionary! { "Type" => "Catalog", "Pages" => Object::Reference((TREE, 0)) };
        self.write(CATALOG, &catalog.into())?;
        self.put(&self.end())?;
        self.file.into_inner().map_err(|error| unwritten(error.into_error()))?.sync_all().map_err(unwritten)?;
        Ok(self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The table of all objects, in lines of twenty bytes.
    fn end(&self) -> Vec<u8> {
        let size = self.places.len();
        let mut end = format!("xref\n0 {size}\n0000000000 65535 f \n");
        for place in self.places.iter().skip(1) {
            let used = if *place == 0 { 'f' } else { 'n' };
            end.push_str(&format!("{place:010} 00000 {used} \n"));
        }
        end.push_str(&format!("trailer\n<</Size {size}/Root {CATALOG} 0 R>>\nstartxref\n{}\n%%EOF\n", self.length));
        end.into_bytes()
    }
}

/// What is copied of one file.
struct Copy<'a> {
    file: &'a Document,
    numbers: HashMap<ObjectId, u32>,
    next: usize,
    /// What has a number and is yet to be written.
    queue: Vec<(ObjectId, u32)>,
}

impl Copy<'_> {
    fn number(&mut self, id: ObjectId) -> u32 {
        if let Some(number) = self.numbers.get(&id) {
            return *number;
        }
        let number = u32::try_from(self.next).unwrap_or(u32::MAX);
        self.next += 1;
        self.numbers.insert(id, number);
        self.queue.push((id, number));
        number
    }

    /// The same object, its references as they are in the merged file.
    fn moved(&mut self, object: Object) -> Object {
        match object {
            Object::Reference(id) if self.stays_behind(id) => Object::Null,
            Object::Reference(id) => Object::Reference((self.number(id), 0)),
            Object::Array(values) => values.into_iter().map(|value| self.moved(value)).collect::<Vec<_>>().into(),
            Object::Dictionary(values) => Object::Dictionary(self.moved_all(values)),
            Object::Stream(mut stream) => {
                stream.dict = self.moved_all(stream.dict);
                // It may have been an object of its own.
                stream.dict.set("Length", i64::try_from(stream.content.len()).unwrap_or(i64::MAX));
                Object::Stream(stream)
            }
            plain => plain,
        }
    }

    fn moved_all(&mut self, values: Dictionary) -> Dictionary {
        values.into_iter().map(|(key, value)| (key, self.moved(value))).collect()
    }

    /// The tree of the file and its other pages, to which a link on a page may lead; and what is not there.
    fn stays_behind(&self, id: ObjectId) -> bool {
        if self.numbers.contains_key(&id) {
            return false;
        }
        let tree =
            |object: &Object| object.type_name().is_ok_and(|name| [&b"Catalog"[..], b"Pages", b"Page"].contains(&name));
        self.file.objects.get(&id).is_none_or(tree)
    }
}

/// A page with all that it inherits from the tree above it, and without that tree.
fn page_alone(file: &Document, page: ObjectId) -> Dictionary {
    let mut alone = file.get_dictionary(page).cloned().unwrap_or_default();
    for key in INHERITED {
        if let Some(value) = inherited(file, page, key) {
            alone.set(key, value);
        }
    }
    alone.remove(b"Parent");
    alone
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

fn unwritten(error: io::Error) -> Error {
    Error::new(Kind::Io, format!("the labels could not be written: {error}"))
}

#[cfg(test)]
mod tests {
    use lopdf::Stream;

    use super::*;

    /// A file of pages that inherit their size and share a picture; each links to the first one.
    fn file(names: &[&str]) -> Document {
        let mut file = Document::with_version("1.4");
        let tree = file.new_object_id();
        let picture = file.add_object(Stream::new(dictionary! {}, b"picture".to_vec()));
        let ids: Vec<ObjectId> = names.iter().map(|_| file.new_object_id()).collect();
        for (id, name) in ids.iter().zip(names) {
            let content = file.add_object(Stream::new(dictionary! {}, name.as_bytes().to_vec()));
            let page = dictionary! {
                "Type" => "Page", "Parent" => tree, "Contents" => content, "Picture" => picture, "Link" => ids[0],
            };
            file.objects.insert(*id, page.into());
        }
        let count = i64::try_from(ids.len()).unwrap();
        let kids: Vec<Object> = ids.into_iter().map(Object::from).collect();
        let size: Vec<Object> = vec![0.into(), 0.into(), 100.into(), 150.into()];
        let pages = dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count, "MediaBox" => size };
        file.objects.insert(tree, pages.into());
        let catalog = file.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
        file.trailer.set("Root", catalog);
        file
    }

    fn page(file: &Document, number: u32) -> ObjectId {
        file.get_pages()[&number]
    }

    #[test]
    fn pages_of_several_files_come_in_the_order_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merged.pdf");
        let (one, two) = (file(&["A", "B", "C"]), file(&["D"]));
        let mut merger = Merger::create(&path).unwrap();
        let first = merger.copy(&Path::new("1").into(), &one, &[page(&one, 2)]).unwrap();
        let second = merger.copy(&Path::new("1").into(), &one, &[page(&one, 1)]).unwrap();
        let third = merger.copy(&Path::new("2").into(), &two, &[page(&two, 1)]).unwrap();
        let hash = merger.finish(&[third, first, second].concat()).unwrap();

        let written = std::fs::read(&path).unwrap();
        let hashed: String = Sha256::digest(&written).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, hashed);
        let merged = Document::load_mem(&written).unwrap();
        let pages: Vec<ObjectId> = merged.page_iter().collect();
        let contents: Vec<Vec<u8>> = pages.iter().map(|page| merged.get_page_content(*page)).collect();
        assert_eq!(
            contents.concat().iter().filter(|byte| byte.is_ascii_alphabetic()).copied().collect::<Vec<_>>(),
            b"DBA"
        );
        for page in &pages {
            let size = merged.get_dictionary(*page).unwrap().get(b"MediaBox").unwrap().as_array().unwrap();
            assert_eq!(size.last().unwrap().as_i64().unwrap(), 150, "what a page inherited is its own now");
        }
        let pictures = written.windows(7).filter(|bytes| bytes == b"picture").count();
        assert_eq!(pictures, 2, "what pages of one file share is copied once");
        let all = merged.objects.values().filter(|object| object.type_name().is_ok_and(|name| name == b"Page")).count();
        assert_eq!(all, 3, "no page comes along that nobody asked for");
    }
}
