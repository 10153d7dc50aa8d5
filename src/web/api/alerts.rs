//! `alert list`: every alert with its deliveries, newest first.

use serde::Serialize;

use super::to_json;
use crate::model::{AlertState, DeliveryState, Event, Rule, Severity, Timestamp, Uuid, time::rfc3339};
use crate::store::{AlertRow, DeliveryRow, Past, StoreError};

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

/// What is asked for.
#[derive(Default)]
pub struct Asked {
    pub firing: bool,
    pub since: Option<Timestamp>,
    pub offset: usize,
    pub limit: Option<usize>,
}

pub fn chosen(past: &Past, asked: &Asked) -> Result<Vec<AlertRow>, StoreError> {
    let newest = past.reader.alerts()?.into_iter().filter(|AlertRow { alert, .. }| {
        let held = asked.since.is_none_or(|since| alert.resolved_at.is_none_or(|resolved| resolved >= since));
        held && (!asked.firing || alert.state != AlertState::Resolved)
    });
    Ok(newest.skip(asked.offset).take(asked.limit.unwrap_or(usize::MAX)).collect())
}

pub fn json(rows: &[AlertRow]) -> String {
    to_json(&Alerts { schema: 1, alerts: rows.iter().map(entry).collect() })
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
