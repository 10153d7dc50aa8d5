//! When a delivery is tried again. Pure: the schedule, the count of tries and the randomness are arguments.

use std::time::Duration;

use super::verdict::MENDING_TRIES_MAX;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The wait before each try, 75 h 35 min in all (and 5 s): a weekend, and Monday morning to mend what broke. The first counts
/// from the moment the delivery is due, the others from the end of the try before.
pub const SCHEDULE: [Duration; 10] =
    [s(0), s(5), s(5 * 60), s(30 * 60), s(2 * 3600), s(5 * 3600), s(10 * 3600), s(14 * 3600), s(20 * 3600), s(24 * 3600)];

/// [`SCHEDULE`] as it is written in a configuration.
pub const SCHEDULE_TOML: &str = r#"["0s", "5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"]"#;

/// So that deliveries that failed together do not come back together.
pub const JITTER: f64 = 0.2;

/// Somebody may be mending the address or the credentials, but not for days.
const MENDING_WITHIN: Duration = s(3600);

/// The wait before the next try after `tries_made` of them; `None` after the last: the delivery is dead.
///
/// `jitter` is random in -1..=1; a wait of zero has none. `not_before` is what the receiver asked for.
pub fn wait(schedule: &[Duration], tries_made: u32, jitter: f64, not_before: Option<Duration>) -> Option<Duration> {
    let planned = schedule.get(usize::try_from(tries_made).ok()?)?;
    let spread = planned.mul_f64(1.0 + JITTER * jitter.clamp(-1.0, 1.0));
    Some(spread.max(not_before.unwrap_or_default()))
}

/// The schedule of a delivery whose receiver says that the address or the credentials are wrong: as many tries of its
/// own schedule as allowed, the waits cut so that they end within the hour. By default 0s, 5s, 5m, 30m and the rest.
pub fn while_mending(schedule: &[Duration]) -> Vec<Duration> {
    let mut left = MENDING_WITHIN;
    let mut cut = Vec::new();
    for &planned in schedule.iter().take(MENDING_TRIES_MAX as usize) {
        if planned > left && left.is_zero() {
            break;
        }
        cut.push(planned.min(left));
        left = left.saturating_sub(planned);
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_is_what_is_written() {
        let parsed: std::collections::BTreeMap<String, Vec<String>> = toml::from_str(&format!("retry = {SCHEDULE_TOML}")).unwrap();
        let parsed: Vec<Duration> =
            parsed["retry"].iter().map(|text| text.parse::<jiff::SignedDuration>().unwrap().unsigned_abs()).collect();
        assert_eq!(parsed, SCHEDULE);
        assert_eq!(SCHEDULE.iter().sum::<Duration>(), s(75 * 3600 + 35 * 60 + 5));
    }

    #[test]
    fn waits() {
        let asked = |seconds| Some(s(seconds));
        for (tries_made, jitter, not_before, want) in [
            (0, 0.0, None, asked(0)),
            (0, 1.0, None, asked(0)),
            (1, 0.0, None, asked(5)),
            (1, 1.0, None, asked(6)),
            (1, -1.0, None, asked(4)),
            (2, 9.0, None, asked(360)),
            (1, 0.0, asked(60), asked(60)),
            (2, 0.0, asked(60), asked(300)),
            (0, 0.0, asked(60), asked(60)),
            (9, 0.0, None, asked(24 * 3600)),
            (10, 0.0, None, None),
            (10, 0.0, asked(60), None),
            (u32::MAX, 0.0, None, None),
        ] {
            let got = wait(&SCHEDULE, tries_made, jitter, not_before);
            assert_eq!(got, want, "{tries_made} {jitter} {not_before:?}");
        }
    }

    #[test]
    fn mending_takes_five_tries_and_an_hour() {
        for (schedule, want) in [
            (&SCHEDULE[..], vec![s(0), s(5), s(300), s(1800), s(1495)]),
            (&[s(0), s(1), s(1)], vec![s(0), s(1), s(1)]),
            (&[s(1); 9], vec![s(1); 5]),
            (&[s(0), s(7200), s(7200), s(7200)], vec![s(0), s(3600)]),
            (&[], vec![]),
        ] {
            assert_eq!(while_mending(schedule), want);
        }
    }

    proptest! {
        #[test]
        fn every_wait_is_within_the_jitter(tries_made in 0u32..12, jitter in -1.0f64..1.0) {
            let planned = SCHEDULE.get(tries_made as usize);
            let got = wait(&SCHEDULE, tries_made, jitter, None);
            prop_assert_eq!(got.is_some(), planned.is_some());
            if let (Some(got), Some(planned)) = (got, planned) {
                prop_assert!(got >= planned.mul_f64(0.799) && got <= planned.mul_f64(1.201));
            }
        }
    }
}
