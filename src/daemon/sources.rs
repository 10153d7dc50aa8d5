//! Every status page that is read, in memory: what the configuration says joined with what the store remembers.
//!
//! Only the recorder changes it. It decides with the help of `declared` and notes what has to be written; whom to tell is
//! decided by `alerts`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use url::Url;

use super::look::{Failed, FailedReason, Fresh, Looked};
use super::reader::{Read, Subscription};
use crate::config::{Config, StatusPage};
use crate::declared::archive::{Kind, Ledger, Reading, Record, Version, component_changes};
use crate::declared::{PageState, Reads, Selection, Standing, vendor_declared};
use crate::feeds;
use crate::model::page::{Component, Incident};
use crate::model::{Impact, SourceId, Status, Timestamp, Uuid, VendorId};
use crate::store::{ComponentVersion, Declarations, Reader, StoreError, StoredSource, StoredVersion};
use crate::web::board::{Announced, ComponentFigures, OpenIncident, PageFigures, escape};

/// Before the first read the interval is not known.
const FIRST_INTERVAL: Duration = Duration::from_secs(60);

/// One `[[status_pages]]`.
pub struct Source {
    pub id: SourceId,
    pub page: StatusPage,
    pub selection: Selection,
    pub reads: Reads,
    pub state: Option<PageState>,
    pub ledger: Ledger,
    /// Since when this daemon looks at it.
    pub looking_since: Timestamp,
    /// The last answer was no page at all: what came instead.
    pub not_a_page: Option<String>,
    /// It is the page of somebody else, or of another format than is configured.
    pub misplaced: Option<String>,
    /// Of the last version of each open incident, by our id.
    pub editions: BTreeMap<Uuid, u32>,
    hot: Arc<AtomicBool>,
    opened: [u64; 4],
}

#[derive(Default)]
pub struct Sources {
    all: BTreeMap<SourceId, Source>,
    /// The declared status of each vendor as it was stored last.
    declared: BTreeMap<VendorId, Declared>,
}

/// What a vendor declares, and for how long it declared an outage before.
#[derive(Clone, Copy, Debug)]
struct Declared {
    status: Status,
    since: Timestamp,
    down: Duration,
}

impl Declared {
    fn down_until(self, now: Timestamp) -> Duration {
        let is_down = matches!(self.status, Status::PartialOutage | Status::MajorOutage);
        self.down + if is_down { now.since(self.since) } else { Duration::ZERO }
    }
}

/// What a read came to.
#[derive(Default)]
pub struct Outcome {
    pub declarations: Declarations,
    /// Something changed that others are told of, or that must not be lost.
    pub urgent: bool,
    /// Something other than when it was read.
    pub changed: bool,
}

impl Sources {
    /// The sources of `config`. What is read already keeps what it knows; the rest begins with what the store remembers.
    pub fn reconfigured(
        &mut self,
        config: &Config,
        stored: Vec<StoredSource>,
        reader: &Reader,
        now: Timestamp,
    ) -> Result<Declarations, StoreError> {
        let mut old = std::mem::take(&mut self.all);
        let mut stored: BTreeMap<SourceId, StoredSource> = stored.into_iter().map(|s| (s.id.clone(), s)).collect();
        let mut ledgers = reader.ledgers()?;
        let mut declarations = Declarations::default();
        for vendor in &config.vendors {
            for page in vendor.status_pages.iter().filter(|p| p.enabled) {
                let id = SourceId::new(&vendor.id, page.name.as_str());
                let source = match old.remove(&id).filter(|old| old.page.url == page.url) {
                    Some(old) => Source { page: page.clone(), selection: selection(page), ..old },
                    None => Source::new(id.clone(), page, stored.remove(&id), ledgers.remove(&id).unwrap_or_default(), now),
                };
                let source = self.all.entry(id).or_insert(source);
                source.refilter(&mut declarations);
            }
        }
        let down = reader.declared_downtime()?;
        for (vendor, (since, status)) in reader.declared_statuses()? {
            let down = down.get(&vendor).copied().unwrap_or_default();
            self.declared.entry(vendor).or_insert(Declared { status, since, down });
        }
        Ok(declarations)
    }

    pub fn of<'s>(&'s self, vendor: &'s VendorId) -> impl Iterator<Item = &'s Source> + Clone {
        let first = SourceId::new(vendor, "");
        self.all.range(first..).map(|(_, source)| source).take_while(move |s| s.id.vendor == *vendor)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.all.values()
    }

    /// What the reader has to read.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.all.values().map(Source::subscription).collect()
    }

    /// Takes in what was read. `store` is asked for what is over and changed all the same.
    pub fn read(&mut self, read: &Read, store: Option<&Reader>) -> Outcome {
        // An answer of the address before is not about this page.
        let Some(source) = self.all.get_mut(&read.source).filter(|source| source.page.url == read.page) else { return Outcome::default() };
        let mut outcome = Outcome::default();
        source.reads.interval = read.interval;
        let condition = source.reads.condition(read.at);
        match &read.looked {
            Looked::Unchanged => source.unchanged(read.at, store, &mut outcome),
            Looked::Failed(failed) => source.failed(read.at, failed),
            Looked::Page(fresh) => source.page(read.at, fresh, store, &mut outcome),
        }
        outcome.changed |= condition != source.reads.condition(read.at) || matches!(read.looked, Looked::Failed(_));
        outcome.urgent |= condition != source.reads.condition(read.at);
        outcome.declarations.reads.insert(read.source.clone(), source.reads.clone());
        outcome
    }

    /// Until `at` nobody looked, or another clock was in force.
    pub fn look_anew(&mut self, at: Timestamp) {
        self.all.values_mut().for_each(|source| source.looking_since = at);
    }

    /// Whether something that was read has yet to be compared with what is stored.
    pub fn is_unsettled(&self, source: &SourceId) -> bool {
        self.all.get(source).is_some_and(|source| source.ledger.is_unsettled())
    }

    /// What the vendor declares now; `None` without a page.
    pub fn declared(&self, vendor: &VendorId, now: Timestamp) -> Option<Status> {
        vendor_declared(self.of(vendor).map(|s| s.status(now)))
    }

    /// The declared status, if it is another than the one stored last.
    pub fn declared_anew(&mut self, vendor: &VendorId, now: Timestamp) -> Option<Status> {
        let status = self.declared(vendor, now)?;
        let before = self.declared.get(vendor).copied();
        let down = before.map_or(Duration::ZERO, |before| before.down_until(now));
        if before.is_some_and(|before| before.status == status) {
            return None;
        }
        self.declared.insert(vendor.clone(), Declared { status, since: now, down });
        Some(status)
    }

    /// While no daemon ran nobody knew what was declared: from `last_alive` on it is unknown.
    pub fn forget_declared(&mut self, last_alive: Timestamp) -> Vec<(VendorId, Timestamp, Status)> {
        let mut unknown = Vec::new();
        for (vendor, declared) in self.declared.iter_mut().filter(|(_, d)| d.status.is_known()) {
            let at = last_alive.max(declared.since);
            *declared = Declared { status: Status::Unknown, since: at, down: declared.down_until(at) };
            unknown.push((vendor.clone(), at, Status::Unknown));
        }
        unknown
    }

    /// For how long the vendor declared an outage, as far as it was seen.
    pub fn declared_down(&self, vendor: &VendorId, now: Timestamp) -> Duration {
        self.declared.get(vendor).map_or(Duration::ZERO, |declared| declared.down_until(now))
    }

    /// Lets the reader look more often while something is wrong.
    pub fn heat(&self, vendor: &VendorId, failing: bool) {
        for source in self.of(vendor) {
            source.hot.store(failing || source.concerning().next().is_some(), Ordering::Relaxed);
        }
    }

    /// The next instant after `now` at which time alone changes what is known of a source.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.all.values().flat_map(|s| s.instants()).filter(|at| *at > now).min()
    }
}

fn selection(page: &StatusPage) -> Selection {
    Selection::new(&page.components, &page.groups, &page.regions)
}

impl Source {
    fn new(id: SourceId, page: &StatusPage, stored: Option<StoredSource>, ledger: Ledger, now: Timestamp) -> Source {
        let (reads, state) = stored.map_or((None, None), |s| (s.reads, s.state));
        // Of another page nothing is known yet.
        let state = state.filter(|state| same_place(&page.url, state));
        let reads = reads.filter(|_| state.is_some()).unwrap_or_else(|| Reads::new(page.interval.unwrap_or(FIRST_INTERVAL)));
        Source {
            selection: selection(page),
            editions: ledger.open().map(|(entry, _)| (entry.id, entry.versions)).collect(),
            id,
            page: page.clone(),
            reads,
            state,
            ledger,
            looking_since: now,
            not_a_page: None,
            misplaced: None,
            hot: Arc::default(),
            opened: [0; 4],
        }
    }

    fn subscription(&self) -> Subscription {
        let found = self.state.as_ref().and_then(|state| Some((feeds::format(&state.format)?, Url::parse(&state.document).ok()?)));
        Subscription {
            source: self.id.clone(),
            url: self.page.url.clone(),
            page: self.page.clone(),
            hot: self.hot.clone(),
            // A format that was written goes before one that was found.
            found: found.filter(|(format, _)| self.page.format == "auto" || self.page.format == format.name),
            open: self.ledger.open_ids(),
            import: self.state.as_ref().is_none_or(|state| !state.imported),
        }
    }

    /// What was not ours is not ours now.
    fn unchanged(&mut self, at: Timestamp, store: Option<&Reader>, outcome: &mut Outcome) {
        match &self.misplaced {
            Some(whose) => self.reads.failed(at, whose.clone()),
            None => self.reads.succeeded(at),
        }
        if self.ledger.is_unsettled() {
            let before = |id: Uuid, kind: Kind| store.and_then(|store| store.record(id, kind).ok().flatten());
            let versions = self.ledger.settle(at, before);
            let components = self.components().to_vec();
            self.note(versions, &components, outcome);
            self.restand();
            outcome.declarations.states.extend(self.state.clone().map(|state| (self.id.clone(), state)));
        }
    }

    fn failed(&mut self, at: Timestamp, failed: &Failed) {
        self.reads.failed(at, failed.problem.clone());
        self.not_a_page = (failed.reason == FailedReason::NotAPage).then(|| failed.problem.clone());
        self.misplaced =
            failed.now.map(|now| format!("it is a {now} page now, and the configuration says format = {:?}", self.page.format));
        tracing::debug!(source = %self.id, problem = failed.problem, "a status page could not be read");
    }

    fn page(&mut self, at: Timestamp, fresh: &Fresh, store: Option<&Reader>, outcome: &mut Outcome) {
        if let Some(whose) = self.of_somebody_else(fresh) {
            self.reads.failed(at, whose.clone());
            self.misplaced = Some(whose);
            return;
        }
        self.reads.succeeded(at);
        (self.not_a_page, self.misplaced) = (None, None);
        let before = self.state.take();
        let had_entries = !self.ledger.is_empty();
        let asked = self.page.url.to_string();
        let mut state =
            PageState { asked, ..PageState::after(before.as_ref(), &fresh.live, &fresh.document, &self.selection, had_entries, at) };
        state.imported |= fresh.past;
        let moved_at = state.moved.as_ref().map(|moved| moved.at);
        // Until the past was taken in, what is over was over before anybody looked.
        let first_sight = before.as_ref().is_none_or(|before| !before.imported) || fresh.past;
        self.take_entries(&Reading { at, live: &fresh.live, history: &fresh.history, first_sight, moved_at }, store, outcome);
        let kept = before.as_ref().and_then(|b| b.components.as_deref()).unwrap_or_default();
        let (changed, gone) = component_changes(kept, state.components.as_deref().unwrap_or(kept));
        let version = |component: String, listed| ComponentVersion { source: self.id.clone(), component, observed_at: at, listed };
        outcome.declarations.components.extend(changed.into_iter().map(|c| version(c.id.clone(), Some(c.clone()))));
        outcome.declarations.components.extend(gone.into_iter().map(|id| version(id, None)));
        self.state = Some(state);
        self.restand();
        if self.state != before {
            outcome.declarations.states.extend(self.state.clone().map(|state| (self.id.clone(), state)));
            (outcome.changed, outcome.urgent) = (true, true);
        }
    }

    /// At the same address stands the page of another vendor: nothing on it is about this one.
    fn of_somebody_else(&self, fresh: &Fresh) -> Option<String> {
        let state = self.state.as_ref()?;
        let (was, is) = (state.name.as_ref()?, fresh.live.name.as_ref()?);
        let kept = state.components.as_deref().unwrap_or_default();
        let shared = fresh.live.components.iter().any(|c| kept.iter().any(|k| k.id == c.id));
        // A page that moved to another engine keeps its name, one that was renamed keeps its components.
        (was != is && !shared).then(|| format!("it is the page of {is:?} now, and was the page of {was:?}"))
    }

    fn take_entries(&mut self, reading: &Reading, store: Option<&Reader>, outcome: &mut Outcome) {
        if reading.moved_at.is_some()
            && let Some(kept) = store.and_then(|store| store.records_of(&self.id).ok())
        {
            self.ledger.recognise(&kept, reading);
        }
        let before = |id: Uuid, kind: Kind| store.and_then(|store| store.record(id, kind).ok().flatten());
        let versions = self.ledger.read(reading, before, Uuid::now_v7);
        self.note(versions, &reading.live.components, outcome);
    }

    fn note(&mut self, versions: Vec<Version>, components: &[Component], outcome: &mut Outcome) {
        for version in versions {
            self.log(&version);
            let concerns = self.selection.concerns(version.record.touches(), components);
            if version.number == 1 && version.record.kind() == Kind::Incident && !version.imported && concerns {
                self.opened[place_of(version.record.impact())] += 1;
            }
            match version.record.is_over() {
                true => drop(self.editions.remove(&version.id)),
                false => drop(self.editions.insert(version.id, version.number)),
            }
            outcome.declarations.versions.push(StoredVersion { source: self.id.clone(), version, concerns });
            (outcome.changed, outcome.urgent) = (true, true);
        }
    }

    fn log(&self, v: &Version) {
        let (source, incident, title) = (&self.id, v.id, v.record.title());
        if v.imported {
            tracing::debug!(%source, %incident, title, "taken in from the past of the page");
        } else {
            let stage = v.record.stage().map_or("", |s| s.as_str());
            tracing::info!(%source, %incident, version = v.number, kind = %v.record.kind(), title, stage, "the vendor declares");
        }
    }

    /// After a change of the filter: what concerns us, and what the page amounts to.
    fn refilter(&mut self, declarations: &mut Declarations) {
        let components = self.components().to_vec();
        let open = self.ledger.open().map(|(entry, record)| (entry.id, self.selection.concerns(record.touches(), &components)));
        declarations.concerns.extend(open);
        let before = self.state.clone();
        if let Some(state) = &mut self.state {
            let listed = state.components.as_deref().unwrap_or_default();
            state.unmatched = if self.selection.is_all() { Vec::new() } else { self.selection.unmatched(listed) };
        }
        self.restand();
        if self.state != before {
            declarations.states.extend(self.state.clone().map(|state| (self.id.clone(), state)));
        }
    }

    fn restand(&mut self) {
        let Some(state) = &self.state else { return };
        let open: Vec<&Incident> = self.concerning().map(|(_, _, incident)| incident).collect();
        let standing = Standing::of(state.components.as_deref(), &self.selection, state.overall, open);
        if let Some(state) = &mut self.state {
            state.standing = standing;
        }
    }

    fn components(&self) -> &[Component] {
        self.state.as_ref().and_then(|s| s.components.as_deref()).unwrap_or_default()
    }

    /// The open incidents that touch what we use: our id, the number of the version, the incident.
    pub fn concerning(&self) -> impl Iterator<Item = (Uuid, u32, &Incident)> {
        self.ledger.open().filter_map(|(entry, record)| match record {
            Record::Incident(i) if self.selection.concerns(&i.touches, self.components()) => Some((entry.id, entry.versions, i)),
            _ => None,
        })
    }

    /// What it says now of what we use; what is too old says nothing.
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            Some(state) if self.reads.is_believed(now) => state.standing.status(),
            _ => Status::Unknown,
        }
    }

    /// When time alone changes what is known of it.
    fn instants(&self) -> impl Iterator<Item = Timestamp> {
        let believed = self.reads.believed_until().map(|until| until + Duration::from_millis(1));
        let blind = self.reads.failing_since.or(believed).unwrap_or(self.looking_since);
        [believed, Some(blind + self.page.stale_after), Some(blind.max(self.looking_since) + self.page.stale_after)].into_iter().flatten()
    }

    /// Of the names that metrics know.
    pub fn format(&self) -> &str {
        self.state.as_ref().map_or(&self.page.format, |state| &state.format)
    }

    pub fn figures(&self, now: Timestamp) -> PageFigures {
        let labels = format!("vendor=\"{}\",source=\"{}\"", escape(self.id.vendor.as_str()), escape(&self.id.name));
        let mut open = [0; 4];
        let mut oldest_open = None;
        let mut incidents = Vec::new();
        for (id, _, incident) in self.concerning() {
            open[place_of(incident.impact)] += 1;
            oldest_open = oldest_open.into_iter().chain(incident.started_at).min();
            incidents.push(open_incident(id, incident));
        }
        incidents.sort_by_key(|incident| std::cmp::Reverse(incident.started_at));
        PageFigures {
            source: self.id.name.clone(),
            labels_format: format!("{labels},format=\"{}\"", escape(self.format())).into(),
            labels: labels.into(),
            reads: self.reads.clone(),
            standing: self.state.as_ref().map(|s| s.standing),
            open,
            opened: self.opened,
            oldest_open,
            incidents,
            announced: self.announced(now),
            components: self.watched(),
        }
    }

    /// Work that concerns us and has not ended, the next first.
    fn announced(&self, now: Timestamp) -> Vec<Announced> {
        let work = self.ledger.open().filter_map(|(entry, record)| match record {
            Record::Maintenance(m) if self.selection.concerns(&m.touches, self.components()) => {
                Some(Announced { id: entry.id, title: m.title.as_str().into(), starts_at: m.starts_at?, ends_at: m.ends_at })
            }
            _ => None,
        });
        let mut work: Vec<Announced> = work.filter(|work| work.ends_at.unwrap_or(work.starts_at) > now).collect();
        work.sort_by_key(|work| work.starts_at);
        work
    }

    /// A series for each component that is ours, where that is wanted.
    fn watched(&self) -> Vec<ComponentFigures> {
        if !self.page.watch_components {
            return Vec::new();
        }
        let shown = |c: &Component| c.group.as_ref().map_or(c.name.clone(), |group| format!("{group} / {}", c.name));
        let mut by_name: BTreeMap<String, Status> = BTreeMap::new();
        for c in self.components().iter().filter(|c| self.selection.takes(c)) {
            // Two of one name are one series: the worse.
            let worst = by_name.entry(shown(c)).or_insert(c.status);
            *worst = Status::worst([*worst, c.status]).unwrap_or(Status::Unknown);
        }
        let vendor = escape(self.id.vendor.as_str());
        let series = |(name, status): (String, Status)| ComponentFigures {
            labels: format!("vendor=\"{vendor}\",component=\"{}\"", escape(&name)).into(),
            status,
        };
        by_name.into_iter().map(series).collect()
    }
}

fn open_incident(id: Uuid, incident: &Incident) -> OpenIncident {
    OpenIncident {
        id,
        title: incident.title.as_str().into(),
        impact: incident.impact,
        stage: incident.stage,
        started_at: incident.started_at,
        touches: incident.touches.iter().map(|touched| touched.name.clone()).collect(),
    }
}

/// In arrays by impact; unstated counts as minor.
fn place_of(impact: Option<Impact>) -> usize {
    impact.unwrap_or(Impact::Minor) as usize
}

/// Whether what is known is about the page at `url`: a source whose address was changed begins anew. A page and one of its
/// documents are the same place.
fn same_place(url: &Url, state: &PageState) -> bool {
    let page = feeds::page_address(url);
    let asked = Url::parse(&state.asked).ok();
    let document = Url::parse(&state.document).ok();
    asked.is_some_and(|asked| feeds::page_address(&asked) == page)
        || document.is_some_and(|document| feeds::candidates(&page, None).contains(&document) || document == *url)
}
