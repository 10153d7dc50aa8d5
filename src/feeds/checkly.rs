//! Checkly: the open incidents of a status page made with it, as its web page asks for them
//! (`/api/status-page/NAME/unresolved-incidents`). Nobody's interface: known from one captured page and from the code of another
//! client.
//!
//! Nothing listed is nothing open. There is no list of components, and no history: what is no longer listed is over.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "checkly";
const LAST: &str = "/unresolved-incidents";

pub const FORMAT: Format = Format { live: &["{root}/api/status-page/{last}/unresolved-incidents"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    page: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'d> {
    id: Text,
    name: Text,
    severity: Text,
    last_update_status: Text,
    #[serde(rename = "created_at")]
    created_at: Text,
    #[serde(borrow)]
    services: Option<&'d RawValue>,
    #[serde(borrow)]
    incident_updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Post {
    status: Text,
    description: Text,
    public_incident_update_date: Text,
    #[serde(rename = "created_at")]
    created_at: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service {
    id: Text,
    name: Text,
}

impl<'d> Body<'d> {
    /// An empty list says nothing of itself.
    fn of(document: &'d Document) -> Option<Body<'d>> {
        let body: Body<'d> = document.text.contains("\"incidents\"").then(|| json::read(NAME, &document.text).ok())??;
        let incidents = body.incidents.0.as_ref().filter(|_| body.page.is_none())?;
        let is_one = incidents.iter().filter_map(|raw| json::element::<Event>(raw)).any(|event| event.is_one());
        let is_here = document.url.is_some_and(|url| url.path().ends_with(LAST));
        (is_one || (incidents.is_empty() && is_here)).then_some(body)
    }
}

impl Event<'_> {
    fn is_one(&self) -> bool {
        self.last_update_status.as_str().is_some() && self.incident_updates.is_some_and(|raw| raw.get().starts_with('['))
    }

    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.name.as_str()?, self.created_at.as_str().unwrap_or_default()));
        notes::id(self.id.as_str()).or_else(|| notes::id(made_up().as_deref()))
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(document).map(|_| "incidents with lastUpdateStatus, incidentUpdates")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(document).or_else(|| empty(document));
    let body = body.ok_or_else(|| Unreadable::shape(NAME, "it has no incidents with lastUpdateStatus, incidentUpdates"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    for raw in body.incidents.within("incidents")? {
        let Some(event) = json::element::<Event>(raw) else { continue };
        let Some(id) = event.id() else { continue };
        if is(&event, "MAINTENANCE") {
            page.maintenances.push(reader.maintenance(id, &event)?);
        } else {
            page.incidents.push(reader.incident(id, &event)?);
        }
    }
    let at_work = page.maintenances.iter().any(|m| m.stage == Some(Stage::InProgress)).then_some(Status::Maintenance);
    page.overall = Status::worst(Status::by_incidents(&page.incidents).into_iter().chain(at_work)).unwrap_or(Status::Operational);
    page.carries = Carries { components: false, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly };
    page.oddities = reader.notes.oddities();
    Ok(page)
}

/// Nothing but an empty list: of whoever says that it is one of theirs.
fn empty<'d>(document: &'d Document) -> Option<Body<'d>> {
    let body: Body<'d> = json::read(NAME, &document.text).ok()?;
    (body.incidents.0.as_ref().is_some_and(Vec::is_empty) && body.page.is_none()).then_some(body)
}

fn is(event: &Event, severity: &str) -> bool {
    event.severity.as_str().is_some_and(|word| word.eq_ignore_ascii_case(severity))
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn incident(&mut self, id: String, event: &Event) -> Result<Incident, Unreadable> {
        let title = self.notes.title(event.name.as_str(), "Incident", &id);
        Ok(Incident {
            impact: self.notes.meaning("impact", event.severity.as_str(), impact),
            stage: self.notes.meaning("stage", event.last_update_status.as_str(), incident_stage),
            started_at: event.created_at.instant(),
            touches: self.touches(event)?,
            updates: self.updates(event, incident_stage)?,
            ..Incident::new(id, title)
        })
    }

    fn maintenance(&mut self, id: String, event: &Event) -> Result<Maintenance, Unreadable> {
        let title = self.notes.title(event.name.as_str(), "Maintenance", &id);
        Ok(Maintenance {
            stage: self.notes.meaning("stage", event.last_update_status.as_str(), maintenance_stage),
            touches: self.touches(event)?,
            updates: self.updates(event, maintenance_stage)?,
            ..Maintenance::new(id, title)
        })
    }

    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let services = json::listed::<Service, COMPONENTS_MAX>(event.services, "services")?;
        self.budget.touched(services.len())?;
        let touched = |service: &Service| {
            let id = notes::id(service.id.as_str());
            Some(Touched { name: self.notes.line(service.name.as_str()).or_else(|| id.clone())?, id })
        };
        Ok(services.iter().filter_map(touched).collect())
    }

    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.incident_updates, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: &Post| Update {
            at: post.public_incident_update_date.instant().or(post.created_at.instant()),
            stage: self.notes.meaning("stage", post.status.as_str(), stage),
            body: self.notes.body(post.description.as_str()),
        };
        Ok(posts.iter().map(update).collect())
    }
}

fn impact(word: &str) -> Option<Impact> {
    match word.to_ascii_uppercase().as_str() {
        "MINOR" | "MEDIUM" => Some(Impact::Minor),
        "MAJOR" => Some(Impact::Major),
        "CRITICAL" => Some(Impact::Critical),
        _ => None,
    }
}

fn incident_stage(word: &str) -> Option<Stage> {
    Stage::parse(&word.to_ascii_lowercase())
        .filter(|stage| matches!(stage, Stage::Investigating | Stage::Identified | Stage::Monitoring | Stage::Resolved | Stage::Postmortem))
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    let stage = Stage::parse(&word.to_ascii_lowercase())?;
    matches!(stage, Stage::Scheduled | Stage::InProgress | Stage::Verifying | Stage::Completed).then_some(stage)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn what_is_listed_is_open() {
        check(
            "checkly",
            "busy",
            r#"
                major_outage - OpenOnly OpenOnly
                i in-2 critical identified 2031-03-04T09:00..? "Nothing can be looked up" [Lookup] 2
                i in-1 minor monitoring 2031-03-04T08:00..? "Slow answers" [Lookup, Sign-in] 1
                i in-3 - investigating 2031-03-04T07:00..? "Odd answers" [sv-9] 1
                i in-4 - - ?..? "Incident in-4" [] 0
                m in-5 in_progress ?..? "New shelves" [Lookup] 1
                ? impact: UNHEARD
                ? stage: PONDERING
            "#,
        );
    }

    #[test]
    fn an_empty_list_is_theirs_where_they_have_it() {
        let here = "https://status.beacon.example/api/status-page/beacon/unresolved-incidents";
        let document = || Document { url: None, text: "{\"incidents\":[]}".into(), mapping: None };
        assert!(recognise(&document()).is_none());
        assert_eq!(parse(&document()).unwrap().overall, Status::Operational);
        let url = url::Url::parse(here).unwrap();
        assert!(recognise(&Document { url: Some(&url), ..document() }).is_some());
        assert!(fixture(NAME, "refused-other-incidents", None).is_err());
        for text in ["{\"incidents\":[],\"page\":{}}", "{\"incidents\":[{\"name\":\"a\"}]}", "{\"incidents\":null}", "{}"] {
            assert!(parse(&Document { url: None, text: text.into(), mapping: None }).is_err(), "{text}");
        }
    }
}
