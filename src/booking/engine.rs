//! Takes units through the four phases.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet},
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{
    StreamExt,
    future::{self, Either},
    stream::FuturesUnordered,
};

use super::{
    Committed, Doubt, Draft, Phases, Prepared, Progress, Reconciled, Waits, Watcher, open,
    wave::{Asked, Load, Task, Units, Wave},
};
use crate::{
    Error, Journal, Order, OrderId, Outcome, Result,
    error::Kind,
    journal::{Hold, ORDERS_PER_QUERY, Recorded, Slot, Stage, Unit, Worker},
    permit,
};

/// How often a unit's commit is sent in one run, where each earlier one surely did not begin.
const COMMITS: u32 = 3;

/// What a task ends with.
enum End<O> {
    /// These orders have their ends. Others of the unit may be another worker's, or be free again.
    Ended(Vec<Ending>),
    /// The vendor found the unit too large, or one of its orders at fault.
    Halve(Load<O>),
    /// Other workers had all of its orders.
    Taken,
}

/// An order's end, and the hash of the payload that it is the end of.
pub(super) struct Ending {
    pub(super) order: OrderId,
    pub(super) payload_hash: String,
    pub(super) outcome: Outcome,
}

pub(super) struct Engine<'a, C> {
    pub(super) client: &'a C,
    pub(super) journal: &'a Journal,
    pub(super) worker: &'a Worker,
    pub(super) asked: &'a Asked,
    pub(super) waits: Waits,
    /// Set once the run is to end early: no commit is sent any more.
    pub(super) halted: AtomicBool,
    pub(super) progress: Mutex<Progress>,
    pub(super) watcher: Option<Watcher<'a>>,
}

impl<C: Phases> Engine<'_, C> {
    /// Whether the run ends early.
    pub(super) fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed)
    }

    /// Ends the run early.
    pub(super) fn halt(&self) {
        self.halted.store(true, Ordering::Relaxed);
    }

    /// Runs the units, `concurrency` at a time, until all are done or the run is halted and what was begun is done. Breaks off
    /// where one unit after the other is found with other workers: whether it did.
    pub(super) async fn drive<I, O>(
        &self,
        wave: &mut Wave<'_>,
        mut units: Units<'_, I, O>,
        concurrency: usize,
        mut halt: impl Future<Output = ()> + Send + Unpin,
    ) -> Result<bool>
    where
        I: Iterator<Item = (usize, O)> + Send,
        O: Borrow<Order<C::Shipment>> + Send + Sync,
    {
        // To ask the journal for what is free takes a query for so many orders: rather that than ever more claims in vain.
        let patience = concurrency.max(wave.open() / ORDERS_PER_QUERY);
        let (mut taken, mut breaks_off) = (0, false);
        let mut running = FuturesUnordered::new();
        let mut halves = Vec::new();
        let mut fatal = None;
        loop {
            while running.len() < concurrency && !self.halted() {
                let task = match halves.pop() {
                    Some(half) => Ok(Some(Task::Book(half))),
                    None if breaks_off => Ok(None),
                    None => units.next::<C>(),
                };
                match task {
                    Ok(Some(Task::Recover(unit))) => running.push(Either::Left(Box::pin(self.recover(unit)))),
                    Ok(Some(Task::Book(load))) => running.push(Either::Right(Box::pin(self.book(load)))),
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
                Ok(End::Taken) => {
                    taken += 1;
                    breaks_off |= taken >= patience;
                }
                Ok(End::Ended(outcomes)) => {
                    taken = 0;
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
        fatal.map_or(Ok(breaks_off), Err)
    }

    /// Goes on with a unit of an earlier run, or of a worker that died.
    async fn recover<O>(&self, unit: String) -> Result<End<O>> {
        let Some(unit) = self.journal.take(self.worker, &unit).await? else { return Ok(End::Ended(Vec::new())) };
        let next = match unit.state {
            Stage::Claimed => {
                self.journal.release(unit).await?;
                return Ok(End::Ended(Vec::new()));
            }
            Stage::Intent => Next::Reconcile(Doubt::InFlight),
            Stage::Accepted => Next::Settle,
            Stage::Settled => return Ok(End::Ended(Vec::new())),
        };
        // Those that had their end before may have had another since, in another unit.
        let open: HashSet<OrderId> = open(&unit).map(|place| unit.slots[place].order.clone()).collect();
        let mut endings = self.carry(unit, next).await?;
        endings.retain(|ending| open.contains(&ending.order));
        Ok(End::Ended(endings))
    }

    /// Takes a new unit through all phases.
    async fn book<O: Borrow<Order<C::Shipment>> + Send + Sync>(&self, load: Load<O>) -> Result<End<O>> {
        let (mut unit, load) = self.claim(load).await?;
        if load.is_empty() {
            return Ok(End::Taken);
        }
        let drafts: Vec<_> = load
            .iter()
            .map(|(order, _, revision)| {
                let order = order.borrow();
                Draft { order: &order.id, revision: *revision, shipment: &order.shipment }
            })
            .collect();
        let prepared = match self.client.prepare(&unit.id, &drafts, &self.waits).await {
            Ok(prepared) => prepared,
            Err(error) if error.is_auth() => {
                self.journal.release(unit).await?;
                return Err(error);
            }
            Err(error) if load.len() > 1 && Self::halves(&error) => {
                self.journal.release(unit).await?;
                return Ok(End::Halve(load));
            }
            Err(error) => Prepared {
                ended: (0..drafts.len()).map(|place| (place, unprepared(error.copy()))).collect(),
                ..Prepared::default()
            },
        };
        self.tell(|progress| progress.prepared += unit.slots.len());
        let mut ties = prepared.ties.into_iter();
        for slot in &mut unit.slots {
            slot.tie = ties.next().unwrap_or_default();
        }
        unit.handle = prepared.handle;
        unit.intent_at = jiff::Timestamp::now();
        if prepared.ended.len() == unit.slots.len() {
            return self.end(unit, prepared.ended).await.map(End::Ended);
        }
        if self.halted() {
            // A draft is left at the vendor, no money moved, and the next run prepares afresh.
            self.journal.release(unit).await?;
            return Ok(End::Ended(Vec::new()));
        }
        for (place, outcome) in prepared.ended {
            unit.slots[place].outcome = Some(Recorded::new(&outcome));
        }
        unit.state = Stage::Intent;
        let all = (0..unit.slots.len()).collect();
        if !self.journal.keep(&unit, all, true).await? {
            return Ok(End::Ended(Vec::new()));
        }
        self.carry(unit, Next::Commit).await.map(End::Ended)
    }

    /// Makes a unit of those orders that no other worker has.
    async fn claim<O: Borrow<Order<C::Shipment>>>(&self, mut load: Load<O>) -> Result<(Unit, Load<O>)> {
        let slot = |(order, place, revision): &(O, usize, u32)| Slot {
            order: order.borrow().id.clone(),
            revision: *revision,
            place: *place as i64,
            tie: String::new(),
            payload_hash: self.asked.hash(*place),
            outcome: None,
        };
        let mut unit = Unit {
            id: uuid::Uuid::now_v7().simple().to_string(),
            vendor: self.client.vendor(),
            account: self.client.account().to_owned(),
            state: Stage::Claimed,
            handle: String::new(),
            intent_at: jiff::Timestamp::now(),
            fence: 1,
            slots: load.iter().map(slot).collect(),
        };
        let ours = self.journal.claim(self.worker, unit.clone()).await?;
        if ours.len() < load.len() {
            let ours: HashSet<OrderId> = ours.into_iter().collect();
            load.retain(|(order, ..)| ours.contains(&order.borrow().id));
            unit.slots.retain(|slot| ours.contains(&slot.order));
        }
        Ok((unit, load))
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
                    let Some(committed) = self.commit(&unit).await? else { return Ok(Vec::new()) };
                    match committed {
                        Committed::Settled(outcomes) => return self.end(unit, outcomes).await,
                        Committed::Accepted(id) => {
                            request_id = id;
                            match self.accepted(&mut unit).await? {
                                Some(settle) => next = settle,
                                None => return Ok(Vec::new()),
                            }
                        }
                        Committed::Underway => next = Next::Settle,
                        // This commit did nothing; an earlier one may yet.
                        Committed::Ended(error) if in_flight => {
                            return self.end_alike(unit, Outcome::Unknown, &error).await;
                        }
                        Committed::Ended(error) => return self.end_alike(unit, not_done, &error).await,
                        Committed::Refused(error) => {
                            in_flight |= error.in_doubt();
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
                    (Reconciled::Accepted, _) => match self.accepted(&mut unit).await? {
                        Some(settle) => next = settle,
                        None => return Ok(Vec::new()),
                    },
                    (Reconciled::Settled(outcomes), _) => return self.end(unit, outcomes).await,
                    (Reconciled::NotBegun, Some(error)) => {
                        // The orders will go into another unit: nothing may come of this one any more.
                        if in_flight {
                            match self.abandon(&unit).await? {
                                Some(Ok(())) => {}
                                Some(Err(error)) => return self.end_alike(unit, Outcome::Unknown, &error).await,
                                None => return Ok(Vec::new()),
                            }
                        }
                        return self.end_alike(unit, refused, error).await;
                    }
                    (Reconciled::Repeatable(error), Some(_)) | (Reconciled::Unknown(error), _) => {
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
                    }
                    (Reconciled::NotBegun | Reconciled::Repeatable(_), None) if self.halted() => {
                        let error = Error::new(Kind::Doubt, "the run ended before it could be sent again");
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
                    }
                    (Reconciled::NotBegun | Reconciled::Repeatable(_), None) if commits >= COMMITS => {
                        let error = Error::new(Kind::Doubt, format!("no answer to {commits} tries"));
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
                    }
                    // What was meant then is not what is asked for now.
                    (Reconciled::NotBegun, None) if !self.asked.holds(&unit) => return self.withdraw(unit).await,
                    (Reconciled::Repeatable(error), None) if !self.asked.holds(&unit) => {
                        return self.end_alike(unit, Outcome::Unknown, &error).await;
                    }
                    (Reconciled::NotBegun | Reconciled::Repeatable(_), None) => next = Next::Commit,
                },
            }
        }
    }

    /// Sends a unit's commit, while nobody else may. Nothing, if another worker has the unit.
    async fn commit(&self, unit: &Unit) -> Result<Option<Committed>> {
        self.held(unit, self.client.commit(unit)).await
    }

    /// Makes sure that nothing comes of a unit any more, while nobody else may touch it.
    async fn abandon(&self, unit: &Unit) -> Result<Option<Result<()>>> {
        self.held(unit, self.client.abandon(unit)).await
    }

    /// Makes a call that changes a unit at the vendor: before each time that it is sent, the unit is held for as long as the
    /// answer may take. Nothing, if another worker has it.
    async fn held<T: Send>(&self, unit: &Unit, call: impl Future<Output = T> + Send) -> Result<Option<T>> {
        if self.journal.is_exclusive() {
            return Ok(Some(call.await));
        }
        let hold = Arc::new(Hold::new(self.journal, unit, self.client.commit_takes()));
        let call = Box::pin(permit::asking(hold.clone(), call));
        match future::select(call, Box::pin(hold.refused())).await {
            Either::Left((done, _)) => Ok(Some(done)),
            Either::Right((refused, _)) => refused.map(|()| None),
        }
    }

    /// Notes that the vendor took the commit. Nothing, if another worker has the unit.
    async fn accepted(&self, unit: &mut Unit) -> Result<Option<Next>> {
        if unit.state != Stage::Accepted {
            unit.state = Stage::Accepted;
            if !self.journal.keep(unit, Vec::new(), true).await? {
                return Ok(None);
            }
        }
        Ok(Some(Next::Settle))
    }

    /// Makes a unit harmless whose commit surely has not begun, so that its orders go out anew, or not at all.
    async fn withdraw(&self, mut unit: Unit) -> Result<Vec<Ending>> {
        match self.abandon(&unit).await? {
            Some(Ok(())) => {}
            Some(Err(error)) => return self.end_alike(unit, Outcome::Unknown, &error).await,
            None => return Ok(Vec::new()),
        }
        let places: Vec<usize> = open(&unit).collect();
        for place in &places {
            unit.slots[*place].outcome = Some(Recorded::withdrawn());
        }
        unit.state = Stage::Settled;
        self.journal.keep(&unit, places, false).await.map(|_| Vec::new())
    }

    /// All open orders of a unit come to the same end.
    async fn end_alike(&self, unit: Unit, outcome: impl Fn(Error) -> Outcome, error: &Error) -> Result<Vec<Ending>> {
        let outcomes = open(&unit).map(|place| (place, outcome(error.copy()))).collect();
        self.end(unit, outcomes).await
    }

    /// Writes the ends of a unit's orders. An order that the vendor's answer does not name is `Unknown`.
    async fn end(&self, mut unit: Unit, outcomes: Vec<(usize, Outcome)>) -> Result<Vec<Ending>> {
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
        if outcomes.iter().all(|(_, outcome)| !matches!(outcome, Outcome::Unknown(_))) {
            unit.state = Stage::Settled;
        }
        for (place, outcome) in &outcomes {
            unit.slots[*place].outcome = Some(Recorded::new(outcome));
        }
        let places = outcomes.iter().map(|(place, _)| *place).collect();
        // Where another worker has it, the end that counts is the one that it finds.
        let ours = self.journal.keep(&unit, places, false).await?;
        Ok(if ours { Self::ends(unit, outcomes) } else { Vec::new() })
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

    pub(super) fn tell(&self, change: impl FnOnce(&mut Progress)) {
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
