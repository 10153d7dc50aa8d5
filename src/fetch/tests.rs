//! Against real sockets on the loopback address, with the limits shortened.

use reqwest::header::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers every connection with these bytes and then keeps it open; its port.
async fn server(answer: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(answer.as_bytes()).await;
            open.push(socket);
        }
    });
    port
}

fn fetch() -> Fetch {
    let limits = Limits { exchange_within: Duration::from_millis(700), body_within: Duration::from_millis(100), body_bytes_max: 10 };
    Fetch { limits, ..Fetch::new("vendord/test\n(+contact)") }
}

fn post(url: &str) -> Outgoing {
    Outgoing {
        url: Url::parse(url).unwrap(),
        headers: vec![("content-type", "application/json".to_owned())],
        body: b"{}".to_vec(),
        reach: Reach::Public,
    }
}

async fn sent(scheme: &str, answer: &'static str) -> Result<Answer, FetchError> {
    let port = server(answer).await;
    let url = format!("{scheme}://127.0.0.1:{port}/hook/canary?token=canary");
    fetch().send(post(&url)).await
}

#[tokio::test]
async fn an_answer_is_read_as_far_as_it_matters() {
    let ok = sent("http", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!((ok.status, ok.body_start.as_slice()), (200, &b"ok"[..]));

    let long = "HTTP/1.1 500 X\r\nContent-Length: 99999\r\n\r\n0123456789abcdef";
    assert_eq!(sent("http", long).await.unwrap().body_start, b"0123456789");

    let hangs = "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(sent("http", hangs).await.unwrap().status, 204);

    let limited = "HTTP/1.1 429 X\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let limited = sent("http", limited).await.unwrap();
    assert_eq!(limited.retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_slow_body_does_not_take_the_status_back() {
    let slow = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok";
    let answer = sent("http", slow).await.unwrap();
    assert_eq!((answer.status, answer.body_start.as_slice()), (200, &b"ok"[..]));
}

#[tokio::test]
async fn redirects_are_answers() {
    let moved = "HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(sent("http", moved).await.unwrap().status, 307);
}

#[tokio::test]
async fn no_answer_is_told_without_secrets() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refused = fetch().send(post(&format!("http://127.0.0.1:{closed}/canary"))).await;
    let cases = [
        (refused, FetchErrorKind::Network, "refused"),
        (sent("http", "").await, FetchErrorKind::Timeout, "within 0.7 s"),
        (sent("http", "nonsense\r\n\r\n").await, FetchErrorKind::Network, ""),
        (sent("https", "HTTP/1.1 400 X\r\n\r\n").await, FetchErrorKind::Tls, ""),
    ];
    for (result, kind, part) in cases {
        let error = result.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(part), "{error}");
        assert!(error.message.contains("://127.0.0.1:"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn localhost_was_meant() {
    let port = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let answer = fetch().send(post(&format!("http://localhost:{port}/"))).await;
    assert_eq!(answer.unwrap().status, 200);
}

/// Answers every question like a DNS that was turned against us.
struct Rebound;

impl reqwest::dns::Resolve for Rebound {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err(Reach::Public.permitted(vec!["169.254.169.254".parse()?]).unwrap_err().into()) })
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a client with another resolver")]
async fn a_refused_address_is_recognised_through_the_layers_of_the_client() {
    install_provider();
    let client = reqwest::Client::builder().dns_resolver(Rebound).build().unwrap();
    let url = Url::parse("http://hooks.example/canary").unwrap();
    let error = explain(&shown(&url), client.post(url).send().await.unwrap_err());
    assert_eq!(error.kind, FetchErrorKind::AddressRefused);
    assert_eq!(
        error.message,
        "cannot reach http://hooks.example/…: the name leads to 169.254.169.254, a link-local address, \
         which is refused without `allow_private = true`"
    );
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_named() {
    let mut request = post("http://127.0.0.1:1/");
    request.headers.push(("x-note", "a\r\nb: canary".to_owned()));
    let error = fetch().send(request).await.unwrap_err();
    assert!(error.message.contains("`x-note`") && !error.message.contains("canary"), "{error}");
}

#[test]
fn only_the_host_is_shown() {
    for (url, want) in [
        ("https://hooks.example/services/T0/B0/XX", "https://hooks.example/…"),
        ("https://user:word@hooks.example:8443/?key=1", "https://hooks.example:8443/…"),
        ("https://hooks.example", "https://hooks.example/"),
        ("http://[::1]:9/x", "http://[::1]:9/…"),
    ] {
        assert_eq!(shown(&Url::parse(url).unwrap()), want);
    }
}

/// GETs a path of a server that answers `answer` to everything.
async fn got(answer: &'static str, bytes_max: usize) -> Result<Got, FetchError> {
    let url = Url::parse(&format!("http://127.0.0.1:{}/page", server(answer).await)).unwrap();
    let validators = Validators { etag: Some("\"1\"".into()), last_modified: None };
    fetch()
        .get(Ask {
            url: &url,
            headers: &HeaderMap::new(),
            reach: Reach::Public,
            within: Duration::from_millis(700),
            validators: &validators,
            body_bytes_max: bytes_max,
        })
        .await
}

#[tokio::test]
async fn a_document_comes_whole_or_not_at_all() {
    let whole =
        "HTTP/1.1 200 OK\r\nETag: W/\"2\"\r\nCache-Control: max-age=10\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let page = got(whole, 10).await.unwrap();
    assert_eq!((page.status, page.body.as_slice(), page.max_age), (200, &b"{}"[..], Some(Duration::from_secs(10))));
    assert_eq!(page.validators.etag.as_deref(), Some("W/\"2\""));

    for (answer, bytes_max, kind) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1, FetchErrorKind::Unusable),
        ("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 10, FetchErrorKind::Unusable),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", 10, FetchErrorKind::Timeout),
        ("HTTP/1.1 302 X\r\nLocation: /page\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 10, FetchErrorKind::AddressRefused),
        ("HTTP/1.1 302 X\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n", 10, FetchErrorKind::AddressRefused),
    ] {
        assert_eq!(got(answer, bytes_max).await.map_err(|e| e.kind), Err(kind), "{answer}");
    }
}

#[tokio::test]
async fn what_has_not_changed_and_what_asks_to_wait() {
    let same = got("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n", 10).await.unwrap();
    assert_eq!((same.status, same.body.len()), (304, 0));
    let busy = got("HTTP/1.1 503 X\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nbusy", 10).await.unwrap();
    assert_eq!((busy.status, busy.retry_after, busy.body.len()), (503, Some(Duration::from_secs(7)), 0));
}
