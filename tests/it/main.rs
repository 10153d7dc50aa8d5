//! Integration tests: what a user relies on, tested from outside; most of it the real daemon against vendors and
//! receivers on the loopback address.
#![allow(clippy::disallowed_methods, reason = "tests measure real time with real clocks")]

mod accepted_configs;
mod broken_configs;
mod cli;
mod clocks;
mod crash;
mod evidence;
mod example_config;
mod harness;
mod harness_itself;
mod scene;
mod store_faults;
mod tidy;
mod webhook;
