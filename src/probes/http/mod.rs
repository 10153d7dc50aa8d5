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
use super::connect::Guard;
use super::failure::{Deadline, Failure, Trace};
use super::resolve::Family;
use super::tls::{Offer, Roots, Trust};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Reason, Settings, Shape, Timestamp};

mod body;
mod exchange;
mod request;
#[cfg(test)]
mod tests;

use request::Request;
use rustls::pki_types::ServerName;

pub(super) const KIND: Kind = Kind {
    name: "http",
    help: "an HTTP or HTTPS request over a fresh connection, HTTP/1.1 or HTTP/2",
    keys: &[KEYS, condition::HTTP_KEYS, condition::KEYS],
    build,
};

pub(super) const SCOPE: Scope = Scope {
    kind: "http",
    subjects: &[
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
};

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
    Key::new("ip", Shape::OneOf(Family::WORDS), "\"any\"", "the address family to use"),
    Key::new(
        "http_version",
        Shape::OneOf(&["auto", "1.1", "2"]),
        "\"auto\"",
        "the version to speak; `auto` takes what the TLS handshake agrees on, and 1.1 without TLS",
    ),
    Key::new("ca", Shape::Path, "", "a PEM file of certificates to trust instead of the system's"),
    Key::new("server_name", Shape::Text, "", "the name to ask for and verify in TLS instead of the host of `url`"),
    Key::new(
        "body_bytes_max",
        Shape::Size,
        "\"1MiB\"",
        "how much of the answer is read, decompressed; where a condition looks at the body, more is `body_too_large`",
    ),
    Key::new("allow_private", Shape::Flag, "false", "connect to private and other special addresses where a name or redirect leads there"),
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
    guard: Guard,
    version: Version,
    /// Instead of the platform's.
    trust: Option<Arc<Trust>>,
    server_name: Option<ServerName<'static>>,
    body_bytes_max: usize,
    wanted: Expectations,
    manners: Manners,
    workshop: Workshop,
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
    let asked = request.and_then(|request| {
        let guard = Guard::of(settings, &request.target()).map_err(&mut keep)?;
        Ok((request, guard))
    });
    let trust = trust(settings, &workshop.roots).map_err(&mut keep);
    let server_name = server_name(settings).map_err(&mut keep);
    let body_bytes_max = body_bytes_max(settings).map_err(&mut keep);
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| all.into_iter().for_each(&mut keep));
    let (Ok((request, guard)), Ok(trust), Ok(server_name), Ok(body_bytes_max), Ok(wanted)) =
        (asked, trust, server_name, body_bytes_max, wanted)
    else {
        return Err(faults);
    };
    Ok(Arc::new(HttpProbe {
        host: request.target().shown(),
        follow: follow(settings),
        guard,
        version: Version::of_word(settings.text("http_version")),
        trust,
        server_name,
        body_bytes_max,
        wanted,
        manners: Manners { sends_credentials: request.sends_credentials, auth_is_down: settings.on("auth_is_down"), is_http: true },
        workshop: workshop.clone(),
        request,
    }))
}

fn follow(settings: &Settings) -> u64 {
    if settings.flag("redirects") == Some(&false) { 0 } else { settings.count("follow_max").copied().unwrap_or(FOLLOW_DEFAULT) }
}

fn trust(settings: &Settings, roots: &Roots) -> Result<Option<Arc<Trust>>, Fault> {
    settings.text("ca").map(|path| roots.bundle(path)).transpose()
}

fn server_name(settings: &Settings) -> Result<Option<ServerName<'static>>, Fault> {
    let Some(name) = settings.text("server_name") else {
        return Ok(None);
    };
    let parsed = ServerName::try_from(name.to_owned())
        .map_err(|_| Fault::new("server_name", format!("{name:?} is not a host name")).hint("write for example \"api.vendor.example\""))?;
    Ok(Some(parsed))
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
            // What a failure tells is that of the hop that failed.
            trace.detail = Default::default();
            let (head, rest) = self.ask(&hop, deadline, trace).await?;
            trace.detail.http_status = Some(head.status.as_u16());
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
        let certificate = trace.detail.certificate.as_ref();
        let seen = Seen {
            status: Some(answer.status),
            latency: duration,
            body: Some(&answer.body),
            headers: Some(&answer.headers),
            cert_days_left: certificate.map(|facts| days_until(facts.not_after, clock::now())),
            cert_issuer: certificate.map(|facts| facts.issuer.as_str()),
            tls_version: trace.detail.tls_version,
            http_version: Some(answer.version),
            redirects: Some(answer.redirects),
            ip: trace.detail.address.map(|address| address.ip()),
            ..Seen::default()
        };
        let verdict = judge(&self.wanted, &seen, self.manners);
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, duration, &verdict.message)
    }
}

fn days_until(then: Timestamp, now: Timestamp) -> f64 {
    const DAY_MS: f64 = 86_400_000.0;
    then.millis_since(now) as f64 / DAY_MS
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
