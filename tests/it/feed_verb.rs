//! `vendord feed` through the real binary: files, stdin, pages on the loopback address, and what it says of what is none.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{FakeVendor, Mode, Printed, Reply};

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
