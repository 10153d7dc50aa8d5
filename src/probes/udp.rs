//! `kind = "udp"`: a datagram is sent, and what comes back is judged.
//!
//! - Only silence tells that nobody listens (a firewall may swallow what an ICMP message would say), so an answer is always wanted.
//! - Each datagram is an answer of its own: the first one on which the conditions hold is good; if none is, the last one is shown.
//! - The socket is connected: nobody but the asked address is heard.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Target, connect_failure};
use super::dialogue::Said;
use super::failure::{Deadline, Failure, Trace, timed};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

#[cfg(test)]
mod tests;

pub(super) const KIND: Kind =
    Kind { name: "udp", help: "a datagram, and what comes back", keys: &[KEYS, dial::KEYS, condition::KEYS], build };

const SCOPE: Scope<'static> = Scope::new("udp", &["latency", "body", "body_bytes", "ip"]);

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "where to send to: `game.vendor.example:27015`, `192.0.2.1:123` or `[2001:db8::1]:123`"),
    Key::required("send", Shape::Text, "what is sent, as it is, in one datagram; in double quotes TOML knows \\r, \\n and \\u0000"),
];

/// RFC 768 and 791: 65,535 bytes less the two headers.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// Answers that are looked at. A host that sends more without a good one has none.
const ANSWERS_MAX: usize = 256;

struct UdpProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    send: Vec<u8>,
    wanted: Expectations,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(UdpProbe::of(settings, workshop)?))
}

impl Probe for UdpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let (mut trace, mut said) = (Trace::default(), Said::default());
            trace.begin(self.host.as_str().into());
            let looked = self.look(deadline, &mut trace, &mut said).await;
            let duration = deadline.started.elapsed();
            let mut seen = match looked {
                Ok(()) => self.judge(trace, &said, duration),
                Err(failure) => trace.failed(failure, duration),
            };
            if seen.outcome != Outcome::Up {
                said.request = String::from_utf8_lossy(&self.send).into_owned();
                seen.detail.evidence = said.evidence();
            }
            seen
        })
    }
}

impl UdpProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let target = dial::address(settings).map_err(|fault| faults.push(fault));
        let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
        let send = send(settings).map_err(|fault| faults.push(fault));
        let (Ok(target), Ok(dialer), Ok(wanted), Ok(send)) = (target, dialer, wanted, send) else { return Err(faults) };
        Ok(UdpProbe { host: target.shown(), target, dialer, send, wanted })
    }

    /// What is refused or unreachable at one address of a name may be there at the next; silence is an answer for all.
    async fn look(&self, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<(), Failure> {
        let addresses = self.dialer.addresses(&self.target, deadline, trace).await?;
        let mut failed = Failure::new(Reason::Internal, "no address");
        for address in addresses {
            trace.hop.address = Some(address);
            match self.ask(address, deadline, trace, said).await {
                Err(failure) if matches!(failure.reason, Reason::ConnectRefused | Reason::ConnectUnreachable) => failed = failure,
                asked => return asked,
            }
        }
        Err(failed)
    }

    async fn ask(&self, address: SocketAddr, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<(), Failure> {
        let socket = connected(address).await.map_err(|error| connect_failure(address, &error))?;
        let mut phase = trace.hop.phases.processing;
        let asking = async {
            socket.send(&self.send).await.map_err(|error| unanswered(address, &error))?;
            for _ in 0..ANSWERS_MAX {
                said.body = receive(&socket).await.map_err(|error| unanswered(address, &error))?;
                let seen = Seen { latency: deadline.started.elapsed(), body: Some(&said.body), ..Seen::of(&trace.hop, clock::now()) };
                if self.wanted.are_met_by_body(&seen) {
                    break;
                }
            }
            Ok(())
        };
        let what = || format!("no answer from {address}");
        let asked = timed(&mut phase, deadline.bound(asking, Reason::TimeoutBody, what)).await;
        trace.hop.phases.processing = phase;
        match asked {
            // Something came, and can be judged.
            Err(_) if !said.body.is_empty() => Ok(()),
            asked => asked?,
        }
    }

    fn judge(&self, mut trace: Trace, said: &Said, latency: Duration) -> Observation {
        let seen = Seen { latency, body: Some(&said.body), ..Seen::of(&trace.hop, clock::now()) };
        let verdict = judge(&self.wanted, &seen, Manners { said: "answered", ..Manners::default() });
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }
}

fn send(settings: &Settings) -> Result<Vec<u8>, Fault> {
    let text = settings.text("send").unwrap_or_default();
    if text.is_empty() {
        return Err(
            Fault::new("send", "nothing would be sent").hint("only an answer tells that somebody listens: send something that is answered")
        );
    }
    if text.len() > DATAGRAM_BYTES_MAX {
        let message = format!("{} bytes do not fit into a datagram", text.len());
        return Err(Fault::new("send", message).hint(format!("send at most {DATAGRAM_BYTES_MAX} bytes")));
    }
    Ok(text.as_bytes().to_vec())
}

async fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok(socket)
}

/// The next datagram. Room for it is made when it is there, not while everybody waits. What an ICMP message said is an
/// error of the socket and not something to read, so both are waited for.
async fn receive(socket: &UdpSocket) -> io::Result<Vec<u8>> {
    let read = || {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        let (_, length) = rustix::net::recv(socket, datagram.as_mut_slice(), RecvFlags::DONTWAIT)?;
        datagram.truncate(length);
        datagram.shrink_to_fit();
        Ok(datagram)
    };
    socket.async_io(Interest::READABLE | Interest::ERROR, read).await
}

/// An error in place of an answer: an ICMP message that came back (RFC 1122 4.1.3.3), or a lack of our own.
fn unanswered(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::new(Reason::ConnectRefused, format!("{address} says that nobody listens there")),
        _ => connect_failure(address, error),
    }
}
