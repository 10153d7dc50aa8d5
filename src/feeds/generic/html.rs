//! By CSS selectors: `td.name`, `a@href` for an attribute, `@class` for one of the element itself.

use scraper::{ElementRef, Html, Selector};

use super::{HTML, Node, Place, mapping, page};
use crate::feeds::{Document, Unreadable};
use crate::model::Page;

/// A tree takes up to sixty times as much as its text, and nesting costs time.
const BYTES_MAX: usize = 1 << 20;

pub(super) fn place(text: &str) -> Result<Place, String> {
    let (selector, attribute) = text.rsplit_once('@').map_or((text, None), |(selector, name)| (selector, Some(name.trim().to_owned())));
    let selector = match selector.trim() {
        "" => None,
        selector => Some(Selector::parse(selector).map_err(|error| format!("is not a CSS selector: {error}"))?),
    };
    Ok(Place::Css { selector, attribute })
}

pub(super) fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mapping = mapping(document, HTML.name)?;
    if document.text.len() > BYTES_MAX {
        return Err(Unreadable::TooMany { what: "bytes of HTML", max: BYTES_MAX });
    }
    page(HTML.name, mapping, &Html::parse_document(&document.text).root_element())
}

impl Node for ElementRef<'_> {
    fn all(&self, place: &Place, max: usize) -> Vec<Self> {
        match place {
            Place::Css { selector: Some(selector), .. } => self.select(selector).take(max + 1).collect(),
            Place::Css { selector: None, .. } => vec![*self],
            Place::Path(_) => Vec::new(),
        }
    }

    fn texts(&self, place: &Place, max: usize) -> Vec<String> {
        let Place::Css { attribute, .. } = place else { return Vec::new() };
        let text = |found: ElementRef| match attribute {
            Some(name) => found.value().attr(name).map(str::to_owned),
            None => Some(found.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")),
        };
        self.all(place, max).into_iter().filter_map(text).collect()
    }
}
