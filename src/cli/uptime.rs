//! `vendord uptime`: the number, its bounds and coverage, and every interval it is made of.

use std::time::Duration;

use clap::Args;

use super::table::Table;
use super::words::{availability as figure, clock_time, instant, lasting, read_duration, read_instant, tame};
use super::{Answer, Context, Failure, to_json};
use crate::model::{Segment, State, Timestamp};
use crate::store::{Layer, Past};
use crate::uptime::{Tally, availability};
use crate::web::api::uptime::{self as api, Asked, Found};

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

pub fn uptime(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let asked = Asked {
        target: arguments.target.clone(),
        window: arguments.window,
        from: arguments.from,
        to: arguments.to,
        explain: arguments.explain,
    };
    let found = api::find(&past, &asked)?;
    let text = match arguments.json {
        true => to_json(&found.answer()),
        false => text(&arguments.target, &found, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn text(target: &str, found: &Found, coloured: bool) -> String {
    let Found { segments, layers, .. } = found;
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return format!("{target}  no data: nothing was observed in this window\n");
    };
    let tally = Tally::of(segments);
    let clipped = if first.from > found.from { ", from the first observation on" } else { "" };
    let mut text = format!("{target}  {}\n", figure(availability(&tally, api::DEGRADED_WEIGHT).as_ref()));
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
            text += &format!("\n{}", over(layers, coloured).render());
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
