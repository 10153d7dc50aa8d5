//! `vendord alert test`: one marked test to a receiver, sent from here without the daemon and its lanes.
//!
//! It prints the request and the answer, and no secret: of a URL its host, of a header whose value is not known to be
//! harmless its name.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::channels::{Verdict, verdict};
use crate::cli::once::until_interrupted;
use crate::cli::words::{seconds_of, tame};
use crate::cli::{Answer, Context, Exit, Failure, find, to_json};
use crate::clock;
use crate::config::{Config, Receiver};
use crate::fetch::{Answer as Reply, Fetch, FetchError, user_agent};
use crate::model::Uuid;
use crate::routing::test_delivery;

#[derive(Args)]
#[command(before_help = "Example:\n  vendord alert test oncall")]
pub struct Arguments {
    /// A [[receivers]] name
    #[arg(value_name = "RECEIVER")]
    receiver: String,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Tested<'t> {
    schema: u32,
    receiver: &'t str,
    kind: &'t str,
    accepted: bool,
    request: Sent,
    answer: Option<Answered>,
    /// Why there is no answer.
    error: Option<String>,
}

/// What goes out, without secrets.
#[derive(Serialize)]
struct Sent {
    url: String,
    headers: Vec<(String, String)>,
    body: Value,
}

#[derive(Serialize)]
struct Answered {
    status: u16,
    retry_after_seconds: Option<f64>,
    body: String,
}

pub fn test(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let config = context.config()?;
    let receiver = find::find("receiver", &arguments.receiver, &config.receivers, |receiver| &receiver.name)?;
    let now = clock::now();
    let request = receiver.channel.render(&test_delivery(&receiver.name, now, Uuid::now_v7), now);
    let sent = Sent {
        url: receiver.channel.shown(),
        headers: request.headers.iter().map(|(name, value)| ((*name).to_owned(), harmless(name, value))).collect(),
        body: as_json(&request.body),
    };
    let reply = send(&config, request)?;
    let tested = tested(receiver, sent, &reply);
    let text = if arguments.json { to_json(&tested) } else { text(&tested) };
    Ok(Answer { text, exit: Exit::finding_if(!tested.accepted) })
}

/// As the daemon sends it.
fn send(config: &Config, request: crate::channels::Request) -> Result<Result<Reply, FetchError>, Failure> {
    let contact = &config.agent.contact;
    until_interrupted(async { Fetch::new(&user_agent(contact)).send(request).await })
}

/// The value of a header as it may be seen.
fn harmless(name: &str, value: &str) -> String {
    match name {
        "content-type" | "webhook-id" | "webhook-timestamp" => value.to_owned(),
        "webhook-signature" => {
            let version = |signature: &str| signature.split_once(',').map_or("…".to_owned(), |(version, _)| format!("{version},…"));
            value.split(' ').map(version).collect::<Vec<_>>().join(" ")
        }
        _ => "…".to_owned(),
    }
}

fn as_json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| json!(String::from_utf8_lossy(body)))
}

fn tested<'t>(receiver: &'t Receiver, request: Sent, reply: &Result<Reply, FetchError>) -> Tested<'t> {
    Tested {
        schema: 1,
        receiver: &receiver.name,
        kind: receiver.kind,
        accepted: verdict(reply, 0) == Verdict::Accepted,
        request,
        answer: reply.as_ref().ok().map(|reply| Answered {
            status: reply.status,
            retry_after_seconds: reply.retry_after.map(seconds_of),
            body: String::from_utf8_lossy(&reply.body_start).into_owned(),
        }),
        error: reply.as_ref().err().map(|error| error.message.clone()),
    }
}

fn text(tested: &Tested) -> String {
    let mut text = format!("POST {}\n", tested.request.url);
    for (name, value) in &tested.request.headers {
        text += &format!("{name}: {}\n", tame(value));
    }
    text += &format!("\n{:#}\n\n", tested.request.body);
    match (&tested.answer, &tested.error) {
        (Some(answer), _) => text += &answered(answer),
        (None, error) => text += &format!("no answer: {}\n", tame(error.as_deref().unwrap_or_default())),
    }
    let accepted = if tested.accepted { "accepted the test" } else { "did not accept the test" };
    text + &format!("\n{} {accepted}\n", tested.receiver)
}

fn answered(answer: &Answered) -> String {
    const LINES_MAX: usize = 20;
    let mut text = format!("answer {}\n", answer.status);
    if let Some(seconds) = answer.retry_after_seconds {
        text += &format!("retry-after: {seconds} s\n");
    }
    for line in answer.body.lines().take(LINES_MAX) {
        text += &format!("{}\n", tame(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_shows_a_secret() {
        for (name, value, want) in [
            ("webhook-signature", "v1,c2VjcmV0 v1,b3RoZXI=", "v1,… v1,…"),
            ("webhook-signature", "c2VjcmV0", "…"),
            ("authorization", "Bearer secret", "…"),
            ("webhook-id", "1", "1"),
        ] {
            assert_eq!(harmless(name, value), want);
        }
    }
}
