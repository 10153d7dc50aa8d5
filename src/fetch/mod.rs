//! The one HTTP client for webhooks, feeds and APIs (probes have a connector of their own, which measures phases).
//!
//! Invariants: one deadline for the whole exchange; a limit on what is read; a POST never follows a redirect; no proxy is
//! taken from the environment; what a name resolves to is judged before we connect; no error shows more of a URL than
//! its host. Every POST has its own connection: an idle one may be half dead, and would make the first alert after
//! a quiet night time out. A GET may take one that was used within the last 30 s: whoever reads pages reads them again,
//! and a read that fails is repeated.
//!
//! What an answer means, and whether to try again, is left to whoever asked.

mod get;
mod guard;
pub mod resolve;
mod retry_after;
mod trust;
pub mod unpack;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use url::Url;

use self::resolve::{Resolver, Unresolved, UnresolvedKind};
use crate::clock;

pub use get::{Ask, Got, Validators};
pub use guard::Reach;
pub use retry_after::{RETRY_AFTER_MAX, retry_after};
pub use trust::{client_config, install_provider, platform_roots, provider};

/// A request as it goes out, by POST. Not `Debug`: the URL may be the secret.
pub struct Outgoing {
    pub url: Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub reach: Reach,
}

/// What came back. The status decides; the body is there to be shown, or for a channel whose service hides errors in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// As much of the body as came in time and within the limit.
    pub body_start: Vec<u8>,
}

/// No answer.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchError {
    pub kind: FetchErrorKind,
    /// What was tried and why it failed, without secrets.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchErrorKind {
    Timeout,
    Network,
    Tls,
    /// The name leads to an address that it must not lead to.
    AddressRefused,
    /// A body that is too large or damaged.
    Unusable,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for FetchError {}

/// How long an exchange may last and how much of its answer is read.
#[derive(Clone, Copy, Debug)]
struct Limits {
    exchange_within: Duration,
    /// Of `exchange_within`, how much the body may take once the status is known: it decides nothing, so nobody waits long for it.
    body_within: Duration,
    body_bytes_max: usize,
}

const LIMITS: Limits = Limits { exchange_within: Duration::from_secs(15), body_within: Duration::from_secs(5), body_bytes_max: 64 * 1024 };

/// Cheap to clone; all clones share one TLS configuration.
#[derive(Clone)]
pub struct Fetch {
    /// One client for each [`Reach`], in the order of [`Reach::ALL`]: a client has one resolver.
    clients: [reqwest::Client; Reach::ALL.len()],
    /// The same for GET.
    readers: [reqwest::Client; Reach::ALL.len()],
    limits: Limits,
}

/// Connections to one host that wait for the next GET, and for how long.
const KEPT_PER_HOST: usize = 4;
const KEPT_FOR: Duration = Duration::from_secs(30);

impl Fetch {
    /// `user_agent` is sent with every request; what cannot stand in a header is left out of it.
    pub fn new(user_agent: &str) -> Fetch {
        install_provider();
        let tls = client_config();
        let agent: String = user_agent.chars().filter(|c| matches!(c, ' '..='~')).collect();
        let clients = |kept_per_host| Reach::ALL.map(|reach| client(&agent, reach, tls.clone(), kept_per_host));
        Fetch { clients: clients(0), readers: clients(KEPT_PER_HOST), limits: LIMITS }
    }

    /// POSTs and waits for the answer. Whatever status it has is an answer; only its absence is an error.
    pub async fn send(&self, request: Outgoing) -> Result<Answer, FetchError> {
        let began = clock::instant();
        let shown = shown(&request.url);
        let client = &self.clients[request.reach as usize];
        let prepared =
            client.post(request.url).headers(headers(&request.headers).map_err(|name| unsendable(&shown, name))?).body(request.body);
        let response = match tokio::time::timeout(self.limits.exchange_within, prepared.send()).await {
            Ok(sent) => sent.map_err(|error| explain(&shown, error))?,
            Err(_) => return Err(late(&shown, self.limits.exchange_within)),
        };
        let left = self.limits.exchange_within.saturating_sub(began.elapsed());
        Ok(self.read(response, left.min(self.limits.body_within)).await)
    }

    async fn read(&self, mut response: reqwest::Response, within: Duration) -> Answer {
        let mut answer =
            Answer { status: response.status().as_u16(), retry_after: asked_to_wait(response.headers()), body_start: Vec::new() };
        let body = read_start(&mut response, &mut answer.body_start, self.limits.body_bytes_max);
        // The status has been given: a body that fails or dawdles changes nothing.
        let _ = tokio::time::timeout(within, body).await;
        answer
    }
}

/// `vendord/0.1.0 (sre@example.org)`: so that whoever is asked knows whom to write to.
pub fn user_agent(contact: &str) -> String {
    let version = concat!("vendord/", env!("CARGO_PKG_VERSION"));
    // What cannot stand in a header is left out.
    let contact: String = contact.chars().filter(|c| matches!(c, ' '..='~')).collect();
    if contact.is_empty() { version.to_owned() } else { format!("{version} ({contact})") }
}

#[expect(clippy::disallowed_methods, reason = "this is the place")]
fn client(user_agent: &str, reach: Reach, tls: rustls::ClientConfig, kept_per_host: usize) -> reqwest::Client {
    reqwest::Client::builder()
        .user_agent(user_agent)
        .tls_backend_preconfigured(tls)
        .dns_resolver(guard::Guard { reach, resolver: Resolver::of_this_system() })
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .pool_max_idle_per_host(kept_per_host)
        .pool_idle_timeout(KEPT_FOR)
        .build()
        .expect("a client of constant settings, with a user agent of printable characters, can be built")
}

fn headers(pairs: &[(&'static str, String)]) -> Result<HeaderMap, &'static str> {
    pairs
        .iter()
        .map(|&(name, ref value)| {
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| name)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| name)?;
            value.set_sensitive(true);
            Ok((key, value))
        })
        .collect()
}

fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, clock::now())
}

async fn read_start(response: &mut reqwest::Response, into: &mut Vec<u8>, bytes_max: usize) {
    while into.len() < bytes_max {
        let Ok(Some(chunk)) = response.chunk().await else {
            return;
        };
        let room = bytes_max - into.len();
        into.extend_from_slice(&chunk[..chunk.len().min(room)]);
    }
}

/// A URL without what may be secret in it: `https://hooks.example/…`.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("…");
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let more = url.path() != "/" || url.query().is_some();
    let rest = if more { "…" } else { "" };
    format!("{}://{host}{port}/{rest}", url.scheme())
}

fn unsendable(shown: &str, header: &str) -> FetchError {
    FetchError {
        kind: FetchErrorKind::Network,
        message: format!("cannot send to {shown}: the value of header `{header}` has characters that no header may have"),
    }
}

fn late(shown: &str, within: Duration) -> FetchError {
    FetchError { kind: FetchErrorKind::Timeout, message: format!("no answer from {shown} within {} s", within.as_secs_f64()) }
}

fn explain(shown: &str, error: reqwest::Error) -> FetchError {
    let error = error.without_url();
    let (kind, cause) = deepest(&error);
    FetchError { kind, message: format!("cannot reach {shown}: {cause}") }
}

/// The last cause of the chain says most; a cause of ours or of TLS on the way decides what kind it is.
fn deepest(error: &(dyn Error + 'static)) -> (FetchErrorKind, String) {
    let mut kind = FetchErrorKind::Network;
    let mut at = error;
    loop {
        if at.is::<guard::Refused>() {
            return (FetchErrorKind::AddressRefused, at.to_string());
        }
        if at.is::<rustls::Error>() {
            return (FetchErrorKind::Tls, at.to_string());
        }
        if let Some(unresolved) = at.downcast_ref::<Unresolved>() {
            let silent = unresolved.kind == UnresolvedKind::Silent;
            return (if silent { FetchErrorKind::Timeout } else { FetchErrorKind::Network }, unresolved.to_string());
        }
        let io = at.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut) {
            kind = FetchErrorKind::Timeout;
        }
        // An io::Error answers `source` with the source of what it wraps, and skips what it wraps.
        let wrapped = io.and_then(|io| io.get_ref()).map(|e| e as &(dyn Error + 'static));
        match wrapped.or_else(|| at.source()) {
            Some(next) => at = next,
            None => return (kind, at.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
