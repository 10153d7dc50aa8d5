//! `vendord status`: how the vendors are now, by what our checks saw and by what their pages say, side by side.

use std::path::Path;

use clap::Args;

use super::table::Table;
use super::words::{clock_time, count, lasting, tame};
use super::{Answer, Context, Exit, Failure, to_json};
use crate::declared::SourceCondition;
use crate::model::{SegmentReason, State, Timestamp};
use crate::store::Past;
use crate::web::api::status::{self as api, Asked, VendorStatus};

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

pub fn status(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    show(&context.store_path()?, context.colour_out, arguments)
}

/// All of it, as `run --once` ends.
pub fn of_all(path: &Path, coloured: bool) -> Result<Answer, Failure> {
    show(path, coloured, &Arguments { vendors: Vec::new(), problems: false, json: false })
}

fn show(path: &Path, coloured: bool, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(path)?;
    let (fleet, found) = api::status(&past, &Asked { vendors: arguments.vendors.clone(), problems: arguments.problems })?;
    let text = match arguments.json {
        true => to_json(&fleet),
        false => text(&fleet.vendors, past.now, coloured, arguments),
    };
    Ok(Answer { text, exit: Exit::finding_if(found) })
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
