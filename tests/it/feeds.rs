//! Status pages as vendors serve them: which format a document is of, and, against a corpus of captured pages where
//! there is one, that what is read is what stands in the file.
//!
//! The corpus is no part of the repository: `VENDORD_CORPUS` names a folder that has `feeds/FORMAT/FILE`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use url::Url;
use vendord::feeds::{self, Document, Unreadable};
use vendord::model::Page;
use vendord::model::page::{Impact, Status};

use crate::harness::skip;
use crate::hostile::holds;

/// Folders of the corpus that can be read.
const READ: &[&str] = &[
    "statuspage",
    "incidentio",
    "apple",
    "aws",
    "azuredevops",
    "betterstack",
    "cachet",
    "checkly",
    "cstate",
    "gatus",
    "gcp",
    "heroku",
    "instatus",
    "m365",
    "oraclecloud",
    "rootly",
    "salesforce",
    "slack",
    "statusio",
    "upptime",
    "uptimekuma",
    "vultr",
    "rss",
];
/// Formats of which nothing but its address tells a document.
const BY_ADDRESS: &[(&str, &str)] = &[("openstatus", "https://api.openstatus.dev/public/status/lamp")];
/// Those whose documents are as those of Statuspage.
const LIKE_STATUSPAGE: &[&str] = &["statuspage", "incidentio"];
/// A debug build on a busy machine; a release build needs a hundredth of it.
const TIME_MAX: Duration = Duration::from_secs(5);

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

fn read(body: &[u8]) -> Result<Page, Unreadable> {
    feeds::read(&Document::new(None, None, body), None)
}

fn address(format: &str) -> Option<Url> {
    BY_ADDRESS.iter().find(|(name, _)| *name == format).map(|(_, address)| Url::parse(address).expect("an address"))
}

#[test]
fn every_fixture_is_of_its_format_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds");
    let folders = std::fs::read_dir(&root).expect("fixtures").map(|entry| entry.expect("an entry").path());
    // What has to be told where things are is read in a test of its own.
    for folder in folders.filter(|path| path.is_dir() && !feeds::generic::is_told(&name(path))) {
        let format = name(&folder);
        for file in files(&folder) {
            let body = std::fs::read(&file).expect("a fixture");
            let address = address(&format);
            let document = Document::new(address.as_ref(), None, &body);
            let (label, page) = (format!("{format}/{}", name(&file)), feeds::read(&document, None));
            if name(&file).starts_with("refused-") {
                assert!(page.is_err(), "{label} was read");
                continue;
            }
            let page = page.unwrap_or_else(|e| panic!("{label}: {e}"));
            assert_eq!(page.format, format, "{label}");
            holds(&label, &page);
            let (detected, why) = feeds::detect(&document).expect("it was read");
            assert!(detected.name == format && !why.is_empty(), "{label}");
        }
    }
}

#[test]
fn damaged_pages_are_read_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds");
    for format in feeds::FORMATS.iter().map(|format| format.name) {
        for file in files(&root.join(format)) {
            let body = std::fs::read(&file).expect("a fixture");
            let label = format!("{format}/{} damaged", name(&file));
            for cut in (0..body.len()).step_by(97) {
                let _ = read(&body[..cut]);
            }
            let Ok(whole) = serde_json::from_slice::<Value>(&body) else { continue };
            let mut nodes = 0;
            count(&whole, &mut nodes);
            for node in 0..nodes {
                let other = [Value::Null, 7.into(), "".into(), "\u{202e}<a".into(), serde_json::json!([[]]), serde_json::json!({})];
                let mut damaged = whole.clone();
                replace(&mut damaged, &mut node.clone(), &other[node % other.len()]);
                if let Ok(page) = read(damaged.to_string().as_bytes()) {
                    holds(&label, &page);
                }
            }
        }
    }
}

fn count(value: &Value, nodes: &mut usize) {
    *nodes += 1;
    match value {
        Value::Array(list) => list.iter().for_each(|v| count(v, nodes)),
        Value::Object(map) => map.values().for_each(|v| count(v, nodes)),
        _ => {}
    }
}

/// Puts `other` in the place of the node number `at`.
fn replace(value: &mut Value, at: &mut usize, other: &Value) {
    if *at == 0 {
        *value = other.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| replace(v, at, other)),
        Value::Object(map) => map.values_mut().for_each(|v| replace(v, at, other)),
        _ => {}
    }
}

#[test]
fn captured_pages_say_what_stands_in_the_file() {
    let Some(corpus) = std::env::var_os("VENDORD_CORPUS") else {
        return skip("captured status pages", "VENDORD_CORPUS names no folder with feeds/");
    };
    for format in READ {
        let captured = files(&Path::new(&corpus).join("feeds").join(format));
        assert!(!captured.is_empty(), "no captured page of {format}");
        for file in captured.iter().filter(|file| file.extension().is_some_and(|e| e != "md")) {
            captured_page(format, file);
        }
    }
}

fn captured_page(format: &str, file: &Path) {
    let label = format!("{format}/{}", name(file));
    let body = std::fs::read(file).expect("a captured page");
    let began = Instant::now();
    let page = read(&body);
    assert!(began.elapsed() < TIME_MAX, "{label} took {:?}", began.elapsed());
    let raw: Option<Value> = serde_json::from_str(&Document::new(None, None, &body).text).ok();
    let Some(raw) = raw else {
        return captured_feed(&label, &body, page);
    };
    if !LIKE_STATUSPAGE.contains(&format) {
        return captured_document(format, &label, page, &raw);
    }
    let is_page = raw["page"]["id"].is_string() || raw["ongoing_incidents"].is_array();
    let page = match (page, is_page) {
        (Ok(page), true) => page,
        (Err(_), false) => return,
        (Ok(_), false) => panic!("{label} is no page and was read"),
        (Err(e), true) => panic!("{label}: {e}"),
    };
    assert_eq!(page.format, format, "{label}");
    holds(&label, &page);
    if raw["page"].is_object() {
        agrees(&label, &page, &raw);
    }
}

/// Feeds of entries: at least one of them is something.
fn captured_feed(label: &str, body: &[u8], page: Result<Page, Unreadable>) {
    let Ok(page) = page else { return };
    holds(label, &page);
    let text = String::from_utf8_lossy(body);
    let entries = ["<item>", "<item ", "<entry>", "<entry "].iter().map(|tag| text.matches(tag).count()).sum::<usize>();
    let found = page.incidents.len() + page.maintenances.len();
    assert!(found <= entries && (found > 0 || entries == 0), "{label}: {found} of {entries} entries");
}

// --- platforms of other shapes: what is counted in the file with few words ------------------------------------------

fn captured_document(format: &str, label: &str, page: Result<Page, Unreadable>, raw: &Value) {
    // A recorder's copy, without what the platform puts around it.
    if format == "statusio" && !raw["result"].is_object() {
        return assert!(page.is_err(), "{label} is no page and was read");
    }
    // The vendor's documentation, which shows a request and its answer.
    if let Some(answer) = raw.pointer("/responses/200/body") {
        assert!(page.is_err(), "{label} is no page and was read");
        return captured_document(format, label, read(answer.to_string().as_bytes()), answer);
    }
    let page = page.unwrap_or_else(|e| panic!("{label}: {e}"));
    assert_eq!(page.format, format, "{label}");
    holds(label, &page);
    let of = |pointer: &str| raw.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let inside = |pointer: &str, key: &str| of(pointer).iter().map(|v| list(v, key).len()).sum::<usize>();
    let included = |kind: &str, is: fn(&Value) -> bool| of("/included").iter().filter(|v| v["type"] == kind && is(v)).count();
    let is_work: fn(&Value) -> bool = |v| v["attributes"]["report_type"] == "maintenance";
    let issues: BTreeSet<String> = of("/systems").iter().flat_map(|v| list(v, "unresolvedIssues")).map(|v| text(&v["permalink"])).collect();
    let is_announced: fn(&&Value) -> bool = |v| text(&v["subject"]).contains("Scheduled Maintenance");
    let events: BTreeMap<String, bool> = of("/services")
        .iter()
        .flat_map(|v| list(v, "events"))
        .map(|v| (text(&v["messageId"]), v["statusType"] == "Maintenance" || v["eventStatus"] == "upcoming"))
        .collect();
    let alerts: Vec<&Value> =
        raw["regions"].as_object().into_iter().flatten().flat_map(|(_, v)| list(v, "alerts")).chain(of("/service_alerts")).collect();
    let want = match format {
        "apple" => (of("/services").len(), events.values().filter(|is| !**is).count(), events.values().filter(|is| **is).count()),
        "checkly" | "rootly" => (0, of("/incidents").len(), 0),
        "vultr" => {
            let regions = raw["regions"].as_object().map_or(0, serde_json::Map::len);
            let announced = alerts.iter().copied().filter(is_announced).count();
            (regions, alerts.len() - announced, announced)
        }
        "betterstack" => (
            included("status_page_resource", |_| true),
            included("status_report", |v| v["attributes"]["report_type"] != "maintenance"),
            included("status_report", is_work),
        ),
        "cachet" => (of("/data").len(), 0, 0),
        "cstate" => (of("/systems").len(), issues.len() + of("/pinnedIssues").len() + of("/pages").len(), 0),
        "gatus" | "upptime" => (of("").len(), 0, 0),
        "instatus" => (0, of("/activeIncidents").len(), of("/activeMaintenances").len()),
        "statusio" => (
            inside("/result/status", "containers"),
            of("/result/incidents").len(),
            of("/result/maintenance/active").len() + of("/result/maintenance/upcoming").len(),
        ),
        "uptimekuma" => {
            let beats = raw["heartbeatList"].as_object().map_or(0, serde_json::Map::len);
            (inside("/publicGroupList", "monitorList") + beats, usize::from(raw["incident"].is_object()), of("/maintenanceList").len())
        }
        _ => of_one_vendor(format, raw),
    };
    assert_eq!((page.components.len(), page.incidents.len(), page.maintenances.len()), want, "{label}");
    assert!(page.oddities.unknown_words.is_empty(), "{label}: {:?}", page.oddities.unknown_words);
}

/// Components, incidents and maintenances of a vendor with a format of its own.
fn of_one_vendor(format: &str, raw: &Value) -> (usize, usize, usize) {
    let is_open = |end: &Value| end.as_str().unwrap_or_default().is_empty();
    let whole = raw.as_array().map_or(std::slice::from_ref(raw), Vec::as_slice);
    let different = |texts: Vec<&Value>| texts.into_iter().map(Value::to_string).collect::<BTreeSet<_>>().len();
    match format {
        "aws" if raw.is_object() => {
            let is_over = |v: &Value| v["status"] == "0" || text(&v["summary"]).starts_with("[RESOLVED]");
            let open = list(raw, "current").iter().filter(|v| !is_over(v)).map(|v| &v["service"]).collect();
            (different(open), list(raw, "archive").len() + list(raw, "current").len(), 0)
        }
        "aws" => {
            let services: BTreeSet<&String> =
                whole.iter().filter_map(|v| v["impacted_services"].as_object()).flat_map(|map| map.keys()).collect();
            (services.len(), whole.len(), 0)
        }
        "azuredevops" => (list(raw, "services").iter().map(|v| list(v, "geographies").len()).sum(), 0, 0),
        "gcp" => {
            let open = || whole.iter().filter(|v| is_open(&v["end"]));
            let products: Vec<&Value> = open().flat_map(|v| list(v, "affected_products")).map(|v| &v["id"]).collect();
            let services = open().filter(|v| list(v, "affected_products").is_empty() && v["service_key"] != "zall");
            (different(products.into_iter().chain(services.map(|v| &v["service_key"])).collect()), whole.len(), 0)
        }
        "heroku" => (list(raw, "status").len(), list(raw, "incidents").len(), list(raw, "scheduled").len()),
        "m365" => {
            let (issues, services): (Vec<&Value>, Vec<&Value>) = list(raw, "value").iter().partition(|v| v["startDateTime"].is_string());
            (services.len(), issues.len() + services.iter().map(|v| list(v, "issues").len()).sum::<usize>(), 0)
        }
        "oraclecloud" => (list(raw, "regionHealthReports").iter().map(|v| list(v, "serviceHealthReports").len()).sum(), 0, 0),
        "salesforce" => {
            let ids = |key: &str| different(whole.iter().flat_map(|v| list(v, key)).map(|v| &v["id"]).collect());
            (whole.len(), ids("Incidents"), ids("Maintenances"))
        }
        "slack" => {
            let services = different(list(raw, "active_incidents").iter().flat_map(|v| list(v, "services")).collect());
            let events = if raw.is_array() { whole } else { list(raw, "active_incidents") };
            let work = events.iter().filter(|v| v["type"] == "maintenance").count();
            (services, events.len() - work, work)
        }
        _ => panic!("{format} is in no list of this test"),
    }
}

// --- Statuspage and its like: the facts once more, straight from the file -------------------------------------------

fn agrees(label: &str, page: &Page, raw: &Value) {
    let leaves: Vec<&Value> = list(raw, "components").iter().filter(|c| c["group"] != Value::Bool(true)).collect();
    let names = |id: &Value| list(raw, "components").iter().find(|c| c["id"] == *id).map(|c| c["name"].clone());
    let want: BTreeMap<_, _> = leaves.iter().map(|c| (text(&c["id"]), status(&c["status"]))).collect();
    let got: BTreeMap<_, _> = page.components.iter().map(|c| (c.id.clone(), c.status)).collect();
    assert_eq!(got, want, "{label}");
    for c in &page.components {
        let leaf = leaves.iter().find(|leaf| leaf["id"] == c.id).expect("compared above");
        assert_eq!(c.group, names(&leaf["group_id"]).map(|group| line(&group)), "{label}: {}", c.id);
        assert_eq!(c.name, line(&leaf["name"]), "{label}");
    }
    assert_eq!(page.carries.components, raw["components"].is_array(), "{label}");
    if !leaves.is_empty() {
        assert_eq!(page.overall, verdict(&want.values().copied().collect::<Vec<_>>(), raw), "{label}");
    }
    incidents_agree(label, page, list(raw, "incidents"));
    let want: BTreeMap<_, _> = list(raw, "scheduled_maintenances").iter().map(|m| (text(&m["id"]), text(&m["status"]))).collect();
    let got: BTreeMap<_, _> = page.maintenances.iter().map(|m| (m.id.clone(), m.stage.map_or("", |s| s.as_str()).to_owned())).collect();
    assert_eq!(got, want, "{label}");
}

fn incidents_agree(label: &str, page: &Page, raw: &[Value]) {
    assert_eq!(page.incidents.len(), raw.len(), "{label}");
    for i in &page.incidents {
        let raw = raw.iter().find(|r| r["id"] == i.id).unwrap_or_else(|| panic!("{label}: {} is not in the file", i.id));
        let impact = if raw["impact"] == "maintenance" { Some(Impact::None) } else { Impact::parse(&text(&raw["impact"])) };
        assert_eq!((i.impact, i.stage.map(|s| s.as_str())), (impact, raw["status"].as_str()), "{label}: {}", i.id);
        assert_eq!(i.resolved_at.is_some(), raw["resolved_at"].is_string() || raw["status"] == "resolved", "{label}: {}", i.id);
        assert_eq!(i.updates.len(), list(raw, "incident_updates").len(), "{label}: {}", i.id);
        let named = list(raw, "components").iter().map(|c| line(&c["name"])).collect::<BTreeSet<_>>();
        let touched = i.touches.iter().map(|t| t.name.clone()).collect::<BTreeSet<_>>();
        assert!(named.is_empty() || touched == named, "{label}: {}: {touched:?}", i.id);
        let affected = list(raw, "incident_updates").iter().any(|u| !list(u, "affected_components").is_empty());
        assert_eq!(touched.is_empty(), named.is_empty() && !affected, "{label}: {}", i.id);
    }
}

/// The worst leaf; the whole page is down only if all of it is. An indicator that knows of worse counts where incidents
/// name no components.
fn verdict(leaves: &[Status], raw: &Value) -> Status {
    let known = || leaves.iter().copied().filter(|s| s.is_known());
    let worst = known().max().unwrap_or(Status::Unknown);
    let rolled = if worst == Status::MajorOutage && known().min() != Some(worst) { Status::PartialOutage } else { worst };
    let by_word = match raw["status"]["indicator"].as_str() {
        Some("minor") => Status::Degraded,
        Some("major") => Status::PartialOutage,
        Some("critical") => Status::MajorOutage,
        _ => rolled,
    };
    if text(&raw["page"]["id"]).len() == 26 { rolled.max(by_word) } else { rolled }
}

fn status(word: &Value) -> Status {
    match word.as_str() {
        Some("under_maintenance") => Status::Maintenance,
        Some("degraded_performance") => Status::Degraded,
        word => word.and_then(Status::parse).unwrap_or(Status::Unknown),
    }
}

fn list<'v>(raw: &'v Value, key: &str) -> &'v [Value] {
    raw[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn line(value: &Value) -> String {
    text(value).split_whitespace().collect::<Vec<_>>().join(" ")
}
