//! Which entries from elsewhere are already known: two collections of one vendor's past seldom have the same ids.

use std::collections::{BTreeMap, BTreeSet};

use super::archive::{Record, SAME_START};
use crate::model::Timestamp;

/// What is known of a vendor, to be asked whether an entry is among it.
#[derive(Debug, Default)]
pub struct Known {
    ids: BTreeSet<String>,
    starts: BTreeMap<String, Vec<Timestamp>>,
}

impl Known {
    /// `record` is of another collection, where the same id means the same entry.
    pub fn add(&mut self, record: &Record) {
        self.ids.insert(record.source_id().to_owned());
        self.add_event(record);
    }

    /// Of `record` only title and start are compared.
    pub fn add_event(&mut self, record: &Record) {
        if let Some(start) = record.starts_at() {
            self.starts.entry(record.title().to_owned()).or_default().push(start);
        }
    }

    /// Of either kind: an archive may call an incident what was a maintenance.
    pub fn has(&self, record: &Record) -> bool {
        let close = |start: Timestamp| {
            let starts = self.starts.get(record.title());
            starts.is_some_and(|starts| starts.iter().any(|other| start.since(*other).max(other.since(start)) <= SAME_START))
        };
        self.ids.contains(record.source_id()) || record.starts_at().is_some_and(close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::page::Incident;

    fn incident(id: &str, title: &str, start: Option<i64>) -> Record {
        Record::Incident(Incident {
            id: id.to_owned(),
            title: title.to_owned(),
            impact: None,
            stage: None,
            started_at: start.map(|seconds| Timestamp::from_millis(seconds * 1000)),
            stated_start: None,
            resolved_at: None,
            undecided: false,
            url: None,
            touches: Vec::new(),
            updates: Vec::new(),
        })
    }

    #[test]
    fn an_entry_is_known_by_its_id_or_by_title_and_start() {
        let mut known = Known::default();
        known.add(&incident("a1", "API errors", Some(600)));
        known.add_event(&incident("7", "Slow logins", Some(600)));
        for (id, title, start, want) in [
            ("a1", "renamed", Some(9_000), true),
            ("b2", "API errors", Some(720), true),
            ("b2", "API errors", Some(480), true),
            ("b2", "API errors", Some(721), false),
            ("b2", "API errors", None, false),
            ("b2", "api errors", Some(600), false),
            ("7", "Slow logins", Some(601), true),
            ("7", "renamed", Some(600), false),
        ] {
            assert_eq!(known.has(&incident(id, title, start)), want, "{id} {title} {start:?}");
        }
    }
}
