//! `shipbatch`: waves of orders booked from the shell, and the three APIs in process to try it on.
//!
//! Exit codes: 0 all is done, 2 some orders are not booked, 1 the run stopped, 130 a second Ctrl-C.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

mod access;
mod again;
mod book;
mod completions;
mod desk;
mod failure;
mod files;
mod interrupt;
mod journal;
mod labels;
mod ledger;
mod line;
mod man;
mod meter;
mod orders;
mod page;
mod path;
mod plan;
mod reasons;
mod report;
mod rules;
mod sample;
mod sandbox;
mod schema;
mod status;
mod summary;
mod table;
mod template;
mod wait;
mod words;

use failure::Failure;

/// The exit code where not all that was asked for could be done.
const STOPPED: u8 = 1;
/// The exit code where some orders are not booked.
const SOME_NOT_BOOKED: u8 = 2;

const EXAMPLES: &str = "\
A first try, without an account:
  shipbatch sample --vendor xps --count 100 > orders.jsonl
  shipbatch plan orders.jsonl --vendor xps
  shipbatch book orders.jsonl --vendor xps --journal wave.db --sandbox --labels labels.pdf
  shipbatch report --journal wave.db --output wave.html

Exit codes: 0 all orders are booked, 2 some are not, 1 an error stopped the run, 130 a second Ctrl-C.";

/// Book hundreds to thousands of parcels, each paid for once.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    /// Log each call with its request id, and repeats, to stderr; RUST_LOG chooses what
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Book the orders of a file; start it again to go on
    Book(Box<book::Args>),
    /// Say what would be booked, and check the orders; nothing is sent
    Plan(Box<plan::Args>),
    /// Say how far a wave is, from its journal
    Status(status::Args),
    /// Say what became of each order, from its journal: as a table, CSV, JSON Lines or an HTML page
    Report(report::Args),
    /// Fetch the labels of what is booked, from its journal
    Labels(labels::Args),
    /// Write the head of a sheet of orders with an example, or the JSON Schema of an order
    Template(template::Args),
    /// Serve the three APIs on this machine, to try things on
    Sandbox(sandbox::Args),
    /// Write orders to try with
    Sample(sample::Args),
    /// Write what a shell needs to complete the words of this command
    Completions(completions::Args),
    /// Write the pages of the manual
    Man(man::Args),
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
        Command::Plan(args) => args.run().await,
        Command::Status(args) => args.run().await,
        Command::Report(args) => args.run().await,
        Command::Labels(args) => args.run().await,
        Command::Sandbox(args) => args.run().await,
        Command::Template(args) => args.run(),
        Command::Sample(args) => args.run(),
        Command::Completions(args) => args.run(),
        Command::Man(args) => args.run(),
    };
    ended.unwrap_or_else(|failure| {
        // Where stderr is closed there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{failure}");
        ExitCode::from(STOPPED)
    })
}

/// The exit code that says whether all orders are booked.
fn code(all_booked: bool) -> ExitCode {
    ExitCode::from(if all_booked { 0 } else { SOME_NOT_BOOKED })
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
        let colours = io::stderr().is_terminal();
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(io::stderr).init();
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
