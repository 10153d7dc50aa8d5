//! A message that says of itself that it is a test.

use super::facts::{Links, facts};
use crate::model::alert::Told;
use crate::model::{Alert, AlertState, Blame, Delivery, Event, Identity, Rule, Severity, Timestamp, Uuid};

/// One that nobody takes for an alert: its type is `test`, and so says its summary.
pub fn test_delivery(receiver: &str, now: Timestamp, new_id: impl Fn() -> Uuid) -> Delivery {
    let alert = alert(receiver, now, new_id());
    let told = Told { alert: alert.id, identity: alert.identity.clone(), facts: facts(&alert, &Links::default()) };
    Delivery { alerts: vec![told], ..Delivery::untried(new_id(), 0, receiver.to_owned(), Event::Test, now) }
}

/// Resolved, of no vendor, and with a subject that no real alert has: whoever takes it for one closes nothing and opens nothing.
fn alert(receiver: &str, now: Timestamp, id: Uuid) -> Alert {
    Alert {
        id,
        identity: Identity { rule: Rule::DeliveryFailing, vendor: None, subject: "test".to_owned() },
        severity: Severity::Info,
        state: AlertState::Resolved,
        since: now,
        resolved_at: Some(now),
        summary: format!("Test from vendord: the receiver {receiver:?} can be reached. Nothing is wrong."),
        vendor_name: None,
        tier: None,
        measured: None,
        declared: None,
        blame: Blame::Inconclusive,
        evidence: Vec::new(),
        edition: 0,
    }
}
