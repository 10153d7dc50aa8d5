//! The http kind against real servers on the loopback address: what vendors do, and what they do to us.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::settings::Value;
use crate::model::{Reason, Secret};

mod secure;
mod ways;

use secure::Authority;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A server that does `answer` with every connection.
async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// The head of a request, as text.
async fn request_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server that reads a request, says `answer` and closes.
async fn says(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer: Arc<Vec<u8>> = Arc::new(answer.into());
    serve(move |mut stream| {
        let answer = Arc::clone(&answer);
        async move {
            request_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// A server whose answer depends on the request head.
async fn replies(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> SocketAddr {
    let reply = Arc::new(reply);
    serve(move |mut stream| {
        let reply = Arc::clone(&reply);
        async move {
            let head = request_head(&mut stream).await;
            let _ = stream.write_all(reply(&head).as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// Settings of a check, with the keys that a test is about.
struct Check(Settings);

fn check(url: impl std::fmt::Display) -> Check {
    Check(Settings([("url", Value::Text(url.to_string()))].into()))
}

impl Check {
    fn with(mut self, key: &'static str, value: Value) -> Self {
        assert!(KIND.keys.iter().copied().flatten().any(|known| known.name == key), "{key} is a key of http");
        self.0.0.insert(key, value);
        self
    }

    fn expect(self, condition: &str) -> Self {
        self.with("expect", Value::TextList(vec![condition.into()]))
    }

    fn header(self, name: &str, value: &str) -> Self {
        let headers = [(name.to_owned(), Secret::new(value.to_owned()))].into();
        self.with("headers", Value::SecretMap(headers))
    }

    async fn within(&self, timeout: Duration) -> Observation {
        let probe = build(&self.0, &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
        probe.run(timeout).await
    }

    async fn see(&self) -> Observation {
        self.within(TIMEOUT).await
    }

    /// What is seen, and that it is this.
    async fn sees(&self, outcome: Outcome, reason: Reason) -> Observation {
        let seen = self.see().await;
        assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{}", seen.detail.message);
        seen
    }
}

use Outcome::{Down, Unknown, Up};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_good_answer_is_up_with_all_its_phases() {
    let address = says("HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 20:35:00 GMT\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}").await;
    let seen = check(format!("http://{address}/health?x=1")).expect("$.status == 'ok'").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.http_status, Some(200));
    assert_eq!(seen.detail.hops[0].address, Some(address));
    assert_eq!(seen.detail.message, "200 OK");
    let clock = seen.detail.vendor_clock.unwrap();
    assert_eq!(clock.to_string(), "2026-11-23T20:35:00.000Z");
    let phases = seen.phases;
    assert!(phases.connect.is_some() && phases.processing.is_some() && phases.transfer.is_some());
    assert!(phases.resolve.is_none() && phases.tls.is_none());
    let sum: u32 = phases.values().into_iter().flatten().sum();
    assert!(u128::from(sum) <= seen.duration.as_micros());
}

#[tokio::test]
async fn a_bad_status_is_down() {
    let address = says("HTTP/1.1 503 Nope\r\nContent-Length: 0\r\nAge: 3\r\nDate: Mon, 23 Nov 2026 20:35:00 GMT\r\n\r\n").await;
    let url = format!("http://{address}/");
    let seen = check(&url).sees(Down, Reason::HttpStatus).await;
    assert_eq!(seen.detail.message, "503 Service Unavailable, wanted 2xx");
    assert_eq!(seen.detail.vendor_clock, None, "a cache remembered the date");
    check(&url).with("expect_status", Value::CountList(vec![503])).sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn what_is_sent_is_what_was_configured() {
    let address = replies(|head| format!("HTTP/1.1 200 OK\r\n\r\n{head}")).await;
    let seen = check(format!("http://{address}/a%20b?q=1#f"))
        .with("method", Value::Text("POST".into()))
        .with("body", Value::Text("abc".into()))
        .header("X-Api-Key", "s3cret-key")
        .expect("body == ''")
        .sees(Down, Reason::Expectation)
        .await;
    let said = &seen.detail.expectations[1].seen;
    assert!(said.starts_with("'POST /a%20b?q=1 HTTP/1.1"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    for line in [format!("host: {address}"), "content-length: 3".into(), "accept-encoding: gzip".into(), "user-agent: vendord/".into()] {
        let condition = format!("body contains '{line}'");
        let with_body = check(format!("http://{address}/")).with("body", Value::Text("abc".into()));
        with_body.expect(&condition).sees(Up, Reason::Ok).await;
    }
}

#[tokio::test]
async fn failures_of_the_connection_have_their_reasons() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let seen = check(format!("http://{address}/")).sees(Down, Reason::ConnectRefused).await;
    assert_eq!(seen.detail.message, format!("connection refused by {address}"));
    assert!(seen.phases.connect.is_some());

    let silent = serve(|stream| async move { drop(stream) }).await;
    check(format!("http://{silent}/")).sees(Down, Reason::Receive).await;
    let reset = serve(|mut stream| async move {
        let _ = stream.read(&mut [0; 10]).await;
        // Closing with unread data resets the connection.
    })
    .await;
    check(format!("http://{reset}/")).sees(Down, Reason::Receive).await;
    for part in ["HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Le"] {
        check(format!("http://{}/", says(part).await)).sees(Down, Reason::Receive).await;
    }
    for short in ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"] {
        let url = format!("http://{}/", says(short).await);
        let seen = check(&url).sees(Down, Reason::Receive).await;
        assert_eq!(seen.detail.http_status, Some(200));
        check(&url).expect("body contains 'x'").sees(Down, Reason::Receive).await;
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_failure() {
    for garbage in [
        &b"220 mail.example ESMTP ready\r\n"[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x0a",
        b"\x00\x01\x02\xff\xfe\x1b[31m",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let address = says(garbage).await;
        let seen = check(format!("http://{address}/")).sees(Down, Reason::Protocol).await;
        assert!(!seen.detail.message.contains(char::is_control));
    }
}

#[tokio::test]
async fn f19_a_header_flood_is_refused() {
    let many = "X-Flood: x\r\n".repeat(101);
    let address = says(format!("HTTP/1.1 200 OK\r\n{many}\r\n")).await;
    check(format!("http://{address}/")).sees(Down, Reason::Protocol).await;
    let long = "x".repeat(65 << 10);
    let address = says(format!("HTTP/1.1 200 OK\r\nX-Long: {long}\r\n\r\n")).await;
    check(format!("http://{address}/")).sees(Down, Reason::Protocol).await;
    let endless = serve(|mut stream| async move {
        while stream.write_all(b"HTTP/1.1 200 OK\r\nX-Endless: ").await.is_ok() {
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    })
    .await;
    check(format!("http://{endless}/")).sees(Down, Reason::Protocol).await;
}

/// Sends `bytes` one by one for ever.
async fn drip(mut stream: TcpStream, head: &'static str, byte: &'static [u8]) {
    request_head(&mut stream).await;
    let _ = stream.write_all(head.as_bytes()).await;
    while stream.write_all(byte).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn f19_slow_loris_is_held_to_one_deadline() {
    const WITHIN: Duration = Duration::from_millis(200);
    let mute = serve(|stream| async move {
        let _kept = stream;
        std::future::pending().await
    })
    .await;
    let head = serve(|stream| drip(stream, "HTTP/1.1 200 OK\r\nX-Slow: ", b"x")).await;
    let body = serve(|stream| drip(stream, "HTTP/1.1 200 OK\r\n\r\n", b"x")).await;
    let tls = format!("https://{mute}/");
    for (url, want) in [
        (format!("http://{mute}/"), Reason::TimeoutHeaders),
        (format!("http://{head}/"), Reason::TimeoutHeaders),
        (format!("http://{body}/"), Reason::TimeoutBody),
        (tls, Reason::TlsHandshake),
    ] {
        let authority = Authority::new();
        let check = check(url).with("ca", Value::Text(authority.path()));
        let seen = check.within(WITHIN).await;
        assert_eq!((seen.outcome, seen.reason), (Down, want), "{}", seen.detail.message);
        assert!(seen.duration >= WITHIN && seen.duration < WITHIN * 4, "{:?}", seen.duration);
        assert!(seen.detail.message.ends_with("within 200ms"), "{}", seen.detail.message);
    }
}

#[tokio::test]
async fn f19_a_vendor_that_never_accepts_is_a_connect_timeout() {
    // A full accept queue: the kernel drops what comes then, as a dead host does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let address = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(50), TcpStream::connect(address)).await {
        held.push(stream);
        assert!(held.len() < 100, "the queue does not fill up");
    }
    let seen = check(format!("http://{address}/")).within(Duration::from_millis(200)).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::ConnectTimeout));
}

#[tokio::test]
async fn f20_endless_body_is_cut_at_the_cap() {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    let address = serve(|mut stream| async move {
        request_head(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            SENT.fetch_add(65536, Ordering::Relaxed);
        }
    })
    .await;
    let url = format!("http://{address}/");
    let seen = check(&url).sees(Up, Reason::Ok).await;
    assert!(seen.duration < Duration::from_secs(1), "nobody looks at the body");
    let looked_at = check(&url).expect("body contains 'y'");
    let seen = looked_at.sees(Down, Reason::BodyTooLarge).await;
    assert!(seen.duration < Duration::from_secs(1));
    // Two runs of 1 MiB, and what the buffers of the sockets took ahead.
    assert!(SENT.load(Ordering::Relaxed) < 24 << 20);

    let small = check(&url).with("body_bytes_max", Value::Size(10)).expect("body != ''");
    small.sees(Down, Reason::BodyTooLarge).await;
}

#[tokio::test]
async fn a_body_of_exactly_the_cap_is_fine() {
    let address = says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789").await;
    for (cap, outcome, reason) in [(10, Up, Reason::Ok), (9, Down, Reason::BodyTooLarge)] {
        check(format!("http://{address}/")).with("body_bytes_max", Value::Size(cap)).expect("body_bytes == 10").sees(outcome, reason).await;
    }
}

#[tokio::test]
async fn f21_gzip_bomb_is_refused_early() {
    // A member of 10 MB of zeros, sent a thousand times: 10 GB.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 10_000_000]).unwrap();
    let member = Arc::new(encoder.finish().unwrap());
    let address = serve(move |mut stream| {
        let member = Arc::clone(&member);
        async move {
            request_head(&mut stream).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            for _ in 0..1000 {
                if stream.write_all(&member).await.is_err() {
                    break;
                }
            }
        }
    })
    .await;
    for cap in [1 << 20, client::BODY_BYTES_LIMIT] {
        let seen = check(format!("http://{address}/"))
            .with("body_bytes_max", Value::Size(cap))
            .expect("body contains 'x'")
            .sees(Down, Reason::BodyTooLarge)
            .await;
        assert!(seen.duration < Duration::from_millis(200), "{:?}", seen.duration);
    }
}

#[tokio::test]
async fn gzip_is_unpacked_once() {
    let packed = crate::fetch::unpack::tests::gzip(b"{\"status\":\"ok\"}");
    let answer = |coding: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let address = says(answer("gzip", &packed)).await;
    check(format!("http://{address}/")).expect("$.status == 'ok'").sees(Up, Reason::Ok).await;
    let twice = says(answer("gzip, gzip", &crate::fetch::unpack::tests::gzip(&packed))).await;
    check(format!("http://{twice}/")).sees(Up, Reason::Ok).await;
    check(format!("http://{twice}/")).expect("$.a exists").sees(Down, Reason::BodyTooLarge).await;
    let unknown = says(answer("br", b"whatever")).await;
    check(format!("http://{unknown}/")).expect("$.a exists").sees(Down, Reason::Protocol).await;
}

fn redirect(status: u16, location: impl std::fmt::Display) -> String {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn redirects_are_followed_to_their_end() {
    let address = replies(|head| match head.split(' ').nth(1) {
        Some("/4") => OK.into(),
        Some(path) => redirect(302, path[1..].parse::<u8>().unwrap() + 1),
        None => String::new(),
    })
    .await;
    let url = format!("http://{address}/0");
    let seen = check(&url).expect("redirects == 4").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.http_status, Some(200));
    let short = check(&url).with("follow_max", Value::Count(3));
    let seen = short.sees(Down, Reason::RedirectLimit).await;
    assert!(seen.detail.message.starts_with("more than 3 redirects"), "{}", seen.detail.message);
    let off = check(&url).with("redirects", Value::Flag(false));
    off.sees(Down, Reason::HttpStatus).await;
    let wanted = check(&url).with("redirects", Value::Flag(false)).expect("status == 302");
    wanted.sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let address = replies(|_| redirect(301, "/again")).await;
    check(format!("http://{address}/")).sees(Down, Reason::RedirectLimit).await;
}

#[tokio::test]
async fn s8_redirects_to_private_addresses_are_refused() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let inner = replies(|_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        OK.into()
    })
    .await;
    let port = inner.port();
    for place in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://a.localhost:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data/".into(),
        "http://10.0.0.1/".into(),
    ] {
        let location = place.clone();
        let outer = replies(move |_| redirect(302, &location)).await;
        let seen = check(format!("http://{outer}/")).sees(Unknown, Reason::AddressRefused).await;
        assert!(seen.detail.message.contains("allow_private"), "{place}");
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 0);
    let outer = replies(move |_| redirect(302, format!("http://127.0.0.1:{port}/"))).await;
    let allowed = check(format!("http://{outer}/")).with("allow_private", Value::Flag(true));
    allowed.sees(Up, Reason::Ok).await;
}

#[tokio::test]
async fn s8_credentials_do_not_follow_to_another_host() {
    let echo = replies(|head| format!("HTTP/1.1 200 OK\r\n\r\n{}", head.to_ascii_lowercase())).await;
    let port = echo.port();
    let outer = replies(move |_| redirect(307, format!("http://localhost:{port}/"))).await;
    check(format!("http://{outer}/"))
        .header("Authorization", "Bearer t0p-secret")
        .with("allow_private", Value::Flag(true))
        .expect("body matches '^(?s:[^z]*)accept'")
        .sees(Up, Reason::Ok)
        .await;
    let leaked = check(format!("http://{outer}/"))
        .header("Authorization", "Bearer t0p-secret")
        .with("allow_private", Value::Flag(true))
        .expect("body contains 'secret'");
    leaked.sees(Down, Reason::Expectation).await;
}

#[tokio::test]
async fn refused_credentials_and_rate_limits_are_about_us() {
    let answer = |status| format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
    let url = format!("http://{}/", says(answer(401)).await);
    check(&url).header("X-Api-Key", "k").sees(Unknown, Reason::AuthRejected).await;
    check(&url).sees(Down, Reason::HttpStatus).await;
    check(&url).header("X-Api-Key", "k").expect("status == 401").sees(Up, Reason::Ok).await;
    let strict = check(&url).header("X-Api-Key", "k").with("auth_is_down", Value::Flag(true));
    strict.sees(Down, Reason::AuthRejected).await;
    let url = format!("http://{}/", says(answer(429)).await);
    check(&url).sees(Unknown, Reason::RateLimited).await;
}

#[tokio::test]
async fn a_slow_answer_is_degraded() {
    let address = serve(|mut stream| async move {
        request_head(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = stream.write_all(OK.as_bytes()).await;
    })
    .await;
    let limit = Value::Duration(Duration::from_millis(20));
    let slow = check(format!("http://{address}/")).with("degraded_over", limit);
    slow.sees(Outcome::Degraded, Reason::Slow).await;
}

#[tokio::test]
async fn f36_a_machine_without_roots_can_probe_http() {
    let address = says(OK).await;
    let workshop = Workshop::new();
    let probe = build(&check(format!("http://{address}/")).0, &workshop).unwrap_or_else(|f| panic!("{f:?}"));
    assert_eq!(probe.run(TIMEOUT).await.outcome, Up);
    assert!(!workshop.roots.platform_is_read());
}

#[test]
fn all_faults_of_a_check_are_told_at_once() {
    let settings = check("ftp://x")
        .with("method", Value::Text("get".into()))
        .with("ca", Value::Text("/nowhere/ca.pem".into()))
        .with("server_name", Value::Text("a b".into()))
        .with("body_bytes_max", Value::Size(1 << 40))
        .expect("statu == 1");
    let faults = build(&settings.0, &Workshop::new()).err().unwrap();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["url", "method", "ca", "server_name", "body_bytes_max", "expect"]);
}

#[tokio::test]
async fn answers_without_a_body_are_complete() {
    let address = says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\nContent-Encoding: gzip\r\n\r\n").await;
    check(format!("http://{address}/")).with("method", Value::Text("HEAD".into())).expect("body_bytes == 0").sees(Up, Reason::Ok).await;
    let address = says("HTTP/1.1 204 No Content\r\n\r\n").await;
    check(format!("http://{address}/")).sees(Up, Reason::Ok).await;
}

/// Whatever a vendor sends, a run ends with something that is said about the vendor.
#[tokio::test]
async fn no_answer_breaks_a_probe() {
    let packed = crate::fetch::unpack::tests::gzip(b"{\"status\":\"ok\"}");
    let size = format!("{:x}\r\n", packed.len());
    let head = "HTTP/1.1 302 Found\r\nLocation: /\r\nDate: Mon, 23 Nov 2026 20:35:00 GMT\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = [head.as_bytes(), size.as_bytes(), &packed, b"\r\n0\r\n\r\n"].concat();
    for at in 0..answer.len() {
        for flip in [0x00, 0x01, 0x80, 0x20] {
            let mut sent = answer.clone();
            sent[at] ^= flip;
            // No change stands for the answer that ends here.
            sent.truncate(if flip == 0 { at } else { sent.len() });
            let address = says(sent).await;
            let seen = check(format!("http://{address}/")).with("follow_max", Value::Count(1)).expect("$.status == 'ok'").see().await;
            assert_ne!(seen.reason, Reason::Internal, "{at} {flip}");
            assert!(seen.detail.message.chars().count() <= crate::model::Detail::MESSAGE_CHARS_MAX);
            assert!(!seen.detail.message.contains(char::is_control));
        }
    }
}
