//! Whether time passed as it should. The wall clock may step and the machine may sleep; what nobody looked at then is
//! `unknown` by the coverage rule, and this names the reason.

use std::time::Duration;

use crate::clock::Reading;
use crate::health::Absence;
use crate::incidents::STEP_NOISE;
use crate::model::time::millis;
use crate::model::{SegmentReason, Timestamp};
use crate::store::Heartbeat;

/// A machine that stood still for less did not sleep.
const SUSPEND_MIN: Duration = Duration::from_secs(5);

/// Something odd about time.
#[derive(Clone, Debug, PartialEq)]
pub struct Odd {
    pub kind: &'static str,
    pub from: Timestamp,
    pub to: Timestamp,
    pub detail: String,
    /// By how much the wall clock stepped, in milliseconds; 0 if it did not.
    pub step_ms: i64,
}

impl Odd {
    /// The time in which nobody looked because of it; none where the wall clock went back over time that was looked at.
    pub fn absence(&self) -> Option<Absence> {
        let reason = if self.kind == "monitor_down" { SegmentReason::MonitorDown } else { SegmentReason::Clock };
        (self.from < self.to).then_some(Absence { from: self.from, to: self.to, reason })
    }

    /// No daemon ran between the last heartbeat and `now`.
    pub fn since_heartbeat(last: &Heartbeat, now: Reading) -> Option<Odd> {
        if now.wall < last.wall {
            let detail = format!("the wall clock is {} behind the last heartbeat", Seconds(last.wall.millis_since(now.wall)));
            return Some(Odd { kind: "clock_step", from: now.wall, to: now.wall, detail, step_ms: now.wall.millis_since(last.wall) });
        }
        let how = if last.stopped { "was stopped" } else { "ended without a word" };
        let detail = format!("no daemon ran for {}: the last one {how}", Seconds(now.wall.millis_since(last.wall)));
        Some(Odd { kind: "monitor_down", from: last.wall, to: now.wall, detail, step_ms: 0 })
    }
}

struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} s", self.0 as f64 / 1000.0)
    }
}

/// Compares the three clocks from look to look.
pub struct ClockWatch(Reading);

impl ClockWatch {
    pub fn new(now: Reading) -> Self {
        ClockWatch(now)
    }

    pub fn last(&self) -> Reading {
        self.0
    }

    /// What was odd about the time since the last look.
    pub fn look(&mut self, now: Reading) -> Option<Odd> {
        let before = std::mem::replace(&mut self.0, now);
        let wall = now.wall.millis_since(before.wall);
        let boot = millis(now.boot.saturating_sub(before.boot));
        let mono = millis(now.mono.saturating_sub(before.mono));
        if boot - mono > millis(SUSPEND_MIN) {
            let detail = format!("the machine slept for {}", Seconds(boot - mono));
            return Some(Odd { kind: "suspend", from: before.wall.min(now.wall), to: now.wall, detail, step_ms: 0 });
        }
        let step = wall - boot;
        if step.abs() <= millis(STEP_NOISE) {
            return None;
        }
        let detail = format!("the wall clock stepped by {}", Seconds(step));
        let to = if step > 0 { now.wall } else { before.wall.min(now.wall) };
        Some(Odd { kind: "clock_step", from: before.wall.min(to), to, detail, step_ms: step })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(wall: i64, boot: u64, mono: u64) -> Reading {
        Reading { wall: Timestamp::from_millis(wall * 1000), boot: Duration::from_secs(boot), mono: Duration::from_secs(mono) }
    }

    #[test]
    fn tells_a_step_from_a_sleep() {
        for (now, kind, absence_s) in [
            (reading(1010, 110, 60), None, None),
            (reading(1011, 110, 60), None, None),
            (reading(4610, 110, 60), Some("clock_step"), Some(3610)),
            (reading(10, 110, 60), Some("clock_step"), None),
            (reading(4610, 3710, 60), Some("suspend"), Some(3610)),
            (reading(1014, 114, 60), None, None),
        ] {
            let mut watch = ClockWatch::new(reading(1000, 100, 50));
            let odd = watch.look(now);
            assert_eq!(odd.as_ref().map(|o| o.kind), kind, "{now:?}");
            let absence = odd.and_then(|o| o.absence()).map(|a| a.to.millis_since(a.from) / 1000);
            assert_eq!(absence, absence_s, "{now:?}");
        }
    }
}
