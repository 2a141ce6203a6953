//! The labels of booked shipments: an address for each parcel's, fresh with each read of the shipment.

use std::{path::Path, sync::Arc};

use futures_util::{StreamExt, stream};
use progenitor_client::ClientInfo;
use uuid::Uuid;

use super::{Client, types};
use crate::{
    Error, Result,
    label::{Folder, LabelSource, Sheet, Wanted, missing},
};

/// Shipments whose labels are fetched at a time.
const AT_ONCE: usize = 8;

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>], folder: &Folder) -> Vec<(usize, Result<Vec<Sheet>>)> {
        let mut fetches = Vec::with_capacity(wanted.len());
        for Wanted { place, booked } in wanted {
            fetches.push(async move { (*place, self.label(&booked.shipment, folder).await) });
        }
        stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await
    }
}

impl Client {
    async fn label(&self, shipment: &str, folder: &Folder) -> Result<Vec<Sheet>> {
        let uuid = shipment.parse().map_err(|_| Error::input(format!("shipment {shipment:?} is no uuid")))?;
        match self.documents(uuid, folder).await {
            // The addresses are signed and end: reading the shipment again gives fresh ones.
            Err(error) if error.is_not_found() => self.documents(uuid, folder).await,
            result => result,
        }
    }

    /// All documents of all parcels, in their order: what is no label, such as a customs invoice, follows its parcel's.
    async fn documents(&self, shipment: Uuid, folder: &Folder) -> Result<Vec<Sheet>> {
        let shipment = self.shipment(shipment).await?;
        let parcels = shipment.parcels.unwrap_or_default();
        let mut sheets = Vec::new();
        for (number, parcel) in parcels.iter().enumerate() {
            let before = sheets.len();
            for address in parcel.documents.iter().flatten().filter(is_pdf).filter_map(|document| document.url.as_ref())
            {
                let file: Arc<Path> = folder.download(self.raw.inner(), address).await?;
                sheets.push(Sheet::whole(file));
            }
            if sheets.len() == before {
                return Err(missing(format!("parcel {} of {} has no label", number + 1, parcels.len())));
            }
        }
        if sheets.is_empty() { Err(missing("the shipment has no label")) } else { Ok(sheets) }
    }
}

fn is_pdf(document: &&types::Document) -> bool {
    document.format.as_ref().is_none_or(|format| *format == types::DocumentFormat::Pdf)
}
