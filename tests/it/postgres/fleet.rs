//! Processes that die: the real binary, several of it at a time, one killed every now and then.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use shipbatch::{Vendor, sandbox::Sandbox};

use super::with_database;
use crate::invariants::Evidence;

/// How many work at a time.
const WORKERS: usize = 4;
/// By when a wave has to be done. It ends by itself; this is for one that does not.
const PATIENCE: Duration = Duration::from_secs(600);

/// A wave of orders, worked on by processes.
struct Fleet<'a> {
    folder: &'a Path,
    vendor: Vendor,
    journal: &'a str,
    base_url: String,
}

impl Fleet<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("shipbatch"));
        command.current_dir(self.folder).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn sample(&self, orders: usize) {
        let count = orders.to_string();
        let mut sample = self.command();
        sample.args(["sample", "--vendor", self.vendor.name(), "--count", &count]).stdout(Stdio::piped());
        let sample = sample.output().unwrap();
        assert!(sample.status.success());
        fs::write(self.folder.join("orders.jsonl"), sample.stdout).unwrap();
    }

    /// Starts a worker. What it says on stderr is kept for when it fails.
    fn worker(&self, place: usize) -> Child {
        let stderr = fs::File::create(self.folder.join(format!("{place}.err"))).unwrap();
        let mut command = self.command();
        command.args(["book", "orders.jsonl", "--vendor", self.vendor.name(), "--journal", self.journal]);
        command.args(["--base-url", &self.base_url, "--report", &format!("{place}.jsonl")]);
        command.args([
            "--concurrency",
            "16",
            "--unit-size",
            "25",
            "--lease",
            "2s",
            "--timeout",
            "2s",
            "--doubt",
            "1s",
            "--poll",
            "20ms",
        ]);
        for name in ["SMARTSEND_TOKEN", "XPS_API_KEY", "DEFTSHIP_TOKEN"] {
            command.env(name, Sandbox::TOKEN);
        }
        command.env("SMARTSEND_TEAM", "team-7").env("XPS_CUSTOMER_ID", "TEST00002");
        command.stderr(stderr).spawn().unwrap()
    }

    /// Works until each worker ended by itself; every so often, while there is something to pay for, one is killed, and a
    /// new one takes its place. Gives how many were killed.
    async fn work(&self, orders: usize, sandbox: &Sandbox, seed: u64) -> usize {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut workers: Vec<Option<Child>> = (0..WORKERS).map(|place| Some(self.worker(place))).collect();
        // One a second, or more where there is less to do.
        let every = Duration::from_secs(1).min(Duration::from_micros(200) * orders as u32);
        let (started, mut kills, mut next) = (Instant::now(), 0, Instant::now() + every);
        while workers.iter().any(Option::is_some) {
            assert!(started.elapsed() < PATIENCE, "the wave does not end");
            tokio::time::sleep(Duration::from_millis(20)).await;
            for (place, slot) in workers.iter_mut().enumerate() {
                let ended = slot.as_mut().and_then(|child| child.try_wait().unwrap());
                if let Some(status) = ended {
                    let said = || fs::read_to_string(self.folder.join(format!("{place}.err"))).unwrap_or_default();
                    assert_eq!(status.code(), Some(0), "worker {place}: {}", said());
                    *slot = None;
                }
            }
            let place = random.usize(..WORKERS);
            let due = Instant::now() >= next && sandbox.ledger().orders() < orders;
            if due && let Some(child) = &mut workers[place] {
                child.kill().unwrap();
                child.wait().unwrap();
                workers[place] = Some(self.worker(place));
                kills += 1;
                next = Instant::now() + every;
            }
        }
        kills
    }
}

/// A wave by several processes, one of which is killed every now and then: each order is charged once, and each worker
/// that ends says so of all of them.
async fn survives(vendor: Vendor, orders: usize) {
    with_database(async |address| {
        let sandbox = Sandbox::builder().latency(Duration::from_millis(5)).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let base_url = sandbox.base_url(vendor);
        let fleet = Fleet { folder: folder.path(), vendor, journal: &address, base_url };
        fleet.sample(orders);
        let started = Instant::now();
        let kills = fleet.work(orders, &sandbox, 7).await;
        Evidence::gather(&sandbox, vendor, &address).await.at_a_stop().assert_none("the fleet");
        let ledger = sandbox.ledger();
        println!("{vendor}: {orders} orders, {WORKERS} workers, {kills} killed, {:.1?}", started.elapsed());
        assert!(kills > 0, "nobody was killed");
        assert_eq!((ledger.orders(), ledger.charged_twice(), ledger.charges().len()), (orders, 0, orders));
        for place in 0..WORKERS {
            let report = fs::read_to_string(folder.path().join(format!("{place}.jsonl"))).unwrap();
            let booked = report.lines().filter(|line| line.contains(r#""outcome":"booked""#)).count();
            assert_eq!(booked, orders, "worker {place}");
        }
    })
    .await;
}

/// `SHIPBATCH_FLEET` orders, 600 unless set.
fn orders() -> usize {
    std::env::var("SHIPBATCH_FLEET").ok().and_then(|orders| orders.parse().ok()).unwrap_or(600)
}

#[tokio::test]
async fn smartsend_survives_workers_that_die() {
    survives(Vendor::SmartSend, orders()).await;
}

#[tokio::test]
async fn xps_survives_workers_that_die() {
    survives(Vendor::Xps, orders()).await;
}

#[tokio::test]
async fn deftship_survives_workers_that_die() {
    survives(Vendor::Deftship, orders()).await;
}
