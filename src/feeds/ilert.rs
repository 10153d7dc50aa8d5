//! ilert: `/api/summary` of every public page (<https://docs.ilert.com/incident-comms-and-status-pages/status-pages>). No page was
//! captured: what is written here was learned from that documentation and from the objects of ilert's REST API.
//!
//! It lists what is open and what is planned, and there is no history of it. Work does not say whether it has begun.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "ilert";

pub const FORMAT: Format = Format { live: &["/api/summary"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'d> {
    name: Text,
    status: Text,
    #[serde(borrow)]
    services: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    maintenance_windows: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    id: Text,
    name: Text,
    status: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'d> {
    id: Text,
    summary: Text,
    status: Text,
    message: Text,
    description: Text,
    created_at: Text,
    updated_at: Text,
    resolved_on: Text,
    start: Text,
    end: Text,
    #[serde(borrow)]
    affected_services: Option<&'d RawValue>,
    #[serde(borrow)]
    services: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
    #[serde(borrow)]
    history: Option<&'d RawValue>,
}

/// With the service in it, or beside it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected<'d> {
    impact: Text,
    id: Text,
    name: Text,
    #[serde(borrow)]
    service: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Post {
    status: Text,
    message: Text,
    created_at: Text,
}

impl Event<'_> {
    fn id(&self) -> Option<String> {
        let when = self.created_at.as_str().or(self.start.as_str()).unwrap_or_default();
        let made_up = || Some(format!("{} {when}", self.summary.as_str()?));
        notes::id(self.id.as_str()).or_else(|| notes::id(made_up().as_deref()))
    }
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"services\"").then(|| json::read(NAME, text).ok())??;
        let is_verdict = |word: &str| status(word).is_some() || body.maintenance_windows.is_there();
        let is_one = body.services.is_there() && body.status.as_str().is_some_and(is_verdict);
        // An upper-case word alone is nobody's: another list of theirs is there, or what is listed has such words too.
        let has_more = body.incidents.is_there() || body.maintenance_windows.is_there();
        (is_one && has_more).then_some(body)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "status, services, incidents or maintenanceWindows of ilert")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no status, services and incidents"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    page.name = reader.notes.line(body.name.as_str());
    for raw in body.services.within("components")? {
        page.components.extend(json::element::<Service>(raw).and_then(|service| reader.service(&service)));
    }
    let listing = |is_there| if is_there { Listing::OpenOnly } else { Listing::Absent };
    page.carries = Carries {
        components: true,
        incidents: listing(body.incidents.is_there()),
        maintenances: listing(body.maintenance_windows.is_there()),
    };
    for raw in body.incidents.within("incidents")? {
        page.incidents.extend(reader.incident(raw)?);
    }
    for raw in body.maintenance_windows.within("maintenances")? {
        page.maintenances.extend(reader.maintenance(raw)?);
    }
    let verdict = reader.notes.meaning("status", body.status.as_str(), status);
    let by_components = Status::roll_up(page.components.iter().map(|c| c.status));
    page.overall = by_components.or(verdict).unwrap_or(Status::Unknown);
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader {
    /// By id.
    names: BTreeMap<String, String>,
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn service(&mut self, service: &Service) -> Option<Component> {
        let id = notes::id(service.id.as_str().or(service.name.as_str()))?;
        let name = self.notes.line(service.name.as_str()).unwrap_or_else(|| id.clone());
        if name != id {
            let known = self.names.entry(id.clone()).or_insert_with(|| name.clone());
            if name < *known {
                known.clone_from(&name);
            }
        }
        let status = self.notes.meaning("status", service.status.as_str(), status).unwrap_or(Status::Unknown);
        Some(Component { id, name, group: None, region: None, status })
    }

    fn incident(&mut self, raw: &RawValue) -> Result<Option<Incident>, Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(None) };
        let Some(id) = event.id() else { return Ok(None) };
        let title = self.notes.title(event.summary.as_str(), "Incident", &id);
        let stage = self.notes.meaning("stage", event.status.as_str(), stage);
        let (touches, worst) = self.touches(event.affected_services)?;
        Ok(Some(Incident {
            impact: worst.and_then(Impact::of),
            stage,
            started_at: event.created_at.instant(),
            resolved_at: event.resolved_on.instant().filter(|_| stage.is_none_or(Stage::is_over)),
            touches,
            updates: self.updates(&event)?,
            ..Incident::new(id, title)
        }))
    }

    fn maintenance(&mut self, raw: &RawValue) -> Result<Option<Maintenance>, Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(None) };
        let Some(id) = event.id() else { return Ok(None) };
        let title = self.notes.title(event.summary.as_str(), "Maintenance", &id);
        let (mut touches, _) = self.touches(event.affected_services)?;
        touches.extend(self.touches(event.services)?.0);
        let body = self.notes.body(event.description.as_str());
        Ok(Some(Maintenance {
            starts_at: event.start.instant(),
            ends_at: event.end.instant(),
            touches,
            updates: if body.is_empty() { Vec::new() } else { vec![Update { at: event.created_at.instant(), stage: None, body }] },
            ..Maintenance::new(id, title)
        }))
    }

    /// And the worst that is said of them.
    fn touches(&mut self, list: Option<&RawValue>) -> Result<(Vec<Touched>, Option<Status>), Unreadable> {
        let (mut touches, mut worst) = (Vec::new(), None);
        for affected in json::listed::<Affected, COMPONENTS_MAX>(list, "affected services")? {
            self.budget.touched(1)?;
            worst = worst.max(self.notes.meaning("impact", affected.impact.as_str(), status));
            let inner = affected.service.and_then(json::element::<Service>).unwrap_or_default();
            let id = notes::id(inner.id.as_str().or(affected.id.as_str()));
            let name = match id.as_ref().and_then(|id| self.names.get(id)) {
                Some(known) => Some(self.budget.copy(known)?),
                None => self.notes.line(inner.name.as_str().or(affected.name.as_str())).or_else(|| id.clone()),
            };
            touches.extend(name.map(|name| Touched { id, name }));
        }
        Ok((touches, worst))
    }

    /// All of them; where they are not listed, the last one stands in the incident itself.
    fn updates(&mut self, event: &Event) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.updates.or(event.history), "updates")?;
        self.budget.updates(posts.len())?;
        let own = Post { status: event.status.clone(), message: event.message.clone(), created_at: event.updated_at.clone() };
        let own = Some(&own).filter(|own| posts.is_empty() && own.message.as_str().is_some());
        let update = |post: &Post| Update {
            at: post.created_at.instant(),
            stage: self.notes.meaning("stage", post.status.as_str(), stage),
            body: self.notes.body(post.message.as_str()),
        };
        Ok(posts.iter().chain(own).map(update).collect())
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "OPERATIONAL" => Some(Status::Operational),
        "UNDER_MAINTENANCE" => Some(Status::Maintenance),
        "DEGRADED" => Some(Status::Degraded),
        "PARTIAL_OUTAGE" => Some(Status::PartialOutage),
        "MAJOR_OUTAGE" => Some(Status::MajorOutage),
        _ => None,
    }
}

fn stage(word: &str) -> Option<Stage> {
    match word {
        "INVESTIGATING" => Some(Stage::Investigating),
        "IDENTIFIED" => Some(Stage::Identified),
        "MONITORING" => Some(Stage::Monitoring),
        "RESOLVED" => Some(Stage::Resolved),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn an_incident_is_as_bad_as_what_it_does_to_the_worst_service() {
        check(
            "ilert",
            "summary-busy",
            r#"
                partial_outage components OpenOnly OpenOnly
                c 1 Bells: major_outage
                c 2 Horns: maintenance
                c 3 Drums: unknown
                c 4 Strings: operational
                i 71 critical monitoring 2031-03-04T09:00..? "No bells" [Bells, Strings] 1
                i 72 - - 2031-03-04T08:00..? "Odd drums" [Drums] 1
                i 70 minor resolved 2031-03-03T09:00..2031-03-03T10:00 "Slow strings" [Strings] 2
                m 73 - 2031-03-04T07:00..2031-03-04T11:00 "New horns" [Horns] 1
                ? impact: LOUD
                ? stage: PONDERING
                ? status: LOUD
            "#,
        );
        check("ilert", "summary-quiet", "operational components OpenOnly OpenOnly\nc 1 Bells: operational");
        check("ilert", "summary-no-services", "degraded components OpenOnly Absent");
    }

    #[test]
    fn others_have_services_too() {
        for text in [
            r#"{"status": "OPERATIONAL", "services": []}"#,
            r#"{"status": "ok", "services": [], "incidents": []}"#,
            r#"{"status": {"a": 1}, "services": [], "incidents": []}"#,
            r#"{"services": [], "incidents": []}"#,
        ] {
            assert!(recognise(&Document { url: None, text: text.into(), mapping: None }).is_none(), "{text}");
        }
    }
}
