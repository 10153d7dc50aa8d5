//! From what is stored to timelines as they are shown: closed segments, the open end, and why nothing is known there. Pure.

use std::time::Duration;

use super::Heartbeat;
use crate::health::Absence;
use crate::model::{Segment, SegmentReason, State, Timestamp};
use crate::uptime::{clip, merge};

/// What is known of the daemon itself.
pub struct Watcher<'a> {
    pub heartbeat: Option<&'a Heartbeat>,
    /// Somebody holds the lock of the database.
    pub runs: bool,
    pub absences: &'a [Absence],
}

impl Watcher<'_> {
    /// Why nobody looked from `since` to `now`, where no run explains it.
    pub fn late_reason(&self, since: Timestamp, now: Timestamp) -> SegmentReason {
        if !self.lives(now) {
            return SegmentReason::MonitorDown;
        }
        let absence = self.absences.iter().rev().find(|absence| absence.from < now && absence.to > since);
        absence.map_or(SegmentReason::NoObservation, |absence| absence.reason)
    }

    /// A daemon that holds the lock and writes its heartbeat, which it does every 10 s.
    fn lives(&self, now: Timestamp) -> bool {
        const HEARTBEAT_AGE_MAX: Duration = Duration::from_secs(30);
        self.runs && self.heartbeat.is_some_and(|heartbeat| now.since(heartbeat.wall) <= HEARTBEAT_AGE_MAX)
    }
}

/// One timeline of the parts of a check at several locations, oldest first. A daemon stands at one location at a time:
/// where the next part begins, the one before ends.
pub fn chain(parts: Vec<Vec<Segment>>) -> Vec<Segment> {
    let begins: Vec<Option<Timestamp>> = parts.iter().map(|part| part.first().map(|s| s.from)).collect();
    let end = |nth: usize| begins[nth + 1..].iter().flatten().min().copied().unwrap_or(Timestamp::from_millis(i64::MAX));
    let beginning = Timestamp::from_millis(i64::MIN);
    let cut = parts.iter().enumerate().flat_map(|(nth, part)| clip(part, beginning, end(nth)));
    let mut out: Vec<Segment> = Vec::new();
    for segment in cut {
        if let Some(last) = out.last().filter(|last| last.to < segment.from) {
            out.push(Segment { from: last.to, to: segment.from, state: State::Unknown, reason: SegmentReason::NoObservation });
        }
        out.push(segment);
    }
    merge(out)
}

/// Since when it has had the state that it has at the end.
pub fn since(timeline: &[Segment]) -> Option<Timestamp> {
    let last = timeline.last()?;
    timeline.iter().rev().take_while(|segment| segment.state == last.state).last().map(|segment| segment.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millis(s * 1000)
    }

    fn seg(from: i64, to: i64, state: State) -> Segment {
        Segment { from: at(from), to: at(to), state, reason: SegmentReason::Seen(Reason::Ok) }
    }

    fn heartbeat(wall: i64, stopped: bool) -> Heartbeat {
        Heartbeat { wall: at(wall), boot: Duration::ZERO, mono: Duration::ZERO, boot_id: String::new(), stopped }
    }

    #[test]
    fn why_nobody_looked() {
        use SegmentReason::{Clock, MonitorDown, NoObservation};
        let slept = Absence { from: at(50), to: at(80), reason: Clock };
        let down = Absence { from: at(10), to: at(20), reason: MonitorDown };
        let absences = [down, slept];
        // (lock held, heartbeat at, unknown since, now, reason)
        for (runs, beat, since, now, want) in [
            (true, Some(95), 90, 100, NoObservation),
            (true, Some(95), 70, 100, Clock),
            (true, Some(95), 15, 100, Clock),
            (true, Some(35), 15, 40, MonitorDown),
            (true, Some(35), 20, 40, NoObservation),
            (true, Some(60), 70, 100, MonitorDown),
            (true, None, 90, 100, MonitorDown),
            (false, Some(99), 90, 100, MonitorDown),
        ] {
            let heartbeat = beat.map(|beat| heartbeat(beat, !runs));
            let watcher = Watcher { heartbeat: heartbeat.as_ref(), runs, absences: &absences };
            assert_eq!(watcher.late_reason(at(since), at(now)), want, "{runs} {beat:?} {since} {now}");
        }
    }

    #[test]
    fn a_check_that_moved_has_one_timeline() {
        let old = vec![seg(0, 10, State::Up), seg(10, 99, State::Unknown)];
        let new = vec![seg(20, 99, State::Up)];
        assert_eq!(chain(vec![old.clone(), new.clone()]), [seg(0, 10, State::Up), seg(10, 20, State::Unknown), seg(20, 99, State::Up)]);
        assert_eq!(chain(vec![Vec::new(), new.clone()]), new);
        assert_eq!(chain(vec![old.clone(), Vec::new()]), old);
        let joined = chain(vec![vec![seg(0, 10, State::Up)], new]);
        assert_eq!((joined[1].from, joined[1].to, joined[1].state), (at(10), at(20), State::Unknown));
    }

    #[test]
    fn since_when_it_is_as_it_is() {
        let timeline = [seg(0, 10, State::Up), seg(10, 20, State::Down), seg(20, 30, State::Down)];
        assert_eq!(since(&timeline), Some(at(10)));
        assert_eq!(since(&[]), None);
    }
}
