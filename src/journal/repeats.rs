//! Which calls of an account's waves were sent again.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Row, any::AnyRow};

use super::{Journal, workers::Worker};
use crate::{Repeats, Result, Vendor};

impl Journal {
    /// The calls that were sent again in the waves of an account, by operation and reason. Of a run that was killed
    /// nothing is known.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn repeats(&self, vendor: Vendor, account: &str) -> Result<Vec<Repeats>> {
        let mut link = self.0.store.link().await?;
        let rows = sqlx::query(
            "SELECT operation, status, CAST(SUM(times) AS BIGINT), CAST(SUM(waited) AS BIGINT), MIN(first_at), \
             MAX(last_at) FROM repetition WHERE vendor = $1 AND account = $2 GROUP BY operation, status \
             ORDER BY operation, status",
        )
        .bind(vendor.name())
        .bind(account)
        .fetch_all(&mut link.connection)
        .await;
        let rows = link.seen(rows)?;
        let read: sqlx::Result<Vec<Repeats>> = rows.iter().map(repeats).collect();
        link.seen(read)
    }

    /// Notes what a run repeated.
    pub(crate) async fn note_repeats(&self, worker: &Worker, repeats: &[Repeats]) -> Result<()> {
        let mut link = self.0.store.link().await?;
        for repeat in repeats {
            let noted = sqlx::query(
                "INSERT INTO repetition (vendor, account, wave, operation, status, times, waited, first_at, last_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 ON CONFLICT (vendor, account, wave, operation, status) DO UPDATE SET \
                 times = repetition.times + excluded.times, waited = repetition.waited + excluded.waited, \
                 last_at = excluded.last_at",
            )
            .bind(worker.vendor.name())
            .bind(worker.account.as_str())
            .bind(worker.wave.as_str())
            .bind(repeat.operation.as_str())
            .bind(repeat.status.map_or(0, i64::from))
            .bind(i64::try_from(repeat.times).unwrap_or(i64::MAX))
            .bind(i64::try_from(repeat.waited.as_millis()).unwrap_or(i64::MAX))
            .bind(repeat.first_at.as_millisecond())
            .bind(repeat.last_at.as_millisecond())
            .execute(&mut link.connection)
            .await;
            link.seen(noted)?;
        }
        Ok(())
    }
}

fn repeats(row: &AnyRow) -> sqlx::Result<Repeats> {
    let number = |index| row.try_get::<i64, _>(index).map(|number| u64::try_from(number).unwrap_or_default());
    let time = |index| row.try_get(index).map(|at| Timestamp::from_millisecond(at).unwrap_or_default());
    Ok(Repeats {
        operation: row.try_get(0)?,
        status: u16::try_from(number(1)?).ok().filter(|status| *status > 0),
        times: number(2)?,
        waited: Duration::from_millis(number(3)?),
        first_at: time(4)?,
        last_at: time(5)?,
    })
}
