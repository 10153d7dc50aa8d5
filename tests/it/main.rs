//! Integration tests: the real daemon against vendors and receivers on the loopback address.
#![allow(
    clippy::disallowed_methods,
    reason = "tests measure real time with real clocks"
)]

mod harness;
mod harness_itself;
mod tidy;
mod webhook;
