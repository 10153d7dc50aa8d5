//! Who is told of what: configuration in the words of the core.

use std::time::Duration;

use super::Severity;

/// The first route whose `matching` holds takes an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub matching: Matching,
    pub receiver: String,
    pub group_by: Vec<String>,
    pub group_wait: Duration,
    pub group_interval: Duration,
    pub repeat_interval: Duration,
    pub continues: bool,
}

/// Empty lists match everything. Texts may be globs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matching {
    pub tier: Vec<u8>,
    pub vendor: Vec<String>,
    pub rule: Vec<String>,
    pub severity: Vec<Severity>,
}
