//! The fold against a naive oracle that keeps everything and labels time tick by tick.
//!
//! What it holds to be true, in words of its own:
//!
//! * Known runs are judged in order of arrival. A run confirms the worst `r` above the confirmed state such that it is
//!   itself at least that bad and so are `k` of the last `n`; else the best `r` below it, likewise; else, while there is
//!   no state, a good run confirms `up` from the first known run on. The state begins with the oldest of the `n` that counts.
//! * A run that a confirmation overruled counts as that state from then on. A run that can no longer be one of `k` of `n`,
//!   whatever comes, has broken off and counts as the confirmed state. Runs outside the longest window are forgotten.
//! * A tick is known if the latest known run that began no later is still evidence then. Its label is that of the latest
//!   confirmation that began no later.
//! * An unknown tick is `paused` from a pause to the next known run; else it has the reason of the last unknown run since
//!   the last known one; else that of an absence that touches the gap.
//!
//! All times are multiples of a tick, and nothing in the fold depends on their size.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::{Shown, reason_of};

const TICK_MS: i64 = 5_000;

fn at(tick: i64) -> Timestamp {
    Timestamp::from_millis(tick * TICK_MS)
}

fn tick(at: Timestamp) -> i64 {
    assert_eq!(at.as_millis() % TICK_MS, 0);
    at.as_millis() / TICK_MS
}

/// What happens to a check; each first lets the wall clock move on by some ticks.
#[derive(Clone, Copy, Debug)]
enum Event {
    Run(i64, Outcome),
    Absent(i64, bool),
    Pause(i64),
    Terms(i64, usize),
    Restart,
}

fn moves() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..6i64, 2 => 6..60i64, 1 => -30..0i64]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![5 => Just(Outcome::Up), 4 => Just(Outcome::Down), 2 => Just(Outcome::Degraded), 1 => Just(Outcome::Unknown)]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => (moves(), outcome()).prop_map(|(by, o)| Event::Run(by, o)),
        1 => (1..200i64, any::<bool>()).prop_map(|(by, slept)| Event::Absent(by, slept)),
        1 => moves().prop_map(Event::Pause),
        1 => (moves(), 0..3usize).prop_map(|(by, n)| Event::Terms(by, n)),
        1 => Just(Event::Restart),
    ]
}

fn runs() -> impl Strategy<Value = KofN> {
    (1..=5u8).prop_flat_map(|n| (1..=n).prop_map(move |k| KofN { k, n }))
}

fn terms() -> impl Strategy<Value = Terms> {
    (1..=8u64, 1..=2u64, runs(), runs()).prop_map(|(interval, timeout, down_after, up_after)| Terms {
        interval: Duration::from_secs(5 * interval),
        timeout: Duration::from_secs(5 * timeout),
        retry_interval: Duration::from_secs(5),
        down_after,
        up_after,
        severity: SeverityCap::Down,
        enabled: true,
    })
}

/// Everything that ever happened, in order of arrival.
enum Past {
    Known { at: i64, until: i64, absences: usize },
    Unknown(Reason),
    Paused(i64),
}

#[derive(Default)]
struct Oracle {
    past: Vec<Past>,
    first_at: Option<i64>,
    last_at: i64,
    /// Known runs: when, and as what they count.
    judged: Vec<(i64, u8)>,
    forgotten: usize,
    confirmed: Option<u8>,
    /// Confirmations in order: from when on, which state.
    painted: Vec<(i64, State)>,
}

impl Oracle {
    fn run(&mut self, now: i64, outcome: Outcome, terms: &Terms, absences: usize) {
        let at = if self.first_at.is_some() { now.max(self.last_at) } else { now };
        self.first_at.get_or_insert(at);
        self.last_at = at;
        let Some(badness) = badness(outcome) else { return self.past.push(Past::Unknown(reason_of(outcome))) };
        let until = tick(terms.evidence_until(self::at(at)));
        self.past.push(Past::Known { at, until, absences });
        self.judged.push((at, badness));
        self.forgotten = self.forgotten.max(self.judged.len().saturating_sub(terms.window()));
        self.confirm(badness, terms);
        self.break_off(terms);
    }

    fn pause(&mut self, now: i64) {
        let now = if self.first_at.is_some() { now.max(self.last_at) } else { now };
        let paused = self.past.iter().rev().take_while(|p| !matches!(p, Past::Known { .. })).any(|p| matches!(p, Past::Paused(_)));
        if !paused {
            self.past.push(Past::Paused(now));
        }
    }

    fn confirm(&mut self, badness: u8, terms: &Terms) {
        let now = self.confirmed.unwrap_or(0);
        let worse = (now + 1..=badness).rev().find_map(|r| Some((r, self.began(terms.down_after, |b| b >= r)?)));
        let better = (badness..now).find_map(|r| Some((r, self.began(terms.up_after, |b| b <= r)?)));
        let first = (self.confirmed.is_none() && badness == 0).then(|| (0, self.judged[0].0));
        let Some((to, began)) = worse.or(better).or(first) else { return };
        if self.confirmed.is_none() {
            self.painted.push((i64::MIN, State::Up));
        }
        for (_, b) in &mut self.judged {
            *b = if to > now { (*b).max(to) } else { (*b).min(to) };
        }
        self.confirmed = Some(to);
        self.painted.push((began, State::from_badness(to)));
    }

    fn began(&self, KofN { k, n }: KofN, counts: impl Fn(u8) -> bool) -> Option<i64> {
        let known = &self.judged[self.forgotten..];
        let last = &known[known.len().saturating_sub(n.into())..];
        let counted: Vec<i64> = last.iter().filter(|(_, b)| counts(*b)).map(|(at, _)| *at).collect();
        (counted.len() >= k.into()).then(|| counted[0])
    }

    /// Tries every future: only runs of one kind, as many as the window holds.
    fn break_off(&mut self, terms: &Terms) {
        let Some(now) = self.confirmed else { return };
        let known = self.judged.len();
        let hopeful = |run: usize| {
            let badness = self.judged[run].1;
            let counts = |b: u8| if badness > now { b > now } else { b < now };
            let KofN { k, n } = if badness > now { terms.down_after } else { terms.up_after };
            badness != now
                && (0..usize::from(n)).any(|more| {
                    let start = (known + more).saturating_sub(n.into()).max(self.forgotten);
                    run >= start && self.judged[start..].iter().filter(|(_, b)| counts(*b)).count() + more >= k.into()
                })
        };
        let open = (0..known).find(|run| hopeful(*run)).unwrap_or(known);
        self.judged[..open].iter_mut().for_each(|(_, b)| *b = now);
    }

    fn label(&self, t: i64, now: i64, absences: &[Absence]) -> (State, Option<SegmentReason>) {
        let before = self.past.iter().rposition(|p| matches!(p, Past::Known { at, .. } if *at <= t));
        let between = before.map_or(0, |p| p + 1);
        let next = self.past[between..].iter().position(|p| matches!(p, Past::Known { .. })).map(|n| between + n);
        let since = &self.past[between..next.unwrap_or(self.past.len())];
        let paused = since.iter().find_map(|p| if let Past::Paused(at) = p { Some(*at) } else { None }).unwrap_or(i64::MAX);
        let known_until = before.map_or(self.first_at.unwrap(), |p| if let Past::Known { until, .. } = self.past[p] { until } else { 0 });
        if before.is_some() && t < known_until.min(paused) {
            let state = self.painted.iter().rev().find(|(from, _)| *from <= t).map(|(_, state)| *state);
            return (state.unwrap_or(State::Unknown), state.is_none().then_some(SegmentReason::NoObservation));
        }
        let unknown = since.iter().rev().find_map(|p| if let Past::Unknown(reason) = p { Some(*reason) } else { None });
        let reason = match (t >= paused, unknown, next.map(|n| &self.past[n])) {
            (true, ..) => SegmentReason::Paused,
            (_, Some(reason), _) => SegmentReason::Seen(reason),
            (_, _, Some(Past::Known { at, absences: heard, .. })) => {
                let end = (*at).min(paused).min(now);
                let touches = |a: &&Absence| tick(a.from) < end && tick(a.to) > known_until;
                absences[..*heard].iter().rev().find(touches).map_or(SegmentReason::NoObservation, |a| a.reason)
            }
            _ => SegmentReason::NoObservation,
        };
        (State::Unknown, Some(reason))
    }
}

/// A check under test beside its oracle.
struct Pair {
    terms: Vec<Terms>,
    in_force: usize,
    state: CheckState,
    shown: Shown,
    oracle: Oracle,
    absences: Vec<Absence>,
    clock: i64,
}

impl Pair {
    fn step(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Run(by, outcome) => {
                self.clock += by;
                self.compare()?;
                self.run(outcome)?;
            }
            Event::Absent(by, slept) => {
                let reason = if slept { SegmentReason::Clock } else { SegmentReason::MonitorDown };
                self.absences.push(Absence { from: at(self.clock), to: at(self.clock + by), reason });
                self.clock += by;
            }
            Event::Pause(by) => {
                self.clock += by;
                pause(&mut self.state, at(self.clock));
                self.oracle.pause(self.clock);
            }
            Event::Terms(by, n) => {
                self.clock += by;
                self.in_force = n;
            }
            Event::Restart => {
                let stored = serde_json::to_string(&self.state).unwrap();
                let read: CheckState = serde_json::from_str(&stored).unwrap();
                prop_assert_eq!(&read, &self.state);
                self.state = read;
            }
        }
        self.compare()
    }

    fn run(&mut self, outcome: Outcome) -> Result<(), TestCaseError> {
        let terms = &self.terms[self.in_force];
        let run = Run { at: at(self.clock), boot: Duration::from_secs(1), outcome, reason: reason_of(outcome), duration: Duration::ZERO };
        let settled = self.state.settled_until(terms).map(tick);
        let now = self.now();
        let before = self.ticks(now);
        let folded = fold(&mut self.state, terms, &run, &self.absences);
        folded.segments.iter().for_each(|write| self.shown.apply(write));
        prop_assert_eq!(self.shown.open, self.state.open);
        self.oracle.run(self.clock, outcome, terms, self.absences.len());
        if let (Some(settled), Some(first)) = (settled, self.oracle.first_at) {
            let count = (settled - first) as usize;
            let after = self.ticks(self.now());
            let states = |ticks: &[(State, Option<SegmentReason>)]| ticks.iter().take(count).map(|(state, _)| *state).collect::<Vec<_>>();
            prop_assert_eq!(states(&before), states(&after), "settled time was taken back");
        }
        Ok(())
    }

    /// Inside a check time does not run backwards.
    fn now(&self) -> i64 {
        self.clock.max(self.oracle.last_at)
    }

    /// State, and reason where it is unknown, of each tick since the first run.
    fn ticks(&self, now: i64) -> Vec<(State, Option<SegmentReason>)> {
        let segments = self.shown.until(&self.state, at(now));
        let label = |s: &Segment| (s.state, (s.state == State::Unknown).then_some(s.reason));
        segments.iter().flat_map(|s| std::iter::repeat_n(label(s), (tick(s.to) - tick(s.from)) as usize)).collect()
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let Some(first) = self.oracle.first_at else { return Ok(()) };
        let now = self.now();
        let segments = self.shown.until(&self.state, at(now));
        prop_assert!(segments.iter().all(|s| s.from < s.to), "empty segment: {:?}", segments);
        prop_assert!(segments.windows(2).all(|s| s[0].to == s[1].from), "hole or overlap: {:?}", segments);
        if let (Some(begin), Some(end)) = (segments.first(), segments.last()) {
            prop_assert_eq!((begin.from, end.to), (at(first), at(now)), "it does not fill the time: {:?}", segments);
        }
        let want: Vec<_> = (first..now).map(|t| self.oracle.label(t, now, &self.absences)).collect();
        prop_assert_eq!(self.ticks(now), want, "at tick {}", now);
        prop_assert_eq!(self.state.state_at(at(now)), self.oracle.label(now, now + 1, &self.absences).0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_timeline_is_what_the_definition_says(terms in vec(terms(), 3), events in vec(event(), 1..50)) {
        let (state, shown, oracle) = <(CheckState, Shown, Oracle)>::default();
        let mut pair = Pair { terms, in_force: 0, state, shown, oracle, absences: Vec::new(), clock: 1000 };
        for event in events {
            pair.step(event)?;
        }
    }
}
