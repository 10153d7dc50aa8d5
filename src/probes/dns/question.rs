//! What is asked, as bytes.

use std::net::IpAddr;
use std::str::FromStr;

use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_resolver::proto::rr::{Name, RecordType};

use super::answer::shown;
use crate::model::{Fault, Reason, Settings};
use crate::probes::failure::Failure;

/// The record types that are asked for and written as a zone file does. `ANY` is not among them: it promises nothing (RFC 8482).
pub(super) const TYPES: &[&str] =
    &["A", "AAAA", "CNAME", "MX", "NS", "TXT", "SOA", "SRV", "CAA", "PTR", "DS", "DNSKEY", "SVCB", "HTTPS", "TLSA"];

/// What fits through nearly every network in one datagram (DNS Flag Day 2020).
const DATAGRAM_BYTES_MAX: u16 = 1232;

#[derive(Clone, Debug)]
pub(super) struct Question {
    pub name: Name,
    pub kind: RecordType,
    /// Ask whether the answer is validated (RFC 6840 5.7).
    pub authenticated: bool,
    /// Of a resolver; an authority is asked for what it knows itself.
    pub recursion: bool,
}

impl Question {
    pub fn of(settings: &Settings) -> Result<Self, Fault> {
        let kind = settings.text("record_type").unwrap_or("A");
        let kind = RecordType::from_str(kind).map_err(|_| Fault::new("record_type", format!("{kind:?} is not a record type")))?;
        Ok(Question { name: name(settings, kind)?, kind, authenticated: settings.on("expect_authenticated"), recursion: true })
    }

    pub fn shown(&self) -> String {
        format!("{} {}", shown(&self.name), self.kind)
    }

    /// The question with an id that nobody can guess, and that id.
    pub fn message(&self) -> Result<(u16, Vec<u8>), Failure> {
        let id = Message::query().id;
        Ok((id, self.with_id(id)?))
    }

    pub fn with_id(&self, id: u16) -> Result<Vec<u8>, Failure> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = self.recursion;
        message.metadata.authentic_data = self.authenticated;
        message.add_query(Query::query(self.name.clone(), self.kind));
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM_BYTES_MAX);
        message.set_edns(edns);
        message.to_vec().map_err(|error| Failure::new(Reason::Internal, format!("{} cannot be asked: {error}", self.shown())))
    }
}

/// What is asked for. A check's own name may say it, if it looks like one of the DNS.
fn name(settings: &Settings, kind: RecordType) -> Result<Name, Fault> {
    const EXAMPLE: &str = "write for example record_name = \"vendor.example\"";
    let (key, text) = match settings.text("record_name") {
        Some(text) => ("record_name", text),
        None => ("name", settings.text("name").unwrap_or_default()),
    };
    let fault = |why: &str| Fault::new(key, format!("{text:?} {why}"));
    if key == "name" && !text.contains('.') {
        return Err(fault("does not say which name is asked for").hint(EXAMPLE));
    }
    // An address stands for the name that its PTR records have (RFC 1035 3.5).
    if let Ok(ip) = text.parse::<IpAddr>() {
        let reverse = Name::from(ip);
        return match kind {
            RecordType::PTR => Ok(reverse),
            _ => Err(fault("is an address").hint("to ask for its name write record_type = \"PTR\"; else write a name")),
        };
    }
    if text.is_empty() || text.contains("://") || text.contains(char::is_whitespace) {
        return Err(fault("is not a DNS name").hint(EXAMPLE));
    }
    let mut name = Name::from_str(text).map_err(|error| fault(&format!("is not a DNS name: {error}")).hint(EXAMPLE))?;
    name.set_fqdn(true);
    Ok(name)
}
