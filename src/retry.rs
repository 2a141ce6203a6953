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

use std::time::{Duration, SystemTime};

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
#[derive(Clone, Debug)]
pub struct RetryPolicy {
    /// How often a call is sent at most, the first time included. 5 unless set.
    pub attempts: u32,
    /// The longest first wait; it doubles with each further one. 200 ms unless set.
    pub first_delay: Duration,
    /// The longest wait of our own. 20 s unless set.
    pub longest_delay: Duration,
    /// The longest wait that a vendor's `Retry-After` may ask for: a longer one ends the call. 2 minutes unless set.
    pub longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_delay: Duration::from_millis(200),
            longest_delay: Duration::from_secs(20),
            longest_retry_after: Duration::from_secs(120),
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
    pub(crate) fn of(result: &reqwest::Result<reqwest::Response>, replay: Replay, now: SystemTime) -> Self {
        match result {
            Ok(response) => Self::of_answer(response.status(), response.headers(), replay, now),
            Err(error) if was_sent(error) => Self::Doubt(None),
            Err(_) => Self::NotSent,
        }
    }

    fn of_answer(status: StatusCode, headers: &HeaderMap, replay: Replay, now: SystemTime) -> Self {
        let wait = retry_after(headers, now);
        match status.as_u16() {
            429 => Self::Wait(wait),
            // "The first one is still running" (Smart Send's page on idempotency). Without the header it is final.
            409 if replay == Replay::Keyed && wait.is_some() => Self::Wait(wait),
            408 | 500..=599 => Self::Doubt(wait),
            _ => Self::Answered,
        }
    }
}

impl RetryPolicy {
    /// Whether to send once more, and after how long. `chance` is in 0..1 and spreads the waits of many tasks.
    pub(crate) fn decide(&self, replay: Replay, sent: u32, attempt: Attempt, chance: f64) -> Option<Duration> {
        let asked = match attempt {
            Attempt::Answered => return None,
            Attempt::Doubt(_) if !replay.allows_repeat_in_doubt() => return None,
            Attempt::NotSent => None,
            Attempt::Wait(asked) | Attempt::Doubt(asked) => asked,
        };
        if sent >= self.attempts {
            return None;
        }
        match asked {
            Some(asked) if asked > self.longest_retry_after => None,
            // A little more than asked, so that not all come back in the same moment.
            Some(asked) => Some(asked + self.first_delay.mul_f64(chance)),
            None => {
                let growth = 1u32.checked_shl(sent.saturating_sub(1)).unwrap_or(u32::MAX);
                Some(self.first_delay.saturating_mul(growth).min(self.longest_delay).mul_f64(chance))
            }
        }
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

    fn decide(replay: Replay, sent: u32, attempt: Attempt) -> Option<Duration> {
        RetryPolicy::default().decide(replay, sent, attempt, 0.5)
    }

    #[test]
    fn what_was_not_done_is_repeated_in_every_class() {
        for replay in [Replay::Safe, Replay::Keyed, Replay::Guarded, Replay::Never] {
            assert_eq!(decide(replay, 1, Attempt::NotSent), Some(Duration::from_millis(100)));
            let five = Attempt::Wait(Some(Duration::from_secs(5)));
            assert_eq!(decide(replay, 1, five), Some(Duration::from_millis(5100)));
            assert_eq!(decide(replay, 5, five), None);
        }
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_is_harmless() {
        let doubt = Attempt::Doubt(None);
        assert!(decide(Replay::Safe, 1, doubt).is_some());
        assert!(decide(Replay::Keyed, 1, doubt).is_some());
        assert_eq!(decide(Replay::Guarded, 1, doubt), None);
        assert_eq!(decide(Replay::Never, 1, doubt), None);
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let delays: Vec<_> = (1..5).filter_map(|sent| decide(Replay::Safe, sent, Attempt::NotSent)).collect();
        assert_eq!(delays, [100, 200, 400, 800].map(Duration::from_millis));
        let far = Attempt::Wait(Some(Duration::from_secs(3600)));
        assert_eq!(decide(Replay::Safe, 1, far), None);
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
}
