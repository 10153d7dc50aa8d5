//! The native webhook over the wire: what the channel renders, the client sends, a receiver answers and the verdict makes of it.

use serde_json::json;
use vendord::channels::{Channel, Failure, KINDS, Verdict, failure, verdict};
use vendord::clock;
use vendord::fetch::{Answer, Fetch, FetchError, FetchErrorKind, Outgoing, Reach};
use vendord::model::alert::Told;
use vendord::model::{Delivery, Event, Identity, Rule, Secret, Settings, Uuid, Value, VendorId};

use crate::harness::{Mode, Receiver, Reply, s, skip};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn channel(url: &str) -> std::sync::Arc<dyn Channel> {
    let secret = |text: &str| Value::Secret(Secret::new(text.to_owned()));
    let settings = Settings([("url", secret(url)), ("secret", secret(NEXT)), ("secret_previous", secret(SECRET))].into());
    let kind = KINDS.iter().find(|kind| kind.name == "webhook").unwrap();
    (kind.build)(&settings).unwrap()
}

fn delivery() -> Delivery {
    let now = clock::now();
    Delivery {
        group: vec![("vendor".to_owned(), "acme".to_owned())],
        alerts: vec![Told {
            alert: Uuid::now_v7(),
            identity: Identity { rule: Rule::VendorDown, vendor: Some(VendorId::new("acme")), subject: "acme".to_owned() },
            facts: json!({"id": "1", "rule": "vendor.down", "vendor": "acme", "subject": "acme"}),
        }],
        due_at: now - s(90),
        ..Delivery::untried(Uuid::now_v7(), 1, "ops".to_owned(), Event::Firing, now)
    }
}

fn fetch() -> Fetch {
    Fetch::new("vendord/test (+https://ops.example)")
}

async fn tried(receiver: &Receiver, reply: impl Into<Reply>) -> Result<Answer, FetchError> {
    receiver.set(reply);
    let request = channel(&receiver.url()).render(&delivery(), clock::now());
    fetch().send(request).await
}

#[tokio::test]
async fn a_message_arrives_signed_with_both_secrets() {
    let receiver = Receiver::start();
    let answer = tried(&receiver, 200).await;
    assert_eq!(verdict(&answer, 0), Verdict::Accepted);
    let tries = receiver.tries();
    for secret in [SECRET, NEXT] {
        assert_eq!(tries[0].signature_problem(secret), None);
    }
    assert_eq!(tries[0].header("user-agent"), Some("vendord/test (+https://ops.example)"));
    assert_eq!(tries[0].header("content-type"), Some("application/json"));
    assert_eq!(tries[0].json()["data"]["delayed_seconds"], 90);
    assert_eq!(receiver.told(), [("firing".to_owned(), "vendor.down".to_owned())]);
}

#[tokio::test]
async fn what_a_receiver_does_has_a_verdict() {
    let receiver = Receiver::start();
    let again = |seconds: Option<u64>| Verdict::Again { not_before: seconds.map(s) };
    let limited = |seconds: &str| Reply::from(429).header("Retry-After", seconds);
    for (reply, want, failed) in [
        (Reply::from(204), Verdict::Accepted, None),
        (limited("7"), again(Some(7)), Some(Failure::RateLimited)),
        (limited("99999"), again(Some(3600)), Some(Failure::RateLimited)),
        (limited("soon"), again(None), Some(Failure::RateLimited)),
        (Reply::from(500), again(None), Some(Failure::ServerError)),
        (Reply::from(404), Verdict::AgainFew, Some(Failure::ClientError)),
        (Reply::from(410), Verdict::Suspend, Some(Failure::ClientError)),
        (Mode::Drop.into(), again(None), Some(Failure::Network)),
        (Mode::Reset { after_bytes: 5 }.into(), again(None), Some(Failure::Network)),
        (Mode::Endless.into(), Verdict::Accepted, None),
        (Mode::WrongLength.into(), Verdict::Accepted, None),
    ] {
        let shown = format!("{reply:?}");
        let answer = tried(&receiver, reply).await;
        assert_eq!(verdict(&answer, 0), want, "{shown}: {answer:?}");
        assert_eq!(failure(&answer), failed, "{shown}");
        assert!(answer.is_err() || answer.unwrap().body_start.len() <= 64 * 1024, "{shown}");
    }
    receiver.refuse();
    assert_eq!(failure(&tried(&receiver, 200).await), Some(Failure::Network));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let receiver = Receiver::start();
    let answer = tried(&receiver, Mode::Redirect(receiver.url())).await;
    assert!(matches!(verdict(&answer, 0), Verdict::Dead { .. }));
    assert_eq!(receiver.tries().len(), 1);
}

async fn by_name(name: &str, port: u16, reach: Reach) -> Result<u16, FetchErrorKind> {
    let request = Outgoing { url: format!("http://{name}:{port}/canary").parse().unwrap(), headers: Vec::new(), body: Vec::new(), reach };
    let answer = fetch().send(request).await;
    answer.map(|a| a.status).map_err(|error| {
        assert!(!error.message.contains("canary"), "{error}");
        error.kind
    })
}

/// A name other than `localhost` that this machine's hosts file gives to 127.0.0.1.
fn name_of_loopback() -> Option<String> {
    let hosts = std::fs::read_to_string("/etc/hosts").ok()?;
    let mut names =
        hosts.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix("127.0.0.1")).flat_map(str::split_whitespace);
    names.find(|name| *name != "localhost").map(str::to_owned)
}

#[tokio::test]
async fn a_name_that_leads_to_a_special_address_is_refused() {
    let Some(name) = name_of_loopback() else {
        return skip("refused addresses", "/etc/hosts has no second name for 127.0.0.1");
    };
    let receiver = Receiver::start();
    let port = url::Url::parse(&receiver.url()).unwrap().port().unwrap();
    assert_eq!(by_name(&name, port, Reach::Public).await, Err(FetchErrorKind::AddressRefused));
    assert_eq!(receiver.tries().len(), 0);
    assert_eq!(by_name(&name, port, Reach::Private).await, Ok(200));
    assert_eq!(by_name(&name, port, Reach::PrivateOnly).await, Ok(200));
    assert_eq!(by_name("localhost", port, Reach::Public).await, Ok(200));
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told() {
    // Resolvers answer for `.invalid` themselves, and the last dot keeps search domains away: nothing leaves the machine.
    assert_eq!(by_name("nowhere.invalid.", 80, Reach::Public).await, Err(FetchErrorKind::Network));
}
