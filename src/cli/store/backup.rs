//! `vendord store backup`: a copy that is whole and sound, or none.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::bytes;
use crate::cli::{Answer, Context, Failure, to_json};
use crate::store::{self, StoreError};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord store backup /var/backups/vendord-$(date +%F).db")]
pub struct Arguments {
    /// Where to; a file that is there is not overwritten
    file: PathBuf,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    schema: u32,
    path: String,
    backup: String,
    bytes: u64,
    /// A copy that is not sound is not kept.
    verified: bool,
}

pub fn backup(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let path = context.store_path()?;
    let file = arguments.file.display().to_string();
    if arguments.file.exists() {
        return Err(Failure::usage(format!("{file} exists and is not overwritten")).hint("name another file"));
    }
    let written = match store::backup(&path, &arguments.file) {
        Err(StoreError::Corrupt(what)) => return Err(unsound(&path.display().to_string(), &what)),
        other => other?,
    };
    Ok(Answer::fine(match arguments.json {
        true => to_json(&Written { schema: 1, path: path.display().to_string(), backup: file, bytes: written, verified: true }),
        false => format!("{file}: {}, verified\n", bytes(written)),
    }))
}

pub fn unsound(path: &str, what: &str) -> Failure {
    Failure::finding(format!("{path} is damaged: {what}")).hint("keep it, and use an older backup")
}
