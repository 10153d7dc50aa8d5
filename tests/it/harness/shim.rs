//! Faults below the daemon: a library that is preloaded into it (`tests/shim/shim.c`) and follows a control file, so
//! that a test can let the disk fail and the clocks step while the daemon runs.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/shim.c");

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// write, pwrite, writev and ftruncate.
    Write,
    /// fsync and fdatasync.
    Sync,
}

/// Where the words of the control file are, as in `struct control` of shim.c.
#[derive(Clone, Copy)]
enum Word {
    WallMs = 0,
    BootMs = 1,
    FirstOfWrite = 2,
    FirstOfSync = 7,
}

const WORDS: u64 = 12;
const NTH: u64 = 0;
const ERROR: u64 = 1;
const STICKY: u64 = 2;
const CALLS: u64 = 3;
const FAILED: u64 = 4;

pub struct Shim {
    library: PathBuf,
    path_part: String,
    control: tempfile::NamedTempFile,
}

impl Shim {
    /// Faults hit files whose path contains `path_part`, such as `vendord.db` for the database with its log.
    /// `None`, and a line that says so, on a machine without a C compiler.
    pub fn new(path_part: &str) -> Option<Shim> {
        let library = match library() {
            Ok(library) => library,
            Err(why) => {
                skip("what needs the shim", &why);
                return None;
            }
        };
        let control = tempfile::NamedTempFile::new().expect("a temporary file");
        control.as_file().set_len(WORDS * 8).expect("our own file");
        Some(Shim { library, path_part: path_part.to_owned(), control })
    }

    /// What a process needs in its environment to be under this shim: see [`super::Daemon::environment`].
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("LD_PRELOAD".to_owned(), text(&self.library)),
            ("SHIM_CONTROL".to_owned(), text(self.control.path())),
            ("SHIM_PATH".to_owned(), self.path_part.clone()),
        ]
    }

    /// The wall clock steps by this much, forward or back, on top of earlier steps.
    pub fn step_wall(&self, ms: i64) {
        self.add(Word::WallMs, ms);
    }

    /// The machine sleeps for this long: wall clock and CLOCK_BOOTTIME run on, CLOCK_MONOTONIC stands still.
    pub fn suspend(&self, ms: i64) {
        self.add(Word::BootMs, ms);
        self.add(Word::WallMs, ms);
    }

    /// The `n`-th call from now on (1 is the next) fails with `error`, and with `sticky` every later one too.
    pub fn fail_nth(&self, call: Call, n: u64, error: rustix::io::Errno, sticky: bool) {
        let first = first_of(call);
        self.put(first + NTH, 0);
        self.put(first + ERROR, i64::from(error.raw_os_error()));
        self.put(first + STICKY, i64::from(sticky));
        self.put(first + CALLS, 0);
        self.put(first + FAILED, 0);
        self.put(first + NTH, n as i64);
    }

    /// The disk is well again. The counts stay.
    pub fn heal(&self) {
        for call in [Call::Write, Call::Sync] {
            self.put(first_of(call) + NTH, 0);
        }
    }

    /// How many calls concerned our files since the last [`Shim::fail_nth`].
    pub fn calls(&self, call: Call) -> u64 {
        self.word(first_of(call) + CALLS) as u64
    }

    /// How many of them failed: 0 means that `n` is beyond the end of the scenario.
    pub fn failed(&self, call: Call) -> u64 {
        self.word(first_of(call) + FAILED) as u64
    }

    fn add(&self, word: Word, by: i64) {
        let at = word as u64;
        self.put(at, self.word(at) + by);
    }

    // The library maps the file as shared memory, which the kernel keeps the same as what is read and written here.
    fn put(&self, at: u64, value: i64) {
        let written = self.control.as_file().write_all_at(&value.to_ne_bytes(), at * 8);
        written.expect("our own file");
    }

    fn word(&self, at: u64) -> i64 {
        let mut bytes = [0; 8];
        self.control.as_file().read_exact_at(&mut bytes, at * 8).expect("our own file");
        i64::from_ne_bytes(bytes)
    }
}

fn first_of(call: Call) -> u64 {
    match call {
        Call::Write => Word::FirstOfWrite as u64,
        Call::Sync => Word::FirstOfSync as u64,
    }
}

/// The compiled library, named for its source, so that it is built once for each version.
fn library() -> Result<PathBuf, String> {
    let source = fs::read(SOURCE).map_err(|e| format!("{SOURCE}: {e}"))?;
    let mut hash = DefaultHasher::new();
    source.hash(&mut hash);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = directory.join(format!("shim-{:016x}.so", hash.finish()));
    if !library.exists() {
        compile(directory, &library)?;
    }
    Ok(library)
}

/// Under a name of its own first: other tests may do the same at this moment.
fn compile(directory: &Path, library: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|e| e.to_string())?;
    let own = tempfile::NamedTempFile::new_in(directory).map_err(|e| e.to_string())?;
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-Wall", "-o"])
        .arg(own.path())
        .arg(SOURCE)
        .output()
        .map_err(|e| format!("cc cannot be run: {e}"))?;
    // A compiler that is there and fails is a mistake in the shim, not a lack of the machine.
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    // The linker may have replaced the file, so it is opened anew.
    File::open(own.path()).map_err(|e| e.to_string())?;
    own.persist(library).map_err(|e| e.to_string())?;
    Ok(())
}
