//! The labels of a batch: merged PDFs of a hundred labels each, or each by its tracking number.

use std::{collections::HashMap, path::Path, sync::Arc};

use futures_util::{StreamExt, stream};
use progenitor_client::ClientInfo;

use super::{Client, data, types};
use crate::{
    Error, Result,
    label::{Folder, LabelSource, Sheet, Wanted, many, missing, sort},
};

/// Merged PDFs that are fetched at a time.
const FILES_AT_ONCE: usize = 4;
/// Labels that are fetched at a time, where the merged PDFs do not do.
const AT_ONCE: usize = 8;

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>], folder: &Folder) -> Vec<(usize, Result<Vec<Sheet>>)> {
        let mut sheets = match many(wanted).and_then(|first| first.booked.batch.as_deref()) {
            Some(batch) => self.batch_sheets(batch, folder).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        let mut labels = Vec::with_capacity(wanted.len());
        let mut singly = Vec::new();
        for Wanted { place, booked } in wanted {
            // The merged PDFs are not documented to hold customs papers; a parcel read by itself names its own.
            match sheets.remove(&booked.shipment).filter(|own| !own.is_empty() && !booked.customs) {
                Some(own) => labels.push((*place, Ok(own))),
                None => singly.push(async move { (*place, self.label(&booked.tracking, folder).await) }),
            }
        }
        labels.extend(stream::iter(singly).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        labels
    }
}

impl Client {
    /// The pages of a batch's PDFs by item id, none where it cannot be told which are whose.
    async fn batch_sheets(&self, batch: &str, folder: &Folder) -> Result<HashMap<String, Vec<Sheet>>> {
        let mut detail = self.batch(batch).await?;
        let mut files = self.files(&detail, folder).await;
        if files.iter().any(|file| file.as_ref().is_err_and(Error::is_not_found)) {
            // How long the addresses last is not documented: a second read may give fresh ones.
            detail = self.batch(batch).await?;
            files = self.files(&detail, folder).await;
        }
        let shipped: Vec<(String, String)> = self.items(detail).await?.into_iter().filter_map(shipped).collect();
        let (ids, names): (Vec<String>, Vec<String>) = shipped.into_iter().unzip();
        Ok(ids.into_iter().zip(sort(folder, files, names).await).collect())
    }

    async fn files(&self, batch: &types::BatchDetail, folder: &Folder) -> Vec<Result<Arc<Path>>> {
        let addresses = batch.labels.iter().flatten();
        let downloads: Vec<_> = addresses.map(|address| folder.download(self.raw.inner(), address)).collect();
        stream::iter(downloads).buffered(FILES_AT_ONCE).collect().await
    }

    async fn label(&self, tracking: &[String], folder: &Folder) -> Result<Vec<Sheet>> {
        let tracking = tracking.first().ok_or_else(|| missing("the order has no tracking number"))?;
        match self.documents(tracking, folder).await {
            Err(error) if error.is_not_found() => self.documents(tracking, folder).await,
            result => result,
        }
    }

    /// The label of a parcel, and its customs form where it has one.
    async fn documents(&self, tracking: &str, folder: &Folder) -> Result<Vec<Sheet>> {
        let number =
            tracking.parse().map_err(|error| Error::input(format!("tracking number {tracking:?}: {error}")))?;
        let call = self.raw.get_parcel_by_tracking_number(&number);
        let envelope = self.answer("get_parcel_by_tracking_number", call).await?.value;
        let parcel: types::Parcel =
            data("get_parcel_by_tracking_number", envelope.success, envelope.message, envelope.data)?;
        let label = parcel.label.ok_or_else(|| missing("the parcel has no label"))?;
        let mut sheets = Vec::new();
        for address in [label].iter().chain(&parcel.customs_form) {
            sheets.push(Sheet::whole(folder.download(self.raw.inner(), address).await?));
        }
        Ok(sheets)
    }
}

/// The id and the tracking number of an item that was shipped.
fn shipped(item: types::Item) -> Option<(String, String)> {
    let completed = item.status == Some(types::ItemStatus::Completed);
    let tracking = item.shipment_order.and_then(|order| order.main_tracking_number).unwrap_or_default();
    completed.then_some((item.id?, tracking))
}
