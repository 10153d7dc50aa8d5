//! Text as it is compared: what nobody sees is no change.

use url::Url;

/// Enough for a paragraph; what is longer is compared up to here.
const CELL_CHARS_MAX: usize = 2000;

/// Parameters of links that say who sent the reader, not what is read.
const TRACKING: [&str; 9] = ["gclid", "fbclid", "msclkid", "dclid", "yclid", "igshid", "_ga", "_gl", "ref_src"];
const TRACKING_BEGIN: [&str; 5] = ["utm_", "mc_", "hsa_", "_hs", "pk_"];

/// One line: blanks folded, invisible characters gone, links without tracking.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().filter(|c| !is_invisible(*c)).collect();
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&link(&word).unwrap_or(word));
        if out.len() > 4 * CELL_CHARS_MAX {
            break;
        }
    }
    match out.char_indices().nth(CELL_CHARS_MAX) {
        Some((end, _)) => out[..end].to_owned(),
        None => out,
    }
}

/// Zero-width characters, soft hyphens, direction marks.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
}

/// A web address without what only tracks; `None` if there is nothing to leave out.
fn link(word: &str) -> Option<String> {
    if !word.starts_with("http://") && !word.starts_with("https://") || !word.contains('?') {
        return None;
    }
    let mut url = Url::parse(word).ok()?;
    let tracks = |name: &str| TRACKING.contains(&name) || TRACKING_BEGIN.iter().any(|begin| name.starts_with(begin));
    let kept: Vec<(String, String)> = url.query_pairs().filter(|(name, _)| !tracks(name)).map(|(n, v)| (n.into(), v.into())).collect();
    if kept.len() == url.query_pairs().count() {
        return None;
    }
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_no_change() {
        for (text, want) in [
            ("  Amazon\u{a0}Web\n\tServices ", "Amazon Web Services"),
            ("Ama\u{ad}zon\u{200b}", "Amazon"),
            ("see https://a.example/?utm_source=x&b=1&gclid=2 now", "see https://a.example/?b=1 now"),
            ("https://a.example/?utm_source=x", "https://a.example/"),
            ("https://a.example/?b=%20&c", "https://a.example/?b=%20&c"),
            ("", ""),
        ] {
            assert_eq!(folded(text), want, "{text:?}");
        }
        assert_eq!(folded(&"ä".repeat(5000)).chars().count(), CELL_CHARS_MAX);
    }
}
