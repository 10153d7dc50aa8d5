//! Texts of vendors on their way in: mark-up taken out, what a terminal, a browser or a reader could be misled by removed,
//! and never longer than is kept.
//!
//! What leaves this module has no control characters but newlines (bodies only), no bidirectional overrides, no invisible
//! characters, no leading or trailing blanks. Escaping for HTML, Slack or a terminal happens on the way out, not here.

/// Characters of a title that are kept.
pub const TITLE_CHARS: usize = 300;
/// Characters of a body that are kept.
pub const BODY_CHARS: usize = 20_000;

/// Shows where a text was cut.
pub const CUT_MARK: &str = " […]";

/// A clean text, and whether something of it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clean {
    pub text: String,
    pub cut: bool,
}

/// One line: blanks of any kind in a row are one blank.
pub fn line(text: &str, chars_max: usize) -> Clean {
    let mut words = String::new();
    // Far longer than is kept is not even looked at.
    for word in text.chars().take(chars_max.saturating_mul(4)).collect::<String>().split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().filter(|c| is_visible(*c)).collect();
        if !word.is_empty() {
            if !words.is_empty() {
                words.push(' ');
            }
            words += &word;
        }
    }
    let more = text.chars().nth(chars_max.saturating_mul(4)).is_some();
    cut(words, chars_max, more)
}

/// Several lines: no blank ones in a row, no blanks at the end of one.
pub fn lines(text: &str, chars_max: usize) -> Clean {
    let mut out = String::new();
    let mut blank = 0;
    for one in text.chars().take(chars_max.saturating_mul(4)).collect::<String>().split('\n') {
        let clean = line(one, usize::MAX / 4).text;
        if clean.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out += if blank > 0 { "\n\n" } else { "\n" };
        }
        blank = 0;
        out += &clean;
    }
    let more = text.chars().nth(chars_max.saturating_mul(4)).is_some();
    cut(out, chars_max, more)
}

fn cut(text: String, chars_max: usize, more: bool) -> Clean {
    let whole = text.chars().nth(chars_max).is_none();
    if whole && !more {
        return Clean { text, cut: false };
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(CUT_MARK.chars().count())).collect();
    // Nothing but blanks was looked at.
    let text = if kept.is_empty() { CUT_MARK.trim_start().to_owned() } else { kept.trim_end().to_owned() + CUT_MARK };
    Clean { text, cut: true }
}

/// Neither control, nor one of the characters that change the direction of text, are invisible, or are none.
fn is_visible(c: char) -> bool {
    let misleading = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    !c.is_control() && !misleading
}

/// The text of a piece of HTML: tags gone, paragraphs and line breaks as newlines, scripts and styles dropped, character
/// references resolved (once).
pub fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len().min(BODY_CHARS));
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = if rest.starts_with('<') { tag(rest, &mut out) } else { reference(rest, &mut out) };
    }
    out.push_str(rest);
    out
}

/// Skips one tag; what is left of `rest`. A `<` that begins none is text.
fn tag<'r>(rest: &'r str, out: &mut String) -> &'r str {
    if let Some(comment) = rest.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, after)| after);
    }
    let name: String =
        rest[1..].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let begins = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
    // Another `<` comes first: this one is text. Looking further would cost the square of the length.
    let end = rest[1..].find(['<', '>']).map(|at| at + 1).filter(|at| begins && rest[*at..].starts_with('>'));
    let Some(end) = end else {
        out.push('<');
        return &rest[1..];
    };
    let after = &rest[end + 1..];
    let closes = rest[1..].starts_with('/');
    match name.as_str() {
        "br" | "tr" | "hr" => out.push('\n'),
        "li" if !closes => out.push_str("\n- "),
        "p" | "div" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "blockquote" | "pre" => out.push_str("\n\n"),
        "td" | "th" => out.push(' '),
        "script" | "style" if !closes => return skip_element(after, &name),
        _ => {}
    }
    after
}

/// What follows the end of `<name>`.
fn skip_element<'r>(rest: &'r str, name: &str) -> &'r str {
    let mut from = 0;
    while let Some(at) = rest[from..].find("</") {
        let inside = &rest[from + at + 2..];
        if inside.get(..name.len()).is_some_and(|n| n.eq_ignore_ascii_case(name)) {
            return inside.split_once('>').map_or("", |(_, after)| after);
        }
        from += at + 2;
    }
    ""
}

/// Resolves one character reference; a `&` that begins none is text.
fn reference<'r>(rest: &'r str, out: &mut String) -> &'r str {
    const NAME_BYTES_MAX: usize = 12;
    let end = rest.bytes().take(NAME_BYTES_MAX).position(|b| b == b';');
    let resolved = end.and_then(|end| character(&rest[1..end]).map(|c| (c, &rest[end + 1..])));
    match resolved {
        Some((c, after)) => {
            out.push(c);
            after
        }
        None => {
            out.push('&');
            &rest[1..]
        }
    }
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    const NAMED: &[(&str, char)] = &[
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("hellip", '…'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("bull", '•'),
        ("middot", '·'),
        ("copy", '©'),
        ("reg", '®'),
        ("trade", '™'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("deg", '°'),
        ("times", '×'),
        ("rarr", '→'),
        ("larr", '←'),
        ("euro", '€'),
    ];
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_clean_and_bounded() {
        for (text, max, want) in [
            ("  a \t b\r\nc ", 300, "a b c"),
            ("a\u{1b}[2Jb", 300, "a [2Jb"),
            ("\u{202e}evil\u{200b}", 300, "evil"),
            ("abcdefghij", 10, "abcdefghij"),
            ("abcdefghijk", 10, "abcdef […]"),
        ] {
            assert_eq!(line(text, max).text, want, "{text:?}");
        }
        let blank = " \u{200b}".repeat(9_999) + "a";
        assert!([line(&blank, 300), lines(&blank, 300)].iter().all(|clean| clean.cut && clean.text == "[…]"));
        assert_eq!(lines("a \n\n\n b\r\nc\n\n", 300).text, "a\n\nb\nc");
        let long = lines(&"x".repeat(1 << 20), BODY_CHARS);
        assert!(long.cut && long.text.chars().count() == BODY_CHARS && long.text.ends_with(CUT_MARK));
    }

    #[test]
    fn markup_becomes_text() {
        for (html, want) in [
            ("<p>One<br/>two</p><p>three</p>", "One\ntwo\n\nthree"),
            ("<ul><li>a</li><li>b &amp; c</li></ul>", "- a\n- b & c"),
            ("1 < 2 && 3 > 2", "1 < 2 && 3 > 2"),
            ("a<script>alert('<p>')</script>b<!-- c -->d", "abd"),
            ("&lt;b&gt; &#x41;&#66; &unknown; &nbsp;&", "<b> AB &unknown; &"),
            ("<a href=\"https://x.example\">link</a", "link<a"),
        ] {
            let text = plain(html);
            let want = if html.ends_with("</a") { "link</a" } else { want };
            assert_eq!(lines(&text, 300).text, want, "{html:?}");
        }
    }

    #[test]
    fn hostile_markup_takes_no_quadratic_time() {
        for (piece, last) in [("<a", ""), ("< ", ">"), ("<a ", ">"), ("&", ";"), ("<!--", ""), ("</", ">"), ("<script></", "")] {
            let html = piece.repeat((2 << 20) / piece.len()) + last;
            assert!(plain(&html).len() <= html.len(), "{piece}");
        }
    }

    proptest! {
        #[test]
        fn what_leaves_is_always_clean(text in "\\PC{0,40}|[\\x00-\\x1f\\u{200b}-\\u{206f}<>&;a-z \\n]{0,80}") {
            for clean in [line(&plain(&text), 20), lines(&plain(&text), 20)] {
                prop_assert!(clean.text.chars().all(|c| c == '\n' || is_visible(c)), "{:?}", clean.text);
                prop_assert!(clean.text.chars().count() <= 20 && clean.text.trim() == clean.text);
                prop_assert_eq!(&lines(&clean.text, 20).text, &clean.text);
            }
        }
    }
}
