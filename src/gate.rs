//! When a call of an account may leave.
//!
//! A vendor that answers 429 means the account, not the task that happened to ask. So all tasks and clones of a client
//! share one gate: one 429 pauses all of them, once, and after the pause they leave one by one. A rate, where one is
//! set, spaces the calls from the start. Machines that share a wave share both.
//!
//! ```
//! let client = shipbatch::deftship::Client::builder("main").token("…").rate(600).build()?; // 600 calls a minute
//! # Ok::<(), shipbatch::Error>(())
//! ```

use std::{
    collections::VecDeque,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

/// Between two calls that leave after a pause: enough to hear another 429 before the crowd is through.
const GAP: Duration = Duration::from_millis(1);

/// What rates are given for.
const MINUTE: Duration = Duration::from_secs(60);

/// The most departures that are kept, to bound what leaves after a standstill.
const LOOKED_AT: u32 = 1000;

/// By how many hundredths calls are further apart than a rate has them on the average. One call takes longer to arrive than
/// another, and even so no second is to see one too many.
const MARGIN: u32 = 2;

/// Who comes so much later than its place in the row takes another: the machine stood still, and all that waited come at once.
const LATE: Duration = Duration::from_millis(100);

/// What machines that call for the same account have in common, beside the gate that each has for itself.
pub(crate) trait Shared: Send + Sync {
    /// Takes a place in the row, where there is a rate, and tells how long it is until then; else how long a pause lasts.
    fn wait(&self, interval: Option<Duration>) -> BoxFuture<'_, Duration>;

    /// Nobody leaves for so long.
    fn pause(&self, pause: Duration) -> BoxFuture<'_, ()>;
}

tokio::task_local! {
    /// Set while a wave runs that machines share.
    static SHARED: Arc<dyn Shared>;
}

/// Runs a wave whose calls keep to what machines have in common, if they have.
#[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "only the engine shares a wave"))]
pub(crate) async fn sharing<T>(shared: Option<impl Shared + 'static>, wave: impl Future<Output = T>) -> T {
    match shared {
        Some(shared) => SHARED.scope(Arc::new(shared), wave).await,
        None => wave.await,
    }
}

fn shared() -> Option<Arc<dyn Shared>> {
    SHARED.try_with(Arc::clone).ok()
}

/// One for each account.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Calls a minute, where that is bounded.
    rate: Option<u32>,
    /// The time between two calls, then.
    interval: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// No call leaves before.
    paused_until: Option<Instant>,
    /// The next free place in the row.
    next: Option<Instant>,
    /// When the last calls of the row left, as many as may leave in the time that is looked at.
    left: VecDeque<Instant>,
}

/// What a call does whose place in the row has come.
#[derive(Debug, PartialEq)]
enum Turn {
    Leave,
    /// Others left late, all of them together: too many would leave with this one.
    Wait(Instant),
    /// There is a pause by now, or it comes far too late.
    Queue,
}

impl Gate {
    /// A gate that lets this many calls a minute through, or any number.
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        let interval = per_minute.map(|rate| MINUTE / rate.max(1) * (100 + MARGIN) / 100);
        Self { rate: per_minute, interval, state: Mutex::default() }
    }

    /// Waits until the call may leave.
    pub(crate) async fn pass(&self) {
        loop {
            self.pass_here().await;
            let Some(shared) = shared() else { return };
            let wait = shared.wait(self.interval).await;
            if wait.is_zero() {
                return;
            }
            if self.interval.is_none() {
                // A pause that another machine was told: here, too, they leave it one by one.
                self.rest(Instant::now(), wait);
                continue;
            }
            let place = Instant::now() + wait;
            tokio::time::sleep_until(place.into()).await;
            // If there is a pause by now, the place in the row is of no use: it would be everybody's.
            if place.elapsed() <= LATE && shared.wait(None).await.is_zero() {
                return;
            }
        }
    }

    async fn pass_here(&self) {
        loop {
            let now = Instant::now();
            let mut place = self.reserve(now);
            if self.interval.is_none() && place <= now {
                return;
            }
            loop {
                // Even for a time that is past, tokio's sleep lasts until the next millisecond and gives up the turn.
                if place > Instant::now() {
                    tokio::time::sleep_until(place.into()).await;
                }
                match self.turn(place, Instant::now()) {
                    Turn::Leave => return,
                    Turn::Wait(until) => place = until,
                    Turn::Queue => break,
                }
            }
        }
    }

    /// Whether a call may leave now that has this place in the row. Some that come a little late come together: then what
    /// counts is when the last ones left.
    fn turn(&self, place: Instant, now: Instant) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now > place + LATE || state.paused_until.is_some_and(|until| until > now) {
            return Turn::Queue;
        }
        let (calls, time) = self.most();
        if state.left.len() >= calls {
            if let Some(until) = state.left.front().map(|first| *first + time).filter(|until| *until > now) {
                return Turn::Wait(until);
            }
            state.left.pop_front();
        }
        state.left.push_back(now);
        Turn::Leave
    }

    /// How many calls of a row may leave in how long: those of a second at the rate, or one by one.
    fn most(&self) -> (usize, Duration) {
        let Some(rate) = self.rate else { return (1, GAP) };
        let calls = (rate / 60).clamp(1, LOOKED_AT);
        (calls as usize, MINUTE * calls / rate.max(1))
    }

    /// Nobody leaves for so long, on any machine.
    pub(crate) async fn pause(&self, pause: Duration) {
        self.rest(Instant::now(), pause);
        if let Some(shared) = shared() {
            shared.pause(pause).await;
        }
    }

    /// Nobody leaves here for so long. A pause never shortens another.
    fn rest(&self, now: Instant, pause: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.paused_until = state.paused_until.max(Some(now + pause));
    }

    /// A place in the row: when the call may leave, if nothing happens until then.
    fn reserve(&self, now: Instant) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let free = Some(now).max(state.paused_until).unwrap_or(now);
        let gap = match self.interval {
            Some(interval) => interval,
            None if free > now || state.next.is_some_and(|next| next > now) => GAP,
            None => return now,
        };
        let leave = Some(free).max(state.next).unwrap_or(free);
        state.next = Some(leave + gap);
        leave
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_a_rate_and_a_pause_all_leave_at_once() {
        let (gate, now) = (Gate::new(None), Instant::now());
        assert!((0..100).all(|_| gate.reserve(now) == now));
    }

    #[test]
    fn after_a_pause_they_leave_one_by_one() {
        let (gate, now) = (Gate::new(None), Instant::now());
        gate.rest(now, SECOND);
        let leave: Vec<Instant> = (0..5).map(|_| gate.reserve(now)).collect();
        assert_eq!(leave[0], now + SECOND);
        assert!(leave.windows(2).all(|pair| pair[1] - pair[0] == GAP), "{leave:?}");
        // Who comes later, when all have left, does not wait.
        let later = now + 2 * SECOND;
        assert_eq!(gate.reserve(later), later);
    }

    #[test]
    fn a_pause_never_shortens_another() {
        let (gate, now) = (Gate::new(None), Instant::now());
        gate.rest(now, 3 * SECOND);
        gate.rest(now, SECOND);
        assert_eq!(gate.reserve(now), now + 3 * SECOND);
        assert_eq!([2, 3].map(|later| now + later * SECOND).map(|now| gate.turn(now, now)), [Turn::Queue, Turn::Leave]);
    }

    #[test]
    fn a_rate_spaces_calls_and_saves_none_up() {
        let (gate, now) = (Gate::new(Some(600)), Instant::now());
        let leave: Vec<Instant> = (0..4).map(|_| gate.reserve(now)).collect();
        assert_eq!(leave, [0, 102, 204, 306].map(|ms| now + Duration::from_millis(ms)));
        // After an idle minute there is no burst.
        let later = now + 60 * SECOND;
        assert_eq!([gate.reserve(later), gate.reserve(later)], [later, later + Duration::from_millis(102)]);
    }

    #[test]
    fn a_rate_goes_on_after_a_pause() {
        let (gate, now) = (Gate::new(Some(60)), Instant::now());
        gate.rest(now, 10 * SECOND);
        assert_eq!([gate.reserve(now), gate.reserve(now)], [10_000, 11_020].map(|ms| now + Duration::from_millis(ms)));
    }

    #[test]
    fn of_those_that_come_together_no_more_leave_than_may() {
        let (gate, now) = (Gate::new(Some(600)), Instant::now());
        assert!((0..10).all(|_| gate.turn(now, now) == Turn::Leave));
        assert_eq!(gate.turn(now, now), Turn::Wait(now + SECOND));
        assert_eq!(gate.turn(now + SECOND, now + SECOND), Turn::Leave);
        // Without a rate they leave one by one.
        let gate = Gate::new(None);
        assert_eq!([gate.turn(now, now), gate.turn(now, now)], [Turn::Leave, Turn::Wait(now + GAP)]);
    }

    #[test]
    fn who_comes_far_too_late_takes_another_place() {
        let (gate, now) = (Gate::new(Some(600)), Instant::now());
        let places: Vec<Instant> = (0..60).map(|_| gate.reserve(now)).collect();
        let awake = now + 10 * SECOND;
        assert!(places.iter().all(|place| gate.turn(*place, awake) == Turn::Queue));
        assert_eq!(
            [gate.reserve(awake), gate.reserve(awake)].map(|place| place - awake),
            [0, 102].map(Duration::from_millis)
        );
    }

    #[tokio::test]
    async fn a_pause_that_comes_while_waiting_is_kept() {
        let gate = Gate::new(None);
        let started = Instant::now();
        gate.rest(started, Duration::from_millis(20));
        let pass = gate.pass();
        let prolong = async { gate.rest(started, Duration::from_millis(60)) };
        tokio::join!(pass, prolong);
        assert!(started.elapsed() >= Duration::from_millis(60));
    }
}
