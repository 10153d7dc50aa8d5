//! Text to conditions. Every problem says where it is, and what to write instead.

use std::fmt::Display;
use std::ops::Range;

use ::http::HeaderName;
use jiff::SignedDuration;
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use super::{Comparison, Condition, Literal, Scope, Subject, Test, Type};
use crate::model::Fault;

/// A compiled expression may take this much memory; the default of 10 MiB times a thousand checks would not be small.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Names that are this alike (Jaro-Winkler, 1 = equal) are probably slips.
const ALIKE: f64 = 0.75;

const STEPS: &str = "steps.";

/// What is wrong with a condition, and where in its text.
#[derive(Debug)]
pub(super) struct Problem {
    at: Option<Range<usize>>,
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Problem { at: Some(at), message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn fault(self, key: &'static str) -> Fault {
        Fault { at: self.at, hint: self.hint, ..Fault::new(key, self.message) }
    }
}

type Parsed<T> = Result<T, Problem>;

pub(super) fn condition(text: &str, scope: &Scope) -> Parsed<Condition> {
    let mut rest = Rest { text, at: 0 };
    let subject_word = rest.subject()?;
    let subject = subject(&text[subject_word.clone()], subject_word.start, scope)?;
    let operator_word = rest.operator();
    let operator = operator(text, operator_word.clone(), &text[subject_word.clone()])?;
    let test = if operator == Operator::Exists {
        exists(&subject, &text[subject_word], operator_word)?
    } else {
        let value = rest.value(operator_word)?;
        let name = &text[subject_word];
        test(name, &subject, operator, value)?
    };
    rest.end()?;
    Ok(Condition { expression: text.trim().to_owned(), subject, test })
}

pub(super) fn regex(text: &str) -> Parsed<Regex> {
    let built = RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| Problem {
        at: None,
        message: format!("not a regular expression: {}", last_line(&error)),
        hint: Some("see https://docs.rs/regex/latest/regex/#syntax; write `\\.` for a dot".into()),
    })
}

/// The regex crate draws its errors over several lines; the last one says what is wrong.
fn last_line(error: &impl Display) -> String {
    let shown = error.to_string();
    let line = shown.lines().last().unwrap_or_default().trim();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// What is not read yet.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

/// A value as written.
struct Written {
    at: Range<usize>,
    value: Value,
}

enum Value {
    Number(f64),
    /// In seconds.
    Duration(f64),
    /// In bytes.
    Size(f64),
    Text(String),
    Flag(bool),
    Null,
    List(Vec<Written>),
}

impl Value {
    const fn article(&self) -> &'static str {
        match self {
            Value::Number(_) => "a number",
            Value::Duration(_) => "a duration",
            Value::Size(_) => "a size",
            Value::Text(_) => "a text",
            Value::Flag(_) => "a truth value",
            Value::Null => "null",
            Value::List(_) => "a list",
        }
    }
}

impl Rest<'_> {
    fn left(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.left().trim_start().len();
    }

    /// Takes the bytes up to where `stop` says so for the character and what follows.
    fn take_until(&mut self, stop: impl Fn(char, &str) -> bool) -> Range<usize> {
        let start = self.at;
        let left = self.left();
        let length = left.char_indices().find(|(at, c)| stop(*c, &left[*at..])).map_or(left.len(), |(at, _)| at);
        self.at += length;
        start..self.at
    }

    fn subject(&mut self) -> Parsed<Range<usize>> {
        self.skip_space();
        let start = self.at;
        if let Some(length) = step_length(self.left()) {
            self.at += length;
        }
        if self.left().starts_with('$') {
            self.at += path_length(self.left());
        } else if let Some(inner) = self.left().strip_prefix("count(") {
            let length = "count(".len() + path_length(inner);
            if !self.left()[length..].starts_with(')') {
                let problem = Problem::new(self.at..self.at + length, "the `)` of count is missing");
                return Err(problem.hint("write count($.items[*]) > 0"));
            }
            self.at += length + 1;
        } else {
            self.take_until(|c, left| c.is_whitespace() || "=<>~".contains(c) || left.starts_with("!="));
        }
        if self.at == start {
            let problem = Problem::new(start..self.text.len(), "a condition begins with a subject");
            return Err(problem.hint("write for example: status == 200"));
        }
        Ok(start..self.at)
    }

    fn operator(&mut self) -> Range<usize> {
        self.skip_space();
        if self.left().starts_with(is_symbol) {
            self.take_until(|c, _| !is_symbol(c))
        } else {
            self.take_until(|c, _| !(c.is_alphabetic() || c == '_'))
        }
    }

    fn value(&mut self, after: Range<usize>) -> Parsed<Written> {
        self.skip_space();
        let start = self.at;
        let Some(first) = self.left().chars().next() else {
            let operator = &self.text[after.clone()];
            let problem = Problem::new(after, format!("a value is missing after `{operator}`"));
            return Err(problem.hint("write a number, 'text', 800ms, 10MiB, true, false, null or [a, b]"));
        };
        let value = match first {
            '\'' | '"' => Value::Text(self.quoted(first)?),
            '[' => self.list()?,
            _ => {
                let word = self.take_until(|c, _| c.is_whitespace() || c == ',' || c == ']');
                self.word(word)?
            }
        };
        let at = start..self.at;
        Ok(Written { at, value })
    }

    /// A text in quotes. `\'` stands for the quote; any other backslash for itself, as regular expressions want it.
    fn quoted(&mut self, quote: char) -> Parsed<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.left()[1..].char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if chars.peek().is_some_and(|(_, next)| *next == quote) => {
                    out.push(quote);
                    chars.next();
                }
                c if c == quote => {
                    self.at = start + 1 + at + 1;
                    return Ok(out);
                }
                c => out.push(c),
            }
        }
        let problem = Problem::new(start..self.text.len(), format!("the closing {quote} is missing"));
        Err(problem)
    }

    fn list(&mut self) -> Parsed<Value> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            if self.left().starts_with(']') {
                self.at += 1;
                break;
            }
            if self.left().is_empty() {
                let problem = Problem::new(start..self.text.len(), "the closing ] is missing");
                return Err(problem);
            }
            items.push(self.item()?);
            self.skip_space();
            if self.left().starts_with(',') {
                self.at += 1;
            } else if let Some(next) = self.left().chars().next().filter(|c| *c != ']') {
                let at = self.at..self.at + next.len_utf8();
                let problem = Problem::new(at, "a comma is missing in the list");
                return Err(problem.hint("write [200, 204]"));
            }
        }
        if items.is_empty() {
            return Err(Problem::new(start..self.at, "an empty list holds nothing"));
        }
        Ok(Value::List(items))
    }

    fn item(&mut self) -> Parsed<Written> {
        let start = self.at;
        if self.left().starts_with(['[', ',']) {
            let problem = Problem::new(start..start + 1, "a list holds plain values");
            return Err(problem.hint("write [200, 204]"));
        }
        self.value(start..start)
    }

    fn word(&self, at: Range<usize>) -> Parsed<Value> {
        let word = &self.text[at.clone()];
        match word {
            "true" => return Ok(Value::Flag(true)),
            "false" => return Ok(Value::Flag(false)),
            "null" => return Ok(Value::Null),
            _ => {}
        }
        if let Some(quantity) = quantity(word) {
            return Ok(quantity);
        }
        let lower = word.to_ascii_lowercase();
        let hint = match lower.as_str() {
            "true" | "false" | "null" => format!("write {lower}"),
            "none" | "nil" => "write null".into(),
            _ => format!("put text in quotes: '{word}'"),
        };
        Err(Problem::new(at, format!("`{word}` is not a value")).hint(hint))
    }

    fn end(&mut self) -> Parsed<()> {
        self.skip_space();
        let left = self.left().trim_end();
        if left.is_empty() {
            return Ok(());
        }
        let first = left.split_whitespace().next().unwrap_or(left);
        let at = self.at..self.at + left.len();
        let problem = Problem::new(at, format!("`{left}` is more than one condition needs"));
        Err(match first.to_ascii_lowercase().as_str() {
            "and" | "&&" => problem.hint("write each condition as an item of its own: all of `expect` must hold"),
            "or" | "||" => problem.hint("write each condition as an item of `expect_any`: one of them must hold"),
            _ => problem.hint("a text with spaces needs quotes: 'two words'"),
        })
    }
}

fn is_symbol(c: char) -> bool {
    "=!<>~&|".contains(c)
}

/// How much of `text` is `steps.NAME.`, before the subject of that step.
fn step_length(text: &str) -> Option<usize> {
    let name = text.strip_prefix(STEPS)?;
    let end = name.find(|c: char| c == '.' || c.is_whitespace() || is_symbol(c))?;
    (name[end..].starts_with('.')).then_some(STEPS.len() + end + 1)
}

/// How much of `text` is a JSONPath: up to a blank, an operator or a `)` outside of brackets and quotes.
fn path_length(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ')') if depth == 0 => return at,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, c) if depth == 0 && (c.is_whitespace() || is_symbol(c)) => return at,
            _ => {}
        }
    }
    text.len()
}

/// A number, alone or with the unit of a duration or size.
fn quantity(word: &str) -> Option<Value> {
    if !word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    if let Ok(number) = word.parse::<f64>() {
        return number.is_finite().then_some(Value::Number(number));
    }
    let unit_at = word.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = word.split_at(unit_at);
    if let (Ok(number), Some(bytes)) = (number.parse::<f64>(), bytes_of(unit)) {
        return Some(Value::Size(number * bytes));
    }
    let duration: SignedDuration = word.parse().ok()?;
    (!duration.is_negative()).then(|| Value::Duration(duration.as_secs_f64()))
}

fn bytes_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    })
}

fn subject(word: &str, start: usize, scope: &Scope) -> Parsed<Subject> {
    if let Some(length) = step_length(word).filter(|_| !scope.steps.is_empty()) {
        return step(word, start, length, scope);
    }
    let at = start..start + word.len();
    let known = scope.subjects.contains(&shape_of(word));
    if !known {
        let problem = Problem::new(at, format!("{} has no subject `{word}`", scope.shown()));
        return Err(problem.hint(match alike(word, scope.subjects) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has: {}", scope.subjects.join(" ")),
        }));
    }
    Ok(match word {
        "dns.rcode" => Subject::DnsRcode,
        "dns.answers" => Subject::DnsAnswers,
        "dns.ttl" => Subject::DnsTtl,
        "dns.serial" => Subject::DnsSerial,
        "grpc.status" => Subject::GrpcStatus,
        "rtt" => Subject::Rtt,
        "loss" => Subject::Loss,
        "status" => Subject::Status,
        "latency" => Subject::Latency,
        "body" => Subject::Body,
        "body_bytes" => Subject::BodyBytes,
        "cert.days_left" => Subject::CertDaysLeft,
        "cert.issuer" => Subject::CertIssuer,
        "tls.version" => Subject::TlsVersion,
        "http.version" => Subject::HttpVersion,
        "redirects" => Subject::Redirects,
        "ip" => Subject::Ip,
        _ => {
            if let Some(name) = word.strip_prefix("header.") {
                Subject::Header(header_name(name, at)?)
            } else if let Some(counted) = word.strip_prefix("count(") {
                let path = counted.strip_suffix(')').unwrap_or(counted);
                Subject::Count(json_path(path, start + "count(".len())?)
            } else {
                Subject::Path(json_path(word, start)?)
            }
        }
    })
}

/// `steps.login.status`: `length` is that of `steps.login.`.
fn step(word: &str, start: usize, length: usize, scope: &Scope) -> Parsed<Subject> {
    let name = &word[STEPS.len()..length - 1];
    if !scope.steps.contains(&name) {
        let at = start + STEPS.len()..start + length - 1;
        let problem = Problem::new(at, format!("there is no step `{name}`"));
        return Err(problem.hint(match alike(name, scope.steps) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the steps are: {}", scope.steps.join(" ")),
        }));
    }
    let inner = Scope { kind: "http", subjects: crate::probes::http::SCOPE.subjects, steps: &[] };
    let inner = subject(&word[length..], start + length, &inner)?;
    Ok(Subject::Step(name.to_owned(), Box::new(inner)))
}

/// How the list of subjects writes a subject with a variable part.
fn shape_of(word: &str) -> &str {
    if word.starts_with("header.") {
        "header.NAME"
    } else if word.starts_with(STEPS) {
        "steps.NAME.SUBJECT"
    } else if word.starts_with('$') {
        "$..."
    } else if word.starts_with("count(") {
        "count($...)"
    } else {
        word
    }
}

fn header_name(name: &str, at: Range<usize>) -> Parsed<HeaderName> {
    HeaderName::try_from(name).map_err(|_| {
        let problem = Problem::new(at, format!("{name:?} is not the name of a header"));
        problem.hint("write for example: header.content-type contains 'json'")
    })
}

fn json_path(path: &str, start: usize) -> Parsed<JsonPath> {
    JsonPath::parse(path).map_err(|error| {
        // The crate counts in bytes from 1 and may point into a character.
        let at = start + path.floor_char_boundary(error.position().saturating_sub(1));
        let problem = Problem::new(at..start + path.len(), format!("not a JSONPath: {}", error.message()));
        problem.hint("see RFC 9535; write for example $.status or $.items[0].name")
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Compare(Comparison),
    Contains,
    Matches,
    In,
    Exists,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Compare(Comparison::Equal)),
    ("!=", Operator::Compare(Comparison::Unequal)),
    ("<", Operator::Compare(Comparison::Less)),
    ("<=", Operator::Compare(Comparison::LessOrEqual)),
    (">", Operator::Compare(Comparison::Greater)),
    (">=", Operator::Compare(Comparison::GreaterOrEqual)),
    ("contains", Operator::Contains),
    ("matches", Operator::Matches),
    ("in", Operator::In),
    ("exists", Operator::Exists),
];

/// What people write instead, from other languages.
const SYNONYMS: &[(&str, &str)] = &[
    ("=", "=="),
    ("===", "=="),
    ("is", "=="),
    ("equals", "=="),
    ("eq", "=="),
    ("<>", "!="),
    ("!==", "!="),
    ("not", "!="),
    ("=<", "<="),
    ("=>", ">="),
    ("=~", "matches"),
    ("~", "matches"),
    ("has", "contains"),
    ("includes", "contains"),
];

fn operator(text: &str, at: Range<usize>, subject: &str) -> Parsed<Operator> {
    let word = &text[at.clone()];
    if let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| *name == word) {
        return Ok(*operator);
    }
    let names: Vec<_> = OPERATORS.iter().map(|(name, _)| *name).collect();
    let all = names.join(" ");
    if word.is_empty() {
        let problem = Problem::new(at, format!("an operator is missing after `{subject}`"));
        return Err(problem.hint(format!("write one of {all}")));
    }
    let near = SYNONYMS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, meant)| *meant).or_else(|| alike(word, &names));
    let problem = Problem::new(at, format!("`{word}` is not an operator"));
    Err(problem.hint(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("write one of {all}"),
    }))
}

fn alike<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&word, &name.to_ascii_lowercase()), *name))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

fn exists(subject: &Subject, name: &str, at: Range<usize>) -> Parsed<Test> {
    if subject.is_optional() {
        return Ok(Test::Exists);
    }
    let problem = Problem::new(at, format!("`{name}` is always there"));
    Err(problem.hint("`exists` asks for what an answer may lack: a header, a JSONPath, cert, tls, dns.answers"))
}

fn test(name: &str, subject: &Subject, operator: Operator, written: Written) -> Parsed<Test> {
    let kind = subject.kind();
    Ok(match operator {
        Operator::Compare(how) => {
            let value = literal(name, kind, written, is_order(how))?;
            Test::Compare(how, value)
        }
        Operator::In => Test::In(list(name, kind, written)?),
        Operator::Contains => Test::Contains(part(name, kind, written)?),
        Operator::Matches => Test::Matches(pattern(name, kind, written)?),
        Operator::Exists => Test::Exists,
    })
}

const fn is_order(how: Comparison) -> bool {
    !matches!(how, Comparison::Equal | Comparison::Unequal)
}

fn list(name: &str, kind: Type, written: Written) -> Parsed<Vec<Literal>> {
    match written.value {
        Value::List(items) => items.into_iter().map(|item| literal(name, kind, item, false)).collect(),
        other => {
            let problem = Problem::new(written.at, format!("`in` wants a list, not {}", other.article()));
            Err(problem.hint(format!("write {name} in [200, 204] or {name} in ['a', 'b']")))
        }
    }
}

fn part(name: &str, kind: Type, written: Written) -> Parsed<Literal> {
    match (kind, written.value) {
        (Type::Json, Value::List(_)) => Err(Problem::new(written.at, "`contains` looks for one value, not a list")),
        (Type::Json, value) => literal(name, kind, Written { at: written.at, value }, false),
        (Type::Text | Type::Texts | Type::Header, Value::Text(text)) => Ok(Literal::Text(text)),
        (kind, value) => Err(not_text(name, kind, "contains", written.at, &value)),
    }
}

fn pattern(name: &str, kind: Type, written: Written) -> Parsed<Regex> {
    match (kind, written.value) {
        (Type::Text | Type::Texts | Type::Header | Type::Json, Value::Text(text)) => {
            regex(&text).map_err(|problem| Problem { at: Some(written.at), ..problem })
        }
        (kind, value) => Err(not_text(name, kind, "matches", written.at, &value)),
    }
}

fn not_text(name: &str, kind: Type, operator: &str, at: Range<usize>, value: &Value) -> Problem {
    if matches!(kind, Type::Text | Type::Texts | Type::Header | Type::Json) {
        let problem = Problem::new(at, format!("`{operator}` wants a text, not {}", value.article()));
        problem.hint("put text in quotes: 'ok'")
    } else {
        let message = format!("`{name}` is {}, which `{operator}` cannot look into", article(kind));
        Problem::new(at, message).hint("use == != < <= > >= or in")
    }
}

const fn article(kind: Type) -> &'static str {
    match kind {
        Type::Number => "a number",
        Type::Duration => "a duration",
        Type::Size => "a size",
        Type::Text | Type::Header => "a text",
        Type::Texts => "a list of texts",
        Type::Version => "a version",
        Type::Json => "a JSON value",
    }
}

/// The value in the unit of its subject; `order` for operators that ask for more or less.
fn literal(name: &str, kind: Type, written: Written, order: bool) -> Parsed<Literal> {
    let at = written.at;
    let found = written.value.article();
    let literal = match (kind, written.value) {
        (Type::Number | Type::Size | Type::Header | Type::Json, Value::Number(n)) => Literal::Number(n),
        (Type::Size | Type::Json, Value::Size(bytes)) => Literal::Number(bytes),
        (Type::Duration, Value::Duration(seconds)) => Literal::Number(seconds),
        (Type::Version, Value::Number(n)) => Literal::Number(n),
        (Type::Version, Value::Text(text)) => version(&text, at.clone())?,
        (Type::Text | Type::Texts | Type::Header | Type::Json, Value::Text(text)) => Literal::Text(text),
        (Type::Json, Value::Flag(flag)) => Literal::Flag(flag),
        (Type::Json, Value::Null) => Literal::Null,
        (kind, value) => {
            let message = format!("`{name}` is {}, not {found}", article(kind));
            return Err(Problem::new(at, message).hint(instead(name, kind, &value)));
        }
    };
    if order && !matches!(literal, Literal::Number(_)) {
        let message = format!("{found} is neither more nor less than anything");
        return Err(Problem::new(at, message).hint("use == != contains matches or in"));
    }
    Ok(literal)
}

fn instead(name: &str, kind: Type, value: &Value) -> String {
    match (kind, value) {
        (Type::Duration, Value::Number(n)) => format!("write a unit: {n}ms or {n}s"),
        (Type::Duration, _) => format!("write {name} < 800ms"),
        (Type::Number | Type::Size, Value::Text(text)) if quantity(text).is_some() => {
            format!("write it without quotes: {text}")
        }
        (_, Value::List(_)) => format!("write {name} in [..]"),
        (Type::Number, _) => "write a number".into(),
        (Type::Size, _) => "write a number of bytes or a size: 10KiB".into(),
        (Type::Text, Value::Number(n)) => format!("put text in quotes: '{n}'"),
        (Type::Version, _) => format!("write {name} >= '1.2'"),
        (Type::Json, Value::Duration(_)) => "JSON has no durations: write the number that it holds".into(),
        _ => "put text in quotes: 'ok'".into(),
    }
}

/// `1.3`, `TLSv1.3`, `HTTP/2` as a number.
fn version(text: &str, at: Range<usize>) -> Parsed<Literal> {
    let number = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    number.parse().map(Literal::Number).map_err(|_| {
        let problem = Problem::new(at, format!("'{text}' is not a version"));
        problem.hint("write '1.2', '1.3' or '2'")
    })
}
