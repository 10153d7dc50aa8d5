//! `/vendors/{id}`: what it declares and what we measure, now and over time, and what to type to know more.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Request, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;

use super::lists::{IncidentRow, OutageRow};
use super::parts::{self, When};
use super::{Frame, Place};
use crate::config::{Config, Vendor};
use crate::declared::Selection;
use crate::declared::archive::Kind;
use crate::model::page::Component;
use crate::model::{Phases, Timestamp, VendorId};
use crate::store::{Judged, Latency, Layer, Past, StoredIncident, StoredSource};
use crate::uptime::{Availability, Round, Tally, availability, clip, percent};
use crate::web::api::{self, Refusal};
use crate::web::bars::{self, Day};
use crate::web::board::{CheckFigures, PageFigures, VendorFigures};
use crate::web::chart::{Chart, Facts, RANGES, Range, first, milliseconds};
use crate::web::history::{self, Happened, Stretch};
use crate::web::look::{Lane, Look, word};
use crate::web::server::Site;
use crate::web::shelf;
use crate::web::visit::Visit;
use crate::web::zone::{Zone, lasting, long_date};

/// Panels of latency on one page, and rows of each list; the API has all of them.
const PANELS_MAX: usize = 8;
const ROWS_MAX: usize = 50;

#[derive(Template)]
#[template(path = "vendor.html", whitespace = "minimize")]
struct VendorPage {
    frame: Frame,
    id: String,
    name: String,
    look: Look,
    why: String,
    since: Option<When>,
    order: Option<String>,
    tier: u8,
    category: String,
    website: Option<String>,
    figures: Vec<Figure>,
    checks: Vec<CheckRow>,
    sources: Vec<SourceRow>,
    ranges: Vec<RangeLink>,
    range_words: &'static str,
    chart: Chart,
    days: Vec<DayRow>,
    outages: Vec<OutageRow>,
    outages_more: usize,
    incidents: Vec<IncidentRow>,
    incidents_more: usize,
    observed: Option<String>,
    work: Vec<IncidentRow>,
    commands: Vec<Command>,
}

/// A number at the head of the page, with what it stands for.
struct Figure {
    name: String,
    value: String,
    note: String,
}

struct CheckRow {
    name: String,
    kind: &'static str,
    look: Look,
    reason: String,
    is_suspect: bool,
    message: String,
    took: Option<String>,
    phases: Vec<Phase>,
    seen: Option<When>,
    ends: Option<When>,
    ends_soon: bool,
    every: String,
}

/// A part of the bar of phases.
struct Phase {
    name: &'static str,
    took: String,
    x: String,
    w: String,
}

struct SourceRow {
    name: String,
    format: String,
    look: Look,
    read: Option<When>,
    problem: Option<String>,
    link: Option<String>,
    ours: Vec<ComponentRow>,
    others: Vec<ComponentRow>,
    is_filtered: bool,
}

struct ComponentRow {
    name: String,
    look: Look,
}

/// A day on which something was out of the ordinary.
struct DayRow {
    when: String,
    declared: Option<(Look, String)>,
    measured: Option<(Look, String)>,
    observed: String,
    incidents: Vec<(String, String)>,
}

struct RangeLink {
    name: &'static str,
    link: String,
    is_on: bool,
}

struct Command {
    text: String,
    does: &'static str,
}

/// What the store has of a vendor.
struct Stored {
    measured: Vec<Stretch>,
    declared: Vec<Stretch>,
    work: Vec<Layer>,
    latency: Vec<(String, Vec<Latency>)>,
    outages: Vec<Judged>,
    incidents: Vec<StoredIncident>,
    announced: Vec<StoredIncident>,
    sources: Vec<StoredSource>,
    /// Availability over each range.
    figures: Vec<(Range, Option<Availability>)>,
    /// Since when it is watched.
    since: Option<Timestamp>,
    now: Timestamp,
}

pub async fn vendor(Shared(site): Shared<Arc<Site>>, Path(id): Path<String>, request: Request) -> Response {
    let visit = super::visit_of(&site, request).await;
    let config = site.config.load_full();
    let Some(vendor) = config.vendors.iter().find(|vendor| vendor.id.as_str() == id) else {
        let known = config.vendors.iter().map(|vendor| vendor.id.as_str());
        return super::refused(&visit, &site, &api::find::unknown("vendor", &id, known));
    };
    let range = visit.query.get("range").and_then(Range::parse).unwrap_or(RANGES[2]);
    let wanted = vendor.id.clone();
    match shelf::with_past(&site, move |past| facts(past, &wanted, range)).await {
        Ok(facts) => shown(&visit, &site, &config, vendor, range, &facts),
        Err(refusal) => super::refused(&visit, &site, &refusal),
    }
}

fn shown(visit: &Visit, site: &Arc<Site>, config: &Config, vendor: &Vendor, range: Range, facts: &Stored) -> Response {
    let figures = site.board.vendor(&vendor.id);
    let page = match &figures {
        Some(figures) => made(visit, site, config, vendor, figures, range, facts),
        None => return super::refused(visit, site, &Refusal::busy("this vendor is being taken in").hint("ask again in a second")),
    };
    super::page(visit, StatusCode::OK, &page)
}

fn facts(past: &Past, vendor: &VendorId, range: Range) -> Result<Stored, Refusal> {
    let now = past.now;
    let longest = RANGES[RANGES.len() - 1].length;
    let from = now - range.length;
    let timeline = past.vendor_timeline_since(vendor, now - longest)?;
    let over = |range: &Range| {
        let window = clip(&timeline, now - range.length, now);
        (*range, availability(&Tally::of(&window), api::uptime::DEGRADED_WEIGHT))
    };
    let declared = declared(past, vendor, from)?;
    let own = |i: &StoredIncident| i.source.vendor == *vendor;
    let asked = api::incidents::Asked { vendor: Some(vendor.to_string()), ..Default::default() };
    let incidents = api::incidents::chosen(past, Kind::Incident, &asked)?;
    let announced = past.reader.open_incidents()?.into_iter().filter(|i| own(i) && i.record.kind() == Kind::Maintenance).collect();
    let outages = past.outages(Timestamp::from_millis(i64::MIN))?.into_iter().filter(|judged| judged.outage.vendor == *vendor);
    Ok(Stored {
        measured: history::measured(&clip(&timeline, from, now)),
        declared,
        work: past.reader.layers(vendor, None, from, now)?.into_iter().filter(|l| l.kind.starts_with("maintenance")).collect(),
        latency: latency(past, vendor, range)?,
        outages: outages.collect(),
        incidents,
        announced,
        sources: past.reader.sources()?.into_iter().filter(|source| source.id.vendor == *vendor).collect(),
        figures: RANGES.iter().map(over).collect(),
        since: past.checks_of(vendor).filter_map(|check| check.state.first_at).min(),
        now,
    })
}

fn declared(past: &Past, vendor: &VendorId, from: Timestamp) -> Result<Vec<Stretch>, Refusal> {
    let incidents: Vec<Happened> = past.reader.incidents_since(vendor, from)?.into_iter().map(Happened::from).collect();
    let changes = past.reader.declared_since(vendor, from)?;
    let has_page = !changes.is_empty() || !incidents.is_empty();
    Ok(if has_page { history::declared(&changes, &incidents, from, past.now) } else { Vec::new() })
}

fn latency(past: &Past, vendor: &VendorId, range: Range) -> Result<Vec<(String, Vec<Latency>)>, Refusal> {
    let step = crate::model::time::millis(range.step);
    // Whole steps of UTC: days whose single results are gone are known as a whole.
    let from = (past.now - range.length).as_millis();
    let from = Timestamp::from_millis(from - from.rem_euclid(step));
    let mut panels = Vec::new();
    for check in past.current_checks(vendor).filter(|check| check.terms.enabled).take(PANELS_MAX) {
        panels.push((check.id.name.to_string(), past.reader.latency(check.key, from, past.now, range.step)?));
    }
    Ok(panels)
}

fn made(visit: &Visit, site: &Site, config: &Config, vendor: &Vendor, figures: &VendorFigures, range: Range, facts: &Stored) -> VendorPage {
    let (zone, now) = (&visit.zone, visit.now);
    let status = figures.status(now);
    let link = |one: &Range| RangeLink { name: one.name, link: visit.link("range", one.name) + "#history", is_on: *one == range };
    let row = |i: &StoredIncident| IncidentRow::of(i, config, zone, now);
    VendorPage {
        frame: Frame::new(visit, site, Place::Elsewhere, format!("{}: {}", vendor.name, Look::of(status).word)),
        id: vendor.id.to_string(),
        name: vendor.name.clone(),
        look: Look::of(status),
        why: parts::why(figures, now),
        since: parts::since(figures, now).map(|at| When::of(at, zone, now)),
        order: facts.outages.iter().find(|judged| judged.outage.ended_at.is_none()).and_then(|judged| spoken(judged, &vendor.name, now)),
        tier: vendor.tier,
        category: vendor.category.clone(),
        website: super::safe_link(&vendor.website),
        figures: head(facts, vendor),
        checks: figures.checks.iter().map(|check| check_row(check, zone, now)).collect(),
        sources: figures.pages.iter().map(|page| source_row(page, vendor, facts, zone, now)).collect(),
        ranges: RANGES.iter().map(link).collect(),
        range_words: range.words,
        chart: Chart::of(&Facts {
            range,
            now: facts.now,
            zone,
            declared: &facts.declared,
            measured: &facts.measured,
            work: &facts.work,
            outages: &facts.outages,
            latency: &facts.latency,
            name: &vendor.name,
        }),
        days: days(site, &vendor.id, visit),
        outages: facts.outages.iter().take(ROWS_MAX).map(|judged| OutageRow::of(judged, config, zone, now)).collect(),
        outages_more: facts.outages.len().saturating_sub(ROWS_MAX),
        incidents: facts.incidents.iter().take(ROWS_MAX).map(row).collect(),
        incidents_more: facts.incidents.len().saturating_sub(ROWS_MAX),
        observed: observed(facts),
        work: facts.announced.iter().map(row).collect(),
        commands: commands(vendor),
    }
}

/// The days of the bars that are worth a look, newest first.
fn days(site: &Site, vendor: &VendorId, visit: &Visit) -> Vec<DayRow> {
    let Some(history) = site.board.history(vendor) else { return Vec::new() };
    let lane = |day: &Day, lane: Lane| {
        let status = day.status(lane)?;
        Some((Look { word: word(status, lane), ..Look::of(status) }, day.said(lane)?))
    };
    let row = |day: &Day| DayRow {
        when: long_date(day.date),
        declared: lane(day, Lane::Declared),
        measured: lane(day, Lane::Measured),
        observed: day.observed().map_or("-".to_owned(), |percent| format!("{percent} %")),
        incidents: day.incidents.iter().map(|incident| (incident.id.to_string(), incident.title.to_string())).collect(),
    };
    bars::days(&history, &visit.zone, visit.now).iter().rev().filter(|day| !day.is_calm()).map(row).collect()
}

/// `90 days, observed 99.8 % of the time`
fn observed(facts: &Stored) -> Option<String> {
    let (range, a) = facts.figures.last()?;
    let watched = facts.now.since(facts.since?).min(range.length);
    let span = if watched < range.length { lasting(watched) } else { range.words.to_owned() };
    Some(format!("{span}, observed {} of the time", percent(a.as_ref()?.coverage, 1, Round::Down)))
}

fn spoken(judged: &Judged, name: &str, now: Timestamp) -> Option<String> {
    let silent = || judged.has_page.then(|| format!("{name} has not posted after {}", lasting(judged.outage.duration(now))));
    first(judged, name).or_else(silent).map(|said| parts::capital(&said))
}

/// Availability over each range, and how late the vendor speaks.
fn head(facts: &Stored, vendor: &Vendor) -> Vec<Figure> {
    let figure = |(range, a): &(Range, Option<Availability>)| Figure {
        name: format!("Uptime {}", range.words),
        value: a.as_ref().map_or("-".to_owned(), |a| percent(a.point, 2, Round::Down)),
        note: match (a, facts.since.map(|since| facts.now.since(since))) {
            (None, _) => "no data".to_owned(),
            // A figure of ninety days that was made of one says so.
            (Some(_), Some(watched)) if watched < range.length / 100 * 99 => format!("watched for {}", lasting(watched)),
            (Some(a), _) => bounds(a),
        },
    };
    let mut all: Vec<Figure> = facts.figures.iter().map(figure).collect();
    let spoken = facts.outages.iter().find(|judged| judged.post.is_some());
    all.push(Figure {
        name: "Acknowledgement lag".to_owned(),
        value: spoken.and_then(Judged::lag_ms).map_or("-".to_owned(), |lag| {
            let apart = lasting(std::time::Duration::from_millis(lag.unsigned_abs()));
            if lag < 0 { format!("-{apart}") } else { apart }
        }),
        note: spoken
            .and_then(|judged| first(judged, &vendor.name))
            .map_or_else(|| "no outage that it spoke of".to_owned(), |said| parts::capital(&said)),
    });
    all
}

/// `99.13 to 99.94 %, seen 99.2 %`; nothing to add where everything was seen.
fn bounds(a: &Availability) -> String {
    let seen = percent(a.coverage, 1, Round::Down);
    if a.low == a.high {
        return format!("seen {seen} of the time");
    }
    let low = percent(a.low, 2, Round::Down);
    format!("{} to {}, seen {seen}", low.trim_end_matches(" %"), percent(a.high, 2, Round::Up)).replace(" %", "\u{a0}%")
}

fn check_row(check: &CheckFigures, zone: &Zone, now: Timestamp) -> CheckRow {
    const SOON: std::time::Duration = std::time::Duration::from_secs(14 * 86_400);
    let last = check.state.last;
    CheckRow {
        name: check.name.to_string(),
        kind: check.kind,
        look: Look::measured(check.state.state_at(now)),
        reason: parts::reason(check, now).map_or("not looked at yet".to_owned(), |reason| reason.as_str().to_owned()),
        is_suspect: check.suspect && check.state.state_at(now) != crate::model::State::Unknown,
        message: check.message.to_string(),
        took: last.map(|last| milliseconds(last.duration)),
        phases: phases(&check.phases),
        seen: last.map(|last| When::of(last.at, zone, now)),
        ends: check.not_after.map(|at| When::of(at, zone, now)),
        ends_soon: check.not_after.is_some_and(|at| at < now + SOON),
        every: lasting(check.interval),
    }
}

/// Of a bar that is 100 wide.
fn phases(phases: &Phases) -> Vec<Phase> {
    let reached: Vec<(&'static str, u32)> =
        Phases::NAMES.into_iter().zip(phases.values()).filter_map(|(name, micros)| Some((name, micros?))).collect();
    let total = reached.iter().map(|(_, micros)| f64::from(*micros)).sum::<f64>().max(1.0);
    let mut x = 0.0;
    let phase = |(name, micros): &(&'static str, u32)| {
        let wide = f64::from(*micros) * 100.0 / total;
        let phase = Phase {
            name,
            took: milliseconds(std::time::Duration::from_micros(u64::from(*micros))),
            x: format!("{x:.2}"),
            w: format!("{wide:.2}"),
        };
        x += wide;
        phase
    };
    reached.iter().map(phase).collect()
}

fn source_row(page: &PageFigures, vendor: &Vendor, facts: &Stored, zone: &Zone, now: Timestamp) -> SourceRow {
    let configured = vendor.status_pages.iter().find(|one| one.name == *page.source);
    let stored = facts.sources.iter().find(|source| source.id.name == page.source);
    let state = stored.and_then(|source| source.state.as_ref());
    let selection = configured.map(|one| Selection::new(&one.components, &one.groups, &one.regions)).unwrap_or_default();
    let believed = page.reads.is_believed(now);
    let listed = state.and_then(|state| state.components.as_deref()).unwrap_or_default();
    let (ours, others): (Vec<&Component>, Vec<&Component>) = listed.iter().partition(|component| selection.takes(component));
    let rows = |components: Vec<&Component>| components.into_iter().map(|component| component_row(component, believed)).collect();
    SourceRow {
        name: page.source.to_string(),
        format: state.map_or("not known yet", |state| &state.format).to_owned(),
        look: Look::of(page.status(now)),
        read: page.reads.last_success_at.map(|at| When::of(at, zone, now)),
        problem: page.reads.problem.clone(),
        link: configured.and_then(|one| super::safe_link(&api::config::public(&one.url))),
        ours: rows(ours),
        others: rows(others),
        is_filtered: !selection.is_all(),
    }
}

/// What was read too long ago says nothing.
fn component_row(component: &Component, believed: bool) -> ComponentRow {
    let status = if believed { component.status } else { crate::model::Status::Unknown };
    let name = component.group.as_ref().map_or(component.name.clone(), |group| format!("{group} / {}", component.name));
    ComponentRow { name, look: Look::of(status) }
}

fn commands(vendor: &Vendor) -> Vec<Command> {
    let id = &vendor.id;
    let check = vendor.checks.iter().find(|check| check.probe.mailbox().is_none());
    let mut commands: Vec<Command> = Vec::new();
    commands.extend(check.map(|check| Command { text: format!("vendord probe {}", check.id), does: "look now, and explain" }));
    commands.push(Command { text: format!("vendord explain {id}"), does: "the chain of evidence" });
    commands.push(Command { text: format!("vendord uptime {id} --window 30d --explain"), does: "every interval of the figure" });
    commands.push(Command { text: format!("vendord outages --vendor {id}"), does: "what we measured" });
    commands.push(Command { text: format!("vendord incidents --vendor {id} --all"), does: "what it declared" });
    commands
}
