//! `vendord feed` through the real binary: files, stdin, pages on the loopback address, and what it says of what is none.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Daemon, FakeVendor, Mode, Printed, Reply};

/// Runs it without any configuration in sight.
fn feed_in(directory: &std::path::Path, args: &[&str], stdin: &[u8]) -> Printed {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
    command.arg("feed").args(args).current_dir(directory).env("NO_COLOR", "1").env_remove("VENDORD_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    // It may end without reading what it was given.
    let _ = child.stdin.take().expect("piped").write_all(stdin);
    let output = child.wait_with_output().expect("our own child");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Printed { status: output.status, out: text(&output.stdout), err: text(&output.stderr) }
}

fn feed(args: &[&str]) -> Printed {
    feed_in(&std::env::temp_dir(), args, b"")
}

#[track_caller]
fn refused(printed: &Printed, code: i32, parts: &[&str]) {
    assert_eq!((printed.code(), printed.out.as_str()), (Some(code), ""), "{printed:?}");
    for part in parts {
        assert!(printed.err.contains(part), "{part:?} in {}", printed.err);
    }
}

#[test]
fn what_is_no_page_is_told_with_what_came_instead() {
    let dir = tempfile::tempdir().unwrap();
    for (name, body, said) in [
        ("empty", "", "empty cannot be read as a status page: the body is empty"),
        ("page.html", "<!DOCTYPE html><title>Acme \u{1b}[2J Status</title>", "it is a web page"),
        ("other.json", "{\"hello\": \"world\"}", "it is of no format known here"),
        ("words", "nothing of the kind", "it is of no format known here"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, body).unwrap();
        let printed = feed_in(dir.path(), &[name], b"");
        refused(&printed, 1, &[said]);
        assert!(!printed.err.contains('\u{1b}'), "{printed:?}");
    }
    refused(&feed_in(dir.path(), &["-"], b"<html><title>Sign in</title>"), 1, &["stdin cannot be read", "\"Sign in\""]);
    std::fs::write(dir.path().join("large"), vec![b' '; (10 << 20) + 1]).unwrap();
    refused(&feed_in(dir.path(), &["large"], b""), 1, &["cannot read large: it is larger than 10 MiB"]);
    refused(&feed_in(dir.path(), &["."], b""), 1, &["cannot read .: "]);
}

#[test]
fn wrong_usage_is_told_apart_from_a_page_that_is_not_there() {
    refused(&feed(&["--format", "statuspgae", "-"]), 2, &["statuspgae", "similar value", "statuspage"]);
    refused(&feed(&["ftp://status.example/"]), 2, &["is no http or https URL"]);
    refused(&feed(&[]), 2, &["URL|FILE"]);
    refused(&feed(&["--json", "--suggest", "-"]), 2, &["cannot be used with"]);
    refused(&feed(&["www.status.example"]), 1, &["there is no file \"www.status.example\"", "https://www.status.example"]);
    let printed = feed(&["--json", "nowhere.json"]);
    let error: serde_json::Value = serde_json::from_str(&printed.err).unwrap();
    assert_eq!((printed.code(), &error["error"]["message"]), (Some(1), &"there is no file \"nowhere.json\"".into()));
}

#[test]
fn a_page_that_cannot_be_read_is_told_with_everything_that_was_tried() {
    let vendor = FakeVendor::start();
    vendor.set_all(Mode::Status(404));
    vendor.set("/", Reply::ok().header("Content-Type", "text/html").body("<html><head><title>Acme Status</title>"));
    let printed = feed(&[&vendor.url("/")]);
    refused(
        &printed,
        1,
        &["it is a web page (\"Acme Status\"), not a feed", "Tried:", "/api/v2/summary.json: it answered 404", "RSS or Atom"],
    );
    assert!(vendor.hits("/api/v2/summary.json") == 1, "{:?}", vendor.served());

    vendor.set_all(Mode::Status(403));
    refused(&feed(&[&vendor.url("/status")]), 1, &["it answered 403", "the page refuses programs"]);

    vendor.refuse();
    let asked = vendor.served().len();
    let printed = feed(&[&vendor.url("/")]);
    refused(&printed, 1, &["cannot reach http://127.0.0.1:", "is the address right"]);
    assert!(!printed.err.contains("Tried:") && vendor.served().len() == asked, "one look is enough: {printed:?}");
}

/// A page made by hand, in Statuspage's layout.
fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds/statuspage").join(name);
    std::fs::read_to_string(path).unwrap()
}

#[track_caller]
fn printed(args: &[&str], stdin: &str) -> String {
    let printed = feed_in(&std::env::temp_dir(), args, stdin.as_bytes());
    assert_eq!((printed.code(), printed.err.as_str()), (Some(0), ""), "{args:?}: {}", printed.out);
    printed.out
}

fn json_of(args: &[&str], stdin: &str) -> Value {
    serde_json::from_str(&printed(&[args, &["--json"]].concat(), stdin)).expect("JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

#[test]
fn a_page_is_printed_for_scripts_key_by_key() {
    let page = json_of(&["-"], &fixture("summary-groups.json"));
    assert_eq!(
        keys(&page),
        ["components", "format", "incidents", "maintenances", "name", "overall", "schema", "updated_at", "url"],
        "serde_json sorts the keys that it reads"
    );
    assert_eq!((&page["format"], &page["schema"]), (&json!("statuspage"), &json!(1)));
    assert_eq!(keys(&page["components"][0]), ["group", "id", "name", "region", "status"]);
    let incidents = json_of(&["-"], &fixture("incidents.json"));
    let first = &incidents["incidents"][0];
    let want = ["components", "id", "impact", "resolved_at", "scope", "stage", "started_at", "title", "updates", "url"];
    assert_eq!(keys(first), want);
    assert_eq!(keys(&first["updates"][0]), ["at", "body", "stage"]);
    assert!(first["components"].as_array().unwrap().iter().all(Value::is_string));
    assert_eq!((&incidents["components"], &incidents["maintenances"]), (&json!([]), &json!([])), "what it does not carry is empty");
    let started: Vec<&str> = incidents["incidents"].as_array().unwrap().iter().filter_map(|i| i["started_at"].as_str()).collect();
    assert!(!started.is_empty() && started.iter().all(|at| at.len() == "2026-11-23T20:35:00.000Z".len()), "{started:?}");
    assert!(started.is_sorted_by(|newer, older| newer >= older), "newest first: {started:?}");
    let work = json_of(&["-"], &fixture("scheduled-maintenances.json"));
    let want = ["components", "ends_at", "id", "scope", "stage", "starts_at", "title", "url"];
    assert_eq!(keys(&work["maintenances"][0]), want);
}

#[test]
fn every_document_of_a_page_is_read_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["summary-one-down.json", "components.json", "incidents.json", "status-minor.json", "scheduled-maintenances.json"] {
        std::fs::write(dir.path().join(name), fixture(name)).unwrap();
        let printed = feed_in(dir.path(), &[name], b"");
        assert_eq!(printed.code(), Some(0), "{name}: {printed:?}");
        assert!(printed.out.contains("\nformat    statuspage\n"), "{}", printed.out);
    }
    let want = "\
page      Lantern Freight
url       https://status.lantern.example
format    statuspage
updated   2031-03-04 18:20:30 UTC
overall   partial_outage

COMPONENT     STATUS
Dock Booking  major_outage
4 more are operational

no open incident
";
    let printed = feed_in(dir.path(), &["summary-one-down.json"], b"");
    assert_eq!(printed.out, want);
    refused(&feed_in(dir.path(), &["--format", "incidentio", "components.json"], b""), 1, &["cannot be read as a status page"]);
}

#[test]
fn of_a_page_the_first_document_that_can_be_read_is_taken() {
    let vendor = FakeVendor::start();
    vendor.set_all(Mode::Status(404));
    vendor.set("/eu/", Reply::ok().header("Content-Type", "text/html").body("<html><title>Status</title>"));
    vendor.set("/eu/api/v2/summary.json", Reply::ok().header("Content-Type", "application/json").body(fixture("summary-one-down.json")));
    let text = printed(&[&vendor.url("/eu/")], "");
    assert!(text.contains(&format!("\nread from {}\n", vendor.url("/eu/api/v2/summary.json"))), "{text}");
    let page = json_of(&[&vendor.url("/eu/api/v2/summary.json"), "--format", "statuspage"], "");
    assert_eq!((&page["name"], &page["overall"]), (&json!("Lantern Freight"), &json!("partial_outage")));
    assert_eq!(page["components"].as_array().map(Vec::len), Some(5));
}

#[test]
fn what_is_suggested_can_be_pasted() {
    let vendor = FakeVendor::start();
    vendor.set_all(Mode::Status(404));
    vendor.set("/api/v2/summary.json", Reply::ok().body(fixture("summary-one-down.json")));
    let text = printed(&["--suggest", &vendor.url("/")], "");
    let want = format!(
        "[[status_pages]]\nurl = \"{}\"\n# What you use; without `components`, everything on the page.\n#components = [\n",
        vendor.url("/")
    );
    assert!(text.starts_with(&want), "{text}");
    assert!(text.contains("#    \"Harbour West / Dock Booking\",\n") && text.contains("#    \"Main Site\",\n"), "{text}");
    let taken = text.replace("#components", "components").replace("#    \"", "    \"").replace("#]", "]");
    for lines in [text.as_str(), &taken, &printed(&["--suggest", "-"], &fixture("incidents.json"))] {
        let daemon = Daemon::new("", &[("lantern", &format!("name = \"Lantern\"\n{lines}"))]);
        let lint = daemon.cli(&["lint"]);
        assert!(lint.code() == Some(0) && lint.out.contains("1 status page"), "{lines}\n{lint:?}");
    }
}
