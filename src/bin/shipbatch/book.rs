//! `shipbatch book`: a file of orders, booked; the same command again goes on.

use std::{
    io::{self, Write},
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use shipbatch::{
    Journal, Polling, Report, Vendor,
    sandbox::{Faults, Sandbox},
};

use crate::{
    Failure,
    access::{Access, Calls},
    again,
    desk::{self, Desk, Orders, vendor},
    files::Files,
    interrupt,
    line::Shipper,
    meter::{self, Meter},
    orders,
    summary::Summary,
    wait,
};

/// The exit code where not all that was asked for could be done.
const STOPPED: u8 = 1;
/// The exit code where some orders are not booked.
const SOME_NOT_BOOKED: u8 = 2;

/// What `shipbatch book` takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON Lines: {"order_id": …, "shipment": {the vendor's own request}}; `-` is standard input
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
    /// Write a row for each order, to a .csv or .jsonl file
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
    shipper: Shipper,
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
        self.check_flags()?;
        let files = Files::check(self.report.as_deref(), self.labels.as_deref())?;
        let faults = self.faults.clone().unwrap_or_default();
        let sandbox = if self.sandbox { Some(Sandbox::builder().faults(faults).start().await?) } else { None };
        let client = self.access::<D>(sandbox.as_ref())?.client::<D>(&self.calls)?;
        let orders = orders::read::<D::Line>(&self.orders, &self.shipper)?;
        let journal = Journal::open(&self.journal).await?;

        let started = Instant::now();
        let report = self.wave::<D>(&client, &orders, &journal, &Meter::new(self.json, logs)).await?;
        let labels = files.write_labels(&client, &report, &journal).await;
        let closed = journal.close().await.map_err(Failure::from);
        let index = labels.as_ref().ok().and_then(Option::as_ref);
        let labelled = index.is_none_or(|index| index.missing().len() == 0);
        let table = files.write_table(&report, index);

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
        Ok(code(report.all_booked(), failures.is_empty() && labelled))
    }

    /// A flag that would be ignored is a mistake.
    fn check_flags(&self) -> Result<(), Failure> {
        if self.vendor != Vendor::Deftship && self.shipper.is_given() {
            return Err(Failure::new(format!("--shipper-id and --service: {} takes none", self.vendor)));
        }
        if self.vendor != Vendor::SmartSend && self.via_batches {
            return Err(Failure::new(format!("--via-batches: {} books by batches as it is", self.vendor)));
        }
        Ok(())
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

fn code(all_booked: bool, all_written: bool) -> ExitCode {
    match (all_booked, all_written) {
        (true, true) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(SOME_NOT_BOOKED),
        (_, false) => ExitCode::from(STOPPED),
    }
}

/// Tells how the wave ended. Where stdout is closed there is nobody to tell; the exit code says it all the same.
fn tell(summary: &Summary<'_>, json: bool) {
    if json {
        meter::emit(&summary.event());
    } else {
        let _ = write!(io::stdout(), "{summary}");
    }
}
