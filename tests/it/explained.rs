//! Why a vendor is as it is: what was seen in failing runs is kept, shown and redacted.

use serde_json::Value;

use crate::evidence::number;
use crate::harness::{Daemon, FakeVendor, Mode, Reply, s};
use crate::scene;

/// What `outages ID` keeps of the only outage there is.
fn evidence(daemon: &Daemon) -> Vec<Value> {
    let all = daemon.cli_json(&["outages"]);
    let id = all["outages"][0]["id"].as_str().expect("there is an outage").to_owned();
    assert!(all["outages"][0].get("evidence").is_none(), "lists stay short");
    daemon.cli_json(&["outages", &id])["outages"][0]["evidence"].as_array().expect("one outage has its evidence").clone()
}

fn runs(evidence: &[Value]) -> Vec<u64> {
    evidence.iter().map(|one| one["run"].as_u64().expect("a number")).collect()
}

#[test]
fn the_first_and_the_last_failing_runs_of_an_outage_are_kept() {
    let vendor = FakeVendor::start();
    let check = scene::check(
        "api",
        &vendor.url("/health?api_key=in-the-url"),
        "interval = \"200ms\"\nretry_interval = \"100ms\"\nheaders = { Authorization = \"Bearer t0p-s3cret-token\" }\nexpect = [\"status == 200\"]\n",
    );
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &scene::vendor(1, &[check]))]);
    daemon.start();
    daemon.wait_for("a good run", s(10), |_| (vendor.hits("/health") >= 2).then_some(()));
    let busy = Reply::from(Mode::Status(503)).header("X-Request-Id", "r-77").body("you sent t0p-s3cret-token");
    vendor.set_all(busy);
    daemon.wait_for("ten failing runs", s(20), |d| (d.metric("vendord_check_failures_total", &[]).unwrap_or(0.0) >= 10.0).then_some(()));
    daemon.kill9();
    daemon.start();
    let before = daemon.metric("vendord_check_failures_total", &[]).unwrap_or(0.0);
    daemon
        .wait_for("more of them", s(20), |d| (d.metric("vendord_check_failures_total", &[]).unwrap_or(0.0) >= before + 5.0).then_some(()));
    let explained = daemon.cli(&["explain", "acme"]);
    assert_eq!(explained.code(), Some(1), "{explained:?}");
    for part in [
        "acme: measured down",
        "outage ",
        "down after 1 run",
        "failing run 1 (http_status)",
        "x-request-id: r-77",
        "> GET /health?api_key=… HTTP/1.1",
    ] {
        assert!(explained.out.contains(part), "{part}: {}", explained.out);
    }
    vendor.set_all(Mode::Status(200));
    daemon.wait_for("recovery", s(20), |d| d.cli_json(&["outages"])["outages"][0]["ended_at"].is_string().then_some(()));

    let kept = evidence(&daemon);
    let runs = runs(&kept);
    assert_eq!(runs.len(), 6, "{runs:?}");
    assert_eq!(runs[..3], [1, 2, 3]);
    assert!(runs[3] > 10 && runs[4] == runs[3] + 1 && runs[5] == runs[4] + 1, "{runs:?}: the last ones, over a restart");
    for one in &kept {
        assert_eq!((one["check"].as_str(), one["reason"].as_str()), (Some("api"), Some("http_status")));
        assert_eq!(one["hops"][0]["http_status"], 503);
        assert_eq!(one["failed"][0]["expression"], "status == 200");
        assert_eq!(one["body"], "you sent …");
    }
    let all = daemon.cli(&["explain", "acme", "--json"]).out + &explained.out + &daemon.log();
    for secret in ["t0p-s3cret-token", "in-the-url"] {
        assert!(!all.contains(secret), "{secret} is shown");
        let db = std::fs::read(daemon.path("vendord.db"))
            .expect("the database")
            .into_iter()
            .chain(std::fs::read(daemon.path("vendord.db-wal")).unwrap_or_default());
        let bytes: Vec<u8> = db.collect();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is stored");
    }
    assert!(daemon.term().success());
}

#[test]
fn failures_that_were_never_confirmed_leave_nothing() {
    let vendor = FakeVendor::start();
    let check = "[[checks]]\nname = \"api\"\nkind = \"http\"\nurl = \"{url}\"\ninterval = \"300ms\"\nretry_interval = \"100ms\"\ndown_after = \"30\"\n";
    let file = check.replace("{url}", &vendor.url("/"));
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &file)]);
    daemon.start();
    let runs = |d: &Daemon| d.metric("vendord_check_runs_total", &[]).unwrap_or(0.0);
    daemon.wait_for("a good run", s(10), |d| (runs(d) >= 2.0).then_some(()));
    vendor.set_all(Mode::Status(500));
    let rows = |d: &Daemon| number(&crate::evidence::database(d), "SELECT count(*) FROM evidence");
    daemon.wait_for("evidence of a suspicion", s(10), |d| (rows(d) >= 2).then_some(()));
    vendor.set_all(Mode::Status(200));
    daemon.wait_for("nothing left of it", s(10), |d| (rows(d) == 0).then_some(()));
    assert!(daemon.term().success());
}
