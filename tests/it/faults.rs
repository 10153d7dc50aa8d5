//! What is around the daemon fails: its configuration, its secrets, its port, its descriptors; and it is told to stop.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::process::Signal;

use crate::harness::{Daemon, FakeVendor, Mode, Receiver, ms, s, skip, wait_for};
use crate::scene::{PATIENT, check, config, count, receiver, reload, reloaded, route, vendor};

#[track_caller]
fn level(daemon: &Daemon, level: f64) {
    let now = |d: &Daemon| d.metric("vendord_vendor_measured_level", &[]) == Some(level);
    daemon.wait_for(&format!("level {level}"), s(15), |d| now(d).then_some(()));
}

/// What a person may do to a configuration, and what the refusal has to say.
type Damage = (&'static str, fn(&Daemon, &str, &str), &'static [&'static str]);

const DAMAGES: &[Damage] = &[
    ("a syntax error", |d, main, _| d.write_config(&format!("{main}[web\n")), &["vendord.toml:"]),
    ("an unknown key", |d, main, _| d.write_config(&main.replace("lifecycle", "life_cycle")), &["vendord.toml:", "life_cycle"]),
    ("a route to nobody", |d, main, _| d.write_config(&format!("{main}{}", route("nobody", ""))), &["vendord.toml:", "nobody"]),
    (
        "a secret that is not there",
        |d, main, _| d.write_config(&main.replace("rate = ", "secret = { file = \"absent\" }\nrate = ")),
        &["vendord.toml:", "absent"],
    ),
    (
        "a regular expression",
        |d, _, acme| d.write_vendor("acme", &format!("{acme}expect_body = '('\n")),
        &["acme.toml:", "acme/a", "expect_body"],
    ),
    ("a URL", |d, _, acme| d.write_vendor("acme", &acme.replace("http://", "nowhere//")), &["acme.toml:", "acme/a", "url"]),
    ("an interval", |d, _, acme| d.write_vendor("acme", &acme.replace("500ms", "half a second")), &["acme.toml:", "interval"]),
    ("no file at all", |d, _, _| std::fs::remove_file(d.path("vendord.toml")).unwrap(), &["vendord.toml"]),
    ("another database", |d, main, _| d.write_config(&main.replace("[store]", "[store]\nurl = \"sqlite:else.db\"")), &["needs a restart"]),
    ("another address", |d, main, _| d.write_config(&main.replace("127.0.0.1:{port}", "127.0.0.1:1")), &["needs a restart"]),
];

#[test]
fn f33_a_broken_configuration_changes_nothing() {
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let acme = vendor(1, &[check("a", &api.url("/a"), "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &acme)]);
    daemon.start();
    level(&daemon, 1.0);
    let successful = |d: &Daemon| d.metric("vendord_config_last_reload_successful", &[]);
    let succeeded_at = |d: &Daemon| d.metric("vendord_config_last_reload_success_timestamp_seconds", &[]).unwrap();
    for (nth, (what, damage, says)) in DAMAGES.iter().enumerate() {
        let before = succeeded_at(&daemon);
        damage(&daemon, &main, &acme);
        // By both ways in turn.
        let why = if nth % 2 == 0 {
            let (status, why) = reload(&daemon);
            assert_eq!(status, 500, "{what}: {why}");
            why
        } else {
            let logged = daemon.log().len();
            daemon.sighup();
            daemon.wait_for(what, s(10), |d| (successful(d) == Some(0.0)).then_some(()));
            daemon.wait_for(what, s(10), |d| {
                let new = d.log()[logged..].to_owned();
                new.contains("not reloaded, the old one stays in force").then_some(new)
            })
        };
        assert!(says.iter().all(|word| why.contains(word)), "{what}: {why}");
        assert_eq!((successful(&daemon), succeeded_at(&daemon)), (Some(0.0), before), "{what}");
        // The old one is in force: it looks, notices and tells.
        let told = count(&hook, "firing", "vendor.down");
        api.set("/a", 500);
        level(&daemon, 5.0);
        api.set("/a", 200);
        level(&daemon, 1.0);
        daemon.wait_for(what, s(10), |_| (count(&hook, "firing", "vendor.down") == told + 1).then_some(()));
        daemon.write_config(&main);
        daemon.write_vendor("acme", &acme);
        reloaded(&daemon);
        assert_eq!(successful(&daemon), Some(1.0), "{what}");
        assert!(succeeded_at(&daemon) > before, "{what}");
    }
    daemon.wait_for("the last resolve", s(10), |_| hook.out_of_turn().is_empty().then_some(()));
    assert_eq!(daemon.term().code(), Some(0));
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A way to lose a secret, and what the refusal names beside the path.
type Loss = (&'static str, fn(&Path), &'static [&'static str]);

fn lost_secrets() -> Vec<Loss> {
    let mut ways: Vec<Loss> = vec![
        ("missing", |path| std::fs::remove_file(path).unwrap(), &["no such file"]),
        ("world-readable", |path| mode(path, 0o604), &["read by everybody", "mode 0604", "chmod"]),
        ("empty", |path| std::fs::write(path, "\n").unwrap(), &["empty", "mode 0600"]),
        (
            "a directory",
            |path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            },
            &["directory", "mode 07"],
        ),
    ];
    if rustix::process::geteuid().is_root() {
        skip("F34, a secret that may not be read", "root may read everything");
    } else {
        ways.push(("unreadable", |path| mode(path, 0o000), &["permission", "mode 0000"]));
    }
    ways
}

#[test]
fn f34_a_secret_that_cannot_be_used_is_refused_at_start_and_kept_at_reload() {
    for (what, lose, says) in lost_secrets() {
        let (api, hook) = (FakeVendor::start(), Receiver::start());
        let main = config(&[receiver("ops", &hook.url(), "secret = { file = \"ops.secret\" }"), route("ops", "")]);
        let mut daemon = Daemon::new(&main, &[("acme", &vendor(1, &[check("a", &api.url("/a"), "")]))]);
        let path = daemon.path("ops.secret");
        let keep = |path: &Path| {
            std::fs::write(path, SECRET).unwrap();
            mode(path, 0o600);
        };
        keep(&path);
        daemon.start();
        level(&daemon, 1.0);
        lose(&path);
        let (status, why) = reload(&daemon);
        let printed = daemon.cli(&["run"]);
        assert_eq!((status, printed.code()), (500, Some(3)), "{what}: {why} {printed:?}");
        let owner = if what == "missing" { "" } else { "owner" };
        for text in [&why, &printed.err] {
            assert!(["ops.secret", "vendord.toml", owner].iter().chain(says).all(|word| text.contains(word)), "{what}: {text}");
            assert!(!text.contains(SECRET) && !text.contains(&SECRET[6..]), "{what}: {text}");
        }
        api.set("/a", 500);
        daemon.wait_for(what, s(10), |_| (count(&hook, "firing", "vendor.down") == 1).then_some(()));
        assert_eq!(hook.tries()[0].signature_problem(SECRET), None, "{what}: the old secret is in force");
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap();
        }
        keep(&path);
        reloaded(&daemon);
    }
}

#[test]
fn f35_a_taken_port_is_said_before_the_database_is_touched() {
    let daemon = Daemon::new(&config(&[]), &[]);
    let _taken = TcpListener::bind(("127.0.0.1", daemon.port)).unwrap();
    let began = Instant::now();
    let printed = daemon.cli(&["run"]);
    assert!(began.elapsed() < s(1), "{:?}", began.elapsed());
    assert_eq!(printed.code(), Some(4), "{printed:?}");
    assert!(printed.err.contains(&format!("127.0.0.1:{}", daemon.port)) && printed.err.contains("[web] listen"), "{printed:?}");
    let files: Vec<_> = std::fs::read_dir(daemon.directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| !name.to_string_lossy().contains(".db")), "{files:?}");
}

/// Takes the arguments of the daemon and starts it with `$DESCRIPTORS`.
const FEW_DESCRIPTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/few-descriptors.sh");

#[test]
fn f36_without_descriptors_nothing_is_down() {
    const CHECKS: usize = 100;
    const DESCRIPTORS: usize = 64;
    let api = FakeVendor::start();
    let checks: Vec<String> = (0..CHECKS).map(|n| check(&format!("c{n}"), &api.url(&format!("/{n}")), "interval = \"1s\"")).collect();
    let environment = [("DESCRIPTORS", DESCRIPTORS.to_string()), ("VENDORD", env!("CARGO_BIN_EXE_vendord").to_owned())];
    let mut daemon = Daemon::of(FEW_DESCRIPTORS, &config(&[]), &[("acme", &vendor(1, &checks))])
        .environment(environment.map(|(name, value)| (name.to_owned(), value)));
    daemon.start();
    let runs = |d: &Daemon| d.metrics().sum("vendord_check_runs_total", &[]);
    daemon.wait_for("a few rounds", s(30), |d| (runs(d) >= 5.0 * CHECKS as f64).then_some(()));
    assert_eq!(daemon.metrics().sum("vendord_check_failures_total", &[]), 0.0);

    // Somebody opens more connections to the pages than there are descriptors.
    let idle: Vec<TcpStream> = (0..DESCRIPTORS).filter_map(|_| TcpStream::connect(("127.0.0.1", daemon.port)).ok()).collect();
    daemon.wait_for("no descriptor is left", s(10), |d| d.log().contains("cannot accept a connection").then_some(()));
    let (mut asked, mut since) = (0, Instant::now());
    wait_for("no probe can ask", s(10), || {
        let now = api.served().len();
        if now != asked {
            (asked, since) = (now, Instant::now());
        }
        (since.elapsed() >= s(1)).then_some(())
    });
    drop(idle);
    let before = daemon.wait_for("it answers again", s(10), |d| Some(runs(d)).filter(|runs| *runs > 0.0));
    daemon.wait_for("it looks again", s(20), |d| (runs(d) >= before + 3.0 * CHECKS as f64).then_some(()));
    let metrics = daemon.metrics();
    assert_eq!(metrics.sum("vendord_outages_total", &[]), 0.0);
    let reasons: Vec<&str> =
        metrics.series("vendord_check_failures_by_reason_total", &[]).filter_map(|s| s.labels.get("reason").map(String::as_str)).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| *reason == "own_resource"), "{reasons:?}");
    assert_eq!(daemon.term().code(), Some(0));
    assert_eq!(daemon.cli(&["store", "verify"]).code(), Some(0));
}

fn journal_rows(daemon: &Daemon) -> u64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(daemon.path("vendord.db"), flags).unwrap();
    database.query_row("SELECT count(*) FROM journal", [], |row| row.get::<_, i64>(0)).unwrap() as u64
}

#[test]
fn f41_stopped_under_load_it_loses_nothing() {
    const STOPS: u64 = 15;
    const CHECKS: usize = 200;
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    let checks: Vec<String> = (0..CHECKS).map(|n| check(&format!("c{n}"), &api.url(&format!("/{n}")), "interval = \"1s\"")).collect();
    let main = config(&["[agent]\nmax_per_host = 32\n".to_owned(), receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &vendor(1, &checks))]);
    let mut rows = 0;
    let mut worst = ms(0);
    for stop in 0..STOPS {
        // Every other time the vendor is down, so that outages, alerts and deliveries are under way as well.
        api.set_all(if stop % 2 == 1 { 500 } else { 200 });
        daemon.start();
        let enough = (CHECKS as u64 / 4 + stop * 20) as f64;
        let seen = daemon.wait_for("load", s(20), |d| {
            let runs = d.metrics().sum("vendord_check_runs_total", &[]);
            (runs >= enough).then_some(runs)
        });
        let began = Instant::now();
        assert_eq!(daemon.term().code(), Some(0), "stop {stop}");
        worst = worst.max(began.elapsed());
        assert!(!daemon.path("vendord.db-wal").exists(), "stop {stop}: the log is folded in");
        let now = journal_rows(&daemon);
        assert!(now >= rows + seen as u64, "stop {stop}: {seen} runs were shown, {} are stored", now - rows);
        rows = now;
    }
    assert!(worst <= s(5), "{worst:?}");
    let verified = daemon.cli(&["store", "verify"]);
    assert_eq!(verified.code(), Some(0), "{verified:?}");
    api.set_all(200);
    daemon.start();
    level(&daemon, 1.0);
    daemon.wait_for("every outage is told to its end", s(20), |_| hook.out_of_turn().is_empty().then_some(()));
    assert_eq!(hook.without_one_id(), []);
    assert_eq!(daemon.metrics().sum("vendord_deliveries_dead_total", &[]), 0.0);
    eprintln!("{STOPS} stops, the slowest {worst:?}");
}

/// A daemon whose one message is being tried and not answered.
fn hanging() -> (Daemon, FakeVendor, Receiver) {
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &vendor(1, &[check("a", &api.url("/a"), "")]))]);
    hook.set(Mode::Hang);
    api.set("/a", 500);
    daemon.start();
    wait_for("the try", s(10), || (!hook.tries().is_empty()).then_some(()));
    (daemon, api, hook)
}

#[test]
fn f41_a_receiver_that_hangs_holds_up_no_stop() {
    let (mut daemon, _api, hook) = hanging();
    let began = Instant::now();
    assert_eq!(daemon.term().code(), Some(0));
    assert!(began.elapsed() <= s(5), "{:?}", began.elapsed());
    hook.set(200);
    daemon.start();
    daemon.wait_for("the message", s(10), |_| (count(&hook, "firing", "vendor.down") == 1).then_some(()));
    assert_eq!(hook.without_one_id(), []);
}

#[test]
fn f41_told_twice_it_stops_at_once() {
    let (mut daemon, _api, hook) = hanging();
    daemon.signal(Signal::TERM);
    daemon.wait_for("the first is heard", s(3), |d| d.log().contains("stopping").then_some(()));
    let began = Instant::now();
    assert_eq!(daemon.term().code(), Some(0));
    assert!(began.elapsed() < s(1), "{:?}", began.elapsed());
    assert_eq!(hook.tries().len(), 1);
    hook.set(200);
    daemon.start();
    daemon.wait_for("the message", s(10), |_| (count(&hook, "firing", "vendor.down") == 1).then_some(()));
    assert_eq!(hook.without_one_id(), []);
}
