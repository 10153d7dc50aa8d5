//! `vendord demo`: what it prints, the past that is there, the outage that is played, and that nothing of it stays behind.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{self, s, wait_for};

/// A demo in a temporary directory of its own.
pub struct Demo {
    child: Child,
    temporary: tempfile::TempDir,
    /// Beside its own, which is empty when it has ended.
    printed: PathBuf,
    ended: Option<ExitStatus>,
}

impl Demo {
    pub fn start(arguments: &[&str]) -> Demo {
        let temporary = tempfile::Builder::new().prefix("vendord-it-").tempdir().expect("a temporary directory");
        let (printed, inner) = (temporary.path().join("printed"), temporary.path().join("tmp"));
        fs::create_dir(&inner).expect("the directory is ours");
        let out = File::create(&printed).expect("the directory is ours");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
        command.arg("demo").args(arguments).env("TMPDIR", &inner).env_remove("VENDORD_CONFIG");
        let errors = out.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn().expect("the binary starts");
        Demo { child, temporary, printed, ended: None }
    }

    fn printed(&self) -> String {
        fs::read_to_string(&self.printed).expect("the file is ours")
    }

    /// Waits until it has printed a line with all of these.
    #[track_caller]
    pub fn tells(&mut self, parts: &[&str]) -> String {
        let found = |demo: &Demo| demo.printed().lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned);
        wait_for(&format!("a line with {parts:?}"), s(60), || {
            let line = found(self);
            assert!(line.is_some() || self.child.try_wait().expect("our own child").is_none(), "it ended:\n{}", self.printed());
            line
        })
    }

    /// The port of its page.
    #[track_caller]
    pub fn port(&mut self) -> u16 {
        let line = self.tells(&["  page ", "http://127.0.0.1:"]);
        line.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok()).expect("a port")
    }

    /// What a command says that was printed, run on the configuration that was printed.
    #[track_caller]
    fn asks(&self, arguments: &[&str]) -> Value {
        let config = self.directories().into_iter().next().expect("it has a directory").join("vendord.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
        let out = command.arg("-c").arg(config).args(arguments).arg("--json").output().expect("the binary runs");
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{arguments:?} printed no JSON ({e}): {out:?}"))
    }

    /// Of the temporary ones.
    fn directories(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.temporary.path().join("tmp")).expect("the directory is ours");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        let status = wait_for("the end", s(30), || self.child.try_wait().expect("our own child"));
        self.ended = Some(status);
        status.code()
    }

    #[track_caller]
    pub fn stop(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).expect("our own child, not yet waited for");
        self.ends()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It may have ended by itself meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("the demo printed:\n{}", self.printed());
        }
    }
}

fn list<'v>(answer: &'v Value, of: &str) -> &'v Vec<Value> {
    answer[of].as_array().expect("a list")
}

fn newest(demo: &Demo) -> Value {
    list(&demo.asks(&["outages", "--vendor", "acme-pay"]), "outages")[0].clone()
}

#[test]
fn an_outage_is_played_measured_told_and_linked_to_what_the_vendor_says_later() {
    let mut demo = Demo::start(&["--pace", "10", "--port", "0"]);
    let port = demo.port();
    demo.tells(&["Acme Pay answers 503"]);
    let told = demo.tells(&["webhook", "FIRING critical", "Acme Pay is down"]);
    assert!(told.contains("http_status"), "{told}");
    assert_eq!(newest(&demo)["ended_at"], Value::Null);
    demo.tells(&["Acme Pay posts an incident"]);
    demo.tells(&["webhook", "FIRING critical", "Acme Pay reports: API requests fail"]);
    demo.tells(&["webhook", "RESOLVED critical", "Acme Pay was down"]);
    demo.tells(&["It happens again in"]);
    let outage = newest(&demo);
    assert_eq!(outage["class"], "acknowledged", "{outage}");
    let lag = outage["acknowledgement_lag_seconds"].as_f64().expect("the incident is linked");
    // 4 s after it failed, which was seen at the next run of a check.
    assert!((2.0..=4.0).contains(&lag), "{lag}");
    let metrics = harness::get(port, "/metrics").expect("the daemon answers").text();
    assert!(metrics.contains("vendord_outages_total{vendor=\"acme-pay\",blame=\"inconclusive\"} 1"), "{metrics}");
    assert_eq!(demo.stop(Signal::TERM), Some(0));
    assert!(demo.directories().is_empty(), "{:?}", demo.directories());
    assert!(harness::get(port, "/metrics").is_err(), "somebody still listens");
}

#[test]
fn ninety_days_are_there_from_the_beginning() {
    let mut demo = Demo::start(&["--port", "0"]);
    demo.port();
    let uptime = demo.asks(&["uptime", "acme-pay", "--window", "90d", "--explain"]);
    let coverage = uptime["availability"]["coverage"].as_f64().expect("there is history");
    assert!((0.99..1.0).contains(&coverage), "all but one gap was watched: {coverage}");
    let gaps = list(&uptime, "segments").iter().filter(|segment| segment["reason"] == "monitor_down").count();
    assert_eq!(gaps, 1, "{uptime}");
    let outages = demo.asks(&["outages"]);
    let of = |vendor: &str| list(&outages, "outages").iter().filter(|outage| outage["vendor"] == vendor).count();
    assert_eq!(
        ["acme-pay", "larkmail", "forgeyard", "swiftreef", "hearthside", "pinewood", "pigeonry", "thistle-ai"].map(of),
        [3, 2, 3, 1, 1, 1, 2, 2]
    );
    // The declared past comes from the pages, by the reader, one page after another.
    wait_for("the incidents of the past", s(60), || (list(&demo.asks(&["incidents"]), "incidents").len() >= 15).then_some(()));
    wait_for("every page was read, and meets what was measured", s(60), || {
        let outages = demo.asks(&["outages"]);
        let classes = |class: &str| list(&outages, "outages").iter().filter(|outage| outage["class"] == class).count();
        ((classes("silent"), classes("late"), classes("acknowledged")) == (3, 1, 9)).then_some(())
    });
    let states = demo.asks(&["status"]);
    let state = |id: &str| list(&states, "vendors").iter().find(|v| v["vendor"] == id).map(|v| v["measured"].clone());
    assert_eq!(["swiftreef", "pinewood", "thistle-ai"].map(state), ["up", "degraded", "unknown"].map(|word| Some(Value::from(word))));
    let config = demo.directories()[0].join("vendord.toml");
    let verify = Command::new(env!("CARGO_BIN_EXE_vendord")).arg("-c").arg(config).args(["store", "verify"]).output().expect("it runs");
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
    assert_eq!(demo.stop(Signal::INT), Some(0));
}

#[test]
fn two_at_a_time_keep_apart_have_the_same_past_and_end_by_themselves() {
    let mut demos = [(); 2].map(|()| Demo::start(&["--for", "20s"]));
    let [one, other] = [0, 1].map(|nth| demos[nth].port());
    assert_ne!(one, other);
    for port in [one, other] {
        wait_for("both are ready", s(20), || harness::get(port, "/-/ready").ok().filter(|page| page.status == 200));
    }
    // Only the instants differ.
    let past = |demo: &Demo| {
        let outages = demo.asks(&["outages"]);
        list(&outages, "outages").iter().map(|o| (o["vendor"].clone(), o["seconds"].clone(), o["checks"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(past(&demos[0]), past(&demos[1]));
    for demo in &mut demos {
        assert_eq!(demo.ends(), Some(0), "{}", demo.printed());
        assert!(demo.directories().is_empty(), "{:?}", demo.directories());
    }
}

#[test]
fn what_is_to_be_kept_is_kept_and_nothing_of_anybody_else_is_touched() {
    let kept = tempfile::tempdir().expect("a temporary directory");
    let place = kept.path().join("demo");
    let mut demo = Demo::start(&["--port", "0", "--keep", &place.to_string_lossy()]);
    demo.port();
    assert_eq!(demo.stop(Signal::TERM), Some(0));
    for file in ["vendord.toml", "vendord.db", "vendors/acme-pay.toml"] {
        assert!(place.join(file).exists(), "{file} is gone");
    }
    let mut again = Demo::start(&["--keep", &place.to_string_lossy()]);
    assert_eq!(again.ends(), Some(2));
    assert!(again.printed().contains("is not empty"), "{}", again.printed());
}

#[test]
fn a_port_that_is_taken_is_said_and_leaves_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it listens").port().to_string();
    let mut demo = Demo::start(&["--port", &port]);
    assert_eq!(demo.ends(), Some(4));
    assert!(demo.printed().contains(&format!("cannot listen on 127.0.0.1:{port}")), "{}", demo.printed());
    assert!(demo.directories().is_empty());
}
