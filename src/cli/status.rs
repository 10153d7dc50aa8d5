//! `vendord status`: how the vendors are now, by what our checks saw and by what their pages say, side by side.

use std::path::Path;

use clap::Args;
use serde::Serialize;

use super::table::Table;
use super::words::{clock_time, count, lasting, tame};
use super::{Answer, Context, Exit, Failure, find, to_json};
use crate::declared::SourceCondition;
use crate::declared::archive::Kind;
use crate::model::{SegmentReason, State, Status, Timestamp, Uuid, time::rfc3339};
use crate::store::{Past, StoredCheck, StoredIncident, StoredSource, StoredVendor, since};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord status --problems")]
pub struct Arguments {
    /// Only these [default: all]
    #[arg(value_name = "VENDOR")]
    vendors: Vec<String>,
    /// Only vendors that are not up, or do not declare to be operational
    #[arg(long)]
    problems: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Fleet {
    schema: u32,
    vendors: Vec<VendorStatus>,
}

#[derive(Serialize)]
pub struct VendorStatus {
    pub vendor: String,
    name: String,
    tier: u8,
    pub measured: Option<State>,
    pub declared: Option<Status>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    pub since: Option<Timestamp>,
    checks: Vec<CheckStatus>,
    pub sources: Vec<SourceStatus>,
    open_outage: Option<Uuid>,
    open_incidents: Vec<Uuid>,
}

#[derive(Serialize)]
pub struct CheckStatus {
    check: String,
    kind: String,
    state: State,
    reason: Option<SegmentReason>,
    suspect: bool,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    last_run_at: Option<Timestamp>,
    duration_seconds: Option<f64>,
}

#[derive(Serialize)]
pub struct SourceStatus {
    pub source: String,
    pub format: String,
    pub state: SourceCondition,
    /// The page's own verdict about everything on it.
    pub overall: Option<Status>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    pub last_success_at: Option<Timestamp>,
    /// Why the last read failed.
    pub problem: Option<String>,
}

impl VendorStatus {
    pub fn has_problem(&self) -> bool {
        let declared = |status| !matches!(status, Status::Operational | Status::Maintenance);
        self.measured.is_some_and(|state| state != State::Up) || self.declared.is_some_and(declared)
    }
}

pub fn status(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    show(&context.store_path()?, context.colour_out, arguments)
}

/// All of it, as `run --once` ends.
pub fn of_all(path: &Path, coloured: bool) -> Result<Answer, Failure> {
    show(path, coloured, &Arguments { vendors: Vec::new(), problems: false, json: false })
}

fn show(path: &Path, coloured: bool, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(path)?;
    let chosen = chosen(&past, &arguments.vendors)?;
    let latest = past.reader.latest_outages("")?;
    let open = |vendor: &StoredVendor| latest.get(&vendor.id).filter(|outage| outage.ended_at.is_none()).map(|outage| outage.id);
    let pages = Pages { sources: past.reader.sources()?, open: past.reader.open_incidents()? };
    let rows = chosen.into_iter().map(|vendor| of_vendor(&past, vendor, open(vendor), &pages));
    let mut vendors = rows.collect::<Result<Vec<_>, Failure>>()?;
    let exit = Exit::finding_if(vendors.iter().any(VendorStatus::has_problem));
    if arguments.problems {
        vendors.retain(VendorStatus::has_problem);
    }
    let text = match arguments.json {
        true => to_json(&Fleet { schema: 1, vendors }),
        false => text(&vendors, past.now, coloured, arguments),
    };
    Ok(Answer { text, exit })
}

/// One vendor, with the incidents that its pages have open.
pub fn with_incidents(past: &Past, vendor: &StoredVendor) -> Result<(VendorStatus, Vec<StoredIncident>), Failure> {
    let outage = past.reader.latest_outages("")?.remove(&vendor.id).filter(|outage| outage.ended_at.is_none());
    let pages = Pages { sources: past.reader.sources()?, open: past.reader.open_incidents()? };
    let status = of_vendor(past, vendor, outage.map(|outage| outage.id), &pages)?;
    let own = |i: &StoredIncident| i.source.vendor == vendor.id && i.record.kind() == Kind::Incident;
    Ok((status, pages.open.into_iter().filter(own).collect()))
}

/// The vendors that were asked for, in that order; without, all that are watched.
fn chosen<'p>(past: &'p Past, ids: &[String]) -> Result<Vec<&'p StoredVendor>, Failure> {
    if ids.is_empty() {
        return Ok(past.loaded.vendors.iter().filter(|vendor| !vendor.retired).collect());
    }
    ids.iter().map(|id| find::vendor(past, id)).collect()
}

/// What the store has of status pages.
struct Pages {
    sources: Vec<StoredSource>,
    open: Vec<StoredIncident>,
}

fn of_vendor(past: &Past, vendor: &StoredVendor, open_outage: Option<Uuid>, pages: &Pages) -> Result<VendorStatus, Failure> {
    let measured = past.measured(&vendor.id)?;
    Ok(VendorStatus {
        vendor: vendor.id.to_string(),
        name: vendor.name.clone(),
        tier: vendor.tier,
        measured,
        declared: past.declared(&vendor.id, &pages.sources),
        since: match measured {
            Some(_) => since(&past.vendor_timeline(&vendor.id)?),
            None => None,
        },
        checks: past.current_checks(&vendor.id).map(|check| of_check(past, check)).collect(),
        sources: pages.sources.iter().filter(|s| s.id.vendor == vendor.id).map(|s| of_source(s, past.now)).collect(),
        open_outage,
        open_incidents: pages
            .open
            .iter()
            .filter(|i| i.source.vendor == vendor.id && i.record.kind() == Kind::Incident)
            .map(|i| i.id)
            .collect(),
    })
}

fn of_source(source: &StoredSource, now: Timestamp) -> SourceStatus {
    let believed = source.reads.as_ref().is_some_and(|reads| reads.is_believed(now));
    SourceStatus {
        source: source.id.name.to_string(),
        format: source.state.as_ref().map_or(&source.format, |state| &state.format).clone(),
        state: source.reads.as_ref().map_or(SourceCondition::Broken, |reads| reads.condition(now)),
        overall: source.state.as_ref().map(|state| if believed { state.overall } else { Status::Unknown }),
        last_success_at: source.reads.as_ref().and_then(|reads| reads.last_success_at),
        problem: source.reads.as_ref().and_then(|reads| reads.problem.clone()),
    }
}

fn of_check(past: &Past, check: &StoredCheck) -> CheckStatus {
    let state = check.state.state_at(past.now);
    CheckStatus {
        check: check.id.name.to_string(),
        kind: check.kind.clone(),
        state,
        reason: reason(past, check, state),
        suspect: check.state.suspect(),
        last_run_at: check.state.last.map(|last| last.at),
        duration_seconds: check.state.last.map(|last| last.duration.as_micros() as f64 / 1e6),
    }
}

/// Of the last run while it is evidence, else why nothing is known.
fn reason(past: &Past, check: &StoredCheck, state: State) -> Option<SegmentReason> {
    if !check.terms.enabled {
        return Some(SegmentReason::Paused);
    }
    let last = check.state.last?;
    let evident = check.state.evidence_until.is_some_and(|until| past.now < until);
    match state {
        State::Unknown if !evident => Some(check.state.late_reason(past.late_reason(check))),
        _ => Some(SegmentReason::Seen(last.reason)),
    }
}

fn text(vendors: &[VendorStatus], now: Timestamp, coloured: bool, arguments: &Arguments) -> String {
    if vendors.is_empty() {
        return if arguments.problems { "no problems\n".to_owned() } else { "no vendors\n".to_owned() };
    }
    let mut text = vendor_table(vendors, now, coloured).render();
    let checks = check_table(vendors, coloured, !arguments.vendors.is_empty());
    let pages = page_table(vendors, coloured, !arguments.vendors.is_empty());
    for table in [checks, pages] {
        if !table.is_empty() {
            text += &format!("\n{}", table.render());
        }
    }
    format!("{text}\n{}\n", summary(vendors))
}

fn vendor_table(vendors: &[VendorStatus], now: Timestamp, coloured: bool) -> Table {
    let mut table = Table::new(coloured, ["VENDOR", "MEASURED", "SINCE (UTC)", "FOR", "DECLARED", "CHECKS"]);
    for vendor in vendors {
        let (since, lasts) = match vendor.since {
            Some(since) => (clock_time(since), lasting(now.since(since))),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let state = |state: Option<State>| state.map_or("-".into(), Into::into);
        table.row([
            vendor.vendor.clone().into(),
            state(vendor.measured),
            since.into(),
            lasts.into(),
            vendor.declared.map_or("-".into(), Into::into),
            by_state(vendor.checks.iter().map(|check| check.state)).into(),
        ]);
    }
    table
}

/// The checks that explain a problem; all of them where vendors were named.
fn check_table(vendors: &[VendorStatus], coloured: bool, all: bool) -> Table {
    let mut table = Table::new(coloured, ["CHECK", "STATE", "REASON", "LAST RUN (UTC)", "TOOK"]);
    for vendor in vendors {
        for check in vendor.checks.iter().filter(|check| all || check.state != State::Up || check.suspect) {
            let reason = check.reason.map_or("-", SegmentReason::as_str);
            let suspect = if check.suspect && check.state != State::Unknown { " (suspect)" } else { "" };
            let took = check.duration_seconds.map(|s| lasting(std::time::Duration::from_secs_f64(s.max(0.0))));
            table.row([
                format!("{}/{}", vendor.vendor, check.check).into(),
                check.state.into(),
                format!("{reason}{suspect}").into(),
                check.last_run_at.map_or("never".to_owned(), clock_time).into(),
                took.unwrap_or("-".to_owned()).into(),
            ]);
        }
    }
    table
}

/// The pages that cannot be believed, with the reason; all of them where vendors were named.
fn page_table(vendors: &[VendorStatus], coloured: bool, all: bool) -> Table {
    let mut table = Table::new(coloured, ["STATUS PAGE", "STATE", "OVERALL", "LAST READ (UTC)", "PROBLEM"]);
    for vendor in vendors {
        for page in vendor.sources.iter().filter(|page| all || page.state != SourceCondition::Ok) {
            table.row([
                format!("{}/{} ({})", vendor.vendor, page.source, page.format).into(),
                page.state.as_str().into(),
                page.overall.map_or("-".into(), Into::into),
                page.last_success_at.map_or("never".to_owned(), clock_time).into(),
                tame(page.problem.as_deref().unwrap_or("-")).into(),
            ]);
        }
    }
    table
}

/// `3 vendors: 1 down, 2 up`
fn summary(vendors: &[VendorStatus]) -> String {
    let mut states = by_state(vendors.iter().filter_map(|vendor| vendor.measured));
    match vendors.iter().filter(|vendor| vendor.measured.is_none()).count() {
        0 => {}
        all if all == vendors.len() => states = "not measured".to_owned(),
        some => states += &format!(", {some} not measured"),
    }
    format!("{}: {states}", count(vendors.len(), "vendor"))
}

/// `1 down, 2 up`, the worst first.
fn by_state(states: impl Iterator<Item = State>) -> String {
    const WORST_FIRST: [State; 4] = [State::Down, State::Degraded, State::Unknown, State::Up];
    let states: Vec<State> = states.collect();
    let number = |state: State| states.iter().filter(|s| **s == state).count();
    let parts = WORST_FIRST.into_iter().filter(|state| number(*state) > 0);
    let text = parts.map(|state| format!("{} {}", number(state), state.as_str())).collect::<Vec<_>>().join(", ");
    if text.is_empty() { "none".to_owned() } else { text }
}
