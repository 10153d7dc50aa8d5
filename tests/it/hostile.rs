//! Documents that are meant to do harm, or are so broken that they could: what comes out of them is clean, and what they
//! cost is bounded. What is tried here for seconds, the fuzzer (`fuzz/`) tries for as long as one likes.

mod exits;
mod holds;
mod limits;
mod meter;
mod mutate;
mod targets;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vendord::feeds::{self, Document};

use self::meter::measure;
use self::mutate::Random;
use crate::harness::skip;

pub use self::holds::page as holds;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

/// T11: the most that one document may cost to read. A debug build needs twenty times the time.
const CPU_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 2_000 } else { 100 });
const BYTES_MAX: usize = 64 << 20;

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<PathBuf> = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds")
}

fn cheap(files: &[PathBuf]) {
    assert!(!files.is_empty());
    for file in files {
        let body = std::fs::read(file).expect("a document");
        let (_, cost) = measure(|| feeds::read(&Document::new(None, None, &body), None));
        assert!(cost.cpu < CPU_MAX && cost.bytes < BYTES_MAX, "{}: {cost:?}", file.display());
    }
}

#[test]
fn every_fixture_is_cheap_to_read() {
    cheap(&files(&fixtures()));
}

#[test]
fn every_captured_page_is_cheap_to_read() {
    match std::env::var_os("VENDORD_CORPUS") {
        Some(corpus) => cheap(&files(&Path::new(&corpus).join("feeds"))),
        None => skip("the cost of captured status pages", "VENDORD_CORPUS names no folder with feeds/"),
    }
}

/// T10: seeds of a target, and what a target without documents of its own begins with.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = match target {
        "xml" => fixtures().join("rss"),
        "json" => fixtures().join("statuspage"),
        "config" => Path::new(env!("CARGO_MANIFEST_DIR")).join("config"),
        "dns" | "rdap" => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(target),
        format if feeds::format(format).is_some() => fixtures().join(format),
        _ => fixtures(),
    };
    let mut seeds: Vec<Vec<u8>> = files(&folder).iter().map(|file| std::fs::read(file).expect("a seed")).collect();
    if target == "retry_after" {
        seeds = ["120", "-1.5", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
            .map(|seed| seed.as_bytes().to_vec())
            .into();
    }
    seeds
}

/// The same inputs at every run, as many as a second allows.
#[test]
fn nothing_breaks_for_a_second() {
    const LENGTH_MAX: usize = 64 << 10;
    std::thread::scope(|scope| {
        for target in targets::names() {
            scope.spawn(move || {
                let seeds = seeds(target);
                assert!(!seeds.is_empty(), "{target} has no seed");
                seeds.iter().for_each(|seed| targets::run(target, seed));
                let mut random = Random(11);
                let began = Instant::now();
                let mut inputs = 0;
                while began.elapsed() < Duration::from_secs(2) {
                    let [seed, other] = [(); 2].map(|()| &seeds[random.below(seeds.len())]);
                    let input = mutate::mutate(seed, other, &mut random, LENGTH_MAX);
                    let failed = std::panic::catch_unwind(|| targets::run(target, &input)).is_err();
                    assert!(!failed, "{target}: {}", saved(target, &input).display());
                    inputs += 1;
                }
                println!("{target}: {inputs} inputs, worst {:?}", targets::worst());
            });
        }
    });
}

/// Where the input is kept that broke a target, so that it can be looked at.
fn saved(target: &str, input: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("broke-{target}"));
    std::fs::write(&path, input).expect("a folder of cargo's");
    path
}

/// The fuzzer has every target, and no other.
#[test]
fn the_fuzzer_has_a_target_for_every_reader() {
    let bins = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/src/bin");
    let mut want: Vec<PathBuf> = targets::names().map(|name| bins.join(format!("{name}.rs"))).collect();
    want.sort();
    assert_eq!(files(&bins), want);
}
