//! The recent past of a vendor on two lanes, measured and declared, as bars are drawn from it. Pure.
//!
//! A lane is a list of stretches without overlap, oldest first. Time that no stretch covers is time in which nothing was
//! there to be known; time that is covered by `Unknown` is time in which nobody could tell.

use std::sync::Arc;

use crate::model::{Impact, Segment, State, Status, Timestamp, Uuid};
use crate::store::{Judged, RecentIncident};

/// How far back bars reach.
pub const DAYS: u32 = 90;

/// `[from, to)` with one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub from: Timestamp,
    pub to: Timestamp,
    pub status: Status,
}

/// An incident that concerns us, as far as bars need it. The title is the vendor's.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    pub id: Uuid,
    pub title: Arc<str>,
    pub impact: Option<Impact>,
    pub from: Timestamp,
    /// `None`: it lasts, or nobody said when it ended.
    pub to: Option<Timestamp>,
    pub open: bool,
}

impl From<RecentIncident> for Happened {
    fn from(incident: RecentIncident) -> Happened {
        let RecentIncident { id, title, impact, starts_at, ends_at, open } = incident;
        Happened { id, title: title.into(), impact, from: starts_at, to: ends_at, open }
    }
}

impl Happened {
    /// Whether it touches `[from, to)`. One that is over without an end touches the instant of its beginning.
    pub fn touches(&self, from: Timestamp, to: Timestamp) -> bool {
        let end = self.to.unwrap_or(if self.open { Timestamp::from_millis(i64::MAX) } else { self.from });
        self.from < to && (end > from || self.from >= from)
    }
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Up to when it was looked at.
    pub to: Timestamp,
    pub measured: Vec<Stretch>,
    pub declared: Vec<Stretch>,
    pub incidents: Vec<Happened>,
    /// The latest outage, and what the vendor said of it by then.
    pub latest: Option<Judged>,
}

/// A timeline on the scale of pages.
pub fn measured(timeline: &[Segment]) -> Vec<Stretch> {
    merge(timeline.iter().map(|segment| Stretch { from: segment.from, to: segment.to, status: on_scale(segment.state) }))
}

/// What checks say, on the scale of pages.
pub const fn on_scale(state: State) -> Status {
    match state {
        State::Up => Status::Operational,
        State::Degraded => Status::Degraded,
        State::Down => Status::MajorOutage,
        State::Unknown => Status::Unknown,
    }
}

/// The declared lane of `[from, to)`. `changes` are (since when, status), oldest first; while nobody read the page, the
/// incidents that its past tells of say what was declared then.
pub fn declared(changes: &[(Timestamp, Status)], incidents: &[Happened], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([to]);
    let known = changes.iter().zip(ends).map(|((at, status), end)| Stretch { from: (*at).max(from), to: end.min(to), status: *status });
    let known: Vec<Stretch> = known.filter(|stretch| stretch.from < stretch.to).collect();
    let begins = known.first().map_or(to, |first| first.from);
    let mut lane = Vec::new();
    if from < begins {
        lane.extend(told_by(incidents, from, begins));
    }
    for stretch in known {
        match stretch.status {
            Status::Unknown => lane.extend(told_by(incidents, stretch.from, stretch.to)),
            _ => lane.push(stretch),
        }
    }
    merge(lane)
}

/// What incidents say of time in which nobody read the page: nothing where there was none.
fn told_by(incidents: &[Happened], from: Timestamp, to: Timestamp) -> Vec<Stretch> {
    let known = |i: &&Happened| i.to.is_some() && i.touches(from, to) && Impact::status(i.impact).is_some();
    let here: Vec<&Happened> = incidents.iter().filter(known).collect();
    let edges = here.iter().flat_map(|i| [Some(i.from), i.to]).flatten().chain([from, to]);
    let mut edges: Vec<Timestamp> = edges.map(|at| at.clamp(from, to)).collect();
    edges.sort_unstable();
    edges.dedup();
    let between = |pair: &[Timestamp]| {
        let then = here.iter().filter(|i| i.from <= pair[0] && i.to.is_some_and(|end| end >= pair[1]));
        let status = Status::worst(then.filter_map(|i| Impact::status(i.impact))).unwrap_or(Status::Unknown);
        Stretch { from: pair[0], to: pair[1], status }
    };
    edges.windows(2).map(between).collect()
}

/// Joins neighbours that say the same.
fn merge(stretches: impl IntoIterator<Item = Stretch>) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match out.last_mut() {
            Some(last) if last.to == stretch.from && last.status == stretch.status => last.to = stretch.to,
            _ => out.push(stretch),
        }
    }
    out
}

/// The parts of a lane inside `[from, to)`.
pub fn clip(lane: &[Stretch], from: Timestamp, to: Timestamp) -> impl Iterator<Item = Stretch> + '_ {
    let first = lane.partition_point(|stretch| stretch.to <= from);
    let inside = lane[first..].iter().take_while(move |stretch| stretch.from < to);
    inside.map(move |stretch| Stretch { from: stretch.from.max(from), to: stretch.to.min(to), ..*stretch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Degraded, MajorOutage, Operational, Unknown};

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn lane(stretches: &[(i64, i64, Status)]) -> Vec<Stretch> {
        stretches.iter().map(|(from, to, status)| Stretch { from: at(*from), to: at(*to), status: *status }).collect()
    }

    fn happened(from: i64, to: Option<i64>, impact: Impact) -> Happened {
        Happened { id: Uuid::nil(), title: "x".into(), impact: Some(impact), from: at(from), to: to.map(at), open: to.is_none() }
    }

    #[test]
    fn what_was_read_goes_before_what_the_past_tells() {
        let incidents =
            [happened(10, Some(20), Impact::Critical), happened(15, Some(45), Impact::Minor), happened(50, None, Impact::Major)];
        let changes = [(at(40), Operational), (at(60), Unknown), (at(70), Degraded)];
        let got = declared(&changes, &incidents, at(0), at(80));
        let want = lane(&[
            (0, 10, Unknown),
            (10, 20, MajorOutage),
            (20, 40, Degraded),
            (40, 60, Operational),
            (60, 70, Unknown),
            (70, 80, Degraded),
        ]);
        assert_eq!(got, want);
    }

    #[test]
    fn a_lane_that_nobody_read_is_unknown() {
        assert_eq!(declared(&[], &[], at(0), at(9)), lane(&[(0, 9, Unknown)]));
        let before = [(at(-50), Operational)];
        assert_eq!(declared(&before, &[], at(0), at(9)), lane(&[(0, 9, Operational)]));
    }

    #[test]
    fn clipping_takes_what_is_inside() {
        let all = lane(&[(0, 10, Operational), (10, 20, Degraded), (30, 40, Operational)]);
        let got: Vec<Stretch> = clip(&all, at(5), at(31)).collect();
        assert_eq!(got, lane(&[(5, 10, Operational), (10, 20, Degraded), (30, 31, Operational)]));
        assert_eq!(clip(&all, at(20), at(30)).count(), 0);
    }

    #[test]
    fn incidents_touch_the_days_that_they_lasted() {
        let one = happened(10, Some(20), Impact::Minor);
        for (from, to, want) in [(0, 10, false), (0, 11, true), (12, 15, true), (19, 40, true), (20, 40, false)] {
            assert_eq!(one.touches(at(from), at(to)), want, "{from} {to}");
        }
        let undated = Happened { to: None, open: false, ..one };
        assert!(undated.touches(at(5), at(15)) && !undated.touches(at(11), at(99)));
    }
}
