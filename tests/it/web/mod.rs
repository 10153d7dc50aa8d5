//! The pages and their JSON: what people and scripts see of a vendor that is up, down, unknown, or says that it has trouble.

mod answers;
mod browser;
mod html;
mod many;
mod shown;

use crate::harness::{Daemon, Declared, FakePage, FakeVendor, Page, get_with, s};
use crate::scene::{check, config, vendor};

/// A title that tries every way out of a page.
const HOSTILE: &str = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{7*7}} &amp; \u{202e}flip";

/// Four vendors: `fine` is up, `broken` is down, `silent` was never looked at, `tide` declares an incident with a hostile title.
struct Scene {
    daemon: Daemon,
    page: FakePage,
    api: FakeVendor,
}

impl Scene {
    fn start(more: &str) -> Scene {
        let (page, api) = (FakePage::start(), FakeVendor::start());
        api.set("/broken", 500);
        let mut declared = Declared::new("inc1", HOSTILE, "major", "2026-03-02T08:00:00.000Z", &["cmpapi"]);
        declared.post("2026-03-02T08:20:00.000Z", "identified", "First line <b>bold</b>\njavascript:alert(3)");
        page.shows(|shown| {
            shown.incidents.push(declared);
            shown.component("cmpapi", "partial_outage");
        });
        // Three of these without a read make the page unknown: a browser beside it may keep a machine busy for a second.
        let source = format!("[[status_pages]]\nurl = \"{}\"\ninterval = \"2s\"\n", page.url());
        let named = |name: &str, rest: String| format!("name = '{name}'\ncategory = \"tests\"\nwebsite = \"javascript:alert(4)\"\n{rest}");
        let fine = named("Fine & Co", vendor(1, &[check("api", &api.url("/fine"), "")]));
        let broken = named("Broken <i>", vendor(1, &[check("api", &api.url("/broken"), "")]));
        let silent = named("Silent", vendor(2, &[check("api", &api.url("/silent"), "interval = \"1h\"\nenabled = false")]));
        let tide = named("Tidewater", vendor(2, &[check("api", &api.url("/tide"), ""), source]));
        let vendors = [("fine", fine), ("broken", broken), ("silent", silent), ("tide", tide)];
        let vendors: Vec<(&str, &str)> = vendors.iter().map(|(id, text)| (*id, text.as_str())).collect();
        let mut daemon = Daemon::new(&(config(&[]) + more), &vendors);
        daemon.start();
        let scene = Scene { daemon, page, api };
        scene.level("fine", 1.0);
        scene.level("broken", 5.0);
        scene.level("tide", 4.0);
        // That is what it declares; what we measure of it may come later.
        let measured = |d: &Daemon| d.metric("vendord_check_state_level", &[("vendor", "tide")]);
        scene.daemon.wait_for("a run of tide", s(20), |d| (measured(d) == Some(1.0)).then_some(()));
        scene
    }

    /// Waits until a vendor has this status.
    #[track_caller]
    fn level(&self, vendor: &str, level: f64) {
        let now = |d: &Daemon| d.metric("vendord_vendor_status_level", &[("vendor", vendor)]);
        self.daemon.wait_for(&format!("{vendor} at {level}"), s(20), |d| (now(d) == Some(level)).then_some(()));
    }

    fn get(&self, path: &str) -> Page {
        get_with(self.daemon.port, path, &[("Accept", "text/html")]).expect("the daemon answers")
    }

    /// A page that is well-formed and there.
    #[track_caller]
    fn page(&self, path: &str) -> String {
        let page = self.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}: {}", page.text());
        let problems = html::problems(&page.text());
        assert!(problems.is_empty(), "{path}: {problems:#?}");
        page.text()
    }

    /// Ids of what `incidents` or `outages` lists, newest first.
    fn ids(&self, list: &str) -> Vec<String> {
        let listed = self.daemon.cli_json(&[list]);
        let ids = listed[list].as_array().into_iter().flatten().filter_map(|one| one["id"].as_str().map(str::to_owned));
        ids.collect()
    }
}

/// What a person reads: without tags, spaces joined, escapes undone.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => (inside, text) = (false, text + " "),
            c if !inside => text.push(c),
            _ => {}
        }
    }
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.replace("&lt;", "<").replace("&gt;", ">").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&").replace("&amp;", "&")
}
