//! Files that a vendor names by their address: fetched without the account's token, bounded, and checked.
//!
//! A download that breaks off goes on where it stopped, if the server says by an `ETag` that the file is still the same;
//! else it starts over.

use std::path::Path;

use reqwest::{Method, Request, Response, Url};

use crate::{Error, Result, Transport, error::Kind, retry::Attempt};

mod partial;
mod tries;

pub(crate) use partial::Partial;
pub(crate) use tries::Tries;

/// How often an address may lead to another: file stores redirect once or twice.
const REDIRECTS: usize = 4;

/// A client that knows no token: an address in an answer may lead to any host.
#[derive(Debug)]
pub(crate) struct Downloads(reqwest::Client);

impl Downloads {
    pub(crate) fn new() -> Result<Self> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::limited(REDIRECTS))
            .build()
            .map_err(|error| Error::input("the client for downloads could not be set up").with_source(error))?;
        Ok(Self(client))
    }

    /// Fetches a PDF into a file. A download moves no money: it is repeated like a read of this account.
    pub(crate) async fn pdf(&self, transport: &Transport, address: &str, path: &Path) -> Result<()> {
        let url = Url::parse(address).map_err(|error| Error::input(format!("address of a file: {error}")))?;
        let mut file = Partial::create(path).await?;
        let mut tries = Tries::new(transport);
        loop {
            let error = match self.once(transport, &url, &mut file).await {
                Ok(()) => return file.finish().await,
                Err(Broken { attempt, error }) if tries.again(attempt).await => error,
                Err(Broken { error, .. }) => return Err(error.after(tries.sent(), false)),
            };
            tracing::debug!(at = file.length(), %error, "a download goes on");
        }
    }

    async fn once(&self, transport: &Transport, url: &Url, file: &mut Partial) -> Result<(), Broken> {
        let mut request = Request::new(Method::GET, url.clone());
        *request.timeout_mut() = Some(transport.timeouts().read);
        file.ask_for_the_rest(request.headers_mut());
        let (result, attempt) = transport.fetch(&self.0, request).await;
        let response = result.map_err(|error| Broken { attempt, error: Error::from_transport(error) })?;
        if !response.status().is_success() {
            return Err(Broken { attempt, error: refused(response).await });
        }
        file.begin(&response).await?;
        file.take(response).await
    }
}

/// Why there is no file at this address. That a good address ends is no fault: a fresh one may do.
async fn refused(response: Response) -> Error {
    match response.status().as_u16() {
        status @ (401 | 403 | 404 | 410) => {
            Error::new(Kind::NotFound, format!("the address of the file is no longer valid (HTTP {status})"))
        }
        _ => Error::from_response(response).await,
    }
}

/// What an attempt failed with, and what that means for the next one.
pub(crate) struct Broken {
    pub(crate) attempt: Attempt,
    pub(crate) error: Error,
}

impl Broken {
    /// The same would come again.
    pub(crate) fn for_good(error: Error) -> Self {
        Self { attempt: Attempt::Answered, error }
    }

    /// The next attempt may do better.
    pub(crate) fn midway(error: reqwest::Error) -> Self {
        Self { attempt: Attempt::Doubt(None), error: Error::from_transport(error) }
    }
}

#[cfg(test)]
mod tests;
