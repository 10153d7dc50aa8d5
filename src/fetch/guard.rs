//! Where a name may lead. The configuration is trusted to name a target, the answers of the DNS are not: what a name
//! resolves to is judged before anybody connects, on the very addresses that are then used.
//!
//! A literal address never comes here (there is nothing to resolve) and `localhost` is answered without a question:
//! whoever wrote those meant them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::resolve::{Family, Resolver, is_localhost};
use crate::model::address;

/// Which addresses a name may lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The public internet only.
    #[default]
    Public,
    /// Private and special addresses too: the configuration says so.
    Private,
    /// Private and special addresses alone: what goes there unencrypted must not leave the house.
    PrivateOnly,
}

impl Reach {
    pub const ALL: [Reach; 3] = [Reach::Public, Reach::Private, Reach::PrivateOnly];

    fn refusal(self, ip: IpAddr) -> Option<&'static str> {
        match (self, address::special(ip)) {
            (Reach::Public, Some(range)) => Some(range),
            (Reach::PrivateOnly, None) => Some("public"),
            _ => None,
        }
    }

    /// The addresses that may be used, or why there is none.
    pub(super) fn permitted(self, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Refused> {
        let refused = found.iter().find_map(|ip| self.refusal(*ip).map(|range| (*ip, range)));
        let permitted: Vec<IpAddr> = found.into_iter().filter(|ip| self.refusal(*ip).is_none()).collect();
        match refused {
            Some((address, range)) if permitted.is_empty() => Err(Refused { address, range, reach: self }),
            _ => Ok(permitted),
        }
    }
}

/// A name that leads where it must not.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    address: IpAddr,
    range: &'static str,
    reach: Reach,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused { address, range, .. } = self;
        match self.reach {
            Reach::PrivateOnly => {
                write!(f, "the name leads to {address}, a {range} address, which plain http must not reach without `allow_http = true`")
            }
            _ => write!(f, "the name leads to {address}, a {range} address, which is refused without `allow_private = true`"),
        }
    }
}

impl std::error::Error for Refused {}

/// The resolver of one client.
pub(super) struct Guard {
    pub reach: Reach,
    pub resolver: Arc<Resolver>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, resolver) = (self.reach, self.resolver.clone());
        Box::pin(async move {
            let found = resolver.cached(name.as_str(), Family::Any).await?;
            let permitted = if is_localhost(name.as_str()) { found } else { reach.permitted(found)? };
            // Port 0 asks reqwest to fill in the port of the URL.
            let addresses: Addrs = Box::new(permitted.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|t| t.parse().unwrap()).collect()
    }

    #[test]
    fn names_reach_only_what_is_permitted() {
        use Reach::*;
        for (reach, found, want) in [
            (Public, &["8.8.8.8"][..], Ok(&["8.8.8.8"][..])),
            (Public, &["127.0.0.1"], Err("loopback")),
            (Public, &["169.254.169.254"], Err("link-local")),
            (Public, &["::ffff:10.0.0.1"], Err("private")),
            (Public, &["10.0.0.1", "8.8.8.8"], Ok(&["8.8.8.8"])),
            (Public, &[], Ok(&[])),
            (Private, &["10.0.0.1", "8.8.8.8"], Ok(&["10.0.0.1", "8.8.8.8"])),
            (PrivateOnly, &["10.0.0.1", "8.8.8.8"], Ok(&["10.0.0.1"])),
            (PrivateOnly, &["8.8.8.8"], Err("public")),
        ] {
            let got = reach.permitted(ips(found)).map_err(|refused| refused.range);
            assert_eq!(got, want.map(ips), "{reach:?} {found:?}");
        }
    }
}
