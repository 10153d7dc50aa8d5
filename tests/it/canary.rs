//! S9: secrets that are recognised wherever they turn up, and a search for them everywhere. A vendor echoes all that it
//! knows, in headers, bodies and redirects.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::{Daemon, FakeVendor, Mode, Receiver, Reply, s};
use crate::scene;

/// Each stands in one place of the configuration.
const CANARIES: [&str; 9] = [
    "canary-header-1f9a2b",
    "canary-apikey-2c8d3e",
    "canary-basic-3b7f4a",
    "canary-bearer-4e6a5c",
    "canary-query-5d5b6e",
    "canary-push-6a4c7f-long-enough",
    "canary-proxy-7c3e8d",
    "canary-websocket-8f2d9b",
    "canary-receiver-9e1c0a",
];

const SIGNING: &str = "whsec_Y2FuYXJ5LXNpZ25pbmctMGQ5ZjFlLWNhbmFyeS1zaWdu";

/// As it is, in base64 (the password behind its user name too), and percent-encoded.
fn forms(secret: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let behind = if secret == CANARIES[2] { format!("me:{secret}") } else { secret.to_owned() };
    vec![secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(behind), encoded]
}

fn vendor_file(vendor: &FakeVendor, closed: u16) -> String {
    let [header, apikey, _basic, _bearer, query, _push, proxy, websocket, _] = CANARIES;
    let mut text = String::from("tier = 1\nmerge_gap = \"0s\"\n");
    let mut check = |name: &str, kind: &str, more: &str| {
        let common = "interval = \"1s\"\nretry_interval = \"300ms\"\ndown_after = \"1\"\n";
        let common = if kind == "push" { "interval = \"2s\"\ngrace = \"0s\"\nretry_interval = \"300ms\"\n" } else { common };
        let _ = write!(text, "[[checks]]\nname = \"{name}\"\nkind = \"{kind}\"\n{common}{more}\n");
    };
    let url = |path: &str| format!("url = \"{}\"\n", vendor.url(path));
    check("headers", "http", &format!("{}headers = {{ Authorization = \"Bearer {header}\", X-Api-Key = \"{apikey}\" }}\n", url("/a")));
    check("basic", "http", &format!("{}auth = {{ basic = {{ username = \"me\", password = {{ file = \"basic.txt\" }} }} }}\n", url("/b")));
    check("bearer", "http", &format!("{}auth = {{ bearer = {{ env = \"CANARY_BEARER\" }} }}\n", url("/c")));
    check("moved", "http", &format!("{}auth = {{ bearer = {{ env = \"CANARY_BEARER\" }} }}\n", url("/moved")));
    check("query", "http", &url(&format!("/d?token={query}")));
    check("proxy", "http", &format!("url = \"http://vendor.example/\"\nproxy = \"http://me:{proxy}@127.0.0.1:{closed}\"\n"));
    let socket = vendor.url("/e").replace("http://", "ws://");
    check("websocket", "websocket", &format!("url = \"{socket}\"\nheaders = {{ Authorization = \"Bearer {websocket}\" }}\n"));
    check("push", "push", "token = { env = \"CANARY_PUSH\" }\n");
    text
}

#[test]
fn s9_no_secret_turns_up_anywhere() {
    let (vendor, receiver) = (FakeVendor::start(), Receiver::start());
    // Each path echoes what is sent to it.
    for (path, echoed) in
        [("/a", &CANARIES[..2]), ("/b", &CANARIES[2..3]), ("/c", &CANARIES[3..4]), ("/d", &CANARIES[4..5]), ("/e", &CANARIES[7..8])]
    {
        let body = echoed.iter().flat_map(|canary| forms(canary)).collect::<Vec<_>>().join(" ");
        vendor.set(path, Reply::from(Mode::Status(500)).header("X-Echo", &echoed.join(" ")).body(body));
    }
    vendor.set("/moved", Mode::Redirect(format!("http://other.localhost:1/{}", CANARIES[3])));
    let closed = crate::harness::free_port();
    let config = |format: &str| {
        let receiver = scene::receiver(
            "hook",
            &format!("{}?key={}", receiver.url(), CANARIES[8]),
            &format!("secret = {{ env = \"CANARY_SIGNING\" }}\n{}", scene::PATIENT),
        );
        let log = format!("[log]\nlevel = \"trace\"\nformat = \"{format}\"\n");
        scene::config(&[log, receiver, scene::route("hook", "")])
    };
    let environment = [("CANARY_BEARER", CANARIES[3]), ("CANARY_PUSH", CANARIES[5]), ("CANARY_SIGNING", SIGNING)];
    let mut daemon = Daemon::new(&config("text"), &[("acme", &vendor_file(&vendor, closed))])
        .environment(environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let password = daemon.path("basic.txt");
    std::fs::write(&password, CANARIES[2]).expect("written");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("our own file");

    let mut seen: Vec<(String, String)> = Vec::new();
    for format in ["text", "json"] {
        daemon.write_config(&config(format));
        daemon.start();
        daemon.wait_for("outages and what is told of them", s(40), |d| {
            let down = d.metrics().sum("vendord_check_failures_total", &[]) >= 30.0;
            (down && !receiver.tries().is_empty()).then_some(())
        });
        let _ = daemon.post(&format!("/push/acme/push/{}", CANARIES[5]), &[], b"status=down&message=oops");
        let _ = daemon.post("/push/acme/push/wrong-token-wrong-token", &[], b"");
        let pages = ["/", "/vendors/acme", "/incidents", "/api/v1/config", "/api/v1/status", "/api/v1/outages", "/api/v1/alerts"];
        let others = ["/metrics", "/-/ready", "/api/v1/sd/endpoints", "/probe?vendor=acme&check=headers", "/probe?vendor=acme&check=moved"];
        for path in pages.into_iter().chain(others) {
            seen.push((path.to_owned(), daemon.get(path).expect("an answer").text()));
        }
        let good = vendor_file(&vendor, closed);
        daemon.write_vendor(
            "acme",
            &good.replace("kind = \"websocket\"", "kind = \"websockt\"").replace("interval = \"1s\"", "interval = 1"),
        );
        let (_, why) = scene::reload(&daemon);
        seen.push(("a reload that is refused".to_owned(), why));
        let lint = daemon.cli(&["lint"]);
        seen.push(("lint of a broken file".to_owned(), lint.out + &lint.err));
        daemon.write_vendor("acme", &good);
        let outages = daemon.cli_json(&["outages"]);
        let id = outages["outages"][0]["id"].as_str().expect("an outage").to_owned();
        let verbs: &[&[&str]] = &[
            &["lint", "-vv"],
            &["lint", "--json"],
            &["status", "--json"],
            &["explain", "acme"],
            &["explain", "acme", "--json"],
            &["outages", &id],
            &["outages", &id, "--json"],
            &["alert", "list", "--json"],
            &["probe", "acme", "--json"],
            &["probe", "acme", "-vv"],
            &["probe", "acme/moved"],
        ];
        for verb in verbs {
            let printed = daemon.cli(verb);
            seen.push((verb.join(" "), printed.out + &printed.err));
        }
        assert!(daemon.term().success());
        seen.push((format!("the log as {format}"), daemon.log()));
    }
    for name in ["vendord.db", "vendord.db-wal"] {
        seen.push((name.to_owned(), String::from_utf8_lossy(&std::fs::read(daemon.path(name)).unwrap_or_default()).into_owned()));
    }
    for one in receiver.tries() {
        seen.push(("a message".to_owned(), one.json().to_string()));
    }
    let evidence = seen.iter().any(|(what, text)| what.starts_with("outages") && text.contains("x-echo"));
    assert!(evidence, "the echo was kept as evidence, so the search means something");
    let mut found = Vec::new();
    for (what, text) in &seen {
        for canary in CANARIES.iter().chain([&SIGNING]) {
            for form in forms(canary) {
                if let Some(at) = text.find(&form) {
                    let from = text.floor_char_boundary(at.saturating_sub(120));
                    found.push(format!("{what}: {canary} in …{}", &text[from..text.ceil_char_boundary(at + form.len())]));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}\n{}", found.len(), found.into_iter().take(12).collect::<Vec<_>>().join("\n"));
}
