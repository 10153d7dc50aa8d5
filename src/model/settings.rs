//! The seam between configuration and everything that is configured.
//!
//! A kind of probe or channel, and each table of `vendord.toml`, describes its keys as data. The configuration reads
//! TOML by that description, keeps the place of every value, fills in defaults and hands over [`Settings`]; the kind
//! turns them into something that runs, or answers [`Fault`]s that name a key, and the configuration points at it in the file.
//! Help, the reference pages and the check for unknown keys come from the same lists.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{KofN, Secret};

/// What may be written for a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Text,
    /// A file; relative to the folder of the main configuration file. Handed over as [`Value::Text`], joined with it.
    Path,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One or more of these words; a lone word is a list of one. Handed over as [`Value::TextList`].
    WordList(&'static [&'static str]),
    /// `"30s"`, `"5m"`, `"2h"`: a text with units, longer than zero.
    Duration,
    /// As [`Shape::Duration`], and `"0s"` is allowed.
    Wait,
    /// `["0s", "5m"]`; a lone text is a list of one. Handed over as [`Value::DurationList`].
    WaitList,
    /// `"10MiB"` or a plain number of bytes.
    Size,
    /// A whole number within these bounds.
    Count(u64, u64),
    /// `"3"`, `3` or `"3/5"`.
    Runs,
    Flag,
    /// `["a", "b"]`; a lone text is a list of one.
    TextList,
    CountList(u64, u64),
    /// `{ name = "value" }`.
    TextMap,
    /// `{ file = ".." }`, `{ env = ".." }` or `{ credential = ".." }`; never the text itself.
    Secret,
    /// A text, or a reference as for [`Shape::Secret`]. Handed over as a secret either way.
    TextOrSecret,
    /// `{ name = "value" }`, where each value may also be a secret reference.
    SecretMap,
    /// A table with keys of its own. Faults name them with a dot: `match.tier`.
    Table(&'static [Key]),
    /// An array of tables, `[[checks.steps]]`. Faults say which ([`Fault::within`]). The first of a name counts.
    Tables(&'static [&'static [Key]]),
}

/// One key of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    /// As TOML, for example `"\"30s\""` or `"false"`; empty: no default (see `required`).
    pub default: &'static str,
    pub required: bool,
    /// Described, but not done by this version: only its default may be written.
    pub later: bool,
    /// Only what the table itself says: a value for all of its kind would not be meant for this one.
    pub alone: bool,
    /// One line that explains it.
    pub help: &'static str,
}

impl Key {
    pub const fn new(name: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Self {
        Key { name, shape, default, required: false, later: false, alone: false, help }
    }

    /// A key that this version knows and does not act on yet. Anything but its default is refused, never silently ignored.
    pub const fn later(name: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Self {
        let mut key = Key::new(name, shape, default, help);
        key.later = true;
        key
    }

    pub const fn required(name: &'static str, shape: Shape, help: &'static str) -> Self {
        Key { name, shape, default: "", required: true, later: false, alone: false, help }
    }

    /// A key that takes nothing from a table of defaults.
    pub const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }
}

/// A value of the shape that its key asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Duration(Duration),
    DurationList(Vec<Duration>),
    Size(u64),
    Count(u64),
    Runs(KofN),
    Flag(bool),
    TextList(Vec<String>),
    CountList(Vec<u64>),
    TextMap(BTreeMap<String, String>),
    Secret(Secret),
    SecretMap(BTreeMap<String, Secret>),
    Table(Settings),
    Tables(Vec<Settings>),
}

/// The values of one table by key, defaults filled in. A key without default that was not written is absent.
/// Asking with the wrong type, or for a key that the description lacks, is a mistake in the program and panics in tests that load every kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(pub BTreeMap<&'static str, Value>);

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $variant:ident -> $type:ty;)*) => {
        impl Settings {
            $($(#[$doc])* pub fn $name(&self, key: &str) -> Option<&$type> {
                match self.0.get(key)? {
                    Value::$variant(value) => Some(value),
                    other => panic!("key `{key}` holds {other:?}, not what its description says"),
                }
            })*
        }
    };
}

getters! {
    text: Text -> str;
    duration: Duration -> Duration;
    durations: DurationList -> [Duration];
    size: Size -> u64;
    count: Count -> u64;
    runs: Runs -> KofN;
    flag: Flag -> bool;
    texts: TextList -> [String];
    counts: CountList -> [u64];
    text_map: TextMap -> BTreeMap<String, String>;
    secret: Secret -> Secret;
    secret_map: SecretMap -> BTreeMap<String, Secret>;
    table: Table -> Settings;
    tables: Tables -> [Settings];
}

impl Settings {
    /// A flag; absent is false.
    pub fn on(&self, key: &str) -> bool {
        self.flag(key).copied().unwrap_or(false)
    }
}

/// What is wrong with the value of a key, for the person who wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// The array of tables that `key` stands in, and which of its tables.
    pub within: Option<Box<(&'static str, usize)>>,
    pub key: &'static str,
    /// Which element of a list.
    pub item: Option<usize>,
    /// Which bytes of the text.
    pub at: Option<Range<usize>>,
    /// Starts in lower case, ends without a full stop: `"status" is not an operator`.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Fault {
    pub fn new(key: &'static str, message: impl Into<String>) -> Self {
        Fault { within: None, key, item: None, at: None, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A fault of table `n` of the array `tables`.
    pub fn within(mut self, tables: &'static str, n: usize) -> Self {
        self.within = Some(Box::new((tables, n)));
        self
    }

    pub fn item(mut self, item: usize) -> Self {
        self.item = Some(item);
        self
    }

    pub fn at(mut self, at: Range<usize>) -> Self {
        self.at = Some(at);
        self
    }
}

/// What a kind makes of its settings: something that runs, or everything that is wrong with them.
pub type Built<T> = Result<Arc<T>, Vec<Fault>>;
