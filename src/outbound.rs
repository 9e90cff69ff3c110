//! The HTTP client of this process: for the vault, the identity endpoint, the authority and what credentials are made with.
//!
//! It follows no redirect, because a redirect would choose where a token or a key goes, and reads a body up to a
//! bound, because an endless one would fill the memory.

use std::time::Duration;

use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Why there is no client, with the remedy.
pub const NO_CLIENT: &str = "no trusted certificates could be loaded: SSL_CERT_FILE or SSL_CERT_DIR may name what is \
                             missing or unreadable, or the system has none";

/// An HTTP/2 connection on which nothing came for so long while an answer is awaited is asked whether it still lives.
const PING_AFTER: Duration = Duration::from_secs(1);
/// How long it has to answer. Both together leave room for another try within a caller's usual 5 s.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes to make room for when an answer does not say how many come.
const USUAL_BODY: usize = 64 * 1024;

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
    #[error("{NO_CLIENT}")]
    Client,
    /// The connection ended inside the body.
    #[error("the answer ended before it was complete")]
    Broken,
    /// The body is longer than the bound.
    #[error("the answer is too large")]
    TooLarge,
}

/// Builds a client, which speaks HTTP/2 to whoever offers it: many reads then share one connection.
///
/// Loads the system's root certificates from disk, which takes milliseconds: call it where blocking is allowed.
///
/// # Errors
/// [`OutboundError::Client`] when the root certificates cannot be loaded.
pub fn client(options: Options) -> Result<Client, OutboundError> {
    let builder = Client::builder()
        .connect_timeout(options.connect_timeout)
        .redirect(Policy::none())
        // A connection that a balancer dropped without a word would otherwise take every later read down with it, for as
        // long as TCP tries: unlike HTTP/1.1's, it is not given up with the read that timed out.
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PING_TIMEOUT);
    let builder = if options.proxy { builder } else { builder.no_proxy() };
    builder.build().map_err(|_| OutboundError::Client)
}

/// Reads a body of at most `max` bytes, into a buffer that is zeroed when it is dropped: it may hold a secret or a token.
///
/// # Errors
/// [`OutboundError::TooLarge`] past `max`, [`OutboundError::Broken`] when the connection ends first.
pub async fn read_body(mut response: Response, max: usize) -> Result<Zeroizing<Vec<u8>>, OutboundError> {
    // With room for all of it the buffer is never moved, so it leaves no copy behind.
    let announced = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(USUAL_BODY).min(max)));
    while let Some(chunk) = response.chunk().await.map_err(|_| OutboundError::Broken)? {
        if body.len() + chunk.len() > max {
            return Err(OutboundError::TooLarge);
        }
        body.extend_from_slice(&chunk);
        zero(chunk);
    }
    Ok(body)
}

/// Zeroes bytes that held a secret, unless somebody still shares them.
pub fn zero(bytes: Bytes) {
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.zeroize();
    }
}
