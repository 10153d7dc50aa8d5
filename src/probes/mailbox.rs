//! Where a check is reported to instead of looking: what was heard, since when we listen, and whether it has been silent
//! for too long.
//!
//! Silence counts only while we listened: from a start, a changed reload or the end of a sleep of the machine on, never
//! before. Time is an argument; instants are monotonic.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use super::failure::{clean, evidence};
use crate::model::{Detail, Observation, Outcome, Phases, Reason, Secret};

/// Silence is noticed within a tenth of what was promised, and within this: an observation is evidence for 5 s longer at least.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(4);
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);

/// What is promised to us, and what of it came.
pub struct Mailbox {
    token: Secret,
    terms: MailTerms,
    /// Shared with the mailbox that takes over at a reload, so that nothing heard meanwhile is lost.
    listening: Mutex<Arc<Mutex<Listening>>>,
}

/// When a report is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MailTerms {
    pub interval: Duration,
    pub grace: Duration,
    pub retry_interval: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Listening {
    /// The later of when we began and when something was heard.
    since: Instant,
    /// When we last said that it is silent.
    said: Option<Instant>,
}

/// What the other side says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Never `Unknown`.
    pub outcome: Outcome,
    pub message: String,
    pub latency: Option<Duration>,
}

impl Default for Report {
    fn default() -> Self {
        Report { outcome: Outcome::Up, message: String::new(), latency: None }
    }
}

impl Mailbox {
    pub(super) fn new(token: Secret, terms: MailTerms, now: Instant) -> Mailbox {
        let listening = Listening { since: now, said: None };
        Mailbox { token, terms, listening: Mutex::new(Arc::new(Mutex::new(listening))) }
    }

    /// Whether this is our token; how long that takes tells nothing about it.
    pub fn admits(&self, token: &str) -> bool {
        is_same(self.token.expose(), token)
    }

    /// How often to ask for [`Mailbox::silence`].
    pub fn look_every(&self) -> Duration {
        (self.within() / 10).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
    }

    /// A report came: an observation at once.
    pub fn heard(&self, report: &Report, now: Instant) -> Observation {
        *lock(&self.shared()) = Listening { since: now, said: None };
        observed(report)
    }

    /// A failing observation where nothing was heard for too long: again after `retry_interval` until that is the
    /// `confirmed` state, then after `interval`, so that there is evidence as long as it lasts.
    pub fn silence(&self, confirmed: bool, now: Instant) -> Option<Observation> {
        let shared = self.shared();
        let mut listening = lock(&shared);
        let MailTerms { interval, grace, retry_interval } = self.terms;
        let silent = now.saturating_duration_since(listening.since);
        let pause = if confirmed { interval } else { retry_interval };
        let again = listening.said.is_none_or(|said| now.saturating_duration_since(said) >= pause);
        if silent < self.within() || !again {
            return None;
        }
        listening.said = Some(now);
        let message = format!("nothing heard for {} (interval {} + grace {})", shown(silent), shown(interval), shown(grace));
        Some(Observation::failed(Reason::Receive, Duration::ZERO, message))
    }

    /// We were not listening until now: a sleep of the machine.
    pub fn listen_anew(&self, now: Instant) {
        *lock(&self.shared()) = Listening { since: now, said: None };
    }

    /// After a reload: goes on where `before` stands, unless something else is promised now.
    pub fn take_over(&self, before: &Mailbox) {
        if self.terms == before.terms {
            *lock(&self.listening) = before.shared();
        }
    }

    fn within(&self) -> Duration {
        self.terms.interval.saturating_add(self.terms.grace)
    }

    fn shared(&self) -> Arc<Mutex<Listening>> {
        lock(&self.listening).clone()
    }
}

/// `1h 5m`; seconds are exact enough, but for what is shorter.
fn shown(duration: Duration) -> String {
    let duration = if duration < Duration::from_secs(10) {
        Duration::from_millis(duration.as_millis() as u64)
    } else {
        Duration::from_secs(duration.as_secs())
    };
    format!("{:#}", SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX))
}

/// Whoever panicked had written all or nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Digests are compared, whole: neither length nor common beginning can be told from the time it takes.
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (Sha256::digest(one), Sha256::digest(other));
    one.iter().zip(other.iter()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

fn observed(report: &Report) -> Observation {
    let said = clean(&report.message, Detail::MESSAGE_CHARS_MAX);
    let reason = if report.outcome == Outcome::Up { Reason::Ok } else { Reason::Expectation };
    let message = match (report.outcome, said.as_str()) {
        (Outcome::Up, "") => "heard".to_owned(),
        (Outcome::Up, said) => said.to_owned(),
        (outcome, "") => format!("reported {}", outcome.as_str()),
        (outcome, said) => clean(&format!("reported {}: {said}", outcome.as_str()), Detail::MESSAGE_CHARS_MAX),
    };
    let evidence = if reason == Reason::Ok { None } else { evidence(&format!("status={}", report.outcome.as_str()), "", said.as_bytes()) };
    Observation {
        outcome: report.outcome,
        reason,
        duration: report.latency.unwrap_or_default(),
        phases: Phases::default(),
        detail: Detail { message, evidence, ..Detail::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const S: Duration = Duration::from_secs(1);
    const TERMS: MailTerms =
        MailTerms { interval: Duration::from_secs(300), grace: Duration::from_secs(60), retry_interval: S.saturating_mul(10) };

    fn mailbox(now: Instant) -> Mailbox {
        Mailbox::new(Secret::new("a-token-of-ours-16".into()), TERMS, now)
    }

    /// Whether a look at each of these seconds finds it silent.
    fn silent(mailbox: &Mailbox, began: Instant, confirmed: bool, seconds: &[u32]) -> Vec<bool> {
        seconds.iter().map(|s| mailbox.silence(confirmed, began + S * *s).is_some()).collect()
    }

    #[test]
    fn silence_is_told_after_interval_and_grace_and_again() {
        let began = clock::instant();
        let mailbox = mailbox(began);
        assert_eq!(silent(&mailbox, began, false, &[0, 359, 360, 365, 370, 379, 380]), [false, false, true, false, true, false, true]);
        assert_eq!(silent(&mailbox, began, true, &[400, 679, 680]), [false, false, true], "a confirmed one once an interval");
        mailbox.heard(&Report::default(), began + S * 700);
        assert_eq!(silent(&mailbox, began, true, &[701, 1059, 1060]), [false, false, true]);
    }

    #[test]
    fn silence_says_for_how_long() {
        let began = clock::instant();
        let seen = mailbox(began).silence(false, began + S * 363).unwrap();
        assert_eq!((seen.outcome, seen.reason), (Outcome::Down, Reason::Receive));
        assert_eq!(seen.detail.message, "nothing heard for 6m 3s (interval 5m + grace 1m)");
    }

    #[test]
    fn time_in_which_nobody_listened_is_no_silence() {
        let began = clock::instant();
        let mailbox = mailbox(began);
        mailbox.listen_anew(began + S * 359);
        assert_eq!(silent(&mailbox, began, false, &[360, 718, 719]), [false, false, true]);
    }

    #[test]
    fn a_reload_that_changes_nothing_keeps_what_was_heard() {
        let began = clock::instant();
        let before = mailbox(began);
        before.heard(&Report::default(), began + S * 100);
        let after = mailbox(began + S * 200);
        after.take_over(&before);
        assert_eq!(silent(&after, began, false, &[459, 460]), [false, true]);
        before.heard(&Report::default(), began + S * 470);
        assert_eq!(silent(&after, began, false, &[480]), [false], "a report that was on its way to the one before");

        let changed = Mailbox::new(Secret::new(String::new()), MailTerms { grace: S * 30, ..TERMS }, began + S * 500);
        changed.take_over(&after);
        assert_eq!(silent(&changed, began, false, &[829, 830]), [false, true], "another promise is listened for anew");
    }

    #[test]
    fn a_report_is_an_observation() {
        let now = clock::instant();
        let seen = |outcome, message: &str| mailbox(now).heard(&Report { outcome, message: message.into(), latency: Some(S) }, now);
        for (outcome, message, reason, want) in [
            (Outcome::Up, "", Reason::Ok, "heard"),
            (Outcome::Up, "1,204\nrows", Reason::Ok, "1,204 rows"),
            (Outcome::Degraded, "", Reason::Expectation, "reported degraded"),
            (Outcome::Down, "no \x1bspace", Reason::Expectation, "reported down: no space"),
        ] {
            let seen = seen(outcome, message);
            assert_eq!((seen.outcome, seen.reason, seen.detail.message.as_str(), seen.duration), (outcome, reason, want, S));
            assert_eq!(seen.detail.evidence.is_some(), outcome != Outcome::Up);
        }
        let long = seen(Outcome::Down, &"x".repeat(1000)).detail.message;
        assert_eq!(long.chars().count(), Detail::MESSAGE_CHARS_MAX);
    }

    #[test]
    fn only_the_token_is_admitted() {
        let mailbox = mailbox(clock::instant());
        assert!(mailbox.admits("a-token-of-ours-16"));
        for other in ["", "a-token-of-ours-1", "a-token-of-ours-17", "A-token-of-ours-16"] {
            assert!(!mailbox.admits(other), "{other}");
        }
    }
}
