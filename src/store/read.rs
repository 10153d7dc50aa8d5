//! Reading: read-only connections, for the daemon at start and for the command line at any time.
//!
//! A stored state is brought up to the last journal row by the same fold that made it, so that every reader sees what
//! the daemon saw, also after it was killed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};

use super::{BUSY_TIMEOUT, CheckKey, Heartbeat, StoreError, migrate};
use crate::health::{Absence, CheckState, Run, fold};
use crate::model::alert::Told;
use crate::model::{
    Alert, AlertState, Blame, CheckId, Delivery, DeliveryState, Event, Identity, Outage, Outcome, PageVersion, Reason, Rule, Segment,
    SegmentReason, Severity, State, Terms, Timestamp, Uuid, VendorId,
};
use crate::uptime::Weight;

/// A receiver to which nothing but a test goes, and for which configuration of it that was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub since: Timestamp,
    pub fingerprint: u64,
}

#[derive(Clone, Debug)]
pub struct StoredVendor {
    pub id: VendorId,
    pub name: String,
    pub tier: u8,
    pub retired: bool,
}

/// A check at a location, up to its last stored run.
#[derive(Clone, Debug)]
pub struct StoredCheck {
    pub key: CheckKey,
    pub id: CheckId,
    pub kind: String,
    pub location: String,
    /// Since when nobody looks at it from there any more.
    pub retired_at: Option<Timestamp>,
    pub terms: Terms,
    pub state: CheckState,
    /// The last journal row that is in `state`.
    pub through_seq: i64,
}

/// What lies over a timeline and never edits it: maintenance and annotations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub from: Timestamp,
    pub to: Timestamp,
    /// As the store checks it: `maintenance_own`, `maintenance_vendor`, `excluded` ...
    pub kind: String,
    pub reason: String,
}

/// What a daemon begins with, and what `status` shows.
pub struct Loaded {
    pub vendors: Vec<StoredVendor>,
    pub checks: Vec<StoredCheck>,
    pub heartbeat: Option<Heartbeat>,
    /// Oldest first.
    pub absences: Vec<Absence>,
    pub next_seq: i64,
}

#[derive(Clone, Debug)]
pub struct AlertRow {
    pub alert: Alert,
    pub deliveries: Vec<DeliveryRow>,
}

/// A delivery without the text that is sent.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub id: Uuid,
    pub receiver: String,
    pub event: Event,
    pub state: DeliveryState,
    pub attempts: u32,
    pub last_code: Option<u16>,
    pub next_attempt_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
}

pub struct Reader {
    pub(super) db: Connection,
}

impl Reader {
    /// Opens the database for reading.
    pub fn open(path: &Path) -> Result<Reader, StoreError> {
        let reader = Reader::open_of_any_age(path)?;
        let found = migrate::schema(&reader.db)?;
        let known = migrate::newest();
        if found < known { Err(StoreError::Older { found, known }) } else { Ok(reader) }
    }

    /// Without a daemon, a log and write access it is opened as immutable.
    pub(super) fn open_of_any_age(path: &Path) -> Result<Reader, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = match Connection::open_with_flags(path, flags).map_err(StoreError::from).and_then(usable) {
            // With a log beside it, the file alone is the past.
            Err(error) if may_only_read(&error) && !has_log(path) => {
                let uri =
                    format!("file:{}?immutable=1", path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23"));
                usable(Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?)?
            }
            other => other?,
        };
        Ok(Reader { db: reader })
    }

    /// Everything that a daemon needs to go on where the last one was.
    pub fn load(&self) -> Result<Loaded, StoreError> {
        self.at_one_instant(|| self.load_all())
    }

    /// One read transaction around `read`, so that what is in several tables is of the same instant.
    pub(super) fn at_one_instant<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if !self.db.is_autocommit() {
            return read();
        }
        self.db.execute_batch("BEGIN")?;
        let outcome = read();
        self.db.execute_batch("COMMIT")?;
        outcome
    }

    /// From the next read on everything is read as it was then, until this reader is dropped: a segment that a daemon
    /// closes meanwhile would else be missing from both the closed ones and the open state. Not for long: it holds up checkpoints.
    pub fn hold_still(&self) -> Result<(), StoreError> {
        Ok(self.db.execute_batch("BEGIN")?)
    }

    /// Ends what this reader is reading, from another thread.
    pub fn interrupt(&self) -> impl Fn() + Send + use<> {
        let handle = self.db.get_interrupt_handle();
        move || handle.interrupt()
    }

    fn load_all(&self) -> Result<Loaded, StoreError> {
        let mut checks = self.checks()?;
        let absences = self.absences()?;
        let last = self.replay(&mut checks, &absences)?;
        Ok(Loaded { vendors: self.vendors()?, checks, heartbeat: self.heartbeat()?, absences, next_seq: last + 1 })
    }

    fn vendors(&self) -> Result<Vec<StoredVendor>, StoreError> {
        self.list("SELECT id, name, tier, retired_at IS NOT NULL FROM vendors ORDER BY id", |r| {
            Ok(StoredVendor { id: VendorId::new(r.get::<_, String>(0)?), name: r.get(1)?, tier: r.get(2)?, retired: r.get(3)? })
        })
    }

    fn checks(&self) -> Result<Vec<StoredCheck>, StoreError> {
        let rows = self.list(
            "SELECT l.id, c.vendor, c.name, c.kind, l.location, l.retired_at, t.terms, s.through_seq, s.state
             FROM timelines l JOIN checks c ON c.id = l.check_id
             JOIN terms t ON t.id = (SELECT max(id) FROM terms WHERE timeline = l.id)
             LEFT JOIN check_states s ON s.timeline = l.id
             ORDER BY c.vendor, c.id",
            |r| {
                let id = CheckId { vendor: VendorId::new(r.get::<_, String>(1)?), name: r.get::<_, String>(2)?.into() };
                let terms: String = r.get(6)?;
                let state: Option<String> = r.get(8)?;
                Ok((
                    CheckKey(r.get(0)?),
                    id,
                    r.get::<_, String>(3)?,
                    r.get::<_, String>(4)?,
                    r.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
                    terms,
                    r.get::<_, Option<i64>>(7)?,
                    state,
                ))
            },
        )?;
        rows.into_iter()
            .map(|(key, id, kind, location, retired_at, terms, through_seq, state)| {
                let terms = parsed(&terms, "terms of a check")?;
                let state = state.map(|s| parsed(&s, "state of a check")).transpose()?.unwrap_or_default();
                Ok(StoredCheck { key, id, kind, location, retired_at, terms, state, through_seq: through_seq.unwrap_or(0) })
            })
            .collect()
    }

    /// Folds what the journal has beyond the stored states. Returns the last number of the journal.
    fn replay(&self, checks: &mut [StoredCheck], absences: &[Absence]) -> Result<i64, StoreError> {
        // Packed rows are in every state, and may not be deleted yet.
        let packed = self.packed_through()?;
        let from = checks.iter().filter(|c| c.retired_at.is_none()).map(|c| c.through_seq).min().unwrap_or(0).max(packed);
        let places: HashMap<CheckKey, usize> = checks.iter().enumerate().map(|(n, c)| (c.key, n)).collect();
        let all_terms = self.all_terms()?;
        let mut rows =
            self.db.prepare("SELECT seq, terms_id, at, outcome, reason, duration_us FROM journal WHERE seq > ?1 ORDER BY seq")?;
        let mut rows = rows.query([from])?;
        while let Some(row) = rows.next()? {
            let (seq, terms_id): (i64, i64) = (row.get(0)?, row.get(1)?);
            let Some((key, terms)) = all_terms.get(&terms_id) else { continue };
            let Some(check) = places.get(key).map(|n| &mut checks[*n]).filter(|c| c.through_seq < seq) else { continue };
            // Whatever made the fold write segments was stored with its state, so none can come of this.
            fold(&mut check.state, terms, &run(row)?, absences);
            check.through_seq = seq;
        }
        let last: i64 = self.db.query_row("SELECT coalesce(max(seq), 0) FROM journal", [], |r| r.get(0))?;
        // On a full disk a state is stored before the rows that it has taken in.
        let told = checks.iter().map(|check| check.through_seq).max().unwrap_or(0);
        Ok(last.max(packed).max(told))
    }

    fn all_terms(&self) -> Result<HashMap<i64, (CheckKey, Terms)>, StoreError> {
        let rows =
            self.list("SELECT id, timeline, terms FROM terms", |r| Ok((r.get::<_, i64>(0)?, CheckKey(r.get(1)?), r.get::<_, String>(2)?)))?;
        rows.into_iter().map(|(id, key, terms)| Ok((id, (key, parsed(&terms, "terms of a check")?)))).collect()
    }

    /// How a timeline counted for its vendor over time.
    pub fn weights(&self, key: CheckKey) -> Result<Vec<Weight>, StoreError> {
        let mut rows = self.db.prepare_cached("SELECT valid_from, counts, terms FROM terms WHERE timeline = ?1 ORDER BY id")?;
        let rows = rows.query_map([key.0], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, bool>(1)?, r.get::<_, String>(2)?)))?;
        rows.map(|row| {
            let (from, counts, terms) = row?;
            let terms: Terms = parsed(&terms, "terms of a check")?;
            Ok(Weight { from: Timestamp::from_millis(from), severity: counts.then_some(terms.severity) })
        })
        .collect()
    }

    /// The segments of a timeline that have ended after `since`, oldest first.
    pub fn closed_segments(&self, key: CheckKey, since: Timestamp) -> Result<Vec<Segment>, StoreError> {
        // They do not overlap, so that none before the one that lasted then can matter: the index finds it, however long the past is.
        let mut rows = self.db.prepare_cached(
            "SELECT from_ms, to_ms, state, reason FROM segments WHERE timeline = ?1 AND to_ms > ?2
             AND from_ms >= coalesce((SELECT max(from_ms) FROM segments WHERE timeline = ?1 AND from_ms <= ?2), ?2) ORDER BY from_ms",
        )?;
        let rows = rows.query_map(params![key.0, since.as_millis()], |r| {
            Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?, r.get::<_, String>(2)?, r.get::<_, String>(3)?))
        })?;
        rows.map(|row| {
            let (from, to, state, reason) = row?;
            Ok(Segment {
                from: Timestamp::from_millis(from),
                to: Timestamp::from_millis(to),
                state: word(State::parse(&state), &state)?,
                reason: word(SegmentReason::parse(&reason), &reason)?,
            })
        })
        .collect()
    }

    /// The layers over a vendor, or over one of its checks with those of the whole vendor, that touch `[from, to)`.
    pub fn layers(&self, vendor: &VendorId, check: Option<&str>, from: Timestamp, to: Timestamp) -> Result<Vec<Layer>, StoreError> {
        let mut rows = self.db.prepare(
            "SELECT l.from_ms, l.to_ms, l.kind, l.reason FROM layers l LEFT JOIN checks c ON c.id = l.check_id
             WHERE l.vendor = ?1 AND (c.name IS NULL OR ?2 IS NULL OR c.name = ?2) AND l.from_ms < ?4 AND l.to_ms > ?3 ORDER BY l.from_ms, l.id",
        )?;
        let rows = rows.query_map(params![vendor.as_str(), check, from.as_millis(), to.as_millis()], |r| {
            Ok(Layer { from: Timestamp::from_millis(r.get(0)?), to: Timestamp::from_millis(r.get(1)?), kind: r.get(2)?, reason: r.get(3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn heartbeat(&self) -> Result<Option<Heartbeat>, StoreError> {
        let duration = |ms: i64| Duration::from_millis(ms.max(0) as u64);
        let rows = self.list("SELECT wall, boot_ms, mono_ms, boot_id, stopped FROM heartbeat", |r| {
            Ok(Heartbeat {
                wall: Timestamp::from_millis(r.get(0)?),
                boot: duration(r.get(1)?),
                mono: duration(r.get(2)?),
                boot_id: r.get(3)?,
                stopped: r.get(4)?,
            })
        })?;
        Ok(rows.into_iter().next())
    }

    /// Time in which nobody looked, oldest first. Only the latest matter: older gaps have their segment.
    fn absences(&self) -> Result<Vec<Absence>, StoreError> {
        const ABSENCES_MAX: usize = 100;
        let sql = format!(
            "SELECT kind, from_ms, to_ms FROM events WHERE kind IN ('monitor_down', 'clock_step', 'suspend') ORDER BY id DESC LIMIT {ABSENCES_MAX}"
        );
        let mut rows = self.list(&sql, |r| {
            let reason = if r.get::<_, String>(0)? == "monitor_down" { SegmentReason::MonitorDown } else { SegmentReason::Clock };
            Ok(Absence { from: Timestamp::from_millis(r.get(1)?), to: Timestamp::from_millis(r.get(2)?), reason })
        })?;
        rows.reverse();
        Ok(rows)
    }

    /// All outages, newest first. `boot_id` is that of this boot of the machine: an older one makes its clock useless.
    pub fn outages(&self, boot_id: &str) -> Result<Vec<Outage>, StoreError> {
        self.outage_rows("ORDER BY started_at DESC, id DESC", boot_id)
    }

    /// The latest outage of each vendor.
    pub fn latest_outages(&self, boot_id: &str) -> Result<BTreeMap<VendorId, Outage>, StoreError> {
        let latest = "WHERE id IN (SELECT id FROM outages o WHERE o.started_at = (SELECT max(started_at) FROM outages WHERE vendor = o.vendor)) ORDER BY id";
        Ok(self.outage_rows(latest, boot_id)?.into_iter().map(|o| (o.vendor.clone(), o)).collect())
    }

    fn outage_rows(&self, tail: &str, boot_id: &str) -> Result<Vec<Outage>, StoreError> {
        let sql = format!(
            "SELECT id, vendor, started_at, started_boot_ms, boot_id, confirmed_at, ended_at, stepped_ms, blame, checks,
               (SELECT max(p.ended_at) FROM outages p WHERE p.vendor = outages.vendor AND (p.started_at, p.id) < (outages.started_at, outages.id))
             FROM outages {tail}"
        );
        let instant = |ms: Option<i64>| ms.map(Timestamp::from_millis);
        let duration = |ms: Option<i64>| ms.map(|ms| Duration::from_millis(ms.max(0) as u64));
        let rows = self.list(&sql, |r| {
            let same_boot = r.get::<_, String>(4)? == boot_id;
            let outage = Outage {
                id: uuid(r, 0)?,
                vendor: VendorId::new(r.get::<_, String>(1)?),
                started_at: Timestamp::from_millis(r.get(2)?),
                not_before: instant(r.get(10)?),
                started_boot: duration(r.get(3)?).filter(|_| same_boot),
                confirmed_at: Timestamp::from_millis(r.get(5)?),
                ended_at: instant(r.get(6)?),
                stepped: duration(r.get(7)?),
                blame: Blame::parse(&r.get::<_, String>(8)?).unwrap_or(Blame::Inconclusive),
                checks: Vec::new(),
            };
            Ok((outage, r.get::<_, String>(9)?))
        })?;
        rows.into_iter().map(|(outage, checks)| Ok(Outage { checks: parsed(&checks, "checks of an outage")?, ..outage })).collect()
    }

    /// Firing alerts, and the deliveries that are pending or told a firing of one of them; with the next free number.
    pub fn book(&self) -> Result<(Vec<Alert>, Vec<Delivery>, i64), StoreError> {
        let firing = self.alert_rows("WHERE state != 'resolved' ORDER BY id")?;
        let deliveries = self.delivery_rows(
            "WHERE state = 'pending' OR (event = 'alert.firing' AND seq IN
               (SELECT delivery FROM delivery_alerts WHERE alert IN (SELECT id FROM alerts WHERE state != 'resolved'))) ORDER BY seq",
        )?;
        let last = self.db.query_row("SELECT coalesce(max(seq), 0) FROM deliveries", [], |r| r.get(0))?;
        Ok((firing, deliveries, last))
    }

    /// Every alert with its deliveries, newest first.
    pub fn alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        let mut by_alert: HashMap<String, Vec<DeliveryRow>> = HashMap::new();
        let rows = self.list(
            "SELECT a.alert, d.id, d.receiver, d.event, d.state, d.attempts, d.last_code, d.next_attempt_at, d.delivered_at
             FROM delivery_alerts a JOIN deliveries d ON d.seq = a.delivery ORDER BY d.seq",
            |r| {
                let (event, state): (String, String) = (r.get(3)?, r.get(4)?);
                let row = DeliveryRow {
                    id: uuid(r, 1)?,
                    receiver: r.get(2)?,
                    event: Event::parse(&event).unwrap_or(Event::Updated),
                    state: DeliveryState::parse(&state).unwrap_or(DeliveryState::Dead),
                    attempts: r.get(5)?,
                    last_code: r.get(6)?,
                    next_attempt_at: r.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
                    delivered_at: r.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
                };
                Ok((r.get::<_, String>(0)?, row))
            },
        )?;
        for (alert, delivery) in rows {
            by_alert.entry(alert).or_default().push(delivery);
        }
        let alerts = self.alert_rows("ORDER BY since DESC, id DESC")?;
        Ok(alerts
            .into_iter()
            .map(|alert| AlertRow { deliveries: by_alert.remove(&alert.id.to_string()).unwrap_or_default(), alert })
            .collect())
    }

    fn alert_rows(&self, tail: &str) -> Result<Vec<Alert>, StoreError> {
        let sql = format!(
            "SELECT id, rule, vendor, subject, severity, state, since, resolved_at, summary, vendor_name, tier, measured, declared, blame, evidence, edition FROM alerts {tail}"
        );
        let rows = self.list(&sql, |r| {
            let words: (String, String, String, String) = (r.get(1)?, r.get(4)?, r.get(5)?, r.get(14)?);
            let alert = Alert {
                id: uuid(r, 0)?,
                identity: Identity {
                    rule: Rule::VendorDown,
                    vendor: r.get::<_, Option<String>>(2)?.map(VendorId::new),
                    subject: r.get(3)?,
                },
                severity: Severity::Info,
                state: AlertState::Resolved,
                since: Timestamp::from_millis(r.get(6)?),
                resolved_at: r.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
                summary: r.get(8)?,
                vendor_name: r.get(9)?,
                tier: r.get(10)?,
                measured: r.get(11)?,
                declared: r.get(12)?,
                blame: Blame::parse(&r.get::<_, String>(13)?).unwrap_or(Blame::Inconclusive),
                evidence: Vec::new(),
                edition: r.get(15)?,
            };
            Ok((alert, words))
        })?;
        rows.into_iter()
            .map(|(mut alert, (rule, severity, state, evidence))| {
                alert.identity.rule = word(Rule::parse(&rule), &rule)?;
                alert.severity = word(Severity::parse(&severity), &severity)?;
                alert.state = word(AlertState::parse(&state), &state)?;
                alert.evidence = parsed(&evidence, "evidence of an alert")?;
                Ok(alert)
            })
            .collect()
    }

    fn delivery_rows(&self, tail: &str) -> Result<Vec<Delivery>, StoreError> {
        let sql = format!(
            "SELECT seq, id, receiver, event, group_labels, created_at, due_at, state, attempts, next_attempt_at, last_code, last_error, delivered_at FROM deliveries {tail}"
        );
        let instant = |ms: Option<i64>| ms.map(Timestamp::from_millis);
        let rows = self.list(&sql, |r| {
            let words: (String, String, String) = (r.get(3)?, r.get(7)?, r.get(4)?);
            let delivery = Delivery {
                seq: r.get(0)?,
                id: uuid(r, 1)?,
                receiver: r.get(2)?,
                event: Event::Test,
                group: Vec::new(),
                alerts: Vec::new(),
                created_at: Timestamp::from_millis(r.get(5)?),
                due_at: Timestamp::from_millis(r.get(6)?),
                state: DeliveryState::Dead,
                attempts: r.get(8)?,
                next_attempt_at: instant(r.get(9)?),
                last_code: r.get(10)?,
                last_error: r.get(11)?,
                delivered_at: instant(r.get(12)?),
            };
            Ok((delivery, words))
        })?;
        rows.into_iter()
            .map(|(mut delivery, (event, state, group))| {
                delivery.event = word(Event::parse(&event), &event)?;
                delivery.state = word(DeliveryState::parse(&state), &state)?;
                delivery.group = parsed(&group, "group of a delivery")?;
                delivery.alerts = self.told(delivery.seq)?;
                Ok(delivery)
            })
            .collect()
    }

    fn told(&self, seq: i64) -> Result<Vec<Told>, StoreError> {
        let mut rows = self.db.prepare_cached(
            "SELECT a.id, a.rule, a.vendor, a.subject, d.facts FROM delivery_alerts d JOIN alerts a ON a.id = d.alert WHERE d.delivery = ?1 ORDER BY d.position",
        )?;
        let rows = rows.query_map([seq], |r| {
            Ok((uuid(r, 0)?, r.get::<_, String>(1)?, r.get::<_, Option<String>>(2)?, r.get(3)?, r.get::<_, String>(4)?))
        })?;
        rows.map(|row| {
            let (alert, rule, vendor, subject, facts) = row?;
            let identity = Identity { rule: word(Rule::parse(&rule), &rule)?, vendor: vendor.map(VendorId::new), subject };
            Ok(Told { alert, identity, facts: parsed(&facts, "facts of an alert")? })
        })
        .collect()
    }

    /// What a check of kind `page` read last.
    pub fn page_version(&self, key: CheckKey) -> Result<Option<PageVersion>, StoreError> {
        let sql = "SELECT source, listing, difference FROM page_versions WHERE timeline = ?1 ORDER BY id DESC LIMIT 1";
        let row = |r: &Row| Ok((r.get(0)?, r.get::<_, String>(1)?, r.get::<_, Option<String>>(2)?));
        let found: Option<(String, String, Option<String>)> = self.db.prepare_cached(sql)?.query_row([key.0], row).optional()?;
        let Some((source, listing, difference)) = found else { return Ok(None) };
        let difference = difference.map(|json| parsed(&json, "a difference of a page")).transpose()?;
        Ok(Some(PageVersion { source, listing: parsed(&listing, "a listing of a page")?, difference }))
    }

    pub fn suspensions(&self) -> Result<BTreeMap<String, Suspension>, StoreError> {
        let rows = self.list("SELECT receiver, since, fingerprint FROM suspensions", |r| {
            Ok((r.get(0)?, Suspension { since: Timestamp::from_millis(r.get(1)?), fingerprint: r.get::<_, i64>(2)? as u64 }))
        })?;
        Ok(rows.into_iter().collect())
    }

    /// Of the pending deliveries those that were answered 401, 403, 404 or 407, and how often: they get few tries.
    pub fn mending(&self) -> Result<BTreeMap<i64, u32>, StoreError> {
        let rows = self.list(
            "SELECT a.delivery, count(*) FROM attempts a JOIN deliveries d ON d.seq = a.delivery
             WHERE d.state = 'pending' AND a.code IN (401, 403, 404, 407) GROUP BY a.delivery",
            |r| Ok((r.get(0)?, r.get(1)?)),
        )?;
        Ok(rows.into_iter().collect())
    }

    pub(super) fn list<T>(&self, sql: &str, row: impl FnMut(&Row) -> rusqlite::Result<T>) -> Result<Vec<T>, StoreError> {
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], row)?.collect::<rusqlite::Result<Vec<T>>>()?;
        Ok(rows)
    }
}

fn has_log(path: &Path) -> bool {
    let is_there = |ending| std::fs::metadata(format!("{}{ending}", path.display())).is_ok_and(|log| log.len() > 0);
    is_there("-wal") || is_there("-journal")
}

/// SQLite would make a log, in a folder where only the daemon may: says the system (`CannotOpen`), or SQLite itself.
fn may_only_read(error: &StoreError) -> bool {
    match error {
        StoreError::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly),
        other => matches!(other, StoreError::Disk(_)),
    }
}

fn usable(db: Connection) -> Result<Connection, StoreError> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    migrate::check_usable(&db)?;
    Ok(db)
}

/// A journal row as the fold wants it. The boot clock is not stored: what began in replayed rows is timed by the wall clock.
fn run(row: &Row) -> Result<Run, StoreError> {
    let (outcome, reason): (u8, u8) = (row.get(3)?, row.get(4)?);
    Ok(Run {
        at: Timestamp::from_millis(row.get(2)?),
        boot: Duration::ZERO,
        outcome: Outcome::from_code(outcome).ok_or_else(|| StoreError::Corrupt(format!("journal: outcome {outcome}")))?,
        reason: Reason::from_code(reason).ok_or_else(|| StoreError::Corrupt(format!("journal: reason {reason}")))?,
        duration: Duration::from_micros(row.get::<_, i64>(5)?.max(0) as u64),
    })
}

pub(super) fn uuid(row: &Row, column: usize) -> rusqlite::Result<Uuid> {
    let text: String = row.get(column)?;
    Uuid::parse_str(&text).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e)))
}

pub(super) fn parsed<T: serde::de::DeserializeOwned>(json: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|e| StoreError::Corrupt(format!("{what}: {e}")))
}

pub(super) fn word<T>(known: Option<T>, text: &str) -> Result<T, StoreError> {
    known.ok_or_else(|| StoreError::Corrupt(format!("unknown word {text:?}")))
}
