//! The store as one instant of it: states, timelines, and the `now` at which they are looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::timeline::{Watcher, chain, since};
use super::{Loaded, Lock, Reader, StoreError, StoredCheck, StoredSource};
use crate::clock;
use crate::declared::vendor_declared;
use crate::health::{capped, vendor_state};
use crate::incidents::correlate::{Class, LINKED_WITHIN, Post, class_of, post_about};
use crate::model::{Outage, Segment, SegmentReason, SeverityCap, State, Status, Timestamp, VendorId};
use crate::uptime::{Part, combine, merge};

pub struct Past {
    pub reader: Reader,
    pub loaded: Loaded,
    /// The wall clock, or the last run where the clock stepped back behind it: history is not cut off.
    pub now: Timestamp,
    runs: bool,
}

/// An outage, and their word against our clock.
#[derive(Clone, Debug)]
pub struct Judged {
    pub outage: Outage,
    pub post: Option<Post>,
    pub class: Option<Class>,
    /// Whether there is a place where the vendor could have said something.
    pub has_page: bool,
}

impl Judged {
    /// Milliseconds from our first failing run to the vendor's first post; negative: the vendor told us first.
    pub fn lag_ms(&self) -> Option<i64> {
        Some(self.post?.lag_ms(&self.outage))
    }
}

impl Past {
    pub fn open(path: &Path) -> Result<Past, StoreError> {
        let runs = Lock::is_held(path);
        let reader = Reader::open(path)?;
        reader.hold_still()?;
        let loaded = reader.load()?;
        let latest = loaded.checks.iter().filter_map(|check| check.state.last).map(|last| last.at).max();
        let now = latest.map_or(clock::now(), |latest| latest.max(clock::now()));
        Ok(Past { reader, loaded, now, runs })
    }

    /// The outages that lasted at `since` or later, newest first, each with what its vendor said of it.
    pub fn outages(&self, since: Timestamp) -> Result<Vec<Judged>, StoreError> {
        let posts = self.reader.posts(since - LINKED_WITHIN)?;
        let with_pages: BTreeSet<VendorId> = self.reader.sources()?.into_iter().map(|source| source.id.vendor).collect();
        let judged = |outage: Outage| {
            let post = posts.get(&outage.vendor).and_then(|posts| post_about(&outage, posts, self.now)).copied();
            let has_page = with_pages.contains(&outage.vendor);
            Judged { class: class_of(&outage, post.as_ref(), has_page, self.now), outage, post, has_page }
        };
        let outages = self.reader.outages("")?.into_iter();
        Ok(outages.filter(|outage| outage.ended_at.is_none_or(|end| end >= since)).map(judged).collect())
    }

    /// Every timeline of a vendor's checks: retired ones and further locations too.
    pub fn checks_of<'s>(&'s self, vendor: &'s VendorId) -> impl Iterator<Item = &'s StoredCheck> {
        self.loaded.checks.iter().filter(move |check| check.id.vendor == *vendor)
    }

    /// The checks of a vendor that are looked at now.
    pub fn current_checks<'s>(&'s self, vendor: &'s VendorId) -> impl Iterator<Item = &'s StoredCheck> {
        self.checks_of(vendor).filter(|check| check.retired_at.is_none())
    }

    /// The timeline of a check, up to now or to where it was retired; empty before its first run.
    pub fn check_timeline(&self, vendor: &VendorId, name: &str) -> Result<Vec<Segment>, StoreError> {
        let mut places: Vec<&StoredCheck> = self.checks_of(vendor).filter(|check| &*check.id.name == name).collect();
        places.sort_by_key(|check| check.state.first_at);
        let parts: Result<Vec<_>, _> = places.into_iter().map(|check| self.timeline(check)).collect();
        Ok(chain(parts?))
    }

    pub fn vendor_timeline(&self, vendor: &VendorId) -> Result<Vec<Segment>, StoreError> {
        self.vendor_timeline_since(vendor, Timestamp::from_millis(i64::MIN))
    }

    /// As [`Past::vendor_timeline`], of the segments that ended after `since`: right from there on.
    pub fn vendor_timeline_since(&self, vendor: &VendorId, since: Timestamp) -> Result<Vec<Segment>, StoreError> {
        let part = |check| Ok(Part { timeline: self.timeline_since(check, since)?, weights: self.reader.weights(check.key)? });
        let parts: Result<Vec<Part>, StoreError> = self.checks_of(vendor).map(part).collect();
        Ok(combine(&parts?))
    }

    /// Since when a vendor has been measured as it is now. Most states are young, so that the whole past is read only for those
    /// that are not.
    pub fn measured_since(&self, vendor: &VendorId) -> Result<Option<Timestamp>, StoreError> {
        const DAY: Duration = Duration::from_secs(86_400);
        for window in [DAY, DAY * 30, DAY * 400] {
            let from = self.now - window;
            let recent = since(&self.vendor_timeline_since(vendor, from)?);
            if recent.is_some_and(|recent| recent > from) {
                return Ok(recent);
            }
        }
        Ok(since(&self.vendor_timeline(vendor)?))
    }

    fn timeline(&self, check: &StoredCheck) -> Result<Vec<Segment>, StoreError> {
        self.timeline_since(check, Timestamp::from_millis(i64::MIN))
    }

    fn timeline_since(&self, check: &StoredCheck, since: Timestamp) -> Result<Vec<Segment>, StoreError> {
        let closed = self.reader.closed_segments(check.key, since)?;
        let end = check.retired_at.map_or(self.now, |retired| retired.min(self.now));
        let tail = check.state.tail(end, self.late_reason(check));
        Ok(merge(closed.into_iter().chain(tail)))
    }

    /// Why nothing is known of a check at present, if nothing is.
    pub fn late_reason(&self, check: &StoredCheck) -> SegmentReason {
        let watcher = Watcher { heartbeat: self.loaded.heartbeat.as_ref(), runs: self.runs, absences: &self.loaded.absences };
        let since = check.state.evidence_until.or(check.state.first_at).unwrap_or(self.now);
        watcher.late_reason(since, self.now)
    }

    /// What the pages of a vendor, which are among `sources`, say now; `None` without one.
    pub fn declared(&self, vendor: &VendorId, sources: &[StoredSource]) -> Option<Status> {
        let own = sources.iter().filter(|source| source.id.vendor == *vendor);
        vendor_declared(own.map(|source| match (&source.reads, &source.state) {
            (Some(reads), Some(state)) if reads.is_believed(self.now) => state.standing.status(),
            _ => Status::Unknown,
        }))
    }

    /// What the checks of a vendor say now; `None` without a check that could count.
    pub fn measured(&self, vendor: &VendorId) -> Result<Option<State>, StoreError> {
        let mut given = Vec::new();
        let mut could = false;
        for check in self.current_checks(vendor) {
            let Some(severity) = counts(check) else { continue };
            could = true;
            // A check counts from its first observation.
            let seen = check.state.first_at.is_some();
            given.extend(capped(check.state.state_at(self.now), severity).filter(|_| seen));
        }
        Ok(vendor_state(given).or(could.then_some(State::Unknown)))
    }
}

fn counts(check: &StoredCheck) -> Option<SeverityCap> {
    Some(check.terms.severity).filter(|severity| check.terms.enabled && *severity != SeverityCap::None)
}
