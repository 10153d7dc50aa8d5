//! Scenarios against a small shop on the loopback address.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::Value;

/// What arrived: the request line, and all of it.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    text: String,
}

struct Shop {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

const TOKEN: &str = "tok-5f2c91a7";

/// Status line, headers and body for a request line.
fn answer(asked: &Asked, other: &str) -> String {
    let authorized = asked.text.to_lowercase().contains(&format!("authorization: bearer {TOKEN}"));
    let session = asked.text.to_lowercase().contains("cookie: session=s-91ac73");
    match asked.line.as_str() {
        "POST /login" => "302 Found\r\nset-cookie: session=s-91ac73; Path=/; HttpOnly\r\nlocation: /home||".into(),
        "GET /home" if session => "200 OK||<form><input name=\"csrf\" value=\"c5rf-77\"></form>".into(),
        "POST /token" if session && asked.text.contains("\"csrf\":\"c5rf-77\"") => format!("200 OK||{{\"access_token\":\"{TOKEN}\"}}"),
        "POST /orders" if authorized => "201 Created\r\nlocation: /orders/4217||".into(),
        "GET /orders/4217?full=1" if authorized => format!("200 OK||{{\"state\":\"open\",\"echo\":\"{TOKEN}\"}}"),
        "DELETE /orders/4217" if authorized => "204 No Content||".into(),
        "DELETE /broken" => "500 Internal Server Error||".into(),
        "GET /elsewhere" => format!("302 Found\r\nlocation: {other}/caught||"),
        "POST /elsewhere" => format!("307 Temporary Redirect\r\nlocation: {other}/caught||"),
        "GET /fails" => format!("503 Service Unavailable||down, {TOKEN}"),
        "GET /slow" => "hang".into(),
        "GET /caught" | "POST /caught" => "200 OK||".into(),
        _ => "401 Unauthorized||".into(),
    }
}

async fn shop(other: &str) -> Shop {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
    let (seen, other) = (asked.clone(), other.to_owned());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !is_whole(&bytes) && stream.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {}
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let line = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
            let one = Asked { line, text };
            let said = answer(&one, &other);
            seen.lock().unwrap().push(one);
            if said == "hang" {
                tokio::spawn(async move { stream.read(&mut [0; 1]).await });
                continue;
            }
            let (head, body) = said.split_once("||").unwrap();
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
        }
    });
    Shop { url, asked }
}

/// Head and as much of a body as it promises.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

impl Shop {
    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }
}

/// `POST name /path`, with what else the step has.
fn step(shop: &Shop, text: &str, more: Vec<(&'static str, Value)>) -> Settings {
    let [method, name, path] = text.split(' ').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let text = |text: &str| Value::Text(text.to_owned());
    let url = if path.contains("://") { path.to_owned() } else { format!("{}{path}", shop.url) };
    let mut settings = Settings([("method", text(method)), ("name", text(name)), ("url", text(&url))].into());
    settings.0.extend(more);
    settings
}

fn capture(name: &str, from: &str) -> (&'static str, Value) {
    ("capture", Value::TextMap([(name.to_owned(), from.to_owned())].into()))
}

fn headers(name: &str, value: &str) -> (&'static str, Value) {
    ("headers", Value::SecretMap([(name.to_owned(), Secret::new(value.to_owned()))].into()))
}

fn expect(conditions: &[&str]) -> (&'static str, Value) {
    ("expect", Value::TextList(conditions.iter().map(|c| c.to_string()).collect()))
}

const CLEANUP: (&str, Value) = ("cleanup", Value::Flag(true));

fn scenario(steps: Vec<Settings>, more: Vec<(&'static str, Value)>) -> Built<dyn Probe> {
    let mut settings = Settings([("steps", Value::Tables(steps))].into());
    settings.0.extend(more);
    build(&settings, &Workshop::new())
}

async fn observe(steps: Vec<Settings>, more: Vec<(&'static str, Value)>, timeout: Duration) -> Observation {
    let probe = scenario(steps, more).unwrap_or_else(|faults| panic!("{faults:?}"));
    let seen = probe.run(timeout).await;
    let shown = format!("{:?}", seen.detail);
    for secret in [TOKEN, "s-91ac73", "c5rf-77"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    seen
}

const SOON: Duration = Duration::from_secs(10);

/// Up to the token: cookies of a redirect, a value of a form, a value of JSON.
fn sign_in(shop: &Shop) -> Vec<Settings> {
    vec![
        step(shop, "POST login /login", vec![capture("csrf", "body matches 'name=\"csrf\" value=\"([^\"]+)\"'")]),
        step(shop, "POST token /token", vec![("body", Value::Text("{\"csrf\":\"{{csrf}}\"}".into())), capture("token", "$.access_token")]),
    ]
}

fn ordering(shop: &Shop) -> Vec<Settings> {
    let bearer = || headers("Authorization", "Bearer {{token}}");
    let mut steps = sign_in(shop);
    steps.extend([
        step(shop, "DELETE cancel /orders/{{order}}", vec![bearer(), CLEANUP]),
        step(shop, "POST order /orders", vec![bearer(), capture("order", "header.location matches '([0-9]+)$'")]),
        step(shop, "GET read /orders/{{order}}?full=1", vec![bearer(), expect(&["$.state == 'open'"])]),
    ]);
    // What cleans up is known only after what it cleans up.
    steps.swap(2, 3);
    steps
}

#[tokio::test]
async fn values_and_cookies_go_from_step_to_step() {
    let shop = shop("").await;
    for _ in 0..2 {
        let whole = expect(&["latency < 10s", "steps.read.$.state == 'open'", "steps.order.status == 201"]);
        let seen = observe(ordering(&shop), vec![whole], SOON).await;
        assert_eq!((seen.outcome, seen.reason, seen.detail.message.as_str()), (Outcome::Up, Reason::Ok, "4 steps"));
        // The redirect of the login is a hop of its own; what cleans up is not measured.
        assert_eq!(seen.detail.hops.len(), 5);
        let held: Vec<&str> = seen.detail.expectations.iter().map(|e| e.expression.as_str()).collect();
        assert!(held.contains(&"read: $.state == 'open'") && held.contains(&"steps.order.status == 201"), "{held:?}");
    }
    let once = ["POST /login", "GET /home", "POST /token", "POST /orders", "GET /orders/4217?full=1", "DELETE /orders/4217"];
    assert_eq!(shop.lines(), [once, once].concat());
    let asked = shop.asked.lock().unwrap();
    let logins: Vec<&Asked> = asked.iter().filter(|asked| asked.line == "POST /login").collect();
    assert!(logins.iter().all(|login| !login.text.to_lowercase().contains("cookie")), "a cookie of the run before");
}

#[tokio::test]
async fn the_first_step_that_fails_ends_the_run_and_the_place_is_cleaned() {
    let shop = shop("").await;
    let cases = [
        ("GET stock /fails", vec![], Outcome::Down, Reason::HttpStatus, "step stock: 503 Service Unavailable, wanted 2xx"),
        (
            "GET stock /home",
            vec![expect(&["body contains 'x-y'"])],
            Outcome::Down,
            Reason::Expectation,
            "step stock: wanted body contains 'x-y', saw",
        ),
        (
            "GET stock /home",
            vec![capture("a", "$.a")],
            Outcome::Down,
            Reason::Expectation,
            "step stock: cannot capture a ($.a): the body is not JSON",
        ),
        (
            "GET stock /home",
            vec![capture("a", "header.x")],
            Outcome::Down,
            Reason::Expectation,
            "step stock: cannot capture a (header.x): the answer has no such header",
        ),
        ("GET stock http://127.0.0.1:1/", vec![], Outcome::Down, Reason::ConnectRefused, "step stock: connection refused"),
        (
            "GET stock /unknown",
            vec![headers("Authorization", "Bearer {{token}}")],
            Outcome::Unknown,
            Reason::AuthRejected,
            "step stock: 401",
        ),
    ];
    for (text, more, outcome, reason, message) in cases {
        shop.asked.lock().unwrap().clear();
        let mut steps = ordering(&shop);
        steps.truncate(4);
        steps.extend([step(&shop, text, more), step(&shop, "GET never /home", vec![])]);
        let seen = observe(steps, vec![], SOON).await;
        assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{}", seen.detail.message);
        assert!(seen.detail.message.starts_with(message), "{}", seen.detail.message);
        assert!(seen.detail.evidence.is_some(), "{message}");
        let lines = shop.lines();
        assert_eq!(lines.last().map(String::as_str), Some("DELETE /orders/4217"), "{lines:?}");
    }
}

#[tokio::test]
async fn what_was_never_made_is_not_cleaned_up() {
    let shop = shop("").await;
    let mut steps = ordering(&shop);
    steps[1] = step(&shop, "GET token /unknown", vec![capture("token", "$.access_token")]);
    let seen = observe(steps, vec![], SOON).await;
    assert_eq!(seen.detail.message, "step token: 401 Unauthorized, wanted 2xx");
    assert_eq!(shop.lines(), ["POST /login", "GET /home", "GET /unknown"]);
}

#[tokio::test]
async fn time_is_kept_for_cleaning_up() {
    let shop = shop("").await;
    let steps = vec![step(&shop, "GET wait /slow", vec![]), step(&shop, "DELETE tidy /broken", vec![CLEANUP])];
    let seen = observe(steps, vec![], Duration::from_secs(1)).await;
    assert_eq!(seen.reason, Reason::TimeoutHeaders);
    assert!(seen.duration < Duration::from_secs(1), "{:?}", seen.duration);
    assert_eq!(shop.lines(), ["GET /slow", "DELETE /broken"]);
    assert!(seen.detail.message.ends_with("; cleanup tidy: 500 Internal Server Error, wanted 2xx"), "{}", seen.detail.message);
}

#[tokio::test]
async fn a_cleanup_that_fails_is_told_and_decides_nothing() {
    let shop = shop("").await;
    let steps = vec![step(&shop, "POST login /login", vec![]), step(&shop, "DELETE tidy /broken", vec![CLEANUP])];
    let seen = observe(steps, vec![], SOON).await;
    assert_eq!((seen.outcome, seen.reason), (Outcome::Up, Reason::Ok));
    assert_eq!(seen.detail.message, "1 step; cleanup tidy: 500 Internal Server Error, wanted 2xx");
    assert_eq!(seen.detail.http_status, Some(200));
}

#[tokio::test]
async fn a_slow_step_makes_the_run_degraded() {
    let shop = shop("").await;
    let limit = ("degraded_over", Value::Duration(Duration::from_nanos(1)));
    let seen = observe(vec![step(&shop, "POST login /login", vec![limit.clone()])], vec![], SOON).await;
    assert_eq!((seen.outcome, seen.reason), (Outcome::Degraded, Reason::Slow));
    assert!(seen.detail.message.starts_with("step login: 200 OK, but in"), "{}", seen.detail.message);
    let seen = observe(vec![step(&shop, "POST login /login", vec![])], vec![limit], SOON).await;
    assert!(seen.detail.message.starts_with("1 step, but in"), "{}", seen.detail.message);
    let seen = observe(vec![step(&shop, "POST login /login", vec![])], vec![expect(&["steps.login.status == 204"])], SOON).await;
    assert_eq!((seen.outcome, seen.reason), (Outcome::Down, Reason::Expectation));
}

#[tokio::test]
async fn s8_what_was_captured_stays_with_its_host() {
    let other = shop("").await;
    let shop = shop(&other.url).await;
    let secret = headers("X-Session", "{{token}}");
    let mut steps = sign_in(&shop);
    steps.push(step(&shop, "GET away /elsewhere", vec![secret.clone()]));
    assert_eq!(observe(steps, vec![("allow_private", Value::Flag(true))], SOON).await.outcome, Outcome::Up);
    let mut steps = sign_in(&shop);
    steps.push(step(&shop, "POST away /elsewhere", vec![("body", Value::Text("token={{token}}".into()))]));
    let seen = observe(steps, vec![("allow_private", Value::Flag(true))], SOON).await;
    assert_eq!(seen.reason, Reason::RedirectLimit, "{}", seen.detail.message);
    let caught = other.asked.lock().unwrap();
    assert_eq!(caught.len(), 1);
    assert!(!caught[0].text.contains(TOKEN) && caught[0].text.contains("user-agent"), "{}", caught[0].text);
    // The name of the host is the same: cookies are not bound to a port (RFC 6265 8.5).
}

#[tokio::test]
async fn faults_say_which_step() {
    let shop = shop("").await;
    let of = |steps, more| scenario(steps, more).err().unwrap_or_default();
    let faults = of(
        vec![
            step(&shop, "GET a /{{x}}", vec![capture("x", "$.x"), expect(&["stauts == 200"])]),
            step(&shop, "GET a /{{x}}{{y}}", vec![capture("z", "everything")]),
            step(&shop, "GET b.c /", vec![headers("bad name", "{{q}}")]),
        ],
        vec![expect(&["steps.d.status == 200"])],
    );
    let mut found: Vec<_> = faults.iter().map(|fault| (fault.within.as_ref().map(|within| within.1), fault.key)).collect();
    found.sort_unstable();
    let want = [(None, "expect"), (Some(0), "expect"), (Some(0), "url"), (Some(1), "capture"), (Some(1), "name"), (Some(1), "url")];
    assert_eq!(found[..6], want);
    assert!(found.contains(&(Some(2), "name")) && found.contains(&(Some(2), "headers")), "{found:?}");
    let shared = of(vec![step(&shop, "GET a /", vec![]), step(&shop, "GET b /", vec![])], vec![("ca", Value::Text("/missing.pem".into()))]);
    assert_eq!(shared.iter().map(|fault| (fault.within.clone(), fault.key)).collect::<Vec<_>>(), [(None, "ca")], "once, at the check");
    assert_eq!(of(vec![step(&shop, "GET a /", vec![CLEANUP])], vec![])[0].key, "steps");
    assert_eq!(of(vec![], vec![])[0].key, "steps");
}
