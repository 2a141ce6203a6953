//! Files that a vendor names by their address: fetched without the account's token, bounded, and checked.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::{Error, Result, error::Kind};

/// The most bytes of one file. A merged file of a hundred labels has a few megabytes.
const LIMIT: usize = 64 * 1024 * 1024;
/// Until a whole file is there.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How often an address may lead to another: file stores redirect once or twice.
const REDIRECTS: usize = 4;

/// A client that knows no token: an address in an answer may lead to any host.
pub(crate) struct Downloads(reqwest::Client);

impl Downloads {
    pub(crate) fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
            .build()
            .map_err(|error| Error::input("the client for downloads could not be set up").with_source(error))?;
        Ok(Self(client))
    }

    /// A PDF.
    pub(crate) async fn pdf(&self, address: &str) -> Result<Bytes> {
        let mut response = self.0.get(address).send().await.map_err(Error::from_transport)?;
        if !response.status().is_success() {
            return Err(Error::from_response(response).await);
        }
        let mut file = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(Error::from_transport)? {
            if file.len() + chunk.len() > LIMIT {
                return Err(Error::new(Kind::Unreadable, format!("the file is larger than {LIMIT} bytes")));
            }
            file.extend_from_slice(&chunk);
        }
        if !file.starts_with(b"%PDF-") {
            return Err(Error::new(Kind::Unreadable, "the file is no PDF"));
        }
        Ok(file.freeze())
    }
}
