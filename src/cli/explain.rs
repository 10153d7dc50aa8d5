//! `vendord explain VENDOR`: why it is as it is. The state, the checks that it rests on with the terms they are judged by,
//! what the pages say, and what was seen in the failing runs.

use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::table::Table;
use super::words::{clock_time, instant, lasting, tame};
use super::{Answer, Context, Exit, Failure, evidence, find, outages, to_json};
use crate::model::{Blame, State, Timestamp};
use crate::store::{Judged, Past, StoredCheck, StoredEvidence, StoredIncident};
use crate::uptime::clip;
use crate::web::api::evidence::Shown;
use crate::web::api::status::{VendorStatus, with_incidents};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord explain github")]
pub struct Arguments {
    #[arg(value_name = "VENDOR")]
    vendor: String,
    /// For scripts
    #[arg(long)]
    json: bool,
}

/// How far back the timelines are shown.
const SHOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// Of the failing runs without an open outage, those of this time are shown.
const EVIDENCE_OF: Duration = Duration::from_secs(60 * 60);

#[derive(Serialize)]
struct Explained<'e> {
    schema: u8,
    #[serde(flatten)]
    status: &'e VendorStatus,
    terms: Vec<TermsOf<'e>>,
    blame: Option<Blame>,
    evidence: Vec<Shown<'e>>,
}

/// What a check is judged by.
#[derive(Serialize)]
struct TermsOf<'e> {
    check: &'e str,
    interval_seconds: f64,
    timeout_seconds: f64,
    down_after: String,
    up_after: String,
    severity: crate::model::SeverityCap,
    evidence_until: Option<String>,
}

pub fn explain(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let past = Past::open(&context.store_path()?)?;
    let vendor = find::vendor(&past, &arguments.vendor)?;
    let (status, incidents) = with_incidents(&past, vendor)?;
    let outage = past.outages(past.now)?.into_iter().find(|judged| judged.outage.vendor == vendor.id && judged.outage.ended_at.is_none());
    let from = outage.as_ref().map_or(past.now - EVIDENCE_OF, |judged| judged.outage.started_at);
    let seen = past.reader.evidence(&vendor.id, from, past.now)?;
    let checks: Vec<&StoredCheck> = past.current_checks(&vendor.id).collect();
    let exit = Exit::finding_if(status.has_problem());
    let text = if arguments.json {
        to_json(&Explained {
            schema: 1,
            status: &status,
            terms: checks.iter().map(|check| terms(check)).collect(),
            blame: outage.as_ref().map(|judged| judged.outage.blame),
            evidence: seen.iter().map(Shown::of).collect(),
        })
    } else {
        let told = Told { past: &past, status: &status, checks, outage, incidents, seen, coloured: context.colour_out };
        told.text()?
    };
    Ok(Answer { text, exit })
}

fn terms(check: &StoredCheck) -> TermsOf<'_> {
    let terms = &check.terms;
    TermsOf {
        check: &check.id.name,
        interval_seconds: terms.interval.as_secs_f64(),
        timeout_seconds: terms.timeout.as_secs_f64(),
        down_after: terms.down_after.to_string(),
        up_after: terms.up_after.to_string(),
        severity: terms.severity,
        evidence_until: check.state.evidence_until.map(|at| at.to_string()),
    }
}

/// Everything that is told of one vendor.
struct Told<'t> {
    past: &'t Past,
    status: &'t VendorStatus,
    checks: Vec<&'t StoredCheck>,
    outage: Option<Judged>,
    incidents: Vec<StoredIncident>,
    seen: Vec<StoredEvidence>,
    coloured: bool,
}

impl Told<'_> {
    fn text(&self) -> Result<String, Failure> {
        let mut text = self.head();
        for check in &self.checks {
            text += &format!("\n{}", self.check(check));
        }
        text += &self.timelines()?;
        text += &self.pages();
        text += &evidence::text(&self.seen);
        Ok(text)
    }

    fn head(&self) -> String {
        let measured = self.status.measured.map_or("not measured", State::as_str);
        let declared = self.status.declared.map_or("nothing declared".to_owned(), |status| format!("declared {status}"));
        let since =
            self.status.since.map_or(String::new(), |since| format!(" since {} ({})", instant(since), lasting(self.past.now.since(since))));
        let mut text = format!("{}: measured {measured}{since}, {declared}\n", self.status.vendor);
        if let Some(judged) = &self.outage {
            let outage = &judged.outage;
            text += &format!(
                "  outage {} began {}, confirmed {}, by {}; blame: {}; posted by the vendor: {}\n",
                find::short(outage.id),
                instant(outage.started_at),
                instant(outage.confirmed_at),
                outage.checks.join(", "),
                outage.blame.as_str(),
                outages::posted(judged, self.past.now)
            );
        }
        text
    }

    fn check(&self, check: &StoredCheck) -> String {
        let (state, terms) = (&check.state, &check.terms);
        let now = state.state_at(self.past.now);
        let mut text = format!("{} ({}): {}", check.id, check.kind, now.as_str());
        if let Some(confirmed) = state.confirmed {
            text += &format!(", confirmed {} since {} ({})", confirmed.state.as_str(), instant(confirmed.since), confirmed.reason);
        }
        if state.suspect() {
            text += ", suspect: the last run disagrees";
        }
        text += "\n";
        match state.last {
            Some(last) => {
                text += &format!(
                    "  last run {}: {} ({}) after {}\n",
                    instant(last.at),
                    last.outcome.as_str(),
                    last.reason,
                    lasting(last.duration)
                );
            }
            None => text += "  never run\n",
        }
        if let Some(until) = state.evidence_until {
            let word = if until > self.past.now { "is evidence until" } else { "was evidence until" };
            text += &format!("  what it saw {word} {}\n", instant(until));
        }
        text += &format!(
            "  looked at every {}, down after {}, up after {}, gives its vendor at worst {}\n",
            lasting(terms.interval),
            runs(&terms.down_after.to_string()),
            runs(&terms.up_after.to_string()),
            match terms.severity {
                crate::model::SeverityCap::Down => "down",
                crate::model::SeverityCap::Degraded => "degraded",
                crate::model::SeverityCap::None => "nothing",
            }
        );
        text
    }

    fn timelines(&self) -> Result<String, Failure> {
        let from = self.past.now - SHOWN;
        let mut table = Table::new(self.coloured, ["CHECK", "FROM (UTC)", "FOR", "STATE", "REASON"]);
        for check in &self.checks {
            let timeline = self.past.check_timeline(&check.id.vendor, &check.id.name)?;
            for segment in clip(&timeline, from, self.past.now) {
                table.row([
                    (*check.id.name).into(),
                    clock_time(segment.from).into(),
                    lasting(segment.to.since(segment.from)).into(),
                    segment.state.into(),
                    segment.reason.as_str().into(),
                ]);
            }
        }
        Ok(if table.is_empty() { String::new() } else { format!("\nthe last 24 hours\n{}", table.render()) })
    }

    fn pages(&self) -> String {
        let mut text = String::new();
        for page in &self.status.sources {
            let overall = page.overall.map_or("nothing known".to_owned(), |status| status.to_string());
            let read = page.last_success_at.map_or("never read".to_owned(), |at: Timestamp| format!("read {}", instant(at)));
            text += &format!("\npage {} ({}): {overall}, {read}, {}\n", page.source, page.format, page.state.as_str());
            if let Some(problem) = &page.problem {
                text += &format!("  {}\n", tame(problem));
            }
        }
        for incident in &self.incidents {
            text += &format!("  incident {}: {}\n", find::short(incident.id), tame(incident.record.title()));
        }
        text
    }
}

/// `3 runs in a row`, `3 of 5 runs`
fn runs(text: &str) -> String {
    match text.split_once('/') {
        Some((k, n)) => format!("{k} of {n} runs"),
        None if text == "1" => "1 run".to_owned(),
        None => format!("{text} runs in a row"),
    }
}
