//! `shipbatch labels`: the labels of what is booked, from its journal alone.

use std::{path::PathBuf, process::ExitCode};

use shipbatch::{Journal, Vendor};

use crate::{
    Failure,
    access::{Access, Calls},
    desk::{self, Desk},
    files,
    journal::{Account, Source},
    summary, words,
};

const EXAMPLES: &str = "\
Examples:
  shipbatch labels --journal wave.db --output labels.pdf

The token comes from the environment, as for `book`. Exit codes: 0 each booked order has its label, 1 one is missing,
or an error. What an earlier run wrote is not fetched again.";

/// What `shipbatch labels` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The PDF, in the order of the orders; its index stands beside it
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Where the API is, in place of the vendor's address or the *_BASE_URL of the environment
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    calls: Calls,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        files::pdf("--output", &self.output)?;
        files::apart_from("--output", &self.output, self.source.location())?;
        let journal = self.source.open().await?;
        let account = self.source.account(&journal).await?;
        match account.0 {
            Vendor::SmartSend => self.write::<desk::SmartSend>(account, journal).await,
            Vendor::Xps => self.write::<desk::Xps>(account, journal).await,
            Vendor::Deftship => self.write::<desk::Deftship>(account, journal).await,
            vendor => Err(Failure::new(format!("{vendor}: this command does not know it"))),
        }
    }

    async fn write<D: Desk>(self, (vendor, account): Account, journal: Journal) -> Result<ExitCode, Failure> {
        let report = journal.report(vendor, &account).await?;
        if report.counts().booked == 0 {
            return Err(Failure::new("no order is booked: there are no labels"));
        }
        let client = Access::of(&D::VARIABLES, account, self.base_url.as_deref())?.client::<D>(&self.calls)?;
        let index = report.labels(&client).journal(&journal).write_pdf(&self.output).await?;
        journal.close().await?;
        let mut text = String::new();
        let _ = summary::labels(&mut text, &self.output, &index);
        words::print(&text)?;
        Ok(if index.missing().len() == 0 { ExitCode::SUCCESS } else { ExitCode::from(crate::STOPPED) })
    }
}
