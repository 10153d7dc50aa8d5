//! Announced work: listed, layered over the timeline, moved, taken back.

use super::*;
use crate::harness::Work;

fn work(id: &str, stage: &str, starts_at: &str, ends_at: &str) -> Work {
    Work {
        id: id.to_owned(),
        title: "Crane inspection".to_owned(),
        stage: stage.to_owned(),
        starts_at: starts_at.to_owned(),
        ends_at: ends_at.to_owned(),
        touches: vec!["cmpapi".to_owned()],
    }
}

/// So many hours from now, to the millisecond.
fn hours(from_now: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(from_now);
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn layers(scene: &Scene) -> Vec<(String, String, String)> {
    let explained = scene.daemon.cli_json(&["uptime", "tide", "--explain"]);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let layers = explained["layers"].as_array().unwrap_or_else(|| panic!("{explained}"));
    layers.iter().map(|l| (text(&l["kind"]), text(&l["from"]), text(&l["to"]))).collect()
}

fn window(from: &str, to: &str) -> Vec<(String, String, String)> {
    vec![("maintenance_vendor".to_owned(), from.to_owned(), to.to_owned())]
}

const START: &str = "2031-04-01T06:00:00.000Z";
const END: &str = "2031-04-01T09:00:00.000Z";

#[test]
fn work_is_announced_moved_and_taken_back() {
    let mut scene = Scene::started(1, QUICK);
    let (earlier, soon, later) = (hours(-1), hours(1), hours(2));
    scene.page.shows(|p| p.works = vec![work("wrkone", "in_progress", &earlier, &soon), work("wrknext", "scheduled", START, END)]);
    let next = |s: &Scene| s.series("vendord_maintenance_next_start_timestamp_seconds", &[("vendor", "tide")]);
    scene.wait("the next start", |s| next(s) == Some(1_932_789_600.0));
    let listed = scene.daemon.cli_json(&["maintenance"])["maintenances"][0].clone();
    assert_eq!(
        (&listed["source_id"], &listed["starts_at"], &listed["ends_at"]),
        (&"wrknext".into(), &START.into(), &END.into()),
        "{listed}"
    );
    assert_eq!((&listed["stage"], &listed["components"]), (&"scheduled".into(), &serde_json::json!(["API"])));
    scene.wait("the layer", |s| layers(s) == window(&earlier, &soon));

    scene.page.shows(|p| {
        p.works[0].ends_at = later.clone();
        p.works[1].starts_at = "2031-04-01T08:00:00.000Z".to_owned();
    });
    scene.wait("the moved window", |s| layers(s) == window(&earlier, &later));
    scene.wait("the moved start", |s| next(s) == Some(1_932_796_800.0));
    scene.daemon.kill9();
    scene.daemon.start();
    scene.reads(2);
    assert_eq!((layers(&scene), next(&scene)), (window(&earlier, &later), Some(1_932_796_800.0)));

    // One is done, the other is called off.
    scene.page.shows(|p| {
        p.works.truncate(1);
        p.works[0].stage = "completed".to_owned();
    });
    scene.wait("nothing to be announced", |s| next(s).is_none());
    assert_eq!(layers(&scene), window(&earlier, &later), "what was, was");
    let of = |id: &str| scene.daemon.cli_json(&["maintenance", id, "--versions"])["maintenances"][0].clone();
    let (done, gone) = (of("wrkone"), of("wrknext"));
    assert_eq!(
        (&done["stage"], &done["removed"], changed(&done)),
        (&"completed".into(), &false.into(), vec![vec![], vec!["ends_at".into()], vec!["stage".into()]])
    );
    assert_eq!((&gone["removed"], changed(&gone)[1].clone()), (&true.into(), vec!["starts_at".to_owned()]), "{gone}");
    assert!(scene.told().iter().all(|t| !t.contains("incident")), "{:?}", scene.told());
}

/// A filter that is narrowed and widened again takes the layer away and brings it back.
#[test]
fn the_layer_follows_the_filter() {
    let scene = Scene::started(1, QUICK);
    let (earlier, soon) = (hours(-1), hours(1));
    scene.page.shows(|p| p.works.push(work("wrkone", "in_progress", &earlier, &soon)));
    scene.wait("the layer", |s| layers(s).len() == 1);
    let filtered = |components: &str| {
        scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[source(&scene.page.url(), &format!("{QUICK}{components}"))]));
        crate::scene::reloaded(&scene.daemon);
    };
    filtered("components = [\"Console\"]\n");
    scene.wait("no layer", |s| layers(s).is_empty());
    filtered("");
    scene.wait("the layer again", |s| layers(s) == window(&earlier, &soon));
}

/// An engine that has no list of what is done: work that is gone before it began was called off.
#[test]
fn work_that_is_no_longer_listed_anywhere() {
    let mut scene = Scene::new(1, QUICK);
    let (earlier, soon) = (hours(-1), hours(1));
    scene.page.shows(|p| {
        p.engine = crate::harness::Engine::Incidentio;
        p.id = "01ZQ0TIDEWATER0PAGE0000001".to_owned();
        p.works = vec![
            work("01ZQ0TIDEWATER0WORK0000001", "in_progress", &earlier, &soon),
            work("01ZQ0TIDEWATER0WORK0000002", "scheduled", START, END),
        ];
    });
    scene.daemon.start();
    let next = |s: &Scene| s.series("vendord_maintenance_next_start_timestamp_seconds", &[("vendor", "tide")]);
    scene.wait("the next start", |s| next(s).is_some());
    scene.reads(2);
    scene.page.shows(|p| p.works.clear());
    scene.wait("nothing to be announced", |s| next(s).is_none());
    assert_eq!(layers(&scene), window(&earlier, &soon), "what was, was");
    let of = |id: &str| scene.daemon.cli_json(&["maintenance", id])["maintenances"][0].clone();
    let (done, gone) = (of("01ZQ0TIDEWATER0WORK0000001"), of("01ZQ0TIDEWATER0WORK0000002"));
    assert_eq!((&done["stage"], &done["removed"], &gone["removed"]), (&"completed".into(), &false.into(), &true.into()));
    assert_eq!(scene.daemon.cli_json(&["maintenance", "--open"])["maintenances"], serde_json::json!([]));
}
