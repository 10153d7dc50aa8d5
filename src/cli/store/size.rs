//! `vendord store size`: bytes by what they are for.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::bytes;
use crate::cli::table::Table;
use crate::cli::words::seconds_of;
use crate::cli::{Answer, Context, Failure, to_json};
use crate::clock;
use crate::config;
use crate::model::Timestamp;
use crate::store::{self, Older, Reader, Size, StoreError, Tier};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord store size")]
pub struct Arguments {
    /// For scripts
    #[arg(long)]
    json: bool,
}

/// Days for which results could be kept instead.
const SHORTER: [u32; 4] = [365, 180, 90, 30];
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Serialize)]
struct Report {
    schema: u32,
    path: String,
    /// Of the files, the write-ahead log included.
    bytes: u64,
    tiers: BTreeMap<&'static str, u64>,
    results: Results,
    keep_observations_seconds: f64,
    would_free: Vec<WouldFree>,
}

#[derive(Serialize)]
struct Results {
    journal: u64,
    packed: u64,
}

#[derive(Serialize)]
struct WouldFree {
    keep_observations_seconds: f64,
    bytes: u64,
    results: u64,
}

pub fn size(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let store = config::store(&context.config_path()?).map_err(|found| Failure::diagnostics(&found, context.colour_err))?;
    let reader = Reader::open(&store.path)?;
    reader.hold_still()?;
    let size = reader.size()?;
    let shorter = shorter(&reader, store.keep_observations, clock::now())?;
    let (path, all) = (store.path.display().to_string(), store::size_bytes(&store.path));
    Ok(Answer::fine(match arguments.json {
        true => to_json(&report(path, all, &size, store.keep_observations, &shorter)),
        false => text(&path, all, &size, &shorter, context.colour_out),
    }))
}

/// What would be deleted, by the days to keep.
fn shorter(reader: &Reader, keep: Duration, now: Timestamp) -> Result<Vec<(u32, Older)>, StoreError> {
    let shorter = SHORTER.into_iter().filter(|days| DAY * *days < keep);
    shorter.map(|days| Ok((days, reader.packed_before(now - DAY * days)?))).collect()
}

fn report(path: String, bytes: u64, size: &Size, keep: Duration, shorter: &[(u32, Older)]) -> Report {
    Report {
        schema: 1,
        path,
        bytes,
        tiers: size.tiers.iter().map(|(tier, bytes)| (tier.as_str(), *bytes)).collect(),
        results: Results { journal: size.journal_results, packed: size.packed_results },
        keep_observations_seconds: seconds_of(keep),
        would_free: shorter
            .iter()
            .map(|(days, older)| WouldFree {
                keep_observations_seconds: seconds_of(DAY * *days),
                bytes: older.bytes,
                results: older.results,
            })
            .collect(),
    }
}

fn text(path: &str, all: u64, size: &Size, shorter: &[(u32, Older)], coloured: bool) -> String {
    let mut table = Table::new(coloured, ["TIER", "BYTES", "RESULTS"]);
    for (tier, number) in &size.tiers {
        let results = match tier {
            Tier::Journal => size.journal_results.to_string(),
            Tier::Chunks => size.packed_results.to_string(),
            _ => String::new(),
        };
        table.row([tier.as_str().into(), bytes(*number).into(), results.into()]);
    }
    let mut text = format!("{path}: {}\n\n{}", bytes(all), table.render());
    for (days, older) in shorter.iter().filter(|(_, older)| older.results > 0) {
        text += &format!("\nkeep_observations = \"{days}d\" would free {} ({} results)", bytes(older.bytes), older.results);
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
