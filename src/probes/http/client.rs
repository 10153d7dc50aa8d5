//! How the requests of one check travel: connections, versions, redirects, caps, credentials. What is asked and what is
//! expected of the answer is left to the kinds that use it.
//!
//! - Every hop is resolved, checked by the address guard, connected and verified anew. Credentials stay with their origin.
//! - Nothing that a vendor sends is kept beyond its cap.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::COOKIE;
use ::http::response::Parts;

use super::auth::OAuth2;
use super::cookies::Jar;
use super::exchange::Line;
use super::request::{Hop, Request};
use super::{auth, exchange};
use crate::clock;
use crate::model::observation::{self, Evidence};
use crate::model::{Fault, Key, Reason, Settings, Shape};
use crate::probes::Workshop;
use crate::probes::condition::Seen;
use crate::probes::dial::{Dialer, Offer, Target};
use crate::probes::failure::{Deadline, Failure, Trace, evidence};

/// Longer chains are loops or mistakes; browsers give up at 20.
const FOLLOW_MAX: u64 = 20;

const FOLLOW_DEFAULT: u64 = 5;

/// Enough for any health answer; a body is kept in memory while it is judged.
const BODY_BYTES_DEFAULT: u64 = 1 << 20;

/// With 512 probes in flight more than this each would be felt.
pub(super) const BODY_BYTES_LIMIT: u64 = 64 << 20;

/// The keys of whoever asks by HTTP, beside those of the request and of `dial`.
pub(in crate::probes) const KEYS: &[Key] = &[
    Key::new("auth", Shape::Table(auth::AUTH), "", "who we are: { basic = .. }, { bearer = .. }, { oauth2 = .. }, { mtls = .. }"),
    Key::new("redirects", Shape::Flag, "true", "follow redirects; never from https to http"),
    Key::new("follow_max", Shape::Count(0, FOLLOW_MAX), "5", "how many redirects are followed"),
    Key::new(
        "http_version",
        Shape::OneOf(&["auto", "1.1", "2"]),
        "\"auto\"",
        "the version to speak; `auto` takes what the TLS handshake agrees on, and 1.1 without TLS",
    ),
    Key::new(
        "body_bytes_max",
        Shape::Size,
        "\"1MiB\"",
        "how much of the answer is read, decompressed; where somebody looks at the body, more is `body_too_large`",
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Auto,
    Http1,
    Http2,
}

impl Version {
    fn of_word(word: Option<&str>) -> Self {
        match word {
            Some("1.1") => Version::Http1,
            Some("2") => Version::Http2,
            _ => Version::Auto,
        }
    }

    pub const fn offer(self) -> Offer {
        match self {
            Version::Auto => Offer::Any,
            Version::Http1 => Offer::Http1,
            Version::Http2 => Offer::Http2,
        }
    }
}

pub(in crate::probes) struct Client {
    pub(super) dialer: Dialer,
    pub(super) version: Version,
    follow: u64,
    pub(super) body_bytes_max: usize,
    oauth2: Option<Box<OAuth2>>,
    /// With `reuse`: the connection of the run before, and what was seen when it was made.
    pub(super) kept: Option<Mutex<Option<(Line, observation::Hop)>>>,
}

/// What came back in the end.
pub(in crate::probes) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub version: &'static str,
    /// All of it, unpacked, where it was needed; else the first [`Evidence::BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
    pub redirects: u64,
    /// From the first question of the first hop (getting a token is not part of it) to the last byte.
    pub latency: Duration,
    /// The request that was answered.
    pub hop: Arc<Hop>,
    /// The body is whole.
    pub whole: bool,
}

impl Answer {
    /// What conditions are held against.
    pub fn seen<'a>(&'a self, hop: &'a observation::Hop) -> Seen<'a> {
        Seen {
            status: Some(self.status),
            latency: self.latency,
            body: self.whole.then_some(&self.body),
            headers: Some(&self.headers),
            http_version: Some(self.version),
            redirects: Some(self.redirects),
            ..Seen::of(hop, clock::now())
        }
    }

    pub fn evidence(&self) -> Option<Box<Evidence>> {
        evidence(&self.hop.line(self.version), &head(self.version, self.status, &self.headers), &self.body)
    }
}

/// Status line and headers. Cookies are credentials of whoever gets them.
fn head(version: &str, status: u16, headers: &HeaderMap) -> String {
    let mut text = format!("HTTP/{version} {status}");
    for (name, value) in headers {
        let value = if name == ::http::header::SET_COOKIE { "…".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        text += &format!("\n{name}: {value}");
    }
    text
}

impl Client {
    /// From [`KEYS`], `dial::KEYS` and `dial::TLS_KEYS`. Without a target (it was refused) the rest is judged.
    pub fn of(settings: &Settings, target: Option<&Target>, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let dialer = Dialer::of(settings, target, workshop).map_err(|all| faults.extend(all));
        let body_bytes_max = body_bytes_max(settings).map_err(|fault| faults.push(fault));
        let version = Version::of_word(settings.text("http_version"));
        let bare = |dialer: &Dialer, body_bytes_max| Client {
            dialer: dialer.clone(),
            version,
            follow: follow(settings),
            body_bytes_max,
            oauth2: None,
            kept: None,
        };
        let (Ok(dialer), Ok(body_bytes_max)) = (dialer, body_bytes_max) else { return Err(faults) };
        let oauth2 =
            OAuth2::of(settings, &workshop.user_agent, &workshop.tokens, |cap| Client { version: Version::Auto, ..bare(&dialer, cap) })?;
        Ok(Client { oauth2: oauth2.map(Box::new), kept: settings.on("reuse").then(Mutex::default), ..bare(&dialer, body_bytes_max) })
    }

    /// Whose permits a run needs.
    pub fn host(&self, target: &Target) -> String {
        self.dialer.host(target)
    }

    /// Asks, follows redirects and reads the body: all of it if it is needed, else what serves as evidence.
    /// Evidence of what failed on the way is left in the trace.
    pub async fn ask(&self, request: &Request, need_body: bool, deadline: Deadline, trace: &mut Trace) -> Result<Answer, Failure> {
        self.ask_with(None, request, need_body, deadline, trace).await
    }

    /// As [`Client::ask`], with the cookies of a run; those of redirects count too. A `Cookie` that the check writes is sent instead of them.
    pub async fn ask_with(
        &self,
        jar: Option<&mut Jar>,
        request: &Request,
        need_body: bool,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<Answer, Failure> {
        trace.hide(&request.secrets);
        trace.hide(&self.dialer.secrets);
        let (authorization, deadline) = match &self.oauth2 {
            Some(oauth2) => (Some(Box::pin(oauth2.authorization(deadline, trace)).await?), deadline.restarted()),
            None => (None, deadline),
        };
        let hop = request.first_hop(authorization);
        let answer = self.follow(jar, request, hop, need_body, deadline, trace).await?;
        if let (401, Some(oauth2)) = (answer.status, &self.oauth2) {
            oauth2.refused().await;
        }
        Ok(answer)
    }

    async fn follow(
        &self,
        mut jar: Option<&mut Jar>,
        request: &Request,
        mut hop: Arc<Hop>,
        need_body: bool,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<Answer, Failure> {
        let mut redirects = 0;
        let writes_cookies = hop.sends(COOKIE);
        loop {
            trace.begin(hop.origin.clone());
            if let Some(jar) = jar.as_ref().filter(|_| !writes_cookies) {
                Arc::make_mut(&mut hop).fill_in(|url, headers| jar.fill(url, headers));
            }
            let asked = self.send(&hop, deadline, trace).await;
            let (head, rest) = asked.inspect_err(|_| trace.detail.evidence = evidence(&hop.line("1.1"), "", &[]))?;
            trace.hop.http_status = Some(head.status.as_u16());
            trace.hop.http_version = Some(exchange::version_word(head.version));
            if let Some(jar) = &mut jar {
                jar.keep(&hop.url, &head.headers, clock::now());
            }
            if let Some(next) = self.next(request, &hop, &head, redirects).inspect_err(|_| trace.detail.evidence = told(&hop, &head))? {
                hop = Arc::new(next);
                redirects += 1;
                continue;
            }
            let read = self.read(&hop, &head, rest, need_body, deadline, trace).await;
            let body = read.inspect_err(|_| trace.detail.evidence = told(&hop, &head))?;
            return Ok(Answer {
                status: head.status.as_u16(),
                version: exchange::version_word(head.version),
                headers: head.headers,
                body,
                redirects,
                latency: deadline.started.elapsed(),
                hop,
                whole: need_body,
            });
        }
    }

    fn next(&self, request: &Request, hop: &Hop, head: &Parts, redirects: u64) -> Result<Option<Hop>, Failure> {
        if self.follow == 0 {
            return Ok(None);
        }
        let next = request.next_hop(hop, head.status, &head.headers)?;
        match next {
            Some(next) if redirects >= self.follow => {
                let message = format!("more than {} redirects, the last to {}", self.follow, next.shown());
                Err(Failure::new(Reason::RedirectLimit, message))
            }
            next => Ok(next),
        }
    }
}

fn told(hop: &Hop, parts: &Parts) -> Option<Box<Evidence>> {
    let version = exchange::version_word(parts.version);
    evidence(&hop.line(version), &head(version, parts.status.as_u16(), &parts.headers), &[])
}

fn follow(settings: &Settings) -> u64 {
    if settings.flag("redirects") == Some(&false) { 0 } else { settings.count("follow_max").copied().unwrap_or(FOLLOW_DEFAULT) }
}

fn body_bytes_max(settings: &Settings) -> Result<usize, Fault> {
    let bytes = settings.size("body_bytes_max").copied().unwrap_or(BODY_BYTES_DEFAULT);
    if bytes > BODY_BYTES_LIMIT {
        let fault = Fault::new("body_bytes_max", "a body is kept in memory while it is judged");
        return Err(fault.hint("write at most \"64MiB\""));
    }
    Ok(bytes as usize)
}
