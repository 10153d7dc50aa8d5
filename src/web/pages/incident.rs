//! `/incidents/{id}`: what a vendor declares, or announces: its clocks beside ours, everything it said, and what it changed
//! afterwards. `/incidents/2026-11` is the month.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

use super::lists::{IncidentRow, OutageRow};
use super::parts::When;
use super::{Frame, Place};
use crate::config::Config;
use crate::declared::archive::{Change, Kind};
use crate::model::{Stage, Timestamp, Uuid};
use crate::store::{IMPORTED, Judged, Past, StoredChange, StoredIncident};
use crate::web::api::Refusal;
use crate::web::server::Site;
use crate::web::visit::Visit;
use crate::web::zone::{Zone, lasting};
use crate::web::{shelf, zone};

#[derive(Template)]
#[template(path = "incident.html", whitespace = "minimize")]
struct IncidentPage {
    frame: Frame,
    row: IncidentRow,
    is_work: bool,
    link: Option<String>,
    source: String,
    source_id: String,
    ends: Option<When>,
    ends_is_inferred: bool,
    posted: Option<When>,
    first_seen: When,
    imported: bool,
    concerns: bool,
    measured: Vec<OutageRow>,
    failed: Option<When>,
    lag: Option<String>,
    events: Vec<Event>,
    changes: Vec<Version>,
}

/// Something that was said, or that we saw; newest first.
struct Event {
    at: Option<When>,
    order: Timestamp,
    /// `said`, or `seen`.
    class: &'static str,
    head: String,
    body: String,
    link: Option<String>,
}

/// What an edit changed.
struct Version {
    number: u32,
    seen: When,
    changes: Vec<ChangeRow>,
}

struct ChangeRow {
    field: String,
    before: String,
    after: String,
}

struct Stored {
    incident: StoredIncident,
    versions: Vec<StoredChange>,
    outages: Vec<Judged>,
}

pub async fn incident(State(site): State<Arc<Site>>, Path(id): Path<String>, request: Request) -> Response {
    if let Some(month) = zone::month(&id) {
        return super::incidents::month(site, month, request).await;
    }
    let visit = super::visit_of(&site, request).await;
    let config = site.config.load_full();
    match shelf::with_past(&site, move |past| stored(past, &id)).await {
        Ok(stored) => super::page(&visit, StatusCode::OK, &made(&visit, &site, &config, &stored)),
        Err(refusal) => super::refused(&visit, &site, &refusal),
    }
}

fn stored(past: &Past, id: &str) -> Result<Stored, Refusal> {
    let unknown = || Refusal::unknown(format!("there is no incident {id:?}"));
    let id = Uuid::parse_str(id).map_err(|_| unknown())?;
    let incident = past.reader.incident(id)?.ok_or_else(unknown)?;
    let about = |judged: &Judged| judged.post.is_some_and(|post| post.incident == id);
    Ok(Stored {
        versions: past.reader.versions(id)?,
        outages: past.outages(Timestamp::from_millis(i64::MIN))?.into_iter().filter(about).collect(),
        incident,
    })
}

fn made(visit: &Visit, site: &Site, config: &Config, stored: &Stored) -> IncidentPage {
    let (zone, now) = (&visit.zone, visit.now);
    let Stored { incident, versions, outages } = stored;
    let record = &incident.record;
    let when = |at| When::of(at, zone, now);
    let row = IncidentRow::of(incident, config, zone, now);
    // The list of outages is newest first: the earliest is the one that the vendor was measured by.
    let earliest = outages.last();
    IncidentPage {
        frame: Frame::new(visit, site, Place::Incidents, format!("{}: {}", row.name, row.title)),
        is_work: record.kind() == Kind::Maintenance,
        link: record.url().and_then(super::safe_link),
        source: if &*incident.source.name == IMPORTED { "a file".to_owned() } else { format!("status page {}", incident.source.name) },
        source_id: record.source_id().to_owned(),
        ends: record.ends_at().map(when),
        ends_is_inferred: incident.inferred_end,
        posted: record.updates().iter().filter_map(|update| update.at).min().map(|at| when(at.min(incident.first_seen_at))),
        first_seen: when(incident.first_seen_at),
        imported: incident.imported,
        concerns: incident.concerns,
        measured: outages.iter().map(|judged| OutageRow::of(judged, config, zone, now)).collect(),
        failed: earliest.map(|judged| when(judged.outage.started_at)),
        lag: earliest.and_then(|judged| lag(judged, &row.name)),
        events: events(stored, &row.name, zone, now),
        changes: versions.iter().filter(|version| !version.changes.is_empty()).map(|version| edit(version, zone, now)).collect(),
        row,
    }
}

/// `6 min, our checks first`
fn lag(judged: &Judged, name: &str) -> Option<String> {
    let lag = judged.lag_ms()?;
    let apart = lasting(Duration::from_millis(lag.unsigned_abs()));
    Some(if lag < 0 { format!("-{apart}: {name} said it first") } else { format!("{apart}: our checks saw it first") })
}

fn events(stored: &Stored, name: &str, zone: &Zone, now: Timestamp) -> Vec<Event> {
    let when = |at: Option<Timestamp>| at.map(|at| When::of(at, zone, now));
    let updates = stored.incident.record.updates().iter().map(|update| Event {
        at: when(update.at),
        order: update.at.unwrap_or(stored.incident.first_seen_at),
        class: "said",
        head: format!("{name}: {}", update.stage.map_or("update".to_owned(), |stage: Stage| stage.as_str().replace('_', " "))),
        body: update.body.clone(),
        link: None,
    });
    let ours = |judged: &Judged| {
        let outage = &judged.outage;
        let event = |at, head: String| Event {
            at: when(Some(at)),
            order: at,
            class: "seen",
            head,
            body: String::new(),
            link: Some(outage.id.to_string()),
        };
        let began = event(outage.started_at, format!("We measured the first failure: {}", outage.checks.join(", ")));
        let confirmed = event(outage.confirmed_at, "Our outage was confirmed".to_owned());
        let ended = outage.ended_at.map(|at| event(at, format!("Our checks recovered, after {}", lasting(outage.duration(now)))));
        [Some(began), Some(confirmed), ended].into_iter().flatten()
    };
    let mut events: Vec<Event> = updates.chain(stored.outages.iter().flat_map(ours)).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.order));
    events
}

fn edit(version: &StoredChange, zone: &Zone, now: Timestamp) -> Version {
    let row = |change: &Change| ChangeRow {
        field: change.field.replace('_', " "),
        before: shown(&change.before, zone),
        after: shown(&change.after, zone),
    };
    Version { number: version.number, seen: When::of(version.observed_at, zone, now), changes: version.changes.iter().map(row).collect() }
}

/// A value as a person reads it: instants in the zone of the page, updates by their text.
fn shown(value: &Value, zone: &Zone) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_i64().map_or(number.to_string(), |ms| zone.second(Timestamp::from_millis(ms))),
        Value::Object(update) if update.contains_key("body") => update["body"].as_str().unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}
