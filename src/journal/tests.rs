//! The journal's own promises. Those of several workers need a server: `SHIPBATCH_TEST_DATABASE_URL`.

use std::time::Duration;

use super::*;
use crate::Outcome;

const LONG: Duration = Duration::from_secs(600);

/// A journal on the test server, with an account that nobody else has.
async fn shared() -> Option<(Journal, String)> {
    let address = std::env::var("SHIPBATCH_TEST_DATABASE_URL").ok()?;
    Some((Journal::open(&address).await.unwrap(), uuid::Uuid::now_v7().to_string()))
}

fn unit(account: &str, id: &str, orders: &[&str]) -> Unit {
    let slot = |(place, order): (usize, &&str)| Slot {
        order: OrderId::new(*order).unwrap(),
        revision: 0,
        place: place as i64,
        tie: format!("tie of {order}"),
        payload_hash: "00".repeat(32),
        outcome: None,
    };
    Unit {
        id: format!("{account} {id}"),
        vendor: Vendor::Xps,
        account: account.to_owned(),
        state: Stage::Claimed,
        handle: String::new(),
        intent_at: jiff::Timestamp::now(),
        fence: 1,
        slots: orders.iter().enumerate().map(slot).collect(),
    }
}

fn names(orders: &[OrderId]) -> Vec<&str> {
    orders.iter().map(OrderId::as_str).collect()
}

async fn join(journal: &Journal, account: &str, lease: Duration) -> Worker {
    journal.join(Vendor::Xps, account, lease).await.unwrap()
}

#[tokio::test]
async fn an_order_is_claimed_by_one_worker() {
    let Some((journal, account)) = shared().await else { return };
    let (first, second) = (join(&journal, &account, LONG).await, join(&journal, &account, LONG).await);
    assert_eq!(first.wave, second.wave);
    let claimed = journal.claim(&first, unit(&account, "one", &["a", "b"])).await.unwrap();
    assert_eq!(names(&claimed), ["a", "b"]);
    // The same again, as after an answer of the database that was lost.
    assert_eq!(names(&journal.claim(&first, unit(&account, "one", &["a", "b"])).await.unwrap()), ["a", "b"]);
    assert_eq!(names(&journal.claim(&second, unit(&account, "two", &["b", "c"])).await.unwrap()), ["c"]);
    assert!(journal.claim(&second, unit(&account, "three", &["a", "c"])).await.unwrap().is_empty());
    // What is released is free.
    journal.release(unit(&account, "one", &["a", "b"])).await.unwrap();
    assert_eq!(names(&journal.claim(&second, unit(&account, "four", &["a", "b", "c"])).await.unwrap()), ["a", "b"]);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_can_neither_commit_nor_write() {
    let Some((journal, account)) = shared().await else { return };
    let slow = join(&journal, &account, Duration::from_millis(1)).await;
    let other = join(&journal, &account, LONG).await;
    let mut unit = unit(&account, "one", &["a", "b"]);
    journal.claim(&slow, unit.clone()).await.unwrap();
    unit.state = Stage::Intent;
    assert!(journal.keep(&unit, vec![0, 1], true).await.unwrap());
    tokio::time::sleep(Duration::from_millis(5)).await;

    let taken = journal.take(&other, &unit.id).await.unwrap().unwrap();
    assert_eq!((taken.fence, taken.state, taken.slots.len()), (2, Stage::Intent, 2));
    assert_eq!(taken.slots[1].tie, "tie of b");
    assert!(!journal.hold(&unit, LONG).await.unwrap(), "it may not send a commit");
    unit.state = Stage::Settled;
    unit.slots[0].outcome = Some(Recorded::new(&Outcome::Booked(crate::Booked::default())));
    assert!(!journal.keep(&unit, vec![0], false).await.unwrap(), "it may not write");
    journal.release(unit.clone()).await.unwrap();
    let known = journal.latest(Vendor::Xps, &account, &[&unit.slots[0].order]).await.unwrap();
    assert_eq!(known[&unit.slots[0].order].outcome, None);
    assert!(journal.hold(&taken, LONG).await.unwrap());
}

#[tokio::test]
async fn a_unit_is_taken_only_from_the_dead_and_after_its_commit() {
    let Some((journal, account)) = shared().await else { return };
    let dying = join(&journal, &account, Duration::from_millis(200)).await;
    let other = join(&journal, &account, LONG).await;
    let mut unit = unit(&account, "one", &["a"]);
    journal.claim(&dying, unit.clone()).await.unwrap();
    unit.state = Stage::Intent;
    journal.keep(&unit, vec![0], true).await.unwrap();
    let take = async || journal.take(&other, &unit.id).await.unwrap().is_some();
    assert!(!take().await, "it is alive");
    assert!(journal.hold(&unit, Duration::from_millis(400)).await.unwrap());
    journal.leave(&dying).await.unwrap();
    assert!(!take().await, "its commit may be on its way");
    tokio::time::sleep(Duration::from_millis(450)).await;
    // It lives again: a sign of life that came late.
    journal.beat(&dying).await.unwrap();
    assert!(!take().await, "it is alive again");
    journal.leave(&dying).await.unwrap();
    assert!(take().await);
}

#[tokio::test]
async fn whoever_comes_while_others_work_is_of_their_wave() {
    let Some((journal, account)) = shared().await else { return };
    let first = join(&journal, &account, LONG).await;
    let second = join(&journal, &account, LONG).await;
    journal.leave(&first).await.unwrap();
    let third = join(&journal, &account, LONG).await;
    assert_eq!((&first.wave, &second.wave), (&second.wave, &third.wave));
    journal.leave(&second).await.unwrap();
    journal.leave(&third).await.unwrap();
    assert_ne!(join(&journal, &account, LONG).await.wave, first.wave);
}

/// A worker that stalls within a transaction holds the account's lock: the server ends it.
#[tokio::test]
async fn a_server_is_told_not_to_wait_for_the_stalled() {
    let Some((journal, _)) = shared().await else { return };
    for link in [journal.0.store.link().await.unwrap(), journal.0.store.side().await.unwrap()] {
        let mut link = link;
        for (setting, value) in
            [("idle_in_transaction_session_timeout", "10s"), ("lock_timeout", "30s"), ("synchronous_commit", "on")]
        {
            let show = sqlx::query(AssertSqlSafe(format!("SHOW {setting}")));
            let row = show.fetch_one(&mut link.connection).await.unwrap();
            assert_eq!(row.try_get::<String, _>(0).unwrap(), value);
        }
    }
}

#[tokio::test]
async fn a_row_that_is_not_as_it_was_written_is_refused() {
    let journal = Journal::in_memory().await.unwrap();
    let worker = join(&journal, "main", LONG).await;
    let unit = unit("main", "one", &["a"]);
    for (hurt, heal) in [
        ("UPDATE booking SET tie = 'tie of b'", "UPDATE booking SET tie = 'tie of a'"),
        ("UPDATE booking SET outcome = 'rejected', detail = '{}'", "UPDATE booking SET outcome = NULL, detail = NULL"),
        ("UPDATE booking SET position = 1", "UPDATE booking SET position = 0"),
    ] {
        journal.claim(&worker, unit.clone()).await.unwrap();
        execute(&journal, hurt).await;
        let error = journal.latest(Vendor::Xps, "main", &[&unit.slots[0].order]).await.unwrap_err();
        assert!(error.to_string().contains("it is damaged: order \"a\""), "{error}");
        assert!(!error.was_sent());
        execute(&journal, heal).await;
        assert_eq!(journal.latest(Vendor::Xps, "main", &[&unit.slots[0].order]).await.unwrap().len(), 1);
    }
    let mut unit = unit;
    unit.state = Stage::Intent;
    journal.keep(&unit, vec![0], true).await.unwrap();
    execute(&journal, "UPDATE unit SET handle = '7'").await;
    let error = journal.take(&worker, &unit.id).await.unwrap_err();
    assert!(error.to_string().contains("it is damaged: unit main one"), "{error}");
}

async fn execute(journal: &Journal, sql: &'static str) {
    let mut link = journal.0.store.link().await.unwrap();
    sqlx::query(sql).execute(&mut link.connection).await.unwrap();
}
