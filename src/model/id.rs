//! What things are called. A vendor's id is its file's name, a check's is `vendor/name`; rows that we make are UUID v7.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Ids of outages, alerts and deliveries: time-ordered (RFC 9562, version 7).
pub use uuid::Uuid;

/// The name of a vendor's file without `.toml`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VendorId(Arc<str>);

impl VendorId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        VendorId(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VendorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `<vendor id>/<check name>`: stable across edits and reloads, history hangs on it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId {
    pub vendor: VendorId,
    pub name: Arc<str>,
}

impl CheckId {
    pub fn new(vendor: &VendorId, name: impl Into<Arc<str>>) -> Self {
        CheckId { vendor: vendor.clone(), name: name.into() }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vendor, self.name)
    }
}

/// One `[[status_pages]]` of a vendor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    pub vendor: VendorId,
    pub name: Arc<str>,
}

impl SourceId {
    pub fn new(vendor: &VendorId, name: impl Into<Arc<str>>) -> Self {
        SourceId { vendor: vendor.clone(), name: name.into() }
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.vendor, self.name)
    }
}

/// Why `text` cannot be a vendor id, check, receiver or location name; `None` if it can.
/// They end up in URLs, file names and metric labels, so the alphabet is small.
pub fn name_problem(text: &str) -> Option<&'static str> {
    const NAME_CHARS_MAX: usize = 100;
    if text.is_empty() {
        Some("is empty")
    } else if text.len() > NAME_CHARS_MAX {
        Some("is longer than 100 characters")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some("does not begin with a letter or digit")
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        Some("has characters other than letters, digits, `-`, `_` and `.`")
    } else {
        None
    }
}
