//! What is shared by all probes, so that a thousand checks cost one resolver and one TLS configuration.
//!
//! Making it cannot fail: what is missing (a resolver, root certificates) is told by the observations that needed it.

use std::sync::Arc;

use super::dial::Roots;
use super::domain::Bootstrap;
use super::http::Tokens;
use crate::fetch::resolve::Resolver;
use crate::fetch::user_agent;

/// Built once by whoever loads the configuration, and lent to every `Kind::build`; probes keep what they need of it.
#[derive(Clone)]
pub struct Workshop {
    pub(super) resolver: Arc<Resolver>,
    pub(super) roots: Arc<Roots>,
    /// Of OAuth2, shared by the checks that ask for the same.
    pub(super) tokens: Arc<Tokens>,
    /// Which registry knows which domains.
    pub(super) bootstrap: Arc<Bootstrap>,
    pub(super) user_agent: Arc<str>,
}

impl Workshop {
    pub fn new() -> Self {
        Workshop {
            resolver: Resolver::of_this_system(),
            roots: Arc::default(),
            tokens: Arc::default(),
            bootstrap: Arc::default(),
            user_agent: user_agent("").into(),
        }
    }
}

impl Workshop {
    /// The same workshop, whose probes name the operator's contact.
    pub fn with_contact(&self, contact: &str) -> Self {
        Workshop { user_agent: user_agent(contact).into(), ..self.clone() }
    }
}

impl Default for Workshop {
    fn default() -> Self {
        Workshop::new()
    }
}
