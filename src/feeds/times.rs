//! Instants as documents write them that do not keep to RFC 3339.

use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::model::Timestamp;

/// Longer texts are no times.
const BYTES_MAX: usize = 80;

/// In its zone where one is written, else in UTC: `2026-01-02 03:04:05.678`.
pub fn utc(text: &str) -> Option<Timestamp> {
    at_offset(text, Offset::UTC)
}

/// In its zone where one is written, else at a distance from UTC that is told elsewhere (`+02:00`).
pub fn at(text: &str, offset: Option<&str>) -> Option<Timestamp> {
    at_offset(text, offset.map_or(Some(Offset::UTC), seconds_east)?)
}

/// As Go prints it, with the zone twice: `2018-04-13 15:54:00 +0300 EEST`. Without one it is UTC.
pub fn go(text: &str) -> Option<Timestamp> {
    let mut words = short(text)?.split_ascii_whitespace();
    let civil = format!("{} {}", words.next()?, words.next()?);
    at_offset(&civil, words.next().map_or(Some(Offset::UTC), seconds_east)?)
}

/// As JavaScript prints it, or as it should: `Sat Jun 11 2022 18:55:50 GMT+0000 (Coordinated Universal Time)`.
pub fn javascript(text: &str) -> Option<Timestamp> {
    let text = short(text)?;
    let printed = text.split(" (").next()?;
    let parsed = jiff::Timestamp::strptime("%a %b %d %Y %H:%M:%S GMT%z", printed).ok();
    parsed.map(|at| Timestamp::from_millis(at.as_millisecond())).or_else(|| Timestamp::parse(text))
}

fn at_offset(text: &str, offset: Offset) -> Option<Timestamp> {
    let text = short(text)?;
    Timestamp::parse(text).or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(Timestamp::from_millis(offset.to_timestamp(civil).ok()?.as_millisecond()))
    })
}

/// `+0200`, `+02:00`, `Z`
fn seconds_east(text: &str) -> Option<Offset> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'Z' if text.len() == 1 => return Some(Offset::UTC),
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let digits: String = digits.chars().filter(|c| *c != ':').collect();
    let (hours, minutes) = (digits.get(..2)?.parse::<i32>().ok()?, digits.get(2..4)?.parse::<i32>().ok()?);
    let is_whole = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok().filter(|_| is_whole)
}

fn short(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| text.len() <= BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        type Read = fn(&str) -> Option<Timestamp>;
        for (read, text, want) in [
            (utc as Read, "2026-01-02 03:04:05.678", Some("2026-01-02T03:04:05.678Z")),
            (utc, "2026-01-02T03:04:05", Some("2026-01-02T03:04:05.000Z")),
            (utc, "2026-01-02T03:04:05+02:00", Some("2026-01-02T01:04:05.000Z")),
            (utc, "2026-01-02 03:04", Some("2026-01-02T03:04:00.000Z")),
            (utc, "<no value>", None),
            (utc, "", None),
            (go, "2018-04-13 15:54:00 +0000 UTC", Some("2018-04-13T15:54:00.000Z")),
            (go, "2021-10-10 17:02:38 +0300 +0300", Some("2021-10-10T14:02:38.000Z")),
            (go, "2018-04-25 04:13:59", Some("2018-04-25T04:13:59.000Z")),
            (go, "<no value>", None),
            (go, "2018-04-13 15:54:00 EEST", None),
            (javascript, "Sat Jun 11 2022 18:55:50 GMT+0000 (Coordinated Universal Time)", Some("2022-06-11T18:55:50.000Z")),
            (javascript, "Sat Jun 11 2022 18:55:50 GMT-0700", Some("2022-06-12T01:55:50.000Z")),
            (javascript, "2026-07-23T17:48:28.028Z", Some("2026-07-23T17:48:28.028Z")),
            (javascript, "soon", None),
        ] {
            assert_eq!(read(text).map(|at| at.to_string()).as_deref(), want, "{text}");
        }
        assert_eq!(at("2026-01-02 03:00", Some("+02:00")), utc("2026-01-02T01:00Z"));
        assert_eq!((at("2026-01-02 03:00", None), at("2026-01-02 03:00", Some("x"))), (utc("2026-01-02T03:00Z"), None));
    }
}
