//! Apple: the document behind <https://www.apple.com/support/systemstatus/>, and the one of the same shape behind
//! <https://developer.apple.com/system-status/>. Nobody's interface; what it says while something is wrong is known from other
//! clients only.
//!
//! It comes bare or wrapped in a call (`jsonCallback({…});`). Events stand below every service that they concern: with one id
//! they are one incident. They have no title, and bear their times as text in Pacific time and as milliseconds; the latter count.
//! What is over stays for some days, so that something open that is no longer listed is over.

use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use url::Url;

use super::budget::Budget;
use super::json::{self, List, Text};
use super::notes::{self, Notes};
use super::{COMPONENTS_MAX, Document, Format, INCIDENTS_MAX, Unreadable};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Maintenance, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "apple";
const DEVELOPERS: &str = "https://www.apple.com/support/systemstatus/data/developer/system_status_en_US.js";

pub const FORMAT: Format =
    Format { hosts: &["www.apple.com"], live: &["/data/system_status_en_US.js"], hint: Some(hint), ..Format::new(NAME, recognise, parse) };

/// The page for developers has its document on another host.
fn hint(web_page: &Document) -> Vec<Url> {
    let is_theirs = web_page.url.and_then(Url::host_str) == Some("developer.apple.com");
    is_theirs.then(|| Url::parse(DEVELOPERS).ok()).flatten().into_iter().collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    services: List<&'d RawValue, COMPONENTS_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Service<'d> {
    service_name: Text,
    #[serde(borrow)]
    events: Option<&'d RawValue>,
}

impl Service<'_> {
    fn is_one(&self) -> bool {
        self.service_name.as_str().is_some() && self.events.is_some_and(|events| events.get().starts_with('['))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    message_id: Text,
    status_type: Text,
    event_status: Text,
    epoch_start_date: Text,
    epoch_end_date: Text,
    date_posted: Text,
    message: Text,
}

impl Event {
    fn id(&self) -> Option<String> {
        let made_up = || Some(format!("{} {}", self.status_type.as_str()?, self.epoch_start_date.as_str()?));
        notes::id(self.message_id.as_str()).or_else(|| notes::id(made_up().as_deref()))
    }

    /// Work is announced; so is whatever has not begun.
    fn is_work(&self) -> bool {
        self.status_type.as_str() == Some("Maintenance") || self.event_status.as_str() == Some("upcoming")
    }

    fn is_ongoing(&self) -> bool {
        match self.event_status.as_str() {
            Some("ongoing") => true,
            Some("upcoming" | "resolved" | "completed") => false,
            _ => self.epoch_end_date.as_str().is_none(),
        }
    }
}

/// What stands below several services.
struct Told<'d> {
    event: Event,
    /// Of two that differ, the later one counts.
    order: (Option<Timestamp>, &'d str),
    services: BTreeSet<String>,
}

impl<'d> Body<'d> {
    fn of(text: &'d str) -> Option<Body<'d>> {
        let body: Body<'d> = text.contains("\"serviceName\"").then(|| json::read(NAME, bare(text)?).ok())??;
        let services = body.services.0.as_ref()?;
        services.iter().filter_map(|raw| json::element::<Service>(raw)).any(|service| service.is_one()).then_some(body)
    }
}

/// What is in the call that it may be wrapped in.
fn bare(text: &str) -> Option<&str> {
    const NAME_BYTES_MAX: usize = 64;
    let text = text.trim();
    if text.starts_with('{') {
        return Some(text);
    }
    let (call, _) = text.split_once('{').filter(|(call, _)| call.len() <= NAME_BYTES_MAX && call.trim_end().ends_with('('))?;
    text.get(call.len()..=text.rfind('}')?)
}

fn recognise(document: &Document) -> Option<&'static str> {
    Body::of(&document.text).map(|_| "services with serviceName, events")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    let body = Body::of(&document.text).ok_or_else(|| Unreadable::shape(NAME, "it has no services with serviceName, events"))?;
    let mut reader = Reader::default();
    let mut page = Page::blank(NAME);
    for raw in body.services.within("components")? {
        if let Some(service) = json::element::<Service>(raw).filter(Service::is_one) {
            page.components.extend(reader.service(&service)?);
        }
    }
    for (id, told) in std::mem::take(&mut reader.told) {
        let touches = reader.touches(&told.services)?;
        if told.event.is_work() {
            page.maintenances.push(reader.maintenance(id, &told.event, touches));
        } else {
            page.incidents.push(reader.incident(id, &told.event, touches));
        }
    }
    page.overall = Status::roll_up(page.components.iter().map(|c| c.status)).unwrap_or(Status::Unknown);
    page.carries = Carries { components: true, incidents: Listing::OpenOnly, maintenances: Listing::OpenOnly };
    page.oddities = reader.notes.oddities();
    Ok(page)
}

#[derive(Default)]
struct Reader<'d> {
    /// By id.
    told: BTreeMap<String, Told<'d>>,
    notes: Notes,
    budget: Budget,
}

impl<'d> Reader<'d> {
    fn service(&mut self, service: &Service<'d>) -> Result<Option<Component>, Unreadable> {
        let Some(name) = notes::id(service.service_name.as_str()) else { return Ok(None) };
        let mut statuses = Vec::new();
        for raw in json::listed::<&RawValue, INCIDENTS_MAX>(service.events, "events")? {
            let Some(event) = json::element::<Event>(raw) else { continue };
            if event.is_ongoing() {
                statuses.push(self.notes.meaning("status", event.status_type.as_str(), status).unwrap_or(Status::Unknown));
            }
            self.learn(&name, event, raw.get())?;
        }
        let now = if statuses.is_empty() { Some(Status::Operational) } else { Status::worst(statuses) };
        Ok(Some(Component { id: name.clone(), name, group: None, region: None, status: now.unwrap_or(Status::Unknown) }))
    }

    fn learn(&mut self, service: &str, event: Event, raw: &'d str) -> Result<(), Unreadable> {
        let Some(id) = event.id() else { return Ok(()) };
        self.budget.touched(1)?;
        let service = self.budget.copy(service)?;
        let order = (posted(event.date_posted.as_str()).max(instant(&event.epoch_end_date)), raw);
        match self.told.entry(id) {
            Slot::Vacant(slot) => drop(slot.insert(Told { event, order, services: BTreeSet::from([service]) })),
            Slot::Occupied(mut slot) => {
                let told = slot.get_mut();
                told.services.insert(service);
                if order > told.order {
                    (told.event, told.order) = (event, order);
                }
            }
        }
        if self.told.len() > INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "events", max: INCIDENTS_MAX });
        }
        Ok(())
    }

    fn touches(&mut self, services: &BTreeSet<String>) -> Result<Vec<Touched>, Unreadable> {
        let touched = |name: &String| Ok(Touched { id: Some(self.budget.copy(name)?), name: self.budget.copy(name)? });
        services.iter().map(touched).collect()
    }

    fn incident(&mut self, id: String, event: &Event, touches: Vec<Touched>) -> Incident {
        let end = instant(&event.epoch_end_date).filter(|_| !event.is_ongoing());
        let says_over = |word: &str| match word {
            "ongoing" => Some(false),
            "resolved" | "completed" => Some(true),
            _ => None,
        };
        let is_over = self.notes.meaning("stage", event.event_status.as_str(), says_over).unwrap_or(end.is_some());
        let title = self.title(event, &touches);
        Incident {
            impact: event.status_type.as_str().and_then(impact),
            stage: is_over.then_some(Stage::Resolved),
            started_at: instant(&event.epoch_start_date),
            resolved_at: end,
            touches,
            updates: self.updates(event),
            ..Incident::new(id, title)
        }
    }

    fn maintenance(&mut self, id: String, event: &Event, touches: Vec<Touched>) -> Maintenance {
        let stage = |word: &str| match word {
            "upcoming" => Some(Stage::Scheduled),
            "ongoing" => Some(Stage::InProgress),
            "resolved" | "completed" => Some(Stage::Completed),
            _ => None,
        };
        let title = self.title(event, &touches);
        Maintenance {
            stage: self.notes.meaning("stage", event.event_status.as_str(), stage),
            starts_at: instant(&event.epoch_start_date),
            ends_at: instant(&event.epoch_end_date),
            touches,
            updates: self.updates(event),
            ..Maintenance::new(id, title)
        }
    }

    /// `Mail, Photos: Outage`
    fn title(&mut self, event: &Event, touches: &[Touched]) -> String {
        let names: Vec<&str> = touches.iter().map(|t| t.name.as_str()).collect();
        let title = format!("{}: {}", names.join(", "), event.status_type.as_str().unwrap_or("Event"));
        self.notes.title(Some(&title), "Event", "")
    }

    fn updates(&mut self, event: &Event) -> Vec<Update> {
        let body = self.notes.body(event.message.as_str());
        if body.is_empty() { Vec::new() } else { vec![Update { at: posted(event.date_posted.as_str()), stage: None, body }] }
    }
}

fn status(word: &str) -> Option<Status> {
    match word {
        "Outage" => Some(Status::MajorOutage),
        "Issue" | "Performance" => Some(Status::Degraded),
        "Maintenance" => Some(Status::Maintenance),
        _ => None,
    }
}

fn impact(word: &str) -> Option<Impact> {
    match status(word)? {
        Status::MajorOutage => Some(Impact::Critical),
        Status::Degraded => Some(Impact::Minor),
        _ => None,
    }
}

fn instant(millis: &Text) -> Option<Timestamp> {
    let millis = millis.as_str()?.parse::<i64>().ok().filter(|millis| *millis > 0)?;
    jiff::Timestamp::from_millisecond(millis).ok().map(|_| Timestamp::from_millis(millis))
}

/// `02/15/2020 01:00 PST`
fn posted(text: Option<&str>) -> Option<Timestamp> {
    const TEXT_BYTES: usize = "02/15/2020 01:00 PST".len();
    let (civil, zone) = text.filter(|text| text.len() == TEXT_BYTES)?.rsplit_once(' ')?;
    let hours = match zone {
        "PST" => "-0800",
        "PDT" => "-0700",
        _ => return None,
    };
    let at = jiff::Timestamp::strptime("%m/%d/%Y %H:%M %z", format!("{civil} {hours}")).ok()?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn an_event_of_several_services_is_one_incident() {
        check(
            "apple",
            "busy",
            r#"
                partial_outage components OpenOnly OpenOnly
                c Orchard Mail Orchard Mail: major_outage
                c Orchard Maps Orchard Maps: maintenance
                c Orchard Photos Orchard Photos: major_outage
                c Orchard Store Orchard Store: unknown
                c Orchard Talk Orchard Talk: degraded
                c Orchard Tunes Orchard Tunes: operational
                i 7003 - - 2031-03-04T10:00..? "Orchard Store: Wobble" [Orchard Store] 0
                i Issue 1930377600000 minor - 2031-03-04T08:00..? "Orchard Talk: Issue" [Orchard Talk] 1
                i 7001 critical - 2031-03-04T08:00..? "Orchard Mail, Orchard Photos: Outage" [Orchard Mail, Orchard Photos] 1
                i 7000 minor resolved 2031-03-01T08:00..2031-03-01T09:30 "Orchard Tunes: Performance" [Orchard Tunes] 1
                m 7004 scheduled 2031-03-09T08:00..2031-03-09T10:00 "Orchard Tunes: Maintenance" [Orchard Tunes] 1
                m 7002 in_progress 2031-03-04T07:00..2031-03-04T11:00 "Orchard Maps: Maintenance" [Orchard Maps] 1
                ? stage: brewing
                ? status: Wobble
            "#,
        );
        let page = fixture(NAME, "busy", None).unwrap();
        let update = &page.incidents[2].updates[0];
        assert_eq!((update.at.unwrap().to_string().as_str(), update.body.as_str()), ("2031-03-04T08:20:00.000Z", "Mail cannot be read."));
    }

    #[test]
    fn it_may_be_wrapped_in_a_call() {
        let want = "operational components OpenOnly OpenOnly\n c Orchard Mail Orchard Mail: operational\n c Orchard Maps Orchard Maps: operational";
        check("apple", "quiet", want);
        check("apple", "quiet-wrapped.js", want);
        for text in ["jsonCallback(", "jsonCallback({});", "(}{", "x({\"services\": [{\"serviceName\": \"a\"}]})", "{\"services\": []}"] {
            assert!(parse(&Document { url: None, text: text.into(), mapping: None }).is_err(), "{text}");
        }
    }

    #[test]
    fn the_page_for_developers_names_no_document_but_has_one() {
        for (page, documents) in [("https://developer.apple.com/system-status/", 1), ("https://developer.example/system-status/", 0)] {
            let url = Url::parse(page).unwrap();
            assert_eq!(hint(&Document { url: Some(&url), text: "<html>".into(), mapping: None }).len(), documents, "{page}");
        }
    }

    #[test]
    fn times_of_posts_are_pacific() {
        for (text, want) in [
            ("02/15/2020 01:00 PST", Some("2020-02-15T09:00:00.000Z")),
            ("07/15/2020 01:00 PDT", Some("2020-07-15T08:00:00.000Z")),
            ("07/15/2020 01:00 CET", None),
            ("soon", None),
        ] {
            assert_eq!(posted(Some(text)).map(|at| at.to_string()).as_deref(), want, "{text}");
        }
    }
}
