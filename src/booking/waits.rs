//! How long the phases of a run may wait: by its polling policy, and never past its deadline.

use std::time::Instant;

use super::Doubt;
use crate::{Error, Poller, Polling, Result, error::Kind};

/// How often something is read that shows no effect of a commit, before the commit counts as never begun.
const LOOKS: u32 = 4;

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
    /// often as it was to be read, over all of the time that a call on its way is given.
    pub(crate) async fn read_again<T>(
        &self,
        poller: Poller<'_, T>,
        doubt: Doubt,
        idle: fn(&T) -> bool,
    ) -> Result<Option<T>> {
        let looks = if doubt == Doubt::InFlight { LOOKS } else { 1 };
        let mut polling = self.polling.clone();
        if doubt == Doubt::InFlight {
            let step = polling.doubt / LOOKS;
            (polling.first, polling.growth, polling.longest) = (step, 1.0, step);
            polling.patience = polling.patience.max(polling.doubt * 2);
        }
        let mut poller = poller.polling(&polling).by(self.deadline).endless();
        let mut idle_looks = 0;
        let mut failure = None;
        while idle_looks < looks
            && let Some(seen) = poller.next().await
        {
            match seen {
                Ok(seen) if idle(&seen) => idle_looks += 1,
                Ok(seen) => return Ok(Some(seen)),
                Err(error) => failure = Some(error),
            }
        }
        if idle_looks >= looks {
            return Ok(None);
        }
        let unread = || Error::new(Kind::Doubt, "it could not be read often enough in time");
        Err(failure.map_or_else(unread, |error| error.with_kind(Kind::Doubt)))
    }
}
