//! Everything that is watched, in memory: what the configuration says joined with what the store remembers.
//!
//! Only the recorder changes it. It may be ahead of the store by the batch that is being written; nobody outside sees
//! it before that is durable.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::episode::Episode;
use super::sources::Sources;
use crate::config::{self, Config};
use crate::health::{CheckState, OpenSegment, SegmentWrite, capped};
use crate::incidents::CheckNow;
use crate::model::{
    CheckId, Detail, Observation, Outage, Outcome, Phases, Reason, Segment, SegmentReason, SeverityCap, State, Status, Terms, Timestamp,
    VendorId,
};
use crate::store::{CheckKey, Reader, Registered, RegisteredCheck, Registration, StoreError, StoredCheck};
use crate::uptime::{self, Part, Tally, Weight};
use crate::web::board::{CheckFigures, PageFigures, VendorCounters, VendorFigures, escape};

/// What the prober may know of a check without waiting for the recorder: whether the last run disagrees with the confirmed state.
#[derive(Debug, Default)]
pub struct Hint(AtomicU8);

impl Hint {
    const NONE: u8 = 9;

    fn set(&self, state: &CheckState) {
        let confirmed = state.confirmed.and_then(|c| c.state.badness()).unwrap_or(Self::NONE);
        self.0.store(confirmed, Ordering::Relaxed);
    }

    /// Whether a run with this outcome may change something: the recorder must not wait with it.
    pub fn is_news(&self, outcome: Outcome) -> bool {
        let first = self.0.load(Ordering::Relaxed) == Self::NONE && outcome != Outcome::Unknown;
        first || self.disagrees(outcome)
    }

    /// Whether a run with this outcome asks for another look soon.
    pub fn disagrees(&self, outcome: Outcome) -> bool {
        let badness = match outcome {
            Outcome::Up => 0,
            Outcome::Degraded => 1,
            Outcome::Down => 2,
            Outcome::Unknown => return false,
        };
        let confirmed = self.0.load(Ordering::Relaxed);
        if confirmed == Self::NONE { badness > 0 } else { badness != confirmed }
    }
}

/// One check at this location.
pub struct Watched {
    pub id: CheckId,
    pub key: CheckKey,
    /// Among the checks of its vendor.
    position: usize,
    pub kind: &'static str,
    pub terms_id: i64,
    pub terms: Terms,
    pub flap_changes: u32,
    pub expires_within: Option<Duration>,
    pub hint: Arc<Hint>,
    pub state: CheckState,
    /// Which of its failing runs are kept as evidence.
    pub episode: Episode,
    /// The last run that was known, for alert texts.
    pub message: Arc<str>,
    pub not_after: Option<Timestamp>,
    phases: Phases,
    http_status: u16,
    /// Whether the last run went over the connection of the run before; `None` while none did.
    reused: Option<bool>,
    runs: u64,
    failures: u64,
    by_reason: BTreeMap<Reason, u64>,
    /// Segments that ended since the vendor's counters were last advanced.
    recent: Vec<Segment>,
    labels: Arc<str>,
    labels_kind: Arc<str>,
}

/// One vendor and its checks.
pub struct Vendor {
    pub id: VendorId,
    pub name: String,
    pub tier: u8,
    pub merge_gap: Duration,
    /// What the checks and the pages said when it was looked at last; for alert texts.
    pub measured: Option<State>,
    pub declared: Option<Status>,
    pub checks: Vec<CheckKey>,
    /// The latest outage, open or over.
    pub outage: Option<Outage>,
    pub outages_begun: u64,
    /// What the counters have counted, and up to when.
    pub tally: Tally,
    pub counted_until: Option<Timestamp>,
    labels: Arc<str>,
    info: Arc<str>,
}

#[derive(Default)]
pub struct Fleet {
    pub vendors: Vec<Vendor>,
    /// Boxed: a table has room for twice as many.
    pub checks: HashMap<CheckKey, Box<Watched>>,
    vendor_of: HashMap<CheckKey, usize>,
    places: HashMap<VendorId, usize>,
}

/// The configuration in the words of the store.
pub fn registrations(config: &Config) -> Vec<Registration> {
    let check = |c: &config::Check| RegisteredCheck {
        name: c.id.name.to_string(),
        kind: c.kind,
        terms: c.terms.clone(),
        renamed_from: c.renamed_from.clone(),
    };
    config
        .vendors
        .iter()
        .map(|v| Registration {
            vendor: v.id.clone(),
            name: v.name.clone(),
            tier: v.tier,
            category: v.category.clone(),
            checks: v.checks.iter().map(check).collect(),
            sources: v.status_pages.iter().filter(|p| p.enabled).map(|p| (p.name.clone(), p.url.to_string(), p.format.clone())).collect(),
        })
        .collect()
}

impl Fleet {
    /// The fleet of `config`. What `self` already watches keeps its state and counters; the rest begins with what the store remembers.
    pub fn reconfigured(
        mut self,
        config: &Config,
        registered: &[Registered],
        mut stored: HashMap<CheckKey, StoredCheck>,
        outages: &BTreeMap<VendorId, Outage>,
    ) -> Fleet {
        let ids: HashMap<(&str, &str), &Registered> = registered.iter().map(|r| ((r.vendor.as_str(), r.name.as_str()), r)).collect();
        let mut old_vendors: HashMap<VendorId, Vendor> = self.vendors.drain(..).map(|v| (v.id.clone(), v)).collect();
        let mut fleet = Fleet::default();
        for vendor in &config.vendors {
            let place = fleet.vendors.len();
            fleet.places.insert(vendor.id.clone(), place);
            let mut keys = Vec::new();
            for check in &vendor.checks {
                let Some(r) = ids.get(&(vendor.id.as_str(), &*check.id.name)) else { continue };
                let watched = Watched::new(check, keys.len(), r, self.checks.remove(&r.key).map(|old| *old), stored.remove(&r.key));
                keys.push(r.key);
                fleet.vendor_of.insert(r.key, place);
                fleet.checks.insert(r.key, Box::new(watched));
            }
            let old = old_vendors.remove(&vendor.id);
            let known = outages.get(&vendor.id);
            fleet.vendors.push(Vendor::new(vendor, keys, old, known));
        }
        fleet
    }

    /// Where a vendor stands in `vendors`.
    pub fn place_of(&self, vendor: &VendorId) -> Option<usize> {
        self.places.get(vendor).copied()
    }

    /// The vendor of a check, by its place in `vendors`.
    pub fn vendor_of(&self, key: CheckKey) -> Option<usize> {
        self.vendor_of.get(&key).copied()
    }

    /// The checks of a vendor that count for outages, flapping ones left out where `calm` asks for it.
    pub fn counting(&self, place: usize, calm: Option<Timestamp>) -> Vec<CheckNow<'_>> {
        let checks = self.vendors[place].checks.iter().filter_map(|key| self.checks.get(key));
        checks
            .filter(|c| c.severity().is_some() && calm.is_none_or(|now| !c.state.flapping(c.flap_changes, now)))
            .map(|c| CheckNow { name: &c.id.name, confirmed: c.state.confirmed, severity: c.terms.severity })
            .collect()
    }

    pub fn checks_of(&self, place: usize) -> impl Iterator<Item = &Watched> {
        self.vendors[place].checks.iter().filter_map(|key| self.checks.get(key).map(Box::as_ref))
    }

    /// Goes on with the episodes that a restart interrupted.
    pub fn resume_evidence(&mut self, reader: &Reader) -> Result<(), StoreError> {
        for (key, check) in &mut self.checks {
            if check.state.suspect() || check.state.confirmed.is_some_and(|c| c.state != State::Up) {
                check.episode = Episode::resumed(&reader.latest_evidence(*key)?);
            }
        }
        Ok(())
    }

    /// Begins the counters where history stands, so that a restart costs no increase.
    pub fn seed_counters(&mut self, stored: &[StoredCheck], reader: &Reader, now: Timestamp) -> Result<(), StoreError> {
        for vendor in &mut self.vendors {
            let mut parts = Vec::new();
            let mut until = None;
            // What another monitor saw is history, and no time that passed for a counter: an import would look like an increase.
            let own = stored.iter().filter(|c| c.part().is_none());
            for check in own.filter(|c| c.id.vendor == vendor.id && c.state.first_at.is_some()) {
                let mut timeline = reader.closed_segments(check.key, Timestamp::from_millis(i64::MIN))?;
                timeline.extend(check.state.tail(now, SegmentReason::NoObservation));
                parts.push(Part { timeline, weights: reader.weights(check.key)? });
                if vendor.checks.contains(&check.key) {
                    until = until.into_iter().chain(check.state.settled_until(&check.terms)).min();
                }
            }
            if let Some(until) = until {
                vendor.tally = Tally::of(&uptime::clip(&uptime::combine(&parts), Timestamp::from_millis(i64::MIN), until));
                vendor.counted_until = Some(until);
            }
        }
        Ok(())
    }

    /// Counts the time of every vendor that can no longer change.
    pub fn advance_counters(&mut self, now: Timestamp) {
        for place in 0..self.vendors.len() {
            self.advance(place, now);
        }
    }

    fn advance(&mut self, place: usize, now: Timestamp) {
        let counting: Vec<&Watched> = self.checks_of(place).filter(|c| c.severity().is_some() && c.state.first_at.is_some()).collect();
        let Some(until) = counting.iter().filter_map(|c| c.state.settled_until(&c.terms)).min() else { return };
        let from = self.vendors[place].counted_until.or(counting.iter().filter_map(|c| c.state.first_at).min());
        let Some(from) = from.filter(|from| *from < until) else { return };
        let parts: Vec<Part> = counting.iter().map(|c| c.part(now.max(until))).collect();
        let tally = Tally::of(&uptime::clip(&uptime::combine(&parts), from, until));
        let vendor = &mut self.vendors[place];
        vendor.tally = vendor.tally.plus(tally);
        vendor.counted_until = Some(until);
        for key in vendor.checks.clone() {
            if let Some(check) = self.checks.get_mut(&key) {
                check.recent.retain(|s| s.to > until);
            }
        }
    }

    /// Everything as it is shown; time is counted up to `alive`.
    pub fn figures(&self, sources: &Sources, now: Timestamp, alive: Timestamp) -> Vec<VendorFigures> {
        (0..self.vendors.len()).map(|place| self.vendor_figures(place, sources, now, alive)).collect()
    }

    /// One check as it is shown, and where.
    pub fn check_figures(&self, key: CheckKey) -> Option<(usize, usize, Arc<CheckFigures>)> {
        let place = self.vendor_of(key)?;
        let watched = self.checks.get(&key)?;
        Some((place, watched.position, Arc::new(watched.figures())))
    }

    fn vendor_figures(&self, place: usize, sources: &Sources, now: Timestamp, alive: Timestamp) -> VendorFigures {
        let v = &self.vendors[place];
        VendorFigures {
            outage: self.open_outage(place),
            labels: v.labels.clone(),
            info: v.info.clone(),
            checks: self.checks_of(place).map(|check| Arc::new(check.figures())).collect(),
            pages: self.page_figures(place, sources, now),
            counters: self.vendor_counters(place, sources, alive),
            id: v.id.clone(),
        }
    }

    /// The outage of a vendor that lasts.
    pub fn open_outage(&self, place: usize) -> Option<Arc<Outage>> {
        let outage = self.vendors[place].outage.as_ref()?;
        outage.ended_at.is_none().then(|| Arc::new(outage.clone()))
    }

    pub fn page_figures(&self, place: usize, sources: &Sources, now: Timestamp) -> Vec<PageFigures> {
        sources.of(&self.vendors[place].id).map(|s| s.figures(now)).collect()
    }

    pub fn vendor_counters(&self, place: usize, sources: &Sources, alive: Timestamp) -> VendorCounters {
        let v = &self.vendors[place];
        VendorCounters {
            observed_seconds: v.tally.known() as f64 / 1000.0,
            downtime_seconds: v.tally.down as f64 / 1000.0,
            declared_downtime_seconds: sources.declared_down(&v.id, alive).as_secs_f64(),
            outages: v.outages_begun,
        }
    }
}

impl Vendor {
    fn new(config: &config::Vendor, checks: Vec<CheckKey>, old: Option<Vendor>, known: Option<&Outage>) -> Vendor {
        let label = escape(config.id.as_str());
        let info = format!("vendor_name=\"{}\",category=\"{}\",tier=\"{}\"", escape(&config.name), escape(&config.category), config.tier);
        let old_views = old.as_ref().map_or((None, None), |old| (old.measured, old.declared));
        let (outage, outages_begun, tally, counted_until) = match old {
            Some(old) => (old.outage, old.outages_begun, old.tally, old.counted_until),
            None => (known.cloned(), 0, Tally::default(), None),
        };
        Vendor {
            id: config.id.clone(),
            name: config.name.clone(),
            tier: config.tier,
            merge_gap: config.merge_gap,
            measured: old_views.0,
            declared: old_views.1,
            checks,
            outage,
            outages_begun,
            tally,
            counted_until,
            labels: format!("vendor=\"{label}\"").into(),
            info: info.into(),
        }
    }
}

impl Watched {
    fn new(check: &config::Check, position: usize, registered: &Registered, old: Option<Watched>, stored: Option<StoredCheck>) -> Watched {
        let labels = format!("vendor=\"{}\",check=\"{}\"", escape(check.id.vendor.as_str()), escape(&check.id.name));
        let labels_kind = format!("{labels},kind=\"{}\"", check.kind);
        let fresh = Watched {
            id: check.id.clone(),
            key: registered.key,
            position,
            kind: check.kind,
            terms_id: registered.terms_id,
            terms: check.terms.clone(),
            flap_changes: check.flap_changes,
            expires_within: check.expires_within,
            hint: Arc::default(),
            state: stored.map(|s| s.state).unwrap_or_default(),
            episode: Episode::default(),
            message: Arc::from(""),
            not_after: None,
            phases: Phases::default(),
            http_status: 0,
            reused: None,
            runs: 0,
            failures: 0,
            by_reason: BTreeMap::new(),
            recent: Vec::new(),
            labels: labels.into(),
            labels_kind: labels_kind.into(),
        };
        let watched = match old {
            Some(old) => Watched {
                hint: old.hint,
                state: old.state,
                episode: old.episode,
                message: old.message,
                not_after: old.not_after,
                phases: old.phases,
                http_status: old.http_status,
                reused: old.reused,
                runs: old.runs,
                failures: old.failures,
                by_reason: old.by_reason,
                recent: old.recent,
                ..fresh
            },
            None => fresh,
        };
        watched.hint.set(&watched.state);
        watched
    }

    /// What it can give its vendor; `None`: nothing.
    pub fn severity(&self) -> Option<SeverityCap> {
        (self.terms.enabled && self.terms.severity != SeverityCap::None).then_some(self.terms.severity)
    }

    /// Counts a run and keeps what is shown of it.
    pub fn saw(&mut self, observation: &Observation) {
        self.runs += 1;
        if matches!(observation.outcome, Outcome::Down | Outcome::Unknown) {
            self.failures += 1;
            *self.by_reason.entry(observation.reason).or_default() += 1;
        }
        self.phases = observation.phases;
        let detail @ Detail { http_status, message, .. } = &observation.detail;
        self.http_status = http_status.unwrap_or(0);
        let reused = detail.last_hop().is_some_and(|hop| hop.reused);
        self.reused = (reused || self.reused.is_some()).then_some(reused);
        self.not_after = detail.ends_at().or(self.not_after);
        // Most runs say what the one before said: the board has the same text.
        if observation.outcome != Outcome::Unknown && *self.message != **message {
            self.message = message.as_str().into();
        }
        self.hint.set(&self.state);
    }

    /// Keeps what ended, until the counters have counted it. `open` is the segment that was open before `writes`.
    pub fn note(&mut self, writes: &[SegmentWrite], mut open: Option<OpenSegment>) {
        for write in writes {
            match (write, &mut open) {
                (SegmentWrite::Open(next), open) => *open = Some(*next),
                (SegmentWrite::Relabel { state, reason }, Some(open)) => (open.state, open.reason) = (*state, *reason),
                (SegmentWrite::Close { to, reason }, Some(open)) => {
                    self.recent.push(Segment { from: open.from, to: *to, state: open.state, reason: *reason });
                }
                (SegmentWrite::Gap(gap), _) => self.recent.push(*gap),
                (SegmentWrite::Relabel { .. } | SegmentWrite::Close { .. }, None) => {}
            }
        }
    }

    fn part(&self, now: Timestamp) -> Part {
        let mut timeline = self.recent.clone();
        timeline.sort_by_key(|s| s.from);
        timeline.extend(self.state.tail(now, SegmentReason::NoObservation));
        Part { timeline, weights: vec![Weight { from: Timestamp::from_millis(i64::MIN), severity: self.severity() }] }
    }

    /// What it gives its vendor now, evidence or not; for alert texts.
    pub fn gives(&self) -> Option<State> {
        capped(self.state.confirmed?.state, self.severity()?)
    }

    fn figures(&self) -> CheckFigures {
        CheckFigures {
            name: self.id.name.clone(),
            kind: self.kind,
            labels: self.labels.clone(),
            labels_kind: self.labels_kind.clone(),
            interval: self.terms.interval,
            is_paused: !self.terms.enabled,
            severity: self.severity(),
            is_http: self.kind == "http",
            state: self.state.standing(),
            suspect: self.state.suspect(),
            late_reason: self.state.late_reason(SegmentReason::NoObservation),
            message: self.message.clone(),
            phases: self.phases,
            http_status: self.http_status,
            reused: self.reused,
            not_after: self.not_after,
            runs: self.runs,
            failures: self.failures,
            by_reason: self.by_reason.iter().map(|(r, n)| (*r, *n)).collect(),
        }
    }
}
