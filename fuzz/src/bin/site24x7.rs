#![no_main]
vendord_fuzz::target!();
