//! Journals on disk: what they refuse, and what they remember.

use std::fs;

use shipbatch::Journal;

async fn refusal(location: &str) -> String {
    let error = Journal::open(location).await.unwrap_err();
    assert!(!error.was_sent() && !error.may_have_booked());
    error.to_string()
}

#[tokio::test]
async fn a_journal_is_open_in_one_place_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wave %1#.db");
    let location = path.to_str().unwrap();
    let journal = Journal::open(location).await.unwrap();
    assert!(path.exists(), "the file has the name that was asked for");
    assert!(refusal(location).await.ends_with("another process is using it"));
    journal.close().await.unwrap();
    Journal::open(&format!("sqlite:{location}")).await.unwrap();
}

#[tokio::test]
async fn what_is_no_journal_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.csv");
    let text = "order_id,receiver.name\n".repeat(100);
    fs::write(&path, &text).unwrap();
    assert!(refusal(path.to_str().unwrap()).await.contains("file is not a database"));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(refusal("/nowhere/at/all.db").await.contains("cannot be opened"));
    assert!(refusal("mysql://host/db").await.contains("not a path"));
}

/// A wave runs in a task of its own where a program wants it to.
#[tokio::test]
async fn a_journal_opens_in_a_spawned_task() {
    let folder = tempfile::tempdir().unwrap();
    let location = folder.path().join("wave.db").to_str().unwrap().to_owned();
    let opened = tokio::spawn(async move { Journal::open(&location).await.unwrap().close().await });
    opened.await.unwrap().unwrap();
    tokio::spawn(Journal::in_memory()).await.unwrap().unwrap();
}
