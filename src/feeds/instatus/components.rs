//! The components of a page: flat with the group of each, or nested in their parents.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{NAME, Phrase, Reader, component_status, is_word};
use crate::feeds::json::{self, Lax, List, Text};
use crate::feeds::{COMPONENTS_MAX, Document, Unreadable, notes};
use crate::model::Page;
use crate::model::page::{Carries, Component, Status};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'d> {
    id: Text,
    name: Phrase,
    status: Text,
    is_parent: Lax<bool>,
    archived_at: Text,
    #[serde(borrow)]
    group: Option<&'d RawValue>,
    #[serde(borrow)]
    children: Option<&'d RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Group {
    name: Phrase,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'d> {
    #[serde(borrow)]
    components: List<&'d RawValue, COMPONENTS_MAX>,
    #[serde(borrow)]
    page: Option<&'d RawValue>,
}

pub fn is(document: &Document) -> bool {
    let path = document.url.map_or("", |url| url.path());
    let is_here = path.ends_with("/components.json") && !path.ends_with("/api/v2/components.json");
    let Some(listed) = listed(&document.text).ok().and_then(|list| list.0) else { return false };
    // A group has no state, but children.
    let is_one = |entry: Entry| {
        let has_state = entry.status.as_str().map_or(entry.children.is_some() && entry.is_parent.0.is_some(), is_word);
        has_state && entry.name.0.as_str().is_some()
    };
    listed.iter().filter_map(|raw| json::element(raw)).any(is_one) || (is_here && listed.is_empty())
}

pub fn parse(document: &Document) -> Result<Page, Unreadable> {
    let mut reader = Reader::default();
    let listed = listed(&document.text)?;
    if !listed.is_there() {
        return Err(Unreadable::shape(NAME, "it has neither page.status in capitals nor components"));
    }
    let components = components(&mut reader, listed)?;
    Ok(Page {
        overall: Status::roll_up(components.iter().map(|c| c.status)).unwrap_or(Status::Unknown),
        components,
        carries: Carries { components: true, ..Carries::default() },
        oddities: reader.notes.oddities(),
        ..Page::blank(NAME)
    })
}

/// An object with a list, or the list alone.
fn listed(text: &str) -> Result<List<&RawValue, COMPONENTS_MAX>, Unreadable> {
    let wrong = |error: serde_json::Error| Unreadable::shape(NAME, error.to_string());
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).map_err(wrong);
    }
    let body: Body = json::read(NAME, text)?;
    // With a page it is another platform's.
    Ok(if body.page.is_some() { List(None) } else { body.components })
}

/// The leaves. One that stands both in its parent and beside it is one component.
pub fn components(reader: &mut Reader, listed: List<&RawValue, COMPONENTS_MAX>) -> Result<Vec<Component>, Unreadable> {
    let mut found = Vec::new();
    for entry in listed.within("components")?.into_iter().filter_map(json::element::<Entry>) {
        let children = json::listed::<&RawValue, COMPONENTS_MAX>(entry.children, "components")?;
        let mut of_group: Vec<Entry> = Vec::new();
        of_group.extend(children.into_iter().filter_map(json::element::<Entry>));
        if of_group.is_empty() && entry.is_parent.0 != Some(true) {
            let group = entry.group.and_then(json::element::<Group>).and_then(|group| reader.text(&group.name.0));
            found.extend(component(reader, &entry, group.as_deref())?);
        }
        let name = reader.text(&entry.name.0);
        for child in of_group {
            found.extend(component(reader, &child, name.as_deref())?);
        }
        if found.len() > COMPONENTS_MAX {
            return Err(Unreadable::TooMany { what: "components", max: COMPONENTS_MAX });
        }
    }
    Ok(grouped(found))
}

fn component(reader: &mut Reader, entry: &Entry, group: Option<&str>) -> Result<Option<Component>, Unreadable> {
    let name = reader.text(&entry.name.0);
    let name = reader.notes.line(name.as_deref());
    let Some(id) = notes::id(entry.id.as_str().or(name.as_deref())).filter(|_| entry.archived_at.as_str().is_none()) else {
        return Ok(None);
    };
    let group = reader.notes.line(group).map(|group| reader.budget.copy(&group)).transpose()?;
    let status = reader.notes.meaning("status", entry.status.as_str(), component_status).unwrap_or(Status::Unknown);
    Ok(Some(Component { name: name.unwrap_or_else(|| id.clone()), group, region: None, status, id }))
}

/// With the group of each, wherever in the document it was told.
fn grouped(mut found: Vec<Component>) -> Vec<Component> {
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    for c in &found {
        if let Some(group) = &c.group
            && groups.get(&c.id).is_none_or(|known| group < known)
        {
            groups.insert(c.id.clone(), group.clone());
        }
    }
    found.iter_mut().for_each(|c| c.group = groups.get(&c.id).cloned());
    found
}
