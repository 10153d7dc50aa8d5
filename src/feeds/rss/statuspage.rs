//! Statuspage's history (`/history.atom`, `/history.rss`), and LambStatus, which prints the same paragraphs.
//!
//! The newest 25 incidents and maintenances, open or over. An entry's `published` is the time of its newest update, or the
//! planned start of work that has not begun; the start of an incident is its oldest printed update. Neither impact nor
//! components are in it: the JSON of the same page has both, and seconds.

use super::found::{self, Found, Word};
use super::lifecycle::{self, Said};
use super::paragraphs::{self, Zones};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::model::Timestamp;
use crate::model::page::{Maintenance, Stage};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

fn is(feed: &Feed) -> bool {
    feed.entries.iter().any(|entry| !paragraphs::read(entry.body()).0.is_empty())
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(feed, entry, found);
    }
}

fn entry(feed: &Feed, entry: &Entry, found: &mut Found) {
    let (paragraphs, before) = paragraphs::read(entry.body());
    if paragraphs.is_empty() {
        return plain::entry(entry, found);
    }
    let zones = Zones::of(&paragraphs, entry.published);
    // RSS has no `updated` of an entry: there the time of the whole feed is the last at which something can have been said.
    let instants = paragraphs::instants(&paragraphs, &zones, entry.published, entry.updated, feed.updated);
    let mut said = Vec::new();
    for (paragraph, at) in paragraphs.iter().zip(instants) {
        let word = paragraph.word.as_deref().map_or(Word::Update, |word| found.word(word));
        said.push(Said { at, word, body: found.body(paragraph.html) });
    }
    let window = entry.published.and_then(|published| paragraphs::window(before, &zones, published.at));
    if window.is_some() || lifecycle::is_maintenance(&said) {
        maintenance(entry, said, window, found);
    } else {
        incident(entry, said, found);
    }
}

fn incident(entry: &Entry, said: Vec<Said>, found: &mut Found) {
    let outcome = lifecycle::outcome(&said);
    let oldest = lifecycle::oldest(&said);
    // A page that prints the newest update alone gives the start as `pubDate`.
    let published = entry.published.map(|published| published.at).filter(|at| said.len() == 1 && oldest.is_some_and(|oldest| *at < oldest));
    let mut incident = found.incident(entry, &entry.title, published.or(oldest));
    incident.stage = outcome.stage;
    incident.resolved_at = outcome.over_at;
    incident.updates = said.into_iter().map(Said::update).collect();
    found.incidents.push(incident);
}

fn maintenance(entry: &Entry, said: Vec<Said>, window: Option<(Timestamp, Option<Timestamp>)>, found: &mut Found) {
    let outcome = lifecycle::outcome(&said);
    let newest = said.iter().filter_map(|s| s.at).max();
    // Before it begins, `published` is the planned start.
    let planned = entry.published.map(|published| published.at).filter(|at| newest.is_none_or(|newest| *at > newest));
    let begun = || lifecycle::first(&said, Stage::InProgress);
    let starts_at = window.map(|(start, _)| start).or_else(begun).or(planned);
    let ends_at = outcome.over_at.or(window.and_then(|(_, end)| end));
    let title = found.title(&entry.title, entry.body());
    found.maintenances.push(Maintenance {
        id: found::id(entry, &title, lifecycle::oldest(&said)),
        title,
        stage: outcome.stage,
        starts_at,
        ends_at,
        url: found::url(&entry.link),
        touches: Vec::new(),
        updates: said.into_iter().map(Said::update).collect(),
    });
}
