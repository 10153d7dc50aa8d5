//! Whether a database is sound: SQLite's own checks, and the invariants that the schema cannot state.

use rusqlite::Connection;

use super::{Reader, StoreError, migrate};

/// Each query returns one line a violation.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "segments of a timeline overlap or leave a hole",
        "SELECT 'timeline ' || timeline || ' at ' || to_ms FROM
           (SELECT timeline, to_ms, lead(from_ms) OVER (PARTITION BY timeline ORDER BY from_ms) AS next FROM segments) WHERE next IS NOT NULL AND (to_ms IS NULL OR to_ms <> next)",
    ),
    (
        "outages of a vendor overlap",
        "SELECT vendor || ' at ' || next FROM
           (SELECT vendor, ended_at, lead(started_at) OVER (PARTITION BY vendor ORDER BY started_at, id) AS next FROM outages) WHERE next IS NOT NULL AND (ended_at IS NULL OR ended_at > next)",
    ),
    ("an outage ends before it begins", "SELECT id FROM outages WHERE ended_at < started_at"),
    (
        "a delivered firing has a resolved alert but no resolve",
        "SELECT d.id FROM deliveries d JOIN delivery_alerts t ON t.delivery = d.seq JOIN alerts a ON a.id = t.alert
         WHERE d.event = 'alert.firing' AND a.state = 'resolved' AND NOT EXISTS
           (SELECT 1 FROM deliveries r JOIN delivery_alerts rt ON rt.delivery = r.seq WHERE r.event = 'alert.resolved' AND r.receiver = d.receiver AND rt.alert = a.id)",
    ),
    ("a delivery without alerts", "SELECT id FROM deliveries WHERE seq NOT IN (SELECT delivery FROM delivery_alerts)"),
    (
        "packed results leave a hole or overlap",
        "SELECT 'span ' || id FROM (SELECT id, first_seq, lag(last_seq) OVER (ORDER BY first_seq) AS before FROM spans WHERE state IN ('whole', 'expired', 'sketched'))
         WHERE before IS NOT NULL AND first_seq <> before + 1",
    ),
    (
        "a span has other results than its chunks",
        "SELECT 'span ' || s.id FROM spans s WHERE s.state = 'whole' AND s.results <>
           (SELECT coalesce(sum(c.up + c.degraded + c.down + c.unknown), 0) FROM chunks c WHERE c.id >= s.id << 32 AND c.id < (s.id + 1) << 32)",
    ),
    ("a chunk without a span", "SELECT 'chunk ' || id FROM chunks WHERE id >> 32 NOT IN (SELECT id FROM spans)"),
    ("a journal row under unknown terms", "SELECT seq FROM journal WHERE terms_id NOT IN (SELECT id FROM terms)"),
];

/// Everything that is wrong, a line each; empty is sound. Reads the whole file (about 5 s per GiB).
pub fn verify(reader: &Reader) -> Result<Vec<String>, StoreError> {
    let mut findings = lines(&reader.db, "PRAGMA integrity_check")?;
    findings.retain(|line| line != "ok");
    findings.extend(lines(
        &reader.db,
        "SELECT 'foreign key: ' || \"table\" || ' row ' || coalesce(rowid, '?') || ' has no ' || parent FROM pragma_foreign_key_check",
    )?);
    // An older file may lack what they speak of.
    let invariants = if migrate::schema(&reader.db)? == migrate::newest() { INVARIANTS } else { &[] };
    for (what, sql) in invariants {
        findings.extend(lines(&reader.db, sql)?.into_iter().map(|line| format!("{what}: {line}")));
    }
    Ok(findings)
}

/// Whether the pages of the file are sound: what can be asked of a database that is in use, at about 5 s per GiB.
pub fn quick_check(reader: &Reader) -> Result<(), StoreError> {
    match lines(&reader.db, "PRAGMA quick_check(1)")?.into_iter().find(|line| line != "ok") {
        Some(what) => Err(StoreError::Corrupt(what)),
        None => Ok(()),
    }
}

fn lines(db: &Connection, sql: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |r| r.get_ref(0).map(|v| v.as_str().map(str::to_owned).unwrap_or_else(|_| format!("{v:?}"))))?;
    Ok(rows.collect::<rusqlite::Result<Vec<String>>>()?)
}
