//! As much Markdown as our runbooks use: headings, paragraphs, lists, code, links, emphasis. Everything is escaped first, so
//! that what is not understood is text.

use std::fmt::Write;

pub fn to_html(text: &str) -> String {
    let mut html = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            let _ = writeln!(html, "<pre><code>{}</code></pre>", escape(&code.join("\n")));
        } else if let Some((level, title)) = heading(line) {
            let _ = writeln!(html, "<h{level}>{}</h{level}>", inline(title));
        } else if let Some((tag, first)) = item(line) {
            let mut items = vec![first.to_owned()];
            while let Some(next) = lines.next_if(|next| item(next).is_some_and(|(other, _)| other == tag) || next.starts_with("  ")) {
                match (item(next), items.last_mut()) {
                    (Some((_, text)), _) if !next.starts_with(' ') => items.push(text.to_owned()),
                    (_, Some(last)) => *last += &format!(" {}", next.trim()),
                    (_, None) => {}
                }
            }
            let items: String = items.iter().map(|item| format!("<li>{}</li>", inline(item))).collect();
            let _ = writeln!(html, "<{tag}>{items}</{tag}>");
        } else if !line.trim().is_empty() {
            let mut paragraph = line.to_owned();
            while let Some(next) = lines.next_if(|next| is_prose(next)) {
                paragraph += &format!(" {}", next.trim());
            }
            let _ = writeln!(html, "<p>{}</p>", inline(&paragraph));
        }
    }
    html
}

fn is_prose(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("```") && heading(line).is_none() && item(line).is_none()
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.chars().take_while(|c| *c == '#').count();
    (1..=6).contains(&level).then_some(())?;
    Some((level, line[level..].strip_prefix(' ')?))
}

fn item(line: &str) -> Option<(&'static str, &str)> {
    if let Some(rest) = line.strip_prefix("* ").or(line.strip_prefix("- ")) {
        return Some(("ul", rest));
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let rest = line[digits..].strip_prefix(". ")?;
    (digits > 0).then_some(("ol", rest))
}

/// Code, strong text and links inside a line.
fn inline(text: &str) -> String {
    let mut html = String::new();
    for (nth, part) in text.split('`').enumerate() {
        let _ = match nth % 2 {
            0 => write!(html, "{}", links(&strong(&escape(part)))),
            _ => write!(html, "<code>{}</code>", escape(part)),
        };
    }
    html
}

fn strong(text: &str) -> String {
    let parts: Vec<&str> = text.split("**").collect();
    if parts.len().is_multiple_of(2) {
        return text.to_owned();
    }
    let part = |(nth, part): (usize, &&str)| if nth % 2 == 1 { format!("<strong>{part}</strong>") } else { (*part).to_owned() };
    parts.iter().enumerate().map(part).collect()
}

/// `[text](https://..)`; other targets stay text.
fn links(text: &str) -> String {
    let Some((before, rest)) = text.split_once('[') else { return text.to_owned() };
    let link = rest.split_once("](").and_then(|(label, rest)| Some((label, rest.split_once(')')?)));
    match link {
        Some((label, (target, after))) if target.starts_with("https://") => {
            format!("{before}<a href=\"{target}\" rel=\"noopener noreferrer nofollow\">{label}</a>{}", links(after))
        }
        Some((label, (_, after))) => format!("{before}{label}{}", links(after)),
        None => format!("{before}[{}", links(rest)),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runbooks_use_is_rendered() {
        for (text, want) in [
            ("# A `b`", "<h1>A <code>b</code></h1>\n"),
            ("one\ntwo **x**\n\nthree", "<p>one two <strong>x</strong></p>\n<p>three</p>\n"),
            ("* a\n* b\n  more", "<ul><li>a</li><li>b more</li></ul>\n"),
            ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>\n"),
            ("```sh\na < b\n```", "<pre><code>a &lt; b</code></pre>\n"),
            ("[x](https://a.example) [y](z.md)", "<p><a href=\"https://a.example\" rel=\"noopener noreferrer nofollow\">x</a> y</p>\n"),
            ("<script> `<b>`", "<p>&lt;script&gt; <code>&lt;b&gt;</code></p>\n"),
        ] {
            assert_eq!(to_html(text), want, "{text}");
        }
    }
}
