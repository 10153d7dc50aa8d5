//! How times, durations and texts are written in JSON and CSV, and read where something is asked for: flags of the command
//! line and parameters of the API are the same words.

use std::time::Duration;

use crate::config::parse_duration;
use crate::model::Timestamp;
use crate::model::time::millis;

/// Seconds as JSON has them, exact to the millisecond.
pub fn seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}

pub fn seconds_of(duration: Duration) -> f64 {
    seconds(millis(duration))
}

/// `1 vendor`, `3 vendors`
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One line of text from elsewhere, without what a terminal would obey.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `90d`.
pub fn read_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// `2026-11-23` (midnight UTC) or `2026-11-23T20:35:00Z`.
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

/// `7d`, `2026-11-23` or `2026-11-23T20:35:00Z`.
pub fn read_since(text: &str) -> Result<Since, String> {
    let ago = parse_duration(text).ok().map(Since::Ago);
    let at = || read_instant(text).ok().map(Since::At);
    ago.or_else(at).ok_or_else(|| "write how long ago as 7d, a date as 2026-11-23, or a time as 2026-11-23T20:35:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(tame("a\x1b[2Jb\nc"), "a [2Jb c");
    }
}
