//! What a piece of work costs: the processor time of its thread, and how far the memory that it holds grew. Other threads
//! and other processes count for nothing, so that a busy machine changes no verdict.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The system's allocator, which counts for each thread.
pub struct Meter;

thread_local! {
    // Neither needs to be made nor to be dropped: the allocator may look at them at any time.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    let live = LIVE.get() + bytes;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size as isize - layout.size() as isize);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub cpu: Duration,
    /// The most that was held at once, beyond what was held before.
    pub bytes: usize,
}

pub fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = LIVE.get();
    PEAK.set(before);
    let began = cpu();
    let done = work();
    let cpu = cpu().saturating_sub(began);
    (done, Cost { cpu, bytes: usize::try_from(PEAK.get() - before).unwrap_or(0) })
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
