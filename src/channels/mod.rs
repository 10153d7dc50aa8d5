//! How a person is told. A channel renders a delivery as HTTP requests; [`verdict`] and [`retry`] say what follows from
//! the answer and when. Nothing here sends, keeps state or knows of lanes and the store: that is the dispatcher's.
//!
//! Adding a kind is one new file and one line in [`KINDS`].

pub mod retry;
mod verdict;
pub mod webhook;

use crate::model::settings::Built;
use crate::model::{Delivery, Key, Settings, Timestamp};

/// A request as it goes out. Not `Debug`: the URL may be the secret.
pub use crate::fetch::Outgoing as Request;
pub use verdict::{Failure, MENDING_TRIES_MAX, Verdict, failure, verdict};

pub const KINDS: &[Kind] = &[webhook::KIND];

/// A kind of receiver: `kind = "webhook"`.
pub struct Kind {
    pub name: &'static str,
    pub help: &'static str,
    /// The keys beside the common ones of every receiver.
    pub keys: &'static [Key],
    pub build: fn(&Settings) -> Built<dyn Channel>,
}

pub trait Channel: Send + Sync {
    /// The request of one try at `now`.
    fn render(&self, delivery: &Delivery, now: Timestamp) -> Request;

    /// Where it goes, without what is secret in it: `https://hooks.example/…`.
    fn shown(&self) -> String;

    /// What works but should not stay so, for `vendord lint`: one sentence each, in lower case, without a full stop.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
