//! `Retry-After` (RFC 9110 10.2.3): how long the other side asks us to stay away. Pure.

use std::time::Duration;

use crate::model::Timestamp;

/// However long a server asks for, somebody waits for this message: we look again after an hour.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The three forms of HTTP-date that a recipient must accept (RFC 9110 5.6.7).
const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// Seconds or a date, as a wait from `now`: at most [`RETRY_AFTER_MAX`], zero for what is past, `None` for what is neither.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match seconds(text) {
        Some(wait) => wait,
        None => date(text)?.since(now),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// Whole seconds are the standard; decimals are what some servers send, and signs what some bugs send.
fn seconds(text: &str) -> Option<Duration> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if !text.strip_prefix('-').unwrap_or(text).chars().all(plain) {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, RETRY_AFTER_MAX.as_secs_f64())))
}

fn date(text: &str) -> Option<Timestamp> {
    let parsed = DATES.iter().find_map(|form| jiff::fmt::strtime::parse(form, text).ok())?;
    // By the calendar, since jiff's instants end a day before the year 9999 does, which means "never" to some.
    let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let since = parsed.to_datetime().ok()?.duration_since(epoch);
    Some(Timestamp::from_millis(since.as_millis() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_dates_and_nonsense() {
        // One minute before the example instant of RFC 9110.
        let now = Timestamp::parse("1994-11-06T08:48:37Z").unwrap();
        let s = |s: f64| Some(Duration::from_secs_f64(s));
        for (text, want) in [
            ("0", s(0.0)),
            ("120", s(120.0)),
            (" 120 ", s(120.0)),
            ("1.5", s(1.5)),
            ("-7", s(0.0)),
            ("3600", s(3600.0)),
            ("3601", s(3600.0)),
            ("99999999999999999999999999", s(3600.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", s(60.0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", s(60.0)),
            ("Sun Nov  6 08:49:37 1994", s(60.0)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", s(0.0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", s(3600.0)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", s(0.0)),
            ("", None),
            ("-", None),
            (".", None),
            ("soon", None),
            ("inf", None),
            ("NaN", None),
            ("1e3", None),
            ("1.2.3", None),
            ("+5", None),
            ("Sun, 06 Nov 1994 08:49:37 PST", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("1994-11-06T08:49:37Z", None),
        ] {
            assert_eq!(retry_after(text, now), want, "{text:?}");
        }
    }
}
