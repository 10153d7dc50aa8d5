//! Announced work: listed, layered over the timeline, moved, taken back.

use super::*;
use crate::harness::Work;

fn work(starts_at: &str, ends_at: &str) -> Work {
    Work {
        id: "wrkone".to_owned(),
        title: "Crane inspection".to_owned(),
        stage: "scheduled".to_owned(),
        starts_at: starts_at.to_owned(),
        ends_at: ends_at.to_owned(),
        touches: vec!["cmpapi".to_owned()],
    }
}

fn layers(scene: &Scene) -> Vec<(String, String, String)> {
    let explained = scene.daemon.cli_json(&["uptime", "tide", "--explain", "--period", "2031-04"]);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let layers = explained["layers"].as_array().unwrap_or_else(|| panic!("{explained}"));
    layers.iter().map(|l| (text(&l["kind"]), text(&l["from"]), text(&l["to"]))).collect()
}

const START: &str = "2031-04-01T06:00:00.000Z";
const END: &str = "2031-04-01T09:00:00.000Z";

#[test]
fn work_is_announced_moved_and_taken_back() {
    let mut scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.works.push(work(START, END)));
    let next = |s: &Scene| s.series("vendord_maintenance_next_start_timestamp_seconds", &[("vendor", "tide")]);
    scene.wait("the next start", |s| next(s) == Some(1_932_789_600.0));
    let listed = scene.daemon.cli_json(&["maintenance"])["maintenances"][0].clone();
    assert_eq!((&listed["source_id"], &listed["starts_at"], &listed["ends_at"]), (&"wrkone".into(), &START.into(), &END.into()), "{listed}");
    assert_eq!((&listed["stage"], &listed["components"]), (&"scheduled".into(), &serde_json::json!(["API"])));
    scene.wait("the layer", |s| layers(s) == [("maintenance_vendor".to_owned(), START.to_owned(), END.to_owned())]);

    let (later, end) = ("2031-04-02T06:00:00.000Z", "2031-04-02T08:00:00.000Z");
    scene.page.shows(|p| p.works[0] = work(later, end));
    scene.wait("the moved window", |s| layers(s) == [("maintenance_vendor".to_owned(), later.to_owned(), end.to_owned())]);
    scene.wait("the moved start", |s| next(s) == Some(1_932_876_000.0));
    scene.daemon.kill9();
    scene.daemon.start();
    scene.reads(2);
    assert_eq!((layers(&scene).len(), next(&scene)), (1, Some(1_932_876_000.0)));

    scene.page.shows(|p| p.works.clear());
    scene.wait("the layer to be gone", |s| layers(s).is_empty() && next(s).is_none());
    let gone = scene.daemon.cli_json(&["maintenance", "wrkone", "--versions"])["maintenances"][0].clone();
    assert_eq!(gone["removed"], true, "{gone}");
    assert_eq!(changed(&gone)[1], ["ends_at", "starts_at"]);
    assert!(scene.told().iter().all(|t| !t.contains("incident")), "{:?}", scene.told());
}

/// A filter that is narrowed and widened again takes the layer away and brings it back.
#[test]
fn the_layer_follows_the_filter() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.works.push(work(START, END)));
    scene.wait("the layer", |s| layers(s).len() == 1);
    let filtered = |components: &str| {
        scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[source(&scene.page.url(), &format!("{QUICK}{components}"))]));
        crate::scene::reloaded(&scene.daemon);
    };
    filtered("components = [\"Console\"]\n");
    scene.wait("no layer", |s| layers(s).is_empty());
    filtered("");
    scene.wait("the layer again", |s| layers(s).len() == 1);
}
