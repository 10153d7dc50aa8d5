//! What the store holds, for tests of what must be in it; and this binary once more, as a process that may be killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};
use serde_json::Value;
use vendord::health::{CheckState, OpenSegment, SegmentWrite};
use vendord::model::{Blame, KofN, Observation, Outage, Reason, SegmentReason, SeverityCap, State, Terms, Timestamp, Uuid, VendorId};
use vendord::store::{Batch, CheckKey, JournalRow, Reader, RegisteredCheck, Registration, StoredEvent, Writer, verify};

use crate::harness::{Daemon, ms, s};

/// The database as a foreign program reads it.
pub fn database(daemon: &Daemon) -> Connection {
    let db = Connection::open_with_flags(daemon.path("vendord.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database is there");
    db.busy_timeout(s(5)).expect("a setting");
    db
}

pub fn list<T>(db: &Connection, sql: &str, row: impl FnMut(&Row) -> rusqlite::Result<T>) -> Vec<T> {
    let mut statement = db.prepare(sql).expect("the query is ours");
    let rows = statement.query_map([], row).expect("the query runs");
    rows.collect::<rusqlite::Result<_>>().expect("rows are as the schema says")
}

pub fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |r| r.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Journal rows of each check, as (vendor, check).
pub fn runs_stored(db: &Connection) -> BTreeMap<(String, String), i64> {
    let sql = "SELECT c.vendor, c.name, count(*) FROM journal j JOIN terms t ON t.id = j.terms_id
               JOIN timelines l ON l.id = t.timeline JOIN checks c ON c.id = l.check_id GROUP BY c.id";
    list(db, sql, |r| Ok(((r.get(0)?, r.get(1)?), r.get(2)?))).into_iter().collect()
}

/// Whether the journal's time ran backwards inside a check.
pub fn runs_backwards(db: &Connection) -> i64 {
    number(
        db,
        "SELECT count(*) FROM (SELECT at, lag(at) OVER (PARTITION BY t.timeline ORDER BY j.seq) AS before
           FROM journal j JOIN terms t ON t.id = j.terms_id) WHERE at < before",
    )
}

#[track_caller]
pub fn assert_sound(daemon: &Daemon) {
    let printed = daemon.cli(&["store", "verify"]);
    assert_eq!(printed.code(), Some(0), "{printed:?}");
}

/// The intervals of `uptime --explain`, after a look that none of them leaves a hole and that they add up.
#[track_caller]
pub fn timeline(daemon: &Daemon, target: &str) -> Vec<Value> {
    let answer = daemon.cli_json(&["uptime", target, "--from", "2000-01-01", "--explain"]);
    let segments = answer["segments"].as_array().expect("intervals were asked for").clone();
    for pair in segments.windows(2) {
        assert_eq!(pair[0]["to"], pair[1]["from"], "{target}: {pair:?}");
    }
    let sum: f64 = ["up", "degraded", "down", "unknown"].iter().filter_map(|state| answer["seconds"][state].as_f64()).sum();
    let span = instant(&answer["to"]).millis_since(instant(&answer["from"])) as f64 / 1000.0;
    assert!((sum - span).abs() < 0.001, "{target}: {sum} s of {span} s");
    segments
}

pub fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(Timestamp::parse).unwrap_or_else(|| panic!("{value} is no instant"))
}

pub fn lasts(segment: &Value) -> Duration {
    instant(&segment["to"]).since(instant(&segment["from"]))
}

/// This binary with one test of it, which finds its part in `ROLE`.
pub fn myself(test: &str, role: &str, path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this very program"));
    command.args(["--exact", test, "--nocapture"]).env("ROLE", role).env("ROLE_PATH", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// What [`myself`] was told, in the child; `None` when the test runs as a test.
pub fn role() -> Option<(String, std::path::PathBuf)> {
    Some((std::env::var("ROLE").ok()?, std::env::var_os("ROLE_PATH")?.into()))
}

/// Writes as the recorder does, without a daemon around it.
pub struct Author {
    pub writer: Writer,
    key: CheckKey,
    terms_id: i64,
    next_seq: i64,
    was_down: bool,
}

const YEAR_2100: i64 = 4_102_444_800_000;

impl Author {
    pub fn open(path: &Path) -> Author {
        let mut writer = Writer::open(path, true, "boot".to_owned()).expect("the database can be opened");
        let terms = Terms {
            interval: s(1),
            timeout: ms(900),
            retry_interval: s(1),
            down_after: KofN::in_a_row(1),
            up_after: KofN::in_a_row(1),
            severity: SeverityCap::Down,
            enabled: true,
        };
        let vendor = VendorId::new("acme");
        let check = RegisteredCheck { name: "api".to_owned(), kind: "http", terms, renamed_from: None };
        let registration =
            Registration { vendor, name: "Acme".to_owned(), tier: 1, category: String::new(), checks: vec![check], sources: Vec::new() };
        let registered = writer.register(&[registration], "default", Timestamp::from_millis(YEAR_2100)).expect("it is new");
        let loaded = writer.reader().and_then(|reader| reader.load()).expect("it can be read");
        let was_down = loaded.checks[0].state.open.is_some_and(|open| open.state == State::Down);
        Author { writer, key: registered[0].key, terms_id: registered[0].terms_id, next_seq: loaded.next_seq, was_down }
    }

    /// The last row that was put into a batch.
    pub fn last_seq(&self) -> i64 {
        self.next_seq - 1
    }

    /// Adds `rows` runs, and an event called `name`, which nothing keeps from being there twice but the writer.
    pub fn runs(&mut self, batch: &mut Batch, rows: usize, name: &str) {
        for _ in 0..rows {
            let observation = Observation::failed(Reason::HttpStatus, ms(12), "answered 500");
            batch.observations.push(JournalRow { seq: self.next_seq, terms_id: self.terms_id, at: at(self.next_seq), observation });
            self.next_seq += 1;
        }
        let now = at(self.last_seq());
        batch.events.push(StoredEvent { kind: "reload", from: now, to: now, detail: name.to_owned() });
    }

    /// Adds a change of state at the last run: a segment ends, another begins, and a row of `outages` follows it.
    pub fn change(&mut self, batch: &mut Batch) {
        let now = at(self.last_seq());
        let (state, word) = if self.was_down { (State::Up, Reason::Ok) } else { (State::Down, Reason::HttpStatus) };
        let reason = SegmentReason::Seen(word);
        let open = OpenSegment { from: now, state, reason };
        let begun = batch.segments.iter().any(|(key, _)| *key == self.key) || self.was_down || self.last_seq() > 1;
        if begun {
            batch.segments.push((self.key, SegmentWrite::Close { to: now, reason }));
        }
        batch.segments.push((self.key, SegmentWrite::Open(open)));
        let mut state = CheckState::default();
        state.open = Some(open);
        batch.states = vec![(self.key, self.last_seq(), state)];
        self.was_down = !self.was_down;
        batch.outages.push(outage(now));
    }
}

/// Over at once, so that none is open when the next begins.
fn outage(now: Timestamp) -> Outage {
    Outage {
        id: Uuid::now_v7(),
        vendor: VendorId::new("acme"),
        started_at: now,
        started_boot: None,
        confirmed_at: now,
        ended_at: Some(now),
        stepped: None,
        blame: Blame::Inconclusive,
        checks: vec!["api".to_owned()],
        not_before: None,
    }
}

fn at(seq: i64) -> Timestamp {
    Timestamp::from_millis(YEAR_2100 + seq * 1000)
}

/// Opens the database as the next daemon would, with a connection that saw nothing of what came before.
#[track_caller]
pub fn reopened(path: &Path) -> Reader {
    let reader = Writer::open(path, true, "boot".to_owned()).and_then(|writer| writer.reader());
    let reader = reader.unwrap_or_else(|error| panic!("cannot be opened any more: {error}"));
    assert_eq!(verify(&reader).expect("it can be read"), Vec::<String>::new());
    reader
}
