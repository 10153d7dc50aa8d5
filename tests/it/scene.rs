//! Configurations as these tests write them: small, fast, and only with what matters to the test.
#![allow(dead_code, reason = "each test uses a part")]

use crate::harness::{Daemon, Receiver};

/// Two tries that follow each other quickly: what fails is soon dead.
pub const TWICE: &str = "retry = [\"0s\", \"200ms\"]";
/// Tries that go on for as long as a test lasts.
pub const PATIENT: &str = "retry = [\"0s\", \"200ms\", \"200ms\", \"200ms\", \"500ms\", \"500ms\", \"500ms\", \"1s\", \"1s\", \"2s\", \"2s\", \"5s\", \"5s\", \"30s\"]";

/// `vendord.toml`: results are committed quickly, everything is measured and served.
pub fn config(parts: &[String]) -> String {
    let head = "[store]\ncommit_within = \"50ms\"\n[web]\nlisten = \"127.0.0.1:{port}\"\nlifecycle = true\n";
    format!("{head}{}", parts.concat())
}

pub fn receiver(name: &str, url: &str, more: &str) -> String {
    format!("[[receivers]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{url}\"\nrate = \"50/s\"\n{more}\n")
}

/// Everything at once, nothing repeated.
pub fn route(receiver: &str, more: &str) -> String {
    let wait = if more.contains("group_wait") { "" } else { "group_wait = \"0s\"\n" };
    format!("[[routes]]\nreceiver = \"{receiver}\"\n{wait}group_interval = \"0s\"\n{more}\n")
}

pub fn vendor(tier: u8, checks: &[String]) -> String {
    format!("tier = {tier}\nmerge_gap = \"0s\"\n{}", checks.concat())
}

/// One bad run is down, one good run is up.
pub fn check(name: &str, url: &str, more: &str) -> String {
    let interval = if more.contains("interval") { "" } else { "interval = \"500ms\"\n" };
    let flap = if more.contains("flap_changes") { "" } else { "flap_changes = 0\n" };
    format!(
        "[[checks]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\ndown_after = \"1\"\nup_after = \"1\"\n{flap}{interval}{more}\n"
    )
}

/// (type without `alert.`, rule): how many of each.
pub fn count(receiver: &Receiver, event: &str, rule: &str) -> usize {
    receiver.told().into_iter().filter(|(e, r)| e == event && r == rule).count()
}

pub fn told(words: &[(&str, &str)]) -> Vec<(String, String)> {
    words.iter().map(|(event, rule)| ((*event).to_owned(), (*rule).to_owned())).collect()
}

/// Reloads by HTTP: the status and what it says.
pub fn reload(daemon: &Daemon) -> (u16, String) {
    let page = daemon.post("/-/reload", &[], b"").expect("the daemon answers");
    (page.status, page.text())
}

#[track_caller]
pub fn reloaded(daemon: &Daemon) {
    assert_eq!(reload(daemon), (200, "Reloaded.\n".to_owned()), "{}", daemon.tail());
}
