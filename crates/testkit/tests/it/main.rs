//! The emulator from outside: over its sockets, with Azure's own SDK and with a plain client.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure, in its helpers too"
)]

mod faults;
mod functions_host;
mod issuer;
mod sdk;
mod support;
mod wire;
