//! One TOML value read as what its key asks for. Pure: no files, no environment; secrets are `secrets.rs`.
//!
//! Every refusal names the key and the value, and says what to write instead.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use crate::model::{KofN, Shape, Value};

/// What is wrong with a value, and where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Complaint {
    pub span: Range<usize>,
    pub message: String,
    pub hint: Option<String>,
}

/// The same without a place.
type Refused = (String, Option<String>);

fn refused(message: impl Into<String>, hint: impl Into<String>) -> Refused {
    (message.into(), Some(hint.into()))
}

/// Every shape but secrets and tables.
pub(super) fn convert(shape: Shape, key: &str, value: &Spanned<DeValue>) -> Result<Value, Vec<Complaint>> {
    match shape {
        Shape::TextList => list(key, value, text).map(Value::TextList),
        Shape::WordList(words) => list(key, value, |key, value| word(key, value, words)).map(Value::TextList),
        Shape::WaitList => list(key, value, wait).map(Value::DurationList),
        Shape::CountList(min, max) => list(key, value, |key, value| count(key, value, min, max)).map(Value::CountList),
        Shape::TextMap => text_map(key, value).map(Value::TextMap),
        scalar => one(scalar, key, value.get_ref()).map_err(|why| vec![at(value, why)]),
    }
}

fn one(shape: Shape, key: &str, value: &DeValue) -> Result<Value, Refused> {
    match shape {
        Shape::Text | Shape::Path => text(key, value).map(Value::Text),
        Shape::OneOf(words) => word(key, value, words).map(Value::Text),
        Shape::Duration => duration(key, value).map(Value::Duration),
        Shape::Wait => wait(key, value).map(Value::Duration),
        Shape::Size => size(key, value).map(Value::Size),
        Shape::Count(min, max) => count(key, value, min, max).map(Value::Count),
        Shape::Runs => runs(key, value).map(Value::Runs),
        Shape::Flag => flag(key, value).map(Value::Flag),
        _ => unreachable!("lists, maps, tables and secrets are read elsewhere"),
    }
}

pub(super) fn at(value: &Spanned<DeValue>, (message, hint): Refused) -> Complaint {
    Complaint { span: value.span(), message, hint }
}

/// All elements, or what is wrong with each.
fn list<T>(key: &str, value: &Spanned<DeValue>, read: impl Fn(&str, &DeValue) -> Result<T, Refused>) -> Result<Vec<T>, Vec<Complaint>> {
    let Some(items) = value.get_ref().as_array() else {
        return match read(key, value.get_ref()) {
            Ok(item) => Ok(vec![item]),
            Err(why) => Err(vec![at(value, why)]),
        };
    };
    let (mut read_items, mut complaints) = (Vec::new(), Vec::new());
    for item in items.iter() {
        match read(key, item.get_ref()) {
            Ok(item) => read_items.push(item),
            Err(why) => complaints.push(at(item, why)),
        }
    }
    if complaints.is_empty() { Ok(read_items) } else { Err(complaints) }
}

fn text_map(key: &str, value: &Spanned<DeValue>) -> Result<BTreeMap<String, String>, Vec<Complaint>> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(vec![at(value, not_a_map(key, value.get_ref()))]);
    };
    let (mut map, mut complaints) = (BTreeMap::new(), Vec::new());
    for (name, value) in table {
        match text(&format!("{key}.{}", name.get_ref()), value.get_ref()) {
            Ok(text) => drop(map.insert(name.get_ref().to_string(), text)),
            Err(why) => complaints.push(at(value, why)),
        }
    }
    if complaints.is_empty() { Ok(map) } else { Err(complaints) }
}

pub(super) fn not_a_map(key: &str, value: &DeValue) -> Refused {
    refused(format!("{key} is {}, not a table of names and texts", kind(value)), format!("write `{key} = {{ name = \"value\" }}`"))
}

/// `a number`, as in "interval is a number".
pub(super) fn kind(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The value as it would be written as a text.
fn as_written(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Datetime(datetime) => Some(datetime.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn text(key: &str, value: &DeValue) -> Result<String, Refused> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(match as_written(other) {
            Some(written) => refused(format!("{key} is {}, not a text", kind(other)), format!("put it in quotes: {written:?}")),
            None => (format!("{key} is {}, not a text", kind(other)), None),
        }),
    }
}

fn word(key: &str, value: &DeValue, words: &[&'static str]) -> Result<String, Refused> {
    let text = text(key, value)?;
    if words.contains(&text.as_str()) {
        return Ok(text);
    }
    let lower = text.to_lowercase();
    let hint = match super::nearest::nearest(&lower, words.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("write {}", one_of(words)),
    };
    Err(refused(format!("{key} {text:?} is not {}", one_of(words)), hint))
}

/// `"a", "b" or "c"`
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn flag(key: &str, value: &DeValue) -> Result<bool, Refused> {
    if let DeValue::Boolean(flag) = value {
        return Ok(*flag);
    }
    let meant = match as_written(value).unwrap_or_default().as_str() {
        "true" | "yes" | "on" | "1" => "write `true`, without quotes",
        "false" | "no" | "off" | "0" => "write `false`, without quotes",
        _ => "write `true` or `false`, without quotes",
    };
    Err(refused(format!("{key} is {}, not true or false", kind(value)), meant))
}

fn integer(number: &DeInteger) -> Option<i128> {
    i128::from_str_radix(number.as_str(), number.radix()).ok()
}

fn count(key: &str, value: &DeValue, min: u64, max: u64) -> Result<u64, Refused> {
    let range = format!("write a whole number from {min} to {max}");
    match value {
        DeValue::Integer(number) => match integer(number).map(u64::try_from) {
            Some(Ok(count)) if (min..=max).contains(&count) => Ok(count),
            _ => Err(refused(format!("{key} {number} is out of range"), range)),
        },
        DeValue::String(text) if text.trim().parse::<u64>().is_ok() => {
            Err(refused(format!("{key} {text:?} is a text, not a number"), format!("write {}, without quotes", text.trim())))
        }
        DeValue::Float(number) => Err(refused(format!("{key} {number} is not a whole number"), range)),
        other => Err(refused(format!("{key} is {}, not a number", kind(other)), range)),
    }
}

fn runs(key: &str, value: &DeValue) -> Result<KofN, Refused> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        other => {
            return Err(refused(
                format!("{key} is {}, not a count of runs", kind(other)),
                "write \"3\" (in a row) or \"3/5\" (3 of the last 5)",
            ));
        }
    };
    text.parse().map_err(|why: String| match why.split_once("; ") {
        Some((message, hint)) => refused(format!("{key} {message}"), hint),
        None => (format!("{key} {why}"), None),
    })
}

fn duration(key: &str, value: &DeValue) -> Result<Duration, Refused> {
    match wait(key, value)? {
        Duration::ZERO => Err(refused(format!("{key} must be longer than zero"), "write for example \"10s\"")),
        duration => Ok(duration),
    }
}

fn wait(key: &str, value: &DeValue) -> Result<Duration, Refused> {
    let text = match value {
        DeValue::String(text) => text,
        DeValue::Integer(number) => {
            return Err(refused(format!("{key} {number} has no unit"), format!("write \"{number}s\" for seconds")));
        }
        other => {
            return Err(refused(format!("{key} is {}, not a duration", kind(other)), "write for example \"30s\", \"5m\" or \"2h\""));
        }
    };
    parse_duration(text).map_err(|hint| match text.trim().parse::<f64>() {
        Ok(_) => refused(format!("{key} {text:?} has no unit"), format!("write \"{}s\" for seconds", text.trim())),
        Err(_) => refused(format!("{key} {text:?} is not a duration"), hint),
    })
}

const UNITS: &[(&str, u64)] = &[
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// `"30s"`, `"1h30m"`, `"1.5s"`, `"400d"` (a day is 24 hours); or what to write instead.
/// One way to write each, so that files are alike; what people write elsewhere is understood only to suggest it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    strict_duration(text).ok_or_else(|| {
        let lenient = jiff::fmt::friendly::SpanParser::new().parse_span(text.trim());
        let meant = lenient.ok().and_then(|span| span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok());
        match meant.and_then(|span| Duration::try_from(span).ok()) {
            Some(duration) if !duration.is_zero() => format!("write {:?}", show_duration(duration)),
            _ => "write a number and a unit, for example \"500ms\", \"30s\", \"5m\", \"2h\" or \"14d\"".into(),
        }
    })
}

fn strict_duration(text: &str) -> Option<Duration> {
    const NANOS_MAX: f64 = 100.0 * 366.0 * 86_400e9;
    let mut rest = text;
    let mut nanos = 0_f64;
    while !rest.is_empty() || nanos == 0.0 && rest.len() == text.len() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        nanos += number.parse::<f64>().ok()? * *scale as f64;
        rest = tail;
    }
    (nanos <= NANOS_MAX).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// As [`parse_duration`] reads it: `90s` is `"1m30s"`, a day and more are days.
pub(crate) fn show_duration(duration: Duration) -> String {
    let mut rest = duration.as_nanos();
    let mut text = String::new();
    for (unit, nanos) in UNITS.iter().rev().skip(1) {
        let nanos = u128::from(*nanos);
        if rest >= nanos {
            text += &format!("{}{unit}", rest / nanos);
            rest %= nanos;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

fn size(key: &str, value: &DeValue) -> Result<u64, Refused> {
    const EXAMPLE: &str = "write a number of bytes or a text like \"512kB\" or \"10MiB\"";
    match value {
        DeValue::Integer(number) => integer(number)
            .and_then(|bytes| u64::try_from(bytes).ok())
            .ok_or_else(|| refused(format!("{key} {number} is not a size"), EXAMPLE)),
        DeValue::String(text) => parse_size(text).ok_or_else(|| refused(format!("{key} {text:?} is not a size"), EXAMPLE)),
        other => Err(refused(format!("{key} is {}, not a size", kind(other)), EXAMPLE)),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "kiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// `"10/s"`, `"60/m"` or `"100/h"` as requests per second.
pub(super) fn parse_rate(text: &str) -> Option<f64> {
    let (number, per) = text.split_once('/')?;
    let seconds = match per {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    let number: u32 = number.parse().ok()?;
    (number > 0).then_some(f64::from(number) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(shape: Shape, toml: &str) -> Result<Value, String> {
        let value = DeValue::parse(toml).unwrap();
        convert(shape, "key", &value).map_err(|complaints| {
            complaints.into_iter().map(|c| format!("{}; {}", c.message, c.hint.unwrap_or_default())).collect::<Vec<_>>().join(" | ")
        })
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("30s", 30_000),
            ("800ms", 800),
            ("1.5s", 1500),
            ("1h30m", 5_400_000),
            ("400d", 34_560_000_000),
            ("2w", 1_209_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, hint) in [
            ("10 sec", "write \"10s\""),
            ("5 minutes", "write \"5m\""),
            ("90 seconds", "write \"1m30s\""),
            ("1h 30m", "write \"1h30m\""),
            ("10 days", "write \"10d\""),
            ("PT30S", ""),
            ("", ""),
            ("s", ""),
            ("-5s", ""),
            ("1e3s", ""),
            ("1..5s", ""),
            ("999999999d", ""),
            ("5s ", "write \"5s\""),
        ] {
            let said = parse_duration(text).unwrap_err();
            assert!(said.starts_with(if hint.is_empty() { "write a number" } else { hint }), "{text}: {said}");
        }
    }

    #[test]
    fn durations_print_as_they_are_read() {
        for text in ["0s", "500ms", "1m30s", "10d", "1h30m", "1d1h"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_counts_rates_and_runs() {
        assert_eq!(read(Shape::Size, "\"10MiB\""), Ok(Value::Size(10 << 20)));
        assert_eq!(read(Shape::Size, "\"512kB\""), Ok(Value::Size(512_000)));
        assert_eq!(read(Shape::Size, "4_096"), Ok(Value::Size(4096)));
        assert!(read(Shape::Size, "\"10M\"").is_err());
        assert!(read(Shape::Size, "-1").is_err());
        assert_eq!(read(Shape::Count(1, 4), "3"), Ok(Value::Count(3)));
        for bad in ["5", "0", "-1", "1.5", "\"3\"", "true", "99999999999999999999"] {
            assert!(read(Shape::Count(1, 4), bad).is_err(), "{bad}");
        }
        let runs = |k, n| Ok(Value::Runs(KofN { k, n }));
        assert_eq!(read(Shape::Runs, "3"), runs(3, 3));
        assert_eq!(read(Shape::Runs, "\"3/5\""), runs(3, 5));
        assert!(read(Shape::Runs, "0").is_err());
        assert_eq!(parse_rate("10/s"), Some(10.0));
        assert_eq!(parse_rate("60/m"), Some(1.0));
        for bad in ["10", "0/s", "10/d", "-1/s", "/s", "1.5/s"] {
            assert_eq!(parse_rate(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_lone_value_is_a_list_of_one_and_every_bad_element_is_told() {
        assert_eq!(read(Shape::TextList, "\"a\""), Ok(Value::TextList(vec!["a".into()])));
        assert_eq!(read(Shape::CountList(1, 4), "[1, 2]"), Ok(Value::CountList(vec![1, 2])));
        let said = read(Shape::CountList(1, 4), "[1, 9, \"2\"]").unwrap_err();
        assert_eq!(said.matches("key").count(), 2, "{said}");
        assert!(read(Shape::TextMap, "{ a = 1 }").unwrap_err().contains("key.a is a number"));
    }

    #[test]
    fn flags_are_not_texts() {
        assert_eq!(read(Shape::Flag, "true"), Ok(Value::Flag(true)));
        assert!(read(Shape::Flag, "\"yes\"").unwrap_err().contains("write `true`"));
    }
}
