//! The schedule under random runs, steps of the wall clock and restarts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn now(wall: i64, mono: u64) -> Now {
    Now { wall: Timestamp::from_millis(wall), mono: ms(mono) }
}

fn cadence(interval: u64) -> Cadence {
    Cadence { interval: ms(interval), retry_interval: ms(interval.min(5000)) }
}

/// Runs everything that is due until `until`, each run ending at once; starts in milliseconds by check.
fn instant_runs(schedule: &mut Schedule<usize>, until: Duration) -> BTreeMap<usize, Vec<u64>> {
    let mut starts: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    while let Some(at) = schedule.next_due().filter(|at| *at < until) {
        while let Some(due) = schedule.take_due(at) {
            starts.entry(due.key).or_default().push(due.at.as_millis() as u64);
            schedule.finished(due.key, false, at);
        }
    }
    starts
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Take,
    Finish(usize, bool),
    Put(usize, u64),
    Remove(usize),
    AllNow,
    Resumed(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..20_000u64).prop_map(Step::Wait),
        6 => Just(Step::Take),
        6 => (0..4usize, any::<bool>()).prop_map(|(n, soon)| Step::Finish(n, soon)),
        2 => (0..4usize, 1000..60_000u64).prop_map(|(n, interval)| Step::Put(n, interval)),
        1 => (0..4usize).prop_map(Step::Remove),
        1 => Just(Step::AllNow),
        1 => (-10_000_000..10_000_000i64).prop_map(Step::Resumed),
    ]
}

proptest! {
    #[test]
    fn no_check_overlaps_itself_and_none_is_forgotten(steps in vec(step(), 1..80)) {
        let (mut schedule, mut mono, mut wall) = (Schedule::default(), 1_000u64, 1_700_000_000_000i64);
        let (mut known, mut running) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Wait(by) => (mono, wall) = (mono + by, wall + by as i64),
                Step::Take => {
                    while let Some(due) = schedule.take_due(ms(mono)) {
                        prop_assert!(due.at <= ms(mono), "never early");
                        prop_assert!(known.contains(&due.key), "taken after it was removed");
                        prop_assert!(running.insert(due.key), "{} overlaps itself", due.key);
                    }
                }
                Step::Finish(n, soon) => {
                    if running.remove(&n) {
                        schedule.finished(n, soon, ms(mono));
                    }
                }
                Step::Put(n, interval) => {
                    schedule.put(n, &format!("v/c{n}"), cadence(interval), None, now(wall, mono));
                    known.insert(n);
                }
                Step::Remove(n) => {
                    schedule.remove(n);
                    known.remove(&n);
                }
                Step::AllNow => schedule.all_now(ms(mono)),
                Step::Resumed(by) => {
                    wall += by;
                    schedule.resumed(now(wall, mono));
                }
            }
            prop_assert_eq!(schedule.len(), known.len());
        }
        for n in running {
            schedule.finished(n, false, ms(mono));
        }
        let mut left = BTreeSet::new();
        while let Some(due) = schedule.take_due(ms(mono + 60_000)) {
            left.insert(due.key);
        }
        prop_assert_eq!(left, known, "each that is known runs again within its interval");
    }

    #[test]
    fn each_runs_as_often_as_its_interval_says(checks in vec((1000..120_000u64, any::<bool>()), 1..20), minutes in 1..60u64, wall in 0..4_000_000_000_000i64) {
        let mut schedule = Schedule::default();
        let start = now(wall, 5_000);
        for (n, (interval, fresh)) in checks.iter().enumerate() {
            let last = (!fresh).then_some(start.wall);
            schedule.put(n, &format!("vendor/check-{n}"), cadence(*interval), last, start);
        }
        let length = minutes * 60_000;
        let starts = instant_runs(&mut schedule, start.mono + ms(length));
        for (n, (interval, fresh)) in checks.iter().enumerate() {
            let ran = starts.get(&n).map_or(0, Vec::len) as u64;
            // One that never ran runs once more, soon after the start.
            let expected = length / interval..=length / interval + 1 + u64::from(*fresh);
            prop_assert!(expected.contains(&ran), "{} runs every {} ms in {} ms: {}", n, interval, length, ran);
        }
        prop_assert_eq!(schedule.skipped(), 0);
    }

    #[test]
    fn a_step_of_the_wall_clock_is_not_noticed(interval in 1000..120_000u64, wall in 0..4_000_000_000_000i64, by in -4_000_000_000_000..4_000_000_000_000i64) {
        let starts = |put_again: bool| {
            let mut schedule = Schedule::default();
            let start = now(wall, 5_000);
            schedule.put(1, "v/c", cadence(interval), Some(start.wall), start);
            instant_runs(&mut schedule, ms(5_000 + 5 * interval));
            if put_again {
                // A reload after the step, without a change of this check.
                schedule.put(1, "v/c", cadence(interval), Some(start.wall), now(wall + by, 5_000 + 5 * interval));
            }
            instant_runs(&mut schedule, ms(5_000 + 10 * interval))
        };
        let stepped = starts(true);
        prop_assert_eq!(&stepped, &starts(false));
        prop_assert!(stepped[&1].windows(2).all(|s| s[1] - s[0] == interval));
    }

    #[test]
    fn a_restart_keeps_the_phase(interval in 1000..120_000u64, wall in 0..4_000_000_000_000i64, later in 0..10_000_000i64, mono in [0..10_000_000u64, 0..10_000_000u64]) {
        let phase = |wall: i64, mono: u64| {
            let mut schedule = Schedule::default();
            schedule.put(1, "v/c", cadence(interval), Some(Timestamp::from_millis(wall)), now(wall, mono));
            (wall + schedule.next_due().unwrap().as_millis() as i64 - mono as i64).rem_euclid(interval as i64)
        };
        prop_assert_eq!(phase(wall, mono[0]), phase(wall + later, mono[1]));
    }

    #[test]
    fn slow_runs_do_not_drift(interval in 1000..20_000u64, late in vec((0..3000u64, 0..50_000u64), 1..40)) {
        let mut schedule = Schedule::default();
        schedule.put(1, "v/c", cadence(interval), Some(Timestamp::from_millis(0)), now(0, 0));
        let first = schedule.next_due().unwrap().as_millis() as u64;
        let mut runs = 0;
        for (late, lasts) in late {
            let due = schedule.next_due().unwrap();
            let began = due + ms(late);
            prop_assert_eq!((due.as_millis() as u64 - first) % interval, 0);
            prop_assert!(schedule.take_due(began).is_some());
            schedule.finished(1, false, began + ms(lasts));
            runs += 1;
            let next = schedule.next_due().unwrap();
            prop_assert!(next > began + ms(lasts) && next <= began + ms(lasts + interval));
            prop_assert_eq!((next.as_millis() as u64 - first) / interval, runs + schedule.skipped(), "each tick ran or is counted");
        }
    }
}

#[test]
fn nothing_drifts_over_ten_thousand_intervals() {
    let mut schedule = Schedule::default();
    schedule.put(1, "v/c", cadence(10_007), Some(Timestamp::from_millis(0)), now(0, 0));
    let starts = instant_runs(&mut schedule, ms(10_007 * 10_000));
    assert_eq!(starts[&1].len(), 10_000);
    assert!(starts[&1].windows(2).all(|s| s[1] - s[0] == 10_007));
}
