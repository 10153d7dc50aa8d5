//! Every key of the configuration that is not a kind's own, in one place. The kinds of checks and receivers describe
//! theirs beside their code; [`tables`] gives all of them, for the reference page and the test that keeps it whole.
//!
//! `Key::later` is a key that is promised and not done yet: only its default may be written.

use super::Kinds;
use crate::feeds;
use crate::model::{Key, Shape};
use crate::routing::GROUP_LABELS;

/// The tables of `vendord.toml` that stand there once.
pub(super) const SECTIONS: &[(&str, &[Key])] = &[
    ("store", STORE),
    ("agent", AGENT),
    ("registry", REGISTRY),
    ("web", WEB),
    ("metrics", METRICS),
    ("log", LOG),
    ("config", CONFIG),
    ("heartbeat", HEARTBEAT),
    ("review", REVIEW),
    ("alerts", ALERTS),
];

pub(super) const STORE: &[Key] = &[
    Key::new("url", Shape::Text, "\"sqlite:vendord.db\"", "where history is kept; a relative path is relative to $STATE_DIRECTORY if that is set (systemd), else to this file"),
    Key::new("commit_within", Shape::Wait, "\"1s\"", "plain results wait at most this long for their commit; changes are committed at once"),
    Key::new("keep_observations", Shape::Duration, "\"400d\"", "how long single results are kept, at least a day; states, outages and daily latency are kept for ever"),
    Key::new("keep_evidence", Shape::Duration, "\"400d\"", "how long is kept what was seen in failing runs"),
    Key::new("on_corruption", Shape::OneOf(&["new", "stop"]), "\"new\"", "what to do with a damaged database: move it aside and begin a new one, or stop"),
    Key::new("allow_network_fs", Shape::Flag, "false", "accept a database on a network file system, whose locks may not hold"),
];

pub(super) const AGENT: &[Key] = &[
    Key::later("id", Shape::Text, "\"\"", "name of this agent; empty: the host name"),
    Key::new("location", Shape::Text, "\"default\"", "where this agent stands"),
    Key::new("contact", Shape::Text, "\"\"", "for example sre@example.org; goes into the User-Agent, so that a vendor knows whom to ask"),
    Key::later("witnesses", Shape::TextList, "[]", "\"is it us?\": at least three URLs that tell whether our own network works; with none the question is off"),
    Key::new("max_in_flight", Shape::Count(1, 100_000), "512", "checks that run at the same time"),
    Key::new("max_per_host", Shape::Count(1, 100_000), "4", "checks that run at the same time against one host and port"),
];

pub(super) const REGISTRY: &[Key] = &[
    Key::new("vendors", Shape::TextList, "[\"vendors/*.toml\"]", "files of vendors, relative to this file; a vendor's id is its file's name"),
    Key::later("org", Shape::Text, "\"org.toml\"", "facts about us"),
    Key::later("policy", Shape::Text, "\"policy.toml\"", "rules of compliance"),
];

const TLS: &[Key] = &[
    Key::new("cert", Shape::Path, "\"\"", "certificate chain, PEM"),
    Key::new("key", Shape::Path, "\"\"", "its private key, PEM"),
];

pub(super) const WEB: &[Key] = &[
    Key::new("listen", Shape::TextList, "\"127.0.0.1:9978\"", "one address or a list; a socket that systemd passes goes before"),
    Key::new("external_url", Shape::Text, "\"\"", "how people reach the pages; for links in alerts"),
    Key::new("route_prefix", Shape::Text, "\"/\"", "path below which everything is served"),
    Key::new("hosts", Shape::TextList, "[]", "names accepted in Host beside loopback, the listen address and external_url"),
    Key::new("allow_remote", Shape::Flag, "false", "allow to listen beyond loopback"),
    Key::later("tls", Shape::Table(TLS), "{}", "serve HTTPS: { cert = \"..\", key = \"..\" }"),
    Key::new("lifecycle", Shape::Flag, "false", "allow POST /-/reload"),
    Key::new("timezone", Shape::Text, "\"UTC\"", "zone of the times on the pages: an IANA name, for example \"Europe/Berlin\""),
];

pub(super) const METRICS: &[Key] = &[Key::new("level", Shape::OneOf(&["basic", "full"]), "\"full\"", "basic leaves out the histograms per check")];

pub(super) const LOG: &[Key] = &[
    Key::new("level", Shape::OneOf(&["error", "warn", "info", "debug", "trace"]), "\"info\"", "the least urgent lines that are written"),
    Key::new("format", Shape::OneOf(&["text", "json"]), "\"text\"", "text for people, json for machines"),
];

pub(super) const CONFIG: &[Key] = &[Key::later("watch", Shape::Flag, "false", "reload when a file changes")];

pub(super) const HEARTBEAT: &[Key] = &[Key::later("url", Shape::TextOrSecret, "\"\"", "pinged while vendord can watch, store and alert")];

pub(super) const REVIEW: &[Key] = &[Key::later("browser", Shape::Text, "\"\"", "prints PDF; empty: the first Chromium-family browser found")];

pub(super) const ALERTS: &[Key] = &[Key::later("maintenance_mute_max", Shape::Duration, "\"12h\"", "announced work mutes alerts for at most this long")];

/// `[[profiles]]` and `[[schedules]]`: known, not done yet.
pub(super) const LATER_ARRAYS: &[&str] = &["profiles", "schedules"];

pub(super) const RECEIVER: &[Key] = &[
    Key::required("name", Shape::Text, "what routes call it"),
    Key::required("kind", Shape::Text, "the channel that renders for it, for example \"webhook\""),
    Key::new("retry", Shape::WaitList, "[\"0s\", \"5s\", \"5m\", \"30m\", \"2h\", \"5h\", \"10h\", \"14h\", \"20h\", \"24h\"]", "the wait before each try; after the last one a delivery is dead"),
    Key::new("rate", Shape::Text, "\"10/s\"", "at most so many requests: \"10/s\", \"60/m\" or \"100/h\""),
];

/// Kinds of receivers that are promised and not done yet.
pub(super) const LATER_CHANNELS: &[&str] = &["webhook", "alertmanager", "pagerduty", "slack", "teams", "discord", "telegram", "ntfy", "email", "incidentio", "custom"];

const MATCH: &[Key] = &[
    Key::new("tier", Shape::CountList(1, 4), "[]", "tiers of vendors"),
    Key::new("vendor", Shape::TextList, "[]", "ids of vendors, or globs"),
    Key::new("rule", Shape::TextList, "[]", "rules, or globs: \"vendor.*\""),
    Key::new("severity", Shape::WordList(&["info", "warning", "critical"]), "[]", "severities"),
    Key::later("label", Shape::Text, "", "labels of checks"),
    Key::later("blame", Shape::Text, "", "whose fault it is"),
];

pub(super) const ROUTE: &[Key] = &[
    Key::new("match", Shape::Table(MATCH), "{}", "which alerts it takes; none: all"),
    Key::required("receiver", Shape::Text, "the name of a receiver"),
    Key::new("group_by", Shape::WordList(GROUP_LABELS), "[\"vendor\"]", "alerts that agree in these are told together"),
    Key::new("group_wait", Shape::Wait, "\"15s\"", "how long the first alert of a group waits for others"),
    Key::new("group_interval", Shape::Wait, "\"5m\"", "how long further firing alerts of a group already told are held back"),
    Key::new("repeat_interval", Shape::Duration, "\"4h\"", "how often what still fires is told again"),
    Key::new("continue", Shape::Flag, "false", "look at the next routes too"),
    Key::later("routes", Shape::Text, "", "routes that refine this one"),
    Key::later("active", Shape::Text, "", "when this route may tell"),
    Key::later("mute", Shape::Text, "", "when this route may not tell"),
    Key::later("escalate", Shape::Text, "", "whom to tell while nobody acknowledges"),
    Key::later("fallback", Shape::Text, "", "who is told what is dead"),
];

pub(super) const VENDOR: &[Key] = &[
    Key::new("id", Shape::Text, "", "must be the file's name without .toml if it is written"),
    Key::new("catalog", Shape::Text, "", "the vendor's id in the built-in catalogue (vendord catalog search): name, category, website and status page come from there unless written"),
    Key::new("name", Shape::Text, "", "for people; default: the catalogue's, else the id"),
    Key::new("tier", Shape::Count(1, 4), "3", "how much depends on it, 1 is most"),
    Key::new("category", Shape::Text, "\"\"", "what it does for us; default: the catalogue's"),
    Key::new("website", Shape::Text, "\"\"", "its home page; default: the catalogue's"),
    Key::new("merge_gap", Shape::Wait, "\"5m\"", "a failure this soon after an outage opens the same outage again"),
];

/// Keys and tables of a vendor file that belong to the registry, which this version does not read.
pub(super) const LATER_VENDOR: &[&str] = &[
    "services", "contracts", "contract", "documents", "legal_name", "hq", "identifiers", "person", "parent", "domains", "tags", "description", "owners",
    "contacts", "stage", "role", "subprocessors", "exit", "publish", "risk", "rules", "verified", "depends_on",
];

pub(super) const CHECK: &[Key] = &[
    Key::required("name", Shape::Text, "what it is called; its history hangs on it"),
    Key::required("kind", Shape::Text, "what it measures, for example \"http\""),
    Key::new("interval", Shape::Duration, "\"60s\"", "time between two looks"),
    Key::new("timeout", Shape::Duration, "", "one deadline for the whole look; default: the smaller of 10s and 9/10 of the interval"),
    Key::new("retry_interval", Shape::Duration, "", "time between looks while the last one disagrees with the state; default: the smaller of 10s and half the interval"),
    Key::new("down_after", Shape::Runs, "\"3\"", "failing looks that confirm a change for the worse: \"3\" in a row or \"3/5\""),
    Key::new("up_after", Shape::Runs, "\"2\"", "good looks that confirm recovery"),
    Key::new("flap_changes", Shape::Count(0, 1_000_000), "6", "more confirmed changes than this in an hour is flapping; 0: never"),
    Key::new("severity", Shape::OneOf(&["down", "degraded", "none"]), "\"down\"", "the worst state it can give its vendor"),
    Key::new("enabled", Shape::Flag, "true", "false pauses it"),
    Key::new("renamed_from", Shape::Text, "", "the name it had before: its history is carried over"),
    Key::new("labels", Shape::TextMap, "{}", "go to routes, API and pages, never to metrics"),
    Key::later("runs_on", Shape::Text, "", "locations that run it"),
    Key::later("quorum", Shape::Text, "", "how many locations must agree"),
    Key::later("services", Shape::Text, "", "which of the vendor's services it stands for"),
];

/// For kinds that see certificates, or a domain's registration.
pub(super) const CERTIFICATE: &[Key] = &[Key::new("expires_within", Shape::Duration, "\"14d\"", "an alert when a certificate (of a domain: its registration) has less time left; changes no state")];

/// Kinds of checks that see something end.
const SEE_ENDS: &[&str] = &["http", "tcp", "tls", "grpc", "websocket", "domain"];

/// Keys that only a check itself can have, never the defaults.
pub(super) const NO_DEFAULT: &[&str] = &["name", "kind", "url", "address", "services", "renamed_from", "record_name", "domain"];

/// What `format` may be: `auto` and every format there is.
const PAGE_FORMATS: &[&str] = &{
    let mut names = ["auto"; 1 + feeds::FORMATS.len()];
    let mut at = 0;
    while at < feeds::FORMATS.len() {
        names[1 + at] = feeds::FORMATS[at].name;
        at += 1;
    }
    names
};

pub(super) const STATUS_PAGE: &[Key] = &[
    Key::new("url", Shape::Text, "", "the page as people see it, or a document of it; default for the first page: the catalogue's"),
    Key::new("name", Shape::Text, "", "default: status, then status-2 and so on"),
    Key::new("format", Shape::OneOf(PAGE_FORMATS), "\"auto\"", "the engine that made the page; auto: found out at first contact"),
    Key::new("components", Shape::TextList, "[]", "ids, names, globs or \"Group / Name\" of what we use; none: all"),
    Key::new("groups", Shape::TextList, "[]", "groups of components that we use, or globs; none: all"),
    Key::new("regions", Shape::TextList, "[]", "regions that we use, or globs; none: all"),
    Key::new("map", Shape::TextMap, "{}", "for generic_json and generic_html: where things are, as JSONPath or CSS selector"),
    Key::new("words", Shape::TextMap, "{}", "for the same: what a word of the page is in ours, as { ok = \"operational\" }"),
    Key::new("headers", Shape::SecretMap, "{}", "sent with each request to the page's own host"),
    Key::new("interval", Shape::Duration, "", "time between two reads; default: 60s, less while something is wrong"),
    Key::new("timeout", Shape::Duration, "\"15s\"", "one deadline for the whole read"),
    Key::new("stale_after", Shape::Duration, "\"15m\"", "an alert when nothing could be read for this long"),
    Key::new("watch_components", Shape::Flag, "false", "a series per component"),
    Key::new("allow_private", Shape::Flag, "false", "allow addresses that are not of the public internet"),
    Key::new("enabled", Shape::Flag, "true", "false pauses it"),
    Key::new("labels", Shape::TextMap, "{}", "go to routes, API and pages, never to metrics"),
];

/// Keys of `[defaults.status_pages]`: what several pages can share.
pub(super) fn status_page_defaults() -> Vec<Key> {
    let own = ["url", "name", "components", "groups", "map", "words", "headers"];
    STATUS_PAGE.iter().filter(|key| !own.contains(&key.name)).copied().collect()
}

/// All keys of checks of one kind, the kind's own first.
pub(super) fn of_check(kind: &crate::probes::Kind) -> Vec<&'static [Key]> {
    let mut keys = kind.keys.to_vec();
    if SEE_ENDS.contains(&kind.name) {
        keys.push(CERTIFICATE);
    }
    keys.push(CHECK);
    keys
}

/// Whether a key says what one check is about: what it must say itself is never a default.
pub(super) fn is_own(name: &str, kinds: &Kinds) -> bool {
    let mut required = kinds.probes.iter().flat_map(|kind| kind.keys.iter().copied().flatten()).filter(|key| key.required);
    NO_DEFAULT.contains(&name) || required.any(|key| key.name == name)
}

/// All keys that `[defaults.checks]` may have.
pub(super) fn check_defaults(kinds: &Kinds) -> Vec<Key> {
    let every = kinds.probes.iter().flat_map(of_check).flatten().chain(CHECK);
    every.filter(|key| !is_own(key.name, kinds)).copied().collect()
}

/// One table of the configuration: its name as it is written, and its keys.
pub struct Described {
    pub table: String,
    pub keys: Vec<Key>,
}

/// Every table with every key, as the reference pages list them.
pub fn tables(kinds: &Kinds) -> Vec<Described> {
    let described = |table: String, keys: &[&[Key]]| Described { table, keys: keys.concat() };
    let mut tables: Vec<Described> = SECTIONS.iter().map(|(name, keys)| described(format!("[{name}]"), &[keys])).collect();
    tables.push(described("[[receivers]]".into(), &[RECEIVER]));
    tables.extend(kinds.channels.iter().map(|kind| described(format!("[[receivers]] kind = \"{}\"", kind.name), &[kind.keys])));
    tables.push(described("[[routes]]".into(), &[ROUTE]));
    tables.push(described("match of [[routes]]".into(), &[MATCH]));
    tables.push(described("vendors/*.toml".into(), &[VENDOR]));
    tables.push(described("[[checks]]".into(), &[CHECK, CERTIFICATE]));
    for kind in kinds.probes {
        let name = format!("[[checks]] kind = \"{}\"", kind.name);
        tables.push(described(name.clone(), kind.keys));
        for key in kind.keys.iter().copied().flatten() {
            match key.shape {
                Shape::Table(inner) => tables.push(described(format!("{} of {name}", key.name), &[inner])),
                Shape::Tables(inner) => tables.push(described(format!("[[checks.{}]] of {name}", key.name), inner)),
                _ => {}
            }
        }
    }
    tables.push(described("[[status_pages]]".into(), &[STATUS_PAGE]));
    tables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reader;

    #[test]
    fn every_key_is_explained_and_its_default_can_be_read() {
        for Described { table, keys } in tables(&Kinds::of_this_version()) {
            for key in keys {
                assert!(!key.help.is_empty() && !key.help.contains('\n'), "{table} {}: help", key.name);
                assert!(key.default.is_empty() || reader::default(&key).is_some(), "{table} {}: default {}", key.name, key.default);
            }
        }
    }

    #[test]
    fn no_key_is_described_twice_for_one_kind() {
        for kind in Kinds::of_this_version().probes {
            let mut names: Vec<&str> = kind.keys.iter().copied().flatten().map(|key| key.name).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{}", kind.name);
        }
    }
}
