//! A file that is on its way.

use std::path::Path;

use reqwest::{
    Response, StatusCode,
    header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE},
};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::Broken;
use crate::{Error, Result, error::Kind, retry::Attempt};

/// The most bytes of one file. A merged file of a hundred labels has a few megabytes.
const LIMIT: u64 = 64 * 1024 * 1024;
/// What a PDF begins with.
const HEAD: &[u8] = b"%PDF-";

/// A PDF as far as it came.
pub(crate) struct Partial {
    file: File,
    length: u64,
    head: Vec<u8>,
    /// By this the server knows the file again.
    etag: Option<HeaderValue>,
}

impl Partial {
    pub(crate) async fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).await.map_err(|error| unwritten(&error))?;
        Ok(Self { file, length: 0, head: Vec::new(), etag: None })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn ask_for_the_rest(&self, headers: &mut HeaderMap) {
        if let Some(etag) = self.etag.as_ref().filter(|_| self.length > 0)
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", self.length))
        {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, etag.clone());
        }
    }

    /// Looks at an answer's head: whether it can be a PDF, and from where on it has it.
    pub(super) async fn begin(&mut self, response: &Response) -> Result<(), Broken> {
        let headers = response.headers();
        if let Some(kind) = foreign(headers) {
            let error = Error::new(Kind::Unreadable, format!("the address leads to {kind}, not to a PDF"));
            return Err(Broken::for_good(error));
        }
        let goes_on = response.status() == StatusCode::PARTIAL_CONTENT && starts_at(headers) == Some(self.length);
        if !goes_on {
            self.start_over().await.map_err(Broken::for_good)?;
        }
        if response.status() == StatusCode::PARTIAL_CONTENT && !goes_on {
            let error = Error::new(Kind::Unreadable, "the server gave another part of the file than was asked for");
            return Err(Broken { attempt: Attempt::Doubt(None), error });
        }
        // A weak one stands for files that differ.
        self.etag = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/")).cloned();
        Ok(())
    }

    pub(crate) async fn start_over(&mut self) -> Result<()> {
        self.file.set_len(0).await.map_err(|error| unwritten(&error))?;
        self.file.rewind().await.map_err(|error| unwritten(&error))?;
        self.length = 0;
        self.head.clear();
        self.etag = None;
        Ok(())
    }

    pub(super) async fn take(&mut self, mut response: Response) -> Result<(), Broken> {
        while let Some(chunk) = response.chunk().await.map_err(Broken::midway)? {
            self.add(&chunk).await.map_err(Broken::for_good)?;
        }
        Ok(())
    }

    /// Adds what came, unless it cannot be a label.
    pub(crate) async fn add(&mut self, chunk: &[u8]) -> Result<()> {
        let missing = HEAD.len().saturating_sub(self.head.len());
        self.head.extend_from_slice(&chunk[..missing.min(chunk.len())]);
        if !HEAD.starts_with(&self.head) {
            return Err(Error::new(Kind::Unreadable, "the file is no PDF"));
        }
        self.length += chunk.len() as u64;
        if self.length > LIMIT {
            return Err(Error::new(Kind::Unreadable, format!("the file is larger than {LIMIT} bytes")));
        }
        self.file.write_all(chunk).await.map_err(|error| unwritten(&error))
    }

    pub(crate) async fn finish(mut self) -> Result<()> {
        if self.head != HEAD {
            return Err(Error::new(Kind::Unreadable, "the file is no PDF"));
        }
        // The last write may be under way yet.
        self.file.flush().await.map_err(|error| unwritten(&error))
    }
}

/// What an answer holds, if that can be no PDF. File stores are careless about the type of what they keep; an error page
/// or a login page is what it says it is.
fn foreign(headers: &HeaderMap) -> Option<&str> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    (kind.starts_with("text/") || kind.ends_with("json") || kind.ends_with("xml")).then_some(kind)
}

/// Where a part of a file begins: `bytes 100-199/200`.
fn starts_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

fn unwritten(error: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("the label could not be written: {error}"))
}
