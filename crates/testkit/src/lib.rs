//! What tests, benchmarks and the demo of keyvault-cors run against and with.
//!
//! * [`Emulator`]: Azure Key Vault, App Service's managed identity endpoint and Entra's signing keys. The official Azure
//!   SDKs work against it unmodified: real TLS, the authentication challenge, tokens, versions and Key Vault's error
//!   shapes. It keeps secrets in memory and protects nothing.
//! * [`functions_host`]: the Functions host, between a caller and a custom handler.
//! * [`handler`]: the real binary as a process; [`ReservedPort`]: a port for it.
//! * [`client`] and [`raw`]: whoever asks it; [`expect`]: what the answers must be, to the last header.
//!
//! All but the emulator and the host is for tests, and panics where a test is to fail.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken expectation ends a test"
)]

mod accept;
pub mod client;
mod emulator;
pub mod expect;
pub mod functions_host;
pub mod handler;
mod output;
mod port;
pub mod raw;

pub use emulator::{
    Counters, DEMO_ALLOWED_SECRETS, EMULATED_CLIENT_ID, EMULATED_DAEMON, EMULATED_SPA, EMULATED_VAULT, Emulator, Fault,
    PublicKey, Recorded, Secret, Span, SpeechAnswer, SpeechDouble, SpeechRequest, Step, Target, Times, TlsFront,
    seed_demo,
};
pub use port::ReservedPort;
