//! The way to the recorder. Nobody who uses it waits: results are bounded in number, everything else is rare and always taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::fleet::Hint;
use crate::config::Config;
use crate::model::{Observation, Timestamp};
use crate::routing::Attempt;
use crate::store::{CheckKey, StoreError, Suspension};

/// Results on their way to the recorder; with 10,000 checks at 10 s that is 100 s. More are refused.
const RESULTS_MAX: usize = 100_000;

/// What reaches the recorder.
pub enum Input {
    Saw(Saw),
    Attempted(Attempted),
    /// A receiver was suspended or works again.
    Suspended {
        receiver: String,
        suspension: Option<Suspension>,
    },
    Reload {
        config: Arc<Config>,
        answer: oneshot::Sender<Result<Reloaded, StoreError>>,
    },
    /// Write everything down and end.
    Stop,
}

/// One run of a check.
pub struct Saw {
    pub key: CheckKey,
    pub at: Timestamp,
    pub boot: Duration,
    pub observation: Observation,
}

/// One try of a delivery.
pub struct Attempted {
    pub attempt: Attempt,
    /// How many alerts the message had that was tried: one may have joined while it went out.
    pub alerts: usize,
    /// Word of the metric, if it failed.
    pub failure: Option<&'static str>,
}

/// What the prober needs after a reload.
pub struct Reloaded {
    pub checks: Vec<Scheduled>,
}

/// A check that may be scheduled.
pub struct Scheduled {
    pub key: CheckKey,
    /// Where it stands in the configuration.
    pub vendor: usize,
    pub check: usize,
    pub hint: Arc<Hint>,
    pub last_run: Option<Timestamp>,
}

/// The end that is told.
#[derive(Clone)]
pub struct Inputs {
    sender: Sender<Input>,
    results: Arc<AtomicUsize>,
}

/// The recorder's end.
pub struct Taken {
    receiver: Receiver<Input>,
    results: Arc<AtomicUsize>,
}

/// Both ends.
pub fn inputs() -> (Inputs, Taken) {
    let (sender, receiver) = channel();
    let results = Arc::new(AtomicUsize::new(0));
    (Inputs { sender, results: results.clone() }, Taken { receiver, results })
}

impl Inputs {
    /// Hands over what was seen; false if too much waits already.
    pub fn saw(&self, saw: Saw) -> bool {
        if self.results.fetch_add(1, Ordering::Relaxed) >= RESULTS_MAX {
            self.results.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        self.tell(Input::Saw(saw));
        true
    }

    /// Hands over anything else. The recorder outlives whoever tells it something; if it does not, the daemon is ending.
    pub fn tell(&self, input: Input) {
        if self.sender.send(input).is_err() {
            tracing::debug!("told the recorder after its end");
        }
    }
}

impl Taken {
    pub fn next(&self, within: Duration) -> Result<Input, RecvTimeoutError> {
        self.receiver.recv_timeout(within).inspect(|input| self.count(input))
    }

    pub fn at_hand(&self) -> Option<Input> {
        self.receiver.try_recv().ok().inspect(|input| self.count(input))
    }

    fn count(&self, input: &Input) {
        if matches!(input, Input::Saw(_)) {
            self.results.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
