//! Where names and redirects lead: nothing on this machine or its networks is asked because somebody outside said so (S8).

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::harness::{Daemon, FakeVendor, Mode, s};
use crate::scene::{check, config, vendor};

const A: u16 = 1;
const AAAA: u16 = 28;

/// A name server over UDP that gives one address of its list after the other, of those of the family that is asked for,
/// whatever the name.
struct NameServer {
    port: u16,
    stopped: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    fn start(addresses: &[&str]) -> NameServer {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (stopped, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (port, stop, count) = (socket.local_addr().unwrap().port(), stopped.clone(), asked.clone());
        let serve = move || {
            let mut question = [0; 512];
            while !stop.load(Ordering::Relaxed) {
                let Ok((bytes, from)) = socket.recv_from(&mut question) else { continue };
                let nth = count.fetch_add(1, Ordering::Relaxed);
                let _ = socket.send_to(&answer(&question[..bytes], &addresses, nth), from);
            }
        };
        NameServer { port, stopped, asked, thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The `nth` address in a record of the kind that was asked for (RFC 1035 4.1), good for no time; no record if there is none.
fn answer(question: &[u8], addresses: &[IpAddr], nth: usize) -> Vec<u8> {
    let name_ends = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let kind = u16::from_be_bytes([question[name_ends], question[name_ends + 1]]);
    let octets = |ip: &IpAddr| match (kind, ip) {
        (A, IpAddr::V4(ip)) => Some(ip.octets().to_vec()),
        (AAAA, IpAddr::V6(ip)) => Some(ip.octets().to_vec()),
        _ => None,
    };
    let of_kind: Vec<Vec<u8>> = addresses.iter().filter_map(octets).collect();
    let data = if of_kind.is_empty() { Vec::new() } else { of_kind[nth / 2 % of_kind.len()].clone() };
    let answers = u8::from(!data.is_empty());
    let mut message = [&question[..2], &[0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0], &question[12..name_ends + 4]].concat();
    if answers > 0 {
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1, 0, 0, 0, 0]);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
    }
    message
}

fn reason_of(daemon: &Daemon, name: &str) -> (String, String) {
    let status = daemon.cli_json(&["status"]);
    let checks = status["vendors"][0]["checks"].as_array().unwrap();
    let one = checks.iter().find(|one| one["check"] == name).unwrap();
    let probe = daemon.cli_json(&["probe", &format!("acme/{name}")]);
    (one["state"].as_str().unwrap().to_owned(), probe["reason"].as_str().unwrap().to_owned())
}

#[test]
fn s8_a_name_leads_nowhere_inside_however_its_answers_change() {
    let inside = FakeVendor::start();
    // Also addresses of IPv4 in the clothes of IPv6: mapped, NAT64, 6to4.
    let names =
        NameServer::start(&["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "169.254.169.254", "10.0.0.1"]);
    let url = format!("http://rebind.vendor.example:{}/secret", inside.port());
    let server = format!("dns_server = \"127.0.0.1:{}\"\n", names.port);
    let meant = NameServer::start(&["127.0.0.1"]);
    let allowed = format!("dns_server = \"127.0.0.1:{}\"\nip = \"v4\"\nallow_private = true\n", meant.port);
    let file = vendor(
        1,
        &[
            check("name", &url, &format!("interval = \"100ms\"\nretry_interval = \"100ms\"\n{server}")),
            check("meant", &format!("http://rebind.vendor.example:{}/meant", inside.port()), &allowed),
        ],
    );
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &file)]);
    daemon.start();
    daemon.wait_for("every answer was given, and given again", s(20), |_| (names.asked.load(Ordering::Relaxed) >= 40).then_some(()));
    daemon.wait_for("the one that is allowed was asked", s(10), |_| (inside.hits("/meant") >= 1).then_some(()));
    let refusal = ("unknown".to_owned(), "address_refused".to_owned());
    assert_eq!(reason_of(&daemon, "name"), refusal, "a refusal of ours is not the vendor's downtime");
    let refused = daemon.metric("vendord_check_failures_by_reason_total", &[("check", "name"), ("reason", "address_refused")]);
    assert!(refused.is_some_and(|runs| runs >= 5.0), "{refused:?}");
    assert_eq!(inside.hits("/secret"), 0, "nothing inside was asked");
    assert_eq!(daemon.cli_json(&["outages"])["outages"], serde_json::json!([]));
}

#[test]
fn s8_a_redirect_leads_nowhere_inside() {
    let (outside, inside) = (FakeVendor::start(), FakeVendor::start());
    let names = NameServer::start(&["127.0.0.1"]);
    let server = format!("dns_server = \"127.0.0.1:{}\"\nip = \"v4\"\n", names.port);
    outside.set("/literal", Mode::Redirect(inside.url("/secret")));
    outside.set("/named", Mode::Redirect(format!("http://inside.vendor.example:{}/secret", inside.port())));
    outside.set("/metadata", Mode::Redirect("http://169.254.169.254/latest/meta-data/".to_owned()));
    outside.set("/own", Mode::Redirect(outside.url("/there")));
    let checks = ["literal", "named", "metadata", "own"].map(|name| check(name, &outside.url(&format!("/{name}")), &server));
    let mut daemon = Daemon::new(&config(&[]), &[("acme", &vendor(1, &checks))]);
    daemon.start();
    let runs = |d: &Daemon, name: &str| d.metric("vendord_check_runs_total", &[("check", name)]).unwrap_or(0.0);
    daemon.wait_for("each ran", s(20), |d| ["literal", "named", "metadata", "own"].iter().all(|name| runs(d, name) >= 2.0).then_some(()));
    for name in ["literal", "named", "metadata"] {
        assert_eq!(reason_of(&daemon, name), ("unknown".to_owned(), "address_refused".to_owned()), "{name}");
    }
    assert_eq!(reason_of(&daemon, "own"), ("up".to_owned(), "ok".to_owned()), "back to what was configured");
    assert_eq!((inside.hits("/secret"), outside.hits("/there") > 0), (0, true));
}
