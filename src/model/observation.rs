//! The outcome of one run of a check. A vendor's failure is data, never an `Err`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PageVersion, Timestamp};

/// How a run ended, from good to bad; `Unknown` stands apart: it is evidence of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Up,
    Degraded,
    Down,
    Unknown,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Up => "up",
            Outcome::Degraded => "degraded",
            Outcome::Down => "down",
            Outcome::Unknown => "unknown",
        }
    }

    /// The number that is stored; never renumber.
    pub const fn code(self) -> u8 {
        match self {
            Outcome::Up => 0,
            Outcome::Degraded => 1,
            Outcome::Down => 2,
            Outcome::Unknown => 3,
        }
    }

    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Outcome::Up,
            1 => Outcome::Degraded,
            2 => Outcome::Down,
            3 => Outcome::Unknown,
            _ => return None,
        })
    }
}

macro_rules! reasons {
    ($($variant:ident = $code:literal, $word:literal, $help:literal;)*) => {
        /// Why a run ended as it did: a closed list, the same in code, database, metric label and documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reason { $(#[doc = $help] $variant,)* }

        impl Reason {
            pub const ALL: &[Reason] = &[$(Reason::$variant,)*];

            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $word,)* }
            }

            /// One line for people.
            pub const fn help(self) -> &'static str {
                match self { $(Reason::$variant => $help,)* }
            }

            /// The number that is stored; never renumber.
            pub const fn code(self) -> u8 {
                match self { $(Reason::$variant => $code,)* }
            }

            pub const fn from_code(code: u8) -> Option<Self> {
                Some(match code { $($code => Reason::$variant,)* _ => return None })
            }
        }
    };
}

reasons! {
    Ok = 0, "ok", "everything that was expected held";
    Slow = 1, "slow", "all was well but slower than `degraded_over`";
    DnsNxdomain = 2, "dns_nxdomain", "the name does not exist";
    DnsServfail = 3, "dns_servfail", "the name servers of the name failed or refused";
    DnsTimeout = 4, "dns_timeout", "no answer from the resolver in time";
    DnsLocal = 5, "dns_local", "this machine's resolver cannot be asked";
    ConnectRefused = 6, "connect_refused", "the host refused the connection";
    ConnectTimeout = 7, "connect_timeout", "no connection in time";
    ConnectUnreachable = 8, "connect_unreachable", "no route to the host or network";
    TlsHandshake = 9, "tls_handshake", "the TLS handshake failed";
    TlsUntrusted = 10, "tls_untrusted", "the certificate's chain leads to no root that we trust";
    TlsExpired = 11, "tls_expired", "a certificate is expired or not yet valid";
    TlsName = 12, "tls_name", "the certificate is for another name";
    TlsVersion = 13, "tls_version", "no common TLS version";
    Send = 14, "send", "the connection broke while the request was sent";
    Receive = 15, "receive", "the connection broke before the answer was complete";
    TimeoutHeaders = 16, "timeout_headers", "no response head in time";
    TimeoutBody = 17, "timeout_body", "the response body was not complete in time";
    Protocol = 18, "protocol", "the answer is not the protocol that was asked for";
    RedirectLimit = 19, "redirect_limit", "too many redirects, or one that must not be followed";
    BodyTooLarge = 20, "body_too_large", "the body is over the cap, compressed or not";
    HttpStatus = 21, "http_status", "an HTTP status that was not expected";
    Expectation = 22, "expectation", "an expectation did not hold";
    AuthRejected = 23, "auth_rejected", "our credentials were refused (401, 403 or 407)";
    RateLimited = 24, "rate_limited", "we ask too often (429)";
    Proxy = 25, "proxy", "our own proxy failed or refused";
    AddressRefused = 26, "address_refused", "the name leads to an address that we do not connect to";
    VendorMaintenance = 27, "vendor_maintenance", "the vendor announced maintenance";
    OwnNetwork = 28, "own_network", "our own network failed";
    OwnResource = 29, "own_resource", "this machine lacks something: a descriptor, a port, memory";
    Internal = 30, "internal", "a fault in vendord itself";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Reason {
    /// Reasons that are about *us*: an observation with one of them can by type not be `down`
    /// (`auth_rejected` and `rate_limited` only unless the check says otherwise, so they are not here).
    pub const fn is_ours(self) -> bool {
        matches!(
            self,
            Reason::DnsLocal | Reason::Proxy | Reason::AddressRefused | Reason::OwnNetwork | Reason::OwnResource | Reason::Internal
        )
    }
}

impl Reason {
    /// As [`Reason::is_ours`], and what a vendor says of *us*: a run that ends for it is no evidence about the vendor,
    /// unless the check says that it is.
    pub const fn is_about_us(self) -> bool {
        self.is_ours() || matches!(self, Reason::AuthRejected | Reason::RateLimited)
    }
}

/// Where the time of a run went, in microseconds; the words of blackbox_exporter. `None`: the phase was not reached or does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    pub resolve: Option<u32>,
    pub connect: Option<u32>,
    pub tls: Option<u32>,
    pub processing: Option<u32>,
    pub transfer: Option<u32>,
}

impl Phases {
    pub const NAMES: [&'static str; 5] = ["resolve", "connect", "tls", "processing", "transfer"];

    pub const fn values(&self) -> [Option<u32>; 5] {
        [self.resolve, self.connect, self.tls, self.processing, self.transfer]
    }

    /// Phase by phase sum, for a run with several hops.
    pub fn plus(self, other: Phases) -> Phases {
        let add = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Phases {
            resolve: add(self.resolve, other.resolve),
            connect: add(self.connect, other.connect),
            tls: add(self.tls, other.tls),
            processing: add(self.processing, other.processing),
            transfer: add(self.transfer, other.transfer),
        }
    }
}

/// One certificate as the vendor sent it. Texts are cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    pub subject: String,
    pub issuer: String,
    /// DNS names and addresses that it is for (subject alternative names, RFC 5280 4.2.1.6).
    pub names: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Hexadecimal.
    pub serial: String,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

/// The certificates of one server, the leaf first, as they were sent; also where they were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Never empty.
    pub certificates: Vec<Certificate>,
    pub verified: bool,
    /// Earliest expiry in the verified chain; of the leaf where verification failed.
    pub not_after: Timestamp,
}

impl Chain {
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates.first()
    }
}

/// One connection of a run. A run without redirects has one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hop {
    /// Scheme, host and port, or host and port; never a path or query, which may be secret.
    pub target: Arc<str>,
    /// What we connected to; a proxy's where there is one.
    pub address: Option<SocketAddr>,
    pub phases: Phases,
    pub http_status: Option<u16>,
    /// `1.1`, `2`
    pub http_version: Option<&'static str>,
    pub tls_version: Option<&'static str>,
    pub chain: Option<Arc<Chain>>,
    /// It was the connection of the run before: nothing was resolved, connected or verified for this one.
    pub reused: bool,
}

/// What was said in a run that failed, for people who must show it to the vendor. Cleaned line by line and redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The request line, the DNS question, what was sent.
    pub request: String,
    /// The head of the response.
    pub response: String,
    /// At most [`Evidence::BODY_BYTES_MAX`] of what came after it.
    pub body: String,
}

impl Evidence {
    pub const BODY_BYTES_MAX: usize = 4096;
}

/// One expectation and what was seen instead, for alert texts and `probe`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    pub expression: String,
    pub passed: bool,
    pub seen: String,
}

/// What a run saw beside its outcome. All of it is optional: a probe fills what it reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Of the last answer.
    pub http_status: Option<u16>,
    /// Every connection, in order.
    pub hops: Vec<Hop>,
    /// The vendor's `Date` header, when the answer had no `Age` (RFC 9110 6.6.1): a second opinion on our clock.
    pub vendor_clock: Option<Timestamp>,
    /// When what the check looks at ends, where that is no certificate: a domain's registration.
    pub expires_at: Option<Timestamp>,
    pub expectations: Vec<Expectation>,
    /// One line for people: what failed, with what was seen. Cleaned text, at most [`Detail::MESSAGE_CHARS_MAX`] characters.
    pub message: String,
    /// What a page lists now, where that is new.
    pub version: Option<Box<PageVersion>>,
    /// Only of a run that failed.
    pub evidence: Option<Box<Evidence>>,
}

impl Detail {
    pub const MESSAGE_CHARS_MAX: usize = 300;

    /// The connection that ended the run.
    pub fn last_hop(&self) -> Option<&Hop> {
        self.hops.last()
    }

    /// Of the chains of all hops the one that ends first.
    pub fn chain(&self) -> Option<&Arc<Chain>> {
        self.hops.iter().filter_map(|hop| hop.chain.as_ref()).min_by_key(|chain| chain.not_after)
    }

    /// When the first thing that the check watches ends: a certificate, a registration.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.expires_at.or_else(|| self.chain().map(|chain| chain.not_after))
    }
}

/// One run of a check: what a probe returns. Which check, where and when is added by who ran it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub outcome: Outcome,
    pub reason: Reason,
    /// Of the whole run, on the monotonic clock.
    pub duration: Duration,
    pub phases: Phases,
    pub detail: Detail,
}

impl Observation {
    /// A run that ended for `reason`: `unknown` where the fault is ours, else `down`.
    pub fn failed(reason: Reason, duration: Duration, message: impl Into<String>) -> Self {
        Observation {
            outcome: if reason.is_about_us() { Outcome::Unknown } else { Outcome::Down },
            reason,
            duration,
            phases: Phases::default(),
            detail: Detail { message: message.into(), ..Detail::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_come_back() {
        for (n, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(reason.code()), Some(*reason));
            assert_eq!(reason.code() as usize, n, "codes follow the list");
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        assert_eq!(Reason::from_code(Reason::ALL.len() as u8), None);
    }

    #[test]
    fn our_own_faults_are_never_down() {
        for reason in Reason::ALL.iter().filter(|r| r.is_ours()) {
            assert_eq!(Observation::failed(*reason, Duration::ZERO, "").outcome, Outcome::Unknown);
        }
    }
}
