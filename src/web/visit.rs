//! What a browser asks for beside the page itself: filters, time zone, theme. The URL is the state; two plain cookies keep
//! zone and theme, and carry no rights.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::zone::Zone;
use crate::config::Config;
use crate::model::Timestamp;

/// The pairs of a query, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Query {
        Query(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of `key`, unless it is empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, value)| *name == key && !value.is_empty()).map(|(_, value)| value)
    }

    pub fn all<'q>(&'q self, key: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(name, value)| name == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// As a link's `?..`, with `key` set to `value`, or left out where that is empty; nothing where nothing is left.
    pub fn with(&self, key: &str, value: &str) -> String {
        let others = self.iter().filter(|(name, old)| *name != key && !old.is_empty());
        let set = Some((key, value)).filter(|(_, value)| !value.is_empty());
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(others.chain(set)).finish();
        if text.is_empty() { text } else { format!("?{text}") }
    }
}

/// Light, dark, or what the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

impl Theme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn parse(text: &str) -> Option<Theme> {
        [Theme::Auto, Theme::Light, Theme::Dark].into_iter().find(|theme| theme.as_str() == text)
    }

    /// The one that the switch leads to.
    pub const fn next(self) -> Theme {
        match self {
            Theme::Auto => Theme::Light,
            Theme::Light => Theme::Dark,
            Theme::Dark => Theme::Auto,
        }
    }
}

/// One request for a page.
pub struct Visit {
    pub now: Timestamp,
    pub zone: Zone,
    pub theme: Theme,
    pub query: Query,
    /// Of the page, below the prefix.
    pub path: String,
    /// What goes before every path: empty, or `/vendord`.
    pub root: String,
    pub gzip: bool,
    /// `Set-Cookie`, of what was chosen by this request.
    pub cookies: Vec<HeaderValue>,
    /// The theme was chosen: the page is asked for again without that in its address.
    pub themed: bool,
}

impl Visit {
    pub fn of(parts: &Parts, config: &Config, gzip: bool, now: Timestamp) -> Visit {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let asked_theme = query.get("theme").and_then(Theme::parse);
        let asked_zone = query.get("tz").and_then(Zone::named);
        let kept = |name: &str| cookie(&parts.headers, name);
        let theme = asked_theme.or_else(|| Theme::parse(&kept("theme")?));
        let zone = asked_zone.clone().or_else(|| Zone::named(&kept("tz")?)).or_else(|| Zone::named(&config.web.timezone));
        let chosen = [asked_theme.map(|theme| ("theme", theme.as_str().to_owned())), asked_zone.map(|zone| ("tz", zone.name().to_owned()))];
        Visit {
            now,
            zone: zone.unwrap_or_else(Zone::utc),
            theme: theme.unwrap_or_default(),
            path: parts.uri.path().to_owned(),
            root: config.web.route_prefix.trim_end_matches('/').to_owned(),
            gzip,
            cookies: chosen.into_iter().flatten().filter_map(|(name, value)| set_cookie(name, &value)).collect(),
            themed: asked_theme.is_some(),
            query,
        }
    }

    /// The address of this page, with the zone where it was asked for and without the theme.
    pub fn here(&self) -> String {
        format!("{}{}{}", self.root, self.path, self.query.with("theme", ""))
    }

    /// A link that changes one thing of the address.
    pub fn link(&self, key: &str, value: &str) -> String {
        format!("{}{}{}", self.root, self.path, self.query.with(key, value))
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|list| list.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
}

fn set_cookie(name: &str, value: &str) -> Option<HeaderValue> {
    const YEAR_SECONDS: u32 = 365 * 86_400;
    HeaderValue::from_str(&format!("{name}={value}; Path=/; Max-Age={YEAR_SECONDS}; SameSite=Lax; HttpOnly")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_they_do_not_change() {
        let query = Query::parse("q=a%26b&tier=1&theme=dark&empty=");
        assert_eq!(query.with("theme", ""), "?q=a%26b&tier=1");
        assert_eq!(query.with("tier", "2"), "?q=a%26b&theme=dark&tier=2");
        assert_eq!(Query::parse("theme=dark").with("theme", ""), "");
        assert_eq!((query.get("empty"), query.get("q")), (None, Some("a&b")));
    }

    #[test]
    fn cookies_are_found_among_others() {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("a=1; tz=Europe/Berlin;theme=dark"))]);
        assert_eq!(cookie(&headers, "tz").as_deref(), Some("Europe/Berlin"));
        assert_eq!(cookie(&headers, "theme").as_deref(), Some("dark"));
        assert_eq!(cookie(&headers, "z"), None);
    }
}
