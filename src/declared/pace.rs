//! How long until a page is read again: politely, and sooner while something is wrong.

use std::time::Duration;

const DEFAULT: Duration = Duration::from_secs(60);
/// While our checks of the vendor fail, or it has an open incident.
const HOT: Duration = Duration::from_secs(20);
/// However long a page asks to be left alone, and however often it fails.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// A page that fails is asked at least once in so many intervals.
const BACK_OFF_INTERVALS: u32 = 10;
/// `Retry-After` holds for at most this long.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// What decides about the wait.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace {
    /// As written in the configuration: obeyed.
    pub written: Option<Duration>,
    /// Something is wrong.
    pub hot: bool,
    /// How long the last answer may be taken as fresh (`Cache-Control: max-age`).
    pub fresh_for: Option<Duration>,
    /// Reads in a row that failed.
    pub failures: u32,
    /// From the start of the last read.
    pub retry_after: Option<Duration>,
}

impl Pace {
    /// The interval in force, without back-off.
    pub fn interval(&self) -> Duration {
        match (self.written, self.hot) {
            (Some(written), _) => written,
            (None, true) => HOT,
            (None, false) => DEFAULT.max(self.fresh_for.unwrap_or_default().min(LONGEST)),
        }
    }

    /// From the start of one read to the start of the next; `spread` (0..1) keeps readers from marching in step.
    pub fn wait(&self, spread: f64) -> Duration {
        let interval = self.interval();
        let longest = (interval * BACK_OFF_INTERVALS).min(LONGEST.max(interval));
        let wait = interval.saturating_mul(2u32.saturating_pow(self.failures.saturating_sub(1).min(16))).min(longest);
        // Earlier, never later: what is promised after three intervals needs three reads in them.
        let wait = wait.saturating_sub(wait.mul_f64(spread.clamp(0.0, 1.0) / 20.0));
        wait.max(self.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn politely_and_sooner_while_something_is_wrong() {
        let s = |s: u64| Duration::from_secs(s);
        let calm = Pace::default();
        for (pace, want) in [
            (calm, 60),
            (Pace { hot: true, ..calm }, 20),
            (Pace { hot: true, fresh_for: Some(s(300)), ..calm }, 20),
            (Pace { fresh_for: Some(s(10)), ..calm }, 60),
            (Pace { fresh_for: Some(s(300)), ..calm }, 300),
            (Pace { fresh_for: Some(s(86_400)), ..calm }, 900),
            (Pace { written: Some(s(10)), fresh_for: Some(s(300)), ..calm }, 10),
            (Pace { written: Some(s(7200)), hot: true, ..calm }, 7200),
            (Pace { failures: 1, ..calm }, 60),
            (Pace { failures: 2, ..calm }, 120),
            (Pace { failures: 4, ..calm }, 480),
            (Pace { failures: 5, ..calm }, 600),
            (Pace { failures: 500, ..calm }, 600),
            (Pace { written: Some(s(1)), failures: 9, ..calm }, 10),
            (Pace { written: Some(s(7200)), failures: 9, ..calm }, 7200),
            (Pace { retry_after: Some(s(120)), ..calm }, 120),
            (Pace { retry_after: Some(s(999_999)), written: Some(s(1)), ..calm }, 3600),
            (Pace { retry_after: Some(s(5)), ..calm }, 60),
        ] {
            assert_eq!(pace.wait(0.0), s(want), "{pace:?}");
            let asked_to = pace.retry_after.is_some_and(|wait| wait >= s(60));
            assert!(pace.wait(1.0) >= s(want).mul_f64(0.94) && (pace.wait(1.0) < s(want)) != asked_to, "{pace:?}");
        }
    }
}
