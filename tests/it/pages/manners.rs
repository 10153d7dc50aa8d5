//! How pages are asked: seldom, once for all, conditionally, and not where they ask to be left alone.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::harness::{FakePage, INCIDENTS, Mode, Reply, SUMMARY, ms, wait_for};

#[test]
fn an_unchanged_page_costs_a_304_and_counts_as_read() {
    let mut scene = Scene::new(1, "interval = \"250ms\"\nstale_after = \"2s\"\n");
    let more = "[agent]\ncontact = \"https://quay.example/ops\"\n";
    scene.daemon.write_config(&config(&[receiver("ops", &scene.hook.url(), PATIENT), route("ops", ""), more.to_owned()]));
    scene.daemon.start();
    scene.declares(1.0);
    scene.wait("unchanged answers", |s| s.page.count(SUMMARY, 304) >= 8);
    // Three intervals are 750 ms here: a busy machine may be late with one read, and is not with the next.
    scene.wait("unchanged answers are reads", |s| s.series("vendord_source_state", &[("state", "ok")]) == Some(1.0));
    assert!(scene.series("vendord_source_not_modified_total", &[]).unwrap() >= 6.0);
    assert!(scene.page.count(SUMMARY, 200) <= 2, "once, and perhaps once more");
    assert_eq!(scene.told(), [] as [&str; 0]);
    let asked = scene.page.asked();
    assert!(asked.iter().all(|a| a.header("user-agent").is_some_and(|agent| agent.contains("https://quay.example/ops"))), "{asked:?}");
    let read = scene.daemon.cli_json(&["status"])["vendors"][0]["sources"][0]["last_success_at"].clone();
    scene.wait("a later read", |s| s.daemon.cli_json(&["status"])["vendors"][0]["sources"][0]["last_success_at"] != read);
}

#[test]
fn without_a_tag_the_same_body_is_unchanged() {
    let mut scene = Scene::new(1, QUICK);
    scene.page.untagged();
    scene.page.shows(|p| p.incidents.push(api_errors("incone")));
    scene.daemon.start();
    scene.tells(1, "firing", "incident.reported");
    scene.wait("unchanged answers", |s| s.series("vendord_source_not_modified_total", &[]) >= Some(5.0));
    assert_eq!((scene.page.count(SUMMARY, 304), scene.told().len()), (0, 1));
    assert_eq!(scene.incident("incone")["versions"], 1);
}

/// Several vendors use one page: one request, and each has its own filter, its own declared status and its own alerts.
#[test]
fn one_request_for_all_who_use_a_page() {
    let (page, hook, api) = (FakePage::start(), Receiver::start(), FakeVendor::start());
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let of = |components: &str| watched(1, &api, &[source(&page.url(), &format!("{QUICK}components = [{components}]\n"))]);
    let (all, first, second) = (of(""), of("\"API\""), of("\"Console\""));
    let mut daemon = Daemon::new(&main, &[("all", &all), ("first", &first), ("second", &second)]);
    daemon.start();
    ["all", "first", "second"].iter().for_each(|v| declares(&daemon, v, 1.0));
    page.shows(|p| {
        p.component("cmpapi", "major_outage");
        p.incidents.push(api_errors("incone"));
    });
    declares(&daemon, "all", 5.0);
    declares(&daemon, "first", 5.0);
    ["all", "first"].iter().for_each(|v| drop(tells(&daemon, &hook, v, 1, "firing", "incident.reported")));
    let (began, before) = (Instant::now(), page.asked_for(SUMMARY).len());
    reads(&daemon, "second", 5);
    let (took, asked) = (began.elapsed(), page.asked_for(SUMMARY).len() - before);
    assert!(asked as u32 <= took.as_millis() as u32 / 200 + 2, "{asked} requests in {took:?}");
    declares(&daemon, "second", 1.0);
    assert_eq!(told(&hook, "second"), [] as [&str; 0]);
    page.shows(|p| {
        p.component("cmpapi", "operational");
        p.incident("incone").post(T1, "resolved", "Over.");
    });
    ["all", "first"].iter().for_each(|v| drop(tells(&daemon, &hook, v, 1, "resolved", "incident.reported")));
    assert_eq!(daemon.cli_json(&["incidents", "--all"])["incidents"].as_array().unwrap().len(), 3, "each has its own");
}

/// How long nobody asks after an answer; at most `patience`.
fn silence(scene: &Scene, answers: Reply, patience: Duration) -> Duration {
    let page = &scene.page;
    // The past is asked for with the first look.
    scene.reads(2);
    let code = answers.mode.status();
    page.answers(answers);
    let place = wait_for("the answer", s(10), || page.asked().iter().position(|a| a.code == code));
    page.recovers();
    let next = || page.asked().get(place + 1).map(|next| next.at.duration_since(page.asked()[place].at));
    let began = Instant::now();
    wait_for("the next request", patience * 2, || next().or((began.elapsed() >= patience).then_some(patience)))
}

#[test]
fn f29_retry_after_is_obeyed_in_seconds_and_as_a_date() {
    let date = |at: SystemTime| {
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        jiff::Timestamp::from_second(seconds).unwrap().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    };
    std::thread::scope(|scope| {
        for code in [429, 503] {
            scope.spawn(move || {
                let scene = Scene::started(1, "interval = \"200ms\"\n");
                let waited = silence(&scene, Reply::from(code).header("Retry-After", "2").delay(ms(300)), s(5));
                assert!(waited >= ms(2_300) && waited < s(4), "{code}: 2 s from the end of the answer were asked for, it was {waited:?}");
                scene.declares(1.0);
            });
        }
        scope.spawn(|| {
            let scene = Scene::started(1, "interval = \"200ms\"\n");
            // A date has whole seconds, so that up to one of the three is lost.
            let waited = silence(&scene, Reply::from(429).header("Retry-After", &date(SystemTime::now() + s(4))), s(6));
            assert!(waited >= s(2) && waited < s(6), "until a date, it was {waited:?}");
        });
        // For ever, and nonsense.
        scope.spawn(|| {
            let scene = Scene::started(1, "interval = \"200ms\"\n");
            assert_eq!(silence(&scene, Reply::from(503).header("Retry-After", "99999999999999999999"), s(4)), s(4));
        });
        scope.spawn(|| {
            let scene = Scene::started(1, "interval = \"200ms\"\n");
            assert!(silence(&scene, Reply::from(503).header("Retry-After", "soon"), s(3)) < s(1));
        });
        // Whichever document says so.
        scope.spawn(|| {
            let mut scene = Scene::new(1, "interval = \"200ms\"\n");
            scene.page.answers_at(INCIDENTS, Reply::from(429).header("Retry-After", "2"));
            scene.daemon.start();
            let asked = wait_for("the history and what follows", s(10), || {
                let asked = scene.page.asked();
                let place = asked.iter().position(|a| a.code == Some(429))?;
                Some((asked[place].at, asked.get(place + 1)?.at))
            });
            assert!(asked.1.duration_since(asked.0) >= s(2), "{asked:?}");
        });
        // Also at first sight: it is asked at one address, and not at every other where a page could be.
        scope.spawn(|| {
            let mut scene = Scene::new(1, "interval = \"200ms\"\n");
            scene.page.answers(Reply::from(503).header("Retry-After", "2"));
            scene.daemon.start();
            let first = wait_for("the first request", s(5), || scene.page.asked().first().cloned());
            scene.page.recovers();
            scene.declares(1.0);
            let second = scene.page.asked()[1].at.duration_since(first.at);
            assert!(second >= s(2), "{second:?}");
        });
    });
}

#[test]
fn a_page_that_fails_is_asked_less_and_less_and_then_as_before() {
    let scene = Scene::started(1, "interval = \"200ms\"\n");
    scene.page.answers(500);
    let failed = |s: &Scene| s.page.asked().into_iter().filter(|a| a.code == Some(500)).collect::<Vec<_>>();
    scene.wait("failures", |s| failed(s).len() >= 6);
    let gaps: Vec<Duration> = failed(&scene).windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).collect();
    for (gap, least) in gaps.iter().zip([180, 370, 750, 1_500, 1_850]) {
        assert!(*gap >= ms(least), "{gaps:?}");
    }
    scene.page.recovers();
    scene.declares(1.0);
    let (began, before) = (Instant::now(), scene.page.asked_for(SUMMARY).len());
    scene.wait("more reads", |s| s.page.asked_for(SUMMARY).len() >= before + 5);
    assert!(began.elapsed() < s(3), "{:?}", began.elapsed());
}

#[test]
fn a_redirect_to_a_private_address_is_not_followed() {
    for host in ["127.0.0.2", "localhost", "[::1]", "10.0.0.1"] {
        let scene = Scene::started(1, QUICK);
        let to = format!("http://{host}:{}/elsewhere", scene.page.port());
        scene.page.answers(Mode::Redirect(to));
        scene.wait("the page to be down", |s| s.series("vendord_source_up", &[]) == Some(0.0));
        assert!(scene.daemon.metrics().sum("vendord_source_fetch_failures_total", &[("reason", "address_refused")]) > 0.0, "{host}");
        assert_eq!(scene.page.asked_for("/elsewhere").len(), 0, "{host}");
        let problem = scene.daemon.cli_json(&["status"])["vendors"][0]["sources"][0]["problem"].clone();
        assert!(problem.as_str().unwrap().contains("redirect"), "{problem}");
        scene.page.recovers();
        scene.wait("the page to be back", |s| s.series("vendord_source_up", &[]) == Some(1.0));
    }
}

/// On its own host a page may have moved.
#[test]
fn a_redirect_on_the_same_host_is_followed() {
    let scene = Scene::started(1, QUICK);
    let other = FakePage::start();
    other.shows(|p| p.component("cmpapi", "degraded_performance"));
    scene.page.answers_at(SUMMARY, Mode::Redirect(format!("{}{SUMMARY}", other.url())));
    scene.declares(3.0);
    assert_eq!(scene.told(), [] as [&str; 0]);
}

/// A 304 to a request that was not conditional says nothing.
#[test]
fn a_304_that_nobody_asked_for_is_no_read() {
    let scene = Scene::started(1, QUICK);
    scene.page.answers(500);
    scene.wait("the page to be down", |s| s.series("vendord_source_up", &[]) == Some(0.0));
    let asked = scene.page.asked().len();
    scene.page.answers(304);
    scene.wait("answers", |s| s.page.asked().len() > asked + 2);
    assert_eq!(scene.series("vendord_source_up", &[]), Some(0.0));
    scene.declares(0.0);
    scene.page.recovers();
    scene.declares(1.0);
}
