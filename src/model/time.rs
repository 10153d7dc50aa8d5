//! Instants as everybody outside sees them: UTC milliseconds, printed so that they sort as text.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A UTC instant in milliseconds since 1970 (negative before). Leap seconds do not exist, as in POSIX.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Timestamp(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Unix seconds, as metrics and `webhook-timestamp` want them.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Signed milliseconds from `earlier` to `self`.
    pub const fn millis_since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// RFC 3339 with or without the fraction, in any zone.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Timestamp(t.as_millisecond()))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339, UTC, exactly three decimals. Instants outside the years -9999 to 9999 are printed as the nearest end.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = self.0.clamp(jiff::Timestamp::MIN.as_millisecond(), jiff::Timestamp::MAX.as_millisecond());
        let at = jiff::Timestamp::from_millisecond(clamped).expect("clamped to what jiff can hold");
        write!(f, "{at:.3}")
    }
}

/// `T` as JSON for people and scripts: a string, where storage keeps milliseconds.
pub mod rfc3339 {
    use super::Timestamp;
    use serde::Serializer;

    pub fn serialize<S: Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(at)
    }

    pub mod option {
        use super::Timestamp;
        use serde::Serializer;

        pub fn serialize<S: Serializer>(at: &Option<Timestamp>, s: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => s.collect_str(at),
                None => s.serialize_none(),
            }
        }
    }
}

/// Milliseconds of a duration, saturating: storage and arithmetic are in i64.
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_exactly_three_decimals() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_466_100_000, "2026-11-23T20:35:00.000Z"),
            (1_795_466_100_007, "2026-11-23T20:35:00.007Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp::from_millis(millis)));
        }
    }

    /// Milliseconds of 1970-01-01 and 2101-01-01.
    const CENTURY_AND_MORE: std::ops::Range<i64> = 0..4_133_980_800_000;

    proptest! {
        /// F13: what is printed is read back as it was, with the fraction or without, and sorts as text.
        #[test]
        fn f13_every_instant_survives_being_printed(a in CENTURY_AND_MORE, b in CENTURY_AND_MORE) {
            let (at, other) = (Timestamp::from_millis(a), Timestamp::from_millis(b));
            let text = at.to_string();
            prop_assert_eq!(Timestamp::parse(&text), Some(at));
            prop_assert_eq!(text.cmp(&other.to_string()), at.cmp(&other));
            let second = format!("{}Z", &text[..19]);
            prop_assert_eq!(Timestamp::parse(&second), Some(Timestamp::from_millis(a - a % 1000)));
            prop_assert_eq!(other.since(at).as_millis() as i64, (b - a).max(0));
            prop_assert_eq!(at + other.since(at), at.max(other));
        }
    }

    /// F13: leap seconds do not exist, as in POSIX; leap days do, and 2100 has none; nothing happens in 2038.
    #[test]
    fn f13_days_and_seconds_that_are_not_everywhere() {
        let millis = |text: &str| Timestamp::parse(text).map(Timestamp::as_millis);
        for (earlier, later, apart) in [
            ("2028-02-28T23:59:59.999Z", "2028-02-29T00:00:00Z", Some(1)),
            ("2028-02-29T23:59:59.999Z", "2028-03-01T00:00:00Z", Some(1)),
            ("2100-02-28T23:59:59.999Z", "2100-03-01T00:00:00Z", Some(1)),
            ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z", Some(1)),
            ("2038-01-19T03:14:07.999Z", "2038-01-19T03:14:08Z", Some(1)),
            ("2016-12-31T23:59:59Z", "2017-01-01T00:00:00Z", Some(1000)),
            ("2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", Some(0)),
            ("2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00", Some(1000)),
            ("2100-02-28T00:00:00Z", "2100-02-29T00:00:00Z", None),
            ("2027-02-28T00:00:00Z", "2027-02-29T00:00:00Z", None),
        ] {
            let between = millis(later).zip(millis(earlier)).map(|(later, earlier)| later - earlier);
            assert_eq!(between, apart, "{earlier} to {later}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Timestamp::from_millis(i64::MAX);
        assert_eq!(end + Duration::from_secs(1), end);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
