//! What is kept of a page between two reads.

use serde::{Deserialize, Serialize};

use super::{Selection, Standing};
use crate::model::page::{Component, Listing};
use crate::model::{Page, Status, Timestamp};

/// A page came from another engine than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub from: String,
    pub to: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageState {
    /// The format that read it, and the document that it read.
    pub format: String,
    pub document: String,
    /// The address of the page as it was configured then; empty in what older versions wrote.
    #[serde(default)]
    pub asked: String,
    pub name: Option<String>,
    pub overall: Status,
    pub updated_at: Option<Timestamp>,
    /// `None`: the page lists none.
    pub components: Option<Vec<Component>>,
    pub standing: Standing,
    /// Words that we do not know.
    pub unknown_words: Vec<String>,
    /// What was filtered for and is not there.
    pub unmatched: Vec<String>,
    /// A history without a single entry, although it had one before.
    pub history_vanished: bool,
    /// Whether the past that the page offers was taken in.
    pub imported: bool,
    pub moved: Option<Moved>,
}

impl PageState {
    /// The state after `page` was read from `document`; `before` is the one before it, `had_entries` whether an incident or
    /// maintenance was ever listed.
    pub fn after(
        before: Option<&PageState>,
        page: &Page,
        document: &str,
        selection: &Selection,
        had_entries: bool,
        at: Timestamp,
    ) -> PageState {
        let components = match (page.carries.components, before) {
            (true, _) => Some(page.components.clone()),
            // Only those that are affected: not enough to filter by, and no reason to forget the others.
            (false, Some(before)) if !page.components.is_empty() => before.components.clone(),
            (false, _) => None,
        };
        let moved = match before {
            Some(before) if before.format != page.format => Some(Moved { from: before.format.clone(), to: page.format.to_owned(), at }),
            before => before.and_then(|b| b.moved.clone()),
        };
        let lists_history = page.carries.incidents == Listing::Recent && page.incidents.is_empty() && page.maintenances.is_empty();
        PageState {
            format: page.format.to_owned(),
            document: document.to_owned(),
            asked: String::new(),
            name: page.name.clone().or_else(|| before.and_then(|b| b.name.clone())),
            overall: page.overall,
            updated_at: page.updated_at,
            unmatched: if selection.is_all() { Vec::new() } else { selection.unmatched(components.as_deref().unwrap_or_default()) },
            components,
            standing: Standing { components: Status::Unknown, incidents: None },
            unknown_words: page.oddities.unknown_words.clone(),
            history_vanished: lists_history && had_entries,
            imported: before.is_some_and(|b| b.imported),
            moved,
        }
    }

    /// What is odd about the page, one line each, for `source.drifted`.
    pub fn drift(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.components {
            None if !self.unmatched.is_empty() => {
                lines.push(format!(
                    "the page lists no components, so the filter ({}) cannot be applied and every incident counts",
                    self.unmatched.join(", ")
                ));
            }
            _ => lines.extend(self.unmatched.iter().map(|entry| format!("the filter {entry:?} matches nothing on the page"))),
        }
        if !self.unknown_words.is_empty() {
            lines.push(format!("words that are not known: {}", self.unknown_words.join(", ")));
        }
        if self.history_vanished {
            lines.push("the page lists no incident at all any more, although it did before".to_owned());
        }
        lines
    }
}
