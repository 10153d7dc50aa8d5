//! vendord watches the vendors a product depends on. `ARCHITECTURE.md` has the map and the invariants of each part.
#![forbid(unsafe_code)]

pub mod blame;
pub mod channels;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod declared;
pub mod feeds;
pub mod fetch;
pub mod health;
pub mod incidents;
pub mod model;
pub mod probes;
pub mod routing;
pub mod schedule;
pub mod store;
pub mod telemetry;
pub mod uptime;
pub mod web;
