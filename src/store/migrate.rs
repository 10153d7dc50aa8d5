//! Forward-only, numbered migrations. Each runs in one transaction with the row that records it, so that a kill leaves
//! the old schema or the new one. A checksum shows when a released migration was edited.

use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::StoreError;

/// In order; never edit one that was released, add another.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_pages.sql"),
    include_str!("migrations/0003_evidence.sql"),
    include_str!("migrations/0004_page_versions.sql"),
    include_str!("migrations/0005_packing.sql"),
];

/// Marks the file as ours ("vend"), so that another program's database is refused and not migrated.
const APPLICATION_ID: i64 = 0x7665_6e64;

/// The newest schema that this program knows.
pub const fn newest() -> i64 {
    MIGRATIONS.len() as i64
}

/// Brings the file to the newest schema, or says why it cannot be used.
pub fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    check_usable(db)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, checksum TEXT NOT NULL) STRICT")?;
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.commit()?;
    for (sql, number) in MIGRATIONS.iter().zip(1..) {
        apply(db, number, sql)?;
    }
    Ok(())
}

/// Refuses a file that another program or a newer version wrote. Touches nothing.
pub fn check_usable(db: &Connection) -> Result<(), StoreError> {
    let application: i64 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(StoreError::Foreign);
    }
    let found = schema(db)?;
    if found > newest() {
        return Err(StoreError::Newer { found, known: newest() });
    }
    Ok(())
}

/// The number of the last migration that a file has.
pub fn schema(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0))
}

fn apply(db: &mut Connection, number: i64, sql: &str) -> Result<(), StoreError> {
    let checksum = hex(&Sha256::digest(sql.as_bytes()));
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied: Option<String> = tx.query_row("SELECT max(checksum) FROM migrations WHERE number = ?1", [number], |r| r.get(0))?;
    match applied {
        Some(found) if found == checksum => return Ok(()),
        Some(_) => return Err(StoreError::Edited { number }),
        None => {}
    }
    tx.execute_batch(sql)?;
    tx.execute("INSERT INTO migrations (number, checksum) VALUES (?1, ?2)", (number, &checksum))?;
    tx.pragma_update(None, "user_version", number)?;
    Ok(tx.commit()?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
