//! UptimeRobot: what a public status page made with it asks for (`/api/getMonitorList/PAGE`). Nobody's interface: no page was
//! captured, and what is written here was learned from the code of other clients.
//!
//! Monitors are up, down or paused; there are no incidents. 30 monitors make a page of the list and the first is read: whether
//! any of the others is down is told by a count.

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::json::{self, Lax, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, Unreadable, text};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

const NAME: &str = "uptimerobot";
const PATH: &str = "/api/getMonitorList/";

pub const FORMAT: Format = Format {
    // On a domain of its own a page has no id in its path: its scripts tell.
    live: &["{root}/api/getMonitorList/{last}"],
    hint: Some(hint),
    ..Format::new(NAME, recognise, parse)
};

/// The scripts of a page know its id.
fn hint(web_page: &Document) -> Vec<Url> {
    const ID_BYTES_MAX: usize = 40;
    let Some((before, after)) = web_page.text.split_once(PATH) else { return Vec::new() };
    let id: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let root = before.rsplit(['"', '\'', '`']).next().unwrap_or_default();
    let own = web_page.url.and_then(Url::host_str);
    let elsewhere = Url::parse(root).ok().filter(|url| url.host_str() == Some("stats.uptimerobot.com") || url.host_str() == own);
    let root = elsewhere.or_else(|| web_page.url.cloned().filter(|_| root.is_empty()));
    let root = root.filter(|_| !id.is_empty() && id.len() <= ID_BYTES_MAX);
    root.and_then(|root| root.join(&format!("{PATH}{id}")).ok()).into_iter().collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    data: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    psp: Lax<About<'d>>,
    statistics: Lax<Statistics>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct About<'d> {
    #[serde(borrow)]
    monitors: List<&'d RawValue, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistics {
    counts: Lax<Counts>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Counts {
    down: Number,
    total: Number,
}

/// A number, or none.
#[derive(Clone, Copy, Default)]
struct Number(Option<u64>);

impl<'d> Deserialize<'d> for Number {
    fn deserialize<D: serde::Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        Text::deserialize(d).map(|number| Number(number.as_str().and_then(|number| number.parse().ok())))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Monitor {
    monitor_id: Text,
    name: Text,
    status_class: Text,
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let is_other = !["\"statusClass\"", "\"statistics\""].iter().any(|key| text.contains(key));
        (!is_other).then(|| json::read(NAME, text).ok())?
    }

    /// They stand in `data`, or with the page.
    fn monitors(self) -> (List<&'d RawValue, COMPONENTS_MAX>, Option<Counts>) {
        let counts = self.statistics.0.and_then(|statistics| statistics.counts.0);
        let own = self.psp.0.map(|about| about.monitors).filter(List::is_there);
        (if self.data.is_there() { self.data } else { own.unwrap_or_default() }, counts)
    }
}

fn recognise(document: &Document) -> Option<&'static str> {
    let (monitors, counts) = Body::of(&document.text)?.monitors();
    let is_one = |monitor: Monitor| monitor.monitor_id.as_str().is_some() && monitor.status_class.as_str().is_some();
    let listed = monitors.0.as_ref()?;
    let counted = listed.is_empty() && counts.is_some_and(|counts| counts.total.0.is_some());
    (counted || listed.iter().filter_map(|raw| json::element(raw)).any(is_one)).then_some("monitors with monitorId, statusClass")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    recognise(document).ok_or_else(|| Unreadable::shape(NAME, "it has no monitors with monitorId, statusClass"))?;
    let (monitors, counts) = Body::of(&document.text).unwrap_or_default().monitors();
    let mut notes = Notes::default();
    let mut page = Page::blank(NAME);
    for raw in monitors.within("components")? {
        page.components.extend(json::element::<Monitor>(raw).and_then(|monitor| component(&monitor, &mut notes)));
    }
    let listed = Status::roll_up(page.components.iter().map(|c| c.status));
    let down = counts.and_then(|counts| counts.down.0).unwrap_or(0);
    // Of those that are not listed.
    let others =
        (down > page.components.iter().filter(|c| c.status == Status::MajorOutage).count() as u64).then_some(Status::PartialOutage);
    page.overall = Status::worst(listed.into_iter().chain(others)).unwrap_or(Status::Unknown);
    page.carries = Carries { components: true, ..Carries::default() };
    page.oddities = notes.oddities();
    Ok(page)
}

/// Names come with character references, as for a web page.
fn component(monitor: &Monitor, notes: &mut Notes) -> Option<Component> {
    let id = notes::id(monitor.monitor_id.as_str())?;
    let name = monitor.name.as_str().map(text::plain);
    let status = notes.meaning("status", monitor.status_class.as_str(), status).unwrap_or(Status::Unknown);
    Some(Component { name: notes.line(name.as_deref()).unwrap_or_else(|| id.clone()), id, group: None, region: None, status })
}

fn status(word: &str) -> Option<Status> {
    match word {
        "success" => Some(Status::Operational),
        "warning" => Some(Status::Degraded),
        "danger" => Some(Status::MajorOutage),
        "info" => Some(Status::Maintenance),
        "paused" | "black" => Some(Status::Unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn what_is_paused_is_not_known() {
        check(
            "uptimerobot",
            "busy",
            r#"
                partial_outage components Absent Absent
                c 71 Cranes (north): operational
                c 72 Cranes: degraded
                c 73 Winches: major_outage
                c 74 Ropes: unknown
                c 75 Hooks: maintenance
                c 76 76: unknown
                ? status: purple
            "#,
        );
        check("uptimerobot", "quiet", "operational components Absent Absent\nc 71 Cranes: operational");
        check("uptimerobot", "no-monitors", "unknown components Absent Absent");
    }

    #[test]
    fn what_is_not_listed_may_be_down_too() {
        check("uptimerobot", "first-of-two", "partial_outage components Absent Absent\nc 71 Cranes: operational");
    }

    #[test]
    fn a_page_of_its_own_domain_names_its_document() {
        let page = Url::parse("https://status.crane.example/").unwrap();
        for (html, document) in [
            (
                "<html>var api = \"https://stats.uptimerobot.com/api/getMonitorList/aB3x\"",
                Some("https://stats.uptimerobot.com/api/getMonitorList/aB3x"),
            ),
            ("<html>var api = '/api/getMonitorList/aB3x?page=1'", Some("https://status.crane.example/api/getMonitorList/aB3x")),
            ("<html>var api = 'https://other.example/api/getMonitorList/aB3x'", None),
            (
                "<html>var api = 'https://status.crane.example/api/getMonitorList/21-35'",
                Some("https://status.crane.example/api/getMonitorList/21-35"),
            ),
            ("<html>/api/getMonitorList/", None),
        ] {
            let hinted = hint(&Document { url: Some(&page), text: html.into(), mapping: None });
            assert_eq!(hinted.first().map(Url::as_str), document, "{html}");
        }
    }
}
