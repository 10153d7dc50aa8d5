//! TLS: one configuration per set of roots and offered protocols, shared by all checks that use it.
//!
//! - No session is resumed and nothing is sent early: every probe is a full handshake, because that is what is measured.
//! - The platform's roots are read when the first probe needs them. A machine without any can still probe plain HTTP.
//! - A certificate that is refused is described all the same: [`Describing`] sends the facts of the leaf along with the error.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, InvalidMessage, OtherError,
    PeerIncompatible, ProtocolVersion, RootCertStore, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::failure::{Deadline, Failure, Trace, clean, timed};
use crate::clock;
use crate::model::observation::CertificateFacts;
use crate::model::{Fault, Reason, Timestamp};

/// A bundle of all public roots is about 250 KiB; more than this is not a bundle of certificates.
const CA_BYTES_MAX: u64 = 4 << 20;

/// A chain has three or four certificates; describing more would be work that a vendor imposes on us.
const CHAIN_MAX: usize = 10;

/// A distinguished name as it is shown and compared.
const NAME_CHARS_MAX: usize = 200;

/// What is offered by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Any,
    Http1,
    Http2,
}

impl Offer {
    fn protocols(self) -> Vec<Vec<u8>> {
        const H1: &[u8] = b"http/1.1";
        const H2: &[u8] = b"h2";
        let offered: &[&[u8]] = match self {
            Offer::Any => &[H2, H1],
            Offer::Http1 => &[H1],
            Offer::Http2 => &[H2],
        };
        offered.iter().map(|protocol| protocol.to_vec()).collect()
    }
}

/// Who is trusted, with the configurations made for it so far, one for each [`Offer`].
pub(super) struct Trust {
    verifier: Arc<dyn ServerCertVerifier>,
    configs: [OnceLock<Arc<ClientConfig>>; 3],
}

impl Trust {
    fn new(verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Trust { verifier: Arc::new(Describing(verifier)), configs: Default::default() }
    }

    pub fn config(&self, offer: Offer) -> Arc<ClientConfig> {
        let made = self.configs[offer as usize].get_or_init(|| Arc::new(self.make(offer)));
        Arc::clone(made)
    }

    fn make(&self, offer: Offer) -> ClientConfig {
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring speaks TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier))
            .with_no_client_auth();
        config.alpn_protocols = offer.protocols();
        config.resumption = Resumption::disabled();
        config
    }
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// The roots of the platform and of every `ca` file in use.
#[derive(Default)]
pub(super) struct Roots {
    platform: Mutex<Option<Arc<Trust>>>,
    /// By the content of the file. Weak, so that a bundle that no check uses any more goes away.
    bundles: Mutex<HashMap<Vec<u8>, Weak<Trust>>>,
}

impl Roots {
    /// A failure is not kept: root certificates may be installed while we run.
    pub fn platform(&self) -> Result<Arc<Trust>, Failure> {
        let mut platform = self.platform.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = &*platform {
            return Ok(Arc::clone(trust));
        }
        let verifier = rustls_platform_verifier::Verifier::new(provider()).map_err(|error| {
            let message = format!("the root certificates of this machine cannot be used: {error}");
            Failure::new(Reason::OwnResource, message)
        })?;
        let trust = Arc::new(Trust::new(Arc::new(verifier)));
        *platform = Some(Arc::clone(&trust));
        Ok(trust)
    }

    #[cfg(test)]
    pub fn platform_is_read(&self) -> bool {
        self.platform.lock().unwrap().is_some()
    }

    /// The certificates in the PEM file `path`, instead of the platform's roots.
    pub fn bundle(&self, path: &str) -> Result<Arc<Trust>, Fault> {
        let content = read_bundle(path).map_err(|message| Fault::new("ca", message))?;
        let mut bundles = self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trust) = bundles.get(&content).and_then(Weak::upgrade) {
            return Ok(trust);
        }
        let verifier = bundle_verifier(&content).map_err(|why| {
            Fault::new("ca", format!("{path} cannot be used: {why}")).hint("name a PEM file with the certificates of your authority")
        })?;
        let trust = Arc::new(Trust::new(verifier));
        bundles.retain(|_, kept| kept.strong_count() > 0);
        bundles.insert(content, Arc::downgrade(&trust));
        Ok(trust)
    }
}

fn read_bundle(path: &str) -> Result<Vec<u8>, String> {
    let about = fs::metadata(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    if !about.is_file() || about.len() > CA_BYTES_MAX {
        return Err(format!("{path} is not a file of certificates"));
    }
    fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))
}

fn bundle_verifier(pem: &[u8]) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        certificates.push(certificate.clone());
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("it holds no certificate".into());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let authorities = verifier.build().map_err(|error| error.to_string())?;
    Ok(Arc::new(Bundle { authorities, certificates }))
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

/// Delegates, and describes the leaf of a chain that was refused.
#[derive(Debug)]
struct Describing(Arc<dyn ServerCertVerifier>);

/// Travels inside the error of a handshake.
#[derive(Debug)]
struct Refused {
    error: TlsError,
    leaf: Option<CertificateFacts>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refused {}

impl ServerCertVerifier for Describing {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.0.verify_server_cert(leaf, intermediates, name, ocsp, now).map_err(|error| {
            let leaf = leaf_facts(leaf);
            let refused = OtherError(Arc::new(Refused { error, leaf }));
            TlsError::InvalidCertificate(CertificateError::Other(refused))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// A full handshake over `stream`; version and certificate facts go into the trace, also when it fails.
pub(super) async fn handshake(
    stream: TcpStream,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<TlsStream<TcpStream>, Failure> {
    let shown = name.to_str().into_owned();
    let shaking = TlsConnector::from(config).connect(name, stream);
    let what = || format!("the TLS handshake with {shown} timed out, not complete");
    let done = timed(&mut trace.phases.tls, deadline.bound(shaking, Reason::TlsHandshake, what)).await?;
    let stream = done.map_err(|error| {
        let (failure, leaf) = handshake_failure(&shown, &error);
        trace.detail.certificate = leaf;
        failure
    })?;
    let connection = stream.get_ref().1;
    trace.detail.tls_version = connection.protocol_version().and_then(version_word);
    trace.detail.certificate = connection.peer_certificates().and_then(|chain| chain_facts(chain, clock::now()));
    Ok(stream)
}

fn version_word(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        _ => None,
    }
}

fn handshake_failure(name: &str, error: &io::Error) -> (Failure, Option<CertificateFacts>) {
    match tls_error(error) {
        Some(error) => tls_failure(name, error),
        None => {
            let message = format!("{name} broke off the TLS handshake: {error}");
            (Failure::new(Reason::TlsHandshake, message), None)
        }
    }
}

/// The error of rustls that travels inside one of input and output.
pub(super) fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// What a TLS error means, during the handshake or after it (TLS 1.3 servers refuse client certificates afterwards).
pub(super) fn tls_failure(name: &str, error: &TlsError) -> (Failure, Option<CertificateFacts>) {
    if let TlsError::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error
        && let Some(refused) = inner.downcast_ref::<Refused>()
    {
        let (failure, _) = tls_failure(name, &refused.error);
        return (failure, refused.leaf.clone());
    }
    let failure = match error {
        TlsError::InvalidCertificate(error) => certificate_failure(name, error),
        TlsError::AlertReceived(AlertDescription::ProtocolVersion)
        | TlsError::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => Failure::new(Reason::TlsVersion, format!("{name} speaks neither TLS 1.2 nor 1.3")),
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Failure::new(Reason::TlsHandshake, format!("{name} does not answer with TLS"))
        }
        other => Failure::new(Reason::TlsHandshake, format!("TLS handshake with {name} failed: {other}")),
    };
    (failure, None)
}

fn certificate_failure(name: &str, error: &CertificateError) -> Failure {
    use CertificateError as E;
    let (reason, why) = match error {
        E::Expired => (Reason::TlsExpired, "is expired".into()),
        E::ExpiredContext { not_after, .. } => (Reason::TlsExpired, format!("expired on {}", day(*not_after))),
        E::NotValidYet => (Reason::TlsExpired, "is not yet valid".into()),
        E::NotValidYetContext { not_before, .. } => (Reason::TlsExpired, format!("is not valid before {}", day(*not_before))),
        E::NotValidForName => (Reason::TlsName, "is for another name".into()),
        E::NotValidForNameContext { presented, .. } => (Reason::TlsName, format!("is for {}", presented.join(", "))),
        E::UnknownIssuer => (Reason::TlsUntrusted, "leads to no authority that we trust".into()),
        other => (Reason::TlsUntrusted, format!("cannot be trusted: {other}")),
    };
    Failure::new(reason, format!("the certificate of {name} {why}"))
}

fn day(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let at = Timestamp::from_millis(seconds.saturating_mul(1000)).to_string();
    at.split('T').next().unwrap_or(&at).to_owned()
}

fn leaf_facts(leaf: &CertificateDer<'_>) -> Option<CertificateFacts> {
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    Some(facts(&leaf, not_after(&leaf)))
}

/// The facts of a chain that was verified at `now`: those of the leaf, with the expiry of whichever link ends first.
/// A link that is expired already cannot have been part of what was verified: old cross-signed roots are still sent.
fn chain_facts(chain: &[CertificateDer<'_>], now: Timestamp) -> Option<CertificateFacts> {
    let links: Vec<_> = chain.iter().take(CHAIN_MAX).map_while(|link| X509Certificate::from_der(link).ok().map(|(_, link)| link)).collect();
    let leaf = links.first()?;
    let mut earliest = not_after(leaf);
    let mut below = leaf;
    for link in &links[1..] {
        let ends = not_after(link);
        if below.issuer() == link.subject() {
            below = link;
            if ends > now {
                earliest = earliest.min(ends);
            }
        }
    }
    Some(facts(leaf, earliest))
}

fn not_after(certificate: &X509Certificate<'_>) -> Timestamp {
    let seconds = certificate.validity().not_after.timestamp();
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

fn facts(leaf: &X509Certificate<'_>, not_after: Timestamp) -> CertificateFacts {
    CertificateFacts {
        not_after,
        subject: clean(&leaf.subject().to_string(), NAME_CHARS_MAX),
        issuer: clean(&leaf.issuer().to_string(), NAME_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_rustls_become_reasons() {
        let certificate = |error| TlsError::InvalidCertificate(error);
        for (error, want) in [
            (certificate(CertificateError::UnknownIssuer), Reason::TlsUntrusted),
            (certificate(CertificateError::BadSignature), Reason::TlsUntrusted),
            (certificate(CertificateError::Revoked), Reason::TlsUntrusted),
            (certificate(CertificateError::Expired), Reason::TlsExpired),
            (certificate(CertificateError::NotValidYet), Reason::TlsExpired),
            (certificate(CertificateError::NotValidForName), Reason::TlsName),
            (TlsError::AlertReceived(AlertDescription::ProtocolVersion), Reason::TlsVersion),
            (TlsError::AlertReceived(AlertDescription::HandshakeFailure), Reason::TlsHandshake),
            (TlsError::InvalidMessage(InvalidMessage::InvalidContentType), Reason::TlsHandshake),
            (TlsError::DecryptError, Reason::TlsHandshake),
        ] {
            assert_eq!(tls_failure("a", &error).0.reason, want, "{error}");
        }
    }

    #[test]
    fn checks_with_the_same_bundle_share_one_configuration() {
        let signed = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, signed.cert.pem()).unwrap();
        let path = file.path().to_str().unwrap();
        let roots = Roots::default();
        let (a, b) = (roots.bundle(path).unwrap(), roots.bundle(path).unwrap());
        assert!(Arc::ptr_eq(&a, &b));
        assert!(Arc::ptr_eq(&a.config(Offer::Any), &b.config(Offer::Any)));
        assert_eq!(roots.bundles.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_bundle_without_certificates_is_a_fault() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let roots = Roots::default();
        for content in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            fs::write(&file, content).unwrap();
            let fault = roots.bundle(file.path().to_str().unwrap()).err().unwrap();
            assert_eq!(fault.key, "ca");
        }
        assert!(roots.bundle("/nowhere/at-all.pem").is_err());
    }
}
