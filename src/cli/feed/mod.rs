//! `vendord feed`: one status page as it is now, normalised. Needs no configuration and stores nothing.

pub(super) mod find;
mod json;
mod suggest;
mod text;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::{Answer, Context, Failure, to_json};
use crate::feeds;

#[derive(Args)]
#[command(before_help = "\
Examples:
  vendord feed https://www.githubstatus.com
  vendord feed --suggest https://www.githubstatus.com >> config/vendors/github.toml")]
pub struct Arguments {
    /// A status page, one of its documents, a file, or - for stdin
    #[arg(value_name = "URL|FILE")]
    source: String,
    /// What it is made with [default: what it turns out to be]
    #[arg(long, value_name = "FORMAT", value_parser = PossibleValuesParser::new(feeds::FORMATS.iter().map(|format| format.name)))]
    format: Option<String>,
    /// Print the [[status_pages]] to write for it
    #[arg(long, conflicts_with = "json")]
    suggest: bool,
    /// Say which places were asked, and why it is taken for what it is
    #[arg(long, conflicts_with_all = ["json", "suggest"])]
    explain: bool,
    /// For scripts
    #[arg(long)]
    json: bool,
}

pub fn feed(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let format = arguments.format.as_deref().and_then(feeds::format);
    let found = find::find(&arguments.source, format)?;
    Ok(Answer::fine(match arguments {
        Arguments { json: true, .. } => to_json(&json::Shown::of(&found.page)),
        Arguments { suggest: true, .. } => suggest::suggest(&found),
        Arguments { explain: true, .. } => text::explained(&found, context.colour_out),
        _ => text::text(&found, context.colour_out),
    }))
}
