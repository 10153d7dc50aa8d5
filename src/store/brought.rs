//! A past that another monitor saw, before our own first look.
//!
//! * It stands in timelines of their own, at locations where no agent can stand (`docs/decisions/0005-timelines.md`), and these
//!   are retired: whoever reads history chains them before what we saw ourselves, and no daemon goes on with them.
//! * Its runs are in the journal like all others, so that they are packed and kept like all others.
//! * Its outages are told from its segments, all of a vendor at once, so that it does not matter in which order parts came.

use rusqlite::{OptionalExtension, Transaction, params};

use super::batch::JournalRow;
use super::packing::PACKED_THROUGH;
use super::write::{outage, to_json, write_batch};
use super::{Batch, CheckKey, Reader, StoreError, StoredCheck, Writer};
use crate::health::{CheckState, Run, SegmentWrite};
use crate::model::{CheckId, Detail, Observation, Outage, Phases, Segment, SegmentReason, SeverityCap, Terms, Timestamp, VendorId};

/// No name of a location begins like this.
const ELSEWHERE: &str = "(import";
/// In the place of a boot: no clock of ours saw them.
const NO_BOOT: &str = "(import)";

/// Runs of a part, in their order, under the same terms.
#[derive(Clone, Debug)]
pub struct Stretch {
    pub terms: Terms,
    pub runs: Vec<Run>,
}

/// What is added to one part of the past of a check.
#[derive(Clone, Debug)]
pub struct Brought {
    pub check: CheckId,
    pub kind: String,
    pub part: u32,
    pub stretches: Vec<Stretch>,
    pub segments: Vec<SegmentWrite>,
    /// After the last of the runs.
    pub state: CheckState,
    /// From here on something else tells, or nothing.
    pub until: Timestamp,
}

impl StoredCheck {
    /// The number of the part of a past from elsewhere that this is.
    pub fn part(&self) -> Option<u32> {
        self.location.strip_prefix(ELSEWHERE)?.trim_end_matches(')').trim().parse().ok()
    }
}

impl Writer {
    /// Adds to a past from elsewhere, all of it or nothing.
    pub fn bring(&mut self, brought: &[Brought]) -> Result<(), StoreError> {
        self.transaction(|tx| {
            let mut seq = last_seq(tx)?;
            brought.iter().try_for_each(|part| bring(tx, part, &mut seq))
        })
    }

    /// Makes these the outages of a vendor's past from elsewhere.
    pub fn bring_outages(&mut self, vendor: &VendorId, outages: &[Outage]) -> Result<(), StoreError> {
        self.transaction(|tx| {
            tx.execute("DELETE FROM outages WHERE vendor = ?1 AND boot_id = ?2", params![vendor.as_str(), NO_BOOT])?;
            outages.iter().try_for_each(|o| outage(tx, o, NO_BOOT))
        })
    }
}

impl Reader {
    /// The outages of a vendor that we saw ourselves, and those of its past from elsewhere.
    pub fn outages_by_origin(&self, vendor: &VendorId) -> Result<(Vec<Outage>, Vec<Outage>), StoreError> {
        let all = self.outages("")?.into_iter().filter(|outage| outage.vendor == *vendor);
        let mut query = self.db.prepare("SELECT id FROM outages WHERE vendor = ?1 AND boot_id = ?2")?;
        let ids: Vec<String> = query.query_map([vendor.as_str(), NO_BOOT], |r| r.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(all.partition(|outage| !ids.contains(&outage.id.to_string())))
    }

    /// The timeline of a part, up to its end.
    pub fn brought_timeline(&self, check: &StoredCheck) -> Result<Vec<Segment>, StoreError> {
        let mut segments = self.closed_segments(check.key, Timestamp::from_millis(i64::MIN))?;
        let end = check.retired_at.or(check.state.evidence_until).unwrap_or_default();
        segments.extend(check.state.tail(end, SegmentReason::NoObservation));
        Ok(segments)
    }
}

/// The last number that was ever given to a run.
fn last_seq(tx: &Transaction) -> rusqlite::Result<i64> {
    let sql = format!(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM journal), ({PACKED_THROUGH}), (SELECT coalesce(max(through_seq), 0) FROM check_states))"
    );
    tx.query_row(&sql, [], |r| r.get(0))
}

fn bring(tx: &Transaction, part: &Brought, seq: &mut i64) -> rusqlite::Result<()> {
    let key = timeline(tx, part)?;
    // That it ended was said of the runs before these.
    tx.execute("DELETE FROM terms WHERE timeline = ?1 AND counts = 0", [key.0])?;
    let mut observations = Vec::new();
    for stretch in &part.stretches {
        let Some(first) = stretch.runs.first() else { continue };
        let terms_id = terms(tx, key, &stretch.terms, first.at)?;
        observations.extend(stretch.runs.iter().map(|run| {
            *seq += 1;
            JournalRow { seq: *seq, terms_id, at: run.at, observation: observation(run) }
        }));
    }
    let batch = Batch {
        observations,
        segments: part.segments.iter().map(|write| (key, *write)).collect(),
        states: vec![(key, *seq, part.state.clone())],
        ..Batch::default()
    };
    write_batch(tx, &batch, NO_BOOT)?;
    let until = part.until.as_millis();
    tx.execute("UPDATE timelines SET retired_at = ?2 WHERE id = ?1", [key.0, until])?;
    tx.execute(
        "INSERT INTO terms (timeline, valid_from, counts, terms) SELECT timeline, ?2, 0, terms FROM terms WHERE timeline = ?1 ORDER BY id DESC LIMIT 1",
        [key.0, until],
    )
    .map(drop)
}

fn observation(run: &Run) -> Observation {
    Observation { outcome: run.outcome, reason: run.reason, duration: run.duration, phases: Phases::default(), detail: Detail::default() }
}

fn timeline(tx: &Transaction, part: &Brought) -> rusqlite::Result<CheckKey> {
    let (vendor, name) = (part.check.vendor.as_str(), &*part.check.name);
    tx.execute(
        "INSERT INTO checks (vendor, name, kind, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (vendor, name) DO NOTHING",
        params![vendor, name, part.kind, part.until.as_millis()],
    )?;
    let check: i64 = tx.query_row("SELECT id FROM checks WHERE vendor = ?1 AND name = ?2", [vendor, name], |r| r.get(0))?;
    let location = format!("{ELSEWHERE} {})", part.part);
    tx.query_row(
        "INSERT INTO timelines (check_id, location, retired_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (check_id, location) DO UPDATE SET retired_at = excluded.retired_at RETURNING id",
        params![check, location, part.until.as_millis()],
        |r| r.get(0),
    )
    .map(CheckKey)
}

/// The id of these terms, a new row where they differ from those before.
fn terms(tx: &Transaction, key: CheckKey, terms: &Terms, from: Timestamp) -> rusqlite::Result<i64> {
    let written = to_json(terms);
    let latest = tx
        .prepare_cached("SELECT id, terms FROM terms WHERE timeline = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([key.0], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?)))
        .optional()?;
    match latest {
        Some((id, stored)) if stored == written => Ok(id),
        _ => tx
            .prepare_cached("INSERT INTO terms (timeline, valid_from, counts, terms) VALUES (?1, ?2, ?3, ?4) RETURNING id")?
            .query_row(params![key.0, from.as_millis(), terms.severity != SeverityCap::None, written], |r| r.get(0)),
    }
}
