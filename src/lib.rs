//! vendord watches the vendors a product depends on. `ARCHITECTURE.md` has the map and the invariants of each part.
#![forbid(unsafe_code)]

pub mod channels;
pub mod clock;
pub mod config;
pub mod fetch;
pub mod model;
pub mod probes;
