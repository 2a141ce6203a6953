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
//! not sent is sent, and what was refused or failed is tried again as a new revision. Started on many machines with one
//! journal in PostgreSQL, it is the same wave, shared.
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
    sync::{Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{self, Either},
};

use crate::{Counts, Journal, Order, Polling, Report, Result, gate, journal::Worker, repeat};

mod engine;
mod phases;
mod waits;
mod wave;

use engine::Engine;
pub use phases::Phases;
pub(crate) use phases::{Committed, Doubt, Draft, Prepared, Reconciled, open};
pub(crate) use waits::Waits;
use wave::{Asked, Units, Wave};

/// How many units are under way at a time unless set.
const CONCURRENCY: usize = 8;
/// How long a machine counts as alive without saying so again, unless set; it says so three times in this time.
const LEASE: Duration = Duration::from_secs(30);
/// The first wait before another look at what other machines have in hand, and the longest, where nothing comes of theirs.
const LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// Longer than any wave: what is beyond is as good as no bound.
const AGES: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often the journal may be gone through without any order ending, where no other machine is at work.
const IDLE_PASSES: u32 = 3;

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
    lease: Duration,
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
            lease: LEASE,
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
        self.deadline = Some(after.min(AGES));
        self
    }

    /// How long after its last sign of life a machine counts as dead, and others go on with its units: 30 s unless set. A
    /// unit whose commit was sent is left alone until the call must be over, at XPS up to
    /// [`Timeouts::write`](crate::Timeouts::write). Only for a journal that machines share.
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time.clamp(Duration::from_millis(1), AGES);
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
        let orders = self.orders.into_iter();
        let asked = Asked::read::<C, O>(orders.clone())?;
        let (client, journal) = (&self.client, self.journal);
        let worker = journal.join(client.vendor(), client.account(), self.lease).await?;
        journal.begin(&worker, asked.len()).await?;
        let deadline = self.deadline.map(|after| Instant::now() + after);
        let engine = Engine {
            client,
            journal,
            worker: &worker,
            asked: &asked,
            waits: Waits::new(self.polling, deadline),
            halted: AtomicBool::new(false),
            progress: Mutex::new(Progress { orders: asked.len(), ..Progress::default() }),
            watcher: self.watcher,
        };
        let mut halt = Box::pin(halt(self.stop, deadline).fuse());
        let passes = engine.passes(orders, self.unit, self.concurrency, &mut halt);
        let passes = gate::sharing(journal.pace(client.vendor(), client.account()), passes);
        let (report, repeats) = repeat::noting(alive(journal, &worker, Box::pin(passes))).await;
        if let Err(error) = journal.note_repeats(&worker, &repeats).await {
            tracing::warn!(%error, "which calls were repeated is not in the journal");
        }
        // What was found out counts; a worker that could not say goodbye is missed when its lease is over.
        if let Err(error) = journal.leave(&worker).await {
            tracing::warn!(%error, "the end of the run could not be told to other machines");
        }
        report
    }
}

impl<C: Phases> Engine<'_, C> {
    /// Goes through the orders until each has its end: once, and again for what other workers had in hand.
    async fn passes<I, O>(
        &self,
        orders: I,
        unit: usize,
        concurrency: usize,
        mut halt: impl Future<Output = ()> + Send + Unpin,
    ) -> Result<Report>
    where
        I: Iterator<Item = O> + Clone + Send,
        O: Borrow<Order<C::Shipment>> + Send + Sync,
    {
        let mut wave = Wave::new(self.asked);
        let mut idle = 0;
        let mut look = LOOK;
        loop {
            let (before, begun) = (wave.open(), Instant::now());
            wave.plan(self.client, self.journal, &self.worker.wave).await?;
            let cost = begun.elapsed();
            self.tell(|progress| progress.ended = wave.counts());
            if wave.open() == 0 || self.halted() || (self.journal.is_exclusive() && idle > IDLE_PASSES) {
                return Ok(wave.report(self.client, self.halted()));
            }
            // Machines that share the orders begin at different places, so that they seldom want the same.
            let first = if self.journal.is_exclusive() { 0 } else { wave.anywhere() };
            let orders = orders.clone().enumerate().skip(first).chain(orders.clone().enumerate().take(first));
            let units = Units::new(&wave, orders, unit);
            let broke_off = self.drive(&mut wave, units, concurrency, &mut halt).await?;
            let ended = wave.open() < before;
            (idle, look) = if ended { (0, LOOK) } else { (idle + 1, look * 2) };
            // Orders that a pass broke off before are to be sent.
            if self.journal.is_exclusive() || wave.open() == 0 || self.halted() || (broke_off && ended) {
                continue;
            }
            // Whoever waits is to leave the database to those who work.
            look = look.max(4 * cost).min(LONGEST_LOOK).min(self.worker.lease / 3);
            if let Either::Right(_) = future::select(Box::pin(tokio::time::sleep(look)), &mut halt).await {
                self.halt();
            }
        }
    }
}

/// Does the work of a worker, and says meanwhile that it is alive, where others want to know.
async fn alive<T>(journal: &Journal, worker: &Worker, work: impl Future<Output = T> + Send + Unpin) -> T {
    if journal.is_exclusive() {
        return work.await;
    }
    let signs = Box::pin(async {
        loop {
            tokio::time::sleep(worker.lease / 3).await;
            // Without a sign of life others take over, and what this worker then writes counts for nothing.
            if let Err(error) = journal.beat(worker).await {
                tracing::warn!(%error, "no sign of life could be given");
            }
        }
    });
    match future::select(work, signs).await {
        Either::Left((done, _)) => done,
        Either::Right((never, _)) => never,
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
