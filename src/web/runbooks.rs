//! Runbooks, one for every rule of ours and every alert of `dashboards/prometheus`: what links in messages point to.

use crate::model::Rule;

/// Those of the alerts that Prometheus raises, by name.
pub const ALERTS: &[(&str, &str)] = &[
    ("VendorCriticalOutage", include_str!("../../docs/runbooks/VendorCriticalOutage.md")),
    ("VendorMajorOutage", include_str!("../../docs/runbooks/VendorMajorOutage.md")),
    ("VendorCheckFailing", include_str!("../../docs/runbooks/VendorCheckFailing.md")),
    ("VendorCertificateExpiring", include_str!("../../docs/runbooks/VendorCertificateExpiring.md")),
    ("VendorSourceStale", include_str!("../../docs/runbooks/VendorSourceStale.md")),
    ("VendordDown", include_str!("../../docs/runbooks/VendordDown.md")),
    ("VendordChecksStalled", include_str!("../../docs/runbooks/VendordChecksStalled.md")),
    ("VendordSchedulerBehind", include_str!("../../docs/runbooks/VendordSchedulerBehind.md")),
    ("VendordDeliveriesFailing", include_str!("../../docs/runbooks/VendordDeliveriesFailing.md")),
    ("VendordDeliveriesStuck", include_str!("../../docs/runbooks/VendordDeliveriesStuck.md")),
    ("VendordStoreErrors", include_str!("../../docs/runbooks/VendordStoreErrors.md")),
    ("VendordConfigReloadFailed", include_str!("../../docs/runbooks/VendordConfigReloadFailed.md")),
];

/// Name and Markdown of the runbook of a rule or an alert.
pub fn find(name: &str) -> Option<(&'static str, &'static str)> {
    let of_alert = || ALERTS.iter().find(|(alert, _)| *alert == name).copied();
    Rule::parse(name).map(|rule| (rule.as_str(), text(rule))).or_else(of_alert)
}

/// The Markdown of `docs/runbooks/<rule>.md`.
pub const fn text(rule: Rule) -> &'static str {
    match rule {
        Rule::VendorDown => include_str!("../../docs/runbooks/vendor.down.md"),
        Rule::VendorDegraded => include_str!("../../docs/runbooks/vendor.degraded.md"),
        Rule::VendorFlapping => include_str!("../../docs/runbooks/vendor.flapping.md"),
        Rule::IncidentReported => include_str!("../../docs/runbooks/incident.reported.md"),
        Rule::SourceStale => include_str!("../../docs/runbooks/source.stale.md"),
        Rule::SourceMoved => include_str!("../../docs/runbooks/source.moved.md"),
        Rule::SourceDrifted => include_str!("../../docs/runbooks/source.drifted.md"),
        Rule::TlsExpiring => include_str!("../../docs/runbooks/tls.expiring.md"),
        Rule::DnsDomain => include_str!("../../docs/runbooks/dns.domain.md"),
        Rule::DeliveryFailing => include_str!("../../docs/runbooks/delivery.failing.md"),
        Rule::Store => include_str!("../../docs/runbooks/store.md"),
        Rule::Clock => include_str!("../../docs/runbooks/clock.md"),
    }
}
