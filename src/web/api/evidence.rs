//! What was seen in failing runs, as JSON.

use serde::Serialize;

use crate::model::Phases;
use crate::store::StoredEvidence;

#[derive(Serialize)]
pub struct Shown<'e> {
    check: &'e str,
    run: u32,
    at: String,
    reason: &'e str,
    message: &'e str,
    hops: Vec<ShownHop<'e>>,
    failed: Vec<Failed<'e>>,
    request: &'e str,
    response: &'e str,
    body: &'e str,
}

#[derive(Serialize)]
struct ShownHop<'e> {
    target: &'e str,
    address: Option<&'e str>,
    http_status: Option<u16>,
    phases: std::collections::BTreeMap<&'static str, Option<f64>>,
}

#[derive(Serialize)]
struct Failed<'e> {
    expression: &'e str,
    seen: &'e str,
}

impl<'e> Shown<'e> {
    pub fn of(one: &'e StoredEvidence) -> Self {
        let seen = &one.seen;
        Shown {
            check: &one.check,
            run: one.nth,
            at: one.at.to_string(),
            reason: one.reason.as_str(),
            message: &seen.message,
            hops: seen
                .hops
                .iter()
                .map(|hop| ShownHop {
                    target: &hop.target,
                    address: hop.address.as_deref(),
                    http_status: hop.http_status,
                    phases: Phases::NAMES.into_iter().zip(hop.phases.map(|micros| micros.map(|micros| f64::from(micros) / 1e6))).collect(),
                })
                .collect(),
            failed: seen.failed.iter().map(|(expression, seen)| Failed { expression, seen }).collect(),
            request: &seen.request,
            response: &seen.response,
            body: &seen.body,
        }
    }
}
