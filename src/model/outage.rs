//! What we measured: a vendor's confirmed `down`, from its first failing run to the first good one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Timestamp, Uuid, VendorId};

/// Whose fault. Judged beside the state, never instead of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    Vendor,
    Shared,
    Us,
    OwnNetwork,
    Inconclusive,
}

impl Blame {
    pub const ALL: [Blame; 5] = [Blame::Vendor, Blame::Shared, Blame::Us, Blame::OwnNetwork, Blame::Inconclusive];

    pub const fn as_str(self) -> &'static str {
        match self {
            Blame::Vendor => "vendor",
            Blame::Shared => "shared",
            Blame::Us => "us",
            Blame::OwnNetwork => "own_network",
            Blame::Inconclusive => "inconclusive",
        }
    }

    pub fn parse(text: &str) -> Option<Blame> {
        Blame::ALL.into_iter().find(|b| b.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    pub id: Uuid,
    pub vendor: VendorId,
    /// The first failing run of the check that began it.
    pub started_at: Timestamp,
    /// When the vendor's outage before it ended: it cannot have begun earlier.
    pub not_before: Option<Timestamp>,
    /// CLOCK_BOOTTIME at `started_at`; `None` once the machine was booted again.
    pub started_boot: Option<Duration>,
    pub confirmed_at: Timestamp,
    /// The first good run after it; `None` while it lasts.
    pub ended_at: Option<Timestamp>,
    /// Length by CLOCK_BOOTTIME, where the wall clock stepped while it lasted.
    pub stepped: Option<Duration>,
    pub blame: Blame,
    /// Names of the checks that were down in it, in the order in which they failed.
    pub checks: Vec<String>,
}

impl Outage {
    /// Whether another monitor saw it: its id was made of what it is, not of when it was noted (RFC 9562, version 8).
    pub fn is_imported(&self) -> bool {
        self.id.get_version_num() == 8
    }

    /// How long it lasted, or has lasted at `now`: unknown time in between included, by the clock that did not step.
    pub fn duration(&self, now: Timestamp) -> Duration {
        self.stepped.unwrap_or_else(|| self.ended_at.unwrap_or(now).since(self.started_at))
    }
}
