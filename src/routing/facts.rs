//! An alert as the JSON object that is sent for it: frozen when it joins a delivery.

use serde_json::{Value, json};

use crate::model::{Alert, Timestamp};

/// The facts of all alerts of one delivery together, a comma after each. With the envelope a body stays below 20 kB,
/// what Standard Webhooks recommends and every receiver takes.
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
    let mut facts = object(alert, links);
    cut_evidence(&mut facts, FACTS_BYTES_MAX - 1);
    facts
}

fn object(alert: &Alert, links: &Links) -> Value {
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
        "evidence": alert.evidence,
        "acknowledgement_lag_seconds": null,
        "affected": [],
        "links": { "page": null, "vendor_page": null, "runbook": format!("{}/runbooks/{rule}", links.base) },
        "commands": { "ack": null, "silence": null },
    })
}

/// Drops lines of `evidence` from the end, which tell least, until the facts of one alert take at most `bytes_max`, and
/// says in a last line how many are missing. Answers how many bytes the facts take now: more than `bytes_max` if they
/// cannot fit even without evidence.
fn cut_evidence(facts: &mut Value, bytes_max: usize) -> usize {
    let whole = facts.to_string().len();
    let lines = match facts.get_mut("evidence") {
        Some(Value::Array(lines)) if whole > bytes_max => std::mem::take(lines),
        _ => return whole,
    };
    let empty = facts.to_string().len();
    let kept = kept(&lines, bytes_max.saturating_sub(empty));
    let missing = lines.len() - kept;
    let mut evidence: Vec<Value> = lines.into_iter().take(kept).collect();
    if missing > 0 && empty + printed(&note(missing)) <= bytes_max {
        evidence.push(note(missing));
    }
    facts["evidence"] = Value::Array(evidence);
    facts.to_string().len()
}

/// How many of the first lines fit into `room` together with the note about the others.
fn kept(lines: &[Value], room: usize) -> usize {
    let mut used = printed(&note(lines.len()));
    lines
        .iter()
        .take_while(|line| {
            used += printed(line) + ",".len();
            used <= room
        })
        .count()
}

fn note(missing: usize) -> Value {
    json!(format!("({missing} more lines were cut)"))
}

fn printed(value: &Value) -> usize {
    value.to_string().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(facts: &Value) -> Vec<&str> {
        let lines = facts["evidence"].as_array().unwrap();
        lines.iter().map(|l| l.as_str().unwrap()).collect()
    }

    #[test]
    fn the_last_lines_go_first() {
        let whole = json!({"id": "a", "evidence": ["one 12345678", "two 12345678", "three 12345678", "four 12345678"]});
        let bytes = whole.to_string().len();
        for (bytes_max, want) in [
            (bytes, vec!["one 12345678", "two 12345678", "three 12345678", "four 12345678"]),
            (bytes - 1, vec!["one 12345678", "two 12345678", "(2 more lines were cut)"]),
            (75, vec!["one 12345678", "(3 more lines were cut)"]),
            (60, vec!["(4 more lines were cut)"]),
            (30, vec![]),
        ] {
            let mut facts = whole.clone();
            let left = cut_evidence(&mut facts, bytes_max);
            assert_eq!(evidence(&facts), want, "{bytes_max}");
            assert_eq!(left, facts.to_string().len());
        }
    }

    #[test]
    fn what_has_no_evidence_is_left_alone() {
        for facts in [json!({"id": "a"}), json!({"evidence": "text"}), json!(null)] {
            let mut cut = facts.clone();
            assert_eq!(cut_evidence(&mut cut, 1), facts.to_string().len());
            assert_eq!(cut, facts);
        }
    }

    proptest! {
        #[test]
        fn it_fits_whenever_the_rest_does(lines in prop::collection::vec(".{0,60}", 0..30), bytes_max in 0usize..2000) {
            let mut facts = json!({"id": "x", "evidence": lines});
            let before = facts.to_string().len();
            let bytes = cut_evidence(&mut facts, bytes_max);
            prop_assert!(bytes <= bytes_max || evidence(&facts).is_empty());
            prop_assert!(before > bytes_max || evidence(&facts) == lines);
        }
    }
}
