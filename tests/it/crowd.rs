//! F19 to F21 in numbers: 200 hosts that do what hosts should not do, beside 200 that are well.

use crate::harness::{Daemon, FakeVendor, Metrics, Mode, Reply, s, wait_for};
use crate::scene;

const HOSTS: usize = 200;

const MEMORY_GROWTH_MAX: f64 = 16.0 * 1024.0 * 1024.0;

/// Each a host of its own: names below `localhost` never leave the machine, and permits are counted by name and port.
fn checks(prefix: &str, port: u16) -> String {
    let check = |n: usize| {
        format!(
            "[[checks]]\nname = \"{prefix}{n}\"\nkind = \"http\"\nurl = \"http://{prefix}{n}.localhost:{port}/{prefix}{n}\"\ninterval = \"1s\"\ntimeout = \"800ms\"\nretry_interval = \"1s\"\nip = \"v4\"\nexpect = [\"body contains 'well'\"]\n"
        )
    };
    (0..HOSTS).map(check).collect()
}

/// The upper bound of the bucket that 99 of 100 runs are in.
fn lag_p99(before: &Metrics, after: &Metrics) -> f64 {
    let buckets = |metrics: &Metrics| -> Vec<(f64, f64)> {
        let name = "vendord_scheduler_lag_seconds_bucket";
        ["0.001", "0.002", "0.005", "0.01", "0.025", "0.05", "0.1", "0.5", "1", "5", "10", "60", "+Inf"]
            .iter()
            .map(|le| (le.parse().unwrap_or(f64::INFINITY), metrics.get(name, &[("le", le)]).unwrap_or_else(|| panic!("no bucket {le}"))))
            .collect()
    };
    let grown: Vec<(f64, f64)> = buckets(before).into_iter().zip(buckets(after)).map(|((le, a), (_, b))| (le, b - a)).collect();
    let all = grown.last().expect("there are buckets").1;
    grown.iter().find(|(_, count)| *count >= 0.99 * all).expect("the last has all").0
}

#[test]
fn f19_hosts_that_misbehave_hold_up_no_other() {
    let (good, bad) = (FakeVendor::start(), FakeVendor::start());
    good.set_all(Reply::ok().body("well"));
    let modes = [
        Mode::Hang,
        Mode::Loris { bytes_per_second: 10 },
        Mode::Endless,
        Mode::GzipBomb,
        Mode::Reset { after_bytes: 40 },
        Mode::Drop,
        Mode::WrongLength,
        Mode::Status(500),
    ];
    for n in 0..HOSTS {
        bad.set(&format!("/bad{n}"), modes[n % modes.len()].clone());
    }
    let good_file = scene::vendor(1, &[checks("good", good.port())]);
    let mut daemon = Daemon::new(&scene::config(&[]), &[("good", &good_file)]);
    daemon.start();
    let rounds = |vendor: &FakeVendor, prefix: &str, times: usize| (0..HOSTS).all(|n| vendor.hits(&format!("/{prefix}{n}")) >= times);
    wait_for("the good alone", s(40), || rounds(&good, "good", 5).then_some(()));
    let alone = daemon.metrics();
    daemon.write_vendor("bad", &scene::vendor(2, &[checks("bad", bad.port())]));
    scene::reloaded(&daemon);
    wait_for("both together", s(60), || rounds(&bad, "bad", 3).then_some(()));
    let before = daemon.metrics();
    let (from, seen) = (std::time::Instant::now(), good.served().len());
    wait_for("ten seconds of both", s(60), || (from.elapsed() >= s(10)).then_some(()));
    let (after, looks) = (daemon.metrics(), good.served().len() - seen);

    let lag = lag_p99(&before, &after);
    let memory = |metrics: &Metrics| metrics.get("process_resident_memory_bytes", &[]).expect("on Linux");
    let growth = memory(&after) - memory(&alone);
    println!("lag p99 at most {lag} s, memory {:.1} MiB more, {looks} looks at the good in 10 s", growth / 1024.0 / 1024.0);
    assert!(lag <= 1.0, "lag p99 {lag} s");
    assert!(growth < MEMORY_GROWTH_MAX, "{:.1} MiB more", growth / 1024.0 / 1024.0);
    assert!(looks >= HOSTS * 9, "{looks} looks in 10 s");
    for series in after.series("vendord_check_failures_total", &[("vendor", "good")]) {
        assert_eq!(series.value, 0.0, "{series:?}");
    }
    let failed = after.sum("vendord_check_failures_total", &[("vendor", "bad")]);
    let runs = after.sum("vendord_check_runs_total", &[("vendor", "bad")]);
    assert_eq!(failed, runs, "nothing that is hostile is well");
    let ours = after.sum("vendord_check_failures_by_reason_total", &[("reason", "own_resource")])
        + after.sum("vendord_check_failures_by_reason_total", &[("reason", "internal")]);
    assert_eq!(ours, 0.0, "and none of it is ours");
    assert!(daemon.term().success());
}
