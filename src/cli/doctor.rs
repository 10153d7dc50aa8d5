//! `vendord doctor`: whether this machine and the people behind the receivers can do their part: one line each, and what to do.
//!
//! It sends nothing to receivers (`alert test` does) and writes nothing.

use std::net::TcpListener;
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use url::Host;

use super::once::until_interrupted;
use super::table::Table;
use super::words::{count, instant, lasting};
use super::{Answer, Context, Exit, Failure, to_json};
use crate::clock;
use crate::config::{Config, Diagnostics, Level, Receiver};
use crate::fetch::platform_roots;
use crate::fetch::resolve::{Family, Resolver};
use crate::model::{DeliveryState, Rule};
use crate::probes::Workshop;
use crate::store::{AlertRow, Lock, Reader, StoreError, size_bytes};

/// A name server that takes longer costs every probe as much.
const NAME_WITHIN: Duration = Duration::from_secs(5);
/// The daemon says every 10 s that it lives.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(30);
/// Clocks that are disciplined differ by less.
const AHEAD_MAX: Duration = Duration::from_secs(5);
/// With less, a day of a large fleet may not fit.
const FREE_BYTES_MIN: u64 = 256 << 20;

#[derive(Args)]
#[command(before_help = "Example:\n  vendord doctor && echo well")]
pub struct Arguments {
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    /// Works, and could be better.
    Note,
    Problem,
}

#[derive(Debug, Serialize)]
struct Finding {
    subject: String,
    health: Health,
    message: String,
    /// What to do about it.
    fix: Option<String>,
}

#[derive(Serialize)]
struct Examined {
    schema: u32,
    findings: Vec<Finding>,
}

impl Finding {
    fn ok(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { subject: subject.into(), health: Health::Ok, message: message.into(), fix: None }
    }

    fn note(subject: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { health: Health::Note, fix: Some(fix.into()), ..Finding::ok(subject, message) }
    }

    fn problem(subject: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { health: Health::Problem, fix: Some(fix.into()), ..Finding::ok(subject, message) }
    }
}

pub fn doctor(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let (config, diagnostics) = context.load(&Workshop::new())?;
    let runs = Lock::is_held(&config.store.path);
    let mut findings = vec![configuration(&config, &diagnostics), certificates(), names(&config)?];
    findings.extend(addresses(&config, runs));
    match Reader::open(&config.store.path) {
        Ok(reader) => findings.extend(history(&config, &reader, runs)?),
        Err(StoreError::Missing(path)) => {
            findings.push(Finding::note("store", format!("there is no database at {} yet", path.display()), "`vendord run` makes it"));
            findings.extend(receivers(&config, &[], &[]));
        }
        Err(error) => findings.push(Finding::problem("store", error.to_string(), "`vendord store verify` tells more")),
    }
    findings.push(witnesses());
    let exit = Exit::finding_if(findings.iter().any(|finding| finding.health == Health::Problem));
    let text = if arguments.json { to_json(&Examined { schema: 1, findings }) } else { text(&findings, context.colour_out) };
    Ok(Answer { text, exit })
}

fn text(findings: &[Finding], coloured: bool) -> String {
    let mut table = Table::new(coloured, ["", "WHAT", "IS"]);
    for finding in findings {
        let mark = match finding.health {
            Health::Ok => "ok",
            Health::Note => "note",
            Health::Problem => "PROBLEM",
        };
        let fix = finding.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
        table.row([mark.into(), finding.subject.clone().into(), format!("{}{fix}", finding.message).into()]);
    }
    table.render()
}

fn configuration(config: &Config, diagnostics: &Diagnostics) -> Finding {
    let checks: usize = config.vendors.iter().map(|vendor| vendor.checks.len()).sum();
    let pages: usize = config.vendors.iter().map(|vendor| vendor.status_pages.len()).sum();
    let message = format!(
        "{}: {}, {}, {}",
        config.path.display(),
        count(config.vendors.len(), "vendor"),
        count(checks, "check"),
        count(pages, "status page")
    );
    match diagnostics.count(Level::Warning) {
        _ if checks + pages == 0 => {
            Finding::problem("configuration", message, "nothing is watched: `vendord init github` writes a first vendor")
        }
        0 => Finding::ok("configuration", message),
        warnings => Finding::note("configuration", message, format!("`vendord lint` has {}", count(warnings, "warning"))),
    }
}

fn certificates() -> Finding {
    match platform_roots() {
        Ok(roots) => Finding::ok("certificates", format!("{} root certificates", roots.len())),
        Err(why) => Finding::problem("certificates", why, "without them every https check and message fails"),
    }
}

/// The first name that the configuration has, asked of the system's resolver.
fn names(config: &Config) -> Result<Finding, Failure> {
    const FIX: &str = "look at /etc/resolv.conf; until then what fails is unknown, not the vendors' downtime";
    let pages = config.vendors.iter().flat_map(|vendor| &vendor.status_pages).filter_map(|page| page.url.host_str().map(str::to_owned));
    let checks = config.vendors.iter().flat_map(|vendor| &vendor.checks).map(|check| host(check.probe.host()));
    let Some(name) = pages.chain(checks).find(|name| matches!(Host::parse(name), Ok(Host::Domain(_)))) else {
        return Ok(Finding::ok("resolver", "no name has to be resolved"));
    };
    let resolver = Resolver::of_this_system();
    let began = clock::instant();
    let answer = until_interrupted(resolver.fresh(&name, Family::Any, NAME_WITHIN))?;
    Ok(match answer {
        Ok(found) => Finding::ok("resolver", format!("{name} has {} after {}", count(found.len(), "address"), lasting(began.elapsed()))),
        Err(error) => Finding::problem("resolver", error.to_string(), FIX),
    })
}

/// `api.vendor.example` of `api.vendor.example:443`.
fn host(place: &str) -> String {
    place.rsplit_once(':').map_or(place, |(host, _)| host).to_owned()
}

/// Whether the pages can be served where they are wanted; the daemon that runs has the port itself.
fn addresses(config: &Config, runs: bool) -> Vec<Finding> {
    let look = |address: &std::net::SocketAddr| match TcpListener::bind(address) {
        Ok(_) if runs => Finding::problem(
            "address",
            format!("the daemon runs, but nobody listens on {address}"),
            "is [web] listen newer than it? restart it",
        ),
        Ok(_) => Finding::ok("address", format!("{address} is free")),
        Err(_) if runs => Finding::ok("address", format!("{address} is in use while the daemon runs")),
        Err(error) => Finding::problem(
            "address",
            format!("cannot listen on {address}: {error}"),
            "stop what uses it, or choose another in [web] listen",
        ),
    };
    config.web.listen.iter().map(look).collect()
}

/// What the database tells of itself, the daemon, the clock and the receivers.
fn history(config: &Config, reader: &Reader, runs: bool) -> Result<Vec<Finding>, StoreError> {
    let heartbeat = reader.load()?.heartbeat;
    let alerts = reader.alerts()?;
    let mut findings = vec![space(config)];
    let now = clock::now();
    findings.push(match &heartbeat {
        Some(last) if last.wall > now + AHEAD_MAX => Finding::problem(
            "clock",
            format!("this machine's clock says {}, and vendord wrote at {} last", instant(now), instant(last.wall)),
            "set the clock; time synchronisation (chrony, systemd-timesyncd) keeps it",
        ),
        _ if firing(&alerts, Rule::Clock) => {
            Finding::problem("clock", "vendors agree that this machine's clock is wrong", "`vendord alert list --firing` has the figures")
        }
        _ => Finding::ok("clock", format!("{}, and nobody disagrees", instant(now))),
    });
    findings.push(match &heartbeat {
        Some(last) if runs && now.since(last.wall) > HEARTBEAT_WITHIN => Finding::problem(
            "daemon",
            format!("it runs, but wrote nothing for {}", lasting(now.since(last.wall))),
            "is the disk full or stuck? its log says",
        ),
        _ if runs => Finding::ok("daemon", "it runs and writes"),
        Some(last) => Finding::problem(
            "daemon",
            format!("it does not run; it wrote at {} last", instant(last.wall)),
            "`vendord run`, or start its unit",
        ),
        None => Finding::problem("daemon", "it does not run and never did", "`vendord run`, or start its unit"),
    });
    let suspended: Vec<String> = reader.suspensions()?.into_keys().collect();
    findings.extend(receivers(config, &alerts, &suspended));
    Ok(findings)
}

fn firing(alerts: &[AlertRow], rule: Rule) -> bool {
    alerts.iter().any(|row| row.alert.identity.rule == rule && row.alert.resolved_at.is_none())
}

fn space(config: &Config) -> Finding {
    let path = &config.store.path;
    let folder = path.parent().unwrap_or(path);
    let size = size_bytes(path) >> 20;
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail * disk.f_frsize < FREE_BYTES_MIN => Finding::problem(
            "store",
            format!("{} ({size} MiB) has {} MiB left on its disk", path.display(), (disk.f_bavail * disk.f_frsize) >> 20),
            "make room; when nothing is left results wait in memory",
        ),
        Ok(disk) => Finding::ok("store", format!("{} ({size} MiB), {} MiB free", path.display(), (disk.f_bavail * disk.f_frsize) >> 20)),
        Err(error) => Finding::problem(
            "store",
            format!("cannot look at {}: {error}", folder.display()),
            "does the folder exist, and may you read it?",
        ),
    }
}

fn receivers(config: &Config, alerts: &[AlertRow], suspended: &[String]) -> Vec<Finding> {
    if config.receivers.is_empty() {
        return vec![Finding::problem("receivers", "cannot alert: there are none", "docs/alerts.md has the lines for a first one")];
    }
    config.receivers.iter().map(|receiver| reached(receiver, alerts, suspended)).collect()
}

/// How the last messages to a receiver went.
fn reached(receiver: &Receiver, alerts: &[AlertRow], suspended: &[String]) -> Finding {
    let subject = format!("receiver {}", receiver.name);
    let test = format!("`vendord alert test {}` tells more", receiver.name);
    if suspended.contains(&receiver.name) {
        return Finding::problem(subject, "it answered 410 and is suspended", format!("{test}; one that is accepted ends it"));
    }
    let own = || alerts.iter().flat_map(|row| &row.deliveries).filter(|delivery| delivery.receiver == receiver.name);
    let last = own().filter_map(|delivery| delivery.delivered_at).max();
    let dead = own().any(|delivery| delivery.state == DeliveryState::Dead);
    let failing = own().any(|delivery| delivery.state == DeliveryState::Pending && delivery.attempts > 1);
    match last {
        _ if failing => Finding::problem(subject, "messages to it fail and are tried again", test),
        None if dead => Finding::problem(subject, "every message to it was given up", test),
        Some(at) => Finding::ok(subject, format!("accepted a message at {}", instant(at))),
        None => Finding::note(subject, "was never sent anything", format!("`vendord alert test {}`", receiver.name)),
    }
}

fn witnesses() -> Finding {
    Finding::note(
        "witnesses",
        "\"is it us?\" is off: blame is inconclusive, and alerts as the vendor's",
        "this version has no witnesses yet",
    )
}
