//! What a chain of certificates says, in words that people know. A chain is described once: the same one comes with
//! every probe.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::model::Timestamp;
use crate::model::observation::{Certificate, Chain};
use crate::probes::failure::clean;

/// A chain has three or four certificates; describing more would be work that a vendor imposes on us.
const CHAIN_MAX: usize = 10;

/// A distinguished name as it is shown and compared.
const NAME_CHARS_MAX: usize = 200;

/// Some certificates are for hundreds of names; these are enough to recognise one.
const NAMES_MAX: usize = 100;

/// A check sees one chain for months, so this many are as many different servers; then it begins anew.
const KEPT_MAX: usize = 20_000;

/// The chains that were described already, by their bytes (under a key of this process, so that nobody can make two alike).
#[derive(Debug, Default)]
pub(super) struct Described {
    keyed: RandomState,
    chains: Mutex<HashMap<u64, Option<Arc<Chain>>>>,
}

impl Described {
    /// `None`: not even the leaf is a certificate. `anchors` are the names of the trusted roots.
    pub fn get<'a>(
        &self,
        certificates: impl Iterator<Item = &'a CertificateDer<'a>> + Clone,
        verified: bool,
        anchors: &HashSet<Vec<u8>>,
    ) -> Option<Arc<Chain>> {
        let mut hasher = self.keyed.build_hasher();
        verified.hash(&mut hasher);
        certificates.clone().for_each(|certificate| certificate.as_ref().hash(&mut hasher));
        let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if chains.len() >= KEPT_MAX {
            chains.clear();
        }
        chains.entry(hasher.finish()).or_insert_with(|| describe(certificates, verified, anchors).map(Arc::new)).clone()
    }
}

fn describe<'a>(certificates: impl Iterator<Item = &'a CertificateDer<'a>>, verified: bool, anchors: &HashSet<Vec<u8>>) -> Option<Chain> {
    let sent: Vec<(&[u8], X509Certificate)> = certificates
        .take(CHAIN_MAX)
        .map_while(|der| X509Certificate::from_der(der).ok().map(|(_, parsed)| (der.as_ref(), parsed)))
        .collect();
    let (_, leaf) = sent.first()?;
    let not_after = if verified { earliest(&sent, anchors) } else { not_after(leaf) };
    Some(Chain { certificates: sent.iter().map(|(der, parsed)| certificate(der, parsed)).collect(), verified, not_after })
}

/// The first end among the links from the leaf to the one that a trusted root signed. What is sent beyond that (a root, its
/// cross-signed twin that expired years ago) was not needed.
fn earliest(sent: &[(&[u8], X509Certificate)], anchors: &HashSet<Vec<u8>>) -> Timestamp {
    let mut below = &sent[0].1;
    let mut earliest = not_after(below);
    for _ in 1..sent.len() {
        if anchors.contains(content(below.issuer().as_raw())) {
            break;
        }
        // Of two with the same name the one that lives longer: the other one may have been refused.
        let above =
            sent[1..].iter().map(|(_, link)| link).filter(|link| link.subject() == below.issuer()).max_by_key(|link| not_after(link));
        match above {
            Some(above) if above.subject() != below.subject() => below = above,
            _ => break,
        }
        earliest = earliest.min(not_after(below));
    }
    earliest
}

/// A DER value without its tag and length: trust anchors keep names like this.
fn content(der: &[u8]) -> &[u8] {
    let header = match der.get(1) {
        Some(length) if length & 0x80 != 0 => 2 + usize::from(length & 0x7f),
        _ => 2,
    };
    der.get(header..).unwrap_or_default()
}

fn not_after(certificate: &X509Certificate<'_>) -> Timestamp {
    seconds(certificate.validity().not_after.timestamp())
}

fn seconds(at: i64) -> Timestamp {
    Timestamp::from_millis(at.saturating_mul(1000))
}

fn certificate(der: &[u8], parsed: &X509Certificate<'_>) -> Certificate {
    Certificate {
        subject: clean(&parsed.subject().to_string(), NAME_CHARS_MAX),
        issuer: clean(&parsed.issuer().to_string(), NAME_CHARS_MAX),
        names: names(parsed),
        not_before: seconds(parsed.validity().not_before.timestamp()),
        not_after: not_after(parsed),
        serial: clean(&parsed.raw_serial_as_string(), NAME_CHARS_MAX),
        fingerprint: hex(&Sha256::digest(der)),
    }
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(all)) = parsed.subject_alternative_name() else { return Vec::new() };
    let shown = all.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(clean(name, NAME_CHARS_MAX)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
        },
        _ => None,
    });
    shown.take(NAMES_MAX).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
