//! What the files say, checked and typed. Loading validates everything first (syntax, keys, references, expressions,
//! secrets) and reports every fault with its place; nothing half-valid leaves this module.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::channels::Channel;
use crate::model::{CheckId, Route, Terms, VendorId};
use crate::probes::Probe;

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
    pub external_url: Option<url::Url>,
    pub route_prefix: String,
    pub allow_remote: bool,
    pub lifecycle: bool,
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
    pub probe: Arc<dyn Probe>,
    /// Equal for equal settings: an unchanged check keeps its probe, timers and permits at a reload.
    pub fingerprint: u64,
}

pub struct StatusPage {
    pub name: String,
    pub url: String,
    pub format: String,
}

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
