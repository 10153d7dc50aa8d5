//! The prober: runs what is due, under a permit for everything and one per host, and hands what was seen to the recorder.
//!
//! It never waits for the recorder or the store: whether a check is looked at again soon it learns from a hint.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::fleet::Hint;
use super::inputs::{Inputs, Reloaded, Saw};
use super::pulse::{Part, Pulse};
use super::watch::ClockWatch;
use crate::clock;
use crate::config::Config;
use crate::model::{Observation, Outcome, Reason};
use crate::probes::{Mailbox, Probe};
use crate::schedule::{Cadence, Due, Now, Schedule};
use crate::store::CheckKey;
use crate::telemetry::Telemetry;

/// Even with nothing due, clocks are compared this often: a machine that slept is noticed soon after it wakes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many that are nearly due are started along with what is due: waking up for each by itself costs a tenth of a run and
/// more. Not more: they share this thread, and each would see the others' work in its own phases.
const TOGETHER_MAX: usize = 3;

/// A check that can be run.
struct Ready {
    probe: Arc<dyn Probe>,
    timeout: Duration,
    hint: Arc<Hint>,
    host: Arc<Semaphore>,
}

/// A run that ended.
struct Finished {
    key: CheckKey,
    soon: bool,
}

pub struct Prober {
    schedule: Schedule<CheckKey>,
    ready: HashMap<CheckKey, Arc<Ready>>,
    hosts: HashMap<String, Arc<Semaphore>>,
    global: Arc<Semaphore>,
    max_per_host: usize,
    inputs: Inputs,
    telemetry: Telemetry,
    began: Instant,
    clocks: ClockWatch,
    skipped: u64,
    /// `--once`: how many have not been looked at yet, and who wants to know.
    once: Option<(usize, oneshot::Sender<()>)>,
}

/// A new set of checks.
pub struct Command {
    pub config: Arc<Config>,
    pub checks: Reloaded,
}

impl Prober {
    pub fn new(config: &Config, inputs: Inputs, telemetry: Telemetry) -> Prober {
        Prober {
            schedule: Schedule::default(),
            ready: HashMap::new(),
            hosts: HashMap::new(),
            global: Arc::new(Semaphore::new(in_flight_max(config.agent.max_in_flight))),
            max_per_host: config.agent.max_per_host,
            inputs,
            telemetry,
            began: clock::instant(),
            clocks: ClockWatch::new(clock::reading()),
            skipped: 0,
            once: None,
        }
    }

    /// Looks at everything once, now; `done` hears when that is over.
    pub fn once(&mut self, done: oneshot::Sender<()>) {
        self.schedule.all_now(self.mono());
        if self.schedule.is_empty() {
            let _ = done.send(());
        } else {
            self.once = Some((self.schedule.len(), done));
        }
    }

    /// Replaces the set of checks; what is unchanged keeps its place in the schedule.
    pub fn replace(&mut self, command: &Command) {
        let now = self.now();
        let mut ready = HashMap::new();
        for scheduled in &command.checks.checks {
            let check = &command.config.vendors[scheduled.vendor].checks[scheduled.check];
            let host = self.host(check.probe.host());
            let terms = &check.terms;
            if let Some(memory) = check.probe.memory() {
                match self.ready.get(&scheduled.key).and_then(|before| before.probe.memory()) {
                    Some(before) => memory.take_over(before),
                    None => scheduled.known.iter().for_each(|known| memory.remember(known)),
                }
            }
            // What reports by itself is asked for silence, often.
            let interval = check.probe.mailbox().map_or(terms.interval, Mailbox::look_every);
            let cadence = Cadence { interval, retry_interval: terms.retry_interval };
            self.schedule.put(scheduled.key, &check.id.to_string(), cadence, scheduled.last_run, now);
            let entry = Ready { probe: check.probe.clone(), timeout: terms.timeout, hint: scheduled.hint.clone(), host };
            ready.insert(scheduled.key, Arc::new(entry));
        }
        for key in self.ready.keys().filter(|key| !ready.contains_key(key)) {
            self.schedule.remove(*key);
        }
        self.ready = ready;
        // A host that nobody names any more; runs in flight keep their own handle.
        self.hosts.retain(|_, permits| Arc::strong_count(permits) > 1);
    }

    fn host(&mut self, name: &str) -> Arc<Semaphore> {
        let permits = self.max_per_host;
        self.hosts.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(permits))).clone()
    }

    fn mono(&self) -> Duration {
        clock::instant().duration_since(self.began)
    }

    fn now(&self) -> Now {
        Now { wall: clock::now(), mono: self.mono() }
    }

    /// Runs until `stop`; probes that are in flight then are abandoned and leave nothing.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>, pulse: Pulse, stop: CancellationToken) {
        let (ended, mut finished) = mpsc::unbounded_channel();
        loop {
            pulse.turned(Part::Prober);
            let wait = self.wait();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(command) = commands.recv() => self.replace(&command),
                Some(f) = finished.recv() => self.finished(&f),
                () = tokio::time::sleep(wait) => {}
            }
            self.notice_sleep();
            let mut woken = false;
            while let Some(due) = self.schedule.take_due(self.mono()) {
                woken = true;
                self.start(due, &ended);
            }
            for _ in 0..if woken { TOGETHER_MAX } else { 0 } {
                let now = self.mono();
                let Some(due) = self.schedule.take_early(now) else { break };
                self.start(due, &ended);
            }
        }
    }

    fn wait(&mut self) -> Duration {
        let now = self.mono();
        self.schedule.next_due().map_or(LOOK_EVERY, |due| due.saturating_sub(now).min(LOOK_EVERY))
    }

    /// After a sleep each check runs once soon, spread, and nothing counts as late.
    fn notice_sleep(&mut self) {
        if self.clocks.look(clock::reading()).is_some_and(|odd| odd.kind == "suspend") {
            self.schedule.resumed(self.now());
            self.ready.values().filter_map(|r| r.probe.mailbox()).for_each(|m| m.listen_anew(clock::instant()));
        }
    }

    fn finished(&mut self, f: &Finished) {
        if let Some((left, _)) = &mut self.once {
            *left -= 1;
            if *left == 0
                && let Some((_, done)) = self.once.take()
            {
                let _ = done.send(());
            }
            return;
        }
        self.schedule.finished(f.key, f.soon, self.mono());
        let skipped = self.schedule.skipped();
        self.telemetry.runs_skipped.inc_by(skipped - self.skipped);
        self.skipped = skipped;
    }

    fn start(&self, due: Due<CheckKey>, ended: &mpsc::UnboundedSender<Finished>) {
        let Some(ready) = self.ready.get(&due.key).cloned() else { return };
        let run = One {
            ready,
            due,
            began: self.began,
            global: self.global.clone(),
            inputs: self.inputs.clone(),
            telemetry: self.telemetry.clone(),
        };
        let ended = ended.clone();
        // It ends with the runtime of this thread at the latest.
        tokio::spawn(async move { drop(ended.send(run.run().await)) });
    }
}

/// One run of one check.
struct One {
    ready: Arc<Ready>,
    due: Due<CheckKey>,
    began: Instant,
    global: Arc<Semaphore>,
    inputs: Inputs,
    telemetry: Telemetry,
}

impl One {
    async fn run(self) -> Finished {
        // First the host, then the world: a host that hangs holds no permit of the others. Neither is ever closed.
        let _host = self.ready.host.acquire().await;
        let _global = self.global.acquire().await;
        let lag = clock::instant().duration_since(self.began).saturating_sub(self.due.at);
        self.telemetry.scheduler_lag.observe(lag.as_secs_f64());
        self.telemetry.checks_in_flight.inc();
        let started = clock::reading();
        let observation = match self.ready.probe.mailbox() {
            Some(mailbox) => mailbox.silence(!self.ready.hint.disagrees(Outcome::Down), clock::instant()),
            None => Some(self.look().await),
        };
        self.telemetry.checks_in_flight.dec();
        let Some(observation) = observation else { return Finished { key: self.due.key, soon: false } };
        let soon = self.ready.hint.disagrees(observation.outcome);
        let news = self.ready.hint.is_news(observation.outcome);
        if !self.inputs.saw(Saw { key: self.due.key, at: started.wall, boot: started.boot, observation }, news) {
            self.telemetry.results_dropped.inc();
        }
        Finished { key: self.due.key, soon }
    }

    /// A probe that panics is a fault of ours: `unknown(internal)`.
    async fn look(&self) -> Observation {
        let began = clock::instant();
        let probe = AssertUnwindSafe(self.ready.probe.run(self.ready.timeout));
        probe.catch_unwind().await.unwrap_or_else(|_| {
            self.telemetry.probe_panics.inc();
            tracing::error!(check = %self.due.key, "a probe panicked; this is a bug in vendord");
            Observation::failed(Reason::Internal, began.elapsed(), "the probe panicked; this is a bug in vendord")
        })
    }
}

/// Never more than the descriptors of this process allow: two a probe, and 64 for store, pages and receivers.
fn in_flight_max(configured: usize) -> usize {
    const KEPT_FREE: u64 = 64;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1024);
    configured.min((limit.saturating_sub(KEPT_FREE) / 2) as usize).max(1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::daemon::inputs::{Input, inputs};
    use crate::model::Timestamp;
    use crate::probes::Run;

    /// Panics every other time it is run.
    #[derive(Default)]
    struct Shaky(AtomicU32);

    impl Probe for Shaky {
        fn host(&self) -> &str {
            "vendor.example:443"
        }

        fn run(&self, _timeout: Duration) -> Run<'_> {
            let runs = self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tokio::task::yield_now().await;
                assert!(runs % 2 == 1, "a mistake in a probe");
                Observation { outcome: Outcome::Up, ..Observation::failed(Reason::Ok, Duration::ZERO, "") }
            })
        }
    }

    #[tokio::test]
    async fn f38_a_probe_that_panics_is_unknown_and_runs_again() {
        let (inputs, taken) = inputs();
        let telemetry = Telemetry::default();
        let host = Arc::new(Semaphore::new(1));
        let global = Arc::new(Semaphore::new(1));
        let probe: Arc<dyn Probe> = Arc::new(Shaky::default());
        let ready = Arc::new(Ready { probe, timeout: Duration::from_secs(1), hint: Arc::default(), host: host.clone() });
        let one = || One {
            ready: ready.clone(),
            due: Due { key: CheckKey(1), at: Duration::ZERO },
            began: clock::instant(),
            global: global.clone(),
            inputs: inputs.clone(),
            telemetry: telemetry.clone(),
        };
        for (run, want) in
            [(1, (Outcome::Unknown, Reason::Internal)), (2, (Outcome::Up, Reason::Ok)), (3, (Outcome::Unknown, Reason::Internal))]
        {
            one().run().await;
            let Some(Input::Saw(saw)) = taken.at_hand() else { panic!("run {run} left nothing") };
            assert_eq!((saw.observation.outcome, saw.observation.reason), want, "run {run}");
            assert!(saw.at > Timestamp::from_millis(0));
        }
        assert_eq!(telemetry.probe_panics.get(), 2);
        assert_eq!(telemetry.checks_in_flight.get(), 0);
        assert_eq!((host.available_permits(), global.available_permits()), (1, 1), "a panic keeps no permit");
    }
}
