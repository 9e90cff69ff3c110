//! The HTTP client of this process: for the vault, the identity endpoint, the authority and what credentials are made with.
//!
//! It follows no redirect, because a redirect would choose where a token or a key goes, and reads a body up to a
//! bound, because an endless one would fill the memory.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use thiserror::Error;

/// What distinguishes one client from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bound on making a connection, its TLS handshake included.
    pub connect_timeout: Duration,
    /// Whether the environment's proxy settings hold (`HTTPS_PROXY` and the like). Never for what is on this machine:
    /// the identity endpoint, or a loopback vault.
    pub proxy: bool,
}

/// Why there is no client, or no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OutboundError {
    /// The TLS client could not be built.
    #[error("the TLS client could not be built; check SSL_CERT_FILE and the system's certificates")]
    Client,
    /// The connection ended inside the body.
    #[error("the answer broke off")]
    Broken,
    /// The body is longer than the bound.
    #[error("the answer is too large")]
    TooLarge,
}

/// Builds a client.
///
/// Loads the system's root certificates from disk, which takes milliseconds: call it where blocking is allowed.
///
/// # Errors
/// [`OutboundError::Client`] when the root certificates cannot be loaded.
pub fn client(options: Options) -> Result<Client, OutboundError> {
    let builder = Client::builder()
        .connect_timeout(options.connect_timeout)
        .redirect(Policy::none());
    let builder = if options.proxy { builder } else { builder.no_proxy() };
    builder.build().map_err(|_| OutboundError::Client)
}

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// [`OutboundError::TooLarge`] past `max`, [`OutboundError::Broken`] when the connection ends first.
pub async fn read_body(mut response: Response, max: usize) -> Result<Vec<u8>, OutboundError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| OutboundError::Broken)? {
        if body.len() + chunk.len() > max {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
