//! The TLS side of every exchange: ring as the provider, the platform's root certificates, read once.
//!
//! A machine without root certificates still runs: plain HTTP works, and HTTPS fails when it is used, with the reason.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

/// TLS 1.2 and 1.3 with the roots of the platform. Building it reads them (about 6 ms): build it once and clone it.
pub fn client_config() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(&provider);
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring's provider has what TLS 1.2 and 1.3 need")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth()
}

/// What asks for the process's provider without naming one finds ring; asking again changes nothing.
pub fn install_provider() {
    // An error means that one is installed already, which is all we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn verifier(provider: &Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier> {
    match rustls_platform_verifier::Verifier::new(provider.clone()) {
        Ok(verifier) => Arc::new(verifier),
        Err(error) => {
            tracing::warn!(%error, "no root certificates: https will fail until they are installed and vendord restarted");
            Arc::new(NoRoots(provider.signature_verification_algorithms))
        }
    }
}

/// Trusts nobody and says why.
#[derive(Debug)]
struct NoRoots(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Err(Error::General("this machine has no root certificates; install the package ca-certificates or set SSL_CERT_FILE".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_roots_the_reason_is_told() {
        let provider = rustls::crypto::ring::default_provider();
        let refused = NoRoots(provider.signature_verification_algorithms).verify_server_cert(
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
