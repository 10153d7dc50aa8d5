//! The harness does what it says: without the daemon, so that a failure elsewhere is the daemon's.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::time::{Instant, SystemTime};

use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::harness::{Call, Daemon, FakeVendor, Metrics, Mode, Receiver, Reply, Shim, get, ms, post, s, wait_for};

#[test]
fn a_vendor_answers_by_path_and_keeps_what_it_answered() {
    let vendor = FakeVendor::start();
    vendor.set("/api", 503);
    vendor.set("/dated", Reply::ok().header("Date", "Sun, 06 Nov 1994 08:49:37 GMT").body("x"));
    vendor.set("/gone", Mode::Redirect("http://127.0.0.1:1/".to_owned()));
    assert_eq!(get(vendor.port(), "/api?x=1").unwrap().status, 503);
    let dated = get(vendor.port(), "/dated").unwrap();
    assert_eq!((dated.text().as_str(), dated.header("date")), ("x", Some("Sun, 06 Nov 1994 08:49:37 GMT")));
    assert_eq!(get(vendor.port(), "/gone").unwrap().header("location"), Some("http://127.0.0.1:1/"));
    assert_eq!(get(vendor.port(), "/else").unwrap().status, 200);
    let codes: Vec<_> = vendor.served().into_iter().map(|s| (s.path, s.code)).collect();
    let want = [("/api", 503), ("/dated", 200), ("/gone", 302), ("/else", 200)];
    assert_eq!(codes, want.map(|(path, code)| (path.to_owned(), Some(code))));
    assert_eq!(vendor.hits("/api"), 1);
}

#[test]
fn a_vendor_can_refuse_and_come_back_on_the_same_port() {
    let vendor = FakeVendor::start();
    for _ in 0..3 {
        vendor.refuse();
        let refused = get(vendor.port(), "/").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        vendor.listen();
        assert_eq!(get(vendor.port(), "/").unwrap().status, 200);
    }
}

/// Everything that the server sends, and how it ends.
fn raw(port: u16, bytes_max: usize) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(ms(300))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let end = stream.take(bytes_max as u64).read_to_end(&mut got);
    (got, end.err().map(|e| e.kind()))
}

#[test]
fn a_vendor_misbehaves_in_many_ways() {
    use std::io::ErrorKind::{ConnectionReset, WouldBlock};
    let vendor = FakeVendor::start();
    let behaves = |mode: Mode, bytes_max| {
        vendor.set("/", mode);
        raw(vendor.port(), bytes_max)
    };
    let (got, end) = behaves(Mode::Reset { after_bytes: 20 }, 1000);
    assert!(got.len() <= 20 && end == Some(ConnectionReset), "{got:?} {end:?}");
    assert_eq!(behaves(Mode::Hang, 1000), (vec![], Some(WouldBlock)));
    assert_eq!(behaves(Mode::Drop, 1000), (vec![], None));
    assert_eq!(behaves(Mode::Endless, 1 << 20).0.len(), 1 << 20);

    let began = Instant::now();
    let (got, end) = behaves(Mode::Loris { bytes_per_second: 200 }, 20);
    assert!(got.len() == 20 && end.is_none() && began.elapsed() >= ms(90), "{:?}", began.elapsed());

    let (bomb, _) = behaves(Mode::GzipBomb, 1 << 20);
    assert!(bomb.len() < 500_000, "{}", bomb.len());
    assert!(String::from_utf8_lossy(&bomb).contains("Content-Encoding: gzip"));
    vendor.set("/", Mode::WrongLength);
    assert_eq!(get(vendor.port(), "/").unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
    vendor.set("/", Reply::ok().delay(ms(100)));
    let began = Instant::now();
    get(vendor.port(), "/").unwrap();
    assert!(began.elapsed() >= ms(100));
}

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn port_of(url: &str) -> u16 {
    url.split([':', '/']).nth(4).unwrap().parse().unwrap()
}

fn message(event: &str, rule: &str, id: u32) -> String {
    format!(r#"{{"type":"alert.{event}","data":{{"alerts":[{{"rule":"{rule}","vendor":"acme","subject":"acme","id":"{id}"}}]}}}}"#)
}

#[test]
fn a_receiver_keeps_tries_and_tells_what_is_out_of_turn() {
    let receiver = Receiver::start();
    let port = port_of(&receiver.url());
    let send = |webhook_id: &str, body: &str| {
        let sent = post(port, "/hook", &[("webhook-id", webhook_id)], body.as_bytes());
        sent.map(|page| page.status).ok()
    };
    receiver.set(Reply::from(429).header("Retry-After", "7"));
    assert_eq!(send("m1", &message("firing", "vendor.down", 1)), Some(429));
    receiver.set(Mode::Drop);
    assert_eq!(send("m1", &message("firing", "vendor.down", 1)), None);
    receiver.set(200);
    assert_eq!(send("m1", &message("firing", "vendor.down", 1)), Some(200));
    assert_eq!(send("m1", &message("firing", "vendor.down", 1)), Some(200));
    assert_eq!(receiver.told(), [("firing".to_owned(), "vendor.down".to_owned())]);
    assert_eq!(receiver.out_of_turn().len(), 1);
    send("m2", &message("resolved", "vendor.down", 1));
    assert_eq!(receiver.out_of_turn(), []);
    assert_eq!((receiver.tries().len(), receiver.accepted_tries().len()), (5, 3));
    assert_eq!(receiver.without_one_id(), []);
    send("m3", &message("resolved", "vendor.down", 1));
    assert_eq!(receiver.without_one_id().len(), 1);
    assert_eq!(receiver.out_of_turn().len(), 1);
}

#[test]
fn a_receiver_verifies_signatures_by_itself() {
    let receiver = Receiver::start();
    let mut example = {
        post(port_of(&receiver.url()), "/hook", &[], br#"{"test": 2432232314}"#).unwrap();
        receiver.tries().remove(0)
    };
    assert!(example.signature_problem(SECRET).unwrap().contains("missing"));
    // The example of the specification's reference implementations.
    for (name, value) in [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,xxx v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ] {
        example.headers.push((name.to_owned(), value.to_owned()));
    }
    assert!(example.signature_problem(SECRET).unwrap().contains("is not that of"));
    example.wall = SystemTime::UNIX_EPOCH + s(1_614_265_331);
    assert_eq!(example.signature_problem(SECRET), None);
    example.body.push(b' ');
    assert!(example.signature_problem(SECRET).unwrap().contains("lacks"));
}

#[test]
fn metrics_are_read_as_prometheus_would() {
    let text = "# HELP a b\n# TYPE a gauge\na{x=\"1\",y=\"q\\\"\\\\\\n}\"} 2.5 1700000000\na{x=\"2\"} +Inf\nb 3\n";
    let metrics = Metrics::parse(text);
    assert_eq!(metrics.get("a", &[("y", "q\"\\\n}")]), Some(2.5));
    assert_eq!(metrics.get("a", &[("x", "2")]), Some(f64::INFINITY));
    assert_eq!(metrics.get("a", &[("x", "3")]), None);
    assert_eq!(metrics.sum("b", &[]), 3.0);
}

/// Takes the arguments of the daemon, and does little.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/stand-in.sh");

#[test]
fn a_daemon_is_started_told_and_ended() {
    let vendor = FakeVendor::start();
    vendor.set("/metrics", Reply::ok().body("up{vendor=\"acme\"} 1\n"));
    let config = "listen = \"127.0.0.1:{port}\"\npath = \"{dir}/vendord.db\"\n";
    let extra = [("EXTRA".to_owned(), "more".to_owned())];
    let mut daemon = Daemon::of(STAND_IN, config, &[("acme", "name = 1")]).environment(extra);
    let written = std::fs::read_to_string(daemon.path("vendord.toml")).unwrap();
    assert!(written.contains(&format!(":{}\"", daemon.port)) && !written.contains('{'), "{written}");
    assert!(daemon.path("vendors/acme.toml").exists());

    // The vendor answers in the stand-in's place.
    daemon.port = vendor.port();
    daemon.start();
    assert_eq!(daemon.metric("up", &[("vendor", "acme")]), Some(1.0));
    daemon.wait_for("the start in the log", s(5), |d| d.log().contains("vendord.toml and more").then_some(()));
    daemon.sighup();
    daemon.wait_for("the reload", s(5), |d| d.log().contains("told to reload").then_some(()));
    assert_eq!(daemon.term().code(), Some(3));
    daemon.start();
    daemon.kill9();
    assert_eq!(daemon.pid(), None);

    let printed = daemon.cli(&["status"]);
    assert_eq!((printed.code(), printed.err.trim()), (Some(2), "a word aside"));
    assert_eq!(daemon.cli_json(&["status"]), serde_json::json!({"verb": "status", "last": "--json"}));
}

fn under(shim: &Shim, program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).envs(shim.environment()).output();
    output.expect("coreutils are there")
}

#[test]
fn the_nth_write_fails_once_or_for_good() {
    let Some(shim) = Shim::new("shimmed") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let copies = |name: &str| {
        let to = format!("of={}", directory.path().join(name).display());
        under(&shim, "dd", &["if=/dev/zero", &to, "bs=512", "count=4", "conv=fsync"]).status.success()
    };
    for (call, n, other, this, fails) in [
        (Call::Write, 3, "plain", "shimmed", true),
        (Call::Sync, 1, "plain", "shimmed", true),
        (Call::Write, 99, "plain", "shimmed", false),
    ] {
        shim.fail_nth(call, n, Errno::IO, false);
        assert!(copies(other), "other files are left alone");
        assert_eq!(shim.calls(call), 0);
        assert_eq!(copies(this), !fails, "{call:?} {n}");
        assert_eq!(shim.failed(call), u64::from(fails));
        assert!(copies(this), "it was for once");
        shim.heal();
    }
    shim.fail_nth(Call::Write, 2, Errno::NOSPC, true);
    let to = format!("of={}", directory.path().join("shimmed").display());
    let failed = under(&shim, "dd", &["if=/dev/zero", &to, "bs=512", "count=4"]);
    assert!(String::from_utf8_lossy(&failed.stderr).contains("space"), "{failed:?}");
    assert!(!copies("shimmed") && shim.failed(Call::Write) >= 2);
    shim.heal();
    assert!(copies("shimmed"));
}

/// What [`clocks_step_and_the_machine_sleeps`] and [`sqlite_is_seen`] run under the shim: this very test, by name.
fn this_binary(shim: &Shim, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "harness_itself::under_the_shim", "--nocapture"]);
    command.envs(shim.environment()).env("HARNESS_ROLE", role);
    command
}

/// No test of its own: a part that other tests run in a process with the shim.
#[test]
fn under_the_shim() {
    match std::env::var("HARNESS_ROLE").as_deref() {
        Ok("clocks") => show_clocks(),
        Ok(path) => write_database(path),
        Err(_) => {}
    }
}

fn write_database(path: &str) {
    let database = rusqlite::Connection::open(path).unwrap();
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.pragma_update(None, "synchronous", "FULL").unwrap();
    let result = database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);");
    println!("\nresult {}", result.is_ok());
}

/// A line with wall, boot and monotonic clock for every line of input, as the daemon reads them.
fn show_clocks() {
    for line in std::io::stdin().lines() {
        let millis = |id| {
            let t = clock_gettime(id);
            t.tv_sec * 1000 + t.tv_nsec / 1_000_000
        };
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let [real, boot, mono] = [ClockId::Realtime, ClockId::Boottime, ClockId::Monotonic].map(millis);
        println!("\nclocks {} {wall} {real} {boot} {mono}", line.unwrap());
    }
}

#[test]
fn clocks_step_and_the_machine_sleeps() {
    use std::io::{BufRead, BufReader};
    let Some(shim) = Shim::new("") else { return };
    let mut command = this_binary(&shim, "clocks");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut read = |name: &str| -> Vec<i64> {
        writeln!(input, "{name}").unwrap();
        let wanted = format!("clocks {name} ");
        let line = lines.by_ref().map(|l| l.unwrap()).find(|l| l.starts_with(&wanted)).unwrap();
        line[wanted.len()..].split(' ').map(|n| n.parse().unwrap()).collect()
    };
    let mut stepped = |name: &str, step: &dyn Fn()| -> Vec<i64> {
        let before = read("before");
        step();
        let after = read(name);
        // In steps of 10 s, so that the time between the readings does not matter.
        before.iter().zip(after).map(|(b, a)| ((a - b) as f64 / 10_000.0).round() as i64).collect()
    };
    assert_eq!(stepped("back", &|| shim.step_wall(-3_600_000)), [-360, -360, 0, 0]);
    assert_eq!(stepped("ahead", &|| shim.step_wall(7_200_000)), [720, 720, 0, 0]);
    assert_eq!(stepped("asleep", &|| shim.suspend(600_000)), [60, 60, 60, 0]);
    drop(input);
    assert!(wait_for("the end of the child", s(10), || child.try_wait().unwrap()).success());
    let date = under(&shim, "date", &["+%s"]);
    let shown: u64 = String::from_utf8_lossy(&date.stdout).trim().parse().unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!((shown - now + 30) / 60, 70, "one hour and ten minutes ahead");
}

#[test]
fn sqlite_is_seen() {
    let Some(shim) = Shim::new("vendord.db") else {
        return;
    };
    let writes = |n| {
        let directory = tempfile::tempdir().unwrap();
        shim.fail_nth(Call::Write, n, Errno::IO, false);
        let output = this_binary(&shim, &directory.path().join("vendord.db").to_string_lossy()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains("result true")
    };
    assert!(writes(10_000), "no fault");
    let (writes_seen, syncs_seen) = (shim.calls(Call::Write), shim.calls(Call::Sync));
    assert!(writes_seen > 3 && syncs_seen > 1, "{writes_seen} {syncs_seen}");
    assert!((1..=writes_seen).any(|n| !writes(n) && shim.failed(Call::Write) == 1));
}
