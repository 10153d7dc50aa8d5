//! The websocket kind against real servers: those that upgrade, those that do not, and those that do it wrong.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{accept_async, accept_hdr_async};

use super::*;
use crate::model::Secret;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{Authority, Check, SHORT, TIMEOUT, check, reset, says, serve, silent};

use Outcome::{Down, Unknown, Up};

fn over(address: impl std::fmt::Display) -> Check {
    check(KIND, "url", format!("ws://{address}/stream?token=s3cret"))
}

/// A server that answers every text with each of these, and closes when it is asked to.
async fn answers(all: &'static [&'static str]) -> SocketAddr {
    serve(move |stream| async move {
        let Ok(mut socket) = accept_async(stream).await else { return };
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                for answer in all {
                    let _ = socket.send(Message::text(*answer)).await;
                }
            }
        }
    })
    .await
}

/// A server that upgrades, and then does `then` with the naked connection.
async fn upgrades<F>(then: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    serve(move |stream| {
        let then = then.clone();
        async move {
            if let Ok(socket) = accept_async(stream).await {
                then(socket.into_inner()).await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_upgrade_alone_is_up() {
    let address = answers(&[]).await;
    let seen = over(address).expect(&["header.upgrade == 'websocket'", "latency < 9s", "ip == '127.0.0.1'"]).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "upgraded to WebSocket");
    assert_eq!(seen.detail.http_status, Some(101));
    assert_eq!(&*seen.detail.hops[0].target, format!("ws://{address}"), "the query may be secret");
    assert!(seen.phases.processing.is_some() && seen.phases.transfer.is_none());
}

#[tokio::test]
async fn what_is_sent_is_answered_and_judged() {
    let address = answers(&["{\"type\":\"hello\"}", "{\"type\":\"pong\"}"]).await;
    let ping = || over(address).text("send", "ping");
    assert_eq!(ping().sees(Up, Reason::Ok).await.detail.message, "answered");
    ping().expect(&["$.type == 'pong'"]).sees(Up, Reason::Ok).await;
    ping().expect(&["body contains 'hello'", "body_bytes == 16"]).sees(Up, Reason::Ok).await;
    let wrong = ping().expect(&["$.type == 'bye'"]).within(SHORT).await;
    assert_eq!((wrong.outcome, wrong.reason), (Down, Reason::Expectation));
    let evidence = wrong.detail.evidence.unwrap();
    assert_eq!(evidence.body, "{\"type\":\"pong\"}");
    assert!(evidence.request.ends_with("ping") && evidence.response.starts_with("HTTP/1.1 101"));
    assert!(!evidence.request.contains("s3cret"));
}

#[tokio::test]
async fn pings_are_answered_and_binary_messages_are_read() {
    let address = serve(|stream| async move {
        let Ok(mut socket) = accept_async(stream).await else { return };
        let _ = socket.send(Message::Ping("are you there".into())).await;
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Pong(said) = message {
                assert_eq!(&said[..], b"are you there");
                let _ = socket.send(Message::binary(&b"ready\xff"[..])).await;
            }
        }
    })
    .await;
    over(address).expect(&["body contains 'ready'"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn the_connection_is_closed_as_it_should_be() {
    let (closed, mut closes) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let closed = closed.clone();
        async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(message) = socket.next().await {
                let _ = closed.send(message.map(|message| message.is_close()).unwrap_or(false));
            }
        }
    })
    .await;
    over(address).sees(Up, Reason::Ok).await;
    assert_eq!(closes.recv().await, Some(true));
}

#[tokio::test]
async fn a_refused_upgrade_has_its_reason() {
    let refuses = async |status: &str| says(format!("HTTP/1.1 {status}\r\nContent-Length: 4\r\n\r\nnope")).await;
    let secret = || Value::SecretMap([("Authorization".to_owned(), Secret::new("Bearer s3cret-token".to_owned()))].into());
    for status in ["200 OK", "302 Found", "404 Not Found", "503 Service Unavailable", "401 Unauthorized"] {
        let seen = over(refuses(status).await).sees(Down, Reason::HttpStatus).await;
        assert_eq!(seen.detail.message, format!("{status}: no upgrade to WebSocket"));
        assert_eq!(seen.detail.http_status, Some(status[..3].parse().unwrap()));
    }
    let seen = over(refuses("401 Unauthorized").await).with("headers", secret()).sees(Unknown, Reason::AuthRejected).await;
    assert_eq!(seen.detail.message, "401 Unauthorized: our credentials were refused");
    let strict = over(refuses("403 Forbidden").await).with("headers", secret()).with("auth_is_down", Value::Flag(true));
    strict.sees(Down, Reason::AuthRejected).await;
    over(refuses("429 Too Many Requests").await).sees(Unknown, Reason::RateLimited).await;
}

#[tokio::test]
async fn what_is_not_websocket_is_a_protocol_failure() {
    let forged = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    let seen = over(says(forged).await).sees(Down, Reason::Protocol).await;
    assert!(seen.detail.message.contains("wrong Sec-WebSocket-Accept"), "{}", seen.detail.message);
    for said in [
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "220 mail.example ESMTP\r\n\r\n",
        "\x15\x03\x01\0\x02\x02\x28\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ] {
        over(says(said).await).sees(Down, Reason::Protocol).await;
    }
    // RFC 6455 5.1 and 5.2: a masked frame of a server, reserved bits, an opcode of nobody.
    for frame in [&b"\x81\x85abcdefghi"[..], b"\xf1\x00", b"\x83\x00", b"\x09\x00\x00"] {
        let address = upgrades(move |mut stream| async move {
            let _ = stream.write_all(frame).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await;
        over(address).expect(&["body == 'x'"]).sees(Down, Reason::Protocol).await;
    }
}

#[tokio::test]
async fn who_closes_before_an_answer_is_told() {
    let address = serve(|stream| async move {
        let Ok(mut socket) = accept_async(stream).await else { return };
        let frame = CloseFrame { code: CloseCode::Restart, reason: "deploying\x1b".into() };
        let _ = socket.close(Some(frame)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let seen = over(address).expect(&["body == 'x'"]).sees(Down, Reason::Receive).await;
    assert_eq!(seen.detail.message, format!("{address} closed the connection with 1012 deploying"));
    over(upgrades(|stream| async move { drop(stream) }).await).expect(&["body == 'x'"]).sees(Down, Reason::Receive).await;
    let resets = upgrades(|mut stream| async move {
        let _ = stream.read(&mut [0; 4]).await;
        reset(stream);
    })
    .await;
    over(resets).text("send", "hello").sees(Down, Reason::Receive).await;
    let breaks_off = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 2048]).await;
        let _ = stream.write_all(b"HTTP/1.1 101 Swit").await;
    })
    .await;
    over(breaks_off).sees(Down, Reason::Receive).await;
}

#[tokio::test]
async fn f19_f20_a_hostile_server_costs_little() {
    let seen = over(silent().await).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutHeaders), "{}", seen.detail.message);
    let quiet = answers(&[]).await;
    let seen = over(quiet).text("send", "hello").within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody), "{}", seen.detail.message);
    assert!(seen.duration < TIMEOUT);

    let endless_head =
        serve(|mut stream| async move { while stream.write_all(b"HTTP/1.1 101 X\r\nx-flood: aaaaaaaaaaaaaaaaa").await.is_ok() {} }).await;
    over(endless_head).sees(Down, Reason::Protocol).await;
    let wants = |address| over(address).expect(&["body == 'x'"]);
    // A text of 8 EiB, and one in parts without end.
    let huge = upgrades(|mut stream| async move {
        let _ = stream.write_all(b"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff").await;
        while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
    })
    .await;
    wants(huge).sees(Down, Reason::BodyTooLarge).await;
    let parts = upgrades(|mut stream| async move {
        let _ = stream.write_all(b"\x01\x00").await;
        let part = [&b"\x00\x7e\x10\x00"[..], &[b'a'; 4096]].concat();
        while stream.write_all(&part).await.is_ok() {}
    })
    .await;
    wants(parts).sees(Down, Reason::BodyTooLarge).await;
    let pings = upgrades(|mut stream| async move {
        let (mut from, mut to) = stream.split();
        let flood = async { while to.write_all(b"\x89\x01p").await.is_ok() {} };
        let mut sink = tokio::io::sink();
        let _ = tokio::join!(flood, tokio::io::copy(&mut from, &mut sink));
    })
    .await;
    let seen = wants(pings).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody), "{}", seen.detail.message);
    let messages = upgrades(|mut stream| async move { while stream.write_all(b"\x81\x01a").await.is_ok() {} }).await;
    wants(messages).sees(Down, Reason::Expectation).await;
}

#[tokio::test]
async fn headers_are_sent_and_hidden_when_they_come_back() {
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let address = serve(|stream| async move {
        use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
        let mut seen = String::new();
        let callback = |request: &Request, response: Response| {
            seen = format!("{:?} {:?}", request.headers().get("authorization"), request.headers().get("origin"));
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, callback).await else { return };
        let _ = socket.send(Message::text(seen)).await;
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let headers = [("Authorization", "Bearer s3cret-token"), ("Origin", "https://app.example")];
    let headers = headers.map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned()))).into();
    let check = over(address).with("headers", Value::SecretMap(headers));
    let check = check.expect(&["body contains 's3cret-token'", "body contains 'https://app.example'"]);
    let seen = check.sees(Up, Reason::Ok).await;
    assert!(!format!("{:?}", seen.detail).contains("s3cret"), "{:?}", seen.detail);
    let seen = check.expect(&["body == 'x'"]).within(SHORT).await;
    assert_eq!(seen.reason, Reason::Expectation);
    assert!(!format!("{:?}", seen.detail).contains("s3cret"), "{:?}", seen.detail);
}

#[tokio::test]
async fn wss_is_verified() {
    let authority = Authority::new();
    let secured = async |name: &str| {
        let acceptor = authority.identity(name, 2090).any_version();
        let address = serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let Ok(mut socket) = accept_async(stream).await else { return };
                while let Some(Ok(_)) = socket.next().await {}
            }
        });
        format!("wss://localhost:{}/", address.await.port())
    };
    let good = check(KIND, "url", secured("localhost").await).text("ca", authority.path());
    let seen = good.expect(&["cert.days_left > 30", "tls.version == 1.3"]).sees(Up, Reason::Ok).await;
    assert!(seen.detail.ends_at().is_some());
    let other = check(KIND, "url", secured("other.example").await).text("ca", authority.path()).sees(Down, Reason::TlsName).await;
    assert!(other.detail.evidence.unwrap().response.contains("issued by"));
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let port = answers(&[]).await.port();
    let run = async |settings: &Settings| {
        let mut probe = WebsocketProbe::of(settings, &Workshop::new()).unwrap();
        probe.upgrade.target.configured = false;
        probe.run(TIMEOUT).await
    };
    let name = || over(format!("localhost:{port}"));
    let seen = run(&name().settings).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    assert_eq!(run(&name().with("allow_private", Value::Flag(true)).settings).await.outcome, Up);
}

#[test]
fn faults_name_their_key_and_tell_no_secret() {
    for url in ["", "vendor.example", "https://vendor.example/", "ws://", "ws://a:0/", "wss://me:pw@vendor.example/"] {
        assert_eq!(check(KIND, "url", url).faults(), ["url"], "{url}");
    }
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Extensions", "bad name"] {
        let headers = Value::SecretMap([(name.to_owned(), Secret::new("x".to_owned()))].into());
        assert_eq!(over("a:1").with("headers", headers).faults(), ["headers"], "{name}");
    }
    assert_eq!(over("a:1").expect(&["status == 101"]).faults(), ["expect"]);
}
