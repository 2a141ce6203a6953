//! Calls that were sent again, and how long that was waited for: noted while a wave runs, for its report.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How often calls of one operation were sent again for one reason, in the waves of an account.
///
/// Each repeat is one that was allowed: see [`Replay`](crate::Replay).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repeats {
    /// The `operationId` of the spec.
    pub operation: String,
    /// The status of the answer; nothing, where none came.
    pub status: Option<u16>,
    /// How often.
    pub times: u64,
    /// How long all of them waited together.
    pub waited: Duration,
    /// When the first was put off.
    pub first_at: jiff::Timestamp,
    /// When the last was put off.
    pub last_at: jiff::Timestamp,
}

/// By operation and status.
type Noted = BTreeMap<(String, u16), Repeats>;

tokio::task_local! {
    /// Set while a wave runs.
    static NOTED: Arc<Mutex<Noted>>;
}

/// Runs a wave, and gives what its calls repeated.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only the engine notes it"))]
pub(crate) async fn noting<T>(wave: impl Future<Output = T>) -> (T, Vec<Repeats>) {
    let noted = Arc::new(Mutex::new(Noted::new()));
    let ended = NOTED.scope(noted.clone(), wave).await;
    let noted = std::mem::take(&mut *noted.lock().unwrap_or_else(PoisonError::into_inner));
    (ended, noted.into_values().collect())
}

/// Notes that a call will be sent again after this wait. The status is 0 where no answer came.
pub(crate) fn note(operation: &str, status: u16, wait: Duration) {
    let note = |noted: &Arc<Mutex<Noted>>| {
        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
        let at = jiff::Timestamp::now();
        let repeats = noted.entry((operation.to_owned(), status)).or_insert_with(|| Repeats {
            operation: operation.to_owned(),
            status: (status > 0).then_some(status),
            times: 0,
            waited: Duration::ZERO,
            first_at: at,
            last_at: at,
        });
        (repeats.times, repeats.waited, repeats.last_at) = (repeats.times + 1, repeats.waited + wait, at);
    };
    // Outside of a wave nobody asks.
    let _ = NOTED.try_with(note);
}
