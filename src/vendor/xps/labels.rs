//! The labels of a batch: one PDF for all of them, or each by its book number.

use std::{collections::HashMap, path::Path};

use futures_util::{StreamExt, stream};
use progenitor_client::ClientInfo;

use super::{Client, batches::LABELS, types};
use crate::{
    Error, Result, Vendor,
    download::{Broken, Partial, Tries},
    label::{Folder, LabelSource, Sheet, Wanted, many, put, sort},
    sieve,
    vendor::answer_as_is,
};

/// Labels that are fetched at a time, where the batch's PDF does not do.
const AT_ONCE: usize = 8;

/// What booking a batch gave, its labels in a file.
#[must_use = "it says which quotes are booked, and whether the labels are there"]
#[derive(Debug)]
#[non_exhaustive]
pub struct BookedBatch {
    /// The answer, its `labels_pdf` empty.
    pub answer: types::BatchBookResponse,
    /// Whether the labels are in the file. Where they are not, nothing is: what is booked stays booked, and
    /// [`write_batch_labels`](Client::write_batch_labels) asks for them again. Never book again for a label.
    pub labels: Result<()>,
}

impl LabelSource for Client {
    async fn fetch(&self, wanted: &[Wanted<'_>], folder: &Folder) -> Vec<(usize, Result<Vec<Sheet>>)> {
        let mut sheets = match many(wanted).and_then(|first| first.booked.batch.as_deref()?.parse().ok()) {
            Some(batch) => self.batch_sheets(batch, folder).await.unwrap_or_default(),
            None => HashMap::new(),
        };
        let mut labels = Vec::with_capacity(wanted.len());
        let mut singly = Vec::new();
        for Wanted { place, booked } in wanted {
            match sheets.remove(&booked.shipment).filter(|own| !own.is_empty()) {
                Some(own) => labels.push((*place, Ok(own))),
                None => singly.push(async move { (*place, self.label(&booked.shipment, folder).await) }),
            }
        }
        labels.extend(stream::iter(singly).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await);
        labels
    }
}

impl Client {
    /// Books all quotes of an open batch, as [`book_batch`](Self::book_batch): **this costs money**, and is sent once.
    /// The PDF of all its labels, tens of megabytes for 500, is written to a file while it is read, and never whole in
    /// memory.
    ///
    /// # Errors
    /// As [`book_batch`](Self::book_batch); and if the file cannot be begun, before anything is sent. Labels that do not
    /// come to their file are no error: the booking is done.
    pub async fn book_batch_to(&self, batch: i64, path: impl AsRef<Path>) -> Result<BookedBatch> {
        let (folder, path) = (Folder::beside(path.as_ref())?, path.as_ref());
        let file = folder.file();
        let (answer, spooled) = sieve::spooled(LABELS, &file, self.book_batch(batch)).await;
        let labels = spooled.and_then(|()| put(&file, path));
        Ok(BookedBatch { answer: answer?, labels })
    }

    /// Writes the PDF of a booked batch's labels to a file, while it is read.
    ///
    /// # Errors
    /// If the batch has none, if the vendor cannot be reached, or if the file cannot be written.
    pub async fn write_batch_labels(&self, batch: i64, path: impl AsRef<Path>) -> Result<()> {
        let folder = Folder::beside(path.as_ref())?;
        let file = folder.file();
        self.spool(batch, &file).await?;
        put(&file, path.as_ref())
    }

    async fn spool(&self, batch: i64, file: &Path) -> Result<()> {
        let call = self.answer("get_batch_labels", self.raw.get_batch_labels(&self.customer, batch));
        let (answer, spooled) = sieve::spooled(LABELS, file, call).await;
        answer?;
        spooled.map_err(|error| error.at(Vendor::Xps, "get_batch_labels"))
    }

    /// The pages of a batch's PDF by book number, none where it cannot be told which are whose.
    async fn batch_sheets(&self, batch: i64, folder: &Folder) -> Result<HashMap<String, Vec<Sheet>>> {
        let file = folder.file();
        self.spool(batch, &file).await?;
        let quotes = self.batch(batch).await?.quotes.into_iter();
        let booked = quotes.filter_map(|quote| Some((quote.book_number?, quote.tracking_number.unwrap_or_default())));
        let (numbers, names): (Vec<String>, Vec<String>) = booked.unzip();
        Ok(numbers.into_iter().zip(sort(folder, vec![Ok(file)], names).await).collect())
    }

    async fn label(&self, number: &str, folder: &Folder) -> Result<Vec<Sheet>> {
        let number = number.parse().map_err(|error| Error::input(format!("book number {number:?}: {error}")))?;
        let path = folder.file();
        let mut file = Partial::create(&path).await?;
        let mut tries = Tries::new(self.raw.inner());
        loop {
            match self.label_once(&number, &mut file).await {
                Ok(()) => break,
                Err(Broken { attempt, .. }) if tries.again(attempt).await => file.start_over().await?,
                Err(Broken { error, .. }) => return Err(error),
            }
        }
        file.finish().await?;
        Ok(vec![Sheet::whole(path)])
    }

    async fn label_once(&self, number: &types::BookNumber, file: &mut Partial) -> Result<(), Broken> {
        let call = self.raw.get_label(&self.customer, number);
        // The call has had its repeats; what breaks off afterwards has not.
        let answer = answer_as_is(Vendor::Xps, "get_label", call).await.map_err(Broken::for_good)?;
        let mut stream = answer.value.into_inner();
        while let Some(chunk) = stream.next().await {
            file.add(&chunk.map_err(Broken::midway)?).await.map_err(Broken::for_good)?;
        }
        Ok(())
    }
}
