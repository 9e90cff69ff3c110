//! Key Vault, the managed identity endpoint and Entra.
//!
//! In reading order: `secret`, a secret as tests describe it, and `store`, names and versions; `fault`, what can be made
//! to go wrong, and `record`, what was seen; `names` and `state`, what the listeners share; `body` and `transport`,
//! connections and answers that break off; `tls`, the certificates of a run; `reply`, answers and faults common to all
//! services; `identity`, `issuer` and `vault`, the services, with `bundle` and `problem`, the vault's JSON, and `keys`,
//! the issuer's; `service`, which listener has which; `run`, all of it as a test holds it; `tokens`, tokens for callers;
//! `speech`, a double of the Speech token service; `demo`, the demo's secrets; `tls_front`, TLS before what has none.

mod body;
mod bundle;
mod clock;
mod demo;
mod fault;
mod identity;
mod issuer;
mod keys;
mod names;
mod problem;
mod record;
mod reply;
mod run;
mod secret;
mod service;
mod speech;
mod state;
mod store;
mod tls;
mod tls_front;
mod tokens;
mod transport;
mod vault;

pub use demo::{DEMO_ALLOWED_SECRETS, seed_demo};
pub use fault::{Fault, Target, Times};
pub use keys::PublicKey;
pub use names::{EMULATED_CLIENT_ID, EMULATED_DAEMON, EMULATED_SPA, EMULATED_VAULT};
pub use record::{Counters, Recorded, Span, Step};
pub use run::Emulator;
pub use secret::Secret;
pub use speech::{SpeechAnswer, SpeechDouble, SpeechRequest};
pub use tls_front::TlsFront;
