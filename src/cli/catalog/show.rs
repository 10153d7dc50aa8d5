//! `vendord catalog show`: what is known of one vendor, and what to write to watch it.

use clap::Args;
use serde::Serialize;

use super::{Row, entry, page_lines};
use crate::cli::{Answer, Failure, to_json};
use crate::config::catalog::{Entry, Reading};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord catalog show github")]
pub struct Arguments {
    /// The vendor's id in the catalogue, or an alias
    #[arg(value_name = "ID")]
    id: String,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    schema: u32,
    #[serde(flatten)]
    row: Row,
    /// For the vendor's file.
    toml: String,
}

pub fn show(arguments: &Arguments) -> Result<Answer, Failure> {
    let entry = entry(&arguments.id)?;
    Ok(Answer::fine(match arguments.json {
        true => to_json(&Shown { schema: 1, row: entry.into(), toml: lines(entry) }),
        false => text(entry),
    }))
}

fn lines(entry: &Entry) -> String {
    format!("catalog = \"{}\"\n{}", entry.id, page_lines(entry))
}

fn text(entry: &Entry) -> String {
    let mut text = format!("{} ({})\n", entry.name, entry.id);
    let mut fact = |name: &str, value: &str| text += &format!("{name:<12} {value}\n");
    if !entry.aliases.is_empty() {
        fact("also", &entry.aliases.join(", "));
    }
    fact("category", entry.category);
    if let Some(website) = entry.website {
        fact("website", website);
    }
    fact("status page", entry.status_page);
    if let Some(feed) = entry.feed {
        fact("feed", feed);
    }
    fact("platform", entry.platform);
    fact("read", &reading(entry));
    text += &format!("\nWrite config/vendors/{}.toml, or let `vendord init {}` do it:\n\n", entry.id, entry.id);
    text += &lines(entry);
    if entry.reading() != Reading::NotYet {
        text += &format!("\nWhat it says now: vendord feed {}\n", entry.address());
    }
    text
}

fn reading(entry: &Entry) -> String {
    match entry.reading() {
        Reading::Format(format) => format!("by this version, as {format}"),
        Reading::FoundOut => "perhaps: it shows when it is asked".to_owned(),
        Reading::NotYet => format!("not by this version: the page is made with {}", entry.engine()),
    }
}
