//! Where labels were written, so that the next call fetches only what is missing.

use std::{collections::HashMap, path::Path};

use sqlx::{AssertSqlSafe, Connection, Row, any::AnyRow};

use super::{Journal, unit::seal};
use crate::{Label, OrderId, Result, Vendor};

impl Journal {
    /// Where the labels of an account's orders are, or were. A row that is damaged counts as none: its label is fetched
    /// again.
    pub(crate) async fn labels(&self, vendor: Vendor, account: &str) -> Result<HashMap<OrderId, Label>> {
        let mut link = self.0.store.link().await?;
        let rows = sqlx::query(
            "SELECT order_id, path, page, pages, sha256, seal FROM label WHERE vendor = $1 AND account = $2",
        )
        .bind(vendor.name())
        .bind(account)
        .fetch_all(&mut link.connection)
        .await;
        let rows = link.seen(rows)?;
        let read: sqlx::Result<Vec<Option<Label>>> = rows.iter().map(|row| label(row, vendor, account)).collect();
        Ok(link.seen(read)?.into_iter().flatten().map(|label| (label.order.clone(), label)).collect())
    }

    /// Notes where labels were written: durable files, by their absolute paths.
    pub(crate) async fn note_labels(&self, vendor: Vendor, account: &str, labels: &[Label]) -> Result<()> {
        let dialect = self.0.store.dialect;
        let note = format!(
            "INSERT INTO label (vendor, account, order_id, path, page, pages, sha256, seal, written_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, {}) ON CONFLICT (vendor, account, order_id) DO UPDATE SET \
             path = excluded.path, page = excluded.page, pages = excluded.pages, sha256 = excluded.sha256, \
             seal = excluded.seal, written_at = excluded.written_at",
            dialect.now()
        );
        // In one order on all machines, so that no two wait for each other.
        let mut labels: Vec<&Label> = labels.iter().collect();
        labels.sort_by(|one, other| one.order.cmp(&other.order));
        let mut link = self.0.store.link().await?;
        link.begins();
        let noted = async {
            let mut transaction = link.connection.begin_with(dialect.begin()).await?;
            for label in labels {
                // A path that is no text cannot be noted; its label is fetched again.
                let Some(path) = label.path.to_str() else { continue };
                sqlx::query(AssertSqlSafe(note.clone()))
                    .bind(vendor.name())
                    .bind(account)
                    .bind(label.order.as_str())
                    .bind(path)
                    .bind(label.page as i64)
                    .bind(label.pages as i64)
                    .bind(&*label.sha256)
                    .bind(sealed(label, vendor, account, path))
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        };
        let noted = noted.await;
        link.seen(noted)
    }
}

/// A label from its row; nothing, if that is damaged.
fn label(row: &AnyRow, vendor: Vendor, account: &str) -> sqlx::Result<Option<Label>> {
    let (order, path, sha256): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(4)?);
    let number = |index| row.try_get(index).map(|number: i64| usize::try_from(number).unwrap_or_default());
    let (page, pages) = (number(2)?, number(3)?);
    let Ok(order) = OrderId::new(order) else { return Ok(None) };
    let label = Label { order, path: Path::new(&path).into(), page, pages, sha256: sha256.into() };
    let whole = sealed(&label, vendor, account, &path) == row.try_get::<String, _>(5)?;
    Ok(whole.then_some(label))
}

fn sealed(label: &Label, vendor: Vendor, account: &str, path: &str) -> String {
    let (page, pages) = (label.page.to_string(), label.pages.to_string());
    seal(&[vendor.name(), account, label.order.as_str(), path, &page, &pages, &label.sha256])
}
