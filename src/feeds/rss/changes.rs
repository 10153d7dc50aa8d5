//! Logs of state changes, as small own-made pages and monitors write them: `Website is now degraded`, later `Website is now
//! operational`.
//!
//! What lies between a bad state and the next good one of the same thing is an incident. A correction says that a reading
//! was at fault and not the service: it opens nothing.

use std::collections::BTreeMap;

use super::found::{self, Found};
use super::xml::{Entry, Feed};
use super::{Kind, Layout};
use crate::model::page::{Incident, Stage};
use crate::model::{Impact, Timestamp};

pub const LAYOUT: Layout = Layout { kind: Kind::Log, is, read };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Bad,
    Good,
    Corrected,
    /// We could not measure it, it is being looked after: neither good nor bad.
    Other,
}

fn is(feed: &Feed) -> bool {
    !feed.entries.is_empty() && feed.entries.iter().all(|entry| change(&entry.title).is_some())
}

struct Seen<'f> {
    at: Option<Timestamp>,
    entry: &'f Entry,
    change: Change,
}

/// What changed, and to what.
fn change(title: &str) -> Option<(&str, Change)> {
    const ENDS: &[(&str, Change)] = &[
        (" is now operational", Change::Good),
        (" is now up", Change::Good),
        (" is up", Change::Good),
        (" is back up", Change::Good),
        (" recovered", Change::Good),
        (" has recovered", Change::Good),
        (" is down", Change::Bad),
        (" is now down", Change::Bad),
        (" went down", Change::Bad),
        (" is now degraded", Change::Bad),
        (": a fault in our own checking, not in the service", Change::Corrected),
    ];
    let known = ENDS.iter().find_map(|(end, change)| Some((title.strip_suffix(end)?, *change)));
    let known = known.or_else(|| title.split_once(" is now ").map(|(name, state)| (name, state_change(state))));
    known.filter(|(name, _)| !name.trim().is_empty())
}

fn state_change(state: &str) -> Change {
    match state {
        _ if state.contains("outage") || state.contains("degraded") => Change::Bad,
        _ => Change::Other,
    }
}

fn read(feed: &Feed, found: &mut Found) {
    let mut things: BTreeMap<&str, Vec<Seen>> = BTreeMap::new();
    for entry in &feed.entries {
        let Some((name, change)) = change(&entry.title) else { continue };
        things.entry(name).or_default().push(Seen { at: entry.newest().map(|moment| moment.at), entry, change });
    }
    for (name, mut changes) in things {
        changes.sort_by_key(|seen| seen.at);
        // After a good state a new incident begins.
        let mut rest = changes.as_slice();
        while !rest.is_empty() {
            let end = rest.iter().position(|seen| seen.change == Change::Good).map_or(rest.len(), |at| at + 1);
            let incident = incident(name, &rest[..end], found);
            found.incidents.push(incident);
            rest = &rest[end..];
        }
    }
}

/// `changes`: oldest first.
fn incident(name: &str, changes: &[Seen], found: &mut Found) -> Incident {
    let (first, last) = (&changes[0], &changes[changes.len() - 1]);
    let mut incident = found.incident(first.entry, &first.entry.title, first.at);
    let any = |wanted: Change| changes.iter().any(|seen| seen.change == wanted);
    let is_false_alarm = any(Change::Corrected) && !any(Change::Bad) && !any(Change::Other);
    incident.impact = is_false_alarm.then_some(Impact::None);
    incident.stage = (last.change == Change::Good || is_false_alarm).then_some(Stage::Resolved);
    if last.change == Change::Bad {
        found.opens(&incident);
    }
    incident.resolved_at = last.at.filter(|_| incident.stage == Some(Stage::Resolved));
    incident.touches = found::touched([name]);
    incident.updates = Vec::new();
    for Seen { at, entry, change } in changes {
        let body = found.body(entry.body());
        incident.updates.push(found::update(*at, (*change == Change::Good).then_some(Stage::Resolved), body));
    }
    incident
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes() {
        for (title, want) in [
            ("Shop is now a partial outage", Some(("Shop", Change::Bad))),
            ("Shop is now operational", Some(("Shop", Change::Good))),
            ("Shop is now unknown", Some(("Shop", Change::Other))),
            ("Shop is down", Some(("Shop", Change::Bad))),
            ("Shop: a fault in our own checking, not in the service", Some(("Shop", Change::Corrected))),
            ("Shop is slow", None),
            (" is down", None),
        ] {
            assert_eq!(change(title), want, "{title}");
        }
    }
}
