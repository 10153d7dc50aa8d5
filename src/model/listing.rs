//! What a page lists, and how two versions of it differ.
//!
//! The order of rows and of named columns means nothing: who sorts a table anew changes no contract.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Rows of clean, one-line cells. The first cell of a row says what the row is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Their names; empty where the page has none.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A listing that is worth keeping: the first of its page, or one that differs from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageVersion {
    /// Where and how it was read; listings of another source are not compared.
    pub source: String,
    pub listing: Listing,
    /// `None`: the first.
    pub difference: Option<Difference>,
}

/// How a listing differs from the one before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub columns_added: Vec<String>,
    pub columns_removed: Vec<String>,
    pub added: Vec<Vec<String>>,
    pub removed: Vec<Vec<String>>,
    pub changed: Vec<Changed>,
}

/// A row that is about the same and says something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    pub about: String,
    pub cells: Vec<ChangedCell>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedCell {
    /// Its name, or its number counted from 1.
    pub column: String,
    pub before: String,
    pub after: String,
}

impl Listing {
    /// Equal for listings that say the same, in whatever order. Hexadecimal.
    pub fn hash(&self) -> String {
        let mut columns: Vec<usize> = (0..self.columns.len()).collect();
        // The first column says what a row is about, and stays the first.
        columns.sort_by_key(|n| (*n > 0, &self.columns[*n]));
        let ordered = |row: &Vec<String>| -> Vec<String> {
            let named = columns.iter().map(|n| row.get(*n).cloned().unwrap_or_default());
            named.chain(row.iter().skip(columns.len()).cloned()).collect()
        };
        let mut rows: Vec<Vec<String>> = self.rows.iter().map(ordered).collect();
        rows.sort_unstable();
        let mut hash = Sha256::new();
        for row in std::iter::once(&ordered(&self.columns)).chain(&rows) {
            for cell in row {
                hash.update((cell.len() as u64).to_le_bytes());
                hash.update(cell);
            }
            hash.update([0xff; 9]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn cell(row: &[String], at: Option<usize>) -> &str {
        at.and_then(|at| row.get(at)).map_or("", String::as_str)
    }
}

impl Difference {
    pub fn between(before: &Listing, after: &Listing) -> Difference {
        let names = |listing: &Listing| listing.columns.iter().cloned().collect::<BTreeSet<_>>();
        let (had, has) = (names(before), names(after));
        let mut difference = Difference {
            columns_added: after.columns.iter().filter(|c| !had.contains(*c)).cloned().collect(),
            columns_removed: before.columns.iter().filter(|c| !has.contains(*c)).cloned().collect(),
            ..Difference::default()
        };
        let pairs = pairs(before, after);
        // What a row is about stands in the first column, wherever that has moved.
        let first = before.columns.first().and_then(|name| after.columns.iter().position(|c| c == name)).unwrap_or(0);
        let (mut old, mut new) = (by_subject(before, 0), by_subject(after, first));
        let subjects: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        for about in subjects {
            match (old.remove(about).unwrap_or_default().as_slice(), new.remove(about).unwrap_or_default().as_slice()) {
                ([one], [other]) => difference.changed.extend(changed(about, one, other, &pairs)),
                (gone, come) => difference.compare_whole(gone, come, &pairs),
            }
        }
        difference
    }

    /// Rows that are about the same thing more than once are compared as a whole.
    fn compare_whole(&mut self, before: &[&Vec<String>], after: &[&Vec<String>], pairs: &[Pair]) {
        let key = |row: &[String], place: fn(&Pair) -> Option<usize>| -> Vec<String> {
            pairs.iter().map(|pair| Listing::cell(row, place(pair)).to_owned()).collect()
        };
        let mut left: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for row in before {
            *left.entry(key(row, |pair| pair.before)).or_default() += 1;
        }
        for row in after {
            match left.get_mut(&key(row, |pair| pair.after)) {
                Some(count) if *count > 0 => *count -= 1,
                _ => self.added.push((*row).clone()),
            }
        }
        for row in before {
            if let Some(count) = left.get_mut(&key(row, |pair| pair.before)).filter(|count| **count > 0) {
                *count -= 1;
                self.removed.push((*row).clone());
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Difference::default()
    }

    /// `2 rows added, 1 removed`
    pub fn summary(&self) -> String {
        let counts = [
            ("row", self.added.len(), "added"),
            ("row", self.removed.len(), "removed"),
            ("row", self.changed.len(), "changed"),
            ("column", self.columns_added.len(), "added"),
            ("column", self.columns_removed.len(), "removed"),
        ];
        let mut said: Option<&str> = None;
        let mut parts = Vec::new();
        for (what, count, how) in counts.into_iter().filter(|(_, count, _)| *count > 0) {
            let plural = if count == 1 { "" } else { "s" };
            parts.push(if said == Some(what) { format!("{count} {how}") } else { format!("{count} {what}{plural} {how}") });
            said = Some(what);
        }
        parts.join(", ")
    }

    /// As [`Difference::summary`], and what exactly: as many as a reader can take in.
    pub fn told(&self) -> String {
        let added = self.added.iter().map(|row| format!("+ {}", row.join(" | ")));
        let removed = self.removed.iter().map(|row| format!("- {}", row.join(" | ")));
        let cell = |c: &ChangedCell| format!("{} '{}' -> '{}'", c.column, c.before, c.after);
        let changed = self.changed.iter().map(|row| {
            let cells: Vec<String> = row.cells.iter().map(cell).collect();
            format!("~ {}: {}", row.about, cells.join(", "))
        });
        let columns = self.columns_added.iter().map(|c| format!("+ column {c}"));
        let gone = self.columns_removed.iter().map(|c| format!("- column {c}"));
        const TOLD_MAX: usize = 10;
        let all: Vec<String> = added.chain(removed).chain(changed).chain(columns).chain(gone).take(TOLD_MAX).collect();
        format!("{}: {}", self.summary(), all.join("; "))
    }
}

/// A column of both listings, or of one of them where they have no names.
struct Pair {
    name: String,
    before: Option<usize>,
    after: Option<usize>,
}

/// Columns with names belong together by name, others by place. A column that only one of them has is told once, not for each row.
fn pairs(before: &Listing, after: &Listing) -> Vec<Pair> {
    let place = |listing: &Listing, name: &str| listing.columns.iter().position(|c| c == name);
    if !before.columns.is_empty() && !after.columns.is_empty() {
        let both = before.columns.iter().filter(|name| after.columns.contains(name));
        return both.map(|name| Pair { name: name.clone(), before: place(before, name), after: place(after, name) }).collect();
    }
    let widest = before.rows.iter().chain(&after.rows).map(Vec::len).max().unwrap_or(0);
    (0..widest).map(|n| Pair { name: (n + 1).to_string(), before: Some(n), after: Some(n) }).collect()
}

fn by_subject(listing: &Listing, column: usize) -> BTreeMap<&str, Vec<&Vec<String>>> {
    let mut rows: BTreeMap<&str, Vec<&Vec<String>>> = BTreeMap::new();
    for row in &listing.rows {
        rows.entry(Listing::cell(row, Some(column))).or_default().push(row);
    }
    rows
}

fn changed(about: &str, before: &[String], after: &[String], pairs: &[Pair]) -> Option<Changed> {
    let cells: Vec<ChangedCell> = pairs
        .iter()
        .map(|pair| (pair, Listing::cell(before, pair.before), Listing::cell(after, pair.after)))
        .filter(|(_, before, after)| before != after)
        .map(|(pair, before, after)| ChangedCell { column: pair.name.clone(), before: before.to_owned(), after: after.to_owned() })
        .collect();
    (!cells.is_empty()).then(|| Changed { about: about.to_owned(), cells })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(columns: &str, rows: &[&str]) -> Listing {
        let cells = |text: &str| text.split('|').filter(|c| !c.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        Listing { columns: cells(columns), rows: rows.iter().map(|row| cells(row)).collect() }
    }

    #[test]
    fn what_differs_is_told() {
        let before = listing("Name|Purpose|Country", &["AWS|Hosting|US", "Twilio|Messages|US", "Zendesk|Support|US"]);
        for (after, want) in [
            (listing("Name|Purpose|Country", &["Zendesk|Support|US", "AWS|Hosting|US", "Twilio|Messages|US"]), ""),
            (listing("Name|Country|Purpose", &["AWS|US|Hosting", "Twilio|US|Messages", "Zendesk|US|Support"]), ""),
            (
                listing("Name|Purpose|Country", &["AWS|Hosting|IE", "Zendesk|Support|US", "Mailgun|Mail|DE"]),
                "1 row added, 1 removed, 1 changed: + Mailgun | Mail | DE; - Twilio | Messages | US; ~ AWS: Country 'US' -> 'IE'",
            ),
            (
                listing("Name|Purpose|Country|Since", &["AWS|Hosting|US|2019", "Twilio|Messages|US|2020", "Zendesk|Support|US|2021"]),
                "1 column added: + column Since",
            ),
        ] {
            let difference = Difference::between(&before, &after);
            let told = if difference.is_empty() { String::new() } else { difference.told() };
            assert_eq!(told, want);
            assert_eq!(before.hash() == after.hash(), want.is_empty(), "{want}");
        }
    }

    #[test]
    fn rows_that_are_about_the_same_are_compared_whole() {
        let before = listing("", &["AWS|EU", "AWS|US", "GCP|EU"]);
        let after = listing("", &["AWS|US", "AWS|AP", "GCP|EU", "GCP|EU"]);
        let difference = Difference::between(&before, &after);
        assert_eq!(difference.summary(), "2 rows added, 1 removed");
        assert_eq!(difference.removed, [["AWS", "EU"]]);
        assert_eq!(difference.added[0], ["AWS", "AP"]);
        assert!(Difference::between(&before, &before).is_empty());
    }

    #[test]
    fn cells_do_not_run_together_in_the_hash() {
        assert_ne!(listing("", &["ab|c"]).hash(), listing("", &["a|bc"]).hash());
        assert_ne!(listing("", &["a|b"]).hash(), listing("", &["a", "b"]).hash());
    }
}
