//! Gatus: <https://github.com/TwiN/gatus>, whose API lists what it measures with the newest results of each.
//!
//! It knows no incidents. What a healthy page looks like is known from the project's own tests only.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Lax, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

const NAME: &str = "gatus";
const PATH: &str = "/api/v1/endpoints/statuses";
/// More results of one endpoint are refused: a page of them has 20, and 100 at most.
const RESULTS_MAX: usize = 10_000;

pub const FORMAT: Format = Format { live: &[PATH], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default)]
struct Endpoint<'d> {
    name: Text,
    group: Text,
    key: Text,
    #[serde(borrow)]
    results: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome {
    success: Lax<bool>,
    timestamp: Text,
}

impl Endpoint<'_> {
    /// Before the first result, `results` is `null` or empty.
    fn is_one(&self) -> bool {
        let has_results = self.results.is_none_or(|raw| raw.get().starts_with('['));
        self.key.as_str().is_some() && self.name.as_str().is_some() && has_results
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    let is_here = document.url.is_some_and(|url| url.path().ends_with(PATH));
    let endpoints = endpoints(&document.text).ok()?;
    if endpoints.iter().filter_map(|raw| json::element(raw)).any(|endpoint: Endpoint| endpoint.is_one()) {
        return Some("a list of name, key, results");
    }
    (endpoints.is_empty() && is_here).then_some("an empty list where Gatus lists its endpoints")
}

fn endpoints(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    let is_other = !text.contains("\"results\"") && text.contains('{');
    if is_other {
        return Err(Unreadable::shape(NAME, "it has no list of endpoints with results"));
    }
    json::list::<&RawValue, COMPONENTS_MAX>(NAME, text, "components")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let listed = endpoints(&document.text)?;
    let is_empty = listed.is_empty();
    let (mut notes, mut budget) = (Notes::default(), Budget::default());
    let mut components = Vec::new();
    let mut updated_at = None;
    for endpoint in listed.into_iter().filter_map(json::element::<Endpoint>).filter(Endpoint::is_one) {
        let Some(id) = notes::id(endpoint.key.as_str()) else { continue };
        let results = json::listed::<&RawValue, RESULTS_MAX>(endpoint.results, "results of an endpoint")?;
        budget.updates(results.len())?;
        // The newest is the last; of those of one instant, too.
        let newest = results.into_iter().filter_map(json::element::<Outcome>).max_by_key(|result| result.timestamp.instant());
        let success = newest.as_ref().and_then(|r| r.success.0);
        updated_at = updated_at.max(newest.and_then(|r| r.timestamp.instant()).filter(|at| at.as_millis() > 0));
        components.push(Component {
            name: notes.line(endpoint.name.as_str()).unwrap_or_else(|| id.clone()),
            group: notes.line(endpoint.group.as_str()),
            region: None,
            status: success.map_or(Status::Unknown, |well| if well { Status::Operational } else { Status::MajorOutage }),
            id,
        });
    }
    if components.is_empty() && !is_empty {
        return Err(Unreadable::shape(NAME, "nothing in its list has name, key and results"));
    }
    Ok(Page {
        updated_at,
        overall: Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
        components,
        carries: Carries { components: true, ..Carries::default() },
        oddities: notes.oddities(),
        ..Page::blank(NAME)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn the_newest_result_counts() {
        check(
            NAME,
            "statuses",
            r#"
                partial_outage components Absent Absent
                c core_web core / Web: operational
                c core_mail core / Mail: major_outage
                c _new New: unknown
                c _newer Newer: unknown
            "#,
        );
        check(
            NAME,
            "statuses-same-instant",
            r#"
                major_outage components Absent Absent
                c core_web core / Web: major_outage
            "#,
        );
    }

    #[test]
    fn an_empty_list_is_ours_where_gatus_has_its_own() {
        for (path, is_ours) in [("/api/v1/endpoints/statuses", true), ("/", false)] {
            let url = url::Url::parse(&format!("https://status.example{path}")).unwrap();
            let page = super::super::read(&Document { url: Some(&url), text: "[]".into(), mapping: None }, None);
            assert_eq!(page.is_ok_and(|page| page.components.is_empty() && page.overall == Status::Unknown), is_ours, "{path}");
        }
    }
}
