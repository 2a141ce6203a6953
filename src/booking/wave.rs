//! The orders of a run: what is to be done for each, and how they are cut into units.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet, VecDeque},
};

use super::{Phases, engine::Ending};
use crate::{
    Counts, Error, Journal, Order, OrderId, Outcome, Report, Result,
    error::Kind,
    key::{payload_hash, push_hex},
};

/// All orders of a run, in the caller's order.
pub(super) struct Wave {
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

impl Wave {
    /// Looks through all orders, and at what the journal knows of them.
    pub(super) async fn plan<C: Phases, O: Borrow<Order<C::Shipment>>>(
        client: &C,
        journal: &Journal,
        orders: impl Iterator<Item = O>,
    ) -> Result<Self> {
        let mut wave = Self { rows: Vec::new(), places: HashMap::new() };
        for (place, order) in orders.enumerate() {
            let order = order.borrow();
            if wave.places.insert(order.id.clone(), place).is_some() {
                return Err(Error::input(format!("order {}: it occurs twice", order.id)));
            }
            let payload_hash = payload_hash(&order.shipment)?;
            wave.rows.push(Row { order: order.id.clone(), payload_hash, step: Step::Send(0), outcome: None });
        }
        let ids: Vec<OrderId> = wave.rows.iter().map(|row| row.order.clone()).collect();
        let mut known = journal.latest(client.vendor(), client.account(), &ids).await?;
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

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn counts(&self) -> Counts {
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

    /// The hash of an order's payload, as the journal keeps it.
    pub(super) fn hash(&self, place: usize) -> String {
        hex(&self.rows[place].payload_hash)
    }

    pub(super) fn note(&mut self, ending: Ending, counts: &mut Counts) {
        // A recovered unit may hold orders that this run was not given: they are in the journal.
        let Some(row) = self.places.get(&ending.order).map(|place| &mut self.rows[*place]) else { return };
        let mut outcome = ending.outcome;
        if let Outcome::Booked(booked) = &mut outcome {
            booked.changed = ending.payload_hash != hex(&row.payload_hash);
        }
        counts.add(&outcome);
        row.outcome = Some(outcome);
    }

    pub(super) fn report<C: Phases>(self, client: &C, stopped: bool) -> Report {
        let not_sent = || Outcome::NotSent(Error::new(Kind::Stopped, "the run ended before it was sent"));
        let rows = self.rows.into_iter().map(|row| (row.order, row.outcome.unwrap_or_else(not_sent))).collect();
        Report::new(client.vendor(), client.account(), rows, stopped)
    }
}

struct Steps {
    /// Units to be recovered, each once.
    recover: VecDeque<String>,
    /// For each order, the revision to send, or nothing.
    send: Vec<Option<u32>>,
}

/// A unit before it has an id: orders, each with its place in the wave and its revision.
pub(super) type Load<O> = Vec<(O, usize, u32)>;

/// What a task does.
pub(super) enum Task<O> {
    Recover(String),
    Book(Load<O>),
}

/// Cuts the orders into units, as far as they are asked for.
pub(super) struct Units<I, O> {
    steps: Steps,
    orders: std::iter::Enumerate<I>,
    /// Units that are not full, by group. Few: a wave has few shippers and services.
    open: Vec<(String, Load<O>)>,
    size: usize,
}

impl<I: Iterator<Item = O>, O> Units<I, O> {
    pub(super) fn new(wave: &mut Wave, orders: I, size: usize) -> Self {
        Self { steps: wave.steps(), orders: orders.enumerate(), open: Vec::new(), size }
    }

    /// The next unit to work on; none when all were given out.
    pub(super) fn next<C: Phases>(&mut self, wave: &Wave) -> Result<Option<Task<O>>>
    where
        O: Borrow<Order<C::Shipment>>,
    {
        if let Some(unit) = self.steps.recover.pop_front() {
            return Ok(Some(Task::Recover(unit)));
        }
        for (place, order) in self.orders.by_ref() {
            let same = wave.rows.get(place).is_some_and(|row| row.order == order.borrow().id);
            if !same {
                return Err(Error::input("the orders changed while the wave was being planned"));
            }
            let Some(revision) = self.steps.send.get(place).copied().flatten() else { continue };
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

fn hex(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(64);
    push_hex(&mut text, hash);
    text
}
