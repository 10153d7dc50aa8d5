//! `vendord lint`: whether the configuration is right.

mod online;

use clap::{Args, ValueEnum};

use crate::cli::words::count;
use crate::cli::{Answer, Context, Exit, Failure, to_json};
use crate::config::{self, Config, Diagnostics, Level};
use crate::probes::Workshop;

#[derive(Args)]
#[command(before_help = "Example:\n  vendord lint --fail-on warning")]
pub struct Arguments {
    /// Exit with 1 for findings of this level and worse
    #[arg(long, value_name = "LEVEL", default_value = "error")]
    fail_on: FailOn,
    /// Read every status page as well: whether it can be, and whether its filters match something
    #[arg(long)]
    online: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Error,
    Warning,
    Info,
}

impl FailOn {
    const fn level(self) -> Level {
        match self {
            FailOn::Error => Level::Error,
            FailOn::Warning => Level::Warning,
            FailOn::Info => Level::Info,
        }
    }
}

/// Findings are what was asked for, so they go to stdout, also where nothing loads.
pub fn lint(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let loaded = config::load(&context.config_path()?, &Workshop::new());
    let mut diagnostics = loaded.diagnostics;
    if let Some(config) = loaded.config.as_ref().filter(|_| arguments.online) {
        online::look(config, &loaded.pages, &mut diagnostics)?;
    }
    let found = &diagnostics;
    let exit = match loaded.config {
        None => Exit::Config,
        Some(_) => Exit::finding_if(found.worst() >= Some(arguments.fail_on.level())),
    };
    let text = if arguments.json { to_json(&found.json()) } else { text(found, loaded.config.as_ref(), context.colour_out) };
    Ok(Answer { text, exit })
}

fn text(found: &Diagnostics, config: Option<&Config>, coloured: bool) -> String {
    let mut text = found.render(coloured);
    if !text.is_empty() {
        text.push('\n');
    }
    text += &summary(config, found);
    text.push('\n');
    text
}

/// `3 vendors, 12 checks, 3 status pages, 2 receivers: no findings`
fn summary(config: Option<&Config>, found: &Diagnostics) -> String {
    let levels = [Level::Error, Level::Warning, Level::Info];
    let number = |level: Level| match (level, found.count(level)) {
        (_, 0) => None,
        (Level::Info, 1) => Some("1 note".to_owned()),
        (Level::Info, number) => Some(format!("{number} notes")),
        (level, number) => Some(count(number, level.as_str())),
    };
    let findings: Vec<String> = levels.into_iter().filter_map(number).collect();
    let findings = if findings.is_empty() { "no findings".to_owned() } else { findings.join(", ") };
    let Some(config) = config else { return findings };
    let checks = config.vendors.iter().map(|vendor| vendor.checks.len()).sum();
    let pages = config.vendors.iter().map(|vendor| vendor.status_pages.len()).sum();
    let parts = [
        count(config.vendors.len(), "vendor"),
        count(checks, "check"),
        count(pages, "status page"),
        count(config.receivers.len(), "receiver"),
    ];
    format!("{}: {findings}", parts.join(", "))
}
