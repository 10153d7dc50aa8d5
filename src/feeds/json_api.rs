//! Documents in JSON:API (<https://jsonapi.org/format/1.1/>): resources whose facts are their attributes, and references to
//! other resources of the document. Which there are is the platform's.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Lax, Text};

/// One resource; `R` are its relationships.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "R: Default + Deserialize<'de>"))]
pub struct Resource<'d, R> {
    pub id: Text,
    pub r#type: Text,
    #[serde(borrow)]
    pub attributes: Option<&'d RawValue>,
    pub relationships: Lax<R>,
}

/// What one relationship leads to: a reference, a list of them, or nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Related<'d> {
    #[serde(borrow)]
    pub data: Option<&'d RawValue>,
}

/// A resource that stands elsewhere in the document.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Reference {
    pub id: Text,
    pub r#type: Text,
}
