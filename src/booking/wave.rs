//! The orders of a run: what was asked for, what is to be done for each, and how they are cut into units.

use std::{
    borrow::Borrow,
    collections::{HashMap, HashSet, VecDeque},
};

use super::{Phases, engine::Ending, open};
use crate::{
    Counts, Error, Journal, Order, OrderId, Outcome, Report, Result,
    error::Kind,
    journal::{Known, Unit},
    key::{payload_hash, push_hex},
};

/// What a run was asked to book, in the caller's order: the ids, and the hashes of the payloads.
pub(super) struct Asked {
    rows: Vec<(OrderId, [u8; 32])>,
    places: HashMap<OrderId, usize>,
}

impl Asked {
    /// Looks through all orders.
    pub(super) fn read<C: Phases, O: Borrow<Order<C::Shipment>>>(orders: impl Iterator<Item = O>) -> Result<Self> {
        let mut asked = Self { rows: Vec::new(), places: HashMap::new() };
        for (place, order) in orders.enumerate() {
            let order = order.borrow();
            if asked.places.insert(order.id.clone(), place).is_some() {
                return Err(Error::input(format!("order {}: it occurs twice", order.id)));
            }
            asked.rows.push((order.id.clone(), payload_hash(&order.shipment)?));
        }
        Ok(asked)
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The hash of an order's payload, as the journal keeps it.
    pub(super) fn hash(&self, place: usize) -> String {
        hex(&self.rows[place].1)
    }

    /// Whether all open orders of a unit are asked for, with the payloads that it has.
    pub(super) fn holds(&self, unit: &Unit) -> bool {
        open(unit).all(|place| {
            let slot = &unit.slots[place];
            self.places.get(&slot.order).is_some_and(|place| self.hash(*place) == slot.payload_hash)
        })
    }
}

/// How far each order of a run is.
pub(super) struct Wave<'a> {
    asked: &'a Asked,
    rows: Vec<Row>,
}

struct Row {
    step: Step,
    outcome: Option<Outcome>,
}

/// What a run has to do for an order.
#[derive(Clone, Debug)]
enum Step {
    /// Its unit is in doubt, at work at the vendor, or in another worker's hands.
    Recover(String),
    /// Book it, as this revision.
    Send(u32),
}

impl<'a> Wave<'a> {
    pub(super) fn new(asked: &'a Asked) -> Self {
        let row = || Row { step: Step::Send(0), outcome: None };
        Self { asked, rows: std::iter::repeat_with(row).take(asked.len()).collect() }
    }

    /// Looks at what the journal knows of the orders that have no end yet.
    pub(super) async fn plan<C: Phases>(&mut self, client: &C, journal: &Journal, wave: &str) -> Result<()> {
        let open: Vec<usize> = (0..self.rows.len()).filter(|place| self.rows[*place].outcome.is_none()).collect();
        let ids: Vec<&OrderId> = open.iter().map(|place| &self.asked.rows[*place].0).collect();
        let mut known = journal.latest(client.vendor(), client.account(), &ids).await?;
        for place in open {
            let step = match known.remove(&self.asked.rows[place].0) {
                Some(known) => self.step(place, known, wave),
                None => Some(Step::Send(0)),
            };
            if let Some(step) = step {
                self.rows[place].step = step;
            }
        }
        Ok(())
    }

    /// What is to be done for an order that the journal knows. Nothing, if it has its end.
    fn step(&mut self, place: usize, known: Known, wave: &str) -> Option<Step> {
        let this_wave = known.wave == wave;
        let changed = known.payload_hash != self.asked.hash(place);
        let outcome = match known.outcome {
            Some(outcome) if outcome.is_booked() => outcome,
            // Another machine could not send it; this one may.
            Some(outcome) if outcome.is_not_sent() => return Some(Step::Send(known.revision + 1)),
            // A worker of this wave found out; a later wave tries again, and so does one that has it repaired.
            Some(outcome) if outcome.is_final() && this_wave && !changed => outcome,
            Some(outcome) if outcome.is_final() => return Some(Step::Send(known.revision + 1)),
            Some(outcome) if this_wave && !known.in_hand => outcome,
            _ => return Some(Step::Recover(known.unit)),
        };
        let mut outcome = outcome.outcome().of(&self.asked.rows[place].0);
        if let Outcome::Booked(booked) = &mut outcome {
            booked.earlier = !this_wave;
            booked.changed = changed;
        }
        self.rows[place].outcome = Some(outcome);
        None
    }

    /// How many orders have no end yet.
    pub(super) fn open(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome.is_none()).count()
    }

    /// The place of an order that is to be sent: which is of no matter, as long as it is another for each machine.
    pub(super) fn anywhere(&self) -> usize {
        let to_send = |row: &Row| row.outcome.is_none() && matches!(row.step, Step::Send(_));
        let places: Vec<usize> = (0..self.rows.len()).filter(|place| to_send(&self.rows[*place])).collect();
        // The lower half of a version 7 is random.
        let random = uuid::Uuid::now_v7().as_u64_pair().1 << 2;
        let which = usize::try_from(random).unwrap_or_default() % places.len().max(1);
        places.get(which).copied().unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().filter_map(|row| row.outcome.as_ref()).for_each(|outcome| counts.add(outcome));
        counts
    }

    /// What is to be done, apart from the wave so that outcomes can be noted meanwhile.
    fn steps(&self) -> Steps {
        let mut seen = HashSet::new();
        let mut steps = Steps { recover: VecDeque::new(), send: vec![None; self.rows.len()], left: 0 };
        for (place, row) in self.rows.iter().enumerate().filter(|(_, row)| row.outcome.is_none()) {
            match &row.step {
                Step::Send(revision) => {
                    steps.send[place] = Some(*revision);
                    steps.left += 1;
                }
                Step::Recover(unit) => {
                    if seen.insert(unit) {
                        steps.recover.push_back(unit.clone());
                    }
                }
            }
        }
        steps
    }

    pub(super) fn note(&mut self, ending: Ending, counts: &mut Counts) {
        // A recovered unit may hold orders that this run was not given: they are in the journal.
        let Some(place) = self.asked.places.get(&ending.order) else { return };
        let mut outcome = ending.outcome;
        if let Outcome::Booked(booked) = &mut outcome {
            booked.changed = ending.payload_hash != self.asked.hash(*place);
        }
        counts.add(&outcome);
        self.rows[*place].outcome = Some(outcome);
    }

    /// What became of the orders. Those without an end were planned a last time before.
    pub(super) fn report<C: Phases>(self, client: &C, stopped: bool) -> Report {
        let rows = self.asked.rows.iter().zip(self.rows).map(|((order, _), row)| {
            let outcome = row.outcome.unwrap_or_else(|| match row.step {
                Step::Send(_) => Outcome::NotSent(Error::new(Kind::Stopped, "the run ended before it was sent")),
                Step::Recover(_) => Outcome::Unknown(Error::new(Kind::Doubt, "the run ended before it was settled")),
            });
            (order.clone(), outcome.of(order))
        });
        Report::new(client.vendor(), client.account(), rows.collect(), stopped)
    }
}

struct Steps {
    /// Units to be recovered, each once.
    recover: VecDeque<String>,
    /// For each order, the revision to send, or nothing.
    send: Vec<Option<u32>>,
    /// How many there are to send.
    left: usize,
}

/// A unit before it has an id: orders, each with its place in the wave and its revision.
pub(super) type Load<O> = Vec<(O, usize, u32)>;

/// What a task does.
pub(super) enum Task<O> {
    Recover(String),
    Book(Load<O>),
}

/// Cuts the orders into units, as far as they are asked for.
pub(super) struct Units<'a, I, O> {
    asked: &'a Asked,
    steps: Steps,
    /// The orders with their places, from whichever on.
    orders: I,
    /// Units that are not full, by group. Few: a wave has few shippers and services.
    open: Vec<(String, Load<O>)>,
    size: usize,
}

impl<'a, I: Iterator<Item = (usize, O)>, O> Units<'a, I, O> {
    pub(super) fn new(wave: &Wave<'a>, orders: I, size: usize) -> Self {
        Self { asked: wave.asked, steps: wave.steps(), orders, open: Vec::new(), size }
    }

    /// The next unit to work on; none when all were given out.
    pub(super) fn next<C: Phases>(&mut self) -> Result<Option<Task<O>>>
    where
        O: Borrow<Order<C::Shipment>>,
    {
        if let Some(unit) = self.steps.recover.pop_front() {
            return Ok(Some(Task::Recover(unit)));
        }
        // Where nothing is left to send, the orders are not read for it: a file of them may be long.
        while self.steps.left > 0
            && let Some((place, order)) = self.orders.next()
        {
            let same = self.asked.rows.get(place).is_some_and(|(id, _)| *id == order.borrow().id);
            if !same {
                return Err(Error::input("the orders changed while the wave was being planned"));
            }
            let Some(revision) = self.steps.send.get(place).copied().flatten() else { continue };
            self.steps.left -= 1;
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
