//! The product from outside: the real `handler` as a process, against the emulator over TLS.
//!
//! What is asserted comes from the contract alone; nothing here knows `src/`, but for the names of the settings, which
//! the documents are held to. Every test owns its emulator, its handler and its ports, so they run in parallel and in
//! any order.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken expectation ends a test, in the support code as in the tests themselves"
)]

mod support;

mod alerts;
mod bodies;
mod bundle;
mod cache;
mod caller;
mod check;
mod claims;
mod connections;
mod dangerous;
mod docs;
mod entra_settings;
mod errors;
mod fetch_metadata;
mod foreign_issuer;
mod give;
mod host;
mod http2;
mod identity;
mod issuer;
mod junk;
mod logs;
mod origins;
mod outage;
mod overload;
mod pace;
mod posture;
mod prefetch;
mod preflight;
mod process;
mod refusals;
mod routes;
mod rule_verdicts;
mod rules;
mod rust_client;
mod settings;
mod settings_file;
mod shutdown;
mod smoke;
mod smoke_faults;
mod tokens;
mod unread_log;
mod upstream;
mod vault_token;
mod vectors;
mod verdicts;
