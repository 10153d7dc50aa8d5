//! A file as text, and where in it something stands.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::declared::Record;
use crate::feeds::text::line;

/// From 1 on, as editors count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub line: usize,
    /// In characters.
    pub column: usize,
}

pub struct Text<'t> {
    pub text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

impl<'t> Text<'t> {
    pub fn new(text: &'t str) -> Text<'t> {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Text { text, starts }
    }

    /// Of a byte.
    pub fn place(&self, at: usize) -> Place {
        let at = at.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= at);
        let head = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        Place { line, column: head.chars().count() + 1 }
    }

    /// At which byte a part of this very text stands.
    pub fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize)
    }

    /// Each line that is not blank.
    pub fn lines(&self) -> impl Iterator<Item = &'t str> {
        self.text.lines().map(str::trim).filter(|line| !line.is_empty())
    }
}

/// What came of a file.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Entries in the file, whatever became of them.
    pub read: usize,
    pub records: Vec<Record>,
    /// Told in less detail than elsewhere: only what was never seen is taken.
    pub coarse: bool,
    pub refused: Vec<Refused>,
    /// Columns, or keys, that nothing was read from.
    pub not_read: BTreeSet<String>,
    /// For the stage, which is then not stated.
    pub unknown_words: BTreeSet<String>,
}

/// An entry that cannot be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    #[serde(flatten)]
    pub place: Place,
    /// The column, or key, that is at fault.
    pub field: Option<String>,
    pub message: String,
}

/// What is wrong with an entry: at which byte, in which field, and what.
#[derive(Debug)]
pub struct Fault {
    pub at: usize,
    pub field: Option<&'static str>,
    pub message: String,
}

impl Fault {
    pub fn new(at: usize, field: Option<&'static str>, message: impl Into<String>) -> Fault {
        Fault { at, field, message: message.into() }
    }
}

/// Why a whole file cannot be read.
#[derive(Debug)]
pub struct Unusable {
    pub place: Option<Place>,
    pub message: String,
    pub hint: Option<String>,
}

impl Unusable {
    pub fn new(message: impl Into<String>) -> Unusable {
        Unusable { place: None, message: message.into(), hint: None }
    }

    /// A document that is no JSON.
    pub fn json(text: &Text, error: &serde_json::Error) -> Unusable {
        let line_at = text.starts.get(error.line().saturating_sub(1)).copied().unwrap_or_default();
        let place = text.place(line_at + error.column().saturating_sub(1));
        Unusable { place: Some(place), message: format!("it is no JSON: {}", said(error)), hint: None }
    }

    pub fn hint(self, hint: impl Into<String>) -> Unusable {
        Unusable { hint: Some(hint.into()), ..self }
    }
}

/// What serde says, without the place, which is told apart.
pub fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

impl Parsed {
    /// A word for the stage that is not known.
    pub fn unknown(&mut self, word: &str) {
        const WORDS_MAX: usize = 50;
        const WORD_CHARS: usize = 60;
        if self.unknown_words.len() < WORDS_MAX {
            self.unknown_words.insert(line(word, WORD_CHARS).text);
        }
    }

    pub fn refuse(&mut self, text: &Text, fault: Fault) {
        self.refused.push(Refused { place: text.place(fault.at), field: fault.field.map(str::to_owned), message: fault.message });
    }

    pub fn take(&mut self, text: &Text, record: Result<Record, Fault>) {
        self.read += 1;
        match record {
            Ok(record) => self.records.push(record),
            Err(fault) => self.refuse(text, fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_do() {
        let text = Text::new("ab\né,x\n");
        let place = |at| (text.place(at).line, text.place(at).column);
        assert_eq!([0, 1, 2, 3, 6, 8].map(place), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 3), (3, 1)]);
        assert_eq!(text.place(text.offset(&text.text[6..])), Place { line: 2, column: 3 });
    }
}
