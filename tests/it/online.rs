//! `lint --online` and `feed --explain`: what a page is, and whether what is configured fits it.

use crate::harness::{Daemon, FakePage, Reply};

fn page(url: &str, more: &str) -> String {
    format!("name = \"Tide\"\n[[status_pages]]\nurl = \"{url}\"\n{more}\n")
}

#[test]
fn a_filter_that_matches_nothing_is_told_with_the_name_that_was_meant() {
    let (shown, dead) = (FakePage::start(), FakePage::start());
    dead.answers(Reply::ok().body("<!doctype html><title>Checking your browser</title>"));
    let fine = page(&shown.url(), "components = [\"API\"]");
    let wrong = page(&shown.url(), "components = [\n  \"Consle\",\n  \"Zebra\",\n]");
    let daemon = Daemon::new("", &[("a-fine", &fine), ("b-wrong", &wrong), ("c-dead", &page(&dead.url(), ""))]);
    let offline = daemon.cli(&["lint"]);
    assert_eq!((offline.code(), offline.out.contains("Consle")), (Some(0), false), "{}", offline.out);
    let found = daemon.cli(&["lint", "--online"]);
    assert_eq!(found.code(), Some(1), "{}", found.out);
    for want in [
        "error: the filter \"Consle\" matches nothing on the page",
        "did you mean \"Console\"?",
        "vendors/b-wrong.toml:4",
        "the filter \"Zebra\" matches nothing on the page",
        "it has 2 components: \"API\", \"Console\"",
        "vendors/c-dead.toml:2",
        "Checking your browser",
    ] {
        assert!(found.out.contains(want), "{want}:\n{}", found.out);
    }
    assert!(!found.out.contains("a-fine"), "{}", found.out);
    let rows = daemon.cli(&["lint", "--online", "--json"]).out;
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let errors = rows["findings"].as_array().into_iter().flatten().filter(|row| row["severity"] == "error");
    assert_eq!(errors.count(), 3, "{rows}");
}

#[test]
fn a_page_says_why_it_is_taken_for_what_it_is() {
    let shown = FakePage::start();
    shown.answers_at("/api/v1/summary", 404);
    let daemon = Daemon::new("", &[]);
    let found = daemon.cli(&["feed", &shown.url(), "--explain"]);
    assert_eq!(found.code(), Some(0), "{}", found.err);
    assert!(found.out.contains("It is taken for statuspage because of: page.id of a Statuspage, status.indicator"), "{}", found.out);
    assert!(found.out.contains("all incidents that are open, and a history tells"), "{}", found.out);
}
