//! Amazon Web Services: `public/currentevents`, what its Health Dashboard shows (in UTF-16), and what it showed until 2023.
//!
//! Events that are open are listed and no other: no event is good news, and one that is gone is over. How bad an event is stands
//! in numbers; its summary may say less. Services that no event names are not listed. Nothing here is documented.

mod retired;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::budget::Budget;
use super::json::{self, Text};
use super::notes::{self, Notes};
use super::{Document, Format, INCIDENTS_MAX, UPDATES_MAX, Unreadable};
use crate::model::page::{Carries, Component, Impact, Incident, Listing, Stage, Status, Touched, Update};
use crate::model::{Page, Timestamp};

const NAME: &str = "aws";
const PATH: &str = "/public/currentevents";
/// The page of an event, by its ARN.
const EVENT: &str = "https://health.aws.amazon.com/health/status?eventID=";

pub const FORMAT: Format = Format {
    hosts: &["health.aws.amazon.com", "status.aws.amazon.com"],
    live: &["https://health.aws.amazon.com/public/currentevents"],
    ..Format::new(NAME, recognise, parse)
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'d> {
    arn: Text,
    date: Text,
    end_time: Text,
    region_name: Text,
    status: Text,
    service: Text,
    service_name: Text,
    summary: Text,
    #[serde(borrow)]
    event_log: Option<&'d RawValue>,
    #[serde(borrow)]
    impacted_services: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    message: Text,
    summary: Text,
    status: Text,
    timestamp: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Impacted {
    service_name: Text,
    current: Text,
    max: Text,
}

impl Event<'_> {
    fn is_one(&self) -> bool {
        let has_log = self.event_log.is_some_and(|raw| raw.get().starts_with('['));
        has_log && self.date.as_str().is_some() && self.status.as_str().is_some()
    }

    /// `me-central-1` of `arn:aws:health:me-central-1::event/…`, by which people know it; else the name of the region.
    fn region(&self) -> Option<&str> {
        let code = self.arn.as_str().and_then(|arn| arn.split(':').nth(3)).filter(|code| !code.is_empty());
        code.or(self.region_name.as_str())
    }
}

fn listed(text: &str) -> Result<Vec<&RawValue>, Unreadable> {
    if text.contains('{') && !text.contains("\"event_log\"") {
        return Err(Unreadable::shape(NAME, "it has no list of events with event_log"));
    }
    json::list::<&RawValue, INCIDENTS_MAX>(NAME, text, "events")
}

fn events<'d>(listed: &[&'d RawValue]) -> impl Iterator<Item = Event<'d>> {
    listed.iter().filter_map(|raw| json::element(raw)).filter(Event::is_one)
}

fn recognise(document: &Document) -> Option<&'static str> {
    if retired::body(&document.text).is_some() {
        return Some("archive, current of service, service_name");
    }
    let listed = listed(&document.text).ok()?;
    if events(&listed).next().is_some() {
        return Some("a list of date, status, event_log");
    }
    let is_here = document.url.is_some_and(|url| url.path().ends_with(PATH));
    (listed.is_empty() && is_here).then_some("an empty list where AWS lists its events")
}

fn parse(document: &Document) -> Result<Page, Unreadable> {
    if let Some(body) = retired::body(&document.text) {
        return retired::page(body);
    }
    let listed = listed(&document.text)?;
    let mut reader = Reader::default();
    for event in events(&listed) {
        reader.event(&event)?;
    }
    if reader.incidents.is_empty() && !listed.is_empty() {
        return Err(Unreadable::shape(NAME, "nothing in its list has date, status and event_log"));
    }
    let newest = reader.incidents.iter().flat_map(|i| &i.updates).filter_map(|u| u.at).max();
    Ok(Page { updated_at: newest, ..reader.page(Listing::OpenOnly) })
}

#[derive(Default)]
struct Reader {
    notes: Notes,
    budget: Budget,
    /// What open events name, by id.
    affected: BTreeMap<String, Component>,
    incidents: Vec<Incident>,
}

impl Reader {
    fn page(self, incidents: Listing) -> Page {
        // Of all the services that are well nothing is said.
        let open = Status::by_incidents(&self.incidents).unwrap_or(Status::Operational);
        let named = self.affected.values().map(|c| c.status).chain([open, Status::Operational]).collect::<Vec<_>>();
        Page {
            overall: Status::roll_up(named).unwrap_or(Status::Unknown),
            components: self.affected.into_values().collect(),
            incidents: self.incidents,
            carries: Carries { components: false, incidents, maintenances: Listing::Absent },
            oddities: self.notes.oddities(),
            ..Page::blank(NAME)
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Unreadable> {
        let made_up = || Some(format!("{}_{}", event.service.as_str()?, event.date.as_str()?));
        let Some(id) = notes::id(event.arn.as_str()).or_else(|| notes::id(made_up().as_deref())) else { return Ok(()) };
        let (updates, told) = self.updates(event)?;
        let severity = self.notes.meaning("impact", event.status.as_str(), severity);
        let ended_at = epoch(&event.end_time);
        let is_over = severity == Some(Severity::Over) || ended_at.is_some();
        let (touches, worst) = self.services(event, severity, is_over)?;
        self.incidents.push(Incident {
            title: self.notes.title(event.summary.as_str(), "Event", &id),
            impact: match severity {
                Some(Severity::Over) => told.max(worst),
                severity => severity.and_then(Severity::impact),
            },
            stage: is_over.then_some(Stage::Resolved),
            started_at: epoch(&event.date),
            stated_start: None,
            undecided: false,
            resolved_at: ended_at,
            url: event.arn.as_str().filter(|arn| arn.bytes().all(is_plain)).and_then(|arn| notes::link(Some(&format!("{EVENT}{arn}")))),
            touches,
            updates,
            id,
        });
        Ok(())
    }

    /// The updates, and the worst that they say.
    fn updates(&mut self, event: &Event) -> Result<(Vec<Update>, Option<Impact>), Unreadable> {
        let posts = json::listed::<Post, UPDATES_MAX>(event.event_log, "updates")?;
        self.budget.updates(posts.len())?;
        let mut worst = None;
        let update = |post: Post| {
            let severity = post.status.as_str().and_then(severity);
            worst = worst.max(severity.and_then(Severity::impact));
            Update {
                at: epoch(&post.timestamp),
                stage: (severity == Some(Severity::Over)).then_some(Stage::Resolved),
                body: self.notes.body(post.message.as_str().or(post.summary.as_str())),
            }
        };
        Ok((posts.into_iter().map(update).collect(), worst))
    }

    /// What the event touches, and how bad it was where it was worst. What stands for several services is none.
    fn services(&mut self, event: &Event, severity: Option<Severity>, is_over: bool) -> Result<(Vec<Touched>, Option<Impact>), Unreadable> {
        let mut services: BTreeMap<String, Impacted> = BTreeMap::new();
        let listed: BTreeMap<String, &RawValue> =
            event.impacted_services.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
        self.budget.touched(listed.len())?;
        for (key, raw) in listed {
            if let (Some(id), Some(impacted)) = (notes::id(Some(&key)), json::element(raw)) {
                services.insert(id, impacted);
            }
        }
        if services.is_empty()
            && let Some(id) = notes::id(event.service.as_str()).filter(|id| !id.starts_with("multipleservices"))
        {
            self.budget.touched(1)?;
            let current = Text(event.status.0.clone());
            services.insert(id, Impacted { service_name: Text(event.service_name.0.clone()), current, max: Text(None) });
        }
        let mut touches = Vec::new();
        let mut worst = None;
        for (id, impacted) in services {
            let name = self.notes.line(impacted.service_name.as_str()).unwrap_or_else(|| id.clone());
            let current = self.notes.meaning("status", impacted.current.as_str(), self::severity);
            worst = worst.max(impacted.max.as_str().and_then(self::severity).or(severity).and_then(Severity::impact));
            if !is_over {
                let region = event.region().map(|region| self.budget.copy(region)).transpose()?;
                let region = self.notes.line(region.as_deref());
                let status = current.map_or(Status::Unknown, Severity::status);
                self.affect(Component { id: id.clone(), name: name.clone(), group: None, region, status });
            }
            touches.push(Touched { id: Some(id), name });
        }
        Ok((touches, worst))
    }

    /// One that several events name is as bad as the worst of them says.
    fn affect(&mut self, component: Component) {
        let known = self.affected.entry(component.id.clone()).or_insert_with(|| component.clone());
        known.status = Status::worst([known.status, component.status]).unwrap_or(Status::Unknown);
        // What is the same everywhere (Route 53) is named by events of several regions.
        known.region = known.region.take().filter(|region| component.region.as_ref() == Some(region));
        // Where they call it differently, the first by the alphabet counts.
        known.name = component.name.min(std::mem::take(&mut known.name));
    }
}

/// How bad an event is, or a service because of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    Over,
    Informational,
    Degradation,
    Disruption,
}

fn severity(number: &str) -> Option<Severity> {
    match number {
        "0" => Some(Severity::Over),
        "1" => Some(Severity::Informational),
        "2" => Some(Severity::Degradation),
        "3" => Some(Severity::Disruption),
        _ => None,
    }
}

impl Severity {
    fn impact(self) -> Option<Impact> {
        match self {
            Severity::Over => None,
            Severity::Informational => Some(Impact::Minor),
            Severity::Degradation => Some(Impact::Major),
            Severity::Disruption => Some(Impact::Critical),
        }
    }

    fn status(self) -> Status {
        match self {
            Severity::Over => Status::Operational,
            Severity::Informational => Status::Degraded,
            Severity::Degradation => Status::PartialOutage,
            Severity::Disruption => Status::MajorOutage,
        }
    }
}

/// Seconds since 1970; where they would be of the distant future, milliseconds.
fn epoch(text: &Text) -> Option<Timestamp> {
    const SECONDS_MAX: i64 = 100_000_000_000;
    let number: i64 = text.as_str()?.parse().ok().filter(|number| *number > 0)?;
    let millis = if number < SECONDS_MAX { number * 1000 } else { number };
    Some(Timestamp::from_millis(millis)).filter(|_| millis < SECONDS_MAX * 1000)
}

/// Letters of an ARN that need no escape in an address.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":/_-.".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fixture};
    use super::*;

    #[test]
    fn what_is_open() {
        check(
            NAME,
            "currentevents.json",
            r#"
                partial_outage - OpenOnly Absent
                c bucket-no-west-1 Bucket Store: major_outage
                c gates Gates: unknown
                c lantern-no-west-1 Lantern Light: operational
                c pipes-no-east-1 Pipes: degraded
                i arn:aws:health:no-east-1::event/PIPES/ISSUE_2 minor - 2031-05-02T10:00..? "Slow pipes" [Pipes] 1
                i arn:aws:health:no-west-1::event/MANY/ISSUE_1 critical - 2031-05-01T10:00..? "Increased odd smells" [Bucket Store, Lantern Light] 3
                i rope_1935381600 major resolved 2031-05-01T06:00..2031-05-01T08:00 "Ropes are short" [Ropes] 2
                i arn:aws:health:global::event/GATES/ISSUE_3 - - 2031-04-30T10:00..? "Event arn:aws:health:global::event/GATES/ISSUE_3" [Gates] 0
                ? impact: 7
                ? status: 7
            "#,
        );
        let page = fixture(NAME, "currentevents.json", None).unwrap();
        assert_eq!(page.components[2].region.as_deref(), Some("no-west-1"));
        let url = page.incidents[0].url.as_deref();
        assert_eq!(url, Some("https://health.aws.amazon.com/health/status?eventID=arn:aws:health:no-east-1::event/PIPES/ISSUE_2"));
        assert_eq!(page.updated_at, page.incidents[0].updates[0].at);
    }

    #[test]
    fn what_events_of_two_regions_name_is_in_none() {
        let event = |region: &str, current: u8, name: &str| {
            format!(
                r#"{{"arn": "arn:aws:health:{region}::event/A/B", "date": "1900000000", "status": "2", "event_log": [],
                    "impacted_services": {{"gates": {{"service_name": "{name}", "current": "{current}", "max": "3"}}}}}}"#
            )
        };
        let [one, two] = [event("no-west-1", 1, "Gates"), event("no-east-1", 3, "All gates")];
        for body in [format!("[{one},{two}]"), format!("[{two},{one}]")] {
            let page = super::super::read(&Document::new(None, None, body.as_bytes()), None).unwrap();
            let got: Vec<_> = page.components.iter().map(|c| (c.name.as_str(), c.region.as_deref(), c.status)).collect();
            assert_eq!(got, [("All gates", None, Status::MajorOutage)]);
        }
    }

    #[test]
    fn no_event_is_good_news_where_events_are_listed() {
        let here = fixture(NAME, "refused-no-events", Some("https://health.aws.amazon.com/public/currentevents")).unwrap();
        assert_eq!((here.overall, here.carries.incidents), (Status::Operational, Listing::OpenOnly));
        assert_eq!(fixture(NAME, "refused-no-events", None), Err(Unreadable::Unknown));
    }

    #[test]
    fn sixteen_bits_a_letter() {
        let page = fixture(NAME, "currentevents-utf16.json", None).unwrap();
        assert_eq!(page.incidents[0].title, "Größere Störung");
    }
}
