//! `vendord import`: a past from elsewhere. What is there already stays as it is; a second run changes nothing.

mod config;
mod gcp;
mod incidents;
mod lines;
mod page;
mod past;
mod row;
mod table;
mod text;

use std::fs::File;
use std::io::Read;

use clap::Subcommand;

use super::words::tame;
use super::{Answer, Context, Failure};
use text::Unusable;

#[derive(Subcommand)]
#[command(before_help = "Example:\n  vendord import incidents github github.jsonl --dry-run")]
pub enum Verb {
    /// Incidents and maintenance that a vendor declared
    Incidents(incidents::Arguments),
    /// What another monitor saw of a check, from a table
    Observations(past::Observations),
    /// What Uptime Kuma saw, from its database
    UptimeKuma(past::Database),
    /// What Gatus saw, from its database
    Gatus(past::Database),
    /// Checks from a configuration of Gatus
    GatusConfig(config::Gatus),
    /// Checks from a backup or the database of Uptime Kuma
    KumaConfig(config::Kuma),
}

/// Years of the busiest vendor are a few MiB.
const READ_BYTES_MAX: u64 = 256 << 20;

pub fn import(context: &Context, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Incidents(arguments) => incidents::incidents(context, arguments),
        Verb::Observations(arguments) => past::observations(context, arguments),
        Verb::UptimeKuma(arguments) => past::uptime_kuma(context, arguments),
        Verb::Gatus(arguments) => past::gatus(context, arguments),
        Verb::GatusConfig(arguments) => config::gatus(arguments),
        Verb::KumaConfig(arguments) => config::kuma(arguments),
    }
}

fn contents(file: &str) -> Result<String, Failure> {
    let cannot = |why: String| Failure::missing(format!("cannot read {file}: {why}"));
    let mut bytes = Vec::new();
    let read = |from: &mut dyn Read, bytes: &mut Vec<u8>| from.take(READ_BYTES_MAX + 1).read_to_end(bytes);
    let read = match file {
        "-" => read(&mut std::io::stdin().lock(), &mut bytes),
        path => File::open(path).and_then(|mut file| read(&mut file, &mut bytes)),
    };
    read.map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > READ_BYTES_MAX {
        return Err(cannot(format!("it is larger than {} MiB", READ_BYTES_MAX >> 20)).hint("split it"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Failure::finding(format!("{file} is not UTF-8 in line {line}")).hint("save it as UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn unusable(file: &str, why: Unusable) -> Failure {
    let place = why.place.map(|place| format!("{file}:{}:{}", place.line, place.column));
    let failure = Failure::finding(format!("{}: {}", place.as_deref().unwrap_or(file), tame(&why.message)));
    let failure = Failure { place, ..failure };
    match why.hint {
        Some(hint) => failure.hint(tame(&hint)),
        None => failure,
    }
}
