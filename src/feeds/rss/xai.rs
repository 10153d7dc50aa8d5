//! xAI (`/feed.xml`): `<h3>Status: RESOLVED</h3>`, then a `div` with a full date, a stage and a text for each update.
//!
//! `pubDate` is the start. What stands in square brackets before the title is the component; one event appears once for
//! each. Severity words are states (`available`), not impacts.

use super::dates;
use super::found::{self, Found, Word};
use super::lifecycle::{self, Said};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::feeds::text;
use crate::model::Timestamp;
use crate::model::page::Stage;

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

const STATUS: &str = "<h3>Status:";
const UPDATES_MAX: usize = 1_000;

fn is(feed: &Feed) -> bool {
    feed.entries.iter().any(|entry| entry.body().contains(STATUS))
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        match entry.body().split_once(STATUS) {
            Some((_, body)) => self::entry(entry, body, found),
            None => plain::entry(entry, found),
        }
    }
}

fn entry(entry: &Entry, body: &str, found: &mut Found) {
    let word = line(body.split("</h3>").next().unwrap_or_default());
    let said = updates(body, found);
    let outcome = lifecycle::outcome(&said);
    let stage = match found.word(&word) {
        Word::Stage(stage) => Some(stage),
        Word::Update => outcome.stage,
        Word::Unknown => None,
    };
    let (component, title) = component(&entry.title);
    let started_at = entry.published.map(|moment| moment.at).or(lifecycle::oldest(&said));
    let mut incident = found.incident(entry, title, started_at);
    incident.stage = stage;
    incident.resolved_at = resolved(body).or(outcome.over_at).filter(|_| stage.is_some_and(Stage::is_over));
    incident.touches = found::touched(component);
    incident.updates = said.into_iter().map(Said::update).collect();
    found.incidents.push(incident);
}

fn line(html: &str) -> String {
    text::line(&text::plain(html), 100).text
}

/// `<p>Resolved: Tue, 07 Jul 2026 16:37:02 GMT</p>`
fn resolved(body: &str) -> Option<Timestamp> {
    let date = body.split_once("<p>Resolved:")?.1.split("</p>").next()?;
    dates::moment(&line(date)).map(|moment| moment.at)
}

/// Newest first, as the document has them.
fn updates(body: &str, found: &mut Found) -> Vec<Said> {
    let mut said = Vec::new();
    for piece in body.split("<div>").skip(1).take(UPDATES_MAX) {
        let piece = piece.split("</div>").next().unwrap_or_default();
        let date = piece.split_once("<strong>").and_then(|(_, rest)| rest.split_once("</strong>"));
        let Some(moment) = date.and_then(|(date, _)| dates::moment(&line(date))) else { continue };
        let head = piece.split_once("<h3>").and_then(|(_, rest)| rest.split_once("</h3>"));
        let (word, html) = head.unwrap_or(("", piece));
        let word = found.word(&line(word));
        said.push(Said { at: Some(moment.at), word, body: found.body(html) });
    }
    said
}

/// `[API (eu)] Slow answers`
fn component(title: &str) -> (Option<&str>, &str) {
    match title.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((component, rest)) if !rest.trim().is_empty() => (Some(component), rest.trim()),
        _ => (None, title),
    }
}
