//! How we look at a vendor. A probe returns an [`Observation`], never an `Err`: a vendor's failure is data, and only
//! our own faults are ours (`Reason::is_ours`). A probe knows nothing of schedules, states, the store or TOML.
//!
//! Adding a kind is one new file and one line in [`KINDS`].
//!
//! ```text
//! workshop   what all probes share: resolver, TLS configurations
//! dial       what a check names -> a connection: names, addresses, proxies, TLS
//! condition  what is expected, compiled; pure
//! dialogue   send and expect, where nothing is known of what is spoken
//! verdict    what was seen -> outcome and reason; pure
//! mailbox    what reports to us, instead of being looked at
//! http tcp tls dns icmp grpc websocket udp scenario domain page push
//!            the kinds
//! ```

use std::pin::Pin;
use std::time::Duration;

use crate::model::settings::Built;
use crate::model::{Key, Observation, Settings};

mod both;
mod condition;
mod dial;
mod dialogue;
mod dns;
mod domain;
mod failure;
mod grpc;
mod http;
mod icmp;
mod mailbox;
mod page;
mod push;
mod redact;
mod scenario;
mod tcp;
mod tls;
mod udp;
mod verdict;
mod websocket;
mod workshop;

pub use mailbox::{Mailbox, Report};
pub use page::Memory;
pub use workshop::Workshop;

pub const KINDS: &[Kind] = &[
    http::KIND,
    tcp::KIND,
    tls::KIND,
    dns::KIND,
    icmp::KIND,
    grpc::KIND,
    websocket::KIND,
    udp::KIND,
    scenario::KIND,
    domain::KIND,
    page::KIND,
    push::KIND,
];

/// A kind of check: `kind = "http"`.
pub struct Kind {
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// The keys beside the common ones of every check, in the order of the documentation.
    pub keys: &'static [&'static [Key]],
    /// One look in one address family; [`Kind::probe`] is what others call.
    build: fn(&Settings, &Workshop) -> Built<dyn Probe>,
}

impl Kind {
    /// What the settings describe: something that looks, or everything that is wrong with them.
    pub fn probe(&self, settings: &Settings, workshop: &Workshop) -> Built<dyn Probe> {
        let has_family = self.keys.iter().copied().flatten().any(|key| key.name == "ip");
        match settings.text("ip").filter(|_| has_family) {
            Some("both") => both::build(self, settings, workshop),
            _ => (self.build)(settings, workshop),
        }
    }
}

pub type Run<'a> = Pin<Box<dyn Future<Output = Observation> + Send + 'a>>;

pub trait Probe: Send + Sync {
    /// Host name and port as configured: what `max_per_host` counts.
    fn host(&self) -> &str;

    /// One look with a fresh connection. Ends within `timeout` (one deadline for the whole exchange, not per read).
    fn run(&self, timeout: Duration) -> Run<'_>;

    /// Where it is reported to, for a kind that hears instead of looking: then it is never run by the schedule.
    fn mailbox(&self) -> Option<&Mailbox> {
        None
    }

    /// What it saw before, for a kind that compares.
    fn memory(&self) -> Option<&Memory> {
        None
    }
}

/// What bytes from outside become, for those who try to break the readers.
pub mod readers {
    pub use super::dns::any_answer as dns;
    pub use super::domain::any_registration as rdap;
}

#[cfg(test)]
mod tests;
