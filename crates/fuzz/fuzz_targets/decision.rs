#![no_main]
#![allow(dead_code, unused_imports, reason = "each target uses a part of both modules")]
//! Any bytes as a request: the method in the first line, `name: value` in each
//! one behind it.

#[path = "../../../src/cors/mod.rs"]
mod cors;
#[path = "../../../src/host.rs"]
mod host;
#[path = "../invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::decision(bytes));
