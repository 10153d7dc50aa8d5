//! The store at scale: `cargo bench --bench store_at_scale [CHECKS [HOURS [INTERVAL_SECONDS [DIRECTORY [unpacked]]]]]`.
//!
//! Writes the results of a fleet of HTTPS checks as the recorder does, in batches of a second (at most 2,000), packs them
//! as they are finished, and prints what each result cost: bytes passed to the system, bytes in the file, and time of the
//! writer. With a DIRECTORY the database stays there as `vendord.db`, with vendors `v0`, `v1` ... of 100 checks each, as a kill would leave it; `unpacked` leaves everything in the journal.

#![allow(clippy::disallowed_methods, reason = "what is measured is real time")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vendord::health::{CheckState, Run, fold};
use vendord::model::{KofN, Observation, Outcome, Phases, Reason, SeverityCap, Terms, Timestamp, VendorId};
use vendord::store::packing::{self, Step};
use vendord::store::{Batch, CheckKey, JournalRow, Reader, Registered, RegisteredCheck, Registration, StoreError, Writer, size_bytes};

const BATCH_ROWS_MAX: usize = 2_000;
const CHECKS_PER_VENDOR: usize = 100;
const HOUR_MS: i64 = 3_600_000;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |nth: usize, default: i64| given.get(nth).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (checks, hours, interval) = (number(0, 500) as usize, number(1, 30), number(2, 60));
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let folder = given.get(3).map_or(scratch.path().to_owned(), PathBuf::from);
    let mut fleet = Fleet::new(&folder.join("vendord.db"), checks, Duration::from_secs(interval as u64));
    fleet.lives(hours, given.get(4).is_none_or(|word| word != "unpacked"));
    fleet.report(hours);
    // No clean end: its checkpoint would hide what a kill leaves.
    std::mem::forget(fleet);
}

/// The same numbers in each run (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About log-normal around `median`.
    fn around(&mut self, median: f64, sigma: f64) -> u32 {
        let normal: f64 = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        (median * (sigma * normal).exp()) as u32
    }
}

struct Fleet {
    writer: Writer,
    registered: Vec<Registered>,
    states: Vec<CheckState>,
    terms: Terms,
    noise: Noise,
    seq: i64,
    /// Up to when every state is stored, as the recorder does it.
    stored: i64,
    /// Time of the writer, in commits and in steps of packing.
    committing: Duration,
    packing: Duration,
    longest_step: Duration,
    steps: u64,
}

impl Fleet {
    fn new(path: &Path, checks: usize, interval: Duration) -> Fleet {
        let terms = Terms {
            interval,
            timeout: interval / 2,
            retry_interval: interval / 2,
            down_after: KofN::in_a_row(3),
            up_after: KofN::in_a_row(2),
            severity: SeverityCap::Down,
            enabled: true,
        };
        let mut writer = Writer::open(path, true, "boot".to_owned()).expect("a new database");
        let vendors: Vec<Registration> = (0..checks.div_ceil(CHECKS_PER_VENDOR))
            .map(|v| Registration {
                vendor: VendorId::new(format!("v{v}")),
                name: format!("V{v}"),
                tier: 3,
                category: String::new(),
                checks: (0..CHECKS_PER_VENDOR.min(checks - v * CHECKS_PER_VENDOR))
                    .map(|c| RegisteredCheck { name: format!("c{c}"), kind: "http", terms: terms.clone(), renamed_from: None })
                    .collect(),
                sources: Vec::new(),
            })
            .collect();
        let registered = writer.register(&vendors, "default", Timestamp::from_millis(0)).expect("registered");
        Fleet {
            states: vec![CheckState::default(); registered.len()],
            noise: Noise(7),
            seq: 0,
            stored: 0,
            committing: Duration::ZERO,
            packing: Duration::ZERO,
            longest_step: Duration::ZERO,
            steps: 0,
            writer,
            registered,
            terms,
        }
    }

    /// Each second the checks whose turn it is; each hour it is packed. The last hour stays in the journal.
    fn lives(&mut self, hours: i64, packs: bool) {
        let interval = self.terms.interval.as_secs() as i64;
        let checks = self.registered.len() as i64;
        let begin = 1_767_225_600;
        for second in begin..begin + hours * 3_600 {
            let phase = (second - begin) % interval;
            let due = (0..checks).filter(|check| check * interval / checks == phase);
            self.second(second, &due.collect::<Vec<_>>());
            if second % 1_800 == 0 || self.seq - self.stored >= 300_000 {
                self.store_states();
            }
            if packs && (second * 1000) % HOUR_MS == 900_000 {
                self.pack(Timestamp::from_millis(second * 1000));
            }
        }
    }

    fn second(&mut self, second: i64, due: &[i64]) {
        for some in due.chunks(BATCH_ROWS_MAX) {
            let mut batch = Batch::default();
            for check in some {
                self.run(&mut batch, *check as usize, second * 1000);
            }
            let began = Instant::now();
            self.writer.commit(&batch).expect("committed");
            self.writer.checkpoint_if_due().expect("copied");
            self.committing += began.elapsed();
        }
    }

    fn run(&mut self, batch: &mut Batch, check: usize, second_ms: i64) {
        let noise = &mut self.noise;
        let at = Timestamp::from_millis(second_ms + (check as i64 * 37) % 900 + (noise.next() * 6.0) as i64);
        let fails = noise.next() < 0.001;
        let phases = Phases {
            resolve: Some(noise.around(4_000.0, 0.3)),
            connect: Some(noise.around(12_000.0, 0.05)),
            tls: Some(noise.around(25_000.0, 0.05)),
            processing: Some(noise.around(40_000.0, 0.25)),
            transfer: Some(noise.around(150.0, 0.3)),
        };
        let micros: u64 = phases.values().iter().flatten().map(|us| u64::from(*us)).sum::<u64>() + u64::from(noise.around(60.0, 0.3));
        let reason = if fails { Reason::HttpStatus } else { Reason::Ok };
        let mut observation = Observation::failed(reason, Duration::from_micros(micros), "");
        observation.outcome = if fails { Outcome::Down } else { Outcome::Up };
        (observation.phases, observation.detail.http_status) = (phases, Some(if fails { 503 } else { 200 }));
        let run = Run {
            at,
            boot: Duration::from_millis(at.as_millis() as u64),
            outcome: observation.outcome,
            reason,
            duration: observation.duration,
        };
        let Registered { key, terms_id, .. } = self.registered[check];
        let folded = fold(&mut self.states[check], &self.terms, &run, &[]);
        self.seq += 1;
        batch.observations.push(JournalRow { seq: self.seq, terms_id, at, observation });
        if folded.is_urgent() {
            batch.states.push((key, self.seq, self.states[check].clone()));
            batch.segments.extend(folded.segments.iter().map(|write| (key, *write)));
        }
    }

    fn store_states(&mut self) {
        let seq = self.seq;
        self.stored = seq;
        let states: Vec<(CheckKey, i64, CheckState)> =
            self.registered.iter().zip(&self.states).map(|(check, state)| (check.key, seq, state.clone())).collect();
        self.writer.commit(&Batch { states, ..Batch::default() }).expect("committed");
    }

    fn pack(&mut self, now: Timestamp) {
        let path = self.writer.path().to_owned();
        let (writer, packing, longest, steps) = (&mut self.writer, &mut self.packing, &mut self.longest_step, &mut self.steps);
        let mut apply = |step: Step| -> Result<usize, StoreError> {
            let began = Instant::now();
            let changed = writer.pack(&step)?;
            let took = began.elapsed();
            writer.checkpoint_if_due()?;
            *packing += began.elapsed();
            *longest = (*longest).max(took);
            *steps += 1;
            Ok(changed)
        };
        packing::pack(&|| Reader::open(&path), now, &mut apply).expect("packed");
    }

    fn report(&self, hours: i64) {
        let results = self.seq as f64;
        let reader = self.writer.reader().expect("readable");
        let size = reader.size().expect("measured");
        let packed = size.packed_results as f64;
        let written = written_bytes().map_or("unknown".to_owned(), |bytes| format!("{:.0}", bytes as f64 / results));
        println!("{} checks, {hours} hours, {} results, {} packed", self.registered.len(), self.seq, size.packed_results);
        println!("bytes written per result   {written}");
        for (tier, bytes) in &size.tiers {
            println!("{:<11}{:>13} bytes {:>8.2} per packed result", tier.as_str(), bytes, *bytes as f64 / packed);
        }
        println!("file       {:>13} bytes", size_bytes(self.writer.path()));
        println!("commit     {:>8.2} us per result", self.committing.as_secs_f64() * 1e6 / results);
        println!(
            "packing    {:>8.2} us per result in {} steps, the longest {:?}",
            self.packing.as_secs_f64() * 1e6 / packed,
            self.steps,
            self.longest_step
        );
        let began = Instant::now();
        let key = self.registered[0].key;
        let found = reader.samples(key, Timestamp::from_millis(0), Timestamp::from_millis(i64::MAX)).expect("read");
        println!("samples    {} of one check in {:?}", found.len(), began.elapsed());
    }
}

/// What this process handed to the system to write, on Linux.
fn written_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok())
}
