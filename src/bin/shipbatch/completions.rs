//! `shipbatch completions`: what a shell needs to complete this command's words.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{Cli, Failure, words};

const EXAMPLES: &str = "\
Examples:
  shipbatch completions bash > ~/.local/share/bash-completion/completions/shipbatch
  shipbatch completions fish > ~/.config/fish/completions/shipbatch.fish";

/// What `shipbatch completions` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// For which shell
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "shipbatch", &mut script);
        words::print(&String::from_utf8_lossy(&script))?;
        Ok(ExitCode::SUCCESS)
    }
}
