//! `vendord import`: a past from elsewhere. What is there already stays as it is; a second run changes nothing.

mod gcp;
mod incidents;
mod lines;
mod page;
mod row;
mod table;
mod text;

use clap::Subcommand;

use super::{Answer, Context, Failure};

#[derive(Subcommand)]
#[command(before_help = "Example:\n  vendord import incidents github github.jsonl --dry-run")]
pub enum Verb {
    /// Incidents and maintenance that a vendor declared
    Incidents(incidents::Arguments),
}

pub fn import(context: &Context, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Incidents(arguments) => incidents::incidents(context, arguments),
    }
}
