#![no_main]
#![allow(dead_code, unused_imports, reason = "each target uses a part of both modules")]
//! Any bytes as the value of one `Origin` header.

#[path = "../../../src/cors/mod.rs"]
mod cors;
#[path = "../../../src/host.rs"]
mod host;
#[path = "../invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::origin(bytes));
