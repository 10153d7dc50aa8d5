//! The snapshot that pages and metrics are rendered from. It holds only what was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crate::health::{Standing, capped, vendor_state};
use crate::model::{Phases, Reason, SeverityCap, State, Timestamp, VendorId};

/// One check as it is shown.
#[derive(Clone, Debug)]
pub struct CheckFigures {
    /// `vendor="github",check="api"`, escaped.
    pub labels: Arc<str>,
    /// `vendor="github",check="api",kind="http"`, escaped.
    pub labels_kind: Arc<str>,
    pub interval: Duration,
    /// `None`: it gives its vendor nothing (disabled, severity none).
    pub severity: Option<SeverityCap>,
    pub is_http: bool,
    pub state: Standing,
    pub phases: Phases,
    pub http_status: u16,
    pub not_after: Option<Timestamp>,
    pub runs: u64,
    pub failures: u64,
    pub by_reason: Vec<(Reason, u64)>,
}

#[derive(Clone, Debug)]
pub struct VendorFigures {
    /// `vendor="github"`, escaped.
    pub labels: Arc<str>,
    /// The further labels of `vendord_vendor_info`.
    pub info: Arc<str>,
    pub has_page: bool,
    pub checks: Vec<CheckFigures>,
    pub counters: VendorCounters,
    pub id: VendorId,
}

/// Over time that can no longer change.
#[derive(Clone, Copy, Debug, Default)]
pub struct VendorCounters {
    pub observed_seconds: f64,
    pub downtime_seconds: f64,
    pub outages: u64,
}

impl VendorFigures {
    /// What the checks say at `now`; `None` without a check that counts.
    pub fn measured(&self, now: Timestamp) -> Option<State> {
        vendor_state(self.given(now))
    }

    fn given(&self, now: Timestamp) -> impl Iterator<Item = State> + '_ {
        // A check counts from its first observation.
        let counting = self.checks.iter().filter(|c| c.state.first_at.is_some());
        counting.filter_map(move |c| capped(c.state.state_at(now), c.severity?))
    }

    /// Status and level of the vendor: the worse of what is declared and measured. A page that is not read leaves `operational` unproven.
    pub fn status(&self, now: Timestamp) -> Status {
        match self.measured(now) {
            Some(State::Down) if self.given(now).all(|s| s == State::Down) => Status::MajorOutage,
            Some(State::Down) => Status::PartialOutage,
            Some(State::Degraded) => Status::Degraded,
            Some(State::Up) if !self.has_page => Status::Operational,
            Some(State::Up | State::Unknown) | None => Status::Unknown,
        }
    }
}

/// The scale that status-page exporters share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unknown = 0,
    Operational = 1,
    Maintenance = 2,
    Degraded = 3,
    PartialOutage = 4,
    MajorOutage = 5,
}

impl Status {
    pub const ALL: [(Status, &'static str); 6] = [
        (Status::Operational, "operational"),
        (Status::Maintenance, "maintenance"),
        (Status::Degraded, "degraded"),
        (Status::PartialOutage, "partial_outage"),
        (Status::MajorOutage, "major_outage"),
        (Status::Unknown, "unknown"),
    ];
}

/// Deliveries of one receiver that wait.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// `receiver="oncall",kind="webhook"`, escaped.
    pub labels: Arc<str>,
    pub pending: u64,
    pub oldest_due: Option<Timestamp>,
}

/// Windows of `vendord_vendor_uptime_ratio`, in days.
pub const UPTIME_DAYS: [u64; 4] = [1, 7, 30, 90];

/// Uptime over [`UPTIME_DAYS`]; `None` where nothing is known.
pub type UptimeRatios = [Option<f64>; 4];

#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub vendors: Vec<VendorFigures>,
    /// critical, warning, info.
    pub alerts_firing: [u64; 3],
    pub waiting: Vec<Waiting>,
    /// From stored history, a minute old at most.
    pub uptime: BTreeMap<VendorId, UptimeRatios>,
}

/// Shared by the recorder, which writes, and everybody who shows something.
#[derive(Default)]
pub struct Board(RwLock<Figures>);

impl Board {
    /// Changes what is shown. Short: readers wait.
    pub fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// A copy of everything, so that rendering holds up nobody.
    pub fn figures(&self) -> Figures {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// A label value in text format: backslash, quote and newline escaped.
pub fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
