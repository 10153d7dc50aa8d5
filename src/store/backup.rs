//! A copy of the database that counts once it is whole and sound, and the way back from one.

use std::fs::{File, remove_file, rename};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::damage::move_database;
use super::{Lock, Reader, StoreError, verify};
use crate::model::Timestamp;

/// Pages copied at a time: 4 MiB, between which others may write.
const PAGES_AT_ONCE: std::ffi::c_int = 1024;

/// What a restore did.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// Where the database is that was there before, if there was one.
    pub before: Option<PathBuf>,
}

/// Writes a consistent copy of the database to `to`, also while a daemon writes, and verifies it. Under a temporary name
/// until it is whole and on the disk, so that a kill leaves no half of a backup; nothing is overwritten.
/// Returns the bytes of the copy.
pub fn backup(database: &Path, to: &Path) -> Result<u64, StoreError> {
    let io = |source| StoreError::Io { path: to.to_owned(), source };
    if to.exists() {
        return Err(io(std::io::ErrorKind::AlreadyExists.into()));
    }
    let unfinished = Unfinished::beside(to)?;
    copy(&Reader::open_of_any_age(database)?, &unfinished.0)?;
    let bytes = File::open(&unfinished.0).and_then(|file| file.sync_all().and_then(|()| file.metadata())).map_err(io)?.len();
    // Not `rename`, which would replace a file that came meanwhile.
    std::fs::hard_link(&unfinished.0, to).map_err(io)?;
    drop(unfinished);
    sync_folder(to)?;
    Ok(bytes)
}

/// Makes `from` the database. It is verified first; what is there now is moved aside under a name with the time.
pub fn restore(from: &Path, database: &Path, allow_network_fs: bool, now: Timestamp) -> Result<Restored, StoreError> {
    let _lock = Lock::take(database, allow_network_fs)?;
    let reader = Reader::open_of_any_age(from)?;
    is_sound(&reader)?;
    let unfinished = Unfinished::beside(database)?;
    // By SQLite and not by the file system: the source may have a log.
    copy(&reader, &unfinished.0)?;
    let io = |source| StoreError::Io { path: database.to_owned(), source };
    File::open(&unfinished.0).and_then(|file| file.sync_all()).map_err(io)?;
    let aside = PathBuf::from(format!("{}.before-{}", database.display(), now.to_string().replace(':', "")));
    let before = database.exists().then_some(aside);
    if let Some(aside) = &before {
        move_database(database, aside)?;
    }
    rename(&unfinished.0, database).map_err(io)?;
    sync_folder(database)?;
    Ok(Restored { before })
}

/// SQLite's own check of every page, index and constraint, and our invariants.
pub fn is_sound(reader: &Reader) -> Result<(), StoreError> {
    match verify(reader)?.into_iter().next() {
        Some(what) => Err(StoreError::Corrupt(what)),
        None => Ok(()),
    }
}

/// One file that needs no log, and is sound.
fn copy(reader: &Reader, to: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open(to)?;
    reader.hold_still()?;
    rusqlite::backup::Backup::new(&reader.db, &mut copy)?.run_to_completion(PAGES_AT_ONCE, Duration::ZERO, None)?;
    copy.pragma_update(None, "journal_mode", "DELETE")?;
    let copy = Reader { db: copy };
    is_sound(&copy)?;
    copy.db.close().map_err(|(_, error)| error.into())
}

/// A file that is removed unless it gets its name.
struct Unfinished(PathBuf);

impl Unfinished {
    /// In the same folder, with the mode of a database.
    fn beside(target: &Path) -> Result<Unfinished, StoreError> {
        let path = PathBuf::from(format!("{}.unfinished-{}", target.display(), std::process::id()));
        super::write::create(&path)?;
        Ok(Unfinished(path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for ending in ["", "-journal", "-wal", "-shm"] {
            // Gone already if it was renamed, and after an end without error the others are too.
            let _ = remove_file(format!("{}{ending}", self.0.display()));
        }
    }
}

/// A new name is on the disk once its folder is.
pub fn sync_folder(of: &Path) -> Result<(), StoreError> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| StoreError::Io { path: folder.to_owned(), source })
}
