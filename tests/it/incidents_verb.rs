//! `vendord incidents` and `vendord maintenance` over a database that the library made: what vendors declared, as text, JSON
//! and CSV.
//!
//! The database is of the year 2100, and the one run in it makes "now" the same in every run of the tests.

use std::time::Duration;

use serde_json::{Value, json};
use vendord::declared::archive::{Ledger, Reading};
use vendord::feeds::settle;
use vendord::model::page::{Carries, Impact, Incident, Listing, Maintenance, Oddities, Page, Stage, Status, Touched, Update};
use vendord::model::{KofN, Observation, Outcome, Reason, SeverityCap, SourceId, Terms, Timestamp, Uuid, VendorId};
use vendord::store::{Batch, Declarations, JournalRow, RegisteredCheck, Registration, StoredVersion, Writer};

use crate::harness::{Daemon, Printed, s};

const START_MILLIS: i64 = 4_102_444_800_000;

const CONFIG: &str = r#"
[store]
url = "sqlite:{dir}/vendord.db"
[web]
listen = "127.0.0.1:{port}"
"#;

/// Minutes of 2100-01-01.
fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(START_MILLIS + minutes * 60_000)
}

fn registration(vendor: &str) -> Registration {
    let terms = Terms {
        interval: s(10),
        timeout: s(5),
        retry_interval: s(10),
        down_after: KofN::in_a_row(2),
        up_after: KofN::in_a_row(2),
        severity: SeverityCap::Down,
        enabled: true,
    };
    Registration {
        vendor: VendorId::new(vendor),
        name: vendor.to_uppercase(),
        tier: 2,
        category: String::new(),
        checks: vec![RegisteredCheck { name: "api".to_owned(), kind: "http", terms, renamed_from: None }],
        sources: vec![("status".to_owned(), "https://status.example".to_owned(), "statuspage".to_owned())],
    }
}

/// Writes what pages say, reading by reading, as the daemon does.
struct Past {
    writer: Writer,
    ids: u128,
}

impl Past {
    fn begin(daemon: &Daemon) -> Past {
        let mut writer = Writer::open(&daemon.path("vendord.db"), true, "boot".to_owned()).unwrap();
        let registered = writer.register(&[registration("acme"), registration("globex")], "default", at(0)).unwrap();
        let observation = Observation { outcome: Outcome::Up, ..Observation::failed(Reason::Ok, Duration::from_millis(5), "") };
        let row = JournalRow { seq: 1, terms_id: registered[0].terms_id, at: at(1440), observation };
        writer.commit(&Batch { observations: vec![row], ..Batch::default() }).unwrap();
        Past { writer, ids: 0xa000_0000 }
    }

    /// Everything but what touches only "Batch" concerns us.
    fn read(&mut self, vendor: &str, ledger: &mut Ledger, minutes: i64, page: Page, first_sight: bool) {
        let live = settle(page);
        let reader = self.writer.reader().unwrap();
        let reading = Reading { at: at(minutes), live: &live, history: &[], first_sight, moved_at: None };
        let new_id = || {
            self.ids += 0x11;
            Uuid::from_u128(self.ids)
        };
        let versions = ledger.read(&reading, |id, kind| reader.record(id, kind).unwrap(), new_id);
        drop(reader);
        let stored = versions.into_iter().map(|version| {
            let concerns = !matches!(version.record.touches(), [only] if only.name == "Batch");
            StoredVersion { source: SourceId::new(&VendorId::new(vendor), "status"), version, concerns }
        });
        let declared = Declarations { versions: stored.collect(), ..Declarations::default() };
        self.writer.commit(&Batch { declared, ..Batch::default() }).unwrap();
    }
}

fn page(incidents: Vec<Incident>, maintenances: Vec<Maintenance>) -> Page {
    Page {
        format: "statuspage",
        name: None,
        url: None,
        updated_at: None,
        overall: Status::Unknown,
        components: Vec::new(),
        incidents,
        maintenances,
        carries: Carries { components: false, incidents: Listing::Recent, maintenances: Listing::Recent },
        oddities: Oddities::default(),
    }
}

fn touched(names: &[&str]) -> Vec<Touched> {
    names.iter().map(|name| Touched { id: None, name: (*name).to_owned() }).collect()
}

fn update(minutes: i64, stage: Stage, body: &str) -> Update {
    Update { at: Some(at(minutes)), stage: Some(stage), body: body.to_owned() }
}

fn incident(id: &str, title: &str, from: i64, to: Option<i64>, names: &[&str]) -> Incident {
    Incident {
        id: id.to_owned(),
        title: title.to_owned(),
        impact: Some(Impact::Minor),
        stage: Some(if to.is_some() { Stage::Resolved } else { Stage::Investigating }),
        started_at: Some(at(from)),
        stated_start: None,
        resolved_at: to.map(at),
        undecided: false,
        url: Some(format!("https://status.example/incidents/{id}")),
        touches: touched(names),
        updates: Vec::new(),
    }
}

fn upgrade(stage: Stage) -> Maintenance {
    Maintenance {
        id: "m1".to_owned(),
        title: "Database upgrade".to_owned(),
        stage: Some(stage),
        starts_at: Some(at(2000)),
        ends_at: Some(at(2060)),
        url: None,
        touches: touched(&["API"]),
        updates: Vec::new(),
    }
}

/// What acme said: an old incident at first sight, one that was played down and back-dated, one that touches nothing of
/// ours, and work to come. What globex said: one with a title for a spreadsheet, which is open.
fn fleet() -> Daemon {
    let daemon = Daemon::new(CONFIG, &[]);
    let mut past = Past::begin(&daemon);
    let (mut acme, mut globex) = (Ledger::default(), Ledger::default());
    let old = || Incident { updates: vec![update(70, Stage::Resolved, "All well.")], ..incident("a1", "Slow logins", 10, Some(70), &[]) };
    past.read("acme", &mut acme, 200, page(vec![old()], vec![upgrade(Stage::Scheduled)]), true);
    let first = Incident {
        impact: Some(Impact::Critical),
        updates: vec![update(300, Stage::Investigating, "We see\nerrors.")],
        ..incident("a2", "API errors", 300, None, &["API", "Web"])
    };
    let batch = || incident("a3", "Slow batches", 310, Some(320), &["Batch"]);
    past.read("acme", &mut acme, 301, page(vec![old(), batch(), first.clone()], vec![upgrade(Stage::Scheduled)]), false);
    let edited = Incident {
        impact: Some(Impact::Minor),
        started_at: Some(at(290)),
        stage: Some(Stage::Resolved),
        resolved_at: Some(at(330)),
        updates: vec![update(330, Stage::Resolved, "Fixed."), update(300, Stage::Investigating, "We see a few errors.")],
        ..first
    };
    past.read("acme", &mut acme, 331, page(vec![old(), batch(), edited], vec![upgrade(Stage::Scheduled)]), false);
    let hostile = incident("g1", "=HYPERLINK(\"http://evil.example\"), look", 1380, None, &[]);
    past.read("globex", &mut globex, 1381, page(vec![hostile], Vec::new()), false);
    past.writer.close().unwrap();
    daemon
}

#[track_caller]
fn printed(daemon: &Daemon, args: &[&str], code: i32) -> String {
    let Printed { status, out, err } = daemon.cli(args);
    assert_eq!(status.code(), Some(code), "{args:?}: {out}{err}");
    format!("{out}{err}")
}

#[test]
fn text_for_people() {
    let daemon = fleet();
    let seen = [
        &["incidents"][..],
        &["incidents", "--all"],
        &["incidents", "--open"],
        &["incidents", "--vendor", "acme", "--limit", "1"],
        &["incidents", "--since", "2100-01-01T04:00:00Z", "--vendor", "acme"],
        &["incidents", "--since", "1h", "--vendor", "acme"],
        &["incidents", "a2"],
        &["incidents", "a2", "--versions"],
        &["incidents", "a1"],
        &["incidents", "a3"],
        &["maintenance"],
        &["maintenance", "--vendor", "globex"],
        &["maintenance", "m1"],
    ]
    .map(|args| format!("$ vendord {}\n{}", args.join(" "), printed(&daemon, args, 0)));
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn what_is_not_there_is_answered_with_the_nearest() {
    let daemon = fleet();
    let ours = daemon.cli_json(&["incidents", "a2"])["incidents"][0]["id"].as_str().unwrap().to_owned();
    let ending = &ours[ours.len() - 8..];
    assert_eq!(printed(&daemon, &["incidents", ending], 0), printed(&daemon, &["incidents", "a2"], 0));
    assert_eq!(printed(&daemon, &["incidents", &ours], 0), printed(&daemon, &["incidents", "a2"], 0));
    let typed = format!("{}0", &ending[..7]);
    for (args, says) in [
        (&["incidents", &typed][..], ending),
        (&["incidents", "a22"], "there is no incident \"a22\"; did you mean \"a2\"?"),
        (&["incidents", "m1"], "there is no incident \"m1\""),
        (&["maintenance", "a1"], "there is no maintenance \"a1\""),
        (&["incidents", "--vendor", "acne"], "there is no vendor \"acne\"; did you mean \"acme\"?"),
        (&["incidents", "--since", "yesterday"], "write how long ago"),
        (&["incidents", "--versions"], "<ID>"),
        (&["incidents", "a1", "--open"], "cannot be used with"),
        (&["incidents", "--json", "--output", "csv"], "cannot be used with"),
    ] {
        let said = printed(&daemon, args, 2);
        assert!(said.contains(says), "{args:?}: {said}");
    }
}

#[test]
fn incidents_as_json() {
    let daemon = fleet();
    let all = daemon.cli_json(&["incidents"]);
    let listed = |value: &Value| value["incidents"].as_array().unwrap().iter().map(|i| i["source_id"].clone()).collect::<Vec<_>>();
    assert_eq!((&all["schema"], listed(&all)), (&json!(1), vec![json!("g1"), json!("a2"), json!("a1")]));
    assert_eq!(listed(&daemon.cli_json(&["incidents", "--all"])).len(), 4);
    assert_eq!(listed(&daemon.cli_json(&["incidents", "--open"])), [json!("g1")]);
    assert_eq!(daemon.cli(&["incidents", "--json"]).out, daemon.cli(&["incidents", "--output", "json"]).out);
    let one = &daemon.cli_json(&["incidents", "a2", "--versions"])["incidents"][0];
    let id = one["id"].clone();
    assert_eq!(
        one,
        &json!({
            "vendor": "acme", "source": "status", "id": id, "source_id": "a2", "title": "API errors", "impact": "minor", "stage": "resolved",
            "started_at": "2100-01-01T04:50:00.000Z", "resolved_at": "2100-01-01T05:30:00.000Z",
            "url": "https://status.example/incidents/a2", "scope": "components", "components": ["API", "Web"], "concerns": true,
            "first_seen_at": "2100-01-01T05:01:00.000Z", "imported": false, "removed": false, "inferred_end": false, "versions": 2,
            "updates": [
                {"at": "2100-01-01T05:30:00.000Z", "stage": "resolved", "body": "Fixed."},
                {"at": "2100-01-01T05:00:00.000Z", "stage": "investigating", "body": "We see a few errors."},
            ],
            "history": one["history"],
        })
    );
    let changed: Vec<&str> = one["history"][1]["changes"].as_array().unwrap().iter().map(|c| c["field"].as_str().unwrap()).collect();
    assert_eq!(
        changed,
        ["impact", "resolved_at", "stage", "started_at", "update 2100-01-01T05:00:00.000Z", "update 2100-01-01T05:30:00.000Z"]
    );
    assert_eq!(one["history"][0]["changes"], json!([]));
    let old = &daemon.cli_json(&["incidents", "a1"])["incidents"][0];
    assert_eq!((&old["imported"], &old["scope"], &old["versions"]), (&json!(true), &json!("page"), &json!(1)));
}

#[test]
fn maintenance_as_json() {
    let work = fleet().cli_json(&["maintenance"]);
    let one = &work["maintenances"][0];
    assert_eq!((&work["schema"], &one["stage"], &one["scope"]), (&json!(1), &json!("scheduled"), &json!("components")));
    assert_eq!((&one["starts_at"], &one["ends_at"]), (&json!("2100-01-02T09:20:00.000Z"), &json!("2100-01-02T10:20:00.000Z")));
    assert!(one.get("impact").is_none() && one.get("started_at").is_none(), "{one}");
}

#[test]
fn what_was_imported_before_the_page_was_read_is_listed_once() {
    let daemon = Daemon::new(CONFIG, &[]);
    Past::begin(&daemon).writer.close().unwrap();
    let file = daemon.path("past.csv");
    let rows = "id,title,started_at,resolved_at\n\
        77,Slow logins,2100-01-01T00:11:00Z,2100-01-01T01:10:00Z\n\
        a0,API errors,2099-12-01T00:00:00Z,2099-12-01T01:00:00Z\n";
    std::fs::write(&file, rows).unwrap();
    printed(&daemon, &["import", "incidents", "acme", &file.display().to_string()], 0);
    let writer = Writer::open(&daemon.path("vendord.db"), true, "boot".to_owned()).unwrap();
    let mut past = Past { writer, ids: 0xa000_0000 };
    let on_page = incident("a1", "Slow logins", 10, Some(70), &[]);
    past.read("acme", &mut Ledger::default(), 200, page(vec![on_page], Vec::new()), true);
    past.writer.close().unwrap();
    let all = daemon.cli_json(&["incidents"]);
    let listed: Vec<_> = all["incidents"].as_array().unwrap().iter().map(|i| (&i["source_id"], &i["source"])).collect();
    assert_eq!(listed, [(&json!("a1"), &json!("status")), (&json!("a0"), &json!("import"))]);
    assert!(printed(&daemon, &["incidents", "77"], 0).contains(", imported from a file\n"));
}

#[test]
fn f25_a_spreadsheet_gets_no_formula() {
    let daemon = fleet();
    let table = printed(&daemon, &["incidents", "--output", "csv", "--vendor", "globex"], 0);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "id,source_id,vendor,source,title,impact,stage,started_at,resolved_at,components,url,imported,versions");
    assert!(lines[1].contains(",g1,globex,status,\"'=HYPERLINK(\"\"http://evil.example\"\"), look\",minor,investigating,"), "{table}");
    assert_eq!(lines.len(), 2);
    assert!(printed(&daemon, &["maintenance", "--output", "csv"], 0).contains(",starts_at,ends_at,"));
    let outages = printed(&daemon, &["outages", "--output", "csv"], 0);
    assert_eq!(
        outages,
        "id,vendor,started_at,confirmed_at,ended_at,seconds,blame,class,incident,first_vendor_post_at,acknowledgement_lag_seconds,checks\n"
    );
}
