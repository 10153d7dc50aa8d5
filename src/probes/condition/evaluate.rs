//! Conditions against what was seen. Nothing here can fail: what cannot be compared did not hold.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::time::Duration;

use ::http::HeaderMap;
use serde_json::Value as Json;
use serde_json_path::JsonPath;

use super::{Comparison, Condition, Literal, Subject, Test};
use crate::model::Timestamp;
use crate::model::observation::{Chain, Expectation, Hop};
use crate::probes::failure::clean;

/// Enough of a value to recognise it in an alert.
const SEEN_CHARS_MAX: usize = 80;

/// What a run saw. What a kind does not have stays empty.
#[derive(Debug, Default)]
pub(in crate::probes) struct Seen<'a> {
    pub status: Option<u16>,
    pub latency: Duration,
    /// Decoded.
    pub body: Option<&'a [u8]>,
    pub headers: Option<&'a HeaderMap>,
    pub cert_days_left: Option<f64>,
    pub cert_issuer: Option<&'a str>,
    pub tls_version: Option<&'a str>,
    pub http_version: Option<&'a str>,
    pub redirects: Option<u64>,
    pub ip: Option<IpAddr>,
    /// `NOERROR`, `NXDOMAIN` and so on (RFC 8914 calls it the response code).
    pub dns_rcode: Option<&'a str>,
    /// As a zone file writes them, without the final dot of names.
    pub dns_answers: Option<&'a [String]>,
    /// The shortest of the answers.
    pub dns_ttl: Option<Duration>,
    pub dns_serial: Option<u32>,
    /// `SERVING`, `NOT_SERVING` and so on.
    pub grpc_status: Option<&'a str>,
    /// The median of what came back.
    pub rtt: Option<Duration>,
    /// 0 to 1.
    pub loss: Option<f64>,
    /// What each step saw, by its name, as far as the run came.
    pub steps: Vec<(&'a str, Seen<'a>)>,
    /// Read when the first condition asks.
    pub text: OnceCell<Cow<'a, str>>,
    pub json: OnceCell<Option<Json>>,
}

impl<'a> Seen<'a> {
    /// What every connection shows: address, TLS version and certificate.
    pub fn of(hop: &'a Hop, now: Timestamp) -> Self {
        const DAY_MS: f64 = 86_400_000.0;
        let chain = hop.chain.as_deref();
        Seen {
            cert_days_left: chain.map(|chain| chain.not_after.millis_since(now) as f64 / DAY_MS),
            cert_issuer: chain.and_then(Chain::leaf).map(|leaf| leaf.issuer.as_str()),
            tls_version: hop.tls_version,
            ip: hop.address.map(|address| address.ip()),
            ..Seen::default()
        }
    }

    fn text(&self) -> Option<&str> {
        let body = self.body?;
        Some(self.text.get_or_init(|| String::from_utf8_lossy(body)))
    }

    fn json(&self) -> Result<&Json, String> {
        let body = self.body.unwrap_or_default();
        self.json.get_or_init(|| serde_json::from_slice(without_mark(body)).ok()).as_ref().ok_or_else(|| match body {
            [] => "an empty body".into(),
            _ => format!("a body that is not JSON: {}", quoted(self.text().unwrap_or_default())),
        })
    }
}

/// Some servers begin JSON with a byte order mark, which RFC 8259 8.1 lets readers ignore.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// A condition that was held against an answer.
pub(in crate::probes) struct Held<'a> {
    pub condition: &'a Condition,
    pub passed: bool,
    pub seen: String,
}

impl From<Held<'_>> for Expectation {
    fn from(held: Held<'_>) -> Self {
        Expectation { expression: held.condition.expression.clone(), passed: held.passed, seen: held.seen }
    }
}

/// A subject's value.
enum Found<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Texts(&'a [String]),
    Json(&'a Json),
    Nodes(usize),
}

impl Condition {
    pub fn hold<'a>(&'a self, seen: &Seen<'_>) -> Held<'a> {
        let (passed, seen) = match self.subject.find(seen, &self.test) {
            Ok(found) => (self.test.passes(&found), self.subject.show(&found)),
            Err(missing) => (false, missing),
        };
        Held { condition: self, passed, seen }
    }
}

impl Subject {
    /// The value, or what was seen in its place.
    fn find<'a>(&self, seen: &'a Seen<'_>, test: &Test) -> Result<Found<'a>, String> {
        let number = |value: Option<f64>, missing: &str| value.map(Found::Number).ok_or_else(|| missing.to_owned());
        let word = |value: Option<&'a str>, missing: &str| value.map(|word| Found::Text(word.into())).ok_or_else(|| missing.to_owned());
        match self {
            Subject::Status => number(seen.status.map(f64::from), "no status"),
            Subject::Latency => Ok(Found::Number(seen.latency.as_secs_f64())),
            Subject::Body => Ok(Found::Text(seen.text().unwrap_or_default().into())),
            Subject::BodyBytes => Ok(Found::Number(seen.body.map_or(0, <[u8]>::len) as f64)),
            Subject::Header(name) => header(seen.headers, name),
            Subject::Path(path) => node(path, seen.json()?, test),
            Subject::Count(path) => Ok(Found::Number(path.query(seen.json()?).len() as f64)),
            Subject::CertDaysLeft => number(seen.cert_days_left, "no certificate"),
            Subject::CertIssuer => match seen.cert_issuer {
                Some(issuer) => Ok(Found::Text(issuer.into())),
                None => Err("no certificate".into()),
            },
            Subject::TlsVersion => number(version(seen.tls_version), "no TLS"),
            Subject::HttpVersion => number(version(seen.http_version), "no HTTP"),
            Subject::Redirects => number(seen.redirects.map(|n| n as f64), "no redirects"),
            Subject::DnsTtl => number(seen.dns_ttl.map(|ttl| ttl.as_secs_f64()), "no answer"),
            Subject::DnsSerial => number(seen.dns_serial.map(f64::from), "no serial"),
            Subject::DnsRcode => word(seen.dns_rcode, "no answer"),
            Subject::GrpcStatus => word(seen.grpc_status, "no answer"),
            Subject::DnsAnswers => match seen.dns_answers {
                Some(answers) if !answers.is_empty() || !matches!(test, Test::Exists) => Ok(Found::Texts(answers)),
                _ => Err("no answers".into()),
            },
            Subject::Rtt => number(seen.rtt.map(|rtt| rtt.as_secs_f64()), "nothing came back"),
            Subject::Loss => number(seen.loss, "nothing was sent"),
            Subject::Step(name, inner) => match seen.steps.iter().find(|(step, _)| step == name) {
                Some((_, seen)) => inner.find(seen, test),
                None => Err(format!("the run did not come to step {name}")),
            },
            Subject::Ip => match seen.ip {
                Some(ip) => Ok(Found::Text(ip.to_string().into())),
                None => Err("no address".into()),
            },
        }
    }

    fn show(&self, found: &Found<'_>) -> String {
        match found {
            found if let Subject::Step(_, inner) = self => inner.show(found),
            Found::Number(n) if matches!(self, Subject::Latency | Subject::Rtt | Subject::DnsTtl) => show_latency(*n),
            Found::Texts([]) => "no answers".into(),
            Found::Texts(texts) => quoted(&texts.join(", ")),
            Found::Number(n) if matches!(self, Subject::CertDaysLeft) => format!("{n:.1}"),
            Found::Number(n) => n.to_string(),
            Found::Text(text) => quoted(text),
            Found::Json(json) => show_json(json),
            Found::Nodes(count) => format!("{count} nodes"),
        }
    }
}

/// Microseconds matter where there are few of them.
fn show_latency(seconds: f64) -> String {
    const FINE: f64 = 0.01;
    let micros = if seconds < FINE { (seconds * 1e6).round() } else { (seconds * 1e3).round() * 1e3 };
    format!("{:?}", Duration::from_micros(micros as u64))
}

fn version(word: Option<&str>) -> Option<f64> {
    word?.parse().ok()
}

fn quoted(text: &str) -> String {
    format!("'{}'", clean(text, SEEN_CHARS_MAX))
}

fn show_json(json: &Json) -> String {
    match json {
        Json::String(text) => quoted(text),
        Json::Array(items) => format!("an array of {}", items.len()),
        Json::Object(_) => "an object".into(),
        plain => plain.to_string(),
    }
}

/// A header that comes more than once is one list (RFC 9110 5.3).
fn header<'a>(headers: Option<&'a HeaderMap>, name: &::http::HeaderName) -> Result<Found<'a>, String> {
    let mut values = headers.into_iter().flat_map(|headers| headers.get_all(name)).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(first) = values.next() else {
        return Err("no such header".into());
    };
    Ok(Found::Text(values.fold(first, |all, next| all + ", " + next)))
}

fn node<'a>(path: &JsonPath, json: &'a Json, test: &Test) -> Result<Found<'a>, String> {
    let nodes = path.query(json);
    match nodes.len() {
        0 => Err("nothing there".into()),
        1 => Ok(nodes.first().map_or(Found::Nodes(0), Found::Json)),
        many if matches!(test, Test::Exists) => Ok(Found::Nodes(many)),
        many => Err(format!("{many} nodes where one is wanted")),
    }
}

impl Test {
    fn passes(&self, found: &Found<'_>) -> bool {
        match self {
            Test::Exists => true,
            Test::Compare(how, wanted) => compare(*how, found, wanted).unwrap_or(false),
            Test::In(wanted) if let Found::Texts(texts) = found => {
                let one = |text: &String| wanted.iter().any(|wanted| matches!(wanted, Literal::Text(wanted) if wanted == text));
                !texts.is_empty() && texts.iter().all(one)
            }
            Test::Matches(regex) if let Found::Texts(texts) = found => texts.iter().any(|text| regex.is_match(text)),
            Test::In(wanted) => wanted.iter().any(|one| equal(found, one) == Some(true)),
            Test::Contains(wanted) => contains(found, wanted),
            Test::Matches(regex) => text_of(found).is_some_and(|text| regex.is_match(text)),
        }
    }
}

/// `None`: they cannot be compared.
fn compare(how: Comparison, found: &Found<'_>, wanted: &Literal) -> Option<bool> {
    match how {
        Comparison::Equal => return equal(found, wanted),
        Comparison::Unequal => return equal(found, wanted).map(|same| !same),
        _ => {}
    }
    let Literal::Number(wanted) = wanted else {
        return None;
    };
    let order = number_of(found)?.partial_cmp(wanted)?;
    Some(match how {
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn equal(found: &Found<'_>, wanted: &Literal) -> Option<bool> {
    match (found, wanted) {
        (Found::Json(json), Literal::Null) => Some(json.is_null()),
        // Nothing that can be written but null is null: `$.error != 'x'` holds where error is null.
        (Found::Json(Json::Null), _) => Some(false),
        (Found::Json(Json::Bool(flag)), Literal::Flag(wanted)) => Some(flag == wanted),
        (found, Literal::Number(wanted)) => Some(number_of(found)? == *wanted),
        (Found::Texts(texts), Literal::Text(wanted)) => Some(!texts.is_empty() && texts.iter().all(|text| text == wanted)),
        (found, Literal::Text(wanted)) => Some(text_of(found)? == wanted),
        _ => None,
    }
}

fn contains(found: &Found<'_>, wanted: &Literal) -> bool {
    match (found, wanted) {
        (Found::Json(Json::Array(items)), wanted) => items.iter().any(|item| equal(&Found::Json(item), wanted) == Some(true)),
        (Found::Texts(texts), Literal::Text(wanted)) => texts.contains(wanted),
        (found, Literal::Text(wanted)) => text_of(found).is_some_and(|text| text.contains(wanted.as_str())),
        _ => false,
    }
}

fn number_of(found: &Found<'_>) -> Option<f64> {
    match found {
        Found::Number(n) => Some(*n),
        Found::Text(text) => text.trim().parse().ok(),
        Found::Json(json) => json.as_f64(),
        Found::Texts(_) | Found::Nodes(_) => None,
    }
}

fn text_of<'a>(found: &'a Found<'_>) -> Option<&'a str> {
    match found {
        Found::Text(text) => Some(text),
        Found::Json(json) => json.as_str(),
        _ => None,
    }
}
