//! What one commit writes.

use std::time::Duration;

use crate::health::{CheckState, SegmentWrite};
use crate::model::{Observation, Outage, SeverityCap, Terms, Timestamp, VendorId};
use crate::routing::{Attempt, Changes};

use super::{CheckKey, Declarations, EvidenceWrite, Suspension};

/// One run, as it is kept.
#[derive(Clone, Debug)]
pub struct JournalRow {
    pub seq: i64,
    pub terms_id: i64,
    pub at: Timestamp,
    pub observation: Observation,
}

/// The clocks of a daemon that lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    pub wall: Timestamp,
    pub boot: Duration,
    pub mono: Duration,
    pub boot_id: String,
    /// Written at a stop.
    pub stopped: bool,
}

/// Something that happened to the watcher itself.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    pub kind: &'static str,
    pub from: Timestamp,
    pub to: Timestamp,
    pub detail: String,
}

/// Everything that becomes durable together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub observations: Vec<JournalRow>,
    /// States after the last of `observations` (by number of the last journal row that is in them).
    pub states: Vec<(CheckKey, i64, CheckState)>,
    pub segments: Vec<(CheckKey, SegmentWrite)>,
    pub evidence: Vec<EvidenceWrite>,
    pub outages: Vec<Outage>,
    pub declared: Declarations,
    pub told: Changes,
    pub attempts: Vec<(Attempt, u32)>,
    pub suspensions: Vec<(String, Option<Suspension>)>,
    pub heartbeat: Option<Heartbeat>,
    pub events: Vec<StoredEvent>,
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
            && self.states.is_empty()
            && self.segments.is_empty()
            && self.evidence.is_empty()
            && self.outages.is_empty()
            && self.declared.is_empty()
            && self.told.is_empty()
            && self.attempts.is_empty()
            && self.suspensions.is_empty()
            && self.heartbeat.is_none()
            && self.events.is_empty()
    }
}

/// A vendor as the configuration has it, for [`super::Writer::register`].
#[derive(Clone, Debug)]
pub struct Registration {
    pub vendor: VendorId,
    pub name: String,
    pub tier: u8,
    pub category: String,
    /// name, kind, terms, and whose history it continues.
    pub checks: Vec<RegisteredCheck>,
    /// name, url, format.
    pub sources: Vec<(String, String, String)>,
}

#[derive(Clone, Debug)]
pub struct RegisteredCheck {
    pub name: String,
    pub kind: &'static str,
    pub terms: Terms,
    pub renamed_from: Option<String>,
}

impl RegisteredCheck {
    /// Whether it can give its vendor anything.
    pub fn counts(&self) -> bool {
        self.terms.enabled && self.terms.severity != SeverityCap::None
    }
}
