//! kill -9 of the real command at random moments of a wave, and the same command again until it ends by itself.
//!
//! `SHIPBATCH_KILLS` is how often it is killed, for each way to book.

use std::{
    env,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::Value;
use shipbatch::{OrderId, Vendor, sandbox::Sandbox};
use tokio::runtime::Runtime;

use crate::{
    cli::Desk,
    invariants::{Evidence, Told, Unknowable},
};

const ORDERS: usize = 200;
/// How often the command is killed, unless set.
const KILLS: u32 = 3;
/// How often one wave is killed at most: then it may end, so that the kills meet every phase and not only the last.
const KILLS_PER_WAVE: u32 = 6;
/// For how long a lost booking is looked for.
const DOUBT: Duration = Duration::from_millis(120);
const JOURNAL: &str = "wave.db";
const REPORT: &str = "report.jsonl";

/// A way to book, as the command line has it.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    vendor: Vendor,
    /// The variables of its credentials.
    token: &'static str,
    account: &'static str,
    flags: &'static str,
}

/// What came of all waves of a way.
#[derive(Debug, Default)]
struct Figures {
    kills: u32,
    runs: u32,
    waves: u32,
    orders: usize,
    charged_twice: usize,
    lost: usize,
    unknown: usize,
}

/// One wave: its folder, its vendor.
struct Wave {
    way: Way,
    desk: Desk,
    sandbox: Sandbox,
    /// Where the sandbox runs.
    runtime: Runtime,
}

impl Wave {
    fn new(way: Way, seed: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        // Answers take their time, so that a kill finds calls of every kind under way.
        let latency = Duration::from_millis(1 + seed % 3);
        let sandbox = runtime.block_on(Sandbox::builder().seed(seed).latency(latency).reads(2).start()).unwrap();
        let desk = Desk::in_memory();
        desk.sample(way.vendor.name(), ORDERS, |_, _| {});
        Self { way, desk, sandbox, runtime }
    }

    fn command(&self) -> Command {
        let Way { vendor, token, account, flags, .. } = self.way;
        let files = format!("--journal {JOURNAL} --report {REPORT} --json");
        let waits = format!("--doubt {}ms --poll 5ms --base-url {}", DOUBT.as_millis(), self.sandbox.base_url(vendor));
        let mut command = self.desk.command(&format!("book orders.jsonl --vendor {vendor} {files} {waits} {flags}"));
        command.env(token, Sandbox::TOKEN).env(account, "team-7");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn given(&self) -> Vec<OrderId> {
        let orders = self.desk.read("orders.jsonl");
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["order_id"].as_str().unwrap().to_owned();
        orders.lines().map(|line| OrderId::new(id(line)).unwrap()).collect()
    }

    fn evidence(&self) -> Evidence {
        let journal = self.desk.path().join(JOURNAL);
        self.runtime.block_on(Evidence::gather(&self.sandbox, self.way.vendor, journal.to_str().unwrap()))
    }

    /// Checks a run that ended by itself: all is booked.
    fn check_end(&self, output: &Output, scenario: &str) -> Told {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let event = stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let event: Value = event.unwrap_or_else(|| panic!("{scenario}: {}: {stderr}", output.status));
        let told = Told::read(&self.desk.path().join(REPORT), &event);
        self.evidence().at_the_end(&self.given(), &told, Unknowable::None).assert_none(scenario);
        assert_eq!((told.count("booked"), output.status.code()), (ORDERS, Some(0)), "{scenario}: {stderr}");
        told
    }

    /// Runs the wave, killed at moments up to `longest`, until it ends by itself.
    fn torture(&self, dice: &mut Rng, longest: Duration, most: u32, figures: &mut Figures) {
        let most = most.min(figures.kills + KILLS_PER_WAVE);
        loop {
            figures.runs += 1;
            let scenario = format!("{}, after {} kills", self.way.name, figures.kills);
            let child = self.command().spawn().unwrap();
            let moment = longest.mul_f64(dice.f64());
            match if figures.kills < most { killed(child, moment) } else { Ok(child.wait_with_output().unwrap()) } {
                Err(()) => {
                    figures.kills += 1;
                    let scenario = format!("{scenario}, then killed after {moment:?}");
                    self.evidence().at_a_stop().assert_none(&scenario);
                }
                Ok(output) => return figures.add(&self.check_end(&output, &scenario), self),
            }
        }
    }
}

impl Figures {
    fn add(&mut self, told: &Told, wave: &Wave) {
        let ledger = wave.sandbox.ledger();
        self.waves += 1;
        self.orders += ORDERS;
        self.charged_twice += ledger.charged_twice();
        self.lost += ORDERS - ledger.orders();
        self.unknown += told.count("unknown");
    }
}

/// Kills the process after this time. What it left, if it ended before.
fn killed(mut child: Child, after: Duration) -> Result<Output, ()> {
    let until = Instant::now() + after;
    while Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return Ok(child.wait_with_output().unwrap());
        }
        thread::sleep(Duration::from_micros(200).min(until.saturating_duration_since(Instant::now())));
    }
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    // It may have ended in between.
    if output.status.code().is_some() { Ok(output) } else { Err(()) }
}

/// Kills waves of this way until it was done as often as asked for.
fn kill(way: Way) {
    let most = env::var("SHIPBATCH_KILLS").map_or(KILLS, |text| text.parse().expect("SHIPBATCH_KILLS is no number"));
    let whole = Wave::new(way, 0);
    let started = Instant::now();
    let output = whole.command().output().unwrap();
    // A run after a kill may have to look for what was lost as well.
    let longest = started.elapsed() + DOUBT;
    whole.check_end(&output, &format!("{}, not killed", way.name));

    let (mut dice, mut figures) = (Rng::with_seed(7), Figures::default());
    while figures.kills < most {
        Wave::new(way, u64::from(figures.waves)).torture(&mut dice, longest, most, &mut figures);
    }
    eprintln!("{:<22} killed within {longest:.1?}; {figures:?}", way.name);
}

#[test]
fn smartsend_survives_kills() {
    kill(Way {
        name: "smartsend",
        vendor: Vendor::SmartSend,
        token: "SMARTSEND_TOKEN",
        account: "SMARTSEND_TEAM",
        flags: "--concurrency 16",
    });
}

#[test]
fn smartsend_via_batches_survives_kills() {
    kill(Way {
        name: "smartsend via batches",
        vendor: Vendor::SmartSend,
        token: "SMARTSEND_TOKEN",
        account: "SMARTSEND_TEAM",
        flags: "--via-batches --unit-size 15 --concurrency 4",
    });
}

#[test]
fn xps_survives_kills() {
    let (token, account) = ("XPS_API_KEY", "XPS_CUSTOMER_ID");
    kill(Way { name: "xps", vendor: Vendor::Xps, token, account, flags: "--unit-size 15 --concurrency 4" });
}

#[test]
fn deftship_survives_kills() {
    let (token, account) = ("DEFTSHIP_TOKEN", "DEFTSHIP_ACCOUNT");
    kill(Way { name: "deftship", vendor: Vendor::Deftship, token, account, flags: "--unit-size 15 --concurrency 4" });
}
