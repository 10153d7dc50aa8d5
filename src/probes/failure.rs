//! Why a run could not be completed, and the small things that every phase of a probe needs: its deadline,
//! its stopwatch and clean text.
//!
//! Text from a vendor reaches people only through [`clean`]: one line, no control characters, short.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::redact::Secrets;
use crate::clock;
use crate::model::observation::{Evidence, Hop};
use crate::model::{Detail, Observation, Outcome, Phases, Reason};

/// A run ended before its end. What was seen until then is in the [`Trace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub reason: Reason,
    pub message: String,
}

impl Failure {
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Failure { reason, message: message.into() }
    }
}

/// No interval is longer, and clocks can add it.
const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When a run began and must end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    pub started: Instant,
    pub timeout: Duration,
}

impl Deadline {
    /// The same end, for what begins only now.
    pub fn restarted(self) -> Self {
        let now = clock::instant();
        Deadline { started: now, timeout: self.timeout.saturating_sub(now.duration_since(self.started)) }
    }

    pub fn left(self) -> Duration {
        self.restarted().timeout
    }
}

impl Deadline {
    pub fn of(timeout: Duration) -> Self {
        Deadline { started: clock::instant(), timeout: timeout.min(TIMEOUT_MAX) }
    }

    /// What `future` yields, or `reason` with `what` did not happen when the time of the whole run is up.
    pub async fn bound<T>(self, future: impl Future<Output = T>, reason: Reason, what: impl FnOnce() -> String) -> Result<T, Failure> {
        let end = tokio::time::Instant::from_std(self.started + self.timeout);
        tokio::time::timeout_at(end, future).await.map_err(|_| Failure::new(reason, format!("{} within {:?}", what(), self.timeout)))
    }
}

/// Adds the time that `future` takes to a phase. Several hops add up; a phase that failed has its time too.
pub(super) async fn timed<T>(phase: &mut Option<u32>, future: impl Future<Output = T>) -> T {
    let from = clock::instant();
    let result = future.await;
    let took = u32::try_from(from.elapsed().as_micros()).unwrap_or(u32::MAX);
    *phase = Some(phase.unwrap_or(0).saturating_add(took));
    result
}

/// What a run saw so far; it outlives the failure of the run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The connection that is being made or used.
    pub hop: Hop,
    /// Those before it.
    done: Vec<Hop>,
    pub detail: Detail,
    /// What must not be shown, should a vendor echo it.
    secrets: Vec<Arc<Secrets>>,
}

impl Trace {
    /// The next connection, to `target` (without path or query). Before the first one nothing was.
    pub fn begin(&mut self, target: Arc<str>) {
        let before = std::mem::replace(&mut self.hop, Hop { target, ..Hop::default() });
        if !before.target.is_empty() {
            self.done.push(before);
        }
    }

    /// From now on these are in the game.
    pub fn hide(&mut self, secrets: &Arc<Secrets>) {
        if !secrets.is_empty() {
            self.secrets.push(secrets.clone());
        }
    }

    /// What is not to be shown of another run is not to be shown of this one.
    pub fn hide_all_of(&mut self, other: &Trace) {
        self.secrets.extend(other.secrets.iter().cloned());
    }

    /// What another run of requests saw becomes what this one saw.
    pub fn take_over(&mut self, mut other: Trace) {
        other.secrets.append(&mut self.secrets);
        *self = other;
    }

    pub fn failed(self, failure: Failure, duration: Duration) -> Observation {
        let outcome = if failure.reason.is_about_us() { Outcome::Unknown } else { Outcome::Down };
        self.ended(outcome, failure.reason, duration, &failure.message)
    }

    pub fn ended(mut self, outcome: Outcome, reason: Reason, duration: Duration, message: &str) -> Observation {
        self.detail.message = message.to_owned();
        self.detail.http_status = self.hop.http_status.or(self.detail.http_status);
        let mut hops = self.done;
        // Most runs have one, and a thousand of them may wait to be written.
        hops.reserve_exact(1);
        hops.push(self.hop);
        let phases = hops.iter().fold(Phases::default(), |sum, hop| sum.plus(hop.phases));
        self.detail.hops = hops;
        // The one way out of a run, so that nobody can forget it.
        self.secrets.iter().for_each(|secrets| secrets.redact(&mut self.detail));
        // Only then, so that no part of a secret is left where the text is cut.
        self.detail.message = clean(&self.detail.message, Detail::MESSAGE_CHARS_MAX);
        Observation { outcome, reason, duration, phases, detail: self.detail }
    }
}

/// One line without control or direction characters, at most `chars_max` characters; `…` shows where it was cut.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max * 4));
    let mut count = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() {
            gap = !out.is_empty();
            continue;
        }
        if is_invisible(c) {
            continue;
        }
        if count + 1 + usize::from(gap) > chars_max {
            out.pop();
            out.push('…');
            return out;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
            count += 1;
        }
        out.push(c);
        count += 1;
    }
    out
}

/// What was said in a run that failed, cleaned and cut. Each of them may have several lines.
pub(super) fn evidence(request: &str, response: &str, body: &[u8]) -> Option<Box<Evidence>> {
    let body = &body[..body.len().min(Evidence::BODY_BYTES_MAX)];
    let body = String::from_utf8_lossy(body);
    Some(Box::new(Evidence { request: clean_lines(request), response: clean_lines(response), body: clean_lines(&body) }))
}

/// As [`clean`], line by line.
fn clean_lines(text: &str) -> String {
    const BYTES_MAX: usize = 2 * Evidence::BODY_BYTES_MAX;
    let mut out = String::new();
    for line in text.lines() {
        let line = clean(line, Evidence::BODY_BYTES_MAX);
        if out.len() + line.len() > BYTES_MAX {
            out.push('…');
            break;
        }
        out.push_str(&line);
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters that change how a line is shown without being seen (Unicode UAX 9 and UAX 31): a vendor could reorder an alert with them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendor_text_becomes_one_clean_line() {
        for (text, want) in [
            ("", ""),
            ("plain", "plain"),
            ("  two\r\n lines\t", "two lines"),
            ("\x1b[31mred\x07", "[31mred"),
            ("a\u{202e}b", "ab"),
            ("1234567890", "1234567890"),
            ("1234567890x", "123456789…"),
            ("123456789 x", "12345678…"),
            ("äöüäöüäöüäx", "äöüäöüäöü…"),
        ] {
            let cleaned = clean(text, 10);
            assert_eq!(cleaned, want, "{text:?}");
            assert!(cleaned.chars().count() <= 10);
        }
    }
}
