//! The documents below `/api/v2` of Statuspage, and of the platforms that imitate them: what is in them and what it means.
//!
//! Everything in them is optional, but that some have a `page.id`. What a format makes of it all (the verdict over the page, what a list
//! that is not there means) is the format's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::feeds::budget::Budget;
use crate::feeds::json::{self, Lax, List, Text};
use crate::feeds::notes::{self, Notes};
use crate::feeds::{COMPONENTS_MAX, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::page::{Carries, Component, Impact, Incident, Maintenance, Oddities, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

/// What a document says, before a format makes a page of it.
pub struct Api {
    pub name: Option<String>,
    pub url: Option<String>,
    pub updated_at: Option<Timestamp>,
    /// What `status.indicator` (and its description) say of the page.
    pub indicator: Option<Status>,
    pub components: Vec<Component>,
    pub incidents: Vec<Incident>,
    pub maintenances: Vec<Maintenance>,
    pub lists: Lists,
    pub oddities: Oddities,
}

impl Api {
    /// The page of either maker, who differ in what its verdict is.
    pub fn page(self, format: &'static str, overall: Status, carries: Carries) -> Page {
        let Api { name, url, updated_at, components, incidents, maintenances, oddities, .. } = self;
        Page { format, name, url, updated_at, overall, components, incidents, maintenances, carries, oddities }
    }
}

/// Which parts a document has.
#[derive(Clone, Copy, Debug)]
pub struct Lists {
    pub status: bool,
    pub components: bool,
    pub incidents: bool,
    pub maintenances: bool,
}

impl Lists {
    pub fn any(self) -> bool {
        self.status || self.components || self.incidents || self.maintenances
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    page: Lax<About>,
    status: Lax<Verdict>,
    components: List<Entry, COMPONENTS_MAX>,
    #[serde(borrow)]
    incidents: List<Event<'d>, INCIDENTS_MAX>,
    #[serde(borrow)]
    scheduled_maintenances: List<Event<'d>, INCIDENTS_MAX>,
}

/// The object `page`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct About {
    pub id: Text,
    pub name: Text,
    pub url: Text,
    pub updated_at: Text,
}

/// The object `status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Verdict {
    pub indicator: Text,
    pub description: Text,
}

/// A component, or a group of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    id: Text,
    name: Text,
    status: Text,
    group: Lax<bool>,
    group_id: Text,
    updated_at: Text,
}

impl Entry {
    fn is_group(&self) -> bool {
        self.group.0 == Some(true)
    }

    /// A component without an id goes by its name.
    fn id(&self) -> Option<String> {
        notes::id(self.id.as_str().or(self.name.as_str()))
    }
}

/// An incident or a maintenance. Its long lists are read one event at a time, so that only one of them is in memory.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    id: Text,
    name: Text,
    status: Text,
    impact: Text,
    created_at: Text,
    started_at: Text,
    resolved_at: Text,
    scheduled_for: Text,
    scheduled_until: Text,
    shortlink: Text,
    #[serde(borrow)]
    components: Option<&'d RawValue>,
    #[serde(borrow)]
    incident_updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post<'d> {
    status: Text,
    body: Text,
    created_at: Text,
    display_at: Text,
    #[serde(borrow)]
    affected_components: Option<&'d RawValue>,
}

/// What an update says it touches; `code` is the component's id.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    code: Text,
    name: Text,
}

/// Reads a document of `format`, and hands its `page.id` to `is_ours`, which tells what is wrong with it.
pub fn read(format: &'static str, text: &str, is_ours: impl Fn(Option<&str>) -> Result<(), &'static str>) -> Result<Api, Unreadable> {
    let body: Body = json::read(format, text)?;
    let about = body.page.0.unwrap_or_default();
    is_ours(about.id.as_str()).map_err(|why| Unreadable::shape(format, why))?;
    let lists = Lists {
        status: body.status.0.is_some(),
        components: body.components.is_there(),
        incidents: body.incidents.is_there(),
        maintenances: body.scheduled_maintenances.is_there(),
    };
    let mut reader = Reader { page: notes::link(about.url.as_str()), ..Reader::default() };
    let indicator = body.status.0.and_then(|verdict| indicator(&verdict, &mut reader.notes));
    let components = reader.components(body.components.within("components")?)?;
    let incidents = body.incidents.within("incidents")?;
    let maintenances = body.scheduled_maintenances.within("maintenances")?;
    reader.learn_names(incidents.iter().chain(&maintenances))?;
    Ok(Api {
        name: reader.notes.line(about.name.as_str()),
        updated_at: about.updated_at.instant(),
        indicator,
        components,
        incidents: reader.each(incidents, Reader::incident)?,
        maintenances: reader.each(maintenances, Reader::maintenance)?,
        lists,
        url: reader.page,
        oddities: reader.notes.oddities(),
    })
}

/// What is known while the document is read.
#[derive(Default)]
struct Reader {
    /// Address of the page.
    page: Option<String>,
    /// Names of the components by id; `None` for a group.
    names: BTreeMap<String, Option<String>>,
    budget: Budget,
    notes: Notes,
}

impl Reader {
    fn components(&mut self, entries: Vec<Entry>) -> Result<Vec<Component>, Unreadable> {
        let entries = newest_of_each(entries);
        let mut groups: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for entry in &entries {
            let name = self.notes.line(entry.name.as_str());
            if let (true, Some(id)) = (entry.is_group(), entry.id.as_str()) {
                learn(&mut groups, id, name.clone());
            }
            if let Some(id) = entry.id() {
                let name = (!entry.is_group()).then(|| name.unwrap_or_else(|| id.clone()));
                learn(&mut self.names, id, name);
            }
        }
        let leaves = entries.iter().filter(|e| !e.is_group());
        leaves.filter_map(|e| self.component(e, &groups).transpose()).collect()
    }

    fn component(&mut self, entry: &Entry, groups: &BTreeMap<&str, Option<String>>) -> Result<Option<Component>, Unreadable> {
        let Some(id) = entry.id() else { return Ok(None) };
        let group = entry.group_id.as_str().and_then(|group| groups.get(group)?.as_ref());
        let group = group.map(|name| self.budget.copy(name)).transpose()?;
        Ok(Some(Component {
            name: self.names.get(&id).cloned().flatten().unwrap_or_else(|| id.clone()),
            group,
            region: None,
            status: self.notes.meaning("status", entry.status.as_str(), component_status).unwrap_or(Status::Unknown),
            id,
        }))
    }

    /// Documents without components still name some: those of which an event says itself that it touches them.
    fn learn_names<'e, 'd: 'e>(&mut self, events: impl Iterator<Item = &'e Event<'d>>) -> Result<(), Unreadable> {
        let mut learned = BTreeMap::new();
        for event in events {
            for entry in json::listed::<Entry, COMPONENTS_MAX>(event.components, "components of an incident")? {
                if let (Some(id), Some(name)) = (entry.id(), notes::id(entry.name.as_str()))
                    && learned.len() < COMPONENTS_MAX
                {
                    learn(&mut learned, id, (!entry.is_group()).then_some(name));
                }
            }
        }
        for (id, name) in learned {
            self.names.entry(id).or_insert(name);
        }
        Ok(())
    }

    fn each<'d, T>(
        &mut self,
        events: Vec<Event<'d>>,
        read: impl Fn(&mut Self, &Event<'d>) -> Result<Option<T>, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        events.iter().filter_map(|event| read(self, event).transpose()).collect()
    }

    fn incident(&mut self, event: &Event) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let stage = self.notes.meaning("stage", event.status.as_str(), incident_stage);
        let posts = json::listed::<Post, UPDATES_MAX>(event.incident_updates, "updates")?;
        Ok(Some(Incident {
            title: self.notes.title(event.name.as_str(), "Incident", &id),
            impact: self.notes.meaning("impact", event.impact.as_str(), impact),
            stage,
            started_at: event.started_at.instant().or(event.created_at.instant()),
            stated_start: None,
            undecided: false,
            // Of an incident that was opened again, the end is the one before.
            resolved_at: event.resolved_at.instant().filter(|_| stage.is_none_or(Stage::is_over)),
            url: self.link(event, &id)?,
            touches: self.touches(event, &posts)?,
            updates: self.updates(posts, incident_stage)?,
            id,
        }))
    }

    fn maintenance(&mut self, event: &Event) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let posts = json::listed::<Post, UPDATES_MAX>(event.incident_updates, "updates")?;
        Ok(Some(Maintenance {
            title: self.notes.title(event.name.as_str(), "Maintenance", &id),
            stage: self.notes.meaning("stage", event.status.as_str(), maintenance_stage),
            starts_at: event.scheduled_for.instant(),
            ends_at: event.scheduled_until.instant(),
            url: self.link(event, &id)?,
            touches: self.touches(event, &posts)?,
            updates: self.updates(posts, maintenance_stage)?,
            id,
        }))
    }

    fn link(&mut self, event: &Event, id: &str) -> Result<Option<String>, Unreadable> {
        let link = notes::link(event.shortlink.as_str()).or_else(|| notes::incident_link(self.page.as_deref(), id));
        link.map(|link| self.budget.copied(link)).transpose()
    }

    fn updates(&mut self, posts: Vec<Post>, stage: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        self.budget.updates(posts.len())?;
        let update = |post: Post| Update {
            at: post.display_at.instant().or(post.created_at.instant()),
            stage: self.notes.meaning("stage", post.status.as_str(), stage),
            body: self.notes.body(post.body.as_str()),
        };
        Ok(posts.into_iter().map(update).collect())
    }

    /// What the event lists; where that is nothing (as in a quarter of all open incidents), what its updates name.
    fn touches(&mut self, event: &Event, posts: &[Post]) -> Result<Vec<Touched>, Unreadable> {
        let mut touches = Vec::new();
        for entry in json::listed::<Entry, COMPONENTS_MAX>(event.components, "components of an incident")?.iter().filter(|e| !e.is_group())
        {
            touches.extend(self.touch(entry.id.as_str(), entry.name.as_str())?);
        }
        if touches.is_empty() {
            touches = self.affected(posts)?;
        }
        self.budget.touched(touches.len())?;
        Ok(touches)
    }

    fn affected(&mut self, posts: &[Post]) -> Result<Vec<Touched>, Unreadable> {
        let mut found: BTreeMap<String, Touched> = BTreeMap::new();
        for post in posts {
            for one in json::listed::<Affected, COMPONENTS_MAX>(post.affected_components, "affected components")? {
                if let Some(touched) = self.touch(one.code.as_str(), one.name.as_str())? {
                    found.entry(touched.id.clone().unwrap_or_else(|| touched.name.clone())).or_insert(touched);
                }
            }
        }
        Ok(found.into_values().collect())
    }

    /// By the component's own name where it is known: the one that is printed may begin with the group's. Groups touch
    /// nothing that their members do not.
    fn touch(&mut self, id: Option<&str>, printed: Option<&str>) -> Result<Option<Touched>, Unreadable> {
        let id = notes::id(id);
        let name = match id.as_ref().and_then(|id| self.names.get(id)) {
            Some(None) => return Ok(None),
            Some(Some(known)) => Some(known.clone()),
            None => self.notes.line(printed).or_else(|| id.clone()),
        };
        let name = name.map(|name| self.budget.copied(name)).transpose()?;
        Ok(name.map(|name| Touched { id, name }))
    }
}

impl Event<'_> {
    /// One without an id goes by its address, at last by its name and when it was written: something that stays.
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.name.as_str()?, self.created_at.as_str().unwrap_or_default()));
        notes::id(self.id.as_str().or(self.shortlink.as_str())).or_else(|| notes::id(made_up().as_deref()))
    }
}

/// Where one thing has two names, the first by the alphabet counts: which of them stands first in a document means nothing.
fn learn<K: Ord>(names: &mut BTreeMap<K, Option<String>>, id: K, name: Option<String>) {
    match names.entry(id) {
        Slot::Vacant(slot) => drop(slot.insert(name)),
        Slot::Occupied(mut slot) if name < *slot.get() => drop(slot.insert(name)),
        Slot::Occupied(_) => {}
    }
}

/// Of several entries with one id those that changed last.
fn newest_of_each(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut newest: BTreeMap<Option<String>, Option<Timestamp>> = BTreeMap::new();
    for entry in &entries {
        let last = newest.entry(entry.id()).or_default();
        *last = (*last).max(entry.updated_at.instant());
    }
    entries.retain(|entry| newest.get(&entry.id()).is_some_and(|last| *last == entry.updated_at.instant()));
    entries
}

/// The words of <https://support.atlassian.com/statuspage/docs/show-service-status-with-components/>, as the API writes them.
fn component_status(word: &str) -> Option<Status> {
    match word {
        "operational" => Some(Status::Operational),
        "under_maintenance" => Some(Status::Maintenance),
        "degraded_performance" => Some(Status::Degraded),
        "partial_outage" => Some(Status::PartialOutage),
        "major_outage" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// Incidents bear the impact `maintenance` too: work that hurts nobody as planned.
pub fn impact(word: &str) -> Option<Impact> {
    if word == "maintenance" { Some(Impact::None) } else { Impact::parse(word) }
}

fn incident_stage(word: &str) -> Option<Stage> {
    match word {
        "completed" => Some(Stage::Resolved),
        "scheduled" | "in_progress" | "verifying" => None,
        _ => Stage::parse(word),
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "resolved" | "postmortem" => Some(Stage::Completed),
        "investigating" | "identified" | "monitoring" => None,
        _ => Stage::parse(word),
    }
}

/// `minor` is said of degraded pages and of partial outages: the sentence beside it tells, in English.
pub fn indicator(verdict: &Verdict, notes: &mut Notes) -> Option<Status> {
    let description = verdict.description.as_str();
    let meaning = |word: &str| match word {
        "none" => Some(Status::Operational),
        "maintenance" => Some(Status::Maintenance),
        "minor" if description == Some("Minor Service Outage") => Some(Status::PartialOutage),
        "minor" => Some(Status::Degraded),
        "major" => Some(Status::PartialOutage),
        "critical" => Some(Status::MajorOutage),
        _ => None,
    };
    notes.meaning("indicator", verdict.indicator.as_str(), meaning).or_else(|| sentence(description?))
}

/// What Statuspage writes beside its indicator:
/// <https://support.atlassian.com/statuspage/docs/top-level-status-and-incident-impact-calculations/>.
fn sentence(description: &str) -> Option<Status> {
    match description {
        "All Systems Operational" => Some(Status::Operational),
        "Service Under Maintenance" => Some(Status::Maintenance),
        "Partially Degraded Service" | "Degraded System Service" => Some(Status::Degraded),
        "Minor Service Outage" | "Partial System Outage" => Some(Status::PartialOutage),
        "Major System Outage" => Some(Status::MajorOutage),
        _ => None,
    }
}
