//! What stands on the pages, under which headers, and who may see them.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};

use super::{Scene, text_of};
use crate::harness::{Daemon, FakeVendor, get_with, s, skip};
use crate::scene::{check, config, vendor};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

#[test]
fn the_fleet_page_says_how_everybody_is() {
    let scene = Scene::start("");
    let html = scene.page("/");
    let text = text_of(&html);
    assert!(text.contains("2 of 4 vendors have problems, 1 unknown"), "{text}");
    for said in ["Fine & Co", "Broken <i>", "Silent", "Tidewater", "Check api fails (http_status)"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(text.contains("Partial outage declared by its status page, component API"), "{text}");
    for word in ["operational", "partial outage", "major outage", "unknown", "declared", "measured"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    // Links of an exporter's landing page.
    for link in ["/metrics", "/-/healthy", "/-/ready", "/api/v1/status", "/api/v1/config", "/api/v1/sd/endpoints"] {
        assert!(html.contains(&format!("href=\"{link}\"")), "{link}");
    }
    // The bars come with the first look at the past.
    scene.daemon.wait_for("bars", s(20), |_| scene.get("/").text().contains("class=\"bar\"").then_some(()));
    let text = text_of(&scene.page("/"));
    assert!(text.contains("measured down"), "{text}");
}

#[test]
fn the_fleet_is_filtered_by_its_address() {
    let scene = Scene::start("");
    let rows = |path: &str| scene.page(path).matches("<tr data-find").count();
    for (path, want) in [
        ("/", 4),
        ("/?state=problem", 2),
        ("/?state=unknown", 1),
        ("/?tier=1", 2),
        ("/?q=tide", 1),
        ("/?q=tide+nothing", 0),
        ("/?tier=2&state=partial_outage", 1),
        ("/?category=tests&group=category&sort=name", 4),
        ("/?sort=uptime&group=none", 4),
    ] {
        assert_eq!(rows(path), want, "{path}");
    }
}

#[test]
fn a_vendor_has_its_page() {
    let scene = Scene::start("");
    let broken = text_of(&scene.page("/vendors/broken"));
    for said in ["Broken <i>", "major outage", "http_status", "500", "Outages, measured", "http, every 500 ms"] {
        assert!(broken.contains(said), "{said}: {broken}");
    }
    let tide = text_of(&scene.page("/vendors/tide?range=24h"));
    for said in ["Partial outage declared by its status page, component API", "Console", "History, 24 hours", "p50", "JSON"] {
        assert!(tide.contains(said), "{said}: {tide}");
    }
    for range in ["24h", "7d", "30d", "90d", "nonsense"] {
        scene.page(&format!("/vendors/fine?range={range}"));
    }
    let silent = text_of(&scene.page("/vendors/silent"));
    assert!(silent.contains("unknown") && silent.contains("paused"), "{silent}");
    assert!(!scene.page("/vendors/fine").contains("javascript:"), "a website that is no https address is no link");

    let missing = scene.get("/vendors/brokn");
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("brokn") && missing.text().contains("Did you mean"), "{}", missing.text());
}

#[test]
fn no_link_is_dead_and_every_page_is_well_formed() {
    let scene = Scene::start("");
    let incident = format!("/incidents/{}", scene.ids("incidents")[0]);
    let outage = format!("/outages/{}", scene.ids("outages")[0]);
    let starts = ["/", "/vendors/broken", "/vendors/tide", "/incidents", "/incidents/2026-03", &incident, &outage, "/runbooks/vendor.down"];
    let mut links = std::collections::BTreeSet::new();
    for page in starts {
        let html = scene.page(page);
        let all = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        links.extend(
            all.filter(|link| link.starts_with('/'))
                .map(|link| link.replace("&amp;", "&").split('#').next().unwrap_or_default().to_owned()),
        );
    }
    assert!(links.len() > 25, "{links:?}");
    for link in links {
        let status = scene.get(&link).status;
        assert!(status == 200 || (status == 303 && link.contains("theme=")), "{status} {link}");
    }
}

#[test]
fn f25_what_vendors_say_is_text() {
    let scene = Scene::start("");
    let incident = format!("/incidents/{}", scene.ids("incidents")[0]);
    for path in ["/", "/vendors/tide", "/incidents", &incident] {
        let html = scene.page(path);
        assert!(!html.contains("<script>") && !html.contains("<img"), "{path}");
        assert!(!html.contains('\u{202e}'), "{path}: bidi overrides are stripped when a page is read");
        assert!(text_of(&html).contains("<script>alert(1)</script>"), "{path}: the title is shown as it is");
    }
    let html = scene.page(&incident);
    assert!(html.contains("First line &#60;b&#62;bold") || html.contains("First line bold"), "{html}");
    for row in scene.get("/api/v1/incidents?format=csv").text().lines() {
        assert!(!row.contains("\t") && !row.starts_with('='));
    }
}

#[test]
fn an_incident_shows_both_clocks() {
    let scene = Scene::start("");
    let text = text_of(&scene.page(&format!("/incidents/{}", scene.ids("incidents")[0])));
    for said in [
        "First failure we measured",
        "Started, says the vendor 2 Mar 2026, 08:00",
        "First post",
        "Resolved not yet",
        "identified",
        "Timeline",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let outage = text_of(&scene.page(&format!("/outages/{}", scene.ids("outages")[0])));
    for said in ["Outage of Broken <i>", "Confirmed", "blame", "http_status", "Evidence", "GET /broken"] {
        assert!(outage.contains(said), "{said}: {outage}");
    }
    assert_eq!(scene.get("/incidents/2026-13").status, 404);
    assert!(text_of(&scene.page("/incidents/2026-02")).contains("No incidents in February 2026"));
}

#[test]
fn what_was_not_looked_at_is_unknown() {
    let scene = Scene::start("");
    scene.page.answers(500);
    scene.level("tide", 0.0);
    let text = text_of(&scene.page("/vendors/tide"));
    assert!(text.contains("status page") && text.contains("read"), "{text}");
    scene.api.set("/broken", 200);
    scene.level("broken", 1.0);
}

#[test]
fn every_answer_carries_the_headers() {
    let scene = Scene::start("");
    let asset = scene.page("/").split("/assets/").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned).unwrap();
    for path in ["/", "/vendors/tide", "/nothing", "/api/v1/status", "/api/nothing", "/metrics", "/-/healthy", &format!("/assets/{asset}")]
    {
        let page = scene.get(path);
        for (name, want) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), Some(want), "{path} {name}");
        }
    }
    assert_eq!(scene.get("/api/v1/status").header("cache-control"), Some("no-store"));
    let kept = scene.get(&format!("/assets/{asset}"));
    assert_eq!(kept.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let tag = kept.header("etag").unwrap().to_owned();
    let again = get_with(scene.daemon.port, &format!("/assets/{asset}"), &[("If-None-Match", &tag)]).unwrap();
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(scene.get("/assets/vendord.0000.css").status, 404);
}

#[test]
fn under_a_foreign_name_nothing_is_shown() {
    let scene = Scene::start("hosts = [\"watch.internal\"]\n");
    let status = |path: &str, host: &str| get_with(scene.daemon.port, path, &[("Host", host)]).unwrap().status;
    for host in ["localhost", "localhost:80", "127.0.0.1", "[::1]:1", "watch.internal", "WATCH.internal:9978"] {
        assert_eq!((status("/", host), status("/api/v1/status", host)), (200, 200), "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "", "10.1.2.3"] {
        assert_eq!((status("/", host), status("/api/v1/status", host), status("/vendors/fine", host)), (421, 421, 421), "{host}");
        assert_eq!((status("/metrics", host), status("/-/healthy", host)), (200, 200), "{host}");
    }
}

/// An address of this machine that is not loopback; asking for it sends nothing.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

#[test]
fn beyond_this_machine_pages_need_a_token() {
    let Some(address) = outer_address() else {
        return skip("pages beyond loopback", "this machine has no other address");
    };
    let api = FakeVendor::start();
    let main = "[web]\nlisten = \"0.0.0.0:{port}\"\nallow_remote = true\n";
    let mut daemon = Daemon::new(main, &[("fine", &vendor(1, &[check("api", &api.url("/fine"), "")]))]);
    daemon.start();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect((address, daemon.port)).expect("it listens there");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    for path in ["/", "/vendors/fine", "/incidents", "/api/v1/status", "/api/v1/config", "/nothing"] {
        let answer = ask(path);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("need a token"), "{path}: {answer}");
    }
    for path in ["/metrics", "/-/healthy", "/-/ready"] {
        assert!(ask(path).starts_with("HTTP/1.1 200"), "{path}");
    }
    assert_eq!(daemon.get("/").expect("an answer").status, 200, "on the machine itself it is open");
}

#[test]
fn zone_and_theme_are_chosen_by_address_and_kept_in_cookies() {
    let scene = Scene::start("");
    let get = |path: &str, cookie: &str| get_with(scene.daemon.port, path, &[("Cookie", cookie)]).unwrap();
    let dark = get("/?theme=dark&tier=1", "");
    assert_eq!((dark.status, dark.header("location")), (303, Some("/?tier=1")));
    let cookie = dark.header("set-cookie").unwrap();
    assert!(cookie.starts_with("theme=dark;") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    assert!(get("/", "theme=dark").text().contains("data-theme=\"dark\""));
    assert!(get("/", "theme=evil\"").text().contains("data-theme=\"auto\""));
    let incident = format!("/incidents/{}", scene.ids("incidents")[0]);
    let tokyo = get(&format!("{incident}?tz=Asia/Tokyo"), "");
    assert!(tokyo.header("set-cookie").is_some_and(|c| c.starts_with("tz=Asia/Tokyo;")) || tokyo.text().contains(">UTC<"), "no zones here");
    if tokyo.text().contains("Asia/Tokyo") {
        assert!(text_of(&tokyo.text()).contains("2 Mar 2026, 17:00"), "{}", tokyo.text());
        assert!(text_of(&get(&incident, "tz=Asia/Tokyo").text()).contains("2 Mar 2026, 17:00"));
    }
    assert!(text_of(&get(&format!("{incident}?tz=Mars/Base"), "").text()).contains("2 Mar 2026, 08:00"));
}

#[test]
fn below_a_prefix_every_link_stays_below_it() {
    let api = FakeVendor::start();
    let main = config(&["route_prefix = \"/watch\"\n".to_owned()]);
    let mut daemon = Daemon::new(&main, &[("fine", &vendor(1, &[check("api", &api.url("/fine"), "")]))]);
    daemon.spawn();
    let get = |path: &str| daemon.get(path).ok();
    daemon.wait_for("an answer below the prefix", s(20), |_| (get("/watch/-/ready")?.status == 200).then_some(()));
    for path in ["/watch", "/watch/", "/watch/vendors/fine", "/watch/incidents", "/watch/nothing"] {
        let html = get(path).unwrap().text();
        let links: Vec<&str> = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let outside: Vec<&&str> = links.iter().filter(|link| link.starts_with('/') && !link.starts_with("/watch/")).collect();
        assert!(links.len() > 8 && outside.is_empty(), "{path}: {outside:?}");
    }
    assert_eq!((get("/watch/api/v1/status").unwrap().status, get("/watching").unwrap().status), (200, 404));
}

#[test]
fn runbooks_are_pages_for_browsers_and_markdown_for_others() {
    let scene = Scene::start("");
    assert!(scene.page("/runbooks/vendor.down").contains("<h1>vendor.down</h1>"));
    let plain = get_with(scene.daemon.port, "/runbooks/vendor.down", &[]).unwrap();
    assert_eq!(plain.header("content-type"), Some("text/markdown; charset=utf-8"));
    assert!(plain.text().starts_with("# vendor.down"));
    assert_eq!(scene.get("/runbooks/none").status, 404);
}
