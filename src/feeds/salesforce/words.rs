//! What the words of Trust mean, and keys as people read them.

use std::collections::BTreeSet;

use crate::feeds::text::TITLE_CHARS;
use crate::model::page::{Stage, Status};

/// Kinds and services that a title names.
const NAMED_MAX: usize = 5;

/// `featurePerfDegradation`, `HerokuApps` are `Feature perf degradation (Heroku apps)`.
pub fn title<'k>(kinds: impl Iterator<Item = &'k str>, services: &[String]) -> Option<String> {
    let kinds: BTreeSet<String> = kinds.map(words).collect();
    let services: BTreeSet<String> = services.iter().map(|key| words(key)).collect();
    let of = |all: BTreeSet<String>| Some(all.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ")).filter(|all| !all.is_empty());
    match (of(kinds), of(services)) {
        (Some(kinds), Some(services)) => Some(format!("{kinds} ({services})")),
        (one, other) => one.or(other),
    }
}

/// `camelCaseKey` as `Camel case key`; capitals in a row stay as they are.
fn words(key: &str) -> String {
    let mut words = String::new();
    let mut letters = key.chars().take(TITLE_CHARS).peekable();
    let mut before = None;
    while let Some(letter) = letters.next() {
        let begins = letter.is_uppercase() && before.is_some_and(char::is_lowercase);
        let is_alone = !letters.peek().is_some_and(|next| next.is_uppercase());
        match before {
            None => words.extend(letter.to_uppercase()),
            Some(_) if begins && is_alone => {
                words.push(' ');
                words.extend(letter.to_lowercase());
            }
            Some(_) if begins => {
                words.push(' ');
                words.push(letter);
            }
            Some(_) => words.push(letter),
        }
        before = Some(letter);
    }
    words
}

/// `OK`, else a word and whether it is about the core of the service: `MINOR_INCIDENT_CORE`.
pub fn status(word: &str) -> Option<Status> {
    let bare = ["_NONCORE", "_CORE"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    match bare {
        "OK" | "INFORMATIONAL" => Some(Status::Operational),
        "MAINTENANCE" => Some(Status::Maintenance),
        "MINOR_INCIDENT" => Some(Status::Degraded),
        "MAJOR_INCIDENT" => Some(Status::PartialOutage),
        _ => None,
    }
}

/// The kinds of events are many (`issueIsolatedDatabaseTier`): some of them begin or end in a stage.
pub fn incident_stage(word: &str) -> Option<Stage> {
    let word = word.to_ascii_lowercase();
    let stages = [("investigating", Stage::Investigating), ("monitoring", Stage::Monitoring), ("resolved", Stage::Resolved)];
    stages.iter().find(|(name, _)| word.starts_with(name) || word.ends_with(name)).map(|(_, stage)| *stage)
}

pub fn maintenance_stage(word: &str) -> Option<Stage> {
    (word == "scheduled").then_some(Stage::Scheduled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_words() {
        for (key, want) in [
            ("performanceDegradationSubset", "Performance degradation subset"),
            ("HerokuApps", "Heroku apps"),
            ("coreService", "Core service"),
            ("CPQandBilling", "CPQand billing"),
            ("CRMSuite", "CRMSuite"),
            ("dataCRM", "Data CRM"),
            ("", ""),
        ] {
            assert_eq!(words(key), want);
        }
    }
}
