//! RSS 0.9x, 1.0, 2.0 and Atom as plain entries: a tolerant reader with limits.
//!
//! One reader, made for what real feeds do (a bare `&`, a wrong end tag, HTML without escaping, `&nbsp;`), instead of a strict
//! library and a second, tolerant one for whatever that refuses: two would differ in small things from one day to the next.
//! `quick-xml` splits the text into tags; which of them belongs to what is decided here.
//!
//! Nothing is expanded: a document type with declarations is refused, entities beyond the five of XML stay as they are
//! written. A body that ends before its root does is an error, because what is missing cannot be told.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::dates::{self, Moment};
use crate::feeds::{INCIDENTS_MAX, Unreadable, text};

const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 100_000;
/// Attributes of one tag that are looked at: ours are few, and come first.
const ATTRIBUTES_MAX: usize = 32;
/// Categories of one entry that are kept.
const CATEGORIES_MAX: usize = 100;
/// What precedes the root: declarations, comments, blanks.
const PROLOGUE_EVENTS_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    Rss,
    Atom,
    /// A web page that is XML as well.
    Html,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Feed {
    pub title: String,
    pub generator: String,
    pub link: String,
    pub updated: Option<Moment>,
    pub entries: Vec<Entry>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Clean of mark-up, but as long as it came.
    pub title: String,
    pub id: String,
    pub link: String,
    pub published: Option<Moment>,
    pub updated: Option<Moment>,
    pub categories: Vec<String>,
    /// `description`, `summary`: HTML, mostly.
    pub summary: String,
    /// `content`, `content:encoded`.
    pub content: String,
}

impl Entry {
    /// What the entry says: the longer form if there are two.
    pub fn body(&self) -> &str {
        if self.content.trim().is_empty() { &self.summary } else { &self.content }
    }

    /// The last time that it tells of itself.
    pub fn newest(&self) -> Option<Moment> {
        self.updated.or(self.published)
    }
}

fn refused(why: impl Into<String>) -> Unreadable {
    Unreadable::shape("rss", why)
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    let config = reader.config_mut();
    config.allow_dangling_amp = true;
    config.allow_unmatched_ends = true;
    config.check_end_names = false;
    reader
}

/// What the document is, by its root.
pub fn root(text: &str) -> Option<Root> {
    let mut reader = reader(text);
    for _ in 0..PROLOGUE_EVENTS_MAX {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => return root_of(&tag),
            Event::Eof => return None,
            _ => {}
        }
    }
    None
}

fn root_of(tag: &BytesStart) -> Option<Root> {
    match local(name(tag)) {
        "rss" | "RDF" => Some(Root::Rss),
        "feed" => Some(Root::Atom),
        "html" | "HTML" => Some(Root::Html),
        _ => None,
    }
}

pub fn read(text: &str) -> Result<Feed, Unreadable> {
    let mut reader = reader(text);
    let mut state = Reading::default();
    loop {
        let event = reader.read_event().map_err(|error| refused(format!("{error}, at byte {}", reader.error_position())))?;
        match event {
            Event::Start(tag) => state.start(&tag, false)?,
            Event::Empty(tag) => state.start(&tag, true)?,
            Event::End(tag) => state.end(tag.name().as_ref()),
            Event::Text(text) => state.text(&text),
            Event::CData(text) => state.text(&text),
            Event::GeneralRef(name) => state.reference(&name),
            // https://www.w3.org/TR/xml/#dt-doctype: what is in brackets declares entities.
            Event::DocType(text) if text.contains('[') => return Err(refused("its document type declares entities")),
            Event::Eof => return Err(state.unfinished()),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => state.count()?,
        }
        if state.finished {
            // What stands behind the root (comments, mostly) is not part of it.
            return Ok(state.feed);
        }
    }
}

fn name<'t>(tag: &'t BytesStart) -> &'t str {
    &tag[..tag.name().as_ref().len()]
}

/// `entry` of `atom:entry`.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// A field of the channel or of an entry, whose text is being gathered.
struct Field {
    /// As the document calls it, without the prefix that the root has too.
    name: String,
    /// Elements that are open around its text, itself included.
    depth: usize,
    text: String,
    /// Its text is HTML, or may be.
    html: bool,
    /// Mark-up inside is markup (`type="xhtml"`): text stays escaped.
    nested: bool,
}

#[derive(Default)]
struct Reading {
    root: Option<Root>,
    /// `atom:` where the whole document has that prefix.
    prefix: String,
    open: Vec<String>,
    nodes: usize,
    feed: Feed,
    entry: Option<Entry>,
    field: Option<Field>,
    finished: bool,
}

impl Reading {
    fn count(&mut self) -> Result<(), Unreadable> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(Unreadable::TooMany { what: "XML nodes", max: NODES_MAX }) } else { Ok(()) }
    }

    fn unfinished(&self) -> Unreadable {
        match self.root {
            None => refused("it has no root element"),
            Some(_) => refused(format!("it is cut off after {} whole entries", self.feed.entries.len())),
        }
    }

    fn start(&mut self, tag: &BytesStart, empty: bool) -> Result<(), Unreadable> {
        self.count()?;
        let full = name(tag);
        if !full.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return self.no_tag(tag);
        }
        if self.root.is_none() {
            return self.begin(tag, full, empty);
        }
        let name = full.strip_prefix(&self.prefix).unwrap_or(full).to_owned();
        if matches!(name.as_str(), "item" | "entry") {
            self.begin_entry(&name)?;
        } else if let Some(field) = &mut self.field {
            field.nested = true;
            field.text += &format!("<{}{}>", &**tag, if empty { "/" } else { "" });
        } else {
            self.begin_field(&name, tag);
        }
        self.open.push(name);
        if self.open.len() > DEPTH_MAX {
            return Err(refused(format!("its elements are nested more than {DEPTH_MAX} deep")));
        }
        if empty {
            self.close();
        }
        Ok(())
    }

    /// `a < b` is no tag, but what reaches from there to the next `>` may end in one.
    fn no_tag(&mut self, tag: &str) -> Result<(), Unreadable> {
        let Some((before, inner)) = tag.rsplit_once('<') else {
            self.text(&format!("<{tag}>"));
            return Ok(());
        };
        self.text(&format!("<{before}"));
        if let Some(name) = inner.strip_prefix('/') {
            self.end(name.trim_end());
            return Ok(());
        }
        let name_bytes = inner.find(char::is_whitespace).unwrap_or(inner.len());
        self.start(&BytesStart::from_content(inner, name_bytes), false)
    }

    fn begin(&mut self, tag: &BytesStart, full: &str, empty: bool) -> Result<(), Unreadable> {
        match root_of(tag) {
            Some(Root::Html) => return Err(Unreadable::Html { title: None }),
            Some(root) => self.root = Some(root),
            None => return Err(refused(format!("its root is {:?}", text::line(full, 40).text))),
        }
        if self.root == Some(Root::Atom) {
            self.prefix = full[..full.len() - local(full).len()].to_owned();
        }
        self.open.push(full.strip_prefix(&self.prefix).unwrap_or(full).to_owned());
        self.finished = empty;
        Ok(())
    }

    /// An entry whose end is missing ends where the next begins.
    fn begin_entry(&mut self, name: &str) -> Result<(), Unreadable> {
        if let Some(at) = self.open.iter().position(|open| open == name) {
            self.close_down_to(at);
        }
        if self.feed.entries.len() >= INCIDENTS_MAX {
            return Err(Unreadable::TooMany { what: "entries", max: INCIDENTS_MAX });
        }
        self.entry = Some(Entry::default());
        Ok(())
    }

    /// A direct child of the channel or of an entry, else nothing that is read.
    fn begin_field(&mut self, name: &str, tag: &BytesStart) {
        let parent = self.open.last().map_or("", String::as_str);
        if !matches!(parent, "channel" | "feed" | "item" | "entry") {
            return;
        }
        if local(name) == "link" && (self.root == Some(Root::Atom) || name.contains(':')) {
            self.link(name, tag);
            return;
        }
        let attribute = |wanted: &str| attribute(tag, wanted);
        if name == "category" && self.root == Some(Root::Atom) {
            let label = attribute("label").or_else(|| attribute("term"));
            self.category(label.unwrap_or_default());
            return;
        }
        let kind = attribute("type").unwrap_or_default();
        let html = self.root == Some(Root::Rss) || kind.contains("html");
        self.field = Some(Field { name: name.to_owned(), depth: self.open.len() + 1, text: String::new(), html, nested: false });
    }

    /// Atom's link is an attribute; of several the one to the page counts.
    fn link(&mut self, name: &str, tag: &BytesStart) {
        let rel = attribute(tag, "rel").unwrap_or_else(|| "alternate".to_owned());
        // A foreign `atom:link` in RSS points to the feed itself.
        if rel != "alternate" || (name.contains(':') && self.root == Some(Root::Rss)) {
            return;
        }
        let href = attribute(tag, "href").unwrap_or_default();
        let link = self.entry.as_mut().map_or(&mut self.feed.link, |entry| &mut entry.link);
        if link.is_empty() {
            *link = href.trim().to_owned();
        }
    }

    fn category(&mut self, label: String) {
        if let Some(entry) = &mut self.entry
            && entry.categories.len() < CATEGORIES_MAX
            && !label.trim().is_empty()
        {
            entry.categories.push(label.trim().to_owned());
        }
    }

    fn end(&mut self, full: &str) {
        let name = full.strip_prefix(&self.prefix).unwrap_or(full);
        match self.open.iter().rposition(|open| open == name) {
            Some(at) => {
                // Inside a field nothing but the end of what stands around it may end it.
                let inside = self.field.as_ref().is_some_and(|field| at >= field.depth);
                if inside && let Some(field) = &mut self.field {
                    field.text += &format!("</{full}>");
                }
                self.close_down_to(at);
            }
            // A wrong end tag ends a short field; in a long one it belongs to HTML that nobody escaped.
            None => match &mut self.field {
                Some(field) if is_long(&field.name) => field.text += &format!("</{full}>"),
                Some(_) => self.close(),
                None => {}
            },
        }
    }

    fn close_down_to(&mut self, at: usize) {
        while self.open.len() > at {
            self.close();
        }
    }

    fn close(&mut self) {
        let depth = self.open.len();
        let Some(name) = self.open.pop() else { return };
        if let Some(field) = self.field.take_if(|field| field.depth == depth) {
            self.keep(field);
        }
        if matches!(name.as_str(), "item" | "entry")
            && let Some(entry) = self.entry.take()
        {
            self.feed.entries.push(entry);
        }
        self.finished = self.open.is_empty();
    }

    fn text(&mut self, text: &str) {
        if let Some(field) = &mut self.field {
            field.text += text;
        }
    }

    /// The five names of XML and numbers are resolved; `&nbsp;` and its like are left to whoever reads the HTML.
    fn reference(&mut self, name: &quick_xml::events::BytesRef) {
        let Some(field) = &mut self.field else { return };
        let known = match &**name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => name.resolve_char_ref().ok().flatten(),
        };
        match known {
            Some(c) if !field.nested => field.text.push(c),
            _ => field.text += &format!("&{};", &**name),
        }
    }

    fn keep(&mut self, field: Field) {
        let Field { name, text: raw, html, .. } = field;
        let trimmed = || raw.trim().to_owned();
        if let Some(entry) = &mut self.entry {
            let date = || dates::moment(&raw);
            match name.as_str() {
                "title" if entry.title.is_empty() => entry.title = title(&raw, html),
                "guid" | "id" if entry.id.is_empty() => entry.id = trimmed(),
                "link" if entry.link.is_empty() => entry.link = trimmed(),
                "pubDate" | "published" | "issued" | "created" => entry.published = entry.published.or_else(date),
                "dc:date" => entry.published = entry.published.or_else(date),
                "updated" | "modified" | "atom:updated" | "a10:updated" => entry.updated = entry.updated.or_else(date),
                "description" | "summary" if entry.summary.is_empty() => entry.summary = raw,
                "content" | "content:encoded" if entry.content.is_empty() => entry.content = raw,
                "category" | "dc:subject" => self.category(title(&raw, html)),
                _ => {}
            }
            return;
        }
        let feed = &mut self.feed;
        match name.as_str() {
            "title" if feed.title.is_empty() => feed.title = title(&raw, html),
            "link" if feed.link.is_empty() => feed.link = trimmed(),
            "generator" => feed.generator = trimmed(),
            "lastBuildDate" | "updated" | "modified" => feed.updated = dates::moment(&raw).or(feed.updated),
            "pubDate" | "dc:date" => feed.updated = feed.updated.or_else(|| dates::moment(&raw)),
            _ => {}
        }
    }
}

fn is_long(field: &str) -> bool {
    matches!(field, "description" | "summary" | "content" | "content:encoded")
}

/// A title without mark-up. RSS does not say whether a title is HTML: it is if it has an end of something.
fn title(raw: &str, html: bool) -> String {
    let is_markup = ["</", "/>", "<br"].iter().any(|mark| raw.contains(mark));
    let clean = if html && is_markup { text::plain(raw) } else { unescape(raw) };
    clean.trim().to_owned()
}

/// Resolves character references and leaves tags alone.
pub fn unescape(raw: &str) -> String {
    if !raw.contains('&') {
        return raw.to_owned();
    }
    raw.split_inclusive('<').map(|piece| piece.strip_suffix('<').map_or_else(|| text::plain(piece), |p| text::plain(p) + "<")).collect()
}

/// One of the first attributes, its references resolved.
fn attribute(tag: &BytesStart, wanted: &str) -> Option<String> {
    // Without the check for repeated names, which is quadratic (RUSTSEC-2026-0194).
    let mut attributes = tag.attributes();
    let found = attributes.with_checks(false).take(ATTRIBUTES_MAX).flatten().find(|a| a.key.as_ref() == wanted)?;
    Some(unescape(&found.value))
}
