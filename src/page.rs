//! A vendor's list, page after page, as a stream of its entries.
//!
//! The next page is asked for as soon as one has come, and travels while that one is read and used. Nothing runs behind
//! the caller's back: a page moves on when the stream is polled, and dropping the stream ends everything.
//!
//! ```no_run
//! # async fn run() -> shipbatch::Result<()> {
//! use shipbatch::smartsend::{self, types::ShipmentState};
//!
//! let client = smartsend::Client::builder("team-7").token("…").build()?;
//! let mut shipments = client.shipments().carrier("postnord").state(ShipmentState::Booked).per_page(500).pages();
//! while let Some(shipment) = shipments.next().await {
//!     match shipment {
//!         Ok(shipment) => println!("{:?}", shipment.uuid),
//!         Err(error) => eprintln!("{error}; go on with from_page({})", shipments.page()),
//!     }
//! }
//! # Ok(()) }
//! ```

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use futures_core::Stream;

use crate::Result;

/// The entries of a list, in the vendor's order, across all of its pages.
///
/// Take them with [`next`](Self::next), or as a [`Stream`]. No call leaves before the first is asked for, and never is
/// more than one page asked for ahead, so at most two pages are in memory, the second of them as the vendor sent it.
///
/// A caller who keeps an entry for longer than [`Timeouts::read`](crate::Timeouts::read) loses nothing: the page ahead,
/// whose time is then over, is asked for once more.
///
/// The first error is the last item. A list that changes while it is read is read by its page numbers all the same: an
/// entry that moves to another page may then come twice, or not at all. No call here moves money.
#[must_use = "a list is not asked for until it is polled"]
pub struct Pages<T> {
    fetch: Box<dyn Fn(u32) -> Fetch + Send>,
    read: fn(u32, &Bytes) -> Result<Page<T>>,
    /// What is left of the page in hand.
    entries: vec::IntoIter<T>,
    /// The number of the page in hand, or of the one that failed.
    page: u32,
    /// A page that has come and is not read yet, with the turns that others still get before.
    unread: Option<(u32, Bytes, u32)>,
    /// The page that comes next; none after the last one, and none after an error.
    ahead: Option<Ahead>,
    /// The last page, as far as the vendor has said.
    last: u32,
}

/// One page, as a vendor answered it.
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    /// How many pages follow, as the vendor says it. That there are no entries does not say that there are none.
    pub(crate) further: u32,
}

type Fetch = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

/// How often others have a turn before a page is read, which takes milliseconds. The request for the next page is written by
/// tasks of the HTTP client: one frees the connection, one writes to it, and each wakes the next.
const TURNS: u32 = 4;

/// A page on its way.
struct Ahead {
    page: u32,
    fetch: Fetch,
    /// What came of it, until the pages before are used up.
    answer: Option<Result<Bytes>>,
    /// Whether the caller was ever kept waiting for it, hence polls it as it should be polled.
    awaited: bool,
}

impl<T> Pages<T> {
    /// The pages of this list from the first on, each to be had by `fetch` and understood by `read`.
    pub(crate) fn new<L, F>(
        list: L,
        first: u32,
        fetch: fn(Arc<L>, u32) -> F,
        read: fn(u32, &Bytes) -> Result<Page<T>>,
    ) -> Self
    where
        L: Send + Sync + 'static,
        F: Future<Output = Result<Bytes>> + Send + 'static,
    {
        let list = Arc::new(list);
        let mut pages = Self {
            fetch: Box::new(move |page| Box::pin(fetch(Arc::clone(&list), page))),
            read,
            entries: Vec::new().into_iter(),
            page: first,
            unread: None,
            ahead: None,
            last: 0,
        };
        pages.ask(first, false);
        pages
    }

    /// The next entry; `None` after the last one, and after an error.
    ///
    /// The future may be dropped, as `tokio::select!` does, without losing an entry.
    ///
    /// # Errors
    /// If a page cannot be read, by the client's [`RetryPolicy`](crate::RetryPolicy) and timeouts. That is the end of
    /// these pages; [`page`](Self::page) names the one that failed.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The number, from 1, of the page that the next entry is to be looked for on: where another run goes on by
    /// `from_page`.
    ///
    /// Within a page it is that page, so what came of it comes again. After an error it is the page that failed; after
    /// the end the last page, since that is where a list grows.
    pub fn page(&self) -> u32 {
        match (&self.unread, &self.ahead) {
            (Some((page, ..)), _) => *page,
            (None, Some(ahead)) if self.entries.len() == 0 => ahead.page,
            _ => self.page,
        }
    }

    /// Reads a page that has come. The one after it may be on its way already.
    fn open(&mut self, page: u32, body: &Bytes) -> Result<()> {
        self.page = page;
        let read = (self.read)(page, body);
        let further = read.as_ref().map_or(0, |read| read.further);
        self.last = page.saturating_add(further);
        match page.checked_add(1).filter(|_| further > 0) {
            Some(next) if self.ahead.is_none() => self.ask(next, false),
            Some(_) => {}
            None => self.ahead = None,
        }
        self.entries = read?.entries.into_iter();
        Ok(())
    }

    /// Makes this page the one that comes next. It leaves when it is polled.
    fn ask(&mut self, page: u32, awaited: bool) {
        self.ahead = Some(Ahead { page, fetch: (self.fetch)(page), answer: None, awaited });
    }
}

impl Ahead {
    /// Moves it on, as far as it goes for now.
    fn poll(&mut self, context: &mut Context<'_>) {
        if self.answer.is_none()
            && let Poll::Ready(answer) = self.fetch.as_mut().poll(context)
        {
            self.answer = Some(answer);
        }
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            // First, so that the next page's request leaves before the first entry of this one is handed out.
            if let Some(ahead) = &mut this.ahead {
                ahead.poll(context);
            }
            if let Some(entry) = this.entries.next() {
                return Poll::Ready(Some(Ok(entry)));
            }
            if let Some((page, body, turns)) = this.unread.take() {
                if turns > 0 && this.ahead.is_some() {
                    this.unread = Some((page, body, turns - 1));
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match this.open(page, &body) {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            let Some(ahead) = &mut this.ahead else { return Poll::Ready(None) };
            let (page, awaited) = (ahead.page, ahead.awaited);
            let Some(answer) = ahead.answer.take() else {
                ahead.awaited = true;
                return Poll::Pending;
            };
            this.page = page;
            this.ahead = None;
            match answer {
                Ok(body) => {
                    this.unread = Some((page, body, TURNS));
                    if page < this.last {
                        this.ask(page + 1, false);
                    }
                }
                // Its time ran out while the caller was busy with the page before and polled nothing.
                Err(error) if error.is_timeout() && !awaited => this.ask(page, true),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

/// Nothing in it is pinned but what has a box of its own.
impl<T> Unpin for Pages<T> {}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("page", &self.page()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;
    use crate::error::{Error, Kind};

    type Answers = Mutex<Vec<Result<Bytes>>>;

    /// Pages that answer so, one after the other, and at once.
    fn pages<const N: usize>(answers: [Result<Bytes>; N]) -> Pages<u32> {
        let answers: Answers = Mutex::new(answers.into_iter().rev().collect());
        let fetch = |answers: Arc<Answers>, _| async move { answers.lock().unwrap().pop().expect("asked too often") };
        Pages::new(answers, 1, fetch, |_, body| {
            let (entries, further): (Vec<u32>, u32) =
                serde_json::from_slice(body).map_err(|error| Error::unreadable(body, &error))?;
            Ok(Page { entries, further })
        })
    }

    fn page<const N: usize>(entries: [u32; N], is_last: bool) -> Result<Bytes> {
        body(&entries, u32::from(!is_last))
    }

    fn body(entries: &[u32], further: u32) -> Result<Bytes> {
        Ok(serde_json::to_vec(&(entries, further)).unwrap().into())
    }

    async fn rest(pages: &mut Pages<u32>) -> Vec<u32> {
        let mut entries = Vec::new();
        while let Some(entry) = pages.next().await {
            entries.push(entry.unwrap());
        }
        entries
    }

    #[test]
    fn they_go_to_other_threads_and_may_be_moved() {
        fn check<T: Send + Unpin + 'static>() {}
        check::<Pages<u32>>();
        fn check_future(_: &(impl Send + ?Sized)) {}
        check_future(&pages([]).next());
    }

    #[tokio::test]
    async fn an_empty_page_is_not_the_end() {
        let mut pages =
            pages([page([1, 2], false), page([], false), page([], false), page([3], false), page([], true)]);
        assert_eq!(rest(&mut pages).await, [1, 2, 3]);
        assert_eq!(pages.page(), 5);
    }

    #[tokio::test]
    async fn the_page_is_where_the_next_entry_is() {
        let mut pages = pages([page([1, 2], false), page([3], true)]);
        let mut seen = vec![pages.page()];
        while pages.next().await.is_some() {
            seen.push(pages.page());
        }
        seen.push(pages.page());
        assert_eq!(seen, [1, 1, 2, 2, 2]);
    }

    #[tokio::test]
    async fn a_page_is_read_while_the_next_one_is_on_its_way() {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        static READ: Mutex<Vec<(u32, u32)>> = Mutex::new(Vec::new());
        let fetch = |_: Arc<()>, page: u32| async move {
            ASKED.store(page, Ordering::Relaxed);
            body(&[page], 3 - page)
        };
        let mut pages = Pages::new((), 1, fetch, |page, body| {
            READ.lock().unwrap().push((page, ASKED.load(Ordering::Relaxed)));
            let (entries, further): (Vec<u32>, u32) = serde_json::from_slice(body).unwrap();
            Ok(Page { entries, further })
        });
        assert_eq!(rest(&mut pages).await, [1, 2, 3]);
        // Of the first page nothing was known before; none is asked for after the last.
        assert_eq!(*READ.lock().unwrap(), [(1, 1), (2, 3), (3, 3)]);
    }

    /// It was longer when it was asked how long it is.
    #[tokio::test]
    async fn a_list_that_shrinks_ends_where_it_says() {
        let mut pages = pages([body(&[1], 2), body(&[2], 0), page([9], true)]);
        assert_eq!(rest(&mut pages).await, [1, 2]);
        assert_eq!(pages.page(), 2);
    }

    #[tokio::test]
    async fn an_error_comes_after_the_entries_before_it_and_ends_them() {
        let mut pages = pages([page([1, 2], false), Err(Error::new(Kind::Server, "down")), page([9], true)]);
        assert_eq!(pages.next().await.unwrap().unwrap(), 1);
        assert_eq!((pages.next().await.unwrap().unwrap(), pages.page()), (2, 2));
        assert!(pages.next().await.unwrap().is_err());
        assert!(pages.next().await.is_none() && pages.next().await.is_none());
        assert_eq!(pages.page(), 2);
    }

    #[tokio::test]
    async fn a_timeout_counts_only_for_who_waited() {
        let timeout = || Err(Error::new(Kind::TimedOut, "late"));
        // The second page's time ran out ahead of its need: it is asked for again, once.
        let mut saved = pages([page([1], false), timeout(), page([2], true)]);
        assert_eq!(rest(&mut saved).await, [1, 2]);
        let mut lost = pages([page([1], false), timeout(), timeout()]);
        assert_eq!(lost.next().await.unwrap().unwrap(), 1);
        assert!(lost.next().await.unwrap().unwrap_err().is_timeout());
        assert!(lost.next().await.is_none());
    }
}
