//! When a wave's units were under way: a bar for each, or lines that count the orders where there are too many units.

use std::collections::BTreeMap;

use maud::{Markup, html};
use shipbatch::{Entry, Outcome};

use crate::words::moment;

/// More bars than this cannot be told apart.
const BARS: usize = 400;
/// How many milliseconds without any work lie between two runs.
const APART: i64 = 600_000;
/// The drawing's size, in its own units.
const WIDTH: f64 = 1000.0;
const CURVES: f64 = 220.0;
/// What a bar takes, with the space below it.
const LANE: f64 = 18.0;
/// The least that a bar measures, so that it is seen.
const SEEN: f64 = 2.0;
/// Room for the times below.
const AXIS: f64 = 24.0;
/// The points of a line.
const POINTS: u32 = 250;
/// Steps of the axis in milliseconds: times that people count in.
const STEPS: [i64; 22] = [
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    20_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    1_800_000,
    3_600_000,
    7_200_000,
    21_600_000,
    86_400_000,
    604_800_000,
];
/// How many steps the axis has at most.
const TICKS: i64 = 8;

/// The timeline of some orders: a drawing for each run, so that the hours between two don't count.
pub(super) fn of(entries: &[Entry]) -> Markup {
    html! {
        @for run in runs(entries) {
            @if let Some(first) = run.first() { p.note { "From " (moment(first.claimed_at)) } }
            (drawing(&run))
        }
    }
}

/// The orders by the time at which they were taken, apart where nothing happened for long.
fn runs(entries: &[Entry]) -> Vec<Vec<&Entry>> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.claimed_at);
    let mut runs: Vec<Vec<&Entry>> = Vec::new();
    let mut last = i64::MIN;
    for entry in sorted {
        if entry.claimed_at.as_millisecond().saturating_sub(last) > APART {
            runs.push(Vec::new());
        }
        last = last.max(entry.updated_at.as_millisecond());
        if let Some(run) = runs.last_mut() {
            run.push(entry);
        }
    }
    runs
}

fn drawing(entries: &[&Entry]) -> Markup {
    let times = |entry: &&Entry| [Some(entry.claimed_at), entry.intent_at, Some(entry.updated_at)];
    let all = || entries.iter().flat_map(times).flatten().map(jiff::Timestamp::as_millisecond);
    let (first, last) = (all().min().unwrap_or_default(), all().max().unwrap_or_default());
    let scale = Scale { first, length: (last - first).max(1) };
    let bars = bars(entries);
    if bars.len() <= BARS { gantt(&bars, &scale) } else { curves(entries, &scale) }
}

/// Moments, as places in the drawing.
struct Scale {
    first: i64,
    length: i64,
}

impl Scale {
    /// A moment's place, from the left.
    fn at(&self, moment: i64) -> f64 {
        share(moment - self.first, self.length) * WIDTH
    }

    /// The steps of the axis, each with its place.
    fn ticks(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        let longest = STEPS[STEPS.len() - 1];
        let step = STEPS.into_iter().find(|step| self.length / step < TICKS);
        let step = step.unwrap_or(longest * (self.length / longest / TICKS + 1));
        (0..=self.length / step).map(move |tick| (self.at(self.first + tick * step), after(tick * step)))
    }

    fn axis(&self, height: f64) -> Markup {
        html! {
            @for (x, text) in self.ticks() {
                line.grid x1=(place(x)) x2=(place(x)) y1="0" y2=(place(height)) {}
                // Text that would leave the drawing ends at the line.
                text x=(place(x)) y=(place(height + 16.0)) text-anchor=(if x > WIDTH - 40.0 { "end" } else { "start" }) {
                    (text)
                }
            }
        }
    }
}

/// A part of a whole; both fit into a float, being milliseconds of a journal's life or numbers of orders.
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}

fn place(at: f64) -> String {
    format!("{at:.1}")
}

/// How long after the begin.
fn after(milliseconds: i64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) if rest > 0 => format!("{seconds}.{:02} s", rest / 10),
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes}:{seconds:02} min"),
        (0, hours, minutes, _) => format!("{hours}:{minutes:02} h"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// A unit's time, and what came of it.
struct Bar<'a> {
    unit: &'a str,
    claimed: i64,
    intent: Option<i64>,
    ended: i64,
    orders: usize,
    booked: usize,
    /// The worst outcome of its orders.
    worst: &'static str,
}

/// Outcomes, from the best to the worst to have.
const WORSE: [&str; 5] = ["booked", "not_sent", "rejected", "failed", "unknown"];

/// The units, as they began.
fn bars<'a>(entries: &[&'a Entry]) -> Vec<Bar<'a>> {
    let mut bars: BTreeMap<&str, Bar<'a>> = BTreeMap::new();
    for entry in entries {
        let claimed = entry.claimed_at.as_millisecond();
        let bar = bars.entry(&entry.unit).or_insert_with(|| Bar {
            unit: &entry.unit,
            claimed,
            intent: entry.intent_at.map(jiff::Timestamp::as_millisecond).filter(|intent| *intent >= claimed),
            ended: claimed,
            orders: 0,
            booked: 0,
            worst: WORSE[0],
        });
        bar.add(entry);
    }
    let mut bars: Vec<Bar<'a>> = bars.into_values().collect();
    bars.sort_by_key(|bar| bar.claimed);
    bars
}

impl Bar<'_> {
    fn add(&mut self, entry: &Entry) {
        self.orders += 1;
        self.ended = self.ended.max(entry.updated_at.as_millisecond());
        // What is under way is in doubt until it ends.
        let outcome = entry.outcome.as_ref().map_or("unknown", Outcome::name);
        self.booked += usize::from(outcome == "booked");
        let rank = |name: &str| WORSE.iter().position(|worse| *worse == name);
        if rank(outcome) > rank(self.worst) {
            self.worst = outcome;
        }
    }

    fn draw(&self, scale: &Scale, lane: usize) -> Markup {
        let y = place(share(lane as i64, 1) * LANE);
        let sent = self.intent.unwrap_or(self.ended).min(self.ended);
        let (x, middle, end) = (scale.at(self.claimed), scale.at(sent), scale.at(self.ended));
        html! {
            g {
                title { (self.unit) ": " (self.booked) " of " (self.orders) " booked" }
                rect.claimed x=(place(x)) y=(y) width=(place((middle - x).max(SEEN))) height="14" rx="2" {}
                rect.(self.worst) x=(place(middle.min(WIDTH - SEEN))) y=(y) width=(place((end - middle).max(SEEN)))
                    height="14" rx="2" {}
            }
        }
    }
}

/// A bar for each unit, in as few lanes as they need.
fn gantt(bars: &[Bar<'_>], scale: &Scale) -> Markup {
    let mut lanes: Vec<i64> = Vec::new();
    let mut drawn = Vec::with_capacity(bars.len());
    for bar in bars {
        let lane = lanes.iter().position(|free| *free <= bar.claimed).unwrap_or(lanes.len());
        if lane == lanes.len() {
            lanes.push(bar.ended);
        }
        lanes[lane] = bar.ended.max(bar.claimed + 1);
        drawn.push(bar.draw(scale, lane));
    }
    let height = share(lanes.len() as i64, 1) * LANE;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (place(height + AXIS)) } role="img" aria-label="The units over time" {
            (scale.axis(height))
            @for bar in &drawn { (bar) }
        }
        ul.legend {
            li { i.claimed {} "a unit in preparation" }
            li { i.booked {} "its booking, all booked" }
            li { "or the colour of the worst outcome in it" }
        }
    }
}

/// How many orders were taken, sent and ended by when.
fn curves(entries: &[&Entry], scale: &Scale) -> Markup {
    let claimed = sorted(entries.iter().map(|entry| Some(entry.claimed_at)));
    let intent = sorted(entries.iter().map(|entry| entry.intent_at));
    let ended = sorted(entries.iter().map(|entry| entry.outcome.as_ref().map(|_| entry.updated_at)));
    let line = |moments: &[i64]| {
        let points = (0..=POINTS).map(|point| {
            let moment = scale.first + scale.length * i64::from(point) / i64::from(POINTS);
            let count = moments.partition_point(|at| *at <= moment);
            let y = CURVES * (1.0 - share(count as i64, entries.len() as i64));
            format!("{},{}", place(scale.at(moment)), place(y))
        });
        points.collect::<Vec<_>>().join(" ")
    };
    html! {
        svg viewBox={ "0 -4 " (WIDTH) " " (CURVES + AXIS + 4.0) } role="img" aria-label="The orders over time" {
            (scale.axis(CURVES))
            polyline.claimed points=(line(&claimed)) {}
            polyline.intent points=(line(&intent)) {}
            polyline.booked points=(line(&ended)) {}
        }
        ul.legend {
            li { i.claimed {} "orders taken" }
            li { i.intent {} "their booking about to be sent" }
            li { i.booked {} "ended" }
        }
        p.note { "From 0 to " (entries.len()) " orders." }
    }
}

fn sorted(moments: impl Iterator<Item = Option<jiff::Timestamp>>) -> Vec<i64> {
    let mut moments: Vec<i64> = moments.flatten().map(jiff::Timestamp::as_millisecond).collect();
    moments.sort_unstable();
    moments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_has_a_few_round_steps() {
        let ticks = |length| Scale { first: 7, length }.ticks().map(|(_, text)| text).collect::<Vec<_>>().join(", ");
        assert_eq!(ticks(1), "0 s");
        assert_eq!(ticks(130), "0 s, 0.02 s, 0.04 s, 0.06 s, 0.08 s, 0.10 s, 0.12 s");
        assert_eq!(ticks(65_000), "0 s, 10 s, 20 s, 30 s, 40 s, 50 s, 1:00 min");
        assert_eq!(ticks(3 * 86_400_000), "0 s, 1 d 0 h, 2 d 0 h, 3 d 0 h");
        assert!(Scale { first: 0, length: i64::MAX / 2 }.ticks().count() <= 9);
    }
}
