//! Names to addresses, as this system is configured: the hosts file first, then the name servers of `resolv.conf`
//! with search list and ndots. One resolver for the whole process.
//!
//! - **Fresh** ([`Resolver::fresh`]): every question goes out anew, so that a broken name is seen when it breaks and its time
//!   is measured. For probes.
//! - **Cached** ([`Resolver::cached`]): what was answered or denied within its time to live (at most [`KEPT_FOR_MAX`]) is taken
//!   from memory. For those who want an answer and measure nothing: messages, pages.
//! - `localhost` and names below it never leave the machine (RFC 6761 6.3), whatever the hosts file says.
//! - The system's files are read again when they change; a resolver that cannot be configured fails what is asked of it,
//!   nothing else.
//! - A check may name a server of its own ([`Resolver::at`]): then neither hosts file nor search list counts, `localhost` does.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::clock;

mod system;
#[cfg(test)]
mod tests;

pub use system::KEPT_FOR_MAX;
use system::{Memory, Stamp, System, stamp};

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
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

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    pub kind: UnresolvedKind,
    /// One line: which name, and what became of the question.
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnresolvedKind {
    /// It does not exist, or has no addresses of that family.
    Missing,
    /// The name servers failed or refused, or said what cannot be used.
    Failed,
    /// No answer in time.
    Silent,
    /// Nobody could be asked: no name server is configured or none can be reached, or this machine lacks something.
    Local,
}

impl Unresolved {
    fn new(kind: UnresolvedKind, message: impl Into<String>) -> Self {
        Unresolved { kind, message: message.into() }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Unresolved {}

/// How often the system's files are looked at for changes: two `stat` calls, so a DHCP change is seen at once in people's time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// As many unrelated zones do not break at once: then the resolver of this machine fails every name.
const ZONES_BROKEN: usize = 3;

pub struct Resolver {
    asks: Asks,
    /// Zones for which the name servers failed, since the last name that they knew or denied. Only of fresh questions: what
    /// comes from memory says nothing about a server.
    failing: Mutex<Vec<String>>,
    /// Those that ask a server of their own, as long as somebody uses them.
    named: Mutex<HashMap<SocketAddr, Weak<Resolver>>>,
}

enum Asks {
    ThisSystem(Mutex<Current>),
    Always(Arc<System>),
}

struct Current {
    looked_at: Instant,
    stamp: Stamp,
    system: Arc<System>,
}

impl Resolver {
    /// The one of this process, configured as this system is.
    pub fn of_this_system() -> Arc<Self> {
        static SHARED: OnceLock<Arc<Resolver>> = OnceLock::new();
        let made = || {
            let current = Current { looked_at: clock::instant(), stamp: stamp(), system: Arc::new(System::read()) };
            Arc::new(Resolver::of(Asks::ThisSystem(Mutex::new(current))))
        };
        SHARED.get_or_init(made).clone()
    }

    fn of(asks: Asks) -> Self {
        Resolver { asks, failing: Mutex::default(), named: Mutex::default() }
    }

    fn with(system: System) -> Self {
        Resolver::of(Asks::Always(Arc::new(system)))
    }

    /// One that asks this server and no other; shared by all who name the same.
    pub fn at(&self, server: SocketAddr) -> Arc<Resolver> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resolver) = named.get(&server).and_then(Weak::upgrade) {
            return resolver;
        }
        named.retain(|_, resolver| resolver.strong_count() > 0);
        let resolver = Arc::new(Resolver::with(System::at(server)));
        named.insert(server, Arc::downgrade(&resolver));
        resolver
    }

    /// All addresses of `name` of that family, asked for now; never an empty list.
    pub async fn fresh(&self, name: &str, family: Family, within: Duration) -> Result<Vec<IpAddr>, Unresolved> {
        if is_localhost(name) {
            return of_family(name, family, this_machine());
        }
        let system = self.current().await;
        let asked = system.addresses(name, family, Memory::Fresh);
        let found = tokio::time::timeout(within, asked).await.unwrap_or_else(|_| Err(silent(name)));
        let found = found.and_then(|found| of_family(name, family, found));
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        found.map_err(|error| whose(error, name, &mut failing)).inspect(|_| failing.clear())
    }

    /// As [`Resolver::fresh`], but what is still known is not asked again. Ends when the servers' own time is up.
    pub async fn cached(&self, name: &str, family: Family) -> Result<Vec<IpAddr>, Unresolved> {
        let found = if is_localhost(name) { this_machine() } else { self.current().await.addresses(name, family, Memory::Cached).await? };
        of_family(name, family, found)
    }

    /// The name servers that are asked, in the order of their configuration; never an empty list.
    pub async fn servers(&self) -> Result<Vec<SocketAddr>, Unresolved> {
        let system = self.current().await;
        let servers = system.servers()?.addresses();
        if servers.is_empty() { Err(Unresolved::new(UnresolvedKind::Local, "no name server is configured here")) } else { Ok(servers) }
    }

    async fn current(&self) -> Arc<System> {
        let current = match &self.asks {
            Asks::Always(system) => return system.clone(),
            Asks::ThisSystem(current) => current,
        };
        let Some(stamp) = changed(current) else { return system_of(current) };
        // Some hosts files are long; meanwhile others go on with what was.
        if let Ok(system) = tokio::task::spawn_blocking(System::read).await {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            current.stamp = stamp;
            current.system = Arc::new(system);
        }
        system_of(current)
    }
}

fn system_of(current: &Mutex<Current>) -> Arc<System> {
    current.lock().unwrap_or_else(PoisonError::into_inner).system.clone()
}

/// How the files look now, if it was time to look and they changed.
fn changed(current: &Mutex<Current>) -> Option<Stamp> {
    let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
    let now = clock::instant();
    if now.duration_since(current.looked_at) < LOOK_AGAIN_AFTER {
        return None;
    }
    current.looked_at = now;
    let stamp = stamp();
    (stamp != current.stamp).then_some(stamp)
}

fn this_machine() -> Vec<IpAddr> {
    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
}

fn of_family(name: &str, family: Family, mut found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Unresolved> {
    found.retain(|ip| family.includes(*ip));
    if found.is_empty() { Err(lacks(name, family)) } else { Ok(found) }
}

fn lacks(name: &str, family: Family) -> Unresolved {
    Unresolved::new(UnresolvedKind::Missing, format!("{name} has no {}", family.shown()))
}

fn silent(name: &str) -> Unresolved {
    Unresolved::new(UnresolvedKind::Silent, format!("the resolver did not answer for {name} in time"))
}

/// A failure of one zone is the vendor's; when all fail, it is our resolver's (F18).
fn whose(error: Unresolved, name: &str, failing: &mut Vec<String>) -> Unresolved {
    match error.kind {
        UnresolvedKind::Missing => failing.clear(),
        UnresolvedKind::Local => {}
        UnresolvedKind::Failed | UnresolvedKind::Silent => {
            let zone = zone(name);
            if failing.len() < ZONES_BROKEN && !failing.contains(&zone) {
                failing.push(zone);
            }
            if failing.len() >= ZONES_BROKEN {
                let message = format!("{}, as for every other name", error.message);
                return Unresolved::new(UnresolvedKind::Local, message);
            }
        }
    }
    error
}

/// The last two labels: names that share them may break together. Where a registry sells third labels (`co.uk`) this
/// takes strangers for relatives, which only makes us slower to blame ourselves.
fn zone(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let from = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
    name[from..].to_ascii_lowercase()
}

/// `localhost` and names below it, with or without the final dot.
pub fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}
