//! What tests, benchmarks and the demo of keyvault-cors run against and with.
//!
//! * [`Emulator`]: Azure Key Vault, App Service's managed identity endpoint and Entra's signing keys. The official Azure
//!   SDKs work against it unmodified: real TLS, the authentication challenge, tokens, versions and Key Vault's error
//!   shapes. It keeps secrets in memory and protects nothing.
//! * [`functions_host`]: the Functions host, between a caller and a custom handler.
//! * [`ReservedPort`]: a port for a handler.

mod accept;
mod emulator;
pub mod functions_host;
mod port;

pub use emulator::{
    Counters, DEMO_ALLOWED_SECRETS, EMULATED_CLIENT_ID, EMULATED_DAEMON, EMULATED_SPA, EMULATED_VAULT, Emulator, Fault,
    PublicKey, Recorded, Secret, Target, Times, TlsFront, seed_demo,
};
pub use port::ReservedPort;
