//! The documents below `/api/v2` of Statuspage, which incident.io imitates: there incidents name no components, and a list
//! without elements is left out.

use serde_json::{Value, json};

use super::{Document, Shown};
use crate::cli::demo::cast::Platform;
use crate::cli::demo::world::{Announced, Incident};
use crate::model::{Impact, Stage};

pub fn document(shown: &Shown, path: &str) -> Option<Document> {
    let mut body = match path {
        "/api/v2/summary.json" => summary(shown),
        "/api/v2/incidents.json" => json!({ "page": about(shown), "incidents": incidents(shown, |_| true) }),
        "/api/v2/scheduled-maintenances.json" if shown.platform == Platform::Statuspage => {
            json!({ "page": about(shown), "scheduled_maintenances": works(shown, |_| true) })
        }
        _ => return None,
    };
    if shown.platform == Platform::Incidentio {
        leave_out_empty(&mut body);
    }
    Some(Document { content_type: "application/json", body: body.to_string() })
}

fn summary(shown: &Shown) -> Value {
    json!({
        "page": about(shown),
        "status": verdict(shown),
        "components": shown.vendor.components.iter().map(|name| component(shown, name)).collect::<Vec<_>>(),
        "incidents": incidents(shown, Incident::is_open),
        "scheduled_maintenances": works(shown, |work| work.stage != Stage::Completed),
    })
}

fn about(shown: &Shown) -> Value {
    let updated_at = shown.incidents.iter().map(Incident::updated_at).max().unwrap_or(shown.at);
    json!({ "id": shown.id("page"), "name": shown.vendor.name, "url": shown.address, "updated_at": updated_at.to_string() })
}

fn verdict(shown: &Shown) -> Value {
    match shown.incidents.iter().filter(|incident| incident.is_open()).map(|incident| incident.impact).max() {
        Some(impact) => json!({ "indicator": impact.as_str(), "description": "Some systems have trouble" }),
        None => json!({ "indicator": "none", "description": "All Systems Operational" }),
    }
}

fn component(shown: &Shown, name: &str) -> Value {
    let status = match shown.worst(name) {
        Some(Impact::Critical) => "major_outage",
        Some(Impact::Major) => "partial_outage",
        Some(Impact::Minor) => "degraded_performance",
        Some(Impact::None) => "operational",
        None if shown.at_work(name) => "under_maintenance",
        None => "operational",
    };
    json!({ "id": shown.id(name), "name": name, "status": status, "group": false, "group_id": null })
}

fn touched(shown: &Shown, names: &[&str]) -> Value {
    names.iter().map(|name| component(shown, name)).collect()
}

fn incidents(shown: &Shown, wanted: impl Fn(&Incident) -> bool) -> Value {
    shown.incidents.iter().filter(|incident| wanted(incident)).map(|incident| incident_json(shown, incident)).collect()
}

fn incident_json(shown: &Shown, incident: &Incident) -> Value {
    let id = shown.incident_id(incident);
    let updates = incident.posts.iter().rev().map(|post| {
        let at = post.at.to_string();
        json!({
            "id": shown.id(&format!("{id} {at}")), "status": post.stage.as_str(), "body": post.body,
            "created_at": at, "display_at": at, "updated_at": at,
        })
    });
    let started_at = incident.started_at().to_string();
    let resolved_at = (!incident.is_open()).then(|| incident.updated_at().to_string());
    let mut one = json!({
        "id": id, "name": incident.title, "status": incident.stage().as_str(), "impact": incident.impact.as_str(),
        "created_at": started_at, "started_at": started_at, "updated_at": incident.updated_at().to_string(), "resolved_at": resolved_at,
        "shortlink": shown.incident_address(incident), "page_id": shown.id("page"), "incident_updates": updates.collect::<Vec<_>>(),
    });
    if shown.platform == Platform::Statuspage {
        one["components"] = touched(shown, incident.components);
    }
    one
}

fn works(shown: &Shown, wanted: impl Fn(&Announced) -> bool) -> Value {
    shown.works.iter().filter(|work| wanted(work)).map(|work| work_json(shown, work)).collect()
}

fn work_json(shown: &Shown, work: &Announced) -> Value {
    let (announced_at, starts_at, ends_at) = (work.announced_at.to_string(), work.starts_at.to_string(), work.ends_at.to_string());
    let mut posts = vec![post("scheduled", &announced_at, "We will work on this. Some requests may take longer meanwhile.")];
    if work.stage != Stage::Scheduled {
        posts.insert(0, post("in_progress", &starts_at, "The work has begun."));
    }
    if work.stage == Stage::Completed {
        posts.insert(0, post("completed", &ends_at, "The work is done."));
    }
    json!({
        "id": shown.id(work.title), "name": work.title, "status": work.stage.as_str(), "impact": "maintenance",
        "created_at": announced_at, "scheduled_for": starts_at, "scheduled_until": ends_at,
        "page_id": shown.id("page"), "incident_updates": posts, "components": touched(shown, work.components),
    })
}

fn post(stage: &str, at: &str, body: &str) -> Value {
    json!({ "id": format!("{stage} {at}"), "status": stage, "body": body, "created_at": at, "display_at": at, "updated_at": at })
}

fn leave_out_empty(body: &mut Value) {
    if let Some(lists) = body.as_object_mut() {
        lists.retain(|_, list| list.as_array().is_none_or(|list| !list.is_empty()));
    }
}
