//! `vendord outages`: what we measured as down, newest first, or one with its timeline.

use std::time::Duration;

use clap::Args;

use super::output::{Output, Wanted};
use super::table::Table;
use super::words::{Since, clock_time, instant, lasting, read_since};
use super::{Answer, Context, Failure, evidence, find};
use crate::incidents::correlate::Class;
use crate::model::Timestamp;
use crate::store::{Judged, Past, StoreError};
use crate::uptime::clip;
use crate::web::api::outages::{self as api, Asked};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord outages --since 7d --vendor github")]
pub struct Arguments {
    /// One outage with its timeline: its id, or the end of it as the list shows it
    #[arg(value_name = "ID", conflicts_with_all = ["since", "open", "vendor", "limit"])]
    id: Option<String>,
    /// Those that lasted then or later: 7d, 2026-11-23 or 2026-11-23T20:35:00Z
    #[arg(long, value_name = "WHEN", value_parser = read_since)]
    since: Option<Since>,
    /// Only those that last
    #[arg(long)]
    open: bool,
    /// Only those of this vendor
    #[arg(long)]
    vendor: Option<String>,
    /// Only the newest
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    wanted: Wanted,
}

pub fn outages(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let asked = Asked {
        id: arguments.id.clone(),
        since: arguments.since.map(|since| since.at(past.now)),
        open: arguments.open,
        vendor: arguments.vendor.clone(),
        offset: 0,
        limit: arguments.limit,
    };
    let chosen = api::chosen(&past, &asked)?;
    let text = match (arguments.wanted.output(), &arguments.id) {
        (Output::Csv, _) => api::csv(&past, &chosen),
        (Output::Json, _) => api::json(&past, &chosen, &asked)?,
        (Output::Text, Some(_)) => chosen.iter().map(|judged| detail(&past, judged, context.colour_out)).collect::<Result<_, _>>()?,
        (Output::Text, None) => list(&chosen, past.now, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn list(outages: &[Judged], now: Timestamp, coloured: bool) -> String {
    if outages.is_empty() {
        return "no outages\n".to_owned();
    }
    let mut table = Table::new(coloured, ["ID", "VENDOR", "STARTED (UTC)", "LASTED", "BLAME", "VENDOR POSTED", "CHECKS"]);
    for judged in outages {
        let outage = &judged.outage;
        let ongoing = if outage.ended_at.is_none() { ", open" } else { "" };
        table.row([
            find::short(outage.id).into(),
            outage.vendor.as_str().into(),
            clock_time(outage.started_at).into(),
            format!("{}{ongoing}", lasting(outage.duration(now))).into(),
            outage.blame.as_str().into(),
            posted(judged, now).into(),
            outage.checks.join(", ").into(),
        ]);
    }
    table.render()
}

fn detail(past: &Past, judged: &Judged, coloured: bool) -> Result<String, StoreError> {
    let outage = &judged.outage;
    let ended = outage.ended_at.map_or("not yet".to_owned(), instant);
    let mut text = format!("outage     {}\n", outage.id);
    text += &format!("vendor     {}\n", outage.vendor);
    text += &format!("started    {}\n", instant(outage.started_at));
    text += &format!("confirmed  {}\n", instant(outage.confirmed_at));
    text += &format!("ended      {ended}\n");
    text += &format!("lasted     {}\n", lasting(outage.duration(past.now)));
    text += &format!("blame      {}\n", outage.blame.as_str());
    text += &format!(
        "posted     {}{}\n\n",
        posted(judged, past.now),
        judged.post.map_or(String::new(), |post| format!(" (incident {})", find::short(post.incident)))
    );
    let mut table = Table::new(coloured, ["CHECK", "FROM (UTC)", "FOR", "STATE", "REASON"]);
    for check in &outage.checks {
        let timeline = past.check_timeline(&outage.vendor, check)?;
        for segment in clip(&timeline, outage.started_at, outage.ended_at.unwrap_or(past.now)) {
            table.row([
                check.as_str().into(),
                clock_time(segment.from).into(),
                lasting(segment.to.since(segment.from)).into(),
                segment.state.into(),
                segment.reason.as_str().into(),
            ]);
        }
    }
    text += &table.render();
    text += &evidence::text(&api::evidence_of(past, outage)?);
    Ok(text)
}

/// What the vendor said of it, and how late.
pub(super) fn posted(judged: &Judged, now: Timestamp) -> String {
    match (judged.lag_ms(), judged.class) {
        (Some(lag), class) => {
            let apart = lasting(Duration::from_millis(lag.unsigned_abs()));
            match class {
                _ if lag < 0 => format!("{apart} before us"),
                Some(Class::Late) => format!("after {apart}, when it was over"),
                _ => format!("after {apart}"),
            }
        }
        (None, Some(class)) => class.to_string(),
        (None, None) if judged.has_page && judged.outage.ended_at.is_none() => {
            format!("not yet, after {}", lasting(judged.outage.duration(now)))
        }
        (None, None) => "-".to_owned(),
    }
}
