//! `/outages/{id}`: one thing that we measured, with what was seen in it and what the vendor said of it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::lists::{OutageRow, name_of};
use super::parts::When;
use super::{Frame, Place};
use crate::model::{Segment, Uuid};
use crate::store::{Judged, Past, StoredEvidence};
use crate::uptime::clip;
use crate::web::api::{self, Refusal};
use crate::web::look::Look;
use crate::web::server::Site;
use crate::web::shelf;
use crate::web::zone::{Zone, lasting};

#[derive(Template)]
#[template(path = "outage.html", whitespace = "minimize")]
struct OutagePage {
    frame: Frame,
    row: OutageRow,
    confirmed: When,
    ended: Option<When>,
    posted: Option<When>,
    segments: Vec<SegmentRow>,
    evidence: Vec<EvidenceRow>,
}

struct SegmentRow {
    check: String,
    from: When,
    lasted: String,
    look: Look,
    reason: &'static str,
}

/// A failing run. Its texts are the vendor's.
struct EvidenceRow {
    check: String,
    at: When,
    nth: u32,
    reason: &'static str,
    message: String,
    said: String,
}

struct Stored {
    judged: Judged,
    segments: Vec<(String, Segment)>,
    evidence: Vec<StoredEvidence>,
}

pub async fn outage(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Response {
    let visit = super::visit_of(&site, request).await;
    let config = site.config.load_full();
    let stored = match shelf::with_past(&site, move |past| stored(past, &id)).await {
        Ok(stored) => stored,
        Err(refusal) => return super::refused(&visit, &site, &refusal),
    };
    let (zone, now, outage) = (&visit.zone, visit.now, &stored.judged.outage);
    let when = |at| When::of(at, zone, now);
    let title = format!("Outage of {}", name_of(&outage.vendor, &config));
    let page = OutagePage {
        frame: Frame::new(&visit, &site, Place::Incidents, title),
        row: OutageRow::of(&stored.judged, &config, zone, now),
        confirmed: when(outage.confirmed_at),
        ended: outage.ended_at.map(when),
        posted: stored.judged.post.map(|post| when(post.posted_at)),
        segments: stored.segments.iter().map(|(check, segment)| segment_row(check, segment, zone, now)).collect(),
        evidence: stored.evidence.iter().map(|seen| evidence_row(seen, zone, now)).collect(),
    };
    super::page(&visit, StatusCode::OK, &page)
}

fn stored(past: &Past, id: &str) -> Result<Stored, Refusal> {
    Uuid::parse_str(id).map_err(|_| Refusal::unknown(format!("there is no outage {id:?}")))?;
    let mut chosen = api::outages::chosen(past, &api::outages::Asked { id: Some(id.to_owned()), ..Default::default() })?;
    let judged = chosen.pop().ok_or_else(|| Refusal::unknown(format!("there is no outage {id:?}")))?;
    let outage = &judged.outage;
    let mut segments = Vec::new();
    for check in &outage.checks {
        let timeline = past.check_timeline(&outage.vendor, check)?;
        let inside = clip(&timeline, outage.started_at, outage.ended_at.unwrap_or(past.now));
        segments.extend(inside.into_iter().map(|segment| (check.clone(), segment)));
    }
    Ok(Stored { evidence: api::outages::evidence_of(past, outage)?, segments, judged })
}

fn segment_row(check: &str, segment: &Segment, zone: &Zone, now: crate::model::Timestamp) -> SegmentRow {
    SegmentRow {
        check: check.to_owned(),
        from: When::of(segment.from, zone, now),
        lasted: lasting(segment.to.since(segment.from)),
        look: Look::measured(segment.state),
        reason: segment.reason.as_str(),
    }
}

fn evidence_row(evidence: &StoredEvidence, zone: &Zone, now: crate::model::Timestamp) -> EvidenceRow {
    let seen = &evidence.seen;
    let marked = |mark: &str, text: &str| text.lines().map(|line| format!("{mark} {line}\n")).collect::<String>();
    EvidenceRow {
        check: evidence.check.clone(),
        at: When::of(evidence.at, zone, now),
        nth: evidence.nth,
        reason: evidence.reason.as_str(),
        message: seen.message.clone(),
        said: marked(">", &seen.request) + &marked("<", &seen.response) + &marked("|", &seen.body),
    }
}
