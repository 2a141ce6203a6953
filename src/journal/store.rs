//! Where a journal is: an SQLite file that one process has open, or a PostgreSQL database that several share.

use std::{
    fs::{File, OpenOptions, TryLockError},
    future::Future,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::Url;
use sqlx::{
    AnyConnection, Connection, Executor, Row, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};
use tokio::sync::{Mutex, MutexGuard};

use crate::{Error, Result, error::Kind};

/// How long a statement, or a short transaction, may take: a server that is cut off without a word must not hold up a run.
const STATEMENT: Duration = Duration::from_secs(60);

/// What a connection to a server is told. A transaction whose client stalls ends, since it holds the account's lock; and what
/// was answered "durable" is on disk.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'; \
                       SET synchronous_commit = on";

/// After how long without use a connection to a server is looked at first: whatever stands between may have cut it.
const IDLE: Duration = Duration::from_secs(20);

/// The two ways of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The database's own clock, in milliseconds since 1970: the only one that all workers share.
    pub(super) fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
            Self::Postgres => "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
        }
    }

    /// Begins a transaction; never one inside another, whose end would say nothing.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// Ends a query for a row to be changed: one that another worker is changing is left to it.
    pub(super) fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }
}

/// A journal's database.
pub(super) struct Store {
    /// As errors name it: without a password.
    pub(super) name: String,
    pub(super) dialect: Dialect,
    /// For the journal's own reads and writes.
    main: Mutex<Link>,
    /// For what must not wait behind them: signs of life, and the account's pace. SQLite needs neither.
    side: Option<Mutex<Link>>,
}

/// A connection.
pub(super) struct Link {
    name: String,
    address: String,
    dialect: Dialect,
    pub(super) connection: AnyConnection,
    /// A statement failed on it.
    broken: bool,
    used: Instant,
    mark: Option<Mark>,
}

impl Store {
    /// Opens what a location names: a path, a `sqlite:` or a `postgres:` address.
    pub(super) async fn open(location: &str) -> Result<Self> {
        if is_server(location) {
            return Self::shared(location).await;
        }
        let path = path(location)?;
        let mut mark = Mark::lock(&path)?;
        let written = mark.read()?;
        let address = format!("sqlite://{}?mode=rwc", percent_encoded(&path.to_string_lossy()));
        let mut link = Link::connect(location, &address, Dialect::Sqlite).await?;
        link.check(&mark, written).await?;
        link.mark = Some(mark);
        Self::new(link, None).await
    }

    /// Whether a location has a journal. Looks, and leaves nothing behind.
    pub(super) async fn is_there(location: &str) -> Result<bool> {
        let address = if is_server(location) {
            location.to_owned()
        } else {
            let path = path(location)?;
            if !path.exists() {
                return Ok(false);
            }
            format!("sqlite://{}?mode=ro", percent_encoded(&path.to_string_lossy()))
        };
        sqlx::any::install_default_drivers();
        // Whatever cannot be read is told when it is opened.
        let Ok(mut connection) = AnyConnection::connect(&address).await else { return Ok(true) };
        let found = connection.fetch_one("SELECT COUNT(*) FROM unit").await;
        let _ = connection.close().await;
        Ok(!matches!(found, Err(sqlx::Error::Database(error)) if no_table(&*error)))
    }

    /// A database in memory, gone with the process.
    pub(super) async fn in_memory() -> Result<Self> {
        Self::new(Link::connect("in memory", "sqlite::memory:", Dialect::Sqlite).await?, None).await
    }

    async fn shared(address: &str) -> Result<Self> {
        let refused = |text: &str| Err(Error::input(format!("journal {}: {text}", shown(address))));
        if !cfg!(feature = "postgres") {
            return refused("shipbatch was built without its feature `postgres`");
        }
        if Url::parse(address).is_err() {
            return refused("not the address of a database");
        }
        let name = shown(address);
        let main = Link::connect(&name, address, Dialect::Postgres).await?;
        let side = Link::connect(&name, address, Dialect::Postgres).await?;
        Self::new(main, Some(Mutex::new(side))).await
    }

    async fn new(mut main: Link, side: Option<Mutex<Link>>) -> Result<Self> {
        let failed = |text: String| Error::new(Kind::Journal, format!("journal {}: {text}", main.name));
        migrations().run_direct(None, &mut main.connection, false).await.map_err(|error| match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                failed("it was written by a newer version of shipbatch".to_owned())
            }
            MigrateError::VersionMismatch(_) => failed("its tables are not those of shipbatch".to_owned()),
            error => failed(format!("it cannot be set up: {error}")),
        })?;
        Ok(Self { name: main.name.clone(), dialect: main.dialect, main: Mutex::new(main), side })
    }

    /// Whether one process has it to itself.
    pub(super) fn is_exclusive(&self) -> bool {
        self.dialect == Dialect::Sqlite
    }

    /// The connection, as soon as it is free.
    pub(super) async fn link(&self) -> Result<MutexGuard<'_, Link>> {
        usable(self.main.lock().await).await
    }

    /// The other connection, where there is one.
    pub(super) async fn side(&self) -> Result<MutexGuard<'_, Link>> {
        match &self.side {
            Some(side) => usable(side.lock().await).await,
            None => self.link().await,
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        if let Some(side) = self.side {
            let _ = side.into_inner().connection.close().await;
        }
        let name = self.name;
        self.main.into_inner().connection.close().await.map_err(|error| broken(&name, &error))
    }

    pub(super) fn failed(&self, why: &str) -> Error {
        Error::new(Kind::Journal, format!("journal {}: {why}", self.name))
    }

    /// Something in it is not as it was written.
    pub(super) fn damaged(&self, what: &str) -> Error {
        self.failed(&format!("it is damaged: {what}"))
    }
}

async fn usable(mut link: MutexGuard<'_, Link>) -> Result<MutexGuard<'_, Link>> {
    link.renew().await?;
    Ok(link)
}

impl Link {
    async fn connect(name: &str, address: &str, dialect: Dialect) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let failed = |error: sqlx::Error| broken(name, &error);
        let mut connection = AnyConnection::connect(address).await.map_err(failed)?;
        if dialect == Dialect::Sqlite {
            // A commit that was answered "durable" must survive a power cut: no label is bought on a promise.
            for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"] {
                connection.execute(pragma).await.map_err(failed)?;
            }
        }
        if dialect == Dialect::Postgres {
            sqlx::raw_sql(SESSION).execute(&mut connection).await.map_err(failed)?;
        }
        let (name, address) = (name.to_owned(), address.to_owned());
        Ok(Self { name, address, dialect, connection, broken: false, used: Instant::now(), mark: None })
    }

    /// Connects again where the last use ended in an error, or is long ago and the server is gone. A file that could not be
    /// written is not written again: what a transaction that failed leaves open would swallow the next ones.
    async fn renew(&mut self) -> Result<()> {
        if self.dialect == Dialect::Sqlite && self.broken {
            let text = format!("journal {}: an earlier write failed, and nothing is written after it", self.name);
            return Err(Error::new(Kind::Journal, text));
        }
        if self.dialect == Dialect::Postgres {
            let cut = self.broken || (self.used.elapsed() > IDLE && self.connection.ping().await.is_err());
            if cut {
                *self = Self::connect(&self.name, &self.address, self.dialect).await?;
            }
        }
        self.used = Instant::now();
        Ok(())
    }

    /// A transaction begins. Should it be dropped, the next user makes a new connection: what it left open would hold locks.
    pub(super) fn begins(&mut self) {
        self.broken |= self.dialect == Dialect::Postgres;
    }

    /// The result of a statement, or a transaction, on this connection.
    pub(super) fn seen<T>(&mut self, result: sqlx::Result<T>) -> Result<T> {
        self.broken = result.is_err();
        result.map_err(|error| broken(&self.name, &error))
    }

    /// Refuses a file that is not whole, or that has less in it than was written.
    async fn check(&mut self, mark: &Mark, written: i64) -> Result<()> {
        let found = self.connection.fetch_one("PRAGMA integrity_check(1)").await.and_then(|row| row.try_get(0));
        let found: String = self.seen(found)?;
        if found != "ok" {
            return Err(Error::new(Kind::Journal, format!("journal {}: it is damaged: {found}", self.name)));
        }
        let there = self.connection.fetch_one("PRAGMA user_version").await.and_then(|row| row.try_get(0));
        let there: i64 = self.seen(there)?;
        if written == 0 && there > 0 {
            tracing::warn!(
                journal = self.name,
                "its .lock file is not there: writes that it lost would not be noticed"
            );
        }
        if there < written {
            let text = format!(
                "journal {}: {} of its {written} writes are missing: it is an old copy, or damaged; orders that it does \
                 not know of may be booked. To begin anew in spite of that, remove {} too",
                self.name,
                written - there,
                mark.path.display()
            );
            return Err(Error::new(Kind::Journal, text));
        }
        Ok(())
    }

    /// Whether its transactions are counted, in the file and beside it.
    pub(super) fn is_counted(&self) -> bool {
        self.mark.is_some()
    }

    /// Notes beside the journal that so many transactions are durable.
    pub(super) fn wrote(&mut self, sequence: i64) -> Result<()> {
        self.mark.as_mut().map_or(Ok(()), |mark| mark.write(sequence))
    }
}

/// The file beside a journal: locked while a process has it open, since two would both book; and holding how many
/// transactions were written, so that a journal that lost some is told from one that never had them.
struct Mark {
    path: PathBuf,
    file: File,
}

impl Mark {
    fn lock(journal: &Path) -> Result<Self> {
        // By its real name: a link to a journal is the same journal.
        let mut path = std::fs::canonicalize(journal).unwrap_or_else(|_| journal.to_owned()).into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error: std::io::Error| {
            Error::new(Kind::Journal, format!("journal {}: it cannot be opened: {error}", journal.display()))
        };
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = open.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, file }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Kind::Journal, format!("journal {}: another process is using it", journal.display())))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// What it says; 0 for a new one.
    fn read(&mut self) -> Result<i64> {
        let mut text = String::new();
        match self.file.read_to_string(&mut text) {
            Ok(0) => Ok(0),
            // Written twice, so that damage shows.
            Ok(_) => text
                .split_once(' ')
                .filter(|(first, second)| first == &second.trim_end())
                .and_then(|(first, _)| first.parse().ok())
                .ok_or_else(|| self.failed("it is damaged")),
            Err(error) => Err(self.failed(&error.to_string())),
        }
    }

    /// In place, and not forced to disk: it may lag behind the journal, never run ahead of it.
    fn write(&mut self, sequence: i64) -> Result<()> {
        let text = format!("{sequence:019} {sequence:019}\n");
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(text.as_bytes()));
        written.map_err(|error| self.failed(&error.to_string()))
    }

    fn failed(&self, why: &str) -> Error {
        Error::new(Kind::Journal, format!("{}: {why}", self.path.display()))
    }
}

impl Drop for Mark {
    /// Closing the file is not enough: a child process that is about to start holds it for a moment longer.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn migrations() -> Migrator {
    let first = include_str!("0001.sql").into_sql_str();
    Migrator::with_migrations(vec![Migration::new(1, "units and bookings".into(), MigrationType::Simple, first, false)])
}

fn is_server(location: &str) -> bool {
    location.starts_with("postgres://") || location.starts_with("postgresql://")
}

/// Whether a statement failed because its table is not there.
fn no_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().as_deref() == Some("42P01") || error.message().starts_with("no such table")
}

/// The path that a location names.
fn path(location: &str) -> Result<PathBuf> {
    let path = location.strip_prefix("sqlite://").or_else(|| location.strip_prefix("sqlite:")).unwrap_or(location);
    let is_address = path.len() < location.len();
    if path.is_empty() || path == ":memory:" || path.contains("://") || (is_address && path.contains('?')) {
        // What has a user in it has a password, too.
        let shown = if path.contains('@') { shown(location) } else { location.to_owned() };
        let text = format!("journal {shown:?}: not a path, and neither a plain sqlite: nor a postgres: address");
        return Err(Error::input(text));
    }
    Ok(path.into())
}

/// An address without what must not be shown: the password, and the settings, which may hold one.
fn shown(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return "postgres:".to_owned() };
    url.set_query(None);
    // Only an address without a host has no place for a password.
    let _ = url.set_password(None);
    url.to_string()
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

/// The result of a statement, or a transaction, in time.
pub(super) async fn timed<T>(statement: impl Future<Output = sqlx::Result<T>> + Send) -> sqlx::Result<T> {
    let late = |_| sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"));
    tokio::time::timeout(STATEMENT, statement).await.map_err(late).and_then(|done| done)
}

pub(super) fn broken(name: &str, error: &sqlx::Error) -> Error {
    Error::new(Kind::Journal, format!("journal {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        for address in [
            "postgres://desk:secret@db.example/wave?sslmode=require&password=secret",
            "postgresql://desk:secret@db.example/wave",
        ] {
            assert!(!shown(address).contains("secret"), "{}", shown(address));
        }
        assert_eq!(shown("postgres://desk:secret@db.example/wave"), "postgres://desk@db.example/wave");
    }

    #[test]
    fn a_mark_says_what_was_written_and_shows_damage() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("wave.db");
        let mut mark = Mark::lock(&journal).unwrap();
        assert_eq!(mark.read().unwrap(), 0);
        mark.write(7).unwrap();
        mark.write(8).unwrap();
        let path = mark.path.clone();
        drop(mark);
        assert_eq!(Mark::lock(&journal).unwrap().read().unwrap(), 8);
        let text = std::fs::read_to_string(&path).unwrap().replacen('8', "9", 1);
        std::fs::write(&path, text).unwrap();
        assert!(Mark::lock(&journal).unwrap().read().unwrap_err().to_string().ends_with("it is damaged"));
    }
}
