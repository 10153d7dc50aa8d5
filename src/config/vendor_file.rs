//! Vendor files, one per vendor: `vendors/*.toml`. The file's name is the vendor's id. What a file does not say, the
//! catalogue may: `status_page` has what that means for pages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostics::{Level, Place};
use super::reader::{Description, Desk, Said, Table, Written, not_supported, read, unknown};
use super::source::Source;
use super::status_page::{self, Named};
use super::{Kinds, Vendor, catalog, check, keys};
use crate::model::id::name_problem;
use crate::model::{Fault, VendorId};
use crate::probes::Workshop;

/// What the checks and pages of all vendors share.
pub(super) struct Defaults<'t> {
    pub checks: Option<Written<'t>>,
    status_pages: Option<Written<'t>>,
}

pub(super) fn read_all(desk: &mut Desk, root: &Written, registry: &Table, kinds: Kinds<'static>, workshop: &Workshop) -> Vec<Vendor> {
    let defaults = defaults(desk, root, kinds);
    let mut ids = BTreeMap::new();
    let mut vendors = Vec::new();
    for path in files(desk, registry) {
        let Some(source) = desk.open(&path) else {
            continue;
        };
        let Some(id) = id_of(desk, &path, &source, &mut ids) else {
            continue;
        };
        let Some(tree) = desk.parse(&source) else {
            continue;
        };
        let file = Written { source: source.clone(), table: &tree, span: 0..0, subject: id.clone() };
        vendors.extend(vendor(desk, &file, &id, &defaults, kinds, workshop));
    }
    vendors
}

/// `[defaults.checks]` and `[defaults.status_pages]`, with their own faults told.
fn defaults<'t>(desk: &mut Desk, root: &Written<'t>, kinds: Kinds) -> Defaults<'t> {
    let Some(defaults) = root.section(desk, "defaults", "defaults.checks") else {
        return Defaults { checks: None, status_pages: None };
    };
    for name in defaults.table.keys() {
        if !["checks", "status_pages"].contains(&&**name.get_ref()) {
            let said = unknown(name.get_ref(), "defaults.", ["checks", "status_pages"]);
            desk.error(&defaults, name.span(), said);
        }
    }
    let checks = defaults.section(desk, "checks", "defaults.checks");
    if let Some(checks) = &checks {
        check::read_defaults(desk, checks, kinds);
    }
    let status_pages = defaults.section(desk, "status_pages", "defaults.status_pages");
    if let Some(pages) = &status_pages {
        let keys = keys::status_page_defaults();
        read(desk, pages, None, &Description::of(&[&keys]));
    }
    Defaults { checks, status_pages }
}

/// What the patterns of `[registry] vendors` name, in order, each once.
fn files(desk: &mut Desk, registry: &Table) -> Vec<PathBuf> {
    let mut files = BTreeSet::new();
    let patterns = registry.settings.texts("vendors").unwrap_or_default();
    for (item, pattern) in patterns.iter().enumerate() {
        let found = matches(&desk.folder, pattern);
        let shown = super::source::shown(&desk.folder, &desk.env.current_dir);
        let folder = if shown.is_empty() { "." } else { &shown };
        match found {
            Err(fault) => desk.fault(registry, fault.item(item)),
            Ok(found) if !found.is_empty() => files.extend(found),
            Ok(_) if pattern.contains(['*', '?', '[']) => {
                let message = format!("no file in {folder} matches {pattern:?}");
                desk.warn(registry, Fault::new("vendors", message).item(item));
            }
            Ok(_) => {
                let message = format!("there is no file {pattern} in {folder}");
                desk.fault(registry, Fault::new("vendors", message).item(item));
            }
        }
    }
    files.into_iter().collect()
}

/// A folder that cannot be read is an error: its vendors would be forgotten silently.
fn matches(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, Fault> {
    let options = glob::MatchOptions {
        // Editors leave hidden files beside those that they write.
        require_literal_leading_dot: true,
        require_literal_separator: true,
        case_sensitive: true,
    };
    let full = if pattern.starts_with('/') {
        pattern.to_string()
    } else {
        let folder = glob::Pattern::escape(&folder.display().to_string());
        format!("{folder}/{pattern}")
    };
    let found = glob::glob_with(&full, options).map_err(|error| {
        let message = format!("vendors {pattern:?} is not a glob: {}", error.msg);
        Fault::new("vendors", message).hint("write for example \"vendors/*.toml\"")
    })?;
    let mut files = Vec::new();
    for path in found {
        let path = path.map_err(|error| {
            let path = error.path().display().to_string();
            Fault::new("vendors", format!("{path} cannot be read: {}", error.error()))
        })?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    Ok(files)
}

fn id_of(desk: &mut Desk, path: &Path, source: &Arc<Source>, ids: &mut BTreeMap<String, Arc<Source>>) -> Option<String> {
    let id = path.file_stem()?.to_string_lossy().into_owned();
    let said: Said = if let Some(problem) = name_problem(&id) {
        let message = format!("the file's name is the vendor's id, and {id:?} {problem}");
        (message, Some("rename the file".into()))
    } else if let Some(other) = ids.get(&id) {
        let message = format!("{} describes the vendor {id} already", other.shown);
        let hint = "rename one of them, or put both together";
        (message, Some(hint.into()))
    } else {
        ids.insert(id.clone(), source.clone());
        return Some(id);
    };
    let place = Place { source: source.clone(), span: None };
    desk.say(Level::Error, place, "", said);
    None
}

fn vendor(desk: &mut Desk, file: &Written, id: &str, defaults: &Defaults, kinds: Kinds<'static>, workshop: &Workshop) -> Option<Vendor> {
    let table = vendor_table(desk, file);
    if let Some(written) = table.settings.text("id").filter(|written| *written != id) {
        let message = format!("id {written:?} is not the file's name");
        let hint = format!("remove it, or rename the file to {written}.toml");
        desk.fault(&table, Fault::new("id", message).hint(hint));
    }
    let id = VendorId::new(id);
    let named = named(desk, &table);
    let checks = check::read_all(desk, file, &id, defaults, kinds, workshop);
    let status_pages = status_page::read_all(desk, file, defaults.status_pages.as_ref(), &named);
    let entry = named.entry();
    Some(Vendor {
        name: stated(&table, "name", entry.map(|entry| entry.name)).unwrap_or_else(|| id.to_string()),
        tier: u8::try_from(*table.settings.count("tier")?).ok()?,
        category: stated(&table, "category", entry.map(|entry| entry.category))?,
        website: stated(&table, "website", entry.and_then(|entry| entry.website))?,
        merge_gap: *table.settings.duration("merge_gap")?,
        id,
        checks,
        status_pages,
    })
}

/// The entry of the catalogue that the file names.
fn named(desk: &mut Desk, table: &Table) -> Named {
    let Some(name) = table.settings.text("catalog") else {
        return if table.refused("catalog") { Named::Unknown } else { Named::Nothing };
    };
    if let Some(entry) = catalog::find(name) {
        return Named::Entry(entry, table.place("catalog"));
    }
    let fault = Fault::new("catalog", format!("there is no vendor {name:?} in the catalogue"));
    desk.fault(
        table,
        fault.hint(match catalog::nearest(name) {
            Some(near) => format!("did you mean {near:?}?"),
            None => {
                "remove it, and write [[status_pages]] with the page's `url`; `vendord catalog search WORD` finds what there is".to_owned()
            }
        }),
    );
    Named::Unknown
}

/// What the file says, else the catalogue, else the default.
fn stated(table: &Table, key: &str, catalogued: Option<&'static str>) -> Option<String> {
    let own = table.settings.text(key);
    let text = if table.wrote(key) { own.or(catalogued) } else { catalogued.or(own) };
    text.map(str::to_owned)
}

/// The keys outside of `[[checks]]` and `[[status_pages]]`.
fn vendor_table(desk: &mut Desk, file: &Written) -> Table {
    const ARRAYS: [&str; 2] = ["checks", "status_pages"];
    let elsewhere = |name: &str| {
        if keys::LATER_VENDOR.contains(&name) {
            return Some(not_supported(&format!("`{name}`"), None));
        }
        let known = keys::VENDOR.iter().map(|key| key.name).chain(ARRAYS);
        match name {
            "check" | "status_page" => Some((format!("unknown table `{name}`"), Some(format!("write [[{name}s]]")))),
            _ if belongs_to_check(name) => Some((format!("`{name}` is a key of checks"), Some("move it below [[checks]]".into()))),
            _ => Some(unknown(name, "", known)),
        }
    };
    let description = Description { keys: &[keys::VENDOR], tables: &ARRAYS, elsewhere: &elsewhere };
    read(desk, file, None, &description)
}

fn belongs_to_check(name: &str) -> bool {
    keys::CHECK.iter().any(|key| key.name == name)
}
