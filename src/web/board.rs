//! The snapshot that pages and metrics are rendered from. It holds only what was committed.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::history::History;
use crate::declared::{Reads, Standing, vendor_declared};
use crate::health::{self, capped, vendor_state};
use crate::model::{Impact, Outage, Phases, Reason, SegmentReason, SeverityCap, Stage, State, Status, Timestamp, Uuid, VendorId};

/// One check as it is shown.
#[derive(Clone, Debug)]
pub struct CheckFigures {
    pub name: Arc<str>,
    pub kind: &'static str,
    /// `vendor="github",check="api"`, escaped.
    pub labels: Arc<str>,
    /// `vendor="github",check="api",kind="http"`, escaped.
    pub labels_kind: Arc<str>,
    pub interval: Duration,
    /// `enabled = false`: nobody looks, and nobody is late.
    pub is_paused: bool,
    /// `None`: it gives its vendor nothing (disabled, severity none).
    pub severity: Option<SeverityCap>,
    pub is_http: bool,
    pub state: health::Standing,
    /// The last run disagrees with the confirmed state.
    pub suspect: bool,
    /// Why nothing is known of it, while nothing is.
    pub late_reason: SegmentReason,
    /// What the last run said that was known.
    pub message: Arc<str>,
    pub phases: Phases,
    pub http_status: u16,
    /// Whether the last run went over the connection of the run before; `None` while none did.
    pub reused: Option<bool>,
    pub not_after: Option<Timestamp>,
    pub runs: u64,
    pub failures: u64,
    pub by_reason: Vec<(Reason, u64)>,
}

/// One status page as it is shown.
#[derive(Clone, Debug)]
pub struct PageFigures {
    pub source: Arc<str>,
    /// `vendor="github",source="status"`, escaped.
    pub labels: Arc<str>,
    /// The same with `,format="statuspage"`.
    pub labels_format: Arc<str>,
    pub reads: Reads,
    pub standing: Option<Standing>,
    /// Open incidents that concern us, by impact.
    pub open: [u64; 4],
    /// Those first seen since the daemon started, by impact.
    pub opened: [u64; 4],
    pub oldest_open: Option<Timestamp>,
    /// Those that concern us, the latest first.
    pub incidents: Vec<OpenIncident>,
    /// What is announced and has not ended.
    pub announced: Vec<Announced>,
    /// Of a page whose components are watched.
    pub components: Vec<ComponentFigures>,
}

/// An incident that a vendor has open. Its texts are the vendor's.
#[derive(Clone, Debug)]
pub struct OpenIncident {
    pub id: Uuid,
    pub title: Arc<str>,
    pub impact: Option<Impact>,
    pub stage: Option<Stage>,
    pub started_at: Option<Timestamp>,
    /// Names of what it touches; empty: the whole page.
    pub touches: Arc<[String]>,
}

/// Announced work that concerns us.
#[derive(Clone, Debug)]
pub struct Announced {
    pub id: Uuid,
    pub title: Arc<str>,
    pub starts_at: Timestamp,
    pub ends_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct ComponentFigures {
    /// `vendor="github",component="Actions"`, escaped.
    pub labels: Arc<str>,
    pub status: Status,
}

impl PageFigures {
    /// What was read too long ago says nothing.
    pub fn status(&self, now: Timestamp) -> Status {
        self.standing.filter(|_| self.reads.is_believed(now)).map_or(Status::Unknown, Standing::status)
    }
}

#[derive(Clone, Debug)]
pub struct VendorFigures {
    /// `vendor="github"`, escaped.
    pub labels: Arc<str>,
    /// The further labels of `vendord_vendor_info`.
    pub info: Arc<str>,
    /// Shared, so that a copy of everything costs counts and not copies.
    pub checks: Vec<Arc<CheckFigures>>,
    pub pages: Vec<PageFigures>,
    pub counters: VendorCounters,
    /// The outage that lasts.
    pub outage: Option<Arc<Outage>>,
    pub id: VendorId,
}

/// Over time that can no longer change.
#[derive(Clone, Copy, Debug, Default)]
pub struct VendorCounters {
    pub observed_seconds: f64,
    pub downtime_seconds: f64,
    pub declared_downtime_seconds: f64,
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

    /// What its pages say at `now`; `None` without one.
    pub fn declared(&self, now: Timestamp) -> Option<Status> {
        vendor_declared(self.pages.iter().map(|page| page.status(now)))
    }

    /// What the checks say on the scale of pages.
    pub fn measured_status(&self, now: Timestamp) -> Option<Status> {
        Some(match self.measured(now)? {
            State::Up => Status::Operational,
            State::Degraded => Status::Degraded,
            State::Down if self.given(now).all(|s| s == State::Down) => Status::MajorOutage,
            State::Down => Status::PartialOutage,
            State::Unknown => Status::Unknown,
        })
    }

    /// The worse of what is declared and measured. `Operational` only if every view that is configured is known.
    pub fn status(&self, now: Timestamp) -> Status {
        let views = [self.declared(now), self.has_counting_check().then(|| self.measured_status(now).unwrap_or(Status::Unknown))];
        vendor_declared(views.into_iter().flatten()).unwrap_or(Status::Unknown)
    }

    /// When something of it was looked at last.
    pub fn seen_at(&self) -> Option<Timestamp> {
        let runs = self.checks.iter().filter_map(|check| check.state.last).map(|last| last.at);
        runs.chain(self.pages.iter().filter_map(|page| page.reads.last_success_at)).max()
    }

    pub fn open_incidents(&self) -> impl Iterator<Item = &OpenIncident> {
        self.pages.iter().flat_map(|page| &page.incidents)
    }

    fn has_counting_check(&self) -> bool {
        self.checks.iter().any(|c| c.severity.is_some())
    }
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
    /// Mean seconds from start to end of the incidents that ended in a window of [`UPTIME_DAYS`]; likewise.
    pub time_to_resolve: BTreeMap<VendorId, UptimeRatios>,
    /// What the bars of the pages are drawn from; likewise.
    pub history: BTreeMap<VendorId, Arc<History>>,
    /// When something was last made durable: the daemon's pulse.
    pub committed_at: Option<Timestamp>,
    /// Seconds from our first failing run to the vendor's first post, of the last outage that it spoke of.
    pub acknowledgement_lag: BTreeMap<VendorId, f64>,
}

/// Shared by the recorder, which writes, and everybody who shows something.
#[derive(Default)]
pub struct Board(RwLock<Figures>);

impl Board {
    /// Changes what is shown. Short: readers wait.
    pub fn update(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()));
    }

    /// When something was last made durable.
    pub fn committed_at(&self) -> Option<Timestamp> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).committed_at
    }

    /// What the bars of one vendor are drawn from.
    pub fn history(&self, id: &VendorId) -> Option<Arc<History>> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).history.get(id).cloned()
    }

    /// A copy of one vendor.
    pub fn vendor(&self, id: &VendorId) -> Option<VendorFigures> {
        let figures = self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        figures.vendors.iter().find(|vendor| vendor.id == *id).cloned()
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
