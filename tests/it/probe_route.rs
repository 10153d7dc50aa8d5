//! `GET /probe`: a look on request, in the names of blackbox_exporter, that leaves nothing in history.

use std::process::{Command, Stdio};

use crate::evidence::{database, number};
use crate::harness::{Daemon, FakeVendor, Metrics, Mode, Reply, skip};
use crate::scene;

#[test]
fn a_look_on_request_is_answered_in_the_names_that_dashboards_know() {
    let vendor = FakeVendor::start();
    vendor.set("/redirected", Mode::Redirect("/health".to_owned()));
    // Paused: nothing but what is asked for is looked at.
    let slow = "enabled = false\ntimeout = \"400ms\"\n";
    let file = scene::vendor(
        1,
        &[
            scene::check("api", &vendor.url("/health"), slow),
            scene::check("moved", &vendor.url("/redirected"), slow),
            scene::check("bad", &vendor.url("/bad"), slow),
        ],
    );
    vendor.set("/bad", Reply::from(Mode::Status(503)));
    let mut daemon = Daemon::new(&scene::config(&[]), &[("acme", &file)]);
    daemon.start();
    let look = |check: &str| {
        let page = daemon.get(&format!("/probe?vendor=acme&check={check}")).expect("an answer");
        assert_eq!(page.status, 200, "{}", page.text());
        (Metrics::parse(&page.text()), page.text())
    };
    let (api, text) = look("api");
    assert_eq!(api.get("probe_success", &[]), Some(1.0));
    assert_eq!(api.get("probe_http_status_code", &[]), Some(200.0));
    assert_eq!((api.get("probe_ip_protocol", &[]), api.get("probe_http_version", &[])), (Some(4.0), Some(1.1)));
    for phase in ["resolve", "connect", "tls", "processing", "transfer"] {
        assert!(api.get("probe_http_duration_seconds", &[("phase", phase)]).is_some(), "{phase}: {text}");
    }
    assert!(api.get("probe_duration_seconds", &[]).is_some_and(|took| took > 0.0 && took < 5.0));
    promtool(&text);
    assert_eq!(look("moved").0.get("probe_http_redirects", &[]), Some(1.0));
    let (bad, text) = look("bad");
    assert_eq!((bad.get("probe_success", &[]), bad.get("probe_http_status_code", &[])), (Some(0.0), Some(503.0)), "{text}");
    assert_eq!(bad.get("vendord_probe_info", &[("outcome", "down"), ("reason", "http_status")]), Some(1.0));

    for (path, status) in
        [("/probe", 400), ("/probe?vendor=acme", 400), ("/probe?vendor=acme&check=none", 404), ("/probe?vendor=none&check=api", 404)]
    {
        assert_eq!(daemon.get(path).expect("an answer").status, status, "{path}");
    }
    assert_eq!((vendor.hits("/health"), vendor.hits("/redirected"), vendor.hits("/bad")), (2, 1, 1));
    // A stop writes down whatever waited.
    assert!(daemon.term().success());
    assert_eq!(number(&database(&daemon), "SELECT count(*) FROM journal"), 0, "looks on request leave nothing");
}

fn promtool(text: &str) {
    use std::io::Write;
    let Ok(mut child) =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
    else {
        return skip("promtool on /probe", "promtool is not installed");
    };
    child.stdin.take().expect("it was asked for").write_all(text.as_bytes()).expect("it reads");
    let said = child.wait_with_output().expect("it ends");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
