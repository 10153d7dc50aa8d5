//! What the TOML parser says, in words that tell what to write.

use std::ops::Range;

use super::reader::Said;

/// What the parser says, what it means, what to do.
const PLAIN: &[(&str, &str, &str)] = &[
    ("invalid basic string", "the text does not end on its line", "close it with `\"`"),
    ("invalid literal string", "the text does not end on its line", "close it with `'`"),
    ("key with no value", "a key without a value", "write `key = value`"),
    ("unexpected leading zero", "a number cannot begin with 0", "remove the zero, or put it in quotes"),
    (
        "missing escaped value",
        "`\\` begins an escape, and this is none",
        "write `\\\\`, or use single quotes, in which `\\` is itself: '\\d+'",
    ),
];

pub(super) fn explain(message: &str, text: &str, span: &Range<usize>) -> Said {
    let marked = text.get(span.clone()).unwrap_or_default();
    if message.starts_with("string values must be quoted") {
        return unquoted(marked);
    }
    if message == "duplicate key" {
        return duplicate(marked, text, span.start);
    }
    let (what, _) = message.split_once(", expected ").unwrap_or((message, ""));
    let plain = PLAIN.iter().find(|(known, ..)| *known == what);
    if let Some((_, message, hint)) = plain {
        return (message.to_string(), Some(hint.to_string()));
    }
    match message.split_once(", expected ") {
        Some((what, "nothing")) => (what.to_string(), None),
        Some((what, expected)) => (what.to_string(), Some(format!("expected {expected}"))),
        None => (message.to_string(), None),
    }
}

fn unquoted(marked: &str) -> Said {
    let message = format!("`{marked}` is not a value");
    let hint = match marked.to_lowercase().as_str() {
        "yes" | "on" | "true" => "write true".into(),
        "no" | "off" | "false" => "write false".into(),
        _ => format!("put it in quotes: {marked:?}"),
    };
    (message, Some(hint))
}

fn duplicate(marked: &str, text: &str, at: usize) -> Said {
    let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    if text[line_start..].trim_start().starts_with('[') {
        let message = format!("the table `{marked}` is there already");
        return (message, Some("put all of its keys below one header".into()));
    }
    let message = format!("`{marked}` is there already in this table");
    (message, Some("remove one of them".into()))
}
