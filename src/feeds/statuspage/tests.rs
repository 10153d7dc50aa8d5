//! Hand-made documents in Statuspage's layout, and what must come out of each.

use crate::feeds::tests::{at, check, fixture};
use crate::feeds::{self, Document, Unreadable};
use crate::model::page::{Listing, Page};

#[test]
fn a_page_with_groups_and_everything_at_once() {
    check(
        "statuspage",
        "summary-groups",
        r#"
            partial_outage components Open Open
            c eastdocks001 Harbour East / Dock Booking: partial_outage
            c eastrates001 Harbour East / Rate Quotes: operational
            c westdocks001 Harbour West / Dock Booking: operational
            c westrates001 Harbour West / Rate Quotes: degraded
            c mainsite0001 Main Site: operational
            i inchollow001 none investigating 2031-03-04T17:00..? "Slow rate quotes in the west" [Harbour West - Tide Tables, Rate Quotes] 3
            i inceast00001 major identified 2031-03-04T15:40..? "Crane slots cannot be booked" [Dock Booking] 2
            m mntlater0001 scheduled 2031-04-01T13:00..2031-04-01T16:00 "Yearly crane inspection" [] 1
            m mntwest00001 in_progress 2031-03-04T14:00..2031-03-04T15:00 "Moving the west ledger" [Dock Booking, Rate Quotes] 2
        "#,
    );
}

#[test]
fn the_verdict_is_that_of_the_components() {
    check(
        "statuspage",
        "summary-all-down",
        r#"
            major_outage components Open Open
            c eastdocks001 Harbour East / Dock Booking: major_outage
            c eastrates001 Harbour East / Rate Quotes: major_outage
            c westdocks001 Dock Booking: major_outage
            c westrates001 Rate Quotes: major_outage
            c mainsite0001 Main Site: major_outage
        "#,
    );
    check(
        "statuspage",
        "summary-one-down",
        r#"
            partial_outage components Open Open
            c eastdocks001 Dock Booking: major_outage
            c eastrates001 Rate Quotes: operational
            c westdocks001 Harbour West / Dock Booking: operational
            c westrates001 Harbour West / Rate Quotes: operational
            c mainsite0001 Main Site: operational
        "#,
    );
    check(
        "statuspage",
        "summary-green-with-critical",
        r#"
            operational components Open Open
            c eastdocks001 Dock Booking: operational
            c eastrates001 Rate Quotes: operational
            c westdocks001 Dock Booking: operational
            c westrates001 Rate Quotes: operational
            c mainsite0001 Main Site: operational
            i inceast00001 critical identified 2031-03-04T15:40..? "Crane slots cannot be booked" [Dock Booking] 2
        "#,
    );
    check(
        "statuspage",
        "components",
        r#"
            partial_outage components Absent Absent
            c eastdocks001 Harbour East / Dock Booking: partial_outage
            c eastrates001 Harbour East / Rate Quotes: operational
            c westdocks001 Harbour West / Dock Booking: operational
            c westrates001 Harbour West / Rate Quotes: degraded
            c mainsite0001 Main Site: operational
        "#,
    );
}

#[test]
fn without_components_the_page_and_its_incidents_speak() {
    check(
        "statuspage",
        "summary-no-components",
        r#"
            partial_outage components Open Open
            i inceast00001 major identified 2031-03-04T15:40..? "Crane slots cannot be booked" [Harbour East - Dock Booking] 2
        "#,
    );
    check(
        "statuspage",
        "status-minor",
        r#"
            degraded - Absent Absent
        "#,
    );
    check(
        "statuspage",
        "status-minor-outage",
        r#"
            partial_outage - Absent Absent
        "#,
    );
    check(
        "statuspage",
        "incidents-unresolved-empty",
        r#"
            unknown - Recent Absent
        "#,
    );
}

#[test]
fn words_and_types_that_nobody_expects() {
    check(
        "statuspage",
        "summary-odd-words",
        r#"
            maintenance components Open Open
            c oddstate0001 Tide Tables: unknown
            c oddstate0002 Pilotage: unknown
            c oddstate0003 Weather: maintenance
            i increopen001 major identified 2031-03-04T15:40..? "Crane slots cannot be booked" [Dock Booking] 2
            i incmaint0001 none monitoring 2031-03-04T15:40..? "Planned reindexing ran late" [Dock Booking] 2
            i inceast00001 - - 2031-03-04T15:40..? "Incident inceast00001" [] 1
            m mntlater0001 - 2031-04-01T13:00..2031-04-01T16:00 "Yearly crane inspection" [] 1
            ? impact: apocalyptic
            ? indicator: wobbly
            ? stage: musing
            ? stage: pondering
            ? stage: postponed
            ? status: brownout
        "#,
    );
    check(
        "statuspage",
        "summary-wrong-types",
        r#"
            partial_outage components Open Absent
            c eastdocks001 Dock Booking: partial_outage
            c 12345 12345: unknown
            i inceast00001 major identified ?..? "Crane slots cannot be booked" [] 0
        "#,
    );
    check(
        "statuspage",
        "summary-odd-page-id",
        r#"
            operational components Open Open
            c eastdocks001 Dock Booking: operational
        "#,
    );
}

#[test]
fn of_two_with_one_id_the_newer_counts() {
    check(
        "statuspage",
        "summary-duplicates",
        r#"
            operational components Open Open
            c eastdocks001 Dock Booking: operational
            i inceast00001 major identified 2031-03-04T15:40..? "Crane slots cannot be booked" [Dock Booking] 2
            m mntlater0001 scheduled 2031-04-01T13:00..2031-04-01T16:00 "Yearly crane inspection (moved)" [] 1
        "#,
    );
}

#[test]
fn what_is_over() {
    check(
        "statuspage",
        "incidents",
        r#"
            unknown - Recent Absent
            i incretro0001 minor resolved 2031-02-10T17:00..2031-02-10T17:00 "Backlog of customs forms last night" [] 1
            i incafter0001 minor resolved 2031-02-09T19:00..2031-02-09T20:00 "Start after creation" [] 2
            i inclate00001 major resolved 2031-02-08T18:00..2031-02-08T18:00 "Start after the end" [] 2
            i incpostm0001 critical postmortem 2031-02-07T17:00..2031-02-07T18:00 "Ledger outage" [Dock Booking] 3
            i incnotime001 none resolved 2031-02-06T09:00..2031-02-06T10:30 "No times but those of updates" [Dock Booking, Harbour East - Pilotage] 2
        "#,
    );
    check(
        "statuspage",
        "scheduled-maintenances",
        r#"
            unknown - Absent Recent
            m mntlater0001 scheduled 2031-04-01T13:00..2031-04-01T16:00 "Yearly crane inspection" [] 1
            m mntwest00001 completed 2031-03-04T14:00..2031-03-04T15:00 "Moving the west ledger" [Dock Booking, Rate Quotes] 2
            m mntverify001 verifying 2031-03-04T14:00..2031-03-04T15:00 "Moving the west ledger" [Dock Booking, Rate Quotes] 2
            m mntback00001 completed 2031-01-05T06:00..? "Moving the west ledger" [Dock Booking, Rate Quotes] 2
        "#,
    );
}

#[test]
fn the_archive() {
    check(
        "statuspage",
        "history-page",
        r#"
            unknown - Archive Archive
            i arcnight0001 none resolved 2030-01-14T23:30..2030-01-15T00:15 "Late tide tables" [] 1
            i arcday000001 minor resolved 2030-01-12T17:05..2030-01-12T18:45 "Pilots could not log in" [] 1
            i arcyear00001 critical resolved 2029-12-31T23:10..2030-01-01T01:20 "Ledger stuck over new year" [] 1
            i arczone00001 minor resolved 2029-11-05T14:05..2029-11-05T15:00 "Quotes were late" [] 1
            i arcpoint0001 major resolved 2029-11-03T14:05..2029-11-03T14:05 "Incident arcpoint0001" [] 1
            i arcblur00001 minor resolved ?..? "No time at all" [] 1
            m arcwork00001 completed 2030-01-20T05:00..2030-01-20T07:00 "Crane firmware" [] 1
            ? timestamp: some day
            ? zone: XQT
        "#,
    );
}

#[test]
fn texts_and_addresses() {
    let page = fixture("statuspage", "summary-groups", None).unwrap();
    let crane = &page.incidents[1];
    assert_eq!(page.name.as_deref(), Some("Lantern Freight"));
    assert_eq!(page.updated_at.map(|at| at.to_string()).as_deref(), Some("2031-03-04T18:20:30.400Z"));
    assert_eq!(crane.url.as_deref(), Some("https://stspg.example/inceas"));
    assert_eq!(crane.updates[0].body, "A ledger node lost its disk & is being rebuilt.\n\nQuotes are not touched.");
    // When it is displayed as written, not when it was.
    assert_eq!(at(crane.updates[1].at), "2031-03-04T15:45");
    let past = fixture("statuspage", "incidents", None).unwrap();
    assert_eq!(past.incidents[4].url.as_deref(), Some("https://status.lantern.example/incidents/incnotime001"));
    assert_eq!(at(past.incidents[2].stated_start), "2031-02-08T22:00");
}

#[test]
fn what_a_list_means_is_told_by_its_neighbours_and_its_address() {
    for (name, document, want) in [
        ("incidents-unresolved-empty", "/api/v2/incidents/unresolved.json", Listing::Open),
        ("incidents-unresolved-empty", "/api/v2/incidents.json", Listing::Recent),
        ("incidents", "/api/v2/incidents.json", Listing::Recent),
        ("summary-groups", "/api/v2/summary.json", Listing::Open),
        ("components", "/api/v2/components.json", Listing::Absent),
    ] {
        let page = fixture("statuspage", name, Some(&format!("https://status.lantern.example{document}"))).unwrap();
        assert_eq!(page.carries.incidents, want, "{document}");
    }
    let archive = fixture("statuspage", "history-page", Some("https://lantern.example/status/history.json?page=2")).unwrap();
    assert_eq!(archive.incidents[0].url.as_deref(), Some("https://lantern.example/status/incidents/arcnight0001"));
}

fn read(body: &str) -> Result<Page, Unreadable> {
    feeds::read(&Document::new(None, None, body.as_bytes()), feeds::format("statuspage"))
}

#[test]
fn which_of_two_names_stands_first_means_nothing() {
    let incident = |id: &str, name: &str| format!(r#"{{"id": "{id}", "components": [{{"id": "c", "name": "{name}"}}]}}"#);
    let group = |name: &str| format!(r#"{{"id": "g", "group": true, "name": "{name}"}}"#);
    let leaf = |name: &str| format!(r#"{{"id": "d", "group_id": "g", "name": "{name}"}}"#);
    let page = |components: [String; 4], incidents: [String; 2]| {
        let (components, incidents) = (components.join(","), incidents.join(","));
        read(&format!(r#"{{"page": {{"id": "lanternqx001"}}, "components": [{components}], "incidents": [{incidents}]}}"#)).unwrap()
    };
    let one = page([group("Old"), group("New"), leaf("Was"), leaf("Is")], [incident("1", "Dock"), incident("2", "Pier")]);
    let turned = page([leaf("Is"), leaf("Was"), group("New"), group("Old")], [incident("2", "Pier"), incident("1", "Dock")]);
    assert_eq!(one, turned);
    assert_eq!((one.components[0].name.as_str(), one.components[0].group.as_deref()), ("Is", Some("New")));
    assert!(one.incidents.iter().all(|i| i.touches[0].name == "Dock"));
}

#[test]
fn names_are_copied_only_so_often() {
    let group = format!(r#"{{"id": "g", "group": true, "name": "{}"}}"#, "N".repeat(300));
    let page = |leaves: usize| {
        let leaves: Vec<String> = (0..leaves).map(|n| format!(r#"{{"id": "{n}", "group_id": "g"}}"#)).collect();
        read(&format!(r#"{{"page": {{"id": "lanternqx001"}}, "components": [{group},{}]}}"#, leaves.join(",")))
    };
    assert_eq!(page(20_000).unwrap().components.len(), 20_000);
    assert_eq!(page(30_000), Err(Unreadable::TooMany { what: "bytes of repeated names", max: 8 << 20 }));
}

#[test]
fn a_verdict_alone_may_be_of_a_page_without_an_id() {
    check("statuspage", "status-look-alike", "operational - Absent Absent");
}

#[test]
fn what_is_no_page_is_refused_and_says_why() {
    for (body, why) in [
        ("{}", "it has no page.id"),
        (r#"{"page": {"name": "Lantern"}, "status": {"indicator": "none"}, "components": []}"#, "it has no page.id"),
        (r#"{"page": {}, "status": {"indicator": "none"}}"#, "it has no page.id"),
        ("null", "invalid type"),
        ("[]", "it is no object"),
        (r#"{"status": 500, "error": "Internal"}"#, "it has no page.id"),
        (r#"{"page": {"id": "lanternqx001"}}"#, "it has no status"),
        (r#"{"page": {"id": "01ZQ0LANTERN0PAGE000000001"}, "components": []}"#, "incident.io"),
        (r#"{"page": {"id": "lanternqx001"}, "components": [{]}"#, "line 1 column 50"),
    ] {
        let refused = read(body).unwrap_err().to_string();
        assert!(refused.contains(why), "{body}: {refused}");
    }
    assert_eq!(read(r#"{"months": []}"#).unwrap().incidents, [], "the end of the archive");
}

#[test]
fn hostile_documents_are_refused_or_small() {
    let document = |key: &str, element: &str, times: usize| {
        format!(r#"{{"page": {{"id": "lanternqx001"}}, "{key}": [{}]}}"#, vec![element; times].join(","))
    };
    for (key, element, times, refused) in [
        ("incidents", r#"{"id": "a"}"#, feeds::INCIDENTS_MAX, None),
        ("incidents", r#"{"id": "a"}"#, feeds::INCIDENTS_MAX + 1, Some("more than 10000 incidents")),
        ("scheduled_maintenances", "{}", feeds::INCIDENTS_MAX + 1, Some("more than 10000 maintenances")),
        ("components", r#"{"id": "a"}"#, feeds::COMPONENTS_MAX + 1, Some("more than 50000 components")),
        (
            "incidents",
            &format!(r#"{{"id": "a", "incident_updates": [{}]}}"#, vec!["{}"; 2000].join(",")),
            60,
            Some("more than 100000 updates"),
        ),
        ("incidents", &format!(r#"{{"id": "a", "x": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000)), 1, None),
    ] {
        let read = read(&document(key, element, times)).map_err(|e| e.to_string());
        match refused {
            Some(why) => assert!(read.as_ref().is_err_and(|e| e.contains(why)), "{key}: {read:?}"),
            None => assert!(read.is_ok(), "{key}: {read:?}"),
        }
    }
}
