//! What happens while people watch: the API of one vendor fails, the vendor says so later, and mends it.

use std::time::Duration;

use crate::model::Timestamp;

const FAILS_AFTER: Duration = Duration::from_secs(20);
/// After it failed: that is the acknowledgement lag to see.
pub const SILENT_FOR: Duration = Duration::from_secs(40);
const FAILS_FOR: Duration = Duration::from_secs(100);
const RESOLVES_AFTER: Duration = Duration::from_secs(30);
/// From one act to the next.
pub const EVERY: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
pub struct Script {
    pub opens_at: Timestamp,
    pub pace: Pace,
}

/// How many times as fast everything goes that is scripted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace(pub f64);

impl Pace {
    pub fn of(self, duration: Duration) -> Duration {
        duration.div_f64(self.0)
    }
}

/// One time that it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Act {
    pub fails_at: Timestamp,
    pub posts_at: Timestamp,
    pub recovers_at: Timestamp,
    pub resolves_at: Timestamp,
}

impl Script {
    /// Counted from 0.
    pub fn act(&self, nth: u32) -> Act {
        let after = |of: Timestamp, wait: Duration| of + self.pace.of(wait);
        let fails_at = after(self.opens_at, FAILS_AFTER + EVERY * nth);
        let recovers_at = after(fails_at, FAILS_FOR);
        Act { fails_at, posts_at: after(fails_at, SILENT_FOR), recovers_at, resolves_at: after(recovers_at, RESOLVES_AFTER) }
    }

    /// Those that have begun at `at`.
    pub fn acts(self, at: Timestamp) -> impl Iterator<Item = Act> {
        (0..).map(move |nth| self.act(nth)).take_while(move |act| act.fails_at <= at)
    }
}
