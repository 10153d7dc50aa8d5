//! History on disk: SQLite behind one writer, in domain words.
//!
//! * One [`Writer`] per database, proven by a lock beside the file. Whoever reads opens a read-only [`Reader`].
//! * A [`Batch`] is committed whole or not at all. When the answer of a commit was lost, the very same batch is offered
//!   again and applied at most once (`meta.last_batch`).
//! * `WAL`, `synchronous=FULL`: what was committed survives a power loss. Checkpoints are ours and their result is looked at.
//! * After any error of the disk the connection is opened anew: what the page cache believed is not trusted.
//!
//! It decides nothing. The one thing of the core it uses is the fold, to bring a stored state up to the last stored run.

mod backup;
mod ballast;
mod batch;
mod brought;
mod damage;
mod evidence;
mod lock;
mod migrate;
pub mod packing;
mod pages;
mod past;
mod read;
mod recent;
mod samples;
mod size;
mod timeline;
mod verify;
mod write;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use backup::{Restored, backup, restore};
pub use ballast::Ballast;
pub use batch::{Batch, Heartbeat, JournalRow, RegisteredCheck, Registration, StoredEvent};
pub use brought::{Brought, Stretch};
pub use damage::{Damaged, set_aside};
pub use evidence::{EvidenceWrite, HopThen, SeenThen, StoredEvidence};
pub use lock::{Holder, Lock, host_name};
pub use pages::{ComponentVersion, Declarations, IMPORTED, StoredChange, StoredIncident, StoredSource, StoredVersion};
pub use past::{Judged, Past};
pub use read::{AlertRow, DeliveryRow, Layer, Loaded, Reader, StoredCheck, StoredVendor, Suspension};
pub use recent::RecentIncident;
pub use samples::{Latency, Sample};
pub use size::{Older, Size, Tier};
pub use timeline::chain;
pub use verify::{quick_check, verify};
pub use write::{Registered, Writer};

/// How long SQLite itself waits for a lock before a batch is kept and tried again.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What can be wrong with a database, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("{path} is in use by another vendord: {holder}; stop it, or give this one another [store] url")]
    Locked { path: PathBuf, holder: Holder },
    #[error(
        "{path} is on a network file system ({kind}), where locks and syncs cannot be trusted; move it, or set [store] allow_network_fs = true"
    )]
    NetworkFs { path: PathBuf, kind: &'static str },
    #[error(
        "the database has schema {found} and this vendord knows up to {known}: it was written by a newer version; install that version"
    )]
    Newer { found: i64, known: i64 },
    #[error("migration {number} of the database differs from the one in this program; it was written by an unreleased version")]
    Edited { number: i64 },
    #[error("the file is a database of another program; give [store] url another path")]
    Foreign,
    #[error("the database has schema {found} and this vendord reads {known}; `vendord run` brings it up to date")]
    Older { found: i64, known: i64 },
    #[error("there is no database at {0}; `vendord run` makes it")]
    Missing(PathBuf),
    #[error("cannot use {path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the database is damaged: {0}; keep the file and restore the newest backup")]
    Corrupt(String),
    #[error("the database is busy: another program holds it; trying again")]
    Busy,
    #[error("the disk refuses: {0}")]
    Disk(String),
    #[error("database: {0}")]
    Sqlite(rusqlite::Error),
}

impl StoreError {
    /// Whether the same batch may succeed later: the database is busy, the disk is full or fails.
    pub fn is_passing(&self) -> bool {
        matches!(self, StoreError::Busy | StoreError::Disk(_))
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => StoreError::Busy,
            // An injected ENOSPC surfaced as either; both mean that the disk did not take it.
            Some(Code::DiskFull | Code::SystemIoFailure | Code::CannotOpen) => StoreError::Disk(error.to_string()),
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => StoreError::Corrupt(error.to_string()),
            _ => StoreError::Sqlite(error),
        }
    }
}

/// Which check at which location (a row of `timelines`): how the store and the memory of the daemon name a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckKey(pub i64);

impl fmt::Display for CheckKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Bytes on disk, the write-ahead log included.
pub fn size_bytes(path: &Path) -> u64 {
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    [path, &wal].iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
}

#[cfg(test)]
mod tests;
