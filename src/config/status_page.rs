//! The pages of a vendor: `[[status_pages]]`, and what the catalogue knows where the file is silent.
//!
//! Without a page in the file the catalogue's is the one page. With one, the catalogue's address is used where the first
//! leaves it out; a further page has to name its own. `status_pages = []` is no page.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use toml::de::DeTable;
use url::Url;

use super::catalog::{Entry, Reading};
use super::diagnostics::{Level, Place};
use super::reader::{Description, Desk, Table, Written, bad_name, read};
use super::{StatusPage, Way, daemon_file, keys, lint};
use crate::feeds::{Mapping, generic};
use crate::model::{Fault, Status};

/// What a file says with `catalog`.
pub(super) enum Named {
    Nothing,
    /// Something that is not in the catalogue, which was said.
    Unknown,
    /// And where it stands.
    Entry(&'static Entry, Place),
}

impl Named {
    pub fn entry(&self) -> Option<&'static Entry> {
        match self {
            Named::Entry(entry, _) => Some(entry),
            Named::Nothing | Named::Unknown => None,
        }
    }
}

pub(super) fn read_all(desk: &mut Desk, file: &Written, defaults: Option<&Written>, named: &Named) -> Vec<StatusPage> {
    let nothing = DeTable::new();
    let tables = match named {
        Named::Entry(_, place) if !file.table.contains_key("status_pages") => {
            let span = place.span.clone().unwrap_or_default();
            vec![Written { source: place.source.clone(), table: &nothing, span, subject: String::new() }]
        }
        _ => file.array(desk, "status_pages"),
    };
    let (mut pages, mut names) = (Vec::new(), Vec::new());
    for (n, mut written) in tables.into_iter().enumerate() {
        let name = match (written.text("name"), n) {
            (Some(name), _) => name.to_string(),
            (None, 0) => "status".into(),
            (None, n) => format!("status-{}", n + 1),
        };
        written.subject = format!("{}: status page {name:?}", file.subject);
        let named = (n == 0).then_some(named);
        let table = read(desk, &written, defaults, &Description::of(&[keys::STATUS_PAGE]));
        check_name(desk, &table, &name, &names);
        // Of the catalogue's page nothing stands in the file but its name.
        desk.pages.insert(
            (file.subject.clone(), name.clone()),
            if table.wrote("components") { table.place("components") } else { table.header.clone() },
        );
        pages.extend(page(desk, &table, &name, named));
        names.push(name);
    }
    pages
}

fn check_name(desk: &mut Desk, table: &Table, name: &str, others: &[String]) {
    if let Some(fault) = bad_name("name", "the page's name", name) {
        desk.fault(table, fault);
    }
    if others.iter().any(|other| other == name) {
        let fault = Fault::new("name", format!("there are two status pages {name:?}"));
        desk.fault(table, fault.hint("give each a name of its own"));
    }
}

/// `named` is for the first page only.
fn page(desk: &mut Desk, table: &Table, name: &str, named: Option<&Named>) -> Option<StatusPage> {
    let [components, groups, regions] = ["components", "groups", "regions"].map(|key| filter(desk, table, key));
    let url = address(desk, table, named);
    let way = way(desk, table);
    let settings = &table.settings;
    let page = StatusPage {
        way: Arc::new(way?),
        name: name.to_string(),
        url: url?,
        format: settings.text("format")?.to_string(),
        components: components?,
        groups: groups?,
        regions: regions?,
        interval: settings.duration("interval").copied(),
        timeout: *settings.duration("timeout")?,
        stale_after: *settings.duration("stale_after")?,
        watch_components: settings.on("watch_components"),
        allow_private: settings.on("allow_private"),
        enabled: settings.on("enabled"),
        labels: settings.text_map("labels")?.clone(),
    };
    if let Some(entry) = named.and_then(Named::entry)
        && entry.reading() == Reading::NotYet
        && page.enabled
        && page.format == "auto"
        && settings.text("url").is_none()
    {
        lint::unreadable(desk, table.header.clone(), &table.subject, entry);
    }
    Some(page)
}

/// How it is asked for and read, beyond its address and format.
fn way(desk: &mut Desk, table: &Table) -> Option<Way> {
    let settings = &table.settings;
    let mut hash = DefaultHasher::new();
    (settings.text_map("map"), settings.text_map("words")).hash(&mut hash);
    for (name, value) in settings.secret_map("headers").into_iter().flatten() {
        (name, value.expose()).hash(&mut hash);
    }
    Some(Way { headers: headers(desk, table), mapping: mapping(desk, table)?, fingerprint: hash.finish() })
}

fn headers(desk: &mut Desk, table: &Table) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in table.settings.secret_map("headers").into_iter().flatten() {
        match (HeaderName::try_from(name), HeaderValue::from_str(value.expose())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => {
                let fault = Fault::new("headers", format!("the header {name:?} cannot be sent"));
                desk.fault(table, fault.hint("a name of letters and dashes, a value on one line"));
            }
        }
    }
    headers
}

/// Where things are, for the formats that have to be told; `None` if the format itself was refused.
fn mapping(desk: &mut Desk, table: &Table) -> Option<Option<Mapping>> {
    let settings = &table.settings;
    let format = settings.text("format")?;
    let texts = |key: &'static str| settings.text_map(key).into_iter().flatten().map(|(name, text)| (name.as_str(), text.as_str()));
    if !generic::is_told(format) {
        if let Some(key) = ["map", "words"].into_iter().find(|key| texts(key).next().is_some()) {
            let fault = Fault::new(key, format!("format = {format:?} knows by itself where things are"));
            desk.fault(table, fault.hint("write `format = \"generic_json\"` or \"generic_html\", or leave it out"));
        }
        return Some(None);
    }
    match Mapping::new(format, texts("map"), texts("words")) {
        Ok(mapping) => Some(Some(mapping)),
        Err(wrong) => {
            let is_word = texts("words").any(|(word, _)| word == wrong.key);
            let known: Vec<&str> = match is_word {
                true => Status::ALL.iter().map(|status| status.as_str()).collect(),
                false => generic::FIELDS.iter().map(|(name, _)| *name).collect(),
            };
            let fault = Fault::new(if is_word { "words" } else { "map" }, format!("{:?} {}", wrong.key, wrong.why));
            desk.fault(table, fault.hint(format!("write one of {}", known.join(", "))));
            Some(None)
        }
    }
}

/// What the page says, else what the catalogue knows.
fn address(desk: &mut Desk, table: &Table, named: Option<&Named>) -> Option<Url> {
    let Some(text) = table.settings.text("url") else {
        let or_catalog = match named {
            Some(Named::Entry(entry, _)) => return Url::parse(entry.address()).ok(),
            // Of what was refused already, nothing more is said.
            Some(Named::Unknown) => return None,
            _ if table.refused("url") => return None,
            Some(Named::Nothing) => "; or name the vendor above with `catalog = ..`",
            None => "",
        };
        let hint = format!("add `url = ..`: the page as people see it{or_catalog}");
        let said = ("`url` is missing".to_owned(), Some(hint));
        desk.say(Level::Error, table.header.clone(), &table.subject, said);
        return None;
    };
    daemon_file::http_url(text)
        .map_err(|(message, hint)| {
            let mut fault = Fault::new("url", format!("url {message}"));
            fault.hint = hint;
            desk.fault(table, fault);
        })
        .ok()
}

/// Names and patterns of what is used. Each must be a glob, because it is matched as one too.
fn filter(desk: &mut Desk, table: &Table, key: &'static str) -> Option<Vec<String>> {
    let written = table.settings.texts(key)?;
    for (item, text) in written.iter().enumerate() {
        let fault = match glob::Pattern::new(text) {
            _ if text.trim().is_empty() => Fault::new(key, format!("{key} has an empty text")).hint("remove it: without any, all are used"),
            Ok(_) => continue,
            Err(error) => Fault::new(key, format!("{key} {text:?} is not a glob: {}", error.msg))
                .hint(format!("for these very characters write {:?}", glob::Pattern::escape(text))),
        };
        desk.fault(table, fault.item(item));
    }
    Some(written.to_vec())
}
