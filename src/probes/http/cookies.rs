//! Cookies of one run (RFC 6265). Nothing outlives the run; what a site sets for others is not taken.

use ::http::header::{COOKIE, SET_COOKIE};
use ::http::{HeaderMap, HeaderValue};
use jiff::fmt::rfc2822;
use url::{Host, Url};

use crate::model::Timestamp;

/// Of one run; browsers keep 50 a site (RFC 6265 6.1).
const COOKIES_MAX: usize = 50;
/// Of name and value together (RFC 6265 6.1).
const COOKIE_BYTES_MAX: usize = 4096;

/// What was set so far.
#[derive(Debug, Default)]
pub(in crate::probes) struct Jar(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// For this host only, not for those below it.
    host_only: bool,
    path: String,
    secure: bool,
}

impl Jar {
    /// Takes what an answer to `url` sets, and forgets what it takes back.
    pub fn keep(&mut self, url: &Url, headers: &HeaderMap, now: Timestamp) {
        for header in headers.get_all(SET_COOKIE) {
            let Some((cookie, is_over)) = header.to_str().ok().and_then(|text| parse(text, url, now)) else { continue };
            self.0.retain(|known| (&known.name, &known.domain, &known.path) != (&cookie.name, &cookie.domain, &cookie.path));
            if !is_over && self.0.len() < COOKIES_MAX {
                self.0.push(cookie);
            }
        }
    }

    /// `Cookie` of a request to `url`, instead of the one before.
    pub fn fill(&self, url: &Url, headers: &mut HeaderMap) {
        let mut sent: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.is_for(url)).collect();
        // The more exact path first (RFC 6265 5.4).
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let text: Vec<String> = sent.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        headers.remove(COOKIE);
        if let Ok(mut value) = HeaderValue::from_str(&text.join("; "))
            && !text.is_empty()
        {
            value.set_sensitive(true);
            headers.insert(COOKIE, value);
        }
    }

    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|cookie| cookie.value.as_str())
    }
}

impl Cookie {
    fn is_for(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let host_fits = host == self.domain || !self.host_only && is_below(host, &self.domain);
        let path = url.path();
        // RFC 6265 5.1.4.
        let path_fits =
            path == self.path || path.strip_prefix(&self.path).is_some_and(|rest| self.path.ends_with('/') || rest.starts_with('/'));
        host_fits && path_fits && (!self.secure || url.scheme() == "https")
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A cookie (RFC 6265 5.2 and 5.3), and whether it takes one back.
fn parse(text: &str, url: &Url, now: Timestamp) -> Option<(Cookie, bool)> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() || name.len() + value.len() > COOKIE_BYTES_MAX {
        return None;
    }
    let host = url.host_str()?;
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: host.to_owned(),
        host_only: true,
        path: default_path(url),
        secure: false,
    };
    let (mut expires, mut age) = (None, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.trim_start_matches('.').is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                // A top-level domain is nobody's own, and addresses have nothing below them.
                let allowed = domain == host || matches!(url.host()?, Host::Domain(_)) && domain.contains('.') && is_below(host, &domain);
                if !allowed {
                    return None;
                }
                (cookie.domain, cookie.host_only) = (domain, false);
            }
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "secure" => cookie.secure = true,
            "max-age" => age = value.parse::<i64>().ok(),
            "expires" => expires = instant(value),
            _ => {}
        }
    }
    // Max-Age goes before Expires.
    let is_over = age.map_or_else(|| expires.is_some_and(|at| at <= now), |age| age <= 0);
    Some((cookie, is_over))
}

fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

/// `Wed, 21 Oct 2031 07:28:00 GMT`, also with dashes in the date.
fn instant(text: &str) -> Option<Timestamp> {
    static PARSER: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new().relaxed_weekday(true);
    let at = PARSER.parse_timestamp(text.replace('-', " ").as_bytes()).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sent to `to` after `from` has set this.
    fn sent(from: &str, set: &[&str], to: &str) -> String {
        let url = |text: &str| Url::parse(text).unwrap();
        let mut jar = Jar::default();
        for one in set {
            let headers = HeaderMap::from_iter([(SET_COOKIE, one.parse().unwrap())]);
            jar.keep(&url(from), &headers, Timestamp::from_millis(1_900_000_000_000));
        }
        let mut headers = HeaderMap::from_iter([(COOKIE, "old=1".parse().unwrap())]);
        jar.fill(&url(to), &mut headers);
        headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    #[test]
    fn s8_cookies_go_where_they_belong_and_nowhere_else() {
        const A: &str = "https://app.acme.example/in/login";
        for (set, to, want) in [
            (&["s=1"][..], "https://app.acme.example/in/x", "s=1"),
            (&["s=1"], "https://app.acme.example/out", ""),
            (&["s=1"], "https://app.acme.example/inner", ""),
            (&["s=1; Path=/"], "https://app.acme.example/out", "s=1"),
            (&["s=1; Path=/"], "https://other.example/", ""),
            (&["s=1; Path=/"], "https://api.acme.example/", ""),
            (&["s=1; Path=/"], "https://x.app.acme.example/", ""),
            (&["s=1; Path=/; Domain=.acme.example"], "https://api.acme.example/", "s=1"),
            (&["s=1; Path=/; domain=acme.example"], "https://notacme.example/", ""),
            (&["s=1; Path=/; Domain=example"], "https://app.acme.example/", ""),
            (&["s=1; Path=/; Domain=other.example"], "https://other.example/", ""),
            (&["s=1; Path=/; Secure; HttpOnly; SameSite=Lax"], "http://app.acme.example/", ""),
            (&["s=1; Path=/", "s=2; Path=/"], "https://app.acme.example/", "s=2"),
            (&["s=1; Path=/", "s=; Path=/; Max-Age=0"], "https://app.acme.example/", ""),
            (&["s=1; Path=/", "s=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], "https://app.acme.example/", ""),
            (&["s=1; Path=/; Expires=Wed, 21-Oct-2099 07:28:00 GMT"], "https://app.acme.example/", "s=1"),
            (&["s=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], "https://app.acme.example/", "s=1"),
            (&["a=1; Path=/", "b=2; Path=/in"], "https://app.acme.example/in/x", "b=2; a=1"),
            (&["nonsense", "=1", ""], "https://app.acme.example/in/x", ""),
        ] {
            assert_eq!(sent(A, set, to), want, "{set:?} {to}");
        }
        assert_eq!(
            sent("http://127.0.0.1:81/", &["s=1; Domain=127.0.0.1"], "http://127.0.0.1:82/"),
            "s=1",
            "ports do not matter (RFC 6265 8.5)"
        );
        let many: Vec<String> = (0..100).map(|n| format!("c{n}=1; Path=/")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(sent(A, &many, A).split(';').count(), COOKIES_MAX);
        assert_eq!(sent(A, &[&format!("s={}", "x".repeat(5000))], A), "");
    }
}
