//! The lists: shipments and booking batches, with the vendor's filters.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{Client, types};
use crate::{
    Result, Vendor,
    page::{Page, Pages},
    vendor::{body, read},
};

/// The most entries that the vendor puts on a page (its page on listing shipments).
pub(super) const PER_PAGE: u32 = 1000;

impl Client {
    /// The team's shipments, all of them unless filtered.
    ///
    /// ```no_run
    /// # async fn run(client: shipbatch::smartsend::Client) -> shipbatch::Result<()> {
    /// use shipbatch::smartsend::types::ShipmentState;
    ///
    /// let mut failed = client.shipments().state(ShipmentState::Failed).pages();
    /// while let Some(shipment) = failed.next().await {
    ///     println!("{:?}", shipment?.identifier);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn shipments(&self) -> Shipments {
        Shipments {
            client: self.clone(),
            carrier: None,
            service: None,
            tracking_number: None,
            state: None,
            first: 1,
            per_page: None,
        }
    }

    /// The team's booking batches, all of them unless filtered. See [`shipments`](Self::shipments).
    pub fn booking_batches(&self) -> BookingBatches {
        BookingBatches { client: self.clone(), state: None, first: 1, per_page: None }
    }
}

/// A list of shipments, from [`Client::shipments`]. Filters narrow it together. Nothing is sent by it: see
/// [`pages`](Self::pages).
///
/// The vendor documents no filter by date, reference, identifier or batch, and no order.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for until its pages are polled"]
pub struct Shipments {
    client: Client,
    carrier: Option<String>,
    service: Option<String>,
    tracking_number: Option<String>,
    state: Option<types::ShipmentState>,
    first: u32,
    per_page: Option<u32>,
}

impl Shipments {
    /// Those of this carrier, by its code, as `postnord`.
    pub fn carrier(mut self, code: impl Into<String>) -> Self {
        self.carrier = Some(code.into());
        self
    }

    /// Those of this service, by its code, as `postnord_agent`.
    pub fn service(mut self, code: impl Into<String>) -> Self {
        self.service = Some(code.into());
        self
    }

    /// Those with a parcel of this tracking number.
    pub fn tracking_number(mut self, number: impl Into<String>) -> Self {
        self.tracking_number = Some(number.into());
        self
    }

    /// Those in this state.
    pub fn state(mut self, state: types::ShipmentState) -> Self {
        self.state = Some(state);
        self
    }

    /// How many come with one call, at least 1 and at most 1,000. The vendor sends 100 unless set.
    pub fn per_page(mut self, shipments: u32) -> Self {
        self.per_page = Some(shipments.clamp(1, PER_PAGE));
        self
    }

    /// Begins with this page, at least 1, as [`Pages::page`] named it. It is the same place only under the same filters
    /// and the same [`per_page`](Self::per_page).
    pub fn from_page(mut self, page: u32) -> Self {
        self.first = page.max(1);
        self
    }

    /// The shipments, one by one. The first call leaves when the first of them is asked for.
    pub fn pages(self) -> Pages<types::Shipment> {
        let first = self.first;
        Pages::new(self, first, |list, page| async move { list.page(page).await }, Self::read)
    }

    async fn page(&self, page: u32) -> Result<Bytes> {
        let Self { client, carrier, service, tracking_number, state, per_page, .. } = self;
        let call = client.raw.list_shipments(
            &client.team,
            carrier.as_deref(),
            NonZeroU32::new(page),
            per_page.and_then(NonZeroU32::new),
            service.as_deref(),
            state.as_ref(),
            tracking_number.as_deref(),
            None,
            None,
        );
        body(Vendor::SmartSend, "list_shipments", call).await
    }

    fn read(page: u32, body: &Bytes) -> Result<Page<types::Shipment>> {
        let types::ShipmentList { data, meta } = read(Vendor::SmartSend, "list_shipments", body)?;
        Ok(Page { further: further(page, &meta, data.len()), entries: data })
    }
}

/// A list of booking batches, from [`Client::booking_batches`]. Nothing is sent by it: see [`pages`](Self::pages).
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for until its pages are polled"]
pub struct BookingBatches {
    client: Client,
    state: Option<types::BookingBatchState>,
    first: u32,
    per_page: Option<u32>,
}

impl BookingBatches {
    /// Those in this state.
    pub fn state(mut self, state: types::BookingBatchState) -> Self {
        self.state = Some(state);
        self
    }

    /// How many come with one call, at least 1 and at most 1,000. The vendor sends 100 unless set.
    pub fn per_page(mut self, batches: u32) -> Self {
        self.per_page = Some(batches.clamp(1, PER_PAGE));
        self
    }

    /// Begins with this page, at least 1, as [`Pages::page`] named it. It is the same place only under the same filter
    /// and the same [`per_page`](Self::per_page).
    pub fn from_page(mut self, page: u32) -> Self {
        self.first = page.max(1);
        self
    }

    /// The batches, one by one. The first call leaves when the first of them is asked for.
    pub fn pages(self) -> Pages<types::BookingBatch> {
        let first = self.first;
        Pages::new(self, first, |list, page| async move { list.page(page).await }, Self::read)
    }

    async fn page(&self, page: u32) -> Result<Bytes> {
        let Self { client, state, per_page, .. } = self;
        let per_page = per_page.and_then(NonZeroU32::new);
        let call =
            client.raw.list_booking_batches(&client.team, NonZeroU32::new(page), per_page, state.as_ref(), None, None);
        body(Vendor::SmartSend, "list_booking_batches", call).await
    }

    fn read(page: u32, body: &Bytes) -> Result<Page<types::BookingBatch>> {
        let types::BookingBatchList { data, meta } = read(Vendor::SmartSend, "list_booking_batches", body)?;
        Ok(Page { further: further(page, &meta, data.len()), entries: data })
    }
}

/// How many pages follow the one that was asked for. `last_page` decides, whatever the number of entries; where it is
/// missing, the list goes on until a page has none.
fn further(asked: u32, meta: &types::PageMeta, entries: usize) -> u32 {
    // A server that answers another page than the one asked for must not keep us for ever.
    let page = meta.current_page.map_or(i64::from(asked), |current| i64::from(current).max(asked.into()));
    let further = meta.last_page.map_or_else(|| i64::from(entries > 0), |last| i64::from(last) - page);
    u32::try_from(further.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(current_page: Option<i32>, last_page: Option<i32>) -> types::PageMeta {
        types::PageMeta { current_page, last_page, ..Default::default() }
    }

    #[test]
    fn the_numbers_of_the_answer_say_where_the_end_is() {
        for (asked, current, last, expected) in [
            (1, 1, 1, 0),
            (1, 1, 0, 0), // an empty list
            (1, 1, 3, 2),
            (2, 2, 3, 1),
            (3, 3, 3, 0),
            (9, 9, 3, 0), // the list shrank
            (3, 1, 3, 0), // the server does not heed `page`
            (1, 3, 3, 0),
        ] {
            for entries in [0, 100] {
                let meta = meta(Some(current), Some(last));
                assert_eq!(further(asked, &meta, entries), expected, "{asked} {current} {last} {entries}");
            }
        }
    }

    #[test]
    fn without_the_page_the_one_asked_for_counts() {
        assert_eq!(further(2, &meta(None, Some(3)), 0), 1);
        assert_eq!(further(3, &meta(None, Some(3)), 100), 0);
    }

    #[test]
    fn without_the_last_page_an_empty_one_is_the_end() {
        for current in [None, Some(1)] {
            assert_eq!(further(1, &meta(current, None), 1), 1);
            assert_eq!(further(1, &meta(current, None), 0), 0);
        }
    }
}
