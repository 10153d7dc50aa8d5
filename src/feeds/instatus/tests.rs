//! Hand-made documents and a page in the platform's layout.

use super::*;
use crate::feeds::tests::{check, fixture};

#[test]
fn the_word_of_the_page_says_how_much_of_it_is_down() {
    check(
        NAME,
        "summary-up",
        r#"
            operational - OpenOnly OpenOnly
        "#,
    );
    check(
        NAME,
        "summary-outage",
        r#"
            partial_outage - OpenOnly OpenOnly
            i clq7search critical monitoring 2031-05-06T06:00..? "Search finds nothing" [] 1
            i clq7odd - - ?..? "Something else" [] 0
            m No window 2031-05-08T05:00:00.000Z completed 2031-05-08T05:00..? "No window" [] 0
            m clq7disk in_progress 2031-05-06T05:00..2031-05-06T05:45 "New disks" [] 1
            ? impact: SLIGHT
            ? stage: WAITING
        "#,
    );
}

#[test]
fn the_documentation_has_other_times_and_no_ids() {
    check(
        NAME,
        "summary-documented",
        r#"
            degraded - OpenOnly OpenOnly
            i clq7mail major identified 2031-05-06T06:00..? "Mail waits" [] 0
            m clq7shelf scheduled 2031-05-06T23:00..2031-05-07T00:30 "New shelves" [] 0
        "#,
    );
}

#[test]
fn what_is_not_known_is_unknown() {
    check(
        NAME,
        "summary-odd-word",
        r#"
            unknown - OpenOnly OpenOnly
            ? page status: SLEEPY
        "#,
    );
}

#[test]
fn components_are_listed_flat_or_nested() {
    check(
        NAME,
        "components",
        r#"
            partial_outage components Absent Absent
            c clq7c1 Reading / Inbox: operational
            c clq7c2 Inbox: partial_outage
            c clq7c3 Search: maintenance
            c clq7c4 Labels: unknown
            ? status: CONFUSED
        "#,
    );
    check(
        NAME,
        "components-nested",
        r#"
            partial_outage components Absent Absent
            c clq7c1 Reading / Inbox: major_outage
            c clq7c3 Search: degraded
        "#,
    );
}

#[test]
fn what_the_page_carries_is_read() {
    check(
        NAME,
        "page.html",
        r#"
            partial_outage components OpenOnly OpenOnly
            c clq7c1 Reading / Inbox: major_outage
            c clq7c3 Search: operational
            i clq7inbox critical monitoring 2031-05-06T06:00..? "Inbox is away" [Inbox] 2
            m clq7m1 scheduled 2031-05-07T06:00..2031-05-07T06:30 "New disks" [] 0
        "#,
    );
}

#[test]
fn an_empty_list_is_one_of_components_where_those_are() {
    let url = |path: &str| url::Url::parse(&format!("https://status.lantern.example{path}")).unwrap();
    for (path, is_ours) in [("/v2/components.json", true), ("/v3/components.json", true), ("/api/v2/components.json", false), ("/", false)]
    {
        for body in ["[]", "{\"components\": []}"] {
            let page = crate::feeds::read(&Document { url: Some(&url(path)), text: body.into() }, None);
            assert_eq!(page.is_ok_and(|page| page.format == NAME && page.carries.components), is_ours, "{path} {body}");
        }
    }
}

#[test]
fn words_of_the_page() {
    for (word, want) in [
        ("UP", Some(Status::Operational)),
        ("ALLUNDERMAINTENANCE", Some(Status::Maintenance)),
        ("SOMEDEGRADEDPERFORMANCE", Some(Status::Degraded)),
        ("ONEMINOROUTAGE", Some(Status::PartialOutage)),
        ("ALLPARTIALOUTAGE", Some(Status::PartialOutage)),
        ("ONEMAJOROUTAGE", Some(Status::PartialOutage)),
        ("ALLMAJOROUTAGE", Some(Status::MajorOutage)),
        ("MAJOROUTAGE", Some(Status::MajorOutage)),
        ("SETUP", None),
    ] {
        assert_eq!(page_status(word), want, "{word}");
    }
}

#[test]
fn texts_and_addresses() {
    let page = fixture(NAME, "page.html", None).unwrap();
    assert_eq!((page.name.as_deref(), page.url.as_deref()), (Some("Lantern"), Some("https://status.lantern.example")));
    let bodies: Vec<&str> = page.incidents[0].updates.iter().map(|u| u.body.as_str()).collect();
    assert_eq!(bodies, ["A long story of a disk, told in a row of its own: é.", "We look into it."]);
}
