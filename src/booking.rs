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
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};
use serde::Serialize;

use crate::{
    Account, Counts, Error, Journal, Order, OrderId, Outcome, Polling, Report, Result,
    error::Kind,
    journal::{Recorded, Slot, Unit, UnitState},
    key::{payload_hash, push_hex},
};

/// How often a unit's commit is sent in one run, where each earlier one surely did not begin.
const COMMITS: u32 = 3;
/// How many units are under way at a time unless set.
const CONCURRENCY: usize = 8;

/// What a vendor is to the engine: four phases and a limit. Sealed: the clients of this crate.
pub trait Phases: Account + Send + Sync {
    /// The vendor's own request for one order.
    type Shipment: Serialize + Send + Sync;

    /// How many orders the vendor takes in one unit.
    #[doc(hidden)]
    const LIMIT: usize;

    #[doc(hidden)]
    fn account(&self) -> &str;

    /// Orders of different groups cannot share a unit.
    #[doc(hidden)]
    fn group(_: &Self::Shipment) -> String {
        String::new()
    }

    #[doc(hidden)]
    fn prepare(
        &self,
        unit: &str,
        orders: &[Draft<'_, Self::Shipment>],
        waits: &Waits,
    ) -> impl Future<Output = Result<Prepared>> + Send;

    #[doc(hidden)]
    fn commit(&self, unit: &Unit) -> impl Future<Output = Committed> + Send;

    #[doc(hidden)]
    fn settle(&self, unit: &Unit, waits: &Waits) -> impl Future<Output = Result<Vec<(usize, Outcome)>>> + Send;

    #[doc(hidden)]
    fn reconcile(&self, unit: &Unit, doubt: Doubt, waits: &Waits) -> impl Future<Output = Reconciled> + Send;
}

/// An order on its way into a unit.
#[derive(Debug)]
pub struct Draft<'a, S> {
    pub(crate) order: &'a OrderId,
    pub(crate) revision: u32,
    pub(crate) shipment: &'a S,
}

/// What prepare leaves: the vendor's ids, and the orders that ended already.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The vendor's ids for the later phases, as JSON.
    pub(crate) handle: String,
    /// For each order, the vendor's id by which its answer is found.
    pub(crate) ties: Vec<String>,
    /// The orders that the vendor refused, by their place.
    pub(crate) ended: Vec<(usize, Outcome)>,
}

/// How a commit ended.
#[derive(Debug)]
pub enum Committed {
    /// The answer holds the orders' ends.
    Settled(Vec<(usize, Outcome)>),
    /// The vendor took it and works on it.
    Accepted,
    /// The vendor did nothing: all orders of the unit share this end.
    Ended(Error),
    /// The vendor refused. Its state is read all the same: an earlier commit may be the reason.
    Refused(Error),
    /// It may or may not have been done.
    Doubt(Error),
}

impl From<Error> for Committed {
    fn from(error: Error) -> Self {
        if !error.was_sent() || error.is_throttled() {
            Self::Ended(error)
        } else if error.may_have_booked() {
            Self::Doubt(error)
        } else {
            Self::Refused(error)
        }
    }
}

/// Why a unit is reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// A commit may be on its way, or at work, even now.
    InFlight,
    /// The vendor answered the commit and refused it.
    Refused,
}

/// What the vendor's state says of a commit.
#[derive(Debug)]
pub enum Reconciled {
    /// It surely had no effect, or a repeat has none: it may be sent (again).
    NotBegun,
    /// The vendor is at work.
    Accepted,
    /// The orders have their ends.
    Settled(Vec<(usize, Outcome)>),
    /// It cannot be found out.
    Unknown(Error),
}

/// How long phases may wait.
#[derive(Debug)]
pub struct Waits {
    polling: Polling,
    deadline: Option<Instant>,
}

impl Waits {
    /// The looks at something under way: call [`Looks::wait`] before each.
    pub(crate) fn looks(&self) -> Looks {
        Looks { delays: Box::new(self.polling.delays()), deadline: self.deadline }
    }
}

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

/// How far a wave is: what [`Booking::on_progress`] is told, each time that it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// All orders of the wave.
    pub orders: usize,
    /// Orders that the vendor knows of.
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
    client: &'a C,
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
    pub(crate) fn new(client: &'a C, journal: &'a Journal, orders: I) -> Self {
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
        let orders = self.orders.into_iter();
        let mut wave = plan(self.client, self.journal, orders.clone()).await?;
        let deadline = self.deadline.map(|after| Instant::now() + after);
        let engine = Engine {
            client: self.client,
            journal: self.journal,
            waits: Waits { polling: self.polling, deadline },
            halted: AtomicBool::new(false),
            progress: Mutex::new(Progress { orders: wave.rows.len(), ended: wave.counts(), ..Progress::default() }),
            watcher: self.watcher,
        };
        engine.tell(|_| {});
        let halt = halt(self.stop, deadline);
        let units = Units { wave: wave.steps(), orders: orders.enumerate(), open: Vec::new(), size: self.unit };
        let result = engine.drive(&mut wave, units, self.concurrency, halt).await;
        let stopped = engine.halted.load(Ordering::Relaxed);
        result.map(|()| wave.report(self.client, stopped))
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

/// All orders of a run, in the caller's order.
struct Wave {
    rows: Vec<Row>,
    places: HashMap<OrderId, usize>,
}

struct Row {
    order: OrderId,
    payload_hash: [u8; 32],
    step: Step,
    outcome: Option<Outcome>,
}

/// What a run has to do for an order.
#[derive(Clone, Debug)]
enum Step {
    /// Nothing: it is booked.
    Skip,
    /// Its unit is in doubt, or at work at the vendor.
    Recover(String),
    /// Book it, as this revision.
    Send(u32),
}

async fn plan<C: Phases, O: Borrow<Order<C::Shipment>>>(
    client: &C,
    journal: &Journal,
    orders: impl Iterator<Item = O>,
) -> Result<Wave> {
    let mut wave = Wave { rows: Vec::new(), places: HashMap::new() };
    for (place, order) in orders.enumerate() {
        let order = order.borrow();
        if wave.places.insert(order.id.clone(), place).is_some() {
            return Err(Error::input(format!("order {}: it occurs twice", order.id)));
        }
        let payload_hash = payload_hash(&order.shipment)?;
        wave.rows.push(Row { order: order.id.clone(), payload_hash, step: Step::Send(0), outcome: None });
    }
    let ids: Vec<OrderId> = wave.rows.iter().map(|row| row.order.clone()).collect();
    let mut known = journal.latest(C::VENDOR, client.account(), &ids).await?;
    for row in &mut wave.rows {
        let Some(known) = known.remove(&row.order) else { continue };
        row.step = match &known.outcome {
            Some(outcome) if outcome.is_booked() => {
                if let Outcome::Booked(mut booked) = outcome.outcome() {
                    booked.earlier = true;
                    booked.changed = known.payload_hash != hex(&row.payload_hash);
                    row.outcome = Some(Outcome::Booked(booked));
                }
                Step::Skip
            }
            Some(outcome) if outcome.is_final() => Step::Send(known.revision + 1),
            _ => Step::Recover(known.unit),
        };
    }
    Ok(wave)
}

impl Wave {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().filter_map(|row| row.outcome.as_ref()).for_each(|outcome| counts.add(outcome));
        counts
    }

    /// What is to be done, apart from the wave so that outcomes can be noted meanwhile.
    fn steps(&mut self) -> Steps {
        let mut seen = HashSet::new();
        let mut recover = VecDeque::new();
        let mut send = Vec::with_capacity(self.rows.len());
        for row in &mut self.rows {
            send.push(match std::mem::replace(&mut row.step, Step::Skip) {
                Step::Skip => None,
                Step::Send(revision) => Some(revision),
                Step::Recover(unit) => {
                    if seen.insert(unit.clone()) {
                        recover.push_back(unit);
                    }
                    None
                }
            });
        }
        Steps { recover, send }
    }

    fn note(&mut self, order: &OrderId, outcome: Outcome, counts: &mut Counts) {
        // A recovered unit may hold orders that this run was not given: they are in the journal.
        if let Some(place) = self.places.get(order) {
            counts.add(&outcome);
            self.rows[*place].outcome = Some(outcome);
        }
    }

    fn report<C: Phases>(self, client: &C, stopped: bool) -> Report {
        let not_sent = || Outcome::NotSent(Error::new(Kind::Stopped, "the run ended before it was sent"));
        let rows = self.rows.into_iter().map(|row| (row.order, row.outcome.unwrap_or_else(not_sent))).collect();
        Report::new(C::VENDOR, client.account(), rows, stopped)
    }
}

struct Steps {
    /// Units to be recovered, each once.
    recover: VecDeque<String>,
    /// For each order, the revision to send, or nothing.
    send: Vec<Option<u32>>,
}

/// A unit before it has an id: orders, each with its place in the wave and its revision.
type Load<O> = Vec<(O, usize, u32)>;

/// What a task does.
enum Task<O> {
    Recover(String),
    Book(Load<O>),
}

/// Cuts the orders into units, as far as they are asked for.
struct Units<I, O> {
    wave: Steps,
    orders: std::iter::Enumerate<I>,
    /// Units that are not full, by group. Few: a wave has few shippers and services.
    open: Vec<(String, Load<O>)>,
    size: usize,
}

impl<I: Iterator<Item = O>, O> Units<I, O> {
    fn next<C: Phases>(&mut self, wave: &Wave) -> Result<Option<Task<O>>>
    where
        O: Borrow<Order<C::Shipment>>,
    {
        if let Some(unit) = self.wave.recover.pop_front() {
            return Ok(Some(Task::Recover(unit)));
        }
        for (place, order) in self.orders.by_ref() {
            let same = wave.rows.get(place).is_some_and(|row| row.order == order.borrow().id);
            if !same {
                return Err(Error::input("the orders changed while the wave was being planned"));
            }
            let Some(revision) = self.wave.send.get(place).copied().flatten() else { continue };
            let group = C::group(&order.borrow().shipment);
            let index = self.open.iter().position(|(open, _)| *open == group).unwrap_or_else(|| {
                self.open.push((group, Vec::new()));
                self.open.len() - 1
            });
            self.open[index].1.push((order, place, revision));
            if self.open[index].1.len() >= self.size {
                return Ok(Some(Task::Book(self.open.remove(index).1)));
            }
        }
        Ok((!self.open.is_empty()).then(|| Task::Book(self.open.remove(0).1)))
    }
}

/// What a task ends with.
enum End<O> {
    /// The orders have their ends.
    Ended(Vec<(OrderId, Outcome)>),
    /// The vendor found the unit too large.
    TooLarge(Load<O>),
}

struct Engine<'a, C> {
    client: &'a C,
    journal: &'a Journal,
    waits: Waits,
    /// Set once the run is to end early: no commit is sent any more.
    halted: AtomicBool,
    progress: Mutex<Progress>,
    watcher: Option<Watcher<'a>>,
}

impl<C: Phases> Engine<'_, C> {
    /// Runs the units, `concurrency` at a time, until all are done or the run is halted and what was begun is done.
    async fn drive<I, O>(
        &self,
        wave: &mut Wave,
        mut units: Units<I, O>,
        concurrency: usize,
        halt: impl Future<Output = ()> + Send,
    ) -> Result<()>
    where
        I: Iterator<Item = O> + Send,
        O: Borrow<Order<C::Shipment>> + Send + Sync,
    {
        let mut halt = Box::pin(halt.fuse());
        let mut running = FuturesUnordered::new();
        let mut halves = Vec::new();
        let mut fatal = None;
        loop {
            while running.len() < concurrency && !self.halted.load(Ordering::Relaxed) {
                let task = match halves.pop() {
                    Some(half) => Some(Task::Book(half)),
                    None => units.next::<C>(wave)?,
                };
                let Some(task) = task else { break };
                running.push(Box::pin(self.work(wave_hashes(wave, &task), task)));
            }
            let ended = match future::select(running.next(), &mut halt).await {
                Either::Left((Some(ended), _)) => ended,
                Either::Left((None, _)) => break,
                Either::Right(_) => {
                    self.halted.store(true, Ordering::Relaxed);
                    continue;
                }
            };
            match ended {
                Ok(End::Ended(outcomes)) => {
                    self.tell(|progress| {
                        outcomes
                            .into_iter()
                            .for_each(|(order, outcome)| wave.note(&order, outcome, &mut progress.ended));
                    });
                }
                Ok(End::TooLarge(mut load)) => {
                    let second = load.split_off(load.len() / 2);
                    halves.extend([second, load]);
                }
                Err(error) => {
                    // What is under way is waited for: it may be paid for.
                    self.halted.store(true, Ordering::Relaxed);
                    fatal.get_or_insert(error);
                }
            }
        }
        fatal.map_or(Ok(()), Err)
    }

    async fn work<O: Borrow<Order<C::Shipment>> + Send + Sync>(
        &self,
        hashes: Vec<String>,
        task: Task<O>,
    ) -> Result<End<O>> {
        match task {
            Task::Recover(unit) => self.recover(&unit).await.map(End::Ended),
            Task::Book(load) => self.book(load, hashes).await,
        }
    }

    /// Goes on with a unit of an earlier run.
    async fn recover(&self, unit: &str) -> Result<Vec<(OrderId, Outcome)>> {
        let unit = self.journal.unit(unit).await?;
        match unit.state {
            UnitState::Intent => self.carry(unit, Next::Reconcile(Doubt::InFlight)).await,
            UnitState::Accepted => self.carry(unit, Next::Settle).await,
            UnitState::Settled => Ok(Self::ends(unit, Vec::new())),
        }
    }

    /// Takes a new unit through all phases.
    async fn book<O: Borrow<Order<C::Shipment>> + Send + Sync>(
        &self,
        load: Load<O>,
        hashes: Vec<String>,
    ) -> Result<End<O>> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let drafts: Vec<_> = load
            .iter()
            .map(|(order, _, revision)| {
                let order = order.borrow();
                Draft { order: &order.id, revision: *revision, shipment: &order.shipment }
            })
            .collect();
        let prepared = match self.client.prepare(&id, &drafts, &self.waits).await {
            Ok(prepared) => prepared,
            Err(error) if error.is_auth() => return Err(error),
            Err(error) if error.status() == Some(413) && load.len() > 1 => return Ok(End::TooLarge(load)),
            Err(error) => Prepared {
                ended: (0..drafts.len()).map(|place| (place, unprepared(error.copy()))).collect(),
                ..Prepared::default()
            },
        };
        let mut ends: HashMap<usize, Outcome> = prepared.ended.into_iter().collect();
        let all_ended = ends.len() == drafts.len();
        let slots = drafts
            .iter()
            .zip(hashes)
            .enumerate()
            .map(|(place, (draft, payload_hash))| Slot {
                order: draft.order.clone(),
                revision: draft.revision,
                tie: prepared.ties.get(place).cloned().unwrap_or_default(),
                payload_hash,
                outcome: ends.remove(&place).map(|outcome| Recorded::new(&outcome)),
            })
            .collect();
        let unit = Unit {
            id,
            vendor: C::VENDOR,
            account: self.client.account().to_owned(),
            state: if all_ended { UnitState::Settled } else { UnitState::Intent },
            handle: prepared.handle,
            intent_at: jiff::Timestamp::now(),
            slots,
        };
        self.tell(|progress| progress.prepared += unit.slots.len());
        if all_ended {
            self.journal.begin(unit.clone()).await?;
            return Ok(End::Ended(Self::ends(unit, Vec::new())));
        }
        if self.halted.load(Ordering::Relaxed) {
            // A draft is left at the vendor, no money moved, and the next run prepares afresh.
            let stopped = || Outcome::NotSent(Error::new(Kind::Stopped, "the run ended before it was sent"));
            return Ok(End::Ended(unit.slots.into_iter().map(|slot| (slot.order, stopped())).collect()));
        }
        self.journal.begin(unit.clone()).await?;
        self.carry(unit, Next::Commit).await.map(End::Ended)
    }

    /// Takes a unit whose intent is in the journal to its end, or as far as can be known.
    async fn carry(&self, mut unit: Unit, mut next: Next) -> Result<Vec<(OrderId, Outcome)>> {
        let mut commits = 0;
        let mut refusal: Option<Error> = None;
        loop {
            match next {
                Next::Commit => {
                    commits += 1;
                    self.tell(|progress| progress.committed += if commits == 1 { open(&unit).count() } else { 0 });
                    match self.client.commit(&unit).await {
                        Committed::Settled(outcomes) => return self.end(unit, outcomes).await,
                        Committed::Accepted => next = self.accepted(&mut unit).await?,
                        Committed::Ended(error) => return self.end_alike(unit, |error| not_done(error), &error).await,
                        Committed::Refused(error) => {
                            refusal = Some(error);
                            next = Next::Reconcile(Doubt::Refused);
                        }
                        Committed::Doubt(error) => {
                            tracing::warn!(vendor = %C::VENDOR, unit = unit.id, %error, "a commit is in doubt");
                            next = Next::Reconcile(Doubt::InFlight);
                        }
                    }
                }
                Next::Settle => match self.client.settle(&unit, &self.waits).await {
                    Ok(outcomes) => return self.end(unit, outcomes).await,
                    Err(error) => return self.end_alike(unit, Outcome::Unknown, &error).await,
                },
                Next::Reconcile(doubt) => match (self.client.reconcile(&unit, doubt, &self.waits).await, &refusal) {
                    (Reconciled::Accepted, _) => next = self.accepted(&mut unit).await?,
                    (Reconciled::Settled(outcomes), _) => return self.end(unit, outcomes).await,
                    (Reconciled::NotBegun, Some(error)) => {
                        return self.end_alike(unit, |error| refused(error), error).await;
                    }
                    (Reconciled::NotBegun, None) if self.halted.load(Ordering::Relaxed) => {
                        let error = Error::new(Kind::Stopped, "the run ended before it was sent");
                        return self.end_alike(unit, Outcome::NotSent, &error).await;
                    }
                    (Reconciled::NotBegun, None) if commits >= COMMITS => {
                        let error = Error::new(Kind::Doubt, format!("no answer to {commits} tries"));
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
                    }
                    (Reconciled::NotBegun, None) => next = Next::Commit,
                    (Reconciled::Unknown(error), _) => return self.end_alike(unit, Outcome::Unknown, &error).await,
                },
            }
        }
    }

    async fn accepted(&self, unit: &mut Unit) -> Result<Next> {
        if unit.state != UnitState::Accepted {
            self.journal.record(&unit.id, UnitState::Accepted, Vec::new()).await?;
            unit.state = UnitState::Accepted;
        }
        Ok(Next::Settle)
    }

    /// All open orders of a unit come to the same end.
    async fn end_alike(
        &self,
        unit: Unit,
        outcome: impl Fn(Error) -> Outcome,
        error: &Error,
    ) -> Result<Vec<(OrderId, Outcome)>> {
        let outcomes = open(&unit).map(|place| (place, outcome(error.copy()))).collect();
        self.end(unit, outcomes).await
    }

    /// Writes the ends of a unit's orders. An order that the vendor's answer does not name is `Unknown`.
    async fn end(&self, unit: Unit, mut outcomes: Vec<(usize, Outcome)>) -> Result<Vec<(OrderId, Outcome)>> {
        for place in open(&unit) {
            if !outcomes.iter().any(|(named, _)| *named == place) {
                let error = Error::new(Kind::Doubt, "the vendor's answer does not name the order");
                outcomes.push((place, Outcome::Unknown(error)));
            }
        }
        let known = outcomes.iter().all(|(_, outcome)| !matches!(outcome, Outcome::Unknown(_)));
        let state = if known { UnitState::Settled } else { unit.state };
        let recorded = outcomes.iter().map(|(place, outcome)| (*place, Recorded::new(outcome))).collect();
        self.journal.record(&unit.id, state, recorded).await?;
        Ok(Self::ends(unit, outcomes))
    }

    /// The orders of a unit with their ends: those of now, and those of before.
    fn ends(unit: Unit, outcomes: Vec<(usize, Outcome)>) -> Vec<(OrderId, Outcome)> {
        let mut outcomes: HashMap<usize, Outcome> = outcomes.into_iter().collect();
        let slots = unit.slots.into_iter().enumerate();
        slots
            .filter_map(|(place, slot)| {
                let outcome = outcomes.remove(&place).or_else(|| slot.outcome.map(|recorded| recorded.outcome()))?;
                Some((slot.order, outcome))
            })
            .collect()
    }

    fn tell(&self, change: impl FnOnce(&mut Progress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut progress);
        if let Some(watcher) = &self.watcher {
            watcher(&progress);
        }
    }
}

/// The next phase of a unit.
enum Next {
    Commit,
    Settle,
    Reconcile(Doubt),
}

/// The places of a unit whose orders have no end yet.
pub(crate) fn open(unit: &Unit) -> impl Iterator<Item = usize> + '_ {
    let ended = |slot: &Slot| slot.outcome.as_ref().is_some_and(Recorded::is_final);
    unit.slots.iter().enumerate().filter(move |(_, slot)| !ended(slot)).map(|(place, _)| place)
}

/// The end of an order whose prepare failed: no money moved.
fn unprepared(error: Error) -> Outcome {
    if error.is_rejected() || error.is_input() {
        Outcome::Rejected(error)
    } else if error.was_sent() {
        Outcome::Failed(error)
    } else {
        Outcome::NotSent(error)
    }
}

/// The end of an order whose commit surely did nothing.
fn not_done(error: Error) -> Outcome {
    if error.was_sent() { Outcome::Failed(error) } else { Outcome::NotSent(error) }
}

/// The end of an order whose commit was refused.
fn refused(error: Error) -> Outcome {
    if error.is_auth() { Outcome::Failed(error) } else { Outcome::Rejected(error) }
}

fn wave_hashes<O>(wave: &Wave, task: &Task<O>) -> Vec<String> {
    match task {
        Task::Recover(_) => Vec::new(),
        Task::Book(load) => load.iter().map(|(_, place, _)| hex(&wave.rows[*place].payload_hash)).collect(),
    }
}

fn hex(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    push_hex(&mut text, hash);
    text
}
