//! Bytes to answers: what a zone file writes, and what nobody meant.

use hickory_resolver::proto::rr::rdata::caa::CAA;
use hickory_resolver::proto::rr::rdata::svcb::{Alpn, IpHint, SVCB, SvcParamKey, SvcParamValue};
use hickory_resolver::proto::rr::rdata::{A, HTTPS, MX, NULL, PTR, SRV, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;

use super::super::answer::{Answer, Unread, alike, read};
use super::super::question::Question;
use super::server::{Asked, a, cname, name, ns, soa};

fn question(text: &str, kind: RecordType) -> Question {
    Question { name: name(text), kind, authenticated: false, recursion: true }
}

fn asked(question: &Question) -> Asked {
    let message = hickory_resolver::proto::op::Message::from_vec(&question.with_id(7).unwrap()).unwrap();
    Asked { message, tcp: true, before: 0 }
}

fn unknown(code: RecordType, data: &[u8]) -> RData {
    RData::Unknown { code, rdata: NULL::with(data.to_vec()) }
}

#[test]
fn answers_are_written_as_in_a_zone_file() {
    let svcb = SVCB::new(
        1,
        name("."),
        vec![
            (SvcParamKey::Alpn, SvcParamValue::Alpn(Alpn(vec!["h3".into(), "h2".into()]))),
            (SvcParamKey::NoDefaultAlpn, SvcParamValue::NoDefaultAlpn),
            (SvcParamKey::Port, SvcParamValue::Port(8443)),
            (SvcParamKey::Ipv4Hint, SvcParamValue::Ipv4Hint(IpHint(vec![A("192.0.2.1".parse().unwrap())]))),
        ],
    );
    for (data, want) in [
        (a(1), "192.0.2.1"),
        (RData::AAAA("2001:db8::1".parse().unwrap()), "2001:db8::1"),
        (cname("edge.vendor.example"), "edge.vendor.example"),
        (ns("ns1.vendor.example"), "ns1.vendor.example"),
        (RData::PTR(PTR(name("host.vendor.example"))), "host.vendor.example"),
        (RData::MX(MX::new(10, name("mail.vendor.example"))), "10 mail.vendor.example"),
        (RData::MX(MX::new(0, name("."))), "0 ."),
        (RData::SRV(SRV::new(1, 2, 443, name("api.vendor.example"))), "1 2 443 api.vendor.example"),
        (soa(2026112401), "ns1.vendor.example admin.vendor.example 2026112401 7200 3600 1209600 300"),
        (RData::TXT(TXT::from_bytes(vec![b"v=spf1 \"x\"", b"-all\x00\xc3"])), r#""v=spf1 \"x\"" "-all\000\195""#),
        (RData::CAA(CAA::new_issue(true, Some(Name::from_ascii("ca.example").unwrap()), vec![])), r#"128 issue "ca.example""#),
        (RData::SVCB(svcb.clone()), "1 . alpn=h3,h2 no-default-alpn port=8443 ipv4hint=192.0.2.1"),
        (RData::HTTPS(HTTPS(svcb)), "1 . alpn=h3,h2 no-default-alpn port=8443 ipv4hint=192.0.2.1"),
        (unknown(RecordType::DS, &[0x4f, 0x66, 13, 2, 0xab, 0xcd]), "20326 13 2 abcd"),
        (unknown(RecordType::DNSKEY, &[1, 1, 3, 13, 0xff, 0xfe, 0xfd]), "257 3 13 //79"),
        (unknown(RecordType::DS, &[1, 2]), "\\# 2 0102"),
    ] {
        let question = question("vendor.example", data.record_type());
        let bytes = asked(&question).records([data]).to_vec().unwrap();
        let answer = read(&bytes, &question, 7).unwrap();
        assert_eq!(answer.answers, [want]);
        assert_eq!(answer.ttl.unwrap().as_secs(), 300);
    }
}

#[test]
fn aliases_are_followed_inside_of_the_answer_and_no_further() {
    let question = question("www.vendor.example", RecordType::A);
    let mut message = asked(&question).records([cname("edge.cdn.example")]);
    for (owner, ttl, data) in [
        ("EDGE.cdn.example", 20, cname("edge2.cdn.example")),
        ("edge2.cdn.example", 60, a(1)),
        ("stranger.example", 5, a(9)),
        ("edge2.cdn.example", 60, ns("ns1.cdn.example")),
    ] {
        message.add_answer(Record::from_rdata(name(owner), ttl, data));
    }
    let answer = read(&message.to_vec().unwrap(), &question, 7).unwrap();
    assert_eq!((answer.answers, answer.ttl.unwrap().as_secs()), (vec!["192.0.2.1".to_owned()], 20));

    let mut looped = asked(&question).records([cname("b.example")]);
    looped.add_answer(Record::from_rdata(name("b.example"), 60, cname("www.vendor.example")));
    assert_eq!(read(&looped.to_vec().unwrap(), &question, 7).unwrap().answers, [""; 0]);
}

#[test]
fn only_an_answer_to_this_question_counts() {
    let question = question("vendor.example", RecordType::A);
    let good = asked(&question).address(1);
    let bytes = good.to_vec().unwrap();
    assert!(matches!(read(&bytes, &question, 8), Err(Unread::NotOurs(_))));
    assert!(matches!(read(&bytes[..11], &question, 7), Err(Unread::NotOurs(_))));
    assert!(matches!(read(&bytes[..20], &question, 7), Err(Unread::Malformed(_))));
    assert!(matches!(read(&question.with_id(7).unwrap(), &question, 7), Err(Unread::NotOurs(_))));
    let other = self::question("other.example", RecordType::A);
    assert!(matches!(read(&bytes, &other, 7), Err(Unread::NotOurs(_))));
    let other = self::question("vendor.example", RecordType::AAAA);
    assert!(matches!(read(&bytes, &other, 7), Err(Unread::NotOurs(_))));
    let same = self::question("VENDOR.example", RecordType::A);
    assert!(read(&bytes, &same, 7).is_ok());
    let mut cut = good;
    cut.metadata.truncation = true;
    assert_eq!(read(&cut.to_vec().unwrap()[..14], &question, 7), Err(Unread::Truncated));
}

#[test]
fn what_is_compared_forgives_how_it_is_written() {
    for (kind, a, b) in [
        (RecordType::AAAA, "2001:DB8:0::1", "2001:db8::1"),
        (RecordType::CNAME, "Edge.Vendor.example.", "edge.vendor.example"),
        (RecordType::MX, "10  Mail.vendor.example.", "10 mail.vendor.example"),
        (RecordType::TXT, r#""v=spf1 " "-all""#, "v=spf1 -all"),
    ] {
        assert_eq!(alike(kind, a), alike(kind, b));
    }
    assert_ne!(alike(RecordType::TXT, "Key"), alike(RecordType::TXT, "key"));
}

/// A name that points at itself, and a chain of pointers (RFC 1035 4.1.4).
#[test]
fn compression_loops_end() {
    let question = question("vendor.example", RecordType::A);
    let mut bytes = asked(&question).address(1).to_vec().unwrap();
    let answer = bytes.len() - 16 - if bytes.ends_with(&[192, 0, 2, 1]) { 0 } else { 11 };
    bytes[answer..answer + 2].copy_from_slice(&[0xc0, answer as u8]);
    assert!(matches!(read(&bytes, &question, 7), Err(Unread::Malformed(_))));
    let mut pointers = question.with_id(7).unwrap()[..12].to_vec();
    pointers[2] |= 0x80;
    pointers[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    for at in (12..16_000_u16).step_by(2) {
        pointers.extend((0xc000 | (at + 2)).to_be_bytes());
    }
    assert!(read(&pointers, &question, 7).is_err());
}

/// A header that promises 65,535 records makes nobody reserve room for them.
#[test]
fn a_header_that_promises_too_much_is_refused() {
    let question = question("vendor.example", RecordType::A);
    let mut bytes = asked(&question).address(1).to_vec().unwrap();
    for section in [4, 6, 8, 10] {
        let before = bytes.clone();
        bytes[section..section + 2].copy_from_slice(&[0xff, 0xff]);
        let refused = Err(Unread::Malformed("it is shorter than its header says".to_owned()));
        assert_eq!(read(&bytes, &question, 7), refused);
        bytes = before;
    }
}

/// Reading never panics, and what comes out is small beside what went in.
fn holds(bytes: &[u8]) {
    for kind in [RecordType::A, RecordType::TXT, RecordType::CNAME, RecordType::HTTPS] {
        let question = question("vendor.example", kind);
        if let Ok(Answer { answers, compared, .. }) = read(bytes, &question, 7) {
            assert!(answers.len() == compared.len() && answers.len() <= 1000);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..600), ours: bool) {
        if ours && bytes.len() > 4 {
            bytes[..4].copy_from_slice(&[0, 7, 0x80, 0]);
        }
        holds(&bytes);
    }

    #[test]
    fn damaged_answers_are_read_without_harm(changes in prop::collection::vec((2..200_usize, any::<u8>()), 1..6), cut in 0..200_usize) {
        let question = question("vendor.example", RecordType::TXT);
        let text = RData::TXT(TXT::new(vec!["v=spf1 -all".into(), "more".into()]));
        let mut bytes = asked(&question).records([text, cname("a.b.c.example"), soa(1)]).to_vec().unwrap();
        for (at, byte) in changes {
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(100)));
        holds(&bytes);
    }
}
