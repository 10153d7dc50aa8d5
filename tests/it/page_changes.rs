//! Checks of kind `page`: what a page lists is kept, over restarts, and every change of it once.

use crate::evidence::{assert_sound, database, list};
use crate::harness::{Daemon, FakeVendor, Reply, s};
use crate::scene::{config, reloaded, vendor};

type Version = (Option<String>, String);

/// (difference, listing), oldest first.
fn versions(daemon: &Daemon) -> Vec<Version> {
    list(&database(daemon), "SELECT difference, listing FROM page_versions ORDER BY id", |r| Ok((r.get(0)?, r.get(1)?)))
}

#[track_caller]
fn version(daemon: &Daemon, n: usize) -> Version {
    daemon.wait_for(&format!("version {n}"), s(15), |d| versions(d).get(n - 1).cloned())
}

#[test]
fn changes_of_a_page_are_kept_over_restarts_and_reloads() {
    let api = FakeVendor::start();
    let check = format!(
        "[[checks]]\nname = \"list\"\nkind = \"page\"\nurl = \"{}\"\nparser = \"csv\"\ninterval = \"200ms\"\nallow_private = true\n",
        api.url("/list")
    );
    let lists = |rows: &str| api.set("/list", Reply::ok().body(format!("Name,Country\n{rows}")));
    lists("A,DE\nB,SE\n");
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &vendor(1, &[check]))]);
    daemon.start();
    let (difference, listing) = version(&daemon, 1);
    assert!(difference.is_none() && listing.contains("\"B\",\"SE\""), "{listing}");

    // While nobody looks, the page changes: the next daemon knows what it said.
    daemon.term();
    lists("A,DE\nB,NO\n");
    daemon.start();
    let difference = version(&daemon, 2).0.expect("it differs from the one before the restart");
    assert!(difference.contains("\"before\":\"SE\",\"after\":\"NO\""), "{difference}");
    assert!(daemon.log().contains("page changed"), "{}", daemon.tail());

    // A page that cannot be read, and a reload: nothing is removed, and nothing is found anew.
    api.set("/list", Reply::ok().body("<html><title>Just a moment...</title></html>"));
    daemon.wait_for("failures", s(15), |d| {
        (d.metrics().sum("vendord_check_failures_by_reason_total", &[("check", "list"), ("reason", "protocol")]) >= 2.0).then_some(())
    });
    reloaded(&daemon);
    lists("A,DE\nB,NO\nC,FI\n");
    let difference = version(&daemon, 3).0.expect("compared with what was known before the reload");
    assert!(difference.contains("\"added\":[[\"C\",\"FI\"]]") && difference.contains("\"removed\":[]"), "{difference}");
    daemon.term();
    assert_eq!(versions(&daemon).len(), 3);
    assert_sound(&daemon);
}
