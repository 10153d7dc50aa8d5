//! Something a person should know, and the messages that tell it.

use super::words::words;
use super::{Blame, Timestamp, Uuid, VendorId};

words! {
    /// A condition that begins and ends. Every rule has a runbook `docs/runbooks/<rule>.md`.
    Rule {
        VendorDown = "vendor.down",
        VendorDegraded = "vendor.degraded",
        VendorFlapping = "vendor.flapping",
        IncidentReported = "incident.reported",
        SourceStale = "source.stale",
        SourceMoved = "source.moved",
        SourceDrifted = "source.drifted",
        TlsExpiring = "tls.expiring",
        DnsDomain = "dns.domain",
        DeliveryFailing = "delivery.failing",
        Clock = "clock",
        Store = "store",
    }
}

words! {
    /// From least to most urgent, so that `max` is the worst.
    Severity {
        Info = "info",
        Warning = "warning",
        Critical = "critical",
    }
}

words! {
    AlertState {
        Firing = "firing",
        Acknowledged = "acknowledged",
        Resolved = "resolved",
    }
}

words! {
    /// What a message tells about its alerts.
    Event {
        Firing = "alert.firing",
        Resolved = "alert.resolved",
        Acknowledged = "alert.acknowledged",
        Updated = "alert.updated",
        Test = "test",
    }
}

words! {
    DeliveryState {
        /// Not yet accepted; `next_attempt_at` says when it is tried (again).
        Pending = "pending",
        Delivered = "delivered",
        /// Given up: kept, shown, counted, and told through another receiver.
        Dead = "dead",
    }
}

/// Which alert it is: never a measured value, a title or a time. Successive episodes share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    pub rule: Rule,
    pub vendor: Option<VendorId>,
    pub subject: String,
}

/// One episode of an identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: Uuid,
    pub identity: Identity,
    pub severity: Severity,
    pub state: AlertState,
    /// When the condition began: an outage's `started_at`, not its confirmation.
    pub since: Timestamp,
    pub resolved_at: Option<Timestamp>,
    pub summary: String,
    pub vendor_name: Option<String>,
    pub tier: Option<u8>,
    pub measured: Option<String>,
    pub declared: Option<String>,
    pub blame: Blame,
    /// Lines that say what was seen, most telling first.
    pub evidence: Vec<String>,
    /// Which edition of what it is about was told last; 0 where nothing is edited.
    pub edition: u32,
}

/// One message to one receiver: one event, one group, and the alerts of that group that changed to it.
/// Once it is due its content is frozen; tries differ only in `delayed_seconds` and their timestamp.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The `webhook-id` of every try: the idempotency key.
    pub id: Uuid,
    /// Order of creation, whatever the clocks say.
    pub seq: i64,
    pub receiver: String,
    pub event: Event,
    /// Values of `group_by`, in its order.
    pub group: Vec<(String, String)>,
    /// Which alerts, with the facts as they are told.
    pub alerts: Vec<Told>,
    pub created_at: Timestamp,
    pub due_at: Timestamp,
    pub state: DeliveryState,
    pub attempts: u32,
    pub next_attempt_at: Option<Timestamp>,
    pub last_code: Option<u16>,
    pub last_error: Option<String>,
    pub delivered_at: Option<Timestamp>,
}

impl Delivery {
    /// One that was not tried yet, about nothing so far, and due at once.
    pub fn untried(id: Uuid, seq: i64, receiver: String, event: Event, now: Timestamp) -> Delivery {
        Delivery {
            id,
            seq,
            receiver,
            event,
            group: Vec::new(),
            alerts: Vec::new(),
            created_at: now,
            due_at: now,
            state: DeliveryState::Pending,
            attempts: 0,
            next_attempt_at: Some(now),
            last_code: None,
            last_error: None,
            delivered_at: None,
        }
    }
}

/// One alert inside a delivery: whom it is about, and the frozen JSON object that is sent for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub alert: Uuid,
    pub identity: Identity,
    pub facts: serde_json::Value,
}
