//! `outages`: what we measured as down, newest first, or one with what was seen in it.

use serde::Serialize;

use super::csv::{csv as table, optional};
use super::evidence::Shown;
use super::words::{seconds, seconds_of};
use super::{Refusal, find, to_json};
use crate::incidents::correlate::Class;
use crate::model::{Blame, Outage, Timestamp, Uuid, time::rfc3339};
use crate::store::{Judged, Past, StoreError, StoredEvidence};

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
    /// Another monitor saw it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    imported: bool,
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
    evidence: Option<Vec<Shown<'o>>>,
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
        imported: outage.is_imported(),
        class: *class,
        checks: &outage.checks,
        incident: post.map(|post| post.incident),
        first_vendor_post_at: post.map(|post| post.posted_at),
        acknowledgement_lag_seconds: judged.lag_ms().map(seconds),
        evidence: None,
    }
}

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    /// One, and nothing else of this.
    pub id: Option<String>,
    pub since: Option<Timestamp>,
    pub open: bool,
    pub vendor: Option<String>,
    pub offset: usize,
    pub limit: Option<usize>,
}

pub fn chosen(past: &Past, asked: &Asked) -> Result<Vec<Judged>, Refusal> {
    let all = past.outages(Timestamp::from_millis(i64::MIN))?;
    if let Some(id) = &asked.id {
        return Ok(vec![find::by_id("outage", id, &all, |judged| judged.outage.id)?.clone()]);
    }
    let vendor = asked.vendor.as_ref().map(|id| find::vendor(past, id)).transpose()?;
    let newest = all.into_iter().filter(|Judged { outage, .. }| {
        vendor.is_none_or(|vendor| vendor.id == outage.vendor)
            && (!asked.open || outage.ended_at.is_none())
            && asked.since.is_none_or(|since| outage.ended_at.is_none_or(|ended| ended >= since))
    });
    Ok(newest.skip(asked.offset).take(asked.limit.unwrap_or(usize::MAX)).collect())
}

pub fn json(past: &Past, chosen: &[Judged], asked: &Asked) -> Result<String, StoreError> {
    let seen: Vec<Vec<StoredEvidence>> = match asked.id {
        Some(_) => chosen.iter().map(|judged| evidence_of(past, &judged.outage)).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let evidence = |nth: usize| seen.get(nth).map(|seen| seen.iter().map(Shown::of).collect());
    let rows = chosen.iter().enumerate().map(|(nth, judged)| OutageRow { evidence: evidence(nth), ..row(judged, past.now) });
    Ok(to_json(&Outages { schema: 1, outages: rows.collect() }))
}

pub fn csv(past: &Past, outages: &[Judged]) -> String {
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
    let cells = |judged: &Judged| {
        let Judged { outage, post, class, .. } = judged;
        [
            outage.id.to_string(),
            outage.vendor.to_string(),
            outage.started_at.to_string(),
            outage.confirmed_at.to_string(),
            optional(outage.ended_at),
            seconds_of(outage.duration(past.now)).to_string(),
            outage.blame.as_str().to_owned(),
            optional(*class),
            optional(post.map(|post| post.incident)),
            optional(post.map(|post| post.posted_at)),
            optional(judged.lag_ms().map(seconds)),
            outage.checks.join(";"),
        ]
    };
    table(heads, outages.iter().map(cells))
}

/// Of the checks that the outage rests on, in its time.
pub fn evidence_of(past: &Past, outage: &Outage) -> Result<Vec<StoredEvidence>, StoreError> {
    let mut all = past.reader.evidence(&outage.vendor, outage.started_at, outage.ended_at.unwrap_or(past.now))?;
    all.retain(|one| outage.checks.contains(&one.check));
    Ok(all)
}
