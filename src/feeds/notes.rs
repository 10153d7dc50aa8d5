//! The texts and words of a document on their way in: cleaned, cut, looked up; and what a reader should hear of them.

use std::collections::BTreeSet;

use url::Url;

use crate::feeds::text;
use crate::model::page::Oddities;

/// Unknown words that are kept: a person reads them, and a hostile document has any number.
const WORDS_MAX: usize = 50;
/// Characters of an unknown word that are kept.
const WORD_CHARS: usize = 60;
/// No address that a person would follow is longer.
const LINK_BYTES: usize = 2_000;

#[derive(Default)]
pub struct Notes {
    words: BTreeSet<String>,
    texts_cut: u32,
}

impl Notes {
    /// One line of a title or name; absent if nothing of it can be seen.
    pub fn line(&mut self, raw: Option<&str>) -> Option<String> {
        let clean = text::line(raw?, text::TITLE_CHARS);
        self.texts_cut += u32::from(clean.cut);
        Some(clean.text).filter(|text| !text.is_empty())
    }

    /// A title; without one, what it is of (`Incident`) and its id.
    pub fn title(&mut self, raw: Option<&str>, of: &str, id: &str) -> String {
        self.line(raw).unwrap_or_else(|| text::line(&format!("{of} {id}"), text::TITLE_CHARS).text)
    }

    /// A body, which may contain HTML.
    pub fn body(&mut self, raw: Option<&str>) -> String {
        let clean = text::lines(&text::plain(raw.unwrap_or_default()), text::BODY_CHARS);
        self.texts_cut += u32::from(clean.cut);
        clean.text
    }

    /// What `word` means; a word that means nothing to us is noted as one of `kind`, an absent one is not.
    pub fn meaning<T>(&mut self, kind: &str, word: Option<&str>, meaning: impl Fn(&str) -> Option<T>) -> Option<T> {
        let word = word?;
        let known = meaning(word);
        if known.is_none() {
            self.unknown(kind, word);
        }
        known
    }

    pub fn unknown(&mut self, kind: &str, word: &str) {
        let word = text::line(word, WORD_CHARS).text;
        if self.words.len() < WORDS_MAX && !word.is_empty() {
            self.words.insert(format!("{kind}: {word}"));
        }
    }

    pub fn oddities(self) -> Oddities {
        Oddities { unknown_words: self.words.into_iter().collect(), texts_cut: self.texts_cut, stages_inferred: 0 }
    }
}

/// An id as it is kept: bounded, and safe to print.
pub fn id(raw: Option<&str>) -> Option<String> {
    Some(text::line(raw?, text::TITLE_CHARS).text).filter(|id| !id.is_empty())
}

/// An address that a person may be sent to; anything but the web is absent.
pub fn link(raw: Option<&str>) -> Option<String> {
    let raw = raw.filter(|raw| raw.len() <= LINK_BYTES)?;
    let url = Url::parse(raw).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // As written where that is plain, else as a browser would understand it (`https:/a.example`), with everything escaped.
    let is_plain = ["https://", "http://"].iter().any(|scheme| raw.starts_with(scheme)) && raw.bytes().all(|b| b.is_ascii_graphic());
    Some(if is_plain { raw.to_owned() } else { url.into() })
}

/// The page of the incident `id` below the address of a page.
pub fn incident_link(page: Option<&str>, id: &str) -> Option<String> {
    let is_plain = id.bytes().all(|b| b.is_ascii_alphanumeric());
    is_plain.then(|| Some(format!("{}/incidents/{id}", page?.trim_end_matches('/'))))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_web_or_nowhere() {
        for (raw, want) in [
            ("https://stspg.example/1", Some("https://stspg.example/1")),
            ("http://status.example", Some("http://status.example")),
            ("https://status.example/a b\u{202e}", Some("https://status.example/a%20b%E2%80%AE")),
            ("https:/status.example", Some("https://status.example/")),
            ("HTTPS:0//status.example", Some("https://0.0.0.0//status.example")),
            ("javascript:alert(1)", None),
            ("/incidents/1", None),
        ] {
            assert_eq!(link(Some(raw)).as_deref(), want, "{raw}");
        }
        assert_eq!(incident_link(Some("https://status.example/"), "a1").as_deref(), Some("https://status.example/incidents/a1"));
        assert_eq!(incident_link(Some("https://status.example"), "../a"), None);
    }

    #[test]
    fn a_title_is_never_too_long() {
        for (raw, id) in [(None, "x".repeat(300)), (Some("t".repeat(999)), "x".to_owned())] {
            assert_eq!(Notes::default().title(raw.as_deref(), "Incident", &id).chars().count(), text::TITLE_CHARS);
        }
        assert_eq!(Notes::default().title(Some(" "), "Incident", "7"), "Incident 7");
    }

    #[test]
    fn unknown_words_are_few_and_short_and_can_be_seen() {
        let mut notes = Notes::default();
        notes.unknown("status", "\u{202e} \0");
        assert_eq!(notes.words.len(), 0);
        for i in 0..1000 {
            notes.unknown("status", &format!("{i}{}", "x".repeat(1000)));
        }
        let words = notes.oddities().unknown_words;
        assert!(words.len() == WORDS_MAX && words.iter().all(|w| w.chars().count() <= WORD_CHARS + 8));
    }
}
