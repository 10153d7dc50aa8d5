//! The writer: one connection, one transaction at a time.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use super::batch::{JournalRow, RegisteredCheck};
use super::{BUSY_TIMEOUT, Batch, CheckKey, Lock, Reader, Registration, StoreError, StoredEvent, migrate};
use crate::health::SegmentWrite;
use crate::model::time::millis;
use crate::model::{Alert, Delivery, Outage, PageVersion, Timestamp, VendorId};
use crate::routing::Attempt;

/// The log is copied into the database once it has about this many pages (4 MiB).
const CHECKPOINT_PAGES: i64 = 1000;

/// The only way to write. Holds the lock for as long as it lives.
pub struct Writer {
    path: PathBuf,
    boot_id: String,
    /// `None` after a disk error, until it could be opened again.
    db: Option<Connection>,
    next_batch: i64,
    _lock: Lock,
}

/// Ids that the store gave to a check, and the terms that are in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    pub vendor: VendorId,
    pub name: String,
    pub key: CheckKey,
    pub terms_id: i64,
}

impl Writer {
    /// Takes the lock, opens or creates the file, and migrates it.
    pub fn open(path: &Path, allow_network_fs: bool, boot_id: String) -> Result<Writer, StoreError> {
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|source| StoreError::Io { path: folder.to_owned(), source })?;
        }
        let lock = Lock::take(path, allow_network_fs)?;
        if path.exists() {
            look(path)?;
        } else {
            create(path)?;
        }
        let mut db = connect(path)?;
        migrate::migrate(&mut db)?;
        let last: i64 = db.query_row("SELECT last_batch FROM meta", [], |r| r.get(0))?;
        Ok(Writer { path: path.to_owned(), boot_id, db: Some(db), next_batch: last + 1, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of the same file.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Makes `batch` durable. After an error the very same batch must be offered again: the error may have been a lost
    /// answer, and the store knows by its number whether it has it.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let (number, boot_id) = (self.next_batch, self.boot_id.clone());
        self.transaction(|tx| {
            if last_batch(tx)? < number {
                write_batch(tx, batch, &boot_id)?;
                tx.prepare_cached("UPDATE meta SET last_batch = ?1")?.execute([number])?;
            }
            Ok(())
        })?;
        self.next_batch = number + 1;
        Ok(())
    }

    pub(super) fn transaction<T>(&mut self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let outcome = self.connected().and_then(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        });
        self.doubt(outcome)
    }

    /// As [`Writer::transaction`], for what can wait: it waits for nobody who holds the database, and is not waited for until
    /// it is on the disk; the log keeps the order, so that it is there before anything that is committed later, or not at all.
    pub(super) fn unhurried<T>(&mut self, work: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let db = self.connected()?;
        db.busy_timeout(Duration::ZERO)?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let outcome = self.transaction(work);
        if let Some(db) = &self.db {
            db.pragma_update(None, "synchronous", "FULL")?;
            db.busy_timeout(BUSY_TIMEOUT)?;
        }
        outcome
    }

    /// After an error of the disk the connection is opened anew: whatever the page cache holds now may not be on disk.
    fn doubt<T>(&mut self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(outcome, Err(StoreError::Disk(_))) {
            self.db = None;
        }
        outcome
    }

    fn connected(&mut self) -> Result<&mut Connection, StoreError> {
        if self.db.is_none() {
            let mut db = connect(&self.path)?;
            // What a failed sync left in the log is written and synced anew, or it is not believed.
            checkpoint(&mut db, "PASSIVE")?;
            self.db = Some(db);
        }
        self.db.as_mut().ok_or(StoreError::Busy)
    }

    /// Brings vendors, checks and terms to what the configuration says; what left it is retired, its history stays.
    /// Doing it twice changes nothing, so that it needs no number.
    pub fn register(&mut self, vendors: &[Registration], location: &str, now: Timestamp) -> Result<Vec<Registered>, StoreError> {
        self.transaction(|tx| register(tx, vendors, location, now))
    }

    /// Makes a vendor known that no daemon has registered yet, so that its past can come first. One that is known stays as it is.
    pub fn introduce(&mut self, vendor: &VendorId, name: &str, tier: u8, category: &str) -> Result<(), StoreError> {
        self.transaction(|tx| {
            tx.prepare_cached("INSERT INTO vendors (id, name, tier, category) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")?
                .execute(params![vendor.as_str(), name, tier, category])
                .map(drop)
        })
    }

    /// Copies the log into the database when it has grown, and looks at the result. A reader may hold it up; then later.
    pub fn checkpoint_if_due(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let pages = std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |m| m.len() as i64 / 4096);
        if pages < CHECKPOINT_PAGES {
            return Ok(());
        }
        let result = self.connected().and_then(|db| checkpoint(db, "PASSIVE"));
        self.doubt(result)
    }

    /// After a clean stop there is no log beside the database, so that a reader without write access can open it.
    pub fn close(mut self) -> Result<(), StoreError> {
        let Some(mut db) = self.db.take() else { return Ok(()) };
        // Readers may keep the log busy; then it stays and the next start takes it in.
        match checkpoint(&mut db, "TRUNCATE") {
            Ok(()) | Err(StoreError::Busy) => {}
            Err(error) => return Err(error),
        }
        db.close().map_err(|(_, error)| error.into())
    }
}

#[cfg(test)]
impl Writer {
    /// As if the connection had broken before the next commit.
    pub(super) fn lose_connection(&mut self) {
        self.db = None;
    }

    /// As if the last commit had been applied, and its answer lost.
    pub(super) fn forget_answer(&mut self) {
        self.db = None;
        self.next_batch -= 1;
    }
}

/// An empty file with our mode, which SQLite gives to the write-ahead log too.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    made.map(drop).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// Whether the file is ours to write, before anything is written.
fn look(path: &Path) -> Result<(), StoreError> {
    let with = |access| {
        let db = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        migrate::check_usable(&db)
    };
    match with(OpenFlags::SQLITE_OPEN_READ_ONLY) {
        // A kill while the file was made left a rollback journal, which only a writer can play back.
        Err(StoreError::Sqlite(error)) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly) => with(OpenFlags::SQLITE_OPEN_READ_WRITE),
        other => other,
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "wal_autocheckpoint", 0)?;
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

fn last_batch(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("SELECT last_batch FROM meta", [], |r| r.get(0))
}

fn checkpoint(db: &mut Connection, mode: &str) -> Result<(), StoreError> {
    let (busy, log, copied): (i64, i64, i64) =
        db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
    tracing::debug!(log, copied, busy, "checkpoint");
    if busy != 0 && mode == "TRUNCATE" { Err(StoreError::Busy) } else { Ok(()) }
}

pub(super) fn write_batch(tx: &Transaction, batch: &Batch, boot_id: &str) -> rusqlite::Result<()> {
    observations(tx, batch)?;
    for (key, write) in &batch.segments {
        segment(tx, *key, write)?;
    }
    states(tx, batch)?;
    super::evidence::write(tx, &batch.evidence)?;
    batch.outages.iter().try_for_each(|o| outage(tx, o, boot_id))?;
    super::pages::write(tx, &batch.declared)?;
    batch.told.alerts.iter().try_for_each(|a| alert(tx, a))?;
    batch.told.deliveries.iter().try_for_each(|d| delivery(tx, d))?;
    batch.attempts.iter().try_for_each(|(a, number)| attempt(tx, a, *number))?;
    suspensions(tx, batch)?;
    batch.events.iter().try_for_each(|e| event(tx, e))?;
    heartbeat(tx, batch)
}

fn observations(tx: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO journal (seq, terms_id, at, outcome, reason, duration_us, resolve_us, connect_us, tls_us, processing_us, transfer_us, http_status)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    for row in &batch.observations {
        let o = &row.observation;
        let [resolve, connect, tls, processing, transfer] = o.phases.values();
        insert.execute(params![
            row.seq,
            row.terms_id,
            row.at.as_millis(),
            o.outcome.code(),
            o.reason.code(),
            micros(o.duration),
            resolve,
            connect,
            tls,
            processing,
            transfer,
            o.detail.http_status
        ])?;
        if let Some(version) = &o.detail.version {
            page_version(tx, row, version)?;
        }
    }
    Ok(())
}

/// What a check of kind `page` read anew.
fn page_version(tx: &Transaction, row: &JournalRow, version: &PageVersion) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO page_versions (timeline, at, source, hash, listing, difference)
         SELECT timeline, ?2, ?3, ?4, ?5, ?6 FROM terms WHERE id = ?1",
    )?
    .execute(params![
        row.terms_id,
        row.at.as_millis(),
        version.source,
        version.listing.hash(),
        to_json(&version.listing),
        version.difference.as_ref().map(to_json)
    ])
    .map(drop)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn segment(tx: &Transaction, key: CheckKey, write: &SegmentWrite) -> rusqlite::Result<()> {
    match write {
        SegmentWrite::Open(open) => tx
            .prepare_cached("INSERT INTO segments (timeline, from_ms, state, reason) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![key.0, open.from.as_millis(), open.state.as_str(), open.reason.as_str()]),
        SegmentWrite::Close { to, reason } => tx
            .prepare_cached("UPDATE segments SET to_ms = ?2, reason = ?3, evidence_until = NULL WHERE timeline = ?1 AND to_ms IS NULL")?
            .execute(params![key.0, to.as_millis(), reason.as_str()]),
        SegmentWrite::Relabel { state, reason } => tx
            .prepare_cached("UPDATE segments SET state = ?2, reason = ?3 WHERE timeline = ?1 AND to_ms IS NULL")?
            .execute(params![key.0, state.as_str(), reason.as_str()]),
        SegmentWrite::Gap(gap) => tx
            .prepare_cached("INSERT INTO segments (timeline, from_ms, to_ms, state, reason) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![key.0, gap.from.as_millis(), gap.to.as_millis(), gap.state.as_str(), gap.reason.as_str()]),
    }
    .map(drop)
}

fn states(tx: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    let mut put = tx.prepare_cached(
        "INSERT INTO check_states (timeline, through_seq, state) VALUES (?1, ?2, ?3)
         ON CONFLICT (timeline) DO UPDATE SET through_seq = excluded.through_seq, state = excluded.state",
    )?;
    let mut until = tx.prepare_cached("UPDATE segments SET evidence_until = ?2 WHERE timeline = ?1 AND to_ms IS NULL")?;
    for (key, through, state) in &batch.states {
        put.execute(params![key.0, through, to_json(state)])?;
        until.execute(params![key.0, state.evidence_until.map(Timestamp::as_millis)])?;
    }
    Ok(())
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data without maps of odd keys always serializes")
}

pub(super) fn outage(tx: &Transaction, o: &Outage, boot_id: &str) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO outages (id, vendor, started_at, started_boot_ms, boot_id, confirmed_at, ended_at, stepped_ms, blame, checks)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, started_boot_ms = excluded.started_boot_ms, boot_id = excluded.boot_id,
           ended_at = excluded.ended_at, stepped_ms = excluded.stepped_ms, blame = excluded.blame, checks = excluded.checks",
    )?
    .execute(params![
        o.id.to_string(),
        o.vendor.as_str(),
        o.started_at.as_millis(),
        o.started_boot.map(millis),
        boot_id,
        o.confirmed_at.as_millis(),
        o.ended_at.map(Timestamp::as_millis),
        o.stepped.map(millis),
        o.blame.as_str(),
        to_json(&o.checks)
    ])
    .map(drop)
}

fn alert(tx: &Transaction, a: &Alert) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO alerts (id, rule, vendor, subject, severity, state, since, resolved_at, summary, vendor_name, tier, measured, declared, blame, evidence, edition)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
         ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, state = excluded.state, resolved_at = excluded.resolved_at,
           summary = excluded.summary, evidence = excluded.evidence, measured = excluded.measured, declared = excluded.declared, edition = excluded.edition",
    )?
    .execute(params![
        a.id.to_string(),
        a.identity.rule.as_str(),
        a.identity.vendor.as_ref().map(VendorId::as_str),
        a.identity.subject,
        a.severity.as_str(),
        a.state.as_str(),
        a.since.as_millis(),
        a.resolved_at.map(Timestamp::as_millis),
        a.summary,
        a.vendor_name,
        a.tier,
        a.measured,
        a.declared,
        a.blame.as_str(),
        to_json(&a.evidence),
        a.edition
    ])
    .map(drop)
}

fn delivery(tx: &Transaction, d: &Delivery) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO deliveries (seq, id, receiver, event, group_labels, created_at, due_at, state, attempts, next_attempt_at, last_code, last_error, delivered_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (seq) DO UPDATE SET due_at = excluded.due_at, state = excluded.state, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
           last_code = excluded.last_code, last_error = excluded.last_error, delivered_at = excluded.delivered_at",
    )?
    .execute(params![
        d.seq,
        d.id.to_string(),
        d.receiver,
        d.event.as_str(),
        to_json(&d.group),
        d.created_at.as_millis(),
        d.due_at.as_millis(),
        d.state.as_str(),
        d.attempts,
        d.next_attempt_at.map(Timestamp::as_millis),
        d.last_code,
        d.last_error,
        d.delivered_at.map(Timestamp::as_millis)
    ])?;
    // While a message gathers, what it says is kept fresh.
    let mut told = tx.prepare_cached(
        "INSERT INTO delivery_alerts (delivery, position, alert, facts) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (delivery, position) DO UPDATE SET facts = excluded.facts WHERE facts <> excluded.facts",
    )?;
    for (position, t) in d.alerts.iter().enumerate() {
        told.execute(params![d.seq, position as i64, t.alert.to_string(), t.facts.to_string()])?;
    }
    Ok(())
}

fn attempt(tx: &Transaction, a: &Attempt, number: u32) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO attempts (delivery, attempt, at, code, error) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
        .execute(params![a.delivery, number, a.at.as_millis(), a.code, a.error])
        .map(drop)
}

fn suspensions(tx: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    for (receiver, suspension) in &batch.suspensions {
        match suspension {
            Some(s) => tx.execute(
                "INSERT INTO suspensions (receiver, since, fingerprint) VALUES (?1, ?2, ?3) ON CONFLICT (receiver) DO UPDATE SET since = excluded.since, fingerprint = excluded.fingerprint",
                params![receiver, s.since.as_millis(), s.fingerprint as i64],
            )?,
            None => tx.execute("DELETE FROM suspensions WHERE receiver = ?1", [receiver])?,
        };
    }
    Ok(())
}

fn event(tx: &Transaction, e: &StoredEvent) -> rusqlite::Result<()> {
    tx.prepare_cached("INSERT INTO events (kind, from_ms, to_ms, detail) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![e.kind, e.from.as_millis(), e.to.as_millis(), e.detail])
        .map(drop)
}

fn heartbeat(tx: &Transaction, batch: &Batch) -> rusqlite::Result<()> {
    let Some(h) = &batch.heartbeat else { return Ok(()) };
    tx.prepare_cached(
        "INSERT INTO heartbeat (id, wall, boot_ms, mono_ms, boot_id, stopped) VALUES (1, ?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET wall = excluded.wall, boot_ms = excluded.boot_ms, mono_ms = excluded.mono_ms, boot_id = excluded.boot_id, stopped = excluded.stopped",
    )?
    .execute(params![h.wall.as_millis(), millis(h.boot), millis(h.mono), h.boot_id, h.stopped])
    .map(drop)
}

fn register(tx: &Transaction, vendors: &[Registration], location: &str, now: Timestamp) -> rusqlite::Result<Vec<Registered>> {
    let mut out = Vec::new();
    let mut kept = Vec::new();
    for v in vendors {
        tx.prepare_cached(
            "INSERT INTO vendors (id, name, tier, category) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, tier = excluded.tier, category = excluded.category, retired_at = NULL",
        )?
        .execute(params![v.vendor.as_str(), v.name, v.tier, v.category])?;
        register_sources(tx, v, now)?;
        for check in &v.checks {
            let key = register_check(tx, &v.vendor, check, location, now)?;
            let terms_id = register_terms(tx, key, check, now)?;
            kept.push(key);
            out.push(Registered { vendor: v.vendor.clone(), name: check.name.clone(), key, terms_id });
        }
    }
    retire_others(tx, vendors, &kept, now)?;
    Ok(out)
}

fn register_sources(tx: &Transaction, v: &Registration, now: Timestamp) -> rusqlite::Result<()> {
    tx.execute("UPDATE sources SET retired_at = ?2 WHERE vendor = ?1 AND retired_at IS NULL", params![v.vendor.as_str(), now.as_millis()])?;
    for (name, url, format) in &v.sources {
        tx.prepare_cached(
            "INSERT INTO sources (vendor, name, url, format) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (vendor, name) DO UPDATE SET url = excluded.url, format = excluded.format, retired_at = NULL",
        )?
        .execute(params![v.vendor.as_str(), name, url, format])?;
    }
    Ok(())
}

/// The check's timeline at `location`.
fn register_check(
    tx: &Transaction,
    vendor: &VendorId,
    check: &RegisteredCheck,
    location: &str,
    now: Timestamp,
) -> rusqlite::Result<CheckKey> {
    if let Some(old) = &check.renamed_from {
        // History moves once: only while nobody has the new name yet.
        tx.execute(
            "UPDATE checks SET name = ?3 WHERE vendor = ?1 AND name = ?2 AND NOT EXISTS (SELECT 1 FROM checks WHERE vendor = ?1 AND name = ?3)",
            params![vendor.as_str(), old, check.name],
        )?;
    }
    let id: i64 = tx
        .prepare_cached(
            "INSERT INTO checks (vendor, name, kind, created_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (vendor, name) DO UPDATE SET kind = excluded.kind RETURNING id",
        )?
        .query_row(params![vendor.as_str(), check.name, check.kind, now.as_millis()], |r| r.get(0))?;
    tx.prepare_cached(
        "INSERT INTO timelines (check_id, location) VALUES (?1, ?2) ON CONFLICT (check_id, location) DO UPDATE SET retired_at = NULL RETURNING id",
    )?
    .query_row(params![id, location], |r| r.get(0))
    .map(CheckKey)
}

/// The id of the terms in force; a new row where they differ from those before.
fn register_terms(tx: &Transaction, key: CheckKey, check: &RegisteredCheck, now: Timestamp) -> rusqlite::Result<i64> {
    let terms = to_json(&check.terms);
    let latest = tx
        .prepare_cached("SELECT id, terms, counts FROM terms WHERE timeline = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([key.0], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?, r.get::<_, bool>(2)?)))
        .optional()?;
    match latest {
        Some((id, stored, counts)) if stored == terms && counts == check.counts() => Ok(id),
        _ => tx
            .prepare_cached("INSERT INTO terms (timeline, valid_from, counts, terms) VALUES (?1, ?2, ?3, ?4) RETURNING id")?
            .query_row(params![key.0, now.as_millis(), check.counts(), terms], |r| r.get(0)),
    }
}

/// What the configuration no longer has counts no more from now on; its history stays.
fn retire_others(tx: &Transaction, vendors: &[Registration], kept: &[CheckKey], now: Timestamp) -> rusqlite::Result<()> {
    let now = now.as_millis();
    let kept: std::collections::HashSet<i64> = kept.iter().map(|k| k.0).collect();
    let current: Vec<i64> = column(tx, "SELECT id FROM timelines WHERE retired_at IS NULL")?;
    for timeline in current.into_iter().filter(|id| !kept.contains(id)) {
        tx.execute("UPDATE timelines SET retired_at = ?2 WHERE id = ?1", params![timeline, now])?;
        tx.execute(
            "INSERT INTO terms (timeline, valid_from, counts, terms) SELECT timeline, ?2, 0, terms FROM terms WHERE timeline = ?1 ORDER BY id DESC LIMIT 1",
            params![timeline, now],
        )?;
    }
    let known: Vec<String> = column(tx, "SELECT id FROM vendors WHERE retired_at IS NULL")?;
    for id in known.into_iter().filter(|id| !vendors.iter().any(|v| v.vendor.as_str() == id)) {
        tx.execute("UPDATE vendors SET retired_at = ?2 WHERE id = ?1", params![id, now])?;
        tx.execute("UPDATE sources SET retired_at = ?2 WHERE vendor = ?1 AND retired_at IS NULL", params![id, now])?;
    }
    Ok(())
}

fn column<T: rusqlite::types::FromSql>(tx: &Transaction, sql: &str) -> rusqlite::Result<Vec<T>> {
    tx.prepare(sql)?.query_map([], |r| r.get(0))?.collect()
}
