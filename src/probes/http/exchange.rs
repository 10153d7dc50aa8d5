//! One request and its answer on a connection of its own.
//!
//! The connection is driven by whoever waits for it: no task outlives a probe, and dropping the exchange closes the socket.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::header::HOST;
use ::http::response::Parts;
use ::http::{Request, Response, Version};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::body;
use super::client::{Client, Version as Wanted};
use super::request::Hop;
use crate::fetch::unpack::{self, Coding};
use crate::model::Reason;
use crate::model::observation::Evidence;
use crate::probes::dial::{tls_error, tls_failure};
use crate::probes::failure::{Deadline, Failure, Trace, timed};

/// Common servers refuse more than 8 to 32 KiB themselves. hyper's own limit of 100 header lines stands beside it.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// How much a vendor may send ahead of our reading in HTTP/2: as much as is read of a body by default.
const WINDOW_BYTES: u32 = 1 << 20;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Io = TokioIo<Box<dyn Stream>>;
type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// The rest of an answer: its body and what it comes over.
pub(super) struct Rest {
    body: Incoming,
    driver: Driver,
}

impl Client {
    /// Asks `hop` and waits for the head of the answer.
    pub(super) async fn send(&self, hop: &Hop, deadline: Deadline, trace: &mut Trace) -> Result<(Parts, Rest), Failure> {
        let stream = self.dialer.connect(&hop.target, deadline, trace).await?;
        let (stream, http2) = if hop.url.scheme() == "https" {
            self.secure(hop, stream, deadline, trace).await?
        } else {
            let plain: Box<dyn Stream> = Box::new(stream);
            (plain, self.version == Wanted::Http2)
        };
        let what = || format!("no response head from {}", hop.target.shown());
        let asked = answer(hop, TokioIo::new(stream), http2);
        let bound = deadline.bound(asked, Reason::TimeoutHeaders, what);
        let (response, driver) = timed(&mut trace.hop.phases.processing, bound).await??;
        let (head, body) = response.into_parts();
        Ok((head, Rest { body, driver }))
    }

    /// TLS over `stream`, and whether both sides agreed on HTTP/2.
    async fn secure(
        &self,
        hop: &Hop,
        stream: TcpStream,
        deadline: Deadline,
        trace: &mut Trace,
    ) -> Result<(Box<dyn Stream>, bool), Failure> {
        let stream = self.dialer.secure(stream, &hop.target, self.version.offer(), deadline, trace).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.version == Wanted::Http2 && !http2 {
            let message = format!("{} does not offer HTTP/2", hop.target.shown());
            return Err(Failure::new(Reason::Protocol, message));
        }
        Ok((Box::new(stream), http2))
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
        let Rest { body, mut driver } = rest;
        let what = || format!("no complete body from {}", hop.target.shown());
        let coding = Coding::of(&head.headers);
        let reading = async {
            if need_all {
                body::keep(body, coding.map_err(body::refused)?, self.body_bytes_max, &mut driver).await
            } else {
                let start = body::skip(body, self.body_bytes_max, &mut driver).await?;
                Ok(unpack::start(coding.unwrap_or(Coding::Plain), &start, Evidence::BODY_BYTES_MAX))
            }
        };
        let bound = deadline.bound(reading, Reason::TimeoutBody, what);
        timed(&mut trace.hop.phases.transfer, bound).await?
    }
}

async fn answer(hop: &Hop, io: Io, http2: bool) -> Result<(Response<Incoming>, Driver), Failure> {
    let request = request(hop, http2)?;
    let answered = if http2 { over_http2(request, io).await } else { over_http1(request, io).await };
    answered.map_err(|error| failure(&hop.target.shown(), &error))
}

fn request(hop: &Hop, http2: bool) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::new(Full::new(hop.body.clone()));
    *request.method_mut() = hop.method.clone();
    *request.uri_mut() = hop.uri(http2)?;
    *request.headers_mut() = hop.headers.clone();
    if http2 {
        // It travels as `:authority` there (RFC 9113 8.3.1).
        request.headers_mut().remove(HOST);
        *request.version_mut() = Version::HTTP_2;
    } else {
        request.headers_mut().insert(HOST, hop.authority());
    }
    Ok(request)
}

async fn over_http1(request: Request<Full<Bytes>>, io: Io) -> hyper::Result<(Response<Incoming>, Driver)> {
    let (mut sender, connection) = http1::Builder::new().max_header_size(HEAD_BYTES_MAX).handshake(io).await?;
    let mut driver = Driver::new(Box::pin(connection), Tasks::default());
    let response = driver.drive(sender.send_request(request)).await?;
    Ok((response, driver))
}

async fn over_http2(request: Request<Full<Bytes>>, io: Io) -> hyper::Result<(Response<Incoming>, Driver)> {
    let tasks = Tasks::default();
    let (mut sender, connection) = http2::Builder::new(tasks.clone())
        .max_header_list_size(HEAD_BYTES_MAX as u32)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(io)
        .await?;
    let mut driver = Driver::new(Box::pin(connection), tasks);
    let response = driver.drive(sender.send_request(request)).await?;
    Ok((response, driver))
}

/// Keeps a connection going while something is awaited from it.
pub(super) struct Driver {
    /// Until it ends.
    connection: Option<Connection>,
    tasks: Tasks,
}

impl Driver {
    fn new(connection: Connection, tasks: Tasks) -> Self {
        Driver { connection: Some(connection), tasks }
    }

    /// An error of the connection comes out of `future` too, so only that is looked at.
    pub(super) async fn drive<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(context).is_ready()
            {
                self.connection = None;
            }
            future.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Driver {
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
pub(super) fn failure(host: &str, error: &hyper::Error) -> Failure {
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
