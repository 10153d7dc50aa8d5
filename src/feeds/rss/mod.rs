//! Status feeds in RSS and Atom: many platforms, one way of carrying them.
//!
//! [`xml`] reads entries, whatever they mean. What they mean is a matter of the layout, which is told by what is in the feed
//! and never by its address: pages move to another platform and keep `/history.atom`. A layout is a file with a line in
//! [`LAYOUTS`].
//!
//! An entry is open if something says so, over if something says so, and of unknown stage else. Its age, its absence and the
//! shortness of a feed say nothing; only an open-only feed (Azure) ends what it no longer lists.

mod aws;
mod azure;
mod changes;
mod dates;
mod found;
mod gcp;
mod hints;
mod incidentio;
mod instatus;
mod lifecycle;
mod paragraphs;
mod plain;
mod slack;
mod stages;
mod statuspage;
mod xai;
mod xml;

use std::collections::HashMap;

use self::found::Found;
use self::xml::{Entry, Feed, Root};
use super::{Document, Format, Unreadable, text};
use crate::model::page::{Carries, Incident, Listing};
use crate::model::{Impact, Page, Status};

pub const FORMAT: Format = Format { live: LIVE, hint: Some(hints::feeds), ..Format::new("rss", recognise, parse) };

const LIVE: &[&str] = &["/history.atom", "/history.rss", "/feed.atom", "/feed.xml", "/feed", "/rss"];

/// What an entry, and the absence of entries, mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Incidents and maintenances, open or over. A page with a history never shows an empty one.
    History,
    /// Open incidents alone: nothing listed is good news.
    OpenOnly,
    /// Several entries make one incident; nothing listed means that nothing happened lately.
    Log,
}

struct Layout {
    kind: Kind,
    is: fn(&Feed) -> bool,
    read: fn(&Feed, &mut Found),
}

/// In the order in which they are asked; the last takes everything.
const LAYOUTS: &[Layout] = &[
    incidentio::LAYOUT,
    azure::LAYOUT,
    aws::LAYOUT,
    gcp::LAYOUT,
    instatus::LAYOUT,
    xai::LAYOUT,
    slack::LAYOUT,
    statuspage::LAYOUT,
    stages::LAYOUT,
    changes::LAYOUT,
    plain::LAYOUT,
];

fn recognise(document: &Document) -> Option<&'static str> {
    match xml::root(&document.text)? {
        Root::Rss => Some("an RSS channel"),
        Root::Atom => Some("an Atom feed"),
        Root::Html => None,
    }
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mut feed = xml::read(&document.text)?;
    drop_shared_ids(&mut feed);
    let layout = layout(&feed);
    let mut found = Found::default();
    (layout.read)(&feed, &mut found);
    Ok(page(&feed, layout.kind, found))
}

fn layout(feed: &Feed) -> &'static Layout {
    LAYOUTS.iter().find(|layout| (layout.is)(feed)).unwrap_or(&plain::LAYOUT)
}

fn page(feed: &Feed, kind: Kind, found: Found) -> Page {
    let listing = if kind == Kind::OpenOnly { Listing::OpenOnly } else { Listing::Recent };
    let newest = feed.entries.iter().filter_map(Entry::newest).max_by_key(|moment| moment.at);
    Page {
        format: FORMAT.name,
        name: name(feed),
        url: found::url(&feed.link),
        updated_at: feed.updated.or(newest).map(|moment| moment.at),
        overall: overall(kind, &found),
        components: Vec::new(),
        incidents: decided(&found),
        maintenances: found.maintenances,
        carries: Carries { components: false, incidents: listing, maintenances: listing },
        oddities: found.oddities,
    }
}

/// With a mark on those of which nothing says whether they are over.
fn decided(found: &Found) -> Vec<Incident> {
    let mark = |incident: &Incident| Incident { undecided: found.is_open(incident).is_none(), ..incident.clone() };
    found.incidents.iter().map(mark).collect()
}

/// `Acme Status - Incident History` is the page `Acme`.
fn name(feed: &Feed) -> Option<String> {
    let title = text::line(&feed.title, text::TITLE_CHARS).text;
    let name = title.strip_suffix(" - Incident History").or_else(|| title.strip_suffix(" - Incident history"));
    let name = name.map_or(title.as_str(), |name| name.strip_suffix(" Status").unwrap_or(name));
    (!name.is_empty()).then(|| name.to_owned())
}

/// A feed has no components, so its open incidents decide. Where one's stage is unknown, or nothing was ever shown, or
/// updates come without a word on what goes on between them, the answer is unknown.
fn overall(kind: Kind, found: &Found) -> Status {
    let open = found.incidents.iter().filter(|incident| found.is_open(incident) == Some(true));
    let open = open.filter_map(|incident| Impact::status(incident.impact));
    let is_silent = found.incidents.is_empty() && found.maintenances.is_empty();
    let is_unsure = || found.incidents.iter().any(|incident| found.is_open(incident).is_none());
    match (Status::worst(open), kind) {
        (Some(worst), _) => worst,
        (None, Kind::OpenOnly) => Status::Operational,
        (None, Kind::Log) => Status::Unknown,
        (None, Kind::History) if is_silent || is_unsure() => Status::Unknown,
        (None, Kind::History) => Status::Operational,
    }
}

/// Entries of different incidents with one id would become one: an id that is the page's own address, or that entries of
/// another title or day have too, is none. Where the link is better, it takes its place.
fn drop_shared_ids(feed: &mut Feed) {
    let no_id = |id: &str| id.is_empty() || id.trim_end_matches('/') == feed.link.trim_end_matches('/');
    let shared_ids = shared(&feed.entries, |entry| &entry.id);
    let shared_links = shared(&feed.entries, |entry| &entry.link);
    for entry in &mut feed.entries {
        if no_id(&entry.id) || shared_ids.contains_key(&entry.id) {
            let link = &entry.link;
            entry.id = if no_id(link) || shared_links.contains_key(link) { String::new() } else { link.clone() };
        }
    }
}

fn shared(entries: &[Entry], key: impl Fn(&Entry) -> &String) -> HashMap<String, ()> {
    const DAY_MS: i64 = 86_400_000;
    let mut first: HashMap<&str, &Entry> = HashMap::new();
    let mut shared = HashMap::new();
    for entry in entries {
        let known = first.entry(key(entry)).or_insert(entry);
        let apart = known.published.zip(entry.published).is_some_and(|(a, b)| a.at.millis_since(b.at).abs() > DAY_MS);
        if known.title != entry.title || apart {
            shared.insert(key(entry).clone(), ());
        }
    }
    shared
}

#[cfg(test)]
mod tests;
