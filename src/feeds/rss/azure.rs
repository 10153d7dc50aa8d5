//! Azure (`/status/feed/`): open incidents alone; when one ends its item disappears.
//!
//! There is no stage word. `pubDate` is not the start and does not move when the text changes, `link` names a host that
//! rotates, and categories mix services with regions. The start is in the first sentence.

use super::dates;
use super::found::{self, Found};
use super::xml::{Entry, Feed};
use super::{Kind, Layout};
use crate::feeds::text;
use crate::model::Timestamp;

pub const LAYOUT: Layout = Layout { kind: Kind::OpenOnly, is, read };

fn is(feed: &Feed) -> bool {
    let hosts = ["azurestatusprod", "status.azure.com", "azure.status.microsoft"];
    feed.title == "Azure Status" || hosts.iter().any(|host| feed.link.contains(host))
}

fn read(feed: &Feed, found: &mut Found) {
    for entry in &feed.entries {
        self::entry(entry, found);
    }
}

fn entry(entry: &Entry, found: &mut Found) {
    let published = entry.published.map(|moment| moment.at);
    let body = found.body(entry.body());
    let mut incident = found.incident(entry, &entry.title, started_at(&body, published).or(published));
    // The host in the link rotates.
    incident.url = None;
    incident.touches = found::touched(entry.categories.iter().map(String::as_str));
    incident.updates = vec![found::update(published, None, body)];
    found.opens(&incident);
    found.incidents.push(incident);
}

/// `Starting at 14:44 UTC on 23 July, 2026, we began ...`: believed if it lies in the week before `published`.
fn started_at(body: &str, published: Option<Timestamp>) -> Option<Timestamp> {
    const WEEK_MS: i64 = 7 * 86_400_000;
    let opening = text::line(body, 300).text;
    let (before, after) = opening.split_once(" UTC on ")?;
    let time = before.rsplit(' ').next()?;
    let words: Vec<&str> = after.split([' ', ',']).filter(|word| !word.is_empty()).take(3).collect();
    let [day, month, year] = words.as_slice() else { return None };
    // Both `23 July, 2026` and `July 23, 2026`.
    let (day, month) = if day.starts_with(|c: char| c.is_ascii_digit()) { (day, month) } else { (month, day) };
    let year: String = year.chars().take_while(char::is_ascii_digit).collect();
    let at = dates::moment(&format!("{day} {month} {year} {time} UTC"))?.at;
    let age_ms = published?.millis_since(at);
    (0..WEEK_MS).contains(&age_ms).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_in_the_first_sentence() {
        let published = Timestamp::parse("2026-07-23T16:29:09Z");
        for (body, want) in [
            ("Starting at 14:44 UTC on 23 July, 2026, we saw", Some("2026-07-23T14:44:00.000Z")),
            ("Between 09:10 UTC on 22 Jul 2026 and now", Some("2026-07-22T09:10:00.000Z")),
            ("As of 14:44 UTC on July 23, 2026, we saw", Some("2026-07-23T14:44:00.000Z")),
            ("Starting at 14:44 UTC on 23 July 2025, we saw", None),
            ("Starting at 18:44 UTC on 23 July 2026, we will", None),
            ("We are looking", None),
        ] {
            assert_eq!(started_at(body, published).map(|at| at.to_string()).as_deref(), want, "{body}");
        }
    }
}
