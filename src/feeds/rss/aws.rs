//! AWS (`/rss/<service>-<region>.rss`, `/rss/all.rss`): a log, in which each item is one update.
//!
//! `guid` ends in `#<service>-<region>_<unix time>`: items of one place and name without a gap of more than a day are one
//! incident. That number is the time of the update; `pubDate` ends in letters. `[RESOLVED]` in a title closes the incident
//! whatever stands before it, and is written back into the titles of its older updates.

use std::collections::BTreeMap;

use super::found::{self, Found};
use super::xml::{Entry, Feed};
use super::{Kind, Layout};
use crate::model::Timestamp;
use crate::model::page::{Incident, Stage, Update};

pub const LAYOUT: Layout = Layout { kind: Kind::Log, is, read };

const GAP_MS: i64 = 86_400_000;

fn is(feed: &Feed) -> bool {
    feed.generator.starts_with("AWS Service Health") || feed.entries.iter().any(|entry| place(&entry.id).is_some())
}

/// `ec2-us-east-1` and the time of `http://status.aws.amazon.com/#ec2-us-east-1_1640218920`.
fn place(id: &str) -> Option<(&str, Timestamp)> {
    let (place, seconds) = id.split_once('#')?.1.rsplit_once('_')?;
    let seconds = seconds.parse::<i64>().ok().filter(|seconds| (1_000_000_000..100_000_000_000).contains(seconds))?;
    Some((place, Timestamp::from_millis(seconds * 1000)))
}

struct Line<'f> {
    at: Option<Timestamp>,
    entry: &'f Entry,
    is_over: bool,
}

fn read(feed: &Feed, found: &mut Found) {
    let mut events: BTreeMap<(&str, String), Vec<Line>> = BTreeMap::new();
    for entry in &feed.entries {
        let (place, at) = place(&entry.id).map_or(("", None), |(place, at)| (place, Some(at)));
        let at = at.or(entry.newest().map(|moment| moment.at));
        let (name, is_over) = name(&entry.title);
        events.entry((place, name)).or_default().push(Line { at, entry, is_over });
    }
    for ((place, name), mut lines) in events {
        lines.sort_by_key(|line| line.at);
        let gap = |a: &Line, b: &Line| b.at.zip(a.at).is_none_or(|(b, a)| b.millis_since(a) <= GAP_MS);
        for event in lines.chunk_by(gap) {
            let incident = incident(place, &name, event, found);
            found.incidents.push(incident);
        }
    }
}

/// The name without prefix and mark, and whether it says that it is over.
fn name(title: &str) -> (String, bool) {
    const PREFIXES: &[&str] = &[
        "Service is operating normally",
        "Informational message",
        "Service degradation",
        "Service disruption",
        "Service impact",
        "Performance issues",
    ];
    let marked =
        |text: &'_ str| text.strip_prefix("[RESOLVED]").or_else(|| text.strip_prefix("Resolved:")).map(str::trim_start).map(str::to_owned);
    let before = marked(title);
    let title = before.as_deref().unwrap_or(title);
    let (prefix, rest) = title.split_once(':').filter(|(prefix, _)| PREFIXES.contains(&prefix.trim())).unwrap_or(("", title));
    let rest = rest.trim();
    let bare = marked(rest);
    let is_over = before.is_some() || bare.is_some() || prefix.trim() == PREFIXES[0];
    (bare.unwrap_or_else(|| rest.to_owned()), is_over)
}

/// `lines`: oldest first.
fn incident(place: &str, name: &str, lines: &[Line], found: &mut Found) -> Incident {
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    let mut incident = found.incident(first.entry, name, first.at);
    let is_over = last.is_over;
    incident.stage = is_over.then_some(Stage::Resolved);
    // A prefix tells how bad it is; all but one mean that it goes on.
    if !is_over {
        found.opens(&incident);
    }
    incident.resolved_at = last.at.filter(|_| is_over);
    incident.touches = found::touched([place]);
    incident.updates = lines.iter().map(|line| update(line, is_over && std::ptr::eq(line, last), found)).collect();
    incident
}

fn update(line: &Line, ends: bool, found: &mut Found) -> Update {
    let body = found.body(line.entry.body());
    found::update(line.at, ends.then_some(Stage::Resolved), body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places() {
        for (title, want) in [
            ("Service disruption: [RESOLVED] Error Rates", ("Error Rates", true)),
            ("Service is operating normally: Error Rates", ("Error Rates", true)),
            ("Resolved: Informational message: Error Rates", ("Error Rates", true)),
            ("Informational message: Error Rates: some", ("Error Rates: some", false)),
            ("Error Rates: some", ("Error Rates: some", false)),
        ] {
            assert_eq!(name(title), (want.0.to_owned(), want.1), "{title}");
        }
        assert_eq!(place("http://x.example/#a-b-1_1640218920"), Some(("a-b-1", Timestamp::from_millis(1_640_218_920_000))));
        assert_eq!(place("http://x.example/#a_b"), None);
    }
}
