//! The recorder: the only writer of history. A thread of its own, because SQLite blocks.
//!
//! It takes what probes saw and what receivers answered, asks the core what follows, and writes all of it in one
//! transaction. Only after the commit does anybody else hear of it: the board is updated, the dispatcher woken.
//! While the store refuses, what was seen waits in memory (`commits`); probing goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::alerts::{self, Desk};
use super::commits::Commits;
use super::fleet::{Fleet, registrations};
use super::inputs::{Attempted, Input, Reloaded, Saw, Scheduled, Taken};
use super::look::Looked;
use super::pulse::{Part, Pulse};
use super::reader::Read;
use super::sources::Sources;
use super::watch::{ClockWatch, Odd};
use crate::blame::{self, Opinions};
use crate::clock::{self, Reading};
use crate::config::Config;
use crate::health::{self, Absence, Run};
use crate::incidents::{self, OutageChange};
use crate::model::{Alert, Delivery, DeliveryState, Observation, Outage, Outcome, PageVersion, State, Timestamp, Uuid, VendorId};
use crate::routing::Book;
use crate::store::packing::Step;
use crate::store::{
    CheckKey, Damaged, EvidenceWrite, Heartbeat, JournalRow, Reader, Registered, SeenThen, StoreError, StoredEvent, StoredVersion, Writer,
};
use crate::telemetry::Telemetry;
use crate::web::board::{Board, Waiting, escape};

/// Inputs that one batch takes at most, so that a commit stays short.
const BATCH_INPUTS_MAX: usize = 2_000;
const HEARTBEAT_EVERY: Duration = Duration::from_secs(10);
/// How many results a restart has to fold at most: 5 minutes of 10,000 checks at 10 s.
const CHECKPOINT_RESULTS: i64 = 300_000;
/// Of a small fleet: states are a page each, and a result that causes one to be written would cost several times its own.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1_800);
/// Absences that a later gap can overlap.
const ABSENCES_MAX: usize = 100;

/// Deliveries that were committed: new, changed, or done.
pub type Outbox = mpsc::UnboundedSender<Vec<Delivery>>;

pub struct Recorder {
    commits: Commits,
    config: Arc<Config>,
    fleet: Fleet,
    sources: Sources,
    book: Book,
    board: Arc<Board>,
    telemetry: Telemetry,
    outbox: Outbox,
    absences: Vec<Absence>,
    opinions: Opinions,
    clocks: ClockWatch,
    next_seq: i64,
    touched: BTreeSet<CheckKey>,
    /// Of these, what changed its state.
    changed: BTreeSet<CheckKey>,
    /// Vendors, by their place, whose pages are to be shown anew.
    pages_touched: BTreeSet<usize>,
    /// Up to when what time does to pages was looked at.
    pages_judged: Timestamp,
    /// The fleet is another one than the board shows.
    reshaped: bool,
    last_heartbeat: Instant,
    /// The wall clock at it. Time after it may not be counted as seen: the next daemon will not know of it.
    alive: Timestamp,
    last_checkpoint: Instant,
    /// The next number at it.
    checkpointed: i64,
    upkeep: Option<Upkeep>,
    damaged: Option<String>,
    /// What lies beside the database, as it was looked at once.
    beside: Option<Damaged>,
    /// What people know of the disk.
    told_full: bool,
}

/// A step that waits until nothing else does, and who waits for it.
type Upkeep = (Step, oneshot::Sender<Result<usize, StoreError>>);

impl Recorder {
    /// Joins configuration and history. Writes: vendors and checks are registered.
    pub fn start(
        mut writer: Writer,
        config: Arc<Config>,
        board: Arc<Board>,
        telemetry: Telemetry,
        outbox: Outbox,
    ) -> Result<(Recorder, Reloaded), StoreError> {
        let now = clock::reading();
        let boot_id = clock::boot_id();
        let reader = writer.reader()?;
        let mut loaded = reader.load()?;
        let registered = writer.register(&registrations(&config), &config.agent.location, now.wall)?;
        if loaded.heartbeat.as_ref().is_some_and(|h| h.boot_id != boot_id) {
            loaded.checks.iter_mut().for_each(|c| c.state.forget_boot_clock());
        }
        let outages = reader.latest_outages(&boot_id)?;
        let stored: HashMap<CheckKey, _> = loaded.checks.iter().map(|c| (c.key, c.clone())).collect();
        let mut fleet = Fleet::default().reconfigured(&config, &registered, stored, &outages);
        fleet.seed_counters(&loaded.checks, &reader, now.wall)?;
        fleet.resume_evidence(&reader)?;
        let mut sources = Sources::default();
        let refiltered = sources.reconfigured(&config, reader.sources()?, &reader, now.wall)?;
        let (alerts, deliveries, last_delivery) = reader.book()?;
        let mut recorder = Recorder {
            book: Book::load(alerts, deliveries, last_delivery),
            absences: loaded.absences,
            clocks: ClockWatch::new(now),
            next_seq: loaded.next_seq,
            commits: Commits::new(writer, telemetry.clone(), config.store.commit_within),
            config,
            fleet,
            sources,
            board,
            telemetry,
            outbox,
            opinions: Opinions::new(),
            touched: BTreeSet::new(),
            changed: BTreeSet::new(),
            pages_touched: BTreeSet::new(),
            pages_judged: now.wall,
            reshaped: false,
            last_heartbeat: clock::instant(),
            alive: now.wall,
            last_checkpoint: clock::instant(),
            checkpointed: loaded.next_seq,
            upkeep: None,
            damaged: None,
            beside: None,
            told_full: false,
        };
        recorder.note_absence(loaded.heartbeat.as_ref(), now);
        // What leaves the configuration now is not folded again by later readers: where it stood is written down.
        for stood in loaded.checks.iter().filter(|c| c.retired_at.is_none()) {
            recorder.commits.state(stood.key, stood.through_seq, &stood.state);
        }
        recorder.commits.declared(refiltered, true);
        if let Some(alive) = loaded.heartbeat.as_ref() {
            let unknown = recorder.sources.forget_declared(alive.wall.min(now.wall));
            recorder.commits.add(true).declared.statuses.extend(unknown);
        }
        recorder.end_gone(&outages, now);
        recorder.settle(&registered, now);
        recorder.judge_store();
        recorder.beat(now, false);
        recorder.take_over()?;
        let scheduled = recorder.scheduled();
        let pages = recorder.sources.subscriptions();
        Ok((recorder, Reloaded { checks: scheduled, pages }))
    }

    /// The pending deliveries of the store, for the dispatcher.
    pub fn pending(&self) -> Vec<Delivery> {
        self.book.pending().cloned().collect()
    }

    /// Runs until `Stop`. Everything that was taken before it is durable when this returns, unless the store refuses.
    pub fn run(mut self, inputs: &Taken, pulse: &Pulse) -> Result<(), StoreError> {
        let _abort = AbortOnPanic;
        loop {
            pulse.turned(Part::Recorder);
            let stop = self.gather(inputs);
            self.tick();
            if stop || self.commits.due().is_some_and(|due| due <= clock::instant()) {
                match self.commit() {
                    Err(error) if error.is_passing() && !stop => tracing::warn!(%error, "the store refuses; results wait in memory"),
                    outcome => outcome?,
                }
            }
            if stop {
                return self.commits.close();
            }
            self.keep_up();
            if let Some(what) = self.damaged.take() {
                return Err(StoreError::Corrupt(what));
            }
        }
    }

    /// One step of upkeep, after what cannot wait.
    fn keep_up(&mut self) {
        let Some((step, answer)) = self.upkeep.take() else { return };
        let outcome = self.commits.upkeep(&step);
        if let Err(StoreError::Corrupt(what)) = &outcome {
            self.damaged = Some(what.clone());
        }
        // Whoever asked may have been told to stop.
        let _ = answer.send(outcome);
    }

    /// Takes inputs until a batch or the heartbeat is due. Returns whether to stop.
    fn gather(&mut self, inputs: &Taken) -> bool {
        let heartbeat = self.last_heartbeat + HEARTBEAT_EVERY;
        let due = self.commits.due();
        let until = due.map_or(heartbeat, |due| due.min(heartbeat)).min(self.page_instant());
        inputs.wait(until.saturating_duration_since(clock::instant()), due.is_none());
        self.watch_clocks();
        for input in std::iter::from_fn(|| inputs.at_hand()).take(BATCH_INPUTS_MAX) {
            if self.take(input) {
                return true;
            }
        }
        false
    }

    /// Takes one input into the batch. Returns whether it was `Stop`.
    fn take(&mut self, input: Input) -> bool {
        match input {
            Input::Saw(saw) => self.saw(saw),
            Input::Read(read) => self.read(&read),
            Input::Attempted(attempted) => self.attempted(attempted),
            Input::Suspended { receiver, suspension } => {
                if suspension.is_none() {
                    self.with_desk(self.clocks.last().wall, |desk, _| desk.end_failing(&receiver));
                }
                self.commits.add(true).suspensions.push((receiver, suspension));
            }
            Input::Reload { config, answer } => {
                let _ = answer.send(self.reload(config));
            }
            Input::Upkeep { step, answer } => self.upkeep = Some((step, answer)),
            Input::Damaged(what) => self.damaged = Some(what),
            Input::Stop => {
                self.beat(clock::reading(), true);
                self.checkpoint();
                return true;
            }
        }
        false
    }

    fn saw(&mut self, mut saw: Saw) {
        if blame::is_our_clock(saw.observation.reason, &self.opinions) {
            saw.observation.outcome = Outcome::Unknown;
        }
        let Some(watched) = self.fleet.checks.get_mut(&saw.key) else { return };
        let o = &saw.observation;
        let run = Run { at: saw.at, boot: saw.boot, outcome: o.outcome, reason: o.reason, duration: o.duration };
        let open = watched.state.open;
        let is_first = watched.state.first_at.is_none();
        let folded = health::fold(&mut watched.state, &watched.terms, &run, &self.absences);
        watched.saw(o);
        watched.note(&folded.segments, open);
        self.telemetry.check_duration.with_label_values(&[watched.kind]).observe(o.duration.as_secs_f64());
        let (key, at) = (saw.key, watched.state.last.map_or(saw.at, |last| last.at));
        let (terms_id, counts) = (watched.terms_id, watched.severity().is_some());
        let (vendor_clock, ends) = (o.detail.vendor_clock, o.detail.ends_at().is_some());
        if o.detail.version.as_ref().is_some_and(|version| version.difference.is_some()) {
            tracing::info!(check = %watched.id, change = o.detail.message, "page changed");
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        if folded.is_urgent() {
            self.commits.state(key, seq, &watched.state);
            self.commits.add(true).segments.extend(folded.segments.iter().map(|write| (key, *write)));
        }
        self.keep_evidence(key, seq, at, &saw.observation, folded.change.is_some());
        self.commits.run(JournalRow { seq, terms_id, at, observation: saw.observation });

        let Some(place) = self.fleet.vendor_of(key) else { return };
        self.touched.insert(key);
        // Of a vendor with a thousand checks each would look at all of them, a thousand times at the first start.
        let adds_nothing = is_first && folded.change.is_some_and(|change| change.to == State::Up) && counts && self.is_calm(place);
        if folded.is_urgent() {
            self.changed.insert(key);
        }
        if folded.is_urgent() && !adds_nothing {
            self.heat(place);
        }
        let now = Reading { wall: at.max(self.clocks.last().wall), ..self.clocks.last() };
        self.hear_clock(place, vendor_clock, saw.at);
        if let Some(change) = folded.change {
            let check = self.fleet.checks.get(&key).map(|c| c.id.to_string()).unwrap_or_default();
            let from = change.from.map_or("new", |s| s.as_str());
            tracing::info!(check, from, to = change.to.as_str(), reason = change.reason.as_str(), since = %change.at, "state changed");
            if adds_nothing {
                self.fleet.vendors[place].measured.get_or_insert(State::Up);
            } else {
                self.judge_vendor(place, now);
            }
        }
        if ends {
            self.with_desk(self.clocks.last().wall, |desk, fleet| desk.judge_end(fleet, key));
        }
    }

    /// The first and the last failing runs of an outage are kept with what was seen in them.
    fn keep_evidence(&mut self, key: CheckKey, seq: i64, at: Timestamp, observation: &Observation, changed: bool) {
        let Some(watched) = self.fleet.checks.get_mut(&key) else { return };
        let mut writes = Vec::new();
        if observation.outcome == Outcome::Down {
            let (nth, gone) = watched.episode.failed(seq);
            let seen = Box::new(SeenThen::of(observation));
            writes.push(EvidenceWrite::Keep { key, seq, nth, at, reason: observation.reason, seen });
            writes.extend(gone.map(|seq| EvidenceWrite::Drop { key, seq }));
        } else if observation.outcome == Outcome::Up
            && watched.state.confirmed.is_some_and(|c| c.state == State::Up)
            && !watched.state.suspect()
        {
            writes.extend(watched.episode.over(changed).into_iter().map(|seq| EvidenceWrite::Drop { key, seq }));
        }
        if !writes.is_empty() {
            self.commits.add(false).evidence.extend(writes);
        }
    }

    /// What a page said, or that it could not be read.
    fn read(&mut self, read: &Read) {
        let Some(place) = self.fleet.place_of(&read.source.vendor) else { return };
        let brings = matches!(read.looked, Looked::Page(_)) || self.sources.is_unsettled(&read.source);
        // What is over is compared with what is stored; what waits for the store is not there yet.
        let stored = brings && self.commit().is_ok();
        let reader = if stored { self.commits.writer().reader().ok() } else { None };
        let outcome = self.sources.read(read, reader.as_ref());
        let versions = outcome.declarations.versions.clone();
        self.commits.declared(outcome.declarations, outcome.urgent);
        self.pages_touched.insert(place);
        if outcome.changed {
            self.judge_pages(place, &versions);
        }
    }

    /// The declared status, and every alert about the pages of a vendor.
    fn judge_pages(&mut self, place: usize, read: &[StoredVersion]) {
        let now = self.clocks.last().wall.max(clock::now());
        let vendor = &mut self.fleet.vendors[place];
        vendor.declared = self.sources.declared(&vendor.id, now);
        if let Some(status) = self.sources.declared_anew(&vendor.id, now) {
            tracing::info!(vendor = %vendor.id, declared = %status, "declared status changed");
            self.commits.add(true).declared.statuses.push((vendor.id.clone(), now, status));
        }
        self.heat(place);
        let mut desk = Desk { book: &mut self.book, config: &self.config, clock_error: blame::clock_error(&self.opinions), now };
        desk.judge_pages(&self.fleet.vendors[place], &self.sources, read);
        self.take_told();
        self.pages_touched.insert(place);
    }

    /// A vendor that fails, or declares that it does, is asked more often.
    fn heat(&self, place: usize) {
        let failing =
            self.fleet.checks_of(place).any(|c| c.severity().is_some() && (c.state.suspect() || c.gives().is_some_and(|s| s != State::Up)));
        self.sources.heat(&self.fleet.vendors[place].id, failing);
    }

    /// Time alone made something of a page unknown, or of a blind spot an alert.
    fn watch_pages(&mut self) {
        let now = clock::now();
        if self.sources.next_change(self.pages_judged).is_none_or(|due| due > now) {
            return;
        }
        self.pages_judged = now;
        self.judge_all_pages();
    }

    fn judge_all_pages(&mut self) {
        for place in 0..self.fleet.vendors.len() {
            // One that has none any more declares nothing from now on.
            let vendor = &self.fleet.vendors[place];
            if vendor.declared.is_some() || self.sources.of(&vendor.id).next().is_some() {
                self.judge_pages(place, &[]);
            }
        }
    }

    /// When to look at the pages again without having heard of them.
    fn page_instant(&self) -> Instant {
        let due = self.sources.next_change(self.pages_judged);
        clock::instant() + due.map_or(HEARTBEAT_EVERY, |due| due.since(clock::now()))
    }

    /// A vendor's `Date` is a second opinion on our clock.
    fn hear_clock(&mut self, place: usize, theirs: Option<Timestamp>, ours: Timestamp) {
        let Some(theirs) = theirs else { return };
        let before = blame::clock_error(&self.opinions);
        self.opinions.insert(self.fleet.vendors[place].id.clone(), theirs.millis_since(ours));
        let after = blame::clock_error(&self.opinions);
        if before.is_some() != after.is_some() {
            self.with_desk(ours, |desk, _| desk.judge_clock(after));
        }
    }

    /// Nothing about the vendor's checks is told or going on: one more that is well changes nothing of it.
    fn is_calm(&self, place: usize) -> bool {
        let vendor = &self.fleet.vendors[place];
        let told = |alert: &Alert| alert.identity.vendor.as_ref() == Some(&vendor.id);
        vendor.outage.as_ref().is_none_or(|outage| outage.ended_at.is_some()) && !self.book.firing().any(told)
    }

    /// What became of a vendor's outage and its alerts.
    fn judge_vendor(&mut self, place: usize, now: Reading) {
        self.fleet.vendors[place].measured = incidents::confirmed_state(&self.fleet.counting(place, None));
        let vendor = &self.fleet.vendors[place];
        let checks = self.fleet.counting(place, None);
        let at = incidents::Now { wall: now.wall, boot: now.boot };
        let change = incidents::outage(&vendor.id, vendor.outage.as_ref(), &checks, vendor.merge_gap, blame::judge(), at, Uuid::now_v7);
        if let Some(change) = change {
            alerts::log_outage(&change);
            let vendor = &mut self.fleet.vendors[place];
            vendor.outages_begun += u64::from(matches!(change, OutageChange::Opened(_)));
            vendor.outage = Some(change.outage().clone());
            let outages = &mut self.commits.add(true).outages;
            outages.retain(|o| o.id != change.outage().id);
            outages.push(change.outage().clone());
        }
        // Not `now`: in an hour that repeats itself, messages would wait for the end of it.
        self.with_desk(self.clocks.last().wall, |desk, fleet| desk.judge_vendor(fleet, place));
    }

    /// Lets the book take in what holds now, with this instant's routes.
    fn with_desk(&mut self, now: Timestamp, work: impl FnOnce(&mut Desk, &Fleet)) {
        let mut desk = Desk { book: &mut self.book, config: &self.config, clock_error: blame::clock_error(&self.opinions), now };
        work(&mut desk, &self.fleet);
        self.take_told();
    }

    fn take_told(&mut self) {
        self.bury_orphans();
        let changes = self.book.take_changes();
        if !changes.is_empty() {
            self.commits.told(changes);
        }
    }

    fn attempted(&mut self, attempted: Attempted) {
        let delivery = attempted.attempt.delivery;
        let Some(before) = self.book.pending().find(|d| d.seq == delivery).cloned() else { return };
        let kind = self.config.receivers.iter().find(|r| r.name == before.receiver).map_or("unknown", |r| r.kind);
        let labels = [before.receiver.as_str(), kind];
        self.telemetry.delivery_attempts.with_label_values(&labels).inc();
        if let Some(reason) = attempted.failure {
            self.telemetry.delivery_attempts_failed.with_label_values(&[labels[0], labels[1], reason]).inc();
        }
        let now = attempted.attempt.at;
        self.commits.add(true).attempts.push((attempted.attempt.clone(), before.attempts + 1));
        if let Some(done) = self.book.attempted(&attempted.attempt) {
            let dead = done.state == DeliveryState::Dead;
            if dead {
                let reason = attempted.failure.unwrap_or("client_error");
                self.telemetry.deliveries_dead.with_label_values(&[labels[0], labels[1], reason]).inc();
                tracing::error!(delivery = %done.id, receiver = done.receiver, error = done.last_error.as_deref().unwrap_or(""), "a delivery was given up");
            }
            self.with_desk(now, |desk, _| {
                desk.judge_receiver(&done, dead);
                desk.tell_rest(&done, attempted.alerts);
            });
        }
        self.take_told();
    }

    /// What time brings: heartbeat, reminders, checks that no longer flap, checkpoints.
    fn tick(&mut self) {
        self.watch_clocks();
        self.watch_pages();
        let now = clock::instant();
        if now.duration_since(self.last_heartbeat) < HEARTBEAT_EVERY {
            return;
        }
        let reading = self.clocks.last();
        self.beat(reading, false);
        self.end_flapping(reading);
        self.with_desk(reading.wall, |desk, _| desk.remind());
        self.fleet.advance_counters(reading.wall);
        self.telemetry.store_size.set(crate::store::size_bytes(self.commits.writer().path()) as i64);
        self.judge_store();
        // The room that a full disk has left is for what changes.
        let due = now.duration_since(self.last_checkpoint) >= CHECKPOINT_EVERY || self.next_seq - self.checkpointed > CHECKPOINT_RESULTS;
        if due && !self.commits.is_full() {
            self.checkpoint();
        }
    }

    /// What the disk says of the database.
    fn judge_store(&mut self) {
        let path = self.commits.writer().path().to_owned();
        if Damaged::file_beside(&path).as_ref() != self.beside.as_ref().map(|damaged| &damaged.file) {
            self.beside = Damaged::beside(&path);
        }
        self.told_full = self.commits.is_full();
        let (damaged, full) = (self.beside.clone(), self.told_full);
        self.with_desk(self.clocks.last().wall, |desk, _| desk.judge_store(damaged.as_ref(), full));
    }

    fn beat(&mut self, now: Reading, stopped: bool) {
        (self.last_heartbeat, self.alive) = (clock::instant(), now.wall);
        let heartbeat = Heartbeat { wall: now.wall, boot: now.boot, mono: now.mono, boot_id: clock::boot_id(), stopped };
        self.commits.add(false).heartbeat = Some(heartbeat);
    }

    fn end_flapping(&mut self, now: Reading) {
        for place in 0..self.fleet.vendors.len() {
            let id = alerts::flapping_identity(&self.fleet.vendors[place].id);
            if self.book.is_firing(&id) {
                self.with_desk(now.wall, |desk, fleet| desk.judge_vendor(fleet, place));
            }
        }
    }

    /// Writes every state down, so that a restart has little to fold.
    fn checkpoint(&mut self) {
        (self.last_checkpoint, self.checkpointed) = (clock::instant(), self.next_seq);
        let through = self.next_seq - 1;
        for (key, watched) in &self.fleet.checks {
            self.commits.state(*key, through, &watched.state);
        }
    }

    fn watch_clocks(&mut self) {
        if let Some(odd) = self.clocks.look(clock::reading()) {
            self.note_odd(odd);
        }
    }

    fn note_odd(&mut self, odd: Odd) {
        tracing::warn!(kind = odd.kind, from = %odd.from, to = %odd.to, "{}", odd.detail);
        self.absences.extend(odd.absence());
        self.sources.look_anew(odd.to);
        if self.absences.len() > ABSENCES_MAX {
            self.absences.remove(0);
        }
        if odd.step_ms != 0 {
            self.follow_step(odd.step_ms);
        }
        self.commits.add(true).events.push(StoredEvent { kind: odd.kind, from: odd.from, to: odd.to, detail: odd.detail });
    }

    /// What was to happen in five minutes happens in five minutes, and what vendors said of our clock was said of another one.
    fn follow_step(&mut self, step_ms: i64) {
        self.book.clock_stepped(step_ms);
        self.opinions.clear();
        self.with_desk(self.clocks.last().wall, |desk, _| desk.judge_clock(None));
    }

    /// Since the last heartbeat no daemon ran.
    fn note_absence(&mut self, heartbeat: Option<&Heartbeat>, now: Reading) {
        if let Some(odd) = heartbeat.and_then(|h| Odd::since_heartbeat(h, now)) {
            self.note_odd(odd);
        }
    }

    /// Makes `config` the configuration in force: registers it, keeps what is unchanged, ends what is gone.
    fn reload(&mut self, config: Arc<Config>) -> Result<Reloaded, StoreError> {
        let now = self.clocks.last();
        self.fleet.advance_counters(now.wall);
        // What was seen under the old terms is written under them, and where everything stood that may leave now.
        self.checkpoint();
        self.commit()?;
        let registered = self.commits.writer().register(&registrations(&config), &config.agent.location, now.wall)?;
        let reader = self.commits.writer().reader()?;
        let loaded = reader.load()?;
        let outages = reader.latest_outages(&clock::boot_id())?;
        let stored = loaded.checks.into_iter().map(|c| (c.key, c)).collect();
        let refiltered = self.sources.reconfigured(&config, reader.sources()?, &reader, now.wall)?;
        self.fleet = std::mem::take(&mut self.fleet).reconfigured(&config, &registered, stored, &outages);
        self.commits.commit_within = config.store.commit_within;
        self.config = config;
        self.opinions.retain(|vendor, _| self.fleet.vendors.iter().any(|v| v.id == *vendor));
        self.commits.declared(refiltered, true);
        self.end_gone(&outages, now);
        self.settle(&registered, now);
        self.take_over()?;
        Ok(Reloaded { checks: self.scheduled(), pages: self.sources.subscriptions() })
    }

    /// Commits what follows from a configuration that is in force now. What the store refuses waits like everything else.
    fn take_over(&mut self) -> Result<(), StoreError> {
        self.reshaped = true;
        match self.commit() {
            Err(error) if error.is_passing() => tracing::warn!(%error, "the store refuses; what the configuration changed waits in memory"),
            committed => committed?,
        }
        Ok(())
    }

    /// Outages of vendors that the configuration no longer has end now.
    fn end_gone(&mut self, outages: &BTreeMap<VendorId, Outage>, now: Reading) {
        let watched: BTreeSet<VendorId> = self.fleet.vendors.iter().map(|v| v.id.clone()).collect();
        let at = incidents::Now { wall: now.wall, boot: now.boot };
        for open in outages.values().filter(|o| o.ended_at.is_none() && !watched.contains(&o.vendor)) {
            if let Some(change) = incidents::outage(&open.vendor, Some(open), &[], Duration::ZERO, open.blame, at, Uuid::now_v7) {
                alerts::log_outage(&change);
                self.commits.add(true).outages.push(change.outage().clone());
            }
        }
    }

    /// Brings states, outages and alerts in line with the configuration in force.
    fn settle(&mut self, registered: &[Registered], now: Reading) {
        for key in registered.iter().map(|r| r.key) {
            let Some(watched) = self.fleet.checks.get_mut(&key) else { continue };
            if !watched.terms.enabled {
                health::pause(&mut watched.state, now.wall);
            }
            // The stored state follows the terms: rows after it are folded under those they name.
            self.commits.state(key, self.next_seq - 1, &watched.state);
        }
        for place in 0..self.fleet.vendors.len() {
            self.judge_vendor(place, now);
        }
        self.judge_all_pages();
        let mut desk = Desk { book: &mut self.book, config: &self.config, clock_error: blame::clock_error(&self.opinions), now: now.wall };
        desk.end_unknown(&self.fleet, &self.sources);
        self.take_told();
        self.commits.add(true);
    }

    /// A resolve goes where its firing went, also after that receiver left the configuration: there it is dead, visibly.
    fn bury_orphans(&mut self) {
        let receivers = &self.config.receivers;
        self.book.bury(|receiver| receivers.iter().any(|r| r.name == receiver));
    }

    fn scheduled(&mut self) -> Vec<Scheduled> {
        let has_pages = self.fleet.checks.values().any(|watched| watched.kind == "page");
        let reader = has_pages.then(|| self.commits.writer().reader().ok()).flatten();
        let checks = self.config.vendors.iter().enumerate().flat_map(|(v, vendor)| (0..vendor.checks.len()).map(move |c| (v, c)));
        let by_id: HashMap<_, _> = self.fleet.checks.values().map(|w| (w.id.clone(), w)).collect();
        checks
            .filter_map(|(vendor, check)| {
                let watched = by_id.get(&self.config.vendors[vendor].checks[check].id)?;
                watched.terms.enabled.then(|| Scheduled {
                    key: watched.key,
                    vendor,
                    check,
                    hint: watched.hint.clone(),
                    last_run: watched.state.last.map(|last| last.at),
                    known: reader.as_ref().filter(|_| watched.kind == "page").and_then(|reader| known_page(reader, watched.key)),
                })
            })
            .collect()
    }

    /// Makes everything durable that waits, then lets everybody see it. What was refused is not shown.
    fn commit(&mut self) -> Result<(), StoreError> {
        let mut committed = Vec::new();
        let outcome = self.commits.commit(&mut committed);
        let told = !committed.is_empty();
        if told {
            // Without a dispatcher the daemon is stopping; the deliveries wait in the store.
            let _ = self.outbox.send(committed);
        }
        outcome?;
        if self.commits.is_full() != self.told_full {
            self.judge_store();
        }
        if std::mem::take(&mut self.reshaped) {
            self.publish_all();
        } else {
            self.publish(told);
        }
        Ok(())
    }

    fn publish(&mut self, told: bool) {
        // A plain result that is held back on a full disk is not shown either; what changed was stored.
        let held =
            if self.commits.is_full() { self.touched.extract_if(.., |key| !self.changed.contains(key)).collect() } else { BTreeSet::new() };
        self.changed.clear();
        let checks: Vec<_> =
            std::mem::replace(&mut self.touched, held).into_iter().filter_map(|key| self.fleet.check_figures(key)).collect();
        let stores = !self.commits.is_full();
        let places: BTreeSet<usize> = checks.iter().map(|(place, _, _)| *place).collect();
        let now = clock::now();
        let outages: Vec<_> = places.into_iter().map(|place| (place, self.fleet.open_outage(place))).collect();
        let pages: Vec<_> = std::mem::take(&mut self.pages_touched)
            .into_iter()
            .map(|place| (place, self.fleet.page_figures(place, &self.sources, now)))
            .collect();
        let counters: Vec<_> =
            (0..self.fleet.vendors.len()).map(|place| self.fleet.vendor_counters(place, &self.sources, self.alive)).collect();
        let alerts = told.then(|| (self.firing_counts(), self.waiting()));
        self.board.update(|figures| {
            for (place, position, check) in checks {
                if let Some(slot) = figures.vendors.get_mut(place).and_then(|v| v.checks.get_mut(position)) {
                    *slot = check;
                }
            }
            for (place, outage) in outages {
                if let Some(vendor) = figures.vendors.get_mut(place) {
                    vendor.outage = outage;
                }
            }
            for (place, pages) in pages {
                if let Some(vendor) = figures.vendors.get_mut(place) {
                    vendor.pages = pages;
                }
            }
            for (vendor, counters) in figures.vendors.iter_mut().zip(counters) {
                vendor.counters = counters;
            }
            if stores {
                figures.committed_at = Some(now);
            }
            if let Some((firing, waiting)) = alerts {
                (figures.alerts_firing, figures.waiting) = (firing, waiting);
            }
        });
    }

    fn publish_all(&mut self) {
        self.touched.clear();
        self.pages_touched.clear();
        let now = clock::now();
        let (vendors, firing, waiting) = (self.fleet.figures(&self.sources, now, self.alive), self.firing_counts(), self.waiting());
        self.board.update(|figures| {
            (figures.vendors, figures.alerts_firing, figures.waiting) = (vendors, firing, waiting);
            figures.committed_at = Some(now);
        });
    }

    fn firing_counts(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for alert in self.book.firing() {
            counts[2 - alert.severity as usize] += 1;
        }
        counts
    }

    fn waiting(&self) -> Vec<Waiting> {
        let of = |receiver: &crate::config::Receiver| {
            let pending: Vec<&Delivery> = self.book.pending().filter(|d| d.receiver == receiver.name).collect();
            Waiting {
                labels: format!("receiver=\"{}\",kind=\"{}\"", escape(&receiver.name), receiver.kind).into(),
                pending: pending.len() as u64,
                oldest_due: pending.iter().map(|d| d.due_at).min(),
            }
        };
        self.config.receivers.iter().map(of).collect()
    }
}

/// Not to know it costs one comparison, so that an unreadable one stops nobody.
fn known_page(reader: &Reader, key: CheckKey) -> Option<Box<PageVersion>> {
    let known = reader.page_version(key).inspect_err(|error| tracing::warn!(%error, "what a page said last cannot be read"));
    known.ok().flatten().map(Box::new)
}

/// A recorder that panicked must not leave a daemon that only looks alive: systemd restarts the whole.
pub struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
