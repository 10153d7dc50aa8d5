//! The way to the recorder. Nobody who uses it waits: results are bounded in number, everything else is rare and always taken.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::fleet::Hint;
use super::reader::{Read, Subscription};
use crate::config::Config;
use crate::model::{Observation, PageVersion, Timestamp};
use crate::routing::Attempt;
use crate::store::packing::Step;
use crate::store::{CheckKey, StoreError, Suspension};

/// Results on their way to the recorder; with 10,000 checks at 10 s that is 100 s. More are refused.
const RESULTS_MAX: usize = 100_000;

/// What reaches the recorder.
pub enum Input {
    Saw(Saw),
    Read(Read),
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
    /// A small piece of the store's upkeep, for when nothing waits.
    Upkeep {
        step: Step,
        answer: oneshot::Sender<Result<usize, StoreError>>,
    },
    /// The database was found to be damaged.
    Damaged(String),
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

/// What prober and reader need after a reload.
pub struct Reloaded {
    pub checks: Vec<Scheduled>,
    pub pages: Vec<Subscription>,
}

/// A check that may be scheduled.
pub struct Scheduled {
    pub key: CheckKey,
    /// Where it stands in the configuration.
    pub vendor: usize,
    pub check: usize,
    pub hint: Arc<Hint>,
    pub last_run: Option<Timestamp>,
    /// What a page said last, as far as it is stored.
    pub known: Option<Box<PageVersion>>,
}

/// The end that is told.
#[derive(Clone)]
pub struct Inputs(Arc<Shared>);

/// The recorder's end.
pub struct Taken(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    woken: Condvar,
}

#[derive(Default)]
struct Queue {
    inputs: VecDeque<Input>,
    results: usize,
    /// Something that is not to wait.
    urgent: bool,
    /// The recorder has nothing to commit: even a plain result wakes it, and starts the time within which it is committed.
    idle: bool,
}

/// Both ends.
pub fn inputs() -> (Inputs, Taken) {
    let shared = Arc::new(Shared { queue: Mutex::default(), woken: Condvar::new() });
    (Inputs(shared.clone()), Taken(shared))
}

impl Shared {
    /// Whoever panicked held the queue for a push or a pop, which leave it whole.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inputs {
    /// Hands over what was seen; false if too much waits already. What is no news does not wake the recorder: waking it
    /// for each of a thousand results a second costs more than folding them.
    pub fn saw(&self, saw: Saw, news: bool) -> bool {
        let mut queue = self.0.queue();
        if queue.results >= RESULTS_MAX {
            return false;
        }
        queue.results += 1;
        queue.inputs.push_back(Input::Saw(saw));
        queue.urgent |= news;
        let wake = news || queue.idle;
        drop(queue);
        if wake {
            self.0.woken.notify_one();
        }
        true
    }

    /// Hands over what a page said. Without news it waits for company; pages are few and their reads seldom.
    pub fn read(&self, read: Read, news: bool) {
        let mut queue = self.0.queue();
        queue.inputs.push_back(Input::Read(read));
        queue.urgent |= news;
        let wake = news || queue.idle;
        drop(queue);
        if wake {
            self.0.woken.notify_one();
        }
    }

    /// Hands over anything else.
    pub fn tell(&self, input: Input) {
        let mut queue = self.0.queue();
        queue.inputs.push_back(input);
        queue.urgent = true;
        drop(queue);
        self.0.woken.notify_one();
    }
}

impl Taken {
    /// Waits for something that is not to wait, for anything while the recorder is `idle`, or for `within` to pass.
    pub fn wait(&self, within: Duration, idle: bool) {
        let mut queue = self.0.queue();
        queue.idle = idle;
        let sleeps = |queue: &mut Queue| !queue.urgent && (queue.inputs.is_empty() || !queue.idle);
        let waited = self.0.woken.wait_timeout_while(queue, within, sleeps);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.idle = false;
    }

    /// The next of what is at hand.
    pub fn at_hand(&self) -> Option<Input> {
        let mut queue = self.0.queue();
        let input = queue.inputs.pop_front();
        queue.results -= usize::from(matches!(input, Some(Input::Saw(_))));
        queue.urgent &= !queue.inputs.is_empty();
        input
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::model::Reason;

    fn saw() -> Saw {
        let observation = Observation::failed(Reason::HttpStatus, Duration::ZERO, "");
        Saw { key: CheckKey(1), at: Timestamp::from_millis(0), boot: Duration::ZERO, observation }
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(50);

    /// How long the recorder slept when `tell` came a moment after it began to.
    fn slept(idle: bool, within: Duration, tell: impl FnOnce(&Inputs) + Send) -> (Duration, Taken) {
        let (inputs, taken) = inputs();
        let began = clock::instant();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(SHORT / 2);
                tell(&inputs);
            });
            taken.wait(within, idle);
        });
        (began.elapsed(), taken)
    }

    #[test]
    fn news_wakes_the_recorder_and_plain_results_only_an_idle_one() {
        for (idle, news, within, woken) in [(false, true, LONG, true), (true, false, LONG, true), (false, false, SHORT, false)] {
            let (slept, taken) = slept(idle, within, |inputs| assert!(inputs.saw(saw(), news)));
            assert_eq!(slept < SHORT || within == LONG && slept < LONG, woken, "idle {idle}, news {news}: {slept:?}");
            assert!(matches!(taken.at_hand(), Some(Input::Saw(_))) && taken.at_hand().is_none());
        }
        let (slept, taken) = slept(false, LONG, |inputs| inputs.tell(Input::Stop));
        assert!(slept < LONG && matches!(taken.at_hand(), Some(Input::Stop)));
    }

    #[test]
    fn what_is_left_of_an_urgent_queue_is_not_waited_for() {
        let (inputs, taken) = inputs();
        inputs.saw(saw(), true);
        inputs.saw(saw(), false);
        assert!(taken.at_hand().is_some());
        let began = clock::instant();
        taken.wait(LONG, false);
        assert!(began.elapsed() < LONG && taken.at_hand().is_some());
    }

    #[test]
    fn results_are_bounded_and_everything_else_is_taken() {
        let (inputs, taken) = inputs();
        assert!((0..RESULTS_MAX).all(|_| inputs.saw(saw(), false)));
        assert!(!inputs.saw(saw(), true));
        inputs.tell(Input::Stop);
        assert!(taken.at_hand().is_some() && inputs.saw(saw(), false));
    }
}
