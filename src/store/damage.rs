//! A damaged database is moved aside, never overwritten; its name then tells that there is something to restore.

use std::fs::{File, rename};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Lock, Reader, StoreError, backup};
use crate::model::Timestamp;

/// What every SQLite file begins with (https://www.sqlite.org/fileformat.html#the_database_header).
const MAGIC: &[u8] = b"SQLite format 3\0";
const ASIDE: &str = ".corrupt-";

/// A damaged file lies beside the database that was begun after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Damaged {
    /// The latest of them.
    pub file: PathBuf,
    pub new: PathBuf,
    /// The newest backup in the same folder, or in `backups` there, that is sound.
    pub backup: Option<PathBuf>,
}

impl Damaged {
    /// Looks for a sound backup, which reads it through.
    pub fn beside(database: &Path) -> Option<Damaged> {
        let file = Damaged::file_beside(database)?;
        Some(Damaged { backup: newest_backup(database), new: database.to_owned(), file })
    }

    /// The latest damaged file alone.
    pub fn file_beside(database: &Path) -> Option<PathBuf> {
        let begin = format!("{}{ASIDE}", database.file_name()?.to_string_lossy());
        let damaged = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with(&begin) && !name.ends_with("-wal") && !name.ends_with("-shm")
        };
        files(database.parent()?).into_iter().filter(damaged).max()
    }
}

/// Moves the database and its log aside. A file that is no SQLite database at all is somebody else's, and stays.
pub fn set_aside(path: &Path, allow_network_fs: bool, now: Timestamp) -> Result<PathBuf, StoreError> {
    let _lock = Lock::take(path, allow_network_fs)?;
    let mut magic = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut magic));
    read.map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
    if magic != MAGIC {
        return Err(StoreError::Foreign);
    }
    // Colons are awkward in names.
    let aside = PathBuf::from(format!("{}{ASIDE}{}", path.display(), now.to_string().replace(':', "")));
    move_database(path, &aside)?;
    Ok(aside)
}

/// Gives a database another name, with its log: without it the file alone would be an older state.
pub fn move_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    for ending in ["-wal", "-shm", ""] {
        let with = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        let (from, to) = (with(from), with(to));
        if from.exists() {
            rename(&from, &to).map_err(|source| StoreError::Io { path: from, source })?;
        }
    }
    backup::sync_folder(to)
}

/// Backups looked at before it is said that there is none.
const LOOKED_AT: usize = 10;

fn newest_backup(database: &Path) -> Option<PathBuf> {
    let folder = database.parent()?;
    let mut found: Vec<PathBuf> = [folder.to_owned(), folder.join("backups")].iter().flat_map(|folder| files(folder)).collect();
    found.retain(|path| path != database && !path.to_string_lossy().contains(ASIDE) && is_sqlite(path));
    found.sort_by_key(|path| std::cmp::Reverse(path.metadata().and_then(|m| m.modified()).ok()));
    found.into_iter().take(LOOKED_AT).find(|path| Reader::open_of_any_age(path).is_ok_and(|reader| backup::is_sound(&reader).is_ok()))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect()
}

fn is_sqlite(path: &Path) -> bool {
    let mut magic = Vec::new();
    File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut magic)).is_ok() && magic == MAGIC
}
