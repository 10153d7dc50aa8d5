//! What a kind of check does when the daemon runs it, where its own tests cannot see: states, alerts and series of it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::harness::{Daemon, FakeVendor, Mode, Receiver, Reply, s};
use crate::scene::{PATIENT, check, config, count, receiver, route, vendor};

const ORDER: &str = r#"
[[checks]]
name = "order"
kind = "scenario"
interval = "400ms"
down_after = "1"
up_after = "1"
flap_changes = 0
expect = ["steps.read.$.state == 'open'"]

[[checks.steps]]
name = "make"
url = "{api}/orders"
method = "POST"
expect_status = [201]
capture = { order = "$.id" }

[[checks.steps]]
name = "read"
url = "{api}/orders/{{order}}"

[[checks.steps]]
name = "cancel"
url = "{api}/orders/{{order}}/cancel"
method = "DELETE"
cleanup = true
"#;

#[test]
fn a_scenario_goes_down_with_the_step_that_fails_and_still_cleans_up() {
    let (api, hook) = (FakeVendor::start(), Receiver::start());
    api.set("/orders", Reply::from(Mode::Status(201)).body(r#"{"id": 7}"#));
    api.set("/orders/7", Reply::ok().body(r#"{"state": "open"}"#));
    let main = config(&[receiver("ops", &hook.url(), PATIENT), route("ops", "")]);
    let mut daemon = Daemon::new(&main, &[("acme", &format!("tier = 1\n{}", ORDER.replace("{api}", &api.url(""))))]);
    daemon.start();
    daemon.wait_for("up", s(10), |d| (d.metric("vendord_check_state_level", &[("kind", "scenario")]) == Some(1.0)).then_some(()));
    assert!(api.hits("/orders/7/cancel") >= 1);

    api.set("/orders/7", Reply::ok().body(r#"{"state": "lost"}"#));
    daemon.wait_for("the webhook", s(10), |_| (count(&hook, "firing", "vendor.down") == 1).then_some(()));
    let outages = daemon.cli_json(&["outages"]);
    let id = outages["outages"][0]["id"].as_str().unwrap();
    let evidence = daemon.cli_json(&["outages", id])["outages"][0]["evidence"][0].to_string();
    assert!(evidence.contains("steps.read.$.state") && evidence.contains("lost"), "{evidence}");
    let cancelled = api.hits("/orders/7/cancel");
    daemon.wait_for("it cleans up after what fails too", s(10), |_| (api.hits("/orders/7/cancel") > cancelled).then_some(()));

    api.set("/orders/7", Reply::ok().body(r#"{"state": "open"}"#));
    daemon.wait_for("the resolve", s(10), |_| (count(&hook, "resolved", "vendor.down") == 1).then_some(()));
}

/// The URL of a server that answers on a connection for as long as somebody asks.
fn patient_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let lines = BufReader::new(&stream).lines();
                for _end_of_head in lines.map_while(Result::ok).filter(String::is_empty) {
                    let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            });
        }
    });
    url
}

#[test]
fn a_check_that_keeps_its_connection_says_so() {
    let api = FakeVendor::start();
    let file = vendor(1, &[check("fresh", &api.url("/"), ""), check("warm", &patient_server(), "reuse = true\n")]);
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &file)]);
    daemon.start();
    let reused = |d: &Daemon, name: &str| d.metric("vendord_check_connection_reused", &[("check", name)]);
    daemon.wait_for("the second run went over the connection of the first", s(10), |d| (reused(d, "warm") == Some(1.0)).then_some(()));
    assert_eq!(reused(&daemon, "fresh"), None);
}
