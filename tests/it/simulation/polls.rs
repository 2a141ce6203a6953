//! A future that is dropped after a number of polls: a stop at any await point.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

/// How often a future is polled before it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polls {
    pub(crate) left: u32,
    /// Dropped as soon as it was polled so often, not when it is woken next: nothing else moved since.
    pub(crate) at_once: bool,
}

impl Polls {
    /// So many that no future is dropped.
    pub(crate) const ENDLESS: Self = Self { left: u32::MAX, at_once: false };

    /// The future's output, unless it was dropped before.
    pub(crate) async fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|context| {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if self.at_once && self.left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// A future that stalls after so many polls, as a machine does that is paused: nothing of it moves for so long.
pub(crate) async fn stalling<F: Future>(future: F, mut polls: u32, pause: Duration) -> F::Output {
    let (mut future, mut stall) = (pin!(future), None);
    poll_fn(|context| {
        polls = polls.saturating_sub(1);
        if polls == 0 {
            let stall = stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            if !stall.is_elapsed() && stall.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        future.as_mut().poll(context)
    })
    .await
}

/// A signal that comes when it was asked for so often.
pub(crate) async fn signal(mut polls: u32) {
    poll_fn(|_| {
        // Whoever waits for it is woken by its own work.
        polls = polls.saturating_sub(1);
        if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[tokio::test]
async fn a_future_is_dropped_after_so_many_polls() {
    let yields = || async {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
    };
    for at_once in [false, true] {
        let mut ended = Vec::new();
        for left in 1..6 {
            ended.push(Polls { left, at_once }.run(yields()).await.is_some());
        }
        assert_eq!(ended, [false, false, false, true, true]);
    }
}
