//! `vendord import incidents` through the real binary: every entry of a file is counted, and a second run changes nothing.

use serde_json::{Value, json};

use crate::harness::{Daemon, FakeVendor, Printed};
use crate::scene;

const CONFIG: &str = r#"
[store]
url = "sqlite:{dir}/vendord.db"
[web]
listen = "127.0.0.1:{port}"
"#;

const VENDOR: &str = "name = \"Acme\"\ntier = 1\ncategory = \"payments\"\n";

/// Nothing has run yet: the vendor is known from the configuration alone.
fn acme() -> Daemon {
    Daemon::new(CONFIG, &[("acme", VENDOR)])
}

fn write(daemon: &Daemon, name: &str, text: &str) -> String {
    let path = daemon.path(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[track_caller]
fn import(daemon: &Daemon, file: &str, more: &[&str], code: i32) -> Value {
    let Printed { status, out, err } = daemon.cli(&[&["import", "incidents", "acme", file, "--json"], more].concat());
    assert_eq!((status.code(), err.as_str()), (Some(code), ""), "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let number = |name: &str| report[name].as_u64().unwrap();
    let sum: u64 = ["new", "changed", "unchanged", "known", "repeated"].map(number).iter().sum();
    assert_eq!(number("read"), sum + report["refused"].as_array().unwrap().len() as u64, "{report}");
    report
}

/// read, new, changed, unchanged, known, repeated
#[track_caller]
fn counts(report: &Value, want: [u64; 6]) {
    let got = ["read", "new", "changed", "unchanged", "known", "repeated"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(got, want, "{report}");
}

const TABLE: &str = "id,title,kind,impact,started_at,resolved_at,components,url\n\
    1,API errors,incident,major,2026-01-02T10:00:00Z,2026-01-02T11:30:00+01:00,API;Web,https://status.example/1\n\
    2,Database upgrade,maintenance,,2026-02-01T00:00:00Z,2026-02-01T02:00:00Z,,\n\
    3,\"Slow, very slow\",incident,,2026-03-01T00:00:00Z,,\"[\"\"API\"\"]\",\n";

#[test]
fn a_table_is_taken_once() {
    let daemon = acme();
    let file = write(&daemon, "past.csv", TABLE);
    let dry = import(&daemon, &file, &["--dry-run"], 0);
    counts(&dry, [3, 3, 0, 0, 0, 0]);
    assert!(dry["dry_run"] == true && !daemon.path("vendord.db").exists());
    let report = import(&daemon, &file, &[], 0);
    counts(&report, [3, 3, 0, 0, 0, 0]);
    assert_eq!((&report["schema"], &report["format"], &report["open"]), (&json!(1), &json!("csv"), &json!(1)));
    counts(&import(&daemon, &file, &[], 0), [3, 0, 0, 3, 0, 0]);

    let one = &daemon.cli_json(&["incidents", "1"])["incidents"][0];
    assert_eq!((&one["imported"], &one["source"], &one["vendor"]), (&json!(true), &json!("import"), &json!("acme")));
    // The end lies before the start: the earlier of the two is believed, and what was written is kept.
    assert_eq!((&one["started_at"], &one["resolved_at"]), (&json!("2026-01-02T10:00:00.000Z"), &json!("2026-01-02T10:30:00.000Z")));
    assert_eq!((&one["impact"], &one["components"], &one["concerns"]), (&json!("major"), &json!(["API", "Web"]), &json!(true)));
    let work = &daemon.cli_json(&["maintenance"])["maintenances"][0];
    assert_eq!((&work["source_id"], &work["stage"], &work["imported"]), (&json!("2"), &json!("completed"), &json!(true)));
    let slow = &daemon.cli_json(&["incidents", "3"])["incidents"][0];
    assert_eq!((&slow["title"], &slow["components"], &slow["impact"]), (&json!("Slow, very slow"), &json!(["API"]), &Value::Null));
    let status = daemon.cli_json(&["status"]);
    assert_eq!((&status["vendors"][0]["name"], &status["vendors"][0]["tier"]), (&json!("Acme"), &json!(1)));
    assert_eq!(status["vendors"][0]["open_incidents"], json!([]), "a file cannot say what is open now");
    assert_eq!(daemon.cli_json(&["store", "verify"])["findings"], json!([]));
}

#[test]
fn what_changed_is_a_new_version() {
    let daemon = acme();
    import(&daemon, &write(&daemon, "past.csv", TABLE), &[], 0);
    let later = TABLE
        .replace(",incident,major,", ",incident,minor,")
        .replace("2026-03-01T00:00:00Z,,", "2026-03-01T00:00:00Z,2026-03-02T00:00:00Z,");
    counts(&import(&daemon, &write(&daemon, "later.csv", &later), &[], 0), [3, 0, 2, 1, 0, 0]);
    let one = &daemon.cli_json(&["incidents", "1", "--versions"])["incidents"][0];
    assert_eq!((&one["versions"], &one["impact"], &one["imported"]), (&json!(2), &json!("minor"), &json!(true)));
    assert_eq!(one["history"][1]["changes"], json!([{"field": "impact", "before": "major", "after": "minor"}]));
    // What a file leaves out is not gone.
    let head: String = TABLE.lines().take(2).map(|line| format!("{line}\n")).collect();
    counts(&import(&daemon, &write(&daemon, "part.csv", &head), &[], 0), [1, 0, 1, 0, 0, 0]);
    assert_eq!(daemon.cli_json(&["incidents"])["incidents"].as_array().unwrap().len(), 2);
}

#[test]
fn bad_rows_are_told_with_their_place_and_the_others_are_taken() {
    let daemon = acme();
    let lines = "{\"id\": \"1\", \"title\": \"ok\", \"started_at\": \"2026-01-01T00:00:00Z\", \"team\": \"x\"}\n\
        {\"id\": \"2\", \"title\": \"bad\", \"started_at\": \"noon\"}\n\
        {\"id\": \"3\", \n\
        {\"id\": \"1\", \"title\": \"ok\", \"started_at\": \"2026-01-01T00:00:00Z\"}\n";
    let file = write(&daemon, "past.jsonl", lines);
    let report = import(&daemon, &file, &[], 5);
    counts(&report, [4, 1, 0, 0, 0, 1]);
    assert_eq!(
        report["refused"][0],
        json!({"line": 2, "column": 43, "field": "started_at", "message": "\"noon\" is not a time; write it with its zone, as 2026-11-23T20:35:00Z"})
    );
    assert_eq!((&report["refused"][1]["line"], &report["columns_not_read"]), (&json!(3), &json!(["team"])));
    let Printed { status, out, err } = daemon.cli(&["import", "incidents", "acme", &file]);
    let said = out.replace(&file, "FILE");
    assert_eq!((status.code(), err.as_str()), (Some(5), ""));
    assert_eq!(
        said,
        "acme: 4 read, 0 new, 0 changed, 1 unchanged, 0 known, 1 repeated, 2 refused\n\
         FILE:2:43: started_at: \"noon\" is not a time; write it with its zone, as 2026-11-23T20:35:00Z\n\
         FILE:3:11: it is no JSON object: EOF while parsing a value\n\
         not read: team\n"
    );
}

/// Two incidents and planned work, as the API of a page lists them.
const PAGE: &str = r#"{
  "page": {"id": "abcdefghij12", "name": "Acme", "url": "https://status.example", "updated_at": "2026-05-01T00:00:00Z"},
  "incidents": [
    {"id": "p1", "name": "API errors", "status": "resolved", "impact": "major", "created_at": "2026-01-02T10:01:00Z", "resolved_at": "2026-01-02T11:00:00Z",
     "incident_updates": [{"id": "u1", "status": "resolved", "body": "Fixed.", "created_at": "2026-01-02T11:00:00Z"}]},
    {"id": "p2", "name": "Slow logins", "status": "resolved", "impact": "minor", "created_at": "2026-01-03T10:00:00Z", "resolved_at": "2026-01-03T10:10:00Z"},
    {"status": "resolved"}
  ]
}"#;

#[test]
fn documents_of_a_page_are_read_as_the_daemon_reads_them() {
    let daemon = acme();
    let file = write(&daemon, "incidents.json", PAGE);
    let report = import(&daemon, &file, &[], 5);
    counts(&report, [3, 2, 0, 0, 0, 0]);
    assert_eq!((&report["format"], &report["refused"][0]["line"]), (&json!("statuspage"), &json!(7)));
    let one = &daemon.cli_json(&["incidents", "p1"])["incidents"][0];
    assert_eq!((&one["url"], &one["updates"][0]["body"]), (&json!("https://status.example/incidents/p1"), &json!("Fixed.")));
    let archive = r#"{"months": [{"name": "January", "year": 2026, "incidents": [
        {"code": "p2", "name": "Slow logins", "impact": "minor", "message": "Fixed.", "timestamp": "Jan <var data-var='date'>3</var>, <var data-var='time'>10:00</var> - <var data-var='time'>10:10</var> UTC"},
        {"code": "p0", "name": "Odd", "impact": "none", "message": "Gone.", "timestamp": "Jan <var data-var='date'>1</var>, <var data-var='time'>10:00</var> - <var data-var='time'>10:10</var> UTC"}]}]}"#;
    // An archive tells less: what is there already stays as it is.
    counts(&import(&daemon, &write(&daemon, "history.json", archive), &[], 0), [2, 1, 0, 1, 0, 0]);
}

#[test]
fn both_layouts_of_google_cloud_are_read() {
    let daemon = acme();
    let document = r#"[
      {"id": "aB3", "number": "77", "begin": "2026-01-02T03:04:05+00:00", "end": "2026-01-02T05:00:00+00:00", "external_desc": "Slow reads", "status_impact": "SERVICE_OUTAGE",
       "severity": "high", "affected_products": [{"title": "Storage", "id": "p1"}], "uri": "incidents/aB3", "updates": [{"when": "2026-01-02T05:01:00+00:00", "text": "Fixed.", "status": "AVAILABLE"}]},
      {"number": 20001, "begin": "2020-01-02T03:04:05Z", "end": "2020-01-02T04:00:00Z", "external_desc": "Errors", "severity": "medium", "service_key": "cdn", "service_name": "CDN", "uri": "/incident/cdn/20001"},
      {"number": 20001, "begin": "2020-01-02T03:04:05Z", "end": "2020-01-02T04:00:00Z", "external_desc": "Others", "severity": "medium", "service_key": "dns", "service_name": "DNS", "uri": "/incident/dns/20001"}
    ]"#;
    let file = write(&daemon, "incidents.json", document);
    assert_eq!(import(&daemon, &file, &[], 0)["format"], "gcp");
    counts(&import(&daemon, &file, &["--format", "gcp"], 0), [3, 0, 0, 3, 0, 0]);
    let all = daemon.cli_json(&["incidents"]);
    let brief = |n: usize| {
        [&all["incidents"][n]["impact"], &all["incidents"][n]["components"][0], &all["incidents"][n]["source_id"]].map(Value::clone)
    };
    assert_eq!(brief(0), [json!("critical"), json!("Storage"), json!("aB3")]);
    assert_eq!(brief(1), [json!("major"), json!("DNS"), json!("/incident/dns/20001")]);
    assert_eq!(brief(2), [json!("major"), json!("CDN"), json!("/incident/cdn/20001")]);
}

#[test]
fn what_another_collection_brought_is_known() {
    let daemon = acme();
    import(&daemon, &write(&daemon, "incidents.json", &PAGE.replace(",\n    {\"status\": \"resolved\"}", "")), &[], 0);
    // Another id; the same title and a start within two minutes.
    counts(&import(&daemon, &write(&daemon, "past.csv", TABLE), &[], 0), [3, 2, 0, 0, 1, 0]);
    counts(&import(&daemon, &write(&daemon, "past.csv", TABLE), &[], 0), [3, 0, 0, 2, 1, 0]);
    assert_eq!(daemon.cli_json(&["incidents"])["incidents"].as_array().unwrap().len(), 3);
}

#[test]
fn a_daemon_that_runs_is_not_written_past() {
    let vendor = FakeVendor::start();
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &scene::vendor(1, &[scene::check("api", &vendor.url("/"), "")]))]);
    daemon.start();
    let file = write(&daemon, "past.csv", TABLE);
    let Printed { status, out, err } = daemon.cli(&["import", "incidents", "acme", &file]);
    assert_eq!((status.code(), out.as_str()), (Some(4), ""));
    assert!(err.contains("is in use by a vendord that runs: pid ") && err.contains("stop it first"), "{err}");
    counts(&import(&daemon, &file, &["--dry-run"], 0), [3, 3, 0, 0, 0, 0]);
    daemon.term();
    counts(&import(&daemon, &file, &[], 0), [3, 3, 0, 0, 0, 0]);
    // The next daemon finds its vendor as it left it, and the past beside it.
    daemon.start();
    assert_eq!(daemon.cli_json(&["incidents"])["incidents"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_imported() {
    let daemon = acme();
    let file = |name: &str, text: &str| write(&daemon, name, text);
    let table = file("past.csv", TABLE);
    for (vendor, file, more, code, says) in [
        ("acne", table.clone(), &[][..], 2, "there is no vendor \"acne\"; did you mean \"acme\"?"),
        ("acme", table, &["--format", "cvs"], 2, "[possible values: jsonl, csv"),
        ("acme", daemon.path("nowhere.csv").display().to_string(), &[], 4, "cannot read "),
        ("acme", file("empty", ""), &[], 1, "it is empty"),
        ("acme", file("a.csv", "id,name\n"), &[], 1, "its header has no column \"started_at\"; it has id, name"),
        ("acme", file("a.json", "[\n{]"), &[], 1, "a.json:2:2: it is no JSON"),
        ("acme", file("b.json", "{\n\"hello\": 1}"), &[], 1, "of none of the formats"),
        ("acme", file("c.json", "{}"), &["--format", "statuspage"], 1, "is not a statuspage document"),
        ("acme", file("d.json", "<html>"), &[], 1, "of none of the formats"),
    ] {
        let Printed { status, out, err } = daemon.cli(&[&["import", "incidents", vendor, &file], more].concat());
        assert_eq!((status.code(), out.as_str()), (Some(code), ""), "{file}: {err}");
        assert!(err.contains(says), "{file}: {err}");
    }
    let latin = daemon.path("latin.csv");
    std::fs::write(&latin, b"id,title,started_at\n1,caf\xe9,2026-01-01T00:00:00Z\n").unwrap();
    let said = daemon.cli(&["import", "incidents", "acme", &latin.display().to_string()]).err;
    assert!(said.contains("is not UTF-8 in line 2"), "{said}");
    daemon.write_vendor("acme", "tier = 99\n");
    assert_eq!(daemon.cli(&["import", "incidents", "acme", "past.csv"]).code(), Some(3));
    assert!(!daemon.path("vendord.db").exists());
}
