//! What is sent, and where redirects lead. Pure.
//!
//! Only headers that say nothing about us ([`HARMLESS`]) go along when a redirect leaves the origin: a list of secret
//! names would miss the one that a vendor invented.

use std::sync::Arc;

use ::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION, PRAGMA, USER_AGENT,
};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;
use url::{Host, Position, Url};

use super::auth;
use crate::model::{Fault, Reason, Secret, Settings};
use crate::probes::dial::Target;
use crate::probes::failure::Failure;
use crate::probes::redact::Secrets;

const HARMLESS: [HeaderName; 7] = [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, USER_AGENT];

/// Set by the connection itself; a second opinion breaks the framing (RFC 9110 7.6.1, RFC 9112 6).
const FRAMING: [&str; 7] = ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Parts of the names of headers that carry credentials.
const CREDENTIALS: [&str; 8] = ["auth", "cookie", "token", "key", "secret", "session", "password", "signature"];

/// The request as configured.
#[derive(Clone)]
pub(in crate::probes) struct Request {
    first: Arc<Hop>,
    pub sends_credentials: bool,
    /// The body is for the origin of the url alone: a redirect that would repeat it elsewhere is not followed.
    pub keeps_body_home: bool,
    pub secrets: Arc<Secrets>,
}

/// One request of a chain of redirects.
#[derive(Clone, Debug)]
pub(in crate::probes) struct Hop {
    pub url: Url,
    /// Without path and query, which may be secret.
    pub origin: Arc<str>,
    pub target: Target,
    pub method: Method,
    /// Without `Host`.
    headers: HeaderMap,
    pub body: Bytes,
    /// As it is sent over HTTP/1.1.
    path: Uri,
    host: HeaderValue,
    /// Headers for this hop alone.
    own: Option<Box<HeaderMap>>,
}

impl Request {
    /// From `url method headers body` and, of `auth`, `basic` and `bearer`.
    pub fn of(settings: &Settings, user_agent: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let url = url_of(settings).map_err(|fault| faults.push(fault));
        let method = method_of(settings).map_err(|fault| faults.push(fault));
        let mut headers = HeaderMap::new();
        let mut secrets = Secrets::default();
        for (name, value) in settings.secret_map("headers").into_iter().flatten() {
            match header(name, value) {
                Ok((name, sent)) => {
                    if sent.is_sensitive() {
                        secrets.add(value.expose());
                    }
                    headers.append(name, sent);
                }
                Err(fault) => faults.push(fault),
            }
        }
        match auth::static_credentials(settings, &mut secrets) {
            Ok(None) => {}
            Ok(Some(_)) if headers.contains_key(AUTHORIZATION) => {
                let fault = Fault::new("auth", "headers have Authorization already");
                faults.push(fault.hint("write one of them"));
            }
            Ok(Some(value)) => drop(headers.insert(AUTHORIZATION, value)),
            Err(fault) => faults.push(fault),
        }
        let (Ok((url, path)), Ok(method), true) = (url, method, faults.is_empty()) else {
            return Err(faults);
        };
        url.query_pairs().filter(|(name, _)| is_secret_parameter(name)).for_each(|(_, value)| secrets.add(&value));
        let sends_credentials = headers.values().any(HeaderValue::is_sensitive) || settings.table("auth").is_some();
        for (name, value) in [(ACCEPT, "*/*"), (ACCEPT_ENCODING, "gzip")] {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if let Ok(value) = HeaderValue::from_str(user_agent) {
            headers.entry(USER_AGENT).or_insert(value);
        }
        let target = target(&url, true).expect("url_of has checked that there is a host");
        let body = settings.text("body").map(|t| t.to_owned().into()).unwrap_or_default();
        let first = Arc::new(Hop::new(url, path, target, method, &headers, body));
        Ok(Request { first, sends_credentials, keeps_body_home: false, secrets: Arc::new(secrets) })
    }

    pub fn target(&self) -> &Target {
        &self.first.target
    }

    /// The same, to a place that the check does not name: the guard judges it like a redirect's.
    pub fn found(mut self) -> Self {
        Arc::make_mut(&mut self.first).target.configured = false;
        self
    }

    /// The same with another body, for those who make it anew for every run.
    pub fn with_body(&self, body: impl Into<Bytes>) -> Self {
        let first = Arc::new(Hop { body: body.into(), ..Hop::clone(&self.first) });
        Request { first, ..self.clone() }
    }

    /// `authorization` is what was got for this run.
    pub fn first_hop(&self, authorization: Option<HeaderValue>) -> Arc<Hop> {
        let Some(authorization) = authorization else { return self.first.clone() };
        let Hop { url, path, target, method, headers, body, .. } = &*self.first;
        let mut headers = headers.clone();
        headers.insert(AUTHORIZATION, authorization);
        Arc::new(Hop::new(url.clone(), path.clone(), target.clone(), method.clone(), &headers, body.clone()))
    }

    /// Where an answer sends us, if it does.
    pub fn next_hop(&self, hop: &Hop, status: StatusCode, headers: &HeaderMap) -> Result<Option<Hop>, Failure> {
        let Some(location) = headers.get(LOCATION).filter(|_| is_redirect(status)) else {
            return Ok(None);
        };
        let url = joined(&hop.url, location)?;
        if hop.url.scheme() == "https" && url.scheme() != "https" {
            let message = format!("a redirect from https to {}", origin(&url));
            return Err(Failure::new(Reason::RedirectLimit, message));
        }
        let mut target = target(&url, false).ok_or_else(|| not_followed(location))?;
        let first = self.target();
        target.configured = first.configured && (&target.host, target.port) == (&first.host, first.port);
        let (method, body) = carried(hop, status);
        let mut headers = hop.headers.clone();
        if !is_same_origin(&hop.url, &url) {
            headers = harmless(headers);
            if self.keeps_body_home && !body.is_empty() {
                let message = format!("a redirect that would send the body to {}", origin(&url));
                return Err(Failure::new(Reason::RedirectLimit, message));
            }
        }
        let path = path_of(&url).map_err(|_| not_followed(location))?;
        Ok(Some(Hop::new(url, path, target, method, &headers, body)))
    }
}

/// As of [`Hop::path`].
fn path_of(url: &Url) -> Result<Uri, ::http::uri::InvalidUri> {
    Uri::try_from(&url[Position::BeforePath..Position::AfterQuery])
}

impl Hop {
    fn new(url: Url, path: Uri, target: Target, method: Method, headers: &HeaderMap, body: Bytes) -> Self {
        let from_url = || HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
        // What the check wrote as `Host` goes first.
        let written = headers.get(HOST).cloned();
        let host = written.unwrap_or_else(|| from_url().expect("the url crate leaves a host in plain ASCII"));
        // A copy has no room to grow: it is kept for as long as the check.
        Hop { origin: origin(&url).into(), url, target, method, headers: headers.clone(), body, path, host, own: None }
    }

    pub fn sends(&self, name: HeaderName) -> bool {
        self.headers.contains_key(name)
    }

    /// Headers for this hop alone: those of the next one begin without them.
    pub fn fill_in(&mut self, fill: impl FnOnce(&Url, &mut HeaderMap)) {
        fill(&self.url, self.own.get_or_insert_default());
    }

    /// The request as it goes out over HTTP/1.1, to the target or to a proxy (RFC 9112 3.2), or over HTTP/2.
    pub fn request(&self, http2: bool, proxied: bool) -> Result<::http::Request<Full<Bytes>>, Failure> {
        let mut request = ::http::Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = if http2 || proxied { self.whole_uri(http2)? } else { self.path.clone() };
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.extend(self.own.iter().flat_map(|own| (**own).clone()));
        if http2 {
            // It travels as `:authority` there (RFC 9113 8.3.1).
            headers.remove(HOST);
            *request.version_mut() = ::http::Version::HTTP_2;
        } else {
            headers.insert(HOST, self.host.clone());
        }
        Ok(request)
    }

    /// With scheme and authority: what the check wrote as `Host`, over HTTP/2; what the URL says, for a proxy.
    fn whole_uri(&self, http2: bool) -> Result<Uri, Failure> {
        let path = &self.url[Position::BeforePath..Position::AfterQuery];
        let uri = if http2 {
            Uri::builder().scheme(self.url.scheme()).authority(self.host.as_bytes()).path_and_query(path).build()
        } else {
            Uri::try_from(&self.url[..Position::AfterQuery]).map_err(Into::into)
        };
        uri.map_err(|error| {
            let message = format!("{} has a path that cannot be sent: {error}", self.shown());
            Failure::new(Reason::Protocol, message)
        })
    }

    /// Without path and query, which may be secret.
    pub fn shown(&self) -> &str {
        &self.origin
    }

    /// `GET /path?token=… HTTP/1.1`: what was asked, without what may be secret in it.
    pub fn line(&self, version: &str) -> String {
        let path = &self.url[Position::BeforePath..Position::AfterPath];
        let query: Vec<String> = self
            .url
            .query_pairs()
            .map(|(name, value)| if is_secret_parameter(&name) { format!("{name}=…") } else { format!("{name}={value}") })
            .collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {path}{mark}{} HTTP/{version} ({})", self.method, query.join("&"), self.origin)
    }
}

/// By its name, as with headers.
fn is_secret_parameter(name: &str) -> bool {
    CREDENTIALS.iter().any(|part| name.to_ascii_lowercase().contains(part))
}

pub(in crate::probes) fn origin(url: &Url) -> String {
    url[..Position::AfterPort].to_owned()
}

/// With the path as it is sent.
fn url_of(settings: &Settings) -> Result<(Url, Uri), Fault> {
    const EXAMPLE: &str = "write for example \"https://api.vendor.example/health\"";
    let text = settings.text("url").unwrap_or_default();
    // No text in the messages: the query may hold a secret.
    let mut url = Url::parse(text).map_err(|error| Fault::new("url", format!("not a URL: {error}")).hint(EXAMPLE))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(Fault::new("url", "kind http asks http:// and https:// URLs").hint(EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(user_info_fault(text));
    }
    if url.port() == Some(0) {
        return Err(Fault::new("url", "port 0 cannot be connected to").hint(EXAMPLE));
    }
    url.set_fragment(None);
    let path = path_of(&url).map_err(|error| Fault::new("url", format!("its path cannot be sent: {error}")).hint(EXAMPLE))?;
    Ok((url, path))
}

pub(in crate::probes) fn user_info_fault(text: &str) -> Fault {
    let fault = Fault::new("url", "a URL is no place for a user name or password")
        .hint("send a header instead: headers = { Authorization = { file = \"..\" } }");
    match (text.find("://"), text.find('@')) {
        (Some(scheme), Some(end)) if scheme + 3 < end => fault.at(scheme + 3..end),
        _ => fault,
    }
}

fn method_of(settings: &Settings) -> Result<Method, Fault> {
    let text = settings.text("method").unwrap_or("GET");
    let upper = text.to_ascii_uppercase();
    if text != upper {
        let fault = Fault::new("method", format!("methods are in capital letters: {text:?}"));
        return Err(fault.hint(format!("write \"{upper}\"")));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => {
            let fault = Fault::new("method", format!("{text:?} is not a method to ask with"));
            Err(fault.hint("write \"GET\", \"HEAD\" or \"POST\""))
        }
        Ok(method) => Ok(method),
    }
}

pub(in crate::probes) fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), Fault> {
    let fault = |message: String| Fault::new("headers", message);
    let parsed = HeaderName::try_from(name).map_err(|_| fault(format!("{name:?} is not the name of a header")))?;
    if FRAMING.contains(&parsed.as_str()) {
        let fault = fault(format!("{name} is set by the connection itself"));
        return Err(fault.hint("leave it out"));
    }
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| {
        fault(format!("the value of {name} cannot be sent"))
            .hint("a header value is one line of visible ASCII; is there a line break at the end of a secret file?")
    })?;
    value.set_sensitive(is_credential(&parsed));
    Ok((parsed, value))
}

/// By the name: the settings do not tell which value came from a secret reference.
fn is_credential(name: &HeaderName) -> bool {
    CREDENTIALS.iter().any(|part| name.as_str().contains(part))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

pub(in crate::probes) fn target(url: &Url, configured: bool) -> Option<Target> {
    let host = match url.host()? {
        Host::Domain(name) => Host::Domain(name.to_owned()),
        Host::Ipv4(ip) => Host::Ipv4(ip),
        Host::Ipv6(ip) => Host::Ipv6(ip),
    };
    let port = url.port_or_known_default()?;
    Some(Target { host, port, configured })
}

/// User information in a redirect is dropped: it is not ours to send.
fn joined(base: &Url, location: &HeaderValue) -> Result<Url, Failure> {
    let text = std::str::from_utf8(location.as_bytes()).map_err(|_| not_followed(location))?;
    let mut url = base.join(text).map_err(|_| not_followed(location))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(not_followed(location));
    }
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    cleared.map_err(|()| not_followed(location))?;
    url.set_fragment(None);
    Ok(url)
}

fn not_followed(location: &HeaderValue) -> Failure {
    let text = String::from_utf8_lossy(location.as_bytes());
    let place = text.split(['?', '#']).next().unwrap_or_default();
    Failure::new(Reason::RedirectLimit, format!("a redirect that cannot be followed: {place}"))
}

/// Method and body after a redirect (RFC 9110 15.4): only 307 and 308 repeat the request.
fn carried(hop: &Hop, status: StatusCode) -> (Method, Bytes) {
    let keeps = matches!(status.as_u16(), 307 | 308) || matches!(hop.method, Method::GET | Method::HEAD);
    if keeps { (hop.method.clone(), hop.body.clone()) } else { (Method::GET, Bytes::new()) }
}

/// Same host, and same port but for the step from http to https.
fn is_same_origin(from: &Url, to: &Url) -> bool {
    let ports = (from.port_or_known_default(), to.port_or_known_default());
    from.host() == to.host() && (ports.0 == ports.1 || ports == (Some(80), Some(443)))
}

fn harmless(headers: HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::with_capacity(HARMLESS.len());
    for name in HARMLESS {
        if let Some(value) = headers.get(&name) {
            kept.insert(name, value.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Value;

    fn settings(url: &str, headers: &[(&str, &str)]) -> Settings {
        let headers = headers.iter().map(|(name, value)| (name.to_string(), Secret::new(value.to_string()))).collect();
        Settings([("url", Value::Text(url.into())), ("headers", Value::SecretMap(headers))].into())
    }

    #[test]
    fn faults_point_at_what_is_wrong() {
        let fault = |settings: &Settings| Request::of(settings, "").err().unwrap().remove(0);
        for url in ["", "vendor.example", "ftp://vendor.example/", "http://", "https://a:0/", "http://[::1"] {
            let found = fault(&settings(url, &[]));
            assert_eq!(found.key, "url", "{url}");
            assert!(found.hint.is_some());
        }
        let found = fault(&settings("https://me:pw@vendor.example/", &[]));
        assert_eq!(found.at, Some(8..13));
        assert!(!found.message.contains("pw"));
        for (name, value) in [("bad name", "x"), ("Host", "a\nb"), ("Content-Length", "3"), ("X", "ä\n")] {
            assert_eq!(fault(&settings("http://a/", &[(name, value)])).key, "headers", "{name}");
        }
    }

    #[test]
    fn credentials_are_known_by_their_names() {
        for (name, want) in
            [("Authorization", true), ("Cookie", true), ("X-Api-Key", true), ("PRIVATE-TOKEN", true), ("Accept", false), ("X-Trace", false)]
        {
            let request = Request::of(&settings("http://a/", &[(name, "v")]), "").unwrap();
            assert_eq!(request.sends_credentials, want, "{name}");
        }
    }

    fn follow(from: &str, status: u16, location: &str) -> Result<Option<Hop>, Reason> {
        let sent = [("Authorization", "Bearer secret"), ("X-Own", "x"), ("Accept", "text/html")];
        let request = Request::of(&settings(from, &sent), "").unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        let next = request.next_hop(&request.first_hop(None), status, &headers);
        next.map_err(|failure| failure.reason)
    }

    #[test]
    fn redirects_lead_where_they_say() {
        for (from, location, want) in [
            ("http://a/x?q=1", "/y", "http://a/y"),
            ("http://a/x", "//b/y", "http://b/y"),
            ("http://a/x", "https://a/", "https://a/"),
            ("http://a/x", "http://me:pw@b/#top", "http://b/"),
            ("http://a/x", "", "http://a/x"),
        ] {
            let hop = follow(from, 302, location).unwrap().unwrap();
            assert_eq!(hop.url.as_str(), want);
        }
        for (from, location) in [
            ("https://a/", "http://a/"),
            ("http://a/", "file:///etc/passwd"),
            ("http://a/", "http://[bad"),
            ("http://a/", "http://\u{e4}\u{0300}\u{fffd}:x/"),
        ] {
            assert_eq!(follow(from, 302, location).unwrap_err(), Reason::RedirectLimit, "{location}");
        }
        assert!(follow("http://a/", 304, "/x").unwrap().is_none());
    }

    #[test]
    fn s8_credentials_stay_with_their_origin() {
        for (from, location, stays) in [
            ("http://a/", "/y", true),
            ("http://a/", "https://a/", true),
            ("http://a/", "http://b/", false),
            ("http://a/", "http://a:8080/", false),
            ("https://a/", "https://a.b/", false),
        ] {
            let headers = follow(from, 307, location).unwrap().unwrap().headers;
            assert_eq!(headers.contains_key("authorization"), stays, "{location}");
            assert_eq!(headers.contains_key("x-own"), stays, "{location}");
            assert!(headers.contains_key("accept"));
        }
    }

    #[test]
    fn s8_only_the_configured_place_was_meant() {
        for (location, meant) in [("http://127.0.0.1:81/x", true), ("http://127.0.0.1:82/", false), ("http://127.0.0.2:81/", false)] {
            let hop = follow("http://127.0.0.1:81/", 302, location).unwrap().unwrap();
            assert_eq!(hop.target.configured, meant, "{location}");
        }
    }
}
