//! From runs to a state: the fold.
//!
//! [`fold`] takes one run of a check and says what follows: a confirmed change, segments of the timeline that can no
//! longer change, and whether the run must be made durable at once. It keeps these promises:
//!
//! * A change for the worse needs `down_after`, one for the better `up_after`; both are "k of the last n known runs",
//!   and a run that mixes both kinds of worse (or better) confirms the milder step.
//! * The changed state begins with the first run that counted for it. Until it is confirmed that time is *open*: it
//!   gets the new state, or keeps the old one when the run of disagreeing observations breaks off.
//! * A run is evidence until [`Terms::evidence_until`]; from there on the timeline is `unknown` and stays so.
//!   A gap ends neither an outage nor a run.
//! * Segments that were handed out are never changed; only the open one can be.
//! * Time does not run backwards inside a check, whatever the wall clock does.
//!
//! It reads no clock and cannot fail. Whose fault a failure is, is `blame`'s; whom to tell is `routing`'s.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{KofN, Outcome, Reason, Segment, SegmentReason, SeverityCap, State, Terms, Timestamp};

/// What the fold needs of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Wall clock at the start of the run.
    pub at: Timestamp,
    /// CLOCK_BOOTTIME at the start of the run, zero where it is not known: what durations are taken from when the wall clock steps.
    pub boot: Duration,
    pub outcome: Outcome,
    pub reason: Reason,
    pub duration: Duration,
}

/// A known run that is still in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    at: Timestamp,
    boot: Duration,
    /// As what it counts: a run that was overruled or broke off counts as the confirmed state, but keeps its place.
    badness: u8,
    reason: Reason,
    /// The wall clock had gone back, and stood for this check.
    repeated: bool,
}

/// The last run, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    pub at: Timestamp,
    pub outcome: Outcome,
    pub reason: Reason,
    pub duration: Duration,
}

/// A state that was confirmed, and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    pub state: State,
    pub since: Timestamp,
    /// CLOCK_BOOTTIME at `since`.
    pub since_boot: Duration,
    pub reason: Reason,
    /// When it was last confirmed to be `down` no more, by both clocks; later changes do not move it.
    pub down_until: Option<(Timestamp, Duration)>,
}

/// The segment that has begun and not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSegment {
    pub from: Timestamp,
    pub state: State,
    pub reason: SegmentReason,
}

/// A check at one location, as far as its runs tell. Stored as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckState {
    pub first_at: Option<Timestamp>,
    pub last: Option<Last>,
    pub confirmed: Option<Confirmed>,
    pub evidence_until: Option<Timestamp>,
    pub open: Option<OpenSegment>,
    /// When it was paused; the time from then on is `unknown(paused)`.
    pub paused_since: Option<Timestamp>,
    /// Confirmed changes of the last hour, oldest first.
    pub changes: VecDeque<Timestamp>,
    /// The first known run.
    known_since: Option<Timestamp>,
    /// Known runs, oldest first: at most the longest window of the terms.
    window: VecDeque<Seen>,
    /// Unknown time after the settled part of the open segment; its neighbours may still get another label.
    gaps: Vec<Segment>,
    /// The reason of unknown runs since the last known one.
    unknown: Option<Reason>,
}

/// A check's state without what only the fold needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    pub first_at: Option<Timestamp>,
    pub last: Option<Last>,
    pub confirmed: Option<Confirmed>,
    pub evidence_until: Option<Timestamp>,
}

impl Standing {
    /// The state at `now`, by what is confirmed and while there is evidence.
    pub fn state_at(&self, now: Timestamp) -> State {
        match (self.confirmed, self.evidence_until) {
            (Some(confirmed), Some(until)) if now < until => confirmed.state,
            _ => State::Unknown,
        }
    }
}

/// Time in which nobody looked, and why: no daemon ran, the machine slept, the clock stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: SegmentReason,
}

/// A confirmed change of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    pub from: Option<State>,
    pub to: State,
    /// The first run that counted for it.
    pub at: Timestamp,
    pub boot: Duration,
    /// The run that confirmed it.
    pub confirmed_at: Timestamp,
    pub reason: Reason,
}

/// What the stored timeline has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentWrite {
    Open(OpenSegment),
    /// The open segment ends here.
    Close {
        to: Timestamp,
        reason: SegmentReason,
    },
    /// The open segment turns out to be something else from its beginning on.
    Relabel {
        state: State,
        reason: SegmentReason,
    },
    /// Time that was unknown, between two segments.
    Gap(Segment),
}

/// What follows from one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folded {
    pub change: Option<Change>,
    pub segments: Vec<SegmentWrite>,
    /// The run is the first of a run of disagreement: a kill must not lose it.
    pub suspect_begins: bool,
    /// Time turned out to be unknown, and why is known only now: who folds the journal again has no absences.
    pub gap_noted: bool,
}

impl Folded {
    /// Whether this has to be durable within 10 ms, with the state that the fold left behind.
    pub fn is_urgent(&self) -> bool {
        self.change.is_some() || self.suspect_begins || self.gap_noted || !self.segments.is_empty()
    }
}

/// Takes one run into `state`.
pub fn fold(state: &mut CheckState, terms: &Terms, run: &Run, absences: &[Absence]) -> Folded {
    let at = state.last.map_or(run.at, |last| run.at.max(last.at));
    // A journal keeps `at`, so that this has to hold for it as well.
    let repeated = state.last.is_some_and(|last| run.at <= last.at);
    let was_suspect = state.suspect();
    state.first_at.get_or_insert(at);
    state.last = Some(Last { at, outcome: run.outcome, reason: run.reason, duration: run.duration });

    let Some(badness) = badness(run.outcome) else {
        state.unknown = Some(run.reason);
        return Folded::default();
    };
    let gap_noted = state.bridge_or_gap(at, absences);
    state.known_since.get_or_insert(at);
    state.evidence_until = Some(terms.evidence_until(at));
    state.window.push_back(Seen { at, boot: run.boot, badness, reason: run.reason, repeated });
    while state.window.len() > terms.window() {
        state.window.pop_front();
    }

    let mut folded = Folded { gap_noted, ..Folded::default() };
    if let Some(step) = state.step(terms) {
        folded.change = Some(state.confirm(step, at, &mut folded.segments));
    }
    state.settle(terms, &mut folded.segments);
    folded.suspect_begins = !was_suspect && state.suspect();
    folded
}

/// Stops looking at `now` on purpose: what follows is `unknown(paused)` until the next known run.
pub fn pause(state: &mut CheckState, now: Timestamp) {
    let now = state.last.map_or(now, |last| now.max(last.at));
    if state.paused_since.is_none() {
        state.paused_since = Some(now);
        state.evidence_until = state.evidence_until.map(|until| until.min(now));
    }
}

const fn badness(outcome: Outcome) -> Option<u8> {
    match outcome {
        Outcome::Up => Some(0),
        Outcome::Degraded => Some(1),
        Outcome::Down => Some(2),
        Outcome::Unknown => None,
    }
}

/// A confirmation that the window supports: the new state, and the run with which it began.
#[derive(Clone, Copy)]
struct Step {
    to: u8,
    began: Seen,
}

impl CheckState {
    /// How bad the confirmed state is. A check that has none counts as up: that is what a first run that breaks off was.
    fn confirmed_badness(&self) -> u8 {
        self.confirmed.and_then(|c| c.state.badness()).unwrap_or(0)
    }

    /// The last known run disagrees with the confirmed state.
    pub fn suspect(&self) -> bool {
        self.window.back().is_some_and(|last| self.confirmed.is_none() || last.badness != self.confirmed_badness())
    }

    /// What is shown of it.
    pub fn standing(&self) -> Standing {
        Standing { first_at: self.first_at, last: self.last, confirmed: self.confirmed, evidence_until: self.evidence_until }
    }

    /// The state at `now`, by what is confirmed and while there is evidence.
    pub fn state_at(&self, now: Timestamp) -> State {
        self.standing().state_at(now)
    }

    /// From here on the timeline may still get another label: the start of the oldest unconfirmed run, else the last run.
    pub fn settled_until(&self, terms: &Terms) -> Option<Timestamp> {
        if self.confirmed.is_none() {
            return self.first_at;
        }
        self.open_run(terms).map(|run| self.window[run].at).or(self.last.map(|last| last.at))
    }

    /// More than `flap_changes` changes in the hour before the last one, which is less than 15 minutes ago.
    pub fn flapping(&self, flap_changes: u32, now: Timestamp) -> bool {
        const CALM_AFTER: Duration = Duration::from_secs(15 * 60);
        flap_changes > 0
            && self.changes.len() > flap_changes as usize
            && self.changes.back().is_some_and(|last| now.since(*last) < CALM_AFTER)
    }

    /// Notes the unknown time between the end of the last evidence and `at`. Returns whether there is any.
    fn bridge_or_gap(&mut self, at: Timestamp, absences: &[Absence]) -> bool {
        let known_until = self.evidence_until.or(self.first_at).unwrap_or(at).min(at);
        let paused_at = self.paused_since.map_or(at, |paused| paused.clamp(known_until, at));
        let reason = self.gap_reason(known_until, paused_at, absences);
        for (from, to, reason) in [(known_until, paused_at, reason), (paused_at, at, SegmentReason::Paused)] {
            if from < to {
                self.gaps.push(Segment { from, to, state: State::Unknown, reason });
            }
        }
        self.unknown = None;
        self.paused_since = None;
        known_until < at
    }

    fn gap_reason(&self, from: Timestamp, to: Timestamp, absences: &[Absence]) -> SegmentReason {
        if let Some(reason) = self.unknown {
            return SegmentReason::Seen(reason);
        }
        absences.iter().rev().find(|a| a.from < to && a.to > from).map_or(SegmentReason::NoObservation, |a| a.reason)
    }

    /// The last `n` known runs, newest first.
    fn latest(&self, n: u8) -> impl Iterator<Item = &Seen> {
        self.window.iter().rev().take(usize::from(n))
    }

    /// The change that the window confirms, if any.
    fn step(&self, terms: &Terms) -> Option<Step> {
        let now = self.confirmed_badness();
        let worse = (now + 1..=2).rev().find_map(|to| {
            let (k, n) = (terms.down_after.k, terms.down_after.n);
            self.oldest_of(k, n, |seen| seen.badness >= to).map(|began| Step { to, began })
        });
        let better = || {
            (0..now).find_map(|to| {
                let (k, n) = (terms.up_after.k, terms.up_after.n);
                self.oldest_of(k, n, |seen| seen.badness <= to).map(|began| Step { to, began })
            })
        };
        worse.or_else(better).or_else(|| self.first_good())
    }

    /// A good run confirms a check that has no state at once, from its first known run on.
    fn first_good(&self) -> Option<Step> {
        let good = self.confirmed.is_none() && self.window.back()?.badness == 0;
        good.then(|| Step { to: 0, began: self.window[0] })
    }

    /// The oldest of the last `n` runs that count, if the last one and at least `k` of them do.
    fn oldest_of(&self, k: u8, n: u8, counts: impl Fn(&Seen) -> bool) -> Option<Seen> {
        // After a change of the terms the runs before might be enough: even so the last one must not confirm its opposite.
        self.window.back().filter(|last| counts(last))?;
        let counted = self.latest(n).filter(|seen| counts(seen));
        let (number, oldest) = counted.fold((0, None), |(number, _), seen| (number + 1, Some(*seen)));
        oldest.filter(|_| number >= k)
    }

    /// Makes `step` the confirmed state and labels the time since it began.
    fn confirm(&mut self, step: Step, now: Timestamp, out: &mut Vec<SegmentWrite>) -> Change {
        let state = State::from_badness(step.to);
        let reason = step.began.reason;
        let seen = if step.began.repeated { SegmentReason::Clock } else { SegmentReason::Seen(reason) };
        let fresh = self.open.is_none();
        // The time of a first run, until its outcome is known.
        let first =
            OpenSegment { from: self.known_since.unwrap_or(step.began.at), state: State::Up, reason: SegmentReason::Seen(Reason::Ok) };
        let open = *self.open.get_or_insert(first);
        self.write_gaps_until(step.began.at, fresh, out);
        self.label(step.began.at, state, seen, fresh && open.from >= step.began.at, out);

        let from = self.confirmed.map(|c| c.state);
        let recovered = from == Some(State::Down);
        let down_until = if recovered { Some((step.began.at, step.began.boot)) } else { self.confirmed.and_then(|c| c.down_until) };
        self.confirmed = Some(Confirmed { state, since: step.began.at, since_boot: step.began.boot, reason, down_until });
        // What was overruled must not count for the way back.
        let worse = step.to > from.and_then(State::badness).unwrap_or(0);
        for s in &mut self.window {
            s.badness = if worse { s.badness.max(step.to) } else { s.badness.min(step.to) };
        }
        if from.is_some() {
            self.remember_change(now);
        }
        Change { from, to: state, at: step.began.at, boot: step.began.boot, confirmed_at: now, reason }
    }

    fn remember_change(&mut self, now: Timestamp) {
        const FLAP_WINDOW: Duration = Duration::from_secs(3600);
        // More are never compared with: `flap_changes` is capped at this by the configuration.
        const CHANGES_MAX: usize = 1000;
        self.changes.push_back(now);
        while self.changes.len() > CHANGES_MAX || self.changes.front().is_some_and(|c| now.since(*c) >= FLAP_WINDOW) {
            self.changes.pop_front();
        }
    }

    /// Begins a segment at `at`; if the open one began no earlier, it is relabelled instead.
    fn label(&mut self, at: Timestamp, state: State, reason: SegmentReason, unwritten: bool, out: &mut Vec<SegmentWrite>) {
        let Some(open) = self.open else { return };
        if at > open.from {
            if open.state == state {
                return;
            }
            let close_reason = if reason == SegmentReason::Clock { reason } else { open.reason };
            out.push(SegmentWrite::Close { to: at, reason: close_reason });
            let next = OpenSegment { from: at, state, reason };
            self.open = Some(next);
            out.push(SegmentWrite::Open(next));
        } else {
            let next = OpenSegment { from: open.from, state, reason };
            self.open = Some(next);
            out.push(if unwritten { SegmentWrite::Open(next) } else { SegmentWrite::Relabel { state, reason } });
        }
    }

    /// Writes the unknown time before `until` into the timeline.
    fn write_gaps_until(&mut self, until: Timestamp, unwritten: bool, out: &mut Vec<SegmentWrite>) {
        if let (true, Some(open)) = (unwritten, self.open)
            && open.from < until
        {
            out.push(SegmentWrite::Open(open));
        }
        let settled = self.gaps.iter().take_while(|gap| gap.to <= until).count();
        for gap in self.gaps.drain(..settled).collect::<Vec<_>>() {
            let Some(open) = self.open else { continue };
            if gap.to <= open.from {
                out.push(SegmentWrite::Gap(gap));
                continue;
            }
            let next = OpenSegment { from: gap.to, ..open };
            self.open = Some(next);
            if gap.from > open.from {
                out.extend([SegmentWrite::Close { to: gap.from, reason: open.reason }, SegmentWrite::Gap(gap)]);
            } else {
                // Nothing was known of the open segment after all: it was paused at its first instant.
                let reason = gap.reason;
                out.extend([SegmentWrite::Relabel { state: gap.state, reason }, SegmentWrite::Close { to: gap.to, reason }]);
            }
            out.push(SegmentWrite::Open(next));
        }
    }

    /// Hands out what can no longer change. Runs that broke off never count again, also when the terms change.
    fn settle(&mut self, terms: &Terms, out: &mut Vec<SegmentWrite>) {
        let (Some(_), Some(last)) = (self.open, self.window.back()) else { return };
        let run = self.open_run(terms);
        let until = run.map_or(last.at, |run| self.window[run].at);
        let (now, settled) = (self.confirmed_badness(), run.unwrap_or(self.window.len()));
        self.window.iter_mut().take(settled).for_each(|seen| seen.badness = now);
        self.write_gaps_until(until, false, out);
    }

    /// The machine was booted again: its clock of then says nothing now.
    pub fn forget_boot_clock(&mut self) {
        self.window.iter_mut().for_each(|seen| seen.boot = Duration::ZERO);
        if let Some(confirmed) = &mut self.confirmed {
            confirmed.since_boot = Duration::ZERO;
            confirmed.down_until = confirmed.down_until.map(|(until, _)| (until, Duration::ZERO));
        }
    }

    /// Place in the window of the oldest run that may still be confirmed as another state.
    fn open_run(&self, terms: &Terms) -> Option<usize> {
        let now = self.confirmed_badness();
        let worse = self.feasible(terms.down_after, |seen| seen.badness > now);
        let better = self.feasible(terms.up_after, |seen| seen.badness < now);
        worse.into_iter().chain(better).min()
    }

    /// The oldest run that counts and could still be one of k of n, if all that follow counted too.
    fn feasible(&self, KofN { k, n }: KofN, counts: impl Fn(&Seen) -> bool) -> Option<usize> {
        let newest = self.window.len().checked_sub(1)?;
        let counted = self.latest(n).enumerate().filter(|(_, seen)| counts(seen)).map(|(newer, _)| newer);
        let could = |(others, newer): &(usize, usize)| others + 1 + (usize::from(n) - 1 - newer) >= usize::from(k);
        counted.enumerate().filter(could).last().map(|(_, newer)| newest - newer)
    }

    /// The timeline from the open segment (or the first run) to `now`. `late` is the reason of unknown time that no run explains.
    pub fn tail(&self, now: Timestamp, late: SegmentReason) -> Vec<Segment> {
        let Some(begin) = self.open.map(|open| open.from).or(self.first_at) else { return Vec::new() };
        let label = self.open.unwrap_or(OpenSegment { from: begin, state: State::Unknown, reason: SegmentReason::NoObservation });
        let known_until = self.evidence_until.unwrap_or(begin).min(now);
        let mut out = Vec::new();
        let mut from = begin;
        let mut push = |from: Timestamp, to: Timestamp, state, reason| {
            if from < to {
                out.push(Segment { from, to, state, reason });
            }
        };
        for gap in &self.gaps {
            push(from, gap.from.min(now), label.state, label.reason);
            push(gap.from.max(begin), gap.to.min(now), gap.state, gap.reason);
            from = gap.to.max(begin);
        }
        push(from, known_until, label.state, label.reason);
        let late_from = known_until.max(from);
        let paused_at = self.paused_since.map_or(now, |paused| paused.clamp(late_from, now.max(late_from)));
        push(late_from, paused_at, State::Unknown, self.unknown.map_or(late, SegmentReason::Seen));
        push(paused_at, now, State::Unknown, SegmentReason::Paused);
        out
    }

    /// Why nothing is known at present.
    pub fn late_reason(&self, otherwise: SegmentReason) -> SegmentReason {
        match (self.paused_since, self.unknown) {
            (Some(_), _) => SegmentReason::Paused,
            (None, Some(reason)) => SegmentReason::Seen(reason),
            (None, None) => otherwise,
        }
    }
}

/// What a check gives its vendor.
pub const fn capped(state: State, severity: SeverityCap) -> Option<State> {
    match (state, severity) {
        (_, SeverityCap::None) => None,
        (State::Down, SeverityCap::Degraded) => Some(State::Degraded),
        (state, _) => Some(state),
    }
}

/// The state of a vendor from the states that its checks give it: the worst of the known ones;
/// `up` only if all are known and up; `None` if nothing counts.
pub fn vendor_state(given: impl IntoIterator<Item = State>) -> Option<State> {
    given.into_iter().reduce(|a, b| match (a, b) {
        (State::Down, _) | (_, State::Down) => State::Down,
        (State::Degraded, _) | (_, State::Degraded) => State::Degraded,
        (State::Unknown, _) | (_, State::Unknown) => State::Unknown,
        (State::Up, State::Up) => State::Up,
    })
}

#[cfg(test)]
mod tests;
