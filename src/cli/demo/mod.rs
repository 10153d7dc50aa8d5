//! `vendord demo`: the daemon against simulated vendors on the loopback address, with a past and an outage to come.
//!
//! - `cast` and `script` are what is played; `world` is what of it holds at an instant, a pure function of time.
//! - `past` asks the world by a virtual clock and writes what a daemon would have written; `declared` is what it had read.
//! - `servers` and `pages` answer for the vendors by the real clock; the daemon that asks them is the one of `run`.
//! - `files`, `directory`, `receiver` and `terminal` are what the person gets to see.
//!
//! It reads no configuration, everything it listens on is on the loopback address, and nothing else is asked for anything.

mod cast;
mod declared;
mod directory;
mod files;
mod noise;
mod pages;
mod past;
mod receiver;
mod script;
mod servers;
mod terminal;
mod world;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::words::read_duration;
use super::{Answer, Context, Failure, logging};
use crate::clock;
use crate::config::{self, Config};
use crate::daemon::{self, Until};
use crate::probes::Workshop;
use directory::Directory;
use script::{Pace, Script};
use servers::{Open, Place};
use terminal::{Places, Terminal};
use world::World;

/// That of the daemon; others follow where it is taken.
const PORT: u16 = 9978;
/// So many ports after it are tried.
const PORTS_TRIED: u16 = 100;
/// What still runs when everything was written down may take so long.
const STOP_WITHIN: Duration = Duration::from_secs(2);

#[derive(Args)]
#[command(before_help = "Example:\n  vendord demo --for 5m")]
pub struct Arguments {
    /// End by itself after this [default: on Ctrl-C]
    #[arg(long = "for", value_name = "DURATION", value_parser = read_duration)]
    ends_after: Option<Duration>,
    /// Keep configuration and database in this new directory [default: a temporary one, removed at the end]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Where the page is [default: 9978, or the next that is free]
    #[arg(long)]
    port: Option<u16>,
    /// What is scripted goes so many times as fast: for tests
    #[arg(long, hide = true, default_value = "1", value_parser = read_pace)]
    pace: Pace,
}

fn read_pace(text: &str) -> Result<Pace, String> {
    let pace = text.parse().ok().filter(|pace| (1.0..=50.0).contains(pace));
    pace.map(Pace).ok_or_else(|| "write a number from 1 to 50".to_owned())
}

pub fn demo(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let directory = Directory::take(arguments.keep.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::missing(format!("cannot start threads: {error}")))?;
    let outcome = runtime.block_on(play(context, arguments, &directory));
    runtime.shutdown_timeout(STOP_WITHIN);
    outcome.map(|()| Answer::fine(String::new()))
}

async fn play(context: &Context, arguments: &Arguments, directory: &Directory) -> Result<(), Failure> {
    let stop = stop(arguments.ends_after)?;
    let terminal = Terminal::new(context.colour_out, &stop);
    terminal.begin();
    let stage = Stage::set(arguments, directory).await?;
    logging::start(&stage.config.log, context.verbosity, context.colour_err)?;
    let (began, stage) = stage.with_past(&stop).await?;
    if stop.is_cancelled() {
        return Ok(());
    }
    let script = Script { opens_at: clock::now(), pace: arguments.pace };
    let world = Arc::new(World { began, script: Some(script) });
    let places = stage.places(arguments, directory);
    let Stage { web, receiver, vendors, config, workshop } = stage;
    // The vendors outlive the daemon: that they went away must not be the last thing that it saw.
    let curtain = CancellationToken::new();
    let _falls = curtain.clone().drop_guard();
    servers::start(vendors, &world, &curtain);
    receiver::start(receiver, &terminal, &curtain);
    terminal.greet(&places, &script);
    tokio::spawn(terminal.tell(script));
    let ended = daemon::run_on(vec![web], config, workshop, Until::Told(stop)).await;
    ended.map_err(|error| Failure::missing(error.to_string()))
}

/// Cancelled by SIGINT and SIGTERM, and after the time that was given.
fn stop(after: Option<Duration>) -> Result<CancellationToken, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::missing(format!("cannot listen for signals: {error}")));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        let over = async {
            match after {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = over => {}
        }
        told.cancel();
    });
    Ok(stop)
}

/// Everything in its place before anybody plays.
struct Stage {
    web: TcpListener,
    receiver: Place,
    vendors: Vec<Open>,
    config: Config,
    workshop: Arc<Workshop>,
}

impl Stage {
    async fn set(arguments: &Arguments, directory: &Directory) -> Result<Stage, Failure> {
        let cannot = |error: std::io::Error| Failure::missing(format!("cannot listen on the loopback address: {error}"));
        let web = listen(arguments.port).await?;
        let receiver = Place::open().await.map_err(cannot)?;
        let vendors = servers::open().await.map_err(cannot)?;
        let address = web.local_addr().map_err(cannot)?;
        let main = files::Main { web: address, receiver: receiver.url(), pace: arguments.pace, vendors: &vendors };
        files::write(directory, &main)?;
        let workshop = Arc::new(Workshop::new());
        let loaded = config::load(&directory.path().join("vendord.toml"), &workshop);
        let config = loaded.config.ok_or_else(|| Failure::diagnostics(&loaded.diagnostics, false))?;
        Ok(Stage { web, receiver, vendors, config, workshop })
    }

    /// And the instant at which the past ends.
    async fn with_past(self, stop: &CancellationToken) -> Result<(crate::model::Timestamp, Stage), Failure> {
        let (began, stop) = (clock::now(), stop.clone());
        let made = tokio::task::spawn_blocking(move || {
            let made = past::make(&World { began, script: None }, &self.config, &stop);
            made.map(|()| (began, self))
        });
        Ok(made.await.map_err(|error| Failure::missing(error.to_string()))??)
    }

    fn places<'d>(&self, arguments: &Arguments, directory: &'d Directory) -> Places<'d> {
        let actor = self.vendors.iter().find(|open| open.vendor.id == cast::ACTOR.id);
        Places {
            web: self.config.web.listen.first().map_or(String::new(), |address| format!("http://{address}/")),
            receiver: format!("{}/", self.receiver.url()),
            page: actor.and_then(|open| Some(format!("{}/", open.page.as_ref()?.1.url()))).unwrap_or_default(),
            directory: directory.path(),
            is_kept: directory.is_kept(),
            program: std::env::args_os().next().map_or("vendord".to_owned(), |name| name.to_string_lossy().into_owned()),
            ends_after: arguments.ends_after,
        }
    }
}

/// The port that was asked for, else the first that is free. It stays taken from here on, so that two demos never meet.
async fn listen(port: Option<u16>) -> Result<TcpListener, Failure> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    if let Some(port) = port {
        let hint = "choose another with --port, or leave it out";
        return bind(port).await.map_err(|error| Failure::missing(format!("cannot listen on 127.0.0.1:{port}: {error}")).hint(hint));
    }
    for port in PORT..PORT + PORTS_TRIED {
        if let Ok(listener) = bind(port).await {
            return Ok(listener);
        }
    }
    Err(Failure::missing(format!("no port from {PORT} on is free")).hint("choose one with --port"))
}
