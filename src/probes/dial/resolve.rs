//! Names to addresses, as this system is configured: the hosts file first, then the name servers of `resolv.conf`
//! with search list and ndots.
//!
//! - Nothing is cached: every probe asks again, so that a broken name is seen when it breaks.
//! - `localhost` and names below it never leave the machine (RFC 6761 6.3), whatever the hosts file says.
//! - The system's files are read again when they change; a resolver that cannot be configured is `dns_local`, not a panic.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::clock;
use crate::model::Reason;
use crate::probes::failure::{Deadline, Failure};

/// Which addresses a check may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::probes) enum Family {
    #[default]
    Any,
    V4,
    V6,
}

impl Family {
    pub const WORDS: &[&str] = &["any", "v4", "v6", "both"];

    pub fn of_word(word: &str) -> Self {
        match word {
            "v4" => Family::V4,
            "v6" => Family::V6,
            _ => Family::Any,
        }
    }

    pub fn includes(self, ip: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        }
    }

    const fn shown(self) -> &'static str {
        match self {
            Family::Any => "addresses",
            Family::V4 => "IPv4 addresses",
            Family::V6 => "IPv6 addresses",
        }
    }
}

/// How often the system's files are looked at for changes: two `stat` calls, so a DHCP change is seen at once in people's time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How long to wait for the other family once one has answered (RFC 8305 3 calls it the resolution delay): some name
/// servers swallow AAAA questions, and that must not look like a slow vendor.
const OTHER_FAMILY_WITHIN: Duration = Duration::from_millis(50);

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

type Stamp = [Option<(SystemTime, u64)>; FILES.len()];

/// As many unrelated zones do not break at once: then the resolver of this machine fails every name.
const ZONES_BROKEN: usize = 3;

pub(in crate::probes) struct Resolver {
    current: Mutex<Current>,
    /// Zones for which the name servers failed, since the last name that they knew or denied.
    failing: Mutex<Vec<String>>,
}

struct Current {
    looked_at: Instant,
    stamp: Stamp,
    system: Arc<System>,
}

/// The system's configuration at one time.
struct System {
    hosts: Hosts,
    /// Or why there is none.
    servers: Result<Servers, String>,
}

impl Resolver {
    pub fn of_this_system() -> Self {
        Resolver::with(System::read())
    }

    fn with(system: System) -> Self {
        Resolver {
            current: Mutex::new(Current { looked_at: clock::instant(), stamp: stamp(), system: Arc::new(system) }),
            failing: Mutex::default(),
        }
    }

    /// All addresses of `name` of that family; never an empty list.
    pub async fn addresses(&self, name: &str, family: Family, deadline: Deadline) -> Result<Vec<IpAddr>, Failure> {
        let mut found = if is_localhost(name) {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        } else {
            self.ask(name, family, deadline).await?
        };
        found.retain(|ip| family.includes(*ip));
        if found.is_empty() {
            let message = format!("{name} has no {}", family.shown());
            return Err(Failure::new(Reason::DnsNxdomain, message));
        }
        Ok(found)
    }

    async fn ask(&self, name: &str, family: Family, deadline: Deadline) -> Result<Vec<IpAddr>, Failure> {
        let system = self.current();
        let what = || format!("the resolver did not answer for {name}");
        let bound = deadline.bound(system.addresses(name, family), Reason::DnsTimeout, what);
        let found = bound.await.and_then(|found| found);
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        found.map_err(|failure| whose(failure, name, &mut failing)).inspect(|_| failing.clear())
    }

    fn current(&self) -> Arc<System> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::instant();
        if now.duration_since(current.looked_at) >= LOOK_AGAIN_AFTER {
            current.looked_at = now;
            let stamp = stamp();
            if stamp != current.stamp {
                current.stamp = stamp;
                current.system = Arc::new(System::read());
            }
        }
        Arc::clone(&current.system)
    }
}

/// A failure of one zone is the vendor's; when all fail, it is our resolver's (F18).
fn whose(failure: Failure, name: &str, failing: &mut Vec<String>) -> Failure {
    if !matches!(failure.reason, Reason::DnsTimeout | Reason::DnsServfail) {
        if failure.reason == Reason::DnsNxdomain {
            failing.clear();
        }
        return failure;
    }
    let zone = zone(name);
    if failing.len() < ZONES_BROKEN && !failing.contains(&zone) {
        failing.push(zone);
    }
    if failing.len() < ZONES_BROKEN {
        return failure;
    }
    let message = format!("{}, as for every other name", failure.message);
    Failure::new(Reason::DnsLocal, message)
}

/// The last two labels: names that share them may break together. Where a registry sells third labels (`co.uk`) this
/// takes strangers for relatives, which only makes us slower to blame ourselves.
fn zone(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let from = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    name[from..].to_ascii_lowercase()
}

/// `localhost` and names below it, with or without the final dot.
pub(super) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

fn stamp() -> Stamp {
    FILES.map(|file| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

impl System {
    fn read() -> Self {
        System { hosts: Hosts::from_system().unwrap_or_default(), servers: name_servers().map_err(|error| error.to_string()) }
    }

    async fn addresses(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, Failure> {
        let parsed = Name::from_str(name).map_err(|_| Failure::new(Reason::DnsNxdomain, format!("{name} is not a DNS name")))?;
        let known = self.hosts_file(&parsed);
        if !known.is_empty() {
            return Ok(known);
        }
        let servers =
            self.servers.as_ref().map_err(|error| Failure::new(Reason::DnsLocal, format!("no name server is configured here: {error}")))?;
        let found = servers.addresses(&parsed, family).await;
        found.map_err(|error| failure(name, family, &error))
    }

    fn hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| addresses_in(&found))
            .collect()
    }
}

/// The name servers, and what is tried beside a name as it was written.
struct Servers {
    resolver: TokioResolver,
    search: Vec<Name>,
    ndots: usize,
}

fn name_servers() -> Result<Servers, NetError> {
    let (config, options) = read_system_conf()?;
    servers(config, options)
}

fn servers(config: ResolverConfig, mut options: ResolverOpts) -> Result<Servers, NetError> {
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    Ok(Servers {
        search: config.search().to_vec(),
        ndots: options.ndots,
        resolver: TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build()?,
    })
}

impl Servers {
    /// What `name` may mean, in the order of resolv.conf(5).
    fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut absolute = name.clone();
        absolute.set_fqdn(true);
        if name.is_fqdn() {
            return vec![absolute];
        }
        let searched = self.search.iter().filter_map(|domain| {
            let mut longer = name.clone().append_domain(domain).ok()?;
            longer.set_fqdn(true);
            Some(longer)
        });
        let dots = usize::from(name.num_labels()).saturating_sub(1);
        if dots >= self.ndots {
            std::iter::once(absolute).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(absolute)).collect()
        }
    }

    /// Goes on to the next candidate only after "no such name": the resolver's own way of trying them after every
    /// failure would report a broken zone as a name that does not exist.
    async fn addresses(&self, name: &Name, family: Family) -> Result<Vec<IpAddr>, NetError> {
        let mut missing = None;
        for candidate in self.candidates(name) {
            match self.ask(&candidate, family).await {
                Ok(found) if !found.is_empty() => return Ok(found),
                Err(error) if !is_negative(&error) => return Err(error),
                // Of several names that do not exist, people want to read about the one that they wrote.
                Err(error) if candidate.num_labels() == name.num_labels() => missing = Some(error),
                Err(error) => missing = missing.or(Some(error)),
                Ok(_) => {}
            }
        }
        missing.map_or(Ok(Vec::new()), Err)
    }

    async fn ask(&self, name: &Name, family: Family) -> Result<Vec<IpAddr>, NetError> {
        match family {
            Family::V4 => ask(&self.resolver, name, RecordType::A).await,
            Family::V6 => ask(&self.resolver, name, RecordType::AAAA).await,
            Family::Any => ask_both(&self.resolver, name).await,
        }
    }
}

fn addresses_in(found: &hickory_resolver::lookup::Lookup) -> Vec<IpAddr> {
    found.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

async fn ask(servers: &TokioResolver, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, NetError> {
    let found = servers.lookup(name.clone(), kind).await?;
    Ok(addresses_in(&found))
}

/// Both questions at once. One family with addresses is enough, and waits for the other only a moment.
async fn ask_both(servers: &TokioResolver, name: &Name) -> Result<Vec<IpAddr>, NetError> {
    let v4 = pin!(ask(servers, name, RecordType::A));
    let v6 = pin!(ask(servers, name, RecordType::AAAA));
    match select(v4, v6).await {
        Either::Left((first, rest)) => with_the_other(first, rest).await,
        Either::Right((first, rest)) => with_the_other(first, rest).await,
    }
}

async fn with_the_other(
    first: Result<Vec<IpAddr>, NetError>,
    rest: impl Future<Output = Result<Vec<IpAddr>, NetError>>,
) -> Result<Vec<IpAddr>, NetError> {
    let Ok(mut found) = first else {
        // The second answer decides; a failure of one family beside "no such record" of the other is the failure.
        return match (first, rest.await) {
            (_, Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), Err(other)) if is_negative(&error) => Err(other),
            (first, _) => first,
        };
    };
    if let Ok(Ok(more)) = tokio::time::timeout(OTHER_FAMILY_WITHIN, rest).await {
        found.extend(more);
    }
    Ok(found)
}

fn is_negative(error: &NetError) -> bool {
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(_)))
}

fn failure(name: &str, family: Family, error: &NetError) -> Failure {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Failure::new(Reason::DnsNxdomain, format!("{name} does not exist")),
            ResponseCode::NoError => {
                let message = format!("{name} has no {}", family.shown());
                Failure::new(Reason::DnsNxdomain, message)
            }
            code => servfail(name, code),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => servfail(name, *code),
        NetError::Dns(_) | NetError::Truncated => {
            Failure::new(Reason::DnsServfail, format!("the answer for {name} is not usable: {error}"))
        }
        NetError::Timeout => Failure::new(Reason::DnsTimeout, format!("the resolver did not answer for {name}")),
        other => Failure::new(Reason::DnsLocal, format!("the resolver of this machine cannot be asked for {name}: {other}")),
    }
}

fn servfail(name: &str, code: ResponseCode) -> Failure {
    Failure::new(Reason::DnsServfail, format!("the resolver answered {code} for {name}"))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use tokio::net::UdpSocket;

    use super::*;

    #[test]
    fn localhost_is_known_by_its_last_label() {
        for (name, want) in [
            ("localhost", true),
            ("LocalHost.", true),
            ("a.localhost", true),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("", false),
        ] {
            assert_eq!(is_localhost(name), want, "{name}");
        }
    }

    #[tokio::test]
    async fn localhost_needs_no_resolver() {
        let resolver = Resolver::with(System { hosts: Hosts::default(), servers: Err("none".into()) });
        let soon = Deadline::of(Duration::from_secs(1));
        let v4 = resolver.addresses("db.localhost", Family::V4, soon).await;
        assert_eq!(v4, Ok(vec![Ipv4Addr::LOCALHOST.into()]));
        let far = resolver.addresses("vendor.example", Family::Any, soon).await;
        assert_eq!(far.unwrap_err().reason, Reason::DnsLocal);
    }

    #[test]
    fn answers_of_a_resolver_become_reasons() {
        let none = |code| {
            let query = Query::query(Name::root(), RecordType::A);
            NetError::Dns(DnsError::NoRecordsFound(hickory_resolver::net::NoRecords::new(query, code)))
        };
        for (error, want) in [
            (none(ResponseCode::NXDomain), Reason::DnsNxdomain),
            (none(ResponseCode::NoError), Reason::DnsNxdomain),
            (none(ResponseCode::ServFail), Reason::DnsServfail),
            (NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)), Reason::DnsServfail),
            (NetError::Timeout, Reason::DnsTimeout),
            (NetError::NoConnections, Reason::DnsLocal),
            (NetError::Io(Arc::new(std::io::ErrorKind::NetworkUnreachable.into())), Reason::DnsLocal),
        ] {
            assert_eq!(failure("a.example", Family::Any, &error).reason, want);
        }
    }

    /// A code, and at most one IPv4 address.
    type Answer = (u8, Option<[u8; 4]>);

    /// A name server that says `answer(name, record type)` to every question, or nothing.
    async fn fake(answer: fn(&str, u16) -> Option<Answer>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let (name, end) = question_name(&question[..length]);
                let kind = u16::from_be_bytes([question[end], question[end + 1]]);
                let Some((code, ip)) = answer(&name.to_lowercase(), kind) else {
                    continue;
                };
                let mut reply = question[..end + 4].to_vec();
                reply[2] |= 0x80;
                reply[3] = 0x80 | code;
                reply[6..12].copy_from_slice(&[0, u8::from(ip.is_some()), 0, 0, 0, 0]);
                if let Some(ip) = ip {
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                    reply.extend(ip);
                }
                let _ = socket.send_to(&reply, from).await;
            }
        });
        address
    }

    /// The name of the only question, and where its type begins.
    fn question_name(message: &[u8]) -> (String, usize) {
        let mut at = 12;
        let mut labels = Vec::new();
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            labels.push(String::from_utf8_lossy(&message[at + 1..end]).into_owned());
            at = end;
        }
        (labels.join("."), at + 1)
    }

    fn resolver_at(server: SocketAddr, search: &[&str]) -> Resolver {
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let mut name_server = NameServerConfig::udp(server.ip());
        name_server.connections = vec![connection];
        let search = search.iter().map(|name| Name::from_str(name).unwrap());
        let config = ResolverConfig::from_parts(None, search.collect(), vec![name_server]);
        let mut options = ResolverOpts::default();
        options.timeout = Duration::from_millis(200);
        options.attempts = 1;
        Resolver::with(System { hosts: Hosts::default(), servers: servers(config, options).map_err(|error| error.to_string()) })
    }

    async fn reason(resolver: &Resolver, name: &str) -> Result<Vec<IpAddr>, Reason> {
        let soon = Deadline::of(Duration::from_secs(5));
        let found = resolver.addresses(name, Family::Any, soon).await;
        found.map_err(|failure| failure.reason)
    }

    #[tokio::test]
    async fn f18_what_a_name_server_says_is_what_is_told() {
        let server = fake(|name, kind| match (name, kind) {
            ("good.example", 1) => Some((0, Some([192, 0, 2, 1]))),
            ("good.example" | "empty.example", _) => Some((0, None)),
            ("half.example", 1) => Some((0, Some([192, 0, 2, 2]))),
            ("mute.example" | "half.example", _) => None,
            ("broken.example", _) => Some((2, None)),
            ("refused.example", _) => Some((5, None)),
            ("short.corp.example", 1) => Some((0, Some([192, 0, 2, 3]))),
            _ => Some((3, None)),
        })
        .await;
        let resolver = resolver_at(server, &["corp.example"]);
        let ip = |last| Ok(vec![IpAddr::from([192, 0, 2, last])]);
        for (name, want) in [
            ("good.example", ip(1)),
            ("half.example", ip(2)),
            ("short", ip(3)),
            ("missing.example", Err(Reason::DnsNxdomain)),
            ("empty.example", Err(Reason::DnsNxdomain)),
            ("broken.example", Err(Reason::DnsServfail)),
            ("refused.example", Err(Reason::DnsServfail)),
            ("mute.example", Err(Reason::DnsTimeout)),
        ] {
            assert_eq!(reason(&resolver, name).await, want, "{name}");
            assert_eq!(reason(&resolver, "good.example").await, ip(1));
        }
    }

    /// Configuration is checked where no runtime runs.
    #[test]
    fn a_resolver_is_configured_without_a_runtime() {
        resolver_at("127.0.0.1:53".parse().unwrap(), &[]);
    }

    #[tokio::test]
    async fn f18_a_dead_resolver_is_ours() {
        let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = unused.local_addr().unwrap();
        drop(unused);
        let resolver = resolver_at(address, &[]);
        for (name, want) in [
            ("a.vendor.example", Reason::DnsTimeout),
            ("b.Vendor.example.", Reason::DnsTimeout),
            ("other.example", Reason::DnsTimeout),
            ("third.test", Reason::DnsLocal),
            ("a.vendor.example", Reason::DnsLocal),
        ] {
            assert_eq!(reason(&resolver, name).await, Err(want), "{name}");
        }
    }

    #[test]
    fn f18_one_known_name_clears_the_resolver() {
        let mut failing = Vec::new();
        let mut told = |reason, name: &str| whose(Failure::new(reason, ""), name, &mut failing).reason;
        for name in ["a.example", "b.example"] {
            assert_eq!(told(Reason::DnsServfail, name), Reason::DnsServfail);
        }
        assert_eq!(told(Reason::DnsNxdomain, "c.example"), Reason::DnsNxdomain);
        assert_eq!(told(Reason::DnsTimeout, "d.example"), Reason::DnsTimeout);
    }
}
