//! Attempts at a file.

use std::time::Duration;

use crate::{
    Replay, Transport,
    retry::{Attempt, Decision},
    transport::chance,
};

/// The attempts at a file, with the waits between them.
pub(crate) struct Tries<'a> {
    transport: &'a Transport,
    sent: u32,
    /// The time that may be spent on waiting.
    left: Duration,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(transport: &'a Transport) -> Self {
        Self { transport, sent: 0, left: transport.timeouts().read }
    }

    /// How many there were.
    pub(crate) fn sent(&self) -> u32 {
        self.sent
    }

    /// Waits for the next try, if there is one after this.
    pub(crate) async fn again(&mut self, attempt: Attempt) -> bool {
        self.sent += 1;
        match self.transport.retry().decide(Replay::Safe, self.sent, attempt, self.left, chance()) {
            Decision::Repeat(delay) => {
                tokio::time::sleep(delay).await;
                self.left = self.left.saturating_sub(delay);
                true
            }
            Decision::Stop | Decision::ReadBack => false,
        }
    }
}
