//! Instatus (`/history.rss`): `Type:`, `Duration:` and `Affected Components:` in the plain `description`, updates oldest first.
//!
//! `content:encoded` has them as Statuspage's paragraphs, escaped once more than it should be, and sometimes without the
//! components; the `description` has everything on one line. `pubDate` is the start.

use super::dates;
use super::found::{self, Found, Word};
use super::lifecycle::{self, Said};
use super::paragraphs::{self, Zones};
use super::xml::{self, Entry, Feed};
use super::{Kind, Layout, plain};
use crate::feeds::text;
use crate::model::Timestamp;
use crate::model::page::{Incident, Maintenance};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

fn is(feed: &Feed) -> bool {
    feed.entries.iter().any(|entry| field(&entry.summary, "Type:").is_some() && field(&entry.summary, "Affected Components:").is_some())
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

/// What stands behind a name on its line.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim().strip_prefix(name)).map(str::trim)
}

fn entry(entry: &Entry, found: &mut Found) {
    let mut said = updates(entry, found);
    if said.is_empty() {
        return plain::entry(entry, found);
    }
    said.reverse();
    let started_at = entry.published.map(|moment| moment.at).or(lifecycle::oldest(&said));
    let outcome = lifecycle::outcome(&said);
    let names = field(&entry.summary, "Affected Components:").unwrap_or_default();
    let touches = found::touched(names.split(", "));
    let incident = found.incident(entry, &entry.title, started_at);
    let is_work = field(&entry.summary, "Type:").is_some_and(|kind| kind.eq_ignore_ascii_case("maintenance"));
    let updates = said.iter().cloned().map(Said::update).collect();
    if is_work || lifecycle::is_maintenance(&said) {
        found.maintenances.push(Maintenance {
            id: incident.id,
            title: incident.title,
            stage: outcome.stage.map(found::of_maintenance),
            starts_at: started_at,
            ends_at: outcome.over_at,
            url: incident.url,
            touches,
            updates,
        });
    } else {
        let (stage, resolved_at) = (outcome.stage, outcome.over_at);
        found.incidents.push(Incident { stage, resolved_at, touches, updates, ..incident });
    }
}

/// Oldest first, as the document has them.
fn updates(entry: &Entry, found: &mut Found) -> Vec<Said> {
    let html = xml::unescape(&entry.content);
    let (paragraphs, _) = paragraphs::read(&html);
    if paragraphs.is_empty() {
        return on_one_line(entry, found);
    }
    let zones = Zones::of(&paragraphs, entry.published);
    let mut nearby = entry.newest().map(|moment| moment.at);
    let mut said = Vec::new();
    for paragraph in &paragraphs {
        let at = nearby.and_then(|nearby| zones.instant(&paragraph.printed, nearby, None));
        nearby = at.or(nearby);
        let word = paragraph.word.as_deref().map_or(Word::Update, |word| found.word(word));
        let body = found.body(paragraph.html);
        // The template adds a full stop to whatever was written.
        let body = body.strip_suffix('.').unwrap_or(&body).trim_end().to_owned();
        said.push(Said { at, word, body });
    }
    said
}

/// `Sep 25, 15:15:00 GMT+0 - Investigating - text Sep 25, 16:01:05 GMT+0 - Resolved - text`
fn on_one_line(entry: &Entry, found: &mut Found) -> Vec<Said> {
    let line = text::line(&entry.summary, text::BODY_CHARS).text;
    let mut starts: Vec<(usize, Option<Timestamp>, &str, &str)> = Vec::new();
    let mut nearby = entry.newest().map(|moment| moment.at);
    for (place, _) in line.char_indices().filter(|(at, c)| c.is_ascii_uppercase() && (*at == 0 || line[..*at].ends_with(' '))) {
        let Some((printed, rest)) = dates::printed(&line[place..]) else { continue };
        let Some((word, body)) = rest.strip_prefix(" - ").and_then(|rest| rest.split_once(" - ")) else { continue };
        if found::word(word) == Word::Unknown {
            continue;
        }
        let offset_s = printed.zone.as_deref().and_then(dates::zone).unwrap_or(0);
        let at = nearby.and_then(|nearby| printed.instant(offset_s, nearby, None));
        nearby = at.or(nearby);
        starts.push((place, at, word, body));
    }
    let ends: Vec<usize> = starts.iter().skip(1).map(|start| start.0).chain([line.len()]).collect();
    let said = starts.iter().zip(ends).map(|((_, at, word, body), end)| {
        let length = body.len().saturating_sub(line.len() - end);
        Said { at: *at, word: found.word(word), body: body[..length].trim().to_owned() }
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_full_stop_of_the_template_no_blank_is_left() {
        let content = "<p><small>Sep <var data-var='date'>25</var>, <var data-var='time'>15:15:00</var> GMT+0</small><br>\
                       <strong>Resolved</strong> - Fixed .</p>";
        let mut found = Found::default();
        let said = updates(&Entry { content: content.to_owned(), ..Entry::default() }, &mut found);
        assert_eq!(said.iter().map(|said| said.body.as_str()).collect::<Vec<_>>(), ["Fixed"]);
    }
}
