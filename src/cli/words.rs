//! How times, durations and ratios are written and read on the command line.

use std::time::Duration;

use crate::config::parse_duration;
use crate::model::Timestamp;
use crate::model::time::millis;
use crate::uptime::{Availability, Round, percent};

/// `2026-11-23 20:35:00`, for columns whose head names the zone.
pub fn clock_time(at: Timestamp) -> String {
    let text = at.to_string().replacen('T', " ", 1);
    text.split_once('.').map_or(text.clone(), |(seconds, _)| seconds.to_owned())
}

/// `2026-11-23 20:35:00 UTC`
pub fn instant(at: Timestamp) -> String {
    format!("{} UTC", clock_time(at))
}

/// `1h 23m 04s`, `2d 03h 04m 05s`, `4s`, `350ms`.
pub fn lasting(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return match duration.as_millis() {
            0 => "0s".to_owned(),
            ms => format!("{ms}ms"),
        };
    }
    let whole = duration.as_secs();
    let parts = [(whole / 86_400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(parts.len() - 1);
    let text = |(nth, (number, unit)): (usize, &(u64, &str))| match nth {
        0 => format!("{number}{unit}"),
        _ => format!("{number:02}{unit}"),
    };
    parts[first..].iter().enumerate().map(text).collect::<Vec<_>>().join(" ")
}

/// Seconds as JSON has them, exact to the millisecond.
pub fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

pub fn seconds_of(duration: Duration) -> f64 {
    seconds(millis(duration))
}

/// `99.93 % (99.13 - 99.94 %, coverage 99.2 %)`
pub fn availability(availability: Option<&Availability>) -> String {
    let Some(a) = availability else { return "no data".to_owned() };
    let low = percent(a.low, 2, Round::Down);
    format!(
        "{} ({} - {}, coverage {})",
        percent(a.point, 2, Round::Down),
        low.trim_end_matches(" %"),
        percent(a.high, 2, Round::Up),
        percent(a.coverage, 1, Round::Down)
    )
}

/// One line of text from elsewhere, without what a terminal would obey.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `1 vendor`, `3 vendors`
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// `1 try`, `3 tries`
pub fn tries(number: u32) -> String {
    if number == 1 { "1 try".to_owned() } else { format!("{number} tries") }
}

/// `90d`, for clap.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// `2026-11-23` (midnight UTC) or `2026-11-23T20:35:00Z`, for clap.
pub fn read_instant(text: &str) -> Result<Timestamp, String> {
    let midnight = || Timestamp::parse(&format!("{text}T00:00:00Z")).filter(|_| !text.contains('T'));
    Timestamp::parse(text)
        .or_else(midnight)
        .ok_or_else(|| "write a date as 2026-11-23, or a time with its zone as 2026-11-23T20:35:00Z".to_owned())
}

/// A point in the past: an instant, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Since {
    At(Timestamp),
    Ago(Duration),
}

impl Since {
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Since::At(at) => at,
            Since::Ago(ago) => now - ago,
        }
    }
}

/// `7d`, `2026-11-23` or `2026-11-23T20:35:00Z`, for clap.
pub fn read_since(text: &str) -> Result<Since, String> {
    let ago = parse_duration(text).ok().map(Since::Ago);
    let at = || read_instant(text).ok().map(Since::At);
    ago.or_else(at).ok_or_else(|| "write how long ago as 7d, a date as 2026-11-23, or a time as 2026-11-23T20:35:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_say_them() {
        for (millis, want) in [
            (0, "0s"),
            (350, "350ms"),
            (4_999, "4s"),
            (60_000, "1m 00s"),
            (4_984_000, "1h 23m 04s"),
            (183_845_000, "2d 03h 04m 05s"),
            (34_560_000_000, "400d 00h 00m 00s"),
        ] {
            assert_eq!(lasting(Duration::from_millis(millis)), want);
        }
    }

    #[test]
    fn availability_never_flatters() {
        let a = Availability { point: 0.99939, low: 0.99139, high: 0.99931, coverage: 0.99299 };
        assert_eq!(availability(Some(&a)), "99.93 % (99.13 - 99.94 %, coverage 99.2 %)");
        assert_eq!(availability(None), "no data");
    }

    #[test]
    fn instants_and_durations_are_read() {
        let day = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
        assert_eq!(read_instant("2026-11-23"), Ok(day));
        assert_eq!(read_since("2026-11-23T00:00:00Z"), Ok(Since::At(day)));
        assert_eq!(read_since("7d"), Ok(Since::Ago(Duration::from_secs(7 * 86_400))));
        for bad in ["yesterday", "", "2026-13-01", "2026-11-23 20:35"] {
            assert!(read_instant(bad).is_err() && read_since(bad).is_err(), "{bad}");
        }
        assert!(read_duration("0s").is_err());
        assert_eq!(instant(day), "2026-11-23 00:00:00 UTC");
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(tame("a\x1b[2Jb\nc"), "a [2Jb c");
    }
}
