//! `kind = "icmp"`: echoes to a host, how long they take and how many come back.
//!
//! - An answer counts when all that was sent came back with it; others' answers, old and doubled ones do not.
//! - One echo that comes back is enough to be up: how much may be lost is a condition (`loss`).
//! - The echoes are a pause apart, which is not the host's fault: `latency` here is the median of the echoes.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Host;

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Target};
use super::failure::{Deadline, Failure, Trace, evidence};
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

mod echo;
mod socket;
#[cfg(test)]
mod tests;

use echo::{Echoes, HEADER_BYTES, MARK_BYTES};
use socket::Socket;

pub(super) const KIND: Kind = Kind { name: "icmp", help: "echoes to a host (ping)", keys: &[KEYS, dial::KEYS, condition::KEYS], build };

const SCOPE: Scope<'static> = Scope::new("icmp", &["rtt", "loss", "latency", "ip"]);

/// More echoes in one run measure no better, and are a burden.
const COUNT_MAX: u64 = 100;

/// What fits into one packet of IPv4 beside both headers.
const SIZE_MAX: u64 = 65_507;

const KEYS: &[Key] = &[
    Key::required("address", Shape::Text, "whom to ask: `gateway.vendor.example`, `192.0.2.1` or `2001:db8::1`"),
    Key::new("count", Shape::Count(1, COUNT_MAX), "3", "how many echoes are sent in one run"),
    Key::new("size", Shape::Count(MARK_BYTES as u64, SIZE_MAX), "56", "how many bytes are sent along with each"),
    Key::new("df", Shape::Flag, "false", "echoes must not be cut on their way (don't fragment)"),
];

/// Between two echoes; less where the timeout is short.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// How long to wait for the rest after the last echo, once something came back; twice the slowest echo is added.
const REST_WITHIN: Duration = Duration::from_secs(1);

struct IcmpProbe {
    target: Target,
    host: String,
    dialer: Dialer,
    count: u16,
    size: usize,
    df: bool,
    wanted: Expectations,
}

/// What became of the echoes.
#[derive(Default)]
struct Flown {
    /// By sequence number.
    sent: Vec<Instant>,
    took: Vec<Option<Duration>>,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(IcmpProbe::of(settings, workshop)?))
}

impl Probe for IcmpProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let mut trace = Trace::default();
            trace.begin(self.host.as_str().into());
            let looked = self.look(deadline, &mut trace).await;
            let duration = deadline.started.elapsed();
            let mut seen = match looked {
                Ok(flown) => self.judge(trace, &flown, duration),
                Err(failure) => trace.failed(failure, duration),
            };
            if seen.outcome != Outcome::Up {
                let asked = format!("{} echoes of {} bytes to {}", self.count, self.size, self.host);
                seen.detail.evidence = evidence(&asked, &seen.detail.message, b"");
            }
            seen
        })
    }
}

impl IcmpProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let target = address(settings).map_err(|fault| faults.push(fault));
        let dialer = Dialer::of(settings, target.as_ref().ok(), workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
        let (Ok(target), Ok(dialer), Ok(wanted)) = (target, dialer, wanted) else { return Err(faults) };
        let number = |key: &str, default: u64| settings.count(key).copied().unwrap_or(default);
        Ok(IcmpProbe {
            host: target.shown(),
            target,
            dialer,
            count: number("count", 3).min(COUNT_MAX) as u16,
            size: number("size", 56).min(SIZE_MAX) as usize,
            df: settings.on("df"),
            wanted,
        })
    }

    /// Where one address of a name cannot be sent to, the next may be; silence is an answer for all.
    async fn look(&self, deadline: Deadline, trace: &mut Trace) -> Result<Flown, Failure> {
        let addresses = self.dialer.addresses(&self.target, deadline, trace).await?;
        let mut failed = Failure::new(Reason::Internal, "no address");
        for address in addresses {
            trace.hop.address = Some(address);
            match self.fly(address, deadline, trace).await {
                Err(failure) if failure.reason == Reason::ConnectUnreachable => failed = failure,
                flown => return flown,
            }
        }
        Err(failed)
    }

    async fn fly(&self, address: SocketAddr, deadline: Deadline, trace: &mut Trace) -> Result<Flown, Failure> {
        let socket = Socket::open(address.ip(), self.df, HEADER_BYTES + self.size)?;
        let echoes = Echoes { v6: address.is_ipv6(), mark: RandomState::new().hash_one(address), size: self.size };
        let mut flown = Flown::default();
        let flying = self.exchange(&socket, &echoes, deadline, &mut flown);
        let ended = deadline.bound(flying, Reason::ConnectTimeout, String::new).await;
        trace.hop.phases.processing = flown.median().map(|took| u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        match ended {
            _ if flown.came_back() > 0 => Ok(flown),
            Ok(Err(failure)) => Err(failure),
            _ => {
                let message = format!("nothing came back of {} echoes to {} within {:?}", flown.sent.len(), address.ip(), deadline.timeout);
                Err(Failure::new(Reason::ConnectTimeout, message))
            }
        }
    }

    /// Sends what is due and takes what comes, until all of it is back or waiting longer tells nothing.
    async fn exchange(&self, socket: &Socket, echoes: &Echoes, deadline: Deadline, flown: &mut Flown) -> Result<(), Failure> {
        let pause = PAUSE_MAX.min(deadline.timeout / (2 * u32::from(self.count)));
        while flown.came_back() < usize::from(self.count) {
            let all_sent = flown.sent.len() == usize::from(self.count);
            let next = match flown.sent.last() {
                None => Duration::ZERO,
                Some(last) if all_sent => (flown.rest_within() + (*last - deadline.started)).saturating_sub(deadline.started.elapsed()),
                Some(last) => pause.saturating_sub(last.elapsed()),
            };
            match tokio::time::timeout(next, socket.receive()).await {
                Ok(packet) => flown.take(echoes.sequence(&packet?, socket.whole)),
                Err(_) if all_sent => break,
                Err(_) => {
                    let sequence = flown.sent.len() as u16;
                    let sent = clock::instant();
                    socket.send(&echoes.request(sequence)).await?;
                    flown.sent.push(sent);
                    flown.took.push(None);
                }
            }
        }
        Ok(())
    }

    fn judge(&self, mut trace: Trace, flown: &Flown, duration: Duration) -> Observation {
        let median = flown.median();
        let seen = Seen {
            latency: median.unwrap_or(duration),
            rtt: median,
            loss: Some(flown.loss(self.count)),
            ..Seen::of(&trace.hop, clock::now())
        };
        let verdict = judge(&self.wanted, &seen, Manners { said: "came back", ..Manners::default() });
        let message = match verdict.outcome {
            Outcome::Up => format!("{} of {} came back, median {:?}", flown.came_back(), self.count, median.unwrap_or_default()),
            _ => verdict.message,
        };
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, duration, &message)
    }
}

impl Flown {
    /// The first answer to an echo counts.
    fn take(&mut self, sequence: Option<u16>) {
        let at = sequence.map(usize::from);
        if let Some((sent, took)) = at.and_then(|at| Some((self.sent.get(at)?, self.took.get_mut(at)?))) {
            took.get_or_insert(sent.elapsed());
        }
    }

    fn came_back(&self) -> usize {
        self.took.iter().flatten().count()
    }

    fn loss(&self, count: u16) -> f64 {
        1.0 - self.came_back() as f64 / f64::from(count)
    }

    /// The lower one of the two in the middle.
    fn median(&self) -> Option<Duration> {
        let mut took: Vec<Duration> = self.took.iter().flatten().copied().collect();
        took.sort_unstable();
        took.get(took.len().checked_sub(1)? / 2).copied()
    }

    /// After the last echo. While nothing came back, only the deadline ends the waiting.
    fn rest_within(&self) -> Duration {
        match self.took.iter().flatten().max() {
            Some(slowest) => REST_WITHIN + 2 * *slowest,
            None => Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// The key `address`: a host without a port.
fn address(settings: &Settings) -> Result<Target, Fault> {
    let text = settings.text("address").unwrap_or_default();
    let host = match text.parse() {
        Ok(IpAddr::V4(ip)) => Host::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => Host::Ipv6(ip),
        Err(_) => Host::parse(text).map_err(|error| {
            let fault = Fault::new("address", format!("{text:?} is not a host: {error}"));
            fault.hint("write a host without a port: \"gateway.vendor.example\", \"192.0.2.1\" or \"2001:db8::1\"")
        })?,
    };
    Ok(Target { host, port: 0, configured: true })
}
