//! How times, durations and ratios are written on the command line.

use std::time::Duration;

use crate::model::Timestamp;
use crate::uptime::{Availability, Round, percent};

pub use crate::web::api::words::{Since, count, read_duration, read_instant, read_since, seconds_of, tame};

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

/// `1 try`, `3 tries`
pub fn tries(number: u32) -> String {
    if number == 1 { "1 try".to_owned() } else { format!("{number} tries") }
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
}
