//! The emulator from outside: over its sockets, with a plain client; Azure's own SDK asks it in all tests of the handler.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure, in its helpers too"
)]

mod faults;
mod functions_host;
mod issuer;
mod support;
mod wire;
