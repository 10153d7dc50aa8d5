//! `vendord store restore`: a backup becomes the database; what was there before is kept.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::backup::unsound;
use crate::cli::{Answer, Context, Failure, to_json};
use crate::clock;
use crate::config;
use crate::store::{self, StoreError};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord store restore /var/backups/vendord-2026-11-23.db")]
pub struct Arguments {
    /// A file that `vendord store backup` wrote; it stays as it is
    file: PathBuf,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    path: String,
    backup: String,
    /// Where the database is that was there before.
    before: Option<String>,
}

pub fn restore(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let store = config::store(&context.config_path()?).map_err(|found| Failure::diagnostics(&found, context.colour_err))?;
    let backup = arguments.file.display().to_string();
    if !arguments.file.exists() {
        return Err(Failure::missing(format!("there is no backup at {backup}")));
    }
    let restored = match store::restore(&arguments.file, &store.path, store.allow_network_fs, clock::now()) {
        Err(StoreError::Corrupt(what)) => return Err(unsound(&backup, &what)),
        other => other?,
    };
    let (path, before) = (store.path.display().to_string(), restored.before.map(|path| path.display().to_string()));
    Ok(Answer::fine(match arguments.json {
        true => to_json(&Report { schema: 1, path, backup, before }),
        false => match before {
            Some(before) => format!("{path}: restored from {backup}; what was there before is {before}\n"),
            None => format!("{path}: restored from {backup}\n"),
        },
    }))
}
