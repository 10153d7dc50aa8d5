//! Prometheus HTTP service discovery (<https://prometheus.io/docs/prometheus/latest/http_sd/>): what our checks look at, so
//! that blackbox exporters elsewhere can look at the same. Labels begin with `__meta_vendord_`, so that none of them can
//! overwrite one of ours.

use std::fmt::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::config::{Check, Config, Vendor};

#[derive(Serialize)]
pub struct Endpoint {
    targets: [String; 1],
    labels: Labels,
}

#[derive(Serialize)]
struct Labels {
    #[serde(rename = "__meta_vendord_vendor")]
    vendor: String,
    #[serde(rename = "__meta_vendord_check")]
    check: String,
    #[serde(rename = "__meta_vendord_kind")]
    kind: &'static str,
    #[serde(rename = "__meta_vendord_tier")]
    tier: String,
}

/// One for each check that looks at a host, in the order of the configuration.
pub fn endpoints(config: &Config) -> Vec<Endpoint> {
    let looks = |check: &&Check| check.terms.enabled && check.probe.mailbox().is_none() && !check.probe.host().is_empty();
    let endpoint = |vendor: &Vendor, check: &Check| Endpoint {
        targets: [check.probe.host().to_owned()],
        labels: Labels { vendor: vendor.id.to_string(), check: check.id.name.to_string(), kind: check.kind, tier: vendor.tier.to_string() },
    };
    config.vendors.iter().flat_map(|vendor| vendor.checks.iter().filter(looks).map(move |check| endpoint(vendor, check))).collect()
}

/// Equal for equal answers.
pub fn tag(text: &str) -> String {
    let mut tag = "\"".to_owned();
    for byte in &Sha256::digest(text)[..8] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag + "\""
}
