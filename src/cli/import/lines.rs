//! `jsonl`: an object a line, or one JSON list of such objects. `updates` may tell what was said when.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::row::{self, Cell, Field, Row};
use super::text::{Fault, Parsed, Text, Unusable, said};
use crate::feeds::json;
use crate::feeds::text::{BODY_CHARS, lines};
use crate::model::Timestamp;
use crate::model::page::{Stage, Update};

/// Keys in the order of a map; the last of equal ones counts, as JSON has it.
type Object<'d> = BTreeMap<String, &'d RawValue>;

pub fn read(text: &Text, now: Timestamp) -> Result<Parsed, Unusable> {
    let mut parsed = Parsed::default();
    if text.text.trim_start().starts_with('[') {
        let all: Vec<&RawValue> = serde_json::from_str(text.text).map_err(|error| Unusable::json(text, &error))?;
        all.into_iter().for_each(|raw| take(text, raw.get(), now, &mut parsed));
    } else {
        text.lines().for_each(|line| take(text, line, now, &mut parsed));
    }
    Ok(parsed)
}

fn take<'t>(text: &Text<'t>, raw: &'t str, now: Timestamp, parsed: &mut Parsed) {
    let entry = object(text, raw).and_then(|object| {
        let row = cells(text, raw, &object, parsed)?;
        row::record(row, now, parsed)
    });
    parsed.take(text, entry);
}

fn object<'t>(text: &Text, raw: &'t str) -> Result<Object<'t>, Fault> {
    serde_json::from_str(raw).map_err(|error| {
        // Of a list the lines within an element count too.
        let before: usize = raw.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = text.offset(raw) + before + error.column().saturating_sub(1);
        Fault::new(at, None, format!("it is no JSON object: {}", said(&error)))
    })
}

fn cells(text: &Text, raw: &str, object: &Object, parsed: &mut Parsed) -> Result<Row, Fault> {
    // What is null is told under another name, or not at all.
    let keys: Vec<&String> = object.iter().filter(|(_, value)| value.get() != "null").map(|(key, _)| key).collect();
    let columns = row::columns(keys.iter().map(|key| key.as_str()));
    let unread = keys.iter().enumerate().filter(|(place, _)| !columns.values().any(|column| column == place));
    parsed.not_read.extend(unread.map(|(_, key)| (*key).clone()));
    let mut row = Row { at: text.offset(raw), ..Row::default() };
    for (field, column) in columns {
        let Some(value) = object.get(keys[column]) else { continue };
        let at = text.offset(value.get());
        match field {
            Field::Components => row.components = components(value, at)?,
            Field::Updates => row.updates = updates(value, at, parsed)?,
            field => {
                let text = cell(value).ok_or_else(|| Fault::new(at, Some(field.name()), "it is no text"))?;
                if !text.trim().is_empty() {
                    row.cells.insert(field, Cell { text, at });
                }
            }
        }
    }
    Ok(row)
}

/// A text, or a number as it is written.
fn cell(value: &RawValue) -> Option<String> {
    serde_json::from_str::<json::Text>(value.get()).ok()?.0.or_else(|| value.get().starts_with('"').then(String::new))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Component {
    Name(String),
    Object { name: String },
}

/// A list of names, or of objects with a name; or a text with `;` between them.
fn components(value: &RawValue, at: usize) -> Result<Vec<String>, Fault> {
    let wrong = || Fault::new(at, Some(Field::Components.name()), "it is no list of texts");
    if let Ok(text) = serde_json::from_str::<String>(value.get()) {
        return Ok(text.split(';').map(str::to_owned).collect());
    }
    let all: Vec<Component> = serde_json::from_str(value.get()).map_err(|_| wrong())?;
    let name = |component| match component {
        Component::Name(name) | Component::Object { name } => name,
    };
    Ok(all.into_iter().map(name).collect())
}

#[derive(Deserialize)]
struct Post {
    #[serde(default, alias = "created_at", alias = "when")]
    at: json::Text,
    #[serde(default, alias = "status")]
    stage: json::Text,
    #[serde(default, alias = "message", alias = "text")]
    body: json::Text,
}

/// `[{"at": "2026-11-23T20:35:00Z", "stage": "identified", "body": "…"}]`
fn updates(value: &RawValue, at: usize, parsed: &mut Parsed) -> Result<Vec<Update>, Fault> {
    let wrong = |why: &str| Fault::new(at, Some(Field::Updates.name()), why);
    let posts: Vec<Post> = serde_json::from_str(value.get()).map_err(|_| wrong("it is no list of updates"))?;
    let update = |post: Post| {
        let undated = post.at.as_str().is_some() && post.at.instant().is_none();
        if undated {
            return Err(wrong("an update has no time with its zone, as 2026-11-23T20:35:00Z"));
        }
        let stage = post.stage.as_str().and_then(|word| stage(word, parsed));
        Ok(Update { at: post.at.instant(), stage, body: lines(post.body.as_str().unwrap_or_default(), BODY_CHARS).text })
    };
    posts.into_iter().map(update).collect()
}

/// "Update" says only that nothing changed.
fn stage(word: &str, parsed: &mut Parsed) -> Option<Stage> {
    if word.eq_ignore_ascii_case("update") { None } else { row::stage_of(word, parsed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        let parsed = read(&Text::new(text), Timestamp::from_millis(0)).unwrap();
        assert_eq!(parsed.read, parsed.records.len() + parsed.refused.len());
        parsed
    }

    #[test]
    fn each_line_stands_for_itself() {
        let text = "{\"id\": 1, \"title\": \"a\", \"started_at\": \"2026-11-01T10:00:00Z\", \"color\": \"red\"}\n\n{\"id\": 2,\n[1]\n\
            {\"id\": \"é\", \"title\": \"b\", \"started_at\": \"2026-11-01\"}\n{\"title\": \"c\"}\n{\"id\": [], \"title\": \"c\"}\n";
        let parsed = parsed(text);
        let said: Vec<String> = parsed.refused.iter().map(|r| format!("{}:{} {}", r.place.line, r.place.column, r.message)).collect();
        assert_eq!(parsed.records.iter().map(|r| r.source_id()).collect::<Vec<_>>(), ["1"]);
        assert!(said[0].starts_with("3:") && said[0].contains("it is no JSON object: EOF"), "{said:?}");
        assert!(said[1].starts_with("4:1 it is no JSON object: invalid type: sequence"), "{said:?}");
        assert!(said[2].starts_with("5:41 \"2026-11-01\" is not a time"), "{said:?}");
        assert_eq!((said[3].as_str(), said[4].as_str()), ("6:1 there is none", "7:8 it is no text"));
        assert_eq!(parsed.not_read.iter().collect::<Vec<_>>(), ["color"]);
    }

    #[test]
    fn a_list_is_read_as_its_lines_would_be() {
        let list = "[\n {\"id\": \"1\", \"title\": \"a\", \"started_at\": \"2026-11-01T10:00:00Z\",\n  \"components\": [\"API\", {\"name\": \"Web\"}],\n  \
            \"updates\": [{\"at\": \"2026-11-01T10:05:00Z\", \"status\": \"Investigating\", \"message\": \"we look\"}]},\n {\"id\": \"2\",\n  \"title\": 5}]";
        let parsed = parsed(list);
        let (names, updates) = (parsed.records[0].touches(), parsed.records[0].updates());
        assert_eq!(names.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["API", "Web"]);
        assert_eq!((updates[0].stage, updates[0].body.as_str()), (Some(Stage::Investigating), "we look"));
        assert_eq!((parsed.refused[0].place.line, parsed.refused[0].field.as_deref()), (5, Some("started_at")));
        let broken = read(&Text::new("[\n{\"id\": 1},\n x]"), Timestamp::from_millis(0)).unwrap_err();
        assert_eq!(broken.place.map(|p| (p.line, p.column)), Some((3, 2)));
    }
}
