//! Rows of outages and incidents, as several pages list them.

use super::parts::{When, capital};
use crate::config::Config;
use crate::incidents::correlate::Class;
use crate::model::{Impact, Timestamp, VendorId};
use crate::store::{Judged, StoredIncident};
use crate::web::chart::first;
use crate::web::look::Look;
use crate::web::zone::{Zone, lasting};

/// What people call a vendor.
pub fn name_of(vendor: &VendorId, config: &Config) -> String {
    config.vendors.iter().find(|known| known.id == *vendor).map_or(vendor.to_string(), |known| known.name.clone())
}

/// An outage: what we measured, and what the vendor said of it.
pub struct OutageRow {
    pub id: String,
    pub vendor: String,
    pub name: String,
    pub started: When,
    pub lasted: String,
    pub is_open: bool,
    pub checks: String,
    pub blame: &'static str,
    pub class: &'static str,
    pub spoken: String,
    pub incident: Option<String>,
}

impl OutageRow {
    pub fn of(judged: &Judged, config: &Config, zone: &Zone, now: Timestamp) -> OutageRow {
        let outage = &judged.outage;
        let name = name_of(&outage.vendor, config);
        OutageRow {
            id: outage.id.to_string(),
            vendor: outage.vendor.to_string(),
            started: When::of(outage.started_at, zone, now),
            lasted: lasting(outage.duration(now)),
            is_open: outage.ended_at.is_none(),
            checks: outage.checks.join(", "),
            blame: outage.blame.as_str(),
            class: judged.class.map_or("", Class::as_str),
            spoken: capital(&spoken(judged, &name, now)),
            incident: judged.post.map(|post| post.incident.to_string()),
            name,
        }
    }
}

/// Who said it first, or that nobody did.
fn spoken(judged: &Judged, name: &str, now: Timestamp) -> String {
    match (first(judged, name), judged.class) {
        (Some(first), _) => first,
        (None, Some(Class::Silent)) => format!("{name} never posted"),
        (None, _) if !judged.has_page => "no status page".to_owned(),
        (None, _) if judged.outage.ended_at.is_none() => format!("{name} has not posted after {}", lasting(judged.outage.duration(now))),
        (None, _) => "no post".to_owned(),
    }
}

/// What a vendor declares, or announces. Titles and components are the vendor's texts.
pub struct IncidentRow {
    pub id: String,
    pub vendor: String,
    pub name: String,
    pub title: String,
    pub look: Look,
    pub impact: &'static str,
    pub stage: String,
    pub starts: Option<When>,
    pub lasted: String,
    pub is_open: bool,
    pub touches: String,
    pub versions: u32,
    pub is_removed: bool,
}

impl IncidentRow {
    pub fn of(incident: &StoredIncident, config: &Config, zone: &Zone, now: Timestamp) -> IncidentRow {
        let record = &incident.record;
        let names: Vec<&str> = record.touches().iter().map(|touched| touched.name.as_str()).collect();
        IncidentRow {
            id: incident.id.to_string(),
            vendor: incident.source.vendor.to_string(),
            name: name_of(&incident.source.vendor, config),
            title: record.title().to_owned(),
            look: look(incident),
            impact: record.impact().map_or("not stated", Impact::as_str),
            stage: record.stage().map_or("not stated".to_owned(), |stage| stage.as_str().replace('_', " ")),
            starts: record.starts_at().map(|at| When::of(at, zone, now)),
            lasted: lasted(incident, now),
            is_open: incident.open,
            touches: if names.is_empty() { "the whole page".to_owned() } else { names.join(", ") },
            versions: incident.versions,
            is_removed: incident.removed,
        }
    }
}

/// The state that an incident declares.
pub fn look(incident: &StoredIncident) -> Look {
    use crate::declared::archive::Kind;
    use crate::model::Status;
    match incident.record.kind() {
        Kind::Maintenance => Look::of(Status::Maintenance),
        Kind::Incident => Look::of(Impact::status(incident.record.impact()).unwrap_or(Status::Operational)),
    }
}

pub fn lasted(incident: &StoredIncident, now: Timestamp) -> String {
    match (incident.record.starts_at(), incident.record.ends_at()) {
        (Some(start), Some(end)) => lasting(end.since(start)),
        (Some(start), None) if incident.open && start <= now => lasting(now.since(start)),
        _ => "-".to_owned(),
    }
}
