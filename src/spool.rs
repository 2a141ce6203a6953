//! A file in base64, decoded and written while it comes.
//!
//! Whatever goes wrong with the file is told at the end: what it is read from must be read all the same.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use base64::{
    Engine,
    engine::{Simd, general_purpose::PAD},
};
use bytes::Bytes;
use reqwest::Response;
use tokio::{fs::File, io::AsyncWriteExt};

use crate::{Error, Result, error::Kind, sieve::Sieve};

/// How many letters are decoded at a time, at least. Few where it is fuzzed, to have more than one block.
const BLOCK: usize = if cfg!(test) { 16 } else { 64 * 1024 };
/// What the file is written by, at least.
const WRITE: usize = 256 * 1024;

/// A file that a string of an answer goes to.
pub(crate) struct Spooled {
    path: PathBuf,
    /// Of the last answer: a call that is repeated begins the file anew.
    outcome: Mutex<Option<Result<()>>>,
}

impl Spooled {
    pub(crate) fn to(path: &Path) -> Self {
        Self { path: path.to_owned(), outcome: Mutex::default() }
    }

    /// All of an answer but the string.
    pub(crate) async fn read(&self, mut sieve: Sieve, response: &mut Response) -> reqwest::Result<Bytes> {
        let (mut spool, mut json) = (Spool::create(&self.path).await, Vec::new());
        while let Some(piece) = response.chunk().await? {
            sieve.push(&piece, &mut json, |letters| spool.push(letters));
            spool.write().await;
        }
        let outcome = spool.finish().await;
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        Ok(json.into())
    }

    /// Whether the file is whole.
    pub(crate) fn outcome(&self) -> Result<()> {
        let outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner).take();
        outcome.unwrap_or_else(|| Err(Error::new(Kind::NotFound, "there was no answer to take the labels from")))
    }
}

/// A file that is being written.
struct Spool {
    file: Option<File>,
    engine: Simd,
    /// Letters yet to be decoded.
    letters: Vec<u8>,
    /// Bytes yet to be written.
    bytes: Vec<u8>,
    empty: bool,
    /// Whether the last letters were padding: no more may come.
    ended: bool,
    failed: Option<Error>,
}

impl Spool {
    /// An empty file in this place.
    async fn create(path: &Path) -> Self {
        let (file, failed) = match File::create(path).await {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(Error::new(Kind::Io, format!("{}: {error}", path.display())))),
        };
        Self::into(file, failed)
    }

    fn into(file: Option<File>, failed: Option<Error>) -> Self {
        let engine = Simd::standard(PAD);
        Self { file, engine, letters: Vec::new(), bytes: Vec::new(), empty: true, ended: false, failed }
    }

    /// Takes more letters.
    fn push(&mut self, letters: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let mut rest = letters;
        if rest.len() >= BLOCK {
            // A long run is decoded where it is, after the letters that were left before it.
            let (missing, run) = rest.split_at(self.letters.len().next_multiple_of(4) - self.letters.len());
            self.letters.extend_from_slice(missing);
            self.decode_gathered();
            let (run, left) = run.split_at(run.len() / 4 * 4);
            self.decode(run);
            rest = left;
        }
        self.letters.extend_from_slice(rest);
        if self.letters.len() >= BLOCK {
            self.decode_gathered();
        }
    }

    /// Decodes the letters that have gathered, but for those that make no whole bytes yet.
    fn decode_gathered(&mut self) {
        // Four letters make three bytes.
        let whole = self.letters.len() / 4 * 4;
        let mut letters = std::mem::take(&mut self.letters);
        self.decode(&letters[..whole]);
        letters.drain(..whole);
        self.letters = letters;
    }

    /// Decodes all letters that there are: no more come.
    fn decode_rest(&mut self) {
        let letters = std::mem::take(&mut self.letters);
        self.decode(&letters);
    }

    fn decode(&mut self, letters: &[u8]) {
        // Each block may end in padding of its own: only the last one of the file does.
        let decoded = match self.engine.decode_vec(letters, &mut self.bytes) {
            Ok(()) if self.ended && !letters.is_empty() => Err("letters after the padding".to_owned()),
            decoded => decoded.map_err(|error| error.to_string()),
        };
        self.ended |= letters.ends_with(b"=");
        if let Err(why) = decoded {
            self.failed = Some(Error::new(Kind::Unreadable, format!("the labels are not base64: {why}")));
        }
    }

    /// Writes what has gathered, once it is worth it.
    async fn write(&mut self) {
        if self.bytes.len() >= WRITE {
            self.write_all().await;
        }
    }

    async fn write_all(&mut self) {
        let Some(file) = self.file.as_mut().filter(|_| self.failed.is_none()) else { return };
        self.empty &= self.bytes.is_empty();
        if let Err(error) = file.write_all(&self.bytes).await {
            self.failed = Some(unwritten(&error));
        }
        self.bytes.clear();
    }

    /// Writes the rest. An empty file counts as none.
    async fn finish(mut self) -> Result<()> {
        self.decode_rest();
        self.write_all().await;
        if let Some(file) = &mut self.file {
            // The last write may be under way yet.
            file.flush().await.map_err(|error| unwritten(&error))?;
        }
        match self.failed {
            Some(error) => Err(error),
            None if self.empty => Err(Error::new(Kind::NotFound, "the answer holds no labels")),
            None => Ok(()),
        }
    }
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("the labels could not be written: {error}"))
}

#[cfg(test)]
mod tests {
    use std::{fmt, time::Duration};

    use base64::prelude::BASE64_STANDARD;
    use serde::{
        Deserialize, Deserializer,
        de::{MapAccess, Visitor},
    };
    use serde_json::Value;

    use super::*;

    async fn spooled(pieces: &[&[u8]]) -> (Result<()>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.pdf");
        let mut spool = Spool::create(&path).await;
        for piece in pieces {
            spool.push(piece);
            spool.write().await;
        }
        (spool.finish().await, std::fs::read(path).unwrap())
    }

    #[tokio::test]
    async fn what_comes_in_pieces_is_written_whole() {
        let bytes: Vec<u8> =
            (0..1_000_003_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1]).collect();
        let letters = BASE64_STANDARD.encode(&bytes);
        let pieces: Vec<&[u8]> = letters.as_bytes().chunks(70_001).collect();
        let (result, written) = spooled(&pieces).await;
        assert_eq!((result, written.len()), (Ok(()), bytes.len()));
        assert!(written == bytes);
    }

    #[tokio::test]
    async fn what_is_not_base64_is_told_at_the_end() {
        let long = vec![b'A'; 3 * BLOCK];
        for pieces in [&[&b"A\0BC"[..]][..], &[b"ABC"], &[b"AB==", &long, &long], &[b"QUJDQUJDQUJDQQ==", b"QUJD"]] {
            let (result, _) = spooled(pieces).await;
            let error = result.unwrap_err();
            assert!(error.message().starts_with("the labels are not base64"), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_no_file() {
        assert!(spooled(&[]).await.0.unwrap_err().is_not_found());
    }

    /// What stays of an answer and the file of its labels, where they are base64.
    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Option<Vec<u8>>) {
        let (mut sieve, mut json) = (Sieve::new("labelsPdf"), Vec::new());
        let mut spool = Spool::into(None, None);
        for piece in pieces {
            sieve.push(piece, &mut json, |letters| spool.push(letters));
        }
        spool.decode_rest();
        (json, spool.failed.is_none().then_some(spool.bytes))
    }

    /// The same by serde: the answer with `""` for its labels, and their bytes where they are base64. None of what is no
    /// such answer, or spells a name in escapes.
    fn read_whole(answer: &[u8]) -> Option<(Value, Option<Vec<u8>>)> {
        let Object(fields) = serde_json::from_slice(answer).ok()?;
        let mut labels = fields.iter().filter(|(name, _)| *name == "labelsPdf");
        let (Some((_, Value::String(letters))), None) = (labels.next(), labels.next()) else { return None };
        let bytes = BASE64_STANDARD.decode(letters.replace(['\n', '\r', '\t'], "")).ok();
        let empty = |name: &str| (name == "labelsPdf").then(|| Value::from(""));
        let rest = fields.into_iter().map(|(name, value)| (name.to_owned(), empty(name).unwrap_or(value)));
        Some((Value::Object(rest.collect()), bytes))
    }

    /// The fields of an object, in the text's order, all of them.
    struct Object<'a>(Vec<(&'a str, Value)>);

    impl<'de> Deserialize<'de> for Object<'de> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Fields;

            impl<'de> Visitor<'de> for Fields {
                type Value = Object<'de>;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                    let mut fields = Vec::new();
                    while let Some(field) = map.next_entry()? {
                        fields.push(field);
                    }
                    Ok(Object(fields))
                }
            }

            deserializer.deserialize_map(Fields)
        }
    }

    /// A fuzz target: the first two bytes say how the rest, an answer, is cut.
    #[test]
    fn an_answer_is_read_the_same_however_it_is_cut() {
        bolero::check!(name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/labels"))
            .with_iterations(100)
            .with_test_time(Duration::MAX)
            .for_each(|bytes: &[u8]| {
                let [first, further, answer @ ..] = bytes else { return };
                let (head, tail) = answer.split_at(usize::from(*first).min(answer.len()));
                let pieces: Vec<&[u8]> = [head].into_iter().chain(tail.chunks(usize::from(*further).max(1))).collect();
                let cut = read(&pieces);
                assert_eq!(cut, read(&[answer]));
                if let Some((rest, labels)) = read_whole(answer) {
                    assert_eq!(serde_json::from_slice::<Value>(&cut.0).unwrap(), rest);
                    assert_eq!(cut.1, labels);
                }
            });
    }
}
