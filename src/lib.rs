//! `keyvault-cors` gives a single-page app the Key Vault secrets that it may
//! have, to the origins that are allowed, and nothing else.
//!
//! In reading order, each module one room:
//!
//! - [`secret`]: names, values and the bundle; text becomes a type here.
//! - [`cors`]: who may read an answer; pure.
//! - [`config`]: settings to a configuration, or every fault at once.
//! - [`vault`]: the trait that secrets come from, and Azure Key Vault.
//! - [`deliver`]: a bundle to what a page gets; the only room that sees a value.
//! - [`cache`]: one fetch for many callers, and a vault that may fail.
//! - [`caller`]: Entra tokens to a verified caller.
//! - [`api`]: a request to its answer; the only map to HTTP.
//! - [`server`]: connections, limits, drain.
//! - [`log`]: lines to the standard streams.
//! - [`command`] and [`check`]: the command line, and `handler check`.
//!
//! The binary `handler` ties them together.

pub mod api;
pub mod cache;
pub mod caller;
pub mod check;
pub mod command;
pub mod config;
pub mod cors;
pub mod deliver;
pub mod log;
pub mod secret;
pub mod server;
pub mod vault;
