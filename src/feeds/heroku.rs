//! Heroku: the status of its three systems, <https://devcenter.heroku.com/articles/heroku-status>, and the same vendor's instances
//! at Salesforce Trust, to which its own client has moved.
//!
//! Systems have colours, incidents have no impact. `resolved` is not reliable: the `state` counts, else the newest update. What is
//! announced has no window, only prose; it stays listed when the work is over, so that only colours tell whether work goes on.
//!
//! One document was captured, which its recorder put together by hand; the rest was learned from the code of other clients.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, salesforce};
use crate::model::page::{Carries, Component, Incident, Listing, Maintenance, Oddities, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "heroku";
const TRUST: &str = "https://api.status.salesforce.com/v1/instances?products=Heroku";
/// As Trust calls it.
const PRODUCT: &str = "Heroku";

pub const FORMAT: Format =
    Format { hosts: &["status.heroku.com"], live: &[TRUST, "{root}/api/v4/current-status"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    status: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    scheduled: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct System {
    system: Text,
    status: Text,
}

/// An incident or a maintenance.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    title: Text,
    state: Text,
    resolved: Lax<bool>,
    created_at: Text,
    full_url: Text,
    #[serde(borrow)]
    systems: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    update_type: Text,
    contents: Text,
    created_at: Text,
}

fn body(text: &str) -> Option<Body<'_>> {
    let body: Body = text.contains("\"system\"").then(|| json::read(NAME, text).ok())??;
    let lists_systems = systems(body.status.0.as_deref().unwrap_or_default()).next().is_some();
    lists_systems.then_some(body)
}

fn systems(listed: &[&RawValue]) -> impl Iterator<Item = System> {
    let one = |raw: &&RawValue| json::element::<System>(raw);
    listed.iter().filter_map(one).filter(|one| one.system.as_str().is_some() && one.status.as_str().is_some())
}

fn recognise(document: &Document) -> Option<&'static str> {
    if document.url.is_some_and(|url| url.as_str() == TRUST) && document.text.contains("\"Products\"") {
        return Some("instances of Salesforce Trust with the product Heroku");
    }
    body(&document.text).map(|_| "status[] of system, status")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    match body(&document.text) {
        Some(body) => Reader::default().page(body),
        None => salesforce::page(NAME, &document.text, Some(PRODUCT)),
    }
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
    stages_inferred: u32,
}

impl Reader {
    fn page(mut self, body: Body) -> Result<Page, Unreadable> {
        let components: Vec<Component> = systems(&body.status.within("systems")?).filter_map(|one| self.component(&one)).collect();
        let (mut incidents, mut maintenances) = (Vec::new(), Vec::new());
        for event in body.incidents.within("incidents")?.into_iter().filter_map(json::element::<Event>) {
            incidents.extend(self.incident(&event)?);
        }
        for event in body.scheduled.within("maintenances")?.into_iter().filter_map(json::element::<Event>) {
            maintenances.extend(self.maintenance(&event)?);
        }
        Ok(Page {
            overall: Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
            components,
            incidents,
            maintenances,
            carries: Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::Recent },
            oddities: Oddities { stages_inferred: self.stages_inferred, ..self.notes.oddities() },
            ..Page::blank(NAME)
        })
    }

    fn component(&mut self, system: &System) -> Option<Component> {
        let name = notes::id(system.system.as_str())?;
        let status = self.notes.meaning("status", system.status.as_str(), colour).unwrap_or(Status::Unknown);
        Some(Component { id: name.clone(), name, group: None, region: None, status })
    }

    fn incident(&mut self, event: &Event) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = notes::id(event.id.as_str().or(event.full_url.as_str())) else { return Ok(None) };
        let updates = self.updates(event, incident_stage)?;
        let newest = updates.iter().max().and_then(|update| update.stage);
        let is_over = self.is_over(event).unwrap_or(newest.map_or(event.resolved.0 == Some(true), Stage::is_over));
        Ok(Some(Incident {
            title: self.notes.title(event.title.as_str(), "Incident", &id),
            impact: None,
            stage: if is_over { Some(Stage::Resolved) } else { newest.filter(|stage| !stage.is_over()) },
            started_at: event.created_at.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: notes::link(event.full_url.as_str()),
            touches: self.touches(event)?,
            updates,
            id,
        }))
    }

    fn maintenance(&mut self, event: &Event) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = notes::id(event.id.as_str().or(event.full_url.as_str())) else { return Ok(None) };
        let updates = self.updates(event, maintenance_stage)?;
        let newest = updates.iter().max();
        let says_so = newest.is_some_and(|update| update.stage != Some(Stage::Completed) && says_that_it_is_over(&update.body));
        self.stages_inferred += u32::from(says_so);
        let is_over = self.is_over(event) == Some(true) || says_so;
        Ok(Some(Maintenance {
            title: self.notes.title(event.title.as_str(), "Maintenance", &id),
            stage: if is_over { Some(Stage::Completed) } else { newest.and_then(|update| update.stage) },
            starts_at: began_at(&updates),
            ends_at: None,
            url: notes::link(event.full_url.as_str()),
            touches: self.touches(event)?,
            updates,
            id,
        }))
    }

    /// What `state` says, where it is a word that is known.
    fn is_over(&mut self, event: &Event) -> Option<bool> {
        self.notes.meaning("state", event.state.as_str(), |word| match word {
            "open" | "active" | "scheduled" | "upcoming" => Some(false),
            "resolved" | "closed" | "completed" => Some(true),
            _ => None,
        })
    }

    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.updates, "updates")?;
        self.budget.updates(posts.len())?;
        let update = |post: Post| Update {
            at: post.created_at.instant(),
            stage: self.notes.meaning("stage", post.update_type.as_str(), stage),
            body: self.notes.body(post.contents.as_str()),
        };
        Ok(posts.into_iter().map(update).collect())
    }

    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let systems = json::listed::<Text, COMPONENTS_MAX>(event.systems, "systems of an incident")?;
        self.budget.touched(systems.len())?;
        let names = systems.iter().filter_map(|name| notes::id(name.as_str()));
        Ok(names.map(|name| Touched { id: Some(name.clone()), name }).collect())
    }
}

/// No window is told: work began when that was said.
fn began_at(updates: &[Update]) -> Option<Timestamp> {
    updates.iter().filter(|update| update.stage == Some(Stage::InProgress)).filter_map(|update| update.at).min()
}

fn colour(word: &str) -> Option<Status> {
    match word {
        "green" => Some(Status::Operational),
        "blue" => Some(Status::Maintenance),
        "yellow" => Some(Status::Degraded),
        "red" => Some(Status::MajorOutage),
        _ => None,
    }
}

fn incident_stage(word: &str) -> Option<Stage> {
    match word {
        "investigating" => Some(Stage::Investigating),
        "issue" => Some(Stage::Identified),
        "monitoring" => Some(Stage::Monitoring),
        "resolved" => Some(Stage::Resolved),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "scheduled" => Some(Stage::Scheduled),
        "maintenance" | "investigating" | "issue" => Some(Stage::InProgress),
        "monitoring" => Some(Stage::Verifying),
        "resolved" => Some(Stage::Completed),
        _ => None,
    }
}

/// `The update has been completed.`, and not `We will post when it is complete.`
fn says_that_it_is_over(body: &str) -> bool {
    const SAYS: &[&str] = &["has been completed", "have been completed", "has completed", "is complete", "are complete", "now complete"];
    const UNLESS: &[&str] = &["when ", "once ", "until ", "after ", "if ", "will ", "not "];
    body.to_lowercase().split(['.', '\n']).any(|sentence| {
        let has = |parts: &[&str]| parts.iter().any(|part| sentence.contains(part));
        has(SAYS) && !has(UNLESS)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn systems_have_colours() {
        check(
            NAME,
            "current-green",
            r#"
                operational components OpenOnly Recent
                c Apps Apps: operational
                c Data Data: operational
                c Tools Tools: operational
            "#,
        );
        check(
            NAME,
            "current-trouble",
            r#"
                partial_outage components OpenOnly Recent
                c Apps Apps: major_outage
                c Data Data: degraded
                c Tools Tools: unknown
                i 903 - - 2031-07-03T10:00..? "Builds wait" [Tools] 1
                i 902 - resolved 2031-07-02T10:00..2031-07-02T11:00 "Builds waited" [Apps, Tools] 2
                i 901 - identified 2031-07-01T10:00..? "Dynos sleep" [Apps] 2
                i 900 - resolved 2031-06-01T10:00..2031-06-01T10:00 "Incident 900" [] 0
                ? stage: whatever
                ? state: half-open
                ? status: purple
            "#,
        );
    }

    #[test]
    fn work_that_is_over_stays_listed() {
        check(
            NAME,
            "current-maintenance",
            r#"
                maintenance components OpenOnly Recent
                c Apps Apps: operational
                c Data Data: maintenance
                c Tools Tools: operational
                m 803 in_progress 2031-07-04T08:00..? "Bigger barrels" [Data] 2
                m 804 scheduled ?..? "Better barrels" [Data] 1
                m 802 completed ?..? "Better lids" [Apps] 1
                m 801 completed ?..? "Other lids" [] 1
            "#,
        );
        assert_eq!(fixture(NAME, "current-maintenance", None).unwrap().oddities.stages_inferred, 1);
        for (body, want) in [
            ("The move has been completed. All is well.", true),
            ("It is now complete", true),
            ("We will post again when the move is complete.", false),
            ("The move is not complete yet.", false),
            ("The move goes on.", false),
        ] {
            assert_eq!(says_that_it_is_over(body), want, "{body}");
        }
    }

    #[test]
    fn at_salesforce_trust_its_own_instances_count() {
        let page = fixture("salesforce", "instances-heroku", Some(TRUST)).unwrap();
        let got: Vec<_> = page.components.iter().map(|c| (c.name.as_str(), c.status)).collect();
        assert_eq!(got, [("Heroku Hill", Status::Operational), ("Heroku Valley", Status::Degraded)]);
        assert_eq!((page.format, page.overall, page.incidents.len()), (NAME, Status::Degraded, 1));
    }
}
