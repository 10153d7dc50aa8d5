//! Rootly: `/api/v1/status.json` on the own domain of a page (<https://docs.rootly.com/configuration/status-page-public-api>). No
//! page was captured: what is written here was learned from that documentation.
//!
//! It looks like a Statuspage, but `page` has no id and neither have incidents: they go by their address. What tells it from
//! other look-alikes, which have a verdict and nothing else, is the list of active incidents. Of components it says nothing, and
//! there is no history.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::statuspage::api::{About, Verdict};
use super::{Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Impact, Incident, Listing, Maintenance, Stage, Status, Update};

const NAME: &str = "rootly";

pub const FORMAT: Format =
    Format { live: &["/api/v1/status.json"], parts: &["/api/v1/incidents.json"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    page: Lax<About>,
    status: Lax<Verdict>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    components: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    name: Text,
    status: Text,
    impact: Text,
    started_at: Text,
    resolved_at: Text,
    scheduled_for: Text,
    scheduled_until: Text,
    url: Text,
    #[serde(borrow)]
    incident_updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    body: Text,
    status: Text,
    created_at: Text,
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"incidents\"").then(|| json::read(NAME, text).ok())??;
        let about = body.page.0.as_ref().filter(|page| page.id.as_str().is_none() && page.name.as_str().is_some());
        (about.is_some() && body.incidents.is_there() && body.components.is_none()).then_some(body)
    }
}

impl Event<'_> {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.name.as_str()?, self.started_at.as_str().unwrap_or_default()));
        notes::id(self.id.as_str().or(self.url.as_str())).or_else(|| notes::id(made_up().as_deref()))
    }

    fn is_work(&self) -> bool {
        matches!(self.status.as_str(), Some("scheduled" | "in_progress" | "verifying" | "completed"))
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "page without id, incidents")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no page without an id, or no incidents"))?;
    let mut reader = Reader::default();
    let about = body.page.0.unwrap_or_default();
    let mut page = Page::blank(NAME);
    page.name = reader.notes.line(about.name.as_str());
    page.url = notes::link(about.url.as_str());
    page.updated_at = about.updated_at.instant();
    for raw in body.incidents.within("incidents")? {
        let Some(event) = json::element::<Event>(raw) else { continue };
        let Some(id) = event.id() else { continue };
        if event.is_work() {
            page.maintenances.push(reader.maintenance(id, &event)?);
        } else {
            page.incidents.push(reader.incident(id, &event)?);
        }
    }
    let verdict = body.status.0.unwrap_or_default();
    let verdict = reader.notes.meaning("indicator", verdict.indicator.as_str(), indicator);
    page.overall = Status::worst(verdict.into_iter().chain(Status::by_incidents(&page.incidents))).unwrap_or(Status::Unknown);
    page.carries = Carries { components: false, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly };
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn incident(&mut self, id: String, event: &Event) -> Result<Incident, Unreadable> {
        let title = self.notes.title(event.name.as_str(), "Incident", &id);
        let updates = self.updates(event, incident_stage)?;
        let newest = updates.iter().filter(|update| update.stage.is_some()).max();
        let stated = self.notes.meaning("stage", event.status.as_str(), incident_stage);
        // What the page calls it is finer than what the incident is inside.
        let stage = stated.filter(|stage| stage.is_over()).or(newest.and_then(|update| update.stage)).or(stated);
        Ok(Incident {
            impact: self.notes.meaning("impact", event.impact.as_str(), Impact::parse),
            stage,
            started_at: event.started_at.instant(),
            resolved_at: event.resolved_at.instant().filter(|_| stage.is_none_or(Stage::is_over)),
            url: notes::link(event.url.as_str()),
            updates,
            ..Incident::new(id, title)
        })
    }

    fn maintenance(&mut self, id: String, event: &Event) -> Result<Maintenance, Unreadable> {
        let title = self.notes.title(event.name.as_str(), "Maintenance", &id);
        Ok(Maintenance {
            stage: self.notes.meaning("stage", event.status.as_str(), maintenance_stage),
            starts_at: event.scheduled_for.instant().or(event.started_at.instant()),
            ends_at: event.scheduled_until.instant(),
            url: notes::link(event.url.as_str()),
            updates: self.updates(event, maintenance_stage)?,
            ..Maintenance::new(id, title)
        })
    }

    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.incident_updates, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: &Post| Update {
            at: post.created_at.instant(),
            stage: self.notes.meaning("stage", post.status.as_str(), stage),
            body: self.notes.body(post.body.as_str()),
        };
        Ok(posts.iter().map(update).collect())
    }
}

fn indicator(word: &str) -> Option<Status> {
    match word {
        "none" => Some(Status::Operational),
        "maintenance" => Some(Status::Maintenance),
        "minor" => Some(Status::Degraded),
        "major" => Some(Status::PartialOutage),
        "critical" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// What is posted on a page, and what an incident is called inside.
fn incident_stage(word: &str) -> Option<Stage> {
    match word {
        "investigating" | "in_triage" | "started" | "detected" | "acknowledged" => Some(Stage::Investigating),
        "identified" => Some(Stage::Identified),
        "monitoring" | "mitigated" => Some(Stage::Monitoring),
        "resolved" | "closed" | "cancelled" => Some(Stage::Resolved),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    Stage::parse(word).filter(|stage| matches!(stage, Stage::Scheduled | Stage::InProgress | Stage::Verifying | Stage::Completed))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn active_incidents_go_by_their_address() {
        check(
            "rootly",
            "status-busy",
            r#"
                major_outage - OpenOnly OpenOnly
                i https://status.beacon.example/incidents/b2 critical identified 2031-03-04T10:30..? "No signal" [] 2
                i https://status.beacon.example/incidents/b1 minor investigating 2031-03-04T09:30..? "Dim lamps" [] 0
                i Odd lamps 2031-03-04T08:30:00Z - - 2031-03-04T08:30..? "Odd lamps" [] 1
                i https://status.beacon.example/incidents/b0 none resolved 2031-03-03T08:30..2031-03-03T09:00 "Late lamps" [] 0
                m https://status.beacon.example/incidents/b3 in_progress 2031-03-04T07:00..? "New lamps" [] 1
                ? impact: dreadful
                ? stage: pondering
            "#,
        );
        let page = fixture(NAME, "status-busy", None).unwrap();
        assert_eq!((page.name.as_deref(), page.url.as_deref()), (Some("Beacon"), Some("https://status.beacon.example")));
    }

    #[test]
    fn a_page_is_as_bad_as_the_worse_of_its_verdict_and_its_incidents() {
        check("rootly", "status-quiet", "operational - OpenOnly OpenOnly");
        check("rootly", "status-maintenance", "maintenance - OpenOnly OpenOnly");
        check("rootly", "status-unheard", "unknown - OpenOnly OpenOnly\n? indicator: purple");
        check(
            "rootly",
            "incidents",
            "degraded - OpenOnly OpenOnly\ni https://status.beacon.example/incidents/b1 minor investigating 2031-03-04T09:30..? \"Dim lamps\" [] 0",
        );
    }

    #[test]
    fn a_statuspage_is_none_of_theirs() {
        for text in [
            r#"{"page": {"id": "lanternqx001", "name": "Lantern"}, "status": {"indicator": "none"}, "incidents": []}"#,
            r#"{"page": {"name": "Lantern"}, "status": {"indicator": "none"}}"#,
            r#"{"page": {"name": "Lantern"}, "status": {"indicator": "none"}, "incidents": null}"#,
            r#"{"page": {"name": "Lantern"}, "components": [], "incidents": []}"#,
            r#"{"page": [], "incidents": []}"#,
        ] {
            assert!(recognise(&Document { url: None, text: text.into(), mapping: None }).is_none(), "{text}");
        }
    }
}
