//! Better Stack (formerly Better Uptime): the JSON:API document `/index.json` of every page,
//! <https://betterstack.com/docs/uptime/status-pages/>.
//!
//! Reports have no stages and no word for how much they hurt: one is over when its state says `resolved`, whatever its end
//! says, and its impact is the worst that it, or one of its updates, says of a resource. `downtime` of a page is not the whole
//! page: its resources decide.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::json_api::{self, Reference, Related};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "betterstack";
/// More resources, reports and updates in one document are refused.
const INCLUDED_MAX: usize = 200_000;

pub const FORMAT: Format = Format { live: &["/index.json"], ..Format::new(NAME, recognise, parse) };

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "data.type status_page, aggregate_state")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    data: Lax<Data>,
    #[serde(borrow)]
    included: List<&'d RawValue, INCLUDED_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    r#type: Text,
    attributes: Lax<About>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About {
    company_name: Text,
    custom_domain: Text,
    aggregate_state: Text,
    updated_at: Text,
}

/// Anything that is included.
type Thing<'d> = json_api::Resource<'d, Relationships<'d>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Relationships<'d> {
    #[serde(borrow)]
    status_updates: Lax<Related<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Section {
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    public_name: Text,
    status: Text,
    status_page_section_id: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report<'d> {
    title: Text,
    report_type: Text,
    starts_at: Text,
    ends_at: Text,
    aggregate_state: Text,
    #[serde(borrow)]
    affected_resources: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post<'d> {
    message: Text,
    published_at: Text,
    #[serde(borrow)]
    affected_resources: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Affected {
    status_page_resource_id: Text,
    status: Text,
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"status_page\"").then(|| json::read(NAME, text).ok())??;
        let data = body.data.0.as_ref()?;
        let has_state = data.attributes.0.as_ref()?.aggregate_state.as_str().is_some();
        (data.r#type.as_str() == Some("status_page") && has_state).then_some(body)
    }
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body =
        Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no data of type status_page with an aggregate_state"))?;
    let listing = if body.included.is_there() { Listing::Recent } else { Listing::Absent };
    let about = body.data.0.and_then(|data| data.attributes.0).unwrap_or_default();
    let mut reader = Reader::default();
    let mut resources = Vec::new();
    let mut reports = Vec::new();
    for thing in body.included.within("included things")?.into_iter().filter_map(json::element::<Thing>) {
        match thing.r#type.as_str() {
            Some("status_page_section") => reader.learn_section(&thing),
            Some("status_page_resource") => resources.push(thing),
            Some("status_report") => reports.push(thing),
            Some("status_update") => reader.learn_post(&thing),
            _ => {}
        }
    }
    let components = reader.components(resources)?;
    let (incidents, maintenances) = reader.reports(reports)?;
    let by_word = reader.notes.meaning("page status", about.aggregate_state.as_str(), page_status);
    Ok(Page {
        name: reader.notes.line(about.company_name.as_str()),
        url: about.custom_domain.as_str().and_then(|host| notes::link(Some(&format!("https://{host}")))),
        updated_at: about.updated_at.instant(),
        overall: Status::roll_up(components.iter().map(|c| c.status)).or(by_word).unwrap_or(Status::Unknown),
        components,
        incidents,
        maintenances,
        carries: Carries { components: listing == Listing::Recent, incidents: listing, maintenances: listing },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

#[derive(Default)]
struct Reader<'d> {
    /// Names of the groups, by id.
    sections: BTreeMap<String, String>,
    /// Names of the components, by id.
    names: BTreeMap<String, String>,
    /// Updates as they stand in the document, by id.
    posts: BTreeMap<String, &'d RawValue>,
    notes: Notes,
    budget: Budget,
}

impl<'d> Reader<'d> {
    fn learn_section(&mut self, thing: &Thing) {
        let section: Option<Section> = thing.attributes.and_then(json::element);
        if let (Some(id), Some(name)) = (notes::id(thing.id.as_str()), section.and_then(|s| self.notes.line(s.name.as_str()))) {
            learn(&mut self.sections, id, name, |a, b| a < b);
        }
    }

    fn learn_post(&mut self, thing: &Thing<'d>) {
        if let (Some(id), Some(raw)) = (notes::id(thing.id.as_str()), thing.attributes) {
            learn(&mut self.posts, id, raw, |a, b| a.get() < b.get());
        }
    }

    fn components(&mut self, things: Vec<Thing>) -> Result<Vec<Component>, Unreadable> {
        if things.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
        let mut components = Vec::new();
        for thing in things {
            let resource: Resource = thing.attributes.and_then(json::element).unwrap_or_default();
            let name = self.notes.line(resource.public_name.as_str());
            let Some(id) = notes::id(thing.id.as_str().or(name.as_deref())) else { continue };
            let name = name.unwrap_or_else(|| id.clone());
            learn(&mut self.names, id.clone(), name.clone(), |a, b| a < b);
            let section = notes::id(resource.status_page_section_id.as_str()).and_then(|id| self.sections.get(&id));
            components.push(Component {
                group: section.map(|name| self.budget.copy(name)).transpose()?,
                region: None,
                status: self.notes.meaning("status", resource.status.as_str(), resource_status).unwrap_or(Status::Unknown),
                name,
                id,
            });
        }
        Ok(components)
    }

    fn reports(&mut self, things: Vec<Thing>) -> Result<(Vec<Incident>, Vec<Maintenance>), Unreadable> {
        if things.len() > INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
        }
        let (mut incidents, mut maintenances) = (Vec::new(), Vec::new());
        for thing in things {
            let Some(id) = notes::id(thing.id.as_str()) else { continue };
            let report: Report = thing.attributes.and_then(json::element).unwrap_or_default();
            let told = self.told(&thing, &report)?;
            match report.report_type.as_str() {
                Some("maintenance") => maintenances.push(self.maintenance(id, &report, told)),
                _ => incidents.push(self.incident(id, &report, told)),
            }
        }
        Ok((incidents, maintenances))
    }

    fn incident(&mut self, id: String, report: &Report, told: Told) -> Incident {
        let resolved =
            told.is_resolved.then(|| report.ends_at.instant().or(told.resolved_at).or(told.newest()).or(report.starts_at.instant()));
        Incident {
            title: self.notes.title(report.title.as_str(), "Incident", &id),
            impact: told.impact,
            // There are no stages, but something has to say that it is over.
            stage: (resolved == Some(None)).then_some(Stage::Resolved),
            started_at: report.starts_at.instant(),
            stated_start: None,
            undecided: false,
            resolved_at: resolved.flatten(),
            url: None,
            touches: told.touches,
            updates: told.updates,
            id,
        }
    }

    /// A future one has the state `maintenance` already, so that only its end can be told.
    fn maintenance(&mut self, id: String, report: &Report, told: Told) -> Maintenance {
        Maintenance {
            title: self.notes.title(report.title.as_str(), "Maintenance", &id),
            stage: told.is_resolved.then_some(Stage::Completed),
            starts_at: report.starts_at.instant(),
            ends_at: report.ends_at.instant(),
            url: None,
            touches: told.touches,
            updates: told.updates,
            id,
        }
    }

    fn told(&mut self, thing: &Thing, report: &Report) -> Result<Told, Unreadable> {
        let state = self.notes.meaning("report status", report.aggregate_state.as_str(), report_state);
        let affected = self.affected(report.affected_resources)?;
        let mut told = Told { is_resolved: state == Some(State::Resolved), ..Told::default() };
        told.impact = affected.iter().map(|(_, state)| *state).chain([state]).filter_map(|state| state?.impact()).max();
        let mut touched: BTreeMap<String, Touched> = BTreeMap::new();
        for (id, _) in affected {
            self.touch(id, &mut touched)?;
        }
        // When something was last said to be wrong, and from when on nothing was.
        let (mut last_wrong, mut rights) = (None, Vec::new());
        let references = thing.relationships.0.as_ref().and_then(|r| r.status_updates.0.as_ref()?.data);
        let references = json::listed::<&RawValue, UPDATES_MAX>(references, "updates")?;
        self.budget.updates(references.len())?;
        for reference in references.into_iter().filter_map(json::element::<Reference>) {
            let post = notes::id(reference.id.as_str()).and_then(|id| self.posts.get(&id).copied());
            let Some(post) = post.and_then(json::element::<Post>) else { continue };
            let affected = self.affected(post.affected_resources)?;
            let at = post.published_at.instant();
            if !affected.is_empty() {
                let is_right = affected.iter().all(|(_, state)| *state == Some(State::Resolved));
                if is_right { rights.push(at) } else { last_wrong = last_wrong.max(at) }
            }
            told.impact = affected.iter().filter_map(|(_, state)| state.as_ref()?.impact()).chain(told.impact).max();
            for (id, _) in affected {
                self.touch(id, &mut touched)?;
            }
            let body = self.notes.body(post.message.as_str());
            told.updates.push(Update { at, stage: None, body: self.budget.copy(&body)? });
        }
        told.resolved_at = rights.into_iter().filter(|at| *at >= last_wrong).min().flatten();
        told.touches = touched.into_values().collect();
        Ok(told)
    }

    /// Ids of resources, with what is said of each.
    fn affected(&mut self, raw: Option<&RawValue>) -> Result<Vec<(String, Option<State>)>, Unreadable> {
        let listed = json::listed::<&RawValue, COMPONENTS_MAX>(raw, "affected components")?;
        self.budget.touched(listed.len())?;
        let mut affected = Vec::new();
        for one in listed.into_iter().filter_map(json::element::<Affected>) {
            if let Some(id) = notes::id(one.status_page_resource_id.as_str()) {
                affected.push((id, self.notes.meaning("status", one.status.as_str(), report_state)));
            }
        }
        Ok(affected)
    }

    fn touch(&mut self, id: String, touched: &mut BTreeMap<String, Touched>) -> Result<(), Unreadable> {
        if !touched.contains_key(&id) {
            let name = self.budget.copy(self.names.get(&id).unwrap_or(&id))?;
            touched.insert(id.clone(), Touched { id: Some(id), name });
        }
        Ok(())
    }
}

/// What a report and its updates say.
#[derive(Default)]
struct Told {
    is_resolved: bool,
    resolved_at: Option<Timestamp>,
    impact: Option<Impact>,
    touches: Vec<Touched>,
    updates: Vec<Update>,
}

impl Told {
    fn newest(&self) -> Option<Timestamp> {
        self.updates.iter().filter_map(|u| u.at).max()
    }
}

/// Where one id has two things, always the same one counts.
fn learn<T>(known: &mut BTreeMap<String, T>, id: String, fresh: T, is_before: impl Fn(&T, &T) -> bool) {
    if known.get(&id).is_none_or(|before| is_before(&fresh, before)) {
        known.insert(id, fresh);
    }
}

// --- words ----------------------------------------------------------------------------------------------------------

fn resource_status(word: &str) -> Option<Status> {
    match word {
        "operational" => Some(Status::Operational),
        "maintenance" => Some(Status::Maintenance),
        "degraded" => Some(Status::Degraded),
        "downtime" => Some(Status::MajorOutage),
        "not_monitored" => Some(Status::Unknown),
        _ => None,
    }
}

/// Without resources nothing says how much of the page is down.
fn page_status(word: &str) -> Option<Status> {
    resource_status(word).map(|status| if status == Status::MajorOutage { Status::PartialOutage } else { status })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Resolved,
    Is(Status),
}

impl State {
    fn impact(self) -> Option<Impact> {
        match self {
            State::Resolved | State::Is(Status::Unknown) => None,
            State::Is(Status::Operational | Status::Maintenance) => Some(Impact::None),
            State::Is(Status::Degraded) => Some(Impact::Minor),
            State::Is(Status::PartialOutage) => Some(Impact::Major),
            State::Is(Status::MajorOutage) => Some(Impact::Critical),
        }
    }
}

fn report_state(word: &str) -> Option<State> {
    if word == "resolved" { Some(State::Resolved) } else { resource_status(word).map(State::Is) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn resources_decide_and_not_the_word() {
        check(
            NAME,
            "index-operational",
            r#"
                operational components Recent Recent
                c 101 Grinding / Stones: operational
                c 102 Sieve: unknown
            "#,
        );
        check(
            NAME,
            "index-downtime",
            r#"
                partial_outage components Recent Recent
                c 101 Grinding / Stones: major_outage
                c 102 Grinding / Sieve: operational
                c 103 Flour API: degraded
                i 201 critical - 2031-05-06T07:55..? "Nothing is ground" [Stones] 1
                i 202 minor - 2031-05-01T08:00..2031-05-01T09:30 "Coarse flour" [Sieve] 3
                i 203 - - 2031-04-01T08:00..2031-04-01T08:05 "Measured by itself" [Flour API] 0
                m 204 - 2031-06-01T08:00..2031-06-01T09:00 "New sieve" [Sieve] 0
                m 205 completed 2031-03-01T08:00..2031-03-01T09:00 "Old sieve" [] 0
            "#,
        );
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        check(
            NAME,
            "index-odd",
            r#"
                maintenance components Recent Recent
                c 101 101: unknown
                c 102 Sieve: maintenance
                i 7 - - ?..? "Incident 7" [] 0
                i 201 - resolved ?..? "Incident 201" [999] 0
                ? page status: puzzled
                ? status: grinding
                ? status: lost
            "#,
        );
        check(
            NAME,
            "index-without-included",
            r#"
                partial_outage - Absent Absent
            "#,
        );
    }

    #[test]
    fn texts_and_addresses() {
        let page = fixture(NAME, "index-downtime", None).unwrap();
        assert_eq!((page.name.as_deref(), page.url.as_deref()), (Some("Mill"), Some("https://status.mill.example")));
        assert_eq!(page.incidents[1].updates[0].body, "A note afterwards.", "newest first");
    }
}
