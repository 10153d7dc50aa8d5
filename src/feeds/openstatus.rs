//! Openstatus: the verdict of a page, `https://api.openstatus.dev/public/status/NAME`
//! (<https://docs.openstatus.dev/status-page/widget>). No answer was captured: what is written here was learned from that
//! documentation.
//!
//! The document is one word and could be anybody's, so that it is theirs by its host alone. It is cached for 30 s.

use serde::Deserialize;
use url::Url;

use super::json::{self, Text};
use super::notes::Notes;
use super::{Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::Status;

const NAME: &str = "openstatus";
const API: &str = "api.openstatus.dev";
const PATH: &str = "/public/status/";

pub const FORMAT: Format = Format {
    hosts: &[API],
    live: &["https://api.openstatus.dev/public/status/{last}"],
    hint: Some(hint),
    ..Format::new(NAME, recognise, parse)
};

/// A page at `NAME.openstatus.dev` has its document at the API's host.
fn hint(web_page: &Document) -> Vec<Url> {
    let host = web_page.url.and_then(Url::host_str).unwrap_or_default();
    let name = host.strip_suffix(".openstatus.dev").filter(|name| !name.contains('.') && !matches!(*name, "www" | "api" | "docs"));
    name.and_then(|name| Url::parse(&format!("https://{API}{PATH}{name}")).ok()).into_iter().collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    status: Text,
}

fn recognise(document: &Document) -> Option<&'static str> {
    let is_here = document.url.is_some_and(|url| url.host_str() == Some(API) && url.path().starts_with(PATH));
    let body: Body = is_here.then(|| json::read(NAME, &document.text).ok())??;
    body.status.as_str().map(|_| "a status at api.openstatus.dev")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body: Body = json::read(NAME, &document.text)?;
    let word = body.status.as_str().ok_or_else(|| Unreadable::shape(NAME, "it has no status"))?;
    let mut notes = Notes::default();
    let mut page = Page::blank(NAME);
    page.overall = notes.meaning("status", Some(word), status).unwrap_or(Status::Unknown);
    page.oddities = notes.oddities();
    Ok(page)
}

/// `incident`: one that is neither watched nor over, however bad.
fn status(word: &str) -> Option<Status> {
    match word {
        "operational" => Some(Status::Operational),
        "under_maintenance" => Some(Status::Maintenance),
        "degraded_performance" | "incident" => Some(Status::Degraded),
        "partial_outage" => Some(Status::PartialOutage),
        "major_outage" => Some(Status::MajorOutage),
        "unknown" => Some(Status::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{fixture, sketch};
    use super::*;

    const HERE: &str = "https://api.openstatus.dev/public/status/lamp";

    #[test]
    fn one_word_is_the_verdict() {
        for (name, want) in [
            ("status-operational", "operational - Absent Absent\n"),
            ("status-incident", "degraded - Absent Absent\n"),
            ("status-purple", "unknown - Absent Absent\n? status: purple\n"),
        ] {
            assert_eq!(sketch(&fixture(NAME, name, Some(HERE)).unwrap()), want, "{name}");
            assert_eq!(fixture(NAME, name, Some("https://status.lamp.example/public/status/lamp")), Err(Unreadable::Unknown), "{name}");
        }
    }

    #[test]
    fn a_page_below_theirs_names_its_document() {
        for (page, document) in
            [("https://lamp.openstatus.dev/", Some(HERE)), ("https://www.openstatus.dev/", None), ("https://a.example/", None)]
        {
            let url = Url::parse(page).unwrap();
            assert_eq!(
                hint(&Document { url: Some(&url), text: "<html>".into(), mapping: None }).first().map(Url::as_str),
                document,
                "{page}"
            );
        }
    }
}
