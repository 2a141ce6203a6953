//! The pace of an account's calls, where several processes share it: a pause that one is told holds all of them back, and a
//! rate is the rate of all of them together.

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{AssertSqlSafe, Row};

use super::{Journal, store::Link};
use crate::{Result, Vendor, gate::Shared};

/// The database's own clock, in microseconds since 1970. Only PostgreSQL has several workers.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// An account's pace in a journal.
pub(crate) struct Pace {
    journal: Journal,
    vendor: Vendor,
    account: String,
}

impl Journal {
    /// The pace of an account, if others may call for it too.
    pub(crate) fn pace(&self, vendor: Vendor, account: &str) -> Option<Pace> {
        (!self.is_exclusive()).then(|| Pace { journal: self.clone(), vendor, account: account.to_owned() })
    }
}

impl Pace {
    async fn place(&self, interval: Option<Duration>) -> Result<Duration> {
        let mut link = self.journal.0.store.side().await?;
        let wait = match interval {
            Some(interval) => self.reserve_in(&mut link, micros(interval)).await,
            None => self.pause_in(&mut link).await,
        };
        let wait = link.seen(wait)?;
        Ok(Duration::from_micros(u64::try_from(wait).unwrap_or_default()))
    }

    /// Takes the next free place in the row.
    async fn reserve_in(&self, link: &mut Link, interval: i64) -> sqlx::Result<i64> {
        let reserve = format!(
            "INSERT INTO pace (vendor, account, paused_until, next_at) VALUES ($1, $2, 0, {NOW} + $3) \
             ON CONFLICT (vendor, account) DO UPDATE SET next_at = GREATEST(pace.next_at, pace.paused_until, {NOW}) + $3 \
             RETURNING next_at - $3 - {NOW}"
        );
        let reserve = sqlx::query(AssertSqlSafe(reserve)).bind(self.vendor.name()).bind(self.account.as_str());
        reserve.bind(interval).fetch_one(&mut link.connection).await?.try_get(0)
    }

    /// What is left of a pause.
    async fn pause_in(&self, link: &mut Link) -> sqlx::Result<i64> {
        let left = format!("SELECT paused_until - {NOW} FROM pace WHERE vendor = $1 AND account = $2");
        let left = sqlx::query(AssertSqlSafe(left)).bind(self.vendor.name()).bind(self.account.as_str());
        left.fetch_optional(&mut link.connection).await?.map_or(Ok(0), |row| row.try_get(0))
    }

    async fn rest(&self, pause: Duration) -> Result<()> {
        let mut link = self.journal.0.store.side().await?;
        let rest = format!(
            "INSERT INTO pace (vendor, account, paused_until, next_at) VALUES ($1, $2, {NOW} + $3, 0) \
             ON CONFLICT (vendor, account) DO UPDATE SET paused_until = GREATEST(pace.paused_until, excluded.paused_until)"
        );
        let rest = sqlx::query(AssertSqlSafe(rest)).bind(self.vendor.name()).bind(self.account.as_str());
        let rested = rest.bind(micros(pause)).execute(&mut link.connection).await;
        link.seen(rested).map(drop)
    }
}

impl Shared for Pace {
    fn wait(&self, interval: Option<Duration>) -> BoxFuture<'_, Duration> {
        self.place(interval).map(told).boxed()
    }

    fn pause(&self, pause: Duration) -> BoxFuture<'_, ()> {
        self.rest(pause).map(told).boxed()
    }
}

/// A pace that is not shared costs a 429 and no money. A journal that is gone shows at the next intent.
fn told<T: Default>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| {
        tracing::warn!(%error, "the account's pace is not shared");
        T::default()
    })
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
