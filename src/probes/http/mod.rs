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

use super::condition::{self, Expectations, Scope};
use super::dial;
use super::failure::{Deadline, Trace};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::model::settings::Built;
use crate::model::{Key, Observation, Outcome, Settings, Shape, Timestamp};

mod auth;
mod body;
mod client;
mod cookies;
pub(super) mod exchange;
pub(super) mod request;
#[cfg(test)]
mod tests;

pub(super) use auth::Tokens;
pub(super) use client::{Answer, Client, KEYS as CLIENT_KEYS};
pub(super) use cookies::Jar;
pub(super) use request::Request;

pub(super) const KIND: Kind = Kind {
    name: "http",
    help: "an HTTP or HTTPS request over a fresh connection, HTTP/1.1 or HTTP/2",
    keys: &[REQUEST_KEYS, client::KEYS, dial::KEYS, dial::TLS_KEYS, dial::PROXY_KEYS, KEYS, condition::HTTP_KEYS, condition::KEYS],
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

/// What is asked.
pub(super) const REQUEST_KEYS: &[Key] = &[
    Key::required("url", Shape::Text, "what to ask for: `https://api.vendor.example/health`"),
    Key::new("method", Shape::Text, "\"GET\"", "the request method"),
    Key::new(
        "headers",
        Shape::SecretMap,
        "",
        "headers of the request; those that may be secret stay with the origin of `url` when a redirect leaves it",
    ),
    Key::new("body", Shape::Text, "", "the body of the request"),
];

const KEYS: &[Key] = &[
    Key::new(
        "reuse",
        Shape::Flag,
        "false",
        "keep the connection for the next run: measures warm latency, and hides trouble with names, connections and TLS",
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
    client: Client,
    wanted: Expectations,
    manners: Manners,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    let mut faults = Vec::new();
    let request = Request::of(settings, &workshop.user_agent).map_err(|all| faults.extend(all));
    let client = Client::of(settings, request.as_ref().ok().map(Request::target), workshop).map_err(|all| faults.extend(all));
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
    let (Ok(request), Ok(client), Ok(wanted)) = (request, client, wanted) else {
        return Err(faults);
    };
    Ok(Arc::new(HttpProbe {
        host: client.host(request.target()),
        client,
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

impl Probe for HttpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            match self.client.ask(&self.request, self.wanted.need_body(), deadline, &mut trace).await {
                Ok(answer) => self.judge(&answer, trace),
                // A token that is refused is as good as an answer that says so.
                Err(failure) if self.manners.auth_is_down && !failure.reason.is_ours() => {
                    trace.ended(Outcome::Down, failure.reason, deadline.started.elapsed(), &failure.message)
                }
                Err(failure) => trace.failed(failure, deadline.started.elapsed()),
            }
        })
    }
}

impl HttpProbe {
    fn judge(&self, answer: &Answer, mut trace: Trace) -> Observation {
        let verdict = judge(&self.wanted, &answer.seen(&trace.hop), self.manners);
        trace.detail.vendor_clock = vendor_clock(&answer.headers);
        trace.detail.expectations = verdict.expectations;
        if verdict.outcome != Outcome::Up {
            trace.detail.evidence = answer.evidence();
        }
        trace.ended(verdict.outcome, verdict.reason, answer.latency, &verdict.message)
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
