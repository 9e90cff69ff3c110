//! `keyvault-cors` gives a single-page app the Key Vault secrets that it may
//! have, to the origins that are allowed, and nothing else.
//!
//! The modules, in reading order:
//!
//! - [`az`]: command lines of the Azure CLI.
//! - [`host`]: which hosts are this machine.
//! - [`outbound`]: the one HTTP client.
//! - [`secret`]: names, values and the bundle; untrusted text is parsed here, once.
//! - [`cors`]: who may read an answer; pure.
//! - [`config`]: settings to a configuration, or every fault at once.
//! - [`vault`]: the trait that secrets come from, and Azure Key Vault.
//! - [`deliver`]: what a page gets for a secret: the bundle, or a credential made from it; the only module that
//!   sees a value.
//! - [`cache`]: one fetch for many callers, and a vault that may fail.
//! - [`token`]: authentication: an Entra token to a verified caller.
//! - [`access`]: authorization: which secrets may be read, and by whom.
//! - [`api`]: a request to its answer; the only map to HTTP.
//! - [`server`]: connections, limits, drain.
//! - [`log`]: lines to the standard streams.
//! - [`process`]: signals, the parent, the exit code.
//!
//! The binary `handler` has the command line (`cli`) and the wiring (`app`).

pub mod access;
pub mod api;
pub mod az;
pub mod cache;
pub mod config;
pub mod cors;
pub mod deliver;
pub mod host;
pub mod log;
pub mod outbound;
pub mod process;
pub mod secret;
pub mod server;
pub mod token;
pub mod vault;
