//! Batches on their way to the store: what is gathered, what was refused, and when to try (again).
//!
//! A batch that was refused is sealed: it is offered again exactly as it was, because the refusal may have been a lost
//! answer and the store then knows it by its number. What comes meanwhile is gathered in the next one.
//!
//! On a full disk the room that was kept for it is given back: what changed and who is told of it is still stored, and
//! plain results are held back in memory, in their order, until there is room for them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::clock;
use crate::health::CheckState;
use crate::model::{Delivery, Detail};
use crate::routing::Changes;
use crate::store::packing::Step;
use crate::store::{Ballast, Batch, CheckKey, Declarations, JournalRow, StoreError, Writer};
use crate::telemetry::Telemetry;

/// Results that may wait for the store; with 10,000 checks at 10 s that is 100 s. Of more the oldest are dropped and counted.
const WAITING_RESULTS_MAX: usize = 100_000;
/// How many are dropped at a time, so that dropping costs little.
const DROPPED_AT_ONCE: usize = 1_000;
/// Results that are stored in one batch once there is room again.
const UNHELD_AT_ONCE: usize = 2_000;
const LOOK_FOR_ROOM: Duration = Duration::from_secs(2);
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

pub struct Commits {
    writer: Writer,
    telemetry: Telemetry,
    pub commit_within: Duration,
    gathered: Gathered,
    sealed: Option<Batch>,
    retry: Duration,
    not_before: Option<Instant>,
    ballast: Ballast,
    /// The disk is full; when to look for room.
    full: Option<Instant>,
    held: VecDeque<JournalRow>,
}

/// The batch that is being gathered, with the latest state of each check that has to be in it.
#[derive(Default)]
struct Gathered {
    batch: Batch,
    states: BTreeMap<CheckKey, (i64, CheckState)>,
    urgent: bool,
    since: Option<Instant>,
}

impl Commits {
    pub fn new(writer: Writer, telemetry: Telemetry, commit_within: Duration) -> Commits {
        let ballast = Ballast::beside(writer.path());
        if !ballast.lay() {
            tracing::warn!("no room can be kept for a full disk");
        }
        Commits {
            writer,
            telemetry,
            commit_within,
            gathered: Gathered::default(),
            sealed: None,
            retry: RETRY_FIRST,
            not_before: None,
            ballast,
            full: None,
            held: VecDeque::new(),
        }
    }

    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }

    /// The batch that is being gathered, to add something; with `urgent` it is committed at once.
    pub fn add(&mut self, urgent: bool) -> &mut Batch {
        self.gathered.urgent |= urgent;
        self.gathered.since.get_or_insert_with(clock::instant);
        &mut self.gathered.batch
    }

    /// Where a check stands after journal row `through`.
    pub fn state(&mut self, key: CheckKey, through: i64, state: &CheckState) {
        self.add(false);
        self.gathered.states.insert(key, (through, state.clone()));
    }

    /// Adds a run. Only what is stored of it waits here.
    pub fn run(&mut self, mut row: JournalRow) {
        // What a page lists anew is stored with the run that saw it.
        let Detail { http_status, version, .. } = row.observation.detail;
        row.observation.detail = Detail { http_status, version, ..Detail::default() };
        let rows = &mut self.add(false).observations;
        rows.push(row);
        if rows.len() > WAITING_RESULTS_MAX {
            rows.drain(..DROPPED_AT_ONCE);
            self.telemetry.results_dropped.inc_by(DROPPED_AT_ONCE as u64);
        }
    }

    /// Adds what vendors declare; of how reading goes and what a page says the latest counts.
    pub fn declared(&mut self, new: Declarations, urgent: bool) {
        if new.is_empty() {
            return;
        }
        let into = &mut self.add(urgent).declared;
        into.reads.extend(new.reads);
        into.states.extend(new.states);
        into.components.extend(new.components);
        into.versions.extend(new.versions);
        into.concerns.extend(new.concerns);
        into.statuses.extend(new.statuses);
    }

    /// Adds alerts and deliveries; later rows of the same one replace earlier ones.
    pub fn told(&mut self, changes: Changes) {
        let into = &mut self.add(true).told;
        into.alerts.retain(|a| !changes.alerts.iter().any(|b| b.id == a.id));
        into.alerts.extend(changes.alerts);
        into.deliveries.retain(|a| !changes.deliveries.iter().any(|b| b.seq == a.seq));
        into.deliveries.extend(changes.deliveries);
    }

    /// When the next commit is due; `None` while nothing waits.
    pub fn due(&self) -> Option<Instant> {
        let gathered = self.gathered.since.map(|since| if self.gathered.urgent { since } else { since + self.commit_within });
        let gathered = gathered.into_iter().chain(self.full).min();
        let due = if self.sealed.is_some() { Some(clock::instant()) } else { gathered };
        due.map(|at| self.not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// Makes everything durable that waits. Also after an error the deliveries that were committed are in `out`.
    pub fn commit(&mut self, out: &mut Vec<Delivery>) -> Result<(), StoreError> {
        while let Some(batch) = self.next() {
            if let Err(error) = self.write(&batch) {
                self.sealed = Some(batch);
                if matches!(error, StoreError::Disk(_)) && self.make_room() {
                    continue;
                }
                self.not_before = Some(clock::instant() + self.retry);
                self.retry = (self.retry * 2).min(RETRY_MAX);
                return Err(error);
            }
            out.extend(batch.told.deliveries);
        }
        (self.retry, self.not_before) = (RETRY_FIRST, None);
        self.checkpoint();
        Ok(())
    }

    /// What was refused goes first, then what was held back: rows keep their order.
    fn next(&mut self) -> Option<Batch> {
        self.sealed.take().or_else(|| {
            self.look_for_room();
            self.unheld().or_else(|| self.seal())
        })
    }

    fn seal(&mut self) -> Option<Batch> {
        self.gathered.since?;
        let Gathered { mut batch, states, .. } = std::mem::take(&mut self.gathered);
        batch.states = states.into_iter().map(|(key, (through, state))| (key, through, state)).collect();
        if self.full.is_some() {
            self.hold(std::mem::take(&mut batch.observations));
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Whether plain results are held back.
    pub fn is_full(&self) -> bool {
        self.full.is_some()
    }

    /// Gives back the room that was kept for a full disk; false if there is none.
    fn make_room(&mut self) -> bool {
        if self.full.is_some() {
            // Even that was not enough: once the store takes this batch, there is more.
            self.full = Some(clock::instant());
            return false;
        }
        let given = self.ballast.is_needed() && self.ballast.give_back();
        if given {
            tracing::error!("the disk of the database is full; results wait in memory, what changes is still stored");
            self.full = Some(clock::instant() + LOOK_FOR_ROOM);
        }
        given
    }

    fn look_for_room(&mut self) {
        let Some(_) = self.full.filter(|due| *due <= clock::instant()) else { return };
        let room = self.ballast.would_leave_room() && self.ballast.lay();
        self.full = (!room).then(|| clock::instant() + LOOK_FOR_ROOM);
        if self.full.is_none() {
            tracing::info!(results = self.held.len(), "there is room again; what was held back is stored");
        }
    }

    fn hold(&mut self, rows: Vec<JournalRow>) {
        self.held.extend(rows);
        let dropped = self.held.len().saturating_sub(WAITING_RESULTS_MAX);
        self.held.drain(..dropped);
        self.telemetry.results_dropped.inc_by(dropped as u64);
    }

    fn unheld(&mut self) -> Option<Batch> {
        if self.is_full() || self.held.is_empty() {
            return None;
        }
        let rows = self.held.len().min(UNHELD_AT_ONCE);
        Some(Batch { observations: self.held.drain(..rows).collect(), ..Batch::default() })
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let began = clock::instant();
        let outcome = self.writer.commit(batch);
        self.telemetry.store_operation("commit", began.elapsed(), outcome.is_err());
        self.telemetry.store_up.set(i64::from(outcome.is_ok() && !self.is_full()));
        outcome
    }

    /// Does one step of upkeep, unless the store refuses even what cannot wait.
    pub fn upkeep(&mut self, step: &Step) -> Result<usize, StoreError> {
        if self.sealed.is_some() || self.is_full() {
            return Err(StoreError::Busy);
        }
        let began = clock::instant();
        let outcome = self.writer.pack(step);
        self.telemetry.store_operation("upkeep", began.elapsed(), outcome.is_err());
        self.checkpoint();
        outcome
    }

    /// Copies the log into the database when it has grown. A reader may hold it up; then later.
    fn checkpoint(&mut self) {
        let began = clock::instant();
        if let Err(error) = self.writer.checkpoint_if_due() {
            self.telemetry.store_operation("checkpoint", began.elapsed(), true);
            tracing::warn!(%error, "cannot copy the log into the database; trying again");
        }
    }

    /// After a clean stop there is no log beside the database. What is held back is offered once more.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.full = None;
        if !self.held.is_empty() && self.commit(&mut Vec::new()).is_err() {
            tracing::error!(results = self.held.len(), "the disk is full: results that waited in memory are lost");
        }
        self.writer.close()
    }
}
