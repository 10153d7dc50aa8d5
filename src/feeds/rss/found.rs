//! What a layout finds in a feed, and what every layout does in the same way: clean texts, ids, the words of stages.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::xml::Entry;
use crate::feeds::notes;
use crate::feeds::text::{self, BODY_CHARS, TITLE_CHARS};
use crate::model::Timestamp;
use crate::model::page::{Incident, Maintenance, Oddities, Stage, Touched, Update};

/// Ids longer than this are hashed.
const ID_CHARS_MAX: usize = 300;
const UNKNOWN_WORDS_MAX: usize = 20;
const TOUCHED_MAX: usize = 200;

#[derive(Debug, Default)]
pub struct Found {
    pub incidents: Vec<Incident>,
    pub maintenances: Vec<Maintenance>,
    pub oddities: Oddities,
    /// Incidents that are open without a word on their stage: their presence says so, or the state of what they touch.
    open: BTreeSet<String>,
}

impl Found {
    /// A title is never empty: without one the body begins.
    pub fn title(&mut self, title: &str, body: &str) -> String {
        let clean = text::line(title, TITLE_CHARS);
        self.oddities.texts_cut += u32::from(clean.cut);
        if !clean.text.is_empty() {
            return clean.text;
        }
        let body = text::line(&text::plain(body), 80).text;
        if body.is_empty() { "(without a title)".to_owned() } else { body }
    }

    /// The text of a piece of HTML.
    pub fn body(&mut self, html: &str) -> String {
        let clean = text::lines(&text::plain(html), BODY_CHARS);
        self.oddities.texts_cut += u32::from(clean.cut);
        clean.text
    }

    /// A word that stands where the platform has its stages.
    pub fn word(&mut self, printed: &str) -> Word {
        let word = word(printed);
        if word == Word::Unknown && self.oddities.unknown_words.len() < UNKNOWN_WORDS_MAX {
            let printed = text::line(printed, 60).text;
            self.oddities.unknown_words.extend((!printed.is_empty()).then(|| format!("stage: {printed}")));
        }
        word
    }

    /// Whether prose says that it is over: a stage that the vendor did not state, so it is counted.
    pub fn stage_of_prose(&mut self, prose: &str) -> Option<Stage> {
        let stage = sounds_over(prose).then_some(Stage::Resolved);
        self.oddities.stages_inferred += u32::from(stage.is_some());
        stage
    }

    pub fn opens(&mut self, incident: &Incident) {
        self.open.insert(incident.id.clone());
    }

    /// Whether it is said to be open; `None` if nothing says whether it is.
    pub fn is_open(&self, incident: &Incident) -> Option<bool> {
        match incident.is_open() {
            true if incident.stage.is_none() && !self.open.contains(&incident.id) => None,
            is_open => Some(is_open),
        }
    }

    /// An incident of which more is not known yet.
    pub fn incident(&mut self, entry: &Entry, title: &str, started_at: Option<Timestamp>) -> Incident {
        let title = self.title(title, entry.body());
        Incident {
            id: id(entry, &title, started_at),
            title,
            impact: None,
            stage: None,
            started_at,
            stated_start: None,
            undecided: false,
            resolved_at: None,
            url: url(&entry.link),
            touches: Vec::new(),
            updates: Vec::new(),
        }
    }
}

/// The id that the feed gives, else one made of what does not change while the entry lives.
pub fn id(entry: &Entry, title: &str, started_at: Option<Timestamp>) -> String {
    id_of(&entry.id, title, started_at)
}

/// As [`id`], where only a part of what the feed gives is the id.
pub fn id_of(given: &str, title: &str, started_at: Option<Timestamp>) -> String {
    let clean = text::line(given, ID_CHARS_MAX);
    if !clean.text.is_empty() && !clean.cut {
        return clean.text;
    }
    let start = started_at.map(|at| at.to_string()).unwrap_or_default();
    let seed = if clean.cut { given.to_owned() } else { format!("{title}\n{start}") };
    let digest = Sha256::digest(seed.as_bytes());
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

pub fn url(link: &str) -> Option<String> {
    notes::link(Some(link.trim()))
}

pub fn touched<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<Touched> {
    let names = names.into_iter().map(|name| text::line(&text::plain(name), TITLE_CHARS).text).filter(|name| !name.is_empty());
    names.take(TOUCHED_MAX).map(|name| Touched { id: None, name }).collect()
}

pub fn update(at: Option<Timestamp>, stage: Option<Stage>, body: String) -> Update {
    Update { at, stage, body }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    Stage(Stage),
    /// `Update`: says nothing about the stage.
    Update,
    Unknown,
}

/// The words of all platforms whose feeds have some.
pub fn word(printed: &str) -> Word {
    let plain: String = printed.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let stage = match plain.as_str() {
        "update" | "updated" | "info" | "" => return Word::Update,
        "investigating" => Stage::Investigating,
        "identified" => Stage::Identified,
        "monitoring" => Stage::Monitoring,
        // Portuguese is what incident.io has been seen with beside English.
        "resolved" | "fixed" | "resolvido" => Stage::Resolved,
        "postmortem" => Stage::Postmortem,
        "scheduled" | "notstartedyet" | "planned" | "maintenancescheduled" => Stage::Scheduled,
        "inprogress" | "maintenanceinprogress" => Stage::InProgress,
        "verifying" => Stage::Verifying,
        "completed" | "maintenancecompleted" | "maintenancecomplete" | "concluído" => Stage::Completed,
        _ => return Word::Unknown,
    };
    Word::Stage(stage)
}

/// Platforms with one list of words for both use `Resolved` for announced work too.
pub fn of_maintenance(stage: Stage) -> Stage {
    match stage {
        Stage::Resolved | Stage::Postmortem => Stage::Completed,
        Stage::Investigating | Stage::Identified => Stage::InProgress,
        Stage::Monitoring => Stage::Verifying,
        other => other,
    }
}

/// Phrases with which people end an incident. None of them stands in a sentence about the future ("once it is resolved").
fn sounds_over(prose: &str) -> bool {
    const OVER: &[&str] = &[
        "has been resolved",
        "have been resolved",
        "have resolved",
        "has resolved",
        "is now resolved",
        "is resolved",
        "was resolved",
        "has been mitigated",
        "was mitigated",
        "is now mitigated",
        "has recovered",
        "have recovered",
        "fully recovered",
        "is operating normally",
        "are operating normally",
        "operating normally again",
        "back to normal",
    ];
    const NOT_YET: &[&str] = &["until", "once", "when", "not", "after", "if", "unless", "before", "some", "partially"];
    let lower = prose.to_lowercase();
    let sentences = lower.split(['.', '!', '\n', ';', ',']);
    sentences.filter(|s| OVER.iter().any(|over| s.contains(over))).any(|s| {
        let mut words = s.split(|c: char| !c.is_alphanumeric());
        !words.any(|word| NOT_YET.contains(&word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_over_only_if_it_says_so() {
        for (prose, over) in [
            ("The issue has been resolved.", true),
            ("We have resolved the issue with exports. Thank you.", true),
            ("All queues have recovered, and we keep watching", true),
            ("We will write again once this is resolved.", false),
            ("The cause has not been resolved yet", false),
            ("Some queues have recovered", false),
            ("We are working on it", false),
            ("", false),
        ] {
            assert_eq!(sounds_over(prose), over, "{prose:?}");
        }
    }

    #[test]
    fn ids_are_stable() {
        let entry = Entry { id: " abc ".into(), ..Entry::default() };
        assert_eq!(id(&entry, "t", None), "abc");
        let start = Some(Timestamp::from_millis(0));
        let derived = id(&Entry::default(), "t", start);
        assert_eq!((derived.len(), derived == id(&Entry::default(), "t", start)), (24, true));
        assert_ne!(derived, id(&Entry::default(), "u", start));
        assert_ne!(derived, id(&Entry::default(), "t", None));
        let long = Entry { id: "x".repeat(5000), ..Entry::default() };
        assert_eq!(id(&long, "t", None).len(), 24);
    }

    #[test]
    fn words() {
        for (printed, want) in [
            ("Resolved", Word::Stage(Stage::Resolved)),
            (" IN PROGRESS ", Word::Stage(Stage::InProgress)),
            ("In-progress", Word::Stage(Stage::InProgress)),
            ("Update", Word::Update),
            ("Post-mortem", Word::Stage(Stage::Postmortem)),
            ("Sleeping", Word::Unknown),
        ] {
            assert_eq!(word(printed), want, "{printed}");
        }
    }
}
