//! `config`: what is in force, without what may be secret: addresses of receivers, headers, bodies, the path and query of
//! what checks ask for.

use serde::Serialize;

use crate::config::{Check, Config, Receiver, StatusPage, Vendor};

#[derive(Serialize)]
pub struct Shown<'c> {
    schema: u32,
    path: String,
    store: Store,
    agent: Agent<'c>,
    web: Web<'c>,
    metrics: &'static str,
    vendors: Vec<ShownVendor<'c>>,
    receivers: Vec<ShownReceiver<'c>>,
    routes: Vec<ShownRoute<'c>>,
}

#[derive(Serialize)]
struct Store {
    path: String,
    commit_within_seconds: f64,
}

#[derive(Serialize)]
struct Agent<'c> {
    id: &'c str,
    location: &'c str,
    max_in_flight: usize,
    max_per_host: usize,
}

#[derive(Serialize)]
struct Web<'c> {
    listen: Vec<String>,
    external_url: Option<&'c str>,
    route_prefix: &'c str,
    hosts: &'c [String],
    allow_remote: bool,
    lifecycle: bool,
    timezone: &'c str,
}

#[derive(Serialize)]
struct ShownVendor<'c> {
    vendor: &'c str,
    name: &'c str,
    tier: u8,
    category: &'c str,
    website: &'c str,
    checks: Vec<ShownCheck<'c>>,
    status_pages: Vec<ShownPage<'c>>,
}

#[derive(Serialize)]
struct ShownCheck<'c> {
    check: &'c str,
    kind: &'c str,
    /// Host and port.
    host: &'c str,
    enabled: bool,
    interval_seconds: f64,
    timeout_seconds: f64,
    retry_interval_seconds: f64,
    down_after: String,
    up_after: String,
    severity: crate::model::SeverityCap,
    labels: &'c std::collections::BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ShownPage<'c> {
    source: &'c str,
    url: String,
    format: &'c str,
    components: &'c [String],
    groups: &'c [String],
    regions: &'c [String],
    interval_seconds: Option<f64>,
    stale_after_seconds: f64,
    enabled: bool,
}

#[derive(Serialize)]
struct ShownReceiver<'c> {
    receiver: &'c str,
    kind: &'c str,
    tries: usize,
    rate_per_second: f64,
}

#[derive(Serialize)]
struct ShownRoute<'c> {
    receiver: &'c str,
    group_by: &'c [String],
    group_wait_seconds: f64,
    group_interval_seconds: f64,
    repeat_interval_seconds: f64,
    r#continue: bool,
}

pub fn shown(config: &Config) -> Shown<'_> {
    Shown {
        schema: 1,
        path: config.path.display().to_string(),
        store: Store { path: config.store.path.display().to_string(), commit_within_seconds: config.store.commit_within.as_secs_f64() },
        agent: Agent {
            id: &config.agent.id,
            location: &config.agent.location,
            max_in_flight: config.agent.max_in_flight,
            max_per_host: config.agent.max_per_host,
        },
        web: Web {
            listen: config.web.listen.iter().map(ToString::to_string).collect(),
            external_url: config.web.external_url.as_ref().map(url::Url::as_str),
            route_prefix: &config.web.route_prefix,
            hosts: &config.web.hosts,
            allow_remote: config.web.allow_remote,
            lifecycle: config.web.lifecycle,
            timezone: &config.web.timezone,
        },
        metrics: if config.metrics_full { "full" } else { "basic" },
        vendors: config.vendors.iter().map(vendor).collect(),
        receivers: config.receivers.iter().map(receiver).collect(),
        routes: config.routes.iter().map(route).collect(),
    }
}

fn vendor(vendor: &Vendor) -> ShownVendor<'_> {
    ShownVendor {
        vendor: vendor.id.as_str(),
        name: &vendor.name,
        tier: vendor.tier,
        category: &vendor.category,
        website: &vendor.website,
        checks: vendor.checks.iter().map(check).collect(),
        status_pages: vendor.status_pages.iter().map(page).collect(),
    }
}

fn check(check: &Check) -> ShownCheck<'_> {
    let terms = &check.terms;
    ShownCheck {
        check: &check.id.name,
        kind: check.kind,
        host: check.probe.host(),
        enabled: terms.enabled,
        interval_seconds: terms.interval.as_secs_f64(),
        timeout_seconds: terms.timeout.as_secs_f64(),
        retry_interval_seconds: terms.retry_interval.as_secs_f64(),
        down_after: terms.down_after.to_string(),
        up_after: terms.up_after.to_string(),
        severity: terms.severity,
        labels: &check.labels,
    }
}

fn page(page: &StatusPage) -> ShownPage<'_> {
    ShownPage {
        source: &page.name,
        url: public(&page.url),
        format: &page.format,
        components: &page.components,
        groups: &page.groups,
        regions: &page.regions,
        interval_seconds: page.interval.map(|interval| interval.as_secs_f64()),
        stale_after_seconds: page.stale_after.as_secs_f64(),
        enabled: page.enabled,
    }
}

/// An address without user, password and query.
pub fn public(url: &url::Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

fn receiver(receiver: &Receiver) -> ShownReceiver<'_> {
    ShownReceiver { receiver: &receiver.name, kind: receiver.kind, tries: receiver.retry.len(), rate_per_second: receiver.rate }
}

fn route(route: &crate::model::Route) -> ShownRoute<'_> {
    ShownRoute {
        receiver: &route.receiver,
        group_by: &route.group_by,
        group_wait_seconds: route.group_wait.as_secs_f64(),
        group_interval_seconds: route.group_interval.as_secs_f64(),
        repeat_interval_seconds: route.repeat_interval.as_secs_f64(),
        r#continue: route.continues,
    }
}
