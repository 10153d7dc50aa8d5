//! `uptime`: the number, its bounds and coverage, and every interval it is made of.

use std::time::Duration;

use serde::Serialize;

use super::words::seconds;
use super::{Refusal, find};
use crate::model::{Segment, SegmentReason, State, Timestamp, VendorId, time::rfc3339};
use crate::store::{Layer, Past};
use crate::uptime::{Availability, Tally, Verdict, availability, clip};

/// Without `--window` and `--from`.
const WINDOW_DEFAULT: Duration = Duration::from_secs(90 * 86_400);
/// In profile `default` degraded time counts as up.
pub const DEGRADED_WEIGHT: f64 = 1.0;

#[derive(Serialize)]
pub struct Uptime {
    schema: u32,
    vendor: String,
    check: Option<String>,
    profile: &'static str,
    /// Null with `to`, where nothing was observed in the window.
    #[serde(serialize_with = "rfc3339::option::serialize")]
    from: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    to: Option<Timestamp>,
    availability: Option<Availability>,
    seconds: Seconds,
    objective: Option<f64>,
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<SegmentRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerRow>>,
}

#[derive(Serialize)]
struct Seconds {
    up: f64,
    degraded: f64,
    down: f64,
    unknown: f64,
    maintenance: f64,
    excluded: f64,
}

#[derive(Serialize)]
struct LayerRow {
    #[serde(serialize_with = "rfc3339::serialize")]
    from: Timestamp,
    #[serde(serialize_with = "rfc3339::serialize")]
    to: Timestamp,
    kind: String,
    reason: String,
}

#[derive(Serialize)]
struct SegmentRow {
    #[serde(serialize_with = "rfc3339::serialize")]
    from: Timestamp,
    #[serde(serialize_with = "rfc3339::serialize")]
    to: Timestamp,
    state: State,
    reason: SegmentReason,
}

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    /// `vendor` or `vendor/check`.
    pub target: String,
    pub window: Option<Duration>,
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    /// Every interval.
    pub explain: bool,
}

/// The part of a timeline that was asked for.
pub struct Found {
    vendor: VendorId,
    check: Option<String>,
    /// As asked for; what was observed may begin later.
    pub from: Timestamp,
    pub segments: Vec<Segment>,
    /// What lies over them, where every interval is asked for.
    pub layers: Option<Vec<Layer>>,
}

pub fn find(past: &Past, asked: &Asked) -> Result<Found, Refusal> {
    let (vendor, check) = target(past, &asked.target)?;
    let timeline = match &check {
        Some(check) => past.check_timeline(&vendor, check)?,
        None => past.vendor_timeline(&vendor)?,
    };
    let (from, to) = window(asked, past.now)?;
    let segments = clip(&timeline, from, to);
    let layers = asked.explain.then(|| past.reader.layers(&vendor, check.as_deref(), from, to)).transpose()?;
    Ok(Found { vendor, check, from, segments, layers })
}

fn target(past: &Past, text: &str) -> Result<(VendorId, Option<String>), Refusal> {
    let (vendor, check) = text.split_once('/').map_or((text, None), |(vendor, check)| (vendor, Some(check)));
    let vendor = find::vendor(past, vendor)?.id.clone();
    let Some(check) = check else { return Ok((vendor, None)) };
    let names: Vec<&str> = past.checks_of(&vendor).map(|check| &*check.id.name).collect();
    let found = find::find(&format!("check of {vendor} called"), check, &names, |name| name)?.to_string();
    Ok((vendor, Some(found)))
}

/// What was asked for, up to now.
fn window(asked: &Asked, now: Timestamp) -> Result<(Timestamp, Timestamp), Refusal> {
    let to = asked.to.unwrap_or(now);
    let from = asked.from.unwrap_or(to - asked.window.unwrap_or(WINDOW_DEFAULT));
    if from >= to {
        return Err(Refusal::asked(format!("the window ends at {to} before it begins at {from}")).hint("swap --from and --to"));
    }
    Ok((from, to.min(now)))
}

impl Found {
    /// As JSON.
    pub fn answer(&self) -> Uptime {
        let Found { segments, layers, .. } = self;
        let tally = Tally::of(segments);
        let of = |l: &Layer| LayerRow { from: l.from, to: l.to, kind: l.kind.clone(), reason: l.reason.clone() };
        let row = |s: &Segment| SegmentRow { from: s.from, to: s.to, state: s.state, reason: s.reason };
        Uptime {
            schema: 1,
            vendor: self.vendor.to_string(),
            check: self.check.clone(),
            profile: "default",
            from: segments.first().map(|first| first.from),
            to: segments.last().map(|last| last.to),
            availability: availability(&tally, DEGRADED_WEIGHT),
            seconds: Seconds {
                up: seconds(tally.up),
                degraded: seconds(tally.degraded),
                down: seconds(tally.down),
                unknown: seconds(tally.unknown),
                maintenance: 0.0,
                excluded: 0.0,
            },
            objective: None,
            verdict: None,
            segments: layers.as_ref().map(|_| segments.iter().map(row).collect()),
            layers: layers.as_ref().map(|layers| layers.iter().map(of).collect()),
        }
    }
}
