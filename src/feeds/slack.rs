//! Slack: <https://docs.slack.dev/reference/slack-status-api>, what is open now and everything that ever was.
//!
//! Components are not listed: of those that no open incident names, the page says nothing is wrong with them. What an entry is
//! stands in its `type`, which is its impact and tells maintenance from incidents; stages are not told. Services were called
//! otherwise in other years.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "slack";
const HISTORY: &str = "/api/v2.0.0/history";

pub const FORMAT: Format = Format {
    hosts: &["slack-status.com", "status.slack.com"],
    live: &["{root}/api/v2.0.0/current"],
    history: &["{root}/api/v2.0.0/history"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Current<'d> {
    status: Text,
    date_updated: Text,
    #[serde(borrow)]
    active_incidents: List<&'d RawValue, INCIDENTS_MAX>,
}

/// An incident or a maintenance.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    date_created: Text,
    date_updated: Text,
    title: Text,
    r#type: Text,
    status: Text,
    url: Text,
    #[serde(borrow)]
    services: Option<&'d RawValue>,
    #[serde(borrow)]
    notes: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Note {
    date_created: Text,
    body: Text,
}

impl Event<'_> {
    fn is_one(&self) -> bool {
        let are_lists = [self.services, self.notes].iter().all(|raw| raw.is_some_and(|raw| raw.get().starts_with('[')));
        are_lists && self.date_created.as_str().is_some() && self.r#type.as_str().is_some()
    }
}

fn current(text: &str) -> Option<Current<'_>> {
    let current: Current = text.contains("\"active_incidents\"").then(|| json::read(NAME, text).ok())??;
    (current.status.as_str().is_some() && current.active_incidents.is_there()).then_some(current)
}

fn past(document: &Document) -> Option<&'static str> {
    let text = &document.text;
    let is_empty = text.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim() == "]");
    if is_empty {
        return document.url.filter(|url| url.path().ends_with(HISTORY)).map(|_| "an empty list where Slack lists its past");
    }
    let listed = text.contains("\"notes\"").then(|| listed(text).ok())??;
    events(&listed).any(|event| event.is_one()).then_some("a list of date_created, type, services, notes")
}

fn listed(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    json::list::<&RawValue, INCIDENTS_MAX>(NAME, text, "incidents")
}

fn events<'d>(listed: &[&'d RawValue]) -> impl Iterator<Item = Event<'d>> {
    listed.iter().filter_map(|raw| json::element(raw))
}

fn recognise(document: &Document) -> Option<&'static str> {
    current(&document.text).map(|_| "status, active_incidents").or_else(|| past(document))
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mut reader = Reader::default();
    if let Some(current) = current(&document.text) {
        let word = reader.notes.meaning("status", current.status.as_str(), |word| match word {
            "ok" => Some(Status::Operational),
            // Something is open: what, the list says.
            "active" => Some(Status::Unknown),
            _ => None,
        });
        let updated_at = current.date_updated.instant();
        let listed = current.active_incidents.within("incidents")?;
        let page = reader.page(events(&listed), Listing::Open)?;
        let overall = if page.overall.is_known() { page.overall } else { word.unwrap_or(Status::Unknown) };
        return Ok(Page { updated_at, overall, ..page });
    }
    let listed = listed(&document.text)?;
    if !listed.is_empty() && !events(&listed).any(|event| event.is_one()) {
        return Err(Unreadable::shape(NAME, "nothing in its list has date_created, type, services and notes"));
    }
    let page = reader.page(events(&listed), Listing::Recent)?;
    let nothing_is_open = !page.overall.is_known() && !page.incidents.is_empty();
    Ok(Page { overall: if nothing_is_open { Status::Operational } else { page.overall }, ..page })
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
    /// By name.
    affected: BTreeMap<String, Status>,
}

impl Reader {
    fn page<'d>(mut self, events: impl Iterator<Item = Event<'d>>, listing: Listing) -> Result<Page, Unreadable> {
        let (mut incidents, mut maintenances) = (Vec::new(), Vec::new());
        let mut open = Vec::new();
        for event in events {
            let Some(id) = notes::id(event.id.as_str().or(event.url.as_str())) else { continue };
            let touches = self.touches(&event)?;
            let kind = self.notes.meaning("type", event.r#type.as_str(), kind);
            let status = if kind == Some(Kind::Maintenance) {
                let maintenance = self.maintenance(id, &event, touches.clone())?;
                let status = (maintenance.stage == Some(Stage::InProgress)).then_some(Status::Maintenance);
                maintenances.push(maintenance);
                status
            } else {
                let incident = self.incident(id, &event, kind, touches.clone())?;
                let status = Impact::status(incident.impact).filter(|_| incident.is_open());
                incidents.push(incident);
                status
            };
            if let Some(status) = status {
                open.push(status);
                for touched in touches {
                    let known = self.affected.entry(touched.name).or_insert(status);
                    *known = status.max(*known);
                }
            }
        }
        let component = |(name, status): (String, Status)| Component { id: name.clone(), name, group: None, region: None, status };
        Ok(Page {
            overall: Status::worst(open).unwrap_or(Status::Unknown),
            components: self.affected.into_iter().map(component).collect(),
            incidents,
            maintenances,
            carries: Carries { components: false, incidents: listing, maintenances: listing },
            oddities: self.notes.oddities(),
            ..Page::blank(NAME)
        })
    }

    fn incident(&mut self, id: String, event: &Event, kind: Option<Kind>, touches: Vec<Touched>) -> Result<Incident, Unreadable> {
        let stage = self.notes.meaning("stage", event.status.as_str(), incident_stage).flatten();
        let updates = self.updates(event)?;
        // The last note may be of days later, and nothing tells the end better.
        let ended_at = event.date_updated.instant().filter(|_| updates.iter().all(|u| u.at.is_none()));
        Ok(Incident {
            title: self.notes.title(event.title.as_str(), "Incident", &id),
            impact: match kind {
                Some(Kind::Outage) => Some(Impact::Critical),
                Some(Kind::Incident) => Some(Impact::Minor),
                Some(Kind::Maintenance) | None => None,
            },
            stage,
            started_at: event.date_created.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: ended_at.filter(|_| stage.is_some_and(Stage::is_over)),
            url: notes::link(event.url.as_str()),
            touches,
            updates,
            id,
        })
    }

    fn maintenance(&mut self, id: String, event: &Event, touches: Vec<Touched>) -> Result<Maintenance, Unreadable> {
        Ok(Maintenance {
            title: self.notes.title(event.title.as_str(), "Maintenance", &id),
            stage: self.notes.meaning("stage", event.status.as_str(), maintenance_stage),
            starts_at: event.date_created.instant(),
            ends_at: None,
            url: notes::link(event.url.as_str()),
            touches,
            updates: self.updates(event)?,
            id,
        })
    }

    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let services = json::listed::<Text, COMPONENTS_MAX>(event.services, "services of an incident")?;
        self.budget.touched(services.len())?;
        let touched = services.iter().filter_map(|name| self.notes.line(name.as_str()));
        Ok(touched.map(|name| Touched { id: None, name }).collect())
    }

    fn updates(&mut self, event: &Event) -> Result<Vec<Update>, Unreadable> {
        let listed = json::listed::<Note, UPDATES_MAX>(event.notes, "updates")?;
        self.budget.updates(listed.len())?;
        let update = |note: Note| Update { at: note.date_created.instant(), stage: None, body: self.notes.body(note.body.as_str()) };
        Ok(listed.into_iter().map(update).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Incident,
    Outage,
    Maintenance,
}

fn kind(word: &str) -> Option<Kind> {
    match word {
        "incident" | "notice" => Some(Kind::Incident),
        "outage" => Some(Kind::Outage),
        "maintenance" => Some(Kind::Maintenance),
        _ => None,
    }
}

/// Of what is open the page does not tell the stage.
fn incident_stage(word: &str) -> Option<Option<Stage>> {
    match word {
        "active" => Some(None),
        "resolved" | "completed" | "cancelled" => Some(Some(Stage::Resolved)),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "scheduled" => Some(Stage::Scheduled),
        "active" => Some(Stage::InProgress),
        "resolved" | "completed" | "cancelled" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn a_page_without_trouble() {
        check(NAME, "current-ok", "operational - Open Open");
    }

    #[test]
    fn what_is_open_says_how_the_page_is() {
        check(
            NAME,
            "current-active",
            r#"
                degraded - Open Open
                c Huddles Huddles: maintenance
                c Messaging Messaging: degraded
                c Search Search: degraded
                i 2002 minor - 2031-03-09T10:15..? "Emoji look at you" [Messaging] 1
                i 2001 minor - 2031-03-09T09:05..? "Old words are not found" [Messaging, Search] 2
                m 2003 in_progress 2031-03-08T20:00..? "New cables" [Huddles] 1
            "#,
        );
        check(
            NAME,
            "current-outage",
            r#"
                major_outage - Open Open
                c Messaging Messaging: major_outage
                i 2004 critical - 2031-03-10T09:00..? "Nothing is delivered" [Messaging] 0
            "#,
        );
    }

    #[test]
    fn words_that_are_not_known() {
        check(
            NAME,
            "current-odd",
            r#"
                degraded - Open Open
                c Files Files: degraded
                i 2005 - - ?..? "Incident 2005" [Files] 0
                ? stage: simmering
                ? status: sleepy
                ? type: hiccup
            "#,
        );
    }

    #[test]
    fn the_past() {
        check(
            NAME,
            "history",
            r#"
                operational - Recent Recent
                i 1902 critical resolved 2030-12-24T19:30..2030-12-24T21:00 "Nobody gets in" [Login/SSO] 2
                i 1901 minor resolved 2030-11-01T06:30..2030-11-01T08:00 "Pictures are pale" [] 0
                m 1900 completed 2030-10-01T06:00..? "New cables" [Huddles] 0
            "#,
        );
        let page = fixture(NAME, "history", None).unwrap();
        assert_eq!(page.incidents[0].updates[0].body, "All is well again.", "newest first");
        assert_eq!(page.incidents[0].url.as_deref(), Some("https://slack-status.example/2030-12/77aa"));
    }

    #[test]
    fn an_empty_past_is_known_by_its_address() {
        let read = |url: &str| fixture(NAME, "refused-empty-list", Some(url)).map(|page| (page.format, page.overall));
        assert_eq!(read("https://slack-status.com/api/v2.0.0/history"), Ok((NAME, Status::Unknown)));
        assert_eq!(read("https://slack-status.com/else"), Err(Unreadable::Unknown));
    }
}
