//! Documents for programs: JSON and CSV.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use super::ROWS_MAX;
use super::cells::folded;
use crate::model::Listing;

/// Names of what a row is about; the first that there is becomes the first column, since JSON has no order.
const SUBJECTS: [&str; 8] = ["name", "title", "company", "vendor", "subprocessor", "entity", "legal_name", "id"];
const COLUMNS_MAX: usize = 64;

/// The array that `select` leads to, else the document itself, else the only array of objects in it.
pub(super) fn json(text: &str, select: Option<&JsonPath>) -> Result<Listing, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("the document is not JSON: {error}"))?;
    let rows: Vec<&Value> = match (select, &document) {
        (Some(select), _) => match select.query(&document).all().as_slice() {
            [] => return Err("`select` leads to nothing in the document".to_owned()),
            [Value::Array(rows)] => rows.iter().collect(),
            nodes => nodes.to_vec(),
        },
        (None, Value::Array(rows)) => rows.iter().collect(),
        (None, Value::Object(object)) => only_array(object)?,
        _ => return Err("the document is neither an array nor an object".to_owned()),
    };
    Ok(listing(&rows))
}

fn only_array(object: &Map<String, Value>) -> Result<Vec<&Value>, String> {
    let is_of_objects = |value: &&Value| value.as_array().is_some_and(|rows| rows.first().is_some_and(Value::is_object));
    let arrays: Vec<&Value> = object.values().filter(is_of_objects).collect();
    match arrays[..] {
        [Value::Array(rows)] => Ok(rows.iter().collect()),
        [] => Err("the document has no array of objects; write a JSONPath as `select`".to_owned()),
        _ => Err("the document has several arrays of objects; write a JSONPath as `select`".to_owned()),
    }
}

fn listing(rows: &[&Value]) -> Listing {
    let names: BTreeSet<&String> = rows.iter().filter_map(|row| row.as_object()).flat_map(Map::keys).collect();
    let is = |name: &str, subject: &str| name.to_ascii_lowercase().replace(['-', ' '], "_") == subject;
    let subject = SUBJECTS.iter().find_map(|subject| names.iter().find(|name| is(name, subject)).copied());
    let mut columns: Vec<&String> = names.iter().copied().filter(|name| Some(*name) != subject).collect();
    columns.splice(0..0, subject);
    columns.truncate(COLUMNS_MAX);
    let row = |value: &&Value| match value {
        Value::Object(object) => columns.iter().map(|name| object.get(*name).map_or_else(String::new, cell)).collect(),
        other => vec![cell(other)],
    };
    let rows = rows.iter().map(row).filter(|row: &Vec<String>| row.iter().any(|c| !c.is_empty())).take(ROWS_MAX + 1).collect();
    Listing { rows, columns: columns.into_iter().map(|name| folded(name)).collect() }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => folded(text),
        Value::Array(items) => folded(&items.iter().map(cell).collect::<Vec<_>>().join(", ")),
        other => folded(&other.to_string()),
    }
}

/// The first record names the columns. Comma, semicolon or tab, whichever that record has most of.
pub(super) fn csv(text: &str) -> Result<Listing, String> {
    let head = text.lines().next().unwrap_or_default();
    let count = |separator: u8| head.bytes().filter(|b| *b == separator).count();
    let separator = [b',', b';', b'\t'].into_iter().rev().max_by_key(|separator| count(*separator)).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records().take(ROWS_MAX + 2) {
        let record = record.map_err(|error| format!("the document is not CSV: {error}"))?;
        let cells: Vec<String> = record.iter().take(COLUMNS_MAX).map(folded).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            records.push(cells);
        }
    }
    let columns = if records.is_empty() { Vec::new() } else { records.remove(0) };
    Ok(Listing { columns, rows: records })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_its_shapes() {
        let want = Listing {
            columns: ["Name", "country", "uses"].map(str::to_owned).to_vec(),
            rows: vec![["AWS", "US", "a, b"].map(str::to_owned).to_vec(), ["Mailgun", "", "true"].map(str::to_owned).to_vec()],
        };
        let rows = r#"[{"country":"US","Name":" AWS","uses":["a","b"]},{"Name":"Mailgun","uses":true,"country":null},{}]"#;
        let path = JsonPath::parse("$.data[?@.Name]").unwrap();
        for (text, select) in [
            (rows.to_owned(), None),
            (format!("{{\"updated\":\"today\",\"data\":{rows}}}"), None),
            (format!("{{\"data\":{rows},\"old\":[{{\"a\":1}}]}}"), Some(&path)),
        ] {
            assert_eq!(json(&text, select).as_ref(), Ok(&want), "{text}");
        }
        assert_eq!(json("[\"a\", 1]", None).unwrap().rows, [["a"], ["1"]]);
        for text in ["", "{", "<html>", "3", "{}", "{\"a\":[{\"x\":1}],\"b\":[{\"x\":1}]}"] {
            assert!(json(text, None).is_err(), "{text}");
        }
        assert!(json(rows, Some(&path)).unwrap_err().contains("nothing"));
    }

    #[test]
    fn csv_in_its_shapes() {
        for text in ["Name,Country\r\n\"AWS, Inc.\",US\r\n\r\n", "Name;Country\n\"AWS, Inc.\" ;US", "Name\tCountry\nAWS, Inc.\tUS\n"] {
            let listing = csv(text).unwrap();
            assert_eq!(
                (listing.columns.len(), &listing.rows[..]),
                (2, &[["AWS, Inc.".to_owned(), "US".to_owned()].to_vec()][..]),
                "{text}"
            );
        }
        assert!(csv("").unwrap().rows.is_empty());
    }
}
