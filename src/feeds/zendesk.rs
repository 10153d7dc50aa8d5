//! Zendesk: <https://developer.zendesk.com/api-reference/status_api/status_api/>, JSON:API with what is active and what is
//! planned. No page was captured: what is written here was learned from that documentation, and of the document that the web
//! page reads itself (`/api/ssp/incidents.json`, the same in camelCase) from other clients.
//!
//! No resolution is ever shown: what is no longer listed is over. Components are not listed either; incidents name the services
//! that they touch. 10 requests a minute are answered.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::json_api::{Reference, Related, Resource};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "zendesk";
const ACTIVE: &str = "/api/incidents/active";
const PLANNED: &str = "/api/incidents/maintenance";

pub const FORMAT: Format = Format {
    hosts: &["status.zendesk.com"],
    live: &[ACTIVE],
    beside: &[PLANNED],
    parts: &["/api/ssp/incidents.json"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    data: Option<&'d RawValue>,
    #[serde(borrow)]
    included: List<&'d RawValue, UPDATES_MAX>,
}

/// A resource of JSON:API.
type Thing<'d> = Resource<'d, Relationships<'d>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Relationships<'d> {
    #[serde(borrow, alias = "incidentUpdates")]
    incident_updates: Lax<Related<'d>>,
    #[serde(borrow, alias = "incidentServices")]
    incident_services: Lax<Related<'d>>,
    #[serde(borrow)]
    services: Lax<Related<'d>>,
    #[serde(borrow)]
    service: Lax<Related<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Facts {
    title: Text,
    name: Text,
    impact: Text,
    status: Text,
    outage: Lax<bool>,
    degradation: Lax<bool>,
    #[serde(alias = "startedAt")]
    started_at: Text,
    #[serde(alias = "resolvedAt")]
    resolved_at: Text,
    #[serde(alias = "maintenanceStartTime")]
    maintenance_start_time: Text,
    #[serde(alias = "maintenanceEndTime")]
    maintenance_end_time: Text,
}

/// Of an update, or of a service.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Words {
    name: Text,
    description: Text,
    #[serde(alias = "createdAt")]
    created_at: Text,
}

impl Facts {
    fn is_one(&self) -> bool {
        self.status.as_str().is_some() && (self.started_at.as_str().is_some() || self.maintenance_start_time.as_str().is_some())
    }

    fn title(&self) -> Option<&str> {
        self.title.as_str().or(self.name.as_str())
    }

    fn is_work(&self) -> bool {
        self.maintenance_start_time.as_str().is_some() || self.impact.as_str() == Some("maintenance")
    }

    fn is_over(&self) -> bool {
        self.resolved_at.as_str().is_some() || self.status.as_str() == Some("resolved")
    }
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"data\"").then(|| json::read(NAME, text).ok())??;
        body.data.is_some().then_some(body)
    }

    /// All incidents; `data` is one of them where one was asked for.
    fn incidents(&self) -> Result<Option<Vec<Thing<'d>>>, Unreadable> {
        let Some(data) = self.data else { return Ok(None) };
        if data.get().starts_with('{') {
            return Ok(json::element::<Thing>(data).map(|thing| vec![thing]));
        }
        if !data.get().starts_with('[') {
            return Ok(None);
        }
        let all = json::listed::<&RawValue, INCIDENTS_MAX>(Some(data), "incidents")?;
        Ok(Some(all.into_iter().filter_map(json::element::<Thing>).collect()))
    }
}

fn facts(thing: &Thing) -> Option<Facts> {
    let is_incident = thing.r#type.as_str().is_some_and(|kind| matches!(kind, "incident" | "incidents"));
    json::element::<Facts>(thing.attributes?).filter(|facts| is_incident && facts.is_one())
}

/// An empty list says nothing of itself.
fn recognise(document: &Document) -> Option<&'static str> {
    let things = Body::of(&document.text)?.incidents().ok()??;
    if things.iter().any(|thing| facts(thing).is_some()) {
        return Some("data with incidents of Zendesk's status API");
    }
    let path = document.url.filter(|url| url.host_str().is_some_and(|host| FORMAT.hosts.contains(&host)))?.path();
    (things.is_empty() && [ACTIVE, PLANNED].contains(&path)).then_some("an empty list where Zendesk lists its incidents")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no data"))?;
    let things = body.incidents()?.ok_or_else(|| Unreadable::shape(NAME, "its data is no list"))?;
    let incidents: Vec<(Thing, Facts)> = things.into_iter().filter_map(|thing| facts(&thing).map(|facts| (thing, facts))).collect();
    if incidents.is_empty() && body.data.is_some_and(|data| data.get().contains('{')) {
        return Err(Unreadable::shape(NAME, "its data is no list of incidents"));
    }
    let mut reader = Reader::default();
    for raw in body.included.within("included things")? {
        reader.learn(raw);
    }
    let mut page = Page::blank(NAME);
    let mut worst = None;
    for (thing, facts) in &incidents {
        let Some(id) = notes::id(thing.id.as_str()) else { continue };
        if facts.is_work() {
            page.maintenances.push(reader.maintenance(id, thing, facts)?);
        } else {
            worst = worst.max(Some(status(facts)).filter(|_| !facts.is_over()));
            page.incidents.push(reader.incident(id, thing, facts)?);
        }
    }
    page.overall = worst.unwrap_or(Status::Operational);
    // The web page lists what is over too, and which of them, nobody tells.
    let path = document.url.map_or("", |url| url.path());
    let lists = |other: &str, has: bool| if path.ends_with(other) && !has { Listing::Absent } else { Listing::OpenOnly };
    page.carries = Carries {
        components: false,
        incidents: lists(PLANNED, !page.incidents.is_empty()),
        maintenances: lists(ACTIVE, !page.maintenances.is_empty()),
    };
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader<'d> {
    /// By type and id.
    included: BTreeMap<(String, String), &'d RawValue>,
    notes: Notes,
    budget: Budget,
}

impl<'d> Reader<'d> {
    fn learn(&mut self, raw: &'d RawValue) {
        let Some(thing) = json::element::<Thing>(raw) else { return };
        if let (Some(kind), Some(id)) = (notes::id(thing.r#type.as_str()), notes::id(thing.id.as_str())) {
            let known = self.included.entry((kind, id)).or_insert(raw);
            if raw.get() < known.get() {
                *known = raw;
            }
        }
    }

    fn thing(&self, reference: &Reference) -> Option<Thing<'d>> {
        let key = (reference.r#type.as_str()?.to_owned(), reference.id.as_str()?.to_owned());
        self.included.get(&key).copied().and_then(json::element)
    }

    fn incident(&mut self, id: String, thing: &Thing, facts: &Facts) -> Result<Incident, Unreadable> {
        let title = self.notes.title(facts.title(), "Incident", &id);
        let word = self.notes.meaning("impact", facts.impact.as_str(), impact);
        let stage = self.notes.meaning("stage", facts.status.as_str(), stage);
        Ok(Incident {
            impact: word.unwrap_or_else(|| Some(if facts.outage.0 == Some(true) { Impact::Critical } else { Impact::Minor })),
            stage: if facts.is_over() { Some(Stage::Resolved) } else { stage },
            started_at: facts.started_at.instant(),
            resolved_at: facts.resolved_at.instant(),
            touches: self.touches(thing)?,
            updates: self.updates(thing)?,
            ..Incident::new(id, title)
        })
    }

    fn maintenance(&mut self, id: String, thing: &Thing, facts: &Facts) -> Result<Maintenance, Unreadable> {
        let title = self.notes.title(facts.title(), "Maintenance", &id);
        let stage = self.notes.meaning("stage", facts.status.as_str(), maintenance_stage);
        Ok(Maintenance {
            stage: if facts.is_over() { Some(Stage::Completed) } else { stage },
            starts_at: facts.maintenance_start_time.instant().or(facts.started_at.instant()),
            ends_at: facts.maintenance_end_time.instant(),
            touches: self.touches(thing)?,
            updates: self.updates(thing)?,
            ..Maintenance::new(id, title)
        })
    }

    fn updates(&mut self, thing: &Thing) -> Result<Vec<Update>, Unreadable> {
        let related = thing.relationships.0.as_ref().and_then(|r| r.incident_updates.0.as_ref()?.data);
        let mut updates = Vec::new();
        for reference in json::listed::<Reference, UPDATES_MAX>(related, "updates")? {
            self.budget.updates(1)?;
            let Some(words) = self.thing(&reference).and_then(|update| json::element::<Words>(update.attributes?)) else { continue };
            // One text may be referred to by many.
            let body = self.budget.copy(&self.notes.body(words.description.as_str()))?;
            updates.push(Update { at: words.created_at.instant(), stage: None, body });
        }
        Ok(updates)
    }

    /// Services, each behind a record of how this incident touches it.
    fn touches(&mut self, thing: &Thing) -> Result<Vec<Touched>, Unreadable> {
        let Some(relationships) = thing.relationships.0.as_ref() else { return Ok(Vec::new()) };
        let lists = [&relationships.incident_services, &relationships.services];
        let mut touches = Vec::new();
        for related in lists.into_iter().filter_map(|list| list.0.as_ref()?.data) {
            for reference in json::listed::<Reference, COMPONENTS_MAX>(Some(related), "services")? {
                self.budget.touched(1)?;
                let Some(found) = self.thing(&reference) else { continue };
                let behind = found.relationships.0.as_ref().and_then(|r| r.service.0.as_ref()?.data);
                let behind = behind.and_then(json::element::<Reference>);
                let service = behind.as_ref().and_then(|service| self.thing(service)).unwrap_or(found);
                let name = service.attributes.and_then(json::element::<Words>).and_then(|words| self.notes.line(words.name.as_str()));
                if let (Some(id), Some(name)) = (notes::id(service.id.as_str()), name) {
                    touches.push(Touched { id: Some(self.budget.copy(&id)?), name: self.budget.copy(&name)? });
                }
            }
        }
        Ok(touches)
    }
}

fn status(facts: &Facts) -> Status {
    if facts.outage.0 == Some(true) { Status::MajorOutage } else { Status::Degraded }
}

/// The words of <https://developer.zendesk.com/api-reference/status_api/status_api/>; `security` is no degree.
fn impact(word: &str) -> Option<Option<Impact>> {
    match word {
        "no impact" => Some(Some(Impact::None)),
        "security" => Some(None),
        _ => Impact::parse(word).map(Some),
    }
}

fn stage(word: &str) -> Option<Stage> {
    Stage::parse(word)
        .filter(|stage| matches!(stage, Stage::Investigating | Stage::Identified | Stage::Monitoring | Stage::Resolved | Stage::Postmortem))
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "resolved" => Some(Stage::Completed),
        _ => Stage::parse(word).filter(|stage| matches!(stage, Stage::Scheduled | Stage::InProgress | Stage::Verifying | Stage::Completed)),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn what_is_active_names_services_and_updates_that_are_included() {
        check(
            "zendesk",
            "active",
            r#"
                major_outage - OpenOnly OpenOnly
                i 902 major investigating 2031-03-04T09:00..? "Tickets cannot be opened" [Support, Chat] 2
                i 901 minor identified 2031-03-04T08:00..? "Slow search" [Support] 0
                i 904 - - 2031-03-04T07:00..? "A leak" [] 0
                i 903 critical monitoring 2031-03-04T06:00..? "Odd voices" [] 0
                m 905 scheduled 2031-03-09T08:00..2031-03-09T09:00 "New shelves" [] 0
                ? impact: dreadful
                ? stage: pondering
            "#,
        );
        let page = fixture(NAME, "active", None).unwrap();
        assert_eq!(page.incidents[0].updates[0].body, "Found.", "newest first");
    }

    #[test]
    fn what_the_web_page_reads_has_an_end_too() {
        check(
            "zendesk",
            "ssp-incidents",
            r#"
                degraded - OpenOnly OpenOnly
                i 801 minor monitoring 2031-03-04T08:00..? "Slow search" [Support] 0
                i 800 critical resolved 2031-03-03T08:00..2031-03-03T09:00 "Nothing worked" [] 0
            "#,
        );
    }

    #[test]
    fn an_empty_list_is_theirs_where_they_have_it() {
        fn empty(url: Option<&Url>) -> Document<'_> {
            Document { url, text: "{\"data\": [], \"included\": []}".into(), mapping: None }
        }
        assert!(recognise(&empty(None)).is_none());
        for (address, listings) in [
            ("https://status.zendesk.com/api/incidents/active", (Listing::OpenOnly, Listing::Absent)),
            ("https://status.zendesk.com/api/incidents/maintenance", (Listing::Absent, Listing::OpenOnly)),
        ] {
            let url = Url::parse(address).unwrap();
            assert!(recognise(&empty(Some(&url))).is_some(), "{address}");
            let page = parse(&empty(Some(&url))).unwrap();
            assert_eq!((page.overall, page.carries.incidents, page.carries.maintenances), (Status::Operational, listings.0, listings.1));
        }
        let elsewhere = Url::parse("https://status.beacon.example/api/incidents/active").unwrap();
        assert!(recognise(&empty(Some(&elsewhere))).is_none());
        for text in [r#"{"data": [{"type": "status_page", "attributes": {}}]}"#, r#"{"data": null}"#, r#"{"data": {"id": 1}}"#, "{}"] {
            assert!(parse(&Document { url: None, text: text.into(), mapping: None }).is_err(), "{text}");
        }
    }
}
