//! The time zone in which a page shows its times, and how it writes them. Storage and JSON are UTC whatever is chosen.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::model::Timestamp;

#[derive(Clone, Debug)]
pub struct Zone {
    /// `Europe/Berlin`
    name: String,
    zone: TimeZone,
}

impl Zone {
    pub fn utc() -> Zone {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// A zone of the IANA database (<https://www.iana.org/time-zones>); `None` where this machine does not know it.
    pub fn named(name: &str) -> Option<Zone> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Zone::utc());
        }
        let zone = TimeZone::get(name).ok()?;
        // As the database spells it: what is asked for may be written in any case.
        let name = zone.iana_name()?.to_owned();
        Some(Zone { name, zone })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn date(&self, at: Timestamp) -> Date {
        self.at(at).date()
    }

    /// The first instant of a day, which summer time can move.
    pub fn start_of(&self, date: Date) -> Timestamp {
        let start = date.to_zoned(self.zone.clone()).map(|zoned| zoned.timestamp().as_millisecond());
        Timestamp::from_millis(start.unwrap_or(i64::MAX))
    }

    /// `27 Nov 2026, 14:03`
    pub fn minute(&self, at: Timestamp) -> String {
        self.at(at).strftime("%-d %b %Y, %H:%M").to_string()
    }

    /// `27 Nov 2026, 14:03:20`
    pub fn second(&self, at: Timestamp) -> String {
        self.at(at).strftime("%-d %b %Y, %H:%M:%S").to_string()
    }

    /// `14:03`
    pub fn clock(&self, at: Timestamp) -> String {
        self.at(at).strftime("%H:%M").to_string()
    }

    fn at(&self, at: Timestamp) -> jiff::Zoned {
        let clamped = at.as_millis().clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        let at = jiff::Timestamp::from_millisecond(clamped).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        at.to_zoned(self.zone.clone())
    }

    /// The first instant of the month of `date`, and that of the next.
    pub fn month(&self, date: Date) -> (Timestamp, Timestamp) {
        let first = date.first_of_month();
        let next = first.checked_add(1.month()).unwrap_or(Date::MAX);
        (self.start_of(first), self.start_of(next))
    }

    /// The last `count` days up to that of `now`, oldest first, each with its first instant and that of the day after it.
    pub fn days(&self, now: Timestamp, count: u32) -> Vec<(Date, Timestamp, Timestamp)> {
        let today = self.date(now);
        let date = |back: i64| today.checked_sub(back.days()).unwrap_or(today);
        let day = |back: i64| (date(back), self.start_of(date(back)), self.start_of(date(back - 1)));
        (0..i64::from(count)).rev().map(day).collect()
    }
}

/// `8 Oct`
pub fn short_date(date: Date) -> String {
    date.strftime("%-d %b").to_string()
}

/// `8 Oct 2026`
pub fn long_date(date: Date) -> String {
    date.strftime("%-d %b %Y").to_string()
}

/// `2026-11`, as the first day of it.
pub fn month(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-')?;
    let is_number = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(year, 4) && is_number(month, 2)).then_some(())?;
    Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
}

/// `November 2026`
pub fn month_name(date: Date) -> String {
    date.strftime("%B %Y").to_string()
}

/// `2026-11`
pub fn month_link(date: Date) -> String {
    date.strftime("%Y-%m").to_string()
}

/// The two largest units: `1 h 12 min`, `3 d 4 h`, `40 s`, `350 ms`.
pub fn lasting(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole == 0 {
        return match duration.as_millis() {
            0 => "0 s".to_owned(),
            ms => format!("{ms} ms"),
        };
    }
    let parts = [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "min"), (whole % 60, "s")];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(parts.len() - 1);
    let shown = parts[first..].iter().take(2).filter(|(number, _)| *number > 0);
    shown.map(|(number, unit)| format!("{number} {unit}")).collect::<Vec<_>>().join(" ")
}

/// `40 s ago`, `in 3 d 4 h`, `now`. One unit where that says enough.
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let coarse = |duration: Duration| match duration.as_secs() {
        seconds if seconds < 3600 => lasting(Duration::from_secs(if seconds < 60 { seconds } else { seconds / 60 * 60 })),
        seconds if seconds < 2 * 86_400 => lasting(Duration::from_secs(seconds / 60 * 60)),
        seconds => lasting(Duration::from_secs(seconds / 86_400 * 86_400)),
    };
    match at.millis_since(now) {
        -999..1000 => "now".to_owned(),
        ahead @ 1000.. => format!("in {}", coarse(Duration::from_millis(ahead as u64))),
        _ => format!("{} ago", coarse(now.since(at))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn durations_and_ages_read_as_people_say_them() {
        for (millis, want) in [
            (0, "0 s"),
            (350, "350 ms"),
            (40_000, "40 s"),
            (60_000, "1 min"),
            (4_320_000, "1 h 12 min"),
            (3_600_000, "1 h"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(lasting(Duration::from_millis(millis)), want);
        }
        let now = at("2026-11-27T12:00:00Z");
        for (then, want) in [
            ("2026-11-27T12:00:00Z", "now"),
            ("2026-11-27T11:59:20Z", "40 s ago"),
            ("2026-11-27T11:57:13Z", "2 min ago"),
            ("2026-11-26T11:30:30Z", "1 d ago"),
            ("2026-11-20T11:30:30Z", "7 d ago"),
            ("2026-11-27T13:10:00Z", "in 1 h 10 min"),
        ] {
            assert_eq!(relative(at(then), now), want, "{then}");
        }
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let Some(berlin) = Zone::named("europe/berlin") else { return };
        assert_eq!(berlin.name(), "Europe/Berlin");
        let now = at("2026-10-26T23:30:00Z");
        let days = berlin.days(now, 3);
        let shown: Vec<String> = days.iter().map(|(date, _, _)| short_date(*date)).collect();
        assert_eq!(shown, ["25 Oct", "26 Oct", "27 Oct"]);
        // Summer time ended on the 25th: that day has 25 hours.
        assert_eq!((days[0].1, days[0].2), (at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z")));
        assert_eq!(berlin.minute(now), "27 Oct 2026, 00:30");
    }

    #[test]
    fn a_zone_that_nobody_knows_is_none() {
        assert!(Zone::named("Mars/Olympus").is_none() && Zone::named("").is_none() && Zone::named("../etc/passwd").is_none());
        assert_eq!(Zone::named("utc").unwrap().name(), "UTC");
    }

    #[test]
    fn months_are_read_and_written() {
        let november = month("2026-11").unwrap();
        assert_eq!((month_name(november), month_link(november)), ("November 2026".to_owned(), "2026-11".to_owned()));
        assert_eq!(Zone::utc().month(november), (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z")));
        for text in ["2026-13", "2026-1", "0199c0de-0000-7000-8000-000000000000", "2026", "202a-11"] {
            assert!(month(text).is_none(), "{text}");
        }
    }
}
