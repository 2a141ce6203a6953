//! Seeded runs of the engine against the sandbox: random faults, the run dropped at any await point, then resumed.
//!
//! `SHIPBATCH_SIMULATIONS` is how many seeds are run, and `SHIPBATCH_SEED` replays one of them.

use std::{
    any::Any,
    env,
    ops::AddAssign,
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use shipbatch::{
    Journal,
    sandbox::{Faults, Sandbox},
};

use crate::{
    invariants::{Evidence, Told, Unknowable},
    scratch::Scratch,
    ways::{Agent, Fate, Wave, Way},
};

pub(crate) mod polls;
pub(crate) mod scenario;

use polls::Polls;
use scenario::Scenario;

/// How many seeds are run unless set.
const SEEDS: u64 = 150;
/// Threads, each with a runtime of its own.
const THREADS: usize = 2;
/// After so many runs without faults nothing may change any more.
const RUNS: usize = 5;

/// What a number of simulations went through.
#[derive(Clone, Copy, Debug, Default)]
struct Coverage {
    seeds: u64,
    runs: u64,
    drops: u64,
    faults: u64,
    orders: u64,
    unknowns: u64,
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.runs += other.runs;
        self.drops += other.drops;
        self.faults += other.faults;
        self.orders += other.orders;
        self.unknowns += other.unknowns;
    }
}

/// A wave that is simulated.
struct Simulation {
    scenario: Scenario,
    sandbox: Sandbox,
    journal: Option<Journal>,
    agent: Agent,
    scratch: Scratch,
    coverage: Coverage,
}

impl Simulation {
    async fn new(scenario: Scenario) -> Self {
        let faults: Faults = scenario.faults.parse().unwrap();
        let sandbox = Sandbox::builder().seed(scenario.seed).latency(scenario.latency).reads(scenario.reads);
        let sandbox = sandbox.faults(faults).start().await.unwrap();
        let agent = scenario.way.agent(&sandbox, scenario.wave.timeout);
        let coverage = Coverage { seeds: 1, orders: scenario.wave.fates.len() as u64, ..Coverage::default() };
        Self { scenario, sandbox, journal: None, agent, scratch: Scratch::new(), coverage }
    }

    /// Drops the wave as often as was drawn, lets it end under faults, and then without.
    async fn run(mut self) -> Coverage {
        for stop in self.scenario.stops.clone() {
            if stop.reopen {
                self.journal = None;
            }
            self.scenario.wave.concurrency = stop.concurrency;
            let (told, unknowable) = if stop.told {
                // Told to end, it leaves open what it would have to ask for again.
                (self.book(Polls::ENDLESS, stop.polls).await, Unknowable::Any)
            } else {
                let polls = Polls { left: stop.polls, at_once: stop.at_once };
                (self.book(polls, u32::MAX).await, self.scenario.unknowable)
            };
            self.check(told.as_ref(), unknowable).await;
        }
        let told = self.book(Polls::ENDLESS, u32::MAX).await;
        self.check(told.as_ref(), self.scenario.unknowable).await;
        self.sandbox.set_faults(Faults::default());
        self.scenario.wave = self.scenario.patient();
        self.agent = self.scenario.way.agent(&self.sandbox, self.scenario.wave.timeout);
        self.settle().await;
        self.coverage.faults = self.sandbox.faults_injected();
        self.coverage
    }

    /// Runs the wave, which is told to end after so many polls; what it told, unless it was dropped.
    async fn book(&mut self, mut polls: Polls, end: u32) -> Option<Told> {
        self.coverage.runs += 1;
        let ended = polls.run(async {
            let journal = match &self.journal {
                Some(journal) => journal,
                None => self.journal.insert(Journal::open(&self.scratch.journal("wave.db")).await.unwrap()),
            };
            let booked = self.agent.book_until(&self.scenario.wave, journal, polls::signal(end));
            Told::from(&booked.await.unwrap())
        });
        let told = ended.await;
        self.coverage.drops += u64::from(told.is_none());
        self.coverage.unknowns += told.as_ref().map_or(0, |told| told.count("unknown")) as u64;
        told
    }

    async fn check(&self, told: Option<&Told>, unknowable: Unknowable) {
        let journal = self.scratch.journal("wave.db");
        let evidence = Evidence::gather(&self.sandbox, self.scenario.way.vendor(), &journal).await;
        let violations = match told {
            Some(told) => evidence.at_the_end(&self.scenario.wave.ids(), told, unknowable),
            None => evidence.at_a_stop(),
        };
        violations.assert_none(&format!("seed {}", self.scenario.seed));
    }

    /// Runs without faults until nothing changes. Then every good order is booked, and no other.
    async fn settle(&mut self) {
        let mut before: Vec<String> = Vec::new();
        for _ in 0..RUNS {
            let told = self.book(Polls::ENDLESS, u32::MAX).await.unwrap();
            self.check(Some(&told), Unknowable::None).await;
            let now: Vec<String> = told.outcomes().map(str::to_owned).collect();
            if now == before {
                break;
            }
            before = now;
        }
        for (place, fate) in self.scenario.wave.fates.iter().enumerate() {
            let outcome = before[place].as_str();
            let right = match fate {
                Fate::Booked => outcome == "booked",
                Fate::Unprepared | Fate::Uncommitted => matches!(outcome, "rejected" | "failed"),
            };
            assert!(right, "order-{place} was to be {fate:?} and is {outcome} in the end");
        }
    }
}

/// Simulates one seed on a runtime of its own.
fn simulate(seed: u64) -> Result<Coverage, Box<dyn Any + Send>> {
    panic::catch_unwind(AssertUnwindSafe(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Simulation::new(Scenario::draw(seed)).await.run().await })
    }))
}

/// Simulates seeds until there are none left; those that failed.
fn work(next: &AtomicU64, seeds: u64) -> (Coverage, Vec<u64>) {
    let (mut coverage, mut failed) = (Coverage::default(), Vec::new());
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return (coverage, failed);
        }
        match simulate(seed) {
            Ok(one) => coverage += one,
            Err(_) => {
                eprintln!("{:?}\n{}", Scenario::draw(seed), replay(seed));
                failed.push(seed);
            }
        }
    }
}

fn replay(seed: u64) -> String {
    format!(
        "seed {seed} failed; it is replayed by\n  SHIPBATCH_SEED={seed} cargo test --features cli,schemars --test it simulation::waves -- --nocapture"
    )
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a whole number")))
}

#[test]
fn waves_survive_faults_and_drops() {
    if let Some(seed) = number("SHIPBATCH_SEED") {
        eprintln!("{:?}", Scenario::draw(seed));
        match simulate(seed) {
            Ok(coverage) => return eprintln!("{coverage:?}"),
            Err(_) => panic!("{}", replay(seed)),
        }
    }
    let (next, seeds) = (AtomicU64::new(0), number("SHIPBATCH_SIMULATIONS").unwrap_or(SEEDS));
    let (mut coverage, mut failed) = (Coverage::default(), Vec::new());
    thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| scope.spawn(|| work(&next, seeds)));
        for thread in threads {
            let (covered, seeds) = thread.join().unwrap();
            coverage += covered;
            failed.extend(seeds);
        }
    });
    eprintln!("{coverage:?}");
    assert!(failed.is_empty(), "{} of {seeds} seeds failed: {failed:?}\n{}", failed.len(), replay(failed[0]));
    assert!(coverage.drops > seeds / 4 && coverage.faults > seeds, "hardly anything went wrong: {coverage:?}");
}

/// One small wave for each await point of the run.
#[tokio::test]
async fn a_wave_survives_a_drop_at_every_await_point() {
    for way in Way::ALL {
        for left in 1.. {
            let (sandbox, scratch) = (Sandbox::builder().start().await.unwrap(), Scratch::new());
            let wave = Wave { unit_size: 1, timeout: Duration::from_secs(10), ..Wave::of(3) };
            let (agent, address) = (way.agent(&sandbox, wave.timeout), scratch.journal("wave.db"));
            let journal = Journal::open(&address).await.unwrap();
            let scenario = format!("{way:?}, dropped after {left} polls");
            let ended = Polls { left, at_once: true }.run(agent.book(&wave, &journal)).await;
            Evidence::gather(&sandbox, way.vendor(), &address).await.at_a_stop().assert_none(&scenario);
            if ended.is_some() {
                break;
            }
            let report = agent.book(&wave, &journal).await.unwrap_or_else(|error| panic!("{scenario}: {error}"));
            let evidence = Evidence::gather(&sandbox, way.vendor(), &address).await;
            let violations = evidence.at_the_end(&wave.ids(), &Told::from(&report), Unknowable::None);
            violations.assert_none(&scenario);
            assert!(report.all_booked(), "{scenario}: {report:?}");
        }
    }
}

/// A run that is told to end before it came to what an earlier one left in doubt.
#[tokio::test]
async fn what_is_in_doubt_is_not_called_unsent_by_a_run_that_is_told_to_end() {
    let way = Way::Xps;
    let sandbox = Sandbox::builder().faults("xps.book_batch:hang".parse().unwrap()).start().await.unwrap();
    let (scratch, mut wave) = (Scratch::new(), Wave { unit_size: 2, ..Wave::of(6) });
    let (agent, address) = (way.agent(&sandbox, wave.timeout), scratch.journal("wave.db"));
    let journal = Journal::open(&address).await.unwrap();
    let all_charged = async {
        while sandbox.ledger().orders() < 6 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        () = all_charged => {}
        ended = agent.book(&wave, &journal) => panic!("{ended:?}"),
    }
    sandbox.set_faults(Faults::default());
    wave.concurrency = 1;
    let told = Told::from(&agent.book_until(&wave, &journal, polls::signal(1)).await.unwrap());
    let evidence = Evidence::gather(&sandbox, way.vendor(), &address).await;
    evidence.at_the_end(&wave.ids(), &told, Unknowable::Any).assert_none("told to end at once");
}
