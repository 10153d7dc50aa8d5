//! What the daemon shows: metrics, health, runbooks. Everything is rendered from the [`board::Board`], which the recorder
//! fills after each commit; no request waits for a vendor, a receiver or the store.

pub mod board;
pub mod metrics;
mod probe;
pub mod push;
pub mod runbooks;
pub mod server;
