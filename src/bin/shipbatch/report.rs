//! `shipbatch report`: what became of each order, from its journal alone.

use std::{io, path::PathBuf, process::ExitCode};

use crate::{
    Failure, files,
    journal::{Source, Story},
    table::{Format, Rows, Table},
};

const EXAMPLES: &str = "\
Examples:
  shipbatch report --journal wave.db
  shipbatch report --journal wave.db --output wave.html
  shipbatch report --journal wave.db --format jsonl | jq .tracking

Exit codes: 0 all orders are booked, 2 some are not, 1 an error.";

/// What `shipbatch report` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// How it is written; unless set, the extension of --output says it: .csv, .jsonl or .html
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Write it to a file in place of stdout
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Args {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        if let Some(output) = &self.output {
            files::apart_from("--output", output, self.source.location())?;
        }
        let table = self.output.as_deref().map(|path| Table::new("--output", path, self.format)).transpose()?;
        let journal = self.source.open().await?;
        let (vendor, account) = self.source.account(&journal).await?;
        let story = Story::of(&journal, vendor, &account).await?;
        let report = journal.report(vendor, &account).await?;
        journal.close().await?;
        let rows = Rows { report: &report, labels: None, story: &story };
        match table {
            Some(table) => table.write(&rows)?,
            None => match rows.write(self.format.unwrap_or(Format::Table), io::stdout().lock()) {
                // `| head` has seen enough.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    return Err(Failure::new(format!("stdout: {error}")));
                }
                _ => {}
            },
        }
        Ok(crate::code(report.all_booked()))
    }
}
