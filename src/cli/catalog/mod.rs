//! `vendord catalog`: the vendors that are known by name. Needs no configuration.

mod search;
mod show;

use clap::Subcommand;
use serde::Serialize;

use super::{Answer, Context, Failure};
use crate::config::catalog::{self, Entry, Reading};

#[derive(Subcommand)]
#[command(before_help = "Example:\n  vendord catalog search cloud --platform statuspage")]
pub enum Verb {
    /// Find vendors; without words, all of them
    Search(search::Arguments),
    /// One vendor, and what to write for it
    Show(show::Arguments),
}

pub fn catalog(context: &Context, verb: &Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::Search(arguments) => search::search(context, arguments),
        Verb::Show(arguments) => show::show(arguments),
    }
}

/// The entry of an id or alias.
pub fn entry(name: &str) -> Result<&'static Entry, Failure> {
    catalog::find(name).ok_or_else(|| {
        let failure = Failure::usage(format!("there is no vendor {name:?} in the catalogue"));
        failure.hint(match catalog::nearest(name) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "`vendord catalog search WORD` finds what there is".to_owned(),
        })
    })
}

/// What to write into the vendor's file, below `catalog = ..`, because of how its page can be read; empty: nothing.
pub fn page_lines(entry: &Entry) -> String {
    match entry.reading() {
        Reading::Format(_) | Reading::FoundOut => String::new(),
        Reading::NotYet => format!(
            "\n# Its status page is made with {}, which this version cannot read. Remove these lines when it can.\n[[status_pages]]\nenabled = false\n",
            entry.engine()
        ),
    }
}

/// An entry as scripts get it.
#[derive(Serialize)]
struct Row {
    id: &'static str,
    name: &'static str,
    category: &'static str,
    platform: &'static str,
    /// Null: it shows when the page is read.
    readable: Option<bool>,
    /// The format that reads it.
    format: Option<&'static str>,
    status_page: &'static str,
    feed: Option<&'static str>,
    website: Option<&'static str>,
    aliases: &'static [&'static str],
}

impl From<&'static Entry> for Row {
    fn from(entry: &'static Entry) -> Row {
        let (readable, format) = match entry.reading() {
            Reading::Format(format) => (Some(true), Some(format)),
            Reading::FoundOut => (None, None),
            Reading::NotYet => (Some(false), None),
        };
        Row {
            id: entry.id,
            name: entry.name,
            category: entry.category,
            platform: entry.platform,
            readable,
            format,
            status_page: entry.status_page,
            feed: entry.feed,
            website: entry.website,
            aliases: &entry.aliases,
        }
    }
}
