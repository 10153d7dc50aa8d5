//! The only place that reads clocks. Everywhere else time is an argument.
#![allow(clippy::disallowed_methods, reason = "this is the place")]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

/// The wall clock, which may step.
pub fn now() -> Timestamp {
    reading().wall
}

/// The monotonic clock, which stands still while the machine sleeps.
pub fn instant() -> Instant {
    Instant::now()
}

/// All three clocks, read together: where they disagree about how much time passed, the wall clock stepped or the machine slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    pub wall: Timestamp,
    /// CLOCK_BOOTTIME: runs on while the machine sleeps.
    pub boot: Duration,
    /// CLOCK_MONOTONIC.
    pub mono: Duration,
}

pub fn reading() -> Reading {
    let read = |clock| {
        let t = clock_gettime(clock);
        (t.tv_sec, t.tv_nsec)
    };
    let duration = |(s, n): (i64, i64)| Duration::new(s.max(0) as u64, n as u32);
    let (s, n) = read(ClockId::Realtime);
    Reading {
        wall: Timestamp::from_millis(s.saturating_mul(1000).saturating_add(n / 1_000_000)),
        boot: duration(read(ClockId::Boottime)),
        mono: duration(read(ClockId::Monotonic)),
    }
}

/// Which boot of the machine this is: CLOCK_BOOTTIME of another one says nothing now. Empty where the kernel does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}
