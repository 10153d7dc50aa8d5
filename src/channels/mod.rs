//! How a person is told. A channel renders a delivery as HTTP requests and reads the answer; it sends nothing itself,
//! keeps no state and knows nothing of retries, lanes or the store: that is the dispatcher's.
//!
//! Adding a kind is one new file and one line in [`KINDS`].

use crate::model::settings::Built;
use crate::model::{Delivery, Key, Settings, Timestamp};

pub const KINDS: &[Kind] = &[];

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
}

/// A request as it goes out. Not `Debug`: the URL may be the secret.
pub struct Request {
    pub url: url::Url,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}
