//! The built-in catalogue: vendors that many depend on, with the addresses of their status pages.
//!
//! It holds facts, compiled by hand and dated in `PROVENANCE.md`. `platform` is a hint: pages move between engines, so
//! what a page is made with is found out again when it is read. Ids and aliases are unique together, and never change
//! their meaning, because vendor files name them.
//!
//! Not here: searching (`vendord catalog search`), and what a vendor file makes of an entry.

use std::sync::LazyLock;

use serde::Deserialize;

use super::nearest::nearest as nearest_of;
use crate::feeds;

/// One vendor. Texts are parts of the embedded file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub id: &'static str,
    pub name: &'static str,
    pub website: Option<&'static str>,
    /// As people see it.
    pub status_page: &'static str,
    /// What the page was made with when the catalogue was compiled, or `unknown`.
    pub platform: &'static str,
    /// The document to read, where the platform's own convention does not lead to it.
    pub feed: Option<&'static str>,
    pub category: &'static str,
    /// Other ids that a person may write.
    #[serde(default)]
    pub aliases: Vec<&'static str>,
}

/// How this version reads the page of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// With this format, if the page is still what it was.
    Format(&'static str),
    /// Whether any format reads it shows at first contact.
    FoundOut,
    /// It has no reader for this platform.
    NotYet,
}

/// Platforms whose public document is of a format with another name.
/// Azure publishes nothing but RSS: <https://azure.status.microsoft/en-us/status/feed/>.
const READ_AS: &[(&str, &str)] = &[("azure", "rss")];

/// What `platform` says where nobody knows.
pub const UNKNOWN: &str = "unknown";

static ENTRIES: LazyLock<Vec<Entry>> =
    LazyLock::new(|| serde_json::from_str(include_str!("vendors.json")).expect("the embedded file is read by a test"));

/// Everything, by id.
pub fn entries() -> &'static [Entry] {
    &ENTRIES
}

/// The entry of an id or alias.
pub fn find(name: &str) -> Option<&'static Entry> {
    entries().iter().find(|entry| entry.names().any(|known| known == name))
}

/// The id or alias that was most likely meant.
pub fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    nearest_of(&name, entries().iter().flat_map(Entry::names))
}

/// Each value of a field once, in order: the platforms, the categories.
pub fn each(field: fn(&Entry) -> &'static str) -> Vec<&'static str> {
    let mut values: Vec<&'static str> = entries().iter().map(field).collect();
    values.sort_unstable();
    values.dedup();
    values
}

impl Entry {
    /// Its id and every alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.id).chain(self.aliases.iter().copied())
    }

    /// What is read: the feed where one is known, because that is what can be read; else the page.
    pub fn address(&self) -> &'static str {
        self.feed.unwrap_or(self.status_page)
    }

    /// How a person would say what its page is made with.
    pub fn engine(&self) -> String {
        match self.platform {
            UNKNOWN => "an unknown engine".to_owned(),
            own if self.names().any(|name| name == own) => "an engine of its own".to_owned(),
            platform => platform.to_owned(),
        }
    }

    pub fn reading(&self) -> Reading {
        let format = READ_AS.iter().find(|(platform, _)| *platform == self.platform).map_or(self.platform, |(_, format)| format);
        match feeds::format(format) {
            Some(format) => Reading::Format(format.name),
            None if self.platform == UNKNOWN => Reading::FoundOut,
            None => Reading::NotYet,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use url::Url;

    use super::*;

    const CATEGORIES: &[&str] = &[
        "ai",
        "analytics",
        "cdn",
        "ci",
        "cloud",
        "communications",
        "crm",
        "devtools",
        "email",
        "hr",
        "identity",
        "observability",
        "other",
        "payments",
        "security",
        "storage",
        "support",
    ];
    const PLATFORMS: &[&str] = &[
        "aws",
        "azure",
        "betterstack",
        "cachet",
        "firehydrant",
        "freshstatus",
        "gcp",
        "heroku",
        "hund",
        "incidentio",
        "instatus",
        "onlineornot",
        "rss",
        "salesforce",
        "slack",
        "sorry",
        "statusio",
        "statuspage",
        "statuspal",
        "stripe",
        "unknown",
        "uptimerobot",
    ];
    /// Platforms whose documents have no conventional place below the page.
    const NEED_FEED: &[&str] = &["aws", "azure", "firehydrant", "heroku", "rss", "slack", "statusio", "stripe"];

    fn is_kebab_case(id: &str) -> bool {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        id.split('-').all(part)
    }

    fn url_problem(text: &str) -> Option<&'static str> {
        let Ok(url) = Url::parse(text) else { return Some("is no URL") };
        let host = url.host_str().unwrap_or_default();
        if url.scheme() != "https" {
            return Some("is not https");
        }
        if !url.username().is_empty() || url.password().is_some() || url.port().is_some() || url.fragment().is_some() {
            return Some("has credentials, a port or a fragment");
        }
        if url.domain().is_none() || !host.contains('.') || !text.starts_with(&format!("https://{host}")) {
            return Some("has no host of the public internet, or not as it is written");
        }
        text.contains(char::is_whitespace).then_some("has blanks")
    }

    /// What is wrong with entries; a list, so that a hand that adds a vendor sees everything at once.
    fn problems(entries: &[Entry]) -> Vec<String> {
        let mut problems = Vec::new();
        let (mut ids, mut names, mut pages) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        for entry in entries {
            let mut say = |what: String| problems.push(format!("{}: {what}", entry.id));
            for id in entry.names() {
                if !is_kebab_case(id) {
                    say(format!("{id:?} is not in kebab-case"));
                }
                if let Some(other) = ids.insert(id, entry.id) {
                    say(format!("{id:?} is used by {other} already"));
                }
            }
            if entry.name.is_empty() || entry.name.trim() != entry.name || entry.name.chars().any(char::is_control) {
                say(format!("{:?} is not a clean name", entry.name));
            }
            if !names.insert(entry.name.to_lowercase()) {
                say(format!("the name {:?} is used twice", entry.name));
            }
            if !CATEGORIES.contains(&entry.category) {
                say(format!("unknown category {:?}", entry.category));
            }
            if !PLATFORMS.contains(&entry.platform) {
                say(format!("unknown platform {:?}", entry.platform));
            }
            if NEED_FEED.contains(&entry.platform) && entry.feed.is_none() {
                say(format!("{} has no conventional feed, and none is named", entry.platform));
            }
            for url in [Some(entry.status_page), entry.website, entry.feed].into_iter().flatten() {
                if let Some(problem) = url_problem(url) {
                    say(format!("{url:?} {problem}"));
                }
            }
            let page = entry.status_page.trim_start_matches("https://").trim_start_matches("www.").trim_end_matches('/');
            if let Some(other) = pages.insert(page, entry.id) {
                say(format!("same status page as {other}"));
            }
        }
        if !entries.is_sorted_by_key(|entry| entry.id) {
            problems.push("not sorted by id".to_owned());
        }
        problems
    }

    #[test]
    fn the_embedded_file_is_in_order() {
        let found = problems(entries());
        assert!(found.is_empty(), "{}", found.join("\n"));
        assert_eq!(entries().len(), 1156);
    }

    #[test]
    fn the_rules_of_the_file_can_fail() {
        let entry = |id, name, status_page| Entry {
            id,
            name,
            website: None,
            status_page,
            platform: "statuspage",
            feed: None,
            category: "ai",
            aliases: Vec::new(),
        };
        let good = || entry("acme", "Acme", "https://status.acme.example");
        assert_eq!(problems(&[good()]), Vec::<String>::new());
        for bad in [
            vec![entry("Acme", "Acme", "https://status.acme.example")],
            vec![entry("acme--x", "Acme", "https://status.acme.example")],
            vec![entry("acme", "Acme ", "https://status.acme.example")],
            vec![entry("acme", "Acme", "http://status.acme.example")],
            vec![entry("acme", "Acme", "https://user@status.acme.example")],
            vec![entry("acme", "Acme", "https://status.acme.example:8443/#x")],
            vec![entry("acme", "Acme", "https://localhost")],
            vec![Entry { category: "things", ..good() }],
            vec![Entry { platform: "own", ..good() }],
            vec![Entry { platform: "rss", ..good() }],
            vec![Entry { aliases: vec!["acme"], ..good() }],
            vec![good(), entry("beta", "ACME", "https://status.beta.example")],
            vec![good(), entry("beta", "Beta", "https://www.status.acme.example/")],
            vec![entry("beta", "Beta", "https://status.beta.example"), good()],
        ] {
            assert_eq!(problems(&bad).len(), 1, "{bad:?}: {:?}", problems(&bad));
        }
    }

    #[test]
    fn ids_and_aliases_lead_to_an_entry() {
        for (name, id) in [("github", Some("github")), ("gcp", Some("google-cloud")), ("GitHub", None), ("", None)] {
            assert_eq!(find(name).map(|entry| entry.id), id, "{name}");
        }
        assert_eq!(nearest("githib"), Some("github"));
        assert_eq!(nearest("GitHub"), Some("github"));
    }

    #[test]
    fn what_can_be_read_is_told_from_the_formats_there_are() {
        for (id, want) in [
            ("github", Reading::Format("statuspage")),
            ("openai", Reading::Format("incidentio")),
            ("hetzner", Reading::Format("rss")),
            ("azure", Reading::Format("rss")),
            ("pagerduty", Reading::FoundOut),
        ] {
            assert_eq!(find(id).map(Entry::reading), Some(want), "{id}");
        }
        assert!(READ_AS.iter().all(|(platform, format)| PLATFORMS.contains(platform) && feeds::format(format).is_some()));
    }

    #[test]
    fn a_feed_goes_before_the_page() {
        assert_eq!(find("hetzner").map(Entry::address), Some("https://status.hetzner.com/de.atom"));
        assert_eq!(find("github").map(Entry::address), Some("https://www.githubstatus.com"));
    }

    #[test]
    fn engines_are_named_unless_they_are_the_vendors_own() {
        for (id, want) in [("gcp", "an engine of its own"), ("github", "statuspage"), ("pagerduty", "an unknown engine")] {
            assert_eq!(find(id).map(Entry::engine).as_deref(), Some(want));
        }
    }
}
