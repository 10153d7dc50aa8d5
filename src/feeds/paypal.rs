//! PayPal: <https://www.paypal-status.com/api/v1/components>. Nobody's interface: no page was captured, and what is written here
//! was learned from the code of other clients.
//!
//! Every component has a state in production and one in the sandbox, and is two here. What happened is told elsewhere.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

const NAME: &str = "paypal";

pub const FORMAT: Format = Format {
    hosts: &["www.paypal-status.com", "paypal-status.com"],
    live: &["{root}/api/v1/components"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    result: List<&'d RawValue, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    id: Text,
    name: Text,
    category: Lax<Category>,
    status: Lax<States>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Category {
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct States {
    production: Text,
    sandbox: Text,
}

impl Entry {
    fn is_one(&self) -> bool {
        let states = self.status.0.as_ref();
        self.category.0.is_some() && states.is_some_and(|s| s.production.as_str().is_some() || s.sandbox.as_str().is_some())
    }
}

fn entries(text: &str) -> Option<List<&RawValue, COMPONENTS_MAX>> {
    let body: Body = text.contains("\"result\"").then(|| json::read(NAME, text).ok())??;
    let is_one = body.result.0.as_ref()?.iter().filter_map(|raw| json::element::<Entry>(raw)).any(|entry| entry.is_one());
    is_one.then_some(body.result)
}

fn recognise(document: &Document) -> Option<&'static str> {
    entries(&document.text).map(|_| "result with category, status.production, status.sandbox")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let entries =
        entries(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no result with components of production and sandbox"))?;
    let mut notes = Notes::default();
    let mut page = Page::blank(NAME);
    for raw in entries.within("components")? {
        if let Some(entry) = json::element::<Entry>(raw) {
            page.components.extend(components(&entry, &mut notes));
        }
        if page.components.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
    }
    page.overall = Status::roll_up(page.components.iter().map(|c| c.status)).unwrap_or(Status::Unknown);
    page.carries = Carries { components: true, ..Carries::default() };
    page.oddities = notes.oddities();
    Ok(page)
}

fn components(entry: &Entry, notes: &mut Notes) -> Vec<Component> {
    let Some(id) = notes::id(entry.id.as_str().or(entry.name.as_str())) else { return Vec::new() };
    let name = notes.line(entry.name.as_str()).unwrap_or_else(|| id.clone());
    let group = notes.line(entry.category.0.as_ref().and_then(|category| category.name.as_str()));
    let Some(states) = &entry.status.0 else { return Vec::new() };
    let mut of = |environment: &str, word: &Text| {
        let word = word.as_str()?;
        let status = notes.meaning("status", Some(word), status).unwrap_or(Status::Unknown);
        let id = notes::id(Some(&format!("{environment}/{id}")))?;
        Some(Component { id, name: name.clone(), group: group.clone(), region: Some(environment.to_owned()), status })
    };
    [of("production", &states.production), of("sandbox", &states.sandbox)].into_iter().flatten().collect()
}

/// With blanks or underscores between the words, in any case.
fn status(word: &str) -> Option<Status> {
    match word.to_ascii_lowercase().replace(' ', "_").as_str() {
        "operational" | "informational" => Some(Status::Operational),
        "under_maintenance" => Some(Status::Maintenance),
        "service_disruption" => Some(Status::Degraded),
        "service_outage" => Some(Status::MajorOutage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn production_and_sandbox_are_components_of_their_own() {
        check(
            "paypal",
            "busy",
            r#"
                partial_outage components Absent Absent
                c production/c1 product / Till: degraded
                c sandbox/c1 product / Till: operational
                c production/c2 api / Payout API: major_outage
                c sandbox/c2 api / Payout API: maintenance
                c production/Ledger product / Ledger: operational
                c sandbox/Purse Purse: unknown
                ? status: purple
            "#,
        );
        let page = fixture(NAME, "busy", None).unwrap();
        assert_eq!(page.components[1].region.as_deref(), Some("sandbox"));
        check("paypal", "quiet", "operational components Absent Absent\nc production/c1 product / Till: operational");
    }

    #[test]
    fn other_results_are_none() {
        for text in [r#"{"result": []}"#, r#"{"result": {"status": []}}"#, r#"{"result": [{"category": {}, "status": "ok"}]}"#, "{}"] {
            assert!(parse(&Document { url: None, text: text.into(), mapping: None }).is_err(), "{text}");
        }
    }
}
