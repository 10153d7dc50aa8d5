//! Azure DevOps: <https://learn.microsoft.com/en-us/rest/api/azure/devops/status/health>, the health of each service in each
//! geography. Incidents are told elsewhere (`/_rss`).
//!
//! No page was captured: what is written here was learned from the vendor's documentation.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

const NAME: &str = "azuredevops";

pub const FORMAT: Format = Format {
    hosts: &["status.dev.azure.com"],
    live: &["{root}/_apis/status/health?api-version=7.1-preview.1"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    status: Lax<Verdict>,
    #[serde(borrow)]
    services: List<Service<'d>, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Verdict {
    health: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Service<'d> {
    id: Text,
    #[serde(borrow)]
    geographies: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Geography {
    id: Text,
    name: Text,
    health: Text,
}

fn body(text: &str) -> Option<(Verdict, Body<'_>)> {
    let mut body: Body = text.contains("\"services\"").then(|| json::read(NAME, text).ok())??;
    let verdict = body.status.0.take().filter(|verdict| verdict.health.as_str().is_some())?;
    body.services.is_there().then_some((verdict, body))
}

fn recognise(document: &Document) -> Option<&'static str> {
    body(&document.text).map(|_| "status.health, services")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let (verdict, body) = body(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no status.health with services"))?;
    let (mut notes, mut budget) = (Notes::default(), Budget::default());
    let mut components = Vec::new();
    for service in body.services.within("services")? {
        let Some(name) = notes.line(service.id.as_str()) else { continue };
        for geography in json::listed::<Geography, COMPONENTS_MAX>(service.geographies, "geographies of a service")? {
            let Some(place) = geography.id.as_str().or(geography.name.as_str()) else { continue };
            let Some(id) = notes::id(Some(&format!("{name}/{place}"))) else { continue };
            budget.touched(1)?;
            components.push(Component {
                id: budget.copy(&id)?,
                name: budget.copy(&name)?,
                group: None,
                region: notes.line(geography.name.as_str().or(geography.id.as_str())),
                status: notes.meaning("status", geography.health.as_str(), health).unwrap_or(Status::Unknown),
            });
        }
    }
    if components.len() > COMPONENTS_MAX {
        return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
    }
    let by_word = notes.meaning("status", verdict.health.as_str(), health);
    Ok(Page {
        overall: Status::roll_up(components.iter().map(|c| c.status)).or(by_word).unwrap_or(Status::Unknown),
        components,
        carries: Carries { components: true, ..Carries::default() },
        oddities: notes.oddities(),
        ..Page::blank(NAME)
    })
}

fn health(word: &str) -> Option<Status> {
    match word {
        "healthy" => Some(Status::Operational),
        "advisory" | "degraded" => Some(Status::Degraded),
        "unhealthy" => Some(Status::MajorOutage),
        "unknown" => Some(Status::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn a_service_is_as_well_as_it_is_somewhere() {
        check(
            NAME,
            "health-healthy",
            r#"
                operational components Absent Absent
                c Cellars/NO Cellars: operational
                c Cellars/SO Cellars: operational
                c Ladders/NO Ladders: operational
            "#,
        );
        check(
            NAME,
            "health-unhealthy",
            r#"
                partial_outage components Absent Absent
                c Cellars/NO Cellars: major_outage
                c Cellars/SO Cellars: degraded
                c Cellars/EA Cellars: degraded
                c Ladders/NO Ladders: unknown
                c Ladders/SO Ladders: unknown
                ? status: feverish
            "#,
        );
        check(NAME, "health-without-services", "degraded components Absent Absent");
    }

    #[test]
    fn a_place_is_a_region() {
        let page = super::super::tests::fixture(NAME, "health-healthy", None).unwrap();
        let regions: Vec<_> = page.components.iter().map(|c| c.region.as_deref()).collect();
        assert_eq!(regions, [Some("Far North"), Some("Far South"), Some("NO")]);
    }
}
