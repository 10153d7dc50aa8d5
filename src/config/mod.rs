//! What the files say, checked and typed. Loading validates everything first (syntax, keys, references, expressions,
//! secrets) and reports every fault with its place; nothing half-valid leaves this module.
//!
//! - `keys` describes every key, `reader` reads a table by such a description, `values` and `secrets` read one value;
//! - `daemon_file`, `alerting`, `vendor_file`, `status_page` and `check` make the types below of what was read;
//! - `catalog` knows vendors by name, so that a file need not say what everybody knows;
//! - `source` and `diagnostics` keep files and findings; `lint` says what loads and is probably not meant.
//!
//! Deliberately not here: what a kind of check or receiver makes of its own keys, and when a reload happens.

mod alerting;
pub mod catalog;
mod check;
mod daemon_file;
mod diagnostics;
mod fingerprint;
// One line per key reads like the table it is.
#[rustfmt::skip]
mod keys;
mod lint;
mod nearest;
mod reader;
mod secrets;
mod source;
mod status_page;
mod syntax;
mod values;
mod vendor_file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use url::Url;

use crate::channels::{self, Channel};
use crate::feeds::Mapping;
use crate::model::{CheckId, Fault, Route, Terms, Value, VendorId};
use crate::probes::{self, Probe, Workshop};

pub use diagnostics::{Diagnostics, Finding, Level, Place};
pub use keys::{Described, tables};
pub use nearest::nearest;
pub use secrets::Env;
pub use source::Source;
pub use values::parse_duration;
pub(crate) use values::show_duration;

/// What loading a configuration came to.
pub struct Loaded {
    /// `None` if there is any error.
    pub config: Option<Config>,
    pub diagnostics: Diagnostics,
    /// Where each status page stands, by vendor and name.
    pub pages: BTreeMap<(String, String), Place>,
}

/// Which kinds of checks and receivers there are.
#[derive(Clone, Copy)]
pub struct Kinds<'k> {
    pub probes: &'k [probes::Kind],
    pub channels: &'k [channels::Kind],
}

impl Kinds<'static> {
    pub fn of_this_version() -> Self {
        Kinds { probes: probes::KINDS, channels: channels::KINDS }
    }
}

/// Reads the main file and every file it names.
pub fn load(path: &Path, workshop: &Workshop) -> Loaded {
    load_with(path, workshop, Kinds::of_this_version(), &Env::of_this_process())
}

/// A check that no file describes: the kind's defaults, with what is given.
pub fn unconfigured(
    kind: &str,
    given: impl IntoIterator<Item = (&'static str, Value)>,
    workshop: &Workshop,
) -> Result<(&'static str, Arc<dyn Probe>), Vec<Fault>> {
    check::unconfigured(kind, given, workshop)
}

/// A fault as one sentence, for where there is no file to point at.
pub fn said(fault: &Fault) -> String {
    reader::with_key(fault.key, fault.message.clone())
}

/// Where history is kept, and nothing else: it can be read also while a vendor's file is broken or a secret is out of reach.
pub fn store(path: &Path) -> Result<Store, Diagnostics> {
    let env = Env::of_this_process();
    let mut desk = reader::Desk::new(path, &env);
    let store = daemon_file::read_only_store(&mut desk, path);
    let diagnostics = desk.diagnostics.sorted();
    store.filter(|_| !diagnostics.has_errors()).ok_or(diagnostics)
}

/// As [`load`], in surroundings that tests choose.
pub fn load_with(path: &Path, workshop: &Workshop, kinds: Kinds<'static>, env: &Env) -> Loaded {
    let mut desk = reader::Desk::new(path, env);
    let config = daemon_file::read(&mut desk, path, kinds, workshop);
    let diagnostics = desk.diagnostics.sorted();
    Loaded { config: config.filter(|_| !diagnostics.has_errors()), diagnostics, pages: desk.pages }
}

/// Everything, as the daemon runs on it.
pub struct Config {
    pub path: PathBuf,
    pub store: Store,
    pub agent: Agent,
    pub web: Web,
    pub metrics_full: bool,
    pub log: Log,
    pub vendors: Vec<Vendor>,
    pub receivers: Vec<Receiver>,
    pub routes: Vec<Route>,
}

pub struct Store {
    /// Absolute path of the database file.
    pub path: PathBuf,
    pub commit_within: Duration,
    /// How long single results, and what was seen in failing runs, are kept.
    pub keep_observations: Duration,
    pub keep_evidence: Duration,
    /// What to do with a damaged database: begin a new one (else stop).
    pub begin_anew: bool,
    pub allow_network_fs: bool,
}

pub struct Agent {
    pub id: String,
    pub location: String,
    pub contact: String,
    pub max_in_flight: usize,
    pub max_per_host: usize,
}

pub struct Web {
    pub listen: Vec<std::net::SocketAddr>,
    pub external_url: Option<Url>,
    pub route_prefix: String,
    pub allow_remote: bool,
    pub lifecycle: bool,
    /// Names that are accepted in `Host` beside those that follow from the rest.
    pub hosts: Vec<String>,
    /// An IANA name that this machine knows.
    pub timezone: String,
}

pub struct Log {
    pub level: String,
    pub json: bool,
}

pub struct Vendor {
    pub id: VendorId,
    pub name: String,
    pub tier: u8,
    pub category: String,
    pub website: String,
    pub merge_gap: Duration,
    pub checks: Vec<Check>,
    pub status_pages: Vec<StatusPage>,
}

pub struct Check {
    pub id: CheckId,
    /// `renamed_from`: whose history this check continues.
    pub renamed_from: Option<String>,
    pub kind: &'static str,
    pub terms: Terms,
    /// More confirmed changes than this in an hour is flapping; 0 = never.
    pub flap_changes: u32,
    /// `tls.expiring` fires below this.
    pub expires_within: Option<Duration>,
    pub labels: BTreeMap<String, String>,
    pub probe: Arc<dyn Probe>,
    /// Equal for equal settings: an unchanged check keeps its probe, timers and permits at a reload.
    pub fingerprint: u64,
}

#[derive(Clone)]
pub struct StatusPage {
    pub name: String,
    pub url: Url,
    /// `auto`, or the name of one of [`crate::feeds::FORMATS`].
    pub format: String,
    /// Ids, names, globs or `Group / Name`; each is a valid glob. The same for `groups` and `regions`.
    pub components: Vec<String>,
    pub groups: Vec<String>,
    pub regions: Vec<String>,
    /// As written; without, the daemon chooses.
    pub interval: Option<Duration>,
    pub timeout: Duration,
    pub stale_after: Duration,
    pub watch_components: bool,
    pub allow_private: bool,
    pub enabled: bool,
    pub labels: BTreeMap<String, String>,
    pub way: Arc<Way>,
}

/// How a page is asked for and read, beyond its address and format.
#[derive(Debug, Default)]
pub struct Way {
    /// Sent to the page's own origin only. Values are marked as sensitive.
    pub headers: HeaderMap,
    /// Where things are, for the formats that have to be told.
    pub mapping: Option<Mapping>,
    /// Equal for what was written alike.
    pub fingerprint: u64,
}

#[derive(Clone)]
pub struct Receiver {
    pub name: String,
    pub kind: &'static str,
    pub channel: Arc<dyn Channel>,
    /// The wait before each try; after the last one a delivery is dead.
    pub retry: Vec<Duration>,
    /// Requests per second.
    pub rate: f64,
    pub fingerprint: u64,
}
