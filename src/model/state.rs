//! What many runs mean: a state, and the time it held.

use serde::{Deserialize, Serialize};

use super::{Reason, Timestamp};

/// The state of a check or vendor at an instant. `Unknown` is "we were not looking"; it is never `Down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Up,
    Degraded,
    Down,
    Unknown,
}

impl State {
    pub const ALL: [State; 4] = [State::Up, State::Degraded, State::Down, State::Unknown];

    pub const fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Degraded => "degraded",
            State::Down => "down",
            State::Unknown => "unknown",
        }
    }

    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// The scale that metrics share: 0 unknown, 1 up, 3 degraded, 5 down.
    pub const fn level(self) -> u8 {
        match self {
            State::Unknown => 0,
            State::Up => 1,
            State::Degraded => 3,
            State::Down => 5,
        }
    }

    /// How bad, for comparing; `None` for unknown, which is neither better nor worse than anything.
    pub const fn badness(self) -> Option<u8> {
        match self {
            State::Up => Some(0),
            State::Degraded => Some(1),
            State::Down => Some(2),
            State::Unknown => None,
        }
    }

    pub const fn from_badness(badness: u8) -> State {
        match badness {
            0 => State::Up,
            1 => State::Degraded,
            _ => State::Down,
        }
    }
}

/// Why a segment has its state: the reason of a run, or one of those that only time can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentReason {
    Seen(Reason),
    /// The daemon ran and did not look (permits starved, a check that hung).
    NoObservation,
    /// No daemon ran.
    MonitorDown,
    /// The machine slept, or the wall clock stepped.
    Clock,
    Paused,
    Regional,
}

impl SegmentReason {
    const OF_TIME: [SegmentReason; 5] =
        [SegmentReason::NoObservation, SegmentReason::MonitorDown, SegmentReason::Clock, SegmentReason::Paused, SegmentReason::Regional];

    pub const fn as_str(self) -> &'static str {
        match self {
            SegmentReason::Seen(reason) => reason.as_str(),
            SegmentReason::NoObservation => "no_observation",
            SegmentReason::MonitorDown => "monitor_down",
            SegmentReason::Clock => "clock",
            SegmentReason::Paused => "paused",
            SegmentReason::Regional => "regional",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::OF_TIME.into_iter().chain(Reason::ALL.iter().map(|r| SegmentReason::Seen(*r))).find(|r| r.as_str() == text)
    }
}

impl Serialize for SegmentReason {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SegmentReason {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("unknown reason {text:?}")))
    }
}

/// `[from, to)` with one state. A timeline is a list of them without hole or overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub from: Timestamp,
    pub to: Timestamp,
    pub state: State,
    pub reason: SegmentReason,
}
