//! `kind = "push"`: the vendor, or code of our own, reports in; silence is what fails. It never looks by itself.

use std::sync::Arc;
use std::time::Duration;

use super::mailbox::{MailTerms, Mailbox};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

pub(super) const KIND: Kind = Kind { name: "push", help: "the other side reports in, and silence is a failure", keys: &[KEYS], build };

/// Shorter ones can be guessed.
const TOKEN_CHARS_MIN: usize = 16;

/// A report is a statement and silence has its grace: neither needs to be looked at again to be believed.
const KEYS: &[Key] = &[
    Key::required("token", Shape::Secret, "what a report must carry, 16 characters or more: `openssl rand -hex 20` makes one"),
    Key::new("grace", Shape::Wait, "\"1m\"", "how much later than `interval` a report may come"),
    Key::new("down_after", Shape::Runs, "\"1\"", "failing reports, or looks at a silence, that confirm a change for the worse").alone(),
    Key::new("up_after", Shape::Runs, "\"1\"", "good reports that confirm recovery").alone(),
];

struct PushProbe(Mailbox);

fn build(settings: &Settings, _workshop: &Workshop) -> Built<dyn Probe> {
    let duration = |key| settings.duration(key).copied().unwrap_or_default();
    let terms = MailTerms { interval: duration("interval"), grace: duration("grace"), retry_interval: duration("retry_interval") };
    match settings.secret("token") {
        Some(token) if token.expose().chars().count() >= TOKEN_CHARS_MIN => {
            Ok(Arc::new(PushProbe(Mailbox::new(token.clone(), terms, clock::instant()))))
        }
        _ => {
            let fault = Fault::new("token", format!("has fewer than {TOKEN_CHARS_MIN} characters"));
            Err(vec![fault.hint("make one with: openssl rand -hex 20")])
        }
    }
}

impl Probe for PushProbe {
    /// Nobody's.
    fn host(&self) -> &str {
        "push"
    }

    /// For whoever asks for a look now: there is none, and that is no fault of the vendor.
    fn run(&self, _timeout: Duration) -> Run<'_> {
        let message = "a push check is reported to; there is nothing to look at";
        let seen = Observation { outcome: Outcome::Unknown, ..Observation::failed(Reason::Receive, Duration::ZERO, message) };
        Box::pin(std::future::ready(seen))
    }

    fn mailbox(&self) -> Option<&Mailbox> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Secret, Value};

    fn built(token: &str) -> Built<dyn Probe> {
        let minute = Value::Duration(Duration::from_secs(60));
        let token = Value::Secret(Secret::new(token.into()));
        build(&Settings([("token", token), ("interval", minute.clone()), ("grace", minute)].into()), &Workshop::new())
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        for token in ["", "123456789012345", "äöüäöüäöüäöüäöü"] {
            let faults = built(token).err().unwrap();
            assert_eq!(faults[0].key, "token");
            assert!(token.is_empty() || !format!("{faults:?}").contains(token), "{faults:?}");
        }
        assert!(built("1234567890123456").is_ok());
    }

    #[tokio::test]
    async fn a_look_at_it_is_evidence_of_nothing() {
        let probe = built("1234567890123456").unwrap();
        assert_eq!(probe.run(Duration::from_secs(1)).await.outcome, Outcome::Unknown);
        assert!(probe.mailbox().unwrap().admits("1234567890123456"));
    }
}
