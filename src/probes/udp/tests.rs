//! The udp kind against real sockets: answers, silence and floods.

use super::*;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{Check, SHORT, TIMEOUT, check};

use Outcome::{Down, Unknown, Up};

fn asking(address: impl std::fmt::Display) -> Check {
    check(KIND, "address", address).text("send", "ping")
}

/// A socket that answers everybody with each of these.
async fn answers(all: &'static [&'static [u8]]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut asked = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut asked).await {
            assert_eq!(&asked[..length], b"ping");
            for answer in all {
                let _ = socket.send_to(answer, from).await;
            }
        }
    });
    address
}

#[tokio::test]
async fn an_answer_is_up_and_judged() {
    let address = answers(&[b"pong"]).await;
    let seen = asking(address).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "answered");
    assert_eq!(seen.detail.hops[0].address, Some(address));
    assert!(seen.phases.processing.is_some() && seen.phases.connect.is_none());
    asking(address).expect(&["body == 'pong'", "body_bytes == 4", "latency < 9s", "ip == '127.0.0.1'"]).sees(Up, Reason::Ok).await;
    asking(format!("localhost:{}", address.port())).sees(Up, Reason::Ok).await;

    let wrong = asking(address).expect(&["body == 'x'"]).within(SHORT).await;
    assert_eq!((wrong.outcome, wrong.reason), (Down, Reason::Expectation), "{}", wrong.detail.message);
    let evidence = wrong.detail.evidence.unwrap();
    assert_eq!((evidence.request.as_str(), evidence.body.as_str()), ("ping", "pong"));
    asking(address).expect(&["ip == '192.0.2.1'"]).sees(Down, Reason::Expectation).await;
}

#[tokio::test]
async fn the_answer_that_is_wanted_may_come_later() {
    let address = answers(&[b"wait", b"\xff\xff\x00garbage\x1b", b"", b"pong"]).await;
    asking(address).expect(&["body == 'pong'"]).sees(Up, Reason::Ok).await;
    asking(address).expect(&["body == 'wait'"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn silence_and_refusal_have_their_reasons() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let seen = asking(address).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody));
    assert_eq!(seen.detail.message, format!("no answer from {address} within 300ms"));
    assert!(seen.duration < TIMEOUT && seen.detail.evidence.is_some());
    drop(silent);
    let seen = asking(address).sees(Down, Reason::ConnectRefused).await;
    assert_eq!(seen.detail.message, format!("{address} says that nobody listens there"));
}

#[tokio::test]
async fn nobody_else_is_heard() {
    let asked = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = asked.local_addr().unwrap();
    tokio::spawn(async move {
        let mut ping = [0; 64];
        let (_, from) = asked.recv_from(&mut ping).await.unwrap();
        let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        other.send_to(b"forged", from).await.unwrap();
        asked.send_to(b"pong", from).await.unwrap();
    });
    let seen = asking(address).expect(&["body == 'pong'"]).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.expectations[0].seen, "'pong'");
}

#[tokio::test]
async fn f20_a_flood_costs_little() {
    const BIG: &[u8] = &[b'a'; 32 << 10];
    let address = answers(&[BIG; 600]).await;
    let seen = asking(address).expect(&["body == 'pong'"]).within(4 * SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::Expectation));
    assert!(seen.detail.evidence.unwrap().body.len() <= 4096);
    asking(address).expect(&["body_bytes == 32KiB"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let port = answers(&[b"pong"]).await.port();
    let run = async |settings: &Settings| {
        let mut probe = UdpProbe::of(settings, &Workshop::new()).unwrap();
        probe.target.configured = false;
        probe.run(TIMEOUT).await
    };
    let name = || asking(format!("localhost:{port}"));
    let seen = run(&name().settings).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    assert_eq!(run(&name().with("allow_private", Value::Flag(true)).settings).await.outcome, Up);
}

#[test]
fn faults_name_their_key() {
    assert_eq!(check(KIND, "address", "a:1").faults(), ["send"], "nothing would answer");
    assert_eq!(check(KIND, "address", "a:1").text("send", "a".repeat(65_508)).faults(), ["send"]);
    assert_eq!(asking("a").faults(), ["address"]);
    assert_eq!(asking("a:1").expect(&["status == 200"]).faults(), ["expect"]);
}
