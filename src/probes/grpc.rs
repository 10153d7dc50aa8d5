//! `kind = "grpc"`: what a server says of itself in `grpc.health.v1.Health/Check`, over HTTP/2 on a connection of its own.
//!
//! The call is made by hand: one tiny message each way does not need a framework.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, TE, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Offer, Target};
use super::dialogue::{Said, header_lines};
use super::failure::{Deadline, Failure, Trace, timed};
use super::http::exchange::{Line, Stream, failure};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop, tls};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

mod health;
#[cfg(test)]
mod tests;

pub(super) const KIND: Kind = Kind {
    name: "grpc",
    help: "what a gRPC server says of its health (grpc.health.v1.Health/Check)",
    keys: &[KEYS, dial::TLS_KEYS, dial::KEYS, condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new("grpc", &["grpc.status", "latency", "cert.days_left", "cert.issuer", "tls.version", "ip"]);

const SERVING: &str = "grpc.status == 'SERVING'";

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "whom to ask: `api.vendor.example:443` or `[2001:db8::1]:50051`"),
    Key::new("service", Shape::Text, "\"\"", "the service to ask about, for example `acme.v1.Orders`; empty: the server as a whole"),
    Key::new("tls", Shape::Flag, "true", "speak TLS; false: HTTP/2 in plain text"),
];

/// The answer has two bytes, and whatever a server adds to them.
const ANSWER_BYTES_MAX: usize = 64 << 10;

struct GrpcProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    secure: bool,
    uri: Uri,
    user_agent: HeaderValue,
    service: String,
    wanted: Expectations,
}

/// How the call ended.
struct Answer {
    /// `SERVING` and so on; of a call that failed its own status, as `UNAVAILABLE`.
    status: Cow<'static, str>,
    /// Nobody answers such calls there.
    is_unimplemented: bool,
    /// What the server says beside it.
    message: String,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(GrpcProbe::of(settings, workshop)?))
}

impl Probe for GrpcProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let (mut trace, mut said) = (Trace::default(), Said::default());
            trace.begin(self.host.as_str().into());
            let answer = self.look(deadline, &mut trace, &mut said).await;
            let duration = deadline.started.elapsed();
            let mut seen = match answer {
                Ok(answer) => self.judge(&answer, trace, duration),
                Err(failure) => trace.failed(failure, duration),
            };
            if seen.outcome != Outcome::Up {
                said.request = format!("POST {} (service {:?})", self.uri, self.service);
                if said.response.is_empty() {
                    said.response.extend(seen.detail.last_hop().map(tls::chain));
                }
                seen.detail.evidence = said.evidence();
            }
            seen
        })
    }
}

impl GrpcProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let secure = settings.flag("tls") != Some(&false);
        let target = dial::address(settings).map_err(|fault| faults.push(fault));
        let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
        let (Ok(target), Ok(dialer), Ok(wanted)) = (target, dialer, wanted) else { return Err(faults) };
        let uri = uri(settings, &target, secure).map_err(|fault| vec![fault])?;
        Ok(GrpcProbe {
            host: target.shown(),
            target,
            dialer,
            secure,
            uri,
            user_agent: HeaderValue::from_str(&workshop.user_agent).unwrap_or(HeaderValue::from_static("vendord")),
            service: settings.text("service").unwrap_or_default().to_owned(),
            wanted: wanted.with_default(SERVING, &SCOPE),
        })
    }

    async fn look(&self, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<Answer, Failure> {
        let stream = self.stream(deadline, trace).await?;
        let what = || format!("no response head from {}", self.host);
        let asking = deadline.bound(self.ask(stream, deadline), Reason::TimeoutHeaders, what);
        let (response, line) = timed(&mut trace.hop.phases.processing, asking).await??;
        let (head, body) = response.into_parts();
        trace.hop.http_status = Some(head.status.as_u16());
        said.response = format!("HTTP/2 {}\n{}", head.status, header_lines(&head.headers));
        if head.status != StatusCode::OK {
            return Err(Failure::new(Reason::HttpStatus, format!("{}, wanted 200 of a gRPC server", head.status)));
        }
        let what = || format!("no complete answer from {}", self.host);
        let reading = deadline.bound(self.read(&head.headers, body, line, said), Reason::TimeoutBody, what);
        timed(&mut trace.hop.phases.transfer, reading).await?
    }

    async fn stream(&self, deadline: Deadline, trace: &mut Trace) -> Result<Box<dyn Stream>, Failure> {
        let stream = self.dialer.connect(&self.target, deadline, trace).await?;
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let stream = self.dialer.secure(stream, &self.target, Offer::Http2, deadline, trace).await?;
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(self.foreign("does not offer HTTP/2"));
        }
        Ok(Box::new(stream))
    }

    async fn ask(&self, stream: Box<dyn Stream>, deadline: Deadline) -> Result<(Response<Incoming>, Line), Failure> {
        let request = self.request(deadline);
        let asked = async {
            let mut line = Line::open(TokioIo::new(stream), true).await?;
            let response = line.ask(request).await?;
            Ok((response, line))
        };
        asked.await.map_err(|error| failure(&self.host, &error))
    }

    fn request(&self, deadline: Deadline) -> Request<Full<Bytes>> {
        let mut request = Request::post(self.uri.clone()).body(Full::from(health::request(&self.service))).unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, self.user_agent.clone());
        // At most eight digits; so that the server does not work on for nobody.
        let left = deadline.timeout.saturating_sub(deadline.started.elapsed()).as_millis().clamp(1, 99_999_999);
        headers.insert("grpc-timeout", HeaderValue::try_from(format!("{left}m")).unwrap_or(HeaderValue::from_static("10S")));
        request
    }

    /// The message and what comes after it. An answer without a message has everything in its head.
    async fn read(&self, head: &HeaderMap, mut body: Incoming, mut line: Line, said: &mut Said) -> Result<Answer, Failure> {
        let content = head.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        if !content.as_deref().is_some_and(|content| content.starts_with("application/grpc")) {
            return Err(self.foreign(&format!("answers with {} and not with gRPC", content.as_deref().unwrap_or("no type"))));
        }
        let mut trailers = HeaderMap::new();
        while let Some(frame) = line.drive(body.frame()).await {
            let frame = frame.map_err(|error| failure(&self.host, &error))?;
            match frame.into_data() {
                Ok(data) if said.body.len() + data.len() > ANSWER_BYTES_MAX => {
                    return Err(Failure::new(Reason::BodyTooLarge, format!("{} sends more than 64 KiB", self.host)));
                }
                Ok(data) => said.body.extend_from_slice(&data),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        said.response.push_str(&header_lines(&trailers));
        let of = |name: &str| trailers.get(name).or_else(|| head.get(name)).map(HeaderValue::as_bytes);
        let code = of("grpc-status").and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
        let code: u64 = code.ok_or_else(|| self.foreign("ends its answer without a grpc-status"))?;
        let status = match code {
            health::OK => health::serving(&said.body).map_err(|what| self.foreign(&format!("sends {what}")))?,
            code => health::call_status(code),
        };
        let message = of("grpc-message").map(health::decoded).unwrap_or_default();
        Ok(Answer { status, is_unimplemented: code == health::UNIMPLEMENTED, message })
    }

    fn foreign(&self, what: &str) -> Failure {
        Failure::new(Reason::Protocol, format!("{} {what}", self.host))
    }

    fn judge(&self, answer: &Answer, mut trace: Trace, latency: Duration) -> Observation {
        let seen = Seen { latency, grpc_status: Some(&answer.status), ..Seen::of(&trace.hop, clock::now()) };
        let mut verdict = judge(&self.wanted, &seen, Manners { said: "answered", ..Manners::default() });
        if verdict.outcome == Outcome::Up {
            verdict.message = answer.status.to_string();
        } else if !answer.message.is_empty() {
            verdict.message = format!("{}: {}", verdict.message, answer.message);
        }
        if verdict.outcome == Outcome::Down && answer.is_unimplemented {
            verdict.reason = Reason::Protocol;
        }
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }
}

/// Whom we ask, by the name that TLS asks for where it is another one.
fn uri(settings: &Settings, target: &Target, secure: bool) -> Result<Uri, Fault> {
    let scheme = if secure { "https" } else { "http" };
    let authority = settings.text("server_name").map_or_else(|| target.shown(), str::to_owned);
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(health::PATH).build();
    uri.map_err(|error| Fault::new("address", format!("nobody can be asked there: {error}")))
}
