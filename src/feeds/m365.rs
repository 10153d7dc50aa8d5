//! Microsoft 365: the service health of Microsoft Graph,
//! <https://learn.microsoft.com/en-us/graph/api/resources/service-communications-api-overview>.
//!
//! It is no public page: a token of one's own is needed, and the documents that were saved with one are read here too. Nothing was
//! captured: what is written here was learned from the vendor's documentation, whose examples write words with a capital that its
//! schema does not. Issues stand in the list of a service (`$expand=issues`) or in one of their own, both with what is over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::touches::Touches;
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Incident, Listing, Stage, Status, Touched, Update};

const NAME: &str = "m365";

pub const FORMAT: Format = Format {
    hosts: &["graph.microsoft.com"],
    live: &["{root}/v1.0/admin/serviceAnnouncement/healthOverviews?$expand=issues"],
    history: &["{root}/v1.0/admin/serviceAnnouncement/issues"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(rename = "@odata.context")]
    context: Text,
    #[serde(borrow)]
    value: List<&'d RawValue, COMPONENTS_MAX>,
}

/// The state of a service, or an issue.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'d> {
    id: Text,
    service: Text,
    status: Text,
    #[serde(borrow)]
    issues: Option<&'d RawValue>,
    title: Text,
    classification: Text,
    is_resolved: Lax<bool>,
    start_date_time: Text,
    end_date_time: Text,
    #[serde(borrow)]
    posts: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Post {
    created_date_time: Text,
    description: Lax<Description>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Description {
    content: Text,
}

impl Entry<'_> {
    fn is_issue(&self) -> bool {
        self.classification.as_str().is_some() || self.start_date_time.as_str().is_some()
    }

    fn is_service(&self) -> bool {
        self.service.as_str().is_some() && self.status.as_str().is_some() && !self.is_issue()
    }
}

fn body(text: &str) -> Option<Body<'_>> {
    let body: Body = text.contains("\"value\"").then(|| json::read(NAME, text).ok())??;
    body.value.is_there().then_some(body)
}

fn entries<'d>(listed: &[&'d RawValue]) -> impl Iterator<Item = Entry<'d>> {
    listed.iter().filter_map(|raw| json::element(raw))
}

fn recognise(document: &Document) -> Option<&'static str> {
    let body = body(&document.text).filter(|_| document.text.contains("serviceAnnouncement"))?;
    let context = body.context.as_str()?;
    // What is announced beside the state of services are messages for administrators.
    let is_health = ["/serviceAnnouncement/healthOverviews", "/serviceAnnouncement/issues"].iter().any(|of| context.contains(of));
    is_health.then_some("@odata.context of serviceAnnouncement")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = body(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no list value"))?;
    let is_of_services = body.context.as_str().is_some_and(|context| context.contains("/healthOverviews"));
    let listed = body.value.within("services")?;
    if !listed.is_empty() && !entries(&listed).any(|entry| entry.is_issue() || entry.is_service()) {
        return Err(Unreadable::shape(NAME, "nothing in its list is a service or an issue"));
    }
    let mut reader = Reader { ids: ids(&listed), ..Reader::default() };
    let mut components = Vec::new();
    for entry in entries(&listed) {
        if entry.is_issue() {
            reader.issue(&entry, None)?;
        } else if entry.is_service() {
            components.extend(reader.component(&entry));
            for issue in
                json::listed::<&RawValue, INCIDENTS_MAX>(entry.issues, "issues of a service")?.into_iter().filter_map(json::element)
            {
                reader.issue(&issue, entry.service.as_str())?;
            }
        }
    }
    let lists_issues = entries(&listed).any(|entry| entry.is_issue() || entry.issues.is_some()) || !is_of_services;
    let mut incidents = reader.incidents;
    for incident in &mut incidents {
        incident.touches = reader.touches.of(&incident.id, &mut reader.budget)?;
    }
    let by_incidents = if components.is_empty() && !incidents.is_empty() {
        Some(Status::by_incidents(&incidents).unwrap_or(Status::Operational))
    } else {
        Status::roll_up(components.iter().map(|c| c.status))
    };
    Ok(Page {
        overall: by_incidents.unwrap_or(Status::Unknown),
        carries: Carries {
            components: is_of_services || !components.is_empty(),
            incidents: if lists_issues { Listing::Recent } else { Listing::Absent },
            maintenances: Listing::Absent,
        },
        components,
        incidents,
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

/// Ids of the services by their names, which is what issues call them. A name of two has none.
fn ids(listed: &[&RawValue]) -> BTreeMap<String, Option<String>> {
    let mut ids = BTreeMap::new();
    for service in entries(listed).filter(Entry::is_service) {
        if let (Some(name), Some(id)) = (notes::id(service.service.as_str()), notes::id(service.id.as_str())) {
            ids.entry(name)
                .and_modify(|known: &mut Option<String>| *known = known.take().filter(|known| *known == id))
                .or_insert(Some(id.clone()));
        }
    }
    ids
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
    ids: BTreeMap<String, Option<String>>,
    incidents: Vec<Incident>,
    touches: Touches,
}

impl Reader {
    fn component(&mut self, service: &Entry) -> Option<Component> {
        let id = notes::id(service.id.as_str().or(service.service.as_str()))?;
        Some(Component {
            name: self.notes.line(service.service.as_str()).unwrap_or_else(|| id.clone()),
            group: None,
            region: None,
            status: self.notes.meaning("status", service.status.as_str(), status).unwrap_or(Status::Unknown),
            id,
        })
    }

    /// `under` is the service in whose list it stands.
    fn issue(&mut self, issue: &Entry, under: Option<&str>) -> Result<(), Unreadable> {
        let Some(id) = notes::id(issue.id.as_str()) else { return Ok(()) };
        if self.incidents.len() == INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
        }
        let known = self.notes.meaning("stage", issue.status.as_str(), status);
        let is_over = issue.is_resolved.0.unwrap_or(known == Some(Status::Operational));
        let told = issue.status.as_str().and_then(stage).filter(|stage| stage.is_over() == is_over);
        if let Some(name) = notes::id(issue.service.as_str().or(under)) {
            let touched = Touched { id: self.known_id(&name)?, name };
            self.touches.add(&id, touched, &mut self.budget)?;
        }
        let updates = self.updates(issue)?;
        self.incidents.push(Incident {
            title: self.notes.title(issue.title.as_str(), "Issue", &id),
            // `classification` tells how an issue is announced (an advisory, an incident), not how much it hurts.
            impact: None,
            stage: told.or(is_over.then_some(Stage::Resolved)),
            started_at: issue.start_date_time.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: issue.end_date_time.instant().filter(|_| is_over),
            url: None,
            touches: Vec::new(),
            updates,
            id,
        });
        Ok(())
    }

    fn known_id(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        self.ids.get(name).and_then(Option::as_deref).map(|id| self.budget.copy(id)).transpose()
    }

    fn updates(&mut self, issue: &Entry) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(issue.posts, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: Post| Update {
            at: post.created_date_time.instant(),
            stage: None,
            body: self.notes.body(post.description.0.as_ref().and_then(|description| description.content.as_str())),
        };
        Ok(posts.into_iter().map(update).collect())
    }
}

/// What is over for a service is so for its issue.
fn status(word: &str) -> Option<Status> {
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "serviceoperational"
        | "servicerestored"
        | "postincidentreviewpublished"
        | "falsepositive"
        | "resolved"
        | "mitigated"
        | "resolvedexternal"
        | "mitigatedexternal" => Some(Status::Operational),
        "investigating"
        | "restoringservice"
        | "verifyingservice"
        | "extendedrecovery"
        | "servicedegradation"
        | "confirmed"
        | "reported"
        | "investigationsuspended" => Some(Status::Degraded),
        "serviceinterruption" => Some(Status::MajorOutage),
        _ => None,
    }
}

fn stage(word: &str) -> Option<Stage> {
    match word.to_ascii_lowercase().as_str() {
        "investigating" | "reported" | "confirmed" => Some(Stage::Investigating),
        "restoringservice" => Some(Stage::Identified),
        "verifyingservice" | "extendedrecovery" => Some(Stage::Monitoring),
        "postincidentreviewpublished" => Some(Stage::Postmortem),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn services() {
        check(
            NAME,
            "health-operational",
            r#"
                operational components Absent Absent
                c Kites Kite Online: operational
                c Strings String Service: operational
            "#,
        );
        check(
            NAME,
            "health-expanded",
            r#"
                partial_outage components Recent Absent
                c Kites Kite Online: major_outage
                c Strings String Service: degraded
                c Tails Tail Hub: unknown
                i KI3 - investigating 2031-04-03T06:00..? "Knots come undone" [String Service] 0
                i KI2 - - 2031-04-02T06:00..? "No kite rises" [Kite Online] 2
                i KI1 - resolved 2031-03-01T06:00..2031-03-01T09:00 "Few kites rise" [Kite Online] 1
                ? status: flappy
            "#,
        );
        let page = fixture(NAME, "health-expanded", None).unwrap();
        assert_eq!(page.incidents[0].touches[0].id.as_deref(), Some("Strings"));
        assert_eq!(page.incidents[1].updates[0].body, "Title: No kite rises\n\nWe look up.", "newest first");
    }

    #[test]
    fn issues_alone() {
        check(
            NAME,
            "issues",
            r#"
                degraded - Recent Absent
                i KI8 - - 2031-04-04T06:00..? "Issue KI8" [] 0
                i KI7 - postmortem 2031-04-01T06:00..2031-04-01T07:00 "Wind is late" [Kite Online] 0
                i KI6 - resolved 2031-03-31T06:00..2031-03-31T06:00 "No wind" [Kite Online] 0
                i KI5 - - 2031-03-30T06:00..? "Wind is back, it is thought" [Kite Online] 0
                ? stage: gusty
            "#,
        );
    }
}
