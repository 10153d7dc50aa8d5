//! What the daemon shows: pages, their JSON, metrics, health, runbooks.
//!
//! The fleet page and the metrics are rendered from the [`board::Board`], which the recorder fills after each commit; no
//! request for them waits for a vendor, a receiver or the store. A page of one vendor or incident, and the API, read the
//! store on a read-only connection, a few at a time. Everything here only reads; `push` alone takes something in.
//!
//! What vendors say is hostile: it is text, which templates escape, and a link only where it is one to https.

pub mod api;
pub mod assets;
mod bars;
pub mod board;
mod chart;
mod gate;
pub mod history;
mod look;
mod markdown;
pub mod metrics;
mod pages;
#[cfg(test)]
mod palette;
mod probe;
pub mod push;
mod reply;
pub mod runbooks;
pub mod server;
mod shelf;
mod visit;
pub mod zone;
