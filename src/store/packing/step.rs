//! What packing asks of the writer: small transactions, each of which leaves every result exactly once.

use rusqlite::{Transaction, params};

use super::{Kind, Span, chunk, chunk_id, counts};
use crate::model::Timestamp;
use crate::store::samples::Sketch;
use crate::store::{CheckKey, Sample, StoreError, Writer};

/// Rows that one step deletes at most: a few milliseconds of the writer's time.
const SWEPT_ROWS: i64 = 4_000;

/// The last number of the journal that is packed.
pub const PACKED_THROUGH: &str = "SELECT coalesce(max(last_seq), 0) FROM spans WHERE state IN ('whole', 'expired', 'sketched')";

/// The last number that the state of every timeline has taken in. One that is retired was stored when it left.
pub const STORED_THROUGH: &str = "SELECT coalesce(min(coalesce(s.through_seq, 0)), 0) FROM timelines l LEFT JOIN check_states s ON s.timeline = l.id WHERE l.retired_at IS NULL";

/// A bounded piece of work for the writer.
#[derive(Clone, Debug)]
pub enum Step {
    /// Adds chunks to a span, which does not count yet.
    Write(Span, Vec<Packed>),
    /// Adds the last chunks. From now on the span counts, and what it was made of does not. While a state is not stored it
    /// does not count yet, and 0 rows are said to be changed.
    Finish(Span, Vec<Packed>),
    /// What a kill left half written is not gone on with.
    Discard,
    /// The time to keep the results of days that ended before is over.
    Expire(Timestamp),
    /// The time to keep evidence from before is over; deletes some of it.
    ForgetEvidence(Timestamp),
    /// Deletes some of what does not count any more.
    Sweep,
    /// A job of the calendar was done.
    Ran(&'static str, Timestamp),
}

/// The results of a timeline in a span, as they are stored.
#[derive(Clone, Debug)]
pub struct Packed {
    id: i64,
    counts: [i64; 4],
    data: Vec<u8>,
    sketch: Option<Vec<u8>>,
}

impl Packed {
    pub fn of(span: i64, key: CheckKey, samples: &[Sample], sketch: Option<&Sketch>) -> Packed {
        let sketch = sketch.filter(|sketch| !sketch.is_empty()).map(Sketch::to_bytes);
        Packed { id: chunk_id(span, key), counts: counts(samples), data: chunk::pack(samples), sketch }
    }

    pub fn bytes(&self) -> usize {
        self.data.len() + self.sketch.as_ref().map_or(0, Vec::len)
    }
}

impl Writer {
    /// Does one step and says how many rows it changed. It is not waited for the disk: a step that a power loss takes back
    /// leaves what was there before it, and is done again.
    pub fn pack(&mut self, step: &Step) -> Result<usize, StoreError> {
        self.unhurried(|tx| apply(tx, step))
    }
}

fn apply(tx: &Transaction, step: &Step) -> rusqlite::Result<usize> {
    match step {
        Step::Write(span, packed) => write(tx, span, packed),
        Step::Finish(span, packed) => write(tx, span, packed).and_then(|_| finish(tx, span)),
        Step::Discard => tx.execute("UPDATE spans SET state = 'obsolete' WHERE state = 'writing'", []),
        Step::Expire(before) => {
            let sql = "UPDATE spans SET state = 'expired' WHERE kind = 'day' AND state = 'whole' AND to_ms < ?1";
            tx.execute(sql, [before.as_millis()])
        }
        Step::ForgetEvidence(before) => {
            let sql = "DELETE FROM evidence WHERE (timeline, seq) IN (SELECT timeline, seq FROM evidence WHERE at < ?1 LIMIT ?2)";
            tx.execute(sql, params![before.as_millis(), SWEPT_ROWS])
        }
        Step::Sweep => sweep(tx),
        Step::Ran(job, at) => {
            let sql = "INSERT INTO jobs (name, last_run) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET last_run = excluded.last_run";
            tx.execute(sql, params![job, at.as_millis()])
        }
    }
}

fn write(tx: &Transaction, span: &Span, packed: &[Packed]) -> rusqlite::Result<usize> {
    let kind = match span.kind {
        Kind::Hour => "hour",
        Kind::Day => "day",
    };
    tx.prepare_cached(
        "INSERT INTO spans (id, kind, state, starts_at, first_seq, last_seq, from_ms, to_ms, results)
         VALUES (?1, ?2, 'writing', ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![
        span.id,
        kind,
        span.starts_at.as_millis(),
        span.first_seq,
        span.last_seq,
        span.from.as_millis(),
        span.to.as_millis(),
        span.results as i64
    ])?;
    let mut chunk = tx.prepare_cached("INSERT INTO chunks (id, up, degraded, down, unknown, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let mut sketch = tx.prepare_cached("INSERT INTO sketches (id, data) VALUES (?1, ?2)")?;
    for one in packed {
        let [up, degraded, down, unknown] = one.counts;
        chunk.execute(params![one.id, up, degraded, down, unknown, one.data])?;
        if let Some(data) = &one.sketch {
            sketch.execute(params![one.id, data])?;
        }
    }
    Ok(packed.len())
}

fn finish(tx: &Transaction, span: &Span) -> rusqlite::Result<usize> {
    let stored: i64 = tx.query_row(STORED_THROUGH, [], |r| r.get(0))?;
    if span.kind == Kind::Hour && stored < span.last_seq {
        return Ok(0);
    }
    if span.kind == Kind::Day {
        let sql = "UPDATE spans SET state = 'obsolete' WHERE kind = 'hour' AND state = 'whole' AND first_seq >= ?1 AND last_seq <= ?2";
        tx.execute(sql, [span.first_seq, span.last_seq])?;
    }
    tx.execute("UPDATE spans SET state = 'whole' WHERE id = ?1", [span.id])
}

/// One kind at a time, so that a step stays short.
fn sweep(tx: &Transaction) -> rusqlite::Result<usize> {
    // The row that stays first: the numbers of a journal may have holes.
    let journal = format!(
        "DELETE FROM journal WHERE seq <= min(({PACKED_THROUGH}), coalesce((SELECT seq FROM journal ORDER BY seq LIMIT 1 OFFSET {SWEPT_ROWS}), {}))",
        i64::MAX
    );
    match tx.prepare_cached(&journal)?.execute([])? {
        0 => sweep_spans(tx),
        swept => Ok(swept),
    }
}

/// Deletes chunks of the first span that has to go; the span itself when it has none any more.
fn sweep_spans(tx: &Transaction) -> rusqlite::Result<usize> {
    let mut query =
        tx.prepare_cached("SELECT id, state = 'obsolete' FROM spans WHERE state IN ('obsolete', 'expired') ORDER BY id LIMIT 1")?;
    let mut rows = query.query([])?;
    let Some((id, obsolete)) = rows.next()?.map(|r| Ok::<_, rusqlite::Error>((r.get::<_, i64>(0)?, r.get::<_, bool>(1)?))).transpose()?
    else {
        return Ok(0);
    };
    let mut swept = sweep_table(tx, "chunks", id)?;
    if swept == 0 && obsolete {
        swept = sweep_table(tx, "sketches", id)?;
    }
    if swept > 0 {
        return Ok(swept);
    }
    match obsolete {
        true => tx.execute("DELETE FROM spans WHERE id = ?1", [id]),
        false => tx.execute("UPDATE spans SET state = 'sketched' WHERE id = ?1", [id]),
    }
}

fn sweep_table(tx: &Transaction, table: &str, span: i64) -> rusqlite::Result<usize> {
    let sql = format!("DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3)");
    tx.prepare_cached(&sql)?.execute(params![span << 32, (span + 1) << 32, SWEPT_ROWS])
}
