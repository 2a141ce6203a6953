//! The labels of booked shipments: an address for each parcel's, fresh with each read of the shipment.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Client, types};
use crate::{
    Error, Result,
    download::Downloads,
    label::{LabelSource, Wanted, missing},
};

/// Shipments that are read at a time.
const AT_ONCE: usize = 8;

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>]) -> Vec<(usize, Result<Vec<Bytes>>)> {
        let downloads = &Downloads::new();
        let mut fetches = Vec::with_capacity(wanted.len());
        for Wanted { place, booked } in wanted {
            fetches.push(async move {
                let files = match downloads {
                    Ok(downloads) => self.label(&booked.shipment, downloads).await,
                    Err(error) => Err(error.copy()),
                };
                (*place, files)
            });
        }
        stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await
    }
}

impl Client {
    async fn label(&self, shipment: &str, downloads: &Downloads) -> Result<Vec<Bytes>> {
        let uuid = shipment.parse().map_err(|_| Error::input(format!("shipment {shipment:?} is no uuid")))?;
        let shipment = self.shipment(uuid).await?;
        let mut files = Vec::new();
        // What is not a label, such as a customs invoice, follows its parcel's label.
        for parcel in shipment.parcels.iter().flatten() {
            for address in parcel.documents.iter().flatten().filter(is_pdf).filter_map(|document| document.url.as_ref())
            {
                files.push(downloads.pdf(address).await?);
            }
        }
        if files.is_empty() { Err(missing("the shipment has no label")) } else { Ok(files) }
    }
}

fn is_pdf(document: &&types::Document) -> bool {
    document.format.as_ref().is_none_or(|format| *format == types::DocumentFormat::Pdf)
}
