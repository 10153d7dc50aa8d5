//! How we look at a vendor. A probe returns an [`Observation`], never an `Err`: a vendor's failure is data, and only
//! our own faults are ours (`Reason::is_ours`). A probe knows nothing of schedules, states, the store or TOML.
//!
//! Adding a kind is one new file and one line in [`KINDS`].
//!
//! ```text
//! workshop   what all probes share: resolver, TLS configurations
//! dial       what a check names -> a connection: names, addresses, proxies, TLS
//! condition  what is expected, compiled; pure
//! verdict    what was seen -> outcome and reason; pure
//! mailbox    what reports to us, instead of being looked at
//! http tcp push page scenario   the kinds
//! ```

use std::pin::Pin;
use std::time::Duration;

use crate::model::settings::Built;
use crate::model::{Key, Observation, Settings};

mod condition;
mod dial;
mod failure;
mod http;
mod mailbox;
mod page;
mod push;
mod redact;
mod scenario;
mod tcp;
mod verdict;
mod workshop;

pub use mailbox::{Mailbox, Report};
pub use page::Memory;
pub use workshop::Workshop;

pub const KINDS: &[Kind] = &[http::KIND, tcp::KIND, push::KIND, page::KIND, scenario::KIND];

/// A kind of check: `kind = "http"`.
pub struct Kind {
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// The keys beside the common ones of every check, in the order of the documentation.
    pub keys: &'static [&'static [Key]],
    pub build: fn(&Settings, &Workshop) -> Built<dyn Probe>,
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The reference pages are made of these lists.
    #[test]
    fn every_key_of_a_kind_is_unique_and_explained() {
        for kind in KINDS {
            let keys: Vec<&Key> = kind.keys.iter().copied().flatten().collect();
            let names: HashSet<_> = keys.iter().map(|key| key.name).collect();
            assert_eq!(names.len(), keys.len(), "{}", kind.name);
            for key in keys {
                assert!(!key.help.is_empty() && !key.help.ends_with('.'), "{}", key.name);
                assert!(!key.help.contains('\n'), "{}", key.name);
            }
        }
    }
}
