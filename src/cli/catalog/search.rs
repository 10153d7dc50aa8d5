//! `vendord catalog search`: the vendors that words, a platform or a category lead to, the best match first.

use clap::Args;
use serde::Serialize;

use super::Row;
use crate::cli::table::Table;
use crate::cli::words::count;
use crate::cli::{Answer, Context, Failure, find, to_json};
use crate::config::catalog::{self, Entry, Reading};

#[derive(Args)]
#[command(before_help = "Example:\n  vendord catalog search google cloud")]
pub struct Arguments {
    /// Parts of ids, names or websites; all of them must be found
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// Only those whose page is made with this: statuspage, incidentio, rss, unknown, …
    #[arg(long)]
    platform: Option<String>,
    /// Only those of this kind: cloud, payments, ai, …
    #[arg(long)]
    category: Option<String>,
    /// Only the best
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// For scripts
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Found {
    schema: u32,
    vendors: Vec<Row>,
}

pub fn search(context: &Context, arguments: &Arguments) -> Result<Answer, Failure> {
    let platform = known("platform", arguments.platform.as_deref(), |entry| entry.platform)?;
    let category = known("category", arguments.category.as_deref(), |entry| entry.category)?;
    let mut found = ranked(&arguments.words);
    found.retain(|entry| platform.is_none_or(|p| p == entry.platform) && category.is_none_or(|c| c == entry.category));
    found.truncate(arguments.limit.unwrap_or(usize::MAX));
    let text = match arguments.json {
        true => to_json(&Found { schema: 1, vendors: found.into_iter().map(Row::from).collect() }),
        false => text(&found, &arguments.words, context.colour_out),
    };
    Ok(Answer::fine(text))
}

/// A filter whose value some entry has; another one would find nothing, silently.
fn known<'a>(what: &str, value: Option<&'a str>, field: fn(&Entry) -> &'static str) -> Result<Option<&'a str>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let all = catalog::each(field);
    match all.contains(&value) {
        true => Ok(Some(value)),
        false => {
            let failure = Failure::from(find::unknown(what, value, all.iter().copied()));
            Err(if failure.hint.is_some() { failure } else { failure.hint(format!("known: {}", all.join(", "))) })
        }
    }
}

/// All entries that have every word, those first of which the words are the id or name.
fn ranked(words: &[String]) -> Vec<&'static Entry> {
    let words: Vec<String> = words.join(" ").split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<(u8, &Entry)> = catalog::entries().iter().filter_map(|entry| Some((rank(entry, &words)?, entry))).collect();
    // Stable: what is equally good stays in the order of ids.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, entry)| entry).collect()
}

/// The smaller the better; `None`: not found.
fn rank(entry: &Entry, words: &[String]) -> Option<u8> {
    let name = entry.name.to_lowercase();
    let (id, whole) = (words.join("-"), words.join(" "));
    if entry.names().any(|known| known == id) || name == whole {
        return Some(0);
    }
    if entry.names().any(|known| known.starts_with(&id)) || name.starts_with(&whole) {
        return Some(1);
    }
    let parts = || entry.names().flat_map(|known| known.split('-')).chain(name.split(|c: char| !c.is_alphanumeric()));
    if words.iter().all(|word| parts().any(|part| part.starts_with(word.as_str()))) {
        return Some(2);
    }
    let has = |word: &String| name.contains(word) || entry.names().chain(entry.website).any(|text| text.contains(word.as_str()));
    words.iter().all(has).then_some(3)
}

fn text(found: &[&Entry], words: &[String], coloured: bool) -> String {
    if found.is_empty() {
        let near = catalog::nearest(&words.join("-")).map(|near| format!("; did you mean {near:?}?"));
        return format!("no vendor of the catalogue matches{}\n", near.unwrap_or_default());
    }
    let mut table = Table::new(coloured, ["ID", "NAME", "CATEGORY", "PLATFORM", "READ", "STATUS PAGE"]);
    for entry in found {
        let read = match entry.reading() {
            Reading::Format(_) => "yes",
            Reading::FoundOut => "maybe",
            Reading::NotYet => "not yet",
        };
        table.row([
            entry.id.into(),
            entry.name.into(),
            entry.category.into(),
            entry.platform.into(),
            read.into(),
            entry.status_page.into(),
        ]);
    }
    format!("{}\n{}\n", table.render(), count(found.len(), "vendor"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(words: &[&str]) -> Vec<&'static str> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        ranked(&words).into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn the_best_match_comes_first() {
        for (words, first) in [
            (&["github"][..], "github"),
            (&["gcp"], "google-cloud"),
            (&["Google", "Cloud"], "google-cloud"),
            (&["google cloud"], "google-cloud"),
            (&["cloud", "google"], "google-cloud"),
            (&["digitaloc"], "digitalocean"),
            (&["amazon"], "aws"),
        ] {
            assert_eq!(ids(words).first(), Some(&first), "{words:?}");
        }
        assert!(ids(&["hub"]).contains(&"github"));
        assert!(ids(&["github", "nonsense"]).is_empty());
    }

    #[test]
    fn without_words_everything_is_found_in_order() {
        let all = ids(&[]);
        assert_eq!(all.len(), catalog::entries().len());
        assert!(all.is_sorted());
    }

    #[test]
    fn filters_know_their_values() {
        assert!(known("platform", Some("statuspage"), |entry| entry.platform).is_ok());
        let said = known("platform", Some("statuspgae"), |entry| entry.platform).unwrap_err().text(false);
        assert_eq!(said, "error: there is no platform \"statuspgae\"; did you mean \"statuspage\"?\n");
        let said = known("category", Some("bank"), |entry| entry.category).unwrap_err().text(false);
        assert!(said.contains("known: ai, analytics"), "{said}");
        assert!(text(&[], &["githbu".to_owned()], false).contains("did you mean \"github\"?"));
    }
}
