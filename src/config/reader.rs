//! Reads a TOML table by the description of its keys.
//!
//! Invariants: every fault of a table is told, not only the first; every value keeps its place, also one that comes
//! from a table of defaults; a key that nobody described is an error; a key that this version does not act on is
//! refused unless it says what is done anyway.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostics::{Diagnostics, Finding, Level, Place};
use super::nearest::nearest;
use super::secrets::{self, Env};
use super::source::{self, Source};
use super::syntax;
use super::values::{self, Complaint};
use crate::model::id::name_problem;
use crate::model::{Fault, Key, Secret, Settings, Shape, Value};

/// What reading needs beside the text, and what was found so far.
pub(super) struct Desk<'a> {
    /// Of the main file: where relative paths begin.
    pub folder: PathBuf,
    pub env: &'a Env,
    pub diagnostics: Diagnostics,
    /// Where status pages stand, by vendor and name.
    pub pages: BTreeMap<(String, String), Place>,
}

/// A table as it stands in a file.
#[derive(Clone)]
pub(super) struct Written<'t> {
    pub source: Arc<Source>,
    pub table: &'t DeTable<'t>,
    /// Its header; empty if it has none.
    pub span: Range<usize>,
    /// What findings are about: `acme/api`.
    pub subject: String,
}

/// Message and hint.
pub(super) type Said = (String, Option<String>);

/// Which keys a table may have.
pub(super) struct Description<'k> {
    /// The first of a name counts.
    pub keys: &'k [&'k [Key]],
    /// Tables inside this one that are read elsewhere.
    pub tables: &'k [&'k str],
    /// Why a key that is not described is wrong here, where more can be said than that it is unknown.
    pub elsewhere: &'k dyn Fn(&str) -> Option<Said>,
}

impl<'k> Description<'k> {
    pub fn of(keys: &'k [&'k [Key]]) -> Self {
        Description { keys, tables: &[], elsewhere: &|_| None }
    }

    fn each(&self) -> impl Iterator<Item = &'k Key> {
        let mut seen = BTreeSet::new();
        let keys = self.keys.iter().copied().flatten();
        keys.filter(move |key| seen.insert(key.name))
    }
}

/// A table that was read, with the places of its values.
pub(super) struct Table {
    pub settings: Settings,
    pub subject: String,
    pub header: Place,
    places: BTreeMap<String, Placed>,
    /// Keys whose value was refused already; their settings hold the default, if there is one.
    refused: BTreeSet<&'static str>,
}

struct Placed {
    source: Arc<Source>,
    value: Range<usize>,
    items: Vec<Range<usize>>,
    /// It stands in this table, not in the defaults.
    own: bool,
}

impl<'a> Desk<'a> {
    pub fn new(path: &Path, env: &'a Env) -> Self {
        let path = env.current_dir.join(path);
        Desk {
            folder: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
            env,
            diagnostics: Diagnostics::default(),
            pages: BTreeMap::new(),
        }
    }

    /// The text of a file, unless it cannot be read.
    pub fn open(&mut self, path: &Path) -> Option<Arc<Source>> {
        let shown = source::shown(&self.env.current_dir.join(path), &self.env.current_dir);
        match Source::read(path, shown.clone()) {
            Ok(source) => Some(Arc::new(source)),
            Err(source::Unreadable { message, hint }) => {
                let source = Arc::new(Source::new(shown, String::new()));
                let place = Place { source, span: None };
                self.say(Level::Error, place, "", (message, hint));
                None
            }
        }
    }

    /// The tables of a file, unless its syntax is wrong.
    pub fn parse<'t>(&mut self, source: &'t Arc<Source>) -> Option<DeTable<'t>> {
        let (tree, errors) = DeTable::parse_recoverable(&source.text);
        let mut lines = BTreeSet::new();
        for error in &errors {
            let span = error.span().unwrap_or(0..0);
            // What follows on a line is most often a consequence of what came first.
            if lines.insert(source.line_column(span.start).0) {
                let said = syntax::explain(error.message(), &source.text, &span);
                let place = Place { source: source.clone(), span: Some(span) };
                self.say(Level::Error, place, "", said);
            }
        }
        errors.is_empty().then(|| tree.into_inner())
    }

    pub fn say(&mut self, level: Level, place: Place, subject: &str, (message, hint): Said) {
        self.diagnostics.push(Finding { level, place, subject: subject.into(), message, hint });
    }

    pub fn error(&mut self, written: &Written, span: Range<usize>, said: Said) {
        self.say(Level::Error, written.place(span), &written.subject, said);
    }

    /// A fault of a table that was read, at the most exact place. Nothing more is said of a value that was refused already.
    pub fn fault(&mut self, table: &Table, fault: Fault) {
        if table.refused(fault.key) {
            return;
        }
        let place = table.place_of(&fault);
        let message = with_key(fault.key, fault.message);
        self.say(Level::Error, place, &table.subject, (message, fault.hint));
    }

    pub fn warn(&mut self, table: &Table, fault: Fault) {
        let place = table.place_of(&fault);
        let message = with_key(fault.key, fault.message);
        self.say(Level::Warning, place, &table.subject, (message, fault.hint));
    }
}

/// A name that cannot be one; `what` is how messages call it.
pub(super) fn bad_name(key: &'static str, what: &str, name: &str) -> Option<Fault> {
    let problem = name_problem(name)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let better: String = name.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let better = better.trim_start_matches(['-', '_', '.']);
    let fault = Fault::new(key, format!("{what} {name:?} {problem}"));
    Some(match name_problem(better) {
        None => fault.hint(format!("write for example {better:?}")),
        Some(_) => fault.hint("write a short name of letters, digits, `-`, `_` and `.`"),
    })
}

/// Kinds say "is not a URL" of a key; here it stands alone.
pub(super) fn with_key(key: &str, message: String) -> String {
    const VERBS: [&str; 5] = ["is ", "has ", "does ", "must ", "needs "];
    if message.starts_with("not ") {
        format!("{key} is {message}")
    } else if VERBS.iter().any(|verb| message.starts_with(verb)) {
        format!("{key} {message}")
    } else {
        message
    }
}

impl<'t> Written<'t> {
    /// The table `name` inside this one. `[[name]]` and `name = 3` are errors; without it nothing is written.
    pub fn section(&self, desk: &mut Desk, name: &str, subject: &str) -> Option<Written<'t>> {
        let (key, value) = self.table.get_key_value(name)?;
        let DeValue::Table(table) = value.get_ref() else {
            let message = format!("{name} is {}, not a table", values::kind(value.get_ref()));
            let said = (message, Some(format!("write [{subject}] above its keys")));
            desk.error(self, key.span(), said);
            return None;
        };
        Some(self.inner(table, value.span(), format!("[{subject}]")))
    }

    /// The tables `[[name]]` inside this one.
    pub fn array(&self, desk: &mut Desk, name: &str) -> Vec<Written<'t>> {
        let Some((key, value)) = self.table.get_key_value(name) else {
            return Vec::new();
        };
        let mut tables = Vec::new();
        let items: &[Spanned<DeValue>] = match value.get_ref() {
            DeValue::Array(items) => items,
            _ => std::slice::from_ref(value),
        };
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) if value.get_ref().is_array() => {
                    tables.push(self.inner(table, item.span(), self.subject.clone()));
                }
                _ => {
                    let message = format!("{name} is not an array of tables");
                    let said = (message, Some(format!("write [[{name}]] above its keys")));
                    desk.error(self, key.span(), said);
                }
            }
        }
        tables
    }

    fn inner(&self, table: &'t DeTable<'t>, span: Range<usize>, subject: String) -> Written<'t> {
        Written { source: self.source.clone(), table, span, subject }
    }

    /// The text of a key, if it is one: to know a table's name before it is read.
    pub fn text(&self, key: &str) -> Option<&'t str> {
        self.table.get(key)?.get_ref().as_str()
    }
    pub fn place(&self, span: Range<usize>) -> Place {
        Place { source: self.source.clone(), span: (!span.is_empty()).then_some(span) }
    }
}

impl Table {
    pub fn refused(&self, key: &str) -> bool {
        self.refused.contains(key)
    }

    /// Whether it has all that a kind can build on.
    pub fn has_required(&self, keys: &[&[Key]]) -> bool {
        let mut required = keys.iter().copied().flatten().filter(|key| key.required);
        required.all(|key| self.settings.0.contains_key(key.name))
    }

    /// Whether the key stands in this table itself, and not only in the defaults.
    pub fn wrote(&self, key: &str) -> bool {
        self.places.get(key).is_some_and(|place| place.own)
    }

    /// Where the value of a key stands; the header if it was not written.
    pub fn place(&self, key: &str) -> Place {
        match self.places.get(key) {
            Some(placed) => Place { source: placed.source.clone(), span: Some(placed.value.clone()) },
            None => self.header.clone(),
        }
    }

    fn place_of(&self, fault: &Fault) -> Place {
        let exact = match fault.within.as_deref() {
            None => self.places.get(fault.key),
            Some((tables, n)) => {
                let inner = tables_name(tables, *n);
                self.places.get(&format!("{inner}.{}", fault.key)).or_else(|| self.places.get(&inner))
            }
        };
        let Some(placed) = exact else {
            return self.header.clone();
        };
        let value = match fault.item.and_then(|item| placed.items.get(item)) {
            Some(item) => item.clone(),
            None => placed.value.clone(),
        };
        let part = fault.at.clone().and_then(|at| inside(&placed.source.text, &value, at));
        Place { source: placed.source.clone(), span: Some(part.unwrap_or(value)) }
    }
}

/// `steps[0]`
fn tables_name(tables: &str, n: usize) -> String {
    format!("{tables}[{n}]")
}

/// Bytes `at` of a text as bytes of the file, where the text stands in it letter for letter (no escapes).
fn inside(file: &str, value: &Range<usize>, at: Range<usize>) -> Option<Range<usize>> {
    let raw = file.get(value.clone())?;
    let parsed = DeValue::parse(raw).ok()?;
    let text = parsed.get_ref().as_str()?;
    // Behind `"`, `"""`, `"""` and a line end.
    let open = [1, 3, 4, 5].into_iter().find(|open| raw.get(*open..open + text.len()) == Some(text))?;
    let (start, end) = (at.start.min(text.len()), at.end.min(text.len()));
    Some(value.start + open + start..value.start + open + end.max(start))
}

/// Reads what is written, then what `defaults` have, then the defaults of the keys.
pub(super) fn read(desk: &mut Desk, written: &Written, defaults: Option<&Written>, description: &Description) -> Table {
    let mut table = Table {
        settings: Settings::default(),
        subject: written.subject.clone(),
        header: written.place(written.span.clone()),
        places: BTreeMap::new(),
        refused: BTreeSet::new(),
    };
    refuse_unknown(desk, written, "", description);
    for key in description.each() {
        if let Some(value) = read_key(desk, &mut table, key, written, defaults) {
            table.settings.0.insert(key.name, value);
        }
    }
    table
}

/// The value of one key. A refused one gives way to its default, so that the rest of the table can be judged.
fn read_key(desk: &mut Desk, table: &mut Table, key: &Key, written: &Written, defaults: Option<&Written>) -> Option<Value> {
    let own = written.table.get(key.name).map(|value| (written, value));
    let shared = defaults.filter(|_| !key.alone);
    let found = own.or_else(|| shared.and_then(|from| Some((from, from.table.get(key.name)?))));
    let Some((from, value)) = found else {
        if key.required {
            let said = (format!("`{}` is missing", key.name), example(key));
            desk.error(written, written.span.clone(), said);
            table.refused.insert(key.name);
        }
        return default(key);
    };
    keep_place(table, key.name, from, value, own.is_some());
    let mut reading = Reading { desk, from, table: &mut *table };
    let value = reading.value(key, key.name, value);
    if value.is_none() {
        table.refused.insert(key.name);
    }
    value.or_else(|| default(key))
}

fn keep_place(table: &mut Table, name: &str, from: &Written, value: &Spanned<DeValue>, own: bool) {
    let items = value.get_ref().as_array().map(|items| items.iter().map(Spanned::span).collect());
    let placed = Placed { source: from.source.clone(), value: value.span(), items: items.unwrap_or_default(), own };
    mask_passwords(&from.source, value.span());
    table.places.insert(name.to_string(), placed);
}

/// `api = ".."`, for a required key.
fn example(key: &Key) -> Option<String> {
    let help = key.help.trim_end_matches('.');
    let mut rest = help.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_lowercase).collect();
    Some(format!("add `{} = ..`: {first}{}", key.name, rest.as_str()))
}

fn refuse_unknown(desk: &mut Desk, written: &Written, prefix: &str, description: &Description) {
    for name in written.table.keys() {
        let text = &**name.get_ref();
        if description.tables.contains(&text) || description.each().any(|key| key.name == text) {
            continue;
        }
        let said = (description.elsewhere)(text).unwrap_or_else(|| unknown(text, prefix, description.each().map(|key| key.name)));
        desk.error(written, name.span(), said);
    }
}

/// What is said of a name that nobody knows, given those that could stand there.
pub(super) fn unknown<'n>(name: &str, prefix: &str, known: impl IntoIterator<Item = &'n str>) -> Said {
    let known: Vec<&str> = known.into_iter().collect();
    let message = format!("unknown key `{prefix}{name}`");
    let hint = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known here: {}", known.join(", ")),
    };
    (message, Some(hint))
}

/// What a key is when nobody writes it.
pub(super) fn default(key: &Key) -> Option<Value> {
    if let Shape::Tables(_) = key.shape {
        return (!key.default.is_empty()).then(|| Value::Tables(Vec::new()));
    }
    if let Shape::Table(keys) = key.shape {
        let inner = keys.iter().filter_map(|key| Some((key.name, default(key)?)));
        return (!key.default.is_empty()).then(|| Value::Table(Settings(inner.collect())));
    }
    if key.default.is_empty() {
        return None;
    }
    let value = DeValue::parse(key.default).expect("the defaults of all keys are read by a test");
    match (key.shape, value.get_ref()) {
        (Shape::TextOrSecret, DeValue::String(text)) => Some(Value::Secret(Secret::new(text.to_string()))),
        (Shape::SecretMap, _) => Some(Value::SecretMap(BTreeMap::new())),
        (shape, _) => values::convert(shape, key.name, &value).ok(),
    }
}

/// One table on its way from TOML to [`Settings`].
struct Reading<'d, 'a, 't, 'w> {
    desk: &'d mut Desk<'a>,
    from: &'w Written<'w>,
    table: &'t mut Table,
}

impl Reading<'_, '_, '_, '_> {
    /// `name` is how the key is called in messages: `match.tier`.
    fn value(&mut self, key: &Key, name: &str, value: &Spanned<DeValue>) -> Option<Value> {
        if key.later && key.default.is_empty() {
            self.refuse_later(name, value, None);
            return None;
        }
        let read = match key.shape {
            Shape::Table(keys) => self.nested(&[keys], name, value)?,
            Shape::Tables(keys) => self.array(keys, name, value)?,
            Shape::Secret => Value::Secret(self.secret(name, value)?),
            Shape::TextOrSecret => Value::Secret(self.text_or_secret(name, value)?),
            Shape::SecretMap => Value::SecretMap(self.secret_map(name, value)?),
            shape => {
                let converted = values::convert(shape, name, value);
                converted.map_err(|complaints| self.complain(complaints)).ok()?
            }
        };
        let read = match (key.shape, read) {
            (Shape::Path, Value::Text(path)) if !path.is_empty() => Value::Text(self.desk.folder.join(path).display().to_string()),
            (_, read) => read,
        };
        if key.later && Some(&read) != default(key).as_ref() {
            self.refuse_later(name, value, Some(key.default));
            return None;
        }
        Some(read)
    }

    fn complain(&mut self, complaints: Vec<Complaint>) {
        for Complaint { span, message, hint } in complaints {
            self.desk.error(self.from, span, (message, hint));
        }
    }

    fn refuse_later(&mut self, name: &str, value: &Spanned<DeValue>, default: Option<&str>) {
        let span = span_of_key(self.from.table, name).unwrap_or_else(|| value.span());
        self.desk.error(self.from, span, not_supported(&format!("`{name}`"), default));
    }

    /// `[[checks.steps]]`; every fault of every table is told.
    fn array(&mut self, keys: &'static [&'static [Key]], name: &str, value: &Spanned<DeValue>) -> Option<Value> {
        let Some(items) = value.get_ref().as_array() else {
            let said = (
                format!("{name} is {}, not an array of tables", values::kind(value.get_ref())),
                Some(format!("write [[checks.{name}]] above the keys of each")),
            );
            self.desk.error(self.from, value.span(), said);
            return None;
        };
        let own = self.table.wrote(name);
        let mut tables = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            let inner = tables_name(name, n);
            keep_place(self.table, &inner, self.from, item, own);
            if let Some(Value::Table(settings)) = self.nested(keys, &inner, item) {
                tables.push(settings);
            }
        }
        (tables.len() == items.len()).then_some(Value::Tables(tables))
    }

    /// `None` when it is no table or lacks what it needs.
    fn nested(&mut self, keys: &[&'static [Key]], name: &str, value: &Spanned<DeValue>) -> Option<Value> {
        let description = Description::of(keys);
        let DeValue::Table(inner) = value.get_ref() else {
            let first = description.each().next().map_or("key", |key| key.name);
            let said =
                (format!("{name} is {}, not a table", values::kind(value.get_ref())), Some(format!("write `{name} = {{ {first} = .. }}`")));
            self.desk.error(self.from, value.span(), said);
            return None;
        };
        let written = Written { source: self.from.source.clone(), table: inner, span: value.span(), subject: self.from.subject.clone() };
        refuse_unknown(self.desk, &written, &format!("{name}."), &description);
        let own = self.table.wrote(name);
        let mut settings = Settings::default();
        let mut whole = true;
        for key in description.each() {
            let full = format!("{name}.{}", key.name);
            let value = match inner.get(key.name) {
                Some(value) => {
                    keep_place(self.table, &full, &written, value, own);
                    let read = self.value(key, &full, value);
                    whole &= read.is_some() || !key.required;
                    read.or_else(|| default(key))
                }
                None if key.required => {
                    let said = (format!("`{full}` is missing"), example(key));
                    self.desk.error(&written, written.span.clone(), said);
                    whole = false;
                    None
                }
                None => default(key),
            };
            if let Some(value) = value {
                settings.0.insert(key.name, value);
            }
        }
        whole.then_some(Value::Table(settings))
    }

    fn secret(&mut self, name: &str, value: &Spanned<DeValue>) -> Option<Secret> {
        if value.get_ref().is_str() {
            self.from.source.mask(value.span());
        }
        match secrets::follow(name, value, &self.desk.folder, self.desk.env) {
            Ok(secret) => Some(secret),
            Err(complaint) => {
                self.complain(vec![complaint]);
                None
            }
        }
    }

    fn text_or_secret(&mut self, name: &str, value: &Spanned<DeValue>) -> Option<Secret> {
        let DeValue::String(text) = value.get_ref() else {
            return self.secret(name, value);
        };
        let span = value.span();
        let raw = &self.from.source.text[span.clone()];
        self.from.source.mask(span.start + public_part(raw)..span.end);
        Some(Secret::new(text.to_string()))
    }

    fn secret_map(&mut self, name: &str, value: &Spanned<DeValue>) -> Option<BTreeMap<String, Secret>> {
        let DeValue::Table(table) = value.get_ref() else {
            let said = values::not_a_map(name, value.get_ref());
            self.desk.error(self.from, value.span(), said);
            return None;
        };
        let mut map = BTreeMap::new();
        for (inner, value) in table {
            let inner: &DeString = inner.get_ref();
            if let Some(secret) = self.text_or_secret(&format!("{name}.{inner}"), value) {
                map.insert(inner.to_string(), secret);
            }
        }
        (map.len() == table.len()).then_some(map)
    }
}

/// What stands before the `@` of a URL is nobody's business, wherever the URL stands.
fn mask_passwords(source: &Source, value: Range<usize>) {
    let raw = &source.text[value.clone()];
    for (scheme_end, _) in raw.match_indices("://") {
        let user = scheme_end + "://".len();
        let end = raw[user..].find(['/', '?', '#', '"', '\'', ' ']).map_or(raw.len(), |at| user + at);
        if let Some(at) = raw[user..end].rfind('@') {
            source.mask(value.start + user..value.start + user + at);
        }
    }
}

/// How many bytes of a written value may be shown: scheme and host of a URL, nothing of anything else.
fn public_part(raw: &str) -> usize {
    let Some(host) = raw.find("://").map(|at| at + 3) else {
        return 0;
    };
    let end = raw[host..].find(['/', '?', '#', '@']).map_or(raw.len(), |at| host + at);
    if raw[host..].contains('@') { 0 } else { end }
}

fn span_of_key(table: &DeTable, name: &str) -> Option<Range<usize>> {
    let (key, _) = table.get_key_value(name)?;
    Some(key.span())
}

/// `what` with its quotes: "`witnesses`", "kind \"dns\"".
pub(super) fn not_supported(what: &str, default: Option<&str>) -> Said {
    let hint = match default {
        Some(default) => format!("remove it, or write its default: {default}"),
        None => "remove it".into(),
    };
    (format!("{what} is not supported by this version yet"), Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `part` of the text of `key`, as it is found in the file.
    fn marked(file: &str, part: &str) -> Option<String> {
        let tree = DeTable::parse(file).unwrap();
        let value = tree.get_ref().get("key").unwrap();
        let text = value.get_ref().as_str().unwrap();
        let start = text.find(part).unwrap();
        let span = inside(file, &value.span(), start..start + part.len())?;
        Some(file[span].to_string())
    }

    #[test]
    fn bytes_of_a_text_are_found_in_the_file_unless_it_has_escapes() {
        for file in [
            "x = 1\nkey = \"status = 200\"",
            "key = 'status = 200'",
            "key = \"\"\"status = 200\"\"\"",
            "key = \"\"\"\nstatus = 200\"\"\"",
            "key = \'\'\'\r\nü status = 200\'\'\'",
        ] {
            assert_eq!(marked(file, "= 2"), Some("= 2".into()), "{file}");
        }
        assert_eq!(marked("key = \"a \\\" = 2\"", "= 2"), None);
    }

    #[test]
    fn of_a_secret_url_the_host_is_shown() {
        for (raw, shown) in [
            ("\"https://hooks.example/T0/B0\"", "\"https://hooks.example"),
            ("\"https://user:pass@hooks.example/\"", ""),
            ("\"https://hooks.example?token=x\"", "\"https://hooks.example"),
            ("\"whsec_abc\"", ""),
        ] {
            assert_eq!(&raw[..public_part(raw)], shown);
        }
    }
}
