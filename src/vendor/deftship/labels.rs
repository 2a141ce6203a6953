//! The labels of a batch: merged PDFs of a hundred labels each, or each by its tracking number.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Client, data, types};
use crate::{
    Error, Result,
    download::Downloads,
    label::{LabelSource, Wanted, cut, missing},
};

/// Labels that are fetched at a time, where the merged PDFs do not do.
const AT_ONCE: usize = 8;

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>]) -> Vec<(usize, Result<Vec<Bytes>>)> {
        let downloads = match Downloads::new() {
            Ok(downloads) => downloads,
            Err(error) => return wanted.iter().map(|wanted| (wanted.place, Err(error.copy()))).collect(),
        };
        let mut sheets = match wanted.first().and_then(|first| first.booked.batch.as_deref()) {
            Some(batch) => self.batch_sheets(batch, &downloads).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        let mut labels = Vec::with_capacity(wanted.len());
        let mut singly = Vec::new();
        for Wanted { place, booked } in wanted {
            let downloads = &downloads;
            match sheets.remove(&booked.shipment) {
                Some(sheet) => labels.push((*place, Ok(vec![sheet]))),
                None => singly.push(async move { (*place, self.label(&booked.tracking, downloads).await) }),
            }
        }
        labels.extend(stream::iter(singly).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        labels
    }
}

impl Client {
    /// The pages of a batch's PDFs by item id, if it can be told which is whose.
    async fn batch_sheets(&self, batch: &str, downloads: &Downloads) -> Result<HashMap<String, Bytes>> {
        let detail = self.batch(batch).await?;
        let addresses = detail.labels.clone().unwrap_or_default();
        let mut files = Vec::with_capacity(addresses.len());
        for address in &addresses {
            files.push(downloads.pdf(address).await?);
        }
        let items = self.items(detail).await?;
        let shipped: Vec<(String, String)> = items.into_iter().filter_map(shipped).collect();
        let names: Vec<&str> = shipped.iter().map(|(_, tracking)| tracking.as_str()).collect();
        let sheets = cut(&files, &names).unwrap_or_default();
        Ok(shipped.iter().map(|(id, _)| id.clone()).zip(sheets).collect())
    }

    async fn label(&self, tracking: &[String], downloads: &Downloads) -> Result<Vec<Bytes>> {
        let tracking = tracking.first().ok_or_else(|| missing("the order has no tracking number"))?;
        let number =
            tracking.parse().map_err(|error| Error::input(format!("tracking number {tracking:?}: {error}")))?;
        let call = self.raw.get_parcel_by_tracking_number(&number);
        let envelope = self.answer("get_parcel_by_tracking_number", call).await?.value;
        let parcel: types::Parcel =
            data("get_parcel_by_tracking_number", envelope.success, envelope.message, envelope.data)?;
        let mut files = Vec::new();
        for address in parcel.label.iter().chain(&parcel.customs_form) {
            files.push(downloads.pdf(address).await?);
        }
        if files.is_empty() { Err(missing("the parcel has no label")) } else { Ok(files) }
    }
}

/// The id and the tracking number of an item that was shipped.
fn shipped(item: types::Item) -> Option<(String, String)> {
    let completed = item.status == Some(types::ItemStatus::Completed);
    let tracking = item.shipment_order.and_then(|order| order.main_tracking_number).unwrap_or_default();
    completed.then_some((item.id?, tracking))
}
