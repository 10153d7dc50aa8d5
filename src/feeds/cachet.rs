//! Cachet, which people host themselves: 2.x (`/api/v1`, <https://docs.cachethq.io/v2.x/api>) and 3.x (`/api`, JSON:API,
//! <https://docs.cachethq.io/api-reference>). Components, incidents and schedules are documents of their own.
//!
//! Of 3.x no page was seen: its shape is that of its source (<https://github.com/cachethq/core>). Times have no zone: they are those
//! of the server, whose zone nobody tells; it is UTC unless somebody changed it, and is read as that. No incident says how
//! much it hurts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::json_api::{Related, Resource};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, times};
use crate::model::page::{Carries, Component, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "cachet";

pub const FORMAT: Format = Format {
    live: &["/api/v1/components?per_page=1000", "/api/components?per_page=1000&include=group"],
    beside: &[
        "/api/v1/incidents?per_page=100&sort=id&order=desc",
        "/api/v1/schedules?per_page=100&sort=id&order=desc",
        "/api/v1/components/groups?per_page=1000",
        "/api/incidents?per_page=100&include=components,updates",
        "/api/schedules?per_page=100&sort=-scheduled_at&include=components,updates",
    ],
    ..Format::new(NAME, recognise, parse)
};

/// What a document is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Components,
    Groups,
    Incidents,
    Schedules,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    data: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    included: List<&'d RawValue, UPDATES_MAX>,
}

/// An element of 3.x. In 2.x the attributes stand in the element itself.
type Thing<'d> = Resource<'d, Relationships<'d>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Relationships<'d> {
    #[serde(borrow)]
    group: Lax<Related<'d>>,
    #[serde(borrow)]
    components: Lax<Related<'d>>,
    #[serde(borrow)]
    updates: Lax<Related<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reference {
    id: Text,
    component_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Facts<'d> {
    id: Text,
    name: Text,
    message: Text,
    status: Value,
    latest_status: Value,
    component_id: Text,
    group_id: Text,
    enabled: Lax<bool>,
    visible: Option<&'d RawValue>,
    deleted_at: Text,
    permalink: Text,
    occurred_at: Text,
    occurred: Value,
    created_at: Text,
    created: Value,
    updated_at: Text,
    updated: Value,
    scheduled_at: Text,
    scheduled: Value,
    completed_at: Text,
    completed: Value,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
    #[serde(borrow)]
    components: Option<&'d RawValue>,
    #[serde(borrow)]
    enabled_components: Option<&'d RawValue>,
}

/// A text or number; in 3.x the `value` or `string` of an object that has it for people too.
#[derive(Default)]
struct Value(Text);

impl<'d> Deserialize<'d> for Value {
    fn deserialize<D: serde::Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Both {
            value: Text,
            string: Text,
        }
        let raw = <&RawValue>::deserialize(d)?;
        if !raw.get().starts_with('{') {
            return Ok(Value(serde_json::from_str(raw.get()).unwrap_or_default()));
        }
        let both: Both = json::element(raw).unwrap_or_default();
        Ok(Value(if both.value.as_str().is_some() { both.value } else { both.string }))
    }
}

impl Facts<'_> {
    /// The number of its state.
    fn code(&self) -> Option<&str> {
        let newest = self.latest_status.0.as_str().or(self.status.0.as_str());
        newest.filter(|code| code.bytes().all(|b| b.is_ascii_digit()))
    }

    /// What it is of, in 2.x, where nothing says so.
    fn part(&self) -> Option<Part> {
        let is_event = self.message.as_str().is_some() || self.visible.is_some() || self.component_id.as_str().is_some();
        let named = self.name.as_str().is_some();
        match self.code() {
            None => (named && self.enabled_components.is_some()).then_some(Part::Groups),
            Some(_) if self.group_id.as_str().is_some() => named.then_some(Part::Components),
            Some(_) if self.visible.is_some() || self.component_id.as_str().is_some() => Some(Part::Incidents),
            Some(_) if self.scheduled_at.as_str().is_some() => Some(Part::Schedules),
            Some(_) => (named && !is_event && self.enabled.0.is_some()).then_some(Part::Components),
        }
    }
}

impl<'d> Body<'d> {
    fn of(document: &'d Document) -> Option<(Body<'d>, Part)> {
        let body: Body<'d> = document.text.contains("\"data\"").then(|| json::read(NAME, &document.text).ok())??;
        let data = body.data.0.as_ref()?;
        let part = data.iter().filter_map(|raw| part(raw, &json::element::<Thing>(raw)?)).min();
        let part = part.or_else(|| part_by_address(document).filter(|_| data.is_empty()))?;
        Some((body, part))
    }
}

fn part(raw: &RawValue, thing: &Thing) -> Option<Part> {
    let Some(attributes) = thing.attributes else { return json::element::<Facts>(raw)?.part() };
    let facts: Facts = json::element(attributes)?;
    let has_code = facts.code().is_some();
    match thing.r#type.as_str()? {
        "components" => has_code.then_some(Part::Components),
        "incidents" => has_code.then_some(Part::Incidents),
        "schedules" => has_code.then_some(Part::Schedules),
        _ => None,
    }
}

/// An empty list says nothing of itself.
fn part_by_address(document: &Document) -> Option<Part> {
    let path = document.url?.path();
    let ends = |documents: &[&str]| documents.iter().any(|document| path.ends_with(document));
    if ends(&["/api/v1/components/groups"]) {
        Some(Part::Groups)
    } else if ends(&["/api/v1/components", "/api/components"]) {
        Some(Part::Components)
    } else if ends(&["/api/v1/incidents", "/api/incidents"]) {
        Some(Part::Incidents)
    } else {
        ends(&["/api/v1/schedules", "/api/schedules"]).then_some(Part::Schedules)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(document).map(|(_, part)| match part {
        Part::Components => "data with components of Cachet",
        Part::Groups => "data with groups of components of Cachet",
        Part::Incidents => "data with incidents of Cachet",
        Part::Schedules => "data with schedules of Cachet",
    })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let (body, part) =
        Body::of(document).ok_or_else(|| Unreadable::shape(NAME, "it has no data that could be components, incidents or schedules"))?;
    let mut reader = Reader::default();
    for thing in body.included.within("included things")?.into_iter().filter_map(json::element::<Thing>) {
        reader.learn(&thing);
    }
    let data = body.data.within("components")?;
    if matches!(part, Part::Incidents | Part::Schedules) && data.len() > INCIDENTS_MAX {
        return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
    }
    let mut page = Page::blank(NAME);
    for raw in data {
        let Some(thing) = json::element::<Thing>(raw) else { continue };
        let Some(facts) = json::element::<Facts>(thing.attributes.unwrap_or(raw)) else { continue };
        if self::part(raw, &thing).is_some_and(|other| other != part) {
            continue;
        }
        match part {
            Part::Components => page.components.extend(reader.component(&thing, &facts, None)?),
            Part::Groups => page.components.extend(reader.group(&facts)?),
            Part::Incidents if facts.code() == Some("0") => page.maintenances.extend(reader.announced(&thing, &facts)?),
            Part::Incidents => page.incidents.extend(reader.incident(&thing, &facts)?),
            Part::Schedules => page.maintenances.extend(reader.schedule(&thing, &facts)?),
        }
        if page.components.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
    }
    let by_components = Status::roll_up(page.components.iter().map(|c| c.status));
    page.overall = by_components.or_else(|| Status::by_incidents(&page.incidents)).unwrap_or(Status::Unknown);
    let recent = |is_there| if is_there { Listing::Recent } else { Listing::Absent };
    page.carries = Carries {
        components: part == Part::Components,
        incidents: recent(part == Part::Incidents),
        maintenances: recent(part == Part::Schedules || !page.maintenances.is_empty()),
    };
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader<'d> {
    /// What is included in 3.x, by type and id, as it stands there.
    included: BTreeMap<(String, String), &'d RawValue>,
    notes: Notes,
    budget: Budget,
}

impl<'d> Reader<'d> {
    fn learn(&mut self, thing: &Thing<'d>) {
        if let (Some(kind), Some(id), Some(raw)) = (notes::id(thing.r#type.as_str()), notes::id(thing.id.as_str()), thing.attributes) {
            let known = self.included.entry((kind, id)).or_insert(raw);
            if raw.get() < known.get() {
                *known = raw;
            }
        }
    }

    fn facts(&self, kind: &str, id: &str) -> Option<Facts<'d>> {
        self.included.get(&(kind.to_owned(), id.to_owned())).copied().and_then(json::element)
    }

    fn component(&mut self, thing: &Thing, facts: &Facts, group: Option<&str>) -> Result<Option<Component>, Unreadable> {
        let id = notes::id(thing.id.as_str().or(facts.id.as_str()));
        let is_hidden = facts.enabled.0 == Some(false) || facts.deleted_at.as_str().is_some();
        let Some(id) = id.filter(|_| !is_hidden) else { return Ok(None) };
        let related = thing.relationships.0.as_ref().and_then(|r| r.group.0.as_ref()?.data);
        let related = related.and_then(json::element::<Reference>).and_then(|group| self.facts("componentGroups", group.id.as_str()?));
        let group = self.notes.line(group.or(related.as_ref().and_then(|group| group.name.as_str())));
        Ok(Some(Component {
            name: self.notes.line(facts.name.as_str()).unwrap_or_else(|| id.clone()),
            group: group.map(|group| self.budget.copy(&group)).transpose()?,
            region: None,
            status: self.notes.meaning("status", facts.status.0.as_str(), component_status).unwrap_or(Status::Unknown),
            id,
        }))
    }

    /// The components of a group of 2.x, which name it nowhere else.
    fn group(&mut self, facts: &Facts) -> Result<Vec<Component>, Unreadable> {
        let mut components = Vec::new();
        for raw in json::listed::<&RawValue, COMPONENTS_MAX>(facts.enabled_components, "components")? {
            let Some(member) = json::element::<Facts>(raw) else { continue };
            components.extend(self.component(&Thing::default(), &member, facts.name.as_str())?);
        }
        Ok(components)
    }

    fn incident(&mut self, thing: &Thing, facts: &Facts) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = id(thing, facts) else { return Ok(None) };
        let stage = self.notes.meaning("stage", facts.code(), incident_stage);
        let started_at = instant(&facts.occurred_at, &facts.occurred).or(instant(&facts.created_at, &facts.created));
        let mut updates = self.updates(thing, facts)?;
        // Without updates the last edit is the one that said so.
        let edited = instant(&facts.updated_at, &facts.updated).filter(|_| updates.is_empty() && stage.is_some_and(Stage::is_over));
        updates.extend(self.first(facts, started_at));
        Ok(Some(Incident {
            title: self.notes.title(facts.name.as_str(), "Incident", &id),
            impact: None,
            stage,
            started_at,
            stated_start: None,
            undecided: false,
            resolved_at: edited,
            url: notes::link(facts.permalink.as_str()),
            touches: self.touches(thing, facts)?,
            updates,
            id,
        }))
    }

    fn schedule(&mut self, thing: &Thing, facts: &Facts) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = id(thing, facts) else { return Ok(None) };
        let mut updates = self.updates(thing, facts)?;
        updates.iter_mut().for_each(|update| update.stage = None);
        updates.extend(self.first(facts, instant(&facts.created_at, &facts.created)));
        Ok(Some(Maintenance {
            title: self.notes.title(facts.name.as_str(), "Maintenance", &id),
            stage: self.notes.meaning("stage", facts.code(), schedule_stage),
            starts_at: instant(&facts.scheduled_at, &facts.scheduled),
            ends_at: instant(&facts.completed_at, &facts.completed),
            url: None,
            touches: self.touches(thing, facts)?,
            updates,
            id,
        }))
    }

    /// Until 2.3 work was announced as an incident.
    fn announced(&mut self, thing: &Thing, facts: &Facts) -> Result<Option<Maintenance>, Unreadable> {
        let Some(maintenance) = self.schedule(thing, facts)? else { return Ok(None) };
        // Schedules are numbered on their own.
        let id = notes::id(Some(&format!("incident-{}", maintenance.id)));
        let url = notes::link(facts.permalink.as_str());
        Ok(id.map(|id| Maintenance { id, url, ..maintenance }))
    }

    /// The text that stands in the event itself.
    fn first(&mut self, facts: &Facts, at: Option<Timestamp>) -> Option<Update> {
        let body = self.notes.body(facts.message.as_str());
        (!body.is_empty()).then_some(Update { at, stage: None, body })
    }

    fn updates(&mut self, thing: &Thing, facts: &Facts) -> Result<Vec<Update>, Unreadable> {
        let mut updates = Vec::new();
        let listed = json::listed::<&RawValue, UPDATES_MAX>(facts.updates, "updates")?;
        let related = thing.relationships.0.as_ref().and_then(|r| r.updates.0.as_ref()?.data);
        let related = json::listed::<&RawValue, UPDATES_MAX>(related, "updates")?;
        self.budget.updates(listed.len() + related.len())?;
        let related = related.into_iter().filter_map(|raw| self.facts("updates", json::element::<Reference>(raw)?.id.as_str()?));
        let related: Vec<Facts> = related.collect();
        for post in listed.into_iter().filter_map(json::element::<Facts>).chain(related) {
            let body = self.notes.body(post.message.as_str());
            updates.push(Update {
                at: instant(&post.created_at, &post.created),
                stage: self.notes.meaning("stage", post.code(), incident_stage),
                body: self.budget.copy(&body)?,
            });
        }
        Ok(updates)
    }

    /// In 2.x by the id alone: the names are in another document.
    fn touches(&mut self, thing: &Thing, facts: &Facts) -> Result<Vec<Touched>, Unreadable> {
        let related = thing.relationships.0.as_ref().and_then(|r| r.components.0.as_ref()?.data);
        let listed = json::listed::<&RawValue, COMPONENTS_MAX>(related.or(facts.components), "affected components")?;
        self.budget.touched(listed.len())?;
        let ids = listed.into_iter().filter_map(json::element::<Reference>);
        let ids = ids.filter_map(|one| notes::id(one.component_id.as_str().or(one.id.as_str())));
        let own = notes::id(facts.component_id.as_str()).filter(|id| id != "0");
        let mut touches = Vec::new();
        for id in ids.chain(own) {
            let name = self.facts("components", &id).and_then(|facts| self.notes.line(facts.name.as_str()));
            let name = self.budget.copy(name.as_ref().unwrap_or(&id))?;
            touches.push(Touched { id: Some(id), name });
        }
        Ok(touches)
    }
}

fn id(thing: &Thing, facts: &Facts) -> Option<String> {
    notes::id(thing.id.as_str().or(facts.id.as_str()))
}

fn instant(text: &Text, other: &Value) -> Option<Timestamp> {
    text.as_str().or(other.0.as_str()).and_then(times::utc)
}

// --- numbers --------------------------------------------------------------------------------------------------------

fn component_status(code: &str) -> Option<Status> {
    match code {
        "0" | "5" => Some(Status::Unknown),
        "1" => Some(Status::Operational),
        "2" => Some(Status::Degraded),
        "3" => Some(Status::PartialOutage),
        "4" => Some(Status::MajorOutage),
        "6" => Some(Status::Maintenance),
        _ => None,
    }
}

fn incident_stage(code: &str) -> Option<Stage> {
    match code {
        "1" => Some(Stage::Investigating),
        "2" => Some(Stage::Identified),
        "3" => Some(Stage::Monitoring),
        "4" => Some(Stage::Resolved),
        _ => None,
    }
}

fn schedule_stage(code: &str) -> Option<Stage> {
    match code {
        "0" => Some(Stage::Scheduled),
        "1" => Some(Stage::InProgress),
        "2" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn components_of_both_versions() {
        check(
            NAME,
            "v2-components",
            r#"
                partial_outage components Absent Absent
                c 1 Loom: operational
                c 2 Loom: degraded
                c 3 Dye: partial_outage
                c 4 Wool: unknown
                c 6 Thread: unknown
                ? status: 9
            "#,
        );
        check(
            NAME,
            "v2-components-down",
            r#"
                major_outage components Absent Absent
                c 1 Loom: major_outage
                c 2 Dye: major_outage
            "#,
        );
        check(
            NAME,
            "v3-components",
            r#"
                partial_outage components Absent Absent
                c 1 Upstairs / Loom: operational
                c 2 Dye: maintenance
                c 3 Wool: unknown
                c 4 Thread: major_outage
            "#,
        );
    }

    #[test]
    fn groups_name_their_members() {
        check(
            NAME,
            "v2-groups",
            r#"
                operational - Absent Absent
                c 1 Upstairs / Loom: operational
            "#,
        );
    }

    #[test]
    fn incidents_of_both_versions() {
        check(
            NAME,
            "v2-incidents",
            r#"
                degraded - Recent Recent
                i 5 - - 2031-05-06T06:00..? "Incident 5" [] 1
                i 3 - resolved 2031-05-06T06:00..2031-05-06T08:00 "Loom stood" [] 2
                i 1 - resolved 2031-05-06T06:00..2031-05-06T07:30 "Threads tear" [] 1
                i 2 - monitoring 2031-05-06T05:00..? "Dye runs" [3] 3
                m incident-4 scheduled 2031-05-10T06:00..? "New needles" [] 1
                ? stage: 7
            "#,
        );
        check(
            NAME,
            "v3-incidents",
            r#"
                degraded - Recent Absent
                i 3 - identified 2031-05-06T06:00..? "Dust" [] 0
                i 2 - resolved 2031-05-06T05:00..2031-05-06T08:00 "Dye runs" [Dye] 3
            "#,
        );
    }

    #[test]
    fn schedules_of_both_versions() {
        check(
            NAME,
            "v2-schedules",
            r#"
                unknown - Absent Recent
                m 4 scheduled 2031-05-11T06:00..? "Oiling" [1] 1
                m 3 completed 2031-04-11T06:00..2031-04-11T08:00 "Was oiled" [] 0
            "#,
        );
        check(
            NAME,
            "v3-schedules",
            r#"
                unknown - Absent Recent
                m 1 in_progress 2031-05-11T06:00..2031-05-11T08:00 "Oiling" [] 1
            "#,
        );
    }

    #[test]
    fn an_empty_list_is_what_its_address_says() {
        for (path, want) in [
            ("/api/v1/components?per_page=20", Some(Carries { components: true, ..Carries::default() })),
            ("/api/v1/incidents", Some(Carries { incidents: Listing::Recent, ..Carries::default() })),
            ("/eu/api/schedules", Some(Carries { maintenances: Listing::Recent, ..Carries::default() })),
            ("/api/v1/components/groups", Some(Carries::default())),
            ("/api/v1/metrics", None),
        ] {
            let url = url::Url::parse(&format!("https://status.weaver.example{path}")).unwrap();
            let page = super::super::read(&Document { url: Some(&url), text: r#"{"data": []}"#.into(), mapping: None }, None);
            assert_eq!(page.ok().map(|page| page.carries), want, "{path}");
        }
    }

    #[test]
    fn documents_of_one_page_name_one_another() {
        let read = |name: &str| fixture(NAME, name, None).unwrap();
        let page = super::super::joined(read("v2-components"), ["v2-incidents", "v2-schedules", "v2-groups"].map(read));
        let named = |touches: &[Touched]| touches.iter().map(|t| t.name.clone()).collect::<String>();
        assert_eq!(page.components[0].group.as_deref(), Some("Upstairs"));
        assert_eq!(page.incidents.iter().map(|i| named(&i.touches)).collect::<String>(), "Dye");
        assert_eq!(page.maintenances.iter().map(|m| named(&m.touches)).collect::<String>(), "Loom");
        assert_eq!(page.carries, Carries { components: true, incidents: Listing::Recent, maintenances: Listing::Recent });
        assert_eq!(page.incidents[3].updates[0].body, "We watch & wait.");
    }
}
