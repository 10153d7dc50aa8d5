//! Single results of a timeline, and how long they took: from chunks and journal together.
//!
//! What is read of a run is the same before and after it is packed: durations are rounded (`packing/rounding`) wherever
//! they stand, so that they are off by at most 0.4 %, and phases by at most 3.2 %.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};
use sketches_ddsketch::{Config, DDSketch};

use super::packing::{Unpacker, chunk_id, rounding};
use super::{CheckKey, Reader, StoreError};
use crate::model::{Outcome, Phases, Reason, Timestamp};

/// With the rounding of durations, quantiles are off by at most 1 %.
const SKETCH_ALPHA: f64 = 0.006;
/// What the bytes of a sketch do not say, and is assumed of them when they are read.
const SKETCH_MIN_SECONDS: f64 = 1e-9;
const SKETCH_BINS_MAX: u32 = 2048;
const DAY_MS: i64 = 86_400_000;

/// One run, as history remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it began.
    pub at: Timestamp,
    pub outcome: Outcome,
    pub reason: Reason,
    pub duration: Duration,
    pub phases: Phases,
    pub http_status: Option<u16>,
}

/// How long the runs of a time took that got an answer they could use (`up` and `degraded`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Never 0: a time without such runs is left out.
    pub count: u64,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

/// Mergeable quantiles of durations, at most 1 % off.
pub struct Sketch(DDSketch);

impl Default for Sketch {
    fn default() -> Self {
        Sketch(DDSketch::new(Config::new(SKETCH_ALPHA, SKETCH_BINS_MAX, SKETCH_MIN_SECONDS)))
    }
}

impl Sketch {
    pub fn add(&mut self, duration: Duration) {
        self.0.add(duration.as_secs_f64());
    }

    pub fn is_empty(&self) -> bool {
        self.0.count() == 0
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_java_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Sketch, StoreError> {
        DDSketch::from_java_bytes(bytes).map(Sketch).map_err(|e| unreadable(&e.to_string()))
    }

    /// Both were read from bytes.
    fn merge(&mut self, other: &Sketch) -> Result<(), StoreError> {
        self.0.merge(&other.0).map_err(|e| unreadable(&e.to_string()))
    }

    fn quantile(&self, percent: usize) -> Duration {
        let seconds = self.0.quantile(percent as f64 / 100.0).ok().flatten().unwrap_or_default();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

impl Reader {
    /// The runs of a timeline that began in `[from, to)`, oldest first.
    pub fn samples(&self, key: CheckKey, from: Timestamp, to: Timestamp) -> Result<Vec<Sample>, StoreError> {
        let mut samples = Vec::new();
        self.each_part(key, from, to, &mut |part| samples.extend_from_slice(part))?;
        // Inside a timeline time does not run backwards, unless something was brought in later.
        if !samples.is_sorted_by_key(|sample| sample.at) {
            samples.sort_by_key(|sample| sample.at);
        }
        Ok(samples)
    }

    /// The runs of a timeline that began in `[from, to)`, a chunk at a time, in the order in which they were stored.
    pub fn each_part(&self, key: CheckKey, from: Timestamp, to: Timestamp, see: &mut dyn FnMut(&[Sample])) -> Result<(), StoreError> {
        self.at_one_instant(|| {
            let (mut unpacker, mut part) = (Unpacker::default(), Vec::new());
            for (span, ..) in self.spans("state = 'whole'", from, to)? {
                part.clear();
                self.chunk(span, key, &mut unpacker, &mut part)?;
                see_inside(&mut part, from, to, see);
            }
            part.clear();
            self.journal_samples(key, from, to, &mut part)?;
            see(&part);
            Ok(())
        })
    }

    fn journal_samples(&self, key: CheckKey, from: Timestamp, to: Timestamp, samples: &mut Vec<Sample>) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT at, outcome, reason, duration_us, resolve_us, connect_us, tls_us, processing_us, transfer_us, http_status FROM journal
             WHERE seq > ?4 AND terms_id IN (SELECT id FROM terms WHERE timeline = ?1) AND at >= ?2 AND at < ?3 ORDER BY seq",
        )?;
        let mut rows = query.query(params![key.0, from.as_millis(), to.as_millis(), self.packed_through()?])?;
        while let Some(row) = rows.next()? {
            samples.push(sample(row)?);
        }
        Ok(())
    }

    /// Spans with runs in `[from, to)`, in the order of the journal, and when they start.
    fn spans(&self, state: &str, from: Timestamp, to: Timestamp) -> Result<Vec<(i64, Timestamp)>, StoreError> {
        let sql = format!("SELECT id, starts_at FROM spans WHERE {state} AND to_ms >= ?1 AND from_ms < ?2 ORDER BY first_seq");
        let mut query = self.db.prepare_cached(&sql)?;
        let rows = query.query_map([from.as_millis(), to.as_millis()], |r| Ok((r.get(0)?, Timestamp::from_millis(r.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Latency in steps of `step` from `from` on; the last one may be shorter. Steps without an answer are left out.
    /// Of days whose results are no longer kept there is a sketch: it counts in a step that has the whole day.
    pub fn latency(&self, key: CheckKey, from: Timestamp, to: Timestamp, step: Duration) -> Result<Vec<Latency>, StoreError> {
        let steps = Steps { from, to, step: i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1) };
        let mut gathered: BTreeMap<i64, Gathered> = BTreeMap::new();
        self.at_one_instant(|| {
            for (span, day) in self.spans("state IN ('expired', 'sketched')", from, to)? {
                if let (Some(nth), Some(sketch)) = (steps.whole_day(day), self.sketch(span, key)?) {
                    gathered.entry(nth).or_default().add(sketch)?;
                }
            }
            self.each_part(key, from, to, &mut |part| {
                for sample in part.iter().filter(|sample| sample.is_answered()) {
                    gathered.entry(steps.nth(sample.at)).or_default().durations.push(sample.duration);
                }
            })
        })?;
        Ok(gathered.into_iter().map(|(nth, gathered)| gathered.latency(steps.bounds(nth))).collect())
    }

    fn sketch(&self, span: i64, key: CheckKey) -> Result<Option<Sketch>, StoreError> {
        let mut query = self.db.prepare_cached("SELECT data FROM sketches WHERE id = ?1")?;
        let bytes: Option<Vec<u8>> = query.query_row([chunk_id(span, key)], |r| r.get(0)).optional()?;
        bytes.map(|bytes| Sketch::from_bytes(&bytes)).transpose()
    }
}

/// Hands on what of `part` is in `[from, to)`; mostly that is all of it.
fn see_inside(part: &mut Vec<Sample>, from: Timestamp, to: Timestamp, see: &mut dyn FnMut(&[Sample])) {
    part.retain(|sample| (from..to).contains(&sample.at));
    see(part);
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Corrupt(format!("a sketch of latency cannot be read: {what}"))
}

/// How a time is cut.
struct Steps {
    from: Timestamp,
    to: Timestamp,
    step: i64,
}

impl Steps {
    fn nth(&self, at: Timestamp) -> i64 {
        at.millis_since(self.from) / self.step
    }

    fn bounds(&self, nth: i64) -> (Timestamp, Timestamp) {
        let begin = self.from.as_millis().saturating_add(nth.saturating_mul(self.step));
        (Timestamp::from_millis(begin), Timestamp::from_millis(begin.saturating_add(self.step)).min(self.to))
    }

    /// The step that has the whole day.
    fn whole_day(&self, day: Timestamp) -> Option<i64> {
        let nth = self.nth(day);
        let (from, to) = self.bounds(nth);
        (from <= day && to.millis_since(day) >= DAY_MS).then_some(nth)
    }
}

/// What was found of one step.
#[derive(Default)]
struct Gathered {
    durations: Vec<Duration>,
    sketch: Option<Sketch>,
}

impl Gathered {
    fn add(&mut self, sketch: Sketch) -> Result<(), StoreError> {
        match &mut self.sketch {
            Some(all) => all.merge(&sketch),
            none => {
                *none = Some(sketch);
                Ok(())
            }
        }
    }

    fn latency(mut self, (from, to): (Timestamp, Timestamp)) -> Latency {
        const PERCENTS: [usize; 3] = [50, 95, 99];
        let (count, [p50, p95, p99]) = match self.sketch {
            Some(mut sketch) => {
                self.durations.iter().for_each(|duration| sketch.add(*duration));
                (sketch.0.count(), PERCENTS.map(|percent| sketch.quantile(percent)))
            }
            None => {
                self.durations.sort_unstable();
                (self.durations.len(), PERCENTS.map(|percent| self.durations[nearest_rank(self.durations.len(), percent)]))
            }
        };
        Latency { from, to, count: count as u64, p50, p95, p99 }
    }
}

/// Where, among `count` sorted values, the smallest stands that `percent` of them do not exceed.
fn nearest_rank(count: usize, percent: usize) -> usize {
    (count * percent).div_ceil(100).saturating_sub(1)
}

/// `at outcome reason duration`, the phases and the status of a journal row.
pub(super) fn sample(row: &Row) -> Result<Sample, StoreError> {
    let (outcome, reason): (u8, u8) = (row.get(1)?, row.get(2)?);
    let exact = Phases { resolve: row.get(4)?, connect: row.get(5)?, tls: row.get(6)?, processing: row.get(7)?, transfer: row.get(8)? };
    Ok(Sample {
        at: Timestamp::from_millis(row.get(0)?),
        outcome: Outcome::from_code(outcome).ok_or_else(|| StoreError::Corrupt(format!("journal: outcome {outcome}")))?,
        reason: Reason::from_code(reason).ok_or_else(|| StoreError::Corrupt(format!("journal: reason {reason}")))?,
        duration: rounding::duration(Duration::from_micros(row.get::<_, i64>(3)?.max(0) as u64)),
        phases: rounding::phases(exact),
        http_status: row.get(9)?,
    })
}
