//! What the tests of every format share: a hand-made document, and what comes out of it in a few lines; and what holds for
//! every format.

use std::fmt::Write;
use std::path::Path;

use url::Url;

use super::{Document, FORMATS, Unreadable, read};
use crate::model::Timestamp;
use crate::model::page::{Incident, Maintenance, Page, Touched};

/// Reads `tests/fixtures/feeds/FORMAT/NAME` (`.json` if it has no ending), of which only its content tells the format, as if it came from `url`.
pub fn fixture(format: &str, name: &str, url: Option<&str>) -> Result<Page, Unreadable> {
    let file = if name.contains('.') { name.to_owned() } else { format!("{name}.json") };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/feeds/{format}/{file}"));
    let body = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let url = url.map(|url| Url::parse(url).unwrap());
    read(&Document::new(url.as_ref(), None, &body), None)
}

/// What matters of a page, in a few lines.
pub fn sketch(page: &Page) -> String {
    let mut out = format!(
        "{} {} {:?} {:?}\n",
        page.overall,
        if page.carries.components { "components" } else { "-" },
        page.carries.incidents,
        page.carries.maintenances
    );
    for c in &page.components {
        let group = c.group.as_ref().map(|group| format!("{group} / ")).unwrap_or_default();
        let _ = writeln!(out, "c {} {group}{}: {}", c.id, c.name, c.status);
    }
    page.incidents.iter().for_each(|i| incident(i, &mut out));
    page.maintenances.iter().for_each(|m| maintenance(m, &mut out));
    for word in &page.oddities.unknown_words {
        let _ = writeln!(out, "? {word}");
    }
    out
}

fn incident(i: &Incident, out: &mut String) {
    let impact = i.impact.map_or("-", |impact| impact.as_str());
    let stage = i.stage.map_or("-", |stage| stage.as_str());
    let span = format!("{}..{}", at(i.started_at), at(i.resolved_at));
    let _ = writeln!(out, "i {} {impact} {stage} {span} {:?} [{}] {}", i.id, i.title, names(&i.touches), i.updates.len());
}

fn maintenance(m: &Maintenance, out: &mut String) {
    let stage = m.stage.map_or("-", |stage| stage.as_str());
    let span = format!("{}..{}", at(m.starts_at), at(m.ends_at));
    let _ = writeln!(out, "m {} {stage} {span} {:?} [{}] {}", m.id, m.title, names(&m.touches), m.updates.len());
}

pub fn at(instant: Option<Timestamp>) -> String {
    instant.map_or_else(|| "?".to_owned(), |at| at.to_string()[..16].to_owned())
}

fn names(touches: &[Touched]) -> String {
    touches.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(", ")
}

#[track_caller]
pub fn check(format: &str, name: &str, want: &str) {
    let page = fixture(format, name, None).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(page.format, format, "{name}");
    let lines = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(&sketch(&page)), lines(want), "{name}");
}

#[test]
fn why_a_document_cannot_be_read_is_a_short_line() {
    for format in FORMATS {
        for body in [format!("\"{}\"", "a\u{1b}\u{202e}\\n".repeat(1000)), format!("<{}/>", "a".repeat(100_000))] {
            let error = read(&Document::new(None, None, body.as_bytes()), Some(format)).unwrap_err().to_string();
            assert!(error.len() < 1500 && !error.contains(['\u{1b}', '\u{202e}', '\n']), "{}: {error}", format.name);
        }
    }
}
