//! The summary that a page carries for its own scripts, the only source with groups: a fallback where the vendor switched its
//! documents off. What of a maintenance stands where is known from those that are over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NAME, component_status, incident_stage, maintenance_stage, worst_impact};
use crate::feeds::budget::Budget;
use crate::feeds::embedded::{self, Embedded, Texts};
use crate::feeds::json::{self, Lax, List, Text};
use crate::feeds::notes::{self, Notes};
use crate::feeds::{COMPONENTS_MAX, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary<'d> {
    name: Text,
    public_url: Text,
    #[serde(borrow)]
    components: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    structure: Lax<Structure<'d>>,
    #[serde(borrow)]
    affected_components: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    ongoing_incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    scheduled_maintenances: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Structure<'d> {
    #[serde(borrow)]
    items: List<&'d RawValue, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'d> {
    component: Lax<Named>,
    #[serde(borrow)]
    group: Lax<Group<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Group<'d> {
    name: Text,
    #[serde(borrow)]
    components: Option<&'d RawValue>,
}

/// A component: with an `id` where all are listed, with a `component_id` where it stands.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    id: Text,
    component_id: Text,
    name: Text,
    hidden: Lax<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    component_id: Text,
    status: Text,
    current_status: Text,
    start_at: Text,
    end_at: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    name: Text,
    r#type: Text,
    status: Text,
    published_at: Text,
    #[serde(borrow)]
    affected_components: Option<&'d RawValue>,
    #[serde(borrow)]
    component_impacts: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    to_status: Text,
    message_string: Text,
    published_at: Text,
}

pub fn is(html: &str) -> bool {
    embedded::mentions(html, "ongoing_incidents") && summary(&Embedded::of(html)).is_some()
}

fn summary(embedded: &Embedded) -> Option<Summary<'_>> {
    let summaries = embedded.objects("summary").filter_map(|(raw, _)| json::element::<Summary>(raw));
    summaries.into_iter().find(|s| s.components.is_there() && s.affected_components.is_there() && s.ongoing_incidents.is_there())
}

pub fn parse(html: &str) -> Result<Page, Unreadable> {
    let embedded = Embedded::of(html);
    let summary = summary(&embedded).ok_or_else(|| Unreadable::shape(NAME, "its page has no summary"))?;
    let url = notes::link(summary.public_url.as_str());
    let mut reader =
        Reader { texts: embedded.texts(), url, components: BTreeMap::new(), notes: Notes::default(), budget: Budget::default() };
    let components = reader.components(summary.components, summary.structure, summary.affected_components)?;
    let (mut incidents, mut maintenances) = (Vec::new(), Vec::new());
    let scheduled = summary.scheduled_maintenances.within("maintenances")?.into_iter().map(|raw| (raw, true));
    for (raw, is_scheduled) in summary.ongoing_incidents.within("incidents")?.into_iter().map(|raw| (raw, false)).chain(scheduled) {
        let Some(event) = json::element::<Event>(raw) else { continue };
        let Some(id) = notes::id(event.id.as_str()) else { continue };
        if is_scheduled || event.r#type.as_str() == Some("maintenance") {
            maintenances.push(reader.maintenance(id, &event)?);
        } else {
            incidents.push(reader.incident(id, &event)?);
        }
    }
    let name = reader.texts.read(&summary.name);
    Ok(Page {
        name: reader.notes.line(name),
        url: reader.url,
        overall: Status::roll_up(components.iter().map(|c| c.status)).or(Status::by_incidents(&incidents)).unwrap_or(Status::Unknown),
        components,
        incidents,
        maintenances,
        carries: Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

struct Reader<'e> {
    texts: Texts<'e>,
    url: Option<String>,
    /// Names by id.
    components: BTreeMap<String, String>,
    notes: Notes,
    budget: Budget,
}

impl Reader<'_> {
    /// What is not affected is operational.
    fn components(
        &mut self,
        all: List<&RawValue, COMPONENTS_MAX>,
        structure: Lax<Structure>,
        affected: List<&RawValue, COMPONENTS_MAX>,
    ) -> Result<Vec<Component>, Unreadable> {
        let mut statuses: BTreeMap<String, Status> = BTreeMap::new();
        for one in affected.within("affected components")?.into_iter().filter_map(json::element::<Affected>) {
            if let Some(id) = notes::id(one.component_id.as_str()) {
                let status = self.status(&one).unwrap_or(Status::Unknown);
                let known = statuses.entry(id).or_insert(status);
                *known = Status::worst([*known, status]).unwrap_or(Status::Unknown);
            }
        }
        let mut found: Vec<(String, Component)> = Vec::new();
        let mut hidden: Vec<String> = Vec::new();
        for item in structure.0.unwrap_or_default().items.within("components")?.into_iter().filter_map(json::element::<Item>) {
            let group = item.group.0.unwrap_or_default();
            let name = self.texts.read(&group.name);
            let name = self.notes.line(name);
            let members = json::listed::<&RawValue, COMPONENTS_MAX>(group.components, "components")?;
            for member in members.into_iter().filter_map(json::element::<Named>) {
                self.place(&member, name.as_deref(), &mut found, &mut hidden)?;
            }
            if let Some(alone) = item.component.0 {
                self.place(&alone, None, &mut found, &mut hidden)?;
            }
            if found.len() > COMPONENTS_MAX {
                return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
            }
        }
        let placed: BTreeMap<String, ()> = found.iter().map(|(id, _)| id.clone()).chain(hidden).map(|id| (id, ())).collect();
        for one in all.within("components")?.into_iter().filter_map(json::element::<Named>) {
            if notes::id(one.id.as_str()).is_some_and(|id| !placed.contains_key(&id)) {
                self.place(&one, None, &mut found, &mut Vec::new())?;
            }
        }
        let status = |id: &str| statuses.get(id).copied().unwrap_or(Status::Operational);
        Ok(found.into_iter().map(|(id, component)| Component { status: status(&id), ..component }).collect())
    }

    fn place(
        &mut self,
        one: &Named,
        group: Option<&str>,
        found: &mut Vec<(String, Component)>,
        hidden: &mut Vec<String>,
    ) -> Result<(), Unreadable> {
        let Some(id) = notes::id(one.component_id.as_str().or(one.id.as_str())) else { return Ok(()) };
        let name = self.texts.read(&one.name);
        let name = self.notes.line(name).unwrap_or_else(|| id.clone());
        self.components.entry(id.clone()).or_insert_with(|| name.clone());
        if one.hidden.0 == Some(true) {
            hidden.push(id);
            return Ok(());
        }
        let group = group.map(|group| self.budget.copy(group)).transpose()?;
        found.push((id.clone(), Component { id, name, group, region: None, status: Status::Unknown }));
        Ok(())
    }

    /// What an incident did to a component, else how that is now.
    fn status(&mut self, one: &Affected) -> Option<Status> {
        let word = self.texts.read(&one.status).or(self.texts.read(&one.current_status));
        self.notes.meaning("status", word, component_status)
    }

    fn incident(&mut self, id: String, event: &Event) -> Result<Incident, Unreadable> {
        let mut impact = None;
        for one in self.affected(event.affected_components)? {
            let word = self.texts.read(&one.status).or(self.texts.read(&one.current_status));
            impact = impact.max(word.and_then(worst_impact));
        }
        let status = self.texts.read(&event.status);
        let title = self.texts.read(&event.name);
        Ok(Incident {
            title: self.notes.title(title, "Incident", &id),
            impact,
            stage: self.notes.meaning("stage", status, incident_stage),
            started_at: event.published_at.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: notes::incident_link(self.url.as_deref(), &id),
            touches: self.touches(event)?,
            updates: self.updates(event, incident_stage)?,
            id,
        })
    }

    /// Its window is that of what it does to components.
    fn maintenance(&mut self, id: String, event: &Event) -> Result<Maintenance, Unreadable> {
        let impacts = self.affected(event.component_impacts)?;
        let status = self.texts.read(&event.status);
        let title = self.texts.read(&event.name);
        Ok(Maintenance {
            title: self.notes.title(title, "Maintenance", &id),
            stage: self.notes.meaning("stage", status, maintenance_stage),
            starts_at: impacts.iter().filter_map(|impact| impact.start_at.instant()).min(),
            ends_at: impacts.iter().filter_map(|impact| impact.end_at.instant()).max(),
            url: notes::incident_link(self.url.as_deref(), &id),
            touches: self.touches(event)?,
            updates: self.updates(event, maintenance_stage)?,
            id,
        })
    }

    fn affected(&mut self, raw: Option<&RawValue>) -> Result<Vec<Affected>, Unreadable> {
        let listed = json::listed::<&RawValue, COMPONENTS_MAX>(raw, "affected components")?;
        self.budget.touched(listed.len())?;
        Ok(listed.into_iter().filter_map(json::element).collect())
    }

    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let mut touches = Vec::new();
        for one in self.affected(event.affected_components)? {
            let Some(id) = notes::id(one.component_id.as_str()) else { continue };
            let name = self.budget.copy(self.components.get(&id).unwrap_or(&id))?;
            touches.push(Touched { id: Some(id), name });
        }
        Ok(touches)
    }

    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let listed = json::listed::<&RawValue, UPDATES_MAX>(event.updates, "updates")?;
        self.budget.updates(listed.len())?;
        let mut updates = Vec::new();
        for post in listed.into_iter().filter_map(json::element::<Post>) {
            let body = self.notes.body(self.texts.read(&post.message_string));
            updates.push(Update {
                at: post.published_at.instant(),
                stage: self.notes.meaning("stage", self.texts.read(&post.to_status), stage),
                // One long text may be that of many.
                body: self.budget.copy(&body)?,
            });
        }
        Ok(updates)
    }
}

#[cfg(test)]
mod tests {
    use super::NAME;
    use crate::feeds::tests::{check, fixture};

    #[test]
    fn what_the_page_carries_is_read() {
        check(
            NAME,
            "page.html",
            r#"
                partial_outage components OpenOnly OpenOnly
                c 01ZQ0QVARRY0COMP0000000001 Pit / Cutting: operational
                c 01ZQ0QVARRY0COMP0000000002 Pit / Hauling: major_outage
                c 01ZQ0QVARRY0COMP0000000003 Washing: degraded
                c 01ZQ0QVARRY0COMP0000000005 Scales: operational
                i 01ZQ0QVARRY0INC0000000001 critical monitoring 2031-05-06T06:00..? "Carts stand still" [Hauling] 4
                i 01ZQ0QVARRY0INC0000000002 - - 2031-05-06T05:00..? "$5 fee shown twice" [] 0
                m 01ZQ0QVARRY0MNT0000000001 scheduled 2031-05-10T08:00..2031-05-10T09:00 "Sharper saws" [Cutting] 1
                ? stage: pondering
            "#,
        );
    }

    #[test]
    fn long_texts_stand_elsewhere_in_the_page() {
        let page = fixture(NAME, "page.html", None).unwrap();
        assert_eq!((page.name.as_deref(), page.url.as_deref()), (Some("Quarry"), Some("https://status.quarry.example/")));
        let bodies: Vec<&str> = page.incidents[0].updates.iter().map(|u| u.body.as_str()).collect();
        assert!(bodies[0].is_empty() && bodies[2].starts_with("The wheel, from") && bodies[3] == "A wheel broke.", "{bodies:?}");
        let hidden = page.components.iter().find(|c| c.name == "Secret");
        assert_eq!(hidden, None);
    }
}
