//! A page that is another one than it was: of another engine, or of somebody else.

use super::*;
use crate::harness::{Engine, FEED, Reply, SUMMARY};

/// The page as incident.io would print it: other ids, no groups.
fn moves(page: &FakePage, keeps_open: bool) {
    page.shows(|p| {
        p.engine = Engine::Incidentio;
        p.id = "01ZQ0TIDEWATER0PAGE0000001".to_owned();
        for (n, c) in p.components.iter_mut().enumerate() {
            c.0 = format!("01ZQ0TIDEWATER0COMP000000{n}");
        }
        p.incidents.retain(|_| keeps_open);
        for i in &mut p.incidents {
            i.id = format!("01ZQ0TIDEWATER0{:0>11}", i.id.to_uppercase());
            i.touches.clear();
        }
    });
}

#[test]
fn a_page_moves_to_another_engine_with_what_is_open() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.extend([api_errors("incone"), Declared::new("incold", "Older", "minor", T0, &[]).resolved(T1)]));
    scene.daemon.start();
    let firing = scene.tells(1, "firing", "incident.reported");
    scene.reads(2);
    moves(&scene.page, true);
    let moved = scene.tells(1, "firing", "source.moved");
    assert!(moved["summary"].as_str().unwrap().contains("from statuspage to incidentio"), "{moved}");
    let updated = scene.tells(1, "updated", "incident.reported");
    assert_eq!(updated["id"], firing["id"], "the same incident");
    assert_eq!(scene.series("vendord_source_up", &[("format", "incidentio")]), Some(1.0));
    scene.reads(3);
    let all = scene.daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().clone();
    assert_eq!(all.len(), 2, "nothing came twice: {all:?}");
    scene.page.shows(|p| p.incidents.iter_mut().filter(|i| i.resolved_at.is_none()).for_each(|i| i.post(T2, "resolved", "Over.")));
    assert_eq!(scene.tells(1, "resolved", "incident.reported")["resolved_at"], T2);
    assert_eq!(scene.told().len(), 4, "{:?}", scene.told());
}

#[test]
fn an_incident_that_is_not_on_the_new_engine_is_not_over() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.reads(2);
    moves(&scene.page, false);
    scene.tells(1, "firing", "source.moved");
    scene.reads(4);
    assert_eq!(scene.series("vendord_incidents_open", &[("impact", "major")]), Some(1.0));
    scene.declares(4.0);
    assert_eq!(scene.told(), ["firing incident.reported", "firing source.moved"]);
    assert_eq!(scene.incident("incone")["resolved_at"], Value::Null);
}

#[test]
fn a_page_that_moves_with_nothing_open_stays_operational() {
    let scene = Scene::started(2, QUICK);
    moves(&scene.page, true);
    let moved = scene.tells(1, "firing", "source.moved");
    assert_eq!(moved["severity"], "info");
    scene.reads(3);
    scene.declares(1.0);
    assert_eq!(scene.told(), ["firing source.moved"]);
}

#[test]
fn the_page_of_somebody_else_says_nothing() {
    for open in [false, true] {
        let mut scene = Scene::new(1, "interval = \"250ms\"\nstale_after = \"2s\"\n");
        scene.page.shows(|p| p.incidents.extend(open.then(|| api_errors("incone"))));
        scene.daemon.start();
        scene.declares(if open { 4.0 } else { 1.0 });
        scene.page.shows(|p| {
            p.id = "quarrymail01".to_owned();
            p.name = "Quarry Mail".to_owned();
            p.components.iter_mut().for_each(|c| c.0 = format!("quarry{}", c.0));
            p.incidents = vec![Declared::new("quarryinc", "Mail is late", "critical", T0, &[])];
        });
        let moved = scene.tells(1, "firing", "source.moved");
        assert!(moved["summary"].as_str().unwrap().contains("Quarry Mail"), "{moved}");
        scene.declares(0.0);
        // Read again and again, unchanged: it does not become ours.
        for _ in 0..3 {
            scene.reads(1);
            assert_eq!(scene.series("vendord_source_up", &[]), Some(0.0));
            assert_eq!(scene.series("vendord_source_state", &[("state", "broken")]), Some(1.0));
            assert_eq!(scene.series("vendord_vendor_declared_level", &[]), Some(0.0));
            assert_eq!(scene.series("vendord_incidents_open", &[("impact", "major")]), Some(f64::from(u8::from(open))));
        }
        scene.tells(1, "firing", "source.stale");
        scene.page.shows(|p| {
            p.id = "tidewater001".to_owned();
            p.name = "Tidewater".to_owned();
            p.components.iter_mut().for_each(|c| c.0 = c.0.replace("quarry", ""));
            p.incidents = open.then(|| api_errors("incone")).into_iter().collect();
        });
        scene.tells(1, "resolved", "source.moved");
        scene.tells(1, "resolved", "source.stale");
        scene.declares(if open { 4.0 } else { 1.0 });
        assert_eq!(scene.told().iter().filter(|t| t.contains("incident.reported")).count(), usize::from(open));
        let all = scene.daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().len();
        assert_eq!(all, usize::from(open), "nothing of the other page was taken in");
    }
}

/// A format that was written is obeyed: the page is told to be of another one, and not read as that.
#[test]
fn a_page_of_another_format_than_is_written_is_not_read() {
    let scene = Scene::started(1, &format!("{QUICK}format = \"statuspage\"\n"));
    moves(&scene.page, true);
    let moved = scene.tells(1, "firing", "source.moved");
    assert!(moved["summary"].as_str().unwrap().contains("incidentio"), "{moved}");
    scene.declares(0.0);
    scene.reads(1);
    assert_eq!(scene.series("vendord_source_up", &[]), Some(0.0));
    scene.page.shows(|p| (p.engine, p.id) = (Engine::Statuspage, "tidewater001".to_owned()));
    scene.tells(1, "resolved", "source.moved");
    scene.declares(1.0);
}

#[test]
fn a_renamed_page_is_the_same_page() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| {
        p.name = "Tidewater Cloud".to_owned();
        p.component("cmpapi", "degraded_performance");
    });
    scene.declares(3.0);
    assert_eq!(scene.told(), [] as [&str; 0]);
}

/// A document that is gone for good has a feed to stand in for it, which says less; a hiccup is no reason to read that.
#[test]
fn a_feed_stands_in_for_a_document_that_is_gone() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.reads(2);
    scene.page.answers_at(SUMMARY, Reply::from(404));
    scene.wait("the page to be down", |s| s.series("vendord_source_up", &[]) == Some(0.0));
    scene.page.recovers();
    scene.wait("the page to be back", |s| s.series("vendord_source_up", &[("format", "statuspage")]) == Some(1.0));
    assert_eq!((scene.told(), scene.page.asked_for(FEED).len()), (vec!["firing incident.reported".to_owned()], 0));

    scene.page.answers_at(SUMMARY, Reply::ok().header("Content-Type", "text/html").body("<html><title>Gone</title>"));
    let moved = scene.tells(1, "firing", "source.moved");
    assert!(moved["summary"].as_str().unwrap().contains("from statuspage to rss"), "{moved}");
    scene.declares(3.0);
    let listed = scene.daemon.cli_json(&["incidents", "--all"])["incidents"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["impact"]), (1, &Value::Null), "the same incident: {listed}");

    scene.page.recovers();
    scene.daemon.kill9();
    scene.daemon.start();
    scene.wait("the better document", |s| s.series("vendord_source_up", &[("format", "statuspage")]) == Some(1.0));
    scene.declares(4.0);
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "It works again."));
    assert_eq!(scene.tells(1, "resolved", "incident.reported")["resolved_at"], T1);
    assert_eq!(scene.daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().len(), 1);
    assert_eq!(scene.told().iter().filter(|t| *t == "firing incident.reported").count(), 1);
}
