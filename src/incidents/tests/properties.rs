//! Outages of random checks against the time in which any of them was down.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::*;
use crate::health::{self, CheckState, Run};
use crate::model::{KofN, Outcome, Reason, Terms};

const MERGE_GAP: Duration = Duration::from_secs(40);
const NAMES: [&str; 3] = ["a", "b", "c"];

fn at(s: i64) -> Timestamp {
    Timestamp::from_millis(s * 1000)
}

fn terms(down: u8, up: u8) -> Terms {
    let interval = Duration::from_secs(10);
    let (timeout, retry_interval) = (interval, interval);
    let (down_after, up_after) = (KofN::in_a_row(down), KofN::in_a_row(up));
    Terms { interval, timeout, retry_interval, down_after, up_after, severity: SeverityCap::Down, enabled: true }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Run(usize, Outcome),
    Wait(i64),
    Severity(usize, SeverityCap),
    Again,
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop_oneof![4 => Just(Outcome::Up), 4 => Just(Outcome::Down), 1 => Just(Outcome::Degraded), 1 => Just(Outcome::Unknown)];
    let severity = prop_oneof![3 => Just(SeverityCap::Down), 1 => Just(SeverityCap::Degraded), 1 => Just(SeverityCap::None)];
    prop_oneof![
        12 => (0..3usize, outcome).prop_map(|(n, o)| Step::Run(n, o)),
        6 => (-3..40i64).prop_map(Step::Wait),
        1 => (0..3usize, severity).prop_map(|(n, s)| Step::Severity(n, s)),
        1 => Just(Step::Again),
    ]
}

/// Three checks of a vendor, and all outages that there ever were.
struct World {
    terms: Vec<Terms>,
    states: Vec<CheckState>,
    severities: Vec<SeverityCap>,
    outages: Vec<Outage>,
    clock: i64,
    /// Whether severities never changed: then the end of an outage is known from the checks alone.
    plain: bool,
    /// Time in which a check was down, as far as it recovered.
    down: Vec<(Timestamp, Timestamp)>,
}

impl World {
    fn judge(&mut self, wall: Timestamp) -> Result<(), TestCaseError> {
        let checks: Vec<CheckNow> = (0..3)
            .filter(|n| self.severities[*n] != SeverityCap::None)
            .map(|n| CheckNow { name: NAMES[n], confirmed: self.states[n].confirmed, severity: self.severities[n] })
            .collect();
        let is_down = checks.iter().any(|c| c.down_since().is_some());
        let latest = self.outages.last();
        let now = Now { wall, boot: Duration::ZERO };
        let id = Uuid::from_u128(self.outages.len() as u128);
        let change = outage(&VendorId::new("acme"), latest, &checks, MERGE_GAP, Blame::Inconclusive, now, || id);
        match (&change, latest) {
            (Some(OutageChange::Opened(new)), Some(last)) => {
                let end = last.ended_at.expect("the last one is over");
                prop_assert!(new.started_at.since(end) > MERGE_GAP, "{:?} begins within the merge gap of {:?}", new, last);
            }
            (Some(OutageChange::Reopened(new) | OutageChange::Grew(new) | OutageChange::Ended(new)), Some(last)) => {
                prop_assert_eq!(new.id, last.id);
                prop_assert!(new.started_at <= last.started_at, "the start moved forward");
            }
            (Some(OutageChange::Opened(_)) | None, _) => {}
            (Some(other), None) => prop_assert!(false, "{:?} without an outage", other),
        }
        if let Some(change) = &change {
            let new = change.outage().clone();
            self.outages.retain(|o| o.id != new.id);
            self.outages.push(new);
        }
        let open = self.outages.iter().filter(|o| o.ended_at.is_none()).count();
        prop_assert_eq!(open, usize::from(is_down), "one is open exactly while a check is down");
        prop_assert!(self.outages.iter().all(|o| o.ended_at.is_none_or(|end| end >= o.started_at)));
        for pair in self.outages.windows(2) {
            prop_assert!(pair[0].ended_at.is_some_and(|end| end <= pair[1].started_at), "overlap: {:?}", pair);
        }
        if let (true, Some(OutageChange::Ended(over))) = (self.plain, &change) {
            let last = self.down.iter().map(|(_, to)| *to).max();
            prop_assert_eq!(over.ended_at, last.map(|end| end.max(over.started_at)), "it ends when the last check recovered");
        }
        Ok(())
    }

    fn run(&mut self, n: usize, outcome: Outcome) -> Result<(), TestCaseError> {
        let reason = if outcome == Outcome::Up { Reason::Ok } else { Reason::HttpStatus };
        let run = Run { at: at(self.clock), boot: Duration::ZERO, outcome, reason, duration: Duration::ZERO };
        let before = self.states[n].confirmed;
        if let Some(change) = health::fold(&mut self.states[n], &self.terms[n], &run, &[]).change {
            if let Some(was) = before.filter(|c| c.state == State::Down) {
                self.down.push((was.since, change.at));
            }
            self.judge(change.confirmed_at)?;
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn outages_are_the_time_in_which_a_check_was_down(terms in vec((1..4u8, 1..4u8), 3), steps in vec(step(), 1..80)) {
        let terms: Vec<Terms> = terms.into_iter().map(|(down, up)| self::terms(down, up)).collect();
        let (states, severities) = (vec![CheckState::default(); 3], vec![SeverityCap::Down; 3]);
        let mut world = World { terms, states, severities, outages: Vec::new(), clock: 1000, plain: true, down: Vec::new() };
        for step in steps {
            match step {
                Step::Run(n, outcome) => world.run(n, outcome)?,
                Step::Wait(by) => world.clock += by,
                Step::Again => world.judge(at(world.clock))?,
                Step::Severity(n, severity) => {
                    world.plain &= world.severities[n] == severity;
                    world.severities[n] = severity;
                    world.judge(at(world.clock))?;
                }
            }
        }
    }
}
