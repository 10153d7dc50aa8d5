//! Which delivery of a receiver may be tried now: in order per alert identity, and no other waiting than that.

use std::collections::BTreeSet;

use crate::model::{Delivery, Identity, Timestamp};

/// What a lane can do at an instant.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Ready {
    /// `seq` of deliveries that may be tried now, oldest first.
    pub now: Vec<i64>,
    /// When the next one may be, if none of those that wait for a try in flight comes first.
    pub next: Option<Timestamp>,
}

/// Looks through the pending deliveries of one receiver, in order of `seq`. `in_flight` are being tried.
///
/// A delivery waits while an older one shares an identity with it; everything it waits for makes its own identities wait too.
pub fn ready<'a>(pending: impl IntoIterator<Item = &'a Delivery>, in_flight: &BTreeSet<i64>, now: Timestamp) -> Ready {
    let mut blocked: BTreeSet<&Identity> = BTreeSet::new();
    let mut ready = Ready::default();
    for delivery in pending {
        let waits = delivery.alerts.iter().any(|a| blocked.contains(&a.identity));
        let at = delivery.next_attempt_at.unwrap_or(delivery.due_at);
        blocked.extend(delivery.alerts.iter().map(|a| &a.identity));
        if waits || in_flight.contains(&delivery.seq) {
            continue;
        }
        if at <= now {
            ready.now.push(delivery.seq);
        } else {
            ready.next = Some(ready.next.map_or(at, |next| next.min(at)));
        }
    }
    ready
}
