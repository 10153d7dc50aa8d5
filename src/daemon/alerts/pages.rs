//! What the rules say of status pages: incidents that touch what we use, and pages that cannot be believed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::fleet::Vendor;
use super::super::sources::{Source, Sources};
use super::{Desk, about, severity, utc};
use crate::declared::Vanished;
use crate::declared::archive::Record;
use crate::model::page::Incident;
use crate::model::{Blame, Identity, Impact, Rule, Severity, Timestamp};
use crate::routing::{Holding, Over};
use crate::store::StoredVersion;

/// A move is told for this long: after it everybody knows.
const MOVED_TOLD_FOR: Duration = Duration::from_secs(86_400);
/// Of the latest update, in a message.
const UPDATE_CHARS: usize = 600;
/// Components that left a page are told of for as long.
const VANISHED_TOLD_FOR: Duration = MOVED_TOLD_FOR;
/// Components that are named in a message.
const COMPONENTS_NAMED: usize = 10;

/// Entries that ended in the batch, by our id: what to say of them.
pub type Endings<'v> = BTreeMap<String, &'v StoredVersion>;

impl Desk<'_> {
    /// Every rule about the pages of one vendor. `endings` are the versions that were just read.
    pub fn judge_pages(&mut self, vendor: &Vendor, sources: &Sources, read: &[StoredVersion]) {
        let endings: Endings = read.iter().map(|v| (v.version.id.to_string(), v)).collect();
        let mut open = BTreeMap::new();
        for source in sources.of(&vendor.id) {
            self.judge_source(vendor, source);
            open.extend(source.concerning().map(|(id, edition, incident)| (id.to_string(), (edition, incident, source))));
        }
        for (subject, (edition, incident, source)) in &open {
            let holding = (incident.impact != Some(Impact::None)).then(|| holding_incident(vendor, source, incident, *edition, self.now));
            self.conclude_incident(vendor, subject, holding, &endings);
        }
        let told =
            self.book.firing().map(|a| &a.identity).filter(|i| i.rule == Rule::IncidentReported && i.vendor.as_ref() == Some(&vendor.id));
        let over: Vec<String> = told.filter(|i| !open.contains_key(&i.subject)).map(|i| i.subject.clone()).collect();
        for subject in over {
            self.conclude_incident(vendor, &subject, None, &endings);
        }
    }

    fn conclude_incident(&mut self, vendor: &Vendor, subject: &str, holding: Option<Holding>, endings: &Endings) {
        let identity = of_source(Rule::IncidentReported, vendor, subject);
        let over = || {
            let ended = endings.get(subject).filter(|v| v.version.record.is_over() || v.version.inferred_end);
            let at = ended.and_then(|v| v.version.record.ends_at()).filter(|_| ended.is_some()).unwrap_or(self.now);
            let began = ended.and_then(|v| v.version.record.starts_at());
            Over { at, began, summary: ended.map(|v| ended_summary(vendor, v)), measured: vendor.measured }
        };
        let condition = holding.ok_or_else(over);
        self.conclude(&identity, condition);
    }

    fn judge_source(&mut self, vendor: &Vendor, source: &Source) {
        let name = &source.id.name;
        let blind = source.reads.blind_since(self.now, source.looking_since).filter(|since| *since + source.page.stale_after <= self.now);
        let stale = blind.map(|since| Holding {
            summary: format!("blind on {}: its status page {name:?} could not be read since {}", vendor.name, utc(since)),
            evidence: vec![
                source.reads.problem.clone().unwrap_or_else(|| "nothing was read".to_owned()),
                source.reads.last_success_at.map_or("it was never read".to_owned(), |at| format!("last read {}", utc(at))),
                format!("page {}", source.page.url),
            ],
            ..about_source(vendor, since, self.now, source)
        });
        self.judge(&of_source(Rule::SourceStale, vendor, name), stale);
        let moved = moved(vendor, source, self.now);
        self.judge(&of_source(Rule::SourceMoved, vendor, name), moved);
        let drifted = drifted(vendor, source, self.now);
        let drifted = (!drifted.is_empty()).then(|| Holding {
            summary: format!("the status page {name:?} of {} is not as expected: {}", vendor.name, drifted[0]),
            evidence: drifted,
            ..about_source(vendor, self.now, self.now, source)
        });
        self.judge(&of_source(Rule::SourceDrifted, vendor, name), drifted);
    }
}

fn of_source(rule: Rule, vendor: &Vendor, subject: &str) -> Identity {
    Identity { rule, vendor: Some(vendor.id.clone()), subject: subject.to_owned() }
}

fn about_source(vendor: &Vendor, since: Timestamp, now: Timestamp, source: &Source) -> Holding {
    Holding {
        measured: vendor.measured,
        declared: Some(source.status(now)),
        ..about(vendor, severity(vendor, Severity::Warning, Severity::Info), since)
    }
}

fn moved(vendor: &Vendor, source: &Source, now: Timestamp) -> Option<Holding> {
    let name = &source.id.name;
    if let Some(whose) = &source.misplaced {
        return Some(Holding {
            summary: format!("the status page {name:?} of {} is another one: {whose}", vendor.name),
            evidence: vec![whose.clone(), format!("page {}", source.page.url)],
            ..about_source(vendor, source.reads.failing_since.unwrap_or(now), now, source)
        });
    }
    let moved = source.state.as_ref()?.moved.as_ref().filter(|moved| now < moved.at + MOVED_TOLD_FOR)?;
    Some(Holding {
        summary: format!("the status page {name:?} of {} moved from {} to {}", vendor.name, moved.from, moved.to),
        evidence: vec![format!("it is read as {} since {}", moved.to, utc(moved.at)), format!("page {}", source.page.url)],
        ..about_source(vendor, moved.at, now, source)
    })
}

/// What is odd about a page that answers.
fn drifted(vendor: &Vendor, source: &Source, now: Timestamp) -> Vec<String> {
    let mut lines = source.state.as_ref().map(|s| s.drift()).unwrap_or_default();
    let vanished = source.state.as_ref().and_then(|s| s.vanished.as_ref()).filter(|vanished| now < vanished.at + VANISHED_TOLD_FOR);
    lines.extend(vanished.map(|Vanished { names, of, .. }| {
        let some = names.iter().take(COMPONENTS_NAMED).cloned().collect::<Vec<_>>().join(", ");
        format!(
            "{} of {of} components left the page at once: {some}{}",
            names.len(),
            if names.len() > COMPONENTS_NAMED { ", .." } else { "" }
        )
    }));
    let outage = vendor.outage.as_ref().filter(|outage| outage.ended_at.is_none());
    if let (Some(outage), Some(state)) = (outage, &source.state)
        && let Some(changed) = state.frozen_during(outage.started_at, now)
    {
        lines.push(format!("it was changed last {}, and we measure an outage since {}", utc(changed), utc(outage.started_at)));
    }
    // Once may be a challenge page; three intervals are none.
    if let Some(instead) = source.not_a_page.as_ref().filter(|_| source.state.is_some() && !source.reads.is_believed(now)) {
        lines.push(instead.clone());
    }
    lines
}

fn holding_incident(vendor: &Vendor, source: &Source, incident: &Incident, edition: u32, now: Timestamp) -> Holding {
    let since = incident.started_at.unwrap_or(now);
    let impact = incident.impact.map_or("impact not stated", Impact::as_str);
    let stage = incident.stage.map(|s| format!(", {s}")).unwrap_or_default();
    let grave = matches!(incident.impact, Some(Impact::Major | Impact::Critical));
    let (tier_1, others) = if grave { (Severity::Critical, Severity::Warning) } else { (Severity::Warning, Severity::Info) };
    Holding {
        summary: format!("{} reports: {} ({impact}{stage}) since {}", vendor.name, incident.title, utc(since)),
        measured: vendor.measured,
        declared: Some(source.status(now)),
        blame: Blame::Vendor,
        evidence: evidence(incident),
        edition,
        ..about(vendor, severity(vendor, tier_1, others), since)
    }
}

fn evidence(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(update) = incident.updates.first() {
        let at = update.at.map(|at| format!("{}: ", utc(at))).unwrap_or_default();
        let body: String = update.body.replace('\n', " ").chars().take(UPDATE_CHARS).collect();
        lines.push(format!("{at}{body}"));
    }
    let names: Vec<&str> = incident.touches.iter().take(COMPONENTS_NAMED).map(|t| t.name.as_str()).collect();
    let more = incident.touches.len().saturating_sub(names.len());
    lines.push(match (names.is_empty(), more) {
        (true, _) => "it names no component: the whole page".to_owned(),
        (false, 0) => format!("components: {}", names.join(", ")),
        (false, more) => format!("components: {} and {more} more", names.join(", ")),
    });
    lines.extend(incident.url.clone());
    lines
}

fn ended_summary(vendor: &Vendor, ended: &StoredVersion) -> String {
    let Record::Incident(incident) = &ended.version.record else { return String::new() };
    let at = incident.resolved_at.map_or(String::new(), |at| format!(" at {}", utc(at)));
    match (ended.version.inferred_end, ended.version.removed) {
        (false, _) => format!("{} says it is over{at}: {}", vendor.name, incident.title),
        (true, true) => format!("{} took it back, seen{at}: {}", vendor.name, incident.title),
        (true, false) => format!("{} no longer lists it, seen{at}: {}", vendor.name, incident.title),
    }
}
