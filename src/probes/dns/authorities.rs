//! Whether all name servers of a zone have the same version of it: its SOA serial, asked of each of them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hickory_resolver::proto::rr::RecordType;
use tokio::time::timeout;
use url::Host;

use super::exchange::{Datagram, literal, over_stream, over_udp};
use super::question::Question;
use super::{DnsProbe, expected::Held};
use crate::model::Reason;
use crate::model::observation::Expectation;
use crate::probes::dial::Target;
use crate::probes::failure::{Deadline, Failure, Trace, clean};

/// Zones have up to 13, like the root.
const SERVERS_MAX: usize = 16;

const SEEN_CHARS_MAX: usize = 250;

/// A name server and its serial, or what became of the question.
type Told = (String, Result<u32, Failure>);

impl DnsProbe {
    /// Asks for the zone's name servers and each of them for its serial. What goes wrong on the way is what was seen.
    pub(super) async fn serials(&self, deadline: Deadline) -> Held {
        let servers = match self.name_servers(deadline).await {
            Ok(servers) => servers,
            Err(failure) => return held(false, failure.message),
        };
        // So that one which is silent is told before the run ends.
        let within = deadline.left() * 9 / 10;
        let mut asked: FuturesUnordered<_> = servers.iter().map(|name| self.serial_of(name, within)).collect();
        let mut told: Vec<Told> = Vec::with_capacity(servers.len());
        while let Some(one) = asked.next().await {
            told.push(one);
        }
        judge(told)
    }

    async fn name_servers(&self, deadline: Deadline) -> Result<Vec<String>, Failure> {
        let question = Question { kind: RecordType::NS, ..self.question.clone() };
        let answer = self.exchange(&question, deadline, &mut Trace::default()).await?;
        let mut servers = answer.answers;
        servers.truncate(SERVERS_MAX);
        if servers.is_empty() {
            return Err(Failure::new(Reason::Expectation, format!("{} has no name servers ({})", question.shown(), answer.rcode)));
        }
        Ok(servers)
    }

    async fn serial_of(&self, name: &str, within: Duration) -> Told {
        let deadline = Deadline::of(within);
        let target = Target { host: Host::Domain(name.to_owned()), port: self.authority_port, configured: false };
        let asked = self.ask_authority(&target, deadline);
        let serial = timeout(within, asked).await.unwrap_or_else(|_| Err(Failure::new(Reason::DnsTimeout, "no answer")));
        (name.to_owned(), serial)
    }

    async fn ask_authority(&self, target: &Target, deadline: Deadline) -> Result<u32, Failure> {
        let question = Question { recursion: false, authenticated: false, ..self.question.clone() };
        let mut trace = Trace::default();
        let places = self.dialer.addresses(target, deadline, &mut trace).await?;
        let answer = match over_udp(&places, &question, deadline).await? {
            Datagram::Answer(answer, _) => answer,
            Datagram::Truncated(place) => over_stream(&self.dialer, &literal(place), false, &question, deadline, &mut trace).await?,
        };
        answer.serial.ok_or_else(|| Failure::new(Reason::Expectation, format!("{} without a SOA record", answer.rcode)))
    }
}

fn judge(mut told: Vec<Told>) -> Held {
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let first = told.first().and_then(|(_, serial)| serial.as_ref().ok().copied());
    let same = first.is_some() && told.iter().all(|(_, serial)| serial.as_ref().ok().copied() == first);
    let lines: Vec<String> = told
        .iter()
        .map(|(name, serial)| match serial {
            Ok(serial) => format!("{name}: {serial}"),
            Err(failure) => format!("{name}: {}", failure.message),
        })
        .collect();
    held(same, lines.join(", "))
}

fn held(passed: bool, seen: String) -> Held {
    let expression = "all name servers of the zone have the same serial".to_owned();
    Held { expectation: Expectation { expression, passed, seen: clean(&seen, SEEN_CHARS_MAX) }, reason: Reason::Expectation }
}
