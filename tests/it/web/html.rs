//! A small checker of what browsers forgive and people suffer from: tags that do not close, ids that are there twice, pictures
//! without a name, and everything that our own policy forbids.

use std::collections::BTreeSet;

const VOID: &[&str] = &["meta", "link", "input", "br", "hr", "img"];

#[derive(Debug)]
struct Tag {
    name: String,
    closes: bool,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Everything that is wrong with a page.
pub fn problems(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut open, mut ids, mut headings) = (Vec::<String>::new(), BTreeSet::new(), 0);
    for tag in tags(html, &mut found) {
        if tag.closes {
            match open.pop() {
                Some(last) if last == tag.name => {}
                last => found.push(format!("</{}> closes {last:?}", tag.name)),
            }
            continue;
        }
        headings += usize::from(tag.name == "h1");
        if let Some(id) = tag.get("id")
            && !ids.insert(id.to_owned())
        {
            found.push(format!("id {id:?} is there twice"));
        }
        found.extend(forbidden(&tag));
        found.extend(unnamed(&tag));
        found.extend(link(&tag));
        if !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name);
        }
    }
    found.extend(open.iter().map(|name| format!("<{name}> is not closed")));
    found.extend((headings != 1).then(|| format!("{headings} h1")));
    found
}

/// What the content security policy forbids, or an escape that failed.
fn forbidden(tag: &Tag) -> Option<String> {
    let inline = tag.name == "style" || tag.get("style").is_some() || (tag.name == "script" && tag.get("src").is_none());
    let handler = tag.attributes.iter().any(|(name, _)| name.starts_with("on"));
    let foreign = ["src", "srcset", "poster"].iter().filter_map(|name| tag.get(name)).any(|address| address.contains("//"));
    (inline || handler || foreign).then(|| format!("the policy forbids {tag:?}"))
}

fn unnamed(tag: &Tag) -> Option<String> {
    let named = tag.get("aria-label").is_some_and(|name| !name.is_empty());
    let bad = match tag.name.as_str() {
        "svg" => tag.get("aria-hidden") != Some("true") && !(tag.get("role") == Some("img") && named),
        "img" => tag.get("alt").is_none(),
        "html" => tag.get("lang").is_none(),
        "nav" => !named,
        "th" => tag.get("scope").is_none(),
        _ => false,
    };
    bad.then(|| format!("has no name: {tag:?}"))
}

fn link(tag: &Tag) -> Option<String> {
    let target = tag.get("href").filter(|_| tag.name == "a")?;
    let ours = target.starts_with('/') || target.starts_with('#') || target.starts_with('?');
    let rel = tag.get("rel").unwrap_or_default();
    let careful = target.starts_with("https://") && ["noopener", "noreferrer", "nofollow"].iter().all(|word| rel.contains(word));
    (!ours && !careful).then(|| format!("a careless link: {tag:?}"))
}

fn tags(html: &str, found: &mut Vec<String>) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        let Some(end) = end_of(rest) else {
            found.push(format!("a tag does not end: {}", &rest[..rest.len().min(60)]));
            break;
        };
        let inside = &rest[1..end];
        if !inside.starts_with('!') {
            tags.push(tag(inside));
        }
        rest = &rest[end + 1..];
    }
    tags
}

/// Of the `>` that ends a tag, not one inside quotes.
fn end_of(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

fn tag(inside: &str) -> Tag {
    let closes = inside.starts_with('/');
    let inside = inside.trim_start_matches('/');
    let (name, mut rest) = inside.split_once(char::is_whitespace).unwrap_or((inside, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix("=\"") {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => ("", after),
        };
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after;
    }
    Tag { name: name.to_owned(), closes, attributes }
}

#[test]
fn the_checker_finds_what_it_looks_for() {
    let page = |body: &str| format!("<!doctype html><html lang=\"en\"><body><h1>x</h1>{body}</body></html>");
    for (body, fine) in [
        ("<p>fine<br>&lt;b&gt;</p>", true),
        ("<p><b></p>", false),
        ("<p id=\"a\"></p><p id=\"a\"></p>", false),
        ("<h1>y</h1>", false),
        ("<svg></svg>", false),
        ("<svg aria-hidden=\"true\"></svg><svg role=\"img\" aria-label=\"x\"></svg>", true),
        ("<p style=\"x\"></p>", false),
        ("<script>1</script>", false),
        ("<p onclick=\"1\"></p>", false),
        ("<script src=\"/a.js\"></script>", true),
        ("<script src=\"//evil.example/a.js\"></script>", false),
        ("<a href=\"/x\"></a><a href=\"https://x.example\" rel=\"noopener noreferrer nofollow\"></a>", true),
        ("<a href=\"javascript:1\"></a>", false),
        ("<a href=\"https://x.example\"></a>", false),
        ("<a href=\"http://x.example\" rel=\"noopener noreferrer nofollow\"></a>", false),
    ] {
        assert_eq!(problems(&page(body)).is_empty(), fine, "{body}: {:?}", problems(&page(body)));
    }
}
