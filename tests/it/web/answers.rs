//! The API: the very answers of the verbs, their flags as parameters.

use serde_json::Value;

use super::Scene;
use crate::harness::{get_with, s, wait_for};

fn json(scene: &Scene, path: &str) -> Value {
    let page = scene.get(path);
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")), "{path}: {}", page.text());
    serde_json::from_slice(&page.body).unwrap()
}

/// Without what moves while one looks.
fn still(mut value: Value) -> Value {
    const MOVING: &[&str] = &["last_run_at", "duration_seconds", "last_success_at", "seconds", "to", "availability", "updated_at"];
    match &mut value {
        Value::Object(map) => {
            map.retain(|key, _| !MOVING.contains(&key.as_str()));
            map.values_mut().for_each(|inner| *inner = still(inner.take()));
        }
        Value::Array(all) => all.iter_mut().for_each(|inner| *inner = still(inner.take())),
        _ => {}
    }
    value
}

#[test]
fn the_api_answers_what_the_verbs_print() {
    let scene = Scene::start("");
    let (incident, outage) = (scene.ids("incidents")[0].clone(), scene.ids("outages")[0].clone());
    for (path, verb) in [
        ("/api/v1/status".to_owned(), vec!["status"]),
        ("/api/v1/status?problems".to_owned(), vec!["status", "--problems"]),
        ("/api/v1/status?vendor=fine&vendor=tide".to_owned(), vec!["status", "fine", "tide"]),
        ("/api/v1/vendors/broken".to_owned(), vec!["status", "broken"]),
        ("/api/v1/outages?open=true&vendor=broken".to_owned(), vec!["outages", "--open", "--vendor", "broken"]),
        (format!("/api/v1/outages/{outage}"), vec!["outages", &outage]),
        ("/api/v1/incidents?open".to_owned(), vec!["incidents", "--open"]),
        (format!("/api/v1/incidents/{incident}?versions"), vec!["incidents", &incident, "--versions"]),
        ("/api/v1/incidents?since=2026-03-01&limit=1".to_owned(), vec!["incidents", "--since", "2026-03-01", "--limit", "1"]),
        ("/api/v1/maintenance".to_owned(), vec!["maintenance"]),
        ("/api/v1/uptime?vendor=fine/api&window=7d&explain".to_owned(), vec!["uptime", "fine/api", "--window", "7d", "--explain"]),
        ("/api/v1/uptime?vendor=broken&from=2026-01-01".to_owned(), vec!["uptime", "broken", "--from", "2026-01-01"]),
        ("/api/v1/alerts?firing".to_owned(), vec!["alert", "list", "--firing"]),
    ] {
        wait_for(&format!("{path} and `{}` to say the same", verb.join(" ")), s(10), || {
            (still(json(&scene, &path)) == still(scene.daemon.cli_json(&verb))).then_some(())
        });
    }
}

#[test]
fn lists_are_cut_into_pages_and_come_as_csv() {
    let scene = Scene::start("");
    let csv = scene.get("/api/v1/outages?format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.text().lines().next(), scene.daemon.cli(&["outages", "--output", "csv"]).out.lines().next());
    scene.page.shows(|shown| {
        shown.incidents.push(crate::harness::Declared::new("inc2", "Another", "minor", "2026-03-03T08:00:00.000Z", &["cmpapi"]));
    });
    scene.daemon.wait_for("the second incident", s(10), |_| (scene.ids("incidents").len() == 2).then_some(()));
    let first = scene.get("/api/v1/incidents?limit=1");
    assert_eq!(first.header("link"), Some("<?limit=1&offset=1>; rel=\"next\""));
    let second = scene.get("/api/v1/incidents?limit=1&offset=1");
    assert_eq!(second.header("link"), None);
    assert_ne!(first.text(), second.text());
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write() {
    let scene = Scene::start("");
    for (path, status, said, hint) in [
        ("/api/v1/status?vendor=fne", 404, "there is no vendor \"fne\"", "did you mean \"fine\"?"),
        ("/api/v1/status?problem", 400, "there is no parameter \"problem\"", "did you mean \"problems\"?"),
        ("/api/v1/outages?open=maybe", 400, "open \"maybe\" is neither true nor false", ""),
        ("/api/v1/outages?since=yesterday", 400, "since \"yesterday\" cannot be read", "write how long ago as 7d"),
        ("/api/v1/outages?format=xml", 400, "there is no format \"xml\"", "known: json, csv"),
        ("/api/v1/uptime", 400, "vendor is missing", "write ?vendor=VENDOR"),
        ("/api/v1/uptime?vendor=fine&window=1d&from=2026-01-01", 400, "window and from or to exclude each other", ""),
        ("/api/v1/incidents/nope", 404, "there is no incident \"nope\"", ""),
        ("/api/v1/nothing", 404, "there is nothing at /api/v1/nothing", "status"),
    ] {
        let page = scene.get(path);
        let error: Value = serde_json::from_slice(&page.body).unwrap_or_else(|e| panic!("{path}: {e}: {}", page.text()));
        assert_eq!((page.status, error["error"]["message"].as_str()), (status, Some(said)), "{path}");
        assert!(error["error"]["hint"].as_str().unwrap_or_default().contains(hint), "{path}: {error}");
        assert!(error["error"].as_object().unwrap().contains_key("where"), "{path}");
    }
    assert_eq!(scene.daemon.post("/api/v1/status", &[], b"{}").unwrap().status, 405);
}

#[test]
fn service_discovery_names_what_checks_look_at() {
    let scene = Scene::start("");
    let page = scene.get("/api/v1/sd/endpoints");
    let endpoints: Value = serde_json::from_slice(&page.body).unwrap();
    let all = endpoints.as_array().unwrap();
    assert_eq!(all.len(), 3, "a paused check is not looked at: {endpoints}");
    let broken = all.iter().find(|one| one["labels"]["__meta_vendord_vendor"] == "broken").unwrap();
    assert_eq!(broken["targets"][0], format!("127.0.0.1:{}", scene.api.port()));
    assert_eq!(
        (broken["labels"]["__meta_vendord_check"].as_str(), broken["labels"]["__meta_vendord_tier"].as_str()),
        (Some("api"), Some("1"))
    );
    assert!(all.iter().all(|one| one["labels"].as_object().unwrap().keys().all(|key| key.starts_with("__meta_vendord_"))));
    let tag = page.header("etag").unwrap().to_owned();
    assert_eq!(get_with(scene.daemon.port, "/api/v1/sd/endpoints", &[("If-None-Match", &tag)]).unwrap().status, 304);
}

#[test]
fn the_configuration_is_shown_without_secrets() {
    let more = "[[receivers]]\nname = \"ops\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:1/hook-path-canary\"\nsecret = { env = \"VENDORD_TEST_SECRET\" }\n[[routes]]\nreceiver = \"ops\"\n";
    let scene = {
        let api = crate::harness::FakeVendor::start();
        let check =
            crate::scene::check("api", &format!("{}?token=query-canary", api.url("/x")), "headers = { Authorization = \"header-canary\" }");
        let main = crate::scene::config(&[]) + more;
        let mut daemon = crate::harness::Daemon::new(&main, &[("acme", &crate::scene::vendor(1, &[check]))])
            .environment([("VENDORD_TEST_SECRET".to_owned(), "whsec_c2VjcmV0LWNhbmFyeS1zZWNyZXQtY2FuYXJ5".to_owned())]);
        daemon.start();
        (daemon, api)
    };
    let text = get_with(scene.0.port, "/api/v1/config", &[]).unwrap().text();
    let shown: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (shown["receivers"][0]["receiver"].as_str(), shown["vendors"][0]["checks"][0]["check"].as_str()),
        (Some("ops"), Some("api"))
    );
    assert!(!text.contains("canary") && !text.contains("whsec"), "{text}");
}
