//! One writer per database: an advisory lock on a file beside it, held for as long as the process lives.
//!
//! The kernel drops it when the holder dies, however it dies. Network file systems promise too little for that.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock, fstatfs};

use super::StoreError;

/// Who holds the lock, as far as its file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "unknown process" } else { &self.0 })
    }
}

/// The lock itself; released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`, or says who holds it.
    pub fn take(path: &Path, allow_network_fs: bool) -> Result<Lock, StoreError> {
        let beside = lock_path(path);
        let io = |source| StoreError::Io { path: beside.clone(), source };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(&beside).map_err(io)?;
        if let (Some(kind), false) = (network_fs(&file), allow_network_fs) {
            return Err(StoreError::NetworkFs { path: path.to_owned(), kind });
        }
        if !locked(&file) {
            return Err(StoreError::Locked { path: path.to_owned(), holder: holder(&mut file) });
        }
        file.set_len(0).map_err(io)?;
        write!(file, "pid {} on {}", std::process::id(), host_name()).map_err(io)?;
        Ok(Lock { _file: file })
    }

    /// Whether somebody holds the lock of the database at `path`.
    pub fn is_held(path: &Path) -> bool {
        File::open(lock_path(path)).is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    }
}

/// Tried a few times: who asks [`Lock::is_held`] holds it for a moment.
fn locked(file: &File) -> bool {
    const TRIES: u32 = 5;
    const PAUSE: Duration = Duration::from_millis(10);
    (0..TRIES).any(|nth| {
        if nth > 0 {
            std::thread::sleep(PAUSE);
        }
        flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
    })
}

fn lock_path(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", path.display()))
}

fn holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(200).read_to_string(&mut text));
    Holder(if read.is_ok() { text } else { String::new() })
}

/// The name of this machine, for people.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Magic numbers of statfs(2).
fn network_fs(file: &File) -> Option<&'static str> {
    const KINDS: &[(u32, &str)] = &[
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x0102_1997, "9p"),
        (0x00c3_6400, "Ceph"),
        (0x5346_414f, "AFS"),
        (0x0bd0_0bd0, "Lustre"),
        (0x4750_4653, "GPFS"),
    ];
    let magic = fstatfs(file).ok()?.f_type as u32;
    KINDS.iter().find(|(m, _)| *m == magic).map(|(_, kind)| *kind)
}
