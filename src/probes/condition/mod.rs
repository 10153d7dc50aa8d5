//! What a check expects: `SUBJECT OP VALUE`, compiled when the configuration is loaded.
//!
//! - Pure: no clock, no network. [`parse`] turns text into conditions, [`evaluate`] holds them against what was [`Seen`].
//! - A condition that is compiled cannot fail to be evaluated: a missing key or a wrong type at run time is an
//!   expectation that did not hold, with what was seen. Regular expressions run in linear time.
//! - Each kind says which subjects it has ([`Scope`]), and the rest are faults at load.

use std::mem::discriminant;
use std::time::Duration;

use ::http::HeaderName;
use regex::Regex;
use serde_json_path::JsonPath;

use crate::model::{Fault, Key, Settings, Shape};

mod evaluate;
mod parse;
#[cfg(test)]
mod tests;

pub(super) use evaluate::{Held, Seen};

/// More conditions on one answer are a test suite, and each costs time in every run.
const CONDITIONS_MAX: usize = 100;

/// The keys of every kind that can be expected of.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "expect",
        Shape::TextList,
        "",
        "conditions that must all hold, each `SUBJECT OP VALUE`: \"$.status == 'ok'\", \"latency < 2s\"",
    ),
    Key::new("expect_any", Shape::TextList, "", "conditions of which at least one must hold"),
    Key::new("degraded_over", Shape::Duration, "", "a run that was good but took longer than this counts as degraded"),
];

/// Sugar for answers that have a status and a body.
pub(super) const HTTP_KEYS: &[Key] = &[
    Key::new(
        "expect_status",
        Shape::CountList(100, 599),
        "",
        "the statuses that are good: `[200, 204]` is `status in [200, 204]`; without any condition on the status 2xx is wanted",
    ),
    Key::new("expect_body", Shape::Text, "", "a regular expression that must match somewhere in the body: `body matches '..'`"),
];

/// The subjects that a kind has, as they are written.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub kind: &'static str,
    pub subjects: &'static [&'static str],
    /// Names of steps, for `steps.NAME.SUBJECT`.
    pub steps: &'a [&'a str],
}

impl Scope<'_> {
    pub const fn new(kind: &'static str, subjects: &'static [&'static str]) -> Scope<'static> {
        Scope { kind, subjects, steps: &[] }
    }

    fn shown(&self) -> String {
        format!("kind {}", self.kind)
    }
}

/// Everything that a check expects of one run.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    pub all: Vec<Condition>,
    pub any: Vec<Condition>,
    pub degraded_over: Option<Duration>,
}

impl Expectations {
    pub fn compile(settings: &Settings, scope: &Scope<'_>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut expectations = Expectations {
            all: compile_list(settings, "expect", scope, &mut faults),
            any: compile_list(settings, "expect_any", scope, &mut faults),
            degraded_over: settings.duration("degraded_over").copied(),
        };
        expectations.all.extend(status_sugar(settings));
        match body_sugar(settings).transpose() {
            Ok(condition) => expectations.all.extend(condition),
            Err(fault) => faults.push(fault),
        }
        // They are kept for as long as the check.
        expectations.all.shrink_to_fit();
        expectations.any.shrink_to_fit();
        if faults.is_empty() { Ok(expectations) } else { Err(faults) }
    }

    /// With what is wanted where nothing is said of its subject.
    pub fn with_default(mut self, default: &'static str, scope: &Scope<'_>) -> Self {
        let default = parse::condition(default, scope).expect("the defaults of all kinds are compiled by their tests");
        let named = |condition: &Condition| discriminant(&condition.subject) == discriminant(&default.subject);
        if !self.each().any(named) {
            self.all.push(default);
        }
        self
    }

    fn each(&self) -> impl Iterator<Item = &Condition> {
        self.all.iter().chain(&self.any)
    }

    /// As [`Expectations::need_body`], for the body of one step.
    pub fn need_body_of(&self, step: &str) -> bool {
        self.each().any(|condition| matches!(&condition.subject, Subject::Step(name, inner) if name == step && inner.is_of_body()))
    }

    /// Somebody looks at the body, so it must be complete.
    pub fn need_body(&self) -> bool {
        self.each().any(|condition| condition.subject.is_of_body())
    }

    /// Nothing more of a body is needed: the conditions on it hold.
    pub fn are_met_by_body(&self, seen: &Seen<'_>) -> bool {
        let any_on_body = self.any.iter().any(|condition| condition.subject.is_of_body());
        self.all.iter().filter(|condition| condition.subject.is_of_body()).all(|condition| condition.hold(seen).passed)
            && (!any_on_body || self.any.iter().any(|condition| condition.hold(seen).passed))
    }

    pub fn name_status(&self) -> bool {
        self.each().any(Condition::is_on_status)
    }

    pub fn name_rcode(&self) -> bool {
        self.each().any(|condition| matches!(condition.subject, Subject::DnsRcode))
    }

    /// A condition that names this very status, as `status == 401` does and `status < 500` does not.
    pub fn want_status(&self, status: u16) -> bool {
        let wanted = Literal::Number(f64::from(status));
        self.each().filter(|condition| condition.is_on_status()).any(|condition| match &condition.test {
            Test::Compare(Comparison::Equal, value) => *value == wanted,
            Test::In(values) => values.contains(&wanted),
            _ => false,
        })
    }
}

fn compile_list(settings: &Settings, key: &'static str, scope: &Scope<'_>, faults: &mut Vec<Fault>) -> Vec<Condition> {
    let texts = settings.texts(key).unwrap_or_default();
    if texts.len() > CONDITIONS_MAX {
        let message = format!("{} conditions are more than {CONDITIONS_MAX}", texts.len());
        faults.push(Fault::new(key, message));
        return Vec::new();
    }
    let mut conditions = Vec::with_capacity(texts.len());
    for (item, text) in texts.iter().enumerate() {
        match parse::condition(text, scope) {
            Ok(condition) => conditions.push(condition),
            Err(problem) => faults.push(problem.fault(key).item(item)),
        }
    }
    conditions
}

fn status_sugar(settings: &Settings) -> Option<Condition> {
    let statuses = settings.counts("expect_status")?;
    Some(Condition {
        expression: format!("status in {statuses:?}"),
        subject: Subject::Status,
        test: Test::In(statuses.iter().map(|s| Literal::Number(*s as f64)).collect()),
    })
}

fn body_sugar(settings: &Settings) -> Option<Result<Condition, Fault>> {
    let text = settings.text("expect_body")?;
    Some(
        parse::regex(text)
            .map(|regex| Condition { expression: format!("body matches '{text}'"), subject: Subject::Body, test: Test::Matches(regex) })
            .map_err(|problem| problem.fault("expect_body")),
    )
}

/// One condition, as written and compiled.
#[derive(Debug)]
pub(super) struct Condition {
    pub expression: String,
    subject: Subject,
    test: Test,
}

impl Condition {
    pub fn is_on_status(&self) -> bool {
        matches!(self.subject, Subject::Status)
    }
}

#[derive(Debug)]
enum Subject {
    Status,
    Latency,
    Body,
    BodyBytes,
    Header(HeaderName),
    Path(JsonPath),
    Count(JsonPath),
    CertDaysLeft,
    CertIssuer,
    TlsVersion,
    HttpVersion,
    Redirects,
    Ip,
    DnsRcode,
    DnsAnswers,
    DnsTtl,
    DnsSerial,
    GrpcStatus,
    Rtt,
    Loss,
    Step(String, Box<Subject>),
}

/// What a subject is, hence what it can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Number,
    Duration,
    Size,
    Text,
    /// Several texts: `contains` and `matches` want one of them, `==` and `in` all.
    Texts,
    /// Text that may be compared as a number too.
    Header,
    Version,
    /// Known at run time only.
    Json,
}

impl Subject {
    fn is_of_body(&self) -> bool {
        match self {
            Subject::Body | Subject::BodyBytes | Subject::Path(_) | Subject::Count(_) => true,
            Subject::Step(_, inner) => inner.is_of_body(),
            _ => false,
        }
    }

    /// Whether an answer may lack it, so that `exists` is a question.
    fn is_optional(&self) -> bool {
        match self {
            Subject::Header(_) | Subject::Path(_) | Subject::CertDaysLeft | Subject::CertIssuer | Subject::TlsVersion => true,
            Subject::DnsAnswers | Subject::DnsTtl | Subject::DnsSerial => true,
            Subject::Step(_, inner) => inner.is_optional(),
            _ => false,
        }
    }

    fn kind(&self) -> Type {
        match self {
            Subject::Step(_, inner) => inner.kind(),
            Subject::Status | Subject::Count(_) | Subject::CertDaysLeft | Subject::Redirects | Subject::DnsSerial | Subject::Loss => {
                Type::Number
            }
            Subject::Latency | Subject::DnsTtl | Subject::Rtt => Type::Duration,
            Subject::BodyBytes => Type::Size,
            Subject::Body | Subject::CertIssuer | Subject::Ip | Subject::DnsRcode | Subject::GrpcStatus => Type::Text,
            Subject::DnsAnswers => Type::Texts,
            Subject::Header(_) => Type::Header,
            Subject::TlsVersion | Subject::HttpVersion => Type::Version,
            Subject::Path(_) => Type::Json,
        }
    }
}

#[derive(Debug)]
enum Test {
    Compare(Comparison, Literal),
    In(Vec<Literal>),
    Contains(Literal),
    Matches(Regex),
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A value in the unit of its subject: seconds, bytes, a version as a number.
#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Number(f64),
    Text(String),
    Flag(bool),
    Null,
}
