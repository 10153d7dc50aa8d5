//! Phases are what was injected: a name server of 30 ms, a handshake of 40, a first byte of 50 and a body of 20; and
//! blackbox_exporter, which measures the same server in the same minute, sees the same.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::harness::{Daemon, Metrics, free_port, get, ms, s, skip, wait_for};
use crate::scene;

const RUNS: usize = 15;
/// A busy machine is late now and then; three times in a row it is us.
const TRIES: usize = 3;
const WITHIN_MS: f64 = 3.0;

/// Answers every question for an address with 127.0.0.1, after 30 ms.
fn name_server() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = socket.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            // RFC 1035 4.1: twelve bytes of header, then the name, its type and its class.
            let name = question[12..length].iter().position(|byte| *byte == 0).expect("a name ends") + 12;
            let (question, wants_v4) = (&question[..name + 5], question[name + 2] == 1);
            let mut answer = question.to_vec();
            answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(wants_v4), 0, 0, 0, 0]);
            if wants_v4 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            std::thread::sleep(ms(30));
            let _ = socket.send_to(&answer, from);
        }
    });
    port
}

/// HTTPS with the delays; the certificate is for `localhost` and for the name that is asked for.
fn slow_vendor(authority: &CertifiedIssuer<'static, KeyPair>) -> u16 {
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_owned(), "slow.vendor.example".to_owned()])
        .expect("names")
        .signed_by(&key, authority)
        .expect("signed");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .expect("a pair");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || drop(answer_slowly(stream, config)));
        }
    });
    port
}

fn answer_slowly(mut stream: std::net::TcpStream, config: Arc<rustls::ServerConfig>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    std::thread::sleep(ms(40));
    let mut connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    std::thread::sleep(ms(50));
    tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")?;
    tls.flush()?;
    std::thread::sleep(ms(20));
    tls.write_all(b"half")?;
    tls.flush()?;
    // Until the client hangs up: a reset would cut what it has not read yet.
    let _ = tls.read(&mut [0]);
    Ok(())
}

/// The exporter, as long as this lives.
struct Blackbox {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Blackbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Blackbox {
    fn start(ca: &str) -> Option<Blackbox> {
        let folder = tempfile::tempdir().expect("a folder");
        let (ca_file, file, port) = (folder.path().join("ca.pem"), folder.path().join("blackbox.yml"), free_port());
        std::fs::write(&ca_file, ca).expect("written");
        let module = format!(
            "modules:\n  slow:\n    prober: http\n    timeout: 5s\n    http:\n      preferred_ip_protocol: ip4\n      tls_config:\n        ca_file: {}\n",
            ca_file.display()
        );
        std::fs::write(&file, module).expect("written");
        let child = Command::new("prometheus-blackbox-exporter")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let blackbox = Blackbox { child, port, _folder: folder };
        wait_for("blackbox_exporter", s(20), || get(port, "/metrics").is_ok().then_some(()));
        Some(blackbox)
    }

    fn look(&self, target: &str) -> [f64; 5] {
        let page = get(self.port, &format!("/probe?module=slow&target={target}")).expect("an answer");
        let metrics = Metrics::parse(&page.text());
        assert_eq!(metrics.get("probe_success", &[]), Some(1.0), "{}", page.text());
        PHASES.map(|phase| metrics.get("probe_http_duration_seconds", &[("phase", phase)]).unwrap_or(0.0) * 1e3)
    }
}

const PHASES: [&str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

fn medians(runs: &[[f64; 5]]) -> [f64; 5] {
    std::array::from_fn(|phase| {
        let mut all: Vec<f64> = runs.iter().map(|run| run[phase]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    })
}

#[test]
fn phases_are_what_was_injected_and_what_blackbox_exporter_sees() {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let (names, port) = (name_server(), slow_vendor(&authority));
    let check = |name: &str, url: &str, more: &str| {
        format!(
            "[[checks]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"{url}\"\nca = \"ca.pem\"\nip = \"v4\"\nallow_private = true\nexpect = [\"body == 'halfhalf'\"]\n{more}\n"
        )
    };
    let slow = check("slow", &format!("https://slow.vendor.example:{port}/"), &format!("dns_server = \"127.0.0.1:{names}\""));
    let daemon = Daemon::new(&scene::config(&[]), &[("acme", &slow)]);
    std::fs::write(daemon.path("ca.pem"), authority.pem()).expect("written");
    let blackbox = Blackbox::start(&authority.pem());
    if blackbox.is_none() {
        skip("the comparison with blackbox_exporter", "prometheus-blackbox-exporter is not installed");
    }
    let ours = || {
        let seen = daemon.cli_json(&["probe", "acme/slow"]);
        assert_eq!(seen["outcome"], "up", "{seen}");
        PHASES.map(|phase| seen["phases"][phase].as_f64().unwrap_or(f64::NAN) * 1e3)
    };
    let mut said = Vec::new();
    for _ in 0..TRIES {
        let (mut we, mut they) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            we.push(ours());
            they.extend(blackbox.as_ref().map(|blackbox| blackbox.look(&format!("https://localhost:{port}/"))));
        }
        let we = medians(&we);
        let injected = [30.0, 0.0, 40.0, 50.0, 20.0];
        let mut off: Vec<String> = (0..5)
            .filter(|n| we[*n] < injected[*n] - 0.5 || we[*n] > injected[*n] + WITHIN_MS)
            .map(|n| format!("{}: {:.1} ms of {} injected", PHASES[n], we[n], injected[n]))
            .collect();
        println!("vendord   {we:.1?} ms ({PHASES:?})");
        if !they.is_empty() {
            let they = medians(&they);
            println!("blackbox  {they:.1?} ms");
            // Its names come from the hosts file; the rest is the same server.
            let differ = (1..5).filter(|n| (we[*n] - they[*n]).abs() > WITHIN_MS);
            off.extend(differ.map(|n| format!("{}: {:.1} ms, blackbox {:.1}", PHASES[n], we[n], they[n])));
        }
        if off.is_empty() {
            return;
        }
        said = off;
    }
    panic!("{said:?}");
}
