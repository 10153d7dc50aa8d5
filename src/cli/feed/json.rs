//! A page as scripts get it. Fields may be added, never renamed or removed.

use serde::Serialize;

use crate::model::page::{Component, Incident, Maintenance, Scope, Touched};
use crate::model::{Impact, Page, Stage, Status, Timestamp, time::rfc3339};

#[derive(Serialize)]
pub struct Shown<'p> {
    schema: u32,
    format: &'p str,
    name: Option<&'p str>,
    url: Option<&'p str>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    updated_at: Option<Timestamp>,
    overall: Status,
    components: &'p [Component],
    incidents: Vec<IncidentRow<'p>>,
    maintenances: Vec<MaintenanceRow<'p>>,
}

#[derive(Serialize)]
struct IncidentRow<'p> {
    id: &'p str,
    title: &'p str,
    impact: Option<Impact>,
    stage: Option<Stage>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    started_at: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    resolved_at: Option<Timestamp>,
    url: Option<&'p str>,
    scope: Scope,
    components: Vec<&'p str>,
    updates: Vec<UpdateRow<'p>>,
}

#[derive(Serialize)]
struct UpdateRow<'p> {
    #[serde(serialize_with = "rfc3339::option::serialize")]
    at: Option<Timestamp>,
    stage: Option<Stage>,
    body: &'p str,
}

#[derive(Serialize)]
struct MaintenanceRow<'p> {
    id: &'p str,
    title: &'p str,
    stage: Option<Stage>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    starts_at: Option<Timestamp>,
    #[serde(serialize_with = "rfc3339::option::serialize")]
    ends_at: Option<Timestamp>,
    url: Option<&'p str>,
    scope: Scope,
    components: Vec<&'p str>,
}

impl<'p> Shown<'p> {
    pub fn of(page: &'p Page) -> Shown<'p> {
        Shown {
            schema: 1,
            format: page.format,
            name: page.name.as_deref(),
            url: page.url.as_deref(),
            updated_at: page.updated_at,
            overall: page.overall,
            components: &page.components,
            incidents: page.incidents.iter().map(incident).collect(),
            maintenances: page.maintenances.iter().map(maintenance).collect(),
        }
    }
}

fn incident(incident: &Incident) -> IncidentRow<'_> {
    IncidentRow {
        id: &incident.id,
        title: &incident.title,
        impact: incident.impact,
        stage: incident.stage,
        started_at: incident.started_at,
        resolved_at: incident.resolved_at,
        url: incident.url.as_deref(),
        scope: incident.scope(),
        components: names(&incident.touches),
        updates: incident.updates.iter().map(|update| UpdateRow { at: update.at, stage: update.stage, body: &update.body }).collect(),
    }
}

fn maintenance(work: &Maintenance) -> MaintenanceRow<'_> {
    MaintenanceRow {
        id: &work.id,
        title: &work.title,
        stage: work.stage,
        starts_at: work.starts_at,
        ends_at: work.ends_at,
        url: work.url.as_deref(),
        scope: work.scope(),
        components: names(&work.touches),
    }
}

fn names(touches: &[Touched]) -> Vec<&str> {
    touches.iter().map(|touched| touched.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::feed::text::tests::troubled;

    fn keys(value: &Value) -> Vec<&str> {
        value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }

    #[test]
    fn every_key_is_as_promised() {
        let text = serde_json::to_string(&Shown::of(&troubled())).unwrap();
        assert!(text.starts_with(r#"{"schema":1,"format":"statuspage","name":"Acme","url":"https://status.acme.example/","updated_at":"2026-11-23T20:35:00.000Z","overall":"partial_outage","components":[{"id":"c1","name":"API","group":"Payments","region":null,"status":"partial_outage"}"#), "{text}");
        let page: Value = serde_json::from_str(&text).unwrap();
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_unstable();
            names
        };
        let incident = ["id", "title", "impact", "stage", "started_at", "resolved_at", "url", "scope", "components", "updates"];
        let work = ["id", "title", "stage", "starts_at", "ends_at", "url", "scope", "components"];
        assert_eq!(keys(&page["incidents"][0]), sorted(incident.to_vec()));
        assert_eq!(keys(&page["incidents"][0]["updates"][0]), ["at", "body", "stage"]);
        assert_eq!(keys(&page["maintenances"][0]), sorted(work.to_vec()));
    }

    #[test]
    fn what_a_platform_does_not_say_is_null_and_components_are_names() {
        let page = serde_json::to_value(Shown::of(&troubled())).unwrap();
        let first = &page["incidents"][0];
        assert_eq!((&first["impact"], &first["resolved_at"]), (&json!("major"), &Value::Null));
        assert_eq!((&first["scope"], &first["components"]), (&json!("components"), &json!(["API"])));
        assert_eq!(first["updates"][0], json!({"at": "2026-11-23T20:34:00.000Z", "stage": "identified", "body": "Found.\nWe fix it."}));
        let second = &page["incidents"][1];
        assert_eq!((&second["scope"], &second["components"], &second["impact"]), (&json!("page"), &json!([]), &Value::Null));
        assert_eq!(page["maintenances"][0]["starts_at"], "2026-11-24T02:00:00.000Z");
        assert_eq!(page["maintenances"][0]["ends_at"], Value::Null);
    }
}
