//! The store looks after itself: it packs and forgets without changing what is read, is copied and restored, and survives
//! being damaged (F02, F07).

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use vendord::health::{CheckState, Run, fold};
use vendord::model::{KofN, Observation, Outcome, Reason, SeverityCap, Terms, Timestamp, VendorId};
use vendord::store::{Batch, JournalRow, Reader, Registered, RegisteredCheck, Registration, Sample, Writer};

use crate::evidence::{assert_sound, database, number};
use crate::harness::{Daemon, FakeVendor, Receiver, ms, s, skip};
use crate::scene;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1_440 * MINUTE;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_millis(since.as_millis() as i64)
}

/// A run a minute of one check for `days`, up to three hours ago, as a daemon of before wrote it.
fn past(daemon: &Daemon, days: i64) -> Vec<Sample> {
    let terms = Terms {
        interval: s(60),
        timeout: s(10),
        retry_interval: s(60),
        down_after: KofN::in_a_row(1),
        up_after: KofN::in_a_row(1),
        severity: SeverityCap::Down,
        enabled: true,
    };
    let check = RegisteredCheck { name: "api".to_owned(), kind: "http", terms: terms.clone(), renamed_from: None };
    let vendor = VendorId::new("acme");
    let vendor =
        Registration { vendor, name: "Acme".to_owned(), tier: 1, category: String::new(), checks: vec![check], sources: Vec::new() };
    let mut writer = Writer::open(&daemon.path("vendord.db"), true, "boot".to_owned()).expect("a new database");
    let end = now().as_millis() - 180 * MINUTE;
    let registered = writer.register(&[vendor], "default", Timestamp::from_millis(end - days * DAY)).expect("registered");
    let Registered { key, terms_id, .. } = registered[0];
    let (mut state, mut batch) = (CheckState::default(), Batch::default());
    for seq in 1..=days * 1_440 {
        let at = Timestamp::from_millis(end - days * DAY + seq * MINUTE + seq % 7);
        let fails = seq % 500 == 0;
        let (outcome, reason) = if fails { (Outcome::Down, Reason::HttpStatus) } else { (Outcome::Up, Reason::Ok) };
        let mut observation = Observation { outcome, ..Observation::failed(reason, ms(80 + seq as u64 % 13), "") };
        observation.detail.http_status = Some(if fails { 500 } else { 200 });
        let run = Run { at, boot: Duration::ZERO, outcome, reason, duration: observation.duration };
        let folded = fold(&mut state, &terms, &run, &[]);
        batch.segments.extend(folded.segments.iter().map(|write| (key, *write)));
        batch.observations.push(JournalRow { seq, terms_id, at, observation });
    }
    batch.states = vec![(key, days * 1_440, state)];
    writer.commit(&batch).expect("committed");
    writer.close().expect("closed");
    samples(&daemon.path("vendord.db"))
}

/// Everything of the one check but for what a daemon saw meanwhile.
fn samples(path: &Path) -> Vec<Sample> {
    let reader = Reader::open(path).expect("it can be read");
    let key = reader.load().expect("it can be loaded").checks[0].key;
    let until = Timestamp::from_millis(now().as_millis() - 120 * MINUTE);
    reader.samples(key, Timestamp::from_millis(0), until).expect("it can be read")
}

/// One check, of which [`past`] makes a past.
fn scene_of(vendor: &FakeVendor, parts: &[String], store: &str) -> Daemon {
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "")]);
    Daemon::new(&scene::config(parts).replace("[store]\n", &format!("[store]\n{store}")), &[("acme", &file)])
}

fn packed(daemon: &Daemon) -> Option<()> {
    let db = database(daemon);
    let cutoff = now().as_millis() - 120 * MINUTE;
    let left = number(&db, &format!("SELECT count(*) FROM journal WHERE at < {cutoff}"));
    let unfinished = number(&db, "SELECT count(*) FROM spans WHERE state NOT IN ('whole', 'sketched')");
    let today = now().as_millis().div_euclid(DAY) * DAY;
    let hours = number(&db, &format!("SELECT count(*) FROM spans WHERE kind = 'hour' AND starts_at < {today}"));
    (left == 0 && unfinished == 0 && hours == 0).then_some(())
}

#[test]
fn history_is_read_as_before_whatever_was_packed_and_killed() {
    let vendor = FakeVendor::start();
    let mut daemon = scene_of(&vendor, &[], "");
    let before = past(&daemon, 4);
    let window = ["uptime", "acme/api", "--from", "2000-01-01", "--to"];
    let until = Timestamp::from_millis(now().as_millis() - 200 * MINUTE).to_string();
    let uptime = |d: &Daemon| d.cli_json(&[&window[..], &[until.as_str()]].concat());
    let said = uptime(&daemon);
    for kill in 0..12 {
        daemon.spawn();
        // A moment that is drawn, not a wait for something.
        std::thread::sleep(ms(60 + 97 * kill % 400));
        daemon.kill9();
        assert_eq!(samples(&daemon.path("vendord.db")), before, "kill {kill}");
        assert_sound(&daemon);
    }
    daemon.start();
    daemon.wait_for("everything to be packed", s(30), packed);
    assert_eq!(samples(&daemon.path("vendord.db")), before);
    assert_eq!(uptime(&daemon), said);
    assert!(daemon.term().success());
    assert!(!daemon.path("vendord.db-wal").exists(), "a clean stop leaves no log");
    assert_eq!(samples(&daemon.path("vendord.db")), before);
    assert_sound(&daemon);
}

#[test]
fn results_expire_and_their_latency_stays() {
    let vendor = FakeVendor::start();
    let mut daemon = scene_of(&vendor, &[], "keep_observations = \"2d\"\n");
    let before = past(&daemon, 5);
    daemon.start();
    daemon.wait_for("days to expire", s(30), |d| {
        (number(&database(d), "SELECT count(*) FROM spans WHERE state = 'sketched'") >= 2).then_some(())
    });
    daemon.wait_for("the job to be done", s(30), |d| {
        (number(&database(d), "SELECT count(*) FROM jobs WHERE name = 'retention'") == 1).then_some(())
    });
    let kept = samples(&daemon.path("vendord.db"));
    assert!(!kept.is_empty() && kept.len() < before.len(), "{} of {}", kept.len(), before.len());
    assert_eq!(kept, before[before.len() - kept.len()..]);
    assert!(kept[0].at.as_millis() < now().as_millis() - 2 * DAY, "only whole days go");

    let reader = Reader::open(&daemon.path("vendord.db")).expect("it can be read");
    let key = reader.load().expect("it can be loaded").checks[0].key;
    let midnight = |at: Timestamp| at.as_millis().div_euclid(DAY) * DAY;
    let first = Timestamp::from_millis(midnight(before[0].at) + DAY);
    let latency = reader.latency(key, first, now(), Duration::from_millis(DAY as u64)).expect("it can be read");
    assert!(first < kept[0].at && latency[0].from == first, "{latency:?}");
    for day in &latency {
        let p50 = day.p50.as_secs_f64();
        assert!((0.085 * 0.99..0.087 * 1.01).contains(&p50), "{day:?}");
    }
    assert!((1_430..=1_440).contains(&latency[0].count), "{:?}", latency[0]);
    assert_sound(&daemon);
}

#[test]
fn what_the_store_takes() {
    let vendor = FakeVendor::start();
    let mut daemon = scene_of(&vendor, &[], "");
    past(&daemon, 35);
    let before = daemon.cli_json(&["store", "size"]);
    assert_eq!((before["results"]["journal"].as_u64(), before["results"]["packed"].as_u64()), (Some(35 * 1_440), Some(0)));
    daemon.start();
    daemon.wait_for("everything to be packed", s(120), packed);
    assert!(daemon.term().success());
    let after = daemon.cli_json(&["store", "size"]);
    let bytes = |tier: &str| after["tiers"][tier].as_u64().unwrap_or_else(|| panic!("{tier}: {after}"));
    assert!(after["results"]["packed"].as_u64() >= Some(35 * 1_440 - 180), "{after}");
    assert!(bytes("chunks") < before["tiers"]["journal"].as_u64().unwrap() / 5, "{after}");
    let all: u64 = after["tiers"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(all, std::fs::metadata(daemon.path("vendord.db")).unwrap().len());
    let month = after["would_free"].as_array().unwrap().last().unwrap();
    assert_eq!(month["keep_observations_seconds"], json!(30.0 * 86_400.0));
    assert!((3 * 1_440..=5 * 1_440).contains(&month["results"].as_u64().unwrap()), "{after}");
    let text = daemon.cli(&["store", "size"]);
    assert!(text.code() == Some(0) && text.out.contains("keep_observations = \"30d\" would free "), "{text:?}");
}

#[test]
fn a_backup_is_whole_and_a_restore_keeps_what_was_there() {
    let vendor = FakeVendor::start();
    let mut daemon = scene_of(&vendor, &[], "");
    let before = past(&daemon, 2);
    daemon.start();
    let file = daemon.path("copy.db");
    let name = file.to_str().expect("a plain path");
    let said = daemon.cli_json(&["store", "backup", name]);
    assert_eq!((&said["verified"], &said["bytes"]), (&json!(true), &json!(std::fs::metadata(&file).unwrap().len())));
    assert_eq!(samples(&file), before, "while the daemon runs");
    let again = daemon.cli(&["store", "backup", name]);
    assert!(again.code() == Some(2) && again.err.contains("not overwritten"), "{again:?}");
    let beside = daemon.cli(&["store", "restore", name]);
    assert!(beside.code() == Some(4) && beside.err.contains("in use"), "{beside:?}");
    assert!(daemon.term().success());

    std::fs::write(daemon.path("vendord.db"), b"not what it was").unwrap();
    let restored = daemon.cli_json(&["store", "restore", name]);
    assert_eq!(std::fs::read(restored["before"].as_str().unwrap()).unwrap(), b"not what it was");
    assert_eq!(samples(&daemon.path("vendord.db")), before);
    assert_sound(&daemon);
    let missing = daemon.cli(&["store", "restore", "nowhere.db"]);
    assert!(missing.code() == Some(4) && missing.err.contains("no backup"), "{missing:?}");
    let names: Vec<String> =
        std::fs::read_dir(daemon.directory()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.contains("unfinished")), "{names:?}");
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let vendor = FakeVendor::start();
    let daemon = scene_of(&vendor, &[], "");
    past(&daemon, 2);
    let name = daemon.path("copy.db").to_str().expect("a plain path").to_owned();
    assert_eq!(daemon.cli(&["store", "backup", &name]).code(), Some(0));
    damage(Path::new(&name), "journal");
    let now = std::fs::read(daemon.path("vendord.db")).unwrap();
    let refused = daemon.cli(&["store", "restore", &name]);
    assert!(refused.code() == Some(1) && refused.err.contains("damaged"), "{refused:?}");
    assert_eq!(std::fs::read(daemon.path("vendord.db")).unwrap(), now);
    damage(&daemon.path("vendord.db"), "journal");
    let refused = daemon.cli(&["store", "backup", daemon.path("second.db").to_str().unwrap()]);
    assert!(refused.code() == Some(1) && !daemon.path("second.db").exists(), "{refused:?}");
}

/// Overwrites a page in the middle of a table.
fn damage(path: &Path, table: &str) {
    let db = Connection::open(path).expect("it can be opened");
    let sql = format!("SELECT pageno FROM dbstat WHERE name = '{table}' AND pagetype = 'leaf' ORDER BY pageno LIMIT 1 OFFSET 3");
    let page = number(&db, &sql);
    drop(db);
    let file = File::options().write(true).open(path).expect("it is ours");
    file.write_all_at(&[0xa5; 4096], (page as u64 - 1) * 4096).expect("it can be written");
}

/// A small disk of its own, where the machine lets us have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "none"]).arg(folder.path()).stderr(Stdio::null()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(SmallDisk(folder));
        }
        skip("a full disk", "a tmpfs cannot be mounted here");
        None
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = File::create(self.0.path().join("full")).expect("there is room for a name");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("full")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[test]
fn f04_on_a_full_disk_people_are_told_and_results_wait() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let parts = [scene::receiver("ops", &receiver.url(), scene::PATIENT), scene::route("ops", "")];
    let path = disk.0.path().join("vendord.db");
    let store = format!("[store]\nurl = \"sqlite:{}\"\n", path.display());
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "interval = \"200ms\"\nretry_interval = \"200ms\"\n")]);
    let mut daemon = Daemon::new(&scene::config(&parts).replace("[store]\n", &store), &[("acme", &file)]);
    daemon.start();
    daemon.wait_for("the vendor up", s(5), |d| (d.metric("vendord_check_state_level", &[]) == Some(1.0)).then_some(()));
    disk.fill();
    daemon.wait_for("a person to be told of the disk", s(20), |_| (scene::count(&receiver, "firing", "store") == 1).then_some(()));
    assert_eq!(daemon.metric("vendord_store_up", &[]), Some(0.0));
    for (status, state, event) in [(500, 5.0, "firing"), (200, 1.0, "resolved"), (500, 5.0, "firing")] {
        let before = scene::count(&receiver, event, "vendor.down");
        vendor.set_all(status);
        daemon.wait_for("the change to be shown", s(10), |d| (d.metric("vendord_check_state_level", &[]) == Some(state)).then_some(()));
        daemon.wait_for("the change to be told", s(10), |_| (scene::count(&receiver, event, "vendor.down") == before + 1).then_some(()));
    }
    let stored = |path: &Path| number(&Connection::open(path).expect("it can be read"), "SELECT count(*) FROM journal");
    let hits = vendor.hits("/") as i64;
    assert!(stored(&path) < hits, "results wait");
    assert_eq!(scene::count(&receiver, "resolved", "store"), 0, "it is still full");

    disk.free();
    daemon.wait_for("what waited to be stored", s(10), |_| (stored(&path) >= hits).then_some(()));
    daemon.wait_for("the end of it to be told", s(5), |_| (scene::count(&receiver, "resolved", "store") == 1).then_some(()));
    assert_eq!(daemon.metric("vendord_store_up", &[]), Some(1.0));
    assert!(daemon.term().success());
    assert!((vendor.hits("/") as i64 - 1..=vendor.hits("/") as i64).contains(&stored(&path)), "nothing is missing");
    assert_eq!(scene::count(&receiver, "firing", "store"), 1);
    assert_sound(&daemon);
}

#[test]
fn f07_a_damaged_database_is_set_aside_and_watching_goes_on() {
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let parts = [scene::receiver("ops", &receiver.url(), scene::PATIENT), scene::route("ops", "")];
    let mut daemon = scene_of(&vendor, &parts, "");
    let before = past(&daemon, 2);
    let backup = daemon.path("monday.db");
    assert_eq!(daemon.cli(&["store", "backup", backup.to_str().unwrap()]).code(), Some(0));
    damage(&daemon.path("vendord.db"), "journal");
    daemon.start();
    daemon.wait_for("a person to be told", s(10), |_| (receiver.told().len() == 1).then_some(()));
    assert_eq!(receiver.told(), scene::told(&[("firing", "store")]));
    daemon.wait_for("it to be ready again", s(5), |d| d.is_ready().then_some(()));
    assert_eq!(daemon.ended(), None, "{}", daemon.tail());
    let message = receiver.tries()[0].body.clone();
    let message = String::from_utf8_lossy(&message).into_owned();
    let aside = std::fs::read_dir(daemon.directory()).unwrap().map(|e| e.unwrap().path());
    let aside: Vec<_> = aside
        .filter(|p| {
            p.to_string_lossy().contains(".corrupt-") && !p.to_string_lossy().ends_with("-wal") && !p.to_string_lossy().ends_with("-shm")
        })
        .collect();
    assert_eq!(aside.len(), 1, "{aside:?}");
    for name in [&aside[0], &daemon.path("vendord.db"), &backup] {
        assert!(message.contains(name.to_str().unwrap()), "{name:?}: {message}");
    }
    daemon.wait_for("the check to run on", s(10), |d| (d.metric("vendord_check_state_level", &[]) == Some(1.0)).then_some(()));
    assert!(daemon.term().success());

    // As the message says.
    assert_eq!(daemon.cli(&["store", "restore", backup.to_str().unwrap()]).code(), Some(0));
    std::fs::remove_file(&aside[0]).unwrap();
    daemon.start();
    assert_eq!(samples(&daemon.path("vendord.db")), before);
    assert_eq!(daemon.metric("vendord_alerts_firing", &[("severity", "critical")]), Some(0.0));
    assert!(daemon.term().success());
}

#[test]
fn f07_or_it_stops() {
    let vendor = FakeVendor::start();
    let mut daemon = scene_of(&vendor, &[], "on_corruption = \"stop\"\n");
    past(&daemon, 2);
    damage(&daemon.path("vendord.db"), "journal");
    daemon.spawn();
    assert_eq!(daemon.wait_end(s(10)).code(), Some(4), "{}", daemon.tail());
    assert!(daemon.tail().contains("damaged"), "{}", daemon.tail());
    let names = std::fs::read_dir(daemon.directory()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains(".corrupt-")), "it is left where it is");
}
