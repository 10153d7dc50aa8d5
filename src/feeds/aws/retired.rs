//! `data.json` of status.aws.amazon.com, which was switched off in 2023 and lives on in collections: `current` and `archive`.
//!
//! Entries have no id: it is the service and the time, as in the links of the feeds of that page. Updates are HTML, each behind
//! a time of day of the Pacific coast (` 8:22 AM PST`, `Oct 9,  1:30 PM PDT`). What is in the archive is over; in `current`, what
//! has the status 0 or says so in its title.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NAME, Reader, Severity, epoch, severity};
use crate::feeds::json::{self, List, Text};
use crate::feeds::{INCIDENTS_MAX, UPDATES_MAX, Unreadable, notes};
use crate::model::page::{Component, Incident, Listing, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
const RESOLVED: &str = "[RESOLVED]";

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Body<'d> {
    #[serde(borrow)]
    archive: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    current: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    service: Text,
    service_name: Text,
    summary: Text,
    date: Text,
    status: Text,
    description: Text,
}

pub fn body(text: &str) -> Option<Body<'_>> {
    let body: Body = text.contains("\"service_name\"").then(|| json::read(NAME, text).ok())??;
    (body.archive.is_there() && body.current.is_there()).then_some(body)
}

pub fn page(body: Body) -> Result<Page, Unreadable> {
    let mut reader = Reader::default();
    let (archive, current) = (body.archive.within("events")?, body.current.within("events")?);
    for entry in archive.into_iter().filter_map(json::element::<Entry>) {
        incident(&mut reader, &entry, true)?;
    }
    for entry in current.into_iter().filter_map(json::element::<Entry>) {
        incident(&mut reader, &entry, false)?;
    }
    if reader.incidents.is_empty() {
        return Err(Unreadable::shape(NAME, "neither its archive nor current has a service with a date"));
    }
    Ok(reader.page(Listing::Recent))
}

fn incident(reader: &mut Reader, entry: &Entry, is_archived: bool) -> Result<(), Unreadable> {
    let (Some(service), Some(started_at)) = (notes::id(entry.service.as_str()), epoch(&entry.date)) else { return Ok(()) };
    let Some(id) = notes::id(Some(&format!("{service}_{}", started_at.as_millis() / 1000))) else { return Ok(()) };
    let summary = entry.summary.as_str().unwrap_or_default();
    let title = summary.strip_prefix(RESOLVED).map_or(summary, str::trim_start);
    let severity = reader.notes.meaning("impact", entry.status.as_str(), severity);
    let is_over = is_archived || severity == Some(Severity::Over) || title.len() < summary.len();
    let name = reader.notes.line(entry.service_name.as_str()).unwrap_or_else(|| service.clone());
    reader.budget.touched(1)?;
    if !is_over {
        let status = severity.map_or(Status::Unknown, Severity::status);
        reader.affect(Component { id: service.clone(), name: name.clone(), group: None, region: None, status });
    }
    let updates = updates(reader, entry.description.as_str().unwrap_or_default(), started_at)?;
    reader.incidents.push(Incident {
        title: reader.notes.title(Some(title), "Event", &id),
        impact: severity.and_then(Severity::impact),
        stage: is_over.then_some(Stage::Resolved),
        started_at: Some(started_at),
        stated_start: None,
        undecided: false,
        resolved_at: None,
        url: None,
        touches: vec![Touched { id: Some(service), name }],
        updates,
        id,
    });
    Ok(())
}

/// `<div><span class="yellowfg"> 8:22 AM PST</span>&nbsp;text</div>`, the oldest first. A time that is earlier than the one
/// before it is of the next day.
fn updates(reader: &mut Reader, html: &str, started_at: Timestamp) -> Result<Vec<Update>, Unreadable> {
    let mut updates = Vec::new();
    let mut last_s = started_at.as_millis() / 1000;
    for piece in html.split("<span").skip(1).take(UPDATES_MAX) {
        let Some((time, text)) = piece.split_once('>').and_then(|(_, rest)| rest.split_once("</span>")) else { continue };
        let at = Clock::read(time).and_then(|clock| clock.after(last_s));
        last_s = at.unwrap_or(last_s);
        updates.push(Update { at: at.map(|s| Timestamp::from_millis(s * 1000)), stage: None, body: reader.notes.body(Some(text)) });
    }
    reader.budget.updates(updates.len())?;
    Ok(updates)
}

/// A time of day, which may have its date.
#[derive(Debug, PartialEq)]
struct Clock {
    date: Option<(i8, i8)>,
    second: i64,
    offset_s: i64,
}

impl Clock {
    fn read(text: &str) -> Option<Clock> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (date, time) = text.split_once(',').map_or((None, text), |(date, time)| (Some(date), time));
        let date = match date {
            Some(date) => {
                let (month, day) = date.trim().split_once(' ')?;
                let month = MONTHS.iter().position(|name| *name == month)? as i8 + 1;
                Some((month, day.trim().parse().ok()?))
            }
            None => None,
        };
        let mut words = time.split_whitespace();
        let (hour, minute) = words.next()?.split_once(':')?;
        let hour = hour.parse::<i64>().ok().filter(|hour| (1..=12).contains(hour))? % 12;
        let minute = minute.parse::<i64>().ok().filter(|minute| (0..60).contains(minute))?;
        let noon = if words.next()? == "PM" { 12 } else { 0 };
        let offset_s = match words.next()? {
            "PST" => -8 * HOUR_S,
            "PDT" => -7 * HOUR_S,
            _ => return None,
        };
        Some(Clock { date, second: (hour + noon) * HOUR_S + minute * 60, offset_s })
    }

    /// The first such time that is not earlier than `earliest_s`, to the minute.
    fn after(&self, earliest_s: i64) -> Option<i64> {
        let local_s = earliest_s - earliest_s.rem_euclid(60) + self.offset_s;
        let Some((month, day)) = self.date else {
            let at_s = local_s - local_s.rem_euclid(DAY_S) + self.second;
            return Some(if at_s < local_s { at_s + DAY_S } else { at_s } - self.offset_s);
        };
        let about = jiff::Timestamp::from_second(local_s).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        let on = |year: i16| {
            let midnight = jiff::civil::Date::new(year, month, day).ok()?.to_datetime(jiff::civil::Time::midnight());
            Some(jiff::tz::Offset::UTC.to_timestamp(midnight).ok()?.as_second() + self.second)
        };
        let this_year = on(about.year()).filter(|at_s| *at_s >= local_s);
        Some(this_year.or_else(|| on(about.year().checked_add(1)?))? - self.offset_s)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{at, check, fixture};
    use super::*;

    #[test]
    fn the_archive_is_over_and_current_may_be() {
        check(
            NAME,
            "data",
            r#"
                partial_outage - Recent Absent
                c rope-no-west-1 Ropes (North-West): major_outage
                i rope-no-west-1_1641024000 critical - 2022-01-01T08:00..? "Ropes tear" [Ropes (North-West)] 3
                i pipes-no-east-1_1640937600 minor resolved 2021-12-31T08:00..2021-12-31T10:15 "Pipes drip" [Pipes (North-East)] 2
                i gates_1640800000 - resolved 2021-12-29T17:46..2021-12-29T17:46 "Gates squeak" [Gates] 0
                i lamps_1640000000 major resolved 2021-12-20T11:33..2021-12-21T08:10 "Lamps flicker" [Lamps] 2
            "#,
        );
        let page = fixture(NAME, "data", None).unwrap();
        let times: Vec<_> = page.incidents[0].updates.iter().map(|u| at(u.at)).collect();
        assert_eq!(times, ["2022-01-02T09:05", "2022-01-02T07:30", "2022-01-01T08:22"]);
        assert_eq!(page.incidents[0].updates[2].body, "We look at the ropes & knots.");
        check(
            NAME,
            "data-quiet",
            "operational - Recent Absent\ni lamps_1640000000 minor resolved 2021-12-20T11:33..2021-12-20T11:33 \"Lamps flicker\" [Lamps] 0",
        );
    }

    #[test]
    fn times_of_day() {
        let clock = |date, second, hours| Some(Clock { date, second, offset_s: hours * HOUR_S });
        for (text, want) in [
            (" 8:22 AM PST", clock(None, 8 * HOUR_S + 22 * 60, -8)),
            ("12:05 AM PDT", clock(None, 5 * 60, -7)),
            ("Oct 9, 12:30 PM PDT", clock(Some((10, 9)), 12 * HOUR_S + 30 * 60, -7)),
            ("8:22 PST", None),
            ("13:22 AM PST", None),
            ("Okt 9, 1:30 PM PDT", None),
            ("é", None),
        ] {
            assert_eq!(Clock::read(text), want, "{text}");
        }
        let new_year = Clock::read("Jan 1, 1:00 AM PST").unwrap();
        assert_eq!(new_year.after(1_640_937_600), Some(1_641_027_600));
    }
}
