//! A feed of a layout that is not known: each entry an incident, its stage from the most explicit thing that is there.

use super::found::{self, Found, Word};
use super::xml::{Entry, Feed};
use super::{Kind, Layout};
use crate::model::page::Stage;

pub const LAYOUT: Layout = Layout { kind: Kind::History, is: |_| true, read };

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

/// In the order of trust: the title's prefix, a category, prose.
pub fn entry(entry: &Entry, found: &mut Found) {
    let (stated, title) = prefixed(&entry.title);
    let stated = stated.or_else(|| entry.categories.iter().find_map(|category| stage_word(category)));
    let published = entry.published.or(entry.updated).map(|moment| moment.at);
    let mut incident = found.incident(entry, title, published);
    let body = found.body(entry.body());
    incident.stage = stated.or_else(|| found.stage_of_prose(&body));
    let newest = entry.newest().map(|moment| moment.at);
    incident.resolved_at = newest.filter(|_| incident.stage.is_some_and(Stage::is_over));
    incident.updates = vec![found::update(newest, incident.stage, body)];
    found.incidents.push(incident);
}

fn stage_word(text: &str) -> Option<Stage> {
    match found::word(text) {
        Word::Stage(stage) if stage < Stage::Scheduled => Some(stage),
        _ => None,
    }
}

/// `[RESOLVED] Title`, `Resolved: title`.
pub fn prefixed(title: &str) -> (Option<Stage>, &str) {
    let bracketed = title.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((word, rest)) = bracketed.or_else(|| title.split_once(':')) else { return (None, title) };
    match stage_word(word) {
        Some(stage) => (Some(stage), rest.trim_start_matches([':', '-', ' '])),
        None => (None, title),
    }
}
