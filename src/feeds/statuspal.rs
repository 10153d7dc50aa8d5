//! Statuspal: `/api/v2/status_pages/NAME/summary` on statuspal.io or, for pages in Europe, statuspal.eu
//! (<https://www.statuspal.io/api-docs/v2>). No page was captured: what is written here was learned from that documentation, its
//! examples and the code of other clients.
//!
//! Services are a tree, of which the leaves count. Times are UTC without a zone. What is active and what is planned is listed,
//! and nothing else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use url::Url;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, times};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "statuspal";
const HOSTS: &[&str] = &["statuspal.io", "statuspal.eu"];
/// Services below services, below services...: more is not looked at.
const DEPTH_MAX: usize = 8;

pub const FORMAT: Format =
    Format { hosts: HOSTS, live: &["{root}/api/v2/status_pages/{last}/summary"], hint: Some(hint), ..Format::new(NAME, recognise, parse) };

/// A page at `NAME.statuspal.io` has its document at `statuspal.io`.
fn hint(web_page: &Document) -> Vec<Url> {
    let Some(host) = web_page.url.and_then(Url::host_str) else { return Vec::new() };
    let document = |at: &&str| {
        let name = host.strip_suffix(*at)?.strip_suffix('.')?;
        Url::parse(&format!("https://{at}/api/v2/status_pages/{name}/summary")).ok().filter(|_| !name.contains('.') && name != "www")
    };
    HOSTS.iter().filter_map(document).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    status_page: Lax<About>,
    #[serde(borrow)]
    services: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    maintenances: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    upcoming_maintenances: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct About {
    name: Text,
    url: Text,
    current_incident_type: Word,
}

/// `null` is what is well; without the key nothing is known.
#[derive(Clone, Default, PartialEq)]
enum Word {
    #[default]
    Missing,
    Well,
    Is(String),
}

impl<'d> Deserialize<'d> for Word {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(d)?.get();
        let text: Text = serde_json::from_str(raw).unwrap_or_default();
        Ok(match text.as_str() {
            _ if raw == "null" => Word::Well,
            Some(word) => Word::Is(word.to_owned()),
            None => Word::Missing,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service<'d> {
    id: Text,
    name: Text,
    current_incident_type: Word,
    #[serde(borrow)]
    children: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    title: Text,
    r#type: Text,
    starts_at: Text,
    ends_at: Text,
    inserted_at: Text,
    url: Text,
    current_status: Lax<Said>,
    #[serde(borrow)]
    service_ids: Option<&'d RawValue>,
    #[serde(borrow)]
    services: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    r#type: Text,
    description: Text,
    posted_at: Text,
    inserted_at: Text,
}

impl Event<'_> {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.title.as_str()?, self.starts_at.as_str().unwrap_or_default()));
        notes::id(self.id.as_str().or(self.url.as_str())).or_else(|| notes::id(made_up().as_deref()))
    }
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"status_page\"").then(|| json::read(NAME, text).ok())??;
        let about = body.status_page.0.as_ref()?;
        let is_one = about.current_incident_type != Word::Missing || (about.name.as_str().is_some() && body.incidents.is_there());
        (is_one && body.services.is_there()).then_some(body)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "status_page, services of Statuspal")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no status_page with services"))?;
    let mut reader = Reader::default();
    let about = body.status_page.0.unwrap_or_default();
    for raw in body.services.within("components")? {
        reader.service(raw, None, 1)?;
    }
    let mut page = Page::blank(NAME);
    page.name = reader.notes.line(about.name.as_str());
    page.url = notes::link(about.url.as_str()).or_else(|| notes::link(Some(&format!("https://{}", about.url.as_str()?))));
    page.carries = Carries { components: true, incidents: listing(&body.incidents), maintenances: listing(&body.maintenances) };
    for raw in body.incidents.within("incidents")? {
        page.incidents.extend(reader.incident(raw)?);
    }
    for (events, stage) in [(body.maintenances, Stage::InProgress), (body.upcoming_maintenances, Stage::Scheduled)] {
        for raw in events.within("maintenances")? {
            page.maintenances.extend(reader.maintenance(raw, stage)?);
        }
    }
    page.components = std::mem::take(&mut reader.components);
    let verdict = reader.status(&about.current_incident_type);
    // Of the page alone it is not known whether all of it is down.
    let verdict = if verdict == Status::MajorOutage { Status::PartialOutage } else { verdict };
    page.overall = Status::roll_up(page.components.iter().map(|c| c.status)).unwrap_or(verdict);
    page.oddities = reader.notes.oddities();
    Ok(page)
}

fn listing<const MAX: usize>(events: &List<&RawValue, MAX>) -> Listing {
    if events.is_there() { Listing::OpenOnly } else { Listing::Absent }
}

#[derive(Default)]
struct Reader {
    components: Vec<Component>,
    /// Of every service, also of those with others below them, by id.
    names: BTreeMap<String, String>,
    notes: Notes,
    budget: Budget,
}

impl Reader {
    /// Whether it is one; those below it stand for it.
    fn service(&mut self, raw: &RawValue, group: Option<&str>, depth: usize) -> Result<bool, Unreadable> {
        let Some(service) = json::element::<Service>(raw) else { return Ok(false) };
        let Some(id) = notes::id(service.id.as_str().or(service.name.as_str())) else { return Ok(false) };
        let name = self.notes.line(service.name.as_str()).unwrap_or_else(|| id.clone());
        let mut has_children = false;
        if depth < DEPTH_MAX {
            let path = group.map_or_else(|| name.clone(), |group| format!("{group} / {name}"));
            let path = self.notes.line(Some(&path));
            for child in json::listed::<&RawValue, COMPONENTS_MAX>(service.children, "components")? {
                has_children |= self.service(child, path.as_deref(), depth + 1)?;
            }
        }
        if name != id {
            let known = self.names.entry(id.clone()).or_insert_with(|| name.clone());
            if name < *known {
                known.clone_from(&name);
            }
        }
        if !has_children {
            let group = group.map(|group| self.budget.copy(group)).transpose()?;
            let status = self.status(&service.current_incident_type);
            self.components.push(Component { id, name, group, region: None, status });
        }
        if self.components.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
        Ok(true)
    }

    fn status(&mut self, word: &Word) -> Status {
        match word {
            Word::Well => Status::Operational,
            Word::Missing => Status::Unknown,
            Word::Is(word) => self.notes.meaning("status", Some(word), status).unwrap_or(Status::Unknown),
        }
    }

    fn incident(&mut self, raw: &RawValue) -> Result<Option<Incident>, Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(None) };
        let Some(id) = event.id() else { return Ok(None) };
        let title = self.notes.title(event.title.as_str(), "Incident", &id);
        let updates = self.updates(&event, stage)?;
        let newest = updates.iter().filter(|update| update.stage.is_some()).max().and_then(|update| update.stage);
        let ends_at = event.ends_at.as_str().and_then(times::utc);
        Ok(Some(Incident {
            impact: self.notes.meaning("impact", event.r#type.as_str(), impact),
            stage: if ends_at.is_some() { Some(Stage::Resolved) } else { newest },
            started_at: event.starts_at.as_str().or(event.inserted_at.as_str()).and_then(times::utc),
            resolved_at: ends_at,
            url: notes::link(event.url.as_str()),
            touches: self.touches(&event)?,
            updates,
            ..Incident::new(id, title)
        }))
    }

    fn maintenance(&mut self, raw: &RawValue, stage: Stage) -> Result<Option<Maintenance>, Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(None) };
        let Some(id) = event.id() else { return Ok(None) };
        let title = self.notes.title(event.title.as_str(), "Maintenance", &id);
        Ok(Some(Maintenance {
            stage: Some(stage),
            starts_at: event.starts_at.as_str().and_then(times::utc),
            ends_at: event.ends_at.as_str().and_then(times::utc),
            url: notes::link(event.url.as_str()),
            touches: self.touches(&event)?,
            updates: self.updates(&event, |_| Some(None))?,
            ..Maintenance::new(id, title)
        }))
    }

    /// All of them; where they are not listed, the one that stands for the state of now.
    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Option<Stage>>) -> Result<Vec<Update>, Unreadable> {
        let listed = json::listed::<Said, UPDATES_MAX>(event.updates, "updates")?;
        self.budget.updates(listed.len())?;
        let current = event.current_status.0.as_ref().filter(|_| listed.is_empty());
        let update = |said: &Said| Update {
            at: said.posted_at.as_str().or(said.inserted_at.as_str()).and_then(times::utc),
            stage: self.notes.meaning("stage", said.r#type.as_str(), stage).flatten(),
            body: self.notes.body(said.description.as_str()),
        };
        Ok(listed.iter().chain(current).map(update).collect())
    }

    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let mut touches = Vec::new();
        for id in json::listed::<Text, COMPONENTS_MAX>(event.service_ids, "services")? {
            touches.extend(self.touched(&id, &Text::default())?);
        }
        for service in json::listed::<Service, COMPONENTS_MAX>(event.services, "services")? {
            touches.extend(self.touched(&service.id, &service.name)?);
        }
        Ok(touches)
    }

    fn touched(&mut self, id: &Text, printed: &Text) -> Result<Option<Touched>, Unreadable> {
        self.budget.touched(1)?;
        let id = notes::id(id.as_str());
        let name = match id.as_ref().and_then(|id| self.names.get(id)) {
            Some(known) => Some(self.budget.copy(known)?),
            None => self.notes.line(printed.as_str()).or_else(|| id.clone()),
        };
        Ok(name.map(|name| Touched { id, name }))
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "minor" => Some(Status::Degraded),
        "major" => Some(Status::MajorOutage),
        "scheduled" | "maintenance" => Some(Status::Maintenance),
        _ => None,
    }
}

fn impact(word: &str) -> Option<Impact> {
    match word {
        "minor" => Some(Impact::Minor),
        "major" => Some(Impact::Major),
        "scheduled" | "maintenance" => Some(Impact::None),
        _ => None,
    }
}

/// What an update is of; not all are of a stage.
fn stage(word: &str) -> Option<Option<Stage>> {
    match word {
        "investigating" => Some(Some(Stage::Investigating)),
        "issue" | "identified" => Some(Some(Stage::Identified)),
        "monitoring" => Some(Some(Stage::Monitoring)),
        "resolved" => Some(Some(Stage::Resolved)),
        "update" | "retroactive" | "scheduled" => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn the_leaves_of_the_tree_count() {
        check(
            "statuspal",
            "summary-busy",
            r#"
                partial_outage components OpenOnly OpenOnly
                c 3 East / Storage / Disks: major_outage
                c 4 East / Storage / Tapes: operational
                c 5 East / Network: degraded
                c 6 Portal: maintenance
                c 7 Lab: unknown
                c 8 Shed: unknown
                i 92 - - 2031-03-04T10:00..? "Odd labs" [Lab] 1
                i 91 major identified 2031-03-04T09:00..? "Disks are away" [Storage, Disks] 2
                i 90 minor resolved 2031-03-03T09:00..2031-03-03T10:00 "Slow network" [Network] 1
                m 94 scheduled 2031-03-09T09:00..2031-03-09T10:00 "New tapes" [99] 0
                m 93 in_progress 2031-03-04T08:00..2031-03-04T12:00 "New portal" [Portal] 1
                ? impact: custom-type
                ? stage: pondering
                ? status: custom-type
            "#,
        );
        let page = fixture(NAME, "summary-busy", None).unwrap();
        assert_eq!((page.name.as_deref(), page.url.as_deref()), (Some("Ferry Hosting"), Some("https://status.ferry.example")));
    }

    #[test]
    fn a_page_without_services_is_what_it_says_it_is() {
        check("statuspal", "status-quiet", "operational components OpenOnly OpenOnly\nc 6 Portal: operational");
        check("statuspal", "status-major", "partial_outage components Absent Absent");
    }

    #[test]
    fn a_deep_tree_is_read_as_far_as_it_is_sensible() {
        let depth = 10_000;
        let (open, close) = ("{\"id\": 1, \"current_incident_type\": null, \"children\": [".repeat(depth), "]}".repeat(depth));
        let text = format!("{{\"status_page\": {{\"current_incident_type\": null}}, \"services\": [{open}{close}]}}");
        let page = parse(&Document { url: None, text: text.into(), mapping: None }).unwrap();
        assert_eq!((page.components.len(), page.overall), (1, Status::Operational));
    }

    #[test]
    fn a_page_below_theirs_names_its_document() {
        for (page, document) in [
            ("https://ferry.statuspal.eu/", Some("https://statuspal.eu/api/v2/status_pages/ferry/summary")),
            ("https://www.statuspal.io/", None),
            ("https://status.ferry.example/", None),
        ] {
            let url = Url::parse(page).unwrap();
            let hinted = hint(&Document { url: Some(&url), text: "<html>".into(), mapping: None });
            assert_eq!(hinted.first().map(Url::as_str), document, "{page}");
        }
    }
}
