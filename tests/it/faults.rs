//! Whole waves against a sandbox in which things go wrong: nobody is charged twice, and what the report says is true.

use shipbatch::{
    Journal,
    sandbox::{Faults, Sandbox},
};

use crate::{
    invariants::{Evidence, Told, Unknowable},
    scratch::Scratch,
    ways::{Wave, Way},
};

const ORDERS: usize = 20;

/// A wave that was booked once, and can be booked again.
struct Booked {
    way: Way,
    sandbox: Sandbox,
    journal: Journal,
    address: String,
    told: Told,
    _scratch: Scratch,
}

impl Booked {
    /// Books a wave with these faults. Whatever they are, the report is true.
    async fn new(way: Way, faults: &str, seed: u64) -> Self {
        let faults: Faults = faults.parse().unwrap();
        let sandbox = Sandbox::builder().seed(seed).faults(faults.clone()).start().await.unwrap();
        let scratch = Scratch::new();
        let address = scratch.journal("wave.db");
        let journal = Journal::open(&address).await.unwrap();
        let told = Told::from(&way.agent(&sandbox, wave().timeout).book(&wave(), &journal).await.unwrap());
        let booked = Self { way, sandbox, journal, address, told, _scratch: scratch };
        booked.check(&faults).await;
        booked
    }

    async fn again(&mut self) {
        let agent = self.way.agent(&self.sandbox, wave().timeout);
        self.told = Told::from(&agent.book(&wave(), &self.journal).await.unwrap());
        self.check(&Faults::default()).await;
    }

    async fn check(&self, faults: &Faults) {
        let evidence = Evidence::gather(&self.sandbox, self.way.vendor(), &self.address).await;
        let violations = evidence.at_the_end(&wave().ids(), &self.told, Unknowable::None);
        violations.assert_none(&format!("{:?} under {faults}", self.way));
    }

    fn is_all_booked(&self) -> bool {
        self.told.count("booked") == ORDERS
    }
}

fn wave() -> Wave {
    Wave::of(ORDERS)
}

/// The wave meets the fault in its money call, and all of it is booked none the less.
async fn every_way_books_all(fault: &str) {
    for way in Way::ALL {
        let booked = Booked::new(way, &format!("{}:{fault}", way.money_call()), 7).await;
        assert!(booked.sandbox.faults_injected() > 0, "{way:?} under {fault}: nothing went wrong");
        assert!(booked.is_all_booked(), "{way:?} under {fault}: {:?}", booked.told);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_after_the_work() {
    every_way_books_all("drop-after@1").await;
}

#[tokio::test]
async fn every_answer_is_lost_after_the_work() {
    every_way_books_all("drop-after").await;
}

#[tokio::test]
async fn a_call_that_is_lost_before_the_work() {
    every_way_books_all("drop-before@1").await;
}

#[tokio::test]
async fn an_answer_of_500_after_the_work() {
    every_way_books_all("500-after@1").await;
}

#[tokio::test]
async fn every_answer_is_a_500_after_the_work() {
    every_way_books_all("500-after").await;
}

#[tokio::test]
async fn a_vendor_that_never_answers_after_the_work() {
    every_way_books_all("hang@1").await;
}

#[tokio::test]
async fn an_answer_that_breaks_off() {
    every_way_books_all("truncate").await;
}

#[tokio::test]
async fn a_call_that_fails_before_the_work() {
    every_way_books_all("500@1").await;
}

#[tokio::test]
async fn a_vendor_that_is_busy_for_a_third_of_the_calls() {
    for seed in 0..3 {
        for way in Way::ALL {
            let mut booked = Booked::new(way, "*:429(0)@30%", seed).await;
            // Another run, or a few, books what is left.
            for _ in 0..5 {
                booked.again().await;
                if booked.is_all_booked() {
                    break;
                }
            }
            assert_eq!(booked.sandbox.ledger().orders(), ORDERS, "{way:?}, seed {seed}");
        }
    }
}

#[tokio::test]
async fn any_call_is_lost_now_and_then() {
    for fault in ["drop-before@10%", "drop-after@10%", "500-after@10%", "truncate@10%", "drop-after@40%"] {
        let mut injected = 0;
        for way in Way::ALL {
            for seed in 0..2 {
                injected += Booked::new(way, &format!("*:{fault}"), seed).await.sandbox.faults_injected();
            }
        }
        assert!(injected > 0, "{fault}: nothing went wrong");
    }
}
