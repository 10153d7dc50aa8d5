//! `vendord import` from other monitors through the real binary: their configuration as checks of ours, and what they
//! saw as our history.

use serde_json::{Value, json};

use crate::harness::{Daemon, FakeVendor, Printed, s};
use crate::scene;

const CONFIG: &str = r#"
[store]
url = "sqlite:{dir}/vendord.db"
[web]
listen = "127.0.0.1:{port}"
"#;

fn write(daemon: &Daemon, name: &str, text: &str) -> String {
    let path = daemon.path(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// As a person would: what is printed goes into a vendor's file, and `lint` has to take it.
#[track_caller]
fn loads(daemon: &Daemon, toml: &str) {
    write(daemon, "vendors/over.toml", toml);
    let linted = daemon.cli(&["lint"]);
    assert_eq!(linted.code(), Some(0), "{}\n{toml}", linted.out);
}

/// Without a vendor; the variables are there that the checks will name.
fn bare(variables: &[&str]) -> Daemon {
    let secret = |name: &&str| ((*name).to_owned(), "a-secret-of-twenty-characters".to_owned());
    Daemon::new(CONFIG, &[]).environment(variables.iter().map(secret))
}

const GATUS: &str = r#"
storage:
  type: sqlite
  path: /data/data.db
alerting:
  slack:
    webhook-url: "https://hooks.slack.example/services/T024BE91L/B1234567/0a1b2c3d4e5f6a7b8c9d0e1f"
endpoints:
  - name: front-end
    group: core
    url: "https://shop.example/health"
    interval: 5m
    headers:
      Authorization: "Bearer hunter2-hunter2"
      Accept: application/json
    conditions:
      - "[STATUS] == 200"
      - "[BODY].status == UP"
      - "[RESPONSE_TIME] < 300"
      - "[CERTIFICATE_EXPIRATION] > 48h"
      - "has([BODY].errors) == false"
    alerts:
      - type: slack
  - name: front-end
    group: eu
    url: "https://eu.shop.example/health"
    client: { insecure: true, timeout: 5s }
    conditions: ["len([BODY].items) > 0"]
  - name: name
    url: "9.9.9.9"
    dns: { query-name: "shop.example", query-type: "A" }
    conditions: ["[BODY] == 192.0.2.1", "[DNS_RCODE] == NOERROR"]
  - name: ping
    url: "icmp://shop.example"
    enabled: false
    conditions: ["[CONNECTED] == true"]
  - name: cache
    url: "tcp://cache.example:6379"
    body: "PING"
    conditions: ["[BODY] == pat(*PONG*)"]
  - name: mail
    url: "starttls://mail.example:587"
    conditions: ["[CONNECTED] == true", "[CERTIFICATE_EXPIRATION] > 36h"]
  - name: certificate
    url: "tls://mail.example:993"
    conditions: ["[CONNECTED] == true"]
  - name: stream
    url: "wss://stream.example/v1"
    body: '{"op":"ping"}'
    conditions: ["[BODY].op == pong"]
  - name: odd
    url: "sctp://odd.example:38412"
    conditions: ["[CONNECTED] == true"]
external-endpoints:
  - name: nightly
    group: core
    token: "hunter2hunter2hunter2"
    heartbeat: { interval: 24h }
"#;

#[test]
fn a_configuration_of_gatus_becomes_checks() {
    let daemon = bare(&["CORE_FRONT_END_TOKEN", "CORE_NIGHTLY_TOKEN"]);
    let file = write(&daemon, "config.yaml", GATUS);
    let Printed { status, out, err } = daemon.cli(&["import", "gatus-config", &file]);
    assert_eq!(status.code(), Some(5), "{err}");
    assert!(!out.contains("hunter2") && !err.contains("hunter2") && !out.contains("0a1b2c3d"), "{out}\n{err}");
    for line in [
        "name = \"core-front-end\"",
        "auth = { bearer = { env = \"CORE_FRONT_END_TOKEN\" } }",
        "expect = [\"status == 200\", \"$.status == 'UP'\", \"latency < 300ms\", \"cert.days_left > 2\"]",
        "expect = [\"count($.items[*]) > 0\", \"status >= 100\"]",
        "expect = [\"dns.answers contains '192.0.2.1'\", \"dns.rcode == 'NOERROR'\"]",
        "kind = \"icmp\"\naddress = \"shop.example\"\nenabled = false",
        "starttls = \"smtp\"\nexpect = [\"cert.days_left > 1.5\"]",
        "kind = \"push\"\ntoken = { env = \"CORE_NIGHTLY_TOKEN\" }\ninterval = \"1d\"",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    for line in [
        "10 monitors read, 9 checks, 1 not carried\n",
        "odd: not carried: there is no kind of check for sctp://\n",
        "core/front-end (core-front-end): not carried: has([BODY].errors) == false: that something is not there cannot be asked for\n",
        "core/front-end (core-front-end): put its token into the environment as CORE_FRONT_END_TOKEN\n",
        "eu/front-end (eu-front-end): not carried: `client.insecure`: certificates are verified; name an authority with ca\n",
        "not read: alerting\n",
    ] {
        assert!(err.contains(line), "{line}\n{err}");
    }
    loads(&daemon, &out);

    let one = daemon.cli(&["import", "gatus-config", &file, "--group", "eu"]);
    assert_eq!(one.out.matches("[[checks]]").count(), 1, "{}", one.out);
    let none = daemon.cli(&["import", "gatus-config", &file, "--group", "asia"]);
    assert_eq!((none.status.code(), none.out.as_str()), (Some(1), ""));
    assert!(none.err.contains("it has no group \"asia\""), "{}", none.err);
}

#[test]
fn what_is_no_configuration_is_said() {
    let daemon = bare(&[]);
    for (verb, text) in [
        ("gatus-config", "endpoints: ["),
        ("gatus-config", "endpoints: 3"),
        ("gatus-config", ""),
        ("kuma-config", "{}"),
        ("kuma-config", "x"),
    ] {
        let file = write(&daemon, "config", text);
        let Printed { status, out, err } = daemon.cli(&["import", verb, &file]);
        assert_eq!((status.code(), out.as_str()), (Some(1), ""), "{verb} {text}: {err}");
        assert!(err.contains(&file), "{err}");
    }
}

const BACKUP: &str = r#"{"version": "1.23.0", "notificationList": [], "monitorList": [
  {"id": 1, "name": "Shop", "type": "group", "active": true},
  {"id": 2, "name": "API (EU)", "parent": 1, "type": "keyword", "url": "https://joe:hunter2@api.example/v1?api_key=hunter2", "method": "POST", "interval": 60,
   "retryInterval": 20, "maxretries": 2, "timeout": 48, "keyword": "it's ok", "maxredirects": 10, "accepted_statuscodes": ["200-299", "300-399"],
   "headers": "{\"X-Token\": \"hunter2\", \"Accept\": \"text/html\"}", "body": "{\"a\": 1}", "ignoreTls": true, "active": true},
  {"id": 3, "name": "Database", "type": "port", "hostname": "db.example", "port": 5432, "interval": 20, "maxretries": 0, "active": false},
  {"id": 4, "name": "Ping", "type": "ping", "hostname": "db.example", "packetSize": 56, "interval": 60},
  {"id": 5, "name": "Name", "type": "dns", "hostname": "example.com", "dns_resolve_type": "MX", "dns_resolve_server": "1.1.1.1,8.8.8.8", "port": 53, "interval": 60},
  {"id": 6, "name": "Backup", "type": "push", "pushToken": "hunter2hunter2", "interval": 86400, "maxretries": 0},
  {"id": 7, "name": "Version", "type": "json-query", "url": "https://api.example/version", "jsonPath": "data.version", "jsonPathOperator": ">=", "expectedValue": "3",
   "accepted_statuscodes": ["200", "401"], "interval": 60},
  {"id": 8, "name": "Container", "type": "docker", "docker_container": "web"},
  {"id": 9, "name": "Closed", "type": "port", "hostname": "db.example", "port": 22, "upsideDown": true},
  {"id": 10, "name": "gRPC", "type": "grpc-keyword", "grpcUrl": "rpc.example:443", "grpcEnableTls": true, "grpcServiceName": "Health", "grpcMethod": "check", "keyword": "SERVING"}
]}"#;

#[test]
fn a_backup_of_uptime_kuma_becomes_checks() {
    let daemon = bare(&["SHOP_API_EU_PASSWORD", "SHOP_API_EU_HEADER_X_TOKEN", "BACKUP_TOKEN"]);
    let file = write(&daemon, "backup.json", BACKUP);
    let Printed { status, out, err } = daemon.cli(&["import", "kuma-config", &file]);
    assert_eq!(status.code(), Some(5), "{err}");
    assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}\n{err}");
    for line in [
        "name = \"api-eu\"\nkind = \"http\"\nauth = { basic = { username = \"joe\", password = { env = \"SHOP_API_EU_PASSWORD\" } } }\nurl = \"https://api.example/v1?api_key=REPLACE-ME\"",
        "retry_interval = \"20s\"\ntimeout = \"48s\"\ndown_after = \"3\"",
        "expect = [\"status >= 200\", \"status <= 399\", \"body contains 'it\\\\'s ok'\"]\nenabled = false",
        "record_type = \"MX\"\nserver = \"1.1.1.1\"",
        "expect_status = [200, 401]",
        "expect = [\"$.data.version >= 3\"]",
        "address = \"rpc.example:443\"",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    for line in [
        "9 monitors read, 7 checks, 2 not carried\n",
        "Container: not carried: there is no kind of check for its type \"docker\"\n",
        "Closed: not carried: it is upside down",
    ] {
        assert!(err.contains(line), "{line}\n{err}");
    }
    loads(&daemon, &out);
}

// --- a past -------------------------------------------------------------------------------------------------------------

const VENDOR: &str = "name = \"Acme\"\nmerge_gap = \"5m\"\n[[checks]]\nname = \"api\"\nkind = \"http\"\nurl = \"https://api.acme.example/\"\n\
    [[checks]]\nname = \"web\"\nkind = \"http\"\nurl = \"https://acme.example/\"\n";

fn acme() -> Daemon {
    Daemon::new(CONFIG, &[("acme", VENDOR)])
}

/// Minutes after this. A day that is over, whenever the test runs.
fn minute(minute: i64) -> String {
    let began: jiff::Timestamp = "2026-01-05T00:00:00Z".parse().unwrap();
    (began + jiff::SignedDuration::from_mins(minute)).to_string()
}

fn rows(minutes: std::ops::Range<i64>, down: std::ops::Range<i64>) -> String {
    let row = |at: i64| match down.contains(&at) {
        true => format!("{},down,,connect_timeout\n", minute(at)),
        false => format!("{},up,120.5,\n", minute(at)),
    };
    format!("at,outcome,latency_ms,reason\n{}", minutes.map(row).collect::<String>())
}

#[track_caller]
fn import(daemon: &Daemon, arguments: &[&str], code: i32) -> Value {
    let Printed { status, out, err } = daemon.cli(&[&["import"], arguments, &["--json"]].concat());
    assert_eq!((status.code(), err.as_str()), (Some(code), ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// read, taken, drawn, known, repeated, refused of a monitor
#[track_caller]
fn counts(report: &Value, nth: usize, want: [u64; 6]) {
    let monitor = &report["monitors"][nth];
    let got = ["read", "taken", "drawn", "known", "repeated", "refused"].map(|name| monitor[name].as_u64().unwrap());
    assert_eq!(got, want, "{report}");
}

fn outages(daemon: &Daemon) -> Vec<(String, String, String, bool)> {
    let all = daemon.cli_json(&["outages"]);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |o: &Value| (text(&o["started_at"]), text(&o["ended_at"]), o["checks"].to_string(), o["imported"] == true);
    all["outages"].as_array().unwrap().iter().rev().map(row).collect()
}

fn outage(from: i64, to: i64, checks: &str) -> (String, String, String, bool) {
    let millis = |at| minute(at).replace('Z', ".000Z");
    (millis(from), millis(to), checks.to_owned(), true)
}

/// Seconds up, down and unknown of a target in minutes.
#[track_caller]
fn uptime(daemon: &Daemon, target: &str, minutes: std::ops::Range<i64>) -> [i64; 3] {
    let (from, to) = (minute(minutes.start), minute(minutes.end));
    let told = daemon.cli_json(&["uptime", target, "--from", &from, "--to", &to]);
    ["up", "down", "unknown"].map(|state| told["seconds"][state].as_f64().unwrap_or_else(|| panic!("{told}")) as i64)
}

#[track_caller]
fn sound(daemon: &Daemon) {
    assert_eq!(daemon.cli_json(&["store", "verify"])["findings"], json!([]));
}

#[test]
fn observations_become_history() {
    let daemon = acme();
    let file = write(&daemon, "api.csv", &rows(0..120, 60..75));
    let dry = import(&daemon, &["observations", "acme/api", &file, "--dry-run"], 0);
    counts(&dry, 0, [120, 120, 0, 0, 0, 0]);
    assert!(dry["dry_run"] == true && !daemon.path("vendord.db").exists());
    let report = import(&daemon, &["observations", "acme/api", &file], 0);
    counts(&report, 0, [120, 120, 0, 0, 0, 0]);
    assert_eq!(report["monitors"][0]["outages"], 1);
    assert_eq!(outages(&daemon), [outage(60, 75, "[\"api\"]")]);
    assert_eq!(daemon.cli_json(&["outages"])["outages"][0]["confirmed_at"], minute(62).replace('Z', ".000Z"));
    for target in ["acme/api", "acme"] {
        assert_eq!(uptime(&daemon, target, 0..119), [104 * 60, 15 * 60, 0], "{target}");
    }
    sound(&daemon);

    // The same again changes nothing.
    counts(&import(&daemon, &["observations", "acme/api", &file], 0), 0, [120, 0, 0, 120, 0, 0]);
    // What follows goes on with it, and what came before is a part of its own.
    let later = write(&daemon, "later.csv", &rows(100..180, 150..160));
    counts(&import(&daemon, &["observations", "acme/api", &later], 0), 0, [80, 60, 0, 20, 0, 0]);
    let before = write(&daemon, "before.csv", &rows(-60..10, -30..-20));
    counts(&import(&daemon, &["observations", "acme/api", &before], 0), 0, [70, 60, 0, 10, 0, 0]);
    let want = [outage(-30, -20, "[\"api\"]"), outage(60, 75, "[\"api\"]"), outage(150, 160, "[\"api\"]")];
    assert_eq!(outages(&daemon), want);
    assert_eq!(uptime(&daemon, "acme/api", -60..179), [(239 - 35) * 60, 35 * 60, 0]);
    assert_eq!(uptime(&daemon, "acme", -60..179), [(239 - 35) * 60, 35 * 60, 0]);
    // A second check that failed at the same time is in the same outage.
    let web = write(&daemon, "web.csv", &rows(0..120, 70..80));
    import(&daemon, &["observations", "acme/web", &web], 0);
    assert_eq!(outages(&daemon)[1], outage(60, 80, "[\"api\",\"web\"]"));
    assert_eq!(outages(&daemon).len(), 3);
    sound(&daemon);
}

#[test]
fn what_we_saw_ourselves_stays_and_the_daemon_goes_on() {
    let vendor = FakeVendor::start();
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &scene::vendor(1, &[scene::check("api", &vendor.url("/"), "")]))]);
    daemon.start();
    vendor.set_all(503);
    daemon.wait_for("an outage of our own", s(10), |daemon| (!outages(daemon).is_empty()).then_some(()));
    vendor.set_all(200);
    daemon.wait_for("its end", s(10), |daemon| (outages(daemon)[0].1 != "-").then_some(()));
    daemon.term();
    let own = outages(&daemon);
    let now = jiff::Timestamp::now();
    let row = |minutes: i64| format!("{},{},,\n", now - jiff::SignedDuration::from_mins(minutes), if minutes == 5 { "down" } else { "up" });
    // The last row lies after our own first look.
    let rows: String = (1..=60).rev().map(row).collect::<String>() + &format!("{},down,,\n", jiff::Timestamp::now());
    let file = write(&daemon, "api.csv", &format!("at,outcome,latency_ms,reason\n{rows}"));
    let report = import(&daemon, &["observations", "acme/api", &file], 0);
    let known = report["monitors"][0]["known"].as_u64().unwrap();
    assert!((1..=2).contains(&known) && report["monitors"][0]["taken"] == 61 - known, "{report}");
    let all = outages(&daemon);
    assert_eq!((all.len(), all[0].3, &all[1..]), (2, true, &own[..]));
    sound(&daemon);
    daemon.start();
    daemon.wait_for("a status", s(10), |daemon| (daemon.cli_json(&["status"])["vendors"][0]["measured"] == "up").then_some(()));
    assert_eq!(outages(&daemon), all);
    // An hour of somebody else's time is no increase of a counter of ours.
    let observed = daemon.metric("vendord_vendor_observed_seconds_total", &[("vendor", "acme")]);
    assert!(observed.is_some_and(|seconds| seconds < 600.0), "{observed:?}");
    let busy = daemon.cli(&["import", "observations", "acme/api", &file]);
    assert_eq!(busy.status.code(), Some(4), "{busy:?}");
    daemon.term();
    sound(&daemon);
}

#[test]
fn rows_that_cannot_be_taken_are_told() {
    let daemon = acme();
    let text = format!("at,outcome\n{0},up\n{0},up\nnoon,up\n{1},gone\n2999-01-01T00:00:00Z,up\n", minute(0), minute(1));
    let file = write(&daemon, "api.csv", &text);
    let report = import(&daemon, &["observations", "acme/api", &file], 5);
    counts(&report, 0, [5, 1, 0, 0, 1, 3]);
    let said = daemon.cli(&["import", "observations", "acme/api", &file]).out.replace(&file, "FILE");
    assert_eq!(
        said,
        "acme/api: 5 read, 0 taken, 1 known, 1 repeated, 3 refused\n\
         FILE:4:1: at: \"noon\" is not a time; write it with its zone, as 2026-11-23T20:35:00Z\n\
         FILE:5:1: outcome: \"gone\" is none of up, degraded, down, unknown\n\
         FILE:6:1: at: it lies in the future\n"
    );
    let unknown = daemon.cli(&["import", "observations", "acme/apy", &file]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(unknown.err.contains("there is no check \"acme/apy\"; did you mean \"acme/api\"?"), "{}", unknown.err);
}

/// The tables that are read, as Uptime Kuma 2.0 makes them.
const KUMA: &str = "
CREATE TABLE monitor (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(150), active BOOLEAN DEFAULT 1 NOT NULL, user_id INTEGER, interval INTEGER DEFAULT 20 NOT NULL,
  url TEXT, type VARCHAR(20), hostname VARCHAR(255), port INTEGER, parent INTEGER, maxretries INTEGER NOT NULL DEFAULT 0, keyword VARCHAR(255),
  accepted_statuscodes_json TEXT NOT NULL DEFAULT '[\"200-299\"]', retry_interval INTEGER NOT NULL DEFAULT 0, upside_down BOOLEAN NOT NULL DEFAULT 0,
  basic_auth_user TEXT, basic_auth_pass TEXT, method TEXT NOT NULL DEFAULT 'GET');
CREATE TABLE heartbeat (id INTEGER PRIMARY KEY AUTOINCREMENT, important BOOLEAN NOT NULL DEFAULT 0, monitor_id INTEGER NOT NULL, status SMALLINT NOT NULL, msg TEXT,
  time DATETIME NOT NULL, ping INTEGER, duration INTEGER NOT NULL DEFAULT 0, down_count INTEGER NOT NULL DEFAULT 0, end_time DATETIME, retries INTEGER NOT NULL DEFAULT 0);
CREATE TABLE stat_minutely (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, ping FLOAT NOT NULL, up SMALLINT NOT NULL, down SMALLINT NOT NULL, UNIQUE (monitor_id, timestamp));
CREATE TABLE stat_hourly (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, ping FLOAT NOT NULL, ping_min FLOAT NOT NULL DEFAULT 0, ping_max FLOAT NOT NULL DEFAULT 0,
  up SMALLINT NOT NULL, down SMALLINT NOT NULL, extras TEXT, UNIQUE (monitor_id, timestamp));
CREATE TABLE stat_daily (id INTEGER PRIMARY KEY, monitor_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, ping FLOAT NOT NULL, up SMALLINT NOT NULL, down SMALLINT NOT NULL, extras TEXT, UNIQUE (monitor_id, timestamp));
INSERT INTO monitor (id, name, type, url, interval, parent, basic_auth_user, basic_auth_pass) VALUES
  (1, 'Acme', 'group', NULL, 60, NULL, NULL, NULL), (2, 'API', 'http', 'https://api.acme.example/', 60, 1, 'joe', 'hunter2'), (3, 'Shop', 'http', 'https://acme.example/', 60, NULL, NULL, NULL);
";

fn at(minutes: i64) -> jiff::Timestamp {
    minute(minutes).parse().unwrap()
}

/// Two days of which only the second is kept look by look; on the first the API was down from minute 125 to 150.
fn kuma(daemon: &Daemon) -> String {
    let path = daemon.path("kuma.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(KUMA).unwrap();
    db.execute_batch("BEGIN").unwrap();
    let beat = |monitor: i64, minutes: i64, status: i64, important: bool, message: &str| {
        let time = at(minutes).strftime("%Y-%m-%d %H:%M:%S.000").to_string();
        db.execute(
            "INSERT INTO heartbeat (important, monitor_id, status, msg, time, ping, duration) VALUES (?1, ?2, ?3, ?4, ?5, 80, 60)",
            (important, monitor, status, message, time),
        )
        .unwrap();
    };
    for hour in 0..24 {
        let down = match hour {
            2 => 25,
            _ => 0,
        };
        db.execute(
            "INSERT INTO stat_hourly (monitor_id, timestamp, ping, up, down) VALUES (2, ?1, 80.5, ?2, ?3)",
            (at(hour * 60).as_second(), 60 - down, down),
        )
        .unwrap();
    }
    beat(2, 125, 0, true, "connect ECONNREFUSED 192.0.2.1:443");
    beat(2, 150, 1, true, "200 - OK");
    for minutes in 1440..1500 {
        // It is tried twice before it is called down; then there is maintenance.
        let (status, message) = match minutes {
            1460 | 1461 => (2, "timeout of 48000ms exceeded"),
            1462..1470 => (0, "timeout of 48000ms exceeded"),
            1480..1490 => (3, "Monitor under maintenance"),
            _ => (1, "200 - OK"),
        };
        beat(2, minutes, status, matches!(minutes, 1462 | 1470), message);
        beat(3, minutes, 1, minutes == 1440, "200 - OK");
    }
    db.execute_batch("COMMIT").unwrap();
    path.display().to_string()
}

#[test]
fn uptime_kuma_s_past_becomes_ours() {
    let daemon = acme();
    let file = kuma(&daemon);
    let dry = import(&daemon, &["uptime-kuma", &file, "--dry-run"], 5);
    assert_eq!(dry["unmatched"], json!([{"monitor": "Shop", "rows": 60}]));
    let map = ["uptime-kuma", &file, "--map", "Shop=acme/web"];
    let report = import(&daemon, &map, 0);
    // 24 hours, 62 beats; each hour is drawn with twelve looks.
    counts(&report, 0, [86, 24 * 12 + 60, 24 * 12 - 2, 0, 0, 0]);
    counts(&report, 1, [60, 60, 0, 0, 0, 0]);
    assert_eq!((&report["monitors"][0]["monitor"], &report["monitors"][0]["check"]), (&json!("Acme/API"), &json!("acme/api")));
    assert_eq!(outages(&daemon), [outage(125, 150, "[\"api\"]"), outage(1460, 1470, "[\"api\"]")]);
    // 25 and 10 minutes down; maintenance is unknown, after what the look before it was good for.
    let [up, down, unknown] = uptime(&daemon, "acme/api", 0..1499);
    assert_eq!((down, up + down + unknown), (35 * 60, 1499 * 60));
    assert!((500..=600).contains(&unknown), "{unknown}");
    sound(&daemon);
    let again = import(&daemon, &map, 0);
    counts(&again, 0, [86, 0, 0, 24 * 12 + 60, 0, 0]);
    assert_eq!(outages(&daemon).len(), 2);

    // The configuration is in the same file.
    let config = daemon.cli(&["import", "kuma-config", &file, "--group", "Acme"]);
    assert!(config.out.contains("url = \"https://api.acme.example/\"") && !config.out.contains("hunter2"), "{config:?}");
    assert!(config.out.contains("auth = { basic = { username = \"joe\", password = { env = \"ACME_API_PASSWORD\" } } }"), "{}", config.out);
}

/// As Gatus makes them.
const GATUS_TABLES: &str = "
CREATE TABLE endpoints (endpoint_id INTEGER PRIMARY KEY, endpoint_key TEXT UNIQUE, endpoint_name TEXT NOT NULL, endpoint_group TEXT NOT NULL, UNIQUE(endpoint_name, endpoint_group));
CREATE TABLE endpoint_events (endpoint_event_id INTEGER PRIMARY KEY, endpoint_id INTEGER NOT NULL REFERENCES endpoints(endpoint_id) ON DELETE CASCADE, event_type TEXT NOT NULL, event_timestamp TIMESTAMP NOT NULL);
CREATE TABLE endpoint_results (endpoint_result_id INTEGER PRIMARY KEY, endpoint_id INTEGER NOT NULL, success INTEGER NOT NULL, errors TEXT NOT NULL, connected INTEGER NOT NULL, status INTEGER NOT NULL,
  dns_rcode TEXT NOT NULL, certificate_expiration INTEGER NOT NULL, domain_expiration INTEGER NOT NULL, hostname TEXT NOT NULL, ip TEXT NOT NULL, duration INTEGER NOT NULL, timestamp TIMESTAMP NOT NULL);
CREATE TABLE endpoint_uptimes (endpoint_uptime_id INTEGER PRIMARY KEY, endpoint_id INTEGER NOT NULL, hour_unix_timestamp INTEGER NOT NULL, total_executions INTEGER NOT NULL, successful_executions INTEGER NOT NULL,
  total_response_time INTEGER NOT NULL, UNIQUE(endpoint_id, hour_unix_timestamp));
INSERT INTO endpoints VALUES (1, 'acme_api', 'api', 'acme'), (2, '_other', 'other', '');
";

#[test]
fn the_past_of_gatus_becomes_ours() {
    let daemon = acme();
    let path = daemon.path("data.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(GATUS_TABLES).unwrap();
    // Ten hours in sums; of the one with 6 failures no change is left, of the other there is.
    for hour in 0..10 {
        let bad = match hour {
            1 => 6,
            4 => 20,
            _ => 0,
        };
        let row = (at(hour * 60).as_second(), 60 - bad, 60 * 150);
        db.execute("INSERT INTO endpoint_uptimes VALUES (NULL, 1, ?1, 60, ?2, ?3)", row).unwrap();
    }
    let go = |minutes: i64| at(minutes).strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string();
    for (kind, minutes) in [("START", 0), ("UNHEALTHY", 260), ("HEALTHY", 280)] {
        db.execute("INSERT INTO endpoint_events VALUES (NULL, 1, ?1, ?2)", (kind, go(minutes))).unwrap();
    }
    for minutes in 540..600 {
        let row = (minutes != 570, if minutes == 570 { "context deadline exceeded" } else { "" }, go(minutes));
        db.execute("INSERT INTO endpoint_results VALUES (NULL, 1, ?1, ?2, 1, 200, '', 0, 0, 'api.acme.example', '', 150000000, ?3)", row)
            .unwrap();
    }
    drop(db);
    let file = path.display().to_string();
    let report = import(&daemon, &["gatus", &file], 5);
    assert_eq!(report["unmatched"], json!([{"monitor": "other", "rows": 0}]));
    counts(&report, 0, [70, 8 * 12 + 60, 8 * 12, 0, 0, 0]);
    assert_eq!(report["monitors"][0]["unclear"], 60);
    assert_eq!(outages(&daemon), [outage(260, 280, "[\"api\"]")]);
    let [up, down, unknown] = uptime(&daemon, "acme/api", 0..599);
    assert_eq!((down, up + down + unknown), (20 * 60, 599 * 60));
    assert!((50 * 60..=60 * 60).contains(&unknown), "{unknown}");
    sound(&daemon);
    let other = import(&daemon, &["gatus", &file, "--map", "_other=acme/web"], 0);
    counts(&other, 0, [70, 0, 0, 8 * 12 + 60, 0, 0]);
    counts(&other, 1, [0; 6]);
    for (more, code, says) in [
        (&["--map", "other"][..], 2, "has no `=`"),
        (&["--map", "nobody=acme/web"], 2, "there is no monitor \"nobody\""),
        (&["--map", "other=acme/nothing"], 2, "there is no check \"acme/nothing\""),
    ] {
        let said = daemon.cli(&[&["import", "gatus", &file], more].concat());
        assert!(said.status.code() == Some(code) && said.err.contains(says), "{said:?}");
    }
    let kuma = daemon.cli(&["import", "uptime-kuma", &file]);
    assert!(kuma.status.code() == Some(1) && kuma.err.contains("it is no database of Uptime Kuma"), "{kuma:?}");
}
