//! What the integration tests share: [`Daemon`] runs the real binary, [`FakeVendor`], [`FakePage`] and [`Receiver`] are the
//! ends that it talks to, [`Shim`] lets its disk fail and its clocks step, [`Browser`] looks at its pages.
//!
//! Everything stays on the loopback address and in temporary directories, and ends with the value that owns it. Nothing
//! here sleeps in order to wait: [`wait_for`] looks for a fact until a deadline.
#![allow(dead_code, unused_imports, reason = "each test uses a part")]

mod browser;
mod daemon;
mod http;
mod page;
mod prometheus;
mod receiver;
mod reply;
mod shim;
mod vendor;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use browser::Browser;
pub use daemon::{Daemon, Metrics, Printed};
pub use http::{Page, get, get_with, post};
pub use page::{ARCHIVE, Declared, Engine, FEED, FakePage, INCIDENTS, MAINTENANCES, SUMMARY, Shown, Work};
pub use prometheus::Prometheus;
pub use receiver::{Receiver, Try};
pub use reply::{Mode, Reply};
pub use shim::{Call, Shim};
pub use vendor::{FakeVendor, Served};

/// How often a fact is looked for: short against what is waited for, long against the cost of a look.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The first `Some` of `look`, or a panic that names `what` once `within` is over.
#[track_caller]
pub fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A port below the ephemeral range: while its server is down no outgoing connection can take it, nor connect to itself on
/// it. No other call of this process gets it.
///
/// Asked by connecting, not by binding: a child that another test starts just then would inherit the listening socket
/// until it executes, and whoever the port is for would find it taken.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = uuid::Uuid::now_v7().as_u128();
    let port = (0..1000u128)
        .map(|i| 20_000 + ((seed ^ (seed >> 64)).wrapping_add(i * 7919) % 12_000) as u16)
        .find(|port| !given.contains(port) && TcpStream::connect(("127.0.0.1", *port)).is_err())
        .expect("one of a thousand ports is free");
    given.insert(port);
    port
}

/// Says on the terminal that `what` was not tested, past the capture of test output; with `TESTS_MUST_NOT_SKIP` set, it fails.
pub fn skip(what: &str, why: &str) {
    let line = format!("SKIPPED {what}: {why}\n");
    assert!(std::env::var_os("TESTS_MUST_NOT_SKIP").is_none(), "{line}");
    // Nobody is there to be told when standard error is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
