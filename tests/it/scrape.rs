//! `/metrics` as a scraper sees it: promtool finds nothing to mend, and both formats say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::harness::{Daemon, FakeVendor, Metrics, Page, Receiver, get_with, s, skip};
use crate::scene::{PATIENT, TWICE, check, config, count, receiver, reloaded, route, vendor};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A daemon with a series of every family: two vendors, failures, dead and pending deliveries, odd names.
fn busy() -> (Daemon, [FakeVendor; 1], [Receiver; 2]) {
    let (api, refuses, accepts) = (FakeVendor::start(), Receiver::start(), Receiver::start());
    refuses.set(400);
    let receivers = [receiver("refuses", &refuses.url(), TWICE), receiver("accepts", &accepts.url(), PATIENT)].concat();
    let main = config(&[receivers, route("refuses", "continue = true"), route("accepts", "")]);
    let odd = format!("name = 'A \"quoted\" \\ name'\ncategory = \"odd\"\n{}", vendor(2, &[check("b", &api.url("/b"), "")]));
    let page = "[[status_pages]]\nurl = \"https://status.example\"\n".to_owned();
    let acme = vendor(1, &[check("a", &api.url("/a"), ""), check("c", &api.url("/c"), ""), page]);
    let mut daemon = Daemon::new(&main, &[("acme", &acme), ("odd", &odd)]);
    api.set("/a", 500);
    daemon.start();
    daemon.wait_for("the alert", s(15), |_| (count(&accepts, "firing", "delivery.failing") == 1).then_some(()));
    daemon.wait_for("all checks ran", s(15), |d| (d.metrics().sum("vendord_check_runs_total", &[]) >= 6.0).then_some(()));
    (daemon, [api], [refuses, accepts])
}

fn scrape(daemon: &Daemon, headers: &[(&str, &str)]) -> Page {
    let page = get_with(daemon.port, "/metrics", headers).unwrap();
    assert_eq!(page.status, 200);
    page
}

/// What `promtool check metrics` says; `None` without promtool.
fn promtool(page: &str) -> Option<String> {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).into_owned() + if output.status.success() { "" } else { "(failed)" })
}

#[test]
fn promtool_finds_nothing_to_mend() {
    let (daemon, _api, _hooks) = busy();
    let page = scrape(&daemon, &[]);
    assert_eq!(page.header("content-type"), Some(TEXT));
    match promtool(&page.text()) {
        Some(said) => assert_eq!(said, "", "{}", page.text()),
        None => skip("promtool check metrics", "there is no promtool on PATH; the package `prometheus` has it"),
    }
}

/// Family -> (type, samples by name and labels), strictly: what is announced comes before its samples, once, in one block.
fn families(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut all: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF"] => {}
            ["#", "HELP", name, _] => {
                name.clone_into(&mut current);
                assert!(all.insert(current.clone(), Default::default()).is_none(), "{name} comes twice");
            }
            ["#", "TYPE", name, kind] => {
                assert_eq!(name, current, "{line}");
                kind.clone_into(&mut all.get_mut(name).unwrap().0);
            }
            _ => {
                let family = all.get_mut(&current).unwrap_or_else(|| panic!("a sample without a family: {line}"));
                let series = line.rsplit_once(' ').unwrap().0;
                let name = series.split('{').next().unwrap();
                let suffixes = ["", "_total", "_bucket", "_sum", "_count"];
                assert!(suffixes.iter().any(|suffix| name == format!("{current}{suffix}")), "{line} stands in {current}");
                assert!(family.1.insert(series.to_owned()), "{series} comes twice");
            }
        }
    }
    all
}

#[test]
fn both_formats_say_the_same() {
    let (daemon, _api, _hooks) = busy();
    let text = scrape(&daemon, &[]).text();
    let page = scrape(&daemon, &[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")]);
    assert_eq!(page.header("content-type"), Some(OPEN_METRICS));
    let open = page.text();
    assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
    assert!(!open.contains("\n\n") && !text.contains("\n\n") && !text.contains("# EOF"));

    let (text, open) = (families(&text), families(&open));
    assert!(text.len() > 35, "{:?}", text.keys());
    for (family, (kind, samples)) in &text {
        let named =
            if kind == "counter" { family.strip_suffix("_total").unwrap_or_else(|| panic!("{family} has no _total")) } else { family };
        let other = open.get(named).unwrap_or_else(|| panic!("{named} is not in OpenMetrics"));
        assert_eq!(&other.0, kind, "{family}");
        // Requests for this page count themselves.
        if !family.starts_with("vendord_http_") {
            assert_eq!(&other.1, samples, "{family}");
        }
        assert!(!samples.is_empty() && ["counter", "gauge", "histogram"].contains(&kind.as_str()), "{family} {kind}");
    }
    for (family, (kind, samples)) in open {
        let all_total = samples.iter().all(|series| series.split('{').next().unwrap().ends_with("_total"));
        assert_eq!(kind == "counter", all_total, "{family}");
        assert!(kind != "counter" || !family.ends_with("_total"), "{family}");
    }
}

#[test]
fn gzip_is_the_same_page_packed() {
    let (daemon, _api, _hooks) = busy();
    let page = scrape(&daemon, &[("Accept-Encoding", "gzip")]);
    assert_eq!(page.header("content-encoding"), Some("gzip"));
    assert!(page.header("vary").is_some_and(|vary| vary.contains("Accept-Encoding")), "{:?}", page.headers);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&page.body[..]).read_to_string(&mut text).unwrap();
    let plain = scrape(&daemon, &[("Accept-Encoding", "identity")]);
    assert_eq!(plain.header("content-encoding"), None);
    let names = |text: &str| Metrics::parse(text).0.into_keys().collect::<BTreeSet<_>>();
    assert!(names(&text).is_superset(&names(&plain.text())) || names(&plain.text()).is_superset(&names(&text)));
    assert!(page.body.len() * 3 < text.len(), "{} of {}", page.body.len(), text.len());
    let refused = scrape(&daemon, &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!(refused.header("content-encoding"), None, "q=0 is a refusal");
    let odd = Metrics::parse(&text);
    assert!(odd.get("vendord_vendor_info", &[("vendor_name", "A \"quoted\" \\ name")]).is_some());
}

/// `VendordChecksStalled` multiplies the interval: without it, nobody is late who does not have to look.
#[test]
fn a_paused_check_has_no_interval() {
    const INTERVAL: &str = "vendord_check_interval_seconds";
    const LAST_RUN: &str = "vendord_check_last_run_timestamp_seconds";
    let api = FakeVendor::start();
    let file = |more: &str| vendor(1, &[check("a", &api.url("/a"), more), check("b", &api.url("/b"), "")]);
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &file(""))]);
    daemon.start();
    daemon.wait_for("both ran", s(10), |d| (d.metrics().0.get(LAST_RUN)?.len() == 2).then_some(()));
    assert_eq!(daemon.metric(INTERVAL, &[("check", "a")]), Some(0.5));
    daemon.write_vendor("acme", &file("enabled = false\n"));
    reloaded(&daemon);
    daemon.wait_for("it is paused", s(10), |d| d.metric(INTERVAL, &[("check", "a")]).is_none().then_some(()));
    assert_eq!(daemon.metric(INTERVAL, &[("check", "b")]), Some(0.5));
    assert!(daemon.metric(LAST_RUN, &[("check", "a")]).is_some(), "it did run once");
}
