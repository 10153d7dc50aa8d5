//! `statuspage`: a document of a status page that was saved, read as the daemon reads it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::text::{Fault, Parsed, Text, Unusable};
use crate::declared::Record;
use crate::feeds::text::{TITLE_CHARS, line};
use crate::feeds::{self, Document, json};
use crate::model::page::Listing;

/// Platforms whose documents have these lists.
const FORMATS: [&str; 2] = ["statuspage", "incidentio"];

/// What stands for the head of a document from which it was cut off.
const HEAD: &str = r#"{"page": {"id": "000000000000"}, "#;

pub fn is(text: &str) -> bool {
    let whole = with_head(text);
    feeds::detect(&Document::new(None, None, whole.as_bytes())).is_some_and(|(format, _)| FORMATS.contains(&format.name))
}

/// Collections keep the lists of a document and leave out whose they are, which the import knows.
fn with_head(text: &str) -> Cow<'_, str> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Parts {
        page: Option<IgnoredAny>,
        incidents: Option<Vec<IgnoredAny>>,
        scheduled_maintenances: Option<Vec<IgnoredAny>>,
    }
    let parts: Parts = serde_json::from_str(text).unwrap_or_default();
    let cut = parts.page.is_none() && (parts.incidents.is_some() || parts.scheduled_maintenances.is_some());
    match text.trim_start().strip_prefix('{').filter(|_| cut) {
        Some(rest) => Cow::Owned(format!("{HEAD}{rest}")),
        None => Cow::Borrowed(text),
    }
}

pub fn read(text: &Text) -> Result<Parsed, Unusable> {
    let whole = with_head(text.text);
    let document = Document::new(None, None, whole.as_bytes());
    let format = feeds::detect(&document).map(|(format, _)| format).filter(|format| FORMATS.contains(&format.name));
    let page = feeds::read(&document, format.or(feeds::format(FORMATS[0]))).map_err(|why| {
        Unusable::new(why.to_string()).hint("save /api/v2/incidents.json, /api/v2/scheduled-maintenances.json or /history.json of the page")
    })?;
    let mut parsed = Parsed { coarse: page.carries.incidents == Listing::Archive, ..Parsed::default() };
    let incidents = page.incidents.into_iter().map(Record::Incident);
    parsed.records = incidents.chain(page.maintenances.into_iter().map(Record::Maintenance)).collect();
    parsed.unknown_words = page.oddities.unknown_words.into_iter().collect();
    let ids: BTreeSet<&str> = parsed.records.iter().map(Record::source_id).collect();
    let listed = listed(text);
    let lost: Vec<&&RawValue> = listed.iter().filter(|raw| !self::ids(raw).iter().any(|id| ids.contains(id.as_str()))).collect();
    let faults: Vec<Fault> = lost
        .into_iter()
        .map(|raw| Fault::new(text.offset(raw.get()), Some("id"), "there is none, or nothing else that can be read"))
        .collect();
    parsed.read = listed.len().max(parsed.records.len());
    faults.into_iter().for_each(|fault| parsed.refuse(text, fault));
    Ok(parsed)
}

/// A list, whatever is in it; what is no list has nothing in it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lists<'d> {
    #[serde(borrow)]
    incidents: Option<&'d RawValue>,
    #[serde(borrow)]
    scheduled_maintenances: Option<&'d RawValue>,
    #[serde(borrow)]
    months: Option<&'d RawValue>,
}

/// Every entry that the document lists, understood or not.
fn listed<'t>(text: &Text<'t>) -> Vec<&'t RawValue> {
    fn list(raw: Option<&RawValue>) -> Vec<&RawValue> {
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    }
    let lists = |text: &'t str| serde_json::from_str::<Lists>(text).unwrap_or_default();
    let whole = lists(text.text);
    let months = list(whole.months).into_iter().flat_map(|month| list(lists(month.get()).incidents));
    list(whole.incidents).into_iter().chain(list(whole.scheduled_maintenances)).chain(months).collect()
}

/// What the formats may have made the id of an entry of: `code` is what an archive calls it.
fn ids(raw: &RawValue) -> [String; 4] {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        id: json::Text,
        code: json::Text,
        shortlink: json::Text,
        name: json::Text,
        created_at: json::Text,
    }
    let named: Named = serde_json::from_str(raw.get()).unwrap_or_default();
    let text = |text: &json::Text| text.as_str().unwrap_or_default().to_owned();
    let made_up = format!("{} {}", text(&named.name), text(&named.created_at));
    [text(&named.id), text(&named.code), text(&named.shortlink), made_up].map(|id| line(&id, TITLE_CHARS).text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_document_is_lost_silently() {
        let document = r#"{"page": {"id": "abcdefghij12", "name": "Acme"},
 "incidents": [
  {"id": "a", "name": "Errors", "created_at": "2026-01-01T00:00:00Z", "status": "resolved", "impact": "minor"},
  {"status": "resolved"}, 5,
  {"id": "a", "name": "Errors", "created_at": "2026-01-01T00:00:00Z", "status": "resolved", "impact": "minor"}
 ]}"#;
        assert!(is(document) && !is("{}") && !is("[]"));
        let parsed = read(&Text::new(document)).unwrap();
        let places: Vec<_> = parsed.refused.iter().map(|r| (r.place.line, r.place.column)).collect();
        assert_eq!((parsed.read, parsed.records.len(), places), (4, 1, vec![(4, 3), (4, 27)]));
        assert!(read(&Text::new("{}")).is_err());
        let list = document.split_once("\n").unwrap().1;
        let cut = read(&Text::new(&format!("{{\n{list}"))).unwrap();
        assert!(cut.records == parsed.records && cut.refused == parsed.refused, "{cut:?}");
    }
}
