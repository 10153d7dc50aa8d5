//! What several pages show: an instant, a state with its shape and word, and why a vendor is as it is.

use std::sync::Arc;
use std::time::Duration;

use crate::declared::SourceCondition;
use crate::model::{SegmentReason, State, Status, Timestamp};
use crate::web::board::{CheckFigures, PageFigures, VendorFigures};
use crate::web::look::Look;
use crate::web::zone::{Zone, lasting, relative};

/// An instant, as a `<time>` shows it.
pub struct When {
    pub iso: String,
    /// In the zone of the page.
    pub shown: String,
    /// In UTC, with its age: for whoever points at it.
    pub exact: String,
    pub ago: String,
}

impl When {
    pub fn of(at: Timestamp, zone: &Zone, now: Timestamp) -> When {
        let ago = relative(at, now);
        When { iso: at.to_string(), shown: zone.minute(at), exact: format!("{} UTC, {ago}", Zone::utc().second(at)), ago }
    }
}

/// Nothing was made durable for this long: what is shown is getting old.
const PULSE_MAX: Duration = Duration::from_secs(60);

/// What to say when the recorder stands still.
pub fn standstill(committed_at: Option<Timestamp>, now: Timestamp) -> Option<String> {
    let since = now.since(committed_at?);
    (since > PULSE_MAX).then(|| {
        format!("No result was stored for {}: vendord or its disk is in trouble, and what you see may be old. See its log.", lasting(since))
    })
}

/// Why a vendor has its status: one clause for each view that is not well.
pub fn why(vendor: &VendorFigures, now: Timestamp) -> String {
    let mut clauses = Vec::new();
    if let Some(status) = vendor.declared(now).filter(|status| *status != Status::Operational) {
        clauses.push(declared_why(vendor, status, now));
    }
    if let Some(state) = vendor.measured(now).filter(|state| *state != State::Up) {
        clauses.push(measured_why(vendor, state, now));
    }
    if clauses.is_empty() && vendor.status(now) == Status::Unknown {
        clauses.push("nothing was looked at yet".to_owned());
    }
    capital(&clauses.join("; "))
}

/// As a sentence begins.
pub fn capital(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    first + rest.as_str()
}

fn declared_why(vendor: &VendorFigures, status: Status, now: Timestamp) -> String {
    if status == Status::Unknown {
        let blind = vendor.pages.iter().find(|page| page.status(now) == Status::Unknown);
        return blind.map_or("its status page says nothing".to_owned(), |page| blind_why(page, now));
    }
    let word = Look::of(status).word;
    let mut touched: Vec<&str> = Vec::new();
    for name in vendor.open_incidents().flat_map(|incident| incident.touches.iter()) {
        if !touched.contains(&name.as_str()) {
            touched.push(name);
        }
    }
    const NAMED_MAX: usize = 3;
    let more = touched.len().saturating_sub(NAMED_MAX);
    let named = touched.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    match (touched.len(), more) {
        (0, _) => format!("{word} declared by its status page"),
        (1, _) => format!("{word} declared by its status page, component {named}"),
        (_, 0) => format!("{word} declared by its status page, components {named}"),
        _ => format!("{word} declared by its status page, components {named} and {more} more"),
    }
}

fn blind_why(page: &PageFigures, now: Timestamp) -> String {
    let read = page.reads.last_success_at.map_or("never read".to_owned(), |at| format!("last read {}", relative(at, now)));
    match page.reads.condition(now) {
        SourceCondition::Ok => "its status page does not say".to_owned(),
        SourceCondition::Stale => format!("its status page was not looked at ({read})"),
        SourceCondition::Broken => format!("its status page cannot be read ({read})"),
    }
}

fn measured_why(vendor: &VendorFigures, state: State, now: Timestamp) -> String {
    let of_state: Vec<&Arc<CheckFigures>> = vendor.checks.iter().filter(|c| c.severity.is_some() && gives(c, now) == state).collect();
    let Some(first) = of_state.first() else { return format!("measured {}", state.as_str()) };
    let (name, reason) = (&first.name, reason(first, now).map(|reason| format!(" ({})", reason.as_str())).unwrap_or_default());
    let (one, many) = match state {
        State::Unknown => ("tells nothing", "tell nothing"),
        State::Down => ("fails", "fail"),
        State::Degraded => ("is degraded", "are degraded"),
        State::Up => ("is up", "are up"),
    };
    match of_state.len() - 1 {
        0 => format!("check {name} {one}{reason}"),
        1 => format!("check {name} and one more {many}{reason}"),
        more => format!("check {name} and {more} more {many}{reason}"),
    }
}

/// What a check gives its vendor.
fn gives(check: &CheckFigures, now: Timestamp) -> State {
    let state = check.state.state_at(now);
    check.severity.and_then(|severity| crate::health::capped(state, severity)).unwrap_or(state)
}

/// Of the confirmed state while there is evidence, else why nothing is known.
pub fn reason(check: &CheckFigures, now: Timestamp) -> Option<SegmentReason> {
    match check.state.state_at(now) {
        State::Unknown if check.state.evidence_until.is_none_or(|until| until <= now) => Some(check.late_reason),
        State::Unknown => check.state.last.map(|last| SegmentReason::Seen(last.reason)),
        _ => check.state.confirmed.map(|confirmed| SegmentReason::Seen(confirmed.reason)),
    }
}

/// Since when a vendor has been unwell: its outage, its oldest open incident, or the change of a check.
pub fn since(vendor: &VendorFigures, now: Timestamp) -> Option<Timestamp> {
    let outage = vendor.outage.as_ref().map(|outage| outage.started_at);
    let incidents = vendor.open_incidents().filter_map(|incident| incident.started_at);
    let changed = |c: &Arc<CheckFigures>| match (c.state.state_at(now), c.state.confirmed) {
        (State::Unknown, _) => c.state.evidence_until,
        (State::Up, _) | (_, None) => None,
        (_, Some(confirmed)) => Some(confirmed.since),
    };
    let checks = vendor.checks.iter().filter(|c| c.severity.is_some()).filter_map(changed);
    outage.into_iter().chain(incidents).chain(checks).min().filter(|since| *since <= now)
}
