//! Takes units through the four phases.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    future::Future,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{
    FutureExt, StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};

use super::{
    Committed, Doubt, Draft, Phases, Prepared, Progress, Reconciled, Waits, Watcher, open,
    wave::{Load, Task, Units, Wave},
};
use crate::{
    Error, Journal, Order, OrderId, Outcome, Result,
    error::Kind,
    journal::{Recorded, Slot, Unit, UnitState},
};

/// How often a unit's commit is sent in one run, where each earlier one surely did not begin.
const COMMITS: u32 = 3;

/// What a task ends with.
enum End<O> {
    /// The orders have their ends.
    Ended(Vec<Ending>),
    /// The vendor found the unit too large, or one of its orders at fault.
    Halve(Load<O>),
}

/// An order's end, and the hash of the payload that it is the end of.
pub(super) struct Ending {
    pub(super) order: OrderId,
    pub(super) payload_hash: String,
    pub(super) outcome: Outcome,
}

pub(super) struct Engine<'a, C> {
    client: &'a C,
    journal: &'a Journal,
    waits: Waits,
    /// Set once the run is to end early: no commit is sent any more.
    halted: AtomicBool,
    progress: Mutex<Progress>,
    watcher: Option<Watcher<'a>>,
}

impl<'a, C: Phases> Engine<'a, C> {
    pub(super) fn new(
        client: &'a C,
        journal: &'a Journal,
        waits: Waits,
        progress: Progress,
        watcher: Option<Watcher<'a>>,
    ) -> Self {
        let halted = AtomicBool::new(false);
        let engine = Self { client, journal, waits, halted, progress: Mutex::new(progress), watcher };
        engine.tell(|_| {});
        engine
    }

    /// Whether the run ends early.
    pub(super) fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// Runs the units, `concurrency` at a time, until all are done or the run is halted and what was begun is done.
    pub(super) async fn drive<I, O>(
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
            while running.len() < concurrency && !self.halted() {
                let task = match halves.pop() {
                    Some(half) => Ok(Some(Task::Book(half))),
                    None => units.next::<C>(wave),
                };
                match task {
                    Ok(Some(Task::Recover(unit))) => running.push(Either::Left(Box::pin(self.recover(unit)))),
                    Ok(Some(Task::Book(load))) => {
                        let hashes = load.iter().map(|(_, place, _)| wave.hash(*place)).collect();
                        running.push(Either::Right(Box::pin(self.book(load, hashes))));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        // What is under way is waited for: it may be paid for.
                        self.halt();
                        fatal.get_or_insert(error);
                    }
                }
            }
            let ended = match future::select(running.next(), &mut halt).await {
                Either::Left((Some(ended), _)) => ended,
                Either::Left((None, _)) => break,
                Either::Right(_) => {
                    self.halt();
                    continue;
                }
            };
            match ended {
                Ok(End::Ended(outcomes)) => {
                    self.tell(|progress| {
                        outcomes.into_iter().for_each(|ending| wave.note(ending, &mut progress.ended))
                    });
                }
                Ok(End::Halve(mut load)) => {
                    let second = load.split_off(load.len() / 2);
                    halves.extend([second, load]);
                }
                Err(error) => {
                    self.halt();
                    fatal.get_or_insert(error);
                }
            }
        }
        fatal.map_or(Ok(()), Err)
    }

    /// Goes on with a unit of an earlier run.
    async fn recover<O>(&self, unit: String) -> Result<End<O>> {
        let unit = self.journal.unit(&unit).await?;
        let next = match unit.state {
            UnitState::Intent => Next::Reconcile(Doubt::InFlight),
            UnitState::Accepted => Next::Settle,
            UnitState::Settled => return Ok(End::Ended(Vec::new())),
        };
        // Those that had their end before may have had another since, in another unit.
        let open: HashSet<OrderId> = open(&unit).map(|place| unit.slots[place].order.clone()).collect();
        let mut endings = self.carry(unit, next).await?;
        endings.retain(|ending| open.contains(&ending.order));
        Ok(End::Ended(endings))
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
            Err(error) if load.len() > 1 && Self::halves(&error) => return Ok(End::Halve(load)),
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
            vendor: self.client.vendor(),
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
        if self.halted() {
            // A draft is left at the vendor, no money moved, and the next run prepares afresh.
            let stopped = || Outcome::NotSent(Error::new(Kind::Stopped, "the run ended before it was sent"));
            let outcomes = (0..unit.slots.len()).map(|place| (place, stopped())).collect();
            return Ok(End::Ended(Self::ends(unit, outcomes)));
        }
        self.journal.begin(unit.clone()).await?;
        self.carry(unit, Next::Commit).await.map(End::Ended)
    }

    /// Whether a smaller unit may fare better.
    fn halves(error: &Error) -> bool {
        error.status() == Some(413) || (C::ALL_OR_NONE && error.status() == Some(422))
    }

    /// Takes a unit whose intent is in the journal to its end, or as far as can be known.
    async fn carry(&self, mut unit: Unit, mut next: Next) -> Result<Vec<Ending>> {
        let mut commits = 0;
        let mut refusal: Option<Error> = None;
        let mut request_id = None;
        // Whether an earlier commit may still be on its way: then a refusal is no proof by itself.
        let mut in_flight = matches!(next, Next::Reconcile(Doubt::InFlight));
        loop {
            match next {
                Next::Commit => {
                    commits += 1;
                    self.tell(|progress| progress.committed += if commits == 1 { open(&unit).count() } else { 0 });
                    match self.client.commit(&unit).await {
                        Committed::Settled(outcomes) => return self.end(unit, outcomes).await,
                        Committed::Accepted(id) => {
                            request_id = id;
                            next = self.accepted(&mut unit).await?;
                        }
                        // This commit did nothing; an earlier one may yet.
                        Committed::Ended(error) if in_flight => {
                            return self.end_alike(unit, Outcome::Unknown, &error).await;
                        }
                        Committed::Ended(error) => return self.end_alike(unit, not_done, &error).await,
                        Committed::Refused(error) => {
                            refusal = Some(error);
                            next = Next::Reconcile(if in_flight { Doubt::InFlight } else { Doubt::Refused });
                        }
                        Committed::Doubt(error) => {
                            tracing::warn!(vendor = %self.client.vendor(), unit = unit.id, status = error.status(), "a commit is in doubt");
                            in_flight = true;
                            next = Next::Reconcile(Doubt::InFlight);
                        }
                    }
                }
                Next::Settle => match self.client.settle(&unit, &self.waits).await {
                    Ok(outcomes) => return self.end(unit, by_request(outcomes, request_id)).await,
                    Err(error) => return self.end_alike(unit, Outcome::Unknown, &error).await,
                },
                Next::Reconcile(doubt) => match (self.client.reconcile(&unit, doubt, &self.waits).await, &refusal) {
                    (Reconciled::Accepted, _) => next = self.accepted(&mut unit).await?,
                    (Reconciled::Settled(outcomes), _) => return self.end(unit, outcomes).await,
                    (Reconciled::NotBegun, Some(error)) => {
                        // The orders will go into another unit: nothing may come of this one any more.
                        if in_flight && let Err(error) = self.client.abandon(&unit).await {
                            return self.end_alike(unit, Outcome::Unknown, &error).await;
                        }
                        return self.end_alike(unit, refused, error).await;
                    }
                    (Reconciled::NotBegun, None) if self.halted() => {
                        let error = Error::new(Kind::Doubt, "the run ended before it could be sent again");
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
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
    async fn end_alike(&self, unit: Unit, outcome: impl Fn(Error) -> Outcome, error: &Error) -> Result<Vec<Ending>> {
        let outcomes = open(&unit).map(|place| (place, outcome(error.copy()))).collect();
        self.end(unit, outcomes).await
    }

    /// Writes the ends of a unit's orders. An order that the vendor's answer does not name is `Unknown`.
    async fn end(&self, unit: Unit, outcomes: Vec<(usize, Outcome)>) -> Result<Vec<Ending>> {
        // Whatever kept us from knowing, to the order it is a doubt.
        let mut outcomes: Vec<(usize, Outcome)> = outcomes
            .into_iter()
            .map(|(place, outcome)| match outcome {
                Outcome::Unknown(error) => (place, Outcome::Unknown(error.with_kind(Kind::Doubt))),
                outcome => (place, outcome),
            })
            .collect();
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
    fn ends(unit: Unit, outcomes: Vec<(usize, Outcome)>) -> Vec<Ending> {
        let mut outcomes: HashMap<usize, Outcome> = outcomes.into_iter().collect();
        let slots = unit.slots.into_iter().enumerate();
        slots
            .filter_map(|(place, slot)| {
                let outcome = outcomes.remove(&place).or_else(|| slot.outcome.map(|recorded| recorded.outcome()))?;
                let outcome = outcome.of(&slot.order);
                Some(Ending { order: slot.order, payload_hash: slot.payload_hash, outcome })
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

/// Bookings that came of an accepted commit, with the id of its request.
fn by_request(mut outcomes: Vec<(usize, Outcome)>, id: Option<String>) -> Vec<(usize, Outcome)> {
    for (_, outcome) in &mut outcomes {
        if let Outcome::Booked(booked) = outcome {
            booked.request_id = booked.request_id.take().or_else(|| id.clone());
        }
    }
    outcomes
}

/// The end of an order whose prepare failed: no money moved.
fn unprepared(error: Error) -> Outcome {
    // A 404 is about the account or the address, which no repair of the order changes.
    if (error.is_rejected() && !error.is_not_found()) || error.is_input() {
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
