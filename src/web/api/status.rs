//! `status`: how the vendors are now, by what our checks saw and by what their pages say, side by side.

use serde::Serialize;

use super::{Refusal, find};
use crate::declared::SourceCondition;
use crate::declared::archive::Kind;
use crate::model::{SegmentReason, State, Status, Timestamp, Uuid, time::rfc3339};
use crate::store::{Past, StoredCheck, StoredIncident, StoredSource, StoredVendor};

#[derive(Serialize)]
pub struct Fleet {
    schema: u32,
    pub vendors: Vec<VendorStatus>,
}

#[derive(Serialize)]
pub struct VendorStatus {
    pub vendor: String,
    pub name: String,
    pub tier: u8,
    pub measured: Option<State>,
    pub declared: Option<Status>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    pub since: Option<Timestamp>,
    pub checks: Vec<CheckStatus>,
    pub sources: Vec<SourceStatus>,
    pub open_outage: Option<Uuid>,
    pub open_incidents: Vec<Uuid>,
}

#[derive(Serialize)]
pub struct CheckStatus {
    pub check: String,
    pub kind: String,
    pub state: State,
    pub reason: Option<SegmentReason>,
    pub suspect: bool,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    pub last_run_at: Option<Timestamp>,
    pub duration_seconds: Option<f64>,
}

#[derive(Serialize)]
pub struct SourceStatus {
    pub source: String,
    pub format: String,
    pub state: SourceCondition,
    /// The page's own verdict about everything on it.
    pub overall: Option<Status>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    pub last_success_at: Option<Timestamp>,
    /// Why the last read failed.
    pub problem: Option<String>,
}

impl VendorStatus {
    pub fn has_problem(&self) -> bool {
        let declared = |status| !matches!(status, Status::Operational | Status::Maintenance);
        self.measured.is_some_and(|state| state != State::Up) || self.declared.is_some_and(declared)
    }
}

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    /// Empty: all.
    pub vendors: Vec<String>,
    pub problems: bool,
}

/// The answer, and whether any vendor that was asked for has a problem.
pub fn status(past: &Past, asked: &Asked) -> Result<(Fleet, bool), Refusal> {
    let chosen = chosen(past, &asked.vendors)?;
    let latest = past.reader.latest_outages("")?;
    let open = |vendor: &StoredVendor| latest.get(&vendor.id).filter(|outage| outage.ended_at.is_none()).map(|outage| outage.id);
    let pages = Pages { sources: past.reader.sources()?, open: past.reader.open_incidents()? };
    let rows = chosen.into_iter().map(|vendor| of_vendor(past, vendor, open(vendor), &pages));
    let mut vendors = rows.collect::<Result<Vec<_>, Refusal>>()?;
    let found = vendors.iter().any(VendorStatus::has_problem);
    if asked.problems {
        vendors.retain(VendorStatus::has_problem);
    }
    Ok((Fleet { schema: 1, vendors }, found))
}

/// One vendor, with the incidents that its pages have open.
pub fn with_incidents(past: &Past, vendor: &StoredVendor) -> Result<(VendorStatus, Vec<StoredIncident>), Refusal> {
    let outage = past.reader.latest_outages("")?.remove(&vendor.id).filter(|outage| outage.ended_at.is_none());
    let pages = Pages { sources: past.reader.sources()?, open: past.reader.open_incidents()? };
    let status = of_vendor(past, vendor, outage.map(|outage| outage.id), &pages)?;
    let own = |i: &StoredIncident| i.source.vendor == vendor.id && i.record.kind() == Kind::Incident;
    Ok((status, pages.open.into_iter().filter(own).collect()))
}

/// The vendors that were asked for, in that order; without, all that are watched.
fn chosen<'p>(past: &'p Past, ids: &[String]) -> Result<Vec<&'p StoredVendor>, Refusal> {
    if ids.is_empty() {
        return Ok(past.loaded.vendors.iter().filter(|vendor| !vendor.retired).collect());
    }
    ids.iter().map(|id| find::vendor(past, id)).collect()
}

/// What the store has of status pages.
struct Pages {
    sources: Vec<StoredSource>,
    open: Vec<StoredIncident>,
}

fn of_vendor(past: &Past, vendor: &StoredVendor, open_outage: Option<Uuid>, pages: &Pages) -> Result<VendorStatus, Refusal> {
    let measured = past.measured(&vendor.id)?;
    Ok(VendorStatus {
        vendor: vendor.id.to_string(),
        name: vendor.name.clone(),
        tier: vendor.tier,
        measured,
        declared: past.declared(&vendor.id, &pages.sources),
        since: match measured {
            Some(_) => past.measured_since(&vendor.id)?,
            None => None,
        },
        checks: past.current_checks(&vendor.id).map(|check| of_check(past, check)).collect(),
        sources: pages.sources.iter().filter(|s| s.id.vendor == vendor.id).map(|s| of_source(s, past.now)).collect(),
        open_outage,
        open_incidents: pages
            .open
            .iter()
            .filter(|i| i.source.vendor == vendor.id && i.record.kind() == Kind::Incident)
            .map(|i| i.id)
            .collect(),
    })
}

fn of_source(source: &StoredSource, now: Timestamp) -> SourceStatus {
    let believed = source.reads.as_ref().is_some_and(|reads| reads.is_believed(now));
    SourceStatus {
        source: source.id.name.to_string(),
        format: source.state.as_ref().map_or(&source.format, |state| &state.format).clone(),
        state: source.reads.as_ref().map_or(SourceCondition::Broken, |reads| reads.condition(now)),
        overall: source.state.as_ref().map(|state| if believed { state.overall } else { Status::Unknown }),
        last_success_at: source.reads.as_ref().and_then(|reads| reads.last_success_at),
        problem: source.reads.as_ref().and_then(|reads| reads.problem.clone()),
    }
}

fn of_check(past: &Past, check: &StoredCheck) -> CheckStatus {
    let state = check.state.state_at(past.now);
    CheckStatus {
        check: check.id.name.to_string(),
        kind: check.kind.clone(),
        state,
        reason: reason(past, check, state),
        suspect: check.state.suspect(),
        last_run_at: check.state.last.map(|last| last.at),
        duration_seconds: check.state.last.map(|last| last.duration.as_micros() as f64 / 1e6),
    }
}

/// Of the last run while it is evidence, else why nothing is known.
fn reason(past: &Past, check: &StoredCheck, state: State) -> Option<SegmentReason> {
    if !check.terms.enabled {
        return Some(SegmentReason::Paused);
    }
    let last = check.state.last?;
    let evident = check.state.evidence_until.is_some_and(|until| past.now < until);
    match state {
        State::Unknown if !evident => Some(check.state.late_reason(past.late_reason(check))),
        _ => Some(SegmentReason::Seen(last.reason)),
    }
}
