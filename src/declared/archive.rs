//! Every version of what a vendor declared. Nothing is forgotten when it is edited, back-dated, played down or deleted.
//!
//! The [`Ledger`] knows of each incident and maintenance of one source what it takes to notice a change; the latest facts
//! of what is over are with whoever stores them. Order and repetition change nothing: the same entries, listed in any
//! order and any number of times, give the same versions.
//!
//! What ends an incident is the vendor's word. Where it is no longer listed, it ended only if the platform lists nothing
//! but what is open, or if its history was read and says so too; the end is then marked as inferred.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::model::page::{Component, Incident, Listing, Maintenance, Scope, Touched, Update};
use crate::model::words::words;
use crate::model::{Impact, Page, Stage, Timestamp, Uuid};

words! {
    Kind {
        Incident = "incident",
        Maintenance = "maintenance",
    }
}

/// One entry of a page, of either kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    Incident(Incident),
    Maintenance(Maintenance),
}

impl Record {
    /// From the JSON that `serde_json::to_string` made of it.
    pub fn parse(kind: Kind, facts: &str) -> serde_json::Result<Record> {
        Ok(match kind {
            Kind::Incident => Record::Incident(serde_json::from_str(facts)?),
            Kind::Maintenance => Record::Maintenance(serde_json::from_str(facts)?),
        })
    }

    pub const fn kind(&self) -> Kind {
        match self {
            Record::Incident(_) => Kind::Incident,
            Record::Maintenance(_) => Kind::Maintenance,
        }
    }

    /// The vendor's id.
    pub fn source_id(&self) -> &str {
        match self {
            Record::Incident(i) => &i.id,
            Record::Maintenance(m) => &m.id,
        }
    }

    pub fn title(&self) -> &str {
        match self {
            Record::Incident(i) => &i.title,
            Record::Maintenance(m) => &m.title,
        }
    }

    pub fn starts_at(&self) -> Option<Timestamp> {
        match self {
            Record::Incident(i) => i.started_at,
            Record::Maintenance(m) => m.starts_at,
        }
    }

    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Record::Incident(i) => i.resolved_at,
            Record::Maintenance(m) => m.ends_at,
        }
    }

    pub const fn stage(&self) -> Option<Stage> {
        match self {
            Record::Incident(i) => i.stage,
            Record::Maintenance(m) => m.stage,
        }
    }

    /// `None` too for a maintenance.
    pub const fn impact(&self) -> Option<Impact> {
        match self {
            Record::Incident(i) => i.impact,
            Record::Maintenance(_) => None,
        }
    }

    pub fn touches(&self) -> &[Touched] {
        match self {
            Record::Incident(i) => &i.touches,
            Record::Maintenance(m) => &m.touches,
        }
    }

    pub fn updates(&self) -> &[Update] {
        match self {
            Record::Incident(i) => &i.updates,
            Record::Maintenance(m) => &m.updates,
        }
    }

    pub fn url(&self) -> Option<&str> {
        match self {
            Record::Incident(i) => i.url.as_deref(),
            Record::Maintenance(m) => m.url.as_deref(),
        }
    }

    pub fn scope(&self) -> Scope {
        match self {
            Record::Incident(i) => i.scope(),
            Record::Maintenance(m) => m.scope(),
        }
    }

    pub fn is_over(&self) -> bool {
        match self {
            Record::Incident(i) => !i.is_open(),
            Record::Maintenance(m) => m.is_over(),
        }
    }

    /// Tells whether two records are the same. Stored: it must not change from release to release.
    pub fn digest(&self) -> u64 {
        let facts = serde_json::to_vec(self).expect("plain data without maps of odd keys always serializes");
        let digest = Sha256::digest(&facts);
        let (head, _) = digest.split_first_chunk::<8>().expect("SHA-256 has 32 bytes");
        u64::from_be_bytes(*head)
    }
}

/// One thing that is different from the version before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `title`, `impact`, `stage`, `started_at` ..., `update 2026-11-23T20:35:00.000Z`, `listed`.
    pub field: String,
    pub before: Value,
    pub after: Value,
}

impl Change {
    fn new(field: impl Into<String>, before: Value, after: Value) -> Change {
        Change { field: field.into(), before, after }
    }
}

/// What is known of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Ours.
    pub id: Uuid,
    pub digest: u64,
    pub versions: u32,
    pub starts_at: Option<Timestamp>,
    /// When its latest version was seen.
    pub observed_at: Timestamp,
    /// No longer listed where it ought to be: taken back by the vendor.
    pub removed: bool,
    /// What is not over is kept at hand.
    pub open: Option<Record>,
}

/// Everything that one source ever listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    entries: BTreeMap<(Kind, String), Entry>,
    /// What is listed otherwise than it was when it was over, which could not be compared with what is stored.
    unsettled: BTreeMap<(Kind, String), Record>,
}

/// A version to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    pub id: Uuid,
    pub number: u32,
    pub observed_at: Timestamp,
    pub record: Record,
    pub digest: u64,
    pub changes: Vec<Change>,
    /// Part of the past that the page offered at first sight.
    pub imported: bool,
    pub removed: bool,
    /// Its end is not the vendor's word.
    pub inferred_end: bool,
}

/// Pages of one source that were read together.
pub struct Reading<'p> {
    pub at: Timestamp,
    /// The page as it is now.
    pub live: &'p Page,
    /// Documents with what is over.
    pub history: &'p [Page],
    /// What is over by now was over before anybody looked.
    pub first_sight: bool,
    /// When the page came to another engine: what was seen before it has other ids there, and its absence says nothing.
    pub moved_at: Option<Timestamp>,
}

/// What was open on the engine that a page left, and was not found on the new one, is given up after this.
const MOVED_PATIENCE: Duration = Duration::from_secs(86_400);
/// Engines round starts to minutes.
pub(super) const SAME_START: Duration = Duration::from_secs(120);

impl Ledger {
    pub fn insert(&mut self, kind: Kind, source_id: String, entry: Entry) {
        self.entries.insert((kind, source_id), entry);
    }

    pub fn open(&self) -> impl Iterator<Item = (&Entry, &Record)> {
        self.entries.values().filter_map(|entry| Some((entry, entry.open.as_ref()?)))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Of either kind: an archive may call an incident what was a maintenance.
    fn knows(&self, source_id: &str) -> bool {
        [Kind::Incident, Kind::Maintenance].into_iter().any(|kind| self.entries.contains_key(&(kind, source_id.to_owned())))
    }

    /// Vendor's ids of what is not over.
    pub fn open_ids(&self) -> BTreeSet<String> {
        self.open().map(|(_, record)| record.source_id().to_owned()).collect()
    }

    /// Takes in what was read. `before` gives the latest stored facts of an entry that is over; `None`: they cannot be had
    /// now, and nothing is concluded about it.
    pub fn read(
        &mut self,
        reading: &Reading,
        mut before: impl FnMut(Uuid, Kind) -> Option<Record>,
        mut new_id: impl FnMut() -> Uuid,
    ) -> Vec<Version> {
        let mut versions = Vec::new();
        for (record, coarse) in listed(reading) {
            if coarse && self.knows(record.source_id()) || self.is_belated(&record, reading) {
                continue;
            }
            versions.extend(self.take(record, reading, &mut before, &mut new_id));
        }
        for kind in [Kind::Incident, Kind::Maintenance] {
            versions.extend(self.end_unlisted(kind, reading));
            versions.extend(self.note_removed(kind, reading, &mut before));
        }
        versions
    }

    pub fn is_unsettled(&self) -> bool {
        !self.unsettled.is_empty()
    }

    /// Takes in what could not be compared when it was read, now that the stored facts can be had.
    pub fn settle(&mut self, at: Timestamp, mut before: impl FnMut(Uuid, Kind) -> Option<Record>) -> Vec<Version> {
        let unsettled = std::mem::take(&mut self.unsettled).into_values();
        unsettled.filter_map(|record| self.compare(record, at, &mut before)).collect()
    }

    /// Open by a history that the page, which lists all that is open, knows better than: such lists lag behind.
    fn is_belated(&self, record: &Record, reading: &Reading) -> bool {
        let Record::Incident(incident) = record else { return false };
        let lists_all = matches!(reading.live.carries.incidents, Listing::Open | Listing::OpenOnly);
        let is_open = || self.entries.get(&(Kind::Incident, incident.id.clone())).is_some_and(|entry| entry.open.is_some());
        lists_all && incident.is_open() && !reading.live.incidents.iter().any(|i| i.id == incident.id) && !is_open()
    }

    /// After a page moved to another engine: `kept` are the entries of the old one. A listed entry with an id that is new, and
    /// the title and start of one of them, is that one.
    pub fn recognise(&mut self, kept: &[Record], reading: &Reading) {
        for (record, _) in listed(reading) {
            let key = (record.kind(), record.source_id().to_owned());
            if self.entries.contains_key(&key) {
                continue;
            }
            let close = |old: &Record| match (old.starts_at(), record.starts_at()) {
                (Some(a), Some(b)) => a.since(b).max(b.since(a)) <= SAME_START,
                _ => false,
            };
            let same = |old: &&Record| old.kind() == key.0 && old.title() == record.title() && close(old);
            if let Some(entry) = kept.iter().find(same).and_then(|old| self.entries.remove(&(key.0, old.source_id().to_owned()))) {
                self.entries.insert(key, entry);
            }
        }
    }

    fn take(
        &mut self,
        record: Record,
        reading: &Reading,
        before: &mut impl FnMut(Uuid, Kind) -> Option<Record>,
        new_id: &mut impl FnMut() -> Uuid,
    ) -> Option<Version> {
        let key = (record.kind(), record.source_id().to_owned());
        if self.entries.contains_key(&key) {
            return self.compare(record, reading.at, before);
        }
        let digest = record.digest();
        let entry = Entry { id: new_id(), digest, versions: 0, starts_at: None, observed_at: reading.at, removed: false, open: None };
        let imported = reading.first_sight && record.is_over();
        let entry = self.entries.entry(key).or_insert(entry);
        Some(Version { imported, ..entry.revise(record, digest, reading.at, Vec::new()) })
    }

    /// What is new about an entry that is known.
    fn compare(&mut self, record: Record, at: Timestamp, before: &mut impl FnMut(Uuid, Kind) -> Option<Record>) -> Option<Version> {
        let digest = record.digest();
        let key = (record.kind(), record.source_id().to_owned());
        let entry = self.entries.get_mut(&key)?;
        self.unsettled.remove(&key);
        if entry.digest == digest && !entry.removed {
            return None;
        }
        let old = match &entry.open {
            Some(open) => open.clone(),
            None => match before(entry.id, key.0) {
                Some(old) => old,
                None => {
                    self.unsettled.insert(key, record);
                    return None;
                }
            },
        };
        let mut changes = differences(&old, &record);
        if entry.removed {
            entry.removed = false;
            changes.push(Change::new("listed", json!(false), json!(true)));
        }
        if changes.is_empty() {
            entry.digest = digest;
            return None;
        }
        Some(entry.revise(record, digest, at, changes))
    }

    /// What was open, is no longer listed as open, and whose end the history does not tell.
    fn end_unlisted(&mut self, kind: Kind, reading: &Reading) -> Vec<Version> {
        let listing = listing(kind, reading.live);
        let asked = reading.history.iter().any(|page| self::listing(kind, page) == Listing::Recent);
        if listing != Listing::OpenOnly && !(listing == Listing::Open && asked) {
            return Vec::new();
        }
        let ids = listed_ids(kind, std::iter::once(reading.live).chain(reading.history));
        let patient =
            |entry: &Entry| reading.moved_at.is_some_and(|moved| entry.observed_at < moved && reading.at < moved + MOVED_PATIENCE);
        let gone = self
            .entries
            .iter_mut()
            .filter(|((k, id), entry)| *k == kind && entry.open.is_some() && !ids.contains(id.as_str()) && !patient(entry));
        gone.filter_map(|(_, entry)| {
            let old = entry.open.clone()?;
            let record = ended(old.clone(), reading.at);
            let mut changes = differences(&old, &record);
            changes.push(Change::new("listed", json!(true), json!(false)));
            // Work that had not begun did not end.
            let removed = asked || (kind == Kind::Maintenance && old.starts_at().is_some_and(|start| start > reading.at));
            entry.removed = removed;
            // Not the vendor's: listed again just as before, it is open again.
            let digest = record.digest();
            let version = entry.revise(record, digest, reading.at, changes);
            entry.open = None;
            Some(Version { inferred_end: true, removed, ..version })
        })
        .collect()
    }

    /// What is over, ought to be in the history that was read, and is not.
    fn note_removed(&mut self, kind: Kind, reading: &Reading, before: &mut impl FnMut(Uuid, Kind) -> Option<Record>) -> Vec<Version> {
        let pages = || std::iter::once(reading.live).chain(reading.history).filter(|page| listing(kind, page) == Listing::Recent);
        let ids = listed_ids(kind, pages());
        let Some(covered_from) = covered_from(pages().flat_map(|page| records(kind, page)).filter_map(|r| r.starts_at()).collect()) else {
            return Vec::new();
        };
        let missing = self.entries.iter_mut().filter(|((k, id), entry)| {
            let covered = entry.starts_at.is_some_and(|start| start > covered_from)
                && reading.moved_at.is_none_or(|moved| entry.observed_at >= moved);
            *k == kind && covered && entry.open.is_none() && !entry.removed && !ids.contains(id.as_str())
        });
        missing
            .filter_map(|(_, entry)| {
                let record = before(entry.id, kind)?;
                entry.removed = true;
                let changes = vec![Change::new("listed", json!(true), json!(false))];
                let digest = entry.digest;
                Some(Version { removed: true, ..entry.revise(record, digest, reading.at, changes) })
            })
            .collect()
    }
}

impl Entry {
    fn revise(&mut self, record: Record, digest: u64, at: Timestamp, changes: Vec<Change>) -> Version {
        self.digest = digest;
        self.versions += 1;
        self.starts_at = record.starts_at();
        self.observed_at = at;
        self.open = (!record.is_over()).then(|| record.clone());
        let (imported, removed, inferred_end) = (false, false, false);
        Version { id: self.id, number: self.versions, observed_at: at, record, digest, changes, imported, removed, inferred_end }
    }
}

fn listing(kind: Kind, page: &Page) -> Listing {
    match kind {
        Kind::Incident => page.carries.incidents,
        Kind::Maintenance => page.carries.maintenances,
    }
}

fn records(kind: Kind, page: &Page) -> Vec<Record> {
    match kind {
        Kind::Incident => page.incidents.iter().cloned().map(Record::Incident).collect(),
        Kind::Maintenance => page.maintenances.iter().cloned().map(Record::Maintenance).collect(),
    }
}

fn listed_ids<'p>(kind: Kind, pages: impl Iterator<Item = &'p Page>) -> BTreeSet<&'p str> {
    pages
        .flat_map(|page| match kind {
            Kind::Incident => page.incidents.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(),
            Kind::Maintenance => page.maintenances.iter().map(|m| m.id.as_str()).collect(),
        })
        .collect()
}

/// From when on a list of the newest ought to have everything: some entries are back-dated by years, so at least a fifth
/// of what is listed has to be older.
fn covered_from(mut starts: Vec<Timestamp>) -> Option<Timestamp> {
    starts.sort_unstable();
    starts.get(starts.len() / 5).copied()
}

/// Each entry once. The live page goes before the history, which may be older; of the documents of the history the first
/// goes before the others, which may say less.
/// With whether it comes from an archive.
fn listed(reading: &Reading) -> Vec<(Record, bool)> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for page in std::iter::once(reading.live).chain(reading.history) {
        for record in records(Kind::Incident, page).into_iter().chain(records(Kind::Maintenance, page)) {
            let coarse = listing(record.kind(), page) == Listing::Archive;
            if seen.insert((record.kind(), record.source_id().to_owned())) {
                all.push((record, coarse));
            }
        }
    }
    // Oldest first, so that ids made in order are in the order of time.
    all.sort_by(|(a, _), (b, _)| (a.starts_at(), a.source_id()).cmp(&(b.starts_at(), b.source_id())));
    all
}

/// As it was, and over.
fn ended(record: Record, at: Timestamp) -> Record {
    match record {
        Record::Incident(i) => Record::Incident(Incident { resolved_at: Some(i.started_at.map_or(at, |start| at.max(start))), ..i }),
        Record::Maintenance(m) => Record::Maintenance(Maintenance { stage: Some(Stage::Completed), ..m }),
    }
}

/// How `after` differs, field by field and update by update.
pub fn differences(before: &Record, after: &Record) -> Vec<Change> {
    let fields = |record: &Record| match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (old, new) = (fields(before), fields(after));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|name| *name != "updates").collect();
    let value = |fields: &serde_json::Map<String, Value>, name: &str| shown(name, fields.get(name).cloned().unwrap_or(Value::Null));
    let mut changes: Vec<Change> = names
        .into_iter()
        .map(|name| Change::new(if name == "touches" { "components" } else { name }, value(&old, name), value(&new, name)))
        .filter(|change| change.before != change.after)
        .collect();
    changes.extend(updates(before.updates(), after.updates()));
    changes
}

/// Instants as text, components as names: versions are read by people.
fn shown(name: &str, value: Value) -> Value {
    match (name, value) {
        ("touches", Value::Array(touched)) => touched.into_iter().map(|t| t["name"].clone()).collect(),
        (name, Value::Number(millis)) if name.ends_with("_at") || name == "stated_start" => {
            json!(millis.as_i64().map(|ms| Timestamp::from_millis(ms).to_string()))
        }
        (_, value) => value,
    }
}

/// Updates have no ids that every platform gives: those of one instant are compared with each other.
fn updates(before: &[Update], after: &[Update]) -> Vec<Change> {
    let instants: BTreeSet<Option<Timestamp>> = before.iter().chain(after).map(|u| u.at).collect();
    let mut changes = Vec::new();
    for at in instants {
        let of = |updates: &[Update], others: &[Update]| -> Vec<Value> {
            let different = updates.iter().filter(|u| u.at == at && !others.contains(u));
            different.map(|u| json!({ "stage": u.stage, "body": u.body })).collect()
        };
        let (mut gone, mut new) = (of(before, after).into_iter(), of(after, before).into_iter());
        let field = format!("update {}", at.map_or("undated".to_owned(), |at| at.to_string()));
        loop {
            match (gone.next(), new.next()) {
                (None, None) => break,
                (old, new) => changes.push(Change::new(&field, old.unwrap_or_default(), new.unwrap_or_default())),
            }
        }
    }
    changes
}

/// Components whose status, name or place differs from what was kept; with what is no longer listed.
pub fn component_changes<'c>(kept: &[Component], listed: &'c [Component]) -> (Vec<&'c Component>, Vec<String>) {
    let by_id: BTreeMap<&str, &Component> = kept.iter().map(|c| (c.id.as_str(), c)).collect();
    let changed = listed.iter().filter(|c| by_id.get(c.id.as_str()) != Some(c)).collect();
    let now: BTreeSet<&str> = listed.iter().map(|c| c.id.as_str()).collect();
    let gone = kept.iter().filter(|c| !now.contains(c.id.as_str())).map(|c| c.id.clone()).collect();
    (changed, gone)
}

#[cfg(test)]
mod tests;
