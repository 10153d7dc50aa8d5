//! Filters that match nothing, and words that nobody knows: unknown and told, never operational.

use super::*;
use crate::scene::reloaded;

#[test]
fn a_filter_that_matches_nothing_is_told_until_it_is_right() {
    let mut scene = Scene::new(1, &format!("{QUICK}components = [\"Cranes\"]\n"));
    scene.daemon.start();
    let drifted = scene.tells(1, "firing", "source.drifted");
    assert!(drifted["summary"].as_str().unwrap().contains("Cranes"), "{drifted}");
    scene.declares(0.0);
    assert_eq!(scene.series("vendord_source_up", &[]), Some(1.0), "it was read");
    assert_eq!(scene.daemon.cli_json(&["status"])["vendors"][0]["declared"], "unknown");
    scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[source(&scene.page.url(), &format!("{QUICK}components = [\"api\"]\n"))]));
    reloaded(&scene.daemon);
    scene.tells(1, "resolved", "source.drifted");
    scene.declares(1.0);
    assert_eq!(scene.told(), ["firing source.drifted", "resolved source.drifted"]);
}

#[test]
fn a_component_that_vanishes_is_told() {
    let scene = Scene::started(1, &format!("{QUICK}components = [\"API\", \"Console\"]\n"));
    scene.page.shows(|p| p.components.truncate(1));
    let drifted = scene.tells(1, "firing", "source.drifted");
    assert!(drifted["summary"].as_str().unwrap().contains("Console"), "{drifted}");
    scene.page.shows(|p| p.components.push(("cmpconsole".into(), "Console".into(), "operational".into())));
    scene.tells(1, "resolved", "source.drifted");
}

#[test]
fn words_that_are_not_known_are_unknown_and_told() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.component("cmpapi", "somewhat_wobbly"));
    let drifted = scene.tells(1, "firing", "source.drifted");
    assert!(drifted["evidence"].to_string().contains("somewhat_wobbly"), "{drifted}");
    scene.declares(0.0);
    // What is known to be bad counts all the same.
    scene.page.shows(|p| p.component("cmpconsole", "major_outage"));
    scene.declares(5.0);
    scene.page.shows(|p| {
        p.component("cmpapi", "operational");
        p.component("cmpconsole", "under_maintenance");
    });
    scene.declares(2.0);
    scene.tells(1, "resolved", "source.drifted");
}
