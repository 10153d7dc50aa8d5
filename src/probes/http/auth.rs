//! Who we are to the vendor: the key `auth`.
//!
//! - `basic` and `bearer` are headers of the request. They stay with its origin when a redirect leaves it.
//! - `oauth2` gets a token by client credentials (RFC 6749 4.4) and keeps it until shortly before it ends; checks with the
//!   same terms share it. Getting it is not part of what is measured.
//! - `mtls` is a matter of the handshake (`dial::trust`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use url::Url;

use super::client::{Answer, Client};
use super::request::Request;
use crate::clock;
use crate::model::{Fault, Key, Reason, Secret, Settings, Shape, Value};
use crate::probes::failure::{Deadline, Failure, Trace, clean};
use crate::probes::redact::Secrets;

pub(super) const AUTH: &[Key] = &[
    Key::new("basic", Shape::Table(BASIC), "", "HTTP Basic: { username = \"..\", password = { file = \"..\" } }"),
    Key::new("bearer", Shape::Secret, "", "a bearer token: { env = \"ACME_TOKEN\" }"),
    Key::new("oauth2", Shape::Table(OAUTH2), "", "a bearer token by OAuth2 client credentials, got anew before it ends"),
    crate::probes::dial::MTLS,
];

const BASIC: &[Key] =
    &[Key::required("username", Shape::Text, "the name of the account"), Key::required("password", Shape::Secret, "its password")];

const OAUTH2: &[Key] = &[
    Key::required("token_url", Shape::Text, "the token endpoint: `https://auth.vendor.example/oauth2/token`"),
    Key::required("client_id", Shape::Text, "who we are"),
    Key::required("client_secret", Shape::Secret, "what proves it"),
    Key::new("scopes", Shape::TextList, "[]", "what the token should be good for"),
    Key::new("audience", Shape::Text, "", "for whom it should be good, where the vendor asks for that"),
];

/// The value of `Authorization` that does not change.
pub(super) fn static_credentials(settings: &Settings, secrets: &mut Secrets) -> Result<Option<HeaderValue>, Fault> {
    let Some(auth) = settings.table("auth") else { return Ok(None) };
    let given: Vec<&str> = ["basic", "bearer", "oauth2"].into_iter().filter(|name| auth.0.contains_key(name)).collect();
    if let [first, second, ..] = given[..] {
        let fault = Fault::new("auth", format!("has both {first} and {second}"));
        return Err(fault.hint("a request has one Authorization: write one of them"));
    }
    if given.is_empty() && auth.table("mtls").is_none() {
        let fault = Fault::new("auth", "is empty");
        return Err(fault.hint("write for example auth = { bearer = { env = \"ACME_TOKEN\" } }"));
    }
    if let Some(basic) = auth.table("basic") {
        let (name, password) =
            (basic.text("username").unwrap_or_default(), basic.secret("password").map(Secret::expose).unwrap_or_default());
        if name.contains(':') {
            // RFC 7617 2: the first colon ends the name.
            return Err(Fault::new("auth", format!("the user name {name:?} has a colon, which Basic cannot carry")));
        }
        secrets.add(password);
        let pair = STANDARD.encode(format!("{name}:{password}"));
        secrets.add(&pair);
        return sensitive(&format!("Basic {pair}")).map(Some);
    }
    if let Some(token) = auth.secret("bearer") {
        secrets.add(token.expose());
        return sensitive(&format!("Bearer {}", token.expose())).map(Some);
    }
    if let Some(secret) = auth.table("oauth2").and_then(|oauth2| oauth2.secret("client_secret")) {
        secrets.add(secret.expose());
    }
    Ok(None)
}

fn sensitive(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Fault::new("auth", "has a secret that cannot be sent")
            .hint("a token is one line of visible ASCII; is there a line break at the end of its file?")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Tokens of all checks, by what they were asked with. Lives as long as the workshop.
#[derive(Default)]
pub(in crate::probes) struct Tokens(Mutex<HashMap<Vec<u8>, Arc<Slot>>>);

/// One token, and who may get it.
#[derive(Default)]
struct Slot {
    /// Held while one is got, so that a hundred checks ask once.
    kept: tokio::sync::Mutex<Option<Token>>,
}

struct Token {
    value: HeaderValue,
    secrets: Arc<Secrets>,
    until: Instant,
}

/// How a check gets its token.
pub(super) struct OAuth2 {
    client: Client,
    request: Request,
    slot: Arc<Slot>,
}

/// Without `expires_in` (RFC 6749 5.1 recommends it) it is got again this often.
const KEPT_FOR_DEFAULT: Duration = Duration::from_secs(300);

/// Of its life, how much a token is used: what ends while a request is under way would look like the vendor's fault.
const USED_OF_LIFE: f64 = 0.9;

const TOKEN_BYTES_MAX: usize = 64 << 10;

impl OAuth2 {
    /// `None`: the check has none. `client` speaks as the check does, so that proxy and trust hold here too.
    pub fn of(
        settings: &Settings,
        user_agent: &str,
        tokens: &Tokens,
        client: impl FnOnce(usize) -> Client,
    ) -> Result<Option<Self>, Vec<Fault>> {
        let Some(oauth2) = settings.table("auth").and_then(|auth| auth.table("oauth2")) else { return Ok(None) };
        let text = |key: &str| oauth2.text(key).unwrap_or_default();
        let (id, secret) = (text("client_id"), oauth2.secret("client_secret").map(Secret::expose).unwrap_or_default());
        let fault =
            |message: &str| vec![Fault::new("auth", message).hint("write token_url = \"https://auth.vendor.example/oauth2/token\"")];
        let url = Url::parse(text("token_url")).map_err(|error| fault(&format!("oauth2: token_url is not a URL: {error}")))?;
        let own =
            url.host_str().is_some_and(|host| host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('['));
        if url.scheme() != "https" && !own {
            return Err(fault("oauth2: a secret goes over https only"));
        }
        let scopes = oauth2.texts("scopes").unwrap_or_default().join(" ");
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", scopes.as_str()), ("audience", text("audience"))] {
            if !value.is_empty() {
                form.append_pair(name, value);
            }
        }
        let body = form.finish();
        // RFC 6749 2.3.1: both parts are form-encoded before they become Basic.
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret)));
        let headers = [
            ("Authorization".to_owned(), Secret::new(format!("Basic {pair}"))),
            ("Content-Type".to_owned(), Secret::new("application/x-www-form-urlencoded".to_owned())),
            ("Accept".to_owned(), Secret::new("application/json".to_owned())),
        ];
        let asked = Settings(
            [
                ("url", Value::Text(url.to_string())),
                ("method", Value::Text("POST".to_owned())),
                ("headers", Value::SecretMap(headers.into())),
                ("body", Value::Text(body.clone())),
            ]
            .into(),
        );
        let request = Request::of(&asked, user_agent).map_err(|_| fault("oauth2: the token cannot be asked for like this"))?;
        let terms = [url.as_str().as_bytes(), b"\0", pair.as_bytes(), b"\0", body.as_bytes()].concat();
        let mut all = tokens.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, slot| Arc::strong_count(slot) > 1);
        Ok(Some(OAuth2 { client: client(TOKEN_BYTES_MAX), request, slot: all.entry(terms).or_default().clone() }))
    }

    /// The value for `Authorization`. What the token server said when there is none is in the trace.
    pub async fn authorization(&self, deadline: Deadline, trace: &mut Trace) -> Result<HeaderValue, Failure> {
        let what = || "another check still waits for the token server, no token".to_owned();
        let mut kept = deadline.bound(self.slot.kept.lock(), Reason::TimeoutHeaders, what).await?;
        if let Some(token) = kept.as_ref().filter(|token| token.until > clock::instant()) {
            trace.hide(&token.secrets);
            return Ok(token.value.clone());
        }
        *kept = None;
        trace.hide(&self.request.secrets);
        let mut asked = Trace::default();
        let answer = self.client.ask(&self.request, true, deadline, &mut asked).await;
        let got = answer.and_then(|answer| token(&answer));
        match got {
            Ok(token) => {
                trace.hide(&token.secrets);
                let value = token.value.clone();
                *kept = Some(token);
                Ok(value)
            }
            Err(failure) => {
                // Nothing else was done in this run, so what was seen of the token server is what there is to see.
                trace.take_over(asked);
                Err(Failure::new(failure.reason, format!("no token: {}", failure.message)))
            }
        }
    }

    /// The vendor refused it: whoever comes next gets a new one.
    pub async fn refused(&self) {
        *self.slot.kept.lock().await = None;
    }
}

fn token(answer: &Answer) -> Result<Token, Failure> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        token_type: Option<String>,
        expires_in: Option<f64>,
    }
    #[derive(Default, Deserialize)]
    struct Refused {
        error: Option<String>,
    }
    if answer.status != 200 {
        let said: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
        let said = said.error.map(|error| format!(": {}", clean(&error, 100))).unwrap_or_default();
        let reason = match answer.status {
            400 | 401 | 403 => Reason::AuthRejected,
            429 => Reason::RateLimited,
            _ => Reason::HttpStatus,
        };
        return Err(Failure::new(reason, format!("the token server answered {}{said}", answer.status)));
    }
    let granted: Granted = serde_json::from_slice(&answer.body)
        .map_err(|_| Failure::new(Reason::Protocol, "the token server's answer has no access_token"))?;
    if granted.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(Failure::new(Reason::Protocol, "the token server gives tokens that are not bearer tokens"));
    }
    let value = sensitive(&format!("Bearer {}", granted.access_token))
        .map_err(|_| Failure::new(Reason::Protocol, "the token server's token cannot be sent"))?;
    let life = granted
        .expires_in
        .filter(|life| life.is_finite() && *life > 0.0)
        .map_or(KEPT_FOR_DEFAULT, |seconds| Duration::from_secs_f64(seconds.min(86_400.0)));
    let mut secrets = Secrets::default();
    secrets.add(&granted.access_token);
    Ok(Token { value, secrets: Arc::new(secrets), until: clock::instant() + life.mul_f64(USED_OF_LIFE) })
}
