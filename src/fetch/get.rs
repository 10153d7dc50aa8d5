//! GET, for what others publish: conditional, bounded, and careful about where redirects lead.
//!
//! A configured address is meant; what a redirect or the DNS makes of it is not. So a redirect may not lead to a special
//! address (not even written as a number), nor from https to http, and not more than five times.

use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use url::{Host, Url};

use super::resolve::is_localhost;
use super::unpack::{Coding, Unpacked};
use super::{Fetch, FetchError, FetchErrorKind, Reach, asked_to_wait, explain, late, shown};
use crate::model::address;

const REDIRECTS_MAX: usize = 5;

/// What the last answer was recognised by; sent back, so that nothing new costs next to nothing (RFC 9110 13).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// What to get.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    pub url: &'a Url,
    /// For the origin of `url` alone: a redirect to another gets none of them.
    pub headers: &'a HeaderMap,
    pub reach: Reach,
    /// For everything: redirects and the whole body too.
    pub within: Duration,
    pub validators: &'a Validators,
    /// Of the unpacked body.
    pub body_bytes_max: usize,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Got {
    pub status: u16,
    /// Where it came from at last, if a redirect led elsewhere.
    pub redirected: Option<Url>,
    pub content_type: Option<String>,
    pub validators: Validators,
    /// How long it may be taken as fresh (`Cache-Control: max-age`).
    pub max_age: Option<Duration>,
    pub retry_after: Option<Duration>,
    /// Only of a 2xx.
    pub body: Vec<u8>,
}

impl Fetch {
    /// Asks for a document. An answer with any status is an answer; a body that is too large or damaged is none.
    pub async fn get(&self, ask: Ask<'_>) -> Result<Got, FetchError> {
        let within = ask.within;
        let shown = shown(ask.url);
        match tokio::time::timeout(within, self.follow(ask)).await {
            Ok(got) => got,
            Err(_) => Err(late(&shown, within)),
        }
    }

    async fn follow(&self, ask: Ask<'_>) -> Result<Got, FetchError> {
        let mut url = ask.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let response = self.ask_once(&url, &ask).await?;
            match leads_to(&url, response.status().as_u16(), response.headers()) {
                None => {
                    let redirected = (url != *ask.url).then(|| url.clone());
                    return read(response, ask.body_bytes_max, &shown(&url)).await.map(|got| Got { redirected, ..got });
                }
                Some(next) => {
                    may_follow(&url, &next, ask.reach)?;
                    url = next;
                }
            }
        }
        Err(refused(&shown(ask.url), format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    async fn ask_once(&self, url: &Url, ask: &Ask<'_>) -> Result<reqwest::Response, FetchError> {
        let mut request = self.readers[ask.reach as usize].get(url.clone()).header(ACCEPT_ENCODING, "gzip");
        if url.origin() == ask.url.origin() {
            request = request.headers(ask.headers.clone());
        }
        let conditions: [(HeaderName, &Option<String>); 2] =
            [(IF_NONE_MATCH, &ask.validators.etag), (IF_MODIFIED_SINCE, &ask.validators.last_modified)];
        for (name, value) in conditions {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        request.send().await.map_err(|error| explain(&shown(url), error))
    }
}

/// Where a redirect leads; `None` for any other answer.
fn leads_to(from: &Url, status: u16, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let mut to = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    to.set_fragment(None);
    Some(to)
}

fn may_follow(from: &Url, to: &Url, reach: Reach) -> Result<(), FetchError> {
    let why = match to.scheme() {
        "http" if from.scheme() == "https" => "it leads from https to http".to_owned(),
        "http" | "https" => match special(to).filter(|_| reach == Reach::Public) {
            None => return Ok(()),
            // On the same host nothing is new: that address was meant.
            Some(_) if from.host() == to.host() => return Ok(()),
            Some(range) => format!("it leads to a {range} address, which is refused without `allow_private = true`"),
        },
        scheme => format!("it leads to {scheme}:"),
    };
    Err(refused(&shown(from), format!("the redirect is not followed: {why}")))
}

/// The special range that a host is of which nothing has to be resolved.
fn special(url: &Url) -> Option<&'static str> {
    match url.host()? {
        Host::Ipv4(ip) => address::special(ip.into()),
        Host::Ipv6(ip) => address::special(ip.into()),
        Host::Domain(name) => is_localhost(name).then_some("loopback"),
    }
}

fn refused(shown: &str, why: String) -> FetchError {
    FetchError { kind: FetchErrorKind::AddressRefused, message: format!("{shown}: {why}") }
}

async fn read(mut response: reqwest::Response, bytes_max: usize, shown: &str) -> Result<Got, FetchError> {
    let headers = response.headers();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut got = Got {
        status: response.status().as_u16(),
        redirected: None,
        content_type: text(CONTENT_TYPE),
        validators: Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) },
        max_age: text(CACHE_CONTROL).as_deref().and_then(max_age),
        retry_after: asked_to_wait(headers),
        body: Vec::new(),
    };
    if !response.status().is_success() {
        return Ok(got);
    }
    let unusable = |error: super::unpack::Unusable| FetchError { kind: FetchErrorKind::Unusable, message: format!("{shown}: {error}") };
    let mut unpacked = Unpacked::new(Coding::of(headers).map_err(unusable)?, bytes_max);
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(shown, error))? {
        unpacked.add(&chunk).map_err(unusable)?;
    }
    got.body = unpacked.finish().map_err(unusable)?;
    Ok(got)
}

/// RFC 9111 5.2.2.1. A shared cache's `s-maxage` is not for us.
fn max_age(cache_control: &str) -> Option<Duration> {
    let directives = cache_control.split(',').filter_map(|d| d.trim().split_once('='));
    let seconds = directives
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .find_map(|(_, value)| value.trim().trim_matches('"').parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_nowhere_that_was_not_meant() {
        for (from, to, reach, allowed) in [
            ("https://a.example/", "https://b.example/x", Reach::Public, true),
            ("http://a.example/", "https://a.example/", Reach::Public, true),
            ("https://a.example/", "http://a.example/", Reach::Public, false),
            ("https://a.example/", "https://169.254.169.254/", Reach::Public, false),
            ("https://a.example/", "https://[::ffff:10.0.0.1]/", Reach::Public, false),
            ("https://a.example/", "https://localhost./", Reach::Public, false),
            ("https://a.example/", "https://db.localhost/", Reach::Public, false),
            ("https://a.example/", "https://10.0.0.1/", Reach::Private, true),
            ("http://127.0.0.1:80/", "http://127.0.0.1:81/", Reach::Public, true),
            ("https://a.example/", "file:///etc/passwd", Reach::Private, false),
        ] {
            let url = |text| Url::parse(text).unwrap();
            assert_eq!(may_follow(&url(from), &url(to), reach).is_ok(), allowed, "{from} -> {to}");
        }
    }

    #[test]
    fn how_long_an_answer_is_fresh() {
        for (text, want) in [
            ("max-age=10, public, s-maxage=99", Some(10)),
            ("public, Max-Age=\"60\"", Some(60)),
            ("no-cache", None),
            ("s-maxage=5", None),
            ("max-age=-1", None),
        ] {
            assert_eq!(max_age(text), want.map(Duration::from_secs), "{text}");
        }
    }
}
