//! incident.io: the documents below `/api/v2` that imitate those of Statuspage, and the summary of its widget.
//!
//! What sets the imitation apart: ids are ULIDs, there are no groups, incidents name no components, and a list without
//! elements is not there at all. Its indicator follows incidents and not components, so that the page is as bad as the
//! worse of the two.
//!
//! The widget (<https://docs.incident.io/status-pages/widget-api>, offered by pages that opted in) lists what is affected
//! and nothing else: nothing listed is a page without trouble, whose components stay unknown.
//!
//! `page` reads what the web page itself carries, where neither of these is offered; it is nobody's interface.

mod page;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::statuspage::api::{self, Api, Lists};
use super::statuspage::{self, Head, Maker};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "incidentio";

pub const FORMAT: Format = Format {
    live: &["/api/v2/summary.json", "/api/v1/summary"],
    history: &["/api/v2/incidents.json"],
    ..Format::new(NAME, recognise, parse)
};

fn recognise(document: &Document) -> Option<&'static str> {
    if page::is(&document.text) {
        return Some("a summary with ongoing_incidents in the page of an incident.io");
    }
    if Widget::of(&document.text).is_some() {
        return Some("ongoing_incidents, scheduled_maintenances of an incident.io widget");
    }
    let head = Head::of(&document.text)?;
    match (statuspage::maker(head.page_id()?), head.parts().indicator) {
        (Maker::Incidentio, true) => Some("page.id of incident.io (a ULID), status.indicator"),
        (Maker::Incidentio, false) => Some("page.id of incident.io (a ULID)"),
        _ => None,
    }
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if page::is(&document.text) {
        return page::parse(&document.text);
    }
    match Widget::of(&document.text) {
        Some(widget) => widget.page(),
        None => look_alike(document),
    }
}

// --- what imitates Statuspage ---------------------------------------------------------------------------------------

fn look_alike(document: &Document) -> Result<Page, Unreadable> {
    let api = api::read(NAME, &document.text, |page_id| match page_id.map(statuspage::maker) {
        Some(Maker::Incidentio) => Ok(()),
        Some(Maker::Statuspage) => Err("its page.id is one of a Statuspage"),
        Some(Maker::Unknown) => Err("its page.id is no ULID"),
        None => Err("it has no page.id"),
    })?;
    let (overall, carries) = (overall(&api), statuspage::carries(lists(api.lists, statuspage::path(document)), statuspage::path(document)));
    Ok(api.page(NAME, overall, carries))
}

fn overall(api: &Api) -> Status {
    let by_list = if api.components.is_empty() {
        Status::by_incidents(&api.incidents)
    } else {
        Status::roll_up(api.components.iter().map(|c| c.status))
    };
    Status::worst([by_list, api.indicator].into_iter().flatten()).unwrap_or(Status::Unknown)
}

/// What a document lists, were its empty lists not left out.
fn lists(written: Lists, path: &str) -> Lists {
    let is_summary =
        path.ends_with("/summary.json") || (written.status && (written.components || written.incidents || written.maintenances));
    Lists {
        status: written.status || is_summary,
        components: written.components,
        incidents: written.incidents || is_summary || path.ends_with("/incidents.json") || path.ends_with("/unresolved.json"),
        maintenances: written.maintenances || is_summary || path.ends_with("/scheduled-maintenances.json"),
    }
}

// --- the widget -----------------------------------------------------------------------------------------------------

#[derive(Default, Deserialize)]
#[serde(default)]
struct Widget<'d> {
    page_title: Text,
    page_url: Text,
    #[serde(borrow)]
    ongoing_incidents: List<Event<'d>, INCIDENTS_MAX>,
    #[serde(borrow)]
    in_progress_maintenances: List<Event<'d>, INCIDENTS_MAX>,
    #[serde(borrow)]
    scheduled_maintenances: List<Event<'d>, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    name: Text,
    status: Text,
    url: Text,
    last_update_at: Text,
    last_update_message: Text,
    current_worst_impact: Text,
    #[serde(borrow)]
    affected_components: Option<&'d RawValue>,
    started_at: Text,
    scheduled_end_at: Text,
    starts_at: Text,
    ends_at: Text,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Affected {
    id: Text,
    name: Text,
    group_name: Text,
    current_status: Text,
}

impl<'d> Widget<'d> {
    fn of(text: &'d str) -> Option<Widget<'d>> {
        // Nearly every document is another one: do not even read those.
        let widget: Widget<'d> = text.contains("\"ongoing_incidents\"").then(|| json::read(NAME, text).ok())??;
        (widget.ongoing_incidents.is_there() && widget.scheduled_maintenances.is_there()).then_some(widget)
    }

    fn page(self) -> Result<Page, Unreadable> {
        let mut reader = Reader::default();
        let mut incidents = Vec::new();
        for event in self.ongoing_incidents.within("incidents")? {
            incidents.extend(reader.incident(event)?);
        }
        let mut maintenances = Vec::new();
        for (events, stage) in [(self.in_progress_maintenances, Stage::InProgress), (self.scheduled_maintenances, Stage::Scheduled)] {
            for event in events.within("maintenances")? {
                maintenances.extend(reader.maintenance(event, stage)?);
            }
        }
        let components: Vec<Component> = reader.affected.into_values().collect();
        Ok(Page {
            format: NAME,
            name: reader.notes.line(self.page_title.as_str()),
            url: notes::link(self.page_url.as_str()),
            updated_at: None,
            overall: widget_overall(&components, &incidents, &maintenances),
            components,
            incidents,
            maintenances,
            carries: Carries { components: false, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly },
            oddities: reader.notes.oddities(),
        })
    }
}

/// The worst of what is listed. A component in full outage is not the whole page: of those that are well nothing is said.
fn widget_overall(components: &[Component], incidents: &[Incident], maintenances: &[Maintenance]) -> Status {
    let by_components = components.iter().map(|c| c.status).map(|s| if s == Status::MajorOutage { Status::PartialOutage } else { s });
    let at_work = maintenances.iter().any(|m| m.stage == Some(Stage::InProgress)).then_some(Status::Maintenance);
    Status::worst(by_components.chain(Status::by_incidents(incidents)).chain(at_work)).unwrap_or(Status::Operational)
}

#[derive(Default)]
struct Reader {
    /// By id.
    affected: BTreeMap<String, Component>,
    touched: usize,
    notes: Notes,
}

impl Reader {
    fn incident(&mut self, event: Event) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = notes::id(event.id.as_str().or(event.url.as_str())) else { return Ok(None) };
        let stage = self.notes.meaning("stage", event.status.as_str(), incident_stage);
        Ok(Some(Incident {
            title: self.notes.title(event.name.as_str(), "Incident", &id),
            impact: self.notes.meaning("impact", event.current_worst_impact.as_str(), worst_impact),
            stage,
            started_at: None,
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: notes::link(event.url.as_str()),
            updates: self.updates(&event, stage),
            touches: self.touches(event.affected_components)?,
            id,
        }))
    }

    /// `listed` is what the list says in which it stands.
    fn maintenance(&mut self, event: Event, listed: Stage) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = notes::id(event.id.as_str().or(event.url.as_str())) else { return Ok(None) };
        let stage = match event.status.as_str() {
            Some(word) => self.notes.meaning("stage", Some(word), maintenance_stage),
            None => Some(listed),
        };
        Ok(Some(Maintenance {
            title: self.notes.title(event.name.as_str(), "Maintenance", &id),
            stage,
            starts_at: event.started_at.instant().or(event.starts_at.instant()),
            ends_at: event.scheduled_end_at.instant().or(event.ends_at.instant()),
            url: notes::link(event.url.as_str()),
            updates: self.updates(&event, stage),
            touches: self.touches(event.affected_components)?,
            id,
        }))
    }

    fn updates(&mut self, event: &Event, stage: Option<Stage>) -> Vec<Update> {
        let body = self.notes.body(event.last_update_message.as_str());
        let at = event.last_update_at.instant();
        if at.is_none() && body.is_empty() { Vec::new() } else { vec![Update { at, stage, body }] }
    }

    fn touches(&mut self, list: Option<&RawValue>) -> Result<Vec<Touched>, Unreadable> {
        let listed = json::listed::<Affected, COMPONENTS_MAX>(list, "affected components")?;
        self.touched += listed.len();
        if self.touched > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "affected components", max: COMPONENTS_MAX });
        }
        Ok(listed.iter().filter_map(|one| self.touch(one)).collect())
    }

    /// One that several events list is as bad as the worst of them says. Where they call it differently, the first name by
    /// the alphabet counts: which of them stands first means nothing.
    fn touch(&mut self, one: &Affected) -> Option<Touched> {
        let id = notes::id(one.id.as_str().or(one.name.as_str()))?;
        let name = self.notes.line(one.name.as_str()).unwrap_or_else(|| id.clone());
        let status = self.notes.meaning("status", one.current_status.as_str(), component_status).unwrap_or(Status::Unknown);
        let group = self.notes.line(one.group_name.as_str());
        let fresh = Component { id: id.clone(), name: name.clone(), group, region: None, status };
        let known = self.affected.entry(id.clone()).or_insert_with(|| fresh.clone());
        if fresh.name != id && (known.name == id || fresh.name < known.name) {
            known.name = fresh.name;
        }
        known.group = known.group.take().into_iter().chain(fresh.group).min();
        known.status = Status::worst([known.status, status]).unwrap_or(Status::Unknown);
        Some(Touched { id: Some(id), name })
    }
}

fn component_status(word: &str) -> Option<Status> {
    match word {
        "operational" => Some(Status::Operational),
        "under_maintenance" => Some(Status::Maintenance),
        "degraded_performance" => Some(Status::Degraded),
        "partial_outage" => Some(Status::PartialOutage),
        "full_outage" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// The widget says how much an incident hurts in the words of components.
fn worst_impact(word: &str) -> Option<Impact> {
    Impact::of(component_status(word)?)
}

fn incident_stage(word: &str) -> Option<Stage> {
    Stage::parse(word).filter(|stage| matches!(stage, Stage::Investigating | Stage::Identified | Stage::Monitoring | Stage::Resolved))
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "maintenance_scheduled" => Some(Stage::Scheduled),
        "maintenance_in_progress" => Some(Stage::InProgress),
        "maintenance_complete" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn a_look_alike_is_as_bad_as_the_worse_of_its_verdict_and_its_components() {
        check(
            "incidentio",
            "summary-minor-all-green",
            r#"
                degraded components Open Open
                c 01ZQ0LANTERN0COMP000000001 Inbox: operational
                c 01ZQ0LANTERN0COMP000000002 Inbox: operational
                c 01ZQ0LANTERN0COMP000000003 Search: operational
                i 01ZQ0LANTERN0INC0000000001 minor identified 2031-05-06T06:00..? "Mail arrives late" [] 2
            "#,
        );
        check(
            "incidentio",
            "summary-components-worse",
            r#"
                partial_outage components Open Open
                c 01ZQ0LANTERN0COMP000000001 Inbox: major_outage
                c 01ZQ0LANTERN0COMP000000002 Inbox: operational
                c 01ZQ0LANTERN0COMP000000003 Search: operational
                m 01ZQ0LANTERN0MNT0000000001 in_progress 2031-05-06T05:00..2031-05-06T08:00 "Moving mailboxes" [] 1
            "#,
        );
        check(
            "incidentio",
            "status-critical",
            r#"
                major_outage - Absent Absent
            "#,
        );
    }

    #[test]
    fn lists_without_elements_are_left_out() {
        check(
            "incidentio",
            "summary-lists-absent",
            r#"
                operational components Open Open
                c 01ZQ0LANTERN0COMP000000001 Inbox: operational
                c 01ZQ0LANTERN0COMP000000002 Inbox: operational
                c 01ZQ0LANTERN0COMP000000003 Search: operational
            "#,
        );
        check(
            "incidentio",
            "summary-lists-null",
            r#"
                operational components Open Open
                c 01ZQ0LANTERN0COMP000000001 Inbox: operational
                c 01ZQ0LANTERN0COMP000000002 Inbox: operational
                c 01ZQ0LANTERN0COMP000000003 Search: operational
            "#,
        );
    }

    #[test]
    fn other_documents() {
        check(
            "incidentio",
            "components",
            r#"
                operational components Absent Absent
                c 01ZQ0LANTERN0COMP000000001 Inbox: operational
                c 01ZQ0LANTERN0COMP000000002 Inbox: operational
                c 01ZQ0LANTERN0COMP000000003 Search: operational
            "#,
        );
        check(
            "incidentio",
            "incidents",
            r#"
                degraded - Recent Absent
                i 01ZQ0LANTERN0INC0000000001 minor identified 2031-05-06T06:00..? "Mail arrives late" [] 2
                i 01ZQ0LANTERN0INC0000000002 major resolved 2031-05-01T06:00..2031-05-01T07:15 "Search finds nothing" [] 2
            "#,
        );
        check(
            "incidentio",
            "incidents-absent",
            r#"
                unknown - Absent Absent
            "#,
        );
    }

    #[test]
    fn a_widget_says_the_same_in_any_order() {
        let event = |id: &str, name: &str| {
            format!(
                r#"{{"id": "{id}", "affected_components": [{{"id": "c", "name": {name}, "group_name": {name}, "current_status": "degraded_performance"}}]}}"#
            )
        };
        let page = |events: &[String]| {
            let text = format!(r#"{{"ongoing_incidents": [{}], "scheduled_maintenances": []}}"#, events.join(","));
            super::super::read(&Document { url: None, text: text.into(), mapping: None }, None).unwrap()
        };
        let mut events = [event("1", "null"), event("2", "\"Mail\""), event("3", "\"Inbox\"")];
        let first = page(&events);
        events.reverse();
        assert_eq!(page(&events), first);
        assert_eq!((first.components[0].name.as_str(), first.components[0].group.as_deref()), ("Inbox", Some("Inbox")));
    }

    #[test]
    fn the_widget_lists_what_is_affected() {
        check(
            "incidentio",
            "widget-busy",
            r#"
                partial_outage - OpenOnly OpenOnly
                c 01ZQ0LANTERN0COMP000000001 Reading / Inbox: major_outage
                c 01ZQ0LANTERN0COMP000000003 Reading / Search: degraded
                i 01ZQ0LANTERN0INC0000000004 major investigating 2031-05-06T06:30..? "Inbox is away" [Inbox] 1
                i 01ZQ0LANTERN0INC0000000003 minor monitoring 2031-05-06T06:30..? "Search is slow" [Inbox, Search] 1
                m 01ZQ0LANTERN0MNT0000000003 scheduled 2031-06-06T06:00..2031-06-06T09:00 "Newer disks" [] 1
                m 01ZQ0LANTERN0MNT0000000002 in_progress 2031-05-06T06:00..2031-05-06T09:00 "New disks" [] 1
            "#,
        );
        check(
            "incidentio",
            "widget-quiet",
            r#"
                operational - OpenOnly OpenOnly
            "#,
        );
    }

    #[test]
    fn an_absent_list_is_an_empty_one_where_the_document_is_about_it() {
        for (name, document, incidents, maintenances) in [
            ("incidents-absent", "/api/v2/incidents.json", Listing::Recent, Listing::Absent),
            ("incidents-absent", "/api/v2/scheduled-maintenances.json", Listing::Absent, Listing::Recent),
            ("incidents-absent", "/api/v2/summary.json", Listing::Open, Listing::Open),
            ("summary-lists-absent", "/api/v2/summary.json", Listing::Open, Listing::Open),
            ("status-critical", "/api/v2/status.json", Listing::Absent, Listing::Absent),
        ] {
            let page = fixture(NAME, name, Some(&format!("https://status.quarry.example{document}"))).unwrap();
            assert_eq!((page.carries.incidents, page.carries.maintenances), (incidents, maintenances), "{name} {document}");
        }
    }

    #[test]
    fn texts_and_addresses() {
        let page = fixture(NAME, "summary-minor-all-green", None).unwrap();
        let url = page.incidents[0].url.as_deref();
        assert_eq!(url, Some("https://status.quarry.example/incidents/01ZQ0LANTERN0INC0000000001"));
        assert_eq!(page.incidents[0].updates[0].stage, Some(Stage::Identified), "newest first");
        let widget = fixture(NAME, "widget-busy", None).unwrap();
        assert_eq!(widget.incidents[0].updates[0].body, "We are on it.");
    }
}
