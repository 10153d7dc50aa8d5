//! `kind = "http"`: one request over a connection of its own, redirects followed, judged by what is expected.
//!
//! - One deadline bounds the whole run, whatever the vendor does; nothing waits per read.
//! - Every hop is resolved, checked by the address guard, connected and verified anew. Credentials stay with their origin.
//! - Nothing that a vendor sends is kept beyond its cap, and nothing that it sends reaches people uncleaned.
//!
//! Left to others: retries, permits and schedules (the prober), states and blame (the core).

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::{AGE, DATE};
use jiff::fmt::rfc2822;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Offer};
use super::failure::{Deadline, Failure, Trace};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Reason, Settings, Shape, Timestamp};

mod body;
pub(super) mod exchange;
mod request;
#[cfg(test)]
mod tests;

use request::Request;

pub(super) const KIND: Kind = Kind {
    name: "http",
    help: "an HTTP or HTTPS request over a fresh connection, HTTP/1.1 or HTTP/2",
    keys: &[KEYS, dial::KEYS, dial::TLS_KEYS, condition::HTTP_KEYS, condition::KEYS],
    build,
};

pub(super) const SCOPE: Scope<'static> = Scope::new(
    "http",
    &[
        "status",
        "latency",
        "body",
        "body_bytes",
        "header.NAME",
        "$...",
        "count($...)",
        "cert.days_left",
        "cert.issuer",
        "tls.version",
        "http.version",
        "redirects",
        "ip",
    ],
);

/// Longer chains are loops or mistakes; browsers give up at 20.
const FOLLOW_MAX: u64 = 20;

const FOLLOW_DEFAULT: u64 = 5;

/// Enough for any health answer; a body is kept in memory while it is judged.
const BODY_BYTES_DEFAULT: u64 = 1 << 20;

/// With 512 probes in flight more than this each would be felt.
const BODY_BYTES_LIMIT: u64 = 64 << 20;

const KEYS: &[Key] = &[
    Key::required("url", Shape::Text, "what to ask for: `https://api.vendor.example/health`"),
    Key::new("method", Shape::Text, "\"GET\"", "the request method"),
    Key::new(
        "headers",
        Shape::SecretMap,
        "",
        "headers of the request; those that may be secret stay with the origin of `url` when a redirect leaves it",
    ),
    Key::new("body", Shape::Text, "", "the body of the request"),
    Key::new("redirects", Shape::Flag, "true", "follow redirects; never from https to http"),
    Key::new("follow_max", Shape::Count(0, FOLLOW_MAX), "5", "how many redirects are followed"),
    Key::new(
        "http_version",
        Shape::OneOf(&["auto", "1.1", "2"]),
        "\"auto\"",
        "the version to speak; `auto` takes what the TLS handshake agrees on, and 1.1 without TLS",
    ),
    Key::new(
        "body_bytes_max",
        Shape::Size,
        "\"1MiB\"",
        "how much of the answer is read, decompressed; where a condition looks at the body, more is `body_too_large`",
    ),
    Key::new(
        "auth_is_down",
        Shape::Flag,
        "false",
        "429, and 401, 403 and 407 to a request with credentials, count as down instead of unknown",
    ),
];

struct HttpProbe {
    request: Request,
    host: String,
    follow: u64,
    dialer: Dialer,
    version: Version,
    body_bytes_max: usize,
    wanted: Expectations,
    manners: Manners,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Auto,
    Http1,
    Http2,
}

impl Version {
    fn of_word(word: Option<&str>) -> Self {
        match word {
            Some("1.1") => Version::Http1,
            Some("2") => Version::Http2,
            _ => Version::Auto,
        }
    }

    const fn offer(self) -> Offer {
        match self {
            Version::Auto => Offer::Any,
            Version::Http1 => Offer::Http1,
            Version::Http2 => Offer::Http2,
        }
    }
}

/// What came back in the end.
struct Answer {
    status: u16,
    headers: HeaderMap,
    version: &'static str,
    body: Vec<u8>,
    redirects: u64,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let mut keep = |fault: Fault| faults.push(fault);
    let request = Request::of(settings, &workshop.user_agent).map_err(|all| all.into_iter().for_each(&mut keep));
    let target = request.as_ref().ok().map(Request::target);
    let dialer = Dialer::of(settings, target.as_ref(), workshop).map_err(|all| all.into_iter().for_each(&mut keep));
    let body_bytes_max = body_bytes_max(settings).map_err(&mut keep);
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| all.into_iter().for_each(&mut keep));
    let (Ok(request), Ok(dialer), Ok(body_bytes_max), Ok(wanted)) = (request, dialer, body_bytes_max, wanted) else {
        return Err(faults);
    };
    Ok(Arc::new(HttpProbe {
        host: request.target().shown(),
        follow: follow(settings),
        dialer,
        version: Version::of_word(settings.text("http_version")),
        body_bytes_max,
        wanted,
        manners: Manners {
            sends_credentials: request.sends_credentials,
            auth_is_down: settings.on("auth_is_down"),
            is_http: true,
            ..Manners::default()
        },
        request,
    }))
}

fn follow(settings: &Settings) -> u64 {
    if settings.flag("redirects") == Some(&false) { 0 } else { settings.count("follow_max").copied().unwrap_or(FOLLOW_DEFAULT) }
}

fn body_bytes_max(settings: &Settings) -> Result<usize, Fault> {
    let bytes = settings.size("body_bytes_max").copied().unwrap_or(BODY_BYTES_DEFAULT);
    if bytes > BODY_BYTES_LIMIT {
        let fault = Fault::new("body_bytes_max", "a body is kept in memory while it is judged");
        return Err(fault.hint("write at most \"64MiB\""));
    }
    Ok(bytes as usize)
}

impl Probe for HttpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            let answer = self.look(deadline, &mut trace).await;
            let duration = deadline.started.elapsed();
            let mut observation = match answer {
                Ok(answer) => self.judge(&answer, trace, duration),
                Err(failure) => trace.failed(failure, duration),
            };
            self.request.redact(&mut observation.detail);
            observation
        })
    }
}

impl HttpProbe {
    async fn look(&self, deadline: Deadline, trace: &mut Trace) -> Result<Answer, Failure> {
        let mut hop = self.request.first_hop();
        let mut redirects = 0;
        loop {
            trace.begin(hop.shown().into());
            let (head, rest) = self.ask(&hop, deadline, trace).await?;
            trace.hop.http_status = Some(head.status.as_u16());
            if self.follow > 0
                && let Some(next) = self.request.next_hop(&hop, head.status, &head.headers)?
            {
                if redirects >= self.follow {
                    let message = format!("more than {} redirects, the last to {}", self.follow, next.shown());
                    return Err(Failure::new(Reason::RedirectLimit, message));
                }
                hop = next;
                redirects += 1;
                continue;
            }
            trace.detail.vendor_clock = vendor_clock(&head.headers);
            let body = self.read(&hop, &head, rest, deadline, trace).await?;
            return Ok(Answer {
                status: head.status.as_u16(),
                version: exchange::version_word(head.version),
                headers: head.headers,
                body,
                redirects,
            });
        }
    }

    fn judge(&self, answer: &Answer, mut trace: Trace, duration: Duration) -> Observation {
        let seen = Seen {
            status: Some(answer.status),
            latency: duration,
            body: Some(&answer.body),
            headers: Some(&answer.headers),
            http_version: Some(answer.version),
            redirects: Some(answer.redirects),
            ..Seen::of(&trace.hop, clock::now())
        };
        let verdict = judge(&self.wanted, &seen, self.manners);
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, duration, &verdict.message)
    }
}

/// The vendor's own clock; an `Age` says that a cache remembered it (RFC 9110 6.6.1, RFC 9111 5.1).
fn vendor_clock(headers: &HeaderMap) -> Option<Timestamp> {
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new();
    if headers.contains_key(AGE) {
        return None;
    }
    let at = PARSER.parse_timestamp(headers.get(DATE)?.as_bytes()).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}
