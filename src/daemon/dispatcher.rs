//! The dispatcher: sends what was committed, one lane per receiver, and reports every try to the recorder.
//!
//! * A lane knows only its own deliveries, so a slow receiver delays no other. Within a lane `routing::lanes` says what
//!   may be tried; a try that hangs holds up nothing but what must come after it.
//! * What a try came to is believed only once the recorder has committed it: until then the delivery stays in flight.
//! * Times are the monotonic clock's, laid on the wall clock of the start: a wall clock that steps neither hastens nor delays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::inputs::{Attempted, Input, Inputs};
use super::recorder::AbortOnPanic;
use crate::channels::{self, Verdict, failure, retry, verdict};
use crate::clock;
use crate::config::{Config, Receiver};
use crate::fetch::{Answer, Fetch, FetchError, user_agent};
use crate::model::{Delivery, DeliveryState, Timestamp, Uuid};
use crate::routing::{Attempt, Next, lanes, test_delivery};
use crate::store::Suspension;
use crate::telemetry::Telemetry;

/// Tries of one lane at a time: one that hangs for its 15 s leaves room for others.
const LANE_IN_FLIGHT_MAX: usize = 4;
/// What a bucket holds: after a pause a lane is drained at its rate and no faster.
const BURST: f64 = 1.0;
/// How often a suspended receiver is asked whether it is back.
const SUSPENDED_TEST_EVERY: Duration = Duration::from_secs(3600);
const IDLE: Duration = Duration::from_secs(3600);

/// What the dispatcher hears.
pub enum News {
    Committed(Vec<Delivery>),
    Receivers(Arc<Config>),
}

/// A try that ended.
struct Tried {
    receiver: String,
    seq: Option<i64>,
    /// How many alerts the message had.
    alerts: usize,
    answer: Result<Answer, FetchError>,
    took: Duration,
}

/// One receiver and what waits for it.
struct Lane {
    receiver: Arc<Receiver>,
    pending: BTreeMap<i64, Arc<Delivery>>,
    in_flight: BTreeSet<i64>,
    /// Answers of 401, 403, 404 and 407 by delivery.
    mending: BTreeMap<i64, u32>,
    tokens: f64,
    refilled: Timestamp,
    /// What the receiver asked for by `Retry-After`.
    paused_until: Option<Timestamp>,
    suspended: Option<Suspension>,
    next_test: Timestamp,
}

/// What the store knows of the daemon before.
pub struct Remembered {
    pub pending: Vec<Delivery>,
    pub suspended: BTreeMap<String, Suspension>,
    /// Answers of 401, 403, 404 and 407 by delivery.
    pub mending: BTreeMap<i64, u32>,
}

pub struct Dispatcher {
    fetch: Fetch,
    lanes: BTreeMap<String, Lane>,
    /// Committed for receivers of a configuration that this file has not heard of yet: a reload reaches the recorder first.
    early: BTreeMap<i64, Delivery>,
    inputs: Inputs,
    telemetry: Telemetry,
    began: (Instant, Timestamp),
}

impl Dispatcher {
    pub fn new(config: &Config, remembered: Remembered, inputs: Inputs, telemetry: Telemetry) -> Dispatcher {
        let mut dispatcher = Dispatcher {
            fetch: Fetch::new(&user_agent(&config.agent.contact)),
            lanes: BTreeMap::new(),
            early: BTreeMap::new(),
            inputs,
            telemetry,
            began: (clock::instant(), clock::now()),
        };
        dispatcher.receivers(config);
        for lane in dispatcher.lanes.values_mut() {
            let suspended = remembered.suspended.get(&lane.receiver.name);
            lane.suspended = suspended.filter(|s| s.fingerprint == lane.receiver.fingerprint).copied();
            lane.mending = remembered.mending.clone();
        }
        dispatcher.committed(remembered.pending);
        dispatcher
    }

    /// The clock of this file.
    fn now(&self) -> Timestamp {
        self.began.1 + clock::instant().duration_since(self.began.0)
    }

    /// Runs until `stop`; tries in flight then are given a moment to end, so that their answers are recorded.
    pub async fn run(mut self, mut news: mpsc::UnboundedReceiver<News>, stop: CancellationToken) {
        let _abort = AbortOnPanic;
        let (ended, mut tried) = mpsc::unbounded_channel();
        let tasks = TaskTracker::new();
        loop {
            let wait = self.send_ready(&ended, &tasks);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(heard) = news.recv() => match heard {
                    News::Committed(deliveries) => self.committed(deliveries),
                    News::Receivers(config) => self.receivers(&config),
                },
                Some(t) = tried.recv() => self.tried(t),
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.wind_up(tasks, tried).await;
    }

    /// Waits a moment for the tries in flight. What does not end is tried again by the next daemon, with the same id.
    async fn wind_up(&mut self, tasks: TaskTracker, mut tried: mpsc::UnboundedReceiver<Tried>) {
        const ANSWERS_WITHIN: Duration = Duration::from_secs(3);
        tasks.close();
        let _ = tokio::time::timeout(ANSWERS_WITHIN, tasks.wait()).await;
        while let Ok(t) = tried.try_recv() {
            self.tried(t);
        }
    }

    /// Takes over the receivers of a configuration. A changed one is no longer suspended; one that is gone takes its lane with it.
    fn receivers(&mut self, config: &Config) {
        let now = self.now();
        let mut old = std::mem::take(&mut self.lanes);
        for receiver in config.receivers.iter().cloned().map(Arc::new) {
            let lane = match old.remove(&receiver.name) {
                Some(lane) => {
                    let same = lane.receiver.fingerprint == receiver.fingerprint;
                    if lane.suspended.is_some() && !same {
                        // Else a change back would find it suspended again after a restart.
                        self.inputs.tell(Input::Suspended { receiver: receiver.name.clone(), suspension: None });
                    }
                    Lane {
                        suspended: lane.suspended.filter(|_| same),
                        paused_until: lane.paused_until.filter(|_| same),
                        receiver: receiver.clone(),
                        ..lane
                    }
                }
                None => Lane::new(receiver.clone(), now),
            };
            self.lanes.insert(receiver.name.clone(), lane);
        }
        let early = std::mem::take(&mut self.early);
        self.committed(early.into_values().collect());
    }

    fn committed(&mut self, deliveries: Vec<Delivery>) {
        // The store's instants are the wall clock's of when they were written.
        let stepped = clock::now().millis_since(self.now());
        for mut delivery in deliveries {
            let Some(lane) = self.lanes.get_mut(&delivery.receiver) else {
                match delivery.state {
                    DeliveryState::Pending => drop(self.early.insert(delivery.seq, delivery)),
                    _ => drop(self.early.remove(&delivery.seq)),
                }
                continue;
            };
            // An alert that joins a moment before the message goes out is no end of the try.
            let joined = |before: &Arc<Delivery>| delivery.state == DeliveryState::Pending && delivery.attempts == before.attempts;
            if !lane.pending.get(&delivery.seq).is_some_and(joined) {
                lane.in_flight.remove(&delivery.seq);
            }
            if delivery.state == DeliveryState::Pending {
                delivery.next_attempt_at = delivery.next_attempt_at.map(|at| Timestamp::from_millis(at.as_millis() - stepped));
                lane.pending.insert(delivery.seq, Arc::new(delivery));
            } else {
                lane.pending.remove(&delivery.seq);
                lane.mending.remove(&delivery.seq);
            }
        }
    }

    /// Starts every try that may start now; returns how long nothing more can happen by itself.
    fn send_ready(&mut self, ended: &mpsc::UnboundedSender<Tried>, tasks: &TaskTracker) -> Duration {
        let now = self.now();
        let mut next = now + IDLE;
        for lane in self.lanes.values_mut() {
            next = next.min(lane.send_ready(now, &self.fetch, ended, tasks));
        }
        next.since(now)
    }

    fn tried(&mut self, t: Tried) {
        let Some(lane) = self.lanes.get_mut(&t.receiver) else { return };
        self.telemetry.delivery_attempt_duration.with_label_values(&[lane.receiver.kind]).observe(t.took.as_secs_f64());
        let now = self.began.1 + clock::instant().duration_since(self.began.0);
        match t.seq.and_then(|seq| lane.pending.get(&seq).cloned()) {
            None => lane.tested(&t.answer, now, &self.inputs),
            Some(delivery) => lane.tried(&delivery, t.alerts, &t.answer, now, &self.inputs),
        }
    }
}

impl Lane {
    fn new(receiver: Arc<Receiver>, now: Timestamp) -> Lane {
        Lane {
            tokens: BURST,
            receiver,
            pending: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            mending: BTreeMap::new(),
            refilled: now,
            paused_until: None,
            suspended: None,
            next_test: now + SUSPENDED_TEST_EVERY,
        }
    }

    fn send_ready(&mut self, now: Timestamp, fetch: &Fetch, ended: &mpsc::UnboundedSender<Tried>, tasks: &TaskTracker) -> Timestamp {
        if self.suspended.is_some() {
            return self.test_if_due(now, fetch, ended, tasks);
        }
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return until;
        }
        self.refill(now);
        let ready = lanes::ready(self.pending.values().map(|d| &**d), &self.in_flight, now);
        for seq in ready.now {
            if self.in_flight.len() >= LANE_IN_FLIGHT_MAX {
                break;
            }
            if self.tokens < 1.0 {
                return now + Duration::from_secs_f64((1.0 - self.tokens) / self.receiver.rate);
            }
            let Some(delivery) = self.pending.get(&seq).cloned() else { continue };
            self.tokens -= 1.0;
            self.in_flight.insert(seq);
            send(&self.receiver, delivery, Some(seq), fetch, ended, tasks);
        }
        ready.next.unwrap_or(now + IDLE)
    }

    fn refill(&mut self, now: Timestamp) {
        let gained = now.since(self.refilled).as_secs_f64() * self.receiver.rate;
        self.tokens = (self.tokens + gained).min(BURST);
        self.refilled = now;
    }

    /// While it is suspended, a receiver gets nothing but one marked test an hour.
    fn test_if_due(&mut self, now: Timestamp, fetch: &Fetch, ended: &mpsc::UnboundedSender<Tried>, tasks: &TaskTracker) -> Timestamp {
        if self.next_test <= now {
            self.next_test = now + SUSPENDED_TEST_EVERY;
            send(&self.receiver, Arc::new(test_delivery(&self.receiver.name, clock::now(), Uuid::now_v7)), None, fetch, ended, tasks);
        }
        self.next_test
    }

    fn tested(&mut self, answer: &Result<Answer, FetchError>, now: Timestamp, inputs: &Inputs) {
        if self.suspended.is_some() && verdict(answer, 0) == Verdict::Accepted {
            tracing::info!(receiver = self.receiver.name, "the receiver is back");
            self.suspended = None;
            self.paused_until = None;
            self.refilled = now;
            inputs.tell(Input::Suspended { receiver: self.receiver.name.clone(), suspension: None });
        }
    }

    fn tried(&mut self, delivery: &Delivery, alerts: usize, answer: &Result<Answer, FetchError>, now: Timestamp, inputs: &Inputs) {
        let mending = self.mending.get(&delivery.seq).copied().unwrap_or(0);
        let verdict = verdict(answer, mending);
        let next = self.next(delivery, &verdict, mending, now);
        let failed = failure(answer);
        log_try(delivery, &next, answer);
        let attempt = Attempt {
            delivery: delivery.seq,
            at: clock::now(),
            code: answer.as_ref().ok().map(|a| a.status),
            error: error_text(answer, &verdict),
            next,
        };
        inputs.tell(Input::Attempted(Attempted { attempt, alerts, failure: failed.map(channels::Failure::as_str) }));
        if verdict == Verdict::Suspend {
            let suspension = Suspension { since: clock::now(), fingerprint: self.receiver.fingerprint };
            self.suspended = Some(suspension);
            self.next_test = now + SUSPENDED_TEST_EVERY;
            inputs.tell(Input::Suspended { receiver: self.receiver.name.clone(), suspension: Some(suspension) });
        }
    }

    /// What follows for the delivery, by its receiver's schedule.
    fn next(&mut self, delivery: &Delivery, verdict: &Verdict, mending: u32, now: Timestamp) -> Next {
        let tries = delivery.attempts + 1;
        let jitter = jitter(delivery.id, tries);
        let wait = match verdict {
            Verdict::Accepted => return Next::Delivered,
            Verdict::Dead { .. } | Verdict::Suspend => return Next::Dead,
            Verdict::Again { not_before } => {
                if let Some(pause) = not_before {
                    // Of the answers to tries at the same time, the one that asks for most holds.
                    self.paused_until = self.paused_until.max(Some(now + *pause));
                }
                retry::wait(&self.receiver.retry, tries, jitter, *not_before)
            }
            Verdict::AgainFew => {
                self.mending.insert(delivery.seq, mending + 1);
                retry::wait(&retry::while_mending(&self.receiver.retry), mending + 1, jitter, None)
            }
        };
        wait.map_or(Next::Dead, |wait| Next::Again(clock::now() + wait))
    }
}

fn send(
    receiver: &Arc<Receiver>,
    delivery: Arc<Delivery>,
    seq: Option<i64>,
    fetch: &Fetch,
    ended: &mpsc::UnboundedSender<Tried>,
    tasks: &TaskTracker,
) {
    let (receiver, fetch, ended) = (receiver.clone(), fetch.clone(), ended.clone());
    tasks.spawn(async move {
        let began = clock::instant();
        let alerts = delivery.alerts.len();
        let answer = fetch.send(receiver.channel.render(&delivery, clock::now())).await;
        let _ = ended.send(Tried { receiver: receiver.name.clone(), seq, alerts, answer, took: began.elapsed() });
    });
}

fn log_try(delivery: &Delivery, next: &Next, answer: &Result<Answer, FetchError>) {
    let (id, receiver, event) = (delivery.id, delivery.receiver.as_str(), delivery.event.as_str());
    match (next, answer) {
        (Next::Delivered, _) => tracing::info!(delivery = %id, receiver, event, "delivered"),
        (_, Ok(answer)) => tracing::warn!(delivery = %id, receiver, event, status = answer.status, "the receiver did not accept"),
        (_, Err(error)) => tracing::warn!(delivery = %id, receiver, event, error = error.message, "the receiver did not answer"),
    }
}

fn error_text(answer: &Result<Answer, FetchError>, verdict: &Verdict) -> Option<String> {
    match (verdict, answer) {
        (Verdict::Accepted, _) => None,
        (Verdict::Dead { reason }, _) => Some(reason.clone()),
        (Verdict::Suspend, _) => Some("answered 410: the receiver is gone and suspended".to_owned()),
        (_, Ok(answer)) => Some(format!("answered {}", answer.status)),
        (_, Err(error)) => Some(error.message.clone()),
    }
}

/// Spreads tries without a generator: the random bits of the delivery's id, different for each try; in -1..=1.
fn jitter(id: Uuid, tries: u32) -> f64 {
    let bits = (id.as_u128() as u64 ^ u64::from(tries)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    bits as f64 / f64::from(u32::MAX) * 2.0 - 1.0
}
