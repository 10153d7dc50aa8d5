//! Damage, the same for the same seed: of bytes, and of what JSON and XML are made of.

use serde_json::{Value, json};

/// What readers look for, and what has broken readers elsewhere.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "<item>", "</item>", "<entry>", "</entry>", "<title>", "</title>", "<description>", "</description>", "<content type=\"html\">",
    "</content>", "<pubDate>", "</pubDate>", "<updated>", "<![CDATA[", "]]>", "<!--", "-->", "<?xml version='1.0' encoding='utf-16'?>",
    "<!DOCTYPE rss [<!ENTITY a \"aa\">]>", "<!DOCTYPE html>", "&amp;", "&lt;", "&#x0;", "&#x202e;", "&#1114112;", "&nbsp;", "&a;", "&",
    "<small>", "</small>", "<strong>", "</strong>", "<br>", "<p>", "</p>", "<var data-var='date'>", "</var>", "<script>", "</script>",
    "Jan  1, 00:00 UTC", "Feb 29, 23:59 PST", "Dec 31, 10:00 - 12:00 +1400", "3:23pm", "Status: RESOLVED", "Resolved", "Investigating",
    "SCHEDULED EVENT", "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1200", "9999-12-31T23:59:59Z", "-009999-01-01T00:00:00Z",
    "2031-02-29T00:00:60+14:00", "0001-01-01T00:00:00-25:59", "\"page\":", "\"id\":", "\"incidents\":[", "\"components\":[", "\"months\":[",
    "null", "true", "1e999", "-0", "18446744073709551616", "\\ud800", "\\u0000", "\\u202e", "{}", "[]", "[[[[[[[[", "\"\"", "\u{202e}", "\u{feff}",
    "\u{1b}[2J", "\u{1b}]0;x\u{7}", "\0", "\u{2028}", "\u{1f469}\u{200d}\u{1f52c}", "\r\nBcc: x", "<!channel>", "=1+1", "é", "İ", "ﬃ",
    "retry_after = ", "interval = \"10s\"", "[[checks]]", "kind = \"http\"", "{ env = \"SECRET\" }", "url = \"http://127.0.0.1\"", "**", "Z", "+00:00",
];

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }

    /// A part of something of this length; mostly a short one.
    fn part(&mut self, length: usize) -> std::ops::Range<usize> {
        let start = self.below(length + 1);
        let long = if self.below(4) == 0 { length } else { 40 };
        start..(start + self.below(long) + 1).min(length)
    }
}

/// `data` damaged in one to four places, perhaps with something of `other` in it, at most `length_max` bytes long.
pub fn mutate(data: &[u8], other: &[u8], random: &mut Random, length_max: usize) -> Vec<u8> {
    let mut data = data.to_vec();
    for _ in 0..=random.below(4) {
        data = match random.below(3) {
            0 => in_json(&data, random),
            1 => in_xml(&data, random),
            _ => None,
        }
        .unwrap_or_else(|| in_bytes(&data, other, random));
        data.truncate(length_max);
    }
    data
}

fn in_bytes(data: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut data = data.to_vec();
    let part = random.part(data.len());
    match random.below(8) {
        0 => data.truncate(part.start),
        1 => drop(data.drain(part)),
        2 => {
            let repeated = data[part.clone()].repeat(1 << random.below(8));
            data.splice(part, repeated);
        }
        3 => {
            let taken = random.part(other.len());
            data.splice(part, other[taken].iter().copied());
        }
        4 if !data.is_empty() => {
            let at = random.below(data.len());
            data[at] ^= 1 << random.below(8);
        }
        5 if !data.is_empty() => {
            let at = random.below(data.len());
            data[at] = random.number() as u8;
        }
        _ => {
            let token = random.one_of(TOKENS).as_bytes();
            data.splice(part.start..part.start, token.iter().copied());
        }
    }
    data
}

/// One value of the document is another, is there several times, or stands elsewhere too.
fn in_json(data: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(data).ok()?;
    let mut nodes = 0;
    walk(&mut document, &mut |_| nodes += 1);
    let (from, to) = (random.below(nodes), random.below(nodes));
    let mut copy = Value::Null;
    nth(&mut document, from, |value| copy = value.clone());
    let token = *random.one_of(TOKENS);
    let (kind, times) = (random.below(10), 1 << random.below(8));
    nth(&mut document, to, |value| match (kind, value) {
        (0..=2, Value::Array(list)) => list.extend(vec![copy.clone(); if copy.is_array() { 2 } else { times }]),
        (0..=2, Value::Object(map)) => drop(map.insert(token.to_owned(), copy.clone())),
        (3..=4, Value::Array(list)) => list.reverse(),
        (3..=5, Value::String(text)) => *text = token.repeat(times),
        (6, Value::String(text)) => text.push_str(token),
        (_, value) => {
            let odd =
                [Value::Null, json!(true), json!(-1), json!(1e300), json!(""), json!([]), json!({}), json!([[]]), json!({ "id": {} })];
            *value = if kind == 9 { odd[times.ilog2() as usize % odd.len()].clone() } else { copy.clone() };
        }
    });
    // Copies of copies of the whole are no longer documents that anybody would take.
    serde_json::to_vec(&document).ok().filter(|document| document.len() < 1 << 20)
}

fn nth(document: &mut Value, wanted: usize, mut with: impl FnMut(&mut Value)) {
    let mut at = 0;
    walk(document, &mut |value| {
        if at == wanted {
            with(value);
        }
        at += 1;
    });
}

fn walk(value: &mut Value, visit: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| walk(value, visit)),
        Value::Object(map) => map.values_mut().for_each(|value| walk(value, visit)),
        _ => {}
    }
    visit(value);
}

/// A tag, or what stands between two, is gone, is there several times, or stands elsewhere too.
fn in_xml(data: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let edges: Vec<usize> = data.iter().enumerate().filter(|(_, b)| **b == b'<').map(|(at, _)| at).chain([data.len()]).collect();
    if edges.len() < 3 {
        return None;
    }
    let first = random.below(edges.len() - 1);
    let tags_max = if random.below(3) == 0 { edges.len() } else { 3 };
    let last = (first + 1 + random.below(tags_max)).min(edges.len() - 1);
    let (from, piece) = (edges[first], &data[edges[first]..edges[last]]);
    let mut out = data.to_vec();
    match random.below(4) {
        0 => drop(out.drain(from..from + piece.len())),
        1 => {
            let repeated = piece.repeat(1 << random.below(if piece.len() < 200 { 9 } else { 3 }));
            out.splice(from..from, repeated);
        }
        2 => {
            let to = *random.one_of(&edges);
            out.splice(to..to, piece.iter().copied());
        }
        _ => {
            let token = random.one_of(TOKENS).as_bytes();
            out.splice(from..from, token.iter().copied());
        }
    }
    Some(out)
}
