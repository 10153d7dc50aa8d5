//! How far a source is to be believed now, and what it says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Selection;
use crate::model::page::{Component, Impact, Incident};
use crate::model::{Status, Timestamp};

/// What is read is believed for this many intervals.
const BELIEVED_INTERVALS: u32 = 3;

/// How reading went lately.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reads {
    /// The interval in force at the last read, without back-off.
    pub interval: Duration,
    /// The last answer that could be read, unchanged ones too.
    pub last_success_at: Option<Timestamp>,
    /// The first of the reads in a row that failed.
    pub failing_since: Option<Timestamp>,
    /// Why the last one failed.
    pub problem: Option<String>,
}

/// State of a source, as the word of status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceCondition {
    Ok,
    Stale,
    Broken,
}

impl SourceCondition {
    pub const ALL: [SourceCondition; 3] = [SourceCondition::Ok, SourceCondition::Stale, SourceCondition::Broken];

    pub const fn as_str(self) -> &'static str {
        match self {
            SourceCondition::Ok => "ok",
            SourceCondition::Stale => "stale",
            SourceCondition::Broken => "broken",
        }
    }
}

impl Reads {
    pub fn new(interval: Duration) -> Reads {
        Reads { interval, last_success_at: None, failing_since: None, problem: None }
    }

    pub fn succeeded(&mut self, at: Timestamp) {
        (self.last_success_at, self.failing_since, self.problem) = (Some(at), None, None);
    }

    pub fn failed(&mut self, at: Timestamp, problem: String) {
        self.failing_since.get_or_insert(at);
        self.problem = Some(problem);
    }

    /// Until when the last good read is believed.
    pub fn believed_until(&self) -> Option<Timestamp> {
        self.last_success_at.map(|at| at + self.interval * BELIEVED_INTERVALS)
    }

    /// Whether what was read is still to be believed.
    pub fn is_believed(&self, now: Timestamp) -> bool {
        self.believed_until().is_some_and(|until| now <= until)
    }

    pub fn condition(&self, now: Timestamp) -> SourceCondition {
        match (self.last_success_at, self.failing_since) {
            (None, _) | (_, Some(_)) => SourceCondition::Broken,
            _ if self.is_believed(now) => SourceCondition::Ok,
            _ => SourceCondition::Stale,
        }
    }

    /// Since when we are blind on it, given since when this daemon looks: time in which nobody looked is not the page's.
    pub fn blind_since(&self, now: Timestamp, looking_since: Timestamp) -> Option<Timestamp> {
        let since = match self.condition(now) {
            SourceCondition::Ok => return None,
            SourceCondition::Broken => self.failing_since.unwrap_or(looking_since),
            SourceCondition::Stale => self.believed_until().unwrap_or(looking_since).max(looking_since),
        };
        Some(since)
    }
}

/// What a source says of what we use, while it is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of the components that are ours.
    pub components: Status,
    /// What the open incidents that concern us make of it; `None`: nothing.
    pub incidents: Option<Status>,
}

impl Standing {
    /// `overall` is the page's own verdict: it counts where the page lists no components. `open` are the open incidents
    /// that concern us.
    pub fn of<'i>(
        components: Option<&[Component]>,
        selection: &Selection,
        overall: Status,
        open: impl IntoIterator<Item = &'i Incident>,
    ) -> Standing {
        let components = match components {
            Some(all) => of_components(all.iter().filter(|c| selection.takes(c)).map(|c| c.status)),
            // Its verdict was made of its incidents, of which those that concern us are counted beside it.
            None if overall.is_known() => Status::Operational,
            None => Status::Unknown,
        };
        let incidents = Status::worst(open.into_iter().filter_map(|i| Impact::status(i.impact)));
        Standing { components, incidents }
    }

    /// The worse of both. An incident says something also where the components cannot be told.
    pub fn status(self) -> Status {
        match self.incidents {
            Some(worse) if worse > self.components || !self.components.is_known() => worse,
            _ => self.components,
        }
    }
}

/// The worst. With one that cannot be told, nothing is known to be operational.
fn of_components(statuses: impl Iterator<Item = Status>) -> Status {
    let statuses: Vec<Status> = statuses.collect();
    combined(statuses.iter().copied())
}

/// What several views say together.
fn combined(statuses: impl Iterator<Item = Status> + Clone) -> Status {
    match Status::worst(statuses.clone()) {
        None => Status::Unknown,
        Some(Status::Operational) if statuses.into_iter().any(|s| !s.is_known()) => Status::Unknown,
        Some(worst) => worst,
    }
}

/// What a vendor declares, over its sources; `None` without one.
pub fn vendor_declared(sources: impl Iterator<Item = Status> + Clone) -> Option<Status> {
    sources.clone().next()?;
    Some(combined(sources))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::*;

    fn component(name: &str, status: Status) -> Component {
        Component { id: name.into(), name: name.into(), group: None, region: None, status }
    }

    fn incident(impact: Option<Impact>) -> Incident {
        Incident {
            id: "i".into(),
            title: "t".into(),
            impact,
            stage: None,
            started_at: None,
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: None,
            touches: vec![],
            updates: vec![],
        }
    }

    #[test]
    fn the_worst_of_what_is_ours_and_of_what_is_open() {
        let all = [component("a", Operational), component("b", MajorOutage), component("c", Unknown), component("d", Maintenance)];
        for (ours, impacts, want) in [
            (&["a"][..], &[][..], Operational),
            (&["b"], &[], MajorOutage),
            (&["a", "c"], &[], Unknown),
            (&["b", "c"], &[], MajorOutage),
            (&["d"], &[Some(Impact::None)], Maintenance),
            (&["a"], &[Some(Impact::None)], Operational),
            (&["a"], &[Some(Impact::Minor)], Degraded),
            (&["a"], &[None], Degraded),
            (&["a"], &[Some(Impact::Minor), Some(Impact::Major)], PartialOutage),
            (&["a"], &[Some(Impact::Critical)], MajorOutage),
            (&["b"], &[Some(Impact::Minor)], MajorOutage),
            (&["c"], &[Some(Impact::Minor)], Degraded),
            (&["gone"], &[], Unknown),
        ] {
            let selection = Selection::new(&ours.iter().map(|t| t.to_string()).collect::<Vec<_>>(), &[], &[]);
            let open: Vec<Incident> = impacts.iter().map(|i| incident(*i)).collect();
            assert_eq!(Standing::of(Some(&all), &selection, MajorOutage, &open).status(), want, "{ours:?} {impacts:?}");
        }
    }

    #[test]
    fn a_page_without_components_is_as_good_as_its_open_incidents() {
        let status = |overall, open: &[Incident]| Standing::of(None, &Selection::default(), overall, open).status();
        assert_eq!(status(Operational, &[]), Operational);
        assert_eq!(status(Unknown, &[]), Unknown);
        assert_eq!(status(Degraded, &[incident(None)]), Degraded);
        assert_eq!(status(Unknown, &[incident(Some(Impact::Major))]), PartialOutage);
    }

    #[test]
    fn a_view_that_is_not_known_leaves_nothing_operational() {
        for (views, want) in [
            (&[][..], None),
            (&[Operational, Operational], Some(Operational)),
            (&[Operational, Unknown], Some(Unknown)),
            (&[Unknown, Degraded], Some(Degraded)),
            (&[Maintenance, Unknown], Some(Maintenance)),
        ] {
            assert_eq!(vendor_declared(views.iter().copied()), want, "{views:?}");
        }
    }

    #[test]
    fn blind_is_never_ok() {
        let at = |s: i64| Timestamp::from_millis(s * 1000);
        let mut reads = Reads::new(Duration::from_secs(60));
        assert_eq!((reads.condition(at(0)), reads.blind_since(at(9), at(5))), (SourceCondition::Broken, Some(at(5))));
        reads.succeeded(at(100));
        assert_eq!((reads.condition(at(280)), reads.blind_since(at(280), at(0))), (SourceCondition::Ok, None));
        assert_eq!((reads.condition(at(281)), reads.blind_since(at(281), at(0))), (SourceCondition::Stale, Some(at(280))));
        assert_eq!(reads.blind_since(at(9_000), at(8_990)), Some(at(8_990)), "while no daemon ran, nobody looked");
        reads.failed(at(160), "answered 500".into());
        reads.failed(at(220), "answered 502".into());
        assert_eq!((reads.condition(at(220)), reads.blind_since(at(220), at(0))), (SourceCondition::Broken, Some(at(160))));
        assert!(reads.is_believed(at(220)), "components keep their status for three intervals");
        reads.succeeded(at(280));
        assert_eq!((reads.condition(at(280)), reads.problem), (SourceCondition::Ok, None));
    }
}
