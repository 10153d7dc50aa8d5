//! Room that is kept free beside the database, and given back when the disk is full: states, alerts and deliveries then
//! still fit.

use std::fs::{File, OpenOptions, remove_file};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

/// Some thousand changes with their alerts.
const BYTES: u64 = 4 << 20;

pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    pub fn beside(database: &Path) -> Ballast {
        Ballast { path: PathBuf::from(format!("{}.ballast", database.display())) }
    }

    /// Makes it unless it is there. Whether it is there now: false says that the disk has no room for it.
    pub fn lay(&self) -> bool {
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() == BYTES) {
            return true;
        }
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(&self.path).and_then(fill);
        if made.is_err() {
            // A part of it would keep room and give none.
            let _ = remove_file(&self.path);
        }
        made.is_ok()
    }

    /// Whether the disk has as much again beside it: else it would be full at once.
    pub fn would_leave_room(&self) -> bool {
        self.available().is_some_and(|bytes| bytes >= 2 * BYTES)
    }

    /// Whether a disk that refuses is full: any other fault is not mended by room.
    pub fn is_needed(&self) -> bool {
        self.available().is_some_and(|bytes| bytes < BYTES / 4)
    }

    fn available(&self) -> Option<u64> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        statvfs(folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Whether there was room to give back.
    pub fn give_back(&self) -> bool {
        remove_file(&self.path).is_ok()
    }
}

/// Blocks and not a hole: those would be no room.
fn fill(mut file: File) -> std::io::Result<()> {
    match fallocate(&file, FallocateFlags::empty(), 0, BYTES) {
        Err(Errno::OPNOTSUPP) => file.write_all(&vec![0; BYTES as usize]),
        allocated => Ok(allocated?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_room_and_gives_it_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&folder.path().join("vendord.db"));
        assert!(!ballast.give_back());
        assert!(ballast.lay() && ballast.lay());
        assert_eq!(std::fs::metadata(folder.path().join("vendord.db.ballast")).unwrap().len(), BYTES);
        assert!(ballast.give_back() && !ballast.give_back());
        assert!(!Ballast::beside(&folder.path().join("nowhere/vendord.db")).lay());
    }
}
