//! `POST|GET /push/VENDOR/CHECK`: a check of kind `push` is reported to.
//!
//! - The token is asked for before anything else is read. An unknown check and a wrong token are one answer.
//! - A job that runs `curl` or `wget` is all that is needed: GET works, the token may stand in the path, a body may be
//!   JSON, a form or nothing.
//! - Tokens are never logged, nor put into an answer or a metric.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::server::Site;
use crate::clock;
use crate::model::Outcome;
use crate::probes::Report;

/// A report is a line, not a log.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// A body must have arrived by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Nobody types a token wrong more often; whoever guesses does.
const FAILURES_MAX: u32 = 10;
const FAILURES_WITHIN: Duration = Duration::from_secs(60);
/// Pairs of address and check that are remembered, so that a flood of them costs no memory.
const REMEMBERED_MAX: usize = 10_000;
/// A longer run is no latency.
const LATENCY_MS_MAX: u32 = 7 * 24 * 60 * 60 * 1000;

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Recorded,
    /// The check is paused: heard, and nothing follows.
    Paused,
    /// Too much waits to be recorded.
    Refused,
}

/// Takes the report of whoever showed the token.
pub type Admitted = Box<dyn FnOnce(&Report) -> Taken + Send>;

/// Who takes reports for a check (`vendor/check`) with this token, if anybody does.
pub type Admit = Box<dyn Fn(&str, &str) -> Option<Admitted> + Send + Sync>;

/// Wrong tokens by address and check: one job with an old token behind a proxy locks out no other.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<(IpAddr, String), (Instant, u32)>>);

impl Failures {
    fn are_too_many(&self, from: IpAddr, id: &str, now: Instant) -> bool {
        let key = (network(from), id.to_owned());
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&key).is_some_and(|(began, count)| is_recent(*began, now) && *count >= FAILURES_MAX)
    }

    fn note(&self, from: IpAddr, id: &str, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED_MAX {
            failures.retain(|_, (began, _)| is_recent(*began, now));
        }
        if failures.len() >= REMEMBERED_MAX {
            failures.clear();
        }
        let entry = failures.entry((network(from), id.to_owned())).or_insert((now, 0));
        if !is_recent(entry.0, now) {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

fn is_recent(began: Instant, now: Instant) -> bool {
    now.saturating_duration_since(began) < FAILURES_WITHIN
}

/// A subscriber has a whole /64 of IPv6 (RFC 6177 2), so that is one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// The token stands in the header.
pub async fn report(
    site: State<Arc<Site>>,
    peer: ConnectInfo<SocketAddr>,
    Path((vendor, check)): Path<(String, String)>,
    request: Request,
) -> Response {
    let token = bearer(request.headers()).unwrap_or_default().to_owned();
    take(&site, peer.0.ip(), &format!("{vendor}/{check}"), &token, request).await.into_response()
}

/// The token stands in the path.
pub async fn report_with_token(
    site: State<Arc<Site>>,
    peer: ConnectInfo<SocketAddr>,
    Path((vendor, check, token)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    take(&site, peer.0.ip(), &format!("{vendor}/{check}"), &token, request).await.into_response()
}

/// RFC 6750 2.1; the scheme's case does not matter (RFC 9110 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn take(site: &Site, from: IpAddr, id: &str, token: &str, request: Request) -> Answer {
    // HEAD and other methods are how links are looked at, not how jobs report.
    if !matches!(*request.method(), Method::GET | Method::POST) {
        return Answer::no(StatusCode::METHOD_NOT_ALLOWED, "use POST or GET");
    }
    if !site.ready.load(Ordering::Acquire) {
        return Answer::no(StatusCode::SERVICE_UNAVAILABLE, "vendord is starting or stopping");
    }
    if site.push_failures.are_too_many(from, id, clock::instant()) {
        return Answer::no(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens; wait a minute");
    }
    let Some(admitted) = (site.admit)(id, token) else {
        site.push_failures.note(from, id, clock::instant());
        return Answer::no(StatusCode::UNAUTHORIZED, "no such check, or not its token");
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(request)).await {
        Ok(Ok(body)) => body,
        Ok(Err(answer)) => return answer,
        Err(_) => return Answer::no(StatusCode::REQUEST_TIMEOUT, "the body did not arrive"),
    };
    match understand(&query, &body) {
        Err(why) => Answer::no(StatusCode::BAD_REQUEST, &why),
        Ok(report) => match admitted(&report) {
            Taken::Recorded | Taken::Paused => Answer { status: StatusCode::OK, error: None },
            Taken::Refused => Answer::no(StatusCode::SERVICE_UNAVAILABLE, "too many results wait to be stored"),
        },
    }
}

async fn read(request: Request) -> Result<Bytes, Answer> {
    let too_large = || Answer::no(StatusCode::PAYLOAD_TOO_LARGE, "a report has 16 KiB at most");
    let declared = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|_| too_large())
}

/// What may be said, in the query, as a form or as JSON. Other names are left alone.
#[derive(Debug, Default, Deserialize)]
struct Said {
    status: Option<String>,
    message: Option<String>,
    latency_ms: Option<f64>,
}

impl Said {
    fn form(text: &[u8]) -> Result<Said, String> {
        let mut said = Said::default();
        for (name, value) in url::form_urlencoded::parse(text) {
            match &*name {
                "status" => said.status = Some(value.into_owned()),
                "message" => said.message = Some(value.into_owned()),
                "latency_ms" => said.latency_ms = Some(value.parse().map_err(|_| "latency_ms is not a number".to_owned())?),
                _ => {}
            }
        }
        Ok(said)
    }

    fn body(text: &[u8]) -> Result<Said, String> {
        match text.trim_ascii() {
            [b'{', ..] => serde_json::from_slice(text).map_err(|error| format!("the body is not the JSON of a report: {error}")),
            form => Said::form(form),
        }
    }
}

/// What the body says goes before what the query says. Saying nothing is good news.
fn understand(query: &str, body: &[u8]) -> Result<Report, String> {
    let (query, body) = (Said::form(query.as_bytes())?, Said::body(body)?);
    let outcome = match body.status.or(query.status).as_deref() {
        None | Some("up") => Outcome::Up,
        Some("degraded") => Outcome::Degraded,
        Some("down") => Outcome::Down,
        Some(_) => return Err("status is none of up, degraded, down".to_owned()),
    };
    let latency = match body.latency_ms.or(query.latency_ms) {
        None => None,
        Some(ms) if (0.0..=f64::from(LATENCY_MS_MAX)).contains(&ms) => Some(Duration::from_micros((ms * 1000.0) as u64)),
        Some(_) => return Err(format!("latency_ms is not from 0 to {LATENCY_MS_MAX}")),
    };
    Ok(Report { outcome, message: body.message.or(query.message).unwrap_or_default(), latency })
}

struct Answer {
    status: StatusCode,
    error: Option<String>,
}

impl Answer {
    fn no(status: StatusCode, why: &str) -> Answer {
        Answer { status, error: Some(why.to_owned()) }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let text = match self.error {
            None => serde_json::json!({ "ok": true }),
            Some(error) => serde_json::json!({ "ok": false, "error": error }),
        };
        let mut response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CACHE_CONTROL, "no-store");
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => response = response.header(header::ALLOW, "GET, POST"),
            StatusCode::UNAUTHORIZED => response = response.header(header::WWW_AUTHENTICATE, "Bearer"),
            StatusCode::TOO_MANY_REQUESTS => response = response.header(header::RETRY_AFTER, FAILURES_WITHIN.as_secs()),
            _ => {}
        }
        response.body(Body::from(format!("{text}\n"))).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_in_any_clothes() {
        let report = |outcome, message: &str, ms: Option<u64>| {
            Ok(Report { outcome, message: message.into(), latency: ms.map(Duration::from_millis) })
        };
        for (query, body, want) in [
            ("", "", report(Outcome::Up, "", None)),
            ("status=down&message=disk+full", "", report(Outcome::Down, "disk full", None)),
            ("", r#"{"status": "degraded", "latency_ms": 12, "more": [1]}"#, report(Outcome::Degraded, "", Some(12))),
            ("", "status=down&message=a%20b", report(Outcome::Down, "a b", None)),
            ("status=down&latency_ms=5", r#"{"status": "up"}"#, report(Outcome::Up, "", Some(5))),
            ("", "just a line", report(Outcome::Up, "", None)),
        ] {
            assert_eq!(understand(query, body.as_bytes()), want, "{query} {body}");
        }
        for (query, body) in [
            ("status=unknown", ""),
            ("status=", ""),
            ("latency_ms=soon", ""),
            ("latency_ms=-1", ""),
            ("latency_ms=NaN", ""),
            ("latency_ms=1e300", ""),
            ("", "{"),
            ("", r#"{"status": 1}"#),
        ] {
            assert!(understand(query, body.as_bytes()).is_err(), "{query} {body}");
        }
    }

    #[test]
    fn whoever_guesses_waits_and_nobody_else() {
        let failures = Failures::default();
        let now = clock::instant();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let guesser = address("2001:db8::1");
        for _ in 0..FAILURES_MAX {
            assert!(!failures.are_too_many(guesser, "acme/a", now));
            failures.note(guesser, "acme/a", now);
        }
        assert!(failures.are_too_many(guesser, "acme/a", now));
        assert!(failures.are_too_many(address("2001:db8::2"), "acme/a", now), "the same network");
        assert!(!failures.are_too_many(guesser, "acme/b", now), "another job behind the same proxy");
        assert!(!failures.are_too_many(address("2001:db8:0:1::1"), "acme/a", now));
        assert!(!failures.are_too_many(guesser, "acme/a", now + FAILURES_WITHIN));
        for n in 0..2 * REMEMBERED_MAX {
            failures.note(guesser, &n.to_string(), now);
        }
        assert!(failures.0.lock().unwrap().len() <= REMEMBERED_MAX);
    }

    #[test]
    fn the_token_is_found_in_the_header() {
        for (value, want) in
            [("Bearer abc", Some("abc")), ("bearer  abc ", Some("abc")), ("Basic abc", None), ("Bearer", None), ("abc", None)]
        {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(bearer(&headers), want, "{value}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
