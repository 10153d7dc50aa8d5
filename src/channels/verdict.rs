//! What an answer means for the delivery it answers. Pure.

use std::fmt;
use std::time::Duration;

use crate::fetch::{Answer, FetchError, FetchErrorKind};

/// What follows from one try.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Accepted,
    /// On the receiver's schedule, not before what it asked for, which holds for its whole lane.
    Again {
        not_before: Option<Duration>,
    },
    /// Address or credentials are wrong and somebody may be mending them: on [`super::retry::while_mending`].
    AgainFew,
    /// The receiver is gone (410): this delivery is dead and the receiver is suspended.
    Suspend,
    /// Trying again cannot help.
    Dead {
        reason: String,
    },
}

/// Why a try failed, in the words of `vendord_delivery_attempts_failed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    Timeout,
    RateLimited,
    ClientError,
    ServerError,
    Network,
}

impl Failure {
    pub const ALL: [Failure; 5] = [Failure::Timeout, Failure::RateLimited, Failure::ClientError, Failure::ServerError, Failure::Network];

    pub const fn as_str(self) -> &'static str {
        match self {
            Failure::Timeout => "timeout",
            Failure::RateLimited => "rate_limited",
            Failure::ClientError => "client_error",
            Failure::ServerError => "server_error",
            Failure::Network => "network",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many tries a delivery gets whose receiver answers 401, 403, 404 or 407.
pub const MENDING_TRIES_MAX: u32 = 5;

/// `mending_before`: how many earlier tries of this delivery were answered 401, 403, 404 or 407.
pub fn verdict(answer: &Result<Answer, FetchError>, mending_before: u32) -> Verdict {
    let Ok(Answer { status, retry_after, .. }) = answer else {
        return Verdict::Again { not_before: None };
    };
    match status {
        200..=299 => Verdict::Accepted,
        408 | 425 | 429 => Verdict::Again { not_before: *retry_after },
        401 | 403 | 404 | 407 if mending_before + 1 < MENDING_TRIES_MAX => Verdict::AgainFew,
        401 | 403 | 404 | 407 => dead(format!("answered {status} to {MENDING_TRIES_MAX} tries")),
        410 => Verdict::Suspend,
        300..=399 => dead(format!("answered {status}: redirects are never followed, configure the address it leads to")),
        400..=499 => dead(format!("answered {status}")),
        // What is no final status at all is treated as a server's fault (RFC 9110 15).
        _ => Verdict::Again { not_before: *retry_after },
    }
}

fn dead(reason: String) -> Verdict {
    Verdict::Dead { reason }
}

/// Why the try failed; `None` if it did not.
pub fn failure(answer: &Result<Answer, FetchError>) -> Option<Failure> {
    match answer {
        Err(error) if error.kind == FetchErrorKind::Timeout => Some(Failure::Timeout),
        Err(_) => Some(Failure::Network),
        Ok(answer) => match answer.status {
            200..=299 => None,
            429 => Some(Failure::RateLimited),
            300..=499 => Some(Failure::ClientError),
            _ => Some(Failure::ServerError),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16) -> Result<Answer, FetchError> {
        Ok(Answer { status, retry_after: Some(Duration::from_secs(7)), body_start: Vec::new() })
    }

    /// One word for each verdict.
    fn word(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Accepted => "accepted",
            Verdict::Again { .. } => "again",
            Verdict::AgainFew => "few",
            Verdict::Suspend => "suspend",
            Verdict::Dead { .. } => "dead",
        }
    }

    #[test]
    fn every_status() {
        for status in 100..=599 {
            let (want, failed) = match status {
                200..=299 => ("accepted", None),
                408 | 425 => ("again", Some("client_error")),
                429 => ("again", Some("rate_limited")),
                401 | 403 | 404 | 407 => ("few", Some("client_error")),
                410 => ("suspend", Some("client_error")),
                300..=499 => ("dead", Some("client_error")),
                _ => ("again", Some("server_error")),
            };
            let answer = answered(status);
            assert_eq!(word(&verdict(&answer, 0)), want, "{status}");
            assert_eq!(failure(&answer).map(Failure::as_str), failed, "{status}");
        }
    }

    #[test]
    fn what_the_receiver_asked_for_is_kept() {
        for status in [408, 425, 429, 500, 503] {
            let not_before = Some(Duration::from_secs(7));
            assert_eq!(verdict(&answered(status), 0), Verdict::Again { not_before });
        }
    }

    #[test]
    fn five_tries_while_somebody_may_be_mending() {
        for status in [401, 403, 404, 407] {
            for (mending_before, want) in [(0, "few"), (3, "few"), (4, "dead"), (9, "dead")] {
                let got = verdict(&answered(status), mending_before);
                assert_eq!(word(&got), want, "{status} after {mending_before}");
            }
        }
    }

    #[test]
    fn no_answer_is_tried_again() {
        use FetchErrorKind::*;
        for (kind, want) in [(Timeout, "timeout"), (Network, "network"), (Tls, "network"), (AddressRefused, "network")] {
            let message = String::new();
            let answer = Err(FetchError { kind, message });
            assert_eq!(verdict(&answer, 9), Verdict::Again { not_before: None });
            assert_eq!(failure(&answer).map(Failure::as_str), Some(want));
        }
    }
}
