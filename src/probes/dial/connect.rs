//! From a host to a TCP connection whose address was allowed.
//!
//! - What the configuration names literally (an address, or `localhost`) was meant. Where a *name* or a redirect leads
//!   was not, so special addresses are refused there unless the check says `allow_private` (`model::address`).
//! - The address that was checked is the address that is connected to: there is no second look-up between.
//! - Addresses are tried in turn, v6 and v4 alternating, the next one after a failure or [`NEXT_AFTER`] (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use rustix::io::Errno;
use tokio::net::TcpStream;
use url::Host;

use crate::fetch::resolve::{Family, Resolver, Unresolved, UnresolvedKind, is_localhost};
use crate::model::{Fault, Reason, Settings, address};
use crate::probes::failure::{Deadline, Failure, Trace, timed};

/// RFC 8305 5: the recommended connection attempt delay.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// A name with more addresses tells nothing more about its vendor.
const ADDRESSES_MAX: usize = 8;

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probes) struct Target {
    pub host: Host<String>,
    pub port: u16,
    /// It is what the configuration names, not where a redirect led.
    pub configured: bool,
}

/// Which addresses may be used.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::probes) struct Guard {
    pub family: Family,
    pub allow_private: bool,
}

impl Guard {
    /// From the keys `ip` and `allow_private`, which both kinds have.
    pub fn of(settings: &Settings, target: Option<&Target>) -> Result<Self, Fault> {
        let guard = Guard { family: Family::of_word(settings.text("ip").unwrap_or("any")), allow_private: settings.on("allow_private") };
        match target.and_then(Target::literal) {
            Some(ip) if !guard.family.includes(ip) || settings.text("ip") == Some("both") => {
                let message = format!("{ip} is not an address of this family");
                Err(Fault::new("ip", message).hint("leave it out: a literal address says its family"))
            }
            _ => Ok(guard),
        }
    }
}

impl Target {
    /// `host:port` as people write it; the host alone where there are no ports.
    pub fn shown(&self) -> String {
        match self.port {
            0 => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
        }
    }

    /// The operator wrote down exactly this place.
    fn was_meant(&self) -> bool {
        self.configured
            && match &self.host {
                Host::Domain(name) => is_localhost(name),
                Host::Ipv4(_) | Host::Ipv6(_) => true,
            }
    }
}

pub(super) async fn connect(
    target: &Target,
    guard: Guard,
    resolver: &Resolver,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<TcpStream, Failure> {
    let addresses = addresses(target, guard, resolver, deadline, trace).await?;
    let attempts = race(&addresses, deadline);
    let (stream, address) = timed(&mut trace.hop.phases.connect, attempts).await?;
    trace.hop.address = Some(address);
    // Without it the last small write of a request may wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The addresses of `target` that may be connected or sent to, in the order to try them; never an empty list.
pub(super) async fn addresses(
    target: &Target,
    guard: Guard,
    resolver: &Resolver,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<Vec<SocketAddr>, Failure> {
    let found = match &target.host {
        Host::Ipv4(ip) => vec![IpAddr::V4(*ip)],
        Host::Ipv6(ip) => vec![IpAddr::V6(*ip)],
        Host::Domain(name) => {
            let asked = Box::pin(resolver.fresh(name, guard.family, deadline.left()));
            timed(&mut trace.hop.phases.resolve, asked).await?
        }
    };
    let addresses = allowed(target, guard, found)?;
    trace.hop.address = addresses.first().copied();
    Ok(addresses)
}

impl From<Unresolved> for Failure {
    fn from(error: Unresolved) -> Self {
        let reason = match error.kind {
            UnresolvedKind::Missing => Reason::DnsNxdomain,
            UnresolvedKind::Failed => Reason::DnsServfail,
            UnresolvedKind::Silent => Reason::DnsTimeout,
            UnresolvedKind::Local => Reason::DnsLocal,
        };
        Failure::new(reason, error.message)
    }
}

/// The addresses that may be connected to, in the order to try them.
pub(super) fn allowed(target: &Target, guard: Guard, addresses: Vec<IpAddr>) -> Result<Vec<SocketAddr>, Failure> {
    let everything = guard.allow_private || target.was_meant();
    let mut refused = None;
    let mut kept = Vec::with_capacity(addresses.len());
    for ip in addresses {
        match address::special(ip) {
            Some(range) if !everything => refused = Some((ip, range)),
            _ => kept.push(ip),
        }
    }
    match refused {
        Some((ip, range)) if kept.is_empty() => {
            let message = format!("{} leads to the {range} address {ip}; if that is meant, say allow_private = true", target.shown());
            Err(Failure::new(Reason::AddressRefused, message))
        }
        // Nothing is to be learnt from the family of this machine's own addresses, and most servers listen on 127.0.0.1.
        _ if kept.iter().all(IpAddr::is_loopback) => Ok(kept.into_iter().map(|ip| SocketAddr::new(ip, target.port)).collect()),
        _ => Ok(alternating(kept).map(|ip| SocketAddr::new(ip, target.port)).collect()),
    }
}

/// v6 first, then one of each in turn, as RFC 8305 4 sorts them.
fn alternating(addresses: Vec<IpAddr>) -> impl Iterator<Item = IpAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let mut sixth = false;
    std::iter::from_fn(move || {
        sixth = !sixth;
        if sixth { v6.next().or_else(|| v4.next()) } else { v4.next().or_else(|| v6.next()) }
    })
    .take(ADDRESSES_MAX)
}

/// A connection, and the address it leads to.
type Connected = (TcpStream, SocketAddr);

async fn race(addresses: &[SocketAddr], deadline: Deadline) -> Result<Connected, Failure> {
    let mut worst: Option<Failure> = None;
    let attempts = first_connected(addresses, &mut worst);
    let what = || match addresses {
        [one] => format!("no connection to {one}"),
        [one, rest @ ..] => format!("no connection to {one} or {} more", rest.len()),
        [] => "no connection".into(),
    };
    match deadline.bound(attempts, Reason::ConnectTimeout, what).await {
        Ok(Some(connected)) => Ok(connected),
        Ok(None) => Err(worst.unwrap_or_else(|| Failure::new(Reason::Internal, "no address"))),
        Err(late) => Err(match worst {
            Some(failure) => more_telling(failure, late),
            None => late,
        }),
    }
}

/// The first connection; `None` when every address failed, with the most telling failure in `worst`.
async fn first_connected(addresses: &[SocketAddr], worst: &mut Option<Failure>) -> Option<Connected> {
    if let [only] = addresses {
        let connected = TcpStream::connect(*only).await;
        return connected.map_err(|error| *worst = Some(connect_failure(*only, &error))).ok().map(|stream| (stream, *only));
    }
    Box::pin(race_all(addresses, worst)).await
}

/// Several addresses, in turn.
async fn race_all(addresses: &[SocketAddr], worst: &mut Option<Failure>) -> Option<Connected> {
    let mut waiting = addresses.iter();
    let mut running = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.next() {
            running.push(async { (*address, TcpStream::connect(*address).await) });
        }
        let Some((address, result)) = next_result(&mut running, waiting.len() > 0).await else {
            continue;
        };
        match result {
            Ok(stream) => return Some((stream, address)),
            Err(error) => {
                let failure = connect_failure(address, &error);
                let ours = is_exhausted(&error);
                *worst = Some(match worst.take() {
                    Some(before) => more_telling(before, failure),
                    None => failure,
                });
                // Without descriptors no address can be reached, and none can be blamed.
                if ours || (running.is_empty() && waiting.len() == 0) {
                    return None;
                }
            }
        }
    }
}

/// The next attempt that ended; `None` when it is time to start another one beside it.
async fn next_result<F: Future>(running: &mut FuturesUnordered<F>, more: bool) -> Option<F::Output> {
    if more { tokio::time::timeout(NEXT_AFTER, running.next()).await.ok()? } else { running.next().await }
}

/// This process or machine has no room for another connection.
fn is_exhausted(error: &io::Error) -> bool {
    const LACKS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    LACKS.iter().any(|lack| error.raw_os_error() == Some(lack.raw_os_error()))
}

/// What an error of a new socket says.
pub(in crate::probes) fn connect_failure(address: SocketAddr, error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let (reason, message) = match error.kind() {
        _ if is_exhausted(error) => (Reason::OwnResource, format!("this machine cannot open a connection: {error}")),
        Kind::AddrNotAvailable | Kind::PermissionDenied => {
            (Reason::OwnResource, format!("this machine cannot connect to {address}: {error}"))
        }
        Kind::ConnectionRefused => (Reason::ConnectRefused, format!("connection refused by {address}")),
        Kind::ConnectionReset | Kind::ConnectionAborted => (Reason::ConnectRefused, format!("connection reset by {address} at once")),
        Kind::TimedOut => (Reason::ConnectTimeout, format!("no connection to {address}: {error}")),
        _ => (Reason::ConnectUnreachable, format!("no route to {address}: {error}")),
    };
    Failure::new(reason, message)
}

/// Of two failures of one host: what says most about the host. A missing IPv6 route says nothing beside a refusal.
fn more_telling(a: Failure, b: Failure) -> Failure {
    let rank = |failure: &Failure| match failure.reason {
        Reason::ConnectUnreachable => 0,
        Reason::OwnResource => 1,
        Reason::ConnectTimeout => 2,
        _ => 3,
    };
    if rank(&b) >= rank(&a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn target(host: &str, configured: bool) -> Target {
        Target { host: Host::parse(host).unwrap(), port: 443, configured }
    }

    #[test]
    fn special_addresses_need_to_be_meant() {
        let check = |host: &str, configured, allow_private, addresses: &[&str], want: &[&str]| {
            let guard = Guard { family: Family::Any, allow_private };
            let addresses = addresses.iter().map(|a| ip(a)).collect();
            let got = allowed(&target(host, configured), guard, addresses);
            let got: Vec<_> = match got {
                Ok(kept) => kept.iter().map(|a| a.ip().to_string()).collect(),
                Err(failure) => {
                    assert_eq!(failure.reason, Reason::AddressRefused);
                    Vec::new()
                }
            };
            assert_eq!(got, want, "{host} {configured} {allow_private}");
        };
        check("10.0.0.1", true, false, &["10.0.0.1"], &["10.0.0.1"]);
        check("10.0.0.1", false, false, &["10.0.0.1"], &[]);
        check("10.0.0.1", false, true, &["10.0.0.1"], &["10.0.0.1"]);
        check("localhost", true, false, &["127.0.0.1"], &["127.0.0.1"]);
        check("localhost", false, false, &["127.0.0.1"], &[]);
        check("a.example", true, false, &["169.254.169.254"], &[]);
        check("a.example", true, true, &["10.0.0.1"], &["10.0.0.1"]);
        check("a.example", true, false, &["10.0.0.1", "1.1.1.1"], &["1.1.1.1"]);
    }

    #[test]
    fn families_alternate() {
        let all = ["1.1.1.1", "2.2.2.2", "3.3.3.3", "::1"].map(ip).to_vec();
        let got: Vec<_> = alternating(all).map(|a| a.to_string()).collect();
        assert_eq!(got, ["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"]);
        assert_eq!(alternating(vec![ip("::1"); 99]).count(), ADDRESSES_MAX);
    }

    #[test]
    fn f36_a_lack_of_ours_is_never_the_vendors() {
        let address = "1.2.3.4:443".parse().unwrap();
        let of = |errno: Errno| connect_failure(address, &io::Error::from_raw_os_error(errno.raw_os_error())).reason;
        for (errno, want) in [
            (Errno::MFILE, Reason::OwnResource),
            (Errno::NFILE, Reason::OwnResource),
            (Errno::NOBUFS, Reason::OwnResource),
            (Errno::NOMEM, Reason::OwnResource),
            (Errno::ADDRNOTAVAIL, Reason::OwnResource),
            (Errno::PERM, Reason::OwnResource),
            (Errno::CONNREFUSED, Reason::ConnectRefused),
            (Errno::CONNRESET, Reason::ConnectRefused),
            (Errno::TIMEDOUT, Reason::ConnectTimeout),
            (Errno::NETUNREACH, Reason::ConnectUnreachable),
            (Errno::HOSTUNREACH, Reason::ConnectUnreachable),
            (Errno::AFNOSUPPORT, Reason::ConnectUnreachable),
        ] {
            assert_eq!(of(errno), want, "{errno:?}");
        }
    }

    #[test]
    fn the_most_telling_failure_is_reported() {
        let of = |reason| Failure::new(reason, "");
        for (a, b, want) in [
            (Reason::ConnectUnreachable, Reason::ConnectRefused, Reason::ConnectRefused),
            (Reason::ConnectRefused, Reason::ConnectUnreachable, Reason::ConnectRefused),
            (Reason::ConnectTimeout, Reason::ConnectUnreachable, Reason::ConnectTimeout),
            (Reason::ConnectUnreachable, Reason::OwnResource, Reason::OwnResource),
        ] {
            assert_eq!(more_telling(of(a), of(b)).reason, want);
        }
    }
}
