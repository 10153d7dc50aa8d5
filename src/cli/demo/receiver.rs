//! The other end of the webhook: takes every message and prints it.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::servers::Place;
use super::terminal::{Terminal, Told};
use crate::cli::words::tame;

/// What is printed of a message; <https://www.standardwebhooks.com> says what is around it.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    event: String,
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    alerts: Vec<Alert>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Alert {
    rule: String,
    severity: String,
    summary: String,
    evidence: Vec<String>,
}

pub fn start(place: Place, terminal: &Terminal, stop: &CancellationToken) {
    let terminal = terminal.clone();
    place.serve(Router::new().fallback(move |headers: HeaderMap, body: Bytes| take(terminal, headers, body)), stop);
}

async fn take(terminal: Terminal, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Message>(&body) else { return StatusCode::BAD_REQUEST };
    let is_signed = headers.contains_key("webhook-signature");
    for alert in &message.data.alerts {
        terminal.message(&told(&message.event, alert, is_signed));
    }
    StatusCode::NO_CONTENT
}

/// Without what a terminal would obey.
fn told(event: &str, alert: &Alert, is_signed: bool) -> Told {
    Told {
        event: tame(event.trim_start_matches("alert.")),
        severity: tame(&alert.severity),
        rule: tame(&alert.rule),
        summary: tame(&alert.summary),
        evidence: alert.evidence.iter().map(|line| tame(line)).collect(),
        is_signed,
    }
}
