//! `shipbatch book`: a file of orders, booked; the same command again goes on.

use std::{
    collections::HashSet,
    io::{self, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use shipbatch::{
    Journal, OrderId, Polling, Report, Vendor,
    sandbox::{Faults, Sandbox},
};

use crate::{
    Failure, STOPPED,
    access::{Access, Calls},
    again,
    desk::{self, Desk, Orders, vendor},
    files::Files,
    interrupt,
    journal::Story,
    meter::{self, Meter},
    orders::{self, Intake},
    summary::Summary,
    table::Rows,
    wait,
};

const EXAMPLES: &str = "\
Examples:
  shipbatch book orders.jsonl --vendor xps --journal wave.db --labels labels.pdf --report wave.html
  shipbatch book orders.csv --vendor deftship --journal wave.db --shipper-id 123 --service USPS-3
  shipbatch book export.csv --vendor xps --journal wave.db --map 'Name=order_id' \\
      --map 'Shipping Name=receiver.name' --set serviceCode=ups_ground ...
  shipbatch book orders.jsonl --vendor smartsend --journal postgres://desk@db.example/shipping

The same command again goes on: what is booked is skipped, what is in doubt is looked up first.

Credentials come from the environment: SMARTSEND_TOKEN and SMARTSEND_TEAM; XPS_API_KEY and XPS_CUSTOMER_ID;
DEFTSHIP_TOKEN and, where a journal holds several accounts, DEFTSHIP_ACCOUNT.";

/// What `shipbatch book` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// JSON Lines: {"order_id": …, "shipment": {the vendor's own request}}; or CSV with columns such as receiver.name; `-`
    /// is standard input
    orders: PathBuf,
    /// Where to book
    #[arg(long, value_name = "V", value_parser = vendor())]
    vendor: Vendor,
    /// The wave's memory: a path or a sqlite: address, made where there is none; or a postgres: address, which many
    /// machines may share
    #[arg(long, value_name = "URL")]
    journal: String,
    /// Write all labels into one PDF, in the order of ORDERS
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Write a row for each order, to a .csv, .jsonl or .html file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Book in a sandbox that ends with this command; no account is needed
    #[arg(long, conflicts_with = "base_url")]
    sandbox: bool,
    /// What goes wrong in the sandbox, such as book_batch:drop-after@1,*:429@5%
    #[arg(long, value_name = "SPEC", requires = "sandbox")]
    faults: Option<Faults>,
    /// Where the API is, in place of the vendor's address or the *_BASE_URL of the environment
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// How many units are under way at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,
    /// How many orders go into one of the vendor's batches
    #[arg(long, value_name = "N")]
    unit_size: Option<NonZeroUsize>,
    #[command(flatten)]
    calls: Calls,
    /// Smart Send: book by booking batches; far fewer calls, but the address of one of them is inferred
    #[arg(long)]
    via_batches: bool,
    /// Send nothing new after this time, such as 90s, 10m or 1h
    #[arg(long, value_name = "TIME", value_parser = wait::parse)]
    deadline: Option<Duration>,
    /// How long a booking whose answer was lost is given to show at the vendor before it counts as never begun; 30s
    /// unless set
    #[arg(long, value_name = "TIME", value_parser = wait::parse)]
    doubt: Option<Duration>,
    /// How long to wait before the vendor is first asked whether it is done; 1s unless set
    #[arg(long, value_name = "TIME", value_parser = wait::parse)]
    poll: Option<Duration>,
    /// With a journal that machines share: after how long without a sign of life others go on with a machine's orders;
    /// 30s unless set
    #[arg(long, value_name = "TIME", value_parser = wait::parse)]
    lease: Option<Duration>,
    #[command(flatten)]
    intake: Intake,
    /// Write events to stdout, one JSON object per line
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(crate) async fn run(self, logs: bool) -> Result<ExitCode, Failure> {
        match self.vendor {
            Vendor::SmartSend if self.via_batches => self.book::<desk::SmartSendBatches>(logs).await,
            Vendor::SmartSend => self.book::<desk::SmartSend>(logs).await,
            Vendor::Xps => self.book::<desk::Xps>(logs).await,
            Vendor::Deftship => self.book::<desk::Deftship>(logs).await,
            vendor => Err(Failure::new(format!("{vendor}: this command does not know it"))),
        }
    }

    /// Checks all that can be checked, then books.
    async fn book<D: Desk>(self, logs: bool) -> Result<ExitCode, Failure> {
        desk::check(self.vendor, &self.intake.shipper, self.via_batches)?;
        let files = Files::check(self.report.as_deref(), self.labels.as_deref(), &self.orders, &self.journal)?;
        let faults = self.faults.clone().unwrap_or_default();
        let sandbox = if self.sandbox { Some(Sandbox::builder().faults(faults).start().await?) } else { None };
        let client = self.access::<D>(sandbox.as_ref())?.client::<D>(&self.calls)?;
        let orders = orders::read::<D::Line>(&self.orders, &self.intake)?;
        let journal = Journal::open(&self.journal).await?;

        let started = Instant::now();
        let report = self.wave::<D>(&client, &orders, &journal, &Meter::new(self.json, logs)).await?;
        let labels = files.write_labels(&client, &report, &journal).await;
        let story = if files.tells_times() { story(&journal, &report).await } else { Ok(Story::default()) };
        let closed = journal.close().await.map_err(Failure::from);
        let index = labels.as_ref().ok().and_then(Option::as_ref);
        let labelled = index.is_none_or(|index| index.missing().len() == 0);
        let rows = |story: &Story| files.write_table(&Rows { report: &report, labels: index, story });
        let table = story.as_ref().map_err(Failure::clone).and_then(rows);

        let summary = Summary {
            report: &report,
            took: started.elapsed(),
            labels: files.labels().zip(index),
            table: table.as_ref().ok().copied().flatten(),
            ledger: sandbox.as_ref().map(Sandbox::ledger),
            again: again::command(),
        };
        tell(&summary, self.json);
        // What is booked is booked, and was told: only then the files that could not be written.
        let failures: Vec<Failure> = [closed.err(), labels.err(), table.err()].into_iter().flatten().collect();
        failures.iter().for_each(|failure| meter::say(&failure.to_string()));
        if failures.is_empty() && labelled {
            return Ok(crate::code(report.all_booked()));
        }
        Ok(ExitCode::from(STOPPED))
    }

    fn access<D: Desk>(&self, sandbox: Option<&Sandbox>) -> Result<Access, Failure> {
        match sandbox {
            Some(sandbox) => Ok(Access::to_sandbox(sandbox, self.vendor)),
            None => Access::from_env(&D::VARIABLES, self.base_url.as_deref()),
        }
    }

    async fn wave<D: Desk>(
        &self,
        client: &D::Client,
        orders: &Orders<D>,
        journal: &Journal,
        meter: &Meter,
    ) -> Result<Report, Failure> {
        let interrupted = interrupt::first();
        let stop = async {
            interrupted.await;
            meter.note("stopping: nothing new is sent, waiting for what is under way");
            meter.note(&format!("to go on: {}", again::command()));
        };
        let wave = D::wave(client, orders, journal).until(stop).on_progress(|progress| meter.show(progress));
        let mut wave = wave.polling(self.polling());
        if let Some(units) = self.concurrency {
            wave = wave.concurrency(units.get());
        }
        if let Some(orders) = self.unit_size {
            wave = wave.unit_size(orders.get());
        }
        if let Some(after) = self.deadline {
            wave = wave.deadline(after);
        }
        if let Some(time) = self.lease {
            wave = wave.lease(time);
        }
        let ended = wave.run().await;
        meter.end(ended.as_ref().ok());
        Ok(ended?)
    }

    /// How the vendor is asked, or the sandbox.
    fn polling(&self) -> Polling {
        let usual = if self.sandbox { eager() } else { Polling::default() };
        Polling { first: self.poll.unwrap_or(usual.first), doubt: self.doubt.unwrap_or(usual.doubt), ..usual }
    }
}

/// How the sandbox is asked: it is on this machine, and a look costs nothing.
fn eager() -> Polling {
    Polling {
        first: Duration::from_millis(5),
        longest: Duration::from_millis(50),
        doubt: Duration::from_millis(200),
        ..Polling::default()
    }
}

/// What the journal holds of this wave's orders: it may know others too.
async fn story(journal: &Journal, report: &Report) -> Result<Story, Failure> {
    let orders: HashSet<&OrderId> = report.iter().map(|(order, _)| order).collect();
    let mut story = Story::of(journal, report.vendor(), report.account()).await?;
    story.entries.retain(|entry| orders.contains(&entry.order));
    Ok(story)
}

/// Tells how the wave ended. Where stdout is closed there is nobody to tell; the exit code says it all the same.
fn tell(summary: &Summary<'_>, json: bool) {
    if json {
        meter::emit(&summary.event());
    } else {
        let _ = write!(io::stdout(), "{summary}");
    }
}
