//! What this system says about names, at one time: its hosts file, its name servers and how they are asked.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::{Pin, pin};
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::future::{Either, select};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::{DnsUdpSocket, RuntimeProvider, TokioRuntimeProvider};
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, Resolver as Hickory};
use tokio::net::UdpSocket;

use super::{Family, Unresolved, UnresolvedKind, lacks, silent};

/// Longer than this no answer is believed, whatever its time to live: whoever moves a name counts on hours, not on days.
pub const KEPT_FOR_MAX: Duration = Duration::from_secs(60 * 60);

/// A name that was missing is often a name that is just being made.
const MISSING_FOR_MAX: Duration = Duration::from_secs(60);

/// As many answers are kept: a receiver or page is two of them, and 1,024 are well below a megabyte.
const KEPT_MAX: u64 = 1024;

/// How long to wait for the other family once one has answered (RFC 8305 3 calls it the resolution delay): some name
/// servers swallow AAAA questions, and that must not look like a slow vendor.
const OTHER_FAMILY_WITHIN: Duration = Duration::from_millis(50);

const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

pub(super) type Stamp = [Option<(SystemTime, u64)>; FILES.len()];

pub(super) fn stamp() -> Stamp {
    FILES.map(|file| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

/// Whether an answer may come from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    Fresh,
    Cached,
}

pub(super) struct System {
    pub hosts: Hosts,
    /// Or why there is none.
    pub servers: Result<Servers, String>,
}

impl System {
    pub fn read() -> Self {
        System { hosts: Hosts::from_system().unwrap_or_default(), servers: name_servers().map_err(|error| error.to_string()) }
    }

    /// One name server and nothing of this system.
    pub fn at(server: SocketAddr) -> Self {
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![at_port(server)]);
        System { hosts: Hosts::default(), servers: Servers::of(config, ResolverOpts::default()).map_err(|error| error.to_string()) }
    }

    pub fn servers(&self) -> Result<&Servers, Unresolved> {
        self.servers.as_ref().map_err(|error| Unresolved::new(UnresolvedKind::Local, format!("no name server is configured here: {error}")))
    }

    pub async fn addresses(&self, name: &str, family: Family, memory: Memory) -> Result<Vec<IpAddr>, Unresolved> {
        let parsed = Name::from_str(name).map_err(|_| Unresolved::new(UnresolvedKind::Missing, format!("{name} is not a DNS name")))?;
        let known = self.hosts_file(&parsed);
        if !known.is_empty() {
            return Ok(known);
        }
        let found = self.servers()?.of_name(&parsed, family, memory).await;
        found.map_err(|error| unresolved(name, family, &error))
    }

    fn hosts_file(&self, name: &Name) -> Vec<IpAddr> {
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| addresses_in(&found))
            .collect()
    }
}

fn at_port(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    config.connections = connections.into();
    config
}

fn name_servers() -> Result<Servers, NetError> {
    let (config, options) = if Path::new(FILES[0]).exists() { read_system_conf()? } else { (without_file(), ResolverOpts::default()) };
    Servers::of(config, options)
}

/// What resolv.conf(5) says holds without that file: a name server on this machine.
fn without_file() -> ResolverConfig {
    let server = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
    ResolverConfig::from_parts(None, Vec::new(), vec![server])
}

/// The name servers, and what is tried beside a name as it was written.
pub(super) struct Servers {
    fresh: Hickory<Connected>,
    cached: Hickory<Connected>,
    addresses: Vec<SocketAddr>,
    search: Vec<Name>,
    ndots: usize,
}

impl Servers {
    pub fn of(config: ResolverConfig, mut options: ResolverOpts) -> Result<Self, NetError> {
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = KEPT_MAX;
        options.positive_max_ttl = Some(KEPT_FOR_MAX);
        options.negative_max_ttl = Some(MISSING_FOR_MAX);
        let mut forgetful = options.clone();
        forgetful.cache_size = 0;
        let asks = |options| Hickory::builder_with_config(config.clone(), Connected::default()).with_options(options).build();
        let port = |server: &NameServerConfig| server.connections.first().map(|connection| connection.port);
        Ok(Servers {
            addresses: config.name_servers().iter().filter_map(|server| Some(SocketAddr::new(server.ip, port(server)?))).collect(),
            search: config.search().to_vec(),
            ndots: options.ndots,
            fresh: asks(forgetful)?,
            cached: asks(options)?,
        })
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

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
    async fn of_name(&self, name: &Name, family: Family, memory: Memory) -> Result<Vec<IpAddr>, NetError> {
        let servers = match memory {
            Memory::Fresh => &self.fresh,
            Memory::Cached => &self.cached,
        };
        let mut missing = None;
        for candidate in self.candidates(name) {
            match ask_family(servers, &candidate, family).await {
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
}

fn addresses_in(found: &hickory_resolver::lookup::Lookup) -> Vec<IpAddr> {
    found.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

async fn ask_family(servers: &Hickory<Connected>, name: &Name, family: Family) -> Result<Vec<IpAddr>, NetError> {
    match family {
        Family::V4 => ask(servers, name, RecordType::A).await,
        Family::V6 => ask(servers, name, RecordType::AAAA).await,
        Family::Any => ask_both(servers, name).await,
    }
}

async fn ask(servers: &Hickory<Connected>, name: &Name, kind: RecordType) -> Result<Vec<IpAddr>, NetError> {
    let found = servers.lookup(name.clone(), kind).await?;
    Ok(addresses_in(&found))
}

/// Both questions at once. One family with addresses is enough, and waits for the other only a moment.
async fn ask_both(servers: &Hickory<Connected>, name: &Name) -> Result<Vec<IpAddr>, NetError> {
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
    matches!(error, NetError::Dns(DnsError::NoRecordsFound(none)) if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError))
}

pub(super) fn unresolved(name: &str, family: Family, error: &NetError) -> Unresolved {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Unresolved::new(UnresolvedKind::Missing, format!("{name} does not exist")),
            ResponseCode::NoError => lacks(name, family),
            code => failed(name, code),
        },
        NetError::Dns(DnsError::ResponseCode(code)) => failed(name, *code),
        NetError::Dns(_) | NetError::Truncated | NetError::Proto(_) | NetError::ForeignClassRecord { .. } => {
            Unresolved::new(UnresolvedKind::Failed, format!("the answer for {name} is not usable: {error}"))
        }
        NetError::Timeout => silent(name),
        NetError::Io(io) if io.kind() == io::ErrorKind::TimedOut => silent(name),
        other => Unresolved::new(UnresolvedKind::Local, format!("the resolver of this machine cannot be asked for {name}: {other}")),
    }
}

fn failed(name: &str, code: ResponseCode) -> Unresolved {
    Unresolved::new(UnresolvedKind::Failed, format!("the resolver answered {code} for {name}"))
}

/// Tokio's sockets, but those of UDP belong to their server: so that a machine on which nobody listens is heard to refuse,
/// at once, instead of being waited for.
#[derive(Clone, Default)]
pub(super) struct Connected(TokioRuntimeProvider);

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl RuntimeProvider for Connected {
    type Handle = <TokioRuntimeProvider as RuntimeProvider>::Handle;
    type Timer = <TokioRuntimeProvider as RuntimeProvider>::Timer;
    type Udp = Heard;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.0.create_handle()
    }

    fn connect_tcp(&self, server: SocketAddr, bind: Option<SocketAddr>, within: Option<Duration>) -> Opening<Self::Tcp> {
        self.0.connect_tcp(server, bind, within)
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> Opening<Heard> {
        Box::pin(async move {
            let socket = UdpSocket::bind(local).await?;
            // Elsewhere a connected socket does not take what is sent "to" an address.
            if cfg!(target_os = "linux") {
                socket.connect(server).await?;
            }
            Ok(Heard(socket))
        })
    }
}

/// Tokio wakes who awaits a datagram for a refusal too, but not who polls for one.
pub(super) struct Heard(UdpSocket);

impl DnsUdpSocket for Heard {
    type Time = <TokioRuntimeProvider as RuntimeProvider>::Timer;

    fn poll_recv_from(&self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        DnsUdpSocket::poll_recv_from(&self.0, context, into)
    }

    fn recv_from<'a, 'b, 'c>(&'a self, into: &'b mut [u8]) -> Pin<Box<dyn Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'c>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(self.0.recv_from(into))
    }

    fn poll_send_to(&self, context: &mut Context<'_>, datagram: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(context, datagram, to)
    }
}
