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

/// How many letters are decoded at a time, at least.
const BLOCK: usize = 64 * 1024;
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
    pub(crate) async fn read(&self, mut sieve: Sieve, mut response: Response) -> reqwest::Result<Bytes> {
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
    failed: Option<Error>,
}

impl Spool {
    /// An empty file in this place.
    async fn create(path: &Path) -> Self {
        let (file, failed) = match File::create(path).await {
            Ok(file) => (Some(file), None),
            Err(error) => (None, Some(Error::new(Kind::Io, format!("{}: {error}", path.display())))),
        };
        Self { file, engine: Simd::standard(PAD), letters: Vec::new(), bytes: Vec::new(), empty: true, failed }
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

    fn decode(&mut self, letters: &[u8]) {
        if let Err(error) = self.engine.decode_vec(letters, &mut self.bytes) {
            self.failed = Some(Error::new(Kind::Unreadable, format!("the labels are not base64: {error}")));
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
        let letters = std::mem::take(&mut self.letters);
        self.decode(&letters);
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
    use base64::prelude::BASE64_STANDARD;

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
        for pieces in [&[&b"A\0BC"[..]][..], &[b"ABC"], &[b"AB==", &long, &long]] {
            let (result, _) = spooled(pieces).await;
            let error = result.unwrap_err();
            assert!(error.message().starts_with("the labels are not base64"), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_no_file() {
        assert!(spooled(&[]).await.0.unwrap_err().is_not_found());
    }
}
