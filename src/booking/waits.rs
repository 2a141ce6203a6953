//! How long the phases of a run may wait: by its polling policy, and never past its deadline.

use std::time::{Duration, Instant};

use crate::Polling;

/// How long phases may wait.
#[derive(Debug)]
pub struct Waits {
    polling: Polling,
    deadline: Option<Instant>,
}

impl Waits {
    pub(crate) fn new(polling: Polling, deadline: Option<Instant>) -> Self {
        Self { polling, deadline }
    }

    /// The looks at something under way: call [`Looks::wait`] before each.
    pub(crate) fn looks(&self) -> Looks {
        Looks { delays: Box::new(self.polling.delays()), deadline: self.deadline }
    }
}

/// Looks at one thing, until the patience or the time is over.
pub(crate) struct Looks {
    delays: Box<dyn Iterator<Item = Duration> + Send>,
    deadline: Option<Instant>,
}

impl Looks {
    /// Waits for the next look. False if the patience or the time is over.
    pub(crate) async fn wait(&mut self) -> bool {
        let Some(delay) = self.delays.next() else { return false };
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return false;
        }
        tokio::time::sleep(left.map_or(delay, |left| delay.min(left))).await;
        true
    }
}
