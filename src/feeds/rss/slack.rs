//! Slack (`/feed/atom`): updates as `<p><small>3:23pm PST</small> text</p>`, oldest first, with the time of day alone.
//!
//! A time earlier than the one before it is of the next day; the first is of the day of `published`, which is the true
//! start. There is no stage word, so the end is read from the last paragraph.

use super::dates::Moment;
use super::found::{self, Found};
use super::xml::{Entry, Feed};
use super::{Kind, Layout, plain};
use crate::model::page::{Stage, Update};
use crate::model::{Impact, Timestamp};

pub const LAYOUT: Layout = Layout { kind: Kind::History, is, read };

const DAY_S: i64 = 86_400;
const UPDATES_MAX: usize = 1_000;

fn is(feed: &Feed) -> bool {
    feed.entries.iter().any(|entry| paragraphs(entry.body()).next().is_some())
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

/// Seconds of the day, and the HTML behind them.
fn paragraphs(html: &str) -> impl Iterator<Item = (i64, &str)> {
    html.split("<small>").skip(1).take(UPDATES_MAX).filter_map(|piece| {
        let (time, body) = piece.split_once("</small>")?;
        Some((second_of_day(time)?, body))
    })
}

/// `3:23pm PST`
fn second_of_day(text: &str) -> Option<i64> {
    let text = text.trim();
    let (hour, rest) = text.split_once(':')?;
    let (minute, half) = (rest.get(..2)?, rest.get(2..4)?.to_ascii_lowercase());
    let hour = hour.parse::<i64>().ok().filter(|hour| (1..=12).contains(hour))? % 12;
    let minute = minute.parse::<i64>().ok().filter(|minute| (0..60).contains(minute))?;
    let noon = match half.as_str() {
        "am" => 0,
        "pm" => 12,
        _ => return None,
    };
    Some((hour + noon) * 3600 + minute * 60)
}

fn entry(entry: &Entry, found: &mut Found) {
    let times: Vec<(i64, &str)> = paragraphs(entry.body()).collect();
    let Some(start) = entry.published.filter(|_| !times.is_empty()) else {
        return plain::entry(entry, found);
    };
    let (impact, title) = kind(&entry.title);
    let mut incident = found.incident(entry, title, Some(start.at));
    incident.impact = impact;
    incident.updates = updates(&times, start, found);
    let last = incident.updates.last().cloned();
    incident.stage = last.as_ref().and_then(|last| found.stage_of_prose(&last.body));
    incident.resolved_at = last.and_then(|last| last.at).filter(|_| incident.stage == Some(Stage::Resolved));
    found.incidents.push(incident);
}

/// `Incident: title`; the same words and impacts as in the platform's JSON.
fn kind(title: &str) -> (Option<Impact>, &str) {
    let (word, rest) = title.split_once(": ").unwrap_or(("", title));
    match word {
        "Incident" | "Notice" => (Some(Impact::Minor), rest),
        "Outage" => (Some(Impact::Critical), rest),
        _ => (None, title),
    }
}

fn updates(times: &[(i64, &str)], start: Moment, found: &mut Found) -> Vec<Update> {
    let local_s = start.at.as_millis().div_euclid(1000) + i64::from(start.offset_s);
    let mut midnight_s = local_s - local_s.rem_euclid(DAY_S);
    let mut before_s = None;
    let mut updates = Vec::new();
    for (second, html) in times {
        if before_s.is_some_and(|before| *second < before) {
            midnight_s += DAY_S;
        }
        before_s = Some(*second);
        let at = Timestamp::from_millis((midnight_s + second - i64::from(start.offset_s)) * 1000);
        updates.push(found::update(Some(at), None, found.body(html)));
    }
    updates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        for (text, want) in [
            ("3:23pm PST", Some(15 * 3600 + 23 * 60)),
            ("12:05 am", None),
            ("12:05am PDT", Some(5 * 60)),
            ("12:00PM PDT", Some(12 * 3600)),
            ("13:00pm", None),
            ("Jan 5, 03:38 UTC", None),
            ("é:é", None),
        ] {
            assert_eq!(second_of_day(text), want, "{text}");
        }
    }
}
