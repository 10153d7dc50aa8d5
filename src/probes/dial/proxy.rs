//! A tunnel through our own proxy: CONNECT (RFC 9110 9.3.6) or SOCKS5 (RFC 1928, RFC 1929).
//!
//! - What the proxy itself does wrong or refuses is `proxy`: ours, hence never `down`. Only what a SOCKS proxy says of the
//!   target (refused, unreachable) is the target's.
//! - With `socks5` names are resolved here and judged by the address guard; with `http` and `socks5h` the proxy resolves, and
//!   the guard judges literal addresses and `localhost` alone.
//! - An operator names a proxy because it is meant, so it may stand on a private address.

use std::io;
use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::connect::{Guard, Target, allowed, connect};
use super::resolve::{Resolver, is_localhost};
use crate::model::{Fault, Key, Reason, Secret, Settings, Shape, address};
use crate::probes::failure::{Deadline, Failure, Trace, clean, timed};

pub(in crate::probes) const KEYS: &[Key] = &[Key::new(
    "proxy",
    Shape::TextOrSecret,
    "",
    "our own proxy: `http://proxy.example:3128`, `socks5://..` (names are resolved here) or `socks5h://..` (there); may have a name and password",
)];

/// A head of a CONNECT answer that is longer is no answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

#[derive(Clone)]
pub(in crate::probes) struct Proxy {
    how: How,
    at: Target,
    /// Name and password.
    credentials: Option<(String, Secret)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Http,
    Socks { resolves: bool },
}

impl Proxy {
    pub fn of(settings: &Settings) -> Result<Option<Self>, Fault> {
        const EXAMPLE: &str = "write \"http://proxy.example:3128\" or \"socks5://proxy.example:1080\"";
        let Some(text) = settings.secret("proxy").filter(|text| !text.expose().is_empty()) else { return Ok(None) };
        // No text in the messages: it may hold a password.
        let fault = |message: &str| Fault::new("proxy", message).hint(EXAMPLE);
        let url = Url::parse(text.expose()).map_err(|_| fault("is not a URL"))?;
        let (how, port) = match url.scheme() {
            "http" => (How::Http, 80),
            "socks5" => (How::Socks { resolves: false }, 1080),
            "socks5h" => (How::Socks { resolves: true }, 1080),
            _ => return Err(fault("is neither an HTTP nor a SOCKS5 proxy")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| fault("has no host"))?;
        let host = Host::parse(host).map_err(|_| fault("has no host that can be connected to"))?;
        let decoded = |text: &str| percent_decoded(text);
        let credentials = match (url.username(), url.password()) {
            ("", _) => None,
            (name, password) => Some((decoded(name), Secret::new(decoded(password.unwrap_or_default())))),
        };
        let at = Target { host, port: url.port().unwrap_or(port), configured: true };
        Ok(Some(Proxy { how, at, credentials }))
    }

    pub fn shown(&self) -> String {
        self.at.shown()
    }

    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        self.credentials.iter().map(|(_, password)| password.expose())
    }

    /// Whether requests without TLS are made to it, instead of a tunnel through it.
    pub fn takes_requests(&self) -> bool {
        self.how == How::Http
    }

    /// What it wants to see with such a request.
    pub fn authorization(&self) -> Option<String> {
        self.credentials.as_ref().map(|(name, password)| format!("Basic {}", STANDARD.encode(format!("{name}:{}", password.expose()))))
    }

    /// A connection to the proxy, for requests that it takes.
    pub async fn connect(
        &self,
        target: &Target,
        guard: Guard,
        resolver: &Resolver,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<TcpStream, Failure> {
        judged(target, guard)?;
        self.reach(resolver, deadline, trace).await
    }

    /// A tunnel to `target`.
    pub async fn tunnel(
        &self,
        target: &Target,
        guard: Guard,
        resolver: &Resolver,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<TcpStream, Failure> {
        let place = match (&target.host, self.how) {
            (Host::Domain(name), How::Socks { resolves: false }) => {
                let asked = resolver.addresses(name, guard.family, deadline);
                let addresses = timed(&mut trace.hop.phases.resolve, asked).await?;
                let addresses = allowed(target, guard, addresses)?;
                Place::Address(*addresses.first().ok_or_else(|| Failure::new(Reason::Internal, "no address"))?)
            }
            (Host::Domain(name), _) => Place::Name(name.clone(), target.port),
            (Host::Ipv4(ip), _) => Place::Address(SocketAddr::new(IpAddr::V4(*ip), target.port)),
            (Host::Ipv6(ip), _) => Place::Address(SocketAddr::new(IpAddr::V6(*ip), target.port)),
        };
        judged(target, guard)?;
        let mut stream = self.reach(resolver, deadline, trace).await?;
        let what = || format!("the proxy {} did not open a tunnel", self.shown());
        let opening = async {
            match self.how {
                How::Http => self.ask_http(&mut stream, &place).await,
                How::Socks { .. } => self.ask_socks(&mut stream, &place).await,
            }
        };
        timed(&mut trace.hop.phases.connect, deadline.bound(opening, Reason::Proxy, what)).await??;
        Ok(stream)
    }

    /// What fails on the way to the proxy is ours, whatever it is.
    async fn reach(&self, resolver: &Resolver, deadline: Deadline, trace: &mut Trace) -> Result<TcpStream, Failure> {
        let guard = Guard { allow_private: true, ..Guard::default() };
        let mut own = Trace::default();
        let reached = connect(&self.at, guard, resolver, deadline, &mut own).await;
        trace.hop.address = own.hop.address;
        // Its name and its connection are the way to the vendor: one phase.
        let took = own.hop.phases.resolve.unwrap_or(0).saturating_add(own.hop.phases.connect.unwrap_or(0));
        trace.hop.phases.connect = Some(trace.hop.phases.connect.unwrap_or(0).saturating_add(took));
        reached.map_err(|failure| match failure.reason {
            Reason::OwnResource | Reason::Internal => failure,
            _ => Failure::new(Reason::Proxy, format!("the proxy {} cannot be reached: {}", self.shown(), failure.message)),
        })
    }

    async fn ask_http(&self, stream: &mut TcpStream, place: &Place) -> Result<(), Failure> {
        let authority = place.shown();
        let mut asked = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some(value) = self.authorization() {
            asked += &format!("Proxy-Authorization: {value}\r\n");
        }
        asked += "\r\n";
        stream.write_all(asked.as_bytes()).await.map_err(|error| self.broke(&error))?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES_MAX {
                return Err(self.failed("answers with a head that does not end"));
            }
            // Byte by byte: what follows the head belongs to the target.
            head.push(stream.read_u8().await.map_err(|error| self.broke(&error))?);
        }
        let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
        let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
        match status {
            Some(status) if status.starts_with('2') => Ok(()),
            Some("407") => Err(self.failed("wants credentials, or refuses ours (407)")),
            _ => Err(self.failed(&format!("refuses a tunnel to {authority}: {}", clean(&line, 100)))),
        }
    }

    async fn ask_socks(&self, stream: &mut TcpStream, place: &Place) -> Result<(), Failure> {
        const NONE: u8 = 0;
        const PASSWORD: u8 = 2;
        let offered: &[u8] = if self.credentials.is_some() { &[5, 2, NONE, PASSWORD] } else { &[5, 1, NONE] };
        stream.write_all(offered).await.map_err(|error| self.broke(&error))?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen).await.map_err(|error| self.broke(&error))?;
        match (chosen, &self.credentials) {
            ([5, NONE], _) => {}
            ([5, PASSWORD], Some((name, password))) => self.authenticate(stream, name, password.expose()).await?,
            ([5, _], _) => return Err(self.failed("wants other credentials than we have")),
            _ => return Err(self.failed("does not speak SOCKS5")),
        }
        stream.write_all(&place.socks_request()).await.map_err(|error| self.broke(&error))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.map_err(|error| self.broke(&error))?;
        let [version, reply, _, kind] = answer;
        if version != 5 {
            return Err(self.failed("does not speak SOCKS5"));
        }
        if reply != 0 {
            return Err(self.refused(reply, place));
        }
        // Where the proxy connects from; nobody needs it.
        let length = match kind {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await.map_err(|error| self.broke(&error))?),
            _ => return Err(self.failed("does not speak SOCKS5")),
        };
        let mut bound = vec![0; length + 2];
        stream.read_exact(&mut bound).await.map_err(|error| self.broke(&error))?;
        Ok(())
    }

    async fn authenticate(&self, stream: &mut TcpStream, name: &str, password: &str) -> Result<(), Failure> {
        let part = |text: &str| {
            let length = u8::try_from(text.len()).map_err(|_| self.failed("cannot take a name or password of more than 255 bytes"))?;
            Ok::<_, Failure>([&[length], text.as_bytes()].concat())
        };
        let asked = [vec![1], part(name)?, part(password)?].concat();
        stream.write_all(&asked).await.map_err(|error| self.broke(&error))?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await.map_err(|error| self.broke(&error))?;
        if answer[1] == 0 { Ok(()) } else { Err(self.failed("refuses our credentials")) }
    }

    /// RFC 1928 6: what is said of the target is the target's, the rest ours.
    fn refused(&self, reply: u8, place: &Place) -> Failure {
        let (reason, why) = match reply {
            3 => (Reason::ConnectUnreachable, "no route to its network"),
            4 => (Reason::ConnectUnreachable, "no route to it"),
            5 => (Reason::ConnectRefused, "it refused the connection"),
            6 => (Reason::ConnectTimeout, "its time to live ran out"),
            1 => (Reason::Proxy, "the proxy failed"),
            2 => (Reason::Proxy, "the proxy's rules do not allow it"),
            7 | 8 => (Reason::Proxy, "the proxy cannot do that"),
            _ => (Reason::Proxy, "the proxy does not say why"),
        };
        Failure::new(reason, format!("no connection to {} through the proxy {}: {why}", place.shown(), self.shown()))
    }

    fn failed(&self, what: &str) -> Failure {
        Failure::new(Reason::Proxy, format!("the proxy {} {what}", self.shown()))
    }

    fn broke(&self, error: &io::Error) -> Failure {
        self.failed(&format!("broke the connection: {error}"))
    }
}

/// Where the tunnel should lead.
enum Place {
    Address(SocketAddr),
    Name(String, u16),
}

impl Place {
    fn shown(&self) -> String {
        match self {
            Place::Address(address) => address.to_string(),
            Place::Name(name, port) => format!("{name}:{port}"),
        }
    }

    fn socks_request(&self) -> Vec<u8> {
        const CONNECT: [u8; 3] = [5, 1, 0];
        let (kind, place, port) = match self {
            Place::Address(SocketAddr::V4(address)) => (1, address.ip().octets().to_vec(), address.port()),
            Place::Address(SocketAddr::V6(address)) => (4, address.ip().octets().to_vec(), address.port()),
            // A DNS name has at most 253 bytes.
            Place::Name(name, port) => (3, [&[name.len().min(255) as u8], name.as_bytes()].concat(), *port),
        };
        [&CONNECT[..], &[kind], &place, &port.to_be_bytes()].concat()
    }
}

/// The part of the guard that holds without resolving: literal addresses, and names that can only mean this machine.
fn judged(target: &Target, guard: Guard) -> Result<(), Failure> {
    if guard.allow_private || target.configured {
        return Ok(());
    }
    let range = match &target.host {
        Host::Domain(name) => is_localhost(name).then_some("loopback"),
        Host::Ipv4(ip) => address::special(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => address::special(IpAddr::V6(*ip)),
    };
    match range {
        Some(range) => {
            let message = format!("{} is a {range} address; if that is meant, say allow_private = true", target.shown());
            Err(Failure::new(Reason::AddressRefused, message))
        }
        None => Ok(()),
    }
}

/// `%40` in a user name or password of a URL (RFC 3986 2.1).
fn percent_decoded(text: &str) -> String {
    // Form decoding also turns `+` into a blank, which is not meant here.
    let escaped = text.replace('+', "%2B");
    url::form_urlencoded::parse(format!("x={}", escaped.replace('&', "%26").replace('=', "%3D")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
