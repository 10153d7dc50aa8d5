//! `vendord store verify`: whether the database is sound.

use clap::Args;
use serde::Serialize;

use crate::cli::words::{count, tame};
use crate::cli::{Answer, Context, Exit, Failure, to_json};
use crate::store::{self, Reader, StoreError};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord store verify && echo sound")]
pub struct Arguments {
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verified {
    schema: u32,
    path: String,
    findings: Vec<String>,
}

pub fn verify(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let path = context.store_path()?;
    let findings = findings(&path)?;
    let exit = Exit::finding_if(!findings.is_empty());
    let path = path.display().to_string();
    let text = match arguments.json {
        true => to_json(&Verified { schema: 1, path, findings }),
        false => text(&path, &findings),
    };
    Ok(Answer { text, exit })
}

/// Damage that keeps SQLite from looking is a finding too.
fn findings(path: &std::path::Path) -> Result<Vec<String>, StoreError> {
    let look = || {
        let reader = Reader::open(path)?;
        reader.hold_still()?;
        store::verify(&reader)
    };
    match look() {
        Err(StoreError::Corrupt(what)) => Ok(vec![what]),
        other => other,
    }
}

fn text(path: &str, findings: &[String]) -> String {
    if findings.is_empty() {
        return format!("{path}: sound\n");
    }
    let lines: String = findings.iter().map(|finding| format!("  {}\n", tame(finding))).collect();
    format!("{path}: {}; keep the file and restore the newest backup\n{lines}", count(findings.len(), "finding"))
}
