//! The labels of a batch: one PDF for all of them, or each by its book number.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::{Client, types};
use crate::{
    Error, Result, Vendor,
    error::Kind,
    label::{LabelSource, Wanted, cut},
};

/// Labels that are fetched at a time, where the batch's PDF does not do.
const AT_ONCE: usize = 8;
/// The most bytes of one label.
const LIMIT: usize = 16 * 1024 * 1024;

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>]) -> Vec<(usize, Result<Vec<Bytes>>)> {
        let mut sheets = match wanted.first().and_then(|first| first.booked.batch.as_deref()?.parse().ok()) {
            Some(batch) => self.batch_sheets(batch).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        let mut labels = Vec::with_capacity(wanted.len());
        let mut singly = Vec::new();
        for Wanted { place, booked } in wanted {
            match sheets.remove(&booked.shipment) {
                Some(sheet) => labels.push((*place, Ok(vec![sheet]))),
                None => singly.push(async move { (*place, self.label(&booked.shipment).await.map(|file| vec![file])) }),
            }
        }
        labels.extend(stream::iter(singly).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        labels
    }
}

impl Client {
    /// The pages of a batch's PDF by book number, if it can be told which is whose.
    async fn batch_sheets(&self, batch: i64) -> Result<HashMap<String, Bytes>> {
        let quotes = self.batch(batch).await?.quotes;
        let booked: Vec<types::BatchQuote> = quotes.into_iter().filter(|quote| quote.book_number.is_some()).collect();
        let call = self.raw.get_batch_labels(&self.customer, batch);
        let mut text = self.answer("get_batch_labels", call).await?.value.labels_pdf;
        text.retain(|letter| !letter.is_ascii_whitespace());
        let pdf = BASE64_STANDARD.decode(text).map_err(|error| {
            Error::new(Kind::Unreadable, format!("the labels are not base64: {error}"))
                .at(Vendor::Xps, "get_batch_labels")
        })?;
        let names: Vec<&str> =
            booked.iter().map(|quote| quote.tracking_number.as_deref().unwrap_or_default()).collect();
        let sheets = cut(&[pdf.into()], &names).unwrap_or_default();
        Ok(booked.iter().filter_map(|quote| quote.book_number.clone()).zip(sheets).collect())
    }

    async fn label(&self, number: &str) -> Result<Bytes> {
        let number = number.parse().map_err(|error| Error::input(format!("book number {number:?}: {error}")))?;
        let call = self.raw.get_label(&self.customer, &number);
        let mut stream = self.answer("get_label", call).await?.value.into_inner();
        let mut file = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            file.extend_from_slice(&chunk.map_err(Error::from_transport)?);
            if file.len() > LIMIT {
                return Err(Error::new(Kind::Unreadable, format!("the label is larger than {LIMIT} bytes")));
            }
        }
        Ok(file.freeze())
    }
}
