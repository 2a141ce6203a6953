//! `shipbatch sandbox`: the three APIs on a port, to try things on.

use std::{
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use shipbatch::sandbox::{Faults, Sandbox};

use crate::{Failure, access::SANDBOX_ACCOUNT, desk::VARIABLES, interrupt, ledger, words::counted};

const EXAMPLES: &str = "\
Examples:
  shipbatch sandbox
  shipbatch sandbox --listen 127.0.0.1:0 --latency 50 --faults 'book_batch:drop-after@1,*:429@5%'";

/// What `shipbatch sandbox` takes.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 is a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Ids, tracking numbers and prices follow from it
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How many milliseconds each answer takes at least
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// What goes wrong, such as book_batch:drop-after@1,*:429@5%; the crate's documentation has them all
    #[arg(long, value_name = "SPEC", default_value_t)]
    faults: Faults,
}

impl Args {
    /// Serves until Ctrl-C.
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let interrupted = interrupt::first();
        let latency = Duration::from_millis(self.latency);
        let sandbox = Sandbox::builder().seed(self.seed).latency(latency).faults(self.faults);
        let sandbox = sandbox.listen(self.listen).await?;
        // Served all the same where stdout is closed.
        let _ = io::stdout().write_all(welcome(&sandbox).as_bytes());
        interrupted.await;
        let _ = io::stdout().write_all(farewell(&sandbox).as_bytes());
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the APIs are, and the environment that leads there.
fn welcome(sandbox: &Sandbox) -> String {
    let mut text = String::new();
    for (vendor, _) in VARIABLES {
        text.push_str(&format!("{:<10} {}\n", vendor.name(), sandbox.base_url(vendor)));
    }
    text.push_str(&format!("{:<10} {}\n\n", "token", Sandbox::TOKEN));
    for (vendor, names) in VARIABLES {
        let (url, token) = (sandbox.base_url(vendor), Sandbox::TOKEN);
        text.push_str(&format!("export {}={url} {}={SANDBOX_ACCOUNT}", names.base_url, names.account));
        text.push_str(&format!(" {}={token}\n", names.token));
    }
    text.push_str("\nCtrl-C ends it and says what was charged.\n");
    text
}

/// What was charged.
fn farewell(sandbox: &Sandbox) -> String {
    let ledger = sandbox.ledger();
    let mut text = String::new();
    for (vendor, _) in VARIABLES {
        text.push_str(&format!("{:<10} {}\n", vendor.name(), counted(ledger.by_order(vendor).len(), "order")));
    }
    text.push_str(&ledger::line(&ledger));
    text.push('\n');
    if sandbox.faults_injected() > 0 {
        text.push_str(&format!("faults: {} calls\n", sandbox.faults_injected()));
    }
    text
}
