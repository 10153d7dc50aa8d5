//! F11, F12 and F14: the wall clock steps and the machine sleeps. Timers run on CLOCK_MONOTONIC, which the shim leaves
//! alone, as a step would; a sleep is the other two clocks running on without it.

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::evidence::{assert_sound, database, instant, lasts, list, number, runs_backwards, timeline};
use crate::harness::{Daemon, FakeVendor, Receiver, Reply, Served, Shim, s, wait_for};
use crate::scene;

const HOUR_MS: i64 = 3_600_000;
const HOUR: Duration = s(3600);

/// Vendors with a check each, a receiver, and a daemon whose clocks are the shim's.
struct Stage {
    shim: Shim,
    vendors: Vec<FakeVendor>,
    receiver: Receiver,
    daemon: Daemon,
}

impl Stage {
    fn new(vendors: usize) -> Option<Stage> {
        let shim = Shim::new("")?;
        let vendors: Vec<FakeVendor> = (0..vendors).map(|_| FakeVendor::start()).collect();
        let receiver = Receiver::start();
        // Groups that were told before a step must not wait for their interval as if it were yet to come.
        let route = "[[routes]]\nreceiver = \"ops\"\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n".to_owned();
        let parts = [scene::receiver("ops", &receiver.url(), scene::PATIENT), route];
        let file = |vendor: &FakeVendor| scene::vendor(1, &[scene::check("api", &vendor.url("/"), "interval = \"200ms\"\n")]);
        let files: Vec<(String, String)> = vendors.iter().enumerate().map(|(n, vendor)| (format!("v{n}"), file(vendor))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        let mut daemon = Daemon::new(&scene::config(&parts), &files).environment(shim.environment());
        daemon.start();
        let stage = Stage { shim, vendors, receiver, daemon };
        stage.vendors.iter().enumerate().for_each(|(n, _)| stage.wait_level(n, 1.0));
        Some(stage)
    }

    #[track_caller]
    fn wait_level(&self, vendor: usize, level: f64) {
        let id = format!("v{vendor}");
        self.daemon.wait_for(&format!("{id} at level {level}"), s(5), |d| {
            (d.metric("vendord_check_state_level", &[("vendor", &id)]) == Some(level)).then_some(())
        });
    }

    /// Waits until this was told for the `times`-th time of this vendor: seconds, not an hour.
    #[track_caller]
    fn wait_told(&self, event: &str, vendor: usize, times: usize) {
        let id = format!("v{vendor}");
        self.daemon.wait_for(&format!("{event} of {id}, number {times}"), s(5), |_| {
            let told = self.receiver.accepted().into_iter().filter(|(e, alert)| *e == format!("alert.{event}") && alert["vendor"] == *id);
            (told.count() >= times).then_some(())
        });
    }

    /// From its first failure to its resolve, all of which is told at once; how long it lasted, as the test saw it.
    #[track_caller]
    fn outage(&self, vendor: usize, times: usize) -> Duration {
        let began = Instant::now();
        self.vendors[vendor].set_all(500);
        self.wait_told("firing", vendor, times);
        self.vendors[vendor].set_all(200);
        let lasted = began.elapsed();
        self.wait_told("resolved", vendor, times);
        lasted
    }

    #[track_caller]
    fn wait_event(&self, kind: &str, times: i64) {
        let sql = format!("SELECT count(*) FROM events WHERE kind = '{kind}'");
        self.daemon.wait_for(kind, s(5), |d| (number(&database(d), &sql) == times).then_some(()));
    }

    #[track_caller]
    fn wait_looks(&self, vendor: usize, more: usize) {
        let hits = self.vendors[vendor].hits("/");
        wait_for("more looks", s(10), || (self.vendors[vendor].hits("/") >= hits + more).then_some(()));
    }

    #[track_caller]
    fn stop(&mut self) {
        assert!(self.daemon.term().success());
        assert_sound(&self.daemon);
        assert_eq!(runs_backwards(&database(&self.daemon)), 0);
        assert_eq!(self.receiver.out_of_turn(), []);
    }

    fn outages(&self, vendor: &str) -> Vec<Value> {
        self.daemon.cli_json(&["outages", "--vendor", vendor])["outages"].as_array().expect("a list").clone()
    }
}

/// Looks kept their cadence: no pause and no burst, whatever the wall clock did.
#[track_caller]
fn assert_cadence(served: &[Served], since: Instant) {
    let times: Vec<Instant> = served.iter().map(|one| one.at).filter(|at| *at >= since).collect();
    let pause = times.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default();
    assert!(pause < s(1), "{pause:?} without a look");
    // A look after a failure comes at half the interval.
    let most = times.iter().map(|from| times.iter().filter(|at| *at >= from && at.duration_since(*from) < s(1)).count()).max();
    assert!(most <= Some(12), "{most:?} looks within a second");
}

fn is(segment: &Value, state: &str, reason: &str) -> bool {
    segment["state"] == state && segment["reason"] == reason
}

#[test]
fn f11_a_wall_clock_that_goes_back_an_hour() {
    let Some(mut stage) = Stage::new(2) else { return };
    let began = Instant::now();
    stage.vendors[0].set_all(500);
    stage.wait_told("firing", 0, 1);
    stage.wait_looks(0, 5);
    stage.shim.step_wall(-HOUR_MS);
    stage.wait_event("clock_step", 1);

    let second = stage.outage(1, 1);
    // Clocks that disagree by less than 2 s are noise.
    stage.wait_looks(0, 20);
    stage.vendors[0].set_all(200);
    let first = began.elapsed();
    stage.wait_told("resolved", 0, 1);
    // Another one in the same repeated hour is another one, and its group was told before the step.
    let third = stage.outage(0, 2);
    assert_cadence(&stage.vendors[0].served(), began);
    assert_cadence(&stage.vendors[1].served(), began);
    stage.stop();

    for (vendor, lasted) in [("v0", vec![first, third]), ("v1", vec![second])] {
        let mut seconds: Vec<f64> = stage.outages(vendor).iter().filter_map(|o| o["seconds"].as_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        let mut lasted: Vec<f64> = lasted.iter().map(Duration::as_secs_f64).collect();
        lasted.sort_by(f64::total_cmp);
        assert_eq!(seconds.len(), lasted.len(), "{vendor}: {seconds:?} of {lasted:?}");
        assert!(seconds.iter().zip(&lasted).all(|(have, want)| (have - want).abs() < 1.0), "{vendor}: {seconds:?} of {lasted:?}");
    }
    let of_v0 = timeline(&stage.daemon, "v0/api");
    assert!(of_v0.iter().any(|segment| is(segment, "down", "clock")), "{of_v0:?}");
    // The hour has not passed again, so what began in it takes no time yet.
    let open = list(&database(&stage.daemon), "SELECT state || ' ' || reason FROM segments WHERE to_ms IS NULL", |r| r.get::<_, String>(0));
    assert_eq!(open, ["up clock", "up clock"]);
    let of_v1 = timeline(&stage.daemon, "v1/api");
    assert!(of_v1.iter().any(|segment| segment["reason"] == "clock"), "{of_v1:?}");
    let detail = list(&database(&stage.daemon), "SELECT detail FROM events WHERE kind = 'clock_step'", |r| r.get::<_, String>(0));
    assert!(detail[0].contains("stepped by -3600"), "{detail:?}");
}

#[test]
fn f11_a_daemon_that_starts_an_hour_earlier() {
    let Some(mut stage) = Stage::new(1) else { return };
    stage.receiver.set(503);
    stage.vendors[0].set_all(500);
    wait_for("a few tries", s(5), || (stage.receiver.tries().len() >= 3).then_some(()));
    stage.daemon.kill9();
    stage.shim.step_wall(-HOUR_MS);
    stage.receiver.set(200);
    stage.daemon.start();
    stage.wait_event("clock_step", 1);
    stage.wait_told("firing", 0, 1);
    stage.wait_looks(0, 10);
    stage.vendors[0].set_all(200);
    stage.wait_told("resolved", 0, 1);
    stage.stop();
    timeline(&stage.daemon, "v0/api");
    assert_eq!(stage.outages("v0").len(), 1);
}

#[test]
fn f12_a_wall_clock_that_jumps_ahead() {
    const TEN_YEARS_MS: i64 = 3652 * 24 * HOUR_MS;
    let Some(mut stage) = Stage::new(1) else { return };
    let began = Instant::now();
    for (nth, step) in [HOUR_MS, TEN_YEARS_MS].into_iter().enumerate() {
        stage.wait_looks(0, 5);
        stage.shim.step_wall(step);
        stage.wait_event("clock_step", nth as i64 + 1);
        stage.wait_looks(0, 10);
        stage.wait_level(0, 1.0);
    }
    stage.outage(0, 1);
    assert_cadence(&stage.vendors[0].served(), began);
    stage.stop();
    let segments = timeline(&stage.daemon, "v0/api");
    let gaps: Vec<&Value> = segments.iter().filter(|segment| segment["state"] == "unknown").collect();
    assert!(gaps.len() == 2 && gaps.iter().all(|gap| gap["reason"] == "clock"), "{segments:?}");
    // Evidence holds for interval, timeout and 5 s beyond the last look before the step, and what follows it begins at once.
    for (gap, step) in gaps.iter().zip([HOUR_MS, TEN_YEARS_MS]) {
        let short = Duration::from_millis(step as u64).saturating_sub(lasts(gap));
        assert!(short > s(4) && short < s(6), "{gap:?} is {short:?} shorter than the step");
    }
    assert_eq!(stage.outages("v0").len(), 1);
    assert!(stage.outages("v0")[0]["seconds"].as_f64().is_some_and(|seconds| seconds < 5.0));
}

fn date(ahead: Duration) -> Reply {
    let now = SystemTime::now() + ahead;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let at = jiff::Timestamp::from_second(seconds).unwrap();
    Reply::ok().header("Date", &jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap())
}

#[test]
fn f12_vendors_that_agree_convict_our_clock() {
    let Some(mut stage) = Stage::new(4) else { return };
    let told = |stage: &Stage, event: &str| scene::count(&stage.receiver, event, "clock");
    // Two agree that we are an hour off: not enough.
    stage.vendors[0].set_all(date(Duration::ZERO));
    stage.vendors[1].set_all(date(Duration::ZERO));
    stage.shim.step_wall(HOUR_MS);
    stage.wait_event("clock_step", 1);
    stage.wait_looks(1, 5);
    assert_eq!(told(&stage, "firing"), 0);
    // A third that says something else does not count, one that agrees does.
    stage.vendors[2].set_all(date(s(1200)));
    stage.wait_looks(2, 5);
    assert_eq!(told(&stage, "firing"), 0);
    stage.vendors[3].set_all(date(s(20)));
    wait_for("the alert", s(5), || (told(&stage, "firing") == 1).then_some(()));
    let summary = stage.receiver.accepted().pop().map(|(_, alert)| alert["summary"].to_string()).unwrap_or_default();
    assert!(summary.contains("36") && summary.contains("off"), "{summary}");
    stage.wait_looks(3, 10);
    // The clock is set right.
    stage.shim.step_wall(-HOUR_MS);
    wait_for("the all-clear", s(5), || (told(&stage, "resolved") == 1).then_some(()));
    stage.wait_looks(3, 5);
    assert_eq!((told(&stage, "firing"), told(&stage, "resolved")), (1, 1));
    stage.stop();
}

#[test]
fn f14_a_machine_that_sleeps_for_an_hour() {
    let Some(mut stage) = Stage::new(3) else { return };
    // One vendor is down, and what is told of it does not arrive before the sleep.
    stage.receiver.set(503);
    stage.vendors[0].set_all(500);
    wait_for("a try", s(5), || (!stage.receiver.tries().is_empty()).then_some(()));
    let before: Vec<usize> = stage.vendors.iter().map(|vendor| vendor.hits("/")).collect();
    let slept = Instant::now();
    stage.shim.suspend(HOUR_MS);
    stage.wait_event("suspend", 1);
    stage.receiver.set(200);
    stage.wait_told("firing", 0, 1);
    for (vendor, before) in stage.vendors.iter().zip(before) {
        wait_for("a look after the sleep", s(3), || (vendor.hits("/") > before).then_some(()));
    }
    stage.wait_looks(1, 5);
    for vendor in &stage.vendors {
        assert_cadence(&vendor.served(), slept);
    }
    stage.vendors[0].set_all(200);
    stage.wait_told("resolved", 0, 1);
    assert_eq!(stage.receiver.told(), scene::told(&[("firing", "vendor.down"), ("resolved", "vendor.down")]), "nothing was late");
    stage.stop();

    for target in ["v0/api", "v1/api", "v2/api"] {
        let segments = timeline(&stage.daemon, target);
        let gaps: Vec<&Value> = segments.iter().filter(|segment| segment["state"] == "unknown").collect();
        assert!(gaps.len() == 1 && gaps[0]["reason"] == "clock", "{target}: {segments:?}");
        let short = HOUR.saturating_sub(lasts(gaps[0]));
        assert!(short > s(4) && short < s(7), "{target}: {:?}, {short:?} shorter than the sleep", gaps[0]);
    }
    // The outage began before the sleep and was not seen to end in it.
    let outage = &stage.outages("v0")[0];
    assert!(outage["seconds"].as_f64().is_some_and(|seconds| seconds > 3600.0), "{outage}");
    assert!(instant(&outage["ended_at"]) > instant(&outage["started_at"]));
}

/// Spread over the interval, however late a busy machine is: nothing here depends on how fast it is but the patience of the waits.
#[test]
fn f14_after_a_sleep_each_check_runs_once_soon_and_spread() {
    const CHECKS: usize = 12;
    let Some(shim) = Shim::new("") else { return };
    let vendor = FakeVendor::start();
    let check = |n: usize| scene::check(&format!("c{n}"), &vendor.url(&format!("/c{n}")), "interval = \"10s\"\ntimeout = \"1s\"\n");
    let file = scene::vendor(1, &(0..CHECKS).map(check).collect::<Vec<_>>());
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &file)]).environment(shim.environment());
    daemon.start();
    let each = |times: usize| (0..CHECKS).all(|n| vendor.hits(&format!("/c{n}")) >= times);
    wait_for("each to be looked at", s(30), || each(1).then_some(()));
    let before = vendor.served().len();
    shim.suspend(HOUR_MS);
    // Soon: within an interval and what a busy machine adds, not at the phase of an hour ago.
    wait_for("each to be looked at again", s(30), || {
        let after = vendor.served()[before..].iter().map(|one| one.path.clone()).collect::<std::collections::BTreeSet<_>>();
        (after.len() == CHECKS).then_some(())
    });
    let after = &vendor.served()[before..];
    let mut looks = std::collections::BTreeMap::<&str, Vec<Instant>>::new();
    after.iter().for_each(|one| looks.entry(&one.path).or_default().push(one.at));
    // An hour had room for 360 looks at each. One may come round a second time while the last is awaited.
    assert!(looks.values().all(|at| at.len() <= 4), "{} looks for {CHECKS} checks", after.len());
    let first = |at: &Vec<Instant>| at.iter().copied().min();
    let (soonest, latest) = (looks.values().filter_map(first).min().unwrap(), looks.values().filter_map(first).max().unwrap());
    assert!(latest.duration_since(soonest) > s(2), "all within {:?}: they are spread over 10 s", latest.duration_since(soonest));
    let lag = |d: &Daemon| d.metric("vendord_scheduler_lag_seconds_sum", &[]).unwrap_or(f64::MAX);
    // A busy machine is late by a little for each; nothing is late by the sleep.
    assert!(lag(&daemon) < 60.0, "late by {} s in all", lag(&daemon));
    assert!(daemon.term().success());
}
