//! What status pages say, from the page to the receiver: incidents and their edits, pages that cannot be believed, the
//! past that a page offers, and the manners of asking.

mod broken;
mod incidents;
mod lag;
mod manners;
mod moved;
mod past;
mod reload;
mod selection;
mod store;
mod told;
mod works;

use serde_json::Value;

use crate::harness::{Daemon, Declared, FakePage, FakeVendor, Receiver, Shim, s};
use crate::scene::{PATIENT, check, config, receiver, route, vendor};

/// Instants of incidents: nothing here depends on how long ago they were.
const T0: &str = "2026-03-02T08:00:00.000Z";
const T1: &str = "2026-03-02T08:20:00.000Z";
const T2: &str = "2026-03-02T08:40:00.000Z";
const T3: &str = "2026-03-02T09:00:00.000Z";

/// Fast enough for a test, and slow enough that three intervals outlast a busy machine.
const QUICK: &str = "interval = \"250ms\"\nstale_after = \"60s\"\n";

/// One vendor with one check, which is up, and one page.
struct Scene {
    daemon: Daemon,
    page: FakePage,
    hook: Receiver,
    api: FakeVendor,
}

impl Scene {
    fn new(tier: u8, more: &str) -> Scene {
        let (page, hook, api) = (FakePage::start(), Receiver::start(), FakeVendor::start());
        let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
        let daemon = Daemon::new(&main, &[("tide", &watched(tier, &api, &[source(&page.url(), more)]))]);
        Scene { daemon, page, hook, api }
    }

    /// Started, and read once.
    fn started(tier: u8, more: &str) -> Scene {
        let mut scene = Scene::new(tier, more);
        scene.daemon.start();
        scene.declares(1.0);
        scene
    }

    fn under(self, shim: &Shim) -> Scene {
        Scene { daemon: self.daemon.environment(shim.environment()), ..self }
    }

    #[track_caller]
    fn declares(&self, level: f64) {
        declares(&self.daemon, "tide", level);
    }

    /// Waits until this was told `n` times; the last such alert.
    #[track_caller]
    fn tells(&self, n: usize, event: &str, rule: &str) -> Value {
        tells(&self.daemon, &self.hook, "tide", n, event, rule)
    }

    /// Waits until the page was read `n` more times.
    #[track_caller]
    fn reads(&self, n: usize) {
        reads(&self.daemon, "tide", n);
    }

    fn told(&self) -> Vec<String> {
        told(&self.hook, "tide")
    }

    /// One incident with its versions, as `incidents ID --versions --json` shows it.
    #[track_caller]
    fn incident(&self, id: &str) -> Value {
        self.daemon.cli_json(&["incidents", id, "--versions"])["incidents"][0].clone()
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.daemon.metric(name, labels)
    }

    #[track_caller]
    fn wait(&self, what: &str, mut fact: impl FnMut(&Scene) -> bool) {
        self.daemon.wait_for(what, s(15), |_| fact(self).then_some(()));
    }
}

/// A vendor with a check that is up, and pages.
fn watched(tier: u8, api: &FakeVendor, pages: &[String]) -> String {
    format!("{}{}", vendor(tier, &[check("a", &api.url("/a"), "")]), pages.concat())
}

/// `[[status_pages]]`
fn source(url: &str, more: &str) -> String {
    format!("[[status_pages]]\nurl = \"{url}\"\n{more}\n")
}

fn api_errors(id: &str) -> Declared {
    Declared::new(id, "API errors", "major", T0, &["cmpapi"])
}

#[track_caller]
fn declares(daemon: &Daemon, vendor: &str, level: f64) {
    let now = |d: &Daemon| d.metric("vendord_vendor_declared_level", &[("vendor", vendor)]);
    daemon.wait_for(&format!("{vendor} declares {level}"), s(15), |d| (now(d) == Some(level)).then_some(()));
}

#[track_caller]
fn tells(daemon: &Daemon, hook: &Receiver, vendor: &str, n: usize, event: &str, rule: &str) -> Value {
    daemon.wait_for(&format!("{event} {rule} of {vendor}, number {n}; told was {:?}", told(hook, vendor)), s(15), |_| {
        let all = alerts(hook, vendor).into_iter().filter(|(e, alert)| e == event && alert["rule"] == rule);
        all.map(|(_, alert)| alert).nth(n - 1)
    })
}

/// (type without `alert.`, alert) of one vendor.
fn alerts(hook: &Receiver, vendor: &str) -> Vec<(String, Value)> {
    let of = hook.accepted().into_iter().filter(|(_, alert)| alert["vendor"] == vendor);
    of.map(|(event, alert)| (event.trim_start_matches("alert.").to_owned(), alert)).collect()
}

fn told(hook: &Receiver, vendor: &str) -> Vec<String> {
    alerts(hook, vendor).into_iter().map(|(event, alert)| format!("{event} {}", alert["rule"].as_str().unwrap_or_default())).collect()
}

/// Waits until the recorder has `n` more reads of the vendor's page behind it.
#[track_caller]
fn reads(daemon: &Daemon, vendor: &str, n: usize) {
    let fetches = |d: &Daemon| d.metrics().sum("vendord_source_fetches_total", &[("vendor", vendor)]);
    let before = fetches(daemon);
    // One more than wanted: the last one counted may not be written yet.
    daemon.wait_for("more reads", s(15), |d| (fetches(d) > before + n as f64).then_some(()));
}

/// The fields of the changes of each version.
fn changed(incident: &Value) -> Vec<Vec<String>> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let versions = incident["history"].as_array().cloned().unwrap_or_default();
    let fields = |v: &Value| v["changes"].as_array().into_iter().flatten().map(|c| text(&c["field"])).collect();
    versions.iter().map(fields).collect()
}
