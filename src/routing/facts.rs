//! An alert as the JSON object that is sent for it: frozen when it joins a delivery.

use serde_json::{Value, json};

use crate::model::{Alert, Timestamp};

/// All alerts of one delivery together; with the envelope a body stays below 20 kB (Standard Webhooks, payload size).
pub const FACTS_BYTES_MAX: usize = 19_000;

/// Where links in messages point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Base URL of this daemon's pages, without a trailing slash.
    pub base: String,
}

pub fn size(facts: &Value) -> usize {
    facts.to_string().len() + 1
}

/// The object of `data.alerts` in a webhook. Evidence is cut until it fits alone into a delivery.
pub fn facts(alert: &Alert, links: &Links) -> Value {
    let mut evidence = alert.evidence.clone();
    loop {
        let facts = object(alert, links, &evidence);
        if size(&facts) <= FACTS_BYTES_MAX || evidence.is_empty() {
            return facts;
        }
        let keep = evidence.len() / 2;
        evidence.truncate(keep);
        if keep > 0 {
            evidence[keep - 1] = format!("… and {} more lines", alert.evidence.len() - (keep - 1));
        }
    }
}

fn object(alert: &Alert, links: &Links, evidence: &[String]) -> Value {
    let rule = alert.identity.rule.as_str();
    json!({
        "id": alert.id,
        "rule": rule,
        "vendor": alert.identity.vendor.as_ref().map(|v| v.as_str()),
        "vendor_name": alert.vendor_name,
        "tier": alert.tier,
        "subject": alert.identity.subject,
        "severity": alert.severity.as_str(),
        "state": alert.state.as_str(),
        "since": alert.since.to_string(),
        "resolved_at": alert.resolved_at.map(|t: Timestamp| t.to_string()),
        "summary": alert.summary,
        "measured": alert.measured,
        "declared": alert.declared,
        "blame": alert.blame.as_str(),
        "evidence": evidence,
        "acknowledgement_lag_seconds": null,
        "affected": [],
        "links": { "page": null, "vendor_page": null, "runbook": format!("{}/runbooks/{rule}", links.base) },
        "commands": { "ack": null, "silence": null },
    })
}
