//! `vendord uptime`: the number, its bounds and coverage, and every interval it is made of.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::table::Table;
use super::words::{availability as figure, clock_time, instant, lasting, read_duration, read_instant, seconds, tame};
use super::{Answer, Context, Failure, find, to_json};
use crate::model::{Segment, SegmentReason, State, Timestamp, VendorId, time::rfc3339};
use crate::store::{Layer, Past};
use crate::uptime::{Availability, Tally, Verdict, availability, clip};

/// Without `--window` and `--from`.
const WINDOW_DEFAULT: Duration = Duration::from_secs(90 * 86_400);
/// In profile `default` degraded time counts as up.
const DEGRADED_WEIGHT: f64 = 1.0;

#[derive(Args)]
#[command(before_help = "Example:\n  vendord uptime github/api --window 30d --explain")]
pub struct Arguments {
    /// A vendor, or one of its checks
    #[arg(value_name = "VENDOR[/CHECK]")]
    target: String,
    /// As long until now [default: 90d]
    #[arg(long, value_name = "DURATION", value_parser = read_duration, conflicts_with_all = ["from", "to"])]
    window: Option<Duration>,
    /// From 2026-11-23 (UTC) or 2026-11-23T20:35:00Z on
    #[arg(long, value_name = "WHEN", value_parser = read_instant)]
    from: Option<Timestamp>,
    /// Until then [default: now]
    #[arg(long, value_name = "WHEN", value_parser = read_instant)]
    to: Option<Timestamp>,
    /// Every interval
    #[arg(long)]
    explain: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Uptime {
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

pub fn uptime(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let (vendor, check) = target(&past, &arguments.target)?;
    let timeline = match &check {
        Some(check) => past.check_timeline(&vendor, check)?,
        None => past.vendor_timeline(&vendor)?,
    };
    let (from, to) = window(arguments, past.now)?;
    let segments = clip(&timeline, from, to);
    let layers = arguments.explain.then(|| past.reader.layers(&vendor, check.as_deref(), from, to)).transpose()?;
    let text = match arguments.json {
        true => to_json(&answer(&vendor, check, &segments, layers)),
        false => text(&arguments.target, &segments, from, layers, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn target(past: &Past, text: &str) -> Result<(VendorId, Option<String>), Failure> {
    let (vendor, check) = text.split_once('/').map_or((text, None), |(vendor, check)| (vendor, Some(check)));
    let vendor = find::vendor(past, vendor)?.id.clone();
    let Some(check) = check else { return Ok((vendor, None)) };
    let names: Vec<&str> = past.checks_of(&vendor).map(|check| &*check.id.name).collect();
    let found = find::find(&format!("check of {vendor} called"), check, &names, |name| name)?.to_string();
    Ok((vendor, Some(found)))
}

/// What was asked for, up to now.
fn window(arguments: &Arguments, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let to = arguments.to.unwrap_or(now);
    let from = arguments.from.unwrap_or(to - arguments.window.unwrap_or(WINDOW_DEFAULT));
    if from >= to {
        return Err(Failure::usage(format!("the window ends at {to} before it begins at {from}")).hint("swap --from and --to"));
    }
    Ok((from, to.min(now)))
}

fn answer(vendor: &VendorId, check: Option<String>, segments: &[Segment], layers: Option<Vec<Layer>>) -> Uptime {
    let tally = Tally::of(segments);
    let of = |l: Layer| LayerRow { from: l.from, to: l.to, kind: l.kind, reason: l.reason };
    let row = |s: &Segment| SegmentRow { from: s.from, to: s.to, state: s.state, reason: s.reason };
    Uptime {
        schema: 1,
        vendor: vendor.to_string(),
        check,
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
        layers: layers.map(|layers| layers.into_iter().map(of).collect()),
    }
}

fn text(target: &str, segments: &[Segment], asked_from: Timestamp, layers: Option<Vec<Layer>>, coloured: bool) -> String {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return format!("{target}  no data: nothing was observed in this window\n");
    };
    let tally = Tally::of(segments);
    let clipped = if first.from > asked_from { ", from the first observation on" } else { "" };
    let mut text = format!("{target}  {}\n", figure(availability(&tally, DEGRADED_WEIGHT).as_ref()));
    text += &format!("{} to {}{clipped}\n\n", clock_time(first.from), instant(last.to));
    let mut table = Table::new(coloured, ["STATE", "TIME"]);
    for (state, millis) in
        [(State::Up, tally.up), (State::Degraded, tally.degraded), (State::Down, tally.down), (State::Unknown, tally.unknown)]
    {
        table.row([state.into(), lasting(Duration::from_millis(millis.max(0) as u64)).into()]);
    }
    text += &table.render();
    if let Some(layers) = layers {
        text += &format!("\n{}", intervals(segments, coloured).render());
        if !layers.is_empty() {
            text += &format!("\n{}", over(&layers, coloured).render());
        }
    }
    text
}

/// What lies over the intervals.
fn over(layers: &[Layer], coloured: bool) -> Table {
    let mut table = Table::new(coloured, ["FROM (UTC)", "TO (UTC)", "LAYER", "REASON"]);
    for layer in layers {
        table.row([
            clock_time(layer.from).into(),
            clock_time(layer.to).into(),
            layer.kind.as_str().into(),
            tame(&layer.reason).as_str().into(),
        ]);
    }
    table
}

fn intervals(segments: &[Segment], coloured: bool) -> Table {
    let mut table = Table::new(coloured, ["FROM (UTC)", "TO (UTC)", "FOR", "STATE", "REASON"]);
    for segment in segments {
        table.row([
            clock_time(segment.from).into(),
            clock_time(segment.to).into(),
            lasting(segment.to.since(segment.from)).into(),
            segment.state.into(),
            segment.reason.as_str().into(),
        ]);
    }
    table
}
