//! The TLS side of every exchange: ring as the provider, the platform's root certificates, read once for the whole process.
//!
//! A machine without root certificates still runs: plain HTTP works, and HTTPS fails when it is used, with the reason.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// TLS 1.2 and 1.3 with the roots of the platform.
pub fn client_config() -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring's provider has what TLS 1.2 and 1.3 need")
        .dangerous()
        .with_custom_certificate_verifier(verifier())
        .with_no_client_auth()
}

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// What asks for the process's provider without naming one finds ring; asking again changes nothing.
pub fn install_provider() {
    // An error means that one is installed already, which is all we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The root certificates of the platform (`SSL_CERT_FILE` and `SSL_CERT_DIR` come first), or why there are none. Reading
/// them takes milliseconds and is done once; a failure is not kept, because they may be installed while we run.
pub fn platform_roots() -> Result<Arc<RootCertStore>, String> {
    static ROOTS: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);
    let mut kept = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = &*kept {
        return Ok(roots.clone());
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Stores carry certificates that nobody can parse; the others are good.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this machine has no root certificates; install the package ca-certificates or set SSL_CERT_FILE{why}"));
    }
    Ok(kept.insert(Arc::new(roots)).clone())
}

fn verifier() -> Arc<dyn ServerCertVerifier> {
    let made = platform_roots()
        .and_then(|roots| WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(|error| error.to_string()));
    match made {
        Ok(verifier) => verifier,
        Err(error) => {
            tracing::warn!(error, "https will fail until that is mended and vendord restarted");
            Arc::new(NoRoots { why: error, algorithms: provider().signature_verification_algorithms })
        }
    }
}

/// Trusts nobody and says why.
#[derive(Debug)]
struct NoRoots {
    why: String,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Err(Error::General(self.why.clone()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_roots_the_reason_is_told() {
        let nobody = NoRoots { why: "no root certificates".into(), algorithms: provider().signature_verification_algorithms };
        let refused = nobody.verify_server_cert(
            &CertificateDer::from(vec![]),
            &[],
            &ServerName::try_from("hooks.example").unwrap(),
            &[],
            UnixTime::since_unix_epoch(std::time::Duration::ZERO),
        );
        let told = refused.unwrap_err().to_string();
        assert!(told.contains("no root certificates"), "{told}");
    }
}
