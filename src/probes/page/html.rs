//! HTML: the rows of a table, or the lines of the main text. Attributes, comments and what no reader sees count for nothing.
//!
//! A hostile document costs at most the deadline and [`NODES_MAX`] nodes: it is fed in small pieces, with a look at both
//! after each, because a few bytes can make very many nodes (HTML 13.2.6.4.7, formatting elements are made anew in every
//! paragraph) and deep nesting takes time.

use std::collections::HashMap;

use ego_tree::NodeRef;
use ego_tree::iter::Edge;
use html5ever::driver;
use html5ever::tendril::TendrilSink;
use scraper::{ElementRef, Html, HtmlTreeSink, Node, Selector};

use super::ROWS_MAX;
use super::cells::folded;
use crate::model::Listing;

/// Far more than a legal page has.
const NODES_MAX: usize = 50_000;
const PIECE_BYTES: usize = 64;
/// As browsers have it. Deeper ones cost the square of their depth.
const DEPTH_MAX: usize = 512;
/// Of one table.
const COLUMNS_MAX: usize = 64;
/// Cells that span rows say the same many times.
const TABLE_BYTES_MAX: usize = 4 << 20;

/// Never text for a reader.
const UNSEEN: [&str; 9] = ["script", "style", "noscript", "template", "svg", "iframe", "head", "object", "canvas"];
/// Around the text, and different on every visit.
const AROUND: [&str; 7] = ["nav", "header", "footer", "aside", "form", "button", "dialog"];
const AROUND_ROLES: [&str; 6] = ["navigation", "banner", "contentinfo", "dialog", "alertdialog", "search"];

/// What breaks a line.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "main",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "ul",
];

/// `is_over`: the time is up.
pub(super) fn parse(text: &str, is_over: impl Fn() -> bool) -> Result<Html, String> {
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), driver::ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES));
        parser.process(piece.into());
        rest = after;
        let html = parser.tokenizer.sink.sink.0.borrow();
        if html.tree.nodes().len() > NODES_MAX {
            return Err(format!("the page has more than {NODES_MAX} elements and texts"));
        }
        if html.tree.nodes().next_back().is_some_and(|newest| newest.ancestors().nth(DEPTH_MAX).is_some()) {
            return Err(format!("the page is nested more than {DEPTH_MAX} deep"));
        }
        drop(html);
        if is_over() {
            return Err("the page takes too long to read".to_owned());
        }
    }
    Ok(parser.finish())
}

/// The table that `select` leads to, else the one with most rows.
pub(super) fn table(html: &Html, select: Option<&Selector>) -> Result<Listing, String> {
    let tables: Vec<ElementRef> = match select {
        None => html.tree.root().descendants().filter_map(ElementRef::wrap).filter(is_table).collect(),
        Some(select) => {
            let found: Vec<ElementRef> = html.select(select).collect();
            if found.is_empty() {
                return Err("`select` matches nothing on the page".to_owned());
            }
            found.into_iter().flat_map(|element| element.descendants().filter_map(ElementRef::wrap).filter(is_table)).collect()
        }
    };
    let read = tables.into_iter().map(rows).collect::<Result<Vec<Listing>, String>>()?;
    read.into_iter().max_by_key(|listing| listing.rows.len()).ok_or_else(|| "there is no table on the page".to_owned())
}

fn is_table(element: &ElementRef) -> bool {
    element.value().name() == "table"
}

/// Rows of this table, not of one inside of it.
fn rows(table: ElementRef) -> Result<Listing, String> {
    let own = |row: &ElementRef| row.ancestors().filter_map(ElementRef::wrap).find(is_table).is_some_and(|t| t.id() == table.id());
    let is_row = |element: &ElementRef| element.value().name() == "tr";
    let mut listing = Listing::default();
    let mut spans = Spans::default();
    let mut bytes = 0;
    for row in table.descendants().filter_map(ElementRef::wrap).filter(is_row).filter(own) {
        let cells: Vec<ElementRef> =
            row.children().filter_map(ElementRef::wrap).filter(|cell| matches!(cell.value().name(), "td" | "th")).collect();
        let in_head = row.parent().and_then(ElementRef::wrap).is_some_and(|parent| parent.value().name() == "thead");
        let is_head = in_head || !cells.is_empty() && cells.iter().all(|cell| cell.value().name() == "th");
        let texts = spans.lay(&cells);
        bytes += texts.iter().map(String::len).sum::<usize>();
        if bytes > TABLE_BYTES_MAX {
            return Err("a table has more than 4 MiB of text".to_owned());
        }
        if is_head && listing.columns.is_empty() && listing.rows.is_empty() {
            listing.columns = texts;
        } else if !is_head && texts.iter().any(|text| !text.is_empty()) && listing.rows.len() <= ROWS_MAX {
            listing.rows.push(texts);
        }
    }
    Ok(listing)
}

/// Cells that reach into the rows below.
#[derive(Default)]
struct Spans(HashMap<usize, (u32, String)>);

impl Spans {
    /// The texts of a row by column: a cell that spans rows says the same in each, one that spans columns says it once.
    fn lay(&mut self, cells: &[ElementRef]) -> Vec<String> {
        let mut texts = Vec::new();
        for cell in cells {
            self.fill(&mut texts);
            let text = text_of(**cell);
            let span = |name, max| cell.value().attr(name).and_then(|n| n.trim().parse().ok()).unwrap_or(1).clamp(1, max);
            let (columns, rows) = (span("colspan", COLUMNS_MAX as u32), span("rowspan", 1000));
            for n in 0..columns {
                if texts.len() >= COLUMNS_MAX {
                    return texts;
                }
                let text = if n == 0 { text.clone() } else { String::new() };
                if rows > 1 {
                    self.0.insert(texts.len(), (rows - 1, text.clone()));
                }
                texts.push(text);
            }
        }
        self.fill(&mut texts);
        texts
    }

    fn fill(&mut self, texts: &mut Vec<String>) {
        while let Some((left, text)) = self.0.get_mut(&texts.len()).filter(|_| texts.len() < COLUMNS_MAX) {
            *left -= 1;
            let (left, text, at) = (*left, text.clone(), texts.len());
            texts.push(text);
            if left == 0 {
                self.0.remove(&at);
            }
        }
    }
}

/// One line; of a cell with nothing but a picture, what the picture is said to show.
fn text_of(node: NodeRef<Node>) -> String {
    let text = folded(&seen_text(node, &[]));
    if !text.is_empty() {
        return text;
    }
    let pictures = node.descendants().filter_map(ElementRef::wrap).filter(|element| element.value().name() == "img");
    folded(&pictures.filter_map(|picture| picture.value().attr("alt")).collect::<Vec<_>>().join(" "))
}

/// The lines of what `select` leads to, else of the main text.
pub(super) fn lines(html: &Html, select: Option<&Selector>) -> Result<Vec<String>, String> {
    let text = match select {
        Some(select) => {
            let found: Vec<String> = html.select(select).map(|element| seen_text(*element, &[])).collect();
            if found.is_empty() {
                return Err("`select` matches nothing on the page".to_owned());
            }
            found.join("\n")
        }
        None => seen_text(main_part(html), &AROUND),
    };
    Ok(text.split('\n').map(folded).filter(|line| !line.is_empty()).collect())
}

/// Everything that a visitor would read.
pub(super) fn whole_text(html: &Html) -> String {
    folded_long(&seen_text(html.tree.root(), &[]))
}

fn folded_long(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn title(html: &Html) -> String {
    let title = html.tree.root().descendants().filter_map(ElementRef::wrap).find(|element| element.value().name() == "title");
    folded(&title.map(|title| title.text().collect::<String>()).unwrap_or_default())
}

fn main_part(html: &Html) -> NodeRef<'_, Node> {
    let elements = || html.tree.root().descendants().filter_map(ElementRef::wrap);
    let main = elements().find(|element| element.value().name() == "main" || element.value().attr("role") == Some("main"));
    main.or_else(|| elements().find(|element| element.value().name() == "body")).map_or(html.tree.root(), |element| *element)
}

fn seen_text(node: NodeRef<Node>, around: &[&str]) -> String {
    let mut out = String::new();
    let mut hidden = 0;
    for edge in node.traverse() {
        match edge {
            Edge::Open(open) => {
                if hidden > 0 || is_hidden(open, around) && open.id() != node.id() {
                    hidden += 1;
                } else if let Node::Text(text) = open.value() {
                    out.push_str(&text.replace('\n', " "));
                } else if breaks(open) {
                    out.push('\n');
                }
            }
            Edge::Close(_) if hidden > 0 => hidden -= 1,
            Edge::Close(close) if breaks(close) => out.push('\n'),
            Edge::Close(_) => {}
        }
    }
    out
}

fn is_hidden(node: NodeRef<Node>, around: &[&str]) -> bool {
    let Node::Element(element) = node.value() else { return false };
    let role = || element.attr("role").is_some_and(|role| AROUND_ROLES.contains(&role));
    UNSEEN.contains(&element.name()) || element.attr("hidden").is_some() || around.contains(&element.name()) || !around.is_empty() && role()
}

fn breaks(node: NodeRef<Node>) -> bool {
    matches!(node.value(), Node::Element(element) if BLOCKS.contains(&element.name()))
}
