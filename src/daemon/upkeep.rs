//! Upkeep of the store, beside everything else: packs what is finished, deletes what is no longer kept, looks for damage.
//!
//! It reads on connections of its own and never writes: each step goes to the recorder and is done when nothing waits
//! there. Between steps it rests for a multiple of what the last one took, so that however large the fleet is, it takes a
//! small part of one processor and of the disk. What fails is tried again a minute later.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::calendar::{self, CHECK, Daily, RETENTION};
use super::inputs::{Input, Inputs};
use crate::clock;
use crate::model::Timestamp;
use crate::store::packing::{self, Step};
use crate::store::{Reader, StoreError, quick_check};
use crate::web::server::Site;

/// Rest for each second of work: upkeep takes a twentieth of the time.
const REST: u32 = 19;
const REST_MAX: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Upkeep {
    pub site: Arc<Site>,
    pub inputs: Inputs,
    pub stop: CancellationToken,
}

/// Until `stop`. The first round comes at once, in the background.
pub async fn run(upkeep: Upkeep) {
    let (mut scheduler, mut ticked) = match calendar::ticks().await {
        Ok(ticks) => ticks,
        Err(error) => return tracing::error!(%error, "nothing is packed and nothing expires until a restart"),
    };
    loop {
        let (round, runtime) = (upkeep.clone(), Handle::current());
        match tokio::task::spawn_blocking(move || round.round(clock::now(), &runtime)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) if upkeep.stop.is_cancelled() => {}
            Ok(Err(error)) => tracing::warn!(%error, "upkeep of the store is put off"),
            Err(error) => tracing::error!(%error, "upkeep of the store panicked"),
        }
        tokio::select! {
            () = upkeep.stop.cancelled() => break,
            _ = ticked.recv() => {}
        }
    }
    if let Err(error) = scheduler.shutdown().await {
        tracing::debug!(%error, "the calendar did not stop");
    }
}

impl Upkeep {
    fn round(&self, now: Timestamp, runtime: &Handle) -> Result<(), StoreError> {
        let config = self.site.config.load_full();
        let path = &config.store.path;
        let mut since = clock::instant();
        let mut apply = |step: Step| {
            let outcome = runtime.block_on(self.ask(step));
            self.rest(since, runtime);
            since = clock::instant();
            outcome
        };
        packing::pack(&|| Reader::open(path), now, &mut apply)?;
        if is_due(path, &RETENTION, now)? {
            apply(Step::Expire(now - config.store.keep_observations))?;
            packing::sweep(&mut apply)?;
            while apply(Step::ForgetEvidence(now - config.store.keep_evidence))? > 0 {}
            apply(Step::Ran(RETENTION.name, now))?;
        }
        if is_due(path, &CHECK, now)? {
            self.check(path, runtime)?;
            apply(Step::Ran(CHECK.name, now))?;
        }
        Ok(())
    }

    /// Lets the recorder do it. One that ended takes no more steps and answers none.
    async fn ask(&self, step: Step) -> Result<usize, StoreError> {
        let (answer, answered) = oneshot::channel();
        if !self.stop.is_cancelled() {
            self.inputs.tell(Input::Upkeep { step, answer });
        }
        tokio::select! {
            () = self.stop.cancelled() => Err(StoreError::Busy),
            outcome = answered => outcome.unwrap_or(Err(StoreError::Busy)),
        }
    }

    fn rest(&self, since: Instant, runtime: &Handle) {
        let rest = (since.elapsed() * REST).min(REST_MAX);
        let stopped = runtime.block_on(tokio::time::timeout(rest, self.stop.cancelled()));
        drop(stopped);
    }

    /// Reads the whole database; what is found ends the recorder, which the shell makes the best of.
    fn check(&self, path: &Path, runtime: &Handle) -> Result<(), StoreError> {
        let reader = Reader::open(path)?;
        let (interrupt, stop, done) = (reader.interrupt(), self.stop.clone(), CancellationToken::new());
        let watched = done.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => interrupt(),
                () = watched.cancelled() => {}
            }
        });
        let outcome = quick_check(&reader);
        done.cancel();
        if let Err(StoreError::Corrupt(what)) = &outcome {
            self.inputs.tell(Input::Damaged(what.clone()));
        }
        outcome
    }
}

fn is_due(path: &Path, job: &Daily, now: Timestamp) -> Result<bool, StoreError> {
    Ok(job.is_due(Reader::open(path)?.last_run(job.name)?, now))
}
