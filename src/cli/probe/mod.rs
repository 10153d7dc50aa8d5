//! `vendord probe`: look now, and explain what was seen. Stores nothing and changes no state.

mod json;
mod text;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::{Answer, Context, Exit, Failure, find, once, to_json};
use crate::clock;
use crate::config::{self, Check, Vendor};
use crate::model::{Fault, Observation, Outcome, Timestamp, Value};
use crate::probes::{Probe, Workshop};

/// Of a look that no configuration describes.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Args)]
#[command(before_help = "\
Examples:
  vendord probe github/api
  vendord probe https://api.github.com/zen --expect 'status == 200' --expect 'latency < 800ms'
  vendord probe tls://api.github.com:443")]
pub struct Arguments {
    /// A vendor (all its checks), one check, or an address: http(s)://, or KIND:// for what has no scheme of its own
    #[arg(value_name = "VENDOR[/CHECK]|URL")]
    what: String,
    /// With a URL: a condition that must hold; again for more
    #[arg(long, value_name = "CONDITION")]
    expect: Vec<String>,
    /// With a URL: connect to private and other special addresses where the name leads there
    #[arg(long)]
    allow_private: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

/// What can be run, and how it is called.
struct Task {
    name: String,
    kind: &'static str,
    probe: Arc<dyn Probe>,
    timeout: Duration,
}

/// What came of it.
struct Seen {
    name: String,
    kind: &'static str,
    at: Timestamp,
    observation: Observation,
}

pub fn probe(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let workshop = Workshop::new();
    let by_address = arguments.what.contains("://");
    if !by_address && (!arguments.expect.is_empty() || arguments.allow_private) {
        return Err(Failure::usage("--expect and --allow-private go with a URL; a check has its own in the configuration"));
    }
    let tasks = if by_address { vec![by_url(arguments, &workshop)?] } else { configured(context, &arguments.what)? };
    let seen = once::until_interrupted(run(tasks))?;
    let whole = !by_address && !arguments.what.contains('/');
    let exit = Exit::finding_if(seen.iter().any(|seen| seen.observation.outcome != Outcome::Up));
    let text = match (arguments.json, &seen[..]) {
        (true, [one]) if !whole => to_json(&json::Shown::of(one)),
        (true, all) => to_json(&json::All::of(all)),
        (false, all) => all.iter().map(|seen| text::text(seen, context.colour_out)).collect::<Vec<_>>().join("\n"),
    };
    Ok(Answer { text, exit })
}

async fn run(tasks: Vec<Task>) -> Vec<Seen> {
    let mut seen = Vec::with_capacity(tasks.len());
    for Task { name, kind, probe, timeout } in tasks {
        let at = clock::now();
        seen.push(Seen { name, kind, at, observation: probe.run(timeout).await });
    }
    seen
}

/// The checks of a vendor, or one of them.
fn configured(context: &Context, what: &str) -> Result<Vec<Task>, Failure> {
    let config = context.config()?;
    let (vendor, check) = match what.split_once('/') {
        Some((vendor, check)) => (vendor, Some(check)),
        None => (what, None),
    };
    let vendor: &Vendor = find::find("vendor", vendor, &config.vendors, |vendor| vendor.id.as_str())?;
    let checks: Vec<&Check> = match check {
        None if vendor.checks.is_empty() => return Err(Failure::usage(format!("{} has no checks", vendor.id))),
        // What reports by itself cannot be looked at.
        None => vendor.checks.iter().filter(|check| check.probe.mailbox().is_none()).collect(),
        Some(name) => vec![find::find("check", name, &vendor.checks, |check| &check.id.name)?],
    };
    let task =
        |check: &Check| Task { name: check.id.to_string(), kind: check.kind, probe: check.probe.clone(), timeout: check.terms.timeout };
    Ok(checks.into_iter().map(task).collect())
}

/// A look at an address that no configuration names: what the scheme says, with the defaults of its kind.
fn by_url(arguments: &Arguments, workshop: &Workshop) -> Result<Task, Failure> {
    let (scheme, rest) = arguments.what.split_once("://").unwrap_or_default();
    let (kind, key, value) = match scheme {
        "http" | "https" => ("http", "url", arguments.what.as_str()),
        "ws" | "wss" => ("websocket", "url", arguments.what.as_str()),
        "dns" | "domain" => (scheme, "name", rest.trim_end_matches('/')),
        other => (other, "address", rest.trim_end_matches('/')),
    };
    let settings = [
        (key, Value::Text(value.to_owned())),
        ("expect", Value::TextList(arguments.expect.clone())),
        ("allow_private", Value::Flag(arguments.allow_private)),
    ];
    let given: Vec<_> = settings.into_iter().filter(|(key, _)| *key != "expect" || !arguments.expect.is_empty()).collect();
    let (kind, probe) = config::unconfigured(kind, given, workshop).map_err(|faults| {
        let told = faults.first().map(|fault| wrong(fault, arguments));
        told.unwrap_or_else(|| Failure::usage("cannot be looked at"))
    })?;
    Ok(Task { name: arguments.what.clone(), kind, probe, timeout: TIMEOUT })
}

/// What is wrong with the arguments; a condition is shown with the place.
fn wrong(fault: &Fault, arguments: &Arguments) -> Failure {
    let failure = Failure::usage(config::said(fault));
    let failure = match &fault.hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    };
    let condition = fault.item.and_then(|item| arguments.expect.get(item)).filter(|_| fault.key == "expect");
    match condition.zip(fault.at.clone()) {
        Some((text, at)) => {
            let before = text.get(..at.start).map_or(0, |before| before.chars().count());
            let wide = text.get(at).map_or(1, |part| part.chars().count().max(1));
            Failure { details: format!("  {text}\n  {}{}", " ".repeat(before), "^".repeat(wide)), ..failure }
        }
        None => failure,
    }
}
