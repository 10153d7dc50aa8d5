//! First sight of a page takes in the past that it offers, once.

use super::*;
use crate::harness::{ARCHIVE, INCIDENTS, Reply};

fn entry(code: &str, impact: &str, day: u32) -> (String, String, String, u32) {
    (code.to_owned(), format!("Past {code}"), impact.to_owned(), day)
}

fn incidents(daemon: &Daemon) -> Vec<Value> {
    daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().clone()
}

#[test]
fn the_past_is_taken_in_once_marked_and_not_alerted() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| {
        p.incidents = vec![api_errors("incnow"), Declared::new("incpast", "Slow API", "critical", T0, &["cmpapi"]).resolved(T1)];
        p.archive = vec![
            vec![entry("incpast", "critical", 2), entry("arcone", "major", 1)],
            vec![entry("arctwo", "minor", 1), entry("arcwork", "maintenance", 1)],
        ];
    });
    scene.daemon.start();
    scene.wait("the past", |s| incidents(&s.daemon).len() == 4);
    scene.tells(1, "firing", "incident.reported");
    let asked: Vec<String> = scene.page.asked_for(ARCHIVE).into_iter().map(|a| a.target).collect();
    assert_eq!(asked, ["/history.json?page=1", "/history.json?page=2", "/history.json?page=3"], "until a document brings nothing");
    let imported = |all: &[Value]| -> Vec<(String, bool)> {
        let mut all: Vec<_> = all.iter().map(|i| (i["source_id"].as_str().unwrap().to_owned(), i["imported"] == true)).collect();
        all.sort();
        all
    };
    let want = [("arcone", true), ("arctwo", true), ("incnow", false), ("incpast", true)].map(|(id, past)| (id.to_owned(), past));
    assert_eq!(imported(&incidents(&scene.daemon)), want);
    assert_eq!(scene.daemon.cli_json(&["maintenance", "--all"])["maintenances"][0]["source_id"], "arcwork");
    // What the archive says in fewer words changes nothing that is known better.
    assert_eq!(scene.incident("incpast")["started_at"], T0);
    assert_eq!(scene.daemon.metrics().sum("vendord_incidents_opened_total", &[]), 1.0, "the past did not begin now");

    scene.daemon.kill9();
    scene.daemon.start();
    scene.reads(3);
    assert_eq!(imported(&incidents(&scene.daemon)), want);
    assert!(incidents(&scene.daemon).iter().all(|i| i["versions"] == 1));
    assert_eq!(scene.page.asked_for(ARCHIVE).len(), 3, "once");
    assert_eq!(scene.told(), ["firing incident.reported"]);
}

/// The past could not be read at first sight, and an end that is seen meanwhile brings its newest part: it is the past.
#[test]
fn a_past_that_comes_late_is_the_past_all_the_same() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| {
        p.incidents = vec![api_errors("incnow"), Declared::new("incpast", "Slow API", "critical", T0, &["cmpapi"]).resolved(T1)];
    });
    scene.page.answers_at(INCIDENTS, Reply::from(503));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.reads(1);
    assert_eq!(incidents(&scene.daemon).len(), 1);
    scene.page.recovers();
    scene.page.shows(|p| p.incident("incnow").post(T2, "resolved", "Over."));
    scene.tells(1, "resolved", "incident.reported");
    let flags: Vec<_> = incidents(&scene.daemon).iter().map(|i| (i["source_id"].clone(), i["imported"].clone())).collect();
    assert_eq!(flags.len(), 2);
    assert!(flags.contains(&("incpast".into(), true.into())), "{flags:?}");
    assert_eq!(scene.told(), ["firing incident.reported", "resolved incident.reported"]);
}
