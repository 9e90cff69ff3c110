//! Sends what a browser would send. It follows no redirect, so a credential goes to the app's address alone.

use std::error::Error;
use std::time::Duration;

use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keyvault_cors::outbound::{self, OutboundError};
use reqwest::Client;
use tokio::time::timeout;
use uuid::Uuid;

use super::answer::{Answer, Outcome};
use super::options::{Credential, Options};

/// Bound on one answer: the platform may have to start an instance first.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a body, at most. A secret's value has 25,000 characters at most, each of which JSON may escape.
const MAX_BODY: usize = 256 * 1024;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const FUNCTIONS_KEY: HeaderName = HeaderName::from_static("x-functions-key");
const NAME: HeaderValue = HeaderValue::from_static(concat!("keyvault-cors-smoke/", env!("CARGO_PKG_VERSION")));
/// A key that no function has.
const WRONG_KEY: HeaderValue = HeaderValue::from_static("keyvault-cors-smoke-wrong-key");

/// Which function key a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Given,
    None,
    Wrong,
}

/// A GET of a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'a> {
    /// Behind `/api/secrets/`.
    pub(super) path: &'a str,
    pub(super) origin: Option<&'a str>,
    pub(super) key: Key,
    pub(super) with_token: bool,
    /// Whether it is what a browser sends when a person follows a link.
    pub(super) is_navigation: bool,
}

impl<'a> Read<'a> {
    /// As a page of `origin` reads it.
    pub(super) fn new(path: &'a str, origin: &'a str) -> Self {
        Self {
            path,
            origin: Some(origin),
            key: Key::Given,
            with_token: true,
            is_navigation: false,
        }
    }
}

/// A browser, as far as an app can tell.
#[derive(Debug)]
pub(super) struct Browser<'a> {
    options: &'a Options,
    client: Client,
    key: Option<HeaderValue>,
    token: Option<HeaderValue>,
}

impl<'a> Browser<'a> {
    pub(super) fn new(options: &'a Options) -> Result<Self, OutboundError> {
        let client = outbound::client(outbound::Options {
            connect_timeout: CONNECT_TIMEOUT,
            proxy: !options.is_loopback,
        })?;
        let token = options.token.as_ref().map(Credential::as_str);
        Ok(Self {
            options,
            client,
            key: options.key.as_ref().and_then(|key| sensitive(key.as_str())),
            token: token.and_then(|token| sensitive(&format!("Bearer {token}"))),
        })
    }

    /// Reads a secret.
    pub(super) async fn read(&self, read: Read<'_>) -> Outcome {
        let id = Uuid::new_v4().to_string();
        let mut headers = HeaderMap::new();
        headers.extend(value(&id).map(|id| (CLIENT_REQUEST_ID, id)));
        headers.extend(read.origin.and_then(value).map(|origin| (ORIGIN, origin)));
        let key = match read.key {
            Key::Given => self.key.clone(),
            Key::None => None,
            Key::Wrong => Some(WRONG_KEY),
        };
        headers.extend(key.map(|key| (FUNCTIONS_KEY, key)));
        if read.with_token {
            headers.extend(self.token.clone().map(|token| (AUTHORIZATION, token)));
        }
        if read.is_navigation {
            headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
            headers.insert("sec-fetch-dest", HeaderValue::from_static("document"));
        }
        let mut outcome = self
            .ask(Method::GET, &self.options.secret_url(read.path), headers)
            .await;
        if let Ok(answer) = &mut outcome {
            answer.client_request_id = Some(id);
        }
        outcome
    }

    /// Asks whether a page of `origin` may read a secret with the credentials that were given.
    pub(super) async fn preflight(&self, path: &str, origin: &str) -> Outcome {
        let mut headers = HeaderMap::new();
        headers.extend(value(origin).map(|origin| (ORIGIN, origin)));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
        // A browser lists the names in lower case, sorted and without spaces, and sends no empty list (Fetch,
        // "CORS-preflight fetch").
        let names = self.options.credential_headers().join(",");
        let names = value(&names).filter(|names| !names.is_empty());
        headers.extend(names.map(|names| (ACCESS_CONTROL_REQUEST_HEADERS, names)));
        self.ask(Method::OPTIONS, &self.options.secret_url(path), headers).await
    }

    /// Reads over http, without any credential: it would travel in the open.
    pub(super) async fn read_insecurely(&self, path: &str) -> Outcome {
        let url = format!("http://{}/api/secrets/{path}", self.options.host);
        self.ask(Method::GET, &url, HeaderMap::new()).await
    }

    async fn ask(&self, method: Method, url: &str, headers: HeaderMap) -> Outcome {
        let request = self
            .client
            .request(method, url)
            .headers(headers)
            .header(USER_AGENT, NAME);
        let answer = async {
            let response = request.send().await.map_err(|error| cause(&error))?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = outbound::read_body(response, MAX_BODY).await;
            let body = body.map_err(|error| error.to_string())?;
            Ok(Answer::new(status, headers, body))
        };
        timeout(ANSWER_TIMEOUT, answer)
            .await
            .unwrap_or_else(|_| Err(format!("nothing within {} s", ANSWER_TIMEOUT.as_secs())))
    }
}

/// The innermost cause: what the system or the TLS library said.
fn cause(error: &reqwest::Error) -> String {
    if error.is_connect() && error.is_timeout() {
        return format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
    }
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// A header value that no `Debug` shows.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = value(text)?;
    value.set_sensitive(true);
    Some(value)
}
