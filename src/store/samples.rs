//! Single results of a timeline, and how long they took.

use std::time::Duration;

use rusqlite::{Row, params};

use super::{CheckKey, Reader, StoreError};
use crate::model::{Outcome, Phases, Reason, Timestamp};

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

impl Reader {
    /// The runs of a timeline that began in `[from, to)`, oldest first.
    pub fn samples(&self, key: CheckKey, from: Timestamp, to: Timestamp) -> Result<Vec<Sample>, StoreError> {
        let mut query = self.db.prepare_cached(
            "SELECT at, outcome, reason, duration_us, resolve_us, connect_us, tls_us, processing_us, transfer_us, http_status FROM journal
             WHERE terms_id IN (SELECT id FROM terms WHERE timeline = ?1) AND at >= ?2 AND at < ?3 ORDER BY seq",
        )?;
        let mut rows = query.query(params![key.0, from.as_millis(), to.as_millis()])?;
        let mut samples = Vec::new();
        while let Some(row) = rows.next()? {
            samples.push(sample(row)?);
        }
        Ok(samples)
    }

    /// Latency in steps of `step` from `from` on; the last one may be shorter. Steps without an answer are left out.
    pub fn latency(&self, key: CheckKey, from: Timestamp, to: Timestamp, step: Duration) -> Result<Vec<Latency>, StoreError> {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let nth = |sample: &Sample| sample.at.millis_since(from) / step;
        let mut samples = self.samples(key, from, to)?;
        samples.retain(|sample| matches!(sample.outcome, Outcome::Up | Outcome::Degraded));
        samples.sort_by_key(|sample| sample.at);
        let bounds = |nth: i64| {
            let begin = from.as_millis().saturating_add(nth * step);
            (Timestamp::from_millis(begin), Timestamp::from_millis(begin.saturating_add(step)).min(to))
        };
        Ok(samples
            .chunk_by(|a, b| nth(a) == nth(b))
            .map(|chunk| {
                let (from, to) = bounds(nth(&chunk[0]));
                let mut durations: Vec<Duration> = chunk.iter().map(|sample| sample.duration).collect();
                durations.sort_unstable();
                let [p50, p95, p99] = [50, 95, 99].map(|percent| durations[nearest_rank(durations.len(), percent)]);
                Latency { from, to, count: durations.len() as u64, p50, p95, p99 }
            })
            .collect())
    }
}

/// Where, among `count` sorted values, the smallest stands that `percent` of them do not exceed.
fn nearest_rank(count: usize, percent: usize) -> usize {
    (count * percent).div_ceil(100).saturating_sub(1)
}

fn sample(row: &Row) -> Result<Sample, StoreError> {
    let (outcome, reason): (u8, u8) = (row.get(1)?, row.get(2)?);
    Ok(Sample {
        at: Timestamp::from_millis(row.get(0)?),
        outcome: Outcome::from_code(outcome).ok_or_else(|| StoreError::Corrupt(format!("journal: outcome {outcome}")))?,
        reason: Reason::from_code(reason).ok_or_else(|| StoreError::Corrupt(format!("journal: reason {reason}")))?,
        duration: Duration::from_micros(row.get::<_, i64>(3)?.max(0) as u64),
        phases: Phases { resolve: row.get(4)?, connect: row.get(5)?, tls: row.get(6)?, processing: row.get(7)?, transfer: row.get(8)? },
        http_status: row.get(9)?,
    })
}
