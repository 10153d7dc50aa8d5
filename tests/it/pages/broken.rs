//! F22: what comes instead of a page is never taken for a page, nor for the vendor being down, nor for good news.

use std::collections::BTreeSet;

use super::*;
use crate::harness::{INCIDENTS, Metrics, Mode, Reply, SUMMARY, Shim, wait_for};

/// What is served instead of every document, and whether that could be a page that went elsewhere.
fn troubles(page: &FakePage) -> Vec<(&'static str, Reply)> {
    let cut = page.document(SUMMARY);
    let large = [b"{\"page\":{\"id\":\"tidewater001\",\"name\":\"".as_slice(), &vec![b'x'; 11 << 20], b"\"}}"].concat();
    vec![
        ("html", Reply::ok().header("Content-Type", "text/html").body("<!doctype html><title>Just a moment</title><p>Are you human?")),
        ("error", Reply::from(500).body("{}")),
        ("empty", Reply::ok().body("")),
        ("object", Reply::ok().body("{}")),
        ("cut", Reply::ok().body(&cut[..cut.len() / 2])),
        ("bomb", Mode::GzipBomb.into()),
        ("large", Reply::ok().body(large)),
        ("hang", Mode::Hang.into()),
        ("slow", Mode::Loris { bytes_per_second: 20 }.into()),
        ("drop", Mode::Drop.into()),
    ]
}

/// Of one vendor, by metrics.
struct Seen<'m>(&'m Metrics, &'m str);

impl Seen<'_> {
    fn is(&self, name: &str, labels: &[(&str, &str)], value: f64) -> bool {
        let labels: Vec<_> = labels.iter().copied().chain([("vendor", self.1)]).collect();
        self.0.get(name, &labels) == Some(value)
    }

    fn open(&self, n: f64) -> bool {
        self.is("vendord_incidents_open", &[("impact", "major")], n)
    }

    fn measured_up(&self) -> bool {
        self.is("vendord_vendor_measured_level", &[], 1.0)
    }

    fn blind(&self) -> bool {
        let broken =
            self.is("vendord_source_state", &[("state", "broken")], 1.0) && self.is("vendord_source_state", &[("state", "ok")], 0.0);
        broken && self.is("vendord_source_up", &[], 0.0) && self.is("vendord_vendor_declared_level", &[], 0.0)
    }
}

#[test]
fn f22_whatever_comes_instead_of_a_page() {
    let (hook, api) = (Receiver::start(), FakeVendor::start());
    // Two pages of each kind of trouble: one with nothing open, one with an incident.
    let mut pages: Vec<(String, FakePage, Reply, bool)> = Vec::new();
    for (name, trouble) in troubles(&FakePage::start()) {
        for open in [false, true] {
            let page = FakePage::start();
            page.shows(|p| p.incidents.extend(open.then(|| api_errors("incone"))));
            pages.push((format!("{name}-{}", if open { "open" } else { "calm" }), page, trouble.clone(), open));
        }
    }
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let more = "interval = \"500ms\"\ntimeout = \"400ms\"\nstale_after = \"2s\"\n";
    let files: Vec<(String, String)> =
        pages.iter().map(|(name, page, ..)| (name.clone(), watched(1, &api, &[source(&page.url(), more)]))).collect();
    let mut daemon = Daemon::new(&main, &files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>());
    daemon.start();
    let level = |open: bool| if open { 4.0 } else { 1.0 };
    let all = |what: &str, fact: &dyn Fn(&Seen, bool) -> bool| {
        daemon.wait_for(what, s(20), |d| {
            let now = d.metrics();
            pages.iter().all(|(name, _, _, open)| fact(&Seen(&now, name), *open)).then_some(())
        });
    };
    all("every page to be read", &|v, open| {
        v.is("vendord_vendor_declared_level", &[], level(open)) && v.is("vendord_source_up", &[], 1.0) && v.measured_up()
    });

    pages.iter().for_each(|(_, page, trouble, _)| page.answers(trouble.clone()));
    all("every page to be unknown", &|v, _| v.blind());
    let odd: BTreeSet<String> = wait_for("every blind spot to be told", s(15), || {
        let now = daemon.metrics();
        for (name, _, _, open) in &pages {
            let seen = Seen(&now, name);
            assert!(seen.blind(), "{name}: blind is not green");
            assert!(seen.open(f64::from(u8::from(*open))) && seen.measured_up(), "{name}");
        }
        let stale: BTreeSet<String> =
            hook.accepted().iter().filter(|(_, a)| a["rule"] == "source.stale").map(|(_, a)| a["vendor"].to_string()).collect();
        (stale.len() == pages.len())
            .then(|| pages.iter().map(|(n, ..)| n.clone()).filter(|n| told(&hook, n).iter().any(|t| t.contains("drifted"))).collect())
    });
    let want = ["html", "empty", "object", "cut"].iter().flat_map(|t| [format!("{t}-calm"), format!("{t}-open")]);
    assert_eq!(odd, want.collect(), "what is no page at all is a drift too");
    let status = daemon.cli_json(&["status"]);
    for vendor in status["vendors"].as_array().unwrap() {
        let name = vendor["vendor"].as_str().unwrap();
        let page = &vendor["sources"][0];
        assert_eq!((&vendor["measured"], &vendor["declared"]), (&"up".into(), &"unknown".into()), "{vendor}");
        assert_eq!((&page["state"], &page["overall"]), (&"broken".into(), &"unknown".into()), "{vendor}");
        assert!(page["problem"].as_str().is_some_and(|why| !why.is_empty()), "{vendor}");
        assert_eq!(vendor["open_incidents"].as_array().unwrap().len(), usize::from(name.ends_with("open")), "{vendor}");
    }

    pages.iter().for_each(|(_, page, ..)| page.recovers());
    all("every page to be read again", &|v, open| {
        v.is("vendord_vendor_declared_level", &[], level(open))
            && v.is("vendord_source_up", &[], 1.0)
            && v.is("vendord_source_state", &[("state", "ok")], 1.0)
    });
    for (_, page, _, open) in &pages {
        page.shows(|p| p.incidents.iter_mut().filter(|_| *open).for_each(|i| i.post(T1, "resolved", "It works again.")));
    }
    all("every vendor to be well", &|v, _| v.is("vendord_vendor_declared_level", &[], 1.0));
    daemon.wait_for("everything to be told", s(15), |d| {
        (d.metric("vendord_deliveries_pending", &[]) == Some(0.0) && hook.out_of_turn().is_empty()).then_some(())
    });
    for (name, _, _, open) in &pages {
        let words: Vec<String> = told(&hook, name).into_iter().filter(|t| !t.contains("drifted")).collect();
        let calm = ["firing source.stale", "resolved source.stale"];
        let all = ["firing incident.reported", calm[0], calm[1], "resolved incident.reported"];
        assert_eq!(words, if *open { all.to_vec() } else { calm.to_vec() }, "{name}");
    }
}

/// The list of what is over cannot be read while something leaves the summary: nobody says that it is over.
#[test]
fn f22_an_incident_does_not_end_because_the_history_is_broken() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.page.answers_at(INCIDENTS, Reply::ok().header("Content-Type", "text/html").body("<html><title>Just a moment</title>"));
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "It works again."));
    let before = scene.page.asked_for(INCIDENTS).len();
    scene.wait("the history to be asked for again", |s| s.page.asked_for(INCIDENTS).len() > before + 1);
    assert_eq!(scene.series("vendord_incidents_open", &[("impact", "major")]), Some(1.0));
    assert_eq!(scene.told(), ["firing incident.reported"]);
    // What else the page says counts at once.
    scene.page.shows(|p| {
        p.component("cmpapi", "major_outage");
        p.incidents.push(Declared::new("inctwo", "Console errors", "minor", T1, &["cmpconsole"]));
    });
    scene.declares(5.0);
    scene.tells(2, "firing", "incident.reported");
    assert_eq!(scene.series("vendord_incidents_open", &[("impact", "major")]), Some(1.0));
    scene.page.recovers();
    let resolved = scene.tells(1, "resolved", "incident.reported");
    assert_eq!(resolved["resolved_at"], T1);
}

/// The list of what is over lags behind the summary, as behind a cache: the end is told when it is known.
#[test]
fn a_history_that_lags_behind_delays_an_end_by_as_much() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.reads(2);
    scene.page.answers_at(INCIDENTS, Reply::ok().body(scene.page.document(INCIDENTS)));
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "It works again."));
    let before = scene.page.asked_for(INCIDENTS).len();
    scene.wait("the history to be asked for", |s| s.page.asked_for(INCIDENTS).len() > before);
    scene.reads(1);
    assert_eq!(scene.told(), ["firing incident.reported"], "it is open, says the history");
    scene.page.recovers();
    assert_eq!(scene.tells(1, "resolved", "incident.reported")["resolved_at"], T1);
}

/// The list of what is over lags behind at first sight: nothing is reported that the page does not list as open.
#[test]
fn a_history_that_lags_behind_opens_nothing() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.page.answers_at(INCIDENTS, Reply::ok().body(scene.page.document(INCIDENTS)));
    scene.page.shows(|p| p.incident("incone").post(T1, "resolved", "It works again."));
    scene.daemon.start();
    scene.declares(1.0);
    scene.reads(2);
    assert!(scene.page.count(INCIDENTS, 200) > 0);
    scene.daemon.kill9();
    scene.page.recovers();
    scene.daemon.start();
    scene.wait("the history", |s| s.daemon.cli_json(&["incidents"])["incidents"].as_array().unwrap().len() == 1);
    assert_eq!(scene.incident("incone")["resolved_at"], T1);
    assert_eq!(scene.told(), [] as [&str; 0]);
}

#[test]
fn a_page_that_was_never_read_is_told() {
    let mut scene = Scene::new(1, "interval = \"250ms\"\nstale_after = \"1s\"\n");
    scene.page.refuse();
    scene.daemon.start();
    let stale = scene.tells(1, "firing", "source.stale");
    assert!(stale["evidence"].to_string().contains("never read"), "{stale}");
    assert_eq!(scene.series("vendord_vendor_declared_level", &[]), Some(0.0));
    scene.page.listen();
    scene.tells(1, "resolved", "source.stale");
    scene.declares(1.0);
    assert_eq!(scene.told(), ["firing source.stale", "resolved source.stale"]);
}

/// The machine slept, or its clock was set: nobody looked, which is not the page's fault.
#[test]
fn time_in_which_nobody_looked_is_no_blind_spot() {
    let Some(shim) = Shim::new("vendord.db") else { return };
    let mut scene = Scene::new(1, QUICK).under(&shim);
    scene.daemon.start();
    scene.declares(1.0);
    for step in [|shim: &Shim| shim.suspend(3_600_000), |shim: &Shim| shim.step_wall(3_600_000), |shim: &Shim| shim.step_wall(-3_600_000)] {
        step(&shim);
        scene.reads(4);
        scene.declares(1.0);
        assert_eq!(scene.told(), [] as [&str; 0]);
    }
    // What was read an hour hence, by the clock before, is not believed for an hour.
    scene.page.answers(500);
    scene.wait("the page to be down", |s| s.series("vendord_source_up", &[]) == Some(0.0));
    shim.step_wall(-3_600_000);
    scene.declares(0.0);
}

#[test]
fn components_that_leave_a_page_at_once_are_missed() {
    let mut scene = Scene::new(1, QUICK);
    let many = |n: usize| (0..n).map(|i| (format!("cmpmore{i:05}"), format!("Part {i}"), "operational".to_owned())).collect::<Vec<_>>();
    scene.page.shows(|shown| shown.components = many(6));
    scene.daemon.start();
    scene.declares(1.0);
    scene.page.shows(|shown| shown.components = many(5));
    scene.reads(2);
    assert!(!scene.told().iter().any(|told| told.contains("source.drifted")), "a single one comes and goes");
    scene.page.shows(|shown| shown.components = many(2));
    let drifted = scene.tells(1, "firing", "source.drifted");
    assert!(drifted["summary"].as_str().is_some_and(|text| text.contains("3 of 5 components left the page at once: Part 2")), "{drifted}");
    scene.page.shows(|shown| shown.components = many(6));
    scene.tells(1, "resolved", "source.drifted");
}
