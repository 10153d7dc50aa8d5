//! JSON and CSV of what vendord knows: one builder for each answer, which the command line's verbs and the API share, so
//! that both say the same.

pub mod alerts;
pub mod config;
mod csv;
mod endpoints;
pub mod evidence;
pub mod find;
pub mod incidents;
pub mod outages;
mod routes;
pub mod status;
pub mod uptime;
pub mod words;

use axum::http::StatusCode;

use crate::store::StoreError;

pub use routes::routes;

/// Why there is no answer, for whoever asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    kind: Kind,
    /// Starts in lower case, ends without a full stop.
    pub message: String,
    pub hint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What was asked makes no sense.
    Asked,
    /// What was asked for is not there.
    Unknown,
    /// The store cannot be read.
    Store,
}

impl Refusal {
    pub fn asked(message: impl Into<String>) -> Refusal {
        Refusal { kind: Kind::Asked, message: message.into(), hint: None }
    }

    pub fn unknown(message: impl Into<String>) -> Refusal {
        Refusal { kind: Kind::Unknown, message: message.into(), hint: None }
    }

    /// Nothing is wrong with what was asked; there is no room for it now.
    pub fn busy(message: impl Into<String>) -> Refusal {
        Refusal { kind: Kind::Store, message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }

    pub fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Asked => StatusCode::BAD_REQUEST,
            Kind::Unknown => StatusCode::NOT_FOUND,
            Kind::Store => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub fn is_of_store(&self) -> bool {
        self.kind == Kind::Store
    }
}

/// The store's messages say what is wrong before the semicolon and what to do behind it.
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        let text = error.to_string();
        let (message, hint) = text.split_once("; ").map_or((text.as_str(), None), |(message, hint)| (message, Some(hint.to_owned())));
        Refusal { kind: Kind::Store, message: message.to_owned(), hint }
    }
}

/// The JSON of a verb, laid out for people: scripts do not mind.
pub fn to_json<T: serde::Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data without maps of odd keys always serializes");
    text.push('\n');
    text
}
