//! What the alert rules say of the fleet: each rule looks at the facts and tells the book whether it holds.
//!
//! Texts that people read are made here; whom to tell is the book's.

mod pages;

use std::collections::BTreeSet;
use std::time::Duration;

use super::fleet::{Fleet, Vendor, Watched};
use super::sources::Sources;
use crate::blame;
use crate::config::Config;
use crate::incidents::{OutageChange, confirmed_state};
use crate::model::{Delivery, Identity, Rule, Severity, State, Timestamp, Uuid, VendorId};
use crate::routing::{Book, Holding, Links, Over, Plan};
use crate::store::{CheckKey, Damaged};
use crate::web::zone::lasting;

/// Lines of evidence in one message; the rest is counted.
const EVIDENCE_LINES_MAX: usize = 20;
/// A certificate that ends sooner is critical.
const CRITICAL_BELOW: Duration = Duration::from_secs(3 * 86_400);

pub fn flapping_identity(vendor: &VendorId) -> Identity {
    of_vendor(Rule::VendorFlapping, vendor)
}

fn of_vendor(rule: Rule, vendor: &VendorId) -> Identity {
    Identity { rule, vendor: Some(vendor.clone()), subject: vendor.to_string() }
}

fn of_check(rule: Rule, check: &Watched) -> Identity {
    Identity { rule, vendor: Some(check.id.vendor.clone()), subject: check.id.to_string() }
}

/// The book with the configuration and the time at which it is asked.
pub struct Desk<'a> {
    pub book: &'a mut Book,
    pub config: &'a Config,
    pub clock_error: Option<i64>,
    pub now: Timestamp,
}

impl Desk<'_> {
    /// `None`: the condition is over, now.
    fn judge(&mut self, identity: &Identity, holding: Option<Holding>) {
        self.conclude(identity, holding.ok_or(Over { at: self.now, began: None, summary: None, measured: None }));
    }

    fn conclude(&mut self, identity: &Identity, condition: Result<Holding, Over>) {
        let links = links(self.config);
        let mut plan = Plan { routes: &self.config.routes, links: &links, now: self.now, new_id: &mut Uuid::now_v7 };
        self.book.judge(identity, condition, &mut plan);
    }

    pub fn remind(&mut self) {
        let links = links(self.config);
        self.book.remind(&mut Plan { routes: &self.config.routes, links: &links, now: self.now, new_id: &mut Uuid::now_v7 });
    }

    /// `vendor.flapping`, `vendor.down` and `vendor.degraded`. What flaps is told as that and counts for nothing else.
    pub fn judge_vendor(&mut self, fleet: &Fleet, place: usize) {
        let vendor = &fleet.vendors[place];
        let flapping: Vec<&Watched> =
            fleet.checks_of(place).filter(|c| c.severity().is_some() && c.state.flapping(c.flap_changes, self.now)).collect();
        let calm = fleet.counting(place, Some(self.now));
        let state = confirmed_state(&calm);
        let by_flapping: Vec<&Watched> = fleet.checks_of(place).filter(|c| !flapping.iter().any(|f| f.key == c.key)).collect();

        self.judge(&flapping_identity(&vendor.id), (!flapping.is_empty()).then(|| holding_flapping(vendor, &flapping, self.now)));
        let degraded = of_vendor(Rule::VendorDegraded, &vendor.id);
        // While it is down, a vendor that was degraded before has not recovered from it.
        let still_degraded = state == Some(State::Degraded) || (state == Some(State::Down) && self.book.is_firing(&degraded));
        let was_degraded = still_degraded.then(|| holding_state(vendor, State::Degraded, &by_flapping)).flatten();
        self.conclude(&degraded, was_degraded.ok_or_else(|| self.recovered(vendor, "degraded", &degraded, fleet.checks_of(place), state)));
        let down = of_vendor(Rule::VendorDown, &vendor.id);
        let is_down = (state == Some(State::Down)).then(|| holding_state(vendor, State::Down, &by_flapping)).flatten();
        self.conclude(&down, is_down.ok_or_else(|| self.recovered(vendor, "down", &down, fleet.checks_of(place), state)));
    }

    /// The end of an alert about a vendor's state: the last good run that confirmed a recovery, as far as the checks tell.
    fn recovered<'f>(
        &self,
        vendor: &Vendor,
        what: &str,
        identity: &Identity,
        checks: impl Iterator<Item = &'f Watched>,
        state: Option<State>,
    ) -> Over {
        let since = self.book.firing().find(|a| a.identity == *identity).map_or(self.now, |a| a.since);
        let changes = checks.filter_map(|c| c.state.confirmed).map(|c| c.since);
        // Down is over when the outage is, whatever happened to a check that was out of it before.
        let ends: Vec<Timestamp> = match identity.rule {
            Rule::VendorDown => vendor.outage.as_ref().and_then(|o| o.ended_at).into_iter().collect(),
            _ => changes.collect(),
        };
        let at = ends.into_iter().filter(|end| *end > since).max().unwrap_or(self.now);
        Over {
            at,
            began: None,
            summary: Some(format!("{} was {what} for {} until {}", vendor.name, lasting(at.since(since)), utc(at))),
            measured: state,
        }
    }

    /// `tls.expiring`, and for a registration `dns.domain`. While our own clock is in doubt nothing about expiry is judged.
    pub fn judge_end(&mut self, fleet: &Fleet, key: CheckKey) {
        let Some(check) = fleet.checks.get(&key).filter(|_| self.clock_error.is_none()) else { return };
        let Some((not_after, within)) = check.not_after.zip(check.expires_within) else { return };
        let Some(place) = fleet.vendor_of(key) else { return };
        let left = not_after.since(self.now);
        let holding = (left < within).then(|| holding_end(&fleet.vendors[place], check, not_after, left, self.now));
        self.judge(&of_check(rule_of_end(check), check), holding);
    }

    /// `clock`: vendors agree that ours is wrong.
    pub fn judge_clock(&mut self, error_ms: Option<i64>) {
        let identity = Identity { rule: Rule::Clock, vendor: None, subject: self.config.agent.location.clone() };
        let holding = error_ms.map(|ms| Holding {
            summary: format!("the clock of vendord at {} is {} s off", identity.subject, -ms / 1000),
            evidence: vec![format!(
                "at least 3 vendors agree that it is {}",
                self.now + Duration::from_millis(ms.max(0) as u64) - Duration::from_millis((-ms).max(0) as u64)
            )],
            ..plain(Severity::Warning, self.now)
        });
        self.judge(&identity, holding);
    }

    /// `store`: the database was damaged, and history goes on in a new one; or its disk is full.
    pub fn judge_store(&mut self, damaged: Option<&Damaged>, full: bool) {
        let identity = Identity { rule: Rule::Store, vendor: None, subject: self.config.agent.location.clone() };
        let since = self.book.firing().find(|a| a.identity == identity).map_or(self.now, |a| a.since);
        let on_full_disk = full.then(|| Holding {
            summary: "the disk of the database is full: results wait in memory".to_owned(),
            evidence: vec![
                "states, outages and alerts are still stored, as long as 4 MiB last".to_owned(),
                "what waits is stored in order once there is room".to_owned(),
            ],
            ..plain(Severity::Critical, since)
        });
        let holding = damaged.map(|damaged| Holding {
            summary: format!("the database was damaged: history begins anew in {}", damaged.new.display()),
            evidence: vec![
                format!("the damaged file is kept as {}", damaged.file.display()),
                match &damaged.backup {
                    Some(backup) => format!("to go back to the newest sound backup: vendord store restore {}", backup.display()),
                    None => "no sound backup was found beside it; with one: vendord store restore BACKUP".to_owned(),
                },
            ],
            ..plain(Severity::Critical, since)
        });
        self.judge(&identity, holding.or(on_full_disk));
    }

    /// `delivery.failing`: a message to the receiver was given up; it accepts again.
    pub fn judge_receiver(&mut self, done: &Delivery, dead: bool) {
        let identity = Identity { rule: Rule::DeliveryFailing, vendor: None, subject: done.receiver.clone() };
        let holding = dead.then(|| Holding {
            summary: format!("a message to {} was given up after {} tries", done.receiver, done.attempts),
            evidence: vec![
                format!("delivery {} ({}): {}", done.id, done.event, done.last_error.as_deref().unwrap_or("no answer")),
                format!("it was about {}", subjects(done)),
            ],
            ..plain(Severity::Critical, done.created_at)
        });
        self.judge(&identity, holding);
    }

    /// The receiver is no longer suspended.
    pub fn end_failing(&mut self, receiver: &str) {
        self.judge(&Identity { rule: Rule::DeliveryFailing, vendor: None, subject: receiver.to_owned() }, None);
    }

    /// What joined `done` while its first `tried` alerts went out.
    pub fn tell_rest(&mut self, done: &Delivery, tried: usize) {
        let links = links(self.config);
        let mut plan = Plan { routes: &self.config.routes, links: &links, now: self.now, new_id: &mut Uuid::now_v7 };
        self.book.tell_rest(done, tried, &mut plan);
    }

    /// Ends what is about something that the configuration no longer has.
    pub fn end_unknown(&mut self, fleet: &Fleet, sources: &Sources) {
        let vendors: BTreeSet<&VendorId> = fleet.vendors.iter().map(|v| &v.id).collect();
        let checks: BTreeSet<String> = fleet.checks.values().map(|c| c.id.to_string()).collect();
        let gone = |i: &Identity| {
            let vendor = i.vendor.as_ref().is_some_and(|v| !vendors.contains(v));
            let check = matches!(i.rule, Rule::TlsExpiring | Rule::DnsDomain) && !checks.contains(&i.subject);
            let receiver = i.rule == Rule::DeliveryFailing && !self.config.receivers.iter().any(|r| r.name == i.subject);
            let of_page = matches!(i.rule, Rule::SourceStale | Rule::SourceMoved | Rule::SourceDrifted);
            let page = of_page && !sources.iter().any(|s| Some(&s.id.vendor) == i.vendor.as_ref() && *s.id.name == *i.subject);
            let incident = i.rule == Rule::IncidentReported && i.vendor.as_ref().is_none_or(|v| sources.of(v).next().is_none());
            vendor || check || receiver || page || incident
        };
        let gone: Vec<Identity> = self.book.firing().map(|a| a.identity.clone()).filter(gone).collect();
        gone.iter().for_each(|identity| self.judge(identity, None));
    }
}

fn links(config: &Config) -> Links {
    let prefix = config.web.route_prefix.trim_end_matches('/');
    let base = match (&config.web.external_url, config.web.listen.first()) {
        (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
        (None, Some(listen)) => format!("http://{listen}{prefix}"),
        (None, None) => String::new(),
    };
    Links { base }
}

fn subjects(delivery: &Delivery) -> String {
    delivery.alerts.iter().map(|a| format!("{} {}", a.identity.rule, a.identity.subject)).collect::<Vec<_>>().join(", ")
}

/// A holding about no vendor.
fn plain(severity: Severity, since: Timestamp) -> Holding {
    Holding {
        severity,
        since,
        summary: String::new(),
        vendor_name: None,
        tier: None,
        measured: None,
        blame: crate::model::Blame::Us,
        evidence: Vec::new(),
        declared: None,
        edition: 0,
    }
}

fn about(vendor: &Vendor, severity: Severity, since: Timestamp) -> Holding {
    Holding {
        vendor_name: Some(vendor.name.clone()),
        tier: Some(vendor.tier),
        blame: blame::judge(),
        declared: vendor.declared,
        ..plain(severity, since)
    }
}

/// The severity of a rule that is graver for vendors of tier 1.
fn severity(vendor: &Vendor, tier_1: Severity, others: Severity) -> Severity {
    if vendor.tier == 1 { tier_1 } else { others }
}

/// `None` if no check gives the vendor this state.
fn holding_state(vendor: &Vendor, state: State, checks: &[&Watched]) -> Option<Holding> {
    let failing: Vec<&&Watched> = checks.iter().filter(|c| c.gives().and_then(State::badness) >= state.badness()).collect();
    let worst: Vec<&&Watched> = failing.iter().copied().filter(|c| c.gives() == Some(state)).collect();
    let told = if worst.is_empty() { &failing } else { &worst };
    let since = told.iter().filter_map(|c| c.state.confirmed).map(|c| c.since).min()?;
    let (grave, mild) = if state == State::Down { (Severity::Critical, Severity::Warning) } else { (Severity::Warning, Severity::Info) };
    let first = told.iter().min_by_key(|c| c.state.confirmed.map(|c| c.since))?;
    let counting = checks.iter().filter(|c| c.severity().is_some()).count();
    Some(Holding {
        summary: format!(
            "{} is {} since {}: {} of {counting} checks ({}: {})",
            vendor.name,
            state.as_str(),
            utc(since),
            told.len(),
            first.id.name,
            first.state.confirmed.map_or("", |c| c.reason.as_str()),
        ),
        measured: Some(state),
        evidence: evidence(told.iter().map(|c| line(c))),
        ..about(vendor, severity(vendor, grave, mild), since)
    })
}

fn line(check: &Watched) -> String {
    let confirmed = check.state.confirmed;
    let (since, reason) = confirmed.map_or(("unknown".to_owned(), ""), |c| (utc(c.since), c.reason.as_str()));
    // Since the start it may not have run yet.
    let said = if check.message.is_empty() { String::new() } else { format!(": {}", check.message) };
    format!("{} ({}) {reason} since {since}{said}", check.id, check.kind)
}

fn evidence(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    let cut = lines.len().saturating_sub(EVIDENCE_LINES_MAX);
    if cut > 0 {
        lines.truncate(EVIDENCE_LINES_MAX);
        lines.push(format!("and {cut} more checks"));
    }
    lines
}

fn holding_flapping(vendor: &Vendor, flapping: &[&Watched], now: Timestamp) -> Holding {
    let names: Vec<&str> = flapping.iter().map(|c| &*c.id.name).collect();
    let since = flapping.iter().filter_map(|c| c.state.changes.front()).min().copied().unwrap_or(now);
    Holding {
        summary: format!("{} flaps: {}", vendor.name, names.join(", ")),
        evidence: evidence(flapping.iter().map(|c| format!("{}: {} confirmed changes in an hour", c.id, c.state.changes.len()))),
        ..about(vendor, severity(vendor, Severity::Warning, Severity::Info), since)
    }
}

/// What ends: a registration or a certificate.
fn rule_of_end(check: &Watched) -> Rule {
    if check.kind == "domain" { Rule::DnsDomain } else { Rule::TlsExpiring }
}

fn holding_end(vendor: &Vendor, check: &Watched, at: Timestamp, left: Duration, now: Timestamp) -> Holding {
    let days = left.as_secs() / 86_400;
    let critical = left < CRITICAL_BELOW;
    let when = if left.is_zero() { "ended".to_owned() } else { format!("ends in {days} days,") };
    let (what, evidence) = match rule_of_end(check) {
        Rule::DnsDomain => ("registration", check.message.to_string()),
        _ => ("certificate", format!("earliest end in the chain {}", utc(at))),
    };
    Holding {
        summary: format!("the {what} of {} {when} on {}", check.id, utc(at)),
        evidence: vec![format!("{} ({}): {evidence}", check.id, check.kind)],
        ..about(vendor, if critical { Severity::Critical } else { Severity::Warning }, now)
    }
}

/// For people: `2026-11-23 20:35:00 UTC`.
fn utc(at: Timestamp) -> String {
    let text = at.to_string();
    match text.get(..19) {
        Some(to_the_second) => format!("{} UTC", to_the_second.replace('T', " ")),
        None => text,
    }
}

/// One log line for what became of an outage.
pub fn log_outage(change: &OutageChange) {
    let o = change.outage();
    let checks = o.checks.join(", ");
    match change {
        OutageChange::Opened(_) => tracing::info!(vendor = %o.vendor, outage = %o.id, since = %o.started_at, checks, "outage began"),
        OutageChange::Reopened(_) => tracing::info!(vendor = %o.vendor, outage = %o.id, since = %o.started_at, checks, "outage goes on"),
        OutageChange::Grew(_) => tracing::debug!(vendor = %o.vendor, outage = %o.id, since = %o.started_at, checks, "outage grew"),
        OutageChange::Ended(_) => {
            tracing::info!(vendor = %o.vendor, outage = %o.id, seconds = o.duration(o.started_at).as_secs_f64(), checks, "outage ended");
        }
    }
}
