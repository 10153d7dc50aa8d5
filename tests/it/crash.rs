//! F01 and F02: killed at any moment, nothing that was shown or promised is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use vendord::store::Batch;

use crate::evidence::{Author, assert_sound, database, list, myself, number, reopened, role, runs_stored, timeline};
use crate::harness::{Daemon, FakeVendor, Metrics, Mode, Receiver, ms, s, wait_for};
use crate::scene;

const VENDORS: usize = 6;
const CHECKS_EACH: usize = 10;
const READY_WITHIN: Duration = s(2);
/// Migrations of this version.
const NEWEST: i64 = 5;
/// Tries of one receiver at a time, as `daemon/dispatcher.rs` has it.
const IN_FLIGHT_MAX: usize = 4;

fn cycles() -> usize {
    if std::env::var_os("VENDORD_SLOW").is_some() { 200 } else { 10 }
}

/// Not to be good, only to be different from kill to kill.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let seed = uuid::Uuid::now_v7().as_u128() as u64;
        println!("seed {seed}");
        Dice(seed)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// 60 checks of 6 vendors that come and go, and a receiver that sometimes fails.
struct Load {
    vendors: Vec<FakeVendor>,
    receiver: Receiver,
    daemon: Daemon,
    dice: Dice,
    kills: Vec<Instant>,
}

impl Load {
    fn new() -> Load {
        let vendors: Vec<FakeVendor> = (0..VENDORS).map(|_| FakeVendor::start()).collect();
        let receiver = Receiver::start();
        let parts = [scene::receiver("ops", &receiver.url(), scene::PATIENT), scene::route("ops", "")];
        let files: Vec<(String, String)> = vendors.iter().enumerate().map(|(n, vendor)| (format!("v{n}"), vendor_file(vendor))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        let daemon = Daemon::new(&scene::config(&parts), &files);
        Load { vendors, receiver, daemon, dice: Dice::new(), kills: Vec::new() }
    }

    /// Something changes at one end or the other.
    fn stir(&mut self) {
        let vendor = self.dice.below(VENDORS as u64) as usize;
        let path = format!("/c{}", self.dice.below(3));
        match self.dice.below(6) {
            0 => self.receiver.set(500),
            1 => self.receiver.set(Mode::Drop),
            2 => self.receiver.set(200),
            3 => self.vendors[vendor].set(&path, 500),
            4 => self.vendors[vendor].set_all(503),
            _ => self.vendors[vendor].set_all(200),
        }
    }

    /// What `/metrics` showed last before the kill.
    fn until_killed(&mut self) -> Metrics {
        let mut shown = Metrics::default();
        let lives = ms(20 + self.dice.below(1000));
        let began = Instant::now();
        while began.elapsed() < lives {
            self.stir();
            let now = self.daemon.metrics();
            if !now.0.is_empty() {
                assert_counts_grow(&shown, &now);
                shown = now;
            }
        }
        self.kills.push(Instant::now());
        self.daemon.kill9();
        shown
    }

    fn calm_down(&mut self) {
        self.vendors.iter().for_each(|vendor| vendor.set_all(200));
        self.receiver.set(200);
        self.daemon.start();
        self.daemon.wait_for("every alert over and told", s(30), |d| {
            let m = d.metrics();
            let up = m.0.get("vendord_check_state_level").is_some_and(|all| all.iter().all(|check| check.value == 1.0));
            let told = m.sum("vendord_alerts_firing", &[]) == 0.0 && m.sum("vendord_deliveries_pending", &[]) == 0.0;
            (up && told).then_some(())
        });
    }
}

fn vendor_file(vendor: &FakeVendor) -> String {
    let check = |n: usize| {
        let interval = format!("interval = \"{}ms\"\n", 200 + 30 * n);
        scene::check(&format!("c{n}"), &vendor.url(&format!("/c{n}")), &interval)
    };
    scene::vendor(1, &(0..CHECKS_EACH).map(check).collect::<Vec<_>>())
}

/// I10: counters of a process do not go back.
#[track_caller]
fn assert_counts_grow(before: &Metrics, after: &Metrics) {
    for (name, series) in before.0.iter().filter(|(name, _)| name.ends_with("_total")) {
        for one in series {
            let labels: Vec<(&str, &str)> = one.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let now = after.get(name, &labels);
            assert!(now.is_some_and(|now| now >= one.value), "{name} {labels:?}: {} and then {now:?}", one.value);
        }
    }
}

fn shown_runs(metrics: &Metrics) -> BTreeMap<(String, String), i64> {
    let runs = metrics.0.get("vendord_check_runs_total").into_iter().flatten();
    runs.map(|s| ((s.labels["vendor"].clone(), s.labels["check"].clone()), s.value as i64)).collect()
}

fn outages_stored(db: &Connection) -> i64 {
    number(db, "SELECT count(*) FROM outages")
}

#[test]
fn f01_nothing_that_was_shown_is_lost_by_a_kill() {
    let mut load = Load::new();
    let (mut runs, mut outages) = (BTreeMap::new(), 0);
    for cycle in 0..cycles() {
        let took = load.daemon.start();
        assert!(took <= READY_WITHIN, "cycle {cycle}: ready after {took:?}");
        let shown = load.until_killed();
        let db = database(&load.daemon);
        let now = runs_stored(&db);
        for (check, seen) in shown_runs(&shown) {
            let (before, after) = (runs.get(&check).copied().unwrap_or(0), now.get(&check).copied().unwrap_or(0));
            assert!(after >= before + seen, "cycle {cycle}, {check:?}: {before} rows and {seen} shown, {after} stored");
        }
        let seen = shown.sum("vendord_outages_total", &[]) as i64;
        assert!(outages_stored(&db) >= outages + seen, "cycle {cycle}: {outages} outages and {seen} shown, {} stored", outages_stored(&db));
        (runs, outages) = (now, outages_stored(&db));
    }
    load.calm_down();
    assert!(load.daemon.term().success());
    assert!(runs.len() == VENDORS * CHECKS_EACH && outages > 0, "{} checks ran, {outages} outages", runs.len());

    assert_sound(&load.daemon);
    for vendor in 0..VENDORS {
        timeline(&load.daemon, &format!("v{vendor}"));
        timeline(&load.daemon, &format!("v{vendor}/c{vendor}"));
    }
    let db = database(&load.daemon);
    assert_each_alert_has_its_deliveries(&db);
    assert_each_delivery_arrived(&db, &load.receiver);
    assert_eq!(load.receiver.out_of_turn(), []);
    assert_eq!(load.receiver.without_one_id(), []);
    assert_duplicates_were_in_flight(&load.receiver, &load.kills);
}

/// I2: a state change and its deliveries are stored together.
#[track_caller]
fn assert_each_alert_has_its_deliveries(db: &Connection) {
    let untold = "SELECT a.rule || ' ' || a.subject || ' ' || e.event FROM alerts a
                  JOIN (SELECT 'alert.firing' AS event UNION SELECT 'alert.resolved') e
                  WHERE NOT EXISTS (SELECT 1 FROM delivery_alerts t JOIN deliveries d ON d.seq = t.delivery
                    WHERE t.alert = a.id AND d.event = e.event)";
    assert_eq!(list(db, untold, |r| r.get::<_, String>(0)), Vec::<String>::new());
    let outages = number(db, "SELECT count(DISTINCT id) FROM outages");
    let alerts = number(db, "SELECT count(*) FROM alerts WHERE rule = 'vendor.down'");
    assert!(alerts >= outages, "{outages} outages, {alerts} alerts");
    assert_eq!(number(db, "SELECT count(*) FROM alerts WHERE state != 'resolved'"), 0);
    assert_eq!(number(db, "SELECT count(*) FROM outages WHERE ended_at IS NULL"), 0);
}

/// I3, and its reverse: nothing arrived that is not stored.
#[track_caller]
fn assert_each_delivery_arrived(db: &Connection, receiver: &Receiver) {
    let stored: BTreeSet<String> = list(db, "SELECT id FROM deliveries WHERE state = 'delivered'", |r| r.get(0)).into_iter().collect();
    assert_eq!(number(db, "SELECT count(*) FROM deliveries WHERE state != 'delivered'"), 0);
    let arrived: BTreeSet<String> = receiver.accepted_tries().iter().map(|t| t.webhook_id().to_owned()).collect();
    assert_eq!(stored, arrived);
}

/// I5: a message came twice only where a kill came between, and no more of them than can be in flight at a kill.
#[track_caller]
fn assert_duplicates_were_in_flight(receiver: &Receiver, kills: &[Instant]) {
    let mut last: BTreeMap<String, Instant> = BTreeMap::new();
    let mut twice = 0;
    for one in receiver.accepted_tries() {
        if let Some(before) = last.insert(one.webhook_id().to_owned(), one.at) {
            twice += 1;
            assert!(kills.iter().any(|kill| before <= *kill + ms(50) && *kill <= one.at), "{} came twice without a kill", one.webhook_id());
        }
    }
    assert!(twice <= kills.len() * IN_FLIGHT_MAX, "{twice} duplicates in {} kills", kills.len());
}

#[test]
fn f02_a_kill_during_migration_leaves_the_old_schema_or_the_new() {
    let vendor = FakeVendor::start();
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "")]);
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &file)]);
    let (mut dice, mut kinds) = (Dice::new(), BTreeMap::new());
    for _ in 0..20 {
        daemon.spawn();
        // A moment that is drawn, not a wait for something.
        std::thread::sleep(Duration::from_micros(dice.below(50_000)));
        daemon.kill9();
        *kinds.entry(schema(&daemon)).or_insert(0) += 1;
        let took = daemon.start();
        assert!(took <= READY_WITHIN, "ready after {took:?}");
        daemon.kill9();
        assert_eq!(number(&database(&daemon), "PRAGMA user_version"), NEWEST);
        for name in ["vendord.db", "vendord.db-journal", "vendord.db-wal", "vendord.db-shm", "vendord.db.lock"] {
            let _ = std::fs::remove_file(daemon.path(name));
        }
    }
    println!("killed with {kinds:?}");
}

#[test]
fn f02_a_rollback_journal_is_played_back() {
    // With so small a cache, pages reach the disk before the transaction ends.
    const BEGUN: &str = "PRAGMA application_id = 0x76656e64; PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; CREATE TABLE begun (x);
                         WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 9999) INSERT INTO begun SELECT x FROM n;
                         BEGIN IMMEDIATE; UPDATE begun SET x = -x;";
    let [work, copy] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let db = Connection::open(work.path().join("vendord.db")).expect("it can be opened");
    db.execute_batch(BEGUN).expect("the statements are ours");
    // As a kill would leave it: the journal is there, and nobody holds it.
    for name in ["vendord.db", "vendord.db-journal"] {
        std::fs::copy(work.path().join(name), copy.path().join(name)).expect("it is there");
    }
    let path = copy.path().join("vendord.db");
    drop(reopened(&path));
    let db = Connection::open(&path).expect("it can be opened");
    assert_eq!(number(&db, "SELECT count(*) FROM begun WHERE x > 0"), 9999);
}

/// What a kill left, looked at in a copy, so that the look mends nothing.
#[track_caller]
fn schema(daemon: &Daemon) -> &'static str {
    let copy = tempfile::tempdir().expect("a temporary directory");
    for name in ["vendord.db", "vendord.db-wal", "vendord.db-journal"] {
        let _ = std::fs::copy(daemon.path(name), copy.path().join(name));
    }
    let path = copy.path().join("vendord.db");
    if !path.exists() {
        return "no file";
    }
    let db = Connection::open(&path).expect("it can be opened");
    let tables: BTreeSet<String> = list(&db, "SELECT name FROM sqlite_schema WHERE type = 'table'", |r| r.get(0)).into_iter().collect();
    // The first and the last table of each migration, and how many are recorded: a kill between two of them is no fault.
    const MIGRATIONS: [[&str; 2]; NEWEST as usize] = [
        ["journal", "events"],
        ["source_reads", "declared_statuses"],
        ["evidence", "evidence"],
        ["page_versions", "page_versions"],
        ["spans", "jobs"],
    ];
    let recorded = if tables.contains("migrations") { number(&db, "SELECT count(*) FROM migrations") } else { 0 };
    let version = number(&db, "PRAGMA user_version");
    let sound =
        recorded == version && (0..).zip(MIGRATIONS).all(|(n, names)| names.iter().all(|name| tables.contains(*name) == (n < version)));
    assert!(sound, "between the schemas: version {version} with {tables:?}, {recorded} recorded");
    match version {
        0 => "no schema",
        NEWEST => "the new schema",
        _ => "an older schema",
    }
}

/// No test of its own: what [`f02_a_kill_during_a_checkpoint_loses_no_acknowledged_batch`] kills.
#[test]
fn f02_the_part_that_is_killed() {
    if let Some((role, path)) = role()
        && role == "checkpoints"
    {
        commit_and_checkpoint(&path);
    }
}

/// Half a log's worth a batch, so that every second one is followed by a checkpoint; and now and then a clean end.
fn commit_and_checkpoint(path: &Path) {
    let mut author = Author::open(path);
    for nth in 0..1000 {
        let mut batch = Batch::default();
        author.runs(&mut batch, 25_000, &format!("batch {nth}"));
        author.change(&mut batch);
        author.writer.commit(&batch).expect("nothing is wrong with the disk");
        println!("\nacknowledged {}", author.last_seq());
        author.writer.checkpoint_if_due().expect("nothing is wrong with the disk");
        if nth % 4 == 3 {
            author.writer.close().expect("nothing is wrong with the disk");
            author = Author::open(path);
        }
    }
}

#[test]
fn f02_a_kill_during_a_checkpoint_loses_no_acknowledged_batch() {
    let mut dice = Dice::new();
    let mut largest = 0;
    for _ in 0..20 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("vendord.db");
        let mut child = myself("crash::f02_the_part_that_is_killed", "checkpoints", &path).spawn().expect("this program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let mut acknowledged = lines.by_ref().find_map(|line| seq_of(&line)).expect("the first batch is committed");
        // A moment that is drawn, not a wait for something.
        std::thread::sleep(Duration::from_micros(dice.below(400_000)));
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        acknowledged = lines.filter_map(|line| seq_of(&line)).last().unwrap_or(acknowledged);
        largest = largest.max(acknowledged);

        drop(reopened(&path));
        let db = Connection::open(&path).expect("it can be opened");
        let rows = number(&db, "SELECT count(*) FROM journal");
        assert_eq!(rows, number(&db, "SELECT max(seq) FROM journal"), "a batch is missing inside");
        assert_eq!(rows % 25_000, 0, "a batch is there in part");
        assert!(rows >= acknowledged, "{acknowledged} acknowledged, {rows} stored");
        assert_eq!(number(&db, "SELECT count(*) FROM events"), rows / 25_000);
    }
    assert!(largest > 25_000 * 2, "no checkpoint was reached: {largest}");
}

fn seq_of(line: &str) -> Option<i64> {
    line.strip_prefix("acknowledged ")?.parse().ok()
}

#[test]
fn f01_a_kill_while_nothing_happens_costs_no_start() {
    let vendor = FakeVendor::start();
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "interval = \"1h\"\n")]);
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &file)]);
    daemon.start();
    daemon.kill9();
    let took = daemon.start();
    assert!(took <= READY_WITHIN, "ready after {took:?}");
    wait_for("the state of before", s(5), || daemon.get("/metrics").ok().filter(|page| page.status == 200));
    assert!(daemon.term().success());
    assert!(!daemon.path("vendord.db-wal").exists(), "a clean stop leaves no log");
}
