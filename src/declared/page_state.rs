//! What is kept of a page between two reads.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Selection, Standing};
use crate::model::page::{Component, Listing};
use crate::model::{Page, Status, Timestamp};

/// Vendors post late; a page that stands still for this long around the begin of an outage is not kept up.
const FROZEN_AFTER: Duration = Duration::from_secs(1800);

/// A page came from another engine than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub from: String,
    pub to: String,
    pub at: Timestamp,
}

/// A good part of the components left the page at once. Single ones come and go: some are listed only while they ail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vanished {
    pub names: Vec<String>,
    /// How many there were.
    pub of: usize,
    pub at: Timestamp,
}

impl Vanished {
    /// Fewer are no good part of a page.
    const FEWEST: usize = 2;
    /// Of the components that there were: one in so many.
    const PART: usize = 3;

    /// What holds after a page listed `now`.
    fn after(before: Option<&PageState>, format: &str, now: &[Component], at: Timestamp) -> Option<Vanished> {
        let before = before?;
        let is_there = |id: &str| now.iter().any(|c| c.id == id);
        let known = before.components.as_deref().filter(|_| before.format == format).unwrap_or_default();
        let gone: Vec<&Component> = known.iter().filter(|c| !is_there(&c.id)).collect();
        if gone.len() >= Self::FEWEST && gone.len() * Self::PART >= known.len() {
            let names = gone.iter().map(|c| c.name.clone()).collect();
            return Some(Vanished { names, of: known.len(), at });
        }
        before.vanished.clone().filter(|vanished| !now.iter().any(|c| vanished.names.contains(&c.name)))
    }
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
    #[serde(default)]
    pub vanished: Option<Vanished>,
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
        let vanished = match page.carries.components {
            true => Vanished::after(before, page.format, &page.components, at),
            false => before.and_then(|b| b.vanished.clone()),
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
            vanished,
        }
    }

    /// When the page was changed last, if that was long before an outage that lasts for long, and it calls itself well.
    pub fn frozen_during(&self, outage_since: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let frozen = self.overall == Status::Operational && now >= outage_since + FROZEN_AFTER;
        self.updated_at.filter(|at| frozen && *at + FROZEN_AFTER < outage_since)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn page(components: &[&str], updated_at: Option<Timestamp>) -> Page {
        let component =
            |id: &&str| Component { id: (*id).into(), name: id.to_uppercase(), group: None, region: None, status: Status::Operational };
        let mut page = Page { components: components.iter().map(component).collect(), updated_at, ..Page::blank("statuspage") };
        page.overall = Status::Operational;
        page.carries.components = true;
        page
    }

    fn after(before: Option<&PageState>, page: &Page, minute: i64) -> PageState {
        PageState::after(before, page, "https://status.example", &Selection::new(&[], &[], &[]), false, at(minute))
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_millis(minute * 60_000)
    }

    #[test]
    fn a_good_part_of_the_components_is_missed_and_a_single_one_is_not() {
        let whole = after(None, &page(&["a", "b", "c", "d"], None), 0);
        assert_eq!(whole.vanished, None);
        assert_eq!(after(Some(&whole), &page(&["a", "b", "c"], None), 1).vanished, None);
        let half = after(Some(&whole), &page(&["a", "b"], None), 1);
        assert_eq!(half.vanished, Some(Vanished { names: vec!["C".into(), "D".into()], of: 4, at: at(1) }));
        let still = after(Some(&half), &page(&["a", "b"], None), 2);
        assert_eq!(still.vanished, half.vanished, "told as of the first time");
        assert_eq!(after(Some(&still), &page(&["a", "b", "d"], None), 3).vanished, None, "one is back");
        let mut moved = page(&["x"], None);
        moved.format = "cachet";
        assert_eq!(after(Some(&whole), &moved, 1).vanished, None, "another engine has other ids");
    }

    #[test]
    fn a_page_that_stands_still_during_an_outage_is_frozen() {
        let outage = at(100);
        for (updated, now, want) in [(60, 131, Some(at(60))), (60, 129, None), (75, 131, None), (110, 131, None)] {
            assert_eq!(after(None, &page(&["a"], Some(at(updated))), 0).frozen_during(outage, at(now)), want, "{updated} {now}");
        }
        assert_eq!(after(None, &page(&["a"], None), 0).frozen_during(outage, at(500)), None, "it does not say");
        let mut troubled = page(&["a"], Some(at(0)));
        troubled.overall = Status::Degraded;
        assert_eq!(after(None, &troubled, 0).frozen_during(outage, at(500)), None);
    }
}
