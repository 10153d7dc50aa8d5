//! Status.io: <https://kb.status.io/developers/public-status-api/>, one document for each page below the id of the page, which the
//! page's own links name.
//!
//! What has a state is a component at a location (a "container"). Numbers count, not words: those are translated. The verdict of
//! the page is the worst of all that it lists, so that one location decides it; here all of them do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, text};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "statusio";

pub const FORMAT: Format = Format { hint: Some(hint), ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    result: Lax<Answer<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer<'d> {
    status_overall: Lax<Verdict>,
    #[serde(borrow)]
    status: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    incidents: List<&'d RawValue, INCIDENTS_MAX>,
    maintenance: Lax<Planned<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Verdict {
    updated: Text,
    status: Text,
    status_code: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Planned<'d> {
    #[serde(borrow)]
    active: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    upcoming: List<&'d RawValue, INCIDENTS_MAX>,
}

/// A component, or one of its locations.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Place<'d> {
    id: Text,
    name: Text,
    status: Text,
    status_code: Text,
    #[serde(borrow)]
    containers: Option<&'d RawValue>,
}

/// An incident or a maintenance.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    _id: Text,
    name: Text,
    datetime_open: Text,
    datetime_planned_start: Text,
    datetime_planned_end: Text,
    #[serde(borrow)]
    messages: Option<&'d RawValue>,
    #[serde(borrow)]
    components_affected: Option<&'d RawValue>,
    #[serde(borrow)]
    containers_affected: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    details: Text,
    state: Text,
    status: Text,
    datetime: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    _id: Text,
    name: Text,
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Answer<'d>> {
        let body: Body<'d> = text.contains("\"status_overall\"").then(|| json::read(NAME, text).ok())??;
        body.result.0.filter(|answer| answer.status_overall.0.is_some() && answer.status.is_there())
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "result.status_overall, result.status")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let answer = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no result with status_overall and status"))?;
    let verdict = answer.status_overall.0.unwrap_or_default();
    let mut reader = Reader::default();
    let components = reader.components(answer.status.within("components")?)?;
    let mut incidents = Vec::new();
    for event in answer.incidents.within("incidents")?.into_iter().filter_map(json::element::<Event>) {
        incidents.extend(reader.incident(&event)?);
    }
    let planned = answer.maintenance.0.unwrap_or_default();
    let mut maintenances = Vec::new();
    for (events, stage) in [(planned.active, Stage::InProgress), (planned.upcoming, Stage::Scheduled)] {
        for event in events.within("maintenances")?.into_iter().filter_map(json::element::<Event>) {
            maintenances.extend(reader.maintenance(&event, stage)?);
        }
    }
    let by_number = reader.status(&verdict.status_code, &verdict.status);
    Ok(Page {
        updated_at: verdict.updated.instant(),
        overall: Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(by_number),
        components,
        incidents,
        maintenances,
        carries: Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

/// A page links to itself as `…/pages/<id>`, `…/pages/history/<id>` and the like.
fn hint(web_page: &Document) -> Vec<Url> {
    const ID_CHARS: usize = 24;
    const WORD_CHARS_MAX: usize = 16;
    let text = &web_page.text;
    let ids = text.match_indices("/pages/").filter_map(|(at, link)| {
        let after = &text[at + link.len()..];
        let word = after.bytes().take(WORD_CHARS_MAX).take_while(u8::is_ascii_lowercase).count();
        let after = after[word..].strip_prefix('/').unwrap_or(after);
        let digits = after.bytes().take(ID_CHARS + 1).take_while(u8::is_ascii_hexdigit).count();
        (digits == ID_CHARS).then(|| &after[..ID_CHARS])
    });
    let id = ids.into_iter().next().filter(|_| text.contains("status.io"));
    id.and_then(|id| Url::parse(&format!("https://api.status.io/1.0/status/{id}")).ok()).into_iter().collect()
}

#[derive(Default)]
struct Reader {
    /// The locations of each component, with their names.
    places: BTreeMap<String, BTreeMap<String, String>>,
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn components(&mut self, listed: Vec<&RawValue>) -> Result<Vec<Component>, Unreadable> {
        let mut components = Vec::new();
        for component in listed.into_iter().filter_map(json::element::<Place>) {
            let Some(id) = notes::id(component.id.as_str().or(component.name.as_str())) else { continue };
            let name = self.notes.line(component.name.as_str()).unwrap_or_else(|| id.clone());
            let containers = json::listed::<&RawValue, COMPONENTS_MAX>(component.containers, "components")?;
            let before = components.len();
            for container in containers.into_iter().filter_map(json::element::<Place>) {
                components.extend(self.leaf(&id, &name, &container)?);
            }
            if components.len() == before {
                self.places.entry(id.clone()).or_default();
                let status = self.status(&component.status_code, &component.status);
                components.push(Component { id, name, group: None, region: None, status });
            }
            if components.len() > COMPONENTS_MAX {
                return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
            }
        }
        Ok(components)
    }

    fn leaf(&mut self, component: &str, name: &str, container: &Place) -> Result<Option<Component>, Unreadable> {
        let Some(id) = notes::id(container.id.as_str().or(container.name.as_str())) else { return Ok(None) };
        let region = self.notes.line(container.name.as_str()).unwrap_or_else(|| id.clone());
        let known = self.places.entry(component.to_owned()).or_default().entry(id.clone()).or_insert_with(|| region.clone());
        if region < *known {
            known.clone_from(&region);
        }
        Ok(Some(Component {
            id: leaf_id(&self.budget.copy(component)?, &id),
            name: self.budget.copy(name)?,
            group: None,
            region: Some(region),
            status: self.status(&container.status_code, &container.status),
        }))
    }

    /// The number, and the word of one that is not known.
    fn status(&mut self, code: &Text, word: &Text) -> Status {
        let known = code.as_str().and_then(component_status);
        if known.is_none()
            && let Some(said) = word.as_str().or(code.as_str())
        {
            self.notes.unknown("status", said);
        }
        known.unwrap_or(Status::Unknown)
    }

    fn incident(&mut self, event: &Event) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let (updates, newest) = self.updates(event, incident_stage)?;
        Ok(Some(Incident {
            title: self.notes.title(event.name.as_str(), "Incident", &id),
            impact: newest.as_ref().and_then(|post| self.notes.meaning("impact", post.status.as_str(), impact)),
            stage: newest.as_ref().and_then(|post| post.state.as_str()).and_then(incident_stage),
            started_at: event.datetime_open.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: None,
            touches: self.touches(event)?,
            updates,
            id,
        }))
    }

    /// `listed` is what the list says in which it stands: of work that is announced and of work that goes on the messages
    /// say the same at times.
    fn maintenance(&mut self, event: &Event, listed: Stage) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let (updates, newest) = self.updates(event, maintenance_stage)?;
        let said = newest.and_then(|post| maintenance_stage(post.state.as_str()?));
        Ok(Some(Maintenance {
            title: self.notes.title(event.name.as_str(), "Maintenance", &id),
            stage: Some(said.filter(|stage| stage.is_over()).unwrap_or(listed)),
            starts_at: event.datetime_planned_start.instant().or(event.datetime_open.instant()),
            ends_at: event.datetime_planned_end.instant(),
            url: None,
            touches: self.touches(event)?,
            updates,
            id,
        }))
    }

    /// With the newest message.
    fn updates(&mut self, event: &Event, stage: fn(&str) -> Option<Stage>) -> Result<(Vec<Update>, Option<Post>), Unreadable> {
        let listed = json::listed::<&RawValue, UPDATES_MAX>(event.messages, "updates")?;
        self.budget.updates(listed.len())?;
        let mut updates = Vec::new();
        let mut newest: Option<(Option<Timestamp>, Post)> = None;
        for post in listed.into_iter().filter_map(json::element::<Post>) {
            let at = post.datetime.instant();
            updates.push(Update {
                at,
                stage: self.notes.meaning("stage", post.state.as_str(), stage),
                body: self.notes.body(post.details.as_str()),
            });
            // Of two of one instant the one that is further.
            if newest.as_ref().is_none_or(|(last, before)| (*last, before.rank()) < (at, post.rank())) {
                newest = Some((at, post));
            }
        }
        Ok((updates, newest.map(|(_, post)| post)))
    }

    /// Each affected component at each affected location that it has; without any such location, at all of them. With the
    /// location's name where there are several.
    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let affected = |raw| json::listed::<&RawValue, COMPONENTS_MAX>(raw, "affected components");
        let (components, containers) = (affected(event.components_affected)?, affected(event.containers_affected)?);
        self.budget.touched(components.len() + containers.len())?;
        let ids = containers.into_iter().filter_map(json::element::<Affected>).filter_map(|one| notes::id(one._id.as_str()));
        let containers: BTreeSet<String> = ids.collect();
        let mut touches: BTreeMap<String, Touched> = BTreeMap::new();
        for one in components.into_iter().filter_map(json::element::<Affected>) {
            let Some(id) = notes::id(one._id.as_str().or(one.name.as_str())) else { continue };
            let name = self.notes.line(one.name.as_str()).unwrap_or_else(|| id.clone());
            let Some(places) = self.places.get(&id).filter(|places| !places.is_empty()) else {
                named(&mut touches, id, name);
                continue;
            };
            self.budget.touched(places.len())?;
            let is_anywhere = !places.keys().any(|place| containers.contains(place));
            for (place, region) in places.iter().filter(|(place, _)| is_anywhere || containers.contains(*place)) {
                let leaf = leaf_id(&self.budget.copy(&id)?, place);
                let name = self.budget.copy(&name)?;
                let name = if places.len() == 1 { name } else { format!("{name} / {}", self.budget.copy(region)?) };
                named(&mut touches, leaf, text::line(&name, text::TITLE_CHARS).text);
            }
        }
        Ok(touches.into_values().collect())
    }
}

/// Where one thing has two names, the first by the alphabet counts.
fn named(touches: &mut BTreeMap<String, Touched>, id: String, name: String) {
    if touches.get(&id).is_none_or(|known| name < known.name) {
        touches.insert(id.clone(), Touched { id: Some(id), name });
    }
}

impl Event<'_> {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.name.as_str()?, self.datetime_open.as_str()?));
        notes::id(self._id.as_str()).or_else(|| notes::id(made_up().as_deref()))
    }
}

impl Post {
    fn rank(&self) -> (Option<u32>, Option<u32>, Option<&str>) {
        let number = |text: &Text| text.as_str()?.parse().ok();
        (number(&self.state), number(&self.status), self.details.as_str())
    }
}

fn leaf_id(component: &str, container: &str) -> String {
    notes::id(Some(&format!("{component}/{container}"))).unwrap_or_default()
}

// --- numbers --------------------------------------------------------------------------------------------------------

/// <https://kb.status.io/developers/status-codes/>
fn component_status(code: &str) -> Option<Status> {
    match code {
        "100" => Some(Status::Operational),
        "200" => Some(Status::Maintenance),
        "300" => Some(Status::Degraded),
        "400" => Some(Status::PartialOutage),
        "500" => Some(Status::MajorOutage),
        // A security event breaks nothing by itself; the incident beside it is critical.
        "600" => Some(Status::Degraded),
        _ => None,
    }
}

fn impact(code: &str) -> Option<Impact> {
    match code {
        "100" | "200" => Some(Impact::None),
        "300" => Some(Impact::Minor),
        "400" => Some(Impact::Major),
        "500" | "600" => Some(Impact::Critical),
        _ => None,
    }
}

fn incident_stage(code: &str) -> Option<Stage> {
    match code {
        "100" => Some(Stage::Investigating),
        "200" => Some(Stage::Identified),
        "300" => Some(Stage::Monitoring),
        "400" => Some(Stage::Resolved),
        _ => None,
    }
}

fn maintenance_stage(code: &str) -> Option<Stage> {
    match code {
        "100" => Some(Stage::Scheduled),
        "200" => Some(Stage::InProgress),
        "300" => Some(Stage::Verifying),
        "400" => Some(Stage::Completed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn a_component_at_a_location_has_a_state() {
        check(
            NAME,
            "status-operational",
            r#"
                operational components OpenOnly OpenOnly
                c 6a00000000000000000000c1/6a00000000000000000000e1 Ferry: operational
                c 6a00000000000000000000c1/6a00000000000000000000e2 Ferry: operational
                c 6a00000000000000000000c2 Tickets: operational
            "#,
        );
        check(
            NAME,
            "status-disruption",
            r#"
                partial_outage components OpenOnly OpenOnly
                c 6a00000000000000000000c1/6a00000000000000000000e1 Ferry: operational
                c 6a00000000000000000000c1/6a00000000000000000000e2 Ferry: major_outage
                c 6a00000000000000000000c2/6a00000000000000000000e1 Tickets: partial_outage
                c 6a00000000000000000000c3/6a00000000000000000000e2 Timetable: degraded
                c 6a00000000000000000000c3/6a00000000000000000000e1 Timetable: unknown
                i 6a00000000000000000000i1 major monitoring 2031-05-06T06:00..? "The southern ferry is away" [Ferry / South, Tickets] 2
                i 6a00000000000000000000i2 critical identified 2031-05-06T05:00..? "Somebody read the timetable" [Timetable / North, Timetable / South, Pier] 1
                i 6a00000000000000000000i3 - - 2031-05-04T05:00..? "Incident 6a00000000000000000000i3" [] 1
                m 6a00000000000000000000m2 scheduled 2031-06-06T05:00..2031-06-06T06:00 "New rope" [] 0
                m 6a00000000000000000000m1 in_progress 2031-05-06T05:00..2031-05-08T05:00 "New planks" [Tickets] 1
                ? impact: 900
                ? stage: 900
                ? status: Fog
            "#,
        );
    }

    #[test]
    fn numbers_may_be_texts() {
        check(
            NAME,
            "status-numbers-as-text",
            r#"
                degraded components OpenOnly OpenOnly
            "#,
        );
    }

    #[test]
    fn a_page_names_its_document() {
        let id = "6a0000000000000000000abc";
        let found = format!("https://api.status.io/1.0/status/{id}");
        for (html, want) in [
            (format!("<a href='https://status.io/pages/{id}'>"), Some(&found)),
            (format!("<a href=\"/pages/history/{id}\"></a> Powered by status.io"), Some(&found)),
            (format!("<a href=/pages/incident/{id}/6a00000000000000000000ff> Status.io status.io"), Some(&found)),
            (format!("<a href='https://elsewhere.example/pages/{id}'>"), None),
            (format!("<a href='https://status.io/pages/{id}0'>"), None),
            ("<a href='https://status.io/pages/'>".to_owned(), None),
            ("status.io /pages/é".to_owned(), None),
        ] {
            let hints = hint(&Document { url: None, text: html.as_str().into(), mapping: None });
            assert_eq!(hints.first().map(ToString::to_string).as_ref(), want, "{html}");
        }
    }

    #[test]
    fn locations_are_regions() {
        let page = fixture(NAME, "status-operational", None).unwrap();
        let regions: Vec<_> = page.components.iter().map(|c| c.region.as_deref()).collect();
        assert_eq!(regions, [Some("North"), Some("South"), None]);
    }
}
