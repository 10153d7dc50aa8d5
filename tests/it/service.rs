//! vendord as a service: what the service manager hears, how well the unit is fenced in, and what is packaged with it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Daemon, FakeVendor, Receiver, s, skip};
use crate::scene::{PATIENT, check, config, receiver, route, vendor};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

/// The service manager's end of `sd_notify(3)`.
struct Manager {
    socket: UnixDatagram,
    path: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl Manager {
    fn new() -> Manager {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(s(10))).unwrap();
        Manager { socket, path, _directory: directory }
    }

    fn environment(&self, watchdog: Duration) -> [(String, String); 2] {
        [("NOTIFY_SOCKET".into(), self.path.display().to_string()), ("WATCHDOG_USEC".into(), watchdog.as_micros().to_string())]
    }

    /// What is said next.
    #[track_caller]
    fn hears(&self) -> String {
        let mut message = [0; 1024];
        let bytes = self.socket.recv(&mut message).expect("the daemon says something within 10 s");
        String::from_utf8_lossy(&message[..bytes]).trim_end().to_owned()
    }

    /// Waits until `word` is said, past the signs of life.
    #[track_caller]
    fn hears_of(&self, word: &str) {
        while !self.hears().starts_with(word) {}
    }
}

#[test]
fn the_service_manager_hears_ready_life_reload_and_stop() {
    let manager = Manager::new();
    let api = FakeVendor::start();
    let file = vendor(1, &[check("a", &api.url("/a"), "")]);
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &file)]).environment(manager.environment(Duration::from_millis(300)));
    daemon.start();
    assert_eq!(manager.hears(), "READY=1");
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    assert!(began.elapsed() < s(5), "thrice within the time that the manager gives");
    daemon.sighup();
    manager.hears_of("RELOADING=1\nMONOTONIC_USEC=");
    manager.hears_of("READY=1");
    assert!(daemon.term().success());
    manager.hears_of("STOPPING=1");
}

/// A disk that refuses everything stops nothing that the watchdog looks at.
#[test]
fn f39_a_store_that_refuses_is_no_reason_to_be_killed() {
    let manager = Manager::new();
    let api = FakeVendor::start();
    let file = vendor(1, &[check("a", &api.url("/a"), "interval = \"200ms\"\n")]);
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &file)]).environment(manager.environment(Duration::from_millis(300)));
    daemon.start();
    let database = rusqlite::Connection::open(daemon.path("vendord.db")).unwrap();
    database.busy_timeout(s(5)).and_then(|()| database.execute_batch("BEGIN EXCLUSIVE")).unwrap();
    daemon.wait_for("results wait in memory", s(20), |d| (d.metric("vendord_store_up", &[]) == Some(0.0)).then_some(()));
    while manager.socket.set_nonblocking(true).is_ok() && manager.socket.recv(&mut [0; 64]).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    for _ in 0..5 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    drop(database);
    daemon.wait_for("it writes again", s(20), |d| (d.metric("vendord_store_up", &[]) == Some(1.0)).then_some(()));
}

/// The packaged folder is 0750 and the files 0640, group `vendord`: its members read, also while no daemon keeps a log open.
#[test]
fn who_may_only_read_reads_the_history_of_a_daemon_that_stopped() {
    let api = FakeVendor::start();
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &vendor(1, &[check("a", &api.url("/a"), "")]))]);
    daemon.start();
    daemon.wait_for("a run", s(10), |d| d.metric("vendord_check_last_run_timestamp_seconds", &[]));
    assert!(daemon.term().success());
    let mut reads = Command::new(env!("CARGO_BIN_EXE_vendord"));
    reads.arg("-c").arg(daemon.path("vendord.toml")).arg("status");
    for file in ["vendord.db", "vendord.toml"] {
        fs::set_permissions(daemon.path(file), Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(daemon.directory(), Permissions::from_mode(0o555)).unwrap();
    if rustix::process::geteuid().is_root() {
        // Nothing is closed to root.
        reads.uid(NOBODY).gid(NOBODY);
    }
    match reads.output() {
        Ok(printed) => assert!(printed.status.success() && String::from_utf8_lossy(&printed.stdout).contains("acme"), "{printed:?}"),
        Err(error) => skip("reading without the right to write", &format!("another user cannot start the binary: {error}")),
    }
    fs::set_permissions(daemon.directory(), Permissions::from_mode(0o755)).unwrap();
}

/// `systemd-analyze security` from 0 (nothing is left to do) to 10; a stock unit without any fence has 9.6.
#[test]
fn s14_the_unit_is_fenced_in() {
    const EXPOSURE_MAX: f64 = 1.5;
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/vendord.service");
    let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager", unit]).output() else {
        return skip("the exposure of the unit", "systemd-analyze is not installed");
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let Some(line) = text.lines().find(|line| line.contains("Overall exposure level")) else {
        return skip("the exposure of the unit", &format!("systemd-analyze did not judge it: {}", String::from_utf8_lossy(&output.stderr)));
    };
    let exposure: f64 = line.rsplit(": ").next().and_then(|rest| rest.split(' ').next()).and_then(|n| n.parse().ok()).expect(line);
    assert!(exposure <= EXPOSURE_MAX, "{text}");
}

fn vendord(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_vendord")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_verb_is_completed_and_in_the_manual() {
    let help = vendord(&["--help"]);
    let commands = help.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    let verbs: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.contains(&"run") && verbs.contains(&"doctor"), "{verbs:?}");
    let manual = vendord(&["man"]);
    for shell in ["bash", "zsh", "fish"] {
        let script = vendord(&["completions", shell]);
        verbs.iter().for_each(|verb| assert!(script.contains(verb), "{shell}: {verb}"));
    }
    verbs.iter().for_each(|verb| assert!(manual.contains(&format!("vendord {verb}")), "{verb}"));
    lint(&manual);
}

fn lint(manual: &str) {
    let page = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(page.path(), manual).unwrap();
    match Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(page.path()).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(_) => skip("the manual page", "mandoc is not installed"),
    }
}

/// (health, message) of one subject.
fn finding<'f>(examined: &'f Value, subject: &str) -> (&'f str, &'f str) {
    let findings = examined["findings"].as_array().unwrap();
    let one = findings.iter().find(|one| one["subject"] == subject).unwrap_or_else(|| panic!("{subject}: {examined}"));
    (one["health"].as_str().unwrap(), one["message"].as_str().unwrap())
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &vendor(1, &[check("a", &api.url("/a"), "")]))]);
    let before = daemon.cli(&["doctor"]);
    assert_eq!(before.code(), Some(0), "{before:?}");
    assert!(before.out.contains("`vendord run` makes it"), "{before:?}");

    daemon.start();
    let running = daemon.cli_json(&["doctor"]);
    assert_eq!(finding(&running, "daemon").0, "ok", "{running}");
    assert_eq!(finding(&running, "receiver ops"), ("note", "was never sent anything"));
    assert!(finding(&running, "address").1.contains("in use while the daemon runs"), "{running}");
    api.set("/a", 503);
    daemon.wait_for("the webhook", s(10), |_| (!hook.accepted().is_empty()).then_some(()));
    daemon.wait_for("the doctor knows of it", s(10), |d| (finding(&d.cli_json(&["doctor"]), "receiver ops").0 == "ok").then_some(()));

    daemon.kill9();
    let dead = daemon.cli(&["doctor"]);
    assert_eq!(dead.code(), Some(1), "{dead:?}");
    assert!(dead.out.contains("PROBLEM") && dead.out.contains("it does not run; it wrote at"), "{dead:?}");
    daemon.write_config(&config(&[]));
    let mute = daemon.cli_json(&["doctor"]);
    assert_eq!(finding(&mute, "receivers"), ("problem", "cannot alert: there are none"));
}
