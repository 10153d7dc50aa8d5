//! `vendord alert list`: every alert with its deliveries, newest first.

use clap::Args;

use crate::cli::table::Table;
use crate::cli::words::{Since, clock_time, read_since, tame};
use crate::cli::{Answer, Context, Failure};
use crate::model::DeliveryState;
use crate::store::Past;
use crate::store::{AlertRow, DeliveryRow};
use crate::web::api::alerts::{self as api, Asked};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord alert list --firing")]
pub struct Arguments {
    /// Only those that are not resolved
    #[arg(long)]
    firing: bool,
    /// Those that held then or later: 7d, 2026-11-23 or 2026-11-23T20:35:00Z
    #[arg(long, value_name = "WHEN", value_parser = read_since)]
    since: Option<Since>,
    /// For scripts
    #[arg(long)]
    json: bool,
}

pub fn list(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let since = arguments.since.map(|since| since.at(past.now));
    let rows = api::chosen(&past, &Asked { firing: arguments.firing, since, ..Asked::default() })?;
    let text = match arguments.json {
        true => api::json(&rows),
        false => text(&rows, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn text(rows: &[AlertRow], coloured: bool) -> String {
    if rows.is_empty() {
        return "no alerts\n".to_owned();
    }
    let mut table = Table::new(coloured, ["SINCE (UTC)", "RULE", "SUBJECT", "SEVERITY", "STATE", "TOLD"]);
    for AlertRow { alert, deliveries } in rows {
        let told: Vec<String> = deliveries.iter().map(told).collect();
        table.row([
            clock_time(alert.since).into(),
            alert.identity.rule.as_str().into(),
            tame(&alert.identity.subject).into(),
            alert.severity.as_str().into(),
            alert.state.as_str().into(),
            if told.is_empty() { "nobody".into() } else { told.join(", ").into() },
        ]);
    }
    table.render()
}

/// `oncall firing`, `oncall resolved (pending, 3 tries, 500)`
fn told(row: &DeliveryRow) -> String {
    let event = row.event.as_str().trim_start_matches("alert.");
    if row.state == DeliveryState::Delivered {
        return format!("{} {event}", row.receiver);
    }
    let tries = crate::cli::words::tries(row.attempts);
    let code = row.last_code.map(|code| format!(", {code}")).unwrap_or_default();
    format!("{} {event} ({}, {tries}{code})", row.receiver, row.state)
}
