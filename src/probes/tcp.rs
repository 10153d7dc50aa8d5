//! `kind = "tcp"`: whether a connection can be opened; where it is said, TLS is begun in it (`starttls`), something is
//! sent and what comes back is judged.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Offer, Target};
use super::dialogue::{self, Dialogue, Said};
use super::failure::{Deadline, Failure, Trace};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop, tls};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

mod ldap;
mod starttls;
#[cfg(test)]
mod tests;

use starttls::Protocol;

pub(super) const KIND: Kind = Kind {
    name: "tcp",
    help: "whether a TCP connection can be opened, and what is said over it",
    keys: &[KEYS, dialogue::KEYS, dial::TLS_KEYS, dial::KEYS, condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new("tcp", &["latency", "body", "body_bytes", "ip"]);

const SECURE_SCOPE: Scope<'static> =
    Scope::new("tcp", &["latency", "body", "body_bytes", "cert.days_left", "cert.issuer", "tls.version", "ip"]);

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "where to connect to: `db.vendor.example:5432`, `192.0.2.1:25` or `[2001:db8::1]:25`"),
    Key::new("starttls", Shape::OneOf(Protocol::WORDS), "", "the protocol that is spoken there, in which TLS is begun"),
];

struct TcpProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    starttls: Option<Protocol>,
    dialogue: Dialogue,
    wanted: Expectations,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(TcpProbe::of(settings, workshop)?))
}

impl Probe for TcpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let (mut trace, mut said) = (Trace::default(), Said::default());
            trace.begin(self.host.as_str().into());
            let mut seen = match self.look(deadline, &mut trace, &mut said).await {
                Ok(latency) => self.judge(trace, &said, latency),
                Err(failure) => trace.failed(failure, deadline.started.elapsed()),
            };
            if seen.outcome != Outcome::Up {
                said.response.extend(seen.detail.last_hop().map(tls::chain));
                seen.detail.evidence = said.evidence();
            }
            seen
        })
    }
}

impl TcpProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let starttls = settings.text("starttls").and_then(Protocol::of_word);
        let scope = if starttls.is_some() { SECURE_SCOPE } else { SCOPE };
        let target = dial::address(settings).map_err(|fault| faults.push(fault));
        let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &scope).map_err(|all| faults.extend(all));
        let (Ok(target), Ok(dialer), Ok(wanted)) = (target, dialer, wanted) else { return Err(faults) };
        Ok(TcpProbe { host: target.shown(), target, dialer, starttls, dialogue: Dialogue::of(settings, &wanted), wanted })
    }

    /// How long it took; what was said is in `said`.
    async fn look(&self, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<Duration, Failure> {
        let mut stream = self.dialer.connect(&self.target, deadline, trace).await?;
        let Some(protocol) = self.starttls else {
            return self.talk(&mut stream, deadline, trace, said).await;
        };
        protocol.begin_tls(&mut stream, &self.host, deadline, trace, said).await?;
        let mut secured = self.dialer.secure(stream, &self.target, Offer::None, deadline, trace).await?;
        let latency = self.talk(&mut secured, deadline, trace, said).await?;
        // A server that is left without a word logs an error.
        let _ = deadline.bound(secured.shutdown(), Reason::Send, String::new).await;
        Ok(latency)
    }

    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        deadline: Deadline,
        trace: &mut Trace,
        said: &mut Said,
    ) -> Result<Duration, Failure> {
        self.dialogue.hold(stream, &self.host, &self.wanted, deadline, trace, said).await?;
        Ok(deadline.started.elapsed())
    }

    fn judge(&self, mut trace: Trace, said: &Said, latency: Duration) -> Observation {
        let seen = Seen { latency, body: Some(&said.body), ..Seen::of(&trace.hop, clock::now()) };
        let good = if self.dialogue.is_answered { "answered" } else { "connected" };
        let verdict = judge(&self.wanted, &seen, Manners { said: good, ..Manners::default() });
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }
}
