//! By JSONPath. A path of an element begins at it (`$.name`).

use serde_json::Value;
use serde_json_path::JsonPath;

use super::{JSON, Node, Place, mapping, page};
use crate::feeds::{Document, Unreadable};
use crate::model::Page;

/// A tree takes up to thirty times as much as its text.
const BYTES_MAX: usize = 2 << 20;

pub(super) fn place(text: &str) -> Result<Place, String> {
    JsonPath::parse(text).map(Place::Path).map_err(|error| format!("is not a JSONPath: {error}"))
}

pub(super) fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mapping = mapping(document, JSON.name)?;
    if document.text.len() > BYTES_MAX {
        return Err(Unreadable::TooMany { what: "bytes of JSON", max: BYTES_MAX });
    }
    let root: Value = serde_json::from_str(&document.text).map_err(|error| Unreadable::shape(JSON.name, error.to_string()))?;
    page(JSON.name, mapping, &&root)
}

impl Node for &Value {
    fn all(&self, place: &Place, max: usize) -> Vec<Self> {
        let Place::Path(path) = place else { return Vec::new() };
        path.query(self).into_iter().take(max + 1).collect()
    }

    fn texts(&self, place: &Place, max: usize) -> Vec<String> {
        self.all(place, max).into_iter().filter_map(text).collect()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
