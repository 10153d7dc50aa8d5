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

pub mod apple;
pub mod aws;
pub mod azuredevops;
pub mod betterstack;
pub mod cachet;
pub mod checkly;
pub mod cstate;
pub mod gatus;
pub mod gcp;
pub mod generic;
pub mod heroku;
pub mod ilert;
pub mod incidentio;
pub mod instatus;
pub mod json;
pub mod m365;
pub mod notes;
pub mod openstatus;
pub mod oraclecloud;
pub mod paypal;
pub mod rootly;
pub mod rss;
pub mod salesforce;
pub mod site24x7;
pub mod slack;
pub mod sorry;
pub mod statusio;
pub mod statuspage;
pub mod statuspal;
pub mod text;
pub mod upptime;
pub mod uptimekuma;
pub mod uptimerobot;
pub mod vultr;
pub mod zendesk;

mod budget;
mod document;
mod embedded;
mod joined;
mod json_api;
mod places;
mod settle;
#[cfg(test)]
mod tests;
mod times;
mod touches;

pub use document::{Document, Kind};
pub use generic::Mapping;
pub use joined::joined;
pub use places::{PLACES_MAX, candidates, hinted, page_address, place};
pub use settle::settle;

use url::Url;

use crate::model::Page;

/// More incidents in one document are refused.
pub const INCIDENTS_MAX: usize = 10_000;
/// More components in one document are refused.
pub const COMPONENTS_MAX: usize = 50_000;
/// More updates in one document are refused.
pub const UPDATES_MAX: usize = 100_000;

/// One kind of status page. How its documents are named: [`place`].
pub struct Format {
    /// As the configuration, metrics and `feed` call it.
    pub name: &'static str,
    /// The hosts of the one vendor that has this format; empty: a platform with which anybody's page may be made.
    pub hosts: &'static [&'static str],
    /// Documents of which each alone is enough to read the page now; the best first.
    pub live: &'static [&'static str],
    /// Documents with another part of what the page says now: read whenever the live one is, and joined with it.
    pub beside: &'static [&'static str],
    /// Documents with what is over: asked at first sight, now and then, and when something open is no longer listed.
    pub history: &'static [&'static str],
    /// What lies beyond `history`, asked once: `{}` is a number from 1 on, until a document brings nothing.
    pub archive: Option<&'static str>,
    /// Documents that say only a part, and that people paste all the same.
    pub parts: &'static [&'static str],
    /// Where a web page, the first argument, says that its documents are.
    pub hint: Option<fn(&Document) -> Vec<Url>>,
    /// Why a document is of this format; `None` if it is not.
    pub recognise: fn(&Document) -> Option<&'static str>,
    pub parse: fn(&Document) -> Result<Page, Unreadable>,
}

impl Format {
    /// One that is found nowhere by itself.
    pub const fn new(
        name: &'static str,
        recognise: fn(&Document) -> Option<&'static str>,
        parse: fn(&Document) -> Result<Page, Unreadable>,
    ) -> Format {
        Format { name, hosts: &[], live: &[], beside: &[], history: &[], archive: None, parts: &[], hint: None, recognise, parse }
    }
}

/// Every format, in the order in which they are asked whether a document is theirs.
pub const FORMATS: &[Format] = &[
    generic::JSON,
    generic::HTML,
    incidentio::FORMAT,
    oraclecloud::FORMAT,
    rootly::FORMAT,
    statuspage::FORMAT,
    aws::FORMAT,
    azuredevops::FORMAT,
    apple::FORMAT,
    betterstack::FORMAT,
    cachet::FORMAT,
    checkly::FORMAT,
    cstate::FORMAT,
    gatus::FORMAT,
    gcp::FORMAT,
    heroku::FORMAT,
    instatus::FORMAT,
    m365::FORMAT,
    salesforce::FORMAT,
    slack::FORMAT,
    ilert::FORMAT,
    openstatus::FORMAT,
    paypal::FORMAT,
    site24x7::FORMAT,
    sorry::FORMAT,
    statusio::FORMAT,
    statuspal::FORMAT,
    upptime::FORMAT,
    uptimekuma::FORMAT,
    uptimerobot::FORMAT,
    vultr::FORMAT,
    zendesk::FORMAT,
    rss::FORMAT,
];

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

/// Reads a document of a known format, or finds out which it is. A web page is read by the format that finds its data in it.
pub fn read(document: &Document, format: Option<&'static Format>) -> Result<Page, Unreadable> {
    let unreadable = match document.kind() {
        Kind::Empty => return Err(Unreadable::Empty),
        Kind::Html { title } => Some(Unreadable::Html { title }),
        Kind::Json | Kind::Xml | Kind::Other => None,
    };
    let format = match (format, unreadable) {
        (Some(format), None) => format,
        (Some(format), Some(why)) => (format.recognise)(document).map(|_| format).ok_or(why)?,
        (None, why) => detect(document).ok_or(why.unwrap_or(Unreadable::Unknown))?.0,
    };
    (format.parse)(document).map(settle)
}
