//! What runs for every result or every scrape: `cargo bench`. Figures are per item where a counter is given.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use vendord::declared::archive::{Ledger, Reading};
use vendord::feeds::{self, Document};
use vendord::health::{CheckState, Run, fold};
use vendord::model::page::Incident;
use vendord::model::{KofN, Observation, Outcome, Phases, Reason, SegmentReason, SeverityCap, Terms, Timestamp, Uuid, VendorId};
use vendord::schedule::{Cadence, Now, Schedule};
use vendord::store::{Batch, JournalRow, RegisteredCheck, Registration, Sample, Writer, packing};
use vendord::web::board::{CheckFigures, Figures, VendorCounters, VendorFigures};
use vendord::web::metrics::{Style, render};

fn main() {
    divan::main();
}

fn terms() -> Terms {
    Terms {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        retry_interval: Duration::from_secs(5),
        down_after: KofN::in_a_row(3),
        up_after: KofN::in_a_row(2),
        severity: SeverityCap::Down,
        enabled: true,
    }
}

fn run(n: i64, outcome: Outcome) -> Run {
    let reason = if outcome == Outcome::Up { Reason::Ok } else { Reason::HttpStatus };
    Run {
        at: Timestamp::from_millis(n * 10_000),
        boot: Duration::from_secs(n as u64 * 10),
        outcome,
        reason,
        duration: Duration::from_millis(50),
    }
}

/// A day of runs, `one_in` of which fails.
#[divan::bench(args = [1_000_000, 3])]
fn fold_a_day(bencher: Bencher, one_in: i64) {
    const RUNS: i64 = 8_640;
    let terms = terms();
    bencher.counter(ItemsCount::new(RUNS as usize)).bench(|| {
        let mut state = CheckState::default();
        for n in 1..=RUNS {
            let outcome = if n % one_in == 0 { Outcome::Down } else { Outcome::Up };
            black_box(fold(&mut state, &terms, &run(n, outcome), &[]));
        }
        state
    });
}

#[divan::bench]
fn schedule_10_000_checks_for_10_seconds(bencher: Bencher) {
    let cadence = Cadence { interval: Duration::from_secs(10), retry_interval: Duration::from_secs(5) };
    bencher
        .counter(ItemsCount::new(10_000usize))
        .with_inputs(|| {
            let mut schedule = Schedule::default();
            let now = Now { wall: Timestamp::from_millis(0), mono: Duration::ZERO };
            (0..10_000u32).for_each(|n| schedule.put(n, &format!("v/c{n}"), cadence, None, now));
            schedule
        })
        .bench_local_refs(|schedule| {
            while let Some(due) = schedule.take_due(Duration::from_secs(10)) {
                schedule.finished(due.key, false, Duration::from_secs(10));
            }
        });
}

/// One commit of plain results, fsync included.
#[divan::bench(args = [1, 100, 1_000])]
fn commit(bencher: Bencher, rows: usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = Writer::open(&folder.path().join("vendord.db"), true, String::new()).expect("a new database");
    let check = RegisteredCheck { name: "c".into(), kind: "http", terms: terms(), renamed_from: None };
    let vendor = Registration {
        vendor: VendorId::new("v"),
        name: "V".into(),
        tier: 1,
        category: String::new(),
        checks: vec![check],
        sources: vec![],
    };
    let terms_id = writer.register(&[vendor], "here", Timestamp::from_millis(0)).expect("registered")[0].terms_id;
    let mut seq = 0;
    bencher.counter(ItemsCount::new(rows)).bench_local(|| {
        let row = |seq| JournalRow {
            seq,
            terms_id,
            at: Timestamp::from_millis(seq),
            observation: Observation::failed(Reason::HttpStatus, Duration::from_millis(5), ""),
        };
        let observations = (1..=rows as i64).map(|n| row(seq + n)).collect();
        seq += rows as i64;
        writer.commit(&Batch { observations, ..Batch::default() }).expect("committed");
    });
}

/// A day of a check that is looked at every minute.
fn day_of_samples(day: i64) -> Vec<Sample> {
    let noise = |nth: i64, by: i64| nth * 7919 % by;
    let sample = |nth: i64| Sample {
        at: Timestamp::from_millis(day * 86_400_000 + nth * 60_000 + noise(nth, 6)),
        outcome: if nth % 700 == 0 { Outcome::Down } else { Outcome::Up },
        reason: if nth % 700 == 0 { Reason::HttpStatus } else { Reason::Ok },
        duration: Duration::from_micros((80_000 + noise(nth, 20_000)) as u64),
        phases: Phases {
            resolve: Some((4_000 + noise(nth, 2_000)) as u32),
            connect: Some((12_000 + noise(nth, 1_000)) as u32),
            tls: Some((24_000 + noise(nth, 2_000)) as u32),
            processing: Some((39_000 + noise(nth, 14_000)) as u32),
            transfer: Some((150 + noise(nth, 90)) as u32),
        },
        http_status: Some(200),
    };
    (0..1440).map(sample).collect()
}

#[divan::bench]
fn pack_a_day(bencher: Bencher) {
    let samples = day_of_samples(20_000);
    bencher.counter(ItemsCount::new(samples.len())).bench(|| packing::pack_samples(black_box(&samples)));
}

/// 525,600 results, a day at a time.
#[divan::bench]
fn unpack_a_year(bencher: Bencher) {
    let chunks: Vec<Vec<u8>> = (20_000..20_365).map(|day| packing::pack_samples(&day_of_samples(day))).collect();
    bencher.counter(ItemsCount::new(365 * 1440usize)).bench_local(|| {
        let (mut unpacker, mut samples, mut up) = (packing::Unpacker::default(), Vec::new(), 0);
        for chunk in &chunks {
            samples.clear();
            unpacker.unpack(black_box(chunk), &mut samples).expect("just packed");
            up += samples.iter().filter(|sample| sample.outcome == Outcome::Up).count();
        }
        up
    });
}

#[divan::bench]
fn render_metrics_of_10_000_checks(bencher: Bencher) {
    let mut state = CheckState::default();
    fold(&mut state, &terms(), &run(1, Outcome::Up), &[]);
    let check = |n: usize| CheckFigures {
        name: Arc::from(format!("c{n}")),
        kind: "http",
        suspect: false,
        late_reason: SegmentReason::NoObservation,
        message: Arc::from("200 OK"),
        labels: Arc::from(format!("vendor=\"bench\",check=\"c{n}\"")),
        labels_kind: Arc::from(format!("vendor=\"bench\",check=\"c{n}\",kind=\"http\"")),
        interval: Duration::from_secs(10),
        is_paused: false,
        severity: Some(SeverityCap::Down),
        is_http: true,
        state: state.standing(),
        phases: Observation::failed(Reason::Ok, Duration::ZERO, "").phases,
        http_status: 200,
        reused: None,
        not_after: None,
        runs: 1,
        failures: 0,
        by_reason: Vec::new(),
    };
    let vendor = VendorFigures {
        labels: "vendor=\"bench\"".into(),
        info: "vendor_name=\"Bench\",category=\"\",tier=\"1\"".into(),
        pages: Vec::new(),
        checks: (0..10_000).map(|n| Arc::new(check(n))).collect(),
        counters: VendorCounters::default(),
        outage: None,
        id: VendorId::new("bench"),
    };
    let figures = Figures { vendors: vec![vendor], ..Figures::default() };
    let style = Style { full: true, open_metrics: false };
    bencher.bench(|| render(black_box(figures.clone()), style, Timestamp::from_millis(15_000)).map(|piece| piece.len()).sum::<usize>());
}

const PAGES: &[(&str, &str)] = &[
    ("statuspage", include_str!("../tests/fixtures/feeds/statuspage/summary-groups.json")),
    ("incidentio", include_str!("../tests/fixtures/feeds/rss/incidentio.atom")),
    ("rss", include_str!("../tests/fixtures/feeds/rss/statuspage-planned.atom")),
];

/// From bytes to a settled page, with the format known as in the daemon.
#[divan::bench(args = PAGES.iter().map(|(name, _)| *name))]
fn read_a_page(bencher: Bencher, name: &str) {
    let (_, body) = PAGES.iter().find(|(known, _)| *known == name).expect("a name of the list");
    let found = feeds::detect(&Document::new(None, None, body.as_bytes())).expect("a fixture is of a known format").0;
    let bytes = BytesCount::new(body.len());
    bencher.counter(bytes).bench(|| feeds::read(&Document::new(None, None, black_box(body.as_bytes())), Some(found)));
}

/// A history of 50 incidents that says what it said before.
#[divan::bench]
fn compare_a_history_that_did_not_change(bencher: Bencher) {
    let body = include_bytes!("../tests/fixtures/feeds/statuspage/incidents.json");
    let mut page = feeds::read(&Document::new(None, None, body), None).expect("a fixture can be read");
    let first = page.incidents[0].clone();
    page.incidents = (0..50).map(|n| Incident { id: format!("i{n}"), ..first.clone() }).collect();
    let reading = Reading { at: Timestamp::from_millis(0), live: &page, history: &[], first_sight: true, moved_at: None };
    let mut ledger = Ledger::default();
    ledger.read(&reading, |_, _| None, Uuid::now_v7);
    bencher.bench_local(|| assert!(ledger.read(&reading, |_, _| None, Uuid::now_v7).is_empty()));
}
