//! The three vendors, and what their clients are built from.
//!
//! ```
//! use shipbatch::{deftship, smartsend, xps};
//!
//! let smartsend = smartsend::Client::builder("team-7").token("…").build()?;
//! let xps = xps::Client::builder("TEST00002").token("…").base_url("https://prostarparcel.com/restapi/v1").build()?;
//! let deftship = deftship::Client::builder("warehouse-2").token("…").build()?;
//! # Ok::<(), shipbatch::Error>(())
//! ```

use std::{fmt, future::Future, marker::PhantomData, str::FromStr};

use bytes::Bytes;
use progenitor_client::ResponseValue;
use reqwest::{Url, header::HeaderValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Operation, Result, RetryPolicy, Timeouts, Transport,
    error::Kind,
    transport::{Sent, Unread, request_id, unread},
};

pub mod deftship;
#[cfg(test)]
mod fuzz;
pub mod smartsend;
pub mod xps;

/// One of the three vendors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Vendor {
    /// Smart Send, REST API v2.
    SmartSend,
    /// XPS Ship and its white labels, `restapi/v1`.
    Xps,
    /// Deftship.
    Deftship,
}

impl Vendor {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SmartSend, Self::Xps, Self::Deftship];

    /// The name in journals, in reports and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::SmartSend => "smartsend",
            Self::Xps => "xps",
            Self::Deftship => "deftship",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Vendor {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let vendor = Self::ALL.into_iter().find(|vendor| vendor.name() == name);
        vendor.ok_or_else(|| Error::input(format!("vendor {name:?}: not one of smartsend, xps, deftship")))
    }
}

/// What a vendor's client is built from. The same for all three; `C` is the client that [`build`](Self::build) gives.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder<C> {
    pub(crate) account: String,
    pub(crate) token: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) rate: Option<u32>,
    /// The last part of the address of the one call whose address is inferred (Smart Send).
    pub(crate) dispatch: Option<String>,
    client: PhantomData<fn() -> C>,
}

impl<C: Account> Builder<C> {
    pub(crate) fn new(account: String) -> Self {
        Self {
            account,
            token: None,
            base_url: None,
            user_agent: concat!("shipbatch/", env!("CARGO_PKG_VERSION")).to_owned(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            rate: None,
            dispatch: None,
            client: PhantomData,
        }
    }

    /// The account's API token or key. It is sent to the configured host alone, and shown nowhere.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Where the API is, in place of the vendor's documented address: a white label, a sandbox, a test server. `https`
    /// anywhere, `http` on this machine alone.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The product that calls, as `name/version (comment)`: Smart Send asks for it (its page on debugging).
    pub fn user_agent(mut self, product: impl Into<String>) -> Self {
        self.user_agent = product.into();
        self
    }

    /// How long calls may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How often and how slowly calls are repeated.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// How many calls a minute may leave, of all clones of the client together, evenly spaced. Any number unless set;
    /// whatever the rate, a vendor that asks to slow down is heeded.
    pub fn rate(mut self, per_minute: u32) -> Self {
        self.rate = Some(per_minute);
        self
    }

    /// The client. Nothing is sent.
    ///
    /// # Errors
    /// If the token is missing or cannot stand in a header, if the account is empty, or if the address is not an HTTP
    /// one.
    pub fn build(self) -> Result<C> {
        let vendor = C::VENDOR;
        let account = self.account.as_str();
        if account.is_empty() || account == "." || account == ".." {
            return Err(Error::input(format!("{vendor}: {account:?} is no account")));
        }
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Error::input(format!("{vendor}: no token is set")))?;
        let authorization = HeaderValue::from_str(&format!("{} {token}", C::SCHEME))
            .map_err(|_| Error::input(format!("{vendor}: the token holds a character that no header can")))?;
        // A trailing slash would give `//` in every address.
        let address = self.base_url.as_deref().unwrap_or(C::BASE_URL).trim_end_matches('/');
        let base = Url::parse(address)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none())
            .filter(|url| url.username().is_empty() && url.password().is_none())
            .ok_or_else(|| {
                // What stands before an `@` may be a password.
                let shown = if address.contains('@') { "the base URL".to_owned() } else { format!("{address:?}") };
                Error::input(format!("{vendor}: {shown} is not the address of an API"))
            })?;
        if base.scheme() == "http" && !is_local(&base) {
            return Err(Error::input(format!("{vendor}: {address}: the token would go out in clear; use https")));
        }
        C::assemble(self.account.clone(), address, Transport::new(vendor, base, authorization, &self, C::OPERATIONS)?)
    }
}

/// This machine itself: where sandboxes and test servers are.
fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("account", &self.account).finish_non_exhaustive()
    }
}

/// A vendor's client, as its builder sees it. Sealed: the three clients of this crate.
pub trait Account: Sized + sealed::Sealed {
    #[doc(hidden)]
    const VENDOR: Vendor;
    #[doc(hidden)]
    const BASE_URL: &'static str;
    #[doc(hidden)]
    const SCHEME: &'static str;
    #[doc(hidden)]
    const OPERATIONS: &'static [Operation];
    #[doc(hidden)]
    fn assemble(account: String, base_url: &str, transport: Transport) -> Result<Self>;
}

/// What a call gave, and the id of its request.
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    pub(crate) request_id: Option<String>,
}

/// Makes a generated call, and gives its result in the crate's own types.
pub(crate) fn answer<T: DeserializeOwned>(
    vendor: Vendor,
    operation: &str,
    call: impl Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
) -> impl Future<Output = Result<Answer<T>>> {
    let call = unread(call);
    async move {
        match call.await {
            (Ok(Unread { headers, body, .. }), sent) => {
                let value = read(vendor, operation, &body).map_err(|error| error.after(sent.times, sent.in_doubt))?;
                Ok(Answer { value, request_id: request_id(&headers) })
            }
            (Err(result), sent) => Box::pin(answered(vendor, operation, *result, sent)).await,
        }
    }
}

/// The same for a call whose success is no JSON: a file, or nothing.
#[cfg(any(feature = "labels", feature = "sqlite"))]
pub(crate) fn answer_as_is<T>(
    vendor: Vendor,
    operation: &str,
    call: impl Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
) -> impl Future<Output = Result<Answer<T>>> {
    let call = crate::transport::counted(call);
    async move {
        let (result, sent) = call.await;
        answered(vendor, operation, result, sent).await
    }
}

/// Makes a generated call, and gives the body of its success, for [`read`].
pub(crate) fn body<T>(
    vendor: Vendor,
    operation: &str,
    call: impl Future<Output = Result<ResponseValue<T>, progenitor_client::Error<()>>>,
) -> impl Future<Output = Result<Bytes>> {
    let call = unread(call);
    async move {
        match call.await {
            (Ok(Unread { body, .. }), _) => Ok(body),
            (Err(result), sent) => {
                Box::pin(answered(vendor, operation, *result, sent)).await?;
                Err(Error::new(Kind::Unreadable, "the answer is not JSON").at(vendor, operation))
            }
        }
    }
}

/// The result of a generated call that was sent so often, and whose success the generated code has read.
pub(crate) async fn answered<T>(
    vendor: Vendor,
    operation: &str,
    result: Result<ResponseValue<T>, progenitor_client::Error<()>>,
    sent: Sent,
) -> Result<Answer<T>> {
    match result {
        Ok(value) => Ok(Answer { request_id: request_id(value.headers()), value: value.into_inner() }),
        Err(error) => Err(Error::from_raw(vendor, operation, error).await.after(sent.times, sent.in_doubt)),
    }
}

/// What the body of a success holds. To check once that it is text makes reading it faster by a sixth.
pub(crate) fn read<T: DeserializeOwned>(vendor: Vendor, operation: &str, body: &Bytes) -> Result<T> {
    let read = match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        // It says where it is wrong.
        Err(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| Error::unreadable(body, &error).at(vendor, operation))
}

/// A vendor's ids, as a phase left them in the journal for the later ones.
#[cfg(feature = "sqlite")]
pub(crate) fn handle<T: DeserializeOwned>(unit: &crate::journal::Unit) -> Result<T> {
    serde_json::from_str(&unit.handle).map_err(|error| {
        Error::new(Kind::Journal, format!("unit {}: it was not begun in this way to book: {error}", unit.id))
    })
}

/// The same ids, for the journal.
#[cfg(feature = "sqlite")]
pub(crate) fn handled<T: Serialize>(handle: &T) -> Result<String> {
    serde_json::to_string(handle).map_err(|error| Error::input(error.to_string()))
}

pub(crate) mod sealed {
    /// Keeps the crate's traits to its own types.
    pub trait Sealed {}
}

/// The generated client, whose names follow progenitor and lie outside the promise of semver, and the wire types.
macro_rules! generated {
    ($module:literal, $name:literal, $state:literal) => {
        #[doc = concat!("The generated client of ", $name, ": complete, usable alone.")]
        ///
        /// It follows the generator, hence lies outside the promise of semver. Calls through it are authorised, timed
        /// and repeated like those of the facade. Its table says of each operation whether it may be sent twice:
        ///
        /// ```
        #[doc = concat!("use shipbatch::", $module, "::raw;")]
        ///
        /// assert!(raw::OPERATIONS.iter().any(|operation| operation.replay.allows_repeat_in_doubt()));
        /// ```
        #[allow(missing_docs, unreachable_pub, dead_code, unused_imports, rustdoc::all, clippy::all, clippy::pedantic)]
        #[allow(clippy::unwrap_used, clippy::expect_used, clippy::exhaustive_enums, clippy::future_not_send)]
        pub mod raw {
            include!(concat!(env!("OUT_DIR"), "/", $module, ".rs"));
            include!(concat!(env!("OUT_DIR"), "/", $module, "_operations.rs"));
        }

        /// The wire types.
        ///
        /// The enums of answers are open: a value that the vendor adds later is kept.
        ///
        /// ```
        #[doc = concat!("use shipbatch::", $module, "::types::", $state, ";")]
        ///
        #[doc = concat!("let state: ", $state, " = serde_json::from_str(r#\"\"brand_new\"\"#)?;")]
        /// assert_eq!(serde_json::to_string(&state)?, r#""brand_new""#);
        /// # Ok::<(), serde_json::Error>(())
        /// ```
        pub mod types {
            pub use super::raw::{open::*, types::*};
        }

        $crate::transport::hooks!(raw::Client);
    };
}

pub(crate) use generated;
