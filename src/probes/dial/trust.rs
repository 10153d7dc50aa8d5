//! Whom we trust and who we are: TLS configurations, shared by all checks that ask for the same.
//!
//! - No session is resumed and nothing is sent early: every probe is a full handshake, because that is what is measured.
//! - The platform's roots are read when the first probe needs them. A machine without any can still probe plain HTTP.
//! - A chain is described once, whether it is verified or refused: [`Watching`] looks at what passes by.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::chain::Described;
use crate::fetch;
use crate::model::observation::Chain;
use crate::model::{Fault, Reason, Settings};
use crate::probes::failure::Failure;

/// A bundle of all public roots is about 250 KiB; more than this is not a bundle of certificates.
const PEM_BYTES_MAX: u64 = 4 << 20;

/// What is offered by ALPN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::probes) enum Offer {
    /// Nothing: what is spoken is not HTTP.
    #[default]
    None,
    Any,
    Http1,
    Http2,
    /// DNS over TLS (RFC 7858).
    Dot,
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        const H1: &[u8] = b"http/1.1";
        const H2: &[u8] = b"h2";
        let offered: &[&[u8]] = match self {
            Offer::None => &[],
            Offer::Any => &[H2, H1],
            Offer::Http1 => &[H1],
            Offer::Http2 => &[H2],
            Offer::Dot => &[b"dot"],
        };
        offered.iter().map(|protocol| protocol.to_vec()).collect()
    }
}

/// Roots, with what was seen of the chains that were held against them.
#[derive(Debug)]
struct Anchors {
    verifier: Arc<dyn ServerCertVerifier>,
    /// The names of the roots: a chain ends where one of them signed.
    names: HashSet<Vec<u8>>,
    described: Described,
}

impl Anchors {
    fn of(roots: Arc<RootCertStore>, named: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        let names = roots.roots.iter().map(|anchor| anchor.subject.to_vec()).collect();
        let authorities = WebPkiServerVerifier::builder_with_provider(roots, fetch::provider()).build().map_err(|e| e.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> =
            if named.is_empty() { authorities } else { Arc::new(Bundle { authorities, certificates: named }) };
        Ok(Anchors { verifier, names, described: Described::default() })
    }
}

/// A certificate of our own, for servers that ask who we are.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// What a check says about TLS: who is trusted, who we are, which versions are good enough.
#[derive(Clone, Default)]
pub(in crate::probes) struct Terms {
    /// The content of `ca`; without, the platform's roots.
    bundle: Option<Arc<Vec<u8>>>,
    anchors: Option<Arc<Anchors>>,
    identity: Option<Arc<Identity>>,
    /// Of the identity's two files: what makes it different from another one.
    identity_bytes: Vec<u8>,
    only_tls13: bool,
}

/// What two configurations must share to be one.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    bundle: Option<Arc<Vec<u8>>>,
    identity: Vec<u8>,
    only_tls13: bool,
    offer: Offer,
}

/// The roots of the platform and of every `ca` file in use, and the configurations made with them.
#[derive(Default)]
pub(in crate::probes) struct Roots {
    platform: Mutex<Option<Arc<Anchors>>>,
    /// By the content of the file. Weak, so that a bundle that no check uses any more goes away.
    bundles: Mutex<HashMap<Arc<Vec<u8>>, Weak<Anchors>>>,
    configs: Mutex<HashMap<Asked, Weak<Configured>>>,
}

/// A configuration to shake hands with.
pub(in crate::probes) struct Configured {
    pub client: Arc<ClientConfig>,
    anchors: Arc<Anchors>,
}

impl Configured {
    /// A chain that was verified.
    pub fn describe(&self, certificates: &[CertificateDer<'_>]) -> Option<Arc<Chain>> {
        self.anchors.described.get(certificates.iter(), true, &self.anchors.names)
    }
}

impl Roots {
    /// From the keys `ca`, `min_version` and `auth.mtls`, of which a kind has those it has.
    pub fn terms(&self, settings: &Settings) -> Result<Terms, Fault> {
        let mut terms = Terms { only_tls13: settings.text("min_version") == Some("1.3"), ..Terms::default() };
        if let Some(path) = settings.text("ca") {
            let (content, anchors) = self.bundle(path)?;
            (terms.bundle, terms.anchors) = (Some(content), Some(anchors));
        }
        if let Some(mtls) = settings.table("auth").and_then(|auth| auth.table("mtls")) {
            let (identity, bytes) = identity(mtls.text("cert").unwrap_or_default(), mtls.text("key").unwrap_or_default())?;
            (terms.identity, terms.identity_bytes) = (Some(Arc::new(identity)), bytes);
        }
        Ok(terms)
    }

    /// The configuration for these terms. A failure is not kept: root certificates may be installed while we run.
    pub fn config(&self, terms: &Terms, offer: Offer) -> Result<Arc<Configured>, Failure> {
        let asked = Asked { bundle: terms.bundle.clone(), identity: terms.identity_bytes.clone(), only_tls13: terms.only_tls13, offer };
        let mut configs = self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&asked).and_then(Weak::upgrade) {
            return Ok(config);
        }
        let anchors = match &terms.anchors {
            Some(anchors) => anchors.clone(),
            None => self.platform()?,
        };
        let client = Arc::new(make(anchors.clone(), terms, offer)?);
        let config = Arc::new(Configured { client, anchors });
        configs.retain(|_, kept| kept.strong_count() > 0);
        configs.insert(asked, Arc::downgrade(&config));
        Ok(config)
    }

    fn platform(&self) -> Result<Arc<Anchors>, Failure> {
        let mut platform = self.platform.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(anchors) = &*platform {
            return Ok(anchors.clone());
        }
        let anchors = fetch::platform_roots().and_then(|roots| Anchors::of(roots, Vec::new()));
        let anchors = anchors.map_err(|why| Failure::new(Reason::OwnResource, why))?;
        Ok(platform.insert(Arc::new(anchors)).clone())
    }

    #[cfg(test)]
    pub fn platform_is_read(&self) -> bool {
        self.platform.lock().unwrap().is_some()
    }

    /// The certificates in the PEM file `path`, instead of the platform's roots.
    fn bundle(&self, path: &str) -> Result<(Arc<Vec<u8>>, Arc<Anchors>), Fault> {
        let content = Arc::new(read_pem(path).map_err(|message| Fault::new("ca", message))?);
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((content, anchors)) =
            bundles.get_key_value(&content).and_then(|(content, kept)| Some((content.clone(), kept.upgrade()?)))
        {
            return Ok((content, anchors));
        }
        let anchors = bundle_anchors(&content).map_err(|why| {
            Fault::new("ca", format!("{path} cannot be used: {why}")).hint("name a PEM file with the certificates of your authority")
        })?;
        let anchors = Arc::new(anchors);
        bundles.retain(|_, kept| kept.strong_count() > 0);
        bundles.insert(content.clone(), Arc::downgrade(&anchors));
        Ok((content, anchors))
    }
}

fn make(anchors: Arc<Anchors>, terms: &Terms, offer: Offer) -> Result<ClientConfig, Failure> {
    let versions: &[_] = if terms.only_tls13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
    let builder = ClientConfig::builder_with_provider(fetch::provider())
        .with_protocol_versions(versions)
        .expect("ring speaks TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Watching(anchors)));
    let mut config = match &terms.identity {
        None => builder.with_no_client_auth(),
        Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key.clone_key()).map_err(|error| {
            let message = format!("our own certificate cannot be used: {error}");
            Failure::new(Reason::OwnResource, message)
        })?,
    };
    config.alpn_protocols = offer.protocols();
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn read_pem(path: &str) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    if !about.is_file() || about.len() > PEM_BYTES_MAX {
        return Err(format!("{path} is not a file of certificates"));
    }
    fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))
}

fn bundle_anchors(pem: &[u8]) -> Result<Anchors, String> {
    let mut roots = RootCertStore::empty();
    let certificates = certificates(pem)?;
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    Anchors::of(Arc::new(roots), certificates)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| error.to_string())?;
    if all.is_empty() { Err("it holds no certificate".into()) } else { Ok(all) }
}

/// Our own certificate and its key, tried out together, so that a wrong pair is told when the configuration is loaded.
fn identity(cert: &str, key: &str) -> Result<(Identity, Vec<u8>), Fault> {
    let fault = |message: String| {
        Fault::new("auth", format!("mtls: {message}")).hint("write mtls = { cert = \"client.pem\", key = \"client.key\" }, both PEM")
    };
    let (cert_pem, key_pem) = (read_pem(cert).map_err(fault)?, read_pem(key).map_err(fault)?);
    let chain = certificates(&cert_pem).map_err(|why| fault(format!("{cert} cannot be used: {why}")))?;
    let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| fault(format!("{key} holds no private key")))?;
    let pair = rustls::sign::CertifiedKey::from_der(chain.clone(), private.clone_key(), &fetch::provider());
    pair.map_err(|error| fault(format!("{key} is not the key of {cert}: {error}")))?;
    Ok((Identity { chain, key: private }, [cert_pem, key_pem].concat()))
}

/// Trusts what the bundle's certificates signed, and a server that presents one of them itself. `openssl req -x509`
/// marks what it makes as an authority, which webpki refuses as a server's own; whoever named it in `ca` meant it.
#[derive(Debug)]
struct Bundle {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Bundle {
    /// What is left to verify of a certificate that is trusted as it is: its time and its name.
    fn verify_named(&self, leaf: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<ServerCertVerified, TlsError> {
        let bad = || TlsError::InvalidCertificate(CertificateError::BadEncoding);
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| bad())?;
        let now = i64::try_from(now.as_secs()).map_err(|_| bad())?;
        let validity = parsed.validity();
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Bundle {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let verified = self.authorities.verify_server_cert(leaf, intermediates, name, ocsp, now);
        match verified {
            Err(TlsError::InvalidCertificate(CertificateError::Other(_))) if self.certificates.contains(leaf) => {
                self.verify_named(leaf, name, now)
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Delegates, and describes a chain that was refused. One that was verified is described by whoever has the connection.
#[derive(Debug)]
struct Watching(Arc<Anchors>);

/// Travels inside the error of a handshake.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: TlsError,
    pub chain: Option<Arc<Chain>>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ServerCertVerifier for Watching {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let Anchors { verifier, names, described } = &*self.0;
        let verified = verifier.verify_server_cert(leaf, intermediates, name, ocsp, now);
        verified.map_err(|error| {
            let chain = described.get(std::iter::once(leaf).chain(intermediates), false, names);
            TlsError::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused { error, chain }))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    fn of(path: &str) -> Settings {
        Settings([("ca", Value::Text(path.to_owned()))].into())
    }

    #[test]
    fn checks_with_the_same_bundle_share_one_configuration() {
        let signed = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, signed.cert.pem()).unwrap();
        let settings = of(file.path().to_str().unwrap());
        let roots = Roots::default();
        let (a, b) = (roots.terms(&settings).unwrap(), roots.terms(&settings).unwrap());
        let (first, second) = (roots.config(&a, Offer::Any).unwrap(), roots.config(&b, Offer::Any).unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(roots.bundles.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_bundle_without_certificates_is_a_fault() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let roots = Roots::default();
        for content in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&file, content).unwrap();
            let fault = roots.terms(&of(file.path().to_str().unwrap())).err().unwrap();
            assert_eq!(fault.key, "ca");
        }
        assert!(roots.terms(&of("/nowhere/at-all.pem")).is_err());
    }
}
