//! The TLS handshake: a connection made sure of, the chain that was shown, and what a failure of it means.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage, OtherError, PeerIncompatible, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::trust::{Configured, Refused};
use crate::model::observation::{Certificate, Chain};
use crate::model::{Reason, Timestamp};
use crate::probes::failure::{Deadline, Failure, Trace, timed};

/// A full handshake over `stream`; version and chain go into the trace, also when it fails.
pub(super) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: ServerName<'static>,
    config: &Configured,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<TlsStream<S>, Failure> {
    let shown = name.to_str().into_owned();
    let shaking = TlsConnector::from(config.client.clone()).connect(name, stream);
    let what = || format!("the TLS handshake with {shown} timed out, not complete");
    let done = timed(&mut trace.hop.phases.tls, deadline.bound(shaking, Reason::TlsHandshake, what)).await?;
    let stream = done.map_err(|error| {
        let (failure, chain) = handshake_failure(&shown, &error);
        trace.hop.chain = chain;
        failure
    })?;
    let connection = stream.get_ref().1;
    trace.hop.tls_version = connection.protocol_version().and_then(version_word);
    trace.hop.chain = connection.peer_certificates().and_then(|sent| config.describe(sent));
    Ok(stream)
}

fn version_word(version: ProtocolVersion) -> Option<&'static str> {
    match version {
        ProtocolVersion::TLSv1_3 => Some("1.3"),
        ProtocolVersion::TLSv1_2 => Some("1.2"),
        _ => None,
    }
}

fn handshake_failure(name: &str, error: &io::Error) -> (Failure, Option<Arc<Chain>>) {
    match tls_error(error) {
        Some(error) => tls_failure(name, error),
        None => {
            let message = format!("{name} broke off the TLS handshake: {error}");
            (Failure::new(Reason::TlsHandshake, message), None)
        }
    }
}

/// The error of rustls that travels inside one of input and output.
pub(in crate::probes) fn tls_error(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}

/// What a TLS error means, during the handshake or after it (TLS 1.3 servers refuse client certificates afterwards).
pub(in crate::probes) fn tls_failure(name: &str, error: &TlsError) -> (Failure, Option<Arc<Chain>>) {
    if let TlsError::InvalidCertificate(CertificateError::Other(OtherError(inner))) = error
        && let Some(refused) = inner.downcast_ref::<Refused>()
    {
        let (mut failure, _) = tls_failure(name, &refused.error);
        if let Some(why) = refused.chain.as_deref().and_then(|chain| told_by(chain, &refused.error)) {
            failure.message = format!("the certificate of {name} {why}");
        }
        return (failure, refused.chain.clone());
    }
    let failure = match error {
        TlsError::InvalidCertificate(error) => certificate_failure(name, error),
        TlsError::AlertReceived(AlertDescription::ProtocolVersion)
        | TlsError::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => Failure::new(Reason::TlsVersion, format!("{name} speaks no version of TLS that we accept")),
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

/// What the chain itself tells about why it was refused: whoever runs the server can mend it when told that.
fn told_by(chain: &Chain, error: &TlsError) -> Option<String> {
    use CertificateError as E;
    let leaf = chain.leaf()?;
    match error {
        TlsError::InvalidCertificate(E::NotValidForName | E::NotValidForNameContext { .. }) if !leaf.names.is_empty() => {
            Some(format!("is for {}", few(&leaf.names)))
        }
        TlsError::InvalidCertificate(E::UnknownIssuer | E::Other(_)) => Some(where_it_ends(chain, leaf)),
        _ => None,
    }
}

fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    match names.get(SHOWN..) {
        Some(more @ [_, ..]) => format!("{} and {} more names", names[..SHOWN].join(", "), more.len()),
        _ => names.join(", "),
    }
}

/// The end of a chain that leads to nobody we trust.
fn where_it_ends(chain: &Chain, leaf: &Certificate) -> String {
    let mut last = leaf;
    for _ in &chain.certificates {
        match chain.certificates.iter().find(|above| above.subject == last.issuer) {
            Some(above) if above.subject != last.subject => last = above,
            _ => break,
        }
    }
    if last.subject != last.issuer {
        format!("leads to {}, which the server does not send and we do not trust", last.issuer)
    } else if chain.certificates.len() == 1 {
        "is signed by itself".into()
    } else {
        format!("leads to {}, which we do not trust", last.subject)
    }
}

fn day(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let at = Timestamp::from_millis(seconds.saturating_mul(1000)).to_string();
    at.split('T').next().unwrap_or(&at).to_owned()
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
}
