//! Builds the official client: credential, transport, retries.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, RetryOptions, Transport};
use azure_identity::{
    DeveloperToolsCredential, DeveloperToolsCredentialOptions, Executor, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};

use futures_util::StreamExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::error::{Cause, Failure, TooLarge};

/// Bytes of an answer, at most: a value has 25 KB, and six times as many
/// characters when every one is escaped.
const MAX_ANSWER: usize = 1024 * 1024;

/// Which identity asks the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The app's managed identity, from the endpoint that the platform names
    /// in `IDENTITY_ENDPOINT`.
    Managed {
        /// Client id of a user-assigned identity; `None` is the system's.
        client_id: Option<String>,
    },
    /// Whoever is signed in with `az login` or `azd auth login`.
    DeveloperTools,
}

/// How to reach a vault.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://HOST/`.
    pub url: String,
    /// Whether the vault is a stand-in on this machine, whose name cannot
    /// match the resource that its challenge names.
    pub loopback: bool,
    /// Who asks.
    pub identity: Identity,
    /// Bound on making a connection, and on one request for a token: the
    /// official client holds every fetch up while one waits for a token.
    pub step_timeout: Duration,
}

pub(super) fn build(options: &Options) -> Result<SecretClient, Failure> {
    let credential: Arc<dyn TokenCredential> = match &options.identity {
        Identity::Managed { client_id } => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
            // The endpoint is on this machine, speaks plain HTTP, and is asked
            // with a secret header: no proxy has any business with it.
            client_options: client_options(http_client(options).no_proxy())?,
        }))
        .map_err(|_| {
            Failure::new(Cause::Client(
                "IDENTITY_ENDPOINT is not a URL, or its kind is not supported",
            ))
        })?,
        Identity::DeveloperTools => DeveloperToolsCredential::new(Some(DeveloperToolsCredentialOptions {
            executor: Some(Arc::new(KillOnDrop)),
        }))
        .map_err(|_| Failure::new(Cause::Client("the developer tools' credential could not be built")))?,
    };
    let client = SecretClient::new(
        &options.url,
        Arc::new(Credential {
            inner: credential,
            timeout: options.step_timeout,
        }),
        Some(SecretClientOptions {
            client_options: client_options(http_client(options))?,
            // The check asks that the vault's host lies below the resource of
            // its challenge, so that a token never goes elsewhere.
            verify_challenge_resource: Some(!options.loopback),
            ..SecretClientOptions::default()
        }),
    );
    client.map_err(|error| Failure::from_sdk(&error, false))
}

fn http_client(options: &Options) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(options.step_timeout)
        .redirect(reqwest::redirect::Policy::none())
}

fn client_options(client: reqwest::ClientBuilder) -> Result<ClientOptions, Failure> {
    let client = client
        .build()
        .map_err(|_| Failure::new(Cause::Client("the TLS client could not be built")))?;
    Ok(ClientOptions {
        // Retries are this module's own, inside one deadline: the SDK's block
        // for up to 82 s, and wait longer than a caller may for a Retry-After.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(Bounded(client)))),
        ..ClientOptions::default()
    })
}

/// An HTTP client that ends an answer which is too large to be a bundle or a
/// token, before it fills the memory.
#[derive(Debug)]
struct Bounded(reqwest::Client);

#[async_trait::async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, body) = self.0.execute_request(request).await?.deconstruct();
        let mut left = MAX_ANSWER;
        let body = body.map(move |chunk| {
            let chunk = chunk?;
            left = left
                .checked_sub(chunk.len())
                .ok_or_else(|| Error::with_error(ErrorKind::DataConversion, TooLarge, "too large"))?;
            Ok(chunk)
        });
        Ok(AsyncRawResponse::new(status, headers, Box::pin(body)))
    }
}

/// Runs `az` and `azd`; one that takes longer than the deadline does not stay.
#[derive(Debug)]
struct KillOnDrop;

#[async_trait::async_trait]
impl Executor for KillOnDrop {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
    }
}

/// Bounds a request for a token, and marks every failure to get one as such,
/// so that an identity endpoint's 403 is not taken for the vault's.
struct Credential {
    inner: Arc<dyn TokenCredential>,
    timeout: Duration,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

#[async_trait::async_trait]
impl TokenCredential for Credential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let asked = timeout(self.timeout, self.inner.get_token(scopes, options)).await;
        let answer = asked.map_err(|_| Error::with_message(ErrorKind::Credential, "no token in time"))?;
        // The source stays for the log to take its status from.
        answer.map_err(|error| Error::with_error(ErrorKind::Credential, error, "no token"))
    }
}
