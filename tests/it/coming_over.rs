//! `vendord import` from other monitors through the real binary: their configuration as checks of ours.

use crate::harness::{Daemon, Printed};

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
