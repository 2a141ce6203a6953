//! What was meant and what came of it, on disk before the next step.
//!
//! A unit's *intent* (its orders, the vendor's ids, the time) is durable before its commit call leaves, and the result
//! before the next step. So a program that was killed finds here what may be on its way, asks the vendor, and goes on;
//! nothing is paid for twice. Ids, hashes and outcomes are kept; addresses and tokens are not.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> shipbatch::Result<()> {
//! use shipbatch::Journal;
//!
//! let journal = Journal::in_memory().await?; // for tests; a wave's is a file: Journal::open("2026-11-21.db")
//! journal.close().await?;
//! # Ok(()) }
//! ```
//!
//! # One process, or many
//!
//! An SQLite file belongs to one process at a time. A database of PostgreSQL is shared: the same program, started on many
//! machines with the same orders and `Journal::open("postgres://…")`, does the wave once. A worker claims orders before it
//! prepares them; says that it is alive; and holds a unit for as long as its commit may take. The units of a worker that
//! died are free after that, and whoever takes one looks at the vendor first. Who may work on what is by the clock of the
//! database alone; how old a commit is, by those of the machines, which must not differ by an hour.
//!
//! # What it refuses
//!
//! A file that is damaged, that another process uses, that a newer version wrote, or that has lost writes: beside
//! `wave.db`, `wave.db.lock` counts them. Each row carries a hash of itself. An error comes before anything is sent.
//!
//! # The tables
//!
//! They are there to be queried; they change by migrations only. Times are in milliseconds since 1970.
//!
//! ```sql
#![doc = include_str!("journal/0001.sql")]
//! ```

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex as Quick, PoisonError},
};

use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::{OrderId, Result, Vendor};

mod entry;
mod hold;
#[cfg(feature = "labels")]
mod label;
mod pace;
mod repeats;
mod store;
mod unit;
mod workers;
mod writes;

pub use entry::Entry;
pub(crate) use hold::Hold;
use store::Store;

pub use unit::Stage;
pub(crate) use unit::{Known, Recorded, Slot, Unit};
pub(crate) use workers::Worker;
use writes::{Queue, What, Write, Written};

/// How many orders one query asks for. SQLite looks each `$n` up among all others.
pub(crate) const ORDERS_PER_QUERY: usize = 500;

/// A wave's memory. Within a process, clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    store: Store,
    queue: Queue,
    /// Held by the wave of an account while it runs: a second one would take its units for abandoned.
    waves: Quick<HashMap<(Vendor, String), Alone>>,
}

/// Whoever holds it is the one wave of an account.
type Alone = Arc<Mutex<()>>;

impl Journal {
    /// Opens a journal: new, or what an earlier run left. A path or a `sqlite:` address, which one process at a time may
    /// have open; or, with the feature `postgres`, a `postgres:` address of a database, best one of its own, that many may
    /// share.
    ///
    /// # Errors
    /// If it cannot be written, is no journal, is damaged or has lost writes, is from a newer version of this crate, or if
    /// the file is open in another process. No error shows a password of the address.
    pub async fn open(location: &str) -> Result<Self> {
        Store::open(location).await.map(Self::new)
    }

    /// Opens a journal that an earlier run left, and makes none: nothing, where there is none.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_existing(location: &str) -> Result<Option<Self>> {
        if Store::is_there(location).await? { Self::open(location).await.map(Some) } else { Ok(None) }
    }

    /// A journal that is gone with the process: for tests, and for those who keep no memory of their waves.
    ///
    /// # Errors
    /// If SQLite cannot be set up.
    pub async fn in_memory() -> Result<Self> {
        Store::in_memory().await.map(Self::new)
    }

    fn new(store: Store) -> Self {
        Self(Arc::new(Inner { store, queue: Queue::default(), waves: Quick::default() }))
    }

    /// Ends the journal's work, so that its file is whole by itself. A journal that is only dropped loses nothing.
    ///
    /// # Errors
    /// If a last write fails.
    pub async fn close(self) -> Result<()> {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.store.close().await,
            Err(_) => Ok(()),
        }
    }

    /// Whether one process has it to itself.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.0.store.is_exclusive()
    }

    /// Waits until no other wave of this account runs on this journal, and keeps others out.
    async fn alone(&self, vendor: Vendor, account: &str) -> OwnedMutexGuard<()> {
        let wave = {
            let mut waves = self.0.waves.lock().unwrap_or_else(PoisonError::into_inner);
            waves.entry((vendor, account.to_owned())).or_default().clone()
        };
        wave.lock_owned().await
    }

    /// The newest of what is known of each of these orders; those never seen are missing.
    pub(crate) async fn latest(
        &self,
        vendor: Vendor,
        account: &str,
        orders: &[&OrderId],
    ) -> Result<HashMap<OrderId, Known>> {
        let mut known = HashMap::new();
        for orders in orders.chunks(ORDERS_PER_QUERY) {
            let places: Vec<String> = (3..orders.len() + 3).map(|place| format!("${place}")).collect();
            // A booking without its unit is damage, and must not look like an order that was never seen.
            let sql = format!(
                "SELECT {}, COALESCE(wave, ''), COALESCE(worker, '') FROM booking LEFT JOIN unit ON unit.id = booking.unit \
                 WHERE booking.vendor = $1 AND booking.account = $2 AND order_id IN ({}) ORDER BY revision",
                Slot::COLUMNS,
                places.join(", ")
            );
            // Planned each time: the plan that PostgreSQL keeps is that of the wave's begin, when the tables were empty, and
            // reads the whole of `unit` for each order.
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(vendor.name()).bind(account);
            for order in orders {
                query = query.bind(order.as_str());
            }
            let mut link = self.0.store.link().await?;
            let rows = query.fetch_all(&mut link.connection).await;
            for row in link.seen(rows)? {
                let read = self.known(&row, vendor, account);
                let (order, latest) = link.seen(read)?.ok_or_else(|| {
                    self.0.store.damaged(&format!("order {:?}", row.try_get::<String, _>(0).unwrap_or_default()))
                })?;
                // Later revisions come later, and replace.
                known.insert(order, latest);
            }
        }
        Ok(known)
    }

    /// What a row says of an order; nothing, if it is damaged.
    fn known(&self, row: &AnyRow, vendor: Vendor, account: &str) -> sqlx::Result<Option<(OrderId, Known)>> {
        let Some(slot) = Slot::of(row, vendor.name(), account)? else { return Ok(None) };
        let (unit, wave, worker): (_, String, String) = (row.try_get(2)?, row.try_get(10)?, row.try_get(11)?);
        let in_hand = !worker.is_empty();
        let Slot { order, revision, payload_hash, outcome, .. } = slot;
        let known = Known { unit, revision, payload_hash, outcome, in_hand, wave };
        Ok((!known.wave.is_empty()).then_some((order, known)))
    }

    /// A unit with its orders, if it is there and has this fence.
    async fn unit(&self, id: &str, fence: i64) -> Result<Option<Unit>> {
        let mut link = self.0.store.link().await?;
        let row = sqlx::query(
            "SELECT vendor, account, state, handle, intent_at, fence, orders, seal FROM unit WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(&mut link.connection)
        .await;
        let Some(row) = link.seen(row)? else { return Ok(None) };
        let slots = format!("SELECT {} FROM booking WHERE unit = $1 ORDER BY position", Slot::COLUMNS);
        let rows = sqlx::query(AssertSqlSafe(slots)).bind(id).fetch_all(&mut link.connection).await;
        let rows = link.seen(rows)?;
        let read = whole(id, &row, &rows);
        let unit = link.seen(read)?.ok_or_else(|| self.0.store.damaged(&format!("unit {id}")))?;
        Ok((unit.fence == fence).then_some(unit))
    }

    /// Takes those of a new unit's orders that nobody else has; none may be left.
    pub(crate) async fn claim(&self, worker: &Worker, unit: Unit) -> Result<Vec<OrderId>> {
        let what = What::Claim { worker: worker.id.clone(), wave: worker.wave.clone() };
        match self.write(unit, what).await? {
            Written::Claimed(orders) => Ok(orders),
            Written::Done | Written::Lost => Ok(Vec::new()),
        }
    }

    /// Writes how far a unit is, with what came of the orders at these places, and returns when that is durable.
    /// `in_hand`: its worker goes on with it. False, if another worker has it.
    pub(crate) async fn keep(&self, unit: &Unit, places: Vec<usize>, in_hand: bool) -> Result<bool> {
        Ok(self.write(unit.clone(), What::Keep { places, in_hand }).await? == Written::Done)
    }

    /// Keeps a unit from all others for as long as its commit may take. False, if another worker has it.
    pub(crate) async fn hold(&self, unit: &Unit, time: std::time::Duration) -> Result<bool> {
        Ok(self.write(unit.clone(), What::Hold(time)).await? == Written::Done)
    }

    /// Forgets a unit that was claimed and no more: its orders are free again.
    pub(crate) async fn release(&self, unit: Unit) -> Result<()> {
        self.write(unit, What::Release).await.map(drop)
    }

    async fn write(&self, unit: Unit, what: What) -> Result<Written> {
        self.0.queue.write(&self.0.store, Write { unit, what }).await
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.0.store.name).finish()
    }
}

/// A unit from its rows; nothing, if they are damaged.
fn whole(id: &str, row: &AnyRow, rows: &[AnyRow]) -> sqlx::Result<Option<Unit>> {
    let (vendor, account): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let mut slots = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(slot) = Slot::of(row, &vendor, &account)? else { return Ok(None) };
        slots.push(slot);
    }
    let state = Stage::of(&row.try_get::<String, _>(2)?);
    let intent_at = jiff::Timestamp::from_millisecond(row.try_get(4)?);
    let (Ok(vendor), Some(state), Ok(intent_at)) = (vendor.parse(), state, intent_at) else { return Ok(None) };
    let (handle, fence) = (row.try_get(3)?, row.try_get(5)?);
    let unit = Unit { id: id.to_owned(), vendor, account, state, handle, intent_at, fence, slots };
    // Which of its orders a claim got is known only to the worker that made it.
    let sealed = state == Stage::Claimed || unit.seal() == row.try_get::<String, _>(7)?;
    Ok(sealed.then_some(unit))
}

#[cfg(test)]
mod tests;
