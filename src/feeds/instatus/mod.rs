//! Instatus: <https://instatus.com/help/api/public-data>.
//!
//! The summary lists what is open and no components; those have a document of their own. The page's word (`SOMEMAJOROUTAGE`) says
//! how much of it is in the worst state. Lists without elements are left out. The documentation and the pages differ in how
//! they write times, and whether there are ids.
//!
//! `page` reads what the web page itself carries: a fallback, since it is nobody's interface. How the documents list
//! components is documented and was not seen.

mod components;
mod page;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::embedded::Texts;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable, times};
use crate::model::page::{Carries, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "instatus";

pub const FORMAT: Format = Format {
    live: &["/summary.json", "/v3/summary.json"],
    beside: &["/v2/components.json", "/v3/components.json"],
    ..Format::new(NAME, recognise, parse)
};

fn recognise(document: &Document) -> Option<&'static str> {
    if page::is(&document.text) {
        return Some("site, activeIncidents in the page of an Instatus");
    }
    if Summary::of(&document.text).is_some() {
        return Some("page.status in capitals, no page.id");
    }
    components::is(document).then_some("components with states in capitals")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if page::is(&document.text) {
        page::parse(&document.text)
    } else if let Some(summary) = Summary::of(&document.text) {
        summary.page()
    } else {
        components::parse(document)
    }
}

// --- the summary ----------------------------------------------------------------------------------------------------

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Summary<'d> {
    page: Lax<About>,
    #[serde(borrow)]
    active_incidents: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    active_maintenances: List<&'d RawValue, INCIDENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    id: Text,
    name: Text,
    url: Text,
    status: Text,
}

impl<'d> Summary<'d> {
    fn of(text: &'d str) -> Option<Summary<'d>> {
        let summary: Summary<'d> = text.contains("\"page\"").then(|| json::read(NAME, text).ok())??;
        let about = summary.page.0.as_ref().filter(|about| about.id.as_str().is_none())?;
        is_word(about.status.as_str()?).then_some(summary)
    }

    fn page(self) -> Result<Page, Unreadable> {
        let about = self.page.0.unwrap_or_default();
        let mut reader = Reader::default();
        let incidents = reader.incidents(self.active_incidents.within("incidents")?)?;
        let maintenances = reader.maintenances(self.active_maintenances.within("maintenances")?)?;
        Ok(Page {
            name: reader.notes.line(about.name.as_str()),
            url: notes::link(about.url.as_str()),
            overall: reader.notes.meaning("page status", about.status.as_str(), page_status).unwrap_or(Status::Unknown),
            incidents,
            maintenances,
            carries: Carries { components: false, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly },
            oddities: reader.notes.oddities(),
            ..Page::blank(NAME)
        })
    }
}

/// `UP`, `HASISSUES`, `SOMEMAJOROUTAGE`
fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase())
}

// --- what is open ---------------------------------------------------------------------------------------------------

/// An incident or a maintenance; only the web page lists components and updates.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event<'d> {
    id: Text,
    name: Phrase,
    status: Text,
    impact: Text,
    started: Text,
    start: Text,
    resolved: Text,
    updated_at: Text,
    /// Minutes.
    duration: Text,
    url: Text,
    #[serde(borrow)]
    components: Option<&'d RawValue>,
    #[serde(borrow)]
    updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    id: Text,
    name: Phrase,
    status: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    started: Text,
    status: Text,
    message: Phrase,
}

/// A text, or the same in several languages.
#[derive(Default)]
struct Phrase(Text);

impl<'d> Deserialize<'d> for Phrase {
    fn deserialize<D: serde::Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Languages {
            default: Text,
            en: Text,
        }
        let raw = <&RawValue>::deserialize(d)?;
        if !raw.get().starts_with('{') {
            return Ok(Phrase(serde_json::from_str(raw.get()).unwrap_or_default()));
        }
        let languages: Languages = json::element(raw).unwrap_or_default();
        Ok(Phrase(if languages.default.as_str().is_some() { languages.default } else { languages.en }))
    }
}

#[derive(Default)]
struct Reader<'e> {
    /// What references in a web page lead to.
    texts: Option<Texts<'e>>,
    notes: Notes,
    budget: Budget,
}

impl Reader<'_> {
    fn incidents(&mut self, raw: Vec<&RawValue>) -> Result<Vec<Incident>, Unreadable> {
        raw.into_iter().filter_map(json::element).filter_map(|event: Event| self.incident(&event).transpose()).collect()
    }

    fn maintenances(&mut self, raw: Vec<&RawValue>) -> Result<Vec<Maintenance>, Unreadable> {
        raw.into_iter().filter_map(json::element).filter_map(|event: Event| self.maintenance(&event).transpose()).collect()
    }

    fn incident(&mut self, event: &Event) -> Result<Option<Incident>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let stage = self.notes.meaning("stage", event.status.as_str(), incident_stage);
        let (touches, worst) = self.touches(event.components)?;
        // An open incident of impact `OPERATIONAL` with both its components in `MAJOROUTAGE` was seen.
        let impact = self.notes.meaning("impact", event.impact.as_str(), impact).max(worst);
        Ok(Some(Incident {
            title: self.title(&event.name, "Incident", &id),
            impact,
            stage,
            started_at: instant(&event.started).or(instant(&event.start)),
            stated_start: None,
            undecided: false,
            resolved_at: instant(&event.resolved).filter(|_| stage.is_none_or(Stage::is_over)),
            url: notes::link(event.url.as_str()),
            touches,
            updates: self.updates(event, stage, incident_stage)?,
            id,
        }))
    }

    fn maintenance(&mut self, event: &Event) -> Result<Option<Maintenance>, Unreadable> {
        let Some(id) = event.id() else { return Ok(None) };
        let stage = self.notes.meaning("stage", event.status.as_str(), maintenance_stage);
        let starts_at = instant(&event.start).or(instant(&event.started));
        Ok(Some(Maintenance {
            title: self.title(&event.name, "Maintenance", &id),
            stage,
            starts_at,
            ends_at: starts_at.zip(minutes(&event.duration)).map(|(start, length)| start + length),
            url: notes::link(event.url.as_str()),
            touches: self.touches(event.components)?.0,
            updates: self.updates(event, stage, maintenance_stage)?,
            id,
        }))
    }

    fn text(&self, raw: &Text) -> Option<String> {
        match &self.texts {
            Some(texts) => texts.read(raw).map(str::to_owned),
            None => raw.as_str().map(str::to_owned),
        }
    }

    fn title(&mut self, name: &Phrase, of: &str, id: &str) -> String {
        let name = self.text(&name.0);
        self.notes.title(name.as_deref(), of, id)
    }

    /// The components that an event names, and how much the worst of them hurts.
    fn touches(&mut self, raw: Option<&RawValue>) -> Result<(Vec<Touched>, Option<Impact>), Unreadable> {
        let listed = json::listed::<&RawValue, COMPONENTS_MAX>(raw, "affected components")?;
        self.budget.touched(listed.len())?;
        let (mut touches, mut worst) = (Vec::new(), None);
        for one in listed.into_iter().filter_map(json::element::<Affected>) {
            let name = self.text(&one.name.0);
            let Some(id) = notes::id(one.id.as_str().or(name.as_deref())) else { continue };
            worst = worst.max(one.status.as_str().and_then(impact));
            touches.push(Touched { name: self.notes.line(name.as_deref()).unwrap_or_else(|| id.clone()), id: Some(id) });
        }
        Ok((touches, worst))
    }

    /// Those that are listed; where none is, when the last was.
    fn updates(&mut self, event: &Event, stage: Option<Stage>, known: fn(&str) -> Option<Stage>) -> Result<Vec<Update>, Unreadable> {
        let listed = json::listed::<&RawValue, UPDATES_MAX>(event.updates, "updates")?;
        self.budget.updates(listed.len())?;
        let mut updates = Vec::new();
        for post in listed.into_iter().filter_map(json::element::<Post>) {
            let body = self.text(&post.message.0);
            updates.push(Update {
                at: instant(&post.started),
                stage: self.notes.meaning("stage", post.status.as_str(), known),
                body: self.notes.body(body.as_deref()),
            });
        }
        if updates.is_empty() {
            updates.extend(instant(&event.updated_at).map(|at| Update { at: Some(at), stage, body: String::new() }));
        }
        Ok(updates)
    }
}

impl Event<'_> {
    /// The documentation has none: the last part of the address is the same.
    fn id(&self) -> Option<String> {
        let last = || self.url.as_str()?.trim_end_matches('/').rsplit('/').next();
        let made_up = || Some(format!("{} {}", self.name.0.as_str()?, self.started.as_str().or(self.start.as_str())?));
        notes::id(self.id.as_str().or_else(last)).or_else(|| notes::id(made_up().as_deref()))
    }
}

fn instant(text: &Text) -> Option<Timestamp> {
    text.as_str().and_then(times::javascript)
}

fn minutes(text: &Text) -> Option<std::time::Duration> {
    let minutes: u32 = text.as_str()?.parse().ok()?;
    Some(std::time::Duration::from_secs(u64::from(minutes) * 60))
}

// --- words ----------------------------------------------------------------------------------------------------------

/// `ALL`, `SOME` or `ONE` stands before the state: a page that is down is so only as a whole.
fn page_status(word: &str) -> Option<Status> {
    let is_part = word.starts_with("SOME") || word.starts_with("ONE");
    let known: &[(&str, Status)] = &[
        ("MAJOROUTAGE", if is_part { Status::PartialOutage } else { Status::MajorOutage }),
        ("PARTIALOUTAGE", Status::PartialOutage),
        ("MINOROUTAGE", Status::PartialOutage),
        ("DEGRADED", Status::Degraded),
        ("UNDERMAINTENANCE", Status::Maintenance),
        ("HASISSUES", Status::Degraded),
    ];
    let named = known.iter().find(|(part, _)| word.contains(part)).map(|(_, status)| *status);
    named.or((word == "UP").then_some(Status::Operational))
}

fn component_status(word: &str) -> Option<Status> {
    match word {
        "OPERATIONAL" => Some(Status::Operational),
        "UNDERMAINTENANCE" => Some(Status::Maintenance),
        "DEGRADEDPERFORMANCE" => Some(Status::Degraded),
        "PARTIALOUTAGE" | "MINOROUTAGE" => Some(Status::PartialOutage),
        "MAJOROUTAGE" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// Incidents hurt in the words of components.
fn impact(word: &str) -> Option<Impact> {
    Impact::of(component_status(word)?)
}

fn incident_stage(word: &str) -> Option<Stage> {
    match word {
        "INVESTIGATING" => Some(Stage::Investigating),
        "IDENTIFIED" => Some(Stage::Identified),
        "MONITORING" => Some(Stage::Monitoring),
        "RESOLVED" => Some(Stage::Resolved),
        _ => None,
    }
}

fn maintenance_stage(word: &str) -> Option<Stage> {
    match word {
        "NOTSTARTEDYET" => Some(Stage::Scheduled),
        "INPROGRESS" => Some(Stage::InProgress),
        "VERIFYING" => Some(Stage::Verifying),
        "COMPLETED" => Some(Stage::Completed),
        _ => None,
    }
}
