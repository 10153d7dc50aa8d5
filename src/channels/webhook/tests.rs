//! What goes out, and what may be configured.

use serde_json::Value;

use super::*;
use crate::model::alert::Told;
use crate::model::settings::Value as Setting;
use crate::model::{Identity, Rule, Uuid, VendorId};
use crate::routing::FACTS_BYTES_MAX;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn settings(texts: &[(&'static str, &str)], flags: &[&'static str]) -> Settings {
    let mut settings = Settings::default();
    for &(key, text) in texts {
        settings.0.insert(key, Setting::Secret(Secret::new(text.to_owned())));
    }
    for &flag in flags {
        settings.0.insert(flag, Setting::Flag(true));
    }
    settings
}

fn delivery(facts: Vec<Value>) -> Delivery {
    let told = |facts| Told {
        alert: Uuid::nil(),
        identity: Identity { rule: Rule::VendorDown, vendor: Some(VendorId::new("acme")), subject: "acme".to_owned() },
        facts,
    };
    Delivery {
        id: Uuid::from_u128(7),
        seq: 1,
        receiver: "ops".to_owned(),
        event: Event::Firing,
        group: vec![("vendor".to_owned(), "acme".to_owned())],
        alerts: facts.into_iter().map(told).collect(),
        created_at: Timestamp::from_millis(1_795_466_100_007),
        due_at: Timestamp::from_millis(1_795_466_115_000),
        ..Delivery::untried(Uuid::nil(), 0, String::new(), Event::Firing, Timestamp::from_millis(0))
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(have, _)| *have == name);
    found.map(|(_, value)| value.as_str())
}

#[test]
fn the_signature_is_that_of_the_standard() {
    // The example of the specification's reference implementations.
    let key = signing_key("secret", &Secret::new(SECRET.to_owned())).unwrap();
    let body = br#"{"test": 2432232314}"#;
    assert_eq!(
        signature(key.expose_secret(), "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
}

#[test]
fn one_try() {
    let settings = settings(&[("url", "https://hooks.example/canary"), ("secret", SECRET)], &[]);
    let channel = build(&settings).unwrap();
    let delivery = delivery(vec![json!({"id": "a", "rule": "vendor.down"})]);
    let request = channel.render(&delivery, delivery.due_at + std::time::Duration::from_millis(2_999));
    assert_eq!(
        serde_json::from_slice::<Value>(&request.body).unwrap(),
        json!({
            "type": "alert.firing",
            "timestamp": "2026-11-23T20:35:00.007Z",
            "data": {
                "receiver": "ops",
                "group": {"vendor": "acme"},
                "delayed_seconds": 2,
                "alerts": [{"id": "a", "rule": "vendor.down"}],
            },
        })
    );
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "webhook-id"), Some("00000000-0000-0000-0000-000000000007"));
    assert_eq!(header(&request, "webhook-timestamp"), Some("1795466117"));
    assert!(header(&request, "webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(request.url.path(), "/canary");
    assert_eq!(channel.shown(), "https://hooks.example/…");
    assert_eq!(channel.warnings(), Vec::<String>::new());
}

#[test]
fn two_secrets_make_two_signatures_and_none_makes_none() {
    let url = ("url", "https://hooks.example/");
    let now = Timestamp::from_millis(1_795_466_115_000);
    let signed = |texts: &[(&'static str, &str)]| {
        let channel = build(&settings(texts, &[])).unwrap();
        let request = channel.render(&delivery(vec![]), now);
        let signature = header(&request, "webhook-signature").unwrap_or_default().to_owned();
        (signature, channel.warnings().len())
    };
    let (new, _) = signed(&[url, ("secret", SECRET)]);
    let (old, _) = signed(&[url, ("secret", OTHER)]);
    let both = signed(&[url, ("secret", SECRET), ("secret_previous", OTHER)]);
    assert_eq!(both, (format!("{new} {old}"), 0));
    assert_eq!(signed(&[url]), (String::new(), 1));
}

#[test]
fn a_clock_that_went_back_makes_no_negative_delay() {
    let channel = build(&settings(&[("url", "https://hooks.example/")], &[])).unwrap();
    let request = channel.render(&delivery(vec![]), Timestamp::from_millis(0));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["data"]["delayed_seconds"], 0);
}

#[test]
fn where_it_may_go() {
    use Reach::*;
    for (url, flags, want) in [
        ("https://hooks.example/x", &[][..], Ok(Public)),
        ("https://hooks.example/x", &["allow_private"], Ok(Private)),
        ("https://10.0.0.1/x", &[], Ok(Public)),
        (" https://hooks.example/x\n", &[], Ok(Public)),
        ("http://127.0.0.1:9000/", &[], Ok(Public)),
        ("http://[::1]:9000/", &[], Ok(Public)),
        ("http://localhost:9000/", &[], Ok(Public)),
        ("http://hooks.example/", &["allow_private"], Ok(PrivateOnly)),
        ("http://10.0.0.1/", &["allow_private"], Ok(PrivateOnly)),
        ("http://hooks.example/", &["allow_http"], Ok(Public)),
        ("http://hooks.example/", &["allow_http", "allow_private"], Ok(Private)),
        ("http://8.8.8.8/", &["allow_http"], Ok(Public)),
        ("http://hooks.example/", &[], Err("unencrypted")),
        ("http://10.0.0.1/", &[], Err("unencrypted")),
        ("http://8.8.8.8/", &[], Err("unencrypted")),
        ("http://8.8.8.8/", &["allow_private"], Err("unencrypted")),
        ("http://localhost.example/", &[], Err("unencrypted")),
        ("ftp://hooks.example/canary", &[], Err("`ftp` is not a scheme")),
        ("hooks.example/canary", &[], Err("is not a URL")),
        ("https://", &[], Err("is not a URL")),
        ("", &[], Err("is not a URL")),
    ] {
        let got = target(&settings(&[("url", url)], flags)).map(|(_, reach)| reach);
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(*got, want, "{url} {flags:?}"),
            (Err(fault), Err(part)) => {
                assert!(fault.message.contains(part) && fault.hint.is_some(), "{fault:?}");
                assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
            }
            _ => panic!("{url} {flags:?}: {got:?} instead of {want:?}"),
        }
    }
}

#[test]
fn secrets() {
    let bytes = |count| format!("whsec_{}", STANDARD.encode(vec![7; count]));
    for (secret, want) in [
        (bytes(24), None),
        (bytes(64), None),
        (format!("{}\n", bytes(32)), None),
        (bytes(23), Some("has 23 bytes after `whsec_`, not 24 to 64")),
        (bytes(65), Some("has 65 bytes after `whsec_`, not 24 to 64")),
        ("whsec_".to_owned(), Some("has 0 bytes after `whsec_`, not 24 to 64")),
        ("whsec_#canary#".to_owned(), Some("is not base64 after `whsec_`")),
        ("canary".to_owned(), Some("does not begin with `whsec_`")),
    ] {
        let got = signing_key("secret", &Secret::new(secret)).err();
        assert_eq!(got.as_ref().map(|fault| fault.message.as_str()), want);
        assert!(got.is_none_or(|fault| fault.hint.is_some()));
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let wrong = [("url", "nowhere"), ("secret", "x"), ("secret_previous", "y")];
    let faults = build(&settings(&wrong, &[])).err().unwrap();
    let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys, ["url", "secret", "secret_previous"]);
}

#[test]
fn facts_of_the_permitted_size_fit() {
    let mut delivery = delivery(vec![]);
    // The longest names that the configuration accepts.
    delivery.receiver = "r".repeat(100);
    delivery.group = vec![("vendor".to_owned(), "v".repeat(100)), ("subject".to_owned(), "s".repeat(201))];
    let fact = json!({"summary": "x".repeat(FACTS_BYTES_MAX / 4 - 20)});
    let taken = fact.to_string().len() + 1;
    delivery.alerts = super::tests::delivery(vec![fact; FACTS_BYTES_MAX / taken]).alerts;
    let channel = build(&settings(&[("url", "https://hooks.example/")], &[])).unwrap();
    let body = channel.render(&delivery, Timestamp::from_millis(i64::MAX)).body;
    assert!(body.len() < 20_000, "{}", body.len());
}
