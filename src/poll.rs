//! Waiting for work that a vendor does in the background.
//!
//! A [`Poller`] looks at one thing again and again, with growing waits, until it is done. Who watches calls
//! [`next`](Poller::next) and sees each status; who waits calls [`until_done`](Poller::until_done). What it looks at fits
//! into a small [`token`](Poller::token), so that another process can go on with it.
//!
//! ```no_run
//! # async fn run(client: shipbatch::deftship::Client) -> shipbatch::Result<()> {
//! use shipbatch::Ended;
//!
//! let mut poller = client.watch_batch("12345678");
//! let token = poller.token(); // to be stored: client.resume(&token) goes on from it
//! match poller.until_done().await {
//!     Ended::Done(batch) => println!("{:?}", batch.labels),
//!     Ended::Failed(batch) => eprintln!("{}", batch.status),
//!     Ended::TimedOut { waited, looks, .. } => eprintln!("not done after {waited:?} and {looks} looks: {token}"),
//!     _ => eprintln!("stopped: {token}"),
//! }
//! # Ok(()) }
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use futures_util::future::{self, Either};

use crate::{Error, Result, Vendor, error::Kind};

/// How often a vendor is asked whether it is done. No vendor publishes a figure, so these are modest.
#[derive(Clone, Debug, PartialEq)]
pub struct Polling {
    /// The wait before the first look. 1 s unless set.
    pub first: Duration,
    /// How many times as long as the one before each further wait is. 1.5 unless set; at least 1.
    pub growth: f64,
    /// The longest wait. 15 s unless set.
    pub longest: Duration,
    /// How long to wait in all. A booking that is not done by then stays `Unknown`, and the next run looks again.
    /// 30 minutes unless set.
    pub patience: Duration,
    /// How long a money call whose answer was lost has to show an effect, where no key protects it (XPS, Deftship): only
    /// when the vendor has shown none for so long may a wave send it again. 30 s unless set; less risks to pay twice.
    pub doubt: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            growth: 1.5,
            longest: Duration::from_secs(15),
            patience: Duration::from_secs(1800),
            doubt: Duration::from_secs(30),
        }
    }
}

impl Polling {
    /// The waits before each look, until the patience ends.
    pub(crate) fn delays(&self) -> Delays {
        Delays { polling: self.clone(), waited: Duration::ZERO, next: self.first }
    }
}

/// The waits before each look.
#[derive(Clone, Debug)]
pub(crate) struct Delays {
    polling: Polling,
    waited: Duration,
    next: Duration,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let left = self.polling.patience.checked_sub(self.waited).filter(|left| !left.is_zero())?;
        // A wait of nothing would never use the patience up.
        let delay = self.next.min(left).max(Duration::from_millis(1));
        self.waited += delay;
        self.next = delay.mul_f64(self.polling.growth.max(1.0)).min(self.polling.longest);
        Some(delay)
    }
}

/// How far something is, by its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Busy,
    Done,
    Failed,
}

/// How the wait for something ended.
#[must_use = "a wait that timed out looks like nothing"]
#[derive(Debug)]
#[non_exhaustive]
pub enum Ended<T> {
    /// It is done: this is how it was seen last.
    Done(T),
    /// The vendor gave up on it.
    Failed(T),
    /// The patience is over. The vendor may well go on with it: `token` and `resume` look again later.
    TimedOut {
        /// How it was seen last, or why it could not be seen.
        last: Option<Result<T>>,
        /// How long it was waited for.
        waited: Duration,
        /// How often it was looked at.
        looks: u32,
    },
    /// The signal of [`Poller::until`] came first.
    Stopped,
}

impl<T> Ended<T> {
    /// What was waited for, if it was done.
    ///
    /// # Errors
    /// If it failed, or was not done in time. Neither says that no money moved.
    pub fn done(self) -> Result<T> {
        match self {
            Self::Failed(_) => Err(Error::new(Kind::Doubt, "the vendor gave up on it")),
            ended => ended.seen(),
        }
    }

    /// What was waited for, if its end was seen: done or failed.
    pub(crate) fn seen(self) -> Result<T> {
        match self {
            Self::Done(seen) | Self::Failed(seen) => Ok(seen),
            Self::TimedOut { last: Some(Err(error)), .. } => {
                Err(Error::new(Kind::Doubt, format!("it was not seen done: {error}")).with_source(error))
            }
            Self::TimedOut { .. } => Err(Error::new(Kind::Doubt, "it was not done in time")),
            Self::Stopped => Err(Error::new(Kind::Doubt, "the wait was stopped before it was done")),
        }
    }
}

/// What a poller's token says of the thing: the vendor, the account, what it is, its id.
pub(crate) fn token(vendor: Vendor, account: &str, what: &str, id: impl fmt::Display) -> String {
    format!("{vendor}:{account}:{what}:{id}")
}

/// The id in a token of this account.
pub(crate) fn id_in<'a>(token: &'a str, vendor: Vendor, account: &str, what: &str) -> Result<&'a str> {
    token
        .strip_prefix(&format!("{vendor}:{account}:{what}:"))
        .ok_or_else(|| Error::input(format!("token {token:?}: it is for no {what} of {vendor} account {account:?}")))
}

type Look<'a, T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>> + Send + Sync + 'a>;

/// Looks at one thing until it is done. Made by the clients' `watch_…`; nothing is sent before it is awaited.
#[must_use = "nothing is looked at until it is awaited"]
pub struct Poller<'a, T> {
    token: String,
    look: Look<'a, T>,
    stage: fn(&T) -> Stage,
    delays: Delays,
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
    deadline: Option<Instant>,
    at_least: Duration,
    begun: Option<Instant>,
    looks: u32,
    stopped: bool,
    over: bool,
}

impl<'a, T> Poller<'a, T> {
    pub(crate) fn new<F>(token: String, stage: fn(&T) -> Stage, look: impl Fn() -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = Result<T>> + Send + 'a,
    {
        Self {
            token,
            look: Box::new(move || Box::pin(look())),
            stage,
            delays: Polling::default().delays(),
            stop: None,
            deadline: None,
            at_least: Duration::ZERO,
            begun: None,
            looks: 0,
            stopped: false,
            over: false,
        }
    }

    /// How often to look, and how long.
    pub fn polling(mut self, polling: &Polling) -> Self {
        let polling = Polling { first: polling.first.max(self.at_least), ..polling.clone() };
        self.delays = polling.delays();
        self
    }

    /// The vendor asked not to look earlier than this.
    pub(crate) fn not_before(mut self, asked: Option<Duration>) -> Self {
        self.at_least = asked.unwrap_or_default();
        self.polling(&Polling::default())
    }

    /// Ends the wait when `signal` completes. Nothing at the vendor is stopped by it.
    pub fn until(mut self, signal: impl Future<Output = ()> + Send + 'a) -> Self {
        self.stop = Some(Box::pin(signal));
        self
    }

    /// Ends the wait at a deadline, too.
    #[cfg(feature = "sqlite")]
    pub(crate) fn by(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Looks on, whatever it sees.
    #[cfg(feature = "sqlite")]
    pub(crate) fn endless(mut self) -> Self {
        self.stage = |_| Stage::Busy;
        self
    }

    /// A small string to store: a client's `resume` goes on from it, in another process too. It holds the vendor's id,
    /// and no secret.
    pub fn token(&self) -> String {
        self.token.clone()
    }

    /// How often it was looked at.
    pub fn looks(&self) -> u32 {
        self.looks
    }

    /// Waits, and looks once more. A look that fails is an item, and not the end: the vendor goes on all the same.
    /// Nothing after it was seen done or failed, or when the patience is over.
    pub async fn next(&mut self) -> Option<Result<T>> {
        if self.over || !self.wait().await {
            self.over = true;
            return None;
        }
        self.looks += 1;
        let seen = (self.look)().await;
        self.over = seen.as_ref().is_ok_and(|seen| (self.stage)(seen) != Stage::Busy);
        Some(seen)
    }

    /// Waits until it is done.
    pub async fn until_done(mut self) -> Ended<T> {
        let mut last = None;
        while let Some(seen) = self.next().await {
            match seen {
                Ok(seen) if (self.stage)(&seen) == Stage::Done => return Ended::Done(seen),
                Ok(seen) if (self.stage)(&seen) == Stage::Failed => return Ended::Failed(seen),
                seen => last = Some(seen),
            }
        }
        if self.stopped {
            return Ended::Stopped;
        }
        let waited = self.begun.map(|begun| begun.elapsed()).unwrap_or_default();
        Ended::TimedOut { last, waited, looks: self.looks }
    }

    /// Waits for the next look. False if the time is over, or the signal came.
    async fn wait(&mut self) -> bool {
        // The time of the looks counts too: one that is slow to fail would prolong the wait without end.
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let patience = self.delays.polling.patience.saturating_sub(begun.elapsed());
        let deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left = deadline.map_or(patience, |deadline| deadline.min(patience));
        let Some(delay) = self.delays.next().map(|delay| delay.min(left)).filter(|_| !left.is_zero()) else {
            return false;
        };
        let sleep = Box::pin(tokio::time::sleep(delay));
        match &mut self.stop {
            None => sleep.await,
            Some(stop) => self.stopped = matches!(future::select(sleep, stop).await, Either::Right(_)),
        }
        !self.stopped
    }
}

impl<T> fmt::Debug for Poller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("token", &self.token).field("looks", &self.looks).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Waits that leave a busy machine time to be late.
    fn quick(patience: u64) -> Polling {
        let ms = Duration::from_millis;
        Polling { first: ms(40), growth: 1.0, longest: ms(40), patience: ms(patience), ..Polling::default() }
    }

    /// Busy until the third look; the second fails.
    fn poller(looks: &AtomicU32, end: u32) -> Poller<'_, u32> {
        let stage = |seen: &u32| match *seen {
            3 => Stage::Done,
            99 => Stage::Failed,
            _ => Stage::Busy,
        };
        Poller::new("t".to_owned(), stage, move || async move {
            match looks.fetch_add(1, Ordering::Relaxed) + 1 {
                2 => Err(Error::new(Kind::Server, "HTTP 502 Bad Gateway")),
                3 => Ok(end),
                look => Ok(look),
            }
        })
    }

    #[test]
    fn waits_grow_to_their_bound_and_end_with_the_patience() {
        let second = Duration::from_secs;
        let polling =
            Polling { first: second(1), growth: 2.0, longest: second(5), patience: second(14), ..Polling::default() };
        let delays: Vec<u64> = polling.delays().map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5, 2]);
    }

    #[tokio::test]
    async fn who_watches_sees_each_status_and_each_failure() {
        let looks = AtomicU32::new(0);
        let mut poller = poller(&looks, 3).polling(&quick(1000));
        let mut seen = Vec::new();
        while let Some(look) = poller.next().await {
            seen.push(look.map_err(|error| error.to_string()));
        }
        assert_eq!(seen, [Ok(1), Err("HTTP 502 Bad Gateway".to_owned()), Ok(3)]);
        assert_eq!(poller.looks(), 3);
        assert!(poller.next().await.is_none(), "it is over");
    }

    #[tokio::test]
    async fn who_waits_gets_the_end() {
        let ended = |end, patience| async move {
            let looks = AtomicU32::new(0);
            poller(&looks, end).polling(&quick(patience)).until_done().await
        };
        assert!(matches!(ended(3, 1000).await, Ended::Done(3)));
        assert!(matches!(ended(99, 1000).await, Ended::Failed(99)));
        assert!(matches!(ended(3, 30).await, Ended::TimedOut { last: Some(Ok(1)), looks: 1, .. }));
        assert!(matches!(ended(3, 70).await, Ended::TimedOut { last: Some(Err(_)), looks: 2, .. }));
    }

    #[tokio::test]
    async fn a_signal_ends_the_wait() {
        let looks = AtomicU32::new(0);
        let patient = Polling { first: Duration::from_secs(3600), longest: Duration::from_secs(3600), ..quick(0) };
        let patient = Polling { patience: Duration::from_secs(7200), ..patient };
        let ended = poller(&looks, 3).polling(&patient).until(std::future::ready(())).until_done().await;
        assert!(matches!(ended, Ended::Stopped));
        assert_eq!(looks.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_token_is_for_one_account() {
        let token = token(Vendor::Xps, "a:b", "batch", 42);
        assert_eq!(token, "xps:a:b:batch:42");
        assert_eq!(id_in(&token, Vendor::Xps, "a:b", "batch").unwrap(), "42");
        let error = id_in(&token, Vendor::Xps, "c", "batch").unwrap_err();
        assert_eq!(error.to_string(), r#"token "xps:a:b:batch:42": it is for no batch of xps account "c""#);
    }
}
