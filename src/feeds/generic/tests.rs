//! A made-up vendor whose page is of no platform, as JSON and as a web page.

use super::*;
use crate::feeds::tests::sketch;
use crate::feeds::{format, read};

const HEALTH: &str = include_str!("../../../tests/fixtures/feeds/generic_json/health.json");
const WEB_PAGE: &str = include_str!("../../../tests/fixtures/feeds/generic_html/health.html");

const FIELDS_OF_HEALTH: &[(&str, &str)] = &[
    ("overall", "$.state"),
    ("components", "$.services[*]"),
    ("component_id", "$.key"),
    ("component_name", "$.label"),
    ("component_group", "$.area"),
    ("component_status", "$.light"),
    ("incidents", "$.events[*]"),
    ("incident_id", "$.no"),
    ("incident_title", "$.what"),
    ("incident_impact", "$.weight"),
    ("incident_stage", "$.phase"),
    ("incident_started_at", "$.since"),
    ("incident_resolved_at", "$.until"),
    ("incident_components", "$.hits[*]"),
    ("incident_body", "$.text"),
];
const WORDS: &[(&str, &str)] =
    &[("green", "operational"), ("Amber", "degraded"), ("some trouble", "degraded"), ("looking", "investigating"), ("bad", "major")];

fn mapping(format: &str, fields: &[(&str, &str)]) -> Mapping {
    Mapping::new(format, fields.iter().copied(), WORDS.iter().copied()).unwrap()
}

fn got(format_name: &str, fields: &[(&str, &str)], body: &str) -> Result<Page, String> {
    let mapping = mapping(format_name, fields);
    let document = Document::new(None, None, body.as_bytes()).mapped(Some(&mapping));
    let found = read(&document, None).map_err(|error| error.to_string());
    assert_eq!(found, read(&document, format(format_name)).map_err(|error| error.to_string()), "told or found out");
    found
}

#[track_caller]
fn shows(page: &Page, want: &str) {
    let lines = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(&sketch(page)), lines(want));
}

#[test]
fn json_by_paths() {
    let page = got("generic_json", FIELDS_OF_HEALTH, HEALTH).unwrap();
    shows(
        &page,
        r#"
            degraded components Recent Absent
            c q Core / Queue: operational
            c s Core / Search: degraded
            c x Exports: unknown
            i 7 - investigating 2030-03-17T17:46..? "Search is slow" [Search] 1
            i Queue stood still 2030-02-01T10:00:00.000Z major resolved 2030-02-01T10:00..2030-02-01T11:30 "Queue stood still" [] 0
            ? status: purple
        "#,
    );
    assert_eq!(page.incidents[0].updates[0].body, "We look.");
}

#[test]
fn web_pages_by_selectors() {
    let fields = [
        ("overall", "h1"),
        ("components", "tr.row"),
        ("component_name", "td:first-child"),
        ("component_status", "i@title"),
        ("incidents", "li"),
        ("incident_title", "a"),
        ("incident_url", "a@href"),
        ("incident_started_at", "time@datetime"),
    ];
    let page = got("generic_html", &fields, WEB_PAGE).unwrap();
    shows(
        &page,
        r#"
            degraded components OpenOnly Absent
            c Queue Queue: operational
            c Search EU Search EU: degraded
            i Search is slow 2030-02-01T10:00:00.000Z - - 2030-02-01T10:00..? "Search is slow" [] 0
        "#,
    );
    assert_eq!(page.incidents[0].url.as_deref(), Some("https://lantern.example/7"));
}

#[test]
fn what_is_not_where_it_should_be_is_no_good_news() {
    for (fields, body, want) in [
        (&[("overall", "$.state")][..], "{}", "nothing where `overall`"),
        (&[("components", "$.c[*]"), ("component_name", "$.n")], r#"{"c": []}"#, "no component with a name"),
        (&[("overall", "$.state")], "<!doctype html><p>hello", "expected value"),
        (&[("overall", "$.state")], r#"{"state": "sunny"}"#, ""),
    ] {
        match got("generic_json", fields, body) {
            Err(why) => assert!(!want.is_empty() && why.contains(want), "{why}"),
            Ok(page) => assert_eq!((page.overall, page.oddities.unknown_words), (Status::Unknown, vec!["status: sunny".to_owned()])),
        }
    }
    let nothing_open = got("generic_json", &[("incidents", "$.open[*]"), ("incident_title", "$.t")], r#"{"open": []}"#).unwrap();
    assert_eq!((nothing_open.overall, nothing_open.carries.incidents), (Status::Operational, Listing::OpenOnly));
    let unmapped = read(&Document::new(None, None, b"{}"), format("generic_json")).unwrap_err().to_string();
    assert!(unmapped.contains("`map` below [[status_pages]]"), "{unmapped}");
}

#[test]
fn what_is_wrong_with_a_mapping_is_said() {
    let wrong = |format: &str, fields: &[(&str, &str)], words: &[(&str, &str)]| {
        let wrong = Mapping::new(format, fields.iter().copied(), words.iter().copied()).unwrap_err();
        format!("{} {}", wrong.key, wrong.why)
    };
    for (format, fields, words, want) in [
        ("generic_json", &[("overall", "$.[")][..], &[][..], "overall is not a JSONPath"),
        ("generic_html", &[("overall", "td[")], &[], "overall is not a CSS selector"),
        ("generic_json", &[("mood", "$.x")], &[], "mood is none of what a page has"),
        ("generic_json", &[("overall", "$.x")], &[("ok", "fine")], "ok is said to be \"fine\", which is no word of ours"),
        ("generic_json", &[("components", "$.x[*]")], &[], "components needs `component_name`"),
        ("generic_json", &[], &[], "map names none of"),
    ] {
        let said = wrong(format, fields, words);
        assert!(said.contains(want), "{said}");
    }
}
