//! The list of batches.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::{Client, types};
use crate::{
    Result, Vendor,
    page::{Page, Pages},
    vendor::{body, read},
};

/// The most batches that the vendor puts on a page (its page on listing batches).
pub(super) const PER_PAGE: u32 = 100;

impl Client {
    /// The customer's batches, without their quotes: [`batch`](Self::batch) reads one with them.
    ///
    /// ```no_run
    /// # async fn run(client: shipbatch::xps::Client) -> shipbatch::Result<()> {
    /// let mut batches = client.batches().per_page(100).pages();
    /// while let Some(batch) = batches.next().await {
    ///     let batch = batch?;
    ///     println!("{} {}: {} of {} booked", batch.batch_id, batch.name, batch.booked_count, batch.quote_count);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn batches(&self) -> Batches {
        Batches { client: self.clone(), first: 1, per_page: None }
    }
}

/// A list of batches, from [`Client::batches`]. Nothing is sent by it: see [`pages`](Self::pages).
///
/// The vendor documents no filter and no order.
#[derive(Clone, Debug)]
#[must_use = "nothing is asked for until its pages are polled"]
pub struct Batches {
    client: Client,
    first: u32,
    per_page: Option<u32>,
}

impl Batches {
    /// How many come with one call, at least 1 and at most 100. The vendor sends 25 unless set.
    pub fn per_page(mut self, batches: u32) -> Self {
        self.per_page = Some(batches.clamp(1, PER_PAGE));
        self
    }

    /// Begins with this page, at least 1, as [`Pages::page`] named it. It is the same place only under the same
    /// [`per_page`](Self::per_page).
    pub fn from_page(mut self, page: u32) -> Self {
        self.first = page.max(1);
        self
    }

    /// The batches, one by one. The first call leaves when the first of them is asked for.
    pub fn pages(self) -> Pages<types::BatchSummary> {
        let first = self.first;
        Pages::new(self, first, |list, page| async move { list.page(page).await }, Self::read)
    }

    async fn page(&self, page: u32) -> Result<Bytes> {
        let Self { client, per_page, .. } = self;
        let call = client.raw.list_batches(&client.customer, per_page.and_then(NonZeroU32::new), NonZeroU32::new(page));
        body(Vendor::Xps, "list_batches", call).await
    }

    fn read(page: u32, body: &Bytes) -> Result<Page<types::BatchSummary>> {
        let list: types::BatchList = read(Vendor::Xps, "list_batches", body)?;
        Ok(Page { further: further(page, &list), entries: list.batches })
    }
}

/// How many pages follow the one that was asked for. The answer's `total` and `limit` decide, whatever the number of
/// batches; without a limit that one can count by, the list goes on until a page has none.
fn further(asked: u32, list: &types::BatchList) -> u32 {
    if list.limit < 1 {
        return u32::from(!list.batches.is_empty());
    }
    // A server that answers another page than the one asked for must not keep us for ever.
    let page = i64::from(asked).max(list.page.into());
    let pages = u64::try_from(list.total).unwrap_or_default().div_ceil(u64::from(list.limit.unsigned_abs()));
    u32::try_from(pages.saturating_sub(page.unsigned_abs())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(page: i32, limit: i32, total: i32) -> types::BatchList {
        types::BatchList { batches: Vec::new(), limit, page, total }
    }

    #[test]
    fn the_numbers_of_the_answer_say_where_the_end_is() {
        for (asked, page, limit, total, expected) in [
            (1, 1, 25, 0, 0),
            (1, 1, 25, 25, 0),
            (1, 1, 25, 26, 1),
            (2, 2, 25, 26, 0),
            (9, 9, 25, 26, 0), // the list shrank
            (2, 1, 25, 26, 0), // the server does not heed `page`
            (1, 1, 25, 101, 4),
            (u32::MAX, 1, i32::MAX, i32::MAX, 0),
        ] {
            assert_eq!(further(asked, &list(page, limit, total)), expected, "{asked} {page} {limit} {total}");
        }
    }

    #[test]
    fn without_a_limit_an_empty_page_is_the_end() {
        assert_eq!(further(1, &list(1, 0, 1000)), 0);
    }
}
