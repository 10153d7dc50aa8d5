//! What is to be said about the files: findings with their place, shown as text, as lines for a log, or as JSON.
//!
//! Invariants: a finding names one place, as exact as we know it; no finding is given twice; the order is that of the
//! files and lines; secrets are not shown (see [`Source`]).

use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level as Title, Origin, Renderer, Snippet};
use serde_json::{Value as Json, json};

use super::source::Source;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Loads, and is probably not what was meant.
    Warning,
    /// Does not load.
    Error,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

#[derive(Clone)]
pub struct Place {
    pub source: Arc<Source>,
    /// Bytes; `None` is the file as a whole.
    pub span: Option<Range<usize>>,
}

impl Place {
    fn start(&self) -> Option<(usize, usize)> {
        let span = self.span.as_ref()?;
        Some(self.source.line_column(span.start))
    }

    /// `vendors/acme.toml:12:1`
    pub fn shown(&self) -> String {
        match self.start() {
            Some((row, column)) => format!("{}:{row}:{column}", self.source.shown),
            None => self.source.shown.clone(),
        }
    }
}

#[derive(Clone)]
pub struct Finding {
    pub level: Level,
    pub place: Place,
    /// What it is about: `acme/api`, `receiver "oncall"`; empty where the place says it.
    pub subject: String,
    /// Starts in lower case, ends without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Finding {
    /// `vendors/acme.toml:12:1: acme/api: unknown key `intervall`; did you mean `interval`?`
    pub fn line(&self) -> String {
        let mut line = self.place.shown();
        if !self.subject.is_empty() {
            line += &format!(": {}", self.subject);
        }
        line += &format!(": {}", self.message);
        if let Some(hint) = &self.hint {
            line += &format!("; {hint}");
        }
        line
    }

    pub fn json(&self) -> Json {
        let (line, column) = self.place.start().unzip();
        json!({
            "severity": self.level.as_str(),
            "file": self.place.source.shown,
            "line": line,
            "column": column,
            "subject": self.subject,
            "message": self.message,
            "hint": self.hint,
        })
    }

    fn render(&self, renderer: &Renderer) -> String {
        let title = match self.level {
            Level::Error => Title::ERROR,
            Level::Warning => Title::WARNING,
            Level::Info => Title::INFO,
        };
        let mut group = Group::with_title(title.primary_title(&self.message));
        group = match &self.place.span {
            Some(span) => group.element(self.snippet(span)),
            None => group.element(Origin::path(&*self.place.source.shown)),
        };
        if let Some(hint) = &self.hint {
            group = group.element(Title::HELP.message(hint));
        }
        renderer.render(&[group])
    }

    fn snippet(&self, span: &Range<usize>) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        let (text, first, line) = self.place.source.lines_around(span);
        let span = span.start.saturating_sub(first).min(text.len())..span.end.saturating_sub(first).min(text.len());
        let mark = AnnotationKind::Primary.span(span);
        Snippet::source(text).line_start(line).path(&*self.place.source.shown).annotation(mark)
    }

    fn order(&self) -> (&str, usize, usize) {
        let span = self.place.span.clone().unwrap_or(0..0);
        (&self.place.source.shown, span.start, span.end)
    }
}

#[derive(Clone, Default)]
pub struct Diagnostics {
    findings: Vec<Finding>,
}

impl Diagnostics {
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Sorted by place, each once: a fault in a default would else be told for every check that uses it.
    pub(super) fn sorted(mut self) -> Self {
        self.findings.sort_by(|a, b| (a.order(), &a.message).cmp(&(b.order(), &b.message)));
        self.findings.dedup_by(|a, b| (a.order(), &a.message) == (b.order(), &b.message));
        self
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).max()
    }

    pub fn has_errors(&self) -> bool {
        self.worst() == Some(Level::Error)
    }

    pub fn count(&self, level: Level) -> usize {
        self.iter().filter(|finding| finding.level == level).count()
    }

    /// For a person at a terminal: snippets with carets, a blank line between findings.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let mut text = String::new();
        for finding in &self.findings {
            text += &finding.render(&renderer);
            text += "\n\n";
        }
        text.truncate(text.trim_end_matches('\n').len());
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// For logs: one line each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.findings.iter().map(Finding::line)
    }

    pub fn json(&self) -> Json {
        json!({ "schema": 1, "findings": self.iter().map(Finding::json).collect::<Vec<_>>() })
    }
}
