//! Where an incident or a maintenance stands, by the list of its updates.

use super::found::Word;
use crate::model::Timestamp;
use crate::model::page::{Stage, Update};

/// One update as the feed prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub at: Option<Timestamp>,
    pub word: Word,
    pub body: String,
}

impl Said {
    fn stage(&self) -> Option<Stage> {
        match self.word {
            Word::Stage(stage) => Some(stage),
            Word::Update | Word::Unknown => None,
        }
    }

    pub fn update(self) -> Update {
        Update { at: self.at, stage: self.stage(), body: self.body }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub stage: Option<Stage>,
    /// When it was said to be over, if it is.
    pub over_at: Option<Timestamp>,
}

/// The outcome of updates, the newest first as the document has them.
///
/// `Update` and `Postmortem` are no stages. Updates of one printed minute belong together: automation writes them in any
/// order, so one of them that says "over" closes the entry. What comes in a later minute reopens it.
pub fn outcome(said: &[Said]) -> Outcome {
    let told: Vec<&Said> = said.iter().filter(|s| s.word != Word::Update && s.stage() != Some(Stage::Postmortem)).collect();
    let Some(top) = told.first() else {
        let postmortem = said.iter().rev().find(|s| s.stage() == Some(Stage::Postmortem));
        return Outcome { stage: postmortem.and_then(Said::stage), over_at: postmortem.and_then(|s| s.at) };
    };
    let over = |s: &&&Said| s.stage().is_some_and(Stage::is_over);
    let minute = told.iter().filter(|s| s.at.is_some() && s.at == top.at || **s == *top);
    if minute.clone().any(|s| over(&s)) {
        // Said more than once without a word in between: the first time counts.
        let closing = told.iter().skip_while(|s| !over(s)).take_while(over).last();
        return Outcome { stage: closing.and_then(|s| s.stage()), over_at: closing.and_then(|s| s.at) };
    }
    Outcome { stage: top.stage(), over_at: None }
}

/// Whether the words are those of announced work. Where both kinds occur the first that was said decides.
pub fn is_maintenance(said: &[Said]) -> bool {
    let stages = said.iter().rev().filter_map(Said::stage);
    stages.filter(|stage| *stage != Stage::Postmortem).map(|stage| stage >= Stage::Scheduled).next().unwrap_or(false)
}

/// The first time that `stage` was said.
pub fn first(said: &[Said], stage: Stage) -> Option<Timestamp> {
    said.iter().filter(|s| s.stage() == Some(stage)).filter_map(|s| s.at).min()
}

pub fn oldest(said: &[Said]) -> Option<Timestamp> {
    said.iter().filter_map(|s| s.at).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::rss::found::word;

    /// `10 Resolved, 5 Update`: minutes and words, the newest first.
    fn said(text: &str) -> Vec<Said> {
        let one = |part: &str| {
            let (minute, printed) = part.trim().split_once(' ').unwrap();
            let at = Timestamp::from_millis(minute.parse::<i64>().unwrap() * 60_000);
            Said { at: Some(at), word: word(printed), body: String::new() }
        };
        text.split(',').filter(|part| !part.is_empty()).map(one).collect()
    }

    #[test]
    fn outcomes() {
        use Stage::*;
        for (text, stage, over_at) in [
            ("9 Resolved, 5 Monitoring, 1 Investigating", Some(Resolved), Some(9)),
            ("9 Update, 5 Identified, 1 Investigating", Some(Identified), None),
            ("90 Postmortem, 9 Resolved, 1 Investigating", Some(Resolved), Some(9)),
            ("90 Update, 9 Resolved, 1 Investigating", Some(Resolved), Some(9)),
            // The same minute.
            ("9 Update, 9 Investigating, 9 Resolved, 9 Update, 1 Investigating", Some(Resolved), Some(9)),
            ("9 Monitoring, 9 Resolved, 1 Investigating", Some(Resolved), Some(9)),
            // Reopened.
            ("10 Investigating, 9 Resolved, 1 Investigating", Some(Investigating), None),
            ("12 Resolved, 10 Investigating, 9 Resolved", Some(Resolved), Some(12)),
            ("12 Resolved, 9 Resolved, 1 Investigating", Some(Resolved), Some(9)),
            // The document's order decides, not the clock.
            ("5 Resolved, 9 Monitoring, 1 Investigating", Some(Resolved), Some(5)),
            ("5 In progress, 1 Scheduled", Some(InProgress), None),
            ("9 Completed, 5 Verifying, 5 In progress, 1 Scheduled", Some(Completed), Some(9)),
            ("5 Update", None, None),
            ("5 Geschlossen, 1 Investigating", None, None),
            ("5 Postmortem", Some(Postmortem), Some(5)),
            ("", None, None),
        ] {
            let want = Outcome { stage, over_at: over_at.map(|m| Timestamp::from_millis(m * 60_000)) };
            assert_eq!(outcome(&said(text)), want, "{text}");
        }
    }

    #[test]
    fn work_and_incidents() {
        for (text, want) in [
            ("9 Completed, 1 In progress", true),
            ("9 Update, 1 Scheduled", true),
            ("9 Resolved", false),
            ("9 Resolved, 5 In progress, 1 Scheduled", true),
            ("9 Completed, 1 Investigating", false),
            ("9 Update", false),
        ] {
            assert_eq!(is_maintenance(&said(text)), want, "{text}");
        }
    }
}
