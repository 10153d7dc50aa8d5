//! What is due. A heap over the monotonic clock, so that a wall clock that steps causes neither a burst nor a pause.
//!
//! * A check's phase is a hash of its id, laid on the wall clock: starts are spread over the interval and survive restarts.
//! * From there due times follow the monotonic clock without drift; ticks that were missed are counted, not replayed.
//! * A check never overlaps itself: what was taken is due again only after [`Schedule::finished`].
//!
//! It keeps no permits and starts nothing; it reads no clock: monotonic time is a `Duration` since any fixed instant.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use crate::model::Timestamp;

/// At start, and after a suspend, a check runs within this or its interval, whichever is shorter.
const FIRST_RUN_WITHIN: Duration = Duration::from_secs(60);

/// How often a check runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    pub interval: Duration,
    pub retry_interval: Duration,
}

/// Both clocks at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub wall: Timestamp,
    pub mono: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<K> {
    pub key: K,
    /// When it should have started, on the monotonic clock.
    pub at: Duration,
}

struct Entry {
    cadence: Cadence,
    hash: u64,
    /// A tick on the monotonic clock (milliseconds, may lie in the past); the others are multiples of the interval away.
    tick: i128,
    due: Duration,
    in_flight: bool,
    /// Taken out while it was in flight: kept until that run ended, should it come back before.
    removed: bool,
    /// The queue's entries of an older generation are void.
    generation: u64,
}

/// How much before its time a run may start: at most this, and this part of its interval.
const EARLY_MAX: Duration = Duration::from_millis(10);
const EARLY_PART: u32 = 50;

pub struct Schedule<K> {
    entries: HashMap<K, Entry>,
    queue: BinaryHeap<Reverse<(Duration, u64, K)>>,
    generation: u64,
    skipped: u64,
}

impl<K: Copy + Ord + Hash> Default for Schedule<K> {
    fn default() -> Self {
        Schedule { entries: HashMap::new(), queue: BinaryHeap::new(), generation: 0, skipped: 0 }
    }
}

impl<K: Copy + Ord + Hash> Schedule<K> {
    /// Adds a check, or changes the cadence of one. `last_run` is the last stored run: a check that is overdue, or never
    /// ran, runs soon; any other at its phase.
    pub fn put(&mut self, key: K, id: &str, cadence: Cadence, last_run: Option<Timestamp>, now: Now) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.removed = false;
            if entry.cadence == cadence {
                return;
            }
        }
        let hash = phase_hash(id);
        let tick = tick_of(hash, cadence.interval, now);
        let regular = next_tick(tick, cadence.interval, now.mono);
        let overdue = last_run.is_none_or(|last| now.wall.since(last) > cadence.interval);
        let due = if overdue { regular.min(now.mono + spread(hash, cadence.interval)) } else { regular };
        let in_flight = self.entries.get(&key).is_some_and(|e| e.in_flight);
        self.entries.insert(key, Entry { cadence, hash, tick, due, in_flight, removed: false, generation: 0 });
        if !in_flight {
            self.enqueue(key, due);
        }
    }

    pub fn remove(&mut self, key: K) {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.in_flight => entry.removed = true,
            _ => drop(self.entries.remove(&key)),
        }
    }

    /// Runs every check now: `run --once`.
    pub fn all_now(&mut self, now: Duration) {
        let keys: Vec<K> = self.entries.keys().copied().collect();
        keys.into_iter().for_each(|key| self.enqueue(key, now));
    }

    /// When the next check is due, if any waits.
    pub fn next_due(&mut self) -> Option<Duration> {
        self.drop_void();
        self.queue.peek().map(|Reverse((due, _, _))| *due)
    }

    /// As [`Schedule::take_due`], for one that is due soon: whoever is awake already may save a wake-up.
    pub fn take_early(&mut self, mono: Duration) -> Option<Due<K>> {
        self.drop_void();
        let Reverse((_, _, key)) = self.queue.peek()?;
        let early = (self.entries.get(key)?.cadence.interval / EARLY_PART).min(EARLY_MAX);
        self.take_due(mono + early)
    }

    /// Takes one check that is due; it is in flight until [`Schedule::finished`].
    pub fn take_due(&mut self, mono: Duration) -> Option<Due<K>> {
        self.drop_void();
        let Reverse((at, _, key)) = *self.queue.peek().filter(|Reverse((due, _, _))| *due <= mono)?;
        self.queue.pop();
        self.entries.get_mut(&key)?.in_flight = true;
        Some(Due { key, at })
    }

    /// A run ended. With `soon` (the check disagrees with its confirmed state) it is looked at again after `retry_interval`.
    pub fn finished(&mut self, key: K, soon: bool, mono: Duration) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.in_flight = false;
        if entry.removed {
            self.entries.remove(&key);
            return;
        }
        let planned = next_tick(entry.tick, entry.cadence.interval, entry.due);
        // One that was started a little early may end before it was due; then that tick is done.
        let early = entry.due.saturating_sub(mono) <= EARLY_MAX;
        let regular = next_tick(entry.tick, entry.cadence.interval, if early { mono.max(entry.due) } else { mono });
        self.skipped += ticks_between(planned, regular, entry.cadence.interval);
        let due = if soon { regular.min((entry.due + entry.cadence.retry_interval).max(mono)) } else { regular };
        self.enqueue(key, due);
    }

    /// The machine slept: every check runs once soon, spread, and its phase is taken from the wall clock again.
    pub fn resumed(&mut self, now: Now) {
        let keys: Vec<K> = self.entries.iter().filter(|(_, e)| !e.in_flight).map(|(k, _)| *k).collect();
        for entry in self.entries.values_mut() {
            entry.tick = tick_of(entry.hash, entry.cadence.interval, now);
        }
        for key in keys {
            let Some(entry) = self.entries.get(&key) else { continue };
            let due = now.mono + spread(entry.hash, entry.cadence.interval);
            self.enqueue(key, due);
        }
    }

    /// Ticks that passed because the run before had not ended.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    pub fn len(&self) -> usize {
        self.entries.values().filter(|e| !e.removed).count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enqueue(&mut self, key: K, due: Duration) {
        self.generation += 1;
        let generation = self.generation;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = due;
            entry.generation = generation;
            self.queue.push(Reverse((due, generation, key)));
        }
    }

    fn drop_void(&mut self) {
        while let Some(Reverse((_, generation, key))) = self.queue.peek() {
            if self.entries.get(key).is_some_and(|e| e.generation == *generation && !e.in_flight) {
                return;
            }
            self.queue.pop();
        }
    }
}

/// FNV-1a, then a finalizer so that the low bits are spread as well: stable for ever, because phases must survive an upgrade.
fn phase_hash(id: &str) -> u64 {
    let mut hash = id.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

fn millis(duration: Duration) -> i128 {
    (duration.as_millis() as i128).max(1)
}

/// A tick of the phase `hash` on the monotonic clock.
fn tick_of(hash: u64, interval: Duration, now: Now) -> i128 {
    let (interval, wall) = (millis(interval), i128::from(now.wall.as_millis()));
    let phase = i128::from(hash) % interval;
    let behind = (wall - phase).rem_euclid(interval);
    now.mono.as_millis() as i128 - behind
}

/// The first tick after `mono`.
fn next_tick(tick: i128, interval: Duration, mono: Duration) -> Duration {
    let (interval, mono) = (millis(interval), mono.as_millis() as i128);
    let steps = (mono - tick).div_euclid(interval) + 1;
    Duration::from_millis((tick + steps * interval).max(0) as u64)
}

fn ticks_between(planned: Duration, regular: Duration, interval: Duration) -> u64 {
    (regular.saturating_sub(planned).as_millis() / interval.as_millis().max(1)) as u64
}

fn spread(hash: u64, interval: Duration) -> Duration {
    let within = interval.min(FIRST_RUN_WITHIN).as_millis().max(1) as u64;
    Duration::from_millis(hash % within)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    mod properties;

    const S: Duration = Duration::from_secs(1);

    proptest! {
        /// F13: at any instant of 1970 to 2100 the next tick comes within an interval, at the phase of the wall clock, and the one after it an interval later.
        #[test]
        fn f13_ticks_follow_each_other_at_any_time(
            hash in any::<u64>(), interval_ms in 100u64..200_000_000, wall in 0i64..4_133_980_800_000, mono_ms in 0u64..1_000_000_000_000,
        ) {
            let (interval, mono) = (Duration::from_millis(interval_ms), Duration::from_millis(mono_ms));
            let now = Now { wall: Timestamp::from_millis(wall), mono };
            let tick = tick_of(hash, interval, now);
            let next = next_tick(tick, interval, mono);
            prop_assert!(next > mono && next <= mono + interval);
            prop_assert_eq!(next_tick(tick, interval, next), next + interval);
            let wall_then = wall + (next - mono).as_millis() as i64;
            prop_assert_eq!(wall_then.rem_euclid(interval_ms as i64) as u64, hash % interval_ms);
        }

        /// F11 and F12: once a check is scheduled, no wall clock changes when it is due.
        #[test]
        fn f11_a_step_of_the_wall_clock_moves_no_tick(wall in any::<i64>(), stepped in any::<i64>(), interval_s in 1u64..100_000) {
            let due = |then: i64| {
                let mut s = Schedule::default();
                s.put(1, "a/b", cadence(interval_s, 1), None, Now { wall: Timestamp::from_millis(wall), mono: S });
                let first = s.next_due().unwrap();
                s.take_due(first).unwrap();
                // A reload after the step that leaves the check as it is.
                s.put(1, "a/b", cadence(interval_s, 1), None, Now { wall: Timestamp::from_millis(then), mono: first });
                s.finished(1, false, first);
                (first, s.next_due().unwrap())
            };
            prop_assert_eq!(due(wall), due(stepped));
        }
    }

    fn now(wall_s: i64, mono_s: u64) -> Now {
        Now { wall: Timestamp::from_millis(wall_s * 1000), mono: Duration::from_secs(mono_s) }
    }

    fn cadence(interval: u64, retry: u64) -> Cadence {
        Cadence { interval: S * interval as u32, retry_interval: S * retry as u32 }
    }

    #[test]
    fn the_phase_survives_a_restart() {
        let due = |wall, mono| {
            let mut s = Schedule::default();
            let at = now(wall, mono);
            s.put(1, "github/api", cadence(60, 10), Some(at.wall), at);
            (s.next_due().unwrap().as_millis() as i64 - mono as i64 * 1000 + wall * 1000).rem_euclid(60_000)
        };
        assert_eq!(due(1_000, 5), due(123_457, 99));
    }

    #[test]
    fn a_check_that_never_ran_runs_within_a_minute() {
        for id in ["a/a", "a/b", "c/d"] {
            let mut s = Schedule::default();
            s.put(1, id, cadence(86_400, 10), None, now(1000, 7));
            assert!(s.next_due().unwrap() <= S * 67);
        }
    }

    #[test]
    fn no_drift_and_missed_ticks_are_counted_not_replayed() {
        let mut s = Schedule::default();
        s.put(1, "a/b", cadence(10, 5), None, now(0, 0));
        let first = s.next_due().unwrap();
        assert!(s.take_due(first + S / 100).is_some());
        s.finished(1, false, first + S);
        let tick = s.next_due().unwrap();
        assert!(s.take_due(tick).is_some());
        s.finished(1, false, tick + S * 25);
        assert_eq!(s.next_due(), Some(tick + S * 30));
        assert_eq!(s.skipped(), 2);
    }

    #[test]
    fn disagreement_is_looked_at_again_soon_but_never_before_now() {
        let mut s = Schedule::default();
        s.put(1, "a/b", cadence(60, 10), None, now(0, 0));
        let due = s.next_due().unwrap();
        s.take_due(due).unwrap();
        s.finished(1, true, due + S);
        assert!(s.next_due().unwrap() <= due + S * 10);
        let due = s.next_due().unwrap();
        s.take_due(due).unwrap();
        s.finished(1, true, due + S * 12);
        assert_eq!(s.next_due(), Some(due + S * 12), "the retry that it slept through runs now, once");
    }

    #[test]
    fn it_never_overlaps_itself() {
        let mut s = Schedule::default();
        s.put(1, "a/b", cadence(1, 1), None, now(0, 0));
        assert!(s.take_due(S * 5).is_some());
        assert!(s.take_due(S * 500).is_none());
        s.put(1, "a/b", cadence(2, 1), None, now(500, 500));
        assert!(s.take_due(S * 600).is_none(), "not even after its cadence changed");
        s.finished(1, false, S * 600);
        assert!(s.take_due(S * 602).is_some());
    }

    #[test]
    fn starts_are_spread() {
        let mut s = Schedule::default();
        for n in 0..1000u32 {
            s.put(n, &format!("bench/c{n}"), cadence(10, 5), None, now(0, 0));
        }
        let mut per_second = [0; 10];
        while let Some(due) = s.take_due(S * 10) {
            per_second[due.at.as_secs() as usize % 10] += 1;
        }
        assert_eq!(per_second.iter().sum::<i32>(), 1000);
        // Each runs at its phase or at the start-up spread, whichever is first: earlier seconds are fuller, none holds a quarter of them.
        assert!(per_second.iter().max() < Some(&250), "{per_second:?}");
    }

    #[test]
    fn after_a_suspend_each_runs_once_soon() {
        let mut s = Schedule::default();
        for n in 0..10u32 {
            s.put(n, &format!("v/c{n}"), cadence(3600, 10), Some(Timestamp::from_millis(0)), now(0, 0));
        }
        s.resumed(now(7200, 5));
        let mut ran = 0;
        while let Some(due) = s.take_due(S * 65) {
            assert!(due.at >= S * 5);
            ran += 1;
        }
        assert_eq!(ran, 10);
    }

    /// A check that left the configuration and came back while its run was in flight was taken a second time.
    #[test]
    fn a_check_that_comes_back_waits_for_its_run() {
        let mut s = Schedule::default();
        s.put(1, "a/b", cadence(1, 1), None, now(0, 0));
        assert!(s.take_due(S * 5).is_some());
        s.remove(1);
        assert!(s.is_empty());
        s.put(1, "a/b", cadence(1, 1), None, now(6, 6));
        assert!(s.take_due(S * 20).is_none());
        s.finished(1, false, S * 20);
        assert!(s.take_due(S * 22).is_some());
        s.remove(1);
        s.finished(1, false, S * 23);
        assert_eq!((s.len(), s.next_due()), (0, None));
    }
}
