//! The fuzzer: one target for each reader, by name. What a target does, and what it may cost, stands with the tests that run
//! the same for a few seconds (`tests/it/hostile`).

#[path = "../../tests/it/hostile/holds.rs"]
pub mod holds;
#[path = "../../tests/it/hostile/meter.rs"]
pub mod meter;
#[path = "../../tests/it/hostile/mutate.rs"]
pub mod mutate;
#[path = "../../tests/it/hostile/targets.rs"]
pub mod targets;

use std::sync::atomic::{AtomicU64, Ordering};

use mutate::Random;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

static INPUTS: AtomicU64 = AtomicU64::new(0);

/// A target, in a file that has the name of a reader: `vendord_fuzz::target!();`
#[macro_export]
macro_rules! target {
    () => {
        libfuzzer_sys::fuzz_target!(init: $crate::start(), |data: &[u8]| $crate::one(env!("CARGO_BIN_NAME"), data));
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, size_max: usize, seed: u32| { $crate::mutated(data, size, size_max, seed) });
    };
}

pub fn start() {
    unsafe extern "C" {
        fn atexit(callback: extern "C" fn()) -> i32;
    }
    // SAFETY: the function lives as long as the process and does not unwind.
    unsafe { atexit(report) };
}

extern "C" fn report() {
    let worst = targets::worst();
    let inputs = INPUTS.load(Ordering::Relaxed);
    eprintln!("{inputs} inputs; the slowest took {:?} of the processor, the largest {} KiB of memory", worst.cpu, worst.bytes >> 10);
}

pub fn one(target: &str, data: &[u8]) {
    INPUTS.fetch_add(1, Ordering::Relaxed);
    targets::run(target, data);
}

/// Every third time by what the document is made of, else as libFuzzer thinks.
pub fn mutated(data: &mut [u8], size: usize, size_max: usize, seed: u32) -> usize {
    if !seed.is_multiple_of(3) {
        return libfuzzer_sys::fuzzer_mutate(data, size, size_max);
    }
    let other = data[..size].to_vec();
    let made = mutate::mutate(&other, &other, &mut Random(seed.into()), size_max);
    data[..made.len()].copy_from_slice(&made);
    made.len()
}
