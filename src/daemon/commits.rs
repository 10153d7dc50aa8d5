//! Batches on their way to the store: what is gathered, what was refused, and when to try (again).
//!
//! A batch that was refused is sealed: it is offered again exactly as it was, because the refusal may have been a lost
//! answer and the store then knows it by its number. What comes meanwhile is gathered in the next one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::clock;
use crate::health::CheckState;
use crate::model::{Delivery, Detail};
use crate::routing::Changes;
use crate::store::packing::Step;
use crate::store::{Batch, CheckKey, Declarations, JournalRow, StoreError, Writer};
use crate::telemetry::Telemetry;

/// Results that may wait for the store; with 10,000 checks at 10 s that is 100 s. Of more the oldest are dropped and counted.
const WAITING_RESULTS_MAX: usize = 100_000;
/// How many are dropped at a time, so that dropping costs little.
const DROPPED_AT_ONCE: usize = 1_000;
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
        Commits { writer, telemetry, commit_within, gathered: Gathered::default(), sealed: None, retry: RETRY_FIRST, not_before: None }
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
        let due = match (&self.sealed, gathered) {
            (Some(_), _) => Some(clock::instant()),
            (None, gathered) => gathered,
        };
        due.map(|at| self.not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// Makes everything durable that waits. Also after an error the deliveries that were committed are in `out`.
    pub fn commit(&mut self, out: &mut Vec<Delivery>) -> Result<(), StoreError> {
        while let Some(batch) = self.sealed.take().or_else(|| self.seal()) {
            if let Err(error) = self.write(&batch) {
                self.sealed = Some(batch);
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

    fn seal(&mut self) -> Option<Batch> {
        self.gathered.since?;
        let Gathered { mut batch, states, .. } = std::mem::take(&mut self.gathered);
        batch.states = states.into_iter().map(|(key, (through, state))| (key, through, state)).collect();
        Some(batch)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let began = clock::instant();
        let outcome = self.writer.commit(batch);
        self.telemetry.store_operation("commit", began.elapsed(), outcome.is_err());
        self.telemetry.store_up.set(i64::from(outcome.is_ok()));
        outcome
    }

    /// Does one step of upkeep, unless the store refuses even what cannot wait.
    pub fn upkeep(&mut self, step: &Step) -> Result<usize, StoreError> {
        if self.sealed.is_some() {
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

    /// After a clean stop there is no log beside the database.
    pub fn close(self) -> Result<(), StoreError> {
        self.writer.close()
    }
}
