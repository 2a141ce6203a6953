//! Who works on what: processes that share a journal, each with units of its own.
//!
//! A worker says every few seconds that it is alive. A unit whose worker has not, and whose commit can no longer be on its
//! way, is free: whoever takes it raises its fence, and from then on the old worker's writes count for nothing. The
//! database's clock alone decides.

use std::time::Duration;

use sqlx::{Any, AssertSqlSafe, Connection, Row, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::{
    Journal,
    store::{Dialect, timed},
    unit::Unit,
};
use crate::{Result, Vendor};

/// A process, or a task of one, at work on an account's orders.
pub(crate) struct Worker {
    pub(super) id: String,
    pub(super) vendor: Vendor,
    pub(super) account: String,
    /// All workers of an account that are alive at one time are at the same wave.
    pub(crate) wave: String,
    /// How long it counts as alive without saying so again.
    pub(crate) lease: Duration,
    /// Where one process has the journal, one wave of an account has it at a time.
    _alone: Option<OwnedMutexGuard<()>>,
}

/// Until the transaction ends, no other worker joins the account or claims any of its orders.
pub(super) async fn lock_account(
    transaction: &mut Transaction<'_, Any>,
    dialect: Dialect,
    vendor: &str,
    account: &str,
) -> sqlx::Result<()> {
    if dialect == Dialect::Postgres {
        // As text, since the driver has no word for "nothing".
        sqlx::query("SELECT CAST(pg_advisory_xact_lock(hashtextextended($1, 0)) AS TEXT)")
            .bind(format!("shipbatch {vendor} {account}"))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

impl Journal {
    /// Begins to work on an account: as one more worker of the wave that is under way, or of a new one. Where the journal
    /// is this process's own, waits until no other wave of the account runs on it.
    pub(crate) async fn join(&self, vendor: Vendor, account: &str, lease: Duration) -> Result<Worker> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let mut worker = Worker { wave: id.clone(), id, vendor, account: account.to_owned(), lease, _alone: None };
        if self.is_exclusive() {
            worker._alone = Some(self.alone(vendor, account).await);
        } else {
            let mut link = self.0.store.link().await?;
            link.begins();
            let joined = timed(enter(&mut link.connection, self.0.store.dialect, &mut worker)).await;
            link.seen(joined)?;
        }
        Ok(worker)
    }

    /// Notes how many orders a worker's wave was given.
    pub(crate) async fn begin(&self, worker: &Worker, orders: usize) -> Result<()> {
        let dialect = self.0.store.dialect;
        let insert = format!(
            "INSERT INTO wave (id, vendor, account, orders, begun_at) VALUES ($1, $2, $3, $4, {}) ON CONFLICT DO NOTHING",
            dialect.now()
        );
        let mut link = self.0.store.link().await?;
        let insert = sqlx::query(AssertSqlSafe(insert))
            .bind(worker.wave.as_str())
            .bind(worker.vendor.name())
            .bind(worker.account.as_str())
            .bind(orders as i64);
        let begun = timed(insert.execute(&mut link.connection)).await;
        link.seen(begun).map(drop)
    }

    /// Says that a worker is alive.
    pub(crate) async fn beat(&self, worker: &Worker) -> Result<()> {
        let mut link = self.0.store.side().await?;
        let beaten = insert(self.0.store.dialect, worker, &worker.wave).execute(&mut link.connection);
        let beaten = timed(beaten).await;
        link.seen(beaten).map(drop)
    }

    /// Ends a worker's work: what it still has is free.
    pub(crate) async fn leave(&self, worker: &Worker) -> Result<()> {
        if self.is_exclusive() {
            return Ok(());
        }
        let mut link = self.0.store.link().await?;
        let delete = sqlx::query("DELETE FROM worker WHERE id = $1").bind(worker.id.as_str());
        let left = timed(delete.execute(&mut link.connection)).await;
        link.seen(left).map(drop)
    }

    /// Takes a unit that nobody works on, if it is one.
    pub(crate) async fn take(&self, worker: &Worker, unit: &str) -> Result<Option<Unit>> {
        let dialect = self.0.store.dialect;
        let free = if self.is_exclusive() {
            String::new()
        } else {
            let now = dialect.now();
            format!(
                "AND held_until <= {now} AND NOT EXISTS \
                 (SELECT 1 FROM worker WHERE worker.id = unit.worker AND alive_until > {now})"
            )
        };
        let update = format!(
            "UPDATE unit SET fence = fence + 1, worker = $2, wave = $3, held_until = 0 WHERE id = \
             (SELECT id FROM unit WHERE id = $1 AND state <> 'settled' {free} {}) RETURNING fence",
            dialect.skip_locked()
        );
        let taken = {
            let mut link = self.0.store.link().await?;
            let update = sqlx::query(AssertSqlSafe(update)).bind(unit);
            let update = update.bind(worker.id.as_str()).bind(worker.wave.as_str());
            let taken = timed(update.fetch_optional(&mut link.connection)).await;
            let fence = taken.and_then(|row| row.map(|row| row.try_get(0)).transpose());
            link.seen(fence)?
        };
        match taken {
            // By now it may be another's again, or gone.
            Some(fence) => self.unit(unit, fence).await,
            None => Ok(None),
        }
    }
}

/// Enters a worker, and tells it the wave of those that are there already.
async fn enter(connection: &mut sqlx::AnyConnection, dialect: Dialect, worker: &mut Worker) -> sqlx::Result<()> {
    let (vendor, account) = (worker.vendor.name(), worker.account.clone());
    let mut transaction = connection.begin_with(dialect.begin()).await?;
    lock_account(&mut transaction, dialect, vendor, &account).await?;
    let dead = format!("DELETE FROM worker WHERE vendor = $1 AND account = $2 AND alive_until <= {}", dialect.now());
    sqlx::query(AssertSqlSafe(dead)).bind(vendor).bind(account.as_str()).execute(&mut *transaction).await?;
    let other = sqlx::query("SELECT wave FROM worker WHERE vendor = $1 AND account = $2 LIMIT 1")
        .bind(vendor)
        .bind(account.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(other) = other {
        worker.wave = other.try_get(0)?;
    }
    insert(dialect, worker, &worker.wave).execute(&mut *transaction).await?;
    transaction.commit().await
}

type Query<'a> = sqlx::query::Query<'a, Any, sqlx::any::AnyArguments>;

fn insert<'a>(dialect: Dialect, worker: &'a Worker, wave: &'a str) -> Query<'a> {
    let insert = format!(
        "INSERT INTO worker (id, vendor, account, wave, alive_until) VALUES ($1, $2, $3, $4, {} + $5) \
         ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until",
        dialect.now()
    );
    sqlx::query(AssertSqlSafe(insert))
        .bind(worker.id.as_str())
        .bind(worker.vendor.name())
        .bind(worker.account.as_str())
        .bind(wave)
        .bind(i64::try_from(worker.lease.as_millis()).unwrap_or(i64::MAX))
}
