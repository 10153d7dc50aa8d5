//! `kind = "tls"`: a TLS handshake and the whole chain of certificates. Nothing is sent after it.
//!
//! The chain is kept also where it was refused: when it ends is what `tls.expiring` and people look at.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Offer, Target};
use super::failure::{Deadline, Failure, Trace, evidence};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::observation::{Certificate, Evidence, Hop};
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

#[cfg(test)]
mod tests;

pub(super) const KIND: Kind = Kind {
    name: "tls",
    help: "a TLS handshake, and every certificate of the chain",
    keys: &[KEYS, dial::TLS_KEYS, dial::KEYS, condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new("tls", &["latency", "cert.days_left", "cert.issuer", "tls.version", "ip"]);

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "where to connect to: `mail.vendor.example:993`, `192.0.2.1:443` or `[2001:db8::1]:443`"),
    Key::new("min_version", Shape::OneOf(&["1.2", "1.3"]), "\"1.2\"", "the oldest version of TLS that is good enough"),
    Key::new("auth", Shape::Table(AUTH), "", "who we are, for servers that ask").alone(),
];

const AUTH: &[Key] = &[dial::MTLS];

struct TlsProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    wanted: Expectations,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(TlsProbe::of(settings, workshop)?))
}

impl TlsProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let target = dial::address(settings).map_err(|fault| faults.push(fault));
        let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
        let (Ok(target), Ok(dialer), Ok(wanted)) = (target, dialer, wanted) else { return Err(faults) };
        Ok(TlsProbe { host: target.shown(), target, dialer, wanted })
    }

    async fn look(&self, deadline: Deadline, trace: &mut Trace) -> Result<Duration, Failure> {
        let stream = self.dialer.connect(&self.target, deadline, trace).await?;
        let mut secured = self.dialer.secure(stream, &self.target, Offer::None, deadline, trace).await?;
        let latency = deadline.started.elapsed();
        // A server that is left without a word logs an error.
        let _ = deadline.bound(secured.shutdown(), Reason::Send, String::new).await;
        Ok(latency)
    }

    fn judge(&self, mut trace: Trace, latency: Duration) -> Observation {
        let seen = Seen { latency, ..Seen::of(&trace.hop, clock::now()) };
        let verdict = judge(&self.wanted, &seen, Manners { said: "TLS handshake complete", ..Manners::default() });
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }
}

impl Probe for TlsProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            trace.begin(self.host.as_str().into());
            let mut seen = match self.look(deadline, &mut trace).await {
                Ok(latency) => self.judge(trace, latency),
                Err(failure) => trace.failed(failure, deadline.started.elapsed()),
            };
            if seen.outcome != Outcome::Up {
                seen.detail.evidence = shown(&self.host, &seen.detail.hops);
            }
            seen
        })
    }
}

/// What was asked of `host`, and the certificates that it showed.
fn shown(host: &str, hops: &[Hop]) -> Option<Box<Evidence>> {
    evidence(&format!("TLS handshake with {host}"), &chain(hops.last()?), b"")
}

/// One line per certificate, the server's own first.
pub(super) fn chain(hop: &Hop) -> String {
    let mut text = String::new();
    for certificate in hop.chain.iter().flat_map(|chain| &chain.certificates) {
        let Certificate { subject, issuer, names, not_before, not_after, .. } = certificate;
        let _ = writeln!(text, "{subject}, issued by {issuer}, from {not_before} to {not_after}, for {}", names.join(" "));
    }
    text
}
