//! What came back, as a zone file writes it: bytes in, an [`Answer`] out. Pure, and cheap whatever the bytes are.

use std::fmt::Write;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::question::Question;

/// More records of one type are no answer that anybody looks at; they would only cost memory in every run.
const ANSWERS_MAX: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// `NOERROR`, `NXDOMAIN` and so on.
    pub rcode: String,
    /// The records of the type that was asked for, of the name or what it is an alias of; without the final dot of names.
    pub answers: Vec<String>,
    /// The same, as they are compared.
    pub compared: Vec<String>,
    /// The shortest of the answers and of the aliases that lead to them.
    pub ttl: Option<Duration>,
    /// Of a SOA record.
    pub serial: Option<u32>,
    /// The server says that it validated it (RFC 4035 3.2.3).
    pub authenticated: bool,
}

impl Answer {
    pub fn is_good(&self) -> bool {
        self.rcode == "NOERROR"
    }

    /// `NOERROR, 2 answers`
    pub fn said(&self) -> String {
        match self.answers.len() {
            1 => format!("{}, 1 answer", self.rcode),
            count => format!("{}, {count} answers", self.rcode),
        }
    }
}

/// Why bytes are not an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// To another question than ours; whoever listens to datagrams goes on listening.
    NotOurs(&'static str),
    /// It did not fit (RFC 1035 4.1.1): to be asked again over TCP.
    Truncated,
    Malformed(String),
}

/// The length of a header (RFC 1035 4.1.1).
const HEADER_BYTES: usize = 12;
const TRUNCATED: u8 = 0x02;

pub(super) fn read(bytes: &[u8], question: &Question, id: u16) -> Result<Answer, Unread> {
    if bytes.len() < HEADER_BYTES {
        return Err(Unread::NotOurs("too short for a DNS message"));
    }
    if bytes[..2] != id.to_be_bytes() {
        return Err(Unread::NotOurs("an answer with the id of another question"));
    }
    if bytes[2] & TRUNCATED != 0 {
        return Err(Unread::Truncated);
    }
    let message = parsed(bytes).map_err(Unread::Malformed)?;
    if message.metadata.message_type != MessageType::Response {
        return Err(Unread::NotOurs("a question instead of an answer"));
    }
    is_to(&message, question)?;
    let chain = Chain::of(&message, question);
    let records: Vec<&Record> = chain.records(&message, question.kind).take(ANSWERS_MAX + 1).collect();
    if records.len() > ANSWERS_MAX {
        return Err(Unread::Malformed(format!("more than {ANSWERS_MAX} answers")));
    }
    let answers: Vec<String> = records.iter().map(|record| text(&record.data)).collect();
    Ok(Answer {
        rcode: rcode(message.metadata.response_code),
        compared: records.iter().zip(&answers).map(|(record, text)| compared(&record.data, text)).collect(),
        ttl: records.iter().map(|record| record.ttl).chain(chain.ttl).min().map(|s| Duration::from_secs(s.into())),
        serial: records.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        }),
        authenticated: message.metadata.authentic_data,
        answers,
    })
}

/// The parser makes room for as many records as a header promises, so what cannot be there is refused before.
fn parsed(bytes: &[u8]) -> Result<Message, String> {
    // The root as a name, type and class; a record has a time to live and a length too (RFC 1035 4.1.2, 4.1.3).
    const QUESTION_BYTES_MIN: usize = 5;
    const RECORD_BYTES_MIN: usize = 11;
    let counts = bytes.get(4..HEADER_BYTES).ok_or("it has no whole header")?;
    let counts: Vec<usize> = counts.chunks_exact(2).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]]))).collect();
    let least = counts[0] * QUESTION_BYTES_MIN + counts[1..].iter().sum::<usize>() * RECORD_BYTES_MIN;
    if least > bytes.len() - HEADER_BYTES {
        return Err("it is shorter than its header says".into());
    }
    Message::from_vec(bytes).map_err(|error| error.to_string())
}

/// The records of an answer, taken as one to the question that it says it answers. `None`: it is no answer.
pub fn any_answer(bytes: &[u8]) -> Option<Vec<String>> {
    let message = parsed(bytes).ok()?;
    let query = message.queries.first()?;
    let question = Question { name: query.name().clone(), kind: query.query_type(), authenticated: false, recursion: true };
    read(bytes, &question, message.id).ok().map(|answer| answer.answers)
}

fn is_to(message: &Message, question: &Question) -> Result<(), Unread> {
    match message.queries.as_slice() {
        [query] if query.name() == &question.name && query.query_type() == question.kind && query.query_class() == DNSClass::IN => Ok(()),
        // Who refuses may leave the question out.
        [] if message.metadata.response_code != ResponseCode::NoError && message.answers.is_empty() => Ok(()),
        _ => Err(Unread::NotOurs("an answer to another question")),
    }
}

/// The names that the asked one is an alias of, itself first.
struct Chain<'a> {
    names: Vec<&'a Name>,
    ttl: Option<u32>,
}

impl<'a> Chain<'a> {
    fn of(message: &'a Message, question: &'a Question) -> Self {
        /// Longer ones are loops or mistakes; resolvers give up earlier.
        const ALIASES_MAX: usize = 32;
        let mut chain = Chain { names: vec![&question.name], ttl: None };
        while question.kind != RecordType::CNAME && chain.names.len() <= ALIASES_MAX {
            let last = chain.names[chain.names.len() - 1];
            let next = message.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name == *last => Some((&target.0, record.ttl)),
                _ => None,
            });
            match next {
                Some((target, ttl)) if !chain.names.contains(&target) => {
                    chain.names.push(target);
                    chain.ttl = Some(chain.ttl.map_or(ttl, |before| before.min(ttl)));
                }
                _ => break,
            }
        }
        chain
    }

    fn records<'m>(&'m self, message: &'m Message, kind: RecordType) -> impl Iterator<Item = &'m Record> {
        let asked = move |record: &&Record| record.record_type() == kind && record.dns_class == DNSClass::IN;
        message.answers.iter().filter(asked).filter(|record| self.names.contains(&&record.name))
    }
}

/// The words of RFC 2929 2.3 and its successors.
fn rcode(code: ResponseCode) -> String {
    const WORDS: &[&str] =
        &["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"];
    let code = u16::from(code);
    match WORDS.get(usize::from(code)) {
        Some(word) => (*word).to_owned(),
        None if code == 16 => "BADVERS".to_owned(),
        None => format!("RCODE{code}"),
    }
}

/// A name without its final dot; the root is one.
pub(super) fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.') {
        Some(bare) if !bare.is_empty() => bare.to_owned(),
        _ => text,
    }
}

/// One record's data, as RFC 1035 5 and the RFC of its type write it.
fn text(data: &RData) -> String {
    match data {
        RData::A(ip) => ip.0.to_string(),
        RData::AAAA(ip) => ip.0.to_string(),
        RData::CNAME(name) => shown(&name.0),
        RData::NS(name) => shown(&name.0),
        RData::PTR(name) => shown(&name.0),
        RData::MX(mx) => format!("{} {}", mx.preference, shown(&mx.exchange)),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, shown(&srv.target)),
        RData::SOA(soa) => {
            let numbers = format!("{} {} {} {} {}", soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum);
            format!("{} {} {numbers}", shown(&soa.mname), shown(&soa.rname))
        }
        RData::TXT(txt) => txt.txt_data.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" "),
        RData::CAA(caa) => {
            let flags = if caa.issuer_critical { caa.reserved_flags | 0x80 } else { caa.reserved_flags };
            format!("{flags} {} {}", caa.tag, quoted(&caa.value))
        }
        RData::SVCB(svcb) => service(svcb),
        RData::HTTPS(https) => service(&https.0),
        RData::TLSA(tlsa) => {
            let numbers = (u8::from(tlsa.cert_usage), u8::from(tlsa.selector), u8::from(tlsa.matching));
            format!("{} {} {} {}", numbers.0, numbers.1, numbers.2, hex(&tlsa.cert_data))
        }
        RData::Unknown { code, rdata } => unknown(*code, &rdata.anything),
        other => other.to_string(),
    }
}

/// DS (RFC 4034 5.3), DNSKEY (2.2), and what nobody knows (RFC 3597 5).
fn unknown(kind: RecordType, data: &[u8]) -> String {
    match (kind, data) {
        (RecordType::DS, [tag, tag_low, algorithm, digest, rest @ ..]) => {
            format!("{} {algorithm} {digest} {}", u16::from_be_bytes([*tag, *tag_low]), hex(rest))
        }
        (RecordType::DNSKEY, [flags, flags_low, protocol, algorithm, key @ ..]) => {
            format!("{} {protocol} {algorithm} {}", u16::from_be_bytes([*flags, *flags_low]), BASE64.encode(key))
        }
        _ => format!("\\# {} {}", data.len(), hex(data)),
    }
}

/// RFC 9460 2.1.
fn service(svcb: &SVCB) -> String {
    let mut text = format!("{} {}", svcb.svc_priority, shown(&svcb.target_name));
    for (key, value) in &svcb.svc_params {
        let key = match key {
            SvcParamKey::Unknown(number) => format!("key{number}"),
            known => known.to_string(),
        };
        match parameter(value) {
            Some(value) => drop(write!(text, " {key}={value}")),
            None => drop(write!(text, " {key}")),
        }
    }
    text
}

fn parameter(value: &SvcParamValue) -> Option<String> {
    let list = |items: Vec<String>| Some(items.join(","));
    match value {
        SvcParamValue::Mandatory(keys) => list(keys.0.iter().map(ToString::to_string).collect()),
        SvcParamValue::Alpn(ids) => list(ids.0.iter().map(|id| plain_or_quoted(id)).collect()),
        SvcParamValue::NoDefaultAlpn => None,
        SvcParamValue::Port(port) => Some(port.to_string()),
        SvcParamValue::Ipv4Hint(ips) => list(ips.0.iter().map(|ip| ip.0.to_string()).collect()),
        SvcParamValue::Ipv6Hint(ips) => list(ips.0.iter().map(|ip| ip.0.to_string()).collect()),
        SvcParamValue::EchConfigList(config) => Some(BASE64.encode(&config.0)),
        SvcParamValue::Unknown(data) => Some(quoted(&data.0)),
    }
}

fn plain_or_quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b','));
    if plain { text.to_owned() } else { quoted(text.as_bytes()) }
}

/// A character string with the escapes of RFC 1035 5.1.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => drop(write!(text, "\\{}", char::from(*byte))),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => drop(write!(text, "\\{other:03}")),
        }
    }
    text + "\""
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The parts of a text record belong together (RFC 7208 3.3); of everything else what is written.
fn compared(data: &RData, text: &str) -> String {
    match data {
        RData::TXT(txt) => String::from_utf8_lossy(&txt.txt_data.concat()).into_owned(),
        other => alike(other.record_type(), text),
    }
}

/// What two texts of one record share: addresses in their short form, names in lower case and without the final dot.
pub(super) fn alike(kind: RecordType, text: &str) -> String {
    let of_names = matches!(
        kind,
        RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::MX
            | RecordType::SRV
            | RecordType::SOA
            | RecordType::DS
            | RecordType::TLSA
    );
    match kind {
        RecordType::A | RecordType::AAAA => text.parse().map_or_else(|_| text.to_owned(), |ip: std::net::IpAddr| ip.to_string()),
        RecordType::TXT if text.starts_with('"') => unquoted(text),
        RecordType::TXT => text.to_owned(),
        _ => {
            let words: Vec<&str> = text.split_whitespace().map(|word| word.strip_suffix('.').unwrap_or(word)).collect();
            let joined = words.join(" ");
            if of_names { joined.to_ascii_lowercase() } else { joined }
        }
    }
}

/// `"one" "two"` as a zone file has it: what is inside, joined.
fn unquoted(text: &str) -> String {
    let (mut inside, mut out) = (false, String::new());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => inside = !inside,
            '\\' if inside => out.extend(chars.next()),
            c if inside => out.push(c),
            _ => {}
        }
    }
    out
}
