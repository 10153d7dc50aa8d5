//! Updates as `<p><strong>Resolved</strong> - text</p>`, the newest first, without dates: pages that their owners generate,
//! and OnlineOrNot.
//!
//! The one date of an entry is that of its newest update on some of these pages and its start on others. It stands for
//! both, for nothing else is known.

use super::found::{self, Found, Word};
use super::lifecycle::{self, Said};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::feeds::text;
use crate::model::page::{Incident, Maintenance, Stage};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

const UPDATES_MAX: usize = 1_000;
const WORD_BYTES_MAX: usize = 60;

fn is(feed: &Feed) -> bool {
    feed.entries.iter().any(|entry| stage(entry.body().trim_start().trim_start_matches("<p>")).is_some())
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

/// The word of a stage in `<strong>`, and what follows it.
fn stage(html: &str) -> Option<(Word, &str)> {
    let inside = html.strip_prefix("<strong>")?;
    let end = inside[..inside.floor_char_boundary(WORD_BYTES_MAX)].find("</strong>")?;
    let word = found::word(&text::plain(&inside[..end]));
    let after = inside[end + "</strong>".len()..].trim_start().trim_start_matches(['-', '–', '—']);
    (end > 0 && word != Word::Unknown).then_some((word, after))
}

/// Authors use `<strong>` too: only a known word at the beginning of a paragraph counts.
fn updates(html: &str) -> Vec<(Word, &str)> {
    let mut updates: Vec<(Word, &str)> = Vec::new();
    for (at, _) in html.match_indices("<strong>").take(UPDATES_MAX) {
        let before = html[..at].trim_end();
        let begins = before.is_empty() || before.ends_with("<p>");
        let Some((word, body)) = stage(&html[at..]).filter(|_| begins) else { continue };
        if let Some((_, last)) = updates.last_mut() {
            *last = &last[..last.len() - (html.len() - at)];
        }
        updates.push((word, body));
    }
    updates
}

fn entry(entry: &Entry, found: &mut Found) {
    let newest = entry.newest().map(|moment| moment.at);
    let mut said = Vec::new();
    for (nth, (word, html)) in updates(entry.body()).into_iter().enumerate() {
        said.push(Said { at: newest.filter(|_| nth == 0), word, body: found.body(html) });
    }
    if said.is_empty() {
        return plain::entry(entry, found);
    }
    let stage = lifecycle::outcome(&said).stage;
    let over_at = newest.filter(|_| stage.is_some_and(Stage::is_over));
    let is_work = lifecycle::is_maintenance(&said);
    let updates = said.into_iter().map(Said::update).collect();
    let incident = found.incident(entry, &entry.title, entry.published.map(|moment| moment.at));
    if is_work {
        let Incident { id, title, url, touches, .. } = incident;
        found.maintenances.push(Maintenance { id, title, stage, starts_at: None, ends_at: over_at, url, touches, updates });
    } else {
        found.incidents.push(Incident { stage, resolved_at: over_at, updates, ..incident });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_the_beginning_of_paragraphs() {
        let html = "<p><strong>MONITORING</strong> — <p>We look. <strong>Resolved</strong> is another word.</p></p>\
                    <p><strong>Impact</strong> none</p><p><strong>Investigating</strong> - What?</p>";
        let words: Vec<_> = updates(html).into_iter().map(|(word, html)| (word, text::lines(&text::plain(html), 99).text)).collect();
        let monitoring = (Word::Stage(Stage::Monitoring), "We look. Resolved is another word.\n\nImpact none".to_owned());
        assert_eq!(words, [monitoring, (Word::Stage(Stage::Investigating), "What?".to_owned())]);
        assert_eq!(updates("Some <strong>Resolved</strong> text"), []);
    }
}
