//! The credentials of an account: from the environment, or the sandbox's own.

use std::{env, num::NonZeroU32, time::Duration};

use shipbatch::{Timeouts, Vendor, sandbox::Sandbox};

use crate::{Failure, desk::Desk, wait};

/// The account that stands for the user in the sandbox, which knows every account.
pub(crate) const SANDBOX_ACCOUNT: &str = "sandbox";

/// Where a vendor's credentials stand in the environment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variables {
    pub(crate) token: &'static str,
    pub(crate) account: &'static str,
    pub(crate) base_url: &'static str,
    /// The account if none is named, for a vendor that knows accounts by their token alone.
    pub(crate) default_account: Option<&'static str>,
}

/// How an account's calls are made.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Calls {
    /// How many calls may leave in a minute, evenly spaced
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// How long a call that books may take, such as 90s; 15m unless set, since XPS books 500 orders in one
    #[arg(long, value_name = "TIME", value_parser = wait::parse)]
    timeout: Option<Duration>,
}

/// What opens an account. It has no `Debug`: it holds the token.
pub(crate) struct Access {
    account: String,
    token: String,
    base_url: Option<String>,
}

impl Access {
    /// From the environment; the address given on the command line counts before the one there.
    pub(crate) fn from_env(variables: &Variables, base_url: Option<&str>) -> Result<Self, Failure> {
        let account = variables.default_account.map(str::to_owned);
        Ok(Self {
            token: set(variables.token)?,
            account: variable(variables.account)?.or(account).ok_or_else(|| missing(variables.account))?,
            base_url: address(variables, base_url)?,
        })
    }

    /// To this account, with the token of the environment, which must not be another's.
    pub(crate) fn of(variables: &Variables, account: String, base_url: Option<&str>) -> Result<Self, Failure> {
        if let Some(other) = variable(variables.account)?.filter(|other| *other != account) {
            let text = format!("{} is {other:?}, and the journal's account is {account:?}", variables.account);
            return Err(Failure::new(text));
        }
        let base_url = address(variables, base_url)?;
        if account == SANDBOX_ACCOUNT && base_url.is_none() {
            return Err(Failure::new("these orders were booked in a sandbox, which ended with its command"));
        }
        Ok(Self { token: set(variables.token)?, account, base_url })
    }

    /// To a sandbox.
    pub(crate) fn to_sandbox(sandbox: &Sandbox, vendor: Vendor) -> Self {
        Self {
            account: SANDBOX_ACCOUNT.to_owned(),
            token: Sandbox::TOKEN.to_owned(),
            base_url: Some(sandbox.base_url(vendor)),
        }
    }

    /// The client of the account.
    pub(crate) fn client<D: Desk>(self, calls: &Calls) -> Result<D::Client, Failure> {
        let mut builder = D::builder(self.account).token(self.token);
        if let Some(url) = self.base_url {
            builder = builder.base_url(url);
        }
        if let Some(rate) = calls.rate {
            builder = builder.rate(rate.get());
        }
        if let Some(write) = calls.timeout {
            builder = builder.timeouts(Timeouts { write, ..Timeouts::default() });
        }
        Ok(builder.build()?)
    }
}

/// Where the API is, if it is not at the vendor's address: what was given counts before the environment.
fn address(variables: &Variables, given: Option<&str>) -> Result<Option<String>, Failure> {
    match given {
        Some(url) => Ok(Some(url.to_owned())),
        None => variable(variables.base_url),
    }
}

fn set(name: &str) -> Result<String, Failure> {
    variable(name)?.ok_or_else(|| missing(name))
}

/// A variable; an empty one counts as not set.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::new(format!("{name} is not readable text"))),
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(format!("{name} is not set"))
}
