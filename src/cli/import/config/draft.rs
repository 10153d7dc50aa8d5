//! A check as it will be written: values that become TOML, what could not be carried, and what a person has to do.
//!
//! A secret never gets in: whoever drafts a check hands over where the secret is to be found.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use crate::config;
use crate::config::show_duration;
use crate::model::id::name_problem;
use crate::model::{Fault, Secret, Settings, Value};
use crate::probes::Workshop;

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Written {
    Text(String),
    Number(u64),
    Flag(bool),
    Duration(Duration),
    Texts(Vec<String>),
    Numbers(Vec<u64>),
    /// Where a secret is: `{ env = ".." }`.
    Env(String),
    Map(Vec<(String, Written)>),
}

/// A monitor of theirs on its way to become a check.
#[derive(Clone, Debug)]
pub struct Draft {
    /// How they call it, with its group.
    pub title: String,
    pub group: String,
    pub name: String,
    pub kind: &'static str,
    keys: Vec<(&'static str, Written)>,
    pub expect: Vec<String>,
    /// What the check does not do although their monitor did.
    pub lost: Vec<String>,
    /// What a person has to do before it works as it did.
    pub remarks: Vec<String>,
    /// It cannot work before a person did something: what was secret stood where we have no reference.
    incomplete: bool,
}

/// Why a monitor becomes no check.
pub type Refusal = String;

/// What is read from headers, queries and texts as a credential, by its name.
const CREDENTIALS: [&str; 12] =
    ["auth", "cookie", "token", "key", "secret", "session", "pass", "pwd", "signature", "sig", "credential", "jwt"];
/// Headers that hold none, whatever else is in them.
const HARMLESS: [&str; 15] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-type",
    "dnt",
    "host",
    "if-none-match",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "x-requested-with",
];
/// A part of a path that is this long and a mix of digits and letters may be a secret: the address of a webhook.
const SECRET_PART_CHARS: usize = 20;

impl Draft {
    pub fn new(group: &str, name: &str, kind: &'static str) -> Draft {
        let title = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        Draft {
            title,
            group: group.to_owned(),
            name: named(name),
            kind,
            keys: Vec::new(),
            expect: Vec::new(),
            lost: Vec::new(),
            remarks: Vec::new(),
            incomplete: false,
        }
    }

    pub fn set(&mut self, key: &'static str, value: Written) {
        self.keys.push((key, value));
    }

    pub fn text(&mut self, key: &'static str, value: impl Into<String>) {
        self.set(key, Written::Text(value.into()));
    }

    pub fn lose(&mut self, what: impl Into<String>) {
        self.lost.push(what.into());
    }

    /// The name of a variable in which a secret of this check is to be found.
    pub fn secret(&mut self, what: &str) -> Written {
        let variable = self.variable(what);
        self.remarks.push(format!("put its {what} into the environment as {variable}"));
        Written::Env(variable)
    }

    fn variable(&self, what: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        format!("{}_{}", named(&self.title), named(what)).chars().map(plain).collect()
    }

    /// An address to ask, without what may be secret in it. A user name and password become `auth` of kind http.
    pub fn url(&mut self, text: &str) -> Result<(), Refusal> {
        let mut url = Url::parse(text.trim()).map_err(|error| format!("its address is no URL: {error}"))?;
        let (user, password) = (url.username().to_owned(), url.password().is_some());
        if !user.is_empty() || password {
            let no_user = || "its address has a user name that cannot be taken out".to_owned();
            url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| no_user())?;
            self.basic_auth(&user);
        }
        self.hide_in_path(&mut url);
        self.hide_in_query(&mut url);
        self.text("url", url);
        Ok(())
    }

    fn hide_in_path(&mut self, url: &mut Url) {
        let parts: Vec<String> = url.path().split('/').map(str::to_owned).collect();
        let shown: Vec<&str> = parts.iter().map(|part| if may_be_secret(part) { "REPLACE-ME" } else { part.as_str() }).collect();
        if shown.iter().zip(&parts).any(|(shown, part)| shown != part) {
            url.set_path(&shown.join("/"));
            self.incomplete("a part of its address that may be secret was replaced by REPLACE-ME");
        }
    }

    fn hide_in_query(&mut self, url: &mut Url) {
        let pairs: Vec<(String, String)> = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let hidden = |(name, value): &(String, String)| is_credential(name) || may_be_secret(value);
        if !pairs.iter().any(hidden) {
            return;
        }
        let shown = pairs.iter().map(|pair| (pair.0.as_str(), if hidden(pair) { "REPLACE-ME" } else { pair.1.as_str() }));
        url.query_pairs_mut().clear().extend_pairs(shown);
        self.incomplete("what may be secret in its query was replaced by REPLACE-ME");
    }

    fn incomplete(&mut self, why: &str) {
        self.incomplete = true;
        self.remarks.push(format!("{why}: write it, and remove enabled = false"));
    }

    /// Where it is not shorter than the interval, the default has to do.
    pub fn timeout(&mut self, timeout: Duration) {
        let interval = self.keys.iter().find_map(|(key, written)| match written {
            Written::Duration(interval) if *key == "interval" => Some(*interval),
            _ => None,
        });
        if timeout < interval.unwrap_or(Duration::from_secs(60)) && !timeout.is_zero() {
            self.set("timeout", Written::Duration(timeout));
        } else {
            self.lose("its timeout: it has to be shorter than the interval");
        }
    }

    pub fn basic_auth(&mut self, user: &str) {
        if self.kind != "http" {
            self.lose("its user name and password");
            return;
        }
        let user = if may_be_secret(user) || user.contains("${") {
            self.incomplete("its user name may be secret and was replaced by REPLACE-ME");
            "REPLACE-ME"
        } else {
            user
        };
        let password = self.secret("password");
        let basic = vec![("username".to_owned(), Written::Text(user.to_owned())), ("password".to_owned(), password)];
        self.set("auth", Written::Map(vec![("basic".to_owned(), Written::Map(basic))]));
    }

    /// Headers; each that may hold a secret becomes a reference.
    pub fn headers(&mut self, headers: impl IntoIterator<Item = (String, String)>) {
        let mut written = Vec::new();
        for (name, value) in headers {
            let lower = name.to_ascii_lowercase();
            let harmless = HARMLESS.contains(&lower.as_str()) && !may_be_secret(&value);
            if harmless || (!is_credential(&name) && value.len() < SECRET_PART_CHARS / 2 && !value.contains("${")) {
                written.push((name, Written::Text(value)));
            } else if lower == "authorization" && value.starts_with("Bearer ") && self.kind == "http" {
                let bearer = match variable_in(value.trim_start_matches("Bearer ").trim()) {
                    Some(variable) => Written::Env(variable.to_owned()),
                    None => self.secret("token"),
                };
                self.set("auth", Written::Map(vec![("bearer".to_owned(), bearer)]));
            } else {
                let what = format!("header {name}");
                let reference = match variable_in(value.trim()) {
                    Some(variable) => Written::Env(variable.to_owned()),
                    None => self.secret(&what),
                };
                written.push((name, reference));
            }
        }
        if !written.is_empty() {
            self.set("headers", Written::Map(written));
        }
    }

    /// What is sent, unless it looks as if a secret were in it.
    pub fn body(&mut self, key: &'static str, body: &str) {
        if body.is_empty() {
            return;
        }
        if is_credential(body) || body.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c)).any(may_be_secret) {
            self.text(key, "REPLACE-ME");
            self.incomplete("what it sends may hold a secret and was replaced by REPLACE-ME");
        } else {
            self.text(key, body);
        }
    }

    /// Leaves out each condition that the kind refuses, and says whether the rest can be a check.
    pub fn settle(&mut self, workshop: &Workshop) -> Result<(), Refusal> {
        loop {
            let Err(faults) = config::unconfigured(self.kind, self.values(), workshop) else { return Ok(()) };
            let Some(fault) = faults.into_iter().next() else { return Ok(()) };
            match fault.item.filter(|item| fault.key == "expect" && *item < self.expect.len()) {
                Some(item) => {
                    let condition = self.expect.remove(item);
                    self.lose(format!("{condition}: {}", config::said(&fault)));
                }
                None => return Err(refusal(&fault)),
            }
        }
    }

    fn values(&self) -> Vec<(&'static str, Value)> {
        let mut values: Vec<_> = self.keys.iter().filter_map(|(key, written)| Some((*key, value(key, written)?))).collect();
        if !self.expect.is_empty() {
            values.push(("expect", Value::TextList(self.expect.clone())));
        }
        values
    }

    pub fn toml(&self) -> String {
        let mut text = format!("[[checks]]\nname = {}\nkind = {}\n", quoted(&self.name), quoted(self.kind));
        for (key, value) in &self.keys {
            text += &format!("{key} = {}\n", value.toml());
        }
        if !self.expect.is_empty() {
            text += &format!("expect = {}\n", Written::Texts(self.expect.clone()).toml());
        }
        let enabled = !self.keys.iter().any(|(key, _)| *key == "enabled");
        if self.incomplete && enabled {
            text += "enabled = false\n";
        }
        text
    }
}

impl Written {
    fn toml(&self) -> String {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        match self {
            Written::Text(text) => quoted(text),
            Written::Number(number) => number.to_string(),
            Written::Flag(flag) => flag.to_string(),
            Written::Duration(duration) => quoted(&show_duration(*duration)),
            Written::Texts(texts) => list(texts.iter().map(|text| quoted(text)).collect()),
            Written::Numbers(numbers) => list(numbers.iter().map(u64::to_string).collect()),
            Written::Env(variable) => format!("{{ env = {} }}", quoted(variable)),
            Written::Map(map) => {
                let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{} = {}", bare_key(key), value.toml())).collect();
                format!("{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// For the kind to judge. Keys of every check are the configuration's, and who we are is of no consequence here.
fn value(key: &str, written: &Written) -> Option<Value> {
    // Long enough to be a token.
    let stand_in = || Secret::new("0123456789abcdef0123".to_owned());
    Some(match (key, written) {
        ("interval" | "timeout" | "retry_interval" | "down_after" | "enabled" | "auth", _) => return None,
        ("headers", Written::Map(map)) => {
            let secret = |value: &Written| match value {
                Written::Text(text) => Secret::new(text.clone()),
                _ => stand_in(),
            };
            Value::SecretMap(map.iter().map(|(name, value)| (name.clone(), secret(value))).collect())
        }
        ("expect_answers", Written::Map(map)) => {
            let texts = map.iter().filter_map(|(name, value)| match (name.as_str(), value) {
                ("any", Written::Texts(texts)) => Some(("any", Value::TextList(texts.clone()))),
                _ => None,
            });
            Value::Table(Settings(texts.collect::<BTreeMap<_, _>>()))
        }
        (_, Written::Text(text)) => Value::Text(text.clone()),
        (_, Written::Number(number)) => Value::Count(*number),
        (_, Written::Flag(flag)) => Value::Flag(*flag),
        (_, Written::Duration(duration)) => Value::Duration(*duration),
        (_, Written::Texts(texts)) => Value::TextList(texts.clone()),
        (_, Written::Numbers(numbers)) => Value::CountList(numbers.clone()),
        (_, Written::Env(_)) => Value::Secret(stand_in()),
        (_, Written::Map(_)) => return None,
    })
}

fn refusal(fault: &Fault) -> Refusal {
    config::said(fault)
}

/// As a name of ours: letters, digits, `-`, `_` and `.`.
pub fn named(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let mut name = String::new();
    for c in text.trim().chars().map(plain).take(CHARS_MAX) {
        if !(c == '-' && name.ends_with('-')) {
            name.push(c);
        }
    }
    let name = name.trim_start_matches(['-', '_', '.']).trim_end_matches('-').to_owned();
    if name_problem(&name).is_some() { "check".to_owned() } else { name }
}

/// Gives each check a name of its own: the group's before it where two have the same, then numbers.
pub fn distinguish(drafts: &mut [Draft]) {
    let mut number: BTreeMap<String, usize> = BTreeMap::new();
    drafts.iter().for_each(|draft| *number.entry(draft.name.clone()).or_default() += 1);
    let mut taken = std::collections::BTreeSet::new();
    for draft in drafts {
        let shared = number.get(&draft.name).is_some_and(|number| *number > 1);
        let base = if shared && !draft.group.is_empty() { named(&format!("{}-{}", draft.group, draft.name)) } else { draft.name.clone() };
        let free = (1..).map(|n: usize| if n == 1 { base.clone() } else { format!("{base}-{n}") }).find(|name| !taken.contains(name));
        draft.name = free.unwrap_or(base);
        taken.insert(draft.name.clone());
    }
}

/// `${NAME}` or `$NAME`, and nothing else.
fn variable_in(text: &str) -> Option<&str> {
    let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).or_else(|| text.strip_prefix('$'))?;
    (!inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some(inner)
}

fn is_credential(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|part| lower.contains(part))
}

fn may_be_secret(part: &str) -> bool {
    let has = |test: fn(&char) -> bool| part.chars().any(|c| test(&c));
    part.len() >= SECRET_PART_CHARS
        && has(char::is_ascii_digit)
        && has(char::is_ascii_alphabetic)
        && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_=+%~:".contains(c))
}

/// As a TOML text: what JSON escapes, TOML escapes in the same way, but for DEL.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn bare_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if bare { key.to_owned() } else { quoted(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ours() {
        for (theirs, ours) in
            [("Front end", "front-end"), ("  API (EU) ", "api-eu"), ("äöü", "check"), ("..x", "x"), ("a__b", "a__b"), ("1 / 2", "1-2")]
        {
            assert_eq!(named(theirs), ours, "{theirs}");
        }
        let mut drafts = [Draft::new("core", "api", "http"), Draft::new("eu", "API", "http"), Draft::new("eu", "api", "tcp")];
        distinguish(&mut drafts);
        assert_eq!(drafts.map(|d| d.name), ["core-api", "eu-api", "eu-api-2"]);
    }

    #[test]
    fn no_secret_is_written() {
        let mut draft = Draft::new("", "api", "http");
        draft.url("https://joe:hunter2@api.example/hooks/T024BE91LA0b1c2d3e4f5/x?token=abc123&page=2").unwrap();
        draft.headers([
            ("Accept".to_owned(), "text/html".to_owned()),
            ("X-Api-Key".to_owned(), "k3y".to_owned()),
            ("X-Trace".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        ]);
        draft.body("body", "{\"password\": \"hunter2\"}");
        let toml = draft.toml();
        for secret in ["hunter2", "T024BE91LA0b", "abc123", "k3y", "4bf92f"] {
            assert!(!toml.contains(secret) && !draft.remarks.concat().contains(secret), "{secret}: {toml}");
        }
        assert!(toml.contains("page=2") && toml.contains("Accept = \"text/html\"") && toml.contains("enabled = false"), "{toml}");
        assert!(toml.contains("auth = { basic = { username = \"joe\", password = { env = \"API_PASSWORD\" } } }"), "{toml}");
    }

    #[test]
    fn their_own_variables_stay() {
        let mut draft = Draft::new("", "api", "http");
        draft.headers([("Authorization".to_owned(), "Bearer ${API_TOKEN}".to_owned())]);
        assert!(draft.toml().contains("auth = { bearer = { env = \"API_TOKEN\" } }") && draft.remarks.is_empty(), "{}", draft.toml());
    }
}
