//! In which form a list is wanted.

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For scripts
    Json,
    /// For spreadsheets
    Csv,
}

/// What a list takes beside its filters.
#[derive(Args)]
pub struct Wanted {
    /// For scripts; the same as --output json
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// In which form
    #[arg(long, value_enum, hide_possible_values = true, value_name = "text|json|csv", default_value = "text", hide_default_value = true)]
    output: Output,
}

impl Wanted {
    pub fn output(&self) -> Output {
        if self.json { Output::Json } else { self.output }
    }
}
