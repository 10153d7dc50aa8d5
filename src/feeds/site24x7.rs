//! StatusIQ of Site24x7 (Zoho): `/sp/api/u/summary_details` of a page, or `/sp/api/public/summary_details/statuspages/ID` where its
//! web page names the id. No page was captured: what is written here was learned from the vendor's own mobile clients
//! (<https://github.com/site24x7/StatusIQ-Android-SDK>) and from the code of others.
//!
//! States, severities and stages are numbers, which count, and words beside them, which may be translated. What is active is
//! listed, and work with it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};

const NAME: &str = "site24x7";

pub const FORMAT: Format = Format { live: &["{root}/sp/api/u/summary_details"], hint: Some(hint), ..Format::new(NAME, recognise, parse) };

/// `enc_statuspage_id` in the web page.
fn hint(web_page: &Document) -> Vec<Url> {
    const ID_BYTES_MAX: usize = 200;
    let Some((_, after)) = web_page.text.split_once("enc_statuspage_id") else { return Vec::new() };
    let after = after.trim_start_matches(['"', '\'', ' ', ':', '=', '\\']);
    let id: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
    let document = format!("/sp/api/public/summary_details/statuspages/{id}");
    let url = web_page.url.filter(|_| !id.is_empty() && id.len() <= ID_BYTES_MAX).and_then(|page| page.join(&document).ok());
    url.into_iter().collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    data: Lax<Summary<'d>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary<'d> {
    #[serde(borrow)]
    current_status: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    active_incident_details: List<&'d RawValue, INCIDENTS_MAX>,
    statuspage_details: Lax<About>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct About {
    display_name: Text,
    status: Text,
    updated_at: Text,
}

/// A component, or a group with others in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry<'d> {
    enc_component_id: Text,
    display_name: Text,
    component_status: Text,
    componentgroup_display_name: Text,
    componentgroup_status: Text,
    #[serde(borrow)]
    componentgroup_components: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    enc_inc_id: Text,
    enc_incident_id: Text,
    incident_title: Text,
    incident_desc: Text,
    incident_began_at: Text,
    incident_ended_at: Text,
    incident_severity_id: Text,
    #[serde(borrow)]
    incident_affected_components: Option<&'d RawValue>,
    #[serde(borrow)]
    incident_status_updates: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    incident_status_id: Text,
    incident_status_desc: Text,
    status_updated_at: Text,
}

impl Event<'_> {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.incident_title.as_str()?, self.incident_began_at.as_str().unwrap_or_default()));
        notes::id(self.enc_inc_id.as_str().or(self.enc_incident_id.as_str())).or_else(|| notes::id(made_up().as_deref()))
    }
}

impl Entry<'_> {
    fn is_one(&self) -> bool {
        self.component_status.as_str().is_some() || self.componentgroup_status.as_str().is_some()
    }
}

impl<'d> Summary<'d> {
    fn of(text: &'d str) -> Option<Summary<'d>> {
        let body: Body<'d> = text.contains("\"current_status\"").then(|| json::read(NAME, text).ok())??;
        let summary = body.data.0?;
        let entries = summary.current_status.0.as_ref()?;
        let is_one = entries.iter().filter_map(|raw| json::element::<Entry>(raw)).any(|entry| entry.is_one());
        let is_empty = entries.is_empty() && (summary.statuspage_details.0.is_some() || summary.active_incident_details.is_there());
        (is_one || is_empty).then_some(summary)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    Summary::of(&document.text).map(|_| "data.current_status of StatusIQ")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let summary = Summary::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no data.current_status"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    for raw in summary.current_status.within("components")? {
        let Some(entry) = json::element::<Entry>(raw) else { continue };
        reader.entry(&entry, &mut page.components)?;
    }
    let listing = if summary.active_incident_details.is_there() { Listing::OpenOnly } else { Listing::Absent };
    page.carries = Carries { components: true, incidents: listing, maintenances: listing };
    for raw in summary.active_incident_details.within("incidents")? {
        reader.event(raw, &mut page)?;
    }
    let about = summary.statuspage_details.0.unwrap_or_default();
    page.name = reader.notes.line(about.display_name.as_str());
    page.updated_at = about.updated_at.instant();
    let verdict = reader.notes.meaning("status", about.status.as_str(), status);
    let by_components = Status::roll_up(page.components.iter().map(|c| c.status));
    page.overall = by_components.or(verdict).or_else(|| Status::by_incidents(&page.incidents)).unwrap_or(Status::Unknown);
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
}

impl Reader {
    fn entry(&mut self, entry: &Entry, components: &mut Vec<Component>) -> Result<(), Unreadable> {
        let group = self.notes.line(entry.componentgroup_display_name.as_str());
        let members = json::listed::<&RawValue, COMPONENTS_MAX>(entry.componentgroup_components, "components")?;
        if entry.display_name.as_str().is_some() && entry.component_status.as_str().is_some() {
            components.extend(self.component(entry, group.as_deref())?);
        } else {
            for raw in members {
                let Some(member) = json::element::<Entry>(raw) else { continue };
                components.extend(self.component(&member, group.as_deref())?);
            }
        }
        if components.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
        Ok(())
    }

    fn component(&mut self, entry: &Entry, group: Option<&str>) -> Result<Option<Component>, Unreadable> {
        let Some(id) = notes::id(entry.enc_component_id.as_str().or(entry.display_name.as_str())) else { return Ok(None) };
        Ok(Some(Component {
            name: self.notes.line(entry.display_name.as_str()).unwrap_or_else(|| id.clone()),
            group: group.map(|group| self.budget.copy(group)).transpose()?,
            region: None,
            status: self.notes.meaning("status", entry.component_status.as_str(), status).unwrap_or(Status::Unknown),
            id,
        }))
    }

    fn event(&mut self, raw: &RawValue, page: &mut Page) -> Result<(), Unreadable> {
        let Some(event) = json::element::<Event>(raw) else { return Ok(()) };
        let Some(id) = event.id() else { return Ok(()) };
        let title = self.notes.title(event.incident_title.as_str(), "Incident", &id);
        let updates = self.updates(&event)?;
        let stage = updates.iter().filter(|update| update.stage.is_some()).max().and_then(|update| update.stage);
        let touches = self.touches(&event)?;
        let is_work = updates.iter().filter_map(|update| update.stage).any(is_of_work) || event.incident_severity_id.as_str() == Some("4");
        if is_work {
            page.maintenances.push(Maintenance {
                stage: stage.filter(|stage| is_of_work(*stage)),
                starts_at: event.incident_began_at.instant(),
                ends_at: event.incident_ended_at.instant(),
                touches,
                updates,
                ..Maintenance::new(id, title)
            });
        } else {
            page.incidents.push(Incident {
                impact: self.notes.meaning("impact", event.incident_severity_id.as_str(), impact),
                stage,
                started_at: event.incident_began_at.instant(),
                resolved_at: event.incident_ended_at.instant().filter(|_| stage.is_none_or(Stage::is_over)),
                touches,
                updates,
                ..Incident::new(id, title)
            });
        }
        Ok(())
    }

    /// What was said first stands in the event itself.
    fn updates(&mut self, event: &Event) -> Result<Vec<Update>, Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.incident_status_updates, "updates")?;
        self.budget.updates(posts.len())?;
        let first = self.notes.body(event.incident_desc.as_str());
        let first = Some(first).filter(|body| posts.is_empty() && !body.is_empty());
        let first = first.map(|body| Update { at: event.incident_began_at.instant(), stage: None, body });
        let update = |post: &Post| Update {
            at: post.status_updated_at.instant(),
            stage: self.notes.meaning("stage", post.incident_status_id.as_str(), stage).flatten(),
            body: self.notes.body(post.incident_status_desc.as_str()),
        };
        Ok(posts.iter().map(update).chain(first).collect())
    }

    /// By name alone.
    fn touches(&mut self, event: &Event) -> Result<Vec<Touched>, Unreadable> {
        let affected = json::listed::<Entry, COMPONENTS_MAX>(event.incident_affected_components, "affected components")?;
        self.budget.touched(affected.len())?;
        let name = |entry: &Entry| self.notes.line(entry.display_name.as_str().or(entry.componentgroup_display_name.as_str()));
        let names: BTreeSet<String> = affected.iter().filter_map(name).collect();
        Ok(names.into_iter().map(|name| Touched { id: None, name }).collect())
    }
}

fn is_of_work(stage: Stage) -> bool {
    matches!(stage, Stage::Scheduled | Stage::InProgress | Stage::Verifying | Stage::Completed)
}

/// 2 is informational.
fn status(number: &str) -> Option<Status> {
    match number {
        "1" | "2" => Some(Status::Operational),
        "3" => Some(Status::Degraded),
        "4" => Some(Status::Maintenance),
        "5" => Some(Status::PartialOutage),
        "6" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// On the scale of the states.
fn impact(number: &str) -> Option<Impact> {
    Impact::of(status(number)?)
}

/// 10 is "acknowledged".
fn stage(number: &str) -> Option<Option<Stage>> {
    match number {
        "10" => Some(None),
        "11" => Some(Some(Stage::Investigating)),
        "12" => Some(Some(Stage::Identified)),
        "13" => Some(Some(Stage::Monitoring)),
        "14" => Some(Some(Stage::Resolved)),
        "21" => Some(Some(Stage::Scheduled)),
        "22" => Some(Some(Stage::InProgress)),
        "23" => Some(Some(Stage::Verifying)),
        "24" => Some(Some(Stage::Completed)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn numbers_count_and_groups_do_not() {
        check(
            "site24x7",
            "busy",
            r#"
                partial_outage components OpenOnly OpenOnly
                c c1 Harbour / Cranes: major_outage
                c c2 Harbour / Winches: operational
                c c3 Gate: degraded
                c c4 Shed: unknown
                i i1 critical identified 2031-03-04T09:00..? "No cranes" [Cranes] 2
                i i2 - - 2031-03-04T08:00..? "Odd shed" [Shed] 1
                m i3 in_progress 2031-03-04T07:00..? "New winches" [Winches] 2
                ? impact: 9
                ? stage: 99
                ? status: 9
            "#,
        );
        let page = fixture(NAME, "busy", None).unwrap();
        assert_eq!(
            (page.name.as_deref(), page.updated_at.map(|at| at.to_string())),
            (Some("Harbour"), Some("2031-03-04T09:30:00.000Z".into()))
        );
        check("site24x7", "quiet", "operational components OpenOnly OpenOnly\nc c3 Gate: operational");
        check("site24x7", "no-components", "degraded components Absent Absent");
    }

    #[test]
    fn a_web_page_names_its_id() {
        let page = Url::parse("https://status.harbour.example/").unwrap();
        for (html, id) in [
            ("<html>{\"enc_statuspage_id\":\"aB-3_x=\"}", Some("aB-3_x")),
            ("<html>enc_statuspage_id = 'aB3'", Some("aB3")),
            ("<html>enc_statuspage_id", None),
        ] {
            let hinted = hint(&Document { url: Some(&page), text: html.into(), mapping: None });
            let want = id.map(|id| format!("https://status.harbour.example/sp/api/public/summary_details/statuspages/{id}"));
            assert_eq!(hinted.first().map(|url| url.to_string()), want, "{html}");
        }
    }
}
