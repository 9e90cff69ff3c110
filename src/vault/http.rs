//! The SDK's way to the network: no redirects, bounded answers.

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Method, Request, RetryOptions, StatusCode};
use bytes::Bytes;
use thiserror::Error;

use crate::outbound::{self, OutboundError};

/// Bytes of an answer, at most: a value has 25 KB, and six times as many
/// characters when every one is escaped.
const MAX_ANSWER: usize = 1024 * 1024;

/// An answer that is larger than any bundle or token.
#[derive(Debug, Error)]
#[error("the answer is too large")]
pub(super) struct TooLarge;

/// Options of an SDK client.
pub(super) fn client_options(transport: std::sync::Arc<dyn HttpClient>) -> ClientOptions {
    ClientOptions {
        // Retries are this module's own, inside one deadline: the SDK's block
        // for up to 82 s, and wait longer than a caller may for a Retry-After.
        retry: RetryOptions::none(),
        transport: Some(azure_core::http::Transport::new(transport)),
        ..ClientOptions::default()
    }
}

/// An HTTP client for the SDK that ends an answer which is too large before it
/// fills the memory.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) reqwest::Client);

impl Bounded {
    /// Sends a request without a body and reads the whole answer.
    pub(super) async fn exchange(&self, request: &Request) -> azure_core::Result<(StatusCode, Headers, Bytes)> {
        if request.method() != Method::Get {
            return Err(Error::with_message(ErrorKind::Other, "only GET is sent"));
        }
        let mut sent = self.0.get(request.url().clone());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        let answer = sent.send().await.map_err(from_reqwest)?;
        let status = StatusCode::from(answer.status().as_u16());
        let headers = headers(answer.headers());
        // The SDK copies the body, so this one is zeroed when it is dropped.
        let body = outbound::read_body(answer, MAX_ANSWER)
            .await
            .map_err(|error| match error {
                OutboundError::TooLarge => Error::with_error(ErrorKind::DataConversion, TooLarge, "too large"),
                OutboundError::Broken | OutboundError::Client => Error::with_error(ErrorKind::Io, error, "no answer"),
            })?;
        Ok((status, headers, Bytes::from_owner(body)))
    }
}

fn from_reqwest(error: reqwest::Error) -> Error {
    let kind = if error.is_connect() {
        ErrorKind::Connection
    } else {
        ErrorKind::Io
    };
    // The URL names the vault and the secret.
    Error::with_error(kind, error.without_url(), "no answer")
}

/// Headers that are text; the SDK has no others.
fn headers(map: &reqwest::header::HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in map {
        if let Ok(value) = value.to_str() {
            headers.insert(
                HeaderName::from(name.as_str().to_owned()),
                HeaderValue::from(value.to_owned()),
            );
        }
    }
    headers
}

#[async_trait::async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, body) = self.exchange(request).await?;
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}
