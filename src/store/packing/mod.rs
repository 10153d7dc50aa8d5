//! Packing: finished hours of the journal become chunks, one a timeline, and those of a finished day become larger ones.
//!
//! * A *span* is a stretch of the journal's numbers. Its chunks are written in small steps and count for nothing until one
//!   step finishes it; from that instant on the journal rows, or the spans, that it was made of count for nothing, and are
//!   deleted in small steps. So a kill at any moment leaves each result exactly once, and what a step left undone is done
//!   again or deleted by the next [`pack`].
//! * Only rows that every stored state has already taken in are packed: whoever folds the journal finds what it needs.
//! * An hour of a large fleet has several spans, because one is held in memory while it is packed ([`SPAN_RESULTS_MAX`]);
//!   hours that nobody packed when they were finished have one together.
//!   They are appended in the order of the journal, which costs few pages; the day brings the pieces of a timeline together.
//! * Steps are bounded, so that the writer is not held up. When the next one comes is the caller's.
//!
//! Deliberately not here: threads and waiting (`daemon/packer`).

mod chunk;
mod column;
pub mod rounding;
mod step;

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, params};

pub use chunk::{Unpacker, pack as pack_samples};
pub(super) use step::PACKED_THROUGH;
pub use step::{Packed, Step};

use super::samples::{self, Sketch};
use super::{CheckKey, Reader, Sample, StoreError};
use crate::model::{Outcome, Timestamp};

/// An hour is finished this long after its end: runs that began in it have arrived, and states were stored since.
const SETTLED_AFTER: Duration = Duration::from_secs(600);
/// A clock that went back by less will come to what was stored before.
const CLOCK_WRONG_BY: Duration = Duration::from_secs(86_400);
/// Results that a span of an hour holds; 7 MiB while they are packed.
const SPAN_RESULTS_MAX: usize = 100_000;
/// Of one step: about a millisecond of the writer's time.
const STEP_CHUNKS: usize = 500;
const STEP_BYTES: usize = 128 << 10;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hour,
    Day,
}

/// A stretch of the journal that is packed.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub id: i64,
    pub kind: Kind,
    pub starts_at: Timestamp,
    pub first_seq: i64,
    pub last_seq: i64,
    /// When the earliest and the latest of its runs began.
    pub from: Timestamp,
    pub to: Timestamp,
    pub results: u64,
}

/// Rows of the journal, in their order.
type Results = Vec<(CheckKey, Sample)>;

/// Packs everything that is finished at `now`. `open` gives a reader for a while, `apply` takes one step to the writer and
/// says how many rows it changed; after an error of either, the next call goes on.
pub fn pack(
    open: &dyn Fn() -> Result<Reader, StoreError>,
    now: Timestamp,
    apply: &mut dyn FnMut(Step) -> Result<usize, StoreError>,
) -> Result<(), StoreError> {
    if open()?.is_interrupted()? {
        apply(Step::Discard)?;
    }
    sweep(apply)?;
    while let Some((span, results)) = open()?.next_hours(now)? {
        let chunks = by_timeline(results).map(|(key, samples)| Packed::of(span.id, key, &samples, None));
        if !write(&span, chunks.map(Ok), apply)? {
            // A state that is not stored yet may need its rows.
            return Ok(());
        }
        if span.results as usize == SPAN_RESULTS_MAX {
            sweep(apply)?;
        }
    }
    sweep(apply)?;
    loop {
        let reader = open()?;
        let Some((span, hours)) = reader.next_day(now)? else { return Ok(()) };
        let timelines = reader.timelines()?.into_iter();
        write(&span, timelines.filter_map(|key| merged(&reader, &span, &hours, key).transpose()), apply)?;
        sweep(apply)?;
    }
}

/// Deletes what counts for nothing any more.
pub fn sweep(apply: &mut dyn FnMut(Step) -> Result<usize, StoreError>) -> Result<(), StoreError> {
    while apply(Step::Sweep)? > 0 {}
    Ok(())
}

/// Hands the chunks of a span over, a few at a time, the last ones with the word that it is whole. Whether that was taken.
fn write(
    span: &Span,
    chunks: impl Iterator<Item = Result<Packed, StoreError>>,
    apply: &mut dyn FnMut(Step) -> Result<usize, StoreError>,
) -> Result<bool, StoreError> {
    let (mut gathered, mut bytes) = (Vec::new(), 0);
    for packed in chunks {
        let packed = packed?;
        bytes += packed.bytes();
        gathered.push(packed);
        if gathered.len() >= STEP_CHUNKS || bytes >= STEP_BYTES {
            apply(Step::Write(span.clone(), std::mem::take(&mut gathered)))?;
            bytes = 0;
        }
    }
    Ok(apply(Step::Finish(span.clone(), gathered))? > 0)
}

/// What the hours have of a timeline, as one chunk and a sketch; `None` if they have nothing.
fn merged(reader: &Reader, span: &Span, hours: &[i64], key: CheckKey) -> Result<Option<Packed>, StoreError> {
    let mut samples = Vec::new();
    let mut unpacker = Unpacker::default();
    for hour in hours {
        reader.chunk(*hour, key, &mut unpacker, &mut samples)?;
    }
    if samples.is_empty() {
        return Ok(None);
    }
    let mut sketch = Sketch::default();
    samples.iter().filter(|sample| sample.is_answered()).for_each(|sample| sketch.add(sample.duration));
    Ok(Some(Packed::of(span.id, key, &samples, Some(&sketch))))
}

/// The runs of each timeline, in the order of the journal.
fn by_timeline(mut results: Results) -> impl Iterator<Item = (CheckKey, Vec<Sample>)> {
    results.sort_by_key(|(key, _)| *key);
    let mut rest = results.into_iter().peekable();
    std::iter::from_fn(move || {
        let (key, first) = rest.next()?;
        let mut samples = vec![first];
        while let Some((_, sample)) = rest.next_if(|(next, _)| *next == key) {
            samples.push(sample);
        }
        Some((key, samples))
    })
}

fn hour_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(HOUR_MS)
}

fn day_of(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(DAY_MS)
}

impl Reader {
    /// The last number that is packed: the journal counts from the next one on.
    pub(super) fn packed_through(&self) -> Result<i64, StoreError> {
        Ok(self.db.prepare_cached(step::PACKED_THROUGH)?.query_row([], |r| r.get(0))?)
    }

    /// Whether a kill left a span half written.
    fn is_interrupted(&self) -> Result<bool, StoreError> {
        Ok(self.db.query_row("SELECT EXISTS (SELECT 1 FROM spans WHERE state = 'writing')", [], |r| r.get(0))?)
    }

    /// When a job of the calendar ran last.
    pub fn last_run(&self, job: &str) -> Result<Option<Timestamp>, StoreError> {
        let found = self.db.prepare_cached("SELECT last_run FROM jobs WHERE name = ?1")?.query_row([job], |r| r.get(0)).optional()?;
        Ok(found.map(Timestamp::from_millis))
    }

    fn next_span_id(&self) -> Result<i64, StoreError> {
        Ok(self.db.query_row("SELECT coalesce(max(id), 0) + 1 FROM spans", [], |r| r.get(0))?)
    }

    fn timelines(&self) -> Result<Vec<CheckKey>, StoreError> {
        self.list("SELECT id FROM timelines ORDER BY id", |r| r.get(0).map(CheckKey))
    }

    /// The results of the oldest hours of one day that are finished and not packed, or as many of them as one span takes.
    fn next_hours(&self, now: Timestamp) -> Result<Option<(Span, Results)>, StoreError> {
        let packed = self.packed_through()?;
        // Rows that no stored state has taken in are still to be folded.
        let stored: i64 = self.db.query_row(step::STORED_THROUGH, [], |r| r.get(0))?;
        let open_hour = hour_of(now - SETTLED_AFTER);
        let mut query = self.db.prepare_cached(
            "SELECT j.at, j.outcome, j.reason, j.duration_us, j.resolve_us, j.connect_us, j.tls_us, j.processing_us, j.transfer_us, j.http_status, j.seq, t.timeline
             FROM journal j JOIN terms t ON t.id = j.terms_id WHERE j.seq > ?1 AND j.seq <= ?2 ORDER BY j.seq LIMIT ?3",
        )?;
        let mut rows = query.query(params![packed, stored, SPAN_RESULTS_MAX as i64])?;
        let (mut results, mut last_seq, mut day) = (Vec::new(), packed, None);
        while let Some(row) = rows.next()? {
            let (key, sample) = timeline_sample(row)?;
            // What began long after now was stored while the clock was wrong; it is not waited for.
            let is_open = hour_of(sample.at) >= open_hour && sample.at <= now + CLOCK_WRONG_BY;
            // Runs arrive a little out of order around midnight; a past that was brought in later begins far before.
            let first = *day.get_or_insert(day_of(sample.at));
            if is_open || !(first - 1..=first).contains(&day_of(sample.at)) {
                break;
            }
            last_seq = row.get(10)?;
            results.push((key, sample));
        }
        let Some(day) = day.filter(|_| !results.is_empty()) else { return Ok(None) };
        let at = |pick: fn(Timestamp, Timestamp) -> Timestamp| results.iter().map(|(_, s)| s.at).reduce(pick).unwrap_or(now);
        let span = Span {
            id: self.next_span_id()?,
            kind: Kind::Hour,
            starts_at: Timestamp::from_millis((day * DAY_MS).min(open_hour * HOUR_MS)),
            first_seq: packed + 1,
            last_seq,
            from: at(Timestamp::min),
            to: at(Timestamp::max),
            results: results.len() as u64,
        };
        Ok(Some((span, results)))
    }

    /// The oldest day that is finished and still in hours, and the spans of these.
    fn next_day(&self, now: Timestamp) -> Result<Option<(Span, Vec<i64>)>, StoreError> {
        let spans = self.list(
            "SELECT id, starts_at, first_seq, last_seq, from_ms, to_ms, results FROM spans WHERE kind = 'hour' AND state = 'whole' ORDER BY first_seq",
            |r| {
                Ok(Span {
                    id: r.get(0)?,
                    kind: Kind::Hour,
                    starts_at: Timestamp::from_millis(r.get(1)?),
                    first_seq: r.get(2)?,
                    last_seq: r.get(3)?,
                    from: Timestamp::from_millis(r.get(4)?),
                    to: Timestamp::from_millis(r.get(5)?),
                    results: r.get::<_, i64>(6)? as u64,
                })
            },
        )?;
        let open_day = day_of(now - SETTLED_AFTER);
        let Some(day) = spans.first().map(|first| day_of(first.starts_at)).filter(|day| *day < open_day) else { return Ok(None) };
        let hours: Vec<&Span> = spans.iter().take_while(|span| (day - 1..=day).contains(&day_of(span.starts_at))).collect();
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else { return Ok(None) };
        let span = Span {
            id: self.next_span_id()?,
            kind: Kind::Day,
            starts_at: Timestamp::from_millis(day * DAY_MS),
            last_seq: last.last_seq,
            from: hours.iter().map(|span| span.from).min().unwrap_or(first.from),
            to: hours.iter().map(|span| span.to).max().unwrap_or(first.to),
            results: hours.iter().map(|span| span.results).sum(),
            ..(*first).clone()
        };
        Ok(Some((span, hours.iter().map(|span| span.id).collect())))
    }

    /// Adds what a span has of a timeline to `samples`.
    pub(super) fn chunk(&self, span: i64, key: CheckKey, unpacker: &mut Unpacker, samples: &mut Vec<Sample>) -> Result<(), StoreError> {
        let mut query = self.db.prepare_cached("SELECT data FROM chunks WHERE id = ?1")?;
        let mut rows = query.query([chunk_id(span, key)])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let data = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        unpacker.unpack(data, samples)
    }
}

fn timeline_sample(row: &Row) -> Result<(CheckKey, Sample), StoreError> {
    Ok((CheckKey(row.get(11)?), samples::sample(row)?))
}

/// Where the chunk and the sketch of a timeline in a span are.
pub(super) fn chunk_id(span: i64, key: CheckKey) -> i64 {
    span << 32 | key.0
}

fn counts(samples: &[Sample]) -> [i64; 4] {
    let mut counts = [0; 4];
    samples.iter().for_each(|sample| counts[usize::from(sample.outcome.code())] += 1);
    counts
}

impl Sample {
    /// Whether it tells how long the vendor takes to answer.
    pub(super) fn is_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Up | Outcome::Degraded)
    }
}

#[cfg(test)]
mod tests;
