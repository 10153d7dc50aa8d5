//! One row, of a table or of a line of JSON: the columns it may have, and the entry that they make.

use std::collections::BTreeMap;

use url::Url;

use super::text::{Fault, Parsed};
use crate::declared::Record;
use crate::declared::archive::Kind;
use crate::feeds::text::{TITLE_CHARS, line};
use crate::model::Timestamp;
use crate::model::page::{Impact, Incident, Maintenance, Stage, Touched, Update};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Id,
    Title,
    Kind,
    Impact,
    Stage,
    StartedAt,
    ResolvedAt,
    Components,
    Url,
    Updates,
}

impl Field {
    /// As this program writes it.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(field, _)| *field == self).map_or("", |(_, names)| names[0])
    }
}

/// What columns are called, here and elsewhere; of two that mean the same, the one that stands first is read.
const NAMES: &[(Field, &[&str])] = &[
    (Field::Id, &["id", "incident_id", "code"]),
    (Field::Title, &["title", "name", "incident_title"]),
    (Field::Kind, &["kind"]),
    (Field::Impact, &["impact", "severity"]),
    (Field::Stage, &["stage", "status"]),
    (Field::StartedAt, &["started_at", "starts_at", "scheduled_for", "start_timestamp", "start", "begin", "created_at"]),
    (Field::ResolvedAt, &["resolved_at", "ends_at", "scheduled_until", "close_timestamp", "ended_at", "end"]),
    (Field::Components, &["components"]),
    (Field::Url, &["url", "shortlink"]),
    (Field::Updates, &["updates", "incident_updates"]),
];

/// Which column is read for which field, by its place among `names`.
pub fn columns<'n>(names: impl Iterator<Item = &'n str>) -> BTreeMap<Field, usize> {
    let names: Vec<String> = names.map(|name| name.trim().to_ascii_lowercase().replace([' ', '-'], "_")).collect();
    let column = |(field, known): &(Field, &[&str])| {
        let place = known.iter().find_map(|known| names.iter().position(|name| name == known))?;
        Some((*field, place))
    };
    NAMES.iter().filter_map(column).collect()
}

/// Without these there is nothing to keep.
pub const NEEDED: [Field; 3] = [Field::Id, Field::Title, Field::StartedAt];

/// A value, and at which byte of the file it stands.
#[derive(Clone, Debug)]
pub struct Cell {
    pub text: String,
    pub at: usize,
}

/// What a row says, before any of it is understood.
#[derive(Debug, Default)]
pub struct Row {
    /// At which byte it begins.
    pub at: usize,
    /// Those that are there and not blank.
    pub cells: BTreeMap<Field, Cell>,
    pub components: Vec<String>,
    pub updates: Vec<Update>,
}

/// The entry that a row makes. `now` tells announced work from work that is done.
pub fn record(row: Row, now: Timestamp, notes: &mut Parsed) -> Result<Record, Fault> {
    let id = shown(row.needed(Field::Id)?);
    let title = shown(row.needed(Field::Title)?);
    let start = instant(row.needed(Field::StartedAt)?, Field::StartedAt)?;
    let end = row.cell(Field::ResolvedAt).map(|cell| instant(cell, Field::ResolvedAt)).transpose()?;
    let stage = row.cell(Field::Stage).and_then(|cell| stage_of(&cell.text, notes));
    let url = row.cell(Field::Url).map(link).transpose()?;
    let (is_maintenance, impact) = nature(&row)?;
    let touches = row.components.iter().map(|name| line(name, TITLE_CHARS).text).filter(|name| !name.is_empty());
    let touches: Vec<Touched> = touches.map(|name| Touched { id: None, name }).collect();
    let (at, updates) = (row.at, row.updates);
    if is_maintenance {
        if end.is_some_and(|end| end < start) {
            return Err(Fault::new(at, Some(Field::ResolvedAt.name()), "the work ends before it starts"));
        }
        let done = end.filter(|end| *end <= now).map(|_| Stage::Completed);
        let stage = stage.or(done);
        return Ok(Record::Maintenance(Maintenance { id, title, stage, starts_at: Some(start), ends_at: end, url, touches, updates }));
    }
    if end.is_none() && updates.is_empty() && stage.is_some_and(Stage::is_over) {
        return Err(Fault::new(at, Some(Field::ResolvedAt.name()), "it is over, and does not say since when"));
    }
    let (started_at, stated_start, resolved_at, undecided) = (Some(start), None, end, false);
    Ok(Record::Incident(Incident { id, title, impact, stage, started_at, stated_start, resolved_at, undecided, url, touches, updates }))
}

impl Row {
    fn cell(&self, field: Field) -> Option<&Cell> {
        self.cells.get(&field)
    }

    fn needed(&self, field: Field) -> Result<&Cell, Fault> {
        self.cell(field).filter(|cell| !shown(cell).is_empty()).ok_or_else(|| Fault::new(self.at, Some(field.name()), "there is none"))
    }
}

/// Safe to print, and not longer than is kept.
fn shown(cell: &Cell) -> String {
    line(&cell.text, TITLE_CHARS).text
}

fn fault(cell: &Cell, field: Field, why: &str) -> Fault {
    Fault::new(cell.at, Some(field.name()), format!("{:?} {why}", shown(cell)))
}

fn instant(cell: &Cell, field: Field) -> Result<Timestamp, Fault> {
    let wrong = || fault(cell, field, "is not a time; write it with its zone, as 2026-11-23T20:35:00Z");
    Timestamp::parse(cell.text.trim()).ok_or_else(wrong)
}

fn link(cell: &Cell) -> Result<String, Fault> {
    let url = Url::parse(cell.text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.map(String::from).ok_or_else(|| fault(cell, Field::Url, "is no address that begins with https://"))
}

/// Whether it is a maintenance, and how much an incident hurts. Collections of Statuspage incidents call planned work an
/// incident with the impact `maintenance`; where the kind is written, that goes before.
fn nature(row: &Row) -> Result<(bool, Option<Impact>), Fault> {
    let kind = match row.cell(Field::Kind) {
        Some(cell) => match Kind::parse(&word(&cell.text)) {
            Some(kind) => Some(kind),
            None => return Err(fault(cell, Field::Kind, "is neither \"incident\" nor \"maintenance\"")),
        },
        None => None,
    };
    let (planned, impact) = match row.cell(Field::Impact).map(|cell| (cell, word(&cell.text))) {
        None => (false, None),
        Some((_, word)) if word == "maintenance" => (true, Some(Impact::None)),
        Some((cell, word)) => match Impact::parse(&word) {
            Some(impact) => (false, Some(impact)),
            None => return Err(fault(cell, Field::Impact, "is none of none, minor, major, critical")),
        },
    };
    Ok((kind.map_or(planned, |kind| kind == Kind::Maintenance), impact))
}

/// A word that is not known is noted and means nothing.
pub fn stage_of(text: &str, notes: &mut Parsed) -> Option<Stage> {
    let stage = Stage::parse(&word(text));
    if stage.is_none() {
        notes.unknown(text);
    }
    stage
}

fn word(text: &str) -> String {
    text.trim().to_ascii_lowercase().replace([' ', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[(Field, &str)]) -> Result<Record, Fault> {
        let usual = [(Field::Id, "7"), (Field::Title, "API errors"), (Field::StartedAt, "2026-11-01T10:00:00Z")];
        let all = usual.iter().chain(cells).map(|(field, text)| (*field, Cell { text: (*text).to_owned(), at: 0 }));
        let now = Timestamp::parse("2026-11-02T00:00:00Z").unwrap();
        record(Row { cells: all.collect(), ..Row::default() }, now, &mut Parsed::default())
    }

    #[test]
    fn kinds_and_impacts() {
        for (cells, maintenance, impact) in [
            (&[][..], false, None),
            (&[(Field::Impact, "Major")], false, Some("major")),
            (&[(Field::Impact, "maintenance")], true, None),
            (&[(Field::Impact, "maintenance"), (Field::Kind, "incident")], false, Some("none")),
            (&[(Field::Kind, "maintenance")], true, None),
        ] {
            let record = row(cells).unwrap();
            let is_maintenance = record.kind() == Kind::Maintenance;
            assert_eq!((is_maintenance, record.impact().map(Impact::as_str)), (maintenance, impact), "{cells:?}");
        }
    }

    #[test]
    fn work_is_done_when_its_end_is_past() {
        let planned = |end| row(&[(Field::Kind, "maintenance"), (Field::ResolvedAt, end)]).unwrap();
        assert!(planned("2026-11-01T11:00:00+00:00").is_over());
        assert!(!planned("2026-11-02T01:00:00Z").is_over());
    }

    #[test]
    fn what_cannot_be_taken_is_said() {
        for (cells, field, why) in [
            (&[(Field::Id, "\u{202e} ")][..], "id", "there is none"),
            (&[(Field::StartedAt, "2026-11-01 10:00")], "started_at", "\"2026-11-01 10:00\" is not a time"),
            (&[(Field::ResolvedAt, "never")], "resolved_at", "\"never\" is not a time"),
            (&[(Field::Impact, "severe")], "impact", "\"severe\" is none of none"),
            (&[(Field::Kind, "outage")], "kind", "\"outage\" is neither"),
            (&[(Field::Url, "javascript:alert(1)")], "url", "is no address"),
            (&[(Field::Kind, "maintenance"), (Field::ResolvedAt, "2026-10-01T10:00:00Z")], "resolved_at", "ends before it starts"),
            (&[(Field::Stage, "resolved")], "resolved_at", "does not say since when"),
        ] {
            let fault = row(cells).unwrap_err();
            assert!(fault.field == Some(field) && fault.message.contains(why), "{cells:?}: {fault:?}");
        }
    }

    #[test]
    fn columns_have_other_names_elsewhere() {
        let found = columns(["Created-At", "started_at", "Incident_ID", "name", "color"].into_iter());
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(Field::Id, 2), (Field::Title, 3), (Field::StartedAt, 1)]);
    }
}
