//! The domain kind against a registry and a list of registries on the loopback address.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::Outcome::{Down, Unknown, Up};

const TIMEOUT: Duration = Duration::from_secs(5);

const EXPIRING: &str = r#"{"objectClassName":"domain","ldhName":"vendor.example","status":["client transfer prohibited","active"],
    "events":[{"eventAction":"expiration","eventDate":"2090-01-02T03:04:05Z"}],
    "entities":[{"roles":["registrar"],"vcardArray":["vcard",[["fn",{},"text","Names Ltd."]]]}]}"#;

/// A web server: for a path a status, headers and a body. Its base URL, and how often it was asked.
async fn serve(say: impl Fn(&str) -> (u16, String, String) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            assert!(head.contains("application/rdap+json"), "{head}");
            let (status, headers, body) = say(head.split(' ').nth(1).unwrap_or_default());
            let answer = format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (base, count)
}

/// A registry that says this about `vendor.example`, and 404 about everything else.
async fn registry(status: u16, body: &'static str) -> String {
    let say = move |path: &str| match path {
        "/rdap/domain/vendor.example" => (status, String::new(), body.to_owned()),
        _ => (404, String::new(), String::new()),
    };
    format!("{}/rdap/", serve(say).await.0)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn check(domain: &str) -> Settings {
    Settings([("name", text("registration")), ("domain", text(domain))].into())
}

fn at(server: &str) -> Settings {
    let mut settings = check("vendor.example");
    settings.0.insert("server", text(server));
    settings
}

async fn run(settings: &Settings, workshop: &Workshop) -> Observation {
    let probe = build(settings, workshop).unwrap_or_else(|faults| panic!("{faults:?}"));
    probe.run(TIMEOUT).await
}

async fn sees(settings: &Settings, outcome: Outcome, reason: Reason) -> Observation {
    let seen = run(settings, &Workshop::new()).await;
    assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{}", seen.detail.message);
    seen
}

#[tokio::test]
async fn the_end_of_a_registration_is_seen_and_changes_no_state() {
    let seen = sees(&at(&registry(200, EXPIRING).await), Up, Reason::Ok).await;
    assert_eq!(seen.detail.expires_at.unwrap().to_string(), "2090-01-02T03:04:05.000Z");
    assert_eq!(seen.detail.ends_at(), seen.detail.expires_at);
    assert_eq!(seen.detail.message, "registered until 2090-01-02 (registrar Names Ltd.; client transfer prohibited; active)");
    assert!(seen.phases.processing.is_some());

    let past = r#"{"objectClassName":"domain","events":[{"eventAction":"expiration","eventDate":"2001-01-02T03:04:05Z"}]}"#;
    let seen = sees(&at(&registry(200, past).await), Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "the registration ended on 2001-01-02");
}

#[tokio::test]
async fn a_registry_that_publishes_no_end_is_no_failure() {
    let seen = sees(&at(&registry(200, r#"{"objectClassName":"domain","status":["active"]}"#).await), Up, Reason::Ok).await;
    assert_eq!(seen.detail.expires_at, None);
    assert_eq!(seen.detail.message, "registered; the registry publishes no expiry (active)");
}

#[test]
fn the_registrys_certificate_is_not_what_ends() {
    let mut trace = Trace::default();
    let chain = crate::model::observation::Chain { certificates: Vec::new(), verified: true, not_after: clock::now() };
    trace.hop.chain = Some(Arc::new(chain));
    let seen = of_the_domain(trace.ended(Up, Reason::Ok, Duration::ZERO, "no expiry is published"));
    assert_eq!(seen.detail.ends_at(), None);
}

#[tokio::test]
async fn answers_become_reasons() {
    for (status, body, outcome, reason) in [
        (404, "", Down, Reason::DnsNxdomain),
        (429, "", Unknown, Reason::RateLimited),
        (503, "", Down, Reason::HttpStatus),
        (403, "", Down, Reason::HttpStatus),
        (200, "<html>", Down, Reason::Protocol),
        (200, "{}", Down, Reason::Protocol),
        (200, r#"{"objectClassName":"domain","ldhName":"other.example"}"#, Down, Reason::Protocol),
    ] {
        let seen = sees(&at(&registry(status, body).await), outcome, reason).await;
        assert!(seen.detail.evidence.is_some());
    }
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", unused.local_addr().unwrap());
    drop(unused);
    sees(&at(&closed), Down, Reason::ConnectRefused).await;
}

#[tokio::test]
async fn conditions_may_look_at_the_answer() {
    let mut settings = at(&registry(200, EXPIRING).await);
    settings.0.insert("expect", Value::TextList(vec!["$.status[0] == 'client transfer prohibited'".into()]));
    sees(&settings, Up, Reason::Ok).await;
    settings.0.insert("expect", Value::TextList(vec!["count($.status[*]) > 5".into()]));
    let seen = sees(&settings, Down, Reason::Expectation).await;
    assert!(seen.detail.expires_at.is_some());
}

#[tokio::test]
async fn a_registry_may_send_us_on_but_not_into_our_house() {
    let registry = registry(200, EXPIRING).await;
    let to = |place: String| move |_: &str| (302, format!("Location: {place}domain/vendor.example\r\n"), String::new());
    let (same_house, _) = serve(to(registry.clone())).await;
    sees(&at(&same_house), Unknown, Reason::AddressRefused).await;
    let mut settings = at(&same_house);
    settings.0.insert("allow_private", Value::Flag(true));
    sees(&settings, Up, Reason::Ok).await;
}

/// IANA's list, and a workshop that knows it under this URL.
async fn list(say: impl Fn() -> (u16, String) + Send + Sync + 'static) -> (Workshop, Arc<AtomicUsize>) {
    let (base, count) = serve(move |path| {
        assert_eq!(path, "/rdap/dns.json");
        let (status, body) = say();
        (status, String::new(), body)
    })
    .await;
    let mut workshop = Workshop::new();
    workshop.bootstrap = Arc::new(Bootstrap::at(&format!("{base}/rdap/dns.json")));
    (workshop, count)
}

fn private(domain: &str) -> Settings {
    let mut settings = check(domain);
    settings.0.insert("allow_private", Value::Flag(true));
    settings
}

#[tokio::test]
async fn the_list_of_registries_is_read_once_for_all() {
    let registry = registry(200, EXPIRING).await;
    let services = format!(r#"{{"services":[[["test"],["https://other.example/"]],[["example"],["{registry}"]]]}}"#);
    let (workshop, asked) = list(move || (200, services.clone())).await;
    for _ in 0..3 {
        let seen = run(&private("vendor.example"), &workshop).await;
        assert_eq!((seen.outcome, seen.reason), (Up, Reason::Ok), "{}", seen.detail.message);
    }
    let seen = run(&private("vendor.nowhere"), &workshop).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::OwnResource));
    assert!(seen.detail.message.contains("`server`"), "{}", seen.detail.message);
    let seen = run(&check("vendor.example"), &workshop).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused), "a list names no place in our house");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_list_that_cannot_be_read_is_not_the_vendors_fault_and_not_asked_for_at_once_again() {
    for (status, body, reason) in [(500, "", Reason::HttpStatus), (200, "<html>", Reason::Protocol)] {
        let (workshop, asked) = list(move || (status, body.to_owned())).await;
        for _ in 0..3 {
            let seen = run(&private("vendor.example"), &workshop).await;
            assert_eq!((seen.outcome, seen.reason), (Unknown, reason), "{}", seen.detail.message);
            assert!(seen.detail.message.starts_with("the list of RDAP servers"), "{}", seen.detail.message);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn faults_say_what_to_write() {
    let keys = |settings: &Settings| -> Vec<&str> {
        let faults = build(settings, &Workshop::new()).err().unwrap_or_default();
        assert!(faults.iter().all(|fault| fault.hint.is_some()), "{faults:?}");
        faults.iter().map(|fault| fault.key).collect()
    };
    for domain in
        ["", "vendor", "192.0.2.1", "[::1]", "www.vendor.example", "a b.example", ".example", "a..example", "https://vendor.example"]
    {
        assert_eq!(keys(&check(domain)), ["domain"], "{domain}");
    }
    for server in
        ["rdap.example", "ftp://rdap.example/", "https://rdap.example/?a=b", "https://me:pw@rdap.example/", "https://rdap.example:0/"]
    {
        assert_eq!(keys(&at(server)), ["server"], "{server}");
    }
    for domain in ["vendor.com", "Vendor.Example.", "bücher.example", "vendor.co.uk", "www.com"] {
        assert_eq!(keys(&check(domain)), [""; 0], "{domain}");
    }
    let of_name = |name: &str| Settings([("name", text(name))].into());
    assert_eq!(keys(&of_name("registration")), ["name"]);
    let probe = build(&of_name("vendor.com"), &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(probe.host(), "rdap.verisign.com:443");
}
