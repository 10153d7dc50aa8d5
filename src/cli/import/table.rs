//! `csv`: a header, and an entry a row. Components are separated by `;`, or are a JSON list.

use std::collections::BTreeMap;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::row::{self, Cell, Field, NEEDED, Row};
use super::text::{Fault, Parsed, Text, Unusable};
use crate::model::Timestamp;

pub fn read(text: &Text, now: Timestamp) -> Result<Parsed, Unusable> {
    // How long rows are is judged here, so that each of them gets an answer.
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::Headers).from_reader(text.text.as_bytes());
    let unreadable = |error: csv::Error| Unusable::new(format!("it is no table: {error}"));
    let header = reader.headers().map_err(unreadable)?.clone();
    let columns = row::columns(header.iter());
    if let Some(field) = NEEDED.iter().find(|field| !columns.contains_key(field)) {
        let names: Vec<&str> = header.iter().collect();
        return Err(Unusable::new(format!("its header has no column {:?}", field.name())).hint(format!("it has {}", names.join(", "))));
    }
    let mut parsed = Parsed::default();
    let is_read = |place: usize| columns.iter().any(|(field, column)| *column == place && *field != Field::Updates);
    parsed.not_read = header.iter().enumerate().filter(|(place, _)| !is_read(*place)).map(|(_, name)| name.to_owned()).collect();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let row = cells(text, &record, &columns, header.len());
        let entry = row.and_then(|row| row::record(row, now, &mut parsed));
        parsed.take(text, entry);
    }
    Ok(parsed)
}

fn cells(text: &Text, record: &StringRecord, columns: &BTreeMap<Field, usize>, wide: usize) -> Result<Row, Fault> {
    let begins = record.position().map_or(0, |position| position.byte() as usize);
    let at = fields(text.text, begins);
    let place = |column: usize| at.get(column).copied().unwrap_or(begins);
    if record.len() != wide {
        let rows: usize = record.iter().map(|cell| cell.matches('\n').count()).sum();
        let open = if rows > 0 { format!("; it goes on for {rows} more lines: is a quote not closed?") } else { String::new() };
        let message = format!("it has {} columns where the header has {wide}{open}", record.len());
        return Err(Fault::new(place(0), None, message));
    }
    let mut row = Row { at: place(0), ..Row::default() };
    for (field, column) in columns {
        let value = record.get(*column).unwrap_or_default().trim();
        match field {
            _ if value.is_empty() => {}
            Field::Components => row.components = components(value, place(*column))?,
            Field::Updates => {}
            field => drop(row.cells.insert(*field, Cell { text: value.to_owned(), at: place(*column) })),
        }
    }
    Ok(row)
}

fn components(value: &str, at: usize) -> Result<Vec<String>, Fault> {
    if value.starts_with('[') {
        let wrong = |_| Fault::new(at, Some(Field::Components.name()), "it is no JSON list of texts");
        return serde_json::from_str(value).map_err(wrong);
    }
    Ok(value.split(';').map(str::to_owned).collect())
}

/// At which byte each field of the record stands that begins at `begins`, or after blank lines there.
fn fields(text: &str, begins: usize) -> Vec<usize> {
    let rest = text.get(begins..).unwrap_or_default();
    let begins = begins + (rest.len() - rest.trim_start_matches(['\n', '\r']).len());
    let mut found = vec![begins];
    let mut quoted = false;
    for (at, byte) in text.bytes().enumerate().skip(begins) {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => found.push(at + 1),
            b'\n' if !quoted => break,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(table: &str) -> Vec<String> {
        let parsed = read(&Text::new(table), Timestamp::from_millis(0)).unwrap();
        assert_eq!(parsed.read, parsed.records.len() + parsed.refused.len());
        let shown = |r: &super::super::text::Refused| format!("{}:{} {}", r.place.line, r.place.column, r.message);
        parsed.refused.iter().map(shown).collect()
    }

    #[test]
    fn the_place_of_a_fault_is_that_of_the_field() {
        let table = "id,title,started_at\r\n\r\n1,\"two\r\nlines, one comma\",noon\r\n2,é,then\r\n3,x\n4,ok,2026-11-01T10:00:00Z";
        let said = refused(table);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("4:19 \"noon\" is not a time"), "{said:?}");
        assert!(said[1].starts_with("5:5 \"then\" is not a time"), "{said:?}");
        assert_eq!(said[2], "6:1 it has 2 columns where the header has 3");
    }

    #[test]
    fn a_quote_that_is_not_closed_is_suspected() {
        let said = refused("id,title,started_at\n1,\"x,2026-11-01T10:00:00Z\n2,y,2026-11-01T10:00:00Z\n");
        assert_eq!(said, ["2:1 it has 2 columns where the header has 3; it goes on for 2 more lines: is a quote not closed?"]);
    }

    #[test]
    fn components_are_a_list_of_either_kind() {
        assert_eq!(components("API; Web", 0).unwrap(), ["API", " Web"]);
        assert_eq!(components("[\"A; B\"]", 0).unwrap(), ["A; B"]);
        assert!(components("[1]", 0).is_err());
    }

    #[test]
    fn a_table_without_the_columns_that_are_needed_is_refused_as_a_whole() {
        let error = read(&Text::new("id,titel,started_at\n"), Timestamp::from_millis(0)).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.hint.as_deref()),
            ("its header has no column \"title\"", Some("it has id, titel, started_at"))
        );
    }
}
