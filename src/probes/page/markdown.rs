//! Tables in Markdown, as GitHub has them (GitHub Flavored Markdown 4.10): a head, a line of dashes, rows.

use super::ROWS_MAX;
use super::cells::folded;
use crate::feeds::text::plain;
use crate::model::Listing;

/// Brackets that nothing closes cost a look ahead each.
const CELL_BYTES_MAX: usize = 8192;

/// The table below the heading that `select` is part of, else the one with most rows.
pub(super) fn table(text: &str, select: Option<&str>) -> Result<Listing, String> {
    let wanted = select.map(str::to_lowercase);
    let mut tables = Vec::new();
    let (mut heading, mut fenced) = (String::new(), false);
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        at += 1;
        if line.starts_with("```") || line.starts_with("~~~") {
            fenced = !fenced;
        } else if fenced {
            continue;
        } else if line.starts_with('#') {
            heading = inline(line.trim_matches('#')).to_lowercase();
        } else if line.contains('|') && lines.get(at).is_some_and(|next| is_rule(next, cells(line).len())) {
            let rows = lines[at + 1..].iter().take_while(|row| !row.trim().is_empty() && !is_block(row));
            let rows: Vec<&str> = rows.copied().collect();
            at += 1 + rows.len();
            if wanted.as_ref().is_none_or(|wanted| heading.contains(wanted.as_str())) {
                tables.push(listing(line, &rows));
            }
        }
    }
    let biggest = tables.into_iter().max_by_key(|listing| listing.rows.len());
    biggest.ok_or_else(|| match select {
        Some(select) => format!("there is no table below a heading with {select:?}"),
        None => "there is no table in the document".to_owned(),
    })
}

/// What ends a table though no blank line does.
fn is_block(line: &str) -> bool {
    ["#", ">", "```", "~~~"].iter().any(|begin| line.trim_start().starts_with(begin))
}

/// `| --- | :-: |`, with as many cells as the head.
fn is_rule(line: &str, columns: usize) -> bool {
    let cells = cells(line.trim());
    let is_dashes = |cell: &String| {
        let dashes = cell.trim().trim_start_matches(':').trim_end_matches(':');
        !dashes.is_empty() && dashes.chars().all(|c| c == '-')
    };
    cells.len() == columns && cells.iter().all(is_dashes)
}

fn listing(head: &str, rows: &[&str]) -> Listing {
    let columns: Vec<String> = cells(head).iter().map(|cell| inline(cell)).collect();
    // More cells than the head has are not shown, missing ones are empty.
    let row = |line: &&str| -> Vec<String> {
        let mut row: Vec<String> = cells(line.trim()).iter().take(columns.len()).map(|cell| inline(cell)).collect();
        row.resize(columns.len(), String::new());
        row
    };
    let rows = rows.iter().map(row).filter(|row| row.iter().any(|cell| !cell.is_empty())).take(ROWS_MAX + 1).collect();
    Listing { rows, columns }
}

/// Split at pipes that no backslash stands before.
fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let (mut cells, mut cell, mut escaped) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '|' if escaped => {
                cell.pop();
                cell.push('|');
            }
            '|' => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    if !cell.trim().is_empty() {
        cells.push(cell);
    }
    cells
}

/// Links and pictures as their text, without marks of emphasis and code; HTML as its text.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = &text[..text.floor_char_boundary(CELL_BYTES_MAX)];
    while let Some(at) = rest.find(['[', '!', '*', '`', '~', '\\', '_']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let mark = found.as_bytes()[0];
        rest = &found[1..];
        match mark {
            b'\\' => {
                let next = rest.chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..next]);
                rest = &rest[next..];
            }
            b'!' if !rest.starts_with('[') => out.push('!'),
            b'[' => match linked(rest) {
                Some((label, after)) => {
                    out.push_str(label);
                    rest = after;
                }
                None => out.push('['),
            },
            // Within a word it is a letter: snake_case.
            b'_' if out.ends_with(char::is_alphanumeric) && rest.starts_with(char::is_alphanumeric) => out.push('_'),
            _ => {}
        }
    }
    out.push_str(rest);
    folded(&plain(&out))
}

/// `label](address)` or `label][reference]`: the label, and what follows.
fn linked(rest: &str) -> Option<(&str, &str)> {
    const LABEL_BYTES_MAX: usize = 300;
    let end = rest.bytes().take(LABEL_BYTES_MAX).position(|b| b == b']')?;
    let after = &rest[end + 1..];
    let close = match after.as_bytes().first()? {
        b'(' => b')',
        b'[' => b']',
        _ => return None,
    };
    let end_of_address = after.bytes().take(4 * LABEL_BYTES_MAX).position(|b| b == close)?;
    Some((&rest[..end], &after[end_of_address + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_a_reader_sees() {
        for (text, want) in [
            ("**Amazon** _Web_ `Services`", "Amazon Web Services"),
            ("[Stripe, Inc.](https://stripe.example/?utm_source=x)", "Stripe, Inc."),
            ("![logo](a.png) Acme", "logo Acme"),
            ("snake_case \\*star\\*", "snake_case *star*"),
            ("a<br>b &amp; c", "a b & c"),
            ("[ ] open", "[ ] open"),
        ] {
            assert_eq!(inline(text), want, "{text}");
        }
        assert_eq!(cells("| a \\| b | c |"), [" a | b ", " c "]);
        assert_eq!(cells("a | b"), ["a ", " b"]);
    }

    #[test]
    fn tables_end_where_they_end_and_code_is_no_table() {
        let text =
            "```\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n```\n# Used\n|a|b|\n|:--|--:|\n|x|y|z|\n|only|\n## Next\n|c|\n|---|\n|w|\n";
        let listing = table(text, None).unwrap();
        assert_eq!(
            (listing.columns, listing.rows),
            (vec!["a".into(), "b".into()], vec![vec!["x".into(), "y".into()], vec!["only".to_owned(), String::new()]])
        );
        assert_eq!(table(text, Some("next")).unwrap().rows, [["w"]]);
        assert!(table(text, Some("other")).unwrap_err().contains("\"other\""));
        assert!(table("| no | rule |\n| a | b |\n", None).is_err());
    }
}
