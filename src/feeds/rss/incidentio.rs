//! incident.io (`/feed.atom`, `/history.atom`, `/history.rss`): `<b>Status: Resolved</b>`, the newest update alone, and the
//! components that are touched with their present state in brackets.
//!
//! The start is not in the feed. The id is a ULID, whose first ten characters are the millisecond in which it was made; in
//! the platform's JSON that is `created_at` to the second. <https://github.com/ulid/spec>

use super::found::{self, Found, Word};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::feeds::text;
use crate::model::Timestamp;
use crate::model::page::{Incident, Maintenance, Stage};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

const STATUS: &str = "<b>Status:";
const COMPONENTS: &str = "<b>Affected components</b>";

fn is(feed: &Feed) -> bool {
    feed.generator.eq_ignore_ascii_case("incident.io") || feed.entries.iter().any(|entry| entry.body().trim_start().starts_with(STATUS))
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        match status(entry.body()) {
            Some((word, rest)) => self::entry(entry, &word, rest, found),
            None => plain::entry(entry, found),
        }
    }
}

/// The word after `Status:`, and what follows it.
fn status(body: &str) -> Option<(String, &str)> {
    let (word, rest) = body.trim_start().strip_prefix(STATUS)?.split_once("</b>")?;
    Some((text::line(&text::plain(word), 60).text, rest))
}

fn entry(entry: &Entry, word: &str, rest: &str, found: &mut Found) {
    let (html, list) = rest.split_once(COMPONENTS).unwrap_or((rest, ""));
    let names = components(list);
    let stage = match found.word(word) {
        Word::Stage(stage) => Some(stage),
        Word::Update | Word::Unknown => None,
    };
    let newest = entry.newest().map(|moment| moment.at);
    let over_at = newest.filter(|_| stage.is_some_and(Stage::is_over));
    let body = found.body(html);
    let update = found::update(newest, stage, body);
    let touches = found::touched(names.iter().map(String::as_str));
    let created_at = created_at(&entry.id).filter(|at| newest.is_none_or(|newest| *at <= newest));
    let incident = found.incident(entry, &entry.title, created_at);
    if stage.is_some_and(|stage| stage >= Stage::Scheduled) {
        found.maintenances.push(Maintenance {
            id: incident.id,
            title: incident.title,
            stage,
            // When it is planned is in the text alone.
            starts_at: None,
            ends_at: over_at,
            url: incident.url,
            touches,
            updates: vec![update],
        });
    } else {
        found.incidents.push(Incident { stage, resolved_at: over_at, touches, updates: vec![update], ..incident });
    }
}

/// The names in the list, without the state behind each.
fn components(list: &str) -> Vec<String> {
    list.split("<li>").skip(1).map(|item| without_state(&text::plain(item.split("</li>").next().unwrap_or_default()))).collect()
}

fn without_state(item: &str) -> String {
    const STATES: &[&str] = &["operational", "degraded performance", "partial outage", "full outage", "major outage", "under maintenance"];
    let item = item.trim();
    let state = item.strip_suffix(')').and_then(|item| item.rsplit_once('('));
    let known = state.filter(|(_, state)| STATES.contains(&state.trim().to_lowercase().as_str()));
    known.map_or(item, |(name, _)| name.trim_end()).to_owned()
}

/// Ids have a path before them, with a double slash at times: they are compared as text and only looked into here.
fn created_at(id: &str) -> Option<Timestamp> {
    const DIGITS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let ulid = id.rsplit('/').next().filter(|ulid| ulid.len() == 26 && ulid.starts_with("01"))?;
    let digits = ulid.chars().map(|c| DIGITS.find(c)).collect::<Option<Vec<usize>>>()?;
    let millis = digits[..10].iter().try_fold(0i64, |sum, digit| Some(sum * 32 + i64::try_from(*digit).ok()?))?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_when_they_were_made() {
        for (id, want) in [
            ("https://status.example//incidents/01J0000000ABCDEFGHJKMNPQRS", Some("2024-06-10T02:35:18.400Z")),
            ("01J0000000ABCDEFGHJKMNPQRU", None),
            ("01j0000000abcdefghjkmnpqrs", None),
            ("https://status.example/incidents/7", None),
        ] {
            assert_eq!(created_at(id).map(|at| at.to_string()).as_deref(), want, "{id}");
        }
    }

    #[test]
    fn states_of_components_are_no_part_of_their_names() {
        let list = "<ul>\n<li>Chat (Operational)</li><li>API (v2) (Partial outage)</li><li>Search (beta)</li></ul>";
        assert_eq!(components(list), ["Chat", "API (v2)", "Search (beta)"]);
    }
}
