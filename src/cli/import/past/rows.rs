//! Rows `at,outcome,latency_ms,reason`: a table, or an object a line.

use std::collections::{BTreeMap, BTreeSet};

use csv::{ReaderBuilder, Trim};
use serde_json::Value as Json;

use super::sketched::Looked;
use crate::cli::import::text::{Place, Refused, Unusable};
use crate::model::{Outcome, Reason, Timestamp};

#[derive(Default)]
pub struct Rows {
    pub looks: Vec<Looked>,
    pub read: usize,
    pub refused: Vec<Refused>,
    pub not_read: BTreeSet<String>,
}

/// What columns are called, here and elsewhere.
const COLUMNS: [(&str, &[&str]); 4] = [
    ("at", &["at", "time", "timestamp", "started_at"]),
    ("outcome", &["outcome", "state", "status"]),
    ("latency_ms", &["latency_ms", "duration_ms", "response_time_ms", "ping"]),
    ("reason", &["reason"]),
];

type Wrong = (&'static str, String);

pub fn read(text: &str, now: Timestamp) -> Result<Rows, Unusable> {
    match text.trim_start().bytes().next() {
        None => Err(Unusable::new("it is empty")),
        Some(b'{') => Ok(lines(text, now)),
        Some(_) => table(text, now),
    }
}

fn table(text: &str, now: Timestamp) -> Result<Rows, Unusable> {
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(text.as_bytes());
    let unreadable = |error: csv::Error| Unusable::new(format!("it is no table: {error}"));
    let header: Vec<String> = reader.headers().map_err(unreadable)?.iter().map(str::to_ascii_lowercase).collect();
    let places: BTreeMap<&str, usize> = COLUMNS
        .iter()
        .filter_map(|(column, names)| Some((*column, names.iter().find_map(|name| header.iter().position(|known| known == name))?)))
        .collect();
    if let Some(missing) = ["at", "outcome"].iter().find(|name| !places.contains_key(*name)) {
        return Err(Unusable::new(format!("its header has no column {missing:?}")).hint(format!("it has {}", header.join(", "))));
    }
    let not_read = header.iter().enumerate().filter(|(place, _)| !places.values().any(|used| used == place));
    let mut rows = Rows { not_read: not_read.map(|(_, name)| name.clone()).collect(), ..Rows::default() };
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let cell = |column: &str| places.get(column).and_then(|place| record.get(*place)).unwrap_or_default();
        let look = look(cell("at"), cell("outcome"), cell("latency_ms"), cell("reason"), now);
        rows.take(record.position().map_or(0, |position| position.line() as usize), look);
    }
    Ok(rows)
}

fn lines(text: &str, now: Timestamp) -> Rows {
    let mut rows = Rows::default();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let look =
            serde_json::from_str::<BTreeMap<String, Json>>(line).map_err(|_| ("", "it is no JSON object".to_owned())).and_then(|object| {
                let cell = |column: &str| {
                    let (_, names) = COLUMNS.iter().find(|(known, _)| *known == column)?;
                    names.iter().find_map(|name| object.get(*name)).filter(|value| !value.is_null())
                };
                let text = |column: &str| {
                    cell(column).map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                };
                let known = |key: &&String| !COLUMNS.iter().any(|(_, names)| names.contains(&key.as_str()));
                rows.not_read.extend(object.keys().filter(known).cloned());
                look(&text("at"), &text("outcome"), &text("latency_ms"), &text("reason"), now)
            });
        rows.take(at + 1, look);
    }
    rows
}

impl Rows {
    fn take(&mut self, line: usize, look: Result<Looked, Wrong>) {
        self.read += 1;
        match look {
            Ok(look) => self.looks.push(look),
            Err((field, message)) => {
                let field = (!field.is_empty()).then(|| field.to_owned());
                self.refused.push(Refused { place: Place { line, column: 1 }, field, message });
            }
        }
    }
}

fn look(at: &str, outcome: &str, latency: &str, reason: &str, now: Timestamp) -> Result<Looked, Wrong> {
    let at = instant(at).ok_or_else(|| ("at", format!("{at:?} is not a time; write it with its zone, as 2026-11-23T20:35:00Z")))?;
    if at > now {
        return Err(("at", "it lies in the future".to_owned()));
    }
    let outcome = outcome_of(outcome).ok_or_else(|| ("outcome", format!("{outcome:?} is none of up, degraded, down, unknown")))?;
    let latency_us = match latency {
        "" => 0,
        text => {
            let ms: f64 = text
                .parse()
                .ok()
                .filter(|ms: &f64| *ms >= 0.0 && ms.is_finite())
                .ok_or_else(|| ("latency_ms", format!("{text:?} is not a number of milliseconds")))?;
            (ms * 1000.0).min(f64::from(u32::MAX)) as u32
        }
    };
    Ok(Looked { at, latency_us, every: 0, outcome, reason: reason_of(reason, outcome)?, confirmed: false, drawn: false })
}

/// With its zone, or Unix seconds or milliseconds.
fn instant(text: &str) -> Option<Timestamp> {
    const MILLISECONDS_FROM: f64 = 1e11;
    let number = |text: &str| {
        let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
        Some(Timestamp::from_millis(if number.abs() < MILLISECONDS_FROM { (number * 1000.0) as i64 } else { number as i64 }))
    };
    Timestamp::parse(text).or_else(|| number(text))
}

fn outcome_of(word: &str) -> Option<Outcome> {
    let all = [Outcome::Up, Outcome::Degraded, Outcome::Down, Outcome::Unknown];
    all.into_iter().find(|outcome| outcome.as_str().eq_ignore_ascii_case(word))
}

fn reason_of(word: &str, outcome: Outcome) -> Result<Reason, Wrong> {
    let reason = match (word, outcome) {
        ("", Outcome::Up) => Reason::Ok,
        ("", Outcome::Degraded) => Reason::Slow,
        ("", Outcome::Down) => Reason::Expectation,
        ("", Outcome::Unknown) => return Err(("reason", "what is unknown needs a reason".to_owned())),
        (word, _) => Reason::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == word)
            .ok_or_else(|| ("reason", format!("{word:?} is no reason; see docs/reference/reasons.md")))?,
    };
    match outcome {
        Outcome::Down if reason.is_ours() => Err(("reason", format!("{reason} is our own fault, and its outcome is unknown"))),
        Outcome::Down | Outcome::Degraded if reason == Reason::Ok => Err(("reason", format!("ok is no reason to be {}", outcome.as_str()))),
        _ => Ok(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_lines_say_the_same() {
        let now = Timestamp::parse("2026-02-01T00:00:00Z").unwrap();
        let csv = "Time,outcome,latency_ms,reason,team\n2026-01-01T00:00:00Z,up,12.5,,x\n1767225660,DOWN,,connect_timeout,x\nnoon,up,,,\n2026-01-01T00:02:00Z,gone,,,\n\
                   2026-01-01T00:03:00Z,down,,own_network,\n2027-01-01T00:00:00Z,up,,,\n2026-01-01T00:04:00Z,unknown,,,\n";
        let table = read(csv, now).ok().unwrap();
        assert_eq!((table.read, table.looks.len(), table.refused.len()), (7, 2, 5));
        assert_eq!(table.not_read.iter().next().map(String::as_str), Some("team"));
        let places: Vec<_> = table.refused.iter().map(|r| (r.place.line, r.field.as_deref().unwrap_or_default())).collect();
        assert_eq!(places, [(4, "at"), (5, "outcome"), (6, "reason"), (7, "at"), (8, "reason")]);
        let jsonl = "{\"at\": \"2026-01-01T00:00:00Z\", \"outcome\": \"up\", \"latency_ms\": 12.5}\n\n{\"at\": 1767225660000, \"outcome\": \"down\", \"reason\": \"connect_timeout\"}\n";
        assert_eq!(read(jsonl, now).ok().unwrap().looks, table.looks);
    }
}
