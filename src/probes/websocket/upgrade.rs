//! What is asked for, and what a failed upgrade or conversation means. Pure.

use std::sync::Arc;

use ::http::header::USER_AGENT;
use ::http::{HeaderMap, HeaderValue, Request, Uri};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use url::{Position, Url};

use crate::model::{Fault, Reason, Settings};
use crate::probes::dial::Target;
use crate::probes::dialogue::broken;
use crate::probes::failure::Failure;
use crate::probes::http::request::{header, origin, target, user_info_fault};
use crate::probes::redact::Secrets;

const EXAMPLE: &str = "write for example \"wss://stream.vendor.example/v1\"";

/// The request as configured; the handshake adds its own headers to it.
pub(super) struct Upgrade {
    uri: Uri,
    headers: HeaderMap,
    pub is_secure: bool,
    pub target: Target,
    /// Scheme, host and port: query and path may be secret.
    pub origin: Arc<str>,
    pub sends_credentials: bool,
    pub secrets: Arc<Secrets>,
}

impl Upgrade {
    pub fn of(settings: &Settings, user_agent: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let url = url_of(settings).map_err(|fault| faults.push(fault));
        let mut headers = HeaderMap::new();
        let mut secrets = Secrets::default();
        for (name, value) in settings.secret_map("headers").into_iter().flatten() {
            match header(name, value) {
                Ok((name, _)) if is_of_handshake(name.as_str()) => {
                    let fault = Fault::new("headers", format!("{name} is set by the handshake itself"));
                    faults.push(fault.hint("leave it out"));
                }
                Ok((name, sent)) => {
                    if sent.is_sensitive() {
                        secrets.add(value.expose());
                    }
                    headers.append(name, sent);
                }
                Err(fault) => faults.push(fault),
            }
        }
        let (Ok((url, uri, target)), true) = (url, faults.is_empty()) else { return Err(faults) };
        let sends_credentials = headers.values().any(HeaderValue::is_sensitive);
        if let Ok(value) = HeaderValue::from_str(user_agent) {
            headers.entry(USER_AGENT).or_insert(value);
        }
        let is_secure = url.scheme() == "wss";
        Ok(Upgrade { uri, headers, is_secure, target, origin: origin(&url).into(), sends_credentials, secrets: Arc::new(secrets) })
    }

    /// With a key of its own (RFC 6455 4.1).
    pub fn request(&self) -> Result<Request<()>, Failure> {
        let made = self.uri.clone().into_client_request();
        let mut request = made.map_err(|error| Failure::new(Reason::Internal, format!("the request cannot be made: {error}")))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }

    pub fn shown(&self) -> String {
        format!("GET {} HTTP/1.1\nupgrade: websocket", self.uri.path())
    }
}

fn url_of(settings: &Settings) -> Result<(Url, Uri, Target), Fault> {
    let text = settings.text("url").unwrap_or_default();
    // No text in the messages: the query may hold a secret.
    let url = Url::parse(text).map_err(|error| Fault::new("url", format!("not a URL: {error}")).hint(EXAMPLE))?;
    if !matches!(url.scheme(), "ws" | "wss") {
        return Err(Fault::new("url", "kind websocket asks ws:// and wss:// URLs").hint(EXAMPLE));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(user_info_fault(text));
    }
    let target = target(&url, true).filter(|target| target.port != 0);
    let target = target.ok_or_else(|| Fault::new("url", "nobody can be connected to there").hint(EXAMPLE))?;
    // RFC 6455 3: there is no fragment.
    let uri = Uri::try_from(&url[..Position::AfterQuery]);
    let uri = uri.map_err(|error| Fault::new("url", format!("its path cannot be sent: {error}")).hint(EXAMPLE))?;
    Ok((url, uri, target))
}

/// A subprotocol may be asked for; we do without extensions.
fn is_of_handshake(name: &str) -> bool {
    name.starts_with("sec-websocket-") && name != "sec-websocket-protocol"
}

/// What an error of the library says about the vendor.
pub(super) fn failure(host: &str, error: &Error, sends_credentials: bool) -> Failure {
    let (reason, what) = match error {
        Error::Io(error) => return broken(host, error, Reason::Receive),
        Error::Http(answer) => return refused(answer.status(), sends_credentials),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => (Reason::BodyTooLarge, "sends a message of more than 1 MiB".into()),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake) => {
            (Reason::Receive, "closed the connection".into())
        }
        Error::Protocol(ProtocolError::SecWebSocketAcceptKeyMismatch) => {
            (Reason::Protocol, "answers the handshake of somebody else (wrong Sec-WebSocket-Accept)".into())
        }
        other => (Reason::Protocol, format!("does not speak WebSocket: {other}")),
    };
    Failure::new(reason, format!("{host} {what}"))
}

fn refused(status: ::http::StatusCode, sends_credentials: bool) -> Failure {
    let (reason, why) = match status.as_u16() {
        429 => (Reason::RateLimited, "we ask too often"),
        401 | 403 | 407 if sends_credentials => (Reason::AuthRejected, "our credentials were refused"),
        _ => (Reason::HttpStatus, "no upgrade to WebSocket"),
    };
    Failure::new(reason, format!("{status}: {why}"))
}
