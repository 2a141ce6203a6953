//! A wave of orders, booked: each paid for at most once, and each with a known end.
//!
//! The engine moves *units* through four phases and knows no vendor. A unit is one order at Smart Send, up to 500 at
//! XPS, up to 1,000 at Deftship.
//!
//! | phase | what happens |
//! |---|---|
//! | prepare | the vendor learns of the orders; no money moves, at worst a draft is left behind |
//! | commit | the money call; its intent is in the [`Journal`] before the bytes leave |
//! | settle | the vendor is asked until each order has an end |
//! | reconcile | a commit was sent and no answer came: the vendor's state decides how to go on |
//!
//! Starting the same program again is the resume: what is settled is skipped, what is in doubt is reconciled, what was
//! not sent is sent, and what was refused or failed is tried again as a new revision.
//!
//! ```no_run
//! # use shipbatch::{Journal, Order, OrderId, Result, smartsend};
//! # async fn wave(orders: Vec<Order<smartsend::types::ShipmentRequest>>) -> Result<()> {
//! let client = smartsend::Client::builder("team-7").token("…").build()?;
//! let journal = Journal::open("2026-11-21.db").await?; // new, or what a crash left
//!
//! let report = client.book(&orders, &journal).concurrency(8).run().await?;
//! println!("{}", report.counts());
//! # Ok(()) }
//! ```

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::future;

use crate::{Counts, Journal, Order, Polling, Report, Result};

mod engine;
mod phases;
mod waits;
mod wave;

use engine::Engine;
pub use phases::Phases;
pub(crate) use phases::{Committed, Doubt, Draft, Prepared, Reconciled, open};
pub(crate) use waits::Waits;
use wave::{Units, Wave};

/// How many units are under way at a time unless set.
const CONCURRENCY: usize = 8;

/// How far a wave is: what [`Booking::on_progress`] is told, each time that it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// All orders of the wave.
    pub orders: usize,
    /// Orders that were made known to the vendor, or were refused in the attempt.
    pub prepared: usize,
    /// Orders whose commit was sent in this run.
    pub committed: usize,
    /// Orders that have their end.
    pub ended: Counts,
}

type Watcher<'a> = Box<dyn Fn(&Progress) + Send + Sync + 'a>;
type Signal<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A wave that is about to be booked: made by a client's `book`, started by [`run`](Self::run).
#[must_use = "nothing is booked until it runs"]
pub struct Booking<'a, C, I> {
    client: C,
    journal: &'a Journal,
    orders: I,
    concurrency: usize,
    unit: usize,
    polling: Polling,
    deadline: Option<Duration>,
    stop: Option<Signal<'a>>,
    watcher: Option<Watcher<'a>>,
}

impl<'a, C, I, O> Booking<'a, C, I>
where
    C: Phases,
    I: IntoIterator<Item = O>,
    I::IntoIter: Clone + Send,
    O: Borrow<Order<C::Shipment>> + Send + Sync,
{
    pub(crate) fn new(client: C, journal: &'a Journal, orders: I) -> Self {
        Self {
            client,
            journal,
            orders,
            concurrency: CONCURRENCY,
            unit: C::LIMIT,
            polling: Polling::default(),
            deadline: None,
            stop: None,
            watcher: None,
        }
    }

    /// How many units are under way at a time, at least 1. 8 unless set.
    pub fn concurrency(mut self, units: usize) -> Self {
        self.concurrency = units.max(1);
        self
    }

    /// How many orders go into one unit, at least 1 and at most the vendor's limit, which it is unless set.
    pub fn unit_size(mut self, orders: usize) -> Self {
        self.unit = orders.clamp(1, C::LIMIT);
        self
    }

    /// How often the vendor is asked for work that it does in the background.
    pub fn polling(mut self, polling: Polling) -> Self {
        self.polling = polling;
        self
    }

    /// From now on until when commits are sent and answers waited for. A commit that is on its way then is not cut
    /// short: its answer is read, and what the vendor still works on is left to the next run.
    pub fn deadline(mut self, after: Duration) -> Self {
        self.deadline = Some(after);
        self
    }

    /// Ends the run early, cleanly, when `signal` completes: no further commit is sent, what is under way is waited
    /// for, and the other orders are reported as not sent.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'a) -> Self {
        self.stop = Some(Box::pin(signal));
        self
    }

    /// Is told how far the wave is, each time that it changes.
    pub fn on_progress(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'a) -> Self {
        self.watcher = Some(Box::new(watcher));
        self
    }

    /// Books the wave. Dropping the future stops the work; the journal knows how to go on.
    ///
    /// The orders are walked twice, once to plan and once to send, so that a mistake in the last of them is found before
    /// the first is sent, and so that they need not all be in memory.
    ///
    /// # Errors
    /// Only for what stops the whole run: an order id that occurs twice, a journal that cannot be written, credentials
    /// that the vendor refuses. What was booked until then is in the journal.
    pub async fn run(self) -> Result<Report> {
        let _alone = self.journal.alone(self.client.vendor(), self.client.account()).await;
        let orders = self.orders.into_iter();
        let mut wave = Wave::plan(&self.client, self.journal, orders.clone()).await?;
        let deadline = self.deadline.map(|after| Instant::now() + after);
        let progress = Progress { orders: wave.len(), ended: wave.counts(), ..Progress::default() };
        let waits = Waits::new(self.polling, deadline);
        let engine = Engine::new(&self.client, self.journal, waits, progress, self.watcher);
        let units = Units::new(&mut wave, orders, self.unit);
        engine.drive(&mut wave, units, self.concurrency, halt(self.stop, deadline)).await?;
        Ok(wave.report(&self.client, engine.halted()))
    }
}

impl<C, I> fmt::Debug for Booking<'_, C, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Booking")
            .field("concurrency", &self.concurrency)
            .field("unit", &self.unit)
            .finish_non_exhaustive()
    }
}

/// Completes when the run is to end early; never, if nothing was asked for.
async fn halt(stop: Option<Signal<'_>>, deadline: Option<Instant>) {
    let stop = stop.unwrap_or_else(|| Box::pin(future::pending()));
    let deadline = async {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
            None => future::pending().await,
        }
    };
    future::select(stop, Box::pin(deadline)).await;
}
