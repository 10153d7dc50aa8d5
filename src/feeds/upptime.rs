//! Upptime: <https://upptime.js.org/docs/>, whose GitHub repository has the states of its sites in `history/summary.json`.
//!
//! The address of a page is that of the raw files of its default branch. Its incidents are issues of the repository, which
//! this document does not have.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{self, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, Unreadable};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

const NAME: &str = "upptime";

pub const FORMAT: Format = Format { live: &["/history/summary.json"], ..Format::new(NAME, recognise, parse) };

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Site<'d> {
    name: Text,
    slug: Text,
    status: Text,
    /// Every version has it.
    #[serde(borrow)]
    uptime_day: Option<&'d RawValue>,
    #[serde(borrow)]
    daily_minutes_down: Option<&'d RawValue>,
    #[serde(borrow)]
    uptime: Option<&'d RawValue>,
}

impl Site<'_> {
    fn is_one(&self) -> bool {
        let is_measured = self.uptime_day.or(self.daily_minutes_down).or(self.uptime).is_some();
        self.slug.as_str().is_some() && self.status.as_str().is_some() && is_measured
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    let sites = sites(&document.text).ok()?;
    let is_one = sites.iter().filter_map(|raw| json::element(raw)).any(|site: Site| site.is_one());
    is_one.then_some("a list of slug, status, uptime")
}

fn sites(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    if !text.contains("\"slug\"") {
        return Err(Unreadable::shape(NAME, "it has no list of sites with a slug"));
    }
    json::list::<&RawValue, COMPONENTS_MAX>(NAME, text, "components")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mut notes = Notes::default();
    let mut components = Vec::new();
    for site in sites(&document.text)?.into_iter().filter_map(json::element::<Site>).filter(Site::is_one) {
        let Some(id) = notes::id(site.slug.as_str()) else { continue };
        components.push(Component {
            name: notes.line(site.name.as_str()).unwrap_or_else(|| id.clone()),
            group: None,
            region: None,
            status: notes.meaning("status", site.status.as_str(), status).unwrap_or(Status::Unknown),
            id,
        });
    }
    if components.is_empty() {
        return Err(Unreadable::shape(NAME, "nothing in its list has slug, status and uptime"));
    }
    Ok(Page {
        overall: Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
        components,
        carries: Carries { components: true, ..Carries::default() },
        oddities: notes.oddities(),
        ..Page::blank(NAME)
    })
}

fn status(word: &str) -> Option<Status> {
    match word {
        "up" => Some(Status::Operational),
        "degraded" => Some(Status::Degraded),
        "down" => Some(Status::MajorOutage),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::NAME;

    #[test]
    fn sites() {
        check(
            NAME,
            "summary-all-up",
            r#"
                operational components Absent Absent
                c website Website: operational
                c mail Mail: operational
            "#,
        );
        check(
            NAME,
            "summary-down",
            r#"
                partial_outage components Absent Absent
                c website Website: operational
                c mail Mail: major_outage
                c shop shop: degraded
                c blog Blog: unknown
                ? status: sideways
            "#,
        );
    }
}
