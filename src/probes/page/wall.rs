//! Pages that stand in front of the page: a challenge for robots, a question about consent. They come with 200, and they
//! are not what was asked for.
//!
//! Ordinary pages carry the scripts of the same makers, so that those count only where there is little else to read.

use ::http::HeaderMap;

/// A page with more to read than this is more than a wall.
const WALL_CHARS_MAX: usize = 2500;
/// A question about consent and nothing else.
const CONSENT_CHARS_MAX: usize = 1500;

/// Titles of challenges, as visitors of many sites know them. Whole, in lower case.
const TITLES: [&str; 10] = [
    "just a moment...",
    "attention required! | cloudflare",
    "access denied",
    "pardon our interruption",
    "pardon our interruption...",
    "human verification",
    "are you a robot?",
    "security check",
    "ddos-guard",
    "please wait...",
];

/// In the document: scripts and forms of the makers of challenges.
const MARKS: [&str; 9] = [
    "/cdn-cgi/challenge-platform/",
    "challenges.cloudflare.com",
    "_incapsula_resource",
    "captcha-delivery.com",
    "px-captcha",
    "awswafintegration",
    "g-recaptcha",
    "h-captcha",
    "/sec/captcha",
];

/// In the text of a challenge.
const DEMANDS: [&str; 5] = [
    "enable javascript and cookies to continue",
    "verify you are human",
    "verifying you are human",
    "checking your browser",
    "are not a robot",
];

const CONSENT: [&str; 8] = [
    "before you continue",
    "accept all",
    "reject all",
    "we use cookies",
    "cookies and similar technologies",
    "your privacy choices",
    "manage preferences",
    "consent",
];

/// What stands in front, in words for people. `text` is what a visitor reads.
pub(super) fn before(headers: &HeaderMap, document: &str, title: &str, text: &str) -> Option<&'static str> {
    const CHALLENGE: &str = "a challenge for robots, not the page";
    let says = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains("challenge"));
    // Cloudflare and AWS WAF say so themselves.
    if says("cf-mitigated") || says("x-amzn-waf-action") {
        return Some(CHALLENGE);
    }
    let (title, text) = (title.to_lowercase(), text.to_lowercase());
    let chars = text.chars().count();
    let has = |words: &[&str], text: &str| words.iter().filter(|word| text.contains(**word)).count();
    if chars <= WALL_CHARS_MAX {
        let document = document.to_lowercase();
        if TITLES.contains(&title.as_str()) || has(&DEMANDS, &text) > 0 || has(&MARKS, &document) > 0 && chars <= WALL_CHARS_MAX / 5 {
            return Some(CHALLENGE);
        }
    }
    (chars <= CONSENT_CHARS_MAX && has(&CONSENT, &text) >= 3).then_some("a question about consent, not the page")
}
