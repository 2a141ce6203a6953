//! How long the phases of a run may wait: by its polling policy, and never past its deadline.

use std::time::Instant;

use crate::{Error, Poller, Polling, Result, error::Kind};

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

    /// A poller that keeps to this run's waits.
    pub(crate) fn watch<'a, T>(&self, poller: Poller<'a, T>) -> Poller<'a, T> {
        poller.polling(&self.polling).by(self.deadline)
    }

    /// Reads the state of something whose commit is in doubt, until it is no longer idle. Nothing, if it was idle as
    /// often as it was to be read: a call that is on its way has had its time.
    pub(crate) async fn read_again<T>(
        &self,
        poller: Poller<'_, T>,
        looks: u32,
        idle: fn(&T) -> bool,
    ) -> Result<Option<T>> {
        let mut poller = self.watch(poller).endless();
        let mut last = None;
        while poller.looks() < looks
            && let Some(seen) = poller.next().await
        {
            match seen {
                Ok(seen) if !idle(&seen) => return Ok(Some(seen)),
                seen => last = Some(seen.map(drop)),
            }
        }
        match last {
            Some(Ok(())) if poller.looks() >= looks => Ok(None),
            Some(Err(error)) => Err(error.with_kind(Kind::Doubt)),
            _ => Err(Error::new(Kind::Doubt, "it could not be read often enough in time")),
        }
    }
}
