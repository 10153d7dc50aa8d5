//! cState: <https://github.com/cstate/cstate/wiki/API>, a static site made by Hugo. Its `/index.json` has the systems and what is open,
//! `/issues/index.json` everything that ever was.
//!
//! A template writes it: what was never set reads `<no value>`, and times are as Go prints them. An issue is repeated under
//! every system that it affects. The page is as old as its last build, and its verdict is that of the worst system.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable, times};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Stage, Status, Touched};
use crate::model::{Page, Timestamp};

const NAME: &str = "cstate";

pub const FORMAT: Format = Format { live: &["/index.json"], history: &["/issues/index.json"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Body<'d> {
    is: Text,
    c_state_version: Text,
    title: Text,
    #[serde(rename = "baseURL")]
    base_url: Text,
    summary_status: Text,
    #[serde(borrow)]
    pinned_issues: List<&'d RawValue, INCIDENTS_MAX>,
    #[serde(borrow)]
    systems: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    pages: List<&'d RawValue, INCIDENTS_MAX>,
    build_date: Text,
    build_time: Text,
    build_timezone: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct System<'d> {
    name: Text,
    category: Text,
    status: Text,
    #[serde(borrow)]
    unresolved_issues: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Issue<'d> {
    is: Text,
    title: Text,
    created_at: Text,
    permalink: Text,
    severity: Text,
    resolved: Lax<bool>,
    informational: Lax<bool>,
    resolved_at: Text,
    #[serde(borrow)]
    affected: Option<&'d RawValue>,
    filename: Text,
}

/// What was set.
fn set(text: &Text) -> Option<&str> {
    text.as_str().filter(|text| *text != "<no value>")
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"is\"").then(|| json::read(NAME, text).ok())??;
        (body.is_index() || body.is_history()).then_some(body)
    }

    fn is_index(&self) -> bool {
        self.is.as_str() == Some("index") && self.c_state_version.as_str().is_some() && self.systems.is_there()
    }

    fn is_history(&self) -> bool {
        self.is.as_str() == Some("issues") && self.pages.is_there()
    }

    fn built_at(&self) -> Option<Timestamp> {
        let zone = set(&self.build_timezone).unwrap_or("UTC");
        let offset = if matches!(zone, "UTC" | "GMT") { "Z" } else { zone };
        times::at(&format!("{} {}", set(&self.build_date)?, set(&self.build_time)?), Some(offset))
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    let body = Body::of(&document.text)?;
    Some(if body.is_index() { "is index, cStateVersion" } else { "is issues, pages" })
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let wrong = || Unreadable::shape(NAME, "it is neither an index with cStateVersion and systems nor a list of issues");
    let body = Body::of(&document.text).ok_or_else(wrong)?;
    let mut reader = Reader::default();
    let (name, url, updated_at) = (reader.notes.line(set(&body.title)), notes::link(set(&body.base_url)), body.built_at());
    let (is_index, word) = (body.is_index(), body.summary_status.as_str().map(str::to_owned));
    let components = reader.systems(body.systems.within("components")?)?;
    for raw in body.pinned_issues.within("incidents")?.into_iter().chain(body.pages.within("incidents")?) {
        reader.issue(raw, None)?;
    }
    let by_word = reader.notes.meaning("page status", word.as_deref(), page_status);
    let incidents: Vec<Incident> = reader.incidents.into_values().collect();
    let overall = Status::roll_up(components.iter().map(|c| c.status)).or(by_word).or_else(|| Status::by_incidents(&incidents));
    Ok(Page {
        // That of the history is called "Issues".
        name: name.filter(|_| is_index),
        url,
        updated_at,
        overall: overall.unwrap_or(Status::Unknown),
        components,
        incidents,
        carries: Carries {
            components: is_index,
            incidents: if is_index { Listing::Open } else { Listing::Recent },
            maintenances: Listing::Absent,
        },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

#[derive(Default)]
struct Reader {
    /// By id.
    incidents: BTreeMap<String, Incident>,
    notes: Notes,
    budget: Budget,
}

impl Reader {
    /// A system has no id but its name; of two with one name in two categories both names make it.
    fn systems(&mut self, listed: Vec<&RawValue>) -> Result<Vec<Component>, Unreadable> {
        let mut groups: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut twice: BTreeMap<String, bool> = BTreeMap::new();
        let mut systems = Vec::new();
        for system in listed.into_iter().filter_map(json::element::<System>) {
            let Some(name) = self.notes.line(set(&system.name)) else { continue };
            let group = self.notes.line(set(&system.category));
            let known = groups.entry(name.clone()).or_insert_with(|| group.clone());
            *twice.entry(name.clone()).or_default() |= *known != group;
            let issues = json::listed::<&RawValue, INCIDENTS_MAX>(system.unresolved_issues, "incidents")?;
            self.budget.updates(issues.len())?;
            for raw in issues {
                self.issue(raw, Some(&name))?;
            }
            systems.push((name, group, self.notes.meaning("status", system.status.as_str(), system_status)));
        }
        let id = |name: &str, group: Option<&str>| match group.filter(|_| twice.get(name) == Some(&true)) {
            Some(group) => notes::id(Some(&format!("{group} / {name}"))).unwrap_or_default(),
            None => name.to_owned(),
        };
        let component = |(name, group, status): (String, Option<String>, Option<Status>)| Component {
            id: id(&name, group.as_deref()),
            region: None,
            status: status.unwrap_or(Status::Unknown),
            name,
            group,
        };
        Ok(systems.into_iter().map(component).collect())
    }

    /// Under the system `of`; what it affects is the same wherever it stands.
    fn issue(&mut self, raw: &RawValue, of: Option<&str>) -> Result<(), Unreadable> {
        let Some(issue) = json::element::<Issue>(raw).filter(|issue| issue.is.as_str().is_none_or(|is| is == "issue")) else {
            return Ok(());
        };
        let Some(id) = issue.id() else { return Ok(()) };
        let mut touches = self.touches(issue.affected)?;
        if let Some(of) = of
            && touches.is_empty()
        {
            touches.push(Touched { id: None, name: self.budget.copy(of)? });
        }
        let incident = self.incident(&issue, id, touches);
        if let Some(known) = self.incidents.get_mut(&incident.id) {
            merge(known, incident);
        } else if self.incidents.len() == INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
        } else {
            self.incidents.insert(incident.id.clone(), incident);
        }
        Ok(())
    }

    fn incident(&mut self, issue: &Issue, id: String, touches: Vec<Touched>) -> Incident {
        let (is_notice, is_over) = (issue.is_informational(), issue.resolved.0 == Some(true));
        let stated = self.notes.meaning("impact", set(&issue.severity), impact);
        Incident {
            title: self.notes.title(set(&issue.title), "Issue", &id),
            impact: if is_notice { Some(Impact::None) } else { stated },
            stage: is_over.then_some(Stage::Resolved),
            started_at: set(&issue.created_at).and_then(times::go),
            stated_start: None,
            // Nothing says when an announcement is over.
            undecided: is_notice && !is_over,
            resolved_at: set(&issue.resolved_at).and_then(times::go).filter(|_| is_over),
            url: notes::link(set(&issue.permalink)),
            touches,
            updates: Vec::new(),
            id,
        }
    }

    fn touches(&mut self, raw: Option<&RawValue>) -> Result<Vec<Touched>, Unreadable> {
        let listed = json::listed::<Text, COMPONENTS_MAX>(raw, "affected components")?;
        self.budget.touched(listed.len())?;
        Ok(listed.iter().filter_map(|name| Some(Touched { id: None, name: self.notes.line(set(name))? })).collect())
    }
}

/// The same issue from two places of the document.
fn merge(known: &mut Incident, other: Incident) {
    known.touches.extend(other.touches);
    known.touches.sort();
    known.touches.dedup();
    // What is only pinned there says less of it.
    known.impact = match (known.undecided, other.undecided) {
        (true, false) => other.impact,
        (false, true) => known.impact,
        _ => known.impact.max(other.impact),
    };
    known.undecided &= other.undecided;
    known.stage = known.stage.or(other.stage);
    known.resolved_at = known.resolved_at.max(other.resolved_at);
    known.started_at = known.started_at.into_iter().chain(other.started_at).min();
    known.title = known.title.clone().min(other.title);
    known.url = known.url.take().into_iter().chain(other.url).min();
}

impl Issue<'_> {
    fn id(&self) -> Option<String> {
        let named = set(&self.permalink).or(set(&self.filename)).or(set(&self.title));
        notes::id(named)
    }

    /// Pinned ones say neither how bad they are nor whether they are over.
    fn is_informational(&self) -> bool {
        self.informational.0.unwrap_or(set(&self.severity).is_none() && self.resolved.0.is_none())
    }
}

fn system_status(word: &str) -> Option<Status> {
    match word {
        "ok" => Some(Status::Operational),
        "notice" => Some(Status::Degraded),
        "disrupted" => Some(Status::PartialOutage),
        "down" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// The worst of all systems.
fn page_status(word: &str) -> Option<Status> {
    system_status(word)
}

fn impact(word: &str) -> Option<Impact> {
    match word {
        "notice" => Some(Impact::Minor),
        "disrupted" => Some(Impact::Major),
        "down" => Some(Impact::Critical),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn an_issue_under_several_systems_is_one() {
        check(
            NAME,
            "index-ok",
            r#"
                operational components Open Absent
                c Apples Trees / Apples: operational
                c Press Cellar / Press: operational
                i https://status.orchard.example/issues/winter/ none - 2031-04-01T04:00..? "We close in winter" [] 0
            "#,
        );
        check(
            NAME,
            "index-down",
            r#"
                partial_outage components Open Absent
                c Apples Trees / Apples: major_outage
                c Pears Trees / Pears: major_outage
                c Cellar / Press Cellar / Press: operational
                c Shed / Press Shed / Press: partial_outage
                c Bees Trees / Bees: unknown
                i https://status.orchard.example/issues/screw/ - - 2031-05-06T06:00..? "A screw is loose" [Press] 0
                i https://status.orchard.example/issues/frost/ critical - 2031-05-06T06:00..? "Frost" [Apples, Pears] 0
                i https://status.orchard.example/issues/worm/ minor - 2031-05-05T06:00..? "Worms" [Apples] 0
                i https://status.orchard.example/issues/winter/ none - 2031-04-01T04:00..? "We close in winter" [] 0
                ? impact: wobbly
                ? status: humming
            "#,
        );
    }

    #[test]
    fn the_history_has_what_is_over() {
        check(
            NAME,
            "issues",
            r#"
                major_outage - Recent Absent
                i https://status.orchard.example/issues/winter/ none - 2031-05-06T06:00..? "We close in winter" [] 0
                i https://status.orchard.example/issues/frost/ critical - 2031-05-06T06:00..? "Frost" [Apples, Pears] 0
                i https://status.orchard.example/issues/wasps/ major resolved 2031-05-04T06:00..2031-05-04T08:00 "Wasps" [Press] 0
                i https://status.orchard.example/issues/hail/ critical resolved 2031-05-03T06:00..2031-05-03T06:00 "Hail" [Apples] 0
            "#,
        );
    }

    #[test]
    fn an_announcement_is_neither_open_nor_over() {
        let page = fixture(NAME, "index-down", None).unwrap();
        let open: Vec<&str> = page.incidents.iter().filter(|i| i.is_open()).map(|i| i.title.as_str()).collect();
        assert_eq!(open, ["A screw is loose", "Frost", "Worms"]);
        assert_eq!(page.updated_at.map(|at| at.to_string()).as_deref(), Some("2031-05-06T09:30:00.000Z"));
    }
}
