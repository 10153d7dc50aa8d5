//! Runbooks, one for every rule: what links in messages point to.

use crate::model::Rule;

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
