//! What a run that came to its end means: outcome, reason and one line for people. Pure.
//!
//! - 429 and refused credentials are about *us*: `unknown`, unless the check says otherwise or wants that very status.
//! - A failed condition on the status (or the default, 2xx) is `http_status`, any other is `expectation`.
//! - Slow is only said of what was good.

use std::time::Duration;

use ::http::StatusCode;

use super::condition::{Condition, Expectations, Held, Seen};
use crate::model::observation::Expectation;
use crate::model::{Outcome, Reason};

/// What is known of a check beside its expectations.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manners {
    pub sends_credentials: bool,
    pub auth_is_down: bool,
    /// It has a status, and wants 2xx if it says nothing else.
    pub is_http: bool,
    /// What was good where all was; empty: a connection.
    pub said: &'static str,
}

#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    pub outcome: Outcome,
    pub reason: Reason,
    pub message: String,
    pub expectations: Vec<Expectation>,
}

pub(super) fn judge(wanted: &Expectations, seen: &Seen<'_>, manners: Manners) -> Verdict {
    let all: Vec<Held> = wanted.all.iter().map(|c| c.hold(seen)).collect();
    let any: Vec<Held> = wanted.any.iter().map(|c| c.hold(seen)).collect();
    let (outcome, reason, message) =
        refusal(wanted, seen, manners).or_else(|| broken(wanted, seen, manners, &all, &any)).unwrap_or_else(|| good(wanted, seen, manners));
    Verdict {
        outcome,
        reason,
        message,
        expectations: shown_default(wanted, seen, manners).into_iter().chain(all.into_iter().chain(any).map(Expectation::from)).collect(),
    }
}

type Judged = (Outcome, Reason, String);

/// The vendor answered, but would not serve *us*.
fn refusal(wanted: &Expectations, seen: &Seen<'_>, manners: Manners) -> Option<Judged> {
    let status = seen.status?;
    let (reason, why) = match status {
        429 => (Reason::RateLimited, "we ask too often"),
        401 | 403 | 407 if manners.sends_credentials => (Reason::AuthRejected, "our credentials were refused"),
        _ => return None,
    };
    if wanted.want_status(status) {
        return None;
    }
    let outcome = if manners.auth_is_down { Outcome::Down } else { Outcome::Unknown };
    Some((outcome, reason, format!("{}: {why}", phrase(status))))
}

fn broken(wanted: &Expectations, seen: &Seen<'_>, manners: Manners, all: &[Held<'_>], any: &[Held<'_>]) -> Option<Judged> {
    let failed: Vec<&Held> = all.iter().filter(|held| !held.passed).collect();
    let none_of_any = !any.is_empty() && any.iter().all(|held| !held.passed);
    let status = default_failed(wanted, seen, manners)
        .map(|status| format!("{}, wanted 2xx", phrase(status)))
        .or_else(|| {
            let on_status = failed.iter().find(|held| held.condition.is_on_status())?;
            Some(status_message(seen, &on_status.condition.expression))
        })
        .or_else(|| {
            let only_status = none_of_any && any.iter().all(|h| h.condition.is_on_status());
            only_status.then(|| status_message(seen, &expressions(any)))
        });
    if let Some(message) = status {
        return Some((Outcome::Down, Reason::HttpStatus, message));
    }
    let message = match failed.first() {
        Some(first) => format!("wanted {}, saw {}", first.condition.expression, first.seen),
        None if none_of_any => format!("wanted {}, saw {}", expressions(any), any[0].seen),
        None => return None,
    };
    Some((Outcome::Down, Reason::Expectation, message))
}

fn good(wanted: &Expectations, seen: &Seen<'_>, manners: Manners) -> Judged {
    let said = match (seen.status, manners.said) {
        (Some(status), _) => phrase(status),
        (None, "") => "connected".into(),
        (None, said) => said.into(),
    };
    match wanted.degraded_over {
        Some(limit) if seen.latency > limit => {
            // Rounded up, so that it never reads "1s instead of 1s".
            let took = Duration::from_millis(seen.latency.as_micros().div_ceil(1000) as u64);
            let message = format!("{said}, but in {took:?} instead of {limit:?}");
            (Outcome::Degraded, Reason::Slow, message)
        }
        _ => (Outcome::Up, Reason::Ok, said),
    }
}

/// The status, where 2xx was wanted by default and did not come.
fn default_failed(wanted: &Expectations, seen: &Seen<'_>, manners: Manners) -> Option<u16> {
    let status = seen.status?;
    let applies = manners.is_http && !wanted.name_status();
    (applies && !(200..300).contains(&status)).then_some(status)
}

fn shown_default(wanted: &Expectations, seen: &Seen<'_>, manners: Manners) -> Option<Expectation> {
    let status = seen.status.filter(|_| manners.is_http && !wanted.name_status())?;
    Some(Expectation {
        expression: "status is 2xx".into(),
        passed: default_failed(wanted, seen, manners).is_none(),
        seen: status.to_string(),
    })
}

fn status_message(seen: &Seen<'_>, expression: &str) -> String {
    let said = seen.status.map_or_else(|| "no status".into(), phrase);
    format!("{said}, wanted {expression}")
}

fn expressions(any: &[Held<'_>]) -> String {
    let texts: Vec<&str> = any.iter().map(|Held { condition: Condition { expression, .. }, .. }| expression.as_str()).collect();
    texts.join(" or ")
}

/// `503 Service Unavailable`
fn phrase(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    match known {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Settings;
    use crate::model::settings::Value;
    use crate::probes::http;

    struct Case<'a> {
        expect: &'a [&'a str],
        any: &'a [&'a str],
        status: u16,
        credentials: bool,
        auth_is_down: bool,
    }

    const PLAIN: Case = Case { expect: &[], any: &[], status: 200, credentials: false, auth_is_down: false };

    fn judged(case: &Case) -> (Outcome, Reason, String) {
        let list = |texts: &[&str]| Value::TextList(texts.iter().map(|t| t.to_string()).collect());
        let settings = Settings(
            [("expect", list(case.expect)), ("expect_any", list(case.any)), ("degraded_over", Value::Duration(Duration::from_secs(1)))]
                .into(),
        );
        let wanted = Expectations::compile(&settings, &http::SCOPE).unwrap();
        let seen = Seen { status: Some(case.status), latency: Duration::from_millis(1200), body: Some(b"hello"), ..Seen::default() };
        let manners = Manners { sends_credentials: case.credentials, auth_is_down: case.auth_is_down, is_http: true, said: "" };
        let verdict = judge(&wanted, &seen, manners);
        (verdict.outcome, verdict.reason, verdict.message)
    }

    #[test]
    fn outcomes() {
        let check = |case: Case, outcome, reason, message: &str| {
            assert_eq!(judged(&case), (outcome, reason, message.to_owned()));
        };
        use Outcome::{Degraded, Down, Unknown};
        check(PLAIN, Degraded, Reason::Slow, "200 OK, but in 1.2s instead of 1s");
        check(Case { status: 503, ..PLAIN }, Down, Reason::HttpStatus, "503 Service Unavailable, wanted 2xx");
        check(Case { status: 302, ..PLAIN }, Down, Reason::HttpStatus, "302 Found, wanted 2xx");
        check(Case { expect: &["body contains 'x'"], status: 799, ..PLAIN }, Down, Reason::HttpStatus, "799, wanted 2xx");
        check(Case { expect: &["body contains 'x'"], ..PLAIN }, Down, Reason::Expectation, "wanted body contains 'x', saw 'hello'");
        check(Case { expect: &["body contains 'x'", "status == 204"], ..PLAIN }, Down, Reason::HttpStatus, "200 OK, wanted status == 204");
        check(
            Case { any: &["status == 204", "status == 304"], ..PLAIN },
            Down,
            Reason::HttpStatus,
            "200 OK, wanted status == 204 or status == 304",
        );
        check(
            Case { any: &["status == 204", "body == 'x'"], ..PLAIN },
            Down,
            Reason::Expectation,
            "wanted status == 204 or body == 'x', saw 200",
        );
        check(Case { status: 429, ..PLAIN }, Unknown, Reason::RateLimited, "429 Too Many Requests: we ask too often");
    }

    #[test]
    fn refused_credentials_are_about_us() {
        let check = |case: Case, outcome, reason| {
            let (got, why, message) = judged(&case);
            assert_eq!((got, why), (outcome, reason), "{message}");
        };
        use Outcome::{Degraded, Down, Unknown};
        let with = |status| Case { status, credentials: true, ..PLAIN };
        for status in [401, 403, 407] {
            check(with(status), Unknown, Reason::AuthRejected);
            check(Case { status, ..PLAIN }, Down, Reason::HttpStatus);
            let strict = Case { auth_is_down: true, ..with(status) };
            check(strict, Down, Reason::AuthRejected);
        }
        check(Case { expect: &["status == 401"], ..with(401) }, Degraded, Reason::Slow);
        check(Case { expect: &["status in [200, 429]"], ..with(429) }, Degraded, Reason::Slow);
        check(Case { expect: &["status < 500"], ..with(401) }, Unknown, Reason::AuthRejected);
        check(Case { expect: &["status == 200"], ..with(401) }, Unknown, Reason::AuthRejected);
        check(Case { auth_is_down: true, ..with(429) }, Down, Reason::RateLimited);
    }
}
