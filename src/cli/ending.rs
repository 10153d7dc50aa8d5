//! How a verb ends: with an answer, or with a failure that says whose fault it is and what to do.

use serde_json::json;

use super::words;
use crate::config::{Diagnostics, Level};
use crate::store::StoreError;
use crate::web::api::Refusal;

/// What scripts look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Fine = 0,
    /// It worked, and found something: a vendor with problems, a finding of `lint`, a test that was not accepted.
    Finding = 1,
    Usage = 2,
    Config = 3,
    /// Something that is needed is not there or cannot be used.
    Missing = 4,
    /// Some of what was asked for was done, and some was not.
    Partial = 5,
    Interrupted = 130,
}

impl Exit {
    pub const fn finding_if(found: bool) -> Exit {
        if found { Exit::Finding } else { Exit::Fine }
    }
}

/// What goes to stdout, and the exit code.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub exit: Exit,
}

impl Answer {
    pub fn fine(text: String) -> Answer {
        Answer { text, exit: Exit::Fine }
    }
}

/// What goes to stderr, and the exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    /// File, line and column, where there is one.
    pub place: Option<String>,
    pub hint: Option<String>,
    /// What a person gets to see beside the message: findings instead of it, how to get help after it.
    pub details: String,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into(), place: None, hint: None, details: String::new() }
    }

    /// What was looked at could not be read.
    pub fn finding(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Finding, message)
    }

    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, message)
    }

    pub fn config(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Config, message)
    }

    pub fn missing(message: impl Into<String>) -> Failure {
        Failure::new(Exit::Missing, message)
    }

    pub fn interrupted() -> Failure {
        Failure::new(Exit::Interrupted, "interrupted")
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// A configuration that does not load: all findings for a person, the first error for a script.
    pub fn diagnostics(diagnostics: &Diagnostics, coloured: bool) -> Failure {
        let first = diagnostics.iter().find(|finding| finding.level == Level::Error);
        let count = diagnostics.count(Level::Error);
        let message = match first {
            Some(first) if count == 1 => format!("the configuration has an error: {}", first.message),
            Some(first) => format!("the configuration has {count} errors, the first: {}", first.message),
            None => "the configuration cannot be used".to_owned(),
        };
        Failure {
            place: first.map(|finding| finding.place.shown()),
            hint: first.and_then(|finding| finding.hint.clone()),
            details: format!("{}\n{} in the configuration\n", diagnostics.render(coloured), words::count(count, "error")),
            ..Failure::config(message)
        }
    }

    /// For stderr with `--json`.
    pub fn json(&self) -> String {
        json!({ "error": { "message": self.message, "where": self.place, "hint": self.hint } }).to_string() + "\n"
    }

    /// For a person.
    pub fn text(&self, coloured: bool) -> String {
        let error = if coloured { "\x1b[1;31merror\x1b[0m" } else { "error" };
        if self.exit == Exit::Config && !self.details.is_empty() {
            // The findings say it all.
            return self.details.clone();
        }
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let details = if self.details.is_empty() { String::new() } else { format!("\n{}\n", self.details) };
        format!("{error}: {}{hint}\n{details}", self.message)
    }
}

/// The store's messages say what is wrong before the semicolon and what to do behind it.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        let text = error.to_string();
        match text.split_once("; ") {
            Some((message, hint)) => Failure::missing(message).hint(hint),
            None => Failure::missing(text),
        }
    }
}

/// What the API would refuse, the command line refuses too.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let exit = if refusal.is_of_store() { Exit::Missing } else { Exit::Usage };
        Failure { hint: refusal.hint, ..Failure::new(exit, refusal.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_to_do() {
        let failure = Failure::from(StoreError::Missing("a.db".into()));
        assert_eq!(failure.exit, Exit::Missing);
        assert_eq!(failure.text(false), "error: there is no database at a.db; `vendord run` makes it\n");
        let json: serde_json::Value = serde_json::from_str(&failure.json()).unwrap();
        assert_eq!(json["error"]["hint"], "`vendord run` makes it");
        assert_eq!(json["error"]["where"], serde_json::Value::Null);
    }
}
