//! Waiting for work that a vendor does in the background.
//!
//! ```
//! use std::time::Duration;
//! use shipbatch::Polling;
//!
//! let patient = Polling { patience: Duration::from_secs(3600), ..Polling::default() };
//! # let _ = patient;
//! ```

use std::time::Duration;

/// How often a vendor is asked whether it is done. No vendor publishes a figure, so these are modest.
#[derive(Clone, Debug)]
pub struct Polling {
    /// The wait before the first look. 1 s unless set.
    pub first: Duration,
    /// How much longer each further wait is. 1.5 unless set.
    pub growth: f64,
    /// The longest wait. 15 s unless set.
    pub longest: Duration,
    /// How long to wait in all. What is not done by then stays `Unknown`, and is looked at again by the next run.
    /// 30 minutes unless set.
    pub patience: Duration,
}

impl Default for Polling {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            growth: 1.5,
            longest: Duration::from_secs(15),
            patience: Duration::from_secs(1800),
        }
    }
}

impl Polling {
    /// The waits before each look, until the patience ends.
    #[cfg(feature = "sqlite")]
    pub(crate) fn delays(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let Self { first, growth, longest, patience } = self.clone();
        let mut waited = Duration::ZERO;
        let mut next = first.min(longest);
        std::iter::from_fn(move || {
            if waited >= patience {
                return None;
            }
            let delay = next.min(patience - waited).max(Duration::from_millis(1));
            waited += delay;
            next = delay.mul_f64(growth.max(1.0)).min(longest);
            Some(delay)
        })
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_end_with_the_patience() {
        let polling = Polling {
            growth: 2.0,
            longest: Duration::from_secs(5),
            patience: Duration::from_secs(14),
            ..Polling::default()
        };
        let delays: Vec<u64> = polling.delays().map(|delay| delay.as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5, 2]);
    }
}
