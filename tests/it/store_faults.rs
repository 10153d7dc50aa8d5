//! F05, F06, F08 and F09: the disk fails, somebody holds the database, it is too new, or it is taken.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::io::Errno;
use vendord::store::{Batch, StoreError};

use crate::evidence::{Author, assert_sound, database, list, myself, number, reopened, role};
use crate::harness::{Call, Daemon, FakeVendor, Receiver, Shim, s, wait_for};
use crate::scene;

// --- F05: the n-th write or sync of a batch fails -------------------------------------------------------------------

/// That each try of the batch adds.
const ROWS: usize = 20;

/// No test of its own: what [`f05_whichever_write_or_sync_of_a_batch_fails`] runs under the shim.
#[test]
fn f05_the_part_under_the_shim() {
    if let Some((role, path)) = role()
        && role == "commits"
    {
        commit_twice(&path);
    }
}

/// Commits A, waits for the word, and offers B until it is taken or told to give up. More comes between tries.
fn commit_twice(path: &Path) {
    let mut words = std::io::stdin().lines().map_while(Result::ok);
    let mut author = Author::open(path);
    let mut batch = Batch::default();
    author.runs(&mut batch, 10, "A");
    author.change(&mut batch);
    author.writer.commit(&batch).expect("no fault yet");
    println!("\ncommitted A");

    let (mut sealed, mut gathered) = (None, Batch::default());
    let mut name = "B".to_owned();
    while words.next().is_some_and(|word| word == "go") {
        author.runs(&mut gathered, ROWS, &name);
        author.change(&mut gathered);
        match commit_all(&mut author, &mut sealed, &mut gathered) {
            Ok(()) => {
                println!("\ntaken {}", author.last_seq());
                break;
            }
            Err(error) => {
                assert!(error.is_passing(), "the daemon would end: {error}");
                println!("\nrefused {error}");
            }
        }
        name.push('+');
    }
    // The checkpoint and what comes with a clean end meet the fault too.
    println!("\nclosed {}", author.writer.close().is_ok());
}

/// As the recorder does: a batch that was refused is offered again as it was, then what was gathered meanwhile.
fn commit_all(author: &mut Author, sealed: &mut Option<Batch>, gathered: &mut Batch) -> Result<(), StoreError> {
    while let Some(batch) = sealed.take().or_else(|| (!gathered.is_empty()).then(|| std::mem::take(gathered))) {
        if let Err(error) = author.writer.commit(&batch) {
            *sealed = Some(batch);
            return Err(error);
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Once,
    /// For good: the batch is given up in the end.
    Lasting,
    /// Until the second try was refused.
    Mended,
}

/// Returns whether the fault was met.
fn one_batch(shim: &Shim, call: Call, n: u64, error: Errno, fault: Fault) -> bool {
    let case = format!("{call:?} {n} {error} {fault:?}");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("vendord.db");
    let mut command = myself("store_faults::f05_the_part_under_the_shim", "commits", &path);
    let mut child = command.envs(shim.environment()).spawn().expect("this program starts");
    let mut words = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let mut heard = || lines.by_ref().find(|l| ["committed", "taken", "refused", "closed"].iter().any(|word| l.starts_with(word)));
    assert_eq!(heard().as_deref(), Some("committed A"), "{case}");

    shim.fail_nth(call, n, error, fault != Fault::Once);
    let (mut tries, mut taken) = (0, None);
    loop {
        writeln!(words, "go").expect("it listens");
        tries += 1;
        let line = heard().unwrap_or_else(|| panic!("{case}: the writer ended"));
        if let Some(seq) = line.strip_prefix("taken ") {
            taken = seq.parse::<i64>().ok();
            break;
        }
        if fault == Fault::Mended && tries == 2 {
            shim.heal();
        }
        if tries == 4 {
            break;
        }
    }
    drop(words);
    assert!(heard().is_some_and(|line| line.starts_with("closed")), "{case}: it could not even close");
    assert!(child.wait().expect("our own child").success(), "{case}");
    let met = shim.failed(call) > 0;
    shim.heal();
    assert!(taken.is_some() || fault == Fault::Lasting, "{case}: never taken");
    assert_whole(&path, taken, tries, &case);
    met
}

/// A is there; what was taken is there once; what was refused to the end is there as one of its tries or not at all.
#[track_caller]
fn assert_whole(path: &Path, taken: Option<i64>, tries: usize, case: &str) {
    drop(reopened(path));
    let db = Connection::open(path).expect("it can be opened");
    let rows = number(&db, "SELECT max(seq) FROM journal");
    assert_eq!(rows, number(&db, "SELECT count(*) FROM journal"), "{case}");
    assert_eq!((rows - 10) % ROWS as i64, 0, "{case}: a batch is there in part");
    let tries_stored = (rows - 10) as usize / ROWS;
    match taken {
        Some(seq) => assert_eq!((rows, tries_stored), (seq, tries), "{case}"),
        None => assert!(tries_stored <= tries, "{case}"),
    }
    let events = list(&db, "SELECT detail FROM events ORDER BY id", |r| r.get::<_, String>(0));
    let want: Vec<String> = std::iter::once("A".to_owned()).chain((0..tries_stored).map(|n| format!("B{}", "+".repeat(n)))).collect();
    assert_eq!(events, want, "{case}");
    assert_eq!(number(&db, "SELECT count(*) FROM segments"), 1 + tries_stored as i64, "{case}");
    assert_eq!(number(&db, "SELECT count(*) FROM outages"), 1 + tries_stored as i64, "{case}");
}

#[test]
fn f05_whichever_write_or_sync_of_a_batch_fails() {
    if Shim::new("vendord.db").is_none() {
        return;
    }
    let faults = [(Errno::IO, Fault::Once), (Errno::IO, Fault::Lasting), (Errno::IO, Fault::Mended)];
    let faults = faults.into_iter().chain([(Errno::NOSPC, Fault::Once), (Errno::NOSPC, Fault::Lasting)]);
    // Most of it is waiting for the disk.
    std::thread::scope(|scope| {
        for (error, fault) in faults {
            scope.spawn(move || [Call::Write, Call::Sync].map(|call| each_of_one_batch(call, error, fault)));
        }
    });
}

/// n = 1, 2, 3... until a run meets no fault.
fn each_of_one_batch(call: Call, error: Errno, fault: Fault) {
    let shim = Shim::new("vendord.db").expect("it was there a moment ago");
    let met = (1..=200).take_while(|n| one_batch(&shim, call, *n, error, fault)).count();
    println!("{call:?} {error} {fault:?}: {met} faults met");
    assert!((1..200).contains(&met), "{call:?} {error} {fault:?}: {met}");
}

/// One vendor, looked at five times a second, and a receiver.
fn scene_of(vendor: &FakeVendor, receiver: &Receiver) -> Daemon {
    let parts = [scene::receiver("ops", &receiver.url(), scene::PATIENT), scene::route("ops", "")];
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "interval = \"200ms\"\nretry_interval = \"200ms\"\n")]);
    Daemon::new(&scene::config(&parts), &[("acme", &file)])
}

/// Each look of the daemon at the vendor is a row, but for those that a stop abandoned.
#[track_caller]
fn assert_every_look_is_stored(daemon: &Daemon, vendor: &FakeVendor) {
    let (hits, rows) = (vendor.hits("/") as i64, number(&database(daemon), "SELECT count(*) FROM journal"));
    assert!((hits - 1..=hits).contains(&rows), "{hits} looks, {rows} stored");
}

/// The longest time in which the vendor was not looked at.
fn longest_pause(vendor: &FakeVendor) -> Duration {
    let served = vendor.served();
    served.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).max().unwrap_or_default()
}

#[test]
fn f05_a_full_disk_loses_nothing_and_nothing_unstored_is_told() {
    let Some(shim) = Shim::new("vendord.db") else { return };
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let mut daemon = scene_of(&vendor, &receiver).environment(shim.environment());
    daemon.start();
    daemon.wait_for("the vendor up", s(5), |d| (d.metric("vendord_check_state_level", &[]) == Some(1.0)).then_some(()));

    shim.fail_nth(Call::Write, 1, Errno::NOSPC, true);
    vendor.set_all(500);
    daemon.wait_for("the store to be down", s(5), |d| (d.metric("vendord_store_up", &[]) == Some(0.0)).then_some(()));
    let hits = vendor.hits("/");
    wait_for("more looks on a full disk", s(10), || (vendor.hits("/") >= hits + 15).then_some(()));
    assert_eq!(daemon.ended(), None, "{}", daemon.tail());
    assert_eq!(daemon.metric("vendord_check_state_level", &[]), Some(1.0), "what is shown is stored");
    assert_eq!(receiver.tries().len(), 0, "what is told is stored");

    shim.heal();
    daemon.wait_for("the firing", s(10), |_| (receiver.told().len() == 1).then_some(()));
    assert_eq!(daemon.metric("vendord_store_up", &[]), Some(1.0));
    vendor.set_all(200);
    daemon.wait_for("the resolve", s(5), |_| (receiver.told().len() == 2).then_some(()));
    assert_eq!(receiver.told(), scene::told(&[("firing", "vendor.down"), ("resolved", "vendor.down")]));
    assert!(daemon.term().success());
    assert_sound(&daemon);
    assert_every_look_is_stored(&daemon, &vendor);
    assert_eq!(daemon.metrics().0.len(), 0);
    let down = &daemon.cli_json(&["outages"])["outages"][0]["seconds"];
    assert!(down.as_f64().is_some_and(|seconds| seconds >= 2.5), "the outage began before it could be stored: {down}");
}

/// Whatever a reload was doing when the disk failed, the vendors that are shown are those of one configuration.
#[test]
fn f05_a_reload_meets_a_failing_disk() {
    let Some(shim) = Shim::new("vendord.db") else { return };
    let (first, second) = (FakeVendor::start(), FakeVendor::start());
    second.set_all(500);
    let file = |vendor: &FakeVendor| scene::vendor(1, &[scene::check("api", &vendor.url("/"), "interval = \"200ms\"\n")]);
    let mut daemon = Daemon::new(&scene::config(&[]), &[("b", &file(&second))]).environment(shim.environment());
    daemon.start();
    let shown = |d: &Daemon| -> Vec<(String, f64)> {
        let series = d.metrics().0.get("vendord_check_state_level").cloned().unwrap_or_default();
        series.into_iter().map(|one| (one.labels["vendor"].clone(), one.value)).collect()
    };
    // The vendor that comes and goes stands before the one that stays.
    let wanted = |both: bool| {
        let a = both.then(|| ("a".to_owned(), 1.0));
        a.into_iter().chain([("b".to_owned(), 5.0)]).collect::<Vec<_>>()
    };
    let mut refused = 0;
    for (nth, n) in (1..=60).enumerate() {
        let comes = nth % 2 == 0;
        if comes {
            daemon.write_vendor("a", &file(&first))
        } else {
            daemon.remove_vendor("a")
        }
        shim.fail_nth(Call::Write, n, Errno::IO, false);
        let (status, said) = scene::reload(&daemon);
        if status != 200 {
            refused += 1;
            let hits = second.hits("/");
            wait_for("more looks", s(5), || (second.hits("/") >= hits + 2).then_some(()));
            assert_eq!(shown(&daemon), wanted(!comes), "write {n} failed, and the old configuration is not in force: {said}");
            daemon.wait_for("the reload after a refused one", s(5), |d| (scene::reload(d).0 == 200).then_some(()));
        }
        daemon.wait_for(&format!("the vendors as configured after write {n} failed"), s(5), |d| (shown(d) == wanted(comes)).then_some(()));
        shim.heal();
    }
    assert!(refused > 0, "no reload met a fault");
    assert_eq!(daemon.ended(), None, "{}", daemon.tail());
    assert!(daemon.term().success());
    assert_sound(&daemon);
}

#[test]
fn f42_a_full_disk_and_a_kill() {
    let Some(shim) = Shim::new("vendord.db") else { return };
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let mut daemon = scene_of(&vendor, &receiver).environment(shim.environment());
    daemon.start();
    daemon.wait_for("the vendor up", s(5), |d| (d.metric("vendord_check_state_level", &[]) == Some(1.0)).then_some(()));
    let shown = daemon.metric("vendord_check_runs_total", &[]).unwrap_or(0.0) as i64;

    shim.fail_nth(Call::Write, 1, Errno::NOSPC, true);
    vendor.set_all(500);
    daemon.wait_for("the store to be down", s(5), |d| (d.metric("vendord_store_up", &[]) == Some(0.0)).then_some(()));
    daemon.kill9();
    daemon.spawn();
    assert_eq!(daemon.wait_end(s(10)).code(), Some(4), "{}", daemon.tail());
    assert!(daemon.tail().contains("disk"), "{}", daemon.tail());
    assert_eq!(receiver.tries().len(), 0, "what is told is stored");

    shim.heal();
    assert!(number(&database(&daemon), "SELECT count(*) FROM journal") >= shown);
    daemon.start();
    daemon.wait_for("the firing", s(10), |_| (receiver.told().len() == 1).then_some(()));
    vendor.set_all(200);
    daemon.wait_for("the resolve", s(5), |_| (receiver.told().len() == 2).then_some(()));
    assert_eq!(receiver.out_of_turn(), []);
    assert!(daemon.term().success());
    assert_sound(&daemon);
}

// --- F06: somebody else holds the database --------------------------------------------------------------------------

#[test]
fn f06_a_busy_database_stops_no_check_and_loses_nothing() {
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let mut daemon = scene_of(&vendor, &receiver);
    daemon.start();
    daemon.wait_for("the vendor up", s(5), |d| (d.metric("vendord_check_state_level", &[]) == Some(1.0)).then_some(()));

    let other = Connection::open(daemon.path("vendord.db")).expect("anybody may open it");
    other
        .execute_batch("BEGIN EXCLUSIVE")
        .or_else(|_| other.busy_timeout(s(5)).and_then(|()| other.execute_batch("BEGIN EXCLUSIVE")))
        .expect("it is ours");
    let (began, before) = (Instant::now(), vendor.hits("/"));
    vendor.set_all(500);
    let status = daemon.cli(&["status"]);
    assert!(matches!(status.code(), Some(0 | 1)) || status.err.contains("busy"), "{status:?}");
    assert!(began.elapsed() < s(5), "a reader waited for {:?}", began.elapsed());
    daemon.wait_for("the store to be down", s(8), |d| (d.metric("vendord_store_up", &[]) == Some(0.0)).then_some(()));
    wait_for("8 s of looks", s(10), || (began.elapsed() >= s(8)).then_some(()));
    let looks = vendor.hits("/") - before;
    assert!((35..=45).contains(&looks), "{looks} looks in 8 s at 200 ms");
    assert_eq!(receiver.tries().len(), 0, "what is told is stored");

    other.execute_batch("ROLLBACK").expect("it was ours");
    daemon.wait_for("the firing", s(10), |_| (receiver.told().len() == 1).then_some(()));
    assert_eq!(daemon.metric("vendord_store_up", &[]), Some(1.0));
    vendor.set_all(200);
    daemon.wait_for("the resolve", s(5), |_| (receiver.told().len() == 2).then_some(()));
    assert!(longest_pause(&vendor) < s(1), "{:?} without a look", longest_pause(&vendor));
    drop(other);
    assert!(daemon.term().success());
    assert_sound(&daemon);
    assert_every_look_is_stored(&daemon, &vendor);
}

// --- F08: a database of a newer version -----------------------------------------------------------------------------

#[test]
fn f08_a_newer_database_is_left_alone() {
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let mut daemon = scene_of(&vendor, &receiver);
    daemon.start();
    assert!(daemon.term().success());
    let path = daemon.path("vendord.db");
    let db = Connection::open(&path).expect("anybody may open it");
    db.pragma_update(None, "user_version", 99).expect("it can be written");
    db.close().expect("nothing is left open");
    let before = std::fs::read(&path).expect("it is there");
    let hits = vendor.hits("/");

    daemon.spawn();
    assert_eq!(daemon.wait_end(s(5)).code(), Some(4));
    let status = daemon.cli(&["status"]);
    assert_eq!(status.code(), Some(4));
    for said in [daemon.tail(), status.err] {
        assert!(said.contains("schema 99") && said.contains("newer version") && said.contains("install"), "{said}");
    }
    assert!(std::fs::read(&path).expect("it is there") == before, "the file was changed");
    assert_eq!(vendor.hits("/"), hits, "nothing was looked at");
}

#[test]
fn f08_a_database_of_another_program_is_left_alone() {
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    let mut daemon = scene_of(&vendor, &receiver);
    let path = daemon.path("vendord.db");
    let db = Connection::open(&path).expect("it can be made");
    db.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);").expect("it can be written");
    db.close().expect("nothing is left open");
    let before = std::fs::read(&path).expect("it is there");
    daemon.spawn();
    assert_eq!(daemon.wait_end(s(5)).code(), Some(4));
    assert!(daemon.tail().contains("another program"), "{}", daemon.tail());
    assert!(std::fs::read(&path).expect("it is there") == before, "the file was changed");
}

// --- F09: ten daemons, one database ---------------------------------------------------------------------------------

#[test]
fn f09_of_ten_daemons_on_one_database_one_runs() {
    const DAEMONS: usize = 10;
    let vendor = FakeVendor::start();
    let shared = tempfile::tempdir().expect("a temporary directory");
    let store = format!("[store]\nurl = \"sqlite:{}\"\ncommit_within", shared.path().join("vendord.db").display());
    let config = scene::config(&[]).replace("[store]\ncommit_within", &store);
    let file = scene::vendor(1, &[scene::check("api", &vendor.url("/"), "")]);
    let mut daemons: Vec<Daemon> = (0..DAEMONS).map(|_| Daemon::new(&config, &[("acme", &file)])).collect();
    let reader = Daemon::new(&config, &[("acme", &file)]);

    let began = Instant::now();
    daemons.iter_mut().for_each(Daemon::spawn);
    let mut ended: BTreeMap<usize, Duration> = BTreeMap::new();
    wait_for("one to be left", s(10), || {
        for (nth, daemon) in daemons.iter_mut().enumerate() {
            if let Some(status) = daemon.ended() {
                assert_eq!(status.code(), Some(4), "{}", daemon.tail());
                ended.entry(nth).or_insert(began.elapsed());
            }
        }
        (ended.len() >= DAEMONS - 1).then_some(())
    });
    let winner = (0..DAEMONS).find(|nth| !ended.contains_key(nth)).expect("one is left");
    let pid = daemons[winner].pid().expect("it runs");
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    for (nth, after) in &ended {
        // Ten at once share two cores; alone it takes a tenth of that.
        assert!(*after < s(2), "ended after {after:?}");
        let said = daemons[*nth].log();
        assert!(said.contains(&format!("pid {pid} on {host}")), "{said}");
    }
    daemons[winner].wait_for("the one to be ready", s(5), |d| d.is_ready().then_some(()));

    let after_one = {
        let loser = daemons.iter_mut().enumerate().find(|(nth, _)| *nth != winner).map(|(_, d)| d).expect("nine");
        let began = Instant::now();
        loser.kill9();
        loser.spawn();
        assert_eq!(loser.wait_end(s(5)).code(), Some(4));
        began.elapsed()
    };
    assert!(after_one < s(1), "alone it ended after {after_one:?}");
    // Ready is before the first results: until then nothing is known.
    wait_for("the one to know how its vendor is", s(10), || (reader.cli(&["status"]).code() == Some(0)).then_some(()));
    let hits = vendor.hits("/");
    wait_for("the one to go on while others read", s(10), || {
        let status = reader.cli(&["status"]);
        assert_eq!(status.code(), Some(0), "{status:?}");
        (vendor.hits("/") >= hits + 3).then_some(())
    });
    assert_eq!(daemons[winner].ended(), None);
    assert!(daemons[winner].term().success());
    let status = reader.cli(&["store", "verify"]);
    assert_eq!(status.code(), Some(0), "{status:?}");
}
