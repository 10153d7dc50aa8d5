//! The tls kind against real servers: every way in which a certificate or a handshake can be wrong.

use rcgen::{CertifiedIssuer, KeyPair};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::settings::Value;
use crate::probes::tests::counterpart::{
    self, Authority, Check, Identity, SHORT, TIMEOUT, check, closed, file, path, reset, serve, silent,
};

use Outcome::{Down, Unknown, Up};

/// The port of a server that shakes hands.
async fn secured(acceptor: TlsAcceptor) -> u16 {
    let address = serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            }
        }
    })
    .await;
    address.port()
}

fn looking_at(port: u16, ca: &Authority) -> Check {
    check(KIND, "address", format!("localhost:{port}")).text("ca", ca.path())
}

#[tokio::test]
async fn a_good_server_is_up_and_its_chain_is_known() {
    let authority = Authority::new();
    let port = secured(authority.identity("localhost", 2090).and(authority.der()).any_version()).await;
    let wanted = ["tls.version == 1.3", "cert.days_left > 30", "cert.issuer contains 'Test Root'", "ip == '127.0.0.1'"];
    let seen = looking_at(port, &authority).expect(&wanted).sees(Up, Reason::Ok).await;
    assert_eq!(seen.detail.message, "TLS handshake complete");
    let chain = seen.detail.chain().unwrap();
    assert!(chain.verified);
    assert_eq!(chain.not_after.to_string(), "2090-01-02T00:00:00.000Z");
    assert_eq!(chain.certificates.len(), 2);
    assert_eq!(chain.leaf().unwrap().names, ["localhost"]);
    assert_eq!(seen.detail.ends_at(), Some(chain.not_after));
    let phases = seen.phases;
    assert!(phases.connect.is_some() && phases.tls.is_some() && phases.processing.is_none());

    let seen = looking_at(port, &authority).expect(&["cert.days_left > 99999"]).sees(Down, Reason::Expectation).await;
    assert!(seen.detail.evidence.unwrap().response.starts_with("CN=localhost, issued by CN=Test Root, from"));
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_has_its_reason_and_the_chain_is_kept() {
    let (ours, theirs) = (Authority::new(), Authority::called("Other Root"));
    let mut early = counterpart::certificate("localhost", 2091);
    early.not_before = rcgen::date_time_ymd(2090, 1, 2);
    let between = CertifiedIssuer::signed_by(counterpart::authority("Between", 2080), KeyPair::generate().unwrap(), &ours.issuer).unwrap();
    let below = || Identity::signed(counterpart::certificate("localhost", 2070), &between);
    let old = CertifiedIssuer::signed_by(counterpart::authority("Old", 2001), KeyPair::generate().unwrap(), &ours.issuer).unwrap();
    let below_old = Identity::signed(counterpart::certificate("localhost", 2070), &old).and(old.der().clone());
    let own_authority = Identity::self_signed(counterpart::authority("localhost", 2090));
    for (what, shown, reason, ends, says) in [
        ("expired", ours.identity("localhost", 2001), Reason::TlsExpired, "2001", "expired on 2001-01-02"),
        ("not yet valid", Identity::signed(early, &ours.issuer), Reason::TlsExpired, "2091", "is not valid before 2090-01-02"),
        ("wrong name", ours.identity("other.example", 2090), Reason::TlsName, "2090", "is for other.example"),
        (
            "self-signed",
            Identity::self_signed(counterpart::certificate("localhost", 2090)),
            Reason::TlsUntrusted,
            "2090",
            "is signed by itself",
        ),
        ("its own authority", own_authority, Reason::TlsUntrusted, "2090", "is signed by itself"),
        ("incomplete", below(), Reason::TlsUntrusted, "2070", "leads to CN=Between, which the server does not send and we do not trust"),
        (
            "untrusted root",
            theirs.identity("localhost", 2090).and(theirs.der()),
            Reason::TlsUntrusted,
            "2090",
            "leads to CN=Other Root, which we do not trust",
        ),
        (
            "root left out",
            theirs.identity("localhost", 2090),
            Reason::TlsUntrusted,
            "2090",
            "leads to CN=Other Root, which the server does not send and we do not trust",
        ),
        ("an expired link", below_old, Reason::TlsExpired, "2070", "expired on 2001-01-02"),
    ] {
        let port = secured(shown.any_version()).await;
        let seen = looking_at(port, &ours).within(TIMEOUT).await;
        assert_eq!((seen.outcome, seen.reason), (Down, reason), "{what}: {}", seen.detail.message);
        assert_eq!(seen.detail.message, format!("the certificate of localhost {says}"), "{what}");
        let chain = seen.detail.chain().unwrap_or_else(|| panic!("{what}: the chain is kept"));
        assert_eq!((chain.certificates.len(), chain.verified), (shown.chain.len(), false), "{what}");
        assert!(chain.not_after.to_string().starts_with(ends), "{what}: {}", chain.not_after);
        assert!(seen.detail.evidence.unwrap().response.contains("issued by"), "{what}");
    }
    let whole = below().and(between.der().clone());
    let seen = looking_at(secured(whole.any_version()).await, &ours).sees(Up, Reason::Ok).await;
    assert!(seen.detail.chain().unwrap().not_after.to_string().starts_with("2070"));
}

/// As when the root that had cross-signed Let's Encrypt's ended in September 2021.
#[tokio::test]
async fn an_expired_cross_signature_beside_the_way_to_a_trusted_root_does_no_harm() {
    let (root, gone) = (Authority::called("New Root"), Authority::called("Gone Root"));
    let between = CertifiedIssuer::signed_by(counterpart::authority("Between", 2060), KeyPair::generate().unwrap(), &root.issuer).unwrap();
    let cross = counterpart::authority("New Root", 2021).signed_by(root.issuer.key(), &gone.issuer).unwrap();
    let shown = Identity::signed(counterpart::certificate("localhost", 2070), &between).and(between.der().clone()).and(cross.der().clone());
    let seen = looking_at(secured(shown.any_version()).await, &root).sees(Up, Reason::Ok).await;
    let chain = seen.detail.chain().unwrap();
    assert_eq!(chain.certificates.len(), 3);
    assert_eq!(chain.not_after.to_string(), "2060-01-02T00:00:00.000Z", "the earliest of the path that was verified");
}

#[tokio::test]
async fn versions_that_are_too_old_are_refused() {
    let authority = Authority::new();
    let old = secured(authority.identity("localhost", 2090).acceptor(&[&TLS12], &[])).await;
    looking_at(old, &authority).expect(&["tls.version == 1.2"]).sees(Up, Reason::Ok).await;
    looking_at(old, &authority).text("min_version", "1.2").sees(Up, Reason::Ok).await;
    let strict = looking_at(old, &authority).text("min_version", "1.3");
    let seen = strict.sees(Down, Reason::TlsVersion).await;
    assert_eq!(seen.detail.message, "localhost speaks no version of TLS that we accept");
    let new = secured(authority.identity("localhost", 2090).acceptor(&[&TLS13], &[])).await;
    looking_at(new, &authority).text("min_version", "1.3").sees(Up, Reason::Ok).await;

    // RFC 5246 7.4.1.3 and 7.2: a ServerHello of TLS 1.0, and the alert protocol_version.
    let mut hello = b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\x00\x00\x2f\x00");
    for said in [hello, b"\x15\x03\x01\x00\x02\x02\x46".to_vec()] {
        let port = answers(said).await;
        looking_at(port, &authority).sees(Down, Reason::TlsVersion).await;
    }
    let selective = secured_for_one_name(&authority).await;
    looking_at(selective, &authority).sees(Down, Reason::TlsHandshake).await;
}

/// A server that says this once a handshake was begun.
async fn answers(said: Vec<u8>) -> u16 {
    let address = serve(move |mut stream| {
        let said = said.clone();
        async move {
            let _ = stream.read(&mut [0; 2048]).await;
            let _ = stream.write_all(&said).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    address.port()
}

/// A server that refuses names it does not know (the alert unrecognized_name).
async fn secured_for_one_name(authority: &Authority) -> u16 {
    let identity = authority.identity("other.example", 2090);
    let provider = rustls::crypto::ring::default_provider();
    let key = rustls::sign::CertifiedKey::from_der(identity.chain.clone(), identity.private(), &provider).unwrap();
    let mut names = rustls::server::ResolvesServerCertUsingSni::new();
    names.add("other.example", key).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions().unwrap();
    secured(TlsAcceptor::from(Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(names))))).await
}

#[tokio::test]
async fn the_name_to_ask_for_can_be_another_one() {
    let authority = Authority::new();
    let port = secured_for_one_name(&authority).await;
    let named = looking_at(port, &authority).text("server_name", "other.example");
    named.sees(Up, Reason::Ok).await;
    looking_at(port, &authority).text("server_name", "third.example").sees(Down, Reason::TlsHandshake).await;
}

#[tokio::test]
async fn what_is_not_a_handshake_fails_as_one() {
    let authority = Authority::new();
    for said in [
        &b"220 mail.vendor.example ESMTP ready\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x03\xff\xff\xff\xff",
        b"\x16\x03\x03\x00\x04\x02\xff\xff\xff",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x00",
    ] {
        let port = answers(said.to_vec()).await;
        let seen = looking_at(port, &authority).within(TIMEOUT.min(3 * SHORT)).await;
        assert_eq!((seen.outcome, seen.reason), (Down, Reason::TlsHandshake), "{}", seen.detail.message);
        assert!(seen.phases.tls.is_some());
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_or_hangs_costs_no_more_than_the_deadline() {
    let authority = Authority::new();
    let hang = silent().await.port();
    let seen = looking_at(hang, &authority).within(SHORT).await;
    assert_eq!((seen.outcome, seen.reason), (Down, Reason::TlsHandshake), "{}", seen.detail.message);
    assert!(seen.detail.message.contains("timed out") && seen.duration < TIMEOUT, "{}", seen.detail.message);

    let endless = serve(|mut stream| async move { while stream.write_all(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff").await.is_ok() {} }).await;
    looking_at(endless.port(), &authority).sees(Down, Reason::TlsHandshake).await;
    for bytes in [0, 1, 6, 40, 200] {
        let breaks = serve(move |mut stream| async move {
            let mut hello = vec![0; bytes.max(1)];
            let _ = stream.read_exact(&mut hello).await;
            let _ = stream.write_all(&b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03"[..bytes.min(11)]).await;
            reset(stream);
        })
        .await;
        looking_at(breaks.port(), &authority).sees(Down, Reason::TlsHandshake).await;
    }
    let port = closed().await.port();
    looking_at(port, &authority).sees(Down, Reason::ConnectRefused).await;
}

#[tokio::test]
async fn a_server_that_asks_who_we_are_is_told() {
    let authority = Authority::new();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let asks = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let identity = authority.identity("localhost", 2090);
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS12]).unwrap();
    let config = builder.with_client_cert_verifier(asks).with_single_cert(identity.chain.clone(), identity.private()).unwrap();
    let port = secured(TlsAcceptor::from(Arc::new(config))).await;
    looking_at(port, &authority).sees(Down, Reason::TlsHandshake).await;

    let mut params = counterpart::certificate("client", 2090);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate().unwrap();
    let (cert, key) = (file(&params.signed_by(&client_key, &authority.issuer).unwrap().pem()), file(&client_key.serialize_pem()));
    let auth = |cert: String, key: String| {
        let mtls = Settings([("cert", Value::Text(cert)), ("key", Value::Text(key))].into());
        Value::Table(Settings([("mtls", Value::Table(mtls))].into()))
    };
    let known = looking_at(port, &authority).with("auth", auth(path(&cert), path(&key)));
    known.sees(Up, Reason::Ok).await;
    let wrong = looking_at(port, &authority).with("auth", auth(path(&cert), authority.path()));
    assert_eq!(wrong.faults(), ["auth"]);
}

#[tokio::test]
async fn s8_a_name_that_leads_to_this_machine_is_refused() {
    let authority = Authority::new();
    let port = secured(authority.identity("localhost", 2090).any_version()).await;
    let run = async |settings: &Settings| {
        let mut probe = TlsProbe::of(settings, &Workshop::new()).unwrap();
        probe.target.configured = false;
        probe.run(TIMEOUT).await
    };
    let seen = run(&looking_at(port, &authority).settings).await;
    assert_eq!((seen.outcome, seen.reason), (Unknown, Reason::AddressRefused));
    let meant = looking_at(port, &authority).with("allow_private", Value::Flag(true));
    assert_eq!(run(&meant.settings).await.outcome, Up);
}

#[test]
fn faults_name_their_key() {
    assert_eq!(check(KIND, "address", "vendor.example").faults(), ["address"]);
    assert_eq!(check(KIND, "address", "a:1").text("server_name", "a b").faults(), ["server_name"]);
    assert_eq!(check(KIND, "address", "a:1").text("ca", "/nowhere.pem").faults(), ["ca"]);
    assert_eq!(check(KIND, "address", "a:1").expect(&["status == 200"]).faults(), ["expect"]);
}
