//! `/incidents`: what vendors declare, newest first, and beside it what we saw and they never said. `/incidents/2026-11` is a
//! month of it, for ever.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;

use super::lists::{IncidentRow, OutageRow};
use super::{Frame, Place};
use crate::config::Config;
use crate::declared::archive::Kind;
use crate::incidents::correlate::Class;
use crate::model::Timestamp;
use crate::store::{Judged, Past, StoredIncident};
use crate::web::api::{self, Refusal};
use crate::web::server::Site;
use crate::web::shelf;
use crate::web::visit::Visit;
use crate::web::zone::{Zone, month_link, month_name};

/// Rows of the newest, on the page without a month.
const ROWS_MAX: usize = 200;

#[derive(Template)]
#[template(path = "incidents.html", whitespace = "minimize")]
struct IncidentsPage {
    frame: Frame,
    headline: String,
    month: Option<String>,
    vendors: Vec<Choice>,
    shows_all: bool,
    only_open: bool,
    groups: Vec<Group>,
    silent: Vec<OutageRow>,
    more: usize,
    csv: String,
    earlier: Option<Link>,
    later: Option<Link>,
}

struct Choice {
    id: String,
    name: String,
    is_on: bool,
}

struct Link {
    name: String,
    path: String,
}

struct Group {
    name: String,
    path: String,
    rows: Vec<IncidentRow>,
}

/// What is asked for.
#[derive(Clone)]
struct Asked {
    vendor: Option<String>,
    all: bool,
    open: bool,
    month: Option<Date>,
}

struct Stored {
    incidents: Vec<StoredIncident>,
    silent: Vec<Judged>,
}

pub async fn incidents(State(site): State<Arc<Site>>, request: Request) -> Response {
    shown(site, None, request).await
}

pub async fn month(site: Arc<Site>, month: Date, request: Request) -> Response {
    shown(site, Some(month), request).await
}

async fn shown(site: Arc<Site>, month: Option<Date>, request: Request) -> Response {
    let visit = super::visit_of(&site, request).await;
    let config = site.config.load_full();
    let is_on = |key: &str| visit.query.get(key).is_some_and(|value| value != "0" && value != "false");
    let asked = Asked { vendor: visit.query.get("vendor").map(str::to_owned), all: is_on("all"), open: is_on("open"), month };
    let (wanted, zone) = (asked.clone(), visit.zone.clone());
    match shelf::with_past(&site, move |past| stored(past, &wanted, &zone)).await {
        Ok(stored) => super::page(&visit, StatusCode::OK, &made(&visit, &site, &config, &asked, &stored)),
        Err(refusal) => super::refused(&visit, &site, &refusal),
    }
}

fn stored(past: &Past, asked: &Asked, zone: &Zone) -> Result<Stored, Refusal> {
    let listed = api::incidents::Asked { vendor: asked.vendor.clone(), all: asked.all, open: asked.open, ..Default::default() };
    let mut incidents = api::incidents::chosen(past, Kind::Incident, &listed)?;
    let vendor = |judged: &Judged| asked.vendor.as_ref().is_none_or(|id| judged.outage.vendor.as_str() == id);
    let is_silent = |judged: &Judged| judged.class == Some(Class::Silent) && vendor(judged) && !asked.open;
    let mut silent: Vec<Judged> = past.outages(Timestamp::from_millis(i64::MIN))?.into_iter().filter(is_silent).collect();
    if let Some((from, to)) = asked.month.map(|month| zone.month(month)) {
        let inside = |at: Timestamp| from <= at && at < to;
        incidents.retain(|i| inside(i.record.starts_at().unwrap_or(i.first_seen_at)));
        silent.retain(|judged| inside(judged.outage.started_at));
    }
    Ok(Stored { incidents, silent })
}

fn made(visit: &Visit, site: &Site, config: &Config, asked: &Asked, stored: &Stored) -> IncidentsPage {
    let limit = if asked.month.is_some() { usize::MAX } else { ROWS_MAX };
    let headline = match asked.month {
        Some(month) => format!("Incidents, {}", month_name(month)),
        None => "Incidents".to_owned(),
    };
    let choice = |vendor: &crate::config::Vendor| Choice {
        id: vendor.id.to_string(),
        name: vendor.name.clone(),
        is_on: asked.vendor.as_deref() == Some(vendor.id.as_str()),
    };
    let link = |date: Date| Link { name: month_name(date), path: month_link(date) };
    let neighbour = |months: i64| asked.month.and_then(|month| month.checked_add(jiff::Span::new().months(months)).ok()).map(link);
    IncidentsPage {
        frame: Frame::new(visit, site, Place::Incidents, headline.clone()),
        headline,
        month: asked.month.map(month_name),
        vendors: config.vendors.iter().map(choice).collect(),
        shows_all: asked.all,
        only_open: asked.open,
        groups: groups(&stored.incidents, limit, config, visit),
        silent: stored.silent.iter().take(limit).map(|judged| OutageRow::of(judged, config, &visit.zone, visit.now)).collect(),
        more: stored.incidents.len().saturating_sub(limit),
        csv: csv_link(asked),
        earlier: neighbour(-1),
        later: neighbour(1),
    }
}

fn csv_link(asked: &Asked) -> String {
    let mut query = url::form_urlencoded::Serializer::new("format=csv".to_owned());
    query.extend_pairs(asked.vendor.as_ref().map(|vendor| ("vendor", vendor.as_str())));
    query.extend_pairs(asked.all.then_some(("all", "true")));
    query.extend_pairs(asked.open.then_some(("open", "true")));
    format!("/api/v1/incidents?{}", query.finish())
}

/// By the month of their beginning, in the zone of the page.
fn groups(incidents: &[StoredIncident], limit: usize, config: &Config, visit: &Visit) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for incident in incidents.iter().take(limit) {
        let date = visit.zone.date(incident.record.starts_at().unwrap_or(incident.first_seen_at));
        let (name, path) = (month_name(date), month_link(date));
        let row = IncidentRow::of(incident, config, &visit.zone, visit.now);
        match groups.last_mut() {
            Some(group) if group.path == path => group.rows.push(row),
            _ => groups.push(Group { name, path, rows: vec![row] }),
        }
    }
    groups
}
