//! What vendors declare, on disk: how reading goes, what the pages say, every version of every incident.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::read::{parsed, uuid, word};
use super::write::to_json;
use super::{Reader, StoreError};
use crate::declared::archive::{Change, Entry, Kind, Ledger, Record, Version};
use crate::declared::{PageState, Reads};
use crate::incidents::correlate::Post;
use crate::model::page::Component;
use crate::model::time::millis;
use crate::model::{SourceId, Status, Timestamp, Uuid, VendorId};

/// Where incidents that were brought from elsewhere are kept: a source that no page can be called.
pub const IMPORTED: &str = "import";

/// What one commit writes of what vendors declare.
#[derive(Clone, Debug, Default)]
pub struct Declarations {
    pub reads: BTreeMap<SourceId, Reads>,
    pub states: BTreeMap<SourceId, PageState>,
    pub components: Vec<ComponentVersion>,
    pub versions: Vec<StoredVersion>,
    /// Entries that concern us no more, or do now: the filter was changed.
    pub concerns: Vec<(Uuid, bool)>,
    pub statuses: Vec<(VendorId, Timestamp, Status)>,
}

impl Declarations {
    pub fn is_empty(&self) -> bool {
        self.reads.is_empty()
            && self.states.is_empty()
            && self.components.is_empty()
            && self.versions.is_empty()
            && self.concerns.is_empty()
            && self.statuses.is_empty()
    }
}

/// A component as it was listed; `None`: it no longer is.
#[derive(Clone, Debug)]
pub struct ComponentVersion {
    pub source: SourceId,
    pub component: String,
    pub observed_at: Timestamp,
    pub listed: Option<Component>,
}

/// A version of an entry of `source`.
#[derive(Clone, Debug)]
pub struct StoredVersion {
    pub source: SourceId,
    pub version: Version,
    /// Whether it touches what we use.
    pub concerns: bool,
}

/// A source that is configured, as it was left.
#[derive(Clone, Debug)]
pub struct StoredSource {
    pub id: SourceId,
    /// As configured.
    pub format: String,
    pub reads: Option<Reads>,
    pub state: Option<PageState>,
}

/// An incident or maintenance with its latest facts.
#[derive(Clone, Debug)]
pub struct StoredIncident {
    pub id: Uuid,
    pub source: SourceId,
    pub record: Record,
    pub versions: u32,
    pub first_seen_at: Timestamp,
    pub imported: bool,
    pub removed: bool,
    pub inferred_end: bool,
    pub concerns: bool,
    /// Not over by what we know.
    pub open: bool,
}

/// One step in the life of an entry.
#[derive(Clone, Debug)]
pub struct StoredChange {
    pub number: u32,
    pub observed_at: Timestamp,
    pub changes: Vec<Change>,
}

pub(super) fn write(tx: &Transaction, declarations: &Declarations) -> rusqlite::Result<()> {
    declarations.reads.iter().try_for_each(|(source, reads)| write_reads(tx, source, reads))?;
    declarations.states.iter().try_for_each(|(source, state)| write_state(tx, source, state))?;
    declarations.components.iter().try_for_each(|c| write_component(tx, c))?;
    declarations.versions.iter().try_for_each(|v| write_version(tx, v))?;
    declarations.concerns.iter().try_for_each(|(id, concerns)| write_concerns(tx, *id, *concerns))?;
    for (vendor, at, status) in &declarations.statuses {
        tx.prepare_cached("INSERT INTO declared_statuses (vendor, at, status) VALUES (?1, ?2, ?3)")?.execute(params![
            vendor.as_str(),
            at.as_millis(),
            status.as_str()
        ])?;
    }
    Ok(())
}

fn write_reads(tx: &Transaction, source: &SourceId, r: &Reads) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO source_reads (vendor, source, interval_ms, last_success_at, failing_since, problem) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (vendor, source) DO UPDATE SET interval_ms = excluded.interval_ms, last_success_at = excluded.last_success_at,
           failing_since = excluded.failing_since, problem = excluded.problem",
    )?
    .execute(params![
        source.vendor.as_str(),
        &*source.name,
        millis(r.interval),
        r.last_success_at.map(Timestamp::as_millis),
        r.failing_since.map(Timestamp::as_millis),
        r.problem
    ])
    .map(drop)
}

fn write_state(tx: &Transaction, source: &SourceId, state: &PageState) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO source_states (vendor, source, state) VALUES (?1, ?2, ?3) ON CONFLICT (vendor, source) DO UPDATE SET state = excluded.state",
    )?
    .execute(params![source.vendor.as_str(), &*source.name, to_json(state)])
    .map(drop)
}

fn write_component(tx: &Transaction, c: &ComponentVersion) -> rusqlite::Result<()> {
    let listed = c.listed.as_ref();
    tx.prepare_cached(
        "INSERT INTO component_versions (vendor, source, component, observed_at, listed, name, group_name, region, status)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        c.source.vendor.as_str(),
        &*c.source.name,
        c.component,
        c.observed_at.as_millis(),
        listed.is_some(),
        listed.map(|c| &c.name),
        listed.and_then(|c| c.group.as_ref()),
        listed.and_then(|c| c.region.as_ref()),
        listed.map(|c| c.status.as_str())
    ])
    .map(drop)
}

fn write_version(tx: &Transaction, stored: &StoredVersion) -> rusqlite::Result<()> {
    let StoredVersion { source, version: v, concerns } = stored;
    let open = !v.inferred_end && !v.record.is_over();
    tx.prepare_cached(
        "INSERT INTO incidents (id, vendor, source, kind, source_id, digest, versions, first_seen_at, observed_at, imported, removed, inferred_end, concerns, open, starts_at, ends_at, impact, facts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
         ON CONFLICT (id) DO UPDATE SET source_id = excluded.source_id, digest = excluded.digest, observed_at = excluded.observed_at, versions = excluded.versions, removed = excluded.removed,
           inferred_end = excluded.inferred_end, concerns = excluded.concerns, open = excluded.open, starts_at = excluded.starts_at,
           ends_at = excluded.ends_at, impact = excluded.impact, facts = excluded.facts",
    )?
    .execute(params![
        v.id.to_string(),
        source.vendor.as_str(),
        &*source.name,
        v.record.kind().as_str(),
        v.record.source_id(),
        v.digest as i64,
        v.number,
        v.observed_at.as_millis(),
        v.imported,
        v.removed,
        v.inferred_end,
        concerns,
        open,
        v.record.starts_at().map(Timestamp::as_millis),
        v.record.ends_at().map(Timestamp::as_millis),
        v.record.impact().map(|i| i.as_str()),
        to_json(&v.record)
    ])?;
    tx.prepare_cached("INSERT INTO incident_versions (incident, version, observed_at, changes) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![v.id.to_string(), v.number, v.observed_at.as_millis(), to_json(&v.changes)])?;
    layer(tx, &source.vendor, v, *concerns)
}

/// An announced window that concerns us lies over the vendor's timelines.
fn layer(tx: &Transaction, vendor: &VendorId, v: &Version, concerns: bool) -> rusqlite::Result<()> {
    if v.record.kind() != Kind::Maintenance {
        return Ok(());
    }
    let window = v.record.starts_at().zip(v.record.ends_at()).filter(|(from, to)| from < to);
    match window.filter(|_| concerns && !v.removed) {
        Some((from, to)) => tx
            .prepare_cached(
                "INSERT INTO layers (vendor, kind, from_ms, to_ms, announced_at, reason, origin) VALUES (?1, 'maintenance_vendor', ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (origin) WHERE origin IS NOT NULL DO UPDATE SET from_ms = excluded.from_ms, to_ms = excluded.to_ms, reason = excluded.reason",
            )?
            .execute(params![
                vendor.as_str(),
                from.as_millis(),
                to.as_millis(),
                v.observed_at.as_millis(),
                v.record.title(),
                v.id.to_string()
            ])
            .map(drop),
        None => tx.prepare_cached("DELETE FROM layers WHERE origin = ?1")?.execute([v.id.to_string()]).map(drop),
    }
}

fn write_concerns(tx: &Transaction, id: Uuid, concerns: bool) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE incidents SET concerns = ?2 WHERE id = ?1")?.execute(params![id.to_string(), concerns])?;
    let sql = match concerns {
        false => "DELETE FROM layers WHERE origin = ?1",
        true => {
            "INSERT OR IGNORE INTO layers (vendor, kind, from_ms, to_ms, announced_at, reason, origin)
             SELECT vendor, 'maintenance_vendor', starts_at, ends_at, first_seen_at, json_extract(facts, '$.title'), id FROM incidents
             WHERE id = ?1 AND kind = 'maintenance' AND starts_at < ends_at AND NOT removed"
        }
    };
    tx.prepare_cached(sql)?.execute([id.to_string()]).map(drop)
}

const INCIDENT: &str =
    "SELECT id, vendor, source, kind, facts, versions, first_seen_at, imported, removed, inferred_end, concerns, open FROM incidents";

impl Reader {
    /// The configured sources, by vendor and name.
    pub fn sources(&self) -> Result<Vec<StoredSource>, StoreError> {
        let rows = self.list(
            "SELECT s.vendor, s.name, s.format, r.interval_ms, r.last_success_at, r.failing_since, r.problem, t.state
             FROM sources s LEFT JOIN source_reads r ON r.vendor = s.vendor AND r.source = s.name
             LEFT JOIN source_states t ON t.vendor = s.vendor AND t.source = s.name
             WHERE s.retired_at IS NULL ORDER BY s.vendor, s.name",
            |r| {
                let interval: Option<i64> = r.get(3)?;
                let instant = |column: usize| Ok::<_, rusqlite::Error>(r.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
                let reads = match interval {
                    Some(ms) => Some(Reads {
                        interval: Duration::from_millis(ms.max(0) as u64),
                        last_success_at: instant(4)?,
                        failing_since: instant(5)?,
                        problem: r.get(6)?,
                    }),
                    None => None,
                };
                Ok((source(r, 0)?, r.get::<_, String>(2)?, reads, r.get::<_, Option<String>>(7)?))
            },
        )?;
        rows.into_iter()
            .map(|(id, format, reads, state)| {
                let state = state.map(|s| parsed(&s, "state of a status page")).transpose()?;
                Ok(StoredSource { id, format, reads, state })
            })
            .collect()
    }

    /// What every source ever listed, as far as it takes to notice changes.
    pub fn ledgers(&self) -> Result<BTreeMap<SourceId, Ledger>, StoreError> {
        let rows = self.list(
            "SELECT vendor, source, kind, source_id, id, digest, versions, starts_at, removed, observed_at, iif(open, facts, NULL) FROM incidents",
            |r| {
                let entry = Entry {
                    id: uuid(r, 4)?,
                    digest: r.get::<_, i64>(5)? as u64,
                    versions: r.get(6)?,
                    starts_at: r.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
                    removed: r.get(8)?,
                    observed_at: Timestamp::from_millis(r.get(9)?),
                    open: None,
                };
                Ok((source(r, 0)?, r.get::<_, String>(2)?, r.get::<_, String>(3)?, entry, r.get::<_, Option<String>>(10)?))
            },
        )?;
        let mut ledgers: BTreeMap<SourceId, Ledger> = BTreeMap::new();
        for (source, kind, source_id, entry, facts) in rows {
            let kind = word(Kind::parse(&kind), &kind)?;
            let open = facts.map(|facts| record(kind, &facts)).transpose()?;
            ledgers.entry(source).or_default().insert(kind, source_id, Entry { open, ..entry });
        }
        Ok(ledgers)
    }

    /// The latest facts of one entry.
    pub fn record(&self, id: Uuid, kind: Kind) -> Result<Option<Record>, StoreError> {
        let mut statement = self.db.prepare_cached("SELECT facts FROM incidents WHERE id = ?1")?;
        let facts: Option<String> = statement.query_row([id.to_string()], |r| r.get(0)).optional()?;
        facts.map(|facts| record(kind, &facts)).transpose()
    }

    /// The latest facts of everything that one source ever listed.
    pub fn records_of(&self, source: &SourceId) -> Result<Vec<Record>, StoreError> {
        let mut rows = self.db.prepare("SELECT kind, facts FROM incidents WHERE vendor = ?1 AND source = ?2")?;
        let rows =
            rows.query_map(params![source.vendor.as_str(), &*source.name], |r| Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (kind, facts) = row?;
            record(word(Kind::parse(&kind), &kind)?, &facts)
        })
        .collect()
    }

    /// Every incident, or maintenance, newest first.
    pub fn incidents(&self, kind: Kind) -> Result<Vec<StoredIncident>, StoreError> {
        self.incident_rows(&format!("{INCIDENT} WHERE kind = '{kind}' ORDER BY coalesce(starts_at, first_seen_at) DESC, id DESC"))
    }

    /// What is open of either kind and concerns us, on pages that are read: a file that was imported cannot say what is open now.
    pub fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError> {
        self.incident_rows(&format!(
            "{INCIDENT} WHERE open = 1 AND concerns = 1
             AND (vendor, source) IN (SELECT vendor, name FROM sources WHERE retired_at IS NULL)
             ORDER BY coalesce(starts_at, first_seen_at) DESC, id DESC"
        ))
    }

    /// One of either kind, by our id.
    pub fn incident(&self, id: Uuid) -> Result<Option<StoredIncident>, StoreError> {
        Ok(self.incident_rows(&format!("{INCIDENT} WHERE id = '{id}'"))?.pop())
    }

    fn incident_rows(&self, sql: &str) -> Result<Vec<StoredIncident>, StoreError> {
        let rows = self.list(sql, |r| {
            Ok((
                uuid(r, 0)?,
                source(r, 1)?,
                r.get::<_, String>(3)?,
                r.get::<_, String>(4)?,
                r.get::<_, u32>(5)?,
                Timestamp::from_millis(r.get(6)?),
                [r.get::<_, bool>(7)?, r.get(8)?, r.get(9)?, r.get(10)?, r.get(11)?],
            ))
        })?;
        rows.into_iter()
            .map(|(id, source, kind, facts, versions, first_seen_at, [imported, removed, inferred_end, concerns, open])| {
                let record = record(word(Kind::parse(&kind), &kind)?, &facts)?;
                Ok(StoredIncident { id, source, record, versions, first_seen_at, imported, removed, inferred_end, concerns, open })
            })
            .collect()
    }

    /// The life of one entry, oldest first.
    pub fn versions(&self, id: Uuid) -> Result<Vec<StoredChange>, StoreError> {
        let mut rows =
            self.db.prepare("SELECT version, observed_at, changes FROM incident_versions WHERE incident = ?1 ORDER BY version")?;
        let rows =
            rows.query_map([id.to_string()], |r| Ok((r.get::<_, u32>(0)?, Timestamp::from_millis(r.get(1)?), r.get::<_, String>(2)?)))?;
        rows.map(|row| {
            let (number, observed_at, changes) = row?;
            Ok(StoredChange { number, observed_at, changes: parsed(&changes, "changes of an incident")? })
        })
        .collect()
    }

    /// Of the incidents that concern us and ended after `since`: vendor, end, and how long it took.
    pub fn resolved_since(&self, since: Timestamp) -> Result<Vec<(VendorId, Timestamp, Duration)>, StoreError> {
        // The conditions are those of an index that holds all that is asked for.
        let mut rows = self.db.prepare_cached(
            "SELECT vendor, ends_at, starts_at FROM incidents
             WHERE kind = 'incident' AND concerns = 1 AND removed = 0 AND open = 0 AND starts_at IS NOT NULL AND ends_at > ?1",
        )?;
        let rows = rows.query_map([since.as_millis()], |r| {
            let (end, start) = (Timestamp::from_millis(r.get(1)?), Timestamp::from_millis(r.get(2)?));
            Ok((VendorId::new(r.get::<_, String>(0)?), end, end.since(start)))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What every vendor posted about what we use, by vendor, and did not take back, if it lasted at `since` or later.
    /// Impact `none` is no word of trouble.
    pub fn posts(&self, since: Timestamp) -> Result<BTreeMap<VendorId, Vec<Post>>, StoreError> {
        let rows = self.list(
            &format!(
                "SELECT vendor, id, starts_at, ends_at, first_seen_at, imported,
                   (SELECT min(json_extract(u.value, '$.at')) FROM json_each(facts, '$.updates') u)
                 FROM incidents WHERE kind = 'incident' AND concerns = 1 AND removed = 0 AND impact IS NOT 'none'
                   AND (ends_at IS NULL OR ends_at >= {})",
                since.as_millis()
            ),
            |r| {
                let instant = |column: usize| Ok::<_, rusqlite::Error>(r.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
                let seen = Timestamp::from_millis(r.get(4)?);
                let live = !r.get::<_, bool>(5)?;
                // What came with a page's past was seen long after it was posted.
                let said = instant(6)?.or(instant(2)?.filter(|_| !live)).unwrap_or(seen).min(seen);
                let post =
                    Post { incident: uuid(r, 1)?, started_at: instant(2)?.unwrap_or(said), resolved_at: instant(3)?, posted_at: said };
                Ok((VendorId::new(r.get::<_, String>(0)?), post))
            },
        )?;
        let mut posts: BTreeMap<VendorId, Vec<Post>> = BTreeMap::new();
        rows.into_iter().for_each(|(vendor, post)| posts.entry(vendor).or_default().push(post));
        Ok(posts)
    }

    /// For how long each vendor declared an outage, up to the last change of what it declares.
    pub fn declared_downtime(&self) -> Result<BTreeMap<VendorId, Duration>, StoreError> {
        let rows = self.list(
            "SELECT vendor, sum(until - at) FROM
               (SELECT vendor, at, status, lead(at) OVER (PARTITION BY vendor ORDER BY id) AS until FROM declared_statuses)
             WHERE until > at AND status IN ('partial_outage', 'major_outage') GROUP BY vendor",
            |r| Ok((VendorId::new(r.get::<_, String>(0)?), Duration::from_millis(r.get::<_, i64>(1)?.max(0) as u64))),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// The declared status of every vendor at present, with since when.
    pub fn declared_statuses(&self) -> Result<BTreeMap<VendorId, (Timestamp, Status)>, StoreError> {
        let rows = self.list(
            "SELECT vendor, at, status FROM declared_statuses WHERE id IN (SELECT max(id) FROM declared_statuses GROUP BY vendor)",
            |r| Ok((VendorId::new(r.get::<_, String>(0)?), Timestamp::from_millis(r.get(1)?), r.get::<_, String>(2)?)),
        )?;
        rows.into_iter().map(|(vendor, at, status)| Ok((vendor, (at, word(Status::parse(&status), &status)?)))).collect()
    }
}

fn source(row: &Row, column: usize) -> rusqlite::Result<SourceId> {
    let name: String = row.get(column + 1)?;
    Ok(SourceId::new(&VendorId::new(row.get::<_, String>(column)?), name))
}

fn record(kind: Kind, facts: &str) -> Result<Record, StoreError> {
    Record::parse(kind, facts).map_err(|e| StoreError::Corrupt(format!("facts of an {kind}: {e}")))
}
