//! The dns kind against name servers on the loopback address: what they answer, and what they do to us.

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::net::UdpSocket;

use super::*;
use crate::fetch::resolve::Resolver;
use crate::model::Outcome::{Degraded, Down, Unknown, Up};
use crate::probes::{http, tcp};

mod reading;
mod secure;
pub(in crate::probes) mod server;

use server::{Asked, Say, a, loopback, ns, serve, serve_at, soa};

const TIMEOUT: Duration = Duration::from_secs(8);

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn list(texts: &[&str]) -> Value {
    Value::TextList(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// Settings of a check of `vendor.example`, with the keys that a test is about.
struct Check {
    settings: Settings,
    workshop: Workshop,
}

fn check() -> Check {
    Check { settings: Settings([("name", text("vendor.example"))].into()), workshop: Workshop::new() }
}

fn of(server: SocketAddr) -> Check {
    check().with("server", text(&server.to_string()))
}

impl Check {
    fn with(mut self, key: &'static str, value: Value) -> Self {
        assert!(KIND.keys.iter().copied().flatten().any(|known| known.name == key), "{key} is a key of dns");
        self.settings.0.insert(key, value);
        self
    }

    fn expect(self, condition: &str) -> Self {
        self.with("expect", list(&[condition]))
    }

    fn expect_more(mut self, condition: &str) -> Self {
        if let Some(Value::TextList(all)) = self.settings.0.get_mut("expect") {
            all.push(condition.into());
        }
        self
    }

    fn answers(self, how: &'static str, answers: &[&str]) -> Self {
        self.with("expect_answers", Value::Table(Settings([(how, list(answers))].into())))
    }

    /// As on a machine whose name server is this one.
    fn system_at(mut self, server: SocketAddr) -> Self {
        self.workshop.resolver = Resolver::of_this_system().at(server);
        self
    }

    async fn within(&self, timeout: Duration) -> Observation {
        let probe = make(&self.settings, &self.workshop).unwrap_or_else(|faults| panic!("{faults:?}"));
        probe.run(timeout).await
    }

    async fn sees(&self, outcome: Outcome, reason: Reason) -> Observation {
        let seen = self.within(TIMEOUT).await;
        assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{}", seen.detail.message);
        if outcome != Up {
            assert!(seen.detail.evidence.is_some(), "{}", seen.detail.message);
        }
        seen
    }

    fn faults(&self) -> Vec<&'static str> {
        let faults = make(&self.settings, &self.workshop).err().unwrap_or_default();
        assert!(faults.iter().all(|fault| fault.hint.is_some()), "{faults:?}");
        faults.iter().map(|fault| fault.key).collect()
    }
}

#[tokio::test]
async fn an_answer_is_up_and_shows_what_was_seen() {
    let server = serve(|asked: &Asked| asked.records([a(1), a(2)]).into()).await;
    let conditions = ["latency < 5s", "dns.rcode == 'NOERROR'", "dns.answers contains '192.0.2.2'", "dns.ttl == 300s", "ip == '127.0.0.1'"];
    let seen = of(server).with("expect", list(&conditions)).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "NOERROR, 2 answers");
    assert_eq!(seen.detail.hops[0].address, Some(server));
    assert!(seen.phases.processing.is_some() && seen.phases.connect.is_none() && seen.phases.resolve.is_none());
    of(server).expect("dns.answers == '192.0.2.1'").sees(Down, Reason::Expectation).await;
    let slow = of(server).with("degraded_over", Value::Duration(Duration::from_nanos(1))).sees(Degraded, Reason::Slow).await;
    assert!(slow.detail.message.starts_with("answered, but in "), "{}", slow.detail.message);
}

#[tokio::test]
async fn codes_become_reasons_unless_they_are_expected() {
    let server = serve(|asked: &Asked| {
        let code = match asked.name().split('.').next().unwrap() {
            "nxdomain" => ResponseCode::NXDomain,
            "servfail" => ResponseCode::ServFail,
            "refused" => ResponseCode::Refused,
            "notimp" => ResponseCode::NotImp,
            _ => ResponseCode::NoError,
        };
        asked.code(code).into()
    })
    .await;
    for (word, reason) in [
        ("NXDOMAIN", Reason::DnsNxdomain),
        ("SERVFAIL", Reason::DnsServfail),
        ("REFUSED", Reason::DnsServfail),
        ("NOTIMP", Reason::DnsServfail),
        ("NOERROR", Reason::Expectation),
    ] {
        let of = || of(server).with("record_name", text(&format!("{word}.example")));
        let seen = of().sees(Down, reason).await;
        assert!(seen.detail.expectations.iter().any(|expectation| !expectation.passed));
        of().with("expect_rcode", list(&[word])).sees(Up, Reason::Ok).await;
        of().expect(&format!("dns.rcode == '{word}'")).sees(Up, Reason::Ok).await;
        of().with("expect_rcode", list(&["FORMERR"])).sees(Down, reason).await;
        of().expect("dns.rcode == 'FORMERR'").sees(Down, Reason::Expectation).await;
    }
}

#[tokio::test]
async fn answers_are_wanted_in_part_or_exactly() {
    let server = serve(|asked: &Asked| match asked.kind() {
        RecordType::TXT => asked.records([RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()]))]).into(),
        RecordType::NS => asked.records([ns("NS1.vendor.example"), ns("ns2.vendor.example")]).into(),
        RecordType::A => asked.records([a(1), a(2)]).into(),
        _ => asked.records([]).into(),
    })
    .await;
    for (kind, how, answers, holds) in [
        ("A", "any", &["192.0.2.9", "192.0.2.2"][..], true),
        ("A", "any", &["192.0.2.9"], false),
        ("A", "all", &["192.0.2.2"], true),
        ("A", "all", &["192.0.2.2", "192.0.2.9"], false),
        ("A", "exact", &["192.0.2.2", "192.0.2.1"], true),
        ("A", "exact", &["192.0.2.1"], false),
        ("AAAA", "exact", &[], true),
        ("AAAA", "any", &["2001:db8::1"], false),
        ("NS", "exact", &["ns1.vendor.example.", "NS2.vendor.example"], true),
        ("TXT", "all", &["v=spf1 -all"], true),
        ("TXT", "all", &["\"v=spf1 \" \"-all\""], true),
        ("TXT", "all", &["V=SPF1 -all"], false),
    ] {
        let (outcome, reason) = if holds { (Up, Reason::Ok) } else { (Down, Reason::Expectation) };
        of(server).with("record_type", text(kind)).answers(how, answers).sees(outcome, reason).await;
    }
}

#[tokio::test]
async fn a_validated_answer_can_be_wanted() {
    let server = serve(|asked: &Asked| {
        let mut message = asked.address(1);
        message.metadata.authentic_data = asked.message.metadata.authentic_data && asked.name() == "signed.example";
        message.into()
    })
    .await;
    let of = |name| of(server).with("record_name", text(name)).with("expect_authenticated", Value::Flag(true));
    of("signed.example").sees(Up, Reason::Ok).await;
    let seen = of("plain.example").sees(Down, Reason::Expectation).await;
    assert!(seen.detail.message.contains("no AD flag"), "{}", seen.detail.message);
}

/// The answer to this question, but with something else in its place.
fn forged(asked: &Asked, change: impl Fn(&mut Message)) -> Vec<u8> {
    let mut message = asked.address(66);
    change(&mut message);
    message.to_vec().unwrap()
}

#[tokio::test]
async fn answers_to_other_questions_are_passed_over() {
    let server = serve(|asked: &Asked| {
        let wrong_id = forged(asked, |message| message.metadata.id = !message.metadata.id);
        let wrong_name = forged(asked, |message| message.queries[0].name = server::name("other.example"));
        let wrong_type = forged(asked, |message| message.queries[0].query_type = RecordType::TXT);
        let right = asked.address(1).to_vec().unwrap();
        Say { messages: vec![b"?".to_vec(), wrong_id, wrong_name, wrong_type, right], ..Say::default() }
    })
    .await;
    of(server).answers("exact", &["192.0.2.1"]).sees(Up, Reason::Ok).await;

    let forger = serve(|asked: &Asked| Say::bytes(forged(asked, |message| message.metadata.id = !message.metadata.id))).await;
    let seen = of(forger).within(Duration::from_millis(100)).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::DnsTimeout));
}

#[tokio::test]
async fn only_the_server_that_was_asked_is_heard() {
    let liar = Arc::new(UdpSocket::bind("127.0.0.2:0").await.unwrap());
    let victim = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = victim.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((length, from)) = victim.recv_from(&mut question).await {
            let asked = Asked { message: Message::from_vec(&question[..length]).unwrap(), tcp: false, before: 0 };
            liar.send_to(&asked.address(66).to_vec().unwrap(), from).await.unwrap();
        }
    });
    let seen = of(address).within(Duration::from_millis(100)).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::DnsTimeout));
}

#[tokio::test]
async fn what_is_no_answer_is_told() {
    let silent = serve(|_: &Asked| Say::nothing()).await;
    let garbage = serve(|asked: &Asked| Say::bytes([&asked.message.id.to_be_bytes()[..], &[0x80; 30]].concat())).await;
    let flood = serve(|_: &Asked| Say { messages: vec![b"no".to_vec(); 3000], ..Say::default() }).await;
    let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = unused.local_addr().unwrap();
    drop(unused);
    for (server, reason) in [(garbage, Reason::Protocol), (closed, Reason::ConnectRefused)] {
        of(server).sees(Down, reason).await;
    }
    for server in [silent, flood] {
        let seen = of(server).within(Duration::from_millis(300)).await;
        assert_eq!(seen.outcome, Down);
        assert!(matches!(seen.reason, Reason::DnsTimeout | Reason::Protocol), "{}", seen.detail.message);
        assert!(seen.duration < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_lost_datagram_is_sent_again() {
    let server = serve(|asked: &Asked| if asked.before == 0 { Say::nothing() } else { asked.address(1).into() }).await;
    let seen = of(server).sees(Up, Reason::Ok).await;
    assert!(seen.duration >= Duration::from_secs(1), "the time since the first question");
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let server = serve(|asked: &Asked| {
        let mut message = asked.address(1);
        if !asked.tcp {
            message.metadata.truncation = true;
            message.answers.clear();
        }
        message.into()
    })
    .await;
    let seen = of(server).answers("exact", &["192.0.2.1"]).sees(Up, Reason::Ok).await;
    assert!(seen.phases.connect.is_some());
}

#[tokio::test]
async fn over_tcp_an_answer_is_whole_or_none() {
    let over_tcp = |server| of(server).with("transport", text("tcp"));
    let good = serve(|asked: &Asked| if asked.tcp { asked.address(1).into() } else { Say::nothing() }).await;
    let seen = over_tcp(good).sees(Up, Reason::Ok).await;
    assert!(seen.phases.connect.is_some() && seen.phases.processing.is_some());
    for (say, reason) in [
        (Say::raw as fn(Vec<u8>) -> Say, Reason::Receive),
        (|_| Say::raw([0xff, 0xff, 1, 2, 3]), Reason::Receive),
        (|_| Say::bytes(vec![0; 65_535]), Reason::Protocol),
        (|_| Say::bytes(Vec::new()), Reason::Protocol),
    ] {
        let server = serve(move |_: &Asked| say(Vec::new())).await;
        over_tcp(server).sees(Down, reason).await;
    }
    let other = serve(|asked: &Asked| Say::bytes(forged(asked, |message| message.metadata.id = !message.metadata.id))).await;
    over_tcp(other).sees(Down, Reason::Protocol).await;
    let truncated = serve(|asked: &Asked| Say::bytes(forged(asked, |message| message.metadata.truncation = true))).await;
    over_tcp(truncated).sees(Down, Reason::Protocol).await;
    let silent = serve(|_: &Asked| Say::nothing()).await;
    let seen = over_tcp(silent).within(Duration::from_millis(100)).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::DnsTimeout));
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = unused.local_addr().unwrap();
    drop(unused);
    over_tcp(closed).sees(Down, Reason::ConnectRefused).await;
}

#[tokio::test]
async fn f18_this_machines_resolver_is_ours() {
    let good = serve(|asked: &Asked| asked.address(1).into()).await;
    for transport in ["udp", "tcp"] {
        let asks = |server| check().with("transport", text(transport)).system_at(server);
        let seen = asks(good).sees(Up, Reason::Ok).await;
        assert_eq!(seen.detail.hops[0].address, Some(good));
        let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let closed = unused.local_addr().unwrap();
        drop(unused);
        asks(closed).sees(Unknown, Reason::DnsLocal).await;
    }
}

#[tokio::test]
async fn the_server_may_be_a_name_and_the_guard_judges_where_it_leads() {
    let good = serve(|asked: &Asked| asked.address(1).into()).await;
    let localhost = of(good).with("server", text(&format!("localhost:{}", good.port())));
    let seen = localhost.with("ip", text("v4")).sees(Up, Reason::Ok).await;
    assert!(seen.phases.resolve.is_some());

    let names = serve(|asked: &Asked| match asked.kind() {
        RecordType::A => asked.records([loopback(1)]).into(),
        _ => asked.records([]).into(),
    })
    .await;
    let named = of(good).with("server", text(&format!("ns1.vendor.example:{}", good.port()))).with("dns_server", text(&names.to_string()));
    let private = named.with("allow_private", Value::Flag(true));
    private.sees(Up, Reason::Ok).await;
    private.with("allow_private", Value::Flag(false)).sees(Unknown, Reason::AddressRefused).await;
}

/// Three name servers of one zone; the middle one may be behind or silent.
async fn zone(second: Option<u32>) -> (SocketAddr, u16) {
    let first = serve_at("127.0.0.2".parse().unwrap(), 0, |asked: &Asked| asked.records([soa(7)]).into()).await;
    let port = first.port();
    let say = move |asked: &Asked| second.map_or_else(Say::nothing, |serial| asked.records([soa(serial)]).into());
    serve_at("127.0.0.3".parse().unwrap(), port, say).await;
    let resolver = serve(|asked: &Asked| match (asked.kind(), asked.name().as_str()) {
        (RecordType::SOA, _) => asked.records([soa(7)]).into(),
        (RecordType::NS, _) => asked.records([ns("ns1.vendor.example"), ns("ns2.vendor.example")]).into(),
        (RecordType::A, "ns1.vendor.example") => asked.records([loopback(2)]).into(),
        (RecordType::A, "ns2.vendor.example") => asked.records([loopback(3)]).into(),
        _ => asked.records([]).into(),
    })
    .await;
    (resolver, port)
}

#[tokio::test]
async fn the_serial_is_compared_over_the_zones_name_servers() {
    for (second, outcome, said) in [
        (Some(7), Up, "NOERROR, 1 answer"),
        (Some(6), Down, "ns1.vendor.example: 7, ns2.vendor.example: 6"),
        (None, Down, "ns2.vendor.example: no answer"),
    ] {
        let (resolver, port) = zone(second).await;
        let of = of(resolver)
            .with("record_type", text("SOA"))
            .with("serial", Value::Flag(true))
            .with("dns_server", text(&resolver.to_string()))
            .with("allow_private", Value::Flag(true))
            .expect("dns.serial >= 7");
        let mut probe = make(&of.settings, &of.workshop).unwrap_or_else(|faults| panic!("{faults:?}"));
        probe.authority_port = port;
        let seen = probe.run(Duration::from_secs(2)).await;
        assert_eq!(seen.outcome, outcome, "{}", seen.detail.message);
        assert!(seen.detail.message.contains(said), "{}", seen.detail.message);
        assert!(seen.duration < Duration::from_millis(2500));
    }
}

#[test]
fn faults_say_what_to_write() {
    let mut bare = check();
    bare.settings.0.insert("name", text("apex"));
    for (check, key) in [
        (bare, "name"),
        (check().with("record_name", text("")), "record_name"),
        (check().with("record_name", text("https://vendor.example/")), "record_name"),
        (check().with("record_name", text("192.0.2.1")), "record_name"),
        (check().with("record_name", text(&"a".repeat(64))), "record_name"),
        (check().with("transport", text("tls")), "transport"),
        (check().with("transport", text("https")), "transport"),
        (check().with("server", text("https://dns.example/")), "server"),
        (check().with("server", text("ns1.vendor.example:0")), "server"),
        (check().with("server", text("ns1 vendor")), "server"),
        (check().with("server", text("http://dns.example/")).with("transport", text("https")), "server"),
        (check().with("server", text("https://me:pw@dns.example/")).with("transport", text("https")), "server"),
        (check().with("dns_server", text("dns.quad9.net")), "dns_server"),
        (check().with("serial", Value::Flag(true)), "serial"),
        (check().with("expect_answers", Value::Table(Settings::default())), "expect_answers"),
        (check().answers("any", &["vendor.example"]), "expect_answers.any"),
        (check().answers("all", &[]), "expect_answers.all"),
        (check().with("record_type", text("MX")).answers("exact", &["mail.vendor.example"]), "expect_answers.exact"),
    ] {
        assert_eq!(check.faults(), [key], "{:?}", check.settings);
    }
    for check in [
        check(),
        check().with("record_name", text("_dmarc.vendor.example.")),
        check().with("record_name", text("bücher.example")),
        check().with("record_name", text("2001:db8::1")).with("record_type", text("PTR")),
        check().with("server", text("2620:fe::fe")),
        check().with("server", text("[2620:fe::fe]:853")).with("transport", text("tls")),
        check().with("server", text("dns.quad9.net")).with("transport", text("https")),
        check().answers("exact", &[]),
    ] {
        assert_eq!(check.faults(), [""; 0], "{:?}", check.settings);
    }
}

/// Every kind that dials asks the server that its check names, and its time is the phase `resolve`.
#[tokio::test]
async fn the_time_of_a_name_server_is_seen_as_resolve() {
    const DELAY: Duration = Duration::from_millis(30);
    let names = serve(|asked: &Asked| match asked.kind() {
        RecordType::A => Say::from(asked.records([loopback(1)])).after(DELAY),
        _ => Say::from(asked.records([])).after(DELAY),
    })
    .await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let common = [("dns_server", text(&names.to_string())), ("allow_private", Value::Flag(true))];
    for (kind, key, place) in
        [(&tcp::KIND, "address", format!("api.vendor.example:{port}")), (&http::KIND, "url", format!("http://api.vendor.example:{port}/"))]
    {
        let settings = Settings(common.iter().cloned().chain([(key, text(&place))]).collect());
        let probe = kind.probe(&settings, &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
        for run in 0..2 {
            let seen = probe.run(TIMEOUT).await;
            assert_eq!(seen.outcome, Up, "{}", seen.detail.message);
            let resolve = Duration::from_micros(seen.phases.resolve.unwrap().into());
            assert!(resolve >= DELAY && resolve < DELAY + Duration::from_millis(100), "{} run {run}: {resolve:?}", kind.name);
        }
    }
}
