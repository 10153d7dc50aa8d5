//! The shell: starts everything in order, owns every task, reloads, and stops in order.
//!
//! ```text
//! prober ──Saw──▶ recorder ──Committed──▶ dispatcher ──Attempted──▶ recorder
//! reader ──Read─┘    │
//!    ▲               │
//!    └── Command ────┴──▶ board ──▶ web
//! ```
//!
//! The recorder is a thread, because SQLite blocks, and so is the reader of pages; the others are tasks. Everything flows through it, so that nothing
//! is seen outside before it is durable.

mod alerts;
mod calendar;
mod commits;
mod dispatcher;
mod episode;
mod fleet;
mod inputs;
mod look;
mod mail;
mod prober;
mod pulse;
mod ratios;
mod reader;
mod recorder;
mod sources;
mod upkeep;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::{self, Config};
use crate::model::Delivery;
use crate::probes::Workshop;
use crate::store::{self, StoreError, Writer};
use crate::telemetry::Telemetry;
use crate::web::board::Board;
use crate::web::push::Failures;
use crate::web::server::{ReloadRequest, Site, router, serve};
use dispatcher::{Dispatcher, News, Remembered};
pub use fleet::registrations;
use inputs::{Input, Inputs, Reloaded};
use mail::Mail;
use prober::{Command, Prober};
use pulse::Pulse;
use reader::{Reader, Subscription};
use recorder::{AbortOnPanic, Recorder};
use upkeep::Upkeep;

/// The whole stop; systemd would wait longer, users would not.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// A database that is damaged sooner after it was made lies on a disk that damages.
const DAMAGED_AT_ONCE: Duration = Duration::from_secs(60);
/// `run --once` waits this long for its deliveries.
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);

/// Why the daemon could not run, by what the exit code says.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot listen on {address} ([web] listen): {source}; stop what uses it, or choose another")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// Loads the configuration again; the error is for people, every line of it.
type Load = Arc<dyn Fn() -> Result<Config, String> + Send + Sync>;

/// When a daemon ends.
pub enum Until {
    /// At SIGTERM or SIGINT.
    Signal,
    /// When this is cancelled. Signals are with whoever tells it.
    Told(CancellationToken),
    /// When everything was looked at once and told. It serves nothing.
    Looked,
}

/// Listens where `config` says, and runs.
pub async fn run(config: Config, workshop: Arc<Workshop>, until: Until) -> Result<(), RunError> {
    let listeners = if matches!(until, Until::Looked) { Vec::new() } else { listen(&config).await? };
    run_on(listeners, config, workshop, until).await
}

/// Runs on addresses that somebody has listened on already. A database that proves to be damaged is set aside, and watching
/// goes on with a new one.
pub async fn run_on(mut listeners: Vec<TcpListener>, config: Config, workshop: Arc<Workshop>, until: Until) -> Result<(), RunError> {
    let path = config.path.clone();
    let load: Load = Arc::new(move || load(&path, &workshop));
    let told = match until {
        Until::Looked => None,
        Until::Signal => Some(signalled()?),
        Until::Told(told) => Some(told),
    };
    let mut config = Arc::new(config);
    let mut begun_anew: Option<Instant> = None;
    loop {
        let what = match live(listeners, config.clone(), &load, told.clone()).await {
            Err(RunError::Store(StoreError::Corrupt(what))) if config.store.begin_anew => what,
            outcome => return outcome,
        };
        // Where a new file was damaged at once, the next one would be too.
        if begun_anew.is_some_and(|begun| begun.elapsed() < DAMAGED_AT_ONCE) {
            return Err(StoreError::Corrupt(what).into());
        }
        begin_anew(&config, &what)?;
        begun_anew = Some(clock::instant());
        // What was reloaded since then is in force; what cannot be loaded now never was.
        config = load().map_or(config, Arc::new);
        listeners = if told.is_some() { listen(&config).await? } else { Vec::new() };
    }
}

/// One life of a daemon on one database; `told` says when it ends, without it ends when everything was looked at once.
async fn live(listeners: Vec<TcpListener>, config: Arc<Config>, load: &Load, told: Option<CancellationToken>) -> Result<(), RunError> {
    let daemon = Daemon::start(config, listeners, load.clone())?;
    match told {
        Some(told) => daemon.until(told).await,
        None => daemon.once().await,
    }
}

/// A damaged database is moved aside, so that watching goes on with a new one. The next start tells people.
fn begin_anew(config: &Config, what: &str) -> Result<(), StoreError> {
    let aside = store::set_aside(&config.store.path, config.store.allow_network_fs, clock::now())?;
    tracing::error!(damage = what, file = %aside.display(), "the database is damaged; it is kept under this name, and a new one is begun");
    Ok(())
}

fn load(path: &std::path::Path, workshop: &Workshop) -> Result<Config, String> {
    let loaded = config::load(path, workshop);
    loaded.config.ok_or_else(|| loaded.diagnostics.lines().collect::<Vec<_>>().join("\n"))
}

/// Before anything else, so that an address in use leaves the database untouched.
async fn listen(config: &Config) -> Result<Vec<TcpListener>, RunError> {
    let mut listeners = Vec::new();
    for address in &config.web.listen {
        let listener = TcpListener::bind(address).await.map_err(|source| RunError::Listen { address: *address, source })?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Runs `work` on a thread of its own, with a runtime of its own. Looks and reads are short and wait most of the time:
/// waking other threads for their steps would cost more than the steps.
fn on_a_thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().with_context(|| format!("cannot start the {name}"))?;
    let run = move || {
        let _abort = AbortOnPanic;
        // As a task: waking what `block_on` itself waits for costs a system call, a task on the same thread none.
        let near = async {
            tokio::spawn(stay_near());
            tokio::spawn(work).await
        };
        if let Err(panic) = runtime.block_on(near) {
            std::panic::resume_unwind(panic.into_panic());
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(run).context("cannot start a thread")?;
    Ok(())
}

/// A timer that is always near: without one, tokio wakes its own driver for every timer that is made while it runs, which is a
/// system call each.
async fn stay_near() {
    const NEAR: Duration = Duration::from_millis(250);
    loop {
        tokio::time::sleep(NEAR).await;
    }
}

/// Cancelled by SIGTERM or SIGINT. Asked twice, the process ends at once: what was committed is safe, as after a kill.
fn signalled() -> anyhow::Result<CancellationToken> {
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let told = CancellationToken::new();
    let tell = told.clone();
    tokio::spawn(async move {
        let mut asked = async || tokio::select! { _ = term.recv() => {}, _ = interrupt.recv() => {} };
        asked().await;
        tell.cancel();
        asked().await;
        std::process::exit(0);
    });
    Ok(told)
}

/// A running daemon: what is needed to reload and to stop it.
struct Daemon {
    config: Arc<Config>,
    load: Load,
    site: Arc<Site>,
    inputs: Inputs,
    news: mpsc::UnboundedSender<News>,
    commands: mpsc::Sender<Command>,
    mail: Arc<Mail>,
    reloads: mpsc::Receiver<ReloadRequest>,
    stop_looking: CancellationToken,
    stop_sending: CancellationToken,
    dispatcher: tokio::task::JoinHandle<()>,
    upkeep: Option<tokio::task::JoinHandle<()>>,
    pulse: Pulse,
    recorder: std::thread::JoinHandle<Result<(), StoreError>>,
    /// Only an error ends the recorder before it is told to.
    recorder_gone: CancellationToken,
    prober: Option<Prober>,
    prober_commands: Option<mpsc::Receiver<Command>>,
    pages: mpsc::Sender<Vec<Subscription>>,
    reader: Option<(Reader, mpsc::Receiver<Vec<Subscription>>)>,
}

impl Daemon {
    fn start(config: Arc<Config>, listeners: Vec<TcpListener>, load: Load) -> Result<Daemon, RunError> {
        let telemetry = Telemetry::default();
        let board = Arc::new(Board::default());
        let (reload, reloads) = mpsc::channel(1);
        let (inputs, taken) = inputs::inputs();
        let mail = Arc::new(Mail::new(inputs.clone(), telemetry.clone()));
        let postman = mail.clone();
        let site = Arc::new(Site {
            board: board.clone(),
            telemetry: telemetry.clone(),
            ready: AtomicBool::new(false),
            metrics_full: AtomicBool::new(config.metrics_full),
            lifecycle: AtomicBool::new(config.web.lifecycle),
            reload,
            config: ArcSwap::new(config.clone()),
            admit: Box::new(move |id, token| postman.admit(id, token)),
            push_failures: Failures::default(),
        });
        let writer = Writer::open(&config.store.path, config.store.allow_network_fs, clock::boot_id())?;
        let reader = writer.reader()?;
        let (suspended, mending) = (reader.suspensions()?, reader.mending()?);
        let (outbox, mut committed) = mpsc::unbounded_channel::<Vec<Delivery>>();
        let (recorder, mut checks) = Recorder::start(writer, config.clone(), board, telemetry.clone(), outbox)?;
        let pending = recorder.pending();

        let (news, heard) = mpsc::unbounded_channel();
        let relay = news.clone();
        tokio::spawn(async move {
            while let Some(deliveries) = committed.recv().await {
                let _ = relay.send(News::Committed(deliveries));
            }
        });
        let dispatcher = Dispatcher::new(&config, Remembered { pending, suspended, mending }, inputs.clone(), telemetry.clone());
        let mut reader = Reader::new(&config, inputs.clone(), telemetry.clone());
        reader.replace(std::mem::take(&mut checks.pages));
        let mut prober = Prober::new(&config, inputs.clone(), telemetry.clone());
        let command = Command { config: config.clone(), checks };
        mail.replace(&command);
        prober.replace(&command);
        let (commands, prober_commands) = mpsc::channel(1);
        let (pages, page_commands) = mpsc::channel(1);
        let stop_looking = CancellationToken::new();
        let stop_sending = CancellationToken::new();
        let recorder_gone = CancellationToken::new();
        let gone = recorder_gone.clone().drop_guard();
        let pulse = Pulse::default();
        let turning = pulse.clone();
        let work = move || {
            let _gone = gone;
            recorder.run(&taken, &turning)
        };
        let recorder = std::thread::Builder::new().name("recorder".into()).spawn(work).context("cannot start a thread")?;
        tokio::spawn(ratios::run(config.store.path.clone(), site.board.clone(), telemetry, stop_sending.clone()));
        let router = router(site.clone(), &config.web.route_prefix);
        for listener in listeners {
            tokio::spawn(serve(listener, router.clone(), stop_sending.clone()));
        }
        site.telemetry.reload_success_at.set(clock::now().as_seconds());
        Ok(Daemon {
            dispatcher: tokio::spawn(dispatcher.run(heard, stop_sending.clone())),
            upkeep: None,
            pulse,
            config,
            load,
            site,
            inputs,
            news,
            commands,
            mail,
            reloads,
            stop_looking,
            stop_sending,
            recorder,
            recorder_gone,
            prober: Some(prober),
            prober_commands: Some(prober_commands),
            pages,
            reader: Some((reader, page_commands)),
        })
    }

    fn start_looking(&mut self) -> anyhow::Result<()> {
        if let Some((reader, commands)) = self.reader.take() {
            on_a_thread("reader", reader.run(commands, self.stop_looking.clone()))?;
        }
        if let (Some(prober), Some(commands)) = (self.prober.take(), self.prober_commands.take()) {
            on_a_thread("prober", prober.run(commands, self.pulse.clone(), self.stop_looking.clone()))?;
        }
        Ok(())
    }

    async fn until(mut self, told: CancellationToken) -> Result<(), RunError> {
        // Before anybody is told that it is ready: until it is listened for, this signal kills.
        let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let gone = self.recorder_gone.clone();
        self.start_looking()?;
        self.site.ready.store(true, Ordering::Release);
        let checks: usize = self.config.vendors.iter().map(|v| v.checks.len()).sum();
        tracing::info!(vendors = self.config.vendors.len(), checks, listen = ?self.config.web.listen, "vendord is ready");
        tokio::spawn(pulse::keep(self.pulse.clone(), self.stop_sending.clone()));
        self.upkeep = Some(tokio::spawn(upkeep::run(Upkeep {
            site: self.site.clone(),
            inputs: self.inputs.clone(),
            stop: self.stop_sending.clone(),
        })));
        loop {
            tokio::select! {
                () = told.cancelled() => break,
                _ = hangup.recv() => drop(self.reload().await),
                Some(answer) = self.reloads.recv() => drop(answer.send(self.reload().await)),
                () = gone.cancelled() => break,
            }
        }
        self.stop().await
    }

    async fn once(mut self) -> Result<(), RunError> {
        let (done, looked) = oneshot::channel();
        if let Some(prober) = &mut self.prober {
            prober.once(done);
        }
        let (read_all, read) = oneshot::channel();
        if let Some((reader, _)) = &mut self.reader {
            reader.once(read_all);
        }
        self.start_looking()?;
        let _ = tokio::join!(looked, read);
        let began = clock::instant();
        // A result is committed within `commit_within`; only then it is known what has to be delivered.
        tokio::time::sleep(self.config.store.commit_within * 2).await;
        while began.elapsed() < DELIVERED_WITHIN && self.site.board.figures().waiting.iter().any(|w| w.pending > 0) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.stop().await
    }

    /// Validates everything first; a bad configuration changes nothing and says why.
    async fn reload(&mut self) -> Result<(), String> {
        pulse::reloading().await;
        let outcome = self.try_reload().await;
        pulse::reloaded().await;
        let telemetry = &self.site.telemetry;
        telemetry.reload_successful.set(i64::from(outcome.is_ok()));
        match &outcome {
            Ok(()) => {
                telemetry.reload_success_at.set(clock::now().as_seconds());
                tracing::info!("configuration reloaded");
            }
            Err(why) => {
                for line in why.lines() {
                    tracing::error!("configuration not reloaded, the old one stays in force: {line}");
                }
            }
        }
        outcome
    }

    async fn try_reload(&mut self) -> Result<(), String> {
        let load = self.load.clone();
        let config = tokio::task::spawn_blocking(move || load()).await.map_err(|e| e.to_string())??;
        self.refuse_what_needs_a_restart(&config)?;
        let config = Arc::new(config);
        let mut checks = self.register(config.clone()).await?;
        let _ = self.pages.send(std::mem::take(&mut checks.pages)).await;
        self.site.config.store(config.clone());
        self.site.metrics_full.store(config.metrics_full, Ordering::Relaxed);
        self.site.lifecycle.store(config.web.lifecycle, Ordering::Relaxed);
        let _ = self.news.send(News::Receivers(config.clone()));
        let command = Command { config: config.clone(), checks };
        self.mail.replace(&command);
        let _ = self.commands.send(command).await;
        self.config = config;
        Ok(())
    }

    async fn register(&self, config: Arc<Config>) -> Result<Reloaded, String> {
        let (answer, registered) = oneshot::channel();
        self.inputs.tell(Input::Reload { config, answer });
        match registered.await {
            Ok(outcome) => outcome.map_err(|error| format!("the store did not take it: {error}")),
            Err(_) => Err("vendord is stopping".to_owned()),
        }
    }

    /// Better refused than half done.
    fn refuse_what_needs_a_restart(&self, new: &Config) -> Result<(), String> {
        let old = &self.config;
        let changed = [
            ("[store] url", old.store.path != new.store.path),
            ("[agent] location", old.agent.location != new.agent.location),
            ("[agent] max_in_flight", old.agent.max_in_flight != new.agent.max_in_flight),
            ("[agent] max_per_host", old.agent.max_per_host != new.agent.max_per_host),
            ("[web] listen", old.web.listen != new.web.listen),
            ("[web] route_prefix", old.web.route_prefix != new.web.route_prefix),
        ];
        match changed.iter().find(|(_, changed)| *changed) {
            Some((key, _)) => Err(format!("{}: {key} changed, which needs a restart", new.path.display())),
            None => Ok(()),
        }
    }

    /// Stops looking, lets answers come in, writes everything down.
    async fn stop(self) -> Result<(), RunError> {
        let began = clock::instant();
        self.site.ready.store(false, Ordering::Release);
        tracing::info!("stopping");
        pulse::stopping().await;
        self.stop_looking.cancel();
        self.stop_sending.cancel();
        let _ = self.dispatcher.await;
        if let Some(upkeep) = self.upkeep {
            let _ = upkeep.await;
        }
        self.inputs.tell(Input::Stop);
        let ended = tokio::task::spawn_blocking(move || self.recorder.join());
        // What the dispatcher took to hear the last answers is part of the promise.
        match tokio::time::timeout(STOP_WITHIN.saturating_sub(began.elapsed()), ended).await {
            Ok(Ok(Ok(outcome))) => Ok(outcome?),
            Ok(_) => Err(anyhow::anyhow!("the recorder ended with a panic").into()),
            Err(_) => Err(anyhow::anyhow!("the store did not take the last results within {} s", STOP_WITHIN.as_secs()).into()),
        }
    }
}
