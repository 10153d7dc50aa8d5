//! Arithmetic over timelines against a naive oracle that looks at every second.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use super::{at, seg};

const SECONDS: i64 = 120;

fn state() -> impl Strategy<Value = State> {
    prop_oneof![3 => Just(State::Up), 1 => Just(State::Degraded), 2 => Just(State::Down), 1 => Just(State::Unknown)]
}

/// Without hole or overlap, somewhere in the first two minutes.
fn timeline() -> impl Strategy<Value = Vec<Segment>> {
    (0..40i64, vec((1..20i64, state()), 0..8)).prop_map(|(begin, parts)| {
        let mut from = begin;
        let next = |(length, state): (i64, State)| {
            from += length;
            seg(from - length, from, state)
        };
        parts.into_iter().map(next).collect()
    })
}

fn severity() -> impl Strategy<Value = Option<SeverityCap>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(SeverityCap::None)), 1 => Just(Some(SeverityCap::Degraded)), 3 => Just(Some(SeverityCap::Down))]
}

fn part() -> impl Strategy<Value = Part> {
    (timeline(), vec((0..SECONDS, severity()), 1..5)).prop_map(|(timeline, mut weights)| {
        weights.sort_by_key(|(from, _)| *from);
        Part { timeline, weights: weights.into_iter().map(|(from, severity)| Weight { from: at(from), severity }).collect() }
    })
}

fn state_in(segments: &[Segment], second: i64) -> Option<State> {
    segments.iter().find(|s| s.from <= at(second) && at(second) < s.to).map(|s| s.state)
}

/// The weight in force, and the first one also before it began.
fn gives(part: &Part, second: i64) -> Option<State> {
    let weight = part.weights.iter().rev().find(|w| w.from <= at(second)).unwrap_or(&part.weights[0]);
    match (state_in(&part.timeline, second)?, weight.severity?) {
        (_, SeverityCap::None) => None,
        (State::Down, SeverityCap::Degraded) => Some(State::Degraded),
        (state, _) => Some(state),
    }
}

fn of_vendor(parts: &[Part], second: i64) -> Option<State> {
    let given: Vec<State> = parts.iter().filter_map(|p| gives(p, second)).collect();
    [State::Down, State::Degraded, State::Unknown, State::Up].into_iter().find(|state| given.contains(state))
}

fn ordered(a: &Availability) -> bool {
    0.0 <= a.low && a.low <= a.point && a.point <= a.high && a.high <= 1.0 && 0.0 <= a.coverage && a.coverage <= 1.0
}

proptest! {
    #[test]
    fn a_vendor_is_what_its_checks_are_in_every_second(parts in vec(part(), 0..=5)) {
        let combined = combine(&parts);
        prop_assert!(combined.windows(2).all(|s| s[0].to == s[1].from), "hole or overlap: {:?}", combined);
        prop_assert!(combined.iter().all(|s| s.from < s.to));
        let want: Vec<Option<State>> = (0..2 * SECONDS).map(|second| of_vendor(&parts, second)).collect();
        let (first, last) = (want.iter().position(Option::is_some), want.iter().rposition(Option::is_some));
        for (second, want) in want.iter().enumerate() {
            let inside = first.is_some_and(|first| first <= second) && last.is_some_and(|last| second <= last);
            let want = if inside { want.or(Some(State::Unknown)) } else { None };
            prop_assert_eq!(state_in(&combined, second as i64), want, "second {}", second);
        }
        prop_assert_eq!(merge(combined.clone()), combined);
    }

    #[test]
    fn a_window_is_the_sum_of_its_parts(timeline in timeline(), mut cuts in [0..2 * SECONDS, 0..2 * SECONDS, 0..2 * SECONDS]) {
        cuts.sort_unstable();
        let tally = |from, to| Tally::of(&clip(&timeline, at(from), at(to)));
        let [from, between, to] = cuts;
        prop_assert_eq!(tally(from, between).plus(tally(between, to)), tally(from, to));
        let covered = (from..to).filter(|s| state_in(&timeline, *s).is_some()).count() as i64;
        prop_assert_eq!(tally(from, to).total(), 1000 * covered);
        let down = (from..to).filter(|s| state_in(&timeline, *s) == Some(State::Down)).count() as i64;
        prop_assert_eq!(tally(from, to).down, 1000 * down);
        prop_assert_eq!(Tally::of(&merge(timeline.clone())), Tally::of(&timeline));
    }

    #[test]
    fn bounds_hold(up in 0..10_000_000_000i64, degraded in 0..10_000_000i64, down in 0..10_000_000i64, unknown in 0..10_000_000_000i64,
                   more in 1..10_000_000i64, weight in 0.0..=1.0f64, objective in 0.9..=1.0f64) {
        let tally = Tally { up, degraded, down, unknown };
        let Some(a) = availability(&tally, weight) else { return Ok(()) };
        prop_assert!(ordered(&a), "{:?}", a);
        let wider = availability(&Tally { unknown: unknown + more, ..tally }, weight).unwrap();
        prop_assert!(wider.low <= a.low && wider.high >= a.high && wider.coverage < a.coverage && wider.point == a.point);
        // A verdict only becomes inconclusive, never its opposite.
        let (before, after) = (verdict(Some(&a), objective), verdict(Some(&wider), objective));
        prop_assert!(before == after || after == Verdict::Inconclusive);
    }

    #[test]
    fn percent_never_flatters(ratio in prop_oneof![0.0..=1.0f64, 0.999..=1.0f64, (0..=20u32).prop_map(|n| 1.0 - f64::EPSILON * f64::from(n))],
                              decimals in 0..=6u32) {
        let number = |round| percent(ratio, decimals, round).trim_end_matches(" %").parse::<f64>().unwrap();
        let (low, high) = (number(Round::Down), number(Round::Up));
        let unit = 10f64.powi(-(decimals as i32));
        prop_assert!(low <= ratio * 100.0 + 1e-9 && (high >= ratio * 100.0 - 1e-9 || ratio > 1.0 - unit / 100.0));
        prop_assert!(low <= high && high - low <= unit * 1.000_001);
        prop_assert_eq!(ratio < 1.0, high < 100.0);
        prop_assert!(ratio < 1.0 || low == 100.0);
    }
}
