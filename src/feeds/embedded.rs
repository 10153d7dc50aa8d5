//! Data that a web page carries for its own scripts: what Next.js streams as `self.__next_f.push([1,"…"])`, the pieces of
//! one text of rows (React's "flight" format, which is documented nowhere but in its source:
//! <https://github.com/facebook/react/tree/main/packages/react-client>).
//!
//! Nobody's interface: a fallback where a page offers nothing better. Whatever is wrong with it, it is read in linear time and
//! says nothing.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::Text;

const PUSH: &str = "self.__next_f.push([1,";
/// Objects of one name that are looked at: each may be as long as the whole text.
const TRIES_MAX: usize = 16;
/// Long texts that are kept: a page has a few.
const TEXTS_MAX: usize = 10_000;

/// Whether a page is made that way, and mentions `name`.
pub fn mentions(html: &str, name: &str) -> bool {
    html.trim_start().starts_with('<') && html.contains(PUSH) && html.contains(name)
}

pub struct Embedded {
    /// All pieces as one.
    text: String,
}

impl Embedded {
    pub fn of(html: &str) -> Embedded {
        let mut text = String::new();
        let mut rest = html;
        while let Some(at) = rest.find(PUSH) {
            rest = &rest[at + PUSH.len()..];
            if let Some((piece, length)) = first::<String>(rest) {
                text += &piece;
                rest = &rest[length..];
            }
        }
        Embedded { text }
    }

    /// The objects that stand as `"name":{…}`, none inside another; and what follows each.
    pub fn objects<'e>(&'e self, name: &str) -> impl Iterator<Item = (&'e RawValue, &'e str)> {
        self.values(format!("\"{name}\":"), "{")
    }

    /// The first list that stands as `"name":[…]` in `rest`, which is a part of the text.
    pub fn list<'e>(rest: &'e str, name: &str) -> Option<&'e RawValue> {
        values(rest, format!("\"{name}\":"), "[").next().map(|(list, _)| list)
    }

    fn values<'e>(&'e self, key: String, opening: &'static str) -> impl Iterator<Item = (&'e RawValue, &'e str)> {
        values(&self.text, key, opening)
    }

    /// Long texts, which have rows of their own, by the number that refers to them.
    pub fn texts(&self) -> Texts<'_> {
        let mut rows = HashMap::new();
        let mut rest = self.text.as_str();
        while !rest.is_empty() && rows.len() < TEXTS_MAX {
            match text_row(rest) {
                Some((id, text, after)) => {
                    rows.insert(id, text);
                    rest = after;
                }
                None => rest = rest.split_once('\n').map_or("", |(_, after)| after),
            }
        }
        Texts { rows }
    }
}

pub struct Texts<'e> {
    rows: HashMap<&'e str, &'e str>,
}

impl<'e> Texts<'e> {
    /// What a text of the data stands for: most for themselves, `$undefined` for nothing, `$21` for what is in row 21.
    pub fn read<'t>(&self, raw: &'t Text) -> Option<&'t str>
    where
        'e: 't,
    {
        let text = raw.as_str()?;
        match text.strip_prefix('$') {
            None => Some(text),
            Some(escaped) if escaped.starts_with('$') => Some(escaped),
            Some(date) if date.starts_with("D2") => Some(&date[1..]),
            Some(id) => self.rows.get(id).copied(),
        }
    }
}

fn values<'e>(text: &'e str, key: String, opening: &'static str) -> impl Iterator<Item = (&'e RawValue, &'e str)> {
    let mut rest = text;
    let mut tries = 0;
    std::iter::from_fn(move || {
        while tries < TRIES_MAX {
            let at = rest.find(&key)?;
            rest = &rest[at + key.len()..];
            if !rest.starts_with(opening) {
                continue;
            }
            tries += 1;
            if let Some((value, length)) = first::<&RawValue>(rest) {
                rest = &rest[length..];
                return Some((value, rest));
            }
        }
        None
    })
}

/// The value with which `text` begins, and how long it is there.
fn first<'d, T: Deserialize<'d>>(text: &'d str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    Some((value, values.byte_offset()))
}

/// `21:T5dc,` and so many bytes: a row that is a text. Its number, the text, and what follows.
fn text_row(row: &str) -> Option<(&str, &str, &str)> {
    const DIGITS_MAX: usize = 8;
    let hexadecimal = |text: &str| text.bytes().take(DIGITS_MAX).take_while(u8::is_ascii_hexdigit).count();
    let (id, rest) = row.split_at(hexadecimal(row));
    let rest = rest.strip_prefix(":T").filter(|_| !id.is_empty())?;
    let (length, rest) = rest.split_at(hexadecimal(rest));
    let (rest, length) = (rest.strip_prefix(',')?, usize::from_str_radix(length, 16).ok()?);
    Some((id, rest.get(..length)?, &rest[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Text {
        Text(Some(value.to_owned()))
    }

    #[test]
    fn pieces_are_one_text_of_rows() {
        let html = r#"<html><script>(self.__next_f=self.__next_f||[]).push([0])</script><script>self.__next_f.push([1,"1:[\"$\",{\"da"])</script>
            <script>self.__next_f.push([1,"ta\":\"$2\"}]\n2:T6,a\n\"é\"3:{\"data\":{\"a\":\"\\u0041\"},\"list\":[1]}\n"])</script>
            <script>self.__next_f.push([1,nonsense])</script><script>self.__next_f.push([1,"cut"#;
        assert!(mentions(html, "list") && !mentions(html, "lists") && !mentions("{}", "list"));
        let page = Embedded::of(html);
        let found: Vec<_> = page.objects("data").map(|(raw, _)| raw.get()).collect();
        assert_eq!(found, [r#"{"a":"\u0041"}"#]);
        let (_, rest) = page.objects("data").next().unwrap();
        assert_eq!(Embedded::list(rest, "list").map(RawValue::get), Some("[1]"));
        let texts = page.texts();
        for (raw, want) in [
            ("plain", Some("plain")),
            ("$2", Some("a\n\"é\"")),
            ("$$5", Some("$5")),
            ("$undefined", None),
            ("$L4", None),
            ("$D2031-05-06", Some("2031-05-06")),
        ] {
            assert_eq!(texts.read(&text(raw)), want, "{raw}");
        }
    }

    #[test]
    fn whatever_is_sent_takes_linear_time() {
        let big = |piece: &str| piece.repeat((1 << 20) / piece.len());
        for piece in [
            PUSH,
            "self.__next_f.push([1,\"",
            "self.__next_f.push([1,\"\\x\"",
            "self.__next_f.push([1,\"\\\"a\\\":{\"])",
            "self.__next_f.push([1,\"1:T\\n\"])",
        ] {
            let page = Embedded::of(&big(piece));
            assert!(page.objects("a").count() <= TRIES_MAX && page.texts().rows.len() < 2, "{piece}");
        }
    }
}
