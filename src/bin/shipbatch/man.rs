//! `shipbatch man`: the manual's pages.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{Cli, Failure, words};

const EXAMPLES: &str = "\
Examples:
  shipbatch man | man -l -
  shipbatch man book > /usr/local/share/man/man1/shipbatch-book.1";

/// What `shipbatch man` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The page of this command; of all in short, unless one is named
    command: Option<String>,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut all = Cli::command();
        // So that each command is called by its whole name.
        all.build();
        let page = match &self.command {
            Some(name) => all.find_subcommand(name).cloned(),
            None => Some(all),
        };
        let page = page.ok_or_else(|| {
            Failure::new(format!("there is no command {:?}", self.command.as_deref().unwrap_or_default()))
        })?;
        let mut text = Vec::new();
        Man::new(page).render(&mut text).map_err(|error| Failure::new(format!("the page: {error}")))?;
        words::print(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}
