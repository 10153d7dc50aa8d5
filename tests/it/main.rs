//! What a user relies on, tested from outside. One binary, so that it is linked once.

mod accepted_configs;
mod broken_configs;
mod example_config;
