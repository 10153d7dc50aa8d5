//! Atlassian Statuspage: <https://developer.statuspage.io/> and the public documents below `/api/v2` of every page.
//!
//! The verdict over a page is taken from its components, never from its indicator alone: `minor` is ambiguous, and a
//! quarter of the pages with an open incident call themselves operational. Incidents are a fact of their own.
//!
//! A verdict alone, of a page without an id, is read too: other engines serve one at the address of `status.json` (NetSuite).
//!
//! `api` is shared with the platforms that imitate these documents; `archive` reads the pages of the history.

pub(super) mod api;

mod archive;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use self::api::{About, Api, Lists, Verdict};
use self::archive::Likeness;
use super::json::{self, Lax};
use super::{Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Listing, Status};

const NAME: &str = "statuspage";

pub const FORMAT: Format = Format {
    live: &["/api/v2/summary.json"],
    history: &["/api/v2/incidents.json", "/api/v2/scheduled-maintenances.json"],
    archive: Some("/history.json?page={}"),
    parts: &[
        "/api/v2/components.json",
        "/api/v2/status.json",
        "/api/v2/incidents/unresolved.json",
        "/api/v2/scheduled-maintenances/upcoming.json",
        "/api/v2/scheduled-maintenances/active.json",
    ],
    ..Format::new(NAME, recognise, parse)
};

fn recognise(document: &Document) -> Option<&'static str> {
    if archive::likeness(&document.text) == Likeness::Months {
        return Some("months with incidents, as a Statuspage archives them");
    }
    let head = Head::of(&document.text)?;
    let Some(page_id) = head.page_id() else {
        return head.is_verdict().then_some("page without an id, status.indicator and no list: the verdict of a look-alike");
    };
    match (maker(page_id), head.parts()) {
        (Maker::Incidentio, _) => None,
        (Maker::Statuspage, Parts { indicator: true, .. }) => Some("page.id of a Statuspage, status.indicator"),
        (Maker::Statuspage, Parts { components: true, .. }) => Some("page.id of a Statuspage, components"),
        (Maker::Statuspage, Parts { incidents: true, .. }) => Some("page.id of a Statuspage, incidents"),
        (Maker::Statuspage, Parts { maintenances: true, .. }) => Some("page.id of a Statuspage, scheduled_maintenances"),
        (Maker::Unknown, Parts { indicator: true, .. }) => Some("page.id, status.indicator of a Statuspage"),
        _ => None,
    }
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if archive::likeness(&document.text) != Likeness::None {
        return archive::parse(document);
    }
    let api = api::read(NAME, &document.text, |page_id| match page_id.map(maker) {
        Some(Maker::Incidentio) => Err("its page.id is one of incident.io"),
        Some(Maker::Statuspage | Maker::Unknown) => Ok(()),
        None if Head::of(&document.text).is_some_and(|head| head.is_verdict()) => Ok(()),
        None => Err("it has no page.id"),
    })?;
    if !api.lists.any() {
        return Err(Unreadable::shape(NAME, "it has no status, components, incidents or scheduled_maintenances"));
    }
    let (overall, carries) = (overall(&api), carries(api.lists, path(document)));
    Ok(api.page(NAME, overall, carries))
}

/// By the components, where there are any; else the worse of what the page says of itself and what is open.
fn overall(api: &Api) -> Status {
    let verdict = if api.components.is_empty() {
        Status::worst([api.indicator, Status::by_incidents(&api.incidents)].into_iter().flatten())
    } else {
        Status::roll_up(api.components.iter().map(|c| c.status))
    };
    verdict.unwrap_or(Status::Unknown)
}

/// Only a summary lists all that is open and nothing else; alone in a document, a list has what is over too, but for one
/// that only its address tells from the others.
pub(super) fn carries(lists: Lists, path: &str) -> Carries {
    let of = |is_there: bool, all_open: bool| match (is_there, all_open) {
        (false, _) => Listing::Absent,
        (true, true) => Listing::Open,
        (true, false) => Listing::Recent,
    };
    Carries {
        components: lists.components,
        incidents: of(lists.incidents, lists.status || path.ends_with("/unresolved.json")),
        maintenances: of(lists.maintenances, lists.status),
    }
}

pub(super) fn path<'d>(document: &Document<'d>) -> &'d str {
    document.url.map_or("", |url| url.path())
}

/// Whose a page is, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Statuspage,
    Incidentio,
    Unknown,
}

pub(super) fn maker(page_id: &str) -> Maker {
    let all = |is: fn(&u8) -> bool| page_id.as_bytes().iter().all(is);
    match page_id.len() {
        12 if all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) => Maker::Statuspage,
        // A ULID: <https://github.com/ulid/spec>.
        26 if all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) => Maker::Incidentio,
        _ => Maker::Unknown,
    }
}

/// Enough of a document to tell whose it is.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    page: Lax<About>,
    status: Lax<Verdict>,
    components: IsThere,
    incidents: IsThere,
    scheduled_maintenances: IsThere,
}

/// Which parts a document names, whatever they hold.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub indicator: bool,
    pub components: bool,
    pub incidents: bool,
    pub maintenances: bool,
}

impl Head {
    pub fn of(text: &str) -> Option<Head> {
        json::read(NAME, text).ok()
    }

    pub fn page_id(&self) -> Option<&str> {
        self.page.0.as_ref()?.id.as_str()
    }

    /// Of a page that is named, and whose documents have no id.
    fn is_verdict(&self) -> bool {
        let is_named = self.page.0.as_ref().is_some_and(|page| page.name.as_str().or(page.url.as_str()).is_some());
        let parts = self.parts();
        is_named && self.page_id().is_none() && parts.indicator && !(parts.components || parts.incidents || parts.maintenances)
    }

    pub fn parts(&self) -> Parts {
        Parts {
            indicator: self.status.0.as_ref().is_some_and(|status| status.indicator.as_str().is_some()),
            components: self.components.0,
            incidents: self.incidents.0,
            maintenances: self.scheduled_maintenances.0,
        }
    }
}

/// Whether a key is there, with any value.
#[derive(Default)]
struct IsThere(bool);

impl<'d> Deserialize<'d> for IsThere {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(d).map(|_| IsThere(true))
    }
}
