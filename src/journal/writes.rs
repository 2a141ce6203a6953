//! Writes: those that wait for the connection are written together, in one transaction.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex as Quick, PoisonError},
    time::Duration,
};

use sqlx::{Any, AssertSqlSafe, Connection, Row, Transaction};
use tokio::sync::oneshot;

use super::{
    store::{Dialect, Link, Store, timed},
    unit::{Slot, Unit, places},
    workers::lock_account,
};
use crate::{Error, OrderId, Result, error::Kind};

/// How many rows one statement writes. SQLite looks each `$n` up among all others, so that thousands take seconds.
const ROWS: usize = 64;

/// A write, and who waits for it.
type Waiting = (Arc<Write>, oneshot::Sender<Told>);
/// What a writer is told: the error is shared by all whose writes were in the transaction.
type Told = Result<Written, String>;

/// What is written of a unit.
#[derive(Debug)]
pub(super) struct Write {
    pub(super) unit: Unit,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A new unit, with those of its orders that nobody else has.
    Claim { worker: String, wave: String },
    /// How far it is, with the orders at these places; and whether its worker goes on with it.
    Keep { places: Vec<usize>, in_hand: bool },
    /// Its commit may be on its way for so long.
    Hold(Duration),
    /// Its orders are free again.
    Release,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    Done,
    /// Another worker has the unit.
    Lost,
    /// The orders that are the unit's.
    Claimed(Vec<OrderId>),
}

/// Writes that wait for the connection: whoever gets it next writes them all.
#[derive(Default)]
pub(super) struct Queue(Quick<Vec<Waiting>>);

impl Queue {
    /// Returns when the write is durable.
    pub(super) async fn write(&self, store: &Store, write: Write) -> Result<Written> {
        let write = Arc::new(write);
        let mut again = !store.is_exclusive();
        loop {
            let (done, mut ended) = oneshot::channel();
            self.waiting().push((write.clone(), done));
            let mut link = store.link().await?;
            match ended.try_recv() {
                Ok(told) => return said(told),
                // Whoever took this write was dropped before its transaction ended: it may or may not be on disk, and is
                // written so that twice is once.
                Err(oneshot::error::TryRecvError::Closed) => continue,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let mut waiting = std::mem::take(&mut *self.waiting());
            // What a dropped run still meant to write is void.
            waiting.retain(|(_, done)| !done.is_closed());
            link.begins();
            let written = timed(write_all(&mut link, store.dialect, &waiting)).await;
            let written = link.seen(written);
            // A server that was gone for a moment: the same once more, on a new connection. The others whose writes were
            // taken find their channel closed, and put them in line again.
            if written.is_err() && std::mem::take(&mut again) {
                continue;
            }
            match written {
                Ok(written) => tell(waiting, written.into_iter().map(Ok)),
                Err(error) => tell(waiting, std::iter::repeat(Err(error.to_string()))),
            }
            return match ended.try_recv() {
                Ok(told) => said(told),
                Err(_) => Err(store.failed("a write was lost")),
            };
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell(waiting: Vec<Waiting>, told: impl Iterator<Item = Told>) {
    for ((_, done), told) in waiting.into_iter().zip(told) {
        // A writer that is gone needs no answer.
        let _ = done.send(told);
    }
}

fn said(told: Told) -> Result<Written> {
    told.map_err(|text| Error::new(Kind::Journal, text))
}

async fn write_all(link: &mut Link, dialect: Dialect, waiting: &[Waiting]) -> sqlx::Result<Vec<Written>> {
    let counted = link.is_counted();
    let mut transaction = link.connection.begin_with(dialect.begin()).await?;
    // In one order everywhere, so that no two workers wait for each other.
    let claims: BTreeSet<(&str, &str)> = waiting
        .iter()
        .filter(|(write, _)| matches!(write.what, What::Claim { .. }))
        .map(|(write, _)| (write.unit.vendor.name(), write.unit.account.as_str()))
        .collect();
    for (vendor, account) in claims {
        lock_account(&mut transaction, dialect, vendor, account).await?;
    }
    let mut written = Vec::with_capacity(waiting.len());
    for (write, _) in waiting {
        let mut writer = Writer { transaction: &mut transaction, dialect, unit: &write.unit };
        written.push(match &write.what {
            What::Claim { worker, wave } => writer.claim(worker, wave).await?,
            What::Keep { places, in_hand } => writer.keep(places, *in_hand).await?,
            What::Hold(time) => writer.hold(*time).await?,
            What::Release => writer.release().await?,
        });
    }
    let sequence = if counted { Some(count(&mut transaction).await?) } else { None };
    transaction.commit().await?;
    if let Some(sequence) = sequence {
        link.wrote(sequence).map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))?;
    }
    Ok(written)
}

/// Counts a transaction, and gives how many there were.
async fn count(transaction: &mut Transaction<'_, Any>) -> sqlx::Result<i64> {
    let before: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut **transaction).await?.try_get(0)?;
    let number = AssertSqlSafe(format!("PRAGMA user_version = {}", before + 1));
    sqlx::raw_sql(number).execute(&mut **transaction).await?;
    Ok(before + 1)
}

/// Writes one unit.
struct Writer<'a, 'c> {
    transaction: &'a mut Transaction<'c, Any>,
    dialect: Dialect,
    unit: &'a Unit,
}

impl Writer<'_, '_> {
    async fn claim(&mut self, worker: &str, wave: &str) -> sqlx::Result<Written> {
        let (unit, now) = (self.unit, self.dialect.now());
        let insert = format!(
            "INSERT INTO unit (id, vendor, account, wave, state, handle, orders, intent_at, worker, fence, held_until, seal, \
             claimed_at, updated_at) VALUES ($1, $2, $3, $4, $5, '', $6, $7, $8, $9, 0, $10, {now}, {now}) \
             ON CONFLICT (id) DO NOTHING"
        );
        sqlx::query(AssertSqlSafe(insert))
            .bind(unit.id.as_str())
            .bind(unit.vendor.name())
            .bind(unit.account.as_str())
            .bind(wave)
            .bind(unit.state.name())
            .bind(unit.slots.len() as i64)
            .bind(unit.intent_at.as_millisecond())
            .bind(worker)
            .bind(unit.fence)
            .bind(unit.seal())
            .execute(&mut **self.transaction)
            .await?;
        let all: Vec<usize> = (0..unit.slots.len()).collect();
        if self.write_slots(&all, "DO NOTHING").await? == unit.slots.len() as u64 {
            return Ok(Written::Claimed(unit.slots.iter().map(|slot| slot.order.clone()).collect()));
        }
        let rows = sqlx::query("SELECT order_id FROM booking WHERE unit = $1")
            .bind(unit.id.as_str())
            .fetch_all(&mut **self.transaction)
            .await?;
        if rows.is_empty() {
            let delete = sqlx::query("DELETE FROM unit WHERE id = $1").bind(unit.id.as_str());
            delete.execute(&mut **self.transaction).await?;
        }
        let order = |row: &sqlx::any::AnyRow| OrderId::new(row.try_get::<String, _>(0).ok()?).ok();
        Ok(Written::Claimed(rows.iter().filter_map(order).collect()))
    }

    async fn keep(&mut self, places: &[usize], in_hand: bool) -> sqlx::Result<Written> {
        let (unit, now) = (self.unit, self.dialect.now());
        let update = format!(
            "UPDATE unit SET state = $3, handle = $4, orders = $5, intent_at = $6, seal = $7, held_until = 0, \
             worker = CASE WHEN $8 = 1 THEN worker ELSE '' END, updated_at = {now} WHERE id = $1 AND fence = $2"
        );
        let updated = sqlx::query(AssertSqlSafe(update))
            .bind(unit.id.as_str())
            .bind(unit.fence)
            .bind(unit.state.name())
            .bind(unit.handle.as_str())
            .bind(unit.slots.len() as i64)
            .bind(unit.intent_at.as_millisecond())
            .bind(unit.seal())
            .bind(i64::from(in_hand))
            .execute(&mut **self.transaction)
            .await?;
        if updated.rows_affected() == 0 {
            return Ok(Written::Lost);
        }
        // An end is an end: only a doubt may still turn into one.
        let conflict = "(vendor, account, order_id, revision) DO UPDATE SET position = excluded.position, \
                        tie = excluded.tie, outcome = excluded.outcome, detail = excluded.detail, seal = excluded.seal, \
                        updated_at = excluded.updated_at WHERE booking.unit = excluded.unit \
                        AND (booking.outcome IS NULL OR booking.outcome = 'unknown')";
        self.write_slots(places, conflict).await?;
        Ok(Written::Done)
    }

    async fn hold(&mut self, time: Duration) -> sqlx::Result<Written> {
        let now = self.dialect.now();
        let update = format!("UPDATE unit SET held_until = {now} + $3 WHERE id = $1 AND fence = $2");
        let updated = sqlx::query(AssertSqlSafe(update))
            .bind(self.unit.id.as_str())
            .bind(self.unit.fence)
            .bind(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
            .execute(&mut **self.transaction)
            .await?;
        Ok(if updated.rows_affected() == 0 { Written::Lost } else { Written::Done })
    }

    async fn release(&mut self) -> sqlx::Result<Written> {
        let ours = "SELECT id FROM unit WHERE id = $1 AND fence = $2 AND state = 'claimed'";
        for delete in
            [format!("DELETE FROM booking WHERE unit IN ({ours})"), format!("DELETE FROM unit WHERE id IN ({ours})")]
        {
            let delete = sqlx::query(AssertSqlSafe(delete)).bind(self.unit.id.as_str()).bind(self.unit.fence);
            delete.execute(&mut **self.transaction).await?;
        }
        Ok(Written::Done)
    }

    /// Writes the rows of some of the unit's orders, and gives how many there were.
    async fn write_slots(&mut self, slots: &[usize], conflict: &str) -> sqlx::Result<u64> {
        const COLUMNS: usize = 12;
        let (vendor, account, unit) = (self.unit.vendor.name(), self.unit.account.as_str(), self.unit.id.as_str());
        let mut rows = 0;
        for slots in slots.chunks(ROWS) {
            let insert = format!(
                "INSERT INTO booking (vendor, account, order_id, revision, unit, position, place, tie, payload_hash, \
                 outcome, detail, seal, updated_at) VALUES {} ON CONFLICT {conflict}",
                places(slots.len(), COLUMNS, self.dialect.now())
            );
            let mut query = sqlx::query(AssertSqlSafe(insert));
            for place in slots {
                let (slot, position): (&Slot, _) = (&self.unit.slots[*place], *place as i64);
                query = query
                    .bind(vendor)
                    .bind(account)
                    .bind(slot.order.as_str())
                    .bind(i64::from(slot.revision))
                    .bind(unit)
                    .bind(position)
                    .bind(slot.place)
                    .bind(slot.tie.as_str())
                    .bind(slot.payload_hash.as_str())
                    .bind(slot.outcome.as_ref().map(|outcome| outcome.name.as_str()))
                    .bind(slot.outcome.as_ref().map(|outcome| outcome.detail.as_str()))
                    .bind(slot.seal(vendor, account, unit, position));
            }
            rows += query.execute(&mut **self.transaction).await?.rows_affected();
        }
        Ok(rows)
    }
}
