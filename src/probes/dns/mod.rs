//! `kind = "dns"`: one question to a name server, over UDP, TCP, TLS or HTTPS, and what is expected of its answer.
//!
//! - Nothing is remembered: every run asks, over a socket or connection of its own.
//! - One deadline bounds the whole run, retries included; no answer is longer than 64 KiB.
//! - A silent or broken server that *is* this machine's resolver is our own fault, one that the check names is not.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Target};
use super::failure::{Deadline, Failure, Trace, evidence, timed};
use super::http::{Client, Request};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::{Built, Value};
use crate::model::{Fault, Key, Observation, Outcome, Reason, Secret, Settings, Shape};

mod answer;
mod authorities;
mod exchange;
mod expected;
mod question;
#[cfg(test)]
mod tests;

use answer::Answer;
pub use answer::any_answer;
use exchange::{Datagram, literal, over_https, over_stream, over_udp};
use expected::Expected;
use question::Question;

pub(super) const KIND: Kind = Kind {
    name: "dns",
    help: "what a name server answers, over UDP, TCP, TLS or HTTPS",
    keys: &[KEYS, dial::KEYS, dial::TLS_KEYS, condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new(
    "dns",
    &["latency", "dns.rcode", "dns.answers", "dns.ttl", "dns.serial", "ip", "cert.days_left", "cert.issuer", "tls.version"],
);

const KEYS: &[Key] = &[
    Key::new("record_name", Shape::Text, "", "what is asked for: `vendor.example`, for PTR also an address; default: the check's `name`"),
    Key::new("record_type", Shape::OneOf(question::TYPES), "\"A\"", "which records are asked for"),
    Key::new(
        "server",
        Shape::Text,
        "",
        "whom to ask: `9.9.9.9`, `ns1.vendor.example:53`, or for https the URL; default: this system's name servers",
    ),
    Key::new("transport", Shape::OneOf(TRANSPORTS), "\"udp\"", "how to ask; udp goes on over TCP where the answer does not fit"),
    Key::new(
        "expect_rcode",
        Shape::WordList(expected::CODES),
        "",
        "the response codes that are good; then an answer without records is too; default: NOERROR with at least one record",
    ),
    Key::new(
        "expect_answers",
        Shape::Table(expected::ANSWERS),
        "",
        "the records that are wanted, as a zone file writes them: { any = [..] }, { all = [..] } or { exact = [..] }",
    ),
    Key::new("serial", Shape::Flag, "false", "for SOA: ask every name server of the zone too, and want the same serial of all of them"),
    Key::new("expect_authenticated", Shape::Flag, "false", "want the server's word that it validated the answer by DNSSEC (the AD flag)"),
];

const TRANSPORTS: &[&str] = &["udp", "tcp", "tls", "https"];

const PORT: u16 = 53;
/// RFC 7858 3.1.
const TLS_PORT: u16 = 853;

/// No answer over HTTPS is longer than one over TCP.
const ANSWER_BYTES_MAX: u64 = 65_535;

struct DnsProbe {
    question: Question,
    place: Place,
    dialer: Dialer,
    expected: Expected,
    wanted: Expectations,
    serial: bool,
    host: String,
    /// Of a zone's name servers.
    authority_port: u16,
}

/// Whom is asked, and how.
enum Place {
    /// This system's name servers.
    System {
        tcp: bool,
    },
    Udp(Target),
    Tcp(Target),
    Tls(Target),
    Https(Box<(Client, Request)>),
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    make(settings, workshop).map(|probe| Arc::new(probe) as Arc<dyn Probe>)
}

fn make(settings: &Settings, workshop: &Workshop) -> Result<DnsProbe, Vec<Fault>> {
    let mut faults = Vec::new();
    let question = Question::of(settings).map_err(|fault| faults.push(fault));
    let place = Place::of(settings, workshop).map_err(|all| faults.extend(all));
    let target = place.as_ref().ok().and_then(Place::target);
    let dialer = Dialer::of(settings, target, workshop).map_err(|all| faults.extend(all));
    let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
    let code_is_judged = wanted.as_ref().is_ok_and(Expectations::name_rcode);
    let expected = Expected::of(settings, question.as_ref().ok(), code_is_judged).map_err(|all| faults.extend(all));
    let serial = settings.on("serial");
    if serial && settings.text("record_type") != Some("SOA") {
        let fault = Fault::new("serial", "only a SOA record has a serial");
        faults.push(fault.hint("write record_type = \"SOA\", or leave serial out"));
    }
    let (Ok(question), Ok(place), Ok(dialer), Ok(wanted), Ok(expected), true) =
        (question, place, dialer, wanted, expected, faults.is_empty())
    else {
        return Err(faults);
    };
    let host = place.target().map_or_else(|| format!("{}:{PORT}", answer::shown(&question.name)), Target::shown);
    Ok(DnsProbe { question, place, dialer, expected, wanted, serial, host, authority_port: PORT })
}

impl Place {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let transport = settings.text("transport").unwrap_or("udp");
        let of_url =
            |text: &str| Fault::new("server", format!("{text:?} is a URL")).hint("write transport = \"https\" too, or a host and port");
        match (settings.text("server"), transport) {
            (None, "udp") => Ok(Place::System { tcp: false }),
            (None, "tcp") => Ok(Place::System { tcp: true }),
            (None, secure) => {
                let fault = Fault::new("transport", format!("who is asked over {secure} must be named"));
                Err(vec![fault.hint("write for example server = \"dns.quad9.net\"")])
            }
            (Some(text), "https") => https(text, settings, workshop),
            (Some(text), _) if text.contains("://") => Err(vec![of_url(text)]),
            (Some(text), "tcp") => Ok(Place::Tcp(target(text, PORT)?)),
            (Some(text), "tls") => Ok(Place::Tls(target(text, TLS_PORT)?)),
            (Some(text), _) => Ok(Place::Udp(target(text, PORT)?)),
        }
    }

    fn target(&self) -> Option<&Target> {
        match self {
            Place::System { .. } => None,
            Place::Udp(target) | Place::Tcp(target) | Place::Tls(target) => Some(target),
            Place::Https(asks) => Some(asks.1.target()),
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Place::System { tcp: false } | Place::Udp(_) => "UDP",
            Place::System { tcp: true } | Place::Tcp(_) => "TCP",
            Place::Tls(_) => "TLS",
            Place::Https(_) => "HTTPS",
        }
    }
}

/// A host with or without a port: `9.9.9.9`, `ns1.vendor.example:53`, `2620:fe::fe`, `[2620:fe::fe]:53`.
fn target(text: &str, port: u16) -> Result<Target, Vec<Fault>> {
    let fault =
        |why: String| vec![Fault::new("server", why).hint("write for example \"9.9.9.9\", \"ns1.vendor.example\" or \"[2620:fe::fe]:53\"")];
    if let Ok(ip) = text.parse() {
        return Ok(literal(SocketAddr::new(ip, port)));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => match number.parse() {
            Ok(0) | Err(_) => return Err(fault(format!("{number:?} is not a port"))),
            Ok(number) => (host, number),
        },
        _ => (text, port),
    };
    let host = Host::parse(host).map_err(|error| fault(format!("{host:?} is not a host: {error}")))?;
    Ok(Target { host, port, configured: true })
}

fn https(text: &str, settings: &Settings, workshop: &Workshop) -> Result<Place, Vec<Fault>> {
    const EXAMPLE: &str = "write for example \"https://dns.quad9.net/dns-query\" or \"dns.quad9.net\"";
    let bare = text.parse().map_or_else(|_| text.to_owned(), |ip: std::net::Ipv6Addr| format!("[{ip}]"));
    let url = if text.contains("://") { text.to_owned() } else { format!("https://{bare}/dns-query") };
    if Url::parse(&url).is_ok_and(|url| url.scheme() != "https") {
        return Err(vec![Fault::new("server", format!("{text:?} is not an https URL")).hint(EXAMPLE)]);
    }
    let media = || Secret::new(exchange::MEDIA_TYPE.to_owned());
    let mut asks = settings.clone();
    asks.0.extend([
        ("url", Value::Text(url)),
        ("method", Value::Text("POST".into())),
        ("headers", Value::SecretMap([("Content-Type".into(), media()), ("Accept".into(), media())].into())),
        ("http_version", Value::Text("2".into())),
        ("redirects", Value::Flag(false)),
        ("body_bytes_max", Value::Size(ANSWER_BYTES_MAX)),
    ]);
    let as_server = |fault: Fault| Fault { key: "server", at: None, ..fault }.hint(EXAMPLE);
    let request = Request::of(&asks, &workshop.user_agent).map_err(|all| all.into_iter().map(as_server).collect::<Vec<_>>())?;
    let client = Client::of(&asks, Some(request.target()), workshop)?;
    Ok(Place::Https(Box::new((client, request))))
}

impl Probe for DnsProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            let answered = self.exchange(&self.question, deadline, &mut trace).await;
            let latency = deadline.started.elapsed();
            match answered {
                Ok(answer) => self.judge(&answer, latency, deadline, trace).await,
                Err(failure) => {
                    if trace.detail.evidence.is_none() {
                        trace.detail.evidence = evidence(&self.asked(), "", &[]);
                    }
                    let outcome =
                        if failure.reason == Reason::RateLimited || failure.reason.is_ours() { Outcome::Unknown } else { Outcome::Down };
                    trace.ended(outcome, failure.reason, latency, &failure.message)
                }
            }
        })
    }
}

impl DnsProbe {
    async fn exchange(&self, question: &Question, deadline: Deadline, trace: &mut Trace) -> Result<Answer, Failure> {
        match &self.place {
            Place::System { tcp } => self.ask_system(*tcp, question, deadline, trace).await.map_err(ours),
            Place::Udp(target) => {
                trace.begin(target.shown().into());
                let places = self.dialer.addresses(target, deadline, trace).await?;
                self.ask_datagrams(&places, question, deadline, trace).await
            }
            Place::Tcp(target) | Place::Tls(target) => {
                trace.begin(target.shown().into());
                let secure = matches!(self.place, Place::Tls(_));
                over_stream(&self.dialer, target, secure, question, deadline, trace).await
            }
            Place::Https(asks) => over_https(&asks.0, &asks.1, question, deadline, trace).await,
        }
    }

    async fn ask_system(&self, tcp: bool, question: &Question, deadline: Deadline, trace: &mut Trace) -> Result<Answer, Failure> {
        let places = self.dialer.resolver.servers().await?;
        trace.begin(places[0].to_string().into());
        if !tcp {
            return self.ask_datagrams(&places, question, deadline, trace).await;
        }
        let mut failed = None;
        for place in places {
            match over_stream(&self.dialer, &literal(place), false, question, deadline, trace).await {
                Err(failure) if matches!(failure.reason, Reason::ConnectRefused | Reason::ConnectUnreachable) => failed = Some(failure),
                ended => return ended,
            }
        }
        Err(failed.unwrap_or_else(|| Failure::new(Reason::DnsLocal, "no name server is configured here")))
    }

    async fn ask_datagrams(
        &self,
        places: &[SocketAddr],
        question: &Question,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<Answer, Failure> {
        trace.hop.address = places.first().copied();
        let said = timed(&mut trace.hop.phases.processing, over_udp(places, question, deadline)).await?;
        match said {
            Datagram::Answer(answer, place) => {
                trace.hop.address = Some(place);
                Ok(answer)
            }
            Datagram::Truncated(place) => over_stream(&self.dialer, &literal(place), false, question, deadline, trace).await,
        }
    }

    async fn judge(&self, answer: &Answer, latency: Duration, deadline: Deadline, mut trace: Trace) -> Observation {
        let mut held = self.expected.hold(answer, &self.question.shown());
        if self.serial && answer.serial.is_some() {
            held.push(self.serials(deadline).await);
        }
        let seen = Seen {
            latency,
            dns_rcode: Some(&answer.rcode),
            dns_answers: Some(&answer.answers),
            dns_ttl: answer.ttl,
            dns_serial: answer.serial,
            ..Seen::of(&trace.hop, clock::now())
        };
        let mut verdict = judge(&self.wanted, &seen, Manners { said: "answered", ..Manners::default() });
        if let Some(failed) = held.iter().find(|held| !held.expectation.passed) {
            verdict.outcome = Outcome::Down;
            verdict.reason = failed.reason;
            verdict.message =
                format!("{}: wanted {}, saw {}", self.question.shown(), failed.expectation.expression, failed.expectation.seen);
        } else if verdict.outcome == Outcome::Up {
            verdict.message = answer.said();
        }
        if verdict.outcome != Outcome::Up {
            trace.detail.evidence = evidence(&self.asked(), &self.heard(answer), answer.answers.join("\n").as_bytes());
        }
        trace.detail.expectations = held.into_iter().map(|held| held.expectation).chain(verdict.expectations).collect();
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }

    fn asked(&self) -> String {
        let whom = self.place.target().map_or_else(|| "this system's name servers".into(), Target::shown);
        format!("{} of {whom} over {}", self.question.shown(), self.place.word())
    }

    fn heard(&self, answer: &Answer) -> String {
        let validated = if answer.authenticated { ", authenticated" } else { "" };
        format!("{}{validated}", answer.said())
    }
}

/// This machine's resolver is no vendor: that it cannot be asked says nothing about the name.
fn ours(failure: Failure) -> Failure {
    match failure.reason {
        Reason::ConnectRefused | Reason::ConnectUnreachable | Reason::ConnectTimeout => Failure { reason: Reason::DnsLocal, ..failure },
        _ => failure,
    }
}
