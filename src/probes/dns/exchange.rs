//! One question to one place and its answer: over UDP, TCP, TLS (RFC 7858) or HTTPS (RFC 8484).
//!
//! - A datagram counts only from the address that was asked, with our id and our question; anything else is passed over.
//! - A lost datagram is sent again ([`AGAIN_AFTER`]); the time since the first one is what is measured.
//! - An answer that did not fit is asked for again over TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::http::header::CONTENT_TYPE;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use url::Host;

use super::answer::{Answer, Unread, read};
use super::question::Question;
use crate::model::Reason;
use crate::probes::dial::{Dialer, Offer, Target, connect_failure, tls_error, tls_failure};
use crate::probes::failure::{Deadline, Failure, Trace, timed};
use crate::probes::http::{Client, Request};

/// Datagrams get lost; the waits before one is sent again. Common resolvers answer or give up within 5 s.
const AGAIN_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// A server with several addresses: the next one is asked too after this (RFC 8305 5).
const NEXT_AFTER: Duration = Duration::from_millis(250);

const ADDRESSES_MAX: usize = 4;

/// More than we said that we take (`question`); what is longer is cut off and cannot be read.
const DATAGRAM_BYTES: usize = 4096;

/// Whoever floods us with answers to other questions is not worth listening to.
const FOREIGN_MAX: usize = 1000;

pub(super) const MEDIA_TYPE: &str = "application/dns-message";

/// What came and from where, or nothing.
pub(super) enum Datagram {
    Answer(Answer, SocketAddr),
    /// This one has more to say than fits.
    Truncated(SocketAddr),
}

/// Asks all of `places` in turn; the first answer counts.
pub(super) async fn over_udp(places: &[SocketAddr], question: &Question, deadline: Deadline) -> Result<Datagram, Failure> {
    let asked = places.iter().take(ADDRESSES_MAX).enumerate().map(|(n, place)| async move {
        sleep(NEXT_AFTER * n as u32).await;
        ask_one(*place, question).await
    });
    let mut running: FuturesUnordered<_> = asked.collect();
    let mut failed = None;
    let first = async {
        while let Some(result) = running.next().await {
            match result {
                Ok(datagram) => return Some(datagram),
                Err(failure) => failed = Some(failure),
            }
        }
        None
    };
    let what = || format!("no answer from {}", shown(places));
    match deadline.bound(first, Reason::DnsTimeout, what).await {
        Ok(Some(datagram)) => Ok(datagram),
        Ok(None) => Err(failed.unwrap_or_else(|| Failure::new(Reason::Internal, "no address to ask"))),
        Err(late) => Err(late),
    }
}

fn shown(places: &[SocketAddr]) -> String {
    match places {
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} or {} more", rest.len()),
        [] => "nowhere".into(),
    }
}

async fn ask_one(place: SocketAddr, question: &Question) -> Result<Datagram, Failure> {
    let (id, message) = question.message()?;
    let socket = open(place).await.map_err(|error| connect_failure(place, &error))?;
    socket.send(&message).await.map_err(|error| connect_failure(place, &error))?;
    let mut again = AGAIN_AFTER.into_iter();
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut foreign = 0;
    let mut wait = again.next();
    loop {
        let received = match wait {
            None => socket.recv(&mut buffer).await,
            Some(within) => match timeout(within, socket.recv(&mut buffer)).await {
                Ok(received) => received,
                Err(_) => {
                    wait = again.next();
                    socket.send(&message).await.map_err(|error| connect_failure(place, &error))?;
                    continue;
                }
            },
        };
        let length = received.map_err(|error| connect_failure(place, &error))?;
        match read(&buffer[..length], question, id) {
            Ok(answer) => return Ok(Datagram::Answer(answer, place)),
            Err(Unread::Truncated) => return Ok(Datagram::Truncated(place)),
            Err(Unread::NotOurs(what)) => {
                foreign += 1;
                if foreign >= FOREIGN_MAX {
                    return Err(Failure::new(Reason::Protocol, format!("{place} sends {what}, again and again")));
                }
            }
            Err(Unread::Malformed(why)) => return Err(malformed(&place.to_string(), &why)),
        }
    }
}

/// A socket that hears only `place`, on a port that the system picks at random.
async fn open(place: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = if place.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(place).await?;
    Ok(socket)
}

pub(super) fn malformed(whose: &str, why: &str) -> Failure {
    Failure::new(Reason::Protocol, format!("the answer of {whose} is not DNS: {why}"))
}

/// Over a connection of its own, made sure of by TLS or not.
pub(super) async fn over_stream(
    dialer: &Dialer,
    target: &Target,
    secure: bool,
    question: &Question,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    let stream = dialer.connect(target, deadline, trace).await?;
    let shown = target.shown();
    let what = || format!("no answer from {shown}");
    if secure {
        let stream = dialer.secure(stream, target, Offer::Dot, deadline, trace).await?;
        let asked = deadline.bound(converse(stream, &shown, question), Reason::DnsTimeout, what);
        timed(&mut trace.hop.phases.processing, asked).await?
    } else {
        let asked = deadline.bound(converse(stream, &shown, question), Reason::DnsTimeout, what);
        timed(&mut trace.hop.phases.processing, asked).await?
    }
}

/// Question and answer, each after its length in two bytes (RFC 1035 4.2.2): so no answer is longer than 64 KiB.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, whose: &str, question: &Question) -> Result<Answer, Failure> {
    let (id, message) = question.message()?;
    let length = u16::try_from(message.len()).map_err(|_| Failure::new(Reason::Internal, "a question of more than 64 KiB"))?;
    let sent = async {
        stream.write_all(&[&length.to_be_bytes()[..], &message].concat()).await?;
        stream.flush().await
    };
    sent.await.map_err(|error| broken(whose, Reason::Send, &error))?;
    let length = stream.read_u16().await.map_err(|error| broken(whose, Reason::Receive, &error))?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(|error| broken(whose, Reason::Receive, &error))?;
    understood(&answer, question, id, whose)
}

fn broken(whose: &str, reason: Reason, error: &io::Error) -> Failure {
    match tls_error(error) {
        Some(error) => tls_failure(whose, error).0,
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(reason, format!("{whose} closed the connection without a whole answer"))
        }
        None => Failure::new(reason, format!("{whose} broke the connection: {error}")),
    }
}

/// An answer over a connection is the only one there is.
fn understood(bytes: &[u8], question: &Question, id: u16, whose: &str) -> Result<Answer, Failure> {
    read(bytes, question, id).map_err(|unread| match unread {
        Unread::NotOurs(what) => malformed(whose, what),
        Unread::Truncated => malformed(whose, "it is truncated although it did not have to be"),
        Unread::Malformed(why) => malformed(whose, &why),
    })
}

/// By POST over HTTP/2; the id is 0, as RFC 8484 4.1 wants it.
pub(super) async fn over_https(
    client: &Client,
    request: &Request,
    question: &Question,
    deadline: Deadline,
    trace: &mut Trace,
) -> Result<Answer, Failure> {
    let whose = request.target().shown();
    let answer = client.ask(&request.with_body(question.with_id(0)?), true, deadline, trace).await?;
    if answer.status != 200 {
        trace.detail.evidence = answer.evidence();
        let reason = if answer.status == 429 { Reason::RateLimited } else { Reason::HttpStatus };
        return Err(Failure::new(reason, format!("{whose} answered with HTTP status {}, wanted 200", answer.status)));
    }
    let media = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(MEDIA_TYPE) {
        trace.detail.evidence = answer.evidence();
        return Err(malformed(&whose, &format!("its media type is {media:?}")));
    }
    understood(&answer.body, question, 0, &whose)
}

/// The very place that was asked before.
pub(super) fn literal(place: SocketAddr) -> Target {
    let host = match place.ip() {
        IpAddr::V4(ip) => Host::Ipv4(ip),
        IpAddr::V6(ip) => Host::Ipv6(ip),
    };
    Target { host, port: place.port(), configured: true }
}
