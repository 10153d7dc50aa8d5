//! The JSON of `vendord probe`. Fields may be added, never renamed or removed.

use serde::Serialize;

use super::Seen;
use crate::blame;
use crate::clock;
use crate::model::observation::{Certificate, Chain, Evidence, Expectation, Hop};
use crate::model::{Blame, Phases};

#[derive(Serialize)]
pub struct All<'s> {
    schema: u8,
    probes: Vec<Shown<'s>>,
}

impl<'s> All<'s> {
    pub fn of(all: &'s [Seen]) -> Self {
        All { schema: 1, probes: all.iter().map(Shown::of).collect() }
    }
}

#[derive(Serialize)]
pub struct Shown<'s> {
    schema: u8,
    check: &'s str,
    kind: &'s str,
    started_at: String,
    outcome: &'s str,
    reason: &'s str,
    message: &'s str,
    duration_seconds: f64,
    phases: InSeconds,
    hops: Vec<ShownHop<'s>>,
    certificate: Option<ShownChain<'s>>,
    expires_at: Option<String>,
    expect: Vec<ShownExpectation<'s>>,
    evidence: Option<&'s Evidence>,
    /// Null while nothing is wrong.
    blame: Option<Blame>,
}

/// Seconds; null: the phase was not reached or does not exist.
#[derive(Serialize)]
struct InSeconds {
    resolve: Option<f64>,
    connect: Option<f64>,
    tls: Option<f64>,
    processing: Option<f64>,
    transfer: Option<f64>,
}

impl From<Phases> for InSeconds {
    fn from(phases: Phases) -> Self {
        let [resolve, connect, tls, processing, transfer] = phases.values().map(|micros| micros.map(|micros| f64::from(micros) / 1e6));
        InSeconds { resolve, connect, tls, processing, transfer }
    }
}

#[derive(Serialize)]
struct ShownHop<'s> {
    target: &'s str,
    address: Option<String>,
    http_status: Option<u16>,
    http_version: Option<&'s str>,
    tls_version: Option<&'s str>,
    reused: bool,
    phases: InSeconds,
    certificate: Option<ShownChain<'s>>,
}

#[derive(Serialize)]
struct ShownChain<'s> {
    verified: bool,
    /// Earliest expiry in the verified chain; of the leaf where verification failed.
    not_after: String,
    days_left: f64,
    chain: Vec<ShownCertificate<'s>>,
}

#[derive(Serialize)]
struct ShownCertificate<'s> {
    subject: &'s str,
    issuer: &'s str,
    names: &'s [String],
    not_before: String,
    not_after: String,
    serial: &'s str,
    sha256: &'s str,
}

#[derive(Serialize)]
struct ShownExpectation<'s> {
    expression: &'s str,
    passed: bool,
    seen: &'s str,
}

impl<'s> Shown<'s> {
    pub fn of(seen: &'s Seen) -> Self {
        let o = &seen.observation;
        Shown {
            schema: 1,
            check: &seen.name,
            kind: seen.kind,
            started_at: seen.at.to_string(),
            outcome: o.outcome.as_str(),
            reason: o.reason.as_str(),
            message: &o.detail.message,
            duration_seconds: o.duration.as_secs_f64(),
            phases: o.phases.into(),
            hops: o.detail.hops.iter().map(hop).collect(),
            certificate: o.detail.chain().map(|found| chain(found)),
            expires_at: o.detail.expires_at.map(|at| at.to_string()),
            expect: o.detail.expectations.iter().map(expectation).collect(),
            evidence: o.detail.evidence.as_deref(),
            blame: blame::of_run(o.outcome, o.reason),
        }
    }
}

fn hop(hop: &Hop) -> ShownHop<'_> {
    ShownHop {
        target: &hop.target,
        address: hop.address.map(|address| address.to_string()),
        http_status: hop.http_status,
        http_version: hop.http_version,
        tls_version: hop.tls_version,
        reused: hop.reused,
        phases: hop.phases.into(),
        certificate: hop.chain.as_deref().map(chain),
    }
}

fn chain(chain: &Chain) -> ShownChain<'_> {
    const DAY_MS: f64 = 86_400_000.0;
    ShownChain {
        verified: chain.verified,
        not_after: chain.not_after.to_string(),
        days_left: chain.not_after.millis_since(clock::now()) as f64 / DAY_MS,
        chain: chain.certificates.iter().map(certificate).collect(),
    }
}

fn certificate(certificate: &Certificate) -> ShownCertificate<'_> {
    let Certificate { subject, issuer, names, not_before, not_after, serial, fingerprint } = certificate;
    ShownCertificate {
        subject,
        issuer,
        names,
        not_before: not_before.to_string(),
        not_after: not_after.to_string(),
        serial,
        sha256: fingerprint,
    }
}

fn expectation(one: &Expectation) -> ShownExpectation<'_> {
    ShownExpectation { expression: &one.expression, passed: one.passed, seen: &one.seen }
}
