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

/// How often a file is asked for.
const TRIES: u32 = 4;
/// Before the second try; it doubles with each further one.
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// The longest wait, whatever the server asks for.
const LONGEST_DELAY: Duration = Duration::from_secs(20);

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

    /// A PDF. A download moves no money: one that fails on the way is tried again.
    pub(crate) async fn pdf(&self, address: &str) -> Result<Bytes> {
        let mut delay = FIRST_DELAY;
        for _ in 1..TRIES {
            match self.once(address).await {
                Err(error) if error.may_have_booked() || error.is_throttled() || !error.was_sent() => {
                    tokio::time::sleep(error.retry_after().unwrap_or(delay).min(LONGEST_DELAY)).await;
                    delay *= 2;
                }
                result => return result,
            }
        }
        self.once(address).await
    }

    async fn once(&self, address: &str) -> Result<Bytes> {
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
