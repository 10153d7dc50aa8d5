//! What is expected of an answer beside conditions: a code, answers, a validated one. Pure.

use hickory_resolver::proto::rr::RecordType;

use super::answer::{Answer, alike};
use super::question::Question;
use crate::model::observation::Expectation;
use crate::model::{Fault, Key, Reason, Settings, Shape};
use crate::probes::failure::clean;

pub(super) const CODES: &[&str] = &["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "FORMERR", "NOTIMP", "NOTAUTH"];

pub(super) const ANSWERS: &[Key] = &[
    Key::new("any", Shape::TextList, "", "at least one of these is among the answers"),
    Key::new("all", Shape::TextList, "", "all of these are among the answers"),
    Key::new("exact", Shape::TextList, "", "the answers are these and no others, in any order; `[]`: none"),
];

/// Enough to recognise answers in an alert.
const SEEN_CHARS_MAX: usize = 120;

#[derive(Debug, Default)]
pub(super) struct Expected {
    /// None: `NOERROR`, unless a condition is on the code.
    codes: Vec<String>,
    /// `None`: at least one, unless a code was expected.
    answers: Option<Answers>,
    authenticated: bool,
    /// A condition of `expect` judges the code.
    code_is_judged: bool,
}

#[derive(Debug, Default)]
struct Answers {
    any: Option<Texts>,
    all: Option<Texts>,
    exact: Option<Texts>,
}

/// As written, and as compared.
#[derive(Debug)]
struct Texts {
    written: Vec<String>,
    compared: Vec<String>,
}

/// One thing that was expected, and what it says of the vendor where it did not come.
pub(super) struct Held {
    pub expectation: Expectation,
    pub reason: Reason,
}

impl Expected {
    pub fn of(settings: &Settings, question: Option<&Question>, code_is_judged: bool) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let kind = question.map_or(RecordType::A, |question| question.kind);
        let answers = settings.table("expect_answers").map(|table| Answers {
            any: texts(table, "any", "expect_answers.any", kind, &mut faults),
            all: texts(table, "all", "expect_answers.all", kind, &mut faults),
            exact: texts(table, "exact", "expect_answers.exact", kind, &mut faults),
        });
        if answers.as_ref().is_some_and(|answers| answers.any.is_none() && answers.all.is_none() && answers.exact.is_none()) {
            let fault = Fault::new("expect_answers", "nothing is expected");
            faults.push(fault.hint("write { any = [\"192.0.2.1\"] }, { all = [..] } or { exact = [..] }"));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Expected {
            codes: settings.texts("expect_rcode").unwrap_or_default().to_vec(),
            answers,
            authenticated: settings.on("expect_authenticated"),
            code_is_judged,
        })
    }

    /// Everything that was expected, the most telling first.
    pub fn hold(&self, answer: &Answer, asked: &str) -> Vec<Held> {
        let mut held = Vec::new();
        held.extend(self.code(answer));
        held.extend(self.some_answer(answer, asked));
        if let Some(answers) = &self.answers {
            held.extend(answers.hold(answer));
        }
        if self.authenticated {
            held.push(Held {
                expectation: Expectation {
                    expression: "the answer is authenticated".into(),
                    passed: answer.authenticated,
                    seen: if answer.authenticated { "AD" } else { "no AD flag: the server does not validate, or the zone is not signed" }
                        .into(),
                },
                reason: Reason::Expectation,
            });
        }
        held
    }

    fn code(&self, answer: &Answer) -> Option<Held> {
        let (expression, passed) = match self.codes.as_slice() {
            [] if self.code_is_judged => return None,
            [] => ("NOERROR".to_owned(), answer.is_good()),
            codes => (codes.join(" or "), codes.contains(&answer.rcode)),
        };
        let reason = match answer.rcode.as_str() {
            "NXDOMAIN" => Reason::DnsNxdomain,
            "NOERROR" => Reason::Expectation,
            _ => Reason::DnsServfail,
        };
        Some(Held { expectation: Expectation { expression, passed, seen: answer.rcode.clone() }, reason })
    }

    /// What nobody asked about in another way: that there is one.
    fn some_answer(&self, answer: &Answer, asked: &str) -> Option<Held> {
        if !self.codes.is_empty() || self.code_is_judged || self.answers.is_some() || !answer.is_good() {
            return None;
        }
        let expression = format!("an answer for {asked}");
        let passed = !answer.answers.is_empty();
        Some(Held { expectation: Expectation { expression, passed, seen: shown(&answer.answers) }, reason: Reason::Expectation })
    }
}

impl Answers {
    fn hold(&self, answer: &Answer) -> Vec<Held> {
        let came = |wanted: &String| answer.compared.contains(wanted);
        let mut held = Vec::new();
        let mut add = |expression: String, passed| {
            let expectation = Expectation { expression, passed, seen: shown(&answer.answers) };
            held.push(Held { expectation, reason: Reason::Expectation });
        };
        if let Some(any) = &self.any {
            add(format!("one of {}", shown(&any.written)), any.compared.iter().any(came));
        }
        if let Some(all) = &self.all {
            add(format!("all of {}", shown(&all.written)), all.compared.iter().all(came));
        }
        if let Some(exact) = &self.exact {
            let no_other = answer.compared.iter().all(|came| exact.compared.contains(came));
            add(format!("exactly {}", shown(&exact.written)), exact.compared.iter().all(came) && no_other);
        }
        held
    }
}

fn shown(texts: &[String]) -> String {
    if texts.is_empty() { "no answers".into() } else { clean(&texts.join(", "), SEEN_CHARS_MAX) }
}

fn texts(table: &Settings, name: &str, key: &'static str, kind: RecordType, faults: &mut Vec<Fault>) -> Option<Texts> {
    let written = table.texts(name)?.to_vec();
    for (item, text) in written.iter().enumerate() {
        if let Some(example) = not_of(kind, text) {
            let message = format!("{text:?} is no answer of type {kind}");
            faults.push(Fault::new(key, message).item(item).hint(format!("write for example {example:?}")));
        }
    }
    if written.is_empty() && name != "exact" {
        faults.push(Fault::new(key, "an empty list expects nothing").hint("leave it out; that there is no answer is exact = []"));
    }
    Some(Texts { compared: written.iter().map(|text| alike(kind, text)).collect(), written })
}

/// What to write instead of what cannot be an answer.
fn not_of(kind: RecordType, text: &str) -> Option<&'static str> {
    let words = text.split_whitespace().count();
    let number_first = || text.split_whitespace().next().is_some_and(|word| word.parse::<u16>().is_ok());
    match kind {
        RecordType::A => text.parse::<std::net::Ipv4Addr>().is_err().then_some("192.0.2.1"),
        RecordType::AAAA => text.parse::<std::net::Ipv6Addr>().is_err().then_some("2001:db8::1"),
        RecordType::CNAME | RecordType::NS | RecordType::PTR => (words != 1).then_some("ns1.vendor.example"),
        RecordType::MX => (words != 2 || !number_first()).then_some("10 mail.vendor.example"),
        RecordType::SRV => (words != 4 || !number_first()).then_some("10 5 443 api.vendor.example"),
        RecordType::SOA => (words != 7).then_some("ns1.vendor.example hostmaster.vendor.example 1 7200 3600 1209600 300"),
        _ => None,
    }
}
