//! Whose fault is it, and is it our clock? Decisions about ourselves, made before anything is told about a vendor.
//!
//! Witnesses and shared fate are not asked yet, so the question is *off*: every outage is `inconclusive`, which alerts
//! like `vendor`. What is already judged here is our own wall clock, by the `Date` of the vendors' answers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Blame, Outcome, Reason, VendorId};

/// Blame of an outage while no witness is asked.
pub const fn judge() -> Blame {
    Blame::Inconclusive
}

/// Whom a single run speaks against; `None`: nothing was wrong.
pub const fn of_run(outcome: Outcome, reason: Reason) -> Option<Blame> {
    match (outcome, reason) {
        (Outcome::Up | Outcome::Degraded, _) => None,
        (_, Reason::OwnNetwork) => Some(Blame::OwnNetwork),
        (Outcome::Unknown, reason) if reason.is_about_us() => Some(Blame::Us),
        _ => Some(judge()),
    }
}

/// How far a vendor's clock was from ours when it last answered, in milliseconds (positive: theirs is ahead).
pub type Opinions = BTreeMap<VendorId, i64>;

/// By how much our wall clock is wrong, if at least three vendors agree on it.
///
/// They must agree with each other within a minute and differ from us by more than five; `None` otherwise.
pub fn clock_error(opinions: &Opinions) -> Option<i64> {
    const VENDORS_MIN: usize = 3;
    const AGREE_WITHIN_MS: i64 = Duration::from_secs(60).as_millis() as i64;
    const DIFFER_BY_MS: i64 = Duration::from_secs(300).as_millis() as i64;
    let mut offsets: Vec<i64> = opinions.values().copied().filter(|o| o.abs() > DIFFER_BY_MS).collect();
    offsets.sort_unstable();
    offsets.windows(VENDORS_MIN).find(|w| w[VENDORS_MIN - 1] - w[0] <= AGREE_WITHIN_MS).map(|w| w[VENDORS_MIN / 2])
}

/// Whether a run that ended for `reason` tells of our clock: by a wrong one every certificate is expired, or not yet valid.
pub fn is_our_clock(reason: Reason, opinions: &Opinions) -> bool {
    reason == Reason::TlsExpired && clock_error(opinions).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opinions(offsets_s: &[i64]) -> Opinions {
        offsets_s.iter().enumerate().map(|(n, s)| (VendorId::new(format!("v{n}")), s * 1000)).collect()
    }

    #[test]
    fn three_vendors_that_agree_convict_our_clock() {
        for (offsets, want) in [
            (&[][..], None),
            (&[3600, 3601][..], None),
            (&[3600, 3601, 3630][..], Some(3_601_000)),
            (&[3600, 3601, 0][..], None),
            (&[-3600, -3601, -3602, 0, 0, 0][..], Some(-3_601_000)),
            (&[3600, 7200, 10_800][..], None),
            (&[200, 201, 202][..], None),
        ] {
            assert_eq!(clock_error(&opinions(offsets)), want, "{offsets:?}");
        }
    }

    #[test]
    fn by_a_convicted_clock_nobody_is_expired() {
        let (convicted, trusted) = (opinions(&[3600, 3601, 3602]), opinions(&[0, 0, 3600]));
        assert!(is_our_clock(Reason::TlsExpired, &convicted));
        assert!(!is_our_clock(Reason::TlsExpired, &trusted));
        assert!(!is_our_clock(Reason::TlsName, &convicted));
    }
}
