//! The command line over a database that the library made: what verbs print, as JSON and as text, and how they end.
//!
//! The database is of the year 2100. A reader takes the later of the wall clock and the last run as now, so that what is
//! printed does not depend on when the tests run.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use vendord::health::{CheckState, fold};
use vendord::model::alert::Told;
use vendord::model::{
    Alert, AlertState, Blame, Delivery, DeliveryState, Event, Identity, KofN, Observation, Outage, Outcome, Reason, Rule, Severity,
    SeverityCap, Terms, Timestamp, Uuid, VendorId,
};
use vendord::store::{Batch, CheckKey, Heartbeat, JournalRow, Registered, RegisteredCheck, Registration, Writer};

use crate::harness::{Daemon, Printed, Receiver, ms, s};

const START_MILLIS: i64 = 4_102_444_800_000;
const SECRET: &str = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAx";

const CONFIG: &str = r#"
[store]
url = "sqlite:{dir}/vendord.db"
[web]
listen = "127.0.0.1:{port}"
"#;

const VENDOR: &str = r#"
name = "Acme"
[[checks]]
name = "api"
kind = "http"
url = "http://127.0.0.1:9/api"
"#;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START_MILLIS + seconds * 1000)
}

/// Writes a past run by run, as the daemon does.
struct Past {
    writer: Writer,
    registered: Vec<Registered>,
    states: Vec<CheckState>,
    seq: i64,
}

fn terms() -> Terms {
    Terms {
        interval: s(10),
        timeout: s(5),
        retry_interval: s(10),
        down_after: KofN::in_a_row(2),
        up_after: KofN::in_a_row(2),
        severity: SeverityCap::Down,
        enabled: true,
    }
}

fn registration(vendor: &str, checks: &[&str], sources: &[&str]) -> Registration {
    let check = |name: &&str| RegisteredCheck { name: (*name).to_owned(), kind: "http", terms: terms(), renamed_from: None };
    let source = |name: &&str| ((*name).to_owned(), "https://status.example".to_owned(), "statuspage".to_owned());
    Registration {
        vendor: VendorId::new(vendor),
        name: vendor.to_uppercase(),
        tier: 2,
        category: String::new(),
        checks: checks.iter().map(check).collect(),
        sources: sources.iter().map(source).collect(),
    }
}

impl Past {
    fn begin(daemon: &Daemon, vendors: &[Registration]) -> Past {
        let mut writer = Writer::open(&daemon.path("vendord.db"), true, "boot".to_owned()).unwrap();
        let registered = writer.register(vendors, "default", at(0)).unwrap();
        Past { states: vec![CheckState::default(); registered.len()], writer, registered, seq: 0 }
    }

    /// One run of the `nth` check, in one commit.
    fn run(&mut self, nth: usize, seconds: i64, outcome: Outcome, reason: Reason) {
        let (key, terms_id) = (self.registered[nth].key, self.registered[nth].terms_id);
        let observation = Observation { outcome, ..Observation::failed(reason, ms(123), "") };
        let run = vendord::health::Run { at: at(seconds), boot: Duration::ZERO, outcome, reason, duration: ms(123) };
        let folded = fold(&mut self.states[nth], &terms(), &run, &[]);
        self.seq += 1;
        let mut batch =
            Batch { observations: vec![JournalRow { seq: self.seq, terms_id, at: at(seconds), observation }], ..Batch::default() };
        if folded.is_urgent() {
            batch.states = vec![(key, self.seq, self.states[nth].clone())];
            batch.segments = folded.segments.iter().map(|write| (key, *write)).collect::<Vec<(CheckKey, _)>>();
        }
        self.commit(&batch);
    }

    /// Every 10 s from `from` up to and with `to`.
    fn runs(&mut self, nth: usize, from: i64, to: i64, outcome: Outcome, reason: Reason) {
        (from..=to).step_by(10).for_each(|seconds| self.run(nth, seconds, outcome, reason));
    }

    fn commit(&mut self, batch: &Batch) {
        self.writer.commit(batch).unwrap();
    }

    /// As the daemon does before it takes over another configuration.
    fn checkpoint(&mut self) {
        let states = self.registered.iter().zip(&self.states).map(|(r, state)| (r.key, self.seq, state.clone())).collect();
        self.commit(&Batch { states, ..Batch::default() });
    }

    fn heartbeat(&mut self, seconds: i64) {
        let heartbeat =
            Heartbeat { wall: at(seconds), boot: Duration::ZERO, mono: Duration::ZERO, boot_id: "boot".to_owned(), stopped: false };
        self.commit(&Batch { heartbeat: Some(heartbeat), ..Batch::default() });
    }
}

fn outage(n: u128, vendor: &str, from: i64, to: Option<i64>) -> Outage {
    Outage {
        id: Uuid::from_u128(n),
        vendor: VendorId::new(vendor),
        started_at: at(from),
        not_before: None,
        started_boot: None,
        confirmed_at: at(from + 10),
        ended_at: to.map(at),
        stepped: None,
        blame: Blame::Inconclusive,
        checks: vec!["api".to_owned()],
    }
}

fn alert(n: u128, state: AlertState) -> Alert {
    Alert {
        id: Uuid::from_u128(n),
        identity: Identity { rule: Rule::VendorDown, vendor: Some(VendorId::new("acme")), subject: "acme".to_owned() },
        severity: Severity::Critical,
        state,
        since: at(100),
        resolved_at: (state == AlertState::Resolved).then(|| at(160)),
        summary: "Acme is down".to_owned(),
        vendor_name: None,
        tier: Some(2),
        measured: Some("down".to_owned()),
        declared: None,
        blame: Blame::Inconclusive,
        evidence: Vec::new(),
        edition: 0,
    }
}

fn delivery(seq: i64, of: &Alert, event: Event, state: DeliveryState) -> Delivery {
    let delivered = state == DeliveryState::Delivered;
    Delivery {
        id: Uuid::from_u128(0xd0 + seq as u128),
        seq,
        receiver: "oncall".to_owned(),
        event,
        group: Vec::new(),
        alerts: vec![Told { alert: of.id, identity: of.identity.clone(), facts: json!({}) }],
        created_at: at(110),
        due_at: at(110),
        state,
        attempts: if delivered { 1 } else { 3 },
        next_attempt_at: (!delivered).then(|| at(400)),
        last_code: Some(if delivered { 204 } else { 500 }),
        last_error: None,
        delivered_at: delivered.then(|| at(111)),
    }
}

/// acme/api was down from 100 to 160 and is down again since 280; acme/web is up; globex/api was not looked at since 200.
/// quiet has a check that never ran, page only a status page.
fn fleet() -> Daemon {
    let daemon = Daemon::new(CONFIG, &[("acme", VENDOR)]);
    let vendors =
        [registration("acme", &["api", "web"], &["status"]), registration("globex", &["api"], &[]), registration("page", &[], &["status"])];
    let mut past = Past::begin(&daemon, &vendors);
    past.runs(0, 0, 90, Outcome::Up, Reason::Ok);
    past.runs(0, 100, 150, Outcome::Down, Reason::HttpStatus);
    past.runs(0, 160, 270, Outcome::Up, Reason::Ok);
    past.runs(0, 280, 300, Outcome::Down, Reason::ConnectRefused);
    past.runs(1, 0, 300, Outcome::Up, Reason::Ok);
    past.runs(2, 0, 200, Outcome::Up, Reason::Ok);
    past.heartbeat(205);
    let (over, fires) = (alert(0xa1, AlertState::Resolved), alert(0xa2, AlertState::Firing));
    let mut batch =
        Batch { outages: vec![outage(0x1111_2222, "acme", 100, Some(160)), outage(0x3333_4444, "acme", 280, None)], ..Batch::default() };
    batch.told.deliveries = vec![
        delivery(1, &over, Event::Firing, DeliveryState::Delivered),
        delivery(2, &over, Event::Resolved, DeliveryState::Delivered),
        delivery(3, &fires, Event::Firing, DeliveryState::Pending),
    ];
    batch.told.alerts = vec![over, Alert { since: at(280), ..fires }];
    past.commit(&batch);
    past.writer.close().unwrap();
    daemon
}

/// What it printed, without what differs from run to run.
#[track_caller]
fn printed(daemon: &Daemon, args: &[&str], code: i32) -> String {
    let Printed { status, out, err } = daemon.cli(args);
    assert_eq!(status.code(), Some(code), "{args:?}: {out}{err}");
    format!("{out}{err}").replace(&daemon.directory().display().to_string(), "DIR")
}

#[test]
fn text_for_people() {
    let daemon = fleet();
    let seen = [
        (&["status"][..], 1),
        (&["status", "--problems"], 1),
        (&["status", "page"], 1),
        (&["outages"], 0),
        (&["outages", "--open", "--vendor", "acme"], 0),
        (&["outages", "--since", "2100-01-01T00:04:00Z"], 0),
        (&["outages", "--vendor", "globex"], 0),
        (&["outages", "11112222"], 0),
        (&["uptime", "acme/api", "--explain"], 0),
        (&["uptime", "acme"], 0),
        (&["uptime", "globex", "--explain"], 0),
        (&["uptime", "page"], 0),
        (&["alert", "list"], 0),
        (&["alert", "list", "--firing"], 0),
        (&["store", "verify"], 0),
    ]
    .map(|(args, code)| format!("$ vendord {}\n{}", args.join(" "), printed(&daemon, args, code)));
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn what_cannot_be_answered() {
    let daemon = fleet();
    let seen = [
        (&["status", "acne"][..], 2),
        (&["uptime", "acme/apu"], 2),
        (&["uptime", "acme", "--from", "2100-01-02", "--to", "2100-01-01"], 2),
        (&["outages", "11112223"], 2),
        (&["outages", "--since", "yesterday"], 2),
        (&["alert", "test", "oncall"], 2),
        (&["statu"], 2),
        (&["status", "acne", "--json"], 2),
        (&["-c", "nowhere.toml", "status"], 3),
    ]
    .map(|(args, code)| format!("$ vendord {}\n{}", args.join(" "), printed(&daemon, args, code)));
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn help_begins_with_an_example() {
    let daemon = Daemon::new(CONFIG, &[]);
    let verbs: [&[&str]; 21] = [
        &[],
        &["run"],
        &["demo"],
        &["init"],
        &["lint"],
        &["feed"],
        &["catalog"],
        &["catalog", "search"],
        &["catalog", "show"],
        &["status"],
        &["outages"],
        &["incidents"],
        &["maintenance"],
        &["import"],
        &["import", "incidents"],
        &["uptime"],
        &["alert"],
        &["alert", "list"],
        &["alert", "test"],
        &["store"],
        &["store", "verify"],
    ];
    let help = verbs.map(|verb| {
        let text = printed(&daemon, &[verb, &["--help"]].concat(), 0);
        assert!(text.starts_with("Example"), "{verb:?}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{verb:?}: {text}");
        text
    });
    insta::assert_snapshot!(help[0]);
    assert_eq!(printed(&daemon, &[], 0), help[0], "alone it says the same and starts nothing");
}

#[test]
fn status_as_json() {
    let status = fleet().cli_json(&["status"]);
    let vendor = |n: usize| &status["vendors"][n];
    assert_eq!(status["schema"], 1);
    assert_eq!((&vendor(0)["vendor"], &vendor(0)["measured"], &vendor(0)["declared"]), (&json!("acme"), &json!("down"), &json!("unknown")));
    assert_eq!(vendor(0)["since"], "2100-01-01T00:04:40.000Z");
    assert_eq!(vendor(0)["open_outage"], Uuid::from_u128(0x3333_4444).to_string());
    assert_eq!(vendor(0)["open_incidents"], json!([]));
    assert_eq!(
        vendor(0)["checks"][0],
        json!({"check": "api", "kind": "http", "state": "down", "reason": "connect_refused", "suspect": false, "last_run_at": "2100-01-01T00:05:00.000Z", "duration_seconds": 0.123})
    );
    assert_eq!(
        vendor(0)["sources"],
        json!([{"source": "status", "format": "statuspage", "state": "broken", "overall": null, "last_success_at": null, "problem": null}])
    );
    let globex = vendor(1);
    assert_eq!((&globex["measured"], &globex["declared"], &globex["sources"]), (&json!("unknown"), &Value::Null, &json!([])));
    assert_eq!((&globex["checks"][0]["reason"], &globex["since"]), (&json!("monitor_down"), &json!("2100-01-01T00:03:40.000Z")));
    assert_eq!((&vendor(2)["measured"], &vendor(2)["since"], &vendor(2)["checks"]), (&Value::Null, &Value::Null, &json!([])));
}

#[test]
fn outages_as_json() {
    let outages = fleet().cli_json(&["outages"]);
    assert_eq!(
        outages["outages"][1],
        json!({
            "id": Uuid::from_u128(0x1111_2222), "vendor": "acme",
            "started_at": "2100-01-01T00:01:40.000Z", "confirmed_at": "2100-01-01T00:01:50.000Z", "ended_at": "2100-01-01T00:02:40.000Z",
            "seconds": 60.0, "blame": "inconclusive", "class": null, "checks": ["api"], "incident": null,
            "first_vendor_post_at": null, "acknowledgement_lag_seconds": null,
        })
    );
    assert_eq!((&outages["outages"][0]["ended_at"], &outages["outages"][0]["seconds"]), (&Value::Null, &json!(20.0)));
    assert_eq!((&outages["schema"], outages["outages"].as_array().unwrap().len()), (&json!(1), 2));
}

fn seconds(up: f64, down: f64, unknown: f64) -> Value {
    json!({"up": up, "degraded": 0.0, "down": down, "unknown": unknown, "maintenance": 0.0, "excluded": 0.0})
}

#[test]
fn maintenance_lies_over_the_timeline_and_edits_nothing() {
    let daemon = fleet();
    let before = daemon.cli_json(&["uptime", "acme/api", "--window", "1h", "--explain"]);
    let db = rusqlite::Connection::open(daemon.path("vendord.db")).unwrap();
    let layer =
        "INSERT INTO layers (vendor, check_id, kind, from_ms, to_ms, reason) VALUES ('acme', ?1, 'maintenance_vendor', ?2, ?3, 'upgrade')";
    let web: Option<i64> = db.query_row("SELECT id FROM checks WHERE vendor = 'acme' AND name <> 'api'", [], |r| r.get(0)).ok();
    db.execute(layer, rusqlite::params![Option::<i64>::None, at(100).as_millis(), at(160).as_millis()]).unwrap();
    if let Some(web) = web {
        db.execute(layer, rusqlite::params![web, at(0).as_millis(), at(10).as_millis()]).unwrap();
    }
    drop(db);
    let after = daemon.cli_json(&["uptime", "acme/api", "--window", "1h", "--explain"]);
    let over = json!([{"from": at(100).to_string(), "to": at(160).to_string(), "kind": "maintenance_vendor", "reason": "upgrade"}]);
    assert_eq!((&after["layers"], &after["segments"]), (&over, &before["segments"]));
}

#[test]
fn uptime_as_json() {
    let daemon = fleet();
    let up = daemon.cli_json(&["uptime", "acme/api", "--window", "1h", "--explain"]);
    assert_eq!((&up["schema"], &up["vendor"], &up["check"], &up["profile"]), (&json!(1), &json!("acme"), &json!("api"), &json!("default")));
    assert_eq!((&up["from"], &up["to"]), (&json!("2100-01-01T00:00:00.000Z"), &json!("2100-01-01T00:05:00.000Z")));
    assert_eq!(up["seconds"], seconds(220.0, 80.0, 0.0));
    assert_eq!(up["availability"], json!({"point": 220.0 / 300.0, "low": 220.0 / 300.0, "high": 220.0 / 300.0, "coverage": 1.0}));
    assert_eq!((&up["objective"], &up["verdict"], &up["layers"]), (&Value::Null, &Value::Null, &json!([])));
    assert_eq!(up["segments"].as_array().unwrap().len(), 4);
    assert_eq!(
        up["segments"][1],
        json!({"from": "2100-01-01T00:01:40.000Z", "to": "2100-01-01T00:02:40.000Z", "state": "down", "reason": "http_status"})
    );
    let vendor = daemon.cli_json(&["uptime", "acme", "--window", "1h"]);
    assert_eq!((&vendor["check"], &vendor["seconds"]), (&Value::Null, &seconds(220.0, 80.0, 0.0)));
    assert!(vendor.get("segments").is_none() && vendor.get("layers").is_none());
    let part = daemon.cli_json(&["uptime", "globex", "--from", "2100-01-01T00:03:00Z", "--to", "2100-01-01T00:04:00Z", "--explain"]);
    assert_eq!((&part["seconds"], &part["segments"][1]["reason"]), (&seconds(40.0, 0.0, 20.0), &json!("monitor_down")));
    let none = daemon.cli_json(&["uptime", "page", "--explain"]);
    assert_eq!((&none["availability"], &none["from"], &none["segments"]), (&Value::Null, &Value::Null, &json!([])));
}

#[test]
fn alerts_as_json() {
    let daemon = fleet();
    let alerts = daemon.cli_json(&["alert", "list"]);
    let (fires, over) = (&alerts["alerts"][0], &alerts["alerts"][1]);
    assert_eq!((&fires["state"], &fires["rule"], &fires["vendor"]), (&json!("firing"), &json!("vendor.down"), &json!("acme")));
    assert_eq!(
        fires["deliveries"],
        json!([{"id": Uuid::from_u128(0xd3), "receiver": "oncall", "event": "alert.firing", "state": "pending", "attempts": 3, "last_code": 500, "next_attempt_at": "2100-01-01T00:06:40.000Z", "delivered_at": null}])
    );
    assert_eq!(over["deliveries"][1]["event"], "alert.resolved");
    let firing = daemon.cli_json(&["alert", "list", "--firing"]);
    assert_eq!((firing["alerts"].as_array().unwrap().len(), &firing["schema"]), (1, &json!(1)));
}

#[test]
fn a_first_run_that_is_not_confirmed_is_unknown() {
    let daemon = Daemon::new(CONFIG, &[("acme", VENDOR)]);
    let mut past = Past::begin(&daemon, &[registration("acme", &["api", "web"], &[])]);
    let before = daemon.cli_json(&["status"]);
    assert_eq!((&before["vendors"][0]["measured"], &before["vendors"][0]["since"]), (&json!("unknown"), &Value::Null));
    past.run(0, 0, Outcome::Up, Reason::Ok);
    past.run(1, 5, Outcome::Down, Reason::HttpStatus);
    let status = daemon.cli_json(&["status"]);
    let web = &status["vendors"][0]["checks"][1];
    assert_eq!((&web["state"], &web["suspect"], &web["reason"]), (&json!("unknown"), &json!(true), &json!("http_status")));
    assert_eq!(status["vendors"][0]["measured"], "unknown");
    drop(past);
}

#[test]
fn a_store_that_was_left_by_a_killed_daemon_is_read() {
    let (daemon, after) = (Daemon::new(CONFIG, &[]), Daemon::new(CONFIG, &[]));
    let mut past = Past::begin(&daemon, &[registration("acme", &["api"], &[])]);
    past.runs(0, 0, 50, Outcome::Up, Reason::Ok);
    // What a kill leaves: the database and a log that nobody copied into it.
    for name in ["vendord.db", "vendord.db-wal"] {
        std::fs::copy(daemon.path(name), after.path(name)).unwrap();
    }
    assert_eq!(after.cli_json(&["status"])["vendors"][0]["checks"][0]["last_run_at"], "2100-01-01T00:00:50.000Z");
    assert_eq!(after.cli_json(&["uptime", "acme"])["seconds"], seconds(50.0, 0.0, 0.0));
    assert_eq!(after.cli_json(&["store", "verify"])["findings"], json!([]));
    drop(past);
}

#[test]
fn a_retired_check_keeps_its_history_and_ends() {
    let daemon = Daemon::new(CONFIG, &[]);
    let mut past = Past::begin(&daemon, &[registration("acme", &["api", "old"], &[])]);
    past.runs(0, 0, 100, Outcome::Up, Reason::Ok);
    past.runs(1, 0, 40, Outcome::Down, Reason::HttpStatus);
    past.writer.register(&[registration("acme", &["api"], &[])], "default", at(50)).unwrap();
    assert_eq!(daemon.cli_json(&["uptime", "acme/old"])["seconds"], seconds(0.0, 50.0, 0.0));
    assert_eq!(daemon.cli_json(&["uptime", "acme"])["seconds"], seconds(50.0, 50.0, 0.0));
    let status = daemon.cli_json(&["status"]);
    assert_eq!((&status["vendors"][0]["measured"], &status["vendors"][0]["since"]), (&json!("up"), &json!("2100-01-01T00:00:50.000Z")));
    assert_eq!(status["vendors"][0]["checks"].as_array().unwrap().len(), 1);
    past.writer.register(&[], "default", at(100)).unwrap();
    assert_eq!(daemon.cli_json(&["status"])["vendors"], json!([]));
    assert_eq!(daemon.cli_json(&["uptime", "acme"])["to"], "2100-01-01T00:01:40.000Z");
    drop(past);
}

#[test]
fn a_daemon_that_moved_to_another_location_has_one_history() {
    let daemon = Daemon::new(CONFIG, &[]);
    let mut past = Past::begin(&daemon, &[registration("acme", &["api"], &[])]);
    past.runs(0, 0, 40, Outcome::Up, Reason::Ok);
    past.checkpoint();
    past.registered = past.writer.register(&[registration("acme", &["api"], &[])], "elsewhere", at(50)).unwrap();
    past.states = vec![CheckState::default()];
    past.runs(0, 50, 90, Outcome::Down, Reason::HttpStatus);
    let status = daemon.cli_json(&["status"]);
    assert_eq!((&status["vendors"][0]["measured"], status["vendors"][0]["checks"].as_array().unwrap().len()), (&json!("down"), 1));
    for target in ["acme", "acme/api"] {
        assert_eq!(daemon.cli_json(&["uptime", target])["seconds"], seconds(50.0, 40.0, 0.0), "{target}");
    }
}

/// What is wrong with `uptime --explain --json` as a timeline of its window.
fn holes(uptime: &Value) -> Vec<String> {
    let segments = uptime["segments"].as_array().unwrap();
    let mut bad: Vec<String> =
        segments.windows(2).filter(|pair| pair[0]["to"] != pair[1]["from"]).map(|pair| format!("{pair:?}")).collect();
    let ends = [(&segments[0]["from"], &uptime["from"]), (&segments[segments.len() - 1]["to"], &uptime["to"])];
    bad.extend(ends.iter().filter(|(a, b)| a != b).map(|(a, b)| format!("{a} is not {b}")));
    bad.extend(segments.iter().filter(|s| s["from"].as_str() >= s["to"].as_str()).map(|s| format!("empty: {s}")));
    bad
}

#[test]
fn timelines_have_no_holes_whatever_happened() {
    let daemon = Daemon::new(CONFIG, &[]);
    let mut past = Past::begin(&daemon, &[registration("acme", &["api", "web"], &[])]);
    // Any numbers will do, as long as they are the same in every run (Knuth's constants for a linear congruence).
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut now = 0;
    for round in 0..300 {
        now += [10, 10, 10, 40][next(4) as usize];
        let (outcome, reason) = [
            (Outcome::Up, Reason::Ok),
            (Outcome::Degraded, Reason::Slow),
            (Outcome::Down, Reason::HttpStatus),
            (Outcome::Unknown, Reason::DnsLocal),
        ][next(4) as usize];
        past.run(next(2) as usize, now, outcome, reason);
        if round % 10 == 9 {
            for target in ["acme/api", "acme/web", "acme"] {
                let uptime = daemon.cli_json(&["uptime", target, "--explain"]);
                assert_eq!(holes(&uptime), Vec::<String>::new(), "{target} after {round}: {uptime}");
            }
        }
    }
    assert_eq!(daemon.cli_json(&["store", "verify"])["findings"], json!([]));
}

#[test]
fn lint_says_what_is_wrong() {
    let daemon = Daemon::new(CONFIG, &[("acme", VENDOR)]);
    assert!(printed(&daemon, &["lint"], 0).ends_with("1 vendor, 1 check, 0 status pages, 0 receivers: 1 note\n"));
    printed(&daemon, &["lint", "--fail-on", "warning"], 0);
    printed(&daemon, &["lint", "--fail-on", "info"], 1);
    assert_eq!(daemon.cli_json(&["lint"])["findings"][0]["severity"], "info");
    daemon.write_vendor("acme", &format!("{VENDOR}intervall = \"5s\"\n"));
    let said = printed(&daemon, &["lint"], 3);
    assert!(said.contains("vendors/acme.toml:7:1") && said.contains("`interval`") && said.ends_with("1 error\n"), "{said}");
    let said = printed(&daemon, &["alert", "test", "oncall"], 3);
    assert!(said.contains("vendors/acme.toml:7:1") && said.ends_with("1 error in the configuration\n"), "{said}");
    let failed = daemon.cli(&["alert", "test", "oncall", "--json"]);
    let error: Value = serde_json::from_str(&failed.err).unwrap();
    assert!(error["error"]["where"].as_str().unwrap().ends_with("vendors/acme.toml:7:1") && failed.out.is_empty(), "{failed:?}");
}

#[test]
fn history_can_be_read_whatever_is_wrong_with_the_vendors() {
    let daemon = fleet();
    let before = daemon.cli_json(&["uptime", "acme/api"]);
    daemon.write_vendor("acme", "[[checks]]\nintervall = 3\n");
    daemon.write_config("[[receivers]]\nname = \"a\"\nkind = \"webhook\"\nurl = { file = \"not-here\" }\n");
    assert_eq!(daemon.cli_json(&["uptime", "acme/api"]), before);
    printed(&daemon, &["outages"], 0);
    daemon.write_config("[store]\nurl = 5\n");
    let said = printed(&daemon, &["outages"], 3);
    assert!(said.contains("vendord.toml:2:7"), "{said}");
}

#[test]
fn without_a_database() {
    let daemon = Daemon::new(CONFIG, &[]);
    for verb in [&["status"][..], &["outages"], &["uptime", "acme"], &["alert", "list"], &["store", "verify"]] {
        let said = printed(&daemon, verb, 4);
        assert_eq!(said, "error: there is no database at DIR/vendord.db; `vendord run` makes it\n", "{verb:?}");
    }
}

#[test]
fn a_damaged_database_is_found() {
    let daemon = fleet();
    let database = daemon.path("vendord.db");
    rusqlite::Connection::open(&database).unwrap().execute_batch("UPDATE segments SET to_ms = to_ms + 5000 WHERE id = 1").unwrap();
    let said = printed(&daemon, &["store", "verify"], 1);
    assert!(said.contains("overlap or leave a hole"), "{said}");
    assert_eq!(daemon.cli_json(&["store", "verify"])["findings"].as_array().unwrap().len(), 1);
    std::fs::write(&database, "no database, but longer than a header of one hundred bytes has to be. ".repeat(9)).unwrap();
    assert!(printed(&daemon, &["store", "verify"], 1).contains("not a database"));
    assert!(printed(&daemon, &["status"], 4).contains("damaged"));
}

fn with_receiver(url: &str) -> Daemon {
    let receiver = format!(
        "{CONFIG}[[receivers]]\nname = \"oncall\"\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = {{ env = \"CLI_TEST_SECRET\" }}\n[[routes]]\nreceiver = \"oncall\"\n"
    );
    Daemon::new(&receiver, &[]).environment([("CLI_TEST_SECRET".to_owned(), SECRET.to_owned())])
}

#[test]
fn a_test_is_sent_and_shows_no_secret() {
    let receiver = Receiver::start();
    let daemon = with_receiver(&format!("{}/canary?token=canary", receiver.url()));
    let said = printed(&daemon, &["alert", "test", "oncall"], 0);
    let tries = receiver.tries();
    assert_eq!((tries.len(), tries[0].event().as_str(), tries[0].signature_problem(SECRET)), (1, "test", None));
    assert!(said.contains("webhook-signature: v1,…") && said.contains("answer 2"), "{said}");
    assert!(said.contains(tries[0].webhook_id()) && said.ends_with("oncall accepted the test\n"), "{said}");
    let signature = tries[0].header("webhook-signature").unwrap();
    assert!(!said.contains("canary") && !said.contains(signature), "{said}");
    let tested = daemon.cli_json(&["alert", "test", "oncall"]);
    assert_eq!((&tested["accepted"], &tested["request"]["body"]["type"]), (&json!(true), &json!("test")));

    let refused = with_receiver("http://127.0.0.1:9/canary");
    let said = printed(&refused, &["alert", "test", "oncall"], 1);
    assert!(said.contains("no answer: ") && !said.contains("canary"), "{said}");
    assert!(printed(&refused, &["alert", "test", "onkall"], 2).contains("did you mean \"oncall\"?"));
}

#[test]
fn a_reader_that_left_is_no_fault() {
    let daemon = fleet();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
    command.arg("-c").arg(daemon.path("vendord.toml")).args(["outages", "--json"]);
    let ended = command.stdin(Stdio::null()).stdout(write).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
