//! `/history.json?page=N`: everything that a page ever declared, three months at a time, the newest first.
//!
//! Atlassian does not document it, and no page of it was captured: what is written here was learned from the code of
//! many independent clients. `months[]` has empty months too. An entry has `code` (the id that the API gives the
//! same incident), `name`, `message` (its last update), `impact` (with `maintenance` for planned work) and a `timestamp`
//! for people: `Nov <var data-var='date'>23</var>, <var data-var='time'>14:05</var> - <var data-var='time'>15:20</var> UTC`,
//! where the end has a date only if it is another day, is missing at times, and the year is that of the month, which is
//! the one in which the incident ended. The zone is the page's, in letters; those not known here are read as UTC.
//!
//! What is listed here is over: a page asks for its archive to learn its past, and what is open stands in its summary.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::time::Duration;

use super::{NAME, api};
use crate::feeds::json::{self, List, Text};
use crate::feeds::notes::{self, Notes};
use crate::feeds::{Document, INCIDENTS_MAX, Unreadable, text};
use crate::model::Timestamp;
use crate::model::page::{Carries, Incident, Listing, Maintenance, Page, Stage, Status, Update};

/// Three are usual; a hundred years are more than anybody has.
const MONTHS_MAX: usize = 1_200;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Archive<'d> {
    #[serde(borrow)]
    months: List<Month<'d>, MONTHS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Month<'d> {
    name: Text,
    year: Text,
    #[serde(borrow)]
    incidents: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Past {
    code: Text,
    name: Text,
    message: Text,
    impact: Text,
    timestamp: Text,
}

/// The month that an entry stands under.
#[derive(Clone, Copy)]
struct Under {
    year: i32,
    month: Option<i32>,
}

/// What a document has of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    None,
    /// A list that could be of any months, and is what follows the oldest.
    NoMonths,
    Months,
}

pub fn likeness(text: &str) -> Likeness {
    // Nearly every document is another one: do not even read those.
    if !text.contains("\"months\"") {
        return Likeness::None;
    }
    match json::read::<Archive>(NAME, text).ok().and_then(|archive| archive.months.0) {
        Some(months) if months.is_empty() => Likeness::NoMonths,
        Some(months) if months.iter().any(Month::is_one) => Likeness::Months,
        _ => Likeness::None,
    }
}

pub fn parse(document: &Document) -> Result<Page, Unreadable> {
    let archive: Archive = json::read(NAME, &document.text)?;
    let mut reader = Reader::default();
    for month in archive.months.within("months")? {
        reader.month(&month, document)?;
    }
    Ok(Page {
        format: NAME,
        name: None,
        url: None,
        updated_at: None,
        overall: Status::Unknown,
        components: Vec::new(),
        incidents: reader.incidents,
        maintenances: reader.maintenances,
        carries: Carries { components: false, incidents: Listing::Archive, maintenances: Listing::Archive },
        oddities: reader.notes.oddities(),
    })
}

impl Month<'_> {
    fn is_one(&self) -> bool {
        self.under().is_some() && self.incidents.is_some_and(|raw| raw.get().starts_with('['))
    }

    fn under(&self) -> Option<Under> {
        let year = self.year.as_str()?.parse().ok().filter(|year| (1990..2200).contains(year))?;
        Some(Under { year, month: self.name.as_str().and_then(month_number) })
    }
}

#[derive(Default)]
struct Reader {
    incidents: Vec<Incident>,
    maintenances: Vec<Maintenance>,
    notes: Notes,
}

impl Reader {
    fn month(&mut self, month: &Month, document: &Document) -> Result<(), Unreadable> {
        let Some(raw) = month.incidents else { return Ok(()) };
        let entries: List<Past, INCIDENTS_MAX> = serde_json::from_str(raw.get()).unwrap_or_default();
        for entry in entries.within("incidents")? {
            self.entry(&entry, month.under(), document);
            if self.incidents.len() + self.maintenances.len() > INCIDENTS_MAX {
                return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Past, under: Option<Under>, document: &Document) {
        let Some(id) = notes::id(entry.code.as_str()) else { return };
        let (start, end) = self.span(entry, under);
        // Relative to the address of the archive, which lies in the page.
        let page = document.url.and_then(|url| url.join(".").ok());
        let url = notes::incident_link(page.as_ref().map(url::Url::as_str), &id);
        let update = |stage, body| Update { at: end.or(start), stage: Some(stage), body };
        let body = self.notes.body(entry.message.as_str());
        if entry.impact.as_str() == Some("maintenance") {
            self.maintenances.push(Maintenance {
                title: self.notes.title(entry.name.as_str(), "Maintenance", &id),
                stage: Some(Stage::Completed),
                starts_at: start,
                ends_at: end,
                url,
                touches: Vec::new(),
                updates: vec![update(Stage::Completed, body)],
                id,
            });
        } else {
            self.incidents.push(Incident {
                title: self.notes.title(entry.name.as_str(), "Incident", &id),
                impact: self.notes.meaning("impact", entry.impact.as_str(), api::impact),
                stage: Some(Stage::Resolved),
                started_at: start,
                stated_start: None,
                undecided: false,
                resolved_at: end.or(start),
                url,
                touches: Vec::new(),
                updates: vec![update(Stage::Resolved, body)],
                id,
            });
        }
    }

    fn span(&mut self, entry: &Past, under: Option<Under>) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some(printed) = entry.timestamp.as_str() else { return (None, None) };
        let plain = text::line(&text::plain(printed), text::TITLE_CHARS).text;
        let words = Words::of(&plain);
        let offset = words.zone.and_then(|zone| self.notes.meaning("zone", Some(zone), offset_minutes)).unwrap_or(0);
        let span = words.span(under, offset);
        if span.0.is_none() {
            self.notes.unknown("timestamp", &plain);
        }
        span
    }
}

/// `Nov 23, 14:05 - Nov 24, 00:20 UTC` taken apart.
#[derive(Default)]
struct Words<'t> {
    times: Vec<Moment>,
    zone: Option<&'t str>,
}

#[derive(Clone, Copy, Default)]
struct Moment {
    year: Option<i32>,
    month: Option<i32>,
    day: Option<i32>,
    hour: i32,
    minute: i32,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Words<'t> {
        let mut words = Words::default();
        let mut date = Moment::default();
        for word in text.split(|c: char| matches!(c, ',' | '–' | '—') || c.is_whitespace()).filter(|word| !word.is_empty()) {
            if let Some((hour, minute)) = clock_time(word) {
                words.times.push(Moment { hour, minute, ..date });
            } else if let Ok(number @ 1..) = word.parse::<i32>()
                && !word.starts_with('+')
            {
                if number > 31 { date.year = Some(number) } else { date.day = Some(number) }
            } else if let Some(month) = month_number(word).filter(|_| words.zone_is_ahead(word)) {
                date.month = Some(month);
            } else if !words.times.is_empty() && word.chars().any(char::is_alphanumeric) {
                words.zone = Some(word);
            }
        }
        words
    }

    /// Zones are written in capitals, months are not.
    fn zone_is_ahead(&self, word: &str) -> bool {
        self.times.is_empty() || word.chars().any(char::is_lowercase)
    }

    fn span(&self, under: Option<Under>, offset: i32) -> (Option<Timestamp>, Option<Timestamp>) {
        let Some(first) = self.times.first() else { return (None, None) };
        let Some((year, month)) = first.year_and_month(under) else { return (None, None) };
        let Some(start) = first.instant(year, month, offset) else { return (None, None) };
        let end = self.times.get(1).and_then(|last| {
            let last_month = last.month.unwrap_or(month);
            let last_year = last.year.unwrap_or(if last_month < month { year + 1 } else { year });
            last.instant(last_year, last_month, offset)
        });
        // Without a date of its own, an end before the start is on the next day.
        let is_same_day = self.times.get(1).is_some_and(|last| (last.month, last.day) == (first.month, first.day));
        (Some(start), end.map(|end| if end < start && is_same_day { end + DAY } else { end }))
    }
}

impl Moment {
    /// Of an incident around the turn of a year, the year under which it stands may be that of its other end.
    fn year_and_month(&self, under: Option<Under>) -> Option<(i32, i32)> {
        let month = self.month.or(under.and_then(|under| under.month))?;
        if let Some(year) = self.year {
            return Some((year, month));
        }
        let Under { year, month: near } = under?;
        let away = |candidate: i32| near.map_or(0, |near| ((candidate * 12 + month) - (year * 12 + near)).abs());
        let nearest = [year, year - 1, year + 1].into_iter().min_by_key(|candidate| away(*candidate))?;
        Some((nearest, month))
    }

    fn instant(&self, year: i32, month: i32, offset: i32) -> Option<Timestamp> {
        let sign = if offset < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset.abs() / 60, offset.abs() % 60);
        let (day, hour, minute) = (self.day?, self.hour, self.minute);
        Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00{sign}{hours:02}:{minutes:02}"))
    }
}

/// `14:05`, perhaps with seconds, which do not matter.
fn clock_time(word: &str) -> Option<(i32, i32)> {
    let (hour, rest) = word.split_once(':')?;
    let minute = rest.split(':').next()?;
    let number = |text: &str, max: i32| text.parse::<i32>().ok().filter(|n| text.len() <= 2 && (0..=max).contains(n));
    Some((number(hour, 23)?, number(minute, 59)?))
}

/// In full or shortened, in English; other languages take that of the list.
fn month_number(word: &str) -> Option<i32> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = word.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().zip(1..).find(|(name, _)| **name == short).map(|(_, number)| number)
}

/// Minutes east of UTC. Where letters stand for several zones it is the one with more status pages.
fn offset_minutes(zone: &str) -> Option<i32> {
    const ZONES: &[(&str, i32)] = &[
        ("UTC", 0),
        ("GMT", 0),
        ("WET", 0),
        ("BST", 60),
        ("WEST", 60),
        ("CET", 60),
        ("CEST", 120),
        ("SAST", 120),
        ("EET", 120),
        ("EEST", 180),
        ("MSK", 180),
        ("IST", 330),
        ("HKT", 480),
        ("AWST", 480),
        ("JST", 540),
        ("KST", 540),
        ("ACST", 570),
        ("ACDT", 630),
        ("AEST", 600),
        ("AEDT", 660),
        ("NZST", 720),
        ("NZDT", 780),
        ("NDT", -150),
        ("NST", -210),
        ("ADT", -180),
        ("AST", -240),
        ("EDT", -240),
        ("EST", -300),
        ("CDT", -300),
        ("CST", -360),
        ("MDT", -360),
        ("MST", -420),
        ("PDT", -420),
        ("PST", -480),
        ("AKDT", -480),
        ("AKST", -540),
        ("HST", -600),
    ];
    ZONES.iter().find(|(name, _)| *name == zone).map(|(_, minutes)| *minutes).or_else(|| numeric_offset(zone))
}

/// `+08`, `-03`, `+0545`: what zones without letters are called.
fn numeric_offset(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let number = |text: Option<&str>| text?.parse::<i32>().ok();
    match digits.len() {
        2 => Some(sign * number(Some(digits))? * 60),
        4 => Some(sign * (number(digits.get(..2))? * 60 + number(digits.get(2..))?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_as_people_would() {
        let november = Under { year: 2030, month: Some(11) };
        for (printed, want) in [
            ("Nov 23, 14:05 - 15:20 UTC", Some(("2030-11-23T14:05", Some("2030-11-23T15:20")))),
            ("Nov  3, 14:05 UTC", Some(("2030-11-03T14:05", None))),
            ("Nov 23, 14:05 - 15:20 PST", Some(("2030-11-23T22:05", Some("2030-11-23T23:20")))),
            ("Nov 23, 23:05 - 00:20 +0545", Some(("2030-11-23T17:20", Some("2030-11-23T18:35")))),
            ("Oct 31, 23:50 - Nov 1, 00:10 UTC", Some(("2030-10-31T23:50", Some("2030-11-01T00:10")))),
            ("Nov 29, 23:50 - 30, 00:10 UTC", Some(("2030-11-29T23:50", Some("2030-11-30T00:10")))),
            ("November 23, 2029, 14:05:59 UTC", Some(("2029-11-23T14:05", None))),
            ("23 nov., 14:05–15:20 -03", Some(("2030-11-23T17:05", Some("2030-11-23T18:20")))),
            ("23 Listopad, 14:05", Some(("2030-11-23T14:05", None))),
            ("Nov 31, 14:05 UTC", None),
            ("Nov 23, 25:05 UTC", None),
            ("Nov 23 UTC", None),
            ("", None),
        ] {
            let words = Words::of(printed);
            let offset = words.zone.and_then(offset_minutes).unwrap_or(0);
            let (start, end) = words.span(Some(november), offset);
            let minute = |at: Timestamp| at.to_string()[..16].to_owned();
            let got = start.map(|start| (minute(start), end.map(minute)));
            assert_eq!(got, want.map(|(start, end)| (start.to_owned(), end.map(str::to_owned))), "{printed}");
        }
    }

    #[test]
    fn the_year_is_the_nearest_one() {
        let year = |under: (i32, Option<i32>), printed| {
            let span = Words::of(printed).span(Some(Under { year: under.0, month: under.1 }), 0);
            span.0.map(|start| start.to_string()[..4].to_owned())
        };
        for (under, printed, want) in [
            ((2030, Some(1)), "Dec 31, 23:10 - Jan 1, 01:20 UTC", "2029"),
            ((2029, Some(12)), "Jan 1, 01:20 UTC", "2030"),
            ((2030, Some(8)), "Mar 1, 01:20 UTC", "2030"),
            ((2030, None), "Mar 1, 01:20 UTC", "2030"),
        ] {
            assert_eq!(year(under, printed).as_deref(), Some(want), "{printed}");
        }
    }
}
