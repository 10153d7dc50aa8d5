//! What a web page calls its feeds: `<link rel="alternate" type="application/rss+xml" href="…">`,
//! <https://html.spec.whatwg.org/multipage/links.html#rel-alternate>.

use url::Url;

use crate::feeds::{Document, text};

/// Longer tags are none that a person wrote.
const TAG_BYTES_MAX: usize = 4 << 10;
/// More feeds are not looked for: a page has one, in two or three forms.
const FEEDS_MAX: usize = 4;

/// Atom before RSS: it carries ids and times of updates.
pub fn feeds(web_page: &Document) -> Vec<Url> {
    let mut feeds = [Vec::new(), Vec::new()];
    let mut rest = web_page.text.as_ref();
    while let Some(at) = rest.find("<link").filter(|_| feeds.iter().map(Vec::len).sum::<usize>() < FEEDS_MAX) {
        rest = &rest[at + "<link".len()..];
        let Some(end) = rest.bytes().take(TAG_BYTES_MAX).position(|b| b == b'>') else { continue };
        let tag = &rest[..end];
        let is = |name: &str, value: &str| attribute(tag, name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        let place = if is("type", "application/atom+xml") { 0 } else { 1 };
        if is("rel", "alternate") && (place == 0 || is("type", "application/rss+xml")) {
            feeds[place].extend(attribute(tag, "href").and_then(|href| address(web_page.url, href)));
        }
    }
    let mut found: Vec<Url> = feeds.into_iter().flatten().collect();
    found.dedup();
    found
}

/// Relative ones lie beside the page.
fn address(page: Option<&Url>, href: &str) -> Option<Url> {
    let href = text::plain(href);
    let url = page.map_or_else(|| Url::parse(href.trim()), |page| page.join(href.trim())).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

/// The value of an attribute, in quotes of either kind or without.
fn attribute<'t>(tag: &'t str, wanted: &str) -> Option<&'t str> {
    let mut rest = tag;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let name_end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(name_end);
        if name.is_empty() {
            // A lone `=`: nothing of sense.
            rest = after.strip_prefix('=').filter(|rest| !rest.is_empty())?;
            continue;
        }
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
            rest = after;
            continue;
        };
        let (value, after) = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_feeds() {
        let page = Url::parse("https://status.example/eu/now").unwrap();
        for (html, want) in [
            (
                r#"<link rel="alternate" type="application/rss+xml" href="https://status.example/feed.rss"/>"#,
                "https://status.example/feed.rss",
            ),
            ("<link href='/feed' rel='alternate' title='RSS' type='application/rss+xml'>", "https://status.example/feed"),
            ("<link type=application/atom+xml href=feed.atom?a=1&amp;b=2 rel=ALTERNATE>", "https://status.example/eu/feed.atom?a=1&b=2"),
            (
                "<link rel=alternate type=application/rss+xml href=/r><link rel=alternate type=application/atom+xml href=/a>",
                "https://status.example/a https://status.example/r",
            ),
            ("<link rel=alternate hreflang=de href=/de><link rel=stylesheet href=/s.css><link><link = rel>", ""),
            ("<link rel=alternate type=application/rss+xml href='javascript:1'>", ""),
            ("<link rel=alternate type=application/rss+xml href='", ""),
        ] {
            let found = feeds(&Document { url: Some(&page), text: html.into() });
            assert_eq!(found.iter().map(Url::as_str).collect::<Vec<_>>().join(" "), want, "{html}");
        }
        let many = "<link rel=alternate type=application/rss+xml href=/r>".repeat(100_000);
        assert_eq!(feeds(&Document { url: Some(&page), text: many.into() }).len(), 1);
        assert_eq!(feeds(&Document { url: None, text: "<link".repeat(100_000).into() }), []);
    }
}
