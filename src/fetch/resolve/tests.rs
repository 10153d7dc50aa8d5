//! Against name servers on the loopback address that say what the test wants.

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::Hosts;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SOA};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::system::{Servers, unresolved};
use super::*;

const SOON: Duration = Duration::from_secs(5);

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
    let v4 = Ok(vec![Ipv4Addr::LOCALHOST.into()]);
    assert_eq!(resolver.fresh("db.localhost", Family::V4, SOON).await, v4);
    assert_eq!(resolver.cached("db.localhost", Family::V4).await, v4);
    assert_eq!(kind(resolver.fresh("vendor.example", Family::Any, SOON).await), Err(UnresolvedKind::Local));
    assert_eq!(kind(resolver.cached("vendor.example", Family::Any).await), Err(UnresolvedKind::Local));
    assert_eq!(resolver.servers().await.unwrap_err().kind, UnresolvedKind::Local);
}

#[test]
fn what_became_of_a_question_is_told() {
    let none = |code| {
        let query = Query::query(Name::root(), RecordType::A);
        NetError::Dns(DnsError::NoRecordsFound(NoRecords::new(query, code)))
    };
    let io = |kind: std::io::ErrorKind| NetError::Io(Arc::new(kind.into()));
    let lacks_descriptors = std::io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
    for (error, want) in [
        (none(ResponseCode::NXDomain), UnresolvedKind::Missing),
        (none(ResponseCode::NoError), UnresolvedKind::Missing),
        (none(ResponseCode::ServFail), UnresolvedKind::Failed),
        (NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)), UnresolvedKind::Failed),
        (NetError::Truncated, UnresolvedKind::Failed),
        (NetError::Timeout, UnresolvedKind::Silent),
        (io(std::io::ErrorKind::TimedOut), UnresolvedKind::Silent),
        (NetError::NoConnections, UnresolvedKind::Local),
        (io(std::io::ErrorKind::NetworkUnreachable), UnresolvedKind::Local),
        (io(std::io::ErrorKind::ConnectionRefused), UnresolvedKind::Local),
        (NetError::Io(Arc::new(lacks_descriptors)), UnresolvedKind::Local),
    ] {
        assert_eq!(unresolved("a.example", Family::Any, &error).kind, want, "{error}");
    }
}

/// What a name server says: a code, and the IPv4 addresses.
type Said = (ResponseCode, Vec<[u8; 4]>);

#[derive(Clone, Copy, Default)]
struct Manner {
    ttl: u32,
    /// Over UDP it says "too long", and keeps the answer for TCP.
    truncates: bool,
}

fn reply(question: &[u8], say: fn(&str, RecordType) -> Option<Said>, manner: Manner) -> Option<Message> {
    let asked = Message::from_vec(question).ok()?;
    let query = asked.queries.first()?.clone();
    let name = query.name().to_lowercase().to_ascii();
    let (code, ips) = say(name.trim_end_matches('.'), query.query_type())?;
    let mut message = Message::response(asked.id, asked.op_code);
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    message.metadata.response_code = code;
    message.add_query(query.clone());
    for ip in &ips {
        message.add_answer(Record::from_rdata(query.name().clone(), manner.ttl, RData::A(A(Ipv4Addr::from(*ip)))));
    }
    if ips.is_empty() {
        let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, manner.ttl);
        message.add_authority(Record::from_rdata(Name::root(), manner.ttl, RData::SOA(soa)));
    }
    Some(message)
}

/// A name server over UDP and TCP, and how often it was asked.
async fn fake(say: fn(&str, RecordType) -> Option<Said>, manner: Manner) -> (SocketAddr, Arc<AtomicUsize>) {
    let (udp, tcp) = both_sockets().await;
    let address = udp.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut question = [0; 1024];
        while let Ok((length, from)) = udp.recv_from(&mut question).await {
            counted.fetch_add(1, Ordering::Relaxed);
            let Some(mut message) = reply(&question[..length], say, manner) else { continue };
            if manner.truncates {
                message.metadata.truncation = true;
                message.answers.clear();
            }
            let _ = udp.send_to(&message.to_vec().unwrap(), from).await;
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let Ok(length) = stream.read_u16().await else { continue };
            let mut question = vec![0; usize::from(length)];
            if stream.read_exact(&mut question).await.is_ok()
                && let Some(message) = reply(&question, say, manner)
            {
                let bytes = message.to_vec().unwrap();
                let _ = stream.write_all(&[&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat()).await;
            }
        }
    });
    (address, count)
}

/// One port for both.
async fn both_sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

fn resolver_at(server: SocketAddr, search: &[&str]) -> Resolver {
    let mut name_server = NameServerConfig::udp_and_tcp(server.ip());
    name_server.connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].into();
    name_server.connections.iter_mut().for_each(|connection| connection.port = server.port());
    let search = search.iter().map(|name| Name::from_str(name).unwrap());
    let config = ResolverConfig::from_parts(None, search.collect(), vec![name_server]);
    let mut options = ResolverOpts::default();
    options.timeout = Duration::from_millis(200);
    options.attempts = 1;
    Resolver::with(System { hosts: Hosts::default(), servers: Servers::of(config, options).map_err(|error| error.to_string()) })
}

type Found = Result<Vec<IpAddr>, UnresolvedKind>;

fn kind(found: Result<Vec<IpAddr>, Unresolved>) -> Found {
    found.map_err(|error| error.kind)
}

async fn fresh(resolver: &Resolver, name: &str) -> Found {
    kind(resolver.fresh(name, Family::Any, SOON).await)
}

fn ip(last: u8) -> Found {
    Ok(vec![IpAddr::from([192, 0, 2, last])])
}

/// Only `good.example`, with this address.
fn good(name: &str, kind: RecordType) -> Option<Said> {
    Some(match (name, kind) {
        ("good.example", RecordType::A) => (ResponseCode::NoError, vec![[192, 0, 2, 1]]),
        ("good.example", _) => (ResponseCode::NoError, vec![]),
        ("broken.example", _) => (ResponseCode::ServFail, vec![]),
        _ => (ResponseCode::NXDomain, vec![]),
    })
}

#[tokio::test]
async fn f18_what_a_name_server_says_is_what_is_told() {
    let say = |name: &str, kind: RecordType| match (name, kind) {
        ("good.example", RecordType::A) => Some((ResponseCode::NoError, vec![[192, 0, 2, 1]])),
        ("good.example" | "empty.example", _) => Some((ResponseCode::NoError, vec![])),
        ("half.example", RecordType::A) => Some((ResponseCode::NoError, vec![[192, 0, 2, 2]])),
        ("mute.example" | "half.example", _) => None,
        ("broken.example", _) => Some((ResponseCode::ServFail, vec![])),
        ("refused.example", _) => Some((ResponseCode::Refused, vec![])),
        ("short.corp.example", RecordType::A) => Some((ResponseCode::NoError, vec![[192, 0, 2, 3]])),
        _ => Some((ResponseCode::NXDomain, vec![])),
    };
    let (server, _) = fake(say, Manner { ttl: 60, ..Manner::default() }).await;
    let resolver = resolver_at(server, &["corp.example"]);
    for (name, want) in [
        ("good.example", ip(1)),
        ("half.example", ip(2)),
        ("short", ip(3)),
        ("missing.example", Err(UnresolvedKind::Missing)),
        ("empty.example", Err(UnresolvedKind::Missing)),
        ("broken.example", Err(UnresolvedKind::Failed)),
        ("refused.example", Err(UnresolvedKind::Failed)),
        ("mute.example", Err(UnresolvedKind::Silent)),
    ] {
        assert_eq!(fresh(&resolver, name).await, want, "{name}");
        assert_eq!(fresh(&resolver, "good.example").await, ip(1));
    }
}

/// Configuration is checked where no runtime runs.
#[test]
fn a_resolver_is_configured_without_a_runtime() {
    let resolver = resolver_at("127.0.0.1:53".parse().unwrap(), &[]);
    let _ = (resolver.at("127.0.0.1:54".parse().unwrap()), Resolver::of_this_system());
}

#[tokio::test]
async fn f18_a_resolver_that_is_not_there_is_ours_at_once() {
    let unused = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let resolver = resolver_at(address, &[]);
    let error = resolver.fresh("a.vendor.example", Family::Any, SOON).await.unwrap_err();
    assert_eq!(error.kind, UnresolvedKind::Local, "{error}");
    assert_eq!(kind(resolver.cached("a.vendor.example", Family::Any).await), Err(UnresolvedKind::Local));
}

#[tokio::test]
async fn f18_a_resolver_that_answers_nothing_is_ours() {
    let (server, _) = fake(|_, _| None, Manner::default()).await;
    let resolver = resolver_at(server, &[]);
    for (name, want) in [
        ("a.vendor.example", UnresolvedKind::Silent),
        ("b.Vendor.example.", UnresolvedKind::Silent),
        ("other.example", UnresolvedKind::Silent),
        ("third.test", UnresolvedKind::Local),
        ("a.vendor.example", UnresolvedKind::Local),
    ] {
        assert_eq!(fresh(&resolver, name).await, Err(want), "{name}");
    }
}

#[tokio::test]
async fn a_short_deadline_ends_a_silent_question() {
    let (server, _) = fake(|_, _| None, Manner::default()).await;
    let found = resolver_at(server, &[]).fresh("a.example", Family::V4, Duration::from_millis(20)).await;
    assert_eq!(kind(found), Err(UnresolvedKind::Silent));
}

#[test]
fn f18_one_known_name_clears_the_resolver() {
    let mut failing = Vec::new();
    let mut told = |kind, name: &str| whose(Unresolved::new(kind, ""), name, &mut failing).kind;
    for name in ["a.example", "b.example"] {
        assert_eq!(told(UnresolvedKind::Failed, name), UnresolvedKind::Failed);
    }
    assert_eq!(told(UnresolvedKind::Missing, "c.example"), UnresolvedKind::Missing);
    assert_eq!(told(UnresolvedKind::Silent, "d.example"), UnresolvedKind::Silent);
}

#[tokio::test]
async fn fresh_asks_every_time_and_cached_remembers_what_was_said_and_denied() {
    let (server, asked) = fake(good, Manner { ttl: 60, ..Manner::default() }).await;
    let resolver = resolver_at(server, &[]);
    let asked = || asked.swap(0, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(kind(resolver.fresh("good.example", Family::V4, SOON).await), ip(1));
        assert_eq!(asked(), 1);
    }
    for (name, want) in [("good.example", ip(1)), ("missing.example", Err(UnresolvedKind::Missing))] {
        assert_eq!(kind(resolver.cached(name, Family::V4).await), want);
        assert_eq!(asked(), 1, "{name}: once");
        assert_eq!(kind(resolver.cached(name, Family::V4).await), want);
        assert_eq!(asked(), 0, "{name}: then from memory");
    }
    assert_eq!(kind(resolver.cached("broken.example", Family::V4).await), Err(UnresolvedKind::Failed));
    assert!(asked() > 0);
    assert_eq!(kind(resolver.cached("broken.example", Family::V4).await), Err(UnresolvedKind::Failed));
    assert!(asked() > 0, "a failure is not kept");
}

#[tokio::test]
async fn an_answer_that_may_not_be_kept_is_not() {
    let (server, asked) = fake(good, Manner::default()).await;
    let resolver = resolver_at(server, &[]);
    for _ in 0..2 {
        assert_eq!(kind(resolver.cached("good.example", Family::V4).await), ip(1));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_asked_for_again_over_tcp() {
    let (server, _) = fake(good, Manner { ttl: 60, truncates: true }).await;
    let resolver = resolver_at(server, &[]);
    assert_eq!(kind(resolver.fresh("good.example", Family::V4, SOON).await), ip(1));
}

#[tokio::test]
async fn a_check_may_name_its_own_server() {
    let (server, _) = fake(good, Manner::default()).await;
    let system = Resolver::with(System { hosts: Hosts::default(), servers: Err("none".into()) });
    let named = system.at(server);
    assert_eq!(kind(named.fresh("good.example", Family::Any, SOON).await), ip(1));
    assert_eq!(named.servers().await, Ok(vec![server]));
    assert!(Arc::ptr_eq(&named, &system.at(server)), "one for all who name it");
    assert_eq!(kind(named.fresh("localhost", Family::V4, SOON).await), Ok(vec![Ipv4Addr::LOCALHOST.into()]));
}
