//! Dates as feeds write them: RFC 3339, RFC 822 and its relatives, and the short form of status pages (`Jan  5, 03:38 PST`).
//!
//! What cannot be told is `None`: a date without a zone that we know is not an instant.

use jiff::civil::{Date, Time};

use crate::model::Timestamp;

/// An instant, and the distance from UTC in which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    pub offset_s: i32,
}

impl Moment {
    /// Months, days, hours and minutes of the wall clock in this distance from UTC.
    pub fn wall(self) -> Option<Wall> {
        let local = jiff::Timestamp::from_millisecond(self.at.as_millis()).ok()?;
        let local = local.to_zoned(offset(self.offset_s)?.to_time_zone()).datetime();
        Some(Wall { month: local.month(), day: local.day(), hour: local.hour(), minute: local.minute() })
    }
}

/// What a clock on the wall says, without the year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wall {
    pub month: i8,
    pub day: i8,
    pub hour: i8,
    pub minute: i8,
}

/// A date as it stands in a text. The year and the zone are often missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    pub wall: Wall,
    pub second: i8,
    pub year: Option<i16>,
    /// `PST`, `GMT+0`: as printed.
    pub zone: Option<String>,
}

impl Printed {
    /// The instant in the year that is printed, else in the one that brings it nearest to `about`. Of those the ones up to
    /// `not_after` come first: nobody reports what is not yet.
    pub fn instant(&self, offset_s: i32, about: Timestamp, not_after: Option<Timestamp>) -> Option<Timestamp> {
        let year = jiff::Timestamp::from_millisecond(about.as_millis()).ok()?.to_zoned(jiff::tz::TimeZone::UTC).year();
        // Four years, because the 29th of February is not in each.
        let years = self.year.map_or(year.saturating_sub(4)..=year.saturating_add(4), |year| year..=year);
        let instants = years.filter_map(|year| self.in_year(year, offset_s));
        instants.min_by_key(|at| (not_after.is_some_and(|limit| *at > limit), at.millis_since(about).abs()))
    }

    fn in_year(&self, year: i16, offset_s: i32) -> Option<Timestamp> {
        let date = Date::new(year, self.wall.month, self.wall.day).ok()?;
        let time = Time::new(self.wall.hour, self.wall.minute, self.second, 0).ok()?;
        instant(date, time, offset_s)
    }
}

pub fn instant(date: Date, time: Time, offset_s: i32) -> Option<Timestamp> {
    let at = offset(offset_s)?.to_timestamp(date.to_datetime(time)).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

fn offset(seconds: i32) -> Option<jiff::tz::Offset> {
    jiff::tz::Offset::from_seconds(seconds).ok()
}

/// Longer texts are no dates.
const DATE_BYTES_MAX: usize = 64;

/// An instant in any of the forms that feeds use: with or without the weekday, one-digit days, names of zones.
pub fn moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.len() > DATE_BYTES_MAX {
        return None;
    }
    let mut cursor = Cursor { rest: text };
    let date = cursor.iso_date().or_else(|| cursor.named_date())?;
    let (time, nanos) = cursor.time()?;
    let offset_s = zone(cursor.rest.trim())?;
    let at = instant(date, Time::new(time.0, time.1, time.2, nanos).ok()?, offset_s)?;
    Some(Moment { at, offset_s })
}

/// The date that stands at the beginning of `text`, and what follows it.
pub fn printed(text: &str) -> Option<(Printed, &str)> {
    let mut cursor = Cursor { rest: text };
    cursor.blanks();
    let month = month(cursor.word())?;
    cursor.blanks();
    let day = cursor.number(2)?;
    cursor.separator();
    let year = cursor.year();
    cursor.separator();
    let (time, _) = cursor.time()?;
    let zone = cursor.zone_word();
    let wall = Wall { month, day: i8::try_from(day).ok()?, hour: time.0, minute: time.1 };
    Some((Printed { wall, second: time.2, year, zone }, cursor.rest))
}

/// `17:00 UTC` at the beginning of `text`: hour, minute and zone.
pub fn printed_time(text: &str) -> Option<(i8, i8, Option<String>)> {
    let mut cursor = Cursor { rest: text };
    cursor.blanks();
    let (time, _) = cursor.time()?;
    Some((time.0, time.1, cursor.zone_word()))
}

pub fn month(name: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let short = name.get(..3)?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|m| *m == short)?;
    i8::try_from(at + 1).ok()
}

/// Seconds east of UTC of a zone as it is written: `Z`, `+0900`, `GMT+1`, `PST`. Letters that several parts of the world use
/// have the meaning that status pages give them.
pub fn zone(word: &str) -> Option<i32> {
    let upper = word.trim().to_ascii_uppercase();
    let rest = upper.strip_prefix("GMT").or_else(|| upper.strip_prefix("UTC")).unwrap_or(&upper);
    if rest.starts_with(['+', '-', '\u{2212}']) {
        return numeric_zone(rest);
    }
    const HOURS: &[(&str, i32)] = &[
        ("Z", 0),
        ("UT", 0),
        ("UTC", 0),
        ("GMT", 0),
        ("WET", 0),
        ("EST", -5),
        ("EDT", -4),
        ("CST", -6),
        ("CDT", -5),
        ("MST", -7),
        ("MDT", -6),
        ("PST", -8),
        ("PDT", -7),
        ("AKST", -9),
        ("AKDT", -8),
        ("HST", -10),
        ("ADT", -3),
        ("BRT", -3),
        ("BST", 1),
        ("WEST", 1),
        ("CET", 1),
        ("MET", 1),
        ("CEST", 2),
        ("MEST", 2),
        ("SAST", 2),
        ("EET", 2),
        ("EEST", 3),
        ("MSK", 3),
        ("SGT", 8),
        ("HKT", 8),
        ("AWST", 8),
        ("JST", 9),
        ("KST", 9),
        ("AEST", 10),
        ("AEDT", 11),
        ("NZST", 12),
        ("NZDT", 13),
    ];
    const HALF: &[(&str, i32)] = &[("IST", 19_800), ("ACST", 34_200), ("ACDT", 37_800)];
    let whole = HOURS.iter().find(|(name, _)| *name == upper).map(|(_, hours)| hours * 3600);
    whole.or_else(|| HALF.iter().find(|(name, _)| *name == upper).map(|(_, seconds)| *seconds))
}

/// `+0900`, `+09:00`, `+9`.
fn numeric_zone(text: &str) -> Option<i32> {
    let sign = if text.starts_with('+') { 1 } else { -1 };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    if digits.is_empty() || digits.len() > 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = if digits.len() <= 2 { (number, 0) } else { (number / 100, number % 100) };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace());
    }

    /// Blanks, one comma, blanks.
    fn separator(&mut self) {
        self.blanks();
        self.rest = self.rest.strip_prefix(',').unwrap_or(self.rest);
        self.blanks();
    }

    fn word(&mut self) -> &'t str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A whole number of at most `digits` digits; nothing is taken if there is none.
    fn number(&mut self, digits: usize) -> Option<i32> {
        let end = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if end == 0 || end > digits {
            return None;
        }
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().ok()
    }

    fn take(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    /// Four digits that are no time.
    fn year(&mut self) -> Option<i16> {
        let before = self.rest;
        let year = self.number(4).filter(|year| *year >= 1970 && !self.rest.starts_with(':'));
        if year.is_none() {
            self.rest = before;
        }
        year.and_then(|year| i16::try_from(year).ok())
    }

    /// `2026-03-24` and the `T` or blanks after it.
    fn iso_date(&mut self) -> Option<Date> {
        let before = self.rest;
        let date = self.try_iso_date();
        if date.is_none() {
            self.rest = before;
        }
        date
    }

    fn try_iso_date(&mut self) -> Option<Date> {
        let year = self.number(4).filter(|year| *year >= 1000)?;
        self.take('-')?;
        let month = self.number(2)?;
        self.take('-')?;
        let day = self.number(2)?;
        self.rest = self.rest.strip_prefix(['T', 't']).unwrap_or(self.rest);
        self.blanks();
        Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
    }

    /// `Wed,  8 Mar 2017`, without the weekday, with a year of two digits.
    fn named_date(&mut self) -> Option<Date> {
        if self.rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.word();
            self.separator();
        }
        let day = self.number(2)?;
        self.rest = self.rest.trim_start_matches([' ', '\t', '-']);
        let month = month(self.word())?;
        self.rest = self.rest.trim_start_matches([' ', '\t', '-', ',']);
        let year = match self.number(4)? {
            short @ 0..=49 => short + 2000,
            short @ 50..=99 => short + 1900,
            year => year,
        };
        self.separator();
        Date::new(i16::try_from(year).ok()?, month, i8::try_from(day).ok()?).ok()
    }

    /// Hour, minute, second and nanoseconds; seconds and their fraction may be missing.
    fn time(&mut self) -> Option<((i8, i8, i8), i32)> {
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        self.take(':')?;
        let minute = self.number(2).filter(|minute| *minute < 60)?;
        let mut second = 0;
        let mut nanos = 0;
        if self.rest.starts_with(':') {
            self.take(':')?;
            // Leap seconds do not exist here.
            second = self.number(2).filter(|second| *second <= 60)?.min(59);
            nanos = self.fraction();
        }
        let hour = self.half_of_day().map_or(hour, |noon| hour % 12 + noon);
        Some(((i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, i8::try_from(second).ok()?), nanos))
    }

    /// `AM` or `PM` if it stands here: the hours to add.
    fn half_of_day(&mut self) -> Option<i32> {
        let rest = self.rest.trim_start();
        let noon = match rest.get(..2)?.to_ascii_lowercase().as_str() {
            "am" => 0,
            "pm" => 12,
            _ => return None,
        };
        let is_word = rest[2..].starts_with(|c: char| c.is_ascii_alphanumeric());
        (!is_word).then(|| self.rest = &rest[2..])?;
        Some(noon)
    }

    fn fraction(&mut self) -> i32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let end = rest.bytes().take_while(u8::is_ascii_digit).count();
        let digits: String = rest[..end].chars().chain("000000000".chars()).take(9).collect();
        self.rest = &rest[end..];
        digits.parse().unwrap_or(0)
    }

    /// `UTC`, `PST`, `GMT+0`, `+0900` if it stands here.
    fn zone_word(&mut self) -> Option<String> {
        let before = self.rest;
        self.blanks();
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | ':'))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        let is_zone =
            word.len() <= 9 && (zone(word).is_some() || (2..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase()));
        self.rest = if is_zone { rest } else { before };
        is_zone.then(|| word.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments() {
        for (text, want) in [
            ("2026-02-22T14:54:30.659Z", Some("2026-02-22T14:54:30.659Z")),
            ("2026-02-22T14:54:30-08:00", Some("2026-02-22T22:54:30.000Z")),
            ("2026-02-22 14:54:30 UTC", Some("2026-02-22T14:54:30.000Z")),
            ("2026-02-22T14:54+0100", Some("2026-02-22T13:54:00.000Z")),
            ("Sun, 05 Jan 2020 03:38:40 +0000", Some("2020-01-05T03:38:40.000Z")),
            ("Wed,  8 Mar 2017 09:01:02 PST", Some("2017-03-08T17:01:02.000Z")),
            ("Wed, 5 Jul 2017 09:01:02 PDT", Some("2017-07-05T16:01:02.000Z")),
            ("Thu, 23 Jul 2026 16:29:09 Z", Some("2026-07-23T16:29:09.000Z")),
            ("24 Mar 2026 03:05:00 +0900", Some("2026-03-23T18:05:00.000Z")),
            ("Tuesday, 24-Mar-26 03:05:00 GMT", Some("2026-03-24T03:05:00.000Z")),
            ("24 March 2026 03:05 EST", Some("2026-03-24T08:05:00.000Z")),
            ("  Sat, 31 Dec 2016 23:59:60 GMT ", Some("2016-12-31T23:59:59.000Z")),
            ("24 Mar 2026 03:05:00", None),
            ("24 Mar 2026 03:05:00 XYZT", None),
            ("24 Foo 2026 03:05:00 GMT", None),
            ("30 Feb 2026 03:05:00 GMT", None),
            ("24 Mar 2026 25:05:00 GMT", None),
            ("24 Mar 2026 03:05:00 +2500", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(moment(text).map(|m| m.at.to_string()).as_deref(), want, "{text:?}");
        }
        assert_eq!(moment("24 Mar 2026 03:05:00 +0900").map(|m| m.offset_s), Some(9 * 3600));
    }

    #[test]
    fn dates_in_texts() {
        let at = |text: &str, about: &str| {
            let (printed, rest) = printed(text)?;
            let offset_s = zone(printed.zone.as_deref().unwrap_or("UTC"))?;
            Some((printed.instant(offset_s, Timestamp::parse(about)?, None)?.to_string(), rest.to_owned()))
        };
        let found = |time: &str, rest: &str| Some((format!("{time}:00.000Z"), rest.to_owned()));
        for (text, about, want) in [
            ("Jan  5, 03:38 UTC - x", "2020-01-05T03:38:39Z", found("2020-01-05T03:38", " - x")),
            ("Jan 5, 03:38 UTC", "2019-12-30T00:00:00Z", found("2020-01-05T03:38", "")),
            ("Dec 31, 23:59 UTC", "2020-01-02T00:00:00Z", found("2019-12-31T23:59", "")),
            ("Jul  1, 09:09 PST", "2014-07-01T00:00:00Z", found("2014-07-01T17:09", "")),
            ("May 13, 2017, 06:45 UTC", "2024-01-01T00:00:00Z", found("2017-05-13T06:45", "")),
            ("Sep 25, 15:15:00 GMT+9", "2026-09-25T06:15:00Z", found("2026-09-25T06:15", "")),
            ("Feb 29, 10:00 UTC", "2025-02-10T00:00:00Z", found("2024-02-29T10:00", "")),
            ("Sep 3, 11:30 PM UTC", "2026-09-03T00:00:00Z", found("2026-09-03T23:30", "")),
            ("Sep 3, 12:05 am UTC", "2026-09-03T00:00:00Z", found("2026-09-03T00:05", "")),
            ("Mon 13, 06:45 UTC", "2024-01-01T00:00:00Z", None),
            ("May we ask", "2024-01-01T00:00:00Z", None),
        ] {
            assert_eq!(at(text, about), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_reported_is_past() {
        let (march, _) = printed("Mar 3, 10:00 UTC").unwrap();
        let about = Timestamp::parse("2026-11-20T00:00:00Z").unwrap();
        let year = |limit: Option<Timestamp>| march.instant(0, about, limit).unwrap().to_string()[..4].to_owned();
        assert_eq!((year(None).as_str(), year(Some(about)).as_str()), ("2027", "2026"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,40}|[0-9A-Za-z:, +.-]{0,40}|[A-Z][a-z]{2} [0-9]{1,2}, [0-9]{2}:[0-9]{2} \\PC{0,6}") {
            let _ = moment(&text);
            let _ = printed(&text);
            let _ = printed_time(&text);
        }
    }
}
