//! The world as it is at an instant: what a vendor's checks feel, and what its page says.
//!
//! A pure function of time, so that the past can be asked by a virtual clock and the present by the real one, and the two
//! meet without a seam.

use std::time::Duration;

use super::cast::{self, ACTOR, Check, Felt, Kind, Posted, Trouble, Vendor, Work};
use super::noise;
use super::script::Script;
use crate::health::Absence;
use crate::model::{Impact, Reason, SegmentReason, Stage, Timestamp};

/// What a page says of trouble that is over by now, and when it says that it is over.
const SETTLES_AFTER: Duration = cast::minutes(12);
/// What is slow takes so many times as long.
const SLOW_FACTOR: f64 = 6.0;

pub struct World {
    /// Where the past ends.
    pub began: Timestamp,
    /// What happens while people watch; `None`: nothing does.
    pub script: Option<Script>,
}

/// Trouble with its times.
struct Event {
    began: Timestamp,
    ended: Option<Timestamp>,
    checks: &'static [&'static str],
    felt: Felt,
    posted: Option<Posted>,
    /// From its end to the vendor's all-clear.
    settles_after: Duration,
}

/// An incident as far as the vendor has posted it.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Of the vendor's, the how manieth.
    pub number: usize,
    pub title: &'static str,
    pub impact: Impact,
    pub components: &'static [&'static str],
    /// Oldest first; never empty.
    pub posts: Vec<Post>,
}

#[derive(Clone, Debug)]
pub struct Post {
    pub at: Timestamp,
    pub stage: Stage,
    pub body: &'static str,
}

impl Incident {
    pub fn stage(&self) -> Stage {
        self.posts.last().map_or(Stage::Investigating, |post| post.stage)
    }

    pub fn is_open(&self) -> bool {
        self.stage() != Stage::Resolved
    }

    pub fn started_at(&self) -> Timestamp {
        self.posts[0].at
    }

    /// Of its newest post.
    pub fn updated_at(&self) -> Timestamp {
        self.posts[self.posts.len() - 1].at
    }
}

/// Announced work with its times.
pub struct Announced {
    pub title: &'static str,
    pub components: &'static [&'static str],
    pub announced_at: Timestamp,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub stage: Stage,
}

impl World {
    /// Time in which vendord itself did not run.
    pub fn away(&self) -> Absence {
        let (ago, lasted) = cast::AWAY;
        let from = self.began - ago;
        Absence { from, to: from + lasted, reason: SegmentReason::MonitorDown }
    }

    /// From 0 to 1, the same at the same distance from the beginning: no two demos differ in their past.
    pub fn chance(&self, name: &str, at: Timestamp) -> f64 {
        noise::fraction(name, at.millis_since(self.began))
    }

    /// What a check of a vendor feels at `at`.
    pub fn felt(&self, vendor: &Vendor, check: &str, at: Timestamp) -> Felt {
        let lasts = |e: &Event| e.began <= at && e.ended.is_none_or(|ended| at < ended);
        let mut felt = self.events(vendor, at).into_iter().filter(|e| e.checks.contains(&check) && lasts(e));
        felt.next_back().map_or(Felt::Nothing, |event| event.felt)
    }

    /// What a request of a check takes at `at`: slower by day, with a few that take much longer.
    pub fn latency(&self, vendor: &Vendor, check: &Check, at: Timestamp) -> Duration {
        const DAY_MS: f64 = 86_400_000.0;
        let chance = self.chance(&format!("{}/{} latency", vendor.id, check.name), at);
        let day = (at.as_millis() as f64 / DAY_MS * std::f64::consts::TAU).sin();
        let tail = if chance > 0.985 { 2.2 } else { 1.0 };
        let slow = if self.felt(vendor, check.name, at) == Felt::Slow { SLOW_FACTOR } else { 1.0 };
        let ms = f64::from(check.usual_ms) * (0.8 + 0.35 * chance) * (1.0 - 0.12 * day) * tail * slow;
        Duration::from_secs_f64(ms / 1000.0)
    }

    /// What the vendor's page lists at `at`, newest first.
    pub fn incidents(&self, vendor: &Vendor, at: Timestamp) -> Vec<Incident> {
        let events = self.events(vendor, at).into_iter().enumerate();
        let mut incidents: Vec<Incident> = events.filter_map(|(number, event)| incident(number, &event, at)).collect();
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.started_at()));
        incidents
    }

    pub fn works(&self, vendor: &Vendor, at: Timestamp) -> Vec<Announced> {
        vendor.works.iter().map(|work| self.announced(work, at)).collect()
    }

    fn announced(&self, work: &Work, at: Timestamp) -> Announced {
        const NOTICE: Duration = cast::minutes(7 * 1440);
        let starts_at = Timestamp::from_millis(self.began.as_millis() + work.starts_minutes * 60_000);
        let ends_at = starts_at + work.lasts;
        let stage = match at {
            at if at < starts_at => Stage::Scheduled,
            at if at < ends_at => Stage::InProgress,
            _ => Stage::Completed,
        };
        Announced { title: work.title, components: work.components, announced_at: starts_at - NOTICE, starts_at, ends_at, stage }
    }

    /// Everything that began until `at`, in the order of the cast, then of the script.
    fn events(&self, vendor: &Vendor, at: Timestamp) -> Vec<Event> {
        let past = vendor.troubles.iter().map(|trouble| self.event(trouble));
        let acts = self.script.iter().filter(|_| vendor.id == ACTOR.id).flat_map(|script| script.acts(at)).map(|act| Event {
            began: act.fails_at,
            ended: Some(act.recovers_at),
            checks: &["api", "payment"],
            felt: Felt::Down(Reason::HttpStatus),
            posted: Some(Posted {
                after: act.posts_at.since(act.fails_at),
                title: "API requests fail",
                impact: Impact::Major,
                components: &["API", "Card payments"],
            }),
            settles_after: act.resolves_at.since(act.recovers_at),
        });
        past.chain(acts).filter(|event| event.began <= at).collect()
    }

    fn event(&self, trouble: &Trouble) -> Event {
        let began = self.began - trouble.ago;
        Event {
            began,
            ended: trouble.lasted.map(|lasted| began + lasted),
            checks: trouble.checks,
            felt: trouble.felt,
            posted: trouble.posted,
            settles_after: SETTLES_AFTER,
        }
    }
}

/// What the vendor has said of it until `at`; `None`: nothing yet.
fn incident(number: usize, event: &Event, at: Timestamp) -> Option<Incident> {
    let posted = event.posted?;
    let posts: Vec<Post> = posts(event, posted).into_iter().filter(|post| post.at <= at).collect();
    (!posts.is_empty()).then_some(Incident { number, title: posted.title, impact: posted.impact, components: posted.components, posts })
}

fn posts(event: &Event, posted: Posted) -> Vec<Post> {
    let first = event.began + posted.after;
    let mut posts =
        vec![Post { at: first, stage: Stage::Investigating, body: "We see an increased number of errors and are looking into it." }];
    let Some(ended) = event.ended else {
        let at = first + cast::minutes(20);
        posts.push(Post { at, stage: Stage::Identified, body: "We know the cause and are working on it." });
        return posts;
    };
    if first < ended {
        let cause = first + ended.since(first).mul_f64(0.4);
        posts.push(Post { at: cause, stage: Stage::Identified, body: "We know the cause and are working on it." });
        let watched = ended + event.settles_after / 3;
        posts.push(Post { at: watched, stage: Stage::Monitoring, body: "It works again. We keep an eye on it." });
    }
    posts.push(Post { at: first.max(ended) + event.settles_after, stage: Stage::Resolved, body: "This incident is over." });
    posts
}

/// Whether a request to `path` is one of this check.
pub fn asks_for(check: &Check, path: &str) -> bool {
    match check.kind {
        Kind::Http(own) | Kind::Keyed(own) => path == own,
        Kind::Payment => path.starts_with("/v1/"),
        Kind::Tcp => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::cast::VENDORS;

    const BEGAN: Timestamp = Timestamp::from_millis(1_795_466_100_000);

    /// So that what is slow is degraded by the check's own bound, and nothing else is.
    #[test]
    fn slow_is_slower_than_the_bound_and_all_else_is_not() {
        let world = World { began: BEGAN, script: None };
        let checks = VENDORS.iter().flat_map(|vendor| vendor.checks.iter().map(move |check| (vendor, check)));
        for (vendor, check) in checks {
            let Some(over) = check.degraded_over_ms.map(|ms| Duration::from_millis(ms.into())) else { continue };
            for minutes in 0..90 * 24 * 12 {
                let at = BEGAN - Duration::from_secs(minutes * 300);
                let is_slow = world.felt(vendor, check.name, at) == Felt::Slow;
                assert_eq!(world.latency(vendor, check, at) > over, is_slow, "{}/{} at {at}", vendor.id, check.name);
            }
        }
    }

    #[test]
    fn nobody_posts_before_it_happened_nor_out_of_order() {
        let world = World { began: BEGAN, script: None };
        for vendor in &VENDORS {
            for incident in world.incidents(vendor, BEGAN) {
                let times: Vec<Timestamp> = incident.posts.iter().map(|post| post.at).collect();
                assert!(times.is_sorted() && times.iter().all(|at| *at <= BEGAN), "{} {}: {times:?}", vendor.id, incident.title);
            }
            let components = vendor.troubles.iter().filter_map(|trouble| trouble.posted).flat_map(|posted| posted.components);
            for component in components.chain(vendor.works.iter().flat_map(|work| work.components)) {
                assert!(vendor.components.contains(component), "{} has no {component}", vendor.id);
            }
            for check in vendor.troubles.iter().flat_map(|trouble| trouble.checks) {
                assert!(vendor.checks.iter().any(|known| known.name == *check), "{} has no check {check}", vendor.id);
            }
        }
    }
}
