//! Journals that cannot be used at all: the error says why, and nothing was sent.

use std::path::Path;

use shipbatch::{Journal, Vendor};
use sqlx::{Connection, Executor};

use crate::{scratch::Scratch, waves::sandbox};

/// Why a journal is refused, without its path.
async fn refusal(journal: &str) -> String {
    let sandbox = sandbox().await;
    let error = Journal::open(journal).await.unwrap_err();
    assert!(!error.was_sent() && !error.may_have_booked(), "{error:?}");
    assert_eq!(sandbox.ledger().by_order(Vendor::Xps).len(), 0);
    error.to_string().replace(journal, "JOURNAL")
}

#[tokio::test]
async fn a_journal_of_a_newer_version() {
    let scratch = Scratch::new();
    let journal = scratch.journal("wave.db");
    Journal::open(&journal).await.unwrap().close().await.unwrap();
    let mut connection = sqlx::AnyConnection::connect(&format!("sqlite://{journal}")).await.unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (9999, 'of tomorrow', TRUE, x'00', 0)";
    connection.execute(newer).await.unwrap();
    connection.close().await.unwrap();
    insta::assert_snapshot!(refusal(&journal).await, @"journal JOURNAL: it was written by a newer version of shipbatch");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written() {
    // Nobody can make a file there, whoever the tests run as.
    let folder = "/sys/kernel";
    if !Path::new(folder).is_dir() {
        return eprintln!("there is no {folder}: skipped");
    }
    insta::assert_snapshot!(refusal(&format!("{folder}/wave.db")).await, @"journal JOURNAL: it cannot be opened: Permission denied (os error 13)");
}

#[tokio::test]
async fn a_folder_that_is_not_there() {
    let scratch = Scratch::new();
    insta::assert_snapshot!(refusal(&scratch.journal("none/wave.db")).await, @"journal JOURNAL: it cannot be opened: No such file or directory (os error 2)");
}
