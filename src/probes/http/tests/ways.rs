//! The ways to a vendor: proxies, credentials, both families, kept connections, and what is left as evidence.

use std::sync::Mutex;

use tokio::io::copy_bidirectional;

use super::*;

fn table(entries: Vec<(&'static str, Value)>) -> Value {
    Value::Table(Settings(entries.into_iter().collect()))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn secret(text: &str) -> Value {
    Value::Secret(Secret::new(text.to_owned()))
}

/// A server that answers what it was asked, head and all.
async fn echo() -> SocketAddr {
    replies(|head| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{head}", head.len())).await
}

/// An HTTP proxy that opens tunnels and passes requests on, for those who know the password. What it was asked is kept.
async fn http_proxy(password: Option<&'static str>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    let address = serve(move |mut stream| {
        let kept = kept.clone();
        async move {
            let head = request_head(&mut stream).await;
            kept.lock().unwrap().push(head.clone());
            // base64 of "me:<password>" was computed by hand for the one password that is used.
            let admitted = password.is_none_or(|_| {
                head.contains("Proxy-Authorization: Basic bWU6czNjcmV0IHA=") || head.contains("proxy-authorization: Basic bWU6czNjcmV0IHA=")
            });
            if !admitted {
                let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
                return;
            }
            let mut words = head.split(' ');
            let (method, place) = (words.next().unwrap(), words.next().unwrap().to_owned());
            if method == "CONNECT" {
                let Ok(mut target) = TcpStream::connect(place.as_str()).await else {
                    let _ = stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await;
                    return;
                };
                let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n").await;
                let _ = copy_bidirectional(&mut stream, &mut target).await;
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied").await;
            }
        }
    })
    .await;
    (address, asked)
}

/// A SOCKS5 proxy with the reply it gives; 0 opens the tunnel. What it was asked for is kept.
async fn socks_proxy(reply: u8, password: bool) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    let address = serve(move |mut stream| {
        let kept = kept.clone();
        async move { drop(socks(&mut stream, reply, password, &kept).await) }
    })
    .await;
    (address, asked)
}

async fn socks(stream: &mut TcpStream, reply: u8, password: bool, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (_version, methods) = (stream.read_u8().await?, stream.read_u8().await?);
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).await?;
    if password {
        stream.write_all(&[5, 2]).await?;
        let mut sent = vec![0; 2];
        stream.read_exact(&mut sent).await?;
        let mut name = vec![0; sent[1].into()];
        stream.read_exact(&mut name).await?;
        let mut word = vec![0; stream.read_u8().await?.into()];
        stream.read_exact(&mut word).await?;
        let good = (name.as_slice(), word.as_slice()) == (b"me", b"s3cret p");
        stream.write_all(&[1, u8::from(!good)]).await?;
        if !good {
            return Ok(());
        }
    } else {
        stream.write_all(&[5, 0]).await?;
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => std::net::Ipv4Addr::from_bits(stream.read_u32().await?).to_string(),
        3 => {
            let mut name = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(&mut name).await?;
            String::from_utf8(name).unwrap()
        }
        _ => format!("[{}]", std::net::Ipv6Addr::from_bits(stream.read_u128().await?)),
    };
    let place = format!("{host}:{}", stream.read_u16().await?);
    kept.lock().unwrap().push(place.clone());
    stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    if reply == 0 {
        let mut target = TcpStream::connect(place).await?;
        copy_bidirectional(stream, &mut target).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_http_proxy_takes_requests_and_opens_tunnels() {
    let (proxy, asked) = http_proxy(None).await;
    let by = |url: String| check(url).with("proxy", secret(&format!("http://{proxy}")));
    let seen = by("http://vendor.example/x?y=z".into()).expect("body == 'proxied'").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.hops[0].address, Some(proxy));
    assert!(asked.lock().unwrap()[0].starts_with("GET http://vendor.example/x?y=z HTTP/1.1\r\n"), "{asked:?}");

    let authority = Authority::new();
    let vendor = authority.serves("localhost", 2090, &["h2"]).await;
    let url = format!("https://localhost:{}/", vendor.port());
    let seen = by(url).with("ca", text(&authority.path())).expect("tls.version == 1.3").sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.hops[0].address, Some(proxy));
    assert!(seen.detail.hops[0].chain.as_ref().unwrap().verified);
    assert!(asked.lock().unwrap()[1].starts_with(&format!("CONNECT localhost:{} HTTP/1.1\r\n", vendor.port())), "{asked:?}");
}

#[tokio::test]
async fn what_our_proxy_does_is_ours() {
    let (proxy, _) = http_proxy(Some("s3cret p")).await;
    let good = format!("http://me:s3cret%20p@{proxy}");
    check("http://vendor.example/").with("proxy", secret(&good)).sees(Up, Reason::Ok).await;
    for url in ["http://vendor.example/", "https://vendor.example/"] {
        for bad in [format!("http://{proxy}"), format!("http://me:wrong@{proxy}")] {
            let seen = check(url).with("proxy", secret(&bad)).sees(Unknown, Reason::Proxy).await;
            assert!(seen.detail.message.contains("407"), "{}", seen.detail.message);
        }
    }
    // Nobody listens, garbage, silence, a refusal.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let garbage = says("220 smtp ready\r\n\r\n").await;
    let silent = serve(|stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let refuses = says("HTTP/1.1 403 Forbidden\r\n\r\n").await;
    for (proxy, scheme) in [
        (closed, "http"),
        (garbage, "http"),
        (silent, "http"),
        (refuses, "http"),
        (closed, "socks5"),
        (garbage, "socks5"),
        (silent, "socks5"),
    ] {
        let seen = check("https://vendor.example/")
            .with("proxy", secret(&format!("{scheme}h://{proxy}").replace("httph", "http")))
            .within(Duration::from_millis(500))
            .await;
        assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::Proxy), "{scheme} {}", seen.detail.message);
    }
}

#[tokio::test]
async fn socks_proxies_resolve_or_are_given_addresses() {
    let vendor = echo().await;
    for (scheme, password) in [("socks5", false), ("socks5h", false), ("socks5", true)] {
        let (proxy, asked) = socks_proxy(0, password).await;
        let user = if password { "me:s3cret%20p@" } else { "" };
        let url = format!("http://localhost:{}/", vendor.port());
        check(url).with("proxy", secret(&format!("{scheme}://{user}{proxy}"))).sees(Up, Reason::Ok).await;
        let host = if scheme == "socks5" { "127.0.0.1" } else { "localhost" };
        assert_eq!(*asked.lock().unwrap(), [format!("{host}:{}", vendor.port())]);
    }
    let (proxy, _) = socks_proxy(0, true).await;
    let wrong = check("http://127.0.0.1:1/").with("proxy", secret(&format!("socks5://me:wrong@{proxy}")));
    wrong.sees(Unknown, Reason::Proxy).await;
}

/// RFC 1928 6: only what is said of the target is the target's.
#[tokio::test]
async fn replies_of_socks_have_their_reasons() {
    for (reply, outcome, reason) in [
        (1, Unknown, Reason::Proxy),
        (2, Unknown, Reason::Proxy),
        (3, Down, Reason::ConnectUnreachable),
        (4, Down, Reason::ConnectUnreachable),
        (5, Down, Reason::ConnectRefused),
        (6, Down, Reason::ConnectTimeout),
        (7, Unknown, Reason::Proxy),
        (8, Unknown, Reason::Proxy),
        (99, Unknown, Reason::Proxy),
    ] {
        let (proxy, _) = socks_proxy(reply, false).await;
        check("http://192.0.2.1/").with("proxy", secret(&format!("socks5://{proxy}"))).sees(outcome, reason).await;
    }
}

#[tokio::test]
async fn s8_a_proxy_is_no_way_around_the_guard() {
    for place in ["http://127.0.0.1:1/", "http://[::ffff:169.254.169.254]/", "http://localhost/", "https://10.0.0.1/"] {
        let vendor = says(format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")).await;
        // CONNECT is for https; the first hop goes through a tunnel that leads to the vendor.
        let url = format!("http://127.0.0.1:{}/", vendor.port());
        let through = check(url).with("proxy", secret(&format!("socks5://{}", socks_proxy(0, false).await.0)));
        through.sees(Unknown, Reason::AddressRefused).await;
    }
}

#[test]
fn faults_of_proxies_show_no_password() {
    for bad in ["", "proxy.example:3128", "ftp://proxy.example", "https://me:s3cret@proxy.example", "http://"] {
        let settings = check("http://a/").with("proxy", secret(bad)).0;
        match build(&settings, &Workshop::new()) {
            Ok(_) => assert_eq!(bad, "", "an empty proxy is none"),
            Err(faults) => {
                assert_eq!(faults[0].key, "proxy", "{bad}");
                assert!(!format!("{faults:?}").contains("s3cret") && faults[0].hint.is_some());
            }
        }
    }
}

#[tokio::test]
async fn basic_and_bearer_are_sent_and_never_shown() {
    let vendor = echo().await;
    let basic = table(vec![("username", text("me")), ("password", secret("s3cret p"))]);
    for (auth, want) in [
        (table(vec![("basic", basic)]), "Basic bWU6czNjcmV0IHA="),
        (table(vec![("bearer", secret("t0ken-of-mine"))]), "Bearer t0ken-of-mine"),
    ] {
        let with = |condition: &str| check(format!("http://{vendor}/")).with("auth", auth.clone()).expect(condition);
        with(&format!("body contains 'authorization: {want}'")).sees(Up, Reason::Ok).await;
        let seen = with("body contains 'nothing like it'").sees(Down, Reason::Expectation).await;
        let evidence = seen.detail.evidence.clone().unwrap();
        assert!(evidence.body.contains("authorization: "), "{evidence:?}");
        for shown in ["t0ken-of-mine", "bWU6czNjcmV0IHA=", "s3cret"] {
            assert!(!format!("{:?}", seen.detail).contains(shown), "{:?}", seen.detail);
        }
    }
}

#[test]
fn one_authorization_at_a_time() {
    let both = table(vec![("basic", table(vec![("username", text("a")), ("password", secret("b"))])), ("bearer", secret("c"))]);
    for (auth, header) in [
        (both, false),
        (table(vec![("bearer", secret("c"))]), true),
        (table(vec![]), false),
        (table(vec![("bearer", secret("a\nb"))]), false),
    ] {
        let mut check = check("http://a/").with("auth", auth);
        if header {
            check = check.header("Authorization", "Bearer x");
        }
        let faults = build(&check.0, &Workshop::new()).err().unwrap();
        assert_eq!(faults.iter().map(|fault| fault.key).collect::<Vec<_>>(), ["auth"]);
        assert!(faults[0].hint.is_some());
    }
}

/// A token server: what it answers the n-th time. Counts.
async fn token_server(answers: &'static [(u16, &'static str)]) -> (SocketAddr, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = serve(move |mut stream| {
        let count = count.clone();
        async move {
            let head = request_head(&mut stream).await;
            let mut form =
                vec![
                    0;
                    head.to_ascii_lowercase().split("content-length: ").nth(1).and_then(|n| n.lines().next()?.parse().ok()).unwrap_or(0)
                ];
            let _ = stream.read_exact(&mut form).await;
            let n = count.fetch_add(1, Ordering::SeqCst);
            assert!(head.starts_with("POST /token "), "{head}");
            // "id:client-s3cret"
            assert!(head.contains("authorization: Basic aWQ6Y2xpZW50LXMzY3JldA=="), "{head}");
            assert_eq!(String::from_utf8(form).unwrap(), "grant_type=client_credentials&scope=read+write&audience=api");
            let (status, body) = answers[n.min(answers.len() - 1)];
            let _ = stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    })
    .await;
    (address, asked)
}

fn oauth2(server: SocketAddr) -> Value {
    table(vec![(
        "oauth2",
        table(vec![
            ("token_url", text(&format!("http://{server}/token"))),
            ("client_id", text("id")),
            ("client_secret", secret("client-s3cret")),
            ("scopes", Value::TextList(vec!["read".into(), "write".into()])),
            ("audience", text("api")),
        ]),
    )])
}

#[tokio::test]
async fn a_token_is_got_once_shared_and_got_anew_when_it_is_refused() {
    let (server, asked) = token_server(&[
        (200, r#"{"access_token":"first-token","token_type":"Bearer","expires_in":3600}"#),
        (200, r#"{"access_token":"second-token","token_type":"bearer"}"#),
    ])
    .await;
    let vendor = replies(|head| {
        let status = if head.contains("authorization: Bearer second-token") { 200 } else { 401 };
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{head}", head.len())
    })
    .await;
    let workshop = Workshop::new();
    let settings = check(format!("http://{vendor}/")).with("auth", oauth2(server)).0;
    let (one, two) = (build(&settings, &workshop).unwrap(), build(&settings, &workshop).unwrap());
    let seen = one.run(TIMEOUT).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AuthRejected), "{}", seen.detail.message);
    assert_eq!(seen.detail.hops.len(), 1, "the token is not part of what is measured");
    assert!(!format!("{:?}", seen.detail).contains("first-token"), "{:?}", seen.detail);
    for probe in [&two, &one, &two] {
        let seen = probe.run(TIMEOUT).await;
        assert_eq!((seen.outcome, seen.reason), (Up, Reason::Ok), "{}", seen.detail.message);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_cannot_be_got_has_its_reason() {
    for (status, body, outcome, reason) in [
        (401, r#"{"error":"invalid_client"}"#, Unknown, Reason::AuthRejected),
        (400, r#"{"error":"invalid_scope"}"#, Unknown, Reason::AuthRejected),
        (429, "", Unknown, Reason::RateLimited),
        (503, "busy", Down, Reason::HttpStatus),
        (200, "<html>", Down, Reason::Protocol),
        (200, r#"{"access_token":"x","token_type":"mac"}"#, Down, Reason::Protocol),
        (200, r#"{"access_token":"a\nb"}"#, Down, Reason::Protocol),
    ] {
        let answers: &'static [(u16, &'static str)] = Box::leak(Box::new([(status, body)]));
        let (server, _) = token_server(answers).await;
        let seen = check("http://127.0.0.1:1/").with("auth", oauth2(server)).see().await;
        assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{status} {body} {}", seen.detail.message);
        assert!(seen.detail.message.starts_with("no token: "), "{}", seen.detail.message);
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    check("http://127.0.0.1:1/").with("auth", oauth2(closed)).sees(Down, Reason::ConnectRefused).await;
    let plain = table(vec![(
        "oauth2",
        table(vec![("token_url", text("http://auth.example/token")), ("client_id", text("a")), ("client_secret", secret("b"))]),
    )]);
    assert!(build(&check("http://a/").with("auth", plain).0, &Workshop::new()).is_err(), "a secret goes over https");
}

#[tokio::test]
async fn our_own_certificate_is_shown_to_those_who_ask() {
    let authority = Authority::new();
    let vendor = authority.serves_those_it_knows("localhost").await;
    let (cert, key) = authority.identity();
    let url = format!("https://localhost:{}/", vendor.port());
    let path = |file: &tempfile::NamedTempFile| text(file.path().to_str().unwrap());
    let mtls = |cert: Value, key: Value| table(vec![("mtls", table(vec![("cert", cert), ("key", key)]))]);
    let with = |auth: Option<Value>| {
        let check = check(&url).with("ca", text(&authority.path()));
        match auth {
            Some(auth) => check.with("auth", auth),
            None => check,
        }
    };
    with(Some(mtls(path(&cert), path(&key)))).sees(Up, Reason::Ok).await;
    with(None).sees(Down, Reason::TlsHandshake).await;

    let (_, stranger) = Authority::new().identity();
    for (cert, key) in
        [(path(&cert), path(&stranger)), (path(&key), path(&key)), (path(&cert), path(&cert)), (text("/nowhere"), path(&key))]
    {
        let faults = build(&with(Some(mtls(cert, key))).0, &Workshop::new()).err().unwrap();
        assert_eq!(faults[0].key, "auth", "{faults:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_is_used_again_until_it_is_closed() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    let vendor = serve(move |mut stream| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        async move {
            // The first connection is closed after two answers, as servers close what is idle.
            for _ in 0..if n == 0 { 2 } else { 100 } {
                if request_head(&mut stream).await.is_empty() {
                    return;
                }
                let _ = stream.write_all(OK.as_bytes()).await;
            }
        }
    })
    .await;
    let settings = check(format!("http://{vendor}/")).with("reuse", Value::Flag(true)).0;
    let probe = build(&settings, &Workshop::new()).unwrap();
    let mut reused = Vec::new();
    for _ in 0..5 {
        let seen = probe.run(TIMEOUT).await;
        assert_eq!((seen.outcome, seen.reason), (Up, Reason::Ok), "{}", seen.detail.message);
        let hop = &seen.detail.hops[0];
        assert_eq!(hop.phases.connect.is_none(), hop.reused);
        assert_eq!(hop.address, Some(vendor));
        reused.push(hop.reused);
    }
    assert_eq!(reused, [false, true, false, true, true]);
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn without_reuse_every_run_connects() {
    let vendor = serve(|mut stream| async move {
        while !request_head(&mut stream).await.is_empty() {
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    })
    .await;
    let probe = build(&check(format!("http://{vendor}/")).0, &Workshop::new()).unwrap();
    for _ in 0..3 {
        let run = probe.run(TIMEOUT);
        println!(
            "SIZE {} {} {} {} {}",
            std::mem::size_of_val(&*run),
            std::mem::size_of::<crate::probes::http::exchange::Line>(),
            std::mem::size_of::<crate::probes::failure::Trace>(),
            std::mem::size_of::<crate::probes::http::Answer>(),
            std::mem::size_of::<Observation>()
        );
        let seen = run.await;
        assert!(!seen.detail.hops[0].reused && seen.phases.connect.is_some());
    }
}

#[tokio::test]
async fn f17_both_families_are_looked_at() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            request_head(&mut stream).await;
            let _ = stream.write_all(OK.as_bytes()).await;
        }
    });
    let settings = check(format!("http://localhost:{port}/")).with("ip", text("both")).0;
    let probe = KIND.probe(&settings, &Workshop::new()).unwrap();
    let seen = probe.run(TIMEOUT).await;
    assert_eq!((seen.outcome, seen.reason), (Outcome::Degraded, Reason::ConnectRefused));
    assert!(seen.detail.message.starts_with("over IPv6: "), "{}", seen.detail.message);
    assert_eq!(seen.detail.hops.len(), 2);
    let literal = check(format!("http://127.0.0.1:{port}/")).with("ip", text("both")).0;
    assert_eq!(KIND.probe(&literal, &Workshop::new()).err().unwrap()[0].key, "ip");
}

#[tokio::test]
async fn evidence_is_the_request_the_head_and_the_start_of_the_body() {
    let body = "x".repeat(10_000);
    let vendor =
        says(format!("HTTP/1.1 503 Busy\r\nX-Request-Id: 77\r\nSet-Cookie: session=abcdef\r\nContent-Length: 10000\r\n\r\n{body}")).await;
    let seen = check(format!("http://{vendor}/path?token=hidden-one&q=1")).sees(Down, Reason::HttpStatus).await;
    let evidence = seen.detail.evidence.unwrap();
    assert_eq!(evidence.request, format!("GET /path?token=…&q=1 HTTP/1.1 (http://{vendor})"));
    assert!(evidence.response.starts_with("HTTP/1.1 503\nx-request-id: 77\n"), "{}", evidence.response);
    assert!(evidence.response.contains("set-cookie: …"), "{}", evidence.response);
    assert_eq!(evidence.body.len(), 4096);
    // What unpacks is shown unpacked, and a run that is well leaves nothing.
    let fine = check(format!("http://{}/", says(OK).await)).sees(Up, Reason::Ok).await;
    assert_eq!(fine.detail.evidence, None);
}
