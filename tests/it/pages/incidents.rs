//! The life of an incident: reported, edited, over; with everything that vendors do to it.

use super::*;
use crate::harness::{INCIDENTS, MAINTENANCES};

#[test]
fn an_incident_is_reported_edited_and_over() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| {
        p.component("cmpapi", "partial_outage");
        p.incidents.push(api_errors("incone"));
    });
    let firing = scene.tells(1, "firing", "incident.reported");
    assert_eq!(
        (&firing["severity"], &firing["since"], &firing["declared"]),
        (&"critical".into(), &T0.into(), &"partial_outage".into()),
        "{firing}"
    );
    assert_eq!((&firing["measured"], &firing["blame"]), (&"up".into(), &"vendor".into()), "{firing}");
    assert!(firing["summary"].as_str().unwrap().contains("API errors"), "{firing}");
    scene.declares(4.0);
    let status = scene.daemon.cli_json(&["status"])["vendors"][0].clone();
    let listed = scene.incident("incone");
    assert_eq!((&status["open_incidents"], &firing["subject"]), (&serde_json::json!([listed["id"]]), &listed["id"]));
    assert_eq!(
        (&listed["imported"], &listed["concerns"], &listed["components"]),
        (&false.into(), &true.into(), &serde_json::json!(["API"]))
    );

    let mut versions = 1;
    let mut edit = |change: &dyn Fn(&mut Declared)| {
        scene.page.shows(|p| change(p.incident("incone")));
        versions += 1;
        let updated = scene.tells(versions - 1, "updated", "incident.reported");
        assert_eq!(updated["id"], firing["id"], "the same alert: {updated}");
        updated
    };
    let next = edit(&|i| i.post(T1, "identified", "A cable was cut."));
    assert!(next["evidence"].to_string().contains("A cable was cut."), "{next}");
    let lowered = edit(&|i| i.impact = "minor".to_owned());
    assert_eq!((&lowered["severity"], lowered["summary"].as_str().unwrap().contains("minor")), (&"warning".into(), true), "{lowered}");
    let dated_back = edit(&|i| i.started_at = "2026-03-02T07:30:00.000Z".to_owned());
    assert_eq!(dated_back["since"], "2026-03-02T07:30:00.000Z");
    edit(&|i| i.updates[1].2 = "A cable was moved.".to_owned());
    edit(&|i| i.title = "Slow answers".to_owned());

    scene.page.shows(|p| {
        p.component("cmpapi", "operational");
        p.incident("incone").post(T2, "resolved", "It works again.");
    });
    let resolved = scene.tells(1, "resolved", "incident.reported");
    assert_eq!(
        (&resolved["id"], &resolved["resolved_at"], &resolved["state"]),
        (&firing["id"], &T2.into(), &"resolved".into()),
        "{resolved}"
    );
    scene.declares(1.0);
    let words = scene.told();
    assert_eq!((words.first().unwrap().as_str(), words.len()), ("firing incident.reported", versions + 1), "{words:?}");
    assert_eq!(scene.hook.out_of_turn(), []);

    let update = format!("update {T1}");
    let want: Vec<Vec<&str>> = vec![vec![], vec!["stage", &update], vec!["impact"], vec!["started_at"], vec![&update], vec!["title"]];
    let life = scene.incident("incone");
    let seen = changed(&life);
    assert_eq!(seen[..6], want[..], "{life}");
    assert!(seen[6].contains(&"resolved_at".to_owned()) && seen[6].contains(&"stage".to_owned()), "{life}");
    let silent = &life["history"][4]["changes"][0];
    assert_eq!((&silent["before"]["body"], &silent["after"]["body"]), (&"A cable was cut.".into(), &"A cable was moved.".into()));
    assert_eq!((&life["resolved_at"], &life["inferred_end"], &life["removed"]), (&T2.into(), &false.into(), &false.into()));
}

#[test]
fn severity_follows_impact_and_tier_and_what_is_not_ours_is_quiet() {
    for (tier, grave, mild) in [(1, "critical", "warning"), (3, "warning", "info")] {
        let scene = Scene::started(tier, &format!("{QUICK}components = [\"API\"]\n"));
        scene.page.shows(|p| {
            p.incidents = vec![
                Declared::new("incnone", "A notice", "none", T0, &["cmpapi"]),
                Declared::new("incother", "Console errors", "critical", T0, &["cmpconsole"]),
                Declared::new("incminor", "Slow API", "minor", T0, &["cmpapi"]),
                Declared::new("incmajor", "API errors", "major", T0, &["cmpapi", "cmpconsole"]),
                Declared::new("incpage", "All is slow", "critical", T0, &[]),
                Declared::new("incodd", "Who knows", "weird", T0, &["cmpapi"]),
            ];
        });
        scene.tells(4, "firing", "incident.reported");
        scene.reads(2);
        let mut seen: Vec<(String, String)> = alerts(&scene.hook, "tide")
            .into_iter()
            .filter(|(_, alert)| alert["rule"] == "incident.reported")
            .map(|(event, alert)| {
                (
                    format!("{event} {}", alert["summary"].as_str().unwrap().split(" (").next().unwrap()),
                    alert["severity"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        seen.sort();
        let want = [("API errors", grave), ("All is slow", grave), ("Slow API", mild), ("Who knows", mild)];
        let want = want.map(|(title, severity)| (format!("firing tide reports: {title}"), severity.to_owned()));
        assert_eq!(seen, want);
        let now = scene.daemon.metrics();
        let open = ["none", "minor", "major", "critical"].map(|impact| now.get("vendord_incidents_open", &[("impact", impact)]).unwrap());
        assert_eq!(open, [1.0, 2.0, 1.0, 1.0], "unstated counts as minor, and the other component not at all");
        let page = scene.daemon.cli_json(&["incidents", "incpage"])["incidents"][0]["scope"].clone();
        assert_eq!(page, "page");
        let concerns = |all: &[&str]| scene.daemon.cli_json(&[&["incidents"], all].concat())["incidents"].as_array().unwrap().len();
        assert_eq!((concerns(&[]), concerns(&["--all"])), (5, 6));
    }
}

#[test]
fn an_edit_makes_an_incident_ours_and_not_ours_again() {
    let scene = Scene::started(1, &format!("{QUICK}components = [\"API\"]\n"));
    scene.page.shows(|p| p.incidents.push(Declared::new("incone", "Errors", "none", T0, &["cmpconsole"])));
    scene.wait("the incident to be known", |s| s.daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().len() == 1);
    scene.page.shows(|p| p.incident("incone").impact = "minor".to_owned());
    scene.reads(2);
    assert_eq!(scene.told(), [] as [&str; 0]);
    scene.page.shows(|p| p.incident("incone").touches.push("cmpapi".to_owned()));
    let first = scene.tells(1, "firing", "incident.reported");
    scene.page.shows(|p| p.incident("incone").impact = "none".to_owned());
    assert_eq!(scene.tells(1, "resolved", "incident.reported")["id"], first["id"]);
    scene.declares(1.0);
    scene.page.shows(|p| p.incident("incone").impact = "critical".to_owned());
    assert_ne!(scene.tells(2, "firing", "incident.reported")["id"], first["id"], "another episode");
    scene.page.shows(|p| p.incident("incone").touches = vec!["cmpconsole".to_owned()]);
    scene.tells(2, "resolved", "incident.reported");
    scene.declares(1.0);
}

#[test]
fn a_deleted_incident_is_over_kept_and_said_to_be_taken_back() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    let firing = scene.tells(1, "firing", "incident.reported");
    scene.page.shows(|p| p.incidents.clear());
    let resolved = scene.tells(1, "resolved", "incident.reported");
    assert_eq!(resolved["id"], firing["id"]);
    assert!(resolved["summary"].as_str().unwrap().contains("took it back"), "{resolved}");
    scene.declares(1.0);
    let kept = scene.incident("incone");
    assert_eq!((&kept["removed"], &kept["inferred_end"], &kept["title"]), (&true.into(), &true.into(), &"API errors".into()));
    assert!(changed(&kept)[1].contains(&"listed".to_owned()), "{kept}");
    assert_eq!(scene.daemon.cli_json(&["incidents", "--open"])["incidents"], serde_json::json!([]));
    // And listed again, just as before.
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.tells(2, "firing", "incident.reported");
    let again = scene.incident("incone");
    assert_eq!((&again["removed"], &again["inferred_end"], &again["id"]), (&false.into(), &false.into(), &kept["id"]));
}

#[test]
fn an_incident_that_came_and_went_between_two_reads_is_kept_and_not_alerted() {
    let mut scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.tells(1, "firing", "incident.reported");
    // With the end of one the history is read, which has another that nobody saw open.
    scene.page.shows(|p| {
        p.incident("incone").post(T1, "resolved", "Over.");
        p.incidents.push(Declared::new("incshort", "Blink", "critical", T1, &["cmpapi"]).resolved(T2));
    });
    scene.tells(1, "resolved", "incident.reported");
    let short = scene.incident("incshort");
    assert_eq!((&short["imported"], &short["resolved_at"], &short["versions"]), (&false.into(), &T2.into(), &1.into()));
    // And one that is over when the daemon is back.
    scene.daemon.kill9();
    scene.page.shows(|p| p.incidents.push(Declared::new("incoff", "Unseen", "critical", T2, &["cmpapi"]).resolved(T3)));
    scene.daemon.start();
    scene.wait("the history", |s| s.daemon.cli_json(&["incidents"])["incidents"].as_array().unwrap().len() == 3);
    scene.reads(1);
    assert_eq!(scene.told(), ["firing incident.reported", "resolved incident.reported"]);
}

#[test]
fn an_open_incident_outlives_a_kill() {
    let mut scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    let firing = scene.tells(1, "firing", "incident.reported");
    scene.daemon.kill9();
    scene.daemon.start();
    scene.reads(2);
    assert_eq!(scene.told(), ["firing incident.reported"], "told once");
    assert_eq!(scene.series("vendord_incidents_open", &[("impact", "major")]), Some(1.0));
    // Edited, then over, while nobody looks.
    scene.daemon.kill9();
    scene.page.shows(|p| p.incident("incone").post(T1, "monitoring", "Better."));
    scene.daemon.start();
    assert_eq!(scene.tells(1, "updated", "incident.reported")["id"], firing["id"]);
    scene.daemon.kill9();
    scene.page.shows(|p| p.incident("incone").post(T2, "resolved", "Over."));
    scene.daemon.start();
    let resolved = scene.tells(1, "resolved", "incident.reported");
    assert_eq!((&resolved["id"], &resolved["resolved_at"]), (&firing["id"], &T2.into()));
    assert_eq!(scene.told().len(), 3, "{:?}", scene.told());
    assert_eq!(changed(&scene.incident("incone")).len(), 3);
    assert_eq!(scene.daemon.cli(&["store", "verify"]).code(), Some(0));
}

/// Resolved before the start that was stated: both are the vendor's, the earlier one counts.
#[test]
fn an_end_before_the_stated_start_is_the_vendors_end() {
    let scene = Scene::started(1, QUICK);
    scene.page.shows(|p| p.incidents.push(Declared::new("incone", "Odd", "minor", T2, &[])));
    scene.tells(1, "firing", "incident.reported");
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "It was over before."));
    let resolved = scene.tells(1, "resolved", "incident.reported");
    let kept = scene.incident("incone");
    assert_eq!((&kept["started_at"], &kept["resolved_at"]), (&T1.into(), &T1.into()), "{kept}");
    assert_eq!((&resolved["since"], &resolved["resolved_at"]), (&T1.into(), &T1.into()), "{resolved}");
    assert!(scene.page.count(INCIDENTS, 200) > 0);
}

/// A page that has no list of what is over: what it no longer lists is over, seen then.
#[test]
fn without_a_history_absence_is_the_end() {
    let mut scene = Scene::new(1, QUICK);
    [INCIDENTS, MAINTENANCES].iter().for_each(|path| scene.page.answers_at(path, 404));
    scene.page.shows(|p| p.incidents = vec![api_errors("incone"), Declared::new("inctwo", "Slow", "minor", T0, &[])]);
    scene.daemon.start();
    scene.tells(2, "firing", "incident.reported");
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "Over."));
    let resolved = scene.tells(1, "resolved", "incident.reported");
    assert!(resolved["summary"].as_str().unwrap().contains("no longer lists it"), "{resolved}");
    let kept = scene.incident("incone");
    assert_eq!((&kept["inferred_end"], &kept["removed"]), (&true.into(), &false.into()), "{kept}");
    scene.reads(2);
    assert_eq!(scene.told().len(), 3, "{:?}", scene.told());
}
