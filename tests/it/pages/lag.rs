//! Their word against our clock: outages meet incidents.

use super::*;
use crate::harness::{Mode, Reply};

/// RFC 3339, as a vendor would stamp what it posts now.
fn now() -> String {
    vendord::clock::now().to_string()
}

fn outage(scene: &Scene) -> Value {
    scene.daemon.cli_json(&["outages"])["outages"][0].clone()
}

#[test]
fn an_outage_tells_when_its_vendor_posted_and_how_late() {
    let mut scene = Scene::started(1, QUICK);
    scene.api.set("/a", Mode::Status(503));
    scene.tells(1, "firing", "vendor.down");
    let before = outage(&scene);
    assert_eq!((&before["class"], &before["incident"], &before["acknowledgement_lag_seconds"]), (&Value::Null, &Value::Null, &Value::Null));
    assert!(scene.daemon.cli(&["explain", "tide"]).out.contains("posted by the vendor: not yet, after "), "nobody said anything");

    let posted = now();
    let mut theirs = Declared::new("incone", "API errors", "major", &posted, &["cmpapi"]);
    scene.page.shows(|p| p.incidents.push(theirs.clone()));
    scene.tells(1, "firing", "incident.reported");
    let open = outage(&scene);
    assert_eq!((&open["class"], &open["first_vendor_post_at"]), (&"acknowledged".into(), &posted.as_str().into()), "{open}");
    assert_eq!(open["incident"], scene.incident("incone")["id"]);
    let lag = open["acknowledgement_lag_seconds"].as_f64().expect("a lag");
    assert!(lag > 0.0 && lag < 60.0, "{open}");

    scene.api.set("/a", Reply::ok());
    scene.tells(1, "resolved", "vendor.down");
    theirs.post(&now(), "resolved", "It works again.");
    scene.page.shows(|p| p.incidents = vec![theirs]);
    scene.tells(1, "resolved", "incident.reported");
    let over = outage(&scene);
    assert_eq!((&over["class"], &over["incident"]), (&"acknowledged".into(), &open["incident"]), "{over}");
    let csv = scene.daemon.cli(&["outages", "--output", "csv"]).out;
    assert!(csv.lines().nth(1).is_some_and(|row| row.contains(",acknowledged,")), "{csv}");
    // Figures of the past are made at the start, and every minute.
    scene.daemon.term();
    scene.daemon.start();
    scene.wait("the metric has it", |s| {
        s.series("vendord_vendor_acknowledgement_lag_seconds", &[("vendor", "tide")]).is_some_and(|seconds| (seconds - lag).abs() < 0.001)
    });
}
