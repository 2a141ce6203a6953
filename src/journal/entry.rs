//! What a journal holds, to be read: each order with what came of it.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{
    Journal,
    unit::{Slot, Stage},
};
use crate::{Error, OrderId, Outcome, Report, Result, Vendor, error::Kind};

/// What a journal holds of an order: the newest try at it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The order.
    pub order: OrderId,
    /// Which try at it this is, from 0.
    pub revision: u32,
    /// Its place among the orders that the run was given, from 0.
    pub place: u64,
    /// The unit in which it went to the vendor: what was paid for together.
    pub unit: String,
    /// How far it is.
    pub stage: Stage,
    /// What came of it; nothing, while it is under way. An `Unknown` may still turn into another.
    pub outcome: Option<Outcome>,
    /// When a run took it.
    pub claimed_at: jiff::Timestamp,
    /// When its booking was first meant; nothing, before.
    pub intent_at: Option<jiff::Timestamp>,
    /// When the journal last heard of it.
    pub updated_at: jiff::Timestamp,
}

impl Journal {
    /// The accounts that have orders in it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn accounts(&self) -> Result<Vec<(Vendor, String)>> {
        let mut link = self.0.store.link().await?;
        let rows = sqlx::query("SELECT DISTINCT vendor, account FROM booking ORDER BY vendor, account")
            .fetch_all(&mut link.connection)
            .await;
        let mut accounts = Vec::new();
        for row in link.seen(rows)? {
            let account: sqlx::Result<(String, String)> =
                row.try_get(0).and_then(|vendor| Ok((vendor, row.try_get(1)?)));
            let (vendor, account) = link.seen(account)?;
            accounts.push((vendor.parse()?, account));
        }
        Ok(accounts)
    }

    /// How many orders the last run of an account was given: those that it did not come to are in no [`Entry`].
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn given(&self, vendor: Vendor, account: &str) -> Result<usize> {
        let mut link = self.0.store.link().await?;
        let row = sqlx::query("SELECT orders FROM wave WHERE vendor = $1 AND account = $2 ORDER BY id DESC LIMIT 1")
            .bind(vendor.name())
            .bind(account)
            .fetch_optional(&mut link.connection)
            .await;
        let orders = row.and_then(|row| row.map_or(Ok(0), |row| row.try_get::<i64, _>(0)));
        link.seen(orders).map(|orders| usize::try_from(orders).unwrap_or_default())
    }

    /// All orders of an account, each once, as they were given.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub async fn entries(&self, vendor: Vendor, account: &str) -> Result<Vec<Entry>> {
        let sql = format!(
            "SELECT {}, unit.state, unit.claimed_at, unit.intent_at, booking.updated_at FROM booking \
             JOIN unit ON unit.id = booking.unit WHERE booking.vendor = $1 AND booking.account = $2 ORDER BY revision",
            Slot::COLUMNS
        );
        let mut link = self.0.store.link().await?;
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(vendor.name()).bind(account);
        let rows = rows.fetch_all(&mut link.connection).await;
        let mut newest = BTreeMap::new();
        for row in link.seen(rows)? {
            let entry = entry(&row, vendor, account);
            let entry = link.seen(entry)?.ok_or_else(|| self.0.store.damaged("the row of an order"))?;
            // Later tries come later, and replace.
            newest.insert(entry.order.clone(), entry);
        }
        let mut entries: Vec<Entry> = newest.into_values().collect();
        entries.sort_by(|one, other| (one.place, &one.order).cmp(&(other.place, &other.order)));
        Ok(entries)
    }

    /// What became of all orders of an account, as far as the journal knows: the vendor is not asked. An order that is
    /// under way is `Unknown`, or `NotSent` while no money can move yet.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub async fn report(&self, vendor: Vendor, account: &str) -> Result<Report> {
        let entries = self.entries(vendor, account).await?;
        let rows = entries.into_iter().map(|entry| {
            let outcome = entry.outcome.unwrap_or_else(|| under_way(entry.stage).of(&entry.order));
            (entry.order, outcome)
        });
        Ok(Report::new(vendor, account, rows.collect(), false))
    }
}

/// What can be said of an order to which nothing came yet.
fn under_way(stage: Stage) -> Outcome {
    match stage {
        Stage::Claimed => Outcome::NotSent(Error::new(Kind::Stopped, "it is under way, and was not sent yet")),
        Stage::Intent | Stage::Accepted | Stage::Settled => {
            Outcome::Unknown(Error::new(Kind::Doubt, "it is under way"))
        }
    }
}

/// An order from its row; nothing, if that is damaged.
fn entry(row: &AnyRow, vendor: Vendor, account: &str) -> sqlx::Result<Option<Entry>> {
    let Some(slot) = Slot::of(row, vendor.name(), account)? else { return Ok(None) };
    let state = Stage::of(&row.try_get::<String, _>(10)?);
    let time = |index| row.try_get(index).map(|at| jiff::Timestamp::from_millisecond(at).ok());
    let (Some(state), Some(claimed_at), intent_at, Some(updated_at)) = (state, time(11)?, time(12)?, time(13)?) else {
        return Ok(None);
    };
    let outcome = slot.outcome.map(|recorded| recorded.outcome().of(&slot.order));
    let settled = outcome.as_ref().is_some_and(|outcome| !matches!(outcome, Outcome::Unknown(_)));
    Ok(Some(Entry {
        revision: slot.revision,
        place: u64::try_from(slot.place).unwrap_or_default(),
        unit: row.try_get(2)?,
        stage: if settled { Stage::Settled } else { state },
        intent_at: intent_at.filter(|_| state != Stage::Claimed),
        order: slot.order,
        outcome,
        claimed_at,
        updated_at,
    }))
}
