//! Google Cloud (`/en/feed.atom`): `RESOLVED: ` before the title, begin and end in the first sentence, in US/Pacific.
//!
//! The `id` is `...:feed:<incident>.<update>` and changes with each update: the incident is the part before the dot.

use jiff::tz::TimeZone;

use super::found::{self, Found};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::feeds::text;
use crate::model::Timestamp;
use crate::model::page::{Stage, Touched};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

fn is(feed: &Feed) -> bool {
    feed.title.starts_with("Google Cloud Service Health") || feed.entries.iter().any(|entry| incident_id(&entry.id).is_some())
}

fn incident_id(id: &str) -> Option<&str> {
    let (incident, _) = id.split_once(":feed:")?.1.split_once('.')?;
    (!incident.is_empty()).then_some(incident)
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

fn entry(entry: &Entry, found: &mut Found) {
    let (stated, title) = plain::prefixed(&entry.title);
    let prose = text::line(&text::plain(entry.body()), text::BODY_CHARS).text;
    let began_at = prose.split_once("began at ").and_then(|(_, rest)| pacific(rest));
    let ended_at = prose.split_once("ended at ").and_then(|(_, rest)| pacific(rest));
    let newest = entry.newest().map(|moment| moment.at);
    let mut incident = found.incident(entry, title, began_at.or(entry.published.map(|moment| moment.at)));
    if let Some(id) = incident_id(&entry.id) {
        incident.id = found::id_of(id, &incident.title, incident.started_at);
    }
    incident.stage = stated;
    // Without the prefix it is open; how far they are is not said.
    if stated.is_none() && ended_at.is_none() {
        found.opens(&incident);
    }
    incident.resolved_at = ended_at.or(newest).filter(|_| stated.is_some_and(Stage::is_over));
    incident.touches = products(&text::plain(entry.body()));
    let body = found.body(entry.body());
    incident.updates = vec![found::update(newest, stated, body)];
    found.incidents.push(incident);
}

fn products(prose: &str) -> Vec<Touched> {
    let line = prose.lines().find_map(|line| line.trim().strip_prefix("Affected products:"));
    found::touched(line.unwrap_or_default().split(','))
}

/// `2022-03-31 08:30` at the beginning of `text`, with the rules of daylight saving in force there since 2007.
fn pacific(text: &str) -> Option<Timestamp> {
    let local: jiff::civil::DateTime = format!("{}:00", text.get(..16)?).parse().ok()?;
    let zone = TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").ok()?;
    let at = zone.to_timestamp(local).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_as_clean_as_those_of_other_feeds() {
        for (id, want) in [(":feed:\u{1b}a\u{202e}b.1", "ab"), (&format!(":feed:{}.1", "x".repeat(9_999)), "")] {
            let mut found = Found::default();
            entry(&Entry { id: id.to_owned(), ..Entry::default() }, &mut found);
            let got = &found.incidents[0].id;
            assert!(if want.is_empty() { got.len() == 24 } else { got == want }, "{got:?}");
        }
    }

    #[test]
    fn pacific_time_has_two_offsets() {
        for (text, want) in [
            ("2022-03-31 08:30 and", Some("2022-03-31T15:30:00.000Z")),
            ("2022-01-31 08:30 and", Some("2022-01-31T16:30:00.000Z")),
            ("a while ago, it seems", None),
        ] {
            assert_eq!(pacific(text).map(|at| at.to_string()).as_deref(), want, "{text}");
        }
    }
}
