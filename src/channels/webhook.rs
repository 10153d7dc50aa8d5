//! The native webhook: JSON, signed as Standard Webhooks (<https://www.standardwebhooks.com>) asks.
//!
//! Every try of a delivery has the same id and body but for `delayed_seconds`; the timestamp and the signatures are
//! those of the try. Two secrets make two signatures, so that a receiver can be moved from one to the other.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Value, json};
use sha2::Sha256;
use url::{Host, Url};

use super::{Channel, Kind, Request};
use crate::fetch::{self, Reach};
use crate::model::settings::Built;
use crate::model::{Delivery, Event, Fault, Key, Secret, Settings, Shape, Timestamp, address};

pub const KIND: Kind = Kind { name: "webhook", help: "JSON by POST, signed as Standard Webhooks asks", keys: KEYS, build };

const KEYS: &[Key] = &[
    Key::required("url", Shape::TextOrSecret, "Where the message goes, by POST."),
    Key::new("secret", Shape::Secret, "", "Signs every try: `whsec_` and 24 to 64 bytes in base64. Without it nothing is signed."),
    Key::new("secret_previous", Shape::Secret, "", "The secret before this one: signs too while receivers move to the new one."),
    Key::new("format", Shape::OneOf(&["vendord"]), "\"vendord\"", "What the body looks like."),
    Key::new("allow_private", Shape::Flag, "false", "Lets the name in `url` lead to a private address."),
    Key::new("allow_http", Shape::Flag, "false", "Lets alerts go over the internet unencrypted."),
];

/// Bounds of Standard Webhooks for the bytes of a symmetric secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

struct Webhook {
    url: Url,
    reach: Reach,
    /// The newest first.
    keys: Vec<SecretSlice<u8>>,
}

fn build(settings: &Settings) -> Built<dyn Channel> {
    let mut faults = Vec::new();
    let target = keep(target(settings), &mut faults);
    let keys: Vec<SecretSlice<u8>> = ["secret", "secret_previous"]
        .into_iter()
        .filter_map(|name| Some((name, settings.secret(name)?)))
        .filter_map(|(name, secret)| keep(signing_key(name, secret), &mut faults))
        .collect();
    match target {
        Some((url, reach)) if faults.is_empty() => Ok(Arc::new(Webhook { url, reach, keys })),
        _ => Err(faults),
    }
}

fn keep<T>(result: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    result.map_err(|fault| faults.push(fault)).ok()
}

/// Where it goes and what the name may lead to.
fn target(settings: &Settings) -> Result<(Url, Reach), Fault> {
    let text = settings.secret("url").map_or("", Secret::expose).trim();
    // The text may be a secret, so no message repeats it.
    let url = Url::parse(text)
        .map_err(|e| Fault::new("url", format!("is not a URL: {e}")).hint("write one like `https://hooks.example/alerts`"))?;
    match url.scheme() {
        "https" if settings.on("allow_private") => Ok((url, Reach::Private)),
        "https" => Ok((url, Reach::Public)),
        "http" => plain(&url, settings.on("allow_private"), settings.on("allow_http")).map(|reach| (url, reach)),
        other => Err(Fault::new("url", format!("`{other}` is not a scheme that a webhook can use")).hint("write `https://`")),
    }
}

/// Unencrypted messages stay in the house unless somebody insists.
fn plain(url: &Url, allow_private: bool, allow_http: bool) -> Result<Reach, Fault> {
    let meant = Meant::by(url);
    match (meant, allow_private, allow_http) {
        (Meant::Loopback, _, _) => Ok(Reach::Public),
        (_, true, true) => Ok(Reach::Private),
        (_, false, true) => Ok(Reach::Public),
        (Meant::Name | Meant::Private, true, false) => Ok(Reach::PrivateOnly),
        (Meant::Private, false, false) => Err(unencrypted("`allow_private = true`")),
        (Meant::Public, _, false) => Err(unencrypted("`allow_http = true`")),
        (Meant::Name, false, false) => {
            Err(unencrypted("`allow_private = true` if the name leads to a private address, `allow_http = true` if not"))
        }
    }
}

fn unencrypted(keys: &str) -> Fault {
    Fault::new("url", "`http://` would send alerts unencrypted").hint(format!("write `https://`, or add {keys}"))
}

/// What the host of a URL says about where it leads.
#[derive(Clone, Copy)]
enum Meant {
    Loopback,
    Private,
    Public,
    Name,
}

impl Meant {
    fn by(url: &Url) -> Meant {
        let ip = match url.host() {
            Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost") => {
                return Meant::Loopback;
            }
            Some(Host::Ipv4(ip)) => ip.into(),
            Some(Host::Ipv6(ip)) => ip.into(),
            _ => return Meant::Name,
        };
        match address::special(ip) {
            Some("loopback") => Meant::Loopback,
            Some(_) => Meant::Private,
            None => Meant::Public,
        }
    }
}

fn signing_key(name: &'static str, secret: &Secret) -> Result<SecretSlice<u8>, Fault> {
    let fault = |message: String| {
        Fault::new(name, message)
            .hint("write `whsec_` and 24 to 64 random bytes in base64, as from `echo whsec_$(openssl rand -base64 32)`")
    };
    let encoded = secret.expose().trim().strip_prefix("whsec_").ok_or_else(|| fault("does not begin with `whsec_`".to_owned()))?;
    let key = STANDARD.decode(encoded).map_err(|_| fault("is not base64 after `whsec_`".to_owned()))?;
    if !SECRET_BYTES.contains(&key.len()) {
        return Err(fault(format!("has {} bytes after `whsec_`, not 24 to 64", key.len())));
    }
    Ok(key.into())
}

impl Channel for Webhook {
    fn render(&self, delivery: &Delivery, now: Timestamp) -> Request {
        let body = envelope(&Envelope {
            event: delivery.event,
            timestamp: delivery.created_at.to_string(),
            receiver: &delivery.receiver,
            group: &delivery.group,
            delayed_seconds: now.since(delivery.due_at).as_secs(),
            alerts: delivery.alerts.iter().map(|told| &told.facts).collect(),
        });
        let id = delivery.id.to_string();
        let seconds = now.as_millis().div_euclid(1000).to_string();
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if !self.keys.is_empty() {
            headers.push(("webhook-signature", self.signatures(&id, &seconds, &body)));
        }
        headers.extend([("webhook-id", id), ("webhook-timestamp", seconds)]);
        Request { url: self.url.clone(), headers, body, reach: self.reach }
    }

    fn shown(&self) -> String {
        fetch::shown(&self.url)
    }

    fn warnings(&self) -> Vec<String> {
        let unsigned = "has no `secret`: its messages are unsigned, so the receiver cannot tell them from forged ones";
        self.keys.is_empty().then(|| unsigned.to_owned()).into_iter().collect()
    }
}

impl Webhook {
    fn signatures(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let signed: Vec<String> = self.keys.iter().map(|key| signature(key.expose_secret(), id, seconds, body)).collect();
        signed.join(" ")
    }
}

/// `v1,<base64 HMAC-SHA256 of "id.timestamp.body">`
fn signature(key: &[u8], id: &str, seconds: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// What is around the facts of the alerts.
pub(super) struct Envelope<'a> {
    pub event: Event,
    pub timestamp: String,
    pub receiver: &'a str,
    pub group: &'a [(String, String)],
    pub delayed_seconds: u64,
    pub alerts: Vec<&'a Value>,
}

pub(super) fn envelope(of: &Envelope<'_>) -> Vec<u8> {
    let group: serde_json::Map<String, Value> = of.group.iter().map(|(label, value)| (label.clone(), json!(value))).collect();
    let body = json!({
        "type": of.event.as_str(),
        "timestamp": of.timestamp,
        "data": {
            "receiver": of.receiver,
            "group": group,
            "delayed_seconds": of.delayed_seconds,
            "alerts": of.alerts,
        },
    });
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
