//! `gcp`: a saved `incidents.json` of Google Cloud, read as the daemon reads it, entry by entry.
//!
//! The list is a window that moves: whoever saved it more than once imports every copy.

use serde_json::value::RawValue;

use super::text::{Fault, Parsed, Text, Unusable, said};
use crate::declared::Record;
use crate::feeds::gcp::{Event, Reader};

/// Whether an element of a list is one of these.
pub fn is(element: &str) -> bool {
    serde_json::from_str::<Event>(element).is_ok_and(|event| event.is_one())
}

pub fn read(text: &Text) -> Result<Parsed, Unusable> {
    let all: Vec<&RawValue> = serde_json::from_str(text.text).map_err(|error| Unusable::json(text, &error))?;
    let mut parsed = Parsed::default();
    for raw in all {
        let mut reader = Reader::default();
        parsed.take(text, record(raw, text.offset(raw.get()), &mut reader));
        reader.notes.oddities().unknown_words.iter().for_each(|word| parsed.unknown(word));
    }
    Ok(parsed)
}

fn record(raw: &RawValue, at: usize, reader: &mut Reader) -> Result<Record, Fault> {
    let event: Event =
        serde_json::from_str(raw.get()).map_err(|error| Fault::new(at, None, format!("it is no incident: {}", said(&error))))?;
    let none = |field| Fault::new(at, Some(field), "there is none");
    event.id.as_str().or(event.uri.as_str()).ok_or_else(|| none("id"))?;
    event.external_desc.as_str().ok_or_else(|| none("external_desc"))?;
    event.begin.instant().ok_or_else(|| Fault::new(at, Some("begin"), "there is no time with its zone"))?;
    if event.end.as_str().is_some() && event.end.instant().is_none() {
        return Err(Fault::new(at, Some("end"), "it is no time with its zone"));
    }
    let incident = reader.incident(&event).map_err(|why| Fault::new(at, None, why.to_string()))?;
    incident.map(Record::Incident).ok_or_else(|| none("id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::page::{Impact, Stage};

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
