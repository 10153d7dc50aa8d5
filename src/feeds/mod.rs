//! Status pages: the bytes of a document become a [`Page`].
//!
//! A format is a file with a pure function, and a line in [`FORMATS`]. Which one a document is of is told by what is in it,
//! never by its address alone: pages move between engines and keep their address.
//!
//! Promises, kept for every format in one place ([`settle`], [`text`], [`json`]): ids are unique, lists are newest first
//! and do not depend on the order in which the document had them, texts are clean and bounded, an incident does not end
//! before it starts. A body that is not what it should be is an error, never an empty page.
//!
//! Not here: fetching, when to ask again, what the daemon makes of a page.

pub mod incidentio;
pub mod json;
pub mod rss;
pub mod statuspage;
pub mod text;

mod document;
mod settle;

pub use document::{Document, Kind};
pub use settle::settle;

use url::Url;

use crate::model::Page;

/// More incidents in one document are refused.
pub const INCIDENTS_MAX: usize = 10_000;
/// More components in one document are refused.
pub const COMPONENTS_MAX: usize = 50_000;

/// One kind of status page.
pub struct Format {
    /// As the configuration, metrics and `feed` call it.
    pub name: &'static str,
    /// Documents below the page's address of which each alone is enough to read the page now; the best first.
    pub live: &'static [&'static str],
    /// Documents with what is over: asked at first sight, now and then, and when something open is no longer listed.
    pub history: &'static [&'static str],
    /// What lies beyond `history`, asked once: `{}` is a number from 1 on, until a document brings nothing.
    pub archive: Option<&'static str>,
    /// Why a document is of this format; `None` if it is not.
    pub recognise: fn(&Document) -> Option<&'static str>,
    pub parse: fn(&Document) -> Result<Page, Unreadable>,
}

/// Documents that say only a part, and that people paste all the same.
const SINGLE_DOCUMENTS: &[&str] = &[
    "/api/v2/components.json",
    "/api/v2/status.json",
    "/api/v2/incidents/unresolved.json",
    "/api/v2/scheduled-maintenances/upcoming.json",
    "/api/v2/scheduled-maintenances/active.json",
];

/// Every format, in the order in which they are asked whether a document is theirs.
pub const FORMATS: &[Format] = &[incidentio::FORMAT, statuspage::FORMAT, rss::FORMAT];

pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|f| f.name == name)
}

/// Why a document could not be read. Says what came instead, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the body is empty")]
    Empty,
    #[error("it is a web page{}, not a feed", title.as_ref().map(|t| format!(" ({t:?})")).unwrap_or_default())]
    Html { title: Option<String> },
    /// Not the shape of the format: whose, and where it differs.
    #[error("it is not a {format} document: {why}")]
    Shape { format: &'static str, why: String },
    #[error("it is of no format known here")]
    Unknown,
    /// More of something than is read.
    #[error("it has more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
}

impl Unreadable {
    pub fn shape(format: &'static str, why: impl Into<String>) -> Unreadable {
        // What is wrong is told in words of the document, and may be as long as all of it.
        Unreadable::Shape { format, why: text::line(&why.into(), text::TITLE_CHARS).text }
    }
}

/// The format of a document and the evidence for it.
pub fn detect(document: &Document) -> Option<(&'static Format, &'static str)> {
    FORMATS.iter().find_map(|format| Some((format, (format.recognise)(document)?)))
}

/// Reads a document of a known format, or finds out which it is.
pub fn read(document: &Document, format: Option<&'static Format>) -> Result<Page, Unreadable> {
    match document.kind() {
        Kind::Empty => return Err(Unreadable::Empty),
        Kind::Html { title } => return Err(Unreadable::Html { title }),
        Kind::Json | Kind::Xml | Kind::Other => {}
    }
    let format = match format {
        Some(format) => format,
        None => detect(document).ok_or(Unreadable::Unknown)?.0,
    };
    (format.parse)(document).map(settle)
}

/// The address of the page to which `url` belongs: of a document below it, what stands before the document.
pub fn page_address(url: &Url) -> Url {
    let mut page = url.clone();
    let known = FORMATS.iter().flat_map(|f| f.live.iter().chain(f.history)).chain(SINGLE_DOCUMENTS);
    let path = url.path().trim_end_matches('/');
    if let Some(rest) = known.filter_map(|document| path.strip_suffix(document)).min_by_key(|rest| rest.len()) {
        page.set_path(rest);
        page.set_query(None);
    }
    page
}

/// A document below a page: `https://status.example/eu` and `/api/v2/summary.json`.
pub fn below(page: &Url, document: &str) -> Url {
    let mut url = page.clone();
    let (path, query) = document.split_once('?').map_or((document, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}{path}", page.path().trim_end_matches('/')));
    url.set_query(query);
    url.set_fragment(None);
    url
}

/// Where to look for a page, in order: `url` itself if it is a document, else the live documents of `format` (or of
/// every format) below it, at last `url` itself.
pub fn candidates(url: &Url, format: Option<&'static Format>) -> Vec<Url> {
    let page = page_address(url);
    let formats = FORMATS.iter().filter(|f| format.is_none_or(|wanted| wanted.name == f.name));
    let mut documents: Vec<&str> = Vec::new();
    for document in formats.flat_map(|f| f.live) {
        if !documents.contains(document) {
            documents.push(document);
        }
    }
    let mut found: Vec<Url> = documents.into_iter().map(|document| below(&page, document)).collect();
    if page == *url {
        found.push(url.clone());
    } else {
        found.retain(|candidate| candidate != url);
        found.insert(0, url.clone());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_belong_to_pages() {
        for (url, page) in [
            ("https://status.example/", "https://status.example/"),
            ("https://status.example/api/v2/summary.json", "https://status.example/"),
            ("https://status.example/eu/api/v2/incidents.json?x=1", "https://status.example/eu"),
            ("https://status.example/history.atom", "https://status.example/"),
            ("https://status.example/api/v2/status.json", "https://status.example/"),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(page_address(&url), Url::parse(page).unwrap(), "{url}");
        }
    }

    #[test]
    fn why_a_document_cannot_be_read_is_a_short_line() {
        for format in FORMATS {
            for body in [format!("\"{}\"", "a\u{1b}\u{202e}\\n".repeat(1000)), format!("<{}/>", "a".repeat(100_000))] {
                let error = read(&Document::new(None, None, body.as_bytes()), Some(format)).unwrap_err().to_string();
                assert!(error.len() < 1500 && !error.contains(['\u{1b}', '\u{202e}', '\n']), "{}: {error}", format.name);
            }
        }
    }

    #[test]
    fn a_page_is_looked_for_at_every_known_place_and_at_last_where_it_was_said_to_be() {
        let page = Url::parse("https://status.example/eu/").unwrap();
        let found = candidates(&page, None);
        assert_eq!(found[0].as_str(), "https://status.example/eu/api/v2/summary.json");
        assert_eq!(found.last(), Some(&page));
        let document = Url::parse("https://status.example/history.rss").unwrap();
        assert_eq!(candidates(&document, format("rss"))[0], document);
        assert_eq!(below(&page, "/history.json?page=2").as_str(), "https://status.example/eu/history.json?page=2");
    }
}
