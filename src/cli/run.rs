//! `vendord run`: the daemon.

use std::sync::Arc;

use clap::Args;

use super::{Answer, Context, Failure, logging, status};
use crate::config::{Config, Level};
use crate::daemon::{self, Until};
use crate::probes::Workshop;

#[derive(Args)]
#[command(before_help = "Example:\n  vendord run -c /etc/vendord/vendord.toml")]
pub struct Arguments {
    /// Look at everything once, deliver, print the status and end as `status` does
    #[arg(long)]
    once: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let workshop = Arc::new(Workshop::new());
    let (config, diagnostics) = context.load(&workshop)?;
    logging::start(&config.log, context.verbosity, context.colour_err)?;
    for finding in diagnostics.iter().filter(|finding| finding.level == Level::Warning) {
        tracing::warn!("{}", finding.line());
    }
    let path = config.store.path.clone();
    watch(config, workshop, arguments.once)?;
    if arguments.once { status::of_all(&path, context.colour_out) } else { Ok(Answer::fine(String::new())) }
}

/// Until it is asked to stop; with `once` until everything was looked at and told.
fn watch(config: Config, workshop: Arc<Workshop>, once: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::missing(format!("cannot start threads: {error}")))?;
    let until = if once { Until::Looked } else { Until::Signal };
    let outcome = runtime.block_on(daemon::run(config, workshop, until));
    // Probes that were abandoned may still wait for a resolver.
    runtime.shutdown_background();
    outcome.map_err(|error| Failure::missing(error.to_string()))
}
