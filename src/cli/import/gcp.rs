//! `gcp`: Google Cloud's `incidents.json` <https://status.cloud.google.com/incidents.schema.json>, and how it was until
//! April 2021: without `id` (its `number` was given to several, so that the address is the id), products and impact.
//!
//! The list is a window that moves: whoever saved it more than once imports every copy.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::text::{Fault, Parsed, Text, Unusable, said};
use crate::declared::Record;
use crate::feeds::json::{List, Text as Word};
use crate::feeds::text::{BODY_CHARS, TITLE_CHARS, line, lines};
use crate::model::page::{Impact, Incident, Stage, Touched, Update};

/// Addresses are relative to this.
const DASHBOARD: &str = "https://status.cloud.google.com/";
/// More are not listed by anything known.
const UPDATES_MAX: usize = 10_000;
const PRODUCTS_MAX: usize = 10_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    id: Word,
    uri: Word,
    external_desc: Word,
    begin: Word,
    end: Word,
    severity: Word,
    status_impact: Word,
    service_key: Word,
    service_name: Word,
    affected_products: List<Product, PRODUCTS_MAX>,
    updates: List<Post, UPDATES_MAX>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Product {
    id: Word,
    title: Word,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Post {
    when: Word,
    status: Word,
    text: Word,
}

/// Whether an element of a list is one of these.
pub fn is(element: &str) -> bool {
    #[derive(Deserialize)]
    struct Like {
        #[serde(rename = "external_desc")]
        _title: serde::de::IgnoredAny,
        #[serde(rename = "begin")]
        _start: serde::de::IgnoredAny,
    }
    serde_json::from_str::<Like>(element).is_ok()
}

pub fn read(text: &Text) -> Result<Parsed, Unusable> {
    let all: Vec<&RawValue> = serde_json::from_str(text.text).map_err(|error| Unusable::json(text, &error))?;
    let mut parsed = Parsed::default();
    for raw in all {
        parsed.take(text, record(raw, text.offset(raw.get())));
    }
    Ok(parsed)
}

fn record(raw: &RawValue, at: usize) -> Result<Record, Fault> {
    let event: Event =
        serde_json::from_str(raw.get()).map_err(|error| Fault::new(at, None, format!("it is no incident: {}", said(&error))))?;
    let none = |field| Fault::new(at, Some(field), "there is none");
    let uri = event.uri.as_str().map(|uri| uri.trim_start_matches('/'));
    let id = event.id.as_str().or(event.uri.as_str()).ok_or_else(|| none("id"))?;
    let title = event.external_desc.as_str().ok_or_else(|| none("external_desc"))?;
    let started_at = event.begin.instant().ok_or_else(|| Fault::new(at, Some("begin"), "there is no time with its zone"))?;
    if event.end.as_str().is_some() && event.end.instant().is_none() {
        return Err(Fault::new(at, Some("end"), "it is no time with its zone"));
    }
    let resolved_at = event.end.instant();
    Ok(Record::Incident(Incident {
        id: line(id, TITLE_CHARS).text,
        title: line(title, TITLE_CHARS).text,
        impact: event.impact(),
        stage: resolved_at.map(|_| Stage::Resolved),
        started_at: Some(started_at),
        stated_start: None,
        resolved_at,
        undecided: false,
        url: uri.map(|uri| format!("{DASHBOARD}{uri}")),
        touches: event.touches(),
        updates: event.updates(),
    }))
}

impl Event {
    /// `status_impact` says it in classes; before there was one, `severity` did.
    fn impact(&self) -> Option<Impact> {
        match (self.status_impact.as_str(), self.severity.as_str()) {
            (Some("SERVICE_INFORMATION"), _) | (None, Some("low")) => Some(Impact::Minor),
            (Some("SERVICE_DISRUPTION"), _) | (None, Some("medium")) => Some(Impact::Major),
            (Some("SERVICE_OUTAGE"), _) | (None, Some("high")) => Some(Impact::Critical),
            _ => None,
        }
    }

    /// The products; where there are none, the service, unless it stands for several.
    fn touches(&self) -> Vec<Touched> {
        let touched = |id: &Word, name: &Word| {
            let name = line(name.as_str()?, TITLE_CHARS).text;
            Some(Touched { id: id.as_str().map(str::to_owned), name }).filter(|touched| !touched.name.is_empty())
        };
        let products: Vec<Touched> = self.affected_products.0.iter().flatten().filter_map(|p| touched(&p.id, &p.title)).collect();
        if products.is_empty() && self.service_key.as_str() != Some("zall") {
            return touched(&self.service_key, &self.service_name).into_iter().collect();
        }
        products
    }

    fn updates(&self) -> Vec<Update> {
        let update = |post: &Post| Update {
            at: post.when.instant(),
            stage: (post.status.as_str() == Some("AVAILABLE")).then_some(Stage::Resolved),
            body: lines(post.text.as_str().unwrap_or_default(), BODY_CHARS).text,
        };
        self.updates.0.iter().flatten().map(update).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = r#"{"id": "aB3", "number": "77", "begin": "2026-01-02T03:04:05+00:00", "end": "2026-01-02T05:00:00+00:00", "external_desc": "Slow reads",
        "updates": [{"when": "2026-01-02T05:01:00+00:00", "text": "**Fixed**\nall well", "status": "AVAILABLE"}, {"when": "2026-01-02T03:30:00+00:00", "text": "we look", "status": "SERVICE_DISRUPTION"}],
        "status_impact": "SERVICE_DISRUPTION", "severity": "high", "service_key": "zall", "service_name": "Multiple Products",
        "affected_products": [{"title": "Storage", "id": "p1"}], "uri": "incidents/aB3"}"#;
    const THEN: &str = r#"{"begin": "2020-01-02T03:04:05Z", "end": "", "external_desc": "Errors", "number": 20001, "public": true, "most-recent-update": {},
        "service_key": "cdn", "service_name": "CDN", "severity": "high", "updates": [], "uri": "/incident/cdn/20001"}"#;

    fn records(document: &str) -> Parsed {
        read(&Text::new(document)).unwrap()
    }

    #[test]
    fn both_layouts_are_read() {
        assert!(is(NOW) && is(THEN) && !is(r#"{"id": 1, "begin": "x"}"#));
        let parsed = records(&format!("[{NOW},{THEN}]"));
        let [Record::Incident(now), Record::Incident(then)] = parsed.records.as_slice() else { panic!("{parsed:?}") };
        assert_eq!((now.impact, now.touches[0].name.as_str(), now.touches.len()), (Some(Impact::Major), "Storage", 1));
        assert_eq!(now.url.as_deref(), Some("https://status.cloud.google.com/incidents/aB3"));
        assert_eq!(now.updates.iter().map(|u| u.stage).collect::<Vec<_>>(), [Some(Stage::Resolved), None]);
        assert_eq!((then.id.as_str(), then.impact, then.touches[0].name.as_str()), ("/incident/cdn/20001", Some(Impact::Critical), "CDN"));
        assert!(then.is_open() && !now.is_open());
    }

    #[test]
    fn what_is_no_incident_is_refused_with_its_place() {
        let parsed = records(&format!("[\n{THEN},\n  7, {{}},\n{{\"id\": \"x\", \"external_desc\": \"y\", \"begin\": \"noon\"}}]"));
        let said: Vec<_> = parsed.refused.iter().map(|r| (r.place.line, r.place.column, r.field.as_deref())).collect();
        assert_eq!((parsed.read, parsed.records.len()), (4, 1));
        assert_eq!(said, [(4, 3, None), (4, 6, Some("id")), (5, 1, Some("begin"))]);
    }
}
