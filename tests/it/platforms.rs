//! A page of every platform through the real binary: a hand-made document under the path where the platform has it, asked for
//! by that address, and found from the address of the page.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vendord::feeds::{self, Format};

use crate::harness::{FakeVendor, Mode, Reply};

/// Where one platform has its page and its documents, the best first, and what all of them say together: the verdict, and how
/// many components, incidents and announcements there are.
struct Served {
    format: &'static str,
    page: &'static str,
    documents: &'static [(&'static str, &'static str)],
    says: (&'static str, [usize; 3]),
}

const fn served(
    format: &'static str,
    page: &'static str,
    documents: &'static [(&'static str, &'static str)],
    overall: &'static str,
    counts: [usize; 3],
) -> Served {
    Served { format, page, documents, says: (overall, counts) }
}

#[rustfmt::skip]
const PLATFORMS: &[Served] = &[
    served("aws", "/", &[("/public/currentevents", "currentevents.json")], "partial_outage", [4, 4, 0]),
    served("azuredevops", "/", &[("/_apis/status/health", "health-unhealthy.json")], "partial_outage", [5, 0, 0]),
    served("gcp", "/", &[("/incidents.json", "incidents.json")], "partial_outage", [2, 4, 0]),
    served("heroku", "/", &[("/api/v4/current-status", "current-trouble.json")], "partial_outage", [3, 4, 0]),
    served("m365", "/", &[("/v1.0/admin/serviceAnnouncement/healthOverviews", "health-expanded.json")], "partial_outage", [3, 3, 0]),
    served("oraclecloud", "/", &[("/api/v2/components.json", "components-down.json")], "partial_outage", [4, 2, 0]),
    served("salesforce", "/", &[("/v1/instances", "instances.json")], "partial_outage", [6, 2, 2]),
    served("slack", "/", &[("/api/v2.0.0/current", "current-active.json")], "degraded", [3, 2, 1]),
    served("apple", "/support/systemstatus/", &[("/support/systemstatus/data/system_status_en_US.js", "quiet-wrapped.js")], "operational", [2, 0, 0]),
    served("betterstack", "/", &[("/index.json", "index-downtime.json")], "partial_outage", [3, 3, 2]),
    served("cachet", "/", &[("/api/v1/components", "v2-components.json"), ("/api/v1/incidents", "v2-incidents.json"), ("/api/v1/schedules", "v2-schedules.json")], "partial_outage", [5, 4, 3]),
    served("checkly", "/beacon", &[("/api/status-page/beacon/unresolved-incidents", "busy.json")], "major_outage", [0, 4, 1]),
    served("cstate", "/", &[("/index.json", "index-down.json")], "partial_outage", [5, 4, 0]),
    served("gatus", "/", &[("/api/v1/endpoints/statuses", "statuses.json")], "partial_outage", [4, 0, 0]),
    served("ilert", "/", &[("/api/summary", "summary-busy.json")], "partial_outage", [4, 3, 1]),
    served("incidentio", "/", &[("/api/v2/summary.json", "summary-components-worse.json")], "partial_outage", [3, 0, 1]),
    served("instatus", "/", &[("/summary.json", "summary-outage.json"), ("/v2/components.json", "components.json")], "partial_outage", [4, 2, 2]),
    served("openstatus", "/lamp", &[("/public/status/lamp", "status-incident.json")], "degraded", [0, 0, 0]),
    served("paypal", "/product/production", &[("/api/v1/components", "busy.json")], "partial_outage", [6, 0, 0]),
    served("rootly", "/", &[("/api/v1/status.json", "status-busy.json")], "major_outage", [0, 4, 1]),
    served("rss", "/", &[("/history.atom", "statuspage-planned.atom")], "operational", [0, 0, 4]),
    served("site24x7", "/", &[("/sp/api/u/summary_details", "busy.json")], "partial_outage", [4, 2, 1]),
    served("sorry", "/", &[("/api/v1/status", "status.json"), ("/api/v1/components", "components.json"), ("/api/v1/notices", "notices.json")], "degraded", [4, 3, 2]),
    served("statusio", "/", &[("/1.0/status/0123456789abcdef01234567", "status-disruption.json")], "partial_outage", [5, 3, 2]),
    served("statuspage", "/eu", &[("/eu/api/v2/summary.json", "summary-one-down.json")], "partial_outage", [5, 0, 0]),
    served("statuspal", "/ferry", &[("/api/v2/status_pages/ferry/summary", "summary-busy.json")], "partial_outage", [6, 3, 2]),
    served("uptimekuma", "/status/acme", &[("/api/status-page/acme", "status-page.json"), ("/api/status-page/heartbeat/acme", "heartbeat.json")], "partial_outage", [7, 1, 4]),
    served("uptimerobot", "/aB3x", &[("/api/getMonitorList/aB3x", "busy.json")], "partial_outage", [6, 0, 0]),
    served("upptime", "/acme/status/master", &[("/acme/status/master/history/summary.json", "summary-down.json")], "partial_outage", [4, 0, 0]),
    served("vultr", "/", &[("/status.json", "status-busy.json")], "partial_outage", [4, 6, 2]),
    served("zendesk", "/", &[("/api/incidents/active", "active.json")], "major_outage", [0, 4, 1]),
];

/// Told by the address of the vendor alone, which is not the one of this test.
const BY_ADDRESS: &[&str] = &["openstatus"];

#[test]
fn every_platform_is_read_where_it_has_its_document() {
    // Those that have to be told where things are: `pages::told`.
    let wrong: Vec<String> = feeds::FORMATS.iter().filter(|format| !feeds::generic::is_told(format.name)).flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What is not as it should be with one format.
fn wrong(format: &'static Format) -> Vec<String> {
    let Some(served) = PLATFORMS.iter().find(|served| served.format == format.name) else {
        return vec![format!("{}: this test has no page of it", format.name)];
    };
    let vendor = FakeVendor::start();
    vendor.set_all(Mode::Status(404));
    for (path, file) in served.documents {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/feeds").join(format.name).join(file);
        vendor.set(path, Reply::ok().body(std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))));
    }
    let named = ["--format", format.name];
    let (document, page) = (vendor.url(served.documents[0].0), vendor.url(served.page));
    let mut asked: Vec<(&str, &[&str])> = vec![(&document, if BY_ADDRESS.contains(&format.name) { &named } else { &[] })];
    // Some have their documents elsewhere, or in what a web page names.
    if format.live.first().is_some_and(|live| !live.starts_with("https://")) {
        asked.push((&page, &named));
    }
    asked.into_iter().filter_map(|(url, args)| read(served, url, args).err()).collect()
}

fn read(served: &Served, url: &str, args: &[&str]) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vendord"));
    let output = command.args(["feed", url, "--json"]).args(args).env_remove("VENDORD_CONFIG").output().expect("the binary starts");
    let page: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("{}: {url} {args:?}: {}", served.format, String::from_utf8_lossy(&output.stderr)))?;
    let count = |list: &str| page[list].as_array().map_or(0, Vec::len);
    let says = (page["overall"].as_str().unwrap_or_default(), ["components", "incidents", "maintenances"].map(count));
    let is_so = page["format"] == served.format && says == served.says;
    is_so.then_some(()).ok_or_else(|| format!("{}: {url} {args:?}: {} says {says:?}", served.format, page["format"]))
}
