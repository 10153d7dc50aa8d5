//! Arithmetic over timelines: windows, sums, availability with its bounds, verdicts.
//!
//! A timeline is a list of half-open segments without hole or overlap. All sums are in whole milliseconds, so that
//! cutting a window in two and adding gives the same. Rounding happens where a figure is printed, and there it never
//! flatters: `low` and `point` down, `high` up, and less than 1 is never printed as 100 %.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::health::{capped, vendor_state};
use crate::model::{Reason, Segment, SegmentReason, SeverityCap, State, Timestamp};

/// Milliseconds by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub up: i64,
    pub degraded: i64,
    pub down: i64,
    pub unknown: i64,
}

impl Tally {
    pub fn of(segments: &[Segment]) -> Tally {
        let mut tally = Tally::default();
        for segment in segments {
            *tally.bucket(segment.state) += segment.to.millis_since(segment.from);
        }
        tally
    }

    fn bucket(&mut self, state: State) -> &mut i64 {
        match state {
            State::Up => &mut self.up,
            State::Degraded => &mut self.degraded,
            State::Down => &mut self.down,
            State::Unknown => &mut self.unknown,
        }
    }

    pub const fn known(&self) -> i64 {
        self.up + self.degraded + self.down
    }

    pub const fn total(&self) -> i64 {
        self.known() + self.unknown
    }

    pub const fn plus(self, other: Tally) -> Tally {
        Tally {
            up: self.up + other.up,
            degraded: self.degraded + other.degraded,
            down: self.down + other.down,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// Ratios 0..1 with `low <= point <= high`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Availability {
    pub point: f64,
    /// All unknown time counted as down.
    pub low: f64,
    /// All unknown time counted as up.
    pub high: f64,
    pub coverage: f64,
}

/// `None` is "no data": nothing eligible, or nothing known. It is never 0 % or 100 %.
/// `degraded_weight` says how much of degraded time counts as up, 0..1.
pub fn availability(tally: &Tally, degraded_weight: f64) -> Option<Availability> {
    let (known, total) = (tally.known() as f64, tally.total() as f64);
    if tally.known() <= 0 {
        return None;
    }
    let good = tally.up as f64 + degraded_weight.clamp(0.0, 1.0) * tally.degraded as f64;
    Some(Availability {
        point: (good / known).min(1.0),
        low: (good / total).min(1.0),
        high: ((good + tally.unknown as f64) / total).min(1.0),
        coverage: known / total,
    })
}

/// Whether an objective was met. Compared unrounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Met,
    Missed,
    Inconclusive,
}

pub fn verdict(availability: Option<&Availability>, objective: f64) -> Verdict {
    match availability {
        Some(a) if a.high < objective => Verdict::Missed,
        Some(a) if a.low >= objective => Verdict::Met,
        _ => Verdict::Inconclusive,
    }
}

/// Which way a printed figure may err.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    Down,
    Up,
}

/// A ratio as percent with `decimals`, rounded as asked, but 100 % only for 1 itself.
pub fn percent(ratio: f64, decimals: u32, round: Round) -> String {
    // f64 holds 0.9993 * 10^6 as 999299.9999999999: allow for a few units in the last place before rounding.
    const NOISE: f64 = 1e-9;
    let scale = 10f64.powi(decimals as i32);
    let scaled = ratio * 100.0 * scale;
    let mut whole = match round {
        Round::Down => (scaled + NOISE).floor(),
        Round::Up => (scaled - NOISE).ceil(),
    };
    if ratio < 1.0 {
        whole = whole.min(100.0 * scale - 1.0);
    }
    format!("{:.*} %", decimals as usize, whole / scale)
}

/// The part of a timeline inside `[from, to)`.
pub fn clip(segments: &[Segment], from: Timestamp, to: Timestamp) -> Vec<Segment> {
    segments.iter().map(|s| Segment { from: s.from.max(from), to: s.to.min(to), ..*s }).filter(|s| s.from < s.to).collect()
}

/// Joins neighbours that say the same, so that the list has one segment per stretch.
pub fn merge(segments: impl IntoIterator<Item = Segment>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for segment in segments {
        match out.last_mut() {
            Some(last) if last.to == segment.from && last.state == segment.state && last.reason == segment.reason => last.to = segment.to,
            _ => out.push(segment),
        }
    }
    out
}

/// How much a check counted for its vendor from an instant on. `None`: it did not count (disabled, retired).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    pub from: Timestamp,
    pub severity: Option<SeverityCap>,
}

/// One check of a vendor: its timeline, and how it counted over time (in order of `from`).
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub timeline: Vec<Segment>,
    pub weights: Vec<Weight>,
}

/// The timeline of a vendor from those of its checks. Time in which no check counts is left out at both ends and is
/// `unknown(no_observation)` in between.
pub fn combine(parts: &[Part]) -> Vec<Segment> {
    let mut events = events(parts);
    events.sort_by_key(|e| e.at);
    let mut given = Given::default();
    let mut out = Vec::new();
    let mut from = None;
    let mut rest = events.as_slice();
    while let Some(first) = rest.first() {
        let at = first.at;
        if let Some(from) = from
            && from < at
            && let Some((state, reason)) = given.worst()
        {
            out.push(Segment { from, to: at, state, reason });
        }
        let now = rest.partition_point(|e| e.at <= at);
        rest[..now].iter().for_each(|e| given.apply(e));
        rest = &rest[now..];
        from = Some(at);
    }
    merge(fill_holes(out))
}

/// A check begins to give its vendor something else; `None`: nothing any more.
struct Event {
    at: Timestamp,
    part: usize,
    gives: Option<(State, SegmentReason)>,
}

fn events(parts: &[Part]) -> Vec<Event> {
    let mut events = Vec::new();
    for (part, Part { timeline, weights }) in parts.iter().enumerate() {
        for (n, weight) in weights.iter().enumerate() {
            let until = weights.get(n + 1).map_or(Timestamp::from_millis(i64::MAX), |next| next.from);
            let from = if n == 0 { Timestamp::from_millis(i64::MIN) } else { weight.from };
            let clipped = clip(timeline, from, until);
            for segment in &clipped {
                let gives = weight.severity.and_then(|severity| capped(segment.state, severity));
                events.push(Event { at: segment.from, part, gives: gives.map(|state| (state, segment.reason)) });
            }
            events.extend(clipped.last().map(|last| Event { at: last.to, part, gives: None }));
        }
    }
    // At one instant an end comes before a beginning of the same check.
    events.sort_by_key(|e| (e.at, e.gives.is_some()));
    events
}

/// What the checks give at one instant.
#[derive(Default)]
struct Given {
    by_state: [BTreeSet<(usize, &'static str)>; 4],
    of_part: std::collections::BTreeMap<usize, (State, SegmentReason)>,
}

impl Given {
    fn slot(state: State) -> usize {
        match state {
            State::Down => 0,
            State::Degraded => 1,
            State::Unknown => 2,
            State::Up => 3,
        }
    }

    fn apply(&mut self, event: &Event) {
        if let Some((state, reason)) = self.of_part.remove(&event.part) {
            self.by_state[Self::slot(state)].remove(&(event.part, reason.as_str()));
        }
        if let Some((state, reason)) = event.gives {
            self.of_part.insert(event.part, (state, reason));
            self.by_state[Self::slot(state)].insert((event.part, reason.as_str()));
        }
    }

    fn worst(&self) -> Option<(State, SegmentReason)> {
        let states = [State::Down, State::Degraded, State::Unknown, State::Up];
        let present = states.into_iter().filter(|s| !self.by_state[Self::slot(*s)].is_empty());
        let state = vendor_state(present)?;
        let (part, _) = self.by_state[Self::slot(state)].first()?;
        let reason = self.of_part.get(part).map_or(SegmentReason::Seen(Reason::Ok), |(_, reason)| *reason);
        Some((state, reason))
    }
}

/// Time between segments in which nothing counted.
fn fill_holes(segments: Vec<Segment>) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::with_capacity(segments.len());
    for segment in segments {
        if let Some(last) = out.last().filter(|last| last.to < segment.from) {
            let hole = Segment { from: last.to, to: segment.from, state: State::Unknown, reason: SegmentReason::NoObservation };
            out.push(hole);
        }
        out.push(segment);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    mod properties;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn seg(from: i64, to: i64, state: State) -> Segment {
        Segment { from: at(from), to: at(to), state, reason: SegmentReason::Seen(Reason::Ok) }
    }

    #[test]
    fn figures_never_flatter() {
        for (ratio, decimals, round, want) in [
            (0.99996, 2, Round::Down, "99.99 %"),
            (0.99996, 2, Round::Up, "99.99 %"),
            (0.99994, 2, Round::Up, "99.99 %"),
            (0.999999999, 3, Round::Up, "99.999 %"),
            (1.0, 2, Round::Down, "100.00 %"),
            (0.9993, 2, Round::Down, "99.93 %"),
            (0.9993, 2, Round::Up, "99.93 %"),
            (0.0, 2, Round::Down, "0.00 %"),
            (0.12345, 2, Round::Down, "12.34 %"),
            (0.12345, 2, Round::Up, "12.35 %"),
        ] {
            assert_eq!(percent(ratio, decimals, round), want, "{ratio}");
        }
    }

    #[test]
    fn no_data_is_no_number() {
        assert_eq!(availability(&Tally::default(), 1.0), None);
        assert_eq!(availability(&Tally { unknown: 5, ..Tally::default() }, 1.0), None);
        assert_eq!(verdict(None, 0.999), Verdict::Inconclusive);
    }

    #[test]
    fn unknown_widens_the_bounds() {
        let a = availability(&Tally { up: 90, down: 5, unknown: 5, degraded: 0 }, 1.0).unwrap();
        assert_eq!((a.low, a.high, a.coverage), (0.90, 0.95, 0.95));
        assert!((a.point - 90.0 / 95.0).abs() < 1e-12);
        assert_eq!(verdict(Some(&a), 0.96), Verdict::Missed);
        assert_eq!(verdict(Some(&a), 0.90), Verdict::Met);
        assert_eq!(verdict(Some(&a), 0.92), Verdict::Inconclusive);
    }

    #[test]
    fn a_vendor_is_as_bad_as_the_worst_that_counts() {
        let counts = |severity| vec![Weight { from: at(0), severity: Some(severity) }];
        let parts = [
            Part {
                timeline: vec![seg(0, 10, State::Up), seg(10, 20, State::Down), seg(20, 30, State::Up)],
                weights: counts(SeverityCap::Degraded),
            },
            Part { timeline: vec![seg(5, 15, State::Up), seg(15, 30, State::Unknown)], weights: counts(SeverityCap::Down) },
            Part { timeline: vec![seg(0, 30, State::Down)], weights: counts(SeverityCap::None) },
        ];
        let got: Vec<_> = combine(&parts).iter().map(|s| (s.from.as_millis() / 1000, s.to.as_millis() / 1000, s.state)).collect();
        assert_eq!(got, [(0, 10, State::Up), (10, 20, State::Degraded), (20, 30, State::Unknown)]);
    }

    #[test]
    fn a_check_that_stopped_counting_is_left_out() {
        let part = Part {
            timeline: vec![seg(0, 30, State::Down)],
            weights: vec![
                Weight { from: at(0), severity: Some(SeverityCap::Down) },
                Weight { from: at(10), severity: None },
                Weight { from: at(20), severity: Some(SeverityCap::Degraded) },
            ],
        };
        let got: Vec<_> = combine(&[part]).iter().map(|s| (s.from.as_millis() / 1000, s.state)).collect();
        assert_eq!(got, [(0, State::Down), (10, State::Unknown), (20, State::Degraded)]);
    }
}
