//! The nouns. Plain data with the invariants that make it meaningful; no clock, no files, no `async`.
//!
//! Everything below this module (core, edges, shell) speaks in these words, which are those of `ARCHITECTURE.md`.

pub mod address;
pub mod alert;
pub mod check;
pub mod id;
pub mod listing;
pub mod observation;
pub mod outage;
pub mod page;
pub mod route;
pub mod secret;
pub mod settings;
pub mod state;
pub mod time;
pub(crate) mod words;

pub use alert::{Alert, AlertState, Delivery, DeliveryState, Event, Identity, Rule, Severity};
pub use check::{KofN, SeverityCap, Terms};
pub use id::{CheckId, SourceId, Uuid, VendorId};
pub use listing::{Difference, Listing, PageVersion};
pub use observation::{Detail, Observation, Outcome, Phases, Reason};
pub use outage::{Blame, Outage};
pub use page::{Impact, Page, Stage, Status};
pub use route::{Matching, Route};
pub use secret::Secret;
pub use settings::{Fault, Key, Settings, Shape, Value};
pub use state::{Segment, SegmentReason, State};
pub use time::Timestamp;
