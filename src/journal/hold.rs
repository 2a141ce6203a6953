//! A unit that is held for a call: until the answer must be there, no other worker takes it.

use std::{sync::Mutex, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::{Journal, unit::Unit};
use crate::{Result, permit::Permit};

/// For how much longer than the answer may take: clocks run at different speeds.
const MARGIN: Duration = Duration::from_secs(1);

/// The permit to send a call that changes a unit at the vendor.
pub(crate) struct Hold {
    journal: Journal,
    unit: Unit,
    longest: Duration,
    refuse: Mutex<Option<oneshot::Sender<Result<()>>>>,
    refused: Mutex<Option<oneshot::Receiver<Result<()>>>>,
}

impl Hold {
    pub(crate) fn new(journal: &Journal, unit: &Unit, longest: Duration) -> Self {
        let (refuse, refused) = oneshot::channel();
        // Its orders do not matter here.
        let unit = Unit { slots: Vec::new(), ..unit.clone() };
        let (refuse, refused) = (Mutex::new(Some(refuse)), Mutex::new(Some(refused)));
        Self { journal: journal.clone(), unit, longest, refuse, refused }
    }

    /// Ends when a call may not be sent: another worker has the unit, or the journal cannot be written.
    pub(crate) async fn refused(&self) -> Result<()> {
        let refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match refused {
            Some(refused) => refused.await.unwrap_or(Ok(())),
            None => futures_util::future::pending().await,
        }
    }

    async fn hold(&self, time: Duration) -> bool {
        let held = self.journal.hold(&self.unit, time + MARGIN).await;
        if let Ok(true) = held {
            return true;
        }
        let refuse = self.refuse.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(refuse) = refuse {
            // A run that was dropped needs no answer.
            let _ = refuse.send(held.map(drop));
        }
        false
    }
}

impl Permit for Hold {
    fn longest(&self) -> Duration {
        self.longest
    }

    fn ask(&self, time: Duration) -> BoxFuture<'_, bool> {
        self.hold(time).boxed()
    }
}
