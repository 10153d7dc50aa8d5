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
        let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let forms = [text.to_owned(), text.split_whitespace().last().unwrap_or_default().to_owned(), encoded, STANDARD.encode(text)];
        for form in forms {
            if form.chars().count() >= CHARS_MIN && !self.0.iter().any(|known| known.expose() == form) {
                self.0.push(Secret::new(form));
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
            }
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
}
