//! What is done with bytes that may be anything, by the name of the reader that gets them. The fuzzer and the tests run the
//! same: every format of status pages is a target by being in the list of formats.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use url::Url;
use vendord::config::{self, Env, Kinds};
use vendord::feeds::{self, Document, Format, Mapping, text};
use vendord::fetch::{RETRY_AFTER_MAX, retry_after};
use vendord::model::{Page, Timestamp};
use vendord::probes::{Workshop, readers};

use super::holds;
use super::meter::{Cost, measure};

type Target = (&'static str, fn(&[u8]));

/// Everything that is no format of a status page.
pub const OTHERS: &[Target] = &[
    ("detect", detect),
    ("text", clean),
    ("json", json),
    ("xml", xml),
    ("retry_after", waits),
    ("config", configuration),
    ("dns", dns),
    ("rdap", rdap),
];

/// The most that one input may cost, whatever it is.
pub const CPU_MAX: Duration = Duration::from_secs(1);
pub const BYTES_MAX: usize = 64 << 20;

/// A small input may cost no more than its part: what a large one of the kind would come to is found with a small one.
fn bytes_max(length: usize) -> usize {
    const FREE: usize = 4 << 20;
    const PER_BYTE: usize = 64;
    BYTES_MAX.min(FREE + PER_BYTE * length)
}

thread_local! {
    static WORST: Cell<Cost> = const { Cell::new(Cost { cpu: Duration::ZERO, bytes: 0 }) };
}

pub fn names() -> impl Iterator<Item = &'static str> {
    feeds::FORMATS.iter().map(|format| format.name).chain(OTHERS.iter().map(|(name, _)| *name))
}

/// Panics if anything is not as promised.
pub fn run(target: &str, data: &[u8]) {
    if let Some(format) = feeds::format(target) {
        return page(format, data);
    }
    let (_, body) = OTHERS.iter().find(|(name, _)| *name == target).unwrap_or_else(|| panic!("there is no target {target:?}"));
    body(data);
}

/// The worst of each that this thread saw.
pub fn worst() -> Cost {
    WORST.get()
}

/// `work` on an input of this length, within its budget.
#[track_caller]
pub fn within_budget<T>(length: usize, work: impl FnOnce() -> T) -> T {
    let (done, cost) = measure(work);
    let worst = WORST.get();
    WORST.set(Cost { cpu: worst.cpu.max(cost.cpu), bytes: worst.bytes.max(cost.bytes) });
    assert!(cost.bytes <= bytes_max(length), "{} bytes of memory for an input of {length}", cost.bytes);
    assert!(cost.cpu <= CPU_MAX, "{:?} for an input of {length} bytes", cost.cpu);
    done
}

fn page(format: &'static Format, data: &[u8]) {
    let mapping = mapping(format.name);
    let read = |url: Option<&Url>| feeds::read(&Document::new(url, None, data).mapped(mapping.as_ref()), Some(format));
    let first = within_budget(data.len(), || read(None));
    assert!(first == read(None), "read twice, it is not the same");
    match &first {
        Ok(page) => {
            assert_eq!(page.format, format.name);
            holds::page(format.name, page);
            turned_round(format, data);
        }
        Err(error) => holds::reason(format.name, error),
    }
    for document in format.live.iter().chain(format.history).take(3) {
        let url = feeds::place(&Url::parse("https://status.example/eu").expect("an address"), document);
        match read(url.as_ref()) {
            Ok(page) => holds::page(format.name, &page),
            Err(error) => holds::reason(format.name, &error),
        }
    }
}

/// Where documents have lists whose order means nothing.
const LISTS: &[&str] = &[
    "",
    "/components",
    "/incidents",
    "/scheduled_maintenances",
    "/ongoing_incidents",
    "/months",
    "/activeIncidents",
    "/activeMaintenances",
    "/included",
    "/data",
    "/systems",
    "/pinnedIssues",
    "/pages",
    "/result/status",
    "/result/incidents",
    "/result/maintenance/active",
    "/result/maintenance/upcoming",
    "/publicGroupList",
    "/maintenanceList",
    "/active_incidents",
    "/services",
    "/regionHealthReports",
    "/value",
    "/status",
    "/scheduled",
    "/archive",
    "/current",
    "/service_alerts",
    "/regions",
    "/maintenances",
    "/upcoming_maintenances",
    "/maintenanceWindows",
    "/notices",
    "/result",
    "/psp/monitors",
    "/data/current_status",
    "/data/active_incident_details",
];
/// And inside the entries of those.
const INNER_LISTS: &[&str] = &[
    "incident_updates",
    "updates",
    "messages",
    "unresolvedIssues",
    "notes",
    "services",
    "geographies",
    "serviceHealthReports",
    "issues",
    "posts",
    "systems",
    "event_log",
    "affected_products",
    "Incidents",
    "Maintenances",
    "IncidentImpacts",
    "IncidentEvents",
    "instanceKeys",
    "events",
    "entries",
    "incidentUpdates",
    "children",
    "alerts",
    "affectedServices",
    "incident_status_updates",
    "componentgroup_components",
];

/// Formats that have to be told where things are, are told: nearly everywhere.
fn mapping(format: &str) -> Option<Mapping> {
    let fields = match format {
        "generic_json" => [("components", "$..*"), ("component_name", "$..name"), ("incidents", "$..[*]"), ("incident_title", "$..*")],
        "generic_html" => [("components", "*"), ("component_name", "*"), ("incidents", "tr, li"), ("incident_title", "@class")],
        _ => return None,
    };
    Some(Mapping::new(format, fields, []).expect("it was written by us"))
}

/// The order in which a JSON document has its entries changes nothing.
fn turned_round(format: &'static Format, data: &[u8]) {
    let Ok(mut value) = serde_json::from_slice::<Value>(data) else { return };
    let read = |value: &Value| {
        let page = feeds::read(&Document::new(None, None, value.to_string().as_bytes()), Some(format));
        page.map(|page| {
            // Only so many of the unknown words are kept, and groups of components keep the order of the page.
            let mut page = Page { oddities: Default::default(), ..page };
            page.components.sort_by(|a, b| a.id.cmp(&b.id));
            page
        })
    };
    let before = read(&value);
    for list in LISTS {
        let Some(list) = value.pointer_mut(list).and_then(Value::as_array_mut) else { continue };
        list.reverse();
        for event in list.iter_mut() {
            for inner in INNER_LISTS {
                if let Some(inner) = event.get_mut(inner).and_then(Value::as_array_mut) {
                    inner.reverse();
                }
            }
        }
    }
    let after = read(&value);
    let [before, after] = [before, after].map(|page| format!("{page:#?}"));
    let differ = before.lines().zip(after.lines()).find(|(a, b)| a != b);
    assert!(before == after, "turned round, it is another page: {differ:?}");
}

fn detect(data: &[u8]) {
    let label = [None, None, Some("text/xml; charset=ISO-8859-1"), Some("x; charset=utf-16le"), Some("x;charset=\"gb18030\"")];
    let document = within_budget(data.len(), || Document::new(None, label[data.len() % label.len()], data));
    let found = within_budget(data.len(), || feeds::detect(&document)).map(|(format, why)| (format.name, why));
    assert!(found.is_none_or(|(_, why)| !why.is_empty()));
    let read = within_budget(data.len(), || feeds::read(&document, None));
    match &read {
        Ok(page) => {
            assert_eq!(Some(page.format), found.map(|(name, _)| name));
            holds::page("detect", page);
        }
        Err(error) => holds::reason("detect", error),
    }
}

fn clean(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let plain = within_budget(data.len(), || text::plain(&raw));
    for chars_max in [20, text::TITLE_CHARS, text::BODY_CHARS] {
        let (line, lines) = within_budget(data.len(), || (text::line(&plain, chars_max), text::lines(&plain, chars_max)));
        assert!(!line.text.contains('\n'));
        for clean in [line, lines] {
            holds::text("text", &clean.text, chars_max);
            assert!(!clean.cut || clean.text.ends_with(text::CUT_MARK.trim_start()));
            assert_eq!(text::lines(&clean.text, chars_max).text, clean.text, "clean is clean");
        }
    }
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
struct Sample {
    name: feeds::json::Text,
    flag: feeds::json::Lax<bool>,
    page: feeds::json::Lax<Part>,
    list: feeds::json::List<Part, 3>,
}

#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
struct Part {
    id: feeds::json::Text,
    at: feeds::json::Text,
}

fn json(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    let read = within_budget(data.len(), || feeds::json::read::<Sample>("sample", &raw));
    let strict = serde_json::from_str::<Value>(&raw);
    match read {
        Ok(sample) => {
            assert!(raw.trim_start().starts_with('{'));
            let list = sample.list.0.iter().flatten();
            list.chain(&sample.page.0).for_each(|part| assert!(part.at.instant().is_none_or(|at| !at.to_string().is_empty())));
            assert!(sample.list.0.is_none_or(|list| list.len() <= 4));
        }
        // A name twice is refused here, and it is the only thing that a strict reader takes.
        Err(error) => {
            holds::reason("json", &error);
            assert!(!strict.is_ok_and(|v| v.is_object()) || error.to_string().contains("duplicate field"), "{error}");
        }
    }
}

/// What stands behind the root is no part of a feed, and without the end of the root there is none.
fn xml(data: &[u8]) {
    let rss = feeds::format("rss").expect("it is in the list");
    let raw = String::from_utf8_lossy(data).into_owned();
    let read = |text: &str| feeds::read(&Document { url: None, text: text.into(), mapping: None }, Some(rss));
    let _ = within_budget(data.len(), || (rss.recognise)(&Document { url: None, text: raw.as_str().into(), mapping: None }));
    let first = within_budget(data.len(), || read(&raw));
    match first {
        Ok(page) => {
            holds::page("xml", &page);
            assert!(read(&format!("{raw}<item><title>more</title></item><!-- -->")) == Ok(page), "what follows the root was read");
            let end = raw.trim_end().len();
            let cut = raw[..end].rfind("</").unwrap_or(0);
            if raw.ends_with('>')
                && !raw[cut..end - 1].contains('>')
                && raw.matches("</rss").count() == 1
                && raw[cut..].starts_with("</rss")
            {
                assert!(read(&raw[..cut]).is_err(), "a feed without an end was read");
            }
        }
        Err(error) => holds::reason("xml", &error),
    }
}

fn waits(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    for now in [0, 784_111_717_000, i64::MAX, i64::MIN] {
        let now = Timestamp::from_millis(now);
        let wait = within_budget(data.len(), || retry_after(&raw, now));
        assert!(wait.is_none_or(|wait| wait <= RETRY_AFTER_MAX));
        assert_eq!(wait, retry_after(raw.trim(), now));
    }
}

/// What is shown of an answer is printable, and bounded.
fn dns(data: &[u8]) {
    let Some(answers) = within_budget(data.len(), || readers::dns(data)) else { return };
    assert!(answers.len() <= 1000);
    assert!(answers.iter().all(|text| text.chars().all(|c| matches!(c, ' '..='~'))), "{answers:?}");
    assert_eq!(readers::dns(data), Some(answers), "read twice, it is not the same");
}

fn rdap(data: &[u8]) {
    match within_budget(data.len(), || readers::rdap(data, "vendor.example")) {
        Ok(end) => assert_eq!(readers::rdap(data, "vendor.example"), Ok(end)),
        Err(why) => assert!(!why.is_empty() && why.chars().all(|c| !c.is_control()), "{why:?}"),
    }
}

thread_local! {
    static DESK: (tempfile::TempDir, Workshop) = (tempfile::tempdir().expect("a temporary directory"), Workshop::new());
}

/// As the main file, and as the file of a vendor.
fn configuration(data: &[u8]) {
    const MAIN: &[u8] = b"[store]\nurl = \"sqlite:fuzz.db\"\n";
    /// People write these files, and every line of one may be wrong: thousands of findings take a second to place.
    const LENGTH_MAX: usize = 16 << 10;
    let data = &data[..data.len().min(LENGTH_MAX)];
    DESK.with(|(directory, workshop)| {
        let (main, vendor) = (directory.path().join("vendord.toml"), directory.path().join("vendors/acme.toml"));
        std::fs::create_dir_all(vendor.parent().expect("a folder")).expect("the directory is ours");
        for (first, second) in [(MAIN, data), (data, b"")] {
            std::fs::write(&main, first).expect("the directory is ours");
            std::fs::write(&vendor, second).expect("the directory is ours");
            let load = || config::load_with(&main, workshop, Kinds::of_this_version(), &env(directory.path().into()));
            let loaded = within_budget(data.len(), load);
            assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
            let said = loaded.diagnostics.render(false);
            assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
            assert_eq!(said, load().diagnostics.render(false), "loaded twice, it is not the same");
        }
    });
}

fn env(current_dir: PathBuf) -> Env {
    Env { variable: Box::new(|name| (name == "SECRET").then(|| "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())), current_dir }
}
