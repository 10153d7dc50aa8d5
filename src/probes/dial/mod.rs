//! From what a check names to a connection it can speak over: a name resolved, an address that was allowed, TCP, a proxy
//! where there is one, TLS where it is asked for. Each step is timed into the current hop of the trace.
//!
//! ```text
//! connect    a name -> addresses -> a guarded TCP connection
//! proxy      a tunnel through our own proxy
//! trust      who is trusted, who we are  handshake  a connection -> a verified one
//! chain      what certificates say
//! ```

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use url::Host;

use super::Workshop;
use super::failure::{Deadline, Failure, Trace};
use super::redact::Secrets;
use crate::fetch::resolve::{Family, Resolver};
use crate::model::{Fault, Key, Reason, Settings, Shape};

mod chain;
mod connect;
mod handshake;
mod proxy;
mod trust;

pub(super) use connect::{Guard, Target, connect_failure};
pub(super) use handshake::{tls_error, tls_failure};
pub(super) use proxy::{KEYS as PROXY_KEYS, Proxy};
pub(super) use trust::{Offer, Roots};

/// The keys of every kind that connects.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "ip",
        Shape::OneOf(Family::WORDS),
        "\"any\"",
        "the address family to use; `both` looks over each, and one that fails is `degraded`",
    ),
    Key::new("allow_private", Shape::Flag, "false", "connect to private and other special addresses where a name or redirect leads there"),
    Key::new(
        "dns_server",
        Shape::Text,
        "",
        "the name server to ask for the names of this check instead of the system's: `9.9.9.9` or `[2620:fe::fe]:53`",
    ),
];

/// The keys of every kind that may speak TLS.
pub(super) const TLS_KEYS: &[Key] = &[
    Key::new("ca", Shape::Path, "", "a PEM file of certificates to trust instead of the system's"),
    Key::new("server_name", Shape::Text, "", "the name to ask for and verify in TLS instead of the configured host"),
];

/// A part of the key `auth`: a certificate of our own (RFC 8446 4.3.2).
pub(super) const MTLS: Key =
    Key::new("mtls", Shape::Table(IDENTITY), "", "our own certificate: { cert = \"client.pem\", key = \"client.key\" }");

const IDENTITY: &[Key] = &[
    Key::required("cert", Shape::Path, "a PEM file of our certificate and those between it and its root"),
    Key::required("key", Shape::Path, "a PEM file of its private key"),
];

/// How the connections of one check are made.
#[derive(Clone)]
pub(super) struct Dialer {
    pub guard: Guard,
    pub resolver: Arc<Resolver>,
    roots: Arc<Roots>,
    terms: trust::Terms,
    server_name: Option<ServerName<'static>>,
    proxy: Option<Arc<Proxy>>,
    /// The proxy's.
    pub secrets: Arc<Secrets>,
}

impl Dialer {
    /// From [`KEYS`] and [`TLS_KEYS`], of which a kind has those it has. Without a target (it was refused) the rest is judged.
    pub fn of(settings: &Settings, target: Option<&Target>, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let guard = Guard::of(settings, target).map_err(|fault| faults.push(fault));
        let terms = workshop.roots.terms(settings).map_err(|fault| faults.push(fault));
        let server_name = server_name(settings).map_err(|fault| faults.push(fault));
        let resolver = resolver(settings, workshop).map_err(|fault| faults.push(fault));
        let proxy = Proxy::of(settings).map_err(|fault| faults.push(fault));
        let (Ok(guard), Ok(terms), Ok(server_name), Ok(resolver), Ok(proxy)) = (guard, terms, server_name, resolver, proxy) else {
            return Err(faults);
        };
        let mut secrets = Secrets::default();
        proxy.iter().flat_map(Proxy::secrets).for_each(|secret| secrets.add(secret));
        Ok(Dialer {
            guard,
            resolver,
            roots: workshop.roots.clone(),
            terms,
            server_name,
            proxy: proxy.map(Arc::new),
            secrets: Arc::new(secrets),
        })
    }

    /// A TCP connection to `target`, through a tunnel of the proxy where there is one.
    pub async fn connect(&self, target: &Target, deadline: Deadline, trace: &mut Trace) -> Result<TcpStream, Failure> {
        match &self.proxy {
            None => connect::connect(target, self.guard, &self.resolver, deadline, trace).await,
            // Boxed, as all that is rare: every run would carry the room for it.
            Some(proxy) => Box::pin(proxy.tunnel(target, self.guard, &self.resolver, deadline, trace)).await,
        }
    }

    /// As [`Dialer::connect`], for a request without TLS: a proxy that takes requests is given them. Whether it is one.
    pub async fn connect_plain(
        &self,
        target: &Target,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<(TcpStream, Option<&Proxy>), Failure> {
        match self.proxy().filter(|proxy| proxy.takes_requests()) {
            Some(proxy) => Ok((Box::pin(proxy.connect(target, self.guard, &self.resolver, deadline, trace)).await?, Some(proxy))),
            None => Ok((self.connect(target, deadline, trace).await?, None)),
        }
    }

    /// Whose permits a run needs: a proxy is its own host.
    pub fn host(&self, target: &Target) -> String {
        self.proxy().map_or_else(|| target.shown(), Proxy::shown)
    }

    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_deref()
    }

    /// The addresses of `target` that may be sent to, in the order to try; for kinds without connections.
    pub async fn addresses(&self, target: &Target, deadline: Deadline, trace: &mut Trace) -> Result<Vec<SocketAddr>, Failure> {
        connect::addresses(target, self.guard, &self.resolver, deadline, trace).await
    }

    /// TLS over `stream`. The configured `server_name` is for the configured target only.
    pub async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        target: &Target,
        offer: Offer,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<TlsStream<S>, Failure> {
        let name = match &self.server_name {
            Some(name) if target.configured => name.clone(),
            _ => certificate_name(&target.host)?,
        };
        let config = self.roots.config(&self.terms, offer)?;
        Box::pin(handshake::handshake(stream, name, &config, deadline, trace)).await
    }
}

/// The system's resolver, or the one that the check names.
fn resolver(settings: &Settings, workshop: &Workshop) -> Result<Arc<Resolver>, Fault> {
    match settings.text("dns_server") {
        None => Ok(workshop.resolver.clone()),
        Some(text) => name_server(text).map(|server| workshop.resolver.at(server)),
    }
}

/// An address with or without a port: `9.9.9.9`, `9.9.9.9:53`, `2620:fe::fe`, `[2620:fe::fe]:53`.
fn name_server(text: &str) -> Result<SocketAddr, Fault> {
    const PORT: u16 = 53;
    let fault = |why| {
        Fault::new("dns_server", format!("{text:?} {why}")).hint("write the address of a name server: \"9.9.9.9\" or \"[2620:fe::fe]:53\"")
    };
    if text.contains("://") {
        return Err(fault("is a URL: only plain DNS (UDP, TCP where an answer is long) can be asked"));
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = text.parse().or_else(|_| bare.parse().map(|ip: IpAddr| SocketAddr::new(ip, PORT)));
    match address {
        Ok(address) if address.port() == 0 => Err(fault("has no port that can be asked")),
        Ok(address) => Ok(address),
        Err(_) => Err(fault("is not an address (a name would have to be asked for first)")),
    }
}

fn server_name(settings: &Settings) -> Result<Option<ServerName<'static>>, Fault> {
    let Some(name) = settings.text("server_name") else {
        return Ok(None);
    };
    let parsed = ServerName::try_from(name.to_owned())
        .map_err(|_| Fault::new("server_name", format!("{name:?} is not a host name")).hint("write for example \"api.vendor.example\""))?;
    Ok(Some(parsed))
}

fn certificate_name(host: &Host<String>) -> Result<ServerName<'static>, Failure> {
    match host {
        Host::Ipv4(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Ipv6(ip) => Ok(ServerName::IpAddress((*ip).into())),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|_| {
                let message = format!("{name} is not a name that a certificate can be for");
                Failure::new(Reason::TlsName, message)
            })
        }
    }
}

/// `host:port` of the key `address`.
pub(super) fn address(settings: &Settings) -> Result<Target, Fault> {
    let text = settings.text("address").unwrap_or_default();
    let fault =
        |message: String| Fault::new("address", message).hint("write host and port: \"db.vendor.example:5432\" or \"[2001:db8::1]:25\"");
    if text.contains("://") {
        return Err(fault(format!("{text:?} is a URL, not an address")));
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| fault(format!("{text:?} has no port")))?;
    let bad_port = || fault(format!("{port:?} is not a port")).at(text.len() - port.len()..text.len());
    let number: u16 = port.parse().map_err(|_| bad_port())?;
    if number == 0 {
        return Err(bad_port());
    }
    let host = Host::parse(host).map_err(|error| fault(format!("{host:?} is not a host: {error}")).at(0..host.len()))?;
    Ok(Target { host, port: number, configured: true })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;

    #[test]
    fn name_servers_are_addresses() {
        for (text, want) in [
            ("9.9.9.9", "9.9.9.9:53"),
            ("9.9.9.9:5353", "9.9.9.9:5353"),
            ("2620:fe::fe", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]", "[2620:fe::fe]:53"),
            ("[2620:fe::fe]:853", "[2620:fe::fe]:853"),
        ] {
            assert_eq!(name_server(text).unwrap(), want.parse().unwrap(), "{text}");
        }
        for text in ["", "dns.quad9.net", "9.9.9.9:", "9.9.9.9:0", "9.9.9.9:65536", "tls://9.9.9.9", "[9.9.9.9", "9.9.9"] {
            let fault = name_server(text).unwrap_err();
            assert_eq!(fault.key, "dns_server");
            assert!(fault.hint.is_some(), "{text}");
        }
    }

    #[test]
    fn addresses() {
        let target = |text: &str| address(&Settings([("address", Value::Text(text.to_owned()))].into()));
        for (text, host, port) in [("db.example:5432", "db.example", 5432), ("1.2.3.4:25", "1.2.3.4", 25), ("[::1]:25", "[::1]", 25)] {
            let target = target(text).unwrap();
            assert_eq!((target.host.to_string().as_str(), target.port), (host, port));
        }
        for text in ["", "db.example", "db.example:", ":25", "a:0", "a:65536", "http://a:80", "::1:25", "a b:1"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
