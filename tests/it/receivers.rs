//! Receivers that fail: what is tried again, what is given up, who is told of it, and who must not notice (F28 to F31).

use std::net::TcpListener;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::{Daemon, FakeVendor, Mode, Receiver, Reply, Try, ms, s, skip};
use crate::scene::{PATIENT, TWICE, check, config, count, receiver, reloaded, route, told, vendor};

/// A vendor whose outages go to `main`, and another receiver that hears of what `main` fails at, and of the outages too.
struct Scene {
    daemon: Daemon,
    api: FakeVendor,
    main: Receiver,
    other: Receiver,
}

fn toml(main: &str, retry: &str, other: &str) -> String {
    let receivers = [receiver("main", main, retry), receiver("other", other, PATIENT)].concat();
    config(&[receivers, route("main", "continue = true"), route("other", "")])
}

impl Scene {
    fn new(retry: &str) -> Scene {
        let (api, main, other) = (FakeVendor::start(), Receiver::start(), Receiver::start());
        let text = toml(&main.url(), retry, &other.url());
        Scene { daemon: Daemon::new(&text, &[("acme", &vendor(1, &[check("a", &api.url("/a"), "")]))]), api, main, other }
    }

    #[track_caller]
    fn start(&mut self) {
        self.daemon.start();
        self.level(1.0);
    }

    #[track_caller]
    fn level(&self, level: f64) {
        let now = |d: &Daemon| d.metric("vendord_vendor_measured_level", &[]) == Some(level);
        self.daemon.wait_for(&format!("level {level}"), s(15), |d| now(d).then_some(()));
    }

    #[track_caller]
    fn fails(&self) {
        self.api.set("/a", 500);
        self.level(5.0);
    }

    #[track_caller]
    fn recovers(&self) {
        self.api.set("/a", 200);
        self.level(1.0);
    }

    #[track_caller]
    fn hears(&self, who: &Receiver, n: usize, event: &str, rule: &str) {
        self.daemon.wait_for(&format!("{event} {rule} number {n}"), s(20), |_| (count(who, event, rule) >= n).then_some(()));
    }

    #[track_caller]
    fn dead(&self, n: f64) {
        let dead = |d: &Daemon| d.metrics().sum("vendord_deliveries_dead_total", &[("receiver", "main")]);
        self.daemon.wait_for(&format!("{n} dead"), s(20), |d| (dead(d) >= n).then_some(()));
        assert_eq!(dead(&self.daemon), n);
    }

    #[track_caller]
    fn tries(&self, n: usize) -> Vec<Try> {
        self.daemon.wait_for(&format!("{n} tries"), s(20), |_| {
            let tries = self.main.tries();
            (tries.len() >= n).then_some(tries)
        })
    }

    /// What `other` was told of what `main` fails at.
    fn failing(&self) -> Vec<serde_json::Value> {
        let heard = self.other.accepted().into_iter();
        heard.filter(|(event, a)| event == "alert.firing" && a["rule"] == "delivery.failing").map(|(_, alert)| alert).collect()
    }
}

/// Takes connections and answers every greeting with something that is not TLS.
fn speaks_no_tls() -> u16 {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test process: it holds nothing but its port.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Not TLS\r\n\r\n");
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    port
}

#[test]
fn f27_what_waited_is_drained_at_the_rate() {
    const VENDORS: usize = 40;
    const RATE: usize = 10;
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    let slow = receiver("main", &hook.url(), "retry = [\"0s\", \"2s\", \"2s\", \"2s\", \"2s\", \"2s\", \"2s\", \"2s\"]")
        .replace("50/s", &format!("{RATE}/s"));
    let vendors: Vec<(String, String)> =
        (0..VENDORS).map(|n| (format!("v{n}"), vendor(1, &[check("a", &api.url(&format!("/{n}")), "")]))).collect();
    let files: Vec<(&str, &str)> = vendors.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    let mut daemon = Daemon::new(&config(&[slow, route("main", "")]), &files);
    hook.refuse();
    api.set_all(500);
    daemon.start();
    let waiting = |d: &Daemon| d.metric("vendord_deliveries_pending", &[]);
    daemon.wait_for("all are waiting", s(15), |d| (waiting(d) == Some(VENDORS as f64)).then_some(()));
    hook.listen();
    daemon.wait_for("all are told", s(20), |d| (waiting(d) == Some(0.0)).then_some(()));
    let mut at: Vec<Instant> = hook.tries().iter().map(|t| t.at).collect();
    at.sort();
    assert_eq!(at.len(), VENDORS);
    // A second's worth may come at once, the rest comes at the rate.
    for (n, window) in at.windows(2 * RATE + 2).enumerate() {
        assert!(window[2 * RATE + 1] - window[0] >= ms(950), "more than {RATE}/s from message {n} on: {at:?}");
    }
    assert_eq!(hook.without_one_id(), []);
}

#[test]
fn f28_what_fails_is_tried_again_then_dead_and_told_elsewhere() {
    /// What the receiver does, and the words of the metric.
    enum Fault {
        Answers(Reply, &'static str),
        Refuses,
        NoTls,
    }
    let cases = [
        Fault::Answers(500.into(), "server_error"),
        Fault::Answers(408.into(), "client_error"),
        Fault::Answers(Mode::Drop.into(), "network"),
        Fault::Answers(Mode::Reset { after_bytes: 5 }.into(), "network"),
        Fault::Refuses,
        Fault::NoTls,
    ];
    std::thread::scope(|scope| {
        for case in &cases {
            scope.spawn(move || {
                let mut scene = Scene::new(TWICE);
                let reason = match case {
                    Fault::Answers(reply, reason) => {
                        scene.main.set(reply.clone());
                        *reason
                    }
                    Fault::Refuses => {
                        scene.main.refuse();
                        "network"
                    }
                    Fault::NoTls => {
                        let url = format!("https://127.0.0.1:{}/hook", speaks_no_tls());
                        scene.daemon.write_config(&toml(&url, TWICE, &scene.other.url()));
                        "network"
                    }
                };
                scene.start();
                scene.fails();
                scene.dead(1.0);
                scene.hears(&scene.other, 1, "firing", "delivery.failing");
                let metrics = scene.daemon.metrics();
                let labels = [("receiver", "main"), ("kind", "webhook"), ("reason", reason)];
                assert_eq!(metrics.get("vendord_deliveries_dead_total", &labels), Some(1.0), "{reason}");
                assert_eq!(metrics.get("vendord_delivery_attempts_failed_total", &labels), Some(2.0), "{reason}");
                assert_eq!(metrics.get("vendord_deliveries_pending", &labels[..2]), Some(0.0));
                let failing = &scene.failing()[0];
                assert_eq!((&failing["subject"], &failing["severity"]), (&"main".into(), &"critical".into()));
                assert!(failing["summary"].as_str().unwrap().contains("after 2 tries"), "{failing}");
                assert_eq!(count(&scene.other, "firing", "vendor.down"), 1, "other receivers do not notice");
                if let Fault::Answers(..) = case {
                    assert_eq!(scene.main.tries().len(), 2);
                    assert_eq!(scene.main.without_one_id(), []);
                    // Once it accepts again, the firing was dead and its resolve is delivered: an answer can be lost.
                    scene.main.set(200);
                    scene.recovers();
                    scene.hears(&scene.main, 1, "resolved", "vendor.down");
                    scene.hears(&scene.other, 1, "resolved", "delivery.failing");
                }
            });
        }
    });
}

/// As `Retry-After` and in the words of RFC 9110.
fn http_date(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let at = jiff::Timestamp::from_second(seconds).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn f29_too_many_requests_pauses_the_lane() {
    // What is asked for, and between which waits the second try comes.
    type AsksFor = fn() -> String;
    let cases: [(u16, AsksFor, Duration, Duration); 6] = [
        (429, || "2".to_owned(), ms(1990), s(5)),
        (503, || "2".to_owned(), ms(1990), s(5)),
        // Whole seconds are cut, and the first try comes within half a second.
        (429, || http_date(SystemTime::now() + s(4)), ms(1900), s(6)),
        (429, || "-7".to_owned(), ms(140), s(3)),
        (429, || "soon".to_owned(), ms(140), s(3)),
        (503, || http_date(SystemTime::now() - s(900)), ms(140), s(3)),
    ];
    std::thread::scope(|scope| {
        for (code, asks_for, at_least, at_most) in cases {
            scope.spawn(move || {
                let mut scene = Scene::new(PATIENT);
                scene.start();
                let asked = asks_for();
                scene.main.set(Reply::from(code).header("Retry-After", &asked));
                scene.api.set("/a", 500);
                let first = scene.tries(1).remove(0);
                scene.main.set(200);
                let tries = scene.tries(2);
                let waited = tries[1].at.duration_since(first.at);
                assert!(waited >= at_least && waited <= at_most, "{code} {asked}: {waited:?}");
                assert_eq!(tries[0].webhook_id(), tries[1].webhook_id());
                scene.recovers();
                scene.hears(&scene.main, 1, "resolved", "vendor.down");
                assert_eq!((scene.main.out_of_turn(), scene.main.without_one_id()), (vec![], vec![]));
                let told_other = scene.other.tries()[0].at;
                assert!(told_other.duration_since(first.at) < s(1) || told_other < first.at, "other receivers do not notice");
            });
        }
    });
}

#[test]
fn f29_an_absurd_wait_pauses_one_lane_and_only_that() {
    let mut scene = Scene::new(PATIENT);
    let second = FakeVendor::start();
    scene.daemon.write_vendor("second", &vendor(1, &[check("b", &second.url("/b"), "")]));
    scene.start();
    scene.main.set(Reply::from(429).header("Retry-After", "99999999999"));
    scene.api.set("/a", 500);
    scene.tries(1);
    scene.hears(&scene.other, 1, "firing", "vendor.down");
    scene.main.set(200);
    // Another vendor's alert waits in the same lane, although it was never refused itself.
    second.set("/b", 500);
    scene.hears(&scene.other, 2, "firing", "vendor.down");
    scene.recovers();
    scene.hears(&scene.other, 1, "resolved", "vendor.down");
    assert_eq!(scene.main.tries().len(), 1);
    let pending = |d: &Daemon| d.metric("vendord_deliveries_pending", &[("receiver", "main")]);
    assert_eq!(pending(&scene.daemon), Some(3.0));
    // The pause is an hour at most, in the store as well.
    let listed = scene.daemon.cli_json(&["alert", "list"]);
    let next: Vec<Duration> = listed["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|alert| alert["deliveries"].as_array().unwrap())
        .filter_map(|delivery| delivery["next_attempt_at"].as_str())
        .map(|at| at.parse::<jiff::Timestamp>().unwrap().duration_since(jiff::Timestamp::now()).unsigned_abs())
        .collect();
    assert!(next.iter().any(|wait| *wait > s(3500)) && next.iter().all(|wait| *wait <= s(3600)), "{next:?}");
    // A changed URL is another receiver, which asked for nothing.
    scene.daemon.write_config(&toml(&format!("{}?changed", scene.main.url()), PATIENT, &scene.other.url()));
    reloaded(&scene.daemon);
    scene.hears(&scene.main, 1, "firing", "vendor.down");
}

#[test]
fn f30_what_cannot_be_helped_is_given_up_and_told_elsewhere() {
    const QUICK: &str = "retry = [\"0s\", \"100ms\", \"100ms\", \"100ms\", \"100ms\", \"100ms\", \"100ms\"]";
    /// Redirects, and every other 4xx.
    const AT_ONCE: [u16; 16] = [300, 301, 302, 303, 304, 307, 308, 400, 402, 405, 406, 409, 413, 415, 422, 451];
    const FEW: [u16; 4] = [401, 403, 404, 407];
    let mut scene = Scene::new(QUICK);
    scene.start();
    let mut dead = 0.0;
    let mut tries = 0;
    for (codes, each) in [(&AT_ONCE[..], 1), (&FEW[..], 5)] {
        for code in codes {
            scene.main.set(Reply::from(*code).header("Location", &scene.other.url()));
            scene.fails();
            dead += 1.0;
            scene.dead(dead);
            tries += each;
            assert_eq!(scene.main.tries().len(), tries, "{code} takes {each} tries");
            scene.hears(&scene.other, dead as usize, "firing", "delivery.failing");
            let said = scene.failing().pop().unwrap()["evidence"].to_string();
            assert!(said.contains(&code.to_string()), "{code}: {said}");
            // It accepts the resolve, which ends `delivery.failing`.
            scene.main.set(200);
            scene.recovers();
            tries += 1;
            scene.hears(&scene.other, dead as usize, "resolved", "delivery.failing");
            assert_eq!(scene.main.tries().len(), tries, "{code}");
        }
    }
    assert_eq!(scene.other.out_of_turn(), []);
    assert_eq!(count(&scene.other, "firing", "vendor.down"), AT_ONCE.len() + FEW.len(), "no redirect was followed");
}

#[test]
fn f30_gone_suspends_the_receiver_until_its_url_changes() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    scene.main.set(410);
    scene.fails();
    scene.dead(1.0);
    scene.hears(&scene.other, 1, "firing", "delivery.failing");
    assert!(scene.failing()[0]["evidence"].to_string().contains("suspended"));
    // It would accept again, but nobody asks it: what there is to tell waits.
    scene.main.set(200);
    let waits = |n: f64| {
        let pending = |d: &Daemon| d.metric("vendord_deliveries_pending", &[("receiver", "main")]);
        scene.daemon.wait_for(&format!("{n} waiting"), s(10), |d| (pending(d) == Some(n)).then_some(()));
    };
    scene.recovers();
    waits(1.0);
    scene.hears(&scene.other, 1, "resolved", "vendor.down");
    reloaded(&scene.daemon);
    assert_eq!(scene.main.tries().len(), 1, "a reload that changes nothing changes nothing");

    scene.daemon.kill9();
    scene.daemon.start();
    scene.fails();
    scene.hears(&scene.other, 2, "firing", "vendor.down");
    scene
        .daemon
        .wait_for("the firing", s(10), |d| (d.metric("vendord_deliveries_pending", &[("receiver", "main")]) == Some(2.0)).then_some(()));
    assert_eq!(scene.main.tries().len(), 1, "a restart does not end it");

    let (changed, before) = (format!("{}?new", scene.main.url()), scene.main.url());
    scene.daemon.write_config(&toml(&changed, PATIENT, &scene.other.url()));
    reloaded(&scene.daemon);
    scene.hears(&scene.main, 1, "firing", "vendor.down");
    scene.hears(&scene.other, 1, "resolved", "delivery.failing");
    assert_eq!(scene.main.told(), told(&[("resolved", "vendor.down"), ("firing", "vendor.down")]), "in order");

    // The end is remembered: back at the old address it is not suspended again, also after a restart.
    scene.daemon.write_config(&toml(&before, PATIENT, &scene.other.url()));
    reloaded(&scene.daemon);
    scene.daemon.kill9();
    scene.daemon.start();
    scene.recovers();
    scene.hears(&scene.main, 2, "resolved", "vendor.down");
}

#[test]
fn f31_an_endless_answer_is_read_to_64_kib() {
    let mut scene = Scene::new(PATIENT);
    scene.main.set(Mode::Endless);
    scene.start();
    let before = memory_kib(&scene.daemon);
    let began = Instant::now();
    for outage in 1..=5 {
        scene.fails();
        scene.hears(&scene.main, outage, "firing", "vendor.down");
        scene.recovers();
        scene.hears(&scene.main, outage, "resolved", "vendor.down");
    }
    // The status has been given and it is 200: accepted, and nobody waits for the end of the body.
    let settled = |d: &Daemon| d.metric("vendord_deliveries_pending", &[("receiver", "main")]) == Some(0.0);
    scene.daemon.wait_for("nothing pending", s(5), |d| settled(d).then_some(()));
    assert!(began.elapsed() < s(20));
    assert_eq!(scene.main.without_one_id(), []);
    assert_eq!(scene.main.tries().len(), 10);
    match before.zip(memory_kib(&scene.daemon)) {
        Some((before, after)) => assert!(after < before + 16 * 1024, "{before} KiB before, {after} KiB after"),
        None => skip("the memory of an endless answer", "/proc does not tell it"),
    }
}

fn memory_kib(daemon: &Daemon) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()?)).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn f31_a_receiver_that_hangs_or_dawdles_has_15_s() {
    std::thread::scope(|scope| {
        for mode in [Mode::Hang, Mode::Loris { bytes_per_second: 1 }] {
            scope.spawn(move || {
                let mut scene = Scene::new("retry = [\"0s\"]");
                scene.main.set(mode.clone());
                scene.start();
                scene.api.set("/a", 500);
                let began = scene.tries(1)[0].at;
                scene.hears(&scene.other, 1, "firing", "vendor.down");
                assert!(began.elapsed() < s(5), "{mode:?}: other receivers do not notice");
                scene.daemon.wait_for("the end of the try", s(20), |d| {
                    (d.metrics().sum("vendord_deliveries_dead_total", &[("receiver", "main"), ("reason", "timeout")]) == 1.0).then_some(())
                });
                let took = began.elapsed();
                assert!(took >= s(14) && took < s(19), "{mode:?}: {took:?}");
            });
        }
    });
}

#[test]
fn f30_a_restart_grants_no_further_tries() {
    let mut scene = Scene::new("retry = [\"0s\", \"100ms\", \"100ms\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\", \"1s\"]");
    scene.start();
    scene.main.set(404);
    scene.fails();
    scene.tries(3);
    scene.daemon.kill9();
    scene.daemon.start();
    scene.dead(1.0);
    let tries = scene.main.tries().len();
    assert!((5..=6).contains(&tries), "{tries} tries: five, and one whose answer the kill may have swallowed");
}
