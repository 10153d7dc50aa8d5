//! F05 for pages: while the store refuses, what vendors declare waits, and nothing of it is lost.

use rustix::io::Errno;

use super::*;
use crate::evidence::assert_sound;
use crate::harness::{Call, Shim};

#[test]
fn f05_incidents_change_while_the_disk_is_full() {
    let Some(shim) = Shim::new("vendord.db") else { return };
    let mut scene = Scene::new(1, QUICK).under(&shim);
    scene.page.shows(|p| {
        p.incidents = vec![
            api_errors("inclong"),
            Declared::new("incend", "Ends", "minor", T0, &[]),
            Declared::new("incagain", "Again", "minor", T0, &[]).resolved(T1),
        ];
    });
    scene.daemon.start();
    scene.tells(2, "firing", "incident.reported");
    scene.wait("the past", |s| s.daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().len() == 3);

    shim.fail_nth(Call::Write, 1, Errno::NOSPC, true);
    scene.page.shows(|p| {
        p.incident("inclong").post(T1, "identified", "A cable.");
        p.incident("incend").post(T1, "resolved", "Over.");
        p.incidents.push(Declared::new("incnew", "New", "critical", T1, &[]));
        // Over before, and open again.
        let again = p.incident("incagain");
        (again.stage, again.resolved_at) = ("investigating".to_owned(), None);
    });
    scene.wait("the store to be down", |s| s.series("vendord_store_up", &[]) == Some(0.0));
    let asked = scene.page.asked_for(crate::harness::SUMMARY).len();
    scene.wait("more reads on a full disk", |s| s.page.asked_for(crate::harness::SUMMARY).len() > asked + 4);
    assert_eq!(scene.told().len(), 2, "what is told is stored: {:?}", scene.told());
    shim.heal();
    scene.tells(4, "firing", "incident.reported");
    scene.tells(1, "resolved", "incident.reported");
    scene.tells(1, "updated", "incident.reported");
    scene.wait("three that are open", |s| s.daemon.cli_json(&["incidents", "--open"])["incidents"].as_array().unwrap().len() == 3);
    assert_eq!(changed(&scene.incident("inclong")).len(), 2);
    assert!(scene.daemon.term().success());
    assert_sound(&scene.daemon);
}
