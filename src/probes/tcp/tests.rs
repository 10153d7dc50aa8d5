//! The tcp kind against real servers: connections, dialogues, and the way to TLS of each protocol.

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{Authority, Check, SHORT, TIMEOUT, check, closed, reset, says, serve, silent};

use Outcome::{Down, Unknown, Up};

fn at(address: impl std::fmt::Display) -> Check {
    check(KIND, "address", address)
}

#[tokio::test]
async fn connects_and_measures() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = at(address).expect(&["latency < 5s", "ip == '127.0.0.1'"]).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.hops[0].address, Some(address));
    assert!(seen.phases.connect.is_some() && seen.phases.resolve.is_none() && seen.phases.processing.is_none());
    assert_eq!(seen.detail.expectations.len(), 2);
    assert_eq!(seen.detail.message, "connected");

    let name = format!("localhost:{}", address.port());
    let seen = at(&name).sees(Up, Reason::Ok).await;
    assert!(seen.phases.resolve.is_some(), "v4 after v6 was refused");
    at(address).expect(&["latency > 5s"]).sees(Down, Reason::Expectation).await;
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = closed().await;
    let seen = at(address).sees(Down, Reason::ConnectRefused).await;
    assert_eq!(seen.detail.message, format!("connection refused by {address}"));
}

/// A server that answers every line with `PONG` and stays.
async fn pong() -> std::net::SocketAddr {
    serve(|mut stream| async move {
        while hears(&mut stream, b"\n").await {
            let _ = stream.write_all(b"+PONG\r\n").await;
        }
    })
    .await
}

/// Reads up to and with these bytes.
async fn hears(stream: &mut (impl AsyncRead + Unpin), end: &[u8]) -> bool {
    let mut heard = Vec::new();
    while !heard.ends_with(end) {
        match stream.read_u8().await {
            Ok(byte) => heard.push(byte),
            Err(_) => return false,
        }
    }
    true
}

#[tokio::test]
async fn what_is_sent_is_answered_and_judged() {
    let address = pong().await;
    let ping = || at(address).text("send", "PING\r\n");
    let seen = ping().expect(&["body contains 'PONG'", "body_bytes == 7"]).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "answered");
    assert!(seen.phases.processing.is_some());
    ping().sees(Up, Reason::Ok).await;

    let wrong = ping().expect(&["body contains 'LOADING'"]).within(SHORT).await;
    assert_eq!((wrong.outcome, wrong.reason), (Down, Reason::Expectation), "it came, and was not it");
    assert_eq!(wrong.detail.message, "wanted body contains 'LOADING', saw '+PONG'");
    let evidence = wrong.detail.evidence.unwrap();
    assert_eq!((evidence.request.as_str(), evidence.body.as_str()), ("PING", "+PONG"));
    let any = Value::TextList(vec!["body contains 'PONG'".into(), "body contains 'LOADING'".into()]);
    ping().with("expect_any", any).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn a_banner_needs_no_question() {
    let address = says("SSH-2.0-OpenSSH_9.2\r\n").await;
    at(address).expect(&["body matches '^SSH-2.0-'"]).sees(Up, Reason::Ok).await;
    let slowly = serve(|mut stream| async move {
        for byte in b"220 ready" {
            let _ = stream.write_all(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    at(slowly).expect(&["body contains 'ready'"]).sees(Up, Reason::Ok).await;
    at(address).text("send", "").sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn no_answer_has_its_reason() {
    let wants = |address| at(address).expect(&["body contains 'x'"]);
    let seen = wants(silent().await).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody), "{}", seen.detail.message);
    assert!(seen.duration >= SHORT && seen.duration < TIMEOUT);
    wants(serve(|stream| async move { drop(stream) }).await).sees(Down, Reason::Receive).await;
    let resets = serve(|mut stream| async move {
        let _ = stream.read(&mut [0]).await;
        reset(stream);
    })
    .await;
    wants(resets).text("send", "x").sees(Down, Reason::Receive).await;
    let partly = serve(|mut stream| async move {
        let _ = stream.write_all(b"half").await;
    })
    .await;
    let seen = wants(partly).sees(Down, Reason::Expectation).await;
    assert_eq!(seen.detail.message, "wanted body contains 'x', saw 'half'");
    let closes = serve(|stream| async move { drop(stream) }).await;
    at(closes).expect(&["body_bytes == 0"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn f19_f20_a_hostile_server_costs_little() {
    let endless = serve(|mut stream| async move { while stream.write_all(&[b'a'; 8192]).await.is_ok() {} }).await;
    let seen = at(endless).expect(&["body contains 'x'"]).sees(Down, Reason::Expectation).await;
    assert!(seen.detail.evidence.unwrap().body.len() <= 2 * 4096);
    at(endless).expect(&["body_bytes == 65536"]).sees(Up, Reason::Ok).await;

    let drips = serve(|mut stream| async move {
        while stream.write_all(b"a").await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let seen = at(drips).expect(&["body contains 'x'"]).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::Expectation));
    // What comes after we stopped looking at every byte is judged in the end.
    let late = serve(|mut stream| async move {
        for _ in 0..1000 {
            let _ = stream.write_all(b"a").await;
            tokio::task::yield_now().await;
        }
        let _ = stream.write_all(b"x").await;
    })
    .await;
    at(late).expect(&["body contains 'x'"]).sees(Up, Reason::Ok).await;
    let garbage = says([0xff, 0xfe, 0x00, 0x1b, b'[']).await;
    let seen = at(garbage).text("send", "x").expect(&["body == 'x'"]).within(SHORT).await;
    assert!(!seen.detail.message.contains('\u{1b}'), "{}", seen.detail.message);
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let address = pong().await;
    let run = async |settings: &Settings| {
        let mut probe = TcpProbe::of(settings, &Workshop::new()).unwrap();
        probe.target.configured = false;
        probe.run(TIMEOUT).await
    };
    let name = format!("localhost:{}", address.port());
    let seen = run(&at(&name).settings).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    assert_eq!(run(&at(&name).with("allow_private", Value::Flag(true)).settings).await.outcome, Up);
}

#[test]
fn faults_name_their_key() {
    assert_eq!(at("vendor.example").faults(), ["address"]);
    assert_eq!(at("a:1").expect(&["cert.days_left > 3"]).faults(), ["expect"], "nothing is known of certificates without TLS");
    assert!(at("a:1").text("starttls", "smtp").expect(&["cert.days_left > 3"]).faults().is_empty());
    assert_eq!(at("a:1").text("starttls", "smtp").text("ca", "/nowhere.pem").faults(), ["ca"]);
}

/// What a server does before TLS.
#[derive(Clone, Copy)]
enum Step {
    Say(&'static [u8]),
    /// Reads until these bytes came.
    Hear(&'static [u8]),
}

use Step::{Hear, Say};

/// A server that plays `steps`; then it shakes hands, if it can, and answers lines with `PONG`.
async fn plays(steps: &'static [Step], acceptor: Option<TlsAcceptor>) -> u16 {
    let address = serve(move |stream| play(stream, steps, acceptor.clone())).await;
    address.port()
}

async fn play(mut stream: TcpStream, steps: &'static [Step], acceptor: Option<TlsAcceptor>) {
    for step in steps {
        match step {
            Say(text) => drop(stream.write_all(text).await),
            Hear(text) => drop(hears(&mut stream, text).await),
        }
    }
    let Some(acceptor) = acceptor else { return };
    let Ok(mut secured) = acceptor.accept(stream).await else { return };
    while hears(&mut secured, b"\n").await {
        let _ = secured.write_all(b"+PONG\r\n").await;
    }
}

const LDAP_OK: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";
/// As OpenLDAP and Active Directory write it.
const LDAP_OK_LONG: &[u8] = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00";

#[tokio::test]
async fn each_protocol_comes_to_tls() {
    let authority = Authority::new();
    let acceptor = authority.identity("localhost", 2090).any_version();
    let cases: &[(&str, &'static [Step])] = &[
        (
            "smtp",
            &[
                Say(b"220-mail.example\r\n220 ESMTP\r\n"),
                Hear(b"]\r\n"),
                Say(b"250-mail.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"220 go ahead\r\n"),
            ],
        ),
        (
            "smtp",
            &[
                Say(b"220 a\r\n"),
                Hear(b"EHLO ["),
                Hear(b"\r\n"),
                Say(b"250-a\r\n250 STARTTLS\r\n"),
                Hear(b"STARTTLS\r\n"),
                Say(b"220 2.0.0 go\r\n"),
            ],
        ),
        (
            "imap",
            &[
                Say(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
                Hear(b"a1 CAPABILITY\r\n"),
                Say(b"* CAPABILITY IMAP4rev1 StartTLS LOGINDISABLED\r\na1 ok done\r\n"),
                Hear(b"a2 STARTTLS\r\n"),
                Say(b"a2 OK begin\r\n"),
            ],
        ),
        (
            "pop3",
            &[Say(b"+OK ready\r\n"), Hear(b"CAPA\r\n"), Say(b"+OK\r\nTOP\r\nSTLS\r\n.\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n")],
        ),
        ("pop3", &[Say(b"+OK ready\r\n"), Hear(b"CAPA\r\n"), Say(b"-ERR unknown\r\n"), Hear(b"STLS\r\n"), Say(b"+OK begin\r\n")]),
        ("ftp", &[Say(b"220-Welcome\r\n some words\r\n220 ready\r\n"), Hear(b"AUTH TLS\r\n"), Say(b"234 go\r\n")]),
        ("ldap", &[Hear(b"1466.20037"), Say(LDAP_OK)]),
        ("ldap", &[Hear(b"1466.20037"), Say(LDAP_OK_LONG)]),
        ("postgres", &[Hear(b"\x04\xd2\x16\x2f"), Say(b"S")]),
    ];
    for (protocol, steps) in cases {
        let port = plays(steps, Some(acceptor.clone())).await;
        let secure = || at(format!("localhost:{port}")).text("starttls", *protocol).text("ca", authority.path());
        let seen = secure().expect(&["cert.days_left > 30", "tls.version == 1.3"]).sees(Up, Reason::Ok).await;
        assert!(seen.detail.ends_at().is_some(), "{protocol}");
        secure().text("send", "PING\r\n").expect(&["body contains 'PONG'"]).sees(Up, Reason::Ok).await;
    }
}

#[tokio::test]
async fn a_certificate_is_judged_after_starttls_too() {
    let authority = Authority::new();
    const STEPS: &[Step] = &[Hear(b"\x04\xd2\x16\x2f"), Say(b"S")];
    for (name, year, reason) in [("localhost", 2001, Reason::TlsExpired), ("other.example", 2090, Reason::TlsName)] {
        let port = plays(STEPS, Some(authority.identity(name, year).any_version())).await;
        let check = at(format!("localhost:{port}")).text("starttls", "postgres").text("ca", authority.path());
        let seen = check.sees(Down, reason).await;
        assert!(seen.detail.chain().is_some());
        assert!(seen.detail.evidence.unwrap().response.contains("issued by"));
    }
    let named = plays(STEPS, Some(authority.identity("other.example", 2090).any_version())).await;
    let check = at(format!("localhost:{named}")).text("starttls", "postgres").text("ca", authority.path());
    check.text("server_name", "other.example").sees(Up, Reason::Ok).await;
    let port = plays(&[Hear(b"\x04\xd2\x16\x2f"), Say(b"S"), Hear(b"\x16"), Say(b"hello")], None).await;
    let check = at(format!("localhost:{port}")).text("starttls", "postgres").text("ca", authority.path());
    check.sees(Down, Reason::TlsHandshake).await;
}

#[tokio::test]
async fn what_does_not_come_to_tls_is_told_in_the_servers_words() {
    let cases: &[(&str, &'static [Step], &str)] = &[
        ("smtp", &[Say(b"554 go away\r\n")], "greets with 554 go away"),
        ("smtp", &[Say(b"220 a\r\n"), Hear(b"]\r\n"), Say(b"250-a\r\n250 STARTTLSNOT\r\n")], "does not offer STARTTLS"),
        ("smtp", &[Say(b"220 a\r\n"), Hear(b"]\r\n"), Say(b"502 what\r\n")], "answers EHLO with 502 what"),
        (
            "smtp",
            &[Say(b"220 a\r\n"), Hear(b"]\r\n"), Say(b"250 STARTTLS\r\n"), Hear(b"TLS\r\n"), Say(b"454 not now\r\n")],
            "refuses STARTTLS with 454 not now",
        ),
        (
            "smtp",
            &[Say(b"220 a\r\n"), Hear(b"]\r\n"), Say(b"250 STARTTLS\r\n"), Hear(b"TLS\r\n"), Say(b"220 go\r\n250 and this\r\n")],
            "says more after it agreed to TLS",
        ),
        ("imap", &[Say(b"* BYE full\r\n")], "greets with * BYE full"),
        ("imap", &[Say(b"* PREAUTH hello\r\n")], "greets with * PREAUTH hello"),
        ("imap", &[Say(b"* OK\r\n"), Hear(b"a1 CAPABILITY\r\n"), Say(b"* CAPABILITY IMAP4rev1\r\na1 OK\r\n")], "does not offer STARTTLS"),
        (
            "imap",
            &[
                Say(b"* OK\r\n"),
                Hear(b"a1 CAPABILITY\r\n"),
                Say(b"* CAPABILITY STARTTLS\r\na1 OK\r\n"),
                Hear(b"a2 STARTTLS\r\n"),
                Say(b"a2 NO later\r\n"),
            ],
            "refuses STARTTLS with a2 NO later",
        ),
        ("pop3", &[Say(b"-ERR busy\r\n")], "greets with -ERR busy"),
        ("pop3", &[Say(b"+OK\r\n"), Hear(b"CAPA\r\n"), Say(b"+OK\r\nTOP\r\n.\r\n")], "does not offer STLS"),
        (
            "pop3",
            &[Say(b"+OK\r\n"), Hear(b"CAPA\r\n"), Say(b"-ERR\r\n"), Hear(b"STLS\r\n"), Say(b"-ERR no\r\n")],
            "refuses STLS with -ERR no",
        ),
        ("ftp", &[Say(b"220 a\r\n"), Hear(b"AUTH TLS\r\n"), Say(b"530 Please login\r\n")], "refuses AUTH TLS with 530 Please login"),
        (
            "ldap",
            &[Hear(b"20037"), Say(b"\x30\x10\x02\x01\x01\x78\x0b\x0a\x01\x02\x04\x00\x04\x04nope")],
            "refuses StartTLS with result 2 nope",
        ),
        ("ldap", &[Hear(b"20037"), Say(b"HTTP/1.1 400 Bad Request\r\n\r\n")], "does not answer with LDAP"),
        ("ldap", &[Hear(b"20037"), Say(b"\x30\x84\xff\xff\xff\xff")], "does not answer with LDAP"),
        ("postgres", &[Hear(b"\x2f"), Say(b"N")], "does not offer TLS"),
        ("postgres", &[Hear(b"\x2f"), Say(b"E\0\0\0\x10")], "answers SSLRequest with an error"),
        ("postgres", &[Hear(b"\x2f"), Say(b"HTTP/1.1 400")], "does not answer as PostgreSQL does"),
        ("postgres", &[Hear(b"\x2f"), Say(b"SX")], "says more after it agreed to TLS"),
    ];
    for (protocol, steps, says) in cases {
        let address = format!("127.0.0.1:{}", plays(steps, None).await);
        let seen = at(&address).text("starttls", *protocol).sees(Down, Reason::Protocol).await;
        assert_eq!(seen.detail.message, format!("{address} {says}"), "{protocol}");
    }
}

#[tokio::test]
async fn f19_a_hostile_server_before_tls_costs_little() {
    for protocol in Protocol::WORDS {
        let with = |address: std::net::SocketAddr| at(address).text("starttls", *protocol);
        let seen = with(silent().await).within(SHORT).await;
        assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody), "{protocol}: {}", seen.detail.message);
        with(serve(|stream| async move { drop(stream) }).await).sees(Down, Reason::Receive).await;
        let resets = serve(|mut stream| async move {
            let _ = stream.write_all(b"2").await;
            let _ = stream.read(&mut [0; 4]).await;
            reset(stream);
        })
        .await;
        let seen = with(resets).within(TIMEOUT.min(3 * SHORT)).await;
        assert_eq!(seen.outcome, Down, "{protocol}");
        let endless_line = serve(|mut stream| async move { while stream.write_all(&[b'2'; 4096]).await.is_ok() {} }).await;
        with(endless_line).sees(Down, Reason::Protocol).await;
        let endless_lines = serve(|mut stream| async move { while stream.write_all(b"* x\r\n220-x\r\n+OK\r\n").await.is_ok() {} }).await;
        with(endless_lines).sees(Down, Reason::Protocol).await;
    }
    let endless_reply = serve(|mut stream| async move { while stream.write_all(b"220-x\r\n").await.is_ok() {} }).await;
    let seen = at(endless_reply).text("starttls", "smtp").sees(Down, Reason::Protocol).await;
    assert!(seen.detail.message.ends_with("says more than anybody would before TLS"), "{}", seen.detail.message);
}
