//! Checks that report by themselves: what is heard, what silence is, and who may speak.

use crate::evidence::timeline;
use crate::harness::{Daemon, Receiver, s};
use crate::scene::{PATIENT, config, count, receiver, reloaded, route, vendor};

const TOKEN: &str = "a-token-that-nobody-guesses";
const AUTHORIZED: (&str, &str) = ("authorization", "Bearer a-token-that-nobody-guesses");

/// Silent after two seconds.
fn push(more: &str) -> String {
    format!(
        "[[checks]]\nname = \"job\"\nkind = \"push\"\ninterval = \"1s\"\ngrace = \"1s\"\ntoken = {{ env = \"JOB_TOKEN\" }}\nflap_changes = 0\n{more}\n"
    )
}

fn daemon(parts: &[String]) -> Daemon {
    let daemon = Daemon::new(&config(parts), &[("acme", &vendor(1, &[push("")]))]);
    daemon.environment([("JOB_TOKEN".to_owned(), TOKEN.to_owned())])
}

fn report(daemon: &Daemon, path: &str, body: &str) -> u16 {
    daemon.post(path, &[AUTHORIZED], body.as_bytes()).expect("the daemon answers").status
}

#[track_caller]
fn becomes(daemon: &Daemon, what: &str, level: f64) {
    let labels = [("check", "job")];
    daemon.wait_for(what, s(15), |d| (d.metric("vendord_check_state_level", &labels) == Some(level)).then_some(()));
}

const UP: f64 = 1.0;
const DOWN: f64 = 5.0;

#[test]
fn a_report_is_up_silence_is_down_and_the_next_report_ends_it() {
    let hook = Receiver::start();
    let mut daemon = daemon(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    daemon.start();
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200);
    becomes(&daemon, "up", UP);
    becomes(&daemon, "down for silence", DOWN);
    let failures = daemon.metrics().sum("vendord_check_failures_by_reason_total", &[("check", "job"), ("reason", "receive")]);
    assert!(failures >= 1.0, "{failures}");
    daemon.wait_for("the alert", s(10), |_| (count(&hook, "firing", "vendor.down") == 1).then_some(()));
    assert_eq!(daemon.get(&format!("/push/acme/job/{TOKEN}?message=at+last")).unwrap().text(), "{\"ok\":true}\n");
    becomes(&daemon, "up again", UP);
    daemon.wait_for("the end of the alert", s(10), |_| (count(&hook, "resolved", "vendor.down") == 1).then_some(()));

    assert_eq!(report(&daemon, "/push/acme/job?status=up", "{\"status\": \"down\", \"message\": \"disk full\"}"), 200);
    becomes(&daemon, "down as it says itself", DOWN);
    daemon.wait_for("the message", s(10), |_| hook.accepted().iter().any(|(_, a)| a.to_string().contains("disk full")).then_some(()));
    let states: Vec<_> = timeline(&daemon, "acme/job").iter().map(|s| s["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states.iter().filter(|state| *state != "unknown").collect::<Vec<_>>(), ["up", "down", "up", "down"], "{states:?}");
    assert!(!daemon.log().contains(TOKEN), "the token is in the log");
}

/// Silence while nobody listened is no failure: neither before a restart nor right after it.
#[test]
fn a_restart_during_silence_makes_nothing_down() {
    let mut daemon = daemon(&[]);
    daemon.start();
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200);
    becomes(&daemon, "up", UP);
    daemon.term();
    // Longer than interval and grace together.
    let silent = std::time::Instant::now() + s(3);
    daemon.start();
    while std::time::Instant::now() < silent {
        daemon.kill9();
        daemon.start();
    }
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200);
    becomes(&daemon, "up", UP);
    let segments = timeline(&daemon, "acme/job");
    assert!(segments.iter().all(|s| s["state"] != "down"), "{segments:?}");
    let failures = daemon.metrics().sum("vendord_check_failures_total", &[("check", "job")]);
    assert_eq!(failures, 0.0);
    becomes(&daemon, "down, now that somebody listens", DOWN);
}

#[test]
fn a_reload_neither_forgets_nor_excuses_silence() {
    let mut daemon = daemon(&[]);
    daemon.start();
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200);
    becomes(&daemon, "up", UP);
    // More reloads than silence needs looks: were each a beginning, it would never be heard.
    daemon.wait_for("down in spite of reloads", s(20), |d| {
        reloaded(d);
        (d.metric("vendord_check_state_level", &[("check", "job")]) == Some(DOWN)).then_some(())
    });
    daemon.write_vendor("acme", &vendor(1, &[push("enabled = false")]));
    reloaded(&daemon);
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200, "a job need not know that its check is paused");
    daemon.write_vendor("acme", &vendor(1, &[push("")]));
    reloaded(&daemon);
    assert_eq!(report(&daemon, "/push/acme/job", ""), 200);
    becomes(&daemon, "up", UP);
}

#[test]
fn only_who_knows_the_token_is_heard() {
    let mut daemon = daemon(&[]);
    daemon.start();
    let post = |path: &str, headers: &[(&str, &str)], body: &[u8]| daemon.post(path, headers, body).expect("the daemon answers");
    let wrong = [("authorization", "Bearer a-token-that-somebody-guesses")];
    let refused = post("/push/acme/job", &wrong, b"");
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    let unknown = post("/push/acme/none", &[AUTHORIZED], b"");
    assert_eq!((unknown.status, unknown.text()), (refused.status, refused.text()), "what exists cannot be told from the answer");
    assert_eq!(post("/push/acme/job", &[], b"").status, 401);
    assert_eq!(daemon.get("/push/acme/job/guess").unwrap().status, 401);

    assert_eq!(post("/push/acme/job", &[AUTHORIZED], &[b' '; 16 * 1024 + 1]).status, 413);
    assert_eq!(post("/push/acme/job", &[AUTHORIZED], b"{nonsense").status, 400);
    assert_eq!(post("/push/acme/job?status=fine", &[AUTHORIZED], b"").status, 400);
    assert_eq!(daemon.metric("vendord_check_runs_total", &[("check", "job")]).unwrap_or(0.0), 0.0, "none of these was a report");

    for _ in 0..10 {
        post("/push/acme/job", &wrong, b"");
    }
    let limited = post("/push/acme/job", &[AUTHORIZED], b"");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
    assert!(!daemon.log().contains(TOKEN));
}
