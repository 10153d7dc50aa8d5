//! What holds for every page that could be read, whatever was sent.

use std::collections::BTreeSet;

use vendord::declared::archive::Record;
use vendord::feeds::text::{BODY_CHARS, TITLE_CHARS};
use vendord::feeds::{self, Unreadable};
use vendord::model::Page;
use vendord::model::page::{Touched, Update};

/// No address that a person would follow is longer; escaping may make three of a character.
const URL_CHARS: usize = 6_000;
/// What is said of a document that cannot be read stands on one line of a terminal or a log.
const REASON_CHARS: usize = 500;

#[track_caller]
pub fn page(label: &str, page: &Page) {
    unique(label, page.components.iter().map(|c| &c.id));
    unique(label, page.incidents.iter().map(|i| &i.id));
    unique(label, page.maintenances.iter().map(|m| &m.id));
    newest_first(label, page.incidents.iter().map(|i| i.started_at));
    newest_first(label, page.maintenances.iter().map(|m| m.starts_at));
    page.name.iter().for_each(|name| line(label, name));
    address(label, page.url.as_deref());
    page.oddities.unknown_words.iter().for_each(|word| line(label, word));
    assert!(page.oddities.unknown_words.len() <= 100, "{label}: {} words", page.oddities.unknown_words.len());
    for c in &page.components {
        [&c.id, &c.name].into_iter().chain(&c.group).for_each(|text| line(label, text));
    }
    for i in &page.incidents {
        entry(label, &i.id, &i.title, i.url.as_deref(), &i.touches, &i.updates);
        assert!(i.started_at.zip(i.resolved_at).is_none_or(|(start, end)| start <= end), "{label}: {} ends before it starts", i.id);
        assert!(i.resolved_at.is_none() || i.stage.is_none_or(|s| s.is_over()), "{label}: {} is over and is not", i.id);
        stored(label, &Record::Incident(i.clone()));
    }
    for m in &page.maintenances {
        entry(label, &m.id, &m.title, m.url.as_deref(), &m.touches, &m.updates);
        assert!(m.starts_at.zip(m.ends_at).is_none_or(|(start, end)| start <= end), "{label}: {} ends before it starts", m.id);
        stored(label, &Record::Maintenance(m.clone()));
    }
    assert!(feeds::settle(page.clone()) == *page, "{label}: settled is not settled");
}

/// Why a document could not be read is a line that a terminal and a log can show.
#[track_caller]
pub fn reason(label: &str, error: &Unreadable) {
    let said = error.to_string();
    assert!(!said.is_empty() && said.chars().count() <= REASON_CHARS, "{label}: {} characters: {said:?}", said.chars().count());
    assert!(!said.contains('\n') && said.chars().all(is_fine), "{label}: {said:?}");
}

#[track_caller]
fn entry(label: &str, id: &str, title: &str, url: Option<&str>, touches: &[Touched], updates: &[Update]) {
    line(label, id);
    line(label, title);
    address(label, url);
    for touched in touches {
        line(label, &touched.name);
        touched.id.iter().for_each(|id| line(label, id));
    }
    newest_first(label, updates.iter().map(|u| u.at));
    updates.iter().for_each(|u| text(label, &u.body, BODY_CHARS));
}

/// What is written to the store is read back as it was, and can be printed.
#[track_caller]
fn stored(label: &str, record: &Record) {
    let facts = serde_json::to_string(record).expect("plain data");
    assert!(Record::parse(record.kind(), &facts).is_ok_and(|read| read == *record), "{label}: {facts}");
    let times = record.updates().iter().filter_map(|u| u.at).chain(record.starts_at()).chain(record.ends_at());
    times.for_each(|at| assert_eq!(at.to_string().get(..2).map(str::len), Some(2), "{label}"));
}

#[track_caller]
fn unique<'i>(label: &str, ids: impl Iterator<Item = &'i String>) {
    let mut seen = BTreeSet::new();
    ids.for_each(|id| assert!(!id.is_empty() && seen.insert(id), "{label}: {id:?} twice"));
}

#[track_caller]
fn newest_first<T: Ord + std::fmt::Debug>(label: &str, times: impl Iterator<Item = Option<T>>) {
    let times: Vec<T> = times.flatten().collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{label}: not newest first: {times:?}");
}

#[track_caller]
fn address(label: &str, url: Option<&str>) {
    let Some(url) = url else { return };
    assert!(url.starts_with("https://") || url.starts_with("http://"), "{label}: {url:?}");
    text(label, url, URL_CHARS);
    assert!(!url.contains(char::is_whitespace), "{label}: {url:?}");
}

#[track_caller]
pub fn line(label: &str, one: &str) {
    assert!(!one.is_empty() && !one.contains('\n'), "{label}: {one:?}");
    text(label, one, TITLE_CHARS);
}

#[track_caller]
pub fn text(label: &str, text: &str, chars_max: usize) {
    assert!(text.chars().all(is_fine) && text.trim() == text, "{label}: {text:?}");
    assert!(text.chars().count() <= chars_max, "{label}: {} characters", text.chars().count());
}

/// Written down once more, so that the cleaner is not its own judge.
pub fn is_fine(c: char) -> bool {
    c == '\n' || !(c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
}
