//! `incidents` and `maintenance`: what vendors declare, newest first, or one with everything they ever said of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::csv::{csv as table, optional};
use super::{Refusal, find, to_json};
use crate::declared::Known;
use crate::declared::archive::{Change, Kind, Record};
use crate::model::page::{Impact, Scope, Stage};
use crate::model::{Timestamp, Uuid, VendorId, time::rfc3339};
use crate::store::{IMPORTED, Past, StoreError, StoredChange, StoredIncident};

#[derive(Serialize)]
struct Incidents<'i> {
    schema: u32,
    incidents: Vec<Row<'i>>,
}

#[derive(Serialize)]
struct Maintenances<'i> {
    schema: u32,
    maintenances: Vec<Row<'i>>,
}

/// One entry of either kind; what the other kind has is left out.
#[derive(Serialize)]
struct Row<'i> {
    vendor: &'i str,
    source: &'i str,
    id: Uuid,
    source_id: &'i str,
    title: &'i str,
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<Option<Impact>>,
    stage: Option<Stage>,
    #[serde(flatten)]
    times: Times,
    url: Option<&'i str>,
    scope: Scope,
    components: Vec<&'i str>,
    /// Whether it touches what we use.
    concerns: bool,
    #[serde(serialize_with = "rfc3339::serialize")]
    first_seen_at: Timestamp,
    imported: bool,
    /// The vendor took it back.
    removed: bool,
    /// The end is not the vendor's word: it was no longer listed.
    inferred_end: bool,
    versions: u32,
    updates: Vec<UpdateRow<'i>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<VersionRow<'i>>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Times {
    Incident {
        #[serde(serialize_with = "rfc3339::option::serialize")]
        started_at: Option<Timestamp>,
        #[serde(serialize_with = "rfc3339::option::serialize")]
        resolved_at: Option<Timestamp>,
    },
    Maintenance {
        #[serde(serialize_with = "rfc3339::option::serialize")]
        starts_at: Option<Timestamp>,
        #[serde(serialize_with = "rfc3339::option::serialize")]
        ends_at: Option<Timestamp>,
    },
}

#[derive(Serialize)]
struct UpdateRow<'i> {
    #[serde(serialize_with = "rfc3339::option::serialize")]
    at: Option<Timestamp>,
    stage: Option<Stage>,
    body: &'i str,
}

#[derive(Serialize)]
struct VersionRow<'i> {
    version: u32,
    #[serde(serialize_with = "rfc3339::serialize")]
    observed_at: Timestamp,
    changes: &'i [Change],
}

impl<'i> Row<'i> {
    fn new(i: &'i StoredIncident, versions: Option<&'i [StoredChange]>) -> Row<'i> {
        let record = &i.record;
        let times = match record {
            Record::Incident(i) => Times::Incident { started_at: i.started_at, resolved_at: i.resolved_at },
            Record::Maintenance(m) => Times::Maintenance { starts_at: m.starts_at, ends_at: m.ends_at },
        };
        let version = |v: &'i StoredChange| VersionRow { version: v.number, observed_at: v.observed_at, changes: &v.changes };
        Row {
            vendor: i.source.vendor.as_str(),
            source: &i.source.name,
            id: i.id,
            source_id: record.source_id(),
            title: record.title(),
            impact: (record.kind() == Kind::Incident).then(|| record.impact()),
            stage: record.stage(),
            times,
            url: record.url(),
            scope: record.scope(),
            components: record.touches().iter().map(|t| t.name.as_str()).collect(),
            concerns: i.concerns,
            first_seen_at: i.first_seen_at,
            imported: i.imported,
            removed: i.removed,
            inferred_end: i.inferred_end,
            versions: i.versions,
            updates: record.updates().iter().map(|u| UpdateRow { at: u.at, stage: u.stage, body: &u.body }).collect(),
            history: versions.map(|versions| versions.iter().map(version).collect()),
        }
    }
}

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    /// One, and nothing else of this but `versions`.
    pub id: Option<String>,
    pub versions: bool,
    pub since: Option<Timestamp>,
    pub open: bool,
    pub vendor: Option<String>,
    /// Also those that touch nothing we use.
    pub all: bool,
    pub offset: usize,
    pub limit: Option<usize>,
}

pub fn chosen(past: &Past, kind: Kind, asked: &Asked) -> Result<Vec<StoredIncident>, Refusal> {
    let all = past.reader.incidents(kind)?;
    if let Some(id) = &asked.id {
        return Ok(vec![one(&all, kind, id)?.clone()]);
    }
    let vendor = asked.vendor.as_ref().map(|id| find::vendor(past, id)).transpose()?;
    let on_pages = on_pages(&all);
    let newest = all.iter().filter(|i| {
        let told_by_page = is_import(i) && on_pages.get(&i.source.vendor).is_some_and(|known| known.has(&i.record));
        let lasted = |since| i.open || i.record.ends_at().or(i.record.starts_at()).is_none_or(|end| end >= since);
        vendor.is_none_or(|vendor| vendor.id == i.source.vendor)
            && (asked.all || i.concerns)
            && !told_by_page
            && (!asked.open || i.open)
            && asked.since.is_none_or(lasted)
    });
    Ok(newest.skip(asked.offset).take(asked.limit.unwrap_or(usize::MAX)).cloned().collect())
}

pub fn json(past: &Past, kind: Kind, chosen: &[StoredIncident], asked: &Asked) -> Result<String, StoreError> {
    let versions = |one: &StoredIncident| asked.versions.then(|| past.reader.versions(one.id)).transpose();
    let versions: Vec<Option<Vec<StoredChange>>> = chosen.iter().map(versions).collect::<Result<_, _>>()?;
    Ok(answer(kind, chosen.iter().zip(&versions).map(|(one, versions)| Row::new(one, versions.as_deref())).collect()))
}

fn answer(kind: Kind, rows: Vec<Row>) -> String {
    match kind {
        Kind::Incident => to_json(&Incidents { schema: 1, incidents: rows }),
        Kind::Maintenance => to_json(&Maintenances { schema: 1, maintenances: rows }),
    }
}

/// Brought from a file, not read from a page.
pub fn is_import(i: &StoredIncident) -> bool {
    &*i.source.name == IMPORTED
}

/// What stands on the pages of those vendors of which something was imported: the page may have come after the file.
fn on_pages(all: &[StoredIncident]) -> BTreeMap<&VendorId, Known> {
    let mut known: BTreeMap<&VendorId, Known> = BTreeMap::new();
    for i in all.iter().filter(|i| is_import(i)) {
        known.entry(&i.source.vendor).or_default();
    }
    for i in all.iter().filter(|i| !is_import(i)) {
        if let Some(known) = known.get_mut(&i.source.vendor) {
            known.add(&i.record);
        }
    }
    known
}

/// The entry with this id (ours or the vendor's), or the only one whose id ends so. The vendor's page goes before a file
/// that was imported.
pub fn one<'i>(all: &'i [StoredIncident], kind: Kind, id: &str) -> Result<&'i StoredIncident, Refusal> {
    let named: Vec<&StoredIncident> = all.iter().filter(|i| i.record.source_id() == id).collect();
    let of_pages: Vec<&StoredIncident> = named.iter().copied().filter(|i| !is_import(i)).collect();
    match (of_pages.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        (_, []) => {
            let theirs: Vec<&str> = all.iter().map(|i| i.record.source_id()).collect();
            find::by_id_or(kind.as_str(), id, all, |i| i.id, &theirs)
        }
        _ => Err(Refusal::asked(format!("more than one {kind} has the vendor's id {id:?}")).hint("take the id from the list")),
    }
}

/// What a list of an incident has; for the updates there is JSON.
pub fn csv(kind: Kind, all: &[StoredIncident]) -> String {
    let [starts, ends] = match kind {
        Kind::Incident => ["started_at", "resolved_at"],
        Kind::Maintenance => ["starts_at", "ends_at"],
    };
    let heads =
        ["id", "source_id", "vendor", "source", "title", "impact", "stage", starts, ends, "components", "url", "imported", "versions"];
    let cells = |i: &StoredIncident| {
        let record = &i.record;
        let names: Vec<&str> = record.touches().iter().map(|t| t.name.as_str()).collect();
        [
            i.id.to_string(),
            record.source_id().to_owned(),
            i.source.vendor.to_string(),
            i.source.name.to_string(),
            record.title().to_owned(),
            optional(record.impact()),
            optional(record.stage()),
            optional(record.starts_at()),
            optional(record.ends_at()),
            names.join(";"),
            optional(record.url()),
            i.imported.to_string(),
            i.versions.to_string(),
        ]
    };
    table(heads, all.iter().map(cells))
}
