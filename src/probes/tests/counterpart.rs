//! The other end of a probe's connection: real servers on the loopback address that do what vendors do, and what they do to us.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::model::settings::Value;
use crate::model::{Observation, Outcome, Reason, Settings};
use crate::probes::{Kind, Workshop};

/// Enough for everything that answers, also on a busy machine.
pub(in crate::probes) const TIMEOUT: Duration = Duration::from_secs(10);

/// For what never answers.
pub(in crate::probes) const SHORT: Duration = Duration::from_millis(300);

/// Settings of a check, with the keys that a test is about.
pub(in crate::probes) struct Check {
    kind: Kind,
    pub settings: Settings,
}

/// A check of this kind, whose `key` (`address`, `url`) is `target`.
pub(in crate::probes) fn check(kind: Kind, key: &'static str, target: impl std::fmt::Display) -> Check {
    Check { kind, settings: Settings::default() }.with(key, Value::Text(target.to_string()))
}

impl Check {
    pub fn with(mut self, key: &'static str, value: Value) -> Self {
        assert!(self.kind.keys.iter().copied().flatten().any(|known| known.name == key), "{key} is a key of {}", self.kind.name);
        self.settings.0.insert(key, value);
        self
    }

    pub fn text(self, key: &'static str, text: impl Into<String>) -> Self {
        self.with(key, Value::Text(text.into()))
    }

    pub fn expect(self, conditions: &[&str]) -> Self {
        self.with("expect", Value::TextList(conditions.iter().map(|text| text.to_string()).collect()))
    }

    /// The keys that faults point at.
    pub fn faults(&self) -> Vec<&'static str> {
        let built = (self.kind.build)(&self.settings, &Workshop::new());
        built.err().unwrap_or_default().into_iter().map(|fault| fault.key).collect()
    }

    pub async fn within(&self, timeout: Duration) -> Observation {
        let probe = (self.kind.build)(&self.settings, &Workshop::new()).unwrap_or_else(|faults| panic!("{faults:?}"));
        probe.run(timeout).await
    }

    /// What is seen, and that it is this.
    pub async fn sees(&self, outcome: Outcome, reason: Reason) -> Observation {
        let seen = self.within(TIMEOUT).await;
        assert_eq!((seen.outcome, seen.reason), (outcome, reason), "{}", seen.detail.message);
        let evidence = seen.detail.evidence.is_some();
        assert!(evidence || matches!(reason, Reason::Ok | Reason::Slow) || reason.is_ours(), "no evidence: {}", seen.detail.message);
        seen
    }
}

/// A server that does `answer` with every connection.
pub(in crate::probes) async fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// A server that says this to everybody, and closes when the other side has.
pub(in crate::probes) async fn says(text: impl Into<Vec<u8>>) -> SocketAddr {
    let text: Arc<Vec<u8>> = Arc::new(text.into());
    serve(move |mut stream| {
        let text = Arc::clone(&text);
        async move {
            let _ = stream.write_all(&text).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await
}

/// A server that accepts and says nothing, ever.
pub(in crate::probes) async fn silent() -> SocketAddr {
    says("").await
}

/// A port that nobody listens on.
pub(in crate::probes) async fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Ends the connection with a reset instead of an orderly end.
pub(in crate::probes) fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
}

/// What a certificate says, for a test to change.
pub(in crate::probes) fn certificate(name: &str, year: i32) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = called(name);
    params.not_after = rcgen::date_time_ymd(year, 1, 2);
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// What an authority's own certificate says.
pub(in crate::probes) fn authority(name: &str, year: i32) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name = called(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(year, 1, 2);
    params
}

/// A certificate authority that can be trusted by its file.
pub(in crate::probes) struct Authority {
    pub issuer: CertifiedIssuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    pub fn new() -> Self {
        Authority::called("Test Root")
    }

    pub fn called(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name, 2099), KeyPair::generate().unwrap()).unwrap();
        let file = file(&issuer.pem());
        Authority { issuer, file }
    }

    pub fn path(&self) -> String {
        path(&self.file)
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// A server's certificate for `name` until that year.
    pub fn identity(&self, name: &str, year: i32) -> Identity {
        Identity::signed(certificate(name, year), &self.issuer)
    }
}

pub(in crate::probes) fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

pub(in crate::probes) fn path(file: &tempfile::NamedTempFile) -> String {
    file.path().to_str().unwrap().to_owned()
}

/// What a server shows: its chain, and the key of the first.
pub(in crate::probes) struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    pub key: KeyPair,
}

impl Identity {
    pub fn signed(params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Self {
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, issuer).unwrap();
        Identity { chain: vec![leaf.der().clone()], key }
    }

    pub fn self_signed(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let own = params.self_signed(&key).unwrap();
        Identity { chain: vec![own.der().clone()], key }
    }

    /// Another certificate is shown after those before it.
    pub fn and(mut self, der: CertificateDer<'static>) -> Self {
        self.chain.push(der);
        self
    }

    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    pub fn acceptor(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(self.chain.clone(), self.private()).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// Any version of TLS that is in use.
    pub fn any_version(&self) -> TlsAcceptor {
        self.acceptor(rustls::ALL_VERSIONS, &[])
    }
}
