//! Oracle Cloud: <https://docs.oracle.com/en-us/iaas/Content/General/Concepts/status-service.htm>, the state of each service in
//! each region, and a verdict over all in the words of a Statuspage.
//!
//! Incidents have neither title nor time here: what happened is told by a feed (`/api/v2/incident-summary.rss`). No page of today
//! was captured: what is written here was learned from the vendor's documentation and from the code of other clients.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::statuspage::api::{self, About, Verdict};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Status, Touched};

const NAME: &str = "oraclecloud";
const HOST: &str = "ocistatus.oraclecloud.com";

pub const FORMAT: Format =
    Format { hosts: &[HOST], live: &["{root}/api/v2/components.json", "{root}/api/v2/status.json"], ..Format::new(NAME, recognise, parse) };

/// `components.json`
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Health<'d> {
    #[serde(borrow)]
    region_health_reports: List<Region<'d>, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Region<'d> {
    region_id: Text,
    region_name: Text,
    #[serde(borrow)]
    service_health_reports: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Service<'d> {
    service_id: Text,
    service_name: Text,
    service_category_name: Text,
    service_status: Text,
    #[serde(borrow)]
    incidents: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Mention {
    incident_id: Text,
    severity: Text,
}

/// `status.json`
#[derive(Default, Deserialize)]
#[serde(default)]
struct Summary {
    page: Lax<About>,
    status: Lax<Verdict>,
}

fn health(text: &str) -> Option<Health<'_>> {
    let health: Health = text.contains("\"regionHealthReports\"").then(|| json::read(NAME, text).ok())??;
    health.region_health_reports.is_there().then_some(health)
}

fn summary(text: &str) -> Option<(About, Verdict)> {
    let summary: Summary = text.contains("\"indicator\"").then(|| json::read(NAME, text).ok())??;
    let page = summary.page.0.filter(|page| page.id.as_str().is_none())?;
    Some((page, summary.status.0.filter(|status| status.indicator.as_str().is_some())?))
}

fn recognise(document: &Document) -> Option<&'static str> {
    if health(&document.text).is_some() {
        return Some("regionHealthReports");
    }
    let (page, _) = summary(&document.text)?;
    let is_here = document.url.is_some_and(|url| url.host_str() == Some(HOST));
    (is_here || page.name.as_str() == Some("OCI")).then_some("page.name of Oracle Cloud, status.indicator")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if let Some(health) = health(&document.text) {
        return Reader::default().page(health);
    }
    let (page, verdict) = summary(&document.text)
        .ok_or_else(|| Unreadable::shape(NAME, "it has neither regionHealthReports nor page with status.indicator"))?;
    let mut notes = Notes::default();
    Ok(Page {
        name: notes.line(page.name.as_str()),
        url: notes::link(page.url.as_str()),
        updated_at: page.updated_at.instant(),
        overall: api::indicator(&verdict, &mut notes).unwrap_or(Status::Unknown),
        oddities: notes.oddities(),
        ..Page::blank(NAME)
    })
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
    components: Vec<Component>,
    /// By id: how bad it is where it is worst, and what it touches.
    incidents: BTreeMap<String, (Option<Impact>, Vec<Touched>)>,
}

impl Reader {
    fn page(mut self, health: Health) -> Result<Page, Unreadable> {
        for region in health.region_health_reports.within("regions")? {
            let services = json::listed::<&RawValue, COMPONENTS_MAX>(region.service_health_reports, "services of a region")?;
            let name = self.notes.line(region.region_name.as_str());
            let place = region.region_id.as_str().or(name.as_deref()).unwrap_or_default();
            for service in services.into_iter().filter_map(json::element) {
                self.service(place, name.as_deref(), &service)?;
            }
        }
        Ok(Page {
            overall: Status::roll_up(self.components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
            components: self.components,
            incidents: self.incidents.into_iter().map(incident).collect(),
            carries: Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::Absent },
            oddities: self.notes.oddities(),
            ..Page::blank(NAME)
        })
    }

    /// In the place with this id and name.
    fn service(&mut self, place: &str, region: Option<&str>, service: &Service) -> Result<(), Unreadable> {
        let Some(own) = service.service_id.as_str().or(service.service_name.as_str()) else { return Ok(()) };
        let Some(id) = notes::id(Some(&format!("{place}/{own}"))) else { return Ok(()) };
        let id = self.budget.copy(&id)?;
        let Some(name) = self.notes.line(service.service_name.as_str().or(Some(own))) else { return Ok(()) };
        self.budget.touched(1)?;
        if self.components.len() == COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
        for mention in json::listed::<Mention, INCIDENTS_MAX>(service.incidents, "incidents of a service")? {
            let Some(incident) = notes::id(mention.incident_id.as_str()) else { continue };
            let impact = self.notes.meaning("impact", mention.severity.as_str(), impact);
            self.budget.touched(1)?;
            let (id, name) = (self.budget.copy(&id)?, self.budget.copy(&name)?);
            let known = self.incidents.entry(incident).or_default();
            known.0 = known.0.max(impact);
            known.1.push(Touched { id: Some(id), name });
        }
        self.components.push(Component {
            id,
            name,
            group: self.notes.line(service.service_category_name.as_str()),
            region: region.map(|region| self.budget.copy(region)).transpose()?,
            status: self.notes.meaning("status", service.service_status.as_str(), status).unwrap_or(Status::Unknown),
        });
        if self.incidents.len() > INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "incidents", max: INCIDENTS_MAX });
        }
        Ok(())
    }
}

fn incident((id, (impact, touches)): (String, (Option<Impact>, Vec<Touched>))) -> Incident {
    Incident {
        title: Notes::default().title(None, "Incident", &id),
        impact,
        stage: None,
        started_at: None,
        stated_start: None,
        undecided: false,
        resolved_at: None,
        url: None,
        touches,
        updates: Vec::new(),
        id,
    }
}

/// Words are written with blanks at times.
fn status(word: &str) -> Option<Status> {
    match word.split_whitespace().collect::<String>().as_str() {
        "NormalPerformance" => Some(Status::Operational),
        "Informational" => Some(Status::Degraded),
        "ServiceDisruption" => Some(Status::PartialOutage),
        "ServiceDown" => Some(Status::MajorOutage),
        _ => None,
    }
}

/// How bad an incident is, it says in the words of a service.
fn impact(word: &str) -> Option<Impact> {
    Impact::of(status(word)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn a_leaf_is_a_service_in_a_region() {
        check(
            NAME,
            "components-normal",
            r#"
                operational components OpenOnly Absent
                c r1/s1 Kettles / Boiling: operational
                c r1/s2 Kettles / Pouring: operational
                c r2/s1 Boiling: operational
            "#,
        );
        check(
            NAME,
            "components-down",
            r#"
                partial_outage components OpenOnly Absent
                c r1/s1 Kettles / Boiling: major_outage
                c r1/s2 Kettles / Pouring: degraded
                c r2/s1 Boiling: partial_outage
                c r2/s2 Pouring: unknown
                i ocid.2 minor - ?..? "Incident ocid.2" [Pouring, Pouring] 0
                i ocid.1 critical - ?..? "Incident ocid.1" [Boiling, Boiling] 0
                ? impact: Lukewarm
                ? status: Simmering
            "#,
        );
        let page = fixture(NAME, "components-down", None).unwrap();
        assert_eq!(page.components[0].region.as_deref(), Some("Hill (One)"));
    }

    #[test]
    fn a_verdict_alone() {
        check(NAME, "status-minor", "partial_outage - Absent Absent");
        let elsewhere = fixture("statuspage", "status-another-look-alike", Some("https://status.lantern.example/api/v2/status.json"));
        assert_eq!(elsewhere.unwrap().format, "statuspage", "a look-alike of somebody else");
        let here =
            fixture("statuspage", "status-another-look-alike", Some("https://ocistatus.oraclecloud.com/api/v2/status.json")).unwrap();
        assert_eq!((here.format, here.overall), (NAME, Status::Operational));
    }
}
