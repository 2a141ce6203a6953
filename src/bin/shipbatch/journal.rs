//! A journal that is to be read: which one, and whose orders of it.

use shipbatch::{Entry, Journal, Repeats, Vendor};

use crate::{Failure, desk::vendor};

/// Which journal is read, and which account of it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Source {
    /// The wave's memory: a path, or a sqlite: or postgres: address. A file can be read when no wave runs on it
    #[arg(long, value_name = "URL")]
    journal: String,
    /// Only what was booked here
    #[arg(long, value_name = "V", value_parser = vendor())]
    vendor: Option<Vendor>,
    /// Only what was booked for this account
    #[arg(long, value_name = "ID")]
    account: Option<String>,
}

/// What a journal tells of a wave beside its report.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) entries: Vec<Entry>,
    pub(crate) repeats: Vec<Repeats>,
}

impl Story {
    pub(crate) async fn of(journal: &Journal, vendor: Vendor, account: &str) -> Result<Self, Failure> {
        let entries = journal.entries(vendor, account).await?;
        Ok(Self { entries, repeats: journal.repeats(vendor, account).await? })
    }
}

/// A vendor, and who is its customer.
pub(crate) type Account = (Vendor, String);

impl Source {
    /// The journal's address, as it was given.
    pub(crate) fn location(&self) -> &str {
        &self.journal
    }

    /// Opens the journal, which is not made where there is none.
    pub(crate) async fn open(&self) -> Result<Journal, Failure> {
        let journal = Journal::open_existing(&self.journal).await?;
        journal.ok_or_else(|| Failure::new(format!("journal {:?}: there is none", self.journal)))
    }

    /// The accounts that were chosen: one at least.
    pub(crate) async fn accounts(&self, journal: &Journal) -> Result<Vec<Account>, Failure> {
        let all = journal.accounts().await?;
        let chosen: Vec<Account> = all.iter().filter(|account| self.takes(account)).cloned().collect();
        match (chosen.is_empty(), all.is_empty()) {
            (false, _) => Ok(chosen),
            (true, true) => Err(Failure::new("the journal holds no order")),
            (true, false) => Err(Failure::new(format!("the journal holds orders of {} only", listed(&all)))),
        }
    }

    /// The one account that was chosen.
    pub(crate) async fn account(&self, journal: &Journal) -> Result<Account, Failure> {
        let mut accounts = self.accounts(journal).await?;
        match accounts.pop() {
            Some(account) if accounts.is_empty() => Ok(account),
            last => {
                accounts.extend(last);
                let text = format!("the journal holds orders of {}: choose by --vendor, --account", listed(&accounts));
                Err(Failure::new(text))
            }
        }
    }

    fn takes(&self, (vendor, account): &Account) -> bool {
        self.vendor.is_none_or(|wanted| wanted == *vendor)
            && self.account.as_ref().is_none_or(|wanted| wanted == account)
    }
}

fn listed(accounts: &[Account]) -> String {
    let names: Vec<String> = accounts.iter().map(|(vendor, account)| format!("{vendor} {account:?}")).collect();
    names.join(", ")
}
