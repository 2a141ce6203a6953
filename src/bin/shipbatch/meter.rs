//! How far the wave is: bars on a terminal, plain lines elsewhere, or events for machines.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use serde_json::{Value, json};
use shipbatch::{Counts, Progress, Report};

/// How much time lies between two lines: a log is to be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Shows how far the wave is.
pub(crate) enum Meter {
    Bars(Bars),
    Lines(Pulse),
    Events(Pulse),
}

impl Meter {
    /// What suits where the output goes. Bars and a log would draw over each other.
    pub(crate) fn new(json: bool, logs: bool) -> Self {
        if json {
            Self::Events(Pulse::new())
        } else if io::stderr().is_terminal() && !logs {
            Self::Bars(Bars::new())
        } else {
            Self::Lines(Pulse::new())
        }
    }

    /// Takes in how far the wave is.
    pub(crate) fn show(&self, progress: &Progress) {
        match self {
            Self::Bars(bars) => bars.show(progress),
            Self::Lines(pulse) if pulse.is_due() => say(&text(progress.orders, &progress.ended)),
            Self::Events(pulse) if pulse.is_due() => emit(&event(progress)),
            Self::Lines(_) | Self::Events(_) => {}
        }
    }

    /// Says something to whoever watches, without drawing over the bars.
    pub(crate) fn note(&self, text: &str) {
        match self {
            Self::Bars(bars) => bars.all.suspend(|| say(text)),
            Self::Lines(_) | Self::Events(_) => say(text),
        }
    }

    /// Ends the display; the last line says how the wave ended, if it did.
    pub(crate) fn end(&self, report: Option<&Report>) {
        match (self, report) {
            // A terminal that is gone needs no clearing.
            (Self::Bars(bars), _) => drop(bars.all.clear()),
            (Self::Lines(_), Some(report)) => say(&text(report.iter().len(), &report.counts())),
            (Self::Lines(_), None) | (Self::Events(_), _) => {}
        }
    }
}

/// A line on stderr. Where stderr is closed the wave goes on all the same.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// An event on stdout, likewise.
pub(crate) fn emit(event: &Value) {
    let _ = writeln!(io::stdout(), "{event}");
}

fn text(orders: usize, ended: &Counts) -> String {
    format!("{} of {orders}: {ended}", ended.total())
}

fn event(progress: &Progress) -> Value {
    let Progress { orders, prepared, committed, ended, .. } = progress;
    let mut event = json!({"event": "progress", "orders": orders, "prepared": prepared, "committed": committed});
    with_counts(&mut event, ended);
    event
}

/// Adds how many orders came to which end, under the outcomes' names.
pub(crate) fn with_counts(event: &mut Value, counts: &Counts) {
    event["booked"] = counts.booked.into();
    event["rejected"] = counts.rejected.into();
    event["failed"] = counts.failed.into();
    event["unknown"] = counts.unknown.into();
    event["not_sent"] = counts.not_sent.into();
}

/// Says when the next line is due.
pub(crate) struct Pulse(Mutex<Instant>);

impl Pulse {
    fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.elapsed() >= PAUSE;
        if due {
            *last = Instant::now();
        }
        due
    }
}

/// Three bars: how many orders the vendor knows, for how many the money call was sent, how many have their end.
pub(crate) struct Bars {
    all: MultiProgress,
    prepared: ProgressBar,
    committed: ProgressBar,
    ended: ProgressBar,
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let style =
            ProgressStyle::with_template("{prefix:>9} {bar:32} {pos:>6} of {len}  {rate:>7}  {eta:>4} left  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key("rate", |state: &ProgressState, text: &mut dyn fmt::Write| {
                    // Where it cannot be written there is no rate to see.
                    let _ = write!(text, "{:.0}/s", state.per_sec());
                });
        let bar = |name: &'static str| all.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(name));
        let (prepared, committed, ended) = (bar("prepared"), bar("committed"), bar("ended"));
        Self { all, prepared, committed, ended }
    }

    fn show(&self, progress: &Progress) {
        let ended = progress.ended.total();
        // An order that ended in an earlier run is not prepared in this one.
        let prepared = progress.prepared.max(ended);
        for (bar, orders) in [(&self.prepared, prepared), (&self.committed, progress.committed), (&self.ended, ended)] {
            bar.set_length(progress.orders as u64);
            bar.set_position(orders as u64);
        }
        self.ended.set_message(progress.ended.to_string());
    }
}
