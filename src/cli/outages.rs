//! `vendord outages`: what we measured as down, newest first, or one with its timeline.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::output::{Output, Wanted, csv, optional};
use super::table::Table;
use super::words::{Since, clock_time, instant, lasting, read_since, seconds, seconds_of};
use super::{Answer, Context, Failure, evidence, find, to_json};
use crate::incidents::correlate::Class;
use crate::model::{Blame, Outage, Timestamp, Uuid, time::rfc3339};
use crate::store::{Judged, Past, StoreError, StoredEvidence};
use crate::uptime::clip;

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

#[derive(Serialize)]
struct Outages<'o> {
    schema: u32,
    outages: Vec<OutageRow<'o>>,
}

#[derive(Serialize)]
struct OutageRow<'o> {
    id: Uuid,
    vendor: &'o str,
    #[serde(serialize_with = "rfc3339::serialize")]
    started_at: Timestamp,
    #[serde(serialize_with = "rfc3339::serialize")]
    confirmed_at: Timestamp,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    ended_at: Option<Timestamp>,
    /// So far, while it lasts.
    seconds: f64,
    blame: Blame,
    /// Null: not judged (yet).
    class: Option<Class>,
    checks: &'o [String],
    incident: Option<Uuid>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    first_vendor_post_at: Option<Timestamp>,
    /// Negative: the vendor told us first.
    acknowledgement_lag_seconds: Option<f64>,
    /// Of one outage that was asked for: the first and the last failing runs of each of its checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Vec<evidence::Shown<'o>>>,
}

fn row(judged: &Judged, now: Timestamp) -> OutageRow<'_> {
    let Judged { outage, post, class, .. } = judged;
    OutageRow {
        id: outage.id,
        vendor: outage.vendor.as_str(),
        started_at: outage.started_at,
        confirmed_at: outage.confirmed_at,
        ended_at: outage.ended_at,
        seconds: seconds_of(outage.duration(now)),
        blame: outage.blame,
        class: *class,
        checks: &outage.checks,
        incident: post.map(|post| post.incident),
        first_vendor_post_at: post.map(|post| post.posted_at),
        acknowledgement_lag_seconds: judged.lag_ms().map(seconds),
        evidence: None,
    }
}

pub fn outages(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let all = past.outages(Timestamp::from_millis(i64::MIN))?;
    let chosen = match &arguments.id {
        Some(id) => vec![find::by_id("outage", id, &all, |judged| judged.outage.id)?],
        None => chosen(&past, &all, arguments)?,
    };
    let text = match (arguments.wanted.output(), &arguments.id) {
        (Output::Csv, _) => spreadsheet(&chosen, past.now),
        (Output::Json, Some(_)) => {
            let seen: Vec<Vec<StoredEvidence>> =
                chosen.iter().map(|judged| evidence_of(&past, &judged.outage)).collect::<Result<_, _>>()?;
            let mut rows = Vec::new();
            for (judged, seen) in chosen.into_iter().zip(&seen) {
                rows.push(OutageRow { evidence: Some(seen.iter().map(evidence::Shown::of).collect()), ..row(judged, past.now) });
            }
            to_json(&Outages { schema: 1, outages: rows })
        }
        (Output::Json, None) => to_json(&Outages { schema: 1, outages: chosen.into_iter().map(|judged| row(judged, past.now)).collect() }),
        (Output::Text, Some(_)) => chosen.into_iter().map(|judged| detail(&past, judged, context.colour_out)).collect::<Result<_, _>>()?,
        (Output::Text, None) => list(&chosen, past.now, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn chosen<'o>(past: &Past, all: &'o [Judged], arguments: &Arguments) -> Result<Vec<&'o Judged>, Failure> {
    let vendor = arguments.vendor.as_ref().map(|id| find::vendor(past, id)).transpose()?;
    let since = arguments.since.map(|since| since.at(past.now));
    let newest = all.iter().filter(|Judged { outage, .. }| {
        vendor.is_none_or(|vendor| vendor.id == outage.vendor)
            && (!arguments.open || outage.ended_at.is_none())
            && since.is_none_or(|since| outage.ended_at.is_none_or(|ended| ended >= since))
    });
    Ok(newest.take(arguments.limit.unwrap_or(usize::MAX)).collect())
}

fn list(outages: &[&Judged], now: Timestamp, coloured: bool) -> String {
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

fn spreadsheet(outages: &[&Judged], now: Timestamp) -> String {
    let heads = [
        "id",
        "vendor",
        "started_at",
        "confirmed_at",
        "ended_at",
        "seconds",
        "blame",
        "class",
        "incident",
        "first_vendor_post_at",
        "acknowledgement_lag_seconds",
        "checks",
    ];
    let cells = |judged: &&Judged| {
        let Judged { outage, post, class, .. } = *judged;
        [
            outage.id.to_string(),
            outage.vendor.to_string(),
            outage.started_at.to_string(),
            outage.confirmed_at.to_string(),
            optional(outage.ended_at),
            seconds_of(outage.duration(now)).to_string(),
            outage.blame.as_str().to_owned(),
            optional(*class),
            optional(post.map(|post| post.incident)),
            optional(post.map(|post| post.posted_at)),
            optional(judged.lag_ms().map(seconds)),
            outage.checks.join(";"),
        ]
    };
    csv(heads, outages.iter().map(cells))
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
    text += &evidence::text(&evidence_of(past, outage)?);
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

/// Of the checks that the outage rests on, in its time.
fn evidence_of(past: &Past, outage: &Outage) -> Result<Vec<StoredEvidence>, StoreError> {
    let mut all = past.reader.evidence(&outage.vendor, outage.started_at, outage.ended_at.unwrap_or(past.now))?;
    all.retain(|one| outage.checks.contains(&one.check));
    Ok(all)
}
