//! `kind = "websocket"`: an upgrade to WebSocket (RFC 6455); where it is said, something is sent and what comes back is judged.
//!
//! - Each message is an answer of its own: the first on which the conditions hold is good, and if none is, the last one is shown.
//! - Pings are answered while we listen. In the end the connection is closed as it should be, within [`CLOSE_WITHIN`].

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::condition::{self, Expectations, Scope, Seen};
use super::dial::{self, Dialer, Offer};
use super::dialogue::{self, Said, header_lines};
use super::failure::{Deadline, Failure, Trace, timed};
use super::http::exchange::Stream;
use super::verdict::{Manners, judge};
use super::{Kind, Probe, Run, Workshop, tls};
use crate::clock;
use crate::model::settings::Built;
use crate::model::{Fault, Key, Observation, Outcome, Reason, Settings, Shape};

#[cfg(test)]
mod tests;
mod upgrade;

use upgrade::{Upgrade, failure};

pub(super) const KIND: Kind = Kind {
    name: "websocket",
    help: "an upgrade to WebSocket, and what is said over it",
    keys: &[KEYS, dialogue::KEYS, dial::TLS_KEYS, dial::KEYS, dial::PROXY_KEYS, condition::KEYS],
    build,
};

const SCOPE: Scope<'static> = Scope::new(
    "websocket",
    &["latency", "body", "body_bytes", "header.NAME", "$...", "count($...)", "cert.days_left", "cert.issuer", "tls.version", "ip"],
);

const KEYS: &[Key] = &[
    Key::required("url", Shape::Text, "what to connect to: `wss://stream.vendor.example/v1`"),
    Key::new("headers", Shape::SecretMap, "", "headers of the request to upgrade: `Origin`, `Authorization`, `Sec-WebSocket-Protocol`"),
    Key::new(
        "auth_is_down",
        Shape::Flag,
        "false",
        "429, and 401, 403 and 407 to a request with credentials, count as down instead of unknown",
    ),
];

const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Messages that are looked at. A stream that sends more without a good one has none.
const MESSAGES_MAX: usize = 256;

/// A goodbye is worth no more.
const CLOSE_WITHIN: Duration = Duration::from_millis(250);

type Socket = WebSocketStream<Box<dyn Stream>>;

struct WebsocketProbe {
    upgrade: Upgrade,
    host: String,
    dialer: Dialer,
    send: String,
    auth_is_down: bool,
    wanted: Expectations,
}

fn build(settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
    Ok(Arc::new(WebsocketProbe::of(settings, workshop)?))
}

impl Probe for WebsocketProbe {
    fn host(&self) -> &str {
        &self.host
    }

    fn run(&self, timeout: Duration) -> Run<'_> {
        Box::pin(async move {
            let deadline = Deadline::of(timeout);
            let (mut trace, mut said) = (Trace::default(), Said::default());
            trace.hide(&self.upgrade.secrets);
            trace.hide(&self.dialer.secrets);
            trace.begin(self.upgrade.origin.clone());
            match self.look(deadline, &mut trace, &mut said).await {
                Ok((head, latency)) => self.judge(&head, trace, said, latency),
                Err(failure) => self.failed(failure, trace, said, deadline.started.elapsed()),
            }
        })
    }
}

impl WebsocketProbe {
    fn of(settings: &Settings, workshop: &Workshop) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let upgrade = Upgrade::of(settings, &workshop.user_agent).map_err(|all| faults.extend(all));
        let target = upgrade.as_ref().ok().map(|upgrade| &upgrade.target);
        let dialer = Dialer::of(settings, target, workshop).map_err(|all| faults.extend(all));
        let wanted = Expectations::compile(settings, &SCOPE).map_err(|all| faults.extend(all));
        let (Ok(upgrade), Ok(dialer), Ok(wanted)) = (upgrade, dialer, wanted) else { return Err(faults) };
        Ok(WebsocketProbe {
            host: dialer.host(&upgrade.target),
            upgrade,
            dialer,
            send: settings.text("send").unwrap_or_default().to_owned(),
            auth_is_down: settings.on("auth_is_down"),
            wanted,
        })
    }

    fn is_answered(&self) -> bool {
        !self.send.is_empty() || self.wanted.need_body()
    }

    /// The head of the answer, and how long everything took; what was said is in `said`.
    async fn look(&self, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<(HeaderMap, Duration), Failure> {
        let (mut socket, head) = self.upgraded(deadline, trace, said).await?;
        if self.is_answered() {
            let mut phase = trace.hop.phases.transfer;
            let talked = timed(&mut phase, self.talk(&mut socket, &head, deadline, trace, said)).await;
            trace.hop.phases.transfer = phase;
            talked?;
        }
        let latency = deadline.started.elapsed();
        let closing = tokio::time::timeout(CLOSE_WITHIN, goodbye(&mut socket));
        let _ = deadline.bound(closing, Reason::Send, String::new).await;
        Ok((head, latency))
    }

    async fn upgraded(&self, deadline: Deadline, trace: &mut Trace, said: &mut Said) -> Result<(Socket, HeaderMap), Failure> {
        let target = &self.upgrade.target;
        let stream = self.dialer.connect(target, deadline, trace).await?;
        let stream: Box<dyn Stream> = match self.upgrade.is_secure {
            true => Box::new(self.dialer.secure(stream, target, Offer::Http1, deadline, trace).await?),
            false => Box::new(stream),
        };
        said.request = self.upgrade.shown();
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let asking = client_async_with_config(self.upgrade.request()?, stream, Some(config));
        let what = || format!("no answer to the upgrade from {}", self.host);
        let bound = deadline.bound(asking, Reason::TimeoutHeaders, what);
        match timed(&mut trace.hop.phases.processing, bound).await? {
            Ok((socket, answer)) => {
                trace.hop.http_status = Some(answer.status().as_u16());
                said.response = format!("HTTP/1.1 {}\n{}", answer.status(), header_lines(answer.headers()));
                Ok((socket, answer.into_parts().0.headers))
            }
            Err(error) => {
                if let Error::Http(answer) = &error {
                    trace.hop.http_status = Some(answer.status().as_u16());
                    said.response = format!("HTTP/1.1 {}\n{}", answer.status(), header_lines(answer.headers()));
                    said.body = answer.body().clone().unwrap_or_default();
                }
                Err(failure(&self.host, &error, self.upgrade.sends_credentials))
            }
        }
    }

    /// Sends, and puts the message that was wanted into `said`, or the last one.
    async fn talk(&self, socket: &mut Socket, head: &HeaderMap, deadline: Deadline, trace: &Trace, said: &mut Said) -> Result<(), Failure> {
        if !self.send.is_empty() {
            said.request.push_str(&format!("\n\n{}", self.send));
            let what = || format!("{} did not take what we sent", self.host);
            let sent = deadline.bound(socket.send(Message::text(self.send.as_str())), Reason::Send, what).await?;
            sent.map_err(|error| failure(&self.host, &error, false))?;
        }
        let mut heard = false;
        for _ in 0..MESSAGES_MAX {
            let what = || format!("no message from {}", self.host);
            match deadline.bound(self.next(socket), Reason::TimeoutBody, what).await {
                Ok(Ok(ControlFlow::Continue(message))) => said.body = message,
                // Something came, and can be judged.
                Ok(Ok(ControlFlow::Break(_))) | Err(_) if heard => break,
                Ok(Ok(ControlFlow::Break(failure)) | Err(failure)) | Err(failure) => return Err(failure),
            }
            heard = true;
            let seen = Seen {
                latency: deadline.started.elapsed(),
                body: Some(&said.body),
                headers: Some(head),
                ..Seen::of(&trace.hop, clock::now())
            };
            if self.wanted.are_met_by_body(&seen) {
                break;
            }
        }
        Ok(())
    }

    /// The next message, or how the other side closed. Pings are answered on the way.
    async fn next(&self, socket: &mut Socket) -> Result<ControlFlow<Failure, Vec<u8>>, Failure> {
        let closed = |how: String| ControlFlow::Break(Failure::new(Reason::Receive, format!("{} closed the connection{how}", self.host)));
        loop {
            match socket.next().await {
                None => return Ok(closed(String::new())),
                Some(Ok(Message::Close(Some(frame)))) => return Ok(closed(format!(" with {} {}", frame.code, frame.reason))),
                Some(Ok(Message::Close(None))) => return Ok(closed(String::new())),
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    return Ok(ControlFlow::Continue(message.into_data().into()));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(failure(&self.host, &error, false)),
            }
        }
    }

    fn judge(&self, head: &HeaderMap, mut trace: Trace, said: Said, latency: Duration) -> Observation {
        let seen = Seen { latency, body: Some(&said.body), headers: Some(head), ..Seen::of(&trace.hop, clock::now()) };
        let good = if self.is_answered() { "answered" } else { "upgraded to WebSocket" };
        let verdict = judge(&self.wanted, &seen, Manners { said: good, ..Manners::default() });
        if verdict.outcome != Outcome::Up {
            trace.detail.evidence = said.evidence();
        }
        trace.detail.expectations = verdict.expectations;
        trace.ended(verdict.outcome, verdict.reason, latency, &verdict.message)
    }

    fn failed(&self, failure: Failure, mut trace: Trace, mut said: Said, duration: Duration) -> Observation {
        if said.response.is_empty() {
            said.response = tls::chain(&trace.hop);
        }
        trace.detail.evidence = said.evidence();
        match failure.reason {
            Reason::AuthRejected | Reason::RateLimited if self.auth_is_down => {
                trace.ended(Outcome::Down, failure.reason, duration, &failure.message)
            }
            _ => trace.failed(failure, duration),
        }
    }
}

/// Says that we leave and waits until the other side has too (RFC 6455 7.1.1).
async fn goodbye(socket: &mut Socket) {
    if socket.close(None).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
