//! Pages of no known platform, read by where the configuration says that things are: JSON by JSONPath (RFC 9535), web pages
//! by CSS selectors.
//!
//! A [`Mapping`] names the lists (`components`, `incidents`), and what stands where in each element of them. What it names
//! and does not find is an error where that would look like good news: a page without its components is not a healthy one.
//! Words that are neither ours nor among the `words` of the mapping are `unknown`, and are said.

mod html;
mod json;

use std::collections::{BTreeMap, BTreeSet};

use scraper::Selector;
use serde_json_path::JsonPath;

use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable, times};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

pub const JSON: Format = Format::new("generic_json", |document| configured(document, "generic_json"), json::parse);
pub const HTML: Format = Format::new("generic_html", |document| configured(document, "generic_html"), html::parse);

/// Whether a format is one of the two.
pub fn is_told(format: &str) -> bool {
    [JSON.name, HTML.name].contains(&format)
}

/// Nothing in a document says that it is of none of the others: the configuration does.
fn configured(document: &Document, format: &str) -> Option<&'static str> {
    document.mapping.filter(|mapping| mapping.format == format).map(|_| "the configuration says where things are")
}

/// What a mapping may say, and what that is.
pub const FIELDS: &[(&str, &str)] = &[
    ("overall", "the state of the whole page"),
    ("components", "each component"),
    ("component_id", "in a component: its id; default: its name"),
    ("component_name", "in a component: its name"),
    ("component_group", "in a component: its group"),
    ("component_region", "in a component: its region"),
    ("component_status", "in a component: its state"),
    ("incidents", "each incident"),
    ("incident_id", "in an incident: its id; default: its title and start"),
    ("incident_title", "in an incident: its title"),
    ("incident_impact", "in an incident: how much it hurts"),
    ("incident_stage", "in an incident: where it stands"),
    ("incident_started_at", "in an incident: when it began"),
    ("incident_resolved_at", "in an incident: when it ended"),
    ("incident_components", "in an incident: the names of what it touches"),
    ("incident_body", "in an incident: its text"),
    ("incident_url", "in an incident: its page"),
];

/// Where things are on a page, and what its words mean.
#[derive(Debug)]
pub struct Mapping {
    format: &'static str,
    fields: BTreeMap<&'static str, Place>,
    /// By word, in lower case.
    words: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Place {
    Path(JsonPath),
    Css {
        /// `None`: the element itself.
        selector: Option<Selector>,
        /// `None`: its text.
        attribute: Option<String>,
    },
}

/// What is wrong with a mapping: which field or word, and why.
#[derive(Debug, PartialEq)]
pub struct Wrong {
    pub key: String,
    pub why: String,
}

impl Mapping {
    /// `format` is the name of one of the two; `fields` are names of [`FIELDS`] with where they are, `words` say what a word
    /// of the page is in ours.
    pub fn new<'a>(
        format: &str,
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        words: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Mapping, Wrong> {
        let format = if format == JSON.name { JSON.name } else { HTML.name };
        let mut mapping = Mapping { format, fields: BTreeMap::new(), words: BTreeMap::new() };
        for (name, text) in fields {
            let wrong = |why: String| Wrong { key: name.to_owned(), why };
            let Some((name, _)) = FIELDS.iter().find(|(known, _)| *known == name) else {
                return Err(wrong("is none of what a page has".to_owned()));
            };
            let place = if format == JSON.name { json::place(text) } else { html::place(text) };
            mapping.fields.insert(name, place.map_err(wrong)?);
        }
        for (word, meaning) in words {
            if Status::parse(meaning).is_none() && Impact::parse(meaning).is_none() && Stage::parse(meaning).is_none() {
                return Err(Wrong { key: word.to_owned(), why: format!("is said to be {meaning:?}, which is no word of ours") });
            }
            mapping.words.insert(word.trim().to_lowercase(), meaning.to_owned());
        }
        let lists = [("components", "component_name"), ("incidents", "incident_title")];
        let half = lists.iter().find(|(list, name)| mapping.fields.contains_key(list) != mapping.fields.contains_key(name));
        if let Some((list, name)) = half {
            return Err(Wrong { key: (*list).to_owned(), why: format!("needs `{name}`, and the other way round") });
        }
        if !["overall", "components", "incidents"].iter().any(|name| mapping.fields.contains_key(name)) {
            return Err(Wrong { key: "map".to_owned(), why: "names none of `overall`, `components` and `incidents`".to_owned() });
        }
        Ok(mapping)
    }

    /// In our words, as [`Status`], [`Impact`] or [`Stage`] spells it.
    fn ours<T>(&self, word: &str, parse: fn(&str) -> Option<T>) -> Option<T> {
        let lower = word.trim().to_lowercase();
        parse(self.words.get(&lower).unwrap_or(&lower))
    }
}

/// One element of a document, or all of it.
trait Node: Sized {
    /// What is at a place in it, at most `max + 1`.
    fn all(&self, place: &Place, max: usize) -> Vec<Self>;
    /// The texts that are there, without those elements that have none.
    fn texts(&self, place: &Place, max: usize) -> Vec<String>;
}

/// The mapping a document is to be read by.
fn mapping<'d>(document: &Document<'d>, format: &'static str) -> Result<&'d Mapping, Unreadable> {
    let why = "`map` below [[status_pages]] has to say where things are";
    document.mapping.ok_or_else(|| Unreadable::shape(format, why))
}

struct Reader<'m> {
    format: &'static str,
    mapping: &'m Mapping,
    notes: Notes,
}

fn page<N: Node>(format: &'static str, mapping: &Mapping, root: &N) -> Result<Page, Unreadable> {
    let mut reader = Reader { format, mapping, notes: Notes::default() };
    let said = reader.text(root, "overall");
    if said.is_none() && mapping.fields.contains_key("overall") {
        return Err(Unreadable::shape(format, "there is nothing where `overall` should be"));
    }
    let overall = said.and_then(|word| reader.notes.meaning("status", Some(&word), |word| mapping.ours(word, Status::parse)));
    let components = reader.components(root)?;
    let incidents = reader.incidents(root)?;
    let tells_the_end = ["incident_stage", "incident_resolved_at"].iter().any(|name| mapping.fields.contains_key(name));
    let listing = match (mapping.fields.contains_key("incidents"), tells_the_end) {
        (false, _) => Listing::Absent,
        (true, true) => Listing::Recent,
        (true, false) => Listing::OpenOnly,
    };
    let by_components = Status::roll_up(components.iter().map(|c| c.status));
    let by_incidents = || Status::by_incidents(&incidents);
    let nothing_open = (listing != Listing::Absent && components.is_empty()).then_some(Status::Operational);
    Ok(Page {
        overall: by_components.or(overall).or_else(by_incidents).or(nothing_open).unwrap_or(Status::Unknown),
        carries: Carries { components: !components.is_empty(), incidents: listing, maintenances: Listing::Absent },
        components,
        incidents,
        oddities: reader.notes.oddities(),
        ..Page::blank(format)
    })
}

impl Reader<'_> {
    fn text<N: Node>(&self, node: &N, field: &str) -> Option<String> {
        let text = node.texts(self.mapping.fields.get(field)?, 0).into_iter().next();
        text.filter(|text| !text.trim().is_empty())
    }

    fn rows<N: Node>(&self, root: &N, list: &'static str, max: usize) -> Result<Vec<N>, Unreadable> {
        let Some(place) = self.mapping.fields.get(list) else { return Ok(Vec::new()) };
        let rows = root.all(place, max);
        if rows.len() > max { Err(Unreadable::TooMany { what: list, max }) } else { Ok(rows) }
    }

    fn components<N: Node>(&mut self, root: &N) -> Result<Vec<Component>, Unreadable> {
        let mut components = Vec::new();
        for row in self.rows(root, "components", COMPONENTS_MAX)? {
            let Some(name) = self.notes.line(self.text(&row, "component_name").as_deref()) else { continue };
            let word = self.text(&row, "component_status");
            let status = self.notes.meaning("status", word.as_deref(), |word| self.mapping.ours(word, Status::parse));
            components.push(Component {
                id: notes::id(self.text(&row, "component_id").as_deref()).unwrap_or_else(|| name.clone()),
                name,
                group: self.notes.line(self.text(&row, "component_group").as_deref()),
                region: self.notes.line(self.text(&row, "component_region").as_deref()),
                status: status.unwrap_or(Status::Unknown),
            });
        }
        if components.is_empty() && self.mapping.fields.contains_key("components") {
            return Err(Unreadable::shape(self.format, "there is no component with a name where `components` should be"));
        }
        Ok(components)
    }

    fn incidents<N: Node>(&mut self, root: &N) -> Result<Vec<Incident>, Unreadable> {
        let mut incidents = Vec::new();
        let mut names = 0;
        for row in self.rows(root, "incidents", INCIDENTS_MAX)? {
            let Some(title) = self.notes.line(self.text(&row, "incident_title").as_deref()) else { continue };
            let started_at = self.instant(&row, "incident_started_at");
            let resolved_at = self.instant(&row, "incident_resolved_at");
            let said = self.text(&row, "incident_stage");
            let stage = self.notes.meaning("stage", said.as_deref(), |word| self.mapping.ours(word, Stage::parse));
            let hurt = self.text(&row, "incident_impact");
            let impact = self.notes.meaning("impact", hurt.as_deref(), |word| self.mapping.ours(word, Impact::parse));
            let touches = self.touches(&row);
            names += touches.len();
            if names > COMPONENTS_MAX {
                return Err(Unreadable::TooMany { what: "components of incidents", max: COMPONENTS_MAX });
            }
            let made_up = || started_at.map_or_else(|| title.clone(), |at| format!("{title} {at}"));
            let body = self.notes.body(self.text(&row, "incident_body").as_deref());
            incidents.push(Incident {
                id: notes::id(self.text(&row, "incident_id").as_deref()).or_else(|| notes::id(Some(&made_up()))).unwrap_or_default(),
                impact,
                stage,
                started_at,
                stated_start: None,
                resolved_at,
                undecided: false,
                url: notes::link(self.text(&row, "incident_url").as_deref()),
                touches,
                updates: if body.is_empty() { Vec::new() } else { vec![Update { at: resolved_at.or(started_at), stage, body }] },
                title,
            });
        }
        Ok(incidents)
    }

    fn touches<N: Node>(&mut self, row: &N) -> Vec<Touched> {
        let Some(place) = self.mapping.fields.get("incident_components") else { return Vec::new() };
        let names: BTreeSet<String> =
            row.texts(place, COMPONENTS_MAX).into_iter().filter_map(|name| self.notes.line(Some(&name))).collect();
        names.into_iter().map(|name| Touched { id: None, name }).collect()
    }

    fn instant<N: Node>(&self, row: &N, field: &str) -> Option<Timestamp> {
        let text = self.text(row, field)?;
        times::javascript(text.trim()).or_else(|| times::utc(text.trim())).or_else(|| times::epoch(text.trim()))
    }
}

#[cfg(test)]
mod tests;
