//! What follows from a seed.

use std::time::Duration;

use fastrand::Rng;
use shipbatch::{Polling, sandbox::Faults};

use crate::{
    invariants::Unknowable,
    ways::{Fate, Wave, Way},
};

/// A wave and all that happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) way: Way,
    pub(crate) wave: Wave,
    pub(crate) latency: Duration,
    pub(crate) reads: u32,
    pub(crate) faults: String,
    pub(crate) unknowable: Unknowable,
    /// The runs that are stopped, before one that may end.
    pub(crate) stops: Vec<Stop>,
}

/// A run that is dropped, or told to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    pub(crate) polls: u32,
    pub(crate) at_once: bool,
    /// It is not dropped, but told to end.
    pub(crate) told: bool,
    pub(crate) concurrency: usize,
    /// The journal is closed and opened again before.
    pub(crate) reopen: bool,
}

impl Scenario {
    /// The wave, when nothing goes wrong any more.
    pub(crate) fn patient(&self) -> Wave {
        let mut wave = self.wave.clone();
        wave.timeout = Duration::from_secs(10);
        wave.polling.patience = Duration::from_secs(20);
        wave
    }

    pub(crate) fn draw(seed: u64) -> Self {
        let mut dice = Rng::with_seed(seed);
        let way = Way::ALL[dice.usize(..Way::ALL.len())];
        let rules: Vec<Rule> = (0..dice.usize(..4)).map(|_| Rule::draw(&mut dice, way)).collect();
        let mut wave = wave(&mut dice);
        // Short waits only where something may hang or be stuck: a busy machine is no fault of the vendor's.
        if rules.iter().any(|rule| rule.0.contains("hang")) {
            wave.timeout = Duration::from_millis(60);
        }
        if unknowable(&rules) == Unknowable::Any {
            wave.polling.patience = Duration::from_millis(400);
        }
        Self {
            seed,
            way,
            wave,
            latency: Duration::from_micros(dice.u64(..4) * 300),
            reads: dice.u32(1..=3),
            faults: rules.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>().join(","),
            unknowable: unknowable(&rules),
            stops: (0..dice.usize(..4)).map(|_| stop(&mut dice)).collect(),
        }
    }
}

fn wave(dice: &mut Rng) -> Wave {
    let fate = |dice: &mut Rng| match dice.u8(..12) {
        0 => Fate::Unprepared,
        1 => Fate::Uncommitted,
        _ => Fate::Booked,
    };
    let orders = dice.usize(1..=12);
    Wave {
        fates: (0..orders).map(|_| fate(dice)).collect(),
        unit_size: dice.usize(1..=6),
        concurrency: dice.usize(1..=6),
        timeout: Duration::from_secs(10),
        lease: Duration::from_secs(30),
        polling: Polling {
            first: Duration::from_millis(1),
            longest: Duration::from_millis(4),
            patience: Duration::from_secs(20),
            // What was sent has arrived by then: the sandbox is in this very process.
            doubt: Duration::from_millis(20),
            ..Polling::default()
        },
    }
}

/// Most runs take some hundred polls; a short stop is as likely as a long one.
fn stop(dice: &mut Rng) -> Stop {
    let longest = 1 << dice.u32(2..=8);
    let concurrency = dice.usize(1..=6);
    Stop {
        polls: dice.u32(1..=longest),
        at_once: dice.bool(),
        told: dice.u8(..4) == 0,
        concurrency,
        reopen: dice.bool(),
    }
}

/// A rule of a plan of faults, as it is written.
#[derive(Clone, Debug)]
struct Rule(String);

impl Rule {
    fn draw(dice: &mut Rng, way: Way) -> Self {
        loop {
            let (call, fault) = (call(dice, way), fault(dice));
            let when = match dice.u8(..4) {
                // What hides a state for good would only be waited for.
                3 if !fault.starts_with("hang") && fault != "new-enum" => format!("{}%", dice.u8(5..=60)),
                _ => dice.u8(1..=8).to_string(),
            };
            let rule = format!("{call}:{fault}@{when}");
            // Not every answer has what a fault would change.
            if rule.parse::<Faults>().is_ok() {
                return Self(rule);
            }
        }
    }

    /// Whether the engine gets over it by itself: it strikes once, and the call can be repeated or read back.
    fn passes(&self) -> bool {
        !["%", "stuck", "new-enum", "hang"].iter().any(|word| self.0.contains(word))
    }
}

/// The money call, or any other.
fn call(dice: &mut Rng, way: Way) -> &'static str {
    let others: &[&str] = match way {
        Way::SmartSend => &["smartsend.create_shipment", "smartsend.get_shipment", "smartsend.delete_shipment"],
        Way::SmartSendBatches => &[
            "smartsend.create_booking_batch",
            "smartsend.add_shipments_to_booking_batch",
            "smartsend.get_booking_batch",
            "smartsend.list_shipments",
            "smartsend.cancel_booking_batch",
        ],
        Way::Xps => &["xps.quote_batch", "xps.create_batch", "xps.list_batches", "xps.get_batch", "xps.cancel_batch"],
        Way::Deftship => &["deftship.create_batch", "deftship.get_batch", "deftship.remove_batch_items"],
    };
    match dice.u8(..6) {
        0 => "*",
        1..=3 => way.money_call(),
        _ => others[dice.usize(..others.len())],
    }
}

fn fault(dice: &mut Rng) -> &'static str {
    const FAULTS: [&str; 12] = [
        "drop-before",
        "drop-after",
        "drop-after",
        "500",
        "500-after",
        "500-after",
        "429(0)",
        "truncate",
        "slow(5)",
        "stuck",
        "new-enum",
        "missing-label",
    ];
    if dice.u8(..20) == 0 { "hang" } else { FAULTS[dice.usize(..FAULTS.len())] }
}

/// A truth can be hidden only where a read fails again and again, or a commit is lost as often as it is sent.
fn unknowable(rules: &[Rule]) -> Unknowable {
    let passes = rules.iter().all(Rule::passes) && rules.len() <= 2;
    if passes { Unknowable::None } else { Unknowable::Any }
}

#[test]
fn the_same_seed_draws_the_same() {
    let drawn = |seed| format!("{:?}", Scenario::draw(seed));
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
}
