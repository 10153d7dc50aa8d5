//! Looks of another monitor, and what can be told of the time of which it kept only sums.
//!
//! A sum says how many looks of an hour or day were good; changes say when it went down and up. Together they are drawn as
//! looks at an even distance. Where changes do not say which of the looks failed, nothing is drawn: that time is unknown.

use std::time::Duration;

use crate::model::{Outcome, Reason, Timestamp};

/// One look of theirs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Looked {
    pub at: Timestamp,
    pub latency_us: u32,
    /// Seconds to the next one, of what was drawn; 0: a look that was kept.
    pub every: u32,
    pub outcome: Outcome,
    pub reason: Reason,
    /// It needs no others like it: the other monitor had confirmed it.
    pub confirmed: bool,
    /// It stands for a sum.
    pub drawn: bool,
}

impl Looked {
    pub fn took(self) -> Duration {
        Duration::from_micros(self.latency_us.into())
    }
}

/// How many looks of a stretch of time were good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum {
    pub from: Timestamp,
    pub lasting: Duration,
    pub good: u64,
    pub bad: u64,
    /// Of the good ones.
    pub latency: Duration,
}

/// Of one monitor.
#[derive(Default)]
pub struct Kept {
    /// Single looks, oldest first.
    pub looks: Vec<Looked>,
    /// When it was confirmed to be good (`true`) or bad, oldest first.
    pub changes: Vec<(Timestamp, bool)>,
    /// Oldest first, without overlap.
    pub sums: Vec<Sum>,
}

/// Everything that can be told of a monitor, and how many looks are left of which nothing can.
pub fn told(kept: Kept) -> (Vec<Looked>, u64) {
    let Kept { mut looks, changes, sums } = kept;
    let usual = usual(&sums);
    let mut drawn = Vec::new();
    let mut unclear = 0;
    for sum in &sums {
        let inside = looks.partition_point(|look| look.at < sum.from)..looks.partition_point(|look| look.at < sum.from + sum.lasting);
        // Most of its looks are there themselves.
        if inside.len() as u64 * 2 >= sum.good + sum.bad {
            continue;
        }
        let mut drawing = Drawing::of(sum, &changes, usual(sum.lasting));
        drawing.add_changes(sum, &changes);
        let kept = &mut looks[inside];
        drawing.looks.retain(|look| kept.binary_search_by_key(&look.at, |kept| kept.at).is_err());
        for look in kept {
            (look.every, look.confirmed) = (drawing.every, true);
        }
        unclear += drawing.unclear;
        drawn.append(&mut drawing.looks);
    }
    looks.append(&mut drawn);
    looks.sort_by_key(|look| look.at);
    (looks, unclear)
}

/// How many looks a stretch of some length has as a rule: the median.
fn usual(sums: &[Sum]) -> impl Fn(Duration) -> u64 {
    let numbers = |lasting: Duration| {
        let mut numbers: Vec<u64> = sums.iter().filter(|sum| sum.lasting == lasting).map(|sum| sum.good + sum.bad).collect();
        numbers.sort_unstable();
        numbers.get(numbers.len() / 2).copied().unwrap_or(1).max(1)
    };
    let all: std::collections::BTreeMap<Duration, u64> =
        sums.iter().map(|sum| sum.lasting).map(|lasting| (lasting, numbers(lasting))).collect();
    move |lasting| all.get(&lasting).copied().unwrap_or(1)
}

struct Drawing {
    looks: Vec<Looked>,
    every: u32,
    unclear: u64,
}

impl Drawing {
    /// An hour is drawn every five minutes and a day every hour, less where fewer looks took place than usual.
    fn of(sum: &Sum, changes: &[(Timestamp, bool)], usual: u64) -> Drawing {
        const HOUR: Duration = Duration::from_secs(3600);
        let most = if sum.lasting > HOUR { sum.lasting.as_secs() / 3600 } else { 12 };
        let every = sum.lasting / most.min(usual).max(1) as u32;
        let took_place = (sum.good + sum.bad).min(usual);
        let number = (most.min(usual) * took_place).div_ceil(usual).max(1);
        let mut drawing = Drawing { looks: Vec::new(), every: every.as_secs().max(1) as u32, unclear: 0 };
        let mut left_out = 0;
        for n in 0..number {
            let at = sum.from + sum.lasting.mul_f64(n as f64 / number as f64);
            match is_good(sum, changes, at) {
                Some(good) => drawing.looks.push(drawing.look(sum, at, good)),
                None => left_out += 1,
            }
        }
        drawing.unclear = (sum.good + sum.bad) * left_out / number;
        drawing
    }

    /// When it changed is known better than that it had by the next look.
    fn add_changes(&mut self, sum: &Sum, changes: &[(Timestamp, bool)]) {
        if sum.bad == 0 || sum.good == 0 {
            return;
        }
        let inside = changes.iter().filter(|(at, _)| (sum.from..sum.from + sum.lasting).contains(at));
        let looks: Vec<Looked> = inside.map(|(at, good)| self.look(sum, *at, *good)).collect();
        self.looks.retain(|look| !looks.iter().any(|change| change.at == look.at));
        self.looks.extend(looks);
    }

    fn look(&self, sum: &Sum, at: Timestamp, good: bool) -> Looked {
        let (outcome, reason) = if good { (Outcome::Up, Reason::Ok) } else { (Outcome::Down, Reason::Expectation) };
        let latency_us = if good { micros(sum.latency) } else { 0 };
        Looked { at, latency_us, every: self.every, outcome, reason, confirmed: true, drawn: true }
    }
}

fn is_good(sum: &Sum, changes: &[(Timestamp, bool)], at: Timestamp) -> Option<bool> {
    if sum.bad == 0 || sum.good == 0 {
        return Some(sum.bad == 0);
    }
    let next = changes.partition_point(|(change, _)| *change <= at);
    let before = next.checked_sub(1).map(|last| changes[last].1);
    // Before a change it was the other way round.
    let after = changes.get(next).filter(|(change, _)| *change < sum.from + sum.lasting).map(|(_, good)| !good);
    // Without a change inside, the sum contradicts what was before.
    let changed_inside = changes.iter().any(|(change, _)| (sum.from..sum.from + sum.lasting).contains(change));
    before.or(after).filter(|_| changed_inside)
}

pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * 60_000)
    }

    fn sum(hour: i64, good: u64, bad: u64) -> Sum {
        Sum { from: at(hour * 60), lasting: HOUR, good, bad, latency: Duration::from_millis(80) }
    }

    fn shown(looks: &[Looked]) -> String {
        looks.iter().map(|look| if look.outcome == Outcome::Up { '+' } else { '-' }).collect()
    }

    #[test]
    fn sums_are_drawn_by_what_changed() {
        let changes = vec![(at(90), false), (at(130), true)];
        let kept =
            Kept { looks: Vec::new(), changes, sums: vec![sum(0, 60, 0), sum(1, 30, 30), sum(2, 50, 10), sum(3, 59, 1), sum(4, 0, 60)] };
        let (looks, unclear) = told(kept);
        assert_eq!(shown(&looks), "++++++++++++++++++--------++++++++++------------");
        let first_bad = looks.iter().find(|look| look.outcome == Outcome::Down).map(|look| look.at);
        assert_eq!(first_bad, Some(at(90)));
        assert_eq!((unclear, looks[0].every, looks[0].confirmed, looks[0].latency_us), (60, 300, true, 80_000));
    }

    #[test]
    fn what_was_kept_itself_is_not_drawn() {
        let look = |minute| Looked {
            at: at(minute),
            latency_us: 1,
            every: 0,
            outcome: Outcome::Up,
            reason: Reason::Ok,
            confirmed: false,
            drawn: false,
        };
        let kept = Kept { looks: (0..60).map(look).collect(), changes: Vec::new(), sums: vec![sum(0, 60, 0), sum(1, 60, 0)] };
        let (looks, _) = told(kept);
        assert_eq!(looks.len(), 72);
        assert!(looks[..60].iter().all(|look| look.every == 0 && !look.confirmed));
    }

    #[test]
    fn half_an_hour_is_not_drawn_as_a_whole_one() {
        let (looks, _) = told(Kept { sums: vec![sum(0, 60, 0), sum(1, 60, 0), sum(2, 30, 0)], ..Kept::default() });
        assert_eq!(looks.iter().filter(|look| look.at >= at(120)).count(), 6);
    }
}
