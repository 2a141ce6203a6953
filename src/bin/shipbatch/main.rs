//! `shipbatch`: waves of orders booked from the shell, and the three APIs in process to try it on.
//!
//! Exit codes: 0 all is done, 2 some orders are not booked, 1 the run stopped, 130 a second Ctrl-C.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

mod access;
mod again;
mod book;
mod desk;
mod failure;
mod files;
mod interrupt;
mod ledger;
mod line;
mod meter;
mod orders;
mod sample;
mod sandbox;
mod summary;
mod table;
mod wait;
mod words;

use failure::Failure;

/// Book hundreds to thousands of parcels, each paid for once.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    /// Log calls and repeats to stderr; RUST_LOG chooses what
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Book the orders of a file; start it again to go on
    Book(Box<book::Args>),
    /// Serve the three APIs on this machine, to try things on
    Sandbox(sandbox::Args),
    /// Write orders to try with
    Sample(sample::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let logs = log(cli.verbose);
    let ended = match cli.command {
        Command::Book(args) => args.run(logs).await,
        Command::Sandbox(args) => args.run().await,
        Command::Sample(args) => args.run(),
    };
    ended.unwrap_or_else(|failure| {
        // Where stderr is closed there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{failure}");
        ExitCode::from(1)
    })
}

/// Help and version are successes. A wrong flag stops the run: clap's own code for it, 2, means something else here.
fn usage(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::from(error.use_stderr()))
}

/// Starts the log, if it is asked for; whether it is.
fn log(verbose: bool) -> bool {
    let asked = std::env::var_os(EnvFilter::DEFAULT_ENV).is_some_and(|filter| !filter.is_empty());
    if verbose || asked {
        let filter =
            EnvFilter::try_from_default_env().ok().filter(|_| asked).unwrap_or_else(|| "shipbatch=debug".into());
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    }
    verbose || asked
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }
}
