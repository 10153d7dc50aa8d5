//! Which rows are new, to which part of a past they belong, and what the fold makes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use super::sketched::Looked;
use super::targets::Target;
use crate::health::{CheckState, Run, fold};
use crate::model::{CheckId, KofN, State, Terms, Timestamp};
use crate::store::{Brought, Loaded, StoreError, Stretch, Writer};

/// Rows in one commit: the lock is held for the whole import, and a kill loses at most these.
const ROWS_PER_BATCH: usize = 20_000;
const DAY_MS: i64 = 86_400_000;

/// The first is the sum of the others and of what was refused, but for what was drawn from sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    pub read: usize,
    pub taken: usize,
    /// Of the taken: what stands for a sum.
    pub drawn: usize,
    /// Seen by ourselves, or imported before.
    pub known: usize,
    /// There twice.
    pub repeated: usize,
}

/// When each change to `down` was confirmed, by check and first failing run.
pub type Confirmed = BTreeMap<(CheckId, Timestamp), Timestamp>;

pub struct Plan {
    pub counts: Counts,
    parts: Vec<Part>,
}

/// A stretch of time without anything of ours in it.
struct Part {
    number: u32,
    state: CheckState,
    /// Where the next part, or what we saw ourselves, begins.
    limit: Option<Timestamp>,
    looks: Vec<Looked>,
    /// How many of `looks` are written.
    done: usize,
    pace: Option<Pace>,
}

/// Under which terms a look counts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pace {
    every: Duration,
    /// The other monitor had confirmed it.
    confirmed: bool,
}

/// What is known of a check already.
struct Known {
    number: u32,
    first: Timestamp,
    last: Timestamp,
    state: CheckState,
}

impl Plan {
    pub fn of(mut looks: Vec<Looked>, target: &Target, loaded: Option<&Loaded>) -> Plan {
        let all = looks.len();
        looks.sort_by_key(|look| (look.at, look.drawn));
        looks.dedup_by_key(|look| look.at);
        let mut counts = Counts { repeated: all - looks.len(), ..Counts::default() };
        let (own, known) = known(target, loaded);
        let mut parts: Vec<Part> = Vec::new();
        for look in looks {
            if own.is_some_and(|own| look.at >= own) {
                counts.known += 1;
                continue;
            }
            let before = known.iter().rposition(|part| part.first <= look.at);
            if before.is_some_and(|at| look.at <= known[at].last) {
                counts.known += 1;
                continue;
            }
            let number = before.map_or_else(|| free(&known), |at| known[at].number);
            if parts.last().is_none_or(|part| part.number != number) {
                let limit = known.get(before.map_or(0, |at| at + 1)).map(|next| next.first).or(own);
                let state = before.map(|at| known[at].state.clone()).unwrap_or_default();
                parts.push(Part { number, state, limit, looks: Vec::new(), done: 0, pace: None });
            }
            counts.taken += 1;
            counts.drawn += usize::from(look.drawn);
            if let Some(part) = parts.last_mut() {
                part.looks.push(look);
            }
        }
        Plan { counts, parts }
    }

    /// When the first and the last of the looks that are taken began.
    pub fn window(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        let at = || self.parts.iter().flat_map(|part| &part.looks).map(|look| look.at);
        (at().min(), at().max())
    }
}

/// Our own first look, and the parts that were imported, oldest first.
fn known(target: &Target, loaded: Option<&Loaded>) -> (Option<Timestamp>, Vec<Known>) {
    let timelines = || loaded.iter().flat_map(|loaded| &loaded.checks).filter(|check| check.id == target.id);
    let own = timelines().filter(|check| check.part().is_none()).filter_map(|check| check.state.first_at).min();
    let part = |check: &crate::store::StoredCheck| {
        let (first, last) = (check.state.first_at?, check.state.last?.at);
        Some(Known { number: check.part()?, first, last, state: check.state.clone() })
    };
    let mut parts: Vec<Known> = timelines().filter_map(part).collect();
    parts.sort_by_key(|part| part.first);
    (own, parts)
}

fn free(known: &[Known]) -> u32 {
    known.iter().map(|part| part.number).max().unwrap_or(0) + 1
}

/// Writes them, day by day and all checks of a day together, so that the journal has them in the order of time.
pub fn write<'p>(writer: &mut Writer, plans: impl Iterator<Item = (&'p Target, &'p mut Plan)>) -> Result<Confirmed, StoreError> {
    let mut all: Vec<(&Target, &mut Part)> =
        plans.flat_map(|(target, plan)| plan.parts.iter_mut().map(move |part| (target, part))).collect();
    let days: BTreeSet<i64> = all.iter().flat_map(|(_, part)| part.looks.iter().map(|look| day_of(look.at))).collect();
    let mut confirmed = Confirmed::new();
    let (mut brought, mut rows) = (Vec::new(), 0);
    for day in days {
        for (target, part) in &mut all {
            let looks = part.next(day);
            if looks.is_empty() {
                continue;
            }
            rows += looks.len();
            brought.push(part.bring(target, &looks, &mut confirmed));
        }
        if rows >= ROWS_PER_BATCH {
            writer.bring(&brought)?;
            writer.checkpoint_if_due()?;
            (brought, rows) = (Vec::new(), 0);
        }
    }
    writer.bring(&brought)?;
    Ok(confirmed)
}

fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY_MS)
}

impl Part {
    /// Those of a day that are not written.
    fn next(&mut self, day: i64) -> Vec<Looked> {
        let rest = &self.looks[self.done..];
        let number = rest.partition_point(|look| day_of(look.at) <= day);
        self.done += number;
        rest[..number].to_vec()
    }

    fn bring(&mut self, target: &Target, looks: &[Looked], confirmed: &mut Confirmed) -> Brought {
        let usual = usual_gap(looks);
        let (mut stretches, mut segments): (Vec<Stretch>, Vec<_>) = (Vec::new(), Vec::new());
        for look in looks {
            let pace = self.pace_of(look, usual, &target.terms);
            let terms = terms(&target.terms, pace);
            let run = Run { at: look.at, boot: Duration::ZERO, outcome: look.outcome, reason: look.reason, duration: look.took() };
            let folded = fold(&mut self.state, &terms, &run, &[]);
            segments.extend(folded.segments);
            if let Some(change) = folded.change.filter(|change| change.to == State::Down) {
                confirmed.insert((target.id.clone(), change.at), change.confirmed_at);
            }
            match stretches.last_mut().filter(|stretch| stretch.terms == terms) {
                Some(stretch) => stretch.runs.push(run),
                None => stretches.push(Stretch { terms, runs: vec![run] }),
            }
        }
        let last = looks.last().map_or(Timestamp::default(), |look| look.at);
        let end = self.state.evidence_until.map_or(last, |until| until.max(last));
        let until = self.limit.map_or(end, |limit| end.min(limit));
        let check = target.id.clone();
        Brought { check, kind: target.kind.clone(), part: self.number, stretches, segments, state: self.state.clone(), until }
    }

    /// A pace that is about the same stays the same, so that terms are not written anew every day.
    fn pace_of(&mut self, look: &Looked, usual: Option<Duration>, terms: &Terms) -> Pace {
        let every = match look.every {
            0 => usual.or(self.pace.map(|pace| pace.every)).unwrap_or(terms.interval),
            seconds => Duration::from_secs(seconds.into()),
        };
        let stays = |pace: &Pace| pace.confirmed == look.confirmed && every <= pace.every.mul_f64(1.05) && every * 2 >= pace.every;
        let pace = self.pace.filter(stays).unwrap_or(Pace { every, confirmed: look.confirmed });
        self.pace = Some(pace);
        pace
    }
}

/// The median between looks that are kept one by one, in whole seconds.
fn usual_gap(looks: &[Looked]) -> Option<Duration> {
    const GAPS_MIN: usize = 3;
    let single: Vec<Timestamp> = looks.iter().filter(|look| look.every == 0).map(|look| look.at).collect();
    let mut gaps: Vec<Duration> = single.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    gaps.sort_unstable();
    let median = *gaps.get(gaps.len() / 2).filter(|_| gaps.len() >= GAPS_MIN)?;
    Some(Duration::from_secs((median.as_millis() as u64).div_ceil(1000).clamp(1, 86_400)))
}

fn terms(own: &Terms, pace: Pace) -> Terms {
    let once = KofN::in_a_row(1);
    let (down_after, up_after) = if pace.confirmed { (once, once) } else { (own.down_after, own.up_after) };
    Terms { interval: pace.every, down_after, up_after, enabled: true, ..own.clone() }
}
