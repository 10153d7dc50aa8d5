//! `lint --online`: the status pages of a configuration as they are now.

use std::collections::BTreeMap;

use crate::cli::feed::find::{Found, configured};
use crate::cli::words::tame;
use crate::cli::{Exit, Failure};
use crate::config::{Config, Diagnostics, Finding, Level, Place, StatusPage, nearest};
use crate::declared::Selection;
use crate::model::page::Component;

/// Names that are proposed where none is near.
const NAMES_SHOWN: usize = 8;

/// Reads each enabled page once, one after the other, and says what is wrong with it and what to write instead.
pub fn look(config: &Config, places: &BTreeMap<(String, String), Place>, diagnostics: &mut Diagnostics) -> Result<(), Failure> {
    for vendor in &config.vendors {
        for page in vendor.status_pages.iter().filter(|page| page.enabled) {
            let Some(place) = places.get(&(vendor.id.to_string(), page.name.clone())) else { continue };
            let subject = format!("{}: status page {:?}", vendor.id, page.name);
            let mut say = |level: Level, message: String, hint: Option<String>| {
                diagnostics.push(Finding { level, place: place.clone(), subject: subject.clone(), message, hint });
            };
            match configured(page) {
                Ok(found) => judge(page, &found, &mut say),
                Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
                Err(failure) => say(Level::Error, failure.message, failure.hint),
            }
        }
    }
    Ok(())
}

fn judge(page: &StatusPage, found: &Found, say: &mut impl FnMut(Level, String, Option<String>)) {
    let read = &found.page;
    let selection = Selection::new(&page.components, &page.groups, &page.regions);
    let unmatched = if selection.is_all() { Vec::new() } else { selection.unmatched(&read.components) };
    match (read.carries.components, unmatched.is_empty()) {
        (_, true) => {}
        (false, false) => say(
            Level::Warning,
            format!("the page is of the format {} and lists no components here, so the filter cannot be applied", read.format),
            Some("take the filter away: every incident counts".to_owned()),
        ),
        (true, false) => {
            for entry in unmatched {
                say(Level::Error, format!("the filter {entry:?} matches nothing on the page"), Some(instead(&entry, &read.components)));
            }
        }
    }
    for word in &read.oddities.unknown_words {
        say(Level::Warning, format!("the page uses a word that is not known here ({})", tame(word)), None);
    }
}

/// The name that was meant, else those that there are.
fn instead(entry: &str, components: &[Component]) -> String {
    let names = || components.iter().flat_map(|c| [Some(c.name.as_str()), c.group.as_deref(), c.region.as_deref()]).flatten();
    let lower = entry.to_lowercase();
    let near = nearest(entry, names()).or_else(|| names().find(|name| name.to_lowercase().contains(&lower)));
    match near {
        Some(name) => format!("did you mean {:?}?", tame(name)),
        None => {
            let some: Vec<String> = components.iter().take(NAMES_SHOWN).map(|c| format!("{:?}", tame(&c.name))).collect();
            format!("it has {} components: {}; `vendord feed --suggest` lists them all", components.len(), some.join(", "))
        }
    }
}
