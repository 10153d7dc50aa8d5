//! `vendord alert list`: every alert with its deliveries, newest first.

use clap::Args;
use serde::Serialize;

use crate::cli::table::Table;
use crate::cli::words::{Since, clock_time, read_since, tame};
use crate::cli::{Answer, Context, Failure, to_json};
use crate::model::{AlertState, DeliveryState, Event, Rule, Severity, Timestamp, Uuid, time::rfc3339};
use crate::store::Past;
use crate::store::{AlertRow, DeliveryRow};

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

#[derive(Serialize)]
struct Alerts<'a> {
    schema: u32,
    alerts: Vec<AlertEntry<'a>>,
}

#[derive(Serialize)]
struct AlertEntry<'a> {
    id: Uuid,
    rule: Rule,
    vendor: Option<&'a str>,
    subject: &'a str,
    severity: Severity,
    state: AlertState,
    #[serde(serialize_with = "rfc3339::serialize")]
    since: Timestamp,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    resolved_at: Option<Timestamp>,
    summary: &'a str,
    deliveries: Vec<DeliveryEntry<'a>>,
}

#[derive(Serialize)]
struct DeliveryEntry<'a> {
    id: Uuid,
    receiver: &'a str,
    event: Event,
    state: DeliveryState,
    attempts: u32,
    last_code: Option<u16>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    next_attempt_at: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    delivered_at: Option<Timestamp>,
}

pub fn list(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let since = arguments.since.map(|since| since.at(past.now));
    let mut rows = past.reader.alerts()?;
    rows.retain(|AlertRow { alert, .. }| {
        let held = since.is_none_or(|since| alert.resolved_at.is_none_or(|resolved| resolved >= since));
        held && (!arguments.firing || alert.state != AlertState::Resolved)
    });
    let text = match arguments.json {
        true => to_json(&Alerts { schema: 1, alerts: rows.iter().map(entry).collect() }),
        false => text(&rows, context.colour_out),
    };
    Ok(Answer::fine(text))
}

fn entry(row: &AlertRow) -> AlertEntry<'_> {
    let alert = &row.alert;
    AlertEntry {
        id: alert.id,
        rule: alert.identity.rule,
        vendor: alert.identity.vendor.as_ref().map(|vendor| vendor.as_str()),
        subject: &alert.identity.subject,
        severity: alert.severity,
        state: alert.state,
        since: alert.since,
        resolved_at: alert.resolved_at,
        summary: &alert.summary,
        deliveries: row.deliveries.iter().map(delivery).collect(),
    }
}

fn delivery(row: &DeliveryRow) -> DeliveryEntry<'_> {
    DeliveryEntry {
        id: row.id,
        receiver: &row.receiver,
        event: row.event,
        state: row.state,
        attempts: row.attempts,
        last_code: row.last_code,
        next_attempt_at: row.next_attempt_at,
        delivered_at: row.delivered_at,
    }
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
