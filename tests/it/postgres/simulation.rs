//! Seeded runs of several workers on one journal: random faults, workers that stall or are dropped at any await point, their
//! units taken over.
//!
//! `SHIPBATCH_SIMULATIONS` is how many seeds the simulation of one worker runs; here it is a tenth of them.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures_util::{FutureExt, StreamExt, future, stream};
use shipbatch::{
    Journal,
    sandbox::{Faults, Sandbox},
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

use super::with_database;
use crate::{
    invariants::{Evidence, Told, Unknowable},
    simulation::{
        polls::{Polls, stalling},
        scenario::Scenario,
    },
    ways::{Agent, Fate, Wave},
};

/// How many seeds are run unless set.
const SEEDS: u64 = 30;
/// How many at a time: most of their time they wait for leases.
const AT_ONCE: usize = 6;
/// How long a worker counts as alive.
const LEASE: Duration = Duration::from_millis(60);
/// How long a commit may take, and its unit is held: a busy machine must not take longer for a call.
const HELD: Duration = Duration::from_millis(700);
/// By when a simulation has to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// One wave, several workers.
struct Simulation {
    scenario: Scenario,
    sandbox: Sandbox,
    address: String,
}

impl Simulation {
    async fn new(seed: u64, database: &str) -> Self {
        let mut scenario = Scenario::draw(seed);
        (scenario.wave.timeout, scenario.wave.lease) = (HELD.min(scenario.wave.timeout), LEASE);
        // A schema of its own in the one database.
        let schema = format!("seed_{seed}");
        let mut connection = AnyConnection::connect(database).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut address: reqwest::Url = database.parse().unwrap();
        address.query_pairs_mut().append_pair("options", &format!("-c search_path={schema}"));
        let sandbox = Sandbox::builder().seed(seed).latency(scenario.latency).reads(scenario.reads);
        let sandbox = sandbox.faults(scenario.faults.parse().unwrap()).start().await.unwrap();
        Self { scenario, sandbox, address: address.into() }
    }

    fn agent(&self, wave: &Wave) -> Agent {
        self.scenario.way.agent(&self.sandbox, wave.timeout)
    }

    /// A worker that stalls for longer than its lease, and is dropped after so many polls. Gives whether it was.
    async fn work(&self, (stall, polls): (u32, u32)) -> bool {
        let journal = Journal::open(&self.address).await.unwrap();
        let agent = self.agent(&self.scenario.wave);
        let booking = stalling(agent.book(&self.scenario.wave, &journal), stall, 3 * LEASE);
        let ended = Polls { left: polls, at_once: polls.is_multiple_of(2) }.run(booking).await;
        if let Some(ended) = &ended {
            ended.as_ref().unwrap();
        }
        ended.is_none()
    }

    /// Workers come and go; then one that meets no faults finishes what is left. Gives how many were dropped.
    async fn run(mut self) -> usize {
        let mut dice = Rng::with_seed(self.scenario.seed);
        let mut dropped = 0;
        for _ in 0..2 {
            let workers: Vec<_> = (0..dice.usize(2..=3)).map(|_| (stop(&mut dice), stop(&mut dice))).collect();
            let ended = future::join_all(workers.iter().map(|worker| self.work(*worker))).await;
            dropped += ended.iter().filter(|dropped| **dropped).count();
            self.evidence().await.at_a_stop().assert_none(&self.name());
        }
        self.sandbox.set_faults(Faults::default());
        self.scenario.wave = Wave { timeout: HELD, lease: LEASE, ..self.scenario.patient() };
        // What is refused is refused again; a call that was slow on a busy machine may leave something for another run.
        let mut told = self.finish().await;
        for _ in 0..3 {
            if told.count("unknown") > 0 || self.open(&told) {
                told = self.finish().await;
            }
        }
        let violations = self.evidence().await.at_the_end(&self.scenario.wave.ids(), &told, Unknowable::None);
        violations.assert_none(&self.name());
        assert!(!self.open(&told), "{}: not all that can be is booked", self.name());
        dropped
    }

    async fn finish(&self) -> Told {
        let journal = Journal::open(&self.address).await.unwrap();
        Told::from(&self.agent(&self.scenario.wave).book(&self.scenario.wave, &journal).await.unwrap())
    }

    /// Whether an order that is good is not booked.
    fn open(&self, told: &Told) -> bool {
        let fates = self.scenario.wave.fates.iter().zip(told.outcomes());
        fates.filter(|(fate, _)| **fate == Fate::Booked).any(|(_, outcome)| outcome != "booked")
    }

    async fn evidence(&self) -> Evidence {
        Evidence::gather(&self.sandbox, self.scenario.way.vendor(), &self.address).await
    }

    fn name(&self) -> String {
        format!("seed {}: {:?} under {}", self.scenario.seed, self.scenario.way, self.scenario.faults)
    }
}

/// After how many polls a worker stalls, or is dropped: a short life is as likely as a long one.
fn stop(dice: &mut Rng) -> u32 {
    let longest = 1 << dice.u32(3..=9);
    dice.u32(1..=longest)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_survive_faults_and_drops() {
    with_database(async |database| {
        let seeds = match number("SHIPBATCH_SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("SHIPBATCH_SIMULATIONS").map_or(SEEDS, |seeds| seeds / 10),
        };
        let started = Instant::now();
        let simulate = async |seed| {
            let simulation = async { Simulation::new(seed, &database).await.run().await };
            let ended = tokio::time::timeout(PATIENCE, simulation);
            (seed, AssertUnwindSafe(ended).catch_unwind().await)
        };
        let ended: Vec<_> = stream::iter(seeds).map(simulate).buffer_unordered(AT_ONCE).collect().await;
        let failed: Vec<u64> =
            ended.iter().filter(|(_, ended)| !matches!(ended, Ok(Ok(_)))).map(|(seed, _)| *seed).collect();
        let dropped: usize = ended.iter().filter_map(|(_, ended)| ended.as_ref().ok()?.as_ref().ok()).sum();
        eprintln!("{} seeds, {dropped} workers dropped, {:.1?}", ended.len(), started.elapsed());
        assert!(
            failed.is_empty(),
            "seeds {failed:?} failed; one is replayed by\n  SHIPBATCH_SEED={} cargo xtask postgres -- cargo test \
             --features cli,schemars --test it postgres::simulation -- --nocapture",
            failed[0]
        );
    })
    .await;
}
