//! One request and its answer on a connection of its own.
//!
//! The connection is driven by whoever waits for it: no task outlives a probe, and dropping the exchange closes the socket.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::PROXY_AUTHORIZATION;
use ::http::response::Parts;
use ::http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use super::body;
use super::client::{Client, Version as Wanted};
use super::request::Hop;
use crate::fetch::unpack::{self, Coding};
use crate::model::Reason;
use crate::model::observation::{self, Evidence};
use crate::probes::dial::{Proxy, tls_error, tls_failure};
use crate::probes::failure::{Deadline, Failure, Trace, timed};

/// Common servers refuse more than 8 to 32 KiB themselves. hyper's own limit of 100 header lines stands beside it.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How much a vendor may send ahead of our reading in HTTP/2: as much as is read of a body by default.
const WINDOW_BYTES: u32 = 1 << 20;

pub(in crate::probes) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(in crate::probes) type Io = TokioIo<Box<dyn Stream>>;
type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The rest of an answer: its body and what it comes over.
pub(super) struct Rest {
    body: Incoming,
    line: Line,
}

impl Client {
    /// Asks `hop` and waits for the head of the answer, over the connection that was kept, if there is a good one.
    pub(super) async fn send(&self, hop: &Hop, deadline: Deadline, trace: &mut Trace) -> Result<(Parts, Rest), Failure> {
        if let Some((line, seen)) = Box::pin(self.kept_line(hop)).await {
            (trace.hop.address, trace.hop.tls_version, trace.hop.chain) = (seen.address, seen.tls_version, seen.chain);
            trace.hop.reused = true;
            match Box::pin(self.ask_over(async { Ok(line) }, hop, None, deadline, trace)).await {
                // The server may have closed it while we were writing. Asking twice is harmless for these (RFC 9110 9.2.2).
                Err(failure) if matches!(failure.reason, Reason::Send | Reason::Receive) && is_repeatable(&hop.method) => {
                    trace.hop = observation::Hop { target: hop.origin.clone(), ..observation::Hop::default() };
                }
                answered => return answered,
            }
        }
        let (stream, http2, proxy) = self.open(hop, deadline, trace).await?;
        self.ask_over(Line::open(TokioIo::new(stream), http2), hop, proxy, deadline, trace).await
    }

    async fn ask_over(
        &self,
        line: impl Future<Output = hyper::Result<Line>>,
        hop: &Hop,
        proxy: Option<&Proxy>,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<(Parts, Rest), Failure> {
        let what = || format!("no response head from {}", hop.target.shown());
        let broken = |error: hyper::Error| failure(&hop.target.shown(), &error);
        let asked = async {
            let mut line = line.await.map_err(broken)?;
            let request = request(hop, line.is_http2(), proxy)?;
            Ok::<_, Failure>((line.ask(request).await.map_err(broken)?, line))
        };
        let bound = deadline.bound(asked, Reason::TimeoutHeaders, what);
        let (response, line) = timed(&mut trace.hop.phases.processing, bound).await??;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && let Some(proxy) = proxy
        {
            let message = format!("the proxy {} wants credentials, or refuses ours (407)", proxy.shown());
            return Err(Failure::new(Reason::Proxy, message));
        }
        Ok((head, Rest { body, line }))
    }

    /// A new connection, whether it is for HTTP/2, and the proxy if it is given the request instead of the target.
    async fn open(&self, hop: &Hop, deadline: Deadline, trace: &mut Trace) -> Result<(Box<dyn Stream>, bool, Option<&Proxy>), Failure> {
        let wants_http2 = self.version == Wanted::Http2;
        if hop.url.scheme() == "https" {
            let stream = self.dialer.connect(&hop.target, deadline, trace).await?;
            let stream = self.dialer.secure(stream, &hop.target, self.version.offer(), deadline, trace).await?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if wants_http2 && !http2 {
                let message = format!("{} does not offer HTTP/2", hop.target.shown());
                return Err(Failure::new(Reason::Protocol, message));
            }
            return Ok((Box::new(stream), http2, None));
        }
        if wants_http2 {
            return Ok((Box::new(self.dialer.connect(&hop.target, deadline, trace).await?), true, None));
        }
        let (stream, proxy) = self.dialer.connect_plain(&hop.target, deadline, trace).await?;
        Ok((Box::new(stream), false, proxy))
    }

    /// The body: all of it if it is needed, else as much as serves as evidence. What comes after the cap is not read.
    pub(super) async fn read(
        &self,
        hop: &Hop,
        head: &Parts,
        rest: Rest,
        need_all: bool,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<Vec<u8>, Failure> {
        let Rest { mut body, mut line } = rest;
        let what = || format!("no complete body from {}", hop.target.shown());
        let coding = Coding::of(&head.headers);
        let reading = async {
            if need_all {
                body::keep(&mut body, coding.map_err(body::refused)?, self.body_bytes_max, &mut line).await
            } else {
                let start = body::skip(&mut body, self.body_bytes_max, &mut line).await?;
                Ok(unpack::start(coding.unwrap_or(Coding::Plain), &start, Evidence::BODY_BYTES_MAX))
            }
        };
        let bound = deadline.bound(reading, Reason::TimeoutBody, what);
        let read = timed(&mut trace.hop.phases.transfer, bound).await??;
        if body.is_end_stream() {
            self.keep(line, hop, &trace.hop);
        }
        Ok(read)
    }

    /// The connection of the run before, if it leads to the same place and is still good.
    async fn kept_line(&self, hop: &Hop) -> Option<(Line, observation::Hop)> {
        let kept = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (mut line, seen) = kept;
        (seen.target == hop.origin && line.is_ready().await).then_some((line, seen))
    }

    fn keep(&self, line: Line, hop: &Hop, seen: &observation::Hop) {
        // Only where the run begins; what redirects lead to is not what the check is about. A proxy takes requests one by one.
        if let Some(kept) = self.kept.as_ref().filter(|_| hop.target.configured && self.dialer.proxy().is_none()) {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((line, seen.clone()));
        }
    }
}

fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn request(hop: &Hop, http2: bool, proxy: Option<&Proxy>) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = hop.request(http2, proxy.is_some())?;
    if let Some(value) = proxy.and_then(Proxy::authorization).and_then(|value| HeaderValue::from_str(&value).ok()) {
        request.headers_mut().insert(PROXY_AUTHORIZATION, value);
    }
    Ok(request)
}

/// A connection that speaks HTTP. Nobody drives it but whoever waits for something from it.
pub(in crate::probes) struct Line {
    /// Until it ends.
    connection: Option<Connection>,
    sender: Sender,
    tasks: Tasks,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Line {
    pub async fn open(io: Io, http2: bool) -> hyper::Result<Self> {
        let tasks = Tasks::default();
        if !http2 {
            let (sender, connection) = http1::Builder::new().max_header_size(HEAD_BYTES_MAX).handshake(io).await?;
            return Ok(Line { connection: Some(Box::pin(connection)), sender: Sender::Http1(sender), tasks });
        }
        let mut builder = http2::Builder::new(tasks.clone());
        builder
            .max_header_list_size(HEAD_BYTES_MAX as u32)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        let (sender, connection) = Box::pin(builder.handshake(io)).await?;
        Ok(Line { connection: Some(Box::pin(connection)), sender: Sender::Http2(sender), tasks })
    }

    fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    pub async fn ask(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let asked = sender.send_request(request);
                drive(&mut self.connection, asked).await
            }
            Sender::Http2(sender) => {
                let asked = sender.send_request(request);
                drive(&mut self.connection, asked).await
            }
        }
    }

    /// Whether another request may be sent.
    async fn is_ready(&mut self) -> bool {
        let ready = match &mut self.sender {
            Sender::Http1(sender) => drive(&mut self.connection, sender.ready()).await,
            Sender::Http2(sender) => drive(&mut self.connection, sender.ready()).await,
        };
        ready.is_ok() && self.connection.is_some()
    }

    pub async fn drive<T>(&mut self, future: impl Future<Output = T>) -> T {
        drive(&mut self.connection, future).await
    }
}

/// Keeps a connection going while something is awaited from it. An error of the connection comes out of `future` too, so
/// only that is looked at.
async fn drive<T>(connection: &mut Option<Connection>, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Some(running) = connection
            && running.as_mut().poll(context).is_ready()
        {
            *connection = None;
        }
        future.as_mut().poll(context)
    })
    .await
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// HTTP/2 brings tasks of its own; they end with the probe, also when the vendor never reads what they send.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Vec<AbortHandle>>>);

impl Tasks {
    fn stop(&self) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let task = tokio::spawn(future).abort_handle();
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(task);
    }
}

/// What an error of the connection says about the vendor.
pub(in crate::probes) fn failure(host: &str, error: &hyper::Error) -> Failure {
    if let Some(io) = io_cause(error) {
        if let Some(error) = tls_error(io) {
            return tls_failure(host, error).0;
        }
        return io_failure(host, io);
    }
    let (reason, what) = if error.is_parse_too_large() {
        (Reason::Protocol, "a head of more than 64 KiB or 100 headers".into())
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        (Reason::Receive, "closed the connection without an answer".into())
    } else {
        (Reason::Protocol, format!("does not answer with HTTP: {error}"))
    };
    Failure::new(reason, format!("{host}: {what}"))
}

fn io_failure(host: &str, error: &io::Error) -> Failure {
    use io::ErrorKind as Kind;
    let (reason, what) = match error.kind() {
        Kind::BrokenPipe => (Reason::Send, "closed the connection while we sent"),
        Kind::InvalidData | Kind::InvalidInput => (Reason::Protocol, "sends a malformed answer"),
        Kind::UnexpectedEof => (Reason::Receive, "closed the connection within its answer"),
        _ => (Reason::Receive, "broke the connection"),
    };
    Failure::new(reason, format!("{host} {what}: {error}"))
}

fn io_cause(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

pub(super) fn version_word(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        _ => "1.1",
    }
}
