//! History is the same before and after packing, and wherever packing was killed.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::model::{Observation, Phases, Reason};
use crate::store::Latency;
use crate::store::tests::{CHECKS, World};

const HOUR: i64 = 3_600;

fn phase() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![1 => Just(None), 3 => (0..200_000u32).prop_map(Some), 1 => any::<u32>().prop_map(Some)]
}

prop_compose! {
    fn observation()(
        kind in 0..4u8,
        micros in prop_oneof![4 => 0..100_000u64, 1 => 0..u64::MAX >> 20],
        phases in [phase(), phase(), phase(), phase(), phase()],
        status in proptest::option::of(prop_oneof![3 => Just(200u16), 1 => any::<u16>()]),
    ) -> Observation {
        let outcome = Outcome::from_code(kind).unwrap();
        let reason = [Reason::Ok, Reason::Slow, Reason::HttpStatus, Reason::OwnNetwork][usize::from(kind)];
        let [resolve, connect, tls, processing, transfer] = phases;
        let phases = Phases { resolve, connect, tls, processing, transfer };
        let mut observation = Observation::failed(reason, Duration::from_micros(micros), "");
        (observation.outcome, observation.phases, observation.detail.http_status) = (outcome, phases, status);
        observation
    }
}

/// What a reader is to find of a run.
fn expected(at: Timestamp, observation: &Observation) -> Sample {
    Sample {
        at,
        outcome: observation.outcome,
        reason: observation.reason,
        duration: rounding::duration(observation.duration),
        phases: rounding::phases(observation.phases),
        http_status: observation.detail.http_status,
    }
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    vec((0..100_000i64, observation()), 0..400).prop_map(|runs| {
        let mut at = 1_700_000_000_000;
        let next = |(by, observation): (i64, Observation)| {
            at += by;
            expected(Timestamp::from_millis(at), &observation)
        };
        runs.into_iter().map(next).collect()
    })
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(samples in samples()) {
        let mut unpacked = Vec::new();
        Unpacker::default().unpack(&pack_samples(&samples), &mut unpacked).unwrap();
        prop_assert_eq!(unpacked, samples);
    }

    /// A damaged chunk is an error or other samples, never a panic.
    #[test]
    fn a_damaged_chunk_is_survived(samples in samples(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut chunk = pack_samples(&samples);
        let place = place.index(chunk.len());
        chunk[place] = byte;
        let mut unpacked = Vec::new();
        match Unpacker::default().unpack(&chunk, &mut unpacked) {
            Ok(()) => {}
            Err(error) => prop_assert!(matches!(error, StoreError::Corrupt(_))),
        }
    }
}

#[derive(Clone, Debug)]
enum Move {
    /// Seconds of runs.
    Runs(Vec<(usize, i64, Observation)>),
    /// Hours in which nobody looked.
    Wait(i64),
    StoreStates,
    /// Packs, and is killed before a step.
    Pack(Option<usize>),
}

fn a_move() -> impl Strategy<Value = Move> {
    let run = (0..CHECKS, -5..900i64, observation());
    prop_oneof![
        4 => vec(run, 1..30).prop_map(Move::Runs),
        2 => (0..30i64).prop_map(Move::Wait),
        3 => Just(Move::StoreStates),
        2 => proptest::option::of(0..12usize).prop_map(Move::Pack),
    ]
}

/// A store, and everything that it was told.
struct Told {
    world: World,
    runs: Vec<(CheckKey, Sample)>,
}

impl Told {
    fn new() -> Told {
        Told { world: World::new(), runs: Vec::new() }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.world.clock * 1000)
    }

    fn does(&mut self, step: &Move) {
        match step {
            Move::Runs(runs) => {
                for (n, by, observation) in runs {
                    self.world.clock += by;
                    let at = self.world.saw(*n, observation.clone());
                    self.runs.push((self.world.registered[*n].key, expected(at, observation)));
                }
                self.world.commit();
            }
            Move::Wait(hours) => self.world.clock += hours * HOUR,
            Move::StoreStates => {
                self.world.store_states();
                self.world.commit();
            }
            Move::Pack(killed_at) => drop(self.pack(*killed_at)),
        }
    }

    fn pack(&mut self, killed_at: Option<usize>) -> Result<(), StoreError> {
        let (now, path) = (self.now(), self.world.writer.path().to_owned());
        let mut steps = 0..;
        let writer = &mut self.world.writer;
        pack(&|| Reader::open(&path), now, &mut |step| {
            if steps.next() == killed_at { Err(StoreError::Busy) } else { writer.pack(&step) }
        })
    }

    fn of(&self, key: CheckKey) -> Vec<Sample> {
        self.runs.iter().filter(|(of, _)| *of == key).map(|(_, sample)| *sample).collect()
    }

    fn compare(&self, cut: (usize, usize)) -> Result<(), TestCaseError> {
        self.world.compare()?;
        let reader = self.world.writer.reader().unwrap();
        for check in &self.world.registered {
            let told = self.of(check.key);
            let all = reader.samples(check.key, Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap();
            prop_assert_eq!(&all, &told);
            let at = |n: usize| told.get(n % told.len().max(1)).map(|sample| sample.at);
            let (Some(a), Some(b)) = (at(cut.0), at(cut.1)) else { continue };
            let inside: Vec<Sample> = told.into_iter().filter(|sample| (a..b).contains(&sample.at)).collect();
            prop_assert_eq!(&reader.samples(check.key, a, b).unwrap(), &inside);
            prop_assert_eq!(reader.latency(check.key, a, b, Duration::from_secs(5000)).unwrap(), naive_latency(&inside, a, b, 5_000_000));
        }
        Ok(())
    }
}

fn naive_latency(samples: &[Sample], from: Timestamp, to: Timestamp, step: i64) -> Vec<Latency> {
    let mut found = Vec::new();
    let mut begin = from;
    while begin < to {
        let end = Timestamp::from_millis(begin.as_millis() + step).min(to);
        let answered = |s: &&Sample| (begin..end).contains(&s.at) && [Outcome::Up, Outcome::Degraded].contains(&s.outcome);
        let mut durations: Vec<Duration> = samples.iter().filter(answered).map(|s| s.duration).collect();
        durations.sort();
        let rank = |percent: f64| durations[(durations.len() as f64 * percent).ceil() as usize - 1];
        if !durations.is_empty() {
            found.push(Latency { from: begin, to: end, count: durations.len() as u64, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) });
        }
        begin = end;
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn history_is_the_same_before_and_after_packing(moves in vec(a_move(), 1..25), cut in any::<(usize, usize)>()) {
        let mut told = Told::new();
        for step in &moves {
            told.does(step);
        }
        told.compare(cut)?;
        told.world.clock += 48 * HOUR;
        told.does(&Move::StoreStates);
        told.pack(None).unwrap();
        told.compare(cut)?;
        let left: i64 = told.world.writer.reader().unwrap().db.query_row("SELECT count(*) FROM journal", [], |r| r.get(0)).unwrap();
        prop_assert_eq!(left, 0, "everything is packed");
    }
}

/// What another monitor saw is in the journal after runs that are younger; each of its days becomes a day all the same.
#[test]
fn a_past_that_came_later_is_packed_by_its_own_days() {
    const DAY: i64 = 24 * HOUR;
    let mut told = Told::new();
    told.world.clock = 20 * DAY;
    told.does(&Move::Runs(vec![(0, 10, Observation::failed(Reason::HttpStatus, Duration::from_millis(5), ""))]));
    told.does(&Move::StoreStates);
    let own = told.world.writer.reader().unwrap().load().unwrap();
    let mut state = crate::health::CheckState::default();
    let terms = crate::model::Terms { interval: Duration::from_secs(HOUR as u64), ..own.checks[0].terms.clone() };
    let run = |hour: i64| crate::health::Run {
        at: Timestamp::from_millis((10 * DAY + hour * HOUR) * 1000),
        boot: Duration::ZERO,
        outcome: Outcome::Up,
        reason: Reason::Ok,
        duration: Duration::from_millis(80),
    };
    let runs: Vec<_> = (0..72).map(run).collect();
    let segments = runs.iter().flat_map(|run| crate::health::fold(&mut state, &terms, run, &[]).segments).collect();
    let brought = crate::store::Brought {
        check: own.checks[0].id.clone(),
        kind: "http".to_owned(),
        part: 1,
        until: state.evidence_until.unwrap(),
        stretches: vec![crate::store::Stretch { terms, runs }],
        segments,
        state,
    };
    told.world.writer.bring(&[brought]).unwrap();
    told.world.seq += 72;
    told.world.clock += 3 * DAY;
    told.does(&Move::Runs(vec![(0, 10, Observation::failed(Reason::HttpStatus, Duration::from_millis(5), ""))]));
    told.does(&Move::StoreStates);
    told.world.clock += 2 * DAY;
    told.does(&Move::StoreStates);
    let samples = |told: &Told| {
        let reader = told.world.writer.reader().unwrap();
        let part = reader.load().unwrap().checks.into_iter().find(|check| check.part() == Some(1)).unwrap();
        reader.samples(part.key, Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX)).unwrap()
    };
    let before = samples(&told);
    told.pack(None).unwrap();
    assert_eq!((before.len(), samples(&told)), (72, before));
    let reader = told.world.writer.reader().unwrap();
    let days: Vec<i64> = reader.list("SELECT starts_at / 86400000 FROM spans ORDER BY first_seq", |r| r.get(0)).unwrap();
    assert_eq!(days, [20, 10, 11, 12, 23]);
    assert_eq!(crate::store::verify(&reader).unwrap(), Vec::<String>::new());
}
