//! F24, F25: texts that are meant to do harm, followed from a page to every place where they come out.

use std::io::Write;
use std::process::{Command, Stdio};

use rusqlite::types::Value as Cell;
use serde_json::{Value, json};

use super::holds::is_fine;
use crate::evidence::{database, list};
use crate::harness::{Daemon, FakeVendor, Receiver, Reply, s};
use crate::scene::{config, receiver, route};

/// In every text of the page, so that it is known where the page's texts are.
const MARK: &str = "Polyglot";

/// Something for everybody who might take a text for more than a text.
const POLYGLOT: &str = "Polyglot\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m \u{202e}gnp.exe\u{202c}\u{2066}\u{200b}\u{feff}\0\r\nBcc: a@b.example\r\n\
    <script>alert(1)</script><img src=x onerror=alert(1)> <!channel> <@U1> *b* [a](javascript:x) `c` =1+1 @SUM(A1) ../../etc/passwd \
    \"} 1\nvendord_up 0 {{7*7}} ${jndi:ldap://x} %s%n '; DROP TABLE incidents;-- \u{2028}";

/// A megabyte of it.
fn long() -> String {
    format!("{POLYGLOT}{}", "word ".repeat(200_000))
}

fn statuspage() -> Vec<u8> {
    let update = json!({"id": "u", "status": POLYGLOT, "body": long(), "created_at": "2031-03-04T09:00:00Z"});
    let component = json!({"id": "c1", "name": POLYGLOT, "status": POLYGLOT, "group": false});
    let incident = json!({"id": "i1", "name": long(), "status": "identified", "impact": "major", "created_at": "2031-03-04T09:00:00Z",
        "shortlink": format!("https://status.example/{POLYGLOT}"), "incident_updates": [update], "components": [component]});
    let page = json!({"page": {"id": "lanternqx001", "name": POLYGLOT, "url": "https://status.example"}, "status": {"indicator": POLYGLOT},
        "components": [component], "incidents": [incident], "scheduled_maintenances": []});
    // Bytes that are no UTF-8, in the middle of a text.
    let mut body = page.to_string().into_bytes();
    let at = body.windows(MARK.len()).position(|window| window == MARK.as_bytes()).expect("it is there") + MARK.len();
    body.splice(at..at, *b"\xff\xfe\xc3\x28");
    body
}

fn widget() -> Vec<u8> {
    let incident = json!({"id": "i1", "name": long(), "status": "identified", "current_worst_impact": "partial_outage", "url": POLYGLOT,
        "last_update_at": "2031-03-04T09:00:00Z", "last_update_message": long(),
        "affected_components": [{"id": "c1", "name": POLYGLOT, "group_name": POLYGLOT, "current_status": POLYGLOT}]});
    json!({"page_title": POLYGLOT, "page_url": "javascript:alert(1)", "ongoing_incidents": [incident], "scheduled_maintenances": []})
        .to_string()
        .into_bytes()
}

fn feed() -> Vec<u8> {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let entry = format!(
        "<item><title>{}</title><guid>{}</guid><link>https://status.example/{}</link><pubDate>Tue, 04 Mar 2031 09:00:00 GMT</pubDate>\
         <category>Investigating</category><description>{}</description></item>",
        escape(&long()),
        escape(POLYGLOT),
        escape(POLYGLOT),
        escape(&long())
    );
    let mut body = format!("<rss version='2.0'><channel><title>{}</title>{entry}</channel></rss>", escape(POLYGLOT)).into_bytes();
    body.splice(60..60, *b"\xff\xc3\x28");
    body
}

/// `vendord feed -`, which must have read it.
fn printed(body: &[u8], more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
    command.args(["feed", "-"]).args(more).env("NO_COLOR", "1").env_remove("VENDORD_CONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the binary starts");
    child.stdin.take().expect("piped").write_all(body).expect("it reads all of it");
    let output = child.wait_with_output().expect("our own child");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Nothing that a terminal would obey, or that hides or turns text.
#[track_caller]
fn harmless(place: &str, text: &str) {
    let odd = text.chars().position(|c| !is_fine(c));
    let around = |at: usize| text.chars().skip(at.saturating_sub(60)).take(120).collect::<String>();
    assert!(odd.is_none(), "{place}: {:?}", odd.map(around));
}

/// Every text in it, with the name of its key.
fn each_text<'v>(value: &'v Value, key: &'v str, with: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => with(key, text),
        Value::Array(list) => list.iter().for_each(|value| each_text(value, key, with)),
        Value::Object(map) => map.iter().for_each(|(key, value)| each_text(value, key, with)),
        _ => {}
    }
}

#[test]
fn f24_what_comes_out_of_feed_is_clean_bounded_and_cut_with_a_mark() {
    for (format, body) in [("statuspage", statuspage()), ("incidentio", widget()), ("rss", feed())] {
        let page: Value = serde_json::from_str(&printed(&body, &["--json"])).expect("JSON");
        assert_eq!(page["format"], format);
        each_text(&page, "", &mut |key, text| harmless(&format!("{format} {key}"), text));
        let incident = &page["incidents"][0];
        let (title, body_text) = (incident["title"].as_str().expect("a title"), incident["updates"][0]["body"].as_str().expect("a body"));
        assert!(title.starts_with(MARK) && title.ends_with(" […]") && title.chars().count() <= 300, "{format}: {title:?}");
        assert!(!title.contains('\n'), "{title:?}");
        assert!(body_text.starts_with(MARK) && body_text.ends_with(" […]"), "{format}: {:?}", &body_text[..80]);
        assert_eq!(body_text.chars().count(), 20_000, "{format}");
        assert!(!body_text.contains("alert(1)"), "scripts are no text of a body: {:?}", &body_text[..300]);
        assert!(page["url"].is_null() || page["url"] == "https://status.example", "{}", page["url"]);
        let shown = printed(&body, &[]);
        assert!(shown.contains(MARK), "{shown}");
        harmless(format, &shown);
    }
}

#[test]
fn f24_f25_a_hostile_title_does_nothing_at_any_exit() {
    let (vendor, ops) = (FakeVendor::start(), Receiver::start());
    vendor.set_all(Reply::from(404));
    vendor.set("/api/v2/summary.json", Reply::ok().body(statuspage()));
    let page = format!(
        "tier = 1\n[[status_pages]]\nurl = \"{}\"\nformat = \"statuspage\"\nallow_private = true\ninterval = \"1s\"\n",
        vendor.url("/")
    );
    let main = config(&[receiver("ops", &ops.url(), ""), route("ops", "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &page)]);
    daemon.start();
    daemon.wait_for("the incident", s(20), |_| ops.told().iter().any(|(_, rule)| rule == "incident.reported").then_some(()));

    // The webhook.
    let mut titles = 0;
    for sent in ops.tries() {
        harmless("webhook", &String::from_utf8(sent.body.clone()).expect("UTF-8"));
        sent.headers.iter().for_each(|(name, value)| assert!(!value.contains(MARK), "{name}: {value}"));
        each_text(&sent.json(), "", &mut |key, text| {
            harmless(&format!("webhook {key}"), text);
            titles += usize::from(text.contains(MARK));
        });
    }
    assert!(titles > 0, "the message tells what happened");

    // The metrics page: no word of it anywhere, so in no label either.
    let metrics = daemon.get("/metrics").expect("the daemon answers").text();
    assert!(metrics.contains("vendord_incidents_open") && !metrics.contains(MARK) && !metrics.contains("vendord_up 0 {{"), "{metrics}");
    harmless("metrics", &metrics.replace('\t', " "));

    // The command line.
    let incidents = daemon.cli_json(&["incidents"]);
    each_text(&incidents, "", &mut |key, text| harmless(&format!("incidents --json {key}"), text));
    let id = incidents["incidents"][0]["id"].as_str().expect("an id").to_owned();
    for args in [&["incidents"][..], &["incidents", &id, "--versions"], &["alert", "list"], &["status"]] {
        let shown = daemon.cli(args);
        // Not everything is well, and `status` says so.
        assert!(matches!(shown.code(), Some(0 | 1)) && !shown.out.is_empty(), "{shown:?}");
        harmless(&args.join(" "), &(shown.out + &shown.err));
    }
    assert!(daemon.cli(&["incidents"]).out.contains(MARK));

    // A page that can no longer be read is told in its own words.
    for body in
        [format!("<{}/>", POLYGLOT.replace(['<', '>'], "")), format!("<html><title>{POLYGLOT}</title>"), json!(POLYGLOT).to_string()]
    {
        let asked = vendor.hits("/api/v2/summary.json");
        vendor.set("/api/v2/summary.json", Reply::ok().body(body));
        daemon.wait_for("two more reads", s(20), |_| (vendor.hits("/api/v2/summary.json") >= asked + 2).then_some(()));
    }
    daemon.term();
    harmless("log", &daemon.log());

    // The store: every text in every table.
    let db = database(&daemon);
    for table in list(&db, "SELECT name FROM sqlite_master WHERE type = 'table'", |row| row.get::<_, String>(0)) {
        list(&db, &format!("SELECT * FROM \"{table}\""), |row| {
            for column in 0..row.as_ref().column_count() {
                let text = match row.get::<_, Cell>(column)? {
                    Cell::Text(text) => text,
                    Cell::Blob(bytes) => String::from_utf8(bytes).unwrap_or_default(),
                    _ => continue,
                };
                harmless(&table, &text);
                assert!(!["\\u001b", "\\u202e", "\\u0000", "\\u009b"].iter().any(|escaped| text.contains(escaped)), "{table}: {text}");
                assert!(text.chars().count() < 100_000, "{table}: {} characters", text.chars().count());
            }
            Ok(())
        });
    }
}
