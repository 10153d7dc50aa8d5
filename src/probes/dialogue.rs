//! Send and expect, for kinds that know nothing of what is spoken.
//!
//! Such an answer has no end that we could know. It is read until the conditions on it hold, the other side closes,
//! [`ANSWER_BYTES_MAX`] came or the time is up; then what came is judged. So a condition on what must *not* be in an
//! answer is held against as much of it as came first.

use std::io;

use ::http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::condition::{Expectations, Seen};
use super::dial::{tls_error, tls_failure};
use super::failure::{Deadline, Failure, Trace, evidence, timed};
use crate::clock;
use crate::model::observation::Evidence;
use crate::model::{Key, Reason, Settings, Shape};

pub(super) const KEYS: &[Key] = &[Key::new(
    "send",
    Shape::Text,
    "",
    "what is sent, as it is: \"PING\\r\\n\" (in double quotes, where TOML knows \\r and \\n); an answer is wanted then",
)];

/// A banner or the answer to a question; what is longer should be asked for by a kind that knows the protocol.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 10;

const CHUNK_BYTES: usize = 4 << 10;

/// How often an answer that grows is held against the conditions. Somebody who sends byte by byte must not make us
/// work: after that we look again at its end.
const LOOKS_MAX: usize = 256;

/// What was said so far, for the evidence of a run that fails.
#[derive(Default)]
pub(super) struct Said {
    pub request: String,
    pub response: String,
    pub body: Vec<u8>,
}

impl Said {
    pub fn evidence(&self) -> Option<Box<Evidence>> {
        evidence(&self.request, &self.response, &self.body)
    }
}

/// Headers as they are written in HTTP/1.1.
pub(super) fn header_lines(headers: &HeaderMap) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))).collect()
}

/// What a check sends, and whether it waits for anything.
pub(super) struct Dialogue {
    send: Vec<u8>,
    pub is_answered: bool,
}

impl Dialogue {
    pub fn of(settings: &Settings, wanted: &Expectations) -> Self {
        let send = settings.text("send").unwrap_or_default().as_bytes().to_vec();
        Dialogue { is_answered: !send.is_empty() || wanted.need_body(), send }
    }

    /// Sends, and puts what comes back into `said`.
    pub async fn hold<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        host: &str,
        wanted: &Expectations,
        deadline: Deadline,
        trace: &mut Trace,
        said: &mut Said,
    ) -> Result<(), Failure> {
        if !self.send.is_empty() {
            said.request.push_str(&String::from_utf8_lossy(&self.send));
            let sending = async {
                stream.write_all(&self.send).await?;
                stream.flush().await
            };
            let what = || format!("{host} did not take what we sent");
            deadline.bound(sending, Reason::Send, what).await?.map_err(|error| broken(host, &error, Reason::Send))?;
        }
        if self.is_answered { listen(stream, host, wanted, deadline, trace, said).await } else { Ok(()) }
    }
}

async fn listen<S: AsyncRead + Unpin>(
    stream: &mut S,
    host: &str,
    wanted: &Expectations,
    deadline: Deadline,
    trace: &mut Trace,
    said: &mut Said,
) -> Result<(), Failure> {
    let phases = trace.hop.phases;
    let (mut waiting, mut coming) = (phases.processing, phases.transfer);
    let mut looks = 0;
    let result = loop {
        let phase = if said.body.is_empty() { &mut waiting } else { &mut coming };
        let what = || format!("no answer from {host}");
        let reading = deadline.bound(more(stream, &mut said.body), Reason::TimeoutBody, what);
        let end = match timed(phase, reading).await {
            Ok(Ok(0)) => true,
            Ok(Ok(_)) => said.body.len() >= ANSWER_BYTES_MAX,
            // Many servers end TLS without a word.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            Ok(Err(error)) => break Err(broken(host, &error, Reason::Receive)),
            Err(late) if said.body.is_empty() => break Err(late),
            Err(_) => true,
        };
        if end {
            break if said.body.is_empty() && !are_met(wanted, deadline, trace, said) {
                Err(Failure::new(Reason::Receive, format!("{host} closed the connection without an answer")))
            } else {
                Ok(())
            };
        }
        looks += 1;
        if looks <= LOOKS_MAX && are_met(wanted, deadline, trace, said) {
            break Ok(());
        }
    };
    (trace.hop.phases.processing, trace.hop.phases.transfer) = (waiting, coming);
    result
}

async fn more<S: AsyncRead + Unpin>(stream: &mut S, body: &mut Vec<u8>) -> io::Result<usize> {
    let room = CHUNK_BYTES.min(ANSWER_BYTES_MAX - body.len());
    body.reserve(room);
    stream.take(room as u64).read_buf(body).await
}

/// Without any condition on an answer, one that is not empty is enough.
fn are_met(wanted: &Expectations, deadline: Deadline, trace: &Trace, said: &Said) -> bool {
    let seen = Seen { latency: deadline.started.elapsed(), body: Some(&said.body), ..Seen::of(&trace.hop, clock::now()) };
    (wanted.need_body() || !said.body.is_empty()) && wanted.are_met_by_body(&seen)
}

/// What an error of a connection says that was there already.
pub(super) fn broken(host: &str, error: &io::Error, reason: Reason) -> Failure {
    use io::ErrorKind as Kind;
    if let Some(error) = tls_error(error) {
        return tls_failure(host, error).0;
    }
    match error.kind() {
        Kind::BrokenPipe => Failure::new(Reason::Send, format!("{host} closed the connection while we sent")),
        Kind::UnexpectedEof => Failure::new(Reason::Receive, format!("{host} closed the connection")),
        _ => Failure::new(reason, format!("{host} broke the connection: {error}")),
    }
}
