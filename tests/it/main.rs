//! Integration tests: what a user relies on, tested from outside; most of it the real daemon against vendors and
//! receivers on the loopback address.
#![allow(clippy::disallowed_methods, reason = "tests measure real time with real clocks")]

mod accepted_configs;
mod alerts;
mod broken_configs;
mod canary;
mod catalog;
mod cli;

mod clocks;
mod coming_over;
mod crash;
mod crowd;
mod dashboards;
mod demo;
mod evidence;
mod example_config;
mod explained;
mod faults;
mod feed_verb;
mod feeds;
mod guard;
mod harness;
mod harness_itself;
mod hostile;
mod import;
mod incidents_verb;
mod kinds;
mod looks;
mod online;
mod page_changes;
mod pages;
mod phases;
mod platforms;
mod probe_route;
mod push;
mod receiver_down;
mod receivers;
mod reference;
mod scene;
mod scrape;
mod service;
mod store_faults;
mod tidy;
mod upkeep;
mod web;
mod webhook;
