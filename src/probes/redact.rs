//! What we sent and must not be read again: a vendor may echo it, and people forward alerts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::{Detail, Secret};

/// Shorter texts occur everywhere, and hiding them would make messages unreadable.
const CHARS_MIN: usize = 6;

/// The secrets of a check, in every form in which they may come back.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<Secret>);

impl Secrets {
    /// `text` as it is, as the last word of a header (`Bearer x`), percent-encoded and in base64.
    pub fn add(&mut self, text: &str) {
        let last_word = text.split_whitespace().last().unwrap_or_default();
        for text in [text, last_word] {
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            for form in [text.to_owned(), encoded, STANDARD.encode(text)] {
                if text.chars().count() >= CHARS_MIN && !self.0.iter().any(|known| known.expose() == form) {
                    self.0.push(Secret::new(form));
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn redact(&self, detail: &mut Detail) {
        let seen = detail.expectations.iter_mut().flat_map(|e| [&mut e.seen, &mut e.expression]);
        let said = detail.evidence.iter_mut().flat_map(|e| [&mut e.request, &mut e.response, &mut e.body]);
        for text in seen.chain(said).chain([&mut detail.message]) {
            for secret in &self.0 {
                if text.contains(secret.expose()) {
                    *text = text.replace(secret.expose(), "…");
                }
                hide_beginnings(text, secret.expose());
            }
        }
    }
}

/// Texts are cut before they get here: what is left of a secret at a cut, or at the end, goes too.
fn hide_beginnings(text: &mut String, secret: &str) {
    let Some((recognised, _)) = secret.char_indices().nth(CHARS_MIN) else { return };
    let beginning = &secret[..recognised];
    let mut from = 0;
    while let Some(start) = text[from..].find(beginning).map(|at| from + at) {
        let rest = &text[start..];
        let left = rest.find('…').unwrap_or(rest.len());
        if secret.starts_with(&rest[..left]) {
            text.replace_range(start..start + left, "…");
            from = start + '…'.len_utf8();
        } else {
            from = start + beginning.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Evidence;

    #[test]
    fn what_is_echoed_is_hidden_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.add("Bearer s3cret token/+");
        secrets.add("abc");
        let body = "s3cret token/+ token/+ Bearer+s3cret+token%2F%2B QmVhcmVyIHMzY3JldCB0b2tlbi8r abc";
        let evidence = Evidence { body: format!("Bearer {body}"), ..Evidence::default() };
        let mut detail = Detail { message: "saw 'Bearer s3cret token/+'".into(), evidence: Some(Box::new(evidence)), ..Detail::default() };
        secrets.redact(&mut detail);
        assert_eq!(detail.message, "saw '…'");
        let body = detail.evidence.unwrap().body;
        assert!(!body.contains("token") && !body.contains("QmVh") && body.ends_with("abc"), "{body}");
    }

    #[test]
    fn what_is_left_of_a_secret_where_a_text_was_cut_is_hidden() {
        let mut secrets = Secrets::default();
        secrets.add("s3cret-token-0123456789");
        for (text, want) in [
            ("wanted x, saw 'a s3cret-tok…'", "wanted x, saw 'a ……'"),
            ("body s3cret-token-0123", "body …"),
            ("s3cre…", "s3cre…"),
            ("s3cret-nothing…", "s3cret-nothing…"),
            ("s3cret-to s3cret-to… s3cret-tok", "s3cret-to …… …"),
            ("a s3cret-token-0123456789 b", "a … b"),
        ] {
            let mut detail = Detail { message: text.into(), ..Detail::default() };
            secrets.redact(&mut detail);
            assert_eq!(detail.message, want);
        }
    }
}
