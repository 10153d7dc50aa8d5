//! Pages come and go with the configuration.

use super::*;
use crate::harness::Mode;
use crate::scene::reloaded;

#[test]
fn a_page_that_is_taken_out_leaves_nothing_behind() {
    let mut scene = Scene::new(1, &format!("{QUICK}components = [\"API\", \"Cranes\"]\n"));
    scene.page.shows(|p| {
        p.incidents.push(api_errors("incone"));
        p.works.push(crate::harness::Work {
            id: "wrkone".to_owned(),
            title: "Work".to_owned(),
            stage: "scheduled".to_owned(),
            starts_at: "2031-04-01T06:00:00.000Z".to_owned(),
            ends_at: "2031-04-01T09:00:00.000Z".to_owned(),
            touches: vec!["cmpapi".to_owned()],
        });
    });
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.tells(1, "firing", "source.drifted");
    let with_page = watched(1, &scene.api, &[source(&scene.page.url(), QUICK)]);
    scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[]));
    reloaded(&scene.daemon);
    scene.tells(1, "resolved", "incident.reported");
    scene.tells(1, "resolved", "source.drifted");
    let now = scene.daemon.metrics();
    let left: Vec<&String> = now
        .0
        .keys()
        .filter(|name| {
            name.starts_with("vendord_source_") && !name.ends_with("_total")
                || name.starts_with("vendord_incident")
                || name.contains("declared")
                || name.contains("maintenance_next")
        })
        .filter(|name| now.series(name, &[("vendor", "tide")]).next().is_some_and(|s| s.value != 0.0))
        .collect();
    assert_eq!(left, [] as [&str; 0]);
    let status = scene.daemon.cli_json(&["status"])["vendors"][0].clone();
    assert_eq!(
        (&status["declared"], &status["sources"], &status["open_incidents"]),
        (&Value::Null, &serde_json::json!([]), &serde_json::json!([]))
    );
    let asked = scene.page.asked().len();
    let looks = scene.api.hits("/a");
    scene.wait("the check to be looked at", |s| s.api.hits("/a") > looks + 1);
    assert!(scene.page.asked().len() <= asked + 1, "nobody asks for it any more");

    // And it comes back: what is still open is told again, as another episode.
    scene.daemon.write_vendor("tide", &with_page);
    reloaded(&scene.daemon);
    scene.tells(2, "firing", "incident.reported");
    scene.declares(4.0);
    assert_eq!(scene.incident("incone")["versions"], 1);
    // While nobody runs.
    scene.daemon.kill9();
    scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[]));
    scene.daemon.start();
    scene.tells(2, "resolved", "incident.reported");
    assert_eq!(scene.hook.out_of_turn(), []);
}

/// A reload that changes nothing tells nothing; another filter tells what is ours now, and ends what is not.
#[test]
fn what_a_reload_tells_of_pages() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    let first = scene.tells(1, "firing", "incident.reported");
    let filtered = |components: &str| {
        scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[source(&scene.page.url(), &format!("{QUICK}{components}"))]));
        reloaded(&scene.daemon);
    };
    filtered("");
    filtered("");
    scene.reads(2);
    assert_eq!(scene.told(), ["firing incident.reported"]);
    filtered("components = [\"Console\"]\n");
    assert_eq!(scene.tells(1, "resolved", "incident.reported")["id"], first["id"]);
    scene.declares(1.0);
    assert_eq!(scene.daemon.cli_json(&["status"])["vendors"][0]["open_incidents"], serde_json::json!([]));
    filtered("components = [\"API\"]\n");
    scene.tells(2, "firing", "incident.reported");
    scene.declares(4.0);
    scene.daemon.remove_vendor("tide");
    scene.daemon.write_vendor("ebb", &watched(1, &scene.api, &[]));
    reloaded(&scene.daemon);
    scene.tells(2, "resolved", "incident.reported");
}

/// Somebody joins a page while it is being read: it has the answer too.
#[test]
fn a_vendor_that_joins_a_page_that_is_being_read_is_told_what_it_says() {
    let scene = Scene::started(1, QUICK);
    let before = scene.page.asked().len();
    let body = scene.page.document(crate::harness::SUMMARY);
    scene.page.answers_at(crate::harness::SUMMARY, crate::harness::Reply::ok().body(body).delay(s(1)));
    scene.wait("a read to be under way", |s| s.page.asked().len() > before + 1);
    scene.daemon.write_vendor("ebb", &watched(1, &scene.api, &[source(&scene.page.url(), QUICK)]));
    reloaded(&scene.daemon);
    scene.page.recovers();
    declares(&scene.daemon, "ebb", 1.0);
}

/// The address of a page is changed while the old one is being read: what the old one says is of another page.
#[test]
fn an_answer_of_the_old_address_is_not_of_the_new_one() {
    let scene = Scene::started(1, QUICK);
    let other = FakePage::start();
    other.shows(|p| {
        p.id = "quarrymail01".to_owned();
        p.name = "Quarry Mail".to_owned();
        p.components.iter_mut().for_each(|c| (c.0, c.2) = (format!("quarry{}", c.0), "degraded_performance".to_owned()));
    });
    other.answers(Mode::Drop);
    scene.page.shows(|p| p.component("cmpapi", "major_outage"));
    let before = scene.page.asked().len();
    let body = scene.page.document(crate::harness::SUMMARY);
    scene.page.answers_at(crate::harness::SUMMARY, crate::harness::Reply::ok().body(body).delay(s(1)));
    scene.wait("a read to be under way", |s| s.page.asked().len() > before + 1);
    scene.daemon.write_vendor("tide", &watched(1, &scene.api, &[source(&other.url(), QUICK)]));
    reloaded(&scene.daemon);
    // By then the old one has answered.
    scene.wait("the new address to be asked", |_| other.asked().len() > 3);
    other.recovers();
    scene.declares(3.0);
    assert_eq!(scene.told(), [] as [&str; 0]);
}

#[test]
fn once_reads_the_pages() {
    let scene = Scene::new(1, "interval = \"30s\"\n");
    scene.page.shows(|p| {
        p.component("cmpapi", "partial_outage");
        p.incidents.extend([api_errors("incone"), Declared::new("incpast", "Slow API", "critical", T0, &[]).resolved(T1)]);
    });
    let printed = scene.daemon.cli(&["run", "--once"]);
    assert_eq!(printed.code(), Some(1), "{printed:?}");
    assert!(printed.out.contains("partial_outage"), "{printed:?}");
    assert_eq!(scene.told(), ["firing incident.reported"]);
    assert_eq!(scene.incident("incpast")["imported"], true);
    scene.page.shows(|p| {
        p.component("cmpapi", "operational");
        p.incident("incone").post(T1, "resolved", "Over.");
    });
    assert_eq!(scene.daemon.cli(&["run", "--once"]).code(), Some(0));
    assert_eq!(scene.told(), ["firing incident.reported", "resolved incident.reported"]);
    // A page that cannot be read does not hold it up.
    scene.page.answers(500);
    let began = std::time::Instant::now();
    assert_eq!(scene.daemon.cli(&["run", "--once"]).code(), Some(0), "what was read seconds ago is believed for three intervals");
    assert!(began.elapsed() < s(10));
}
