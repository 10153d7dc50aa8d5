//! What is stored is what was in memory, whatever the batches and wherever the answer of a commit was lost.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::health::{Absence, CheckState, Run, SegmentWrite, fold, pause};
use crate::model::{
    Blame, Identity, KofN, Matching, Observation, Outcome, Phases, Reason, Route, Rule, Segment, SegmentReason, Severity, SeverityCap,
    State, Terms, Timestamp, Uuid, VendorId,
};
use crate::routing::{Book, Holding, Links, Over, Plan};

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1000)
}

fn terms() -> Terms {
    Terms {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        retry_interval: Duration::from_secs(5),
        down_after: KofN { k: 2, n: 3 },
        up_after: KofN { k: 2, n: 2 },
        severity: SeverityCap::Down,
        enabled: true,
    }
}

pub(super) const CHECKS: usize = 3;

fn registration() -> Registration {
    let check = |n: usize| RegisteredCheck { name: format!("check-{n}"), kind: "http", terms: Terms { ..terms() }, renamed_from: None };
    Registration {
        vendor: VendorId::new("acme"),
        name: "Acme".to_owned(),
        tier: 1,
        category: String::new(),
        checks: (0..CHECKS).map(check).collect(),
        sources: Vec::new(),
    }
}

fn observation(outcome: Outcome) -> Observation {
    let reason = match outcome {
        Outcome::Up => Reason::Ok,
        Outcome::Degraded => Reason::Slow,
        Outcome::Down => Reason::HttpStatus,
        Outcome::Unknown => Reason::OwnNetwork,
    };
    let (phases, detail) = <(Phases, _)>::default();
    Observation { outcome, reason, duration: Duration::from_millis(12), phases, detail }
}

fn event(number: i64) -> StoredEvent {
    StoredEvent { kind: "reload", from: at(number), to: at(number), detail: number.to_string() }
}

/// A store in a folder of its own, and what a recorder keeps in memory.
pub(super) struct World {
    _folder: tempfile::TempDir,
    pub writer: Writer,
    pub registered: Vec<Registered>,
    states: Vec<CheckState>,
    ended: Vec<Vec<Segment>>,
    absences: Vec<Absence>,
    batch: Batch,
    /// Offered, and the answer was lost.
    refused: Option<Batch>,
    latest: BTreeMap<CheckKey, (i64, CheckState)>,
    pub seq: i64,
    /// Seconds.
    pub clock: i64,
}

impl World {
    pub fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(&folder.path().join("vendord.db"), true, "boot".to_owned()).unwrap();
        let registered = writer.register(&[registration()], "here", at(0)).unwrap();
        World {
            _folder: folder,
            writer,
            registered,
            states: vec![CheckState::default(); CHECKS],
            ended: vec![Vec::new(); CHECKS],
            absences: Vec::new(),
            batch: Batch::default(),
            refused: None,
            latest: BTreeMap::new(),
            seq: 0,
            clock: 1000,
        }
    }

    /// As the recorder does it: a state is written only when the fold says that it has to be.
    fn run(&mut self, n: usize, outcome: Outcome) {
        self.saw(n, observation(outcome));
    }

    /// When the run began, as it is stored.
    pub fn saw(&mut self, n: usize, observation: Observation) -> Timestamp {
        let outcome = observation.outcome;
        let run =
            Run { at: at(self.clock), boot: Duration::from_secs(7), outcome, reason: observation.reason, duration: observation.duration };
        let state = &mut self.states[n];
        let mut open = state.open;
        let folded = fold(state, &terms(), &run, &self.absences);
        self.seq += 1;
        let Registered { key, terms_id, .. } = self.registered[n];
        let began = state.last.unwrap().at;
        self.batch.observations.push(JournalRow { seq: self.seq, terms_id, at: began, observation });
        if folded.is_urgent() {
            self.latest.insert(key, (self.seq, state.clone()));
        }
        for write in folded.segments {
            self.batch.segments.push((key, write));
            match write {
                SegmentWrite::Open(next) => open = Some(next),
                SegmentWrite::Relabel { state, reason } => open = open.map(|open| health_open(open.from, state, reason)),
                SegmentWrite::Gap(gap) => self.ended[n].push(gap),
                SegmentWrite::Close { to, reason } => {
                    let open = open.unwrap();
                    self.ended[n].push(Segment { from: open.from, to, state: open.state, reason });
                }
            }
        }
        began
    }

    /// As the recorder does every few minutes.
    pub fn store_states(&mut self) {
        for (check, state) in self.registered.iter().zip(&self.states) {
            self.latest.insert(check.key, (self.seq, state.clone()));
        }
    }

    fn pause(&mut self, n: usize) {
        pause(&mut self.states[n], at(self.clock));
        self.latest.insert(self.registered[n].key, (self.seq, self.states[n].clone()));
    }

    /// What was refused goes first, exactly as it was.
    pub fn commit(&mut self) -> Batch {
        if let Some(refused) = self.refused.take() {
            self.writer.commit(&refused).unwrap();
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.states = std::mem::take(&mut self.latest).into_iter().map(|(key, (seq, state))| (key, seq, state)).collect();
        self.writer.commit(&batch).unwrap();
        batch
    }

    pub fn compare(&self) -> Result<(), TestCaseError> {
        let reader = self.writer.reader().unwrap();
        let loaded = reader.load().unwrap();
        prop_assert_eq!(loaded.next_seq, self.seq + 1);
        for (n, check) in loaded.checks.iter().enumerate() {
            let (mut stored, mut memory) = (check.state.clone(), self.states[n].clone());
            let now = at(self.clock).max(memory.last.map_or(at(0), |last| last.at));
            stored.forget_boot_clock();
            memory.forget_boot_clock();
            prop_assert_eq!(&stored, &memory, "check {}", n);
            let mut ended = self.ended[n].clone();
            ended.sort_by_key(|s| s.from);
            let stored_ended = reader.closed_segments(check.key, Timestamp::from_millis(i64::MIN)).unwrap();
            prop_assert_eq!(&stored_ended, &ended, "check {}", n);
            let tail = stored.tail(now, SegmentReason::NoObservation);
            let all: Vec<Segment> = stored_ended.into_iter().chain(tail).collect();
            prop_assert!(all.windows(2).all(|s| s[0].to == s[1].from), "hole or overlap: {:?}", all);
        }
        prop_assert_eq!(verify(&reader).unwrap(), Vec::<String>::new());
        Ok(())
    }
}

fn health_open(from: Timestamp, state: State, reason: SegmentReason) -> crate::health::OpenSegment {
    crate::health::OpenSegment { from, state, reason }
}

#[derive(Clone, Debug)]
enum Step {
    Run(usize, Outcome),
    Wait(i64),
    Absent(i64),
    Pause(usize),
    Commit,
    /// The commit was applied, but its answer was lost; it is offered again later.
    LoseAnswer,
    LoseConnection,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![4 => Just(Outcome::Up), 3 => Just(Outcome::Down), 1 => Just(Outcome::Degraded), 1 => Just(Outcome::Unknown)];
    prop_oneof![
        12 => (0..CHECKS, outcome).prop_map(|(n, o)| Step::Run(n, o)),
        6 => (-5..15i64).prop_map(Step::Wait),
        1 => (20..90i64).prop_map(Step::Absent),
        1 => (0..CHECKS).prop_map(Step::Pause),
        2 => Just(Step::Commit),
        1 => Just(Step::LoseAnswer),
        1 => Just(Step::LoseConnection),
        1 => Just(Step::Reload),
    ]
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_in_memory(steps in vec(step(), 1..40)) {
        let mut world = World::new();
        let mut events = 0;
        for step in steps {
            match step {
                Step::Run(n, outcome) => world.run(n, outcome),
                Step::Wait(by) => world.clock += by,
                Step::Absent(by) => {
                    let (from, to) = (at(world.clock), at(world.clock + by));
                    world.absences.push(Absence { from, to, reason: SegmentReason::MonitorDown });
                    world.clock += by;
                    events += 1;
                    world.batch.events.push(event(events));
                }
                Step::Pause(n) => world.pause(n),
                Step::Commit => {
                    world.commit();
                    world.compare()?;
                }
                Step::LoseAnswer => {
                    let batch = world.commit();
                    world.writer.forget_answer();
                    world.refused = Some(batch);
                }
                Step::LoseConnection => world.writer.lose_connection(),
                Step::Reload => {
                    let again = world.writer.register(&[registration()], "here", at(world.clock)).unwrap();
                    prop_assert_eq!(&again, &world.registered);
                }
            }
        }
        world.commit();
        world.compare()?;
        let stored: i64 = world.writer.reader().unwrap().db.query_row("SELECT count(*) FROM events", [], |r| r.get(0)).unwrap();
        prop_assert_eq!(stored, events);
    }
}

/// The labels of a group came back in the order of the alphabet: after a restart the group was another one, so that its
/// alerts waited for `group_wait` again and never gathered.
#[test]
fn a_book_is_stored_as_it_is() {
    let mut world = World::new();
    let route = Route {
        matching: Matching::default(),
        receiver: "oncall".to_owned(),
        group_by: vec!["vendor".to_owned(), "rule".to_owned()],
        group_wait: Duration::from_secs(15),
        group_interval: Duration::from_secs(300),
        repeat_interval: Duration::ZERO,
        continues: false,
    };
    let holding = Holding {
        severity: Severity::Critical,
        since: at(1000),
        summary: "down".to_owned(),
        vendor_name: None,
        tier: None,
        measured: None,
        blame: Blame::Inconclusive,
        evidence: Vec::new(),
        declared: None,
        edition: 0,
    };
    let mut book = Book::default();
    let mut ids = 0;
    let mut new_id = || {
        ids += 1;
        Uuid::from_u128(ids)
    };
    let identity = Identity { rule: Rule::VendorDown, vendor: Some(VendorId::new("acme")), subject: "acme".to_owned() };
    let mut plan = Plan { routes: &[route], links: &Links::default(), now: at(1000), new_id: &mut new_id };
    book.judge(&identity, Ok(holding), &mut plan);
    world.batch.told = book.take_changes();
    world.commit();
    let (alerts, deliveries, last) = world.writer.reader().unwrap().book().unwrap();
    assert_eq!(alerts, book.firing().cloned().collect::<Vec<_>>());
    assert_eq!(deliveries, book.pending().cloned().collect::<Vec<_>>());
    assert_eq!(last, 1);
    let over = Over { at: at(1060), began: None, summary: None, measured: Some(State::Up) };
    let mut plan = Plan { routes: &[], links: &Links::default(), now: at(1060), new_id: &mut || Uuid::from_u128(99) };
    book.judge(&identity, Err(over), &mut plan);
    world.batch.told = book.take_changes();
    let resolved = world.batch.told.alerts.clone();
    world.commit();
    let stored: Vec<_> = world.writer.reader().unwrap().alerts().unwrap().into_iter().map(|row| row.alert).collect();
    assert_eq!(stored, resolved);
}
