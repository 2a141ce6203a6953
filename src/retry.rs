//! May this call be sent again?
//!
//! Each operation of the specs says by its `x-replay` what a second sending would do. [`RetryPolicy`] says how often and
//! how slowly; together they decide, and never by guessing: a call that may have reached the vendor is repeated only if
//! its class allows it.
//!
//! ```
//! use std::time::Duration;
//! use shipbatch::{Replay, RetryPolicy};
//!
//! let patient = RetryPolicy { attempts: 8, ..RetryPolicy::default() };
//! assert!(Replay::Keyed.allows_repeat_in_doubt());
//! assert!(!Replay::Never.allows_repeat_in_doubt());
//! assert_eq!(patient.attempts, 8);
//! ```

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

/// An operation of a vendor, as the transport must know it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Operation {
    /// The `operationId` of the spec, which is the name of the generated method.
    pub id: &'static str,
    /// Whether it may be sent twice.
    pub replay: Replay,
}

/// What protects an operation from being done twice: the `x-replay` of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// A read, or a write that moves no money and leaves nothing behind.
    Safe,
    /// The vendor does it once for each `Idempotency-Key`.
    Keyed,
    /// The state at the vendor refuses a second one. In doubt that state is read, and nothing is repeated.
    Guarded,
    /// Nothing protects it.
    Never,
}

impl Replay {
    /// Whether a call that may have reached the vendor may be sent again as it is.
    pub fn allows_repeat_in_doubt(self) -> bool {
        matches!(self, Self::Safe | Self::Keyed)
    }
}

/// How often and how slowly calls are repeated. All waits are bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a call is sent at most, the first time included. 5 unless set.
    pub attempts: u32,
    /// The longest first wait; it doubles with each further one. 200 ms unless set.
    pub first_delay: Duration,
    /// The longest wait of our own. 20 s unless set.
    pub longest_delay: Duration,
    /// The longest wait that a vendor's `Retry-After` may ask for: a longer one ends the call. 2 minutes unless set.
    pub longest_retry_after: Duration,
    /// How many repeats the account's calls have in store, all of them together. A repeat of a call that failed takes
    /// one, ten successes give one back; so a vendor that is down is not asked five times as often as one that is up.
    /// Waiting for a vendor that asks to slow down takes none. 100 unless set.
    pub budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(200),
            longest_delay: Duration::from_secs(20),
            longest_retry_after: Duration::from_secs(120),
            budget: 100,
        }
    }
}

/// What came of one attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Attempt {
    /// An answer that is not to be waited for.
    Answered,
    /// Nothing reached the vendor.
    NotSent,
    /// The vendor did nothing and asks to wait: 429, or 409 while the first call with this key still runs.
    Wait(Option<Duration>),
    /// It may or may not have been done: no answer, or a 5xx.
    Doubt(Option<Duration>),
}

impl Attempt {
    /// What an attempt came to; `now` is asked for where an answer names a date.
    pub(crate) fn of(
        result: &reqwest::Result<reqwest::Response>,
        replay: Replay,
        now: impl Fn() -> SystemTime,
    ) -> Self {
        match result {
            Ok(response) => Self::of_answer(response.status(), response.headers(), replay, now),
            Err(error) if was_sent(error) => Self::Doubt(None),
            Err(_) => Self::NotSent,
        }
    }

    fn of_answer(status: StatusCode, headers: &HeaderMap, replay: Replay, now: impl Fn() -> SystemTime) -> Self {
        let wait = || retry_after(headers, now());
        match status.as_u16() {
            429 => Self::Wait(wait()),
            // "The first one is still running" (Smart Send's page on idempotency). Without the header it is final.
            409 if replay == Replay::Keyed => wait().map_or(Self::Answered, |asked| Self::Wait(Some(asked))),
            408 | 500..=599 => Self::Doubt(wait()),
            _ => Self::Answered,
        }
    }
}

/// What to do after an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Hand out what there is: an answer, or a failure whose repeats are used up.
    Stop,
    /// Send the same once more, after so long.
    Repeat(Duration),
    /// It may have been done, and nothing makes a repeat harmless: the state at the vendor must be read.
    ReadBack,
}

impl RetryPolicy {
    /// Whether to send once more, and after how long. `chance` is in 0..1 and spreads the waits of many tasks over all
    /// of the time (full jitter). No wait goes past what is `left` of the time that the call may spend on waiting.
    pub(crate) fn decide(&self, replay: Replay, sent: u32, attempt: Attempt, left: Duration, chance: f64) -> Decision {
        let asked = match attempt {
            Attempt::Answered => return Decision::Stop,
            Attempt::Doubt(_) if !replay.allows_repeat_in_doubt() => return Decision::ReadBack,
            Attempt::NotSent => None,
            Attempt::Wait(asked) | Attempt::Doubt(asked) => asked,
        };
        let delay = match asked {
            Some(asked) if asked > self.longest_retry_after => return Decision::Stop,
            // A little more than asked, so that not all come back in the same moment.
            Some(asked) => asked + self.first_delay.mul_f64(chance),
            None => {
                let growth = 1u32.checked_shl(sent.saturating_sub(1)).unwrap_or(u32::MAX);
                self.first_delay.saturating_mul(growth).min(self.longest_delay).mul_f64(chance)
            }
        };
        if sent >= self.attempts || delay > left { Decision::Stop } else { Decision::Repeat(delay) }
    }
}

/// The repeats that an account's calls have in store.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In tenths of a repeat.
    left: AtomicU32,
    most: u32,
}

/// What a repeat takes and what a success gives back, in tenths.
const REPEAT: u32 = 10;
const SUCCESS: u32 = 1;

impl Budget {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let most = policy.budget.saturating_mul(REPEAT);
        Self { left: AtomicU32::new(most), most }
    }

    /// Takes what a repeat after this attempt costs, if it is there.
    pub(crate) fn take(&self, attempt: Attempt) -> bool {
        if matches!(attempt, Attempt::Wait(_)) {
            return true;
        }
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(REPEAT)).is_ok()
    }

    /// Gives back what a success is worth.
    pub(crate) fn refill(&self) {
        let add = |left: u32| (left < self.most).then(|| left.saturating_add(SUCCESS).min(self.most));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

/// Whether a failed request may have reached the vendor. Surely not: no address, refused, no TLS, or never built.
pub(crate) fn was_sent(error: &reqwest::Error) -> bool {
    !error.is_connect() && !error.is_builder()
}

/// `Retry-After` in either form: seconds, or an HTTP date.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn decide(replay: Replay, sent: u32, attempt: Attempt) -> Decision {
        RetryPolicy::default().decide(replay, sent, attempt, LONG, 0.5)
    }

    fn repeat(ms: u64) -> Decision {
        Decision::Repeat(Duration::from_millis(ms))
    }

    fn wait(seconds: u64) -> Attempt {
        Attempt::Wait(Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn what_was_not_done_is_repeated_in_every_class() {
        for replay in [Replay::Safe, Replay::Keyed, Replay::Guarded, Replay::Never] {
            assert_eq!(decide(replay, 1, Attempt::NotSent), repeat(100));
            assert_eq!(decide(replay, 1, wait(5)), repeat(5100));
            assert_eq!(decide(replay, 5, wait(5)), Decision::Stop);
            assert_eq!(decide(replay, 1, Attempt::Answered), Decision::Stop);
        }
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_is_harmless() {
        let doubt = Attempt::Doubt(None);
        assert_eq!(decide(Replay::Safe, 1, doubt), repeat(100));
        assert_eq!(decide(Replay::Keyed, 1, doubt), repeat(100));
        assert_eq!(decide(Replay::Guarded, 1, doubt), Decision::ReadBack);
        assert_eq!(decide(Replay::Never, 1, doubt), Decision::ReadBack);
    }

    /// Another SDK took the seconds for milliseconds.
    #[test]
    fn retry_after_of_five_waits_five_seconds_not_milliseconds() {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, "5".parse().unwrap())]);
        for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
            let attempt = Attempt::of_answer(status, &headers, Replay::Keyed, SystemTime::now);
            for chance in [0.0, 0.5, 1.0] {
                let decision = RetryPolicy::default().decide(Replay::Keyed, 1, attempt, LONG, chance);
                assert!(matches!(decision, Decision::Repeat(delay) if delay >= Duration::from_secs(5)), "{decision:?}");
            }
        }
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let delays: Vec<_> = (1..5).map(|sent| decide(Replay::Safe, sent, Attempt::NotSent)).collect();
        assert_eq!(delays, [100, 200, 400, 800].map(repeat));
        assert_eq!(decide(Replay::Safe, 1, wait(3600)), Decision::Stop);
        let policy = RetryPolicy { attempts: 99, ..RetryPolicy::default() };
        assert_eq!(policy.decide(Replay::Safe, 60, Attempt::NotSent, LONG, 1.0), repeat(20_000));
        let short = Duration::from_secs(3);
        assert_eq!(policy.decide(Replay::Safe, 1, wait(5), short, 0.0), Decision::Stop, "no wait goes past the time");
    }

    #[test]
    fn the_wait_is_spread_over_all_of_its_time() {
        let at = |chance| RetryPolicy::default().decide(Replay::Safe, 1, Attempt::NotSent, LONG, chance);
        assert_eq!([at(0.0), at(0.25), at(1.0)], [0, 50, 200].map(repeat));
    }

    #[test]
    fn a_budget_runs_out_and_comes_back_with_success() {
        let budget = Budget::new(&RetryPolicy { budget: 2, ..RetryPolicy::default() });
        assert!(budget.take(Attempt::NotSent) && budget.take(Attempt::Doubt(None)));
        assert!(!budget.take(Attempt::NotSent));
        assert!(budget.take(wait(5)), "waiting for a vendor that asks for it is free");
        (0..10).for_each(|_| budget.refill());
        assert!(budget.take(Attempt::NotSent) && !budget.take(Attempt::NotSent));
        (0..1000).for_each(|_| budget.refill());
        assert!(budget.take(Attempt::NotSent) && budget.take(Attempt::NotSent) && !budget.take(Attempt::NotSent));
    }

    #[test]
    fn retry_after_has_two_forms() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        for (value, seconds) in
            [("5", Some(5)), ("Sat, 21 Nov 2026 12:00:07 GMT", Some(7)), ("soon", None), ("-1", None)]
        {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    /// A fuzz target: whatever a vendor writes into `Retry-After`, no wait is longer than the policy says.
    #[test]
    fn a_wait_is_bounded_whatever_is_asked_for() {
        let policy = RetryPolicy::default();
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        bolero::check!(name = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/retry_after"))
            .with_iterations(100)
            .with_test_time(Duration::MAX)
            .for_each(|bytes: &[u8]| {
                let Ok(value) = bytes.try_into() else { return };
                let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
                for status in [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
                    let attempt = Attempt::of_answer(status, &headers, Replay::Keyed, || now);
                    let decision = policy.decide(Replay::Keyed, 1, attempt, LONG, 1.0);
                    if let Decision::Repeat(delay) = decision {
                        assert!(delay <= policy.longest_retry_after + policy.first_delay, "{delay:?}");
                    }
                    if let Attempt::Wait(Some(asked)) | Attempt::Doubt(Some(asked)) = attempt {
                        assert_eq!(decision == Decision::Stop, asked > policy.longest_retry_after, "{asked:?}");
                    }
                }
            });
    }
}
