//! The grpc kind against real servers over HTTP/2: healthy, unwell, and of another kind.

use std::net::SocketAddr;

use hyper::service::service_fn;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::*;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{Authority, Check, SHORT, TIMEOUT, check, closed, reset, says, serve, silent};

use Outcome::{Down, Unknown, Up};

/// What a server answers.
#[derive(Clone)]
struct Reply {
    http: u16,
    head: &'static [(&'static str, &'static str)],
    body: Bytes,
    trailers: &'static [(&'static str, &'static str)],
}

const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc")];

/// A good call with this message.
fn message(bytes: &[u8]) -> Reply {
    let body = [&[0][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat();
    Reply { http: 200, head: GRPC, body: body.into(), trailers: &[("grpc-status", "0")] }
}

fn serving() -> Reply {
    message(b"\x08\x01")
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (::http::HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, reply: Reply) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = reply.clone();
        async move {
            assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/grpc.health.v1.Health/Check"));
            assert_eq!(request.headers()["content-type"], "application/grpc");
            assert_eq!(request.headers()["te"], "trailers");
            assert!(request.headers()["grpc-timeout"].to_str().unwrap().ends_with('m'));
            let asked = request.into_body().collect().await.unwrap().to_bytes();
            assert!(&asked[..] == b"\0\0\0\0\0" || &asked[..] == b"\0\0\0\0\x05\x0a\x03a.B", "{asked:?}");
            let trailers = (!reply.trailers.is_empty()).then(|| Ok(headers(reply.trailers)));
            let mut response = Response::new(Full::new(reply.body).with_trailers(async { trailers }));
            *response.status_mut() = StatusCode::from_u16(reply.http).unwrap();
            *response.headers_mut() = headers(reply.head);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn server(reply: Reply) -> SocketAddr {
    serve(move |stream| answer(stream, reply.clone())).await
}

fn plainly(address: impl std::fmt::Display) -> Check {
    check(KIND, "address", address).with("tls", Value::Flag(false))
}

#[tokio::test]
async fn a_serving_server_is_up() {
    let address = server(serving()).await;
    let seen = plainly(address).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "SERVING");
    assert_eq!(seen.detail.http_status, Some(200));
    assert!(seen.phases.processing.is_some() && seen.phases.transfer.is_some() && seen.phases.tls.is_none());
    assert_eq!(seen.detail.expectations[0].expression, SERVING);
    plainly(address).text("service", "a.B").expect(&["latency < 9s", "ip == '127.0.0.1'"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn what_does_not_serve_is_down_unless_that_is_wanted() {
    for (bytes, status) in [(&b"\x08\x02"[..], "NOT_SERVING"), (b"\x08\x03", "SERVICE_UNKNOWN"), (b"", "UNKNOWN"), (b"\x08\x09", "9")] {
        let address = server(message(bytes)).await;
        let seen = plainly(address).sees(Down, Reason::Expectation).await;
        assert_eq!(seen.detail.message, format!("wanted grpc.status == 'SERVING', saw '{status}'"));
        plainly(address).expect(&[&format!("grpc.status == '{status}'")]).sees(Up, Reason::Ok).await;
        plainly(address).expect(&["latency < 9s"]).sees(Down, Reason::Expectation).await;
        let any = Value::TextList(vec!["grpc.status == 'SERVING'".into(), format!("grpc.status == '{status}'")]);
        plainly(address).with("expect_any", any).sees(Up, Reason::Ok).await;
    }
}

#[tokio::test]
async fn a_call_that_fails_has_its_status() {
    let trailers = |trailers| Reply { body: Bytes::new(), trailers, ..serving() };
    let trailers_only = |head| Reply { body: Bytes::new(), head, trailers: &[], ..serving() };
    for (reply, reason, says) in [
        (trailers(&[("grpc-status", "14"), ("grpc-message", "no%20backend")]), Reason::Expectation, "saw 'UNAVAILABLE': no backend"),
        (
            trailers_only(&[("content-type", "application/grpc+proto"), ("grpc-status", "5"), ("grpc-message", "unknown service")]),
            Reason::Expectation,
            "saw 'NOT_FOUND': unknown service",
        ),
        (trailers_only(&[("content-type", "application/grpc"), ("grpc-status", "12")]), Reason::Protocol, "saw 'UNIMPLEMENTED'"),
        (trailers(&[("grpc-status", "16")]), Reason::Expectation, "saw 'UNAUTHENTICATED'"),
        (trailers(&[("grpc-status", "7")]), Reason::Expectation, "saw 'PERMISSION_DENIED'"),
        (trailers(&[("grpc-status", "77")]), Reason::Expectation, "saw '77'"),
    ] {
        let seen = plainly(server(reply).await).sees(Down, reason).await;
        assert_eq!(seen.detail.message, format!("wanted grpc.status == 'SERVING', {says}"));
        assert!(seen.detail.evidence.unwrap().response.contains("grpc-status"));
    }
    let absent = server(trailers(&[("grpc-status", "5")])).await;
    plainly(absent).expect(&["grpc.status == 'NOT_FOUND'"]).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn what_is_not_grpc_has_its_reason() {
    let reply = |change: fn(&mut Reply)| {
        let mut reply = serving();
        change(&mut reply);
        reply
    };
    for (reply, reason) in [
        (reply(|reply| reply.http = 503), Reason::HttpStatus),
        (reply(|reply| reply.http = 404), Reason::HttpStatus),
        (reply(|reply| reply.head = &[("content-type", "text/html")]), Reason::Protocol),
        (reply(|reply| reply.head = &[]), Reason::Protocol),
        (reply(|reply| reply.trailers = &[]), Reason::Protocol),
        (reply(|reply| reply.trailers = &[("grpc-status", "fine")]), Reason::Protocol),
        (reply(|reply| reply.body = Bytes::new()), Reason::Protocol),
        (reply(|reply| reply.body = Bytes::from_static(b"\x01\0\0\0\x02\x08\x01")), Reason::Protocol),
        (reply(|reply| reply.body = Bytes::from_static(b"\0\xff\xff\xff\xff\x08\x01")), Reason::Protocol),
        (reply(|reply| reply.body = Bytes::from_static(b"\0\0\0\0\x03\xff\xff\xff")), Reason::Protocol),
        (reply(|reply| reply.body = vec![0; 100 << 10].into()), Reason::BodyTooLarge),
    ] {
        plainly(server(reply).await).sees(Down, reason).await;
    }
    plainly(says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await).sees(Down, Reason::Protocol).await;
    plainly(says("220 mail.example ESMTP\r\n").await).sees(Down, Reason::Protocol).await;
}

#[tokio::test]
async fn the_connection_is_secured_unless_it_says_otherwise() {
    let authority = Authority::new();
    let secured = async |alpn: &[&str], name: &str| {
        let acceptor = authority.identity(name, 2090).acceptor(rustls::ALL_VERSIONS, alpn);
        let address = serve(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream, serving()).await;
                }
            }
        });
        address.await.port()
    };
    let asking = |port: u16| check(KIND, "address", format!("localhost:{port}")).text("ca", authority.path());
    let port = secured(&["h2"], "localhost").await;
    let seen = asking(port).expect(&["cert.days_left > 30", "tls.version == 1.3"]).sees(Up, Reason::Ok).await;
    assert!(seen.detail.ends_at().is_some());
    asking(secured(&[], "localhost").await).sees(Down, Reason::Protocol).await;
    asking(secured(&["http/1.1"], "localhost").await).sees(Down, Reason::TlsHandshake).await;
    let other = secured(&["h2"], "other.example").await;
    asking(other).sees(Down, Reason::TlsName).await;
    asking(other).text("server_name", "other.example").sees(Up, Reason::Ok).await;
    check(KIND, "address", server(serving()).await).sees(Down, Reason::TlsHandshake).await;
}

#[tokio::test]
async fn f19_f20_a_hostile_server_costs_little() {
    let seen = plainly(silent().await).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutHeaders), "{}", seen.detail.message);
    assert!(seen.duration < TIMEOUT);
    let resets = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 64]).await;
        reset(stream);
    })
    .await;
    for hangs_up in [resets, serve(|stream| async move { drop(stream) }).await] {
        let seen = plainly(hangs_up).within(TIMEOUT).await;
        assert!(matches!(seen.reason, Reason::Send | Reason::Receive), "while we sent or after it: {}", seen.detail.message);
    }
    // Settings without end: each has to be acknowledged.
    let settings = serve(|mut stream| async move { while stream.write_all(b"\0\0\0\x04\0\0\0\0\0").await.is_ok() {} }).await;
    let seen = plainly(settings).within(SHORT).await;
    assert_eq!(seen.outcome, Down, "{}", seen.detail.message);
    let endless = Reply { body: vec![0; 64 << 20].into(), ..serving() };
    plainly(server(endless).await).sees(Down, Reason::BodyTooLarge).await;
    plainly(closed().await).sees(Down, Reason::ConnectRefused).await;
}

#[tokio::test]
async fn an_answer_that_never_ends_is_late() {
    let address = serve(|stream| async move {
        let service = service_fn(|_| async {
            let never =
                http_body_util::StreamBody::new(futures_util::stream::pending::<Result<hyper::body::Frame<Bytes>, std::io::Error>>());
            let mut response = Response::new(never);
            *response.headers_mut() = headers(GRPC);
            Ok::<_, std::convert::Infallible>(response)
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    })
    .await;
    let seen = plainly(address).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TimeoutBody), "{}", seen.detail.message);
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let port = server(serving()).await.port();
    let run = async |settings: &Settings| {
        let mut probe = GrpcProbe::of(settings, &Workshop::new()).unwrap();
        probe.target.configured = false;
        probe.run(TIMEOUT).await
    };
    let name = || plainly(format!("localhost:{port}"));
    let seen = run(&name().settings).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    assert_eq!(run(&name().with("allow_private", Value::Flag(true)).settings).await.outcome, Up);
}

#[test]
fn faults_name_their_key() {
    assert_eq!(check(KIND, "address", "https://a:1").faults(), ["address"]);
    assert_eq!(check(KIND, "address", "a:1").text("server_name", "a b").faults(), ["server_name"]);
    assert_eq!(check(KIND, "address", "a:1").expect(&["status == 200"]).faults(), ["expect"]);
}
