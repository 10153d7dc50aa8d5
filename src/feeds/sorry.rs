//! Sorry: the documents below `/api/v1` of every page (<https://status.sorryapp.com/api>). No page was captured: what is written
//! here was learned from that documentation.
//!
//! The verdict, components and notices are documents of their own. Notices are incidents (`unplanned`) and work (`planned`); of
//! those that are over, the newest are in the list without a filter. Lists come in pages of 25: of the components two are read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "sorry";

pub const FORMAT: Format = Format {
    live: &["/api/v1/status"],
    beside: &[
        "/api/v1/components",
        "/api/v1/components?page=2",
        "/api/v1/notices?filter[timeline_state_eq]=present",
        "/api/v1/notices?filter[timeline_state_eq]=future",
    ],
    history: &["/api/v1/notices"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    page: Lax<About>,
    #[serde(borrow)]
    components: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    notices: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct About {
    name: Text,
    url: Text,
    state: Text,
    updated_at: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    id: Text,
    name: Text,
    state: Text,
    parent_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Notice<'d> {
    id: Text,
    r#type: Text,
    state: Text,
    subject: Text,
    synopsis: Text,
    link: Text,
    timeline_state: Text,
    began_at: Text,
    ended_at: Text,
    begins_at: Text,
    ends_at: Text,
    created_at: Text,
    #[serde(borrow)]
    components: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    content: Text,
    created_at: Text,
}

impl Notice<'_> {
    fn is_one(&self) -> bool {
        self.id.as_str().is_some() && self.state.as_str().is_some() && matches!(self.r#type.as_str(), Some("planned" | "unplanned"))
    }
}

/// What a document is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Page,
    Components,
    Notices,
}

impl<'d> Body<'d> {
    /// Empty lists say nothing of themselves.
    fn of(document: &'d Document) -> Option<(Body<'d>, Kind)> {
        let is_other = !["\"state\"", "\"components\"", "\"notices\""].iter().any(|key| document.text.contains(key));
        let body: Body<'d> = (!is_other).then(|| json::read(NAME, &document.text).ok())??;
        let path = document.url.map_or("", |url| url.path());
        if let Some(notices) = &body.notices.0 {
            let is_one = notices.iter().filter_map(|raw| json::element::<Notice>(raw)).any(|notice| notice.is_one());
            return (is_one || (notices.is_empty() && path.ends_with("/api/v1/notices"))).then_some((body, Kind::Notices));
        }
        if body.page.0.as_ref().is_some_and(|page| page.state.as_str().is_some()) {
            return Some((body, Kind::Page));
        }
        let components = body.components.0.as_ref().filter(|_| body.page.0.is_none())?;
        let is_part = |part: Part| part.state.as_str().is_some() && part.name.as_str().is_some();
        let is_one = components.iter().filter_map(|raw| json::element::<Part>(raw)).any(is_part);
        (is_one || (components.is_empty() && path.ends_with("/api/v1/components"))).then_some((body, Kind::Components))
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(document).map(|(_, about)| match about {
        Kind::Page => "page.state of Sorry",
        Kind::Components => "components with a state of Sorry",
        Kind::Notices => "notices of Sorry",
    })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let (body, about) = Body::of(document).ok_or_else(|| Unreadable::shape(NAME, "it has no page.state, components or notices"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    match about {
        Kind::Page => {
            let about = body.page.0.unwrap_or_default();
            page.name = reader.notes.line(about.name.as_str());
            page.url = notes::link(about.url.as_str());
            page.updated_at = about.updated_at.instant();
            page.overall = reader.notes.meaning("status", about.state.as_str(), status).unwrap_or(Status::Unknown);
        }
        Kind::Components => {
            page.components = reader.components(&body.components.within("components")?)?;
            page.overall = Status::roll_up(page.components.iter().map(|c| c.status)).unwrap_or(Status::Unknown);
            page.carries.components = true;
        }
        Kind::Notices => {
            for raw in body.notices.within("notices")? {
                reader.notice(raw, &mut page)?;
            }
            page.overall = Status::by_incidents(&page.incidents).unwrap_or(Status::Unknown);
            page.carries = listing(document);
        }
    }
    page.oddities = reader.notes.oddities();
    Ok(page)
}

/// Without a filter the newest are listed, whether they are over or not.
fn listing(document: &Document) -> Carries {
    let filter = document.url.and_then(|url| url.query()).unwrap_or_default();
    let (incidents, maintenances) = match filter {
        filter if filter.ends_with("=present") => (Listing::Open, Listing::Open),
        filter if filter.ends_with("=future") => (Listing::Absent, Listing::Open),
        _ => (Listing::Recent, Listing::Recent),
    };
    Carries { components: false, incidents, maintenances }
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
}

impl Reader {
    /// What others name as their parent is a group.
    fn components(&mut self, listed: &[&RawValue]) -> Result<Vec<Component>, Unreadable> {
        let parts = || listed.iter().filter_map(|raw| json::element::<Part>(raw));
        // Names by id; of two, the first by the alphabet.
        let mut groups: BTreeMap<String, Option<String>> =
            parts().filter_map(|part| part.parent_id.as_str().map(|parent| (parent.to_owned(), None))).collect();
        for part in parts() {
            if let Some(known) = part.id.as_str().and_then(|id| groups.get_mut(id)) {
                *known = known.take().into_iter().chain(self.notes.line(part.name.as_str())).min();
            }
        }
        let mut components = Vec::new();
        for part in parts().filter(|part| !part.id.as_str().is_some_and(|id| groups.contains_key(id))) {
            let Some(id) = notes::id(part.id.as_str().or(part.name.as_str())) else { continue };
            let group = part.parent_id.as_str().and_then(|parent| groups.get(parent)?.clone());
            components.push(Component {
                name: self.notes.line(part.name.as_str()).unwrap_or_else(|| id.clone()),
                group: group.map(|group| self.budget.copy(&group)).transpose()?,
                region: None,
                status: self.notes.meaning("status", part.state.as_str(), status).unwrap_or(Status::Unknown),
                id,
            });
        }
        Ok(components)
    }

    fn notice(&mut self, raw: &RawValue, page: &mut Page) -> Result<(), Unreadable> {
        let Some(notice) = json::element::<Notice>(raw) else { return Ok(()) };
        let Some(id) = notes::id(notice.id.as_str()) else { return Ok(()) };
        if notice.r#type.as_str() == Some("planned") {
            page.maintenances.push(self.maintenance(id, &notice)?);
        } else {
            page.incidents.push(self.incident(id, &notice)?);
        }
        Ok(())
    }

    fn incident(&mut self, id: String, notice: &Notice) -> Result<Incident, Unreadable> {
        let title = self.notes.title(notice.subject.as_str(), "Incident", &id);
        let stage = self.notes.meaning("stage", notice.state.as_str(), incident_stage);
        let is_past = notice.timeline_state.as_str().is_some_and(|state| state.starts_with("past"));
        let stage = stage.or(is_past.then_some(Stage::Resolved));
        Ok(Incident {
            stage,
            started_at: notice.began_at.instant().or(notice.created_at.instant()),
            resolved_at: notice.ended_at.instant().filter(|_| stage.is_none_or(Stage::is_over)),
            url: notes::link(notice.link.as_str()),
            touches: self.touches(notice)?,
            updates: self.updates(notice)?,
            ..Incident::new(id, title)
        })
    }

    fn maintenance(&mut self, id: String, notice: &Notice) -> Result<Maintenance, Unreadable> {
        let title = self.notes.title(notice.subject.as_str(), "Maintenance", &id);
        Ok(Maintenance {
            stage: self.notes.meaning("stage", notice.state.as_str(), maintenance_stage),
            starts_at: notice.begins_at.instant().or(notice.began_at.instant()),
            ends_at: notice.ends_at.instant().or(notice.ended_at.instant()),
            url: notes::link(notice.link.as_str()),
            touches: self.touches(notice)?,
            updates: self.updates(notice)?,
            ..Maintenance::new(id, title)
        })
    }

    fn touches(&mut self, notice: &Notice) -> Result<Vec<Touched>, Unreadable> {
        let parts = json::listed::<Part, COMPONENTS_MAX>(notice.components, "components of a notice")?;
        self.budget.touched(parts.len())?;
        let touched = |part: &Part| {
            let id = notes::id(part.id.as_str());
            Some(Touched { name: self.notes.line(part.name.as_str()).or_else(|| id.clone())?, id })
        };
        Ok(parts.iter().filter_map(touched).collect())
    }

    /// Where they are left out, the synopsis is the first of them.
    fn updates(&mut self, notice: &Notice) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(notice.updates, "updates")?;
        self.budget.updates(posts.len())?;
        if posts.is_empty() {
            let body = self.notes.body(notice.synopsis.as_str());
            return Ok(if body.is_empty() { Vec::new() } else { vec![Update { at: notice.created_at.instant(), stage: None, body }] });
        }
        let update = |post: &Post| Update { at: post.created_at.instant(), stage: None, body: self.notes.body(post.content.as_str()) };
        Ok(posts.iter().map(update).collect())
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "operational" => Some(Status::Operational),
        "under_maintenance" => Some(Status::Maintenance),
        "degraded" | "partially_degraded" | "partially-degraded" => Some(Status::Degraded),
        _ => None,
    }
}

/// A false alarm is over.
fn incident_stage(word: &str) -> Option<Stage> {
    match word {
        "investigating" => Some(Stage::Investigating),
        "identified" => Some(Stage::Identified),
        "recovering" => Some(Stage::Monitoring),
        "resolved" | "false_alarm" => Some(Stage::Resolved),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "scheduled" => Some(Stage::Scheduled),
        "underway" => Some(Stage::InProgress),
        "complete" | "cancelled" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn each_part_of_a_page_is_a_document() {
        check("sorry", "status", "degraded - Absent Absent");
        check("sorry", "status-unheard", "unknown - Absent Absent\n? status: purple");
        check(
            "sorry",
            "components",
            r#"
                degraded components Absent Absent
                c 2 Kitchen / Stove: degraded
                c 3 Kitchen / Oven: maintenance
                c 4 Cellar: operational
                c 5 Attic: unknown
                ? status: purple
            "#,
        );
        check(
            "sorry",
            "notices",
            r#"
                degraded - Recent Recent
                i 81 - identified 2031-03-04T09:00..? "Cold stoves" [Stove] 2
                i 84 - - 2031-03-04T08:00..? "Odd smell" [] 1
                i 80 - resolved 2031-03-03T09:00..2031-03-03T10:00 "Warm cellar" [] 1
                m 82 scheduled 2031-03-09T09:00..2031-03-09T10:00 "New pans" [Stove] 1
                m 83 completed 2031-03-02T09:00..2031-03-02T10:00 "New lamps" [] 1
                ? stage: pondering
            "#,
        );
    }

    #[test]
    fn which_notices_are_listed_is_told_by_the_address() {
        for (query, incidents, maintenances) in [
            ("?filter[timeline_state_eq]=present", Listing::Open, Listing::Open),
            ("?filter[timeline_state_eq]=future", Listing::Absent, Listing::Open),
            ("", Listing::Recent, Listing::Recent),
        ] {
            let page = fixture(NAME, "notices", Some(&format!("https://status.stove.example/api/v1/notices{query}"))).unwrap();
            assert_eq!((page.carries.incidents, page.carries.maintenances), (incidents, maintenances), "{query}");
        }
        for document in FORMAT.beside {
            let url = super::super::place(&Url::parse("https://status.stove.example").unwrap(), document).unwrap();
            let empty = Document { url: Some(&url), text: "{\"components\": [], \"meta\": {}}".into(), mapping: None };
            let none = Document { url: Some(&url), text: "{\"notices\": [], \"meta\": {}}".into(), mapping: None };
            assert!(recognise(&empty).is_some() != recognise(&none).is_some(), "{document}");
        }
    }

    #[test]
    fn others_have_components_too() {
        for text in [
            r#"{"page": {"id": "lanternqx001"}, "components": [{"id": 1, "name": "a", "status": "operational"}]}"#,
            r#"{"components": []}"#,
            r#"{"page": {"state": null}}"#,
            r#"{"notices": [{"id": 1}]}"#,
        ] {
            assert!(recognise(&Document { url: None, text: text.into(), mapping: None }).is_none(), "{text}");
        }
    }
}
