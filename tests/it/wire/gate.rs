//! One gate for all clones of a client. Only lower bounds are asserted: a busy machine makes calls late, never early.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipbatch::{Builder, RetryPolicy, deftship};
use tokio::task::JoinSet;

use super::script::{Script, answer};

fn client(server: &Script) -> Builder<deftship::Client> {
    deftship::Client::builder("w").token("t0ken").base_url(server.url())
}

fn batch() -> Value {
    json!({"success": true, "data": {"id": "1", "status": "ready"}})
}

/// That many calls at once, each by a task and a clone of its own.
async fn crowd(client: &deftship::Client, tasks: usize) {
    let mut crowd = JoinSet::new();
    for _ in 0..tasks {
        let client = client.clone();
        crowd.spawn(async move { client.batch("1").await });
    }
    for result in crowd.join_all().await {
        result.unwrap();
    }
}

#[tokio::test]
async fn one_429_holds_all_clones_back_and_they_leave_one_by_one() {
    let server = Script::new([answer(429, &Value::Null).header("retry-after", "1"), answer(200, &batch())]);
    // The call that is told to wait is not repeated, so that it is over, and the pause begun, when the crowd comes.
    let client = client(&server).retry(RetryPolicy { attempts: 1, ..RetryPolicy::default() }).build().unwrap();
    assert!(client.batch("1").await.unwrap_err().is_throttled());

    crowd(&client, 16).await;

    let requests = server.requests();
    let [asked, crowd @ ..] = requests.as_slice() else { panic!("none came") };
    assert_eq!(crowd.len(), 16);
    // A millisecond lies between two that leave.
    for (place, request) in (0..).zip(crowd) {
        let waited = request.arrived - asked.arrived;
        assert!(waited >= Duration::from_millis(1000 + place), "number {place} came after {waited:?}");
    }
}

#[tokio::test]
async fn a_crowd_that_is_told_to_wait_comes_back_after_the_pause() {
    const TASKS: usize = 16;
    // Half of the crowd is told to wait, all of it having been on its way.
    let told = vec![answer(429, &Value::Null).header("retry-after", "1"); TASKS / 2];
    let server = Script::new(told.into_iter().chain([answer(200, &batch())]));
    let client = client(&server).build().unwrap();

    crowd(&client, TASKS).await;

    let requests = server.requests();
    assert_eq!(requests.len(), TASKS + TASKS / 2);
    let pause_ends = requests[0].arrived + Duration::from_secs(1);
    let inside = requests.iter().filter(|request| request.arrived < pause_ends).count();
    assert!(inside <= TASKS, "{inside} came before the pause was over, {TASKS} were on their way");
}

#[tokio::test]
async fn a_rate_spaces_the_calls_of_all_clones() {
    let server = Script::new([answer(200, &batch())]);
    let client = client(&server).rate(6000).build().unwrap();
    let started = Instant::now();

    crowd(&client, 20).await;

    let requests = server.requests();
    assert_eq!(requests.len(), 20);
    for (place, request) in (0..).zip(requests.iter()) {
        let passed = request.arrived - started;
        assert!(passed >= Duration::from_millis(10 * place), "number {place} came after {passed:?}");
    }
}
