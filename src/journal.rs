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
//! # The tables
//!
//! They are there to be queried; they change by migrations only.
//!
//! ```sql
#![doc = include_str!("journal/0001.sql")]
//! ```

use std::{
    collections::HashMap,
    fmt,
    fs::{File, TryLockError},
    path::Path,
    sync::{Arc, Mutex as Quick, MutexGuard, PoisonError},
};

use sqlx::{
    Any, AnyConnection, AssertSqlSafe, Connection, Executor, Row, SqlSafeStr, Transaction,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

use crate::{Booked, Error, OrderId, Outcome, Result, Vendor, error::Kind};

/// How many orders one query asks for: well under the 32,766 parameters that SQLite takes.
const ORDERS_PER_QUERY: usize = 500;

/// A wave's memory. One process at a time may have it open; within the process, clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    name: String,
    connection: Mutex<AnyConnection>,
    /// Writes that wait for the connection: whoever gets it next writes them all in one transaction.
    waiting: Quick<Vec<Waiting>>,
    /// Held by the wave of an account while it runs: a second one would take its units for abandoned.
    waves: Quick<HashMap<(Vendor, String), Alone>>,
    /// Held while the journal is open; released by the system if the process dies.
    _lock: Option<File>,
}

/// Whoever holds it is the one wave of an account.
type Alone = Arc<Mutex<()>>;

type Waiting = (Arc<Write>, oneshot::Sender<Result<(), String>>);

/// How far a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitState {
    /// Its commit may be on its way.
    Intent,
    /// The vendor took the commit and works on it.
    Accepted,
    /// Each of its orders has an end.
    Settled,
}

impl UnitState {
    fn name(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Accepted => "accepted",
            Self::Settled => "settled",
        }
    }
}

/// A unit as the journal holds it.
#[derive(Clone, Debug)]
pub struct Unit {
    pub(crate) id: String,
    pub(crate) vendor: Vendor,
    pub(crate) account: String,
    pub(crate) state: UnitState,
    /// The vendor's ids, as JSON.
    pub(crate) handle: String,
    pub(crate) intent_at: jiff::Timestamp,
    pub(crate) slots: Vec<Slot>,
}

/// An order's place in a unit.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) order: OrderId,
    pub(crate) revision: u32,
    pub(crate) tie: String,
    pub(crate) payload_hash: String,
    pub(crate) outcome: Option<Recorded>,
}

/// An outcome as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    name: String,
    detail: String,
}

/// The newest of what the journal knows of an order.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) revision: u32,
    pub(crate) unit: String,
    pub(crate) payload_hash: String,
    pub(crate) outcome: Option<Recorded>,
}

#[derive(Debug)]
enum Write {
    /// A unit that is about to be committed, or that ended before it could be.
    Unit(Unit),
    /// What came of a unit.
    Outcomes { unit: String, state: UnitState, outcomes: Vec<(usize, Recorded)> },
}

impl Journal {
    /// Opens a journal: new, or what an earlier run left. A path, or a `sqlite:` address.
    ///
    /// # Errors
    /// If the file cannot be written, is no journal, is from a newer version of this crate, or is open in another
    /// process.
    pub async fn open(location: &str) -> Result<Self> {
        let path = location.strip_prefix("sqlite://").or_else(|| location.strip_prefix("sqlite:")).unwrap_or(location);
        let is_address = path.len() < location.len();
        if path.is_empty() || path == ":memory:" || path.contains("://") || (is_address && path.contains('?')) {
            return Err(Error::input(format!("journal {location:?}: not a path and not a plain sqlite: address")));
        }
        let lock = lock(Path::new(path))?;
        let address = format!("sqlite://{}?mode=rwc", percent_encoded(path));
        Self::connect(location, &address, Some(lock)).await
    }

    /// A journal that is gone with the process: for tests, and for those who keep no memory of their waves.
    ///
    /// # Errors
    /// If SQLite cannot be set up.
    pub async fn in_memory() -> Result<Self> {
        Self::connect("in memory", "sqlite::memory:", None).await
    }

    async fn connect(name: &str, address: &str, lock: Option<File>) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let failed = |error: sqlx::Error| broken(name, error);
        let mut connection = AnyConnection::connect(address).await.map_err(failed)?;
        // A commit that was answered "durable" must survive a power cut: no label is bought on a promise.
        for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"] {
            connection.execute(pragma).await.map_err(failed)?;
        }
        migrations().run_direct(None, &mut connection, false).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                Error::new(Kind::Journal, format!("journal {name}: it was written by a newer version of shipbatch"))
            }
            MigrateError::VersionMismatch(_) => {
                Error::new(Kind::Journal, format!("journal {name}: its tables are not those of shipbatch"))
            }
            error => Error::new(Kind::Journal, format!("journal {name}: it cannot be set up: {error}")),
        })?;
        Ok(Self(Arc::new(Inner {
            name: name.to_owned(),
            connection: Mutex::new(connection),
            waiting: Quick::default(),
            waves: Quick::default(),
            _lock: lock,
        })))
    }

    /// Ends the journal's work, so that its file is whole by itself. A journal that is only dropped loses nothing.
    ///
    /// # Errors
    /// If a last write fails.
    pub async fn close(self) -> Result<()> {
        let name = self.0.name.clone();
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.connection.into_inner().close().await.map_err(|error| broken(&name, error)),
            Err(_) => Ok(()),
        }
    }

    /// Waits until no other wave of this account runs on this journal, and keeps others out.
    pub(crate) async fn alone(&self, vendor: Vendor, account: &str) -> OwnedMutexGuard<()> {
        let wave = quick(&self.0.waves).entry((vendor, account.to_owned())).or_default().clone();
        wave.lock_owned().await
    }

    /// The newest of what is known of each of these orders; those never seen are missing.
    pub(crate) async fn latest(
        &self,
        vendor: Vendor,
        account: &str,
        orders: &[OrderId],
    ) -> Result<HashMap<OrderId, Known>> {
        let mut known = HashMap::new();
        let mut connection = self.0.connection.lock().await;
        for orders in orders.chunks(ORDERS_PER_QUERY) {
            let places: Vec<String> = (3..orders.len() + 3).map(|place| format!("${place}")).collect();
            let sql = format!(
                "SELECT order_id, revision, unit, payload_hash, outcome, detail FROM booking \
                 WHERE vendor = $1 AND account = $2 AND order_id IN ({}) ORDER BY revision",
                places.join(", ")
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(vendor.name()).bind(account);
            for order in orders {
                query = query.bind(order.as_str());
            }
            for row in query.fetch_all(&mut *connection).await.map_err(|error| self.broken(error))? {
                let read = || -> Result<_, sqlx::Error> {
                    Ok((
                        row.try_get::<String, _>(0)?,
                        row.try_get(2)?,
                        row.try_get(3)?,
                        revision(&row, 1)?,
                        recorded(&row, 4)?,
                    ))
                };
                let (order, unit, payload_hash, revision, outcome) = read().map_err(|error| self.broken(error))?;
                // Later revisions come later, and replace.
                known.insert(OrderId::new(order)?, Known { revision, unit, payload_hash, outcome });
            }
        }
        Ok(known)
    }

    /// A unit with its orders.
    pub(crate) async fn unit(&self, id: &str) -> Result<Unit> {
        let mut connection = self.0.connection.lock().await;
        let broken = |error| self.broken(error);
        let row = sqlx::query("SELECT vendor, account, state, handle, intent_at FROM unit WHERE id = $1")
            .bind(id)
            .fetch_one(&mut *connection)
            .await
            .map_err(broken)?;
        let rows = sqlx::query(
            "SELECT order_id, revision, tie, payload_hash, outcome, detail FROM booking WHERE unit = $1 ORDER BY position",
        )
        .bind(id)
        .fetch_all(&mut *connection)
        .await
        .map_err(broken)?;
        let damaged = |what: &str| Error::new(Kind::Journal, format!("journal {}: unit {id}: {what}", self.0.name));
        let text = |index| row.try_get::<String, _>(index).map_err(broken);
        let mut slots = Vec::with_capacity(rows.len());
        for row in &rows {
            let text = |index| row.try_get::<String, _>(index).map_err(broken);
            slots.push(Slot {
                order: OrderId::new(text(0)?)?,
                revision: revision(row, 1).map_err(broken)?,
                tie: text(2)?,
                payload_hash: text(3)?,
                outcome: recorded(row, 4).map_err(broken)?,
            });
        }
        Ok(Unit {
            id: id.to_owned(),
            vendor: text(0)?.parse()?,
            account: text(1)?,
            state: match text(2)?.as_str() {
                "intent" => UnitState::Intent,
                "accepted" => UnitState::Accepted,
                "settled" => UnitState::Settled,
                _ => return Err(damaged("its state is none of ours")),
            },
            handle: text(3)?,
            intent_at: jiff::Timestamp::from_millisecond(row.try_get(4).map_err(broken)?)
                .map_err(|_| damaged("its time is out of range"))?,
            slots,
        })
    }

    /// Writes a unit, and returns when it is durable.
    pub(crate) async fn begin(&self, unit: Unit) -> Result<()> {
        self.write(Write::Unit(unit)).await
    }

    /// Writes what came of a unit, and returns when it is durable.
    pub(crate) async fn record(&self, unit: &str, state: UnitState, outcomes: Vec<(usize, Recorded)>) -> Result<()> {
        self.write(Write::Outcomes { unit: unit.to_owned(), state, outcomes }).await
    }

    async fn write(&self, write: Write) -> Result<()> {
        let write = Arc::new(write);
        loop {
            let (done, mut ended) = oneshot::channel();
            quick(&self.0.waiting).push((write.clone(), done));
            let mut connection = self.0.connection.lock().await;
            match ended.try_recv() {
                Ok(result) => return self.told(result),
                // Whoever took this write was dropped before its transaction ended: it may or may not be on disk, and is
                // written so that twice is once.
                Err(oneshot::error::TryRecvError::Closed) => continue,
                Err(oneshot::error::TryRecvError::Empty) => {}
            }
            let waiting = std::mem::take(&mut *quick(&self.0.waiting));
            let result = write_all(&mut connection, &waiting).await.map_err(|error| error.to_string());
            for (_, done) in waiting {
                // A writer that is gone needs no answer.
                let _ = done.send(result.clone());
            }
            return self.told(result);
        }
    }

    fn told(&self, result: Result<(), String>) -> Result<()> {
        result.map_err(|error| Error::new(Kind::Journal, format!("journal {}: {error}", self.0.name)))
    }

    fn broken(&self, error: sqlx::Error) -> Error {
        broken(&self.0.name, error)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Journal").field(&self.0.name).finish()
    }
}

impl Recorded {
    pub(crate) fn new(outcome: &Outcome) -> Self {
        let detail = match outcome {
            Outcome::Booked(booked) => serde_json::to_string(booked).unwrap_or_default(),
            Outcome::Rejected(error) | Outcome::Failed(error) | Outcome::Unknown(error) | Outcome::NotSent(error) => {
                error.to_record()
            }
        };
        Self { name: outcome.name().to_owned(), detail }
    }

    /// Whether the order is booked, surely and for good.
    pub(crate) fn is_booked(&self) -> bool {
        self.name == "booked"
    }

    /// Whether nothing more will come of it: all but `unknown`.
    pub(crate) fn is_final(&self) -> bool {
        self.name != "unknown"
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let error = || Error::from_record(&self.detail);
        match self.name.as_str() {
            "booked" => match serde_json::from_str::<Booked>(&self.detail) {
                Ok(booked) => Outcome::Booked(booked),
                // It is booked all the same; only what is known of it is lost.
                Err(_) => Outcome::Booked(Booked::default()),
            },
            "rejected" => Outcome::Rejected(error()),
            "failed" => Outcome::Failed(error()),
            "not_sent" => Outcome::NotSent(error()),
            _ => Outcome::Unknown(error()),
        }
    }
}

async fn write_all(connection: &mut AnyConnection, waiting: &[Waiting]) -> Result<(), sqlx::Error> {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut transaction = connection.begin().await?;
    for (write, _) in waiting {
        match write.as_ref() {
            Write::Unit(unit) => write_unit(&mut transaction, unit, now).await?,
            Write::Outcomes { unit, state, outcomes } => {
                write_outcomes(&mut transaction, unit, *state, outcomes, now).await?;
            }
        }
    }
    transaction.commit().await
}

async fn write_unit(transaction: &mut Transaction<'_, Any>, unit: &Unit, now: i64) -> Result<(), sqlx::Error> {
    let written = sqlx::query("INSERT INTO unit VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING")
        .bind(unit.id.as_str())
        .bind(unit.vendor.name())
        .bind(unit.account.as_str())
        .bind(unit.state.name())
        .bind(unit.handle.as_str())
        .bind(unit.intent_at.as_millisecond())
        .bind(now)
        .execute(&mut **transaction)
        .await?;
    if written.rows_affected() == 0 {
        return Ok(());
    }
    for (position, slot) in unit.slots.iter().enumerate() {
        sqlx::query("INSERT INTO booking VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)")
            .bind(unit.vendor.name())
            .bind(unit.account.as_str())
            .bind(slot.order.as_str())
            .bind(i64::from(slot.revision))
            .bind(unit.id.as_str())
            .bind(position as i64)
            .bind(slot.tie.as_str())
            .bind(slot.payload_hash.as_str())
            .bind(slot.outcome.as_ref().map(|outcome| outcome.name.as_str()))
            .bind(slot.outcome.as_ref().map(|outcome| outcome.detail.as_str()))
            .bind(now)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn write_outcomes(
    transaction: &mut Transaction<'_, Any>,
    unit: &str,
    state: UnitState,
    outcomes: &[(usize, Recorded)],
    now: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE unit SET state = $2, updated_at = $3 WHERE id = $1")
        .bind(unit)
        .bind(state.name())
        .bind(now)
        .execute(&mut **transaction)
        .await?;
    for (position, outcome) in outcomes {
        // An end is an end: only a doubt may still turn into one.
        let sql = "UPDATE booking SET outcome = $3, detail = $4, updated_at = $5 \
                   WHERE unit = $1 AND position = $2 AND (outcome IS NULL OR outcome = 'unknown')";
        sqlx::query(sql)
            .bind(unit)
            .bind(*position as i64)
            .bind(outcome.name.as_str())
            .bind(outcome.detail.as_str())
            .bind(now)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

fn migrations() -> Migrator {
    let first = include_str!("journal/0001.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(1, "units and bookings".into(), MigrationType::Simple, first, false)])
}

/// A lock beside the journal: two processes with one journal would both book.
fn lock(journal: &Path) -> Result<File> {
    // By its real name: a link to a journal is the same journal.
    let real = std::fs::canonicalize(journal).unwrap_or_else(|_| journal.to_owned());
    let mut path = real.into_os_string();
    path.push(".lock");
    let failed = |error: std::io::Error| {
        Error::new(Kind::Journal, format!("journal {}: it cannot be opened: {error}", journal.display()))
    };
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(Kind::Journal, format!("journal {}: another process is using it", journal.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A path as part of a `sqlite:` address.
fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'%' | b'?' | b'#' | b' ' => encoded.push_str(&format!("%{byte:02X}")),
            0x21..=0x7e => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn revision(row: &sqlx::any::AnyRow, index: usize) -> Result<u32, sqlx::Error> {
    let revision: i64 = row.try_get(index)?;
    u32::try_from(revision).map_err(|error| sqlx::Error::Decode(error.into()))
}

fn recorded(row: &sqlx::any::AnyRow, index: usize) -> Result<Option<Recorded>, sqlx::Error> {
    let name: Option<String> = row.try_get(index)?;
    let detail: Option<String> = row.try_get(index + 1)?;
    Ok(name.map(|name| Recorded { name, detail: detail.unwrap_or_default() }))
}

fn broken(name: &str, error: sqlx::Error) -> Error {
    Error::new(Kind::Journal, format!("journal {name}: {error}"))
}

fn quick<T>(mutex: &Quick<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
